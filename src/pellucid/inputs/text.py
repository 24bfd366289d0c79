"""Text → features: token vectors, or a bag of them.

B batch, T tokens, V vocabulary, D trunk width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Padded
from ..fields import Field
from ..trunks import Features, Need
from ..trunks.keyed_random import uniform_numbers
from .base import Input, register, tile_padded

# That pairs of neighbouring tokens are hashed into; pairs that share one share a vector.
PAIR_BUCKETS = 1 << 15

# Under so many a bag of tokens: on 6,000 news items it reaches .875, the transformer .847 (docs/LOG.md, 2026-11-22).
FEW_TEXTS = 30_000


@register
class Text(Input):
    """Tokens as learned vectors, in their order or as a bag.

    Reads (B, T) token numbers with each example's length; 0 is padding. Gives a sequence (B, T, D) with a mask, or,
    for a trunk without positions, one vector (B, E): the mean of the vectors of its tokens and of its pairs of
    neighbouring tokens, the pairs hashed into buckets (Joulin et al., "Bag of Tricks for Efficient Text
    Classification", 2016).

    Settings:
        embedding: E. drop: the share of tokens that are left out in training.
    """

    kind = "text"
    offers = (1, 0)
    settings: ClassVar = {"embedding": 64, "drop": 0.1}
    shaping = ("embedding",)
    batch_size = 64

    @classmethod
    def plan(cls, hints: Mapping[str, Any], changes: Collection[str]) -> dict[str, Any]:
        return {"drop": hints.get("token_drop", cls.settings["drop"])}

    @classmethod
    def suggest_network(cls, examples: int) -> tuple[str, str]:
        if examples < FEW_TEXTS:
            return "dense", f"few texts ({examples:,}): a bag of words and word pairs works better than their order"
        return "transformer", "text: every word can use every other (attention)"

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        self.vocabulary = int(fields[0].state["size"])  # type: ignore[index]

    def build(self, positions: int, need: Need) -> Text:
        self.positions = positions
        width = need.width if positions else self.chosen["embedding"]
        assert width is not None
        # In a bag, tokens seen once or twice should weigh next to nothing: they start, and stay, near 0. Pairs of
        # tokens are rarer still and start at 0.
        self.table = nn.Parameter(torch.randn(self.vocabulary, width) * (0.1 if positions else 0.01))  # (V, D)
        if positions == 0:
            self.pairs = nn.Parameter(torch.zeros(PAIR_BUCKETS, width))
        self.out_width = width
        return self

    def forward(self, value: Padded, key: Tensor | None = None) -> Features:  # (B, T, ...) -> (B, T, D) or (B, E)
        tokens = value.values
        places = torch.arange(tokens.shape[1], device=tokens.device)
        mask = places < value.lengths.unsqueeze(1)  # (B, T)
        if tokens.is_floating_point():
            return Features(self.join_vectors(tokens, mask), mask if self.positions else None, key)
        tokens = tokens.long()
        if key is not None and self.chosen["drop"] > 0:
            draw = uniform_numbers(key.unsqueeze(1) + (places + 1) * 0x1000193, salt=13)
            kept = mask & (draw >= self.chosen["drop"])
            # Never leave an example empty.
            mask = torch.where(kept.any(1, keepdim=True), kept, mask)
        if self.positions:
            # A mask has no holes: the recurrent trunk would read it as a shorter sequence.
            if key is not None and self.chosen["drop"] > 0:
                tokens, mask = pack_left(tokens, mask)
            return Features(nn.functional.embedding(tokens, self.table), mask, key)
        return Features(self.token_bag(tokens, mask), key=key)

    def term_name(self, source: Sequence[int]) -> str:
        field = self.fields[0]
        text = field.traits.decode(np.array([[source[0]]]), field.state or {})[0]
        return f"'{text}'" if text else f"token {source[0]}"

    def token_bag(self, tokens: Tensor, mask: Tensor) -> Tensor:  # (B, T), (B, T) -> (B, E)
        """The mean vector of the tokens where ``mask`` holds, and that of their neighbouring pairs, added."""
        both = mask[:, 1:] & mask[:, :-1]
        pairs = pair_numbers(tokens)
        single = weighted_bag(tokens, mask, self.table)
        return single + weighted_bag(pairs, both, self.pairs) if pairs.shape[1] else single

    # -- looking inside

    def as_numbers(self, value: Padded) -> Tensor:  # (B, T) -> (B, T, D), or (B, T, 2 E)
        """Each token's vector; in a bag beside it that of the pair which begins at the token."""
        tokens = value.values.long()
        own = nn.functional.embedding(tokens, self.table)
        if self.positions:
            return own
        pairs = nn.functional.embedding(pair_numbers(tokens), self.pairs)
        there = torch.arange(1, tokens.shape[1], device=tokens.device) < value.lengths.unsqueeze(1)  # (B, T - 1)
        pairs = nn.functional.pad(pairs.masked_fill(~there.unsqueeze(2), 0.0), (0, 0, 0, 1))
        return torch.cat([own, pairs], 2)

    def with_numbers(self, value: Padded, numbers: Tensor) -> Padded:  # (B, T), (B, T, C) -> (B, T, C)
        return Padded(numbers, value.lengths)

    def join_vectors(self, x: Tensor, mask: Tensor) -> Tensor:  # (B, T, C), (B, T) -> (B, T, D) or (B, E)
        """What the layer makes of the vectors that ``as_numbers`` gives."""
        if self.positions:
            return x
        own, pairs = (x * mask.unsqueeze(2)).chunk(2, 2)
        count = mask.sum(1, keepdim=True)
        return own.sum(1) / count.clamp_min(1) + pairs.sum(1) / (count - 1).clamp_min(1)

    def fit_places(self, value: Padded, like: Padded) -> Padded:
        # Every text begins with the same token.
        return tile_padded(value, like.values.shape[1], lead=1)

    def hide_places(self, numbers: Tensor, filler: Tensor, hidden: Tensor) -> Tensor:
        # (B, T, C), (...), (B, T) -> (B, T, C)
        if self.positions:
            return super().hide_places(numbers, filler, hidden)
        # A pair goes with either of its tokens.
        pairs = hidden | nn.functional.pad(hidden[:, 1:], (0, 1))
        half = numbers.shape[2] // 2
        both = torch.cat([hidden.unsqueeze(2).expand(-1, -1, half), pairs.unsqueeze(2).expand(-1, -1, half)], 2)
        return torch.where(both, filler, numbers)

    def sum_places(self, parts: Tensor) -> Tensor:  # (B, T, C) -> (B, T)
        if self.positions:
            return parts.sum(2)
        own, pairs = (part.sum(2) for part in parts.chunk(2, 2))
        # Half of a pair's belongs to each of its tokens; behind the last one begins none.
        return own + pairs / 2 + nn.functional.pad(pairs[:, :-1], (1, 0)) / 2

    def leave_out(self, value: Padded, filler: Tensor, hidden: Tensor) -> Padded:  # (1, T), (C,), (B, T) -> (B, T)
        """The text without these tokens, as if they had never been written."""
        kept = ~hidden & (torch.arange(hidden.shape[1]) < value.lengths.unsqueeze(1))
        tokens, mask = pack_left(value.values.expand(len(hidden), -1), kept)
        return Padded(tokens.masked_fill(~mask, 0), mask.sum(1))


def pair_numbers(tokens: Tensor) -> Tensor:  # (B, T) -> (B, T - 1)
    """The bucket of each pair of neighbouring tokens."""
    return (tokens[:, :-1] * 1_000_003 + tokens[:, 1:] * 8_191) % PAIR_BUCKETS


def pack_left(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # (B, T), (B, T) -> (B, T), (B, T)
    """The tokens where ``mask`` holds moved to the front, in their order, and the mask of that."""
    order = (~mask).to(torch.uint8).argsort(dim=1, stable=True)
    return tokens.gather(1, order), mask.gather(1, order)


def weighted_bag(index: Tensor, mask: Tensor, table: Tensor) -> Tensor:  # (B, T), (B, T), (V, E) -> (B, E)
    """The mean of the rows that ``index`` names where ``mask`` holds."""
    weights = mask.to(table.dtype) / mask.sum(1, keepdim=True).clamp_min(1)
    return nn.functional.embedding_bag(index, table, per_sample_weights=weights, mode="sum")
