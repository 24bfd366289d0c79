"""Ranges of numbers hold nine in ten answers, among small and large predictions alike, and no impossible value."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from conftest import write_table

import pellucid
from pellucid import PellucidError
from pellucid.fields import Field
from pellucid.outputs import Number
from pellucid.storage import Folder
from pellucid.storage.forms import FormError
from pellucid.tasks.number import NumberTask
from pellucid.tasks.ranges import Range, conformal_quantile, coverage_by_third, fit_range

PLAIN = {"min": -10.0, "max": 10.0, "integer": False}


def noisy(n: int, seed: int, noise: str) -> tuple[np.ndarray, np.ndarray]:  # (n,), (n,)
    """Predictions and truth whose errors are even, grow with the prediction, or shrink; with tails as prices have."""
    rng = np.random.default_rng(seed)
    value = rng.gamma(2.0, 1.0, n)
    size = {"even": np.ones(n), "growing": 0.05 + value, "shrinking": np.exp(-value), "valley": abs(value - 2) + 0.1}
    return value, value + size[noise] * rng.standard_t(4, n)


@pytest.mark.parametrize("noise", ["even", "growing", "shrinking", "valley"])
@pytest.mark.parametrize("n", [300, 4000])
def test_nine_in_ten_among_small_and_large_predictions(noise: str, n: int) -> None:
    value, true = noisy(40_000, 1, noise)
    held = []
    # Calibration varies with its examples: the mean of several is what is promised.
    for seed in range(10):
        learned = fit_range(*noisy(n, 10 + seed, noise), (0.0, 1.0), PLAIN)
        held.append(list(coverage_by_third(value, learned.holds(value, true)).values()))
    every, *thirds = np.mean(held, 0)
    assert every == pytest.approx(0.9, abs=0.015)
    assert thirds == pytest.approx([0.9] * 3, abs=0.035 if n > 1000 else 0.09)


def test_a_range_of_one_width_fails_where_ours_holds() -> None:
    """What the ranges were: nine in ten of all, hardly six in ten of the large ones."""
    value, true = noisy(4000, 0, "growing")
    constant = Range(np.zeros(1), np.array([conformal_quantile(abs(true - value))]))
    learned = fit_range(value, true, (0.0, 1.0), PLAIN)
    value, true = noisy(40_000, 1, "growing")
    before, after = (coverage_by_third(value, one.holds(value, true)) for one in (constant, learned))
    assert before["all"] == pytest.approx(after["all"], abs=0.02)
    assert before["lowest"] > 0.98
    assert before["highest"] < 0.8
    assert after["highest"] == pytest.approx(0.9, abs=0.03)
    assert learned.half_width(value).mean() < 0.95 * constant.half[0]


@pytest.mark.parametrize(
    ("n", "place"), [(0, None), (1, 1), (8, 8), (9, 9), (19, 18), (29, 27), (99, 90), (100, 91), (999, 900)]
)
def test_the_quantile_is_that_of_finite_samples(n: int, place: int | None) -> None:
    """⌈0.9 (n + 1)⌉; the largest where there are too few."""
    score = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    assert conformal_quantile(score) == (place or 0.0)


def test_few_examples_give_one_width() -> None:
    value, true = noisy(199, 0, "growing")
    learned = fit_range(value, true, (0.0, 1.0), PLAIN)
    assert learned.half.tolist() == [conformal_quantile(abs(true - value))]
    assert len(fit_range(*noisy(200, 0, "growing"), (0.0, 1.0), PLAIN).half) == 2
    assert len(fit_range(*noisy(9000, 0, "growing"), (0.0, 1.0), PLAIN).half) == 20


@pytest.mark.parametrize("value", [np.zeros(1000), np.repeat([0.0, 1.0], 500), np.repeat([0.0, 3.0, 9.0], [990, 5, 5])])
def test_equal_predictions_and_errors_of_nothing(value: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    for error in (np.zeros(1000), np.where(rng.random(1000) < 0.05, 1.0, 0.0), rng.normal(size=1000)):
        learned = fit_range(value, value + error, (5.0, 2.0), PLAIN)
        assert np.isfinite(learned.half).all()
        assert (np.diff(learned.at) > 0).all()
        assert learned.holds(value * 2 + 5, (value + error) * 2 + 5).mean() >= 0.9
        assert Range.from_json(json.loads(json.dumps(learned.to_json()))).half.tolist() == learned.half.tolist()


@pytest.mark.parametrize(
    ("least", "whole", "value", "low", "high"),
    [
        (None, False, 2.0, -3.5, 7.5),
        (0.0, False, 2.0, 0.0, 7.5),
        (0.0, False, -9.0, 0.0, 0.0),
        (0.0, False, -2.0, 0.0, 3.5),
        (None, True, 2.25, -3.0, 7.0),
        (0.0, True, 2.25, 0.0, 7.0),
    ],
)
def test_nothing_impossible(least: float | None, whole: bool, value: float, low: float, high: float) -> None:
    one = Range(np.zeros(1), np.array([5.5]), least, whole)
    assert [end.tolist() for end in one.ends(np.array([value]))] == [[low], [high]]


def test_whole_ends_hold_the_same_whole_numbers_and_the_prediction() -> None:
    rng = np.random.default_rng(0)
    for half in (0.0, 0.2, 0.7, 3.3):
        value, true = rng.normal(0, 20, 2000), np.round(rng.normal(0, 20, 2000))
        bare, ends = (Range(np.zeros(1), np.array([half]), None, whole) for whole in (False, True))
        low, high = ends.ends(value)
        assert (low == np.round(low)).all()
        assert (low <= value).all()
        assert (value <= high).all()
        assert (ends.holds(value, true) >= bare.holds(value, true)).all()
        assert (ends.holds(value, true) == bare.holds(value, true)).all() or half < 1


@pytest.mark.parametrize(
    ("state", "true", "least", "whole"),
    [
        ({"min": 0.0, "integer": True}, [0.0, 3.0, 8.0], 0.0, True),
        ({"min": 0.5, "integer": False}, [0.5, 3.0, 8.0], 0.0, False),
        # What validation has is possible, whatever training had.
        ({"min": 0.0, "integer": True}, [-2.0, 3.5, 8.0], None, False),
        ({"min": -1.0, "integer": True}, [0.0, 3.0, 8.0], None, True),
    ],
)
def test_what_is_possible_follows_from_the_data(
    state: dict[str, Any], true: list[float], least: float | None, whole: bool
) -> None:
    target = ((np.array(true) - 3) / 2.7).astype(np.float32)
    one = fit_range(np.zeros(3), target, (3.0, 2.7), state)
    assert (one.least, one.whole) == (least, whole)


HOSTILE = [
    {"at": [1.0, 1.0], "half": [1.0, 1.0]},
    {"at": [2.0, 1.0], "half": [1.0, 1.0]},
    {"at": [1.0], "half": [1.0, 2.0]},
    {"at": [], "half": []},
    {"at": [0.0], "half": [-1.0]},
    {"at": ["0"], "half": [1.0]},
    {"at": list(range(21)), "half": [1.0] * 21},
    {"at": [0.0], "half": [1.0], "whole": 1},
    {"at": [0.0], "half": [1.0], "least": "0"},
    {"at": [0.0], "half": [float("inf")]},
    {"at": [float("nan")], "half": [1.0]},
    {"at": [True], "half": [1.0]},
    {"at": [0.0], "half": [1.0], "more": 1},
]


@pytest.mark.parametrize("changed", HOSTILE)
def test_other_values_in_a_file_are_refused(changed: dict[str, Any]) -> None:
    good = {"at": [0.0], "half": [1.0], "least": None, "whole": False}
    Range.from_json(good)
    with pytest.raises(FormError):
        Range.from_json(good | changed)


def priced(n: int = 2600) -> pl.DataFrame:
    """As diamonds: prices whose errors grow with the price."""
    rng = np.random.default_rng(3)
    carat, clear = rng.gamma(2.5, 0.4, n), rng.normal(size=n)
    price = (4000 * carat**1.6 * np.exp(0.1 * clear + 0.18 * rng.normal(size=n))).round()
    return pl.DataFrame({"carat": carat, "clear": clear, "price": price, "depth": 60 + clear + rng.normal(size=n)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    table = priced()
    table = table.with_columns(part=pl.Series(["train"] * 1200 + ["validation"] * 700 + ["test"] * 700))
    data = pellucid.read(table, target="price", ignore=["depth"], split="part", cache=False)
    return pellucid.train(data, network="mlp", size=1, steps=400, out=str(tmp_path_factory.mktemp("priced")))


def test_a_run_gives_wider_ranges_to_larger_numbers(run: pellucid.Run) -> None:
    again = pellucid.load(run.path)
    rows = again.predict(priced().tail(700).drop("price"))
    assert [dict(row) for row in rows] == [dict(row) for row in run.predict(priced().tail(700).drop("price"))]
    value, low, high = (np.array([row[key] for row in rows]) for key in ("value", "low", "high"))
    order = np.argsort(value)
    width = (high - low)[order]
    assert width[-100:].mean() > 3 * width[:100].mean()
    assert (low >= 0).all()
    assert (low == np.round(low)).all()
    true = priced().tail(700)["price"].to_numpy()
    held = (low <= true) & (true <= high)
    assert held.mean() == pytest.approx(0.9, abs=0.04)
    metrics = again.evaluate(priced().tail(700)).metrics
    assert metrics["coverage of the 90% ranges"] == pytest.approx(held.mean(), abs=1e-9)
    for third, part in zip(("lowest", "middle", "highest"), np.array_split(order, 3), strict=True):
        assert metrics[f"coverage, {third} third of predictions"] == pytest.approx(held[part].mean(), abs=1e-9)
    page = (run.path / "report.html").read_text()
    assert "highest third of predictions" in page
    with_files = pl.read_parquet(run.path / "predictions.parquet")
    assert with_files["low"].to_numpy() == pytest.approx(low)


def test_a_run_from_before_answers_as_it_did(run: pellucid.Run, tmp_path: Path) -> None:
    record = {name: value for name, value in run.record.items() if name not in ("calibration", "targets")}
    old = pellucid.Run(run.folder, record, copy.deepcopy(run.network))
    half = float(run.network.output.spread[0])
    for row in old.predict(priced().tail(20).drop("price")):
        assert (row["value"] - row["low"], row["high"] - row["value"]) == pytest.approx((half, half))


@pytest.mark.parametrize(
    "value",
    [{"ranges": []}, {"ranges": [{"at": [0.0], "half": [1.0], "least": None, "whole": False}] * 2}, [], {"ranges": 3}],
)
def test_a_run_with_other_ranges_is_damaged(run: pellucid.Run, tmp_path: Path, value: Any) -> None:
    other = pellucid.load(run.path).save(tmp_path / "other")
    folder = Folder.open(other.path)
    folder.write_json("run.json", folder.read_json("run.json") | {"calibration": value})
    with pytest.raises(PellucidError, match=r"is damaged .*calibration"):
        pellucid.load(other.path)


def test_several_targets_have_ranges_and_scores_of_their_own(tmp_path: Path) -> None:
    file = write_table(tmp_path / "t.csv", priced().columns, priced().rows())
    run = pellucid.train(
        file, target=["price", "depth"], network="mlp", size=1, steps=300, out=str(tmp_path), split="0.4,0.3,0.3"
    )
    price, depth = (one.half for one in run.network.output.task.ranges)
    assert len(price) == len(depth) == 7
    assert price.max() > 3 * price.min()
    assert depth.max() < 2 * depth.min()
    assert [one["name"] for one in run.targets] == ["price", "depth"]
    # The main metric is the mean of both.
    values = [one["scores"]["R2"] for one in run.targets]
    assert run.score.value == pytest.approx(np.mean([one["value"] for one in values]))
    assert run.baseline.value == pytest.approx(np.mean([one["baseline"] for one in values]), abs=1e-6)
    for one in run.targets:
        assert one["scores"]["R2"]["low"] < one["scores"]["R2"]["value"] < one["scores"]["R2"]["high"]
        error = one["scores"]["mean absolute error"]
        assert error["low"] < error["value"] < error["high"] < error["baseline"]
        assert one["coverage"]["all"] == pytest.approx(0.9, abs=0.06)
    table = pl.read_parquet(run.path / "predictions.parquet")
    true = np.array(table["true"].to_list())
    mean_error = abs(table["depth_value"].to_numpy() - true[:, 1]).mean()
    assert run.targets[1]["scores"]["mean absolute error"]["value"] == pytest.approx(mean_error, rel=1e-5)
    split = pellucid.read(file, target=["price", "depth"], split="0.4,0.3,0.3").split(0)
    median = float(np.median(priced()["price"].to_numpy()[split.train]))
    assert run.targets[0]["scores"]["mean absolute error"]["constant"] == pytest.approx(median, rel=1e-5)
    assert run.result()["targets"] == run.targets
    found = pellucid.load(run.path).evaluate(file)
    assert [one["name"] for one in found.result()["targets"]] == ["price", "depth"]
    assert found.result()["targets"][0]["scores"]["R2"]["value"] > 0.5


def test_a_single_target_has_no_list_of_them(run: pellucid.Run) -> None:
    assert run.targets == []
    assert "targets" not in run.result()


def test_ranges_of_huge_and_of_constant_targets() -> None:
    for mean, std in ((0.0, 1e30), (1e15, 1e-3), (3.0, 1.0)):
        state = {"mean": mean, "std": std, "role": "target", "min": mean, "max": mean, "integer": False}
        output = Number([Field("y", "number", role="target", state=state)])
        raw, true = torch.randn(400, 1), torch.randn(400, 1)
        output.calibrate(raw, true)
        again = NumberTask(output.fields)
        again.restore_calibration(json.loads(json.dumps(output.task.calibration(), allow_nan=False)))
        assert all(np.isfinite(list(row.values())).all() for row in again.decode(raw))
