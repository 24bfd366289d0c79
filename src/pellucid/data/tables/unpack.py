"""Tables that are compressed or in an archive, unpacked into a folder that goes when they have been read."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import polars as pl

from ...errors import PellucidError
from ...fields import Note
from ...fields.notes import LEFT_OUT
from ...wording import count_noun, join_words
from .. import archives
from ..source import ReadOptions, without_compression
from ..unread import explain_suffixes
from .concat import File
from .spool import Spool
from .table import Chunk


def unpack_tables(
    path: Path, where: str, suffixes: Sequence[str], options: ReadOptions, notes: list[Note]
) -> tuple[list[File], Spool]:
    """The tables in a compressed file or in an archive, and the folder they lie in as long as it is referred to.

    Args:
        where: how messages call it. suffixes: of tables.

    Raises:
        PellucidError: when it is damaged, unpacks to too much, or holds no table.
    """
    spool = Spool(options.spool)
    if not archives.is_archive(path):
        # Under a number of our own: no name of an archive becomes a path.
        place = spool.new_path(Path(without_compression(path.name)).suffix.lower())
        with archives.open_compressed(path) as file:
            _copy_out(file, place)
        return [File(place, where)], spool
    found, others = [], []
    for member in archives.archive_members(path, notes.append):
        suffix = Path(member.name).suffix.lower()
        if suffix not in suffixes or Path(member.name).name.lower().startswith("readme"):
            others.append(member.name)
            continue
        place = spool.new_path(suffix)
        with member.open() as file:
            _copy_out(file, place)
        found.append(File(place, f"{where}, {member.name}"))
    if not found:
        known = explain_suffixes(Counter(Path(name).suffix.lower() for name in others))
        if known:
            raise PellucidError(known[0], where=where, fix=known[1])
        what = f"it holds {join_words(others, 3)}" if others else "it is empty"
        raise PellucidError(f"there is no table in the archive ({what})", where=where, fix="put a table into it")
    if others:
        text = f"{count_noun(len(others), 'other file is', 'other files are')} left out ({join_words(others, 3)})"
        notes.append(Note("info", text, where, LEFT_OUT))
    return sorted(found, key=lambda file: file.where), spool


def _copy_out(file: IO[bytes], place: Path) -> None:
    with place.open("wb") as out:
        shutil.copyfileobj(file, out, 1 << 20)


def keep_folders(pieces: Sequence[Chunk], spools: Sequence[Spool]) -> list[Chunk]:
    """The same pieces; those that are read later from unpacked files keep their folders alive."""

    def keep_folder(chunk: Chunk) -> Chunk:
        def read_frame(name: str) -> pl.Series:
            # The reference is the point: without it the folder of unpacked files would go before they are read.
            assert spools
            return chunk.read(name)

        return chunk if chunk.held else replace(chunk, read=read_frame)

    return [keep_folder(chunk) for chunk in pieces] if spools else list(pieces)
