"""Tables that are compressed or in an archive, unpacked into a folder that goes when they have been read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import polars as pl

from ..errors import PellucidError
from ..fields import Note
from . import archives
from .pieces import Piece, Spool
from .several import File
from .sources import Options, bare, counted, listed


def unpacked(
    path: Path, where: str, suffixes: Sequence[str], options: Options, notes: list[Note]
) -> tuple[list[File], Spool]:
    """The tables in a compressed file or in an archive, and the folder they lie in as long as it is referred to.

    Args:
        where: how messages call it. suffixes: of tables.

    Raises:
        PellucidError: when it is damaged, unpacks to too much, or holds no table.
    """
    spool = Spool(options.spool)
    if not archives.is_archive(path):
        place = spool.path(Path(bare(path.name)).suffix.lower())
        with archives.unpacked(path) as file:
            _copied(file, place)
        return [File(place, where)], spool
    found, others = [], []
    for member in archives.members(path, notes.append):
        suffix = Path(member.name).suffix.lower()
        if suffix not in suffixes or Path(member.name).name.lower().startswith("readme"):
            others.append(member.name)
            continue
        place = spool.path(suffix)
        with member.open() as file:
            _copied(file, place)
        found.append(File(place, f"{where}, {member.name}"))
    if not found:
        what = f"it holds {listed(others, 3)}" if others else "it is empty"
        raise PellucidError(f"there is no table in the archive ({what})", where=where, fix="put a table into it")
    if others:
        text = f"{counted(len(others), 'other file is', 'other files are')} left out ({listed(others, 3)})"
        notes.append(Note("info", text, where))
    return sorted(found, key=lambda file: file.where), spool


def _copied(file: IO[bytes], place: Path) -> None:
    with place.open("wb") as out:
        shutil.copyfileobj(file, out, 1 << 20)


def held_with(pieces: Sequence[Piece], spools: Sequence[Spool]) -> list[Piece]:
    """The same pieces; those that are read later from unpacked files keep their folders alive."""

    def holding(piece: Piece) -> Piece:
        def read(name: str) -> pl.Series:
            assert spools
            return piece.read(name)

        return piece if piece.held else replace(piece, read=read)

    return [holding(piece) for piece in pieces] if spools else list(pieces)
