"""Counted n-grams: the best simple model of what comes next in a text, which a network of texts begins with.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman, 1999). That a network adds to counts is an old idea
(Mikolov et al., "RNNME", 2011; Li et al., "N-gram is back: residual learning of neural text generation with n-gram
language model", 2022); here it learns beside counts that its own text was left out of.

B batch, T places, N order, V tokens, K folds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..fields import Field, input_groups
from ..machine import total_memory
from ..ngrams.kneser_ney import CountedLevel, count_levels, order_losses
from ..ngrams.model import MOST_ORDER, NgramModel, check_sizes, choose_order
from ..outputs import Output
from ..storage import forms
from .base import Measure, Rows, SolvedPart, register
from .counted_text import (
    TokenRows,
    first_rows,
    join_rows,
    join_windows,
    left_out_stretches,
    part_rows,
    passage_tokens,
    spread_rows,
    token_rows,
)

# Folds of which each is left out in turn: what is kept of them hardly grows with their number.
FOLDS = 8

# Tokens of validation that the order is chosen on, and of training that are counted to see how long that takes.
MOST_COMPARED, MOST_TIMED = 1 << 18, 1 << 16

# Many tokens take longer than few, each: they leave the processor's cache.
SLOWER = 1.5

# The tokens of a vocabulary that a run's file may ask for.
MOST_TOKENS = 1 << 20

# Bytes of all keys and counts, at most, and as a share of this machine's memory.
MOST_BYTES, MEMORY_SHARE = 1 << 28, 1 / 16


@register
class CountedNgrams(NgramModel, SolvedPart):
    """What follows the last tokens, by how often it did in the training rows: a log-probability for each token.

    In training a row is answered by counts without its fold, and without all else that a window of the fold's rows may
    hold. All rows count the same, whatever their weight. Buffers, beside those of its model: fold (rows,) int8, of each
    row, from 1 on; 0 where it was not learned from.

    Settings:
        most: the longest order that is tried. nodes: of the levels from 2 on, and less: their counts that are less
            without a fold. folds: K. rows: of the data. All but the first are the sizes of what was solved.

    Example:
        >>> part = CountedNgrams([field], [field])                                      # doctest: +SKIP
        >>> state = part.start(1)                                                       # doctest: +SKIP
        >>> said, state = part.read(tokens, state)                                      # doctest: +SKIP
        >>> said, state = part.step(said[:, -1].argmax(-1), state)                      # doctest: +SKIP
    """

    name = "counted n-grams"
    settings: ClassVar[Mapping[str, Any]] = {"most": MOST_ORDER, "nodes": None, "less": None, "folds": 0, "rows": None}
    # Tokens are whole numbers.
    smooth = False

    fold: Tensor

    def __init__(self, inputs: Sequence[Field], targets: Sequence[Field], **settings: Any):
        super().__init__(inputs, targets, **settings)
        (group,) = input_groups([targets[0].with_(role="input")])
        self.key = group.key
        forms.whole(1, MOST_TOKENS)(self.answers, "counted n-grams.size")
        forms.whole(1, MOST_ORDER)(self.chosen["most"], f"{self.name}.most")
        forms.maybe(forms.whole())(self.chosen["rows"], f"{self.name}.rows")
        check_sizes(self.chosen, self.name)
        self.allocate(self.answers, self.chosen)
        self.register_buffer("fold", torch.zeros(self.chosen["rows"] or 0, dtype=torch.int8))
        self._facts: dict[str, Any] = {}

    @property
    def answers(self) -> int:
        """V."""
        return int((self.targets[0].state or {})["size"])

    @classmethod
    def suits(cls, inputs: Sequence[Field], targets: Sequence[Field], output: type[Output]) -> str | None:
        target = targets[0]
        if len(targets) > 1 or not target.traits.written or len(inputs) > 1:
            return None
        return "the best simple model of texts; the network begins with it"

    @classmethod
    def settings_for(cls, rows: int, seed: int) -> dict[str, Any]:
        return {}

    def facts(self) -> dict[str, Any]:
        return dict(self._facts)

    # -- answers

    def forward(self, batch: Batch) -> Tensor:  # -> (B, T, V)
        return self.last(self.several(batch))

    def several(self, batch: Batch) -> Tensor:  # -> (B, T, J, V)
        """By several orders: where they differ, what they say together is better than what the highest says."""
        tokens = passage_tokens(batch.inputs[self.key])
        fold = None
        if self.training and len(self.fold):
            fold = self.fold[torch.as_tensor(batch.rows, device=self.fold.device)].long()
        return self.read_orders(tokens, self.start(len(tokens)), fold)[0]

    def last(self, several: Tensor) -> Tensor:  # (B, T, J, V) -> (B, T, V)
        return several[:, :, -1]

    # -- solving

    def within(self, rows: Rows, train: np.ndarray, total: int, seconds: float) -> dict[str, Any]:
        """With the longest order up to which all can be counted in about so many seconds."""
        text = token_rows(rows, self.key)
        some = first_rows(text, np.sort(train), MOST_TIMED)
        began = time.perf_counter()
        self._count(text, some, MOST_ORDER)
        each = (time.perf_counter() - began) / max(text.lengths[some].sum(), 1)
        full = SLOWER * each * text.lengths[train].sum()
        most = int(1 + (MOST_ORDER - 1) * seconds / max(full, 1e-9))
        return {**self.chosen, "most": min(max(most, 2), MOST_ORDER)}

    @torch.no_grad()
    def solve(
        self, rows: Rows, train: np.ndarray, others: np.ndarray, *, validation: np.ndarray, error: Measure
    ) -> None:
        """Count ``train`` and choose the order on ``validation``; answers are too many to be kept."""
        text, train = token_rows(rows, self.key), np.sort(train)
        levels, fold = self._count(text, train, int(self.chosen["most"]))
        watched = join_windows(text, spread_rows(text, validation, MOST_COMPARED))
        losses = order_losses(levels, watched, self.answers)
        chosen = levels[: choose_order(losses, len(levels))]
        sizes = self.fill(chosen, self.answers, int(fold.max(initial=0)))
        self.chosen = {**self.chosen, **sizes, "rows": len(fold)}
        self.register_buffer("fold", torch.from_numpy(fold).to(self.first.device))
        self._facts = {
            "order": self.order,
            "losses": {str(order): loss for order, loss in enumerate(losses, 1) if order > 1},
            "tokens": int(text.lengths[train].sum()),
            "sequences": sum(level.nodes for level in self.ngrams),
            "folds": self.chosen["folds"],
        }

    def _count(self, text: TokenRows, train: np.ndarray, most: int) -> tuple[list[CountedLevel], np.ndarray]:
        """The levels 1 to ``most``, as far as there is room, and (rows,) the fold of each row."""
        folds = min(FOLDS, len(train))
        joined, fold = join_rows(text, train), part_rows(text, train, folds)
        stretches = left_out_stretches(text, train, fold, joined, folds)
        room = min(MOST_BYTES, int(total_memory() * MEMORY_SHARE))
        assigned = np.zeros(len(text.ends), np.int8)
        assigned[train] = fold + 1
        return list(count_levels(joined, stretches, self.answers, most, room)), assigned

    def check_values(self, tensors: Mapping[str, np.ndarray]) -> None:
        NgramModel.check_values(self, tensors)
        fold = tensors["fold"]
        if not ((fold >= 0) & (fold <= int(self.chosen["folds"]))).all():
            raise forms.FormError("fold holds other numbers than those of folds")
