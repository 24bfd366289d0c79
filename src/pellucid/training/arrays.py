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
from ..fields.encoded import Passages, Windows
from ..fields.text import START

# Larger maps are read from their file, row by row. A map brings in up to 2 MB at every look, so an epoch in random
# order would soon hold the whole file; of small ones that is wanted.
MAPPED_BYTES = 1 << 28


# Values of a sequence from which on it is not counted as short.
LONG_SEQUENCE = 4096


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

    def gather(self, rows: Tensor, key: Tensor | None = None) -> Tensor:  # (B,) -> (B, ...)
        return self.values.index_select(0, rows)


class RaggedRows:
    """Sequences of different lengths, one an example.

    Args:
        ragged: n of them. home: the device they live on.
    """

    def __init__(self, ragged: Ragged, home: torch.device):
        values = ragged.values
        # Lengths differ: what the longest takes, where that is much, as of recordings. Of texts it counts for nothing.
        longest = int(ragged.lengths.max(initial=0)) * int(np.prod(values.shape[1:]))
        self.example_values = longest if longest >= LONG_SEQUENCE else 0
        self.home = home
        # Where every sequence is empty there is still one value to gather, which the mask then hides.
        self.values = place_array(values if len(values) else np.zeros((1, *values.shape[1:]), values.dtype), home)
        self.starts, self.lengths = place_array(ragged.starts, home), place_array(ragged.lengths, home)

    def __len__(self) -> int:
        return len(self.lengths)

    def gather(self, rows: Tensor, key: Tensor | None = None) -> Padded[Tensor]:  # (B,) -> (B, T, ...)
        own = self.lengths.index_select(0, rows)  # (B,)
        most = max(int(own.max()), 1)
        # Of long sequences an index would take eight bytes for each of their values.
        if self.example_values and self.home.type == "cpu":
            found = self.values.new_zeros(len(own), most, *self.values.shape[1:])
            for i, (start, size) in enumerate(zip(self.starts[rows].tolist(), own.tolist(), strict=True)):
                found[i, :size] = self.values[start : start + size]
            return Padded(found, own)
        places = torch.arange(most, device=self.home)  # (T,)
        index = self.starts.index_select(0, rows).unsqueeze(1) + places  # (B, T)
        beyond = places >= own.unsqueeze(1)  # (B, T)
        found = self.values[index.clamp_max(len(self.values) - 1)]  # (B, T, ...)
        return Padded(found.masked_fill(beyond.view(*beyond.shape, *[1] * (found.ndim - 2)), 0), own)

    def kept(self, rows: Tensor) -> Tensor:  # (B,) -> (B, 1)
        """What is kept of a target: how long it is."""
        return self.lengths.index_select(0, rows).unsqueeze(1).float()


class ArrayFile:
    """The file of a mapped array, read from a place on, so that memory holds no more than what was asked for.

    Args:
        array: all of a file that ``np.load`` mapped, an entry a row.
    """

    def __init__(self, array: np.memmap):
        self.shape, self.dtype, self._offset = array.shape, array.dtype, array.offset
        self.entry_values = int(np.prod(array.shape[1:]))
        self._width = self.entry_values * array.itemsize
        # Open as long as the loader lives, and without a buffer: rows in random order would throw it away each time.
        self._file = open(str(array.filename), "rb", buffering=0)  # noqa: SIM115
        # Offsets are counted from the start of the array, so a view of a part of the file would give other rows.
        assert os.fstat(self._file.fileno()).st_size == self._offset + array.nbytes, "not a whole file"

    def read_into(self, found: np.ndarray, start: int) -> None:  # (m, ...)
        """The entries from ``start`` on. Raises PellucidError when the file was cut short meanwhile."""
        places = found.reshape(-1).view(np.uint8).data
        self._file.seek(self._offset + start * self._width)
        if self._file.readinto(places) != len(places):
            fix = "start again: the values are computed again"
            raise PellucidError("a cache file was cut short", where=str(self._file.name), fix=fix)


