"""Two classes at every threshold: ROC and precision–recall curves, and what a threshold costs.

An example is called positive where its score is at least the threshold. n examples, P different scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .base import Judge, normalised_weights, summed_by
from .classes import roc_auc
from .labels import average_precision

# Different scores that an interval tells apart: of more, neighbours are taken for equal. The areas of 50,000 random
# scores change by less than 1e-4 with it, and their intervals take a tenth of the time.
LEVELS = 500

# Thresholds that a table shows beside those that were chosen.
GRID = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

# What a threshold is chosen for: the highest that finds so many of the positives, the lowest that is so often right.
WANTED_RECALL, WANTED_PRECISION = 0.9, 0.9


@dataclass(frozen=True)
class Counts:
    """What lies at or above each different score, the highest score first.

    Attributes:
        score: (P,) falling. hits, alarms: (P,) positives and negatives (their weights) that score as high.
        positives, negatives: all there are.
    """

    score: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray
    positives: float
    negatives: float

    @classmethod
    def of(cls, score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None) -> Counts:
        """Args: score: (n,). positive: (n,) bool. weight: (n,) how much each example counts."""
        own = normalised_weights(weight, len(score))
        order = np.argsort(-score, kind="stable")
        last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1) if len(order) else np.zeros(0, int)
        hits, alarms = ((own * side)[order].cumsum()[last] for side in (positive, ~positive))
        positives, negatives = (float(own[side].sum()) for side in (positive, ~positive))
        return cls(score[order][last], hits, alarms, positives, negatives)

    def precision(self) -> np.ndarray:  # -> (P,)
        """The share of what is called positive that is."""
        return _share(self.hits, self.hits + self.alarms)

    def recall(self) -> np.ndarray:  # -> (P,)
        """The share of the positives that is called so."""
        return _share(self.hits, np.full(len(self.hits), self.positives))


def roc_curve(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """False alarms as a share of the negatives, and recall, from nothing called positive to everything, (P + 1,)."""
    alarms = _share(counts.alarms, np.full(len(counts.alarms), counts.negatives))
    return np.append(0.0, alarms), np.append(0.0, counts.recall())


def precision_recall_curve(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision as steps whose area is the average precision, (2 P,)."""
    recall, precision = counts.recall(), counts.precision()
    # Each step keeps its precision from the recall before it to its own.
    return np.stack([np.append(0.0, recall[:-1]), recall], 1).ravel(), np.repeat(precision, 2)


def threshold_row(
    score: np.ndarray, positive: np.ndarray, threshold: float, weight: np.ndarray | None = None
) -> dict[str, float]:
    """What calling positive from ``threshold`` on costs.

    Shares count the weights of examples; ``false_alarm_share`` is of the negatives. ``false_alarms`` (negatives called
    positive) and ``missed`` (positives that are not) are numbers of examples.
    """
    own, said = normalised_weights(weight, len(score)), score >= threshold
    hits = own[said & positive].sum()
    called, there, quiet = own[said].sum(), own[positive].sum(), own[~positive].sum()
    return {
        "threshold": float(threshold),
        "precision": float(hits / called) if called else float("nan"),
        "recall": float(hits / there) if there else float("nan"),
        "false_alarm_share": float(own[said & ~positive].sum() / quiet) if quiet else float("nan"),
        "false_alarms": int((said & ~positive).sum()),
        "missed": int((~said & positive).sum()),
        "share": float(called / max(own.sum(), 1e-300)),
    }


def choose_thresholds(
    score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None
) -> list[tuple[str, float]]:
    """Thresholds that serve a purpose best on these examples, each with that purpose: (why, threshold).

    None where all examples are of one class. Of equally good ones the highest.
    """
    counts = Counts.of(score, positive, weight)
    if not (counts.positives and counts.negatives):
        return []
    precision, recall = counts.precision(), counts.recall()
    f1 = 2 * counts.hits / (counts.hits + counts.alarms + counts.positives)
    found = [("best F1", int(f1.argmax()))]
    found += [(f"recall of at least {WANTED_RECALL:.0%}", int(np.flatnonzero(recall >= WANTED_RECALL - 1e-9)[0]))]
    if len(often := np.flatnonzero(precision >= WANTED_PRECISION - 1e-9)):
        found.append((f"precision of at least {WANTED_PRECISION:.0%}", int(often[-1])))
    below = np.append(counts.score[1:], 0.0)
    return [(why, shortest_between(float(below[i]), float(counts.score[i]))) for why, i in found]


def shortest_between(low: float, high: float) -> float:
    """The number of fewest digits, two at least, above ``low`` and at most ``high``, near the middle.

    >>> shortest_between(0.31271, 0.34), shortest_between(0.5, 0.5003)
    (0.33, 0.5002)
    """
    for digits in range(2, 17):
        found = round((low + high) / 2, digits)
        if low < found <= high:
            return found
    return high


def curve_judges(score: np.ndarray, positive: np.ndarray) -> tuple[Judge, Judge]:  # (n,), (n,) bool
    """The area under the ROC curve and the average precision as functions of weights (S, n) for intervals.

    Of more than ``LEVELS`` different scores, neighbours are taken for equal.
    """
    values, place = np.unique(score, return_inverse=True)
    if len(values) > LEVELS:
        place = np.argsort(np.argsort(score, kind="stable"), kind="stable") * LEVELS // len(score)
    cell, own = np.unique(2 * place + positive, return_inverse=True)
    level, side = (cell // 2).astype(float), cell % 2
    summed = summed_by(own, len(cell))
    area = roc_auc(np.stack([-level, level], 1), side)
    average = average_precision(level, side == 1)
    return lambda weight: area(summed(weight)), lambda weight: average(summed(weight))


def exact_areas(score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """The area under the ROC curve and the average precision; NaN where all examples are of one class."""
    even = normalised_weights(weight, len(score))[None]
    area = roc_auc(np.stack([-score, score], 1), positive.astype(int))(even)[0]
    return float(area), float(average_precision(score, positive)(even)[0])


def thin_curve(x: np.ndarray, y: np.ndarray, most: int = 400) -> tuple[list[float], list[float]]:
    """At most about ``most`` points of a curve, spread evenly along it, both ends kept."""
    if len(x) <= most:
        return x.tolist(), y.tolist()
    # Along the curve and not by number: where many examples score alike, most points lie on one spot.
    way = np.append(0.0, (abs(np.diff(x)) + abs(np.diff(y))).cumsum())
    keep = np.unique(np.searchsorted(way, np.linspace(0, way[-1], most)).clip(0, len(x) - 1))
    keep = np.union1d(keep, [0, len(x) - 1])
    return x[keep].tolist(), y[keep].tolist()


def sample_curve(x: Sequence[float], y: Sequence[float], at: Sequence[float]) -> list[float]:
    """The height of a curve at some places, for its table; of several points at one place the highest."""
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    here = [ys[np.isclose(xs, one)] for one in at]
    return [float(own.max()) if len(own) else float(np.interp(one, xs, ys)) for one, own in zip(at, here, strict=True)]


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
