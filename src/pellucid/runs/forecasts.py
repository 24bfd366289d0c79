"""What a run forecasts: one row a step ahead, of each series and channel.

S series, s of them with a value to forecast from.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..data.splits.by_window import known_ends
from ..data.timeline.forecast import NAIVE, UTC, Forecast, steps_in_words
from ..data.timeline.known_ahead import say_rows_ahead
from ..data.timeline.moments import row_series
from ..data.timeline.recent import Recent
from ..data.timeline.timeline import Timeline
from ..data.timeline.windows import forecast_of, least_history, next_starts
from ..errors import PellucidError, UsageError
from ..fields import Column, Field, Note
from ..fields.date import zone_offsets
from ..fields.notes import AS_MISSING, LEFT_OUT
from ..storage import damage_error
from ..tasks.future import FutureTask
from ..wording import count_noun, join_words
from .forecast_pieces import ForecastPieces

if TYPE_CHECKING:
    from ..data import Examples
    from .run import Run

# The last rows that a run has seen, which a forecast follows.
RECENT = "recent.parquet"

# Of one forecast, at most: a mistyped number would fill memory.
MOST_STEPS = 1_000_000

# Series that a note names.
MOST_NAMED = 5


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
    _check_steps(steps)
    given = _is_given(source)
    data = run._read_new(_past_of(run, source), need_target=False, own_rows=not given, **options)
    task, about = run.network.output.task, forecast_of(data)[0]
    ahead = int(steps or task.horizon)
    rounds = -(-ahead // task.horizon)
    line, some = extend(data, task, rounds * task.horizon)
    _check_known(data, line, ahead, about, some)
    notes = list(data.notes)
    if rounds > 1:
        text = f"the run forecasts {about.ahead()} at once; beyond that it goes on from its own answers"
        notes.append(Note("warning", f"{text}, and intervals are too narrow"))
        notes += _past_only(data, about)
    return ForecastPieces(run, data, line, some, ahead, like, notes)


def _check_steps(steps: Any) -> None:
    """Raises UsageError for what is no number of steps that can be forecast."""
    whole = isinstance(steps, int | np.integer) and not isinstance(steps, bool)
    if steps is not None and not (whole and 1 <= steps <= MOST_STEPS):
        shown = f"'{steps}' is no whole number of steps" if not whole else f"{steps} steps can't be forecast"
        raise UsageError(shown, fix=f"give --steps from 1 to {MOST_STEPS:,}")


def _past_only(data: Examples, about: Forecast) -> Iterator[Note]:
    """A note on columns whose past alone is read: beyond the horizon nothing is known of them any more."""
    if names := [f"'{f.name}'" for f in data.fields.values() if f.role == "input" and f.traits.moments]:
        text = f"of {join_words(names)} nothing is known from there on: values beyond {about.ahead()} count as missing"
        yield Note("warning", text, "", AS_MISSING, "give fewer --steps, or train with a longer --horizon")


def _past_of(run: Run, source: Any) -> Any:
    """The rows that a forecast follows."""
    if _is_given(source):
        return source[0] if isinstance(source, list | tuple) and len(source) == 1 else source
    if (recent := kept_recent(run)) is None:
        raise PellucidError("the run did not keep its last rows", where=str(run.path), fix="give the rows to follow")
    return recent.frame


def _is_given(source: Any) -> bool:
    """Whether there are rows to follow, other than those that the run keeps."""
    if isinstance(source, list | tuple):
        return len(source) > 1 or (len(source) == 1 and _is_given(source[0]))
    return source is not None


def kept_recent(run: Run) -> Recent | None:
    """The last rows that a run has seen; None where it keeps none. Raises PellucidError when the file is damaged."""
    if not run.folder.exists(RECENT):
        return None
    content = run.folder.read(RECENT)
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except pl.exceptions.PolarsError as error:
        raise damage_error("it is damaged (no rows can be read)", run.path / RECENT) from error
    fields = [Field.from_json(one) for one in run.record["fields"]]
    needed = [field.name for field in fields if field.is_input or field.role in ("time", "series id")]
    if lost := [f"'{name}'" for name in needed if name not in frame.columns]:
        raise damage_error(f"it is damaged (without {join_words(lost)})", run.path / RECENT)
    return Recent(frame, hashlib.sha256(content).hexdigest())


def with_clock(about: Forecast, recent: Recent | None) -> Forecast:
    """The forecast with the clock of its moments; of an older run, which did not write it down, that of its last rows.

    Such a run has read all offsets as moments.
    """
    if about.clock or recent is None or about.time not in recent.frame.columns:
        return about
    found = zone_offsets(Column(about.time, recent.frame[about.time]))
    return about if found is None else replace(about, clock=UTC if found[0] else NAIVE)


def check_scored(data: Examples, rows: np.ndarray) -> None:  # (n,)
    """Raises PellucidError where there are no ``rows`` that a forecast of new data can start at and be scored."""
    if len(rows):
        return
    about, line = forecast_of(data)
    longest, past = int(line.lengths.max(initial=0)), least_history(about)
    needed = f"{past:,} that it looks back on, better {about.context:,}, and the {about.horizon:,} that it is scored on"
    if longest >= past + about.horizon or data.before:
        if lacking := _steps_lacking(data):
            ends = f"the next one of {about.ahead()} ends {steps_in_words(lacking, line.step)} after the last row"
            fix = f"give {count_noun(lacking, 'row')} more of the time after"
            raise PellucidError(f"no forecast can be scored: {ends}", where=data.name, fix=fix)
        what = "no forecast can be scored: no value is known where one could be"
        raise PellucidError(what, where=data.name, fix=f"give rows with values; it takes {needed}")
    have = count_noun(longest, "moment")
    raise PellucidError(
        f"no forecast can be scored: there are {have}, and it takes {past + about.horizon:,}: {needed}",
        where=data.name,
        fix=f"give {count_noun(past + about.horizon - longest, 'row')} more of the time before",
    )


def _steps_lacking(data: Examples) -> int:
    """How many steps new rows must go on for one forecast more to be scored, of the series that lacks fewest; or 0."""
    about, line = forecast_of(data)
    place = line.place[data.before :]
    place = place[place >= 0]
    begins = line.last.copy()  # (S,)
    np.minimum.at(begins, line.series_of(place), place)
    lacking = (next_starts(line, about, begins) + about.horizon - line.last)[begins < line.last]
    return max(0, int(lacking.min(initial=about.horizon)))


def extend(data: Examples, task: FutureTask, steps: int) -> tuple[Timeline, np.ndarray]:  # -> timeline, (s,)
    """The data's timeline with room for a forecast after the last known value of each series; and which have one."""
    line = forecast_of(data)[1]
    ends = known_ends(data, line) - line.first
    if not ends.any():
        raise PellucidError("there is no known value to forecast from", where=data.name)
    some = np.flatnonzero(ends)
    if len(some) < len(ends):
        lost = [f"'{line.names[i]}'" for i in np.flatnonzero(ends == 0).tolist()]
        text = f"{join_words(lost, MOST_NAMED)} {'has' if len(lost) == 1 else 'have'} no known value to forecast from"
        data.notes.append(Note("warning", f"{text}: left out", data.name, LEFT_OUT))
    _note_short_pasts(data, line, ends)
    longer = line.extended(ends, steps)
    data.__dict__["timeline"] = longer
    return longer, some


