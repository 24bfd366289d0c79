"""A line on standard error for whoever waits: what is being done, where it takes more than a second (in a log, ten)."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO

from ..activity import current_activity, current_share, seconds_left
from ..errors import visible_text
from .console import clock_duration, eighths_bar

# Before the first line on a terminal, and between two, where each takes the place of the one before. In a log lines
# stay, and nobody sits before it: there the pause is the third from the beginning.
PATIENCE, SCREEN_SECONDS, LOG_SECONDS = 1.0, 0.5, 10.0

CHARACTERS, BAR = 78, 20


class Waiting:
    """A context that says what is going on inside it, from a second on. ``stop`` ends it early.

    Args:
        what: is done where nothing more exact is known. quiet: says nothing at all.
    """

    def __init__(self, what: str, quiet: bool = False, stream: TextIO | None = None):
        self.what, self.stream = what, stream or sys.stderr
        self.quiet = quiet or self.stream is None
        self.live = not self.quiet and self.stream.isatty()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._tell, daemon=True)
        self.written = False

    def __enter__(self) -> Waiting:
        self.began = time.monotonic()
        if not self.quiet:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Say no more, and take the line away."""
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()
        if self.live and self.written:
            self.written = False
            self._write("\r\x1b[K")

    def _tell(self) -> None:
        pause = PATIENCE if self.live else LOG_SECONDS
        while not self.over.wait(pause):
            text = self.line(time.monotonic() - self.began)
            self._write(f"\r\x1b[K{text}" if self.live else f"{text}\n")
            self.written = True
            pause = SCREEN_SECONDS if self.live else LOG_SECONDS

    def line(self, seconds: float) -> str:
        """``decoding 'image'   12 s``; where it is known how much is done, a bar and the time that is left."""
        text = visible_text(current_activity() or self.what).replace("\n", " ")
        share, left = current_share(), seconds_left()
        if share is None or left is None:
            return f"  {text[:CHARACTERS]} …  {clock_duration(seconds)}"
        bar = eighths_bar(share, BAR).ljust(BAR)
        return f"  {text[: CHARACTERS - BAR - 12]} …  {bar} {share:4.0%}   {clock_duration(left)} left"

    def _write(self, text: str) -> None:
        # A stream that is gone is no reason to stop the work.
        try:
            self.stream.write(text)
            self.stream.flush()
        except (OSError, ValueError):
            self.over.set()
