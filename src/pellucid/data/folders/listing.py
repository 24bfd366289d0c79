"""The photos or recordings and the texts under a folder, and the tables beside them. n files of one kind."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ...errors import PellucidError
from ...fields import KINDS, Column, Note
from ...fields.notes import LEFT_OUT
from ...storage import MANIFEST, is_run_folder
from ...wording import count_noun, join_words
from ..cache.cache_folder import MARKER, is_marked
from ..cache.file_marks import FileMark, digest_marks, mark_of
from ..tables.readers import READERS

# By how a file ends, the kind whose values are such files.
MEDIA = {f".{suffix}": name for name, kind in KINDS.items() for suffix in kind.suffixes}

TABLES = frozenset(READERS)

# How files of text end. What has no ending, or one that is a number or a checksum, may be text too: collections of
# mails and news are kept so.
TEXTS = frozenset((".txt", ".text", ".md", ".rst", ".eml", ".asc"))

CHECKSUM = re.compile(r"\.[0-9a-f]*\d[0-9a-f]*", re.IGNORECASE)

# Files that are about a collection and no part of it.
ABOUT_WORDS = ("readme", "license", "licence", "copying", "changelog", "cmds", "makefile", "dockerfile")

NO_SUFFIX = "no suffix"

# How names of hidden files begin, and of what macOS leaves in archives.
HIDDEN = (".", "__MACOSX")

# How files end that describe the photo or recording of the same name.
SIDECARS = (".xml", ".txt")


@dataclass
class Listing:
    """The photos or recordings and the texts under a folder or in an archive, by path, and the tables beside them.

    Attributes:
        root: the folder or archive. name: how messages call it.
        paths: of photos or recordings, relative to ``root``, with forward slashes; ``sizes`` in bytes; ``marks`` tell
            when files change. kind: what they are; empty where there is none.
        tables: the files that may be tables, by path: size and mark. texts: those that may be texts, some of them both.
        others: how many other files there are, by suffix.
        sidecars: the files that may say something of the photo or recording of their name.
        made: folders that Pellucid made, which are passed over.
        fetch: the content of a file, by path; None where it is a file under ``root``.
        table: a file that holds one of ``tables``; None where that is under ``root``.
    """

    root: Path
    paths: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    marks: list[FileMark] = field(default_factory=list)
    tables: dict[str, tuple[int, FileMark]] = field(default_factory=dict)
    texts: dict[str, tuple[int, FileMark]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    sidecars: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    fetch: Callable[[str], bytes] | None = None
    table: Callable[[str], Path] | None = None
    kind: str = ""

    @property
    def name(self) -> str:
        return self.root.resolve().name

    @property
    def digest(self) -> str:
        """SHA-256 of path and mark of every file."""
        tables = ((path, mark) for path, (_, mark) in (self.tables | self.texts).items())
        return digest_marks([(str(self.root.resolve()), ()), *zip(self.paths, self.marks, strict=True), *tables])

    def column(self, name: str, values: pl.Series, places: Callable[[int], str]) -> Column:
        """A column whose values, where they are paths, are paths of this listing."""
        return Column(name, values, self.root, places, self.fetch, marked=True)

    def add(self, path: str, size: int, mark: FileMark) -> None:
        """Take note of a file, whatever it is."""
        suffix = suffix_of(path)
        if suffix in MEDIA:
            self.paths.append(path)
            self.sizes.append(size)
            self.marks.append(mark)
            return
        self.others[suffix or NO_SUFFIX] += 1
        if suffix in SIDECARS:
            self.sidecars.append(path)
        if suffix in TABLES:
            self.tables[path] = size, mark
        if may_be_text(path):
            self.texts[path] = size, mark

    def settle_kind(self) -> None:
        """Of photos and recordings beside each other keep those that there are more of; the others are left out."""
        kinds = [MEDIA[suffix_of(path)] for path in self.paths]
        counts = Counter(kinds)
        self.kind = max(counts, key=lambda kind: (counts[kind], kind), default="")
        if len(counts) < 2:
            return
        self.others.update(suffix_of(path) for path, kind in zip(self.paths, kinds, strict=True) if kind != self.kind)
        keep = [i for i, kind in enumerate(kinds) if kind == self.kind]
        self.paths, self.sizes = [self.paths[i] for i in keep], [self.sizes[i] for i in keep]
        self.marks = [self.marks[i] for i in keep]


def suffix_of(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name[name.rfind(".") :].lower() if "." in name else ""


def may_be_text(path: str) -> bool:
    """Whether a file's name says that it is text, or says nothing."""
    name = path.rsplit("/", 1)[-1].lower()
    if name.startswith(ABOUT_WORDS):
        return False
    suffix = suffix_of(name)
    return suffix in TEXTS or suffix in ("", ".") or CHECKSUM.fullmatch(suffix) is not None


