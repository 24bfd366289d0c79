"""Spreadsheets: Excel (.xlsx, .xls) and OpenDocument (.ods), read by fastexcel. n rows."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Note
from ...fields.notes import LEFT_OUT
from ...wording import count_noun, join_words
from ..archives import DAMAGE
from ..source import ReadOptions
from .delimited import LAST, column_names, has_header
from .table import Table, chunk_of_frame, places_in_file, row_runs

# Rows of a sheet that its table is found in.
TOP_ROWS = 60

# Bytes that a workbook may unpack to, and how many times its own size: XML packs better than data, but not 200 : 1.
FREE_BYTES, RATIO = 4 << 30, 200

FIX = "open it in a spreadsheet program and save it again, or save its table as CSV"


def read_spreadsheet(path: Path, where: str, options: ReadOptions) -> Table:
    """The first sheet that holds a table: a row that fills most columns, and rows below it; titles are passed over.

    Raises:
        PellucidError: when the file is damaged or no sheet holds a table.
    """
    import fastexcel

    # It warns of every empty column.
    logging.getLogger("fastexcel").setLevel(logging.ERROR)
    _refuse_bomb(path, where)
    try:
        book = fastexcel.read_excel(path)
        tops = {sheet: _read_cells(book, sheet, 0, TOP_ROWS) for sheet in book.sheet_names}
    except fastexcel.FastExcelError as error:
        raise PellucidError(
            f"cannot be read as a spreadsheet ({_explain_damage(error)})", where=where, fix=FIX
        ) from None
    chosen = next(
        (s for s in tops if _table_width(tops[s]) > 1), next((s for s in tops if _table_width(tops[s])), None)
    )
    if chosen is None:
        names = join_words(f"'{sheet}'" for sheet in tops)
        raise PellucidError(f"no sheet holds a table (looked at {names})", where=where, fix="put names in a first row")
    notes: list[Note] = []
    if others := [f"'{sheet}'" for sheet in tops if sheet != chosen]:
        rest = f"{'the sheet' if len(others) == 1 else 'the sheets'} {join_words(others)}"
        notes.append(Note("info", f"the sheet '{chosen}' is read and {rest} left out", where, LEFT_OUT))
    return _make_table(book, chosen, tops[chosen], where, options, notes)


def _read_cells(book: Any, sheet: str, start: int, most: int | None = None, text: bool = True) -> pl.DataFrame:
    how: dict[str, Any] = {"dtypes": "string"} if text else {"schema_sample_rows": None}
    return book.load_sheet(sheet, header_row=None, skip_rows=start, n_rows=most, **how).to_polars()


def _table_width(top: pl.DataFrame) -> int:
    """How many columns the table of a sheet has that begins like this; 0 when there is none."""
    start = _header_row(top)
    return int(_filled_cells(top[start]).max()) if start is not None and len(top) > start + 1 else 0  # type: ignore[arg-type]


def _filled_cells(top: pl.DataFrame) -> pl.Series:  # (rows,) cells that are not empty
    if not top.width:
        return pl.Series([0])
    return top.select(pl.sum_horizontal(pl.all().is_not_null().cast(pl.Int64))).to_series()


def _header_row(top: pl.DataFrame) -> int | None:
    """The first row that fills more than half as many cells as the fullest one."""
    filled = _filled_cells(top)
    most = int(filled.max() or 0)  # type: ignore[arg-type]
    return int((filled * 2 > most).arg_max() or 0) if most else None


def _make_table(book: Any, sheet: str, top: pl.DataFrame, where: str, options: ReadOptions, notes: list[Note]) -> Table:
    start = _header_row(top)
    assert start is not None
    head = [["" if cell is None else cell for cell in row] for row in top[start:].rows()]
    header = has_header(head, options.names) if options.header is None else options.header
    names, _ = column_names(head, header, notes, where)
    frame = _read_cells(book, sheet, start + header, text=False)
    # A sheet may be wider below its top.
    names += [f"column_{i + 1}" for i in range(len(names), frame.width)]
    frame.columns = names[: frame.width]
    holds = [one.null_count() < len(one) for one in frame]
    # Without names, columns are told by their place, so that one in between stays though it is empty.
    last = max((i for i, some in enumerate(holds) if some), default=0)
    used = [n for i, n in enumerate(frame.columns) if holds[i] or (head[0][i].strip() if header else i < last)]
    frame = frame.select(used)
    full = _filled_cells(frame).to_numpy() > 0  # (n,)
    if not full.any():
        raise PellucidError(f"there is no row below the names in the sheet '{sheet}'", where=where)
    if start:
        text = f"{count_noun(start, 'row')} above the table {'is' if start == 1 else 'are'} passed over"
        notes.append(Note("info", text, where))
    lines = np.flatnonzero(full) + start + header + 1
    about = f"the sheet '{sheet}', {'names in its first row' if header else 'no header, so columns are numbered'}"
    goal = used[-1] if not header and len(used) > 1 else None
    return Table(
        about,
        used,
        [chunk_of_frame(frame.filter(full))],
        places_in_file(where, [row_runs(lines)]),
        notes,
        header,
        goal,
        LAST,
    )


def _refuse_bomb(path: Path, where: str) -> None:
    """Raises PellucidError for a workbook that unpacks to what no spreadsheet holds."""
    # An old .xls, or damaged: the reader says so.
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as book:
            size = sum(info.file_size for info in book.infolist())
    except DAMAGE as error:
        raise PellucidError(
            f"cannot be read as a spreadsheet ({_explain_damage(error)})", where=where, fix=FIX
        ) from None
    if size > FREE_BYTES or (size > 1 << 28 and size > RATIO * path.stat().st_size):
        what = f"{path.stat().st_size / 1e6:,.2f} MB unpack to {size / 1e6:,.0f} MB, as in files made to do harm"
        raise PellucidError(what, where=where, fix=FIX)


def _explain_damage(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].removeprefix("calamine error: ")[:160]
