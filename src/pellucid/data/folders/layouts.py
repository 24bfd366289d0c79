"""Folders and archives of images, and single images. n files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note
from ...fields.notes import LEFT_OUT
from ...wording import count_noun
from ..archives import is_archive
from ..cache.file_marks import mark_at, mark_of
from ..schema import asked_targets
from ..source import Contents, ReadOptions, Source, layout_first
from ..splits.spec import PARTS
from ..unread import note_others
from . import archive, metadata, texts
from .boxes import describe_boxes
from .classes import LEVEL, Classes, classes_of
from .listing import TABLES, Listing, list_files, suffix_of
from .parts import split_folders

CLASSES_FIX = "put the images of each class in a folder of their own, named after the class: photos/cat/1.jpg"

TEXTS_FIX = "put the texts of each class in a folder of their own, named after the class: reviews/good/1.txt"

IMAGE = "image"  # the column that files make where nothing names it, and its kind: all layouts here are of images


@layout_first
def image_folder(source: Any, options: ReadOptions) -> Source | None:
    """A folder with images: in folders named after their class, or named in a table beside them."""
    if not isinstance(source, Path) or not source.is_dir():
        return None
    files = list_files(source)
    if not files.paths or texts.are_texts(files):
        return None
    return Source(files.name + "/", files.digest, partial(_load_images, files, options))


@layout_first
def image_archive(source: Any, options: ReadOptions) -> Source | None:
    """An archive that holds what could also be a folder with images."""
    if not isinstance(source, Path) or not source.is_file() or not is_archive(source):
        return None
    about = source.stat()
    if not archive.look_inside(source, mark_of(about)).images or texts.are_packed_texts(source):
        return None
    # The archive as one file: its mark finds it in the cache, and nothing is unpacked to know whether it changed.
    alone = Listing(source, [""], [about.st_size], [mark_of(about)])
    pack = partial(archive.unpack_files, alone.digest, source, options.spool)
    return Source(source.name, alone.digest, lambda: _load_images(pack(), options))


def _load_images(files: Listing, options: ReadOptions) -> Contents:
    """Image, class and split of every file: from a table that names the images, or from its path alone."""
    notes = list(files.notes)
    keep = _not_empty(files, notes)
    names = (*asked_targets(options.target, ()), *options.names)
    told = classes_of(keep, files.name, names)
    if len(keep) < len(files.paths):
        _check_empty(files, keep)
    # A level was asked for, or images and no more.
    paths_tell = LEVEL.fullmatch(told.name) or len(options.names) == 1
    found = None if paths_tell else metadata.read_metadata(files, keep, told, options, notes)
    found = found or _by_folders(files, keep, told, notes)
    note_others(files.others, files.name, notes)
    if found.needs_classes and not options.names and (boxes := describe_boxes(files)):
        text = f"{boxes} beside the images; finding objects in photos can't be learned yet"
        fix = f"to classify whole photos, {CLASSES_FIX}"
        notes.append(Note("warning", text, files.name, LEFT_OUT, fix, cause=text))
    return found


def _by_folders(files: Listing, keep: list[str], told: Classes, notes: list[Note]) -> Contents:
    notes += told.notes
    series = {IMAGE: pl.Series(IMAGE, keep, pl.String), told.name: pl.Series(told.name, told.labels, pl.String)}
    if told.splits:
        series["split"] = pl.Series("split", told.splits, pl.String)
    columns = {name: files.column(name, values, partial(_image_path, keep)) for name, values in series.items()}
    where = "in" if not told.splits else f"in folders {split_folders(told.splits)}, and in them"
    about = count_noun(len(keep), "image") + (f" {where} a folder for each class" if any(told.labels) else "")
    kinds = {IMAGE: IMAGE, told.name: "category"}
    return Contents(about, columns, notes, True, kinds, told.name, told.why, needs_classes=True)


def _image_path(paths: list[str], row: int) -> str:
    return paths[row]


def _not_empty(files: Listing, notes: list[Note]) -> list[str]:
    empty = [path for path, size in zip(files.paths, files.sizes, strict=True) if not size]
    # Empty files are what an interrupted copy leaves; they would all fail one by one when they are decoded.
    notes += [Note("error", "an empty file, left out", path) for path in empty[:5]]
    if len(empty) > 5:
        notes.append(Note("error", f"{len(empty) - 5:,} more empty files are left out"))
    return [path for path, size in zip(files.paths, files.sizes, strict=True) if size]


def _check_empty(files: Listing, keep: list[str]) -> None:
    """Raises PellucidError when all images of a folder that is a part are empty: none of train stand in for them."""
    splits = classes_of(files.paths, files.name).splits
    kept = {split for path, split in zip(files.paths, splits, strict=False) if path in set(keep)} if splits else set()
    for part in (part for part in PARTS if part in splits and part not in kept):
        raise PellucidError(
            f"{part} is given, and all its {count_noun(splits.count(part), 'image')} are empty files",
            where=files.name,
            fix=f"copy them again, or remove the folder {part} to have it drawn from the other images",
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
    noun, fix = (texts.TEXT, TEXTS_FIX) if texts.TEXT in found.columns else (IMAGE, CLASSES_FIX)
    if not len(counts):
        raise PellucidError(
            f"{count_noun(len(found), noun)}, but no folders that give their classes", where=name, fix=fix
        )
    if len(counts) < least:
        only = counts[found.target][0]
        raise PellucidError(f"there is only one class, '{only}', and at least two are needed", where=name, fix=fix)


def image_files(paths: list[Path]) -> Source:
    """Single images, in the order given; for predictions. One that is missing or no image fails for itself alone."""
    names = [str(path.absolute()) for path in paths]
    found = Listing(Path("/"), names, marks=[mark_at(name) for name in names])
    shown = [str(path) for path in paths]
    series = pl.Series(IMAGE, names, pl.String)
    columns = {IMAGE: Column(IMAGE, series, None, partial(_image_path, shown), marked=True)}
    name = shown[0] if len(shown) == 1 else f"{len(shown):,} images"
    return Source(name, found.digest, lambda: Contents(count_noun(len(shown), "image"), columns, kinds={IMAGE: IMAGE}))
