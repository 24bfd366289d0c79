"""One product of values with weights, as the network made it: its terms one by one, and the parts of its gradient.

K terms of one sum, N sums side by side, G groups; flat places count in a tensor's own order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

# The name of the parameter that a tensor is, or None.
Names = Callable[[Tensor], str | None]

# Where one term comes from: the feature that is read and, of a convolution, how far from the sum's own position; of a
# look-up the row of the table.
Source = tuple[int, ...]


class Product(ABC):
    """Weighted sums side by side.

    Attributes:
        weight: as it was used. parameter: its name. entries: of each weight its flat place in the parameter.
        x: what was read. bias: None for none. output: the sums. unit_axis, batch_axis: axes of ``output``.
    """

    unit_axis, batch_axis = -1, 0
    parameter: str
    used: Tensor
    where: Callable[[Tensor], Tensor]
    turned = False

    def __init__(self, weight: Tensor, x: Tensor, bias: Tensor | None, output: Tensor):
        self.weight, self.x, self.bias, self.output = weight, x, bias, output

    @cached_property
    def entries(self) -> Tensor:
        index = self.where(self.used)
        return index.mT if self.turned else index

    @property
    def units(self) -> int:
        """How many sums stand side by side."""
        return self.output.shape[self.unit_axis]

    def unit_at(self, place: int) -> int:
        """Which unit a place of the output is of."""
        return int(np.unravel_index(place, tuple(self.output.shape))[self.unit_axis])

    def position_at(self, place: int) -> tuple[int, ...]:
        """Where on the axes of positions a place of the output is."""
        at = list(map(int, np.unravel_index(place, tuple(self.output.shape))))
        gone = {axis % len(at) for axis in (self.unit_axis, self.batch_axis)}
        return tuple(v for i, v in enumerate(at) if i not in gone)

    def example_at(self, place: int) -> int:
        return int(np.unravel_index(place, tuple(self.output.shape))[self.batch_axis])

    @abstractmethod
    def terms(self, place: int) -> tuple[np.ndarray, np.ndarray, list[Source]]:
        """Weights (K,) and values (K,) whose products one sum is made of, float64, and where each comes from."""

    def bias_at(self, place: int) -> float:
        return 0.0 if self.bias is None else float(self.bias.detach().flatten()[self.unit_at(place)])

    @abstractmethod
    def gradient_parts(self, delta: Tensor, index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """δ, a and the flat place in the output of every term of one weight's gradient Σ δ·a, float64.

        Args:
            delta: the loss's gradient by ``output``. index: of the weight, as it was used.
        """


class Matrix(Product):
    """x (..., K) times weight (N, K): a linear map. turned: the parameter is (K, N)."""

    def __init__(self, *args: Any, turned: bool = False):
        super().__init__(*args)
        self.turned = turned

    def terms(self, place: int) -> tuple[np.ndarray, np.ndarray, list[Source]]:
        row, unit = place // self.units, self.unit_at(place)
        x = self.x.detach().reshape(-1, self.x.shape[-1])[row]
        # Of a table that is multiplied by what is there, the rows are what is read.
        known = (self.entries[unit] // self.units).tolist() if self.turned else range(len(x))
        return _numbers(self.weight[unit]), _numbers(x), [(k,) for k in known]

    def gradient_parts(self, delta: Tensor, index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        unit, k = index
        own = _numbers(delta.reshape(-1, self.units)[:, unit])
        values = _numbers(self.x.detach().reshape(-1, self.x.shape[-1])[:, k])
        return own, values, np.arange(len(own)) * self.units + unit


class Groups(Product):
    """x (G, B, K) times weight (G, K, N): a linear map of its own for each group."""

    batch_axis = 1

    def terms(self, place: int) -> tuple[np.ndarray, np.ndarray, list[Source]]:
        group, row, unit = map(int, np.unravel_index(place, tuple(self.output.shape)))
        x = self.x.detach()[group, row]
        return _numbers(self.weight[group, :, unit]), _numbers(x), [(group, k) for k in range(len(x))]

    def bias_at(self, place: int) -> float:
        if self.bias is None:
            return 0.0
        group, row, unit = map(int, np.unravel_index(place, tuple(self.output.shape)))
        return float(self.bias.detach().expand(self.output.shape)[group, row, unit])

    def gradient_parts(self, delta: Tensor, index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        group, k, unit = index
        _, rows, units = self.output.shape
        places = (group * rows + np.arange(rows)) * units + unit
        return _numbers(delta[group, :, unit]), _numbers(self.x[group, :, k]), places


class Convolution(Product):
    """A kernel (N, C / groups, *taps) moved over x (B, C, *positions)."""

    unit_axis = 1

    def __init__(self, *args: Any, stride: Any, padding: Any, dilation: Any, groups: int):
        super().__init__(*args)
        axes = self.weight.ndim - 2
        self.stride, self.dilation = ([v] * axes if isinstance(v, int) else list(v) for v in (stride, dilation))
        if padding == "same":
            reach = [d * (k - 1) for d, k in zip(self.dilation, self.weight.shape[2:], strict=True)]
            self.pads = [(r // 2, r - r // 2) for r in reach]
        else:
            padding = 0 if padding == "valid" else padding
            self.pads = [(p, p) for p in ([padding] * axes if isinstance(padding, int) else padding)]
        self.groups = groups

    def _padded(self) -> Tensor:
        sides = [side for pair in reversed(self.pads) for side in pair]
        return nnf.pad(self.x.detach(), sides) if any(sides) else self.x.detach()

    def terms(self, place: int) -> tuple[np.ndarray, np.ndarray, list[Source]]:
        at = tuple(map(int, np.unravel_index(place, tuple(self.output.shape))))
        kernel = self.weight[at[1]]  # (C / groups, *taps)
        first = at[1] // (self.units // self.groups) * kernel.shape[0]
        x = self._padded()[at[0], first : first + kernel.shape[0]]
        for axis, p in enumerate(at[2:]):
            taps = p * self.stride[axis] + self.dilation[axis] * torch.arange(kernel.shape[axis + 1])
            x = x.index_select(axis + 1, taps)
        # From the middle of the kernel, in steps of what it reads.
        offsets = [d * np.arange(k) - low for d, k, (low, _) in
                   zip(self.dilation, kernel.shape[1:], self._middles(), strict=True)]  # fmt: skip
        grid = np.meshgrid(np.arange(kernel.shape[0]) + first, *offsets, indexing="ij")
        sources = list(zip(*(axis.ravel().tolist() for axis in grid), strict=True))
        return _numbers(kernel), _numbers(x), sources

    def _middles(self) -> list[tuple[int, int]]:
        return [
            pad if any(pad) else (d * ((k - 1) // 2), 0)
            for pad, d, k in zip(self.pads, self.dilation, self.weight.shape[2:], strict=True)
        ]

    def gradient_parts(self, delta: Tensor, index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        unit, channel, *taps = index
        channel += unit // (self.units // self.groups) * self.weight.shape[1]
        x = self._padded()[:, channel]  # (B, *positions)
        for axis, tap in enumerate(taps):
            count = self.output.shape[axis + 2]
            steps = tap * self.dilation[axis] + self.stride[axis] * torch.arange(count)
            x = x.index_select(axis + 1, steps)
        places = torch.arange(self.output.numel()).view(self.output.shape)[:, unit]
        return _numbers(delta[:, unit]), _numbers(x), places.flatten().numpy()


class LookUp(Product):
    """Rows of a table (V, N) by their numbers (...)."""

    def terms(self, place: int) -> tuple[np.ndarray, np.ndarray, list[Source]]:
        row = int(self.x.flatten()[place // self.units])
        return _numbers(self.weight[row, self.unit_at(place)].reshape(1)), np.ones(1), [(row,)]

    def gradient_parts(self, delta: Tensor, index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row, unit = index
        where = (self.x.flatten() == row).nonzero().flatten()
        own = _numbers(delta.reshape(-1, self.units)[where, unit])
        return own, np.ones(len(own)), where.numpy() * self.units + unit


class Bag(Product):
    """Sums of rows of a table (V, N) by their numbers (B, T), each times a value (B, T)."""

    def __init__(self, *args: Any, shares: Tensor):
        super().__init__(*args)
        self.shares = shares.detach()

    def terms(self, place: int) -> tuple[np.ndarray, np.ndarray, list[Source]]:
        example, unit = divmod(place, self.units)
        rows = self.x[example]
        return _numbers(self.weight[rows, unit]), _numbers(self.shares[example]), [(int(row),) for row in rows]

    def gradient_parts(self, delta: Tensor, index: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row, unit = index
        example, at = (self.x == row).nonzero().unbind(1)
        places = example.numpy() * self.units + unit
        return _numbers(delta[example, unit]), _numbers(self.shares[example, at]), places


def _numbers(x: Tensor) -> np.ndarray:
    return x.detach().double().flatten().numpy()


def product_of(func: Any, args: Any, kwargs: Any, output: Tensor, name_of: Names) -> Product | None:
    """The weighted sums that a call of torch's made; None where it made none with a parameter."""
    place, name = _WEIGHTS.get(func, (None, ""))
    if place is None:
        return None
    weight = args[place] if len(args) > place else kwargs.get(name)
    parameter = name_of(weight) if isinstance(weight, Tensor) else None
    made = _made_by(func, args, kwargs, weight, output) if parameter is not None and weight is not None else None
    if made is not None and parameter is not None and weight is not None:
        made.parameter, made.used = parameter, weight
    return made


