"""Parts in order of time. n rows, G different moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Column, Field, kind_named
from ...fields.date import date_seconds
from ...fields.years import is_year
from ...wording import count_noun
from .spec import CARVED_SHARE, PARTS, SplitSpec
from .time_spans import Span


def consecutive_parts(size: np.ndarray, shares: Sequence[float]) -> np.ndarray:  # (G,) -> (G,) part
    """Groups in their order to train, then validation, then test, cut where it comes nearest to the shares.

    Every part with a share has at least one group; there must be as many.

    Args:
        size: (G,) the rows of each group, in order. shares: of train, validation and test.
    """
    asked = [i for i in range(3) if shares[i] > 0]
    ends, total = np.cumsum(size), int(size.sum())
    part, start, goal = np.empty(len(size), np.int64), 0, 0.0
    for place, i in enumerate(asked):
        goal += shares[i] * total
        # Leaves a group for each part to come.
        most = len(size) - (len(asked) - 1 - place)
        end = int(np.clip(abs(ends - goal).argmin() + 1, start + 1, most)) if i != asked[-1] else len(size)
        part[start:end], start = i, end
    return part


# -- parts by time


def by_time(
    time: np.ndarray, parting: SplitSpec, dates: bool, usable: np.ndarray | None = None, *, utc: bool = False
) -> tuple[np.ndarray, str]:  # (n,), (n,) bool -> (n,) part, how
    """The part of each row, in order of time (train, validation, test), and how that came about, in words.

    Rows of one moment stay together: apart, the later part would be learned from.

    Spans of time count from the first row; what comes after them is in no part. After ``rest`` they are the last ones.

    Args:
        time: seconds or other numbers that order the rows, NaN for none, which is in no part. dates: they are seconds.
        usable: the rows that are counted in what is said, all when left out; all are parted.
        utc: as for ``moment_text``.

    Raises:
        PellucidError: when there are fewer moments than parts, or the data ends before the spans do.
    """
    moments, index = np.unique(time[np.isfinite(time)], return_inverse=True)  # (G,), (n,)
    size = np.bincount(index, minlength=len(moments))
    asked = 3 if parting.spans else sum(share > 0 for share in parting.shares)
    if len(moments) < asked:
        have = count_noun(len(moments), "different moment")
        raise PellucidError(f"'{parting.column}' has {have}, and {asked} sets need one each")
    turn = _in_spans(moments, size, parting) if parting.spans else consecutive_parts(size, parting.shares)  # (G,)
    part = np.full(len(time), -1, np.int64)
    part[np.isfinite(time)] = turn[index]
    say_moment = partial(moment_text, dates=dates, name=parting.column or "", utc=utc)
    ends = [
        f"{name} {say_moment(moments[turn == i][0])} to {say_moment(moments[turn == i][-1])}"
        f" ({count_noun(count, 'row')})"
        for i, name in enumerate(PARTS)
        if (count := int((part == i if usable is None else (part == i) & usable).sum()))
    ]
    by = f"by '{parting.column}': " if parting.column else ""
    return part, by + ", ".join(ends)


def _in_spans(moments: np.ndarray, size: np.ndarray, parting: SplitSpec) -> np.ndarray:  # (G,) -> (G,) part
    """The part of each moment by spans of time; -1 after the last. Raises PellucidError when a part has none."""
    names = (0, 1, 2) if len(parting.spans) == 3 else (0, 2)
    part = np.array([*names, -1])[np.searchsorted(_part_ends(moments, parting.spans), moments, side="right")]
    for i in names:
        if not (part == i).any():
            whole = f"'{parting.column}' goes from {moment_text(moments[0])} to {moment_text(moments[-1])}"
            raise PellucidError(f"{whole}, and nothing is left for {PARTS[i]}", fix="give shorter spans of time")
    if parting.carved:
        train = np.flatnonzero(part == 0)
        part[train] = consecutive_parts(size[train], (1 - CARVED_SHARE, CARVED_SHARE, 0)) if len(train) > 1 else 0
    return part


def _part_ends(moments: np.ndarray, spans: Sequence[Span | None]) -> list[float]:
    """When each part ends (seconds since 1970), which is when the next one begins."""
    known, cuts = [span for span in spans if span is not None], list[float]()
    if spans[0] is not None:
        return [sum(known[:i], Span()).after(moments[0]) for i in range(1, len(known) + 1)]
    # Counted back from the last row, which is inside: hence the next larger number.
    for i in range(len(known)):
        cuts.append(float(np.nextafter((-sum(known[i:], Span())).after(moments[-1]), np.inf)))
    return [*cuts, np.inf]


def seconds_of(column: Column, *, absolute: bool = True) -> np.ndarray | None:  # (n,) float64
    """A column's dates and times as seconds since 1970, NaN where there is none; None when it holds no dates.

    Args:
        absolute: count offsets from UTC, rather than take clock times as they are written.
    """
    guess = kind_named("date").recognise(column)
    if guess is None:
        return None
    # A time of day without a day orders nothing.
    value, clock = date_seconds(column, guess.settings, absolute=absolute)
    return None if clock else value


def ordering_values(
    column: Column, field: Field | None = None, *, absolute: bool = True
) -> tuple[np.ndarray, bool]:  # (n,) float64, whether these are dates
    """The values that a column puts rows in order by, and whether these are dates, as seconds; else they are numbers.

    Args:
        field: of the column. Where a run reads dates from it, new ones are read alike: a few don't tell day from month.
        absolute: as for ``seconds_of``.

    Raises:
        PellucidError: when the column holds neither.
    """
    if field is not None and field.traits.moment and (field.state is not None or field.role == "time"):
        value, clock = date_seconds(column, field.settings, absolute=absolute)
        if not clock:
            return value, True
    found, series = seconds_of(column, absolute=absolute), column.series()
    if found is not None:
        return found, True
    if series is None or not series.dtype.is_numeric():
        raise PellucidError(
            f"'{column.name}' holds no dates, times or numbers to split by", fix="name a column of them: time:COLUMN"
        )
    return series.cast(pl.Float64).fill_null(np.nan).to_numpy(), False


def can_order(column: Column) -> bool:
    """Whether a column holds dates or numbers, so that it can put rows in order."""
    series = column.series()
    return seconds_of(column) is not None or (series is not None and series.dtype.is_numeric())


def time_column(columns: Mapping[str, Column], parting: SplitSpec, where: str) -> str:
    """The name of the column to split by time by: the one that was asked for, else the only one that holds dates.

    Raises:
        PellucidError: when there is none or more than one, or spans of time are asked of numbers.
    """
    name = parting.column
    if name is None:
        found = [column.name for column in columns.values() if seconds_of(column) is not None]
        if len(found) != 1:
            shown = " and ".join(f"'{one}'" for one in found)
            what = f"dates are in {shown}" if found else "there is no column of dates or times to split by"
            raise PellucidError(what, where=where, fix=f"name one: time:{found[0] if found else 'COLUMN'}")
        name = found[0]
    _, dates = ordering_values(columns[name])
    if parting.spans and not dates:
        raise PellucidError(
            f"'{name}' holds numbers, and spans of time need dates", where=where, fix=f"write time:{name},80,10,10"
        )
    return name


def moment_text(moment: float, dates: bool = True, name: str = "", *, utc: bool = False) -> str:
    """A moment for people: a date with its time unless that is midnight, or a number of the column ``name``.

    Args:
        utc: it was written with an offset, and is said in UTC, always with its time and a Z.

    >>> moment_text(1467331200.0), moment_text(1467334800.0), moment_text(12.0, dates=False)
    ('2016-07-01', '2016-07-01 01:00', '12')
    >>> moment_text(1467331200.0, utc=True)
    '2016-07-01 00:00Z'
    """
    if not dates:
        return str(int(moment)) if is_year(name, moment) else f"{moment:,.12g}"
    text = str(np.datetime64(round(moment), "s")).replace("T", " ")
    if utc:
        return f"{text.removesuffix(':00')}Z"
    return text.removesuffix(" 00:00:00") if text.endswith(" 00:00:00") else text.removesuffix(":00")
