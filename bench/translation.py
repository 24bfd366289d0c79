"""Texts that are written: Multi30k from English to German (flickr 2016), and numbers and dates in words.

    python bench/translation.py multi30k [BUDGET] [NETWORK]     sacreBLEU, after 30 minutes unless said otherwise
    python bench/translation.py numbers [BUDGET] [NETWORK …]    the share that is right, new values in test
    python bench/translation.py dates [BUDGET] [NETWORK …]

Multi30k (Elliott et al., 2016) lies in shared/data/multi30k. Numbers and dates are made here: 20,000 different pairs.
Recipes were chosen on validation; test is scored once.
"""

from __future__ import annotations

import csv
import datetime
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import pellucid

DATA = Path(__file__).resolve().parents[1] / "shared" / "data" / "multi30k"

PAIRS = 20_000

NETWORKS = ("transformer", "rnn", "cnn")

SMALL = [
    "zero", "one", "two", "three", "four",
    "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip

TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905

ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
            "twelve": "twelfth"}  # fmt: skip


def number_words(n: int) -> str:
    """A number below a million in words.

    >>> number_words(40_021), number_words(907_300)
    ('forty thousand twenty-one', 'nine hundred seven thousand three hundred')
    """
    if n < 20:
        return SMALL[n]
    if n < 100:
        return TENS[n // 10] + (f"-{SMALL[n % 10]}" if n % 10 else "")
    for unit, word in ((1000, "thousand"), (100, "hundred")):
        if n >= unit:
            rest = n % unit
            return f"{number_words(n // unit)} {word}" + (f" {number_words(rest)}" if rest else "")
    raise AssertionError


def ordinal_words(n: int) -> str:
    """The day of a month in words.

    >>> ordinal_words(20), ordinal_words(21), ordinal_words(9)
    ('twentieth', 'twenty-first', 'ninth')
    """
    *before, last = number_words(n).split("-")
    last = ORDINALS.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return "-".join([*before, last])


def date_words(day: datetime.date) -> str:
    """A date in words.

    >>> date_words(datetime.date(1905, 3, 22))
    'the twenty-second of March nineteen hundred five'
    """
    century, rest = divmod(day.year, 100)
    year = f"{number_words(century)} hundred" + (f" {number_words(rest)}" if rest else "")
    return f"the {ordinal_words(day.day)} of {day:%B} {year}"


def make_pairs(what: str) -> list[tuple[str, str]]:
    """``PAIRS`` different pairs, in an order of chance."""
    rng = np.random.default_rng(0)
    if what == "numbers":
        # As many short ones as long ones.
        drawn = (10 ** rng.uniform(0, 6, 8 * PAIRS)).astype(int)
        values = list(dict.fromkeys(drawn.tolist()))[:PAIRS]
        return [(str(n), number_words(n)) for n in values]
    first = datetime.date(1900, 1, 1).toordinal()
    days = rng.permutation(80_000)[:PAIRS]
    return [(str(d), date_words(d)) for d in (datetime.date.fromordinal(first + int(i)) for i in days)]


def run_made(what: str, budget: str, networks: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / f"{what}.csv"
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([(what[:-1], "words"), *make_pairs(what)])
        for network in networks:
            began = time.perf_counter()
            run = pellucid.train(table, target="words", network=network, budget=budget, out=folder)
            report(f"{what} {network}", run, time.perf_counter() - began)


def run_multi30k(budget: str, network: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        run = pellucid.train(DATA, target="de", network=network, budget=budget, out=folder)
        report(f"multi30k {network}", run, time.perf_counter() - began)


def report(name: str, run: pellucid.Run, seconds: float) -> None:
    history = [row for row in run.history if row["step"]]
    print(
        f"{name}: {run.score}; baseline {run.baseline.value:.4g}; validation {run.validation:.4g}; "
        f"loss {history[-1]['validation_loss']:.4f}; {run.parameters:,} weights, {run.record['steps']:,} steps, "
        f"{seconds:.0f} s, chosen {run.record['chosen']['weights']}",
        flush=True,
    )


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "multi30k":
        run_multi30k(*(rest + ["30m", "transformer"][len(rest) :])[:2])
    else:
        run_made(what, rest[0] if rest else "3m", rest[1:] or list(NETWORKS))
