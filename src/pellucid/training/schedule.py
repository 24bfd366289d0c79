"""What a training decided on the way, and the schedule that follows from it.

Everything that depended on the clock or on memory is a decision: value, reason and the step from which it holds,
written to the run before it takes effect. Resume and replay read decisions and never ask the clock.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from typing import Any

Decision = dict[str, Any]  # step, name, value, reason
Points = list[list[float]]  # [step, factor] pairs, straight lines between them; the first starts, the last ends
WARMEST = 500  # steps


class Decisions:
    """The decisions of one training, in the order of their steps.

    Args:
        known: those already written (a resumed training, a replay).
        write: called with each new one before it takes effect.
        live: False for a replay: the clock decides nothing.
    """

    def __init__(
        self, known: Iterable[Decision] = (), write: Callable[[Decision], None] = lambda d: None, live: bool = True
    ):
        self.write, self.live = write, live
        self.all: list[Decision] = []
        self._named: dict[str, list[Decision]] = {}  # asked for twice a step, so found without a search
        for decision in known:
            self._keep(decision)

    def _keep(self, decision: Decision) -> None:
        for kept in (self.all, self._named.setdefault(decision["name"], [])):
            insort(kept, decision, key=lambda d: d["step"])

    def open_at(self, step: int) -> bool:
        """Whether the clock may decide something at ``step``: not while known decisions still lie ahead."""
        return self.live and (not self.all or self.all[-1]["step"] <= step)

    def decide(self, step: int, name: str, value: Any, reason: str) -> None:
        """Decide that ``name`` is ``value`` from ``step`` on; written first."""
        decision = {"step": step, "name": name, "value": value, "reason": reason}
        self.write(decision)
        self._keep(decision)

    def forget_after(self, step: int) -> None:
        """Drop what was decided for later steps: a future that will not come."""
        for kept in (self.all, *self._named.values()):
            kept[:] = [decision for decision in kept if decision["step"] <= step]

    def at(self, step: int, name: str, default: Any = None) -> Any:
        """The value in force for ``step``: of several decided for one step, the last."""
        for decision in reversed(self._named.get(name, ())):
            if decision["step"] <= step:
                return decision["value"]
        return default


def schedule_factor(points: Points, step: int) -> float:
    """The share of the full learning rate at ``step``."""
    i = bisect_right([place for place, _ in points], step)
    if i in (0, len(points)):
        return points[max(i - 1, 0)][1]
    (a, low), (b, high) = points[i - 1], points[i]
    return low + (high - low) * (step - a) / (b - a)


def trapezoid(start: int, end: int, *, warm: float, cool: float) -> Points:
    """Warm up, hold, cool down to zero: shares ``warm`` and ``cool`` of the steps from ``start`` to ``end``.

    The first step already moves the weights a little and so does the last, the one before ``end``. A warm-up takes at
    most ``WARMEST`` steps, because a budget of time may allow far more steps than are made in the end.
    """
    end = max(end, start + 1)
    up = start + min(round((end - start) * warm), WARMEST, end - start - 1)
    return [[start - 0.5, 0.0], [up, 1.0], [max(end - round((end - start) * cool), up), 1.0], [end, 0.0]]


def moved_end(points: Points, step: int, end: int, *, cool: float) -> Points:
    """The same schedule with another end, continuous at ``step``; the share that cools keeps its size."""
    begin, up, down = points[0], points[1], points[-2][0]
    start, end = int(begin[0] + 0.5), max(end, step + 1)
    turn = end - round((end - start) * cool)
    if step >= down or step >= turn:  # cooling already, or from now on
        return cool_from(points, step, end - step)
    if turn < up[0]:  # no time to warm up in full
        return [begin, [turn, schedule_factor(points, turn)], [end, 0.0]]
    return [begin, up, [turn, up[1]], [end, 0.0]]


def cool_from(points: Points, step: int, length: int) -> Points:
    """Start the cool-down now, wherever the schedule stands, and end it ``length`` steps later."""
    return [points[0], [step, schedule_factor(points, step)], [step + max(length, 1), 0.0]]


def end_of(points: Points) -> int:
    return int(points[-1][0])


def schedule_phase(points: Points, step: int) -> str:
    """``"warm up"``, ``"hold"`` or ``"cool down"``."""
    if step >= points[-2][0]:
        return "cool down"
    return "hold" if step >= points[1][0] else "warm up"
