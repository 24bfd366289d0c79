"""Rows that are there twice, and tables of an odd shape. n rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...fields import Note
from ...wording import count_noun, join_words
from .base import TableView, table_check
from .hashes import find_shared

# So many times as many equal rows as columns of such values would give by chance are not remarkable.
TIMES_BY_CHANCE = 5


@table_check
def duplicate_rows(table: TableView) -> Iterator[Note]:
    """Rows whose inputs and target are those of an earlier one, whatever their ids."""
    # One column of few values repeats by nature; and rows that differ in a column that is not seen are no copies.
    if len(table.used_fields) < 2 or not table.sees_all_columns:
        return
    # Moments of a series that are equal are no copies of one example.
    if any(f.traits.moments for f in table.fields):
        return
    key = table.row_keys()
    again, _ = find_shared(key)
    _, first, inverse, counts = np.unique(key[again], return_index=True, return_inverse=True, return_counts=True)
    repeated = again[first[inverse] != np.arange(len(again))]  # rows
    if not (count := len(repeated)):
        return
    pairs = float((counts.astype(np.float64) * (counts - 1) / 2).sum())
    level = "info" if pairs <= TIMES_BY_CHANCE * _pairs_by_chance(table, len(key)) else "warning"
    share = f" ({count / len(key):.1%})" if count >= 0.001 * len(key) else ""
    ids = [f"'{f.name}'" for f in table.fields if f.role == "id"]
    but = f" but for {join_words(ids, 3)}" if ids else ""
    text = f"{count_noun(count, 'row repeats', 'rows repeat')} an earlier one{but}{share}, this one first"
    text += "; copies may end up in both train and test" if level == "warning" else "; by chance: values repeat often"
    fix = "remove copies, unless they are different examples that happen to be equal"
    yield Note(
        level,
        text,
        next(table.column_views()).row_place(int(repeated[0])),
        "all are kept",
        fix,
    )


def _pairs_by_chance(table: TableView, n: int) -> float:
    """Pairs of equal rows to expect were all columns independent."""
    expected = n * (n - 1) / 2
    for look in table.column_views():
        count = np.bincount(look.codes).astype(np.float64)
        m = count.sum()
        expected *= (count * (count - 1)).sum() / max(m * (m - 1), 1)
    return expected


@table_check
def more_columns_than_rows(table: TableView) -> Iterator[Note]:
    inputs = sum(f.role == "input" for f in table.fields)
    n = max((len(column) for column in table.columns.values()), default=0)
    if inputs > n > 0:
        text = (
            f"{count_noun(inputs, 'input column')} and only {count_noun(n, 'row')}: some will fit the target by chance"
        )
        fix = "leave columns out with --ignore, or add more rows"
        yield Note("warning", text, "", "all are used; early stopping on validation", fix)
