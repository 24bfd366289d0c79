"""Pairs of texts that may not belong together: the lines of one side in another order. n pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...fields import Note, Stored
from ...wording import join_words, number_text
from .base import SplitView, part_check

# Pairs below which lengths say nothing, and that are looked at, spread evenly.
FEWEST_PAIRS, MOST_PAIRS = 100, 50_000

# Of the logarithms of lengths: how much they must differ to say anything, and up to which correlation they hardly go
# together. Those of Multi30k have .88, shuffled .00; numbers and what they are in words .84 (docs/LOG.md, 2026-11-28).
LEAST_SPREAD, LOW = 0.15, 0.1


@part_check
def like_lengths(parts: SplitView) -> Iterator[Note]:
    """Texts that are written, whose lengths have nothing to do with those of what they are written from."""
    target, inputs = parts.data.target, parts.data.inputs
    if target is None or not target.traits.prose or [f.traits.prose for f in inputs] != [True]:
        return
    rows = parts.rows[:: max(1, -(-len(parts.rows) // MOST_PAIRS))]
    if len(rows) < FEWEST_PAIRS:
        return
    one, two = (log_lengths(parts.data.stored_values(f.name), rows) for f in (inputs[0], target))
    if min(one.std(), two.std()) < LEAST_SPREAD:
        return
    together = float(np.corrcoef(one, two)[0, 1])
    if together > LOW:
        return
    names = join_words(f"'{f.name}'" for f in (inputs[0], target))
    text = f"the lengths of {names} hardly go together (correlation {number_text(together)}): if one is the "
    text += "translation of the other, their lines may be in another order"
    yield Note(
        "warning", text, parts.data.name, "all are learned from", "see in some pairs whether they belong together"
    )


def log_lengths(stored: Stored, rows: np.ndarray) -> np.ndarray:  # (m,) -> (m,)
    """The logarithm of how many bytes each of some texts has."""
    return np.log1p(np.diff(np.asarray(stored.arrays["ends"]), prepend=0)[rows])
