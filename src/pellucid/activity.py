"""What this process is doing just now, in a few words, for whoever waits. Asked for, never told: nothing is slowed."""

from __future__ import annotations

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
