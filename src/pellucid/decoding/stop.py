"""Where a text that is written ends, and which of its letters can be shown: pieces need not end where letters do."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from functools import lru_cache

from ..errors import UsageError


class PieceStream:
    """Pieces of a text as they are written, given out as soon as they are certain.

    A piece may be a part of a letter (bytes of UTF-8) or of a stop text: what may still become one is kept back. Bytes
    that are no text become U+FFFD. No stop text is given out, nor anything behind it.

    Args:
        stops: texts that end the writing.

    Raises:
        UsageError: for an empty one.

    >>> stream = PieceStream(["\\n\\n"])
    >>> [stream.push(piece) for piece in (b"\\xc3", b"\\xa9t\\xc3\\xa9\\n", b"\\nmore")], stream.stopped
    (['', 'été', ''], True)
    """

    def __init__(self, stops: Iterable[str] = ()):
        self.stops = tuple(stops)
        if "" in self.stops:
            raise UsageError("a stop text is empty", fix="leave it out, or write the text to stop at")
        # The stop text that was met; empty before.
        self.met = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._kept = ""

    @property
    def stopped(self) -> bool:
        """Whether a stop text was met, so that there is no more to write."""
        return bool(self.met)

    def push(self, piece: bytes | str) -> str:
        """What can be shown now that one piece more is there."""
        return self._release(piece if isinstance(piece, str) else self._decoder.decode(piece))

    def finish(self) -> str:
        """What was kept back, once it is certain that no piece follows."""
        shown = self._release(self._decoder.decode(b"", True)) + self._kept
        self._kept = ""
        return shown

    def _release(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._kept + text
        # The first that is complete, so that it does not matter how the text is cut into pieces.
        found = [(at + len(stop), at, stop) for stop in self.stops if (at := text.find(stop)) >= 0]
        if found:
            _, place, self.met = min(found)
            self._kept = ""
            return text[:place]
        kept = max((begun_length(text, stop) for stop in self.stops), default=0)
        self._kept = text[len(text) - kept :]
        return text[: len(text) - kept]


def begun_length(text: str, stop: str) -> int:
    """How many letters at the end of a text are the beginning of another.

    >>> begun_length("the en", "end"), begun_length("the end", "nothing")
    (2, 0)
    """
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


@lru_cache(maxsize=1)
def byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in the pieces of a byte-level BPE, and that byte (Radford et al., 2019).

    Bytes that are seen as letters stand for themselves, the others, in their order, for letters from U+0100 on.
    """
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + i): byte for i, byte in enumerate(others)}


def piece_bytes(piece: str) -> bytes:
    """The bytes of a piece of a byte-level BPE, as its vocabulary writes it.

    >>> piece_bytes("Ġthe"), piece_bytes("Ã©").decode()
    (b' the', 'é')
    """
    letters = byte_letters()
    # As the tokenizers library decodes what is no such piece: as it stands.
    known = letters.keys() >= set(piece)
    return bytes(letters[letter] for letter in piece) if known else piece.encode(errors="replace")
