"""Texts and source code as layouts: one file, several, a folder of them, an archive. What comes next is learned."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from ...fields.files import Unreadable
from ..archives import is_archive, open_compressed
from ..cache.file_marks import mark_of
from ..folders import archive
from ..folders.listing import MEDIA
from ..schema import asked_targets
from ..source import COMPRESSED, Contents, ReadOptions, Source, layout_first, without_compression
from ..tables.concat import told_apart
from ..tables.form import DELIMITERS
from ..tables.lines import is_table, numbers_in_columns, text_name
from ..tables.readers import is_table_file
from ..tables.signatures import SAMPLE_BYTES, meaning_of
from ..tables.text_blocks import decode_text
from ..unread import UNREAD_ARCHIVES, UNREAD_SHEETS, explain_suffixes
from .class_folders import find_class_folders
from .content import packed_opener, plain_opener
from .listing import LOOSE, DocumentListing, list_documents, list_given, list_packed
from .load import load_documents
from .names import is_source, language_of
from .passages import TEXT

# Tables, and files of code, that are fewer than this share of the documents are no reason to take a folder for one of
# these; photos and recordings, which notes have among them, below another.
FEW_SHARE, FEW_MEDIA_SHARE = 0.1, 0.5

# Documents whose beginning is looked at, spread evenly, to know whether they are texts or tables of numbers.
MOST_LOOKED_AT = 20

# Pages are no texts but among code.
PAGES = (".html", ".htm")


@layout_first
def text_document(source: Any, options: ReadOptions) -> Source | None:
    """One file of text, whose content is no table; compressed or not."""
    return document_of_copy(source, source.name, options) if isinstance(source, Path) else None


def document_of_copy(path: Path, name: str, options: ReadOptions) -> Source | None:
    """The same of a file that messages call otherwise."""
    if not _may_be_document(path, options) or not _is_document(path, options):
        return None
    found = list_given([path], name)
    return Source(name, found.digest, partial(_load_given, found, {str(path): name}, options))


@layout_first
def text_documents(source: Any, options: ReadOptions) -> Source | None:
    """A list of files of text, most of which are no tables."""
    several = isinstance(source, (list, tuple)) and len(source) > 0
    if not several or not all(isinstance(one, (str, os.PathLike)) for one in source):
        return None
    paths = [Path(os.path.expanduser(one)) for one in source]
    if not all(_may_be_document(path, options) for path in paths):
        return None
    if 2 * sum(_is_document(path, options) for path in paths) <= len(paths):
        return None
    name = paths[0].name if len(paths) == 1 else f"{len(paths):,} files"
    found = list_given(paths, name)
    names = dict(zip(map(str, paths), told_apart(paths), strict=True))
    return Source(name, found.digest, partial(_load_given, found, names, options))


@layout_first
def document_folder(source: Any, options: ReadOptions) -> Source | None:
    """A folder of texts that are in no folders of classes, or of source code."""
    if not isinstance(source, Path) or not source.is_dir() or not _are_wanted(options):
        return None
    found = list_documents(source)
    paths = list(found.files)
    some = paths[:: -(-len(paths) // MOST_LOOKED_AT)] if paths else []
    if not holds_documents(found, {path: found.read_head(path, SAMPLE_BYTES) for path in some}, options):
        return None
    return Source(found.name + "/", found.digest, partial(_load_folder, found, options))


@layout_first
def document_archive(source: Any, options: ReadOptions) -> Source | None:
    """An archive that holds what could also be a folder of texts or of source code."""
    if not isinstance(source, Path) or not source.is_file() or not is_archive(source) or not _are_wanted(options):
        return None
    inside = archive.look_inside(source, mark_of(source.stat()))
    found = list_packed(source, [*inside.texts, *inside.others], inside.patterns)
    found.media = inside.media
    heads = {path: head for path, head in inside.texts.items() if head is not None and path in found.files}
    if not holds_documents(found, heads, options):
        return None
    # The archive as one file: its mark finds it in the cache, and nothing is unpacked to know whether it changed.
    digest = list_given([source], source.name).digest
    return Source(source.name, digest, partial(_load_archive, source, digest, options))


def holds_documents(found: DocumentListing, heads: Mapping[str, bytes], options: ReadOptions) -> bool:
    """Whether a folder or an archive is one of documents to be learned from as they are.

    It is where that is asked for; and where there are hardly any photos, recordings or tables among its texts, these
    are no tables of numbers, and they are in no folders of classes (``class_folders``). Source code is in none.

    Args:
        heads: how some of the documents begin.
    """
    if not found.files or asks_for_texts(options):
        return bool(found.files)
    few, sources = FEW_SHARE * len(found.files), found.sources
    if all(path.lower().endswith(PAGES) for path in found.files) or found.tables > few:
        return False
    if found.media > FEW_MEDIA_SHARE * len(found.files) and found.media > sources:
        return False
    if sources <= few and not find_class_folders([path for path in found.files if not is_source(path)]).why:
        return False
    odd = sum(_is_no_text(path, head) for path, head in heads.items())
    return 2 * sources > len(found.files) or 2 * odd < len(heads)


def asks_for_texts(options: ReadOptions) -> bool:
    """Whether texts are asked for to be continued."""
    return options.documents is not None or asked_targets(options.target, ()) == (TEXT,)


def _are_wanted(options: ReadOptions) -> bool:
    """Whether nothing was said that is said of tables and of classes alone."""
    if options.documents is not None:
        return True
    of_tables = (options.kinds, options.weights, options.delimiter, options.sheet, options.decimal, options.names)
    if options.label_from is not None or options.header is not None or any(of_tables):
        return False
    return options.target is None or asks_for_texts(options)


def _may_be_document(path: Path, options: ReadOptions) -> bool:
    """Whether a file's name does not say that it is anything but text. This takes a path of any length."""
    if not os.path.isfile(path) or is_archive(path) or not _are_wanted(options):
        return False
    plain = without_compression(path.name)
    suffix = Path(plain).suffix.lower()
    if suffix in PAGES and not asks_for_texts(options):
        return False
    if options.documents is not None or (language_of(plain) and (suffix or plain == path.name)):
        return suffix not in MEDIA
    known = suffix in (*MEDIA, *UNREAD_ARCHIVES, *UNREAD_SHEETS) or is_table_file(Path(plain)) or plain != path.name
    return not known and explain_suffixes({suffix: 1}) is None


