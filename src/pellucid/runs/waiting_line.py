"""A line in a notebook's cell for whoever waits for views: what is being done, how much of it, and the time left."""

from __future__ import annotations

import threading
from typing import Any

from ..activity import current_activity, current_share, seconds_left
from ..training.status_line import NotebookLine, in_notebook
from ..wording import duration_text

# Seconds before the first line, and between two.
PATIENCE, PAUSE = 1.0, 0.5


class WaitingLine:
    """A context that says what goes on inside it, from a second on; nothing outside of notebooks.

    Args:
        line: what it is written to.
    """

    def __init__(self, line: Any = None):
        self.line: Any = line or (NotebookLine() if in_notebook() else None)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._tell, daemon=True)
        self.written = False

    def __enter__(self) -> WaitingLine:
        if self.line is not None:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()
        # What has been waited for stands below.
        if self.written:
            self.line.write("")

    def _tell(self) -> None:
        pause = PATIENCE
        while not self.over.wait(pause):
            self.line.write(waiting_text())
            self.written, pause = True, PAUSE


def waiting_text() -> str:
    """``testing explanations on this network …  45%, 6 s left``."""
    share, left = current_share(), seconds_left()
    text = f"{current_activity() or 'looking inside'} …"
    return text if share is None or left is None else f"{text}  {share:.0%}, {duration_text(round(left))} left"
