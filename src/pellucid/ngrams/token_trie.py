"""A trie of token sequences in sorted arrays: exact, made of a whole text at once, asked many questions at once.

A node of level k is a sequence of k tokens that the text has; at level 1 every token is one. A node's key is its node
of the level above (the sequence without its last token) and its last token in one number; keys are sorted, so the
children of a node are one range.

M places of a text, V tokens, n nodes of a level, m of the level above, P places that are asked about, E children.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..storage.forms import FormError

# Nodes of a level, at most: ranges are kept in 32 bits.
MOST_NODES = (1 << 31) - 2


@dataclass(frozen=True)
class GrownLevel:
    """All sequences of ``length`` tokens of a text.

    Attributes:
        keys: (n,) int64, sorted. counts: (n,) int32, how often each is there. suffix: (n,) int32, the node of the level
            above that is each one without its first token. begins: (n,) bool, whether it begins with ``first``.
        nodes: (M,) int32, the node that ends at each place of the text; -1 for none.
    """

    length: int
    keys: np.ndarray
    counts: np.ndarray
    suffix: np.ndarray
    begins: np.ndarray
    nodes: np.ndarray


def grow_levels(
    tokens: np.ndarray, depth: np.ndarray, size: int, most: int, first: int
) -> Iterator[GrownLevel]:  # (M,), (M,)
    """The levels 2 to ``most`` of a text's trie, one after the other; it ends early where no sequence is so long.

    Args:
        tokens: all of the text, each below ``size``. depth: how many tokens of its own piece there are up to each
            place, that one with it: no sequence goes over the border of a piece.
        first: the token whose sequences are marked by ``begins``.
    """
    nodes = tokens.astype(np.int32)
    begins = np.arange(size) == first  # (n,)
    for length in range(2, most + 1):
        places = np.flatnonzero(depth >= length)
        if not len(places):
            return
        key = nodes[places - 1].astype(np.int64) * size + tokens[places]
        keys, first_of, counts, index = group_keys(key, len(begins) * size)
        suffix, begins = nodes[places[first_of]], begins[keys // size]
        nodes = np.full(len(tokens), -1, np.int32)
        nodes[places] = index
        yield GrownLevel(length, keys, counts, suffix, begins, nodes)


def group_keys(keys: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # (M,) int64
    """Different keys, rising; one place, and the number, of each; and which one of them is at each place.

    Args:
        keys: at least one, all of them below ``bound``. They are overwritten.
    """
    bits = len(keys).bit_length()
    if bound << bits < 1 << 63:
        # Keys and places sorted as one number: four times as fast as ``np.unique``, which sorts places by their keys.
        keys <<= bits
        keys |= np.arange(len(keys))
        keys.sort()
        place: np.ndarray = (keys & ((1 << bits) - 1)).astype(np.int32 if bits < 32 else np.int64)
        keys >>= bits
    else:
        place = np.argsort(keys)
        keys = keys[place]
    fresh = np.concatenate([[True], keys[1:] != keys[:-1]])
    index = np.empty(len(keys), np.int32)
    index[place] = np.cumsum(fresh, dtype=np.int32) - np.int32(1)
    starts = np.flatnonzero(fresh)
    counts = np.diff(starts, append=len(keys)).astype(np.int32)
    return keys[starts], place[starts], counts, index


def child_starts(keys: np.ndarray, above: int, size: int) -> np.ndarray:  # (n,) -> (m + 2,) int32
    """Where the children of each node begin among sorted ``keys``, and those of one more that has none."""
    parents = np.arange(above + 2, dtype=np.int64)
    return np.searchsorted(keys, parents * size).astype(np.int32)


class TrieLevel(nn.Module):
    """One level of a trie, where it can be asked.

    Buffers: keys (n,) int64, starts (m + 2,) int32. A node that is not there is the number n, which has no children.

    Args:
        above: m. nodes: n. size: V.
    """

    keys: Tensor
    starts: Tensor

    def __init__(self, above: int, nodes: int, size: int):
        super().__init__()
        self.above, self.nodes, self.size = above, nodes, size
        self.register_buffer("keys", torch.zeros(nodes, dtype=torch.int64))
        self.register_buffer("starts", torch.zeros(above + 2, dtype=torch.int32))

    def find(self, node: Tensor, token: Tensor) -> Tensor:  # (...), (...) -> (...) int64
        """The child of each node of the level above by its last token; n where there is none."""
        wanted = node * self.size + token
        place = torch.searchsorted(self.keys, wanted)
        found = self.keys[place.clamp_max(self.nodes - 1)] == wanted
        return torch.where(found, place, self.nodes)

    def child_ranges(self, node: Tensor) -> tuple[Tensor, Tensor]:  # (P,) -> (P,), (P,) int64
        """From and to which node of this level the children of each node of the level above go."""
        return self.starts[node].long(), self.starts[node + 1].long()


def list_ranges(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (P,), (P,) -> (E,), (E,), (P,)
    """All numbers of P ranges, one range after the other: of which range each is, the number, where each one begins."""
    count = high - low
    begin = count.cumsum(0) - count
    which = torch.repeat_interleave(count)
    return which, torch.arange(len(which), device=low.device) + (low - begin).index_select(0, which), begin


def check_level(tensors: Mapping[str, np.ndarray], above: int, size: int, where: str) -> None:
    """Raises FormError for the ``keys`` and ``starts`` of a file that no trie has.

    Args:
        tensors: of their shapes. above: m. size: V. where: their level, for the error.
    """
    keys = tensors["keys"]
    if len(keys) and not (keys[0] >= 0 and keys[-1] < above * size and (keys[1:] > keys[:-1]).all()):
        raise FormError(f"{where}.keys are not sorted, or are those of another trie")
    if not np.array_equal(tensors["starts"], child_starts(keys, above, size)):
        raise FormError(f"{where}.starts are not where children begin")