def _is_document(path: Path, options: ReadOptions) -> bool:
    """Whether a file that may be a document is one, by how it begins where its name alone does not tell."""
    suffix = Path(without_compression(path.name)).suffix.lower()
    if language_of(without_compression(path.name)) and suffix and suffix not in LOOSE:
        return True
    try:
        with open_document(path) as file:
            head = file.read(SAMPLE_BYTES)
    except (Unreadable, OSError):
        return False
    # What reads tables says what is wrong with a file that is none.
    if meaning_of(head)[0] or not head.strip():
        return False
    return options.documents is not None or not _is_written_table(head, options)


def _is_written_table(head: bytes, options: ReadOptions) -> bool:
    """Whether a file of text begins as a table does, or as a column of texts with its name above it.

    Where a text is asked for, it may look like a table and has no column of that name.
    """
    text = _whole_lines(head)
    if not asks_for_texts(options):
        return is_table(text, options) or bool(text_name(text.encode(), options))
    first = next((line for line in text.split("\n") if line.strip()), "")
    return any(TEXT in map(str.strip, first.casefold().split(mark)) for mark in DELIMITERS)


def _is_no_text(path: str, head: bytes) -> bool:
    """Whether a file of a folder begins as a table does, or is anything else."""
    if meaning_of(head)[0] or numbers_in_columns(head):
        return True
    # Others may well have lines that are cut alike.
    plain = Path(path).suffix.lower() in (*LOOSE, "")
    return plain and bool(head.strip()) and is_table(_whole_lines(head), ReadOptions())


def _whole_lines(head: bytes) -> str:
    """The lines of the beginning of a file, but for the last where it may be cut."""
    text = decode_text(head)[0]
    return text[: text.rfind("\n") + 1] if len(head) == SAMPLE_BYTES and "\n" in text else text


def open_document(path: Path) -> IO[bytes]:
    """A document on the disk, compressed or not, to be read forwards. Raises Unreadable."""
    return open_compressed(path) if path.suffix.lower() in COMPRESSED else plain_opener(str(path))


def _load_given(found: DocumentListing, names: Mapping[str, str], options: ReadOptions) -> Contents:
    openers = {name: partial(open_document, Path(path)) for path, name in names.items()}
    return load_documents(found, openers, options, given=True)


def _load_folder(found: DocumentListing, options: ReadOptions) -> Contents:
    openers = {path: partial(plain_opener, os.path.join(found.root, path)) for path in found.files}
    return load_documents(found, openers, options)


def _load_archive(source: Path, digest: str, options: ReadOptions) -> Contents:
    inside = archive.unpack_content(digest, source, options.spool)
    found = list_packed(source, inside.sizes, inside.patterns)
    found.notes[:0] = inside.notes
    openers = {path: partial(packed_opener, inside.read_content, path) for path in found.files}
    return load_documents(found, openers, options)
