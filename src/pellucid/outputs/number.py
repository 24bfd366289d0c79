"""One number or several: regression.

B batch, R target numbers, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..tasks.number import NumberTask
from .base import register
from .pooled import PooledOutput


@register
class Number(PooledOutput):
    """One linear map to R standardised numbers; squared error.

    Target: (B, R) standardised by the training targets' mean and spread.
    """

    name = "number"
    task_type = NumberTask
    positive = ("std",)

    @property
    def answers(self) -> int:
        return len(self.fields)

    def start_weights(self, width: int) -> None:
        # Step 0 answers with the training mean, the naive answer.
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def each_loss(self, raw: Tensor, true: Tensor) -> Tensor:  # (n, R), (n, R) -> (n,)
        return (raw - true).square().mean(1)

    def join_heads(self, raw: Tensor) -> Tensor:  # (B, H, R) -> (B, R)
        return raw.mean(1)
