"""Categories → features: one learned vector a value.

B batch, F category fields, E embedding width, D trunk width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..fields import Field
from ..trunks import Features, Need
from ..trunks.keyed_random import uniform_numbers
from .base import Input, register

# Code 0 is missing, 1 unknown: both have a vector of their own.
RESERVED = 2


@register
class Category(Input):
    """One table of learned vectors for the values of all category fields, each field with its own part of it.

    Reads (B, F) integers: 0 missing, 1 unknown, 2 and above the values seen in training. Gives (B, F * E) for a
    vector, (B, F, D) for a sequence of fields.

    Settings:
        embedding: E. unknown: the share of values that turn into *unknown* in training, so that the vector for values
            never seen is a trained one.
    """

    kind = "category"
    offers = (0, 1)
    settings: ClassVar = {"embedding": 8, "unknown": 0.01}
    shaping = ("embedding",)

    starts: Tensor

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        sizes = [len(field.state["values"]) + RESERVED for field in fields]  # type: ignore[index]
        starts = torch.tensor(list(accumulate(sizes[:-1], initial=0)))
        self.total = sum(sizes)
        self.register_buffer("starts", starts)  # (F,)

    def build(self, positions: int, need: Need) -> Category:
        each = need.width if positions else self.chosen["embedding"]
        assert each is not None
        self.positions = positions
        self.table = nn.Parameter(torch.randn(self.total, each) * (0.5 if positions == 0 else 0.1))  # (values, E)
        self.out_width = each if positions else len(self.fields) * each
        return self

    def term_name(self, source: Sequence[int]) -> str:
        row = source[0]
        field = int((self.starts <= row).sum()) - 1
        code = row - int(self.starts[field])
        words = ["missing", "unknown", *self.fields[field].state["values"]]  # type: ignore[index]
        return f"{self.fields[field].name} = {words[code]}"

    def forward(self, value: Tensor, key: Tensor | None = None) -> Features:  # (B, F) -> (B, F * E) or (B, F, D)
        if key is not None and self.chosen["unknown"] > 0:
            value = drop_to_unknown(value, key, self.chosen["unknown"], to=1)
        x = nn.functional.embedding(value.long() + self.starts, self.table)  # (B, F, E)
        return Features(x if self.positions else x.flatten(1), key=key)


def drop_to_unknown(value: Tensor, key: Tensor, rate: float, to: int) -> Tensor:  # (B, F), (B,) -> (B, F)
    """Replace each entry by ``to`` with probability ``rate``, drawn from the examples' keys."""
    places = torch.arange(value.shape[1], device=value.device)
    # Keys of neighbouring fields are spread by a large odd factor (FNV's prime); each place that draws has its own
    # salt.
    draw = uniform_numbers(key.unsqueeze(1) + (places + 1) * 0x1000193, salt=11)  # (B, F)
    return torch.where(draw < rate, torch.full_like(value, to), value)
