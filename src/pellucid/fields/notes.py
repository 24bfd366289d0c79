"""Notes: what is worth knowing about the data, by file or row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ..wording import join_words

# What training does about what was found.
LEFT_OUT = "left out"
DECODES = "decodes them once"
AS_MISSING = "counts as missing"
TAKEN_OFF = "read without them"
OWN_VALUE = "a value of its own; a row without its target is left out"
AS_VALUE = "read as a word like the others"
AS_IT_SAYS = "done as the note says"
AS_IT_IS = "nothing: used as it is"


@dataclass(frozen=True)
class Note:
    """Something worth knowing about the data, said by file or row.

    Attributes:
        level: ``"info"`` (what was done), ``"warning"`` (looks wrong) or ``"error"`` (was left out).
        text: what was found and what was or will be done about it.
        where: file, row or column; rows count from 1 as an editor shows the file.
        action: what training does about it; unless said, what was found wrong is left out and all else read as it is.
        fix: what the user can do about it: an option or an edit.
        cause: why an example could not be read, for where its row is shown.
    """

    level: str
    text: str
    where: str = ""
    action: str = ""
    fix: str = ""
    cause: str = ""

    @classmethod
    def left_out(cls, cause: str, where: str, level: str = "error") -> Note:
        """That something could not be read, and is left out."""
        return cls(level, f"{cause}; left out", where, LEFT_OUT, cause=cause)

    @property
    def treatment(self) -> str:
        """What training does about it."""
        return self.action or (LEFT_OUT if self.level == "error" else AS_IT_IS)

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


_COLUMN = re.compile(r"column ('.*')", re.DOTALL)

# Columns that a joined note names.
MOST_NAMED = 5


def join_notes(notes: Iterable[Note]) -> list[Note]:
    """Notes with those that say the same of several columns made one, in the place of the first.

    >>> [str(note) for note in join_notes(Note("info", "all the same", f"column '{name}'") for name in "ab")]
    ["columns 'a' and 'b': all the same"]
    """
    found: dict[Any, list[Note]] = {}
    for i, note in enumerate(notes):
        same = (note.level, note.text, note.action, note.fix) if _COLUMN.fullmatch(note.where) else i
        found.setdefault(same, []).append(note)
    return [some[0] if len(some) == 1 else replace(some[0], where=_columns_text(some)) for some in found.values()]


def _columns_text(notes: Iterable[Note]) -> str:
    names = [match[1] for note in notes if (match := _COLUMN.fullmatch(note.where))]
    return f"columns {join_words(names, MOST_NAMED)}"


Report = Callable[[Note], None]


def report_some(report: Report, notes: Iterable[Note], total: int, what: str, most: int = 5, action: str = "") -> None:
    """Say the first ``most`` of ``total`` notes and, of the others, only how many there are."""
    for note in islice(notes, most):
        report(note)
    if total > most:
        report(Note("warning", f"{total - most:,} more {what}", action=action))
