"""Sums of examples, from which linear forecasts are chosen and solved. What is not known counts in none.

B batch, H steps ahead, C channels, D features, m examples with gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .base import Rows
from .gaps import Gaps, solve_known
from .linear_forecast import LinearForecast, Past, Variant

# Penalties that are tried, for each example.
PENALTIES = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)

# Of the error, that extras and weights of each channel must save on validation: what is simpler holds longer.
GAIN = 0.01

# Examples in a batch; weights, up to which channels may have some of their own.
AT_ONCE, MOST_WEIGHTS = 1024, 20_000_000

# Features of examples with gaps that are kept, at most: what is beyond is left out at every step.
MOST_KEPT = 50_000_000


@dataclass
class Sums:
    """Sums over examples.

    Attributes:
        features: (C, D, D). both: (C, D, H) of features by goals. goals: (C, H) of squares.
        used, known: (C,), (C, H) how many examples of each channel, and of how many a goal is known.
        gaps: of each channel the examples of which some goals are not known; ``features`` holds them at every step.
    """

    features: Tensor
    both: Tensor
    goals: Tensor
    used: Tensor
    known: Tensor
    gaps: list[Gaps]

    def joined(self) -> Sums:
        """All channels as one."""
        features, both, goals = (one.sum(0, keepdim=True) for one in (self.features, self.both, self.goals))
        # Examples are counted as of one channel.
        used, known = (one.mean(0, keepdim=True) for one in (self.used, self.known))
        return Sums(features, both, goals, used, known, [Gaps.joined(self.gaps)])

    def each(self) -> list[Sums]:
        """Every channel for itself."""
        tensors = (self.features, self.both, self.goals, self.used, self.known)
        found = []
        for c in range(len(self.features)):
            features, both, goals, used, known = (one[c : c + 1] for one in tensors)
            found.append(Sums(features, both, goals, used, known, self.gaps[c : c + 1]))
        return found

    @property
    def counts(self) -> Tensor:  # (H,), or (1,) where all are known
        """Of one channel, at how many examples the goal of a step is known."""
        return self.known[0] if len(self.gaps[0]) else self.used

    @property
    def share(self) -> Tensor:  # (H,), or (1,) where all are known
        """Of one channel, the share of examples at which the goal of a step is known."""
        return self.known[0] / self.used[0].clamp_min(1) if len(self.gaps[0]) else torch.ones(1, dtype=torch.float64)


def sum_examples(past: Past, own: Variant, rows: Rows, which: np.ndarray) -> Sums:
    """Sums over some examples, of the whole context and all extras, as a variant scales or bends them."""
    reader = LinearForecast(past, replace(own, length=past.context, extras=True))
    channels, size = len(past.channels), past.context + past.extra_count + 1
    found = Sums(
        torch.zeros(channels, size, size, dtype=torch.float64),
        torch.zeros(channels, size, past.horizon, dtype=torch.float64),
        torch.zeros(channels, past.horizon, dtype=torch.float64),
        torch.zeros(channels, dtype=torch.float64),
        torch.zeros(channels, past.horizon, dtype=torch.float64),
        [],
    )
    kept: list[list[Gaps]] = [[] for _ in range(channels)]
    for start in range(0, len(which), AT_ONCE):
        batch = rows.batch(torch.from_numpy(which[start : start + AT_ONCE]).to(rows.home))
        x, last, scale = reader.features(batch, past.context)
        y = reader.goals(batch, last, scale)
        if past.relative and not own.scaled:
            # Of many series each counts by its own scale.
            unit: Tensor = batch.target[:, past.horizon].unsqueeze(2)  # type: ignore[index]
            x, y = x / unit, y / unit
        x, y = x.transpose(0, 1), y.transpose(0, 1)  # (C, B, D), (C, B, H)
        known = y.isfinite()
        if not bool(known.all()):
            most = max(1, int(MOST_KEPT / size / channels * len(batch.rows) / len(which)))
            x, y, known = _keep_gaps(kept, x, y, known, most)
        found.features += (x.transpose(1, 2) @ x).double().cpu()
        found.both += (x.transpose(1, 2) @ y).double().cpu()
        found.goals += y.double().square().sum(1).cpu()
        found.known += known.double().sum(1).cpu()
        found.used += known.any(2).double().sum(1).cpu()
    found.gaps = [Gaps.joined(own, size, past.horizon) for own in kept]
    return found


def _keep_gaps(
    kept: Sequence[list[Gaps]], x: Tensor, y: Tensor, known: Tensor, most: int
) -> tuple[Tensor, Tensor, Tensor]:  # (C, B, D), (C, B, H), (C, B, H)
    """Put examples with gaps, so many of each channel at most, into ``kept``; zeros for what counts in no sum."""
    known = known.clone()
    for c, own in enumerate(kept):
        # What is known at no step tells nothing at any.
        at = (~known[c].all(1) & known[c].any(1)).nonzero()[:, 0]
        some = at[torch.linspace(0, len(at) - 1, min(most, len(at))).long()]
        there = known[c, some]
        known[c, at] = False
        known[c, some] = there
        own.append(Gaps(x[c, some].cpu(), ~there.cpu()))
    used = known.any(2, keepdim=True)
    return torch.where(used, x, 0.0), torch.where(known, y, 0.0), known


def choose_variant(past: Past, learned: Sums, watched: Sums, way: Variant) -> tuple[Variant, Tensor]:
    """The variant with the least squared error on the watched examples, and its weights (1 or C, D, H)."""
    joined, seen = learned.joined(), watched.joined()

    def tried(own: Variant) -> tuple[float, Variant, Tensor]:
        error, penalty, weight = best_penalty(past, joined, seen, own)
        return error * (1 + GAIN * own.extras), replace(own, penalty=penalty), weight

    # One after the other, each with the best of those before: all together would be as many as their product.
    best = tried(replace(way, length=past.context, offset=1, extras=False))
    steps: list[list[dict[str, Any]]] = [
        [{"extras": True}] if past.extra_count else [],
        [{"offset": one} for one in sorted({past.season, past.context}) if one > 1],
        [{"length": one} for one in past.lengths() if one < past.context],
    ]
    for others in steps:
        start = best[1]
        for change in others:
            own = replace(start, **change)
            found = tried(replace(own, offset=min(own.offset, own.length)))
            best = min(best, found, key=lambda one: one[0])
    channels = len(past.channels)
    if channels > 1 and best[2].numel() * channels <= MOST_WEIGHTS:
        own = replace(best[1], shared=False)
        each = [best_penalty(past, one, two, own) for one, two in zip(learned.each(), watched.each(), strict=True)]
        if sum(error for error, _, _ in each) * (1 + GAIN) < best[0]:
            # Each with the penalty that serves it; the record tells the usual one.
            exact = [
                _exact(past, one, replace(own, penalty=penalty), weight)
                for one, (_, penalty, weight) in zip(learned.each(), each, strict=True)
            ]
            return replace(own, penalty=float(np.median([one for _, one, _ in each]))), torch.cat(exact)
    return best[1], _exact(past, joined, best[1], best[2])


def _exact(past: Past, sums: Sums, own: Variant, weight: Tensor) -> Tensor:  # -> (1, D, H)
    """The weights themselves, where gaps made ``best_penalty`` take what is near them."""
    return _solve(past, sums, own).unsqueeze(0) if len(sums.gaps[0]) else weight


def best_penalty(past: Past, learned: Sums, watched: Sums, own: Variant) -> tuple[float, float, Tensor]:
    """The least squared error on the watched examples over all penalties, the penalty, the weights (1, D, H).

    Where there are gaps, features are taken to be as usual at the examples whose goals are known: so one decomposition
    serves all steps. The error is that of the weights found so, on what is known.
    """
    a, b, _, _ = moved_sums(past, learned, own)
    av, bv, yv, gaps = moved_sums(past, watched, own)
    values, vectors = torch.linalg.eigh(a)
    values, inner = values.clamp_min(0).unsqueeze(1), vectors.T @ b  # (D, 1), (D, H)
    both, square, gaps = vectors.T @ bv, vectors.T @ av @ vectors, gaps.turned(vectors)
    share, counts = learned.share, learned.counts.clamp_min(1)
    errors = []
    for penalty in PENALTIES:
        weight = inner / (values * share + penalty * counts)
        error = yv.sum() - 2 * (weight * both).sum() + (weight * (square @ weight)).sum()
        errors.append(float(error) - gaps.squares(weight))
    at = int(np.argmin(errors))
    weight = vectors @ (inner / (values * share + PENALTIES[at] * counts))
    return errors[at], PENALTIES[at], weight.float().unsqueeze(0)


def solve_weights(past: Past, sums: Sums, own: Variant) -> Tensor:  # -> (1 or C, D, H)
    """The weights of a variant that is decided."""
    return torch.stack([_solve(past, one, own) for one in ([sums.joined()] if own.shared else sums.each())])


def _solve(past: Past, one: Sums, own: Variant) -> Tensor:  # -> (D, H)
    a, b, _, gaps = moved_sums(past, one, own)
    if len(gaps):
        return solve_known(a, b, own.penalty * one.counts, gaps).float()
    a = a + own.penalty * float(one.used) * torch.eye(len(a), dtype=a.dtype)
    # Least squares (``lstsq``) rounds as memory happens to lie: a replay would not be the same to the last bit.
    return torch.linalg.solve(a, b).float()


def moved_sums(past: Past, sums: Sums, own: Variant) -> tuple[Tensor, Tensor, Tensor, Gaps]:
    """Sums of one channel, of a shorter past, the mean of whose last values is taken off, as it is from the goals.

    Returns:
        (D, D), (D, H), (H,), and the examples with gaps. The first is of all examples, the others of what is known.
    """
    size = past.context + past.extra_count + 1
    extras = range(past.context, size - 1) if own.extras else range(0)
    keep = torch.tensor([*range(past.context - own.length, past.context), *extras, size - 1])
    a, b, y = sums.features[0][keep][:, keep], sums.both[0][keep], sums.goals[0]
    mean, off = torch.zeros(2, len(keep), dtype=a.dtype)
    mean[own.length - own.offset : own.length] = 1 / own.offset
    # Each value less the mean m x: x' = x - 1 (m x), and y' = y - m x.
    off[: own.length] = 1.0
    am = a @ mean
    square = mean @ am
    moved = a - torch.outer(off, am) - torch.outer(am, off) + square * torch.outer(off, off)
    goal = b - am.unsqueeze(1) - torch.outer(off, mean @ b) + (off * square).unsqueeze(1)
    gaps, unknown, unknown_square = sums.gaps[0].moved(keep, mean, off)
    return moved, goal + unknown, y - 2 * (mean @ b) + square - unknown_square, gaps
