"""A file of text as UTF-8, in blocks that end where a record ends, so that no file need fit into memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from ...fields import Note
from ...wording import count_noun
from .signatures import check_text

# Bytes that a file's form is inferred from.
SAMPLE_BYTES = 1 << 16

# Bytes read at a time; smaller files are one block. Reading one takes some 12 times its size for a moment.
BLOCK = 1 << 23

# Bytes of a block that no end of a record is found in: it is then cut at a line end, or one stray mark would take all
# of a file into memory.
LONGEST_BLOCK = 4 * BLOCK

# Lines: a longer cell is a quotation mark that was never closed.
LONG_CELL = 100

# Lines that the sample has at least, where lines are long.
FEWEST_LINES = 3

WESTERN = ("cp1252", "latin-1")

# Encodings of other scripts that files are in.
SCRIPTS = {"cp932": "Japanese", "euc_jp": "Japanese", "gb18030": "Chinese", "big5": "Chinese", "cp949": "Korean",
           "cp1251": "Cyrillic", "koi8_r": "Cyrillic", "cp1253": "Greek", "cp1255": "Hebrew", "cp1256": "Arabic",
           "cp1254": "Turkish", "cp874": "Thai"}  # fmt: skip

WRONG_WORDS = "--encoding NAME, if words look wrong"

# Bytes above 127 before a script is guessed.
MIN_HIGH = 8

# Of the bytes above 127, that stand beside another one where words are made of them.
MANY_TOGETHER = 0.5

# How bytes that are not of an encoding are decoded: by themselves in Western European, else as U+FFFD.
WESTERN_BYTES = "western"

# Bytes that stand for nothing in cp1252, so that a file with one of them is latin-1.
UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


def utf8_blocks(
    path: Path, where: str, notes: list[Note], quotes: bool = True, encoding: str | None = None
) -> Iterator[bytes]:
    """The file in UTF-8, without a byte order mark, with plain line ends, cut after records.

    Args:
        where: how messages call it. notes: is told of an odd encoding.
        quotes: whether a line end between quotation marks ends no record. encoding: the file's, found when left out.
    """
    check_text(path, where)
    encoding, found = encoding_of(path) if encoding is None else (encoding, "")
    if found:
        notes.append(Note("warning", f"is not UTF-8; read as {encoding_in_words(found)}", where, fix=WRONG_WORDS))
    decoded = _decode_chunks(path, encoding, where, notes)
    return _cut_at_records(_plain_ends(_without_zeros(decoded, where, notes)), quotes)


def encoding_in_words(found: str) -> str:
    """The script that an encoding which was found is of, and its name.

    >>> encoding_in_words("cp1252"), encoding_in_words("koi8_r")
    ('Western European (cp1252)', 'Cyrillic (koi8_r)')
    """
    return f"Western European ({found})" if found in WESTERN else f"{SCRIPTS[found]} ({found})"


def encoding_of(path: Path) -> tuple[str, str]:
    """The name of the file's encoding, and again where it is a guess, else an empty text. Reads all of the file."""
    return find_encoding(partial(_byte_chunks, path))


def find_encoding(chunks: Callable[[], Iterable[bytes]]) -> tuple[str, str]:
    """The same of bytes wherever they lie; ``chunks`` gives them anew."""
    start = next(iter(chunks()), b"")[:4]
    if start in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32", ""
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16", ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for data in chunks():
            # ASCII is UTF-8, and asking for it is many times faster than decoding.
            if decoder.getstate()[0] or not data.isascii():
                decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        if guess := _guess_script(next(iter(chunks()))):
            return guess, guess
        odd = any(UNDEFINED.search(data) for data in chunks())
        return ("latin-1", "latin-1") if odd else ("cp1252", "cp1252")
    return "utf-8", ""


