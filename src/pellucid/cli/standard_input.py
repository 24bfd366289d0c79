"""Standard input: a table (``cat t.csv | pellucid predict RUN -``), texts a line each, or a text to go on from."""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from ..errors import PellucidError, UsageError
from ..wording import count_noun

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
    if not _is_piped():
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


def piped_prompt() -> tuple[str, ...]:
    """All of standard input as one text to go on from, but for the line end that ``echo`` adds; none of a person's."""
    return (sys.stdin.read().removesuffix("\n").removesuffix("\r"),) if _is_piped() else ()


def piped_texts(*, blank: bool) -> tuple[str, ...]:
    """One text a line of standard input; none when a person sits at it.

    Args:
        blank: blank lines are texts too, so that there is an answer a line; else they are left out, which is said.
    """
    if not _is_piped():
        return ()
    # Left to itself, Python would end lines at a lone carriage return as well.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(newline="\n")
    text = sys.stdin.read()
    # Not by ``splitlines``, which also ends lines at signs that stand within sentences, such as U+2028.
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []
    kept = [line for line in lines if blank or line.strip()]
    if lost := len(lines) - len(kept):
        said = f"{count_noun(lost, 'blank line is', 'blank lines are')} left out"
        click.echo(click.style("! ", fg="yellow") + said, file=sys.stderr)
    return tuple(kept)


def _is_piped() -> bool:
    # Some programs start others without any standard input.
    return sys.stdin is not None and not sys.stdin.isatty()
