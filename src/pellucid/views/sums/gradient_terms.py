"""The gradient of one weight as the sum that it is: δ, the loss's slope by each sum, times a, what the weight read.

B examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...data.batches.batch import Batch
from ...network import Network
from ...trunks.opened import Opened
from .arithmetic import Recording, recorded
from .products import Product
from .term_names import position_text


@dataclass(frozen=True)
class GradientTerms:
    """∂L/∂w of one weight.

    Attributes:
        slope: by autograd. loss: L, the mean over the batch. deltas, values: (K,) δ and a of every term that is not 0;
            values are 1 where the weight is added to a sum, and where terms are whole examples. examples: (K,) of
            which example each is. places: where in the example, in words. whole: whether each term is all that one
            example says, because the weight is part of no weighted sum.
    """

    slope: float
    loss: float
    deltas: np.ndarray
    values: np.ndarray
    examples: np.ndarray
    places: list[str]
    whole: bool = False

    @property
    def products(self) -> np.ndarray:
        return self.deltas * self.values

    @property
    def residual(self) -> float:
        """How far the terms' sum is from autograd's, as a share of all that is added up."""
        scale = max(float(abs(self.products).sum()), abs(self.slope), 1e-30)
        return abs(float(self.products.sum()) - self.slope) / scale


def batch_losses(network: Network, opened: Opened, batch: Batch) -> Tensor:  # -> (B,)
    """Each example's share of the batch's mean loss; they add up to it."""
    output = network.output
    losses = output.losses(opened.answer, batch, None)
    losses = losses if batch.weight is None else losses * batch.weight
    return losses / output.count(batch)


def gradient_terms(network: Network, batch: Batch, parameter: str, index: tuple[int, ...]) -> GradientTerms:
    """The gradient of one weight on a batch with known targets, term by term.

    The network is in evaluation mode and its parameters need gradients: pass a copy.
    """
    return RecordedLoss(network, batch).terms(parameter, index)


class RecordedLoss:
    """The loss of a batch with known targets, every weighted sum on the way to it, and the slopes by all of them.

    Args:
        network: in evaluation mode, and its parameters need gradients: pass a copy.
    """

    def __init__(self, network: Network, batch: Batch):
        self.network, self.batch = network, network.to_tensors(batch)
        with torch.enable_grad():
            self.recording, opened = recorded(network, lambda: network.open(self.batch))
            self.shares = batch_losses(network, opened, self.batch)
        self.products = [product for product in self.recording.products if product.output.requires_grad]
        self.parameters = dict(network.named_parameters())
        ends = [*self.parameters.values(), *(product.output for product in self.products)]
        slopes = torch.autograd.grad(self.shares.sum(), ends, allow_unused=True, retain_graph=True)
        # By weights, None of those that the loss does not hang on; and by sums, in the order of ``products``.
        self.slopes = dict(zip(self.parameters, slopes, strict=False))
        self.deltas = slopes[len(self.parameters) :]

    def terms(self, parameter: str, index: tuple[int, ...]) -> GradientTerms:
        """The gradient of one weight, term by term."""
        weight, slope = self.parameters[parameter], self.slopes[parameter]
        flat = int(np.ravel_multi_index(index, tuple(weight.shape)))
        own = [k for k, product in enumerate(self.products) if _is_of(self.recording, product, parameter)]
        total = 0.0 if slope is None else float(slope.flatten()[flat])
        found = _Terms(self.network, len(self.batch.rows))
        uses = Counter(self.products[k].parameter for k in own)
        for use, k in enumerate(own):
            product, delta = self.products[k], self.deltas[k]
            if delta is not None:
                where = use if uses[product.parameter] > 1 else None
                found.add_product(self.recording, product, delta, parameter, flat, where)
        loss = float(self.shares.detach().sum())
        # Scales of normalisations, the signs of heads: in no weighted sum, so each example's own share is told.
        if not own and total:
            each = example_slopes(self.shares, weight)[:, flat].double().numpy()
            return GradientTerms(total, loss, each, np.ones(len(each)), np.arange(len(each)), [""] * len(each), True)
        return GradientTerms(total, loss, *found.joined())


def _is_of(recording: Recording, product: Product, parameter: str) -> bool:
    return product.parameter == parameter or (
        product.bias is not None and recording.parameter_of(product.bias) == parameter
    )


def example_slopes(shares: Tensor, weight: Tensor) -> Tensor:  # (B,), (...) -> (B, N)
    """The slope of each example's share of the loss by a whole parameter, flat."""
    rows = [torch.autograd.grad(share, weight, retain_graph=True, allow_unused=True)[0] for share in shares.unbind()]
    return torch.stack([torch.zeros(weight.numel()) if row is None else row.flatten() for row in rows]).cpu()


class _Terms:
    """Terms that are collected over all uses of a weight."""

    def __init__(self, network: Network, examples: int):
        self.network, self.count = network, examples
        self.deltas: list[np.ndarray] = []
        self.values: list[np.ndarray] = []
        self.examples: list[int] = []
        self.places: list[str] = []

    def add_product(
        self, recording: Recording, product: Product, delta: Tensor, parameter: str, flat: int, use: int | None
    ) -> None:
        if product.parameter == parameter:
            for at in np.argwhere((product.entries == flat).numpy()):
                self.add(product, *product.gradient_parts(delta, tuple(map(int, at))), use)
        bias = product.bias
        if bias is not None and recording.parameter_of(bias) == parameter:
            index = recording.places_in_parameter(bias)
            # A convolution's bias stands on the axis of its channels, every other's on the last.
            index = index.view(-1, *[1] * (delta.ndim - 2)) if product.unit_axis == 1 else index
            places = (index.expand(delta.shape) == flat).flatten().nonzero().flatten()
            own = delta.detach().flatten()[places].double().numpy()
            self.add(product, own, np.ones(len(own)), places.numpy(), use)

    def add(
        self, product: Product, deltas: np.ndarray, values: np.ndarray, places: np.ndarray, use: int | None
    ) -> None:
        there = np.flatnonzero(deltas * values)
        self.deltas.append(deltas[there])
        self.values.append(values[there])
        for place in places[there].tolist():
            # Lines of a grid, and heads, may go through a layer as examples of their own.
            lines = product.output.shape[product.batch_axis]
            each = max(1, lines // self.count)
            example, line = divmod(product.example_at(place), each)
            self.examples.append(example)
            position = product.position_at(place)
            said = [position_text(self.network, tuple(p for p in position))] if position else []
            said += [f"line {line + 1}"] if each > 1 else []
            said += [f"step {use + 1}"] if use is not None else []
            self.places.append(", ".join(one for one in said if one))

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
        if not self.deltas:
            return np.zeros(0), np.zeros(0), np.zeros(0, np.int64), []
        return np.concatenate(self.deltas), np.concatenate(self.values), np.array(self.examples), self.places


def largest_terms(terms: GradientTerms, most: int) -> Sequence[int]:
    """The terms with the largest products, the largest first."""
    return np.argsort(-abs(terms.products), kind="stable")[:most].tolist()  # type: ignore[no-any-return]
