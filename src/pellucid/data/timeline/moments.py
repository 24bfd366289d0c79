"""When and whose each row is, from the columns that say so. n rows, S series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import PellucidError
from ...fields import Column, Field
from ...fields.category import column_words, natural_key
from ..splits.by_time import moment_text, ordering_values
from .forecast import DAYS, UTC, Forecast
from .step import DAY, ROWS, Step, another_step, find_break, find_step, off_days
from .timeline import Timeline, build_timeline, too_empty

# Between the parts of a series' name that several columns tell.
JOINED = " · "


def row_moments(
    columns: Mapping[str, Column], time: str, field: Field | None = None, clock: str = UTC
) -> tuple[np.ndarray, bool]:  # (n,), whether these are dates
    """When each row is: seconds since 1970, or numbers that order rows; its number where no column says when.

    Args:
        clock: how offsets from UTC are read, one of ``CLOCKS``.
    """
    if not time:
        rows = len(next(iter(columns.values()))) if columns else 0
        return np.arange(rows, dtype=np.float64), False
    if clock != DAYS:
        return ordering_values(columns[time], field)
    moments, dates = ordering_values(columns[time], field, absolute=False)
    return np.floor(moments / DAY) * DAY if dates else moments, dates


def row_series(
    columns: Mapping[str, Column], names: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:  # (n,), S names
    """Whose each row is: the number of its series, -1 where a column that tells it is empty; and all names."""
    if not names:
        rows = len(next(iter(columns.values()))) if columns else 0
        return np.zeros(rows, np.int64), ("",)
    words = [column_words(columns[name]).to_list() for name in names]
    whole = [None if None in own else own for own in zip(*words, strict=True)]
    shown = {own: series_name(own) for own in dict.fromkeys(whole) if own is not None}
    every = sorted(shown, key=lambda own: natural_key(shown[own]))
    number = {own: i for i, own in enumerate(every)}
    return np.array([-1 if own is None else number[own] for own in whole], np.int64), tuple(shown[o] for o in every)


def series_name(parts: Sequence[str]) -> str:
    """The name of a series that several columns tell; no two series have one name, whatever stands in the columns.

    >>> series_name(("p", "q · r")), series_name(("p · q", "r")), series_name(("shop 1", "milk"))
    ("p · 'q · r'", "'p · q' · r", 'shop 1 · milk')
    """
    if len(parts) == 1:
        return parts[0]
    # As cells of a table are: in quotes where they hold what stands between them, quotes inside doubled.
    odd = [JOINED.strip() in part or part.startswith("'") for part in parts]
    return JOINED.join(
        "'" + part.replace("'", "''") + "'" if one else part for part, one in zip(parts, odd, strict=True)
    )


def settle_step(time: np.ndarray, series: np.ndarray, dates: bool) -> Step:
    """The step that rows follow one another by; ``ROWS`` where there are no dates or no step."""
    if not dates:
        return ROWS
    known = np.flatnonzero(np.isfinite(time) & (series >= 0))
    order = known[np.lexsort((time[known], series[known]))]
    return find_step(time[order], series[order])


def check_step(time: np.ndarray, series: np.ndarray, about: Forecast, where: str) -> None:
    """Raises PellucidError for new rows that follow one another by another step than those of a run.

    Args:
        time, series: (n,) when and whose each row is, as for ``build_timeline``. where: the source's name.
    """
    # What is brought to a step may come at any.
    if about.coarser or about.step == ROWS:
        return
    known = np.flatnonzero(np.isfinite(time) & (series >= 0) & ~off_days(time, about.step))
    order = known[np.lexsort((time[known], series[known]))]
    if (own := another_step(time[order], series[order], about.step)) is not None:
        what = f"the new rows come every {own}, and this run reads a row {about.every}"
        raise PellucidError(what, where=where, fix=f"give a row {about.every}, as in training")


def timeline_of(
    columns: Mapping[str, Column],
    about: Forecast,
    field: Field | None = None,
    *,
    new: bool = False,
) -> Timeline:
    """The timeline of a table's rows, as a forecast reads them.

    Args:
        field: of the column that says when. new: they are for a run.

    Raises:
        PellucidError: when most of its moments would have no row.
    """
    time, _ = row_moments(columns, about.time, field, about.clock)
    series, names = row_series(columns, about.series)
    origin = about.origin if about.coarser else None
    line = build_timeline(time, series, names, about.step, doubles=about.doubles, origin=origin, utc=about.clock == UTC)
    if too_empty(line):
        # With a step that was asked for there may be none.
        row = find_break(time, series, jump=True)
        first = f"; the step breaks first at {moment_text(float(time[row]))}" if row >= 0 else ""
        raise PellucidError(
            f"with a row {about.every} most of its {line.places:,} moments would have none{first}",
            where=columns[about.time].row_place(row) if row >= 0 else "",
            fix="look for wrong dates" + ("" if new else ", or give another step with --every"),
        )
    return line
