"""Dates and times of day: calendar features. n examples, P features of one field.

Clock times are taken as they are written; offsets from UTC are passed over, so that nine in the morning is nine
wherever it was. Missing values are NaN.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from .base import Guess, Kind, register
from .column import Column, thin_series
from .encoded import Into, Stored, allocate_in_memory
from .notation import DIGITS
from .notes import AS_MISSING, Note, Report, report_some
from .number import is_missing

DAY_SECONDS = 86_400.0

# Of the training range: so far the trend is followed past its ends, where nothing was learned any more.
BEYOND_SHARE = 0.1

# Cells that are looked at before all of them are: most columns of text are no dates.
FIRST_CELLS = 200

# In seconds since 1970, of the years 1 to 9999: Python's calendar has no others.
YEAR_1, YEAR_9999 = -62_135_596_800.0, 253_402_300_799.0

CYCLES = ("year", "month", "day", "weekday", "hour")

# How names of months begin in English, German, French, Spanish, Italian, Portuguese, Dutch and the north.
MONTHS = {
    start: i + 1
    for i, starts in enumerate(
        (
            "jan ene gen", "feb fév fev", "mar mär maa mrt", "apr avr abr", "may mai mag mei maj", "jun giu juin",
            "jul lug juil", "aug aoû aou ago", "sep set", "oct okt ott out", "nov", "dec déc dez dic",
        )
    )
    for start in starts.split()
}  # fmt: skip

# The year before the first of each era, by its name and its letter.
ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "R": 2018, "H": 1988, "S": 1925}

# Words in the name of a column, without which no number is taken for a timestamp.
TIMESTAMP_WORDS = {"timestamp", "timestamps", "unix", "unixtime", "epoch", "ts"}

UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

# In seconds: timestamps from 1973 to 2103 are plausible, and units are told apart, as each is 1,000 times the last.
SINCE, UNTIL = 1e8, 4.2e9

_YEAR, _DAY, _NAME = r"(?<year>\d{4}|\d{2})", r"(?<day>\d{1,2})(?:st|nd|rd|th)?", r"(?<name>\p{L}{3,10})"

_FIRST, _SECOND = r"(?<first>\d{1,2})", r"(?<other>\d{1,2})"

_WEEKDAY = r"(?:\p{L}{2,10}[.,]{0,2} )?"

_CLOCK = (
    r"(?<hour>\d{1,2}):(?<minute>\d{2})(?::(?<second>\d{2}(?:[.,]\d+)?))?\s*(?:(?<half>[AaPp])\.?[Mm]\.?)?"
    r"\s*(?:Z|UTC|GMT|(?<offset>[+-]\d{2}:?\d{2}))?"
)

_THEN = rf"(?:[T ,]+{_CLOCK})?$"

# How a date may be written; a cell is read in the first way that fits it.
WAYS = {
    "year first": rf"^(?<year>\d{{4}})[-/.](?<month>\d{{1,2}})[-/.]{_DAY}{_THEN}",
    "numbers": rf"^{_FIRST}[-/.]{_SECOND}[-/.](?<year>\d{{4}}){_THEN}",
    "numbers with a short year": rf"^{_FIRST}[-/]{_SECOND}[-/](?<year>\d{{2}}){_THEN}",
    # With two digits each: 1.2.13 is a version.
    "numbers with points": rf"^(?<first>\d{{2}})\.(?<other>\d{{2}})\.(?<year>\d{{2}}){_THEN}",
    "day and name of the month": rf"^{_WEEKDAY}{_DAY}[-. ]+(?:de )?{_NAME}[-., ]+(?:del? )?{_YEAR}{_THEN}",
    "name of the month and day": rf"^{_WEEKDAY}{_NAME}\.? {_DAY},? (?<year>\d{{4}}){_THEN}",
    "year and month": r"^(?<year>\d{4})-(?<month>\d{2})$",
    "compact": r"^(?<year>(?:1[89]|20)\d{2})(?<month>\d{2})(?<day>\d{2})"
    r"(?:T(?<hour>\d{2})(?<minute>\d{2})(?<second>\d{2})?Z?)?$",
}

TIME = rf"^{_CLOCK}$"

# What says at the end of a date with a time how far its clock is ahead of UTC.
OFFSET = r"(?::\d{2}(?:[.,]\d+)?|T\d{4,6})\s*(?:[AaPp]\.?[Mm]\.?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})$"

NAMES = ("year", "month", "day", "hour", "minute", "second", "half", "first", "other", "name", "offset")


@register
class Date(Kind):
    """Seconds since 1970 (of times alone: since midnight), NaN where missing; encoded to a trend and cycles."""

    name = "date"
    types = (("value", "f8"),)
    joint = True
    moment = True
    instead = "--kind {name}=number predicts it as days since 1970 (for dates written YYYY-MM-DD)"

    def settings(self) -> forms.Form:
        known = {"unit": forms.one_of(*UNITS, "YYYYMMDD"), "day_first": forms.flag}
        return forms.record(known, forms.anything, optional=known)

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        seconds = forms.number(-1e15, 1e15)
        own = {"role": forms.one_of(role), "clock": forms.flag, "whole": forms.flag, "std": forms.number(0, 1e15)}
        own |= {"parts": forms.list_of(forms.one_of(*CYCLES), most=len(CYCLES))}
        return forms.record(own | {"low": seconds, "high": seconds, "mean": seconds}, forms.anything)

    def recognise(self, column: Column) -> Guess | None:
        column = column.load_values()
        series = column.series()
        if series is None or series.dtype == pl.Duration:
            return None
        settings: dict[str, Any] = {}
        if series.dtype == pl.String:
            some = thin_series(series)
            if not _mostly_dates(some.filter(~is_missing(some.str.strip_chars()))):
                return None
            text = series.filter(~is_missing(series.str.strip_chars()))
            if not _mostly_dates(text):
                return None
            settings, how = date_formats(text)
        elif series.dtype.is_numeric():
            unit = unit_of(column.name, series)
            if unit is None:
                return None
            settings, how = {"unit": unit}, f"counted in {unit} since 1970" if unit in UNITS else "written YYYYMMDD"
        elif series.dtype.is_temporal():
            how = ""
        else:
            return None
        return _make_guess(column, settings, how)

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"value": (n,) float64}`` seconds; ``meta`` says whether they are times of day alone.

        Settings: ``day_first`` (of dates in numbers, 3/4/2020), ``unit`` (of timestamps: s, ms, us, ns, or YYYYMMDD).
        """
        column = column.load_values()
        value, clock = date_seconds(column, settings)
        stored = into("value", (len(value),), np.float64)
        stored[:] = value
        _report_unread(column, value, settings, report)
        return Stored({"value": stored}, {"clock": clock}, len(value))

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        super().check_stored(stored, state)
        forms.record({"clock": forms.flag})(stored.meta, "meta")

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """The range of the training dates, and which parts of the calendar differ among them."""
        value = np.asarray(stored.arrays["value"][rows], np.float64)
        value = value[np.isfinite(value)]
        clock = bool(stored.meta["clock"])
        turns = {name: turn for name, turn in calendar_cycles(value).items() if name == "hour" or not clock}
        # Dates without times bring no hour, dates of one year no year: a cycle that does not vary teaches nothing.
        parts = [name for name, turn in turns.items() if len(turn) and turn.min() < turn.max()]
        state: dict[str, Any] = {"role": role, "clock": clock, "parts": parts, "whole": "hour" not in parts}
        low, high = (float(value.min()), float(value.max())) if len(value) else (0.0, 0.0)
        # Of times of day there is no trend: midnight comes after 23:59.
        trend = high > low and not clock
        mean, std = (float(value.mean()), float(value.std())) if trend else (low, 0.0)
        return state | {"low": low, "high": high, "mean": mean, "std": std}

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:
        """(n, P) float32: the trend, a sine and a cosine for each cycle that varies, and whether it is missing.

        The trend is the date itself, standardised; beyond the training dates it goes on for a tenth of their range
        and then stays. Where it is missing everything else is 0.
        """
        value = np.asarray(stored.arrays["value"], np.float64)
        missing = ~np.isfinite(value)
        value = np.where(missing, state["mean"], value)
        columns = []
        if state["std"] > 0:
            reach = BEYOND_SHARE * (state["high"] - state["low"])
            columns.append((np.clip(value, state["low"] - reach, state["high"] + reach) - state["mean"]) / state["std"])
        turns = calendar_cycles(value)
        for name in state["parts"]:
            angle = 2 * math.pi * turns[name]
            columns += [np.sin(angle), np.cos(angle)]
        out = np.stack([*columns, missing.astype(np.float64)], 1)
        # The middle stood in, which would say something of the calendar: only the last column is to speak.
        out[missing, :-1] = 0
        return out.astype(np.float32)

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[Any]:
        """Dates, or times of day, as far as the trend (or the hour) tells; None where missing."""
        found: list[Any] = []
        for row in np.asarray(encoded, np.float64):
            found.append(None if row[-1] > 0.5 else _decode_row(row, state))
        return found

    def describe_reading(self, stored: Stored, row: int, state: Mapping[str, Any]) -> str:
        known = math.isfinite(float(stored.arrays["value"][row]))
        return "" if known else "zeros for the date and its calendar, and a mark that it is missing"

    def show(self, stored: Stored, row: int) -> str:
        value = float(stored.arrays["value"][row])
        return write_date(value, bool(stored.meta["clock"])) if math.isfinite(value) else "missing"


