"""What every output layer keeps to: features → raw answers and their loss; the rest is its task's.

B batch, n examples, D width, R numbers in a raw answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..errors import PellucidError, UsageError, unknown_name
from ..fields import Field, kind_named
from ..storage.forms import Form
from ..tasks.base import Task
from ..trunks import Features, Inside, Need


class Output(nn.Module):
    """The head of a network, with weights; ``task`` is all else that hangs on the kind of answer, without torch.

    Class attributes:
        name: the word the user types (``--output``).
        task_type: what its answers are.
        settings: names and defaults of the choices ``plan`` may make for it, as JSON. bounds: forms of those that are
            held to more than their default says.
        positive: names of buffers that no training leaves at 0 or below; a file in which they are is damaged.
        remedy: what a user can do who asked for it where it suits no target.
        carried: its maps that are taken over from another run whole, where answers are not classes with names.
        halved: by how much ``selection_losses`` must be less after half as many steps, for these to be chosen.

    Args:
        fields: the targets, fitted. metric: another main metric than the usual one.
    """

    name: ClassVar[str]
    task_type: ClassVar[type[Task]]
    positive: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[Mapping[str, Any]] = {}
    bounds: ClassVar[Mapping[str, Form]] = {}
    remedy: ClassVar[str] = ""
    carried: ClassVar[tuple[str, ...]] = ("layer",)
    halved: ClassVar[float] = 0.0

    # Whether its final answers are written one token after the other, which takes long.
    writes: ClassVar[bool] = False

    # Whether the network has a decoder for it, which looks at every position of every input and reads what the output
    # makes of the target (``Output.shifted``).
    decodes: ClassVar[bool] = False

    # What trunks have a recipe for where the answer decides it rather than the input; empty where the input does.
    family: ClassVar[str] = ""

    # Validation examples that are answered at each look: more would be answered for longer than is trained.
    most_watched = 50_000

    # How many answers of a solved part its own is added to; 0 without one. Set by the network.
    adds = 0

    def __init__(self, fields: Sequence[Field], *, metric: str | None = None, **settings: Any):
        super().__init__()
        assert not set(settings) - set(self.settings), f"{self.name} has no setting {set(settings)}"
        if any(f.state is None for f in fields):
            raise PellucidError(
                f"the target '{fields[0].name}' has not been fitted yet", fix="take the fields from data.fitted()"
            )
        self.fields = tuple(fields)
        self.chosen = {**self.settings, **settings}
        self._task = self.task_type(fields, metric)
        for name, value in self._task.learned.items():
            self.register_buffer(name, torch.from_numpy(np.array(value)))

    @property
    def task(self) -> Any:
        """The output's task, with what the buffers hold by now."""
        # Taken from the buffers at every look, since loading a run writes into them.
        own = self._task
        own.learned = {name: getattr(self, name).detach().cpu().numpy() for name in own.learned}
        return own

    def calibrate(self, raw: Tensor, target: Tensor) -> None:  # (n, R), (n, ...)
        """Learn from raw answers and targets of validation how sure to be; kept in buffers."""
        own = self.task
        own.calibrate(raw, target)
        for name, value in own.learned.items():
            getattr(self, name).copy_(torch.from_numpy(np.array(value)))

    @classmethod
    def plan(cls, hints: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that are planned for it, from the ``hints`` of the trunk's recipe."""
        return {}

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        """Why this output suits a target and its inputs, in words; None when it does not."""
        return f"'{target.name}' is a {cls.task_type.kind}" if target.kind == cls.task_type.kind else None

    @classmethod
    def suggest_network(cls) -> tuple[str, str] | None:
        """The name of the trunk that suits it, and why, where the answer decides it rather than the input."""
        return None

    def wanted_epochs(self, weights: int, examples: int) -> float | None:
        """Passes over so many examples that a network of so many weights should have; None for those of the recipe."""
        return None

    @classmethod
    def family_of(cls, target: Field) -> str:
        """``family``, by what ``target`` is."""
        return cls.family

    def need(self) -> Need:
        """What it asks of the trunk."""
        return Need()

    @abstractmethod
    def build(self, width: int) -> Output:
        """Make the output layer for features of ``width``."""

    @property
    def decoded_positions(self) -> int:
        """How many positions before it a decoder should see from each."""
        return 0

    def build_entry(self, width: int) -> None:
        """Make what a decoder reads, of this ``width``; only of outputs that decode."""
        raise NotImplementedError(f"the output '{self.name}' has no decoder")

    def complete(self, network: Any, batch: Batch) -> Batch:
        """The batch with the targets that a decoder reads: where they are not known, those that ``network`` writes."""
        return batch

    def shifted(self, batch: Batch) -> Features:  # -> (B, T, D)
        """What a decoder reads, place by place; only of outputs that decode."""
        raise NotImplementedError(f"the output '{self.name}' has no decoder")

    @abstractmethod
    def forward(self, f: Features, batch: Batch) -> Tensor:  # (B, D), or (B, *positions, D) if it needs every one
        """Raw answers (B, R): logits, or standardised numbers. ``batch`` is what was read, target and all."""

    def add_solved(self, raw: Tensor, solved: Tensor, f: Features) -> Tensor:  # (B, R), (B, R) -> (B, R)
        """A network's answer, of what its output layer says and what its solved part does; here their sum."""
        return raw + solved

    def open(self, f: Features, batch: Batch) -> tuple[Tensor, Inside]:  # (B, D) -> (B, R)
        """``forward``'s result and what went on inside, by the names of ``trunks.glossary``."""
        return self(f, batch), {}

    def unit_of(self, index: int) -> int:
        """Which row of the output's linear map makes the number ``index`` of a raw answer; of heads, of each head."""
        return index

    @abstractmethod
    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # (B, R) -> (B,)
        """The loss of each example; the caller divides their sum by ``count`` of the whole batch.

        Args:
            raw: answers. batch: its target is what was right.
            f: what the answers were made from; None of answers that were kept.
        """

    def keep(self, raw: Tensor, batch: Batch) -> Tensor:  # (B, ...) -> (B, R)
        """What is kept of a batch's answers for losses and metrics; all of them, unless they are too many."""
        return raw

    def final_answers(self, network: Any, batch: Batch) -> Tensor:  # -> (B, R)
        """What is kept of a batch's answers as they are predicted, rather than looked at while training.

        Args:
            network: that this is the output of.
        """
        return self.keep(network.predict(batch).float(), batch)

    @contextmanager
    def writing(self, how: Any) -> Iterator[None]:
        """A context in which texts are written as ``how`` says; of outputs that write none nothing is different."""
        yield

    def counts(self, batch: Batch) -> Tensor:  # -> (B,)
        """How much each example's loss is the sum of: 1, or tokens where each of them has a loss of its own."""
        return torch.ones(len(batch.rows))

    def count(self, batch: Batch) -> float:
        """By how much the summed losses of a batch are divided: the sum of ``counts``.

        Of a batch in parts it is that of the whole, so that cutting it changes nothing but rounding.
        """
        return float(self.counts(batch).sum())

    def selection_losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, R), (n, ...) -> (n,)
        """The cost of each left-out example by which cross-validation finds the number of steps; here the losses."""
        return self.losses(raw, Batch.of_targets(target))

    def calibrated_losses(self, raw: Tensor, target: Tensor) -> Tensor | None:  # (n, R), (n, ...) -> (n,)
        """The losses once how sure to be has been mended, where ``selection_losses`` can't tell; else None."""
        return None

    def config(self) -> dict[str, Any]:
        """The output as JSON, its weights and the fields' states left out."""
        # The usual metric is left out: runs from before there was a choice have none.
        metric = self._task.metric
        settings = {**self.chosen, **({} if metric == self.task_type.metric else {"metric": metric})}
        return {"name": self.name, "fields": [f.name for f in self.fields], "settings": settings}


