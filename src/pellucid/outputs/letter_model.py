"""How letters follow each other in transcripts, counted, and how much a search for what is said believes it.

N texts, T tokens of each, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch

from ..fields.text import END, PADDING, START
from ..ngrams.joined_text import JoinedText, join_pieces
from ..ngrams.kneser_ney import count_levels, order_losses
from ..ngrams.model import MOST_ORDER, NgramModel, choose_order
from ..wording import percent_text

# Texts that are followed where letters are weighed in.
BEAMS = 8

# Ends of texts whose scores are kept: most come again, in other clips and at other positions.
MOST_KEPT = 1 << 15

# Bytes that counts may take.
MOST_BYTES = 1 << 26


@dataclass(frozen=True)
class LetterModel:
    """A counted model of the texts of training beside a network that hears (Hannun et al., "First-pass large vocabulary
    continuous speech recognition using bi-directional recurrent DNNs", 2014).

    Attributes:
        model: of tokens behind START, an END behind each text.
        weight: what its log-probabilities are multiplied by. bonus: nats that a letter is given back, so that a text is
            not less likely for being long: what a letter costs on average.
        kept: scores by ends of texts, before they are multiplied; of all weights.
    """

    model: NgramModel
    weight: float
    bonus: float
    kept: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    @property
    def context(self) -> int:
        """How many last tokens of a text it looks at."""
        return self.model.order - 1

    def score_next(self, texts: Sequence[tuple[int, ...]]) -> np.ndarray:  # N texts -> (N, V)
        """What each next token adds to the score of texts, of which the last ``context`` tokens suffice; at the blank
        what the end of the text adds.
        """
        # Where less than its context is there, all of the text is.
        ends = [text if len(text) >= max(self.context, 1) else (START, *text) for text in texts]
        if len(self.kept) > MOST_KEPT:
            self.kept.clear()
        fresh = sorted({end for end in ends if end not in self.kept}, key=len)
        for _, alike in groupby(fresh, key=len):
            own = list(alike)
            self.kept.update(zip(own, self._read_ends(own), strict=True))
        return self.weight * np.stack([self.kept[end] for end in ends])

    @torch.inference_mode()
    def _read_ends(self, ends: Sequence[tuple[int, ...]]) -> np.ndarray:  # N of one length -> (N, V)
        """The scores behind some ends of texts, before they are multiplied."""
        found = self.model.read_last(torch.tensor(ends)).double().numpy()
        over = found[:, END].copy()
        found += self.bonus
        found[:, PADDING] = over
        return found


def join_texts(values: np.ndarray, ends: np.ndarray, rows: np.ndarray) -> JoinedText:  # (total,), (n,), (m,)
    """Some of n texts with their ends, each behind START."""
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    return join_pieces(values, starts[rows], ends[rows], np.full(len(rows), START))


def count_letters(text: JoinedText, other: JoinedText, size: int) -> tuple[NgramModel, dict[str, object], float]:
    """Counts of a text, of the order that foretells ``other`` best.

    Returns:
        The model; its sizes, as JSON; its loss on ``other`` in nats a token.
    """
    levels = list(count_levels(text, np.zeros((0, 2), np.int64), size, MOST_ORDER, MOST_BYTES))
    losses = order_losses(levels, other, size)
    order = choose_order(losses, len(levels))
    model = NgramModel()
    return model, model.fill(levels[:order], size), losses[order - 1] if losses else 0.0


def say_letters(facts: Mapping[str, Any] | None) -> str:
    """What counted letters are worth, from what a run's record says of them; empty where they are not weighed in."""
    if not facts or not facts["weight"]:
        return ""
    alone, both = (percent_text(facts["validation"][f"{weight:g}"]) for weight in (0.0, facts["weight"]))
    return (
        f"{alone} of the words in validation are wrong by sound alone, {both} with a letter model counted on the "
        f"training texts ({facts['order']}-grams)."
    )
