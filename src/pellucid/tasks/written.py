"""A text that is written: a translation, an answer, a number in words.

n examples, m of them, k of training, S sums, K texts of an example, L tokens of the longest, M positions that are read,
V tokens. A raw answer is one row of numbers (``Layout``): of every example the loss and the tokens right where the true
text is read along; once texts are written the sums that metrics are made of, NaN before that; then their tokens.
Targets are (n, 1), how many tokens each has.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..data.parallel.nearest import NO_OTHER
from ..data.parallel.pairs import Pairs
from ..decoding.hypothesis import Hypothesis
from ..errors import UsageError
from ..fields import Encoded, Field
from ..fields.passage import CHARACTERS
from ..fields.text import END, RESERVED
from ..metrics.base import Metric
from ..metrics.written import (
    OF_TOKENS,
    OF_TRANSLATIONS,
    bleu_of_sums,
    bleu_sums,
    chrf_of_sums,
    chrf_sums,
    judge_sums,
    share_of_sums,
)
from ..wording import count_noun, number_text, percent_text
from .base import Task, Values, measure_all
from .explained import Explained
from .opened_loss import OpenedLoss
from .tokens import count_tokens, gather_tokens
from .transcript import commonest_text

# What stands first in a raw answer: sum of losses, tokens right.
READ = 2

# Sums of BLEU, of BLEU without capitals, of chrF, and whether the text is the true one: where they stand behind READ.
BLEU, LOWER, CHRF, EXACT = slice(2, 12), slice(12, 22), slice(22, 40), slice(40, 41)
SUMS = 41

# What is said of each text that was written.
TEXT_PARTS = ("value", "confidence", "cut_off")

# Of a text that was written without any token.
EMPTY = ""


@dataclass(frozen=True)
class Layout:
    """Where things stand in a raw answer, behind its ``SUMS`` numbers.

    Attributes:
        longest: L. texts: K, the best first; each has its log-probability and then its tokens, with END behind them
            unless the text was cut off, and 0 behind that.
        read: M, positions of a text that each token of the first is aligned with, and behind them this text's tokens;
            0 for none.
    """

    longest: int
    texts: int = 1
    read: int = 0

    @property
    def width(self) -> int:
        """R."""
        return SUMS + self.texts * (1 + self.longest) + (self.longest + self.read if self.read else 0)

    def text(self, raw: np.ndarray, which: int = 0) -> tuple[np.ndarray, np.ndarray]:  # (n, R) -> (n,), (n, L)
        """The log-probability and the tokens of one of the texts."""
        start = SUMS + which * (1 + self.longest)
        tokens = np.nan_to_num(raw[:, start + 1 : start + 1 + self.longest]).astype(np.int64)
        return raw[:, start], np.maximum(tokens, 0)

    def put_text(self, row: np.ndarray, which: int, one: Hypothesis) -> None:  # (R,)
        """Write one of the texts into a raw answer."""
        start = SUMS + which * (1 + self.longest)
        tokens = [*one.tokens, *([END] if one.ended else [])][: self.longest]
        row[start], row[start + 1 : start + 1 + len(tokens)] = one.log_probability, tokens

    def alignment(self, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n, R) -> (n, L), (n, M)
        """The position that each token of the first text is aligned with, -1 for none, and the tokens at positions."""
        start = SUMS + self.texts * (1 + self.longest)
        own = np.nan_to_num(raw[:, start:]).astype(np.int64)
        return own[:, : self.longest], np.maximum(own[:, self.longest :], 0)


def _judge(columns: slice, measure: Any) -> Any:
    return lambda answers, true: judge_sums(np.asarray(answers)[:, columns], measure)


def mean_sum(answers: Any, true: Any) -> Any:
    """The share of texts that are the true ones."""
    exact = np.asarray(answers)[:, EXACT]
    return judge_sums(np.concatenate([exact, np.ones_like(exact)], 1), share_of_sums)


# The metrics of texts, from the sums that a raw answer holds.
OF_WRITTEN: dict[str, Metric] = {
    "BLEU": replace(OF_TRANSLATIONS["BLEU"], judge=_judge(BLEU, bleu_of_sums)),
    "exact match": replace(OF_TRANSLATIONS["exact match"], judge=mean_sum),
    "chrF2": replace(OF_TRANSLATIONS["chrF2"], judge=_judge(CHRF, chrf_of_sums)),
    "lower-case BLEU": replace(OF_TRANSLATIONS["lower-case BLEU"], judge=_judge(LOWER, bleu_of_sums)),
    **{name: OF_TOKENS[name] for name in ("token loss", "perplexity", "token accuracy")},
}


class WrittenTask(Task):
    """How good texts are that a network writes, beside the answer to the most similar text of training.

    While training nothing is written: the loss of the true texts is watched, as each of their tokens follows from those
    before it. Nothing is calibrated.
    """

    kind = "writing"
    metric = "BLEU"
    metrics = OF_WRITTEN
    constant = False
    explains = False
    exact_metric: ClassVar[str] = "exact match"

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        settings, state = fields[0].settings, fields[0].state or {}
        # Of a number in words nothing is right unless all of it is.
        self.exact = bool(settings.get("exact", state.get("level") == CHARACTERS))
        super().__init__(fields, metric or (self.exact_metric if self.exact else self.metric))
        self.learned = {}
        self.size, self.layout = int(state["size"]), Layout(int(state["longest"]))
        self.source: Field | None = None

    @property
    def letters(self) -> bool:
        """Whether texts are compared by their letters rather than words."""
        return (self.fields[0].state or {}).get("level") == CHARACTERS

    @property
    def watched(self) -> Metric:
        return self.metrics["token loss"]

    @property
    def width(self) -> int:
        return self.layout.width

    def with_writing(self, texts: int = 1, source: Field | None = None, read: int = 0) -> WrittenTask:
        """A copy whose answers hold so many texts each, and the alignment with what was read.

        Args:
            source: the text field whose tokens these are. read: M; 0 for no alignment.
        """
        other = copy.copy(self)
        other.layout, other.source = replace(self.layout, texts=texts, read=read), source
        return other

    # -- raw answers

    def read_answers(self, raw: Values, target: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, SUMS), (n, 1)
        return np.asarray(raw, np.float64)[:, :SUMS], np.asarray(target, np.float64)

    def sums_of_texts(self, said: Sequence[str], true: Sequence[str]) -> np.ndarray:  # -> (n, SUMS - READ)
        """What metrics are made of, of each text that was written beside the true one."""
        exact = np.array([one.split() == other.split() for one, other in zip(said, true, strict=True)], np.float64)
        sums = [bleu_sums(said, true), bleu_sums(said, true, lower=True), chrf_sums(said, true)]
        return np.concatenate([*sums, exact.reshape(-1, 1)], 1)

    def texts_of(self, tokens: Any) -> list[str]:  # (n, L) or a Ragged
        """What tokens say."""
        return self.fields[0].traits.decode(tokens, self.fields[0].state or {})

    def written_texts(self, raw: Values, which: int = 0) -> list[str]:  # (n, R) -> n texts
        """The texts that were written, as raw answers hold them."""
        return self.texts_of(self.layout.text(np.asarray(raw, np.float64), which)[1])

    # -- baseline

    def naive_answer(self, target: Values, weight: np.ndarray | None = None) -> tuple[np.ndarray, str]:
        raise NotImplementedError("what is naive depends on what a text is written from: see naive_answers")

    def naive_answers(
        self,
        target: Encoded,
        learned: np.ndarray,
        rows: np.ndarray,
        weight: np.ndarray | None = None,
        kept: Any = (),
    ) -> tuple[np.ndarray, str]:  # (k,), (m,) -> (m, R), what it is
        """The text that belongs to the most similar input of training; its losses are those of tokens alone (unigrams).

        Where inputs have no words, as photos, the commonest text.

        Args:
            target: ``Pairs`` of all examples. kept: ``Pairs`` of training, where ``target`` has none of it.
        """
        assert isinstance(target, Pairs)
        known, among = (kept, np.arange(len(kept))) if isinstance(kept, Pairs) else (target, np.asarray(learned))
        rows, raw = np.asarray(rows), np.full((len(rows), self.layout.width), np.nan)
        raw[:, :READ] = self._unigram_sums(target, known, among, rows)
        said, name = self._say_naively(target, known, among, rows, weight)
        true = [target[row] for row in rows.tolist()]
        raw[:, READ:SUMS] = self.sums_of_texts(self.texts_of(said), self.texts_of(true))
        raw[:, SUMS:] = 0.0
        for own, tokens in zip(raw, said, strict=True):
            self.layout.put_text(own, 0, Hypothesis(tuple(tokens[tokens >= RESERVED].tolist()), 0.0, 0.0))
        return raw, name

    def _say_naively(
        self, target: Pairs, known: Pairs, learned: np.ndarray, rows: np.ndarray, weight: np.ndarray | None
    ) -> tuple[list[np.ndarray], str]:
        """The tokens of the text that is said of each of ``rows`` (m,), from what is known of (k,), and what it is."""
        own, count = known is target, f"{len(known):,} kept examples"
        # Without an example of training each is set beside the others that are scored.
        scored = own and np.array_equal(learned, rows)
        if known.is_wordless(learned):
            common = np.array(commonest_text(known, learned, weight if own else None), np.int64)
            among = "these examples" if scored else "training" if own else count
            return [common] * len(rows), f"the commonest text of {among}"
        if own:
            nearest = known.nearest(learned, rows, letters=self.letters)
        else:
            nearest = known.nearest_to(target.words(rows), letters=self.letters)
        said = [known[row] if row != NO_OTHER else np.zeros(0, np.int64) for row in nearest.tolist()]
        if (nearest == NO_OTHER).all():
            return said, "no text, as there is no other example"
        among = "of the other examples" if scored else "training example" if own else f"of {count}"
        return said, f"the text of the most similar {among}"

    def _unigram_sums(self, target: Pairs, known: Pairs, learned: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The losses (m, 2) of who knows how often each token comes, with one more of each (Laplace), and no more."""
        counts = count_tokens(known, learned, self.size)
        losses = math.log(counts.sum() + self.size) - np.log(counts + 1)  # (V,)
        likeliest, found = int(np.argmax(counts)), np.zeros((len(rows), READ))
        for tokens, row in gather_tokens(target, rows):
            found[:, 0] += np.bincount(row, losses[tokens], len(rows))
            found[:, 1] += np.bincount(row, tokens == likeliest, len(rows))
        return found

    def keep_naive(self, naive: np.ndarray, target: Encoded, learned: np.ndarray) -> list[float]:
        """Nothing: the examples that a run keeps stand in for those that were learned from."""
        return []

    def calibrate(self, raw: Values, target: Values) -> None:
        """Nothing is learned."""

    # -- words

    def decode(self, raw: Values) -> list[dict[str, Any]]:
        """Of each example ``value``, the text, and ``confidence``: how probable each of its tokens was, on average.

        ``cut_off``: how many tokens the text was cut off at, since none may be longer; 0 where it came to its end. Of
        several texts the others in ``others``; ``alignment``, where it was asked for: pairs of a word that was
        written and the word that was read for it.
        """
        raw = np.asarray(raw, np.float64)
        each = [self._decode_text(raw, which) for which in range(self.layout.texts)]
        found = [{**best, **({"others": list(others)} if others else {})} for best, *others in zip(*each, strict=True)]
        if self.layout.read:
            for one, pairs in zip(found, self._decode_alignment(raw), strict=True):
                one["alignment"] = pairs
        return found

    def tabulate(self, raw: Values) -> dict[str, list[Any] | np.ndarray]:
        raw = np.asarray(raw, np.float64)
        columns: dict[str, list[Any] | np.ndarray] = {}
        for which in range(self.layout.texts):
            own, behind = self._decode_text(raw, which), f"_{which + 1}" if which else ""
            columns |= {f"{name}{behind}": [one[name] for one in own] for name in TEXT_PARTS}
        if self.layout.read:
            pairs = self._decode_alignment(raw)
            columns["alignment"] = [" ".join(f"{one}←{other}" for one, other in own) for own in pairs]
        return columns

    def _decode_text(self, raw: np.ndarray, which: int) -> list[dict[str, Any]]:
        log_prob, tokens = self.layout.text(raw, which)
        written, ended = (tokens >= RESERVED).sum(1), (tokens == END).any(1)
        # The end is a token too, where there is one.
        mean = np.nan_to_num(np.exp(log_prob / np.maximum(written + ended, 1)))
        return [
            dict(zip(TEXT_PARTS, parts, strict=True))
            for parts in zip(self.texts_of(tokens), mean.tolist(), np.where(ended, 0, written).tolist(), strict=True)
        ]

    def _decode_alignment(self, raw: np.ndarray) -> list[list[tuple[str, str]]]:
        assert self.source is not None
        (_, tokens), (places, read) = self.layout.text(raw), self.layout.alignment(raw)
        found = []
        for own, at, source in zip(tokens, places, read, strict=True):
            own, source = own[own >= RESERVED], source[source > 0]
            words, of = words_of_tokens(self.fields[0], own)
            others, spans = words_of_tokens(self.source, source)
            pairs = []
            for i, word in enumerate(words):
                # Of a word of several pieces the first that is aligned says it.
                held = [int(spans[place]) for place in at[: len(own)][of == i] if 0 <= place < len(spans)]
                held = [one for one in held if one >= 0]
                pairs.append((word, others[held[0]] if held else EMPTY))
            found.append(pairs)
        return found

    def decode_target(self, target: Values) -> list[Any]:
        """How long each text is, in words; the texts themselves are where the data is."""
        return [count_noun(round(own), "token") for own in np.asarray(target, np.float64)[:, 0].tolist()]

    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:
        raise UsageError(
            f"'{self.fields[0].name}' is written token by token, so there is no one number that could be explained",
            fix="leave this view out",
        )

    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (R,), (1,)
        """Of one text, as its sums are kept."""
        loss, right, *_ = np.asarray(raw, np.float64).tolist()
        many = max(float(np.asarray(target).reshape(-1)[0]), 1.0)
        rows: list[list[Any]] = [
            ["tokens", many],
            ["tokens that were the likeliest", right],
            ["loss of all tokens, in nats", loss],
            ["loss a token", loss / many],
            ["perplexity", math.exp(min(loss / many, 700.0))],
        ]
        sentence = (
            f"The total loss of the {count_noun(round(many), 'token')} of the true text is {number_text(loss)} nats, "
            f"{number_text(loss / many)} each; {percent_text(right / many)} of them were the likeliest."
        )
        caption = "The loss of a token is -log of the probability that was given to it, after the true ones before it."
        return OpenedLoss(sentence, ("sum", "value"), rows, loss, caption)

    def report_content(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> dict[str, Any]:
        return {"metrics": measure_all(self, *self.read_answers(raw, target), weight)}


def words_of_tokens(field: Field, tokens: np.ndarray) -> tuple[list[str], np.ndarray]:  # (T,) -> words, (T,)
    """The words that tokens make, and which one each token is of; -1 for what makes none, as the start and blanks."""
    state: Mapping[str, Any] = field.state or {}
    pieces = field.traits.decode(tokens.reshape(-1, 1), state)
    begins = np.array([piece[:1].isspace() for piece in pieces], bool)
    group = np.cumsum(begins)
    words: list[str] = []
    of = np.full(len(tokens), -1)
    for one in np.unique(group).tolist():
        own = (group == one) & (tokens >= RESERVED)
        # Together: a piece alone may be a part of a letter.
        word = field.traits.decode(tokens[own].reshape(1, -1), state)[0].strip() if own.any() else EMPTY
        if word:
            of[own] = len(words)
            words.append(word)
    return words, of
