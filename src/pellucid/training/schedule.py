"""The learning rate as points: warm up, hold, cool down; where it ends, and how its end moves.

A schedule is a decision (see ``decisions``): a list of ``[step, share of the learning rate]`` points.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from ..planning.plan import Recipe

# [step, factor] pairs with straight lines between them; the first starts, the last ends.
Points = list[list[float]]

# A budget of time may allow far more steps than are made in the end, and a share of those would never stop warming up.
MOST_WARM_UP_STEPS = 500


def schedule_factor(points: Points, step: int) -> float:
    """The share of the full learning rates at ``step``, from 0 to 1."""
    i = bisect_right([place for place, _ in points], step)
    if i in (0, len(points)):
        return points[max(i - 1, 0)][1]
    (a, low), (b, high) = points[i - 1], points[i]
    return low + (high - low) * (step - a) / (b - a)


def trapezoid(start: int, end: int, *, warm: float, cool: float) -> Points:
    """Warm up, hold, cool down to zero: shares ``warm`` and ``cool`` of the steps from ``start`` to ``end``.

    The first step already moves the weights a little and so does the last, the one before ``end``. A warm-up takes at
    most ``MOST_WARM_UP_STEPS`` steps.
    """
    # The line starts half a step before the first one: at the first itself its rate would be 0, and the step wasted.
    end = max(end, start + 1)
    up = start + min(round((end - start) * warm), MOST_WARM_UP_STEPS, end - start - 1)
    return [[start - 0.5, 0.0], [up, 1.0], [max(end - round((end - start) * cool), up), 1.0], [end, 0.0]]


def moved_end(points: Points, step: int, end: int, *, cool: float) -> Points:
    """The schedule with another end, its factor at ``step`` unchanged; ``cool`` stays the share of steps that cool."""
    begin, up, down = points[0], points[1], points[-2][0]
    start, end = int(begin[0] + 0.5), max(end, step + 1)
    turn = end - round((end - start) * cool)
    # Cooling already, or from now on: a rate that fell never rises again.
    if step >= down or step >= turn:
        return cool_from(points, step, end - step)
    # No time to warm up in full: down from wherever the warm-up has got to.
    if turn < up[0]:
        return [begin, [turn, schedule_factor(points, turn)], [end, 0.0]]
    return [begin, up, [turn, up[1]], [end, 0.0]]


def cool_from(points: Points, step: int, length: int) -> Points:
    """The schedule with a cool-down from ``step`` on, wherever it stands, that ends ``length`` steps later."""
    return [points[0], [step, schedule_factor(points, step)], [step + max(length, 1), 0.0]]


def end_of(points: Points) -> int:
    """The number of steps after which the training ends."""
    return int(points[-1][0])


def schedule_phase(points: Points, step: int) -> str:
    """``"warm up"``, ``"hold"`` or ``"cool down"``."""
    if step >= points[-2][0]:
        return "cool down"
    return "hold" if step >= points[1][0] else "warm up"


def with_rates(rows: Iterable[Mapping[str, Any]], recipe: Recipe) -> list[dict[str, Any]]:
    """Rows of a history with learning rates. Runs of earlier versions have the schedule's factor under ``lr``."""
    found = []
    for row in rows:
        factor, rates = row.get("lr"), {}
        if row.get("lr_factor") is None and isinstance(factor, int | float):
            rates = {"lr": recipe.lr * factor, "lr_factor": factor}
            rates |= {"matrix_lr": recipe.matrix_lr * factor} if recipe.matrix_lr else {}
        found.append({**row, **rates})
    return found
