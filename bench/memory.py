"""Peak memory: of a training on a CSV file as large as the memory it may take, and on ten times as many photos.

``--csv 2`` writes 2 GB and trains on it. The table has 16 numbers, 3 categories and a target that follows from some of
them, from a seed. A training runs in a process of its own, whose peak resident memory the kernel counts (VmHWM: it
includes pages of files that are mapped and could be dropped) and whose anonymous memory (RssAnon) is looked at 20 times
a second. ``--limit 2`` does not let it take more than 2 GB of anonymous memory (RLIMIT_DATA, which counts what is
reserved too) in the first place.

``--photos 2000`` writes that many, and ten times as many, and trains a network of the same size for the same steps and
batches on both (more photos would be given larger batches). Wanted: less than 10% more anonymous memory; decoded
photos lie in a mapped file, whose pages can be dropped.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import arguments, report
from PIL import Image

ROWS = 200_000  # written at a time
GB = 1e9


def write_csv(path: Path, size: float, seed: int = 0) -> int:
    """A table of about ``size`` bytes; returns its rows."""
    rng, rows = np.random.default_rng(seed), 0
    with path.open("wb") as file:
        while file.tell() < size:
            numbers = rng.normal(size=(ROWS, 12)).round(4)
            counts = rng.poisson(40, (ROWS, 4))
            columns: dict[str, Any] = {f"number_{i}": numbers[:, i] for i in range(12)}
            columns |= {f"count_{i}": counts[:, i] for i in range(4)}
            columns |= {f"word_{i}": rng.integers(0, 8 << i, ROWS) for i in range(3)}
            words = [pl.format("w{}", f"word_{i}").alias(f"word_{i}") for i in range(3)]
            logit = 2 * numbers[:, 0] - numbers[:, 1] + 0.1 * (counts[:, 0] - 40) + 0.5 * rng.normal(size=ROWS)
            label = pl.Series("label", np.where(logit > 0, "yes", "no"))
            frame = pl.DataFrame(columns).with_columns(*words, label)
            frame.write_csv(file, include_header=not rows)
            rows += ROWS
    return rows


def watched(command: list[str], limit: float | None = None, **environment: str) -> dict[str, Any]:
    """Run a command; its exit code, seconds, last line of output as JSON, and peaks of its memory in bytes."""

    def limited() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (int(limit * GB), int(limit * GB)))

    start, peaks = time.perf_counter(), {"VmHWM": 0, "RssAnon": 0}
    env = {**os.environ, **environment}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=out, stderr=errors, env=env, preexec_fn=limited)
        while child.poll() is None:
            for name, value in status(child.pid).items():
                peaks[name] = max(peaks[name], value)
            time.sleep(0.05)
        out.seek(0)
        errors.seek(0)
        lines, said = out.read().strip().splitlines(), errors.read()
    if child.returncode:
        print(said[-2000:], file=sys.stderr)
    result = json.loads(lines[-1]) if lines and not child.returncode else {}
    return {"code": child.returncode, "seconds": time.perf_counter() - start, "result": result, **peaks}


def status(pid: int) -> dict[str, int]:
    """VmHWM and RssAnon of a process, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    found = dict(line.split(":", 1) for line in lines if line.startswith(("VmHWM", "RssAnon")))
    return {name: int(value.split()[0]) * 1024 for name, value in found.items()}


def csv_row(size: float, limit: float | None, folder: Path, words: list[str]) -> list[Any]:
    path = folder / "large.csv"
    start = time.perf_counter()
    rows = write_csv(path, size * GB)
    written = f"{path.stat().st_size / GB:.2f} GB, {rows:,} rows"
    print(f"{written}, written in {time.perf_counter() - start:.0f} s", flush=True)
    found = []
    for again in (False, True):  # the second time everything is in the cache
        command = [sys.executable, "-m", "pellucid", "train", str(path), "--target", "label", "--json", *words]
        command += ["--out", str(folder / "runs")]
        run = watched(command, limit, PELLUCID_CACHE=str(folder / "cache"))
        score = run["result"].get("value", float("nan"))
        memory = [f"{run[name] / GB:.2f}" for name in ("VmHWM", "RssAnon")]
        what = "again, from the cache" if again else f"CSV of {written}"
        done = "done" if run["code"] == 0 else f"exit code {run['code']}"
        allowed = f"{limit:g} GB" if limit else "none"
        found.append([what, *memory, allowed, done, f"{run['seconds']:.0f}", f"{score:.3f}"])
        print(*found[-1], sep="  ", flush=True)
    return found


def write_photos(folder: Path, count: int, seed: int = 0) -> Path:
    """JPEG photos of 96 x 96 in two classes, smooth noise that is redder or bluer; returns their folder."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        kind = ("blue", "red")[i % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (12, 12, 3), np.uint8)
        pixels[..., 0 if kind == "red" else 2] += 40
        Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC).save(folder / kind / f"{i:06d}.jpg")
    return folder


def photo_rows(count: int, folder: Path, words: list[str]) -> list[list[Any]]:
    found = []
    for many in (count, 10 * count):
        path = write_photos(folder / f"photos-{many}", many)
        command = [sys.executable, "-m", "pellucid", "train", str(path), "--json", "--out", str(folder / "runs")]
        command += ["--network", "cnn", "--size", "2", "--image-size", "64", "--batch-size", "64", *words]
        run = watched(command, None, PELLUCID_CACHE=str(folder / "cache"))
        memory = [f"{run[name] / GB:.2f}" for name in ("VmHWM", "RssAnon")]
        done = "done" if run["code"] == 0 else f"exit code {run['code']}"
        found.append([f"{many:,} photos", *memory, "none", done, f"{run['seconds']:.0f}", run["RssAnon"]])
    more = found[1].pop() / found[0].pop() - 1
    for row, last in zip(found, ("", f"{100 * more:+.1f} % anonymous"), strict=True):
        row.append(last)
        print(*row, sep="  ", flush=True)
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--csv", type=float, default=2.0, metavar="GB", help="size of the table (default: 2)")
    parser.add_argument("--photos", type=int, default=2000, help="and ten times as many (default: 2000)")
    parser.add_argument("--limit", type=float, metavar="GB", help="anonymous memory the training may take")
    parser.add_argument("--steps", default="200", help="steps trained (default: 200)")
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        steps = ["--steps", given.steps]
        rows = csv_row(given.csv, given.limit, Path(folder), steps) if given.csv else []
        rows += photo_rows(given.photos, Path(folder), steps) if given.photos else []
    header = ("data", "peak RSS, GB", "peak anonymous, GB", "limit", "", "seconds", "accuracy, or more memory")
    note = (
        f"`pellucid train … --steps {given.steps}`, one process, {os.cpu_count()} cores; photos of 96 x 96 pixels, "
        "network cnn of size 2, 64 x 64, 64 in a batch."
    )
    report("Memory", header, rows, note, given.write)


if __name__ == "__main__":
    main()
