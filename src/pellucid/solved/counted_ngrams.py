"""Counted n-grams: the best simple model of what comes next in a text, which a network of texts begins with.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman, 1999). That a network adds to counts is an old idea
(Mikolov et al., "RNNME", 2011; Li et al., "N-gram is back: residual learning of neural text generation with n-gram
language model", 2022); here it learns beside counts that its own text was left out of.

B batch, T places, N order, V tokens, K folds, P places that are asked about.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..fields import Field, input_groups
from ..machine import total_memory
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
from .kneser_ney import CountedLevel, count_levels, first_chances, order_losses, pack_level
from .ngram_level import NgramLevel

# Folds of which each is left out in turn: what is kept of them hardly grows with their number.
FOLDS = 8

# The longest sequences that are counted, and those where there is no validation to choose by.
MOST_ORDER, USUAL_ORDER = 8, 6

# By how much the loss of a shorter order may be larger for it to be taken: it takes much less room.
NEARLY = 1.005

# Tokens of validation that the order is chosen on, and of training that are counted to see how long that takes.
MOST_COMPARED, MOST_TIMED = 1 << 18, 1 << 16

# Many tokens take longer than few, each: they leave the processor's cache.
SLOWER = 1.5

# Bytes of all keys and counts, at most, and as a share of this machine's memory.
MOST_BYTES, MEMORY_SHARE = 1 << 28, 1 / 16

# Places that are answered together: what successors they have fits the processor's cache, about.
PLACES_AT_ONCE = 1 << 12

# What a run's file may ask for: tokens, nodes of a level times ways to count them, folds.
MOST_TOKENS, MOST_NODES, MOST_FOLDS = 1 << 20, (1 << 31) - 1, 100

# Below it no probability falls, so that each has a logarithm.
LEAST_CHANCE = 1e-30


@register
class CountedNgrams(SolvedPart):
    """What follows the last tokens, by how often it did in the training rows: a log-probability for each token.

    In training a row is answered by counts without its fold, and without all else that a window of the fold's rows may
    hold. All rows count the same, whatever their weight. Buffers, beside those of each ``NgramLevel``: first (K + 1, V)
    float32, how likely each token is behind nothing; fold (rows,) int8, of each row, from 1 on; 0 where it was not
    learned from.

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

    levels: nn.ModuleList
    first: Tensor
    fold: Tensor

    def __init__(self, inputs: Sequence[Field], targets: Sequence[Field], **settings: Any):
        super().__init__(inputs, targets, **settings)
        (group,) = input_groups([targets[0].with_(role="input")])
        self.key = group.key
        forms.whole(1, MOST_TOKENS)(self.answers, "counted n-grams.size")
        check_sizes(self.chosen)
        self._allocate()
        self._facts: dict[str, Any] = {}

    def _allocate(self) -> None:
        """Buffers of the sizes that the settings say."""
        nodes, less = self.chosen["nodes"] or [], self.chosen["less"] or []
        folds, size = int(self.chosen["folds"]), self.answers
        self.levels = nn.ModuleList(
            NgramLevel(above, own, size, kinds=kinds_of(i, len(nodes)), folds=folds, less=less[i])
            for i, (above, own) in enumerate(zip([size, *nodes], nodes, strict=False))
        )
        self.register_buffer("first", torch.full((folds + 1, size), 1 / size))
        self.register_buffer("fold", torch.zeros(self.chosen["rows"] or 0, dtype=torch.int8))

    @property
    def answers(self) -> int:
        """V."""
        return int((self.targets[0].state or {})["size"])

    @property
    def order(self) -> int:
        """N: it looks at the N - 1 tokens before."""
        return len(self.levels) + 1

    @property
    def ngrams(self) -> list[NgramLevel]:
        """The levels from 2 on, typed."""
        return list(self.levels)  # type: ignore[arg-type]

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
        tokens = passage_tokens(batch.inputs[self.key])
        fold = None
        if self.training and len(self.fold):
            fold = self.fold[torch.as_tensor(batch.rows, device=self.fold.device)].long()
        return self.read(tokens, self.start(len(tokens)), fold)[0]

    def start(self, batch: int) -> Tensor:  # -> (B, N) int64
        """The state of so many texts before their first token.

        It is how many tokens are behind, up to N - 1, and the node of each length up to there, or that there is none.
        """
        none = [0, *(level.above for level in self.ngrams)]
        return torch.tensor(none, device=self.first.device).expand(batch, -1)

    def read(self, tokens: Tensor, state: Tensor, fold: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What may follow each of some tokens.

        Args:
            tokens: (B, T) whole numbers. state: (B, N), before them. fold: (B,) int64, which fold is left out, from 1
                on; 0 for none. None for none.

        Returns:
            (B, T, V) float32 log-probabilities of what comes after each token, and the state after the last one.
        """
        context = self._contexts(tokens.long(), state)  # (B, T, N)
        count, length = tokens.shape
        every = None if fold is None else fold.repeat_interleave(length)
        return self._log_chances(context.flatten(0, 1), every).view(count, length, -1), context[:, -1]

    def step(self, token: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B,), (B, N) -> (B, V), (B, N)
        """What may follow one more token, and the state after it; a loop over tokens equals ``forward``."""
        said, state = self.read(token.unsqueeze(1), state)
        return said[:, 0], state

    def _contexts(self, tokens: Tensor, state: Tensor) -> Tensor:  # (B, T), (B, N) -> (B, T, N)
        """The state after each token."""
        read = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        found = [(state[:, :1] + read).clamp_max(self.order - 1), tokens][: self.order]
        for k, level in enumerate(self.ngrams[:-1], 1):
            before = torch.cat([state[:, k : k + 1], found[-1][:, :-1]], 1)
            found.append(level.find(before, tokens))
        return torch.stack(found, -1)

    def _log_chances(self, context: Tensor, fold: Tensor | None) -> Tensor:  # (P, N), (P,) -> (P, V)
        found = torch.zeros(len(context), self.answers, device=context.device)
        for start in range(0, len(context), PLACES_AT_ONCE):
            part = slice(start, start + PLACES_AT_ONCE)
            self._add_levels(found[part], context[part], None if fold is None else fold[part])
        return found.clamp_min_(LEAST_CHANCE).log_()

    def _add_levels(self, found: Tensor, context: Tensor, fold: Tensor | None) -> None:  # (P, V), (P, N), (P,)
        """Add the probabilities, from the longest contexts to none."""
        left = found.new_ones(len(found))
        for k in range(self.order - 1, 0, -1):
            level = self.ngrams[k - 1]
            # Behind all that is known of a text, though it is less than N - 1 tokens, it is counted how often a token
            # is there: what it is found behind says little (1.523 against 1.530 on tinyshakespeare, 256 at a time).
            kind = (context[:, 0] == k).long() * (level.kinds - 1)
            left = level.add_chances(found.view(-1), left, context[:, k], kind, fold)
        found.addcmul_(left.unsqueeze(1), self.first[0] if fold is None else self.first[fold])

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
        self._fill(chosen, fold)
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

    def _fill(self, levels: Sequence[CountedLevel], fold: np.ndarray) -> None:
        """Take over what was counted; ``fold`` (rows,) from 1 on."""
        device, folds, size = self.first.device, int(fold.max(initial=0)), self.answers
        packed = [pack_level(levels, i, size, folds) for i in range(1, len(levels))]
        sizes = {name: [len(one[key]) for one in packed] for name, key in (("nodes", "keys"), ("less", "less_keys"))}
        self.chosen = {**self.chosen, **sizes, "folds": folds, "rows": len(fold)}
        self._allocate()
        self.to(device)
        first = levels[0].lower if packed else levels[0].last
        self.first.copy_(torch.from_numpy(first_chances(first, folds)))
        self.fold.copy_(torch.from_numpy(fold))
        for level, tensors in zip(self.ngrams, packed, strict=True):
            for name, value in tensors.items():
                level.get_buffer(name).copy_(torch.from_numpy(value))

    def check_values(self, tensors: Mapping[str, np.ndarray]) -> None:
        first, fold = tensors["first"], tensors["fold"]
        if not ((first > 0) & (first <= 1)).all() or (abs(first.sum(1, dtype=float) - 1) > 1e-3).any():
            raise forms.FormError("first holds no probabilities")
        if not ((fold >= 0) & (fold <= int(self.chosen["folds"]))).all():
            raise forms.FormError("fold holds other numbers than those of folds")
        for i, level in enumerate(self.ngrams):
            prefix = f"levels.{i}."
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            level.check_values(own, f"levels.{i}")


def kinds_of(index: int, levels: int) -> int:
    """How many counts a node of a level has: those of the last level are never fallen back on."""
    return 1 if index == levels - 1 else 2


def check_sizes(settings: Mapping[str, Any]) -> None:
    """Raises forms.FormError for sizes that no counting gives: they may come from a stranger's file."""
    where = CountedNgrams.name
    forms.whole(1, MOST_ORDER)(settings["most"], f"{where}.most")
    forms.whole(0, MOST_FOLDS)(settings["folds"], f"{where}.folds")
    forms.maybe(forms.whole())(settings["rows"], f"{where}.rows")
    for name, least in (("nodes", 1), ("less", 0)):
        sizes = forms.list_of(forms.whole(least, MOST_NODES), most=MOST_ORDER - 1)
        forms.maybe(sizes)(settings[name], f"{where}.{name}")
    nodes, less = settings["nodes"] or [], settings["less"] or []
    if len(nodes) != len(less):
        raise forms.FormError(f"{where}.nodes and {where}.less are not of one order")
    # The numbers of nodes in all ways to count them are kept in 32 bits.
    if any(kinds_of(i, len(nodes)) * (settings["folds"] + 1) * n > MOST_NODES for i, n in enumerate(nodes)):
        raise forms.FormError(f"{where}.nodes are more than can be counted")


def choose_order(losses: Sequence[float], counted: int) -> int:
    """The lowest order whose loss is nearly the least; the usual one where there are no losses."""
    if not losses:
        return min(USUAL_ORDER, counted)
    return 1 + next(i for i, loss in enumerate(losses) if loss <= NEARLY * min(losses))
