"""The convolutional trunk: a small residual network over grids, dilated convolutions along sequences.

B batch, T time, H W grid, D width, C channels of a stage, K taps of a kernel.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Features, Inside, Stage, State, Trunk, register
from .layers import Dropout, GroupedBatchNorm, LastNorm, Norm, check_build, max_positions, pick, silenced, zeroed

SIZES = (6, 8, 12, 16, 24, 32, 48, 64, 96, 128)  # width


class GridStage(Stage):
    """Convolution, pooling, norm, gelu; then a residual convolution, norm, gelu. Halves both sides.

    Pooling comes before the norm and the activation, which so cost a quarter (airbench94, Jordan 2024). Memory is
    channels-last throughout: what comes in and goes out as (B, H, W, D) is, seen as (B, D, H, W), already in that
    order. Edges of pooling are rounded up, so that a grid alone and a grid with padding beside it give the same.
    """

    def __init__(self, width: int, channels: int, dropout: float):
        super().__init__()
        self.first, self.second = grid_convolution(width, channels), grid_convolution(channels, channels)
        self.first_norm, self.second_norm = GroupedBatchNorm(channels), GroupedBatchNorm(channels)
        self.dropout = Dropout(dropout)

    def forward(self, f: Features) -> Features:  # (B, H, W, D) -> (B, ceil(H / 2), ceil(W / 2), C)
        return self.open(f)[0]

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside: convolved (B, H, W, C); as large as the result: pooled, pre_activation, activation,
        added_pre_activation, added.
        """
        convolved = self.first(channels_first(silenced(f.x, f.mask)))  # (B, C, H, W)
        pooled, mask = pool_real(convolved, f.mask)  # (B, C, H / 2, W / 2), (B, H / 2, W / 2)
        before = self.first_norm(pooled, mask)
        middle = F.gelu(before)
        more = self.second_norm(self.second(fill_padding(middle, mask, 0.0)), mask)
        added = F.gelu(more)
        y = self.dropout(channels_last(middle + added), f.key)
        inside = {"convolved": convolved, "pooled": pooled, "pre_activation": before, "activation": middle}
        inside |= {"added_pre_activation": more, "added": added}
        return f.with_(x=y, mask=mask), {name: channels_last(t) for name, t in inside.items()}


