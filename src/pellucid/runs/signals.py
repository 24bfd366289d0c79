"""SIGINT, SIGTERM and SIGHUP as a wish to stop that the training loop hears between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Ctrl-C, the polite kill and a closed terminal; Windows lacks some.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """A function that says whether a signal asked to stop; a second signal raises KeyboardInterrupt at once.

    Outside the main thread it always says no.
    """
    # Python lets the main thread alone set handlers.
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    caught: list[int] = []

    def note_signal(number: int, _: Any) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    # What is ignored stays ignored, or nohup would be undone.
    heard = [number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note_signal) for number in heard}
    try:
        yield lambda: bool(caught)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
