"""Parts as a column of the data gives them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ...errors import PellucidError
from ...wording import count_noun, join_words
from .spec import PARTS, SPLIT_WORDS

# Different values of a column that says the parts: with more it is rather a property of the rows than their fold.
MOST_FOLDS = 50

TRUE, FALSE = {"true", "yes", "1", "t", "y"}, {"false", "no", "0", "f", "n"}

# -- parts that a column says


def parts_of_words(words: Sequence[str | None]) -> np.ndarray:
    """(n,) the index in ``PARTS`` of the part that each of n words stands for; -1 for none."""
    names = {word: PARTS.index(part) for word, part in SPLIT_WORDS.items()}
    return np.array([-1 if word is None else names.get(word.strip().lower(), -1) for word in words], np.int64)


def parts_of_values(values: Sequence[str], name: str) -> tuple[np.ndarray, str]:
    """(n,) the index in ``PARTS`` that each of n values of a column stands for, and how that was understood, in words.

    Words are taken at their word, yes and no by the column's name (``is_test``), anything else are folds: the last is
    test, the one before it validation, the rest train.

    Args:
        values: all different, in natural order. name: of the column.

    Raises:
        PellucidError: when the values say no parts.
    """
    part = parts_of_words(values)
    if (part == 0).any():
        return part, "given by the data"
    # Words for test without one for train: to take all other rows for train would be a guess at what is scored on.
    if (part > 0).any():
        shown = join_words(f"'{value}'" for value, i in zip(values, part.tolist(), strict=True) if i > 0)
        what = f"'{name}' has {shown} but never train"
        raise PellucidError(what, fix="write train where rows are to be learned from")
    folded = [value.lower() for value in values]
    if set(folded) <= TRUE | FALSE and (about := _named_part(name)) is not None:
        yes = np.array([value in TRUE for value in folded])
        return np.where(yes, about, 0 if about else 2), f"by '{name}': where it is true is {PARTS[about]}"
    if {"true", "false"} & set(folded):
        raise PellucidError(f"the name '{name}' does not say what true means", fix="call it is_test")
    if not 2 <= len(values) <= MOST_FOLDS:
        fix = f"to keep rows of one value together write group:{name}" if len(values) > 1 else "use more folds"
        raise PellucidError(f"'{name}' has {count_noun(len(values), 'value')}, which are not names of sets", fix=fix)
    part = np.zeros(len(values), np.int64)
    part[-1], how = 2, f"by '{name}': '{values[-1]}' is test"
    if len(values) > 2:
        part[-2], how = 1, f"{how}, '{values[-2]}' validation"
    rest = join_words(f"'{value}'" for value, i in zip(values, part, strict=True) if i == 0)
    return part, f"{how}, {rest} train"


def _named_part(name: str) -> int | None:
    """The index in ``PARTS`` of the part that a column of yes and no is named after (``is_test``); None for none."""
    words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
    words |= {"test"} if words & {"holdout", "hold", "eval", "heldout"} else set()
    return next((PARTS.index(part) for word, part in SPLIT_WORDS.items() if word in words), None)
