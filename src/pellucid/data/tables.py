"""Tables in files: CSV and its kin, Parquet, JSON lines. n rows."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..fields import Column, Note
from .sources import Found, Options, Source, counted, layout, listed

SAMPLE = 1 << 16  # bytes that the delimiter and the header are inferred from
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
TYPED = 10_000  # rows that the types of columns are inferred from
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
LONG_CELL = 100  # lines; a longer cell is a quotation mark that was never closed
FIRST_NAMES = {"id", "name", "label", "class", "target", "text", "date", "index", "category", "value", "y"}
IDENTIFIER = re.compile(r"^[^\W\d][\w .()/%#&-]{0,40}$")


@layout
def table_file(source: Any, options: Options) -> Source | None:
    """One file: ``.csv .tsv .txt .data .psv .tab``, ``.parquet``, ``.jsonl .ndjson .json``."""
    if not isinstance(source, Path) or not source.is_file() or source.suffix.lower() not in READERS:
        return None
    about = source.stat()
    digest = hashlib.sha256(f"{source.resolve()}\0{about.st_size}\0{about.st_mtime_ns}".encode()).hexdigest()
    return Source(source.name, digest, partial(READERS[source.suffix.lower()], source, options))


def delimited(path: Path, options: Options) -> Found:
    """Read a CSV, TSV or the like: encoding, delimiter and header are inferred, rows of odd length said."""
    notes: list[Note] = []
    data = as_utf8(path, notes)
    if not data.strip():
        raise PellucidError("the file is empty", where=path.name)
    separator, head = sniffed(data, path.suffix.lower())
    header = has_header(head, options.names) if options.header is None else options.header
    names, extra = column_names(head, header, notes, path.name)
    try:
        frame, lines = parsed(data, separator, header, head, len(names), notes, path.name)
    except pl.exceptions.PolarsError:
        notes.append(Note("warning", "quotation marks are not in pairs; rows near them may be wrong", path.name))
        frame, lines = parsed(_requoted(data, separator), separator, header, head, len(names), notes, path.name)
    frame.columns = names
    commas = DELIMITERS.get(separator, "one column")
    about = f"CSV with {commas}, {'names in the first line' if header else 'no header, so columns are numbered'}"
    found = table(frame, path.name, notes, lines, about)
    if header:
        return found
    last = names[-1] if len(names) > 1 and not extra else None
    return Found(found.layout, found.columns, notes, False, {}, last, "it is the last column of a table without header")


def as_utf8(path: Path, notes: list[Note]) -> bytes:
    """The file's bytes in UTF-8, without a byte order mark and with plain line ends."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    if not _is_utf8(data):
        name = "cp1252" if not re.search(rb"[\x81\x8d\x8f\x90\x9d]", data) else "latin-1"
        notes.append(Note("warning", f"is not UTF-8; read as Western European ({name})", path.name))
        data = data.decode(name).encode()
    if b"\n" not in data[:SAMPLE] and b"\r" in data[:SAMPLE]:
        data = data.replace(b"\r", b"\n")
    return data


def _is_utf8(data: bytes, block: int = 1 << 24) -> bool:
    if data.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), block):
            decoder.decode(data[start : start + block], final=start + block >= len(data))
    except UnicodeDecodeError:
        return False
    return True


def sniffed(data: bytes, suffix: str) -> tuple[str, list[list[str]]]:
    """The delimiter and the first records. The delimiter is the one that cuts most records into as many pieces."""
    sample = data[:SAMPLE]
    whole = sample if len(sample) == len(data) else sample[: sample.rfind(b"\n") + 1] or sample
    text = whole.decode("utf-8", "replace")
    best, chosen = (0.0, 0), ","
    for delimiter in DELIMITERS:
        widths = Counter(len(record) for record in _split(text, delimiter))
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        share = count / max(sum(widths.values()), 1) + (suffix in (".tsv", ".tab") and delimiter == "\t")
        if width > 1 and share >= 0.7 and (share, width) > best:
            best, chosen = (share, width), delimiter
    return chosen, _split(text, chosen)


