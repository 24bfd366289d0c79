"""Spreadsheets: Excel (.xlsx, .xls) and OpenDocument (.ods), read by fastexcel. n rows."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ...errors import PellucidError, UsageError, shell_quote, unknown_name
from ...fields import Note
from ...fields.notes import LEFT_OUT
from ...wording import count_noun, join_words
from ..archives import DAMAGE
from ..source import ReadOptions
from .delimited import LAST
from .footer import MOST_BELOW, RowShape, footer_start, note_footer
from .header import group_heads, has_header, is_number, join_headers, note_second, second_header, unique_names
from .table import Table, chunk_of_frame, places_in_file, row_runs, stack_places

# Rows of a sheet that its table is found in.
TOP_ROWS = 60

# Bytes that a workbook may unpack to, and how many times its own size: XML packs better than data, but not 200 : 1.
FREE_BYTES, RATIO = 4 << 30, 200

FIX = "open it in a spreadsheet program and save it again, or save its table as CSV"


def read_spreadsheet(path: Path, where: str, options: ReadOptions) -> Table:
    """The sheet that holds the table: a row that fills most columns, and rows below it; titles are passed over.

    Raises:
        PellucidError: when the file is damaged or no sheet holds a table.
    """
    import fastexcel

    # It warns of every empty column.
    logging.getLogger("fastexcel").setLevel(logging.ERROR)
    _refuse_bomb(path, where)
    try:
        book = fastexcel.read_excel(path)
        sheets = {
            name: book.load_sheet(name, header_row=None, n_rows=TOP_ROWS, dtypes="string") for name in book.sheet_names
        }
        tops = {name: sheet.to_polars() for name, sheet in sheets.items()}
        hidden = {name for name, sheet in sheets.items() if sheet.visible != "visible"}
    except fastexcel.FastExcelError as error:
        raise PellucidError(
            f"cannot be read as a spreadsheet ({_explain_damage(error)})", where=where, fix=FIX
        ) from None
    chosen = _choose_sheet(tops, hidden, options, where)
    notes: list[Note] = []
    alike = (
        [chosen]
        if options.sheet is not None
        else _sheets_alike({name: top for name, top in tops.items() if name not in hidden or name == chosen}, chosen)
    )
    others = [sheet for sheet in tops if sheet not in alike and _table_width(tops[sheet])]
    if rest := [f"'{sheet}'" for sheet in tops if sheet not in alike]:
        text = f"{_name_sheets([repr(sheet) for sheet in alike])} read, {_name_sheets(rest)} left out"
        fix = f"--sheet {shell_quote(others[0])} reads another" if others else ""
        notes.append(Note("warning" if others else "info", text, where, LEFT_OUT, fix))
    tables = [
        _make_table(book, sheet, tops[sheet], sheets[sheet].total_height, where, options, notes) for sheet in alike
    ]
    if len(tables) == 1:
        return tables[0]
    text = f"{len(alike)} sheets with the same columns are read as one table: {join_words(alike, 4)}"
    notes.append(Note("info", text, where, fix=f"--sheet {shell_quote(alike[0])} reads one"))
    pieces = [chunk for table in tables for chunk in table.pieces]
    names = [f"{where}, sheet '{sheet}'" for sheet in alike]
    about = f"{len(alike)} sheets, names in their first rows"
    places = stack_places([table.places for table in tables], [len(table) for table in tables], names)
    return Table(about, tables[0].names, pieces, places, notes)


def _name_sheets(sheets: Sequence[str]) -> str:
    return (
        f"the {'sheet' if len(sheets) == 1 else 'sheets'} {join_words(sheets, 6)} {'is' if len(sheets) == 1 else 'are'}"
    )


def _sheets_alike(tops: Mapping[str, pl.DataFrame], chosen: str) -> list[str]:
    """The sheets whose tables have the same names as the chosen one's, itself included."""

    def names_of(sheet: str) -> list[str]:
        start = _header_row(tops[sheet])
        first = tops[sheet].row(start) if start is not None else ()
        return [str(cell).strip() for cell in first if cell is not None]

    own = names_of(chosen)
    named = len(own) > 1 and not any(map(is_number, own))
    return [s for s in tops if s == chosen or (named and names_of(s) == own and _table_width(tops[s]))]


