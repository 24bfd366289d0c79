"""Whole series: the eight classification problems that aeon brings, official parts, against its own ROCKET's figures.

Usage: ``python bench/series.py AEON [--seeds 3] [--budget 20s] [--networks cnn]``, where AEON is a folder that
``pip download --no-deps aeon`` was unpacked into.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import pellucid

PROBLEMS = (
    "ACSF1", "ArrowHead", "BasicMotions", "GunPoint", "ItalyPowerDemand", "JapaneseVowels", "OSULeaf",
    "PickupGestureWiimoteZ",
)  # fmt: skip


def run_problem(folder: Path, name: str, seed: int, budget: str, network: str | None, out: str) -> dict[str, float]:
    """Accuracies on the official test part: of the run, of its solved part alone; and seconds."""
    began = time.perf_counter()
    own = {} if network is None else {"network": network}
    run = pellucid.train(folder / name / f"{name}_TRAIN.ts", budget=budget, seed=seed, out=out, progress=False, **own)
    solved = run.record["solved"]
    return {
        "run": run.score.value,
        "solved": solved["score"]["value"],
        "validation": run.validation,
        "seconds": time.perf_counter() - began,
        "solving": solved["seconds"],
        "kept": float("alone" in run.record["chosen"]["weights"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("aeon", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", default="20s")
    parser.add_argument("--network")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in PROBLEMS}
    for seed in range(given.seeds):
        for name in PROBLEMS:
            with tempfile.TemporaryDirectory() as out:
                folder = given.aeon / "aeon" / "datasets" / "data"
                one = run_problem(folder, name, seed, given.budget, given.network, out)
            found[name].append(one)
            print(seed, name, {key: round(value, 4) for key, value in one.items()}, flush=True)
    for name, some in found.items():
        print(
            f"{name:24}", *(f"{key} {np.mean([one[key] for one in some]):.4f}" for key in ("run", "solved", "seconds"))
        )
    for key in ("run", "solved"):
        print(f"mean {key}: {np.mean([[one[key] for one in some] for some in found.values()]):.4f}")


if __name__ == "__main__":
    main()
