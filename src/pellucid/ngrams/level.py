"""One level of counted n-grams, where it can be asked: how often tokens follow contexts, with any fold left out.

P places that are asked about, E successors that their contexts have, V tokens, n nodes of the level, m of the level
above, e counts that are less without a fold, K folds, S ways to count: for each of a node's counts one with everything
counted, and one without each fold.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..storage.forms import FormError
from .kneser_ney import MOST_DISCOUNTS
from .token_trie import TrieLevel, check_level, list_ranges


class NgramLevel(TrieLevel):
    """All sequences of some length, and how often each counts.

    Buffers besides the trie's: counts (C, n) int32; less_keys (e,) int32, rising, and less (e,) int32: by how much the
    node ``key % n`` counts less in the way ``key // n``; discounts (S, 4) float32, of counts of 0, 1, 2 and more.

    Args:
        above, nodes, size: m, n, V. kinds: C, how many counts a node has. folds: K. less: e.
    """

    counts: Tensor
    less_keys: Tensor
    less: Tensor
    discounts: Tensor

    def __init__(self, above: int, nodes: int, size: int, *, kinds: int, folds: int, less: int):
        super().__init__(above, nodes, size)
        self.kinds, self.folds = kinds, folds
        self.register_buffer("counts", torch.zeros(kinds, nodes, dtype=torch.int32))
        self.register_buffer("less_keys", torch.zeros(less, dtype=torch.int32))
        self.register_buffer("less", torch.zeros(less, dtype=torch.int32))
        self.register_buffer("discounts", torch.zeros(kinds * (folds + 1), MOST_DISCOUNTS + 1))

    def add_probabilities(
        self, found: Tensor, left: Tensor, context: Tensor, kind: Tensor, fold: Tensor | None
    ) -> Tensor:
        """Add to ``found`` how likely each token is by this level, and return what is left for shorter contexts.

        Args:
            found: (P V,) float32. left: (P,) what longer contexts have left. context: (P,) nodes of the level above.
            kind: (P,) which of the counts. fold: (P,) which fold is left out, from 1 on; 0 for none. None for none.
        """
        low, high = self.child_ranges(context)
        which, node, begin = list_ranges(low, high)  # (E,), (E,), (P,)
        count = self.counts.view(-1).index_select(0, node + (kind * self.nodes).index_select(0, which))  # (E,)
        way = kind * (self.folds + 1)
        if fold is not None:
            way = way + fold
            self._take_off(count, way, low, high, begin)
        aside = (way * (MOST_DISCOUNTS + 1)).index_select(0, which) + count.clamp_max(MOST_DISCOUNTS)
        discount = self.discounts.view(-1).index_select(0, aside)
        # Thousands of successors, summed with 24 bits, would leave an error that shows.
        sums = [torch.segment_reduce(x.double(), "sum", lengths=high - low, unsafe=True) for x in (count, discount)]
        total, spared = (x.to(left.dtype) for x in sums)  # (P,)
        known = total > 0
        scale = torch.where(known, left / total, 0.0)
        # A key begins with its context; a place in ``found`` with the number of places before it.
        first = (torch.arange(len(left), device=left.device) - context) * self.size
        place = self.keys.index_select(0, node) + first.index_select(0, which)
        found.scatter_add_(0, place, (count - discount) * scale.index_select(0, which))
        return torch.where(known, spared * scale, left)

    def _take_off(self, count: Tensor, way: Tensor, low: Tensor, high: Tensor, begin: Tensor) -> None:
        """Let each successor count as without its place's fold; (E,), then (P,) each."""
        first = way * self.nodes
        ends = (torch.searchsorted(self.less_keys, (first + end).int()) for end in (low, high))
        which, entry, _ = list_ranges(*ends)
        place = self.less_keys.index_select(0, entry) + (begin - low - first).index_select(0, which)
        count.scatter_add_(0, place, -self.less.index_select(0, entry))

    def check_values(self, tensors: Mapping[str, np.ndarray], where: str) -> None:
        """Raises FormError for values of a file that no counting gives; their shapes and types are known to be right.

        Args:
            tensors: by the names of the buffers. where: the level, for the error.
        """
        check_level(tensors, self.above, self.size, where)
        counts, keys, less = (tensors[name] for name in ("counts", "less_keys", "less"))
        if not (counts >= 0).all():
            raise FormError(f"{where}.counts are below 0")
        rising = len(keys) == 0 or (keys[0] >= 0 and keys[-1] < len(self.discounts) * self.nodes)
        if not (rising and (keys[1:] > keys[:-1]).all()):
            raise FormError(f"{where}.less_keys are not sorted, or are those of other counts")
        way, node = np.divmod(keys, self.nodes)
        kind, fold = np.divmod(way, self.folds + 1)
        if not ((fold > 0) & (less > 0) & (less <= counts[kind, node])).all():
            raise FormError(f"{where}.less is more than there is, or less than 1")
        check_discounts(tensors["discounts"], where)


def check_discounts(discounts: np.ndarray, where: str) -> None:  # (S, 4)
    """Raises FormError for discounts that would leave a token no chance, or make one negative."""
    most = np.arange(MOST_DISCOUNTS + 1)
    if not ((discounts[:, 0] == 0).all() and ((discounts > 0) & (discounts <= most))[:, 1:].all()):
        raise FormError(f"{where}.discounts are not those of counts")
