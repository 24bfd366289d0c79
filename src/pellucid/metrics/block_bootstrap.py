"""Intervals where examples follow each other in time: blocks of time are drawn, because errors near in time are alike.

n examples, M stretches of time (one moment each, unless there are very many), S resamples at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .base import Judge
from .bootstrap import MANY_EXAMPLES, WEIGHTS_AT_ONCE, bootstrap_interval, resample_metric

# The metric is asked once for each stretch left out, so a part of a million moments is cut into so many.
MAX_STRETCHES, REPEATS = 1000, 1000

# Politis and White's length makes the error of the variance least; a longer block costs little width and gains coverage
# (Sun, Phillips and Jin, 2008). Three times: found with simulated AR(1) errors, see bench/coverage.py.
LENGTHENED = 3

# In a part, however long errors hang together: of fewer blocks resamples hardly differ.
MIN_BLOCKS = 4

# For an interval to be trusted: with 5 or 6 blocks, 95% intervals of accuracy held the true value in 83 to 88% of
# simulated parts (bench/RESULTS.md, "Coverage of intervals in time").
ENOUGH_BLOCKS = 8

# The same of the normal distribution.
NORMAL_95 = 1.959964

# Two-sided, of 1 to 4 degrees of freedom.
STUDENT_95 = (12.706, 4.303, 3.182, 2.776)


@dataclass(frozen=True)
class Blocks:
    """How time is cut for a bootstrap.

    Attributes:
        place: (n,) the stretch of time, 0 … M - 1 in order, that each example is in. stretches: M.
        length: stretches in a block. moments: different moments in all.
    """

    place: np.ndarray
    stretches: int
    length: int
    moments: int

    @property
    def whole_blocks(self) -> int:
        """Whole blocks in the part."""
        return max(self.stretches // self.length, 1)

    @property
    def block_moments(self) -> float:
        """Moments in a block."""
        return self.length * self.moments / self.stretches

    def resample_counts(self, rng: np.random.Generator, some: int) -> np.ndarray:  # -> (some, n)
        """How often each example comes up in resamples of whole blocks (the circular block bootstrap)."""
        return block_counts(rng, some, self.stretches, self.length)[:, self.place]

    def widening_factor(self) -> float:
        """What an interval is to be widened by: few blocks vary less among themselves than they should.

        Student's t for as many blocks instead of the normal quantile, and the degree of freedom that their mean takes;
        near to the fixed-b limits of Kiefer and Vogelsang (2005), and wider where blocks are few.
        """
        if self.whole_blocks < 2:
            return 1.0
        return student_95(self.whole_blocks - 1) / NORMAL_95 * math.sqrt(self.whole_blocks / (self.whole_blocks - 1))


def blocks_of_time(judges: Sequence[Judge], weight: np.ndarray, time: np.ndarray) -> Blocks:
    """Blocks as long as the errors' correlation asks for (Politis and White, 2004; Patton, Politis and White, 2009).

    The errors are looked at through the metric: how much it changes when one stretch of time is left out. Of several
    metrics the differences of all pairs are looked at, and the longest block is taken.

    Args:
        judges: metrics as functions of the examples' weights (S, n), without a random part.
        weight: (n,) how much each example counts. time: (n,) what orders them, NaN for none.
    """
    place, moments = order_of(time)
    if moments == 1:
        return Blocks(place, 1, 1, 1)
    most = MAX_STRETCHES if len(time) <= MANY_EXAMPLES else MAX_STRETCHES // 5
    stretches = min(moments, most)
    place = place if moments == stretches else place * stretches // moments
    changes = [stretch_influence(judge, weight, place, stretches) for judge in judges]
    # Networks are compared by differences, whose errors may hang together less, or longer, than those of each alone.
    pairs = [a - b for i, a in enumerate(changes) for b in changes[:i]] or changes
    length = LENGTHENED * max(block_length(one) for one in pairs)
    return Blocks(place, stretches, max(1, min(round(length), stretches // MIN_BLOCKS)), moments)


def block_bootstrap(
    judge: Judge, weight: np.ndarray, time: np.ndarray, limits: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float, Blocks]:  # (n,), (n,)
    """The 95% interval of a metric over resampled blocks of time (Politis and Romano, 1992), widened for few blocks.

    All rows of a moment are drawn together. Where all are of one moment, single rows are; where blocks are few, the
    interval of single rows is held inside.

    Args:
        limits: that the metric can't pass.
    """
    blocks = blocks_of_time([judge], weight, time)
    if blocks.moments == 1:
        return *bootstrap_interval(judge, weight), blocks
    rng = np.random.default_rng(0)
    repeats = REPEATS if len(weight) <= MANY_EXAMPLES else REPEATS // 5
    values = resample_metric(judge, len(weight), lambda some: blocks.resample_counts(rng, some) * weight, repeats)
    low, high = widen_interval(values[np.isfinite(values)], float(judge(weight[None])[0]), blocks.widening_factor())
    # These may be alike by chance: rows alone are never surer.
    if blocks.whole_blocks < ENOUGH_BLOCKS:
        least, most = bootstrap_interval(judge, weight)
        low, high = min(low, least), max(high, most)
    return max(low, limits[0]), min(high, limits[1]), blocks


def widen_interval(values: np.ndarray, value: float, times: float) -> tuple[float, float]:  # (D,) -> low, high
    """The 2.5% and 97.5% points of resampled values, so many ``times`` as far from the ``value`` itself."""
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.025, 0.975])
    more = times - 1
    return float(low - more * max(value - low, 0)), float(high + more * max(high - value, 0))


def order_of(time: np.ndarray) -> tuple[np.ndarray, int]:  # (n,) -> (n,) 0 … moments - 1, moments
    """The moment of each example, in order of time, whatever the order of rows.

    Those without one, NaN, come last; each is a moment of its own.
    """
    moments, place = np.unique(time, return_inverse=True, equal_nan=False)
    return place.reshape(-1), len(moments)


def stretch_influence(
    judge: Judge, weight: np.ndarray, place: np.ndarray, stretches: int
) -> np.ndarray:  # (n,), (n,) -> (M,)
    """How much a metric falls when each stretch of time is left out; 0 where it then says nothing."""
    whole, some = float(judge(weight[None])[0]), int(np.clip(WEIGHTS_AT_ONCE // len(weight), 1, 50))
    without = [
        judge((place != np.arange(start, min(start + some, stretches))[:, None]) * weight)
        for start in range(0, stretches, some)
    ]
    change = whole - np.concatenate(without)
    return np.where(np.isfinite(change), change, 0.0)


def block_length(series: np.ndarray) -> float:  # (M,)
    """The best length of blocks for the variance of a series' mean, for the circular block bootstrap.

    Politis and White (2004), with the correction of Patton, Politis and White (2009): the autocorrelation is summed up
    to twice the lag after which it can't be told from 0, with a flat-top window.
    """
    size = len(series)
    if size < MIN_BLOCKS or not np.ptp(series) > 1e-12 * abs(series).max():
        return 1.0
    own = autocovariance(series)
    last = min(twice_last_lag(own / own[0], size), size - 1)
    lag = np.arange(1, last + 1)
    window = np.clip(2 * (1 - lag / last), 0, 1)
    slope = 2 * float((window * lag * own[1 : last + 1]).sum())
    level = float(own[0]) + 2 * float((window * own[1 : last + 1]).sum())
    longest = min(3 * math.sqrt(size), size / 3)
    if level <= 0:
        return longest
    return float(np.clip((1.5 * (slope / level) ** 2 * size) ** (1 / 3), 1, longest))


def twice_last_lag(correlation: np.ndarray, size: int) -> int:  # (M,)
    """Twice the lag after which a run of autocorrelations is as small as chance makes them."""
    run = max(5, math.ceil(math.sqrt(math.log10(size))))
    most = min(math.ceil(math.sqrt(size)) + run, size - 1)
    large = abs(correlation[1 : most + run + 1]) >= 2 * math.sqrt(math.log10(size) / size)
    quiet = next((lag for lag in range(most) if not large[lag : lag + run].any()), most)
    return max(1, min(2 * max(quiet, 1), most))


def autocovariance(series: np.ndarray) -> np.ndarray:  # (M,) -> (M,), of lag 0 and more
    size, centred = len(series), series - series.mean()
    # Twice as long, with zeros: a Fourier transform goes round the end, and the series does not.
    power = abs(np.fft.rfft(centred, 2 * size)) ** 2
    return np.fft.irfft(power, 2 * size)[:size] / size


def block_counts(rng: np.random.Generator, some: int, stretches: int, length: int) -> np.ndarray:  # -> (some, M)
    """How often each stretch is in blocks that begin anywhere and go round the end, M stretches in all."""
    blocks, wide = -(-stretches // length), 2 * stretches + 1
    start = rng.integers(0, stretches, (some, blocks))
    end = start + length
    # The last block is shorter, where they do not fit.
    end[:, -1] -= blocks * length - stretches
    row = wide * np.arange(some)[:, None]
    # Begins less ends, summed up: how many blocks cover each stretch, without walking through any block.
    edges = np.bincount((start + row).ravel(), minlength=some * wide) - np.bincount(
        (end + row).ravel(), minlength=some * wide
    )
    covered = edges.reshape(some, wide).cumsum(1)
    return covered[:, :stretches] + covered[:, stretches : 2 * stretches]


def student_95(freedom: int) -> float:
    """Two-sided 5% point of Student's t; Fisher's expansion (1926) from 5 degrees of freedom on, to .005."""
    if freedom <= len(STUDENT_95):
        return STUDENT_95[freedom - 1]
    z = NORMAL_95
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
