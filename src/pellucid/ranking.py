"""What several trainings of several networks come to: means over seeds, who can be told apart, what it means in words.

n validation examples, S seeds, D draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import mean
from typing import Any

import numpy as np

from .draw.numbers import milliseconds, spread, with_interval
from .outputs.metrics import Judge, bootstrap

MEANS = ("value", "low", "high", "seconds", "validation", "latency", "throughput")
WHOLE = ("steps", "parameters", "memory")  # their means are rounded

Trial = Mapping[str, Any]


def summed(trials: Sequence[Trial], better: Callable[[float, float], bool]) -> dict[str, Any]:
    """One network's fields: means over its seeds, the run of the best of them, and in ``seeds`` each one's own.

    Only ``error`` and ``seeds`` where none could be trained. ``better(new, old)`` is the metric's.
    """
    good = [t for t in trials if "value" in t]
    if not good:
        return {"error": trials[0]["error"], "seeds": list(trials)}
    best = good[0]
    for trial in good[1:]:
        best = trial if better(trial["validation"], best["validation"]) else best
    found = {k: v for k, v in best.items() if k not in ("network", "seed")}
    for name in (*MEANS, *WHOLE):
        values = [t[name] for t in good if t[name] is not None]
        found[name] = (round(mean(values)) if name in WHOLE else mean(values)) if values else None
    if found["ahead"]:
        found["ahead"] = {k: mean(t["ahead"][k] for t in good) for k in ("value", "low", "high")}
    return found | {"seeds": list(trials)}


def ranked(networks: Mapping[str, Mapping[str, Any]], higher: bool) -> list[str]:
    """Names of those that could be trained, the best on validation first."""
    able = [name for name, one in networks.items() if "value" in one]
    return sorted(able, key=lambda name: networks[name]["validation"], reverse=higher)


def apart(
    one: Sequence[Judge],
    other: Sequence[Judge],
    weight: np.ndarray,
    higher: bool,
    group: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """How much better one network is on validation than another: the difference of mean metrics, low, high.

    The interval (95 %) is a bootstrap's over examples, the same for both, so that what is hard for both cancels; and
    over seeds, where there are several.

    Args:
        one, other: for each seed, the metric of its answers as a function of the examples' weights.
        weight: (n,) how much each example counts. group: (n,) whose it is, where those of one are drawn together.
    """
    sign, rng = 1 if higher else -1, np.random.default_rng(0)

    def middle(judges: Sequence[Judge], sets: np.ndarray, drawn: bool) -> np.ndarray:  # (D, n) -> (D,)
        metric = np.stack([judge(sets) for judge in judges], 1)  # (D, S)
        if drawn:
            metric = np.take_along_axis(metric, rng.integers(0, metric.shape[1], metric.shape), 1)
        return metric.mean(1)

    def gap(sets: np.ndarray, drawn: bool = True) -> np.ndarray:  # (D, n) -> (D,)
        return sign * (middle(one, sets, drawn) - middle(other, sets, drawn))

    return float(gap(weight[None], drawn=False)[0]), *bootstrap(gap, weight, group=group)


def ties(
    ranking: Sequence[str],
    judges: Mapping[str, Sequence[Judge]],
    weight: np.ndarray,
    higher: bool,
    group: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Neighbours in the ranking that validation can't tell apart, with the interval of their difference."""
    found = []
    for one, other in pairwise(ranking):
        value, low, high = apart(judges[one], judges[other], weight, higher, group)
        if not low > 0:
            found.append({"networks": [one, other], "apart": {"value": value, "low": low, "high": high}})
    return found


# -- in words


def meaning(record: Mapping[str, Any]) -> list[str]:
    """What a comparison means, in plain sentences."""
    first, *others = record["ranking"]
    networks, baseline = record["networks"], record["baseline"]
    best = networks[first]
    percent = record["percent"]
    base, _ = spread(baseline["value"], baseline["low"], baseline["high"], percent)
    naive = f"{baseline['name'].strip(' ,')} gets {base}"
    seeds = f" (the mean of {len(record['seeds'])} seeds)" if len(record["seeds"]) > 1 else ""
    groups, where = tied(record["ties"]), record["ranked on"]
    level = groups[0] if groups and first in groups[0] else []
    place = f"{first} is best on {where}{seeds}: it" if others else f"{first}{seeds}"
    if level:
        place = f"{listed(level)} are the best on {where}{seeds}, not told apart by it; {first}, listed first,"
    said = [f"{place} gets {best['metric']} {score(best, percent)} on test, where {naive}."]
    said += [f"{listed(group)} are not told apart by {where}." for group in groups if group is not level]
    if level:
        quick = min(level, key=lambda name: networks[name]["latency"])
        if quick != first:
            said.append(f"Of these {quick} answers fastest, in {milliseconds(networks[quick]['latency'])} an example.")
    said += beside(record)
    return said + [f"{name} could not be trained: {one['error']}." for name, one in networks.items() if "error" in one]


def beside(record: Mapping[str, Any]) -> list[str]:
    """How the best network stands to the reference, where there is one."""
    reference, first = record["reference"], record["ranking"][0]
    if not reference:
        return []
    name, ahead = reference["name"], record["networks"][first]["ahead"]
    verdict = f"{first} and it are not told apart by these test examples"
    if ahead["high"] < 0:
        verdict = "better than any network here" if beats_all(record) else f"better than {first}"
    elif ahead["low"] > 0:
        verdict = f"less than {first}"
    return [f"{name[:1].upper()}{name[1:]} gets {score(reference, record['percent'])}: {verdict}."]


def beats_all(record: Mapping[str, Any]) -> bool:
    return all(record["networks"][name]["ahead"]["high"] < 0 for name in record["ranking"])


def tied(ties: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Neighbours that are not told apart, joined to chains."""
    chains: list[list[str]] = []
    for tie in ties:
        one, other = tie["networks"]
        if chains and chains[-1][-1] == one:
            chains[-1].append(other)
        else:
            chains.append([one, other])
    return chains


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def score(one: Mapping[str, Any], percent: bool) -> str:
    """``74.2 % (73.3–75.1 %)``."""
    return with_interval(one["value"], one["low"], one["high"], percent)
