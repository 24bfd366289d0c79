"""What travels through a network, and what one part asks of the part before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Need:
    """What one part asks of the part before it.

    Attributes:
        positions: numbers of position axes it can take, best first: 0 a vector, 1 a sequence, 2 a grid.
        width: how wide every position must be; None leaves it open.
        longest: at most so many positions in all; an image input makes its patches coarse enough to fit.
        every: an answer at every position is wanted, not one pooled vector.
        causal: what comes out at a position may depend only on that position and those before it.
        least: so many positions of a sequence must be seen from each, where a part knows how many matter; 0 for any.
        heads: so many answers, from a vector that is multiplied by as many learned sign vectors; 1 for a single one.
    """

    positions: tuple[int, ...] = (0, 1, 2)
    width: int | None = None
    longest: int | None = None
    every: bool = False
    causal: bool = False
    least: int = 0
    heads: int = 1


@dataclass(frozen=True)
class Features:
    """The one value that travels through a network.

    Attributes:
        x: (B, *positions, D) float.
        mask: (B, *positions) bool, True where a position is real and not padding; None when all are.
        key: (B,) int64, one random key an example for dropout and augmentation; None outside training.
        stages: what each named stage returned, in order; detection, probes and views read the same list.
        turn: cosines and sines of the rotary positions of x, made by the first stage that turns by them for all others.
        memory: what another trunk has read, for a decoder to look at; None for all else.
    """

    x: Tensor
    mask: Tensor | None = None
    key: Tensor | None = None
    stages: Mapping[str, Features] = field(default_factory=dict)
    turn: tuple[Tensor, Tensor] | None = None
    memory: Features | None = None

    def with_(self, **changes: Any) -> Features:
        """The same with other attributes."""
        return replace(self, **changes)
