"""Progress as one line that is written over: in a notebook, or on a terminal where it was asked for."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import visible_text
from ..wording import duration_text, metric_text, number_text
from .listeners import Listener, Progress

# Seconds between two writings of the line: on a screen, and in a log where each is a line of its own.
SCREEN_SECONDS, LOG_SECONDS = 0.3, 10.0

CHARACTERS = 100


def with_progress(listeners: Sequence[Listener], progress: bool | None) -> tuple[Listener, ...]:
    """The listeners, and a status line where one is asked for; None asks for it in a notebook alone."""
    shown = in_notebook() if progress is None else progress
    return (*listeners, StatusLine(NotebookLine() if in_notebook() else StreamLine())) if shown else tuple(listeners)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class NotebookLine:
    """A line in the output of a notebook's cell. ``pause``: seconds between two writings of it."""

    pause = SCREEN_SECONDS

    def __init__(self) -> None:
        self.handle: Any = None

    def write(self, text: str, last: bool = False) -> None:
        from IPython.display import display  # type: ignore[import-not-found]

        content = {"text/plain": text}
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)


class StreamLine:
    """A line on standard error; where that is no terminal, a line every now and then."""

    def __init__(self) -> None:
        self.stream = sys.stderr
        self.live = bool(self.stream is not None and self.stream.isatty())
        self.pause = SCREEN_SECONDS if self.live else LOG_SECONDS

    def write(self, text: str, last: bool = False) -> None:
        if self.stream is None:
            return
        start, end = ("\r\x1b[K", "\n" if last else "") if self.live else ("", "\n")
        self.stream.write(f"{start}{text}{end}")
        self.stream.flush()


class StatusLine(Listener):
    """Where a training stands, in one line.

    Args:
        line: what it is written to. clock: gives seconds.
    """

    def __init__(self, line: NotebookLine | StreamLine, clock: Callable[[], float] = time.monotonic):
        self.line, self.clock = line, clock
        self.written = -math.inf
        # Of a comparison: which training this is.
        self.head = ""
        self.reading = ""

    def said(self, text: str) -> None:
        # Remarks on the data are in its own print; here they say that something is going on before the first step.
        if self.written == -math.inf:
            self._write(f"{self.head}{text}")

    def planned(self, plan: Any) -> None:
        self._write(f"{self.head}{plan.network} network, {plan.budget}: getting ready")

    def began(self, network: str, seed: int, place: int, places: int) -> None:
        self.head, self.reading = f"{place} of {places}, {network}: ", ""
        self._write(f"{self.head}getting ready")

    def stepped(self, progress: Progress) -> None:
        if self.clock() - self.written >= self.line.pause:
            self._write(self.head + progress_text(progress, self.reading))

    def evaluated(self, row: Mapping[str, Any]) -> None:
        known = {"event", "step", "epoch", "seconds", "loss", "validation_loss", "lr", "matrix_lr", "lr_factor"}
        named = [
            f"validation {metric_text(k)} {number_text(v, 3)}"
            for k, v in row.items()
            if k not in known and isinstance(v, float)
        ]
        self.reading = "   ".join(named)

    def ended(self, trial: Mapping[str, Any]) -> None:
        outcome = (
            trial.get("error") or f"validation {metric_text(trial['metric'])} {number_text(trial['validation'], 4)}"
        )
        self._write(f"{self.head}{outcome}", last=True)

    def finished(self, run: Any) -> None:
        seconds = float(run.record["seconds"])
        self._write(f"{self.head}trained in {duration_text(seconds)}: {run.score}", last=not self.head)

    def _write(self, text: str, last: bool = False) -> None:
        self.written = self.clock()
        text = " ".join(visible_text(text).split("\n"))
        self.line.write(text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…", last)


def progress_text(p: Progress, reading: str = "") -> str:
    """``42%   epoch 3.2   loss 0.412   validation accuracy 0.93   12 s left``."""
    whole = p.seconds + p.left
    share = p.seconds / whole if math.isfinite(whole) and whole > 0 else p.step / max(p.steps, 1)
    left = f"{duration_text(round(p.left))} left" if math.isfinite(p.left) else ""
    loss = f"loss {number_text(p.loss, 3)}" if math.isfinite(p.loss) else ""
    parts = (f"{min(share, 1):4.0%}", p.phase, f"epoch {p.epoch:.1f}", loss, reading, left)
    return "   ".join(part for part in parts if part)
