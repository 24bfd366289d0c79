"""The hidden units that an answer hangs on most, and one of them opened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..errors import PellucidError
from ..trunks.opened import OpenedStage
from ..wording import count_noun, number_text, percent_text
from .base import Subject, register
from .blocks import Bars, Block, Sum
from .result import Badge, Result
from .unit import unit

# Units that are listed.
MOST = 10

# Of the answer, by which its parts may miss it.
TOLERANCE = 1e-5


def suits(subject: Subject) -> str | None:
    stage = last_stage(subject)
    if stage is None:
        return "its trunk shows no stages"
    if subject.nothing_added:
        return subject.nothing_added
    return None if unit_parts(subject, stage).any() else "its trunk adds nothing to this answer"


@register("units", "Most important hidden units", place=80, needs=("example", "answer"), suits=suits)
def telling_units(subject: Subject) -> Result:
    """What each unit of the trunk's last stage has of the answer, and the one that has most, opened."""
    stage = last_stage(subject)
    assert stage is not None
    parts = unit_parts(subject, stage)
    order = np.argsort(-abs(parts))[:MOST]
    short = stage.name.removeprefix("trunk.")
    names = [f"{short}.{k}" for k in order]
    explained = subject.explained
    rest, total = answer_without(subject, stage), float(subject.raw[explained.index])
    residual = abs(total - rest - float(parts.sum())) / max(abs(total), abs(rest), float(abs(parts).max()), 1e-30)
    exact = residual <= TOLERANCE
    reason = (
        f"The parts and {number_text(float(explained.to_units(rest)), 3)}, without these units, add up to it."
        if exact
        else f"Slope times value: what follows is not straight; the parts are {percent_text(residual)} off."
    )
    values = parts * explained.scale
    bars = Bars(
        f"What units of the last hidden stage add to {explained.noun}: above zero for it, below against.",
        names,
        values[order].tolist(),
        value_label="adds",
    )
    does = "adds most to" if values[order[0]] > 0 else "takes most from"
    opened = opened_unit(subject, stage, int(order[0]))
    below = f"Below, {names[0]} is opened: the weighted sum that it is. Others: --unit {names[-1]}." if opened else ""
    return Result(
        "units",
        "Most important hidden units",
        f"Of {count_noun(len(parts), 'unit')} of the last hidden stage, {names[0]} {does} {explained.noun}: "
        f"{number_text(float(values[order[0]]), 3)}.",
        Badge("exact" if exact else "suggestive", reason, {"relative error": residual}),
        [bars, *opened],
        {"parts": values},
        method="Each unit's value times the slope of the answer, over all positions.",
        paper="Shrikumar et al., 2016: gradient × input",
        caption=below,
    )


def last_stage(subject: Subject) -> OpenedStage | None:
    """The trunk's last stage, opened on the example; None where it shows none with positions or units."""
    if subject.example is None:
        return None
    stages = [s for s in subject.opened[0] if s.name.startswith("trunk.")]
    return stages[-1] if stages else None


def unit_parts(subject: Subject, stage: OpenedStage) -> np.ndarray:  # -> (D,)
    """Each unit's value times the slope of the explained answer, summed over positions; of both images their mean."""
    return np.mean([one_sided_parts(subject, stage, batch) for batch in both_sides(subject)], 0)  # type: ignore[no-any-return]


def one_sided_parts(subject: Subject, stage: OpenedStage, batch: Batch) -> np.ndarray:  # -> (D,)
    with torch.enable_grad():
        opened = subject.network.open(batch)
        x: Tensor = opened[stage.name].features.x  # (1, *positions, D)
        if not x.requires_grad:
            return np.zeros(x.shape[-1])
        (slope,) = torch.autograd.grad(opened.answer[0, subject.explained.index], x, allow_unused=True)
    products = torch.zeros_like(x) if slope is None else slope * x.detach()
    return products.flatten(0, -2).sum(0).double().numpy()  # type: ignore[no-any-return]


def both_sides(subject: Subject) -> list[Batch]:
    """The example and, where ``predict`` averages with it, its mirror image."""
    assert subject.example is not None
    mirrored = subject.network.mirror_batch(subject.example)
    return [subject.example, *([] if mirrored is None else [mirrored])]


def answer_without(subject: Subject, stage: OpenedStage) -> float:
    """The explained answer where the stage returns nothing but zeros."""
    assert stage.module is not None
    hook = stage.module.register_forward_hook(lambda module, args, f: f.with_(x=torch.zeros_like(f.x)))
    try:
        with torch.no_grad():
            return float(subject.network.predict(subject.example)[0, subject.explained.index])  # type: ignore[arg-type]
    finally:
        hook.remove()


def opened_unit(subject: Subject, stage: OpenedStage, number: int) -> list[Block]:
    """The weighted sum of one unit; nothing where what the stage returns is not that sum, as behind a residual."""
    try:
        # Kept examples that excite it are a view of their own.
        name = f"{stage.name.removeprefix('trunk.')}.{number}"
        found = unit(replace(subject, training=None, validation=None), name).blocks
    except PellucidError:
        return []
    ends = [block.after[-1][1] if block.after else block.total for block in found if isinstance(block, Sum)]
    returned = stage.features.x[..., number].detach().flatten().numpy()
    same = bool(ends) and np.isclose(returned, ends[-1], rtol=1e-4, atol=1e-6).any()
    return list(found) if same else []
