"""A table on standard input: ``cat t.csv | pellucid predict RUN -``. It is read as any open file is."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import PellucidError, UsageError

# The word of the command line that stands for standard input.
DASH = "-"


def standard_input(data: str | list[str]) -> Any:
    """``data``, or what is piped in as an open file, where it is ``-``.

    Raises:
        UsageError: for ``-`` beside other files, or twice, or where nothing is piped.
    """
    if DASH not in ([data] if isinstance(data, str) else data):
        return data
    if isinstance(data, list) and len(data) > 1:
        raise UsageError("'-' is standard input, and it was given beside others", fix="give it alone, or name files")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("'-' is standard input, and nothing is piped into it", fix="cat t.csv | pellucid … -")
    return PipedFile()


class PipedFile:
    """What comes on standard input, under the name that messages give it."""

    name = "stdin"

    def __init__(self) -> None:
        self._source = getattr(sys.stdin, "buffer", sys.stdin)
        self._any = False

    def read(self, size: int) -> str | bytes:
        """The next bytes. Raises PellucidError when none came at all."""
        piece = self._source.read(size)
        self._any = self._any or bool(piece.strip())
        if not piece and not self._any:
            raise PellucidError("nothing came on standard input", fix="cat t.csv | pellucid … -")
        return piece
