"""The moments of test that a forecast erred on most, and those that its intervals held for next to impossible.

n forecasts, H steps ahead, C channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.splits.by_time import moment_text
from ..data.timeline.windows import forecast_of
from ..tasks.future import HIGH, LOW, FutureTask
from ..training.evaluate import Answers

if TYPE_CHECKING:
    from ..data import Examples

# Moments of each sort that are told.
MOST_MOMENTS = 6

# Of what a series differs from a season before: narrower intervals, as of series that never changed, count as so wide.
LEAST_WIDTH = 1e-3


def notable_moments(task: FutureTask, data: Examples, rows: np.ndarray, answers: Answers) -> dict[str, Any]:
    """Two lists of moments, the most notable first, no two of a series within one horizon.

    ``worst``: where the error was largest, in units of what the series differs from a season before (as MASE).
    ``surprising``: what came lay farthest outside its interval, in widths of it; empty where all were held.

    Args:
        rows: (n,) where test's forecasts start.
    """
    point, _ = task.split_answer(answers[0])
    lines = task.quantiles(answers[0], (LOW, HIGH))  # (n, H, C, 2)
    true, _ = task.split_target(answers[1])
    # Below 0 of series that never changed: what is usual stands for theirs.
    scale = np.abs(np.asarray(answers[1][:, task.horizon]))
    low, high = lines[..., 0], lines[..., 1]
    error = abs(true - point) / scale[:, None]
    outside = np.maximum(low - true, true - high) / np.maximum(high - low, LEAST_WIDTH * scale[:, None])
    told = {"value": point, "low": low, "high": high, "true": true}
    found = {}
    for name, by in (("worst", error), ("surprising", np.where(outside > 0, outside, 0.0))):
        places = _largest_apart(by, task.horizon, data, rows)
        found[name] = [
            _moment(task, data, rows, at, {"by": float(by[at]), **{k: own[at] for k, own in told.items()}})
            for at in places
        ]
    return found


def _largest_apart(
    by: np.ndarray, horizon: int, data: Examples, rows: np.ndarray
) -> list[tuple[int, int, int]]:  # (n, H, C) -> places in it
    """Where the largest values above 0 are, no two of a series within one horizon."""
    line = forecast_of(data)[1]
    flat = np.nan_to_num(by, nan=0.0, posinf=0.0).reshape(len(by), -1)
    most, at = flat.max(1), flat.argmax(1)
    place = line.place[rows]
    series = line.series_of(place)
    found: list[tuple[int, int, int]] = []
    while len(found) < MOST_MOMENTS and most.max(initial=0.0) > 0:
        i = int(most.argmax())
        found.append((i, *(int(one) for one in np.unravel_index(at[i], by.shape[1:]))))  # type: ignore[arg-type]
        # A moment is forecast from as many places as there are steps, each of which errs much alike.
        most = np.where((series == series[i]) & (abs(place - place[i]) < horizon), 0.0, most)
    return found


def _moment(
    task: FutureTask, data: Examples, rows: np.ndarray, at: tuple[int, int, int], told: dict[str, float]
) -> dict[str, Any]:
    """One moment in words, and its figures in the user's units."""
    line = forecast_of(data)[1]
    i, step, channel = at
    place = line.place[rows[i] : rows[i] + 1] + step
    moment = float(line.moments(place)[0])
    row = int(line.row[place[0]])
    if line.step.unit != "row":
        when = moment_text(moment, utc=line.utc)
    else:
        when = data.place(row) if row >= 0 else f"step {moment:,.0f}"
    mean, std = (float(task.learned[name][channel]) for name in ("mean", "std"))
    units = {name: float(value) * std + mean for name, value in told.items() if name != "by"}
    about = {"whose": line.names[int(line.series_of(place)[0])], "when": when, "of": task.fields[channel].name}
    return {**about, **units, "by": told["by"], "step": step + 1, "forecast": (i, channel)}
