"""Columns that tell little, and values that stand for something else. n rows, m of them sampled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ...fields import Note
from ...fields.column import drop_missing
from ...fields.number import format_number
from ...wording import count_noun
from .base import ColumnView, column_check

# One value in so large a share of the rows, or in all but one of at least MIN_ROWS: nearly constant.
SAME_SHARE = 0.999

# Below so many rows, nearly the same and nearly all different are chance.
MIN_ROWS = 20

# Shares of missing values that are worth saying, and worth acting on.
MISSING_SHARE, NEARLY_ALL_MISSING_SHARE = 0.5, 0.95

# What programs of statistics and old surveys write for "not known".
CODES = np.array([s * c for c in (99, 999, 9999, 99999, 999999, 8888, 9998) for s in (1, -1)], np.float64)

# More different words than this share of the rows say little about new rows.
DIFFERENT_SHARE = 0.5


@column_check("nearly constant")
def nearly_constant(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Inputs with one value in 99.9% of the rows, or in all but one."""
    if look.role != "input" or not look.traits.plain or len(look.series) < MIN_ROWS:
        return
    sampled = drop_missing(look.sampled_values)
    # A sample spares most columns the count of all their values.
    if not len(sampled) or sampled.alias("value").value_counts(name="count")["count"].max() < 0.99 * len(sampled) - 1:  # type: ignore[operator]
        return
    present = drop_missing(look.series)
    counts = present.alias("value").value_counts(name="count", sort=True)
    others = len(present) - int(counts["count"][0])
    if others > 1 and others > (1 - SAME_SHARE) * len(present):
        return
    value = counts["value"][0]
    shown = format_number(value, look.name) if isinstance(value, float) else str(value)[:40]
    left = f"all but {others:,} of {len(present):,} rows" if others else f"all {len(present):,} rows that have a value"
    yield Note("info", f"'{shown}' in {left}: it says almost nothing", look.where, "used anyway", look.leave_out)


@column_check("mostly without values")
def mostly_missing(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Inputs of which more than half of the values are missing."""
    series = look.series
    if look.role != "input":
        return
    count = int(look.missing.sum())
    if count > MISSING_SHARE * len(series):
        level = "warning" if count > NEARLY_ALL_MISSING_SHARE * len(series) else "info"
        text = f"{count:,} of {len(series):,} values are missing ({count / len(series):.0%})"
        yield Note(level, text, look.where, "used anyway: that a value is missing may say something", look.leave_out)


@column_check("with values that look like codes")
def missing_codes(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """-999, 9999 and the like, where they lie further from all other values than these reach."""
    if not look.traits.amount or look.role == "id":
        return
    value = look.numbers[np.isfinite(look.numbers)]
    for end in (value.min(initial=np.inf), value.max(initial=-np.inf)):
        here = value == end
        rest, count = value[~here], int(here.sum())
        if end not in CODES or len(rest) < 3 or (abs(end) < 100 and count < 2):
            continue
        # A code stands apart: 999 above prices of 300 to 990 is a price.
        gap = min(abs(rest.min() - end), abs(rest.max() - end))
        if gap > max(rest.max() - rest.min(), 1.0):
            many = count_noun(_count_value(look, end), "row")
            text = f"{format_number(end, look.name)} is in {many} and looks like a code for a missing value: "
            text += (
                f"all others are from {format_number(rest.min(), look.name)} to {format_number(rest.max(), look.name)}"
            )
            fix = f"leave the cell empty instead of {format_number(end)}"
            yield Note(
                "warning", text, look.cell_place(_first_place(look, end)), "read as a number like the others", fix
            )


def _is_value(look: ColumnView, value: float) -> np.ndarray:
    return look.read_numbers(look.series).to_numpy() == value


def _count_value(look: ColumnView, value: float) -> int:
    return int(_is_value(look, value).sum())


def _first_place(look: ColumnView, value: float) -> int:
    return int(_is_value(look, value).argmax())


@column_check("like ids")
def id_values(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Whole numbers that rise from row to row with few gaps, and words that are nearly all different."""
    n = len(look.series)
    if look.role != "input" or n < MIN_ROWS:
        return
    fix = f"if it only names the rows, {look.leave_out}"
    if look.traits.amount and look.series.dtype.is_integer() and not look.series.null_count():
        value = look.series.cast(pl.Float64)
        rises = bool((value.diff().drop_nulls() > 0).all())
        if rises and value[-1] - value[0] < 3 * n:
            first, last = format_number(value[0], look.name), format_number(value[-1], look.name)
            text = f"whole numbers that rise from row to row, {first} to {last}, as an id does"
            yield Note("warning", text, look.where, "read as a number", fix)
    if look.traits.one_class:
        distinct = look.series.n_unique()
        if distinct > DIFFERENT_SHARE * n and n >= 2 * MIN_ROWS:
            text = f"{distinct:,} distinct values in {n:,} rows, so most will not occur in new rows"
            yield Note("info", text, look.where, "used as categories; new ones count as unknown", fix)


@column_check("with spaces around values")
def stray_spaces(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    if not look.traits.one_class or look.role == "id" or look.series.dtype != pl.String:
        return
    odd = look.series.str.len_bytes() != look.series.str.strip_chars().str.len_bytes()
    if count := int(odd.sum() or 0):
        text = f"{count_noun(count, 'value has', 'values have')} spaces before or after, this one first"
        yield Note(
            "info", text, look.cell_place(int(odd.arg_max() or 0)), "the spaces are ignored", "remove the spaces"
        )
