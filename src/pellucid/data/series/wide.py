"""Tables with one series a row: many columns of numbers whose names count or are times, beside what is predicted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl

from ...fields import Column, Note
from ..source import Contents, ReadOptions
from .series_file import SERIES, SERIES_KIND
from .smooth import FEWEST_COLUMNS, are_series

# What may stand before the number in the names of columns that follow one another.
PREFIXES = ("", "t", "t_", "time", "time_", "step", "step_", "att", "v_t")

COUNTED = re.compile(r"([A-Za-z_]*)(\d{1,6})")

TIMED = re.compile(r"\d{4}-\d\d(-\d\d)?([ T]\d\d:\d\d(:\d\d)?)?|\d{1,2}:\d\d(:\d\d)?")

AS_SERIES = "reads them as one series"


def gather_series(found: Contents, options: ReadOptions) -> Contents:
    """The contents of a table with its columns of one series as one column ``series``, where it has such columns.

    An option ``--kind`` that names one of them as anything else leaves all of them as they are; as ``series`` it
    makes a series of them, however they look.
    """
    names = series_columns(list(found.columns)) if SERIES not in found.columns else []
    if not names or not _may_be(found, names, options):
        return found
    others = [name for name in found.columns if name not in names]
    forced = SERIES in options.names or any(options.kinds.get(name) == SERIES_KIND for name in names)
    if not forced and not others:
        return found
    values = _matrix(found, names)
    if values is None or not (forced or _are_moments(names) or are_series(values)):
        return found
    first, last = names[0], names[-1]
    text = f"the {len(names):,} columns '{first}' to '{last}' are read as one series: their names follow one another"
    text += "" if forced or _are_moments(names) else " and their values are alike"
    note = Note("info", text, "", AS_SERIES, f"to read them as columns: --kind {first}=number")
    places = found.columns[first].row_places or found.columns[first].places
    column = Column(
        SERIES, pl.Series(SERIES, values).arr.to_list(), places=partial(_row_place, places) if places else None
    )
    kept = {}
    for name, old in found.columns.items():
        if name == first:
            kept[SERIES] = replace(column, row_places=places)
        elif name not in names:
            kept[name] = old
    kinds = {name: kind for name, kind in found.kinds.items() if name not in names} | {SERIES: SERIES_KIND}
    return replace(found, columns=kept, kinds=kinds, notes=[*found.notes, note])


def _row_place(places: object, row: int) -> str:
    return places(row)  # type: ignore[operator]


def _are_moments(names: Sequence[str]) -> bool:
    """Whether names say that columns are moments, rather than only count on."""
    return not names[0].isdigit()


def series_columns(names: Sequence[str]) -> list[str]:
    """The longest run of columns whose names count on or are times that rise; empty where none is long enough.

    >>> series_columns(["class", *(f"t{i}" for i in range(20))])[-1], series_columns(["a1", "a2"])
    ('t19', [])
    """
    best: list[str] = []
    run: list[str] = []
    before: tuple[str, float | str] | None = None
    for name in names:
        now = _place_of(name)
        follows = before is not None and now is not None and now[0] == before[0] and _next(before[1], now[1])
        run = [*run, name] if follows else [name] if now is not None else []
        best, before = (run, now) if len(run) > len(best) else (best, now)
    return best if len(best) >= FEWEST_COLUMNS else []


def _place_of(name: str) -> tuple[str, float | str] | None:
    """The prefix of a name and its number or time; None for any other name."""
    text = name.strip()
    if TIMED.fullmatch(text):
        return ":", text if "-" in text else text.zfill(8 if text.count(":") == 2 else 5)
    counted = COUNTED.fullmatch(text)
    return (counted[1].lower(), float(counted[2])) if counted and counted[1].lower() in PREFIXES else None


def _next(one: float | str, other: float | str) -> bool:
    """Whether a place follows another: the next number, or any later time."""
    if isinstance(one, str) or isinstance(other, str):
        return str(other) > str(one)
    return other == one + 1


def _may_be(found: Contents, names: Sequence[str], options: ReadOptions) -> bool:
    """Whether no option speaks of one of the columns as a column."""
    targets = options.target if isinstance(options.target, tuple) else (options.target or "",)
    named = {*targets, *options.ignore, options.weights, options.split.column}
    other = any(options.kinds.get(name, SERIES_KIND) != SERIES_KIND for name in names)
    return found.named and not other and not named & set(names) and not set(options.names) & set(names)


def _matrix(found: Contents, names: Sequence[str]) -> np.ndarray | None:  # -> (n, T) float64
    """The values of the columns; None where one holds anything but numbers."""
    columns: Mapping[str, Column] = found.columns
    held = []
    for name in names:
        series = columns[name].load_values().series()
        if series is None or not (series.dtype.is_numeric() or series.dtype == pl.Null):
            return None
        held.append(series.cast(pl.Float64).to_numpy())
    return np.stack(held, 1)
