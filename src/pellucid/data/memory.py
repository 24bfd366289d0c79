"""Giving freed memory back to the system. Only glibc is asked; elsewhere nothing happens."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache

MMAP_THRESHOLD = -3  # of glibc's mallopt
LARGE = 1 << 20  # bytes


@cache
def return_freed() -> bool:
    """Ask for blocks over a megabyte to be given back as soon as they are freed; whether the system agreed.

    By default it learns to keep blocks of up to 32 MB, between which smaller ones then lie: reading a 2 GB table column
    by column it held on to 1 GB that way. Training sets it otherwise again.
    """
    mallopt = of_glibc("mallopt")
    return bool(mallopt and mallopt(MMAP_THRESHOLD, LARGE))


def of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library by its name; None where there is none, as in musl."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