def _split(text: str, delimiter: str) -> list[list[str]]:
    try:
        return [record for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if record][:200]
    except csv.Error:
        return [line.split(delimiter) for line in text.splitlines() if line][:200]


def has_header(head: Sequence[Sequence[str]], names: Sequence[str] = ()) -> bool:
    """Whether the first record holds names. Every column votes: names differ from values in what they look like.

    Args:
        head: the first records.
        names: columns that are looked for; where given, finding one of them decides.
    """
    first, rest = [cell.strip() for cell in head[0]], head[1:]
    if names:
        wanted = {name.casefold() for name in names}
        return any(cell.casefold() in wanted for cell in first)
    if any(_is_number(cell) for cell in first):
        return False
    return sum(_vote(cell, [r[i].strip() for r in rest if i < len(r)]) for i, cell in enumerate(first)) >= 0


def _vote(cell: str, values: list[str]) -> int:
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
        notes.append(Note("info", "the first column has no name in the header; it is called 'column_1'", where))
        given = ["", *given]
    return unique(given, notes, where), unnamed_first


def unique(given: Sequence[str], notes: list[Note], where: str) -> list[str]:
    """Names without blanks and doubles."""
    names: list[str] = []
    for i, name in enumerate(given):
        new, k = name or f"column_{i + 1}", 2
        while new in names:
            new, k = f"{name or 'column'}_{k}", k + 1
        if name and new != name:
            notes.append(Note("warning", f"two columns are called '{name}'; the later one is called '{new}'", where))
        names.append(new)
    return names


def parsed(
    data: bytes, separator: str, header: bool, head: list[list[str]], width: int, notes: list[Note], where: str
) -> tuple[pl.DataFrame, np.ndarray]:
    """The records as a table of ``width`` columns and, (n,), the line of the file each starts in.

    Short records are filled with missing values and long ones cut; which ones is noted.

    Raises:
        PellucidError: when there are none. PolarsError when quotation marks are not in pairs.
    """
    body, lines, over = records(data, separator, header, width)
    if not len(lines):
        raise PellucidError("there is a header but no row below it", where=where)
    comma = separator == ";" and _decimal_comma(head)
    how: dict[str, Any] = {"has_header": False, "separator": separator, "decimal_comma": comma}
    how |= {"truncate_ragged_lines": True}
    try:
        frame = pl.read_csv(body, **how, infer_schema_length=TYPED)
    except pl.exceptions.PolarsError:  # a later row is of another type: look at all of them, which takes longer
        frame = pl.read_csv(body, **how, infer_schema_length=None)
    if comma:
        notes.append(Note("info", "numbers are written with decimal commas", where))
    if len(frame) != len(lines):  # quoting that polars reads otherwise: rows can only be counted
        lines, over = np.arange(len(frame)) + 1 + header, np.zeros(0)
    for odd, text in (
        (over < 0, "too few values; the last count as missing"),
        (over > 0, "too many; the last are cut"),
    ):
        if odd.any():
            rows = f"{where}, {'row' if odd.sum() == 1 else 'rows'} {listed(lines[odd].tolist())}"
            notes.append(Note("warning", f"{counted(int(odd.sum()), 'row has', 'rows have')} {text}", rows))
    missing = [pl.lit(None, pl.String).alias(f"missing_{i}") for i in range(frame.width, width)]
    full = frame.with_columns(missing)[:, :width]
    return full.with_columns(dates(series) for series in full.get_columns()), lines


def dates(series: pl.Series) -> pl.Series:
    """Text that is dates throughout becomes dates."""
    sample = series.drop_nulls().head(50) if series.dtype == pl.String else series[:0]
    if not len(sample) or not DATE.match(sample[0]):
        return series
    try:
        return series.str.to_date() if len(sample[0]) <= 10 else series.str.to_datetime()
    except pl.exceptions.PolarsError:
        return series


