"""Tables in files: CSV and its kin, Parquet, Arrow, JSON lines, spreadsheets; one file or several as one table."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl

from ...errors import PellucidError
from ...fields import Note
from ...fields.labels import holds_lists
from ...fields.notes import AS_MISSING, LEFT_OUT
from ...fields.series import is_list_of_numbers
from ...wording import count_noun
from ..cache.file_marks import digest_marks, mark_of
from ..source import Contents, ReadOptions, without_compression
from .delimited import read_delimited
from .json_document import flatten_objects, is_document, rows_of_document
from .lines import read_text_table
from .spool import Spool, chunks_of
from .spreadsheet import read_spreadsheet
from .table import Chunk, Table, chunk_of_frame, chunks_of_scan, columns_of, counted_from, rename_columns
from .text_blocks import utf8_blocks

# Days from 1970 to the years 1 and 9999, and a day to spare for time zones.
CALENDAR = -719_161, 2_932_895

# Bytes: the columns of larger Parquet and Arrow files are read one at a time.
LARGE = 1 << 26

# A reader gets the file, how messages call it, and the options.
Reader = Callable[[Path, str, ReadOptions], Table]


def is_table_file(path: Path) -> bool:
    """Whether a file is called like a table, compressed or not."""
    return Path(without_compression(path.name)).suffix.lower() in READERS


def digest_files(paths: Sequence[Path]) -> str:
    """SHA-256 of path and mark of every file."""
    return digest_marks((str(path.resolve()), mark_of(path.stat())) for path in paths)


def read_table(path: Path, where: str, options: ReadOptions) -> Table:
    """One file by its suffix. Raises PellucidError when it can't be read or has no rows."""
    try:
        table = READERS[path.suffix.lower()](path, where, options)
    except BaseException as error:
        # Libraries written in Rust have one each. It is no ``Exception``; fuzzing met some (docs/LOG.md, 2026-11-22).
        panics = type(error).__name__ == "PanicException"
        if not (panics or isinstance(error, pl.exceptions.PolarsError)):
            raise
        raise PellucidError(f"is damaged: its reader gave up ({_first_line(error)})", where=where) from None
    if not len(table) or not table.names:
        raise PellucidError("the table has no rows" if table.names else "the table has no columns", where=where)
    return table


def contents_of(table: Table, name: str) -> Contents:
    """A table as a layout finds it."""
    notes = list(table.notes)
    shape = f"a table of {count_noun(len(table), 'row')} and {count_noun(len(table.names), 'column')}"
    columns = columns_of(table, plain_column, notes, name)
    goal, why = (table.goal, table.why) if table.goal in columns else (None, "")
    found = Contents(f"{shape} ({table.about})", columns, notes, table.named, table.kinds, goal, why, table.places)
    return replace(found, added=table.added, untold=table.untold, decimal=table.decimal)


