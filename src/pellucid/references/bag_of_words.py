"""A linear model on bags of words as the reference of texts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..data import Examples, Split
from ..fields import Field, kind_named
from .base import (
    FEWEST_ROWS,
    MOST_WORD_CELLS,
    MOST_WORDS,
    BestAnswers,
    Learned,
    Parts,
    answer_function,
    column_matrix,
    row_weights,
    shortfall_text,
    spread_rows,
    target_values,
)

# C of the linear model: validation chooses.
PENALTIES = (1.0, 10.0)


def fit_bag_of_words(
    data: Examples, inputs: Sequence[Field], targets: Sequence[Field], split: Split, until: float
) -> tuple[BestAnswers, list[str]] | None:
    """A linear model on bags of words; other columns stand beside them."""
    from scipy import sparse

    true, classes = target_values(data, targets)
    rows = affordable_texts(data, inputs, split, 0.5 * (until - time.perf_counter()))
    if len(rows) < min(FEWEST_ROWS, len(split.train)) or (classes and len(np.unique(true[rows])) < 2):
        return None
    parts = {"train": rows, "validation": split.validation, "test": split.test}
    blocks = [_word_counts(data, f, parts, classes) for f in inputs if f.traits.prose]
    if len(blocks) < len(inputs):
        blocks.append(_other_columns(data, inputs, parts))
    x = {part: sparse.hstack([block[part] for block in blocks], format="csr") for part in parts}
    best = BestAnswers(x, true[split.validation], row_weights(data, split.validation))
    ended = _fit_penalties(best, (true[rows], row_weights(data, rows)), classes, until)
    return best, shortfall_text(ended, len(rows), len(split.train))


def affordable_texts(data: Examples, inputs: Sequence[Field], split: Split, seconds: float) -> np.ndarray:
    """Training rows whose texts can be taken apart in ``seconds``, after those of validation and test."""
    texts = [data.stored_values(f.name).arrays["ends"] for f in inputs if f.traits.prose]
    # (n,), in bytes.
    lengths = np.sum([np.diff(ends, prepend=0) for ends in texts], 0)
    trial = spread_rows(split.train, 200)
    began = time.perf_counter()
    for field in inputs:
        if field.traits.prose:
            _make_vectorizer(0).fit_transform(_row_texts(data, field, trial))
    # Seconds a byte, timed on 200 texts: texts differ more in length than in speed.
    each = (time.perf_counter() - began) / max(int(lengths[trial].sum()), 1)
    left = seconds / each - lengths[split.validation].sum() - lengths[split.test].sum()
    return spread_rows(split.train, max(int(left / max(lengths[split.train].mean(), 1)), 0))


def _make_vectorizer(classes: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    most = min(MOST_WORDS, MOST_WORD_CELLS // max(classes, 1))
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=most, dtype=np.float32)


def _row_texts(data: Examples, field: Field, rows: np.ndarray) -> list[Any]:
    kind, stored = kind_named(field.kind), data.stored_values(field.name)
    return [kind.show(stored, int(row)) for row in rows]


def _word_counts(data: Examples, field: Field, parts: Mapping[str, np.ndarray], classes: int) -> Parts:
    """Words and pairs of one text field, sparse (n, F) of each part."""
    from scipy import sparse

    vectorizer = _make_vectorizer(classes)
    try:
        train = vectorizer.fit_transform(_row_texts(data, field, parts["train"]))
    # No words at all.
    except ValueError:
        return {part: sparse.csr_matrix((len(rows), 0), dtype=np.float32) for part, rows in parts.items()}
    others = {part: vectorizer.transform(_row_texts(data, field, parts[part])) for part in ("validation", "test")}
    return {"train": train, **others}


def _other_columns(data: Examples, inputs: Sequence[Field], parts: Mapping[str, np.ndarray]) -> Parts:
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
        # ``warm_start`` goes on where the last fit ended, so that the clock is asked now and then.
        model.max_iter = min(100, int(0.8 * model.max_iter * (until - now) / (now - began)))
        if model.max_iter < 5:
            return False
