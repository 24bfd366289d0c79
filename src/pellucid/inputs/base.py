"""What every input layer keeps to: encoded arrays → features.

B batch, F fields of a joint kind, D width; *positions is nothing for a vector, T for a sequence, H W for a grid.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Padded
from ..errors import PellucidError
from ..fields import Field
from ..trunks import TRUNKS, Features, Inside, Need
from ..wording import join_words


class Input(nn.Module):
    """An input layer: one for all fields of a joint kind (numbers, categories), else one a field.

    It is made from fitted fields (the constructor keeps what it needs of their states) and gets its layers from
    ``build``, once the trunk has said what it reads.

    Class attributes:
        kind: the field kind it reads.
        offers: the numbers of position axes it can make.
        stand_in: what is read in the place of values that are missing inside of an example, for people.
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
    stand_in: ClassVar[str] = ""

    out_width: int
    positions: int = 0

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

    def describe_gaps(self, value: Any) -> dict[str, str]:
        """Of one example how many of the values inside of it are missing, by field, in words; those with none left out.

        What is read in their place is ``stand_in``.
        """
        return {}

    def unit_names(self) -> list[str]:
        """What each number of the vector, or of each position, that it makes comes from."""
        several = self.positions == 0 and len(self.fields) > 1 and self.out_width % len(self.fields) == 0
        each = self.out_width // len(self.fields) if several else self.out_width
        if not several:
            name = join_words((field.name for field in self.fields), 3)
            return [f"{name} · {k}" for k in range(each)]
        return [f"{field.name} · {k}" for field in self.fields for k in range(each)]

    def term_name(self, source: Sequence[int]) -> str:
        """What one term of its weighted sums comes from.

        Args:
            source: of a map of its own for each field (field, number); of a table its row; of a map the number that
                is read; of a convolution the channel, and how far from the middle.
        """
        name = join_words((field.name for field in self.fields), 3)
        return f"{name} · {source[0]}" + (f" at {shift_text(source[1:])}" if source[1:] else "")

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

    def move_value(self, value: Any, right: int, down: int) -> Any:
        """Encoded values with what they show moved by so many pixels; only of layers that read pictures."""
        raise PellucidError(f"{self.fields[0].traits.noun} can't be moved")

    def cover_value(self, value: Any, rows: slice, columns: slice) -> Any:
        """Encoded values with some of the pixels at their mean in training; only of layers that read pictures."""
        raise PellucidError(f"{self.fields[0].traits.noun} can't be covered")

    def mirror_value(self, value: Any) -> Any | None:
        """The encoded values mirrored left to right, where the plan says that the target stays true; else None."""
        return None

    # -- looking inside: what stands at each place of an example, and what each field says

    def as_numbers(self, value: Any) -> Tensor | None:  # -> (B, *places, C)
        """What stands at each place of encoded values, as numbers that have a gradient; None where nothing has a place.

        Places are the pixels of a photo, the tokens of a text, the steps of a series.
        """
        return None

    def with_numbers(self, value: Any, numbers: Tensor) -> Any:  # (B, *places, C)
        """Encoded values with other numbers at their places, which the layer reads as it reads ``value``."""
        raise NotImplementedError(f"a {self.kind} field has no places")

    def fit_places(self, value: Any, like: Any) -> Any:
        """Encoded values of other examples on as many places as the one example ``like`` has; shorter ones repeat."""
        if not isinstance(value, Padded):
            return value
        return tile_padded(value, like.values.shape[1])

    def hide_places(self, numbers: Tensor, filler: Tensor, hidden: Tensor) -> Tensor:
        # (B, *places, C), (...), (B, *places) -> (B, *places, C)
        """The numbers with ``filler`` where ``hidden`` holds."""
        return torch.where(hidden.unsqueeze(-1), filler, numbers)

    def usual_numbers(self, numbers: Tensor, others: Tensor) -> Tensor:  # (1, *places, C), (N, *places, C) -> (C,)
        """What stands at a place of examples on average; ``numbers`` are those of the example that is looked into."""
        return others.flatten(0, -2).mean(0)

    def sum_places(self, parts: Tensor) -> Tensor:  # (B, *places, C) -> (B, *places)
        """What each place has of an answer, from what each of its numbers has."""
        return parts.sum(-1)

    def leave_out(self, value: Any, filler: Tensor, hidden: Tensor) -> Any:  # (...), (C,), (B, *places)
        """One example B times, each time without the places where ``hidden`` holds: ``filler`` stands there."""
        numbers = self.as_numbers(value)
        assert numbers is not None
        shape = len(hidden), *numbers.shape[1:]
        return self.with_numbers(
            repeat_value(value, len(hidden)), self.hide_places(numbers.expand(shape), filler, hidden)
        )

    def place_axis(self, count: int, patched: bool) -> tuple[np.ndarray, str]:  # -> (count,)
        """Where places lie along time, and in which unit; ``patched``: of what ``forward`` returns, else of numbers."""
        return np.arange(1.0, count + 1), "position"

    @property
    def cell(self) -> tuple[int, ...]:
        """Places that each position of what ``forward`` returns spans, along each axis of positions."""
        return ()

    @property
    def swapped(self) -> list[str]:
        """Names of what ``swap_fields`` swaps: the fields."""
        return [field.name for field in self.fields]

    def parts(self) -> Mapping[str, Sequence[int] | None]:
        """What can be taken from another example by itself, by name: its places on the values' last axis, None for all.

        Channels of a sequence are one example's together: of another length they could not be mixed.
        """
        if len(self.fields) == 1 or self.fields[0].traits.axes:
            return {join_words((field.name for field in self.fields), 3): None}
        ends = np.cumsum(self.sizes).tolist()
        return {f.name: range(end - size, end) for f, size, end in zip(self.fields, self.sizes, ends, strict=True)}

    def swap_fields(self, value: Any, other: Any, chosen: Tensor) -> Any:  # (B, F) bool
        """Encoded values of B examples with the chosen fields of ``other``, as many encoded values."""
        if chosen.shape[1] == 1:
            return swap_examples(value, other, chosen[:, 0])
        if isinstance(value, Padded):
            # Of another length a field is cut, or repeats.
            moved = tile_padded(other, value.values.shape[1], value.lengths)
            swapped = torch.where(chosen.unsqueeze(1), moved.values, value.values)
            # Once all are swapped it is the other example.
            return swap_examples(Padded(swapped, value.lengths), other, chosen.all(1))
        columns = torch.repeat_interleave(chosen, torch.tensor(self.sizes), 1)  # (B, F * P)
        return torch.where(columns, other, value)


