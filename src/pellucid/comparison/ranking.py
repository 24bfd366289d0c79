"""What several trainings of several networks come to: means over seeds, significant differences, what it means.

n validation examples, S seeds, D draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from itertools import combinations
from statistics import mean
from typing import Any

import numpy as np

from ..data.splits.time_spans import Moments
from ..metrics.base import Judge
from ..metrics.block_bootstrap import Blocks, blocks_of_time, order_of, widen_interval
from ..metrics.bootstrap import drawn_units, resample_metric
from ..metrics.score import few_blocks

MEANS = ("value", "low", "high", "seconds", "validation", "latency", "throughput")

# Their means are rounded: nobody has half a parameter.
WHOLE_MEANS = ("steps", "parameters", "memory")

# Of one or more errors in all comparisons together.
ERROR_LEVEL = 0.05

# At .05 over 6 pairs 10,000 draws leave 42 beyond 0 on either side. They are made where the first 2,000 come near the
# level; of more than 10,000 examples fewer are affordable.
FIRST_DRAWS, DRAWS, DRAWN_WEIGHTS = 2000, 10_000, 100_000_000

NEAR_LEVEL = (0.01, 0.2)

Trial = Mapping[str, Any]


def mean_over_seeds(trials: Sequence[Trial], better: Callable[[float, float], bool]) -> dict[str, Any]:
    """What the trainings of one network gave: ``MEANS`` and ``WHOLE_MEANS`` as means over seeds, all else from the seed
    that is best on validation, and the trainings themselves in ``seeds``.

    Only ``error`` and ``seeds`` where none could be trained. ``better(new, old)`` is the metric's.
    """
    good = [t for t in trials if "value" in t]
    if not good:
        return {"error": trials[0]["error"], "seeds": list(trials)}
    best = good[0]
    for trial in good[1:]:
        best = trial if better(trial["validation"], best["validation"]) else best
    found = {k: v for k, v in best.items() if k not in ("network", "seed")}
    for name in (*MEANS, *WHOLE_MEANS):
        values = [t[name] for t in good if t[name] is not None]
        found[name] = (round(mean(values)) if name in WHOLE_MEANS else mean(values)) if values else None
    if found["ahead"]:
        found["ahead"] = {k: mean(t["ahead"][k] for t in good) for k in ("value", "low", "high")}
    return found | {"seeds": list(trials)}


def rank_networks(networks: Mapping[str, Mapping[str, Any]], higher: bool) -> list[str]:
    """Names of those that could be trained, the best on validation first."""
    able = [name for name, one in networks.items() if "value" in one]
    return sorted(able, key=lambda name: networks[name]["validation"], reverse=higher)


@dataclass(frozen=True)
class Judgement:
    """What networks are ranked on.

    Attributes:
        judges: by network, for each seed, the metric of its answers as a function of the examples' weights.
        higher: whether more of the metric is better. weight: (n,) how much each example counts.
        group: (n,) whose each example is, where those of one are drawn together.
        moments: when each is, where blocks of time are drawn.
    """

    judges: Mapping[str, Sequence[Judge]]
    higher: bool
    weight: np.ndarray
    group: np.ndarray | None = None
    moments: Moments | None = None

    def network_values(self) -> dict[str, float]:
        """Each network's metric, the mean over its seeds."""
        return {name: float(mean_metric(own, self.weight[None])[0]) for name, own in self.judges.items()}

    @cached_property
    def mean_values(self) -> list[Judge]:
        return [partial(mean_metric, own) for own in self.judges.values()]

    @cached_property
    def time_blocks(self) -> Blocks | None:
        """The blocks of time that are drawn; None where single examples or groups are."""
        if self.moments is None or order_of(self.moments.value)[1] < 2:
            return None
        return blocks_of_time(self.mean_values, self.weight, self.moments.value)

    def resamples(self, draws: int) -> dict[str, np.ndarray]:
        """Each network's metric, (D,), of at most so many ``draws``, the same for all.

        So what is hard for all cancels. Where there are several seeds these are drawn too, one fewer than there are:
        the spread of their mean is not underrated then (McCarthy and Snowden, 1985).
        """
        draws = min(draws, max(DRAWN_WEIGHTS // len(self.weight), FIRST_DRAWS))
        draw = self.time_blocks.resample_counts if self.time_blocks else drawn_units(self.weight, self.group)
        rng = np.random.default_rng(0)

        def metric_rows(weights: np.ndarray) -> np.ndarray:  # (S, n) -> (S, networks)
            return np.stack([mean_metric(own, weights, rng) for own in self.judges.values()], 1)

        found = resample_metric(metric_rows, len(self.weight), lambda some: draw(rng, some) * self.weight, draws)
        return dict(zip(self.judges, found.T, strict=True))

    def say_how(self) -> str:
        """What is drawn to tell networks apart, in plain sentences; empty where there is one network alone."""
        if len(self.judges) < 2:
            return ""
        what = "examples" if self.group is None else "groups of examples"
        if self.time_blocks and self.moments:
            what = f"blocks of time ({self.moments.length_in_words(self.time_blocks.block_moments)} each)"
        seeds = " and over seeds" if max(map(len, self.judges.values())) > 1 else ""
        said = (
            f"Each network was tested against the first by a paired bootstrap over {what}{seeds}; p is adjusted for "
            f"the number of comparisons (Holm, Shaffer), and below {ERROR_LEVEL} a network is significantly behind. "
            "The others were not tested against each other."
        )
        return f"{said} {few_blocks(self.time_blocks.whole_blocks)}".strip() if self.time_blocks else said


def mean_metric(
    judges: Sequence[Judge], weights: np.ndarray, rng: np.random.Generator | None = None
) -> np.ndarray:  # (S, n) -> (S,)
    """The mean metric over seeds; over drawn ones where there is an ``rng``."""
    metric = np.stack([judge(weights) for judge in judges], 1)  # (S, seeds)
    seeds = metric.shape[1]
    if rng is not None and seeds > 1:
        metric = np.take_along_axis(metric, rng.integers(0, seeds, (len(metric), seeds - 1)), 1)
    return metric.mean(1)


def behind_first(ranking: Sequence[str], judged: Judgement) -> dict[str, dict[str, float]]:
    """How far each network is behind the first of the ranking on validation, and whether that can be chance.

    ``value``, ``low`` and ``high`` are the difference of the mean metrics with its own 95% interval, a bootstrap's.
    ``p`` is the probability of such a difference between equal networks, adjusted for the number of comparisons. As the
    first is chosen by the same examples, these are all pairs: a step-down test (Holm, 1979) whose steps divide by how
    many pairs may still be equal (Shaffer, 1986). Where p is not below .05, the two are not told apart.
    """
    found = bootstrap_gaps(ranking, judged, FIRST_DRAWS)
    near, far = NEAR_LEVEL
    return bootstrap_gaps(ranking, judged, DRAWS) if any(near < one["p"] < far for one in found.values()) else found


def bootstrap_gaps(ranking: Sequence[str], judged: Judgement, draws: int) -> dict[str, dict[str, float]]:
    """What ``behind_first`` returns, from at most so many ``draws`` resamples."""
    values, sign = judged.network_values(), 1 if judged.higher else -1
    drawn, wider = judged.resamples(draws), judged.time_blocks.widening_factor() if judged.time_blocks else 1.0
    found, p_values = dict[str, dict[str, float]](), dict[tuple[str, str], float]()
    for one, other in combinations(ranking, 2):
        value, gap = sign * (values[one] - values[other]), sign * (drawn[one] - drawn[other])
        gap = gap[np.isfinite(gap)]
        # p and interval are widened alike, or one would say what the other denies.
        low, high = widen_interval(gap, value, wider)
        p_values[one, other] = bootstrap_p_value(value + wider * (gap - value))
        if one == ranking[0]:
            found[other] = {"value": value, "low": low, "high": high}
    adjusted = stepped_down(p_values, len(ranking))
    return {name: one | {"p": adjusted[ranking[0], name]} for name, one in found.items()}


def bootstrap_p_value(gap: np.ndarray) -> float:  # (D,)
    """The two-sided bootstrap p-value of a difference: twice the share of draws on the far side of 0."""
    # One more on either side of the fraction: with finitely many draws p is never 0 (Davison and Hinkley, 1997).
    far = min(int((gap <= 0).sum()), int((gap >= 0).sum()))
    return min(1.0, 2 * (far + 1) / (len(gap) + 1))


def stepped_down(p_values: Mapping[tuple[str, str], float], networks: int) -> dict[tuple[str, str], float]:
    """p-values of all pairs of so many networks, adjusted: the error of one or more is at most what each is below.

    The smallest is taken times the number of pairs, the next times the most pairs that can be equal when one is not …
    """
    # For three networks 3, 1 or 0 pairs can be equal, never 2: that is what the steps gain by.
    possible = sorted(equal_pairs(networks), reverse=True)
    found, highest = dict[tuple[str, str], float](), 0.0
    for rejected, pair in enumerate(sorted(p_values, key=lambda pair: p_values[pair])):
        left = len(p_values) - rejected
        highest = max(highest, min(1.0, p_values[pair] * next(count for count in possible if count <= left)))
        found[pair] = highest
    return found


@cache
def equal_pairs(networks: int) -> frozenset[int]:
    """How many pairs of so many networks can be equal: those inside the groups of every way to group them."""
    if networks == 0:
        return frozenset({0})
    return frozenset(
        size * (size - 1) // 2 + rest for size in range(1, networks + 1) for rest in equal_pairs(networks - size)
    )


def tied_networks(first: str, behind: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """The networks that validation does not tell apart from the first, with the 95% interval of the difference."""
    return [
        {"networks": [first, name], "apart": {k: one[k] for k in ("value", "low", "high")}}
        for name, one in behind.items()
        if not one["p"] < ERROR_LEVEL
    ]
