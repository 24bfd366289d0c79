"""Metrics of what is written: the next token of a text, translations, transcripts.

All are made of sums over examples, so they are functions of the examples' weights and get intervals as any metric does.

n examples, K sums of an example, S sets of weights at once. Of tokens, answers are (n, 2), the sum of losses and how
many tokens are right, and the truth (n, 2), how many tokens and bytes there are; of texts both are n strings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .base import Judge, Metric, mean_of
from .edits import edit_distance

Texts = Sequence[str]

# Of stretches of words and of letters, the longest that are compared.
WORD_ORDER, LETTER_ORDER = 4, 6

# How much more what is found of the truth counts in chrF2 than what of the answer is true.
BETA = 2


def judge_sums(sums: np.ndarray, measure: Callable[[np.ndarray], np.ndarray]) -> Judge:  # (n, K), (S, K) -> (S,)
    """A metric that follows from the examples' weighted sums alone."""
    return lambda weight: measure(weight @ sums)


def share_of_sums(sums: np.ndarray) -> np.ndarray:  # (S, 2) -> (S,)
    """The first sum over the second; NaN where that is 0."""
    return np.where(sums[:, 1] > 0, sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], 1), np.nan)


# -- tokens


def token_loss(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The mean, over all tokens, of -log of the probability given to the token that came, in nats."""
    return judge_sums(np.stack([answers[:, 0], true[:, 0]], 1), share_of_sums)


def perplexity(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The exponential of the loss: between how many equally likely tokens it is as unsure (Jelinek et al., 1977)."""
    loss = token_loss(answers, true)

    def of_weights(weight: np.ndarray) -> np.ndarray:  # (S, n) -> (S,)
        with np.errstate(over="ignore"):
            return np.exp(loss(weight))

    return of_weights


def bits_per_byte(answers: np.ndarray, true: np.ndarray) -> Judge:
    """All losses in bits by the bytes of the text: the same unit whatever tokens are."""
    return judge_sums(np.stack([answers[:, 0] / math.log(2), true[:, 1]], 1), share_of_sums)


def token_accuracy(answers: np.ndarray, true: np.ndarray) -> Judge:
    return judge_sums(np.stack([answers[:, 1], true[:, 0]], 1), share_of_sums)


# -- translations


def bleu_sums(said: Texts, true: Texts, *, lower: bool = False) -> np.ndarray:  # -> (n, 10)
    """What BLEU is made of: length said, true length, stretches of 1 to 4 words that agree, and all that were said.

    As sacreBLEU counts them: with the tokenizer 13a. ``lower``: takes capitals for small letters.
    """
    from sacrebleu.metrics import BLEU

    return _sacrebleu_sums(BLEU(lowercase=lower, force=True), said, true, 2 + 2 * WORD_ORDER)


def bleu_of_sums(sums: np.ndarray) -> np.ndarray:  # (S, 10) -> (S,), 0 to 100
    """BLEU (Papineni et al., 2002) as sacreBLEU has it (Post, 2018).

    The geometric mean of the shares of stretches of 1 to 4 words that agree, less for answers that are too short. An
    order without any agreement counts as half of one, the next as a quarter (Chen, Cherry, 2014: method 3), which
    depends on how much text there is: sums are those of weights with a mean of 1.
    """
    said, true, right, every = sums[:, 0], sums[:, 1], sums[:, 2 : 2 + WORD_ORDER], sums[:, 2 + WORD_ORDER :]
    # Where all answers have too few words there is no stretch of four.
    known = (right[:, 0] > 0) & (every[:, -1] > 0)
    none = right <= 0
    agreed = np.where(none, 0.5 ** np.cumsum(none, 1), right)
    mean = np.log(agreed / np.where(known[:, None], every, 1)).mean(1)
    short = np.minimum(0.0, 1 - true / np.where(known, said, 1))
    return np.where(known, 100 * np.exp(mean + short), 0.0)


def chrf_sums(said: Texts, true: Texts) -> np.ndarray:  # -> (n, 18)
    """What chrF is made of: of stretches of 1 to 6 letters how many were said, are true, agree; without white space."""
    from sacrebleu.metrics import CHRF

    return _sacrebleu_sums(CHRF(), said, true, 3 * LETTER_ORDER)


def chrf_of_sums(sums: np.ndarray) -> np.ndarray:  # (S, 18) -> (S,), 0 to 100
    """chrF2 (Popović, 2015) as sacreBLEU has it: F of stretches of 1 to 6 letters, with recall counted four-fold."""
    said, true, right = np.moveaxis(sums.reshape(-1, LETTER_ORDER, 3), 2, 0)  # (S, 6) each
    known = (said > 0) & (true > 0)
    count = np.maximum(known.sum(1), 1)
    precision = np.where(known, right / np.where(known, said, 1), 0.0).sum(1) / count
    recall = np.where(known, right / np.where(known, true, 1), 0.0).sum(1) / count
    below = BETA**2 * precision + recall
    return 100 * (1 + BETA**2) * precision * recall / np.where(below > 0, below, 1)


def bleu(said: Texts, true: Texts) -> Judge:
    return judge_sums(bleu_sums(said, true), bleu_of_sums)


def lower_case_bleu(said: Texts, true: Texts) -> Judge:
    return judge_sums(bleu_sums(said, true, lower=True), bleu_of_sums)


def chrf(said: Texts, true: Texts) -> Judge:
    return judge_sums(chrf_sums(said, true), chrf_of_sums)


def exact_match(said: Texts, true: Texts) -> Judge:
    """The share of answers that are the truth, but for white space."""
    return mean_of(np.array([one.split() == other.split() for one, other in zip(said, true, strict=True)], float))


# -- transcripts


def word_error_sums(said: Texts, true: Texts) -> np.ndarray:  # -> (n, 2)
    """Words to change, leave out and put in, and how many there are; words are what stands between white space."""
    pairs = [(one.split(), other.split()) for one, other in zip(true, said, strict=True)]
    return _error_sums(pairs)


def letter_error_sums(said: Texts, true: Texts) -> np.ndarray:  # -> (n, 2)
    """The same of letters, with one space between words."""
    pairs = [(" ".join(one.split()), " ".join(other.split())) for one, other in zip(true, said, strict=True)]
    return _error_sums(pairs)


def word_error_rate(said: Texts, true: Texts) -> Judge:
    return judge_sums(word_error_sums(said, true), share_of_sums)


def character_error_rate(said: Texts, true: Texts) -> Judge:
    return judge_sums(letter_error_sums(said, true), share_of_sums)


def _error_sums(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> np.ndarray:  # -> (n, 2)
    sums = [(edit_distance(true, said), len(true)) for true, said in pairs]
    return np.array(sums, np.float64).reshape(-1, 2)


def _sacrebleu_sums(metric, said: Texts, true: Texts, columns: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    assert len(said) == len(true)
    # The library's own counts, which its bootstrap uses too: its public scores of single sentences leave chrF's out.
    sums = metric._extract_corpus_statistics(list(said), [list(true)])
    return np.array(sums, np.float64).reshape(len(said), columns)


_OPEN = (0.0, math.inf)
_POINTS = (0.0, 100.0)

_AGREES = "{name} {value} of 100 ({low} to {high}): "
_SHARE = "{name} {value:.1%} ({low:.1%} to {high:.1%}): "
_BESIDE = "baseline ({naive}): {base}."
_SHARE_BESIDE = "baseline ({naive}): {base:.1%}."

_EXACT = Metric("exact match", exact_match, ("exact match", "accuracy"), percent=True,
                sentence=_SHARE + "the share of answers that are right to the letter; " + _SHARE_BESIDE)  # fmt: skip

OF_TOKENS = {
    metric.name: metric
    for metric in (
        Metric("token loss", token_loss, ("loss", "token loss", "cross entropy"), higher=False, limits=_OPEN,
               sentence="{name} {value} ({low} to {high}), in nats a token; " + _BESIDE),
        Metric("perplexity", perplexity, ("perplexity", "ppl"), higher=False, limits=(1.0, math.inf),
               sentence="{name} {value} ({low} to {high}): it is as unsure of the next token as between so many "
                        "equally likely ones; " + _BESIDE),
        Metric("bits per byte", bits_per_byte, ("bits per byte", "bpb"), higher=False, limits=_OPEN,
               sentence="{name} {value} ({low} to {high}): so many bits a byte of the text takes when it is packed "
                        "with this network; " + _BESIDE),
        Metric("token accuracy", token_accuracy, ("accuracy", "token accuracy", "acc"), percent=True, decides=True,
               sentence=_SHARE + "the share of tokens that were the likeliest; " + _SHARE_BESIDE),
    )
}  # fmt: skip

OF_TRANSLATIONS = {
    metric.name: metric
    for metric in (
        Metric("BLEU", bleu, ("bleu", "sacrebleu"), limits=_POINTS,
               sentence=_AGREES + "how far stretches of one to four words are those of the true translation; "
                        + _BESIDE),
        Metric("chrF2", chrf, ("chrf", "chrf2"), limits=_POINTS,
               sentence=_AGREES + "how far stretches of one to six letters are those of the true translation; "
                        + _BESIDE),
        Metric("lower-case BLEU", lower_case_bleu, ("lower bleu", "lower case bleu"), limits=_POINTS,
               sentence=_AGREES + "BLEU that takes capitals for small letters; " + _BESIDE),
        _EXACT,
    )
}  # fmt: skip

OF_TRANSCRIPTS = {
    metric.name: metric
    for metric in (
        Metric("word error rate", word_error_rate, ("wer", "word error rate"), higher=False, percent=True,
               limits=_OPEN,
               sentence=_SHARE + "words to change, leave out or put in, by the words of the true texts; "
                        + _SHARE_BESIDE),
        Metric("character error rate", character_error_rate, ("cer", "character error rate"), higher=False,
               percent=True, limits=_OPEN,
               sentence=_SHARE + "letters to change, leave out or put in, by the letters of the true texts; "
                        + _SHARE_BESIDE),
        _EXACT,
    )
}  # fmt: skip
