"""Linear models as the reference under short budgets: ridge and logistic regression, on columns or bags of tokens.

scikit-learn takes seconds to load, more than a reference may take of a budget below 50 s. These need nothing but NumPy:
columns standardised, categories one-hot, texts as TF-IDF of the tokens that the network reads too.

n examples, F features, R numbers in a raw answer: log-probabilities of C classes, or standardised numbers.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ..data import Examples, Split
from ..data.batches.batch import encode_groups
from ..fields import Field
from ..fields.encoded import Ragged
from .base import (
    FEWEST_ROWS,
    BestAnswers,
    column_matrix,
    row_weights,
    shortfall_text,
    spread_rows,
    target_values,
)

# C of the linear model: validation chooses, as for that on bags of words.
PENALTIES = (1.0, 10.0)

# Rows learned from, and columns that one category becomes at most: the commonest values have one each.
MOST_ROWS, MOST_VALUES = 100_000, 100

# The levels of a number's knots, and training rows that each feature needs for numbers to have splines.
KNOTS, ROWS_A_FEATURE = np.linspace(0, 1, 11), 10

# Steps that L-BFGS looks back on, the least decrease of the loss it goes on for, and steps in all.
MEMORY, LEAST_DECREASE, MOST_STEPS = 10, 1e-6, 500

# Of the time left, that a single look at all rows may take; rows are left out where it takes longer.
LOOK_SHARE = 1 / 25


class Columns:
    """Features of a table: (n, F) float32."""

    def __init__(self, values: np.ndarray):
        self.values = values
        self.rows, self.width = values.shape

    def times(self, weights: np.ndarray) -> np.ndarray:  # (F, R) -> (n, R)
        return self.values @ weights

    def back(self, errors: np.ndarray) -> np.ndarray:  # (n, R) -> (F, R)
        return self.values.T @ errors


class Bags:
    """Bags of tokens, each token of an example once with its TF-IDF; the features of an example have length 1.

    Args:
        row, token: (m,) of each entry, in order of the rows. value: (m,) float32. rows, width: n and F.
    """

    def __init__(self, row: np.ndarray, token: np.ndarray, value: np.ndarray, rows: int, width: int):
        self.rows, self.width = rows, width
        order = np.argsort(token, kind="stable")
        # Sums of neighbours are much faster than sums by number: entries stand in order of the rows, and of the tokens.
        self._by_row = Sums(row, token, value)
        self._by_token = Sums(token[order], row[order], value[order])

    def times(self, weights: np.ndarray) -> np.ndarray:
        return self._by_row.of_products(weights, self.rows)

    def back(self, errors: np.ndarray) -> np.ndarray:
        return self._by_token.of_products(errors, self.width)


class Sums:
    """Sums of entries with the same ``to``, which rises, each entry the ``value`` times a row of something."""

    def __init__(self, to: np.ndarray, source: np.ndarray, value: np.ndarray):
        self.source, self.value = source, value[:, None]
        self.starts = np.flatnonzero(np.diff(to, prepend=-1))
        self.places = to[self.starts]

    def of_products(self, rows: np.ndarray, n: int) -> np.ndarray:  # (k, R) -> (n, R)
        """For each of ``n`` places the sum of its entries' value times their source's row."""
        found = np.zeros((n, rows.shape[1]), np.float32)
        if len(self.starts):
            found[self.places] = np.add.reduceat(self.value * rows[self.source], self.starts, axis=0)
        return found


class SideBySide:
    """Features of several sorts as one matrix, and a column of ones for the intercept at its end."""

    def __init__(self, blocks: Sequence[Columns | Bags]):
        self.blocks, self.rows = blocks, blocks[0].rows
        self.width = sum(block.width for block in blocks) + 1
        # As ``BestAnswers`` and the models of scikit-learn have it.
        self.shape = (self.rows, self.width)

    def times(self, weights: np.ndarray) -> np.ndarray:
        edges = np.cumsum([block.width for block in self.blocks])
        parts = np.split(weights[:-1], edges[:-1])
        return weights[-1] + sum(block.times(part) for block, part in zip(self.blocks, parts, strict=True))

    def back(self, errors: np.ndarray) -> np.ndarray:
        return np.concatenate([*(block.back(errors) for block in self.blocks), errors.sum(0, keepdims=True)])


def fit_linear(
    data: Examples, inputs: Sequence[Field], targets: Sequence[Field], split: Split, until: float
) -> tuple[BestAnswers, list[str]] | None:
    """A linear model of the columns and the texts; ``until`` is of ``time.perf_counter``."""
    true, classes = target_values(data, targets)
    rows = spread_rows(split.train, MOST_ROWS)
    if classes and len(np.unique(true[rows])) < 2:
        return None
    make = feature_maker(data, inputs, rows)
    weight = row_weights(data, rows)
    train, goal = make(rows), one_hot(true[rows], classes)
    # A look at all rows, timed: of more than can be looked at often enough, some are left out.
    began = time.perf_counter()
    train.back(train.times(np.zeros((train.width, goal.shape[1]), np.float32)))
    look, left = time.perf_counter() - began, until - time.perf_counter()
    if look > LOOK_SHARE * left:
        rows = spread_rows(rows, int(len(rows) * max(LOOK_SHARE * left / look, 0.0)))
        if len(rows) < min(FEWEST_ROWS, len(split.train)):
            return None
        weight = row_weights(data, rows)
        train, goal = make(rows), one_hot(true[rows], classes)
    parts = {"validation": make(split.validation), "test": make(split.test)}
    best = BestAnswers(parts, true[split.validation], row_weights(data, split.validation))
    weights, ended = first_weights(train.width, goal, bool(classes), weight), True
    for place, penalty in enumerate(PENALTIES):
        columns = train.blocks[0] if len(train.blocks) == 1 else None
        if not classes and isinstance(columns, Columns):
            weights = ridge_weights(columns.values, goal, weight, 1 / penalty)
        else:
            now = time.perf_counter()
            objective = regularised_loss(train, goal, weight, bool(classes), 1 / penalty)
            weights, converged = minimise(objective, weights, now + (until - now) / (len(PENALTIES) - place))
            ended &= converged
        best.offer_answer(partial(answer_rows, weights, bool(classes)))
    return best, shortfall_text(ended, len(rows), len(split.train))


def answer_rows(weights: np.ndarray, classes: bool, x: SideBySide) -> np.ndarray:  # (F, R) -> (n, R) float32
    """The raw answers of a linear model."""
    return log_shares(x.times(weights)) if classes else x.times(weights).astype(np.float32)


def ridge_weights(
    x: np.ndarray, goal: np.ndarray, weight: np.ndarray | None, strength: float
) -> np.ndarray:  # (n, F), (n, R), (n,) -> (F + 1, R)
    """The weights of ridge regression (Hoerl and Kennard, 1970) in closed form, the intercept last."""
    even = np.ones(len(x)) if weight is None else weight / weight.mean()
    means = [np.average(one, 0, even) for one in (x, goal)]
    centred, wanted = ((one - mean).astype(np.float64) for one, mean in zip((x, goal), means, strict=True))
    square = (centred * even[:, None]).T @ centred
    found = np.linalg.solve(square + strength * np.eye(x.shape[1]), (centred * even[:, None]).T @ wanted)
    return np.concatenate([found, (means[1] - means[0] @ found)[None]]).astype(np.float32)


def one_hot(true: np.ndarray, classes: int) -> np.ndarray:  # (n,) or (n, R) -> (n, R) float32
    """Targets as the model answers them: a 1 for the class of each, or the numbers themselves."""
    return np.eye(classes, dtype=np.float32)[true] if classes else true.astype(np.float32)


def log_shares(scores: np.ndarray) -> np.ndarray:  # (n, C) -> (n, C)
    """The logarithm of each class's probability."""
    above = scores - scores.max(1, keepdims=True)
    return (above - np.log(np.exp(above).sum(1, keepdims=True))).astype(np.float32)


