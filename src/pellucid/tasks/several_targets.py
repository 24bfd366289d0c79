"""Numbers that are predicted together, each by itself: its score and what is drawn of it. n examples, R targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..data.splits.time_spans import Moments
from ..metrics.base import Metric, normalised_weights
from .base import draw_interval

# Of very many targets: the first ones are drawn, all of them have a score.
MOST_DRAWN = 12

# Intervals are drawn for up to so many targets: each takes as long as that of the score.
MOST_INTERVALS = 24


def residuals_of(name: str, true: np.ndarray, guess: np.ndarray, place: int = 0) -> dict[str, Any]:
    """What is drawn of one target. true, guess: (n, R) in the user's units."""
    return {"true": true[:, place].tolist(), "predicted": guess[:, place].tolist(), "unit": name}


def each_target(
    metric: Metric,
    names: Sequence[str],
    guess: np.ndarray,
    true: np.ndarray,
    *,
    weight: np.ndarray | None = None,
    group: np.ndarray | None = None,
    moments: Moments | None = None,
    scored: Sequence[Mapping[str, Any]] = (),
    **_: Any,
) -> list[dict[str, Any]]:
    """Of each target its name, the main metric of it alone with an interval, and, of the first ones, what is drawn.

    Args:
        guess, true: (n, R) in the user's units. weight, group, moments: as for ``Task.score``.
        scored: what ``score_each_target`` found of the same answers, whose intervals are not drawn once more.
    """
    even, found = normalised_weights(weight, len(true)), list[dict[str, Any]]()
    for place, name in enumerate(names):
        about: dict[str, Any] = {"name": name}
        known = scored[place]["scores"].get(metric.name, {}) if scored else {}
        if None not in (values := [known.get(key) for key in ("value", "low", "high")]):
            about |= dict(zip(("value", "low", "high"), values, strict=True))
        else:
            judge = metric.judge(guess[:, [place]], true[:, [place]])
            about["value"] = float(judge(even[None])[0])
            if place < MOST_INTERVALS:
                about["low"], about["high"], _blocks = draw_interval(judge, even, group, moments, metric.limits)
        error = abs(guess[:, place] - true[:, place])
        about |= dict(zip(("half", "most"), np.quantile(error, [0.5, 0.9]).tolist(), strict=True)) if len(error) else {}
        drawn = {"residuals": residuals_of(name, true, guess, place)} if place < MOST_DRAWN else {}
        found.append(about | drawn)
    return found
