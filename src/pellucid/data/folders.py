"""Folders of images: ``root/class/*``, with train, val and test above the classes or without. n files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import PellucidError
from ..fields import Column, Note, pixels
from .sources import PARTS, SPLIT_WORDS, Found, Options, Source, counted, layout, listed

SUFFIXES = frozenset(f".{suffix}" for suffix in pixels.SUFFIXES)
CLASSES_FIX = "put the images of each class in a folder of their own, named after the class: photos/cat/1.jpg"


@dataclass
class Listing:
    """The image files under a folder, sorted by path.

    Attributes:
        paths: relative to ``root``, with forward slashes; ``sizes`` in bytes; ``times`` in nanoseconds.
        others: how many other files there are, by suffix.
    """

    root: Path
    paths: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    notes: list[Note] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 of path, size and time of every file."""
        lines = [f"{p}\0{s}\0{t}" for p, s, t in zip(self.paths, self.sizes, self.times, strict=True)]
        text = "\n".join([str(self.root.resolve()), *lines])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def listing(root: Path) -> Listing:
    """Every image under ``root``. Hidden files are passed over, folders that link back to themselves entered once.

    Raises:
        PellucidError: for a folder that may not be opened.
    """
    found = Listing(root)
    files = sorted(_walk(str(root), found))
    for path, size, time in files:
        found.paths.append(path)
        found.sizes.append(size)
        found.times.append(time)
    return found


def _walk(root: str, found: Listing) -> Iterator[tuple[str, int, int]]:
    """(path, bytes, time) of every image. A stack, not recursion: folders may be nested as deep as they like."""
    stack, seen = [("", root)], {_identity(os.stat(root))}
    while stack:
        inside, folder = stack.pop()
        for entry in _entries(folder):
            path = f"{inside}/{entry.name}" if inside else entry.name
            try:
                if entry.is_dir():
                    stack += _entered(entry, path, seen, found)
                elif _is_image(entry.name, found):
                    about = entry.stat()
                    yield path, about.st_size, about.st_mtime_ns
            except OSError as error:  # a link to nowhere or to itself
                found.notes.append(Note("error", f"cannot be opened ({error.strerror}); left out", path))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder, hidden files and what macOS leaves in archives excepted."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    except OSError as error:
        raise PellucidError(
            f"the folder cannot be opened ({error.strerror})",
            where=folder,
            fix="give yourself the permission to read it, or move it out of the way",
        ) from None


def _entered(entry: os.DirEntry[str], path: str, seen: set[tuple[int, int]], found: Listing) -> list[tuple[str, str]]:
    """The folder to go into, unless a link led there before."""
    identity = _identity(entry.stat())
    if identity in seen:
        found.notes.append(Note("warning", "links to a folder that was read already; left out", path))
        return []
    seen.add(identity)
    return [(path, entry.path)]


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _is_image(name: str, found: Listing) -> bool:
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    if suffix not in SUFFIXES:
        found.others[suffix or "no suffix"] += 1
        return False
    return True


@layout
def image_folder(source: Any, options: Options) -> Source | None:
    """A folder with images in folders named after their class; ``train``, ``val`` and ``test`` may stand above."""
    if not isinstance(source, Path) or not source.is_dir():
        return None
    files = listing(source)
    if not files.paths:
        return None
    return Source(source.resolve().name + "/", files.digest, partial(_load, files))


