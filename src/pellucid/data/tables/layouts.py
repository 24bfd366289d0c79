"""Tables as layouts: one file, a folder of files, a list of files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from ...errors import PellucidError
from ...fields import Note
from ..archives import is_archive
from ..source import Contents, ReadOptions, Source, layout, without_compression
from .concat import File, concat_files, told_apart
from .readers import READERS, contents_of, digest_files, is_table_file, read_table
from .spool import Spool
from .unpack import keep_folders, unpack_tables

# Such files in a folder are more often something else.
LOOSE = (".txt", ".data", ".json")


@layout
def table_file(source: Any, options: ReadOptions) -> Source | None:
    """One file: ``.csv .tsv .txt .data .psv .tab``, ``.parquet``, ``.arrow .feather .ipc``, ``.jsonl .ndjson .json``,
    ``.xlsx .xls .ods``; compressed or not, or in an archive, which may hold several."""
    if not isinstance(source, Path) or not source.is_file():
        return None
    if not is_archive(source) and not is_table_file(source):
        return None
    return Source(source.name, digest_files([source]), partial(_load_tables, [source], source.name, options))


@layout
def table_folder(source: Any, options: ReadOptions) -> Source | None:
    """A folder that holds tables with the same columns."""
    if not isinstance(source, Path) or not source.is_dir():
        return None
    inside = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    found = [
        path
        for path in inside
        if is_table_file(path) and Path(without_compression(path.name)).suffix.lower() not in LOOSE
    ]
    name = source.resolve().name + "/"
    return Source(name, digest_files(found), partial(_load_tables, found, name, options)) if found else None


@layout
def table_files(source: Any, options: ReadOptions) -> Source | None:
    """A list of paths of tables with the same columns."""
    if not isinstance(source, (list, tuple)) or not source or not all(isinstance(s, (str, PathLike)) for s in source):
        return None
    paths = [Path(os.path.expanduser(one)) for one in source]
    if not all(is_table_file(path) or is_archive(path) for path in paths):
        return None
    for path in paths:
        if not os.path.isfile(path):
            raise PellucidError("there is no such file", where=str(path))
    folders = {path.resolve().parent for path in paths}
    name = f"{folders.pop().name}/" if len(folders) == 1 else f"{len(paths):,} files"
    return Source(name, digest_files(paths), partial(_load_tables, paths, name, options))


def _load_tables(paths: Sequence[Path], name: str, options: ReadOptions) -> Contents:
    notes: list[Note] = []
    files: list[File] = []
    spools: list[Spool] = []
    # Spools are held until the table refers to them: their folders go with the last reference.
    for path, where in zip(paths, told_apart(paths), strict=True):
        if path.suffix.lower() in READERS:
            files.append(File(path, where, near=path.resolve().parent))
        else:
            own, spool = unpack_tables(path, where, tuple(READERS), options, notes)
            files += own
            spools.append(spool)
    table = (
        concat_files(files, options, read_table)
        if len(files) > 1
        else read_table(files[0].path, files[0].where, options)
    )
    return contents_of(replace(table, pieces=keep_folders(table.pieces, spools), notes=[*notes, *table.notes]), name)
