"""Encoded arrays that a step gathers its examples from: dense, ragged, windows, or in a file. B batch, T time."""

from __future__ import annotations

import os
import warnings

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Padded
from ..errors import PellucidError
from ..fields import Encoded, Ragged
from ..fields.encoded import Windows

# Larger maps are read from their file, row by row. A map brings in up to 2 MB at every look, so an epoch in random
# order would soon hold the whole file; of small ones that is wanted.
MAPPED_BYTES = 1 << 28


class DenseRows:
    """An array with one entry an example, on a device.

    Args:
        array: (n, ...). home: the device it lives on.
    """

    def __init__(self, array: np.ndarray, home: torch.device):
        self.values = place_array(array, home)
        self.example_values = int(np.prod(array.shape[1:]))

    def __len__(self) -> int:
        return len(self.values)

    def gather(self, rows: Tensor) -> Tensor:  # (B,) -> (B, ...)
        return self.values.index_select(0, rows)


class RaggedRows:
    """Sequences of different lengths, one an example.

    Args:
        ragged: n of them. home: the device they live on.
    """

    # Lengths differ, so how many input values an example has is not known beforehand.
    example_values = 0

    def __init__(self, ragged: Ragged, home: torch.device):
        values = ragged.values
        self.home = home
        # Where every sequence is empty there is still one value to gather, which the mask then hides.
        self.values = place_array(values if len(values) else np.zeros((1, *values.shape[1:]), values.dtype), home)
        self.starts, self.lengths = place_array(ragged.starts, home), place_array(ragged.lengths, home)

    def __len__(self) -> int:
        return len(self.lengths)

    def gather(self, rows: Tensor) -> Padded[Tensor]:  # (B,) -> (B, T, ...)
        own = self.lengths.index_select(0, rows)  # (B,)
        places = torch.arange(max(int(own.max()), 1), device=self.home)  # (T,)
        index = self.starts.index_select(0, rows).unsqueeze(1) + places  # (B, T)
        beyond = places >= own.unsqueeze(1)  # (B, T)
        found = self.values[index.clamp_max(len(self.values) - 1)]  # (B, T, ...)
        return Padded(found.masked_fill(beyond.view(*beyond.shape, *[1] * (found.ndim - 2)), 0), own)


class FileRows:
    """The rows of an array in a file, read as they are asked for, so that memory holds no more than a batch.

    Args:
        array: all of a file that ``np.load`` mapped, an entry a row.
    """

    def __init__(self, array: np.memmap):
        self.shape, self.dtype, self._offset = array.shape, array.dtype, array.offset
        self.example_values = int(np.prod(array.shape[1:]))
        self._width = self.example_values * array.itemsize
        # Open as long as the loader lives, and without a buffer: rows in random order would throw it away each time.
        self._file = open(str(array.filename), "rb", buffering=0)  # noqa: SIM115
        # Offsets are counted from the start of the array, so a view of a part of the file would give other rows.
        assert os.fstat(self._file.fileno()).st_size == self._offset + array.nbytes, "not a whole file"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:  # (B,) -> (B, ...)
        """The entries of ``rows``, read from the file. Raises PellucidError when it was cut short meanwhile."""
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        places = found.reshape(-1).view(np.uint8).data
        for i, row in enumerate(rows.tolist()):
            self._file.seek(self._offset + row * self._width)
            if self._file.readinto(places[i * self._width : (i + 1) * self._width]) != self._width:
                fix = "start again: the values are computed again"
                raise PellucidError("a cache file was cut short", where=str(self._file.name), fix=fix)
        return found

    def gather(self, rows: Tensor) -> Tensor:  # (B,) -> (B, ...)
        return torch.from_numpy(self[rows.numpy()])


class WindowRows:
    """Stretches of arrays in order of time, one an example; see ``encoded.Windows``.

    Args:
        windows: n of them. home: the device they live on.
    """

    def __init__(self, windows: Windows, home: torch.device):
        self.values = place_array(windows.values, home)  # (P, C)
        self.places, self.low, self.high = (place_array(a, home) for a in (windows.places, windows.low, windows.high))
        self.offsets = torch.arange(-windows.before, windows.after, device=home)  # (T,)
        # Columns that are not known ahead are missing from the example's place on.
        self.hidden = (self.offsets >= 0).unsqueeze(1) & ~place_array(windows.ahead, home)  # (T, C)
        self.scale = None if windows.scale is None else place_array(windows.scale, home)
        self.example_values = (windows.before + windows.after) * windows.values.shape[1]

    def gather(self, rows: Tensor) -> Tensor:  # (B,) -> (B, T, C) or (B, T + 1, C)
        index = self.places.index_select(0, rows).unsqueeze(1) + self.offsets  # (B, T)
        low, high = (end.index_select(0, rows).unsqueeze(1) for end in (self.low, self.high))
        outside = (index < low) | (index >= high)  # (B, T)
        found = self.values[index.clamp(0, max(len(self.values) - 1, 0))]  # (B, T, C)
        found = found.masked_fill(outside.unsqueeze(2) | self.hidden, torch.nan)
        return found if self.scale is None else torch.cat([found, self.scale.index_select(0, rows).unsqueeze(1)], 1)


Rows = DenseRows | RaggedRows | FileRows | WindowRows


def rows_of(array: Encoded, home: torch.device) -> Rows:
    """What a step gathers its examples from: ``array`` copied to the device ``home``, or its file.

    The file where it is larger than ``MAPPED_BYTES`` and ``home`` is a CPU.
    """
    if isinstance(array, Ragged):
        return RaggedRows(array, home)
    if isinstance(array, Windows):
        return WindowRows(array, home)
    if home.type == "cpu" and isinstance(array, np.memmap) and array.nbytes > MAPPED_BYTES:
        return FileRows(array)
    return DenseRows(array, home)


def encoded_bytes(array: Encoded) -> int:
    """Bytes of all values, those that say where sequences end left out."""
    return array.values.nbytes if isinstance(array, Ragged | Windows) else array.nbytes


def place_array(array: np.ndarray, home: torch.device) -> Tensor:
    """The array as a tensor on the device ``home``; on a CPU it shares the array's memory where that is contiguous."""
    # torch warns of read-only arrays, as memory maps are: nothing here writes to them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array if array.flags.c_contiguous else np.ascontiguousarray(array)).to(home)