def _load(files: Listing) -> Found:
    """Image, class and split of every file, from its path alone."""
    name, notes = files.root.resolve().name, list(files.notes)
    keep = _not_empty(files, notes)
    parts = [path.split("/")[:-1] for path in keep]
    above = _wrapping(parts)
    parts = [folders[above:] for folders in parts]
    splits = _splits(parts)
    parts = [folders[1:] for folders in parts] if splits else parts
    labels = _labels(parts, keep, notes, name)
    if files.others:
        shown = listed(f"{count:,} {suffix}" for suffix, count in files.others.most_common(4))
        total = sum(files.others.values())
        notes.append(Note("info", f"{counted(total, 'other file is', 'other files are')} left out ({shown})", name))
    series = {"image": pl.Series("image", keep, pl.String), "label": pl.Series("label", labels, pl.String)}
    if splits:
        series["split"] = pl.Series("split", splits, pl.String)
    columns = {key: Column(key, values, files.root, partial(_path, keep)) for key, values in series.items()}
    where = f"in folders {listed(part for part in PARTS if part in splits)}, and in them" if splits else "in"
    about = counted(len(keep), "image") + (f" {where} a folder for each class" if any(labels) else "")
    kinds = {"image": "image", "label": "category"}
    return Found(about, columns, notes, True, kinds, "label", "the images lie in folders named after it")


def _path(paths: list[str], row: int) -> str:
    return paths[row]


def _not_empty(files: Listing, notes: list[Note]) -> list[str]:
    empty = [path for path, size in zip(files.paths, files.sizes, strict=True) if not size]
    notes += [Note("error", "an empty file, left out", path) for path in empty[:5]]
    if len(empty) > 5:
        notes.append(Note("error", f"{len(empty) - 5:,} more empty files are left out"))
    return [path for path, size in zip(files.paths, files.sizes, strict=True) if size]


def _wrapping(parts: list[list[str]]) -> int:
    """How many folders only wrap the data: ``photos/photos/cat`` wraps once."""
    above = 0
    while len({tuple(p[above : above + 1]) for p in parts}) == 1 and all(len(p) > above + 1 for p in parts):
        above += 1
    return above


def _splits(parts: list[list[str]]) -> list[str]:
    """The split of every file, when the topmost folders are named after splits; else nothing."""
    first = {p[0] if p else "" for p in parts}
    if len(first) < 2 or not all(word.lower() in SPLIT_WORDS for word in first):
        return []
    return [SPLIT_WORDS[p[0].lower()] for p in parts]


def _labels(parts: list[list[str]], paths: list[str], notes: list[Note], name: str) -> list[str | None]:
    """The class of every file: the topmost folder left."""
    labels = [p[0] if p else None for p in parts]
    if deeper := sum(len(p) > 1 for p in parts):
        notes.append(Note("info", f"{counted(deeper, 'image')} in folders inside a class belong to that class", name))
    loose = [path for path, label in zip(paths, labels, strict=True) if label is None]
    if loose and len(loose) < len(labels):
        text = f"{counted(len(loose), 'image lies', 'images lie')} in no class folder and cannot be learned from"
        notes.append(Note("warning", text, listed(loose, 3)))
    return labels


def need_classes(found: Found, name: str, least: int = 2) -> None:
    """Raises PellucidError when the folders tell fewer than ``least`` classes."""
    counts = found.columns["label"].series().drop_nulls().value_counts(name="count")  # type: ignore[union-attr]
    if not len(counts):
        raise PellucidError(
            f"{counted(len(found), 'image')}, but no folders that tell their class", where=name, fix=CLASSES_FIX
        )
    if len(counts) < least:
        only = counts["label"][0]
        raise PellucidError(
            f"there is only one class, '{only}', so there is nothing to tell apart", where=name, fix=CLASSES_FIX
        )


def _stat(name: str) -> os.stat_result | None:
    try:
        return os.stat(name)
    except OSError:
        return None


def image_files(paths: list[Path]) -> Source:
    """Single images, in the order given; for predictions. One that is missing or no image fails for itself alone."""
    names = [str(path.absolute()) for path in paths]
    stats = [(s.st_size, s.st_mtime_ns) if (s := _stat(name)) else (-1, -1) for name in names]
    found = Listing(Path("/"), names, [size for size, _ in stats], [time for _, time in stats])
    shown = [str(path) for path in paths]
    columns = {"image": Column("image", pl.Series("image", names, pl.String), None, partial(_path, shown))}
    name = shown[0] if len(shown) == 1 else f"{len(shown):,} images"
    return Source(name, found.digest, lambda: Found(counted(len(shown), "image"), columns, kinds={"image": "image"}))
