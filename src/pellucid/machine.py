"""This machine: its memory, giving freed memory back, when the process began."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path


def process_started() -> float:
    """When this process was started, on the clock of ``time.time()``, so that a budget counts Python's own start too.

    Linux tells it in ``/proc``; elsewhere it is now.
    """
    now = time.time()
    try:
        # The start, in clock ticks since boot, is the 22nd entry. The second one is the name of the program, which may
        # hold blanks and brackets: so it counts from the last bracket on.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now
    # Starting takes seconds: an age of a minute or more, or a negative one, means that the two clocks disagree.
    return now - age if 0 <= age < 60 else now


# ``M_MMAP_THRESHOLD`` of glibc's mallopt: ctypes does not see the constants of C.
MMAP_THRESHOLD = -3

# Blocks of at least so many bytes are maps of their own, which go back to the system when they are freed.
RETURNED_BLOCK_BYTES = 1 << 20


@cache
def return_freed() -> bool:
    """Ask for blocks over a megabyte to be given back as soon as they are freed; whether the system agreed.

    By default it learns to keep blocks of up to 32 MB, between which smaller ones then lie: reading a 2 GB table column
    by column it held on to 1 GB that way. Training sets it otherwise again.
    """
    mallopt = of_glibc("mallopt")
    return bool(mallopt and mallopt(MMAP_THRESHOLD, RETURNED_BLOCK_BYTES))


def of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library by its name; None where there is none, as in musl."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None


def total_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
