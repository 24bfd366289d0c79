"""Times with offsets from UTC: read as moments or as dates, said with a Z, never mixed with times that have none."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from test_forecasts import read, said

import pellucid
from pellucid.data.timeline.forecast import DAYS, FORM, NAIVE, UTC, Forecast
from pellucid.data.timeline.step import ROWS, Step
from pellucid.errors import PellucidError
from pellucid.fields import Column
from pellucid.fields.date import zone_offsets

BERLIN = ZoneInfo("Europe/Berlin")

# The clocks are put forward in the night to the 31st of March.
HOURS = [datetime.datetime(2024, 3, 22, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=i) for i in range(240)]

LOCAL = [hour.astimezone(BERLIN) for hour in HOURS]


def table(when: Any) -> pl.DataFrame:
    n = np.arange(len(when))
    return pl.DataFrame(
        {"when": when, "y": 10 + 3 * np.sin(n * np.pi / 12) + 0.1 * np.random.default_rng(0).normal(size=len(n))}
    )


def texts(moments: list[Any]) -> list[str]:
    return [one.isoformat() for one in moments]


def forecast_run(frame: pl.DataFrame, path: Path, **options: Any) -> Any:
    options = {"horizon": 6, "context": 24, "budget": "1steps", "solved": False} | options
    return pellucid.train(frame, out=path / "run", **options)


@pytest.fixture(scope="module")
def zoned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return forecast_run(table(texts(LOCAL)), tmp_path_factory.mktemp("zoned"))


@pytest.fixture(scope="module")
def naive(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return forecast_run(table([one.replace(tzinfo=None) for one in HOURS]), tmp_path_factory.mktemp("naive"))


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["2024-01-01T01:00:00+01:00", "2024-01-01 10:00:00.123 -0530", None], (["+01:00", "-05:30"], 0)),
        (["2024-01-01 10:00Z", "1/2/2024 1:30 pm UTC", "20240101T101500Z", "n/a"], (["+00:00"], 0)),
        (["2024-01-01", "01-01-2024", "2024-01-01 10:00", "3 May 2024"], ([], 4)),
        ([datetime.date(2024, 1, 1)], ([], 1)),
        ([LOCAL[0], LOCAL[-1]], (["+01:00", "+02:00"], 0)),
        ([1.5, 2.5], None),
    ],
)
def test_offsets_are_found_whatever_the_notation(cells: list[Any], wanted: Any) -> None:
    series = pl.Series(cells)
    if isinstance(cells[0], datetime.datetime):
        series = series.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Europe/Berlin")
    assert zone_offsets(Column("when", series)) == wanted


@pytest.mark.parametrize("typed", [False, True])
def test_moments_are_in_utc_and_their_offsets_are_told(typed: bool) -> None:
    when = pl.Series(HOURS).dt.convert_time_zone("Europe/Berlin") if typed else texts(LOCAL)
    data = read(table(when), horizon=6)
    assert data.reading.forecast.clock == UTC
    wanted = "says when, every hour, with offsets +01:00 and +02:00: read as moments, shown in UTC"
    assert data.fields["when"].reason == wanted
    assert data.timeline.places == 240
    assert "clocks are put" not in said(data)
    assert "2024-03-22 00:00Z to " in data.split().how
    assert read(table([one.replace(tzinfo=None) for one in HOURS]), horizon=6).reading.forecast.clock == NAIVE


def test_what_comes_next_is_said_with_a_z(zoned: Any, naive: Any, tmp_path: Path) -> None:
    assert LOCAL[-1].isoformat() == "2024-04-01T01:00:00+02:00"
    found = zoned.predict()
    assert [row["time"] for row in found][:2] == ["2024-04-01 00:00Z", "2024-04-01 01:00Z"]
    assert found[0]["input"] == "2024-04-01 00:00Z"
    assert naive.predict()[0]["time"] == "2024-04-01"
    # Read back it is the moment after the last one.
    found.to_frame().write_csv(tmp_path / "next.csv")
    back = read(pl.read_csv(tmp_path / "next.csv").select("time", "value"), horizon=1)
    assert float(back.timeline.start[0]) == HOURS[-1].timestamp() + 3600
    came = pl.read_parquet(zoned.folder.read("predictions.parquet"))
    assert came["moment"].dtype == came["from"].dtype == pl.Datetime("us", "UTC")
    assert "from 2024-03-3" in zoned.folder.read("report.html").decode()
    assert ":00Z" in zoned.folder.read("report.html").decode()


def test_other_offsets_are_the_same_moments(zoned: Any) -> None:
    usual = list(zoned.predict(table(texts(LOCAL))))
    for zone in ("Asia/Kolkata", "UTC"):
        assert list(zoned.predict(table(texts([one.astimezone(ZoneInfo(zone)) for one in HOURS])))) == usual


def test_times_without_an_offset_are_refused_by_a_run_with_them(zoned: Any) -> None:
    for use in (zoned.predict, zoned.evaluate):
        with pytest.raises(PellucidError) as error:
            use(table([one.replace(tzinfo=None) for one in LOCAL]))
        assert error.value.what == "the new times have no offset from UTC, those of the training have one"
        assert error.value.where.endswith("column 'when'")
        assert error.value.fix == "write them with it, such as 2024-04-03T01:00+02:00"


def test_times_with_an_offset_are_refused_by_a_run_without(naive: Any) -> None:
    for use in (naive.predict, naive.evaluate):
        with pytest.raises(PellucidError) as error:
            use(table(texts([one.astimezone(ZoneInfo("Asia/Kolkata")) for one in HOURS])))
        assert error.value.what == "the new times have offsets from UTC (+05:30), those of the training have none"
        assert error.value.fix == "give times without offsets, by the clock of the training"


def test_of_older_runs_their_last_rows_tell_the_clock(zoned: Any, naive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for run, moments in ((zoned, [one.replace(tzinfo=None) for one in HOURS]), (naive, texts(LOCAL))):
        about = json.loads(json.dumps(run.record["data"]["forecast"]))
        old = {name: value for name, value in about.items() if name not in ("clock", "day_time")}
        FORM(old, "forecast")
        assert Forecast.from_json(old).clock == ""
        usual = list(run.predict())
        monkeypatch.setitem(run.record["data"], "forecast", old)
        assert list(run.predict()) == usual
        with pytest.raises(PellucidError, match="offset"):
            run.predict(table(moments))
        with pytest.raises(ValueError, match="clock"):
            FORM({**about, "clock": "sundial"}, "forecast")


def test_times_without_an_offset_among_others_are_said(zoned: Any) -> None:
    when = texts([one.astimezone(ZoneInfo("Asia/Kolkata")) for one in HOURS])
    when[5:8] = texts([one.replace(tzinfo=None) for one in HOURS[5:8]])
    text = "3 times without an offset among others with one: taken for UTC"
    assert text in said(read(table(when), horizon=6))
    assert text in "\n".join(map(str, zoned.predict(table(when)).notes))


MONTHS = [datetime.datetime(2015 + i // 12, 1 + i % 12, 1, tzinfo=BERLIN) for i in range(100)]

DAYS_THERE = [datetime.datetime(2024, 1, 1, tzinfo=BERLIN) + datetime.timedelta(days=i) for i in range(300)]


@pytest.mark.parametrize("hour", [0, 9])
@pytest.mark.parametrize(
    ("moments", "step"),
    [
        (MONTHS, Step("month", 1)),
        (DAYS_THERE, Step("second", 86400)),
        ([day for day in DAYS_THERE if day.weekday() < 5], Step("workday")),
    ],
)
def test_days_of_a_place_stay_its_days(hour: int, moments: list[Any], step: Step) -> None:
    when = texts([one.replace(hour=hour) for one in moments])
    data = read(table(when), horizon=5)
    about = data.reading.forecast
    assert (about.clock, about.step, about.day_time) == (DAYS, step, 3600.0 * hour)
    assert (
        "with offsets +01:00 and +02:00: always at one time of day: read as dates there" in data.fields["when"].reason
    )
    assert data.timeline.places == len(moments)
    line = data.timeline
    dates = line.moments(np.arange(line.places)).astype("M8[s]").astype(str)
    assert [str(one)[:10] for one in dates] == [str(one.date()) for one in moments]
    assert "no regular step" not in said(data)


def test_new_days_may_be_written_in_any_way_but_as_other_days(tmp_path: Path) -> None:
    days = DAYS_THERE[:120]
    run = forecast_run(table(texts(days)), tmp_path)
    usual = list(run.predict())
    assert usual[0]["time"] == "2024-04-30"
    assert [row["time"] for row in run.predict(table([day.date() for day in days]))] == [row["time"] for row in usual]
    india = [day.replace(tzinfo=ZoneInfo("Asia/Kolkata")) for day in days]
    assert run.predict(table(texts(india)))[0]["time"] == "2024-04-30"
    with pytest.raises(PellucidError) as error:
        run.predict(table(texts([day.astimezone(datetime.timezone.utc) for day in days])))
    assert error.value.what == "the new times are not all at 00:00 by their own clocks, as those of the training"


def test_steps_that_utc_takes_away_are_said() -> None:
    """Noon and midnight by the clock, for twenty days: in UTC one in 39 is an hour early."""
    start = datetime.datetime(2024, 3, 20, tzinfo=BERLIN)
    halves = [start + datetime.timedelta(hours=12 * i) for i in range(40)]
    data = read(table(texts(halves)), horizon=3)
    assert (data.reading.forecast.clock, data.timeline.step) == (UTC, ROWS)
    assert "by their own clocks rows come every 12 hours: in UTC these are no regular steps" in said(data)
    local = read(table([one.replace(tzinfo=None) for one in halves]), horizon=3)
    assert local.timeline.step == Step("second", 43200)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", datetime.timezone(datetime.timedelta(hours=5, minutes=30))])
def test_the_zone_of_a_data_frame_of_pandas_is_kept(zone: Any) -> None:
    pd = pytest.importorskip("pandas")
    when = pd.Series(pd.date_range("2024-03-22", periods=240, freq="h", tz="UTC")).dt.tz_convert(zone)
    frame = pd.DataFrame({"when": when, "y": table(HOURS)["y"].to_numpy()})
    data = read(frame, horizon=6)
    assert data.reading.forecast.clock == UTC
    assert data.timeline.start[0] == HOURS[0].timestamp()
    wanted = {"Europe/Berlin": "+01:00 and +02:00", "UTC": "+00:00"}.get(str(zone), "+05:30")
    assert wanted in data.fields["when"].reason


def test_moments_with_offsets_in_a_list_keep_theirs() -> None:
    data = read({"when": LOCAL, "y": table(HOURS)["y"].to_list()}, horizon=6)
    assert data.timeline.start[0] == HOURS[0].timestamp()
    assert data.reading.forecast.clock == UTC


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("typed", [False, True])
def test_rows_with_other_offsets_follow_on(zoned: Any, zone: str, typed: bool) -> None:
    after = [HOURS[-1] + datetime.timedelta(hours=i) for i in range(1, 4)]
    local = [one.astimezone(ZoneInfo(zone)) for one in after]
    when = pl.Series(after).dt.convert_time_zone(zone) if typed else texts(local)
    found = zoned.predict(table(when))
    assert "rows that the run keeps, which these follow on" in "\n".join(map(str, found.notes))
    assert found[0]["time"] == "2024-04-01 03:00Z"
