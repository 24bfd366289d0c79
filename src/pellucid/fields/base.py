"""What a field is: the typed values of one column, from the user's file to arrays and back.

A kind of field is one torch-free file in this folder. The same code serves inputs and targets, training,
prediction and, later, the torch-free runtime. The way of a value:

    column ──recognise──▶ kind ──store──▶ raw compact arrays (the cache, independent of split and plan)
           ──fit (training rows only)──▶ state (JSON) ──encode──▶ arrays for the network ──decode──▶ value

n examples, F fields of one joint kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from ..errors import PellucidError, UsageError, unknown_name
from ..folder import form

PIECE = 1 << 18  # rows of a column that are worked on at a time
ROLES = ("input", "target", "id", "time", "known-ahead", "static", "group", "weight", "split", "ignore")


@dataclass(frozen=True)
class Note:
    """Something worth knowing about the data, said by file or row.

    Attributes:
        level: ``"info"`` (what was done), ``"warning"`` (looks wrong) or ``"error"`` (was left out).
        text: what was found and what was or will be done about it.
        where: file, row or column; rows count from 1 as an editor shows the file.
        action: what training does about it; empty where ``text`` says so already.
        fix: what the user can do about it: an option or an edit.
    """

    level: str
    text: str
    where: str = ""
    action: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


Report = Callable[[Note], None]
Into = Callable[[str, tuple[int, ...], Any], np.ndarray]  # (array's name, shape, dtype) -> a zeroed array to fill


def allocate_in_memory(_: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """The allocator for arrays that are not to lie in the cache."""
    return np.zeros(shape, dtype)


@dataclass(frozen=True)
class LazyValues:
    """Values that lie on disk: read when they are asked for, a stretch at a time, and not kept.

    Attributes:
        rows: how many there are. pieces: reads them anew, in order; every piece has the same type.
    """

    rows: int
    pieces: Callable[[], Iterable[pl.Series]]

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True)
class Column:
    """Raw values of one field as the user has them.

    Attributes:
        name: the column's name.
        held: a polars Series (numbers, strings, dates; paths for images) or, for values given in memory, an array
            whose first axis is the example (images: (n, H, W) or (n, H, W, C), uint8 or float in 0..1); ``LazyValues``
            for a column of a table that is not held in memory.
        base: the folder that relative paths in ``values`` start from.
        places: where each value comes from, ``places(row) -> "train.csv, row 12"``, for messages.
        fetch: the content of the file that a value names, where files are not on the disk but in an archive or in
            memory; raises ``pixels.Unreadable``.
        marked: whether the digest of the source tells when files that values name have changed.
    """

    name: str
    held: pl.Series | np.ndarray | LazyValues
    base: Path | None = None
    places: Callable[[int], str] | None = None
    fetch: Callable[[str], bytes] | None = None
    marked: bool = False

    def __len__(self) -> int:
        return len(self.held)

    @property
    def values(self) -> pl.Series | np.ndarray:
        """All values. Those that lie on disk are read anew each time: hold what this returns, or go by ``chunks``."""
        if isinstance(self.held, LazyValues):
            return pl.concat(list(self.held.pieces()), rechunk=False).alias(self.name)
        return self.held

    def load_values(self) -> Column:
        """The same column with its values in memory, for who looks at them more than once."""
        return replace(self, held=self.values)

    def series(self) -> pl.Series | None:
        """The values as a polars Series, (n,); None for arrays with more than one axis."""
        values = self.values
        if isinstance(values, pl.Series):
            return values
        if values.ndim != 1:
            return None
        plain = values.tolist() if values.dtype.kind in "OUS" else values
        return pl.Series(self.name, plain, strict=False)

    def chunks(self) -> Iterator[Column]:
        """The column a stretch of rows at a time, so that what is made of a long one is never made at once."""
        if isinstance(self.held, LazyValues):
            stretches = self.held.pieces()
        elif (series := self.series()) is not None:
            stretches = cut_series(series)
        else:  # an array with several axes is of no use in pieces
            yield self
            return
        for stretch in stretches:
            yield replace(self, held=stretch, places=None)

    def as_type(self, dtype: type[pl.DataType]) -> pl.Series:
        """The values as a Series of ``dtype``, null where one can't be. Raises PellucidError when none can."""
        series = self.series()
        try:
            assert series is not None
            return series.cast(dtype, strict=False)
        except (AssertionError, pl.exceptions.PolarsError):
            holds = f"values of type {series.dtype}" if series is not None else f"an array of {np.shape(self.values)}"
            raise PellucidError(
                f"the column '{self.name}' holds {holds}, which can't be read as {dtype.__name__.lower()}",
                fix=f"name another kind with --kind {self.name}=KIND or leave it out with --ignore {self.name}",
            ) from None

    def place(self, row: int) -> str:
        return self.places(row) if self.places else f"row {row + 1}, column '{self.name}'"


