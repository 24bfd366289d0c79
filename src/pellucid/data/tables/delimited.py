"""CSV and its kin: rows of a file whose form is known (``form``), in pieces; rows of odd length are said. n rows.

A large file is read in blocks, which lie on disk in columns until they are asked for. Types come from all values: where
a later block shows that a column is text after all, the file is read once more with that column as it is written.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Note
from ...fields.notation import COMMA, POINT, Marks, weigh_marks
from ...fields.notes import AS_MISSING, LEFT_OUT
from ...wording import count_noun, join_words
from ..source import ReadOptions, check_width
from .footer import MOST_BELOW, RowShape, footer_start, note_footer
from .form import Form, find_form, has_decimal_commas, iterate_records, long_cells, split_records
from .spool import Spool, chunks_of
from .table import Runs, Table, places_in_file, row_runs
from .text_blocks import LONG_CELL, first_lines, utf8_blocks

# Rows of a block that the types of columns are inferred from first; where that fails, all are looked at.
INFERRED_ROWS = 10_000

DATE_TEXT = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ][\d:.]+)?$")

# 007: read as a number it would lose what it is written like.
CODE = re.compile(r"^\s*[+-]?0\d+\s*$", re.MULTILINE)

TRUTH = {"true", "false"}

# 12.500: decimals to one writer, thousands to another. What else may stand in a column where all numbers are like it.
THREE_DIGITS = re.compile(r"^\s*[+-]?[1-9]\d{0,2}\.\d{3}\s*$", re.MULTILINE)
DECIMALS = re.compile(r"(\d\.\d{1,2}|\.\d{4,}|(^|\D)0?\.\d+)\s*$", re.MULTILINE)

LAST = "it is the last column of a table without header"

# Between cells of blocks that are written anew.
REWRITTEN = "\x1f"

# Odd rows named by their line.
MOST_NAMED_ROWS = 5

# Times a file's size that its chunks may take on the disk: short numbers grow to eight bytes.
ROOM_FACTOR = 1.5


def read_delimited(path: Path, where: str, options: ReadOptions, text: frozenset[str] = frozenset()) -> Table:
    """Read a CSV, TSV or the like.

    Args:
        where: how messages call the file. text: columns that are read as they are written, whatever their values.

    Raises:
        PellucidError: when there are no records in it, or its rows don't fit its names.
    """
    notes: list[Note] = []
    found, first, line = utf8_blocks(path, where, notes, encoding=options.encoding), b"", 1
    while not first.strip():
        line += first.count(b"\n")
        if not (first := next(found, b"")):
            raise PellucidError("the file is empty", where=where)
    head = first_lines(first).decode("utf-8", "replace")
    form = find_form(head, path.suffix.lower(), options, notes, where)
    check_width(len(form.names), where)
    rows = _first_rows(head, form)
    comma = has_decimal_commas(form, rows) if options.decimal is None else options.decimal == form_mark(form)
    shape = RowShape.of(rows, len(form.names) + form.trailing)
    reader = _Reader(form, comma, text | _as_written(form, rows), line, shape)
    pieces = chunks_of(reader.read_frames(chain([first], found)), partial(_spool_blocks, path, where, options))
    if not pieces:
        raise PellucidError("there is a header but no row below it", where=where)
    goal = form.names[-1] if len(form.names) > 1 and not form.row_names and not form.header else None
    again = partial(read_delimited, path, where, options)
    places = places_in_file(where, reader.runs)
    all_notes = notes + reader.collect_notes(where)
    names = list(form.names)
    table = Table(form.about, names, pieces, places, all_notes, form.header, goal, LAST, again, (), reader.decimal)
    # A column that turned out to be text is read once more as it is written: "007" had become 7 in earlier blocks.
    late = table.changed_columns(table.column_types()) if len(pieces) > 1 else frozenset()
    # Where some columns have decimal commas, 12.500 in others is no 12.5.
    late |= reader.late | (reader.floats if reader.has_commas and options.decimal != POINT else frozenset())
    return again(text | late) if late - text else table


def form_mark(form: Form) -> str:
    """The mark before decimals that can be read at once in a file of this form; none where it cuts cells."""
    return COMMA if form.delimiter != COMMA else ""


def _first_rows(head: str, form: Form) -> list[list[str]]:
    """The first rows below the names."""
    records = split_records(head, form)
    return [record for line, record in records if line >= form.above and line not in form.second][form.header :]


def _as_written(form: Form, rows: Sequence[Sequence[str]]) -> frozenset[str]:
    """Columns that are kept as they are written until their kind is known: codes, true and false, 12.500."""
    found = set()
    for i, name in enumerate(form.names):
        cells = [row[i] for row in rows if i < len(row) and row[i]]
        joined = "\n".join(cells)
        if (
            CODE.search(joined)
            or (cells and {cell.strip().lower() for cell in cells} <= TRUTH)
            or (THREE_DIGITS.search(joined) and not DECIMALS.search(joined))
        ):
            found.add(name)
    return frozenset(found)


def _spool_blocks(path: Path, where: str, options: ReadOptions) -> Spool:
    spool = Spool(options.spool)
    spool.need_bytes(int(ROOM_FACTOR * path.stat().st_size), where)
    return spool


class _Reader:
    """Reads one block of a file after the other, and remembers what holds for all of them.

    Args:
        comma: whether decimals have commas. text: columns to read as they are written.
        line: of the file, that the next block starts in. shape: of its rows.
    """

    def __init__(self, form: Form, comma: bool, text: frozenset[str], line: int, shape: RowShape):
        self.shape = shape
        # What stands below the table.
        self.below: list[list[str]] = []
        self.form, self.names, self.comma, self.line = form, list(form.names), comma, line
        self.separator = form.delimiter if form.plain else REWRITTEN
        # Still to come: only the first block has it.
        self.header, self.started = form.header, False
        self.header_line = b""
        # Grows by what is found to be text: a column that is text in one block is read as written in all later ones.
        self.text = set(text)
        # The first lines with too few cells, and with too many.
        self.odd: dict[bool, list[int]] = {False: [], True: []}
        self.count = {False: 0, True: 0}
        self.mended = False
        # The lines that the rows of each frame start in.
        self.runs: list[Runs] = []
        # Lines that repeat the names.
        self.repeated = 0
        # Columns that held codes behind the rows that were looked at first.
        self.late: frozenset[str] = frozenset()
        # What cells of text say about decimals, by column, and columns that were read with decimal points.
        self.marks: dict[str, Marks] = {}
        self.floats: frozenset[str] = frozenset()

    @property
    def has_commas(self) -> bool:
        """Whether a column of text has decimal commas and no other reading."""
        return not self.comma and any(of.numeric and of.decimal == COMMA for of in self.marks.values())

    @property
    def decimal(self) -> str:
        """The mark that the reader itself understood, or that goes with commas between cells."""
        return COMMA if self.comma else POINT if self.floats or self.form.delimiter == COMMA else ""

    def read_frames(self, found: Iterable[bytes]) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataType]]]:
        """The frame of each block that has rows, and its types."""
        coming = iter(found)
        block = next(coming, None)
        while block is not None:
            after = next(coming, None)
            block = block if after is not None else self._without_footer(block)
            if (frame := self._block_frame(block)) is not None:
                yield frame, self._block_types(frame)
            block = after

    def _block_frame(self, block: bytes) -> pl.DataFrame | None:
        start, header = self.line, self.header
        self.line, self.header = start + block.count(b"\n"), False
        block = self._without_names(block, header)
        if not self.form.plain:
            block = rewrite_records(block, self.form)
        try:
            body, lines, over = self._cut_records(block, header)
            frame = self._parse_records(body) if len(lines) else None
        except pl.exceptions.PolarsError:
            block, even = mend_quotes(block, self.separator)
            # A mark inside a cell, 15.6", moves nothing where every row has as many cells as the others.
            self.mended = self.mended or not even
            body, lines, over = self._cut_records(block, header)
            frame = self._parse_records(body)
        if frame is None:
            return None
        self._find_spellings(frame, body)
        # Quoting that Polars reads otherwise than we do: rows can only be counted.
        if len(frame) != len(lines):
            lines, over = np.arange(len(frame)) + 1 + header, np.zeros(0)
        lines = lines + (start - 1)
        self.runs.append(row_runs(lines))
        for many, odd in ((False, over < 0), (True, over > 0)):
            own = lines[odd] if odd.any() else lines[:0]
            self.count[many] += len(own)
            self.odd[many] += (
                own[: MOST_NAMED_ROWS - len(self.odd[many])].tolist() if len(self.odd[many]) < MOST_NAMED_ROWS else []
            )
        return frame

    def _without_names(self, block: bytes, first: bool) -> bytes:
        """A block whose lines above the table, of units, and with the names once more are blank."""
        passed = {*range(self.form.above), *self.form.second} if not self.started else set[int]()
        self.started = True
        if passed:
            lines = block.split(b"\n", max(passed) + 1)
            block = b"\n".join(b"" if i in passed else lines[i] for i in range(len(lines)))
        start = 0
        if first:
            body = block.lstrip(b"\r\n")
            self.header_line = body.split(b"\n", 1)[0] if len(self.names) > 1 else b""
            start = len(block) - len(body) + len(self.header_line)
        names = self.header_line
        if not names or b'"' in names or names not in block[start:]:
            return block
        lines = block[start:].split(b"\n")
        self.repeated += lines.count(names)
        return block[:start] + b"\n".join(b"" if line == names else line for line in lines)

    def _without_footer(self, block: bytes) -> bytes:
        """The last block with the lines below the table blank."""
        lines = block.rstrip(b"\n").split(b"\n")
        first = max(len(lines) - MOST_BELOW, 0 if self.started else self.form.above + self.form.header)
        records: list[list[str]] = []
        for line in reversed(lines[first:]):
            # A record of several lines: none of them is told by itself.
            if line.count(self.form.quote.encode()) % 2:
                break
            text = line.decode("utf-8", "replace").rstrip("\r")
            records.insert(0, next(iter(split_records(text, self.form)), (0, []))[1])
        cut = footer_start(records, self.shape) - len(records)
        if not cut:
            return block
        self.below = records[cut:]
        return b"\n".join(lines[:cut] + [b""] * -cut) + b"\n"

    def _cut_records(self, block: bytes, header: bool) -> tuple[bytes, np.ndarray, np.ndarray]:
        return cut_records(block, self.separator, header, len(self.names), self.form.trailing)

    def _parse_records(self, body: bytes) -> pl.DataFrame:
        """The records as a frame of all columns: short ones are filled with missing values, long ones cut."""
        # Numbered, because names of the file may hold quotes, separators and line ends.
        numbered = [f"c{i}" for i in range(len(self.names))]
        pairs = list(zip(numbered, self.names, strict=True))
        text = {short: pl.String() for short, name in pairs if name in self.text}
        data = self.separator.join(numbered).encode() + b"\n" + body

        def parse_rows(rows: int | None) -> pl.DataFrame:
            return pl.read_csv(
                data,
                separator=self.separator,
                decimal_comma=self.comma,
                truncate_ragged_lines=True,
                schema_overrides=text,
                infer_schema_length=rows,
            )

        try:
            frame = parse_rows(INFERRED_ROWS)
            if not _has_late_values(frame):
                return frame.rename(dict(pairs))
        # A later row is of another type: look at all of them, which takes longer.
        except pl.exceptions.PolarsError:
            pass
        try:
            return parse_rows(None).rename(dict(pairs))
        # Polars takes the digits of other scripts for numbers and can't read them (found by fuzzing; docs/LOG.md,
        # 2026-11-22).
        except pl.exceptions.PolarsError:
            strange = parse_rows(0).select(pl.all().str.contains("[^\\x00-\\x7f]").any()).row(0)
            text |= {short: pl.String() for short, is_strange in zip(numbered, strange, strict=True) if is_strange}
            return parse_rows(None).rename(dict(pairs))

    def _find_spellings(self, frame: pl.DataFrame, body: bytes) -> None:
        """Columns whose values were written otherwise than their type writes them: 007, True."""
        if any(kind.is_integer() for kind in frame.dtypes):
            codes = [self.names[i] for i in code_columns(body, self.separator) if i < len(self.names)]
            self.late |= {name for name in codes if frame.schema[name].is_integer()}
        self.late |= {name for name, kind in frame.schema.items() if kind == pl.Boolean}
        self.floats |= {name for name, kind in frame.schema.items() if kind.is_float()}

    def _block_types(self, frame: pl.DataFrame) -> dict[str, pl.DataType]:
        """The types of a block's columns, Null where it has no value. Text that is dates throughout counts as dates."""
        found: dict[str, pl.DataType] = {}
        for series in frame.get_columns():
            name, kind = series.name, series.dtype
            if series.null_count() == len(series):
                found[name] = pl.Null()
                continue
            if kind == pl.String:
                self.text.add(name)
                self.marks[name] = self.marks.get(name, Marks()) + weigh_marks(series)
            found[name] = date_type(series) or kind
        return found

    def collect_notes(self, where: str) -> list[Note]:
        """What was odd in all blocks."""
        found = []
        if self.mended:
            found.append(Note("warning", "quotation marks do not pair up; rows near them may be wrong", where))
        if self.comma:
            found.append(Note("info", "numbers are written with decimal commas", where))
        if below := note_footer(self.below, where, "line"):
            found.append(below)
        if self.repeated:
            again = count_noun(self.repeated, "line repeats", "lines repeat")
            found.append(Note("warning", f"{again} the names of the columns; left out", where, LEFT_OUT))
        few, cut = "too few values; the last count as missing", "too many; the last are cut"
        for many, text, action in ((False, few, AS_MISSING), (True, cut, "")):
            if count := self.count[many]:
                lines = [*self.odd[many], *[0] * (count - len(self.odd[many]))]
                rows = f"{where}, {'line' if count == 1 else 'lines'} {join_words(lines)}"
                found.append(Note("warning", f"{count_noun(count, 'row has', 'rows have')} {text}", rows, action))
        return found


