"""Losses of the tokens of passages: one by one, and in a window that slides, so that each has something before it.

n passages, m pieces of them, B batch, T tokens, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..fields.encoded import Passages
from ..fields.text import PADDING
from ..network import Network
from ..outputs.tokens import Tokens
from .evaluate import autocast, predict_raw
from .loader import Loader


@dataclass(frozen=True)
class TokenLosses:
    """What a network says of each token of some passages.

    Attributes:
        tokens: (n, T), 0 where there is none or none is asked for.
        losses: (n, T) in nats, NaN where there is no token. solved: those of the solved part alone, where asked.
        likeliest: (n, T) the token that was held likeliest; ``probability``: (n, T) its probability.
    """

    tokens: Tensor
    losses: Tensor
    likeliest: Tensor
    probability: Tensor
    solved: Tensor | None = None

    @classmethod
    def joined(cls, parts: list[TokenLosses]) -> TokenLosses:
        """Those of several batches, as wide as the widest."""
        most = max(part.tokens.shape[1] for part in parts)

        def grow(name: str, empty: float) -> Tensor:  # -> (n, T)
            values = [getattr(part, name) for part in parts]
            return torch.cat([pad(value, (0, most - value.shape[1]), value=empty) for value in values])

        solved = None if parts[0].solved is None else grow("solved", torch.nan)
        return cls(
            grow("tokens", PADDING), grow("losses", torch.nan), grow("likeliest", 0), grow("probability", 0), solved
        )


def token_losses(network: Network, loader: Loader, rows: np.ndarray, with_solved: bool = False) -> TokenLosses:
    """What a network says of each token of the passages ``rows`` (n,), at least one.

    Args:
        with_solved: and what its solved part says alone, where it has one.
    """
    training = network.training
    network.eval()
    parts = torch.from_numpy(rows).to(loader.home).split(loader.at_once)
    found = TokenLosses.joined([_answer_batch(network, loader, part, with_solved) for part in parts])
    network.train(training)
    return found


@torch.inference_mode()
def _answer_batch(network: Network, loader: Loader, rows: Tensor, with_solved: bool) -> TokenLosses:
    batch, output = loader.batch(rows), cast(Tokens, network.output)
    true = cast(Any, batch.target).values
    several = None if network.solved is None else network.solved.several(batch).float()
    with autocast(network.device):
        raw = network(replace(batch, solved=several)).float()  # (B, T, V)
    none, probabilities = true == PADDING, raw.softmax(2)
    probability, likeliest = probabilities.max(2)

    def losses_of(logits: Tensor) -> Tensor:  # (B, T, V) -> (B, T)
        return output.token_losses(logits, batch).masked_fill(none, torch.nan).cpu()

    said = None if network.solved is None or several is None else network.solved.last(several)  # (B, T, V)
    solved = losses_of(said) if with_solved and said is not None else None
    return TokenLosses(true.cpu(), losses_of(raw), likeliest.cpu(), probability.cpu(), solved)


class SlidingWindow:
    """Passages answered with what stands before them in their document, as a network reads when it writes.

    A passage by itself begins with nothing to go by. Here it is cut into pieces of at most half a window (T tokens,
    what training reads at once), and each is read with half a window before it: every token is foretold from at least
    T / 2 tokens, as far as its document has them, and from at most T - 1. (So do Baevski and Auli, "Adaptive input
    representations for neural language modeling", 2019.)

    Args:
        loader: of passages, with their targets.

    Attributes:
        lead: tokens that are read before each piece. span: T.

    Raises:
        ValueError: for a loader of anything else.

    Example:
        >>> window = SlidingWindow(loader)                                              # doctest: +SKIP
        >>> window.answers(run.network, rows)[:, 0].sum()  # the loss of all tokens     # doctest: +SKIP
    """

    def __init__(self, loader: Loader):
        passages = loader.target
        if not isinstance(passages, Passages):
            raise ValueError("a window slides over passages, and these are none")
        self.span, self.lead = passages.span, passages.span // 2
        pieces, self.last = cut_passages(passages, self.span - self.lead)
        self.first = np.concatenate([[0], self.last[:-1]])  # (n,)
        self.loader = Loader(dict.fromkeys(loader.arrays, pieces), pieces, loader.device)

    def answers(self, network: Network, rows: np.ndarray) -> Tensor:  # (n,) -> (n, 2)
        """Of some passages, at least one, what is kept: the loss of all tokens, and how many were the likeliest."""
        pieces, owner = self._pieces_of(rows)
        # A piece is read with as much before it, so fewer fit into a batch.
        size = max(1, self.loader.at_once // 2)
        with self.loader.reading_before(self.lead):
            raw, _ = predict_raw(network, self.loader, pieces, size=size)
        return torch.zeros(len(rows), raw.shape[1]).index_add_(0, torch.from_numpy(owner), raw)

    def token_losses(self, network: Network, rows: np.ndarray) -> list[TokenLosses]:  # (n,)
        """What a network says of the tokens of some passages, at least one: (1, T) of each."""
        pieces, owner = self._pieces_of(rows)
        with self.loader.reading_before(self.lead):
            found = token_losses(network, self.loader, pieces)
        asked, whose = found.tokens != PADDING, torch.from_numpy(owner).unsqueeze(1)
        each = (found.tokens, found.losses, found.likeliest, found.probability)
        return [TokenLosses(*(one[asked & (whose == i)].unsqueeze(0) for one in each)) for i in range(len(rows))]

    def _pieces_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n,) -> (m,), (m,)
        """The pieces of some passages, and whose each is, 0 .. n - 1."""
        many = self.last[rows] - self.first[rows]
        owner = np.repeat(np.arange(len(rows)), many)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(many) - many, many)
        return self.first[rows][owner] + within, owner


def cut_passages(passages: Passages, most: int) -> tuple[Passages, np.ndarray]:  # -> m pieces, (n,)
    """Passages as pieces of at most ``most`` tokens, and by passage how many pieces there are up to its end.

    Pieces have no sizes: they are parts of what is scored.
    """
    lengths = passages.lengths
    many = np.maximum(-(-lengths // most), 1)  # (n,)
    last = np.cumsum(many)
    owner = np.repeat(np.arange(len(lengths)), many)  # (m,)
    place = np.arange(len(owner)) - (last - many)[owner] + 1
    ends = passages.starts[owner] + lengths[owner] * place // many[owner]
    sizes = np.zeros((len(owner), 2), np.float32)
    first = None if passages.first is None else passages.first[owner]
    return Passages(passages.values, ends, passages.low[owner], sizes, passages.span, passages.vocabulary, first), last
