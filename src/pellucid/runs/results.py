"""What evaluating and predicting return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..fields import Note
from ..metrics.score import Score


@dataclass(frozen=True)
class Evaluation:
    """How good a run is on some data.

    Attributes:
        run: its folder. score: the main metric with its interval; baseline: the naive answer's, on the same examples.
        metrics: further metrics by name. notes: what was odd about the data.
        seconds: that it took. steps, parameters: of the run.
    """

    run: str
    score: Score
    baseline: Score
    metrics: Mapping[str, float]
    notes: tuple[Any, ...] = ()
    seconds: float = 0.0
    steps: int = 0
    parameters: int = 0

    def result(self) -> dict[str, Any]:
        """What ``evaluate --json`` prints."""
        s = self.score
        return {
            "run": self.run, "metric": s.metric, "value": s.value, "low": s.low, "high": s.high,
            "baseline": self.baseline.value, "seconds": self.seconds, "steps": self.steps,
            "parameters": self.parameters, "examples": s.n, "metrics": dict(self.metrics),
            "notes": [str(note) for note in self.notes], **said_of(s),
        }  # fmt: skip


class Predictions(list[dict[str, Any]]):
    """One prediction an example, in order.

    Attributes:
        notes: what was odd about the data they were made from.
    """

    def __init__(self, rows: Iterable[dict[str, Any]] = (), notes: Iterable[Note] = ()):
        super().__init__(rows)
        self.notes = tuple(notes)


def said_of(score: Score) -> dict[str, Any]:
    """What ``--json`` says of a score's weights and of the blocks of time in its interval; empty without either."""
    blocks = {"times": score.times, "block": score.block, "blocks": score.blocks} if score.times else {}
    return ({"weights": score.weights} if score.weights else {}) | blocks
