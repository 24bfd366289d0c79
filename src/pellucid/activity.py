"""What this process is doing just now, in a few words, for whoever waits. Asked for, never told: nothing is slowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# The innermost activity is the last one.
_doing: list[str] = []


def activity(text: str | Callable[..., str]) -> Callable[[F], F]:
    """A decorator: while the function runs, that is what is being done.

    Args:
        text: in the form "decoding images"; or what makes it of the function's arguments.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def announced(*args: Any, **kwargs: Any) -> Any:
            _doing.append(text if isinstance(text, str) else text(*args, **kwargs))
            try:
                return function(*args, **kwargs)
            finally:
                _doing.pop()

        return announced  # type: ignore[return-value]

    return decorate


def current_activity() -> str:
    """What is being done; empty for nothing that was announced."""
    # Another thread may take the last one away in between.
    return next(iter(_doing[-1:]), "")


class Progress:
    """How much of something long is done, for whoever waits: a context in which ``advance`` is told of each step.

    Args:
        total: how many steps there are, all about as long. within: whether it is one step of what is told of already;
            else nothing is told of it while something is.

    Example:
        >>> with Progress(2) as progress:
        ...     progress.advance()
        ...     current_share()
        0.5
    """

    def __init__(self, total: float, *, within: bool = False):
        self.total, self.done, self.within = max(total, 1e-9), 0.0, within

    def __enter__(self) -> Progress:
        self.began, self.told = time.monotonic(), self.within or not _progress
        if self.told:
            _progress.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self.told:
            _progress.remove(self)

    def advance(self, steps: float = 1.0) -> None:
        self.done = min(self.done + steps, self.total)


# The outermost first.
_progress: list[Progress] = []


def current_share() -> float | None:
    """How much of what is being done is done, from 0 to 1; None where that is not told."""
    every, share = list(_progress), 0.0
    for one in reversed(every):
        share = min((one.done + share) / one.total, 1.0)
    return share if every else None


def seconds_left() -> float | None:
    """How long what is being done will take, by how long it has; None where that can't be told yet."""
    share, first = current_share(), next(iter(_progress[:1]), None)
    return None if first is None or not share else (time.monotonic() - first.began) * (1 - share) / share
