"""Intervals of parts by time: blocks, their length, their coverage; what a run says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import pellucid
from pellucid import cli
from pellucid.data.splits.grouping import score_grouping
from pellucid.data.splits.time_spans import Moments, length_in_words
from pellucid.metrics.base import Judge, mean_of
from pellucid.metrics.block_bootstrap import (
    Blocks,
    block_bootstrap,
    block_counts,
    block_length,
    blocks_of_time,
    stretch_influence,
    student_95,
    widen_interval,
)
from pellucid.metrics.bootstrap import bootstrap_interval
from pellucid.metrics.numbers import median_absolute_error, r2
from pellucid.metrics.score import Score
from pellucid.outputs import OUTPUTS
from pellucid.references.base import Reference
from pellucid.runs.scoring import reference_score

# -- the bootstrap itself


def ar(rng: np.random.Generator, n: int, phi: float, several: int = 1) -> np.ndarray:  # (several, n), of variance 1
    """Several series of errors, each φ times the one before it and something new."""
    noise, found = rng.normal(size=(several, n + 200)) * np.sqrt(1 - phi**2), np.zeros((several, n + 200))
    for t in range(1, n + 200):
        found[:, t] = phi * found[:, t - 1] + noise[:, t]
    return found[:, 200:]


@pytest.mark.parametrize(("phi", "n"), [(0.0, 300), (0.5, 300), (0.9, 1000), (0.95, 1000)])
@pytest.mark.parametrize("metric", ["accuracy", "mae", "r2", "difference"])
def test_intervals_cover_what_they_should(metric: str, phi: float, n: int) -> None:
    """A nominal 95 % is 90 to 98 %, within what 120 series can show; single rows cover a third to two thirds of it."""
    times, rng = 120, np.random.default_rng([n, round(100 * phi)])
    errors, others, truths = (ar(rng, n, phi, times) for _ in range(3))
    judges: dict[str, tuple[list[Judge], float]] = {
        "accuracy": ([mean_of((e < 0.8416).astype(float)) for e in errors], 0.8),
        "mae": ([mean_of(abs(e)) for e in errors], np.sqrt(2 / np.pi)),
        "r2": ([r2((y + e / 2)[:, None], y[:, None]) for e, y in zip(errors, truths, strict=True)], 0.75),
        "difference": (
            [mean_of(abs(1.2 * o) - abs(e)) for e, o in zip(errors, others, strict=True)],
            0.2 * np.sqrt(2 / np.pi),
        ),
    }
    found, value = judges[metric]
    time, even = np.arange(float(n)), np.ones(n)
    spans = [block_bootstrap(judge, even, time)[:2] for judge in found]
    held = np.mean([low <= value <= high for low, high in spans])
    assert 0.9 - 2 * np.sqrt(0.9 * 0.1 / times) <= held <= 1
    if phi >= 0.9:
        single = [bootstrap_interval(judge, even, 100) for judge in found]
        assert np.mean([low <= value <= high for low, high in single]) < 0.75 < held


def test_the_length_is_politis_and_whites() -> None:
    """Of an AR(1) series it is known: (1.5 (2 φ / (1 - φ²))² n) ** (1 / 3)."""
    rng = np.random.default_rng(0)
    for phi, n in ((0.3, 20_000), (0.7, 20_000), (0.9, 50_000)):
        known = (1.5 * (2 * phi / (1 - phi**2)) ** 2 * n) ** (1 / 3)
        assert np.median([block_length(one) for one in ar(rng, n, phi, 9)]) == pytest.approx(known, rel=0.25)
    assert block_length(rng.normal(size=1000)) < 4
    assert block_length(np.zeros(50)) == 1.0
    assert block_length(np.full(50, 0.1)) == 1.0
    assert block_length(np.array([1.0, 2.0])) == 1.0
    assert block_length(np.repeat([0.0, 1.0], 50)) <= 100 / 3
    assert block_length(np.tile([0.0, 1.0], 500)) <= 3 * np.sqrt(1000), "errors that alternate"


def test_blocks_are_drawn_whole_and_round_the_end() -> None:
    rng = np.random.default_rng(0)
    counts = block_counts(rng, 4000, 10, 4)
    assert counts.shape == (4000, 10)
    assert (counts.sum(1) == 10).all()
    assert counts.mean(0) == pytest.approx(np.ones(10), abs=0.05), "none is drawn less for being at an end"
    whole = block_counts(rng, 500, 12, 4)
    assert set(map(tuple, whole[(whole == 3).sum(1) == 4])) <= {tuple(np.roll([3] * 4 + [0] * 8, i)) for i in range(12)}
    assert (block_counts(rng, 5, 6, 6) == 1).all()


def test_rows_of_one_moment_are_one_and_their_order_is_times() -> None:
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(80), 5)
    each = ar(rng, 80, 0.8)[0]
    panel, single = mean_of(each[day]), mean_of(each)
    low, high, blocks = block_bootstrap(single, np.ones(80), np.arange(80.0))
    assert block_bootstrap(panel, np.ones(400), day.astype(float))[:2] == pytest.approx((low, high))
    order = rng.permutation(400)
    mixed = block_bootstrap(mean_of(each[day][order]), np.ones(400), 1e9 + 86400.0 * day[order])
    assert mixed[:2] == pytest.approx((low, high))
    assert (mixed[2].moments, mixed[2].length, mixed[2].whole_blocks) == (80, blocks.length, 80 // blocks.length)
    weight = rng.uniform(0.5, 2, 80)
    first = block_bootstrap(single, weight, np.arange(80.0))[:2]
    assert block_bootstrap(panel, weight[day] / 5, day.astype(float))[:2] == pytest.approx(first)


def test_moments_that_are_missing_or_too_few() -> None:
    rng = np.random.default_rng(2)
    each, time = rng.normal(size=40), np.arange(40.0)
    time[[3, 5]] = np.nan
    low, high, blocks = block_bootstrap(mean_of(each), np.ones(40), time)
    assert low < each.mean() < high
    assert blocks.moments == 40, "a row without a time is a moment of its own"
    same = block_bootstrap(mean_of(each), np.ones(40), np.zeros(40))
    assert same[:2] == bootstrap_interval(mean_of(each), np.ones(40)), "of one moment alone nothing can be drawn"
    assert same[2].whole_blocks == 1
    two = block_bootstrap(mean_of(each), np.ones(40), np.repeat([0.0, 1.0], 20))
    assert two[2].whole_blocks == 2
    assert two[0] <= same[0] < same[1] <= two[1], "two that are alike by chance are no surer than single rows"
    far = block_bootstrap(mean_of(each + np.repeat([0.0, 1.0], 20)), np.ones(40), np.repeat([0.0, 1.0], 20))
    assert far[1] - far[0] > 5 * (same[1] - same[0]), "two moments say next to nothing"
    assert block_bootstrap(mean_of(each), np.ones(40), np.repeat([0.0, 1.0], 20), (-0.1, 0.2))[:2] == (-0.1, 0.2)


def test_very_many_moments_are_drawn_in_stretches() -> None:
    rng = np.random.default_rng(3)
    each = ar(rng, 20_000, 0.9)[0]
    blocks = blocks_of_time([mean_of(each)], np.ones(20_000), np.arange(20_000.0))
    assert (blocks.stretches, blocks.moments) == (1000, 20_000)
    assert blocks.block_moments == 20 * blocks.length
    low, high, _ = block_bootstrap(mean_of(each), np.ones(20_000), np.arange(20_000.0))
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(19 / 20_000), rel=0.25)


def test_any_metric_shows_which_errors_are_alike() -> None:
    rng = np.random.default_rng(4)
    error = ar(rng, 400, 0.9)[0]
    change = stretch_influence(
        median_absolute_error(error[:, None], np.zeros((400, 1))), np.ones(400), np.arange(400), 400
    )
    assert np.corrcoef(change, abs(error) > np.median(abs(error)))[0, 1] > 0.9
    assert stretch_influence(mean_of(error), np.ones(400), np.arange(400), 400) == pytest.approx(
        (error - error.mean()) / 399
    )


def test_few_blocks_widen() -> None:
    for freedom, known in ((1, 12.706), (4, 2.776), (5, 2.571), (7, 2.365), (10, 2.228), (30, 2.042), (500, 1.965)):
        assert student_95(freedom) == pytest.approx(known, abs=0.005)
    place = np.arange(300)
    assert Blocks(place, 300, 1, 300).widening_factor() == pytest.approx(1.006, abs=0.001)
    assert Blocks(place, 300, 75, 300).widening_factor() == pytest.approx(3.182 / 1.96 * np.sqrt(4 / 3), abs=0.001)
    assert Blocks(place, 300, 300, 300).widening_factor() == 1.0
    values = np.linspace(0, 1, 1001)
    assert widen_interval(values, 0.5, 2.0) == pytest.approx((-0.45, 1.45))
    assert widen_interval(values, 2.0, 2.0) == pytest.approx((-1.95, 0.975)), "never nearer"
    assert np.isnan(widen_interval(np.array([]), 0.5, 2.0)).all()


LENGTHS = {
    "3 days": 3 * 86400, "14 days": 14 * 86400, "3 months": 90 * 86400, "2 years": 800 * 86400, "90 minutes": 5400,
    "60 minutes": 3600, "24 hours": 86400, "36 hours": 36 * 3600, "1 second": 0.2, "5 seconds": 5,
}  # fmt: skip


@pytest.mark.parametrize("said", LENGTHS)
def test_lengths_of_time_in_words(said: str) -> None:
    assert length_in_words(LENGTHS[said]) == said


def test_lengths_of_blocks_in_words() -> None:
    days = Moments(np.array([np.nan, *(86400.0 * np.arange(11))]), "day", dates=True)
    assert days.length_in_words(3) == "about 3 days"
    weekdays = Moments(86400.0 * np.array([0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 14]), "day", dates=True)
    assert weekdays.length_in_words(5) == "about 7 days"
    assert Moments(np.arange(9.0), "year", dates=False).length_in_words(2) == "2 different values of 'year'"
    assert Moments(np.zeros(9), "when", dates=True).length_in_words(1) == "1 different value of 'when'"


# -- of runs


def days(n: int = 400) -> dict[str, Any]:
    """A row a day; what is to be predicted hangs on x, and on something that lasts for weeks."""
    rng = np.random.default_rng(0)
    x, lasting = rng.normal(size=n), ar(rng, n, 0.9)[0]
    start = np.datetime64("2020-01-01")
    return {"day": [str(start + i) for i in range(n)], "x": x, "y": 2 * x + lasting, "shop": rng.integers(0, 3, n)}


def trained(columns: dict[str, Any], out: Path, **options: Any) -> pellucid.Run:
    given = {"target": "y", "split": "time", "steps": 60, "size": 0, "network": "mlp", "folds": 0, "reference": False}
    return pellucid.train(columns, **(given | options), out=out)


def test_a_run_parted_by_time_draws_blocks(tmp_path: Path) -> None:
    columns = days()
    run = trained(columns, tmp_path, metric="mae", ignore="day")
    score = run.score
    assert score.times == "day"
    assert score.blocks >= 1
    said = f"The interval resamples blocks of {score.block}, because errors near in time are alike"
    assert score.say_blocks().startswith(said)
    assert score.block.startswith("about ")
    assert said in (run.path / "report.html").read_text()
    assert {"times": "day", "block": score.block, "blocks": score.blocks}.items() <= run.result().items()
    assert run.baseline.times == "day"
    assert pellucid.load(run.path).score == score
    plain = trained(columns, tmp_path, metric="mae", ignore="day", split="80,10,10")
    assert (plain.score.times, plain.score.block, plain.score.blocks, plain.score.say_blocks()) == ("", "", 0, "")
    assert "blocks" not in plain.result()

    test = pl.read_parquet(run.path / "predictions.parquet")["row"].to_numpy()
    order = np.random.default_rng(0).permutation(test)
    part = {name: np.asarray(values)[order] for name, values in columns.items()}
    again = run.evaluate(part)
    assert (again.score.low, again.score.high) == pytest.approx((score.low, score.high), rel=1e-4)
    assert (again.score.block, again.score.blocks) == (score.block, score.blocks)
    assert again.result()["block"] == score.block
    assert not any("interval" in note.text for note in again.notes)


def test_a_reference_is_compared_in_blocks_too(tmp_path: Path) -> None:
    data = pellucid.read(days(), target="y", split="time", ignore="day")
    rows = data.split().test
    how = score_grouping(data, rows, None)
    assert np.diff(how["moments"].value).tolist() == [86400.0] * (len(rows) - 1)
    rng, task = np.random.default_rng(0), OUTPUTS["number"]([data.fitted()["y"]]).task
    true = torch.from_numpy(rng.normal(size=(1000, 1)))
    near, far = (true + size * torch.from_numpy(ar(rng, 1000, 0.95)).T for size in (0.5, 0.6))
    moments = Moments(np.arange(1000.0), "day", dates=False)
    reference = Reference("boosting", 1.0, far.numpy(), far.numpy())
    told, single = (reference_score(reference, task, near, true, **(how | {"moments": m})) for m in (moments, None))
    assert told is not None
    assert single is not None
    assert told["score"]["times"] == "day"
    for name in ("score", "ahead"):
        assert told[name]["value"] == single[name]["value"]
        assert told[name]["high"] - told[name]["low"] > 2 * (single[name]["high"] - single[name]["low"])


def test_evaluate_says_where_blocks_cannot_be_drawn(tmp_path: Path) -> None:
    columns = days(200)
    run = trained(columns, tmp_path, ignore="day")
    bare = run.evaluate({"x": columns["x"], "y": columns["y"], "shop": columns["shop"]})
    assert not bare.score.times
    why = "; it is too narrow if errors near in time are alike"
    assert f"the interval resamples single rows, because 'day' is missing or holds no times{why}" in [
        note.text for note in bare.notes
    ]
    words = run.evaluate(columns | {"day": ["soon"] * 200})
    assert any(note.text.startswith("the interval resamples single rows") for note in words.notes)
    some = run.evaluate(columns | {"day": [None, None, *columns["day"][2:]]})
    assert some.score.times == "day"
    text = "2 rows without 'day', treated as independent by the interval"
    assert text in [note.text for note in some.notes]

    record = json.loads(json.dumps(run.record))
    for name in ("score", "baseline"):
        for key in ("times", "block", "blocks"):
            record[name].pop(key)
    before = pellucid.Run(run.folder, record, run.network)
    assert before.score.say_blocks() == ""
    told = [note.text for note in before.evaluate(columns).notes]
    assert f"the interval resamples single rows, because the run did not keep what says the time{why}" in told
    record["data"]["options"]["split"] = "time:day"
    assert pellucid.Run(run.folder, record, run.network).evaluate(columns).score.times == "day"


def test_new_dates_are_read_as_the_run_reads_its_own(tmp_path: Path) -> None:
    """The 2nd of January to the 12th: of these alone day and month can't be told apart."""
    columns = days()
    columns["day"] = [f"{day[8:]}/{day[5:7]}/{day[:4]}" for day in columns["day"]]
    run = trained(columns, tmp_path)
    new = {name: np.asarray(values)[:12] for name, values in columns.items()}
    scored = run.evaluate(new).score
    assert scored.block.split()[-1] == "days"
    assert scored.blocks >= 4


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (8, ""),
        (7, " The examples are only 7 such blocks: the interval may still be too narrow."),
        (1, " The examples are at most one such block: the interval may still be too narrow."),
    ],
)
def test_few_blocks_are_said(blocks: int, said: str) -> None:
    score = Score("R2", 0.5, 0.4, 0.6, 300, times="day", block="about 3 days", blocks=blocks)
    start = "The interval resamples blocks of about 3 days, because errors near in time are alike (block bootstrap)."
    assert score.say_blocks() == f"{start}{said}"


def test_where_no_answer_is_wrong(tmp_path: Path) -> None:
    columns = days(200)
    label = np.where(np.arange(200) % 2, "odd", "even")
    split = {"target": "label", "metric": "accuracy"}
    run = trained({"day": columns["day"], "x": np.arange(200) % 2.0, "label": label}, tmp_path, **split, ignore="day")
    assert run.score.value == 1.0
    assert (
        run.score.say_blocks()
        == "The errors do not vary in time, so the interval resamples each different 'day' as one."
    )


def test_the_command_line_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "days.csv"
    pl.DataFrame(days(200)).write_csv(file)
    words = ["train", file, "--target", "y", "--split", "time", "--steps", 5, "--network", "mlp", "--out", tmp_path]
    assert cli.exit_code([*map(str, words), "--name", "a"], 0.0) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "The interval resamples blocks of" in shown
    assert cli.exit_code(["evaluate", str(tmp_path / "a"), str(file)], 0.0) == 0
    assert "The interval resamples blocks of" in " ".join(capsys.readouterr().out.split())
