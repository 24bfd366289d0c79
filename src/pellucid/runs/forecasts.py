"""What a run forecasts: one row a step ahead, of each series and channel.

S series, H steps that are answered at once, C channels.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from ..data.splits.by_window import known_ends
from ..data.timeline.forecast import Forecast, steps_in_words
from ..data.timeline.timeline import Timeline
from ..data.timeline.windows import forecast_of, least_history
from ..errors import PellucidError, UsageError, enough_memory
from ..fields import Note
from ..reports.forecast_content import CHANNEL, SERIES, moment_columns
from ..solved.linear_forecast import KEY
from ..tasks.future import HIGH, LOW, FutureTask
from ..training.arrays import IndexedRows, WindowRows
from ..training.evaluate import autocast
from ..training.loader import Loader
from ..wording import count_noun
from .predictions import INPUT, ROW, Predictions

if TYPE_CHECKING:
    from ..data import Examples
    from .run import Run

# The last rows that a run has seen, which a forecast follows.
RECENT = "recent.parquet"

# Of one forecast, at most: a mistyped number would fill memory.
MOST_STEPS = 1_000_000


class StepAnswers:
    """Makes words of a step's answer: (n, 3) what comes and the ends of its interval, in the user's units."""

    def decode(self, raw: np.ndarray) -> list[dict[str, Any]]:  # (n, 3) -> n answers
        return [dict(zip(("value", "low", "high"), row, strict=True)) for row in np.asarray(raw, float).tolist()]

    def tabulate(self, raw: np.ndarray) -> dict[str, np.ndarray]:  # (n, 3) -> three columns
        return dict(zip(("value", "low", "high"), np.asarray(raw, float).T, strict=True))


class ForecastPieces:
    """A forecast as ``PredictionPieces`` are: gone through once or more, with notes; nothing in it fails."""

    def __init__(self, found: Predictions, notes: Sequence[Note]):
        self.found, self.notes = found, list(notes)
        self.errors: Mapping[int, str] = {}

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Predictions]:
        yield self.found


def recent_rows(data: Examples) -> bytes:
    """The last rows of each series that a forecast looks at, as the bytes of a Parquet file."""
    about, line = forecast_of(data)
    keep = about.context + about.season
    place = np.maximum(line.place, 0)
    ends = known_ends(data, line)
    rows = np.flatnonzero((line.place >= 0) & (place >= ends[line.series_of(place)] - keep))
    found: dict[str, Any] = {}
    for field in data.fields.values():
        if field.is_input and field.traits.amount and "words" not in field.settings:
            value = np.asarray(data.stored_values(field.name).arrays["value"])[rows]
            found[field.name] = pl.Series(value).fill_nan(None)
        elif field.is_input or field.role in ("time", "series id"):
            series = data.column(field.name).series()
            assert series is not None
            found[field.name] = series[rows]
    buffer = io.BytesIO()
    pl.DataFrame(found).write_parquet(buffer)
    return buffer.getvalue()


def forecast_pieces(run: Run, source: Any, steps: int | None, like: str, **options: Any) -> ForecastPieces:
    """What comes after the last known value of each series.

    Args:
        source: rows that it follows; empty for the last that the run has seen. steps: ahead; the horizon when left out.

    Raises:
        PellucidError: when there is no past to follow, or columns that are known ahead stop too soon.
    """
    options.pop("keep", None)
    if steps is not None and not 1 <= int(steps) <= MOST_STEPS:
        raise UsageError(f"{steps} steps can't be forecast", fix=f"give --steps from 1 to {MOST_STEPS:,}")
    data = run._read_new(_past_of(run, source), need_target=True, **options)
    task, about = run.network.output.task, forecast_of(data)[0]
    ahead = int(steps or task.horizon)
    rounds = -(-ahead // task.horizon)
    line = extend(data, task, rounds * task.horizon)
    _check_known(data, line, ahead, about)
    with enough_memory("the forecast", "forecast fewer steps at once"):
        raw = np.concatenate(list(_rounds(run, data, line, rounds)), 1)[:, :ahead]  # (S, steps, C, 3)
    notes = list(data.notes)
    if rounds > 1:
        text = f"the run forecasts {about.ahead()} at once; beyond that it goes on from its own answers"
        notes.append(Note("warning", f"{text}, and intervals are too narrow"))
    return ForecastPieces(_as_predictions(task, line, len(data), raw, notes, like), notes)


def _past_of(run: Run, source: Any) -> Any:
    """The rows that a forecast follows."""
    given = source if not isinstance(source, (list, tuple)) else source[0] if len(source) == 1 else source
    if given is not None and not (isinstance(given, (list, tuple)) and not given):
        return given
    if not run.folder.exists(RECENT):
        raise PellucidError(
            "the run has not kept the last rows it has seen", where=str(run.path), fix="give the rows to follow"
        )
    return pl.read_parquet(io.BytesIO(run.folder.read(RECENT)))


def extend(data: Examples, task: FutureTask, steps: int) -> Timeline:
    """The data's timeline with room for a forecast after the last known value of each series."""
    line = forecast_of(data)[1]
    ends = known_ends(data, line) - line.first
    if not ends.any():
        raise PellucidError("no value is known that a forecast could follow", where=data.name)
    _note_short_pasts(data, line, ends)
    longer = line.extended(ends, steps)
    data.__dict__["timeline"] = longer
    return longer


