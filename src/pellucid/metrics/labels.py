"""Metrics of labels, several an example.

n examples, C labels, S sets of weights, G runs of equal scores. Answers are (n, 2 C): the probability of each label,
then whether it is said; the truth is (n, C) bool.
"""

from __future__ import annotations

import numpy as np

from .base import Judge, Metric, mean_of, mean_where
from .numbers import UNBOUNDED


def micro_f1(answers: np.ndarray, true: np.ndarray) -> Judge:
    """F1 over all labels together: 2 rightly said / (said + there); 1 where there was nothing and nothing was said."""
    said = _decided_labels(answers)
    columns = np.stack([(said & true).sum(1), said.sum(1) + true.sum(1)], 1).astype(float)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        right, either = (weight @ columns).T
        return np.where(either > 0, 2 * right / np.where(either > 0, either, 1), 1.0)

    return of_weights


def macro_f1_of_labels(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The mean F1 over labels that are there or were said."""
    said = _decided_labels(answers)
    right, both = (said & true).astype(float), said.astype(float) + true

    def judge(weight: np.ndarray) -> np.ndarray:
        either = weight @ both  # (S, C)
        return mean_where(2 * (weight @ right) / np.where(either > 0, either, 1), either > 0)

    return judge


def mean_average_precision(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The mean average precision over labels that are there."""
    each = [average_precision(answers[:, c], true[:, c]) for c in range(true.shape[1])]

    def of_weights(weight: np.ndarray) -> np.ndarray:
        found = np.stack([one(weight) for one in each], 1)  # (S, C)
        return mean_where(found, np.isfinite(found))

    return of_weights


def average_precision(score: np.ndarray, positive: np.ndarray) -> Judge:  # (n,), (n,)
    """The mean, over positive examples, of the precision among those that score as high; NaN where there is none."""
    order = np.argsort(-score, kind="stable")
    # Examples of equal scores have no order among them: the curve has one point at the end of each run.
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    right = positive[order].astype(float)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        own = weight[:, order]
        hits, ranked = (own * right).cumsum(1)[:, last], own.cumsum(1)[:, last]  # (S, G)
        gained = np.diff(hits, prepend=0.0, axis=1) * hits / np.where(ranked > 0, ranked, 1)
        total = hits[:, -1]
        return np.where(total > 0, gained.sum(1) / np.where(total > 0, total, 1), np.nan)

    return of_weights


def every_label_right(answers: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of((_decided_labels(answers) == true).all(1).astype(float))


def labels_wrong(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The share of all decisions that are wrong (Hamming loss)."""
    return mean_of((_decided_labels(answers) != true).astype(float))


def log_loss_of_labels(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The mean, over all decisions, of -log of the probability given to the truth."""
    probabilities = answers[:, : true.shape[1]]
    return mean_of(-np.log(np.maximum(np.where(true, probabilities, 1 - probabilities), np.finfo(float).eps)))


def _decided_labels(answers: np.ndarray) -> np.ndarray:  # (n, 2 C) -> (n, C) bool
    return answers[:, answers.shape[1] // 2 :] > 0.5


AGREE = (
    "{name} {value:.1%} ({low:.1%} to {high:.1%}): how far predicted and actual labels agree; "
    "baseline ({naive}): {base:.1%}."
)

OF_LABELS = {
    metric.name: metric
    for metric in (
        Metric("micro F1", micro_f1, ("f1", "f1 micro"), percent=True, sentence=AGREE),
        Metric("macro F1", macro_f1_of_labels, ("macro f1", "f1 macro"), percent=True,
               sentence=AGREE.replace("labels agree", "labels agree, as a mean over labels")),
        Metric("mean average precision", mean_average_precision, ("map", "average precision")),
        Metric("every label right", every_label_right, ("accuracy", "exact match", "subset accuracy"), percent=True,
               sentence="Exact match {value:.1%} ({low:.1%} to {high:.1%}): the share with all labels right; "
                        "baseline ({naive}): {base:.1%}."),
        Metric("labels wrong", labels_wrong, ("hamming", "hamming loss"), higher=False, percent=True,
               sentence="Hamming loss {value:.1%} ({low:.1%} to {high:.1%}): the share of labels that are wrong; "
                        "baseline ({naive}): {base:.1%}."),
        Metric("log loss", log_loss_of_labels, ("log loss", "logloss", "cross entropy"), higher=False,
               limits=UNBOUNDED),
    )
}  # fmt: skip
