"""Documents become rows: gone through, copies left out, cut into passages, and all of it said. n passages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note
from ...fields.column import LazyValues
from ...fields.files import Unreadable
from ...fields.notes import AS_IT_SAYS, LEFT_OUT, report_some
from ...fields.passage import BPE, BPE_CHARACTERS
from ...wording import count_noun, join_words
from ..folders.listing import suffix_of
from ..folders.parts import find_parts, part_of_name
from ..source import Contents, ReadOptions
from ..splits.spec import PARTS
from ..tables.spool import Spool, chunks_of
from ..tables.table import Chunk, Places
from ..tables.text_blocks import WRONG_WORDS, encoding_in_words
from ..unread import note_others
from .class_folders import find_class_folders
from .content import Document, EmptyText, Opener, different_characters, look_through
from .listing import MOST_NAMED, DocumentListing
from .names import is_source, language_of
from .passages import (
    DOCUMENT,
    FEW_PASSAGES,
    SHORTEST,
    TEXT,
    choose_context,
    choose_level,
    passage_characters,
    passage_frames,
    passage_places,
)

# The kind of the rows of documents.
PASSAGE = "passage"

SPLIT = "split"

WHY = "a text: what comes next is learned"

# Languages that are named.
MOST_LANGUAGES = 4


def load_documents(
    found: DocumentListing, openers: Mapping[str, Opener], options: ReadOptions, given: bool = False
) -> Contents:
    """The passages of documents as rows.

    Args:
        openers: by name of a document, what opens it. given: they are single files, whatever they hold.

    Raises:
        PellucidError: when there is nothing to learn from.
    """
    notes = list(found.notes)
    known = options.documents
    documents = _look_through_all(openers, found, options, given, notes)
    parts = find_given_parts([document.name for document in documents])
    if known is None:
        documents, parts = _without_copies(documents, parts, found.name, notes)
    characters = sum(document.characters for document in documents)
    asked = options.forecast.context
    if known is None and asked is None and characters < FEW_PASSAGES * SHORTEST:
        text = f"{count_noun(characters, 'character is', 'characters are')} too few to learn from"
        raise PellucidError(text, where=found.name, fix=f"give {FEW_PASSAGES * SHORTEST} or more")
    notes += _odd_notes(documents, found.name)
    if not given:
        notes += found.left_out()
        note_others(found.others, found.name, notes)
        if known is None and 2 * found.sources <= len(documents):
            notes += _note_class_folders([document.name for document in documents], found.name)
    different = different_characters(documents)
    if known is None:
        code = sum(document.characters for document in documents if is_source(document.name))
        size = sum(document.size for document in documents)
        level, reason = choose_level(options.level, not given and 2 * code > characters, size, different)
        context = choose_context(asked, characters // (BPE_CHARACTERS if level == BPE else 1))
    else:
        level, context, reason = str(known["level"]), int(known["context"]), "as the run reads them"
    columns, places, rows = _cut_all(documents, parts, level, context, options)
    of = f"{count_noun(characters, 'character')}, {different:,} different"
    layout = f"{_what(documents, given)} of {of}, in {count_noun(rows, 'passage')}"
    most = "at most " if level == BPE else ""
    length = count_noun(passage_characters(level, context), "character")
    which = "the document a passage comes from"
    reasons = {TEXT: f"passages of {most}{length}; {reason}", DOCUMENT: f"{which}; not an input"}
    return Contents(
        layout,
        columns,
        notes,
        kinds={TEXT: PASSAGE, DOCUMENT: "category"},
        target=TEXT,
        why=WHY,
        places=places,
        added=(*columns,),
        beside=frozenset({DOCUMENT}),
        document=DOCUMENT,
        settings={TEXT: {"level": level, "context": context}},
        reasons=reasons,
    )


def find_given_parts(names: Sequence[str]) -> list[str | None]:
    """The part of each document by its folders, or by its own name where all are called so; empty for none.

    >>> find_given_parts(["train/a.txt", "test/a.txt"]), find_given_parts(["wiki.train.txt", "wiki.test.txt"])
    (['train', 'test'], ['train', 'test'])
    """
    splits = find_parts([name.split("/")[:-1] for name in names], "").splits
    if not splits:
        own = [part_of_name(name.rsplit("/", 1)[-1].removesuffix(suffix_of(name))) for name in names]
        splits = own if None not in own and len(set(own)) > 1 else []
    return splits if PARTS[0] in splits else []


def _look_through_all(
    openers: Mapping[str, Opener], found: DocumentListing, options: ReadOptions, given: bool, notes: list[Note]
) -> list[Document]:
    """Every document that can be read; what is left out is said. Raises PellucidError where none is left."""
    documents, lost, empty = list[Document](), dict[str, str](), dict[str, str]()
    for name, opener in openers.items():
        try:
            # Among code, and where it is given itself, a page is text.
            document = look_through(name, opener, options.encoding, given or is_source(name))
        except EmptyText as why:
            empty[name] = str(why)
            continue
        except Unreadable as why:
            lost[name] = str(why)
            continue
        if document.packed and not given and is_source(name):
            found.generated.append(name)
        else:
            documents.append(document)
    if not documents and len(openers) == 1:
        for name, reason in (lost | empty).items():
            raise PellucidError(reason, where=name, fix="give a file of text")
    if not documents:
        what = f"none of its {count_noun(len(openers), 'text')} can be read"
        raise PellucidError(what, where=found.name, fix="check that they are text files")
    left = (Note.left_out(why, name) for name, why in lost.items())
    report_some(notes.append, left, len(lost), "files can't be read and are left out", action=LEFT_OUT)
    if empty:
        text = f"{count_noun(len(empty), 'empty document is', 'empty documents are')} left out"
        notes.append(Note("info", f"{text} ({join_words(empty, MOST_NAMED)})", found.name, LEFT_OUT))
    return documents


def _without_copies(
    documents: Sequence[Document], parts: Sequence[str | None], where: str, notes: list[Note]
) -> tuple[list[Document], list[str | None]]:
    """The documents each once: of copies the one in train stays, else the first.

    What is in train and in test would be scored on as if it were new, and what is there many times learned by heart
    (Lee et al., "Deduplicating Training Data Makes Language Models Better", 2022).
    """
    place = {part: i for i, part in enumerate([*PARTS, None])}
    order = sorted(range(len(documents)), key=lambda i: place[parts[i]] if parts else 0)
    first: dict[str, int] = {}
    for i in order:
        first.setdefault(documents[i].digest, i)
    copies = [i for i in order if first[documents[i].digest] != i]
    if not copies:
        return list(documents), list(parts)
    shown = join_words((f"{documents[i].name} of {documents[first[documents[i].digest]].name}" for i in copies), 3)
    text = f"{count_noun(len(copies), 'document is a copy', 'documents are copies')} of another and left out ({shown})"
    across = sum(parts[i] != parts[first[documents[i].digest]] for i in copies) if parts else 0
    if across:
        text += f"; {across:,} of them in another set than the one that stays"
    notes.append(Note("warning" if across else "info", text, where, LEFT_OUT))
    kept = sorted(first.values())
    return [documents[i] for i in kept], [parts[i] for i in kept] if parts else []


def _odd_notes(documents: Sequence[Document], where: str) -> Iterator[Note]:
    """What was odd about how documents are written."""
    guesses = dict.fromkeys(document.guess for document in documents if document.guess)
    for guess in guesses:
        names = [document.name for document in documents if document.guess == guess]
        text = f"{count_noun(len(names), 'text is', 'texts are')} not UTF-8 and read as {encoding_in_words(guess)}"
        yield Note("warning", f"{text}: {join_words(names, MOST_NAMED)}", where, AS_IT_SAYS, WRONG_WORDS)
    if names := [document.name for document in documents if document.ends]:
        text = f"lines of {join_words(names, MOST_NAMED)} end with \\r\\n or \\r, which is read as \\n"
        yield Note("info", text, where, AS_IT_SAYS)
    if zeros := sum(document.zeros for document in documents):
        yield Note("warning", f"{count_noun(zeros, 'zero byte')} in it, removed", where, AS_IT_SAYS)
    if unread := sum(document.unread for document in documents):
        what = count_noun(unread, "character is invalid in its encoding", "characters are invalid in their encoding")
        yield Note("warning", f"{what} and read as '\ufffd'", where, AS_IT_SAYS, WRONG_WORDS)


def _cut_all(
    documents: Sequence[Document], parts: Sequence[str | None], level: str, context: int, options: ReadOptions
) -> tuple[dict[str, Column], Places, int]:
    """The columns of all passages, where each stands, and how many there are."""
    made: list[np.ndarray] = []
    size = passage_characters(level, context)
    try:
        frames = passage_frames(documents, parts, size, level == BPE, made)
        chunks = chunks_of(frames, partial(Spool, options.spool))
    except Unreadable as why:
        raise PellucidError(f"a document {why}", fix="read it again when nothing else writes to it") from None
    places = passage_places(documents, made)
    rows = sum(map(len, made))
    columns = {}
    for name in chunks[0].schema:
        several = LazyValues(rows, partial(_read_chunks, chunks, name), pl.String())
        held = chunks[0].read(name) if len(chunks) == 1 else several
        columns[name] = Column(name, held, None, places, marked=True, row_places=places)
    return columns, places, rows


def _read_chunks(chunks: Sequence[Chunk], name: str) -> Iterator[pl.Series]:
    return (chunk.read(name) for chunk in chunks)


def _what(documents: Sequence[Document], given: bool) -> str:
    """What was found, in a few words."""
    if len(documents) == 1:
        return "a text"
    languages = Counter(language_of(document.name) or "other text" for document in documents)
    named = languages.most_common(MOST_LANGUAGES)
    others = len(documents) - sum(count for _, count in named)
    rest = [count_noun(others, "other")] if others else []
    shown = join_words([*(f"{count:,} {name}" for name, count in named), *rest])
    return f"{len(documents):,} documents" + (f" ({shown})" if len(languages) > 1 and not given else "")


def _note_class_folders(names: Sequence[str], where: str) -> Iterator[Note]:
    """A note on folders that could be taken for classes and are not."""
    folders = find_class_folders([name for name in names if not is_source(name)])
    if len(folders.names) > 1:
        text = f"its folders ({join_words(folders.names, 3)}) are not read as classes: {folders.why or 'as you asked'}"
        yield Note("info", text, where, "what comes next is learned", "--target label takes them for classes")
