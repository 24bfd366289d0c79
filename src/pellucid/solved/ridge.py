"""Ridge regression solved exactly, for many penalties at once, with the answer to each row by the model without it.

One eigendecomposition serves all penalties, and what a model that never saw row i says of it follows in closed form:
the error of the whole model over 1 - h_ii, its leverage (Allen's PRESS, 1974; Golub, Heath, Wahba, 1979).

n rows, F features, R numbers in an answer, P penalties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

# Penalties that are tried, times the number of features, whose squares are 1 on average.
PENALTIES = tuple(10.0 ** (k / 2) for k in range(-12, 5))

# A row whose leverage is 1 alone decides what is said of it: without it nothing is known.
LEAST_REST = 1e-6


@dataclass(frozen=True)
class Ridge:
    """A solved ridge regression, for one penalty.

    Attributes:
        penalty: relative to the number of features. coefficients: (F, R), intercept: (R,), of the features as given.
        left_out: (n, R) the answer to each row by the model without it.
    """

    penalty: float
    coefficients: Tensor
    intercept: Tensor
    left_out: Tensor


@dataclass(frozen=True)
class Moments:
    """Of rows with weights that are 1 on average: means (F,), deviations (F,), 1 where a feature never varies."""

    mean: Tensor
    std: Tensor

    def scale(self, x: Tensor) -> Tensor:  # (n, F) -> (n, F) float64
        return (x.double() - self.mean) / self.std


# Gets the answers that rows get when they are left out (P, n, R), and says which penalty is best.
Choose = Callable[[Tensor], int]

# Some rows after another: x, y and weight of each block, as ``solve_rows`` takes them.
Blocks = Callable[[], Iterable[tuple[Tensor, Tensor, Tensor]]]


def solve_rows(x: Tensor, y: Tensor, weight: Tensor, choose: Choose) -> Ridge:
    """Ridge of few rows and many features, by the eigenvalues of the rows' products.

    Args:
        x: (n, F) features. y: (n, R) targets, float64. weight: (n,) how much each counts, 1 on average, none 0.
    """
    moments, target = feature_moments(x, weight), weighted_mean(y, weight)
    root = weight.sqrt().unsqueeze(1)  # (n, 1)
    scaled = moments.scale(x).mul_(root)  # (n, F)
    values, vectors = torch.linalg.eigh(scaled @ scaled.T)
    values = values.clamp_min(0)
    b = root * (y - target)
    turned = vectors.T @ b  # (n, R)
    penalties = torch.tensor(PENALTIES, dtype=torch.float64, device=x.device) * x.shape[1]
    shrink = penalties.unsqueeze(1) / (values + penalties.unsqueeze(1))  # (P, n): λ / (Λ + λ)
    errors = torch.einsum("nk,pk,kr->pnr", vectors, shrink, turned)
    rest = vectors.square() @ shrink.T - (weight / weight.sum()).unsqueeze(1)  # (n, P): 1 - h
    left_out = y - errors / (root * rest.T.unsqueeze(-1).clamp_min(LEAST_REST))
    best = choose(left_out)
    alpha = vectors @ (turned / (values + penalties[best]).unsqueeze(1))  # (n, R)
    return unscaled(scaled.T @ alpha, target, moments, float(PENALTIES[best]), left_out[best])


def solve_features(blocks: Blocks, thin: Blocks, choose: Callable[[Iterable[Tensor]], int]) -> Ridge:
    """Ridge of many rows, block by block, by the eigenvalues of the features' products.

    Args:
        blocks: gives, each time anew, all rows. thin: some of them, to choose the penalty on.
        choose: gets for each block of ``thin`` the answers that its rows get when left out, (P, b, R).
    """
    totals = sum_products(blocks())
    gram, cross, moments, target, count = totals
    values, vectors = torch.linalg.eigh(gram)
    values = values.clamp_min(0)
    turned = vectors.T @ cross  # (F, R)
    penalties = torch.tensor(PENALTIES, dtype=torch.float64, device=gram.device) * len(gram)
    solved = turned.unsqueeze(0) / (values + penalties.unsqueeze(1)).unsqueeze(-1)  # (P, F, R)

    def left_out_block(x: Tensor, y: Tensor, weight: Tensor, some: slice) -> Tensor:  # -> (p, b, R)
        z = moments.scale(x) @ vectors  # (b, F)
        errors = y - target - torch.einsum("bf,pfr->pbr", z, solved[some])
        leverage = z.square() @ (1 / (values + penalties[some].unsqueeze(1))).T  # (b, p)
        rest = 1 - weight.unsqueeze(1) * (leverage + 1 / count)
        return y - errors / rest.T.unsqueeze(-1).clamp_min(LEAST_REST)

    best = choose(left_out_block(*block, slice(None)) for block in thin())
    left_out = torch.cat([left_out_block(*block, slice(best, best + 1))[0] for block in blocks()])
    return unscaled(vectors @ solved[best], target, moments, float(PENALTIES[best]), left_out)


def sum_products(
    blocks: Iterable[tuple[Tensor, Tensor, Tensor]],
) -> tuple[Tensor, Tensor, Moments, Tensor, float]:
    """Of standardised features: their products (F, F), those with the targets (F, R); moments, means, weight in all."""
    totals: list[Tensor] = []
    count = 0.0
    for x, y, weight in blocks:
        x, heavy = x.double(), weight.unsqueeze(1)
        weighted = x * heavy
        own = [weighted.T @ x, weighted.T @ y, weighted.sum(0), (y * heavy).sum(0)]
        totals = [total.add_(part) for total, part in zip(totals, own, strict=True)] if totals else own
        count += float(weight.sum())
    gram, cross, first, target = totals
    mean, aim = first / count, target / count
    gram -= count * torch.outer(mean, mean)
    cross -= count * torch.outer(mean, aim)
    std = safe_deviation(gram.diagonal() / count, mean)
    return gram / torch.outer(std, std), cross / std.unsqueeze(1), Moments(mean, std), aim, count


def feature_moments(x: Tensor, weight: Tensor) -> Moments:  # (n, F), (n,)
    mean = weighted_mean(x.double(), weight)
    variance = weighted_mean((x.double() - mean).square(), weight)
    return Moments(mean, safe_deviation(variance, mean))


def safe_deviation(variance: Tensor, mean: Tensor) -> Tensor:  # (F,) -> (F,)
    """The deviation of features, endless where one varies by rounding alone: scaled by it, it says nothing."""
    none = variance <= 1e-12 * mean.square().clamp_min(1e-12)
    return variance.clamp_min(0).sqrt().masked_fill(none, float("inf"))


def weighted_mean(x: Tensor, weight: Tensor) -> Tensor:  # (n, F), (n,) -> (F,)
    return (x * weight.unsqueeze(1)).sum(0) / weight.sum()


def unscaled(scaled: Tensor, target: Tensor, moments: Moments, penalty: float, left_out: Tensor) -> Ridge:
    """The solution for features as given, from the one for standardised features (F, R)."""
    coefficients = scaled / moments.std.unsqueeze(1)
    return Ridge(penalty, coefficients, target - moments.mean @ coefficients, left_out)
