"""Columns of numbers that are not forecast unasked: constant ones, those that count rows, and what the calendar tells.

n rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ...fields.number import format_number
from ...fields.years import called_year, is_year
from .timeline import Timeline

# Numbers from which on it is no chance that they rise by one step (as of ids, ``fields.number``).
FEWEST_COUNTED = 10

# Of a step, and of the largest number, by which one that counts may be off: decimals are rounded.
STEP_OFF, NUMBER_OFF = 1e-6, 1e-12

# In the reasons of fields.
CALENDAR_TELLS, YEARS_COUNT = "which the calendar tells anyway", "years, which only count on"

# What a calendar says of a moment, and how it is numbered: each is an expression of Polars and what is added to it.
CALENDAR = {
    "year": ("year", 0), "quarter": ("quarter", 0), "month": ("month", 0), "week": ("week", 0),
    "day of the month": ("day", 0), "day of the year": ("ordinal_day", 0), "weekday": ("weekday", 0),
    "weekday from 0": ("weekday", -1), "hour": ("hour", 0), "hour from 1": ("hour", 1), "minute": ("minute", 0),
}  # fmt: skip


@dataclass(frozen=True)
class RowTimes:
    """When and whose the rows of a table are.

    Attributes:
        moments: (n,) seconds since 1970 where ``dates``, else numbers that order rows; NaN for none.
        series: (n,) whose, -1 for nobody's. name: of the column that says when, empty for none.
    """

    moments: np.ndarray
    series: np.ndarray
    dates: bool
    line: Timeline
    name: str = ""

    def why_not_forecast(self, name: str, values: np.ndarray) -> str:  # (n,)
        """Why a column of numbers is not forecast unless it is asked for; empty where it is.

        Args:
            values: (n,) NaN where missing; at least one is known.
        """
        known = values[np.isfinite(values)]
        if len(known) > 1 and known.min() == known.max():
            return f"always {format_number(float(known[0]), name)}, which says nothing"
        if not (known % 1).any():
            if part := self._calendar_part(values):
                return f"the {part} of '{self.name}', {CALENDAR_TELLS}"
            if called_year(name) and self._are_years(name, values):
                return YEARS_COUNT
        return "only counts the rows" if self._only_counts(values) else ""

    def _calendar_part(self, values: np.ndarray) -> str:
        """What the calendar says of each row's moment, where the column says the same."""
        known = np.isfinite(values) & np.isfinite(self.moments)
        if not self.dates or not known.any():
            return ""
        # The first few tell nearly all apart.
        few = np.flatnonzero(known)[:FEWEST_COUNTED]
        for part, own in self._calendar.items():
            if np.array_equal(own[few], values[few]) and np.array_equal(own[known], values[known]):
                return part.partition(" from ")[0]
        return ""

    @cached_property
    def _calendar(self) -> dict[str, np.ndarray]:
        """What the calendar says of each moment, (n,) each."""
        micros = pl.Series(np.nan_to_num(np.round(self.moments * 1e6)).astype(np.int64)).cast(pl.Datetime("us"))
        found = {part: getattr(micros.dt, own)().to_numpy() + float(more) for part, (own, more) in CALENDAR.items()}
        return {**found, "weekday from Sunday": found["weekday"] % 7}

    @cached_property
    def _in_time(self) -> np.ndarray:
        """The rows that have a place in time, series by series in order of time."""
        own = np.flatnonzero(self.line.place >= 0)
        return own[np.argsort(self.line.place[own], kind="stable")]

    def _are_years(self, name: str, values: np.ndarray) -> bool:
        """Whether all are years that never fall in order of time."""
        order = self._in_time[np.isfinite(values[self._in_time])]
        falls = (np.diff(values[order]) < 0) & (np.diff(self.series[order]) == 0)
        known = np.unique(values[np.isfinite(values)])
        return not falls.any() and all(is_year(name, year) for year in known.tolist())

    def _only_counts(self, values: np.ndarray) -> bool:
        """Whether numbers rise, or fall, by one step from row to row: in the file, in time or within each series."""
        known = np.flatnonzero(np.isfinite(values))
        if rises_evenly(values[known], known, np.zeros(len(known), np.int64)):
            return True
        # Rows at no moment have no place in time.
        own = self._in_time[np.isfinite(values[self._in_time])]
        in_time, series = values[own], self.series[own]
        return rises_evenly(in_time, self.line.place[own], series) or rises_evenly(in_time, np.arange(len(own)), series)


def rises_evenly(values: np.ndarray, position: np.ndarray, group: np.ndarray) -> bool:  # (m,) each
    """Whether values change by one step a position, the same in each group.

    Args:
        position: that never falls within a group. group: each in one piece.

    >>> rises_evenly(np.arange(12) * 0.5, np.arange(12), np.zeros(12))
    True
    >>> rises_evenly(np.arange(12) ** 2.0, np.arange(12), np.zeros(12))
    False
    """
    on = (np.diff(group) == 0) & (np.diff(position) > 0)
    change, far = np.diff(values)[on], np.diff(position)[on]
    if len(change) < FEWEST_COUNTED - 1 or change[0] == 0:
        return False
    step = float(change[0] / far[0])
    off = abs(change - step * far)
    return bool((off <= STEP_OFF * abs(step) * far + NUMBER_OFF * float(abs(values).max())).all())
