"""What every input layer keeps to: encoded arrays → features.

B batch, F fields of a joint kind, D width; *positions is nothing for a vector, T for a sequence, H W for a grid.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import PellucidError
from ..fields import Field
from ..trunks import TRUNKS, Features, Inside, Need


class Input(nn.Module):
    """An input layer: one for all fields of a joint kind (numbers, categories), else one a field.

    It is made from fitted fields (the constructor keeps what it needs of their states) and gets its layers from
    ``build``, once the trunk has said what it reads.

    Class attributes:
        kind: the field kind it reads.
        offers: the numbers of position axes it can make.
        changes: what training may do to its values where the target stays true of them, for ``--augment``.
        settings: names and defaults of the choices ``plan`` may make for it (augmentation, dropout), as JSON.
        shaping: names of those settings which the shapes of its weights hang on: they go with weights that are learned.
        batch_size: examples in a batch at most where this makes most of the input, unless the trunk knows better.
    """

    kind: ClassVar[str]
    offers: ClassVar[tuple[int, ...]]
    settings: ClassVar[Mapping[str, Any]] = {}
    shaping: ClassVar[tuple[str, ...]] = ()
    batch_size: ClassVar[int] = 512
    changes: ClassVar[tuple[str, ...]] = ()

    out_width: int

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__()
        unknown = set(settings) - set(self.settings)
        assert not unknown, f"{type(self).__name__} has no setting {unknown}"
        unfitted = [f.name for f in fields if f.state is None]
        if unfitted:
            raise PellucidError(
                f"the field '{unfitted[0]}' has not learned its scale or vocabulary yet",
                fix="take the fields from data.fitted(), which fits them on the training rows",
            )
        self.fields = tuple(fields)
        # Encoded values of each field on the last axis, where several stand side by side.
        self.sizes = [1] * len(fields)
        self.chosen = {**self.settings, **settings}

    @classmethod
    def plan(cls, hints: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
        """The settings that are planned for it.

        Args:
            hints: of the trunk's recipe. changes: what may be done to its values, some of all inputs' ``changes``.
        """
        return {}

    @classmethod
    def suggest_network(cls, examples: int) -> tuple[str, str]:
        """The name of the trunk that suits so many examples, where this makes most of the input; and why."""
        return "dense", "a table: its columns have no order"

    @classmethod
    def mirrors(cls, settings: Mapping[str, Any]) -> bool:
        """Whether with these settings ``mirror_value`` gives something, so that a prediction takes two passes."""
        return False

    def choose_positions(self, need: Need) -> int:
        """The first number of position axes that the trunk reads and this layer can make."""
        for positions in need.positions:
            if positions in self.offers:
                return positions
        able = [n for n, t in TRUNKS.items() if set(getattr(t, "reads", ())) & set(self.offers)]
        raise PellucidError(
            f"the network reads {need.positions} position axes, but a {self.kind} field makes {self.offers}",
            where=f"field '{self.fields[0].name}'",
            fix=f"choose one of: {', '.join(able)}",
        )

    @abstractmethod
    def build(self, positions: int, need: Need) -> Input:
        """Make the layers; sets ``out_width`` (``need.width`` unless ``positions`` is 0)."""

    @abstractmethod
    def forward(self, value: Any, key: Tensor | None = None) -> Features:  # -> (B, *positions, out_width)
        """Encoded values of one batch → features. ``key`` (B,) is given in training and steers augmentation."""

    def open(self, value: Any) -> tuple[Features, Inside]:  # -> (B, *positions, out_width)
        """``forward``'s result and what went on inside, by the names of ``trunks.glossary``."""
        return self(value), {}

    def reach(self, positions: int, need: Need) -> int:
        """Positions of a sequence that matter together, where the layer knows how many there are; else 0."""
        return 0

    @property
    def frame_shape(self) -> tuple[int, int]:
        """How many frames the longest example of training has, and how many numbers a frame; see ``frames``."""
        raise NotImplementedError(f"a {self.kind} field has no frames")

    def frames(self, value: Any, key: Tensor | None = None) -> tuple[Tensor, Tensor]:  # -> (B, T, C), (B,)
        """Encoded values as numbers along time, zeros where there is none, and the length of each example.

        Raises:
            NotImplementedError: of a layer whose values are no sequences of numbers.
        """
        raise NotImplementedError(f"a {self.kind} field has no frames")

    def config(self) -> dict[str, Any]:
        """The layer as JSON, its weights and the fields' states left out."""
        return {"kind": self.kind, "fields": [f.name for f in self.fields], "settings": self.chosen}

    def mirror_value(self, value: Any) -> Any | None:
        """The encoded values mirrored left to right, where the plan says that the target stays true; else None."""
        return None


INPUTS: dict[str, type[Input]] = {}


def register(layer: type[Input]) -> type[Input]:
    """Add an input layer to the house: one line above its class."""
    if layer.kind in INPUTS:
        raise ValueError(f"two input layers read '{layer.kind}'")
    INPUTS[layer.kind] = layer
    return layer


def scaled_uniform(*shape: int, fan_in: int) -> nn.Parameter:
    """A parameter of this shape, uniform in ±1/sqrt(fan_in), as torch.nn.Linear starts."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))
