"""Decides how a training spends its budget: when to evaluate, when to cool down, where to end.

Nothing here reads the clock in a replay: what it decides is written down as decisions (see ``decisions``).
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..planning.decisions import Decisions
from ..planning.plan import Recipe
from .schedule import cool_from, end_of, moved_end, schedule_phase, trapezoid
from .state import TrainState
from .threads import ThreadTuner

# Evaluations of a training, about: points enough for a curve and for choosing the best weights.
EVALUATIONS = 40

# Of the time that evaluations may take: they learn nothing.
EVALUATION_SHARE = 0.04

# Over which the speed is taken, at the most: longer where much is left, so that a hiccup moves nothing.
WINDOW_SECONDS, WINDOW_SHARE = 10.0, 0.2

# Of steps, after which the speed is known; half of what is left where that is less.
KNOWN_SECONDS = 1.0

# Of the time left, by which the end may be off before it is moved.
DRIFT_SHARE = 0.04

# By which the end may be off always, because nobody minds: the larger of so much, and so much of the whole time.
CLOSE_SECONDS, CLOSE_SHARE = 0.25, 0.005

# Of the time until the end, between two moves of it: so 10 minutes, too, have some ten of them at the most.
APART_SHARE = 0.6

APART_SECONDS = 0.25

# How many times as long as on a processor of its own the closing work is thought to take, at the most: one measurement
# on a machine that stood still would else end the training at once.
MOST_SLOWNESS = 10.0


@dataclass
class Pacer:
    """Moves the end of a training so that its budget is spent and kept; cools down early when it stops improving.

    Attributes:
        recipe: shares of warm-up and cool-down.
        deadline: ``clock()`` at which everything that follows the closing evaluations must begin; None without one.
        every: steps between evaluations.
        closing: what comes after the last step, in evaluations' worth of time.
        patience: evaluations without a better validation loss after which the cool-down starts; 0 for never.
        clock: gives seconds. processor: gives the seconds that this thread was given a processor for.
        finish: seconds of work within the deadline's reserve that need a processor: more where it is shared.
        grow: whether the end may move away: not where the steps were found by cross-validation.
        tuner: chooses the number of threads on the way; None where nobody waits.
    """

    recipe: Recipe
    deadline: float | None
    every: int
    closing: float = 1.0
    patience: int = 0
    clock: Callable[[], float] = time.monotonic
    processor: Callable[[], float] = time.thread_time
    finish: float = 0.0
    grow: bool = True
    tuner: ThreadTuner | None = None
    # Over the window: (seconds of steps alone, step), and (seconds, of them on a processor).
    _speeds: deque[tuple[float, int]] = field(default_factory=deque)
    _shares: deque[tuple[float, float]] = field(default_factory=deque)
    _evaluation_seconds: float = 0.0
    _moved_at: float = float("-inf")
    # Seconds that were left at the first look, which stand for the whole training's.
    _most_left: float = 0.0

    def begin_schedule(self, step: int, steps: int, decisions: Decisions, reason: str) -> None:
        """Decide the schedule of ``steps`` steps from ``step`` on: warm up, hold, cool down."""
        # A longer training begins anew: that its earlier part stopped improving must not keep its end from moving.
        if decisions.at(step, "stopped improving"):
            decisions.decide(step, "stopped improving", False, reason)
        points = trapezoid(step, step + steps, warm=self.recipe.warm, cool=self.recipe.cool)
        decisions.decide(step, "schedule", points, reason)

    def seconds_left(self) -> float:
        """Seconds until all steps must be over, for people; infinite without a budget of time."""
        return math.inf if self.deadline is None else max(self.deadline - self.clock(), 0.0)

    def after_look(self, state: TrainState, decisions: Decisions) -> None:
        """Move the end of the schedule when the clock says so, and try another number of threads."""
        points = decisions.at(state.step, "schedule")
        if self.deadline is None or not decisions.open_at(state.step) or state.step >= end_of(points):
            return
        now = self.clock()
        # Seconds for steps and for the evaluations between them. What follows them on a shared processor takes longer,
        # so the part of the reserve that needs one is stretched.
        left = self.deadline - now - self.closing * state.evaluating - (self._slowness(now) - 1) * self.finish
        self._most_left = max(self._most_left, left)
        seconds, done = self._recent_speed(state.step, max(WINDOW_SECONDS, WINDOW_SHARE * left))
        # Steps before a change of threads say nothing of the speed after it, so they don't move the end.
        if self.tuner and self.tuner.after_look(state.step, now - self._evaluation_seconds, left, decisions):
            self._speeds.clear()
        elif done and seconds >= min(KNOWN_SECONDS, left / 2):
            self._move_end(state, decisions, seconds / done, now, left)

    def _move_end(self, state: TrainState, decisions: Decisions, each: float, now: float, left: float) -> None:
        """Move the end to where steps of ``each`` seconds use up the seconds ``left``, unless it is near enough."""
        points = decisions.at(state.step, "schedule")
        steps = max(int(left / (each + state.evaluating / self.every)), 1)
        off = state.step + steps - end_of(points)
        until_end = min(left, (end_of(points) - state.step) * each)
        waits = now - self._moved_at < max(APART_SECONDS, APART_SHARE * until_end)
        # Time to spare is not filled where the length was found by cross-validation or by patience: longer is worse.
        early = off > 0 and (not self.grow or decisions.at(state.step, "stopped improving", False))
        if waits or early or abs(off) * each < max(CLOSE_SECONDS, CLOSE_SHARE * self._most_left, DRIFT_SHARE * left):
            return
        self._moved_at = now
        points = moved_end(points, state.step, state.step + steps, cool=self.recipe.cool)
        reason = f"{1 / each:.4g} steps a second leave time for {steps:,} more"
        decisions.decide(state.step, "schedule", points, reason)

    def _recent_speed(self, step: int, window: float) -> tuple[float, int]:
        """Seconds, and the steps made in them, over the last ``window`` on this number of threads; no evaluations."""
        speeds, now = self._speeds, self.clock() - self._evaluation_seconds
        speeds.append((now, step))
        while len(speeds) > 2 and now - speeds[0][0] > window:
            speeds.popleft()
        (before, first), (last, latest) = speeds[0], speeds[-1]
        return last - before, latest - first

    def _slowness(self, now: float) -> float:
        """How many times as long work takes as on a processor of its own, over ``WINDOW_SECONDS``; 1 or more."""
        self._shares.append((now, self.processor()))
        while len(self._shares) > 2 and now - self._shares[0][0] > WINDOW_SECONDS:
            self._shares.popleft()
        (before, had), (_, has) = self._shares[0], self._shares[-1]
        return min(max((now - before) / max(has - had, 1e-9), 1.0), MOST_SLOWNESS) if now > before else 1.0

    def after_evaluation(self, state: TrainState, decisions: Decisions, seconds: float = 0.0) -> None:
        """Count the ``seconds`` that an evaluation took; start the cool-down when validation has stopped improving."""
        self._evaluation_seconds += seconds
        points = decisions.at(state.step, "schedule")
        holding = schedule_phase(points, state.step) == "hold" and decisions.open_at(state.step)
        if not (self.patience and holding and self._is_stale(state)):
            return
        # Stopping early starts the cool-down rather than ending, because that is where the loss falls most. Half as
        # long as after a training of so many steps: what it would learn in a longer one has been learned.
        share = self.recipe.cool / (1 - self.recipe.cool) / 2
        length = min(max(round(state.step * share), self.every), end_of(points) - state.step)
        reason = f"the validation loss has not improved in {state.stale} evaluations"
        decisions.decide(state.step, "stopped improving", True, reason)
        decisions.decide(state.step, "schedule", cool_from(points, state.step, length), reason)

    def _is_stale(self, state: TrainState) -> bool:
        """Whether validation was no better for ``patience`` evaluations, and for a quarter of all steps."""
        # A quarter too, since loss curves flatten: late in a long training ten evaluations are a short while.
        return state.stale >= self.patience and state.stale * self.every * 4 >= state.step


def monotonic_start(started: float | None) -> float:
    """The moment ``started`` (of ``time.time()``; None for now) on ``time.monotonic()``, in seconds.

    Deadlines are kept on that clock because nobody sets it: an adjusted wall clock would cut a training short.
    """
    return time.monotonic() - (max(time.time() - started, 0.0) if started else 0.0)


def between_evaluations(steps: int, epoch: int, step: float = 0.0, evaluation: float = 0.0) -> int:
    """Steps between evaluations: about ``EVALUATIONS`` in all, in at most ``EVALUATION_SHARE`` of the time.

    Args:
        steps: of the training. epoch: steps of one.
        step, evaluation: seconds that each takes, where known.
    """
    # At least every fourth epoch, so that overfitting is seen; not more than once an epoch, unless there are few.
    usual = min(steps / EVALUATIONS, epoch * 4)
    seldom = evaluation / (EVALUATION_SHARE * step) if step else 1.0
    return max(1, round(max(usual, seldom, min(epoch, steps / 10))))
