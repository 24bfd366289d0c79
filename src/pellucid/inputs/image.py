"""Pixels → features: a flat vector, rows, or a grid of pixels or patches.

B batch, H W pixels, C channels, P side of a patch, D trunk width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..fields import Field
from ..trunks import Features, Need
from .augment import Warp, cover_square
from .base import Input, register, shift_text

# Of a photo's side: how far it moves at most, and the square that is covered.
SHIFT_SHARE, COVER_SHARE = 0.125, 0.4


@register
class Image(Input):
    """Pixels, scaled by the training photos' mean and spread, as what the trunk reads.

    A grid (B, H/P, W/P, D): patches of P×P pixels and one more on each side through one linear map, P as small as the
    trunk's ``longest`` allows; for P = 1 that is a 3×3 convolution, and without the overlap the patches of Dosovitskiy
    et al. (2020). Rows (B, H, D). A flat vector (B, D).

    Reads (B, H, W, C) uint8. In training examples are shifted, mirrored and partly covered (DeVries & Taylor,
    "Cutout", 2017), each only where the plan says that the target stays true.

    Settings:
        mirror: half of the examples are mirrored, and answers are averaged with the mirror image's. shift: by at most
            this share of a side. cover: the side of the covered square as a share of the photo's; 0 for none.
    """

    kind = "image"
    offers = (2, 1, 0)
    settings: ClassVar = {"mirror": False, "shift": 0.0, "cover": 0.0}
    batch_size = 256
    changes = ("mirror", "shift", "cover")

    mean: Tensor
    scale: Tensor

    @classmethod
    def plan(cls, hints: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
        return {
            "mirror": "mirror" in changes,
            "shift": SHIFT_SHARE if "shift" in changes else 0.0,
            "cover": float(hints.get("cover") or COVER_SHARE) if "cover" in changes else 0.0,
        }

    @classmethod
    def suggest_network(cls, examples: int) -> tuple[str, str]:
        return "convolutional", "photos: near pixels belong together"

    @classmethod
    def mirrors(cls, settings: Mapping[str, Any]) -> bool:
        return bool(settings.get("mirror"))

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        state = fields[0].state
        assert state is not None
        self.size = int(state["height"]), int(state["width"]), int(state["channels"])
        mean, std = np.float32(state["mean"]), np.float32(state["std"])
        # Pixels are bytes, the state's figures shares of white. A channel that never varies keeps a finite scale.
        self.register_buffer("mean", torch.tensor(mean * np.float32(255)))  # (C,)
        self.register_buffer("scale", torch.tensor(1 / (np.maximum(std, np.float32(0.02)) * np.float32(255))))  # (C,)

    def build(self, positions: int, need: Need) -> Image:
        height, width, channels = self.size
        out = need.width
        assert out is not None
        self.positions, self.patch, self.out_width = positions, 1, out
        if positions == 2:
            # The smallest patches that leave at most as many positions as the trunk is meant for.
            while need.longest and -(-height // self.patch) * -(-width // self.patch) > need.longest:
                self.patch += 1
            layer = nn.Conv2d(channels, out, self.patch + 2, stride=self.patch, padding=1)
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
            self.layer: nn.Module = layer
        else:
            self.layer = nn.Linear(channels * width * (1 if positions else height), out)
        return self

    def forward(self, value: Tensor, key: Tensor | None = None) -> Features:
        # (B, H, W, C) -> (B, H/P, W/P, D), (B, H, D) or (B, D)
        if key is not None:
            value = self.augment_pixels(value, key)
        x = (value.to(self.mean.dtype) - self.mean) * self.scale
        if key is not None and self.chosen["cover"] > 0:
            x = cover_square(x, key, self.chosen["cover"])
        if self.positions == 2:
            x = self.layer(pad_to(x, self.patch).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # (B, H/P, W/P, D)
        else:
            x = self.layer(x.flatten(2 if self.positions else 1))
        return Features(x, key=key)

    def term_name(self, source: Sequence[int]) -> str:
        _, width, channels = self.size
        colours = ("red", "green", "blue") if channels == 3 else ("brightness",)
        # Moved over the photo, the map reads a channel somewhere; else one pixel of all.
        if len(source) > 1:
            return f"{colours[source[0]]} at {shift_text(source[1:])}"
        place, channel = divmod(source[0], channels)
        row, column = divmod(place, width)
        where = f"column {column + 1}" if self.positions else f"row {row + 1}, column {column + 1}"
        return f"{colours[channel]}, {where}"

    def augment_pixels(self, value: Tensor, key: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        """The photos moved and mirrored, each by its key; as they are where neither is on."""
        shift, mirror = self.chosen["shift"], self.chosen["mirror"]
        if not (shift or mirror):
            return value
        height, width, _ = self.size
        return Warp.draw(key, height, width, shift=shift, mirror=mirror).move_pixels(value)

    def move_value(self, value: Tensor, right: int, down: int) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        one = torch.ones(len(value), dtype=torch.int64)
        return Warp(one < 0, down * one, right * one).move_pixels(torch.as_tensor(value))

    def cover_value(self, value: Tensor, rows: slice, columns: slice) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        covered = torch.as_tensor(value).clone()
        covered[:, rows, columns] = self.mean.round().clamp(0, 255).to(covered.dtype)
        return covered

    def mirror_value(self, value: Tensor) -> Tensor | None:  # (B, H, W, C) -> (B, H, W, C)
        return value.flip(2) if self.chosen["mirror"] else None

    def as_numbers(self, value: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        return value.to(self.mean.dtype)

    def with_numbers(self, value: Tensor, numbers: Tensor) -> Tensor:  # (B, H, W, C), (B, H, W, C) -> (B, H, W, C)
        return numbers

    @property
    def cell(self) -> tuple[int, ...]:
        # Rows are read whole.
        return (self.patch, self.patch) if self.positions == 2 else (1, self.size[1])


def pad_to(x: Tensor, multiple: int) -> Tensor:  # (B, H, W, C) -> (B, H', W', C)
    """The grid with zeros below and to the right, so that both sides are multiples of ``multiple``."""
    below, right = -x.shape[1] % multiple, -x.shape[2] % multiple
    return nn.functional.pad(x, (0, 0, 0, right, 0, below)) if below or right else x
