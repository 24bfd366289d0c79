"""What comes next: moments, windows, parts, the ridge, intervals, and a run from start to forecast."""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sittings import sitting
from test_resume import assert_same

import pellucid
from pellucid.data.read import read_data
from pellucid.data.timeline.step import ROWS, Step, find_step
from pellucid.data.timeline.timeline import build_timeline, fill_missing
from pellucid.errors import PellucidError, UsageError
from pellucid.fields.encoded import Windows
from pellucid.metrics.future import OF_FUTURES, Outcome
from pellucid.runs.forecasts import RECENT
from pellucid.solved.forecast_ridge import LEAST_KEPT, folds_of
from pellucid.solved.forecast_sums import best_penalty, moved_sums, solve_weights, sum_examples
from pellucid.solved.linear_forecast import LinearForecast, Past, Variant, fill_past
from pellucid.storage import pack_tensors, unpack_tensors
from pellucid.tasks.future import LEVELS, FutureTask, conformal_quantiles
from pellucid.training.arrays import WindowRows
from pellucid.training.evaluate import predict_raw
from pellucid.training.loader import Loader
from pellucid.training.loop import Loop

DATA = Path(__file__).parents[1].parent / "shared" / "data"
DAY = 86400.0


def seconds(*dates: str) -> np.ndarray:
    return np.array(dates, "M8[s]").astype(np.float64)


def hourly(n: int = 400, channels: int = 1, start: str = "2024-01-01", seed: int = 0) -> pl.DataFrame:
    """Days of hours: a wave a day, and noise."""
    rng, hour = np.random.default_rng(seed), np.arange(n)
    moments = np.datetime64(start, "us") + hour * np.timedelta64(3600, "s")
    columns: dict[str, Any] = {"when": moments}
    for c in range(channels):
        columns[f"c{c}"] = 10 * (c + 1) + np.sin(2 * np.pi * (hour + 3 * c) / 24) + 0.1 * rng.normal(size=n)
    return pl.DataFrame(columns)


def read(frame: pl.DataFrame, **options: Any) -> Any:
    return pellucid.read(frame, cache=False, **options)


def said(data: Any) -> str:
    return "\n".join(str(note) for note in data.notes)


# -- moments


@pytest.mark.parametrize(
    ("moments", "step"),
    [
        (seconds("2024-01-01T00", "2024-01-01T01", "2024-01-01T02", "2024-01-01T05"), Step("second", 3600)),
        (seconds("2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"), Step("month", 1)),
        (seconds("2023-01-15", "2023-04-15", "2023-07-15", "2023-10-15"), Step("month", 3)),
        (seconds("2001-01-01", "2002-01-01", "2004-01-01"), Step("month", 12)),
        (seconds(*np.arange("2024-01-01", "2024-02-10", dtype="M8[D]").astype(str)), Step("second", DAY)),
        (seconds("2024-01-01", "2024-01-02T03", "2024-01-07", "2024-01-07T01:13"), ROWS),
    ],
)
def test_the_step_of_moments(moments: np.ndarray, step: Step) -> None:
    assert find_step(moments, np.zeros(len(moments), np.int64)) == step


def test_business_days_have_no_gaps_at_weekends() -> None:
    days = np.array([d for d in np.arange("2024-01-01", "2024-03-01", dtype="M8[D]") if np.is_busday(d)])
    moments = days.astype("M8[s]").astype(np.float64)
    step = find_step(moments, np.zeros(len(moments), np.int64))
    assert step == Step("workday")
    line = build_timeline(moments, np.zeros(len(days), np.int64), ("",), step)
    assert line.place.tolist() == list(range(len(days)))
    assert np.array_equal(line.moments(np.arange(line.places)), moments)


@pytest.mark.parametrize("step", [Step("second", 900), Step("workday"), Step("month", 1), Step("month", 12)])
def test_moments_and_places_are_each_others_inverse(step: Step) -> None:
    origin = seconds("2024-01-31T00")[0]
    moments = step.moments(np.full(40, origin), np.arange(40))
    assert np.array_equal(step.places(moments, np.full(40, origin)), np.arange(40))


def test_rows_come_to_their_places_whatever_their_order() -> None:
    rng = np.random.default_rng(0)
    time = np.concatenate([np.arange(20.0) * DAY, np.arange(5.0, 15.0) * DAY])
    series = np.repeat([0, 1], [20, 10])
    value = np.arange(30.0)
    whole = build_timeline(time, series, ("a", "b"), Step("second", DAY))
    order = rng.permutation(30)
    mixed = build_timeline(time[order], series[order], ("a", "b"), Step("second", DAY))
    assert np.array_equal(mixed.place, whole.place[order])
    assert np.array_equal(mixed.arrange(value[order]), whole.arrange(value))
    assert whole.first.tolist() == [0, 20]
    assert whole.last.tolist() == [20, 30]


@pytest.mark.parametrize(("doubles", "wanted"), [("first", 1.0), ("last", 5.0), ("mean", 3.0)])
def test_several_rows_of_one_moment(doubles: str, wanted: float) -> None:
    time = np.array([0, 1, 1, 2, 1.0]) * DAY
    line = build_timeline(time, np.zeros(5, np.int64), ("",), Step("second", DAY), doubles=doubles)
    assert line.arrange(np.array([9.0, 1.0, 3.0, 7.0, 5.0])).tolist() == [9.0, wanted, 7.0]


def test_gaps_stay_missing_unless_asked() -> None:
    time = np.array([0, 1, 4, 5]) * DAY
    line = build_timeline(time, np.zeros(4, np.int64), ("",), Step("second", DAY))
    values = line.arrange(np.array([1.0, 2.0, 8.0, np.nan]))[:, None]
    assert np.isnan(values[:, 0]).tolist() == [False, False, True, True, False, True]
    assert fill_missing(values, line, "last")[:, 0].tolist() == [1, 2, 2, 2, 8, 8]
    assert fill_missing(values, line, "zero")[:, 0].tolist() == [1, 2, 0, 0, 8, 0]


# -- windows


