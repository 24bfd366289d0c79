"""One training at a time in a run folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import PellucidError
from . import disk
from .disk import FRESH, is_folder, saying


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file; the system lets go of it when the process ends, however it ends.

    Raises:
        PellucidError: another process holds it.
    """
    with saying("lock", path):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    try:
        _take(file, path)
        yield
    finally:
        os.close(file)


def _take(file: int, path: Path) -> None:
    with saying("lock", path):
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


def sweep(path: Path) -> None:
    """Remove half-written files that a crash left behind in a folder; only the holder of its lock may."""
    with saying("clean up", path):
        for folder in (path, *(one for one in path.iterdir() if is_folder(one))):
            for left in [one for one in folder.iterdir() if one.name.startswith(FRESH)]:
                disk.system.unlink(left)