def _guess_script(data: bytes) -> str:
    """The encoding of a text in another script than ours, by how often its letters follow one another; else empty.

    In Western languages letters with accents stand alone, in others words are made of bytes above 127.
    """
    # Lines that are UTF-8 say nothing of the others: files are put together.
    lines = [line for line in data[: 1 << 20].split(b"\n") if not (line.isascii() or _is_utf8(line))]
    some = b"\n".join(lines)[:SAMPLE_BYTES]
    raw = np.frombuffer(some, np.uint8)
    high = raw > 127
    beside = np.zeros(len(raw), bool)
    beside[1:] |= high[:-1]
    beside[:-1] |= high[1:]
    if high.sum() < MIN_HIGH or (high & beside).sum() < MANY_TOGETHER * high.sum():
        return ""
    from charset_normalizer import from_bytes

    # A sign of two bytes may be cut at the end. Half katakana are what other scripts look like, read as Japanese.
    found = from_bytes(some[: some.rfind(b"\n")] if b"\n" in some else some, cp_isolation=list(SCRIPTS))
    names = [match.encoding for match in found if not re.search("[\uff61-\uff9f]", str(match))]
    return next((name for name in names if name in SCRIPTS), "")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode_text(data: bytes) -> tuple[str, str]:
    """The text of a whole file in memory, by the same rules, and its encoding where that is a guess.

    >>> decode_text(b"caf\\xe9\\r\\n"), decode_text("na\\u00efve".encode())
    (('caf\u00e9\\n', 'cp1252'), ('na\u00efve', ''))
    """
    guess = ""
    if data[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        text = data.decode("utf-32", "replace")
    elif data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            guess = _guess_script(data) or ("latin-1" if UNDEFINED.search(data) else "cp1252")
            bare = data.removeprefix(codecs.BOM_UTF8)
            text = bare.decode("utf-8", WESTERN_BYTES) if guess in WESTERN else bare.decode(guess, "replace")
    # Half of a pair is no character, and no UTF-8 can hold it.
    text = text.encode("utf-8", "replace").decode()
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""), guess


def _byte_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(BLOCK):
            yield data


def _decode_chunks(path: Path, encoding: str, where: str, notes: list[Note]) -> Iterator[bytes]:
    # A user may say so of a file that is none.
    if encoding == "utf-8" and not encoding_of(path)[1]:
        first = True
        for data in _byte_chunks(path):
            yield data.removeprefix(codecs.BOM_UTF8) if first else data
            first = False
        return
    # Byte by byte: the rest may be UTF-8.
    western = encoding in WESTERN
    decoder = codecs.getincrementaldecoder("utf-8" if western else encoding)(WESTERN_BYTES if western else "replace")
    unread = 0
    for data in chain(_byte_chunks(path), [b""]):
        text = decoder.decode(data, final=not data)
        unread += text.count("\ufffd")
        yield text.encode("utf-8", "replace")
    if unread:
        what = f"{count_noun(unread, 'character is', 'characters are')} not {encoding} and read as '\ufffd'"
        notes.append(Note("warning", what, where, fix=WRONG_WORDS))


def _decode_western(error: UnicodeError) -> tuple[str, int]:
    """The bytes that are not UTF-8, read as cp1252, and as latin-1 where that has none."""
    assert isinstance(error, UnicodeDecodeError)
    odd = error.object[error.start : error.end]
    return "".join(bytes([b]).decode("latin-1" if UNDEFINED.match(bytes([b])) else "cp1252") for b in odd), error.end


codecs.register_error(WESTERN_BYTES, _decode_western)


def _without_zeros(chunks: Iterable[bytes], where: str, notes: list[Note]) -> Iterator[bytes]:
    """The same without zero bytes, which mean nothing in a text and end it for some readers."""
    count = 0
    for data in chunks:
        count += data.count(0)
        yield data.replace(b"\0", b"")
    if count:
        notes.append(Note("warning", f"{count_noun(count, 'zero byte')} in it, removed", where))


def _plain_ends(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Old Macintosh line ends, where there are no others, become the usual ones."""
    old: bool | None = None
    for data in chunks:
        if old is None and data:
            old = b"\n" not in data[:SAMPLE_BYTES] and b"\r" in data[:SAMPLE_BYTES]
        yield data.replace(b"\r", b"\n") if old else data


def _cut_at_records(chunks: Iterable[bytes], quotes: bool) -> Iterator[bytes]:
    """The same bytes, each block but the last ending with a record; one that never ends is cut at a line end."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        if len(rest) < BLOCK:
            continue
        end = _last_end(rest, quotes) or (rest.rfind(b"\n") + 1 if len(rest) >= LONGEST_BLOCK else 0)
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _last_end(block: bytes, quotes: bool) -> int:
    """Where the last whole record of a block ends; 0 when there is none, or a quotation seems never to close."""
    end = block.rfind(b"\n") + 1
    # Only the number of marks before a line end tells whether it is inside a quotation; from the back this takes one
    # count and a few lines.
    inside = quotes and block.count(b'"', 0, end) % 2 == 1
    for _ in range(LONG_CELL):
        if not inside or not end:
            return end
        before = block.rfind(b"\n", 0, end - 1) + 1
        inside ^= block.count(b'"', before, end) % 2 == 1
        end = before
    return 0


def first_lines(block: bytes) -> bytes:
    """The beginning of a block, as much as its form is inferred from: whole lines."""
    size = SAMPLE_BYTES
    while size < len(block) and block.count(b"\n", 0, size) < FEWEST_LINES:
        size *= 4
    if size >= len(block):
        return block
    return block[: block.rfind(b"\n", 0, size) + 1]
