"""What a language model says after what it has read: one token after the other, or many at once.

B texts side by side, T tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from ..data.batches.batch import Padded
from ..inputs.passage import Passage
from ..network import Network
from ..trunks import Features


class TokenReader:
    """Reads tokens and says what may come next.

    A network reads no more tokens than it was trained on: where these are full, the last half of them is read anew, so
    that a token costs the same however long the text is. A solved part goes on from all that was read.

    Args:
        network: with one input of passages. texts: B.

    Example:
        >>> reader = TokenReader(run.network)                                           # doctest: +SKIP
        >>> logits = reader.read(torch.tensor([[5, 9, 4]]))  # (1, V)                   # doctest: +SKIP
    """

    def __init__(self, network: Network, texts: int = 1):
        self.network = network
        (layer,) = network.layers
        self.layer = cast(Passage, layer)
        self.span, self.texts = self.layer.span, texts
        self.recent = torch.empty(texts, 0, dtype=torch.int64, device=network.device)
        self.solved_state: Any = None if network.solved is None else cast(Any, network.solved).start(texts)
        self._start()

    def _start(self) -> None:
        """Forget what the network has read."""
        self.state = self.network.trunk.start(self.texts, self.layer.table)
        self.count = 0

    @torch.inference_mode()
    def read(self, tokens: Tensor) -> Tensor:  # (B, T) -> (B, V)
        """Logits of what comes after ``tokens``, which come after all that was read before; T is at least 1.

        A document begins with the token 1 (``fields.text.START``).
        """
        tokens = tokens.to(self.network.device)
        f = Features(self.read_features(tokens)[:, -1:])
        raw = cast(Any, self.network.output).layer(f.x).float()  # (B, 1, V)
        if self.network.solved is not None:
            said, self.solved_state = cast(Any, self.network.solved).read_orders(tokens, self.solved_state)
            raw = self.network.output.add_solved(raw, said[:, -1:], f)
        return raw[:, 0]

    def read_features(self, tokens: Tensor) -> Tensor:  # (B, T) -> (B, T', out_width)
        """What the trunk makes of tokens, and of those before them where its context was full."""
        self.recent = torch.cat([self.recent, tokens], 1)[:, -self.span :]
        if self.count + tokens.shape[1] > self.span:
            # At least what is new, and half of what it was trained on.
            keep = min(max(self.span // 2, tokens.shape[1]), self.span)
            self._start()
            tokens = self.recent[:, -keep:]
        x = self.layer(Padded(tokens, torch.full((self.texts,), tokens.shape[1]))).x
        y, self.state = self.network.trunk.read(x, self.state)
        self.count += tokens.shape[1]
        return y
