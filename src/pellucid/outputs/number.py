"""One number or several: regression.

B batch, n examples, R target numbers, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..fields import Field
from ..metrics.base import normalised_weights
from ..metrics.numbers import OF_NUMBERS, next_to_nothing, weighted_medians
from ..metrics.score import Score
from ..trunks import Features
from ..trunks.layers import Linear
from .base import Output, as_array, measure_all, register

COVERAGE = 0.9


@register
class Number(Output):
    """One linear map to R standardised numbers; squared error.

    Each prediction comes with a range that held ``COVERAGE`` of the validation answers (split conformal prediction,
    Lei et al., 2018). Target: (B, R) standardised by the training targets' mean and spread. The usual metric is
    R², the mean over targets; 0 is what always saying the mean gets.
    """

    name = "number"
    kind = "number"
    metric = "R2"
    metrics = OF_NUMBERS
    positive = ("std",)

    mean: Tensor
    std: Tensor
    spread: Tensor

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__(fields, **settings)
        states = [f.state or {} for f in fields]
        self.register_buffer("mean", torch.tensor([s["mean"] for s in states], dtype=torch.float64))
        self.register_buffer("std", torch.tensor([s["std"] or 1.0 for s in states], dtype=torch.float64))
        self.register_buffer("spread", torch.full((len(fields),), float("nan")))  # (R,) half the range, raw units

    def build(self, width: int) -> Number:
        self.layer = Linear(width, len(self.fields))
        nn.init.zeros_(self.layer.weight)  # step 0 is the training mean, the naive answer
        nn.init.zeros_(self.layer.bias)
        return self

    def forward(self, f: Features) -> Tensor:  # (*B, D) -> (*B, R)
        return self.layer(f.x)

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (B, R), (B, R) -> (B,)
        return (raw.float() - target).square().mean(1)

    def to_numpy(self, raw: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray]:  # (n, R), (n, R)
        return self.to_units(raw), self.to_units(target)

    def naive_answer(
        self, target: np.ndarray, weight: np.ndarray | None = None
    ) -> tuple[Tensor, str]:  # (n, R) -> (R,)
        """The mean, which is best for squares; the median for absolute errors, each counted 1 / size for shares."""
        true, even = (
            self.to_units(torch.from_numpy(np.ascontiguousarray(target))),
            normalised_weights(weight, len(target)),
        )
        name, best = "mean", np.average(true, 0, even)
        if "absolute" in self.metric:
            shares = "percentage" in self.metric
            counts = (
                even / np.maximum(abs(true.T), np.finfo(float).eps) if shares else np.tile(even, (true.shape[1], 1))
            )
            name = "number that is off by the smallest share" if shares else "median"
            best = np.array([weighted_medians(own, count[None])[0] for own, count in zip(true.T, counts, strict=True)])
        raw = (torch.from_numpy(best) - self.mean.cpu()) / self.std.cpu()
        return raw.float(), f"always the {name}, {' and '.join(f'{v:,.4g}' for v in best)}"

    def calibrate(self, raw: Tensor, target: Tensor) -> None:
        """Half the range that holds ``COVERAGE`` of the validation errors, each target for itself."""
        error = (raw - target).abs().double().cpu()  # (n, R)
        level = min(1.0, COVERAGE * (1 + 1 / max(len(error), 1)))
        self.spread.copy_(torch.quantile(error, level, dim=0) * self.std.cpu())

    def to_units(self, raw: Tensor) -> np.ndarray:  # (n, R) -> (n, R), as the user writes them
        return as_array(raw) * as_array(self.std) + as_array(self.mean)

    def decode(self, raw: Tensor) -> list[dict[str, Any]]:
        spread = as_array(self.spread)
        rows = []
        for values in self.to_units(raw):
            each = [
                {"value": float(v), "low": float(v - s), "high": float(v + s)}
                for v, s in zip(values, spread, strict=True)
            ]
            one = len(each) == 1
            rows.append(each[0] if one else {f.name: e for f, e in zip(self.fields, each, strict=True)})
        return rows

    def decode_target(self, target: np.ndarray) -> list[Any]:
        values = self.to_units(torch.from_numpy(np.ascontiguousarray(target)))
        return [float(v[0]) if len(v) == 1 else [float(x) for x in v] for v in values]

    def report_content(self, raw: Tensor, target: Tensor, weight: np.ndarray | None = None) -> dict[str, Any]:
        guess, true = self.to_numpy(raw, target)  # (n, R)
        found = measure_all(self, guess, true, weight)
        if next_to_nothing(true).any():
            found.pop("mean absolute percentage error", None)
        within = (abs(guess - true) <= as_array(self.spread)).mean(1)
        found[f"errors within the {COVERAGE:.0%} range"] = float(np.average(within, weights=weight))
        return {
            "metrics": found,
            "residuals": {
                "true": true[:, 0].tolist(),
                "predicted": guess[:, 0].tolist(),
                "unit": self.fields[0].name,
                "targets": len(self.fields),
            },
        }

    def aside_name(self, name: str) -> str:
        return f"{name.strip(' ,')},"

    def say_score(self, score: Score, baseline: Score) -> str:
        if self.metric != "R2":
            return super().say_score(score, baseline)
        names, naive = " and ".join(f"'{f.name}'" for f in self.fields), self.aside_name(baseline.name)
        if min(score.value, baseline.value) < 0:  # a share of what varies can't be less than nothing
            return f"{score}; {naive} R2 {baseline.value:.4f}: on these examples {names} lie elsewhere."
        return (
            f"Explains {score.value:.1%} of how {names} {'varies' if len(self.fields) == 1 else 'vary'} "
            f"({score.low:.1%} to {score.high:.1%}); {naive} explains {baseline.value:.1%}."
        )
