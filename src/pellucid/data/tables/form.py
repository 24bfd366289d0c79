"""How a text file holds its table: delimiter, quotation, what stands above, names. Found once, from its first lines."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ...errors import PellucidError
from ...fields import Note
from ...fields.notation import COMMA, Marks, weigh_marks
from ...wording import count_noun
from ..source import ReadOptions
from .footer import RowShape, footer_start
from .header import has_header, is_number, join_headers, note_second, second_header, table_start, unique_names

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

BLANKS = " "

# Tried where none of the others cuts anything; the names are for messages.
RARE_DELIMITERS = {"^": "carets", "~": "tildes", "¦": "broken bars", "::": "double colons", "||": "double bars",
                   "\x1f": "unit separators", "\x01": "control characters"}  # fmt: skip

# Not tried, but said where they cut all lines alike: they stand in times, dates and words as well.
SAID_DELIMITERS = ":/&!*§"

COMMENT = re.compile(r"^\s*(#|%|//)")

# Records that a form is found from.
MOST_RECORDS = 200

# Of the records that must have as many cells as a delimiter is to be believed.
EVEN_SHARE = 0.7

SINGLE = "'"


@dataclass(frozen=True)
class Form:
    """How a file is written.

    Attributes:
        delimiter: one or several characters; a blank stands for any number of them.
        quote: the mark around cells that hold a delimiter. escaped: a backslash stands before marks in cells.
        loose: blanks behind a delimiter belong to no cell.
        above: lines above the table. header: whether its first record holds names. second: records below it with units
            or more names, by their lines in the file, counted from 0.
        names: of the columns. trailing: every line ends with a delimiter behind which nothing stands.
        row_names: whether the first column has no name, as R writes the names of rows.
    """

    delimiter: str = ","
    quote: str = '"'
    escaped: bool = False
    loose: bool = False
    above: int = 0
    header: bool = True
    second: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    trailing: bool = False
    row_names: bool = False

    @property
    def plain(self) -> bool:
        """Whether Polars reads it as it is."""
        simple = len(self.delimiter) == 1 and self.delimiter.isascii() and self.delimiter != BLANKS
        return simple and self.quote == '"' and not self.escaped and not self.loose

    @property
    def about(self) -> str:
        """In words."""
        kinds = {**DELIMITERS, **RARE_DELIMITERS, BLANKS: "spaces"}
        cut = kinds.get(self.delimiter, f"'{self.delimiter}' between cells") if len(self.names) > 1 else "one column"
        line = "the first line" if not self.above else f"line {self.above + 1}"
        return f"CSV with {cut}, {f'names in {line}' if self.header else 'no header, so columns are numbered'}"


def find_form(text: str, suffix: str, options: ReadOptions, notes: list[Note], where: str) -> Form:
    """The form of a file that begins with ``text``.

    Raises:
        PellucidError: when rows have one cell more than there are names, and nothing tells which one has none.
    """
    lines = text.split("\n")
    said = re.match(r"^\ufeff?\"?sep=(.)\"?\s*$", lines[0])
    above = _comment_lines(lines[bool(said) :]) + bool(said)
    delimiter = options.delimiter or (said.group(1) if said else "")
    delimiter = delimiter or find_delimiter(
        "\n".join(lines[above:]), suffix, (*options.names, *options.named), notes, where
    )
    form = Form(delimiter, above=above)
    if above > bool(said):
        # A comment that names the columns, as NumPy writes them; or a text that begins with a hash.
        own = _comment_record(lines, form)
        if own is not None:
            form = replace(form, above=above - 1)
            lines[form.above] = own
    form = _find_quotes("\n".join(lines[form.above :]), form)
    records = [(line + form.above, record) for line, record in split_records("\n".join(lines[form.above :]), form)]
    return _find_names(records, form, options, notes, where)


def _comment_lines(lines: Sequence[str]) -> int:
    """How many lines at the top are comments, blank ones between them included."""
    count = 0
    for i, line in enumerate(lines):
        if COMMENT.match(line):
            count = i + 1
        elif line.strip():
            break
    return count if any(line.strip() for line in lines[count:]) else 0


def _comment_record(lines: Sequence[str], form: Form) -> str | None:
    """The last comment above a table, where it is the first record: of names, or a row; None where it is a comment."""
    last = lines[form.above - 1]
    rest = [record for _, record in split_records("\n".join(lines[form.above :]), form)]
    bare = COMMENT.sub("", last).lstrip("#% \t") if form.delimiter != "\t" else COMMENT.sub("", last).lstrip("#% ")
    own = [record for _, record in split_records(bare, form)]
    if not rest or not own or len(own[0]) != len(rest[0]) or len(own[0]) == 1:
        return None
    names = has_header([*own, *rest]) and not any(is_number(cell.strip()) for cell in own[0])
    # Names are below it: it is a comment with as many commas.
    if has_header(rest) and any(is_number(cell.strip()) for record in rest[1:] for cell in record):
        return None
    return bare if names else last


def find_delimiter(text: str, suffix: str, names: Sequence[str] = (), notes: list[Note] | None = None, where: str = "",
                   ) -> str:  # fmt: skip
    """The delimiter that cuts most records into as many cells; titles above a table are passed over.

    Args:
        names: columns that are looked for: a delimiter that cuts them out of a first line is the one.
    """
    best, chosen = (0.0, 0), ""
    wanted = {name.casefold() for name in names}
    # Delimiters between cells whose commas, if they have any, belong to numbers.
    around_numbers: dict[str, float] = {}
    for delimiter in DELIMITERS:
        records = [record for _, record in split_records(text, Form(delimiter))]
        for some in (records, records[len(records) // 2 :]):
            widths = Counter(map(len, some))
            width, count = widths.most_common(1)[0] if widths else (0, 0)
            # A file called .tsv is cut at tabs even where commas cut it as evenly.
            share = count / max(len(some), 1) + (suffix in (".tsv", ".tab") and delimiter == "\t")
            if width > 1 and wanted and any(c.strip().casefold() in wanted for r in records[:3] for c in r):
                share += 2
            if width > 1 and share >= EVEN_SHARE and (share, width) > best:
                best, chosen = (share, width), delimiter
            if width > 1 and share >= EVEN_SHARE and delimiter != COMMA and _commas_in_numbers(records):
                around_numbers[delimiter] = max(share, around_numbers.get(delimiter, 0.0))
            if width > 1 and count >= EVEN_SHARE * len(some):
                break
    if chosen == COMMA and around_numbers:
        # 1,5;2,5;3,5: commas cut it into more cells, but stand inside numbers.
        other = max(around_numbers, key=around_numbers.__getitem__)
        chosen = other if around_numbers[other] >= best[0] else chosen
    if chosen == "\t" and _blanks_cut_further(text):
        return BLANKS
    return chosen or _rare_delimiter(text, wanted, notes if notes is not None else [], where) or ","


def _commas_in_numbers(records: Sequence[Sequence[str]]) -> bool:
    """Whether the cells with commas are numbers, those of the first record aside, which may be names."""
    cells = [cell for record in records[1:] for cell in record if COMMA in cell]
    return bool(cells) and weigh_marks(cells).numeric


def _blanks_cut_further(text: str) -> bool:
    """Whether blanks cut cells between tabs into numbers, as many in each line: both then stand between cells."""
    some = [record for _, record in split_records(text, Form("\t"))]
    runs = [cell.split() for record in some for cell in record if len(cell.split()) > 2]
    # Most cells between tabs are not several numbers.
    if len(runs) < EVEN_SHARE * len(some) or not all(map(is_number, (runs or [[""]])[-1][:2])):
        return False
    records = [record for _, record in split_records(text, Form(BLANKS))]
    width = Counter(map(len, records)).most_common(1)[0][0]
    numbers = sum(is_number(cell) or cell == "?" for cell in records[-1])
    return all(len(record) == width for record in records) and numbers * 2 > width > len(some[0])


def _rare_delimiter(text: str, wanted: set[str], notes: list[Note], where: str) -> str:
    """Another delimiter that cuts all lines alike, the first one too; what is only said is noted. Else empty."""
    lines = [line for line in text.split("\n") if line.strip()][:MOST_RECORDS]
    if len(lines) < 3 and not wanted:
        return ""
    for delimiter in (*RARE_DELIMITERS, BLANKS):
        records = [record for _, record in split_records("\n".join(lines), Form(delimiter))]
        if _cuts_alike(records, wanted):
            return delimiter
    for sign in SAID_DELIMITERS:
        if _cuts_alike([line.split(sign) for line in lines], wanted):
            text = f"it is read as one column; '{sign}' would cut every line into {lines[0].count(sign) + 1} cells"
            notes.append(Note("warning", text, where, "one column", f"--delimiter '{sign}' cuts them"))
            break
    return ""


def _cuts_alike(records: Sequence[Sequence[str]], wanted: set[str]) -> bool:
    """Whether records are equally long, and look like rows of a table: a column of numbers, or a name looked for."""
    width = len(records[0]) if records else 0
    if width < 2 or any(len(record) != width for record in records):
        return False
    if any(cell.strip().casefold() in wanted for cell in records[0]):
        return True
    below = records[1:]
    return any(below and all(is_number(record[i].strip()) for record in below) for i in range(width))


def split_records(text: str, form: Form) -> list[tuple[int, list[str]]]:
    """The first records that are not blank, each with the line of ``text`` that it begins in, counted from 0."""
    try:
        with long_cells():
            found, line = [], 0
            for record, after in iterate_records(text, form):
                if any(cell.strip() for cell in record):
                    found.append((line, record))
                if len(found) == MOST_RECORDS:
                    break
                line = after
            return found
    except csv.Error:
        lines = text.split("\n")
        cut = form.delimiter if form.delimiter != BLANKS else None
        return [(i, line.split(cut)) for i, line in enumerate(lines) if line.strip()][:MOST_RECORDS]


def iterate_records(text: str, form: Form) -> Iterator[tuple[list[str], int]]:
    """All records of a file of this form, and the line behind each."""
    # Python's reader takes one character.
    stand_in = form.delimiter
    if len(form.delimiter) > 1:
        stand_in = "\x1f"
        text = text.replace(form.delimiter, stand_in)
    how: dict[str, object] = {"escapechar": "\\", "doublequote": '""' in text} if form.escaped else {}
    if form.delimiter == BLANKS:
        text = "\n".join(line.strip() for line in text.replace("\t", " ").split("\n"))
    loose = form.loose or form.delimiter == BLANKS
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=stand_in,
        quotechar=form.quote,
        skipinitialspace=loose,
        **how,  # type: ignore[arg-type]
    )
    for record in reader:
        yield record, reader.line_num


@contextmanager
def long_cells() -> Iterator[None]:
    """Let Python's reader take cells of any length."""
    usual = csv.field_size_limit(1 << 30)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


