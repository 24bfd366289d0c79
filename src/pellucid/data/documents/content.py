"""The text of documents, in pieces: decoded, without a byte order mark, with plain line ends and nothing else changed.

C characters of all of them.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import IO, Any

import numpy as np

from ...fields.files import Unreadable
from ...fields.passage import CODE_POINTS
from ..tables.signatures import SAMPLE_BYTES, meaning_of
from ..tables.text_blocks import WESTERN, WESTERN_BYTES, find_encoding

# Bytes, or characters, that are taken at a time.
PIECE = 1 << 22

# Code with longer lines, the longest or on average, was packed or made by a program.
LONGEST_LINE, LONG_LINES = 5_000, 300

# What programs write above code that they make, at the beginning of a line.
GENERATED = re.compile(
    r"^[\W_]{0,12}(@generated|code generated .{0,80}do not edit|auto-?generated.{0,40}do not (edit|modify)"
    r"|this file (is|was) (automatically |auto-?)generated)",
    re.IGNORECASE | re.MULTILINE,
)

# Of a document, that such words stand in.
HEAD_CHARS = 1_000


class EmptyText(Unreadable):
    """There is nothing in a document, or nothing but spaces."""


# Opens a document anew for its bytes.
Opener = Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Document:
    """A document that can be read.

    Attributes:
        name: how it is called. open: its bytes. encoding: of them; guess: the same where it is a guess, else empty.
        characters: how many there are; size: the bytes that they take in UTF-8; different: those that are met, sorted.
        digest: SHA-256 of its text: copies have the same.
        ends: its lines ended otherwise. zeros: zero bytes in it, which are taken out. unread: characters that its
            encoding has not. packed: it is not what people write, by its lines and its beginning.
    """

    name: str
    open: Opener
    encoding: str
    guess: str
    characters: int
    size: int
    different: np.ndarray
    digest: str
    ends: bool = False
    zeros: int = 0
    unread: int = 0
    packed: bool = False

    def pieces(self) -> Iterator[str]:
        """Its text. Raises Unreadable."""
        return (text.replace("\0", "") for text, _ in decoded_pieces(self.open, self.encoding))


def look_through(name: str, opener: Opener, encoding: str | None = None, page: bool = False) -> Document:
    """A document, gone through once to know what it is like.

    Args:
        encoding: of it; found when left out. page: it may be a web page.

    Raises:
        Unreadable: for what is no text; EmptyText for what is empty, or only spaces.
    """
    check_content(opener, page)
    found, guess = (encoding, "") if encoding else find_encoding(partial(byte_chunks, opener))
    look = _Look()
    for text, ends in decoded_pieces(opener, found):
        look.take(text, ends)
    if not look.characters or look.blank:
        raise EmptyText("is empty" if not look.characters else "holds only spaces")
    odd = look.unread if guess or encoding else 0
    about = (look.characters, look.size, np.flatnonzero(look.seen), look.digest.hexdigest())
    return Document(name, opener, found, guess, *about, look.ends, look.zeros, odd, look.packed)


def different_characters(documents: Iterable[Document]) -> int:
    """How many characters are met in some documents together."""
    seen = np.zeros(CODE_POINTS, bool)
    for document in documents:
        seen[document.different] = True
    return int(seen.sum())


class _Look:
    """What one text is like, a piece after the other."""

    def __init__(self) -> None:
        self.characters = self.size = self.zeros = self.unread = 0
        self.blank, self.ends = True, False
        self.seen, self.digest = np.zeros(0, bool), hashlib.sha256()
        self._head, self._lines, self._longest, self._line = "", 0, 0, 0

    def take(self, text: str, ends: bool) -> None:
        self.zeros += text.count("\0")
        text = text.replace("\0", "")
        codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
        self._see(codes)
        written = text.encode()
        self.digest.update(written)
        self.size += len(written)
        self.characters += len(text)
        self.unread += text.count("\ufffd")
        self.ends |= ends
        self.blank = self.blank and not text.strip()
        self._head = (self._head + text)[:HEAD_CHARS] if len(self._head) < HEAD_CHARS else self._head
        self._measure_lines(codes)

    def _see(self, codes: np.ndarray) -> None:  # (C,)
        if (more := int(codes.max(initial=0)) + 1 - len(self.seen)) > 0:
            self.seen = np.pad(self.seen, (0, more))
        self.seen[codes] = True

    def _measure_lines(self, codes: np.ndarray) -> None:  # (C,)
        ends = np.flatnonzero(codes == ord("\n"))
        self._lines += len(ends)
        lengths = np.diff(ends, prepend=-1 - self._line)
        self._line = len(codes) - 1 - int(ends[-1]) if len(ends) else self._line + len(codes)
        self._longest = max(self._longest, int(lengths.max(initial=0)), self._line)

    @property
    def packed(self) -> bool:
        mean = self.characters / (self._lines + 1)
        return self._longest > LONGEST_LINE or mean > LONG_LINES or GENERATED.search(self._head) is not None


def check_content(opener: Opener, page: bool = False) -> None:
    """Raises Unreadable for what begins like anything but text.

    Args:
        page: a web page is text.
    """
    with opener() as file:
        head = file.read(SAMPLE_BYTES)
    what = meaning_of(head)[0]
    if what and not (page and what == "a web page"):
        raise Unreadable(f"is not text but {what}")


def byte_chunks(opener: Opener) -> Iterator[bytes]:
    """The bytes of a document."""
    with opener() as file:
        while data := file.read(PIECE):
            yield data


def decoded_pieces(opener: Opener, encoding: str) -> Iterator[tuple[str, bool]]:
    """The text of a document, and whether line ends of another form than "\\n" have been met so far.

    Raises:
        Unreadable: when it goes away, or is damaged, while it is read.
    """
    western = encoding in WESTERN
    # Bytes that are not UTF-8 are read as Western European one by one. A byte order mark is no part of a text.
    name = "utf-8-sig" if western or codecs.lookup(encoding).name == "utf-8" else encoding
    decoder = codecs.getincrementaldecoder(name)(WESTERN_BYTES if western else "replace")
    plain = io.IncrementalNewlineDecoder(decoder, translate=True)
    try:
        for data in chain(byte_chunks(opener), [b""]):
            text = plain.decode(data, final=not data)
            # Half of a pair is no character, and no UTF-8 can hold it.
            whole = text if text.isascii() else text.encode("utf-8", "replace").decode()
            yield whole, _met_other_ends(plain.newlines)
    except OSError as error:
        raise Unreadable(f"can't be read ({error.strerror or error})") from None
    except UnicodeError as error:
        raise Unreadable(f"is not {encoding} ({error})") from None


def _met_other_ends(newlines: Any) -> bool:
    met = (newlines,) if isinstance(newlines, str) else newlines or ()
    return any(one != "\n" for one in met)


def packed_opener(fetch: Callable[[str], bytes], path: str) -> IO[bytes]:
    """A document of an archive."""
    return io.BytesIO(fetch(path))


def plain_opener(path: str) -> IO[bytes]:
    """A document on the disk. Raises Unreadable."""
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise Unreadable("does not exist") from None
    except OSError as error:
        raise Unreadable(f"can't be opened ({error.strerror})") from None


def text_opener(text: str) -> IO[bytes]:
    """A text that was given itself."""
    return io.BytesIO(text.encode("utf-8", "replace"))
