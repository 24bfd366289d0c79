"""Folders and archives of photos or recordings, and single ones. n files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note, kind_named
from ...fields.notes import LEFT_OUT
from ...wording import count_noun
from ..archives import is_archive
from ..cache.file_marks import mark_at, mark_of
from ..schema import asked_targets
from ..source import Contents, ReadOptions, Source, layout_first
from ..splits.spec import PARTS
from ..unread import note_others
from . import archive, metadata, texts, transcripts
from .boxes import describe_boxes
from .classes import LEVEL, Classes, classes_of
from .listing import TABLES, Listing, list_files, suffix_of
from .parts import split_folders
from .patterns import NamedParts, named_columns, propose_pattern, read_names

TEXTS_FIX = "put the texts of each class in a folder of their own, named after the class: reviews/good/1.txt"


@layout_first
def media_folder(source: Any, options: ReadOptions) -> Source | None:
    """A folder with photos or recordings: in folders named after their class, or named in a table beside them."""
    if not isinstance(source, Path) or not source.is_dir():
        return None
    files = list_files(source)
    if not files.paths or texts.are_texts(files):
        return None
    return Source(files.name + "/", files.digest, partial(_load_media, files, options))


@layout_first
def media_archive(source: Any, options: ReadOptions) -> Source | None:
    """An archive that holds what could also be a folder with photos or recordings."""
    if not isinstance(source, Path) or not source.is_file() or not is_archive(source):
        return None
    about = source.stat()
    if not archive.look_inside(source, mark_of(about)).media or texts.are_packed_texts(source):
        return None
    # The archive as one file: its mark finds it in the cache, and nothing is unpacked to know whether it changed.
    alone = Listing(source, [""], [about.st_size], [mark_of(about)])
    pack = partial(archive.unpack_files, alone.digest, source, options.spool)
    return Source(source.name, alone.digest, lambda: _load_media(pack(), options))


def _load_media(files: Listing, options: ReadOptions) -> Contents:
    """File, class and split of each: from a table that names the files, from their names, or from folders alone."""
    notes, kind = list(files.notes), kind_named(files.kind)
    keep = _not_empty(files, notes)
    names = (*asked_targets(options.target, ()), *options.names)
    told = classes_of(keep, files.name, names, kind.file_noun)
    beside = transcripts.find_beside(files)
    # What is said is no table, whatever it looks like.
    files = replace(files, tables={path: one for path, one in files.tables.items() if path not in beside.texts})
    if len(keep) < len(files.paths):
        _check_empty(files, keep)
    parts = read_names(keep, options, files.name, kind.file_noun)
    # A level was asked for, or files and no more.
    paths_tell = parts or LEVEL.fullmatch(told.name) or len(options.names) == 1
    found = None if paths_tell else metadata.read_metadata(files, keep, told, options, notes)
    if beside.files and transcripts.are_wanted(found, told, options):
        found = _with_transcripts(files, keep, beside, options, notes)
    found = found or _by_paths(files, keep, told, parts, notes)
    transcripts.note_unread(found, beside, files.name, notes)
    note_others(files.others, files.name, notes)
    if found.needs_classes and not options.names and kind.pictures and (boxes := describe_boxes(files)):
        text = f"{boxes} beside the images; finding objects in photos can't be learned yet"
        fix = f"to classify whole photos, {kind.classes_fix}"
        notes.append(Note("warning", text, files.name, LEFT_OUT, fix, cause=text))
    return found


def _by_paths(files: Listing, keep: list[str], told: Classes, parts: NamedParts | None, notes: list[Note]) -> Contents:
    """What folders say of files or, where there is a pattern, their names; folders may still say the parts."""
    notes += parts.notes if parts else told.notes
    place, noun = partial(_file_path, keep), kind_named(files.kind).file_noun
    series = {files.kind: pl.Series(files.kind, keep, pl.String)}
    if parts is None:
        series[told.name] = pl.Series(told.name, told.labels, pl.String)
    if told.splits:
        series["split"] = pl.Series("split", told.splits, pl.String)
    columns = {name: files.column(name, values, place) for name, values in series.items()}
    where = "in" if not told.splits else f"in folders {split_folders(told.splits)}, and in them"
    about = count_noun(len(keep), noun)
    kinds = {files.kind: files.kind}
    if parts is not None:
        columns |= named_columns(files, parts, place)
        about += f", with {count_noun(len(parts.columns), 'column')} from their names"
        about += f", in folders {split_folders(told.splits)}" if told.splits else ""
        kinds[parts.target] = "category"
        made = Contents(about, columns, notes, True, kinds, parts.target, parts.why, needs_classes=True)
        return replace(made, beside=parts.beside, pattern=parts.pattern)
    about += f" {where} a folder for each class" if any(told.labels) else ""
    kinds[told.name] = "category"
    return Contents(about, columns, notes, True, kinds, told.name, told.why, needs_classes=True)


def _with_transcripts(
    files: Listing, paths: list[str], beside: transcripts.Beside, options: ReadOptions, notes: list[Note]
) -> Contents:
    """Recordings with the texts that lie beside them; what folders and names tell is there to split by."""
    said = transcripts.read_beside(files, paths, beside, notes)
    keep, texts = [path for path in paths if path in said], list(said.values())
    files.others -= Counter(suffix_of(path) for path in beside.texts)
    told, noun = classes_of(keep, files.name, (), kind_named(files.kind).file_noun), transcripts.TRANSCRIPT
    found = _by_paths(files, keep, told, read_names(keep, options, files.name, noun), [])
    columns = dict(found.columns)
    if not any(told.labels) and told.name in columns:
        del columns[told.name]
    others = frozenset(columns) - {files.kind, "split"}
    columns[noun] = files.column(noun, pl.Series(noun, texts, pl.String), partial(_file_path, keep))
    kinds = {name: kind for name, kind in found.kinds.items() if name in columns} | {noun: "text"}
    made = replace(found, columns=columns, notes=notes, kinds=kinds, beside=others, needs_classes=False)
    about = f"{count_noun(len(keep), kind_named(files.kind).file_noun)}, each with the text of what is said beside it"
    return replace(made, layout=about, target=noun, why="texts lie beside the recordings")


def _file_path(paths: list[str], row: int) -> str:
    return paths[row]


def _not_empty(files: Listing, notes: list[Note]) -> list[str]:
    empty = [path for path, size in zip(files.paths, files.sizes, strict=True) if not size]
    # Empty files are what an interrupted copy leaves; they would all fail one by one when they are decoded.
    notes += [Note("error", "an empty file, left out", path) for path in empty[:5]]
    if len(empty) > 5:
        notes.append(Note("error", f"{len(empty) - 5:,} more empty files are left out"))
    return [path for path, size in zip(files.paths, files.sizes, strict=True) if size]


def _check_empty(files: Listing, keep: list[str]) -> None:
    """Raises PellucidError when all files of a folder that is a part are empty: none of train stand in for them."""
    splits = classes_of(files.paths, files.name).splits
    kept = {split for path, split in zip(files.paths, splits, strict=False) if path in set(keep)} if splits else set()
    noun = kind_named(files.kind).file_noun
    for part in (part for part in PARTS if part in splits and part not in kept):
        raise PellucidError(
            f"{part} is given, and all its {count_noun(splits.count(part), noun)} are empty files",
            where=files.name,
            fix=f"copy them again, or remove the folder {part} to have it drawn from the other {noun}s",
        )


def need_classes(found: Contents, name: str, least: int = 2) -> None:
    """Raises PellucidError when folders are to tell the classes and tell fewer than ``least``."""
    if not isinstance(found.target, str) or not found.needs_classes:
        return
    # What would have told the classes, or says what was meant instead: a table, boxes.
    about = (note for note in found.notes if note.cause)
    broken = next((note for note in about if suffix_of(note.where) in TABLES or note.where == name.rstrip("/")), None)
    counts = found.columns[found.target].series().drop_nulls().value_counts(name="count")  # type: ignore[union-attr]
    # The table that could not be read would have told the classes: missing folders are not what is wrong.
    if broken and len(counts) < least:
        inside = broken.where if suffix_of(broken.where) in TABLES else ""
        raise PellucidError(broken.cause, where=f"{name}{inside}", fix=broken.fix or "fix the table")
    noun, fix = _noun_and_fix(found)
    if not len(counts):
        lack = (
            f"none of which is named like '{found.pattern}'"
            if found.pattern
            else "but no folders that give their classes"
        )
        what = f"{count_noun(len(found), noun)}, {lack}"
        raise PellucidError(what, where=name, fix=_named_fix(found) or fix)
    if len(counts) < least:
        only = counts[found.target][0]
        # Names that tell one class are no folders' fault.
        fix = fix if not found.pattern else "see that the pattern has the class where the names have it"
        raise PellucidError(f"there is only one class, '{only}', and at least two are needed", where=name, fix=fix)


def _noun_and_fix(found: Contents) -> tuple[str, str]:
    """What one file is called, and how folders tell the classes of such."""
    media = [kind_named(kind) for name, kind in found.kinds.items() if name in found.columns]
    one = next((kind for kind in media if kind.suffixes), None)
    return (one.file_noun, one.classes_fix) if one else (texts.TEXT, TEXTS_FIX)


def _named_fix(found: Contents) -> str:
    """How names would tell the classes, where they all look alike or a pattern says it."""
    first = next(iter(found.columns.values()))
    pattern, example = propose_pattern(first.place(row) for row in range(len(found)))
    if found.pattern:
        return "name them as those that the run has learned from"
    if not pattern:
        return ""
    return f"if names such as {example} tell them: --label-from '{pattern}', with the braces around what is the class"


def media_files(paths: list[Path], kind: str) -> Source:
    """Single photos or recordings, in the order given; for predictions. One that is missing fails for itself alone."""
    names = [str(path.absolute()) for path in paths]
    found = Listing(Path("/"), names, marks=[mark_at(name) for name in names])
    shown = [str(path) for path in paths]
    series = pl.Series(kind, names, pl.String)
    columns = {kind: Column(kind, series, None, partial(_file_path, shown), marked=True)}
    noun = kind_named(kind).file_noun
    name = shown[0] if len(shown) == 1 else f"{len(shown):,} {noun}s"
    return Source(name, found.digest, lambda: Contents(count_noun(len(shown), noun), columns, kinds={kind: kind}))
