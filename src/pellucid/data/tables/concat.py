"""Several files as one table: a folder of tables, a list of paths, a pattern such as ``data/*.csv``, an archive."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import polars as pl

from ...errors import PellucidError
from ...fields import Note, kind_of_files
from ...fields.column import thin_series
from ...fields.files import NEAR
from ...fields.notes import LEFT_OUT
from ...wording import join_words
from ..schema import SPLIT_NAMES, asked_targets
from ..source import ReadOptions
from ..splits.spec import PARTS, SPLIT_WORDS
from .spool import Spool
from .table import Chunk, Table, add_constant, join_types, rename_columns, stack_places

# Bytes of files whose rows stay in memory together; those of larger ones go to the disk while they are joined.
HELD = 1 << 26

# Rows of files that are compared for times that repeat, and how many a series has at least.
MOST_TIMES, FEWEST_TIMES = 5_000_000, 3

Read = Callable[[Path, str, ReadOptions], Table]


@dataclass(frozen=True)
class File:
    """One of several files: where it is, how messages call it, and the part of the data it holds, if it tells one.

    ``near`` is the folder that paths in it start from; None for a file of an archive.
    """

    path: Path
    where: str
    part: str | None = None
    near: Path | None = None


@dataclass(frozen=True)
class _FileTable:
    """What one file holds; ``names`` says how the columns of the whole are called in it."""

    file: File
    table: Table
    names: Mapping[str, str]


def told_apart(paths: Sequence[Path]) -> list[str]:
    """How messages call files: by name, after as many of its folders as tell it from the others.

    >>> told_apart([Path("data/may/sales.csv"), Path("data/june/sales.csv"), Path("data/june/prices.csv")])
    ['may/sales.csv', 'june/sales.csv', 'prices.csv']
    """
    longest = max(len(path.parts) for path in paths)
    tails = [Counter(path.parts[-n:] for path in paths) for n in range(1, longest + 1)]
    alone = [next((n for n, of in enumerate(tails, 1) if of[path.parts[-n:]] == 1), longest) for path in paths]
    return [Path(*path.parts[-n:]).as_posix() for n, path in zip(alone, paths, strict=True)]


def concat_files(files: Sequence[File], options: ReadOptions, read: Read) -> Table:
    """One table of several files with the same columns, which are found by name.

    Files called train, validation and test (or so) say which part their rows belong to. A test file without the target,
    as competitions have it, is left out, and that is said.

    Raises:
        PellucidError: for a file with other columns; it says what differs.
    """
    notes: list[Note] = []
    # New data for a run has no parts.
    files = list(files) if options.names else _in_parts(files, notes)
    first, *rest = files
    leader = read(first.path, first.where, options)
    # The first file decides about the header: a later one whose values look like names would vote otherwise.
    as_first = replace(options, names=tuple(leader.names)) if leader.named else replace(options, header=False)
    found = [_FileTable(first, leader, {name: name for name in leader.names})]
    for file in rest:
        table = read(file.path, file.where, as_first)
        lost = [name for name in leader.names if name not in table.names]
        if _for_competition(lost, table, leader, file, options):
            what = f"has no column {_quote_names(lost)} to score with and is left out; a finished run can predict it"
            notes.append(Note("info", what, file.where, LEFT_OUT))
            if len(lost) == 1:
                # What the test file lacks is what the competition asks for.
                leader = replace(leader, goal=lost[0], why=f"{file.where} has every other column")
        else:
            found.append(_FileTable(file, table, _match_names(leader, first, table, file, notes)))
    found[0] = replace(found[0], table=leader)
    return _stack_tables(_same_types(found), notes, options)


def _in_parts(files: Sequence[File], notes: list[Note]) -> list[File]:
    """The files with their parts, train first; all of them without where their names tell no parts."""
    parts = parts_of([file.where for file in files])
    if not any(parts):
        return list(files)
    notes += [
        Note("info", "is neither train nor validation nor test and is left out", file.where, LEFT_OUT)
        for file, part in zip(files, parts, strict=True)
        if part is None
    ]
    own = [replace(file, part=part) for file, part in zip(files, parts, strict=True) if part]
    return sorted(own, key=lambda file: PARTS.index(str(file.part)))


def parts_of(names: Sequence[str]) -> list[str | None]:
    """The part that each file's name tells, where some are called train and others otherwise; else None for all.

    >>> parts_of(["train.csv", "wine-test.csv", "notes.csv"]), parts_of(["train_1.csv", "train_2.csv"])
    (['train', 'test', None], [None, None])
    """
    found: list[str | None] = []
    for name in names:
        words = [word for word in re.split(r"[\W_\d]+", Path(name).name.lower().split(".")[0]) if word]
        told = [SPLIT_WORDS[word] for word in (*words[:1], *words[-1:]) if word in SPLIT_WORDS]
        found.append(told[0] if told else None)
    several = PARTS[0] in found and len({part for part in found if part}) > 1
    return found if several else [None] * len(names)


def _for_competition(lost: Sequence[str], table: Table, leader: Table, file: File, options: ReadOptions) -> bool:
    """Whether a file is a test set whose target is kept secret."""
    goals = asked_targets(options.target, leader.names) or tuple(lost)
    extra = set(table.names) - set(leader.names)
    return file.part == "test" and table.named and not extra and bool(lost) and set(lost) == set(goals)


def _match_names(leader: Table, first: File, table: Table, file: File, notes: list[Note]) -> dict[str, str]:
    """How the leader's columns are called in ``table``."""
    if not table.named and len(table.names) == len(leader.names):
        if leader.named:
            text = f"has no header; its columns are taken in the order of {first.where}"
            notes.append(Note("info", text, file.where))
        return dict(zip(leader.names, table.names, strict=True))
    lost = [name for name in leader.names if name not in table.names]
    more = [name for name in table.names if name not in leader.names]
    if lost or more:
        raise _other_columns(lost, more, first, file)
    return {name: name for name in leader.names}


