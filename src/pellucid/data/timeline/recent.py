"""The last rows that a run keeps, put before new rows that follow on directly.

n new rows, m kept ones that are put before them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from ...fields import Column, Field, Note
from ...fields.category import column_words
from ...fields.notes import AS_IT_SAYS
from ...wording import count_noun
from .forecast import UTC, Forecast
from .moments import row_moments, row_series
from .step import ROWS, off_days

Columns = Mapping[str, Column]


@dataclass(frozen=True)
class Recent:
    """The last rows that a run keeps of each series.

    Attributes:
        frame: their columns by the run's names. digest: of the file that they are in.
    """

    frame: pl.DataFrame
    digest: str


def join_recent(
    columns: Columns, about: Forecast, fields: Mapping[str, Field], recent: Recent, notes: list[Note]
) -> tuple[dict[str, Column], int] | None:
    """New columns with the kept rows of their series before them, and m; None where no series follows on directly.

    Args:
        columns: (n,) each, by the run's names. notes: hears of it, and of what could not be read.
    """
    # What counts rows or orders them was not kept, and what is put before is not scored.
    unkept = {name for name in columns if name not in recent.frame.columns}
    # Without a step nothing tells what follows on.
    if about.step == ROWS or any(fields[name].role not in ("weight", "ignore") for name in unkept):
        return None
    old = {name: Column(name, recent.frame[name]) for name in columns if name not in unkept}
    time = fields.get(about.time)
    (before, dates), (after, also) = (row_moments(each, about.time, time, about.clock) for each in (old, columns))
    if not (dates and also):
        return None
    some = _rows_before(before, row_series(old, about.series), after, row_series(columns, about.series), about)
    if not len(some):
        return None
    first = next(iter(columns.values()))
    joined = {}
    for name, column in columns.items():
        if name == about.time:
            values = _as_moments(np.concatenate([before[some], after]), about)
        elif name in unkept:
            # Of text, of numbers or of dates alike.
            own = column.values if isinstance(column.values, pl.Series) else pl.Series(np.asarray(column.values))
            values = pl.concat([pl.repeat(None, len(some), dtype=own.dtype, eager=True), own])
        else:
            values = _join_values(old[name].series()[some], column, fields[name], notes)  # type: ignore[index]
        joined[name] = Column(name, values.alias(name), places=_Places(len(some), column.place, name),
                              row_places=_Places(len(some), first.row_place))  # fmt: skip
    text = f"{count_noun(len(some), 'row')} that the run keeps, which these follow on, are put before them"
    notes.append(Note("info", text, action=AS_IT_SAYS))
    return joined, len(some)


def _rows_before(
    before: np.ndarray,
    old: tuple[np.ndarray, tuple[str, ...]],
    after: np.ndarray,
    new: tuple[np.ndarray, tuple[str, ...]],
    about: Forecast,
) -> np.ndarray:  # (m,)
    """The kept rows of all series whose first new row comes at most one step after the last kept one before it."""
    known, fresh = (np.isfinite(own) & ~off_days(own, about.step) for own in (before, after))
    number = {name: i for i, name in enumerate(new[1])}
    same = np.array([number.get(name, -1) for name in old[1]] or [-1])
    whose = np.where(old[0] >= 0, same[old[0]], -1)
    fresh &= new[0] >= 0
    # Of each series of the new rows: when these begin, and the last kept row before.
    first, last = np.full(len(new[1]), np.inf), np.full(len(new[1]), -np.inf)
    np.minimum.at(first, new[0][fresh], after[fresh])
    rows = np.flatnonzero(known & (whose >= 0))
    rows = rows[before[rows] < first[whose[rows]]]
    np.maximum.at(last, whose[rows], before[rows])
    there = np.flatnonzero(np.isfinite(first) & np.isfinite(last))
    ends = [first[there], last[there]]
    ends = [about.step.begins(own, about.origin) for own in ends] if about.coarser else ends
    follows = np.zeros(len(first), bool)
    follows[there] = about.step.places(*ends) <= 1
    return rows[follows[whose[rows]]]


def _as_moments(seconds: np.ndarray, about: Forecast) -> pl.Series:  # (m + n,) -> (m + n,)
    """Moments as what any column of dates holds."""
    whole = (pl.Series(seconds).fill_nan(None) * 1e6).round().cast(pl.Int64)
    return whole.cast(pl.Datetime("us", "UTC" if about.clock == UTC else None))


def _join_values(
    old: pl.Series, column: Column, field: Field, notes: list[Note]
) -> pl.Series:  # (m,), (n,) -> (m + n,)
    """Kept values and new ones of one column, as numbers or as words."""
    # What may be written in another way than in training is read first.
    if old.dtype.is_numeric() and field.traits.amount and "words" not in field.settings:
        read = np.asarray(field.traits.store(column, field.settings, notes.append).arrays["value"], np.float64)
        return pl.concat([old.cast(pl.Float64), pl.Series(read).fill_nan(None)])
    new = column.series()
    if field.role != "series id" and new is not None and old.dtype == new.dtype:
        return pl.concat([old, new])
    return pl.concat([column_words(Column(field.name, old)), column_words(column)])


@dataclass(frozen=True)
class _Places:
    """Where rows come from: the first ``kept`` from the run, the others from where they came from."""

    kept: int
    place: Callable[[int], str]
    name: str = ""

    def __call__(self, row: int) -> str:
        if row >= self.kept:
            return self.place(row - self.kept)
        return f"row {row:,} that the run keeps" + (f", column '{self.name}'" if self.name else "")
