"""What a check looks at, and the lists that checks are added to. n rows, m of them sampled.

A check is one function that yields notes, with one line above it. There are three sorts: of a column as the user has
it, of the columns of a table together, and of the decoded examples in their parts. None builds the whole table: they
go column by column, or over one number a row.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl

from ...fields import Column, Field, Note
from ...fields.category import column_words
from ...fields.notation import POINT
from ...fields.number import is_missing, parse_numbers
from ...wording import count_noun, join_words
from ..batches.order import hash_counters
from ..cache.cache import release_pages
from ..splits.spec import PARTS
from ..splits.split import given_parts
from .hashes import find_shared, value_hashes

if TYPE_CHECKING:
    from ..examples import Examples
    from ..splits.split import Split


class SplitView:
    """What checks of decoded examples look at.

    Attributes:
        data: the data set. split: its parts; None where there are too few rows for any.
        rows: (m,) those that can be used, sorted.
    """

    def __init__(self, data: Examples, split: Split | None, rows: np.ndarray):
        self.data, self.split, self.rows = data, split, rows

    @cached_property
    def part_index(self) -> np.ndarray:  # (n,) index of PARTS, -1 for none
        part = np.full(len(self.data), -1, np.int8)
        for i, name in enumerate(PARTS):
            if self.split is not None:
                part[self.split[name]] = i
        return part

    @cached_property
    def content_hashes(self) -> dict[str, np.ndarray]:
        """(n,) uint64 for each text, image and recording, equal for equal ones; texts whatever their case and marks."""
        own = {f.name: self.data.stored_values(f.name) for f in self.data.inputs if not f.traits.tabular}
        return {name: hashes for name, stored in own.items() if (hashes := value_hashes(stored)) is not None}

    @cached_property
    def example_keys(self) -> np.ndarray | None:  # (m,) uint64, equal for usable rows with equal inputs
        # Forecasts from rows with the same values start from other pasts, and so do passages.
        if any(field.traits.of_all_rows for field in self.data.inputs):
            return None
        key = np.zeros(len(self.data), np.uint64)
        for i, field in enumerate(self.data.inputs):
            # Of numbers and words no hash is kept: there may be thousands of columns of a million rows.
            own = self.content_hashes.get(field.name)
            if own is None and (own := value_hashes(self.data.stored_values(field.name))) is None:
                return None
            # Hashed anew for each field: the same values under other columns must not cancel.
            key = hash_counters(np.bitwise_xor(key, own, out=key), i)
            release_pages(self.data.stored_values(field.name))
        return key[self.rows] if self.data.inputs else None

    @cached_property
    def shared_keys(self) -> tuple[np.ndarray, int]:
        """Which of ``example_keys`` are there more than once, and how many different ones there are."""
        return find_shared(self.example_keys) if self.example_keys is not None else (np.zeros(0, np.int64), 0)

    def target_codes(self, target: Field) -> np.ndarray:  # (m,) whole numbers for a category, else float64
        array = next(iter(self.data.stored_values(target.name).arrays.values()))
        return np.asarray(array)[self.rows]

    @property
    def parts_are_given(self) -> bool:
        """Whether the data or its user says which row is in which part."""
        return given_parts(self.data) is not None

    @property
    def example_noun(self) -> str:
        """What an example is called."""
        only = self.data.inputs[0].traits if len(self.data.inputs) == 1 else None
        return "row" if only is None or only.tabular else only.file_noun or only.family

    def example_place(self, row: int) -> str:
        """A file where it is one, else a row."""
        return self.data.place(int(row))


def check_examples(data: Examples, split: Split | None, rows: np.ndarray) -> list[Note]:
    """What is odd about decoded examples and the parts they are in."""
    parts = SplitView(data, split, rows)
    # As in ``check_columns``.
    with np.errstate(all="ignore"):
        return [note for check in PART_CHECKS for note in check(parts)]


# Rows, spread evenly, that relations between columns are looked for in: these look at every pair or at every value.
SAMPLE = 100_000

# Columns that are checked one by one.
WIDE = 2_000

# Columns said one by one of those that one check finds.
MOST_NOTES = 5


class ColumnView:
    """One column; each view of it is made when a check first asks for it.

    Attributes:
        field, column: what it was taken for, and its raw values. traits: what holds for its kind. where: how notes
            call it.
    """

    def __init__(self, field: Field, column: Column):
        self.field, self._column = field, column
        self.name, self.kind, self.role, self.traits = field.name, field.kind, field.role, field.traits
        self.where = f"column '{field.name}'"
        self.leave_out = f"leave it out with --ignore {shlex.quote(field.name)}"

    @cached_property
    def column(self) -> Column:
        return self._column.load_values()

    @cached_property
    def series(self) -> pl.Series:  # (n,)
        found = self.column.series()
        assert found is not None, "images in memory are not a column of a table"
        return found

    @property
    def sample_step(self) -> int:
        """Between sampled rows."""
        return max(1, -(-len(self.series) // SAMPLE))

    @cached_property
    def sampled_values(self) -> pl.Series:  # (m,)
        return self.series.gather_every(self.sample_step) if self.sample_step > 1 else self.series

    @cached_property
    def numbers(self) -> np.ndarray:  # (m,) float64, NaN where there is none
        value = self.read_numbers(self.sampled_values).to_numpy()
        return np.where(np.isfinite(value), value, np.nan)

    def read_numbers(self, cells: pl.Series) -> pl.Series:  # (m,) -> (m,) float64, null where there is none
        """Cells of the column as numbers."""
        return parse_numbers(cells, self.field.settings.get("decimal", POINT))[0]

    @cached_property
    def missing(self) -> pl.Series:  # (n,) bool
        """Where there is no value, as its kind reads it: a word such as NA may be one."""
        if self.traits.one_class:
            return self.labels.is_null()
        if self.series.dtype == pl.String:
            return is_missing(self.series.str.strip_chars())
        if self.series.dtype.is_float():
            # Null becomes NaN.
            return pl.Series(np.isnan(self.series.to_numpy()))
        return self.series.is_null()

    @cached_property
    def labels(self) -> pl.Series:  # (n,) text without spaces around it
        return column_words(self.column, self.field.settings.get("missing", ()))

    @cached_property
    def value_counts(self) -> dict[str, int]:
        """How many rows have each value, or each label where a cell may hold several, the commonest first."""
        return self.traits.count_classes(self.column, self.field.settings)

    def first_row(self, some: Sequence[str]) -> int:
        """The first row with one of these values or labels."""
        return self.traits.find_classes(self.column, self.field.settings, some)

    @cached_property
    def codes(self) -> np.ndarray:  # (m,) one whole number for each different value, a missing one included
        return np.unique(self.sampled_values.hash().to_numpy(), return_inverse=True)[1]

    def cell_place(self, row: int) -> str:
        return self._column.place(row)

    def row_place(self, row: int) -> str:
        """The place of a whole row."""
        return self._column.row_place(row)


@dataclass(frozen=True)
class TableView:
    """The columns that are read or predicted. A look at one is made anew each time, so that none is held for long."""

    columns: Mapping[str, Column]
    fields: Sequence[Field]

    @cached_property
    def used_fields(self) -> list[Field]:
        """All of them but images in memory; of very many the first, and the targets."""
        every = [f for f in self.fields if f.role in ("input", "target")]
        narrow = every[:WIDE] + [f for f in every[WIDE:] if f.role == "target"]
        return [f for f in narrow if not isinstance(self.columns[f.name].held, np.ndarray) or self._is_flat(f)]

    def _is_flat(self, field: Field) -> bool:
        return np.ndim(self.columns[field.name].held) == 1  # type: ignore[arg-type]

    def column_views(self, role: str | None = None) -> Iterator[ColumnView]:
        return (ColumnView(f, self.columns[f.name]) for f in self.used_fields if role in (None, f.role))

    def id_columns(self) -> Iterator[ColumnView]:
        """Columns that are not read because they only seem to name the rows."""
        return (ColumnView(f, self.columns[f.name]) for f in self.fields[:WIDE] if f.role == "id")

    @property
    def sees_all_columns(self) -> bool:
        """Whether ``used_fields`` has everything that tells rows apart."""
        return len(self.used_fields) == sum(f.role in ("input", "target") for f in self.fields)

    def row_keys(self) -> np.ndarray:  # (n,) uint64, equal for rows with equal values
        found: np.ndarray | None = None
        for i, field in enumerate(self.used_fields):
            pieces = (piece.series() for piece in self.columns[field.name].chunks())
            own = hash_counters(np.concatenate([piece.hash().to_numpy() for piece in pieces if piece is not None]), i)
            found = own if found is None else hash_counters(np.bitwise_xor(found, own, out=found), i)
        assert found is not None
        return found


# Of a column; it is told the targets too.
OfColumn = Callable[[ColumnView, Sequence[ColumnView]], Iterable[Note]]

OfTable = Callable[[TableView], Iterable[Note]]

OfParts = Callable[["SplitView"], Iterable[Note]]

COLUMN_CHECKS: dict[str, OfColumn] = {}

TABLE_CHECKS: list[OfTable] = []

PART_CHECKS: list[OfParts] = []

Check = TypeVar("Check", OfTable, OfParts)


def column_check(what: str) -> Callable[[OfColumn], OfColumn]:
    """Add a check of single columns; ``what`` says of several columns what it found."""

    def add_check(check: OfColumn) -> OfColumn:
        assert what not in COLUMN_CHECKS, f"two checks say {what}"
        COLUMN_CHECKS[what] = check
        return check

    return add_check


def table_check(check: OfTable) -> OfTable:
    """Add a check of columns together."""
    TABLE_CHECKS.append(check)
    return check


def part_check(check: OfParts) -> OfParts:
    """Add a check of decoded examples in their parts."""
    PART_CHECKS.append(check)
    return check


def check_columns(columns: Mapping[str, Column], fields: Sequence[Field]) -> list[Note]:
    """What is odd about raw columns, before anything is decoded."""
    # Of numbers near the end of their range squares overflow: they compare as false, and a warning would only confuse.
    with np.errstate(all="ignore"):
        return _run_checks(TableView(columns, fields))


def _run_checks(table: TableView) -> list[Note]:
    targets = list(table.column_views("target"))
    found: dict[str, list[tuple[str, Note]]] = {what: [] for what in COLUMN_CHECKS}
    for look in chain(table.column_views("input"), table.id_columns(), targets):
        # A cell that names a file says nothing by itself.
        for what, check in COLUMN_CHECKS.items() if not look.traits.suffixes else ():
            found[what] += [(look.name, note) for note in check(look, targets)]
    notes = [note for check in TABLE_CHECKS for note in check(table)]
    if (count := sum(f.role in ("input", "target") for f in table.fields)) > WIDE:
        text = f"only the first {WIDE:,} of {count:,} columns are checked one by one"
        notes.append(Note("info", f"{text}; the others are not checked", "", "all are read"))
    return notes + [note for what, some in found.items() for note in _shorten_notes(what, some)]


def _shorten_notes(what: str, found: list[tuple[str, Note]]) -> Iterator[Note]:
    """The first notes of one check, and of the others only which columns they are about."""
    yield from (note for _, note in found[:MOST_NOTES])
    rest = list(dict.fromkeys(name for name, _ in found[MOST_NOTES:]))
    if rest:
        _, last = found[-1]
        yield Note(
            last.level, f"{count_noun(len(rest), 'more column')} {what}: {join_words(rest)}", "", last.action, last.fix
        )


@lru_cache
def checks_digest() -> str:
    """SHA-256 of the code of all checks: what others found is not taken for theirs."""
    # What they found is kept in the cache; a check that was changed must run again.
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
