"""What every solved part keeps to: a classical model that is solved outright, and that a network begins with.

What a network answers is what its solved part says and what its trunk adds, whose output layer begins at zero: step 0
is the solved part alone. In training each row sees what the solved part says when it was left out of it, as in
stacking (Wolpert, "Stacked generalization", 1992); all other rows see the part solved on all training rows.

B batch, n examples, R numbers in a raw answer, T places, J answers of one part.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..errors import UsageError, unknown_name
from ..fields import Field
from ..inputs import INPUTS, Input
from ..outputs import Output

# How bad raw answers (n, R) to targets (n, ...) are.
Measure = Callable[[Tensor, Tensor], float]


class Rows(Protocol):
    """Where a part gets its examples from: a loader."""

    weight: Tensor | None
    home: torch.device

    @property
    def arrays(self) -> Mapping[str, Any]: ...

    @property
    def target(self) -> Any: ...

    def batch(self, rows: Tensor) -> Batch: ...

    def targets(self, rows: np.ndarray) -> Tensor: ...


class SolvedPart(nn.Module):
    """A classical model with nothing to train: buffers alone, filled by ``solve`` or from a file.

    Class attributes:
        name: what it is called, ``"random convolutions"``; also a key of ``SOLVED``.
        settings: names and defaults of what is decided about it before it is solved, as JSON.
        smooth: whether what it says has a gradient with respect to its inputs.
        stand_in: what it reads in the place of a missing value, for people; "" where it is as the input layer has it.

    Args:
        inputs, targets: the network's fields, fitted.
    """

    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}
    smooth: ClassVar[bool] = True
    stand_in: ClassVar[str] = ""

    def __init__(self, inputs: Sequence[Field], targets: Sequence[Field], **settings: Any):
        super().__init__()
        assert not set(settings) - set(self.settings), f"{self.name} has no setting {set(settings)}"
        self.chosen = {**self.settings, **settings}
        self.targets, self.classes = tuple(targets), targets[0].traits.one_class

    @property
    def answers(self) -> int:
        """R."""
        return len((self.targets[0].state or {})["values"]) if self.classes else len(self.targets)

    @classmethod
    @abstractmethod
    def suits(cls, inputs: Sequence[Field], targets: Sequence[Field], output: type[Output]) -> str | None:
        """Why this part suits a network of these fields, in words; None when it does not."""

    @classmethod
    def usual(cls, inputs: Sequence[Field]) -> bool:
        """Whether a network of these fields begins with it unasked."""
        return True

    @classmethod
    @abstractmethod
    def settings_for(cls, rows: int, seed: int) -> dict[str, Any]:
        """The settings for so many training rows."""

    def within(self, rows: Rows, train: np.ndarray, total: int, seconds: float) -> dict[str, Any]:
        """The settings with which solving it, and answering ``total`` rows, takes at most about so many seconds."""
        return dict(self.chosen)

    @abstractmethod
    def solve(
        self, rows: Rows, train: np.ndarray, others: np.ndarray, *, validation: np.ndarray, error: Measure
    ) -> Tensor | None:
        """Solve it on the rows ``train`` (m,), once; its buffers then hold what ``forward`` needs.

        Args:
            others: (k,) rows that are answered besides; nothing is chosen on them.
            validation: rows that may be chosen on, with ``error``.

        Returns:
            (m + k, R) answers on the CPU: to each of ``train`` with that row left out, to ``others`` as ``forward``.
            None where they are too many to be kept: then ``forward`` is asked in every batch, and answers each of
            ``batch.rows`` as left out while it is in training (``self.training``).
        """

    def left_out(self, train: np.ndarray) -> np.ndarray:  # (m,) -> (k,)
        """Those of the training rows that are answered with themselves left out, once it is solved.

        A trunk learns from these alone: of what the part says of rows that it has seen it would learn to trust it too
        much. Empty where no row could be left out; then no trunk can be trained on top of it.
        """
        return train

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What was chosen, as JSON, for the record and for people."""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:  # -> (B, R)
        """Raw answers as the output's own: logits, or standardised numbers."""

    @property
    def answer_count(self) -> int:
        """J: how many answers ``several`` gives. Known once it is solved."""
        return 1

    def several(self, batch: Batch) -> Tensor:  # -> (B, R) or (B, T, J, R)
        """The answers that an output adds to (``Output.add_solved``), the one of ``forward`` last."""
        return self(batch)

    def last(self, several: Tensor) -> Tensor:  # -> as ``forward``
        """The answer of ``forward`` among ``several``."""
        return several

    def check_values(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Raises forms.FormError for tensors of a file that no solving gives.

        They come from a stranger's file; names, shapes and types are known to be right.
        """

    def check_rows(self, count: int) -> None:
        """Raises forms.FormError where it was solved on other data than that of ``count`` rows, as its tensors say."""

    def read_vectors(self, batch: Batch) -> Tensor | None:  # -> (B, F)
        """The numbers that its answers are a map of, by which examples are alike to it; None where it has none."""
        return None

    def config(self) -> dict[str, Any]:
        """The part as JSON, its tensors left out."""
        return {"name": self.name, "settings": self.chosen}


SOLVED: dict[str, type[SolvedPart]] = {}


def register(part: type[SolvedPart]) -> type[SolvedPart]:
    """Add a solved part to the house: one line above its class."""
    if part.name in SOLVED:
        raise ValueError(f"two solved parts are called '{part.name}'")
    SOLVED[part.name] = part
    return part


def solved_for(inputs: Sequence[Field], targets: Sequence[Field], output: type[Output]) -> tuple[str, str] | None:
    """The name of the part that suits a network of these fields, and why; None where none does."""
    for name, part in SOLVED.items():
        if why := part.suits(inputs, targets, output):
            return name, why
    return None


def part_named(name: str) -> type[SolvedPart]:
    """A part by its name. Raises UsageError for one that is not known."""
    if name not in SOLVED:
        raise UsageError(unknown_name("solved part", name, SOLVED))
    return SOLVED[name]


def input_fields(fields: Sequence[Field]) -> list[Field]:
    """Those of a network's fields that it reads."""
    return [field for field in fields if field.is_input]


def frames_layer(fields: Sequence[Field]) -> Input:
    """An input layer that gives the fields' values along time; it is not built, and has nothing to learn."""
    return INPUTS[fields[0].kind](list(fields))
