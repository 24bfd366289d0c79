"""Gradient boosting as the reference of a table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data import Examples, Split
from ..fields import Field
from .base import (
    FEWEST_ROWS,
    FIRST_TREES,
    MOST_TREES,
    TREES_A_LOOK,
    BestAnswers,
    Learned,
    answer_function,
    column_matrix,
    row_weights,
    shortfall_text,
    spread_rows,
    target_values,
)

# Looks without a better loss after which boosting stops.
PATIENCE = 2

# Of a table: threads with fewer wait for each other more than they work. On a busy machine two took 5 s for a round
# over 1,000 rows, one 0.0015 s (docs/LOG.md, 2026-11-22).
CELLS_A_THREAD = 1_000_000

# Of a table: more would take a gigabyte.
MOST_CELLS = 1 << 25


def fit_boosting(
    data: Examples, inputs: Sequence[Field], targets: Sequence[Field], split: Split, until: float
) -> tuple[BestAnswers, list[str]] | None:
    """Boosted trees until validation stops improving; several numbers each have trees of their own."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    (x, categories), (true, classes) = column_matrix(data, inputs), target_values(data, targets)
    left, goals = until - time.perf_counter(), 1 if classes else true.shape[1]
    trees = classes if classes > 2 else 1
    rows = spread_rows(split.train, affordable_rows(len(split.train), x.shape[1], trees, left / goals))
    if len(rows) < min(FEWEST_ROWS, len(split.train)) or (classes and len(np.unique(true[rows])) < 2):
        return None
    parts, made, ended = {"train": x[rows], "validation": x[split.validation], "test": x[split.test]}, [], True
    for goal in range(goals):
        kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        model = kind(warm_start=True, early_stopping=False, categorical_features=categories, random_state=0)
        y = true if classes else true[:, goal : goal + 1]
        now = time.perf_counter()
        best = BestAnswers(parts, y[split.validation], row_weights(data, split.validation))
        learned = y[rows].ravel(), row_weights(data, rows)
        ended &= _grow_trees(model, best, learned, classes, now + (until - now) / (goals - goal))
        made.append(best)
    made[0].validation = np.concatenate([best.validation for best in made], 1)
    made[0].test = np.concatenate([best.test for best in made], 1)
    return made[0], shortfall_text(ended, len(rows), len(split.train))


def _grow_trees(model: Any, best: BestAnswers, learned: Learned, classes: int, until: float) -> bool:
    """Grow trees by rounds; whether validation ended it rather than the clock."""
    model.max_iter, rounds, stale = 0, FIRST_TREES, 0
    while stale < PATIENCE and model.max_iter < MOST_TREES:
        began = time.perf_counter()
        model.max_iter += rounds
        model.fit(best.x["train"], *learned)
        stale = 0 if best.offer_answer(answer_function(model, classes)) else stale + 1
        now = time.perf_counter()
        # By what the last round took, with a fifth to spare: scikit-learn cannot be stopped inside one.
        rounds = min(TREES_A_LOOK, int(0.8 * rounds * (until - now) / (now - began)))
        if rounds < FIRST_TREES:
            return stale >= PATIENCE
    return True


def affordable_rows(rows: int, columns: int, trees: int, seconds: float) -> int:
    """Rows that leave time for the first rounds, by what one core took (busy with other work: it is on the safe side).

    Args:
        trees: that a round grows.
    """
    # Seconds, measured on one busy core: what a round costs at any size, and what each row adds.
    once = columns * 1e-3 + FIRST_TREES * trees * (3e-4 * columns + 1e-3)
    each = columns * (2.5e-7 + FIRST_TREES * trees * 1.5e-8)
    return min(rows, max(int((0.7 * seconds - once) / max(each, 1e-9)), 0))