def _has_late_values(frame: pl.DataFrame) -> bool:
    """Whether a column has its first value behind the rows that types are inferred from."""
    if len(frame) <= INFERRED_ROWS:
        return False
    return any(
        one.dtype == pl.String and one.head(INFERRED_ROWS).null_count() == INFERRED_ROWS and one.null_count() < len(one)
        for one in frame.get_columns()
    )


def date_type(series: pl.Series) -> pl.DataType | None:
    """The type of text that is dates with the year first throughout; how others are meant, their kind judges."""
    sample = series.drop_nulls().head(1) if series.dtype == pl.String else series[:0]
    if not len(sample) or not DATE_TEXT.match(sample[0]):
        return None
    try:
        return (series.str.to_date() if len(sample[0]) <= 10 else series.str.to_datetime()).dtype
    except pl.exceptions.PolarsError:
        return None


def code_columns(body: bytes, separator: str) -> set[int]:
    """The columns, counted from 0, with a cell that begins with a zero and another digit, as codes do."""
    raw = np.frombuffer(body, np.uint8)
    zeros = np.flatnonzero(raw[:-1] == ord("0"))  # few of all bytes: only what stands around them is looked at
    zeros = zeros[raw[zeros + 1] - ord("0") < 10]
    before = raw[zeros - 1]
    hits = zeros[(before == ord(separator)) | (before == ord("\n")) | (zeros == 0)]  # (h,)
    if not len(hits):
        return set()
    is_quote = raw == ord('"')
    outside = ~np.logical_xor.accumulate(is_quote) if is_quote.any() else np.ones(len(raw), bool)
    ends = np.flatnonzero((raw == ord("\n")) & outside)
    cuts = np.concatenate([[0], np.cumsum((raw == ord(separator)) & outside, dtype=np.int64)])
    # The start of the record of each: behind the line end before it.
    starts = np.concatenate([[0], ends + 1])[np.searchsorted(ends, hits)]
    return set(np.unique(cuts[hits] - cuts[starts]).tolist())