def _find_quotes(text: str, form: Form) -> Form:
    """The form with the way of quoting that leaves fewest records of another length, and no mark around a cell."""
    cut = re.escape(form.delimiter)
    tries = [form]
    if re.search(rf'{cut}[ \t]+"', text) and form.delimiter not in (BLANKS, "\t"):
        tries.append(replace(form, loose=True))
    if re.search(rf'\\"|\\{cut}', text):
        tries.append(replace(form, escaped=True))
    if re.search(rf"(^|{cut})'[^'\n]*'({cut}|$)", text, re.MULTILINE):
        tries.append(replace(form, quote=SINGLE))
    if len(tries) == 1:
        return form
    faults = [_quote_faults(text, one) for one in tries]
    return tries[faults.index(min(faults))]


def _quote_faults(text: str, form: Form) -> int:
    """Records of another length than most, and cells that keep the marks that stood around them."""
    records = [record for _, record in split_records(text, form)]
    usual = Counter(map(len, records)).most_common(1)[0][0] if records else 0
    odd = sum(len(record) != usual for record in records)
    cells = [cell.strip() for record in records for cell in record]
    marked = sum(len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "'\"" for cell in cells)
    slashed = sum('\\"' in cell for cell in cells)
    return 1000 * odd + marked + slashed


