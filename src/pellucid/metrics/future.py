"""Metrics of forecasts. n examples, H steps ahead, C channels, K quantiles; S sets of weights at once.

Answers are (n, H, C, 4): what is forecast, the ends of its interval, and how far it may be off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .base import Judge, Metric


@dataclass(frozen=True)
class Outcome:
    """What came of n forecasts, all in units of the training values' spread.

    Attributes:
        values: (n, H, C), NaN where it is not known. scale: (n, C), by how much the series differs from a season
            before; NaN for one that never changed, which counts in no scaled error. mean, std: (C,) of the training
            values, in the user's units.
        levels, lines: shares of what comes that lie below the quantiles, and (K, H, C) these, counted from what is
            forecast in how far it may be off.
    """

    values: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    levels: Sequence[float] = ()
    lines: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1), np.float32))

    def __len__(self) -> int:
        return len(self.values)

    def in_units(self, values: np.ndarray) -> np.ndarray:  # (n, H, C) -> (n, H, C)
        return values * self.std + self.mean


def mean_known(error: np.ndarray) -> Judge:  # (n, H, C), NaN where not known
    """The weighted mean over examples of each one's mean over steps, and over channels."""
    each, known = mean_of_steps(error)
    each = np.where(known, each, 0.0)

    def of_weights(weight: np.ndarray) -> np.ndarray:  # (S, n) -> (S,)
        return (weight @ each).sum(1) / np.maximum((weight @ known.astype(np.float64)).sum(1), 1e-12)

    return of_weights


def mean_of_steps(error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n, H, C) -> (n, C), (n, C) bool
    """Each example's mean over the steps that are known, and where there is any."""
    known = np.isfinite(error)
    count = known.sum(1)
    return np.where(known, error, 0).sum(1, dtype=np.float64) / np.maximum(count, 1), count > 0


def scaled_error(answers: np.ndarray, true: Outcome) -> Judge:
    """Absolute errors by what a forecast of the value a season before errs in training (Hyndman, Koehler, 2006)."""
    return mean_known(abs(answers[..., 0] - true.values) / true.scale[:, None])


def mean_squared_error(answers: np.ndarray, true: Outcome) -> Judge:
    return mean_known((answers[..., 0] - true.values) ** 2)


def standardised_absolute_error(answers: np.ndarray, true: Outcome) -> Judge:
    return mean_known(abs(answers[..., 0] - true.values))


def absolute_error_in_units(answers: np.ndarray, true: Outcome) -> Judge:
    return mean_known(abs(answers[..., 0] - true.values) * true.std)


def root_squared_error_in_units(answers: np.ndarray, true: Outcome) -> Judge:
    squared = mean_known(((answers[..., 0] - true.values) * true.std) ** 2)
    return lambda weight: np.sqrt(squared(weight))


def symmetric_percentage_error(answers: np.ndarray, true: Outcome) -> Judge:
    """Absolute errors as shares of the mean of both sizes, as the M4 contest has it (Makridakis et al., 2020)."""
    said, came = true.in_units(answers[..., 0]), true.in_units(true.values)
    return mean_known(2 * abs(said - came) / np.maximum(abs(said) + abs(came), 1e-12))


def interval_score(answers: np.ndarray, true: Outcome) -> Judge:
    """The width of intervals and, where one misses, how far times 2 / .1, by the scale (Gneiting, Raftery, 2007)."""
    return mean_known(interval_costs(answers[..., 1], answers[..., 2], true.values, 0.1) / true.scale[:, None])


def interval_costs(low: np.ndarray, high: np.ndarray, true: np.ndarray, miss: float) -> np.ndarray:
    """What intervals cost that are to miss a share of ``miss``: their width, and how far they miss."""
    return high - low + 2 / miss * (np.maximum(low - true, 0) + np.maximum(true - high, 0))


def pinball_loss(answers: np.ndarray, true: Outcome) -> Judge:
    """The mean cost of all quantiles (Koenker and Bassett, 1978), of standardised values."""
    off, spread = true.values - answers[..., 0], answers[..., 3]
    total = np.zeros_like(off)
    # One quantile after the other: all at once would take the room of all answers so many times.
    for level, line in zip(true.levels, true.lines, strict=True):
        beyond = off - line * spread
        total += np.maximum(level * beyond, (level - 1) * beyond)
    return mean_known(total / max(len(true.levels), 1))


_OPEN = (0.0, math.inf)

_OFF = "{name} {value} ({low} to {high}), in the unit of {names}; baseline ({naive}): {base}."

OF_FUTURES = {
    metric.name: metric
    for metric in (
        Metric("MASE", scaled_error, ("mase", "mean absolute scaled error"), higher=False, limits=_OPEN,
               constant="median"),
        Metric("MSE of standardised values", mean_squared_error, ("mse",), higher=False, limits=_OPEN),
        Metric("MAE of standardised values", standardised_absolute_error, ("smae",), higher=False, limits=_OPEN,
               constant="median"),
        Metric("mean absolute error", absolute_error_in_units, ("mae",), higher=False, limits=_OPEN,
               constant="median", sentence=_OFF),
        Metric("root mean squared error", root_squared_error_in_units, ("rmse",), higher=False, limits=_OPEN,
               sentence=_OFF),
        Metric("sMAPE", symmetric_percentage_error, ("smape",), higher=False, percent=True, limits=(0.0, 2.0),
               constant="median"),
        Metric("scaled interval score", interval_score, ("sis", "interval score"), higher=False, limits=_OPEN,
               constant="median"),
        Metric("pinball loss of standardised values", pinball_loss, ("pinball", "pinball loss"), higher=False,
               limits=_OPEN, constant="median"),
    )
}  # fmt: skip
