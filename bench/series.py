"""Whole series: the eight classification problems that aeon brings, official parts, beside aeon's own ROCKET.

Usage: ``python bench/series.py AEON [--seeds 3] [--budget 20s] [--network cnn]``, where AEON is a Python that has aeon
(``python -m venv DIR; DIR/bin/pip install aeon``): both are run in one session, each on one thread.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import BENCH, arguments, last_json, report, spread

import pellucid

PROBLEMS = (
    "ACSF1", "ArrowHead", "BasicMotions", "GunPoint", "ItalyPowerDemand", "JapaneseVowels", "OSULeaf",
    "PickupGestureWiimoteZ",
)  # fmt: skip


def run_problem(path: Path, seed: int, budget: str, network: str | None) -> dict[str, float]:
    """Accuracies on the official test part: of the run, of its solved part alone; and seconds."""
    own = {} if network is None else {"network": network}
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        run = pellucid.train(path, budget=budget, seed=seed, out=out, progress=False, **own)
        seconds = time.perf_counter() - began
    return {"run": run.score.value, "solved": run.record["solved"]["score"]["value"], "seconds": seconds}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("aeon")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="20s")
    parser.add_argument("--network")
    given = parser.parse_args()
    torch.set_num_threads(1)
    where = 'import aeon, json; print(json.dumps({"file": aeon.__file__}))'
    folder = Path(last_json([given.aeon, "-c", where])[0]["file"]).parent / "datasets" / "data"
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in PROBLEMS}
    for seed in range(given.seeds):
        for name in PROBLEMS:
            own = run_problem(folder / name / f"{name}_TRAIN.ts", seed, given.budget, given.network)
            other, _ = last_json([given.aeon, "-I", BENCH / "rocket.py", folder, name, seed], NUMBA_NUM_THREADS="1")
            found[name].append(own | other)
            print(seed, name, {key: round(value, 4) for key, value in found[name][-1].items()}, flush=True)
    keys = ("run", "solved", "rocket")
    rows = [[name, *(spread([one[key] for one in some]) for key in keys)] for name, some in found.items()]
    means = [
        [statistics.mean(found[name][seed][key] for name in PROBLEMS) for seed in range(given.seeds)] for key in keys
    ]
    rows.append(["mean", *(spread(values, 4) for values in means)])
    taken = [
        statistics.mean(sum(found[name][seed][key] for name in PROBLEMS) for seed in range(given.seeds))
        for key in ("seconds", "rocket_seconds")
    ]
    note = (
        f"Official parts, `--budget {given.budget}`, {given.seeds} seed(s), one thread; all take {taken[0]:.0f} s "
        f"a seed, aeon's ROCKET {taken[1]:.0f} s. Series of different lengths get zeros at their end for ROCKET."
    )
    header = ("problem", "network", "random convolutions alone", "aeon's ROCKET")
    report("Series: eight problems in aeon", header, rows, note, given.write)


if __name__ == "__main__":
    main()
