"""CSV and its kin: encoding, delimiter, header and types are inferred, rows of odd length said. n rows.

A large file is read in blocks, which lie on disk in columns until they are asked for. Types come from all values: where
a later block shows that a column is text after all, the file is read once more with that column as it is written.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Note
from ...fields.notes import AS_MISSING
from ...wording import count_noun, join_words
from ..source import ReadOptions, check_width
from .spool import Spool, chunks_of
from .table import Runs, Table, places_in_file, row_runs
from .text_blocks import LONG_CELL, first_lines, utf8_blocks

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

# Rows of a block that the types of columns are inferred from first; where that fails, all are looked at.
INFERRED_ROWS = 10_000

DATE_TEXT = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([T ][\d:.]+)?$")

# Words that are names of columns far more often than values.
FIRST_NAMES = {"id", "name", "label", "class", "target", "text", "date", "index", "category", "value", "y"}

IDENTIFIER = re.compile(r"^[^\W\d][\w .()/%#&-]{0,40}$")

LAST = "it is the last column of a table without header"

# Odd rows named by their line.
MOST_NAMED_ROWS = 5

# Times a file's size that its chunks may take on the disk: short numbers grow to eight bytes.
ROOM_FACTOR = 1.5


def read_delimited(path: Path, where: str, options: ReadOptions, text: frozenset[str] = frozenset()) -> Table:
    """Read a CSV, TSV or the like.

    Args:
        where: how messages call the file. text: columns that are read as they are written, whatever their values.

    Raises:
        PellucidError: when there are no records in it.
    """
    notes: list[Note] = []
    found, first, line = utf8_blocks(path, where, notes), b"", 1
    while not first.strip():
        line += first.count(b"\n")
        if not (first := next(found, b"")):
            raise PellucidError("the file is empty", where=where)
    separator, head = sniff_delimiter(first_lines(first), path.suffix.lower())
    header = has_header(head, options.names) if options.header is None else options.header
    names, extra = column_names(head, header, notes, where)
    check_width(len(names), where)
    reader = _Reader(separator, header, names, separator == ";" and _decimal_comma(head), text, line)
    pieces = chunks_of(reader.read_frames(chain([first], found)), partial(_spool_blocks, path, where, options))
    if not pieces:
        raise PellucidError("there is a header but no row below it", where=where)
    commas = DELIMITERS.get(separator, "one column")
    about = f"CSV with {commas}, {'names in the first line' if header else 'no header, so columns are numbered'}"
    goal = names[-1] if len(names) > 1 and not extra and not header else None
    again = partial(read_delimited, path, where, options)
    places = places_in_file(where, reader.runs)
    table = Table(about, names, pieces, places, notes + reader.collect_notes(where), header, goal, LAST, again)
    # A column that turned out to be text is read once more as it is written: "007" had become 7 in earlier blocks.
    late = table.changed_columns(table.column_types()) if len(pieces) > 1 else frozenset()
    return again(text | late) if late else table


def _spool_blocks(path: Path, where: str, options: ReadOptions) -> Spool:
    spool = Spool(options.spool)
    spool.need_bytes(int(ROOM_FACTOR * path.stat().st_size), where)
    return spool


class _Reader:
    """Reads one block of a file after the other, and remembers what holds for all of them.

    Args:
        header: whether the first record holds names. names: of the columns. comma: whether decimals have commas.
        text: columns to read as they are written. line: of the file, that the next block starts in.
    """

    def __init__(self, separator: str, header: bool, names: list[str], comma: bool, text: frozenset[str], line: int):
        self.separator, self.names, self.comma, self.line = separator, names, comma, line
        # Still to come: only the first block has it.
        self.header = header
        # Grows by what is found to be text: a column that is text in one block is read as written in all later ones.
        self.text = set(text)
        # The first lines with too few cells, and with too many.
        self.odd: dict[bool, list[int]] = {False: [], True: []}
        self.count = {False: 0, True: 0}
        self.mended = False
        # The lines that the rows of each frame start in.
        self.runs: list[Runs] = []

    def read_frames(self, found: Iterable[bytes]) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataType]]]:
        """The frame of each block that has rows, and its types."""
        for block in found:
            if (frame := self._block_frame(block)) is not None:
                yield frame, self._block_types(frame)

    def _block_frame(self, block: bytes) -> pl.DataFrame | None:
        start, header = self.line, self.header
        self.line, self.header = start + block.count(b"\n"), False
        try:
            body, lines, over = cut_records(block, self.separator, header, len(self.names))
            frame = self._parse_records(body) if len(lines) else None
        except pl.exceptions.PolarsError:
            self.mended = True
            body, lines, over = cut_records(mend_quotes(block, self.separator), self.separator, header, len(self.names))
            frame = self._parse_records(body)
        if frame is None:
            return None
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
            found[name] = date_type(series) or kind
        return found

    def collect_notes(self, where: str) -> list[Note]:
        """What was odd in all blocks."""
        found = []
        if self.mended:
            found.append(Note("warning", "quotation marks are not in pairs; rows near them may be wrong", where))
        if self.comma:
            found.append(Note("info", "numbers are written with decimal commas", where))
        few, cut = "too few values; the last count as missing", "too many; the last are cut"
        for many, text, action in ((False, few, AS_MISSING), (True, cut, "")):
            if count := self.count[many]:
                lines = [*self.odd[many], *[0] * (count - len(self.odd[many]))]
                rows = f"{where}, {'row' if count == 1 else 'rows'} {join_words(lines)}"
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


def sniff_delimiter(data: bytes, suffix: str) -> tuple[str, list[list[str]]]:
    """The delimiter and the first records. The delimiter is the one that cuts most records into as many pieces."""
    text = data.decode("utf-8", "replace")
    best, chosen = (0.0, 0), ","
    for delimiter in DELIMITERS:
        widths = Counter(len(record) for record in _split_records(text, delimiter))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        # A file called .tsv is cut at tabs even where commas cut it as evenly.
        share = count / max(sum(widths.values()), 1) + (suffix in (".tsv", ".tab") and delimiter == "\t")
        if width > 1 and share >= 0.7 and (share, width) > best:
            best, chosen = (share, width), delimiter
    return chosen, _split_records(text, chosen)


def _split_records(text: str, delimiter: str) -> list[list[str]]:
    try:
        with _long_cells():
            return [record for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if record][:200]
    except csv.Error:
        return [line.split(delimiter) for line in text.splitlines() if line][:200]


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let Python's reader take cells of any length."""
    usual = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def has_header(head: Sequence[Sequence[str]], names: Sequence[str] = ()) -> bool:
    """Whether the first record holds names. Every column votes: names differ from values in what they look like.

    Args:
        head: the first records.
        names: columns that are looked for. Finding one of them decides; without it only clear votes make a header.
    """
    first, rest = [cell.strip() for cell in head[0]], head[1:]
    if names:
        wanted = {name.casefold() for name in names}
        if any(cell.casefold() in wanted for cell in first):
            return True
    if any(_is_number(cell) for cell in first):
        return False
    votes = sum(_header_vote(cell, [r[i].strip() for r in rest if i < len(r)]) for i, cell in enumerate(first))
    # Without names to look for, a first line that looks like neither is taken for a header, as most files have one.
    return votes > 0 if names else votes >= 0