def test_windows_are_what_a_plain_loop_gathers() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(30, 3)).astype(np.float32)
    places = np.array([0, 4, 11, 12, 29, 20])
    low, high = np.where(places < 12, 0, 12), np.where(places < 12, 12, 30)
    ahead = np.array([True, False, True])
    scale = rng.normal(size=(6, 3)).astype(np.float32)
    windows = Windows(values, places, low, high, 5, 4, ahead, scale)
    rows = np.array([5, 0, 3, 2, 2, 4, 1])
    wanted = np.full((len(rows), 10, 3), np.nan, np.float32)
    for i, row in enumerate(rows):
        for j in range(9):
            at = places[row] - 5 + j
            for c in range(3):
                if low[row] <= at < high[row] and (j < 5 or ahead[c]):
                    wanted[i, j, c] = values[at, c]
        wanted[i, 9] = scale[row]
    assert np.array_equal(windows.gather(rows), wanted, equal_nan=True)
    device = WindowRows(windows, torch.device("cpu")).gather(torch.from_numpy(rows))
    assert np.array_equal(device.numpy(), wanted, equal_nan=True)


def test_no_forecast_crosses_a_border_and_none_is_lost() -> None:
    data = read(hourly(300), horizon=10, split="200h,50h,50h")
    split, line = data.split(), data.timeline
    assert line is not None
    assert len(split.validation) == len(split.test) == 41
    for rows, low, high in ((split.train, 0, 200), (split.validation, 200, 250), (split.test, 250, 300)):
        place = line.place[rows]
        assert place.min() >= low
        assert place.max() + 10 == high
    assert split.learned_rows.tolist() == list(range(200))


def test_each_series_gives_its_own_last_steps() -> None:
    frame = pl.concat([
        hourly(60 + 20 * i, start=f"2024-01-0{i + 1}", seed=i).with_columns(pl.lit(f"s{i}").alias("shop"))
        for i in range(3)
    ])  # fmt: skip
    data = read(frame, horizon=6, series=["shop"], split="rest,6steps,6steps")
    split, line = data.split(), data.timeline
    assert line is not None
    assert line.names == ("s0", "s1", "s2")
    assert (line.place[split.test] == line.last - 6).all()
    assert (line.place[split.validation] == line.last - 12).all()
    assert read(frame, horizon=6).timeline.names == line.names  # the column is found
    assert "tells 3 series apart" in said(read(frame, horizon=6))


def test_states_come_from_the_time_of_training_alone() -> None:
    """Nor does the rhythm: one that only the last fifth has is no season, look-back or scale of the baseline."""
    frame, hour = hourly(600), np.arange(600)
    noise = np.random.default_rng(5).normal(size=600)
    frame = frame.with_columns(c0=pl.Series(np.where(hour < 480, noise, 9 * np.sin(2 * np.pi * hour / 24))))
    changed = frame.with_columns(c0=pl.when(pl.int_range(600) >= 480).then(pl.col("c0") * 1000).otherwise("c0"))
    still = frame.with_columns(c0=pl.when(pl.int_range(600) >= 480).then(0.0).otherwise("c0"))
    found = [read(each, horizon=10, split="480h,60h,60h") for each in (frame, changed, still)]
    one, two, three = (data.fitted()["c0"].state for data in found)
    assert one == two == three
    assert one["mean"] == pytest.approx(frame["c0"][:480].mean())
    assert {(data.reading.forecast.season, data.reading.forecast.context) for data in found} == {(1, 300)}
    assert one["scales"][""] == pytest.approx(abs(np.diff(frame["c0"][:480].to_numpy())).mean())


@pytest.mark.parametrize(
    ("split", "many"),
    [
        *((split, many) for many in (False, True) for split in ("80,10,10", "rest,60steps,60steps", "column:part")),
        ("480h,60h,60h", False),
        # No data is as long: a conservative part of it is looked at.
        ("rest,900d,900d", False),
        ("rest,900d,900d", True),
    ],
)
def test_the_rhythm_is_that_of_train_however_it_is_parted(split: str, many: bool) -> None:
    frame, hour = hourly(600), np.arange(600)
    early = hourly(600)["c0"].to_numpy()
    late = np.where(hour < 480, np.random.default_rng(5).normal(size=600), 9 * np.sin(2 * np.pi * hour / 24))
    part = pl.Series("part", ["train"] * 480 + ["validation"] * 60 + ["test"] * 60)
    for values, season in ((late, 1), (np.where(hour < 480, early, late[::-1]), 24)):
        own = frame.with_columns(part, c0=pl.Series(values))
        own = own if split == "column:part" else own.drop("part")
        # Series at other times give each its own last part.
        own = pl.concat([own.with_columns(shop=pl.lit(s), when=pl.col("when").dt.offset_by(f"{90 * i}d"))
                         for i, s in enumerate("ab")]) if many else own  # fmt: skip
        asked = {"series": "shop"} if many else {}
        assert read(own, target="c0", horizon=10, split=split, **asked).reading.forecast.season == season


def test_a_horizon_that_follows_from_the_rhythm_is_found_with_it() -> None:
    """At a step that people have no rhythms of, a rhythm that comes again is how far ahead is forecast."""
    when = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=11 * i) for i in range(400)]
    wave, noise = 9 * np.sin(2 * np.pi * np.arange(400) / 10), np.random.default_rng(2).normal(size=400)
    for values, season, horizon in (
        (wave + 0.1 * noise, 10, 10),
        (np.where(np.arange(400) < 320, noise, wave), 1, 12),
        (np.where(np.arange(400) < 320, wave, noise), 10, 10),
    ):
        found = read(pl.DataFrame({"when": when, "x": values})).reading.forecast
        assert (found.season, found.horizon) == (season, horizon)


# -- what is recognised, and what is said


def test_a_dated_regular_table_of_numbers_is_forecast() -> None:
    data = read(hourly(400))
    assert data.reading.forecast is not None
    assert data.reading.forecast.horizon == 24
    assert "dated and regular" in said(data)
    assert read(hourly(400), horizon=0).reading.forecast is None
    assert read(hourly(400), target="c0").reading.forecast is None


def test_columns_that_go_on_where_the_target_ends_are_known_ahead() -> None:
    frame = hourly(200, channels=3).with_columns(
        pl.when(pl.int_range(200) < 180).then("c0").alias("c0"), pl.when(pl.int_range(200) < 180).then("c2").alias("c2")
    )
    roles = {f.name: f.role for f in read(frame, target="c0", horizon=12).fields.values()}
    assert roles == {"when": "time", "c0": "target", "c1": "known", "c2": "input"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f: f.sample(fraction=1.0, shuffle=True, seed=0), "earlier than the row before"),
        (lambda f: pl.concat([f, f[50:53]]), "3 moments with several rows"),
        (lambda f: pl.concat([f[:100], f[109:]]), "9 moments without a row, in 1 gap"),
        (lambda f: f.with_columns(pl.when(pl.int_range(len(f)) == 7).then(None).otherwise("when").alias("when")),
         "1 row without a moment in 'when' is left out"),
    ],
)  # fmt: skip
def test_odd_moments_are_said(change: Any, text: str) -> None:
    data = read(change(hourly(300)), horizon=5)
    assert text in said(data)
    assert len(data.split().train) > 100


