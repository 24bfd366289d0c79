"""Three weights opened: of the first, a middle and the last matrix the one that the loss depends on most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .anatomy import stage_address
from .base import Subject, register
from .blocks import Block, Curves, Table
from .result import Badge, Result
from .weight import chosen_rows, copy_to_learn, weight


def suits(subject: Subject) -> str | None:
    part = subject.training
    return None if part and part.loader.target is not None else "it needs kept examples whose answer is known"


@register("weights", "Three weights", place=70, needs=("training",), suits=suits)
def telling_weights(subject: Subject) -> Result:
    """The weights with the largest gradients of three matrices, and the loss around each."""
    names = steepest_weights(subject)
    found = [weight(subject, name) for name in names]
    rows: list[list[Any]] = [
        [r.title.removeprefix("Weight "), float(r.arrays["weight"]), float(r.arrays["gradient"])] for r in found
    ]
    blocks: list[Block] = [Table("", ("weight", "value", "gradient"), rows)]
    # Of each the loss around it; its terms and its next step are a view of their own.
    for result, row in zip(found, rows, strict=True):
        curve = next(block for block in result.blocks if isinstance(block, Curves))
        blocks.append(replace(curve, caption=f"{row[0]}: {curve.caption}"))
    level = "exact" if all(r.badge.level == "exact" for r in found) else "failed"
    return Result(
        "weights",
        "Three weights",
        "Of the first, a middle and the last matrix, the weight that the loss depends on most. Where the curve is "
        "level, training has nothing left to gain from it.",
        Badge(level, found[0].badge.reason, found[0].badge.figures),  # type: ignore[arg-type]
        blocks,
        {"weights": np.array([row[1] for row in rows]), "gradients": np.array([row[2] for row in rows])},
        method=found[0].method,
        paper=found[0].paper,
        caption=f'More of one of them, term by term: --weight "{rows[-1][0]}"',
    )


def steepest_weights(subject: Subject) -> list[str]:
    """Addresses of the weights with the largest gradient in the first, the middle and the last matrix that learns."""
    part = subject.training
    assert part is not None
    network = copy_to_learn(subject.network)
    named = [(n, p) for n, p in network.named_parameters() if p.ndim >= 2]
    # The output layer is built before the trunk, but comes last on the way of the data.
    named.sort(key=lambda one: one[0].startswith("output."))
    slopes = torch.autograd.grad(network.loss(part.batch(chosen_rows(part))), [p for _, p in named], allow_unused=True)
    learning = [(n, g) for (n, _), g in zip(named, slopes, strict=True) if g is not None and bool((g != 0).any())]
    places = sorted({0, len(learning) // 2, len(learning) - 1}) if learning else []
    found = []
    for name, slope in (learning[i] for i in places):
        index = np.unravel_index(int(slope.abs().argmax()), slope.shape)
        found.append(f"{stage_address(name)}[{','.join(map(str, index))}]")
    return found