def feature_width(state: Mapping[str, Any]) -> int:
    """P, how many features a fitted field has.

    >>> feature_width({"std": 1.0, "parts": ["year", "weekday"]})
    6
    """
    return (state["std"] > 0) + 2 * len(state["parts"]) + 1


def calendar_cycles(value: np.ndarray) -> dict[str, np.ndarray]:  # (n,) finite seconds -> (n,) each, 0 to 1
    """How far each turn of the calendar has gone: of the year, of its months, of the month, of the week, of the day.

    Thursday, the first of January:

    >>> {name: float(turn[0]) for name, turn in calendar_cycles(np.array([0.0])).items()}
    {'year': 0.0, 'month': 0.0, 'day': 0.0, 'weekday': 0.42857142857142855, 'hour': 0.0}
    """
    moment = np.floor(np.clip(value, YEAR_1, YEAR_9999)).astype("datetime64[s]")
    days, months, years = (moment.astype(f"datetime64[{unit}]") for unit in "DMY")

    def since_start(start: np.ndarray) -> np.ndarray:
        return start.astype("datetime64[s]").astype(np.float64)

    def way_through(start: np.ndarray) -> np.ndarray:
        return (value - since_start(start)) / (since_start(start + 1) - since_start(start))

    return {
        "year": np.clip(way_through(years), 0, 1),
        "month": months.astype(np.int64) % 12 / 12,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64)
        / ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64),
        # 1970 began on a Thursday.
        "weekday": (days.astype(np.int64) + 3) % 7 / 7,
        "hour": np.mod(value, DAY_SECONDS) / DAY_SECONDS,
    }


