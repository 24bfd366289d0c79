"""Counted n-grams that can be asked: how likely each token is to come next.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman, 1999), any fold of the text left out.

B batch, T places, N order, V tokens, K folds, J orders that are told apart, P places that are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..storage import forms
from .kneser_ney import CountedLevel, first_probabilities, pack_level
from .level import NgramLevel

# The longest sequences that are counted, and those where there is no text to choose by.
MOST_ORDER, USUAL_ORDER = 8, 6

# By how much the loss of a shorter order may be larger for it to be taken: it takes much less room.
NEARLY = 1.001

# Orders whose answers are told apart: the highest, and every second below it. Of vocabularies up to so many tokens.
ORDERS, MOST_TOLD_APART = 3, 512

# Places that are answered together: what successors they have fits the processor's cache, about.
PLACES_AT_ONCE = 1 << 12

# What a run's file may ask for: nodes of a level times ways to count them, folds.
MOST_NODES, MOST_FOLDS = (1 << 31) - 1, 100

# Below it no probability falls, so that each has a logarithm.
LEAST_CHANCE = 1e-30


class NgramModel(nn.Module):
    """What follows the last tokens of a text, by how often it did in the text that was counted.

    Buffers, beside those of each ``NgramLevel``: first (K + 1, V) float32, how likely each token is behind nothing.

    Example:
        >>> model = NgramModel().allocate(2, {"nodes": [], "less": [], "folds": 0})
        >>> said, state = model.read(torch.tensor([[1]]), model.start(1))
        >>> said.exp().round(decimals=2).tolist(), state.tolist()
        ([[[0.5, 0.5]]], [[0]])
    """

    levels: nn.ModuleList
    first: Tensor

    def allocate(self, size: int, sizes: Mapping[str, Any]) -> NgramModel:
        """Buffers for so many tokens, and of the ``sizes`` that ``fill`` gives."""
        nodes, less, folds = sizes["nodes"] or [], sizes["less"] or [], int(sizes["folds"])
        self.levels = nn.ModuleList(
            NgramLevel(above, own, size, kinds=kinds_of(i, len(nodes)), folds=folds, less=less[i])
            for i, (above, own) in enumerate(zip([size, *nodes], nodes, strict=False))
        )
        self.register_buffer("first", torch.full((folds + 1, size), 1 / size))
        return self

    def fill(self, levels: Sequence[CountedLevel], size: int, folds: int = 0) -> dict[str, Any]:
        """Take over what was counted of a text of ``size`` tokens, and return the sizes of it, as JSON."""
        device = self.first.device if hasattr(self, "first") else torch.device("cpu")
        packed = [pack_level(levels, i, size, folds) for i in range(1, len(levels))]
        sizes: dict[str, Any] = {
            name: [len(one[key]) for one in packed] for name, key in (("nodes", "keys"), ("less", "less_keys"))
        }
        sizes["folds"] = folds
        self.allocate(size, sizes).to(device)
        first = levels[0].lower if packed else levels[0].last
        self.first.copy_(torch.from_numpy(first_probabilities(first, folds)))
        for level, tensors in zip(self.ngrams, packed, strict=True):
            for name, value in tensors.items():
                level.get_buffer(name).copy_(torch.from_numpy(value))
        return sizes

    @property
    def order(self) -> int:
        """N: it looks at the N - 1 tokens before."""
        return len(self.levels) + 1

    @property
    def ngrams(self) -> list[NgramLevel]:
        """The levels from 2 on, typed."""
        return list(self.levels)  # type: ignore[arg-type]

    def start(self, batch: int) -> Tensor:  # -> (B, N) int64
        """The state of so many texts before their first token.

        It is how many tokens are behind, up to N - 1, and the node of each length up to there, or that there is none.
        """
        none = [0, *(level.above for level in self.ngrams)]
        return torch.tensor(none, device=self.first.device).expand(batch, -1)

    @property
    def answer_count(self) -> int:
        """J: how many orders ``read_orders`` tells apart."""
        return min(ORDERS, (self.order + 1) // 2) if self.first.shape[1] <= MOST_TOLD_APART else 1

    def read(self, tokens: Tensor, state: Tensor, fold: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What may follow each of some tokens.

        Args:
            tokens: (B, T) whole numbers. state: (B, N), before them. fold: (B,) int64, which fold is left out, from 1
                on; 0 for none. None for none.

        Returns:
            (B, T, V) float32 log-probabilities of what comes after each token, and the state after the last one.
        """
        said, state = self.read_orders(tokens, state, fold)
        return said[:, :, -1], state

    def read_orders(self, tokens: Tensor, state: Tensor, fold: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same by several orders, (B, T, J, V): by fewer tokens before first, what ``read`` gives last."""
        context = self._contexts(tokens.long(), state)  # (B, T, N)
        count, length = tokens.shape
        every = None if fold is None else fold.repeat_interleave(length)
        said = self._log_probs(context.flatten(0, 1), every)
        return said.view(count, length, *said.shape[1:]), context[:, -1]

    def step(self, token: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # (B,), (B, N) -> (B, V), (B, N)
        """What may follow one more token, and the state after it; a loop over tokens equals ``forward``."""
        said, state = self.read(token.unsqueeze(1), state)
        return said[:, 0], state

    def read_last(self, tokens: Tensor) -> Tensor:  # (B, T) -> (B, V)
        """What may follow the last of some tokens, before which there is nothing: log-probabilities."""
        context = self._contexts(tokens.long(), self.start(len(tokens)))
        return self._log_probs(context[:, -1], None)[:, -1]

    def _contexts(self, tokens: Tensor, state: Tensor) -> Tensor:  # (B, T), (B, N) -> (B, T, N)
        """The state after each token."""
        read = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        found = [(state[:, :1] + read).clamp_max(self.order - 1), tokens][: self.order]
        for k, level in enumerate(self.ngrams[:-1], 1):
            before = torch.cat([state[:, k : k + 1], found[-1][:, :-1]], 1)
            found.append(level.find(before, tokens))
        return torch.stack(found, -1)

    def _log_probs(self, context: Tensor, fold: Tensor | None) -> Tensor:  # (P, N), (P,) -> (P, J, V)
        found = torch.empty(len(context), self.answer_count, self.first.shape[1], device=context.device)
        for start in range(0, len(context), PLACES_AT_ONCE):
            part = slice(start, start + PLACES_AT_ONCE)
            self._fill_orders(found[part], context[part], None if fold is None else fold[part])
        return found.clamp_min_(LEAST_CHANCE).log_()

    def _fill_orders(self, found: Tensor, context: Tensor, fold: Tensor | None) -> None:  # (P, J, V), (P, N), (P,)
        """Put the probabilities in their places, from those of no context to those of the longest."""
        probability = self.first[:1].expand(len(found), -1) if fold is None else self.first[fold]
        for k in range(self.order):
            if k:
                level = self.ngrams[k - 1]
                # Behind all that is known of a text, though it is less than N - 1 tokens, it is counted how often a
                # token is there: what it is found behind says little (1.523 against 1.530 on tinyshakespeare, 256 at a
                # time).
                kind = (context[:, 0] == k).long() * (level.kinds - 1)
                own = torch.zeros_like(probability)
                left = level.add_probabilities(
                    own.view(-1), probability.new_ones(len(probability)), context[:, k], kind, fold
                )
                probability = own.addcmul_(left.unsqueeze(1), probability)
            above = self.order - 1 - k
            if above % 2 == 0 and above // 2 < found.shape[1]:
                found[:, found.shape[1] - 1 - above // 2] = probability

    # -- files

    def check_values(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Raises forms.FormError for tensors of a file that no counting gives.

        Their names, shapes and types are known to be right.
        """
        first = tensors["first"]
        if not ((first > 0) & (first <= 1)).all() or (abs(first.sum(1, dtype=float) - 1) > 1e-3).any():
            raise forms.FormError("first holds no probabilities")
        for i, level in enumerate(self.ngrams):
            prefix = f"levels.{i}."
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            level.check_values(own, f"levels.{i}")


def kinds_of(index: int, levels: int) -> int:
    """How many counts a node of a level has: those of the last level are never fallen back on."""
    return 1 if index == levels - 1 else 2


def check_sizes(sizes: Mapping[str, Any], where: str) -> None:
    """Raises forms.FormError for sizes that no counting gives: they may come from a stranger's file."""
    forms.whole(0, MOST_FOLDS)(sizes["folds"], f"{where}.folds")
    for name, least in (("nodes", 1), ("less", 0)):
        forms.maybe(forms.list_of(forms.whole(least, MOST_NODES), most=MOST_ORDER - 1))(sizes[name], f"{where}.{name}")
    nodes, less = sizes["nodes"] or [], sizes["less"] or []
    if len(nodes) != len(less):
        raise forms.FormError(f"{where}.nodes and {where}.less are not of one order")
    # The numbers of nodes in all ways to count them are kept in 32 bits.
    if any(kinds_of(i, len(nodes)) * (sizes["folds"] + 1) * n > MOST_NODES for i, n in enumerate(nodes)):
        raise forms.FormError(f"{where}.nodes are more than can be counted")


def choose_order(losses: Sequence[float], counted: int) -> int:
    """The lowest order whose loss is nearly the least; the usual one where there are no losses."""
    if not losses:
        return min(USUAL_ORDER, counted)
    return 1 + next(i for i, loss in enumerate(losses) if loss <= NEARLY * min(losses))
