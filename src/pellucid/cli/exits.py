"""Exit codes, and how a failure is told: what the user can mend, and what is a bug."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from typing import Any

import click

from ..errors import Interrupted, PellucidError, UsageError, no_memory, visible_text

# As elsewhere: 2 as click and getopt have it, 70 is EX_SOFTWARE of sysexits.h, 130 is 128 and SIGINT.
DONE, MENDABLE, USAGE, BUG, STOPPED = 0, 1, 2, 70, 130


@dataclass(frozen=True)
class Failure:
    """Why a command did not do what it was asked for.

    Attributes:
        message: what is wrong. where: the file, row or column. fix: what to do about it.
        exit_code: of the process. usage: how the verb is used, where a word of the command was wrong.
    """

    message: str
    exit_code: int
    where: str | None = None
    fix: str | None = None
    usage: str = ""

    @property
    def text(self) -> str:
        return str(PellucidError(self.message, where=self.where, fix=self.fix))

    def to_json(self) -> dict[str, Any]:
        """The last line of ``--json``."""
        return {
            "event": "error", "message": self.message, "where": self.where, "fix": self.fix,
            "exit_code": self.exit_code,
        }  # fmt: skip


USED_UP = Failure("this machine is out of memory", MENDABLE, fix="make --size, --image-size or --batch-size smaller")


def explain_failure(error: BaseException) -> Failure:
    """What to tell the user, and the exit code."""
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        usage, fix = (
            (context.get_usage(), f"{context.command_path} --help lists what there is") if context else ("", None)
        )
        return Failure(error.format_message(), error.exit_code, fix=fix, usage=usage)
    if isinstance(error, PellucidError):
        code = STOPPED if isinstance(error, Interrupted) else USAGE if isinstance(error, UsageError) else MENDABLE
        return Failure(error.what, code, error.where, error.fix)
    if isinstance(error, OSError):
        return Failure(str(error.strerror or error), MENDABLE, str(error.filename or "the system"))
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Failure("stopped", STOPPED)
    if no_memory(error):
        return USED_UP
    if os.environ.get("PELLUCID_DEBUG"):
        traceback.print_exception(error)
    hint = "set PELLUCID_DEBUG=1 to see where; please report it with that text"
    return Failure(f"this is a bug in Pellucid: {type(error).__name__}: {error}", BUG, fix=hint)


def print_failure(failure: Failure) -> int:
    """Say on standard error what went wrong; the exit code."""
    first, newline, rest = visible_text(failure.text).partition("\n")
    # None leaves it to click, which asks the terminal; see no-color.org.
    colour = None if "NO_COLOR" not in os.environ else False
    stopped = failure.exit_code == STOPPED
    sign = click.style("■ " if stopped else "✗ ", fg="yellow" if stopped else "red")
    # Named, because click takes an ASCII stream for a mistake and writes UTF-8 to it.
    if failure.usage:
        click.echo(visible_text(failure.usage), file=sys.stderr)
    click.echo(sign + first + newline + rest, file=sys.stderr, color=colour)
    return failure.exit_code