def date_seconds(column: Column, settings: Mapping[str, Any], *, absolute: bool = False) -> tuple[np.ndarray, bool]:
    """Seconds since 1970, (n,) with NaN where there is no date, and whether they are times of day alone.

    Args:
        absolute: count offsets from UTC, to put moments in order, rather than take clock times as they are written.
    """
    series = column.series()
    if series is None or not (series.dtype.is_temporal() or series.dtype.is_numeric()):
        text = column.as_type(pl.String)
        day_first = settings.get("day_first")
        day_first = date_formats(text)[0].get("day_first", True) if day_first is None else bool(day_first)
        return read_dates(text, day_first, absolute=absolute)
    if series.dtype.is_numeric():
        number = series.cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy()
        return _count_unit(number, str(settings.get("unit") or _timestamp_unit(number) or "s")), False
    clock = series.dtype == pl.Time
    if clock:
        value = series.cast(pl.Int64).cast(pl.Float64) / 1e9
    else:
        aware = isinstance(series.dtype, pl.Datetime) and not absolute
        local = series.dt.replace_time_zone(None) if aware else series
        value = local.dt.epoch("us").cast(pl.Float64) / 1e6
    return value.fill_null(math.nan).to_numpy().copy(), clock


def zone_offsets(column: Column) -> tuple[list[str], int] | None:
    """The different offsets from UTC of dates with times, and how many have none; None where they are no such text.

    >>> zone_offsets(Column("when", pl.Series(["2024-01-01T01:00+01:00", "2024-07-01 01:00Z", "2024-01-01 02:00"])))
    (['+00:00', '+01:00'], 1)
    """
    series = column.series()
    if series is None:
        return None
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        ahead = (series.dt.base_utc_offset() + series.dt.dst_offset()).drop_nulls().unique().dt.total_minutes()
        return [f"{'-' if m < 0 else '+'}{abs(m) // 60:02}:{abs(m) % 60:02}" for m in ahead.sort().to_list()], 0
    if series.dtype in (pl.Datetime, pl.Date):
        return [], series.len() - series.null_count()
    if series.dtype != pl.String:
        return None
    text = plain_dates(series)
    found = text.str.extract(OFFSET).str.replace(r"^(?:Z|UTC|GMT)$", "+00:00").str.replace(r"^(.\d\d)(\d\d)$", "$1:$2")
    without = int((found.is_null() & ~is_missing(text)).sum())
    return sorted(found.drop_nulls().unique().to_list()), without


