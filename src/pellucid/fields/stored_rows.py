"""Some rows of stored values, the bytes they take, and what stored values from a file must look like. m of n rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..storage.forms import FormError
from .encoded import Ragged, Stored

# The array that says where each example's entries of a flat one end.
ENDS = "ends"


def take_rows(stored: Stored, rows: np.ndarray, flat: str = "") -> Stored:  # (m,) -> m values
    """The values of ``rows``, in their order and in memory of their own.

    Args:
        flat: the array with any number of entries an example, one example after the other; "" for none.
    """
    arrays = {name: np.asarray(array)[rows] for name, array in stored.arrays.items() if name != flat}
    if flat:
        own = Ragged(stored.arrays[flat], np.asarray(stored.arrays[ENDS]))
        pieces = [own[row] for row in rows.tolist()]
        arrays[flat] = np.concatenate([np.zeros(0, own.values.dtype), *pieces])
        arrays[ENDS] = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    return Stored(arrays, stored.meta, len(rows), np.flatnonzero(np.isin(rows, stored.bad)))


def row_bytes(stored: Stored, rows: np.ndarray, flat: str = "") -> np.ndarray:  # (m,) -> (m,)
    """The bytes that the values of each of ``rows`` take; ``flat`` as of ``take_rows``."""
    each = sum(array.nbytes // max(len(array), 1) for name, array in stored.arrays.items() if name != flat)
    found = np.full(len(rows), each, np.int64)
    if flat:
        ends = np.asarray(stored.arrays[ENDS])
        lengths = ends[rows] - np.where(rows > 0, ends[rows - 1], 0)
        found += lengths * stored.arrays[flat].itemsize
    return found


def check_arrays(
    stored: Stored, types: Mapping[str, str], flat: str = "", shapes: Mapping[str, tuple[int, ...]] | None = None
) -> None:
    """The form of stored arrays from a file that may be anyone's: names, types and lengths.

    Args:
        types: of the entries, by name. flat: the array whose length is not the number of examples.
        shapes: of the entries, by name, where they are no single values.

    Raises:
        FormError: for any other.
    """
    if missing := types.keys() - stored.arrays.keys():
        raise FormError(f"there is no '{min(missing)}'")
    for name, array in stored.arrays.items():
        if name not in types or array.dtype != np.dtype(types[name]):
            raise FormError(f"'{name[:80]}' is of type {array.dtype}")
        if array.ndim == 0 or (name != flat and len(array) != stored.n):
            raise FormError(f"'{name}' is not of {stored.n} examples")
        if array.shape[1:] != (shape := (shapes or {}).get(name, ())):
            raise FormError(f"an entry of '{name}' is {array.shape[1:]}, not {shape}")
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise FormError(f"'{name}' holds infinite numbers")


def check_ends(ends: np.ndarray, values: np.ndarray) -> None:  # (n,), (L,)
    """Raises FormError where ``ends`` from a file do not cut ``values`` into examples."""
    if (np.diff(ends, prepend=0) < 0).any() or (len(ends) and ends[-1] > len(values)):
        raise FormError(f"its '{ENDS}' do not cut it into examples")


def check_codes(codes: np.ndarray, count: int, least: int = -1) -> None:
    """Raises FormError where codes from a file lead out of a list of ``count`` values."""
    if len(codes) and not least <= codes.min() <= codes.max() < count:
        raise FormError(f"a code is outside of its {count} values")
