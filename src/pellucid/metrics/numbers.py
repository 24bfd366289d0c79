"""Metrics of numbers."""

from __future__ import annotations

import math

import numpy as np

from ..errors import PellucidError
from .base import Judge, Metric, mean_of


def r2(guess: np.ndarray, true: np.ndarray) -> Judge:  # (n, R), (n, R)
    """1 - squared error over the spread of the truth, the mean over targets."""
    # Taken off for precision: squares of years or prices would else swallow what they differ by. The spread is the
    # same.
    middle = true.mean(0)
    columns = np.concatenate([(guess - true) ** 2, true - middle, (true - middle) ** 2], 1)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        error, total, square = np.split(weight @ columns, 3, axis=-1)
        spread = square - total**2 / weight.sum(1, keepdims=True)
        varies = spread > 1e-12 * square
        # As scikit-learn has it where the truth is always the same.
        flat = np.where(error > 0, 0.0, 1.0)
        return np.where(varies, 1 - error / np.where(varies, spread, 1), flat).mean(-1)

    return of_weights


def mean_absolute_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of(abs(guess - true))


def root_mean_squared_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    error = (guess - true) ** 2
    return lambda weight: np.sqrt((weight @ error) / weight.sum(1, keepdims=True)).mean(1)


def median_absolute_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    error = abs(guess - true)
    return lambda weight: np.stack([weighted_medians(error[:, r], weight) for r in range(error.shape[1])], 1).mean(1)


def mean_absolute_percentage_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of(abs(guess - true) / np.maximum(abs(true), np.finfo(float).eps))


def weighted_medians(values: np.ndarray, weight: np.ndarray) -> np.ndarray:  # (n,), (S, n) -> (S,)
    """Weighted medians; between two values where half of the weight lies on each side."""
    order = np.argsort(values, kind="stable")
    ordered, ends = values[order], weight[:, order].cumsum(1)  # (n,), (S, n)
    half = ends[:, -1:] / 2
    # Sums of weights are not exact.
    near = 1e-12 * ends[:, -1:]
    low, high = (ends >= half - near).argmax(1), (ends > half + near).argmax(1)
    return (ordered[low] + ordered[high]) / 2


def check_percentage(name: str, true: np.ndarray) -> None:
    """Raises PellucidError where the mean absolute percentage error would divide by 0.

    Args:
        true: (n,) float64, as the user has it.
    """
    if zeros := int(next_to_nothing(true).sum()):
        near = "" if (true == 0).any() else "next to "
        raise PellucidError(
            f"the mean absolute percentage error divides by the target, and '{name}' is {near}0 in {zeros:,} examples",
            fix="choose --metric mae",
        )


def next_to_nothing(true: np.ndarray) -> np.ndarray:  # (n,) or (n, R) -> bool
    """Where a number is 0, or so small that float32, in which it is taken from the mean, keeps nothing of it."""
    return (true == 0) | (abs(true) < 1e-6 * abs(true - true.mean(0)))


# The limits of an error.
UNBOUNDED = (0.0, math.inf)

OFF = "{name} {value} ({low} to {high}), in the unit of {names}; baseline ({naive}): {base}."

OF_NUMBERS = {
    metric.name: metric
    for metric in (
        Metric("R2", r2, ("r2", "r squared"), limits=(-math.inf, 1.0)),
        Metric("mean absolute error", mean_absolute_error, ("mae",), higher=False, limits=UNBOUNDED, constant="median",
               sentence=OFF),
        Metric("root mean squared error", root_mean_squared_error, ("rmse",), higher=False, limits=UNBOUNDED,
               sentence=OFF),
        Metric("median absolute error", median_absolute_error, ("medae",), higher=False, limits=UNBOUNDED,
               constant="median",
               sentence=OFF),
        Metric("mean absolute percentage error", mean_absolute_percentage_error, ("mape",), higher=False, percent=True,
               limits=UNBOUNDED, constant="share",
               sentence="{name} {value:.1%} ({low:.1%} to {high:.1%}); baseline ({naive}): {base:.1%}."),
    )
}  # fmt: skip