def read_dates(
    text: pl.Series, day_first: bool, used: dict[str, int] | None = None, *, absolute: bool = False
) -> tuple[np.ndarray, bool]:
    """Dates written in any of ``WAYS``, else times of day; ``used`` is told how many in which way.

    >>> read_dates(pl.Series(["2 Jan 1970", "3/1/1970 12:00", "soon"]), day_first=True)[0].tolist()
    [86400.0, 216000.0, nan]
    """
    text = plain_dates(text)
    value = np.full(len(text), math.nan)
    for way, pattern in WAYS.items():
        left = np.flatnonzero(np.isnan(value) & text.is_not_null().to_numpy())
        if not len(left):
            break
        value[left] = _match_pattern(text.gather(left), pattern, day_first, absolute)
        if used is not None:
            used[way] = int(np.isfinite(value[left]).sum())
    if np.isfinite(value).any() or not len(text):
        return value, False
    table = _pattern_groups(text, TIME)
    return _clock_seconds(table), bool(table["hour"].is_not_null().any())


def plain_dates(text: pl.Series) -> pl.Series:  # (n,) -> (n,)
    """Cells without blanks around them; digits of other scripts, and what stands between them in East Asia, as ours.

    >>> plain_dates(pl.Series(["2024年1月2日 10時30分", "令和6年1月2日", "2024. 1. 2.", "soon"])).to_list()
    ['2024-1-2 10:30', '2024-1-2', '2024-1-2', 'soon']
    """
    text = text.str.strip_chars().str.replace(r"^(\d{4})\. ?(\d{1,2})\. ?(\d{1,2})\.$", "$1-$2-$3")
    if not text.str.contains(r"[^\x00-\x7f]|^[RHS]\d{1,2}[./]\d").any():
        return text
    text = text.str.replace_many(list(DIGITS), list(DIGITS.values()))
    for era, before in ERAS.items():
        between = "年" if len(era) > 1 else "[./年]"
        part = text.str.extract(rf"^{era}(\d{{1,2}}|元){between}").str.replace("元", "1")
        if part.null_count() < len(part):
            year = part.cast(pl.Int64) + before
            rest = text.str.replace(rf"^{era}(?:\d{{1,2}}|元){between}", "")
            made = (year.cast(pl.String) + "-" + rest.str.replace(r"^(\d{1,2})[./](\d{1,2})$", "$1-$2")).str.replace(
                r"^(\d{4})-(\d{1,2})月", "$1年$2月"
            )
            text = pl.select(pl.when(part.is_not_null()).then(made).otherwise(text)).to_series()
    text = text.str.replace(r"^(\d{4})\s?[年년]\s?(\d{1,2})\s?[月월](?:\s?(\d{1,2})\s?[日일])?", "$1-$2-$3")
    text = text.str.replace(r"^(\d{4}-\d{1,2}-)$", "${1}1").str.replace(
        r"\s?(\d{1,2})[時시]\s?(\d{1,2})[分분]", " $1:$2"
    )
    return text.str.replace(r"\s?(\d{1,2}:\d{1,2})(\d{1,2})秒$", " $1:$2")


