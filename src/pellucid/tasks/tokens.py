"""What comes next in a text: a language model.

n passages, m of them, k of training, V tokens of the vocabulary. Raw answers are kept as sums, (n, 2): the loss of all
tokens of a passage, and how many of them were the likeliest. Targets are (n, 2): how many tokens and bytes it has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import UsageError
from ..fields import Encoded, Field
from ..fields.passage import BYTES, CHARACTERS
from ..metrics.score import Score
from ..metrics.written import OF_TOKENS
from ..storage import forms
from ..wording import count_noun, number_text, percent_text
from .base import Task, Values, measure_all
from .explained import Explained
from .opened_loss import OpenedLoss

# What a token is called in sentences, by what it is; of pieces of words the field's own word.
UNITS = {CHARACTERS: "character", BYTES: "byte"}

# Gathered and counted together.
TOKENS_AT_ONCE = 1 << 20


class TokensTask(Task):
    """How sure a network is of each next token of a text, and how often the likeliest one comes.

    Answers are sums of passages rather than what is said of each token: (n, T, V) of them fit into no memory, and all
    metrics follow from the sums. Nothing is calibrated: the loss is that of the probabilities as they are.
    """

    kind = "passage"
    metric = "token loss"
    metrics = OF_TOKENS
    constant = False
    explains = False
    large_loss = "A large loss a token is a text unlike those of training: look there for another language or damage."
    answer_words = ("predicted", "size")
    examples = "passages"

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        super().__init__(fields, metric)
        self.learned = {}
        state = fields[0].state or {}
        self.size, self.unit = int(state["size"]), UNITS.get(str(state.get("level")), "token")

    # -- raw answers

    def read_answers(self, raw: Values, target: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, 2), (n, 2)
        return np.asarray(raw, np.float64), np.asarray(target, np.float64)

    # -- baseline

    def naive_answer(self, target: Values, weight: np.ndarray | None = None) -> tuple[np.ndarray, str]:
        raise NotImplementedError("what is naive depends on the tokens of a passage: see naive_answers")

    def naive_answers(
        self,
        target: Encoded,
        learned: np.ndarray,
        rows: np.ndarray,
        weight: np.ndarray | None = None,
        kept: Sequence[float] = (),
    ) -> tuple[np.ndarray, str]:  # (k,), (m,), (k,) -> (m, 2), what it is
        """Each token as likely as its share of the training tokens, whatever stands before it (unigrams).

        One is added to the count of every token of the vocabulary, so that none is impossible (Laplace).

        Args:
            target: the passages of all documents, with ``values`` (total,), ``ends`` (n,) and ``sizes`` (n, 2).
        """
        counts = np.array(kept) if len(kept) else count_tokens(target, np.asarray(learned), self.size, weight)
        losses = math.log(counts.sum() + self.size) - np.log(counts + 1)  # (V,)
        likeliest, found = int(np.argmax(counts)), np.zeros((len(rows), 2))
        for tokens, row in gather_tokens(target, np.asarray(rows)):
            found[:, 0] += np.bincount(row, losses[tokens], len(rows))
            found[:, 1] += np.bincount(row, tokens == likeliest, len(rows))
        return found, "each token as often as in training"

    def keep_naive(self, naive: np.ndarray, target: Encoded, learned: np.ndarray) -> list[float]:  # (k, 2), (m,)
        """How often each token came in training."""
        return count_tokens(target, np.asarray(learned), self.size).tolist()

    @classmethod
    def check_kept_naive(cls, raw: Sequence[float], fields: Sequence[Field], where: str) -> None:
        size = int((fields[0].state or {})["size"])
        forms.list_of(forms.number(0), size, size)(raw, where)
        if not sum(raw) > 0:
            raise forms.FormError(f"{where} counts no token")

    def calibrate(self, raw: Values, target: Values) -> None:
        """Nothing is learned: what is kept of an answer is its loss alone."""

    # -- words

    def decode(self, raw: Values) -> list[dict[str, Any]]:
        """Of each passage ``value``, the loss of all its tokens in nats, and ``right``, how many were the likeliest."""
        return [{"right": round(right), "value": loss} for loss, right in np.asarray(raw, np.float64).tolist()]

    def decode_target(self, target: Values) -> list[Any]:
        """How long each passage is, in words: ``250 tokens, 256 bytes``."""
        sizes = np.asarray(target, np.float64).tolist()
        return [f"{count_noun(round(tokens), 'token')}, {count_noun(round(size), 'byte')}" for tokens, size in sizes]

    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:
        raise UsageError(
            f"'{self.fields[0].name}' is predicted token by token, so there is no one number that could be explained",
            fix="leave this view out",
        )

    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (2,), (2,)
        """Of one passage, as its sums are kept.

        Raises:
            UsageError: for answers to single tokens, (T, V).
        """
        if np.shape(raw) != (2,):
            raise UsageError(
                f"the loss of '{self.fields[0].name}' is a sum over many tokens, which is not opened one by one",
                fix="leave this view out",
            )
        (loss, right), (tokens, size) = np.asarray(raw, np.float64).tolist(), np.asarray(target, np.float64).tolist()
        bits, many = loss / math.log(2), max(tokens, 1.0)
        rows: list[list[Any]] = [
            ["tokens", tokens],
            ["tokens that were the likeliest", right],
            ["loss of all tokens, in nats", loss],
            ["loss a token", loss / many],
            ["perplexity", math.exp(min(loss / many, 700.0))],
            ["bits per byte", bits / max(size, 1.0)],
        ]
        sentence = (
            f"The total loss of the {count_noun(round(tokens), 'token')} of this passage is {number_text(loss)} nats, "
            f"{number_text(loss / many)} each; {percent_text(right / many)} of them were the likeliest."
        )
        caption = "The loss of a token is -log of the probability that was given to it; that of a passage is their sum."
        return OpenedLoss(sentence, ("sum", "value"), rows, loss, caption)

    def say_score(self, score: Score, baseline: Score) -> str:
        """In the word for what tokens are: a loss in nats a character."""
        return super().say_score(score, baseline).replace("token", self.unit)

    def report_content(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> dict[str, Any]:
        return {"metrics": measure_all(self, *self.read_answers(raw, target), weight)}


def count_tokens(
    target: Any, rows: np.ndarray, size: int, weight: np.ndarray | None = None
) -> np.ndarray:  # (k,), (k,) -> (V,)
    """How often each token comes in some passages, by the weight of each."""
    counts = np.zeros(size)
    for tokens, row in gather_tokens(target, rows):
        counts += np.bincount(tokens, None if weight is None else np.asarray(weight)[row], size)
    return counts


def gather_tokens(target: Any, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # (k,)
    """The tokens of some passages and whose each is, 0 .. k - 1, about ``TOKENS_AT_ONCE`` at a time."""
    if not len(rows):
        return
    ends = np.asarray(target.ends)[rows]
    starts = np.where(rows > 0, np.asarray(target.ends)[np.maximum(rows - 1, 0)], 0)
    lengths = ends - starts  # (k,)
    block = np.cumsum(lengths) // TOKENS_AT_ONCE
    cuts = np.flatnonzero(np.diff(block, prepend=-1))
    for first, after in zip(cuts, [*cuts[1:], len(rows)], strict=True):
        own = lengths[first:after]
        row = np.repeat(np.arange(first, after), own)
        within = np.arange(len(row)) - np.repeat(np.cumsum(own) - own, own)
        yield np.asarray(target.values[starts[row] + within]), row
