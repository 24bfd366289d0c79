"""One split for several seeds; the reference beside a network; networks compared."""

from __future__ import annotations

from pathlib import Path

import polars as pl

import pellucid
from pellucid.planning import Plan


def test_several_seeds_share_one_split(table: Path, tmp_path: Path) -> None:
    shared = {"target": "label", "steps": 2, "network": "mlp", "out": tmp_path}
    one, two = (pellucid.train(table, seed=seed, split_seed=5, **shared) for seed in (1, 2))
    rows = [pl.read_parquet(run.path / "predictions.parquet")["row"].to_list() for run in (one, two)]
    assert rows[0] == rows[1] == pellucid.read(table, target="label").split(5).test.tolist()
    assert [(run.plan.seed, run.plan.split_seed) for run in (one, two)] == [(1, 5), (2, 5)]
    other = pellucid.train(table, seed=1, **shared)
    assert other.plan.split_seed == 1
    again = pellucid.resume(one.path, more="1 steps")
    assert pl.read_parquet(again.path / "predictions.parquet")["row"].to_list() == rows[0]
    before = {k: v for k, v in one.plan.to_json().items() if k != "split_seed"}
    assert Plan.from_json(before).split_seed == 1, "a run from before has one seed for both"
