"""Rows of a JSON document that is no list of objects: what an interface answers, and what frames are written as."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import polars as pl

Row = dict[str, Any]

# Objects inside objects that are looked into for rows.
MOST_LEVELS = 4

# Fields of an object in a cell that become columns; more are a map, not a record.
MOST_FIELDS = 200


def is_document(block: bytes) -> bool:
    """Whether a file that begins so is one JSON object, rather than one a line."""
    first, _, rest = block.strip().partition(b"\n")
    if not first.startswith(b"{"):
        return False
    return not rest.strip() or not first.rstrip().endswith(b"}")


def rows_of_document(data: bytes, constant: Callable[[str], None]) -> tuple[list[Row], str] | None:
    """The rows of one JSON object, and in words where they are; None where it is a row itself, or no JSON.

    Args:
        constant: is told of NaN and the like, and raises.

    >>> rows_of_document(b'{"ok": true, "items": [{"a": 1}, {"a": 2}]}', print)
    ([{'a': 1}, {'a': 2}], "its 'items'")
    >>> rows_of_document(b'{"a": [1, 2], "b": ["x", "y"]}', print)
    ([{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'y'}], 'its lists, a column each')
    """
    try:
        value = json.loads(data, parse_constant=constant)
    except (ValueError, RecursionError):
        return None
    return _find_rows(value, 0) if isinstance(value, dict) else None


def _find_rows(value: Row, level: int) -> tuple[list[Row], str] | None:
    columns, cells = value.get("columns") or [], value.get("data") or []
    if _are_of(columns, str) and _are_of(cells, list) and all(len(row) == len(columns) for row in cells):
        return [dict(zip(columns, row, strict=True)) for row in cells], "its 'columns' and 'data'"
    if found := {name: own for name, own in value.items() if _are_of(own, dict)}:
        name = max(found, key=lambda name: len(found[name]))
        return found[name], f"its '{name}'"
    own = list(value.values())
    lists = len(own) > 1 and all(isinstance(one, list) for one in own) and len({len(one) for one in own}) == 1
    if lists and len(own[0]) > 1 and not any(isinstance(cell, list | dict) for one in own for cell in one):
        return [dict(zip(value, row, strict=True)) for row in zip(*own, strict=True)], "its lists, a column each"
    if len(own) > 1 and all(isinstance(one, dict) for one in own) and len(keys := list(own[0])) > 1:
        if all(str(key).isdigit() for key in value):
            return own, "its numbered objects"
        if all(key.isdigit() for key in keys) and all(list(one) == keys for one in own):
            return [{name: value[name][key] for name in value} for key in keys], "its objects, a column each"
    for name, inner in value.items() if level < MOST_LEVELS else ():
        if isinstance(inner, dict) and (deeper := _find_rows(inner, level + 1)):
            return deeper[0], f"{deeper[1]} in '{name}'"
    return None


def _are_of(value: Any, kind: type) -> bool:
    """Whether a value is a list of such, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, kind) for one in value)


def flatten_objects(frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame with the fields of objects as columns, user.age; objects with the bytes of an image stay."""
    for _ in range(MOST_LEVELS):
        found: list[pl.Series] = []
        for series in frame.get_columns():
            kind = series.dtype
            fields = [part.name for part in kind.fields] if isinstance(kind, pl.Struct) else []
            if not fields or "bytes" in fields or len(fields) > MOST_FIELDS:
                found.append(series)
            else:
                found += [series.struct.field(name).alias(f"{series.name}.{name}") for name in fields]
        names = [series.name for series in found]
        # A column may be called so already.
        if len(found) == frame.width or len(set(names)) < len(names):
            return frame if len(set(names)) < len(names) else pl.DataFrame(found)
        frame = pl.DataFrame(found)
    return frame
