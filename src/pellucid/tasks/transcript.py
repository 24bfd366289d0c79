"""What is said in a recording, as a text.

n recordings, m of them, k of training, T tokens of the longest text, R numbers in what is kept of an answer: ``SUMS``
and the tokens that were written, (n, R). Targets are (n, 1): how many tokens a text has, its end among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UsageError
from ..fields import Encoded, Field, Ragged
from ..fields.text import PADDING, RESERVED
from ..metrics.base import Judge, Metric, mean_of
from ..metrics.written import (
    OF_TRANSCRIPTS,
    judge_sums,
    letter_error_sums,
    share_of_sums,
    word_error_sums,
)
from ..storage import forms
from ..wording import abbreviate_text, count_noun, number_text
from .base import Task, Values, measure_all
from .explained import Explained
from .opened_loss import OpenedLoss

# What is kept of an answer before its tokens: the loss of the true text; words to change and words; the same of
# letters; whether it is right. All but the loss are NaN where nothing was written.
LOSS, WORD_EDITS, WORDS, LETTER_EDITS, LETTERS, RIGHT = range(6)
SUMS = 6

# The tokens of no text at all: one that is never shown.
NOTHING = [PADDING]

# Training texts that a constant answer is judged on.
MOST_JUDGED = 2_000

# Tokens of a constant answer that is kept: a stranger's run may ask for any number.
MOST_LETTERS = 1 << 16

# Characters of a text in a sentence.
MOST_SHOWN = 60


def judge_columns(one: int, other: int) -> Callable[[np.ndarray, np.ndarray], Judge]:
    """A metric that is one sum over another, by their columns in what is kept."""
    return lambda answers, true: judge_sums(answers[:, [one, other]], share_of_sums)


def judge_right(answers: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of(answers[:, RIGHT])


def judge_loss(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The loss of all texts by their tokens."""
    return judge_sums(np.stack([answers[:, LOSS], true[:, 0] - 1], 1), share_of_sums)


# Of texts the metrics are defined in ``metrics.written``; here they follow from what is kept of each.
OF_SUMS = {
    name: replace(OF_TRANSCRIPTS[name], judge=judge)
    for name, judge in (
        ("word error rate", judge_columns(WORD_EDITS, WORDS)),
        ("character error rate", judge_columns(LETTER_EDITS, LETTERS)),
        ("exact match", judge_right),
    )
}

# Weights are chosen by it: it falls long before the first word is right, and takes nothing to be written.
TRANSCRIPT_LOSS = Metric("transcript loss", judge_loss, ("loss",), higher=False, limits=(0.0, np.inf))


