"""What a run forecasts: one row a step ahead, of each series and channel.

S series.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..data.splits.by_window import known_ends
from ..data.timeline.forecast import Forecast, steps_in_words
from ..data.timeline.timeline import Timeline
from ..data.timeline.windows import forecast_of, least_history
from ..errors import PellucidError, UsageError
from ..fields import Note
from ..tasks.future import FutureTask
from ..wording import count_noun
from .forecast_pieces import ForecastPieces

if TYPE_CHECKING:
    from ..data import Examples
    from .run import Run

# The last rows that a run has seen, which a forecast follows.
RECENT = "recent.parquet"

# Of one forecast, at most: a mistyped number would fill memory.
MOST_STEPS = 1_000_000


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
    notes = list(data.notes)
    if rounds > 1:
        text = f"the run forecasts {about.ahead()} at once; beyond that it goes on from its own answers"
        notes.append(Note("warning", f"{text}, and intervals are too narrow"))
    return ForecastPieces(run, data, line, ahead, like, notes)


def _past_of(run: Run, source: Any) -> Any:
    """The rows that a forecast follows."""
    given = source if not isinstance(source, (list, tuple)) else source[0] if len(source) == 1 else source
    if given is not None and not (isinstance(given, (list, tuple)) and not given):
        return given
    if not run.folder.exists(RECENT):
        raise PellucidError("the run did not keep its last rows", where=str(run.path), fix="give the rows to follow")
    return pl.read_parquet(io.BytesIO(run.folder.read(RECENT)))


def extend(data: Examples, task: FutureTask, steps: int) -> Timeline:
    """The data's timeline with room for a forecast after the last known value of each series."""
    line = forecast_of(data)[1]
    ends = known_ends(data, line) - line.first
    if not ends.any():
        raise PellucidError("there is no known value to forecast from", where=data.name)
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
        text = f"{name} has only {int(ends[short[0]]):,} of {about.context:,} steps of context"
        have = count_noun(len(short) - 1, "more series has", "more series have")
        others = f"; {have} too few" if len(short) > 1 else ""
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
                    f"'{name}'{whose} must be known {steps_in_words(steps, line.step)} ahead, but is known for only "
                    f"{steps_in_words(int(gone[0]), line.step)}",
                    where="the rows that the forecast follows",
                    fix=f"add rows with '{name}' and without the target, or give fewer --steps",
                )
