"""Folders and archives of text files, one text a file, and single files of text. n files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note
from ...fields.column import LazyValues
from ...fields.files import Unreadable, read_file
from ...fields.notes import AS_IT_SAYS, LEFT_OUT
from ...wording import count_noun, join_words
from ..archives import is_archive
from ..cache.file_marks import mark_at, mark_of
from ..schema import asked_targets
from ..source import Contents, ReadOptions, Source, layout_first
from ..tables.lines import is_table, numbers_in_columns
from ..tables.signatures import SAMPLE_BYTES, meaning_of
from ..tables.spool import Spool, chunks_of
from ..tables.table import Chunk
from ..tables.text_blocks import decode_text, encoding_in_words
from ..unread import note_others
from . import archive
from .classes import classes_of
from .listing import NO_SUFFIX, Listing, list_files, suffix_of
from .parts import split_folders
from .patterns import read_names

# The column that files make, and its kind: all layouts here are of texts.
TEXT = "text"

# How what comes next in the same texts is learned.
INSTEAD = f"--target {TEXT} learns to continue them instead"

# Files whose beginning is looked at, spread evenly, to know whether they are texts or tables.
MOST_LOOKED_AT = 20

# Bytes of texts that are read before they go to the disk.
TEXTS_AT_ONCE_BYTES = 1 << 27

# Files that can't be read, named one by one.
MOST_NAMED = 5


@layout_first
def text_folder(source: object, options: ReadOptions) -> Source | None:
    """A folder with texts in folders named after their class, one a file."""
    if not isinstance(source, Path) or not source.is_dir():
        return None
    files = list_files(source)
    # Of files that a pattern tells the classes of, folders need not.
    named = options.label_from is not None and files.texts and not files.paths
    if not named and not are_texts(files):
        return None
    return Source(files.name + "/", files.digest, partial(_load_texts, files, options))


@layout_first
def text_archive(source: object, options: ReadOptions) -> Source | None:
    """An archive that holds what could also be a folder with texts."""
    if not isinstance(source, Path) or not source.is_file() or not is_archive(source):
        return None
    inside = archive.look_inside(source, mark_of(source.stat()))
    named = options.label_from is not None and inside.texts and not inside.media
    return _packed_texts(source, options) if named or are_packed_texts(source) else None


def text_files(paths: Sequence[Path], name: str) -> Source:
    """Single texts, one a file, in the order given; for predictions. One that can't be read fails for itself alone."""
    names = [str(path.absolute()) for path in paths]
    found = Listing(Path("/"), texts={one: (0, mark_at(one)) for one in names})
    shown = [str(path) for path in paths]
    about = shown[0] if len(shown) == 1 else f"{len(shown):,} texts"

    def load_files() -> Contents:
        texts = _Texts(names, read_file, keep=True)
        values = pl.concat([frame for frame, _ in texts.frames()]).to_series().alias(name)
        column = Column(name, values, None, partial(_file_path, shown), marked=True, faults=texts.faults)
        kinds = {name: TEXT}
        return Contents(count_noun(len(shown), TEXT), {name: column}, texts.notes(about), kinds=kinds, files=True)

    return Source(about, found.digest, load_files)


def any_texts(source: Path, options: ReadOptions) -> Source | None:
    """Every text of a folder or an archive, in folders that tell its class or not; None where there is none."""
    if source.is_dir():
        files = list_files(source)
        known = {path for path in files.tables if path not in files.texts}
        if not files.texts or (known and not are_texts(files)):
            return None
        return Source(files.name + "/", files.digest, partial(_load_texts, files, options))
    if not is_archive(source) or not archive.look_inside(source, mark_of(source.stat())).texts:
        return None
    return _packed_texts(source, options)


def are_texts(files: Listing) -> bool:
    """Whether a folder is one of texts, by its names and by the beginnings of some of its files."""
    return holds_texts(files.texts, len(files.paths), partial(_file_heads, files.root))


