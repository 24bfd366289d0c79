"""How good a forecast is channel by channel and series by series, and what the rhythm is that it knows of.

n forecasts, H steps ahead, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.timeline.forecast import steps_in_words
from ..data.timeline.windows import forecast_of
from ..metrics.base import normalised_weights
from ..metrics.future import Outcome, mean_of_steps
from ..tasks.future import FutureTask, covered

if TYPE_CHECKING:
    from ..data import Examples

# Channels or series that are told: of more the worst and the best.
MOST_TOLD, ENDS = 12, 5


def scores_by_part(
    task: FutureTask,
    data: Examples,
    rows: np.ndarray,
    answers: np.ndarray,
    true: Outcome,
    weight: np.ndarray | None = None,
) -> dict[str, Any]:
    """Scores of each channel and of each series, where there are several; of many the worst and the best by MASE.

    Args:
        rows: (n,) where the forecasts start. answers, true: of ``FutureTask.read_answers``.
        weight: (n,) how much each forecast counts.

    Returns:
        ``channels`` and ``series``: each ``told``, a list of ``name``, ``mae`` in the channel's unit (None of series of
        several channels), ``mse`` of standardised values, ``mase`` and ``coverage``; ``left``, how many are not told,
        after the first ``ENDS``; and ``without``, how many more are not told as they have no MASE. Empty where there is
        one of a kind.
    """
    line, error = forecast_of(data)[1], abs(true.values - answers[..., 0])
    each = {
        "mae": error * true.std,
        "mse": error**2,
        "mase": error / true.scale[:, None],
        "coverage": covered(answers, true),
    }
    means = {name: mean_of_steps(own) for name, own in each.items()}  # (n, C), (n, C) bool
    even = normalised_weights(weight, len(rows))
    found = {}
    if len(task.fields) > 1:
        channels = [
            {"name": f.name, **{name: _mean(own[:, c], known[:, c], even) for name, (own, known) in means.items()}}
            for c, f in enumerate(task.fields)
        ]
        found["channels"] = _ends(channels)
    if len(line.names) > 1:
        series = line.series_of(line.place[rows])
        # Degrees and prices have no unit in common.
        units = {name: mean for name, mean in means.items() if name != "mae" or len(task.fields) == 1}
        parts = []
        # Sorted once, as a look at all forecasts for each series takes the square of their number.
        order = np.argsort(series, kind="stable")
        numbers, starts = np.unique(series[order], return_index=True)
        for one, at in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            scores = {name: _mean(own[at], known[at], even[at]) for name, (own, known) in units.items()}
            parts.append({"name": line.names[one], "mae": None, **scores})
        found["series"] = _ends(parts)
    return found


def _mean(value: np.ndarray, known: np.ndarray, weight: np.ndarray) -> float | None:
    """The weighted mean of what is known, (m,) or (m, C) with weights (m,); None where nothing is."""
    each = (weight if value.ndim == 1 else weight[:, None]) * known
    return float((each * np.where(known, value, 0.0)).sum() / each.sum()) if each.sum() > 0 else None


def _ends(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """All of few; of many those with the largest errors and, behind those that are left out, with the smallest."""
    if len(parts) <= MOST_TOLD:
        return {"told": parts, "left": 0, "without": 0}
    known = [one for one in parts if one["mase"] is not None]
    unknown = [one for one in parts if one["mase"] is None]
    known.sort(key=lambda one: one["mase"], reverse=True)
    if len(known) <= MOST_TOLD:
        told = [*known, *unknown[: MOST_TOLD - len(known)]]
        return {"told": told, "left": 0, "without": len(parts) - len(told)}
    return {"told": known[:ENDS] + known[-ENDS:], "left": len(known) - 2 * ENDS, "without": len(unknown)}


def say_rhythm(data: Examples, name: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The rhythm that a forecast knows of, in a few words, and where it is from, in a sentence.

    Args:
        name: of the channel that it was looked for in. options: with which the data was read, as a run's record has
            them.
    """
    about = forecast_of(data)[0]
    span = steps_in_words(about.season, about.step)
    if options.get("season"):
        return f"{span}, as asked", f"The rhythm is {span}, as asked."
    if about.season < 2:
        return "none found", f"No rhythm is clear in the autocorrelation of '{name}'; --season sets one."
    known = about.season in about.step.rhythms()
    why = "of those of the calendar the clearest" if known else "a peak"
    return f"{span}, found", f"The rhythm is {span}: {why} in the autocorrelation of '{name}'."
