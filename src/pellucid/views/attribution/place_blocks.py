"""Values at the places of an input, drawn as what the input is: over the photo, under the words, along time.

*places are the pixels, tokens or steps of an input; *positions are what a trunk makes of them, as coarse as it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ...inputs import Input
from ...network import Network
from ...wording import number_text
from ..blocks import Bars, Block, Curves, Heat, Picture, Words
from .places import Places, grouped_words, places_of, words_of
from .variants import Sample

# Words that a text is drawn with at most; of a longer one neighbouring words stand together.
MOST_BARS = 40


def is_photo(layer: Input) -> bool:
    return layer.fields[0].traits.pictures


def photo_pixels(network: Network, i: int, sample: Sample) -> np.ndarray:  # -> (H, W, C) uint8
    """The photo of an example as the network reads it."""
    value = sample.batch.inputs[network.input_keys()[i]]
    pixels = network.layers[i].as_numbers(value)
    assert pixels is not None
    return pixels[0].clamp(0, 255).round().to(torch.uint8).numpy()


def draw_places(
    network: Network, i: int, sample: Sample, values: np.ndarray, caption: str, unit: str = ""
) -> list[Block]:
    """Values at each place that the layer reads, (*places)."""
    layer = network.layers[i]
    if is_photo(layer):
        return [Picture(caption, photo_pixels(network, i, sample), values)]
    places = places_of(network, i, sample)
    if layer.fields[0].traits.prose:
        return draw_words(places, places.sums(values), caption)
    axis, label = layer.place_axis(values.shape[0], False)
    return [Curves(caption, axis.tolist(), {"": values.tolist()}, label, unit)]


def draw_words(places: Places, values: np.ndarray, caption: str) -> list[Block]:
    return [Words(caption, list(places.names), values.tolist())] if len(places) else []


def draw_positions(
    network: Network, i: int, sample: Sample, values: np.ndarray, cells: tuple[int, ...], caption: str, unit: str = ""
) -> list[Block]:
    """Values at each position that a trunk made of one input, (*positions).

    Args:
        cells: positions of the layer that each of the trunk's spans, along each axis.
    """
    layer = network.layers[i]
    if is_photo(layer):
        pixels = photo_pixels(network, i, sample)
        grid = values if values.ndim == 2 else values[:, None]
        spans = tuple(a * b for a, b in zip((*cells, 1)[:2], layer.cell, strict=True))
        return [Picture(caption, pixels, fit_cells(grid, spans, pixels.shape[:2]))]
    if values.ndim == 2:
        axis, label = position_axis(layer, values.shape[0], cells)
        names = [f"{x:.3g}" for x in axis]
        return [Heat(caption, values.T, column_names=names, row_label="band of pitch", column_label=label)]
    if layer.fields[0].traits.prose and sample.data is not None:
        words, of = words_of(layer, sample.data, sample.row)
        found = np.full(len(values), -1)
        found[: len(of)] = of[: len(values)]
        places = grouped_words(i, words, found)
        return draw_words(places, places.sums(values), caption)
    axis, label = position_axis(layer, len(values), cells)
    return [Curves(caption, axis.tolist(), {"": values.tolist()}, label, unit)]


def position_axis(layer: Input, count: int, cells: tuple[int, ...]) -> tuple[np.ndarray, str]:
    """Where positions lie along time, and in which unit: each in the middle of the layer's own that it spans."""
    axis, label = layer.place_axis(count * cells[0], True)
    return axis.reshape(count, cells[0]).mean(1), label


def fit_cells(values: np.ndarray, cells: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:  # (h, w)
    """A map whose cells span so many pixels, as one that covers a photo: coarse where its cells fit, else by pixel."""
    if tuple(n * c for n, c in zip(values.shape, cells, strict=True)) == tuple(shape):
        return values
    # What a trunk's last cells span beyond the photo is padding.
    return np.kron(values, np.ones(cells))[: shape[0], : shape[1]]


def draw_named(names: Sequence[str], values: np.ndarray, caption: str, label: str, unit: str = "") -> Bars:
    """Named values, the largest first."""
    order = np.argsort(-abs(values), kind="stable")[:MOST_BARS]
    return Bars(caption, [names[k] for k in order], values[order].tolist(), label, unit)


def strongest(
    names: Sequence[str], values: np.ndarray, about: str = "", does: tuple[str, str] = ("adds most", "takes most away")
) -> str:
    """Which of some named values is largest, and which speaks most against, in words.

    Args:
        does: what is said of the one and of the other.
    """
    if not len(values):
        return f"{about}there is nothing to explain"
    high, low = int(np.argmax(values)), int(np.argmin(values))
    found = [f"'{names[high]}' {does[0]} ({number_text(float(values[high]), 3)})"] if values[high] > 0 else []
    if values[low] < 0:
        found.append(f"'{names[low]}' {does[1]} ({number_text(float(values[low]), 3)})")
    return about + (" and ".join(found) or "no part adds to it")


def cells_between(fine: tuple[int, ...], coarse: tuple[int, ...]) -> tuple[int, ...]:
    """Positions of a grid that each position of a coarser one spans, where each was halved, rounded up, some times.

    >>> cells_between((9, 7), (2, 1)), cells_between((40,), (40,))
    ((8, 8), (1,))
    """
    return tuple(span_of(a, b) for a, b in zip(fine, coarse, strict=True))


def span_of(fine: int, coarse: int) -> int:
    span = 1
    while fine > coarse:
        fine, span = -(-fine // 2), 2 * span
    return span
