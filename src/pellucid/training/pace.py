"""Decides how a training spends its budget: when to evaluate, when to cool down, where to end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..planning import Recipe
from .schedule import Decisions, cool_from, end_of, moved_end, phase, trapezoid
from .state import State

EVALUATIONS = 40  # of a training, about
WATCHING = 0.04  # of the time that evaluations may take
WINDOW = 10.0  # seconds over which the speed is taken
DRIFT = 0.04  # of the time left, by which the end may be off before it is moved
CLOSE = 0.1  # seconds that nobody minds
APART = 1.0  # seconds between two moves of the end, and a fiftieth of the time left; but for the last few


@dataclass
class Pace:
    """Spends a budget.

    Attributes:
        recipe: shares of warm-up and cool-down.
        deadline: ``clock()`` at which everything that follows the closing evaluations must begin; None without one.
        every: steps between evaluations.
        closing: what comes after the last step, in evaluations' worth of time.
        patience: evaluations without a better validation loss after which the cool-down starts; 0 for never.
        clock: seconds.
    """

    recipe: Recipe
    deadline: float | None
    every: int
    closing: float = 1.0
    patience: int = 0
    clock: Callable[[], float] = time.monotonic
    _looks: deque[tuple[float, int]] = field(default_factory=deque)  # (seconds of steps alone, step) over the window
    _paused: float = 0.0  # seconds that evaluations took
    _moved: float = float("-inf")

    def begin(self, step: int, steps: int, decisions: Decisions, reason: str) -> None:
        """Decide the schedule of the next ``steps`` steps."""
        if decisions.at(step, "stopped improving"):
            decisions.decide(step, "stopped improving", False, reason)
        points = trapezoid(step, step + steps, warm=self.recipe.warm, cool=self.recipe.cool)
        decisions.decide(step, "schedule", points, reason)

    def after_look(self, state: State, decisions: Decisions) -> None:
        """Move the end of the schedule when the clock says so."""
        points = decisions.at(state.step, "schedule")
        if self.deadline is None or not decisions.open_at(state.step) or state.step >= end_of(points):
            return
        if not (each := self._each(state.step)):
            return
        now = self.clock()
        left = self.deadline - now - self.closing * state.evaluating  # seconds for steps and what is watched meanwhile
        steps = max(int(left / (each + state.evaluating / self.every)), 1)
        off = state.step + steps - end_of(points)
        waits = now - self._moved < max(APART, left / 50) and left > 3 * APART
        early = off > 0 and decisions.at(state.step, "stopped improving", False)
        if waits or early or abs(off) * each < max(CLOSE, DRIFT * left):
            return
        self._moved = now
        points = moved_end(points, state.step, state.step + steps, cool=self.recipe.cool)
        reason = f"{1 / each:.4g} steps a second leave time for {steps:,} more"
        decisions.decide(state.step, "schedule", points, reason)

    def _each(self, step: int) -> float | None:
        """Seconds a step over the last seconds, evaluations left out; None until something is known."""
        looks, now = self._looks, self.clock() - self._paused
        looks.append((now, step))
        while len(looks) > 2 and now - looks[0][0] > WINDOW:
            looks.popleft()
        (before, first), (last, latest) = looks[0], looks[-1]
        return (last - before) / (latest - first) if latest > first else None

    def after_evaluation(self, state: State, decisions: Decisions, seconds: float = 0.0) -> None:
        """Note what it took; start the cool-down when validation has stopped improving."""
        self._paused += seconds
        points = decisions.at(state.step, "schedule")
        holding = phase(points, state.step) == "hold" and decisions.open_at(state.step)
        if not (self.patience and holding and self._stale(state)):
            return
        share = self.recipe.cool / (1 - self.recipe.cool) / 2  # half as long as it would be after so many steps
        length = min(max(round(state.step * share), self.every), end_of(points) - state.step)
        reason = f"the validation loss has not improved in {state.stale} evaluations"
        decisions.decide(state.step, "stopped improving", True, reason)
        decisions.decide(state.step, "schedule", cool_from(points, state.step, length), reason)

    def _stale(self, state: State) -> bool:
        """No better for so many evaluations, and for a quarter of all steps."""
        return state.stale >= self.patience and state.stale * self.every * 4 >= state.step


def steady(started: float | None) -> float:
    """When a training began, on a clock that nobody sets; ``started`` is on that of ``time.time()``, None for now."""
    return time.monotonic() - (max(time.time() - started, 0.0) if started else 0.0)


def between_evaluations(steps: int, epoch: int, step: float = 0.0, evaluation: float = 0.0) -> int:
    """Steps between evaluations: about ``EVALUATIONS`` in all, in at most ``WATCHING`` of the time.

    Args:
        steps: of the training. epoch: steps of one.
        step, evaluation: seconds that each takes, where known.
    """
    usual = min(steps / EVALUATIONS, epoch * 4)
    seldom = evaluation / (WATCHING * step) if step else 1.0
    return max(1, round(max(usual, seldom, min(epoch, steps / 10))))
