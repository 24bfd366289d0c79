"""Ridge regression from the past to all steps ahead: the best linear forecast, which a network begins with.

B batch, n examples, H steps ahead, C channels, K folds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..fields import Field
from ..outputs import Output
from ..outputs.future import Future, level_and_scale
from ..storage import forms
from .base import Measure, Rows, SolvedPart, register
from .forecast_sums import AT_ONCE, choose_variant, solve_weights, sum_examples
from .gaps import usual_rounds
from .linear_forecast import KEY, VARIANT, LinearForecast, Past, Variant

# Folds of which each is left out in turn; series, from which on whole series are left out and no stretches of time.
FOLDS, MANY_SERIES = 4, 8

# Of the training rows, that must be there without a fold: a ridge of fewer says little of what the whole one errs.
LEAST_KEPT = 0.1

# Examples times channels that sums are made of, at most, spread evenly; examples that are compared on, at most;
# examples that sums are made of at the least, however short the time.
MOST_EXAMPLES, MOST_COMPARED, FEWEST_EXAMPLES = 60_000, 2_000, 500

# Of the time of one pass over the examples, what choosing a variant takes besides.
CHOOSING = 1.0

# Steps that "lately" has at least, where it is asked how much a channel varies.
LATELY = 8


@register
class ForecastRidge(SolvedPart):
    """Ridge regression (Hoerl and Kennard, 1970) over the past, the calendar and what is known ahead.

    There are up to three: on plain values, on each stretch by its own spread, on values bent by asinh. Look-back,
    offset and penalty of each are chosen on validation, and so is whose mean is the answer. In training a row is
    answered with weights from which its time, or its series, was left out.
    """

    name = "ridge"
    stand_in = "the last known value before each"

    members: nn.ModuleList
    spread: Tensor
    unrest: Tensor
    fold: Tensor

    settings: ClassVar[Mapping[str, Any]] = {"members": None, "rows": None, "folds": 0, "most": MOST_EXAMPLES}

    def __init__(self, inputs: Sequence[Field], targets: Sequence[Field], **settings: Any):
        super().__init__(inputs, targets, **settings)
        self.past = Past.of(inputs, targets)
        members = self.chosen["members"] or [vars(Variant(1))]
        forms.list_of(VARIANT, least=1, most=3)(members, "ridge.members")
        # Of any number, which the form of a default that is one would not take.
        forms.maybe(forms.whole())(self.chosen["rows"], "ridge.rows")
        if any(one["length"] > self.past.context or one["offset"] > one["length"] for one in members):
            raise forms.FormError("ridge.members look back further than the network does")
        self._allocate([Variant(**one) for one in members])

    def _allocate(self, members: Sequence[Variant], folds: int = 0, rows: int = 0) -> None:
        """Buffers of the shapes that the settings say."""
        folds, rows = folds or int(self.chosen["folds"]), rows or int(self.chosen["rows"] or 0)
        self.members = nn.ModuleList(LinearForecast(self.past, own, folds) for own in members)
        channels = len(self.past.channels)
        self.register_buffer("spread", torch.zeros(self.past.horizon, channels))
        # How errors go with how much the past varied lately and over all of it: what is usual, slopes, how far at most.
        self.register_buffer("unrest", torch.zeros(3, 3))
        self.register_buffer("fold", torch.zeros(rows, dtype=torch.int8))

    @property
    def answers(self) -> int:
        return 2 * self.past.horizon * len(self.past.channels)

    @classmethod
    def suits(cls, inputs: Sequence[Field], targets: Sequence[Field], output: type[Output]) -> str | None:
        return "the best linear forecast, which the trunk adds to" if output is Future else None

    @classmethod
    def settings_for(cls, rows: int, seed: int) -> dict[str, Any]:
        return {}

    def facts(self) -> dict[str, Any]:
        return {"members": [vars(one.own) for one in self.linear]}

    @property
    def linear(self) -> list[LinearForecast]:
        """The members, typed."""
        return list(self.members)  # type: ignore[arg-type]

    # -- answers

    def forward(self, batch: Batch) -> Tensor:  # -> (B, 2 H C)
        point = self.points(batch)
        return torch.cat([point.flatten(1), (self.spread + self._log_scale(batch)).flatten(1)], 1)

    def read_vectors(self, batch: Batch) -> Tensor:
        return torch.cat([one.features(batch, one.own.length)[0].flatten(1) for one in self.linear], 1)

    def points(self, batch: Batch) -> Tensor:  # -> (B, H, C)
        """What comes, the mean of all members."""
        fold = None
        if self.training and len(self.fold):
            rows = batch.rows if isinstance(batch.rows, Tensor) else torch.as_tensor(batch.rows)
            fold = self.fold[rows.to(self.fold.device)].long()
        return torch.stack([one(batch, fold) for one in self.linear]).mean(0)

    def _log_scale(self, batch: Batch) -> Tensor:  # -> (B, 1, C)
        """By how much errors are larger than usual, as a logarithm; of many series from their own scale on."""
        varied, unit = self._variation(batch)
        usual, slope, bound = self.unrest
        return (((varied - usual) @ slope).clamp(-bound[0], bound[0]) + unit).unsqueeze(1)

    def _variation(self, batch: Batch) -> tuple[Tensor, Tensor]:  # -> (B, C, 3), (B, C)
        """Logarithms of how much the past varies, and of the scale.

        From step to step lately, from season to season lately and over all of it.
        """
        past = self.past.values(batch)
        change = past.diff(dim=1).abs() if past.shape[1] > 1 else past.abs()
        season = min(self.past.season, past.shape[1] - 1)
        turned = (past[:, season:] - past[:, :-season]).abs() if season > 0 else past.abs()
        lately = max(self.past.season, LATELY)
        told = [change[:, -lately:].mean(1), turned[:, -lately:].mean(1), turned.mean(1)]
        varied = torch.stack(told, -1).clamp_min(1e-6).log()
        if not self.past.relative:
            return varied, torch.zeros_like(varied[..., 0])
        unit = level_and_scale(past)[1][:, 0].log()
        return varied - unit.unsqueeze(2), unit

    # -- solving

    @torch.no_grad()
    def solve(
        self, rows: Rows, train: np.ndarray, others: np.ndarray, *, validation: np.ndarray, error: Measure
    ) -> None:
        """Choose on validation and solve on ``train``; answers are too many to be kept, and are worked out again."""
        self.eval()
        compared = spread_evenly(validation if len(validation) else train, MOST_COMPARED)
        some = spread_evenly(train, self.most_examples)
        # Batches may be on a GPU though the data does not fit there.
        device = rows.batch(batches_of(rows, compared[:1])[0]).inputs[KEY].device  # type: ignore[union-attr]
        found, said, true = [], [], []
        for way in self._ways():
            learned, watched = (sum_examples(self.past, way, rows, which) for which in (some, compared))
            own, weight = choose_variant(self.past, learned, watched, way)
            member = LinearForecast(self.past, own).to(device)
            member.weight.copy_(weight)
            batches = [rows.batch(part) for part in batches_of(rows, compared)]
            said.append(torch.cat([member(batch).cpu() for batch in batches]))
            true = [rows.targets(part.cpu().numpy()).cpu() for part in batches_of(rows, compared)]
            found.append((own, weight))
        chosen = self._choose_members(said, torch.cat(true), error)
        fold, weights = self._fold_weights(rows, train, [found[i][0] for i in chosen])
        self._allocate([found[i][0] for i in chosen], len(weights), len(fold))
        self.chosen = {**self.chosen, **self.facts(), "folds": len(weights), "rows": len(fold)}
        for k, (i, member) in enumerate(zip(chosen, self.linear, strict=True)):
            member.weight.copy_(found[i][1])
            for own, weight in zip(member.fold_weight, (each[k] for each in weights), strict=True):
                own.copy_(weight)
        self.fold.copy_(torch.from_numpy(fold))
        self.to(device)
        left_out = self.left_out(train)
        known = left_out if len(left_out) else compared
        self._fit_spread(rows, spread_evenly(known, MOST_COMPARED), left_out=len(left_out) > 0)

    def left_out(self, train: np.ndarray) -> np.ndarray:
        return train[self.fold.cpu().numpy()[train] >= 0]

    def check_values(self, tensors: Mapping[str, np.ndarray]) -> None:
        fold, folds = tensors["fold"], int(self.chosen["folds"])
        if len(fold) and not -1 <= int(fold.min()) <= int(fold.max()) < max(folds, 1):
            raise forms.FormError(f"ridge.fold is not one of {folds:,} folds")

    def check_rows(self, count: int) -> None:
        if len(self.fold) != count:
            raise forms.FormError(f"ridge.fold is of {len(self.fold):,} rows, and the data has {count:,}")

    @property
    def most_examples(self) -> int:
        """Examples that sums are made of, at most."""
        return max(int(self.chosen["most"]) // len(self.past.channels), 1)

    def within(self, rows: Rows, train: np.ndarray, total: int, seconds: float) -> dict[str, Any]:
        """With as many examples as can be gone through in the time, for every way and every fold."""
        some, way = spread_evenly(train, AT_ONCE), Variant(1)
        sum_examples(self.past, way, rows, some[:1])
        began = time.perf_counter()
        gaps = sum_examples(self.past, way, rows, some).joined().gaps[0]
        # What is not known costs some rounds more.
        usual_rounds(gaps)
        each = (time.perf_counter() - began) / len(some)
        passes = len(self._ways()) * (1 + CHOOSING + FOLDS)
        most = max(int(seconds / passes / each), FEWEST_EXAMPLES) * len(self.past.channels)
        return {**self.chosen, "most": min(most, MOST_EXAMPLES)}

    def _ways(self) -> list[Variant]:
        """Plain, each stretch by its own spread and, but for many series, values bent."""
        ways = [Variant(1), Variant(1, scaled=True)]
        return ways if self.past.relative else [*ways, Variant(1, bent=True)]

    def _choose_members(self, said: Sequence[Tensor], true: Tensor, error: Measure) -> tuple[int, ...]:
        """Whose mean has the least error on validation."""
        every = range(len(said))
        tried = [some for count in range(1, len(said) + 1) for some in combinations(every, count)]

        def error_of(some: tuple[int, ...]) -> float:
            point = torch.stack([said[i] for i in some]).mean(0).flatten(1)
            return error(torch.cat([point, torch.zeros_like(point)], 1), true)

        return min(tried, key=error_of)

    def _fold_weights(
        self, rows: Rows, train: np.ndarray, members: Sequence[Variant]
    ) -> tuple[np.ndarray, list[list[Tensor]]]:  # (n,), K × members × (1 or C, D, H)
        """The fold of each row, -1 for one that can't be left out, and weights from all others for each fold."""
        windows = rows.arrays[KEY]
        low, place = np.asarray(windows.low.cpu()), np.asarray(windows.places.cpu())
        fold, kept = folds_of(low, place, train, self.past.horizon)
        assigned = np.zeros(len(low), np.int8)
        assigned[train] = fold
        found = []
        for own in kept:
            some = spread_evenly(train[own], self.most_examples)
            found.append([solve_weights(self.past, sum_examples(self.past, one, rows, some), one) for one in members])
        return assigned, found

    def _fit_spread(self, rows: Rows, some: np.ndarray, left_out: bool) -> None:  # (m,)
        """How far answers are off at each step on rows left out, and how that goes with how much the past varied.

        Args:
            left_out: whether they are training rows, each answered without its fold; else validation's.
        """
        self.train(left_out)
        errors, variation = [], []
        for part in batches_of(rows, some):
            batch = rows.batch(part)
            varied, unit = self._variation(batch)
            errors.append((batch.target[:, :-1] - self.points(batch)) / unit.exp().unsqueeze(1))  # type: ignore[index]
            variation.append(varied)
        self.eval()
        error, varied = torch.cat(errors), torch.cat(variation)  # (m, H, C), (m, C, 3)
        size = error.square().nanmean(1).clamp_min(1e-12).log() / 2  # (m, C)
        known = size.isfinite()
        x, y = varied[known].double(), (size - size.nanmean(0, keepdim=True))[known].double()
        usual = x.mean(0)
        x = x - usual
        # Shrunk a little: both say much the same.
        slope = torch.linalg.solve(x.T @ x + 0.01 * len(x) * torch.eye(3, dtype=x.dtype, device=x.device), x.T @ y)
        bound = (x @ slope).abs().quantile(0.99)
        self.unrest.copy_(torch.stack([usual, slope, bound.repeat(3)]).float())
        lift = ((varied - self.unrest[0]) @ self.unrest[1]).clamp(-float(bound), float(bound))  # (m, C)
        square = (error / lift.exp().unsqueeze(1)).square().nanmean(0)  # (H, C)
        self.spread.copy_(square.nan_to_num(1.0).clamp_min(1e-12).sqrt().log())


