"""Tables as pieces: stretches of rows whose columns are read one at a time, from memory or from disk. n rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any

import numpy as np
import polars as pl

from ...fields import Column, Note
from ...fields.column import PIECE, LazyValues, cut_series
from ...fields.notes import Report
from ..cache.cache import MemoryCache

# Of a wider table several columns are read at once, because every look at a file costs its whole list of names.
WIDE_COLUMNS = 1_000

# What rows are told by: where they lie in their file.
ROW, LINE, CHARACTER = UNITS = ("row", "line", "character")

# Read at once from one chunk of a wide table: 16 MB as float64.
CELLS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Chunk:
    """A stretch of rows.

    Attributes:
        rows: how many. schema: the type of every column, ``Null`` where it has no value.
        read: the values of one column.
        held: whether they lie in memory.
    """

    rows: int
    schema: Mapping[str, pl.DataType]
    read: Callable[[str], pl.Series]
    held: bool = False


@dataclass(frozen=True)
class Places:
    """Where rows come from: runs of rows whose lines follow one another in one file.

    Attributes:
        files: how messages call them.
        first, line, file: (r,) int64: the first row of each run, its line (row, character) in the file, and which file
            that is.
        unit: (files,) int64, in ``UNITS``: what is counted in a file, lines from 1, rows and characters from 0.
    """

    files: Sequence[str]
    first: np.ndarray
    line: np.ndarray
    file: np.ndarray
    unit: np.ndarray

    def __call__(self, row: int) -> str:
        return self.names(np.array([row]))[0]

    def names(self, rows: np.ndarray) -> list[str]:  # (m,) -> m places
        """Where each of some rows comes from: ``"prices.csv, line 12"``."""
        file, number = self.locate(rows)
        starts = [f"{name}, {UNITS[unit]} " for name, unit in zip(self.files, self.unit, strict=True)]
        return [f"{starts[own]}{at:,}" for own, at in zip(file.tolist(), number.tolist(), strict=True)]

    def locate(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (m,) -> (m,), (m,)
        """Which file each of some rows is in, and its line, or row, there."""
        run = np.searchsorted(self.first, rows, "right") - 1
        return self.file[run], self.line[run] + rows - self.first[run]

    def as_arrays(self) -> dict[str, np.ndarray]:
        return {"first": self.first, "line": self.line, "file": self.file, "unit": self.unit}

    def cell_place(self, column: str, row: int) -> str:
        return f"{self(row)}, column '{column}'"


# How many rows; (r,) the first row of each run; (r,) its line. A line for every row would take 8 bytes a row.
Runs = tuple[int, np.ndarray, np.ndarray]


def row_runs(lines: np.ndarray) -> Runs:
    """Rows whose lines, (n,), follow one another, as runs."""
    first = np.flatnonzero(np.diff(lines, prepend=lines[:1] - 2) != 1)
    return len(lines), first, lines[first]


def places_in_file(name: str, found: Sequence[Runs]) -> Places:
    """The places of the rows of one file, from the runs of its pieces."""
    before = np.cumsum([0, *(rows for rows, _, _ in found)])
    first = np.concatenate([own + start for (_, own, _), start in zip(found, before, strict=False)])
    line = np.concatenate([line for _, _, line in found])
    return Places([name], first, line, np.zeros(len(first), np.int64), np.array([UNITS.index(LINE)]))


def stack_places(found: Sequence[Places], rows: Sequence[int], names: Sequence[str] | None = None) -> Places:
    """The places of the rows of several tables, those of one behind those of the other.

    Args:
        rows: how many each table has. names: how messages call them, where each is a part of one file.
    """
    files = [[name] for name in names] if names is not None else [list(places.files) for places in found]
    starts = np.cumsum([0, *rows])
    before = np.cumsum([0, *map(len, files)])
    return Places(
        [file for own in files for file in own],
        np.concatenate([places.first + start for places, start in zip(found, starts, strict=False)]),
        np.concatenate([places.line for places in found]),
        np.concatenate([places.file + start for places, start in zip(found, before, strict=False)]),
        np.concatenate([places.unit for places in found]),
    )


def counted_from(name: str, lined: bool = False) -> Places:
    """The places of rows that stand in one file without gaps, one a line, or in a file that has no lines."""
    start, zero = np.array([int(lined)]), np.zeros(1, np.int64)
    return Places([name], zero, start, zero, np.array([UNITS.index(LINE if lined else ROW)]))


def kept_places(cache: MemoryCache, key: str, places: Callable[[], Places | None], say: Report) -> Places | None:
    """The places of a table's rows from the cache, so that its file stays closed; None for what is no table."""

    def build_places(_: Any) -> tuple[dict[str, np.ndarray], Any]:
        found = places()
        return ({}, []) if found is None else (found.as_arrays(), list(found.files))

    entry = cache.get_or_build(key, build_places, say)
    return Places(entry.meta, **entry.arrays) if entry.arrays else None


