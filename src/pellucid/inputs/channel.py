"""Channels of a series → features: stretches of steps as patches, or one vector.

B batch, T steps, C channels, K columns of the calendar, P steps of a patch, N patches, D trunk width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..fields import Field
from ..fields.channel import columns_of
from ..trunks import Features, Need
from ..wording import count_noun
from .base import Input, register

# Patches of a stretch, at most: attention costs the square of their number, and more did not pay.
MOST_PATCHES = 64

# Below this spread a stretch counts as constant.
LEAST_SPREAD = 1e-6


@register
class Channel(Input):
    """A stretch of channels in patches (Nie et al., "A Time Series is Worth 64 Words", ICLR 2023), or as one vector.

    Reads (B, T, C + K), NaN where missing or not known yet. Each channel is taken from its mean over the stretch, in
    units of its spread; both are told besides, and so is where values are missing. Channels that are all forecast are
    read apart, by the same weights: as many examples more.
    """

    kind = "channel"
    offers = (1, 0)
    settings: ClassVar = {}
    batch_size = 128
    stand_in = "its mean over the stretch, and a mark"

    @classmethod
    def suggest_network(cls, examples: int) -> tuple[str, str]:
        return "dense", "series: one vector of the past, all steps ahead at once"

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        own = fields[0].settings
        ahead = any(f.role == "known" for f in fields)
        self.calendar, self.context = int(own["calendar"]), int(own["context"])
        self.steps = self.context + (int(own["horizon"]) if ahead else 0)
        self.apart, self.channels = bool(own["apart"]), sum(columns_of(f) for f in fields)
        # Values and whether they are missing, and of each channel level and spread.
        self.columns = (1 if self.apart else self.channels) * 4 + self.calendar

    def build(self, positions: int, need: Need) -> Channel:
        self.positions = positions
        if not positions:
            # Every value; level, spread and calendar once.
            channels = 1 if self.apart else self.channels
            self.out_width = (self.steps + 2) * channels + self.calendar
            return self
        assert need.width is not None
        most = min(MOST_PATCHES, need.longest or MOST_PATCHES)
        self.patch = -(-self.steps // most)
        self.layer = nn.Linear(self.patch * self.columns, need.width)
        self.out_width = need.width
        return self

    def forward(self, value: Tensor, key: Tensor | None = None) -> Features:
        # (B, T, C + K) -> (B, N, D) or (B, T * columns); apart (B * C, ...)
        if self.apart and key is not None:
            # Each channel draws for itself.
            key = (key.unsqueeze(1) + torch.arange(self.channels, device=key.device) * 0x1000193).flatten()
        x = self.columns_of(value)  # (B, T, columns) or (B * C, T, columns)
        if not self.positions:
            channels = 1 if self.apart else self.channels
            told = x[..., : 4 * channels].unflatten(2, (channels, 4))  # (B, T, C, 4)
            last = x[:, self.context - 1, 4 * channels :]  # (B, K)
            return Features(torch.cat([told[..., 0].flatten(1), told[:, 0, :, 2:].flatten(1), last], 1), key=key)
        # The first patch is filled up from the left: the last steps matter most.
        x = nn.functional.pad(x, (0, 0, -self.steps % self.patch, 0))
        return Features(self.layer(x.unflatten(1, (-1, self.patch)).flatten(2)), key=key)

    # -- looking inside

    def describe_gaps(self, value: Tensor) -> dict[str, str]:  # (1, T, C + K)
        gone = ~value[0, : self.context, : self.channels].isfinite()  # (T, C)
        found, start = {}, 0
        for field in self.fields:
            own = gone[:, start : start + columns_of(field)].any(1).nonzero().flatten().tolist()
            start += columns_of(field)
            if own:
                ago = count_noun(self.context - own[-1], "step")
                many = f"the last of them {ago} back" if len(own) > 1 else f"{ago} back"
                steps = f"{len(own):,} of {count_noun(self.context, 'step')}"
                found[field.name] = f"{steps}, which {'is' if len(own) == 1 else 'are'} missing, {many}"
        return found

    def as_numbers(self, value: Tensor) -> Tensor:  # (B, T, C + K) -> (B, T, C + K)
        return value

    def with_numbers(self, value: Tensor, numbers: Tensor) -> Tensor:  # (B, T, C + K), (B, T, C + K) -> the same
        return numbers

    def fit_places(self, value: Tensor, like: Tensor) -> Tensor:  # (N, T, C + K), (1, T, C + K) -> (N, T, C + K)
        """Other stretches at the level and with the spread of this one: their shape alone is another."""
        count = self.channels
        own, other = (level_and_spread(one[..., :count], self.context) for one in (like, value))
        moved = (value[..., :count] - other[0]) / other[1] * own[1] + own[0]
        return torch.cat([moved, value[..., count:]], 2)

    def usual_numbers(self, numbers: Tensor, others: Tensor) -> Tensor:  # (1, T, C + K), (N, T, C + K) -> (C + K,)
        """The stretch's own mean: that of training may be far from anything in it."""
        return numbers[:, : self.context].flatten(0, 1).nanmean(0).nan_to_num()

    def hide_places(self, numbers: Tensor, filler: Tensor, hidden: Tensor) -> Tensor:
        # (B, T, C + K), (...), (B, T) -> (B, T, C + K)
        """What was measured is hidden; the calendar is known."""
        calendar = torch.arange(numbers.shape[2]) >= self.channels
        return torch.where(hidden.unsqueeze(2) & ~calendar, filler, numbers)

    def place_axis(self, count: int, patched: bool) -> tuple[np.ndarray, str]:
        wide = self.patch if patched else 1
        last = (np.arange(count) - count + 0.5) * wide + 0.5
        return last + self.steps - self.context, "steps from now"

    @property
    def swapped(self) -> list[str]:
        return [*super().swapped, *(["calendar"] if self.calendar else [])]

    def swap_fields(self, value: Tensor, other: Tensor, chosen: Tensor) -> Tensor:
        # (B, T, C + K), the same, (B, F) -> (B, T, C + K)
        owner = [i for i, places in enumerate(self.parts().values()) for _ in places]
        columns = chosen[:, torch.tensor(owner, device=chosen.device)]  # (B, C + K)
        return torch.where(columns.unsqueeze(1), other, value)

    def parts(self) -> dict[str, Sequence[int]]:
        """Every channel by itself, and the calendar: all stretches are equally long."""
        sizes = [columns_of(f) for f in self.fields] + ([self.calendar] if self.calendar else [])
        ends = np.cumsum(sizes).tolist()
        return {n: range(end - size, end) for n, size, end in zip(self.swapped, sizes, ends, strict=True)}

    # -- features

    def columns_of(self, value: Tensor) -> Tensor:  # (B, T, C + K) -> (B, T, columns) or (B * C, T, columns)
        """What is told of every step."""
        own, calendar = value[..., : self.channels], value[..., self.channels :]
        level, spread = level_and_spread(own, self.context)
        missing = ~own.isfinite()
        # A gap stands at the level from the start on: its NaN, hidden only at the end, would be in every slope.
        scaled = (torch.where(missing, level, own) - level) / spread
        told = torch.stack([scaled, missing.to(scaled.dtype), level.expand_as(scaled).tanh(),
                            spread.log().expand_as(scaled).clamp(-5, 5) / 5], -1)  # (B, T, C, 4)  # fmt: skip
        calendar = calendar.nan_to_num()
        if not self.apart:
            return torch.cat([told.flatten(2), calendar], -1)
        each = told.permute(0, 2, 1, 3).flatten(0, 1)  # (B * C, T, 4)
        return torch.cat([each, calendar.repeat_interleave(self.channels, 0)], -1)


def level_and_spread(own: Tensor, context: int) -> tuple[Tensor, Tensor]:  # (B, T, C) -> (B, 1, C), (B, 1, C)
    """The mean and the spread of what is known of the first ``context`` steps; a spread of 1 where nothing varies."""
    past = own[:, :context]
    known = past.isfinite()
    count = known.sum(1, keepdim=True).clamp_min(1)
    level = torch.where(known, past, 0.0).sum(1, keepdim=True) / count
    variance = torch.where(known, past - level, 0.0).square().sum(1, keepdim=True) / count
    # Before the root, whose slope at 0 is no number.
    return level, torch.where(variance > LEAST_SPREAD**2, variance, 1.0).sqrt()
