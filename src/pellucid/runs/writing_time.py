"""What writing texts takes at the end of a run, from a few tokens that are written before its first step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from ..data.parallel.pairs import Pairs
from ..fields import Field, Note
from ..outputs.written import MOST_TEXTS, Writing, Written
from ..training.evaluate import autocast
from ..training.threads import use_threads
from ..wording import count_noun
from .letters import searching_seconds

if TYPE_CHECKING:
    from ..data import Examples
    from ..network import Network
    from .train import Trainer

# What training does with texts that are longer than what is written.
LEARNED_WHOLE = "they are learned from whole"

# Tokens that are written of each text to learn what one takes, and texts that are written side by side for it.
TIMED_TOKENS, TIMED_TEXTS = 6, 128

# How often that is tried; the quickest counts.
TURNS = 2

# Texts are written a little longer than the true ones at times, and hardly any to the limit.
LONGER = 1.2

# Seconds that metrics take for each text: those of the network and of the baseline, on validation and test.
SECONDS_A_TEXT = 2e-3

# Of a budget, that following several texts at once may take; and how many these are.
BEAMS_SHARE, BEAMS = 0.04, 4


def note_long_texts(
    data: Examples, target: Field, tokens: Pairs, rows: np.ndarray, say: Callable[[str], None] = lambda text: None
) -> None:
    """Note where texts among ``rows`` (m,) are longer than what a network writes, and ``say`` it."""
    longest = int((target.state or {})["longest"])
    long = int((tokens.lengths[rows] > longest).sum())
    if long:
        what = f"{count_noun(long, 'training text')} {'has' if long == 1 else 'have'} more than {longest:,} tokens"
        note = Note("warning", f"{what}, at which what is written is cut off", f"column '{target.name}'", LEARNED_WHOLE)
        data.add_note(note)
        say(str(note))


def reserve_writing(job: Trainer, network: Network) -> None:
    """Reserve time for the texts that ``network`` writes at the end, and decide how they are searched for.

    Args:
        network: of a job; its weights stay as they are.
    """
    if not network.output.writes:
        job.writing_seconds = searching_seconds(job, network) if job.clock.deadline(0) is not None else 0.0
        job.clock.reserve = job.finishing_seconds()
        return
    output = cast(Written, network.output)
    rows = [job.watched, job.split.test]
    texts = sum(map(len, rows))
    # With little time none is spent on finding that out.
    seconds = job.clock.seconds_left(0) if job.clock.deadline(0) is not None else None
    step = token_seconds(job, network) if texts and seconds is not None else 0.0
    written = step * sum(_tokens_in_turn(job, own, 1) for own in rows)
    if job.decisions.at(0, "beams") is None:
        several = BEAMS if output.searches else 1
        if seconds is not None and several > 1:
            longer = several * written
            fits = longer <= BEAMS_SHARE * seconds
            why = f"{several} would take about {longer:.1f} s of the {seconds:.0f} s left"
            job.decisions.decide(0, "beams", several if fits else 1, why)
        else:
            job.decisions.decide(0, "beams", several, "each text is right or wrong" if several == 1 else "as usual")
    beams = int(job.decisions.at(0, "beams"))
    output.chosen["beams"] = beams
    job.writing_seconds = beams * written + SECONDS_A_TEXT * texts
    job.clock.reserve = job.finishing_seconds()


@torch.inference_mode()
def token_seconds(job: Trainer, network: Network) -> float:
    """Seconds that one more token of each of ``MOST_TEXTS`` texts takes."""
    output, some = cast(Written, network.output), job.watched[:TIMED_TEXTS]
    training = network.training
    network.eval()
    batch = job.loader.batch(torch.from_numpy(some).to(job.loader.home))
    # Threads that wait for each other would take many times as long: how many are best is not known yet.
    use_threads(job.decisions.at(0, "threads", min(job.thread_counts, default=None)))
    taken = []
    with autocast(network.device):
        # The first time is not counted, since it allocates; nor is what another program takes meanwhile.
        for _ in range(TURNS + 1):
            began = time.perf_counter()
            output.search(network, batch, Writing(longest=TIMED_TOKENS), strict=False)
            taken.append(time.perf_counter() - began)
    network.train(training)
    return min(taken[1:]) / TIMED_TOKENS * MOST_TEXTS / len(some)


def _tokens_in_turn(job: Trainer, rows: np.ndarray, beams: int) -> float:
    """How many tokens are written one after the other, ``MOST_TEXTS`` texts side by side; of short ones fewer."""
    assert isinstance(job.loader.target, Pairs)
    lengths = np.sort(job.loader.target.lengths[rows])
    each = max(MOST_TEXTS // beams, 1)
    return LONGER * float(
        sum(part.mean() * len(part) / each for part in np.split(lengths, range(each, len(rows), each)))
    )
