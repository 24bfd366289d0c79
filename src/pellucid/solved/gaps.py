"""Ridge regression to several goals of which some are not known: at each step the examples whose goal is known count.

All steps share one sum of features; what examples with gaps have too much in it is taken off again. D features,
H steps ahead, m examples with gaps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Of the right side, that may be left of it; rounds, at most and usually.
TOLERANCE, MOST_ROUNDS, USUAL_ROUNDS = 1e-7, 100, 10

# Examples at once.
AT_ONCE = 8192


@dataclass(frozen=True)
class Gaps:
    """Examples of which some goals are not known.

    Attributes:
        features: (m, D) float32. gone: (m, H) bool, which goals are not known.
    """

    features: Tensor
    gone: Tensor

    def __len__(self) -> int:
        return len(self.features)

    @classmethod
    def joined(cls, several: Sequence[Gaps], size: int = 0, horizon: int = 0) -> Gaps:
        """All as one; none, of so many features and steps, where there are none."""
        if not several:
            return cls(torch.zeros(0, size), torch.zeros(0, horizon, dtype=torch.bool))
        return cls(torch.cat([one.features for one in several]), torch.cat([one.gone for one in several]))

    def turned(self, by: Tensor) -> Gaps:  # (D, E)
        """The same with other features, which are linear in these."""
        return Gaps(self.features @ by.float(), self.gone)

    def moved(self, keep: Tensor, mean: Tensor, off: Tensor) -> tuple[Gaps, Tensor, Tensor]:  # (D,) each
        """Some features, off each of which ``mean`` of them is taken where ``off`` says so, as it is off the goals.

        Returns:
            And what sums of goals by features (D, H), and of their squares (H,), have too little and too much when
            that mean is taken off all examples rather than those whose goal is known.
        """
        own = self.features[:, keep]
        level = own.double() @ mean  # (m,)
        made = Gaps((own - torch.outer(level, off)).float(), self.gone)
        gone = self.gone.double()
        return made, made.features.double().T @ (gone * level.unsqueeze(1)), level.square() @ gone

    def squares(self, weight: Tensor) -> float:  # (D, H)
        """The sum of squared answers where goals are not known."""
        return sum(float(torch.where(gone, x @ weight, 0.0).square().sum()) for x, gone in self._parts())

    def times(self, weight: Tensor) -> Tensor:  # (D, H) -> (D, H)
        """At each step the sum of features over examples whose goal is not known, by the step's weights."""
        found = torch.zeros_like(weight)
        for x, gone in self._parts():
            found += x.T @ torch.where(gone, x @ weight, 0.0)
        return found

    def _parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self), AT_ONCE):
            yield self.features[start : start + AT_ONCE].double(), self.gone[start : start + AT_ONCE]


def solve_known(a: Tensor, b: Tensor, penalty: Tensor, gaps: Gaps) -> Tensor:  # (D, D), (D, H), (H,) -> (D, H)
    """The weights of ridge regression at each step, by conjugate gradients (Hestenes and Stiefel, 1952).

    The sums of all examples, as good as those of each step where gaps are few, are the preconditioner.

    Args:
        a: features of all examples. b: features by goals that are known. penalty: at each step.
    """
    values, vectors = torch.linalg.eigh(a)
    # Sums of float32 may be a little below zero.
    values = values.clamp_min(0)
    a = (vectors * values) @ vectors.T
    factor = vectors / (values + penalty.mean().clamp_min(1e-12)).sqrt()
    weight = factor @ (factor.T @ b)
    rest = b - _applied(a, penalty, gaps, weight)
    aim = TOLERANCE * b.norm(dim=0).clamp_min(1e-30)
    way = near = factor @ (factor.T @ rest)
    size = (rest * near).sum(0)
    for _ in range(MOST_ROUNDS):
        if bool((rest.norm(dim=0) <= aim).all()):
            break
        along = _applied(a, penalty, gaps, way)
        bend = (way * along).sum(0)
        pace = torch.where(bend > 0, size / bend.clamp_min(1e-300), 0.0)
        weight, rest = weight + pace * way, rest - pace * along
        near = factor @ (factor.T @ rest)
        after = (rest * near).sum(0)
        way = near + torch.where(size > 0, after / size.clamp_min(1e-300), 0.0) * way
        size = after
    return weight


def usual_rounds(gaps: Gaps) -> None:
    """Go as often through examples with gaps as solving usually does, to see how long it takes."""
    weight = torch.zeros(gaps.features.shape[1], gaps.gone.shape[1], dtype=torch.float64)
    for _ in range(USUAL_ROUNDS):
        gaps.times(weight)


def _applied(a: Tensor, penalty: Tensor, gaps: Gaps, weight: Tensor) -> Tensor:  # (D, H) -> (D, H)
    return a @ weight + penalty * weight - gaps.times(weight)
