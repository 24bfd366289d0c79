"""Any of several labels: multi-label classification.

n examples, C labels (those of several target columns side by side), K thresholds tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UsageError, missing_name
from ..fields import Field
from ..fields.labels import join_labels
from ..metrics.base import normalised_weights
from ..metrics.labels import OF_LABELS, average_precision
from ..wording import count_noun, join_words, number_text
from .base import Task, Values, measure_all
from .calibration import binary_cross_entropy, fit_temperature, reliability_bins, sigmoid
from .category import hit_shares
from .explained import LIST_ANSWERS, Explained, explain_logit
from .opened_loss import OpenedLoss

# Logits that are tried as thresholds: probabilities from 0.03 to 99.97%.
GRID = np.linspace(-8, 8, 161, dtype=np.float32)

# Metrics, by key, that are best answered by what is likelier of each label.
EACH_LIKELIEST = ("accuracy", "hamming")

# Validation examples with a label, before it gets a threshold of its own; and as many before that weighs as much as the
# shared one. Chosen freely, a threshold follows the noise of a few examples (docs/LOG.md, 2026-11-22).
ENOUGH_EXAMPLES, TRUST_EXAMPLES = 10, 20


class LabelsTask(Task):
    """Every label that is likely enough, with the probability of each.

    Raw answers are logits (n, C), targets zeros and ones (n, C). The usual metric is the F1 score over all decisions
    together (micro F1): every label that is predicted or present counts once.

    A label is predicted where its logit is above a threshold chosen on validation for the metric (see
    ``label_thresholds``); until then, where it is above the one threshold that suits all labels best. Probabilities
    are calibrated by one temperature.
    """

    kind = "labels"
    # The mean over labels (macro F1) swings with labels of a few examples, and average precision ranks without ever
    # giving an answer; both stand in the details.
    metric = "micro F1"
    metrics = OF_LABELS

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        super().__init__(fields, metric)
        self.values = label_names(fields)
        # (C,) logits, none before calibration
        self.learned = {
            "threshold": np.full(len(self.values), np.nan, np.float32),
            "temperature": np.ones((), np.float32),
        }

    def decide_labels(self, raw: Values, target: Values | None = None) -> np.ndarray:  # (n, C) -> (n, C) bool
        """Which labels are predicted; before thresholds are chosen, by the one that suits ``target`` (n, C) best."""
        # At 50% instead, curves of rare labels would lie at 0 for long, and the choice of weights be left to chance.
        raw, level = np.asarray(raw, np.float32), self.learned["threshold"]
        if np.isfinite(level).all():
            return raw > level
        if target is None or self.measured.key in EACH_LIKELIEST:
            return raw > 0
        return raw > np.float32(shared_threshold(*threshold_counts(raw, target)))

    def read_answers(
        self, raw: Values, target: Values
    ) -> tuple[np.ndarray, np.ndarray]:  # (n, C), (n, C) -> (n, 2 C), (n, C)
        """The probability of each label beside whether it is predicted, and whether it is present."""
        return np.concatenate([self.probabilities(raw), self.decide_labels(raw, target)], 1), np.asarray(target) > 0.5

    def naive_answer(
        self, target: Values, weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, str]:  # (n, C) -> (C,)
        """Each label's training frequency as a logit, above its threshold where always predicting it scores best."""
        share = normalised_weights(weight, len(target)) @ target / len(target)  # (C,)
        probability = ((share + 0.5 / len(target)) / (1 + 1 / len(target))).astype(np.float32)
        raw = self.uncalibrate(np.log(probability / (1 - probability)))
        if self.measured.key == "log loss":
            return raw, "always the frequencies of the labels"
        chosen = best_always(target, share, self.measured.key, weight)
        # Each on its side of the threshold, where one is chosen already.
        level = self.learned["threshold"]
        low, high = (np.where(np.isnan(level), none, level) for none in (np.inf, -np.inf))
        raw = np.where(chosen, np.maximum(raw, high + 1e-3), np.minimum(raw, low)).astype(np.float32)
        labels = join_words((f"'{self.values[i]}'" for i in np.flatnonzero(chosen)), 3) or "no label"
        return raw, f"always {'every label' if chosen.all() and len(chosen) > 1 else labels}"

    def calibrate(self, raw: Values, target: Values) -> None:
        """Learn the thresholds with the best score, and the temperature with the least loss, on validation."""
        logits, true = np.asarray(raw, np.float32), np.asarray(target, np.float32)
        chosen = np.zeros(len(self.values), np.float32)
        if self.measured.key not in EACH_LIKELIEST:
            chosen = label_thresholds(*threshold_counts(logits, true), self.measured.key != "macro f1")
        best = fit_temperature(lambda t: binary_cross_entropy(logits / np.float32(t), true), len(true))
        self.learned |= {"threshold": chosen.astype(np.float32), "temperature": np.array(best, np.float32)}

    def uncalibrate(self, raw: Values) -> np.ndarray:
        return np.asarray(raw) * self.learned["temperature"]

    def probabilities(self, raw: Values) -> np.ndarray:  # (n, C) -> (n, C)
        """The calibrated probability of each label."""
        return sigmoid(np.asarray(raw, np.float64) / self.learned["temperature"])

    def decode(self, raw: Values) -> list[dict[str, Any]]:
        probabilities, predicted = self.probabilities(raw), self.decide_labels(raw)
        return [
            {
                "labels": [self.values[i] for i in np.flatnonzero(own)],
                "probabilities": {value: float(p) for value, p in zip(self.values, row, strict=True)},
            }
            for own, row in zip(predicted, probabilities, strict=True)
        ]

    def tabulate(self, raw: Values) -> dict[str, list[Any] | np.ndarray]:
        probabilities, predicted = self.probabilities(raw), self.decide_labels(raw)
        said = [join_labels([self.values[i] for i in np.flatnonzero(own)], "") for own in predicted]
        return {"labels": said} | {f"p_{value}": probabilities[:, i] for i, value in enumerate(self.values)}

    def decode_target(self, target: Values) -> list[Any]:  # (n, C) -> n lists of labels
        return [[self.values[i] for i in np.flatnonzero(row > 0.5)] for row in np.asarray(target)]

    large_loss = "A large loss is labels that were surely there and are not, or the reverse: look for forgotten ones."

    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:  # (C,)
        if which is not None and which not in self.values:
            raise UsageError(missing_name("label", which, self.values, LIST_ANSWERS))
        index = int(np.argmax(raw)) if which is None else self.values.index(which)
        return explain_logit(index, self.values[index])

    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (C,), (C,)
        logits, true = np.asarray(raw, np.float64), np.asarray(target) > 0.5
        # As one function, which stays exact where a probability is next to 0 or 1.
        cost = np.logaddexp(0.0, np.where(true, -logits, logits))
        total, probability = float(cost.mean()), sigmoid(logits)
        order = np.argsort(-cost, kind="stable")
        rows = [
            [self.values[i], float(logits[i]), float(probability[i]), "yes" if true[i] else "no", float(cost[i])]
            for i in order
        ]
        worst = self.values[int(order[0])]
        sentence = (
            f"The loss is {number_text(total)}, the mean over {count_noun(len(cost), 'label')}; '{worst}' has the "
            f"largest, {number_text(float(cost[order[0]]))}."
        )
        caption = (
            "A logit makes a probability by itself (sigmoid). The loss of a label is -log of the probability that was "
            "given to what is right: that it is there, or that it is not."
        )
        return OpenedLoss(sentence, ("label", "logit", "probability", "is there", "loss"), rows, total, caption)

    def count_classes(self, target: Values) -> dict[str, int]:
        counts = (np.asarray(target) > 0.5).sum(0)
        return dict(zip(self.values, counts.tolist(), strict=True))

    def report_content(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> dict[str, Any]:
        answers, true = self.read_answers(raw, target)
        probabilities, predicted = answers[:, : len(self.values)], answers[:, len(self.values) :] > 0.5  # (n, C)
        even = normalised_weights(weight, len(true))  # (n,)
        hits, present, answered = even @ (predicted & true), even @ true, even @ predicted  # (C,) in weights
        precision, recall, f1 = (hit_shares(hits, of) for of in (answered, present, (answered + present) / 2))
        judges = [average_precision(probabilities[:, i], true[:, i]) for i in range(len(self.values))]
        average = [float(judge(even[None])[0]) for judge in judges]
        return {
            "metrics": measure_all(self, answers, true, weight),
            "calibration": reliability_bins(probabilities.ravel(), true.ravel()),
            "per_class": [
                {"label": v, "precision": float(p), "recall": float(r), "f1": float(f), "count": int(c)}
                | ({"average_precision": a} if np.isfinite(a) else {"average_precision": 0.0})
                for v, p, r, f, a, c in zip(self.values, precision, recall, f1, average, true.sum(0), strict=True)
            ],
        }


def label_names(fields: Sequence[Field]) -> list[str]:
    """The labels of all target columns; of several as ``column: label``, unless the label is the column's name."""
    own = [(f.name, value) for f in fields for value in f.state["values"]]  # type: ignore[index]
    return [value if len(fields) == 1 or value == name else f"{name}: {value}" for name, value in own]


def threshold_counts(raw: Values, target: Values) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often each label is predicted at each threshold, and rightly, (C, K) each; how often it is present, (C,)."""
    true = np.asarray(target, np.float64)
    labels, bins = true.shape[1], len(GRID) + 1
    place = np.searchsorted(GRID, np.asarray(raw, np.float32)) + np.arange(labels) * bins  # (n, C)

    def count_above(weight: np.ndarray | None) -> np.ndarray:  # -> (C, K): what lies above each threshold
        counts = np.bincount(place.ravel(), weight, labels * bins).reshape(labels, bins)
        return counts[:, ::-1].cumsum(1)[:, ::-1][:, 1:].astype(np.float64)

    return count_above(None), count_above(true.ravel()), true.sum(0)


def shared_threshold(predicted: np.ndarray, hits: np.ndarray, present: np.ndarray) -> float:  # (C, K), (C, K), (C,)
    """The one threshold with the best micro F1; of several equally good ones that in the middle."""
    f1 = 2 * hits.sum(0) / np.maximum(predicted.sum(0) + present.sum(), 1)  # (K,)
    best = np.flatnonzero(f1 == f1.max())
    return float(GRID[best[len(best) // 2]])


def label_thresholds(predicted: np.ndarray, hits: np.ndarray, present: np.ndarray, together: bool = True) -> np.ndarray:
    """A threshold for each label, (C,) logits, from ``threshold_counts``.

    All start at the shared one; then each label with ``ENOUGH_EXAMPLES``, the commonest first, goes towards the one
    that raises the micro F1 (or, not ``together``, its own F1) most, the farther the more examples it has.
    """
    # The shared one is the start, because with calibrated probabilities one threshold would be best for all (Lipton et
    # al., "Optimal Thresholding of Classifiers to Maximize F1", 2014).
    start = int(np.abs(GRID - shared_threshold(predicted, hits, present)).argmin())
    rows, own = np.arange(len(present)), np.full(len(present), start)
    for label in np.argsort(-present, kind="stable"):
        if present[label] < ENOUGH_EXAMPLES:
            break
        others = (rows != label) & together
        right = hits[rows, own][others].sum() + hits[label]  # (K,)
        either = predicted[rows, own][others].sum() + predicted[label] + (present.sum() if together else present[label])
        f1 = 2 * right / np.maximum(either, 1)
        best = np.flatnonzero(f1 == f1.max())
        own[label] = best[np.abs(best - start).argmin()]
    trust = (present / (present + TRUST_EXAMPLES)).astype(np.float32)
    return GRID[start] + trust * (GRID[own] - GRID[start])


def best_always(
    target: np.ndarray, share: np.ndarray, metric: str, weight: np.ndarray | None = None
) -> np.ndarray:  # (n, C), (C,), (n,) -> (C,) bool
    """The labels that score best, by a metric's key, when always predicted; ``share``: of examples that have each."""
    if metric == "macro f1":
        return np.ones(len(share), bool)
    if metric == "hamming":
        return share > 0.5
    if metric == "accuracy":
        rows, which = np.unique(target > 0.5, axis=0, return_inverse=True)
        return rows[np.bincount(which.ravel(), normalised_weights(weight, len(target))).argmax()]
    # Whichever number of labels is best, they are the commonest ones.
    order = np.argsort(-share, kind="stable")
    f1 = 2 * share[order].cumsum() / (np.arange(1, len(share) + 1) + share.sum())
    chosen = np.zeros(len(share), bool)
    chosen[order[: int(f1.argmax()) + 1]] = True
    return chosen