@dataclass(frozen=True)
class Table:
    """What a reader makes of one file or of several.

    Attributes:
        about: its form, e.g. ``"CSV with commas, names in the first line"``.
        names: of the columns, in order. pieces: its rows; each has all columns.
        places: where every row comes from. notes: what was odd on the way.
        named: False when the names are made up. goal: the column that seems to be the target; ``why``: because of what.
        text: reads it once more with these columns as text, as they are written; None where values have types.
        added: columns that are in no file, such as the part that a file's name tells.
        decimal: the mark before the decimals of numbers that the reader understood; empty where it read none.
        kinds: those of columns whose kind the form of the file tells.
        untold: what the file is, where nothing in it can be predicted.
    """

    about: str
    names: list[str]
    pieces: list[Chunk]
    places: Places
    notes: list[Note] = field(default_factory=list)
    named: bool = True
    goal: str | None = None
    why: str = ""
    text: Callable[[frozenset[str]], Table] | None = None
    added: tuple[str, ...] = ()
    decimal: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    untold: str = ""

    def __len__(self) -> int:
        return sum(chunk.rows for chunk in self.pieces)

    def column_types(self) -> dict[str, pl.DataType]:
        """The type of every column: the narrowest that holds what all pieces hold."""
        return {name: reduce(join_types, (chunk.schema[name] for chunk in self.pieces)) for name in self.names}

    def changed_columns(self, kinds: Mapping[str, pl.DataType]) -> frozenset[str]:
        """Columns of type String in ``kinds`` of which some chunk holds numbers, say, and no more what was written."""
        text = [name for name, kind in kinds.items() if kind == pl.String]
        return frozenset(n for n in text if any(not _as_written(chunk.schema[n]) for chunk in self.pieces))


def _as_written(kind: pl.DataType) -> bool:
    # Dates stay text until they are asked for.
    return kind in (pl.String, pl.Null) or kind.is_temporal()


Plain = Callable[[pl.Series, list[Note], str], "pl.Series | None"]


def columns_of(table: Table, plain: Plain, notes: list[Note], where: str) -> dict[str, Column]:
    """The columns of a table, those of several pieces to be read later.

    Args:
        plain: makes a column simple, or notes that it is left out and returns None.
    """
    found = {}
    for name, kind in table.column_types().items():
        held: pl.Series | LazyValues | None
        if table.pieces and all(chunk.held for chunk in table.pieces):
            own = [_cast_type(chunk.read(name), kind).alias(name) for chunk in table.pieces]
            held = plain(own[0] if len(own) == 1 else pl.concat(own, rechunk=True), notes, where)
        # An empty column of the type tells whether it can be read, without opening the file.
        elif (empty := plain(pl.Series(name, [], kind), notes, where)) is None:
            held = None
        else:
            dtype = pl.String() if kind == pl.Null else empty.dtype
            held = LazyValues(len(table), partial(_read_column, table.pieces, name, kind, plain), dtype)
        if held is not None:
            found[name] = Column(name, held, None, partial(table.places.cell_place, name), row_places=table.places)
    return found