def list_files(root: Path) -> Listing:
    """Every file under ``root`` that may be a photo, a recording, a text or a table.

    Hidden files are passed over, folders that link back to themselves entered once.
    Runs, comparisons and caches that lie there are passed over: what was made of data is no data. ``root`` may be one.

    Raises:
        PellucidError: for a folder that may not be opened.
    """
    found = Listing(root)
    # File systems list in any order, and the numbers of rows, with them the split, must not depend on it.
    for path, size, mark in sorted(_walk_files(str(root), found)):
        found.add(path, size, mark)
    found.settle_kind()
    if found.made:
        many = count_noun(len(found.made), "folder that Pellucid made is", "folders that Pellucid made are")
        found.notes.append(Note("info", f"{many} left out ({join_words(sorted(found.made), 3)})", found.name, LEFT_OUT))
    return found


def _walk_files(root: str, found: Listing) -> Iterator[tuple[str, int, FileMark]]:
    """(path, bytes, mark) of every file. A stack, not recursion: folders may be nested as deep as they like."""
    stack, seen = [("", root)], {file_identity(os.stat(root))}
    while stack:
        inside, folder = stack.pop()
        entries = folder_entries(folder)
        if inside and is_made(folder, {entry.name for entry in entries}):
            found.made.append(inside)
            continue
        for entry in entries:
            path = f"{inside}/{entry.name}" if inside else entry.name
            try:
                # What is not UTF-8 can stand in no report, and in no column of text.
                entry.name.encode()
                if entry.is_dir():
                    stack += _folder_to_enter(entry, path, seen, found)
                elif _read_by(entry.name):
                    about = entry.stat()
                    if not stat.S_ISREG(about.st_mode):
                        raise OSError(errno.EINVAL, "it is not a file but a pipe, a socket or a device")
                    yield path, about.st_size, mark_of(about)
                else:
                    found.others[suffix_of(path) or NO_SUFFIX] += 1
            except UnicodeEncodeError:
                odd = path.encode("utf-8", "backslashreplace").decode()
                found.notes.append(Note.left_out("its name is not UTF-8", odd))
            # A link to nowhere or to itself.
            except OSError as error:
                found.notes.append(Note.left_out(f"cannot be opened ({error.strerror})", path))


def folder_entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder, hidden files and what macOS leaves in archives excepted. Raises PellucidError."""
    return [entry for entry in all_entries(folder) if not entry.name.startswith(HIDDEN)]


def all_entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder. Raises PellucidError where it may not be opened."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise PellucidError(
            f"the folder cannot be opened ({error.strerror})",
            where=folder,
            fix="give yourself the permission to read it, or move it out of the way",
        ) from None


def is_made(folder: str, names: set[str]) -> bool:
    """Whether a folder is a run, a comparison or a cache."""
    place = Path(folder)
    return (MANIFEST in names and is_run_folder(place)) or (MARKER in names and is_marked(place))


def _folder_to_enter(
    entry: os.DirEntry[str], path: str, seen: set[tuple[int, int]], found: Listing
) -> list[tuple[str, str]]:
    """The folder to go into, unless a link led there before."""
    # By device and inode: a path grows with every turn of a link that leads back.
    identity = file_identity(entry.stat())
    if identity in seen:
        found.notes.append(Note.left_out("links to a folder that was read already", path, "warning"))
        return []
    seen.add(identity)
    return [(path, entry.path)]


def file_identity(about: os.stat_result) -> tuple[int, int]:
    """What a file or folder is, whatever links lead to it."""
    return about.st_dev, about.st_ino


def _read_by(name: str) -> bool:
    """Whether a file is worth a look at."""
    return suffix_of(name) in MEDIA or suffix_of(name) in (*TABLES, *SIDECARS) or may_be_text(name)
