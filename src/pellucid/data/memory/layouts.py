"""Data in memory: data frames, columns, arrays and tensors, (X, y), sequences of (input, target). n examples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note, kind_of_files
from ...wording import count_noun
from ..cache.cache import key_of
from ..series.arrays import series_in_memory
from ..series.series_file import SERIES_KIND
from ..source import Contents, ReadOptions, Source, layout
from ..tables.header import unique_names
from .columns import NAME, SIDE, MemoryColumns, array_of_values, is_image
from .sequences import add_sequences

SHAPES = "pass X as (n, F), (n, H, W) or (n, H, W, C) and y as (n,)"

# Items that can't be read, said one by one.
MOST_FAULTS = 5


@layout
def input_target_pair(source: Any, options: ReadOptions) -> Source | None:
    """``(X, y)``: X a table, numbers (n, F), images or texts; y targets (n,), one-hot (n, C) or numbers (n, R)."""
    # The pair in torch's TensorDataset.
    source = getattr(source, "tensors", source)
    if not isinstance(source, tuple) or len(source) != 2 or isinstance(source[0], (str, os.PathLike)):
        return None
    x, y = source
    memory, goals = MemoryColumns(), MemoryColumns()
    if _example_count(x) != _example_count(y) or not _example_count(x):
        shapes = f"X has the shape {_shape_text(x)} and y {_shape_text(y)}"
        what = f"{shapes}; expected as many examples in both and one target each"
        raise PellucidError(what, fix=SHAPES)
    _add_inputs(x, memory, options)
    _add_targets(y, goals)
    index: Any = getattr(x, "index", None)
    if hasattr(index, "equals") and hasattr(getattr(y, "index", None), "equals") and not index.equals(y.index):
        goals.notes.append(Note("warning", "X and y have different indexes; their rows are taken in order", NAME))
    return _join_sides(memory, goals, "it is y of the pair (X, y)")


@layout
def data_frame(source: Any, options: ReadOptions) -> Source | None:
    """A data frame (Polars, pandas, Arrow), a dict of columns, or an array of numbers or records."""
    memory = MemoryColumns()
    if not _add_table(source, memory, options):
        if not (isinstance(source, np.ndarray) or hasattr(source, "detach")) or not source.ndim:
            return None
        _add_inputs(source, memory, options)
    return _memory_source(memory) if memory.columns or not isinstance(source, Mapping) else None


@layout
def item_sequence(source: Any, options: ReadOptions) -> Source | None:
    """Anything with a length whose items are (input, target), or dicts of column and value."""
    if hasattr(source, "__next__") or (hasattr(source, "dataset") and not hasattr(source, "__getitem__")):
        fix = "pass its dataset: loader.dataset" if hasattr(source, "dataset") else "pass a list of what it gives"
        raise PellucidError(f"data of type {type(source).__name__} can't be read", fix=fix)
    if (
        isinstance(source, (str, bytes, Mapping))
        or not hasattr(source, "__len__")
        or not hasattr(source, "__getitem__")
    ):
        return None
    memory, goals = MemoryColumns(), MemoryColumns()
    items = _keep_items(source, memory.notes)
    if not items or isinstance(items[0], (str, os.PathLike)):
        return None
    if all(isinstance(item, Mapping) for item in items):
        _add_rows(items, memory, options)
    elif all(isinstance(item, (tuple, list)) and len(item) == 2 for item in items):
        _add_inputs([item[0] for item in items], memory, options)
        _add_targets([item[1] for item in items], goals)
        return _join_sides(memory, goals, "it is the second of each pair")
    elif any(isinstance(item, (tuple, list, Mapping)) for item in items):
        what = f"the items of a {type(source).__name__} are neither all (input, target) nor all dicts of columns"
        raise PellucidError(what, where=NAME, fix="make each a pair")
    else:
        _add_inputs(items, memory, options)
    return _memory_source(memory)


def text_source(values: Sequence[str], name: str) -> Source:
    """Single texts for the one text column of a finished run."""
    memory = MemoryColumns()
    memory.add_column(name, pl.Series(list(values), dtype=pl.String))
    return _memory_source(memory)


def image_source(values: Any, name: str) -> Source:
    """Images in memory, as ``are_images`` knows them, for the one image column of a finished run."""
    memory = MemoryColumns()
    memory.add_column(name, [values] if is_image(values) or _is_one_image(values) else values)
    return _memory_source(memory)


def _is_one_image(values: Any) -> bool:
    """Whether an array is one image, (H, W) or (H, W, C); of several, (n, H, W), none has so short a side."""
    shape: tuple[int, ...] = getattr(values, "shape", ())
    return len(shape) == 2 or (len(shape) == 3 and shape[2] <= SIDE)


def are_images(source: Any) -> bool:
    """Whether new data are images in memory: one of Pillow's, a list of them or of arrays, an array or a tensor."""
    if isinstance(source, list):
        return bool(source) and all(is_image(one) or (hasattr(one, "shape") and len(one.shape) > 1) for one in source)
    return is_image(source) or isinstance(source, np.ndarray) or hasattr(source, "detach")


