"""Notes: what is worth knowing about the data, by file or row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True)
class Note:
    """Something worth knowing about the data, said by file or row.

    Attributes:
        level: ``"info"`` (what was done), ``"warning"`` (looks wrong) or ``"error"`` (was left out).
        text: what was found and what was or will be done about it.
        where: file, row or column; rows count from 1 as an editor shows the file.
        action: what training does about it; empty where ``text`` says so already.
        fix: what the user can do about it: an option or an edit.
    """

    level: str
    text: str
    where: str = ""
    action: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


Report = Callable[[Note], None]


def report_some(report: Report, notes: Iterable[Note], total: int, what: str, most: int = 5) -> None:
    """Say the first ``most`` of ``total`` notes and, of the others, only how many there are."""
    for note in islice(notes, most):
        report(note)
    if total > most:
        report(Note("warning", f"{total - most:,} more {what}"))
