"""How often a 95% interval of a part by time holds the true value, when errors are correlated in time: simulated.

Errors are an AR(1) series, e[t] = φ e[t - 1] + noise, as is the truth that R² divides by. Beside blocks of time (what
is drawn now, see pellucid/outputs/blockwise.py) stands the bootstrap of single rows.

Wanted: 90 to 98% for each metric, n and φ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from common import arguments, report

from pellucid.metrics.base import Judge, mean_of
from pellucid.metrics.block_bootstrap import block_bootstrap
from pellucid.metrics.bootstrap import bootstrap_interval
from pellucid.metrics.numbers import mean_absolute_error, r2

RIGHT, VARIANCE = 0.8, 0.3  # the accuracy, and the errors' variance beside the truth's, 1
RATIO = 1.2  # of the errors of the other of a pair
METRICS = ("accuracy", "MAE", "R2", "difference of MAE")


def series(rng: np.random.Generator, n: int, phi: float) -> np.ndarray:  # (n,), of variance 1
    noise = rng.normal(size=n) * math.sqrt(1 - phi**2)
    found = np.empty(n)
    last = rng.normal()
    for t in range(n):
        last = found[t] = phi * last + noise[t]
    return found


def examples(rng: np.random.Generator, n: int, phi: float) -> dict[str, tuple[Judge, float, tuple[float, float]]]:
    """Each metric on one simulated part: as a function of weights, its true value, its limits."""
    error, second, true = (series(rng, n, phi) for _ in range(3))
    error, other = math.sqrt(VARIANCE) * error, RATIO * math.sqrt(VARIANCE / 2) * (error + second)
    right = (error < math.sqrt(VARIANCE) * NormalDist().inv_cdf(RIGHT)).astype(float)
    mean = math.sqrt(2 * VARIANCE / math.pi)
    guess, second_guess = (true + error)[:, None], (true + other)[:, None]
    one, two = mean_absolute_error(guess, true[:, None]), mean_absolute_error(second_guess, true[:, None])
    return {
        "accuracy": (mean_of(right), RIGHT, (0.0, 1.0)),
        "MAE": (one, mean, (0.0, math.inf)),
        "R2": (r2(guess, true[:, None]), 1 - VARIANCE, (-math.inf, 1.0)),
        "difference of MAE": (lambda weight: two(weight) - one(weight), (RATIO - 1) * mean, (-math.inf, math.inf)),
    }


def covered(n: int, phi: float, times: int, seed: int = 0) -> dict[str, list[float]]:
    """By metric the share of intervals that hold the true value, of blocks and of single rows, and blocks in a part."""
    rng, order = np.random.default_rng([seed, n, round(100 * phi)]), np.arange(float(n))
    found: dict[str, list[list[float]]] = {name: [] for name in METRICS}
    for _ in range(times):
        for name, (judge, value, limits) in examples(rng, n, phi).items():
            low, high, blocks = block_bootstrap(judge, np.ones(n), order, limits)
            least, most = bootstrap_interval(judge, np.ones(n), 200)
            found[name].append([low <= value <= high, least <= value <= most, blocks.whole_blocks])
    return {name: np.mean(rows, 0).tolist() for name, rows in found.items()}


def rows(sizes: Sequence[int], phis: Sequence[float], times: int) -> list[list[Any]]:
    made = []
    for n in sizes:
        for phi in phis:
            for name, (held, single, blocks) in covered(n, phi, times).items():
                short = "" if held >= 0.9 else "short"
                made.append([f"{n:,}", phi, name, f"{held:.0%}", f"{single:.0%}", f"{blocks:.0f}", short])
    return made


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000, 5000])
    parser.add_argument("--phis", type=float, nargs="+", default=[0.0, 0.5, 0.9, 0.95])
    parser.add_argument("--times", type=int, default=300, help="parts simulated for each line")
    given = parser.parse_args()
    header = ("n", "φ", "metric", "blocks of time", "single rows", "blocks in the part", "")
    note = (
        f"{given.times} simulated parts a line: the share of 95% intervals that hold the true value (± "
        f"{100 * math.sqrt(0.95 * 0.05 / given.times):.1f} points by chance). Where a part holds fewer than 8 blocks "
        "the report says that the interval may be too narrow."
    )
    report("Coverage of intervals in time", header, rows(given.sizes, given.phis, given.times), note, given.write)


if __name__ == "__main__":
    main()