def test_clock_changes_are_named() -> None:
    hours = pl.datetime_range(
        datetime.datetime(2024, 10, 20), datetime.datetime(2024, 11, 3), "1h", eager=True
    ).to_list()
    doubled = [h for h in hours for _ in range(2 if h == datetime.datetime(2024, 10, 27, 2) else 1)]
    data = read(pl.DataFrame({"when": doubled, "x": np.arange(len(doubled)) % 7 * 1.5}), horizon=5)
    assert "where clocks are put back" in said(data)


def test_rows_at_no_step_are_counted() -> None:
    rng = np.random.default_rng(0)
    when = np.datetime64("2024-01-01", "us") + (np.cumsum(rng.integers(1, 9_000_000, 100)) * 1000).astype("m8[us]")
    data = read(pl.DataFrame({"when": when, "x": rng.normal(size=100)}), horizon=3)
    assert "at no regular step" in said(data)
    brought = read(pl.DataFrame({"when": when, "x": rng.normal(size=100)}), horizon=3, every="1h")
    assert brought.timeline.step == Step("second", 3600)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"horizon": 500}, "is longer than the data"),
        ({"horizon": 90, "split": "80,10,10"}, "fits into"),
        ({"horizon": "2 weeks"}, "is longer than the data"),
        ({"horizon": "1mo"}, "no number of steps"),
        ({"horizon": "soon"}, "no number of steps"),
        ({"horizon": 5, "target": "nothing"}, "nothing"),
        ({"horizon": 5, "split": "group:c0"}, "parted by time"),
        ({"horizon": 5, "known": ["load"]}, "load"),
        ({"horizon": 5, "time": "then"}, "then"),
    ],
)
def test_what_cannot_be_forecast_is_said(options: dict[str, Any], text: str) -> None:
    with pytest.raises(PellucidError, match=text):
        read(hourly(300), **options).split()


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_channels_that_never_change_are_forecast_as_they_are(value: float) -> None:
    options: dict[str, Any] = {"steps": 4, "save": False, "progress": False, "size": 0}
    frame, alone = hourly(300).with_columns(flat=pl.lit(value)), pellucid.train(read(hourly(300), horizon=5), **options)
    run = pellucid.train(read(frame, target="flat", horizon=5), **options)
    assert [(row["value"], row["low"], row["high"]) for row in run.predict()] == [(value, value, value)] * 5
    assert run.score.value == run.baseline.value == 0
    # Beside another channel, with the same weights for both, nearly so; and that one is forecast as it is alone.
    both = pellucid.train(read(frame, target=["c0", "flat"], horizon=5), **options)
    flat, other = ([row for row in both.predict() if row["channel"] == name] for name in ("flat", "c0"))
    assert all(row["value"] == pytest.approx(value, abs=0.02) for row in flat)
    assert all(row["low"] <= row["value"] <= row["high"] <= row["low"] + 0.05 for row in flat)
    assert [row["value"] for row in other] == pytest.approx([row["value"] for row in alone.predict()], abs=0.1)
    # What never changes counts in no scaled error.
    assert both.baseline.value == pytest.approx(alone.baseline.value)
    assert both.score.value == pytest.approx(alone.score.value, rel=0.05)


def test_a_channel_without_a_value_is_as_if_it_were_not_there() -> None:
    options: dict[str, Any] = {"steps": 4, "save": False, "progress": False, "size": 0}
    data = read(hourly(300).with_columns(gone=pl.lit(None, pl.Float64)), horizon=5)
    assert data.fields["gone"].role == "ignore"
    assert "column 'gone': left out" in said(data)
    run, alone = (pellucid.train(one, **options) for one in (data, read(hourly(300), horizon=5)))
    assert [row["value"] for row in run.predict()] == [row["value"] for row in alone.predict()]


# -- metrics


def outcome(n: int = 6, horizon: int = 4, channels: int = 2, seed: int = 0) -> tuple[np.ndarray, Outcome]:
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, horizon, channels))
    point = true + rng.normal(size=true.shape)
    answers = np.stack([point, point - 1, point + 1], -1)
    return answers, Outcome(true, rng.uniform(0.5, 2, (n, channels)), np.array([3.0, -1.0]), np.array([2.0, 5.0]))


def measure(name: str, answers: np.ndarray, true: Outcome) -> float:
    metric = next(m for m in OF_FUTURES.values() if m.key == name)
    return float(metric.judge(answers, true)(np.ones((1, len(true))))[0])


def test_metrics_are_their_formulas() -> None:
    answers, true = outcome()
    error = abs(answers[..., 0] - true.values)
    said, came = answers[..., 0] * true.std + true.mean, true.values * true.std + true.mean
    assert measure("mase", answers, true) == pytest.approx((error / true.scale[:, None]).mean())
    assert measure("mse", answers, true) == pytest.approx((error**2).mean())
    assert measure("smape", answers, true) == pytest.approx((2 * abs(said - came) / (abs(said) + abs(came))).mean())
    assert measure("mae", answers, true) == pytest.approx((error * true.std).mean())
    beyond = np.maximum(answers[..., 1] - true.values, 0) + np.maximum(true.values - answers[..., 2], 0)
    assert measure("sis", answers, true) == pytest.approx(((2 + 20 * beyond) / true.scale[:, None]).mean())


def test_a_missing_value_takes_itself_out_alone() -> None:
    answers, true = outcome()
    gone = true.values.copy()
    gone[2, 1, 0] = np.nan
    error = abs(answers[..., 0] - true.values)
    each = error.mean(1)
    each[2, 0] = np.delete(error[2, :, 0], 1).mean()
    holes = Outcome(gone, true.scale, true.mean, true.std)
    assert measure("smae", answers, holes) == pytest.approx(each.mean())


