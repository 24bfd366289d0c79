"""Which layout knows a source, and what was probably meant where none does."""

from __future__ import annotations

import os
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from ..errors import PellucidError, UsageError
from ..wording import join_words
from .folders import layouts
from .folders.listing import SUFFIXES
from .source import LAYOUTS, Contents, ReadOptions, Source
from .tables import readers

# Endings that no layout reads, so that the error can say what to do instead of what is known.
UNREAD_ARCHIVES = (".gz", ".xz", ".bz2", ".zst", ".7z", ".rar")

UNREAD_SHEETS = (".numbers", ".xlsm", ".xlsb")


def recognise_source(source: Any, options: ReadOptions) -> Source:
    """The first layout that knows the source. Raises PellucidError that says what could be there instead."""
    if isinstance(source, (str, os.PathLike)):
        # ``Path`` would take it for the folder one is in.
        if not str(source):
            raise UsageError("the name of the data is empty", fix="name a file or a folder; '.' is this one")
        source = Path(os.path.expanduser(source))
        # Unlike the path's own ``exists``, this takes a text of any length.
        if not os.path.exists(source):
            source = _matching_files(source)
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
    known = f"known: folders of images, {' '.join(readers.READERS)} files, data frames, dicts of columns, (X, y), pairs"
    if not isinstance(source, Path):
        return PellucidError(f"data of the type {type(source).__name__} can't be read", fix=known)
    if source.is_dir():
        inside = sorted(p.name for p in source.iterdir() if not p.name.startswith("."))
        what = f"it holds {join_words(inside, 4)}" if inside else "the folder is empty"
        readable = [name for name in inside if Path(name).suffix.lower() in readers.READERS]
        fix = f"read a file in it: {source / readable[0]}" if readable else layouts.CLASSES_FIX
        return PellucidError(f"there are no images in it ({what})" if inside else what, where=str(source), fix=fix)
    if not source.is_file():
        return PellucidError(
            "it is no file but a pipe, a socket or a device", where=str(source), fix="copy it to a file"
        )
    suffix = source.suffix.lower()
    if suffix in UNREAD_ARCHIVES:
        return PellucidError("an archive can't be read", where=str(source), fix="unpack it first")
    if suffix in UNREAD_SHEETS:
        return PellucidError("a spreadsheet can't be read", where=str(source), fix="save it as CSV")
    if suffix in SUFFIXES:
        return PellucidError("one image is nothing to learn from", where=str(source), fix=layouts.CLASSES_FIX)
    what = f"a file that ends in '{suffix}'" if suffix else "a file whose name has no ending"
    return PellucidError(f"{what} can't be read", where=str(source), fix=known)


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
    return f"Did you mean '{path.parent / close[0]}'?" if close else f"look for it from {Path.cwd()}"


def abbreviate_text(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def is_path(source: Any) -> bool:
    return isinstance(source, (str, os.PathLike))