def note_new_series(data: Examples, recent: Recent) -> None:
    """Note on ``data`` which series the run has not learned from, whose last rows it keeps."""
    about, line = forecast_of(data)
    if not about.series:
        return
    columns = {name: Column(name, recent.frame[name]) for name in about.series}
    known = set(row_series(columns, about.series)[1])
    if new := [f"'{name}'" for name in line.names if name not in known]:
        was = "was" if len(new) == 1 else "were"
        text = f"series {join_words(new, MOST_NAMED)} {was} not in training: nothing says how good such forecasts are"
        data.notes.append(Note("warning", text, data.name))


def _note_short_pasts(data: Examples, line: Timeline, ends: np.ndarray) -> None:  # (S,)
    """Note on ``data`` which series have too little past for their intervals to be believed."""
    about = forecast_of(data)[0]
    least = least_history(about)
    if len(short := np.flatnonzero((ends > 0) & (ends < least))):
        name = f"'{line.names[short[0]]}'" if line.names[short[0]] else "the series"
        text = f"{name} has only {int(ends[short[0]]):,} of {about.context:,} steps of context"
        have = count_noun(len(short) - 1, "more series has", "more series have")
        others = f"; {have} too few" if len(short) > 1 else ""
        before = f"give the {count_noun(about.context - int(ends[short[0]]), 'row')} before"
        text = f"{text}{others}: intervals are too narrow; {before}"
        data.notes.append(Note("warning", text, data.name, fix=before))


def say_rows_after(run: Run) -> str:
    """``say_rows_ahead`` of the last rows that a run keeps, which a forecast without data follows."""
    return say_rows_ahead(run._read_new(_past_of(run, None), need_target=True, own_rows=True))


def _check_known(data: Examples, line: Timeline, steps: int, about: Forecast, some: np.ndarray) -> None:  # (s,)
    """Raises PellucidError where a column that is known ahead stops before the forecast of a series does."""
    start = line.place[len(data) :]
    for name in about.known:
        values = line.arrange(np.asarray(data.stored_values(name).arrays["value"]))
        for i in some.tolist():
            gone = np.flatnonzero(~np.isfinite(values[start[i] : start[i] + steps]))
            if len(gone):
                whose = f" of '{line.names[i]}'" if line.names[i] else ""
                raise PellucidError(
                    f"'{name}'{whose} must be known {steps_in_words(steps, line.step)} ahead, but is known for only "
                    f"{steps_in_words(int(gone[0]), line.step)}",
                    where="the rows that the forecast follows",
                    fix=f"add rows with '{name}' and without the target, or give fewer --steps",
                )
