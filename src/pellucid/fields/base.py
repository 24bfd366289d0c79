"""What a field is: the typed values of one column, from the user's file to arrays and back.

A kind of field is one torch-free file in this folder. The same code serves inputs and targets, training,
prediction and, later, the torch-free runtime. The way of a value:

    column ──recognise──▶ kind ──store──▶ raw compact arrays (the cache, independent of split and plan)
           ──fit (training rows only)──▶ state (JSON) ──encode──▶ arrays for the network ──decode──▶ value

n examples, F fields of one joint kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl

from ..errors import PellucidError, UsageError, unknown_name
from ..storage import forms
from ..wording import count_noun
from .column import Column
from .encoded import Encoded, Into, Stored, allocate_in_memory, missing_rows
from .files import name_files
from .notes import Note, Report
from .stored_rows import ENDS, check_arrays, check_ends, row_bytes, take_rows

ROLES = ("input", "target", "id", "group", "weight", "split", "time", "series id", "known", "ignore")

TABLE = "table"  # the family of all that stands in a row beside others


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

    @property
    def traits(self) -> Kind:
        """Its kind, which says what holds for all fields of it."""
        return kind_named(self.kind)

    @property
    def is_input(self) -> bool:
        """Whether the network reads it: an input, what is known ahead, or a target whose past is read."""
        return self.role in ("input", "known") or (self.role == "target" and self.traits.of_all_rows)

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

    Code that treats some values otherwise asks for a trait, never for a kind by its name: so a new kind says in its own
    file what it is, and nothing else is edited.

    Class attributes:
        name: the word the user sees and types (``--kind zip=category``).
        types: each stored array and the type of its entries; ``optional``: those that may not be there.
        flat: the stored array with any number of entries an example, one example after the other; empty for none.
        joint: True when fields of this kind that lie on the same axis stand side by side in one array, (n, F) or
            (n, *positions, F), and share one input layer.
        axes: how many position axes a value brings along (0 number, 1 text, 2 image).
        family: what an example is called that is one value of it and nothing more, ``"image"``; ``"table"`` where it
            is a cell of a row. Trunks have a recipe for each family that they know.
        amount: whether a value is a number, of which there can be more or less; stored as ``value``.
        one_class: whether it is one of a few words, stored as ``code`` into ``values``.
        several_classes: whether it is any number of such words.
        moment: whether it is a date or a time. prose: words in their order. pictures: pixels, to be seen.
        moments: whether rows are the moments of series, so that an example is a stretch of rows (``encoded.Windows``),
            and the past of a target is read.
        written: whether rows one after the other are documents, so that an example is a stretch of one and the past of
            a target is read.
        curves: whether it is a series of numbers, to be drawn as a line. along_time: whether its input layer gives
            numbers along time (``Input.frames``), which random convolutions read.
        recorded: whether it is a recording, in which something may be said.
        dear: whether encoding takes so long that what comes out is kept.
        predictable: whether there is an output for it, so that it can be a target. instead: how a column that is not
            is predicted all the same, ``"--kind {name}=number does"``; empty where it can't be.
        as_target: the kind that a column of it becomes when it is to be predicted, where that is another.
        reads: as a target, the kind that a single column beside it is read as; empty where its own.
        together: whether several targets of it are predicted side by side.
        stratified: what ``strata`` are, of which every part has the same share; empty where there are none.
        suffixes: how files end that hold one value each and that a cell names; empty where cells hold the values.
        file_noun: what one of these files is called. folder_noun: what a folder of them would be called.
        smaller: how a column takes less memory.
        try_it: what a user types to have an example predicted that is one value of it, and ``try_in_python`` what
            stands in the brackets; empty where it is the same in quotes.
        augmentable: as a target, whether it stays true of a photo that is mirrored, shifted or partly covered in
            training, or of a recording that is made faster, higher or noisier: because it does not change (a class,
            labels), or because it moves along by ``warp``. False where it may say where, how many or how much of
            something is in there. stays_true_of: where it does not, the changes (``Input.changes``) that it bears
            all the same.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[tuple[str, str], ...]]
    optional: ClassVar[tuple[str, ...]] = ()
    flat: ClassVar[str] = ""
    joint: ClassVar[bool] = False
    axes: ClassVar[int] = 0
    family: ClassVar[str] = TABLE
    amount: ClassVar[bool] = False
    one_class: ClassVar[bool] = False
    several_classes: ClassVar[bool] = False
    moment: ClassVar[bool] = False
    prose: ClassVar[bool] = False
    pictures: ClassVar[bool] = False
    moments: ClassVar[bool] = False
    written: ClassVar[bool] = False
    curves: ClassVar[bool] = False
    along_time: ClassVar[bool] = False
    recorded: ClassVar[bool] = False
    dear: ClassVar[bool] = False
    predictable: ClassVar[bool] = False
    instead: ClassVar[str] = ""
    reads: ClassVar[str] = ""
    together: ClassVar[bool] = False
    stratified: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    file_noun: ClassVar[str] = ""
    folder_noun: ClassVar[str] = ""
    as_target: ClassVar[str] = ""
    smaller: ClassVar[str] = "read fewer rows"
    try_it: ClassVar[str] = "new.csv"
    try_in_python: ClassVar[str] = ""
    augmentable: ClassVar[bool] = False
    stays_true_of: ClassVar[tuple[str, ...]] = ()

    def axis(self, settings: Mapping[str, Any]) -> str:
        """The name of the axis that a field's positions lie on, "" where it brings none or one of its own.

        Fields of a joint kind that name the same one are read together: the channels of one series.
        """
        return ""

    def settings(self) -> forms.Form:
        """The form of a field's settings in a file."""
        return forms.anything

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        """The form of a state in a file, for a field of this role and these settings; what ``fit`` returns has it."""
        return forms.anything

    @abstractmethod
    def recognise(self, column: Column) -> Guess | None:
        """How sure this kind is that ``column`` holds its values; None when it can't be."""

    def as_asked(self, column: Column) -> Guess:
        """What holds for a column that a user or a layout says is of this kind."""
        return self.recognise(column) or Guess(1, "")

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

    def take(self, stored: Stored, rows: np.ndarray) -> Stored:  # (m,) -> m values
        """The values of some rows, in their order, which encode as they do among all."""
        return take_rows(stored, rows, self.flat)

    def row_bytes(self, stored: Stored, rows: np.ndarray) -> np.ndarray:  # (m,) -> (m,)
        """The bytes that the values of some rows take, as they are stored."""
        return row_bytes(stored, rows, self.flat)

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        """Raises FormError for values from a file that ``store`` never makes, of a field with this state."""
        known = {name: one for name, one in self.types if name in stored.arrays or name not in self.optional}
        check_arrays(stored, known, self.flat, self.entry_shapes(state))
        if ENDS in known:
            check_ends(stored.arrays[ENDS], stored.arrays[self.flat])

    def missing(self, stored: Stored) -> np.ndarray:  # (n,) bool
        """Where an example has no value, so that as a target there is nothing to learn from."""
        return missing_rows(stored)

    def entry_shapes(self, state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """The shapes of the entries of stored arrays, of a field with this state; those of single values left out."""
        return {}

    def curve(self, stored: Stored, row: int) -> list[float | None]:
        """One value as a line of numbers; only of kinds that are ``curves``."""
        raise PellucidError(f"{self.noun} is no line of numbers")

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        """What of the values a fitted field has no place for, in words; empty when there is nothing to say."""
        return ""

    def describe_reading(self, stored: Stored, row: int, state: Mapping[str, Any]) -> str:
        """What the network reads of a value that is missing or not read whole; "" of one that is read as it stands."""
        return ""

    def resize(
        self, settings: Mapping[str, Any], size: tuple[int, int] | None, seconds: float | None
    ) -> Mapping[str, Any]:
        """The settings with the height and width, or the length, that the user asks for; kinds without keep theirs."""
        return settings

    def reading_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """As a target with these settings, what texts beside it are read by; only of kinds that are written."""
        return {}

    def note_size(self, column: Column, settings: Mapping[str, Any]) -> Note | None:
        """What a large column takes when it is decoded, said before it is; only kinds whose values unpack do."""
        return None

    def count_classes(self, column: Column, settings: Mapping[str, Any]) -> dict[str, int]:
        """How many rows have each class, the commonest first; empty for kinds without classes."""
        return {}

    def find_classes(self, column: Column, settings: Mapping[str, Any], some: Sequence[str]) -> int:
        """The first row with one of these classes."""
        raise PellucidError(f"{self.noun} is of no class")

    def strata(self, stored: Sequence[Stored]) -> np.ndarray:  # (n,) whole numbers
        """Of the targets, what every part has the same share of; only of kinds that say what, in ``stratified``."""
        raise PellucidError(f"{self.noun} is of no class")

    def hear(self, stored: Stored, row: int) -> bytes:
        """One raw value for a page, as the bytes of a sound file; nothing of kinds that can't be heard."""
        return b""

    def words(self, stored: Stored, row: int, state: Mapping[str, Any]) -> tuple[list[str], np.ndarray]:
        """The words of one value, and of each of its encoded tokens (T,) which word it is of; -1 for none.

        Only of kinds that are ``prose``.
        """
        raise PellucidError(f"{self.noun} has no words")

    @property
    def noun(self) -> str:
        """What a value is, in a sentence."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    @property
    def plain_noun(self) -> str:
        """What people call one of its files: a photo."""
        return self.folder_noun.removesuffix("s")

    @property
    def classes_fix(self) -> str:
        """How a folder of its files tells their classes."""
        example = f"{self.folder_noun}/cat/1.{self.suffixes[0]}"
        return f"put the {self.file_noun}s of each class in a folder of their own, named after the class: {example}"

    @property
    def column_nouns(self) -> tuple[str, ...]:
        """What one column of it is called and, where that is irregular, several."""
        return (self.name,)

    def describe_goal(self, columns: int, classes: int) -> str:
        """What is predicted of so many targets with so many classes together, in a sentence."""
        if columns > 1:
            return f"{columns} {self.name}s"
        return f"one of {count_noun(classes, 'class', 'classes')}" if classes else f"a {self.name}"

    @property
    def tabular(self) -> bool:
        """Whether a value is a cell of a row, and no example of its own."""
        return self.family == TABLE

    @property
    def plain(self) -> bool:
        """Whether a value is one number or one word, so that two of them are equal or not."""
        return self.amount or self.one_class

    @property
    def of_all_rows(self) -> bool:
        """Whether rows follow one another, which is said of all of them and not of one column."""
        return self.moments or self.written

    @property
    def classed(self) -> bool:
        """Whether values are words that come again, one or several at a time."""
        return self.one_class or self.several_classes

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


def kind_named(name: str) -> Kind:
    if name not in KINDS:
        # Those that are said of a whole table are no kinds of a column.
        said = [known for known, kind in KINDS.items() if not kind.of_all_rows]
        raise UsageError(unknown_name("kind of field", str(name), said))
    return KINDS[name]


def kind_of_files(paths: Sequence[str] | pl.Series) -> str | None:
    """The kind whose files these look like the names of; None where they name none."""
    return next((name for name, kind in KINDS.items() if kind.suffixes and name_files(paths, kind.suffixes)), None)


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
    # Of equal confidence the name decides, so that the order of registration does not.
    _, name, guess = max(guesses, key=lambda g: g[:2])
    return KINDS[name], guess


@dataclass(frozen=True)
class Group:
    """Input fields that share one input layer: those of a joint kind on one axis, or one field of another kind.

    Attributes:
        axis: its name, as ``Kind.axis`` gives it.
    """

    kind: str
    fields: tuple[str, ...]
    axis: str = ""

    @property
    def key(self) -> str:
        """The name of its array in a batch: ``"number"``, ``"series:time"``, ``"text:review"``."""
        if not kind_named(self.kind).joint:
            return f"{self.kind}:{self.fields[0]}"
        return f"{self.kind}:{self.axis}" if self.axis else self.kind


def input_groups(fields: Iterable[Field]) -> list[Group]:
    """The input layers that ``fields`` (those that are no inputs are passed over) call for, in a fixed order."""
    # In the order of the kinds, not of the columns: the order of layers is the order of their tensors in the weights.
    inputs = [f for f in fields if f.is_input]
    found: list[Group] = []
    for name, kind in KINDS.items():
        own = [f for f in inputs if f.kind == name]
        if not kind.joint:
            found += [Group(name, (f.name,)) for f in own]
            continue
        axes = dict.fromkeys(kind.axis(f.settings) for f in own)
        found += [Group(name, tuple(f.name for f in own if kind.axis(f.settings) == axis), axis) for axis in axes]
    return found
