"""Columns whose cells name files: photos, recordings. Where the files are, and their bytes."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from .column import Column

# Of one file, which is read into memory whole.
MOST_BYTES = 512 << 20

WEB = ("http://", "https://", "ftp://", "s3://", "gs://")

# Paths that tell which folder all of them start from.
NEAR = 20

# So much of a column's values must end as files of the kind do.
ENOUGH_NAMES_SHARE = 0.8

# Gives the content of a file by its path.
Fetch = Callable[[str], bytes]


class Unreadable(Exception):
    """Why one file could not be read, in words that go after its path."""


def core_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# -- one file


@contextmanager
def opened_file(path: str) -> Iterator[int]:
    """The handle of an ordinary file, closed in the end. Raises Unreadable."""
    if not path:
        raise Unreadable("there is no path")
    if path.lower().startswith(WEB):
        raise Unreadable("is on the web, and nothing is downloaded")
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise Unreadable("does not exist") from None
    except OSError as error:
        raise Unreadable(f"can't be opened ({error.strerror})") from None
    # A zero byte in the path.
    except ValueError:
        raise Unreadable("is not a path") from None
    try:
        # A pipe or a device might never end; it was opened without waiting for the same reason.
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Unreadable("is not a file")
        yield handle
    except OSError as error:
        raise Unreadable(f"can't be read ({error.strerror})") from None
    finally:
        os.close(handle)


def read_file(path: str) -> bytes:
    """The bytes of an ordinary file. Raises Unreadable."""
    with opened_file(path) as handle:
        if (size := os.fstat(handle).st_size) > MOST_BYTES:
            raise Unreadable(f"has {size / 1e6:,.0f} MB, more than the {MOST_BYTES >> 20} MB allowed")
        with open(handle, "rb", buffering=0, closefd=False) as file:
            return file.read()


def looks_like(data: bytes) -> str:
    """What bytes are that are no file of the kind, by how they begin."""
    head = data[:256].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "it is a web page"
    if head.startswith((b"<svg", b"<?xml")):
        return "it is an SVG or XML file"
    return f"it starts with {data[:8]!r}"


def explain_damage(error: Any) -> str:
    """What a library says of a file that it can't read, in one line."""
    return str(error).split("\n")[0][:120] or type(error).__name__


# -- a column of them


def name_files(paths: Sequence[str] | pl.Series, suffixes: Sequence[str]) -> bool:
    """Whether these look like names of files that end so."""
    series = paths if isinstance(paths, pl.Series) else pl.Series(paths, dtype=pl.String)
    share = series.str.to_lowercase().str.contains(rf"\.({'|'.join(suffixes)})$").mean()
    return share is not None and float(share) >= ENOUGH_NAMES_SHARE  # type: ignore[arg-type]


def plain_path(value: str) -> str:
    """A path, or a ``file://`` URL as a path; other URLs as they are.

    >>> plain_path("file:///photos/a%20cat.jpg"), plain_path(" cat.jpg ")
    ('/photos/a cat.jpg', 'cat.jpg')
    """
    value = value.strip()
    if value[:7].lower() != "file://":
        return value
    path = value[7:].removeprefix("localhost").encode()
    return re.sub(rb"%([0-9a-fA-F]{2})", lambda code: bytes([int(code[1], 16)]), path).decode(errors="replace")


def file_paths(column: Column, series: pl.Series) -> list[str]:
    """Where each file is; an empty string where there is none.

    Paths start from the column's folder; where none of the first is there, from the folder the user is in.
    """
    values = [value or "" for value in series.to_list()]
    if column.fetch is not None:
        return values
    base, values = str(column.base) if column.base else "", list(map(plain_path, values))
    near = [value for value in values[:NEAR] if value]
    # ``lexists``: a link to nowhere is there and broken, and the message must say so.
    if not any(os.path.lexists(os.path.join(base, path)) for path in near) and any(map(os.path.exists, near)):
        base = ""
    return [value if not value or value.lower().startswith(WEB) else os.path.join(base, value) for value in values]


def column_files(column: Column, noun: str) -> tuple[list[str], Fetch | None]:
    """Where each file is (an empty string where there is none) and, when they are not on the disk, how to read them.

    A column of files' contents has their rows in place of paths.

    Args:
        noun: what one file is called.
    """
    if isinstance(column.values, pl.Series) and column.values.dtype == pl.Binary:
        contents = column.values
        rows = [str(row) if there else "" for row, there in enumerate(contents.is_not_null())]
        return rows, partial(_row_content, contents, noun)
    return file_paths(column, column.as_type(pl.String)), column.fetch


def files_of(column: Column) -> list[str]:
    """Absolute paths of the files on this disk that the values of a column name."""
    if isinstance(column.values, np.ndarray) and column.values.ndim > 1:
        return []
    paths, fetch = column_files(column, "file")
    here = (path for path in paths if path and not path.lower().startswith(WEB))
    return [] if fetch is not None else [os.path.abspath(path) for path in here]


def _row_content(contents: pl.Series, noun: str, row: str) -> bytes:
    if not row:
        raise Unreadable(f"there is no {noun}")
    return contents[int(row)]


def explain_none(paths: list[str], fetch: Fetch | None) -> str:
    """Why none of these can be read."""
    if all(path.lower().startswith(WEB) for path in paths):
        return "are on the web: nothing is downloaded, so fetch them and name the files"
    if fetch is not None or any(map(os.path.exists, paths)):
        return "can't be read"
    return f"do not exist (the first: {paths[0]})"


def row_naming(column: Column, paths: Sequence[str]) -> tuple[Callable[[int], str], Callable[[int, str], str]]:
    """How messages name a row's file, and what they say of it: by its path, or by its cell where that is in a table."""
    base = str(column.base or "") if column.fetch is not None else ""
    # Contents, not paths.
    if isinstance(column.values, pl.Series) and column.values.dtype == pl.Binary:
        return column.place, lambda row, why: why
    values = column.as_type(pl.String)

    def in_table(row: int) -> bool:
        named = column.places is None or os.path.basename(column.place(row)) == os.path.basename(paths[row])
        return not paths[row] or not named

    def place(row: int) -> str:
        return column.place(row) if in_table(row) else os.path.join(base, paths[row])

    return place, lambda row, why: f"'{values[row]}' {why}" if paths[row] and in_table(row) else why