class TranscriptTask(Task):
    """How many words of what is said are wrong, and what was written.

    Metrics follow from sums of each recording (``SUMS``); behind these stand the tokens of what was written. Nothing is
    calibrated: the answer is a text, without a word on how sure it is.
    """

    kind = "writing"
    metric = "word error rate"
    higher = False
    percent = True
    metrics = OF_SUMS
    explains = False
    # The same text is said of every recording, but how wrong it is depends on what is there.
    constant = False

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        super().__init__(fields, metric)
        self.learned = {}

    @property
    def watched(self) -> Metric:
        return TRANSCRIPT_LOSS

    # -- raw answers

    def read_answers(self, raw: Values, target: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, R), (n, 1)
        return np.asarray(raw, np.float64)[:, :SUMS], np.asarray(target, np.float64)

    @property
    def width(self) -> int:
        """Of an answer in which nothing is written."""
        return SUMS

    # -- baseline

    def naive_answer(self, target: Values, weight: np.ndarray | None = None) -> tuple[np.ndarray, str]:
        raise NotImplementedError("how wrong it is depends on what is said in each recording: see naive_answers")

    def naive_answers(
        self,
        target: Encoded,
        learned: np.ndarray,
        rows: np.ndarray,
        weight: np.ndarray | None = None,
        kept: Sequence[float] = (),
    ) -> tuple[np.ndarray, str]:  # (m,), (k,), (m,) -> (m, R), what it is
        """The commonest text of training, whatever is heard; nothing at all, where that has fewer wrong words."""
        assert isinstance(target, Ragged)
        tokens = [int(token) for token in kept] or self.best_constant(target, np.asarray(learned), weight)
        said = self.texts([tokens])[0]
        true = self.texts(target[int(row)] for row in rows)
        sums = written_sums([said] * len(true), true)
        own = np.tile(np.array(tokens, np.float64), (len(true), 1))  # (m, T)
        found = np.concatenate([np.full((len(true), 1), np.nan), sums, own], 1)
        return found, f"always '{abbreviate_text(said, MOST_SHOWN)}'" if said else "always nothing"

    def keep_naive(self, naive: np.ndarray, target: Encoded, learned: np.ndarray) -> list[float]:  # (m, R), (k,)
        """The tokens of the text that is always said."""
        return [float(token) for token in naive[0, SUMS:]]

    @classmethod
    def check_kept_naive(cls, raw: Sequence[float], fields: Sequence[Field], where: str) -> None:
        size = int((fields[0].state or {})["size"])
        forms.list_of(forms.number(0, size - 1), most=MOST_LETTERS)(raw, where)
        if any(token != int(token) for token in raw):
            raise forms.FormError(f"{where} holds what is no token")

    def best_constant(self, target: Ragged, learned: np.ndarray, weight: np.ndarray | None = None) -> list[int]:
        """The tokens of the commonest text (k,); those of none, ``NOTHING``, where each of its words is a wrong one."""
        tokens = commonest_text(target, learned, weight)
        some = learned[:: -(-len(learned) // MOST_JUDGED)] if len(learned) else learned
        true = self.texts(target[int(row)] for row in some)
        edits, words = word_error_sums(self.texts([tokens]) * len(true), true).sum(0)
        return tokens if edits < words and len(tokens) <= MOST_LETTERS else NOTHING

    def calibrate(self, raw: Values, target: Values) -> None:
        """Nothing is learned: there is no number that says how sure an answer is."""

    # -- words

    def texts(self, tokens: Iterable[Sequence[int] | np.ndarray]) -> list[str]:
        """The texts of tokens, of each by itself."""
        own = [np.asarray(one, np.int64) for one in tokens]
        ends = np.cumsum([len(one) for one in own], dtype=np.int64)
        values = np.concatenate([*own, np.zeros(0, np.int64)])
        field = self.fields[0]
        return field.traits.decode(Ragged(values, ends), field.state or {})  # type: ignore[arg-type]

    def decode(self, raw: Values) -> list[dict[str, Any]]:
        """Of each recording ``value``, the text that was written."""
        return [{"value": text} for text in self.written_texts(raw)]

    def written_texts(self, raw: Values) -> list[str]:  # (n, R) -> n texts
        """The texts that were written, as raw answers hold them."""
        return self.texts(np.nan_to_num(np.asarray(raw, np.float64)[:, SUMS:]).astype(np.int64))

    def decode_target(self, target: Values) -> list[Any]:
        """How long each text is, in words; the texts themselves are where the data is."""
        return [count_noun(round(own) - 1, "letter") for own in np.asarray(target, np.float64)[:, 0].tolist()]

    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:
        raise UsageError(
            f"'{self.fields[0].name}' is written letter by letter, so there is no one number that could be explained",
            fix="leave this view out",
        )

    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (R,), (1,)
        """Of one recording, as its sums are kept.

        Raises:
            UsageError: for answers to single frames, (T, V).
        """
        if np.ndim(raw) != 1:
            raise UsageError(
                f"the loss of '{self.fields[0].name}' is over all alignments of its letters with the recording, which "
                "are not opened one by one",
                fix="leave this view out",
            )
        own = np.asarray(raw, np.float64)[:SUMS]
        letters = max(float(np.asarray(target)[0]) - 1, 1.0)
        rows: list[list[Any]] = [["loss", own[LOSS]], ["letters", letters], ["loss a letter", own[LOSS] / letters]]
        rows += [["words to change", own[WORD_EDITS]], ["letters to change", own[LETTER_EDITS]]]
        many, loss = count_noun(round(letters), "letter"), number_text(own[LOSS])
        sentence = f"The total loss of the {many} of this recording is {loss} nats."
        caption = (
            "The loss is -log of the probability of the true text, over all its alignments with the recording: "
            "connectionist temporal classification (Graves et al., 2006)."
        )
        return OpenedLoss(sentence, ("part", "value"), rows, float(own[LOSS]), caption)

    def report_content(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> dict[str, Any]:
        return {"metrics": measure_all(self, *self.read_answers(raw, target), weight)}


def written_sums(said: Sequence[str], true: Sequence[str]) -> np.ndarray:  # -> (n, SUMS - 1)
    """All of ``SUMS`` but the loss, of texts that were written and the true ones."""
    right = np.array([one.split() == other.split() for one, other in zip(said, true, strict=True)], float)
    return np.concatenate([word_error_sums(said, true), letter_error_sums(said, true), right[:, None]], 1)


def commonest_text(
    target: Any, rows: np.ndarray, weight: np.ndarray | None = None
) -> list[int]:  # (k,), (k,) -> tokens
    """The tokens of the text that most of some recordings have, without its end; of equally common ones the first."""
    counts: Counter[bytes] = Counter()
    for i, row in enumerate(rows.tolist()):
        own = np.asarray(target[row], np.int64)
        counts[own[own >= RESERVED].tobytes()] += 1 if weight is None else weight[i]  # type: ignore[assignment]
    best = max(counts, key=lambda text: counts[text], default=b"")
    return np.frombuffer(best, np.int64).tolist()
