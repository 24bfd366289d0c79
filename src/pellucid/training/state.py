"""``TrainState``: all that a training has to remember between two steps, which is what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import PellucidError
from ..network import Network
from ..planning.plan import Recipe
from ..storage import damage_error
from ..storage.forms import FormError, anything, maybe, number, record, whole
from .optimizer import Optimizer

# Between updates of the averaged weights: an update costs as much as reading all weights, and four steps move them
# little.
AVERAGE_EVERY_STEPS = 4

# Of the weights in their average, at the least: it remembers some 50 updates, 200 steps.
LEAST_EMA_RATE = 1 / 50

# Counted from one look of a training's watch to the next.
LOOKED = ("since_look", "clipped", "passed_over")

# What a checkpoint says beside its tensors. A stranger may have written it, so every value has a form.
META = record(
    {
        "step": whole(0, 10**12),
        "seconds": number(0),
        "evaluating": number(0),
        "stale": whole(),
        "lowest": maybe(number()),
        "skipped": whole(),
        "loss_count": whole(),
        "best_row": anything,
        "lines": whole(),
        **dict.fromkeys(LOOKED, whole()),
    },
    optional=["lines", *LOOKED],
)


class TrainState:
    """The network, its optimizer, the running average and best of its weights, and where the training stands.

    Args:
        network: trained in place. recipe: what to train it with.

    Attributes:
        weights, average, best: the network's tensors by name (but for its solved part's), their running average, the
            best by validation.
        unknown: names of buffers that calibration has yet to choose.
        best_row: the evaluation that found the best; empty before the first.
        step: steps made. seconds: spent so far, over all sittings, from the first word to the last step.
        evaluating: seconds that an evaluation takes. lowest: validation loss.
        stale: evaluations since the validation loss last improved. skipped: steps in a row that were not finite.
        since_look, clipped, passed_over: steps since one was last looked at (see ``Watch``), how many of those had
            their gradient clipped, how many were not finite.
        loss_sum, loss_count: of training losses since the last evaluation.
    """

    def __init__(self, network: Network, recipe: Recipe):
        self.network, self.recipe = network, recipe
        self.optimizer = Optimizer(network, recipe)
        # The tensors themselves, so that a step moves them here too; average and best are copies.
        self.weights = network.weights()
        self.average = {k: v.clone() for k, v in self.weights.items()}
        self.best = {k: v.clone() for k, v in self.weights.items()}
        # Buffers may hold NaN on purpose (thresholds that calibration has not chosen yet): those are not looked at.
        self.unknown = {k for k, v in self.weights.items() if v.is_floating_point() and not v.isfinite().all()}
        self.best_row: dict[str, Any] = {}
        self.step = 0
        self.seconds = 0.0
        self.evaluating = 0.0
        self.stale = 0
        self.lowest = float("inf")
        self.skipped = 0
        self.since_look = self.clipped = self.passed_over = 0
        device = network.device
        # On the device, because reading it there would wait for every step.
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.loss_count = 0
        # What a forward pass may change: running statistics of normalisations.
        hidden = (b for name, b in network.named_buffers() if name.startswith(("trunk.", "parts.", "decoder.")))
        self._buffers = list(hidden)
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
    def update_ema(self) -> None:
        """Every ``AVERAGE_EVERY_STEPS``, move the averaged weights towards the present ones (see ``ema_rate``)."""
        if self.step % AVERAGE_EVERY_STEPS:
            return
        rate = ema_rate(self.step)
        floats = [k for k, v in self.weights.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.average[k] for k in floats], [self.weights[k] for k in floats], rate)
        # Counts have no average: the last one is right.
        for k, v in self.weights.items():
            if not v.is_floating_point():
                self.average[k].copy_(v)

    def check_finite(self) -> None:
        """Raises PellucidError when a weight to be saved is NaN or infinite, unless it was so from the start."""
        saved = [*self.weights.items(), *self.average.items(), *self.best.items(), *self.optimizer.tensors().items()]
        known = [value for name, value in saved if value.is_floating_point() and name not in self.unknown]
        if not torch.stack([value.isfinite().all() for value in known]).all():
            raise PellucidError(
                f"the weights are not finite at step {self.step:,}; they are not saved",
                fix="train again with a smaller --lr",
            )

    def keep_best(self, row: dict[str, Any]) -> None:
        """Keep the present weights as the best ones, with the evaluation ``row`` that says so."""
        self.best_row = dict(row)
        copy_into(self.best, self.weights)

    # -- to and from a checkpoint

    def _named_tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by its name in a checkpoint; the tensors themselves."""
        named = {f"weights.{k}": v for k, v in self.weights.items()}
        named |= {f"average.{k}": v for k, v in self.average.items()}
        named |= {f"best.{k}": v for k, v in self.best.items()}
        named |= {f"optimizer.{k}": v for k, v in self.optimizer.tensors().items()}
        return named | {"loss_sum": self.loss_sum}

    def tensors(self) -> dict[str, np.ndarray]:
        """A checkpoint's arrays by name."""
        return {k: v.detach().cpu().contiguous().numpy() for k, v in self._named_tensors().items()}

    def meta(self) -> dict[str, Any]:
        """A checkpoint's numbers beside its arrays, as JSON, which has no infinity: None for no loss yet."""
        names = ("step", "seconds", "evaluating", "stale", "lowest", "skipped", "loss_count", "best_row", *LOOKED)
        found = {name: getattr(self, name) for name in names}
        return found | {"lowest": None if self.lowest == float("inf") else self.lowest}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, np.ndarray], meta: dict[str, Any], path: Path) -> None:
        """Take over all that a checkpoint of the folder ``path`` holds.

        Raises:
            PellucidError: when it is not one of this network and optimizer.
        """
        # Everything is checked before anything is copied: a damaged checkpoint leaves the state as it was.
        named = self._named_tensors()
        check_tensors(named, tensors, path)
        try:
            META(meta, "meta")
            if meta["best_row"]:
                measured = {"validation_loss": number(), self.network.output.task.watched.name: number()}
                record({"step": whole(), **measured}, anything)(meta["best_row"], "best_row")
        except FormError as error:
            raise damage_error(f"it is damaged ({error})", path) from None
        copy_into(named, {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
        for name in self.meta():
            # Checkpoints of earlier versions have no looks.
            setattr(self, name, meta.get(name, 0) if name in LOOKED else meta[name])
        self.lowest = float("inf") if meta["lowest"] is None else meta["lowest"]


def check_tensors(own: Mapping[str, Tensor], tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Raises PellucidError when ``tensors`` differ from ``own`` in names, shapes or types, or are not finite.

    Values are not looked at where ``own`` is on the device "meta", or is itself not finite: not chosen yet.
    """
    wrong = own.keys() ^ tensors.keys() or {k for k, v in own.items() if not _have_same_form(v, tensors[k])}
    if wrong:
        raise damage_error(f"the weights are not this network's: {min(wrong)[:80]} differs", path)
    for name, value in own.items():
        known = value.is_floating_point() and not value.is_meta and bool(value.isfinite().all())
        if known and not np.isfinite(tensors[name]).all():
            raise damage_error(f"it is damaged: {name} holds values that are not finite", path)


def _have_same_form(one: Tensor, other: np.ndarray) -> bool:
    """Whether shape and type are the same."""
    return tuple(one.shape) == other.shape and str(one.dtype) == f"torch.{other.dtype.name}"


def ema_rate(step: int) -> float:
    """The weight of the present weights when their average is updated at ``step``.

    At first 1 / number of updates, a plain mean, so that the random first weights are soon forgotten; later 1 / 50.
    """
    return max(LEAST_EMA_RATE, 1 / (1 + step / AVERAGE_EVERY_STEPS))


@torch.no_grad()
def copy_into(to: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> None:
    """Write the values of ``source`` into the tensors of the same names in ``to``."""
    for name, value in source.items():
        to[name].copy_(value)


@contextmanager
def use_weights(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Iterator[None]:
    """A context in which the tensors ``own`` of a network hold the values of ``other``; then they get theirs back."""
    present = {name: value.detach().clone() for name, value in own.items()}
    copy_into(own, other)
    try:
        yield
    finally:
        copy_into(own, present)
