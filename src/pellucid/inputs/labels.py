"""Labels → features: the sum of the learned vectors of those that are there.

B batch, F fields of labels, W columns of one field (missing, other, its labels), E embedding width, D trunk width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..fields import Field
from ..fields.labels import MISSING, OTHER, RESERVED
from ..trunks import Features, Need
from ..trunks.keyed_random import uniform_numbers
from .base import Input, register


@register
class Labels(Input):
    """Each field of labels as one vector: the sum of the vectors of its labels (a missing cell has one of its own).

    Reads (B, F * W) zeros and ones, for each field: missing, a label not seen in training, then one column a label.
    Gives (B, F * E) for a vector, (B, F, D) for a sequence of fields.

    Settings:
        embedding: E. unknown: the share of labels that turn into *other* in training, so that the vector for labels
            never seen is a trained one.
    """

    kind = "labels"
    offers = (0, 1)
    settings: ClassVar = {"embedding": 16, "unknown": 0.01}
    shaping = ("embedding",)

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        self.sizes = [len(field.state["values"]) + RESERVED for field in fields]  # type: ignore[index]

    def build(self, positions: int, need: Need) -> Labels:
        each = need.width if positions else self.chosen["embedding"]
        assert each is not None
        self.positions = positions
        self.table = nn.Parameter(torch.randn(sum(self.sizes), each) * (0.1 if positions else 0.5))  # (F * W, E)
        self.out_width = each if positions else len(self.fields) * each
        return self

    def term_name(self, source: Sequence[int]) -> str:
        words = [
            f"{field.name}: {word}"
            for field in self.fields
            for word in ("missing", "another label", *field.state["values"])  # type: ignore[index]
        ]
        return words[source[0]]

    def forward(self, value: Tensor, key: Tensor | None = None) -> Features:  # (B, F * W) -> (B, F * E) or (B, F, D)
        drop = key is not None and self.chosen["unknown"] > 0
        parts = value.split(self.sizes, 1)
        if drop:
            assert key is not None
            parts = tuple(drop_labels(part, key + i, self.chosen["unknown"]) for i, part in enumerate(parts))
        tables = self.table.split(self.sizes)
        x = torch.stack([part.to(t.dtype) @ t for part, t in zip(parts, tables, strict=True)], 1)  # (B, F, E)
        return Features(x if self.positions else x.flatten(1), key=key)


def drop_labels(value: Tensor, key: Tensor, rate: float) -> Tensor:  # (B, W), (B,) -> (B, W)
    """Turn each label that is there into *other* with probability ``rate``, drawn from the examples' keys."""
    # That a cell is missing, or had a label unknown already, is no label to lose.
    places = torch.arange(value.shape[1], device=value.device)
    lost = (uniform_numbers(key.unsqueeze(1) + (places + 1) * 0x1000193, salt=17) < rate) & (value > 0)  # (B, W)
    lost = lost & (places != MISSING) & (places != OTHER)
    kept = value.masked_fill(lost, 0)
    other = (kept[:, OTHER] > 0) | lost.any(1)
    return kept.index_copy(1, torch.tensor([OTHER], device=value.device), other.to(value.dtype).unsqueeze(1))
