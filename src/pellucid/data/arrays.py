"""Data in memory: data frames, dicts of columns, (X, y) pairs of NumPy arrays, lists of rows. n examples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..fields import Column, Note
from .sources import Found, Options, Source, counted, layout
from .tables import plain_column

NAME = "data in memory"


@layout
def pair(source: Any, options: Options) -> Source | None:
    """``(X, y)``: X (n, F) numbers, (n, H, W) or (n, H, W, C) images, or n texts; y n targets."""
    if not isinstance(source, tuple) or len(source) != 2 or isinstance(source[0], str):
        return None
    x, y = _array(source[0]), _array(source[1])
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if x.ndim == 0 or y.ndim != 1 or len(x) != len(y):
        raise PellucidError(
            f"X has the shape {x.shape} and y {y.shape}; expected as many examples in both and one target each",
            fix="pass X as (n, F), (n, H, W) or (n, H, W, C) and y as (n,)",
        )
    named = (
        {"image": x}
        if x.ndim > 2
        else {"text": x}
        if x.ndim == 1 and x.dtype.kind in "OU"
        else numbered(np.reshape(x, (len(x), -1)))
    )
    return _source({**named, "target": y}, "target", "it is y of the pair (X, y)")


@layout
def frame(source: Any, options: Options) -> Source | None:
    """A data frame (Polars, pandas, Arrow) or a dict of columns."""
    if hasattr(source, "items") and not isinstance(source, pl.DataFrame):
        columns = {str(name): values for name, values in source.items()}
        if columns and all(np.ndim(values) == 0 for values in columns.values()):
            columns = {name: [value] for name, value in columns.items()}  # one row
        return _source(columns) if columns else None
    if not isinstance(source, pl.DataFrame):
        if not hasattr(source, "__arrow_c_stream__"):
            return None
        source = pl.DataFrame(source)
    return _source({series.name: series for series in source.get_columns()})


@layout
def rows(source: Any, options: Options) -> Source | None:
    """A list of rows: dicts of column → value."""
    if not isinstance(source, Sequence) or not source or not all(isinstance(row, Mapping) for row in source):
        return None
    return frame(pl.DataFrame(list(source), infer_schema_length=None, strict=False), options)


def texts(values: Sequence[str], name: str) -> Source:
    """Single texts for the one text column of a finished run."""
    return _source({name: list(values)})


def images(values: np.ndarray, name: str) -> Source:
    """(n, H, W) or (n, H, W, C) pixels for the one image column of a finished run."""
    return _source({name: values})


def numbered(x: np.ndarray) -> dict[str, np.ndarray]:  # (n, F) -> F × (n,)
    """The columns of an array under made-up names."""
    return {f"column_{i + 1}": x[:, i] for i in range(x.shape[1])}


def _array(values: Any) -> np.ndarray:
    return values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values)


def _source(columns: Mapping[str, Any], target: str | None = None, why: str = "") -> Source:
    notes: list[Note] = []
    made = {name: values for name, column in columns.items() if (values := _values(name, column, notes)) is not None}
    lengths = {name: len(values) for name, values in made.items()}
    if len(set(lengths.values())) > 1:
        raise PellucidError(f"columns are not equally long: {lengths}")
    if not made or not max(lengths.values()):
        raise PellucidError("there are no rows", where=NAME)
    return Source(NAME, _digest(made), partial(_load, made, notes, target, why))


def _values(name: str, column: Any, notes: list[Note]) -> pl.Series | np.ndarray | None:
    """A Polars Series, or an array for images."""
    if isinstance(column, pl.Series):
        return plain_column(column.alias(name), notes, NAME)
    if (lists := _lists(name, column)) is not None:
        return lists
    values = _array(column)
    if values.ndim > 1:
        return np.ascontiguousarray(values)
    if values.dtype.kind == "M":  # polars knows few of NumPy's units of time
        values = values.astype("datetime64[us]")
    if values.dtype.kind not in "OUS":
        return plain_column(pl.Series(name, values), notes, NAME)
    items = [v.item() if isinstance(v, np.generic) else v for v in values]
    items = [None if isinstance(v, float) and v != v else v for v in items]
    if len({type(v) for v in items if v is not None}) > 1:
        items = [v if v is None else str(v) for v in items]
    return plain_column(pl.Series(name, items, strict=False), notes, NAME)


def _lists(name: str, column: Any) -> pl.Series | None:
    """A column whose values are lists, tuples, sets or arrays of words or whole numbers; None for any other."""
    if not isinstance(column, list | tuple) and not isinstance(getattr(column, "dtype", None), np.dtypes.ObjectDType):
        return None
    many = (list, tuple, set, frozenset, np.ndarray)
    items = [None if item is None or (isinstance(item, float) and item != item) else item for item in column]
    some = [item for item in items if item is not None]
    if not some or not all(isinstance(item, many) for item in some):
        return None
    if not all(isinstance(part, str | int | np.integer) for item in some for part in item):
        return None
    texts = [None if item is None else [str(part) for part in item] for item in items]
    sets = any(isinstance(item, set | frozenset) for item in some)  # their order changes from process to process
    return pl.Series(name, [t and sorted(t) for t in texts] if sets else texts, pl.List(pl.String))


def _load(columns: Mapping[str, pl.Series | np.ndarray], notes: list[Note], target: str | None, why: str) -> Found:
    made = {name: Column(name, values) for name, values in columns.items()}
    n = len(next(iter(made.values())))
    about = f"{counted(n, 'row')} and {counted(len(made), 'column')}"
    return Found(about, made, list(notes), True, {}, target, why)


def _digest(columns: Mapping[str, pl.Series | np.ndarray]) -> str:
    """SHA-256 over the content."""
    digest = hashlib.sha256()
    for name, values in columns.items():
        digest.update(f"{name}\0{values.dtype}\0{values.shape}".encode())
        if isinstance(values, pl.Series) and values.dtype.is_numeric() and not values.null_count():
            digest.update(np.ascontiguousarray(values.to_numpy()).view(np.uint8).data)  # 0.1 ms instead of 0.7
        elif isinstance(values, pl.Series):
            values.to_frame().write_ipc(_Sink(digest))  # type: ignore[call-overload]
        else:
            digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class _Sink:
    """A file that only hashes what is written to it."""

    def __init__(self, digest: Any):
        self.write, self.flush = lambda data: digest.update(data) or len(data), lambda: None
