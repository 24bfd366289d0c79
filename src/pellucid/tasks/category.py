"""One label of several: classification.

n examples, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UsageError, missing_name, unknown_name
from ..fields import Field, kind_named
from ..metrics.base import Metric, fold_name, normalised_weights
from ..metrics.classes import OF_CLASSES, f1_of
from ..metrics.curves import choose_thresholds
from ..wording import number_text, percent_text
from .base import Task, Values, measure_all
from .calibration import cross_entropy, fit_temperature, reliability_bins, softmax
from .explained import LIST_ANSWERS, Explained, explain_logit
from .opened_loss import OpenedLoss
from .two_classes import curves_of


class CategoryTask(Task):
    """The likeliest class, with the probability of each.

    Raw answers are logits (n, C), targets class numbers (n,). How sure it is, is calibrated on validation: logits are
    divided by one temperature (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Attributes:
        sought: which of two classes is the positive one, where the user says so. threshold: see ``with_threshold``.
    """

    kind = "category"
    metric = "accuracy"
    metrics = OF_CLASSES

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        super().__init__(fields, metric)
        self.values: list[str] = list(fields[0].state["values"])  # type: ignore[index]
        self.sought: str | None = None
        # Of a copy alone: from which probability of the positive class on that is the answer.
        self.threshold: float | None = None
        self.learned = {"temperature": np.ones((), np.float32)}

    @classmethod
    def metric_named(cls, text: str, labels: Sequence[str] = ()) -> Metric:
        """The metric that ``text`` means, ``"f1:LABEL"`` (the F1 of one class) included."""
        about, colon, label = text.partition(":")
        own = f1_named(text, labels) or (
            f1_of_label(label.strip(), labels) if colon and fold_name(about) == "f1" else None
        )
        return own or super().metric_named(text)

    @property
    def positive(self) -> int | None:
        """Of two classes the number of the one that is looked for: as asked for, else the rarer one in training."""
        if len(self.values) != 2:
            return None
        own = [value for value in self.values if self.measured.key == f1_of(0, value).key]
        if self.sought is not None or own:
            return self.values.index(own[0] if self.sought is None else self.sought)
        counts = (self.fields[0].state or {}).get("counts", ())
        return int(len(counts) != 2 or counts[1] <= counts[0])

    def with_threshold(self, asked: Any) -> CategoryTask:
        """A copy whose answer is the positive class wherever its probability is at least a threshold.

        Args:
            asked: (class or None for the positive one, threshold), as ``options.parse_threshold`` gives it.

        Raises:
            UsageError: for other than two classes, or a class that is not there.
        """
        label, level = asked
        if self.positive is None:
            raise UsageError(
                f"a threshold needs two classes, and '{self.fields[0].name}' has {len(self.values)}",
                fix="leave --threshold out",
            )
        if label is not None and label not in self.values:
            raise UsageError(unknown_name("class", label, self.values))
        other = copy.copy(self)
        other.threshold, other.sought = float(level), label or self.values[self.positive]
        return other

    def decide_classes(self, probabilities: np.ndarray) -> np.ndarray:  # (n, C) -> (n,)
        """The class that is said: the likeliest, or by the threshold."""
        if self.threshold is None or self.positive is None:
            return probabilities.argmax(1)
        return np.where(probabilities[:, self.positive] >= self.threshold, self.positive, 1 - self.positive)

    def judged_answers(self, metric: Metric, answers: np.ndarray) -> np.ndarray:
        if self.threshold is None or not metric.decides:
            return answers
        return np.eye(len(self.values))[self.decide_classes(answers)]

    large_loss = "A large loss is an answer that was sure and wrong: look there for wrong labels and odd examples."

    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:  # (C,)
        if which is not None and which not in self.values:
            raise UsageError(missing_name("class", which, self.values, LIST_ANSWERS))
        index = int(np.argmax(raw)) if which is None else self.values.index(which)
        return explain_logit(index, self.values[index])

    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (C,), ()
        logits, true = np.asarray(raw, np.float64), int(target)
        raised = np.exp(logits - logits.max())
        probability = raised / raised.sum()
        cost = -np.log(np.maximum(probability, np.finfo(float).tiny))
        order = [true, *(int(i) for i in np.argsort(-logits, kind="stable") if i != true)]
        rows = [
            [
                self.values[i],
                float(logits[i]),
                float(raised[i]),
                float(probability[i]),
                float(cost[i]) if i == true else None,
            ]
            for i in order
        ]
        said = f"'{self.values[true]}' was right and got the probability {number_text(float(probability[true]))}"
        sentence = (
            f"{said}, so the loss is -log {number_text(float(probability[true]))} = {number_text(float(cost[true]))}."
        )
        if (heat := float(self.learned["temperature"])) != 1:
            own = float(self.probabilities(raw[None])[0, true])
            sentence += (
                f" What people are told is calibrated (logits divided by {number_text(heat)}): {percent_text(own)}."
            )
        caption = (
            "Logits as powers of e (shares of the largest), divided by their sum (softmax), are probabilities. "
            "The loss is -log of the right one."
        )
        return OpenedLoss(
            sentence, ("class", "logit", "e^logit", "probability", "loss"), rows, float(cost[true]), caption
        )

    def choose_thresholds(
        self, raw: Values, target: Values, weight: np.ndarray | None = None
    ) -> list[tuple[str, float]]:
        if self.positive is None:
            return []
        return choose_thresholds(self.probabilities(raw)[:, self.positive], np.asarray(target) == self.positive, weight)

    def detail_content(
        self, raw: Values, target: Values, chosen: Sequence[tuple[str, float]] = (), **how: Any
    ) -> dict[str, Any]:
        if self.positive is None:
            return {}
        score, positive = self.probabilities(raw)[:, self.positive], np.asarray(target) == self.positive
        found = curves_of(score, positive, chosen, self.threshold, **how)
        return {"curves": found | {"positive": self.values[self.positive]}} if found else {}

    def read_answers(self, raw: Values, target: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, C), (n,)
        return self.probabilities(raw), np.asarray(target, np.int64)

    def naive_answer(self, target: Values, weight: np.ndarray | None = None) -> tuple[np.ndarray, str]:  # (n,) -> (C,)
        """The classes' shares in training as logits; for the F1 of one class, with that class the largest."""
        # Counts of at least half an example, so that a class without any keeps a finite logit.
        counts = np.bincount(
            target.astype(np.int64), normalised_weights(weight, len(target)), minlength=len(self.values)
        )
        raw = self.uncalibrate(np.log(np.maximum(counts, 0.5) / len(target)).astype(np.float32))
        best = int(counts.argmax())
        if self.measured.key == "log loss":
            return raw, "always the shares of the classes"
        keys = [f1_of(i, value).key for i, value in enumerate(self.values)]
        if self.measured.key in keys:
            own = keys.index(self.measured.key)
            raw[own], best = raw.max() + 1, own
        return raw, f"always '{self.values[best]}'"

    def calibrate(self, raw: Values, target: Values) -> None:
        """Learn the temperature with the least validation loss; it stays near 1 where there are few examples."""
        logits, true = np.asarray(raw, np.float32), np.asarray(target, np.int64)
        best = fit_temperature(lambda t: cross_entropy(logits / np.float32(t), true), len(true))
        self.learned["temperature"] = np.array(best, np.float32)

    def uncalibrate(self, raw: Values) -> np.ndarray:
        return np.asarray(raw) * self.learned["temperature"]

    def probabilities(self, raw: Values) -> np.ndarray:  # (n, C) -> (n, C)
        """The calibrated probability of each class."""
        return softmax(np.asarray(raw, np.float64) / self.learned["temperature"])

    def decode(self, raw: Values) -> list[dict[str, Any]]:
        probabilities = self.probabilities(raw)
        said = self.decide_classes(probabilities)
        return [
            {
                "label": self.values[i],
                "probability": float(row[i]),
                "probabilities": {value: float(p) for value, p in zip(self.values, row, strict=True)},
            }
            for i, row in zip(said, probabilities, strict=True)
        ]

    def tabulate(self, raw: Values) -> dict[str, list[Any] | np.ndarray]:
        probabilities = self.probabilities(raw)
        best = probabilities.argmax(1)
        found: dict[str, list[Any] | np.ndarray] = {"label": [self.values[i] for i in best.tolist()]}
        found["probability"] = probabilities[np.arange(len(probabilities)), best]
        return found | {f"p_{value}": probabilities[:, i] for i, value in enumerate(self.values)}

    def decode_target(self, target: Values) -> list[Any]:
        return kind_named(self.kind).decode(np.asarray(target), self.fields[0].state or {})

    def count_classes(self, target: Values) -> dict[str, int]:
        counts = np.bincount(np.asarray(target, np.int64), minlength=len(self.values))
        return dict(zip(self.values, counts.tolist(), strict=True))

    def report_content(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> dict[str, Any]:
        probabilities, true = self.read_answers(raw, target)
        guess, classes = self.decide_classes(probabilities), len(self.values)
        # Examples are counted for people, weights for the figures: a confusion matrix of halves is hard to read.
        matrix = np.bincount(true * classes + guess, minlength=classes**2).reshape(classes, classes)  # (true, said)
        each = np.bincount(true * classes + guess, normalised_weights(weight, len(true)), classes**2).reshape(
            classes, classes
        )
        hits, present, predicted = each.diagonal(), each.sum(1), each.sum(0)  # (C,) each, in weights
        precision, recall, f1 = (hit_shares(hits, of) for of in (predicted, present, (predicted + present) / 2))
        return {
            "metrics": measure_all(self, probabilities, true, weight),
            "confusion": {"labels": self.values, "matrix": matrix.tolist()},
            "calibration": reliability_bins(probabilities[np.arange(len(true)), guess], guess == true),
            "per_class": [
                {"label": v, "precision": float(p), "recall": float(r), "f1": float(f), "count": int(c)}
                for v, p, r, f, c in zip(self.values, precision, recall, f1, matrix.sum(1), strict=True)
            ],
        }


def hit_shares(hits: np.ndarray, of: np.ndarray) -> np.ndarray:  # (C,), (C,) -> (C,)
    """``hits / of``, and 0 where there is nothing to hit."""
    return np.divide(hits, of, out=np.zeros(len(of)), where=of > 0)


def f1_of_label(label: str, labels: Sequence[str]) -> Metric:
    """The F1 of one class. Raises UsageError for a class that is not there."""
    if label not in labels:
        raise UsageError(unknown_name("class", label, labels))
    return f1_of(list(labels).index(label), label)


def f1_named(text: str, labels: Sequence[str]) -> Metric | None:
    """The F1 of one class under the name that it is shown with."""
    return next((f1_of(i, label) for i, label in enumerate(labels) if text == f1_of(i, label).name), None)
