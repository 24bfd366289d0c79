"""Defaults of texts and photos, chosen on rows that no bench reports.

Texts: those of ag_news.csv that are in the test part of none of the five splits of ``news.py``: token dropout, dropout
and the width of embeddings of the dense network. Photos: of CIFAR-10's training part alone: how the convolutional
network pools a grid. Random parts of these rows; one core each, two trainings side by side.

    python bench/defaults.py [--budget 20s] [--photo-budget 90s] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from common import arguments, cifar, report, side_by_side, spread
from news import split_file

# One of them changed at a time, from what is used.
TEXTS: dict[str, dict[str, float]] = {
    "token dropout .7, dropout .2, embedding 64": {},
    "token dropout .3": {"token_drop": 0.3},
    "token dropout .5": {"token_drop": 0.5},
    "token dropout .8": {"token_drop": 0.8},
    "dropout .1": {"dropout": 0.1},
    "dropout .3": {"dropout": 0.3},
    "embedding 32": {"embedding": 32},
    "embedding 128": {"embedding": 128},
}
PHOTOS: dict[str, dict[str, float]] = {"pooled by the mean": {}, "pooled by the largest": {"largest": 1}}


def free_texts() -> pl.DataFrame:
    """News items that no bench tests on."""
    tables = [pl.read_csv(split_file(seed)) for seed in range(5)]
    tested = np.any([(table["split"] == "test").to_numpy() for table in tables], 0)
    return tables[0].drop("split").filter(pl.Series(~tested))


def free_photos(folder: Path) -> pl.DataFrame:
    """8,000 training photos of CIFAR-10 as a table of paths, absolute."""
    found = [(str(path), path.parent.name) for path in sorted((cifar() / "train").glob("*/*"))]
    chosen = np.random.default_rng(1).permutation(len(found))[:8000]
    return pl.DataFrame([found[i] for i in chosen], schema=["image", "label"], orient="row")


def run_one(kind: str, name: str, seed: int, budget: str) -> dict[str, Any]:
    """Test accuracy of one training with one thing changed."""
    import pellucid
    from pellucid.inputs import INPUTS
    from pellucid.trunks import Convolutional, Dense
    from pellucid.trunks.layers import max_positions

    with tempfile.TemporaryDirectory() as folder:
        table = free_texts() if kind == "texts" else free_photos(Path(folder))
        order = np.random.default_rng(seed).permutation(len(table))
        shares = (0.6, 0.7) if kind == "texts" else (0.7, 0.75)
        part = np.full(len(table), "test", object)
        first, second = (int(share * len(table)) for share in shares)
        part[order[:first]], part[order[first:second]] = "train", "validation"
        path = Path(folder, "table.csv")
        table.with_columns(pl.Series("split", part.tolist())).write_csv(path)
        changed = (TEXTS if kind == "texts" else PHOTOS)[name]
        hints = {key: value for key, value in changed.items() if key in ("token_drop", "dropout")}
        usual = Dense.recipe
        settings = {**INPUTS["text"].settings, **{k: int(v) for k, v in changed.items() if k == "embedding"}}
        pool = (lambda self, f: max_positions(f)) if "largest" in changed else Convolutional.pool
        with (
            patch.object(Dense, "recipe", classmethod(lambda cls, family: usual(family) | hints)),
            patch.object(INPUTS["text"], "settings", settings),
            patch.object(Convolutional, "pool", pool),
        ):
            run = pellucid.train(
                path, target="topic" if kind == "texts" else "label", split="split", budget=budget, seed=seed,
                network="mlp" if kind == "texts" else "cnn", reference=False, out=folder,
            )  # fmt: skip
        return {"kind": kind, "name": name, "seed": seed, "score": run.score.value}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--budget", default="20s")
    parser.add_argument("--photo-budget", default="90s")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        kind, name, seed, budget = given.one
        print(json.dumps(run_one(kind, name, int(seed), budget)))
        return
    cifar()
    [split_file(seed) for seed in range(5)]
    jobs = [("texts", name, seed, given.budget) for name in TEXTS for seed in range(given.seeds)]
    jobs += [("photos", name, seed, given.photo_budget) for name in PHOTOS for seed in range(min(given.seeds, 2))]
    found = side_by_side([[sys.executable, __file__, "--one", *job] for job in jobs])
    rows = []
    for kind, names in (("texts", TEXTS), ("photos", PHOTOS)):
        usual = [one["score"] for one in found if one["kind"] == kind and one["name"] == next(iter(names))]
        for name in names:
            own = [one["score"] for one in found if one["kind"] == kind and one["name"] == name]
            gaps = [a - b for a, b in zip(own, usual, strict=True)]
            rows.append([kind, name, spread(own, 4), spread(gaps, 4) if any(gaps) else "–"])
    note = f"--budget {given.budget} for texts, {given.photo_budget} for photos, one core each; first what is used."
    report("Defaults of texts and photos", ["data", "what", "accuracy", "beside the first"], rows, note, given.write)


if __name__ == "__main__":
    main()
