"""What a comparison means, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.score import plain_name
from ..wording import metric_text, milliseconds_text, value_and_spread, with_interval


def explain_comparison(record: Mapping[str, Any]) -> list[str]:
    """What a comparison means, in plain sentences."""
    first, *others = record["ranking"]
    networks, baseline = record["networks"], record["baseline"]
    best = networks[first]
    percent = record["percent"]
    base, _ = value_and_spread(baseline["value"], baseline["low"], baseline["high"], percent)
    naive = f"baseline ({plain_name(baseline['name'])}): {base}"
    seeds = f" (the mean of {len(record['seeds'])} seeds)" if len(record["seeds"]) > 1 else ""
    where, level = record["ranked on"], [first, *(tie["networks"][1] for tie in record["ties"])]
    place = f"{first} {placing_phrase(level, len(others), where)}{seeds}:" if others else f"{first}{seeds}:"
    said = [f"{place} {metric_text(best['metric'])} on test {score_with_interval(best, percent)}; {naive}."]
    if level[1:]:
        are = "are" if len(level) > 2 else "is"
        said.append(f"{list_names(level[1:])} {are} not significantly different from {first} on {where}.")
        if behind := [name for name in others if name not in level]:
            said.append(f"{list_names(behind)} {'are' if len(behind) > 1 else 'is'} significantly behind {first}.")
        # Where accuracy does not decide, speed may.
        quick = min(level, key=lambda name: networks[name]["latency"])
        if quick != first:
            same = "Of the two" if len(level) == 2 else f"Of {first} and those level with it"
            said.append(f"{same} {quick} predicts fastest: {milliseconds_text(networks[quick]['latency'])} an example.")
    said += reference_sentence(record)
    return said + [f"{name} could not be trained: {one['error']}." for name, one in networks.items() if "error" in one]


def reference_sentence(record: Mapping[str, Any]) -> list[str]:
    """How the best network stands to the reference, where there is one."""
    reference, first = record["reference"], record["ranking"][0]
    if not reference:
        return []
    name, ahead = plain_name(reference["name"]), record["networks"][first]["ahead"]
    verdict = f"not significantly different from {first}"
    if ahead["high"] < 0:
        verdict = "better than any network here" if beats_all(record) else f"better than {first}"
    elif ahead["low"] > 0:
        verdict = f"worse than {first}"
    return [f"{name[:1].upper()}{name[1:]}: {score_with_interval(reference, record['percent'])} on test, {verdict}."]


def beats_all(record: Mapping[str, Any]) -> bool:
    return all(record["networks"][name]["ahead"]["high"] < 0 for name in record["ranking"])


def placing_phrase(level: Sequence[str], others: int, where: str) -> str:
    """Where the first of a ranking stands, as far as it was tested; ``level``: it and those not told apart from it."""
    if level[1:]:
        return f"is first on {where}"
    return f"is best on {where}, significantly ahead of {'the other' if others == 1 else 'each of the others'}"


def list_names(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def score_with_interval(one: Mapping[str, Any], percent: bool) -> str:
    """``74.2% (73.3–75.1%)``."""
    return with_interval(one["value"], one["low"], one["high"], percent)
