"""The convolutional trunk: a small residual network over grids, dilated convolutions along sequences.

B batch, T time, H W grid, D width, C channels of a stage, K taps of a kernel.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import SPOKEN, Inside, Stage, State, Trunk, register
from .buffers import PositionBuffer
from .features import Features
from .layers import (
    Dropout,
    GroupedBatchNorm,
    LastNorm,
    check_build,
    hide_padding,
    layer_norm,
    max_positions,
    pick_size,
    zero_weights,
)

# The ladder of ``of_size``: widths, each step about twice the multiplications of the one before.
SIZES = (6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


class ConvolutionalGridStage(Stage):
    """Pooling, norm, relu; two residual convolutions, if asked; and the convolution to the next stage's channels.

    It reads raw sums, those of the input layer or of the stage before. Memory is channels-last throughout: what comes
    in and goes out as (B, H, W, D) is, seen as (B, D, H, W), already in that order.
    """

    # Pooling raw sums before the norm and the activation spares three quarters of both (airbench94, Jordan 2024), and
    # every convolution but the input layer's works on a grid that is already smaller: 5 million multiplications a photo
    # instead of 17, and about 4 points more in the same time (docs/LOG.md, 2026-11-22).
    activation = "relu"

    def __init__(self, width: int, channels: int | None, residual: bool, dropout: float):
        super().__init__()
        self.unit_map = "first" if residual else "out" if channels else ""
        self.norm = GroupedBatchNorm(width)
        self.first, self.second = (grid_convolution(width, width) if residual else None for _ in range(2))
        self.first_norm, self.second_norm = (GroupedBatchNorm(width) if residual else None for _ in range(2))
        self.dropout = Dropout(dropout)
        self.out = grid_convolution(width, channels) if channels else None

    def forward(self, f: Features) -> Features:  # (B, H, W, D) -> (B, H', W', C), sides halved, rounded up
        return self.open(f)[0]

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside, each (B, H', W', D): pooled, pre_activation, activation; first and added where it is residual."""
        x, mask = halve_grid(f)  # (B, D, H', W')
        before = self.norm(x, mask)
        y = F.relu(before)
        inside = {"pooled": x, "pre_activation": before, "activation": y}
        if self.first is not None:
            inside["first"] = middle = F.relu(self.first_norm(self.first(silence_padding(y, mask)), mask))  # type: ignore[misc]
            inside["added"] = added = F.relu(self.second_norm(self.second(silence_padding(middle, mask)), mask))  # type: ignore[misc]
            y = y + added
        y = channels_first(self.dropout(channels_last(y), f.key))
        if self.out is not None:
            y = self.out(silence_padding(y, mask))
        return f.with_(x=channels_last(y), mask=mask), {name: channels_last(t) for name, t in inside.items()}


def halve_grid(f: Features) -> tuple[Tensor, Tensor | None]:  # (B, H, W, D) -> (B, D, H', W'), (B, H', W') or None
    """The grid and its mask max-pooled by two; sides are rounded up."""
    # Rounded up, so that a grid alone and one with padding beside it give the same.
    x, mask = channels_first(f.x), f.mask
    if mask is None:
        return F.max_pool2d(x, 2, ceil_mode=True), None
    pooled = F.max_pool2d(x.masked_fill(~mask.unsqueeze(1), torch.finfo(x.dtype).min), 2, ceil_mode=True)
    mask = F.max_pool2d(mask.unsqueeze(1).to(x.dtype), 2, ceil_mode=True).squeeze(1) > 0
    return silence_padding(pooled, mask), mask


def silence_padding(x: Tensor, mask: Tensor | None) -> Tensor:  # (B, D, H, W), (B, H, W) -> (B, D, H, W)
    """The grid with 0 where a position is not real, so that a convolution beside it sees what an edge would show."""
    return x if mask is None else x.masked_fill(~mask.unsqueeze(1), 0.0)


