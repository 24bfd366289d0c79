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

from ..fields import Field
from ..trunks import Features
from .base import Output, Score, as_array, register


@register
class Category(Output):
    """One linear map to C logits; softmax cross-entropy with label smoothing (Szegedy et al., 2016).

    How sure it says it is, is calibrated on validation: logits are divided by one temperature (Guo et al., "On
    Calibration of Modern Neural Networks", 2017). Target: (B,) class numbers.
    """

    name = "category"
    kind = "category"
    metric = "accuracy"
    settings: ClassVar = {"smoothing": 0.0}

    temperature: Tensor

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        self.values: list[str] = list(fields[0].state["values"])  # type: ignore[index]
        self.register_buffer("temperature", torch.ones(()))

    def build(self, width: int) -> Category:
        self.layer = nn.Linear(width, len(self.values))
        nn.init.normal_(self.layer.weight, std=0.5 * width**-0.5)
        nn.init.zeros_(self.layer.bias)
        return self

    def forward(self, f: Features) -> Tensor:  # (B, D) -> (B, C)
        return self.layer(f.x)

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (B, C), (B,) -> (B,)
        smoothing = self.chosen["smoothing"] if self.training else 0.0
        return nnf.cross_entropy(raw.float(), target.long(), reduction="none", label_smoothing=smoothing)

    def columns(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, C), (n,) -> (n, 2)
        right = (raw.argmax(1) == target).double()
        return torch.stack([right, torch.ones_like(right)], 1)

    @staticmethod
    def combine(sums: np.ndarray) -> np.ndarray:  # (..., 2) -> (...)
        return sums[..., 0] / np.maximum(sums[..., 1], 1)

    def interval(self, columns: np.ndarray) -> tuple[float, float]:
        """The bootstrap's; where every answer is right, or none, it has no spread and Wilson's (1927) is taken."""
        n, right = len(columns), float(columns[:, 0].mean()) if len(columns) else 0.5
        if n == 0 or 0 < right < 1:
            return super().interval(columns)
        reach = 1.96**2 / (n + 1.96**2)
        return (1 - reach, 1.0) if right == 1 else (0.0, reach)

    def naive(self, target: np.ndarray) -> tuple[Tensor, str]:  # (n,) -> (C,)
        counts = np.bincount(target.astype(np.int64), minlength=len(self.values))
        return torch.from_numpy(np.log(np.maximum(counts, 0.5) / len(target))).float(), (
            f"always '{self.values[int(counts.argmax())]}'"
        )

    def calibrate(self, raw: Tensor, target: Tensor) -> None:
        """The temperature with the least validation loss, from a grid of 1/8 to 8 refined twice."""
        middle, reach = 0.0, 3.0  # log2 of the temperature
        for _ in range(3):
            logs = torch.linspace(middle - reach, middle + reach, 25).tolist()
            loss = [nnf.cross_entropy(raw.float() / 2**t, target.long()).item() for t in logs]
            middle, reach = logs[int(np.argmin(loss))], reach / 8
        self.temperature.fill_(2**middle)

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

    def truth(self, target: np.ndarray) -> list[Any]:
        return [self.values[int(i)] for i in target]

    def details(self, raw: Tensor, target: Tensor) -> dict[str, Any]:
        """Ours rather than scikit-learn's (equal to it in a test): its import would take 2 s of every budget."""
        chances, true = as_array(self.probabilities(raw)), target.cpu().numpy().astype(np.int64)
        guess, classes = chances.argmax(1), len(self.values)
        matrix = np.bincount(true * classes + guess, minlength=classes**2).reshape(classes, classes)  # (true, said)
        hits, count = matrix.diagonal(), matrix.sum(1)
        precision, recall = hits / np.maximum(matrix.sum(0), 1), hits / np.maximum(count, 1)
        f1 = 2 * hits / np.maximum(matrix.sum(0) + count, 1)
        scores = {
            "accuracy": float((guess == true).mean()),
            "balanced accuracy": float(recall[count > 0].mean()),
            "macro F1": float(f1[count > 0].mean()),
            "log loss": float(-np.log(np.maximum(chances[np.arange(len(true)), true], 1e-15)).mean()),
        }
        if len(self.values) == 2 and len(np.unique(true)) == 2:
            scores["ROC AUC"] = ranked_right(chances[:, 1], true == 1)
        return {
            "metrics": scores,
            "confusion": {"labels": self.values, "matrix": matrix.tolist()},
            "calibration": reliability(chances.max(1), guess == true),
            "per_class": [
                {"label": v, "precision": float(p), "recall": float(r), "f1": float(f), "count": int(c)}
                for v, p, r, f, c in zip(self.values, precision, recall, f1, count, strict=True)
            ],
        }

    def say(self, score: Score, baseline: Score) -> str:
        return (
            f"Right {score.value:.1%} of the time ({score.low:.1%} to {score.high:.1%}); "
            f"{baseline.name} would be right {baseline.value:.1%}."
        )


def ranked_right(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive example scores above a negative one, ties counted half."""
    _, place, ties = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(ties) - (ties - 1) / 2)[place]  # (n,) the mean rank of equal scores, from 1
    n = int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> dict[str, list[float]]:
    """Mean confidence, accuracy and count in equal-width bins of confidence; empty bins are left out."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    filled = [b for b in range(bins) if (place == b).any()]
    return {
        "confidence": [float(confidence[place == b].mean()) for b in filled],
        "accuracy": [float(right[place == b].mean()) for b in filled],
        "count": [int((place == b).sum()) for b in filled],
    }
