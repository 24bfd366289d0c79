"""What is said in a recording, as a text: connectionist temporal classification.

B batch, T positions, V tokens of the vocabulary, L tokens of the longest text, D width, R numbers kept of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.batches.batch import Batch, Padded
from ..decoding.ctc import find_best_paths, search_prefixes
from ..fields import Field
from ..fields.text import PADDING, RESERVED
from ..options import MOST_BEAMS
from ..storage.forms import Form, whole
from ..tasks.transcript import LOSS, SUMS, TranscriptTask, written_sums
from ..trunks import Features, Need
from .base import Output, register
from .letter_model import BEAMS, LetterModel

# The token of a position at which nothing new is said.
BLANK = PADDING


@register
class Transcript(Output):
    """One linear map, at every position, to a number for each token and for "nothing new" (the blank).

    The probability of a text is that of all its paths together: ways to lay its tokens, each once or repeated, with
    blanks between, on the positions (CTC; Graves et al., "Connectionist Temporal Classification", ICML 2006). So it is
    learned without anybody saying when each letter is spoken.

    Target: (B, L) tokens with their end, which is not written. Raw answers are (B, T, V) logits; behind a recording's
    end the blank is sure. What is kept of them is the loss and, once it was written, what ``TranscriptTask`` reads.

    Settings:
        beams: texts that are followed while one is written (``decoding.ctc.search_prefixes``); 1 takes the likeliest
            token of each position. Where letters are weighed in, ``letter_model.BEAMS`` are followed.
    """

    name = "transcript"
    task_type = TranscriptTask
    family = "transcript"
    settings: ClassVar[Mapping[str, Any]] = {"beams": 1}
    bounds: ClassVar[Mapping[str, Form]] = {"beams": whole(1, MOST_BEAMS)}

    # How many texts are followed, where that is said for some answers alone.
    beams = 0

    # How letters follow each other in the texts of training, where a run has found that to help.
    letters: LetterModel | None = None

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        heard = [field.traits.recorded for field in inputs]
        return "what is said in a recording" if super().accepts(target, inputs) and heard == [True] else None

    def need(self) -> Need:
        return Need(every=True)

    @property
    def vocabulary(self) -> int:
        """V."""
        return int((self.fields[0].state or {})["size"])

    def build(self, width: int) -> Transcript:
        self.layer = nn.Linear(width, self.vocabulary)
        nn.init.normal_(self.layer.weight, std=width**-0.5)
        nn.init.zeros_(self.layer.bias)
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (B, T, D) -> (B, T, V)
        raw = self.layer(f.x)
        if f.mask is None:
            return raw
        # What is kept of answers comes without the mask, so that they say themselves where they end.
        sure = raw.new_full((raw.shape[2],), -torch.inf)
        sure[BLANK] = 0.0
        return torch.where(f.mask.unsqueeze(2), raw, sure)

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:
        # (B, T, V) or (B, R) -> (B,)
        """-log of the probability of each text; of what was kept, that number.

        0 for a text with more tokens, and blanks between equal ones, than there are positions: it has no path. Such
        rows are left out when data is read (``data.transcripts``); only what training changes can become as short.
        """
        if raw.ndim == 2:
            return raw[:, LOSS]
        target = cast(Padded, batch.target)
        # The end of a text is not written: a recording ends by itself.
        tokens, lengths = target.values.long(), (target.lengths - 1).clamp_min(0)
        with torch.autocast(raw.device.type, enabled=False):
            log_probs = raw.float().log_softmax(2).transpose(0, 1)  # (T, B, V)
            return F.ctc_loss(
                log_probs, tokens, count_positions(raw), lengths, blank=BLANK, reduction="none", zero_infinity=True
            )

    def keep(self, raw: Tensor, batch: Batch) -> Tensor:  # (B, T, V) -> (B, SUMS)
        found = raw.new_full((len(raw), SUMS), torch.nan)
        if batch.target is not None:
            found[:, LOSS] = self.losses(raw, batch)
        return found

    def final_answers(self, network: Any, batch: Batch) -> Tensor:  # -> (B, R)
        """The sums of what was written beside the true texts, NaN without these, and its tokens behind them."""
        raw = network.predict(batch).float()
        # Of a network that diverged the score is that of nothing written; whoever asks for a text is told.
        found, tokens = self.keep(raw, batch), self.write_tokens(raw, strict=batch.target is None)
        if batch.target is not None:
            found[:, LOSS + 1 :] = torch.from_numpy(self.sums_of(tokens, batch)).to(found)
        said = nn.utils.rnn.pad_sequence(
            [torch.tensor(own, dtype=torch.int64) for own in tokens], True, PADDING
        )  # (B, L)
        return torch.cat([found, said.to(found)], 1)

    def sums_of(self, tokens: Sequence[tuple[int, ...]], batch: Batch) -> np.ndarray:  # B texts -> (B, SUMS - 1)
        """How far texts that were written are from the true ones."""
        true = np.asarray(cast(Padded, batch.target).values.cpu())
        return written_sums(self.task.texts(tokens), self.task.texts(true))

    @contextmanager
    def writing(self, how: Any) -> Iterator[None]:
        """A context in which as many texts are followed as ``how.beams`` says."""
        with self.following(0 if how is None else int(how.beams)):
            yield

    @contextmanager
    def following(self, beams: int) -> Iterator[None]:
        """A context in which so many texts are followed; 0 for as many as usual."""
        before, self.beams = self.beams, beams
        try:
            yield
        finally:
            self.beams = before

    def write_tokens(self, raw: Tensor, *, strict: bool = True) -> list[tuple[int, ...]]:  # (B, T, V) -> B texts
        """The tokens of each text that is found; those that stand for no letter are left out.

        Raises:
            PellucidError: for numbers that are not finite; where ``strict`` is False nothing is written of these.
        """
        log_probs, lengths = raw.float().log_softmax(2).cpu().numpy(), count_positions(raw).cpu().numpy()
        letters = self.letters
        beams = self.beams or (BEAMS if letters else int(self.chosen["beams"]))
        if beams > 1:
            add, context = (letters.score_next, letters.context) if letters else (None, None)
            texts = search_prefixes(
                log_probs, lengths, blank=BLANK, beams=beams, add=add, context=context, strict=strict
            )
            found = [own[0] for own in texts]
        else:
            found = find_best_paths(log_probs, lengths, blank=BLANK, strict=strict)
        return [tuple(token for token in one.tokens if token >= RESERVED) for one in found]

    def counts(self, batch: Batch) -> Tensor:  # -> (B,)
        """The tokens of each text; of what was kept, (n, 1), their number as it stands there."""
        target: Any = batch.target
        lengths = target.lengths if isinstance(target, Padded) else target[:, 0]
        return (lengths - 1).clamp_min(0)


def count_positions(raw: Tensor) -> Tensor:  # (B, T, V) -> (B,)
    """How many positions of each answer lie inside its recording; behind its end nothing but the blank can be."""
    # Numbers that are not finite for another reason are not taken for an end.
    return (~torch.isneginf(raw[:, :, BLANK + 1])).sum(1)