INPUTS: dict[str, type[Input]] = {}


def register(layer: type[Input]) -> type[Input]:
    """Add an input layer to the house: one line above its class."""
    if layer.kind in INPUTS:
        raise ValueError(f"two input layers read '{layer.kind}'")
    INPUTS[layer.kind] = layer
    return layer


def shift_text(shift: Sequence[int]) -> str:
    """How far from its own place a sum reads, in steps along each axis.

    >>> shift_text((-1, 0)), shift_text((2,))
    ('(-1, 0)', '+2')
    """
    return f"{shift[0]:+d}" if len(shift) == 1 else f"({', '.join(map(str, shift))})"


def scaled_uniform(*shape: int, fan_in: int) -> nn.Parameter:
    """A parameter of this shape, uniform in ±1/sqrt(fan_in), as torch.nn.Linear starts."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


def repeat_value(value: Any, times: int) -> Any:
    """The encoded value of one example, B times."""
    if isinstance(value, Padded):
        return Padded(repeat_value(value.values, times), repeat_value(value.lengths, times))
    return value.expand(times, *value.shape[1:])


def example_count(value: Any) -> int:
    """Examples in an encoded value."""
    return len(value.values if isinstance(value, Padded) else value)


def usual_value(value: Any) -> Any:
    """One encoded value that is usual among some: means of numbers, the commonest of whole ones.

    Of sequences it is the one of middle length.
    """
    if isinstance(value, Padded):
        middle = value.lengths.argsort(stable=True)[len(value.lengths) // 2]
        return Padded(value.values[middle, None], value.lengths[middle, None])
    if value.dtype == torch.uint8:
        return value.float().mean(0, keepdim=True).round().to(torch.uint8)
    if value.is_floating_point():
        return value.nanmean(0, keepdim=True)
    return value.mode(0, keepdim=True).values


def tile_padded(value: Padded, places: int, lengths: Tensor | None = None, lead: int = 0) -> Padded:
    """Sequences on so many places: longer ones cut, shorter ones repeated, but for the first ``lead`` entries.

    Args:
        lengths: (B,) that they get; all places where not said.
    """
    step = torch.arange(places).unsqueeze(0)  # (1, T)
    again = (value.lengths - lead).clamp_min(1).unsqueeze(1)  # (B, 1)
    index = torch.where(step < lead, step, lead + (step - lead) % again).clamp_max(max(value.values.shape[1] - 1, 0))
    index = index.view(*index.shape, *[1] * (value.values.ndim - 2)).expand(-1, -1, *value.values.shape[2:])
    full = torch.full_like(value.lengths, places) if lengths is None else lengths
    return Padded(value.values.gather(1, index), full)


def swap_examples(value: Any, other: Any, chosen: Tensor) -> Any:  # (B,) bool
    """Encoded values of B examples, with those of ``other`` where ``chosen`` holds."""
    if isinstance(value, Padded):
        longest = max(value.values.shape[1], other.values.shape[1])
        one, two = (lengthen(each.values, longest) for each in (value, other))
        return Padded(swap_examples(one, two, chosen), torch.where(chosen, other.lengths, value.lengths))
    return torch.where(chosen.view(-1, *[1] * (value.ndim - 1)), other, value)


def lengthen(x: Tensor, length: int) -> Tensor:  # (B, T, ...) -> (B, length, ...)
    """Sequences with zeros behind them."""
    return torch.cat([x, x.new_zeros(len(x), length - x.shape[1], *x.shape[2:])], 1)