class FileRows:
    """The rows of an array in a file, read as they are asked for, so that memory holds no more than a batch.

    Args:
        array: as of ``ArrayFile``.
    """

    def __init__(self, array: np.memmap):
        self._file = ArrayFile(array)
        self.shape, self.dtype, self.example_values = self._file.shape, self._file.dtype, self._file.entry_values

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:  # (B,) -> (B, ...)
        """The entries of ``rows``, read from the file. Raises PellucidError when it was cut short meanwhile."""
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for i, row in enumerate(rows.tolist()):
            self._file.read_into(found[i : i + 1], row)
        return found

    def gather(self, rows: Tensor, key: Tensor | None = None) -> Tensor:  # (B,) -> (B, ...)
        return torch.from_numpy(self[rows.numpy()])


class RaggedFileRows:
    """Sequences of different lengths in a file, read as they are asked for.

    Args:
        ragged: n of them; its values are an array as of ``ArrayFile``.
    """

    def __init__(self, ragged: Ragged):
        assert isinstance(ragged.values, np.memmap)
        self._file = ArrayFile(ragged.values)
        self.starts, self.lengths = ragged.starts, ragged.lengths
        self.example_values = int(ragged.lengths.max(initial=0)) * self._file.entry_values

    def __len__(self) -> int:
        return len(self.lengths)

    def gather(self, rows: Tensor, key: Tensor | None = None) -> Padded[Tensor]:  # (B,) -> (B, T, ...)
        own = self.lengths[rows.numpy()]  # (B,)
        found = np.zeros((len(own), max(int(own.max()), 1), *self._file.shape[1:]), self._file.dtype)
        for i, (start, size) in enumerate(zip(self.starts[rows.numpy()].tolist(), own.tolist(), strict=True)):
            if size:
                self._file.read_into(found[i, :size], start)
        return Padded(torch.from_numpy(found), torch.from_numpy(own))


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

    def __len__(self) -> int:
        return len(self.places)

    def gather(self, rows: Tensor, key: Tensor | None = None) -> Tensor:  # (B,) -> (B, T, C) or (B, T + 1, C)
        index = self.places.index_select(0, rows).unsqueeze(1) + self.offsets  # (B, T)
        low, high = (end.index_select(0, rows).unsqueeze(1) for end in (self.low, self.high))
        outside = (index < low) | (index >= high)  # (B, T)
        found = self.values[index.clamp(0, max(len(self.values) - 1, 0))]  # (B, T, C)
        found = found.masked_fill(outside.unsqueeze(2) | self.hidden, torch.nan)
        return found if self.scale is None else torch.cat([found, self.scale.index_select(0, rows).unsqueeze(1)], 1)


