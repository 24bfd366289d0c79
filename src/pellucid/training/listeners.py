"""What the training loop tells whoever listens. The loop knows no listener; none of them can change a training.

Torch-free, so that a command line or a web page can listen without importing torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: optimizer steps done; ``steps``: how many there will be, as decided so far.
        epoch: passes over the training examples so far (fractional).
        seconds: since the training's clock started; ``left``: seconds until the end as far as known.
        rate: training examples a second over the last steps.
        loss: mean training loss over the last steps.
        phase: ``"warm up"``, ``"hold"`` or ``"cool down"``.
    """

    step: int
    steps: int
    epoch: float
    seconds: float
    left: float
    rate: float
    loss: float
    phase: str


class Remark(str):
    """A sentence that listeners are told, with its level: ``"info"``, ``"warning"`` or ``"error"``, as of a note."""

    level: str

    def __new__(cls, text: str, level: str = "info") -> Remark:
        remark = super().__new__(cls, text)
        remark.level = level
        return remark


class Listener:
    """A listener that hears everything and does nothing; override what you want to hear."""

    __module__ = "pellucid"

    def said(self, text: str) -> None:
        """A plain sentence about what is going on: reading, decoding, a repair; a ``Remark`` has a level."""

    def planned(self, plan: Any) -> None:
        """The plan is made; nothing has been trained yet."""

    def decided(self, decision: Mapping[str, Any]) -> None:
        """A decision was written: ``step, name, value, reason``."""

    def stepped(self, progress: Progress) -> None:
        """Some steps were made (called a few times a second, not every step)."""

    def evaluated(self, row: Mapping[str, Any]) -> None:
        """A line of the history: step, epoch, seconds, loss, validation loss, metric, learning rates.

        ``lr`` is AdamW's rate, ``matrix_lr`` Muon's for the hidden matrices where it has some, ``lr_factor`` what the
        schedule multiplies both with.
        """

    def watched(self, row: Mapping[str, Any]) -> None:
        """A step was looked at from inside: lengths of gradients and weights, and how far the step moved these.

        ``step, loss, gradient, lr_factor, clipped, skipped`` and ``tensors``: by name ``gradient, weight, update,
        nonfinite``; see ``Run.watched``.
        """

    def finished(self, run: Any) -> None:
        """The run is scored and saved."""

    def began(self, network: str, seed: int, place: int, places: int) -> None:
        """A comparison turns to one of its trainings, the ``place``-th of ``places``."""

    def ended(self, trial: Mapping[str, Any]) -> None:
        """A training of a comparison is over: what it gave, or ``error``."""


class Several(Listener):
    """Tells each of several listeners in turn."""

    def __init__(self, listeners: Iterable[Listener]):
        self.listeners = tuple(listeners)

    def said(self, text: str) -> None:
        for one in self.listeners:
            one.said(text)

    def planned(self, plan: Any) -> None:
        for one in self.listeners:
            one.planned(plan)

    def decided(self, decision: Mapping[str, Any]) -> None:
        for one in self.listeners:
            one.decided(decision)

    def stepped(self, progress: Progress) -> None:
        for one in self.listeners:
            one.stepped(progress)

    def evaluated(self, row: Mapping[str, Any]) -> None:
        for one in self.listeners:
            one.evaluated(row)

    def watched(self, row: Mapping[str, Any]) -> None:
        for one in self.listeners:
            one.watched(row)

    def finished(self, run: Any) -> None:
        for one in self.listeners:
            one.finished(run)

    def began(self, network: str, seed: int, place: int, places: int) -> None:
        for one in self.listeners:
            one.began(network, seed, place, places)

    def ended(self, trial: Mapping[str, Any]) -> None:
        for one in self.listeners:
            one.ended(trial)
