"""Passages of documents → features: a learned vector for each token.

B batch, T tokens, V vocabulary, D trunk width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ..data.batches.batch import Padded
from ..fields import Field
from ..trunks import Features, Need
from .base import Input, register


@register
class Passage(Input):
    """The tokens before each place as learned vectors, in their order.

    Reads (B, T) token numbers with each example's length; 0 is padding, which stands behind all others: what may see
    only what lies before it never sees any, so there is no mask.
    """

    kind = "passage"
    offers = (1,)
    batch_size: ClassVar[int] = 16

    @classmethod
    def suggest_network(cls, examples: int) -> tuple[str, str]:
        # Of news after a minute of one core 1.288 and of the transformer 1.301 (docs/LOG.md, 2026-11-28).
        return "recurrent", "a language model: of the networks that add to counts it learns fastest"

    def __init__(self, fields: Sequence[Field], **settings: object):
        super().__init__(fields, **settings)
        self.vocabulary = int(fields[0].state["size"])  # type: ignore[index]
        self.span = int(fields[0].state["context"])  # type: ignore[index]

    def reach(self, positions: int, need: Need) -> int:
        return self.span

    def build(self, positions: int, need: Need) -> Passage:
        self.positions = positions
        assert need.width is not None
        self.table = nn.Parameter(torch.randn(self.vocabulary, need.width) * 0.1)  # (V, D)
        self.out_width = need.width
        return self

    def forward(self, value: Padded, key: Tensor | None = None) -> Features:  # (B, T) -> (B, T, D)
        return Features(nn.functional.embedding(value.values.long(), self.table), None, key)

    def step(self, token: Tensor) -> Tensor:  # (B,) -> (B, D)
        """The vectors of one token each, as they are read when a text is written."""
        return nn.functional.embedding(token.long(), self.table)
