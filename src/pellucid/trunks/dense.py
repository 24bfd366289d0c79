"""The dense trunk: a residual multilayer perceptron on the last axis, for tables and, pointwise, for anything else.

B batch, D width, K hidden width (``expand`` times D).
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .base import Inside, Stage, State, Trunk, register
from .features import Features
from .layers import Dropout, LastNorm, Linear, check_build, layer_norm, pick_size, zero_weights

# The ladder of ``of_size``: width and depth, each step about twice the multiplications of the one before.
SIZES = ((32, 2), (48, 2), (64, 2), (96, 2), (128, 3), (192, 3), (256, 3), (384, 3), (512, 4), (768, 4))


class DenseStage(Stage):
    """x + W2 dropout(gelu(W1 norm(x))), W2 zero at the start, so that a deep trunk starts as a shallow one.

    Args:
        width: D. hidden: K. norm: False leaves the normalisation out, as for small tables.
    """

    activation, unit_map = "gelu", "into"

    def __init__(self, width: int, hidden: int, dropout: float, norm: bool = True):
        super().__init__()
        self.norm = layer_norm(width) if norm else nn.Identity()
        self.into = Linear(width, hidden)
        self.out = zero_weights(Linear(hidden, width))
        self.dropout = Dropout(dropout)

    def forward(self, f: Features) -> Features:  # (B, *positions, D) -> (B, *positions, D)
        return self.open(f)[0]

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside: pre_activation and activation (B, *positions, K), added (B, *positions, D)."""
        y, inside = self._run_stage(f.x, f.key)
        return f.with_(x=y), inside

    def start(self, batch: int, like: Tensor) -> State:
        return ()

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, D)
        return self._run_stage(x, None)[0], state

    def _run_stage(self, x: Tensor, key: Tensor | None) -> tuple[Tensor, Inside]:  # (B, *positions, D) -> the same
        before = self.into(self.norm(x))  # (B, *positions, K)
        after = F.gelu(before)
        added = self.out(self.dropout(after, key))
        return x + added, {"pre_activation": before, "activation": after, "added": added}


@register
class Dense(Trunk):
    """Residual multilayer perceptron (Rumelhart 1986; residual as in He 2016, normalised first).

    Args:
        width: D, of what it reads and returns.
        depth: number of stages.
        expand: hidden width of a stage, in widths.
        dropout: share of hidden values set to 0 while training.
        norm: whether each stage, and what is returned, is normalised.

    Example:
        >>> trunk = Dense(64, depth=2).build(positions=0)
        >>> trunk(Features(torch.randn(8, 64))).x.shape                             # doctest: +SKIP
        torch.Size([8, 64])
    """

    name = "dense"
    aliases = ("mlp",)
    reads = (0, 1, 2)
    causal = pointwise = True

    def __init__(self, width: int = 128, depth: int = 3, *, expand: int = 2, dropout: float = 0.1, norm: bool = True):
        super().__init__()
        self.width = self.out_width = width
        self.depth, self.expand, self.dropout, self.norm = depth, expand, dropout, norm
        self.stages = nn.ModuleDict()

    def build(self, positions: int, causal: bool = False) -> Dense:
        check_build(self, positions, causal)
        for i in range(1, self.depth + 1):
            self.stages[f"layer{i}"] = DenseStage(self.width, self.width * self.expand, self.dropout, self.norm)
        if self.norm:
            self.stages["norm"] = LastNorm(self.width)
        return self

    def config(self) -> dict[str, Any]:
        sizes = {"width": self.width, "depth": self.depth, "expand": self.expand}
        return {**sizes, "dropout": self.dropout, "norm": self.norm}

    @classmethod
    def of_size(cls, size: int) -> Dense:
        """Size 0 is 32 wide with 2 stages, 3 is 96 with 2, 6 is 256 with 3, 9 is 768 with 4."""
        width, depth = pick_size(SIZES, size)
        return cls(width, depth)

    @classmethod
    def recipe(cls, family: str) -> dict[str, Any]:
        # What was measured, by family; others are learned as photos are.
        measured = {
            # Long trainings overfit without dropout: .777 against .807 on diamonds' cut (docs/LOG.md, 2026-11-22).
            "table": {"dropout": 0.2, "epochs": 30.0, "size": 4, "heads": 8},
            # Leaving out 0.1, 0.5, 0.7 of the tokens: .845, .865, .875 on 6,080 news items (docs/LOG.md, 2026-11-22).
            "text": {"dropout": 0.2, "smoothing": 0.1, "token_drop": 0.7},
        }
        return {"lr": 2e-3, "matrix_lr": 0.01, **measured.get(family, {"dropout": 0.2, "smoothing": 0.1})}
