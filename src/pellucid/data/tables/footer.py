"""What stands below a table: sums, balances, sources, notes. Told from the last records alone; W cells in a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ...fields import Note
from ...fields.notes import LEFT_OUT
from ...wording import count_noun
from .header import is_number

# How a row of sums begins, in the languages that such files are in.
TOTAL = re.compile(
    r"^((grand|over ?all|sub|zwischen|end|sous|gesamt|общий|net)[- ]?)?(totals?|totale?s?|totaux|totaal|sum|sums|summe"
    r"|saldo|solde|balance|gesamt|insgesamt|somme|suma|soma|summa|average|mean|mittelwert|durchschnitt|moyenne|итого"
    r"|всего)\b|^(合計|合计|总计|總計|小計|小计|합계|총계|المجموع|الإجمالي|סה\"כ)",
    re.IGNORECASE,
)

# How a line begins that says something of the table.
REMARK = re.compile(
    r"^(\*|†|©|#|sources?\b|notes?\b|quellen?\b|hinweise?\b|anmerkung|fußnote|stand\b|fuente|fonte|nota\b|remarques?\b"
    r"|lecture\b|champ\b|copyright|generated|exported|erstellt|generado|end of|источник|出典|出所|注|资料来源|来源"
    r"|자료|주)",
    re.IGNORECASE,
)

# Records at the end of a file that are looked at, and cells that a row usually fills where this can be told at all.
MOST_BELOW, MIN_FILLED = 30, 3

# Rows from which it is known what a row usually fills.
MIN_ROWS = 3


@dataclass(frozen=True)
class RowShape:
    """What the rows of a table usually look like.

    Attributes:
        width: cells. filled: how many of them hold something, usually. always: those that hold something in every row.
    """

    width: int
    filled: float
    always: frozenset[int]

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]], width: int) -> RowShape:
        """From the first rows, which may end with what stands below them."""
        own = [row for row in rows if not is_total(next((cell for cell in row if cell.strip()), ""))]
        sure = own[: max(MIN_ROWS, len(own) * 3 // 4)]
        counts = [sum(bool(cell.strip()) for cell in row) for row in sure]
        always = {i for i in range(width) if all(i < len(row) and row[i].strip() for row in sure)}
        return cls(width, median(counts) if len(sure) >= MIN_ROWS else 0, frozenset(always))


def footer_start(records: Sequence[Sequence[str]], shape: RowShape) -> int:
    """Where in the last records of a file its table ends; ``len(records)`` where nothing stands below it.

    Args:
        records: in order, an empty one for each blank line.
    """
    start = len(records)
    if shape.filled < MIN_FILLED:
        return start
    seen = -1
    for i in range(len(records) - 1, -1, -1):
        record = records[i]
        if not any(cell.strip() for cell in record):
            continue
        if seen < 0:
            # A table with blank lines between its rows says nothing with one more.
            seen = sum(not any(cell.strip() for cell in other) for other in records[: max(i - 5, 0)])
        apart = not seen and i > 0 and _stands_apart(records, i)
        if not _is_below(record, shape, apart):
            break
        start = i
    return start


def _stands_apart(records: Sequence[Sequence[str]], i: int) -> bool:
    """Whether a blank line stands above the last records from ``i`` on, up to five lines before it."""
    return any(not any(cell.strip() for cell in record) for record in records[max(i - 5, 0) : i])


def _is_below(record: Sequence[str], shape: RowShape, apart: bool) -> bool:
    cells = [cell.strip() for cell in record if cell.strip()]
    if is_total(cells[0]):
        return any(i >= len(record) or not record[i].strip() for i in shape.always)
    if is_number(cells[0]) or len(cells) * 2 > shape.filled:
        return False
    short = len(record) < shape.width
    if REMARK.match(cells[0]):
        return short or len(cells) == 1
    return apart or (short and len(cells) == 1 and " " in cells[0])


def is_total(cell: str) -> bool:
    """Whether a cell begins as the first one of a row of sums does.

    >>> is_total("Grand total"), is_total("Saldo per 31.12.2024"), is_total("Sumatra")
    (True, True, False)
    """
    return bool(TOTAL.match(cell.strip()))


def note_footer(records: Sequence[Sequence[str]], where: str, noun: str) -> Note | None:
    """What is said of the records below a table: a warning where some are sums, as these look like rows."""
    own = [[cell.strip() for cell in record if cell.strip()] for record in records]
    own = [cells for cells in own if cells]
    if not own:
        return None
    level = "warning" if any(is_total(cells[0]) for cells in own) else "info"
    first = " ".join(own[0])[:60]
    text = f"{count_noun(len(own), noun)} below the table skipped, the first one '{first}'"
    return Note(level, text, where, LEFT_OUT if level == "warning" else "")
