"""Files of whole series as layouts: one, or the official train and test parts of one problem."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note
from ...fields.pixels import Unreadable, read_file
from ...wording import join_words
from ..source import Contents, ReadOptions, Source, layout_first
from ..tables.readers import digest_files
from .series_file import CLASS, NUMBER, SERIES, SERIES_KIND, SPLIT, SeriesFile, columns_of_files
from .ts_file import HEAD_BYTES, is_ts, read_ts
from .ucr_file import is_ucr, read_ucr

SERIES_SUFFIX, PLAIN_SUFFIXES = ".ts", (".tsv", ".txt", ".csv")

# The part that the name of a file ends with, as in GunPoint_TRAIN.ts.
PART = re.compile(r"(?i)(.*[_-])(train|test)(\.[a-z]+)")

OTHER = {"train": "test", "test": "train"}


@layout_first
def series_file(source: Any, options: ReadOptions) -> Source | None:
    """One file of series; its other part too, where that lies beside it and the data are to be learned from."""
    if not isinstance(source, Path) or not os.path.isfile(source) or not is_series_file(source, options):
        return None
    other = other_part(source) if not options.names and not options.split.asked else None
    if other is None or not is_series_file(other, options):
        return _source_of([source], source.name, [])
    pair = sorted((source, other), key=lambda path: part_of(path) or "", reverse=True)
    note = Note("info", f"'{other.name}' lies beside it and is read as its {part_of(other)} part", source.name)
    return _source_of(pair, source.name, [note])


@layout_first
def series_files(source: Any, options: ReadOptions) -> Source | None:
    """Several files of series of one problem, such as its train and test parts."""
    several = isinstance(source, (list, tuple)) and len(source) > 0
    if not several or not all(isinstance(one, (str, os.PathLike)) for one in source):
        return None
    paths = [Path(os.path.expanduser(one)) for one in source]
    # Unlike the path's own ``is_file``, this takes a text of any length.
    if not all(os.path.isfile(path) and is_series_file(path, options) for path in paths):
        return None
    return _source_of(paths, f"{len(paths):,} files" if len(paths) > 1 else paths[0].name, [])


def is_series_file(path: Path, options: ReadOptions) -> bool:
    """Whether a file holds whole series, by its name and how it begins."""
    suffix = path.suffix.lower()
    # Of a table without names nobody knows that its lines are series, unless it is called so, or a run reads series.
    plain = suffix in PLAIN_SUFFIXES and (part_of(path) is not None or options.names == (SERIES,))
    if suffix != SERIES_SUFFIX and not plain:
        return False
    if plain and (options.header is not None or options.delimiter):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    return is_ts(head) if suffix == SERIES_SUFFIX else is_ucr(head)


def part_of(path: Path) -> str | None:
    """``"train"`` or ``"test"``, where the name of a file ends so.

    >>> part_of(Path("GunPoint_TRAIN.ts")), part_of(Path("latest.ts"))
    ('train', None)
    """
    known = PART.fullmatch(path.name)
    return known[2].lower() if known else None


def other_part(path: Path) -> Path | None:
    """The file of the other part beside one of the two; None where there is none."""
    known = PART.fullmatch(path.name)
    if known is None:
        return None
    name = OTHER[known[2].lower()]
    cased = name.upper() if known[2].isupper() else name.title() if known[2].istitle() else name
    other = path.with_name(f"{known[1]}{cased}{known[3]}")
    return other if other.is_file() else None


def _source_of(paths: Sequence[Path], name: str, notes: Sequence[Note]) -> Source:
    return Source(name, digest_files(paths), partial(_load_files, paths, name, notes))


def _read_one(path: Path) -> SeriesFile:
    try:
        content = read_file(str(path))
    except Unreadable as error:
        raise PellucidError(f"can't be read: {error}", where=path.name) from None
    return read_ts(path, path.name, content) if path.suffix.lower() == SERIES_SUFFIX else read_ucr(path.name, content)


def _load_files(paths: Sequence[Path], name: str, notes: Sequence[Note]) -> Contents:
    files = [_read_one(path) for path in paths]
    goals = {one.goal for one in files}
    if len(goals) > 1:
        what = "one of the files has classes and another has none" if "" in goals else "their targets differ"
        raise PellucidError(what, where=name, fix="give files of one problem")
    columns, places = columns_of_files(files)
    goal, parts = files[0].goal, [part_of(path) for path in paths]
    if len(files) > 1 and None not in parts and len(set(parts)) == len(parts):
        held: np.ndarray = np.repeat(parts, [len(one.rows) for one in files])  # type: ignore[arg-type]
        columns[SPLIT] = Column(SPLIT, pl.Series(SPLIT, held, pl.String), row_places=places)
    kinds = {one: SERIES_KIND for one in columns if one not in (CLASS, NUMBER, SPLIT)}
    kinds |= {goal: "category" if goal == CLASS else "number"} if goal else {}
    why = {CLASS: "the file says a class for each series", NUMBER: "the file says a number for each series"}.get(
        goal, ""
    )
    said = [note for one in files for note in one.notes]
    return Contents(
        _about(files, parts),
        columns,
        [*notes, *said],
        kinds=kinds,
        target=goal or None,
        why=why,
        places=places,
        added=(SPLIT,) if SPLIT in columns else (),
        untold="" if goal else "series without classes or numbers: there is nothing to predict",
    )


def _about(files: Sequence[SeriesFile], parts: Sequence[str | None]) -> str:
    """What the files hold, in a sentence."""
    rows = sum(len(one.rows) for one in files)
    channels = max(one.channels for one in files)
    about = f"{rows:,} series" + (f" of {channels:,} channels" if channels > 1 else "")
    told = [f"{len(one.rows):,} to {part}" for one, part in zip(files, parts, strict=True) if part]
    return f"{about}, {join_words(told)}" if len(told) == len(files) > 1 else about
