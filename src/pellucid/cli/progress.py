"""A training as it happens: a live block on a terminal, plain lines elsewhere, JSON lines for programs.

Progress goes to standard error, results to standard output, so that a pipe carries results alone.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..training.listeners import Listener, Progress, Remark
from ..wording import decision_name, metric_text
from . import show_comparison, show_data
from .console import clock_duration, grouped_number, make_console, print_json, short_number
from .show_data import show_brief
from .show_run import show_plan

# (seconds, value) of each point.
Points = list[tuple[float, float]]

# Columns of the history that are no reading on validation.
CLOCKS = {"step", "epoch", "seconds", "rate", "lr", "matrix_lr", "lr_factor", "loss"}

LOSS = "validation loss"

# Decisions that are told without --verbose: how large the network is, why a training ends early, what memory forbids.
NEWS = ("size", "stopped improving", "micro batch")

# The bit of each dot, 4 rows × 2 columns a cell.
BRAILLE = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def braille_line(points: Points, end: float, width: int, height: int) -> list[str]:
    """A line through ``points`` in ``height`` rows of ``width`` characters; the right edge is second ``end``."""
    xs, ys = np.array([p for p in points if math.isfinite(p[1])]).T
    # The column of dots at the right edge.
    last = 2 * width - 1
    first, until = (min(round(x / end * last), last) for x in (xs[0], xs[-1]))
    columns = np.arange(first, until + 1)
    line = np.interp(columns * end / last, xs, ys)
    span = max(ys.max() - ys.min(), 1e-12)
    rows = np.rint((ys.max() - line) / span * (4 * height - 1)).astype(int).clip(0, 4 * height - 1)
    cells = np.zeros((height, width), int)
    before = rows[0]
    for column, row in zip(columns, rows, strict=True):
        # From the dot before to this one, so that steep stretches are lines and no scattered dots.
        for dot in range(min(row, before), max(row, before) + 1):
            cells[dot // 4, column // 2] |= BRAILLE[dot % 4][column % 2]
        before = row
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]


def braille_chart(title: str, points: Points, end: float, width: int, height: int = 4) -> Text:
    """A titled line with its lowest and highest value on the axis, ``width`` characters wide."""
    finite = [y for _, y in points if math.isfinite(y)]
    if not finite:
        return Text("\n".join([title, *[""] * height]), style="dim")
    high, low = short_number(max(finite)), short_number(min(finite))
    margin = max(len(high), len(low))
    labels = [high, *[""] * (height - 2), low]
    text = Text(f"{' ' * margin}  {title}\n", style="dim")
    for label, line in zip(labels, braille_line(points, end, width - margin - 2, height), strict=True):
        text.append(f"{label:>{margin}} {'┤' if label else '│'}", style="dim")
        text.append(line + "\n", style="not dim cyan")
    text.rstrip()
    return text


class Display(Listener):
    """What every display does: it keeps what was heard, and is a context for the time of the training."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.readings: dict[str, Points] = {}
        self.losses: Points = []
        # What reading said of the data; training says it too.
        self.known: set[str] = set()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def stepped(self, progress: Progress) -> None:
        self.progress = progress
        # Right after an evaluation there is none yet.
        if math.isfinite(progress.loss):
            self.losses.append((progress.seconds, progress.loss))

    def evaluated(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if name not in CLOCKS and isinstance(value, int | float):
                title = metric_text(f"validation {name.removeprefix('validation_')}")
                self.readings.setdefault(title, []).append((float(row["seconds"]), float(value)))

    def data_read(self, data: Any) -> None:
        """Told when the data was read, before training; keeps what was said of it, so that it is said once."""
        self.known = {str(note) for note in data.notes}

    def said(self, text: str) -> None:
        if text not in self.known:
            self.show_sentence(text)

    def show_sentence(self, text: str) -> None:
        """Show a sentence."""

    @property
    def expected_end(self) -> float:
        """Seconds at which the training will be over, as far as known."""
        p = self.progress
        if p is None:
            return 1.0
        left = p.left if math.isfinite(p.left) else p.seconds * (p.steps / max(p.step, 1) - 1)
        return max(p.seconds + left, p.seconds, 1e-9)


class ConsoleDisplay(Display):
    """A display with a console to say things on."""

    console: Console
    # Whether the whole plan and all decisions are shown.
    verbose = False

    def data_read(self, data: Any) -> None:
        super().data_read(data)
        show_brief(data, self.console)

    def planned(self, plan: Any) -> None:
        show_plan(plan, self.console, whole=self.verbose)
        # A decision that only repeats a line of the plan is not shown again.
        self.known |= {f"{name} {value}, {reason}" for name, value, reason in plan.lines()}

    def decided(self, decision: Mapping[str, Any]) -> None:
        if self.verbose or decision["name"] in NEWS:
            self.said(decision_line(decision))


class Silent(Display):
    """``--quiet``: nothing until the score."""


class Screen(ConsoleDisplay):
    """A live block on a terminal: bar, readings, and a curve of validation and loss.

    It is drawn by the training's own thread, at most three times a second (about 4 ms each), so that no second
    thread competes with the training for a core.
    """

    # Seconds between two drawings.
    every = 0.33

    def __init__(self, console: Console, *, passing: bool = False):
        super().__init__()
        self.console = console
        # No thread of its own, for the reason above.
        self.live = Live("", console=console, auto_refresh=False, vertical_overflow="crop", transient=passing)
        self.drawn = 0.0
        # Seconds that all of it took, once it is over.
        self.total: float | None = None

    def __enter__(self) -> Screen:
        self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._redraw()
        self.live.stop()

    def show_sentence(self, text: str) -> None:
        self.console.print(remark_text(text))

    def stepped(self, progress: Progress) -> None:
        super().stepped(progress)
        if time.monotonic() - self.drawn > self.every:
            self._redraw()

    def evaluated(self, row: Mapping[str, Any]) -> None:
        super().evaluated(row)
        self._redraw()

    def finished(self, run: Any) -> None:
        self.total = float(run.result()["seconds"])

    def _redraw(self) -> None:
        self.drawn = time.monotonic()
        if self.progress:
            self.live.update(live_block(self, self.progress, min(self.console.width, 100), self.total), refresh=True)


def live_block(ear: Display, p: Progress, width: int, total: float | None = None) -> Group:
    """The live block, ``width`` characters wide; ``total``: seconds that all of it took, once it is over."""
    share = min(p.seconds / ear.expected_end, 1.0) if total is None else 1.0
    top = Table.grid(padding=(0, 1))
    left = f"{clock_duration(ear.expected_end - p.seconds)} left" if total is None else f"in {clock_duration(total)}"
    phase = p.phase if total is None else "done"
    bar = ProgressBar(total=1.0, completed=share, width=width - 36)
    top.add_row(f"  {phase:<9}", bar, f"{share:4.0%}", Text(left, style="bold"))
    facts = Text(f"  {epoch_or_step(p)}   {grouped_number(p.rate)} examples a second", style="dim")
    values = Text("  ")
    for name, points in {"loss": ear.losses or [(0.0, p.loss)], **ear.readings}.items():
        values.append(f"{name} ", style="dim").append(f"{short_number(points[-1][1])}   ", style="bold")
    return Group("", top, facts, values, "", live_curves(ear, width), "")


def live_curves(ear: Display, width: int) -> Table:
    """Validation on the left, training loss on the right, both over the whole time of the training."""
    side = (width - 6) // 2
    charts = [braille_chart("training loss", ear.losses, ear.expected_end, side)]
    scored = [(name, points) for name, points in ear.readings.items() if len(points) > 1 and name != LOSS]
    charts[:0] = [braille_chart(name, points, ear.expected_end, side) for name, points in scored[:1]]
    table = Table.grid(padding=(0, 1))
    table.add_row(" ", *charts)
    return table


def epoch_or_step(p: Progress) -> str:
    return f"epoch {p.epoch:.1f}   step {p.step:,} of {p.steps:,}"


def decision_line(decision: Mapping[str, Any]) -> str:
    """A decision as one line: ``step 812: schedule 1,203 steps, validation has not improved``."""
    name, value, step = decision["name"], decision["value"], decision["step"]
    # [step, share of the learning rate] at each corner; the last one is the end.
    if name == "schedule":
        value = f"{grouped_number(value[-1][0])} steps"
    value = f"{value:.4g}" if isinstance(value, float) else value
    if name == "stopped improving":
        return f"step {step:,}: {decision['reason']}" + (", so the learning rate cools down" if value else "")
    when = f"step {step:,}: " if step else ""
    return f"{when}{decision_name(name).replace('_', ' ')} {value}, {decision['reason']}"


class Lines(ConsoleDisplay):
    """Plain lines where no terminal is listening: what is said, and a line of progress every few seconds."""

    # Seconds between two lines.
    every = 5.0

    def __init__(self, console: Console):
        super().__init__()
        # So that the first step is printed at once.
        self.console, self.printed = console, -math.inf

    def show_sentence(self, text: str) -> None:
        self.console.print(remark_text(text) if isinstance(text, Remark) else text, soft_wrap=True)

    def stepped(self, progress: Progress) -> None:
        super().stepped(progress)
        if time.monotonic() - self.printed >= self.every:
            self.printed = time.monotonic()
            self.said(self._progress_line(progress))

    def _progress_line(self, p: Progress) -> str:
        readings = [f"{name} {short_number(points[-1][1])}" for name, points in self.readings.items()]
        left = clock_duration(self.expected_end - p.seconds)
        parts = [
            epoch_or_step(p),
            p.phase,
            f"loss {short_number(p.loss)}",
            *readings,
            f"{grouped_number(p.rate)} examples/s",
        ]
        return "   ".join([*parts, f"{left} left"])


class Turns(Display):
    """A comparison: for each training a heading, a display that goes when it is over, and a line of what it gave."""

    def __init__(self, console: Console):
        super().__init__()
        self.console, self.ear = console, Display()

    def __exit__(self, *_: Any) -> None:
        self.ear.__exit__(*_)

    def data_read(self, data: Any) -> None:
        super().data_read(data)
        show_data.show_brief(data, self.console)

    def show_sentence(self, text: str) -> None:
        self.console.print(remark_text(text), soft_wrap=not self.console.is_terminal)

    def began(self, network: str, seed: int, place: int, places: int) -> None:
        self.ear = screen_or_lines(self.console, passing=True)
        self.console.print(Text.assemble(f"\n  {network}", f"  seed {seed}, {place} of {places}", style="bold"))
        self.ear.__enter__()

    def ended(self, trial: Mapping[str, Any]) -> None:
        self.ear.__exit__()
        self.console.print(Text(f"  {show_comparison.trial_outcome(trial)}"), soft_wrap=True)
        self.ear = Display()

    def stepped(self, progress: Progress) -> None:
        self.ear.stepped(progress)

    def evaluated(self, row: Mapping[str, Any]) -> None:
        self.ear.evaluated(row)

    def finished(self, run: Any) -> None:
        self.ear.finished(run)


class JsonLines(Display):
    """``--json``: every event as one JSON object a line on standard output."""

    def data_read(self, data: Any) -> None:
        super().data_read(data)
        print_json({"event": "read", "data": data.summary()})

    def show_sentence(self, text: str) -> None:
        # A key of the event, not a kind.
        print_json({"event": "said", "text": text, "level": getattr(text, "level", "info")})

    def planned(self, plan: Any) -> None:
        print_json({"event": "planned", "plan": plan.to_json()})

    def decided(self, decision: Mapping[str, Any]) -> None:
        print_json({"event": "decided", **decision})

    def evaluated(self, row: Mapping[str, Any]) -> None:
        print_json({"event": "evaluated", **row})

    def watched(self, row: Mapping[str, Any]) -> None:
        print_json({"event": "watched", **row})

    def began(self, network: str, seed: int, place: int, places: int) -> None:
        print_json({"event": "began", "network": network, "seed": seed, "place": place, "places": places})

    def ended(self, trial: Mapping[str, Any]) -> None:
        print_json({"event": "ended", **trial})


def remark_text(text: str) -> Text:
    """A sentence; with the sign and colour of its level where it has one that matters."""
    level = getattr(text, "level", "info")
    if level == "info":
        return Text(f"  {text}", style="dim")
    sign, style = show_data.LEVELS[level]
    return Text.assemble((f"  {sign} ", style), str(text))


def choose_display(json_lines: bool, quiet: bool, *, turns: bool = False, verbose: bool = False) -> Display:
    """The display that fits: what was asked for, then what standard error can show.

    Args:
        turns: for a comparison. verbose: the whole plan and every decision.
    """
    if json_lines:
        return JsonLines()
    if quiet:
        return Silent()
    console = make_console(sys.stderr)
    return Turns(console) if turns else screen_or_lines(console, verbose=verbose)


def screen_or_lines(console: Console, *, passing: bool = False, verbose: bool = False) -> Display:
    """A live block where the console can show one; ``passing``: gone when it is over."""
    live = console.is_terminal and not console.is_dumb_terminal
    ear = Screen(console, passing=passing) if live else Lines(console)
    ear.verbose = verbose
    return ear