def _add_table(source: Any, memory: MemoryColumns, options: ReadOptions) -> bool:
    """Add the columns of a data frame or a dict; whether it is one."""
    # pandas, known by what it can do: it is never imported here.
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        names = [" ".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in source.columns]
        columns = [source.iloc[:, i] for i in range(len(names))]
        if type(source.index).__name__ != "RangeIndex":
            memory.notes.append(Note("info", "the index is not read; reset_index() makes it a column", NAME))
    elif hasattr(source, "items"):
        pairs = list(source.items())
        names, columns = [str(name) for name, _ in pairs], [values for _, values in pairs]
        # A dict of single values is one row.
        if columns and all(map(_is_single, columns)):
            columns = [[value] for value in columns]  # one row
    else:
        found = _polars_columns(source)
        if found is None:
            return False
        names, columns = found
    _add_columns(unique_names(names, memory.notes, NAME), columns, memory, options)
    return True


def _add_columns(names: Sequence[str], columns: Sequence[Any], memory: MemoryColumns, options: ReadOptions) -> None:
    done = add_sequences(names, columns, memory, options)
    for name, values in zip(names, columns, strict=True):
        if name not in done:
            memory.add_column(name, values)


def _is_single(value: Any) -> bool:
    return isinstance(value, str) or not hasattr(value, "__len__") or getattr(value, "shape", None) == ()


def _polars_columns(source: Any) -> tuple[list[str], list[Any]] | None:
    """Names and values of a Polars or Arrow table; None for anything else."""
    try:
        if isinstance(source, pl.LazyFrame):
            source = source.collect()
        elif not isinstance(source, pl.DataFrame) and hasattr(source, "__arrow_c_stream__"):
            names = list(getattr(source, "column_names", ()))
            # Arrow allows two columns of one name, Polars does not: they pass through under numbers.
            doubled = len(set(names)) < len(names)
            frame = pl.DataFrame(source.rename_columns([str(i) for i in range(len(names))]) if doubled else source)
            return (names if doubled else frame.columns), frame.get_columns()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise PellucidError(f"can't be read ({str(error).splitlines()[0]})", where=NAME) from None
    return (source.columns, source.get_columns()) if isinstance(source, pl.DataFrame) else None


def _add_inputs(x: Any, memory: MemoryColumns, options: ReadOptions) -> None:
    """Add what predictions are made from, under made-up names where it has none."""
    if not isinstance(x, (list, tuple)) and not hasattr(x, "dtype"):
        if _add_table(x, memory, options):
            return
    elif isinstance(x, (list, tuple)) and x and all(isinstance(item, Mapping) for item in x):
        _add_rows(x, memory, options)
        return
    if (series := series_in_memory(x, options)) is not None:
        columns, about = series
        memory.columns |= columns
        memory.kinds |= dict.fromkeys(columns, SERIES_KIND)
        memory.notes.append(Note("info", about, NAME))
        return
    array = array_of_values(x)
    if array.dtype.names:
        for name in array.dtype.names:
            memory.add_column(name, array[name])
    elif array.ndim == 2:
        memory.add_matrix("column", array)
    elif array.ndim == 1 and (width := _value_width(array)):
        for i in range(width):
            memory.add_column(f"column_{i + 1}", [item[i] for item in array])
    else:
        memory.add_column(_input_name(array), array)


