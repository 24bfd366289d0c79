"""Rows without names, for a finished run: values in the order of its columns. n rows, F values of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import PellucidError
from ...fields import Field
from ...wording import count_noun
from .columns import array_of_values, is_image

# Columns that an error lists.
MOST_NAMES = 40


def rows_in_order(source: Any, fields: Sequence[Field], columns: Sequence[str] | None) -> Any:
    """``source`` as columns by name where it is rows of values without names, or one row; anything else as it is.

    Values stand in the order of the run's inputs, or of all the columns it was trained on, with its target or without.

    Args:
        fields: of the run. columns: all that it was trained on; those of ``fields`` when None.

    Raises:
        PellucidError: where a row has another number of values; it says which to give.
    """
    inputs = [f.name for f in fields if f.role == "input"]
    known = list(columns or [f.name for f in fields])
    goals = {f.name for f in fields if f.role == "target"}
    only = len(inputs) == 1
    if only and next(f for f in fields if f.role == "input").traits.suffixes:
        return source
    if all(f.traits.curves for f in fields if f.role == "input"):
        return source
    if is_series(source):
        names = getattr(source, "index", None)
        if names is not None and set(inputs) & set(map(str, names)):
            return {str(name): [value] for name, value in source.items()}
        return {inputs[0]: source} if only else _named([list(source)], [inputs], inputs)
    rows = _plain_rows(source, only)
    if rows is None or (len(rows) and _has_made_up_names(inputs, len(rows[0]))):
        return source
    return _named(rows, [[name for name in known if name not in goals], known, inputs], inputs)


def is_series(source: Any) -> bool:
    """Whether a source is one column, or one row, of a data frame."""
    return hasattr(source, "dtype") and hasattr(source, "name") and hasattr(source, "to_list") and len(source) > 0


def _plain_rows(source: Any, only: bool) -> Any:
    """Rows of single values, as an array (n, F) or a list of n lists; None for what is none. ``only``: one input."""
    if hasattr(source, "detach") or hasattr(source, "toarray"):
        source = array_of_values(source)
    if isinstance(source, np.ndarray):
        fits = source.ndim in (1, 2) and len(source) > 0 and not source.dtype.names
        if not fits or (source.dtype == object and not all(map(_is_value, source.flat))):
            return None
        return source if source.ndim == 2 else source.reshape(-1, 1) if only else source.reshape(1, -1)
    if not isinstance(source, list | tuple) or not len(source):
        return None
    if all(_is_value(one) and not hasattr(one, "__fspath__") and not isinstance(one, str) for one in source):
        return [[one] for one in source] if only else [list(source)]
    if isinstance(source, tuple) or not all(_is_row(one) for one in source):
        return None
    return [list(one) for one in source]


def _is_row(value: Any) -> bool:
    many = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return many and len(value) > 0 and all(map(_is_value, value))


def _is_value(value: Any) -> bool:
    """Whether a value is that of one cell."""
    return isinstance(value, str) or not (hasattr(value, "__len__") or isinstance(value, Mapping) or is_image(value))


def _has_made_up_names(inputs: Sequence[str], width: int) -> bool:
    """Whether a run was trained on columns without names, of which an array of this width holds all."""
    return set(inputs) <= {f"column_{i + 1}" for i in range(width)}


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:MOST_NAMES], *(["…"] if len(names) > MOST_NAMES else [])])


def _named(rows: Any, orders: Sequence[Sequence[str]], inputs: Sequence[str]) -> dict[str, Any]:
    """The rows as columns, named in the first of ``orders`` that is as long as they are."""
    width = len(rows[0])
    if odd := next((i for i, row in enumerate(rows) if len(row) != width), 0):
        what = f"it has {count_noun(len(rows[odd]), 'value')}, and the rows before it have {width:,}"
        raise PellucidError(what, where=f"row {odd:,}", fix="give every row as many values")
    names = next((order for order in orders if len(order) == width), None)
    if names is None:
        given = f"{'a row' if len(rows) == 1 else 'rows'} of {count_noun(width, 'value')} without names "
        given += "was given" if len(rows) == 1 else "were given"
        raise PellucidError(
            f"{given}, and the run expects {count_noun(len(inputs), 'column')}",
            fix=f"give each row in this order: [{_listed(inputs)}]; or a dict of these names",
        )
    if isinstance(rows, np.ndarray):
        return {name: rows[:, i] for i, name in enumerate(names)}
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}
