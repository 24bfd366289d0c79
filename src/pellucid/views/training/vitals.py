"""A training's vital signs: numbers from its course and from the network at its end, which a verdict follows from.

B batch, n examples, K hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...activity import Progress
from ...data.batches.batch import Batch
from ...network import Network
from ...planning.plan import Recipe
from ...training.loop import micro_batches
from ...training.optimizer import split_parameters
from ...trunks.cells import back_by_rule
from ...trunks.glossary import shown_as
from ...trunks.opened import Opened, OpenedStage
from .telling_part import telling_part

# A gelu's value below this sum is next to nothing.
DEAD_GELU = -2.5

# Of a bounded value: so near to an end, in so many of a unit's values, that it hardly moves any more.
NEAR_END, MOSTLY = 0.02, 0.95

# Bounds of activations that have some.
BOUNDS = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}

# Of how signs are measured: what other rules found is not read.
SIGNS_RULES = 1

# Below this length, of which the logarithm is told instead of minus infinity.
TINY = 1e-30

# Steps, about, among which the largest one is looked for: of very many some are large by chance.
FEW = 15

# What moves weights that may be of any length.
FREE = ("adam", "muon")


# Vital signs by name; NaN for one that can't be told.
Signs = Mapping[str, float]


@dataclass(frozen=True)
class Watched:
    """One step as it was watched.

    Attributes:
        step: its number. loss: of its batch. gradient: length of the whole gradient. tensors: by weight's name the
            length of its gradient, of the weight itself, and of what the optimizer moved it by.
    """

    step: int
    loss: float
    gradient: float
    tensors: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Course:
    """What is known of a training beside its network.

    Attributes:
        history: evaluations in order: ``loss`` (of training, NaN before the first step), ``validation_loss``.
        watched: steps in order. recipe: as trained with. naive: validation loss of the naive answer.
        skipped: steps that were not finite. training: number of training examples.
    """

    history: Sequence[Mapping[str, Any]]
    watched: Sequence[Watched]
    recipe: Recipe
    naive: float
    training: int
    skipped: int = 0


def vital_signs(network: Network, training: Batch, validation: Batch, course: Course) -> Signs:
    """All vital signs; ``verdict.SIGNS`` says what each stands for.

    Args:
        network: in evaluation mode; left as it was. training, validation: some examples with their targets.
    """
    return {
        **loss_signs(course),
        **step_signs(network, course),
        **unit_signs(network, validation),
        **gradient_signs(network, training, course.recipe.batch_size),
        "one_field": telling_part(network, validation, course.naive).harm,
    }


# -- from the course


def loss_signs(course: Course) -> dict[str, float]:
    """Losses beside the naive answer's, how they fell, and steps that could not be used."""
    rows = course.history
    train = np.array([row["loss"] for row in rows if math.isfinite(row["loss"])])
    every = np.array([row["validation_loss"] for row in rows], np.float64)
    seen = every[np.isfinite(every)]
    naive = max(course.naive, TINY)
    if not len(seen) or not len(train):
        return {"train_loss": math.nan, "validation_loss": math.nan, "best_loss": math.nan, "broken": 1.0}
    noisy = np.array([w.loss for w in course.watched])
    noisy = noisy[np.isfinite(noisy)]
    return {
        "train_loss": float(train[-1]) / naive,
        "validation_loss": float(every[-1]) / naive,
        "best_loss": float(seen.min()) / naive,
        "worst_loss": log10(float(noisy.max()) / max(float(noisy[0]), TINY)) if len(noisy) else math.nan,
        # Evaluations that were not finite, and steps that did not count.
        "broken": float(len(seen) < len(every) or course.skipped > 0),
    }


