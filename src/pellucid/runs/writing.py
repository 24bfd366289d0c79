"""Writes on from a prompt, one token after the other: what is drawn is a function of the seed, the text and the place.

B texts side by side, T tokens, V vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..decoding.sampling import check_sampling, choose_tokens
from ..decoding.stop import PieceStream, piece_bytes
from ..errors import UsageError
from ..fields import Field, Stored
from ..fields.column import Column
from ..fields.passage import BPE, BYTES, Passage, unknown_tokens
from ..fields.text import RESERVED, START, load_tokenizer
from ..network import Network
from ..options import WRITE, check_options
from .token_reader import TokenReader

# Pieces of a prompt's last word, at most, that are written anew.
MOST_OPEN = 8

# Tokens that are written unless asked otherwise, and at the most.
USUAL_LENGTH, MOST_LENGTH = 400, 1_000_000

# How bold it is unless asked otherwise: at 1 every tenth word of a small network is a slip.
USUAL_TEMPERATURE = 0.8

PASSAGE = Passage()


class Writer:
    """A language model that writes.

    Args:
        network: of a run on texts. seed: of what is drawn. temperature: by which logits are divided; at 0 the likeliest
            token is written. top_p: only the likeliest tokens with this share of the probability together are drawn.
        stop: texts that end the writing; none of them is written.

    Raises:
        UsageError: for a network that is no language model, for settings that mean nothing, for an empty stop text.

    Example:
        >>> for piece in Writer(run.network, seed=1).write("ROMEO:", 400):              # doctest: +SKIP
        ...     print(piece, end="")
    """

    def __init__(
        self,
        network: Network,
        *,
        seed: int = 0,
        temperature: float = USUAL_TEMPERATURE,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
    ):
        if not network.output.fields[0].traits.written:
            goal = network.output.task.goal
            raise UsageError(f"this run is not a language model: it predicts {goal}", fix="use run.predict")
        check_sampling(temperature, top_p)
        self.network, self.field = network, network.output.fields[0]
        self.seed, self.temperature, self.top_p, self.stop = seed, temperature, top_p, tuple(stop)
        PieceStream(self.stop)

    @property
    def span(self) -> int:
        """T, tokens that the network reads at once."""
        return int((self.field.state or {})["context"])

    def write(self, prompt: str = "", length: int = USUAL_LENGTH, example: int = 0) -> Iterator[str]:
        """What comes after a prompt, piece by piece, up to ``length`` tokens; the prompt itself is not among it.

        Args:
            example: a number for the text, so that several with one seed differ.

        Raises:
            UsageError: for a length that is not from 1 to ``MOST_LENGTH``.
        """
        if not 1 <= length <= MOST_LENGTH:
            raise UsageError(f"{length:,} tokens can't be written", fix=f"choose a length from 1 to {MOST_LENGTH:,}")
        return self._pieces(encode_prompt(self.field, prompt), length, example)

    def _pieces(self, tokens: np.ndarray, length: int, example: int) -> Iterator[str]:
        stream, bytes_of = PieceStream(self.stop), token_writer(self.field)
        training = self.network.training
        self.network.eval()
        try:
            reader = TokenReader(self.network)
            tokens, owed = open_end(self.field, tokens)
            logits = reader.read(torch.from_numpy(tokens)[None])
            written = 0
            for step in itertools.count():
                chosen = self._choose(logits, step, example, owed)
                piece = bytes_of(int(chosen[0]))
                if owed:
                    # Of what is written now the prompt has had the beginning; what only gives it anew is no token more.
                    assert isinstance(piece, bytes)
                    piece, owed = piece[len(owed) :], owed[len(piece) :]
                    written += bool(piece)
                else:
                    written += 1
                if shown := stream.push(piece):
                    yield shown
                if stream.stopped:
                    return
                # What comes after the last one is not asked.
                if written == length:
                    break
                logits = reader.read(torch.from_numpy(chosen)[:, None])
            if rest := stream.finish():
                yield rest
        finally:
            self.network.train(training)

    def _choose(self, logits: Tensor, step: int, example: int, owed: bytes) -> np.ndarray:  # (1, V) -> (1,)
        own = logits.double().cpu().numpy().copy()
        if owed:
            own[:, ~agreeing_tokens(self.field, owed)] = -np.inf
        # Padding, start and end of a document are nothing that could be written, nor is a character that is not known.
        own[:, [*range(RESERVED), *unknown_tokens(self.field.state or {})]] = -np.inf
        how: dict[str, Any] = {"seed": self.seed, "temperature": self.temperature, "top_p": self.top_p}
        return choose_tokens(own, np.array([example]), step, **how)


def write_text(network: Network, prompt: str, **how: Any) -> Iterator[str]:
    """What a network writes after a prompt, piece by piece; ``how`` as of ``check_writing``."""
    asked = check_writing(how)
    length = int(asked.pop("length", USUAL_LENGTH))
    return Writer(network, **asked).write(prompt, length)


def check_writing(given: Mapping[str, Any]) -> dict[str, Any]:
    """How a text is to be written, of what was asked for: ``length`` and what ``Writer`` takes; what is None left out.

    Raises:
        UsageError: for what is no option, what says nothing to a language model, and values that mean nothing.
    """
    own = {option.name for option in WRITE}
    checked = check_options("predict", given)
    for name, value in checked.items():
        if name not in own and value not in (None, False, ()):
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is not for language models", fix=f"leave --{flag} out")
    return {name: value for name, value in checked.items() if name in own and value is not None}


def plain_prompt(prompt: str) -> str:
    """A prompt as documents are read: plain line ends, no zero bytes; nor halves of letters, as bad bytes become.

    >>> plain_prompt("a\\r\\nb\\0")
    'a\\nb'
    """
    return prompt.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def encode_prompt(field: Field, prompt: str) -> np.ndarray:  # -> (T,) int64
    """The tokens of a prompt, as at the beginning of a document."""
    tokens = PASSAGE.encode(_stored_prompt(field, prompt), field.state or {})[0]
    return np.concatenate([[START], tokens]).astype(np.int64)


def open_end(field: Field, tokens: np.ndarray) -> tuple[np.ndarray, bytes]:  # (T,) -> (T',)
    """A prompt without the pieces of its last word, and these pieces' bytes, with which what is written has to begin.

    A prompt may end inside of what is one piece in every text: behind ``"def"`` and a space by itself there never was a
    name, as a name's piece begins with the space (token healing; Lundberg, "Prompt boundaries and token healing",
    2023).
    """
    state = field.state or {}
    if state["level"] != BPE or len(tokens) < 2:
        return tokens, b""
    pieces, owed = token_pieces(state["tokenizer"]), b""
    # The first token is the start of a document.
    for end in range(len(tokens) - 1, max(len(tokens) - 1 - MOST_OPEN, 0), -1):
        owed = piece_bytes(pieces[int(tokens[end]) - RESERVED]) + owed
        if owed[:1].isspace() or end == 1:
            return tokens[:end], owed
    # Of what is no word the last piece alone.
    return tokens[:-1], piece_bytes(pieces[int(tokens[-1]) - RESERVED])


def agreeing_tokens(field: Field, owed: bytes) -> np.ndarray:  # -> (V,) bool
    """Which pieces of words begin with some bytes, or are the beginning of them; never an empty one."""
    pieces = map(piece_bytes, token_pieces((field.state or {})["tokenizer"]))
    agree = (len(one) > 0 and (one.startswith(owed) or owed.startswith(one)) for one in pieces)
    return np.array([*[False] * RESERVED, *agree])


def prompt_length(field: Field, prompt: str) -> int:
    """How many tokens a prompt has."""
    return len(encode_prompt(field, prompt)) - 1


def unknown_signs(field: Field, prompt: str) -> str:
    """What of a prompt training has not seen, in words; empty where it has seen all."""
    return PASSAGE.describe_new_values(_stored_prompt(field, prompt), field.state or {})


def _stored_prompt(field: Field, prompt: str) -> Stored:
    import polars as pl

    text = pl.Series("prompt", [plain_prompt(prompt)], pl.String)
    return PASSAGE.store(Column("prompt", text), field.settings, lambda note: None)


def token_writer(field: Field) -> Callable[[int], bytes | str]:
    """What is written for a token, by its number: bytes, which need not end where a letter does, or letters."""
    state = field.state or {}
    if state["level"] == BYTES:
        return lambda token: bytes([token - RESERVED])
    if state["level"] == BPE:
        pieces = token_pieces(state["tokenizer"])
        return lambda token: piece_bytes(pieces[token - RESERVED])
    return lambda token: PASSAGE.decode(np.array([[token]]), state)[0]


@lru_cache(maxsize=2)
def token_pieces(tokenizer: str) -> list[str]:
    """The pieces of a byte-level BPE by their numbers, as its vocabulary writes them."""
    known = load_tokenizer(tokenizer).get_vocab()
    return sorted(known, key=lambda piece: known[piece])
