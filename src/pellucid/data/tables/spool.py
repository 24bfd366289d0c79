"""Chunks of a large table on the disk while it is read."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import gettempdir, mkdtemp

import polars as pl

from ...errors import PellucidError
from ...machine import return_freed
from ..cache.cache_folder import PIECE_FILE, SPOOL, make_own, remove_files
from .table import WIDE_COLUMNS, Chunk, chunk_of_frame, column_reader

# Of a wide table, that stay in memory: 32 blocks of text.
HELD_BYTES = 1 << 28


class Spool:
    """A folder for pieces on their way, gone when nothing refers to it any more.

    Args:
        near: the cache's folder; a new one among the system's temporary files when there is none.
    """

    def __init__(self, near: Path | None):
        self.count = 0
        # A table read column by column leaves holes in the heap: reading one of 2 GB held on to 1 GB that way
        # (``machine``).
        return_freed()
        try:
            self.folder = _new_folder(near)
        except OSError as error:
            raise _no_room((near or Path(gettempdir())) / SPOOL, error) from None
        # Not in ``__del__``, which need not be called for what still lives when Python ends.
        weakref.finalize(self, remove_files, self.folder, PIECE_FILE)

    def need_bytes(self, size: int, where: str) -> None:
        """Raises PellucidError when there are fewer than ``size`` bytes left on the disk."""
        free = shutil.disk_usage(self.folder).free
        if free < size:
            what = f"it takes {size / 1e9:,.1f} GB on the disk to read it, and {free / 1e9:,.1f} GB are free"
            fix = f"make room at {self.folder.parent}, or set PELLUCID_CACHE to a folder on another disk"
            raise PellucidError(what, where=where, fix=fix)

    def new_path(self, suffix: str) -> Path:
        """A new file's place."""
        self.count += 1
        return self.folder / f"{self.count}{suffix}"

    def keep_frame(self, frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> Chunk:
        """Write a frame; the chunk that reads it back."""
        path = self.new_path(".arrow")
        try:
            frame.write_ipc(path)
        except OSError as error:
            raise _no_room(path, error) from None

        def read_frame(names: list[str]) -> pl.DataFrame:
            # The reference to self keeps the folder alive as long as the chunk can be read.
            assert self.folder
            return pl.read_ipc(path, columns=names)

        return Chunk(len(frame), schema, column_reader(read_frame, frame.columns, len(frame)))


def _new_folder(near: Path | None) -> Path:
    """A folder that nobody else has. Raises OSError."""
    if near is None:
        return Path(mkdtemp(prefix="pellucid-"))
    near.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_own(near / SPOOL)
    folder = near / SPOOL / f"{os.getpid()}-{secrets.token_hex(6)}"
    folder.mkdir(mode=0o700)
    return folder


def chunks_of(
    frames: Iterable[tuple[pl.DataFrame, Mapping[str, pl.DataType]]], spool: Callable[[], Spool]
) -> list[Chunk]:
    """Frames and their types as pieces: a single one stays in memory, several go to disk one after the other.

    So do the first few of a wide table: for each of its columns a disk costs more than the few values there.
    """
    # Frames wait: only when one more comes is it known that the table is large.
    waiting: list[tuple[pl.DataFrame, Mapping[str, pl.DataType]]] = []
    pieces: list[Chunk] = []
    room: Spool | None = None
    size = 0
    for frame, schema in frames:
        size += int(frame.estimated_size())
        if waiting and (frame.width <= WIDE_COLUMNS or size > HELD_BYTES):
            room = room or spool()
            pieces += [room.keep_frame(*one) for one in waiting]
            waiting.clear()
        waiting.append((frame, schema))
    return pieces + [room.keep_frame(*one) if room else chunk_of_frame(*one) for one in waiting]


def _no_room(path: Path, error: OSError) -> PellucidError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space" in str(error)
    what = "the disk is full" if full else f"a large table is read in pieces, which cannot be kept here ({error})"
    return PellucidError(what, where=str(path.parent), fix="set PELLUCID_CACHE to a folder with room to write in")
