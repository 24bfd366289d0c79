"""Files called .txt: a table whose lines are all cut alike, or texts, one a line. n lines.

A text is full of commas, so cutting well is not enough: a table shows numbers in a column, names above its columns, or
many lines of as many cells.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Note
from ...wording import count_noun
from ..source import ReadOptions
from .delimited import read_delimited
from .form import DELIMITERS
from .spool import Spool, chunks_of
from .table import Runs, Table, places_in_file, row_runs
from .text_blocks import first_lines, utf8_blocks

# The column of a file of texts, and its kind.
TEXT = "text"

# Names that a column of texts has, where they stand alone in the first line.
TEXT_NAMES = ("text", "texts", "review", "reviews", "sentence", "sentences", "message", "messages", "title", "comment")

# Lines of a file that are looked at to know what it is.
MOST_LOOKED_AT = 400

# Lines above a table that may say something of it.
MOST_ABOVE = 30

# So much of the lines must be cut into as many cells, and so much of a column's cells be numbers.
ALIKE_SHARE, NUMBERS_SHARE = 0.8, 0.9

# So many lines cut into as many cells by commas are no chance, in three cells or more.
MANY_LINES = 20

# Of a text that is set in paragraphs so many lines are blank, or so many begin in the middle of a sentence.
RUNNING_SHARE = 0.08

# Blanks where cells of numbers stand side by side without any other delimiter.
BLANKS = " "

MARKS = (*(mark for mark in DELIMITERS if mark != ","), ",", BLANKS)

NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?%?|nan|\d{4}-\d\d-\d\d.*", re.IGNORECASE)

HOW_TO_CONTINUE = f"--target {TEXT} learns to continue them"


def read_text_table(path: Path, where: str, options: ReadOptions) -> Table:
    """Read a file called .txt as what it is: a table, or texts, one a line, blank lines aside.

    Args:
        where: how messages call the file.

    Raises:
        PellucidError: when there is nothing in it.
    """
    notes: list[Note] = []
    found = utf8_blocks(path, where, notes, quotes=False, encoding=options.encoding)
    first = next(found, b"")
    if not first.strip() or is_table(first_lines(first).decode("utf-8", "replace"), options):
        return read_delimited(path, where, options)
    reader = _LineReader(text_name(first, options))
    pieces = chunks_of(reader.frames(chain([first], found)), partial(Spool, options.spool))
    if not pieces:
        raise PellucidError("there is a name for texts but no text below it", where=where)
    blank = reader.line - 1 - reader.count
    about = "a text a line"
    if blank > RUNNING_SHARE * reader.line:
        about = "running text, as in a book, of which each line is read as a text"
    table = Table(about, [reader.name], pieces, places_in_file(where, reader.runs), notes, kinds={reader.name: TEXT})
    what = f"{count_noun(reader.count, 'line')} of text without labels: there is nothing to predict"
    return replace(table, untold=f"{what}; {HOW_TO_CONTINUE}")


def is_table(sample: str, options: ReadOptions) -> bool:
    """Whether the beginning of a file is that of a table, rather than of texts.

    >>> is_table("a,b\\n1,2\\n3,4\\n", ReadOptions()), is_table("Well, then.\\nNo, not so, dear.\\n", ReadOptions())
    (True, False)
    """
    lines = [line for line in sample.splitlines() if line.strip()][:MOST_LOOKED_AT]
    # Who speaks of a header or of two columns means a table.
    if options.header is not None or options.delimiter or len(options.names) > 1 or not lines:
        return True
    asked = {name.casefold() for name in (*options.names, *options.named)}
    cells = (lines[0].split(mark) for mark in DELIMITERS)
    if any(len(some) > 1 and asked & {cell.strip().casefold() for cell in some} for some in cells):
        return True
    if all(NUMBER.fullmatch(line.strip()) for line in lines[1:] or lines):
        return True
    return any(_cut_alike(lines, mark) for mark in MARKS)


def numbers_in_columns(head: bytes) -> bool:
    """Whether a file begins as a table of numbers does, whatever is between them."""
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if line.strip()][:MOST_LOOKED_AT]
    # The last line may be cut.
    lines = lines[:-1] if len(lines) > 3 else lines
    for records in (_records(lines, mark) for mark in MARKS):
        width = len(records[0]) if records else 0
        alike = [record for record in records if len(record) == width]
        if width > 1 and len(alike) >= ALIKE_SHARE * len(records) and 2 * _number_columns(alike) >= width:
            return True
    return False


def _cut_alike(lines: Sequence[str], mark: str) -> bool:
    """Whether a delimiter cuts the lines into the same number of cells, and these are cells of a table."""
    records = _records(lines, mark)
    width = Counter(map(len, records)).most_common(1)[0][0] if records else 0
    start = next((i for i, record in enumerate(records[:MOST_ABOVE]) if len(record) == width), 0)
    below = records[start:]
    alike = [record for record in below if len(record) == width]
    share = len(alike) / max(len(below), 1)
    if width < 2 or share < ALIKE_SHARE:
        return False
    numbers = _number_columns(alike)
    # One number among words is met in sentences too.
    if 2 * numbers >= width or (numbers and len(alike) >= 3 and mark != BLANKS):
        return True
    if mark == BLANKS or share < 1 or len(alike) < 3:
        return False
    if mark != ",":
        return True
    columns = list(zip(*alike[1:], strict=True))
    repeated = len(alike) > 4 and any(2 * len(set(column)) <= len(column) for column in columns)
    return repeated or (width > 2 and len(alike) >= MANY_LINES)


def _records(lines: Sequence[str], mark: str) -> list[list[str]]:
    if mark == BLANKS:
        return [line.split() for line in lines]
    try:
        return [record for record in csv.reader(io.StringIO("\n".join(lines)), delimiter=mark) if record]
    # A cell longer than Python's reader takes.
    except csv.Error:
        return [line.split(mark) for line in lines]


def _number_columns(records: Sequence[Sequence[str]]) -> int:
    """How many columns are numbers or dates, of records of one width; the first may hold names."""
    below = records[1:] or records
    columns = zip(*below, strict=True)
    return sum(
        sum(bool(NUMBER.fullmatch(cell.strip())) for cell in column) >= NUMBERS_SHARE * len(below) for column in columns
    )


def text_name(first: bytes, options: ReadOptions) -> str:
    """The name in the first line, where that is one of a column of texts; else empty."""
    line = first.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    known = {*TEXT_NAMES, *(name.casefold() for name in (*options.names, *options.named))}
    return line if line.casefold() in known else ""


class _LineReader:
    """Reads texts, one a line, and remembers the lines they stand in.

    Args:
        name: of the column, where the first line that is not blank holds it.
    """

    def __init__(self, name: str):
        self.name, self._header = name or TEXT, bool(name)
        # The line of the file that the next block starts in, and how many texts there were.
        self.line, self.count = 1, 0
        self.runs: list[Runs] = []

    def frames(self, blocks: Iterator[bytes]) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataType]]]:
        for block in blocks:
            # Not ``splitlines``, which knows ends that no editor counts.
            texts = block.decode("utf-8", "replace").removesuffix("\n").split("\n")
            rows = [i for i, text in enumerate(texts) if text.strip()]
            if rows and self._header:
                rows, self._header = rows[1:], False
            if rows:
                self.runs.append(row_runs(np.array(rows) + self.line))
                self.count += len(rows)
                yield (
                    pl.DataFrame({self.name: [texts[i].rstrip("\r") for i in rows]}, {self.name: pl.String}),
                    {self.name: pl.String()},
                )
            self.line += len(texts)
