"""Outputs that make one answer of an example: a linear map of its pooled vector, or of each of several heads.

B batch, H heads, R numbers in a raw answer, D width.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..errors import UsageError
from ..fields import Field
from ..options import MOST_HEADS
from ..trunks import Features, Inside, Need
from ..trunks.layers import HeadMaps, Linear
from .base import Output


class PooledOutput(Output):
    """One linear map to R numbers, or one for each head: the loss is the mean of the heads' losses, the answer theirs.

    In training ``forward`` gives every head's numbers, (B, H, R), because each head learns by its own loss; else what
    they say together, (B, R).

    Class attributes:
        map_type: of the linear map of a single head.
    """

    settings: ClassVar[Mapping[str, Any]] = {"heads": 1}
    map_type: ClassVar[type[nn.Linear]] = Linear

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        self.heads = int(self.chosen["heads"])
        if not 1 <= self.heads <= MOST_HEADS:
            raise UsageError(f"there can't be {self.heads} heads", fix=f"choose a number from 1 to {MOST_HEADS}")

    def need(self) -> Need:
        return Need(heads=self.heads)

    def build(self, width: int) -> PooledOutput:
        several = self.heads > 1
        self.layer = HeadMaps(width, self.answers, self.heads) if several else self.map_type(width, self.answers)
        self.start_weights(width)
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # -> (*B, R) or (B, H, R)
        raw = self.layer(f.x)
        return raw if self.heads == 1 or self.training else self.join_heads(raw)

    def open(self, f: Features, batch: Batch) -> tuple[Tensor, Inside]:  # -> (B, R)
        """Inside, of several heads: head_answers (B, H, R)."""
        raw = self.layer(f.x)
        return (raw, {}) if self.heads == 1 else (self.join_heads(raw), {"head_answers": raw})

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # -> (B,)
        true: Tensor = batch.target  # type: ignore[assignment]
        if raw.ndim == 2:
            return self.each_loss(raw.float(), true)
        # Each head by its own loss: by the loss of their mean they would learn as one.
        heads = raw.shape[1]
        losses = self.each_loss(raw.float().flatten(0, 1), true.repeat_interleave(heads, 0))  # (B * H,)
        return losses.view(-1, heads).mean(1)

    @property
    @abstractmethod
    def answers(self) -> int:
        """R, numbers in a raw answer."""

    @abstractmethod
    def start_weights(self, width: int) -> None:
        """Set the first weights of ``layer``, which reads vectors of this ``width``."""

    @abstractmethod
    def each_loss(self, raw: Tensor, true: Tensor) -> Tensor:  # (n, R), (n, ...) -> (n,)
        """The loss of each answer."""

    @abstractmethod
    def join_heads(self, raw: Tensor) -> Tensor:  # (B, H, R) -> (B, R)
        """One raw answer of the heads': of the mean of what they say."""

    def config(self) -> dict[str, Any]:
        # Left out where there is one: runs from before there was a choice have none.
        about = super().config()
        settings = {k: v for k, v in about["settings"].items() if k != "heads" or v != 1}
        return about | {"settings": settings}
