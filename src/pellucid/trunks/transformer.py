"""The transformer trunk: attention between positions, then a multilayer perceptron at each.

B batch, T time (all positions in order; a grid's rows one after the other), D width, n heads, E head width.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import PellucidError
from .base import SPOKEN, Inside, Stage, State, Trunk, register
from .features import Features
from .layers import (
    Attention,
    Dropout,
    LastNorm,
    RotaryTable,
    check_build,
    layer_norm,
    pick_size,
    rotary_angles,
    zero_weights,
)

# The ladder of ``of_size``: width and depth, each step about twice the multiplications of the one before.
SIZES = ((32, 2), (48, 2), (64, 2), (64, 4), (96, 4), (128, 4), (192, 4), (256, 5), (320, 6), (384, 8))


class TransformerStage(Stage):
    """x + attention(norm(x)), then x + W2 squared_relu(W1 norm(x)); both branches zero at the start (So 2021)."""

    activation, unit_map, head_map = "squared relu", "into", "attention.out"

    def __init__(self, width: int, head: int, causal: bool, dropout: float):
        super().__init__()
        self.head = head
        self.attention_norm, self.attention = layer_norm(width), Attention(width, head, causal)
        self.norm, self.into, self.out = (
            layer_norm(width),
            nn.Linear(width, 4 * width),
            zero_weights(nn.Linear(4 * width, width)),
        )
        self.attention_dropout, self.dropout = Dropout(dropout), Dropout(dropout)

    def forward(self, f: Features) -> Features:  # (B, *positions, D) -> (B, *positions, D)
        x, turn, mask = self._project_input(f)
        x = x + self.attention_dropout(self.attention(self.attention_norm(x), turn, mask), f.key)
        return f.with_(x=self._run_mlp(x, f.key)[0].view(f.x.shape), turn=turn)

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside: attention (B, n, T, T); query, key, value and mixed (B, n, T, E); between (x after attention)
        (B, T, D); pre_activation and activation (B, T, 4 D).
        """
        x, turn, mask = self._project_input(f)
        added, inside = self.attention.open(self.attention_norm(x), turn, mask)
        x = x + self.attention_dropout(added, f.key)
        y, more = self._run_mlp(x, f.key)
        return f.with_(x=y.view(f.x.shape), turn=turn), {**inside, "between": x, **more}

    def start(self, batch: int, like: Tensor, table: RotaryTable | None = None) -> State:
        """The attention's keys and values so far, (B, n, 0, E) each, and the table of rotary positions."""
        return self.attention.start(batch, like, table)

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, D)
        added, state = self.attention.read(self.attention_norm(x), state)
        return self._run_mlp(x + added, None)[0], state

    def _project_input(self, f: Features) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor | None]:
        # (B, *positions, D) -> (B, T, D), the angles (T, E / 2), the mask (B, T)
        turn = f.turn or rotary_angles(tuple(f.x.shape[1:-1]), self.head, f.x)
        return f.x.flatten(1, -2), turn, None if f.mask is None else f.mask.flatten(1)

    def _run_mlp(self, x: Tensor, key: Tensor | None) -> tuple[Tensor, Inside]:  # (..., D) -> (..., D)
        """x + W2 squared_relu(W1 norm(x)), and its inside."""
        before = self.into(self.norm(x))
        after = F.relu(before).square()
        y = x + self.dropout(self.out(after), key)
        return y, {"pre_activation": before, "activation": after}


@register
class Transformer(Trunk):
    """Transformer (Vaswani 2017) in its present form: normalised first, rotary positions (along a sequence, or rows and
    columns of a grid), normalised queries and keys, squared ReLU, branches that start as nothing.

    Args:
        width: D, of what it reads and returns; a multiple of ``head``.
        depth: number of stages.
        head: E, the width of one attention head; a multiple of 4.
        dropout: share of what each branch adds that is set to 0 while training.
        longest: at most how many positions it is meant for; attention costs their square.

    Raises:
        PellucidError: when ``width`` can't be divided into heads.
    """

    name = "transformer"
    reads = (2, 1)
    causal = True

    def __init__(self, width: int = 64, depth: int = 4, *, head: int = 32, dropout: float = 0.1, longest: int = 256):
        super().__init__()
        if head % 4 or width % head:
            raise PellucidError(
                f"a transformer {width} wide can't have heads {head} wide",
                fix="make head a multiple of 4 and width a multiple of head",
            )
        self.width = self.out_width = width
        self.depth, self.head, self.dropout, self.most = depth, head, dropout, longest
        self.stages = nn.ModuleDict()

    def longest(self) -> int:
        return self.most

    def build(self, positions: int, causal: bool = False) -> Transformer:
        check_build(self, positions, causal)
        for i in range(1, self.depth + 1):
            self.stages[f"layer{i}"] = TransformerStage(self.width, self.head, causal, self.dropout)
        self.stages["norm"] = LastNorm(self.width)
        return self

    def start(self, batch: int, like: Tensor) -> State:
        """As any trunk's; all stages turn by one table."""
        self.check_goes_on()
        table = RotaryTable(self.head, like)
        return [
            stage.start(batch, like, table) if isinstance(stage, TransformerStage) else stage.start(batch, like)
            for stage in self.stages.values()
        ]

    def config(self) -> dict[str, Any]:
        own = {"width": self.width, "depth": self.depth, "head": self.head}
        return {**own, "dropout": self.dropout, "longest": self.most}

    @classmethod
    def of_size(cls, size: int) -> Transformer:
        """Size 0 is 32 wide with 2 stages, 3 is 64 with 4, 5 is 128 with 4, 9 is 384 with 8; patches get finer too."""
        width, depth = pick_size(SIZES, size)
        return cls(
            width, depth, head=32 if width % 32 == 0 else 16, longest=64 if size < 5 else 144 if size < 7 else 256
        )

    @classmethod
    def recipe(cls, family: str) -> dict[str, Any]:
        # What was measured, by family; for others there is a usual recipe.
        measured: dict[str, dict[str, Any]] = {
            "image": {"dropout": 0.0, "smoothing": 0.1, "batch_size": 128, "epochs": 5.0},
            "text": {"dropout": 0.2, "smoothing": 0.1, "token_drop": 0.3, "size": 2},
            "language": {"size": 3, "sizes": (0, 8)},
            "translation": {
                "lr": 0.03,
                "matrix_lr": 0.01,
                "token_drop": 0.0,
                "size": 4,
                "sizes": (3, 7),
                "epochs": 8.0,
            },
            "spelling": {"lr": 0.02, "matrix_lr": 0.01, "dropout": 0.0, "token_drop": 0.0, "size": 1, "sizes": (1, 3)},
            "transcript": {**SPOKEN, "lr": 4e-3, "matrix_lr": 0.027, "size": 3, "sizes": (1, 6)},
        }
        own = {"lr": 3e-3, "matrix_lr": 0.02}
        return {**own, **measured.get(family, {})}
