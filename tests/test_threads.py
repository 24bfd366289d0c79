"""One thread or all of them: timed while sizing, tried again on the way, decided, written and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import pellucid
from pellucid.planning.decisions import Decisions
from pellucid.planning.plan import Recipe
from pellucid.training.pacer import Pacer
from pellucid.training.schedule import end_of
from pellucid.training.threads import ThreadTuner, restore_threads, thread_counts, threads_stall, use_threads
from pellucid.tuning.sizing import Timing, time_thread_counts

CPU = torch.device("cpu")


@pytest.fixture
def two_threads() -> Iterator[None]:
    with restore_threads():
        torch.set_num_threads(2)
        yield


class Machine:
    """A training in pretended seconds, whose steps take ``step(now, threads)``."""

    def __init__(self, step: Callable[[float, int], float], share: float = 1.0):
        self.step, self.share, self.now, self.steps = step, share, 0.0, 0
        self.decisions = Decisions()
        self.pace = Pacer(
            Recipe(), None, 10**9, clock=lambda: self.now, processor=lambda: self.share * self.now,
            tuner=ThreadTuner((2, 1), stall=self.stall),
        )  # fmt: skip

    def stall(self, threads: int, step_seconds: float) -> bool:
        """As seen by a small operation, which takes next to no time."""
        return self.step(self.now, threads) > 3 * self.step(self.now, 1)

    @property
    def threads(self) -> int:
        return int(self.decisions.at(self.steps, "threads", 2))

    def train(self, seconds: float, guess: float, threads: int = 2) -> None:
        state: Any = type("State", (), {"step": 0, "evaluating": 0.0, "stale": 0})()
        self.pace.deadline, looked = seconds, 0.0
        self.decisions.decide(0, "threads", threads, "timed")
        self.pace.begin_schedule(0, int(seconds / guess), self.decisions, "")
        while state.step < end_of(self.decisions.at(state.step, "schedule")):
            self.now += self.step(self.now, self.threads)
            state.step = self.steps = state.step + 1
            if self.now - looked >= 0.2:
                looked = self.now
                self.pace.after_look(state, self.decisions)

    def changes(self, name: str) -> list[Any]:
        return [d for d in self.decisions.all if d["name"] == name]

    def shares(self) -> dict[int, float]:
        """The share of the steps that were made on each number of threads."""
        used = [self.decisions.at(step, "threads") for step in range(self.steps)]
        return {threads: used.count(threads) / self.steps for threads in (1, 2)}


def busy_between(start: float, end: float) -> Callable[[float, int], float]:
    """Two threads are faster, unless another program keeps a core busy: then they take 30 times as long."""
    return lambda now, threads: (0.006 if threads == 1 else 0.15) if start <= now < end else 0.01 / (1 + threads)


def test_an_idle_machine_keeps_all_threads() -> None:
    machine = Machine(busy_between(1e9, 1e9))
    machine.train(300.0, 0.005)
    assert machine.threads == 2
    assert machine.shares()[2] > 0.97
    assert len(machine.changes("threads")) <= 11  # a trial and its end, five times: after 10, 20, 40, … seconds


def test_a_machine_that_becomes_busy_goes_on_with_one_thread_and_with_all_when_it_is_idle_again() -> None:
    in_force = {}
    for seconds in (25.0, 45.0, 75.0, 150.0):
        machine = Machine(busy_between(30.0, 80.0))
        machine.train(seconds, 0.005)
        in_force[seconds] = machine.threads
        assert abs(machine.now - seconds) < 1.0
    assert in_force == {25.0: 2, 45.0: 1, 75.0: 1, 150.0: 2}
    reasons = [d["reason"] for d in machine.changes("threads")]
    assert any("tried, because a step takes" in reason and "ms before" in reason for reason in reasons)


def test_a_wrong_first_choice_is_mended() -> None:
    machine = Machine(busy_between(0.0, 1e9))
    machine.train(60.0, 0.15, threads=2)
    assert machine.threads == 1
    assert machine.shares()[1] > 0.95
    assert abs(machine.now - 60.0) < 0.5


@pytest.mark.parametrize("seconds", [12.0, 60.0, 600.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_schedule_moves_calmly_on_a_machine_that_stutters(seconds: float, seed: int) -> None:
    """Some ten times at most, never by what less than a second showed, and the budget is kept."""
    rng = np.random.default_rng(seed)
    speeds = rng.lognormal(0, 0.5, 1000)  # another one every second and a half
    machine = Machine(lambda now, _: 0.01 * speeds[int(now / 1.5) % 1000] * rng.lognormal(0, 0.7))
    machine.pace.tuner = None
    machine.train(seconds, 0.01)
    moves = machine.changes("schedule")[1:]
    assert len(moves) <= 13
    assert abs(machine.now - seconds) < max(0.6, 0.01 * seconds)


def test_the_schedule_is_not_moved_by_less_than_a_second() -> None:
    machine = Machine(lambda now, _: 0.05)
    machine.train(60.0, 0.01)
    assert machine.changes("schedule")[1]["step"] == 25  # looks come 0.2 s apart: the first after a second of steps


def test_what_follows_training_is_reserved_as_long_as_the_machine_is_shared() -> None:
    ends = {}
    for share in (1.0, 0.5):
        machine = Machine(lambda now, _: 0.01, share)
        machine.pace.finish = 1.0
        machine.train(60.0, 0.01)
        ends[share] = machine.now
    assert ends[1.0] == pytest.approx(60.0, abs=0.3)
    assert ends[0.5] == pytest.approx(59.0, abs=0.3)  # what takes a second on its own takes two


def test_found_steps_are_cut_short_by_the_clock_but_never_drawn_out() -> None:
    for each, expected in ((0.005, 1000), (0.04, 500)):
        machine = Machine(lambda now, _, each=each: each)  # type: ignore[misc]
        machine.pace.grow = False
        machine.pace.deadline = 20.0
        machine.train(20.0, 0.02)
        assert machine.steps == pytest.approx(expected, rel=0.02)


# -- timing


def test_the_faster_number_of_threads_is_found(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, steps = {1: 0.02, 2: 0.3}, {1: 0, 2: 0}

    monkeypatch.setattr("pellucid.tuning.sizing.threads_stall", lambda threads, _: threads > 2)

    def one_step() -> float:
        steps[torch.get_num_threads()] += 1
        return seconds[torch.get_num_threads()]

    assert time_thread_counts(one_step, (2, 1), 60.0) == pytest.approx(seconds)
    assert steps == {2: 1, 1: 6}, "what is far behind has one step; a turn takes 0.05 s at the least"
    steps |= {1: 0, 2: 0}
    time_thread_counts(one_step, (2, 1), 0.0)
    assert steps == {1: 1, 2: 1}, "each one step, then the limit"
    steps |= {1: 0, 2: 0}
    assert time_thread_counts(one_step, (4, 1), 60.0) == {4: math.inf, 1: pytest.approx(0.02)}, "stalled: no step"


def test_threads_that_are_kept_from_running_stall(two_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    took, probed = {1: 0.001, 2: 0.001, 4: 0.02}, []

    def operation_seconds(count: int, seconds: float) -> float:
        probed.append(seconds)
        return took[count]

    monkeypatch.setattr("pellucid.training.threads._operation_seconds", operation_seconds)
    assert [threads_stall(count) for count in (1, 2, 4)] == [False, False, True]
    assert probed == [0.05] * 4
    probed.clear()
    threads_stall(2, 0.1)
    threads_stall(2, 9.0)
    assert probed == [0.05, 0.1, 0.05, 0.25], "as long as a step, within bounds"


def test_the_probe_leaves_the_number_of_threads_as_it_was(two_threads: None) -> None:
    threads_stall(2)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    threads_stall(2)
    assert torch.get_num_threads() == 1


def test_stalled_threads_are_not_tried(two_threads: None) -> None:
    machine = Machine(busy_between(0.0, 1e9))
    machine.train(60.0, 0.006, threads=1)
    assert machine.shares()[1] == 1.0


def test_the_reason_sets_the_numbers_of_threads_beside_each_other() -> None:
    assert Timing(0.0347, 0.001, 1, {2: 0.0841}).compare_threads() == (
        "a step takes 34.7 ms with 1 thread, 84.1 ms with 2"
    )
    assert Timing(0.0347, 0.001, 1, {2: math.inf}).compare_threads() == (
        "a step takes 34.7 ms with 1 thread, 2 wait for each other"
    )
    assert Timing(0.004, 0.001, 2, {1: 0.005}).compare_threads() == "a step takes 4 ms with 2 threads, 5 ms with 1"


def test_there_is_a_choice_only_with_several_threads_on_a_cpu(two_threads: None) -> None:
    assert thread_counts(CPU) == (2, 1)
    assert thread_counts(torch.device("cuda")) == (2,)
    use_threads(1)
    assert thread_counts(CPU) == (1,)
    use_threads(None)
    assert torch.get_num_threads() == 1
    assert not ThreadTuner((1,)).after_look(5, 9.0, 100.0, Decisions())


# -- whole runs


class Restless(ThreadTuner):
    """Takes the other number of threads at each of the first looks."""

    def after_look(self, step: int, now: float, left: float, decisions: Decisions) -> bool:
        changes = sum(d["name"] == "threads" for d in decisions.all)
        return changes < 5 and self._change_count(step, decisions, "always")


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.runs.train.ThreadTuner", Restless)
    monkeypatch.setattr("pellucid.training.loop.REPORT_SECONDS", 0.005)


@pytest.mark.slow
def test_the_number_of_threads_is_a_decision_that_is_replayed(
    two_threads: None, restless: None, table: Path, tmp_path: Path
) -> None:
    run = pellucid.train(table, target="label", network="rnn", budget="6s", folds=0, out=tmp_path, name="timed")
    chosen = [(d["step"], d["value"]) for d in run.record["decisions"] if d["name"] == "threads"]
    assert chosen[0][0] == 0
    assert {value for _, value in chosen} == {1, 2}, "nothing was tried"
    first = next(d for d in run.record["decisions"] if d["name"] == "threads")
    assert (first["step"], "a step takes " in first["reason"]) == (0, True)
    assert torch.get_num_threads() == 2, "the process' own number was not put back"
    torch.set_num_threads(1)
    again = pellucid.train(like=run.path, name="again")
    assert [(d["step"], d["value"]) for d in again.record["decisions"] if d["name"] == "threads"] == chosen
    assert (again.path / "weights.safetensors").read_bytes() == (run.path / "weights.safetensors").read_bytes()
    columns = ["step", "loss", "validation_loss", "accuracy"]
    histories = [pl.read_parquet(one.path / "history.parquet").select(columns) for one in (run, again)]
    assert histories[0].equals(histories[1])


@pytest.mark.slow
def test_a_training_by_steps_keeps_the_number_it_finds(two_threads: None, table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, target="label", network="mlp", steps=10, folds=0, out=tmp_path)
    assert not [d for d in run.record["decisions"] if d["name"] == "threads"]
    assert run.record["versions"]["threads"] == 2


def test_more_threads_than_there_are_processors_are_not_used(
    two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    use_threads(64)
    assert torch.get_num_threads() == 2
