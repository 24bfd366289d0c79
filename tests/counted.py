"""Counted n-grams in plain Python, by dictionaries and loops, and rows of tokens for the part: what tests compare."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from pellucid.data.batches.batch import Batch, Padded
from pellucid.fields import Field
from pellucid.solved.counted_ngrams import CountedNgrams

START = 1
KEY = "text:text"

Gram = tuple[int, ...]


class PlainNgrams:
    """Interpolated modified Kneser-Ney of pieces of a text.

    Args:
        pieces: tokens, START where a document begins. size: of the vocabulary.
    """

    def __init__(self, pieces: Sequence[Sequence[int]], order: int, size: int):
        self.order, self.size = order, size
        raw: Counter[Gram] = Counter()
        behind: dict[Gram, set[int]] = defaultdict(set)
        for piece in pieces:
            for length in range(1, order + 1):
                for i in range(len(piece) - length + 1):
                    gram = tuple(piece[i : i + length])
                    raw[gram] += 1
                    if i:
                        behind[gram].add(piece[i - 1])
        raw.pop((START,), None)
        lower = {gram: count if gram[0] == START else len(behind[gram]) for gram, count in raw.items()}
        # By how much of a context's text there is: as the longest one, and as one that is fallen back on.
        self.last = [self._sorted_out(raw, length) for length in range(1, order + 1)]
        self.lower = [self._sorted_out(lower, length) for length in range(1, order + 1)]

    @staticmethod
    def _sorted_out(counts: Any, length: int) -> tuple[dict[Gram, dict[int, int]], list[float]]:
        """What follows each context of ``length`` - 1 tokens, and the discounts of counts of 1, 2 and more."""
        own = {gram: count for gram, count in counts.items() if len(gram) == length and count}
        follows: dict[Gram, dict[int, int]] = defaultdict(dict)
        for gram, count in own.items():
            follows[gram[:-1]][gram[-1]] = count
        having = Counter(own.values())
        discounts = []
        for j in (1, 2, 3):
            amount = -1.0
            if having[j] and having[1] + having[2]:
                share = having[1] / (having[1] + 2 * having[2])
                amount = j - (j + 1) * share * having[j + 1] / having[j]
            discounts.append(amount if 0 < amount < j else j / 2)
        return follows, discounts

    def chances(self, context: Sequence[int]) -> list[float]:
        """How likely each token is behind all that is known of a text."""
        most = min(len(context), self.order - 1)
        found = [1 / self.size] * self.size
        for length in range(1, most + 2):
            follows, discounts = (self.last if length == most + 1 else self.lower)[length - 1]
            own = follows.get(tuple(context[len(context) - length + 1 :]), {})
            total = sum(own.values())
            if not total:
                continue
            aside = {token: discounts[min(count, 3) - 1] for token, count in own.items()}
            left = sum(aside.values()) / total
            told = {token: (count - aside[token]) / total for token, count in own.items()}
            found = [told.get(token, 0.0) + left * found[token] for token in range(self.size)]
        return found

    def log_chances(self, window: Sequence[int]) -> np.ndarray:  # -> (T, V)
        """Behind each of a window's tokens."""
        return np.array([[math.log(p) for p in self.chances(window[: t + 1])] for t in range(len(window))])


def token_data(documents: Sequence[Sequence[int]], length: int) -> Any:
    """Rows of ``length`` tokens, as a loader has them; windows are as long."""
    ends, low, at = [], [], 0
    for document in documents:
        cuts = [*range(length, len(document), length), len(document)]
        ends += [at + cut for cut in cuts]
        low += [at] * len(cuts)
        at += len(document)
    values = torch.tensor([token for document in documents for token in document], dtype=torch.int32)
    passages = SimpleNamespace(values=values, ends=torch.tensor(ends), low=torch.tensor(low), span=length)
    return SimpleNamespace(arrays={KEY: passages})


def text_field(size: int) -> Field:
    return Field("text", "text", "target", state={"size": size})


def solved_part(rows: Any, train: Any, validation: Any, size: int, **settings: Any) -> CountedNgrams:
    field = text_field(size)
    part = CountedNgrams([field], [field], **settings)
    train, validation = np.asarray(train, np.int64), np.asarray(validation, np.int64)

    def never(raw: Any, true: Any) -> float:
        raise AssertionError("answers are too many to be made")

    assert part.solve(rows, train, validation, validation=validation, error=never) is None
    return part.eval()


def window_batch(windows: Sequence[Sequence[int]], rows: Sequence[int] | None = None) -> Batch[Any]:
    """Windows of tokens, padded; the rows that they belong to."""
    lengths = torch.tensor([len(one) for one in windows])
    values = torch.zeros(len(windows), int(lengths.max()), dtype=torch.int32)
    for i, window in enumerate(windows):
        values[i, : len(window)] = torch.tensor(window)
    return Batch({KEY: Padded(values, lengths)}, None, np.arange(len(windows)) if rows is None else np.array(rows))