def cut_series(series: pl.Series) -> Iterator[pl.Series]:
    """A series in stretches of at most ``PIECE`` rows; an empty one as it is."""
    for start in range(0, max(len(series), 1), PIECE):
        yield series.slice(start, PIECE)


def thin_series(series: pl.Series, most: int = 100_000) -> pl.Series:
    """At most about so many of the values, spread evenly."""
    return series.gather_every(max(1, len(series) // most))


@dataclass(frozen=True)
class Ragged:
    """n sequences of different lengths in one array: example i is ``values[ends[i-1]:ends[i]]``.

    Attributes:
        values: (total, ...) all sequences one after the other.
        ends: (n,) int64, where each one ends.
    """

    values: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> np.ndarray:  # (n,)
        return np.concatenate([[0], self.ends[:-1]]).astype(np.int64) if len(self.ends) else self.ends

    @property
    def lengths(self) -> np.ndarray:  # (n,)
        return self.ends - self.starts

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[(self.ends[row - 1] if row else 0) : self.ends[row]]


Encoded = np.ndarray | Ragged


@dataclass(frozen=True)
class Stored:
    """A field's raw compact values, as they lie in the cache.

    Attributes:
        arrays: named arrays, memory-mapped when they come from the cache; no pickled objects.
        meta: what is needed to understand them, plain JSON (category values, image size, ...).
        n: number of examples.
        bad: rows (int64) whose value could not be read; they are left out of training and said.
    """

    arrays: Mapping[str, np.ndarray]
    meta: Mapping[str, Any]
    n: int
    bad: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Guess:
    """How sure a kind is that a column is its own, and why (shown to the user).

    Attributes:
        confidence: 0 to 1; the highest one wins.
        reason: e.g. ``"53,940 numbers from 326 to 18,823"``.
        role: a role other than input the values call for, e.g. ``"id"`` or ``"ignore"``.
        settings: what the kind decided about the column, e.g. ``{"height": 32, "width": 32}``.
    """

    confidence: float
    reason: str
    role: str = "input"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """One column and what is known about it.

    Attributes:
        name: the column's name.
        kind: the kind's name, a key of the registry ``KINDS``.
        role: one of ``ROLES``.
        reason: why it was taken for that kind.
        settings: decided from the whole column before any split (JSON).
        state: learned from the training rows alone (JSON); None before ``fit``.
    """

    name: str
    kind: str
    role: str = "input"
    reason: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] | None = None

    def with_(self, **changes: Any) -> Field:
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "role": self.role,
            "reason": self.reason,
            "settings": dict(self.settings),
            "state": None if self.state is None else dict(self.state),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Field:
        kind_named(data["kind"])
        return cls(**{k: data[k] for k in ("name", "kind", "role", "reason", "settings", "state")})


class Kind(ABC):
    """A kind of value. Subclasses are stateless; one instance of each is registered.

    Class attributes:
        name: the word the user sees and types (``--kind zip=category``).
        joint: True when every field of this kind is one column of a single (n, F) array and shares one input layer.
        axes: how many position axes a value brings along (0 number, 1 text, 2 image).
        predictable: whether there is an output for it, so that it can be a target.
        augmentable: as a target, whether it stays true of a photo that is mirrored, shifted or partly covered in
            training: because it does not change (a class, labels), or because it moves along by ``warp``. False where
            it may say where, how many or how much of something is in the photo.
    """

    name: ClassVar[str]
    joint: ClassVar[bool] = False
    axes: ClassVar[int] = 0
    predictable: ClassVar[bool] = False
    augmentable: ClassVar[bool] = False

    def settings(self) -> form.Form:
        """The form of a field's settings in a file."""
        return form.anything

    def state(self, role: str, settings: Mapping[str, Any]) -> form.Form:
        """The form of a state in a file, for a field of this role and these settings; what ``fit`` returns has it."""
        return form.anything

    @abstractmethod
    def recognise(self, column: Column) -> Guess | None:
        """How sure this kind is that ``column`` holds its values; None when it can't be."""

    @abstractmethod
    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """Raw compact arrays of the column, allocated by ``into`` (the cache passes one that maps files).

        Bad values are reported and, where nothing stands in for them, listed in ``bad``, never raised.
        """

    @abstractmethod
    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """What the field learns from the training ``rows`` alone, as JSON."""

    @abstractmethod
    def encode(self, stored: Stored, state: Mapping[str, Any]) -> Encoded:
        """Arrays for the network, one entry an example, every row of ``stored`` (training or not)."""

    @abstractmethod
    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[Any]:
        """Python values from encoded ones (the inverse of ``encode`` as far as that exists)."""

    @abstractmethod
    def show(self, stored: Stored, row: int) -> str | bytes:
        """One raw value for a page: text, or the bytes of a PNG."""

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        """What of the values a fitted field has no place for, in words; empty when there is nothing to say."""
        return ""

    @property
    def noun(self) -> str:
        """What a value is, in a sentence."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    def warp(self, *_: Any) -> Any:
        """Move a value with a geometric change of its example; kinds without geometry refuse."""
        raise PellucidError(f"{self.noun} has no geometry to move")


KINDS: dict[str, Kind] = {}


def register(kind: type[Kind]) -> type[Kind]:
    """Add a kind to the house: one line above its class."""
    if kind.name in KINDS:
        raise ValueError(f"two kinds of field are called '{kind.name}'")
    KINDS[kind.name] = kind()
    return kind


def report_some(report: Report, notes: Iterable[Note], total: int, what: str, most: int = 5) -> None:
    """Say the first ``most`` of ``total`` notes and, of the others, only how many there are."""
    for note in islice(notes, most):
        report(note)
    if total > most:
        report(Note("warning", f"{total - most:,} more {what}"))


def kind_named(name: str) -> Kind:
    if name not in KINDS:
        raise UsageError(unknown_name("kind of field", str(name), KINDS))
    return KINDS[name]


def recognise(column: Column) -> tuple[Kind, Guess]:
    """The kind that is surest of ``column``. Raises PellucidError when none can read it."""
    column = column.load_values()
    guesses = [(guess.confidence, kind.name, guess) for kind in KINDS.values() if (guess := kind.recognise(column))]
    if not guesses:
        raise PellucidError(
            f"no kind of field can read the column '{column.name}'",
            fix=f"name its kind with --kind {column.name}=KIND (known: {', '.join(KINDS)}) or leave it out "
            f"with --ignore {column.name}",
        )
    _, name, guess = max(guesses, key=lambda g: g[:2])
    return KINDS[name], guess


@dataclass(frozen=True)
class Group:
    """Input fields that share one input layer: all fields of a joint kind, or one field of another kind."""

    kind: str
    fields: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name of its array in a batch: ``"number"``, ``"text:review"``."""
        return self.kind if kind_named(self.kind).joint else f"{self.kind}:{self.fields[0]}"


def input_groups(fields: Iterable[Field]) -> list[Group]:
    """The input layers that ``fields`` (roles other than input are passed over) call for, in a fixed order."""
    inputs = [f for f in fields if f.role == "input"]
    found: list[Group] = []
    for name, kind in KINDS.items():
        own = [f.name for f in inputs if f.kind == name]
        if own:
            found += [Group(name, tuple(own))] if kind.joint else [Group(name, (one,)) for one in own]
    return found
