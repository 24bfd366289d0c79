"""Writes files so that a crash leaves the old one or the new one, and turns the system's errors into words."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import PellucidError
from ..machine import total_memory

# Of a file of JSON that is read; the record of a table of 80,000 columns is as large.
MOST_JSON_BYTES = 128 << 20

# What the names of half-written files start with.
FRESH = ".new-"


class Disk:
    """Every system call that changes the disk, in one place, so that tests can make the k-th one fail."""

    # Nowhere is a link followed (O_NOFOLLOW): in a stranger's run it could lead to any file.
    def create(self, path: Path) -> int:
        """A new, empty file, opened to write. Returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)

    def extend(self, path: Path) -> int:
        """A file opened to write at its end, made where it is missing. Returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)

    def write(self, file: int, data: bytes) -> None:
        """Write all of ``data``."""
        # The system may take less at a time than it was given.
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]

    def sync(self, file: int) -> None:
        os.fsync(file)

    def truncate(self, file: int, size: int) -> None:
        os.ftruncate(file, size)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def mkdir(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        """Make renames and removals in ``path`` durable; some network file systems can't, and say EINVAL."""
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
        finally:
            os.close(file)


system = Disk()


@contextlib.contextmanager
def os_errors_as(doing: str, path: Path) -> Iterator[None]:
    """A context that turns an OSError into a PellucidError, ``can't {doing}: why``, with the path and what to do."""
    try:
        yield
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EDQUOT)
        barred = e.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        fix = "free some space on that disk; what was saved before is untouched" if full else None
        fix = "check who may write there, or choose another folder" if barred else fix
        why = "the disk is full" if full else (e.strerror or str(e)).lower()
        raise PellucidError(f"can't {doing}: {why}", where=str(path), fix=fix) from e


@contextlib.contextmanager
def write_fresh(path: Path, data: bytes) -> Iterator[Path]:
    """A context with ``data`` written durably beside ``path``, under a passing name, to be renamed inside.

    The file is removed when the context fails.
    """
    # Beside it, since only within one file system a rename is one step. With the process's number, since two processes
    # may write the same file.
    passing = path.with_name(f"{FRESH}{os.getpid()}-{path.name}")
    with os_errors_as("write", path):
        if not path.parent.exists():
            system.mkdir(path.parent)
            system.sync_folder(path.parent.parent)
        try:
            file = system.create(passing)
            try:
                system.write(file, data)
                # Before the rename: else a crash may leave the new name with an empty file behind it.
                system.sync(file)
            finally:
                os.close(file)
            yield passing
        except Exception:
            with contextlib.suppress(OSError):
                system.unlink(passing)
            raise


def rename_durably(passing: Path, path: Path) -> None:
    """Give a fresh file its name, and wait until that is on the disk."""
    system.rename(passing, path)
    system.sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write or replace one file, durably and in one step."""
    with write_fresh(path, data) as passing:
        rename_durably(passing, path)


def is_file(path: Path) -> bool:
    """Whether ``path`` is an ordinary file, and no link to one."""
    return stat.S_ISREG(_file_mode(path))


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder, and no link to one."""
    return stat.S_ISDIR(_file_mode(path))


def _file_mode(path: Path) -> int:
    """The mode of what is at ``path``, links not followed; 0 where there is nothing."""
    # A ValueError is of a path with a zero byte in it.
    try:
        return path.lstat().st_mode
    except (OSError, ValueError):
        return 0


def read_bytes(path: Path) -> bytes:
    """All bytes of an ordinary file.

    Raises:
        PellucidError: for a link, a pipe or a device, and for more bytes than a file of its sort may have.
    """
    # Checked on what was opened and not on the path, which another process may exchange in between. O_NONBLOCK, because
    # opening a pipe would wait for whoever writes into it.
    with os_errors_as("read", path):
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                raise PellucidError("it is not a file", where=str(path), fix="copy the file itself here")
            most = MOST_JSON_BYTES if path.suffix in (".json", ".jsonl") else total_memory() // 2
            if about.st_size > most:
                raise PellucidError(
                    f"it has {about.st_size / 1e6:,.0f} MB, more than the {most / 1e6:,.0f} MB that are read",
                    where=str(path),
                )
            with open(file, "rb", closefd=False) as handle:
                return handle.read()
        finally:
            os.close(file)