def _value_width(array: np.ndarray) -> int:
    """How many values of several types each item has, where all have as many; else 0."""
    widths = {len(item) if isinstance(item, (tuple, list)) else 0 for item in array.tolist()}
    return widths.pop() if array.dtype == object and len(widths) == 1 else 0


def _input_name(array: np.ndarray) -> str:
    """What the one input is called: by what it holds."""
    first = array[0] if array.ndim == 1 else None
    if array.ndim == 3 and min(array.shape[1:]) < SIDE:
        return "column"
    if array.ndim > 2 or is_image(first) or isinstance(first, (np.ndarray, bytes)):
        return "image"
    words = [os.fspath(one) for one in array.tolist() if isinstance(one, (str, os.PathLike))]
    return "column_1" if not words else kind_of_files(words) or "text"


def _add_targets(y: Any, goals: MemoryColumns) -> None:
    """Add what is to be predicted: one column, or several numbers."""
    if not isinstance(y, (list, tuple)) and not hasattr(y, "dtype") and _add_table(y, goals, ReadOptions()):
        _merge_flags(goals)
        return
    name = str(getattr(y, "name", None) or "target")
    words = isinstance(y, (list, tuple)) and any(
        isinstance(one, (list, tuple, set)) and str in map(type, one) for one in y
    )
    array = y if words or hasattr(y, "isna") or isinstance(y, pl.Series) else array_of_values(y)
    if not isinstance(array, np.ndarray) or array.ndim < 2:
        goals.add_column(name, array)
    elif array.ndim > 2 or not array.shape[1]:
        raise PellucidError(f"y has the shape {array.shape}; expected one target each", fix=SHAPES)
    elif array.shape[1] == 1:
        goals.add_column(name, array[:, 0])
    elif _is_hot(array):
        _add_classes(array, [str(i) for i in range(array.shape[1])], goals)
    else:
        goals.add_matrix(name, array)


def _merge_flags(goals: MemoryColumns) -> None:
    """Put one column of classes in place of several of flags."""
    columns = [c for c in goals.columns.values() if isinstance(c, pl.Series)]
    if len(columns) > 1 and all(c.dtype.is_numeric() or c.dtype == pl.Boolean for c in columns):
        matrix = np.stack([column.to_numpy() for column in columns], axis=1)  # (n, C)
        if _is_hot(matrix):
            goals.columns = {}
            _add_classes(matrix, [column.name for column in columns], goals)


def _is_hot(matrix: np.ndarray) -> bool:  # (n, C)
    return matrix.dtype.kind in "biuf" and bool(np.isin(matrix, (0, 1)).all()) and bool(matrix.any())


def _add_classes(matrix: np.ndarray, names: Sequence[str], goals: MemoryColumns) -> None:  # (n, C) of 0 and 1
    """Add the classes that a matrix of flags stands for: one in each row, or several labels."""
    if (matrix.sum(1) == 1).all():
        goals.add_note(f"one 1 in each row of {matrix.shape}: read as one of {matrix.shape[1]} classes", "target")
        goals.columns["target"] = pl.Series("target", [names[i] for i in matrix.argmax(1).tolist()], pl.String)
        goals.kinds["target"] = "category"
        return
    goals.add_note(f"0 and 1 in {matrix.shape}: read as any of {matrix.shape[1]} labels", "target")
    labels = [[names[i] for i in np.flatnonzero(row).tolist()] for row in matrix]
    goals.columns["target"] = pl.Series("target", labels, pl.List(pl.String))