def step_signs(network: Network, course: Course) -> dict[str, float]:
    """How far steps move weights, by what moves them; and stages that stand still while others move."""
    kinds = watched_kinds(network, course)
    middle = course.watched[len(course.watched) // 4 :] or course.watched
    ratios: dict[str, list[float]] = {kind: [] for kind in ("adam", "muon", "fixed")}
    moved: dict[str, float] = {}
    for row in middle:
        for name, (_, weight, update) in row.tensors.items():
            stage = stage_of(name)
            moved[stage] = max(moved.get(stage, 0.0), update)
            if weight > 0 and name in kinds:
                ratios[kinds[name]].append(log10(update / weight))
    stages = list(moved.values())
    peaks = [
        float(np.median(own))
        for row in course.watched[:: max(1, len(course.watched) // FEW)]
        if (own := [log10(u / w) for name, (_, w, u) in row.tensors.items() if w > 0 and kinds.get(name) in FREE])
    ]
    gradients = [log10(row.gradient) for row in middle if math.isfinite(row.gradient)]
    return {
        **{f"update_{kind}": float(np.median(values)) if values else math.nan for kind, values in ratios.items()},
        "update_peak": max(peaks, default=math.nan),
        "batch": log10(course.recipe.batch_size),
        "standing_stages": float(sum(v == 0 for v in stages)) if any(stages) else 0.0,
        "gradient": float(np.median(gradients)) if gradients else math.nan,
    }


def watched_kinds(network: Network, course: Course) -> dict[str, str]:
    """What moves each of the names that were watched: weights, or modules where a network has very many weights.

    Those that several optimizers move together are left out.
    """
    every = optimizer_kinds(network, course.recipe)
    found = {}
    for name in {name for row in course.watched for name in row.tensors}:
        own = {kind for weight, kind in every.items() if weight == name or weight.startswith(f"{name}.")}
        if len(own) == 1:
            found[name] = own.pop()
    return found


def optimizer_kinds(network: Network, recipe: Recipe) -> dict[str, str]:
    """What moves each weight of two axes or more: ``adam``, ``muon``, or ``fixed``: a kernel of fixed length."""
    matrices = {id(p) for p in split_parameters(network)[0]} if recipe.matrix_lr else set()
    fixed = {id(m.weight) for m in network.modules() if getattr(m, "normalised_after", False)}
    return {
        name: ("fixed" if id(p) in fixed else "muon") if id(p) in matrices else "adam"
        for name, p in network.named_parameters()
        if p.ndim >= 2
    }


def stage_of(name: str) -> str:
    """The stage that a weight belongs to: ``trunk.stages.layer1`` of ``trunk.stages.layer1.into.weight``."""
    parts = name.split(".")
    return ".".join(parts[: 4 if parts[0] == "parts" else 3 if parts[0] == "trunk" else 2])


# -- from the network


def unit_signs(network: Network, validation: Batch) -> dict[str, float]:
    """Units that are dead or saturated on all these examples, and how large what stages return is."""
    with torch.no_grad():
        opened = network.open(validation)
    stages = list(unit_shares(opened).values())
    sizes = [log10(rms(stage.features)) for stage in opened if stage.name.startswith(("trunk.", "parts."))]
    entered = [log10(rms(stage.features)) for stage in opened if stage.name.startswith(("inputs.", "entry"))]
    return {
        "dead_units": max((dead for dead, _ in stages), default=0.0),
        "saturated_units": max((full for _, full in stages), default=0.0),
        "input_size": max(entered, default=math.nan),
        "largest_stage": max(sizes, default=math.nan),
    }


def unit_shares(opened: Opened) -> dict[str, tuple[float, float]]:
    """Of each stage that has hidden units: the share of dead ones, and of saturated ones."""
    found = {}
    for stage in opened:
        shares = [shares for name, value in stage.inside.items() if (shares := _shares(stage, name, value)) is not None]
        if shares:
            found[stage.name] = (max(s[0] for s in shares), max(s[1] for s in shares))
    return found


def _shares(stage: OpenedStage, name: str, value: Tensor) -> tuple[float, float] | None:
    """The shares of dead and of saturated units in what a stage shows under one name; None for what are no units."""
    shown, _ = shown_as(name)
    if not shown.units:
        return None
    activation = getattr(stage.module, "activation", "")
    mask = stage.features.mask
    flat = value[mask] if mask is not None and value.shape[:-1] == mask.shape else value.flatten(0, -2)  # (n, K)
    last = name.rpartition(".")[2]
    if last == "pre_activation" and activation == "gelu":
        return float((flat.amax(0) < DEAD_GELU).float().mean()), 0.0
    if last == "activation" and activation in BOUNDS:
        return 0.0, saturated_share(flat, *BOUNDS[activation])
    if (last == "activation" and "relu" in activation) or (shown.low == 0.0 and shown.high is None):
        return float((flat.amax(0) <= 0).float().mean()), 0.0
    if shown.low is not None and shown.high is not None:
        return 0.0, saturated_share(flat, shown.low, shown.high)
    return None


def saturated_share(values: Tensor, low: float, high: float) -> float:  # (n, K)
    """The share of units that lie at one of their two ends nearly always."""
    edge = NEAR_END * (high - low)
    at_end = ((values < low + edge) | (values > high - edge)).float().mean(0)  # (K,)
    return float((at_end > MOSTLY).float().mean())


def rms(f: Any) -> float:
    """The root of the mean square of features, over real positions."""
    x = f.x if f.mask is None else f.x[f.mask]
    return float(x.double().square().mean().sqrt()) if x.numel() else math.nan


def gradient_signs(network: Network, training: Batch, batch_size: int) -> dict[str, float]:
    """How the error changes on its way back through the stages, and how much of a step's gradient is noise."""
    with torch.enable_grad():
        opened = network.open(training)
        loss = network.output.losses(opened.answer, network.to_tensors(training)).mean()
        stages = [s.features.x for s in opened if s.name.startswith("trunk.") and s.features.x.requires_grad]
        if not stages or not math.isfinite(float(loss.detach())):
            return {"backward_gain": math.nan, "noise": math.nan}
        back = torch.autograd.grad(loss, [stages[0], stages[-1]], allow_unused=True)
    first, last = (TINY if g is None else float(g.double().norm()) for g in back)
    noise = log10(gradient_noise(network, training, batch_size))
    return {"backward_gain": log10(first / max(last, TINY)), "noise": noise}


def gradient_noise(network: Network, training: Batch, batch_size: int, parts: int = 16) -> float:
    """What chance makes of a step's gradient, beside what all examples agree on: tr(Σ) / (B |G|²).

    McCandlish et al., "An Empirical Model of Large-Batch Training", 2018; from so many parts of ``training``.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    size = max(len(training.rows) // parts, 1)
    each = []
    with Progress(parts) as progress:
        for part in islice(micro_batches(training, size), parts):
            with torch.enable_grad(), back_by_rule():
                loss = network.losses(part).mean()
            grads = torch.autograd.grad(loss, parameters, allow_unused=True)
            own = zip(parameters, grads, strict=True)
            each.append(torch.cat([torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in own]))
            progress.advance()
    if len(each) < 2:
        return math.nan
    every = torch.stack(each).double()  # (parts, P)
    spread = float(every.var(0).sum()) * size
    seen = float(every.mean(0).square().sum())
    # Less than a tenth of what is seen can't be told from nothing.
    agreed = max(seen - spread / (size * len(each)), seen / 10, TINY)
    return spread / batch_size / agreed


def log10(value: float) -> float:
    """The logarithm to the base 10 of a length; NaN of what is not finite."""
    return math.log10(max(value, TINY)) if math.isfinite(value) else math.nan


def watch_step(network: nn.Module, before: Mapping[str, Tensor], step: int, loss: float) -> Watched:
    """What one step did, right after it: ``before`` holds the weights as they were."""
    tensors = {}
    for name, p in network.named_parameters():
        grad = 0.0 if p.grad is None else float(p.grad.norm())
        tensors[name] = (grad, float(p.detach().norm()), float((p.detach() - before[name]).norm()))
    total = math.sqrt(sum(g * g for g, _, _ in tensors.values()))
    return Watched(step, loss, total, tensors)
