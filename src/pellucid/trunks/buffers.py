"""What a causal stage keeps of the positions it has read, so that the next ones cost what they add alone.

B batch, T new positions, L kept ones, C positions that there is room for, D width; *heads is nothing, or n heads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Positions that the first room is for.
LEAST_ROOM = 16


class PositionBuffer:
    """Values of the last positions, or of all; what is appended is written behind them, where there is room.

    A buffer stays what it is when something is appended to it: its successor shares its memory and sees more of it.
    Only where two go on from the same buffer, as when a text is written on in two ways, does the second copy.

    Args:
        values: (B, *heads, L, D), of the first positions; it is written into, so hand over what nobody else reads.

    Example:
        >>> PositionBuffer(torch.zeros(1, 0, 2)).append(torch.ones(1, 3, 2)).keep_last(2).values().shape
        torch.Size([1, 2, 2])
    """

    __slots__ = ("end", "room", "start")

    def __init__(self, values: Tensor):
        self.room = Room(values, values.shape[-2])
        self.start, self.end = 0, values.shape[-2]

    def __len__(self) -> int:
        return self.end - self.start

    def values(self) -> Tensor:  # -> (B, *heads, L, D)
        """What is kept, in order; not to be written into."""
        return self.room.values[..., self.start : self.end, :]

    def append(self, new: Tensor) -> PositionBuffer:  # (B, *heads, T, D)
        """The buffer with T positions more. Its cost is that of the new ones: room doubles when there is none left."""
        total = len(self) + new.shape[-2]
        # A gradient needs every value as it was.
        if torch.is_grad_enabled() and (new.requires_grad or self.room.values.requires_grad):
            return PositionBuffer(torch.cat([self.values(), new], -2))
        room, start = self.room, self.start
        if not room.takes(self.end, new):
            room, start = Room(new.new_empty(*new.shape[:-2], max(2 * total, LEAST_ROOM), new.shape[-1]), len(self)), 0
            room.values[..., : len(self), :] = self.values()
        end = start + total
        room.values[..., end - new.shape[-2] : end, :] = new
        room.written = end
        return self._over(room, start, end)

    def keep_last(self, count: int) -> PositionBuffer:
        """The buffer without all but its last ``count`` positions; their room is let go with the next one."""
        return self._over(self.room, max(self.start, self.end - count), self.end)

    def take(self, index: Tensor) -> PositionBuffer:  # (N,) int64
        """The buffer of the examples ``index``, in that order, each as often as it is named; a copy."""
        return self._over(Room(self.room.values.index_select(0, index), self.end), self.start, self.end)

    def _over(self, room: Room, start: int, end: int) -> PositionBuffer:
        found = object.__new__(PositionBuffer)
        found.room, found.start, found.end = room, start, end
        return found


class Room:
    """Memory that several buffers share.

    Attributes:
        values: (B, *heads, C, D). written: positions that are written, from the first on.
    """

    __slots__ = ("values", "written")

    def __init__(self, values: Tensor, written: int):
        self.values, self.written = values, written

    def takes(self, end: int, new: Tensor) -> bool:
        """Whether ``new`` may be written from position ``end`` on: it is free, and large enough."""
        fits = self.written == end and end + new.shape[-2] <= self.values.shape[-2]
        # What was made in inference mode can't be written into outside of it.
        return fits and (torch.is_inference_mode_enabled() or not self.values.is_inference())


def take_examples(state: Any, index: Tensor) -> Any:  # (N,) int64
    """A state of the examples ``index``, in that order, each as often as it is named: what a beam search goes on from.

    Args:
        state: a nest of tuples and lists of tensors (B, ...) and buffers; what else is in it goes for all examples.
    """
    if isinstance(state, Tensor):
        return state.index_select(0, index)
    if isinstance(state, PositionBuffer):
        return state.take(index)
    if isinstance(state, tuple | list):
        return type(state)(take_examples(one, index) for one in state)
    return state
