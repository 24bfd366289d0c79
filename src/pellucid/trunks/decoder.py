"""The decoder: a causal trunk that looks, after its first stage, at what another trunk has read.

B batch, T positions that are written, S positions of the memory, D width, M width of the memory, n heads, E head width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..storage import forms
from .base import Inside, Stage, State, Trunk
from .features import Features, Need
from .layers import Dropout, hide_padding, layer_norm, zero_weights

# Of ``Decoder.config()`` beside its trunk: a run file may come from a stranger.
FORM = forms.record(
    {"trunk": forms.anything, "head": forms.whole(1, 1 << 16), "dropout": forms.number(0, 1), "least": forms.whole()}
)


class MemoryAttention(Stage):
    """x + dropout(W attention(norm(x), norm(memory))), W zero at the start, so that it starts as nothing.

    Every position looks at all real positions of the memory, whatever its own place. Where there are none, nothing is
    added. Attention to an encoder's positions is of Bahdanau, Cho, Bengio ("Neural machine translation by jointly
    learning to align and translate", 2015); from every layer's position at once of Gehring 2017 ("Convolutional
    sequence to sequence learning"); with heads, by products of queries and keys, of Vaswani 2017 ("Attention is all you
    need"). Here queries and keys are normalised (Dehghani 2023), as in all attention of this package.

    Args:
        width: D. memory: M. head: E, which divides D.
    """

    head_map = "out"

    def __init__(self, width: int, memory: int, head: int, dropout: float):
        super().__init__()
        self.heads = width // head
        self.norm, self.memory_norm = layer_norm(width), layer_norm(memory)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(memory, 2 * width, bias=False)
        self.out = zero_weights(nn.Linear(width, width, bias=False))
        self.dropout = Dropout(dropout)

    def forward(self, f: Features) -> Features:  # (B, T, D) -> (B, T, D)
        assert f.memory is not None
        return f.with_(x=f.x + self.dropout(self._look(f.x, self.read_memory(f.memory)), f.key))

    def open(self, f: Features) -> tuple[Features, Inside]:
        """Inside: memory_attention (B, n, T, S), query and mixed (B, n, T, E), memory_key and memory_value
        (B, n, S, E), added (B, T, D). A memory without positions is shown as one that nobody looks at.
        """
        assert f.memory is not None
        keys, values, sees, real = self.read_memory(f.memory)
        query = self._project_query(f.x)
        score = query @ keys.mT / math.sqrt(query.shape[-1])  # (B, n, T, S)
        weights = (score if sees is None else score.masked_fill(~sees, -torch.inf)).softmax(-1)
        weights = weights if real is None else weights.masked_fill(~real, 0.0)
        mixed = weights @ values
        added = self.out(mixed.transpose(1, 2).flatten(2))
        inside = {"memory_attention": weights, "query": query, "memory_key": keys, "memory_value": values}
        return f.with_(x=f.x + self.dropout(added, f.key)), {**inside, "mixed": mixed, "added": added}

    def start(self, batch: int, like: Tensor) -> State:
        """Nothing yet: ``Decoder.start`` puts the memory's keys and values there."""
        return ()

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, D) -> (B, T, D)
        return x + self._look(x, state), state

    def read_memory(self, memory: Features) -> State:
        """Keys and values (B, n, S, E), which of them count (B, 1, 1, S), and whether any do (B, 1, 1, 1).

        Both are None where all count; they and the others are a state that ``read`` goes on from.
        """
        x = memory.x.unsqueeze(1) if memory.x.ndim == 2 else memory.x.flatten(1, -2)  # (B, S, M)
        mask = None if memory.mask is None else memory.mask.flatten(1)  # (B, S)
        if not x.shape[1]:
            # A softmax over nothing would be 0 / 0, so that there is one position, which does not count.
            x = F.pad(x, (0, 0, 0, 1))
            mask = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        both = self.key_value(self.memory_norm(hide_padding(x, mask)))  # (B, S, 2 D)
        keys, values = both.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, n, S, E)
        keys = F.layer_norm(keys, keys.shape[-1:])
        if mask is None:
            return keys, values, None, None
        real = mask.any(1, keepdim=True)
        return keys, values, (mask | ~real)[:, None, None], real[:, :, None, None]

    def _look(self, x: Tensor, state: State) -> Tensor:  # (B, T, D) -> (B, T, D)
        """What each position gathers from the memory."""
        keys, values, sees, real = state
        mixed = F.scaled_dot_product_attention(self._project_query(x), keys, values, sees)  # (B, n, T, E)
        mixed = mixed if real is None else mixed.masked_fill(~real, 0.0)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _project_query(self, x: Tensor) -> Tensor:  # (B, T, D) -> (B, n, T, E)
        query = self.query(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return F.layer_norm(query, query.shape[-1:])


class Decoder(nn.Module):
    """Writes a sequence of what another trunk has read: a causal trunk with one look at that trunk's positions.

    Its first stage hears what has been written so far; what it says looks at the memory (``MemoryAttention``, the stage
    ``memory``), and the other stages go on from both. One look for all stages rather than one in each (Vaswani 2017)
    lets every causal trunk be a decoder, and there is one alignment to be shown.

    Args:
        trunk: any that can be causal; only its sizes are taken. ``trunk.stages`` are the decoder's.
        head: E, at most how wide an attention head is; the widest that divides the width is taken.
        dropout: share of what the look adds that is set to 0 while training.
        least: positions written before that each position must see, see ``Need.least``.

    Raises:
        PellucidError: for a trunk that can't be causal; names those that can.

    Example:
        >>> decoder = Decoder(Recurrent(64, 2)).build(memory=128)                       # doctest: +SKIP
        >>> decoder(Features(written), memory).x.shape        # (B, T, 64), (B, S, 128)   # doctest: +SKIP
        torch.Size([8, 20, 64])
        >>> state = decoder.start(memory)                                               # doctest: +SKIP
        >>> y, state = decoder.step(token, state)             # (B, 64)                   # doctest: +SKIP
    """

    def __init__(self, trunk: Trunk, *, head: int = 32, dropout: float = 0.1, least: int = 0):
        super().__init__()
        trunk.need(Need(positions=(1,), every=True, causal=True))
        # Building fills a trunk with layers, and the one that was passed is another's.
        self.trunk: Trunk = type(trunk)(**trunk.config())
        self.trunk.least = least
        self.head, self.dropout = head, dropout

    @property
    def width(self) -> int:
        """D of what it reads at each position."""
        return self.trunk.width

    @property
    def out_width(self) -> int:
        """D of what it returns at each position."""
        return self.trunk.out_width

    @property
    def stages(self) -> Any:
        """An nn.ModuleDict, name -> Stage, in the order of the data's way."""
        return self.trunk.stages

    def build(self, memory: int) -> Decoder:
        """Make the layers for a memory whose positions are so wide; returns itself."""
        first, *rest = self.trunk.build(1, causal=True).stages.items()
        # Along a sequence a trunk is after its first stage as wide as at its end.
        width = self.trunk.out_width
        head = max(n for n in range(1, min(self.head, width) + 1) if width % n == 0)
        look = MemoryAttention(width, memory, head, self.dropout)
        self.trunk.stages = nn.ModuleDict(dict([first, ("memory", look), *rest]))
        return self

    def forward(
        self, f: Features, memory: Features
    ) -> Features:  # (B, T, width), (B, *positions, M) -> (B, T, out_width)
        """What each position says, of the positions before it, itself and the memory.

        Args:
            f: what has been written. memory: what was read; the positions of a grid (B, H, W, M) one after the other, a
                vector (B, M) as one position.
        """
        return self.trunk(f.with_(memory=memory)).with_(memory=None)

    def open(self, f: Features, memory: Features) -> tuple[Features, dict[str, Inside]]:
        """``forward``'s result and the inside of every stage, by the stage's name."""
        f, inside = self.trunk.open(f.with_(memory=memory))
        return f.with_(memory=None), inside

    def start(self, memory: Features) -> State:
        """The state before the first position, for the examples of ``memory``, whose keys are made here, once."""
        states = self.trunk.start(len(memory.x), memory.x)
        return [
            stage.read_memory(memory) if isinstance(stage, MemoryAttention) else own
            for stage, own in zip(self.stages.values(), states, strict=True)
        ]

    def read(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, T, width) -> (B, T, out_width)
        """T more positions at once, and the state after them; equal to T steps."""
        return self.trunk.read(x, state)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:  # (B, width) -> (B, out_width)
        """One position more, and the state after it."""
        return self.trunk.step(x, state)

    def take(self, state: State, index: Tensor) -> State:  # (N,) int64
        """A state of the examples ``index``, memory included, in that order, each as often as it is named; a copy."""
        return self.trunk.take(state, index)

    def config(self) -> dict[str, Any]:
        """Everything but the weights and the memory's width, as JSON; ``from_config`` makes the same decoder."""
        trunk = {"name": self.trunk.name, **self.trunk.config()}
        return {"trunk": trunk, "head": self.head, "dropout": self.dropout, "least": self.trunk.least}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], trunk: Trunk) -> Decoder:
        """The decoder that ``config`` describes, unbuilt.

        Args:
            config: of a file that anyone may have written. trunk: made of ``config["trunk"]``.

        Raises:
            FormError: for what no decoder says of itself.
        """
        FORM(config, "decoder")
        return cls(trunk, **{name: config[name] for name in ("head", "dropout", "least")})
