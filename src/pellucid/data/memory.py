"""Giving freed memory back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

MMAP_THRESHOLD = -3  # of glibc's mallopt
LARGE = 1 << 20  # bytes


@cache
def return_freed() -> bool:
    """Ask glibc to give blocks over a megabyte back as soon as they are freed; whether it agreed.

    By default it learns to keep blocks of up to 32 MB, between which smaller ones then lie: reading a 2 GB table column
    by column it held on to 1 GB that way. Only glibc; elsewhere nothing happens. Training sets it otherwise again.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGE))
