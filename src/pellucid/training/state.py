"""Everything that a training has to remember between two steps: what a checkpoint holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from ..planning import Recipe
from .optimizer import Optimizer

AVERAGE_EVERY = 4  # steps between updates of the averaged weights


class State:
    """The network, its optimizer, the running average and best of its weights, and where the training stands.

    Args:
        network: trained in place. recipe: what to train it with.
    """

    def __init__(self, network: Network, recipe: Recipe):
        self.network, self.recipe = network, recipe
        self.optimizer = Optimizer(network, recipe)
        self.weights = network.state_dict()  # the tensors themselves
        self.average = {k: v.clone() for k, v in self.weights.items()}
        self.best = {k: v.clone() for k, v in self.weights.items()}
        self.best_row: dict[str, Any] = {}
        self.step = 0
        self.seconds = 0.0  # spent so far, over all sittings, from the first word to the last step
        self.evaluating = 0.0  # seconds that an evaluation takes
        self.stale = 0  # evaluations since the validation loss last improved
        self.lowest = float("inf")  # validation loss
        self.skipped = 0  # steps left out in a row, because a loss or gradient was not finite
        device = network.device
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)  # since the last evaluation
        self.loss_count = 0
        hidden = (b for name, b in network.named_buffers() if name.startswith(("trunk.", "parts.")))
        self._buffers = list(hidden)  # what a forward pass may change: running statistics
        self._kept = [b.clone() for b in self._buffers]

    @torch.no_grad()
    def keep_buffers(self) -> None:
        """Remember the buffers as they are before a step."""
        if self._buffers:
            torch._foreach_copy_(self._kept, self._buffers)

    @torch.no_grad()
    def put_back_buffers(self) -> None:
        """Undo what a forward pass did to the buffers, because its step does not count."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._kept)

    @torch.no_grad()
    def follow(self) -> None:
        """Move the averaged weights towards the present ones; its memory grows with the training, up to 1 / 50."""
        if self.step % AVERAGE_EVERY:
            return
        rate = max(1 / 50, 1 / (1 + self.step / AVERAGE_EVERY))
        floats = [k for k, v in self.weights.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.average[k] for k in floats], [self.weights[k] for k in floats], rate)
        for k, v in self.weights.items():
            if not v.is_floating_point():
                self.average[k].copy_(v)

    def keep_best(self, row: dict[str, Any]) -> None:
        self.best_row = dict(row)
        copy_into(self.best, self.weights)

    # -- to and from a checkpoint

    def _named(self) -> dict[str, Tensor]:
        named = {f"weights.{k}": v for k, v in self.weights.items()}
        named |= {f"average.{k}": v for k, v in self.average.items()}
        named |= {f"best.{k}": v for k, v in self.best.items()}
        named |= {f"optimizer.{k}": v for k, v in self.optimizer.tensors().items()}
        return named | {"loss_sum": self.loss_sum}

    def tensors(self) -> dict[str, np.ndarray]:
        return {k: v.detach().cpu().contiguous().numpy() for k, v in self._named().items()}

    def meta(self) -> dict[str, Any]:
        names = ("step", "seconds", "evaluating", "stale", "lowest", "skipped", "loss_count", "best_row")
        found = {name: getattr(self, name) for name in names}
        return found | {"lowest": None if self.lowest == float("inf") else self.lowest}

    @torch.no_grad()
    def restore(self, tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
        """Take up where a checkpoint stands; its tensors must be exactly those of this network and optimizer."""
        named = self._named()
        assert named.keys() == tensors.keys(), set(named) ^ set(tensors)
        for name, value in named.items():
            value.copy_(torch.from_numpy(np.array(tensors[name])))
        for name in self.meta():
            setattr(self, name, meta[name])
        self.lowest = float("inf") if meta["lowest"] is None else meta["lowest"]


@torch.no_grad()
def copy_into(to: dict[str, Tensor], source: dict[str, Tensor]) -> None:
    for name, value in source.items():
        to[name].copy_(value)