def _find_names(
    records: list[tuple[int, list[str]]], form: Form, options: ReadOptions, notes: list[Note], where: str
) -> Form:
    """The form with its names, what stands above and below them, and a delimiter at the end of lines."""
    if not records:
        raise PellucidError("the file is empty", where=where)
    cells = [record for _, record in records]
    start = _title_records(cells, options)
    titles = [form.delimiter.join(cell for cell in record if cell.strip()) for record in cells[:start]]
    cells = cells[start:]
    header = has_header(cells, options.names, options.named) if options.header is None else options.header
    second = second_header(cells) if header else 0
    if titles or form.above:
        above = records[start][0]
        shown = f", the last one '{top[:60]}'" if (top := "".join(titles[-1:]).strip()) else ""
        if above:
            notes.append(Note("info", f"{count_noun(above, 'line')} above the table skipped{shown}", where))
    names = join_headers(cells[0], cells[1 : 1 + second])
    if second:
        notes.append(note_second(cells[: 1 + second], names, where))
    lines = tuple(line for line, _ in records[start + 1 : start + 1 + second])
    form = replace(form, above=records[start][0], header=header, second=lines)
    rows = cells[header + second :]
    rows = rows[: footer_start(rows, RowShape.of(rows, len(cells[0])))]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else len(cells[0])
    return _name_columns(names, rows, width, form, notes, where)


