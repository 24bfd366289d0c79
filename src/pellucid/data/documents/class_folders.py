"""Whether texts lie in folders named after their class, or are to be learned from as they are. n texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...wording import join_words
from ..folders.classes import are_pieces, classes_of
from ..folders.listing import may_be_text

# Texts that may lie outside of all folders of classes.
LOOSE_SHARE = 0.1

# That most folders of classes hold at least.
SEVERAL = 2


@dataclass(frozen=True)
class Folders:
    """What the folders of some texts are called, and why they are no classes; empty where they are."""

    names: list[str]
    why: str


def find_class_folders(paths: Sequence[str]) -> Folders:
    """The folders of some texts that could be classes, and whether they are.

    They are where nearly all texts lie in two folders or more, most of which hold several, and that are not numbered
    parts of one work (``chapter1``, ``2021-05-01``). Folders that all share, and train, val and test, are passed over.

    >>> find_class_folders(["good/1.txt", "good/2.txt", "bad/1.txt", "bad/2.txt"]).why
    ''
    >>> find_class_folders(["one.md", "work/two.md", "home/three.md"]).why
    'texts lie outside of them, too'
    """
    texts = [path for path in paths if may_be_text(path)]
    labels = classes_of(texts, "", (), "text").labels if texts else []
    counts = Counter(label for label in labels if label)
    folders = [path.split("/")[:-1] for path in texts]
    # Beside folders of classes lies what is in a folder that holds one; what has no label lies in its own.
    above = {tuple(own[:i]) for own, label in zip(folders, labels, strict=True) if label for i in range(len(own))}
    loose = sum(tuple(own) in above for own, label in zip(folders, labels, strict=True) if not label)
    return Folders(list(counts), _why_not(counts, loose / max(len(labels), 1)))


def _why_not(counts: Mapping[str, int], loose: float) -> str:
    """Why folders with so many texts are no classes.

    Args:
        loose: share of the texts outside of them.
    """
    if not counts:
        return "there are none"
    if len(counts) == 1:
        return f"there is only one, '{next(iter(counts))}'"
    if loose > LOOSE_SHARE:
        return "texts lie outside of them, too"
    if np.median(list(counts.values())) < SEVERAL:
        return "most of them hold a single text"
    return f"they are parts of one work ({join_words(counts, 3)})" if are_pieces(list(counts)) else ""
