"""How good answers are: every metric a user can ask for, with weights, equal to scikit-learn's.

Ours rather than scikit-learn's: its import would take 2 s of every budget, and a bootstrap asks a thousand times.

n examples, S sets of weights at once, C classes, R target numbers, G groups of equal values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..wording import score_text


def normalised_weights(weight: np.ndarray | None, n: int) -> np.ndarray:  # (n,) float64
    """Weights with a mean of 1; ones where there are none."""
    return np.ones(n) if weight is None else np.asarray(weight, np.float64) / np.mean(weight, dtype=np.float64)


# Takes S sets of the examples' weights, (S, n), and gives the metric under each, (S,). So the bootstrap, sample weights
# and metrics of ranks need nothing of their own (docs/LOG.md, 2026-11-22).
Judge = Callable[[np.ndarray], np.ndarray]


class Shown(float):
    """A number that is written as scores are, unless a format says otherwise."""

    def __format__(self, form: str) -> str:
        return super().__format__(form) if form else score_text(self)


@dataclass(frozen=True)
class Metric:
    """One way to say how good answers are.

    Attributes:
        name: as shown. words: what it may also be called; the first is shown where they are listed, and is what code
            goes by (``key``).
        judge: answers (n, C or R) and truth (n,) or (n, R) → the metric as a function of the examples' weights.
            Answers are probabilities of classes (of labels, beside whether each is said), numbers in the user's
            units, texts, or sums of an example.
        higher: whether more is better. percent: whether it is a share, read best in percent. slow: whether it takes
            its time for every class. limits: that it can't pass. decides: whether it goes by which class is said alone,
            not by how likely.
        constant: what one answer to everything scores best: of numbers ``"mean"``, ``"median"`` or ``"share"``, the one
            that is off by the smallest share.
        sentence: of a score for a person, with the numbers ``value``, ``low``, ``high`` and ``base`` (the naive
            answer's), ``naive`` (what that is), ``name`` (the metric's) and ``names`` (of the targets).
    """

    name: str
    judge: Callable[[Any, Any], Judge]
    words: tuple[str, ...] = ()
    higher: bool = True
    percent: bool = False
    slow: bool = False
    decides: bool = False
    limits: tuple[float, float] = (0.0, 1.0)
    constant: str = "mean"
    sentence: str = "{name} {value} ({low} to {high}); baseline ({naive}): {base}."

    @property
    def key(self) -> str:
        """What code goes by, whatever the metric is called."""
        return self.words[0] if self.words else self.name


def find_metric(metrics: Mapping[str, Metric], text: str) -> Metric | None:
    """The metric of this name or other name, however it is spelt."""
    wanted = fold_name(text)
    return next((m for m in metrics.values() if wanted in map(fold_name, (m.name, *m.words))), None)


def fold_name(text: str) -> str:
    return text.strip().lower().replace("-", " ").replace("_", " ").replace("²", "2")


def mean_of(each: np.ndarray) -> Judge:  # (n,) or (n, R)
    """The weighted mean of a number an example; of several, the mean of their means."""
    each = each if each.ndim == 1 else each.mean(1)
    return lambda weight: (weight @ each) / weight.sum(1)


def summed_by(place: np.ndarray, groups: int) -> Judge:  # (n,) of 0 .. groups - 1; weights (S, n) -> (S, groups)
    """The sum of weights in each group."""
    # Sorted once: every set of weights is then summed in one pass, without a loop over groups.
    order = np.argsort(place, kind="stable")
    present, starts = np.unique(place[order], return_index=True)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(weight), groups))
        sums[:, present] = np.add.reduceat(weight[:, order], starts, axis=1)
        return sums

    return of_weights


def mean_where(values: np.ndarray, known: np.ndarray) -> np.ndarray:  # (S, C), (S, C) -> (S,)
    """The mean over what is known, NaN where nothing is."""
    count = known.sum(1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(1) / np.maximum(count, 1), np.nan)
