"""Predictions of a large table: peak memory and rows a second, from file to file.

``--rows 1000000`` writes a table of that many rows: an id, eight numbers, three columns of words. A run of three
classes that was trained on 20,000 others predicts it in a process of its own, ``pellucid predict RUN t.csv --out
FILE``, with nothing in the cache; then once more from the cache; then from Python, all answers held at once
(``run.predict``). Peak resident memory is what the kernel counts (VmHWM), beside it that of anonymous pages (RssAnon,
looked at 20 times a second). Wanted: 0.6 GB at most.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from common import arguments, report
from memory import GB, watched

LEARNED = 20_000

# The whole answer in Python: the sum keeps it alive until the end.
IN_PYTHON = """
import json, sys, pellucid
found = pellucid.load(sys.argv[1]).predict(sys.argv[2])
print(json.dumps({"rows": len(found), "first": found[0]["label"], "last": found[-1]["label"]}))
"""


def write_rows(path: Path, rows: int, *, target: bool, seed: int) -> Path:
    """A table with an id, eight numbers and three columns of words, and one of three classes that follows from some."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, 8)).round(4)
    words = rng.integers(0, (4, 12, 40), (rows, 3))
    columns = {"customer_id": [f"C{i:07}" for i in range(rows)]}
    columns |= {f"number_{i}": numbers[:, i] for i in range(8)}
    columns |= {f"word_{i}": [f"w{code}" for code in words[:, i].tolist()] for i in range(3)}
    if target:
        level = numbers[:, 0] - numbers[:, 1] + (words[:, 0] == 2) + 0.5 * rng.normal(size=rows)
        columns["label"] = np.array(["low", "middle", "high"], object)[np.digitize(level, (-0.7, 0.7))].tolist()
    pl.DataFrame(columns).write_csv(path)
    return path


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table (default: a million)")
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        learned = write_rows(folder / "learned.csv", LEARNED, target=True, seed=0)
        table = write_rows(folder / "t.csv", given.rows, target=False, seed=1)
        pellucid = [sys.executable, "-m", "pellucid"]
        words = ["--target", "label", "--network", "mlp", "--size", "0", "--steps", "200", "--name", "run", "--quiet"]
        cache = {"PELLUCID_CACHE": str(folder / "cache")}
        train = [*pellucid, "train", str(learned), *words, "--no-reference", "--out", str(folder)]
        subprocess.run(train, check=True, env={**os.environ, **cache})
        run = str(folder / "run")
        to_file = [*pellucid, "predict", run, str(table), "--force", "--out"]
        ways = {
            "to CSV": [*to_file, str(folder / "out.csv")],
            "to CSV, from the cache": [*to_file, str(folder / "out.csv")],
            "to Parquet, from the cache": [*to_file, str(folder / "out.parquet")],
            "held in Python, from the cache": [sys.executable, "-c", IN_PYTHON, run, str(table)],
        }
        for way, command in ways.items():
            took = watched(command, None, **cache)
            memory = [f"{took[kind] / GB:.2f}" for kind in ("VmHWM", "RssAnon")]
            done = "done" if took["code"] == 0 else f"exit code {took['code']}"
            found.append([way, *memory, done, f"{took['seconds']:.0f}", f"{given.rows / took['seconds']:,.0f}"])
            print(*found[-1], sep="  ", flush=True)
        size = f"{table.stat().st_size / GB:.2f} GB"
    header = ("answers", "peak RSS, GB", "peak anonymous, GB", "", "seconds, start included", "rows a second")
    note = (
        f"{given.rows:,} rows, 12 columns, {size} of CSV; a dense network of size 0, three classes, one process each. "
    )
    note += "Wanted: at most 0.6 GB."
    report("A million predictions", header, found, note, given.write)


if __name__ == "__main__":
    main()