def _keep_items(source: Any, notes: list[Note]) -> list[Any]:
    """All items; one that can't be had is left out and said."""
    if isinstance(source, (list, tuple)):
        return list(source)
    found, faults = [], []
    for i in range(len(source)):
        try:
            found.append(source[i])
        # Whatever the code of a user's own data set raises.
        except Exception as error:
            faults.append(Note.left_out(f"{type(error).__name__}: {error}"[:200], f"item {i}"))
    notes += faults[:MOST_FAULTS]
    if len(faults) > MOST_FAULTS:
        notes.append(Note("error", f"{len(faults) - MOST_FAULTS:,} more items can't be read and are left out"))
    return found


def _add_rows(items: Sequence[Mapping[Any, Any]], memory: MemoryColumns, options: ReadOptions) -> None:
    """Add the columns of rows; a value that a row lacks is missing."""
    keys = list(dict.fromkeys(key for item in items for key in item))
    _add_columns([str(key) for key in keys], [[item.get(key) for item in items] for key in keys], memory, options)


def _example_count(values: Any) -> int:
    """How many examples there are; 0 for what has none."""
    if isinstance(values, Mapping):
        return min((_example_count(column) for column in values.values()), default=0)
    if isinstance(values, pl.LazyFrame):
        return values.select(pl.len()).collect().item()
    shape = getattr(values, "shape", None)
    return shape[0] if shape else len(values) if shape is None and hasattr(values, "__len__") else 0


def _shape_text(values: Any) -> tuple[int, ...]:
    return tuple(values.shape) if hasattr(values, "shape") else (_example_count(values),)


def _join_sides(memory: MemoryColumns, goals: MemoryColumns, why: str) -> Source:
    """Inputs and targets side by side."""
    names = unique_names([*memory.columns, *goals.columns], [], NAME)[len(memory.columns) :]
    for name, (own, values) in zip(names, goals.columns.items(), strict=True):
        memory.columns[name] = values.alias(name) if isinstance(values, pl.Series) else values
        if own in goals.kinds:
            memory.kinds[name] = goals.kinds[own]
    memory.notes += goals.notes
    return _memory_source(memory, tuple(names), why)


def _memory_source(memory: MemoryColumns, target: tuple[str, ...] = (), why: str = "") -> Source:
    lengths = {name: len(values) for name, values in memory.columns.items()}
    if len(set(lengths.values())) > 1:
        raise PellucidError(f"columns are not equally long: {lengths}")
    if not memory.columns or not max(lengths.values()):
        raise PellucidError("there are no rows", where=NAME)
    # What is said of the data, and what it is taken for, is known by its digest too, and is not in the columns alone:
    # a frame without the column that was left out of another one has nothing left out.
    told = [[asdict(note) for note in memory.notes], memory.kinds, target, why]
    digest = key_of("memory", _columns_digest(memory.columns), told)
    return Source(NAME, digest, partial(_load_columns, memory, target or None, why))


def _load_columns(memory: MemoryColumns, target: tuple[str, ...] | None, why: str) -> Contents:
    made = {name: Column(name, values) for name, values in memory.columns.items()}
    n = len(next(iter(made.values())))
    about = f"{count_noun(n, 'row')} and {count_noun(len(made), 'column')}"
    return Contents(about, made, list(memory.notes), True, dict(memory.kinds), target, why)


def _columns_digest(columns: Mapping[str, pl.Series | np.ndarray]) -> str:
    """SHA-256 over the content."""
    digest = hashlib.sha256()
    for name, values in columns.items():
        digest.update(f"{name}\0{values.dtype}\0{values.shape}".encode())
        if isinstance(values, pl.Series) and values.dtype.is_numeric() and not values.null_count():
            # As it lies: 0.1 ms a column, where Arrow's format takes 0.7, and fits of small tables are timed in ms.
            digest.update(np.ascontiguousarray(values.to_numpy()).view(np.uint8).data)
        elif isinstance(values, pl.Series):
            values.to_frame().write_ipc(_Sink(digest))  # type: ignore[call-overload]
        else:
            digest.update(values.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class _Sink:
    """A file that only hashes what is written to it."""

    def __init__(self, digest: Any):
        self.write, self.flush = lambda data: digest.update(data) or len(data), lambda: None
