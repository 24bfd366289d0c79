"""Standard output and error in whatever encoding they have: what it can't hold is replaced, and nothing fails.

A redirection has the encoding that the system prefers: cp1252 on Windows, ASCII where no language is set.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

# The name under which Python finds ``replace_signs``.
HANDLER = "pellucid.plain"

# Signs of ours, and of most languages' typography, that ASCII says nearly as well.
PLAIN = {
    **dict.fromkeys("█▉▊▋▌▐▓", "#"), **dict.fromkeys("▍▎▏┤│", "|"), **dict.fromkeys("–—−‐‑·", "-"),
    **dict.fromkeys("\xa0\u2007\u2009\u202f", " "), **dict.fromkeys("‘’‚", "'"), **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("▁▂", "_"), **dict.fromkeys("▃▄▅", "-"), **dict.fromkeys("▆▇", "^"), "░": ".", "▒": ":",
    "…": "...", "✗": "x", "✓": "+", "■": "*", "•": "*", "→": "->", "×": "x", "±": "+/-", "≤": "<=", "≥": ">=", "≈": "~",
    "µ": "u", "²": "2", "═": "=", "─": "-", "━": "-", "╸": "-", "╺": "-", "\ufeff": "",
}  # fmt: skip

# The upper two rows of dots of a braille cell, and the lower two.
UPPER, LOWER = 0x01 | 0x08 | 0x02 | 0x10, 0x04 | 0x20 | 0x40 | 0x80

TRAILING_BLANKS = re.compile(r"[ \t]+(?=\n|$)")


def prepare_streams() -> None:
    """Let standard output and error replace what their encoding can't hold."""
    codecs.register_error(HANDLER, replace_signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def replace_signs(error: UnicodeError) -> tuple[str, int]:
    """A handler for ``codecs``: a plain sign where there is one, else the escape that Python and JSON write."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(plain_sign, error.object[error.start : error.end])), error.end


def plain_sign(sign: str) -> str:
    """The plain equivalent of a sign, or its escape.

    >>> "".join(map(plain_sign, "█ – ö"))
    '# - \\\\xf6'
    """
    code = ord(sign)
    if 0x2800 <= code < 0x2900:
        dots = code - 0x2800
        return " '.:"[bool(dots & UPPER) + 2 * bool(dots & LOWER)]
    if sign in PLAIN:
        return PLAIN[sign]
    return sign if code < 0x80 else sign.encode("ascii", "backslashreplace").decode()


def json_stream() -> tuple[TextIO, bool]:
    """Standard output for JSON lines, and whether they must be ASCII: what comes out is UTF-8 whatever the encoding."""
    stream = sys.stdout
    name = getattr(stream, "encoding", None) or "utf-8"
    # UTF-16 and its kin: not even the ASCII in it is UTF-8. A program reads this, so what it reads is UTF-8.
    if "{}".encode(name) != b"{}" and isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")
        return stream, False
    return stream, codecs.lookup(name).name != "utf-8"


class TrimmedStream:
    """A stream to which lines are written without the blanks at their ends, with which tables are filled up."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(TRAILING_BLANKS.sub("", text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
