"""Metrics of classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import Judge, Metric, mean_of, mean_where, summed_by
from .numbers import UNBOUNDED


def accuracy(probabilities: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of((probabilities.argmax(1) == true).astype(float))


def balanced_accuracy(probabilities: np.ndarray, true: np.ndarray) -> Judge:
    """The mean, over classes that are there, of the share of each that is found."""
    right, of = (probabilities.argmax(1) == true).astype(float), summed_by(true, probabilities.shape[1])

    def of_weights(weight: np.ndarray) -> np.ndarray:
        count = of(weight)
        return mean_where(of(weight * right) / np.where(count > 0, count, 1), count > 0)

    return of_weights


def _class_f1(probabilities: np.ndarray, true: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """F1 of each class, (S, C), and where it means something: the class is there or was said."""
    guess, classes = probabilities.argmax(1), probabilities.shape[1]
    right, there, said = (guess == true).astype(float), summed_by(true, classes), summed_by(guess, classes)

    def of_weights(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        either = there(weight) + said(weight)
        return 2 * there(weight * right) / np.where(either > 0, either, 1), either > 0

    return of_weights


def macro_f1(probabilities: np.ndarray, true: np.ndarray) -> Judge:
    """The mean F1 over classes that are there or were said."""
    each = _class_f1(probabilities, true)
    return lambda weight: mean_where(*each(weight))


def f1_of(place: int, label: str) -> Metric:
    """F1 of one class: the harmonic mean of how much of it is found and how often it is rightly said."""

    def of_one(probabilities: np.ndarray, true: np.ndarray) -> Judge:
        each = _class_f1(probabilities, true)
        return lambda weight: np.where(each(weight)[1][:, place], each(weight)[0][:, place], np.nan)

    return Metric(f"F1 of '{label}'", of_one, (f"f1:{label}",), decides=True)


def log_loss(probabilities: np.ndarray, true: np.ndarray) -> Judge:
    """The mean of -log of the probability given to the truth."""
    # As scikit-learn has it: a probability of 0 costs 36, not infinity.
    return mean_of(-np.log(np.maximum(probabilities[np.arange(len(true)), true], np.finfo(float).eps)))


def roc_auc(probabilities: np.ndarray, true: np.ndarray) -> Judge:
    """How often a positive example scores above a negative one, ties counted half: the area under the ROC curve.

    Of two classes the second is the positive one (which is which changes nothing); of more, the mean of each class
    against the rest, over classes that are there. NaN where there is one class alone.
    """
    # The area is the same for either side.
    sides = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])

    def of_weights(weight: np.ndarray) -> np.ndarray:
        each = np.stack([_ranked_right(probabilities[:, c], true == c)(weight) for c in sides], 1)  # (S, C)
        return mean_where(each, np.isfinite(each))

    return of_weights


def _ranked_right(score: np.ndarray, positive: np.ndarray) -> Judge:
    values, place = np.unique(score, return_inverse=True)
    at, plus = summed_by(place, len(values)), positive.astype(float)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        yes, no = at(weight * plus), at(weight * (1 - plus))  # (S, G) rising scores
        pairs = yes.sum(1) * no.sum(1)
        # Of equal scores half: the area under straight lines between the points of the curve.
        above = (yes * (no.cumsum(1) - no / 2)).sum(1)
        return np.where(pairs > 0, above / np.where(pairs > 0, pairs, 1), np.nan)

    return of_weights


OF_CLASSES = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, ("accuracy", "acc"), percent=True, decides=True,
               sentence="{name} {value:.1%} ({low:.1%} to {high:.1%}): the share of right answers; "
                        "baseline ({naive}): {base:.1%}."),
        Metric("balanced accuracy", balanced_accuracy, ("balanced accuracy", "bacc"), percent=True, decides=True,
               sentence="{name} {value:.1%} ({low:.1%} to {high:.1%}): the mean recall of the classes; "
                        "baseline ({naive}): {base:.1%}."),
        Metric("macro F1", macro_f1, ("f1", "f1 macro"), decides=True),
        Metric("log loss", log_loss, ("log loss", "logloss", "cross entropy"), higher=False, limits=UNBOUNDED),
        Metric("ROC AUC", roc_auc, ("auc", "roc"), slow=True,
               sentence="{name} {value} ({low} to {high}): how often two examples of different classes are "
                        "ranked in the right order; baseline: {base}."),
    )
}  # fmt: skip
