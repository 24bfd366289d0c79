"""The step that the real optimizer makes of one weight, on a copy."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.batches.batch import Batch
from ...network import Network
from ...planning.plan import Recipe
from ...training.optimizer import Optimizer
from ..base import Subject

# What torch's AdamW adds to the root of the mean square.
EPSILON = 1e-8


@dataclass(frozen=True)
class Step:
    """One step of a training, seen at one weight.

    Attributes:
        before, after: the weight. loss_before, loss_after: of the batch. gradient: of the weight, clipped where the
            training clips. whose: whose weights and memory these are, in words. same: whether these weights are those
            that are inspected. together: how many weights move as one matrix; 0 where each moves alone. formula: (what,
            number), the terms of the step where a weight moves alone. rate: learning rate.
    """

    before: float
    after: float
    loss_before: float
    loss_after: float
    gradient: float
    whose: str
    same: bool
    together: int
    formula: list[tuple[str, float]]
    rate: float


def next_step(subject: Subject, batch: Batch, parameter: str, index: tuple[int, ...]) -> Step:
    """A step of the training's optimizer on a batch: from its last checkpoint where there is one, else its first."""
    state = subject.facts["state"]() if "state" in subject.facts else None
    plan = subject.facts.get("plan")
    recipe = plan.recipe if plan is not None else Recipe()
    if state is None:
        network = copy.deepcopy(subject.network)
        optimizer = Optimizer(network, recipe)
        whose = "the first step of a fresh optimizer, as the run keeps no checkpoint"
    else:
        network, optimizer, recipe = state.network, state.optimizer, state.recipe
        whose = (
            f"the step after step {state.step:,}, from the weights and the optimizer's memory of the last checkpoint"
        )
    factor = _factor(subject)
    shown = subject.network.get_parameter(parameter).detach()
    weight = network.get_parameter(parameter)
    same = bool(torch.equal(weight.detach(), shown))
    before, loss_before = weight[index].item(), _compute_gradients(network, optimizer, batch)
    _clip(optimizer, recipe.clip)
    assert weight.grad is not None
    gradient = weight.grad[index].item()
    matrix = any(weight is one for group in optimizer.muon.groups.values() for one in group)
    formula = [] if matrix else _adam_terms(optimizer, weight, index, factor)
    optimizer.step(factor)
    with torch.no_grad():
        loss_after = float(network.loss(batch))
    rate = (recipe.matrix_lr if matrix else recipe.lr) * factor
    together = weight.numel() if matrix else 0
    return Step(before, weight[index].item(), loss_before, loss_after, gradient, whose, same, together, formula, rate)


def _factor(subject: Subject) -> float:
    """The share of the full learning rates that comes next; 1 where the schedule has ended or is not known."""
    history = subject.facts["history"]() if "history" in subject.facts else []
    last = next((row["lr_factor"] for row in reversed(history) if row.get("lr_factor")), None)
    ended = not history or not history[-1].get("lr_factor")
    return 1.0 if ended or last is None else float(last)


def _compute_gradients(network: Network, optimizer: Optimizer, batch: Batch) -> float:
    """Gradients of the mean loss in evaluation mode, every parameter's; the loss."""
    network.eval()
    for p in network.parameters():
        p.requires_grad_(True)
    optimizer.clear()
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        loss = network.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
    for p in optimizer.parameters:
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    return loss.item()


def _clip(optimizer: Optimizer, most: float) -> None:
    norm = optimizer.norm()
    if most and norm > most:
        torch._foreach_mul_([p.grad for p in optimizer.parameters if p.grad is not None], most / norm)


def _adam_terms(optimizer: Optimizer, weight: Tensor, index: tuple[int, ...], factor: float) -> list[tuple[str, float]]:
    """AdamW's step of one weight by its formula, in float64, from the memory before the step."""
    adam, rate = optimizer.adam, optimizer.recipe.lr * factor
    for (params, decay), means, squares in zip(adam.groups, adam.means, adam.squares, strict=True):
        for p, mean, square in zip(params, means, squares, strict=True):
            if p is not weight:
                continue
            assert p.grad is not None
            slope, old, count = p.grad[index].item(), p[index].item(), float(adam.count) + 1
            b1, b2 = adam.betas
            m = b1 * mean[index].item() + (1 - b1) * slope
            v = b2 * square[index].item() + (1 - b2) * slope**2
            m_hat, v_hat = m / (1 - b1**count), v / (1 - b2**count)
            moved = -rate * m_hat / (math.sqrt(v_hat) + EPSILON)
            return [
                ("gradient g", slope),
                ("running mean m of g", m_hat),
                ("running mean v of g²", v_hat),
                ("learning rate", rate),
                ("- learning rate × m / √v moves it by", moved),
                (f"decay, - learning rate × {decay:g} × w, moves it by", -rate * decay * old),
                ("the weight after it", old * (1 - rate * decay) + moved),
            ]
    return []