class NormalisedConvolution(nn.Conv2d):
    """A convolution that a normalisation follows: the length of its kernel means nothing, an optimizer may hold it."""

    normalised_after = True


def grid_convolution(width: int, channels: int) -> nn.Conv2d:
    """3 x 3, without bias (a norm follows), its weights channels-last like what it reads."""
    layer = NormalisedConvolution(width, channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return layer


def channels_first(x: Tensor) -> Tensor:  # (B, H, W, D) -> (B, D, H, W), the same memory
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:  # (B, D, H, W) -> (B, H, W, D), the same memory
    return x.permute(0, 2, 3, 1)


class ConvolutionalSequenceStage(Stage):
    """skip(x) + W dropout(gelu(convolution(norm(x)))), W zero at the start; the length stays.

    The norm is of each position alone, so neither padding nor the future gets into it. Causal, the kernel looks back
    only (WaveNet, van den Oord 2016).
    """

    taps = 5
    activation, unit_map = "gelu", "convolution"

    def __init__(self, width: int, channels: int, dilation: int, causal: bool, dropout: float):
        super().__init__()
        # Positions between first and last tap, and how many of them lie ahead.
        self.dilation, self.reach = dilation, dilation * (self.taps - 1)
        self.ahead = 0 if causal else self.reach // 2
        self.norm = layer_norm(width)
        self.convolution = nn.Conv1d(width, channels, self.taps, dilation=dilation)
        self.out = zero_weights(nn.Linear(channels, channels))
        self.skip = nn.Identity() if width == channels else nn.Linear(width, channels)
        self.dropout = Dropout(dropout)

    def forward(self, f: Features) -> Features:  # (B, T, D) -> (B, T, C)
        return self.open(f)[0]

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside: pre_activation, activation and added, each (B, T, C)."""
        quiet = hide_padding(self.norm(f.x), f.mask)
        before = self._convolve_line(F.pad(quiet, (0, 0, self.reach - self.ahead, self.ahead)), self.dilation)
        after = F.gelu(before)
        added = self.out(self.dropout(after, f.key))
        inside = {"pre_activation": before, "activation": after, "added": added}
        return f.with_(x=self.skip(f.x) + added), inside

    def start(self, batch: int, like: Tensor) -> State:
        """The last ``reach`` normalised inputs, (B, reach, D): none yet, as if they were padding."""
        return PositionBuffer(like.new_zeros(batch, self.reach, self.norm.normalized_shape[0]))

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, C)
        state = state.append(self.norm(x))
        window, dilation = state.values(), self.dilation  # (B, reach + T, D)
        if x.shape[1] == 1:
            # What lies under the taps is all that one position needs.
            window, dilation = window[:, :: self.dilation], 1  # (B, K, D)
        added = self.out(F.gelu(self._convolve_line(window, dilation)))
        return self.skip(x) + added, state.keep_last(self.reach)

    def _convolve_line(self, x: Tensor, dilation: int) -> Tensor:  # (B, T + reach, D) -> (B, T, C)
        """The dilated convolution along time; its padding is in ``x``."""
        # As a 2-D convolution one row high, because that one takes channels-last memory as it is.
        weight = self.convolution.weight.unsqueeze(2)  # (C, D, 1, K)
        row = x.transpose(1, 2).unsqueeze(2)  # (B, D, 1, T + reach)
        y = F.conv2d(row, weight, self.convolution.bias, dilation=(1, dilation))
        return y.squeeze(2).transpose(1, 2)


def stages_to_see(positions: int) -> int:
    """Stages along a sequence after which each position depends on so many.

    >>> stages_to_see(85), stages_to_see(86), stages_to_see(1000)
    (3, 4, 5)
    """
    stages, seen = 0, 1
    while seen < positions:
        seen += (ConvolutionalSequenceStage.taps - 1) * 4**stages
        stages += 1
    return stages


@register
class Convolutional(Trunk):
    """Convolutional network (LeCun 1989): over a grid residual (He 2016) with max-pooling, along a sequence dilated.

    Over a grid each of ``depth`` stages halves both sides; they have 1, 2, 4, 4, ... times ``width`` channels.
    Along a sequence the length stays, every stage has 4 times ``width`` channels, and dilation grows fourfold a stage,
    so that ``depth`` 3 sees 85 positions; there are as many stages more as it takes to see ``least``.

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
        if positions == 2:
            self._build_grid()
            return self
        width = self.width
        for i in range(max(self.depth, stages_to_see(self.least))):
            self.stages[f"layer{i + 1}"] = ConvolutionalSequenceStage(width, 4 * self.width, 4**i, causal, self.dropout)
            width = 4 * self.width
        self.stages["norm"] = LastNorm(width)
        return self

    def _build_grid(self) -> None:
        widths = [self.width * min(2**i, 4) for i in range(self.depth)]
        for i, (width, channels) in enumerate(zip(widths, [*widths[1:], None], strict=True)):
            self.stages[f"layer{i + 1}"] = ConvolutionalGridStage(width, channels, residual=i > 0, dropout=self.dropout)
        self.out_width = widths[-1]

    def longest(self) -> int:
        """Photos of more pixels are read in patches."""
        return 48 * 48

    def config(self) -> dict[str, Any]:
        return {"width": self.width, "depth": self.depth, "dropout": self.dropout}

    @classmethod
    def of_size(cls, size: int) -> Convolutional:
        """Size 0 is 6 wide, 3 is 16 (117,000 weights, 5 million multiplications for 32 x 32), 7 is 64, 9 is 128."""
        return cls(pick_size(tuple((w,) for w in SIZES), size)[0])

    @classmethod
    def recipe(cls, family: str) -> dict[str, Any]:
        # Kernels of fixed length turn by 0.08 a step: 0.16 lost 1.8 points, AdamW alone 0.6. 16 wide for 16 epochs is
        # as good as 24 for 10 (CIFAR-10, 90 CPU seconds, one seed each: docs/LOG.md, 2026-11-22).
        fast = {"lr": 0.02, "matrix_lr": 0.08, "momentum": 0.6, "beta2": 0.95, "decay": 0.0}
        # What was measured, by family; for others there is a usual recipe.
        measured: dict[str, dict[str, Any]] = {
            "image": {**fast, "warm": 0.03, "cool": 0.6, "epochs": 10.0, "sizes": (2, 9), "smoothing": 0.1},
            "sound": {**fast, "warm": 0.03, "cool": 0.6, "sizes": (2, 5), "size": 2, "smoothing": 0.1},
            "text": {"dropout": 0.2, "smoothing": 0.1, "token_drop": 0.3},
            "language": {"size": 3, "sizes": (0, 8)},
            "translation": {
                "lr": 0.02,
                "matrix_lr": 0.06,
                "dropout": 0.1,
                "token_drop": 0.0,
                "size": 5,
                "sizes": (3, 7),
                "epochs": 8.0,
            },
            "spelling": {"lr": 0.01, "matrix_lr": 0.04, "token_drop": 0.0, "size": 2, "sizes": (1, 4)},
            "transcript": {**SPOKEN, "lr": 6e-3, "matrix_lr": 0.04, "size": 5, "sizes": (3, 6)},
        }
        return {"lr": 3e-3, "matrix_lr": 0.02, **measured.get(family, {})}

    def pool(self, f: Features) -> Tensor:  # (B, *positions, C) -> (B, C)
        """Over a grid the mean of real positions, along a sequence the largest value (Collobert 2011).

        Of 8,000 training photos of CIFAR-10, 5,600 to learn from, the mean gave 72.2% of 2,000 others after 60 s on one
        core (2 seeds), the largest value 70.5% (bench/defaults.py).
        """
        return super().pool(f) if f.x.ndim == 4 else max_positions(f)
