"""A loss with its numbers: from a raw answer and what was right to what training makes small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | float | None


@dataclass(frozen=True)
class OpenedLoss:
    """How one example's loss comes about.

    Attributes:
        sentence: how, in words. headings, rows: the numbers, one line a class, label, target or step. total: the loss;
            None where the numbers are only a part of it. caption: how to read the table.
    """

    sentence: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: float | None
    caption: str
