"""The next token at every place: a language model.

B batch, T places, V vocabulary, D width, J answers of a solved part.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data.batches.batch import Batch, Padded
from ..fields import Field
from ..fields.text import PADDING
from ..tasks.tokens import TokensTask
from ..trunks import Features, Need
from .base import Output, register

# Tokens that a network should be trained on, for each of its weights (Hoffmann et al., "Training compute-optimal large
# language models", 2022). Beside counts, too: docs/LOG.md, 2026-11-28.
TOKENS_A_WEIGHT = 20.0

# Of validation, that are answered at each look: tokens, and the numbers of their answers; and passages at least.
MOST_WATCHED_TOKENS, MOST_WATCHED_NUMBERS, FEWEST_WATCHED = 1 << 18, 1 << 28, 100


@register
class Tokens(Output):
    """One linear map to a number for each token of the vocabulary, at every place (Bengio et al., 2003).

    Target: (B, T) tokens, 0 where there is no place or none is asked for. Raw answers are (B, T, V) logits; of them
    only sums are kept, (B, 2): of the losses, and how many tokens were the likeliest.
    """

    name = "tokens"
    task_type = TokensTask
    carried = ("layer", "trust")

    @classmethod
    def accepts(cls, target: Field, inputs: Any) -> str | None:
        return "what comes next in a text" if target.traits.written else None

    def wanted_epochs(self, weights: int, examples: int) -> float:
        return TOKENS_A_WEIGHT * weights / (examples * int((self.fields[0].state or {})["context"]))

    @property
    def most_watched(self) -> int:  # type: ignore[override]
        # Before every token stands an answer with a number for each of the vocabulary.
        state = self.fields[0].state or {}
        tokens = min(MOST_WATCHED_TOKENS, MOST_WATCHED_NUMBERS // int(state["size"]))
        return max(tokens // int(state["context"]), FEWEST_WATCHED)

    def need(self) -> Need:
        return Need(every=True, causal=True)

    def build(self, width: int) -> Tokens:
        vocabulary = int((self.fields[0].state or {})["size"])
        self.layer = nn.Linear(width, vocabulary)
        nn.init.normal_(self.layer.weight, std=width**-0.5)
        nn.init.zeros_(self.layer.bias)
        if self.adds:
            # How much more, or less, each answer of a solved part is to be believed at each place. With it the trunk
            # adds twice as much in the same time: it can say that counts are wrong before it knows what is right
            # (docs/LOG.md).
            self.trust = nn.Linear(width, self.adds)
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (B, T, D) -> (B, T, V)
        return self.layer(f.x)

    def add_solved(self, raw: Tensor, solved: Tensor, f: Features) -> Tensor:  # (B, T, V), (B, T, J, V) -> (B, T, V)
        """The network's logits and, times how far they are believed, those of J orders; at first of the last alone."""
        weight = self.trust(f.x.float())  # (B, T, J)
        return raw + solved[:, :, -1] + (weight.unsqueeze(2) @ solved).squeeze(2)

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # (B, T, V) or (B, 2) -> (B,)
        """Cross-entropy summed over an example's tokens; of what was kept, that sum."""
        return raw[:, 0] if raw.ndim == 2 else self.token_losses(raw, batch).sum(1)

    def token_losses(self, raw: Tensor, batch: Batch) -> Tensor:  # (B, T, V) -> (B, T)
        """The cross-entropy of each token, 0 where none is asked for."""
        true = cast(Padded, batch.target).values.long()
        return F.cross_entropy(raw.float().flatten(0, 1), true.flatten(), ignore_index=PADDING, reduction="none").view(
            true.shape
        )

    def keep(self, raw: Tensor, batch: Batch) -> Tensor:  # (B, T, V) -> (B, 2)
        if batch.target is None:
            return raw.new_zeros(len(raw), 2)
        true = cast(Padded, batch.target).values
        right = (raw.argmax(2) == true) & (true != PADDING)
        return torch.stack([self.token_losses(raw, batch).sum(1), right.sum(1).to(raw.dtype)], 1)

    def counts(self, batch: Batch) -> Tensor:  # -> (B,)
        """The tokens of each example; of what was kept, (n, 2), their number as it stands there."""
        target: Any = batch.target
        return (target.values != PADDING).sum(1) if isinstance(target, Padded) else target[:, 0]
