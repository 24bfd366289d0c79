"""What a classical model gets on the same split, so that nobody has to take a network on trust.

For tables gradient boosting on histograms (Friedman, 2001; Ke et al., "LightGBM", 2017), for texts TF-IDF of words and
pairs of words with a linear model, both by scikit-learn. They learn from the training rows, are chosen on validation,
and give raw answers in the form of the network's output, so that one metric scores both. No test target is read.

n examples, F columns, R numbers in a raw answer: log-probabilities of C classes, or standardised numbers.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from .data import Dataset, Split
from .data.batch import encode_groups, encode_target
from .data.cache import key_of
from .fields import Field, input_groups, kind_named
from .fields.category import RESERVED
from .options import Budget

BOOSTING, BAG = "gradient boosting", "TF-IDF with a linear model"
SHARE, UNTIMED = 0.05, 10.0  # of a budget of time; seconds where the budget is none
LOADING, LEAST = 2.0, 0.3  # seconds to import scikit-learn, and the least worth beginning with after that
FIRST, ROUNDS, MOST_ROUNDS = 5, 20, 1000  # of trees: until the first look at validation, until the next ones, in all
PATIENCE = 2  # looks without a better loss after which boosting stops
CATEGORIES = 255  # of a column that trees can hold apart; a column with more is taken for numbers
PENALTIES = (1.0, 10.0)  # C of the linear model: validation chooses
WORDS, CELLS = 200_000, 20_000_000  # words and pairs that count at most; of them times classes
ROOMY = 1_000_000  # cells of a table for each thread: with fewer they wait for each other more than they work
MOST_CELLS = 1 << 25  # of a table; more would take a gigabyte
FEWEST = 500  # rows to learn from, unless there are fewer

Parts = Mapping[str, Any]  # train, validation, test -> arrays or sparse matrices of their rows
Learned = tuple[np.ndarray, np.ndarray | None]  # targets of the training rows, and how much each counts
Answer = Callable[[Any], np.ndarray]  # inputs of n rows -> (n, R)


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


def reference_for(inputs: Sequence[Field], targets: Sequence[Field]) -> str | None:
    """The name of the model that suits these fields; None where there is none, as for photos."""
    goals = [f.kind for f in targets]
    if goals != ["category"] and set(goals) != {"number"}:
        return None
    others = [f.kind for f in inputs if f.kind != "text"]
    if any(kind_named(kind).axes for kind in others):
        return None
    return BOOSTING if len(others) == len(inputs) else BAG


def reference_seconds(budget: Budget) -> float:
    """Seconds that the reference may take out of a training's budget."""
    return SHARE * budget.amount if budget.kind == "seconds" else UNTIMED


