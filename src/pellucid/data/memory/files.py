"""Open files, and buffers that act like one: what is left of them, written to a file that can be read again."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import PellucidError
from ..documents.names import language_of
from ..source import Contents, ReadOptions, Source
from ..tables.readers import READERS, contents_of, read_table
from ..tables.spool import Spool

# Bytes, or characters, that are taken at a time.
PIECE_BYTES = 1 << 20

# How a file begins that is no delimited text: what it would have to be called.
BEGINNINGS = {
    b"PAR1": ".parquet",
    b"ARROW1": ".arrow",
    b"\x1f\x8b": ".csv.gz",
    b"BZh": ".csv.bz2",
    b"\xfd7zXZ": ".csv.xz",
    b"\x28\xb5\x2f\xfd": ".csv.zst",
    b"\xd0\xcf\x11\xe0": ".xls",
    b"{": ".jsonl",
    b"[": ".jsonl",
}


@dataclass(frozen=True)
class FileCopy:
    """What an open file held, from where it stood.

    Attributes:
        name: how messages call it. path: where its content lies. digest: SHA-256 of it. spool: keeps that file.
    """

    name: str
    path: Path
    digest: str
    spool: Spool = field(repr=False)


def is_open_file(source: Any) -> bool:
    """Whether data is a file object: it is known by what it can do."""
    return callable(getattr(source, "read", None)) and not hasattr(source, "columns")


def copy_file(source: Any, cache: Path | None) -> FileCopy:
    """The rest of an open file, from where it stands. ``cache``: the folder it is written near.

    Raises:
        PellucidError: for one that is closed, only written to, or text where the file is none.
    """
    given = getattr(source, "name", None)
    name = os.path.basename(given) if isinstance(given, str) and given else "data in memory"
    spool, digest, first = Spool(cache), hashlib.sha256(), b""
    path = spool.new_path(".csv")
    with path.open("wb") as out:
        while piece := _read_piece(source, name):
            first = first or piece
            digest.update(piece)
            out.write(piece)
    if not first:
        raise PellucidError("nothing is left to read in it", where=name, fix="pass it from its beginning: seek(0)")
    suffix = _suffix_of(name, first, path)
    return FileCopy(name, path.rename(path.with_name(f"1{suffix}")), digest.hexdigest() + suffix, spool)


def _read_piece(source: Any, name: str) -> bytes:
    try:
        piece = source.read(PIECE_BYTES)
    except UnicodeDecodeError:
        raise PellucidError("it was opened as text, but is binary", where=name, fix="open it with mode 'rb'") from None
    except (ValueError, OSError, io.UnsupportedOperation) as error:
        fix = "open it for reading, or pass its path"
        raise PellucidError(f"it can't be read ({error})", where=name, fix=fix) from None
    if not isinstance(piece, str | bytes | bytearray):
        raise PellucidError(f"reading it gives {type(piece).__name__}, neither text nor bytes", where=name)
    return piece.encode("utf-8", "replace") if isinstance(piece, str) else bytes(piece)


def _suffix_of(name: str, first: bytes, path: Path) -> str:
    """How the copy has to be called to be read: as the file is, where that tells, else by how it begins."""
    lower = name.lower()
    told = "".join(Path(lower).suffixes[-2:])
    for suffix in (told, Path(lower).suffix):
        if (
            suffix in READERS
            or (suffix and language_of(f"a{suffix}"))
            or suffix in (".zip", ".tar")
            or suffix.endswith((".gz", ".xz", ".bz2", ".zst", ".tgz"))
        ):
            return suffix
    if first.startswith(b"PK"):
        return _suffix_of_zip(path)
    start = first.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((suffix for begins, suffix in BEGINNINGS.items() if start.startswith(begins)), ".csv")


def _suffix_of_zip(path: Path) -> str:
    """Spreadsheets are ZIP archives too."""
    try:
        with zipfile.ZipFile(path) as packed:
            names = set(packed.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return ".zip"
    return ".xlsx" if "xl/workbook.xml" in names else ".ods" if {"mimetype", "content.xml"} <= names else ".zip"


def source_of_copy(copy: FileCopy, found: Source | None, options: ReadOptions) -> Source:
    """A copy as a source: called as the file was, and known by its content.

    Args:
        found: what the layouts make of its path; None where it is a table.
    """
    if found is None:
        return Source(copy.name, copy.digest, partial(_load_table, copy, options))
    return replace(found, name=copy.name, digest=copy.digest, load=partial(_load_kept, copy, found))


def _load_table(copy: FileCopy, options: ReadOptions) -> Contents:
    return contents_of(read_table(copy.path, copy.name, options), copy.name)


def _load_kept(copy: FileCopy, found: Source) -> Contents:
    # The reference is the point: without it the copy would go before it is read.
    assert copy.spool
    return found.load()