def batches_of(rows: Rows, which: np.ndarray) -> list[Tensor]:
    """The numbers of some examples, a batch at a time."""
    return list(torch.from_numpy(which).to(rows.home).split(AT_ONCE))


def spread_evenly(rows: np.ndarray, most: int) -> np.ndarray:  # (n,) -> (m,)
    """At most so many of the rows, spread evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def folds_of(
    series: np.ndarray, place: np.ndarray, train: np.ndarray, horizon: int
) -> tuple[np.ndarray, list[np.ndarray]]:  # (n,), (n,), (m,) -> (m,), K × (m,) bool
    """The fold of each training row, and for each fold which rows see nothing of it.

    Whole series where there are many; else stretches of time, and of the others those whose steps ahead do not meet
    with any of the fold's. Where hardly any are left then, as of few rows that look far ahead, the rows of that stretch
    can't be left out: they are in fold -1. Smaller stretches would not help: it is the steps ahead that meet.

    Args:
        series, place: of all rows: the first place of their series, and their own.
    """
    own, at = series[train], place[train]
    names, number = np.unique(own, return_inverse=True)
    if len(names) >= MANY_SERIES:
        fold = (number % FOLDS).astype(np.int8)
        return fold, [fold != k for k in range(FOLDS)]
    # Quarters of each series' own time.
    low, high = (np.zeros(len(names)) for _ in range(2))
    for i in range(len(names)):
        low[i], high[i] = at[number == i].min(), at[number == i].max() + 1
    fold = np.minimum(((at - low[number]) / (high - low)[number] * FOLDS).astype(np.int8), FOLDS - 1)
    kept = []
    for k in range(FOLDS):
        start, stop = (low + (high - low) * share / FOLDS for share in (k, k + 1))
        kept.append((at + horizon <= start[number]) | (at >= stop[number] + horizon))
    able = [k for k in range(FOLDS) if kept[k].mean() >= LEAST_KEPT]
    numbered = np.full(FOLDS, -1, np.int8)
    numbered[able] = range(len(able))
    return numbered[fold], [kept[k] for k in able]
