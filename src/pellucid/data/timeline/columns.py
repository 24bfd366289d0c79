"""Of a table whose rows are moments, what each column is: forecast, known ahead, of the past, of a series, left out.

n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from ...errors import PellucidError, UsageError, unknown_name
from ...fields import Column, Field, Note, kind_named, recognise
from ...fields.channel import Channel
from ...fields.notes import LEFT_OUT
from ...wording import count_noun
from ..schema import PLACEHOLDER
from ..source import ReadOptions
from .forecast import Forecast

# The kind of what is forecast.
CHANNEL = Channel()

Say = Callable[[Note], None]


def fields_of_series(
    columns: Mapping[str, Column], options: ReadOptions, about: Forecast, series: np.ndarray, say: Say
) -> tuple[list[Field], str]:
    """The fields of all columns for a forecast, and why the targets are the targets.

    Raises:
        PellucidError: when no column of numbers is left to forecast.
    """
    asked = options.target
    goals = () if asked is None else (asked,) if isinstance(asked, str) and asked in columns else tuple(
        part.strip() for one in ((asked,) if isinstance(asked, str) else asked)
        for part in ([one] if one in columns else one.split(","))
    )  # fmt: skip
    for name in goals:
        if name not in columns:
            raise UsageError(unknown_name("column", name, columns))
    fields = [_field(column, options, about, goals, series) for column in columns.values()]
    targets = [f for f in fields if f.role == "target"]
    if lost := [name for name in goals if name not in {f.name for f in targets}]:
        raise PellucidError(f"'{lost[0]}' can't be forecast: it holds no numbers", fix="name another with --target")
    if not targets:
        raise PellucidError("there is no column of numbers to forecast", fix="name one with --target")
    # Whoever names some has named all.
    fields = _known_ahead(fields, columns, about, say) if goals and not options.forecast.known else fields
    fields = [_without_past_words(field) for field in fields]
    for field in fields:
        if field.role == "ignore" and field.name not in options.ignore:
            say(Note("info", f"left out: {field.reason}", f"column '{field.name}'", LEFT_OUT))
    return fields, "as you asked" if goals else "every column of numbers is forecast"


def _field(
    column: Column, options: ReadOptions, about: Forecast, goals: Sequence[str], series: np.ndarray
) -> Field:  # (n,)
    """The field of one column for a forecast."""
    name = column.name
    if name == about.time:
        why = f"says when, {about.every}" if about.every else "says when"
        guess = kind_named("date").recognise(column)
        # Numbers that order rows are no dates.
        return Field(name, "date" if guess else "number", "time", why, guess.settings if guess else {})
    if name in about.series:
        return Field(name, "category", "series id", "says which series a row is of")
    if name in options.ignore:
        return Field(name, PLACEHOLDER, "ignore", "as asked")
    if name not in goals and (static := _static_field(column, about, series)):
        return static
    number = CHANNEL.recognise_numbers(column)
    guess = number or CHANNEL.recognise_words(column)
    if guess is None:
        return Field(name, PLACEHOLDER, "ignore", "not a few words that come again, which forecasts do not read")
    goal = number is not None and (not goals or name in goals)
    role = "known" if name in options.forecast.known else "target" if goal else "input"
    why = {"known": "; known ahead", "input": "; its past is read"}.get(role, "")
    return Field(name, CHANNEL.name, role, guess.reason + why, guess.settings)


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


def _known_ahead(fields: Sequence[Field], columns: Mapping[str, Column], about: Forecast, say: Say) -> list[Field]:
    """Columns that go on where all targets end are known ahead, and are read so."""
    ends = {f.name: _last_value(channel_values(columns, f)) for f in fields if f.traits.moments}
    goal = max(ends[f.name] for f in fields if f.role == "target")
    made = []
    for field in fields:
        end = ends.get(field.name, -1)
        if field.role == "input" and end > goal and not about.series:
            more = count_noun(end - goal, "row")
            say(Note("info", f"goes on {more} after the target ends", f"column '{field.name}'", "read as known ahead",
                     "--known names such columns"))  # fmt: skip
            field = field.with_(role="known", reason=field.reason.replace("its past is read", "known ahead"))
        made.append(field)
    return made


def _last_value(values: np.ndarray) -> int:
    known = np.flatnonzero(np.isfinite(values))
    return int(known[-1]) if len(known) else -1


def channel_values(columns: Mapping[str, Column], field: Field) -> np.ndarray:  # (n,)
    stored = field.traits.store(columns[field.name], field.settings, lambda note: None)
    return np.asarray(stored.arrays["value"])
