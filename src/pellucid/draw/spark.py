"""A curve in one line of text, for terminals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .numbers import finite_values

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int = 40) -> str:
    """``values`` as at most ``width`` block characters, each the mean of its share; what is not a number is a gap.

    >>> sparkline([1, 2, 3, None, 8])
    '▁▂▃ █'
    """
    shares = [s[np.isfinite(s)] for s in np.array_split(finite_values(values), max(1, min(width, len(values))))]
    means = np.array([s.mean() if len(s) else np.nan for s in shares])
    if not np.isfinite(means).any():
        return " " * len(values[:width])
    low, high = np.nanmin(means), np.nanmax(means)
    heights = (means - low) / (high - low) * (len(BLOCKS) - 1) if high > low else means * 0 + 3
    return "".join(" " if np.isnan(h) else BLOCKS[round(h)] for h in heights)