def _title_records(cells: Sequence[Sequence[str]], options: ReadOptions) -> int:
    """How many records above the table are titles: they fill few cells, and names stand below them."""
    start = table_start(cells)
    if not start or options.header is False:
        return 0
    wanted = (*options.names, *options.named)
    if wanted and has_header(cells, wanted) and not has_header(cells[start:], wanted):
        return 0
    # Shorter than a row: no row of this table. As long, but nearly empty: a title only where names follow.
    width = Counter(map(len, cells)).most_common(1)[0][0]
    short = all(len(record) < width for record in cells[:start])
    first = cells[start]
    return (
        start
        if short or (has_header(cells[start:], options.names, options.named) and not any(map(is_number, first)))
        else 0
    )


def _name_columns(
    given: Sequence[str], rows: Sequence[Sequence[str]], width: int, form: Form, notes: list[Note], where: str
) -> Form:
    even = len(set(map(len, rows))) == 1
    ends_empty = bool(rows) and all(not record[-1].strip() for record in rows if len(record) == width)
    if not form.header:
        trailing = ends_empty and width > 1 and even
        return replace(form, trailing=trailing, names=tuple(f"column_{i + 1}" for i in range(width - trailing)))
    # A delimiter at the end of every line, with one behind the names or without.
    if ends_empty and even and width > 1 and width - len(given) in (0, 1) and not (len(given) == width and given[-1]):
        names = unique_names(given[: width - 1], notes, where)
        return replace(form, trailing=True, names=tuple(names))
    if width == len(given) + 1 and even:
        first = [record[0].strip() for record in rows]
        if len(set(first)) < len(first) or any(not cell for cell in first):
            raise PellucidError(
                f"its rows have {width} cells and its first line {len(given)} names, and nothing tells which column "
                "has none",
                where=where,
                fix="give every column a name, or use --no-header if the first line has no names",
            )
        text = (
            "rows have one cell more than there are names; the first one, different in each, is read as the row's name"
        )
        notes.append(Note("info", text, where))
        return replace(form, names=tuple(unique_names(["", *given], notes, where)), row_names=True)
    return replace(form, names=tuple(unique_names(given, notes, where)))


def has_decimal_commas(form: Form, records: Sequence[Sequence[str]]) -> bool:
    """Whether the numbers of the first records have decimal commas throughout, so that they can be read at once."""
    if form.delimiter == COMMA:
        return False
    columns = [[r[i] for r in records if i < len(r) and r[i].strip()] for i in range(len(form.names))]
    marks = [weigh_marks(cells) if cells else Marks() for cells in columns]
    told = [of.decimal for of in marks if of.numeric]
    return COMMA in told and all(not of.point for of in marks if of.numeric)
