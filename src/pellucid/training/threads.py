"""How many threads a training runs on: one or all, whichever makes its steps faster.

torch's threads meet at the end of every operation and spin until the last is there. On an idle machine all of them are
fastest; where other programs keep a core busy, one is late each time and a step takes 5 to 40 times as long. So both
are timed, with real steps: while the network's size is chosen, when steps have become much slower, and now and then.
The number is a decision: rounding depends on it, so resume and replay use the same.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from ..planning.decisions import Decisions
from ..wording import step_text

# Times the seconds that a step took before, from which the other number is tried.
SLOWDOWN_FACTOR = 2.0

# Of steps, after which it is seen whether the other number is faster.
TRIAL_SECONDS = 0.5

# Over which the speed is taken. What a trial is compared with must be fresh: a speed over 10 s mixed what was before
# and after a change of load, and the first version went back to the wrong number (docs/LOG.md, 2026-11-27).
RECENT_SECONDS = 1.0

# After a change; twice as long after each trial that changed nothing.
RECHECK_SECONDS = 10.0

# Of the seconds a step took, which the other number must stay below: rounding differs, so a tie is not worth a change.
WORTHWHILE_FACTOR = 0.9

# Of small operations, at the least: more than another program gets a processor for at a time. At the most a quarter of
# a second, where a step takes as long: stalls come and go, and a step that meets them takes seconds.
PROBE_SECONDS, MAX_PROBE_SECONDS = 0.05, 0.25

# Times the seconds of an operation on one thread, from which several wait for each other.
STALL_FACTOR = 3.0


def thread_counts(device: torch.device) -> tuple[int, ...]:
    """The numbers of threads to choose from: all that torch has, and one. On a GPU there is nothing to choose."""
    every = torch.get_num_threads()
    return (every, 1) if every > 1 and device.type == "cpu" else (every,)


def use_threads(count: int | None) -> None:
    """Compute on ``count`` threads from here on, or as many as there are processors; None changes nothing."""
    if count and count != torch.get_num_threads():
        torch.set_num_threads(min(count, os.cpu_count() or 1))


@contextmanager
def restore_threads() -> Iterator[None]:
    """A context after which torch computes on as many threads as before: the number is the whole process's."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        use_threads(before)


def threads_stall(count: int, step_seconds: float = 0.0) -> bool:
    """Whether ``count`` threads wait for each other, because other programs keep their processors busy.

    Small operations show it in a fraction of a second, where a step of a large network would take many.

    Args:
        step_seconds: what a step takes that would be tried; the operations take as long, within bounds.
    """
    if count == 1:
        return False
    with restore_threads():
        alone = _operation_seconds(1, PROBE_SECONDS)
        together = _operation_seconds(count, min(max(step_seconds, PROBE_SECONDS), MAX_PROBE_SECONDS))
        return together > STALL_FACTOR * alone


def _operation_seconds(count: int, probe_seconds: float) -> float:
    """The mean seconds of a small operation on ``count`` threads, over ``probe_seconds``; torch is left on them."""
    use_threads(count)
    # Large enough that torch parts it among its threads, small enough for dozens of barriers in a probe.
    square = torch.ones(256, 256)
    operations, start, seconds = 0, time.perf_counter(), 0.0
    while seconds < probe_seconds:
        torch.mm(square, square)
        operations, seconds = operations + 1, time.perf_counter() - start
    return seconds / operations


@dataclass
class ThreadTuner:
    """Tries the other number of threads when steps have become slow, and now and then, and keeps the faster.

    A trial is a stretch of the training itself, so nothing is computed in vain.

    Attributes:
        counts: numbers to choose from: all, and one. usual: seconds a step took when the present number was chosen.
        stall: ``threads_stall``, or another function that says whether a number is not worth a trial.
    """

    counts: tuple[int, ...]
    usual: float | None = None
    stall: Callable[[int, float], bool] = threads_stall
    # (seconds, step) at the last looks with the present number.
    _speeds: deque[tuple[float, int]] = field(default_factory=deque)
    # During a trial, the seconds that a step took with the other number; None outside of one.
    _before: float | None = None
    _wait_seconds: float = RECHECK_SECONDS
    # Seconds at which the last trial ended.
    _tried_at: float | None = None

    def after_look(self, step: int, now: float, left: float, decisions: Decisions) -> bool:
        """Begin a trial of the other number, or end one, as far as that is due. Returns whether the number changed.

        Args:
            step: of the training. now: seconds on a clock that stands still during evaluations. left: seconds left.
        """
        each = self._seconds_a_step(now, step) if len(self.counts) > 1 else None
        if each is None:
            return False
        if self._before is not None:
            return self._end_trial(step, each, now, decisions)
        self.usual = self.usual or each
        self._tried_at = now if self._tried_at is None else self._tried_at
        slow = each > SLOWDOWN_FACTOR * self.usual
        # Towards the end there is no time to go back, should the other number be slower.
        if left < 4 * TRIAL_SECONDS or not (slow or now - self._tried_at > self._wait_seconds):
            return False
        if self.stall(self._other_count(step, decisions), each):
            self._tried_at, self._wait_seconds = now, 2 * self._wait_seconds
            return False
        self._before = each
        compared = f", {step_text(self.usual)} before" if slow else ""
        return self._change_count(step, decisions, f"tried, because a step takes {step_text(each)}{compared}")

    def _seconds_a_step(self, now: float, step: int) -> float | None:
        """Seconds a step took over the last ``RECENT_SECONDS``; None until it is ``TRIAL_SECONDS`` of steps."""
        speeds = self._speeds
        speeds.append((now, step))
        while len(speeds) > 2 and now - speeds[1][0] >= RECENT_SECONDS:
            speeds.popleft()
        seconds, steps = now - speeds[0][0], step - speeds[0][1]
        return seconds / steps if steps and seconds >= TRIAL_SECONDS else None

    def _end_trial(self, step: int, each: float, now: float, decisions: Decisions) -> bool:
        """Keep the number on trial when its steps of ``each`` seconds are faster; else go back, and say True."""
        assert self._before is not None
        before, self._before, self._tried_at = self._before, None, now
        if each < WORTHWHILE_FACTOR * before:
            self.usual, self._wait_seconds = each, RECHECK_SECONDS
            return False
        self.usual, self._wait_seconds = before, 2 * self._wait_seconds
        return self._change_count(step, decisions, f"{step_text(before)} a step, against {step_text(each)}")

    def _change_count(self, step: int, decisions: Decisions, reason: str) -> bool:
        """Decide on the other number; True."""
        decisions.decide(step, "threads", self._other_count(step, decisions), reason)
        self._speeds.clear()
        return True

    def _other_count(self, step: int, decisions: Decisions) -> int:
        every, one = self.counts
        return one if decisions.at(step, "threads", every) == every else every
