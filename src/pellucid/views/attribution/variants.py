"""Variants of one example: the same with another value of an input, many at once, and what the network answers.

B variants, R numbers in a raw answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...activity import Progress
from ...data import Examples
from ...data.batches.batch import Batch, Padded
from ...inputs.base import example_count, repeat_value
from ...network import Network
from ..base import Part, Subject

# Input numbers in a batch that is answered, about: activations of more don't stay in the processor's cache.
NUMBERS_AT_ONCE, MOST_AT_ONCE = 400_000, 256


@dataclass(frozen=True)
class Sample:
    """One example with the number of its answer that is asked about.

    Attributes:
        batch: it alone. data: as it was read, and its ``row`` there. index: the number's place in the raw answer.
        found: what has been worked out of it, by name: its places, maps of it.
    """

    batch: Batch
    data: Examples | None
    row: int
    index: int
    found: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


def own_sample(subject: Subject) -> Sample:
    """The subject's own example."""
    assert subject.example is not None
    return Sample(subject.example, subject.data, int(subject.example.rows[0]), subject.explained.index)


def kept_samples(subject: Subject, part: Part, most: int) -> list[Sample]:
    """Some kept examples, spread evenly, each with the answer that the network gives it or that is asked about."""
    rows = spread(len(part), most)
    answers = predict_all(subject.network, part, rows).numpy()
    indices = [subject.task.explain(raw, subject.which).index for raw in answers]
    return [
        Sample(part.batch([row]), part.data, int(part.rows[row]), index)
        for row, index in zip(rows.tolist(), indices, strict=True)
    ]


def spread(count: int, most: int) -> np.ndarray:
    """At most so many of ``count`` rows, spread evenly.

    >>> spread(10, 4).tolist(), spread(2, 4).tolist()
    ([0, 3, 6, 9], [0, 1])
    """
    return np.linspace(0, max(count - 1, 0), min(count, most)).round().astype(np.int64)


@torch.no_grad()
def predict_all(network: Network, part: Part, rows: Sequence[int] | np.ndarray) -> Tensor:  # (m,) -> (m, R)
    """The raw answers to some kept examples."""
    size = min(part.loader.at_once, 128)
    pieces = [np.asarray(rows)[start : start + size] for start in range(0, len(rows), size)]
    return torch.cat([network.predict(part.batch(piece)).float() for piece in pieces])


def variants(batch: Batch, count: int, changed: Mapping[str, Any]) -> Batch:
    """The one example of ``batch`` so many times, with other values of some of its inputs.

    The inputs that stay are there once, and a network reads them once.

    Args:
        changed: encoded values of B examples, by the input's key.
    """
    inputs = {key: changed.get(key, value) for key, value in batch.inputs.items()}
    if not changed:
        inputs = {key: repeat_value(value, count) for key, value in inputs.items()}
    return Batch(inputs, None, np.zeros(count, np.int64))


def answers(network: Network, batch: Batch, index: int) -> np.ndarray:  # -> (B,) float64
    """One number of the raw answer to each of many examples, as ``predict`` gives it; a few at a time."""
    return each_answers([network], batch, index)[0]  # type: ignore[no-any-return]


@torch.no_grad()
def each_answers(networks: Sequence[Network], batch: Batch, index: int) -> np.ndarray:  # -> (N, B) float64
    """The same of networks that differ in what comes after their hidden layers; all else is worked out once."""
    size = at_once(batch)
    pieces = [slice(start, start + size) for start in range(0, len(batch), size)]
    found = []
    with Progress(len(pieces)) as progress:
        for piece in pieces:
            found.append(torch.stack(predict_each(networks, cut_batch(batch, piece), index)).double())
            progress.advance()
    return torch.cat(found, 1).numpy() if found else np.zeros((len(networks), 0))


def predict_each(networks: Sequence[Network], batch: Batch, index: int) -> list[Tensor]:  # -> (B,) of each
    """One number of ``predict`` of networks that differ in what comes after their hidden layers."""
    if len(networks) == 1:
        return [networks[0].predict(batch)[:, index]]
    mirrored = networks[0].mirror_batch(batch)
    sides = [batch, *([] if mirrored is None else [mirrored])]
    read = [networks[0].output_input(side) for side in sides]
    each = []
    for network in networks:
        said = [network.answer(side, f)[:, index] for side, f in zip(sides, read, strict=True)]
        each.append(said[0] if mirrored is None else (said[0] + said[1]) / 2)
    return each


def at_once(batch: Batch) -> int:
    """How many examples like these are answered together."""
    return max(1, min(MOST_AT_ONCE, NUMBERS_AT_ONCE // max(input_numbers(batch), 1)))


def input_numbers(batch: Batch) -> int:
    """Numbers of one example."""
    return sum((v.values if isinstance(v, Padded) else v).shape[1:].numel() for v in batch.inputs.values())  # type: ignore[union-attr]


def cut_batch(batch: Batch, piece: slice) -> Batch:
    """Some of a batch's examples."""
    inputs = {k: v if example_count(v) == 1 else cut_value(v, piece) for k, v in batch.inputs.items()}
    solved = None if batch.solved is None else batch.solved[piece]
    return Batch(inputs, None, batch.rows[piece], solved=solved)


def cut_value(value: Any, piece: slice) -> Any:
    return Padded(value.values[piece], value.lengths[piece]) if isinstance(value, Padded) else value[piece]


def take_rows(value: Any, rows: Tensor) -> Any:
    """Some examples' encoded values."""
    return Padded(value.values[rows], value.lengths[rows]) if isinstance(value, Padded) else value[rows]


def turn_back(network: Network, batch: Batch, values: np.ndarray, i: int = 0) -> np.ndarray:  # (*places) -> (*places)
    """A map over one input of the mirror image, as one over the example itself; ``batch`` is the example."""
    mirrored = network.layers[i].mirror_value(batch.inputs[network.input_keys()[i]])
    # Rows of a photo are mirrored within themselves.
    return values if mirrored is None or values.ndim < 2 else values[:, ::-1]
