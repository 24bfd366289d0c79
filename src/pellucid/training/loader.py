"""Encoded arrays on the device, and batches of them by row number.

B batch, n examples, T time (longest of the batch).
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch, Padded
from ..data.batches.order import in_order
from ..errors import PellucidError
from ..fields import Encoded, Ragged

MAPPED = 1 << 28  # bytes; what is larger is read from its file, as every look into a map brings in up to 2 MB

SHARE = 0.4  # of the device's free memory that data may take

AT_ONCE, VALUES = 512, 512 * 32 * 32 * 3  # examples that are answered in one batch, and input values in it


class Loader:
    """All examples of a data set, encoded, where batches can be gathered from them fastest.

    Args:
        inputs: encoded inputs by group key, one entry an example. target: the encoded target, or None.
        device: where batches go. Data lives there too when it fits in ``SHARE`` of its free memory.
        weight: (n,) how much each example's loss counts, ``sample``: each example in scores; None for all the same.
    """

    def __init__(
        self,
        inputs: Mapping[str, Encoded],
        target: np.ndarray | None,
        device: torch.device,
        *,
        weight: np.ndarray | None = None,
        sample: np.ndarray | None = None,
    ):
        self.device, self.sample = device, sample
        size = sum(a.values.nbytes if isinstance(a, Ragged) else a.nbytes for a in inputs.values())
        self.home = device if device.type == "cpu" or size < SHARE * free_memory(device) else torch.device("cpu")
        plain = {k: a for k, a in inputs.items() if not isinstance(a, Ragged)}
        large = {k: a for k, a in plain.items() if isinstance(a, np.memmap) and a.nbytes > MAPPED}
        self.on_disk = {k: FileRows(a) for k, a in large.items() if self.home.type == "cpu"}
        self.dense = {k: self._place_array(a) for k, a in plain.items() if k not in self.on_disk}
        self.ragged = {
            k: (
                self._place_array(a.values if len(a.values) else np.zeros(1, a.values.dtype)),
                self._place_array(a.starts),
                self._place_array(a.lengths),
            )
            for k, a in inputs.items()
            if isinstance(a, Ragged)
        }
        lengths = [a.lengths for a in inputs.values() if isinstance(a, Ragged)]
        self.lengths = np.maximum.reduce(lengths) if lengths else None  # (n,)
        self.target = None if target is None else self._place_array(target)
        self.weight = None if weight is None else self._place_array(weight)

    def _place_array(self, array: np.ndarray) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # read-only memory maps: nothing here writes to them
            return torch.from_numpy(array if array.flags.c_contiguous else np.ascontiguousarray(array)).to(self.home)

    @property
    def at_once(self) -> int:
        """Examples that are answered in one batch: fewer where one is large, as its activations are too."""
        shapes = [a.shape for a in self.dense.values()] + [a.shape for a in self.on_disk.values()]
        values = sum(math.prod(shape[1:]) for shape in shapes)
        return max(1, min(AT_ONCE, VALUES // max(values, 1)))

    def batch(self, rows: Tensor, key: Tensor | None = None) -> Batch:
        """The examples with these row numbers, on the device; ``key`` (B,) as in ``Features.key``."""
        inputs: dict[str, Tensor | Padded] = {
            k: self._to_device(v.index_select(0, rows)) for k, v in self.dense.items()
        }
        inputs |= {k: self._to_device(torch.from_numpy(v[rows.numpy()])) for k, v in self.on_disk.items()}
        for name, (values, starts, lengths) in self.ragged.items():
            own = lengths.index_select(0, rows)  # (B,)
            places = torch.arange(max(int(own.max()), 1), device=self.home)  # (T,), one position even if all are empty
            index = starts.index_select(0, rows).unsqueeze(1) + places  # (B, T)
            padded = values[index.clamp_max(len(values) - 1)].masked_fill(places >= own.unsqueeze(1), 0)
            inputs[name] = Padded(self._to_device(padded), self._to_device(own))
        target = None if self.target is None else self._to_device(self.target.index_select(0, rows))
        weight = None if self.weight is None else self._to_device(self.weight.index_select(0, rows))
        return Batch(inputs, target, rows, None if key is None else self._to_device(key), weight)  # type: ignore[arg-type]

    def score_weights(self, rows: np.ndarray) -> np.ndarray | None:  # (m,) -> (m,)
        """How much each of ``rows`` counts in scores; None where all count the same."""
        return None if self.sample is None else self.sample[rows]

    def _to_device(self, value: Tensor) -> Tensor:
        if value.device.type == self.device.type:
            return value
        return (value.pin_memory() if self.device.type == "cuda" else value).to(self.device, non_blocking=True)

    def in_order(self, rows: np.ndarray, batch_size: int) -> list[Tensor]:
        """Batches for evaluation: every row once, sorted by length where lengths differ."""
        return [torch.from_numpy(part).to(self.home) for part in in_order(rows, batch_size, self.lengths)]


class FileRows:
    """The rows of an array in a file, read as they are asked for, so that memory holds no more than a batch.

    Args:
        array: all of a file that ``np.load`` mapped, an entry a row.
    """

    def __init__(self, array: np.memmap):
        self.shape, self.dtype, self._offset = array.shape, array.dtype, array.offset
        self._width = int(np.prod(self.shape[1:], dtype=np.int64)) * array.itemsize
        self._file = open(str(array.filename), "rb", buffering=0)  # noqa: SIM115  as long as the feed lives
        assert os.fstat(self._file.fileno()).st_size == self._offset + array.nbytes, "no whole file"

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:  # (B,) -> (B, ...)
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        places = found.reshape(-1).view(np.uint8).data
        for i, row in enumerate(rows.tolist()):
            self._file.seek(self._offset + row * self._width)
            if self._file.readinto(places[i * self._width : (i + 1) * self._width]) != self._width:
                fix = "start again: the values are worked out anew"
                raise PellucidError("a file of the cache was cut short", where=str(self._file.name), fix=fix)
        return found


def free_memory(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
