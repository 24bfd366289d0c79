"""Train, validation, test: as the data gives them, else stratified and seeded. n rows of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import PellucidError, UsageError
from .order import parted
from .sources import PARTS, SPLIT_WORDS, counted

USUAL = (0.8, 0.1, 0.1)
FEWEST = 5  # rows that can be parted at all


@dataclass(frozen=True)
class Split:
    """Rows (sorted int64) of each part, and how they came about."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    how: str

    def __getitem__(self, part: str) -> np.ndarray:
        return getattr(self, part)

    def parts(self) -> dict[str, np.ndarray]:
        """The rows by part."""
        return {part: self[part] for part in PARTS}

    def __str__(self) -> str:
        return ", ".join(f"{part} {len(self[part]):,}" for part in PARTS) + f" ({self.how})"


def fractions_of(value: str | Sequence[float] | None) -> tuple[float, ...] | None:
    """Three shares from ``"0.8,0.1,0.1"``, ``"80:10:10"`` or numbers; None where ``value`` names a column or nothing.

    >>> fractions_of("80:10:10"), fractions_of("fold")
    ((0.8, 0.1, 0.1), None)
    """
    if value is None:
        return None
    pieces = value.replace(":", ",").replace("/", ",").split(",") if isinstance(value, str) else list(value)
    try:
        shares = [float(piece) for piece in pieces]
    except ValueError:
        return None
    total = sum(shares)
    if len(shares) != 3 or min(shares) < 0 or shares[0] <= 0 or not (abs(total - 1) < 1e-6 or abs(total - 100) < 1e-4):
        raise UsageError(
            f"split {value!r} is not three shares that make 1",
            fix="write train, validation and test, such as 0.8,0.1,0.1, or the name of a column",
        )
    return tuple(share / total for share in shares)


def given(words: Sequence[str | None]) -> np.ndarray:
    """The part, as index of ``PARTS``, that each word stands for; -1 for none."""
    names = {word: PARTS.index(part) for word, part in SPLIT_WORDS.items()}
    return np.array([-1 if word is None else names.get(word.strip().lower(), -1) for word in words], np.int64)


def honoured(
    part: np.ndarray, rows: np.ndarray, fractions: Sequence[float], seed: int, classes: np.ndarray | None
) -> Split:
    """Keep the parts that are given; one that is missing is carved out of train.

    Args:
        part: (n,) index of ``PARTS`` of each of ``rows``, -1 for rows in none, which are left out.
        rows: (n,) sorted; ``classes``: (n,) the class of each, None for no classes.
    """
    parts = [rows[part == i] for i in range(3)]
    how = "given by the data"
    for i in (2, 1):
        if not len(parts[i]) and fractions[i] > 0:
            own = None if classes is None else classes[np.searchsorted(rows, parts[0])]
            parts[0], parts[i] = parted(parts[0], (1 - fractions[i], fractions[i]), seed, own)
            how += f"; {PARTS[i]} is {fractions[i]:.0%} of train at random, seed {seed}"
    return _checked(parts, how, fractions)


def at_random(rows: np.ndarray, fractions: Sequence[float], seed: int, classes: np.ndarray | None) -> Split:
    """Part at random in the given shares, the same shares of every class."""
    shares = " : ".join(f"{100 * f:g}" for f in fractions)
    how = f"{shares} at random, seed {seed}" + ("" if classes is None else ", the same shares of every class")
    return _checked(parted(rows, fractions, seed, classes), how, fractions)


def _checked(parts: list[np.ndarray], how: str, fractions: Sequence[float]) -> Split:
    total = sum(map(len, parts))
    if total < FEWEST:
        raise PellucidError(
            f"there are too few examples: {counted(total, 'row')} that can be used, at least {FEWEST} are needed"
        )
    for name, rows, fraction in zip(PARTS, parts, fractions, strict=True):
        if not len(rows) and (fraction > 0 or name == "train"):
            raise PellucidError(
                f"no example is left for {name} ({counted(total, 'row')} in all)",
                fix="bring more data, or give other shares with --split",
            )
    return Split(parts[0], parts[1], parts[2], how)
