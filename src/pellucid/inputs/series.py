"""Series → features: a sequence of patches, or a fixed number of values between the first and the last.

B batch, T values of a series (the longest of the batch), C channels, C' with those that say what is missing, P values
of a patch, K positions, D trunk width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Padded
from ..fields import Field
from ..trunks import Features, Need
from .base import Input, register

# Values that a trunk without positions reads of each channel.
RESAMPLED = 64


@register
class Series(Input):
    """Channels of one length side by side, as what the trunk reads.

    A sequence (B, T/P, D): patches of P values of all channels through one linear map, P as small as the trunk's
    ``longest`` allows for the longest series of training; or, for a trunk that reads vectors, (B, D): each channel
    drawn on ``RESAMPLED`` places evenly between its first and its last value.

    Reads (B, T, C) standardised values with each example's length, NaN where missing. Missing ones are zeros, the mean;
    where some were missing in training, a channel for each says which.
    """

    kind = "series"
    offers = (1, 0)
    settings: ClassVar = {}
    batch_size = 64

    @classmethod
    def suggest_network(cls, examples: int) -> tuple[str, str]:
        return "convolutional", "series: near values belong together"

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        states = [field.state or {} for field in fields]
        self.longest = max(int(state["longest"]) for state in states)
        self.gaps = any(state["missing"] > 0 for state in states)
        self.channels = len(fields) * (2 if self.gaps else 1)

    def build(self, positions: int, need: Need) -> Series:
        assert need.width is not None
        self.positions, self.out_width = positions, need.width
        self.patch = self.patch_size(need) if positions else 1
        self.layer = nn.Linear(self.channels * (self.patch if positions else RESAMPLED), need.width)
        return self

    def reach(self, positions: int, need: Need) -> int:
        return -(-self.longest // self.patch_size(need)) if positions else 0

    def patch_size(self, need: Need) -> int:
        """Values of a patch: as few as leave at most as many positions as the trunk is meant for."""
        return -(-self.longest // need.longest) if need.longest else 1

    @property
    def frame_shape(self) -> tuple[int, int]:
        return self.longest, self.channels

    def frames(self, value: Padded, key: Tensor | None = None) -> tuple[Tensor, Tensor]:  # -> (B, T, C'), (B,)
        """Values without gaps, with channels that say where there were some; and the length of each series."""
        x = value.values
        # Frames already: see ``with_numbers``.
        if x.shape[2] > len(self.fields):
            return x, value.lengths
        real = torch.arange(x.shape[1], device=x.device) < value.lengths.unsqueeze(1)  # (B, T)
        missing = x.isnan()
        x = x.masked_fill(missing | ~real.unsqueeze(-1), 0.0)
        if self.gaps:
            x = torch.cat([x, (missing & real.unsqueeze(-1)).to(x.dtype)], -1)
        return x, value.lengths

    def as_numbers(self, value: Padded) -> Tensor:  # (B, T, C) -> (B, T, C')
        return self.frames(value)[0]

    def with_numbers(self, value: Padded, numbers: Tensor) -> Padded:  # (B, T, C), (B, T, C') -> (B, T, C')
        return Padded(numbers, value.lengths)

    def place_axis(self, count: int, patched: bool) -> tuple[np.ndarray, str]:
        return (np.arange(count) + 0.5) * (self.patch if patched else 1) + 0.5, "step"

    def forward(self, value: Padded, key: Tensor | None = None) -> Features:  # -> (B, T/P, D) or (B, D)
        x, lengths = self.frames(value, key)
        if not self.positions:
            return Features(self.layer(resample(x, lengths, RESAMPLED).flatten(1)), key=key)
        batch, steps, channels = x.shape
        x = nn.functional.pad(x, (0, 0, 0, -steps % self.patch)).reshape(batch, -1, self.patch * channels)
        last = (lengths + self.patch - 1) // self.patch
        mask = torch.arange(x.shape[1], device=x.device) < last.unsqueeze(1)  # (B, T/P)
        return Features(self.layer(x), mask, key)


def resample(x: Tensor, lengths: Tensor, count: int) -> Tensor:  # (B, T, C), (B,) -> (B, count, C)
    """Each series on ``count`` places, evenly from its first value to its last, between neighbours on a line."""
    share = torch.linspace(0, 1, count, device=x.device, dtype=torch.float64)
    place = share * (lengths - 1).clamp_min(0).unsqueeze(1)  # (B, count)
    low = place.floor().long()
    high = torch.minimum(low + 1, (lengths - 1).clamp_min(0).unsqueeze(1))
    weight = (place - low).to(x.dtype).unsqueeze(-1)

    def at(index: Tensor) -> Tensor:
        return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[2]))

    return at(low) * (1 - weight) + at(high) * weight
