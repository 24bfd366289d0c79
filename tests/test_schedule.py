"""The schedule of the learning rate, the decisions behind it, and the pace that keeps a budget of time."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.planning.decisions import Decisions
from pellucid.planning.plan import Recipe
from pellucid.training.pacer import Pacer, between_evaluations
from pellucid.training.schedule import (
    MOST_WARM_UP_STEPS,
    Points,
    cool_from,
    end_of,
    moved_end,
    schedule_factor,
    schedule_phase,
    trapezoid,
)

STARTS, LENGTHS, SHARES = st.integers(0, 10_000), st.integers(1, 20_000), st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9])


def assert_sound(points: Points, start: int) -> None:
    """Strictly over steps: between 0 and 1, 0 at the end and not before, warm-up rises, cool-down falls."""
    end = end_of(points)
    steps = sorted({*range(start, min(start + 300, end)), *np.linspace(start, end - 1, 300).astype(int).tolist()})
    values = [schedule_factor(points, step) for step in steps]
    assert min(values) > 0
    assert max(values) <= 1
    assert schedule_factor(points, end) == 0 == schedule_factor(points, end + 100)
    order = ["warm up", "hold", "cool down"]
    phases = [order.index(schedule_phase(points, step)) for step in steps]
    assert phases == sorted(phases)
    for (a, x), (b, y) in pairwise(zip(phases, values, strict=True)):
        assert {(0, 0): x < y, (1, 1): x == y, (2, 2): x > y}.get((a, b), x <= y or b == 2)


@given(start=STARTS, steps=LENGTHS, warm=SHARES, cool=SHARES)
def test_trapezoid(start: int, steps: int, warm: float, cool: float) -> None:
    points = trapezoid(start, start + steps, warm=warm, cool=cool)
    assert_sound(points, start)
    assert end_of(points) == start + steps
    assert points[1][0] - start <= min(MOST_WARM_UP_STEPS, max(round(steps * warm), 0))
    values = [schedule_factor(points, step) for step in range(start, start + min(steps, 2000))]
    assert 1 in values or round(steps * (warm + cool)) >= steps or steps > 2000


@given(
    steps=LENGTHS,
    share=st.floats(0, 1),
    end=st.integers(1, 40_000),
    cool=st.sampled_from([0.3, 0.5]),
    again=st.integers(1, 500),
)
def test_moved_ends_are_continuous(steps: int, share: float, end: int, cool: float, again: int) -> None:
    points = trapezoid(0, steps, warm=0.05, cool=cool)
    step = int(share * (steps - 1))
    for change in (
        lambda p, at: moved_end(p, at, at + end, cool=cool),
        lambda p, at: moved_end(p, at, at + again, cool=cool),
        lambda p, at: cool_from(p, at, again),
        lambda p, at: moved_end(p, at, at + 2 * again, cool=cool),
    ):
        moved = change(points, step)
        assert schedule_factor(moved, step) == pytest.approx(schedule_factor(points, step))
        slope = max(1 / 3, 1 / (end_of(moved) - step))  # no jump behind it either: at most a whole warm-up in 3 steps
        assert (
            abs(schedule_factor(moved, step + 1) - schedule_factor(moved, step))
            <= max(slope, 1 / max(points[1][0] + 0.5, 1)) + 1e-9
        )
        assert_sound(moved, step)
        points, step = moved, min(step + 3, end_of(moved) - 1)


def test_the_cooling_share_keeps_its_size_however_often_the_end_moves() -> None:
    points = trapezoid(0, 1000, warm=0.05, cool=0.4)
    for step in range(100, 500, 50):
        points = moved_end(points, step, 1000 + step % 100, cool=0.4)
    assert points[-2] == [630.0, 1.0]
    assert end_of(points) == 1050


def test_one_step_is_one_step_at_the_full_rate() -> None:
    points = trapezoid(7, 8, warm=0.05, cool=0.5)
    assert (end_of(points), schedule_factor(points, 7)) == (8, 1.0)


def test_decisions_hold_from_their_step_on_and_are_written_first() -> None:
    written: list[Any] = []
    decisions = Decisions([{"step": 5, "name": "b", "value": 1, "reason": ""}], written.append)
    assert not decisions.open_at(4)
    assert decisions.open_at(5)
    decisions.decide(5, "b", 2, "later")
    decisions.decide(3, "b", 0, "in between, where the memory fell short in a replay")
    assert [decisions.at(step, "b", -1) for step in (2, 3, 4, 5, 9)] == [-1, 0, 0, 2, 2]
    assert [d["value"] for d in decisions.all] == [0, 1, 2]
    assert [d["value"] for d in written] == [2, 0]
    assert not decisions.open_at(4), "decisions still lie ahead"

    def fail(_: Any) -> None:
        raise OSError("full")

    decisions.write = fail
    with pytest.raises(OSError, match="full"):
        decisions.decide(9, "b", 3, "")
    assert decisions.at(9, "b") == 2
    assert not Decisions(decisions.all, live=False).open_at(100)


class Machine:
    """A training in pretended seconds: steps and evaluations take what they are told to."""

    def __init__(self, step: float, evaluation: float, every: int, closing: float = 5.0, patience: int = 0):
        self.now, self.step, self.evaluation = 1000.0, step, evaluation
        self.pace = Pacer(Recipe(), None, every, closing, patience, clock=lambda: self.now)
        self.state: Any = SimpleNamespace(step=0, evaluating=evaluation, stale=0)
        self.decisions = Decisions()

    def train(self, seconds: float, guess: float, slowdown: Any = lambda step: 1.0) -> float:
        """How many seconds before (or, negative, behind) the deadline everything was done."""
        pace, state, decisions = self.pace, self.state, self.decisions
        pace.deadline, looked = self.now + seconds, self.now
        pace.begin_schedule(0, int(seconds / guess), decisions, "")
        while state.step < end_of(points := decisions.at(state.step, "schedule")):
            state.step += 1
            self.now += self.step * slowdown(state.step)
            if state.step % pace.every == 0 or state.step == end_of(points):
                self.now += self.evaluation
                pace.after_evaluation(state, decisions, self.evaluation)
            if self.now - looked >= 0.2:
                looked = self.now
                pace.after_look(state, decisions)
        return pace.deadline - self.now - (pace.closing - 1) * state.evaluating


@pytest.mark.parametrize(("step", "evaluation", "every"), [(0.002, 0.05, 500), (0.05, 0.5, 50), (0.4, 1.0, 20)])
@pytest.mark.parametrize("wrong", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("seconds", [8.0, 60.0])
def test_a_budget_is_kept_though_the_first_guess_was_wrong(
    step: float, evaluation: float, every: int, wrong: float, seconds: float
) -> None:
    machine = Machine(step, evaluation, every, closing=3.0)
    left = machine.train(seconds, step * wrong)
    assert -max(0.2, step) <= left <= max(0.03 * seconds, 2 * step, 0.2) + (evaluation if every > 1 else 0)
    moves = [d for d in machine.decisions.all if d["name"] == "schedule"]
    assert len(moves) < 12 + seconds / 4, "it moves all the time"


def test_a_budget_is_kept_on_a_machine_that_slows_down_and_stutters() -> None:
    rng = np.random.default_rng(0)
    machine = Machine(0.004, 0.05, 200)
    left = machine.train(40.0, 0.004, lambda step: (2.0 if step > 4000 else 1.0) * rng.lognormal(0, 0.5))
    assert -0.3 < left < 1.2
    last = machine.decisions.at(machine.state.step, "schedule")
    assert schedule_factor(last, machine.state.step - 1) < 0.05, "it did not cool down to the end"


def test_patience_needs_ten_evaluations_and_a_quarter_of_the_steps() -> None:
    machine = Machine(0.01, 0.0, every=10, patience=10)
    machine.pace.begin_schedule(0, 10_000, machine.decisions, "")
    seen = []
    for step, stale in ((1000, 9), (1000, 10), (1000, 24), (1000, 25), (1010, 26)):
        machine.state.step, machine.state.stale = step, stale
        before = len(machine.decisions.all)
        machine.pace.after_evaluation(machine.state, machine.decisions)
        seen.append(len(machine.decisions.all) - before)
    assert seen == [0, 0, 0, 2, 0]  # cools down once, and says so
    assert machine.decisions.at(1000, "stopped improving") is True
    assert machine.decisions.all[-1]["reason"] == "the validation loss has not improved in 25 evaluations"
    points = machine.decisions.at(1000, "schedule")
    assert schedule_phase(points, 1000) == "cool down"
    assert end_of(points) == 1500  # the cooling is half as long as the steps before
    machine.pace.deadline = machine.now + 1000
    for _ in range(20):
        machine.now, machine.state.step = machine.now + 0.5, machine.state.step + 10
        machine.pace.after_look(machine.state, machine.decisions)
    assert machine.decisions.at(machine.state.step, "schedule") == points, "a cool-down by patience is not drawn out"
    machine.pace.begin_schedule(1500, 100, machine.decisions, "more")
    assert machine.decisions.at(1500, "stopped improving") is False


def test_evaluations_are_neither_rare_nor_dear() -> None:
    assert between_evaluations(10_000, 100) == 250  # 40 in all
    assert between_evaluations(100_000, 100) == 400  # every fourth epoch at the rarest
    assert between_evaluations(40, 10) == 4
    assert between_evaluations(1, 10) == 1
    assert between_evaluations(10_000, 100, step=0.001, evaluation=0.04) == 1000  # 4 % of the time
