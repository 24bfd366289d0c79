"""What the clock and memory decided in a training, written down so that it can be replayed.

Everything that depended on the clock or on memory is a decision: value, reason and the step from which it holds,
written to the run before it takes effect. Resume and replay read decisions and never ask the clock.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Any

# step (from which it holds), name, value, reason
Decision = dict[str, Any]


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
        # Asked for twice a step, so found by name without a search through all.
        self._named: dict[str, list[Decision]] = {}
        for decision in known:
            self._keep(decision)

    def _keep(self, decision: Decision) -> None:
        for kept in (self.all, self._named.setdefault(decision["name"], [])):
            insort(kept, decision, key=lambda d: d["step"])

    def open_at(self, step: int) -> bool:
        """Whether the clock may decide something at ``step``: not while known decisions still lie ahead."""
        # A training that was killed between a decision and its step resumes before that decision. Were the clock asked
        # again there, it would decide otherwise, and the bits would differ from those of a training never killed.
        return self.live and (not self.all or self.all[-1]["step"] <= step)

    def decide(self, step: int, name: str, value: Any, reason: str) -> None:
        """Decide that ``name`` is ``value`` from ``step`` on; it is written before it takes effect."""
        decision = {"step": step, "name": name, "value": value, "reason": reason}
        # Written first: a crash in between leaves a decision that is obeyed after all, never one that nobody can
        # replay.
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
