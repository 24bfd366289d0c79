"""What a file that is called a table really is, by how it begins: a PDF, a picture, a web page, nothing but zeros."""

from __future__ import annotations

import codecs
from pathlib import Path

from ...errors import PellucidError

# Read of the beginning of a file to judge it by.
SAMPLE_BYTES = 1 << 16

BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)

# No text has many of these.
CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"

# Of a sample: a few zero bytes in a text are taken out and said (``text_blocks``).
MANY_SHARE = 0.05

# How a file begins: what it is, and how it would have to be called to be read.
SIGNS = {
    b"%PDF-": ("a PDF", ""),
    b"\x89PNG\r\n": ("a PNG image", ""),
    b"\xff\xd8\xff": ("a JPEG image", ""),
    b"GIF8": ("a GIF image", ""),
    b"PK\x03\x04": ("a zip archive or a spreadsheet", ".zip or .xlsx"),
    b"\x1f\x8b": ("compressed by gzip", ".csv.gz"),
    b"BZh": ("compressed by bzip2", ".csv.bz2"),
    b"\xfd7zXZ": ("compressed by xz", ".csv.xz"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", ".csv.zst"),
    b"PAR1": ("a Parquet file", ".parquet"),
    b"ARROW1": ("an Arrow file", ".arrow"),
    b"FEA1": ("a Feather file", ".feather"),
    b"SQLite format 3": ("a SQLite database", ""),
    b"\x89HDF": ("an HDF5 file", ""),
    b"\x93NUMPY": ("a NumPy array", ""),
    b"\xd0\xcf\x11\xe0": ("an old Office file", ".xls"),
    b"Rar!": ("a RAR archive", ""),
    b"7z\xbc\xaf": ("a 7z archive", ""),
    b"\x7fELF": ("a program", ""),
}


def check_text(path: Path, where: str) -> None:
    """Raises PellucidError when a file holds no text, and says what it is."""
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    what, name = meaning_of(head)
    if what:
        fix = f"if that is right, call it {name}" if name else "export the table as CSV"
        raise PellucidError(f"it is not a table as text but {what}", where=where, fix=fix)


def meaning_of(head: bytes) -> tuple[str, str]:
    """What a file is that begins with ``head``, and the ending to call it by; both empty where it is text."""
    for sign, found in SIGNS.items():
        if head.startswith(sign):
            return found
    if head.lstrip(b" \t\r\n\xef\xbb\xbf")[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "a web page", ""
    # UTF-16 and UTF-32 are text and full of zero bytes.
    if not head or head.startswith(BYTE_ORDER_MARKS):
        return "", ""
    if head.count(0) > MANY_SHARE * len(head):
        return "zero bytes" if not head.strip(b"\0") else "binary data (it is full of zero bytes)", ""
    odd = len(head) - len(head.translate(None, CONTROLS))
    return ("binary data (it is full of control characters)", "") if odd > MANY_SHARE * len(head) else ("", "")