def records(data: bytes, separator: str, header: bool, width: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Cut away the header and blank lines.

    Returns:
        The rest; (n,) the line of the file that each record starts in; (n,) how many cells it has more than ``width``.
    """
    raw = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8)
    is_quote = raw == ord('"')
    outside = ~np.logical_xor.accumulate(is_quote) if is_quote.any() else np.ones(len(raw), bool)
    if not outside[-1]:  # a quotation mark that is never closed
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


def _decimal_comma(head: list[list[str]]) -> bool:
    cells = [cell.strip() for record in head for cell in record]
    commas = sum(bool(re.fullmatch(r"[+-]?\d+,\d+", cell)) for cell in cells)
    return commas > sum(bool(re.fullmatch(r"[+-]?\d+\.\d+", cell)) for cell in cells)


def _requoted(data: bytes, separator: str) -> bytes:
    """The same records with quotation marks in order; marks inside a cell are taken as they are.

    A mark that is never closed would swallow the rest of the file: then every line is a record of its own.
    """
    text = data.decode("utf-8", "replace")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    if max(cell.count("\n") for row in rows for cell in row or [""]) > LONG_CELL:
        rows = [next(csv.reader([line], delimiter=separator), []) for line in text.splitlines()]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def parquet(path: Path, options: Options) -> Found:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise PellucidError(f"cannot be read as Parquet ({_first_line(error)})", where=path.name) from None
    return table(frame, path.name, [], np.arange(len(frame)) + 1, "Parquet")


def json_lines(path: Path, options: Options) -> Found:
    """One JSON object a line, or one JSON list of objects."""
    notes: list[Note] = []
    data = as_utf8(path, notes)
    try:
        listed_rows = data.lstrip().startswith(b"[")
        frame = pl.read_json(io.BytesIO(data), infer_schema_length=None) if listed_rows else _ndjson(data)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise PellucidError(_json_fault(data, error), where=path.name, fix="write one JSON object a line") from None
    return table(frame, path.name, notes, np.arange(len(frame)) + 1, "JSON" if listed_rows else "JSON lines")


def _ndjson(data: bytes) -> pl.DataFrame:
    return pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)


def _json_fault(data: bytes, error: Exception) -> str:
    """Which line is at fault."""
    for i, line in enumerate(data.decode("utf-8", "replace").splitlines()):
        try:
            row = json.loads(line) if line.strip() else {}
        except ValueError as fault:
            return f"line {i + 1:,} is not JSON ({fault})"
        if not isinstance(row, dict):
            return f"line {i + 1:,} is not a JSON object but {line[:40]}"
    return f"cannot be read as JSON ({_first_line(error)})"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def table(frame: pl.DataFrame, name: str, notes: list[Note], lines: np.ndarray, about: str) -> Found:
    """The columns of a table whose row i is line ``lines[i]`` of the file ``name``."""
    if not len(frame):
        raise PellucidError("the table has no rows", where=name)
    shape = f"a table of {counted(len(frame), 'row')} and {counted(frame.width, 'column')}"
    simple = [plain_column(series, notes, name) for series in frame.get_columns()]
    columns = {s.name: Column(s.name, s, None, partial(_cell, name, lines, s.name)) for s in simple if s is not None}
    return Found(f"{shape} ({about})", columns, notes)


def _cell(name: str, lines: np.ndarray, column: str, row: int) -> str:
    return f"{name}, row {lines[row]:,}, column '{column}'"


def plain_column(series: pl.Series, notes: list[Note], where: str) -> pl.Series | None:
    """Numbers, dates, booleans and strings stay, labels become strings, nested values are left out."""
    kind = series.dtype
    if kind.is_decimal():
        return series.cast(pl.Float64)
    if kind.is_numeric() or kind.is_temporal() or kind in (pl.String, pl.Boolean, pl.Null):
        return series
    if kind in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    notes.append(Note("warning", f"column '{series.name}' holds {kind} and is left out", where))
    return None


READERS: dict[str, Callable[[Path, Options], Found]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".psv", ".txt", ".data"), delimited),
    **dict.fromkeys((".parquet", ".pq"), parquet),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), json_lines),
}
