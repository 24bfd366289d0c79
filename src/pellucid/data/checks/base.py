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
from ...fields.category import words
from ...fields.labels import counts_of, parts
from ...fields.number import parse
from ..order import hashed
from ..sources import counted, listed

if TYPE_CHECKING:
    from .parts import Parts

SAMPLE = 100_000  # rows, spread evenly, that relations between columns are looked for in
WIDE = 2_000  # columns that are looked at one by one
MOST = 5  # columns said one by one of those that one check finds


class Look:
    """One column; each view of it is made when a check first asks for it.

    Attributes:
        field, column: what it was taken for, and its raw values. where: how notes call it.
    """

    def __init__(self, field: Field, column: Column):
        self.field, self._column = field, column
        self.name, self.kind, self.role = field.name, field.kind, field.role
        self.where = f"column '{field.name}'"
        self.leave_out = f"leave it out with --ignore {shlex.quote(field.name)}"

    @cached_property
    def column(self) -> Column:
        return self._column.loaded()

    @cached_property
    def series(self) -> pl.Series:  # (n,)
        found = self.column.series()
        assert found is not None, "images in memory are no column of a table"
        return found

    @property
    def step(self) -> int:
        """Between sampled rows."""
        return max(1, -(-len(self.series) // SAMPLE))

    @cached_property
    def sample(self) -> pl.Series:  # (m,)
        return self.series.gather_every(self.step)

    @cached_property
    def numbers(self) -> np.ndarray:  # (m,) float64, NaN where there is none
        value = parse(self.sample)[0].to_numpy()
        return np.where(np.isfinite(value), value, np.nan)

    @cached_property
    def labels(self) -> pl.Series:  # (n,) text without spaces around it
        return words(self.column)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many rows have each value, or each label where a cell may hold several, the commonest first."""
        return counts_of(self.column, self.field.settings) if self.kind == "labels" else class_counts(self.labels)

    def first(self, some: Sequence[str]) -> int:
        """The first row with one of these values or labels."""
        if self.kind == "labels" and not self.field.settings.get("flag"):
            table = parts(self.column, self.field.settings)
            return int(table.filter(table["part"].is_in(some))["row"].min() or 0)  # type: ignore[arg-type]
        return int(self.labels.is_in(some).arg_max() or 0)

    @cached_property
    def codes(self) -> np.ndarray:  # (m,) one whole number for each different value, a missing one included
        return np.unique(self.sample.hash().to_numpy(), return_inverse=True)[1]

    def place(self, row: int) -> str:
        return self._column.place(row)

    def row(self, row: int) -> str:
        """The place of a whole row."""
        return self.place(row).rsplit(", column", 1)[0]


@dataclass(frozen=True)
class Table:
    """The columns that are read or predicted. A look at one is made anew each time, so that none is held for long."""

    columns: Mapping[str, Column]
    fields: Sequence[Field]

    @cached_property
    def used(self) -> list[Field]:
        """All of them but images in memory; of very many the first, and the targets."""
        every = [f for f in self.fields if f.role in ("input", "target")]
        narrow = every[:WIDE] + [f for f in every[WIDE:] if f.role == "target"]
        return [f for f in narrow if not isinstance(self.columns[f.name].held, np.ndarray) or self._flat(f)]

    def _flat(self, field: Field) -> bool:
        return np.ndim(self.columns[field.name].held) == 1  # type: ignore[arg-type]

    def looks(self, role: str | None = None) -> Iterator[Look]:
        return (Look(f, self.columns[f.name]) for f in self.used if role in (None, f.role))

    def ids(self) -> Iterator[Look]:
        """Columns that are not read because they only seem to name the rows."""
        return (Look(f, self.columns[f.name]) for f in self.fields[:WIDE] if f.role == "id")

    @property
    def whole(self) -> bool:
        """Whether ``used`` has everything that tells rows apart."""
        return len(self.used) == sum(f.role in ("input", "target") for f in self.fields)

    def keys(self) -> np.ndarray:  # (n,) uint64, equal for rows with equal values
        found: np.ndarray | None = None
        for i, field in enumerate(self.used):
            pieces = (piece.series() for piece in self.columns[field.name].pieces())
            own = hashed(np.concatenate([piece.hash().to_numpy() for piece in pieces if piece is not None]), i)
            found = own if found is None else hashed(np.bitwise_xor(found, own, out=found), i)
        assert found is not None
        return found


OfColumn = Callable[[Look, Sequence[Look]], Iterable[Note]]  # the column, the targets
OfTable = Callable[[Table], Iterable[Note]]
OfParts = Callable[["Parts"], Iterable[Note]]
COLUMN_CHECKS: dict[str, OfColumn] = {}
TABLE_CHECKS: list[OfTable] = []
PART_CHECKS: list[OfParts] = []
Check = TypeVar("Check", OfTable, OfParts)


def column_check(what: str) -> Callable[[OfColumn], OfColumn]:
    """Add a check of single columns; ``what`` says of several columns what it found."""

    def add(check: OfColumn) -> OfColumn:
        assert what not in COLUMN_CHECKS, f"two checks say {what}"
        COLUMN_CHECKS[what] = check
        return check

    return add


def table_check(check: OfTable) -> OfTable:
    """Add a check of columns together."""
    TABLE_CHECKS.append(check)
    return check


def part_check(check: OfParts) -> OfParts:
    """Add a check of decoded examples in their parts."""
    PART_CHECKS.append(check)
    return check


def raw(columns: Mapping[str, Column], fields: Sequence[Field]) -> list[Note]:
    """What is odd about raw columns, before anything is decoded."""
    with np.errstate(all="ignore"):  # numbers near the end of their range: what overflows compares as false
        return _raw(Table(columns, fields))


def _raw(table: Table) -> list[Note]:
    targets = list(table.looks("target"))
    found: dict[str, list[tuple[str, Note]]] = {what: [] for what in COLUMN_CHECKS}
    for look in chain(table.looks("input"), table.ids(), targets):
        for what, check in COLUMN_CHECKS.items() if look.kind != "image" else ():
            found[what] += [(look.name, note) for note in check(look, targets)]
    notes = [note for check in TABLE_CHECKS for note in check(table)]
    if (count := sum(f.role in ("input", "target") for f in table.fields)) > WIDE:
        text = f"only the first {WIDE:,} of {count:,} columns are looked at one by one"
        notes.append(Note("info", f"{text}; what is odd in the others is not said here", "", "all are read"))
    return notes + [note for what, some in found.items() for note in _some(what, some)]


def _some(what: str, found: list[tuple[str, Note]]) -> Iterator[Note]:
    """The first notes of one check, and of the others only which columns they are about."""
    yield from (note for _, note in found[:MOST])
    rest = list(dict.fromkeys(name for name, _ in found[MOST:]))
    if rest:
        _, last = found[-1]
        yield Note(last.level, f"{counted(len(rest), 'more column')} {what}: {listed(rest)}", "", last.action, last.fix)


@lru_cache
def code() -> str:
    """SHA-256 of the code of all checks: what others found is not taken for theirs."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def class_counts(labels: pl.Series) -> dict[str, int]:
    """How often each value is there, the commonest first."""
    table = (
        labels.drop_nulls().alias("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    )
    return dict(zip(table["value"].to_list(), table["count"].to_list(), strict=True))
