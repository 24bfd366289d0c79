"""The step between the moments of a series: an hour, a business day, a month. n moments, in seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..splits.time_spans import UNIT_SECONDS, Span

DAY = 86400.0

# Of the differences between neighbours, that must be whole multiples of the commonest one: else there is no step.
REGULAR_SHARE = 0.98

# Moments from which on it is no chance that none is on a weekend.
FEWEST_WORKDAYS = 10

# Of a step, by which a moment may be off: clocks drift, and stamps are rounded.
TOLERANCE = 0.02

# A month has at least so many days: shorter differences are no step of months.
SHORTEST_MONTH = 27 * DAY

# A month on average, and how much of it one may be longer or shorter.
MONTH, MONTH_OFF = 365.2425 * DAY / 12, 0.1

# Rows at the beginning whose step is the step, where they all have one; else it is the commonest.
FIRST_RUN = 10

# Of rows, that must follow one another in time for the order that they stand in to be one.
MOSTLY_ORDERED = 0.9

# Of a step, by which a length of time may differ from it: months have 28 to 31 days.
NEARLY_A_STEP = 0.1

# Between new rows, from which on these are farther apart than those of the run and do not merely have gaps.
FEWEST_GAPS = 3

# How many of these a rhythm may have that people live by, by the seconds of a step: hours of a day, days of a week.
RHYTHMS = {60.0: (60, 1440), 3600.0: (24, 168), DAY: (7, 365), 7 * DAY: (52,)}
MONTH_RHYTHMS, WORKDAY_RHYTHMS = 12, (5,)


@dataclass(frozen=True)
class Step:
    """How far one moment is from the next.

    Attributes:
        unit: ``"second"``, ``"workday"`` (Monday to Friday), ``"month"``, or ``"row"`` where moments have no step.
        amount: how many of them.
    """

    unit: str
    amount: float = 1.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        return cls(str(data["unit"]), float(data["amount"]))

    @classmethod
    def of_span(cls, span: Span) -> Step:
        """The step that lasts a span of time, which is of months or of seconds."""
        return cls("month", span.months) if span.months else cls("second", span.seconds)

    def __str__(self) -> str:
        """In words, after "every".

        >>> str(Step("second", 3600)), str(Step("second", 900)), str(Step("month", 1)), str(Step("row"))
        ('hour', '15 minutes', 'month', 'row')
        """
        unit, amount = ("business day" if self.unit == "workday" else self.unit), self.amount
        if self.unit == "second":
            fitting = [name for name in ("day", "hour", "minute") if amount % UNIT_SECONDS[name] == 0]
            unit = fitting[0] if fitting else unit
            amount /= UNIT_SECONDS[unit]
            unit, amount = ("week", amount / 7) if unit == "day" and amount % 7 == 0 else (unit, amount)
        elif self.unit == "month" and amount % 12 == 0:
            unit, amount = "year", amount / 12
        return unit if amount == 1 else f"{amount:g} {unit}s"

    @property
    def seconds(self) -> float:
        """About how long it lasts; 0 for rows."""
        return {"second": 1.0, "workday": DAY, "month": UNIT_SECONDS["month"], "row": 0.0}[self.unit] * self.amount

    def places(self, moments: np.ndarray, origin: np.ndarray) -> np.ndarray:  # (n,), (n,) -> (n,) int64
        """How many steps each moment is after its ``origin``, to the nearest; not for steps of rows."""
        if self.unit == "month":
            return (month_numbers(moments) - month_numbers(origin)) // int(self.amount)
        if self.unit == "workday":
            first, own = (np.floor(x / DAY).astype(np.int64).astype("M8[D]") for x in (origin, moments))
            return np.busday_count(first, own).astype(np.int64)
        return np.rint((moments - origin) / self.amount).astype(np.int64)

    def origin(self, first: float) -> float:
        """Where steps begin that rows are brought to, of which the first is at ``first``: its midnight, its month."""
        return (
            first - first % DAY if self.unit == "second" else float(_month_starts(month_numbers(np.array([first])))[0])
        )

    def begins(self, moments: np.ndarray, origin: float) -> np.ndarray:  # (n,) -> (n,)
        """When the step begins that each moment falls into, where one begins at ``origin``; NaN for NaN."""
        if self.unit == "second":
            return origin + np.floor((moments - origin) / self.amount + 1e-9) * self.amount
        found, known = np.full(len(moments), np.nan), np.isfinite(moments)
        first, size = month_numbers(np.array([origin])), int(self.amount)
        found[known] = _month_starts(first + (month_numbers(moments[known]) - first) // size * size)
        return found

    def moments(self, origin: np.ndarray, steps: np.ndarray) -> np.ndarray:  # (m,), (m,) -> (m,)
        """The moments so many steps after each ``origin``, in seconds since 1970; NaN where there is no step."""
        if self.unit == "second":
            return origin + steps * self.amount
        if self.unit == "row":
            return np.full(len(steps), np.nan)
        date = np.floor(origin / DAY).astype(np.int64).astype("M8[D]")
        if self.unit == "workday":
            moved = np.busday_offset(date, steps, roll="forward")
        else:
            month = date.astype("M8[M]")
            later = month + steps * int(self.amount)
            last = (later + 1).astype("M8[D]") - 1
            # The last day of a month stays the last day.
            ends = date == (month + 1).astype("M8[D]") - 1
            moved = np.where(ends, last, np.minimum(later.astype("M8[D]") + (date - month.astype("M8[D]")), last))
        return moved.astype(np.int64) * DAY + origin % DAY

    def rhythms(self) -> tuple[int, ...]:
        """Numbers of steps of the rhythms that people live by: days, weeks, years."""
        if self.unit == "month":
            return (int(MONTH_RHYTHMS // self.amount),) if MONTH_RHYTHMS % self.amount == 0 and self.amount < 12 else ()
        if self.unit == "workday":
            return WORKDAY_RHYTHMS
        if self.unit != "second":
            return ()
        base = max((size for size in RHYTHMS if size <= self.amount), default=None)
        if base is None:
            return (60,) if self.amount == 1 else ()
        whole = (count * base / self.amount for count in RHYTHMS[base])
        return tuple(int(steps) for steps in whole if steps >= 2 and steps == int(steps))


ROWS = Step("row")


def find_step(moments: np.ndarray, series: np.ndarray) -> Step:  # (n,), (n,) -> step
    """The step of moments that are sorted within each series; ``ROWS`` where there is none.

    Args:
        series: the number of the series of each, one after the other.
    """
    gap = np.diff(moments)[np.diff(series) == 0]
    gap = gap[gap > 0]
    if not len(gap):
        return ROWS
    base = commonest(gap)
    if base >= SHORTEST_MONTH and (months := _months_of(moments, series)):
        return Step("month", months)
    if base == DAY and len(moments) >= FEWEST_WORKDAYS and not (weekday_numbers(moments) >= 5).any():
        return Step("workday")
    # A gap is a whole number of steps.
    off = abs(gap / base - np.rint(gap / base))
    return Step("second", base) if (off <= TOLERANCE).mean() >= REGULAR_SHARE else ROWS


def commonest(values: np.ndarray) -> float:
    """The value that comes most often, the smallest of several."""
    known, counts = np.unique(np.round(values, 3), return_counts=True)
    return float(known[counts.argmax()])


def find_break(moments: np.ndarray, series: np.ndarray, jump: bool = False) -> int:  # (n,), (n,) -> row
    """The first row that does not come at the step of the others; -1 where there is none.

    Rows are followed as they stand, and in order of time where they stand in none.

    Args:
        moments: NaN for none. series: of each row, -1 for nobody's.
        jump: look for a jump about as long as the longest there is, rather than for any that is no whole step.
    """
    known = np.flatnonzero(np.isfinite(moments) & (series >= 0))
    order = known[np.argsort(series[known], kind="stable")]
    gap = _gaps_of_rows(moments, series, order)
    # Newest first is an order, too.
    if max((gap >= 0).sum(), (gap <= 0).sum()) < MOSTLY_ORDERED * np.isfinite(gap).sum():
        order = known[np.lexsort((moments[known], series[known]))]
        gap = _gaps_of_rows(moments, series, order)
    size = abs(gap)
    if not (size > 0).any():
        return -1
    start = size[:FIRST_RUN]
    base = float(start[0]) if (start == start[0]).all() and start[0] > 0 else commonest(size[size > 0])
    if jump:
        broken = (size >= np.nanmax(size) / 2) & (size > base)
    else:
        usual, off = (MONTH, MONTH_OFF) if base >= SHORTEST_MONTH else (base, TOLERANCE)
        broken = abs(size / usual - np.rint(size / usual)) > off
    return int(order[1:][broken][0]) if broken.any() else -1


def _gaps_of_rows(moments: np.ndarray, series: np.ndarray, order: np.ndarray) -> np.ndarray:  # (m,) -> (m - 1,)
    """How much later each row is than the one before; NaN where another series begins."""
    return np.where(np.diff(series[order]) == 0, np.diff(moments[order]), np.nan)


def _months_of(moments: np.ndarray, series: np.ndarray) -> int:
    """How many months a step has; 0 where moments are not of the same day and time of their months."""
    date = np.floor(moments / DAY).astype(np.int64).astype("M8[D]")
    day = (date - date.astype("M8[M]")).astype(np.int64)
    last = ((date.astype("M8[M]") + 1).astype("M8[D]") - date).astype(np.int64) == 1
    if len(np.unique(moments % DAY)) > 1 or not ((day == day[0]).all() or last.all()):
        return 0
    gap = np.diff(month_numbers(moments))[np.diff(series) == 0]
    gap = gap[gap > 0]
    base = int(commonest(gap))
    return base if (gap % base == 0).mean() >= REGULAR_SHARE else 0


def month_numbers(moments: np.ndarray) -> np.ndarray:  # (n,) -> (n,) int64
    return np.floor(moments / DAY).astype(np.int64).astype("M8[D]").astype("M8[M]").astype(np.int64)


def _month_starts(numbers: np.ndarray) -> np.ndarray:  # (n,) -> (n,) seconds since 1970
    return numbers.astype("M8[M]").astype("M8[s]").astype(np.float64)


def weekday_numbers(moments: np.ndarray) -> np.ndarray:  # (n,) -> (n,) 0 Monday .. 6 Sunday
    # The first of January 1970 was a Thursday.
    return (np.floor(moments / DAY).astype(np.int64) + 3) % 7


def off_days(moments: np.ndarray, step: Step) -> np.ndarray:  # (n,) -> (n,) bool
    """Which moments lie on a weekend, where a step is of business days; none for any other step."""
    found = np.zeros(len(moments), bool)
    known = np.isfinite(moments)
    if step.unit == "workday":
        found[known] = weekday_numbers(moments[known]) >= 5
    return found


def another_step(moments: np.ndarray, series: np.ndarray, step: Step) -> Step | None:  # (n,), (n,)
    """The step of new moments where that is another one than a run's; None where it is the same or can't be told.

    Moments that are sorted within each series. Some of them may lack: a few that are twice as far apart are gaps.
    """
    own = find_step(moments, series)
    if ROWS in (own, step) or own == step:
        return None
    gap = np.diff(moments)[np.diff(series) == 0]
    gap = gap[gap > 0]
    near = abs(gap / step.seconds - 1) < NEARLY_A_STEP
    finer = own.seconds < (1 - NEARLY_A_STEP) * step.seconds
    # One gap is no step, and where some rows follow at the run's own, the others are gaps.
    coarser = len(gap) >= FEWEST_GAPS and not near.any()
    odd = own.unit == step.unit == "second" and abs(own.seconds / step.seconds - 1) > TOLERANCE and not near.any()
    return own if finer or coarser or (odd and len(gap) >= FEWEST_GAPS) else None
