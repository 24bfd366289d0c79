"""Columns of a wide table, many to an entry of the cache: a folder for each would take longer than their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .cache import CacheEntry, digest_arrays

# Columns from which on a table is wide, and values of one column up to which several lie together.
WIDE_COLUMNS, MOST_ROWS = 256, 1 << 17

# Of one entry, at eight bytes a value: it is made in memory.
BUNDLE_BYTES = 1 << 24

# Where arrays begin in the bundle, so that every type can be read in place.
ALIGNED = 64


def bundle_of(names: Sequence[str], name: str, rows: int) -> Sequence[str]:
    """Which of a table's columns lie together with ``name``; that one alone where the table is not wide."""
    if len(names) < WIDE_COLUMNS or rows > MOST_ROWS or name not in names:
        return (name,)
    width = max(1, BUNDLE_BYTES // (8 * max(rows, 1)))
    start = names.index(name) // width * width
    return names[start : start + width]


def pack_columns(
    names: Sequence[str], make: Callable[[str], tuple[Mapping[str, np.ndarray], Any]]
) -> tuple[dict[str, np.ndarray], Any]:
    """The arrays of several columns as one, and by name what each is made of; ``make`` gives its arrays and JSON."""
    pieces, about, start = list[bytes](), {}, 0
    for name in names:
        arrays, meta = make(name)
        looks = {}
        for key, array in arrays.items():
            array = np.ascontiguousarray(array)
            looks[key] = [array.dtype.str, list(array.shape), start]
            pieces += [array.tobytes(), bytes(-array.nbytes % ALIGNED)]
            start += array.nbytes + -array.nbytes % ALIGNED
        about[name] = {"arrays": looks, "meta": meta, "digest": digest_arrays(arrays, meta)}
    return {"bundle": np.frombuffer(b"".join(pieces), np.uint8)}, about


def unpack_column(entry: CacheEntry, name: str) -> CacheEntry:
    """One column of a bundle, as if it had an entry of its own."""
    about, data = entry.meta[name], entry.arrays["bundle"]
    arrays = {}
    for key, (kind, shape, start) in about["arrays"].items():
        dtype = np.dtype(kind)
        arrays[key] = data[start : start + dtype.itemsize * int(np.prod(shape))].view(dtype).reshape(shape)
    return CacheEntry(arrays, about["meta"], about["digest"])
