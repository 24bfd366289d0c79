"""Confidence intervals of a metric by resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .base import Judge

# Drawn at a time: 16 MB of float64.
WEIGHTS_AT_ONCE = 2_000_000

# Examples above which there are a fifth of the resamples.
MANY_EXAMPLES = 500_000

# Examples, or groups of them, that are drawn from.
GROUPS = 50_000


def bootstrap_interval(
    judge: Judge, weight: np.ndarray, repeats: int = 1000, group: np.ndarray | None = None
) -> tuple[float, float]:  # (n,) -> low, high
    """The 2.5% and 97.5% points of a metric over resampled examples (Efron, 1979).

    Of very many examples, groups of them are drawn together: each holds examples from all over, so that groups vary as
    single examples do; and fewer times, which takes long and matters in the fourth digit.

    Args:
        group: (n,) whose each example is: examples of one stand or fall together, so all of them are drawn at once
            (the cluster bootstrap; Field and Welsh, 2007).
    """
    return bootstrap_intervals([judge], weight, repeats, group)[0]


def bootstrap_intervals(
    judges: Sequence[Judge], weight: np.ndarray, repeats: int = 1000, group: np.ndarray | None = None
) -> list[tuple[float, float]]:  # (n,) -> low, high of each
    """``bootstrap_interval`` of several metrics on the same resamples, drawing which takes most of the time."""
    n = len(weight)
    if n == 0:
        return [(float("nan"), float("nan"))] * len(judges)
    # Always the same draws: an interval that changes with each look invites looking again.
    rng, draw = np.random.default_rng(0), drawn_units(weight, group)
    values = resample_metric(
        lambda weights: np.stack([judge(weights) for judge in judges], 1),
        n,
        lambda some: draw(rng, some) * weight,
        repeats if n <= MANY_EXAMPLES else repeats // 5,
    )
    # Of a rare class a resample may hold no example.
    known = [own[np.isfinite(own)] for own in values.T]
    quantiles = [np.quantile(own, [0.025, 0.975]) if len(own) else (np.nan, np.nan) for own in known]
    return [(float(low), float(high)) for low, high in quantiles]


def drawn_units(
    weight: np.ndarray, group: np.ndarray | None = None
) -> Callable[[np.random.Generator, int], np.ndarray]:  # (n,), (n,)
    """A function of a generator and S: how often each example is in S resamples with replacement, (S, n).

    Examples of one ``group`` are drawn together.
    """
    n = len(weight)
    unit = np.arange(n) if group is None else np.unique(group, return_inverse=True)[1]  # (n,)
    groups = min(int(unit.max()) + 1, GROUPS)

    def draw_counts(rng: np.random.Generator, some: int) -> np.ndarray:
        # Drawn one by one and counted, which is faster than a multinomial draw.
        drawn = rng.integers(0, groups, (some, groups)) + groups * np.arange(some)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=some * groups).reshape(some, groups)
        return counts if group is None and groups == n else counts[:, unit % groups]

    return draw_counts


def resample_metric(
    judge: Judge, n: int, draw: Callable[[int], np.ndarray], repeats: int
) -> np.ndarray:  # -> (repeats, ...)
    """A metric of ``n`` examples under weights that ``draw(S)`` makes S of, (S, n).

    NaN where a resample holds one class alone, which some metrics say nothing about.
    """
    block = int(np.clip(WEIGHTS_AT_ONCE // n, 1, 50))
    return np.concatenate([judge(draw(min(block, repeats - start))) for start in range(0, repeats, block)])


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95% interval (1927) where all of ``n`` examples are right (``share`` 1) or none (0)."""
    reach = 1.96**2 / (n + 1.96**2)
    return (1 - reach, 1.0) if share == 1 else (0.0, reach)
