"""Of a table whose rows are moments, what each column is: forecast, known ahead, of the past, of a series, left out.

n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

import numpy as np
import polars as pl

from ...errors import PellucidError, UsageError, unknown_name
from ...fields import Column, Field, Guess, Note, kind_named, recognise
from ...fields.category import NO_VALUES
from ...fields.channel import Channel
from ...fields.column import drop_missing
from ...fields.notes import LEFT_OUT
from ..schema import PLACEHOLDER
from ..source import ReadOptions, separate_names
from .clock import clock_in_words
from .forecast import Forecast
from .uninformative import CALENDAR_TELLS, YEARS_COUNT, RowTimes

# The kind of what is forecast.
CHANNEL = Channel()

# In the reasons of fields.
PAST_READ, EMPTY = "its past is read", "it has no value"
UNASKED = "; not forecast unless it is named as a target"

# Quarters and weeks in words, which are not read as dates: 2001-Q1, Q1 2001, 2001-W05.
PERIOD = r"(?i)^(\d{4}[-/. ]?(Q[1-4]|W\d{1,2})|Q[1-4][-/. ]?\d{4})$"

Say = Callable[[Note], None]


def fields_of_series(
    columns: Mapping[str, Column], options: ReadOptions, about: Forecast, times: RowTimes
) -> tuple[list[Field], str]:
    """The fields of all columns for a forecast, and why the targets are the targets.

    Of what nobody named, words are inputs here too, and whether a column is known ahead is not guessed yet.

    Raises:
        PellucidError: when no column of numbers is left to forecast.
    """
    goals = _named_goals(options.target, columns)
    for name in goals:
        if name not in columns:
            raise UsageError(unknown_name("column", name, columns))
    whole = [name for name, column in columns.items() if _holds_series(column)]
    if whole and not goals:
        raise PellucidError(
            f"each row is a whole series here (column '{whole[0]}'), and forecasts need a row for each moment",
            fix="give a table with a column of dates, one that says which series (--series), and one of numbers",
        )
    fields = [_field(column, options, about, goals, times) for column in columns.values()]
    targets = {f.name for f in fields if f.role == "target"}
    if lost := [name for name in goals if name not in targets]:
        empty = next(f.reason == EMPTY for f in fields if f.name == lost[0])
        why = EMPTY if empty else "it holds no numbers"
        raise PellucidError(f"'{lost[0]}' can't be forecast: {why}", fix="name another with --target")
    if not targets:
        odd = next((f for f in fields if f.reason.endswith(UNASKED)), None)
        why = "" if odd is None else f": '{odd.name}' is left out ({odd.reason.removesuffix(UNASKED)})"
        fix = f"name one with --target{'' if odd is None else f' {odd.name}'}"
        raise PellucidError(f"there is no column of numbers to forecast{why}", fix=fix)
    return fields, "as you asked" if goals else "every column of numbers is forecast"


def _named_goals(asked: str | Sequence[str] | None, columns: Container[str]) -> tuple[str, ...]:
    """The targets that were named, several in one text with commas between."""
    if asked is None:
        return ()
    return separate_names((asked,) if isinstance(asked, str) else asked, columns)


def leave_out_past_words(fields: Sequence[Field], options: ReadOptions, say: Say) -> list[Field]:
    """The fields without words whose past alone is known; a note on each that is left out and was not asked to be."""
    fields = [_without_past_words(field) for field in fields]
    for field in fields:
        if field.role == "ignore" and field.name not in options.ignore:
            fix = "--target names what is forecast" if field.reason.endswith(UNASKED) else ""
            say(Note("info", f"left out: {field.reason}", f"column '{field.name}'", LEFT_OUT, fix))
    return fields


def _field(column: Column, options: ReadOptions, about: Forecast, goals: Sequence[str], times: RowTimes) -> Field:
    """The field of one column for a forecast."""
    name = column.name
    if name == about.time:
        why = (f"says when, {about.every}" if about.every else "says when") + clock_in_words(column, about)
        guess = kind_named("date").recognise(column)
        # Numbers that order rows are no dates.
        return Field(name, "date" if guess else "number", "time", why, guess.settings if guess else {})
    if name in about.series:
        return Field(name, "category", "series id", "says which series a row is of")
    if name in options.ignore:
        return Field(name, PLACEHOLDER, "ignore", "as asked")
    if name not in goals and (static := _static_field(column, about, times.series)):
        return static
    if _is_empty(column):
        return Field(name, PLACEHOLDER, "ignore", EMPTY)
    number = CHANNEL.recognise_numbers(column)
    asked = name in goals or name in options.forecast.known
    if number is None and not asked and (why := _unread_period(column)):
        return Field(name, PLACEHOLDER, "ignore", why)
    guess = number or CHANNEL.recognise_words(column)
    if guess is None:
        return Field(name, PLACEHOLDER, "ignore", _why_not_read(column))
    if number is not None and not asked and (why := _why_not_forecast(column, guess, times, goals)):
        return Field(name, PLACEHOLDER, "ignore", why)
    goal = number is not None and (not goals or name in goals)
    role = "known" if name in options.forecast.known else "target" if goal else "input"
    why = {"known": "; known ahead", "input": f"; {PAST_READ}"}.get(role, "")
    return Field(name, CHANNEL.name, role, guess.reason + why, guess.settings)


def _why_not_forecast(column: Column, guess: Guess, times: RowTimes, goals: Sequence[str]) -> str:
    """Why numbers that nobody named are neither forecast nor read; empty where they are.

    A part of the date may be read where a target is named: it is none then.
    """
    why = guess.reason if guess.role == "id" else ""
    field = Field(column.name, CHANNEL.name, "input", "", guess.settings)
    why = why or times.why_not_forecast(column.name, channel_values({column.name: column}, field, lambda note: None))
    if goals:
        return "" if why.endswith((CALENDAR_TELLS, YEARS_COUNT)) else why
    return why + UNASKED if why else ""


def _why_not_read(column: Column) -> str:
    """Why a column that holds neither numbers nor a few words is left out."""
    if kind_named("date").recognise(column) is not None:
        return "dates beside those that say when, which forecasts do not read"
    guess = kind_named("category").recognise(column)
    if guess is not None and guess.role == "ignore":
        return EMPTY if guess.reason == NO_VALUES else guess.reason
    return "not a few words that come again, which forecasts do not read"


def _unread_period(column: Column) -> str:
    """Why a column of quarters or weeks in words is left out; empty for any other."""
    values = column.series()
    words = drop_missing(values) if values is not None and values.dtype == pl.String else None
    if words is None or not len(words) or not words.str.strip_chars().str.contains(PERIOD).all():
        return ""
    return f"text such as '{words[0]}' is not read as dates; write the first day of each: 2001-01-01"


def _is_empty(column: Column) -> bool:
    """Whether a column has no value at all."""
    values = column.series()
    return values is not None and values.null_count() == len(values)


def _holds_series(column: Column) -> bool:
    """Whether each value is a whole series, as of files of series."""
    values = column.series()
    return values is not None and values.dtype.is_nested()


def _static_field(column: Column, about: Forecast, series: np.ndarray) -> Field | None:  # (n,)
    """The field of a column that says of each of many series one thing: an input of its own; None for any other."""
    if not about.series or not _same_all_along(column, series):
        return None
    try:
        kind, guess = recognise(column)
    except PellucidError:
        return None
    reason = f"{guess.reason}; the same all along a series"
    if not kind.plain or guess.role != "input":
        return Field(column.name, PLACEHOLDER, "ignore", reason)
    return Field(column.name, kind.name, "input", reason, guess.settings)


def _same_all_along(column: Column, series: np.ndarray) -> bool:  # (n,)
    """Whether a column differs from series to series, and never within one."""
    values = column.series()
    if values is None or values.dtype.is_nested() or values.dtype == pl.Object:
        return False
    table = pl.DataFrame({"whose": series, "value": values}).filter(pl.col("whose") >= 0).drop_nulls()
    each = table.group_by("whose").agg(pl.col("value").n_unique())
    return table["value"].n_unique() > 1 and bool((each["value"] == 1).all())


def _without_past_words(field: Field) -> Field:
    """Words whose past alone is known are left out."""
    if field.role != "input" or "words" not in field.settings:
        return field
    return Field(field.name, PLACEHOLDER, "ignore", "words that are not known ahead, which forecasts do not read")


def channel_values(columns: Mapping[str, Column], field: Field, say: Say) -> np.ndarray:  # (n,)
    """The numbers of a column, NaN where missing; what can't be read is said."""
    return np.asarray(field.traits.store(columns[field.name], field.settings, say).arrays["value"])