def are_packed_texts(source: Path) -> bool:
    """The same of an archive."""
    found = archive.look_inside(source, mark_of(source.stat()))
    return holds_texts(found.texts, found.media, partial(_known_heads, found.texts))


def holds_texts(paths: Collection[str], media: int, heads: Callable[[list[str]], list[bytes]]) -> bool:
    """Whether files are texts in folders: not beside as many photos or recordings, and no tables or anything else.

    Args:
        paths: of all files that may be texts. media: how many photos or recordings lie there. heads: the beginnings of
            some of the files named.
    """
    inside = [path for path in paths if "/" in path]
    if len(inside) < 2 or media > archive.FEW_MEDIA_SHARE * len(inside):
        return False
    labels = {label for label in classes_of(inside, "").labels if label}
    # Files without an ending may be anything, so one folder of them tells nothing.
    if not labels or (len(labels) == 1 and not any(suffix_of(path) for path in inside)):
        return False
    looked = heads(inside)
    odd = sum(bool(meaning_of(one)[0]) or numbers_in_columns(one) for one in looked)
    return 2 * odd < len(looked)


def are_tables(files: Listing, paths: Collection[str]) -> bool:
    """Whether most of some files of a folder are tables, or anything but text."""
    looked = _file_heads(files.root, list(paths))
    texts = [head.decode("utf-8", "replace") for head in looked if not meaning_of(head)[0]]
    return 2 * sum(not is_table(sample, ReadOptions()) for sample in texts) < len(looked)


def _packed_texts(source: Path, options: ReadOptions) -> Source:
    about = source.stat()
    # The archive as one file: its mark finds it in the cache, and nothing is unpacked to know whether it changed.
    alone = Listing(source, [""], [about.st_size], [mark_of(about)])
    pack = partial(archive.unpack_files, alone.digest, source, options.spool)
    return Source(source.name, alone.digest, lambda: _load_texts(pack(), options))


def _load_texts(files: Listing, options: ReadOptions) -> Contents:
    """Text, class and split of every file, from its path."""
    paths = sorted(files.texts)
    # New data keep their rows, so that each has its answer or says why it has none.
    texts = _Texts(paths, files.fetch or partial(_read_under, files.root), keep=bool(options.names))
    chunks = chunks_of(texts.frames(), partial(Spool, options.spool))
    if not texts.kept:
        raise PellucidError(
            f"none of its {count_noun(len(paths), 'text')} can be read",
            where=files.name,
            fix="check that they are text files",
        )
    names = (*asked_targets(options.target, ()), *options.names)
    told = classes_of(texts.kept, files.name, names, TEXT)
    parts = read_names(texts.kept, options, files.name, TEXT)
    notes = [*files.notes, *texts.notes(files.name), *(parts or told).notes]
    held = (
        chunks[0].read(TEXT)
        if len(chunks) == 1
        else LazyValues(len(texts.kept), partial(_read_chunks, chunks), pl.String())
    )
    place = partial(_file_path, texts.kept)
    columns = {TEXT: Column(TEXT, held, files.root, place, marked=True, faults=texts.faults)}
    series = dict(parts.columns) if parts else {told.name: told.labels}
    series |= {"split": told.splits} if told.splits else {}
    for name, values in series.items():
        columns[name] = Column(name, pl.Series(name, values, pl.String), files.root, place, marked=True)
    _note_others(files, notes)
    where = "in" if not told.splits else f"in folders {split_folders(told.splits)}, and in them"
    about = count_noun(len(texts.kept), TEXT)
    if parts:
        about += f", with {count_noun(len(parts.columns), 'column')} from their names"
    elif any(told.labels):
        about += f" {where} a folder for each class"
    target, why = (parts.target, parts.why) if parts else (told.name, f"{told.why}; {INSTEAD}")
    kinds = {TEXT: TEXT, target: "category"}
    made = Contents(about, columns, notes, True, kinds, target, why, added=(*columns,), needs_classes=True, files=True)
    return replace(made, beside=parts.beside, pattern=parts.pattern) if parts else made