def date_formats(text: pl.Series) -> tuple[dict[str, Any], str]:
    """How the dates of a whole column are written: the settings to read them with, and that in words."""
    bare = plain_dates(text)
    found = pl.concat([_pattern_groups(bare, pattern) for way, pattern in WAYS.items() if way.startswith("numbers")])
    first, second = (found[name].cast(pl.Int64).fill_null(0).to_numpy() for name in ("first", "other"))
    settings: dict[str, Any] = {}
    if first.any():
        month_first, day_first = int((second > 12).sum()), int((first > 12).sum())
        settings = {"day_first": day_first > month_first}
        # No number above 12 decides, or as many for either side.
        if day_first == month_first:
            settings = {"day_first": _by_order(text)} | ({} if day_first else {"unsure": True})
    used: dict[str, int] = {}
    read_dates(text, settings.get("day_first", True), used)
    order = "day first" if settings.get("day_first") else "month first"
    names = list(dict.fromkeys(order if way.startswith("numbers") else way for way, count in used.items() if count))
    if len(names) > 1:
        return settings, f"written in {len(names)} ways: {', '.join(names)}"
    return settings, order if names == [order] else ""


def unit_of(name: str, series: pl.Series) -> str | None:
    """The unit (of ``UNITS``, or "YYYYMMDD") of numbers that are dates by their column's name and range; else None."""
    called = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    if not called & (TIMESTAMP_WORDS | {"date", "day"}):
        return None
    value = series.cast(pl.Float64, strict=False).drop_nulls().drop_nans().to_numpy()
    if not len(value) or ((value != np.round(value)).any() and not called & TIMESTAMP_WORDS):
        return None
    if called & TIMESTAMP_WORDS:
        return _timestamp_unit(value)
    if called & {"date", "day"} and (value >= 18_000_101).all() and (value <= 22_001_231).all():
        return "YYYYMMDD" if np.isfinite(_count_unit(value, "YYYYMMDD")).all() else None
    return None


def write_date(value: float, clock: bool) -> str:
    """Seconds since 1970 as a date, with its time where that is not midnight; with ``clock`` the time alone.

    >>> write_date(86400.0, False), write_date(90061.0, False), write_date(3660.0, True)
    ('1970-01-02', '1970-01-02 01:01:01', '01:01')
    """
    moment = _parse_moment(value)
    time = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    if clock:
        return time
    day = moment.date().isoformat()
    return day if value % DAY_SECONDS == 0 else f"{day} {time}"


def _parse_moment(value: float) -> datetime.datetime:
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=float(np.clip(value, YEAR_1, YEAR_9999)))