def _header_vote(cell: str, values: list[str]) -> int:
    """Above 0 when ``cell`` looks like the name of ``values``, below 0 when it looks like one of them."""
    present = [value for value in values if value]
    if cell in present:
        return -2
    if cell.lower() in FIRST_NAMES:
        return 3
    if present and sum(map(_is_number, present)) > 0.8 * len(present):
        return 2
    if not IDENTIFIER.match(cell) and cell:
        return -2
    return int(bool(present) and sum(map(len, present)) > 3 * len(cell) * len(present))


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def column_names(head: list[list[str]], header: bool, notes: list[Note], where: str) -> tuple[list[str], bool]:
    """Names for all columns, each different, and whether the header lacks the name of a first column (as R writes)."""
    widths = Counter(len(record) for record in head[header:]) or Counter([len(head[0])])
    usual = widths.most_common(1)[0][0]
    if not header:
        return [f"column_{i + 1}" for i in range(usual)], False
    given = [cell.strip() for cell in head[0]]
    unnamed_first = usual == len(given) + 1 and len(widths) == 1
    if unnamed_first:
        given = ["", *given]
    return unique_names(given, notes, where), unnamed_first


def unique_names(given: Sequence[str], notes: list[Note], where: str) -> list[str]:
    """Names without blanks and doubles."""
    blank = [f"column_{i + 1}" for i, name in enumerate(given) if not name]
    if blank:
        notes.append(
            Note("info", f"{count_noun(len(blank), 'column')} without a name: called {join_words(blank)}", where)
        )
    # With the last number that was put behind each, so that thousands of equal names are not counted through each time.
    names: dict[str, int] = {}
    for i, name in enumerate(given):
        new, k = name or f"column_{i + 1}", names.get(name, 1)
        while new in names:
            k += 1
            new = f"{name or 'column'}_{k}"
        if name:
            names[name] = k
        if name and new != name:
            notes.append(Note("warning", f"two columns are called '{name}'; the later one is called '{new}'", where))
        names.setdefault(new, 1)
    return list(names)


def cut_records(data: bytes, separator: str, header: bool, width: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Cut away the header and blank lines.

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
    cells = np.add.reduceat(((raw == ord(separator)) & outside).view(np.uint8), starts, dtype=np.int32) + 1
    keep = np.flatnonzero(~blank)[header:]
    if not len(keep):
        return b"", lines[keep], cells[keep]
    body = data[starts[keep[0]] :]
    if blank[keep[0] :].any():
        body = b"".join(data[starts[i] : ends[i] + 1] for i in keep)
    return body, lines[keep], cells[keep] - width


def _even_rows(rows: list[list[str]]) -> int:
    """How many rows have the usual number of cells."""
    return max(Counter(len(row) for row in rows if row).values(), default=0)


def _decimal_comma(head: list[list[str]]) -> bool:
    cells = [cell.strip() for record in head for cell in record]
    commas = sum(bool(re.fullmatch(r"[+-]?\d+,\d+", cell)) for cell in cells)
    return commas > sum(bool(re.fullmatch(r"[+-]?\d+\.\d+", cell)) for cell in cells)


def mend_quotes(data: bytes, separator: str) -> bytes:
    """The same records with quotation marks in order; marks inside a cell are taken as they are.

    A mark that is never closed would swallow the rest of the file: then every line is a record of its own.
    """
    text = data.decode("utf-8", "replace")
    with _long_cells():
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        lines = [next(csv.reader([line], delimiter=separator), []) for line in text.splitlines()]
    swallowed = max(cell.count("\n") for row in rows for cell in row or [""]) > LONG_CELL
    rows = lines if swallowed or _even_rows(lines) > _even_rows(rows) else rows
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
