"""What looking inside takes: pages of networks and of examples, the first time and again, and single views.

Runs are trained for 20 s each, or taken from ``--runs``; what is kept beside them (``badges.json``, ``facts.json``) is
removed before each first time. Commands are whole: the start of Python, loading, the views, the page.
"""

from __future__ import annotations

import csv
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from common import arguments, cifar, data_file, report

import pellucid
from pellucid.runs.inspection import fitting_views, make_views, subject_of

BUDGET = "20s"

# News that are put one behind the other to one long text, and how many such texts there are of each topic.
TOGETHER, EACH = 14, 250

KEPT = ("badges.json", "facts.json")

# Views that are asked for, of those networks that have what they are of.
ASKED: Mapping[str, Mapping[str, Any]] = {
    "unit": {"unit": {"name": "layer1.3"}},
    "weight": {"weight": {"name": "output.layer.weight[0,3]"}},
    "without a unit": {"what-if": {"without": ("layer1.3",)}},
    "without a stage": {"what-if": {"without": ("layer1",)}},
}


# ---------------------------------------------------------------- data and runs


def one_row(table: Path, row: int, to: Path) -> Path:
    """A row of a table as a table of its own."""
    with table.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    with to.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([lines[0], lines[row + 1]])
    return to


def long_texts(to: Path) -> Path:
    """Texts of about 500 words: news of one topic, one behind the other."""
    with data_file("ag_news.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    draw, lines = random.Random(0), []
    for topic in sorted({row["topic"] for row in rows}):
        own = [f"{row['title']} {row['description']}" for row in rows if row["topic"] == topic]
        lines += [[topic, " ".join(draw.sample(own, TOGETHER))] for _ in range(EACH)]
    draw.shuffle(lines)
    with to.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["topic", "text"], *lines])
    return to


def sources(folder: Path) -> dict[str, tuple[str, list[Any], Callable[[], Path]]]:
    """By the name of a run: what it is, the words of its training, and its example."""
    news, diamonds = data_file("ag_news.csv"), data_file("diamonds.csv")
    digits, long = folder / "digits", folder / "long.csv"

    def texts() -> Path:
        return long if long.exists() else long_texts(long)

    def photo() -> Path:
        return next((cifar(1000) / "test" / "cat").iterdir())

    if not digits.exists():
        pellucid.sample("digits", digits)
    return {
        "digits": ("digits, CNN", [digits, "--network", "cnn"], lambda: next((digits / "3").iterdir())),
        "photos": ("CIFAR-10, CNN", [cifar(1000), "--network", "cnn"], photo),
        "table": ("diamonds, MLP", [diamonds, "--target", "cut", "--network", "mlp"],
                  lambda: one_row(diamonds, 7, folder / "diamond.csv")),
        "attention": ("news, transformer", [news, "--target", "topic", "--network", "transformer"],
                      lambda: one_row(news, 5, folder / "news.csv")),
        "recurrent": ("news, RNN", [news, "--target", "topic", "--network", "rnn"],
                      lambda: one_row(news, 5, folder / "news.csv")),
        "long": ("texts of 500 words, RNN", [texts(), "--target", "topic", "--network", "rnn"],
                 lambda: one_row(long, 3, folder / "text.csv")),
    }  # fmt: skip


# ---------------------------------------------------------------- what it takes


def forget(run: Path) -> None:
    for name in KEPT:
        (run / name).unlink(missing_ok=True)


def command_seconds(*words: Any) -> tuple[float, float]:
    """Processor time and wall clock of a whole command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "pellucid", *map(str, words)], capture_output=True, text=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{words} ended with exit code {done.returncode}\n{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def page_row(what: str, run: Path, example: Path, turns: int) -> list[str]:
    """Processor time of the network's page and of the example's, first and again, and the wall clock of its first."""
    found: dict[str, list[float]] = {}
    for _ in range(turns):
        forget(run)
        for of, words in (("network", [run]), ("example", [run, example])):
            for when in ("first", "again"):
                spent, wall = command_seconds("inspect", *words)
                found.setdefault(f"{of} {when}", []).append(spent)
                found.setdefault(f"{of} {when}, wall", []).append(wall)
    names = ("network first", "network again", "example first", "example again", "example first, wall")
    return [what, *(f"{statistics.median(found[name]):.1f}" for name in names)]


def view_rows(what: str, run: Path, example: Path, turns: int) -> list[list[str]]:
    """Processor time of each view, the first time and again."""
    taken: dict[tuple[str, str], list[float]] = {}

    def measure(name: str, when: str, make: Callable[[], Any]) -> None:
        start = time.process_time()
        make()
        taken.setdefault((name, when), []).append(time.process_time() - start)

    for _ in range(turns):
        forget(run)
        for when in ("first", "again"):
            loaded = pellucid.load(run)
            for subject in (subject_of(loaded), subject_of(loaded, example)):
                for view in fitting_views(subject):
                    measure(view.word, when, lambda view=view, subject=subject: view(subject))
                if subject.example is None:
                    continue
                for name, asked in ASKED.items():
                    # Not every network has such a unit, or such a weight.
                    try:
                        measure(name, when, lambda asked=asked, subject=subject: list(make_views(subject, asked)))
                    except pellucid.PellucidError:
                        continue
    names = dict.fromkeys(name for name, _ in taken)
    return [
        [what, name, *(f"{statistics.median(taken[name, when]):.2f}" for when in ("first", "again"))] for name in names
    ]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--runs", type=Path, help="folder of runs that are made where they are missing")
    parser.add_argument("--only", nargs="*", help="names of runs: digits, photos, table, attention, recurrent, long")
    parser.add_argument("--pages", action="store_true", help="whole commands alone, no single views")
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.runs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        pages, views = [], []
        (folder / "data").mkdir(exist_ok=True)
        for name, (what, words, example) in sources(folder / "data").items():
            if given.only and name not in given.only:
                continue
            if not (folder / name).exists():
                command_seconds("train", *words, "--budget", BUDGET, "--out", folder, "--name", name, "--seed", 0)
            source = example()
            pages.append(page_row(what, folder / name, source, given.turns))
            views += [] if given.pages else view_rows(what, folder / name, source, given.turns)
    note = (
        f"Median of {given.turns}, one thread, runs of {BUDGET}. Wanted: an example's page in 5 s, the first one too."
    )
    header = ("run", "network's page, first", "again", "example's page, first", "again", "first, wall clock")
    report("Looking inside: whole commands, seconds of processor time", header, pages, note, given.write)
    if given.pages:
        return
    note = f"Median of {given.turns}, one thread. Wanted: each view of an example in 1 s, or a bar with the time left."
    report("Looking inside: single views, seconds of processor time", ("run", "view", "first", "again"), views, note,
           given.write)  # fmt: skip


if __name__ == "__main__":
    main()
