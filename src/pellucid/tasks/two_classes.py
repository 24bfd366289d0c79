"""What two classes have beside their score: ROC and precision–recall curves, and a table of thresholds. n examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.splits.time_spans import Moments
from ..metrics.base import Judge, normalised_weights
from ..metrics.curves import (
    GRID,
    Counts,
    curve_judges,
    exact_areas,
    precision_recall_curve,
    roc_curve,
    thin_curve,
    threshold_row,
)
from .base import draw_interval

# Either area is a share of 1.
LIMITS = (0.0, 1.0)


def curves_of(
    score: np.ndarray,
    positive: np.ndarray,
    chosen: Sequence[tuple[str, float]],
    used: float | None = None,
    *,
    weight: np.ndarray | None = None,
    group: np.ndarray | None = None,
    moments: Moments | None = None,
    **_: Any,
) -> dict[str, Any]:
    """Both curves with their areas and intervals, and what thresholds cost; empty where one class alone is there.

    Args:
        score: (n,) probability of the positive class. positive: (n,) bool.
        chosen: thresholds with what they are for. used: the one that decides; None for one half.
        weight, group, moments: as for ``Task.score``.
    """
    if not positive.any() or positive.all():
        return {}
    counts = Counts.of(score, positive, weight)
    areas, even = exact_areas(score, positive, weight), normalised_weights(weight, len(score))

    def area_of(value: float, judge: Judge) -> dict[str, float]:
        low, high, _blocks = draw_interval(judge, even, group, moments, LIMITS)
        return {"value": value, "low": low, "high": high}

    roc, precision_recall = (area_of(*one) for one in zip(areas, curve_judges(score, positive), strict=True))
    return {
        "share": float(np.average(positive, weights=weight)),
        "roc": roc | dict(zip("xy", thin_curve(*roc_curve(counts)), strict=True)),
        "precision_recall": precision_recall
        | dict(zip("xy", thin_curve(*precision_recall_curve(counts)), strict=True)),
        "thresholds": threshold_table(score, positive, chosen, used, weight),
    }


def threshold_table(
    score: np.ndarray,
    positive: np.ndarray,
    chosen: Sequence[tuple[str, float]],
    used: float | None,
    weight: np.ndarray | None,
) -> list[dict[str, Any]]:
    """A row for each threshold, rising; ``why`` says what one was chosen for, ``decides`` marks the one in use."""
    reasons: dict[float, list[str]] = {level: [] for level in GRID}
    decides = 0.5 if used is None else used
    reasons.setdefault(decides, []).append("in use" if used is not None else "the default")
    for why, level in chosen:
        reasons.setdefault(level, []).append(why)
    return [
        threshold_row(score, positive, level, weight) | {"why": ", ".join(why), "decides": level == decides}
        for level, why in sorted(reasons.items())
    ]
