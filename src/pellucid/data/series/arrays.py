"""Series in memory: arrays (n, T), (n, C, T) and (n, T, C), lists of arrays of different lengths.

n series, C channels, T values of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ...wording import count_noun
from ..source import ReadOptions
from .series_file import CHANNEL, SERIES, SERIES_KIND, channel_names, list_series
from .smooth import are_series

# Columns that an array is read as where it is not one of series: a kind of theirs says that it is none.
OTHERWISE = ("column_1", "image")

# Channels that an array of series has at most, as a share of their length: else it may be images.
MOST_CHANNELS_SHARE = 0.5


def series_in_memory(x: Any, options: ReadOptions) -> tuple[dict[str, pl.Series], str] | None:
    """Inputs as columns of series, and what they were taken for, in words; None where they are none.

    Arrays are series where a run reads series, where ``kinds`` says so, or where they look it: neighbouring values
    are alike, and no image has such values or such a shape.
    """
    if any(options.kinds.get(name, SERIES_KIND) != SERIES_KIND for name in OTHERWISE):
        return None
    forced = SERIES_KIND in options.kinds.values() or any(_is_series_name(name) for name in options.names)
    array = _as_array(x)
    if array is None:
        return _of_unlike_lengths(x, forced)
    if array.dtype.kind not in "iuf" or not array.size:
        return None
    known = sum(name.startswith(f"{CHANNEL}_") for name in options.names)
    given = array.shape
    array = _channels_first(_as_examples(array, known) if forced else array, known)
    if array.ndim == 2 and (forced or are_series(array)):
        return _columns([[row] for row in array]), _about(given, array, forced, "column_1", "number")
    if array.ndim == 3 and (forced or _look_like_channels(array)):
        return _columns(list(array)), _about(given, array, forced, "image", "image")
    return None


def _is_series_name(name: str) -> bool:
    return name == SERIES or name.startswith(f"{CHANNEL}_")


def _as_array(x: Any) -> np.ndarray | None:
    """A tensor, an array or a list of equally long series as an array; None for series of unlike lengths."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        # NumPy has no such numbers.
        x = (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    if isinstance(x, np.ndarray) and x.dtype != object:
        return x
    if isinstance(x, (list, tuple)) and len(x) and all(isinstance(one, (int, float)) for one in x):
        return np.asarray(x)
    items = _items(x)
    if items is None or len({one.shape for one in items}) > 1:
        return None
    return np.stack(items)


def _items(x: Any) -> list[np.ndarray] | None:
    """The series of a list, or of an array of objects, one by one; None where they are anything else."""
    if not isinstance(x, (list, tuple, np.ndarray)) or not len(x):
        return None
    found = []
    for one in x:
        one = one.detach().cpu().numpy() if hasattr(one, "detach") else one
        if not isinstance(one, (np.ndarray, list, tuple)):
            return None
        try:
            array = np.asarray(one)
        # Lists within lists, of unlike lengths.
        except ValueError:
            return None
        if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
            return None
        found.append(array)
    return found


def _of_unlike_lengths(x: Any, forced: bool) -> tuple[dict[str, pl.Series], str] | None:
    items = _items(x)
    if items is None or len({one.ndim for one in items}) > 1:
        return None
    if items[0].ndim == 2 and len({len(one) for one in items}) > 1 and len({one.shape[1] for one in items}) == 1:
        items = [one.T for one in items]
    rows = [[one] if one.ndim == 1 else list(one) for one in items]
    if len({len(row) for row in rows}) > 1:
        return None
    # Lists of a few whole numbers are labels; pixels are never below 0.
    if not forced and all(one.dtype.kind in "iu" for one in items):
        return None
    if not forced and items[0].ndim == 2 and not any(_no_pixels(one) for one in items):
        return None
    low, high = (fit(one.shape[-1] for one in items) for fit in (min, max))
    channels = f" of {count_noun(len(rows[0]), 'channel')}" if len(rows[0]) > 1 else ""
    return _columns(rows), f"{len(items):,} series{channels}, {low:,} to {high:,} values long"


def _as_examples(array: np.ndarray, channels: int) -> np.ndarray:
    """The array with an axis of examples, where a single series was given."""
    if array.ndim == 1 or (array.ndim == 2 and channels > 1 and channels in array.shape):
        return array[None]
    return array


def _channels_first(array: np.ndarray, channels: int) -> np.ndarray:  # (n, C, T) or (n, T, C) -> (n, C, T)
    """The array with time on its last axis: where a run's channels are, else where neighbours are alike.

    Args:
        channels: that a run reads; 0 where nobody knows.
    """
    if array.ndim != 3:
        return array
    turned = array.swapaxes(1, 2)
    if channels:
        return turned if array.shape[1] != channels == array.shape[2] else array
    looks = array.dtype.kind in "iuf" and array.size and not _look_like_channels(array) and _look_like_channels(turned)
    # Photos have as many channels as series may.
    return turned if looks and _no_pixels(array) else array


def _look_like_channels(array: np.ndarray) -> bool:  # (n, C, T)
    _, channels, length = array.shape
    narrow = channels <= MOST_CHANNELS_SHARE * length
    return narrow and (channels < 4 or _no_pixels(array)) and are_series(array.reshape(-1, length))


def _no_pixels(array: np.ndarray) -> bool:
    """Whether there are values that no pixel has: below 0, missing, or beyond a byte."""
    return bool((~np.isfinite(array)).any() or (array < 0).any() or (array > 255).any())


def _columns(rows: Sequence[Sequence[np.ndarray]]) -> dict[str, pl.Series]:
    """A column for each channel of n series."""
    names = channel_names(len(rows[0]))
    return {name: list_series(name, [np.asarray(row[i]) for row in rows]) for i, name in enumerate(names)}


def _about(given: tuple[int, ...], array: np.ndarray, forced: bool, name: str, kind: str) -> str:  # (n, T), (n, C, T)
    """What an array of the shape ``given`` is taken for, and how to have it read otherwise."""
    shape = array.shape
    channels = f" of {count_noun(shape[1], 'channel')}" if len(shape) == 3 else ""
    text = f"{given} is read as {shape[0]:,} series{channels}, {shape[-1]:,} values long"
    return text if forced else f"{text}, since neighbouring values are alike; otherwise: kinds={{'{name}': '{kind}'}}"
