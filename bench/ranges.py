"""Do the 90% ranges of numbers hold 90% of the truth, among small and large predictions alike? On real tables.

Beside the range whose width follows the prediction (what ``predict`` says) stands one of the same width for all, from
the same errors. Both are measured on the test part, which neither has seen.

Wanted: 88 to 92% of all and 85 to 95% in each third of the predictions, as far as the test part can tell.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import arguments, data_file, report

import pellucid

TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "diamonds → price": ("diamonds.csv", {"target": "price"}),
    "diamonds → carat": ("diamonds.csv", {"target": "carat", "ignore": ["x", "y", "z"]}),
    "German electricity → price": ("prices/DE.csv.xz", {"target": "Price"}),
    "Nordic electricity → price": ("prices/NP.csv.xz", {"target": "Price"}),
    "ETTh1 → oil temperature": ("ETTh1.csv", {"target": "OT"}),
    "Melbourne → daily minimum": ("daily-min-temperatures.csv", {"target": "Temp"}),
    "red wine → alcohol": ("winequality-red.csv", {"target": "column_11"}),
    "red wine → total sulphur": ("winequality-red.csv", {"target": "column_7"}),
}


def measured(name: str, budget: str, seed: int, out: Path) -> list[list[Any]]:
    """Two lines of the table: one width for all, and ours."""
    file, options = TABLES[name]
    run = pellucid.train(data_file(file), budget=budget, seed=seed, out=str(out), reference=False, **options)
    table = pl.read_parquet(run.path / "predictions.parquet")
    true, value, low, high = (table[column].to_numpy() for column in ("true", "value", "low", "high"))
    half, near = float(run.network.output.spread[0]), 1e-6 * (abs(true) + abs(value))
    thirds = np.array_split(np.argsort(value, kind="stable"), 3)
    lines = []
    for kind, least, most in (("one width", value - half, value + half), ("by prediction", low, high)):
        held, width = (least - near <= true) & (true <= most + near), most - least
        shares = [f"{held[rows].mean():.1%}" for rows in (slice(None), *thirds)]
        lines.append([name, kind, f"{len(true):,}", *shares, f"{width.mean():.4g}", f"{np.median(width):.4g}"])
    return lines


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--budget", default="15s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        rows = [row for name in given.tables for row in measured(name, given.budget, given.seed, Path(out))]
    header = ("table", "range", "test rows", "held", "lowest third", "middle", "highest", "mean width", "median width")
    chance = [f"± {196 * math.sqrt(0.09 / n):.1f}" for n in (5000, 1700, 160, 53)]
    note = (
        f"One split, one seed, `--budget {given.budget}`. By chance a share of 90% is off by {chance[0]} points in "
        f"5,000 rows, {chance[1]} in a third of them, {chance[2]} in 160 rows, {chance[3]} in a third of those."
    )
    report("Ranges of numbers: coverage", header, rows, note, given.write)


if __name__ == "__main__":
    main()
