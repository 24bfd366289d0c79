"""The networks of a cross-validation, each of which leaves other rows out: one after the other, or all in one pass.

K networks, B batch, n rows, h rows left out, R numbers in a raw answer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..inputs.number import Number
from ..network import Network
from ..planning.decisions import Decisions
from ..planning.plan import Recipe
from ..training.arrays import DenseRows
from ..training.evaluate import predict_raw
from ..training.loader import Loader
from ..training.loop import Loop
from ..training.optimizer import Adam
from ..training.pacer import Pacer
from ..training.sampler import Sampler
from ..training.state import AVERAGE_EVERY_STEPS, TrainState, ema_rate, use_weights
from ..trunks.layers import Linear

# From then on the learning rate stays, so that every mark could be the end.
WARM_UP_STEPS = 20

# Of examples, which stacked folds hold once a network, since each scales them by its own rows.
MOST_STACKED_BYTES = 1 << 26

# From a fold's training rows, a fresh network and the data encoded with scales that were learned on those rows.
Cast = Callable[[np.ndarray], tuple[Network, Loader]]


class Fold:
    """One network of a cross-validation, and the loop that trains it on all rows but those ``left_out``."""

    def __init__(self, cast: Cast, rows: np.ndarray, left_out: np.ndarray, recipe: Recipe, seed: int):
        network, self.loader = cast(rows)
        self.left_out, self.state = left_out, TrainState(network, recipe)
        sampler, pace = Sampler(self.loader, rows, recipe.batch_size, seed), Pacer(recipe, None, 1)
        self.loop = Loop(self.state, sampler, left_out, Decisions(), pace, lambda s: None, lambda r: None)

    def train_to(self, step: int) -> None:
        """Go on until ``step`` steps have been made."""
        state, loop = self.state, self.loop
        state.network.train()
        while state.step < step:
            loop.train_step(loop.sampler.batch(state.step), warm_up(state.step))

    def predict_left_out(self) -> tuple[Tensor, Tensor]:  # -> (h, R), (h, ...)
        """Raw answers of the averaged weights to the rows that were left out, and their targets."""
        # Averaged, because the rate never cools down here, and because the kept training's average is what is chosen.
        state = self.state
        with use_weights(state.weights, state.average):
            return predict_raw(state.network, self.loader, self.left_out)


def warm_up(step: int) -> float:
    """The share of the full learning rate at ``step``: rising over the first ``WARM_UP_STEPS``, then 1."""
    return min(1.0, (step + 1) / WARM_UP_STEPS)


class FoldsInTurn:
    """Folds that are trained one after the other."""

    def __init__(self, folds: Sequence[Fold]):
        self.folds = folds

    def train_to(self, step: int) -> None:
        """Train every fold until it has made ``step`` steps."""
        for fold in self.folds:
            fold.train_to(step)

    def predict_left_out(self) -> list[tuple[Tensor, Tensor]]:  # -> (h, R), (h, ...) each
        """Each fold's raw answers to the rows it leaves out, and their targets."""
        return [fold.predict_left_out() for fold in self.folds]


