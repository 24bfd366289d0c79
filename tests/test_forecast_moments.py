"""The moments of test that a report tells: where forecasts erred most, and what their intervals did not hold."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from test_forecasts import hourly, read

import pellucid
from pellucid.data.timeline.windows import forecast_of
from pellucid.reports.forecast_moments import MOST_MOMENTS, notable_moments
from pellucid.tasks.future import FutureTask


def two_series(channels: int = 1) -> pl.DataFrame:
    each = [hourly(300, channels, seed=s).with_columns(shop=pl.lit(f"s{s}")) for s in range(2)]
    return pl.concat(each)


def answers_of(data: Any, horizon: int, channels: int, seed: int) -> tuple[FutureTask, np.ndarray, Any]:
    """Random answers to the forecasts of test, a few values not known."""
    fields = data.fitted()
    task = FutureTask([f for f in fields.values() if f.role == "target"])
    rows, rng = data.split(0).test, np.random.default_rng(seed)
    raw = torch.from_numpy(rng.normal(size=(len(rows), 2 * horizon * channels))).float()
    target = rng.normal(size=(len(rows), horizon + 1, channels))
    target[:, :horizon][rng.random((len(rows), horizon, channels)) < 0.05] = np.nan
    target[:, horizon] = 1 + rng.random((len(rows), channels))
    return task, rows, (raw, torch.from_numpy(target).float())


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_they_are_those_that_a_plain_loop_finds(channels: int, seed: int) -> None:
    horizon = 3
    data = read(two_series(channels), series="shop", horizon=horizon, context=24)
    task, rows, answers = answers_of(data, horizon, channels, seed)
    line = forecast_of(data)[1]
    point = task.split_answer(answers[0])[0]
    lines, (true, scale) = task.quantiles(answers[0], (1, 4)), task.split_target(answers[1])
    by: dict[str, list[Any]] = {"worst": [], "surprising": []}
    for i in range(len(rows)):
        for h in range(horizon):
            for c in range(channels):
                low, high, came = lines[i, h, c, 0], lines[i, h, c, 1], true[i, h, c]
                if np.isfinite(came):
                    by["worst"].append((abs(came - point[i, h, c]) / scale[i, c], i, h, c))
                    by["surprising"].append((max(low - came, came - high) / (high - low), i, h, c))
    found = notable_moments(task, data, rows, answers)
    for name, every in by.items():
        taken: list[tuple[int, int]] = []
        wanted = []
        for value, i, h, c in sorted(every, key=lambda one: -one[0]):
            place = int(line.place[rows[i]])
            one = int(line.series_of(np.array([place]))[0])
            if (
                value > 0
                and len(wanted) < MOST_MOMENTS
                and all(s != one or abs(p - place) >= horizon for s, p in taken)
            ):
                taken.append((one, place))
                wanted.append((float(value), line.names[one], f"c{c}", h + 1))
        told = [(one["by"], one["whose"], one["of"], one["step"]) for one in found[name]]
        assert [one[1:] for one in told] == [one[1:] for one in wanted]
        np.testing.assert_allclose([one[0] for one in told], [one[0] for one in wanted], rtol=1e-5)
        assert len(told) == MOST_MOMENTS


def test_what_every_interval_holds_surprises_nobody() -> None:
    data = read(two_series(), series="shop", horizon=3, context=24)
    task, rows, (raw, target) = answers_of(data, 3, 1, 0)
    raw[:, 3:] = 10.0
    found = notable_moments(task, data, rows, (raw, target))
    assert found["surprising"] == []
    assert len(found["worst"]) == MOST_MOMENTS


def test_a_report_names_a_moment_that_stands_out(tmp_path: Path) -> None:
    frame = two_series().with_columns(
        shop=pl.when(pl.col("shop") == "s1").then(pl.lit("<b>s1")).otherwise(pl.col("shop"))
    )
    spike = (pl.col("shop") == "<b>s1") & (pl.int_range(pl.len()).over("shop") == 290)
    frame = frame.with_columns(c0=pl.when(spike).then(17.5).otherwise(pl.col("c0")))
    run = pellucid.train(frame, series="shop", horizon=3, context=24, budget="1steps", out=tmp_path / "run")
    page = (run.path / "report.html").read_text()
    assert "<b>s1" not in page
    lines = re.findall(r"<tr>(.*?)</tr>", page.split("Largest errors")[1])
    cells = [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<td.*?</td>", lines[1])]
    # 290 hours after midnight.
    assert cells[0] == "<b>s1"
    assert cells[1].startswith("2024-01-13 02:00, ")
    assert cells[4] == "17.5"
    assert "Most surprising" in page
    assert "The largest error: c0, &lt;b&gt;s1, from " in page
