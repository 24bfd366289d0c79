"""Fields encoded side by side, as the input layer they share reads them. n examples, F fields or numbers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import PellucidError
from ...fields import Encoded, Field, Kind, Ragged, Stored, kind_named
from ...fields.column import PIECE
from ...fields.encoded import Into
from ..cache.cache import code_of, key_of, release_pages

if TYPE_CHECKING:
    from ..examples import Examples

# Bytes of stored columns: what is encoded of more is put together in the cache, so that memory need not hold it.
LARGE = 1 << 27

# For each field of a joint kind its values and its state.
Columns = Sequence[tuple[Stored, Mapping[str, Any]]]


def encode_group(data: Examples, fields: Sequence[Field]) -> Encoded:
    """Arrays for the network of fields that share an input layer.

    (n, F) for a joint kind, (n, *positions, F) where its values have positions; else one field's own.

    Large ones are put together in the cache, a stretch of rows at a time.
    """
    kind = kind_named(fields[0].kind)
    if not kind.joint:
        return data.encoded_values(fields[0].name, fields[0])
    content = [data.stored_with_digest(field.name) for field in fields]
    arrays = [(array, stored.n) for stored, _ in content for array in stored.arrays.values()]
    # Only arrays with an entry a row can be cut into stretches of rows: labels have several.
    small = sum(array.nbytes for array, _ in arrays) <= LARGE
    if small or kind.axes or any(len(array) != n for array, n in arrays):
        columns = [data.encoded_values(field.name, field) for field in fields]
        made = stack_channels(columns) if kind.axes else stack_columns(columns)
        release_pages(*(stored for stored, _ in content))
        return made
    states = [(stored, dict(field.state or {})) for (stored, _), field in zip(content, fields, strict=True)]
    about = [(digest, state) for (_, digest), (_, state) in zip(content, states, strict=True)]

    def build_group(into: Into) -> tuple[dict[str, np.ndarray], Any]:
        return {"values": encode_together(kind, states, into)}, {}

    return data.cache.get_or_build(key_of("group", code_of(kind.name), about), build_group, data.add_note).arrays[
        "values"
    ]


def stack_columns(columns: Sequence[Encoded]) -> np.ndarray:  # F × (n,) or (n, k) -> (n, F)
    return np.concatenate([np.reshape(np.asarray(column), (len(column), -1)) for column in columns], 1)


def stack_channels(columns: Sequence[Encoded]) -> Encoded:  # F × (n, *positions) -> (n, *positions, F)
    """Values that lie on one axis, side by side at each position; sequences must be of the same lengths."""
    if not isinstance(columns[0], Ragged):
        return np.stack([np.asarray(column) for column in columns], -1)
    many = [column for column in columns if isinstance(column, Ragged)]
    if any(not np.array_equal(column.ends, many[0].ends) for column in many):
        raise PellucidError("fields that are read together have different lengths")
    return Ragged(np.stack([column.values for column in many], -1), many[0].ends)


def encode_together(kind: Kind, columns: Columns, into: Into) -> np.ndarray:
    """Fields of a joint kind, encoded side by side into one array of the cache, (n, F)."""
    n, out = columns[0][0].n, None
    for start in range(0, n, PIECE):
        rows = slice(start, min(start + PIECE, n))
        block = stack_columns([kind.encode(_part_rows(stored, rows), state) for stored, state in columns])
        if out is None:
            out = into("values", (n, *block.shape[1:]), block.dtype)
        out[rows] = block
        # Of the columns and of what is made of them, memory holds one stretch of rows at a time.
        release_pages(*(stored for stored, _ in columns), out)
    assert out is not None
    return out


def _part_rows(stored: Stored, rows: slice) -> Stored:
    """Some rows of a field whose arrays have an entry a row."""
    return Stored({k: a[rows] for k, a in stored.arrays.items()}, stored.meta, rows.stop - rows.start)