class StackedFolds:
    """Folds of small dense networks on numbers, trained in one pass, with every weight stacked: (K, out, in).

    Gives what ``FoldsInTurn`` gives, rounded otherwise. Where a gradient is not finite, that one skips the fold's step;
    here only the entries that are not finite count as 0.

    Args:
        folds: that ``can_be_together``.
    """

    def __init__(self, folds: Sequence[Fold]):
        self.folds, self.step = folds, 0
        # Targets and weights are the same for all; the inputs are scaled by each fold's own rows and stand below.
        self.loader, recipe = folds[0].loader, folds[0].state.recipe
        self.network = stack_networks([fold.state.network for fold in folds])
        self.weights = dict(self.network.named_parameters())  # (K, ...) each
        self.average = {name: value.detach().clone() for name, value in self.weights.items()}
        # The axis of networks comes on top: what was a matrix has three. Five little products at once take hardly
        # longer than one: on a busy machine 5.0 ms a step against 12.5 one by one (five of 90 columns, docs/LOG.md).
        # Stacked layers rather than torch.func's vmap, whose gradients have strides that the fused AdamW kernel
        # misreads.
        matrices = [p for p in self.weights.values() if p.ndim > 2]
        vectors = [p for p in self.weights.values() if p.ndim <= 2]
        self.adam, self.lr = Adam([(matrices, recipe.decay), (vectors, 0.0)], betas=(0.9, recipe.beta2)), recipe.lr
        dense = [dense_arrays(fold.loader) for fold in folds]
        self.values = {key: torch.stack([one[key] for one in dense]) for key in dense[0]}  # (K, n, F) each
        self.among = torch.arange(len(folds)).unsqueeze(1)  # (K, 1)

    def train_to(self, step: int) -> None:
        """Train all folds until they have made ``step`` steps."""
        self.network.train()
        while self.step < step:
            drawn = [fold.loop.sampler.at(self.step) for fold in self.folds]
            rows, keys = (torch.from_numpy(np.stack(some)) for some in zip(*drawn, strict=True))  # (K, B)
            for p in self.weights.values():
                p.grad = None
            losses = self.losses(rows, keys)  # (K,)
            losses.sum().backward()
            self._forget_what_is_not_finite(losses)
            self.adam.step(self.lr * warm_up(self.step))
            self.step += 1
            self._update_averages()

    def raw_answers(self, rows: Tensor, keys: Tensor | None = None) -> Tensor:  # (K, B), (K, B) -> (K, B, R)
        """Each network's raw answers to its own rows; without ``keys`` nothing is dropped."""
        values = {key: value[self.among, rows] for key, value in self.values.items()}
        batch: Batch = Batch(values, None, rows, keys)  # type: ignore[arg-type]
        return self.network.output(self.network.trunk(self.network.trunk_input(batch)), batch)

    def losses(self, rows: Tensor, keys: Tensor) -> Tensor:  # (K, B), (K, B) -> (K,)
        """Each network's mean loss on its own rows, weighted as in any training."""
        target = Batch.of_targets(self.loader.targets(rows.flatten()))
        each = self.network.output.losses(self.raw_answers(rows, keys).flatten(0, 1), target)
        if self.loader.weight is not None:
            each = each * self.loader.weight[rows.flatten()]
        return each.view(rows.shape).mean(1)

    def _forget_what_is_not_finite(self, losses: Tensor) -> None:  # (K,)
        """Set the entries of gradients that are not finite to 0; the other networks of the stack go on."""
        gradients = [p.grad for p in self.weights.values() if p.grad is not None]
        if torch.isfinite(losses.detach().sum() + torch.stack(torch._foreach_norm(gradients)).sum()):
            return
        for gradient in gradients:
            gradient.nan_to_num_(0.0, 0.0, 0.0)

    @torch.no_grad()
    def _update_averages(self) -> None:
        if self.step % AVERAGE_EVERY_STEPS == 0:
            torch._foreach_lerp_(list(self.average.values()), list(self.weights.values()), ema_rate(self.step))

    @torch.no_grad()
    def predict_left_out(self) -> list[tuple[Tensor, Tensor]]:  # -> (h, R), (h, ...) each
        """Each network's raw answers, with its averaged weights, to the rows it leaves out, and their targets."""
        # Folds differ by a row, and a stack needs as many of each: the shorter ones are filled up with repeats.
        most = max(len(fold.left_out) for fold in self.folds)
        rows = torch.from_numpy(np.stack([np.resize(fold.left_out, most) for fold in self.folds]))  # (K, h)
        self.network.eval()
        with use_weights(self.weights, self.average):
            found = self.raw_answers(rows).float().cpu()  # (K, h, R)
        asked = [torch.from_numpy(fold.left_out) for fold in self.folds]
        return [(own[: len(some)], self.loader.targets(some).cpu()) for own, some in zip(found, asked, strict=True)]


def dense_arrays(loader: Loader) -> dict[str, Tensor]:
    """A loader's inputs that are dense and in memory, (n, F) each, by key."""
    return {key: array.values for key, array in loader.arrays.items() if isinstance(array, DenseRows)}


def stack_networks(networks: Sequence[Network]) -> Network:
    """One network with the weights of K, (K, ...) each, for layers that take them (``Linear``).

    Buffers that differ, as the scales of inputs do, become (K, 1, ...); others stay.
    """
    one, all_of_them = copy.deepcopy(networks[0]), [dict(network.named_modules()) for network in networks]
    for name, module in one.named_modules():
        for own in module._buffers:
            buffers = [modules[name]._buffers[own] for modules in all_of_them]
            if any(not torch.equal(buffer, buffers[0]) for buffer in buffers):
                module._buffers[own] = torch.stack(buffers).unsqueeze(1)
        for own in module._parameters:
            values = [modules[name]._parameters[own] for modules in all_of_them]
            module._parameters[own] = nn.Parameter(torch.stack([value.detach() for value in values]))  # type: ignore
    return one


def can_be_together(folds: Sequence[Fold]) -> bool:
    """Whether folds can be stacked: dense networks on numbers alone, on a CPU, by AdamW, alike in every shape."""
    one = folds[0]
    network, recipe, loader = one.state.network, one.state.recipe, one.loader
    usual = not recipe.matrix_lr and not recipe.clip and loader.device.type == "cpu" and len(folds) > 1
    plain = network.vector and all(isinstance(layer, Number) for layer in network.layers)
    if not usual or not plain or not all(isinstance(m, Linear) for m in network.modules() if m._parameters):
        return False
    shapes = {tuple((name, value.shape) for name, value in fold.state.weights.items()) for fold in folds}
    sizes = {fold.loop.sampler.batch_size for fold in folds}
    stacked_bytes = sum(value.nbytes for fold in folds for value in dense_arrays(fold.loader).values())
    # Whole numbers in buffers are places (which fields have gaps): they are not stacked, so they must be the same.
    places = {tuple(str(b.tolist()) for b in fold.state.network.buffers() if b.dtype == torch.int64) for fold in folds}
    return len(shapes) == len(sizes) == len(places) == 1 and stacked_bytes <= MOST_STACKED_BYTES