def test_pinball_loss_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import mean_pinball_loss

    fields = read(hourly(300, 2), horizon=4).fitted()
    task, rng = FutureTask([fields["c0"], fields["c1"]], "pinball"), np.random.default_rng(2)
    raw, target = rng.normal(size=(60, 16)).astype(np.float32), rng.normal(size=(60, 5, 2)).astype(np.float32)
    target[:, 4] = 1.0
    task.calibrate(raw[:30], target[:30])
    lines, true = task.quantiles(raw).reshape(60, 8, 6), target[:, :4].reshape(60, 8)
    costs = [mean_pinball_loss(true, lines[..., k], alpha=level) for k, level in enumerate(LEVELS)]
    assert task.measure(raw, target) == pytest.approx(np.mean(costs), rel=1e-5)
    weight = rng.uniform(size=60)
    costs = [mean_pinball_loss(true, lines[..., k], alpha=q, sample_weight=weight) for k, q in enumerate(LEVELS)]
    assert task.measure(raw, target, weight) == pytest.approx(np.mean(costs), rel=1e-5)
    assert task.report_content(raw, target)["metrics"][task.metric] == pytest.approx(task.measure(raw, target))


def test_the_naive_forecast_of_m4_scores_what_was_published() -> None:
    """Seasonal naive on M4 weekly: MASE 2.777, sMAPE 9.161 (Makridakis et al., "Evaluation and Ranks", 2018)."""
    files = [DATA / "m4" / f"Weekly-{part}.csv.xz" for part in ("train", "test")]
    if not all(file.exists() for file in files):
        pytest.skip(f"{files[0]} is missing")
    import lzma

    scores = []
    texts = (lzma.decompress(file.read_bytes()).decode() for file in files)
    past, ahead = ([line.replace('"', "").split(",")[1:] for line in text.splitlines()[1:]] for text in texts)
    for before, after in zip(past, ahead, strict=True):
        own = np.array([float(v) for v in before if v])
        true = np.array([float(v) for v in after if v])
        scale = np.full((1, 1), abs(np.diff(own)).mean())
        answers = np.repeat(np.full((1, 13, 1, 1), own[-1]), 3, -1)
        result = Outcome(true[None, :, None], scale, np.zeros(1), np.ones(1))
        scores.append([measure("mase", answers, result), measure("smape", answers, result)])
    assert np.mean(scores, 0) == pytest.approx([2.777, 0.09161], abs=5e-4)


# -- intervals


def test_lines_never_cross_and_hold_their_share() -> None:
    frame = read(hourly(300), horizon=4).fitted()
    task = FutureTask([frame["c0"]])
    rng = np.random.default_rng(0)
    raw = torch.from_numpy(rng.normal(size=(500, 8))).float()
    target = torch.cat([raw[:, :4, None] + 3 * torch.randn(500, 4, 1), torch.ones(500, 1, 1)], 1)
    task.calibrate(raw[:250], target[:250])
    lines = task.quantiles(raw)
    assert (np.diff(lines, axis=-1) >= 0).all()
    low, high = task.quantiles(raw[250:], (1, 4))[..., 0], task.quantiles(raw[250:], (1, 4))[..., 1]
    true = target[250:, :4].numpy()
    assert 0.86 < ((low <= true) & (true <= high)).mean() < 0.94


@pytest.mark.parametrize("bias", [-9.0, 9.0])
def test_a_forecast_lies_within_its_own_interval(bias: float) -> None:
    """Also where validation errs on one side alone; of what comes after it the interval still holds its share."""
    task = FutureTask([read(hourly(300), horizon=4).fitted()["c0"]])
    raw = torch.zeros(500, 8)
    target = torch.cat([bias + torch.randn(500, 4, 1), torch.ones(500, 1, 1)], 1)
    task.calibrate(raw[:250], target[:250])
    answer = task.decode(raw[:1])[0]
    assert all(
        low <= value <= high for low, value, high in zip(*(answer[k] for k in ("low", "value", "high")), strict=True)
    )
    low, high = (task.quantiles(raw[250:], (level,))[..., 0] for level in (1, 4))
    true = target[250:, :4].numpy()
    assert ((low <= true) & (true <= high)).mean() > 0.86
    assert (np.diff(task.quantiles(raw), axis=-1) >= 0).all()


def test_conformal_quantiles_lie_a_little_further_out() -> None:
    error = np.arange(1.0, 20.0)
    assert conformal_quantiles(error, (0.05, 0.95)).tolist() == [1.0, 19.0]
    assert conformal_quantiles(np.arange(1.0, 100.0), (0.05, 0.95)).tolist() == [5.0, 95.0]


# -- the ridge


def ridge_parts(channels: int = 2, frame: Any = None, **options: Any) -> tuple[Any, Loader, Past, Any]:
    data = read(
        hourly(260, channels) if frame is None else frame, horizon=6, context=20, split="160h,50h,50h", **options
    )
    fields = list(data.fitted().values())
    inputs, targets = [f for f in fields if f.is_input], [f for f in fields if f.role == "target"]
    return data, Loader.of(data, fields, torch.device("cpu")), Past.of(inputs, targets), data.split()


@pytest.mark.parametrize(("offset", "length", "extras"), [(1, 20, False), (5, 12, True), (12, 12, False)])
def test_ridge_is_that_of_scikit_learn(offset: int, length: int, extras: bool) -> None:
    from sklearn.linear_model import Ridge

    _, loader, past, split = ridge_parts(1)
    own = Variant(length, offset, 0.01, extras=extras)
    weight = solve_weights(past, sum_examples(past, own, loader, split.train), own)[0].double().numpy()
    batch = loader.batch(torch.from_numpy(split.train))
    x, last, scale = LinearForecast(past, own).features(batch, length)
    shift = x[..., length - offset : length].mean(2, keepdim=True)
    moved = torch.cat([x[..., :length] - shift, x[..., length:]], 2)[:, 0].double().numpy()
    y = (LinearForecast(past, own).goals(batch, last, scale) - shift)[:, 0].double().numpy()
    known = Ridge(0.01 * len(x), fit_intercept=False).fit(moved, y)
    assert moved @ weight == pytest.approx(moved @ known.coef_.T, abs=2e-4)


def holes(n: int, channels: int, share: float, seed: int = 7) -> pl.DataFrame:
    """``hourly`` with single values missing, and a stretch of the first channel."""
    frame, gone = hourly(n, channels), np.random.default_rng(seed).random((n, channels)) < share
    gone[60:75, 0] = True
    columns = [pl.Series(f"c{c}", np.where(gone[:, c], np.nan, frame[f"c{c}"].to_numpy())) for c in range(channels)]
    return frame.with_columns(columns).fill_nan(None)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
