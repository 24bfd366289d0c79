"""Exit codes, and how a failure is told: what the user can mend, and what is a bug."""

from __future__ import annotations

import os
import sys
import traceback

import click

from ..errors import Interrupted, PellucidError, UsageError, visible_text

# As elsewhere: 2 as click and getopt have it, 70 is EX_SOFTWARE of sysexits.h, 130 is 128 and SIGINT.
DONE, MENDABLE, USAGE, BUG, STOPPED = 0, 1, 2, 70, 130

USED_UP = "the memory of this machine is used up\n  make --size, --image-size or --batch-size smaller"


def explain_failure(error: BaseException) -> tuple[str, int]:
    """What to tell the user, and the exit code."""
    if isinstance(error, PellucidError):
        code = STOPPED if isinstance(error, Interrupted) else USAGE if isinstance(error, UsageError) else MENDABLE
        return str(error), code
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}", MENDABLE
    if isinstance(error, MemoryError):
        return USED_UP, MENDABLE
    return "stopped", STOPPED


def print_error(text: str, code: int) -> int:
    first, newline, rest = visible_text(text).partition("\n")
    # None leaves it to click, which asks the terminal; see no-color.org.
    colour = None if "NO_COLOR" not in os.environ else False
    sign = click.style("■ " if code == STOPPED else "✗ ", fg="yellow" if code == STOPPED else "red")
    # Named, because click takes an ASCII stream for a mistake and writes UTF-8 to it.
    click.echo(sign + first + newline + rest, file=sys.stderr, color=colour)
    return code


def report_bug(error: Exception) -> int:
    if os.environ.get("PELLUCID_DEBUG"):
        traceback.print_exc()
    hint = "PELLUCID_DEBUG=1 shows where it happened; please report it with that text"
    return print_error(f"this is a bug in Pellucid: {type(error).__name__}: {error}\n  {hint}", BUG)
