"""A recurrence without weights on its state, for all positions at once; and minGRU, the cell that is made of it.

S sequences side by side, T time, D width of what is read, K width of the state, C positions of a chunk.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Positions that are walked one after the other, in all chunks at once. Of 16, 32 and the root of the length, 16 and 32
# were fastest on a CPU from 64 to 2,048 positions, and 32 leaves fewer chunks (docs/LOG.md, 2026-11-28).
CHUNK = 32


def scan(keep: Tensor, enter: Tensor, first: Tensor) -> Tensor:  # (S, T, K), (S, T, K), (S, K) -> (S, T, K)
    """h[t] = keep[t] * h[t - 1] + enter[t], for all t, with h[-1] = ``first``.

    Stable wherever ``keep`` is from 0 to 1: what is multiplied are products of such numbers, nothing is divided and no
    logarithm is taken. Chunk by chunk as in Blelloch ("Prefix sums and their applications", 1990); the gradient is the
    same recurrence from the end to the start (Martin & Cundy, "Parallelizing linear recurrent neural nets over sequence
    length", 2018).
    """
    return _Scan.apply(keep, enter, first)


class _Scan(torch.autograd.Function):
    """The recurrence, and as its gradient the same from the end to the start; only its results are kept between."""

    @staticmethod
    def forward(ctx: Any, keep: Tensor, enter: Tensor, first: Tensor) -> Tensor:
        # (S, T, K), (S, T, K), (S, K) -> (S, T, K)
        hidden = walk_chunks(keep, torch.cat([enter[:, :1] + keep[:, :1] * first.unsqueeze(1), enter[:, 1:]], 1))
        ctx.save_for_backward(keep, first, hidden)
        return hidden

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor, ...]:  # (S, T, K) -> (S, T, K), (S, T, K), (S, K)
        keep, first, hidden = ctx.saved_tensors
        # What reaches h[t] comes from its own position, and through keep[t + 1] from the next.
        slope = walk_chunks(F.pad(keep[:, 1:], (0, 0, 0, 1)), dh.contiguous(), reverse=True)
        before = torch.cat([first.unsqueeze(1), hidden[:, :-1]], 1)
        return slope * before, slope, slope[:, 0] * keep[:, 0]


def walk_chunks(keep: Tensor, enter: Tensor, reverse: bool = False) -> Tensor:  # (S, T, K), (S, T, K) -> (S, T, K)
    """The recurrence from 0 on, or from the end to the start: in all chunks at once, then from chunk to chunk."""
    count, length, width = enter.shape
    chunks = -(-length // CHUNK)
    if chunks == 1:
        return _walk(keep.unsqueeze(1), enter.unsqueeze(1), reverse)[0].squeeze(1)
    # Zeros behind the end change nothing before it, and coming from there they start the state at 0.
    spare = chunks * CHUNK - length
    keep, enter = (F.pad(v, (0, 0, 0, spare)) if spare else v for v in (keep, enter))
    form = (count, chunks, CHUNK, width)
    hidden, product = _walk(keep.reshape(form), enter.reshape(form), reverse)  # (S, chunks, C, K)
    end = 0 if reverse else CHUNK - 1
    ends = walk_chunks(product[:, :, end], hidden[:, :, end], reverse)  # (S, chunks, K)
    if reverse:
        hidden[:, :-1].addcmul_(product[:, :-1], ends[:, 1:].unsqueeze(2))
    else:
        hidden[:, 1:].addcmul_(product[:, 1:], ends[:, :-1].unsqueeze(2))
    return hidden.view(count, chunks * CHUNK, width)[:, :length]


def _walk(keep: Tensor, enter: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:  # (S, N, C, K) -> twice (S, N, C, K)
    """Within every chunk the recurrence from 0 on, and the product of all that is kept so far."""
    hidden, product = torch.empty_like(enter), torch.empty_like(keep)
    steps = list(zip(*(v.unbind(2) for v in (keep, enter, hidden, product)), strict=True))
    state: Any = None
    for kept, entered, own, so_far in reversed(steps) if reverse else steps:
        if state is None:
            own.copy_(entered)
            so_far.copy_(kept)
        else:
            torch.addcmul(entered, kept, state[0], out=own)
            torch.mul(kept, state[1], out=so_far)
        state = own, so_far
    return hidden, product


class MinGruLayer(nn.Module):
    """A GRU whose gates hear the input alone, so that all positions are computed at once.

    ``update = sigmoid(W x + b)``, ``candidate = tanh(V x + c)``, ``h = (1 - update) * candidate + update * h before``.
    minGRU of Feng, Tung, Ahmed, Bengio, Hajimirsadeghi ("Were RNNs all we needed?", 2024). It differs in two things:
    the candidate keeps the GRU's tanh, so that the state stays from -1 to 1, and the recurrence goes by chunks rather
    than in log space, so that a state may be negative. Called as torch's layers are.

    Args:
        width: D. hidden: K.
    """

    def __init__(self, width: int, hidden: int, batch_first: bool = True):
        assert batch_first
        super().__init__()
        self.hidden_size = hidden
        # The names and the order of torch's layers: the rows of one gate after those of another.
        self.weight_ih_l0 = nn.Parameter(torch.empty(2 * hidden, width))
        self.bias_ih_l0 = nn.Parameter(torch.empty(2 * hidden))

    def forward(self, x: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        # (S, T, D), (1, S, K) -> (S, T, K), and the last state (1, S, K)
        first = x.new_zeros(len(x), self.hidden_size) if before is None else before[0]
        candidate, update = F.linear(x, self.weight_ih_l0, self.bias_ih_l0).chunk(2, -1)
        update = torch.sigmoid(update)
        hidden = scan(update, (1 - update) * torch.tanh(candidate), first)
        return hidden, hidden[:, -1].unsqueeze(0)