@pytest.mark.parametrize(
    "own",
    [
        Variant(20, 1, 0.01, extras=False),
        Variant(12, 5, 0.3, extras=True, shared=False, scaled=True),
        Variant(16, 16, 1e-4, bent=True),
    ],
)
def test_what_is_not_known_counts_in_no_sum(own: Variant, share: float) -> None:
    """At each step the ridge of scikit-learn, of the examples whose goal is known there."""
    from sklearn.linear_model import Ridge

    _, loader, past, split = ridge_parts(2, frame=holes(260, 2, share))
    found = solve_weights(past, sum_examples(past, own, loader, split.train), own)
    batch = loader.batch(torch.from_numpy(split.train))
    x, last, scale = LinearForecast(past, own).features(batch, own.length)
    shift = x[..., own.length - own.offset : own.length].mean(2, keepdim=True)
    moved = torch.cat([x[..., : own.length] - shift, x[..., own.length :]], 2).double().numpy()  # (B, C, D)
    y = (LinearForecast(past, own).goals(batch, last, scale) - shift).double().numpy()  # (B, C, H)
    known = np.isfinite(y)
    assert 0 < (~known).sum() < known.size / 2
    for channels in [[0, 1]] if own.shared else [[0], [1]]:
        weight = found[0 if own.shared else channels[0]].double().numpy()
        for h in range(past.horizon):
            at = known[:, channels, h]
            penalty = own.penalty * at.sum() / len(channels)
            same = Ridge(penalty, fit_intercept=False).fit(moved[:, channels][at], y[:, channels, h][at])
            assert moved[:, channels] @ weight[:, h] == pytest.approx(moved[:, channels] @ same.coef_, abs=1e-3)


def test_sums_of_gaps_tell_the_error_of_what_is_known() -> None:
    _, loader, past, split = ridge_parts(2, frame=holes(260, 2, 0.05))
    own = Variant(14, 7, extras=False)
    learned, watched = (sum_examples(past, own, loader, rows).joined() for rows in (split.train, split.validation))
    error, penalty, weight = best_penalty(past, learned, watched, own)
    member = LinearForecast(past, Variant(14, 7, penalty, extras=False)).eval()
    member.weight.copy_(weight)
    batch = loader.batch(torch.from_numpy(split.validation))
    off = (member(batch) - batch.target[:, :6])[batch.target[:, :6].isfinite()]
    assert float(off.square().sum()) == pytest.approx(error, rel=1e-3)


def test_examples_with_gaps_beyond_memory_are_left_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    _, loader, past, split = ridge_parts(1, frame=holes(260, 1, 0.2))
    whole = sum_examples(past, Variant(20), loader, split.train)
    monkeypatch.setattr("pellucid.solved.forecast_sums.MOST_KEPT", 10 * (past.context + past.extra_count + 1))
    some = sum_examples(past, Variant(20), loader, split.train)
    assert len(some.gaps[0]) == 10 < len(whole.gaps[0])
    assert float(some.used) == float(whole.used) - len(whole.gaps[0]) + 10
    assert (some.known[0] == float(some.used) - some.gaps[0].gone.sum(0)).all()


def test_weights_are_the_same_to_the_last_bit_wherever_memory_lies() -> None:
    for share in (0.0, 0.05):
        _, loader, past, split = ridge_parts(1, frame=holes(260, 1, share) if share else hourly(260))
        sums = sum_examples(past, Variant(20), loader, split.train)
        assert bool(len(sums.gaps[0])) == (share > 0)
        held, found = [], set()
        for i in range(60):
            held.append(torch.zeros(7 * i + 3))
            again = replace(sums, features=sums.features.clone(), both=sums.both.clone())
            found.add(solve_weights(past, again, Variant(20, penalty=1e-4)).numpy().tobytes())
        assert len(found) == 1


def test_sums_tell_the_error_without_a_pass() -> None:
    _, loader, past, split = ridge_parts(1)
    own = Variant(14, 7, extras=False)
    learned, watched = (sum_examples(past, own, loader, rows) for rows in (split.train, split.validation))
    error, penalty, weight = best_penalty(past, learned, watched, own)
    member = LinearForecast(past, Variant(14, 7, penalty, extras=False)).eval()
    member.weight.copy_(weight)
    batch = loader.batch(torch.from_numpy(split.validation))
    off = member(batch) - batch.target[:, :6]
    assert float(off.square().sum()) == pytest.approx(error, rel=1e-3)
    assert len(moved_sums(past, learned, own)[0]) == 15


def test_answers_left_out_never_see_their_own_time() -> None:
    """Whatever happens in a fold, its left-out weights are the same."""
    series, place = np.zeros(400, np.int64), np.arange(400)
    train = np.arange(30, 330)
    fold, kept = folds_of(series, place, train, horizon=12)
    for k, own in enumerate(kept):
        inside, outside = train[fold == k], train[own]
        ahead = {int(p) + h for p in inside for h in range(12)}
        assert not ahead & {int(p) + h for p in outside for h in range(12)}
    many = np.repeat(np.arange(10) * 40, 40)
    fold, kept = folds_of(many, place, np.arange(400), horizon=12)
    assert all(not set(many[fold == k]) & set(many[own]) for k, own in enumerate(kept))


@pytest.mark.parametrize(("rows", "horizon"), [(29, 720), (400, 320), (400, 250), (400, 190), (400, 150), (400, 12)])
def test_rows_that_can_not_be_left_out_are_in_no_fold(rows: int, horizon: int) -> None:
    series, place, train = np.zeros(rows + 9, np.int64), np.arange(rows + 9), np.arange(9, rows + 9)
    fold, kept = folds_of(series, place, train, horizon)
    assert set(fold.tolist()) <= {-1, *range(len(kept))}
    for k, own in enumerate(kept):
        assert own.mean() >= LEAST_KEPT
        assert abs(place[train[fold == k], None] - place[train[own]]).min() >= horizon
    gone = {29: 29, 400: {320: 400, 250: 200, 190: 200, 150: 0, 12: 0}.get(horizon)}[rows]
    assert (fold == -1).sum() == gone


def long_run(tmp_path: Path, rows: int, horizon: int) -> Any:
    """A forecast for which hardly any row can be left out of the ridge."""
    hourly(rows + 3 * horizon + 100).write_csv(tmp_path / "t.csv")
    spans = f"{rows + horizon}h,{horizon + 50}h,{horizon + 50}h"
    job = {"horizon": horizon, "season": 24, "context": 48, "split": spans, "size": 0}
    return pellucid.train(tmp_path / "t.csv", **job, steps=6, out=tmp_path / "runs")


def test_where_no_row_can_be_left_out_no_trunk_is_trained(tmp_path: Path) -> None:
    run = long_run(tmp_path, 40, 100)
    assert run.record["solved"]["left_out"] == 0
    assert run.record["chosen"]["weights"] == "the ridge alone"
    assert run.record["steps"] == 1
    said = "The trunk was not trained, and the ridge answers alone: no training row can be left out of it, since their"
    assert run.say_added() == f"{said} steps ahead all meet."
    assert run.verdict.word == "not_used"
    assert "--budget" not in run.say_warning()
    assert run.score.value == pytest.approx(run.record["solved"]["score"]["value"])
    with pytest.raises(PellucidError, match="training longer would change nothing: no training row can be left out"):
        pellucid.resume(run.path, more="5steps")
    assert_same(run.path, pellucid.train(like=run.path, name="again", out=tmp_path).path)
    assert pellucid.load(run.path).predict() == run.predict()


def test_a_trunk_learns_from_rows_that_can_be_left_out_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    step = Loop.train_step
    monkeypatch.setattr(Loop, "train_step", lambda loop, batch, factor: (seen.update(batch.rows.tolist()),
                                                                         step(loop, batch, factor))[1])  # fmt: skip
    run = long_run(tmp_path, 160, 70)
    part = run.network.solved
    split = pellucid.read(
        tmp_path / "t.csv", horizon=70, season=24, context=48, split="230h,120h,120h", cache=False
    ).split()
    rows = part.left_out(split.train)
    assert len(rows) == run.record["solved"]["left_out"] < len(split.train)
    assert_same(run.path, pellucid.train(like=run.path, name="again", out=tmp_path).path)
    assert seen <= set(rows.tolist())
    assert len(seen) > len(rows) / 2


def test_gaps_in_the_past_take_the_value_before() -> None:
    past = torch.tensor([[np.nan, 2.0, np.nan, np.nan, 5.0], [np.nan] * 5]).unsqueeze(2)
    assert fill_past(past)[..., 0].tolist() == [[2, 2, 2, 2, 5], [0, 0, 0, 0, 0]]


# -- runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    wind = np.random.default_rng(4).normal(size=500)
    frame = hourly(500, 3).with_columns(pl.Series("c1", wind), pl.col("c0") + pl.Series("wind", wind))
    frame = frame.with_columns(pl.when(pl.int_range(500) < 480).then("c0").alias("c0"))
    path = tmp_path_factory.mktemp("series") / "load.csv"
    frame.write_csv(path)
    return pellucid.train(path, target="c0", horizon=12, known=["c1"], steps=20, size=0, out=path.parent / "runs")


def test_no_answer_follows_from_the_future(run: Any) -> None:
    """Change any value from the moment a forecast starts at on, but for what is known ahead: it stays as it was."""
    frame = pl.read_parquet(io.BytesIO(run.folder.read(RECENT)))
    data = run._read_new(frame, need_target=True, times="when")
    rows = data.usable_rows()[-3:-2]
    place = int(data.timeline.place[rows[0]])
    before = run._answer_rows(data, rows, with_target=True)[0]

    def answer(name: str, at: int) -> torch.Tensor:
        changed = frame.with_columns(
            pl.when(pl.int_range(len(frame)) == at).then(pl.col(name) + 7.0).otherwise(name).alias(name)
        )
        return run._answer_rows(run._read_new(changed, need_target=True, times="when"), rows, with_target=True)[0]

    for name in ("c0", "c2"):
        for at in (place, place + 5, place + 11):
            assert torch.equal(answer(name, at), before), (name, at)
    assert not torch.equal(answer("c0", place - 1), before)
    assert not torch.equal(answer("c1", place + 3), before)


def columns_of_all_roles(series: int, n: int = 130) -> pl.DataFrame:
    """A target and a column that end before the last rows, one that goes on; of several series one that says whose."""
    frames = []
    for i in range(series):
        rng = np.random.default_rng(i)
        wind, past = rng.normal(size=n), rng.normal(size=n)
        known, moved = pl.int_range(n) < n - 10, pl.Series(wind + 0.3 * np.roll(past, 1))
        frame = hourly(n, seed=i).with_columns(pl.Series("wind", wind), pl.Series("past", past))
        frame = frame.with_columns(c0=pl.when(known).then(pl.col("c0") + moved), past=pl.when(known).then("past"))
        frames.append(frame.with_columns(shop=pl.lit("abc"[i]), size=pl.lit(float(i % 2))) if series > 1 else frame)
    return pl.concat(frames)


@pytest.mark.parametrize("series", [1, 3])
@pytest.mark.parametrize("network", ["mlp", "cnn", "rnn", "transformer"])
def test_no_trunk_sees_the_future(network: str, series: int) -> None:
    """Whatever changes from the moment a forecast starts at on, or in another series, but for what is known ahead."""
    frame, n = columns_of_all_roles(series), 130
    options: dict[str, Any] = {"target": "c0", "horizon": 6, "context": 16, "season": 8}
    # Of one series what is known ahead is found.
    options |= {"series": ["shop"], "known": ["wind"]} if series > 1 else {}
    data = read(frame, **options)
    roles = {"c0": "target", "wind": "known", "past": "input"} | ({"size": "input"} if series > 1 else {})
    assert {name: data.fields[name].role for name in roles} == roles
    run = pellucid.train(data, network=network, steps=2, size=0, save=False)
    # Where validation keeps the ridge alone the trunk says nothing.
    generator = torch.Generator().manual_seed(0)
    for p in run.network.output.parameters():
        p.data.normal_(0, 0.3, generator=generator)
    # In the middle one of three.
    start = n if series > 1 else 0
    place = start + 90

    def answer(name: str = "c0", at: slice | int = 0, by: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network says, and the ridge alone, where a column is changed."""
        values = frame[name].to_numpy().copy()
        values[at] += by
        changed = read(frame.with_columns(pl.Series(name, values).fill_nan(None)), **options)
        batch = Loader.of(changed, run.network.fields, torch.device("cpu")).batch(torch.tensor([place]))
        with torch.inference_mode():
            return run.network.eval()(batch), run.network.solved(batch)

    before, ridge = answer()
    assert not torch.allclose(ridge, before, atol=1e-2), "the trunk says something"
    for name in ("c0", "past"):
        for at in (place, place + 3, slice(place, start + n)):
            assert torch.equal(answer(name, at, 7.0)[0], before), (name, at)
        assert not torch.equal(answer(name, place - 1, 7.0)[0], before), name
    for at in (place - 1, place, place + 5):
        assert not torch.equal(answer("wind", at, 7.0)[0], before), at
    assert torch.equal(answer("wind", place + 6, 7.0)[0], before)
    if series > 1:
        whole, solved = answer("size", slice(n, 2 * n), -0.5)
        assert torch.equal(solved, ridge)
        assert not torch.equal(whole, before)
        for name in ("c0", "past", "wind"):
            for other in (slice(0, n), slice(2 * n, 3 * n)):
                assert torch.equal(answer(name, other, 7.0)[0], before), (name, other)


@pytest.mark.parametrize("rows", [70_000, 0, None, -1])
def test_a_ridge_of_any_number_of_rows_is_loaded(run: Any, rows: int | None) -> None:
    """Also of more than the form of a small number takes, and of runs whose default was 0; a pickle is checked too."""
    state = run.__getstate__()
    record = json.loads(state["record"])
    tensors, about = unpack_tensors(state["solved"], Path("solved"))
    record["network"]["solved"]["settings"]["rows"] = rows
    fold = np.resize(tensors["fold"], max(rows or 0, 0))
    state |= {"record": json.dumps(record).encode(), "solved": pack_tensors(tensors | {"fold": fold}, about)}
    other = pellucid.Run.__new__(pellucid.Run)
    if rows == -1:
        with pytest.raises(PellucidError, match=r"ridge\.rows is -1, not a whole number from 0"):
            other.__setstate__(state)
        return
    other.__setstate__(state)
    assert len(other.network.solved.fold) == (rows or 0)
    kept = run.kept.examples("validation")
    batch = Loader.of(kept, run.network.fields, torch.device("cpu")).batch(torch.arange(3))
    assert torch.equal(other.network(batch), run.network(batch))


@pytest.mark.parametrize("fold", [4, -2])
def test_a_ridge_with_folds_that_are_none_is_damaged(run: Any, fold: int) -> None:
    state = run.__getstate__()
    tensors, about = unpack_tensors(state["solved"], Path("solved"))
    made_up = np.full_like(tensors["fold"], fold)
    state |= {"solved": pack_tensors(tensors | {"fold": made_up}, about)}
    with pytest.raises(PellucidError, match=r"ridge\.fold is not one of 4 folds"):
        pellucid.Run.__new__(pellucid.Run).__setstate__(state)


def test_a_run_forecasts_from_where_it_ends(run: Any) -> None:
    found = run.predict()
    assert len(found) == 12
    first = datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=480)
    assert found[0]["time"] == str(first.date())
    assert all(row["low"] <= row["value"] <= row["high"] for row in found)
    assert {"value", "low", "high", "step"} <= set(found.to_frame().columns)
    loaded = pellucid.load(run.path)
    assert loaded.predict() == found
    assert len(loaded.predict(steps=5)) == 5
    with pytest.raises(PellucidError, match="'c1' must be known 30 hours ahead, but is known for only 20 hours"):
        run.predict(steps=30)
    long = run.predict(steps=20)
    assert [row["value"] for row in long][:12] == [row["value"] for row in found]
    assert any("goes on from its own answers" in str(note) for note in long.notes)


def test_a_run_is_evaluated_at_rolling_origins(run: Any) -> None:
    scored = run.evaluate(hourly(300, 3, seed=5))
    assert scored.score.n == 300 - 12 - 32 + 1
    assert scored.baseline.name == "the value 24 steps before"
    assert "coverage of the 90% intervals" in scored.metrics


def test_what_is_known_ahead_must_not_be_shifted() -> None:
    """A column that tells the answer, an hour late, tells less: whoever shifts it must see the score fall."""
    rng = np.random.default_rng(3)
    known = rng.normal(size=600)
    frame = hourly(600).with_columns(pl.Series("wind", known), pl.Series("c0", 3 * known + 0.1 * rng.normal(size=600)))
    shifted = frame.with_columns(pl.col("wind").shift(1))
    scores = [
        pellucid.train(read(each, target="c0", horizon=6, known=["wind"]), steps=5, save=False, size=0).score.value
        for each in (frame, shifted)
    ]
    assert scores[0] < 0.2 * scores[1]


@pytest.mark.parametrize("network", ["mlp", "cnn", "rnn", "transformer"])
def test_every_trunk_begins_as_the_ridge_and_learns(network: str) -> None:
    data = read(hourly(300, 2), horizon=6)
    run = pellucid.train(data, network=network, steps=6, save=False, size=0)
    evaluated = [row for row in run.folder.lines("history.jsonl") if row["event"] == "evaluated"]
    assert evaluated[0]["step"] == 0
    assert evaluated[0]["MASE"] == pytest.approx(run.record["solved"]["validation"], rel=1e-5)
    alone = pellucid.train(data, network=network, steps=6, save=False, size=0, solved=False)
    assert "solved" not in alone.record["network"]
    assert np.isfinite(alone.score.value)


@pytest.mark.parametrize(
    "network", ["mlp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cnn", "rnn", "transformer"))]
)
def test_killed_and_resumed_is_the_same_to_the_last_bit(tmp_path: Path, network: str) -> None:
    path = tmp_path / "t.csv"
    hourly(260, 2).write_csv(path)
    job = {"data": str(path), "horizon": 6, "network": network, "steps": 8, "size": 0, "seed": 3}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert sitting(whole, job) == 0
    for event in (("between the optimizers", 2), ("before a checkpoint", 3)):
        assert sitting(broken, job, event) == -9
    assert sitting(broken, job) == 0
    assert_same(whole, broken)
    again = pellucid.train(like=whole, name="again", out=tmp_path)
    assert_same(whole, again.path)
    started = pellucid.train(path, horizon=6, start=whole, steps=2, out=tmp_path / "later")
    assert started.record["plan"]["start"]["run"] == str(whole)


def test_a_record_of_a_stranger_is_checked(run: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="said of all rows"):
        read(hourly(100), kinds={"c0": "channel"})
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"x": rng.normal(size=80), "y": rng.normal(size=80)})
    plain = pellucid.train(table, target="y", steps=2, folds=0, save=False)
    with pytest.raises(UsageError, match=r"^--steps is for forecasts\n.*leave --steps out"):
        plain.predict(table, steps=3)


def test_read_data_says_the_same_twice(tmp_path: Path) -> None:
    hourly(300).write_csv(tmp_path / "t.csv")
    one, two = (read_data(tmp_path / "t.csv", cache=str(tmp_path / "cache")) for _ in range(2))
    assert one.reading == two.reading
    assert one.fingerprint() == two.fingerprint()


# -- what a review found


def test_rows_without_dates_are_taken_in_their_order(tmp_path: Path) -> None:
    hourly(200).select("c0").write_csv(tmp_path / "t.csv")
    run = pellucid.train(tmp_path / "t.csv", horizon=5, steps=2, size=0, out=tmp_path / "runs")
    assert [row["time"] for row in run.predict()] == ["+1", "+2", "+3", "+4", "+5"]
    assert run.evaluate(tmp_path / "t.csv").score.n > 100


def test_networks_are_compared_on_forecasts(tmp_path: Path) -> None:
    found = pellucid.compare(read(hourly(200)), networks="mlp,cnn", steps=2, size=0, out=tmp_path)
    assert len(found.networks) == 2


def test_what_is_filled_is_the_past_alone_and_in_the_users_units() -> None:
    gone = pl.int_range(200).is_between(150, 159)
    frame = hourly(200).with_columns(pl.when(gone).then(None).otherwise("c0").alias("c0"))
    data = read(frame, horizon=4, fill="zero", context=20)
    fields = data.fitted()
    batch = Loader.of(data, list(fields.values()), torch.device("cpu")).batch(torch.tensor([165, 152]))
    state = fields["c0"].state
    past = batch.inputs["channel:time"][0, :, 0] * state["std"] + state["mean"]
    assert past[5:15].tolist() == pytest.approx([0.0] * 10, abs=1e-3)
    assert torch.isnan(batch.target[1, :4, 0]).all()


def test_rows_that_are_only_known_ahead_are_in_no_part() -> None:
    frame = hourly(300, 2).with_columns(pl.when(pl.int_range(300) < 200).then("c0").alias("c0"))
    data = read(frame, target="c0", horizon=10)
    split, line = data.split(), data.timeline
    assert line is not None
    assert line.place[split.test].max() + 10 == 200
    assert len(split.validation) == len(split.test) == 11


def test_steps_of_another_part_are_in_no_forecast() -> None:
    part = ["train"] * 100 + ["test"] * 8 + ["train"] * 60 + ["validation"] * 20
    data = read(hourly(188).with_columns(pl.Series("split", part)), horizon=7, split="column:split")
    place = data.timeline.place[data.split().train]
    assert not any(set(range(int(p), int(p) + 7)) & set(range(100, 108)) for p in place)


def test_what_a_run_keeps_is_the_past_of_the_target(tmp_path: Path) -> None:
    frame = hourly(300, 2).with_columns(pl.when(pl.int_range(300) < 220).then("c0").alias("c0"))
    frame.write_csv(tmp_path / "t.csv")
    run = pellucid.train(tmp_path / "t.csv", target="c0", horizon=6, context=40, steps=2, size=0, out=tmp_path / "runs")
    own, given = run.predict(), run.predict(tmp_path / "t.csv")
    assert [(a["time"], a["value"], a["low"]) for a in own] == [(b["time"], b["value"], b["low"]) for b in given]


def test_too_little_past_is_said(run: Any) -> None:
    few = hourly(40, 3).with_columns(pl.when(pl.int_range(40) < 4).then("c0").alias("c0"))
    assert any("intervals are too narrow" in str(note) for note in run.predict(few).notes)


@pytest.mark.parametrize("name", ["season", "context"])
def test_a_season_must_come_twice(name: str) -> None:
    with pytest.raises(PellucidError, match=f"a {name} of 200 steps is more than half"):
        read(hourly(300), horizon=5, **{name: 200})


def test_the_naive_answer_never_is_that_of_the_series_before() -> None:
    frame = pl.concat([hourly(60).with_columns(pl.lit(s).alias("shop")) for s in ("a", "b")])
    empty = (pl.col("shop") == "b") & (pl.int_range(120) < 100)
    frame = frame.with_columns(pl.when(empty).then(None).otherwise("c0").alias("c0"))
    data = read(frame, horizon=3, series=["shop"], season=1, split="rest,6steps,6steps")
    fields = list(data.fitted().values())
    task = FutureTask([f for f in fields if f.role == "target"])
    loader, rows = Loader.of(data, fields, torch.device("cpu")), np.array([80])
    assert loader.target is not None
    assert task.naive_answers(loader.target, rows, rows)[0][0, :3].tolist() == [0, 0, 0]


def test_a_channel_that_drifts_is_said_once() -> None:
    rise = np.arange(1500.0) + np.random.default_rng(0).normal(size=1500)
    data = read(hourly(1500).with_columns(c0=pl.Series(rise)), horizon=5)
    data.check(data.split(0))
    assert said(data).count("all of test is above all of train") == 1


def test_how_far_a_trunk_may_be_off_follows_from_validation_alone() -> None:
    """It errs less on rows that it has learned from, so these tell nothing of what comes."""
    rng, x = np.random.default_rng(0), [0.3]
    for _ in range(899):
        x.append(min(max(3.9 * x[-1] * (1 - x[-1]) + 0.01 * rng.normal(), 0.001), 0.999))
    frame = hourly(900).select("when").with_columns(c0=pl.Series(x))
    run = pellucid.train(read(frame, horizon=2, context=16), steps=200, save=False, progress=False, seed=0)
    assert "alone" not in run.record["chosen"]["weights"]
    data, output = read(frame, horizon=2, context=16), run.network.output
    split, loader = data.split(run.plan.split_seed), Loader.of(data, run.network.fields, torch.device("cpu"))
    raw, true = predict_raw(run.network, loader, split.test)
    held = output.task.report_content(raw.numpy(), true.numpy())["metrics"]["coverage of the 90% intervals"]
    assert 0.8 < held < 0.99
    lines = output.task.learned["lines"].copy()
    output.calibrate(*predict_raw(run.network, loader, split.validation))
    np.testing.assert_allclose(output.task.learned["lines"], lines, atol=1e-5)
