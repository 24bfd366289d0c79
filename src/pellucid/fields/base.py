"""What a field is: the typed values of one column, from the user's file to arrays and back.

A kind of field is one torch-free file in this folder. The same code serves inputs and targets, training,
prediction and, later, the torch-free runtime. The way of a value:

    column ──recognise──▶ kind ──store──▶ raw compact arrays (the cache, independent of split and plan)
           ──fit (training rows only)──▶ state (JSON) ──encode──▶ arrays for the network ──decode──▶ value

n examples, F fields of one joint kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ..errors import PellucidError, UsageError, unknown_name
from ..storage import forms
from .column import Column
from .encoded import Encoded, Into, Stored, allocate_in_memory
from .notes import Report

ROLES = ("input", "target", "id", "group", "weight", "split", "ignore")


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
        joint: True when fields of this kind that lie on the same axis stand side by side in one array, (n, F) or
            (n, *positions, F), and share one input layer.
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
    """The input layers that ``fields`` (roles other than input are passed over) call for, in a fixed order."""
    # In the order of the kinds, not of the columns: the order of layers is the order of their tensors in the weights.
    inputs = [f for f in fields if f.role == "input"]
    found: list[Group] = []
    for name, kind in KINDS.items():
        own = [f for f in inputs if f.kind == name]
        if not kind.joint:
            found += [Group(name, (f.name,)) for f in own]
            continue
        axes = dict.fromkeys(kind.axis(f.settings) for f in own)
        found += [Group(name, tuple(f.name for f in own if kind.axis(f.settings) == axis), axis) for axis in axes]
    return found
