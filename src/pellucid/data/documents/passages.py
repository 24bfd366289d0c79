"""Documents cut into passages, which are rows, and where each of them stands. n passages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from ...fields.passage import BPE, BPE_CHARACTERS, BYTES, CHARACTERS, CONTEXT
from ..tables.table import CHARACTER, UNITS, Places
from .content import Document

# The columns that documents make.
TEXT, DOCUMENT = "text", "document"

# Texts up to which, and with at most so many different characters, each character is a token.
SMALL_BYTES, FEW_CHARACTERS = 4_000_000, 256

# That a text has at least, unless asked otherwise: of fewer no part has enough. Shorter passages are made for it.
FEW_PASSAGES = 20

# Characters of the shortest passage that is made so.
SHORTEST = 10

# Of a passage, behind which it may end at a space.
LAST_QUARTER = 0.75

# Characters of passages that are held before they go to the disk.
CHARACTERS_AT_ONCE = 1 << 25


def choose_level(asked: str | None, source: bool, size: int, different: int) -> tuple[str, str]:
    """What a token is, and why.

    Args:
        asked: by the user. source: the documents are source code. size: bytes. different: characters.

    >>> choose_level(None, False, 1_115_394, 65)
    ('characters', 'a token is a character, of which there are only 65 different ones')
    """
    named = {
        CHARACTERS: "a token is a character",
        BYTES: "a token is a byte",
        BPE: "a token is a piece of a word (BPE)",
    }
    if asked is not None:
        return asked, f"{named[asked]}, as asked"
    if source:
        return BYTES, f"{named[BYTES]}, because source code may contain any character"
    if size > SMALL_BYTES:
        return BPE, f"{named[BPE]}, because there are more than {SMALL_BYTES // 1_000_000} MB of text"
    if different > FEW_CHARACTERS:
        return BPE, f"{named[BPE]}, because there are {different:,} different characters"
    return CHARACTERS, f"{named[CHARACTERS]}, of which there are only {different:,} different ones"


def choose_context(asked: int | None, characters: int) -> int:
    """Tokens of a passage: as asked, else the usual number, and fewer where the texts are short."""
    return asked or max(min(CONTEXT, characters // FEW_PASSAGES), SHORTEST)


def passage_characters(level: str, context: int) -> int:
    """Characters of a passage, at most."""
    return context * BPE_CHARACTERS if level == BPE else context


def cut_passages(pieces: Iterable[str], size: int, at_words: bool) -> Iterator[str]:
    """A text as passages of ``size`` characters, the last one shorter; joined they are the text.

    Args:
        at_words: a passage ends before the last word that begins in its last quarter, where one does, so that its
            pieces by BPE are those of the whole text.

    >>> list(cut_passages(["abcd", "efg h"], 4, False)), list(cut_passages(["to be or not"], 8, True))
    (['abcd', 'efg ', 'h'], ['to be or', ' not'])
    """
    rest = ""
    for piece in pieces:
        rest += piece
        start = 0
        while len(rest) - start > size:
            end = _last_word(rest, start, start + size) if at_words else start + size
            yield rest[start:end]
            start = end
        rest = rest[start:]
    if rest:
        yield rest


def _last_word(text: str, start: int, end: int) -> int:
    """Where a passage ends that is to have at most the characters from ``start`` to ``end``; there is one more."""
    low = start + max(round(LAST_QUARTER * (end - start)), 1)
    # The white space before a word belongs to it, as in the tokens. From the back, as one is near; what stands behind
    # ``end`` may not have been read yet.
    backwards = range(end - 1, low - 1, -1)
    return next((at for at in backwards if text[at].isspace() and not text[at + 1].isspace()), end)


def passage_frames(
    documents: Sequence[Document], parts: Sequence[str | None], size: int, at_words: bool, made: list[np.ndarray]
) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataType]]]:
    """The passages of all documents, so many at a time as memory should hold.

    Args:
        parts: of each document; empty for none. made: takes where the passages of each document begin, (k,).
    """
    names = [TEXT, DOCUMENT, *(["split"] if parts else [])]
    schema: dict[str, pl.DataType] = dict.fromkeys(names, pl.String())
    texts, held = list[list[str]](), 0
    own = list[tuple[str | None, ...]]()
    for i, document in enumerate(documents):
        texts.append([])
        own.append((document.name, parts[i]) if parts else (document.name,))
        lengths = []
        for passage in cut_passages(document.pieces(), size, at_words):
            texts[-1].append(passage)
            lengths.append(len(passage))
            held += len(passage)
            if held > CHARACTERS_AT_ONCE:
                yield _passage_frame(names, texts, own), schema
                texts, own, held = [[]], own[-1:], 0
        made.append(np.cumsum([0, *lengths[:-1]], dtype=np.int64))
    if held:
        yield _passage_frame(names, texts, own), schema


def _passage_frame(
    names: Sequence[str], texts: Sequence[Sequence[str]], own: Sequence[Sequence[str | None]]
) -> pl.DataFrame:
    """A frame of the passages of some documents, beside them what is said of each document."""
    counts = np.array([len(some) for some in texts])
    passages = pl.Series(names[0], [passage for some in texts for passage in some], pl.String)
    index = pl.Series(np.repeat(np.arange(len(texts)), counts))
    others = (pl.Series(name, [said[i] for said in own], pl.String) for i, name in enumerate(names[1:]))
    return pl.DataFrame([passages, *(one.gather(index) for one in others)])


def passage_places(documents: Sequence[Document], made: Sequence[np.ndarray]) -> Places:
    """Where each passage stands: ``"notes/a.txt, character 10,240"``, counted from 0."""
    counts = [len(starts) for starts in made]
    return Places(
        [document.name for document in documents],
        np.arange(sum(counts)),
        np.concatenate(made) if made else np.zeros(0, np.int64),
        np.repeat(np.arange(len(counts)), counts),
        np.full(len(counts), UNITS.index(CHARACTER)),
    )
