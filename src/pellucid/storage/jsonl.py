"""Files of lines that grow: ``{"step": 1, ..., "crc32": "0c1f2e3d"}``.

Every line carries the CRC-32 of all lines up to and including itself, so a line that is changed, moved or gone shows.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

from .strict_json import damage_error, parse_json, to_json

# Characters of a line's checksum and its end.
_TAIL = len(', "crc32": "00000000"}')


def to_lines(rows: list[dict[str, Any]], crc: int) -> tuple[bytes, int]:
    """Rows as lines, and the CRC-32 of all lines with them; ``crc``: of all lines before them."""
    out = []
    for row in rows:
        assert row, "an empty row says nothing"
        assert "crc32" not in row, "that key is the line's own"
        text = to_json(row)
        crc = zlib.crc32(text.encode(), crc)
        out.append(f'{text[:-1]}, "crc32": "{crc:08x}"}}\n')
    return "".join(out).encode(), crc


def from_lines(data: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """The rows of all whole lines, and the CRC-32 of them all; a last line that a crash cut short is left out.

    Raises:
        PellucidError: for a line that is changed, moved or gone.
    """
    rows, crc = [], 0
    # Behind the last line end there is a torn line, or nothing.
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        text = line[:-_TAIL] + b"}"
        crc = zlib.crc32(text, crc)
        if line[-_TAIL:] != b', "crc32": "%08x"}' % crc:
            raise damage_error(f"line {number} is damaged or one before it is gone", path)
        rows.append(parse_json(text, path))
    # A crash cuts a line short; a whole line with another byte for its end is damage.
    if _is_whole(data[data.rfind(b"\n") + 1 : -1], crc):
        raise damage_error("its last line end is damaged", path)
    return rows, crc


def _is_whole(line: bytes, crc: int) -> bool:
    """Whether a line carries the checksum of itself after lines with this ``crc``."""
    return line[-_TAIL:] == b', "crc32": "%08x"}' % zlib.crc32(line[:-_TAIL] + b"}", crc)
