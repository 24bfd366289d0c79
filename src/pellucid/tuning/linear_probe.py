"""A linear probe: the output layer alone, learned on what a frozen trunk returns.

Fine-tuning that begins with a solved output layer does not first wreck what the trunk knows (Kumar et al.,
"Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", 2022), and the probe is itself a
network that validation may like best: then the trunk stays frozen.

n examples, D width, H heads.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..network import Network
from ..training.evaluate import autocast, mean_loss
from ..training.loader import Loader
from ..training.optimizer import Adam
from ..trunks import Features

# That the probe learns from: it holds their features at once, and a linear layer needs no more.
MOST_EXAMPLES = 20_000

# Of Adam on all of them at once, cooling down to nothing.
STEPS, LEARNING_RATE = 300, 0.02

# Weight decays that validation chooses among: none, to nearly nothing but the mean.
DECAYS = (0.0, 0.03, 0.3, 3.0)

# Of n examples: features (n, D), or (n, H, D) of several heads, a batch of their targets (n, ...) and of what a solved
# part says, weights in the loss (n,).
Pooled = tuple[Features, Batch, Tensor | None]


def fit_linear_probe(network: Network, loader: Loader, train: np.ndarray, validation: np.ndarray) -> float:
    """Train the output layer on the frozen rest, with the weight decay that gives the least validation loss.

    Args:
        train, validation: (m,) rows to learn from and to choose on.

    Returns:
        The weight decay; NaN, with nothing trained, for an output that needs every position, not a pooled vector.
    """
    # Nothing to choose the decay by, or an output that reads every position.
    if network.output.need().every or not len(validation):
        return math.nan
    # Spread evenly, because rows may be in an order.
    some = train[:: -(-len(train) // MOST_EXAMPLES)]
    known, (features, batch, _) = (pool_features(network, loader, rows) for rows in (some, validation))
    counts, target = loader.score_weights(validation), known_targets(batch)
    layer = network.output.layer
    first = [p.detach().clone() for p in layer.parameters()]  # type: ignore[union-attr]
    best: tuple[float, float, list[Tensor]] = (math.inf, 0.0, first)
    for decay in DECAYS:
        solve_output(network, known, first, decay)
        with torch.no_grad():
            loss = mean_loss(network.output, network.answer(batch, features), target, counts)
        if loss < best[0]:
            best = loss, decay, [p.detach().clone() for p in layer.parameters()]  # type: ignore[union-attr]
    set_output_weights(network, best[2])
    return best[1]


def known_targets(batch: Batch) -> Tensor:
    """The targets of a batch, each of one value."""
    assert isinstance(batch.target, Tensor)
    return batch.target


def solve_output(network: Network, known: Pooled, first: list[Tensor], decay: float) -> None:
    """Train the output layer on pooled features, beginning with the weights ``first``, with this weight ``decay``."""
    set_output_weights(network, first)
    params = list(network.output.layer.parameters())  # type: ignore[union-attr]
    matrices, rest = [p for p in params if p.ndim > 1], [p for p in params if p.ndim < 2]
    features, batch, weight = known
    optimizer = Adam([(matrices, decay), (rest, 0.0)], betas=(0.9, 0.99))
    for step in range(STEPS):
        losses = network.output.losses(network.answer(batch, features), batch, features)  # (n,)
        loss = (losses if weight is None else losses * weight).mean()
        # Rather than backward(), which would add each step's gradients to those of the step before.
        gradients = torch.autograd.grad(loss, params)
        for p, g in zip(params, gradients, strict=True):
            p.grad = g
        optimizer.step(LEARNING_RATE * (1 - step / STEPS))
    for p in params:
        p.grad = None


def set_output_weights(network: Network, values: list[Tensor]) -> None:
    """Copy ``values`` into the output layer's parameters, in their order."""
    with torch.no_grad():
        for p, value in zip(network.output.layer.parameters(), values, strict=True):  # type: ignore[union-attr]
            p.copy_(value)


@torch.no_grad()
def pool_features(network: Network, loader: Loader, rows: np.ndarray, size: int = 512) -> Pooled:
    """What the output layer reads of ``rows`` (n,), (n, D) or of heads (n, H, D), with targets and weights."""
    training = network.training
    network.eval()
    found: list[Tensor] = []
    target: list[Tensor] = []
    weight: list[Tensor] = []
    solved: list[Tensor] = []
    for part in loader.in_order(rows, size):
        batch = loader.batch(part)
        with autocast(network.device):
            f = network.output_input(batch)
        found.append(f.x.float())
        target.append(loader.targets(part).to(f.x.device))
        weight += [] if batch.weight is None else [batch.weight]
        solved += [] if batch.solved is None else [batch.solved]
    network.train(training)
    own = torch.cat(weight) if weight else None
    known = replace(Batch.of_targets(torch.cat(target)), solved=torch.cat(solved) if solved else None)
    return replace(f, x=torch.cat(found), mask=None, key=None), known, own
