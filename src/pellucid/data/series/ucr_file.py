"""Files of series in the form of the UCR archive: a series a line, its class first, then its values, no header.

Cells stand between tabs, commas or blanks; series that are shorter than others are filled up with NaN.
"""

from __future__ import annotations

import re

import numpy as np

from ...errors import PellucidError
from ...fields import Note
from ...fields.notes import AS_IT_SAYS
from ..tables.text_blocks import decode_text
from .series_file import CLASS, SeriesFile
from .ts_file import MISSING, parse_values

# Lines of a file that are looked at to know that it is one, and values that a series has at the least.
MOST_LOOKED_AT, FEWEST_VALUES = 20, 3

MARKS = ("\t", ",", None)


def is_ucr(head: bytes) -> bool:
    """Whether a file begins with lines of numbers alone, each behind a class; for files that are called like one."""
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if line.strip()]
    # The last line may be cut.
    lines = (lines[:-1] if len(lines) > 1 else lines)[:MOST_LOOKED_AT]
    return bool(lines) and all(_is_line(cut_line(line)) for line in lines)


def _is_line(cells: list[str]) -> bool:
    if len(cells) <= FEWEST_VALUES:
        return False
    try:
        parse_values(",".join(cells[1:]))
    except ValueError:
        return False
    return True


def cut_line(line: str) -> list[str]:
    """The cells of a line, whatever stands between them."""
    for mark in MARKS:
        cells = [cell.strip() for cell in line.strip().split(mark)]
        if len(cells) > 1:
            return cells
    return [line.strip()]


def read_ucr(where: str, content: bytes) -> SeriesFile:
    """Read a file of series; a line that can't be read keeps its row, and says why.

    Raises:
        PellucidError: when there is nothing in it.
    """
    text, guess = decode_text(content)
    file = SeriesFile(where, CLASS)
    if guess:
        file.notes.append(Note("warning", f"is not UTF-8 and read as Western European ({guess})", where, AS_IT_SAYS))
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            add_line(file, number, cut_line(line))
    if not file.rows:
        raise PellucidError("there are no series in it", where=where)
    return file


def add_line(file: SeriesFile, number: int, cells: list[str]) -> None:
    """Add one series: its class, then its values."""
    answer = class_text(cells[0])
    try:
        values = without_padding(parse_values(",".join(cells[1:])) if len(cells) > 1 else np.zeros(0))
    except ValueError as error:
        file.add(number, None, answer, str(error))
        return
    file.add(number, [values], answer, "" if len(values) else "the series is empty")


def class_text(cell: str) -> str | None:
    """A class as it is called; numbers as whole ones are written.

    >>> class_text("1.0000000e+00"), class_text("-1"), class_text("cat"), class_text("?")
    ('1', '-1', 'cat', None)
    """
    if cell.lower() in MISSING:
        return None
    if re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,2})?", cell) and float(cell) == round(float(cell)):
        return str(int(float(cell)))
    return cell


def without_padding(values: np.ndarray) -> np.ndarray:  # (T,) -> (T',)
    """The values up to the last that is there."""
    known = np.flatnonzero(np.isfinite(values))
    return values[: known[-1] + 1] if len(known) else values[:0]
