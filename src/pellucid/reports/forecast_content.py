"""Forecasts of a finished run beside what came: as rows of a table, and as a page draws them.

n forecasts, H steps ahead, C channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from torch import Tensor

from ..data.splits.by_time import moment_text
from ..data.timeline.timeline import Timeline
from ..data.timeline.windows import forecast_of
from ..tasks.future import COVERAGE, HIGH, LOW, FutureTask
from ..training.evaluate import Answers
from .forecast_moments import notable_moments
from .forecast_scores import say_rhythm, scores_by_part

if TYPE_CHECKING:
    from ..data import Examples
    from ..runs.run import Run
    from ..training.loader import Loader

# Columns of a table of forecasts.
SERIES, CHANNEL = "series", "channel"

# Rows of the table of forecasts, at most: of more forecasts so many as fit, spread evenly.
MOST_ROWS = 200_000

# Forecasts that a page draws, and steps of the past before each, in horizons.
DRAWN, PAST = 6, 3


def forecast_rows(run: Run, data: Examples, rows: np.ndarray, answers: Answers) -> pl.DataFrame:
    """One line a step ahead of a test forecast and channel: when, what came, what was forecast, its interval."""
    task, line = run.network.output.task, forecast_of(data)[1]
    steps, channels = task.horizon, len(task.fields)
    some = np.unique(np.linspace(0, len(rows) - 1, max(1, min(len(rows), MOST_ROWS // (steps * channels)))).astype(int))
    value, low, high, true = forecast_in_units(task, (answers[0][some], answers[1][some]))
    place = line.place[rows[some]]
    shape = (len(some), steps, channels)
    moments = line.moments((place[:, None] + np.arange(steps)).ravel()).reshape(len(some), steps)
    series = np.array(line.names)[line.series_of(place)]
    found = {
        "row": np.broadcast_to(rows[some][:, None, None], shape),
        **({SERIES: np.broadcast_to(series[:, None, None], shape)} if len(line.names) > 1 else {}),
        "from": np.broadcast_to(moments[:, :1, None], shape),
        "moment": np.broadcast_to(moments[:, :, None], shape),
        "step": np.broadcast_to(np.arange(1, steps + 1)[None, :, None], shape),
        CHANNEL: np.broadcast_to(np.array([f.name for f in task.fields])[None, None, :], shape),
        "true": true,
        "value": value,
        "low": low,
        "high": high,
    }
    frame = pl.DataFrame({name: values.ravel() for name, values in found.items()})
    return frame.with_columns(_as_dates(frame[name], line) for name in ("from", "moment"))


def _as_dates(series: pl.Series, line: Timeline) -> pl.Series:
    """Moments as dates, where they are such."""
    if line.step.unit == "row":
        return series
    return (series * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC" if line.utc else None))


def moment_words(line: Timeline, places: np.ndarray, step: np.ndarray) -> list[str]:  # (m,), (m,) -> m
    """When places are, in words that can be read back: dates, or how many steps ahead, ``step`` counted from 0."""
    if line.step.unit == "row":
        return [f"+{one + 1:,}" for one in step.tolist()]
    return [moment_text(moment, utc=line.utc) for moment in line.moments(places).tolist()]


def forecast_in_units(task: FutureTask, answers: Answers) -> tuple[np.ndarray, ...]:  # (n, H, C) each
    """What was forecast, the ends of its interval, and what came, in the user's units."""
    point, _ = task.split_answer(answers[0])
    lines = task.quantiles(answers[0], (LOW, HIGH))
    true = task.split_target(answers[1])[0]
    return tuple(task.to_units(one) for one in (point, lines[..., 0], lines[..., 1], true))


def forecast_content(
    run: Run, data: Examples, rows: np.ndarray, answers: Answers, loader: Loader, alone: Tensor | None = None
) -> dict[str, Any]:
    """Some test forecasts with the past before them, for drawing, errors by step beside others', and scores by part.

    Args:
        rows: (n,) of test. alone: (n, R) what the solved part says by itself; None without one.
    """
    task, about = run.network.output.task, forecast_of(data)[0]
    some = np.unique(np.linspace(0, len(rows) - 1, min(DRAWN, len(rows))).astype(int))
    shown = [(at, i % len(task.fields)) for i, at in enumerate(some.tolist())]
    notable = notable_moments(task, data, rows, answers)
    worst = [one["forecast"] for one in notable["worst"][:1]]
    assert loader.target is not None
    naive, name = task.naive_answers(loader.target, rows, rows)
    target = answers[1].numpy()
    said, true = task.read_answers(answers[0], target)
    steps = {
        "network": task.error_by_step(said, true),
        "baseline": {"name": name, "error": task.step_errors(naive, target)},
    }
    if alone is not None and run.network.solved is not None:
        steps["solved"] = {"name": f"{run.network.solved.name} alone", "error": task.step_errors(alone, target)}
    return {
        "drawn": [draw_forecast(task, data, rows, answers, *one) for one in shown],
        "worst_drawn": [draw_forecast(task, data, rows, answers, *one) for one in worst],
        "notable": notable,
        "channels": len(task.fields),
        "coverage": COVERAGE,
        "steps": steps,
        "scores": scores_by_part(task, data, rows, said, true, loader.score_weights(rows)),
        "rhythm": say_rhythm(data, task.fields[0].name, run.record["data"]["options"]),
        "step": str(about.step),
    }


def draw_forecast(
    task: FutureTask, data: Examples, rows: np.ndarray, answers: Answers, at: int, channel: int
) -> dict[str, Any]:
    """The forecast of one channel that starts at ``rows[at]``, with the past before it."""
    about, line = forecast_of(data)
    value, low, high, true = forecast_in_units(task, (answers[0][at : at + 1], answers[1][at : at + 1]))
    place = int(line.place[rows[at]])
    past_steps = min(PAST * about.horizon, about.context)
    first = max(place - past_steps, int(line.first[line.series_of(np.array([place]))[0]]))
    past = line.arrange(np.asarray(data.stored_values(task.fields[channel].name).arrays["value"]))[first:place]
    told = (("true", true), ("value", value), ("low", low), ("high", high))
    return {
        "title": forecast_title(data, int(rows[at])),
        "of": task.fields[channel].name,
        "past": past.tolist(),
        **{name: own[0, :, channel].tolist() for name, own in told},
    }


def forecast_title(data: Examples, row: int) -> str:
    """Whose forecast it is and where it begins: ``"shop 7, from 2018-01-02"``."""
    line = forecast_of(data)[1]
    place = line.place[row : row + 1]
    moment = float(line.moments(place)[0])
    begins = moment_text(moment, utc=line.utc) if line.step.unit != "row" else data.place(row)
    name = line.names[int(line.series_of(place)[0])]
    return f"{name}, from {begins}" if name else f"from {begins}"