# Where each function takes its weights from.
_WEIGHTS: dict[Any, tuple[int, str]] = {
    nnf.linear: (1, "weight"), Tensor.__matmul__: (1, "other"), Tensor.matmul: (1, "other"), torch.matmul: (1, "other"),
    torch.baddbmm: (2, "batch2"), torch.bmm: (1, "mat2"), nnf.conv1d: (1, "weight"), nnf.conv2d: (1, "weight"),
    nnf.conv3d: (1, "weight"), nnf.embedding: (1, "weight"), nnf.embedding_bag: (1, "weight"),
}  # fmt: skip


def _made_by(func: Any, args: Any, kwargs: Any, weight: Tensor, output: Tensor) -> Product | None:
    def given(place: int, name: str, default: Any = None) -> Any:
        return args[place] if len(args) > place else kwargs.get(name, default)

    x = given(0, "input")
    if func is nnf.linear:
        return Matrix(weight, x, given(2, "bias"), output)
    if func is torch.baddbmm:
        return Groups(weight, args[1], args[0], output)
    if func is torch.bmm:
        return Groups(weight, x, None, output)
    if func is nnf.embedding:
        return LookUp(weight, x, None, output)
    if func is nnf.embedding_bag:
        shares = kwargs.get("per_sample_weights")
        each = 1.0 if kwargs.get("mode") == "sum" else 1 / max(x.shape[-1], 1)
        shares = torch.full(x.shape, each) if shares is None else shares
        return Bag(weight, x, None, output, shares=shares) if x.ndim == 2 else None
    if func in (nnf.conv1d, nnf.conv2d, nnf.conv3d):
        own = {"stride": given(3, "stride", 1), "padding": given(4, "padding", 0)}
        own |= {"dilation": given(5, "dilation", 1), "groups": given(6, "groups", 1)}
        return Convolution(weight, x, given(2, "bias"), output, **own) if x.ndim == weight.ndim else None
    return Matrix(weight.mT, x, None, output, turned=True) if weight.ndim == 2 else None


def residual_of(weights: np.ndarray, values: np.ndarray, bias: float, total: float) -> float:
    """How far a sum worked out term by term is from ``total``, as a share of its largest part."""
    products = weights * values
    scale = max(abs(total), abs(bias), float(abs(products).max(initial=0.0)), math.ulp(1.0))
    return abs(float(products.sum()) + bias - total) / scale
