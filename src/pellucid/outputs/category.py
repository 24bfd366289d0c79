"""One label of several: classification.

B batch, n examples, C classes, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch.nn.functional as nnf
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..errors import UsageError, unknown_name
from ..fields import Field
from ..tasks.category import CategoryTask
from ..trunks import Features
from ..trunks.layers import Linear
from .base import Output, register


@register
class Category(Output):
    """One linear map to C logits; softmax cross-entropy with label smoothing (Szegedy et al., 2016).

    Target: (B,) class numbers.
    """

    name = "category"
    task_type = CategoryTask
    # Errors are few and noisy, so a shorter training must be clearly better (see ``cross_validation.best_of``).
    halved = 0.01
    positive = ("temperature",)
    # ``sought``: which of two classes is the positive one; None for the rarer.
    settings: ClassVar = {"smoothing": 0.0, "sought": None}

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

    def build(self, width: int) -> Category:
        self.layer = Linear(width, len(self.task.values))
        nn.init.normal_(self.layer.weight, std=0.5 * width**-0.5)
        nn.init.zeros_(self.layer.bias)
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (*B, D) -> (*B, C)
        return self.layer(f.x)

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # (B, C) -> (B,)
        # Smoothed in training alone: evaluation's loss is that of the true class.
        smoothing = self.chosen["smoothing"] if self.training else 0.0
        true: Tensor = batch.target  # type: ignore[assignment]
        return nnf.cross_entropy(raw.float(), true.long(), reduction="none", label_smoothing=smoothing)

    def selection_losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, C), (n,) -> (n,)
        """1 for an error, 0 for none, and a tenth of the loss."""
        # The loss alone ends too early: a network that grows sure of its errors loses by them long before it makes more
        # (Guo et al., 2017), and how sure to be is mended at the end. On six small tables +0.9 points, against +0.2 by
        # the loss and +0.8 by errors alone, of which few examples make few (docs/LOG.md, 2026-11-22).
        return (raw.argmax(1) != target.long()).float() + 0.1 * self.losses(raw, Batch.of_targets(target))
