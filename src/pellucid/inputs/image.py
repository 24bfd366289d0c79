"""Pixels → features: a flat vector, rows, or a grid of pixels or patches.

B batch, H W pixels, C channels, P side of a patch, D trunk width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..fields import Field
from ..trunks import Features, Need
from ..trunks.base import uniform_numbers
from .base import Input, register


@dataclass(frozen=True)
class Warp:
    """One geometric change an example; every field with geometry follows the same one.

    Attributes:
        flip: (B,) bool, mirrored left to right.
        down, right: (B,) int64, by how many pixels the content moves.
    """

    flip: Tensor
    down: Tensor
    right: Tensor

    @classmethod
    def draw(cls, key: Tensor, height: int, width: int, *, shift: float, mirror: bool) -> Warp:
        """A pure function of the examples' keys; ``shift`` is the largest move as a fraction of the side."""
        tall, wide = round(height * shift), round(width * shift)
        down = (uniform_numbers(key, 1) * (2 * tall + 1)).long() - tall
        right = (uniform_numbers(key, 2) * (2 * wide + 1)).long() - wide
        flip = (uniform_numbers(key, 3) < 0.5) if mirror else torch.zeros_like(key, dtype=torch.bool)
        return cls(flip, down, right)

    def move_pixels(self, image: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        """Move the pixels; what moves in over an edge is the picture reflected there."""
        batch, height, width, _ = image.shape
        rows = reflect_index(torch.arange(height, device=image.device) - self.down.unsqueeze(1), height)  # (B, H)
        cols = reflect_index(torch.arange(width, device=image.device) - self.right.unsqueeze(1), width)  # (B, W)
        cols = torch.where(self.flip.unsqueeze(1), width - 1 - cols, cols)
        example = torch.arange(batch, device=image.device)[:, None, None]
        return image[example, rows[:, :, None], cols[:, None, :]]


def reflect_index(index: Tensor, size: int) -> Tensor:
    """Indices outside 0 .. size - 1 reflected back, the edge itself repeated."""
    index = torch.where(index < 0, -1 - index, index)
    return torch.where(index >= size, 2 * size - 1 - index, index)


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

    mean: Tensor
    scale: Tensor

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        state = fields[0].state
        assert state is not None
        self.size = int(state["height"]), int(state["width"]), int(state["channels"])
        mean, std = torch.tensor(state["mean"]), torch.tensor(state["std"])
        self.register_buffer("mean", mean.float() * 255)  # (C,)
        self.register_buffer("scale", 1 / (std.float().clamp_min(0.02) * 255))  # (C,)

    def build(self, positions: int, need: Need) -> Image:
        height, width, channels = self.size
        out = need.width
        assert out is not None
        self.positions, self.patch, self.out_width = positions, 1, out
        if positions == 2:
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

    def augment_pixels(self, value: Tensor, key: Tensor) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
        shift, mirror = self.chosen["shift"], self.chosen["mirror"]
        if not (shift or mirror):
            return value
        height, width, _ = self.size
        return Warp.draw(key, height, width, shift=shift, mirror=mirror).move_pixels(value)

    def mirror_value(self, value: Tensor) -> Tensor | None:  # (B, H, W, C) -> (B, H, W, C)
        return value.flip(2) if self.chosen["mirror"] else None


def pad_to(x: Tensor, multiple: int) -> Tensor:  # (B, H, W, C) -> (B, H', W', C)
    """Zeros below and to the right until both sides are multiples."""
    below, right = -x.shape[1] % multiple, -x.shape[2] % multiple
    return nn.functional.pad(x, (0, 0, 0, right, 0, below)) if below or right else x


def cover_square(x: Tensor, key: Tensor, share: float) -> Tensor:  # (B, H, W, C) -> (B, H, W, C)
    """Set one square, ``share`` of each side, to the mean (0), at a place drawn from the example's key."""
    height, width = x.shape[1:3]
    tall, wide = max(1, round(height * share)), max(1, round(width * share))
    top = (uniform_numbers(key, 5) * (height - tall + 1)).long().unsqueeze(1)  # (B, 1)
    left = (uniform_numbers(key, 6) * (width - wide + 1)).long().unsqueeze(1)
    rows = torch.arange(height, device=x.device)
    cols = torch.arange(width, device=x.device)
    hidden = ((rows >= top) & (rows < top + tall)).unsqueeze(2) & ((cols >= left) & (cols < left + wide)).unsqueeze(1)
    return x.masked_fill(hidden.unsqueeze(-1), 0.0)
