"""One training at a time in a run folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import PellucidError
from . import atomic
from .atomic import FRESH, is_file, is_folder, os_errors_as, read_bytes
from .manifest import MANIFEST
from .names import MOMENTS

LOCK, CHECKPOINTS = ".lock", "checkpoints"

# What a lock file holds: the number of the process, or nothing yet.
LOCK_TEXT = re.compile(rb"([0-9]{1,10}\n)?")

# By its whole form: what is removed must be a file that ``write_fresh`` has begun, and no file of a user's.
HALF_WRITTEN = re.compile(re.escape(FRESH) + r"[0-9]{1,10}-[^/]+\.(json|jsonl|parquet|html|safetensors)")


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """A context that holds a lock file; the system lets go of it when the process ends, however it ends.

    Raises:
        PellucidError: another process holds it.
    """
    with os_errors_as("lock", path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    try:
        _take_lock(file, path)
        yield
    finally:
        os.close(file)


def _take_lock(file: int, path: Path) -> None:
    """Lock an open file and write this process's number into it. Raises PellucidError when another one holds it."""
    # The system's lock rather than the file itself: a killed training would leave that behind.
    with os_errors_as("lock", path):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode("ascii", "replace").strip()
            raise PellucidError(
                f"another training is writing into this run (process {holder or 'unknown'})",
                where=str(path.parent),
                fix="wait for it or stop it, or train into another folder with --name",
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)


def is_locked(path: Path) -> bool:
    """Whether a process is writing into the run folder ``path`` now."""
    try:
        file = os.open(path / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Shared, and let go at once: a training that begins this very moment is not kept out by another list.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


def is_left(path: Path) -> bool:
    """Whether a file is left of a run that crashed before its first file: its lock, or that file half-written."""
    if path.name == LOCK:
        return is_file(path) and path.stat().st_size < 16 and LOCK_TEXT.fullmatch(read_bytes(path)) is not None
    return path.name.endswith(f"-{MANIFEST}") and is_half_written(path)


def is_half_written(path: Path) -> bool:
    """Whether a file is one that ``write_fresh`` left half-written, by its whole name; no link or folder."""
    return HALF_WRITTEN.fullmatch(path.name) is not None and is_file(path)


def sweep_drafts(path: Path) -> None:
    """Remove half-written files that a crash left behind in a run folder; only the holder of its lock may."""
    with os_errors_as("clean up", path):
        for folder in (path, *filter(is_folder, [path / CHECKPOINTS, path / MOMENTS])):
            for left in filter(is_half_written, list(folder.iterdir())):
                atomic.system.unlink(left)
