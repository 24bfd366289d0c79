"""Dates → features: a linear map of each field's trend and cycles.

B batch, F date fields, P features of one of them, E embedding width, D trunk width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from ..fields import Field
from ..fields.date import feature_width
from ..trunks import Features, Need
from .base import Input, register


@register
class Date(Input):
    """Every date field as its trend and the sines and cosines of its turns of the calendar, through a map of its own.

    Reads (B, F * P) float32, the fields side by side, each with as many features as parts of its calendar vary. Gives
    (B, F * E) for a vector, (B, F, D) for a sequence of fields.

    Settings:
        embedding: E.
    """

    kind = "date"
    offers = (0, 1)
    settings: ClassVar = {"embedding": 16}
    shaping = ("embedding",)

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        self.sizes = [feature_width(field.state or {}) for field in fields]

    def build(self, positions: int, need: Need) -> Date:
        each = need.width if positions else self.chosen["embedding"]
        assert each is not None
        self.positions = positions
        self.maps = nn.ModuleList(nn.Linear(size, each) for size in self.sizes)
        self.out_width = each if positions else len(self.fields) * each
        return self

    def forward(self, value: Tensor, key: Tensor | None = None) -> Features:  # (B, F * P) -> (B, F * E) or (B, F, D)
        x = torch.stack([m(part) for m, part in zip(self.maps, value.split(self.sizes, 1), strict=True)], 1)
        return Features(x if self.positions else nnf.relu(x).flatten(1), key=key)
