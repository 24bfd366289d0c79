"""What a training decided on the way, and the schedule that follows from it.

Everything that depended on the clock or on memory is a decision: value, reason and the step from which it holds,
written to the run before it takes effect. Resume and replay read decisions and never ask the clock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

Decision = dict[str, Any]  # step, name, value, reason
Points = list[list[float]]  # [step, factor] pairs, straight lines between them


class Decisions:
    """The decisions of one training, in order.

    Args:
        known: those already written (a resumed training, a replay).
        write: called with each new one before it takes effect.
        live: False for a replay: nothing new is ever decided.
    """

    def __init__(
        self, known: Iterable[Decision] = (), write: Callable[[Decision], None] = lambda d: None, live: bool = True
    ):
        self.all = sorted(known, key=lambda d: d["step"])
        self.write, self.live = write, live

    def open_at(self, step: int) -> bool:
        """Whether something new may be decided at ``step``: not while known decisions still lie ahead."""
        return self.live and (not self.all or self.all[-1]["step"] <= step)

    def decide(self, step: int, name: str, value: Any, reason: str) -> None:
        decision = {"step": step, "name": name, "value": value, "reason": reason}
        self.write(decision)
        self.all.append(decision)

    def at(self, step: int, name: str, default: Any = None) -> Any:
        """The value in force for ``step``."""
        for decision in reversed(self.all):
            if decision["name"] == name and decision["step"] <= step:
                return decision["value"]
        return default

    def next_after(self, step: int) -> int | None:
        """The step of the next known decision, for a training that follows them."""
        later = [d["step"] for d in self.all if d["step"] > step]
        return min(later) if later else None


def factor(points: Points, step: int) -> float:
    """The share of the full learning rate at ``step``."""
    i = bisect_right(points, step, key=lambda p: p[0])
    if i == 0:
        return points[0][1]
    if i == len(points):
        return points[-1][1]
    (a, low), (b, high) = points[i - 1], points[i]
    return low + (high - low) * (step - a) / (b - a)


def trapezoid(start: int, end: int, *, warm: float, cool: float) -> Points:
    """Warm up, hold, cool down to zero: shares ``warm`` and ``cool`` of the steps from ``start`` to ``end``.

    The first step already moves a little and the last one too: the ends lie half a step outside.
    """
    steps = max(end - start, 1)
    up = start + max(round(steps * warm), 1)
    down = max(end - round(steps * cool), up)
    return [[start - 0.5, 0.0], [up, 1.0], [max(down, up + 1e-3), 1.0], [max(end, up + 1), 0.0]]


def moved_end(points: Points, step: int, end: int, *, cool: float) -> Points:
    """The same schedule with another end, continuous at ``step``; the share that cools keeps its size."""
    now, start = factor(points, step), points[0][0]
    end = max(end, step + 1)
    cooling = step >= points[-2][0]
    if cooling:
        return [[step, now], [end, 0.0]]
    down = max(end - round((end - start) * cool), step + 1e-3)
    up = points[1][0]
    rise = [[step, now], [up, 1.0]] if step < up < down else [[step, now]]
    return [*rise, [max(down, rise[-1][0] + 1e-3), 1.0 if step < down else now], [max(end, down + 1), 0.0]]


def cool_from(points: Points, step: int, length: int) -> Points:
    """Start the cool-down now and end it ``length`` steps later."""
    return [[step, factor(points, step)], [step + max(length, 1), 0.0]]


def end_of(points: Points) -> int:
    return int(points[-1][0])


def phase(points: Points, step: int) -> str:
    if step >= points[-2][0]:
        return "cool down"
    return "hold" if factor(points, step) >= 1 else "warm up"