def _read_column(pieces: Sequence[Chunk], name: str, kind: pl.DataType, plain: Plain) -> Iterable[pl.Series]:
    for chunk in pieces:
        series = chunk.read(name).alias(name)
        made = plain(series.cast(pl.String) if kind == pl.Null else _cast_type(series, kind), [], "")
        assert made is not None
        yield from cut_series(made)


def _cast_type(series: pl.Series, kind: pl.DataType) -> pl.Series:
    """Values as the type of their column; text that is a date becomes one."""
    if series.dtype == kind or kind == pl.Null:
        return series
    if series.dtype == pl.String and kind.is_temporal():
        return series.str.to_date() if kind == pl.Date else series.str.to_datetime()
    return series.cast(kind, strict=False)


def join_types(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """The narrowest type that holds the values of both.

    >>> join_types(pl.Int64(), pl.Float64()), join_types(pl.Boolean(), pl.Int64()), join_types(pl.Null(), pl.Date())
    (Float64, String, Date)
    """
    if one == other or other == pl.Null:
        return one
    if one == pl.Null:
        return other
    if one.is_numeric() and other.is_numeric():
        # UInt64 and Int128 hold what Int64 can not; as floats they lose digits but no value.
        small = one.is_integer() and other.is_integer() and pl.UInt64 not in (one, other)
        return pl.Int64() if small and pl.Int128 not in (one, other) else pl.Float64()
    if isinstance(one, pl.List) and isinstance(other, pl.List):
        return pl.List(join_types(one.inner, other.inner))  # type: ignore[arg-type]
    if one.is_nested() or other.is_nested():
        return pl.Object()
    return pl.String()


# pieces


def chunk_of_frame(frame: pl.DataFrame, schema: Mapping[str, pl.DataType] | None = None) -> Chunk:
    """A frame as one chunk."""
    series = {one.name: one for one in frame.get_columns()}
    return Chunk(len(frame), schema or dict(frame.schema), series.__getitem__, True)


def chunks_of_scan(frame: pl.LazyFrame) -> list[Chunk]:
    """A file that polars can read by columns and rows, as pieces."""
    schema = dict(frame.collect_schema())
    rows = frame.select(pl.len()).collect().item()
    step = PIECE if len(schema) <= WIDE_COLUMNS else max(rows, 1)

    def read_rows(start: int, names: list[str]) -> pl.DataFrame:
        return frame.slice(start, step).select(names).collect()

    return [
        Chunk(min(step, rows - start), schema, column_reader(partial(read_rows, start), list(schema), step))
        for start in range(0, max(rows, 1), step)
    ]


def column_reader(read: Callable[[list[str]], pl.DataFrame], names: list[str], rows: int) -> Callable[[str], pl.Series]:
    """Reads one column; of a wide table its neighbours too, which are asked for next."""
    if len(names) <= WIDE_COLUMNS:
        return lambda name: read([name]).to_series()
    at, width = {name: i for i, name in enumerate(names)}, max(1, CELLS_AT_ONCE // max(rows, 1))
    bundle: dict[str, pl.Series] = {}

    def read_column(name: str) -> pl.Series:
        if name not in bundle:
            bundle.clear()
            start = at[name] // width * width
            bundle.update({one.name: one for one in read(names[start : start + width]).get_columns()})
        return bundle[name]

    return read_column


def rename_columns(chunk: Chunk, names: Mapping[str, str]) -> Chunk:
    """The same chunk with other names: ``names[new] = old``; a column whose old name is "" is all missing."""

    def read_frame(name: str) -> pl.Series:
        return (
            chunk.read(names[name]) if names[name] else pl.Series(name, [None], pl.Null).new_from_index(0, chunk.rows)
        )

    schema = {new: chunk.schema[old] if old else pl.Null() for new, old in names.items()}
    return replace(chunk, schema=schema, read=read_frame)


def add_constant(chunk: Chunk, name: str, value: Any) -> Chunk:
    """The same chunk with one column more that says the same in every row."""

    def read_frame(asked: str) -> pl.Series:
        if asked != name:
            return chunk.read(asked)
        return pl.Series(name, [value], pl.String).new_from_index(0, chunk.rows)

    return replace(chunk, schema={**chunk.schema, name: pl.String()}, read=read_frame)
