"""Weights opened: of the first, a middle and the last matrix the one that answers hang on most.

n examples, R numbers in a raw answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..network import Network
from ..trunks import Features
from ..wording import number_text
from .anatomy import stage_address
from .base import Subject, register
from .blocks import Block, Table
from .changes.replayed import keep_stages, replay_before
from .result import Result
from .sums.gradient_terms import RecordedLoss
from .weight import PAPER, chosen_rows, copy_to_learn, curve_block, losses_around, method_text, terms_badge

# Weights of a matrix that are tried, those with the largest slope times value.
TRIED = 8

# What so many weights are called in a title.
TITLES = {1: "The most important weight", 2: "Two important weights", 3: "Three important weights"}


@dataclass(frozen=True)
class Telling:
    """One weight: its address, how far answers move where it is 0, on average over examples; its tensor and place."""

    address: str
    moved: float
    parameter: str
    index: tuple[int, ...]


def suits(subject: Subject) -> str | None:
    part = subject.training
    if not part:
        return subject.nothing_added
    if part.loader.target is None:
        return "it needs kept examples whose answer is known"
    if subject.nothing_added:
        return subject.nothing_added
    return None if telling_of(subject) else "no single weight moves the answers to kept examples"


@register("weights", "Most important weights", place=70, needs=("training",), suits=suits)
def telling_weights(subject: Subject) -> Result:
    """Of three matrices the weight without which the answers move most, and the loss around each."""
    part, telling = subject.training, telling_of(subject)
    assert part is not None
    chosen, network = chosen_rows(part), copy_to_learn(subject.network)
    batch = part.batch(chosen)
    loss = RecordedLoss(network, batch)
    rows: list[list[Any]] = []
    curves: list[Block] = []
    badges = []
    for one in telling:
        terms = loss.terms(one.parameter, one.index)
        value = network.get_parameter(one.parameter)[one.index].item()
        rows.append([one.address, value, one.moved, terms.slope])
        # Of each the loss around it; its terms and its next step are a view of their own.
        curve = curve_block(value, terms, *losses_around(network, batch, one.parameter, one.index))
        curves.append(replace(curve, caption=f"{one.address}: {curve.caption}"))
        badges.append(terms_badge(terms))
    level = "exact" if all(badge.level == "exact" for badge in badges) else "failed"
    return Result(
        "weights",
        TITLES[len(telling)],
        _say(telling, subject),
        replace(badges[0], level=level),  # type: ignore[arg-type]
        [Table("", ("weight", "value", "answers move without it", "gradient of the loss"), rows), *curves],
        {"weights": np.array([row[1] for row in rows]), "moved": np.array([row[2] for row in rows]),
         "gradients": np.array([row[3] for row in rows])},
        method=f"Of each matrix the {TRIED} weights with the largest gradient times value, set to 0 in turn. "
        f"{method_text(len(chosen))}",
        paper=PAPER,
        caption="Where a curve is level, training has nothing left to gain from that weight. More of one of them, "
        f'term by term: --weight "{rows[-1][0]}"',
    )  # fmt: skip


def _say(telling: Sequence[Telling], subject: Subject) -> str:
    each = {
        1: "Of all matrices",
        2: "Of two matrices",
        3: "Of the first, a middle and the last matrix",
    }
    most = max(telling, key=lambda one: one.moved)
    unit = "logits" if subject.network.output.fields[0].traits.classed else "standard deviations"
    return (
        f"{each[len(telling)]}, the weight that answers hang on most. Without {most.address} they move by "
        f"{number_text(most.moved, 3)} {unit} on average."
    )


def telling_of(subject: Subject) -> list[Telling]:
    """The telling weights of the first, the middle and the last matrix that has any; worked out once."""
    if "telling weights" not in subject.found:
        subject.found["telling weights"] = _find_telling(subject)
    return subject.found["telling weights"]  # type: ignore[no-any-return]


def _find_telling(subject: Subject) -> list[Telling]:
    part = subject.training
    assert part is not None
    network, batch = copy_to_learn(subject.network), part.batch(chosen_rows(part))
    named = [(n, p) for n, p in network.named_parameters() if p.ndim >= 2]
    # The output layer is built before the trunk, but comes last on the way of the data.
    named.sort(key=lambda one: one[0].startswith("output."))
    slopes = torch.autograd.grad(network.loss(batch), [p for _, p in named], allow_unused=True)
    # What a weight does is about its slope times its value (Molchanov et al., 2017): a weight of 0 does nothing.
    sizes = [
        (name, (slope * p.detach()).abs()) for (name, p), slope in zip(named, slopes, strict=True) if slope is not None
    ]
    able = [(name, size) for name, size in sizes if bool((size > 0).any())]
    places = sorted({0, len(able) // 2, len(able) - 1}) if able else []
    kept = keep_stages(network, batch)
    found = [most_moving(network, batch, *able[i], kept) for i in places]
    return [one for one in found if one.moved > 0]


@torch.no_grad()
def most_moving(
    network: Network, batch: Batch, name: str, size: Tensor, kept: tuple[Mapping[str, Features], Tensor]
) -> Telling:
    """Of a matrix the weight without which answers move most.

    Args:
        size: of each weight its slope times its value; the largest are tried. kept: what stages return, and answers.
    """
    tensor, (stages, answers) = network.get_parameter(name), kept  # ..., (n, R)
    best = Telling("", 0.0, name, ())
    with replay_before(network, stages, name):
        for flat in size.flatten().topk(min(TRIED, size.numel())).indices.tolist():
            index = tuple(int(i) for i in np.unravel_index(flat, tuple(size.shape)))
            own = tensor[index].clone()
            tensor[index] = 0.0
            moved = float((network(batch) - answers).abs().amax(1).mean())
            tensor[index] = own
            if moved > best.moved:
                best = Telling(f"{stage_address(name)}[{','.join(map(str, index))}]", moved, name, index)
    return best