OUTPUTS: dict[str, type[Output]] = {}


def register(output: type[Output]) -> type[Output]:
    """Add an output to the house: one line above its class."""
    if output.name in OUTPUTS:
        raise ValueError(f"two outputs are called '{output.name}'")
    OUTPUTS[output.name] = output
    return output


def output_for(target: Field, inputs: Sequence[Field], name: str | None = None) -> tuple[type[Output], str]:
    """The output that suits a target and its inputs, and why.

    Raises:
        UsageError: for a name that is not known.
        PellucidError: when none suits, or the named one does not.
    """
    if name is not None:
        if name not in OUTPUTS:
            raise UsageError(unknown_name("output", name, OUTPUTS))
        reason = OUTPUTS[name].accepts(target, inputs)
        if reason is None:
            what = f"the output '{name}' cannot predict '{target.name}', {kind_named(target.kind).noun}"
            rows = target.traits.moments
            fix = "leave --horizon or --output out" if rows else "name another with --output, or leave it out"
            raise PellucidError(what, fix=OUTPUTS[name].remedy or fix)
        return OUTPUTS[name], reason
    for output in OUTPUTS.values():
        reason = output.accepts(target, inputs)
        if reason is not None:
            return output, reason
    known = ", ".join(sorted({o.task_type.kind for o in OUTPUTS.values()}))
    raise PellucidError(
        f"there is no output for '{target.name}', {kind_named(target.kind).noun}; known targets: {known}",
        fix=f"choose another --target, or set its kind with --kind {target.name}=category",
    )
