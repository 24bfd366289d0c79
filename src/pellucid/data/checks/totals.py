"""Rows that sum up others, among the rows. n rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import polars as pl

from ...fields import Note
from ...wording import count_noun
from ..tables.footer import TOTAL
from .base import ColumnView, TableView, table_check

# More of them than this share of the rows are values like others.
FEW = 0.2


@table_check
def rows_of_sums(table: TableView) -> Iterator[Note]:
    """Few rows whose word is a total, and that are empty where all others hold something, or hold the sum of others."""
    for look in chain(table.column_views(), table.id_columns()):
        if look.series.dtype != pl.String or not look.traits.plain:
            continue
        total = look.series.str.strip_chars().str.contains(f"(?i){TOTAL.pattern}").fill_null(False)
        count = int(total.sum())
        if 0 < count <= FEW * len(total) and _are_sums(table, total):
            yield _note_sums(look, total, count)
            return


def _note_sums(look: ColumnView, total: pl.Series, count: int) -> Note:
    first = int(total.arg_max() or 0)
    what = count_noun(count, "row looks like a sum", "rows look like sums")
    text = f"{what} of others ('{str(look.series[first]).strip()[:40]}')"
    fix = "delete such rows: they are no examples"
    return Note("warning", text, look.cell_place(first), "read as any other row", fix)


def _are_sums(table: TableView, total: pl.Series) -> bool:
    looks = chain(table.column_views(), table.id_columns())
    return any(_empty_there(look.series, total) or _sum_there(look, total) for look in looks)


def _empty_there(series: pl.Series, total: pl.Series) -> bool:
    """Whether a column is empty in these rows, and in no other."""
    empty = series.is_null() if series.dtype != pl.String else (series.str.strip_chars().fill_null("") == "")
    return bool((empty == total).all())


def _sum_there(look: ColumnView, total: pl.Series) -> bool:
    """Whether a column of amounts holds the sum of all rows above in the last of these rows."""
    if not look.traits.amount:
        return False
    value = look.read_numbers(look.series)
    last = int(total.arg_true()[-1])
    above = value.set(total, None).head(last).sum()
    given = value[last]
    return last > 1 and given is not None and given != 0 and abs(given - above) <= 1e-6 * abs(given)
