"""The most similar of many texts: TF-IDF and the cosine, by postings. N texts, m of them asked for, P postings."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# Words and single marks, as what texts are compared by; of short ones without words stretches of letters.
WORD = re.compile(r"\w+|[^\w\s]")

# Letters of a stretch, at most.
LONGEST_STRETCH = 3

# Texts that are compared with, at most, spread evenly.
MOST_TEXTS = 200_000


# In place of a text, where there is no other.
NO_OTHER = -1


class TextIndex:
    """Finds the most similar text: the largest cosine of term frequencies times inverse document frequencies.

    Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988. Ties go to the first text.

    Args:
        texts: N of them. letters: compare stretches of 1 to ``LONGEST_STRETCH`` letters rather than words.

    Example:
        >>> TextIndex(["a red dog", "two cats", "a red cat"]).nearest(["the red dog", "cats"]).tolist()
        [0, 1]
    """

    def __init__(self, texts: Sequence[str], *, letters: bool = False):
        self.letters, self.count = letters, len(texts)
        self.places: dict[str, int] = {}
        term, text, often = self._count_terms(texts, new=True)
        spread = np.bincount(term, minlength=len(self.places))
        # Of a term in every text something is left, so that texts of nothing else differ.
        self.rare = np.log((1 + self.count) / (1 + spread)) + 1
        weight = often * self.rare[term]
        length = np.sqrt(np.bincount(text, weight**2, self.count))
        order = np.argsort(term, kind="stable")
        self.text, self.weight = text[order], (weight / np.maximum(length[text], 1e-12))[order].astype(np.float32)
        self.ends = np.cumsum(spread)

    def nearest(self, texts: Sequence[str], but: np.ndarray | None = None) -> np.ndarray:  # (m,) -> (m,)
        """The place of the most similar text of each; -1 where there is none but the one that is passed over.

        Args:
            but: (m,) a place that is passed over, -1 for none: a text's own.
        """
        found = np.zeros(len(texts), np.int64)
        for i, text in enumerate(texts):
            term, _, often = self._count_terms([text], new=False)
            spans = [(int(self.ends[one - 1]) if one else 0, int(self.ends[one])) for one in term.tolist()]
            if not spans:
                continue
            own = np.concatenate([self.text[start:end] for start, end in spans])
            weight = np.concatenate(
                [self.weight[start:end] * np.float32(own * self.rare[one])
                 for (start, end), own, one in zip(spans, often, term, strict=True)]
            )  # fmt: skip
            score = np.bincount(own, weight, self.count)
            if but is not None and but[i] >= 0:
                score[but[i]] = -1.0
            found[i] = int(np.argmax(score))
        if but is not None:
            # A text without a term in common with any has no nearest: the first, unless that is itself.
            alone = found == but
            found[alone] = np.where(but[alone] == 0, 1 if self.count > 1 else NO_OTHER, 0)
        return found

    def _count_terms(self, texts: Sequence[str], *, new: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which terms are in which texts and how often, (P,) each; unknown ones get a place, or are passed over."""
        places, flat, ends = self.places, [], []
        for text in texts:
            for term in split_terms(text, self.letters):
                place = places.setdefault(term, len(places)) if new else places.get(term, -1)
                if place >= 0:
                    flat.append(place)
            ends.append(len(flat))
        of = np.repeat(np.arange(len(texts)), np.diff(ends, prepend=0))
        pairs, often = np.unique(np.array(flat, np.int64) * max(len(texts), 1) + of, return_counts=True)
        return pairs // max(len(texts), 1), pairs % max(len(texts), 1), often.astype(np.float64)


def split_terms(text: str, letters: bool) -> list[str]:
    """What a text is compared by.

    >>> split_terms("A dog, two", False), split_terms("ab", True)
    (['a', 'dog', ',', 'two'], [' ', 'a', 'b', ' ', ' a', 'ab', 'b ', ' ab', 'ab '])
    """
    if not letters:
        return WORD.findall(text.lower())
    padded = f" {text.lower()} "
    return [
        padded[i : i + size] for size in range(1, LONGEST_STRETCH + 1) for i in range(max(len(padded) - size + 1, 0))
    ]
