"""Which layout knows a source, and what was probably meant where none does."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from ..errors import PellucidError, UsageError, shell_quote
from ..fields import kind_named
from ..fields.files import plain_path
from ..wording import abbreviate_text, count_noun, join_words
from .documents.layouts import document_of_copy
from .folders import layouts, texts
from .folders.listing import MEDIA, TEXTS, list_files, suffix_of
from .memory.files import FileCopy, source_of_copy
from .source import LAYOUTS, Contents, ReadOptions, Source
from .tables import readers
from .tables.signatures import SAMPLE_BYTES, meaning_of
from .unread import UNREAD_ARCHIVES, UNREAD_SHEETS, explain_suffixes

# The kind of files that an empty folder is most often meant for.
OFTEN = "image"

# With one slash of two where it came as a ``Path``.
WEB_ADDRESS = re.compile(r"(https?|ftps?|sftp|s3|gs|gcs|az|abfss?|hf|hdfs|kaggle|git|ssh):/", re.IGNORECASE)


def recognise_source(source: Any, options: ReadOptions) -> Source:
    """The first layout that knows the source. Raises PellucidError that says what could be there instead."""
    if isinstance(source, (str, os.PathLike)):
        # ``Path`` would take it for the folder one is in.
        if not str(source):
            raise UsageError("the name of the data is empty", fix="name a file or a folder; '.' is this one")
        if WEB_ADDRESS.match(str(source)) and not os.path.exists(source):
            what = "it is a web address, and nothing is downloaded"
            fix = "download it first, and give the file"
            raise PellucidError(what, where=abbreviate_text(str(source), 200), fix=fix)
        source = Path(os.path.expanduser(plain_path(str(source)) if str(source).startswith("file://") else source))
        # Unlike the path's own ``exists``, this takes a text of any length.
        if not os.path.exists(source):
            source = _matching_files(source)
    if isinstance(source, FileCopy):
        found = document_of_copy(source.path, source.name, options)
        if found is None and source.path.suffix not in readers.READERS:
            found = recognise_source(source.path, options)
        return source_of_copy(source, found, options)
    for layout in LAYOUTS.values():
        if (found := layout(source, options)) is not None:
            near = _common_folder(source)
            return replace(found, load=partial(_open_beside, found, near)) if near else found
    raise _not_known(source)


def _common_folder(source: Any) -> Path | None:
    """The folder that paths in the columns of files start from; None where the files lie in several, or are none."""
    if isinstance(source, Path):
        return source.resolve() if source.is_dir() else source.resolve().parent
    several = isinstance(source, (list, tuple)) and bool(source) and all(map(is_path, source))
    folders = {Path(os.path.expanduser(one)).resolve().parent for one in source} if several else set()
    return folders.pop() if len(folders) == 1 else None


def _open_beside(source: Source, near: Path) -> Contents:
    """The contents of ``source``; relative paths in its columns start from ``near``."""
    found = source.load()
    columns = {name: c if c.base else replace(c, base=near) for name, c in found.columns.items()}
    return replace(found, columns=columns)


def _not_known(source: Any) -> PellucidError:
    ends = " ".join(readers.READERS)
    known = f"known: folders of images, recordings or texts, {ends} files, data frames, dicts of columns, (X, y), pairs"
    if isinstance(source, list | tuple) and source and all(map(is_path, source)):
        return _not_known_files([Path(os.path.expanduser(one)) for one in source])
    if isinstance(source, bytes | bytearray):
        return PellucidError("bytes alone do not show their format", fix="pass them as a file: io.BytesIO(data)")
    if not isinstance(source, Path):
        return PellucidError(f"data of type {type(source).__name__} can't be read", fix=known)
    if source.is_dir():
        return _not_known_folder(source)
    if not source.is_file():
        return PellucidError(
            "it is not a file but a pipe, a socket or a device", where=str(source), fix="copy it to a file"
        )
    suffix = source.suffix.lower()
    if suffix in UNREAD_ARCHIVES:
        return PellucidError("an archive can't be read", where=str(source), fix="unpack it first")
    if suffix in UNREAD_SHEETS:
        return PellucidError("a spreadsheet can't be read", where=str(source), fix="save it as CSV")
    if suffix in MEDIA:
        kind = kind_named(MEDIA[suffix])
        what = f"one {kind.file_noun} is not enough to learn from"
        return PellucidError(what, where=str(source), fix=kind.classes_fix)
    if alone := explain_suffixes({suffix: 1}):
        return PellucidError(alone[0].replace("it holds 1", "it is one", 1), where=str(source), fix=alone[1])
    what = f"a file that ends in '{suffix}'" if suffix else "a file whose name has no ending"
    return PellucidError(f"{what} can't be read", where=str(source), fix=known)


def _not_known_files(paths: Sequence[Path]) -> PellucidError:
    """What is wrong with a list of paths that is none of tables."""
    if lost := next((path for path in paths if not os.path.exists(path)), None):
        return PellucidError("there is no such file or folder", where=str(lost), fix=_meant_path(lost))
    ends = Counter(path.suffix.lower() if path.is_file() else "/" for path in paths)
    media = Counter[str]()
    for end, count in ends.items():
        media[kind_named(MEDIA[end]).file_noun + "s" if end in MEDIA else ""] += count
    del media[""]
    (own, most), folders = media.most_common(1)[0] if media else ("", 0), ends["/"]
    plain = sum(count for end, count in ends.items() if end in TEXTS)
    near = os.path.commonpath([path.resolve() for path in paths])
    near = str(Path(near).parent) if len(paths) == 1 else near
    fix = f"name the folder that holds all of them: {shell_quote(near)}"
    if max(most, folders, plain) > len(paths) / 2:
        noun = own if most >= max(folders, plain) else "folders" if folders >= plain else "texts"
        what = f"{len(paths):,} {noun} were given one by one, but their classes come from the folders they are in"
        return PellucidError(what, where=str(paths[0]), fix=fix)
    if known := explain_suffixes(ends):
        return PellucidError(known[0], where=f"{len(paths):,} files", fix=known[1])
    odd = next(path for path in paths if not readers.is_table_file(path))
    what = f"{len(paths):,} files were given, and not all of them are tables"
    return PellucidError(what, where=str(odd), fix="name tables with the same columns, or one folder")


def _may_hold_text(path: Path) -> bool:
    """Whether a file that ends as a table does may be one: not where it ends as text does and is none."""
    if path.suffix.lower() not in TEXTS:
        return True
    try:
        with path.open("rb") as file:
            return not meaning_of(file.read(SAMPLE_BYTES))[0]
    except OSError:
        return False


def _not_known_folder(folder: Path) -> PellucidError:
    """What lies in a folder that no layout knows, and how it could be read."""
    inside = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    if not inside:
        return PellucidError("the folder is empty", where=str(folder), fix=kind_named(OFTEN).classes_fix)
    readable = [name for name in inside if Path(name).suffix.lower() in readers.READERS]
    files = list_files(folder)
    if readable and not (set(readable) - files.texts.keys()) and not texts.are_tables(files, readable):
        what = f"{count_noun(len(readable), 'text')}, but no folders that give their classes"
        return PellucidError(what, where=str(folder), fix=layouts.TEXTS_FIX)
    if readable:
        good = next((name for name in readable if _may_hold_text(folder / name)), None)
        fix = "give files of text" if good is None else f"read a file in it: {folder / good}"
        what = f"it holds {join_words(inside, 4)}"
        what += ", none of them text" if good is None else ""
        return PellucidError(
            f"it is not a folder of images, recordings, texts or tables ({what})", where=str(folder), fix=fix
        )
    # The form that most files have.
    ends = Counter(suffix_of(path) for path in files.tables)
    for end, count in ends.most_common(1):
        first = next(path for path in files.tables if suffix_of(path) == end)
        depth = "/".join(["*"] * first.count("/"))
        what = f"its {count_noun(count, f'{end} file')} lie in its subfolders ({first}), which are not searched"
        fix = f"read them as one table, without the folders' names: {shell_quote(folder / depth / ('*' + end))}"
        return PellucidError(what, where=str(folder), fix=fix)
    what, fix = explain_suffixes(files.others) or (
        f"there are no images, recordings, texts or tables in it (it holds {join_words(inside, 4)})",
        kind_named(OFTEN).classes_fix,
    )
    return PellucidError(what, where=str(folder), fix=fix)


def _matching_files(pattern: Path) -> list[Path]:
    """The files that a pattern such as ``data/*.csv`` stands for."""
    found = sorted(map(Path, glob(str(pattern), recursive=True))) if has_magic(str(pattern)) else []
    if not found and os.path.islink(pattern):
        what = f"it is a link to '{os.readlink(pattern)}', which is not there"
        raise PellucidError(what, where=str(pattern), fix="name the file itself")
    if not found:
        raise PellucidError(
            "there is no such file or folder", where=abbreviate_text(str(pattern), 200), fix=_meant_path(pattern)
        )
    return found


def _meant_path(path: Path) -> str:
    """The file that was probably meant."""
    beside = sorted(p.name for p in path.parent.iterdir()) if os.path.isdir(path.parent) else []
    close = get_close_matches(path.name, beside, n=1, cutoff=0.6)
    return f"Did you mean '{path.parent / close[0]}'?" if close else f"looked in {Path.cwd()}"


def is_path(source: Any) -> bool:
    return isinstance(source, (str, os.PathLike))
