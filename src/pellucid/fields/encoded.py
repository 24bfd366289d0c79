"""Compact and encoded arrays of a field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Gets the array's name, shape and dtype, and gives a zeroed array to fill: in memory, or a mapped file of the cache.
Into = Callable[[str, tuple[int, ...], Any], np.ndarray]


def allocate_in_memory(_: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The allocator for arrays that are not to lie in the cache."""
    return np.zeros(shape, dtype)


@dataclass(frozen=True)
class Ragged:
    """n sequences of different lengths in one array: example i is ``values[ends[i-1]:ends[i]]``.

    Attributes:
        values: (total, ...) all sequences one after the other.
        ends: (n,) int64, where each one ends.
    """

    values: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> np.ndarray:  # (n,)
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64) if len(self.ends) else self.ends

    @property
    def lengths(self) -> np.ndarray:  # (n,)
        return self.ends - self.starts

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[(self.ends[row - 1] if row else 0) : self.ends[row]]


@dataclass(frozen=True)
class Windows:
    """n stretches of arrays in order of time, computed and never copied out: example i is what lies around its place.

    P places, C columns, B examples; T = ``before`` + ``after``.

    Attributes:
        values: (P, C) float32, NaN where missing.
        places: (n,) int64, where the stretch after each example begins; -1 for none.
        low, high: (n,) int64, the places of its own series are from ``low`` to before ``high``: what lies outside is
            missing.
        before, after: places of a stretch before and from its place on.
        ahead: (C,) bool, which columns are known also from the place on; the others are missing there.
        scale: (n, C) float32 or nothing: given behind each stretch as a position of its own.
    """

    values: np.ndarray
    places: np.ndarray
    low: np.ndarray
    high: np.ndarray
    before: int
    after: int
    ahead: np.ndarray
    scale: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)

    def gather(self, rows: np.ndarray) -> np.ndarray:  # (B,) -> (B, T, C) or (B, T + 1, C)
        """The stretches of some examples."""
        index = self.places[rows][:, None] + np.arange(-self.before, self.after)  # (B, T)
        there = (index >= self.low[rows][:, None]) & (index < self.high[rows][:, None])
        found = self.values[np.clip(index, 0, max(len(self.values) - 1, 0))]  # (B, T, C)
        known = there[:, :, None] & ((np.arange(-self.before, self.after) < 0)[:, None] | self.ahead)
        found = np.where(known, found, np.float32(np.nan))
        return found if self.scale is None else np.concatenate([found, self.scale[rows][:, None]], 1)


@dataclass(frozen=True)
class Passages:
    """n passages of documents, rows one after the other: example i is the tokens from the end of the one before it.

    Attributes:
        values: (total,) int32 tokens of all passages, one after the other.
        ends: (n,) int64, where each one ends.
        low: (n,) int64, where its document begins: what stands before is another's.
        sizes: (n, 2) float32, tokens and bytes of each: what sums of losses are divided by.
        span: T, tokens of a window that is learned from.
        vocabulary: V, how many different tokens there may be.
        first: (n,) int32, the token that is read before the first one from ``low`` on; None for START before each.
    """

    values: np.ndarray
    ends: np.ndarray
    low: np.ndarray
    sizes: np.ndarray
    span: int
    vocabulary: int
    first: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> np.ndarray:  # (n,)
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64) if len(self.ends) else self.ends

    @property
    def lengths(self) -> np.ndarray:  # (n,)
        return self.ends - self.starts


Encoded = np.ndarray | Ragged | Windows | Passages


@dataclass(frozen=True)
class Stored:
    """A field's raw compact values, as they lie in the cache.

    Attributes:
        arrays: named arrays, memory-mapped when they come from the cache; no pickled objects.
        meta: what is needed to understand them, plain JSON (category values, image size, ...).
        n: number of examples.
        bad: rows (int64) whose value could not be read; they are left out of training and said.
    """

    arrays: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]
    n: int
    bad: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def missing_rows(stored: Stored) -> np.ndarray:  # (n,) bool
    """Where an example has no value, in any of the arrays that have an entry an example."""
    gone = np.zeros(stored.n, bool)
    for array in stored.arrays.values():
        # Other arrays, such as the codes of labels, have no entry a row.
        if array.shape == (stored.n,):
            gone |= is_none(array)
    return gone


def is_none(array: np.ndarray) -> np.ndarray:  # (n, ...) -> (n,) bool
    """Where an entry holds no value: NaN or, in whole numbers, a negative code."""
    gone = np.asarray(np.isnan(array) if array.dtype.kind == "f" else array < 0)
    return gone if gone.ndim == 1 else np.asarray(gone.reshape(len(gone), -1).any(1))
