"""Texts that are written, beside what they are written from in words. n pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...fields import Field, Ragged
from .nearest import MOST_TEXTS, NO_OTHER, TextIndex

if TYPE_CHECKING:
    from ..examples import Examples

# Rows whose words are looked at together.
ROWS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Pairs(Ragged):
    """The tokens of n texts, and the words of what each is written from.

    Attributes:
        vocabulary: how many different tokens there may be. words: of some rows (m,), m texts; empty ones where inputs
            have no words, as photos.
    """

    vocabulary: int = 0
    words: Callable[[np.ndarray], list[str]] = lambda rows: [""] * len(rows)
    _indices: dict[Any, tuple[np.ndarray, TextIndex]] = field(default_factory=dict, compare=False, repr=False)

    def nearest(self, learned: np.ndarray, rows: np.ndarray, *, letters: bool) -> np.ndarray:  # (k,), (m,) -> (m,)
        """The row among ``learned`` whose words are the most similar to those of each of ``rows``, another than itself;
        ``NO_OTHER`` where there is none.

        Args:
            letters: as of ``TextIndex``.
        """
        known, index = self._index_of(learned, letters)
        place = np.searchsorted(known, rows).clip(0, len(known) - 1)
        own = np.where(known[place] == rows, place, -1)
        found = index.nearest(self.words(rows), own)
        return np.where(found == NO_OTHER, NO_OTHER, known[found])

    def nearest_to(self, words: list[str], *, letters: bool) -> np.ndarray:  # m texts -> (m,)
        """The row whose words are the most similar to each of some that are none of these rows'."""
        known, index = self._index_of(np.arange(len(self)), letters)
        return known[index.nearest(words)]

    def is_wordless(self, rows: np.ndarray) -> bool:  # (k,)
        """Whether nothing that these rows are written from has words, so that none is more similar than another."""
        pieces = (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))
        # Mostly the first piece tells.
        return not any(text.strip() for piece in pieces for text in self.words(piece))

    def _index_of(self, learned: np.ndarray, letters: bool) -> tuple[np.ndarray, TextIndex]:
        key = letters, learned.tobytes()
        if key not in self._indices:
            known = np.sort(learned)[:: -(-len(learned) // MOST_TEXTS)]
            # The last one alone: each asks of one set of rows several times.
            self._indices.clear()
            self._indices[key] = known, TextIndex(self.words(known), letters=letters)
        return self._indices[key]


def pair_texts(data: Examples, target: Field, encoded: Ragged) -> Pairs:
    """The encoded ``target`` beside the words of the inputs."""
    size = int((target.state or {})["size"])
    return Pairs(encoded.values, encoded.ends, size, partial(input_words, data))


def input_words(data: Examples, rows: np.ndarray) -> list[str]:  # (m,) -> m texts
    """What the inputs of some rows say in words: texts, numbers and words of a table; nothing of photos."""
    told = [f for f in data.inputs if f.traits.prose or f.traits.tabular]
    stored = {f.name: data.stored_values(f.name) for f in told}
    return [" ".join(str(f.traits.show(stored[f.name], row)) for f in told) for row in rows.tolist()]
