"""Each of several number targets by itself: its scores, beside what a constant gets, and how often its ranges hold.

The main metric is a mean over targets, in which a good one hides a bad one.

n examples, R targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.splits.time_spans import Moments
from ..metrics.base import normalised_weights
from ..metrics.block_bootstrap import block_bootstrap
from ..metrics.bootstrap import bootstrap_intervals
from ..metrics.numbers import OF_NUMBERS
from ..storage import forms
from .base import Values
from .number import NumberTask

# A share of what varies, and how far off in the user's units.
METRICS = ("R2", "mean absolute error")

_MEASURED = forms.maybe(forms.number())

_SCORE = forms.record({**dict.fromkeys(("value", "low", "high", "baseline"), _MEASURED), "constant": forms.number()})

# What ``score_each_target`` returns of each, in a run's record.
EACH_TARGET = forms.record(
    {
        "name": forms.text(),
        "scores": forms.record(dict.fromkeys(METRICS, _SCORE)),
        "coverage": forms.map_of(forms.number(0, 1), most=10),
    }
)


def constants_of(task: NumberTask, target: Values, weight: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """For each metric the constant answer (R,), in the user's units, that is best on the training targets (n, R)."""
    constants = {}
    for name in METRICS:
        own = NumberTask(task.fields, name)
        constants[name] = own.to_units(own.naive_answer(target, weight)[0])
    return constants


def score_each_target(
    task: NumberTask,
    raw: Values,
    target: Values,
    constants: Mapping[str, np.ndarray],
    weight: np.ndarray | None = None,
    group: np.ndarray | None = None,
    moments: Moments | None = None,
) -> list[dict[str, Any]]:
    """Of each target its ``name``, ``scores`` by metric and ``coverage``, as JSON; none where there is one alone.

    A score has ``value``, ``low``, ``high`` (95%), and ``baseline``, what always answering ``constant`` gets.

    Args:
        raw, target: (n, R). constants: by metric, (R,), see ``constants_of``.
        weight, group, moments: as for ``Task.score``.
    """
    if len(task.fields) < 2 or not len(raw):
        return []
    guess, true = task.read_answers(raw, target)
    even = normalised_weights(weight, len(true))
    places = [(r, name) for r in range(len(task.fields)) for name in METRICS]
    judges = [OF_NUMBERS[name].judge(guess[:, [r]], true[:, [r]]) for r, name in places]
    if moments is None:
        intervals = bootstrap_intervals(judges, even, group=group)
    else:
        intervals = [
            block_bootstrap(judge, even, moments.value, OF_NUMBERS[name].limits)[:2]
            for judge, (_, name) in zip(judges, places, strict=True)
        ]
    coverage = task.coverage(guess, true, weight)
    found: list[dict[str, Any]] = [
        {"name": f.name, "scores": {}, "coverage": own} for f, own in zip(task.fields, coverage, strict=True)
    ]
    for (r, name), judge, (low, high) in zip(places, judges, intervals, strict=True):
        constant = float(constants[name][r])
        baseline = OF_NUMBERS[name].judge(np.full((len(true), 1), constant), true[:, [r]])
        values = {
            "value": float(judge(even[None])[0]),
            "low": low,
            "high": high,
            "baseline": float(baseline(even[None])[0]),
        }
        known = {key: value if np.isfinite(value) else None for key, value in values.items()}
        found[r]["scores"][name] = {**known, "constant": constant}
    return found
