"""Writing so that a crash leaves the old file or the new one; every failure said in words."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import PellucidError
from ..machine import total_memory

MOST_JSON_BYTES = 128 << 20  # bytes; a table of 80,000 columns has so much to tell

FRESH = ".new-"  # what the names of half-written files start with


class Disk:
    """Every system call that changes the disk, in one place, so that tests can make the k-th one fail."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)

    def extend(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)

    def write(self, file: int, data: bytes) -> None:
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
    """Turn an OSError into a PellucidError that says what could not be done, where, why, and what to do."""
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
    """``data``, durable, under a passing name beside ``path``; removed again when what follows fails."""
    passing = path.with_name(f"{FRESH}{os.getpid()}-{path.name}")
    with os_errors_as("write", path):
        if not path.parent.exists():
            system.mkdir(path.parent)
            system.sync_folder(path.parent.parent)
        try:
            file = system.create(passing)
            try:
                system.write(file, data)
                system.sync(file)
            finally:
                os.close(file)
            yield passing
        except Exception:
            with contextlib.suppress(OSError):
                system.unlink(passing)
            raise


def rename_durably(passing: Path, path: Path) -> None:
    """Give a fresh file its name, durably."""
    system.rename(passing, path)
    system.sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write or replace one file, durably and in one step."""
    with write_fresh(path, data) as passing:
        rename_durably(passing, path)


def is_file(path: Path) -> bool:
    """Whether it is an ordinary file, and no link to one."""
    return stat.S_ISREG(_file_mode(path))


def is_folder(path: Path) -> bool:
    """Whether it is a folder, and no link to one."""
    return stat.S_ISDIR(_file_mode(path))


def _file_mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except (OSError, ValueError):
        return 0


def read_bytes(path: Path) -> bytes:
    """All bytes of an ordinary file. A link, a pipe or a device is not read, nor what memory can't hold."""
    with os_errors_as("read", path):
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            about = os.fstat(file)
            if not stat.S_ISREG(about.st_mode):
                raise PellucidError("it is no file", where=str(path), fix="copy the file here")
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
