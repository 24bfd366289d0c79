"""Geometric changes of photos, drawn from the keys of the examples. B batch, H W pixels, C channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..trunks.keyed_random import uniform_numbers


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
    def draw(cls, key: Tensor, height: int, width: int, *, shift: float, mirror: bool) -> Warp:  # (B,)
        """The change of each example, drawn from its key.

        Args:
            height, width: of the photos, pixels. shift: the largest move, as a share of the side. mirror: whether half
                of the examples are mirrored.
        """
        # A pure function of the keys, so that another field with geometry can draw the same without being told.
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


def reflect_index(index: Tensor, size: int) -> Tensor:  # (...) -> (...)
    """Indices outside 0 .. size - 1 reflected back, the edge itself repeated."""
    index = torch.where(index < 0, -1 - index, index)
    return torch.where(index >= size, 2 * size - 1 - index, index)


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
