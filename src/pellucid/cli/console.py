"""Printing on a terminal: columns, bars, numbers of few characters, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, TextIO, cast

from rich.console import Console
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table

from ..errors import visible_text
from ..storage.strict_json import json_value
from .streams import TrimmedStream, json_stream


class Calm(Console):
    """Names and texts from files are printed without what would steer the terminal."""

    def render(self, *args: Any, **kwargs: Any) -> Iterator[Segment]:
        # Here rather than where texts are made: everything that is printed passes through.
        for segment in super().render(*args, **kwargs):
            yield segment if segment.control else Segment(visible_text(segment.text), segment.style)


def make_console(stream: TextIO) -> Console:
    """As wide as the terminal, and at most 100 columns."""
    console = Calm(file=stream, highlight=False)
    if console.is_terminal:
        console.width = min(console.width, 100)
        return console
    # Elsewhere, as in a log, the width is fixed: the same command writes the same lines.
    return Calm(file=cast("TextIO", TrimmedStream(stream)), highlight=False, width=100)


def print_block(thing: Any, out: Console, above: bool = True) -> None:
    """Print with a margin, after an empty line."""
    if above:
        out.print()
    out.print(Padding.indent(thing, 2))


def plain_grid() -> Table:
    """Columns two spaces apart, without lines."""
    return Table(box=None, show_header=False, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)


def hanging_indent(sign: Any, text: Any) -> Table:
    """A sign or a word, and a text whose further lines start under its first."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(sign, text)
    return table


# --- words -------------------------------------------------------------------------------------------------------


def short_number(value: float) -> str:
    """A reading in few characters: ``0.412``, ``12.3``, ``18,823``, ``3.1e-05``."""
    size = abs(value)
    if not math.isfinite(value):
        return str(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.1e}"


def grouped_number(number: float) -> str:
    """A whole number with its thousands set apart."""
    return f"{number:,.0f}"


def clock_duration(seconds: float) -> str:
    """``26 s``, ``4 min 12 s``, ``1 h 02 min``."""
    if not math.isfinite(seconds):
        return "unknown"
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output, UTF-8; NaN and infinity, which JSON has not, become null."""
    stream, escaped = json_stream()
    # What is not fit for a terminal becomes ``\u…``, which JSON reads back as the same sign.
    text = visible_text(json.dumps(json_value(value), ensure_ascii=escaped, default=str))
    print(text, file=stream, flush=True)


def eighths_bar(share: float, width: int) -> str:
    """A bar of eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
