"""Building blocks the trunks share: dropout by key, normalisation over fixed groups, rotary positions, attention.

B batch, T time, H W grid, D width, n heads, E head width, G groups of examples; N elements of one example.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import PellucidError
from .base import Inside, Stage, State, Trunk
from .buffers import PositionBuffer
from .features import Features
from .keyed_random import hash_keys


def check_build(trunk: Trunk, positions: int, causal: bool) -> None:
    """Raise PellucidError when ``trunk`` can't be built over so many position axes, or causal over them."""
    if positions not in trunk.reads:
        able = " or ".join(str(n) for n in sorted(trunk.reads))
        raise PellucidError(
            f"the {trunk.name} trunk reads {able} position axes, not {positions}",
            fix="choose another network, or another input layer",
        )
    if causal and positions == 2:
        raise PellucidError("a grid has no before and after, so nothing over it can be causal", fix="use a sequence")
    trunk.goes_on = causal or trunk.pointwise


def pick_size(sizes: tuple[tuple[int, ...], ...], size: int) -> tuple[int, ...]:
    """Entry ``size`` of a trunk's ladder of sizes. Raises PellucidError outside it."""
    if not 0 <= size < len(sizes):
        raise PellucidError(f"there is no size {size}", fix=f"choose a size from 0 to {len(sizes) - 1}")
    return sizes[size]


class Linear(nn.Linear):
    """torch's linear layer, whose weights may also be those of K networks at once: (K, out, in), for x (K, B, in)."""

    def forward(self, x: Tensor) -> Tensor:  # (..., in) -> (..., out)
        if self.weight.ndim == 2:
            return F.linear(x, self.weight, self.bias)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


# ---------------------------------------------------------------- heads


class HeadSigns(nn.Module):
    """A vector as several: multiplied by H learned vectors that start as random signs.

    All layers behind are shared, and yet each head sees inputs of its own: an ensemble at the price of one network's
    weights. TabM-mini of Gorishniy, Kotelnikov, Babenko, "TabM: Advancing tabular deep learning with
    parameter-efficient ensembling" (ICLR 2025).

    Args:
        width: D. heads: H.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.signs = nn.Parameter(torch.randint(0, 2, (heads, width)).float() * 2 - 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, D) -> (B, H, D)
        return x.unsqueeze(1) * self.signs

    def as_examples(self, f: Features) -> Features:  # (B, H, D) -> (B * H, D)
        """Each head's vector as an example of its own, with a key of its own."""
        keys = None if f.key is None else [hash_keys(f.key, head) for head in range(len(self.signs))]
        return f.with_(x=f.x.flatten(0, 1), key=None if keys is None else torch.stack(keys, 1).flatten())


class HeadMaps(nn.Linear):
    """A linear map of its own for each of H heads.

    Args:
        width: D. answers: R, of each head. heads: H.
    """

    def __init__(self, width: int, answers: int, heads: int):
        # One matrix, head after head, so that it starts, decays and is saved as that of a single head.
        super().__init__(width, heads * answers)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:  # (B, H, D) -> (B, H, R)
        weight = self.weight.view(self.heads, -1, self.in_features)  # (H, R, D)
        bias = self.bias.view(self.heads, 1, -1)  # (H, 1, R)
        return torch.baddbmm(bias, x.transpose(0, 1), weight.mT).transpose(0, 1)


# ---------------------------------------------------------------- dropout


