"""One label of several: classification.

B batch, n examples, C classes, D width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..errors import UsageError, unknown_name
from ..fields import Field
from ..tasks.calibration import cross_entropy, fit_temperature
from ..tasks.category import CategoryTask
from .base import register
from .pooled import PooledOutput

# The share of a class below which errors say little of how well it is known, unless classes are many: then the half of
# an even share. Tried on two classes (docs/LOG.md, 2026-11-27).
RARE = 0.1


@register
class Category(PooledOutput):
    """One linear map to C logits; softmax cross-entropy with label smoothing (Szegedy et al., 2016).

    Target: (B,) class numbers.
    """

    name = "category"
    task_type = CategoryTask
    # Errors are few and noisy, so a shorter training must be clearly better (see ``cross_validation.best_of``).
    halved = 0.01
    positive = ("temperature",)
    # ``sought``: which of two classes is the positive one; None for the rarer.
    settings: ClassVar = {**PooledOutput.settings, "smoothing": 0.0, "sought": None}

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        sought = self.chosen["sought"]
        if sought is not None and sought not in self.task.values:
            raise UsageError(unknown_name("class", str(sought), self.task.values))
        self.task.sought = sought

    @classmethod
    def plan(cls, hints: Mapping[str, Any]) -> dict[str, Any]:
        return {"smoothing": hints.get("smoothing", cls.settings["smoothing"])}

    def config(self) -> dict[str, Any]:
        # Left out unless it was said: runs from before there was a choice have none.
        about = super().config()
        settings = {k: v for k, v in about["settings"].items() if k != "sought" or v is not None}
        return about | {"settings": settings}

    @property
    def answers(self) -> int:
        return len(self.task.values)

    def start_weights(self, width: int) -> None:
        nn.init.normal_(self.layer.weight, std=0.5 * width**-0.5)
        nn.init.zeros_(self.layer.bias)

    def each_loss(self, raw: Tensor, true: Tensor) -> Tensor:  # (n, C), (n,) -> (n,)
        # Smoothed in training alone: evaluation's loss is that of the true class.
        smoothing = self.chosen["smoothing"] if self.training else 0.0
        return nnf.cross_entropy(raw, true.long(), reduction="none", label_smoothing=smoothing)

    def join_heads(self, raw: Tensor) -> Tensor:  # (B, H, C) -> (B, C)
        """The logarithm of the mean probability, which is a logit like any other."""
        return nnf.log_softmax(raw.float(), -1).logsumexp(1) - math.log(self.heads)

    def selection_losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, C), (n,) -> (n,)
        """1 for an error, 0 for none, and a tenth of the loss."""
        # The loss alone ends too early: a network that grows sure of its errors loses by them long before it makes more
        # (Guo et al., 2017), and how sure to be is mended at the end. On six small tables +0.9 points, against +0.2 by
        # the loss and +0.8 by errors alone, of which few examples make few (docs/LOG.md, 2026-11-22).
        return (raw.argmax(1) != target.long()).float() + 0.1 * self.losses(raw, Batch.of_targets(target))

    def calibrated_losses(self, raw: Tensor, target: Tensor) -> Tensor | None:  # (n, C), (n,) -> (n,)
        """Where a class is rare: whoever never names it makes few errors, however long it learns."""
        counts = torch.bincount(target.long(), minlength=raw.shape[1])
        present = counts[counts > 0]
        if present.min() >= min(RARE, 0.5 / len(present)) * len(target):
            return None
        if not raw.isfinite().all():
            return torch.full_like(target, math.nan, dtype=torch.float64)
        raw, true = raw.double(), target.long()
        logits, known = raw.cpu().numpy(), true.cpu().numpy()
        temperature = fit_temperature(lambda t: cross_entropy(logits / t, known), len(known))
        return nnf.cross_entropy(raw / temperature, true, reduction="none")