def first_weights(width: int, goal: np.ndarray, classes: bool, weight: np.ndarray | None) -> np.ndarray:  # -> (F, R)
    """Weights of nothing, with the intercept that is right on average."""
    mean = np.average(goal, 0, weight)
    weights = np.zeros((width, goal.shape[1]), np.float32)
    weights[-1] = np.log(np.maximum(mean, 1e-6)) if classes else mean
    return weights


# A loss and its gradient at some weights (F, R).
Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def regularised_loss(
    x: SideBySide, goal: np.ndarray, weight: np.ndarray | None, classes: bool, strength: float
) -> Objective:
    """Cross-entropy or half the squared error, a mean over examples, with ``strength`` / n of the squared weights.

    Args:
        goal: (n, R). weight: (n,) how much each example counts.
    """
    n = len(goal)
    each = np.full((n, 1), 1 / n, np.float32)
    if weight is not None:
        each = (weight / weight.sum()).astype(np.float32)[:, None]
    pull = np.full((x.width, 1), strength / n, np.float32)
    # The intercept is free.
    pull[-1] = 0

    def of_weights(weights: np.ndarray) -> tuple[float, np.ndarray]:
        answer = x.times(weights)
        if classes:
            answer = log_shares(answer)
            loss, error = -float((each * goal * answer).sum(dtype=np.float64)), np.exp(answer) - goal
        else:
            error = answer - goal
            loss = float((each * error**2).sum(dtype=np.float64)) / 2
        loss += float((pull * weights**2).sum(dtype=np.float64)) / 2
        return loss, x.back(each * error) + pull * weights

    return of_weights


