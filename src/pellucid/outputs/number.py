"""One number or several: regression.

B batch, R target numbers, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..tasks.number import NumberTask
from ..trunks import Features
from ..trunks.layers import Linear
from .base import Output, register


@register
class Number(Output):
    """One linear map to R standardised numbers; squared error.

    Target: (B, R) standardised by the training targets' mean and spread.
    """

    name = "number"
    task_type = NumberTask
    positive = ("std",)

    def build(self, width: int) -> Number:
        self.layer = Linear(width, len(self.fields))
        # Step 0 answers with the training mean, the naive answer.
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (*B, D) -> (*B, R)
        return self.layer(f.x)

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # (B, R) -> (B,)
        true: Tensor = batch.target  # type: ignore[assignment]
        return (raw.float() - true).square().mean(1)
