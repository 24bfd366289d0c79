"""What an example is made of, as people point at it: squares of a photo, words of a text, stretches of a series.

U such units in an example; *places are the pixels, tokens or steps that an input layer reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data import Examples
from ...inputs import Input
from ...network import Network
from .variants import Sample

# Units of an example at most: of a photo's side, along time, words.
MOST_SQUARES, MOST_STRETCHES, MOST_WORDS = 8, 24, 128


@dataclass(frozen=True)
class Places:
    """The places of one input of an example, and the units that they are parts of.

    Attributes:
        layer: the input's number. unit: (*places) the unit of each place, -1 for none. names: of the units, in order.
    """

    layer: int
    unit: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def sums(self, values: np.ndarray) -> np.ndarray:  # (*places) -> (U,)
        """What each unit has of a value at each place."""
        real = self.unit >= 0
        return np.bincount(self.unit[real], np.asarray(values, np.float64)[real], minlength=len(self))

    def cover(self, hidden: np.ndarray) -> Tensor:  # (S, U) -> (S, *places)
        """The places of the units that are hidden."""
        none = np.zeros((len(hidden), 1), bool)
        return torch.from_numpy(np.concatenate([hidden, none], 1)[:, self.unit])


def layers_with_places(network: Network) -> list[int]:
    """The numbers of the input layers whose values have places with a gradient."""
    return [i for i, layer in enumerate(network.layers) if type(layer).as_numbers is not Input.as_numbers]


def places_of(network: Network, i: int, sample: Sample) -> Places:
    """The units of one input of an example."""
    if (kept := sample.found.get(("places", i))) is None:
        kept = sample.found["places", i] = _find_places(network, i, sample)
    return kept  # type: ignore[no-any-return]


def _find_places(network: Network, i: int, sample: Sample) -> Places:
    layer, key = network.layers[i], network.input_keys()[i]
    with torch.no_grad():
        numbers = layer.as_numbers(sample.batch.inputs[key])
    assert numbers is not None
    shape = tuple(numbers.shape[1:-1])
    if len(shape) == 2:
        return Places(i, squares(*shape), square_names(*shape))
    field = layer.fields[0]
    if field.traits.prose and sample.data is not None:
        words, of = words_of(layer, sample.data, sample.row)
        # The example may be padded, or be cut.
        found = np.full(shape[0], -1)
        found[: len(of)] = of[: shape[0]]
        return grouped_words(i, words, found)
    count = min(shape[0], MOST_STRETCHES)
    axis, unit = layer.place_axis(shape[0], False)
    of = np.arange(shape[0]) * count // max(shape[0], 1)
    ends = [(axis[of == k][0], axis[of == k][-1]) for k in range(count)]
    return Places(i, of, [f"{unit} {a:.4g}" if a == b else f"{unit} {a:.4g} to {b:.4g}" for a, b in ends])


def words_of(layer: Input, data: Examples, row: int) -> tuple[list[str], np.ndarray]:
    """The words of a text, and of each token which of them it is in."""
    field = layer.fields[0]
    return field.traits.words(data.stored_values(field.name), row, field.state or {})


def grouped_words(i: int, words: list[str], of: np.ndarray) -> Places:
    """Words as units; of a long text neighbouring ones together."""
    size = max(1, -(-len(words) // MOST_WORDS))
    names = [" ".join(words[start : start + size]) for start in range(0, len(words), size)]
    return Places(i, np.where(of >= 0, of // size, -1), names)


def squares(height: int, width: int) -> np.ndarray:  # -> (H, W)
    """The square of each pixel, row by row; at most ``MOST_SQUARES`` a side."""
    down, right = min(height, MOST_SQUARES), min(width, MOST_SQUARES)
    return (np.arange(height) * down // height)[:, None] * right + (np.arange(width) * right // width)


def square_names(height: int, width: int) -> list[str]:
    down, right = min(height, MOST_SQUARES), min(width, MOST_SQUARES)
    return [f"row {r + 1}, column {c + 1}" for r in range(down) for c in range(right)]


def to_squares(values: np.ndarray, height: int, width: int) -> np.ndarray:  # (h, w) -> (U,)
    """A map of any grain over a photo, as the mean of each of its squares."""
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    fine = values[rows][:, columns]  # (H, W)
    unit = squares(height, width)
    return np.bincount(unit.ravel(), fine.ravel()) / np.bincount(unit.ravel())