def _decode_row(row: np.ndarray, state: Mapping[str, Any]) -> datetime.date | datetime.time:
    if state["clock"]:
        if "hour" not in state["parts"]:
            return _parse_moment(state["low"]).time()
        turn = math.atan2(row[-3], row[-2]) / (2 * math.pi) % 1
        return _parse_moment(round(turn * DAY_SECONDS) % DAY_SECONDS).time()
    value = row[0] * state["std"] + state["mean"] if state["std"] > 0 else state["mean"]
    return (
        _parse_moment(round(value / DAY_SECONDS) * DAY_SECONDS).date()
        if state["whole"]
        else _parse_moment(round(value))
    )


def _make_guess(column: Column, settings: Mapping[str, Any], how: str) -> Guess | None:
    value, clock = date_seconds(column, settings)
    present = value[np.isfinite(value)]
    series = column.series()
    assert series is not None
    n = int((~is_missing(series.str.strip_chars())).sum()) if series.dtype == pl.String else len(present)
    if not len(present) or len(present) < 0.9 * n:
        return None
    low, high = (write_date(float(v), clock) for v in (present.min(), present.max()))
    if low == high and len(value) == len(present) > 1:
        return Guess(0.95, f"always {low}, which says nothing", role="ignore", settings=settings)
    reason = f"{len(present):,} {'times' if clock else 'dates'} from {low} to {high}" + (f", {how}" if how else "")
    return Guess(0.93 if len(present) == n else 0.86, reason, settings=settings)


