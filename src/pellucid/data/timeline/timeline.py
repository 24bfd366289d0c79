"""Rows in order of time, one place a step, with a place also where a moment has no row.

n rows, P places, S series, F columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .step import ROWS, Step, off_days

# Places for each row, from which on a grid of steps is mostly empty: one wrong date would make a year of seconds.
MOST_EMPTY = 20

# What is done with several rows of one moment.
DOUBLES = ("first", "last", "mean")

# How moments without a value are filled, where that is asked for.
FILLS = ("last", "zero")


@dataclass(frozen=True)
class Timeline:
    """Where the rows of one table or of many series stand in time. Series follow one another.

    Attributes:
        place: (n,) int64, each row's; -1 for rows without a moment or a series, and for weekends among business days.
            Several rows of one moment share it.
        first, last: (S,) each series has the places from ``first`` to before ``last``.
        start: (S,) the moment of a series' first place, in seconds since 1970; 0 where there is no step.
        names: of the series; one empty name where there is but one.
        step: between two places. doubles: one of ``DOUBLES``.
        utc: moments are said in UTC, with a Z.
        skipped: (S,) how many places of each series lie before its first one here; None for none.
    """

    place: np.ndarray
    first: np.ndarray
    last: np.ndarray
    start: np.ndarray
    names: tuple[str, ...]
    step: Step
    doubles: str = "first"
    skipped: np.ndarray | None = None
    utc: bool = False

    @property
    def places(self) -> int:
        return int(self.last[-1]) if len(self.last) else 0

    @property
    def lengths(self) -> np.ndarray:  # (S,)
        return self.last - self.first

    def series_of(self, place: np.ndarray) -> np.ndarray:  # (m,) -> (m,)
        """The number of the series that each place is of."""
        return np.searchsorted(self.first, place, side="right") - 1

    def extended(self, ends: np.ndarray, steps: int) -> Timeline:  # (S,) -> timeline
        """The timeline with room for so many steps from the places ``ends`` on, which stand behind all rows' places.

        Args:
            ends: (S,) where the forecast of each series starts, counted from its first place.
        """
        lengths = np.maximum(self.lengths, ends + steps)
        last = np.cumsum(lengths)
        first = last - lengths
        known = self.place >= 0
        one = self.series_of(np.maximum(self.place, 0))
        moved = np.where(known, self.place - self.first[one] + first[one], -1)
        place = np.concatenate([moved, first + ends])
        return replace(self, place=place, first=first, last=last)

    @cached_property
    def row(self) -> np.ndarray:  # (P,)
        """The first row of each place, -1 where there is none."""
        found = np.full(self.places, -1, np.int64)
        known = np.flatnonzero(self.place >= 0)[::-1]
        found[self.place[known]] = known
        return found

    def arrange(self, values: np.ndarray) -> np.ndarray:  # (n,) or (n, F) -> (P,) or (P, F) float64
        """The values of rows by place, NaN where there are none."""
        values = np.asarray(values, np.float64)
        found = np.full((self.places, *values.shape[1:]), np.nan)
        # Behind the rows there may be places where forecasts start.
        known = np.flatnonzero(self.place[: len(values)] >= 0)
        if self.doubles == "mean":
            seen = np.isfinite(values[known])
            total, count = np.zeros_like(found), np.zeros_like(found)
            np.add.at(total, self.place[known], np.where(seen, values[known], 0))
            np.add.at(count, self.place[known], seen)
            return np.divide(total, count, out=found, where=count > 0)
        # Written one after the other, so the row that stays comes last.
        known = known[::-1] if self.doubles == "first" else known
        found[self.place[known]] = values[known]
        return found

    def moments(self, place: np.ndarray) -> np.ndarray:  # (m,) -> (m,)
        """When places are, in seconds since 1970, also after the end of the last series; the step's number without
        dates."""
        one = self.series_of(place)
        steps = place - self.first[one] + (0 if self.skipped is None else self.skipped[one])
        return steps.astype(np.float64) if self.step == ROWS else self.step.moments(self.start[one], steps)


def build_timeline(
    time: np.ndarray,
    series: np.ndarray,
    names: tuple[str, ...],
    step: Step,
    *,
    doubles: str = "first",
    origin: float | None = None,
    utc: bool = False,
) -> Timeline:  # (n,), (n,) -> timeline
    """Put rows at their places.

    Args:
        time: (n,) seconds since 1970 or other numbers that order rows, NaN for none.
        series: (n,) number of the series of each row, -1 for none.
        step: between two places; with ``ROWS`` each different moment of a series is the next place.
        origin: where a step begins, where rows belong to the step that they fall into; None for the nearest.
        utc: moments are said in UTC.
    """
    place = np.full(len(time), -1, np.int64)
    # A run of business days has no place for a row of a weekend: Monday's is Monday's.
    known = np.flatnonzero(np.isfinite(time) & (series >= 0) & ~off_days(time, step))
    order = known[np.lexsort((time[known], series[known]))]
    own, moments = series[order], time[order]
    starts = np.flatnonzero(np.diff(own, prepend=-1))
    first_moment = np.full(len(names), np.nan)
    first_moment[own[starts]] = moments[starts]
    if step == ROWS:
        new = (np.diff(own, prepend=-1) != 0) | (np.diff(moments, prepend=np.nan) != 0)
        count = np.cumsum(new) - 1
        within = count - count[starts][np.searchsorted(starts, np.arange(len(order)), side="right") - 1]
        first_moment = np.zeros(len(names))
    elif origin is not None:
        # Of all series alike: hours begin at the full hour, days at midnight, weeks on the weekday of the first row.
        first_moment = step.begins(first_moment, origin)
        within = step.places(step.begins(moments, origin), first_moment[own])
    else:
        within = step.places(moments, first_moment[own])
    length = np.zeros(len(names), np.int64)
    np.maximum.at(length, own, within + 1)
    last = np.cumsum(length)
    first = last - length
    place[order] = first[own] + within
    return Timeline(place, first, last, first_moment, names, step, doubles, utc=utc)


def too_empty(line: Timeline) -> bool:
    """Whether most places have no row, so that the step can't be the rows' own."""
    return line.places > MOST_EMPTY * (int((line.place >= 0).sum()) + len(line.names))


def fill_missing(values: np.ndarray, line: Timeline, how: str | None) -> np.ndarray:  # (P, F) -> (P, F)
    """Values by place, the missing ones of each series filled from its own past.

    What comes before a series' first value stays missing. A line to the next value would tell what comes.
    """
    if how is None:
        return values
    found = values.copy()
    for first, last in zip(line.first.tolist(), line.last.tolist(), strict=True):
        for column in found[first:last].T:
            known = np.flatnonzero(np.isfinite(column))
            if not len(known):
                continue
            gone = np.flatnonzero(~np.isfinite(column))
            gone = gone[gone > known[0]]
            if how == "zero":
                column[gone] = 0.0
            else:
                column[gone] = column[known[np.searchsorted(known, gone) - 1]]
    return found