def minimise(objective: Objective, start: np.ndarray, until: float) -> tuple[np.ndarray, bool]:  # (F, R) -> (F, R)
    """The weights of the least loss (L-BFGS; Liu and Nocedal, 1989), and whether it ended before ``until``."""
    at = start
    loss, slope = objective(at)
    moves: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=MEMORY)
    for _ in range(MOST_STEPS):
        if time.perf_counter() > until:
            return at, False
        direction = -_times_inverse(moves, slope)
        downhill, length = float((direction * slope).sum()), 1.0
        if not moves:
            length = 1 / max(float(np.sqrt((slope**2).sum())), 1e-12)
        # Halved until the loss falls by a little of what the slope promises (Armijo).
        for _ in range(30):
            new = at + np.float32(length) * direction
            lower, steeper = objective(new)
            if lower <= loss + 1e-4 * length * downhill:
                break
            length /= 2
        else:
            return at, True
        step, change = new - at, steeper - slope
        curved = float((step * change).sum())
        if curved > 1e-10 * float((change**2).sum()):
            moves.append((step, change, curved))
        gained, at, loss, slope = loss - lower, new, lower, steeper
        if gained < LEAST_DECREASE * max(abs(loss), 1e-6):
            return at, True
    return at, True


def _times_inverse(moves: deque[tuple[np.ndarray, np.ndarray, float]], slope: np.ndarray) -> np.ndarray:
    """The gradient times the inverse curvature that the last moves showed: L-BFGS's two loops."""
    found, shares = slope.copy(), list[float]()
    for step, change, curved in reversed(moves):
        shares.append(float((step * found).sum()) / curved)
        found -= np.float32(shares[-1]) * change
    if moves:
        _, change, curved = moves[-1]
        found *= np.float32(curved / float((change**2).sum()))
    for (step, change, curved), share in zip(moves, reversed(shares), strict=True):
        found += np.float32(share - float((change * found).sum()) / curved) * step
    return found


# -- features


def feature_maker(data: Examples, inputs: Sequence[Field], rows: np.ndarray) -> Callable[[np.ndarray], SideBySide]:
    """A function that gives the features of some rows; scales and frequencies are those of ``rows``, of training."""
    prose = [f for f in inputs if f.traits.prose]
    makers: list[Callable[[np.ndarray], Columns | Bags]] = [token_maker(data, field, rows) for field in prose]
    if len(prose) < len(inputs):
        values = table_features(*column_matrix(data, inputs), rows)
        makers.append(lambda some: Columns(values[some]))
    return lambda some: SideBySide([make(some) for make in makers])


def table_features(
    values: np.ndarray, categories: np.ndarray, rows: np.ndarray
) -> np.ndarray:  # (n, F'), (F',) -> (n, F)
    """Numbers standardised by ``rows``, 0 and a column of its own where missing; a column for each common category.

    Of many rows numbers have linear splines too, so that an answer may bend.
    """
    found = []
    bent = len(rows) >= ROWS_A_FEATURE * (len(KNOTS) + 1) * int((~categories).sum())
    for column, category in zip(values.T, categories, strict=True):
        known = np.isfinite(column)
        seen = column[rows][known[rows]]
        if category:
            kinds, counts = np.unique(seen, return_counts=True)
            found += [column == kind for kind in kinds[np.argsort(-counts, kind="stable")[:MOST_VALUES]]]
            continue
        mean, std = (float(seen.mean()), float(seen.std())) if len(seen) else (0.0, 0.0)
        found.append(np.where(known, (column - mean) / (std or 1.0), 0.0))
        if not known.all():
            found.append(~known)
        knots = np.unique(np.quantile(seen, KNOTS)) if bent and len(seen) else np.zeros(0)
        if len(knots) > 2:
            found += [np.where(known, np.interp(column, knots, tent), 0.0) for tent in np.eye(len(knots))]
    stacked = [np.asarray(column, np.float32) for column in found]
    return np.stack(stacked, 1) if stacked else np.zeros((len(values), 0), np.float32)


def token_maker(data: Examples, field: Field, rows: np.ndarray) -> Callable[[np.ndarray], Bags]:
    """Bags of a text's tokens: 1 + log of the count, times the inverse document frequency, scaled to length 1."""
    (encoded,) = encode_groups(data, [field]).values()
    assert isinstance(encoded, Ragged)
    width = int(encoded.values.max(initial=0)) + 1

    def count_tokens(some: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lengths = encoded.lengths[some]
        row = np.repeat(np.arange(len(some)), lengths)
        inside = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        token = np.asarray(encoded.values)[np.repeat(encoded.starts[some], lengths) + inside]
        each, count = np.unique(row.astype(np.int64) * width + token, return_counts=True)
        return each // width, each % width, count

    documents = np.bincount(count_tokens(rows)[1], minlength=width)
    rarity = np.log((1 + len(rows)) / (1 + documents)) + 1

    def make_bags(some: np.ndarray) -> Bags:
        row, token, count = count_tokens(some)
        value = (1 + np.log(count)) * rarity[token]
        value /= np.sqrt(np.bincount(row, value**2, len(some)))[row]
        return Bags(row, token, value.astype(np.float32), len(some), width)

    return make_bags
