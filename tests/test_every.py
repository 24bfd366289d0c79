"""Rows that are brought to a coarser step: where each step begins, and that new rows keep to it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_forecasts import read, seconds

import pellucid
from pellucid.data.timeline.forecast import FORM, Forecast
from pellucid.data.timeline.step import Step
from pellucid.data.timeline.windows import forecast_of

DAY = 86400.0


def daily(start: str, n: int, name: str | None = None, hour: int = 0) -> pl.DataFrame:
    when = np.datetime64(start, "us") + np.arange(n) * np.timedelta64(1, "D") + np.timedelta64(hour, "h")
    frame = pl.DataFrame({"day": when, "x": np.arange(n, dtype=float)})
    return frame if name is None else frame.with_columns(shop=pl.lit(name))


def stamps(data: Any) -> list[str]:
    line = forecast_of(data)[1]
    return [str(np.datetime64(int(one), "s"))[:10] for one in line.moments(np.arange(line.places))]


def means(data: Any) -> list[float]:
    return forecast_of(data)[1].arrange(np.asarray(data.stored_values("x").arrays["value"])).tolist()


@pytest.mark.parametrize("every", ["7d", "1w", "168h"])
@pytest.mark.parametrize("start", ["2024-01-01", "2024-01-04", "1969-12-30", "2023-07-09"])
def test_weeks_begin_on_the_weekday_of_the_first_row(every: str, start: str) -> None:
    data = read(daily(start, 70, hour=6), target="x", every=every, horizon=2)
    assert stamps(data)[0] == start
    assert means(data) == [3.0 + 7 * week for week in range(10)]


@pytest.mark.parametrize(
    ("every", "wanted"),
    [
        # Rows are numbered from the 9th of January on, of which 23 are in it; February 2024 has 29 days.
        ("1mo", [("2024-01-01", 11.0), ("2024-02-01", 37.0), ("2024-03-01", 67.0)]),
        ("3mo", [("2024-01-01", 41.0), ("2024-04-01", 128.0)]),
        ("2d", [("2024-01-09", 0.5), ("2024-01-11", 2.5)]),
    ],
)
def test_months_are_those_of_the_calendar(every: str, wanted: list[tuple[str, float]]) -> None:
    data = read(daily("2024-01-09", 366, hour=5), target="x", every=every, horizon=1)
    assert list(zip(stamps(data), means(data), strict=True))[: len(wanted)] == wanted


def test_all_series_share_the_weeks_of_the_first() -> None:
    frame = pl.concat([daily("2024-01-03", 40, "a"), daily("2024-01-08", 40, "b")])
    data = read(frame, target="x", every="1w", horizon=1, series="shop", split="rest,1steps,1steps")
    line = forecast_of(data)[1]
    assert [str(np.datetime64(int(one), "s"))[:10] for one in line.start] == ["2024-01-03", "2024-01-03"]


def test_hours_still_begin_at_the_full_hour() -> None:
    step = Step("second", 3600)
    moments = seconds("2024-01-01T10:59:59", "2024-01-01T11:00", "2024-01-02T00:30")
    wanted = seconds("2024-01-01T10:00", "2024-01-01T11:00", "2024-01-02T00:00")
    np.testing.assert_array_equal(step.begins(moments, step.origin(moments[0])), wanted)
    np.testing.assert_array_equal(step.begins(moments, 0.0), wanted)


def test_new_rows_keep_to_the_weeks_of_the_run(tmp_path: Path) -> None:
    run = pellucid.train(
        daily("2024-01-02", 300), target="x", every="1w", horizon=2, budget="1steps", out=tmp_path / "run", solved=False
    )
    ahead = [one["time"] for one in run.predict([], steps=2)]
    assert datetime.date.fromisoformat(str(ahead[0])[:10]).weekday() == 1
    # Rows that begin on another weekday, in the midst of a week.
    assert [one["time"] for one in run.predict(daily("2024-01-04", 298), steps=2)] == ahead


def test_a_record_without_an_origin_is_of_weeks_from_1970() -> None:
    about = Forecast(2, 4, Step("second", 7 * DAY), coarser=True)
    old = {name: value for name, value in about.to_json().items() if name != "origin"}
    FORM(old | {"series": [], "known": [], "calendar": []}, "forecast")
    assert Forecast.from_json(old).origin == 0.0
    with pytest.raises(ValueError, match="origin"):
        FORM(about.to_json() | {"series": [], "known": [], "calendar": [], "origin": 1e300}, "forecast")