class PassageRows:
    """Passages of documents, one an example: the tokens themselves, or those before them; see ``encoded.Passages``.

    In training a window of T tokens begins up to T - 1 tokens before its passage, as far as what lies there is learned
    from too: where is a function of the example's key, so that in time every token is met at every place.

    Args:
        passages: n of them. home: the device they live on. before: give the token before each one, as a network reads
            them, with START before a document.
    """

    def __init__(self, passages: Passages, home: torch.device, *, before: bool = False):
        self.values = place_array(passages.values if len(passages.values) else np.zeros(1, np.int32), home)
        self.starts, self.ends, self.low = (
            place_array(a, home) for a in (passages.starts, passages.ends, passages.low)
        )
        self.sizes = place_array(passages.sizes, home)  # (n, 2)
        self.span, self.before, self.home = passages.span, before, home
        first = np.full(len(passages), START, np.int32) if passages.first is None else passages.first
        self.first = place_array(first, home)  # (n,)
        # How many tokens before each passage are learned from too: none until ``learn_from`` knows the rows.
        self.room = torch.zeros(len(passages), dtype=torch.int64, device=home)
        # Tokens before each passage that are read and not answered.
        self.lead = 0
        # Answers are a number for each token of the vocabulary, which a batch must hold as well.
        self.example_values = passages.span * max(passages.vocabulary // 4, 64)

    def __len__(self) -> int:
        return len(self.ends)

    def learn_from(self, rows: np.ndarray) -> None:  # (m,)
        """Let windows begin earlier, in passages that are learned from as well: ``rows``."""
        starts, low = self.starts.cpu().numpy(), self.low.cpu().numpy()
        own = np.zeros(len(starts) + 1, bool)
        own[rows] = True
        # A stretch of neighbouring rows begins at a document's beginning, or behind a row that is not learned from.
        begins = ~np.concatenate([[False], own[:-2]]) | (starts == low)
        first = np.maximum.accumulate(np.where(begins, np.arange(len(starts)), 0))
        room = np.minimum(starts - starts[first], self.span - 1)
        self.room = torch.from_numpy(np.where(own[:-1], room, 0)).to(self.home)

    def gather(self, rows: Tensor, key: Tensor | None = None) -> Padded[Tensor]:  # (B,), (B,) -> (B, T)
        start, end = self.starts.index_select(0, rows), self.ends.index_select(0, rows)  # (B,)
        low, lead = self.low.index_select(0, rows), None
        if key is not None:
            room = self.room.index_select(0, rows)
            # A passage longer than a window is met in full: windows may begin behind its first token too.
            places = room + (end - start - self.span).clamp_min(0) + 1
            start = start - room + key.to(self.home) % places
            end = torch.minimum(start + self.span, end)
        elif self.lead:
            lead = torch.minimum(start - low, start.new_tensor(self.lead))
            start = start - lead
        own = end - start  # (B,)
        steps = torch.arange(max(int(own.max()), 1), device=self.home)  # (T,)
        index = start.unsqueeze(1) + steps  # (B, T)
        beyond = steps >= own.unsqueeze(1)
        if self.before:
            found = self.values[(index - 1).clamp(0, len(self.values) - 1)]
            first = self.first.index_select(0, rows).to(found.dtype).unsqueeze(1)
            found = torch.where(index == low.unsqueeze(1), first, found)
        else:
            found = self.values[index.clamp_max(len(self.values) - 1)]
            # What was read before the passage alone is no answer of its own.
            beyond = beyond if lead is None else beyond | (steps < lead.unsqueeze(1))
        return Padded(found.masked_fill(beyond, 0), own)

    def kept(self, rows: Tensor) -> Tensor:  # (B,) -> (B, 2)
        """What is kept of a target: how many tokens and bytes it has."""
        return self.sizes.index_select(0, rows)


class IndexedRows:
    """The entries of other rows by an index, so that one of them stands for several examples.

    Args:
        rows: which are gathered from. index: (n,) the entry of each example, where the rows live.
    """

    def __init__(self, rows: Rows, index: Tensor):
        self.rows, self.index = rows, index
        self.example_values: int = rows.example_values

    def __len__(self) -> int:
        return len(self.index)

    def gather(self, rows: Tensor, key: Tensor | None = None) -> Tensor | Padded[Tensor]:  # (B,) -> (B, ...)
        return self.rows.gather(self.index.index_select(0, rows), key)


Rows = IndexedRows | DenseRows | RaggedRows | FileRows | RaggedFileRows | WindowRows | PassageRows


def rows_of(array: Encoded, home: torch.device) -> Rows:
    """What a step gathers its examples from: ``array`` copied to the device ``home``, or its file.

    The file where it is larger than ``MAPPED_BYTES`` and ``home`` is a CPU.
    """
    if isinstance(array, Windows):
        return WindowRows(array, home)
    if isinstance(array, Passages):
        return PassageRows(array, home, before=True)
    values = array.values if isinstance(array, Ragged) else array
    in_file = home.type == "cpu" and isinstance(values, np.memmap) and values.nbytes > MAPPED_BYTES
    if isinstance(array, Ragged):
        return RaggedFileRows(array) if in_file else RaggedRows(array, home)
    return FileRows(values) if in_file and isinstance(values, np.memmap) else DenseRows(array, home)


def encoded_bytes(array: Encoded) -> int:
    """Bytes of all values, those that say where sequences end left out."""
    return array.values.nbytes if isinstance(array, Ragged | Windows | Passages) else array.nbytes


def place_array(array: np.ndarray, home: torch.device) -> Tensor:
    """The array as a tensor on the device ``home``; on a CPU it shares the array's memory where that is contiguous."""
    # torch warns of read-only arrays, as memory maps are: nothing here writes to them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array if array.flags.c_contiguous else np.ascontiguousarray(array)).to(home)
