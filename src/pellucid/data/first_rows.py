"""The first rows of a table as they were read: what most mistakes in reading show at once. n rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from ..fields import Column, Field
from ..fields.notation import POINT
from ..fields.number import parse_numbers

ROWS = 5

# Columns whose first values are kept; each is read for it.
MOST_COLUMNS = 40

# Characters of a value.
MOST_CHARS = 80


def first_rows(columns: Mapping[str, Column], fields: Sequence[Field]) -> list[dict[str, str | None]]:
    """The first rows: by column, a value as text, None where it is missing; numbers as the numbers they are.

    Of a wide table, the first columns and the targets; none of columns that hold images.
    """
    shown = [f for i, f in enumerate(fields) if i < MOST_COLUMNS or f.role == "target"]
    cells = {f.name: _first_values(columns[f.name], f) for f in shown if not f.traits.pictures}
    n = max(map(len, cells.values()), default=0)
    return [{name: values[row] if row < len(values) else None for name, values in cells.items()} for row in range(n)]


def _first_values(column: Column, field: Field) -> list[str | None]:
    first = next(iter(column.chunks()))
    series = first.series()
    if series is None:
        return [f"array of {' × '.join(map(str, np.shape(value)))}" for value in first.values[:ROWS]]
    head = series.head(ROWS)
    if field.traits.amount and head.dtype == pl.String:
        head = parse_numbers(head, field.settings.get("decimal", POINT))[0]
    return [None if value is None else _short_text(value) for value in head.to_list()]


def _short_text(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.12g}"
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = f"{len(value):,} bytes" if isinstance(value, bytes) else " ".join(str(value)[: 2 * MOST_CHARS].split())
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"
