"""What tells a file from what it was before, without reading it. n values."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from dataclasses import replace

import polars as pl

from ...fields import Column, files, kind_of_files
from ...fields.notes import Report
from ..source import Contents, Source
from .cache import MemoryCache, key_of

# Of a column: they tell whether a closer look is worth it.
FIRST_VALUES = 20

FileMark = tuple[int, ...]


def mark_of(about: os.stat_result) -> FileMark:
    """What changes with a file's content: size, time of writing, time of the last change (ns), and inode.

    The time of writing is the user's to set (``touch``, ``cp -p``, unpacking), so a file may change and keep it; the
    time of change is the system's, and no program can. As in the index of git, the device is not part of it: network
    and union file systems have another after each mount. What other changes move, such as ``chmod``, only costs that
    the file is read again, because nothing that is kept for long, no fingerprint, is made of this.
    """
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def mark_at(path: str | os.PathLike[str]) -> FileMark:
    """The same of a path; empty where there is no file."""
    try:
        return mark_of(os.stat(path))
    except (OSError, ValueError):
        return ()


def digest_marks(marked: Iterable[tuple[str, FileMark]]) -> str:
    """SHA-256 of files by path and mark."""
    lines = "\n".join(f"{path}\0{mark}" for path, mark in marked)
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def with_named_files(source: Source, named: Collection[str], cache: MemoryCache, code: str, say: Report) -> Source:
    """The same source; its digest tells of changes in files, too, that values of its columns name.

    Args:
        named: columns said to name files, whatever the endings of their values.
        cache: keeps the names, so that the source stays closed from the second time on. code: digest of what reads.
    """
    key = key_of("named files", code, source.digest, sorted(named))
    paths = cache.get_or_build(key, lambda _: ({}, _named_files(source.load(), named)), say).meta
    if not paths:
        return source
    return replace(source, digest=key_of(source.digest, digest_marks((path, mark_at(path)) for path in paths)))


def _named_files(found: Contents, named: Collection[str]) -> list[str]:
    """Absolute paths of all files that columns of a source name, but those whose changes its digest tells anyway."""
    names = [name for name, column in found.columns.items() if _names_files(column, name in named)]
    return sorted({path for name in names for path in files.files_of(found.columns[name])})


def _names_files(column: Column, said: bool) -> bool:
    if column.marked or column.fetch is not None:
        return False
    if said:
        return True
    if column.surely_no_text:
        return False
    first = next(iter(column.chunks()), column).held
    if not isinstance(first, pl.Series) or first.dtype != pl.String:
        return False
    first_values = first.drop_nulls().head(FIRST_VALUES)
    return len(first_values) > 0 and kind_of_files(first_values) is not None
