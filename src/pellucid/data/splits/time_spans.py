"""Columns of dates and times as seconds, and spans such as ``12mo``. n rows."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ...errors import UsageError, unknown_name

# Of a span: no data is longer.
LONGEST_YEARS = 10_000

# Months and seconds of a unit. Months are those of the calendar, so that 12mo,4mo,4mo is the protocol of ETT.
UNITS = {
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), (12, 0)),
    **dict.fromkeys(("mo", "mos", "month", "months"), (1, 0)),
    **dict.fromkeys(("w", "wk", "week", "weeks"), (0, 7 * 86400)),
    **dict.fromkeys(("d", "day", "days"), (0, 86400)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), (0, 3600)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), (0, 60)),
    **dict.fromkeys(("s", "sec", "second", "seconds"), (0, 1)),
}

# Of the units that a length is told in, from the largest on.
UNIT_SECONDS = {
    "year": 365.25 * 86400, "month": 365.25 / 12 * 86400, "day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0,
}  # fmt: skip

_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """A length of time: months of the calendar, and seconds.

    >>> Span.parse("12mo"), Span.parse("1.5 days")
    (Span(months=12, seconds=0.0), Span(months=0, seconds=129600.0))
    """

    months: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Span:
        """The span that ``"12mo"``, ``"2w"`` or ``"90 days"`` says. Raises UsageError for what says none."""
        found = _PIECE.fullmatch(text.strip())
        units = ("y", "mo", "w", "d", "h", "min")
        if found is None:
            raise UsageError(f"'{text}' is not a span of time", fix="write it like 12mo, 2w, 90d or 36h")
        amount, unit = float(found[1]), found[2].lower()
        if unit == "m":
            raise UsageError(f"'{text}' could be months or minutes", fix=f"write {found[1]}mo or {found[1]}min")
        if unit not in UNITS:
            raise UsageError(f"'{text}': {unknown_name('unit', unit, units)}")
        months, seconds = amount * UNITS[unit][0], amount * UNITS[unit][1]
        if months != int(months):
            raise UsageError(f"'{text}' is not a whole number of months", fix="write it in days, such as 45d")
        if amount == 0:
            raise UsageError(f"a span of '{text}' holds nothing")
        if months > 12 * LONGEST_YEARS or seconds > 366 * 86400 * LONGEST_YEARS:
            raise UsageError(f"a span of '{text}' is longer than any data")
        return cls(int(months), seconds)

    def __add__(self, other: Span) -> Span:
        return Span(self.months + other.months, self.seconds + other.seconds)

    def __neg__(self) -> Span:
        return Span(-self.months, -self.seconds)

    def after(self, moment: float) -> float:
        """The moment this long after ``moment``, in seconds since 1970; the 31st of January and a month: the 28th."""
        # Days of the calendar first, then seconds: a month that is too short ends on its last day.
        day, rest = divmod(moment, 86400)
        date = np.datetime64(int(day), "D")
        month = date.astype("M8[M]") + self.months
        last = (month + 1).astype("M8[D]") - np.timedelta64(1, "D")
        moved = min(month.astype("M8[D]") + (date - date.astype("M8[M]")), last)
        return float(moved.astype(np.int64)) * 86400 + rest + self.seconds


@dataclass(frozen=True)
class Moments:
    """When examples are, where rows are parted by time.

    Attributes:
        value: (n,) seconds since 1970 or other numbers, NaN for none. column: that says it. dates: they are seconds.
    """

    value: np.ndarray
    column: str
    dates: bool

    def length_in_words(self, moments: float) -> str:
        """How long so many different moments last on average, e.g. ``"about 3 days"``; of numbers, how many values."""
        known = np.unique(self.value[np.isfinite(self.value)])
        if self.dates and len(known) > 1:
            return f"about {length_in_words(moments * float(known[-1] - known[0]) / (len(known) - 1))}"
        return f"{max(round(moments), 1):,} different value{'s' * (round(moments) > 1)} of '{self.column}'"


def length_in_words(seconds: float) -> str:
    """A length of time in the largest unit of which there are at least two.

    >>> length_in_words(3 * 86400), length_in_words(90 * 86400), length_in_words(5400), length_in_words(0.2)
    ('3 days', '3 months', '90 minutes', '1 second')
    """
    # Nearly two are told as two. Below that, one of the unit where there is nearly one: 1 second rather than 0.
    unit = next((name for name, size in UNIT_SECONDS.items() if seconds >= 1.9 * size), None)
    unit = unit or next((name for name, size in UNIT_SECONDS.items() if seconds >= 0.9 * size), "second")
    count = max(round(seconds / UNIT_SECONDS[unit]), 1)
    return f"{count:,} {unit}{'s' * (count > 1)}"


def is_span(text: str) -> bool:
    """Whether a text is a number and a unit of time."""
    found = _PIECE.fullmatch(text.strip())
    return found is not None and found[2].lower() in UNITS
