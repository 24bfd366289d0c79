"""Random convolutions with ridge regression: the strong and fast model of whole series (ROCKET and those after it).

Dempster, Petitjean, Webb, "ROCKET", 2020; Dempster, Schmidt, Webb, "MiniRocket", 2021; Tan et al., "MultiRocket", 2022.

B batch, n examples, T values, C channels, F features, R numbers in an answer, P penalties.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..fields import Field, Group, input_groups
from ..outputs import Output
from ..outputs.pooled import PooledOutput
from ..storage import forms
from ..tasks.calibration import fit_temperature
from ..trunks.keyed_random import hash_keys
from .base import Measure, Rows, SolvedPart, frames_layer, register
from .kernels import EXTREMES, KERNELS, TAPS, differences, dilations_for, draw_kernels, draw_thresholds, pooled_features
from .ridge import Ridge, solve_features, solve_rows

# Dilations and thresholds, and the same for more rows than whose products are made: then those of all features are.
USUAL, MANY_ROWS = {"dilations": 16, "thresholds": 3}, {"dilations": 6, "thresholds": 1}

MOST_ROWS = 2_500

# Rows that penalties are compared on, that thresholds are taken from, and whose features are made at a time.
MOST_COMPARED, MOST_SAMPLED, ROWS_AT_ONCE = 20_000, 64, 256

# Numbers that all kernels of one dilation give for a batch, which is cut so that it fits the processor's cache.
NUMBERS_AT_ONCE = 1 << 20

# By what answers of a regression on 0 and 1 are multiplied to be logits, about; left-out answers tell it exactly.
USUAL_SCALE = 10.0

# Rows whose features are made to see how long that takes.
TIMED_ROWS = 16


@register
class RandomConvolutions(SolvedPart):
    """How often what small kernels give lies above thresholds, its extremes, and ridge regression on these.

    Settings:
        dilations: of the kernels, at most. thresholds: of each kernel at each dilation. seed: of which channels a
            kernel reads, and of its thresholds.
    """

    name = "random convolutions"
    settings: ClassVar[Mapping[str, Any]] = {"dilations": 1, "thresholds": 1, "seed": 0}
    # Shares of values above a threshold.
    smooth = False

    coefficients: Tensor
    intercept: Tensor

    def __init__(self, inputs: Sequence[Field], targets: Sequence[Field], **settings: Any):
        super().__init__(inputs, targets, **settings)
        check_settings(self.chosen)
        (group,) = groups_along_time(inputs)
        named = {field.name: field for field in inputs}
        self.key, self.layer = group.key, frames_layer([named[name] for name in group.fields])
        longest, channels = self.layer.frame_shape
        count = self.chosen["thresholds"]
        # Of the values, and of their differences.
        self.dilations = [dilations_for(length, self.chosen["dilations"]) for length in (longest, longest - 1)]
        for i, dilations in enumerate(self.dilations):
            self.register_buffer(f"kernels_{i}", torch.zeros(len(dilations), KERNELS, channels, TAPS))
            self.register_buffer(f"thresholds_{i}", torch.zeros(len(dilations), KERNELS, count))
        features = sum(map(len, self.dilations)) * KERNELS * (count + EXTREMES)
        self.register_buffer("coefficients", torch.zeros(features, self.answers))
        self.register_buffer("intercept", torch.zeros(self.answers))
        self._facts: dict[str, Any] = {}

    @classmethod
    def suits(cls, inputs: Sequence[Field], targets: Sequence[Field], output: type[Output]) -> str | None:
        goals = [field.traits for field in targets]
        known = all(one.amount for one in goals) or (len(goals) == 1 and goals[0].one_class)
        if not known or not issubclass(output, PooledOutput) or len(groups_along_time(inputs)) != 1:
            return None
        return "the strongest simple model of series; the network begins with it"

    @classmethod
    def usual(cls, inputs: Sequence[Field]) -> bool:
        # Of recordings it knows who speaks: with a speaker of FSDD left out it had 73 and 82% right, the trunk alone 92
        # and 80%, and what it leaves to learn of known speakers is next to nothing (docs/LOG.md, 2026-11-28).
        return all(field.traits.curves for field in inputs if field.traits.along_time)

    @classmethod
    def settings_for(cls, rows: int, seed: int) -> dict[str, Any]:
        return (USUAL if rows <= MOST_ROWS else MANY_ROWS) | {"seed": seed}

    def within(self, rows: Rows, train: np.ndarray, total: int, seconds: float) -> dict[str, Any]:
        """The settings with which all features are made in about so many seconds."""
        settings = dict(self.chosen)
        few = torch.from_numpy(np.sort(train[:TIMED_ROWS]))
        batch = rows.batch(few)
        began = time.perf_counter()
        self._features(batch)
        each = (time.perf_counter() - began) / len(few)
        # Of many rows features are made three times.
        passes = total + (2 * len(train) if len(train) > MOST_ROWS else 0)
        while each * passes > seconds and settings["dilations"] * settings["thresholds"] > 1:
            name = "thresholds" if settings["thresholds"] > 1 else "dilations"
            settings[name] //= 2
            each /= 2
        return settings

    # -- features

    def forward(self, batch: Batch) -> Tensor:  # -> (B, R)
        with torch.autocast(self.intercept.device.type, enabled=False):
            return self._features(batch) @ self.coefficients + self.intercept

    def read_vectors(self, batch: Batch) -> Tensor:
        return self._features(batch)

    def _features(self, batch: Batch) -> Tensor:  # -> (B, F) float32, whatever else the network computes with
        value: Any = batch.inputs[self.key]
        frames, lengths = self.layer.frames(value)
        size = max(1, NUMBERS_AT_ONCE // (KERNELS * frames.shape[1]))
        parts = zip(frames.float().split(size), lengths.split(size), strict=True)
        return torch.cat([self._part_features(x, own) for x, own in parts])

    def _part_features(self, x: Tensor, lengths: Tensor) -> Tensor:  # (b, T, C), (b,) -> (b, F)
        found = []
        for i, (values, own) in enumerate(((x, lengths), differences(x, lengths))):
            kernels, thresholds = getattr(self, f"kernels_{i}"), getattr(self, f"thresholds_{i}")
            found.append(pooled_features(values, own, kernels, thresholds, self.dilations[i]))
        return torch.cat(found, 1)

    # -- solving

    @torch.no_grad()
    def solve(
        self, rows: Rows, train: np.ndarray, others: np.ndarray, *, validation: np.ndarray, error: Measure
    ) -> Tensor:
        # Penalty and scale are chosen on answers to left-out training rows: there are more of them.
        self._draw(rows, train)
        device = self.intercept.device
        y = rows.targets(train).to(device)
        y = one_hot(y, self.answers) if self.classes else y.double()
        weight = row_weights(rows, train).to(device)
        if len(train) <= MOST_ROWS:
            x = torch.cat([part for _, part in self._in_order(rows, train)])
            found = solve_rows(x, y, weight, lambda answers: best_penalty(answers, y, weight))
        else:
            found = self._solve_blocks(rows, train, y, weight)
        scale = logit_scale(found.left_out, y, weight) if self.classes else 1.0
        self.coefficients.copy_(found.coefficients * scale)
        self.intercept.copy_(found.intercept * scale)
        self._facts = {"features": len(self.coefficients), "penalty": found.penalty, "scale": scale}
        rest = [self(rows.batch(part)).cpu() for part in rows_in_place(rows, others, ROWS_AT_ONCE)]
        return torch.cat([(found.left_out * scale).float().cpu(), *rest])

    def facts(self) -> dict[str, Any]:
        return dict(self._facts)

    def _draw(self, rows: Rows, train: np.ndarray) -> None:
        """Draw kernels and thresholds, by the seed and some training series."""
        seed = self.chosen["seed"]
        order = hash_keys(torch.from_numpy(train) + seed * 0x1000193, 5).argsort(stable=True)[:MOST_SAMPLED]
        batch = rows.batch(torch.from_numpy(np.sort(train[order.numpy()])).to(rows.home))
        value: Any = batch.inputs[self.key]
        x, lengths = self.layer.frames(value)
        for i, (values, own) in enumerate(((x.float(), lengths), differences(x.float(), lengths))):
            kernels, thresholds = getattr(self, f"kernels_{i}"), getattr(self, f"thresholds_{i}")
            drawn = draw_kernels(values.shape[2], len(self.dilations[i]), seed + i).to(kernels.device)
            kernels.copy_(drawn)
            count = thresholds.shape[2]
            thresholds.copy_(draw_thresholds(values, own, kernels, self.dilations[i], count, seed + i))

    def _in_order(self, rows: Rows, some: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
        """The features of rows, some at a time, in their order; and where in ``some`` they stand."""
        start = 0
        for part in rows_in_place(rows, some, ROWS_AT_ONCE):
            yield slice(start, start + len(part)), self._features(rows.batch(part))
            start += len(part)

    def _solve_blocks(self, rows: Rows, train: np.ndarray, y: Tensor, weight: Tensor) -> Ridge:
        """As of few rows, with memory for a block of rows and the products of features."""
        thin = np.arange(0, len(train), -(-len(train) // MOST_COMPARED))

        def blocks(places: np.ndarray) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
            for cut, x in self._in_order(rows, train[places]):
                index = torch.from_numpy(places[cut]).to(y.device)
                yield x, y[index], weight[index]

        def choose(answers: Iterable[Tensor]) -> int:
            index = torch.from_numpy(thin).to(y.device)
            return best_penalty(torch.cat(list(answers), 1), y[index], weight[index])

        every = np.arange(len(train))
        return solve_features(lambda: blocks(every), lambda: blocks(thin), choose)


def groups_along_time(inputs: Sequence[Field]) -> list[Group]:
    """The groups of input fields whose values are numbers along time."""
    kinds = {field.name: field.traits for field in inputs}
    return [group for group in input_groups(f.with_(role="input") for f in inputs) if kinds[group.fields[0]].along_time]


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises forms.FormError for numbers that no plan chooses: they may come from a stranger's file."""
    forms.whole(1, 64)(settings["dilations"], "dilations")
    forms.whole(1, 1024)(settings["thresholds"], "thresholds")


