"""Decides how a training spends its budget: when to evaluate, when to cool down, where to end."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..options import Budget
from ..planning import Recipe
from .schedule import Decision, Decisions, cool_from, end_of, factor, moved_end, trapezoid
from .state import State

DRIFT = 0.02  # of the steps left by which the end may be off before it is moved
LEAST = 3  # steps that the end must be off by


@dataclass
class Pace:
    """Spends a budget.

    Attributes:
        budget: what may be spent. recipe: shares of warm-up and cool-down, patience.
        deadline: ``time.time()`` at which the last step must be done; None without a clock.
        every: steps between evaluations.
        patience: evaluations without a better validation loss after which the cool-down starts; 0 for never.
    """

    budget: Budget
    recipe: Recipe
    deadline: float | None
    every: int
    patience: int = 0
    _first: tuple[float, int] | None = None

    def begin(self, step: int, steps: int, decisions: Decisions, reason: str) -> None:
        """Decide the schedule of the next ``steps`` steps."""
        points = trapezoid(step, step + steps, warm=self.recipe.warm, cool=self.recipe.cool)
        decisions.decide(step, "schedule", points, reason)

    def after_look(self, state: State, decisions: Decisions) -> Decision | None:
        """Move the end of the schedule when the clock says so."""
        now = time.time()
        if self.deadline is None or not decisions.open_at(state.step):
            self._first = None
            return None
        if self._first is None or state.step <= self._first[1]:
            self._first = (now, state.step)
            return None
        each = (now - self._first[0]) / (state.step - self._first[1])  # seconds a step, evaluations included
        points = decisions.at(state.step, "schedule")
        left = max(int((self.deadline - now) / each), 0)
        off = state.step + left - end_of(points)
        if abs(off) < max(LEAST, DRIFT * left):
            return None
        end = state.step + max(left, 1)
        reason = f"{1 / each:.1f} steps a second leave time for {left:,} more"
        return self._decide(state, decisions, moved_end(points, state.step, end, cool=self.recipe.cool), reason)

    def after_evaluation(self, state: State, decisions: Decisions) -> Decision | None:
        """Start the cool-down when validation has stopped improving."""
        points = decisions.at(state.step, "schedule")
        holding = state.step < points[-2][0] and factor(points, state.step) >= 1
        if not (self.patience and holding and state.stale >= self.patience and decisions.open_at(state.step)):
            return None
        length = min(
            max(round(state.step * self.recipe.cool / (1 - self.recipe.cool) / 2), self.every),
            end_of(points) - state.step,
        )
        reason = f"the validation loss has not improved in {state.stale} evaluations"
        self.deadline = None
        return self._decide(state, decisions, cool_from(points, state.step, length), reason)

    def _decide(self, state: State, decisions: Decisions, points: list[list[float]], reason: str) -> Decision:
        decisions.decide(state.step, "schedule", points, reason)
        return decisions.all[-1]