class Dropout(nn.Module):
    """Sets a share ``p`` of the values to 0 while training and scales the others by 1 / (1 - p).

    Which values is a function of (the example's key, this module's ``salt``, the element's place in its example), so
    that it depends neither on the rest of the batch nor on how a batch is cut. Without keys it is ``F.dropout``.
    On a CPU it takes a third of the time of ``F.dropout``, whose generator is sequential.
    """

    def __init__(self, p: float = 0.0):
        super().__init__()
        if not 0 <= p < 1:
            raise PellucidError(f"dropout {p} is not a share of values", fix="choose a number from 0 to under 1")
        self.p, self.salt = p, 0

    def forward(self, x: Tensor, key: Tensor | None = None) -> Tensor:  # (B, *positions, D) -> (B, *positions, D)
        if not self.training or self.p == 0:
            return x
        if key is None:
            return F.dropout(x, self.p)
        keep = dropout_mask(key.flatten(), self.salt, x.shape[key.ndim :].numel(), self.p).reshape(x.shape)
        return x * keep.to(x.dtype).mul_(1 / (1 - self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}, salt={self.salt}"


def dropout_mask(
    key: Tensor, salt: int, elements: int, p: float
) -> Tensor:  # (B,) -> (B, N) bool, False with probability p
    """Which elements of each example dropout keeps: the example's key, itself random, mixed with a hash of the element.

    What is done B x N / 2 times is one exclusive or and a two-round finaliser (constants of lowbias32, Wellons 2018),
    on int32, because that vectorises on a CPU. Each result serves two elements.
    """
    example = key.to(torch.int32)  # (B,), its lowest bits
    h = example[:, None] ^ element_hashes((elements + 1) // 2, salt, key.device)  # (B, N / 2)
    for factor in (0x7FEB352D, 0x846CA68B - (1 << 32)):
        h.mul_(factor)
        h.bitwise_xor_((h >> 16).bitwise_and_(0xFFFF))
    return h.view(torch.int16)[:, :elements] >= round(p * 2**16) - 2**15


# The same in every step, and a third of the time of a small network's dropout.
@lru_cache(maxsize=64)
def element_hashes(count: int, salt: int, device: torch.device) -> Tensor:  # -> (count,) int32
    """A random number for each element of an example, in one Dropout (by its salt)."""
    return hash_keys(torch.arange(count, device=device), ~salt).to(torch.int32)


def assign_salts(network: nn.Module) -> None:
    """Give every Dropout of a network its own salt, by its order, so that no two drop the same elements."""
    for salt, dropout in enumerate((m for m in network.modules() if isinstance(m, Dropout)), start=1):
        dropout.salt = salt


# ---------------------------------------------------------------- normalisation


def layer_norm(width: int) -> nn.LayerNorm:
    """Layer normalisation of the last axis, without bias.

    Chosen over the RMS norm for speed: forward and backward of 2 million values on one CPU thread take 5 ms against
    25 ms, as only this one has a fused kernel there (torch 2.13).
    """
    return nn.LayerNorm(width, bias=False)


# Examples that are normalised together. In groups, so that the result does not depend on the micro-batch; groups of 32
# gave 77.5% on CIFAR-10, against 78.5 over the batch (docs/LOG.md, 2026-11-22).
GROUP = 64


class GroupedBatchNorm(nn.Module):
    """Batch normalisation over fixed groups of 64 examples, in the order of the batch.

    Nearly as good as batch normalisation (73.4 against 74.5% on 10,000 CIFAR-10 photos; group norm 66.5%), and the
    result does not depend on the micro-batch as long as that is a multiple of 64. A last smaller group is allowed;
    one with fewer than two real values takes the running statistics. These are what evaluation uses: the plain
    average of the first 50 groups, from then on a moving one.

    Args:
        width: D.

    Attributes:
        mean, var: (D,) running statistics. count: groups they have seen.
    """

    group = GROUP
    # Groups that the running statistics remember; 3,200 examples.
    horizon = 50
    eps = 1e-5
    count: Tensor
    mean: Tensor
    var: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # (B, D, H, W) -> (B, D, H, W)
        if not self.training:
            return F.batch_norm(x, self.mean, self.var, self.weight, self.bias, eps=self.eps)
        # A last group of one example may have a single real value, which has no variance: the formula knows what to do.
        if x.is_cpu and mask is None and x.shape[0] % self.group != 1:
            y, mean, var = _NormaliseGroups.apply(x, self.weight, self.bias, self.group, self.eps)
            self._update_statistics(mean, var)
            return y
        whole = len(x) // self.group * self.group
        cuts = [s for s in (slice(0, whole), slice(whole, len(x))) if s.start < s.stop]
        return torch.cat([self._by_formula(x[s], None if mask is None else mask[s]) for s in cuts])

    def _by_formula(self, x: Tensor, mask: Tensor | None) -> Tensor:  # (B, D, H, W) -> (B, D, H, W)
        """Whole groups, or one smaller, in plain operations, so on any device and with any mask."""
        size = min(self.group, len(x))
        v = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(0, (-1, size))  # (G, size, D, H, W)
        real = v.new_ones(()) if mask is None else mask.unsqueeze(1).unflatten(0, (-1, size)).to(v.dtype)
        real = real.expand(*v.shape[:2], 1, *v.shape[3:])  # (G, size, 1, H, W)
        axes = (1, *range(3, v.ndim))
        n = real.sum(axes, keepdim=True)  # (G, 1, 1, 1, 1)
        own = self.mean.view(-1, *[1] * (v.ndim - 3)), self.var.view(-1, *[1] * (v.ndim - 3))  # (D, 1, 1)
        mean = torch.where(n < 2, own[0], (v * real).sum(axes, keepdim=True) / n.clamp_min(1))  # (G, 1, D, 1, 1)
        var = torch.where(n < 2, own[1], ((v - mean).square() * real).sum(axes, keepdim=True) / n.clamp_min(1))
        self._update_statistics(mean.detach().flatten(1), var.detach().flatten(1))
        scale = (var + self.eps).rsqrt() * self.weight.view_as(own[0])
        y = torch.addcmul(self.bias.view_as(own[0]) - mean * scale, v, scale)
        return y.flatten(0, 1).to(x.dtype)

    @torch.no_grad()
    def _update_statistics(self, mean: Tensor, var: Tensor) -> None:  # (G, D), (G, D)
        """Move the running statistics by G groups at once, just as if they had come one after the other."""
        seen = self.count + torch.arange(1, len(mean) + 1, device=mean.device)  # (G,)
        rate = 1 / seen.clamp_max(self.horizon).to(mean.dtype)
        left = torch.cat([1 - rate, rate.new_ones(1)]).flip(0).cumprod(0).flip(0)  # (G + 1,) what later ones leave
        for running, new in ((self.mean, mean), (self.var, var)):
            # A product and a sum: autocast would round a matrix product.
            running.mul_(left[0]).add_(((rate * left[1:]).unsqueeze(1) * new).sum(0))
        self.count += len(mean)


class _NormaliseGroups(torch.autograd.Function):
    """Batch normalisation of each group by torch's own CPU kernel, group after group into one result."""

    # Without any copy, so it costs about what one normalisation of the whole batch does; splitting and joining under
    # autograd costs twice that.
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, group: int, eps: float) -> tuple[Tensor, ...]:
        # (B, D, *positions), (D,), (D,) -> (B, D, *positions), and each group's mean and variance (G, D)
        y, stats = torch.empty_like(x), []
        for to, part in zip(y.split(group), x.split(group), strict=True):
            _, *own = torch.ops.aten.native_batch_norm.out(
                part, weight, bias, None, None, True, 0.0, eps,
                out=to, save_mean=weight.new_empty(len(weight)), save_invstd=weight.new_empty(len(weight)),
            )  # fmt: skip
            stats.append(torch.stack(own))
        mean, inv = torch.stack(stats).unbind(1)  # (G, D), (G, D)
        ctx.save_for_backward(x, weight, mean, inv)
        ctx.group, ctx.eps = group, eps
        var = inv**-2 - eps
        ctx.mark_non_differentiable(mean, var)
        return y, mean, var

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        # The gradients of x (B, D, *positions), weight (D,) and bias (D,), from that of the result.
        x, weight, mean, inv = ctx.saved_tensors
        dy = dy.contiguous(memory_format=torch.channels_last) if dy.ndim == 4 else dy.contiguous()
        dx, dweight, dbias = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(weight)
        for i, (to, part, d) in enumerate(zip(*(t.split(ctx.group) for t in (dx, x, dy)), strict=True)):
            ds, db = torch.empty_like(weight), torch.empty_like(weight)
            torch.ops.aten.native_batch_norm_backward.out(
                d, part, weight, None, None, mean[i], inv[i], True, ctx.eps, [True, True, True],
                out0=to, out1=ds, out2=db,
            )  # fmt: skip
            dweight += ds
            dbias += db
        return dx, dweight, dbias, None, None


class LastNorm(Stage):
    """The normalisation that ends a trunk of residual stages, as a stage of its own."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = layer_norm(width)

    def forward(self, f: Features) -> Features:  # (B, *positions, D) -> (B, *positions, D)
        return f.with_(x=self.norm(f.x))

    def open(self, f: Features) -> tuple[Features, Inside]:  # (B, *positions, D) -> (B, *positions, D)
        """Inside: output (B, *positions, D)."""
        f = self.forward(f)
        return f, {"output": f.x}

    def start(self, batch: int, like: Tensor) -> State:
        """Nothing: each position is normalised by itself."""
        return ()

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, D)
        return self.norm(x), state


# ---------------------------------------------------------------- masks


def hide_padding(x: Tensor, mask: Tensor | None) -> Tensor:  # (B, *positions, D), (B, *positions) -> (B, *positions, D)
    """The features with 0 where a position is not real."""
    return x if mask is None else x.masked_fill(~mask.unsqueeze(-1), 0.0)


def max_positions(f: Features) -> Tensor:  # (B, *positions, D) -> (B, D)
    """The largest value over real positions; 0 for an example that has none."""
    axes = tuple(range(1, f.x.ndim - 1))
    if f.mask is None:
        return f.x.amax(axes)
    best = f.x.masked_fill(~f.mask.unsqueeze(-1), torch.finfo(f.x.dtype).min).amax(axes)
    return hide_padding(best, f.mask.flatten(1).any(1))


# ---------------------------------------------------------------- positions and attention


def rotary_angles(positions: tuple[int, ...], width: int, like: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions (Su 2021), each (T, width / 2), T being all positions in order.

    A sequence turns every pair of features by its position; a grid turns half of them by the row and half by the
    column (axial). The base of the speeds is 10,000 for a sequence and 100 for a grid (Heo 2024).

    Args:
        positions: (T,) or (H, W).
        width: of a head; a multiple of 2 for a sequence and of 4 for a grid.
        like: whose dtype and device to use.
        first: the position the (one) axis starts at.
    """
    pairs = width // 2 // len(positions)
    base = 10_000.0 if len(positions) == 1 else 100.0
    speed = base ** (-torch.arange(pairs, device=like.device) / pairs)  # (pairs,) radians a position
    axes = torch.meshgrid(*(torch.arange(first, first + n, device=like.device) for n in positions), indexing="ij")
    angle = torch.cat([axis.reshape(-1, 1) * speed for axis in axes], 1)  # (T, width / 2)
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


class RotaryTable:
    """The rotary positions of a sequence that grows: for all stages, and twice as far as was asked for.

    Args:
        width: of a head. like: whose dtype and device to use.
    """

    def __init__(self, width: int, like: Tensor):
        self.width = width
        self.turn = rotary_angles((0,), width, like)

    def angles(self, first: int, count: int) -> tuple[Tensor, Tensor]:  # -> (count, width / 2), twice
        """Cosines and sines of ``count`` positions from ``first`` on."""
        end = first + count
        if end > len(self.turn[0]):
            self.turn = rotary_angles((2 * end,), self.width, self.turn[0])
        return self.turn[0][first:end], self.turn[1][first:end]


def rotate_pairs(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:  # (..., T, E) -> (..., T, E)
    """Each pair (feature i, feature i + E / 2) turned by its angle; lengths stay."""
    cos, sin = turn
    a, b = x.chunk(2, -1)
    return torch.cat([torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(a * sin, b, cos)], -1)


class Attention(nn.Module):
    """Self-attention with rotary positions and normalised queries and keys (Dehghani 2023), fast and open.

    Args:
        width: D, a multiple of ``head``.
        head: E, the width of one head.
        causal: a position sees only itself and those before it.
    """

    def __init__(self, width: int, head: int, causal: bool):
        super().__init__()
        self.heads, self.causal = width // head, causal
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = zero_weights(nn.Linear(width, width, bias=False))

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:  # (B, T, D) -> (B, T, D)
        """What each position gathers from those it sees, by torch's fused kernel.

        Args:
            turn: cosines and sines, from ``rotary_angles``. mask: (B, T) bool, True where a position is real.
        """
        q, k, v = self._project_heads(x, turn)
        sees = self._visible_mask(mask, x)
        y = F.scaled_dot_product_attention(q, k, v, sees, is_causal=self.causal and sees is None)
        return self.out(y.transpose(1, 2).flatten(2))

    def open(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor | None) -> tuple[Tensor, Inside]:
        """Inside, with explicit weights: attention (B, n, T, T); query, key, value and mixed (B, n, T, E)."""
        q, k, v = self._project_heads(x, turn)
        score = q @ k.mT / math.sqrt(q.shape[-1])  # (B, n, T, T)
        sees = self._visible_mask(mask, x)
        if sees is None and self.causal:
            sees = _causal_mask(x)
        weights = (score if sees is None else score.masked_fill(~sees, -torch.inf)).softmax(-1)
        mixed = weights @ v
        inside = {"attention": weights, "query": q, "key": k, "value": v, "mixed": mixed}
        return self.out(mixed.transpose(1, 2).flatten(2)), inside

    def start(self, batch: int, like: Tensor, table: RotaryTable | None = None) -> State:
        """The keys and values so far, (B, n, 0, E) each, and the table of rotary positions."""
        width = self.qkv.in_features // self.heads
        empty = like.new_empty(batch, self.heads, 0, width)
        return PositionBuffer(empty), PositionBuffer(empty), table or RotaryTable(width, like)

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, D)
        keys, values, table = state
        before, new = len(keys), x.shape[1]
        q, k, v = self._project_heads(x, table.angles(before, new))
        keys, values = keys.append(k), values.append(v)  # (B, n, L, E)
        # The last position sees all there are, the one before it one less.
        sees = None
        if before and new > 1:
            sees = torch.ones(new, before + new, dtype=torch.bool, device=x.device).tril(before)  # (T, L)
        y = F.scaled_dot_product_attention(
            q, keys.values(), values.values(), sees, is_causal=new > 1 and sees is None
        )  # (B, n, T, E)
        return self.out(y.transpose(1, 2).flatten(2)), (keys, values, table)

    def _project_heads(
        self, x: Tensor, turn: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:  # three (B, n, T, E)
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, n, T, E)
        q, k = rotate_pairs(F.layer_norm(qkv[:2], qkv.shape[-1:]), turn)
        return q, k, qkv[2]

    def _visible_mask(self, mask: Tensor | None, x: Tensor) -> Tensor | None:  # -> (B, 1, 1 or T, T) bool
        if mask is None:
            return None
        # An example without any real position sees its padding: a softmax over nothing would be 0 / 0.
        mask = mask | ~mask.any(1, keepdim=True)
        sees = mask[:, None, None]
        if not self.causal:
            return sees
        # With itself at the least: padding before the first real position would see nothing.
        return (sees & _causal_mask(x)) | torch.eye(x.shape[1], dtype=torch.bool, device=x.device)


def _causal_mask(x: Tensor) -> Tensor:  # (B, T, D) -> (T, T) bool, True where column <= row
    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()


# ---------------------------------------------------------------- initialisation


def zero_weights(linear: nn.Linear) -> nn.Linear:
    """The layer with all weights 0: a residual branch that ends in it starts as nothing."""
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear
