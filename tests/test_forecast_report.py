"""What the page of a forecast says: errors by step, scores by part, the rhythm, what each column is worth."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from test_forecasts import hourly, read

import pellucid
from pellucid.cli import exit_code
from pellucid.reports.forecast_content import forecast_content
from pellucid.reports.forecast_scores import ENDS, MOST_TOLD, say_rhythm, scores_by_part
from pellucid.reports.importance import importance_seconds, input_units, measure_importance, seconds_for
from pellucid.reports.sections.forecasts import forecasts_section
from pellucid.runs.redraw import draw_report
from pellucid.runs.solved_part import solved_answers
from pellucid.tasks.future import FutureTask
from pellucid.training.evaluate import predict_raw
from pellucid.training.loader import Loader

SERIES = 14


def many_series(n: int = 150) -> pl.DataFrame:
    """Two channels of several series; the first follows a column that is known ahead, which is words, too."""
    rng, frames = np.random.default_rng(0), []
    for s in range(SERIES):
        wind, offer = rng.normal(size=n), rng.integers(0, 3, n)
        frame = hourly(n, 2, seed=s).with_columns(
            pl.lit(f"shop {s}").alias("shop"),
            pl.lit("big" if s % 2 else "small").alias("size"),
            pl.Series("wind", wind),
            pl.Series("offer", np.array(["none", "half", "gift"])[offer]),
        )
        frames.append(frame.with_columns(pl.col("c0") + pl.Series(wind + offer + 0.05 * s * rng.normal(size=n))))
    return pl.concat(frames)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("forecasts")
    many_series().write_csv(folder / "shops.csv")
    options = {"target": ["c0", "c1"], "series": ["shop"], "known": ["wind", "offer"], "season": 24}
    return pellucid.train(folder / "shops.csv", horizon=6, **options, steps=6, size=0, out=folder / "runs")


@pytest.fixture(scope="module")
def tested(run: Any) -> tuple[Any, np.ndarray, Loader, Any, torch.Tensor]:
    """The run's data, its test rows, a loader, the network's answers to them, and the ridge's."""
    data = read(pl.read_csv(run.path.parents[1] / "shops.csv", try_parse_dates=True), target=["c0", "c1"], horizon=6,
                series=["shop"], known=["wind", "offer"], season=24)  # fmt: skip
    rows, loader = data.split().test, Loader.of(data, run.network.fields, torch.device("cpu"))
    own = solved_answers(run.network.solved, run.network.output, loader, rows)[0]
    return data, rows, loader, predict_raw(run.network, loader, rows, final=True), own


def test_errors_by_step_are_those_of_network_ridge_and_baseline(run: Any, tested: Any) -> None:
    data, rows, loader, answers, alone = tested
    moved = (answers[0] + 0.1, answers[1])
    steps = forecast_content(run, data, rows, moved, loader, alone)["steps"]
    target = answers[1].numpy()
    for raw, found in ((moved[0], steps["network"]), (alone, steps["solved"])):
        point = raw[:, :12].reshape(-1, 6, 2).numpy()
        error = abs(point - target[:, :6]) / target[:, 6:]
        assert found["error"] == pytest.approx(error.mean((0, 2)).tolist(), rel=1e-4)
    assert steps["solved"]["name"] == "ridge alone"
    assert "solved" not in forecast_content(run, data, rows, answers, loader)["steps"]


def test_scores_of_channels_and_series_are_those_of_a_plain_loop(run: Any, tested: Any) -> None:
    data, rows, loader, answers, _ = tested
    holes = answers[1].clone()
    holes[3, 2:4, 0] = torch.nan
    scores = forecast_content(run, data, rows, (answers[0], holes), loader)["scores"]
    task = run.network.output.task
    lines, point = task.quantiles(answers[0], (1, 4)), answers[0][:, :12].reshape(-1, 6, 2).numpy()
    true, scale = holes.numpy()[:, :6], holes.numpy()[:, 6]
    series = np.array([data.timeline.names[s] for s in data.timeline.series_of(data.timeline.place[rows])])

    def loop(which: np.ndarray, channels: list[int]) -> dict[str, float]:
        """Of each forecast its mean over steps, then the mean over forecasts."""
        each: dict[str, list[float]] = {"mae": [], "mse": [], "mase": [], "coverage": []}
        for i in which:
            for c in channels:
                at = [h for h in range(6) if np.isfinite(true[i, h, c])]
                off = [abs(true[i, h, c] - point[i, h, c]) for h in at]
                each["mae"].append(np.mean(off) * task.fields[c].state["std"])
                each["mse"].append(np.mean(np.square(off)))
                each["mase"].append(np.mean(off) / scale[i, c])
                held = [lines[i, h, c, 0] <= true[i, h, c] <= lines[i, h, c, 1] for h in at]
                each["coverage"].append(np.mean(held))
        return {name: float(np.mean(own)) for name, own in each.items()}

    every = np.arange(len(rows))
    for c, one in enumerate(scores["channels"]["told"]):
        assert one.pop("name") == f"c{c}"
        assert one == pytest.approx(loop(every, [c]), rel=1e-4)
    by_name = {name: loop(every[series == name], [0, 1]) for name in np.unique(series)}
    told = [one["name"] for one in scores["series"]["told"]]
    ranked = sorted(by_name, key=lambda name: -by_name[name]["mase"])
    assert len(by_name) == SERIES > MOST_TOLD
    assert told == ranked[:ENDS] + ranked[-ENDS:]
    assert scores["series"]["left"] == SERIES - 2 * ENDS
    for one in scores["series"]["told"]:
        assert one.pop("mae") is None, "two channels have no unit in common"
        wanted = by_name[one.pop("name")]
        assert one == pytest.approx({name: wanted[name] for name in ("mse", "mase", "coverage")}, rel=1e-4)


@pytest.mark.parametrize(("constant", "told", "left", "without"), [(8, 12, 0, 2), (SERIES, 12, 0, 2), (1, 10, 3, 1)])
def test_series_without_a_scale_are_counted_and_none_is_told_twice(
    run: Any, tested: Any, constant: int, told: int, left: int, without: int
) -> None:
    data, rows, loader, answers, _ = tested
    target = answers[1].clone()
    series = data.timeline.series_of(data.timeline.place[rows])
    # In training those did not change, so that there is nothing to divide their errors by.
    target[torch.from_numpy(np.isin(series, np.unique(series)[:constant])), 6] = torch.nan
    found = forecast_content(run, data, rows, (answers[0], target), loader)
    part = found["scores"]["series"]
    names = [one["name"] for one in part["told"]]
    assert len(names) == len(set(names)) == told
    assert (part["left"], part["without"]) == (left, without)
    known = [one["mase"] for one in part["told"] if one["mase"] is not None]
    assert known == sorted(known, reverse=True)
    assert len(known) == min(SERIES - constant, told)
    page = str(forecasts_section({"forecasts": found, "score": {}}))
    noun = "1 more series has" if without == 1 else f"{without} more series have"
    assert f"{noun} no MASE" in page
    assert ("between them are left out" in page) == bool(left)


def test_scores_of_thousands_of_series_take_no_square_of_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    task = FutureTask([read(hourly(300), horizon=4).fitted()["c0"]])
    count, rng = 8_000, np.random.default_rng(0)
    place = rng.permutation(np.repeat(np.arange(count), 20))
    line = SimpleNamespace(names=[f"shop {i}" for i in range(count)], place=place, series_of=lambda which: which)
    monkeypatch.setattr("pellucid.reports.forecast_scores.forecast_of", lambda _: (None, line))
    raw = rng.normal(size=(len(place), 8)).astype(np.float32)
    target = np.abs(rng.normal(size=(len(place), 5, 1))).astype(np.float32) + 0.1
    answers, true = task.read_answers(raw, target)
    began = time.process_time()
    found = scores_by_part(task, None, np.arange(len(place)), answers, true)["series"]
    # 15 s where each series looked at every forecast.
    assert time.process_time() - began < 4
    assert (len(found["told"]), found["left"]) == (2 * ENDS, count - 2 * ENDS)


def test_the_page_says_it_and_says_it_again_when_it_is_drawn_anew(run: Any) -> None:
    page = (run.path / "report.html").read_text()
    for text in ("What the trunk adds by steps ahead", "ridge alone", "Scores by channel", "Scores by series",
                 "24 hours, as asked", "pinball loss", "4 between them are left out", "calendar"):  # fmt: skip
        assert text in page, text
    draw_report(run)
    # The record was written once more after the page, when it knew what the page took.
    again = (run.path / "report.html").read_text()
    assert re.sub(r"in [\d.]+ s<", "", again) == re.sub(r"in [\d.]+ s<", "", page)


def test_the_rhythm_is_told_with_where_it_is_from() -> None:
    assert say_rhythm(read(hourly(400), horizon=6), "c0", {}) == (
        "24 hours, found",
        "The rhythm is 24 hours: of those of the calendar the clearest in the autocorrelation of 'c0'.",
    )
    asked = read(hourly(400), horizon=6, season=12)
    assert say_rhythm(asked, "c0", {"season": 12})[1] == "The rhythm is 12 hours, as asked."
    undated = read(hourly(400).select("c0"), horizon=6)
    assert say_rhythm(undated, "c0", {})[1] == "The rhythm is 24 steps: a peak in the autocorrelation of 'c0'."
    noise = read(hourly(400).with_columns(pl.Series("c0", np.random.default_rng(0).normal(size=400))), horizon=6)
    assert say_rhythm(noise, "c0", {})[0] == "none found"


# -- what each column is worth


def test_each_channel_is_shuffled_by_itself(run: Any, tested: Any) -> None:
    data, _, loader, *_ = tested
    assert [unit.name for unit in input_units(run.network)] == ["size", "c0", "c1", "wind", "offer", "calendar"]
    worth = {one["input"]: one["value"] for one in run.record["importance"]["inputs"]}
    assert set(worth) == {"c0", "c1", "wind", "offer", "calendar", "size"}
    # The ridge does not see what is said of a whole series, and the trunk has hardly been trained.
    assert worth["wind"] > 0.1 > abs(worth["size"])
    # Those with the known-ahead steps of others must be what the shuffle of that channel alone gives.
    rows, task = data.split().validation, run.network.output.task
    order = np.random.default_rng(0).permutation(len(rows))
    batch, other = (loader.batch(torch.from_numpy(rows[which])) for which in (np.arange(len(rows)), order))
    before = task.measure(run.network(batch).detach(), batch.target)
    place = {"wind": [2], "offer": [3, 4, 5]}
    for name, columns in place.items():
        mixed = batch.inputs["channel:time"].clone()
        mixed[..., columns] = other.inputs["channel:time"][..., columns]
        batch.inputs["channel:time"], kept = mixed, batch.inputs["channel:time"]
        after = task.measure(run.network(batch).detach(), batch.target)
        batch.inputs["channel:time"] = kept
        found = measure_importance(run.network, loader, rows, seconds=60.0, seed=0)
        assert found is not None
        assert {one.input: one.value for one in found.inputs}[name] == pytest.approx(after - before, rel=0.2)


def test_one_series_and_the_calendar_are_told_apart(tmp_path: Path) -> None:
    run = pellucid.train(read(hourly(300), horizon=6), steps=2, size=0, out=tmp_path)
    assert {one["input"] for one in run.importance} == {"c0", "calendar"}
    assert all(one["value"] > 0 for one in run.importance)


def test_words_that_are_known_ahead_are_swapped_whole(run: Any, tested: Any) -> None:
    _, rows, loader, *_ = tested
    layer = next(one for one in run.network.layers if one.kind == "channel")
    one, other = (loader.batch(torch.from_numpy(part)).inputs["channel:time"] for part in (rows[:4], rows[4:8]))
    for i, name in enumerate(layer.swapped):
        chosen = torch.zeros(4, len(layer.swapped), dtype=torch.bool)
        chosen[1, i] = True
        swapped, places = layer.swap_fields(one, other, chosen), list(layer.parts()[name])
        rest = [c for c in range(one.shape[2]) if c not in places]
        assert torch.equal(swapped[1, :, places].nan_to_num(), other[1, :, places].nan_to_num()), name
        assert torch.equal(swapped[1, :, rest].nan_to_num(), one[1, :, rest].nan_to_num()), name
        assert torch.equal(swapped[[0, 2, 3]].nan_to_num(), one[[0, 2, 3]].nan_to_num()), name
    assert [len(own) for own in layer.parts().values()][:4] == [1, 1, 1, 3]


def test_what_columns_are_worth_keeps_to_its_time(run: Any, tested: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _, loader, *_ = tested
    rows, fields = data.split().validation, run.network.fields
    asked = run.plan.budget
    assert seconds_for(asked, fields, len(rows)) == 4.0
    assert importance_seconds(asked, 9, len(rows)) == 0.8
    # Where an answer takes so long that not even two inputs fit, nothing is said.
    monkeypatch.setattr("pellucid.reports.importance._answer_seconds", lambda *_: 1.0)
    assert measure_importance(run.network, loader, rows, seconds=4.0) is None
    monkeypatch.setattr("pellucid.reports.importance._answer_seconds", lambda *_: 4.0 * 0.7 / (3 * 32 * 3.5))
    found = measure_importance(run.network, loader, rows, seconds=4.0)
    assert found is not None
    assert (found.rows, found.shuffles) == (32, 3)
    assert {one.input: one.columns for one in found.inputs} == {"c0": 1, "c1": 1, "4 other inputs together": 4}


def test_a_task_tells_errors_by_step_alike() -> None:
    fields = read(hourly(300, 2), horizon=4).fitted()
    task, rng = FutureTask([fields["c0"], fields["c1"]]), np.random.default_rng(1)
    raw, target = rng.normal(size=(30, 16)).astype(np.float32), rng.normal(size=(30, 5, 2)).astype(np.float32)
    target[:, 4] = 2.0
    target[4, 1] = np.nan
    assert task.step_errors(raw, target) == task.error_by_step(*task.read_answers(raw, target))["error"]


# -- what it says to type next


def known_load(n: int, ahead: int) -> pl.DataFrame:
    """A target that follows a column which goes on for ``ahead`` rows after it."""
    wind = np.random.default_rng(0).normal(size=n)
    gone = pl.int_range(n) >= n - ahead
    frame = hourly(n).with_columns(c0=pl.col("c0") + pl.Series(wind), wind=pl.Series(wind))
    return frame.with_columns(c0=pl.when(~gone).then(pl.col("c0")))


def follow(lines: str, start: str) -> list[str]:
    """The words behind ``start`` of the line that has it."""
    return shlex.split(next(line for line in lines.splitlines() if start in line).split(start, 1)[1])


@pytest.mark.parametrize("ahead", [0, 3, 6])
def test_what_it_says_to_predict_works_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, ahead: int
) -> None:
    monkeypatch.chdir(tmp_path)
    known_load(300, ahead).write_csv("load.csv")
    typed = ["--target", "c0", "--horizon", "6", "--known", "wind", "--steps", "2", "--size", "0"]
    assert exit_code(["train", "load.csv", *typed], started=time.time()) == 0
    shown = capsys.readouterr().out
    asked = follow(shown, "pellucid predict ")
    rows = "the rows that come next, with 'wind' for 6 hours and 'c0' empty"
    page = (tmp_path / asked[0] / "report.html").read_text()
    assert f"pellucid predict {asked[0]} {' '.join(asked[1:])}" in page
    if ahead == 6:
        assert asked[1:] == ["--out", "next.csv"]
        assert "NEW.csv" not in shown + page
    else:
        assert asked[1:] == ["NEW.csv"]
        assert f"NEW.csv: {rows}" in shown
        # What it says must be enough, without the rows before.
        known_load(300 - ahead + 6, 6).tail(6).write_csv("NEW.csv")
    assert exit_code(["predict", *asked], started=time.time()) == 0


def test_the_forecast_of_the_readme_works_with_columns_that_stop_with_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (Path(__file__).parents[1] / "README.md").read_text().splitlines()
    train, predict = (
        next(shlex.split(line.split("  ")[0])[1:] for line in lines if line.startswith(f"pellucid {start}"))
        for start in ("train load.csv", "predict runs/load-dense")
    )
    monkeypatch.chdir(tmp_path)
    whole = known_load(424, 24).rename({"c0": "MW"}).with_columns(temperature=pl.col("wind") ** 2)
    whole.head(400).write_csv("load.csv")
    whole.tail(24).write_csv("tomorrow.csv")
    assert exit_code([*train, "--steps", "2", "--size", "0"], started=time.time()) == 0
    assert exit_code([*predict, "--out", "next.csv"], started=time.time()) == 0
    assert len(pl.read_csv("next.csv")) == 24
