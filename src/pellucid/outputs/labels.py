"""Any of several labels: multi-label classification.

B batch, n examples, C labels (those of several target columns side by side), K thresholds tried, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from ..fields import Field
from ..metrics.base import normalised_weights
from ..metrics.labels import OF_LABELS, average_precision
from ..trunks import Features
from ..wording import join_words
from .base import Output, as_array, measure_all, register
from .calibration import fit_temperature, reliability_bins
from .category import hit_shares

GRID = torch.linspace(-8, 8, 161)  # logits that are tried as thresholds

EACH_LIKELIEST = ("every label right", "labels wrong")  # best answered by what is likelier of each label

ENOUGH = 10  # validation examples with a label, before it gets a threshold of its own

TRUST = 20  # and as many before that threshold weighs as much as the shared one


@register
class Labels(Output):
    """One linear map to C logits; a sigmoid and binary cross-entropy for each label.

    Target: (B, C) zeros and ones. The usual metric is the F1 score over all decisions together (micro F1): every
    label that is said or there counts once. The mean over labels (macro F1) swings with labels of a few examples, and
    average precision ranks without ever giving an answer; both stand in the details.

    A label is said where its logit is above a threshold chosen on validation for the metric (see
    ``label_thresholds``); until then, where it is above the one threshold that suits all labels best. Probabilities
    are calibrated by one temperature. Step 0 says each label's frequency in training.
    """

    name = "labels"
    kind = "labels"
    metric = "micro F1"
    metrics = OF_LABELS
    positive = ("temperature",)
    settings: ClassVar = {}

    threshold: Tensor
    temperature: Tensor

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        self.values = label_names(fields)
        self.register_buffer("threshold", torch.full((len(self.values),), float("nan")))  # (C,) logits
        self.register_buffer("temperature", torch.ones(()))

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        return f"'{target.name}' holds any number of labels" if target.kind == cls.kind else None

    def build(self, width: int) -> Labels:
        self.layer = nn.Linear(width, len(self.values))
        nn.init.normal_(self.layer.weight, std=0.5 * width**-0.5)
        share = [(c + 0.5) / (f.state["n"] + 1) for f in self.fields for c in f.state["counts"]]  # type: ignore[index]
        with torch.no_grad():
            self.layer.bias.copy_(torch.tensor(share).logit())
        return self

    def forward(self, f: Features) -> Tensor:  # (B, D) -> (B, C)
        return self.layer(f.x)

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (B, C), (B, C) -> (B,)
        return nnf.binary_cross_entropy_with_logits(raw.float(), target, reduction="none").mean(1)

    def decide_labels(self, raw: Tensor, target: Tensor | None = None) -> Tensor:  # (n, C), (n, C) -> (n, C) bool
        """Which labels are answered; before thresholds are chosen, by the one that suits ``target`` best."""
        if bool(self.threshold.isfinite().all()):
            return raw.float() > self.threshold
        level = (
            0.0 if target is None or self.metric in EACH_LIKELIEST else shared_threshold(*threshold_counts(raw, target))
        )
        return raw.float() > level

    def to_numpy(
        self, raw: Tensor, target: Tensor
    ) -> tuple[np.ndarray, np.ndarray]:  # (n, C), (n, C) -> (n, 2 C), (n, C)
        """The probability of each label beside whether it is said, and whether it is there."""
        answers = torch.cat([self.probabilities(raw), self.decide_labels(raw, target)], 1)
        return as_array(answers), target.cpu().numpy() > 0.5

    def naive_answer(
        self, target: np.ndarray, weight: np.ndarray | None = None
    ) -> tuple[Tensor, str]:  # (n, C) -> (C,)
        """Each label at its training frequency, and the labels that score best when they are always said."""
        share = normalised_weights(weight, len(target)) @ target / len(target)  # (C,)
        raw = self.uncalibrate(torch.from_numpy((share + 0.5 / len(target)) / (1 + 1 / len(target))).float().logit())
        if self.metric == "log loss":
            return raw, "always the frequencies of the labels"
        chosen = best_always(target, share, self.metric)
        level = self.threshold.cpu()  # NaN where none is chosen yet
        low, high = level.nan_to_num(torch.inf), level.nan_to_num(-torch.inf) + 1e-3
        raw = torch.where(torch.from_numpy(chosen), raw.maximum(high), raw.minimum(low))  # on its side of the threshold
        labels = join_words((f"'{self.values[i]}'" for i in np.flatnonzero(chosen)), 3) or "no label"
        return raw, f"always {'every label' if chosen.all() and len(chosen) > 1 else labels}"

    def calibrate(self, raw: Tensor, target: Tensor) -> None:
        """Thresholds for the best score, and the temperature with the least loss, on validation."""
        likeliest = self.metric in EACH_LIKELIEST
        together = self.metric != "macro F1"
        self.threshold.copy_(
            self.threshold.new_zeros(()) if likeliest else label_thresholds(*threshold_counts(raw, target), together)
        )
        logits, true = raw.float(), target.float()
        self.temperature.fill_(
            fit_temperature(lambda t: nnf.binary_cross_entropy_with_logits(logits / t, true).item(), len(true))
        )

    def uncalibrate(self, raw: Tensor) -> Tensor:
        return raw * self.temperature.to(raw.device)

    def probabilities(self, raw: Tensor) -> Tensor:  # (n, C) -> (n, C)
        return (raw.double() / self.temperature).sigmoid()  # float32 would make ties near 0 and 1

    def decode(self, raw: Tensor) -> list[dict[str, Any]]:
        chances, said = as_array(self.probabilities(raw)), self.decide_labels(raw).cpu().numpy()
        return [
            {
                "labels": [self.values[i] for i in np.flatnonzero(own)],
                "probabilities": {value: float(p) for value, p in zip(self.values, row, strict=True)},
            }
            for own, row in zip(said, chances, strict=True)
        ]

    def decode_target(self, target: np.ndarray) -> list[Any]:  # (n, C) -> n lists of labels
        return [[self.values[i] for i in np.flatnonzero(row > 0.5)] for row in target]

    def report_content(self, raw: Tensor, target: Tensor, weight: np.ndarray | None = None) -> dict[str, Any]:
        answers, true = self.to_numpy(raw, target)
        chances, said = answers[:, : len(self.values)], answers[:, len(self.values) :] > 0.5  # (n, C)
        even = normalised_weights(weight, len(true))  # (n,)
        hits, there, answered = even @ (said & true), even @ true, even @ said  # (C,) in weights
        precision, recall, f1 = (hit_shares(hits, of) for of in (answered, there, (answered + there) / 2))
        judges = [average_precision(chances[:, i], true[:, i]) for i in range(len(self.values))]
        average = [float(judge(even[None])[0]) for judge in judges]
        return {
            "metrics": measure_all(self, answers, true, weight),
            "calibration": reliability_bins(chances.ravel(), true.ravel()),
            "per_class": [
                {"label": v, "precision": float(p), "recall": float(r), "f1": float(f), "count": int(c)}
                | ({"average_precision": a} if np.isfinite(a) else {"average_precision": 0.0})
                for v, p, r, f, a, c in zip(self.values, precision, recall, f1, average, true.sum(0), strict=True)
            ],
        }


def label_names(fields: Sequence[Field]) -> list[str]:
    """The labels of all target columns; those of several columns under their column's name, unless they are it."""
    own = [(f.name, value) for f in fields for value in f.state["values"]]  # type: ignore[index]
    return [value if len(fields) == 1 or value == name else f"{name}: {value}" for name, value in own]