def fit_reference(
    data: Dataset, fields: Mapping[str, Field], split: Split, seconds: float, say: Callable[[str], None]
) -> Reference | None:
    """The reference for this data: from the data's cache, or fitted in about ``seconds`` at most.

    Args:
        fields: inputs and targets with what they learned from the training rows.
        say: is told why there is none, where one would have suited.
    """
    inputs, targets = ([f for f in fields.values() if f.role == role] for role in ("input", "target"))
    name = reference_for(inputs, targets)
    if name is None:
        return None
    if len(data) * len(inputs) > MOST_CELLS:
        say(f"{name} as a reference is left out: {len(data):,} rows are more than it can hold in memory")
        return None
    about = cache_about(data, [*inputs, *targets], split)
    found = cached_reference(data, about, seconds)
    if found is not None:
        return found
    if seconds < LEAST + (0 if "sklearn.linear_model" in sys.modules else LOADING):
        say(f"{name} as a reference is left out: {seconds:.2g} s, its share of the budget, do not suffice to load it")
        return None
    began = time.perf_counter()
    with _limit_threads(len(split.train) * len(inputs)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged is said in its name
        fit = fit_boosting if name == BOOSTING else fit_bag_of_words
        try:
            made = fit(data, inputs, targets, split, began + 0.9 * seconds)
        except (ValueError, ArithmeticError, MemoryError) as error:  # it is no reason to train no network
            say(f"{name} as a reference is left out: {(str(error) or type(error).__name__).splitlines()[0]}")
            return None
    if made is None:
        say(f"{name} as a reference is left out: on this data it takes longer than {seconds:.2g} s")
        return None
    best, shortfall = made
    took = time.perf_counter() - began
    found = Reference(", ".join([name, *shortfall]), took, best.validation, best.test)
    return cache_reference(data, about, "whole" if not shortfall else seconds_level(seconds), found)


# -- kept, so that it is paid for once a split


def cache_about(data: Dataset, fields: Sequence[Field], split: Split) -> tuple[Any, ...]:
    rows = [hashlib.sha256(part.tobytes()).hexdigest() for part in split.parts().values()]
    return "reference", version("scikit-learn"), data.fingerprint(), rows, [f.to_json() for f in fields]


def seconds_level(seconds: float) -> int:
    return math.floor(math.log2(seconds))


def cached_reference(data: Dataset, about: tuple[Any, ...], seconds: float) -> Reference | None:
    """One that came to its own end, or had about as many seconds at least."""
    for level in ("whole", *range(seconds_level(seconds), 16)):
        entry = data.cache.get(key_of(*about, level), data.notes.append)
        if entry is not None:
            arrays = entry.arrays
            return Reference(entry.meta["name"], entry.meta["seconds"], arrays["validation"], arrays["test"])
    return None


def cache_reference(data: Dataset, about: tuple[Any, ...], level: str | int, found: Reference) -> Reference:
    arrays = {"validation": found.validation, "test": found.test}
    meta = {k: v for k, v in asdict(found).items() if k not in arrays}
    data.cache.get_or_build(key_of(*about, level), lambda _: (arrays, meta), data.notes.append)
    return found


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
        if not loss < self.loss - 1e-4 * abs(self.loss if self.loss < math.inf else 0):
            return False
        self.loss, self.validation, self.test = loss, raw, answer(self.x["test"])
        return True


def _answer_losses(raw: np.ndarray, true: np.ndarray) -> np.ndarray:  # (n, R), (n,) class numbers or (n, R) -> (n,)
    if true.ndim == 1:
        return -raw[np.arange(len(true)), true]
    return np.square(raw - true).mean(1)


def row_weights(data: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """(n,) how much each of these rows counts; None where all count the same."""
    weights = data.row_weights()
    return None if weights is None else weights[rows]


def answer_function(model: Any, classes: int) -> Answer:
    """The model's raw answers; a class it has not met gets a small probability."""

    def answer_rows(x: Any) -> np.ndarray:  # n rows -> (n, R) float32
        if not classes:
            return np.reshape(model.predict(x), (x.shape[0], -1)).astype(np.float32)
        raw = np.full((x.shape[0], classes), math.log(1e-6), np.float32)
        raw[:, model.classes_] = np.log(np.maximum(model.predict_proba(x), 1e-9))
        return raw

    return answer_rows


def target_values(data: Dataset, targets: Sequence[Field]) -> tuple[np.ndarray, int]:
    """(n,) class numbers and how many there are, or (n, R) numbers and 0."""
    true = np.asarray(encode_target(data, targets))
    if targets[0].kind == "category":
        return true.astype(np.int64), len((targets[0].state or {})["values"])
    return true.reshape(len(true), -1), 0


def column_matrix(data: Dataset, inputs: Sequence[Field]) -> tuple[np.ndarray, np.ndarray]:
    """All columns but texts, (n, F) float32 with NaN where nothing is known, and which of them are categories."""
    named = {f.name: f for f in inputs}
    found, categories = [np.zeros((len(data), 0), np.float32)], list[bool]()
    for group in input_groups(f for f in inputs if f.kind != "text"):
        encoded = encode_groups(data, [named[name] for name in group.fields])[group.key]
        columns = np.reshape(np.asarray(encoded), (len(data), -1)).astype(np.float32)
        if group.kind == "category":
            columns = np.where(columns < RESERVED, np.nan, columns - RESERVED).astype(np.float32)
            categories += [len((named[name].state or {})["values"]) <= CATEGORIES for name in group.fields]
        else:
            categories += [False] * columns.shape[1]
        found.append(columns)
    return np.concatenate(found, 1), np.array(categories, bool)


def spread_rows(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, spread evenly."""
    return rows if most >= len(rows) else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _limit_threads(cells: int) -> AbstractContextManager[Any]:
    """As many threads as the work is worth; on a busy machine threads with little to do make it 1,000 times slower."""
    import sklearn.ensemble  # noqa: F401  only libraries that are loaded by now are held to the limit
    from threadpoolctl import threadpool_limits

    return threadpool_limits(max(1, min(os.cpu_count() or 1, cells // ROOMY)))


# -- tables


def fit_boosting(
    data: Dataset, inputs: Sequence[Field], targets: Sequence[Field], split: Split, until: float
) -> tuple[BestAnswers, list[str]] | None:
    """Boosted trees until validation stops improving; several numbers each have trees of their own."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    (x, categories), (true, classes) = column_matrix(data, inputs), target_values(data, targets)
    left, goals = until - time.perf_counter(), 1 if classes else true.shape[1]
    trees = classes if classes > 2 else 1
    rows = spread_rows(split.train, affordable_rows(len(split.train), x.shape[1], trees, left / goals))
    if len(rows) < min(FEWEST, len(split.train)) or (classes and len(np.unique(true[rows])) < 2):
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
    model.max_iter, rounds, stale = 0, FIRST, 0
    while stale < PATIENCE and model.max_iter < MOST_ROUNDS:
        began = time.perf_counter()
        model.max_iter += rounds
        model.fit(best.x["train"], *learned)
        stale = 0 if best.offer_answer(answer_function(model, classes)) else stale + 1
        now = time.perf_counter()
        rounds = min(ROUNDS, int(0.8 * rounds * (until - now) / (now - began)))
        if rounds < FIRST:
            return stale >= PATIENCE
    return True


def affordable_rows(rows: int, columns: int, trees: int, seconds: float) -> int:
    """Rows that leave time for the first rounds, by what one core took (busy with other work: it is on the safe side).

    Args:
        trees: that a round grows.
    """
    once = columns * 1e-3 + FIRST * trees * (3e-4 * columns + 1e-3)
    each = columns * (2.5e-7 + FIRST * trees * 1.5e-8)
    return min(rows, max(int((0.7 * seconds - once) / max(each, 1e-9)), 0))


def shortfall_text(ended: bool, rows: int, all_rows: int) -> list[str]:
    some = [] if rows == all_rows else [f"on {rows:,} of {all_rows:,} rows"]
    return some + ([] if ended else ["cut short by the clock"])


# -- texts


def fit_bag_of_words(
    data: Dataset, inputs: Sequence[Field], targets: Sequence[Field], split: Split, until: float
) -> tuple[BestAnswers, list[str]] | None:
    """A linear model on bags of words; other columns stand beside them."""
    from scipy import sparse

    true, classes = target_values(data, targets)
    rows = affordable_texts(data, inputs, split, 0.5 * (until - time.perf_counter()))
    if len(rows) < min(FEWEST, len(split.train)) or (classes and len(np.unique(true[rows])) < 2):
        return None
    parts = {"train": rows, "validation": split.validation, "test": split.test}
    blocks = [_word_counts(data, f, parts, classes) for f in inputs if f.kind == "text"]
    if len(blocks) < len(inputs):
        blocks.append(_other_columns(data, inputs, parts))
    x = {part: sparse.hstack([block[part] for block in blocks], format="csr") for part in parts}
    best = BestAnswers(x, true[split.validation], row_weights(data, split.validation))
    ended = _fit_penalties(best, (true[rows], row_weights(data, rows)), classes, until)
    return best, shortfall_text(ended, len(rows), len(split.train))


def affordable_texts(data: Dataset, inputs: Sequence[Field], split: Split, seconds: float) -> np.ndarray:
    """Training rows whose texts can be taken apart in ``seconds``, after those of validation and test."""
    texts = [data.stored_values(f.name).arrays["ends"] for f in inputs if f.kind == "text"]
    lengths = np.sum([np.diff(ends, prepend=0) for ends in texts], 0)  # (n,) bytes
    trial = spread_rows(split.train, 200)
    began = time.perf_counter()
    for field in inputs:
        if field.kind == "text":
            _make_vectorizer(0).fit_transform(_row_texts(data, field, trial))
    each = (time.perf_counter() - began) / max(int(lengths[trial].sum()), 1)  # seconds a byte
    left = seconds / each - lengths[split.validation].sum() - lengths[split.test].sum()
    return spread_rows(split.train, max(int(left / max(lengths[split.train].mean(), 1)), 0))


def _make_vectorizer(classes: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    most = min(WORDS, CELLS // max(classes, 1))
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=most, dtype=np.float32)


def _row_texts(data: Dataset, field: Field, rows: np.ndarray) -> list[Any]:
    kind, stored = kind_named(field.kind), data.stored_values(field.name)
    return [kind.show(stored, int(row)) for row in rows]


def _word_counts(data: Dataset, field: Field, parts: Mapping[str, np.ndarray], classes: int) -> Parts:
    """Words and pairs of one text field, sparse (n, F) of each part."""
    from scipy import sparse

    vectorizer = _make_vectorizer(classes)
    try:
        train = vectorizer.fit_transform(_row_texts(data, field, parts["train"]))
    except ValueError:  # no words at all
        return {part: sparse.csr_matrix((len(rows), 0), dtype=np.float32) for part, rows in parts.items()}
    others = {part: vectorizer.transform(_row_texts(data, field, parts[part])) for part in ("validation", "test")}
    return {"train": train, **others}


def _other_columns(data: Dataset, inputs: Sequence[Field], parts: Mapping[str, np.ndarray]) -> Parts:
    """The columns beside the texts: numbers as they are, 0 where missing; a column for each category."""
    from scipy import sparse
    from sklearn.preprocessing import OneHotEncoder

    x, categories = column_matrix(data, inputs)
    numbers = sparse.csr_matrix(np.nan_to_num(x[:, ~categories]))
    if not categories.any():
        return {part: numbers[rows] for part, rows in parts.items()}
    one_hot = OneHotEncoder(handle_unknown="ignore", dtype=np.float32).fit(x[parts["train"]][:, categories])
    return {
        part: sparse.hstack([numbers[rows], one_hot.transform(x[rows][:, categories])]) for part, rows in parts.items()
    }


def _fit_penalties(best: BestAnswers, learned: Learned, classes: int, until: float) -> bool:
    """Fit each penalty, the strongest first; whether the clock left time for all."""
    from sklearn.linear_model import LogisticRegression, Ridge

    for c in PENALTIES:
        if not classes:
            model = Ridge(alpha=1 / c, solver="sparse_cg", max_iter=200).fit(best.x["train"], *learned)
            ended = time.perf_counter() < until
        else:
            model = LogisticRegression(C=c, warm_start=True, max_iter=10)
            ended = _fit_to_end(model, best.x["train"], learned, until)
        best.offer_answer(answer_function(model, classes))
        if not ended:
            return False
    return True


def _fit_to_end(model: Any, x: Any, learned: Learned, until: float) -> bool:
    """Fit some steps at a time, each sitting from where the last one ended; whether it came to its end."""
    while True:
        began = time.perf_counter()
        model.fit(x, *learned)
        now = time.perf_counter()
        if model.n_iter_.max() < model.max_iter:
            return True
        model.max_iter = min(100, int(0.8 * model.max_iter * (until - now) / (now - began)))
        if model.max_iter < 5:
            return False
