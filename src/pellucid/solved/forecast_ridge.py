"""Ridge regression from the past to all steps ahead: the best linear forecast, which a network begins with.

B batch, n examples, T steps of the past, H steps ahead, C channels, D features, K folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..fields import Field
from ..fields.channel import AXIS
from ..outputs.future import level_and_scale
from .base import Rows, SolvedPart, register

KEY = f"channel:{AXIS}"

# Penalties that are tried, for each example.
PENALTIES = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)

# Folds of which each is left out in turn; series, from which on whole series are left out and no stretches of time.
FOLDS, MANY_SERIES = 4, 8

# Examples times channels that sums are made of, at most, spread evenly; examples in a batch; those that variants are
# compared on.
MOST_EXAMPLES, AT_ONCE, MOST_COMPARED = 60_000, 1024, 2_000

# Of the error, that extras, scaling and bending must each save on validation: what is simpler holds longer.
GAIN = 0.01

# Weights up to which channels may have some of their own.
MOST_WEIGHTS = 20_000_000

# Of a constant feature, so that the penalty hardly touches its weight.
CONSTANT = 30.0

# The farthest that a value is bent back from: beyond it sinh has no end.
MOST_BENT = 30.0


@dataclass(frozen=True)
class Variant:
    """What is decided about a ridge.

    Attributes:
        length: steps of the past. offset: of the last so many the mean is taken off. penalty: for each example.
        extras: whether it reads the calendar and what is known ahead. shared: one for all channels.
        scaled: each stretch by its own spread. bent: values as their inverse hyperbolic sines.
    """

    length: int = 0
    offset: int = 1
    penalty: float = 0.0
    extras: bool = True
    shared: bool = True
    scaled: bool = False
    bent: bool = False


@dataclass
class Sums:
    """Sums over examples: of features (C, D, D), of features by targets (C, D, H), of targets (C, H), examples."""

    features: Tensor
    both: Tensor
    targets: Tensor
    count: int

    def joined(self) -> Sums:
        """All channels as one."""
        return Sums(*(one.sum(0, keepdim=True) for one in (self.features, self.both, self.targets)), self.count)


@register
class ForecastRidge(SolvedPart):
    """Ridge regression (Hoerl and Kennard, 1970) over the past, the calendar and what is known ahead.

    Look-back, offset and penalty, one for all channels or each its own, plain or scaled, are chosen on validation. In
    training a row is answered with weights from which its time, or its series, was left out.
    """

    name = "ridge"
    settings: ClassVar[Mapping[str, Any]] = {
        "length": 1, "offset": 1, "penalty": 0.0, "extras": True, "shared": True, "scaled": False, "bent": False,
        "rows": 0, "folds": 0,
    }  # fmt: skip

    def __init__(self, inputs: Sequence[Field], targets: Sequence[Field], output: str, **settings: Any):
        super().__init__(inputs, targets, output, **settings)
        own = targets[0].settings
        self.context, self.horizon, self.season = (int(own[name]) for name in ("context", "horizon", "season"))
        self.calendar, self.rhythms = int(own["calendar"]), [int(lag) for lag in own["rhythms"]]
        channels = [f for f in inputs if f.traits.moments]
        self.channels = [int(f.settings["place"]) for f in targets]
        self.relative = bool(own["relative"])
        self.known = [i for i, f in enumerate(channels) if f.role == "known"]
        self.past = [i for i, f in enumerate(channels) if f.role == "input"]
        self.total = len(channels)
        self.found: dict[str, Any] = {}
        self._allocate()

    def _allocate(self) -> None:
        """Buffers of the shapes that the settings say."""
        own, several = self.variant, 1 if self.chosen["shared"] else len(self.channels)
        shape = several, own.length + (self.extra_count if own.extras else 0) + 1, self.horizon
        self.register_buffer("weight", torch.zeros(shape))
        self.register_buffer("spread", torch.zeros(self.horizon, len(self.channels)))
        # How errors go with how much the past varied lately and over all of it, and what is usual of that.
        self.register_buffer("vary", torch.zeros(3, 2))
        self.register_buffer("fold_weight", torch.zeros(int(self.chosen["folds"]), *shape))
        self.register_buffer("fold", torch.zeros(int(self.chosen["rows"]), dtype=torch.int8))

    @property
    def variant(self) -> Variant:
        names = ("length", "offset", "penalty", "extras", "shared", "scaled", "bent")
        return Variant(**{name: self.chosen[name] for name in names})

    @property
    def answers(self) -> int:
        return 2 * self.horizon * len(self.channels)

    @answers.setter
    def answers(self, _: int) -> None:
        """What other parts keep as a number follows from the horizon here."""

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Stretches of what is known ahead, from and to, in steps from the first one ahead."""
        before = min(self.horizon, self.context)
        around = [(0, self.horizon), (-before, 0)]
        # The same stretch a rhythm ago: of the hours of a day those a week before.
        around += [(-lag, before - lag) for lag in self.rhythms if before < lag <= self.context]
        return around

    @property
    def extra_count(self) -> int:
        known = len(self.known) * sum(stop - start for start, stop in self.blocks)
        return self.calendar + known + len(self.past) * min(max(self.season, 1), self.context)

    @classmethod
    def suits(cls, inputs: Sequence[Field], targets: Sequence[Field], output: str) -> str | None:
        return "the best linear forecast, which the trunk adds to" if output == "future" else None

    @classmethod
    def settings_for(cls, rows: int, seed: int) -> dict[str, Any]:
        return {}

    # -- features

    def features(self, batch: Batch, own: Variant, length: int) -> tuple[Tensor, Tensor, Tensor]:
        # -> (B, C, D), (B, C), (B, C)
        """What the ridge reads, the value that it is taken off from, and the scale.

        Features are the last ``length`` steps of each channel from its last known value on, extras, a constant.
        """
        value: Tensor = batch.inputs[KEY]  # type: ignore[assignment]
        past = fill_past(value[:, : self.context, self.channels])  # (B, T, C)
        if own.bent:
            past = past.asinh()
        last = past[:, -1]  # (B, C)
        scale = level_and_scale(past)[1][:, 0] if own.scaled else torch.ones_like(last)
        x = ((past[:, self.context - length :] - last.unsqueeze(1)) / scale.unsqueeze(1)).transpose(1, 2)  # (B, C, L)
        parts = [x]
        if own.extras and self.extra_count:
            parts.append(self.extras(value).unsqueeze(1).expand(-1, x.shape[1], -1))
        parts.append(torch.full_like(x[..., :1], CONSTANT))
        return torch.cat(parts, 2), last, scale

    def extras(self, value: Tensor) -> Tensor:  # (B, T, C) -> (B, E)
        """What is known ahead, and beside it the other channels' last season and the calendar."""
        found = [value[:, self.context - 1, self.total :]]
        for start, stop in self.blocks if self.known else ():
            found.append(value[:, self.context + start : self.context + stop, self.known].flatten(1))
        if self.past:
            season = min(max(self.season, 1), self.context)
            found.append(value[:, self.context - season : self.context, self.past].flatten(1))
        return torch.cat(found, 1).nan_to_num()

    def goals(self, batch: Batch, own: Variant, last: Tensor, scale: Tensor) -> Tensor:  # -> (B, C, H)
        """What came, as the ridge says it; what is not known as the last known value before it."""
        true: Tensor = batch.target[:, : self.horizon]  # type: ignore[index]
        true = true.asinh() if own.bent else true
        true = fill_past(torch.cat([last.unsqueeze(1), true], 1))[:, 1:]
        return ((true - last.unsqueeze(1)) / scale.unsqueeze(1)).transpose(1, 2)

    # -- answers

    def forward(self, batch: Batch) -> Tensor:  # -> (B, 2 H C)
        own = self.variant
        x, last, scale = self.features(batch, own, own.length)
        last, scale = last.unsqueeze(2), scale.unsqueeze(2)  # (B, C, 1)
        shift = self._shift(x, own)  # (B, C, 1)
        x = torch.cat([x[..., : own.length] - shift, x[..., own.length :]], 2)
        point = (self._linear(x, batch) + shift) * scale + last  # (B, C, H)
        point = point.clamp(-MOST_BENT, MOST_BENT).sinh() if own.bent else point
        spread = self.spread + scale.log().transpose(1, 2) + self._unrest(batch)  # (B, H, C)
        return torch.cat([point.transpose(1, 2).flatten(1), spread.flatten(1)], 1)

    def _past(self, batch: Batch) -> Tensor:  # -> (B, T, C)
        """What the targets were, without gaps."""
        value: Tensor = batch.inputs[KEY]  # type: ignore[assignment]
        return fill_past(value[:, : self.context, self.channels])

    def variation(self, batch: Batch) -> Tensor:  # -> (B, C, 2)
        """The logarithm of how much the last season and the whole past vary, from one step to the next."""
        change = self._past(batch).diff(dim=1).abs()
        lately = change[:, -max(self.season, 8) :]
        return torch.stack([lately.mean(1), change.mean(1)], -1).clamp_min(1e-6).log()

    def _unrest(self, batch: Batch) -> Tensor:  # -> (B, 1, C)
        """By how much errors are larger than usual, as a logarithm."""
        mean, slope = self.vary[0], self.vary[1]
        bound = self.vary[2, 0]
        varied = self.variation(batch)
        if self.variant.scaled:
            varied = varied - level_and_scale(self._past(batch))[1][:, 0].log().unsqueeze(2)
        return ((varied - mean) @ slope).clamp(-bound, bound).unsqueeze(1)

    def _shift(self, x: Tensor, own: Variant) -> Tensor:  # (B, C, D) -> (B, C, 1)
        """The mean of the last values, which is taken off."""
        return x[..., own.length - own.offset : own.length].mean(2, keepdim=True)

    def _linear(self, x: Tensor, batch: Batch) -> Tensor:  # (B, C, D) -> (B, C, H)
        """The linear map; in training each row's by the weights that it was left out of."""
        if not (self.training and len(self.fold)):
            return torch.einsum("bcd,cdh->bch", x, self._each(self.weight))
        rows = batch.rows if isinstance(batch.rows, Tensor) else torch.as_tensor(batch.rows)
        fold = self.fold[rows.to(self.fold.device)].long()
        found = x.new_zeros(*x.shape[:2], self.horizon)
        for k in fold.unique().tolist():
            own = fold == k
            found[own] = torch.einsum("bcd,cdh->bch", x[own], self._each(self.fold_weight[k]))
        return found

    def _each(self, weight: Tensor) -> Tensor:  # (1 or C, D, H) -> (C, D, H)
        return weight.expand(len(self.channels), -1, -1)

    # -- solving

    @torch.no_grad()
    def solve(self, rows: Rows, train: np.ndarray, others: np.ndarray, measure: Any = None) -> None:
        """Choose on the rows ``others`` and solve on ``train``; its answers are worked out batch by batch.

        Args:
            measure: the error of raw answers (k, R) to targets (k, ...), by which variants are compared; their mean
                absolute error when left out.
        """
        some = spread_evenly(train, MOST_EXAMPLES // len(self.channels))
        compared = spread_evenly(others if len(others) else train, MOST_COMPARED)
        best: tuple[float, Variant, Tensor] | None = None
        for scaled, bent in self._ways():
            way = Variant(self.context, 1, scaled=scaled, bent=bent)
            learned, watched = self.sums(rows, some, way), self.sums(rows, compared, way)
            variant, weight = self._choose(learned, watched, way)
            self._take(variant, weight)
            error = self._error(rows, compared, measure) * (1 + GAIN * (scaled or bent))
            if best is None or error < best[0]:
                best = error, variant, weight
        assert best is not None
        self._take(best[1], best[2])
        self.found = {"error": best[0]}
        self._leave_out(rows, train)

    def _ways(self) -> list[tuple[bool, bool]]:
        """Plain, each stretch by its own spread, and with large values bent."""
        return [(False, False), (True, False), *([] if self.relative else [(False, True)])]

    def sums(self, rows: Rows, which: np.ndarray, way: Variant) -> Sums:
        """Sums over some examples, of the whole context and all extras."""
        features = len(self.channels), self.context + self.extra_count + 1
        size = features[1]
        found = Sums(
            torch.zeros(features[0], size, size, dtype=torch.float64),
            torch.zeros(*features, self.horizon, dtype=torch.float64),
            torch.zeros(features[0], self.horizon, dtype=torch.float64),
            len(which),
        )
        for start in range(0, len(which), AT_ONCE):
            batch = rows.batch(torch.from_numpy(which[start : start + AT_ONCE]).to(rows.home))
            x, last, scale = self.features(batch, way, self.context)
            y = self.goals(batch, way, last, scale)
            if self.relative and not way.scaled:
                # Of many series each counts by its own scale.
                unit: Tensor = batch.target[:, self.horizon].unsqueeze(2)  # type: ignore[index]
                x, y = x / unit, y / unit
            x, y = x.transpose(0, 1), y.transpose(0, 1)  # (C, B, D), (C, B, H)
            found.features += (x.transpose(1, 2) @ x).double().cpu()
            found.both += (x.transpose(1, 2) @ y).double().cpu()
            found.targets += y.double().square().sum(1).cpu()
        return found

    def _choose(self, learned: Sums, watched: Sums, way: Variant) -> tuple[Variant, Tensor]:
        """The variant with the least squared error on the watched examples, and its weights."""
        best: tuple[float, Variant, Tensor] | None = None
        joined, seen = learned.joined(), watched.joined()
        for extras in (True, False) if self.extra_count else (False,):
            for length in self._lengths():
                for offset in sorted({1, min(max(self.season, 1), length), length}):
                    own = replace(way, length=length, offset=offset, extras=extras)
                    error, penalty, weight = self._best_penalty(joined, seen, own)
                    error *= 1 + GAIN * extras
                    if best is None or error < best[0]:
                        best = error, replace(own, penalty=penalty), weight
        assert best is not None
        channels = len(self.channels)
        if 1 < channels and best[2].numel() * channels <= MOST_WEIGHTS:
            own = replace(best[1], shared=False)
            each = [self._best_penalty(one, two, own) for one, two in zip(_each(learned), _each(watched), strict=True)]
            if sum(error for error, _, _ in each) < best[0]:
                best = 0.0, own, torch.cat([weight for _, _, weight in each])
        return best[1], best[2]

    def _lengths(self) -> list[int]:
        """Look-backs that are tried: the whole context, and shares of it, in whole seasons."""
        season = self.season if self.season <= self.context else 1
        found = {self.context, *self.rhythms, *(2 * lag for lag in self.rhythms)}
        for share in (0.66, 0.4, 0.25, 0.12):
            found.add(max(season * max(round(share * self.context / season), 1), min(4, self.context)))
        return sorted(one for one in found if one <= self.context)

    def _best_penalty(self, learned: Sums, watched: Sums, own: Variant) -> tuple[float, float, Tensor]:
        """The least squared error on the watched examples over all penalties, the penalty, the weights (1, D, H)."""
        a, b, _ = self._moved(learned, own)
        av, bv, yv = self._moved(watched, own)
        values, vectors = torch.linalg.eigh(a)
        inner = vectors.T @ b  # (D, H)
        both, square = vectors.T @ bv, vectors.T @ av @ vectors
        errors = []
        for penalty in PENALTIES:
            weight = inner / (values.clamp_min(0) + penalty * learned.count).unsqueeze(1)
            error = yv.sum() - 2 * (weight * both).sum() + (weight * (square @ weight)).sum()
            errors.append(float(error))
        at = int(np.argmin(errors))
        weight = vectors @ (inner / (values.clamp_min(0) + PENALTIES[at] * learned.count).unsqueeze(1))
        return errors[at], PENALTIES[at], weight.float().unsqueeze(0)

    def _moved(self, sums: Sums, own: Variant) -> tuple[Tensor, Tensor, Tensor]:  # (D, D), (D, H), (H,)
        """Sums of a shorter past, from which the mean of its last values is taken off, as is from the targets."""
        size = self.context + self.extra_count + 1
        extras = range(self.context, size - 1) if own.extras else range(0)
        keep = torch.tensor([*range(self.context - own.length, self.context), *extras, size - 1])
        a, b, y = sums.features[0][keep][:, keep], sums.both[0][keep], sums.targets[0]
        mean = torch.zeros(len(keep), dtype=a.dtype)
        mean[own.length - own.offset : own.length] = 1 / own.offset
        # Each value less the mean m x: x' = x - 1 (m x), and y' = y - m x.
        off = torch.zeros(len(keep), dtype=a.dtype)
        off[: own.length] = 1.0
        am = a @ mean
        square = mean @ am
        moved = a - torch.outer(off, am) - torch.outer(am, off) + square * torch.outer(off, off)
        goal = b - am.unsqueeze(1)
        goal = goal - torch.outer(off, mean @ b) + (off * square).unsqueeze(1)
        return moved, goal, y - 2 * (mean @ b) + square

    def _take(self, own: Variant, weight: Tensor) -> None:
        """Answer by this variant."""
        device = self.weight.device
        self.chosen = {**self.chosen, **vars(own), "rows": 0, "folds": 0}
        self._allocate()
        self.weight.copy_(weight)
        self.to(device)

    def _error(self, rows: Rows, which: np.ndarray, measure: Any) -> float:
        """How far off the answers to some examples are."""
        raw, true = [], []
        for start in range(0, len(which), AT_ONCE):
            batch = rows.batch(torch.from_numpy(which[start : start + AT_ONCE]).to(rows.home))
            raw.append(self(batch).cpu())
            true.append(batch.target.cpu())  # type: ignore[union-attr]
        if measure is not None:
            return float(measure(torch.cat(raw), torch.cat(true)))
        target = torch.cat(true)
        off = (torch.cat(raw)[:, : self.answers // 2].view(len(target), self.horizon, -1) - target[:, :-1]).abs()
        return float((off / target[:, -1:]).nanmean())

    def _leave_out(self, rows: Rows, train: np.ndarray) -> None:
        """Weights for each fold from all others, and how far they are off on the examples of the fold."""
        own = self.variant
        series, place = np.asarray(rows.arrays[KEY].low.cpu()), np.asarray(rows.arrays[KEY].places.cpu())
        fold, near = folds_of(series, place, train, self.horizon)
        total = len(series)
        assigned = np.zeros(total, np.int8)
        assigned[train] = fold
        weights, errors, varied = [], [], []
        way = replace(own, length=self.context)
        for k in range(int(fold.max()) + 1):
            kept = spread_evenly(train[near[k]], MOST_EXAMPLES // len(self.channels))
            if not len(kept):
                kept = train[fold != k] if (fold != k).any() else train
            learned = self.sums(rows, kept, way)
            every = [learned.joined()] if own.shared else _each(learned)
            weights.append(torch.cat([self._solved(one, own) for one in every]))
        self.chosen = {**self.chosen, "rows": total, "folds": len(weights)}
        whole = self.weight.clone()
        self._allocate()
        self.weight.copy_(whole)
        self.fold_weight.copy_(torch.stack(weights))
        self.fold.copy_(torch.from_numpy(assigned))
        self.train()
        some = spread_evenly(train, MOST_COMPARED)
        for start in range(0, len(some), AT_ONCE):
            batch = rows.batch(torch.from_numpy(some[start : start + AT_ONCE]).to(rows.home))
            point = self(batch)[:, : self.answers // 2].view(len(batch.rows), self.horizon, -1)
            _, _, scale = self.features(batch, own, own.length)
            errors.append((batch.target[:, :-1] - point) / scale.unsqueeze(1))  # type: ignore[index]
            varied.append(self.variation(batch) - (scale.log().unsqueeze(2) if own.scaled else 0.0))
        self.eval()
        self._fit_spread(torch.cat(errors), torch.cat(varied))

    def _fit_spread(self, error: Tensor, varied: Tensor) -> None:  # (m, H, C), (m, C, 2)
        """How far answers are off at each step, and how that goes with how much the past varied."""
        size = error.square().nanmean(1).clamp_min(1e-12).log() / 2  # (m, C)
        usual = size.nanmean(0, keepdim=True)
        known = size.isfinite()
        x, y = varied[known].double(), (size - usual)[known].double()
        mean = x.mean(0)
        x = x - mean
        # Shrunk a little: both say much the same.
        slope = torch.linalg.solve(x.T @ x + 0.01 * len(x) * torch.eye(2, dtype=x.dtype), x.T @ y)
        moved = (x @ slope).abs()
        bound = moved.quantile(0.99) if len(moved) else moved.new_tensor(0.0)
        self.vary.copy_(torch.stack([mean, slope, torch.stack([bound, bound])]).float())
        lift = ((varied - mean.float()) @ slope.float()).clamp(-float(bound), float(bound))  # (m, C)
        square = (error / lift.exp().unsqueeze(1)).square().nanmean(0)  # (H, C)
        self.spread.copy_(square.clamp_min(1e-12).sqrt().log())

    def _solved(self, sums: Sums, own: Variant) -> Tensor:  # -> (1, D, H)
        a, b, _ = self._moved(sums, own)
        a = a + own.penalty * sums.count * torch.eye(len(a), dtype=a.dtype)
        return torch.linalg.solve(a, b).float().unsqueeze(0)

    def facts(self) -> dict[str, Any]:
        return {name: self.chosen[name] for name in vars(self.variant)} | self.found


def _each(sums: Sums) -> list[Sums]:
    """The sums of every channel for itself."""
    parts = zip(sums.features, sums.both, sums.targets, strict=True)
    return [Sums(*(one.unsqueeze(0) for one in own), sums.count) for own in parts]


def fill_past(past: Tensor) -> Tensor:  # (B, T, C) -> (B, T, C)
    """Missing values as the last known one before them, or the first known one after; 0 where none is known."""
    known = past.isfinite()
    if bool(known.all()):
        return past
    steps = torch.arange(past.shape[1], device=past.device).view(1, -1, 1)
    index = torch.where(known, steps, -1).cummax(1).values  # (B, T, C)
    first = torch.where(known, steps, past.shape[1]).amin(1, keepdim=True).clamp_max(past.shape[1] - 1)
    index = torch.where(index < 0, first, index)
    return past.gather(1, index).nan_to_num()


def spread_evenly(rows: np.ndarray, most: int) -> np.ndarray:  # (n,) -> (m,)
    """At most so many of the rows, spread evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def folds_of(
    series: np.ndarray, place: np.ndarray, train: np.ndarray, horizon: int
) -> tuple[np.ndarray, list[np.ndarray]]:  # (m,), K × (m,) bool
    """The fold of each training row, and for each fold which rows see nothing of it.

    Whole series where there are many; else stretches of time, and of the others those whose steps ahead do not meet
    with any of the fold's.

    Args:
        series, place: (n,) of all rows.
    """
    own, at = series[train], place[train]
    names, number = np.unique(own, return_inverse=True)
    if len(names) >= MANY_SERIES:
        fold = (number % FOLDS).astype(np.int8)
        return fold, [fold != k for k in range(FOLDS)]
    # Quarters of each series' own time.
    within = at - own
    low, high = (np.zeros(len(names)) for _ in range(2))
    for i in range(len(names)):
        low[i], high[i] = within[number == i].min(), within[number == i].max() + 1
    share = (within - low[number]) / (high[number] - low[number])
    fold = np.minimum((share * FOLDS).astype(np.int8), FOLDS - 1)
    kept = []
    for k in range(FOLDS):
        start = low + (high - low) * k / FOLDS
        stop = low + (high - low) * (k + 1) / FOLDS
        kept.append((within + horizon <= start[number]) | (within >= stop[number] + horizon))
    return fold, kept
