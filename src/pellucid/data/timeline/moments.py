"""When and whose each row is, from the columns that say so. n rows, S series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...errors import PellucidError
from ...fields import Column, Field
from ...fields.category import column_words, natural_key
from ..splits.by_time import moment_text, ordering_values
from .forecast import Forecast
from .step import ROWS, Step, find_break, find_step
from .timeline import Timeline, build_timeline, too_empty

# Between the parts of a series' name that several columns tell.
JOINED = " · "


def row_moments(
    columns: Mapping[str, Column], time: str, field: Field | None = None
) -> tuple[np.ndarray, bool]:  # (n,), whether these are dates
    """When each row is: seconds since 1970, or numbers that order rows; its number where no column says when."""
    if not time:
        rows = len(next(iter(columns.values()))) if columns else 0
        return np.arange(rows, dtype=np.float64), False
    return ordering_values(columns[time], field)


def row_series(
    columns: Mapping[str, Column], names: Sequence[str], known: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:  # (n,), S names
    """Whose each row is: the number of its series, -1 where a column that tells it is empty; and all names.

    Args:
        known: names that come first, as those of a run.
    """
    if not names:
        rows = len(next(iter(columns.values()))) if columns else 0
        return np.zeros(rows, np.int64), ("",)
    words = [column_words(columns[name]).to_list() for name in names]
    whole = [None if None in own else JOINED.join(own) for own in zip(*words, strict=True)]
    new = sorted({one for one in whole if one is not None} - set(known), key=natural_key)
    every = (*known, *new)
    number = {name: i for i, name in enumerate(every)}
    return np.array([-1 if one is None else number[one] for one in whole], np.int64), every


def settle_step(time: np.ndarray, series: np.ndarray, dates: bool) -> Step:
    """The step that rows follow one another by; ``ROWS`` where there are no dates or no step."""
    if not dates:
        return ROWS
    known = np.flatnonzero(np.isfinite(time) & (series >= 0))
    order = known[np.lexsort((time[known], series[known]))]
    return find_step(time[order], series[order])


def timeline_of(
    columns: Mapping[str, Column], about: Forecast, field: Field | None = None, known: Sequence[str] = ()
) -> Timeline:
    """The timeline of a table's rows, as a forecast reads them.

    Args:
        field: of the column that says when. known: names of series, as in ``row_series``.

    Raises:
        PellucidError: when most of its moments would have no row.
    """
    time, _ = row_moments(columns, about.time, field)
    series, names = row_series(columns, about.series, known)
    origin = about.origin if about.coarser else None
    line = build_timeline(time, series, names, about.step, doubles=about.doubles, origin=origin)
    if too_empty(line):
        # With a step that was asked for there may be none.
        row = find_break(time, series, jump=True)
        first = f"; the step breaks first at {moment_text(float(time[row]))}" if row >= 0 else ""
        raise PellucidError(
            f"with a row {about.every} most of its {line.places:,} moments would have none{first}",
            where=columns[about.time].row_place(row) if row >= 0 else "",
            fix="look for wrong dates, or give another step with --every",
        )
    return line
