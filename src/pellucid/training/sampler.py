"""Which examples each step sees. B batch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..data.batches.order import example_keys, shuffled_batches
from .loader import Loader


class Sampler:
    """Which examples each step sees: a pure function of (seed, step).

    Args:
        loader: where the examples are. rows: the training rows. batch_size: examples a step, at the most.

    Attributes:
        steps: of one epoch.
    """

    def __init__(self, loader: Loader, rows: np.ndarray, batch_size: int, seed: int):
        self.loader, self.rows, self.seed = loader, rows, seed
        self.batch_size = min(batch_size, len(rows))
        self._epoch = -1
        # The rows (B,) of each step of the present epoch, and their keys (B,). One epoch is kept, since steps go
        # through them in order; any other is worked out anew.
        self._steps: list[tuple[np.ndarray, np.ndarray]] = []
        self.steps = len(self._epoch_batches(0))
        loader.learn_from(rows)

    def _epoch_batches(self, epoch: int) -> list[tuple[np.ndarray, np.ndarray]]:  # (B,), (B,) each
        """The rows and keys of every step of an epoch."""
        if epoch != self._epoch:
            rows = shuffled_batches(
                self.rows, seed=self.seed, epoch=epoch, batch_size=self.batch_size, lengths=self.loader.lengths
            )
            # All keys of an epoch at once: batch by batch, hashing took a part of a small table's step.
            key = example_keys(np.concatenate(rows), self.seed, epoch)
            ends = np.cumsum([len(batch) for batch in rows])[:-1]
            self._steps = list(zip(rows, np.split(key, ends), strict=True))
            self._epoch = epoch
        return self._steps

    def _keep_home(self, array: np.ndarray) -> Tensor:
        """An array as a tensor where the loader's data lives."""
        return torch.from_numpy(array).to(self.loader.home)

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray]:  # -> (B,), (B,)
        """The rows of one step, and their keys for augmentation and dropout."""
        epoch, place = divmod(step, self.steps)
        return self._epoch_batches(epoch)[place]

    def batch(self, step: int) -> Batch:
        """The batch of one step."""
        rows, key = self.at(step)
        return self.loader.batch(self._keep_home(rows), self._keep_home(key))