def read_parquet(path: Path, where: str, options: ReadOptions) -> Table:
    try:
        pieces = (
            chunks_of_scan(pl.scan_parquet(path))
            if path.stat().st_size > LARGE
            else [chunk_of_frame(pl.read_parquet(path))]
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise PellucidError(f"cannot be read as Parquet ({_first_line(error)})", where=where) from None
    return _typed_table("Parquet", pieces, where)


def read_arrow(path: Path, where: str, options: ReadOptions) -> Table:
    """Arrow IPC as a file (which Feather is) or as a stream."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"FEA1"):
        fix = "write it again with a newer library (Feather version 2), or as Parquet"
        raise PellucidError("is Feather of version 1, which is no longer read", where=where, fix=fix)
    try:
        return _typed_table("Arrow", _arrow_pieces(path, start == b"ARROW1"), where)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise PellucidError(f"cannot be read as Arrow ({_first_line(error)})", where=where) from None


def _arrow_pieces(path: Path, is_file: bool) -> list[Chunk]:
    if path.stat().st_size <= LARGE:
        return [chunk_of_frame(pl.read_ipc(path) if is_file else pl.read_ipc_stream(path))]
    if is_file:
        return chunks_of_scan(pl.scan_ipc(path))
    # A stream cannot be scanned: each column costs a pass over the file, and memory one column.
    schema = pl.read_ipc_stream(path, n_rows=0).schema
    rows = len(pl.read_ipc_stream(path, columns=[0]))
    return [Chunk(rows, dict(schema), lambda name: pl.read_ipc_stream(path, columns=[name]).to_series())]


def _typed_table(about: str, pieces: list[Chunk], where: str) -> Table:
    """A table whose file says the types."""
    return Table(about, list(pieces[0].schema), pieces, counted_from(where))


def read_json_lines(path: Path, where: str, options: ReadOptions) -> Table:
    """One JSON object a line, one JSON list of objects, or a document that holds one."""
    notes: list[Note] = []
    found = utf8_blocks(path, where, notes, quotes=False, encoding=options.encoding)
    first = next(found, b"")
    if not first.strip():
        raise PellucidError("the file is empty", where=where)
    whole = first.lstrip().startswith(b"[")
    texts: Iterable[bytes] = [b"".join([first, *found])] if whole else chain([first], found)
    # Of lines, a file of one line is one row, whatever it holds.
    if path.suffix.lower() == ".json" and not whole and is_document(first):
        data = b"".join(texts)
        texts = [data]
        if document := rows_of_document(data, _refuse_number):
            rows, place = document
            whole, texts = True, [json.dumps(rows).encode()]
            notes.append(Note("info", f"{count_noun(len(rows), 'row')} read from {place}", where))
    pieces = chunks_of(_json_frames(texts, whole, where), partial(Spool, options.spool))
    names = list(dict.fromkeys(name for chunk in pieces for name in chunk.schema))
    if len(pieces) > 1:
        pieces = [rename_columns(chunk, {n: n if n in chunk.schema else "" for n in names}) for chunk in pieces]
    return Table("JSON" if whole else "JSON lines", names, pieces, counted_from(where, lined=not whole), notes)


def _json_frames(
    texts: Iterable[bytes], whole: bool, where: str
) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataType]]]:
    line, read = 1, pl.read_json if whole else pl.read_ndjson
    for data in texts:
        try:
            frame = read(io.BytesIO(data), infer_schema_length=None)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            fix = "write one JSON object a line"
            raise PellucidError(_json_fault(data, error, line), where=where, fix=fix) from None
        line += data.count(b"\n")
        frame = flatten_objects(frame)
        yield frame, dict(frame.schema)


def _json_fault(data: bytes, error: Exception, first: int) -> str:
    """Which line is at fault; ``first`` is the line of the file that ``data`` begins with."""
    for i, line in enumerate(data.decode("utf-8", "replace").splitlines()):
        try:
            row = json.loads(line, parse_constant=_refuse_number) if line.strip() else {}
        except RecursionError:
            return f"line {i + first:,} is nested too deep"
        except ValueError as fault:
            return f"line {i + first:,} is not JSON ({fault})"
        if not isinstance(row, dict):
            return f"line {i + first:,} is not a JSON object but {line[:40]}"
    return f"cannot be read as JSON ({_first_line(error)})"


def _refuse_number(word: str) -> None:
    raise ValueError(f"it has no {word}; write null")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def plain_column(series: pl.Series, notes: list[Note], where: str) -> pl.Series | None:
    """Numbers, dates, booleans, strings and lists of words stay; durations become seconds; other nested values go."""
    kind = series.dtype
    if kind.is_decimal():
        return series.cast(pl.Float64)
    if kind == pl.Duration:
        notes.append(Note("info", "durations are read as seconds", f"column '{series.name}'"))
        return series.dt.total_microseconds() / 1e6
    if kind == pl.Date or kind == pl.Datetime:
        return _in_calendar(series, notes)
    if kind.is_numeric() or kind.is_temporal() or kind in (pl.String, pl.Boolean, pl.Null) or holds_lists(kind):
        return series
    if is_list_of_numbers(kind):
        return series
    if kind in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if isinstance(kind, pl.Struct) and any(part.name == "bytes" and part.dtype == pl.Binary for part in kind.fields):
        # Images as Hugging Face keeps them.
        return series.struct.field("bytes").alias(series.name)
    if kind == pl.Binary:
        return series
    notes.append(Note("warning", f"column '{series.name}' holds {kind} and is left out", where, LEFT_OUT))
    return None


def _in_calendar(series: pl.Series, notes: list[Note]) -> pl.Series:
    """Dates and times without those that no calendar has; Polars can hold them and panics when it writes them out."""
    # Looked at as integers: Polars panics when it writes such a date out (found by fuzzing; docs/LOG.md, 2026-11-22).
    days = series.to_physical()
    if isinstance(series.dtype, pl.Datetime):
        days = days // (86400 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[series.dtype.time_unit])
    # Null stays null.
    off = ~days.is_between(*CALENDAR)
    if count := int(off.sum()):
        text = f"{count_noun(count, 'value')} outside the years 1 to 9999 counted as missing"
        notes.append(Note("warning", text, f"column '{series.name}'", AS_MISSING))
        series = pl.select(pl.when(~off).then(series)).to_series().alias(series.name)
    return series


READERS: dict[str, Reader] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".psv", ".data"), read_delimited),
    ".txt": read_text_table,
    **dict.fromkeys((".parquet", ".pq"), read_parquet),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), read_arrow),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), read_json_lines),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), read_spreadsheet),
}