class _Texts:
    """The texts of files, in their order, read once.

    Args:
        read: the content of a file by its path. keep: files that can't be read keep their row, with an empty text.

    Attributes:
        kept: the paths of the rows. faults: by row, why it could not be read.
    """

    def __init__(self, paths: Sequence[str], read: Callable[[str], bytes], keep: bool):
        self._paths, self._read, self._keep = paths, read, keep
        self.kept: list[str] = []
        self.faults: dict[int, str] = {}
        # Left out, and why; not UTF-8, by what they were read as.
        self._lost: dict[str, str] = {}
        self._guessed: dict[str, list[str]] = {}

    def frames(self) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataType]]]:
        """The texts, so many at a time as memory should hold."""
        found: list[str] = []
        size = 0
        for path in self._paths:
            try:
                found.append(self._text_at(path))
            except Unreadable as why:
                if not self._keep:
                    self._lost[path] = str(why)
                    continue
                self.faults[len(self.kept)] = str(why)
                found.append("")
            self.kept.append(path)
            size += len(found[-1])
            if size > TEXTS_AT_ONCE_BYTES:
                yield pl.DataFrame({TEXT: found}, {TEXT: pl.String}), {TEXT: pl.String()}
                found, size = [], 0
        if found:
            yield pl.DataFrame({TEXT: found}, {TEXT: pl.String}), {TEXT: pl.String()}

    def _text_at(self, path: str) -> str:
        """The text of one file. Raises Unreadable for what is none."""
        data = self._read(path)
        if what := meaning_of(data[:SAMPLE_BYTES])[0]:
            raise Unreadable(f"is not text but {what}")
        text, guess = decode_text(data)
        if not text.strip():
            raise Unreadable("is empty" if not data else "holds only spaces")
        if guess:
            self._guessed.setdefault(guess, []).append(path)
        return text

    def notes(self, where: str) -> list[Note]:
        """What was odd: files left out, the first by name, and encodings that were guessed."""
        found = [Note.left_out(why, path) for path, why in list(self._lost.items())[:MOST_NAMED]]
        if (more := len(self._lost) - MOST_NAMED) > 0:
            text = f"{count_noun(more, 'more file', 'more files')} can't be read and {'is' if more == 1 else 'are'}"
            found.append(Note("error", f"{text} left out", where, LEFT_OUT))
        for guess, paths in self._guessed.items():
            text = f"{count_noun(len(paths), 'text is', 'texts are')} not UTF-8 and read as {encoding_in_words(guess)}:"
            found.append(Note("warning", f"{text} {join_words(paths, 3)}", where, AS_IT_SAYS))
        return found


def _read_under(root: Path, path: str) -> bytes:
    return read_file(os.path.join(root, path))


def _read_chunks(chunks: Sequence[Chunk]) -> Iterator[pl.Series]:
    return (chunk.read(TEXT) for chunk in chunks)


def _file_heads(root: Path, paths: list[str]) -> list[bytes]:
    """The beginnings of some files, spread evenly; nothing of one that can't be opened: that is said later."""
    found = []
    for path in paths[:: -(-len(paths) // MOST_LOOKED_AT)]:
        try:
            with open(os.path.join(root, path), "rb") as file:
                found.append(file.read(SAMPLE_BYTES))
        except OSError:
            found.append(b"")
    return found


def _known_heads(known: Mapping[str, bytes | None], paths: list[str]) -> list[bytes]:
    return [head for path in paths if (head := known[path]) is not None]


def _note_others(files: Listing, notes: list[Note]) -> None:
    """Say which files are no texts."""
    own = Counter(suffix_of(path) or NO_SUFFIX for path in files.texts)
    note_others(files.others - own + Counter(suffix_of(path) for path in files.paths), files.name, notes)


def _file_path(paths: Sequence[str], row: int) -> str:
    return paths[row]
