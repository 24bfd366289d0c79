"""Random parts and folds, class by class: functions of the seed and the row numbers. n rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..batches.order import SPLIT_SALT, hash_counters


def stratified_split(
    rows: np.ndarray, fractions: Sequence[float], seed: int, classes: np.ndarray | None = None
) -> list[np.ndarray]:
    """Part ``rows`` at random in the given proportions, every class in proportion too.

    The sizes of the parts are the proportions to within one example; a class with at least as many examples as there
    are parts is in every part, one with fewer is in the first alone, to be learned from.

    Args:
        rows: (n,) rows of the dataset.
        fractions: one a part, the first is the training set; they sum to 1.
        classes: (n,) whole numbers, the class of each of ``rows``; None for no classes.

    Returns:
        One sorted int64 array a part.
    """
    rows = np.asarray(rows, np.int64)
    groups = _class_members(classes, len(rows))
    sizes = _part_sizes(np.array([len(group) for group in groups]), fractions)  # (classes, parts)
    part = np.zeros(len(rows), np.int8)  # (n,)
    for group, size in zip(groups, sizes, strict=True):
        draw = hash_counters(rows[group], seed, 0, SPLIT_SALT)
        # Rows with the smallest numbers are in the first part, and so on: which part a row is in depends on its number,
        # not on where it stands, and a partition costs less than a sort.
        for last in np.cumsum(size)[:-1]:
            if 0 < last < len(group):
                part[group] += draw >= np.partition(draw, last)[last]
            elif last == 0:
                part[group] += 1
    found = [rows[part == i] for i in range(len(fractions))]
    for own in found:
        own.sort()
    return found


def _class_members(classes: np.ndarray | None, n: int) -> list[np.ndarray]:
    """The places of each class among ``n`` rows, one array a class, the classes in order."""
    if classes is None or not n:
        return [np.arange(n)]
    order = np.argsort(classes, kind="stable")
    ends = np.flatnonzero(np.diff(classes[order])) + 1
    return np.split(order, ends)


def stratified_folds(rows: np.ndarray, parts: int, seed: int, classes: np.ndarray | None = None) -> list[np.ndarray]:
    """Deal ``rows`` at random into parts of equal size, class by class, for a cross-validation.

    Args:
        rows: (n,) rows of the dataset. classes: (n,) the class of each; None for no classes.

    Returns:
        One sorted int64 array a part; none is empty while there are as many rows.
    """
    rows = np.asarray(rows, np.int64)
    classes = np.zeros(len(rows), np.int64) if classes is None else classes
    # Dealt one by one from rows sorted by class, in random order within: so every fold has its share of every class.
    order = np.lexsort((hash_counters(rows, seed, 1, SPLIT_SALT), classes))
    return [np.sort(rows[order[i::parts]]) for i in range(min(parts, len(rows)))]


def _part_sizes(counts: np.ndarray, fractions: Sequence[float]) -> np.ndarray:  # (classes,) -> (classes, parts)
    """How many of each class go to each part; over all classes the fractions are met to within one example."""
    # Cumulative rounding: what one class is rounded down by, the next one gets.
    ends = np.cumsum(counts)
    shares = [np.diff(np.floor(ends * f + 0.5), prepend=0) for f in fractions[1:]]
    asked = np.array([f > 0 for f in fractions[1:]], bool)
    sizes = np.stack(shares, 1).astype(np.int64) if shares else np.zeros((len(counts), 0), np.int64)
    enough = counts >= 1 + asked.sum()
    sizes = np.where(enough[:, None], np.maximum(sizes, asked), 0)
    left = counts - sizes.sum(1)
    # The first part needs one of each class too: the largest other part gives it.
    for _ in range(int((1 - left).max(initial=0))):
        short = np.flatnonzero(left < 1)
        sizes[short, sizes[short].argmax(1)] -= 1
        left = counts - sizes.sum(1)
    return np.concatenate([left[:, None], sizes], 1)
