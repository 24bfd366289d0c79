"""How letters follow each other in a run's transcripts: counted at its end, kept in a file of its own.

n examples, V tokens of the vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..fields import Ragged
from ..ngrams.model import NgramModel, check_sizes
from ..outputs.letter_model import BEAMS, LetterModel, count_letters, join_texts, say_letters
from ..outputs.transcript import Transcript
from ..storage import Files, damage_error
from ..storage.forms import FormError
from ..storage.names import LETTERS
from ..tasks.transcript import WORD_EDITS, WORDS
from ..training.evaluate import autocast
from ..training.state import check_tensors, copy_into

if TYPE_CHECKING:
    from ..network import Network
    from .train import Trainer

# Weights that are tried, beside taking the likeliest letter of each position; and how many clips they are judged on.
WEIGHTS, MOST_JUDGED = (0.25, 0.5, 1.0), 300

# Clips that are searched to learn what one takes, and by how much longer that is where letters are weighed in.
TIMED, LONGER = 8, 2.0


def learn_letters(job: Trainer, network: Network) -> bool:
    """Count the texts of training, and weigh them in from now on if validation then has fewer wrong words.

    Returns:
        Whether they are weighed in.
    """
    output, rows = network.output, job.looked.validation
    if not isinstance(output, Transcript) or not len(rows):
        return False
    target = job.loader.target
    assert isinstance(target, Ragged)
    values, ends = (np.asarray(part) for part in (target.values, target.ends))
    model, sizes, loss = count_letters(
        join_texts(values, ends, job.split.train), join_texts(values, ends, rows), output.vocabulary
    )
    some, letters = rows[:: -(-len(rows) // MOST_JUDGED)], LetterModel(model, 1.0, loss)
    rates = judge_weights(job, network, letters, some)
    best = min(rates, key=rates.__getitem__)
    job.record["letters"] = {
        "sizes": sizes,
        "weight": best,
        "bonus": loss,
        "order": model.order,
        "clips": len(some),
        "validation": {f"{weight:g}": rate for weight, rate in rates.items()},
    }
    if not best:
        return False
    job.folder.save_tensors(LETTERS, {name: value.numpy() for name, value in model.state_dict().items()}, {})
    output.letters = replace(letters, weight=best)
    job.listener.said(say_letters(job.record["letters"]))
    return True


@torch.inference_mode()
def judge_weights(job: Trainer, network: Network, letters: LetterModel, rows: np.ndarray) -> dict[float, float]:
    """The share of wrong words among some clips, by what counts weigh; 0.0: by sound alone."""
    output, size = network.output, job.loader.at_once
    assert isinstance(output, Transcript)
    sums = {weight: np.zeros(2) for weight in (0.0, *WEIGHTS)}
    training = network.training
    network.eval()
    for start in range(0, len(rows), size):
        batch = job.loader.batch(torch.from_numpy(rows[start : start + size]).to(job.loader.home))
        with autocast(network.device):
            raw = network.predict(batch).float()
        for weight, found in sums.items():
            output.letters = replace(letters, weight=weight) if weight else None
            found += output.sums_of(output.write_tokens(raw, strict=False), batch)[:, [WORD_EDITS - 1, WORDS - 1]].sum(
                0
            )
    output.letters = None
    network.train(training)
    return {weight: float(edits / max(words, 1)) for weight, (edits, words) in sums.items()}


def searching_seconds(job: Trainer, network: Network) -> float:
    """Seconds that searches at the end of a run take, from those for a few clips that sound like nothing yet."""
    output, rows = network.output, job.looked.validation
    if not isinstance(output, Transcript) or not len(rows):
        return 0.0
    some, training = rows[:TIMED], network.training
    network.eval()
    with torch.inference_mode(), autocast(network.device):
        raw = network.predict(job.loader.batch(torch.from_numpy(some).to(job.loader.home))).float()
    network.train(training)
    began = time.perf_counter()
    with output.following(BEAMS):
        output.write_tokens(raw, strict=False)
    each = LONGER * (time.perf_counter() - began) / len(some)
    return each * (len(WEIGHTS) * min(len(rows), MOST_JUDGED) + len(job.watched) + len(job.split.test))


def restore_letters(network: Network, folder: Files, record: Mapping[str, Any]) -> None:
    """Give the network of a finished run its counts back. Raises PellucidError for a file that no counting gives."""
    known, output = record.get("letters"), network.output
    if not isinstance(output, Transcript) or not known or not known["weight"]:
        return
    path, tensors = folder.path / LETTERS, folder.load_tensors(LETTERS)[0]
    try:
        check_sizes(known["sizes"], "letters.sizes")
        # First without memory: a stranger's record may ask for more than there is.
        with torch.device("meta"):
            outline = NgramModel().allocate(output.vocabulary, known["sizes"])
        check_tensors(outline.state_dict(), tensors, path)
        outline.check_values(tensors)
    except FormError as error:
        raise damage_error(f"it is damaged ({error})", path) from None
    model = NgramModel().allocate(output.vocabulary, known["sizes"])
    copy_into(model.state_dict(), {name: torch.from_numpy(value) for name, value in tensors.items()})
    output.letters = LetterModel(model, known["weight"], known["bonus"])