def threshold_counts(raw: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How often each label is said at each threshold of ``GRID``, and rightly, (C, K) each; how often it is there."""
    labels, bins = raw.shape[1], len(GRID) + 1
    place = torch.bucketize(raw.float().cpu().contiguous(), GRID) + torch.arange(labels) * bins  # (n, C)
    true = target.double().cpu()

    def count_above(counts: Tensor) -> np.ndarray:  # (C * bins,) -> (C, K): what lies above each threshold
        return counts.view(labels, bins).flip(1).cumsum(1).flip(1)[:, 1:].double().numpy()

    said = torch.bincount(place.flatten(), minlength=labels * bins)
    hits = torch.bincount(place.flatten(), true.flatten(), minlength=labels * bins)
    return count_above(said), count_above(hits), true.sum(0).numpy()


def shared_threshold(said: np.ndarray, hits: np.ndarray, there: np.ndarray) -> float:  # (C, K), (C, K), (C,)
    """The one threshold with the best micro F1; of several equally good ones that in the middle."""
    f1 = 2 * hits.sum(0) / np.maximum(said.sum(0) + there.sum(), 1)  # (K,)
    best = np.flatnonzero(f1 == f1.max())
    return float(GRID[best[len(best) // 2]])


def label_thresholds(said: np.ndarray, hits: np.ndarray, there: np.ndarray, together: bool = True) -> Tensor:
    """A threshold for each label, (C,) logits, from ``threshold_counts``.

    All start at the shared one; then each label with ``ENOUGH`` examples, the commonest first, goes towards the one
    that raises the micro F1 (or, not ``together``, its own F1) most, the farther the more examples it has. If
    probabilities were calibrated one threshold would be best for all (Lipton et al., "Optimal Thresholding of
    Classifiers to Maximize F1", 2014).
    """
    start = int(np.abs(GRID.numpy() - shared_threshold(said, hits, there)).argmin())
    rows, own = np.arange(len(there)), np.full(len(there), start)
    for label in np.argsort(-there, kind="stable"):
        if there[label] < ENOUGH:
            break
        others = (rows != label) & together
        right = hits[rows, own][others].sum() + hits[label]  # (K,)
        either = said[rows, own][others].sum() + said[label] + (there.sum() if together else there[label])
        f1 = 2 * right / np.maximum(either, 1)
        best = np.flatnonzero(f1 == f1.max())
        own[label] = best[np.abs(best - start).argmin()]
    trust = torch.from_numpy(there / (there + TRUST)).float()
    return torch.lerp(GRID[start].expand(len(own)), GRID[own], trust)


def best_always(target: np.ndarray, share: np.ndarray, metric: str) -> np.ndarray:  # (n, C), (C,) -> (C,) bool
    """The labels that score best when they are always said, of examples with these shares of labels."""
    if metric == "macro F1":
        return np.ones(len(share), bool)
    if metric == "labels wrong":
        return share > 0.5
    if metric == "every label right":
        rows, counts = np.unique(target > 0.5, axis=0, return_counts=True)
        return rows[counts.argmax()]
    order = np.argsort(-share, kind="stable")
    f1 = 2 * share[order].cumsum() / (np.arange(1, len(share) + 1) + share.sum())
    chosen = np.zeros(len(share), bool)
    chosen[order[: int(f1.argmax()) + 1]] = True
    return chosen
