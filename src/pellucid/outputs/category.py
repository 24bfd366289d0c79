"""One label of several: classification.

B batch, n examples, C classes, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from ..errors import UsageError, unknown_name
from ..fields import Field
from ..metrics.base import Metric, fold_name, normalised_weights
from ..metrics.classes import OF_CLASSES, f1_of
from ..trunks import Features
from ..trunks.layers import Linear
from .base import Output, as_array, measure_all, register
from .calibration import fit_temperature, reliability_bins


@register
class Category(Output):
    """One linear map to C logits; softmax cross-entropy with label smoothing (Szegedy et al., 2016).

    How sure it says it is, is calibrated on validation: logits are divided by one temperature (Guo et al., "On
    Calibration of Modern Neural Networks", 2017). Target: (B,) class numbers.
    """

    name = "category"
    kind = "category"
    metric = "accuracy"
    metrics = OF_CLASSES
    halved = 0.01
    positive = ("temperature",)
    settings: ClassVar = {"smoothing": 0.0}

    temperature: Tensor

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        self.values: list[str] = list(fields[0].state["values"])  # type: ignore[index]
        self.register_buffer("temperature", torch.ones(()))

    def build(self, width: int) -> Category:
        self.layer = Linear(width, len(self.values))
        nn.init.normal_(self.layer.weight, std=0.5 * width**-0.5)
        nn.init.zeros_(self.layer.bias)
        return self

    def forward(self, f: Features) -> Tensor:  # (*B, D) -> (*B, C)
        return self.layer(f.x)

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (B, C), (B,) -> (B,)
        smoothing = self.chosen["smoothing"] if self.training else 0.0
        return nnf.cross_entropy(raw.float(), target.long(), reduction="none", label_smoothing=smoothing)

    def selection_losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, C), (n,) -> (n,)
        """Errors, and a tenth of the loss, because few examples make few errors: the loss alone ends too early.

        A network that grows sure of its errors loses by them long before it makes more (Guo et al., 2017), and how
        sure to be is mended at the end.
        """
        return (raw.argmax(1) != target.long()).float() + 0.1 * self.losses(raw, target)

    @classmethod
    def metric_named(cls, text: str, labels: Sequence[str] = ()) -> Metric:
        """Also ``"f1:LABEL"``, the F1 of one class."""
        about, colon, label = text.partition(":")
        own = f1_named(text, labels) or (
            f1_of_label(label.strip(), labels) if colon and fold_name(about) == "f1" else None
        )
        return own or super().metric_named(text)

    def to_numpy(self, raw: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray]:  # (n, C), (n,)
        return as_array(self.probabilities(raw)), target.cpu().numpy().astype(np.int64)

    def naive_answer(self, target: np.ndarray, weight: np.ndarray | None = None) -> tuple[Tensor, str]:  # (n,) -> (C,)
        """Always the classes' shares in training, of which the largest is the answer; one class for its own F1."""
        counts = np.bincount(
            target.astype(np.int64), normalised_weights(weight, len(target)), minlength=len(self.values)
        )
        raw = self.uncalibrate(torch.from_numpy(np.log(np.maximum(counts, 0.5) / len(target))).float())
        best = int(counts.argmax())
        if self.metric == "log loss":
            return raw, "always the shares of the classes"
        if (own := next((i for i, v in enumerate(self.values) if self.metric == f1_of(i, v).name), None)) is not None:
            raw[own], best = raw.max() + 1, own
        return raw, f"always '{self.values[best]}'"

    def calibrate(self, raw: Tensor, target: Tensor) -> None:
        """The temperature with the least validation loss, near 1 where few examples speak."""
        logits, true = raw.float(), target.long()
        self.temperature.fill_(fit_temperature(lambda t: nnf.cross_entropy(logits / t, true).item(), len(true)))

    def uncalibrate(self, raw: Tensor) -> Tensor:
        return raw * self.temperature.to(raw.device)

    def probabilities(self, raw: Tensor) -> Tensor:  # (n, C) -> (n, C)
        return (raw.float() / self.temperature).softmax(1)

    def decode(self, raw: Tensor) -> list[dict[str, Any]]:
        chances = as_array(self.probabilities(raw))
        best = chances.argmax(1)
        return [
            {
                "label": self.values[i],
                "probability": float(row[i]),
                "probabilities": {value: float(p) for value, p in zip(self.values, row, strict=True)},
            }
            for i, row in zip(best, chances, strict=True)
        ]

    def decode_target(self, target: np.ndarray) -> list[Any]:
        return [self.values[int(i)] for i in target]

    def report_content(self, raw: Tensor, target: Tensor, weight: np.ndarray | None = None) -> dict[str, Any]:
        chances, true = self.to_numpy(raw, target)
        guess, classes = chances.argmax(1), len(self.values)
        matrix = np.bincount(true * classes + guess, minlength=classes**2).reshape(classes, classes)  # (true, said)
        each = np.bincount(true * classes + guess, normalised_weights(weight, len(true)), classes**2).reshape(
            classes, classes
        )
        hits, there, said = each.diagonal(), each.sum(1), each.sum(0)  # in weights
        precision, recall, f1 = (hit_shares(hits, of) for of in (said, there, (said + there) / 2))
        return {
            "metrics": measure_all(self, chances, true, weight),
            "confusion": {"labels": self.values, "matrix": matrix.tolist()},
            "calibration": reliability_bins(chances.max(1), guess == true),
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
