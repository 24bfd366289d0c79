"""The one part of the input that an answer hangs on most: a column of a table, a square of a photo, a whole input."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ...data.batches.batch import Batch, Padded
from ...inputs import Input
from ...network import Network
from ...wording import number_text

# Columns or squares that are tried at once; of more, blocks of them, and then those of the worst block.
AT_ONCE = 64

# Squares along a photo's side, of four pixels at least.
SIDE, PIXELS = 4, 4

# Where less than this share of the naive loss was learned, no part is worth much.
LEARNED = 0.2


@dataclass(frozen=True)
class TellingPart:
    """The part whose loss harms most. harm: what is lost with another example's, beside all that was learned."""

    name: str
    harm: float


def telling_part(network: Network, batch: Batch, naive: float) -> TellingPart:
    """The part of the input that, taken from another example, raises the loss most.

    Args:
        batch: examples with their targets. naive: the loss of the naive answer.
    """
    with torch.no_grad():
        loss = float(network.loss(batch))
        learned = naive - loss
        if not math.isfinite(loss) or learned < LEARNED * naive or learned <= 0:
            return TellingPart("", 0.0)
        # Neighbours often have the same answer: folders of classes are read one by one.
        others = torch.from_numpy(np.random.default_rng(0).permutation(len(batch.rows)))
        parts = []
        for layer, key in zip(network.layers, network.input_keys(), strict=True):
            harm = _harm(network, batch, key, others)
            parts += [(name, harm, index) for name, index in input_parts(layer, batch.inputs[key], harm)]
        # The only part is all that the network reads: of course everything hangs on it.
        found = [(harm(index) - loss, name) for name, harm, index in parts] if len(parts) > 1 else []
    most, name = max(found, default=(0.0, ""))
    return TellingPart(name, most / learned)


Index = tuple[slice | list[int], ...]
Harm = Callable[[Index], float]


def _harm(network: Network, batch: Batch, key: str, others: Tensor) -> Harm:
    """The loss where one part of an input comes from another example, by the part's place in the input's array."""

    def loss(index: Index) -> float:
        value = batch.inputs[key]
        if isinstance(value, Tensor):
            own = (slice(None), *index)
            swapped: Tensor | Padded[Tensor] = value.clone()
            swapped[own] = value[others][own]  # type: ignore[index]
        else:
            swapped = Padded(value.values[others], value.lengths[others])
        return float(network.loss(replace(batch, inputs={**batch.inputs, key: swapped}, solved=None)))

    return loss


def input_parts(layer: Input, value: Tensor | Padded[Tensor], harm: Harm) -> Iterator[tuple[str, Index]]:
    """The parts of one input: its columns or squares, or all of it."""
    names = [field.name for field in layer.fields]
    if isinstance(value, Tensor) and value.ndim == 2:
        columns = list(range(value.shape[1]))
        while len(columns) > AT_ONCE:
            blocks = [block.tolist() for block in np.array_split(columns, AT_ONCE)]
            columns = max(blocks, key=lambda block: harm((block,)))
        for column in columns:
            known = names[column] if len(names) == value.shape[1] else f"{names[0]}, column {column + 1:,}"
            yield f"'{known}'", ([column],)
    elif isinstance(value, Tensor) and value.ndim == 4:
        sides = [max(PIXELS, -(-n // SIDE)) for n in value.shape[1:3]]
        tops, lefts = (range(0, n, side) for n, side in zip(value.shape[1:3], sides, strict=True))
        for top in tops:
            for left in lefts:
                name = f"the {sides[0]} × {sides[1]} pixels of '{names[0]}' at row {top + 1}, column {left + 1}"
                yield name, (slice(top, top + sides[0]), slice(left, left + sides[1]))
    else:
        yield f"'{names[0]}'", ()


def harm_text(part: TellingPart) -> str:
    """What is lost without it, for people."""
    return f"With {part.name} of another example, {number_text(part.harm, 3)} times all that was learned is lost"
