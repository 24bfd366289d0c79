"""One thread, all threads, and the number that Pellucid chooses: steps and score on an idle machine and on a busy one.

Busy means that two endless loops run beside it. Networks have a fixed size, so that steps can be compared; the three
ways take turns. Then whole trainings, sizes and all, against their budget by a clock outside.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import arguments, cifar, data_file, last_json, report

# What the command does, with the numbers of threads to choose from: one, all (as before there was a choice), or ours.
PROGRAM = """
import sys
ways = {"one": lambda device: (1,), "all": lambda device: (torch.get_num_threads(),)}
import torch
import pellucid.runs.train as training
way = sys.argv.pop(1)
if way == "one":
    torch.set_num_threads(1)
if way in ways:
    training.thread_counts = ways[way]
from pellucid.cli import main
main()
"""
WAYS = ("one", "all", "ours")
LOOPS = 2


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many programs that never rest, beside what is measured."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def data_sets(names: Sequence[str]) -> dict[str, list[Any]]:
    """What is trained on, with options that fix the network."""
    every: dict[str, list[Any]] = {
        "table": [data_file("diamonds.csv"), "--target", "price", "--size", 2],
        "photos": [cifar(1000), "--size", 1],
        "texts": [data_file("ag_news.csv"), "--target", "topic", "--network", "transformer", "--size", 1],
    }
    return {name: every[name] for name in names or every}


def trained(way: str, words: Sequence[Any], budget: int, cache: Path) -> dict[str, Any]:
    """What ``pellucid train --json`` ends with, and the seconds that a clock outside saw."""
    with tempfile.TemporaryDirectory() as out:
        words = [*words, "--budget", f"{budget}s", "--no-reference", "--out", out, "--json"]
        command = [sys.executable, "-c", PROGRAM, way, "train", *words]
        result, wall = last_json(command, PELLUCID_CACHE=str(cache))
    return result | {"wall": wall}


def compare_ways(names: Sequence[str], budget: int, repeats: int, cache: Path) -> list[list[str]]:
    rows = []
    for name, words in data_sets(names).items():
        trained("ours", words, 8, cache)  # the data are decoded once, before any clock counts
        for loops in (0, LOOPS):
            found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
            for _ in range(repeats):
                for way in WAYS:
                    with busy(loops):
                        found[way].append(trained(way, words, budget, cache))
            steps = {way: statistics.median(one["steps"] for one in found[way]) for way in WAYS}
            scores = {way: statistics.median(one["value"] for one in found[way]) for way in WAYS}
            walls = {way: max(one["wall"] for one in found[way]) for way in WAYS}
            rows.append(
                [
                    f"{name}, {'busy' if loops else 'idle'}",
                    *(f"{steps[way]:,.0f} ({scores[way]:.4f}; {walls[way]:.1f} s)" for way in WAYS),
                    f"{steps['ours'] / max(steps['one'], steps['all']):.2f}",
                ]
            )
            print(" | ".join(rows[-1]), flush=True)
    return rows


def keep_budgets(names: Sequence[str], budget: int, repeats: int, cache: Path) -> list[list[str]]:
    rows = []
    for name, words in data_sets(names).items():
        free = words[: words.index("--size")]
        trained("ours", free, 8, cache)
        for loops in (0, LOOPS):
            with busy(loops):
                walls = [trained("ours", free, budget, cache)["wall"] for _ in range(repeats)]
            allowed = max(1.0, (0.05 if loops else 0.03) * budget)
            rows.append(
                [
                    f"{name}, {'busy' if loops else 'idle'}",
                    f"{statistics.median(walls):.2f}",
                    f"{min(walls):.2f} to {max(walls):.2f}",
                    f"{sum(wall <= budget + allowed for wall in walls)} of {repeats}",
                ]
            )
            print(" | ".join(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--budget", type=int, default=20, help="seconds of a training")
    parser.add_argument("--repeats", type=int, default=3, help="trainings each way")
    parser.add_argument("--budgets", type=int, default=20, help="trainings against the clock, each kind of data")
    parser.add_argument("--data", nargs="*", default=[], help="table, photos, texts; all when left out")
    given = parser.parse_args()
    # Stopped, it stops the endless loops too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory() as cache:
        ways = compare_ways(given.data, given.budget, given.repeats, Path(cache)) if given.repeats else []
        kept = keep_budgets(given.data, given.budget, given.budgets, Path(cache)) if given.budgets else []
    if ways:
        report(
            "Threads",
            ["data", "one thread: steps (score; longest)", "all threads", "ours", "ours to the better one, steps"],
            ways,
            f"`--budget {given.budget}s`, median of {given.repeats}, {os.cpu_count()} cores; busy: {LOOPS} endless "
            "loops beside it. Wanted: at least 0.9.",
            given.write,
        )
    if kept:
        report(
            "Budgets on idle and busy machines",
            ["data", "seconds, median", "range", "within 1 s or 3% (busy 5%)"],
            kept,
            f"`--budget {given.budget}s`, wall clock of the whole command.",
            given.write,
        )


if __name__ == "__main__":
    main()