def cut_records(
    data: bytes, separator: str, header: bool, width: int, trailing: bool = False
) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Cut away the header and blank lines.

    Args:
        trailing: a delimiter at the end of a line ends its last cell, and begins no other.

    Returns:
        The rest; (n,) the line of the block that each record starts in; (n,) how many cells it has more than ``width``.
    """
    raw = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8)
    is_quote = raw == ord('"')
    outside = ~np.logical_xor.accumulate(is_quote) if is_quote.any() else np.ones(len(raw), bool)
    # A quotation mark that is never closed: taken at its word, everything behind it would be one cell.
    if not outside[-1]:
        outside = np.ones(len(raw), bool)
    newline = raw == ord("\n")
    ends = np.flatnonzero(newline & outside)  # (n,)
    starts = np.concatenate([[0], ends[:-1] + 1])
    blank = (ends == starts) | ((ends == starts + 1) & (raw[starts] == ord("\r")))
    lines = np.searchsorted(np.flatnonzero(newline), starts) + 1
    # Found and counted, because a sum over all bytes would make four of each: 64 MB a block.
    marks = np.flatnonzero((raw == ord(separator)) & outside)
    cells = np.diff(np.searchsorted(marks, np.append(starts, len(raw)))) + 1
    if trailing:
        last = ends - 1 - ((raw[ends - 1] == ord("\r")) & (ends > starts))
        cells -= raw[last] == ord(separator)
    keep = np.flatnonzero(~blank)[header:]
    if not len(keep):
        return b"", lines[keep], cells[keep]
    body = data[starts[keep[0]] :]
    if blank[keep[0] :].any():
        body = b"".join(data[starts[i] : ends[i] + 1] for i in keep)
    return body, lines[keep], cells[keep] - width


def rewrite_records(data: bytes, form: Form) -> bytes:
    """The same records as Polars reads them: one character between cells, quotation marks around those that need it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=REWRITTEN, lineterminator="\n")
    with long_cells():
        writer.writerows(record for record, _ in iterate_records(data.decode("utf-8", "replace"), form))
    return out.getvalue().encode()


def _even_rows(rows: list[list[str]]) -> int:
    """How many rows have the usual number of cells."""
    return max(Counter(len(row) for row in rows if row).values(), default=0)


def mend_quotes(data: bytes, separator: str) -> tuple[bytes, bool]:
    """The same records with quotation marks in order; marks inside a cell are taken as they are.

    A mark that is never closed would swallow the rest of the file: then every line is a record of its own.

    Returns:
        The records, and whether all of them have as many cells.
    """
    text = data.decode("utf-8", "replace")
    with long_cells():
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        lines = [next(csv.reader([line], delimiter=separator), []) for line in text.rstrip("\n").split("\n")]
    swallowed = max(cell.count("\n") for row in rows for cell in row or [""]) > LONG_CELL
    rows = lines if swallowed or _even_rows(lines) > _even_rows(rows) else rows
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue().encode(), len({len(row) for row in rows if row}) == 1
