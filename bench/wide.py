"""Reading tables of many columns, and of many rows, from a cold cache: ``pellucid read`` from start to exit.

    python bench/wide.py [--columns 10000] [--rows 1000000] [--write]

Processor time stands beside wall-clock time: on a busy machine it is what can be compared.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from subprocess import run

import numpy as np
from common import arguments, report

WORDS = np.array(["red", "green", "blue", "dark blue"])


def write_table(path: Path, rows: int, columns: int, words_every: int) -> None:
    """A table of numbers, of which each column of so many holds words (0 for none), and a label."""
    draw = np.random.default_rng(0)
    with path.open("w") as file:
        file.write(",".join([*(f"x{i}" for i in range(columns - 1)), "label"]) + "\n")
        for _ in range(rows):
            value = draw.normal(size=columns - 1).round(4)
            cells = list(map(str, value))
            if words_every:
                cells[1::words_every] = WORDS[(np.abs(value[1::words_every]) * 10).astype(int) % 4]
            file.write(",".join([*cells, "yes" if value[0] > 0 else "no"]) + "\n")


def read_seconds(path: Path) -> tuple[float, float]:
    """Wall-clock and processor seconds of reading a table."""
    with tempfile.TemporaryDirectory() as cache:
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "pellucid", "read", str(path), "--json"]
        run(command, check=True, capture_output=True, env={**os.environ, "PELLUCID_CACHE": cache})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--columns", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    tables = [
        ("numbers", 300, chosen.columns, 0),
        ("one column of four holds words", 300, chosen.columns, 4),
        ("one column of four holds words", chosen.rows, 8, 4),
    ]
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for what, rows, columns, words_every in tables:
            write_table(Path(folder, "t.csv"), rows, columns, words_every)
            wall, used = read_seconds(Path(folder, "t.csv"))
            lines.append((f"{rows:,} × {columns:,}", what, f"{wall:.1f}", f"{used:.1f}"))
    note = "Cold cache. Wanted: 10,000 columns in 15 s; many rows no slower than before."
    report(
        "Reading: wide and long tables", ("rows × columns", "columns", "s", "processor s"), lines, note, chosen.write
    )


if __name__ == "__main__":
    main()
