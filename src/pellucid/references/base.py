"""What a classical model gets on the same split, so that nobody has to take a network on trust.

For tables gradient boosting on histograms (Friedman, 2001; Ke et al., "LightGBM", 2017), for texts TF-IDF of words and
pairs of words with a linear model, both by scikit-learn. They learn from the training rows, are chosen on validation,
and give raw answers in the form of the network's output, so that one metric scores both. No test target is read.

n examples, F columns, R numbers in a raw answer: log-probabilities of C classes, or standardised numbers.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Examples
from ..data.batches.batch import encode_groups, encode_target
from ..fields import Field, input_groups, kind_named
from ..fields.category import RESERVED
from ..options import Budget

BOOSTING, BAG = "gradient boosting", "TF-IDF with a linear model"

# What stands for them under a budget too short to load scikit-learn: of numbers, of classes.
RIDGE, LOGISTIC = "ridge regression", "logistic regression"

# Of a budget of time; seconds where the budget is none.
BUDGET_SHARE, UNTIMED_SECONDS = 0.05, 10.0

# To import scikit-learn, and the least worth beginning with after that: under a budget of about 50 s the reference is
# linear, which needs no scikit-learn (docs/LOG.md, 2026-11-22 and -27).
LOADING_SECONDS, LEAST_SECONDS = 2.0, 0.3

# Until the first look at validation, until the next ones, and in all.
FIRST_TREES, TREES_A_LOOK, MOST_TREES = 5, 20, 1000

# Words and pairs that count at most; of them times classes, the weights of the linear model.
MOST_WORDS, MOST_WORD_CELLS = 200_000, 20_000_000

# Of a column that trees can hold apart (a byte); a column with more is taken for numbers.
MOST_CATEGORIES = 255

# To learn from, unless there are fewer: on less, a reference would be no rival.
FEWEST_ROWS = 500

# By "train", "validation" and "test" the arrays or sparse matrices of their rows.
Parts = Mapping[str, Any]

# Targets of the training rows, and how much each counts.
Learned = tuple[np.ndarray, np.ndarray | None]

# Gets inputs of n rows and gives (n, R).
Answer = Callable[[Any], np.ndarray]


@dataclass(frozen=True)
class Reference:
    """A classical model's raw answers.

    Attributes:
        name: which model, and what kept it from being all it could be.
        seconds: that it took.
        validation, test: (n, R) float32, as the network's output would give them.
    """

    name: str
    seconds: float
    validation: np.ndarray
    test: np.ndarray


def reference_for(inputs: Sequence[Field], targets: Sequence[Field], seconds: float = math.inf) -> str | None:
    """The name of the model that suits these fields; None where there is none, as for photos.

    Args:
        seconds: that it may take.
    """
    goals = [f.traits for f in targets]
    # Forecasts begin as the classical model of their kind.
    if any(one.moments for one in goals):
        return None
    if not goals or not (all(one.amount for one in goals) or (len(goals) == 1 and goals[0].one_class)):
        return None
    others = [f for f in inputs if not f.traits.prose]
    if any(f.traits.axes for f in others):
        return None
    if not time_for_library(seconds):
        words = " on TF-IDF" if len(others) < len(inputs) else ""
        return f"{LOGISTIC if goals[0].one_class else RIDGE}{words}"
    return BOOSTING if len(others) == len(inputs) else BAG


def time_for_library(seconds: float) -> bool:
    """Whether so many seconds suffice to load scikit-learn, where that is not done, and to fit something."""
    return seconds >= LEAST_SECONDS + (0 if "sklearn.linear_model" in sys.modules else LOADING_SECONDS)


def reference_seconds(budget: Budget) -> float:
    """Seconds that the reference may take out of a training's budget."""
    return BUDGET_SHARE * budget.amount if budget.kind == "seconds" else UNTIMED_SECONDS


# -- what both share


class BestAnswers:
    """The answers with the least validation loss so far."""

    def __init__(self, x: Parts, true: np.ndarray, weight: np.ndarray | None):
        self.x, self.true, self.weight, self.loss = x, true, weight, math.inf
        self.validation = self.test = np.zeros(0, np.float32)

    def offer_answer(self, answer: Answer) -> bool:
        """Whether these answers are better; then they are kept."""
        raw = answer(self.x["validation"])
        loss = float(np.average(_answer_losses(raw, self.true), weights=self.weight))
        # A gain of less than a ten-thousandth is no reason to grow more trees.
        if not loss < self.loss - 1e-4 * abs(self.loss if self.loss < math.inf else 0):
            return False
        self.loss, self.validation, self.test = loss, raw, answer(self.x["test"])
        return True


def _answer_losses(raw: np.ndarray, true: np.ndarray) -> np.ndarray:  # (n, R), (n,) class numbers or (n, R) -> (n,)
    if true.ndim == 1:
        return -raw[np.arange(len(true)), true]
    return np.square(raw - true).mean(1)


def row_weights(data: Examples, rows: np.ndarray) -> np.ndarray | None:
    """(n,) how much each of these rows counts; None where all count the same."""
    weights = data.row_weights()
    return None if weights is None else weights[rows]


def answer_function(model: Any, classes: int) -> Answer:
    """The model's raw answers; a class it has not met gets a small probability."""

    def answer_rows(x: Any) -> np.ndarray:  # n rows -> (n, R) float32
        if not classes:
            return np.reshape(model.predict(x), (x.shape[0], -1)).astype(np.float32)
        # Classes that no training row has must not cost infinitely much where validation has them.
        raw = np.full((x.shape[0], classes), math.log(1e-6), np.float32)
        raw[:, model.classes_] = np.log(np.maximum(model.predict_proba(x), 1e-9))
        return raw

    return answer_rows


def target_values(data: Examples, targets: Sequence[Field]) -> tuple[np.ndarray, int]:
    """(n,) class numbers and how many there are, or (n, R) numbers and 0."""
    true = np.asarray(encode_target(data, targets))
    if targets[0].traits.one_class:
        return true.astype(np.int64), len((targets[0].state or {})["values"])
    return true.reshape(len(true), -1), 0


def column_matrix(data: Examples, inputs: Sequence[Field]) -> tuple[np.ndarray, np.ndarray]:
    """All columns but texts, (n, F) float32 with NaN where nothing is known, and which of them are categories."""
    named = {f.name: f for f in inputs}
    found, categories = [np.zeros((len(data), 0), np.float32)], list[bool]()
    for group in input_groups(f for f in inputs if not f.traits.prose):
        encoded = encode_groups(data, [named[name] for name in group.fields])[group.key]
        columns = np.reshape(np.asarray(encoded), (len(data), -1)).astype(np.float32)
        if kind_named(group.kind).one_class:
            columns = np.where(columns < RESERVED, np.nan, columns - RESERVED).astype(np.float32)
            categories += [len((named[name].state or {})["values"]) <= MOST_CATEGORIES for name in group.fields]
        else:
            categories += [False] * columns.shape[1]
        found.append(columns)
    return np.concatenate(found, 1), np.array(categories, bool)


def spread_rows(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, spread evenly."""
    return rows if most >= len(rows) else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def shortfall_text(ended: bool, rows: int, all_rows: int) -> list[str]:
    """What kept a reference from being all it could be: rows left out, the clock. It becomes part of its name."""
    some = [] if rows == all_rows else [f"on {rows:,} of {all_rows:,} rows"]
    return some + ([] if ended else ["stopped by the time limit"])
