"""The names of a table's columns: whether a record holds them, and where they stand. C columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from ...fields import Note
from ...fields.notation import weigh_marks
from ...fields.number import MISSING
from ...wording import count_noun, join_words

Record = Sequence[str]

# Words that are names of columns far more often than values.
FIRST_NAMES = {"id", "name", "label", "class", "target", "text", "date", "index", "category", "value", "y"}

IDENTIFIER = re.compile(r"^[^\W\d][\w .()/%#&-]{0,40}$")

DATE = re.compile(r"^(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})([T ][\d:.]+)?$")

# Numbers with grouped digits, Western, Indian and Swiss: 1.234,50; 12,34,567.8; 1'234.
GROUPED = re.compile(
    r"[+-]?\d{1,3}(?:(?:,\d{2,3})*,\d{3}(?:\.\d*)?|(?:\.\d{3})+(?:,\d*)?"
    r"|(?:['’´ \u00a0\u202f\u2009]\d{3})+(?:[.,]\d*)?)"
)

# Of a column's cells, that make it one of numbers or dates.
MOSTLY = 0.8

# Values before a column of words is known to be one of few.
MIN_VALUES = 6

# Rows of units or more names under the first one.
MOST_SECOND = 3

# Rows under a second row of names before it is one, and not a slip.
MIN_ROWS_BELOW = 2


def has_header(head: Sequence[Record], names: Sequence[str] = (), named: Sequence[str] = ()) -> bool:
    """Whether the first record holds names. Every column votes: names differ from values in what they look like.

    Args:
        head: the first records.
        names: columns that must be found. Finding one of them decides; without it only clear votes make a header.
        named: columns that the user names. Finding one of them decides.
    """
    first, rest = [cell.strip() for cell in head[0]], head[1:]
    if any(name.casefold() in {cell.casefold() for cell in first} for name in (*names, *named)):
        return True
    columns = [[r[i].strip() for r in rest if i < len(r) and r[i].strip()] for i in range(len(first))]
    if _comes_again(first, rest):
        return True
    counts = _counts_up(first)
    votes = sum(
        _vote(cell, values, counts) for cell, values in zip(first, columns, strict=True) if cell or not any(first)
    )
    if all(is_number(cell) for cell in first if cell):
        # Nothing but numbers: a row, unless they number the columns from 0 on, as frames without names are written.
        numbers = [cell for cell in first if cell]
        return (
            len(first) > 2
            and numbers == [str(i) for i in range(len(numbers))]
            and not _counts_up(rest[0] if rest else [])
        )
    # Without names to look for, a first line that looks like neither is taken for a header, as most files have one.
    return votes > 0 if names else votes >= 0


def _comes_again(first: Record, rest: Sequence[Record]) -> bool:
    """Whether the first record stands among the others, which are not all words: a header of files put together."""
    again = [list(map(str.strip, record)) == list(first) for record in rest]
    if not any(again) or any(is_number(cell) for cell in first):
        return False
    others = [record for record, same in zip(rest, again, strict=True) if not same]
    return any(is_number(cell) for record in others for cell in record)


def _counts_up(first: Record) -> bool:
    """Whether the numbers among the cells are whole and rise by one step, as years do, or numbered columns."""
    numbers = [cell for cell in first if is_number(cell)]
    if not numbers or not all(re.fullmatch(r"\d{1,6}", cell) for cell in numbers):
        return False
    values = [int(cell) for cell in numbers]
    steps = {after - before for before, after in pairwise(values)}
    if len(values) == 2 and all(1900 <= value < 2100 for value in values):
        return steps == {1} and len(numbers) < len(first)
    if len(values) < 3:
        return values[0] in (0, 1) and steps <= {1}
    return len(steps) == 1 and steps.pop() > 0


def _vote(cell: str, values: Sequence[str], counts: bool) -> int:
    """Above 0 when ``cell`` looks like the name of ``values``, below 0 when it looks like one of them."""
    if cell in values:
        return -2
    if cell.lower() in FIRST_NAMES:
        return 3
    numbers = sum(map(is_number, values)) > MOSTLY * len(values) and bool(values)
    if is_number(cell):
        # Years over columns, or 0, 1, 2: they may well be names.
        return 0 if counts else -1
    if numbers or (values and not DATE.match(cell) and sum(bool(DATE.match(v)) for v in values) > MOSTLY * len(values)):
        return 2
    # The names of few values are not among them.
    if len(values) >= MIN_VALUES and len(set(values)) * 2 <= len(values):
        return 2
    if not IDENTIFIER.match(cell) and cell:
        return -2
    return int(bool(values) and sum(map(len, values)) > 3 * len(cell) * len(values))


def is_number(cell: str) -> bool:
    """Whether a cell is a number, in one notation or another.

    >>> [is_number(cell) for cell in ("1,5", "1.234,50", "12,34,567.8", "1’234", "12.05.2020")]
    [True, True, True, True, False]
    """
    try:
        float(cell.replace(",", ".").replace(" ", ""))
    except ValueError:
        signed = bool(cell) and cell[0] in "+-($€£¥<>≤≥~" and weigh_marks([cell]).numeric
        return signed or GROUPED.fullmatch(cell) is not None
    return True


def table_start(records: Sequence[Record]) -> int:
    """The first record that fills more than half as many cells as most do: titles above a table fill fewer."""
    filled = [sum(bool(cell.strip()) for cell in record) for record in records]
    usual = Counter(count for count in filled if count).most_common(1)
    most = usual[0][0] if usual else 0
    width = Counter(map(len, records)).most_common(1)[0][0] if records else 0
    start = next((i for i, count in enumerate(filled) if count * 2 > most), 0)
    # A title with a delimiter in it is shorter than the names below it.
    while start + 1 < len(records) and len(records[start]) < width == len(records[start + 1]):
        if not has_header(records[start + 1 :]) or any(map(is_number, records[start + 1])):
            break
        start += 1
    return start - 1 if start and group_heads(records[start - 1], records[start]) else start


def group_heads(above: Record, names: Record) -> bool:
    """Whether a record right above one of names holds the heads of groups of columns, as merged cells are written.

    >>> group_heads(["", "wind", "", "rain", ""], ["day", "max", "mean", "max", "mean"])
    True
    """
    heads, given = [cell.strip() for cell in above if cell.strip()], [cell.strip() for cell in names if cell.strip()]
    return len(heads) > 1 and len(above) == len(names) and len(set(given)) < len(given)


def second_header(records: Sequence[Record]) -> int:
    """How many records below the first, which holds names, hold no values but units, more names or a ruled line.

    Where a column is of numbers, they have a word; at least two such columns, or all of them, must say so.
    """
    if len(records) > 1 and _is_rule(records[1]):
        return 1
    for count in range(min(MOST_SECOND, len(records) - 1 - MIN_ROWS_BELOW), 0, -1):
        if all(_names_more(row, records[count + 1 :]) for row in records[1 : count + 1]):
            return count
    return 0


def _names_more(row: Record, below: Sequence[Record]) -> bool:
    columns = [i for i in range(len(row)) if _holds_numbers([r[i] for r in below if i < len(r)])]
    words = [i for i in columns if row[i].strip() and not is_number(row[i].strip()) and not _is_gap(row[i])]
    if not columns or len(words) * 2 <= len(columns):
        return False
    # In a column of its own, one word among numbers is a slip.
    return len(words) > 1 or not any(cell.strip() for i, cell in enumerate(row) if i not in columns)


def _is_rule(record: Record) -> bool:
    """Whether a record is a line of dashes, as under the names of a table that is drawn with characters."""
    cells = [cell.strip() for cell in record if cell.strip()]
    return bool(cells) and all(re.fullmatch(r":?[-+=|]{2,}:?", cell) for cell in cells) and len("".join(cells)) > 5


def _holds_numbers(cells: Sequence[str]) -> bool:
    present = [cell.strip() for cell in cells if cell.strip() and not _is_gap(cell)]
    numbers = sum(map(is_number, present))
    return numbers > 0 and numbers >= MOSTLY * len(present)


def _is_gap(cell: str) -> bool:
    return cell.strip().lower() in MISSING


def join_headers(first: Record, more: Sequence[Record]) -> list[str]:
    """Names from a first record and those below it: put together where the first ones come again.

    What stands over several columns, as merged cells do, holds for those to the right of it too.

    >>> join_headers(["", "size", "size"], [["", "x", "y"]])
    ['', 'size x', 'size y']
    >>> join_headers(["town", "2023", "", "2024", ""], [["", "in", "out", "in", "out"]])
    ['town', '2023 in', '2023 out', '2024 in', '2024 out']
    """
    given = [cell.strip() for cell in first]
    rows = [[*record, *[""] * (len(given) - len(record))] for record in more if not _is_rule(record)]
    rows = [given, *([cell.strip() for cell in row] for row in rows)]
    spread = [_spread_heads(row, rows[i + 1 :]) for i, row in enumerate(rows)]
    named = [cell for cell in spread[0] if cell]
    if len(set(named)) == len(named):
        return [name or below for name, below in zip(given, _joined(spread), strict=True)]
    return _joined(spread)


def note_second(records: Sequence[Record], names: Sequence[str], where: str) -> Note:
    """What is said of the records below the names: whether they went into the names, or what they hold."""
    count = len(records) - 1
    if _is_rule(records[1]):
        return Note("info", "the ruled line below the names skipped", where)
    if list(names) != [cell.strip() for cell in records[0]]:
        text = f"names are put together from {count + 1} rows, such as '{max(names, key=len)[:60]}'"
        return Note("info", text, where)
    shown = join_words([f"'{cell.strip()}'" for cell in records[1] if cell.strip()], 4)
    what = count_noun(count, "row below the names holds", "rows below the names hold")
    return Note("warning", f"{what} no values but {shown}; skipped", where)


def _joined(rows: Sequence[Record]) -> list[str]:
    return [" ".join(dict.fromkeys(row[i] for row in rows if row[i])) for i in range(len(rows[0]))]


def _spread_heads(row: Record, below: Sequence[Record]) -> list[str]:
    """Heads of groups, also over the blank cells to the right of them; each column of a group has a name below."""
    spread, head = list(row), ""
    for i, cell in enumerate(row):
        named = any(other[i] for other in below)
        if cell or not named:
            head = cell if named else ""
        spread[i] = cell or head
    return spread


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
