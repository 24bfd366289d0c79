"""Ranges of numbers whose width follows the prediction: split conformal prediction, normalised by a learned spread.

A range of one width for all promises too much of large predictions and too little of small ones, where errors grow with
the number. So the spread is learned first, the errors' 90% point as a function of the prediction, and then by how much
it has to be multiplied so that 90% of errors lie within it, on examples that the spread was not learned from
(Papadopoulos, 2008; Lei et al., 2018).

n examples, K points of the learned spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..storage import forms

# Of new answers that a range shall hold.
COVERAGE = 0.9

# Examples in each bin of a half, at most so many bins, and at least so many of them for a spread to be learned: from
# fewer the range is as wide for all. On seven real tables bins of 50 held 90% in each third of the predictions where
# bins of 25 or fewer than two did not (bench/ranges.py).
EACH, MOST_BINS, LEAST_BINS = 50, 20, 2

# Of the spread over all examples, that a bin has at least: where no error was seen, there may be one yet.
LEAST_SPREAD = 0.02

# Thirds of the predictions, of each of which at least so many examples say how many ranges hold.
THIRDS = ("lowest", "middle", "highest")

LEAST_EACH_THIRD = 10


@dataclass(frozen=True)
class Range:
    """How wide the range around a prediction is, in the user's units.

    Attributes:
        at: (K,) predictions, rising. half: (K,) half the width there; straight lines between, level beyond the ends.
        least: below which no range goes, because no known target does; None for no such bound.
        whole: whether its ends are whole numbers, because all known targets are.
    """

    at: np.ndarray
    half: np.ndarray
    least: float | None = None
    whole: bool = False

    def half_width(self, value: np.ndarray) -> np.ndarray:  # (n,) -> (n,)
        """Half the width around each prediction, before anything that is not possible is cut off."""
        return np.interp(value, self.at, self.half)

    def ends(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n,) -> (n,), (n,)
        """Where the range around each prediction begins and ends.

        >>> Range(np.array([0.0, 100.0]), np.array([5.0, 25.0]), least=0.0).ends(np.array([2.0, 50.0]))
        (array([ 0., 35.]), array([ 7.4, 65. ]))
        """
        half = self.half_width(value)
        low, high = value - half, value + half
        if self.whole:
            # A whole number lies between two ends if and only if it lies between the whole numbers inside them; where
            # there is none inside, those beside the prediction are.
            low, high = np.minimum(np.ceil(low), np.floor(value)), np.maximum(np.floor(high), np.ceil(value))
        if self.least is not None:
            low, high = np.maximum(low, self.least), np.maximum(high, self.least)
        return low, high

    def holds(self, value: np.ndarray, true: np.ndarray) -> np.ndarray:  # (n,), (n,) -> (n,) bool
        """Whether the truth lies within the range around each prediction; both may be rounded to 32 bits."""
        low, high = self.ends(value)
        # Up to rounding, since an end that is cut off lies exactly on numbers that are possible.
        near = 1e-6 * (abs(true) + abs(value))
        return (true >= low - near) & (true <= high + near)

    def to_json(self) -> dict[str, Any]:
        return {"at": self.at.tolist(), "half": self.half.tolist(), "least": self.least, "whole": self.whole}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Range:
        """The range that ``to_json`` wrote. Raises FormError for anything else."""
        check_range(found, "range")
        at, half = (np.array(found[name], np.float64) for name in ("at", "half"))
        return cls(at, half, None if found["least"] is None else float(found["least"]), found["whole"])


_RANGE = forms.record(
    {
        "at": forms.rising(forms.number(), least=1, most=MOST_BINS),
        "half": forms.list_of(forms.number(0), least=1, most=MOST_BINS),
        "least": forms.maybe(forms.number()),
        "whole": forms.flag,
    }
)


def check_range(value: Any, where: str) -> None:
    """The form of a range in a file."""
    _RANGE(value, where)
    if len(value["at"]) != len(value["half"]):
        raise forms.FormError(f"{where} has {len(value['half'])} widths for {len(value['at'])} predictions")


def fit_range(raw: np.ndarray, target: np.ndarray, scale: tuple[float, float], state: Mapping[str, Any]) -> Range:
    """The range that holds ``COVERAGE`` of new answers, from answers to examples that were not learned from.

    Args:
        raw, target: (n,) answers and truth, standardised. scale: the mean and the standard deviation that they are
            standardised by. state: of the target's field, which says what values training had.
    """
    mean, std = scale
    raw, target = (np.asarray(one, np.float64) for one in (raw, target))
    at, half = _spread_points(raw, abs(target - raw))
    # In the user's units points that were apart may be one.
    at, which = np.unique(at * std + mean, return_inverse=True)
    half = np.minimum(np.bincount(which, half) / np.bincount(which) * std, forms.LARGEST_NUMBER)
    true = target * std + mean
    bounded = state.get("min", -1) >= 0 and bool((true >= -1e-6 * (abs(mean) + std)).all())
    whole = bool(state.get("integer")) and bool((abs(true - np.round(true)) <= 1e-6 * (abs(true) + std)).all())
    return Range(at, half, 0.0 if bounded else None, whole)


def _spread_points(value: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n,), (n,) -> (K,), (K,)
    bins, widest = min(len(value) // (2 * EACH), MOST_BINS), conformal_quantile(error)
    if bins < LEAST_BINS or not widest > 0:
        return np.zeros(1), np.array([widest])
    # Each half is measured by what the other half taught, so that every example counts in both.
    halves, scaled = np.arange(len(value)) % 2 == 0, np.empty(len(value))
    for own in (halves, ~halves):
        at, spread = _learn_spread(value[~own], error[~own], bins, LEAST_SPREAD * widest)
        scaled[own] = error[own] / np.interp(value[own], at, spread)
    at, spread = _learn_spread(value, error, bins, LEAST_SPREAD * widest)
    return at, spread * conformal_quantile(scaled)


def _learn_spread(
    value: np.ndarray, error: np.ndarray, bins: int, least: float
) -> tuple[np.ndarray, np.ndarray]:  # (n,), (n,) -> (K,), (K,)
    """The 90% point of errors in bins of as many examples each, at the mean prediction of each bin."""
    parts = np.array_split(np.argsort(value, kind="stable"), bins)
    middle = np.array([value[part].mean() for part in parts])
    spread = np.array([np.quantile(error[part], COVERAGE) for part in parts])
    # Equal predictions may fill more than one bin.
    at, which = np.unique(middle, return_inverse=True)
    return at, np.maximum(np.bincount(which, spread) / np.bincount(which), least)


def conformal_quantile(score: np.ndarray) -> float:  # (n,)
    """The ⌈(n + 1) · 90%⌉-th smallest: a new score lies within it with at least that chance; the largest of fewer than
    9, which can't promise as much; 0 of none.

    >>> conformal_quantile(np.arange(1.0, 20.0))
    18.0
    """
    if not len(score):
        return 0.0
    # Less a little, because 0.9 times a whole number may come out above one.
    place = math.ceil((len(score) + 1) * COVERAGE - 1e-9)
    return float(np.sort(score)[min(place, len(score)) - 1])


def coverage_by_third(
    value: np.ndarray, held: np.ndarray, weight: np.ndarray | None = None
) -> dict[str, float]:  # (n,), (n,), (n,)
    """The share of ranges that hold the truth, ``"all"`` and by thirds of the predictions; thirds not of few.

    Args:
        value: the predictions. held: whether the range of each does. weight: how much each counts.
    """
    found = {"all": float(np.average(held, weights=weight))}
    if len(value) < LEAST_EACH_THIRD * len(THIRDS):
        return found
    for name, rows in zip(THIRDS, np.array_split(np.argsort(value, kind="stable"), len(THIRDS)), strict=True):
        own = None if weight is None else weight[rows]
        if own is None or own.sum() > 0:
            found[name] = float(np.average(held[rows], weights=own))
    return found
