"""Data sets that are broken in one way each: what is wrong, how it is made, and what should come of it.

``GOOD`` is the data that the broken ones are made from: 60 rows of two numbers and a word, and a class that follows.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

Make = Callable[[Path], Path]  # an empty folder -> the data made in it


@dataclass(frozen=True)
class Case:
    """One broken data set.

    Attributes:
        make: makes it. options: of read and train.
        fails: the verb that refuses it ("read", "train", "predict"); empty when all three go through.
        says: a regular expression for what must be said: the cause, or the repair. code: of the verb that refuses it.
        new: makes other data to predict; the data itself when None.
    """

    make: Make
    fails: str = ""
    says: str = ""
    code: int = 1
    options: tuple[str, ...] = ()
    new: Make | None = None


CASES: dict[str, Case] = {}


def case(
    name: str,
    make: Make,
    fails: str = "",
    says: str = "",
    code: int = 1,
    options: tuple[str, ...] = (),
    new: Make | None = None,
) -> None:
    assert name not in CASES, name
    CASES[name] = Case(make, fails, says, code, options, new)


# -- making ----------------------------------------------------------------------------------------------------------

_rng = random.Random(0)
ROWS = [
    (
        f"{(x := _rng.gauss(0, 1)):.3f}",
        f"{(y := _rng.gauss(0, 1)):.3f}",
        _rng.choice(["red", "blue"]),
        "yes" if x + y > 0 else "no",
    )
    for _ in range(60)
]
HEADER = "x,y,colour,label"
GOOD = "\n".join([HEADER, *(",".join(row) for row in ROWS)]) + "\n"


def file(name: str, data: str | bytes) -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return make


def csv(data: str | bytes) -> Make:
    return file("data.csv", data)


def changed(row: int, column: int, to: str) -> str:
    """The good table with another cell; row 0 is the header."""
    lines = [line.split(",") for line in GOOD.splitlines()]
    lines[row][column] = to
    return "\n".join(map(",".join, lines)) + "\n"


def column(at: int, value: Callable[[int, str], str]) -> str:
    """The good table with every cell of a column made anew from its row and its value."""
    lines = [line.split(",") for line in GOOD.splitlines()]
    for i, line in enumerate(lines[1:]):
        line[at] = value(i, line[at])
    return "\n".join(map(",".join, lines)) + "\n"


def picture(i: int, size: int = 8) -> bytes:
    out = BytesIO()
    pixels = np.random.default_rng(i).integers(0, 255, (size, size, 3), np.uint8)
    pixels[: size // 2 if i % 2 else None] //= 2
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def photos(folder: Path, classes: tuple[str, ...] = ("a", "b"), each: int = 20) -> Path:
    root = folder / "photos"
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            (root / name / f"{i}.png").write_bytes(picture(2 * i + k))
    return root


def with_photo(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        root = photos(folder)
        (root / "a" / name).write_bytes(data)
        return root

    return make


def with_entry(act: Callable[[Path], object], classes: tuple[str, ...] = ("a", "b"), each: int = 20) -> Make:
    def make(folder: Path) -> Path:
        root = photos(folder, classes, each)
        act(root)
        return root

    return make


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + chunk(b"IEND", b"")
    )


def parquet(change: Callable[[bytes], bytes]) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "data.parquet"
        pl.read_csv(BytesIO(GOOD.encode())).write_parquet(path)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def lines(change: Callable[[list[dict[str, object]]], object]) -> Make:
    """JSON lines of the good table, changed."""

    def make(folder: Path) -> Path:
        names = HEADER.split(",")
        rows: list[dict[str, object]] = [
            {k: float(v) if k in "xy" else v for k, v in zip(names, row, strict=True)} for row in ROWS
        ]
        change(rows)
        return file("data.jsonl", "\n".join(map(json.dumps, rows)))(folder)

    return make


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "data.csv")
    return folder / "data.csv"


def link(to: str, name: str = "data.csv") -> Make:
    def make(folder: Path) -> Path:
        (folder / name).symlink_to(to)
        return folder / name

    return make


def folder_named(name: str) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).mkdir()
        return folder / name

    return make


def sparse(name: str, size: int) -> Make:
    def make(folder: Path) -> Path:
        with (folder / name).open("wb") as out:
            out.truncate(size)
        return folder / name

    return make


def table_of_photos(change: Callable[[list[str]], object]) -> Make:
    """A table beside photos, with their paths in a column."""

    def make(folder: Path) -> Path:
        root = photos(folder)
        rows = [f"photos/{name}/{i}.png,{i},{name}" for name in "ab" for i in range(20)]
        change(rows)
        (folder / "table.csv").write_text("\n".join(["file_name,size,label", *rows]))
        assert root.exists()
        return folder / "table.csv"

    return make


LABEL = ("--target", "label")

# -- files that are no data ------------------------------------------------------------------------------------------
case("an empty file", csv(""), fails="read", says=r"data.csv: the file is empty")
case("spaces alone", csv(" \n\n  \n"), fails="read", says=r"the file is empty")
case("a header alone", csv(HEADER + "\n"), fails="read", says=r"there is a header but no row below it")
case(
    "one row",
    csv("\n".join(GOOD.splitlines()[:2])),
    options=LABEL,
    fails="train",
    says=r"there are too few examples: 1 row that can be used, at least 5 are needed",
)
case(
    "two rows",
    csv("\n".join(GOOD.splitlines()[:3])),
    options=LABEL,
    fails="train",
    says=r"there are too few examples: 2 rows",
)
case(
    "three rows",
    csv("\n".join(GOOD.splitlines()[:4])),
    options=LABEL,
    fails="train",
    says=r"there are too few examples: 3 rows",
)
case(
    "a web page",
    csv("<!DOCTYPE html><html><head><title>404</title></head>\n<body><p>Not found, sorry</p>\n</body></html>\n" * 20),
    fails="read",
    says=r"it is not a table as text but a web page",
)
case(
    "a PDF",
    csv(
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
        + random.Random(1).randbytes(3000)
    ),
    fails="read",
    says=r"it is not a table as text but a PDF",
)
case(
    "random bytes",
    csv(random.Random(2).randbytes(5000)),
    fails="read",
    says=r"but binary data \(it is full of control characters\)",
)
case("a PNG called CSV", csv(picture(0, 64)), fails="read", says=r"but a PNG image")
case(
    "a Parquet file called CSV",
    lambda f: parquet(lambda d: d)(f).rename(f / "data.csv"),
    fails="read",
    says=r"but a Parquet file\n  if that is right, call it .parquet",
)
case("a zip called CSV", csv(b"PK\x03\x04" + bytes(2000)), fails="read", says=r"but a zip archive or a spreadsheet")
case(
    "a gzip called CSV",
    csv(gzip.compress(GOOD.encode())),
    options=LABEL,
    fails="read",
    says=r"but compressed by gzip\n  if that is right, call it .csv.gz",
)
case(
    "NUL bytes throughout",
    csv(GOOD.replace("e", "\0")),
    fails="read",
    says=r"but binary data \(it is full of zero bytes\)",
)
case("a thousand zero bytes", csv(bytes(1000)), fails="read", says=r"but zero bytes")
case("2 GB of nothing", sparse("data.csv", 2 << 30), fails="read", says=r"but zero bytes")
case("2 GB of nothing for JSON", sparse("data.jsonl", 2 << 30), fails="read", says=r"but zero bytes")
case("2 GB of nothing for Parquet", sparse("data.parquet", 2 << 30), fails="read", says=r"cannot be read as Parquet")
case("a pipe", fifo, fails="read", says=r"it is not a file but a pipe, a socket or a device")
case("a device", link("/dev/zero"), fails="read", says=r"it is not a file but a pipe")
case("a terminal", link("/dev/null"), fails="read", says=r"it is not a file but a pipe")
case("a link to nowhere", link("nowhere.csv"), fails="read", says=r"it is a link to 'nowhere.csv', which is not there")
case("a link to itself", link("data.csv"), fails="read", says=r"it is a link to 'data.csv', which is not there")
case("a folder called CSV", folder_named("data.csv"), fails="read", says=r"the folder is empty")
case(
    "an empty folder",
    folder_named("photos"),
    fails="read",
    says=r"the folder is empty\n  put the images of each class in a folder of their own",
)
case("no such file", lambda f: f / "data.csv", fails="read", says=r"there is no such file or folder")
case(
    "a name that is no path",
    lambda f: Path("a\0b.csv"),
    fails="read",
    says=r"a\\u0000b.csv: there is no such file or folder",
)
case(
    "a name of 300 characters",
    lambda f: f / ("x" * 300 + ".csv"),
    fails="read",
    says="x…: there is no such file or folder",
)
case(
    "a program",
    file("data.exe", b"MZ" + bytes(1000)),
    fails="read",
    says=r"a file that ends in '.exe' can't be read\n  known: folders of images",
)
case(
    "a file without an ending",
    file("data", GOOD),
    options=LABEL,
    fails="read",
    says=r"a file whose name has no ending can't be read",
)

# -- tables ----------------------------------------------------------------------------------------------------------
case(
    "ragged rows",
    csv(changed(5, 2, "red,extra,cells").replace(ROWS[9][0] + "," + ROWS[9][1] + ",", ROWS[9][0])),
    options=LABEL,
    says=r"line 11: 1 row has too few values; the last count as missing.*line 6: 1 row has too many; the last are cut",
)
case(
    "Latin-1",
    csv(GOOD.replace("red", "r\xe9d").encode("latin-1")),
    options=LABEL,
    says=r"is not UTF-8; read as Western European \(cp1252\)",
)
case(
    "mixed encodings",
    csv(GOOD.replace("red", "r\xe9d", 5).encode("utf-8").replace("é".encode(), b"\xe9", 2)),
    options=LABEL,
    says=r"is not UTF-8; read as Western European.*'réd' \(5\)",
)
case("UTF-16", csv(GOOD.encode("utf-16")), options=LABEL, says=r"60 rows and 4 columns")
case(
    "half of UTF-16",
    csv(GOOD.encode("utf-16")[:-1]),
    options=LABEL,
    says=r"line 61, column 'label': 1 class has a single example",
)
case("UTF-32", csv(GOOD.encode("utf-32")), options=LABEL, says=r"60 rows and 4 columns")
case("a byte order mark", csv("\ufeff" + GOOD), options=LABEL, says=r"'name': 'x'")
case("a NUL in a cell", csv(changed(5, 2, "r\0d")), options=LABEL, says=r"1 zero byte in it, removed")
case(
    "two columns of one name",
    csv(GOOD.replace("x,y,colour", "x,x,colour", 1)),
    options=LABEL,
    says=r"two columns are called 'x'; the later one is called 'x_2'",
)
case(
    "two targets of one name",
    csv(GOOD.replace("x,y,colour,label", "x,y,label,label", 1)),
    options=LABEL,
    says=r"two columns are called 'label'; the later one is called 'label_2'",
)
case(
    "blank headers",
    csv(GOOD.replace("x,y,colour", ",,", 1)),
    options=LABEL,
    says=r"3 columns without a name: called column_1, column_2 and column_3",
)
case(
    "a header of spaces", csv(GOOD.replace("x,y,colour", " , ,\t", 1)), options=LABEL, says=r"3 columns without a name"
)
case("a header of 10,000 characters", csv(GOOD.replace("colour", "c" * 10_000, 1)), options=LABEL, says=r"c{10000}")
case("a quoted line end", csv(changed(5, 2, '"re\nd"')), options=LABEL, says=r"60 rows")
case("a quoted line end in the header", csv(GOOD.replace("colour", '"col\nour"', 1)), options=LABEL, says=r"60 rows")
case(
    "a quotation mark that is never closed",
    csv(changed(5, 2, '"red')),
    options=LABEL,
    says=r"quotation marks do not pair up; rows near them may be wrong.*line 6: 1 row has too few values",
)
case("stray quotation marks", csv(changed(5, 2, 'r"e"d')), options=LABEL, says=r"60 rows")
case("old Mac line ends", csv(GOOD.replace("\n", "\r")), options=LABEL, says=r"60 rows and 4 columns")
case("mixed line ends", csv(GOOD.replace("\n", "\r\n", 20)), options=LABEL, says=r"60 rows and 4 columns")
case(
    "semicolons and decimal commas",
    csv(GOOD.replace(",", ";").replace(".", ",")),
    options=LABEL,
    says=r"numbers are written with decimal commas",
)
case(
    "numbers with thousands",
    csv(column(0, lambda i, v: f'"{i * 1371 + 1000:,}"')),
    options=LABEL,
    says=r"thousands separators taken off 60 numbers",
)
case(
    "numbers in percent",
    csv(column(0, lambda i, v: f"{i} %")),
    options=LABEL,
    says=r"currency or percent signs taken off 60 numbers",
)
case(
    "numbers in dollars and euros",
    csv(column(0, lambda i, v: f"${i}" if i % 2 else f"{i} €")),
    options=LABEL,
    says=r"currency or percent signs taken off 60 numbers",
)
case(
    "numbers with units",
    csv(column(0, lambda i, v: f"{i} kg")),
    options=LABEL,
    says=r"60 of 60 values are numbers with a unit",
)
case(
    "numbers and words",
    csv(column(0, lambda i, v: v if i % 7 else "broken")),
    options=LABEL,
    says=r"'broken' is not a number and counts as missing",
)
case(
    "endless numbers",
    csv(column(0, lambda i, v: "inf" if i % 9 == 0 else "-1e999" if i % 9 == 1 else v)),
    options=LABEL,
    says=r"an infinite number counts as missing",
)
case(
    "numbers that are NaN",
    csv(column(0, lambda i, v: "NaN" if i % 3 == 0 else v)),
    options=LABEL,
    says=r"40 numbers from",
)
case(
    "nothing but NaN", csv(column(0, lambda i, v: "NaN")), options=LABEL, says=r"column 'x': left out: no values at all"
)
case(
    "huge numbers",
    csv(column(0, lambda i, v: f"{'9' * 300}.{i}" if i % 2 else "1e-300")),
    options=LABEL,
    says=r"60 numbers from",
)
case(
    "whole numbers beyond 64 bits",
    csv(column(0, lambda i, v: "9" * 25 + str(i))),
    options=LABEL,
    says=r"60 numbers from 1e\+2",
)
case(
    "dates that are none",
    csv(column(0, lambda i, v: f"2024-13-{i + 1:02}")),
    options=LABEL,
    says=r"left out as an id: 60 distinct values, nearly all different",
)
case(
    "dates of all kinds",
    csv(column(0, lambda i, v: ["2024-02-30", "1/2/24", "yesterday", "31.12.1999", "99999-01-01"][i % 5])),
    options=LABEL,
    says=r"5 distinct values",
)
case("a cell of a million characters", csv(changed(5, 2, "r" * 1_000_000)), options=LABEL, says=r"60 rows")
case(
    "a text of a million characters",
    csv(column(2, lambda i, v: f"word{i} some words here " * (40_000 if i == 3 else 3))),
    options=LABEL,
    says=r"60 texts",
)
case(
    "a hundred thousand columns",
    csv(
        "\n".join(
            ",".join([f"c{j}" for j in range(100_000)] + ["label"])
            if i == 0
            else ",".join(["1"] * 50_000 + [str(i)] * 50_000 + ["no" if i % 2 else "yes"])
            for i in range(13)
        )
    ),
    options=LABEL,
    fails="read",
    says=r"it has 100,001 columns, and at most 20,000 can be checked",
)
case(
    "a single column",
    csv("label\n" + "yes\nno\n" * 30),
    options=LABEL,
    fails="train",
    says=r"there is nothing to predict 'label' from",
)
case(
    "all rows alike",
    csv(HEADER + "\n" + "1,2,red,yes\n1,2,red,yes\n" * 30),
    options=LABEL,
    fails="read",
    says=r"the target 'label' can't be predicted: always 'yes', which says nothing",
)
case(
    "every row twice",
    csv(GOOD + "\n".join(GOOD.splitlines()[1:])),
    options=LABEL,
    says=r"60 rows repeat an earlier one",
)
case(
    "a constant target",
    csv(column(3, lambda i, v: "yes")),
    options=LABEL,
    fails="read",
    says=r"the target 'label' can't be predicted: always 'yes'",
)
case(
    "a constant number for a target",
    csv(column(0, lambda i, v: "3.5")),
    options=("--target", "x"),
    fails="read",
    says=r"the target 'x' can't be predicted: always 3.5",
)
case(
    "a target of NaN and infinities",
    csv(column(0, lambda i, v: ["NaN", "inf", "-inf", v][i % 4])),
    options=("--target", "x"),
    says=r"45 examples without 'x' are left out",
)
case(
    "a target that is not there at all",
    csv(column(3, lambda i, v: "")),
    options=LABEL,
    fails="read",
    says=r"the target 'label' can't be predicted: no values at all",
)
case("a class of one", csv(changed(5, 3, "perhaps")), options=LABEL, says=r"1 class has a single example \(perhaps\)")
case(
    "every label its own",
    csv(column(3, lambda i, v: f"label{i}")),
    options=LABEL,
    fails="train",
    says=r"no example is left for validation",
)
case(
    "labels in two spellings",
    csv(column(3, lambda i, v: v.upper() if i % 3 == 0 else f" {v} ")),
    options=LABEL,
    says=r"differ by capitals alone",
)
case("control characters in labels", csv(column(3, lambda i, v: f"\x1b[31m{v}\x07")), options=LABEL, says=r"60 rows")
case(
    "emoji and right to left",
    csv(column(3, lambda i, v: "🙂" if v == "yes" else "\u202eנא\u202c")),
    options=LABEL,
    says=r"🙂",
)
case(
    "formulas",
    csv(column(2, lambda i, v: "=cmd|' /C calc'!A0" if i % 2 else "@SUM(1)")),
    options=LABEL,
    says=r"60 rows",
)
case(
    "columns called after methods",
    csv(GOOD.replace("x,y,colour", "__class__,self,{0}", 1)),
    options=LABEL,
    says=r"'name': '__class__'",
)

# -- JSON and Parquet ------------------------------------------------------------------------------------------------
case(
    "JSON lines with lists and mappings",
    lines(lambda rows: [r.update(more={"a": [1]}, some=[1, 2]) for r in rows]),
    options=LABEL,
    says=r"column 'more.a': left out: always 1",
)
case(
    "JSON lines of mixed types",
    lines(lambda rows: [r.update(x=[1, "one", None, True, [1], {"a": 1}][i % 6]) for i, r in enumerate(rows)]),
    options=LABEL,
    says=r"10 of 60 values are missing",
)
case(
    "JSON lines with other keys in each row",
    lines(lambda rows: [r.update({f"key{i}": i}) for i, r in enumerate(rows)]),
    options=LABEL,
    says=r"59 of 60 values are missing",
)
case(
    "a JSON line with a key twice",
    file("data.jsonl", '{"x": 1, "x": 2, "label": "a"}\n{"x": 2, "x": 3, "label": "b"}\n' * 20),
    options=LABEL,
    says=r"40 rows and 2 columns",
)
case(
    "deep JSON lines",
    file("data.jsonl", '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}\n"),
    fails="read",
    says=r"line 1 is nested too deep",
)
case("deep JSON", file("data.json", "[" * 100_000 + "]" * 100_000), fails="read", says=r"line 1 is nested too deep")
case(
    "JSON cut off",
    file("data.jsonl", '{"x": 1, "label": "a"}\n{"x": 2, "lab'),
    fails="read",
    says=r"line 2 is not JSON",
)
case("JSON that is a number", file("data.json", "3"), fails="read", says=r"line 1 is not a JSON object but 3")
case(
    "JSON that is null", file("data.jsonl", "null\nnull\n"), fails="read", says=r"line 1 is not a JSON object but null"
)
case("JSON of nothing", file("data.json", "[]"), fails="read", says=r"the table has no columns")
case("JSON lines of empty objects", file("data.jsonl", "{}\n{}\n{}\n"), fails="read", says=r"the table has no columns")
case(
    "JSON with NaN",
    file("data.jsonl", '{"x": NaN, "label": "a"}\n{"x": Infinity, "label": "b"}\n' * 20),
    options=LABEL,
    fails="read",
    says=r"line 1 is not JSON \(it has no NaN; write null\)",
)
case("Parquet cut off", parquet(lambda d: d[: len(d) // 2]), fails="read", says=r"cannot be read as Parquet")
case("Parquet without its end", parquet(lambda d: d[:-4]), fails="read", says=r"cannot be read as Parquet")
case(
    "Parquet with a wrong footer",
    parquet(lambda d: d[:-8] + struct.pack("<I", 1 << 31) + d[-4:]),
    fails="read",
    says=r"cannot be read as Parquet",
)
case("Parquet of one byte", parquet(lambda d: d[:1]), fails="read", says=r"cannot be read as Parquet")

# -- photos ----------------------------------------------------------------------------------------------------------
case(
    "a photo cut off",
    with_photo("cut.png", picture(0, 64)[:-500]),
    says=r"cut.png: is damaged \(image file is truncated.*left out",
)
case("a photo of no bytes", with_photo("none.png", b""), says=r"a/none.png: an empty file, left out")
case("a PNG called JPEG", with_photo("other.jpg", picture(1)), says=r"41 images")
case(
    "a text called JPEG",
    with_photo("text.jpg", b"not a photo at all"),
    says=r"text.jpg: is not an image that can be read",
)
case(
    "a web page called PNG",
    with_photo("page.png", b"<!DOCTYPE html><html></html>"),
    says=r"page.png: is not an image that can be read \(it is a web page\)",
)
case(
    "a bomb",
    with_photo("bomb.png", bomb(60_000, 60_000)),
    says=r"bomb.png: claims more pixels than the 64 million allowed",
)
case("a smaller bomb", with_photo("bomb.png", bomb(7_900, 8_000)), says=r"bomb.png: is damaged")
case(
    "a photo of no pixels",
    with_photo("flat.png", bomb(0, 10)),
    says=r"flat.png: is damaged \(it begins like PNG and is none\)",
)
case("a photo called with a line end", with_photo("a\nb.png", picture(3)), says=r"41 images")
case(
    "a broken photo called with control characters",
    with_photo("\x1b[31mred\x07.png", b"broken"),
    says=r"red.*: is not an image that can be read",
)
case(
    "a broken photo whose name is no UTF-8",
    with_entry(lambda r: Path(os.fsdecode(os.fsencode(r) + b"/a/caf\xe9.png")).write_bytes(b"broken")),
    says=r"a/caf.*its name is not UTF-8; left out",
)
case(
    "a good photo whose name is no UTF-8",
    with_entry(lambda r: Path(os.fsdecode(os.fsencode(r) + b"/a/caf\xe9.png")).write_bytes(picture(5))),
    says=r"a/caf.*its name is not UTF-8; left out",
)
case(
    "a class whose name is no UTF-8",
    with_entry(lambda r: (r / "a").rename(os.fsdecode(os.fsencode(r) + b"/caf\xe9"))),
    fails="read",
    says=r"there is only one class, 'b'",
)
case("a photo with a name of 255 bytes", with_photo("x" * 251 + ".png", picture(3)), says=r"41 images")
case(
    "classes in emoji and Hebrew",
    with_entry(lambda r: ((r / "a").rename(r / "🙂"), (r / "b").rename(r / "נא"))),
    says=r"'🙂': 20",
)
case(
    "one class",
    with_entry(lambda r: None, ("a",)),
    fails="read",
    says=r"there is only one class, 'a', and at least two are needed",
)
case(
    "a class of one photo",
    with_entry(lambda r: [p.unlink() for p in list((r / "b").iterdir())[1:]]),
    says=r"1 class has a single example \(b\)",
)
case("an empty class", with_entry(lambda r: (r / "c").mkdir()), says=r"40 images")
case(
    "photos without classes",
    with_entry(lambda r: [p.rename(r / f"{p.parent.name}{p.name}") for p in list(r.glob("*/*"))]),
    fails="read",
    says=r"40 images, but no folders that give their classes",
)
case(
    "all photos broken",
    with_entry(lambda r: [p.write_bytes(b"broken") for p in r.glob("*/*")]),
    fails="train",
    says=r"no example can be used \(.*is not an image that can be read",
)
case(
    "all photos of a class broken",
    with_entry(lambda r: [p.write_bytes(b"broken") for p in r.glob("b/*")]),
    fails="train",
    says=r"all 16 training examples are 'a'",
)
case(
    "all photos alike",
    with_entry(lambda r: [p.write_bytes(picture(0)) for p in r.glob("*/*")]),
    says=r"40 images have the same inputs as another but a different 'label'",
)
case(
    "folders that link in a circle",
    with_entry(lambda r: (r / "a" / "loop").symlink_to(r)),
    says=r"a/loop: links to a folder that was read already; left out",
)
case(
    "a photo that links to itself",
    with_entry(lambda r: (r / "a" / "self.png").symlink_to("self.png")),
    says=r"a/self.png: cannot be opened \(Too many levels of symbolic links\); left out",
)
case(
    "a photo that links to nowhere",
    with_entry(lambda r: (r / "a" / "gone.png").symlink_to("gone")),
    says=r"a/gone.png: cannot be opened \(No such file or directory\); left out",
)
case(
    "a photo that is a pipe",
    with_entry(lambda r: os.mkfifo(r / "a" / "pipe.png")),
    says=r"a/pipe.png: cannot be opened \(it is not a file but a pipe",
)
case(
    "a photo that is a device",
    with_entry(lambda r: (r / "a" / "zero.png").symlink_to("/dev/zero")),
    says=r"a/zero.png: cannot be opened \(it is not a file but a pipe",
)
case("a photo that is a folder", with_entry(lambda r: (r / "a" / "folder.png").mkdir()), says=r"40 images")
case(
    "folders a hundred deep",
    with_entry(lambda r: deep(r / "a", 100)),
    says=r"1 image in folders inside a class belong to that class",
)


def deep(path: Path, levels: int) -> None:
    here = os.getcwd()
    os.chdir(path)
    try:
        for _ in range(levels):
            os.mkdir("d" * 20)
            os.chdir("d" * 20)
        Path("deep.png").write_bytes(picture(1))
    finally:
        os.chdir(here)


case(
    "paths to photos that are not there",
    table_of_photos(lambda rows: rows.__setitem__(slice(0, 3), ["gone/1.png,1,a", "gone/2.png,2,a", ",3,a"])),
    options=LABEL,
    says=r"'gone/1.png' does not exist; left out",
)
case(
    "paths out of the folder",
    table_of_photos(lambda rows: rows.__setitem__(slice(0, 2), ["../../../etc/passwd,1,a", "/etc/hostname,2,b"])),
    options=LABEL,
    says=r"'../../../etc/passwd' does not exist; left out.*'/etc/hostname' is not an image",
)
case(
    "paths to no photos at all",
    table_of_photos(lambda rows: rows.__setitem__(slice(None), [f"gone/{i}.png,{i},{'ab'[i % 2]}" for i in range(40)])),
    options=LABEL,
    fails="train",
    says=r"there is nothing to predict 'label' from",
)

# -- new data that is not as it was ----------------------------------------------------------------------------------
good = csv(GOOD)
case(
    "new: a column is missing",
    good,
    options=LABEL,
    new=file("new.csv", "\n".join(line.partition(",")[2] for line in GOOD.splitlines())),
    fails="predict",
    says=r"new.csv: the column 'x' is missing",
)
case(
    "new: columns in another order",
    good,
    options=LABEL,
    new=file("new.csv", "\n".join(",".join(reversed(line.split(","))) for line in GOOD.splitlines())),
)
case(
    "new: a column is renamed",
    good,
    options=LABEL,
    new=file("new.csv", GOOD.replace("colour", "color", 1)),
    fails="predict",
    says=r"the column 'colour' is missing\n  Did you mean 'color'\? Rename it to 'colour'",
)
case("new: a column in capitals", good, options=LABEL, new=file("new.csv", GOOD.replace("colour", "Colour", 1)))
case(
    "new: numbers became words",
    good,
    options=LABEL,
    new=file("new.csv", column(0, lambda i, v: f"word{i}")),
    says=r"line 2, column 'x': 'word0' is not a number and counts as missing",
)
case(
    "new: words became numbers",
    good,
    options=LABEL,
    new=file("new.csv", column(2, lambda i, v: str(i))),
    says=r"column 'colour': 60 words are new since training",
)
case(
    "new: words never seen",
    good,
    options=LABEL,
    new=file("new.csv", column(2, lambda i, v: "ultraviolet")),
    says=r"column 'colour': 1 word is new since training, .*: *'ultraviolet'",
)
case(
    "new: without the target",
    good,
    options=LABEL,
    new=file("new.csv", "\n".join(line.rpartition(",")[0] for line in GOOD.splitlines())),
)
case(
    "new: an empty file",
    good,
    options=LABEL,
    new=file("new.csv", ""),
    fails="predict",
    says=r"new.csv: the file is empty",
)
case(
    "new: photos for a table",
    good,
    options=LABEL,
    new=photos,
    fails="predict",
    says=r"the columns 'x', 'y' and 'colour' are missing",
)
case(
    "new: a header alone",
    good,
    options=LABEL,
    new=file("new.csv", HEADER + "\n"),
    fails="predict",
    says=r"there is a header but no row below it",
)
case(
    "new: nothing there",
    good,
    options=LABEL,
    new=lambda f: f / "gone.csv",
    fails="predict",
    says=r"there is no such file or folder",
)
case("new: a pipe", good, options=LABEL, new=fifo, fails="predict", says=r"it is not a file but a pipe")
case(
    "new: a table for photos",
    photos,
    new=good,
    fails="predict",
    says=r"give them a first line with names: image,label|the column 'image' is missing",
)
case(
    "new: a text for a photo",
    photos,
    new=file("new.png", "text"),
    fails="predict",
    says=r"1 of 1 inputs could not be predicted: is not an image",
)
case(
    "new: a bomb for a photo",
    photos,
    new=file("new.png", bomb(60_000, 60_000)),
    fails="predict",
    says=r"1 of 1 inputs could not be predicted: claims more pixels",
)
case("new: an empty folder for photos", photos, new=folder_named("new"), fails="predict", says=r"the folder is empty")

# -- options that misname --------------------------------------------------------------------------------------------
for said, (options, fails, says, code) in {
    "a target": (
        ("--target", "lable"),
        "read",
        r"Unknown column 'lable'. Did you mean 'label'\? Known: x, y, colour, label",
        2,
    ),
    "a target twice": (("--target", "label,label"), "read", r"a target is named twice", 2),
    "targets of two kinds": (("--target", "x,label"), "read", r"several targets must all be numbers", 1),
    "a kind": ((*LABEL, "--kind", "x=numbr"), "read", r"Unknown kind of field 'numbr'. Did you mean 'number'", 2),
    "a kind's column": ((*LABEL, "--kind", "z=number"), "read", r"Unknown column 'z'", 2),
    "a kind without a column": ((*LABEL, "--kind", "number"), "read", r"expected COLUMN=KIND, such as zip=category", 2),
    "an ignored column": ((*LABEL, "--ignore", "z"), "read", r"Unknown column 'z'", 2),
    "the target to be ignored": (
        (*LABEL, "--ignore", "label"),
        "read",
        r"column 'label' can't be both target and ignored",
        2,
    ),
    "a split's column": ((*LABEL, "--split", "column:fold"), "read", r"Unknown column 'fold'", 2),
    "a split's group": ((*LABEL, "--split", "group:patient"), "read", r"Unknown column 'patient'", 2),
    "a split": ((*LABEL, "--split", "most"), "read", r"Unknown column 'most'", 2),
    "shares of less than nothing": (
        (*LABEL, "--split", "2,-1,0"),
        "read",
        r"split '2,-1,0' is not two or three shares",
        2,
    ),
    "weights": ((*LABEL, "--weights", "w"), "read", r"Unknown column 'w'", 2),
    "weights that are words": ((*LABEL, "--weights", "colour"), "read", r"the weights 'colour' are not numbers", 1),
    "a metric": ((*LABEL, "--metric", "accurracy"), "train", r"a category has no metric 'accurracy'", 2),
    "a metric of numbers": ((*LABEL, "--metric", "R2"), "train", r"a category has no metric 'R2'", 2),
    "an option": ((*LABEL, "--targt", "x"), "read", r"No such option '--targt'. Did you mean '--target'", 2),
    "a size": ((*LABEL, "--image-size", "0"), "read", r"image size '0': expected a whole number of at least 1", 2),
    "kinds that can't be": (
        (*LABEL, "--kind", "colour=number"),
        "",
        r"'blue' is not a number and counts as missing",
        1,
    ),
    "an image that is a number": ((*LABEL, "--kind", "x=image"), "train", r"no example can be used", 1),
}.items():
    case(f"misnamed: {said}", good, options=options, fails=fails, says=says, code=code)
