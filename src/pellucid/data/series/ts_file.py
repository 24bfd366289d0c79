"""Files of series in the form of sktime and aeon, ``.ts``: lines of ``@name value``, ``@data``, then a series a line.

A line is ``1.0,2.0,?:3.0,4.0:walking``: channels between colons, values between commas, ? for a missing one, and last
what is true of the series. With ``@timeStamps true`` a value is ``(time,value)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import PellucidError
from ...fields import Note
from ...fields.notes import AS_IT_SAYS, AS_MISSING
from ...wording import count_noun, join_words
from ..tables.text_blocks import decode_text
from .series_file import CLASS, NUMBER, SeriesFile, check_channels

# Bytes of a file that are looked at to know that it is one; descriptions stand above, as comments.
HEAD_BYTES = 1 << 16

MISSING = ("?", "", "nan", "na", "null", "none")

# A value with its time: a date or a number, a comma, the value.
STAMPED = re.compile(r"\(([^()]*),([^(),]*)\)")

TAG = re.compile(r"@(\w+)\s*(.*)")

# Labels that an error names.
MOST_NAMED = 8


@dataclass
class TsHeader:
    """What the lines above the data declare; None and empty where they don't.

    Attributes:
        name: of the problem. channels: how many. equal: whether all series are equally long; length: so long.
        stamped: whether values come with times. labels: the classes. goal: ``CLASS``, ``NUMBER`` or empty.
        line: of the first series.
    """

    name: str = ""
    channels: int | None = None
    equal: bool = False
    length: int | None = None
    stamped: bool = False
    labels: tuple[str, ...] = ()
    goal: str = ""
    line: int = 0


def is_ts(head: bytes) -> bool:
    """Whether a file begins as one of series does: the ending is also that of programs and of video."""
    for line in head.decode("utf-8", "replace").splitlines():
        text = line.strip()
        if text and text[0] not in "#%":
            known = TAG.match(text)
            return known is not None and known[1].lower() in KNOWN
    return False


def read_ts(path: Path, where: str, content: bytes) -> SeriesFile:
    """Read a file of series; a line that can't be read keeps its row, and says why.

    Raises:
        PellucidError: when its header can't be understood, or no data follow it.
    """
    text, guess = decode_text(content)
    lines = text.split("\n")
    header = read_header(lines, where)
    file = SeriesFile(where, header.goal)
    if guess:
        file.notes.append(Note("warning", f"is not UTF-8 and read as Western European ({guess})", where, AS_IT_SAYS))
    if header.stamped:
        file.notes.append(Note("info", "the times of the values are not read; values keep their order", where))
    for number, line in enumerate(lines[header.line :], header.line + 1):
        if not line.strip() or line.lstrip()[0] in "#%":
            continue
        add_line(file, number, line.strip(), header)
    if not file.rows:
        raise PellucidError("there are no series below @data", where=where)
    check_channels(file, header.channels)
    check_lengths(file, header)
    check_labels(file, header)
    return file


def _flag(value: str, where: str) -> bool:
    word = value.split()[0].lower() if value.split() else ""
    if word not in ("true", "false"):
        raise PellucidError(f"'{value[:40]}' is neither true nor false", where=where)
    return word == "true"


def _whole(value: str, where: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", value.strip()):
        raise PellucidError(f"'{value.strip()[:40]}' is not a whole number", where=where)
    return int(value)


KNOWN = (
    "problemname", "timestamps", "missing", "univariate", "dimension", "dimensions", "equallength", "serieslength",
    "classlabel", "targetlabel", "data",
)  # fmt: skip


def read_header(lines: list[str], where: str) -> TsHeader:
    """The lines above the data. Raises PellucidError with the line that can't be understood."""
    found = TsHeader()
    for number, line in enumerate(lines, 1):
        text, at = line.strip(), f"{where}, line {number:,}"
        if not text or text[0] in "#%":
            continue
        known = TAG.match(text)
        if known is None:
            raise PellucidError("there is a line of data before @data", where=at, fix="write @data above the series")
        word, value = known[1].lower(), known[2].strip()
        if word == "data":
            found.line = number
            return found
        _take(found, word, value, at)
    raise PellucidError("there is no line @data", where=where, fix="write @data above the series")