def _note_short_pasts(data: Examples, line: Timeline, ends: np.ndarray) -> None:  # (S,)
    """Note on ``data`` which series have too little past for their intervals to be believed."""
    about = forecast_of(data)[0]
    least = least_history(about)
    if len(short := np.flatnonzero(ends < least)):
        name = f"'{line.names[short[0]]}'" if line.names[short[0]] else "the series"
        text = f"{name} has {count_noun(int(ends[short[0]]), 'step')} of the {about.context:,} that are looked at"
        others = f", and {count_noun(len(short) - 1, 'more series', 'more series')} too few" if len(short) > 1 else ""
        data.notes.append(Note("warning", f"{text}{others}: intervals are too narrow", data.name))


def _check_known(data: Examples, line: Timeline, steps: int, about: Forecast) -> None:
    """Raises PellucidError where a column that is known ahead stops before the forecast does."""
    start = line.place[len(data) :]
    for name in about.known:
        values = line.arrange(np.asarray(data.stored_values(name).arrays["value"]))
        for i, place in enumerate(start.tolist()):
            gone = np.flatnonzero(~np.isfinite(values[place : place + steps]))
            if len(gone):
                whose = f" of '{line.names[i]}'" if line.names[i] else ""
                raise PellucidError(
                    f"'{name}'{whose} must be known {steps_in_words(steps, line.step)} ahead, and is for "
                    f"{steps_in_words(int(gone[0]), line.step)}",
                    where="the rows that the forecast follows",
                    fix=f"add rows with '{name}' and without the target, or give fewer --steps",
                )


def _rounds(run: Run, data: Examples, line: Timeline, rounds: int) -> Iterator[np.ndarray]:  # (S, H, C, 3) each
    """Answers of one horizon after the other, each from the answers before it."""
    network, task = run.network, run.network.output.task
    loader = Loader.of(data, run.fields, network.device)
    _extend_static(loader, line, len(data))
    windows = loader.arrays[KEY]
    assert isinstance(windows, WindowRows)
    # Both are written into below.
    windows.values, windows.places = windows.values.clone(), windows.places.clone()
    rows = torch.arange(len(data), len(data) + len(line.names), device=loader.home)
    columns = [int(f.settings["place"]) for f in task.fields]
    for _ in range(rounds):
        found = []
        for part in rows.split(loader.at_once):
            with torch.inference_mode(), autocast(network.device):
                found.append(network(loader.batch(part)).float().cpu())
        raw = torch.cat(found)
        point, _ = task.split_answer(raw)
        every = np.concatenate([point[..., None], task.quantiles(raw, (LOW, HIGH))], -1)
        yield task.to_units(every)
        places = windows.places[rows].unsqueeze(1) + torch.arange(task.horizon, device=loader.home)  # (S, H)
        values = torch.from_numpy(point).to(loader.home).flatten(0, 1)
        for i, column in enumerate(columns):
            windows.values[places.flatten(), column] = values[:, i]
        windows.places[rows] += task.horizon


def _extend_static(loader: Loader, line: Timeline, rows: int) -> None:
    """Give the places where forecasts start what is said of their series: by its last row before."""
    place = line.place[:rows]
    one = line.series_of(np.maximum(place, 0))
    before = np.flatnonzero((place >= 0) & (place < line.place[rows:][one]))
    last = np.zeros(len(line.names), np.int64)
    # Written in the order of time, so that the latest stays.
    before = before[np.argsort(place[before], kind="stable")]
    last[one[before]] = before
    index = torch.from_numpy(np.concatenate([np.arange(rows), last])).to(loader.home)
    for key, array in loader.arrays.items():
        if not isinstance(array, WindowRows):
            loader.arrays[key] = IndexedRows(array, index)


def _as_predictions(
    task: FutureTask, line: Timeline, rows: int, raw: np.ndarray, notes: Sequence[Note], like: str
) -> Predictions:
    """Answers (S, steps, C, 3) as one row a series, step and channel."""
    series, steps, channels = raw.shape[:3]
    start = line.place[rows:]
    when = moment_columns(line, start[:, None] + np.arange(steps))  # S * steps
    about: dict[str, Any] = {ROW: np.arange(series * steps * channels)}
    if series > 1:
        about[SERIES] = np.repeat(np.array(line.names), steps * channels)
    about["time"] = np.repeat(np.array(when), channels)
    about["step"] = np.tile(np.repeat(np.arange(1, steps + 1), channels), series)
    if channels > 1:
        about[CHANNEL] = np.tile(np.array([f.name for f in task.fields]), series * steps)
    frame = pl.DataFrame({name: pl.Series(name, values) for name, values in about.items()})
    shown = [name for name in (SERIES, "time", CHANNEL) if name in frame.columns]
    title = pl.concat_str([pl.col(name).cast(pl.String) for name in shown], separator=", ").alias(INPUT)
    # Right behind the row's number, so that a screen shows the title and none of the columns that it is made of.
    frame = frame.select(ROW, title, pl.exclude(ROW))
    answers = StepAnswers()
    return Predictions(answers, raw.reshape(-1, 3).astype(np.float32), frame, {}, notes, like)  # type: ignore[arg-type]
