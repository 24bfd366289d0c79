"""What evaluating returns."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..metrics.score import Score
from ..reports.evaluation_report import Evaluated
from ..wording import score_text


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How good a run is on some data.

    Attributes:
        run: its folder. score: the main metric with its interval; baseline: the naive answer's, on the same examples.
        metrics: further metrics by name. notes: what was odd about the data.
        seconds: that it took. steps, parameters: of the run.
        threshold: the class and the probability from which on it was the answer; None for the likelier class.
        targets: of several numbers each by itself, see ``Run.targets``.
        page: what ``report`` writes.
        warning: that it is no better than the baseline; empty where it is. sentence: the score for a person.
    """

    run: str
    score: Score
    baseline: Score
    metrics: Mapping[str, float]
    notes: tuple[Any, ...] = ()
    seconds: float = 0.0
    steps: int = 0
    parameters: int = 0
    targets: Sequence[Mapping[str, Any]] = ()
    threshold: tuple[str, float] | None = None
    page: Evaluated | None = field(default=None, repr=False, compare=False)
    warning: str = ""
    sentence: str = ""

    def say(self) -> str:
        """The score in one plain sentence."""
        return self.sentence

    def say_warning(self) -> str:
        """That the network is no better than the baseline on these examples; empty where it is."""
        return self.warning

    def report(self, path: str | os.PathLike[str] | None = None, *, force: bool = False) -> Path:
        """Write an HTML page with all that can be seen of it, and return where it is.

        Args:
            path: of the page; beside the run's folder when left out. force: replace what is there.

        Raises:
            PellucidError: when a file is there already that is no page of an evaluation, or it can't be written.
            UsageError: for a run in memory without a path, or an evaluation that was loaded from a pickle.
        """
        if self.page is None:
            raise UsageError("this evaluation has lost its examples", fix="evaluate the run again")
        return self.page.write(path, force=force)

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: all but the page, which stands on data and network."""
        return vars(self) | {"page": None}

    def __repr__(self) -> str:
        naive = f"{self.baseline.name}: {score_text(self.baseline.value)}"
        return f"Evaluation({self.score}; {naive})"

    def __str__(self) -> str:
        """For people: the score beside the naive answer, further metrics, what was odd."""
        further = {name: value for name, value in self.metrics.items() if name != self.score.metric}
        width = max(map(len, further), default=0)
        lines = [f"{self.score}; {self.baseline.name}: "]
        lines[0] += score_text(self.baseline.value)
        lines += [f"  {name:<{width}}  {score_text(value)}" for name, value in further.items()]
        return "\n".join(lines + [f"  ! {note}" for note in self.notes if note.level != "info"])

    def result(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints."""
        s = self.score
        return {
            "run": self.run, "metric": s.metric, "value": s.value, "low": s.low, "high": s.high,
            "baseline": self.baseline.value, "seconds": self.seconds, "steps": self.steps,
            "parameters": self.parameters, "examples": s.n, "metrics": dict(self.metrics),
            "notes": [str(note) for note in self.notes], **said_of(s),
            **({"threshold": dict([self.threshold])} if self.threshold else {}),
            **said_of_targets(self.targets),
            **({"warning": self.warning} if self.warning else {}),
        }  # fmt: skip


def said_of(score: Score) -> dict[str, Any]:
    """What ``--json`` says of a score's weights and of the blocks of time in its interval; empty without either."""
    blocks = {"times": score.times, "block": score.block, "blocks": score.blocks} if score.times else {}
    return ({"weights": score.weights} if score.weights else {}) | blocks


def said_of_targets(targets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What ``--json`` says of several number targets; empty for a single one."""
    return {"targets": [dict(one) for one in targets]} if targets else {}
