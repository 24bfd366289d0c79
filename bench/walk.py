"""The way of a table, photos and texts from the command to the first step: files entered, and files that call back.

Runs the real command in a process of its own and writes down who calls whom among the package's files, until the
optimizer makes its first step. ``--source FOLDER`` follows another version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import arguments, cifar, data_file, report

PROGRAM = """
import os, sys, json
package = os.path.join(sys.argv.pop(1), "pellucid") + os.sep
names, edges = set(), set()

def note(frame, event, _):
    if event != "call":
        return
    file, name = frame.f_code.co_filename, frame.f_code.co_name
    if not file.startswith(package) or name.startswith("<"):
        return
    names.add((file, name))
    caller = frame.f_back
    while caller and not caller.f_code.co_filename.startswith(package):
        caller = caller.f_back
    if caller and caller.f_code.co_filename != file:
        edges.add((caller.f_code.co_filename, file))
    if file.endswith("training/optimizer.py") and name == "step":
        sys.setprofile(None)
        back = sum((b, a) in edges for a, b in edges) // 2
        files = len({file for file, _ in names})
        print(json.dumps({"files": files, "functions": len(names), "edges": len(edges), "back": back}))
        sys.stdout.flush()
        os._exit(0)

from pellucid.cli import main
sys.setprofile(note)
main()
"""


def walk(source: Path, words: list[Any], cache: str) -> dict[str, int]:
    """What one command enters up to its first step; data that were read before come from the cache."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", PROGRAM, str(source), "train", *map(str, words), "--out", out]
        command += ["--steps", "5", "--no-reference", "--folds", "0", "--quiet"]
        env = {**os.environ, "PYTHONPATH": str(source), "PELLUCID_CACHE": cache, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--source", type=Path, default=Path(__file__).resolve().parents[1] / "src")
    given = parser.parse_args()
    work: dict[str, list[Any]] = {
        "table": [data_file("diamonds.csv"), "--target", "price"],
        "photos": [cifar(20), "--network", "cnn", "--size", 0],
        "texts": [data_file("ag_news.csv"), "--target", "topic", "--network", "transformer", "--size", 0],
    }
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for name, words in work.items():
            walk(given.source, words, cache)
            found = walk(given.source, words, cache)
            rows.append([name, *(str(found[what]) for what in ("files", "functions", "edges", "back"))])
            print(" | ".join(rows[-1]), flush=True)
    head = ["data", "files entered", "functions", "file calls file", "files that call each other"]
    report("The way to a step", head, rows, "From the command to the first step, second start.", given.write)


if __name__ == "__main__":
    main()
