"""Random and damaged data sets, each made from a number alone, so that a case that fails can be made again.

``python tests/fuzzing.py 1234`` does case 1234 and shows its traceback; ``… 0 --seconds 600`` goes on from case 0.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import lzma
import random
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

import pellucid
from pellucid.errors import PellucidError

SOURCES = {"table": "table.csv", "number": "table.csv", "photos": "photos", "texts": "texts.csv"}  # of runs
SECONDS = 30  # that one verb may take
Files = dict[str, bytes]


class Hangs(BaseException):
    """A verb that does not end."""


# -- values and tables -----------------------------------------------------------------------------------------------

ODD = [
    "", " ", "nan", "NaN", "NA", "null", "None", "inf", "-inf", "-0", "1e309", "1e-320", "0x1F", "1_000", "1,5", "١٢٣",
    "007", " 7", "true", "False", "2020-01-02", "31.12.1999", "2020-02-30", "12:61", "0000-00-00",
    "9999-12-31T23:59:59Z",
    '"', "'", '""', "a,b", "a;b", "a\tb", "a\nb", "a\r\nb", "\\", "\x00", "\x1b[2J", "\ufeff", "\u202e", "é", "e\u0301",
    "💥", "=1+1", "../../etc/passwd", "0.png", "x" * 5000, "#", "//", "[1, 2]", "{}", "cat;dog", "cat|dog", "$5", "5 %",
    "999999999999999999999999", "-9223372036854775808", "3.14.15", "1.0e", "+", "-", ".", "..", "\u2028",
]  # fmt: skip
NAMES = [
    "x",
    "y",
    "label",
    "file_name",
    "id",
    "text",
    "date",
    "class",
    "",
    " ",
    "a b",
    "ä",
    "x",
    "split",
    "row",
    "0",
    "1.5",
]


def column(rng: random.Random, n: int) -> list[str]:
    """Values of one sort, with odd ones among them."""
    makers: list[Callable[[], str]] = [
        lambda: str(rng.randint(-5, 5)),
        lambda: f"{rng.gauss(0, 10 ** rng.randint(-3, 12)):.6g}",
        lambda: rng.choice(["red", "green", "Blue", "blue "]),
        lambda: f"{rng.randint(1990, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 31):02}",
        lambda: " ".join(rng.choice(["the", "film", "was", "good", "not", "naïve"]) for _ in range(rng.randint(0, 20))),
        lambda: ";".join(rng.sample(["cat", "dog", "bird"], rng.randint(0, 3))),
        lambda: rng.choice(["yes", "no"]),
        lambda: f"{rng.randint(0, 9)}.png",
        lambda: "same",
        lambda: rng.choice(ODD),
    ]
    make, share = rng.choice(makers), rng.choice([0, 0, 0.02, 0.3])
    return [rng.choice(ODD) if rng.random() < share else make() for _ in range(n)]


def table(rng: random.Random) -> tuple[list[str], list[list[str]]]:
    """Names, and columns of values."""
    n = rng.choice([0, 1, 3, 12, 40, 40, 40, 90])
    names = [rng.choice(NAMES) if rng.random() < 0.7 else rng.choice(ODD) for _ in range(rng.randint(1, 6))]
    return names, [column(rng, n) for _ in names]


def delimited(rng: random.Random) -> bytes:
    names, columns = table(rng)
    mark, end = rng.choice([",", ",", "\t", ";", "|", " "]), rng.choice(["\n", "\n", "\r\n", "\r"])
    quote = rng.random() < 0.8

    def cell(value: str) -> str:
        odd = any(c in value for c in (mark, '"', "\n", "\r"))
        return '"' + value.replace('"', '""') + '"' if quote and odd else value

    rows = ([names] if rng.random() < 0.9 else []) + [list(row) for row in zip(*columns, strict=True)]
    if rng.random() < 0.1 and rows:  # ragged
        row = rng.choice(rows)
        row[:] = row[: rng.randint(0, len(row))] + ["more"] * rng.randint(0, 3)
    text = end.join(mark.join(map(cell, row)) for row in rows) + end * rng.randint(0, 2)
    return text.encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"]), "replace")


def value(rng: random.Random, depth: int = 0) -> Any:
    """What may stand in JSON."""
    if depth < 3 and rng.random() < 0.2:
        if rng.random() < 0.5:
            return [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
        return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randint(0, 3))}
    return rng.choice([None, True, 0, -1, 1.5, 1e308, 2**63, rng.choice(ODD), rng.choice(ODD)])


def json_lines(rng: random.Random) -> bytes:
    names, columns = table(rng)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if rng.random() < 0.4:
        for row in rows:
            for name in names:
                row[name] = value(rng) if rng.random() < 0.2 else row[name]
    if rng.random() < 0.3:
        return json.dumps(rows if rng.random() < 0.8 else {"data": rows}).encode()
    return "\n".join(json.dumps(row, ensure_ascii=rng.random() < 0.5) for row in rows).encode()


def frame(rng: random.Random) -> pl.DataFrame:
    """A typed table, some columns nested."""
    names, columns = table(rng)
    made: dict[str, pl.Series] = {}
    for name, values in zip(names, columns, strict=True):
        series = pl.Series(name, values)
        kinds = [pl.Float64, pl.Float32, pl.Int64, pl.Int8, pl.UInt64, pl.Boolean, pl.Date, pl.Datetime, pl.Time]
        kinds += [pl.Categorical, pl.Binary, pl.Decimal(10, 2), pl.Duration]
        kind = rng.choice([pl.String, *kinds])
        if kind == pl.Binary:
            series = series.cast(pl.Binary)
        elif kind != pl.String:
            with contextlib.suppress(pl.exceptions.PolarsError, pl.exceptions.PanicException):
                numbers = pl.Series(name, [rng.randint(0, 10 ** rng.randint(1, 12)) for _ in values], dtype=pl.Int64)
                series = (series if kind == pl.Categorical else numbers).cast(kind, strict=False)
        wrap = rng.random()
        if wrap < 0.08:
            series = series.to_frame().select(pl.concat_list([pl.first()] * rng.randint(1, 3)).alias(name)).to_series()
        elif wrap < 0.14:
            series = pl.DataFrame({"a": series, "b": series}).to_struct(name)
        elif wrap < 0.2:
            series = pl.Series(name, [None] * len(values))
        made[name] = series
    return pl.DataFrame(list(made.values()))


def columnar(rng: random.Random, sort: str) -> bytes:
    out = io.BytesIO()
    try:
        if sort == "parquet":
            frame(rng).write_parquet(out, compression=rng.choice(["zstd", "snappy", "uncompressed"]))
        elif rng.random() < 0.5:
            frame(rng).write_ipc(out, compression=rng.choice(["zstd", "lz4", "uncompressed"]))
        else:
            frame(rng).write_ipc_stream(out)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return out.getvalue()
    return out.getvalue()


def sheet(rng: random.Random) -> bytes:
    from openpyxl import Workbook

    book, (names, columns) = Workbook(), table(rng)
    page = book.active
    for row in [names, *zip(*columns, strict=True)]:
        with contextlib.suppress(Exception):  # it refuses characters that XML can't hold
            page.append([float(v) if v.replace(".", "").isdecimal() and v.isascii() else v for v in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


# -- images, texts, folders ------------------------------------------------------------------------------------------


def picture(rng: random.Random) -> tuple[str, bytes]:
    """An ending and an image."""
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (rng.choice([1, 7, 8, 33]), 8, 3), np.uint8)
    image, out = Image.fromarray(pixels), io.BytesIO()
    ending = rng.choice(["png", "png", "jpg", "gif", "bmp", "tif", "webp", "ppm"])
    mode = rng.choice(["RGB", "RGB", "L", "P", "1", "RGBA", "CMYK", "I", "F", "LA", "I;16"])
    with contextlib.suppress(ValueError):
        image = image.convert(mode) if mode != "I;16" else image.convert("L").convert("I;16")
    try:
        image.save(out, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
    except (OSError, ValueError, KeyError):
        out = io.BytesIO()
        image.convert("RGB").save(out, "PNG")
    return ending, out.getvalue()


def some_file(rng: random.Random) -> tuple[str, bytes]:
    """An ending and what is in such a file."""
    sort = rng.choice(
        ["csv", "csv", "tsv", "txt", "jsonl", "json", "parquet", "arrow", "feather", "xlsx", "image", "noise"]
    )
    if sort == "image":
        return picture(rng)
    if sort == "noise":
        start = rng.choice(
            [b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"PAR1", b"ARROW1\0\0", b"\x1f\x8b", b"GIF89a", b"{", b"["]
        )
        return rng.choice(["csv", "png", "zip", "parquet", "arrow", "xlsx", "gz", "jsonl", "txt"]), start + noise(rng)
    if sort in ("csv", "tsv", "txt"):
        return sort, delimited(rng)
    if sort in ("jsonl", "json"):
        return sort, json_lines(rng)
    return sort, sheet(rng) if sort == "xlsx" else columnar(rng, sort)


def noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 10, 300, 5000]))


def folder(rng: random.Random) -> Files:
    """Files of a data set in folders: photos or texts by class, nested, beside a table, or anything."""
    classes, files = (
        rng.sample(["cat", "dog", "Cat", "neg/1", "neg/2", ".hidden", "train", "ä"], rng.randint(1, 4)),
        Files(),
    )
    photos = rng.random() < 0.7
    for i in range(rng.choice([1, 6, 24, 24])):
        ending, data = picture(rng) if photos else ("txt", " ".join(rng.choices(ODD, k=3)).encode())
        place = rng.choice(classes) + "/" if rng.random() < 0.95 else ""
        files[f"{place}{i}.{ending}"] = data
    if rng.random() < 0.4:
        rows = [["file_name", "label", "n"], *([name, rng.choice(["a", "b"]), str(i)] for i, name in enumerate(files))]
        files[rng.choice(["metadata.csv", "labels.csv"])] = "\n".join(",".join(row) for row in rows).encode()
    for _ in range(rng.choice([0, 0, 1, 3])):
        ending, data = some_file(rng)
        files[f"{rng.choice(classes)}/extra.{ending}"] = data
    return files


def packed(rng: random.Random, files: Files) -> tuple[str, bytes]:
    """Files in one archive."""
    out = io.BytesIO()
    if rng.random() < 0.6:
        with zipfile.ZipFile(out, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as into:
            for name, data in files.items():
                into.writestr(name, data)
        return "zip", out.getvalue()
    ending = rng.choice(["tar", "tar.gz", "tar.xz", "tgz"])
    how = {"tar": "w", "tar.xz": "w:xz"}.get(ending, "w:gz")
    with tarfile.open(fileobj=out, mode=how) as into:  # type: ignore[call-overload]
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            into.addfile(about, io.BytesIO(data))
    return ending, out.getvalue()


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Bits flipped, pieces cut out, doubled, moved or overwritten."""
    made = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        i, j = sorted((rng.randint(0, len(made)), rng.randint(0, len(made))))
        j = min(j, i + rng.choice([1, 4, 64, 10**9]))
        how = rng.randrange(7)
        if how == 0 and made:
            made[min(i, len(made) - 1)] ^= 1 << rng.randrange(8)
        elif how == 1:
            del made[i:j]
        elif how == 2:
            del made[i:]
        elif how == 3:
            made[i:i] = made[i:j][:10_000]
        elif how == 4:
            made[i:i] = rng.choice(ODD).encode()
        elif how == 5:
            made[i : i + 4] = rng.choice([b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"])
        else:
            made[i:j] = rng.randbytes(j - i) if j - i <= 64 else made[i:j][::-1]
    return bytes(made)


def like(rng: random.Random, source: Path) -> tuple[str, bytes]:
    """A table with the columns that a run knows, or one of the photos that it knows."""
    if source.is_dir():
        path = rng.choice(sorted(source.rglob("*.png")))
        return ("png", path.read_bytes()) if rng.random() < 0.5 else picture(rng)
    lines = [line.split(",") for line in source.read_text().splitlines()]
    names, rows = lines[0], [list(row) for row in rng.choices(lines[1:], k=rng.choice([1, 3, 20]))]
    for _ in range(rng.choice([0, 1, 5, 20])):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(ODD)
    made = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
    if rng.random() < 0.3:
        made = made.select(rng.sample(names, rng.randint(1, len(names))))
    out, sort = io.BytesIO(), rng.choice(["csv", "csv", "jsonl", "parquet", "arrow"])
    {"csv": made.write_csv, "jsonl": made.write_ndjson, "parquet": made.write_parquet, "arrow": made.write_ipc}[sort](
        out
    )
    return sort, out.getvalue()


# -- cases -----------------------------------------------------------------------------------------------------------


def written(rng: random.Random, root: Path) -> Path:
    """A data set under ``root``, damaged or not; what ``read`` is given."""
    harm = rng.random() < 0.5
    if rng.random() < 0.65:
        ending, data = some_file(rng)
        if rng.random() < 0.1:
            squeeze, more = rng.choice([(gzip.compress, "gz"), (lzma.compress, "xz")])
            ending, data = f"{ending}.{more}", squeeze(data)
        if rng.random() < 0.05:
            ending = rng.choice(["csv", "parquet", "png", "", "zip", "CSV", "jsonl", "arrow", "xls"])
        path = root / f"data.{ending}"
        path.write_bytes(damaged(rng, data) if harm else data)
        return path
    files = folder(rng)
    if rng.random() < 0.4:
        ending, data = packed(rng, files)
        path = root / f"data.{ending}"
        path.write_bytes(damaged(rng, data) if harm else data)
        return path
    for name in rng.sample(sorted(files), min(len(files), 3)) if harm else ():
        files[name] = damaged(rng, files[name])
    for name, data in files.items():
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_bytes(data)
    return root / "data"


def options(rng: random.Random) -> dict[str, Any]:
    """Options of ``read``, most of the time none."""
    chance = rng.random()
    if chance < 0.6:
        return {}
    name = rng.choice(NAMES)
    if chance < 0.75:
        return {"target": name}
    if chance < 0.85:
        return {"kinds": {name: rng.choice(["number", "category", "text", "image", "labels", "date"])}}
    return rng.choice(
        [{"header": False}, {"ignore": [name]}, {"weights": name}, {"split": f"group:{name}"},
         {"split": "time"}, {"split": "60,20,20"}, {"image_size": 4}]
    )  # fmt: skip


@dataclass
class Fuzzer:
    """Does cases; ``runs`` are trained ones, by name, which are asked for predictions."""

    root: Path
    runs: dict[str, Any]

    def do(self, number: int) -> str:
        """Whether the data was read and answered, or refused. Raises whatever else happened."""
        rng, root = random.Random(number), self.root / "case"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        verb, told = rng.choice(["read", "read", "predict", "evaluate"]), options(rng)
        run = rng.choice(sorted(self.runs))
        if verb != "read" and rng.random() < 0.7:
            ending, data = like(rng, self.root / SOURCES[run])
            path = root / f"data.{ending}"
            path.write_bytes(damaged(rng, data) if rng.random() < 0.5 else data)
        else:
            path = written(rng, root)
        before = signal.signal(signal.SIGALRM, _hang)
        signal.alarm(SECONDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._do(verb, run, path, told)
        except PellucidError as error:
            return "refused" if len(str(error)) > 8 else "no cause"
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    def _do(self, verb: str, run: str, path: Path, told: dict[str, Any]) -> str:
        if verb != "read":
            return "answered" if getattr(self.runs[run], verb)(str(path)) is not None else "nothing"
        data = pellucid.read(str(path), cache=False, **told)
        data.check()
        assert repr(data)
        json.dumps(data.summary(), allow_nan=False)
        return "read"

    def all(
        self, numbers: Iterator[int], say: Callable[[int], None] = lambda number: None
    ) -> tuple[dict[str, int], list]:
        """How often each outcome was, and the numbers and tracebacks of the cases that went wrong."""
        counts, wrong = dict[str, int](), list[tuple[int, str]]()
        for number in numbers:
            say(number)
            try:
                outcome = self.do(number)
            except KeyboardInterrupt:
                raise
            except BaseException:  # panics of libraries in Rust are no Exceptions
                outcome = "wrong"
                wrong.append((number, traceback.format_exc()))
            counts[outcome] = counts.get(outcome, 0) + 1
        return counts, wrong


def _hang(*_: Any) -> None:
    raise Hangs(f"more than {SECONDS} s")


def trained(root: Path) -> dict[str, Any]:
    """Small runs on a table, on photos, on texts and on labels, from data of their own."""
    rng = random.Random(0)
    rows = [
        [f"{rng.gauss(0, 1):.3f}", rng.choice(["red", "blue"]), f"20{i % 30:02}-01-02", "yn"[i % 2]] for i in range(60)
    ]
    (root / "table.csv").write_text("\n".join(",".join(row) for row in [["x", "class", "date", "label"], *rows]))
    texts = [[rng.choice(["good film", "bad film"]) + f" {i}", rng.choice(["a", "b", "a;b"])] for i in range(60)]
    (root / "texts.csv").write_text("\n".join(",".join(row) for row in [["text", "label"], *texts]))
    for i in range(40):
        place = root / "photos" / "ab"[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 6 * i, np.uint8)).save(place)
    how: dict[str, Any] = {"steps": 2, "size": 0, "out": root / "runs", "reference": False}
    return {
        "table": pellucid.train(root / "table.csv", target="label", **how),
        "number": pellucid.train(root / "table.csv", target="x", **how),
        "photos": pellucid.train(root / "photos", **how),
        "texts": pellucid.train(root / "texts.csv", target="label", kinds={"text": "text"}, **how),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("first", type=int)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--now", type=Path, help="a file that always holds the number of the case that is being done")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds

    def numbers() -> Iterator[int]:
        number = given.first
        while number == given.first or time.monotonic() < end:
            yield number
            number += 1

    with tempfile.TemporaryDirectory(prefix="pellucid-fuzz-") as root:
        fuzzer = Fuzzer(Path(root), trained(Path(root)))
        say = (lambda number: given.now.write_text(str(number))) if given.now else (lambda number: None)  # type: ignore
        counts, wrong = fuzzer.all(numbers(), say)
    print(json.dumps(counts))
    for number, said in wrong:
        print(f"\n--- case {number}: python tests/fuzzing.py {number}\n{said}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