def grid_convolution(width: int, channels: int) -> nn.Conv2d:
    """3 x 3, without bias (a norm follows), its weights channels-last like what it reads."""
    layer = nn.Conv2d(width, channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return layer


def channels_first(x: Tensor) -> Tensor:  # (B, H, W, D) -> (B, D, H, W), the same memory
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:  # (B, D, H, W) -> (B, H, W, D), the same memory
    return x.permute(0, 2, 3, 1)


def pool_real(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    # (B, D, H, W), (B, H, W) -> (B, D, ceil(H / 2), ceil(W / 2)), (B, ceil(H / 2), ceil(W / 2))
    """Max-pooling over real positions; one that covers none of them is 0, and is not real."""
    if mask is None:
        return halved(x), None
    lowest = fill_padding(x, mask, torch.finfo(x.dtype).min)
    mask = halved(mask.unsqueeze(1).to(x.dtype)).squeeze(1) > 0
    return fill_padding(halved(lowest), mask, 0.0), mask


def fill_padding(x: Tensor, mask: Tensor | None, value: float) -> Tensor:  # (B, D, H, W), (B, H, W) -> (B, D, H, W)
    return x if mask is None else x.masked_fill(~mask.unsqueeze(1), value)


def halved(x: Tensor) -> Tensor:  # (B, D, H, W) -> (B, D, ceil(H / 2), ceil(W / 2))
    return F.max_pool2d(x, 2, ceil_mode=True)


class SequenceStage(Stage):
    """skip(x) + W dropout(gelu(convolution(norm(x)))), W zero at the start; the length stays.

    The norm is of each position alone, so neither padding nor the future gets into it. Causal, the kernel looks back
    only (WaveNet, van den Oord 2016).
    """

    taps = 5

    def __init__(self, width: int, channels: int, dilation: int, causal: bool, dropout: float):
        super().__init__()
        self.dilation, self.reach = dilation, dilation * (self.taps - 1)  # positions between first and last tap
        self.ahead = 0 if causal else self.reach // 2
        self.norm = Norm(width)
        self.convolution = nn.Conv1d(width, channels, self.taps, dilation=dilation)
        self.out = zeroed(nn.Linear(channels, channels))
        self.skip = nn.Identity() if width == channels else nn.Linear(width, channels)
        self.dropout = Dropout(dropout)

    def forward(self, f: Features) -> Features:  # (B, T, D) -> (B, T, C)
        return self.open(f)[0]

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside: pre_activation, activation and added, each (B, T, C)."""
        quiet = silenced(self.norm(f.x), f.mask)
        before = self._convolve(F.pad(quiet, (0, 0, self.reach - self.ahead, self.ahead)))
        after = F.gelu(before)
        added = self.out(self.dropout(after, f.key))
        inside = {"pre_activation": before, "activation": after, "added": added}
        return f.with_(x=self.skip(f.x) + added), inside

    def start(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, self.reach, self.norm.normalized_shape[0])  # the last normalised inputs

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, D) -> (B, C)
        window = torch.cat([state, self.norm(x).unsqueeze(1)], 1)  # (B, reach + 1, D)
        added = self.out(F.gelu(self._convolve(window)[:, 0]))
        return self.skip(x) + added, window[:, 1:]

    def _convolve(self, x: Tensor) -> Tensor:  # (B, T + reach, D) -> (B, T, C)
        """As a 2-D convolution one row high, because that one takes channels-last memory as it is."""
        weight = self.convolution.weight.unsqueeze(2)  # (C, D, 1, K)
        row = x.transpose(1, 2).unsqueeze(2)  # (B, D, 1, T + reach)
        y = F.conv2d(row, weight, self.convolution.bias, dilation=(1, self.dilation))
        return y.squeeze(2).transpose(1, 2)


@register
class Convolutional(Trunk):
    """Convolutional network (LeCun 1989): over a grid residual (He 2016) with max-pooling, along a sequence dilated.

    Over a grid each of ``depth`` stages halves both sides; stages have 2, 4, 4, ... times ``width`` channels.
    Along a sequence the length stays, every stage has 4 times ``width`` channels, and dilation grows fourfold a stage,
    so that ``depth`` 3 sees 85 positions.

    Args:
        width: D, channels of what it reads.
        depth: number of stages.
        dropout: share of what a stage returns (grid) or of its hidden values (sequence) set to 0 while training.
    """

    name = "convolutional"
    aliases = ("cnn",)
    reads = (2, 1)
    causal = True

    def __init__(self, width: int = 16, depth: int = 3, *, dropout: float = 0.0):
        super().__init__()
        self.width, self.depth, self.dropout = width, depth, dropout
        self.out_width = 4 * width
        self.stages = nn.ModuleDict()

    def build(self, positions: int, causal: bool = False) -> Convolutional:
        check_build(self, positions, causal)
        width = self.width
        for i in range(self.depth):
            channels = 4 * self.width if positions == 1 or i or self.depth == 1 else 2 * self.width
            self.stages[f"layer{i + 1}"] = (
                GridStage(width, channels, self.dropout)
                if positions == 2
                else SequenceStage(width, channels, 4**i, causal, self.dropout)
            )
            width = channels
        if positions == 1:
            self.stages["norm"] = LastNorm(width)
        return self

    def config(self) -> dict[str, Any]:
        return {"width": self.width, "depth": self.depth, "dropout": self.dropout}

    @classmethod
    def sized(cls, size: int) -> Convolutional:
        """Size 0 is 6 wide, 3 is 16 (144,000 weights, 17 million multiplications for 32 x 32), 7 is 64, 9 is 128."""
        return cls(pick(tuple((w,) for w in SIZES), size)[0])

    @classmethod
    def recipe(cls) -> dict[str, Any]:
        return {"lr": 3e-3, "matrix_lr": 0.03, "weight_decay": 0.02, "batch_size": 256}

    def pool(self, f: Features) -> Tensor:  # (B, *positions, C) -> (B, C)
        """Over a grid the mean of real positions, along a sequence the largest value (Collobert 2011).

        On 6,000 CIFAR-10 photos the mean gave 61.0 and 60.9 % after 5 epochs (2 seeds, 2,000 test photos) and 66.9 %
        after 12; the largest value 58.2, 57.4 and 63.7 %; their sum 59.1 and 59.2 % (after 5).
        """
        return super().pool(f) if f.x.ndim == 4 else max_positions(f)