def _choose_sheet(tops: Mapping[str, pl.DataFrame], hidden: Collection[str], options: ReadOptions, where: str) -> str:
    """The sheet that the user says, else the one with the columns that are looked for, else the one with most rows.

    Hidden sheets hold what others are made of, and are read where no other holds a table.

    Raises:
        UsageError: when there is no sheet of the name. PellucidError: when no sheet holds a table.
    """
    if options.sheet is not None:
        if options.sheet not in tops:
            raise UsageError(unknown_name("sheet", options.sheet, tops))
        return options.sheet
    wanted = {name.casefold() for name in (*options.names, *options.named)}

    def rank(sheet: str) -> tuple[int, bool, bool, int]:
        top = tops[sheet]
        start = _header_row(top)
        first = [] if start is None else [str(cell).strip().casefold() for cell in top.row(start) if cell is not None]
        return len(wanted.intersection(first)), sheet not in hidden, _table_width(top) > 1, len(top)

    tables = [sheet for sheet in tops if _table_width(tops[sheet])]
    if not tables:
        names = join_words(f"'{sheet}'" for sheet in tops)
        raise PellucidError(f"no sheet holds a table (looked at {names})", where=where, fix="put names in a first row")
    return max(tables, key=rank)


def _read_cells(book: Any, sheet: str, start: int, height: int) -> tuple[pl.DataFrame, int]:
    """The cells from a row on, and how many empty rows stand at the top of the sheet.

    Args:
        start: counted from the first row that holds something. height: rows from that one on.
    """

    def load_below(row: int) -> Any:
        return book.load_sheet(sheet, header_row=None, skip_rows=row, schema_sample_rows=None)

    # Rows that are skipped are counted from the sheet's first one; where none is, the empty ones are left out.
    cells = load_below(start)
    blank = max(cells.total_height - height, 0)
    return (load_below(start + blank) if blank else cells).to_polars(), blank


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
    if not most:
        return None
    start = int((filled * 2 > most).arg_max() or 0)
    if start and group_heads(*([cell or "" for cell in row] for row in top[start - 1 : start + 1].rows())):
        return start - 1
    return start


def _make_table(
    book: Any, sheet: str, top: pl.DataFrame, height: int, where: str, options: ReadOptions, notes: list[Note]
) -> Table:
    start = _header_row(top)
    assert start is not None
    head = [["" if cell is None else cell for cell in row] for row in top[start:].rows()]
    header = has_header(head, options.names, options.named) if options.header is None else options.header
    second = second_header(head) if header else 0
    width = max(map(len, head))
    given = join_headers(head[0], head[1 : 1 + second]) if header else [f"column_{i + 1}" for i in range(width)]
    if second:
        notes.append(note_second(head[: 1 + second], given, where))
    names = unique_names(given, notes, where)
    frame, blank = _read_cells(book, sheet, start + header + second, height)
    # A sheet may be wider below its top.
    names += [f"column_{i + 1}" for i in range(len(names), frame.width)]
    frame.columns = names[: frame.width]
    holds = [one.null_count() < len(one) for one in frame]
    # Without names, columns are told by their place, so that one in between stays though it is empty.
    last = max((i for i, some in enumerate(holds) if some), default=0)
    used = [n for i, n in enumerate(frame.columns) if holds[i] or (head[0][i].strip() if header else i < last)]
    frame = frame.select(used)
    full = _filled_cells(frame).to_numpy() > 0  # (n,)
    below = _footer_rows(frame)
    if footer := note_footer(below, where, "row"):
        notes.append(footer)
        full[len(full) - len(below) :] = False
    if not full.any():
        raise PellucidError(f"there is no row below the names in the sheet '{sheet}'", where=where)
    if start:
        text = f"{count_noun(start, 'row')} above the table {'is' if start == 1 else 'are'} skipped"
        notes.append(Note("info", text, where))
    lines = np.flatnonzero(full) + blank + start + header + second + 1
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


def _footer_rows(frame: pl.DataFrame) -> list[list[str]]:
    """What stands below the table, as text."""

    def text_of(rows: pl.DataFrame) -> list[list[str]]:
        return [["" if cell is None else str(cell) for cell in row] for row in rows.rows()]

    last = text_of(frame.tail(MOST_BELOW))
    return last[footer_start(last, RowShape.of(text_of(frame.head(TOP_ROWS)), frame.width)) :]


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
        what = f"{path.stat().st_size / 1e6:,.2f} MB unpack to {size / 1e6:,.0f} MB, like a decompression bomb"
        raise PellucidError(what, where=where, fix=FIX)


def _explain_damage(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].removeprefix("calamine error: ")[:160]
