"""Which number of an answer is explained, and in which units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# How people find the answers that there are.
LIST_ANSWERS = "Each is in what 'pellucid predict RUN DATA --json' says."


@dataclass(frozen=True)
class Explained:
    """One number of a raw answer.

    Attributes:
        index: its place in the raw answer. name: what it answers: a class, a label, a column. noun: what it is, for
            people: ``the logit of 'cat'``. scale, offset: raw numbers times ``scale``, plus ``offset``, are in units.
    """

    index: int
    name: str
    noun: str
    scale: float = 1.0
    offset: float = 0.0

    def to_units(self, raw: float | np.ndarray) -> float | np.ndarray:
        """A raw number as people read it."""
        return raw * self.scale + self.offset


def explain_logit(index: int, name: str) -> Explained:
    """A class's or a label's logit: a probability would hide what speaks for the others."""
    return Explained(index, name, f"the logit of '{name}'")


def explain_number(index: int, name: str, scale: float, offset: float) -> Explained:
    """A number in the user's units."""
    return Explained(index, name, f"'{name}'", float(scale), float(offset))
