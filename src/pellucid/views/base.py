"""What every view keeps to, and what it looks into.

A view is a function ``view(subject, **options) -> Result``: it depends on its arguments alone, changes nothing in the
network and looks into what the network shows by the glossary, never by a trunk's name.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..network import Network
from ..tasks.explained import Explained
from ..training.loader import Loader
from ..trunks import Opened
from .result import Result

if TYPE_CHECKING:
    from ..data import Examples


@dataclass(frozen=True)
class Part:
    """Examples that views compare with: some of training, or of validation.

    Attributes:
        data: the examples as they were read. loader: the same encoded, targets too. rows: (n,) those that can be used.
    """

    data: Examples
    loader: Loader
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Sequence[int] | np.ndarray | None = None) -> Batch:
        """Some examples, or all, as one batch; ``rows`` count in ``self.rows``."""
        chosen = self.rows if rows is None else self.rows[np.asarray(rows)]
        return self.loader.batch(torch.from_numpy(np.asarray(chosen, np.int64)))

    def title(self, row: int) -> str:
        """What people call one of them; ``row`` counts in ``self.rows``."""
        return self.data.short_title(int(self.rows[row]))


@dataclass(frozen=True)
class Subject:
    """What is looked into: a network, and where there is one an example.

    Attributes:
        network: on the CPU, float32, in evaluation mode. example: one example as a batch; None where the network alone
            is looked into. data: it as it was read. title: what people call it. which: the answer that is asked
            about; None for what the network says. training, validation: kept examples, None where the run has none.
        facts: what else is known of the run, by name: ``history``, ``watched``, ``moments``, ``plan``.
    """

    network: Network
    example: Batch | None = None
    data: Examples | None = None
    title: str = ""
    which: str | None = None
    training: Part | None = None
    validation: Part | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Any:
        return self.network.output.task

    @cached_property
    def raw(self) -> Tensor:  # (R,)
        """The raw answer to the example, as ``predict`` gives it."""
        assert self.example is not None
        with torch.no_grad():
            return self.network.predict(self.example)[0].float()

    @cached_property
    def explained(self) -> Explained:
        """The number of the answer that is looked into."""
        return self.task.explain(self.raw.numpy(), self.which)  # type: ignore[no-any-return]

    @cached_property
    def alone(self) -> str:
        """The name of the solved part where it alone answers, and the trunk adds exactly nothing; else ""."""
        return answers_alone(self.network)

    @property
    def nothing_added(self) -> str | None:
        """Why what looks into the trunk is left out, where it adds nothing to any answer; else None."""
        return f"the trunk adds exactly nothing, and answers come from the {self.alone} alone" if self.alone else None

    @cached_property
    def found(self) -> dict[str, Any]:
        """What several views need, once one of them has worked it out: checks, shuffled networks."""
        return {}

    @cached_property
    def opened(self) -> list[Opened]:
        """The network opened on the example and, where answers are averaged with it, on its mirror image."""
        assert self.example is not None
        mirrored = self.network.mirror_batch(self.example)
        return [self.network.open(one) for one in (self.example, *([] if mirrored is None else [mirrored]))]

    def answers(self, batch: Batch) -> Tensor:  # -> (B,)
        """The explained number of many examples, raw, as ``predict`` gives it."""
        with torch.no_grad():
            return self.network.predict(batch)[:, self.explained.index].float()


def answers_alone(network: Network) -> str:
    """The name of the solved part that alone answers, as the output layer's weights are all 0; "" where none does."""
    solved = network.solved
    return "" if solved is None or any(bool(p.any()) for p in network.output.parameters()) else solved.name


# Whether a view can be made of a subject: None where it can, else why not, for people.
Suits = Callable[[Subject], str | None]


@dataclass(frozen=True)
class View:
    """One way of looking: its word, its title, what it needs, and the function.

    Attributes:
        needs: of ``"example"``, ``"training"``, ``"validation"``; and ``"answer"``, one that is explained. asked:
            whether it is made only where its option is given. place: in the order of a page. either: whether it is made
            of an example and of the network alone.
    """

    word: str
    title: str
    make: Callable[..., Result]
    needs: frozenset[str]
    suits: Suits
    place: int
    asked: bool
    either: bool = False

    def about(self, subject: Subject) -> bool:
        """Whether it is about what is looked into: an example, or the network alone."""
        return self.either or ("example" in self.needs) == (subject.example is not None)

    def has_answer(self, subject: Subject) -> bool:
        """Whether there is one answer to be explained, or it needs none."""
        return "answer" not in self.needs or bool(subject.task.explains)

    def missing(self, subject: Subject) -> str | None:
        """Why it can't be made of a subject, for people; None where it can."""
        if not self.has_answer(subject):
            return "it explains a single answer; this network writes a text, token by token"
        if "example" in self.needs and subject.example is None:
            return "it needs an example"
        for part in ("training", "validation"):
            if part in self.needs and not getattr(subject, part):
                return f"the run keeps no {part} examples"
        return self.suits(subject)

    def __call__(self, subject: Subject, **options: Any) -> Result:
        began = time.perf_counter()
        result = self.make(subject, **options)
        return replace(result, seconds=time.perf_counter() - began)


VIEWS: dict[str, View] = {}

# Reasons why a view is missing that a person can mend, and how; a view's own file adds its own.
REMEDIES: dict[str, str] = {}


def register(
    word: str,
    title: str,
    *,
    place: int,
    needs: Sequence[str] = (),
    suits: Suits = lambda subject: None,
    asked: bool = False,
    either: bool = False,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Add a view to the house: one line above its function."""

    def add(make: Callable[..., Result]) -> Callable[..., Result]:
        if word in VIEWS:
            raise ValueError(f"two views are called '{word}'")
        VIEWS[word] = View(word, title, make, frozenset(needs), suits, place, asked, either)
        return make

    return add


@dataclass(frozen=True)
class LeftOut:
    """A view that could be of this subject and is not: its word and title, why, and what helps ("" for nothing)."""

    word: str
    title: str
    reason: str
    remedy: str


def left_out(subject: Subject) -> list[LeftOut]:
    """The views that are missing for want of something, in the order of a page; not those of other kinds of data."""
    found = []
    for view in sorted(VIEWS.values(), key=lambda view: view.place):
        if not view.has_answer(subject) or not (view.about(subject) or (view.asked and "example" not in view.needs)):
            continue
        lacking = [part for part in ("training", "validation") if part in view.needs and not getattr(subject, part)]
        reason = view.missing(subject)
        if lacking and view.suits(subject) is None:
            why, remedy = subject.facts.get("no examples", (f"the run keeps no {lacking[0]} examples", ""))
            title = f"{view.title} (--{view.word})" if view.asked else view.title
            found.append(LeftOut(view.word, title, why, remedy))
        elif not lacking and reason is not None and (reason == subject.nothing_added or reason in REMEDIES):
            found.append(LeftOut(view.word, view.title, reason, REMEDIES.get(reason, "")))
    return found
