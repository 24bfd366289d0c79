"""What comes next: forecasting.

B batch, T steps that are looked at, H steps ahead, C channels, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..errors import UsageError
from ..fields import Field
from ..fields.channel import AXIS
from ..tasks.future import NORMAL, SPREAD_LIMIT, FutureTask
from ..trunks import Features
from .base import Output, register

# Of what comes.
LOSSES = ("squared", "absolute")

# Below this share of the training values' spread a stretch of the past counts as constant.
LEAST_SCALE = 1e-6

KEY = f"channel:{AXIS}"


@register
class Future(Output):
    """All steps at once: what comes, by squared or absolute error, and how far it may be off, by the pinball loss.

    Target: (B, H + 1, C), NaN where not known, behind it the scale of its series. Answers are added to the mean of the
    stretch that is looked at, in units of its spread (reversible instance normalisation, Kim et al., ICLR 2022).

    Settings:
        loss: of what comes, one of ``LOSSES``; None for that of the metric.
    """

    name = "future"
    task_type = FutureTask
    remedy = "say how far ahead: --horizon 24"
    settings: ClassVar[Mapping[str, Any]] = {"loss": None}

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        # The mean is best by squares, the median by absolute errors.
        usual = "squared" if self._task.measured.constant == "mean" else "absolute"
        self.loss = usual if self.chosen["loss"] is None else str(self.chosen["loss"])
        if self.loss not in LOSSES:
            raise UsageError(f"there is no loss '{self.loss[:80]}'", fix=f"choose one of {', '.join(LOSSES)}")
        own = fields[0].settings
        self.horizon, self.context = int(own["horizon"]), int(own["context"])
        self.apart, self.relative = bool(own["apart"]), bool(own["relative"])
        self.channels = [int(f.settings["place"]) for f in fields]

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        return "what comes next" if target.traits.moments and "horizon" in target.settings else None

    def build(self, width: int) -> Future:
        # Channels that are read apart share one map.
        self.layer = nn.Linear(width, 2 * self.horizon * (1 if self.apart else len(self.fields)))
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (B, D) or (B * C, D) -> (B, 2 H C)
        past: Tensor = batch.inputs[KEY][:, : self.context, self.channels]  # type: ignore[index,call-overload]
        level, scale = level_and_scale(past)  # (B, 1, C) each
        moved = self.layer(f.x)
        if self.apart:
            moved = moved.view(len(past), len(self.fields), 2, self.horizon).permute(0, 2, 3, 1)
        else:
            moved = moved.view(len(past), 2, self.horizon, len(self.fields))
        point, spread = scale * moved[:, 0], moved[:, 1]
        if not self.adds:
            point, spread = level + point, scale.log() + spread
        return torch.cat([point.flatten(1), spread.flatten(1)], 1)

    def unit_of(self, index: int) -> int:
        return index // len(self.fields) if self.apart else index

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # (B, 2 H C) -> (B,)
        target: Tensor = batch.target  # type: ignore[assignment]
        shape = len(raw), self.horizon, len(self.fields)
        # Below 0 of a series that never changed.
        true, unit = target[:, : self.horizon], target[:, self.horizon :].abs()
        point, spread = (part.reshape(shape) for part in raw.float().chunk(2, 1))
        known = true.isfinite()
        off = torch.where(known, true - point, 0.0)
        # Of many series each counts by its own scale: else the largest alone would be learned.
        off, unit = (off / unit, unit) if self.relative else (off, torch.ones_like(unit))
        cost = off.square() if self.loss == "squared" else off.abs()
        # What comes is not moved by how far it may be off.
        cost = cost + pinball_cost(off.detach(), spread.clamp(-SPREAD_LIMIT, SPREAD_LIMIT).exp() / unit)
        return (cost * known).flatten(1).sum(1) / known.flatten(1).sum(1).clamp_min(1)


def level_and_scale(past: Tensor) -> tuple[Tensor, Tensor]:  # (B, T, C) -> (B, 1, C), (B, 1, C)
    """The mean and the spread of what is known of the past; 0 and 1 where nothing is."""
    known = past.isfinite()
    count = known.sum(1, keepdim=True).clamp_min(1)
    values = torch.where(known, past, 0.0)
    level = values.sum(1, keepdim=True) / count
    variance = torch.where(known, values - level, 0.0).square().sum(1, keepdim=True) / count
    # Before the root, whose slope at 0 is no number.
    return level, torch.where(variance > LEAST_SCALE**2, variance, 1.0).sqrt()


def pinball_cost(off: Tensor, spread: Tensor) -> Tensor:  # (B, H, C), (B, H, C) -> (B, H, C)
    """The mean cost of the lines of a normal distribution (Koenker and Bassett, 1978)."""
    total = torch.zeros_like(off)
    # The four inner ones: the outermost lines follow from few errors.
    for line, level in zip(NORMAL[1:5], (0.05, 0.25, 0.75, 0.95), strict=True):
        beyond = off - line * spread
        total = total + torch.maximum(level * beyond, (level - 1) * beyond)
    return total / 4
