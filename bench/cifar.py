"""CIFAR-10 as a folder of JPEGs: pellucid beside a hand-written script, in the same session, taking turns.

Default: 1,000 training photos a class, all 10,000 test photos, 60 s for everything. ``--full``: all 50,000, 5 minutes.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import BENCH, arguments, cifar, last_json, pellucid, report, spread

WANTED = {"cnn": "within 1 point of the sketch, and ≥ 72%", "rnn": "≥ 45%", "transformer": "≥ 50%"}


def sketch(folder: Path, seconds: int, seed: int, width: int) -> dict[str, Any]:
    words = (folder, "--seconds", seconds, "--seed", seed, "--width", width, "--threads", 2)
    result, wall = last_json([sys.executable, BENCH / "sketch_cifar.py", *words], OMP_NUM_THREADS="2")
    return {**result, "seconds": wall}


def network(name: str, folder: Path, seconds: int, seed: int) -> dict[str, Any]:
    return pellucid(folder, "--network", name, "--budget", f"{seconds}s", "--seed", seed)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--full", action="store_true", help="all 50,000 training photos, 5 minutes, cnn alone")
    parser.add_argument("--networks", nargs="+", default=None, help="default: cnn rnn transformer, or cnn with --full")
    parser.add_argument("--seconds", type=int, help="default: 60, or 300 with --full")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    folder = cifar(None if given.full else 1000)
    seconds = given.seconds or (300 if given.full else 60)
    names = given.networks or (["cnn"] if given.full else ["cnn", "rnn", "transformer"])
    results = defaultdict(list)
    for seed in range(given.seeds):
        results["sketch"].append(sketch(folder, seconds, seed, width=24 if given.full else 16))
        for name in names:
            results[name].append(network(name, folder, seconds, seed))
    rows = [row(name, runs, results["sketch"]) for name, runs in results.items()]
    header = ("network", "accuracy, %", "to the sketch, points", "seconds", "steps", "parameters", "wanted")
    photos = "50,000" if given.full else "10,000"
    note = (
        f"{photos} training photos, 10,000 test photos, {seconds} s for everything, 2 threads, {given.seeds} seed(s)."
    )
    report(f"Photos: CIFAR-10, {photos} in {seconds} s", header, rows, note, given.write)


def row(name: str, runs: list[dict[str, Any]], sketches: list[dict[str, Any]]) -> list[str]:
    values = [100 * run["value"] for run in runs]
    apart = [value - 100 * other["value"] for value, other in zip(values, sketches, strict=True)]
    seconds, steps = spread([run["seconds"] for run in runs], 1), round(statistics.mean(r["steps"] for r in runs))
    wanted = WANTED.get(name, "")
    return [name, spread(values, 2), f"{statistics.mean(apart):+.2f}", seconds, steps, runs[0]["parameters"], wanted]


if __name__ == "__main__":
    main()