def _other_columns(lost: Sequence[str], more: Sequence[str], first: File, file: File) -> PellucidError:
    lacks = f"lacks {_quote_names(lost)}" if lost else ""
    has = f"has {_quote_names(more)} too" if more else ""
    what = f"its columns are not those of {first.where}: it {' and '.join(part for part in (lacks, has) if part)}"
    return PellucidError(
        what, where=file.where, fix="name the files that belong together, or give them the same columns"
    )


def _quote_names(names: Sequence[str]) -> str:
    return join_words(f"'{name}'" for name in names)


def _same_types(found: list[_FileTable]) -> list[_FileTable]:
    """The files read once more as text, as far as other files show that a column is text."""
    types = [own.table.column_types() for own in found]
    kinds = {
        name: reduce(join_types, (own[one.names[name]] for one, own in zip(found, types, strict=True)))
        for name in found[0].names
    }
    out = []
    for own in found:
        odd = own.table.changed_columns({own.names[name]: kind for name, kind in kinds.items()})
        out.append(replace(own, table=own.table.text(odd)) if odd and own.table.text else own)
    return out


def _stack_tables(found: Sequence[_FileTable], notes: list[Note], options: ReadOptions) -> Table:
    leader = found[0].table
    names, parted = list(found[0].names), len({own.file.part for own in found}) > 1
    # A table may have columns of all these names.
    free = (*SPLIT_NAMES, *(f"{SPLIT_NAMES[0]}_{i}" for i in range(2, len(names) + 3)))
    split = next(name for name in free if name not in names) if parted else ""
    spool = Spool(options.spool) if sum(own.file.path.stat().st_size for own in found) > HELD else None
    pieces = []
    apart = len({own.file.near for own in found}) > 1
    for own in found:
        for chunk in own.table.pieces:
            chunk = rename_columns(chunk, own.names)
            chunk = _from_folder(own.file.near, chunk) if apart and own.file.near else chunk
            chunk = add_constant(chunk, split, own.file.part) if split else chunk
            pieces.append(_on_disk(chunk, spool) if spool and chunk.held else chunk)
    notes += [note for own in found for note in own.table.notes]
    if len(found) > 1 and not parted and not options.names and (name := _repeated_times(found)):
        text = f"the times of '{name}' come again from file to file, as in several series under one another; which file"
        text += " a row is from is in no column"
        fix = "if the files are of different things, add a column that names it, or read one of them"
        notes.append(Note("warning", text, join_words((own.file.where for own in found), 3), fix=fix))
    shown = join_words((own.file.where for own in found), 3)
    about = f"{len(found):,} files, {shown}: {leader.about}" if len(found) > 1 else leader.about
    added = (split,) if split else ()
    places = stack_places([own.table.places for own in found], [len(own.table) for own in found])
    made = Table(about, [*names, *added], pieces, places, notes, leader.named, leader.goal, leader.why)
    return replace(made, added=added, kinds=leader.kinds, untold=leader.untold, decimal=leader.decimal)


def _repeated_times(found: Sequence[_FileTable]) -> str:
    """The column of times that are all different in a file and mostly the same in another; empty where none is."""
    for name, kind in found[0].table.column_types().items():
        if not kind.is_temporal() or sum(len(own.table) for own in found) > MOST_TIMES:
            continue
        before: set[Any] = set()
        for own in found:
            # Of text, which dates still are here.
            values = pl.concat([chunk.read(own.names[name]).cast(pl.String) for chunk in own.table.pieces]).drop_nulls()
            times = set(values.to_list())
            if len(times) < len(values) or len(times) < FEWEST_TIMES:
                break
            if len(before & times) > len(times) / 2:
                return name
            before |= times
    return ""


def _from_folder(folder: Path, chunk: Chunk) -> Chunk:
    """The same chunk with names of files, such as photos, that start from the folder its own file lies in."""

    def read_frame(name: str) -> pl.Series:
        series = chunk.read(name)
        some = thin_series(series).drop_nulls() if series.dtype == pl.String else series.head(0)
        paths = some.head(NEAR) if len(some) and kind_of_files(some) else ()
        if not any(os.path.exists(folder / one.strip()) for one in paths):
            return series
        # These start elsewhere already: absolute, with a drive, or a URL.
        apart = series.str.contains(r"^\s*(/|\w:[\\/]|\w+://)")
        return (
            pl.select(pl.when(apart).then(series).otherwise(f"{folder}/" + series.str.strip_chars()))
            .to_series()
            .alias(name)
        )

    return replace(chunk, read=read_frame)


def _on_disk(chunk: Chunk, spool: Spool) -> Chunk:
    return spool.keep_frame(pl.DataFrame([chunk.read(name).alias(name) for name in chunk.schema]), chunk.schema)