def rows_in_place(rows: Rows, some: np.ndarray, size: int) -> list[Tensor]:
    """Rows in the order given, so many at a time, where the data lives."""
    return [torch.from_numpy(some[start : start + size]).to(rows.home) for start in range(0, len(some), size)]


def row_weights(rows: Rows, train: np.ndarray) -> Tensor:  # -> (m,) float64, 1 on average
    """How much each training row counts; hardly at all rather than not, so that it has an answer when left out."""
    if rows.weight is None:
        return torch.ones(len(train), dtype=torch.float64)
    weight = rows.weight.cpu()[torch.from_numpy(train)].double()
    return (weight / weight.mean()).clamp_min(1e-6)


def one_hot(y: Tensor, classes: int) -> Tensor:  # (n,) -> (n, C) float64
    return torch.nn.functional.one_hot(y.long(), classes).double()


def best_penalty(answers: Tensor, y: Tensor, weight: Tensor) -> int:  # (P, n, R), (n, R), (n,) -> ()
    """The penalty whose answers to left-out rows are nearest to the truth; of nearly equal ones the largest."""
    costs = ((answers - y).square().sum(-1) * weight).sum(-1)  # (P,)
    return int(torch.nonzero(costs <= costs.min() * (1 + 1e-9)).max())


def logit_scale(answers: Tensor, y: Tensor, weight: Tensor) -> float:  # (n, C), (n, C), (n,) -> ()
    """By what answers to left-out rows are to be multiplied to be the likeliest logits."""
    logits, true = (USUAL_SCALE * answers).cpu().numpy(), y.argmax(1).cpu().numpy()
    counts = weight.cpu().numpy()
    places = np.arange(len(true))

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        scaled = scaled - scaled.max(1, keepdims=True)
        each = np.log(np.exp(scaled).sum(1)) - scaled[places, true]
        return float(np.average(each, weights=counts))

    return USUAL_SCALE / fit_temperature(loss, len(true))
