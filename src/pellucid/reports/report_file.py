"""The report of a run or a comparison where it lies: its path, a browser that opens it, a notebook that shows it."""

from __future__ import annotations

import os
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from ..draw.markup import tag

REPORT = "report.html"

# Pixels of a notebook's cell.
FRAME_HEIGHT = 720


@dataclass(frozen=True)
class Report:
    """A report that is there as a file. In a notebook it shows itself.

    Attributes:
        path: of the HTML file. redrawn: whether it has just been drawn anew.
    """

    path: Path
    redrawn: bool = False

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style and the notebook's stay apart; it has no scripts."""
        page = self.path.read_text("utf-8")
        style = f"width:100%;height:{FRAME_HEIGHT}px;border:1px solid #8884;border-radius:8px"
        return tag("iframe", srcdoc=page, sandbox="", style=style, title="Pellucid report")

    def open(self) -> bool:
        """Open it in a browser where there is a display; whether one was found."""
        return has_display() and webbrowser.open(self.path.resolve().as_uri())


def has_display() -> bool:
    """Whether a browser with windows can be expected here."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