def _take(found: TsHeader, word: str, value: str, at: str) -> None:
    """Take what one line of the header declares."""
    if word == "problemname":
        found.name = value
    elif word == "timestamps":
        found.stamped = _flag(value, at)
    elif word == "univariate" and _flag(value, at):
        found.channels = 1
    elif word in ("dimension", "dimensions"):
        found.channels = _whole(value, at)
    elif word == "equallength":
        found.equal = _flag(value, at)
    elif word == "serieslength":
        found.length = _whole(value, at)
    elif word == "classlabel" and _flag(value, at):
        found.goal, found.labels = CLASS, tuple(value.split()[1:])
        if not found.labels:
            raise PellucidError("no classes are named", where=at, fix="name them: @classLabel true cat dog")
    elif word == "targetlabel" and _flag(value, at):
        found.goal = NUMBER


def add_line(file: SeriesFile, number: int, line: str, header: TsHeader) -> None:
    """Add one series."""
    # Times may hold colons, so that only those outside of brackets part channels.
    parts = _outside_brackets(line) if header.stamped else line.split(":")
    answer: str | None = None
    if file.goal:
        answer = parts.pop().strip()
        answer = None if answer.lower() in MISSING else answer
    try:
        if not parts:
            raise ValueError("there is nothing before what is true of it")
        channels = [_stamped_values(part) if header.stamped else parse_values(part) for part in parts]
    except ValueError as error:
        file.add(number, None, answer, str(error))
        return
    if not any(len(one) for one in channels):
        file.add(number, None, answer, "the series is empty")
        return
    file.add(number, channels, answer)


def parse_values(text: str) -> np.ndarray:  # -> (T,) float64
    """Values between commas, NaN for a missing one. Raises ValueError that names what is no number."""
    cells = [cell.strip() for cell in text.split(",")]
    if cells == [""]:
        return np.zeros(0)
    try:
        return np.array([cell if cell.lower() not in MISSING else "nan" for cell in cells], np.float64)
    except ValueError:
        odd = next(cell for cell in cells if not _is_number(cell))
        raise ValueError(f"'{odd[:40]}' is not a number") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell if cell.lower() not in MISSING else "nan")
    except ValueError:
        return False
    return True


def _stamped_values(text: str) -> np.ndarray:  # -> (T,) float64
    """The values of ``(time,value)`` pairs, in the order they are written."""
    rest = STAMPED.sub("", text).replace(",", "").strip()
    if rest:
        raise ValueError(f"'{rest[:40]}' is not a pair of time and value")
    return parse_values(",".join(value for _, value in STAMPED.findall(text)))


def _outside_brackets(line: str) -> list[str]:
    """A line cut at the colons that stand outside of brackets."""
    return re.split(r":(?![^()]*\))", line)


def check_lengths(file: SeriesFile, header: TsHeader) -> None:
    """Make series of another length than is declared ones that can't be read."""
    if not header.equal:
        return
    known = [len(channel) for row in file.rows if row is not None for channel in row]
    length = header.length or (max(set(known), key=known.count) if known else 0)
    for i, row in enumerate(file.rows):
        odd = next((len(channel) for channel in row or () if len(channel) != length), None)
        if odd is not None:
            declared = "@seriesLength says" if header.length else "the others have"
            file.faults[i] = f"has {count_noun(odd, 'value')}, and {declared} {length:,}"
            file.rows[i] = None


def check_labels(file: SeriesFile, header: TsHeader) -> None:
    """Say which classes were not declared, and take them for unknown; likewise what is no number."""
    for i, answer in enumerate(file.answers):
        if answer is None or i in file.faults:
            continue
        at = f"{file.where}, line {file.lines[i]:,}"
        if header.goal == CLASS and answer not in header.labels:
            named = join_words(header.labels, MOST_NAMED)
            text = f"'{answer[:40]}' is none of the classes that are declared ({named}); counts as missing"
        elif header.goal == NUMBER and not _is_number(answer):
            text = f"'{answer[:40]}' is not a number; counts as missing"
        else:
            continue
        file.answers[i] = None
        file.notes.append(Note("warning", text, at, AS_MISSING))