def _mostly_dates(text: pl.Series) -> bool:
    """Whether at least nine in ten of cells cells are dates, with the day or the month first."""
    cells = text.gather_every(max(1, len(text) // FIRST_CELLS))
    # No date is without a digit, and most words are: one look spares them some 200.
    if int(cells.str.contains(r"\d").sum() or 0) < 0.9 * len(cells):
        return False
    return any(np.isfinite(read_dates(cells, first)[0]).sum() >= 0.9 * len(cells) > 0 for first in (True, False))


def _pattern_groups(text: pl.Series, pattern: str) -> pl.DataFrame:
    """The named groups of a pattern as columns of text; null where they, or the whole, do not match."""
    found = text.str.extract_groups(pattern).struct.unnest()
    return found.with_columns(pl.lit(None, pl.String).alias(name) for name in NAMES if name not in found.columns)


def _match_pattern(text: pl.Series, pattern: str, day_first: bool, absolute: bool) -> np.ndarray:
    """Seconds since 1970, (k,) with NaN where the pattern does not match or there is no such day."""
    table = _pattern_groups(text, pattern)
    # Every way has a year.
    if table["year"].null_count() == len(table):
        return np.full(len(text), math.nan)
    day, month = ("first", "other") if day_first else ("other", "first")
    name = pl.col("name").str.to_lowercase()
    # Four letters tell juin from juillet.
    starts = [name.str.slice(0, length).replace_strict(MONTHS, default=None) for length in (4, 3)]
    named = pl.coalesce(starts)
    year = pl.col("year").cast(pl.Int64)
    short = pl.col("year").str.len_chars() == 2
    table = table.with_columns(
        # As POSIX has it: 69 to 99 are of the last century.
        year=pl.when(short).then(year + pl.when(year < 69).then(2000).otherwise(1900)).otherwise(year),
        month=pl.coalesce(pl.col("month", month).cast(pl.Int64), named.cast(pl.Int64)),
        day=pl.coalesce(pl.col("day", day).cast(pl.Int64), pl.when(pl.col("year").is_not_null()).then(1)),
    )
    whole = [pl.col(name).cast(pl.String).str.zfill(n) for name, n in (("year", 4), ("month", 2), ("day", 2))]
    date = table.select(pl.concat_str(whole, separator="-").str.to_date("%Y-%m-%d", strict=False)).to_series()
    days = date.cast(pl.Int32).cast(pl.Float64).fill_null(math.nan).to_numpy()
    time = np.where(table["hour"].is_null().to_numpy(), 0.0, _clock_seconds(table))
    return days * DAY_SECONDS + time - (_zone_offset(table["offset"]) if absolute else 0.0)


def _clock_seconds(table: pl.DataFrame) -> np.ndarray:  # (k,) seconds since midnight, NaN where there is no such time
    def group_number(name: str) -> np.ndarray:
        return table[name].str.replace(",", ".").cast(pl.Float64).to_numpy()

    hour, minute, second = group_number("hour"), group_number("minute"), np.nan_to_num(group_number("second"))
    half = table["half"].str.to_lowercase()
    hour = np.where((half == "p").fill_null(False).to_numpy() & (hour < 12), hour + 12, hour)
    hour = np.where((half == "a").fill_null(False).to_numpy() & (hour == 12), 0, hour)
    value = hour * 3600 + minute * 60 + second
    return np.where((hour < 24) & (minute < 60) & (second < 61), value, math.nan)


def _zone_offset(text: pl.Series) -> np.ndarray:  # (k,) seconds that a clock is ahead of UTC
    # "+0530" is then the number 530: hours and minutes.
    digits = text.str.replace(":", "").cast(pl.Int64).fill_null(0).to_numpy()
    size = np.abs(digits)
    return np.sign(digits) * (size // 100 * 3600 + size % 100 * 60)


def _by_order(text: pl.Series) -> bool:
    """Whether dates that tell nothing else have the day first: in the way that puts the rows in order, else as usual.

    Points and dashes go with the day first; slashes with the month first, as in the United States.
    """
    found = [read_dates(text.drop_nulls(), day_first)[0] for day_first in (True, False)]
    day, month = (bool(len(v) > 2 and (np.diff(v) >= 0).all() and (v != v[0]).any()) for v in found)
    if day != month:
        return day
    return not bool(text.str.contains(r"^\s*\d{1,2}/").any())


def _timestamp_unit(value: np.ndarray) -> str | None:
    """The unit in which all numbers are plausible timestamps."""
    value = value[np.isfinite(value)]
    fits = [
        unit for unit, per in UNITS.items() if len(value) and SINCE <= value.min() / per <= value.max() / per < UNTIL
    ]
    return fits[0] if fits else None


def _count_unit(number: np.ndarray, unit: str) -> np.ndarray:  # (n,) -> (n,) seconds
    if unit in UNITS:
        return np.where(np.abs(number) / UNITS[unit] < YEAR_9999, number / UNITS[unit], math.nan)
    digits = pl.Series(number).fill_nan(None).cast(pl.Int64, strict=False).cast(pl.String)
    days = digits.str.to_date("%Y%m%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    return days.fill_null(math.nan).to_numpy() * DAY_SECONDS


def _report_unread(column: Column, value: np.ndarray, settings: Mapping[str, Any], report: Report) -> None:
    series, where = column.series(), f"column '{column.name}'"
    if settings.get("unsure"):
        order, other = ("day", "month") if settings["day_first"] else ("month", "day")
        text = f"dates could have the day or the month first; read with the {order} first"
        fix = f"if it is the {other}, write them as YYYY-MM-DD"
        report(Note("warning", text, where, f"read with the {order} first", fix))
    if series is None or series.dtype != pl.String:
        return
    unread = np.flatnonzero(~np.isfinite(value) & ~is_missing(series.str.strip_chars()).to_numpy())
    order = {True: " (day first)", False: " (month first)"}.get(settings.get("day_first"), "")  # type: ignore[arg-type]
    said, fix = f"is not a date{order} and counts as missing", "write dates as YYYY-MM-DD"
    notes = (Note("warning", f"'{series[int(r)][:40]}' {said}", column.place(int(r)), AS_MISSING, fix) for r in unread)
    report_some(report, notes, len(unread), f"cells of column '{column.name}' are not dates")
