"""Encoded arrays on the device, and batches of them by row number.

B batch, n examples, m of them, T time (longest of the batch).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch, Padded, encode_groups, encode_target
from ..data.batches.order import in_order
from ..data.parallel.pairs import Pairs
from ..fields import Encoded, Field, Ragged
from ..fields.encoded import Passages, Windows
from .arrays import DenseRows, PassageRows, RaggedRows, Rows, WindowRows, encoded_bytes, place_array, rows_of

if TYPE_CHECKING:
    from ..data import Examples

# Of the device's free memory that data may take: the rest is for weights, optimizer and activations, which are not
# there yet when the data is placed.
DATA_SHARE = 0.4

# Examples in a batch that is answered, at the most, and input values in it: those of as many 32 x 32 photos. A fixed
# 512, however large an image is, was a part of 75% more memory for ten times the photos (docs/LOG.md, 2026-11-22).
ANSWERED_EXAMPLES, ANSWERED_VALUES = 512, 512 * 32 * 32 * 3

# Numbers in the answers to a batch of texts that are read along, 64 MB, by the length that most are shorter than.
READ_LOGITS, LONG_SHARE = 1 << 24, 0.95


class Loader:
    """All examples of a data set, encoded, where batches can be gathered from them fastest.

    Args:
        inputs: encoded inputs by group key, one entry an example.
        target: the encoded target, held like the inputs; None where it is not known.
        device: where batches go. Data lives there too when it fits in ``DATA_SHARE`` of its free memory.
        weight: (n,) how much each example's loss counts, ``sample``: each example in scores; None for all the same.

    Attributes:
        home: the device that the data lives on.
        lengths: (n,) the longest sequence of each example, and what is written of it; None where there is none.
        solved: (n, R) what the network's solved part says of each example; None where that is not known.
    """

    def __init__(
        self,
        inputs: Mapping[str, Encoded],
        target: Encoded | None,
        device: torch.device,
        *,
        weight: np.ndarray | None = None,
        sample: np.ndarray | None = None,
    ):
        self.device, self.sample, self.target = device, sample, target
        size = sum(encoded_bytes(array) for array in (*inputs.values(), *([] if target is None else [target])))
        fits = device.type == "cpu" or size < DATA_SHARE * free_memory(device)
        self.home = device if fits else torch.device("cpu")
        self.arrays = {key: rows_of(array, self.home) for key, array in inputs.items()}
        # Never read from its file row by row: it is small beside the inputs, and scores ask for all of it.
        self._targets = None if target is None else target_rows(target, self.home)
        self.weight = None if weight is None else place_array(weight, self.home)
        # What the network's solved part says of each example, once it is known.
        self.solved: Tensor | None = None
        # By the longest of an example's sequences: it is what its batch is padded to.
        lengths = [array.lengths for array in inputs.values() if isinstance(array, Ragged)]
        self.lengths = np.maximum.reduce(lengths) if lengths else None  # (n,)
        if isinstance(target, Pairs):
            # What is written is padded too.
            self.lengths = target.lengths + (0 if self.lengths is None else self.lengths)

    @classmethod
    def of(cls, data: Examples, fields: Sequence[Field], device: torch.device, **weights: np.ndarray | None) -> Loader:
        """A loader for some data.

        Args:
            fields: fitted; those whose role is target are the target. weights: ``weight`` and ``sample``.
        """
        targets = [field for field in fields if field.role == "target"]
        inputs = encode_groups(data, fields)
        return cls(inputs, encode_target(data, targets) if targets else None, device, **weights)

    @property
    def count(self) -> int:
        """n."""
        array = next(iter(self.arrays.values()))
        return len(array)

    @property
    def forecast_size(self) -> int:
        """Numbers in the raw answer to an example, where what comes next is forecast; else 0."""
        return 2 * self.target.after * self.target.values.shape[1] if isinstance(self.target, Windows) else 0

    @property
    def at_once(self) -> int:
        """How many examples are answered in one batch: fewer where one is large, as its activations are too."""
        values = sum(array.example_values for array in self.arrays.values())
        return max(1, min(ANSWERED_EXAMPLES, ANSWERED_VALUES // max(values, 1)))

    @property
    def read_at_once(self) -> int:
        """The same where each answer holds a number for each token of a text that might stand at each place."""
        if not isinstance(self.target, Pairs) or not len(self.target):
            return self.at_once
        places = int(np.quantile(self.target.lengths, LONG_SHARE))
        return max(1, min(self.at_once, READ_LOGITS // (places * self.target.vocabulary)))

    def batch(self, rows: Tensor, key: Tensor | None = None) -> Batch:
        """The examples ``rows`` (B,), a tensor where the data lives, on the device; ``key`` (B,) as in ``Features``."""
        inputs = {name: self._to_device(array.gather(rows, key)) for name, array in self.arrays.items()}
        target = None if self._targets is None else self._to_device(self._targets.gather(rows, key))
        weight = None if self.weight is None else self._to_device(self.weight.index_select(0, rows))
        solved = None if self.solved is None else self._to_device(self.solved.index_select(0, rows))
        return Batch(inputs, target, rows, None if key is None else self._to_device(key), weight, solved)  # type: ignore[arg-type]

    def targets(self, rows: np.ndarray | Tensor) -> Tensor:  # (m,) -> (m, ...)
        """The targets of some examples, where the data lives; of sequences what is kept of them, (m, K).

        Raises:
            ValueError: for a loader without targets, or with targets of different lengths.
        """
        if isinstance(self._targets, PassageRows | RaggedRows):
            return self._targets.kept(torch.as_tensor(rows, device=self.home))
        if not isinstance(self._targets, DenseRows | WindowRows):
            raise ValueError("there is no target with one value an example")
        return self._targets.gather(torch.as_tensor(rows, device=self.home))

    def kept_target(self, batch: Batch, rows: Tensor) -> Any:  # (B,) -> (B, ...)
        """What is kept of a batch's targets beside the answers to them: all, or of sequences their sizes."""
        return self.targets(rows) if isinstance(batch.target, Padded) else batch.target

    def learn_from(self, rows: np.ndarray) -> None:  # (m,)
        """Say which rows are learned from; see ``PassageRows``."""
        for array in (*self.arrays.values(), self._targets):
            if isinstance(array, PassageRows):
                array.learn_from(rows)

    @contextlib.contextmanager
    def reading_before(self, tokens: int) -> Iterator[None]:
        """Let passages be answered with up to so many tokens of their document read before them."""
        arrays = [array for array in (*self.arrays.values(), self._targets) if isinstance(array, PassageRows)]
        for array in arrays:
            array.lead = tokens
        try:
            yield
        finally:
            for array in arrays:
                array.lead = 0

    def score_weights(self, rows: np.ndarray) -> np.ndarray | None:  # (m,) -> (m,)
        """How much each of ``rows`` counts in scores; None where all count the same."""
        return None if self.sample is None else self.sample[rows]

    def _to_device(self, value: Any) -> Any:
        """A tensor, or padded sequences, on the device of batches."""
        if isinstance(value, Padded):
            return Padded(self._to_device(value.values), self._to_device(value.lengths))
        if value.device.type == self.device.type:
            return value
        # Only pinned memory is copied while the GPU goes on computing.
        return (value.pin_memory() if self.device.type == "cuda" else value).to(self.device, non_blocking=True)

    def in_order(self, rows: np.ndarray, batch_size: int) -> list[Tensor]:
        """Batches for evaluation: every row once, sorted by length where lengths differ."""
        return [torch.from_numpy(part).to(self.home) for part in in_order(rows, batch_size, self.lengths)]


def target_rows(target: Encoded, home: torch.device) -> Rows:
    if isinstance(target, Passages):
        return PassageRows(target, home)
    return DenseRows(target, home) if isinstance(target, np.ndarray) else rows_of(target, home)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a GPU; 0 for a CPU, where data need not be moved."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
