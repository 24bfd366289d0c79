"""Whether rows of numbers are series: whether neighbouring columns say nearly the same. n rows, T columns."""

from __future__ import annotations

import numpy as np

# Columns that a series has at the least, and rows that are looked at.
FEWEST_COLUMNS, MOST_ROWS = 16, 400

# Steps between neighbours, as a share of what they are between any two values of a row: 1 where the order says nothing.
MOST_STEP_SHARE = 0.35

# Correlation of neighbouring columns over the rows. Both are asked for: a table whose columns all measure one thing has
# this one, one whose columns are of very different size, in a lucky order, the other.
LEAST_CORRELATION = 0.7


def are_series(values: np.ndarray) -> bool:  # (n, T)
    """Whether the rows of a matrix are series rather than values of unlike columns.

    >>> t = np.arange(40.0)
    >>> are_series(np.sin(t / 5 + np.arange(30.0)[:, None])), are_series(np.random.default_rng(0).normal(size=(30, 40)))
    (True, False)
    """
    if values.ndim != 2 or values.dtype.kind not in "iuf" or values.shape[1] < FEWEST_COLUMNS or len(values) < 3:
        return False
    some = values[:: max(1, -(-len(values) // MOST_ROWS))].astype(np.float64)
    some = some[np.isfinite(some).all(1)]
    if len(some) < 3:
        return False
    scale = np.abs(some).max() or 1.0
    return step_share(some / scale) < MOST_STEP_SHARE and neighbour_correlation(some / scale) > LEAST_CORRELATION


def step_share(values: np.ndarray) -> float:  # (n, T) -> ()
    """The median over rows of the mean squared step, over twice the variance."""
    spread = 2 * values.var(1)
    steps = np.square(np.diff(values, axis=1)).mean(1)
    moving = spread > 1e-12
    return float(np.median(steps[moving] / spread[moving])) if moving.any() else 1.0


def neighbour_correlation(values: np.ndarray) -> float:  # (n, T) -> ()
    """The median over places of the correlation between a column and the next."""
    centred = values - values.mean(0)
    spread = np.sqrt(np.square(centred).sum(0))
    both = (centred[:, 1:] * centred[:, :-1]).sum(0)
    size = spread[1:] * spread[:-1]
    moving = size > 1e-12
    return float(np.median(both[moving] / size[moving])) if moving.any() else 0.0
