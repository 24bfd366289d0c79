"""Tables that are dated and regular: forecast unasked, or made rows of, and what is said of the other way."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_cli import pellucid_command
from test_forecasts import hourly, read, said

import pellucid
from pellucid.errors import PellucidError, UsageError


def months(n: int = 60) -> pl.DataFrame:
    start = [datetime.date(2015 + i // 12, 1 + i % 12, 1) for i in range(n)]
    return pl.DataFrame({"month": start, "sold": np.sin(np.arange(n)) + 5})


@pytest.mark.parametrize(
    ("frame", "target", "text"),
    [
        (hourly(channels=2), "c1", "a row every hour: --horizon 24 forecasts the next 24 hours"),
        (hourly(100), "c0", "a row every hour: --horizon 10 forecasts the next 10 hours"),
        (months(), "sold", "a row every month: --horizon 6 forecasts the next 6 months"),
        (months(120), ["sold"], "a row every month: --horizon 12 forecasts the next 12 months"),
    ],
)
def test_who_names_a_target_is_told_once_how_to_forecast_it(frame: pl.DataFrame, target: Any, text: str) -> None:
    data = read(frame, target=target)
    assert data.reading.forecast is None
    assert said(data).count(text) == 1
    assert said(data).count("--horizon") == 1


def irregular() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    return hourly().with_columns(
        when=pl.lit(datetime.datetime(2024, 1, 1)) + pl.duration(minutes=rng.permutation(9000)[:400])
    )


@pytest.mark.parametrize(
    ("frame", "options"),
    [
        (irregular(), {"target": "c0"}),
        (hourly(30), {"target": "c0"}),
        (hourly().with_columns(word=pl.Series(["a", "b"] * 200)), {"target": "word"}),
        (hourly().with_columns(word=pl.Series(["a", "b"] * 200)), {"target": "c0"}),
        (hourly(), {"target": "c0", "horizon": "0"}),
        (hourly(), {"target": "c0", "horizon": 3}),
        (hourly(), {}),
        (hourly(), {"target": "c0", "check": False}),
    ],
    ids=["no step", "few rows", "words to predict", "words beside", "refused", "asked", "forecast", "unchecked"],
)
def test_nobody_else_is_told(frame: pl.DataFrame, options: dict[str, Any]) -> None:
    assert "--horizon" not in said(read(frame, **options))


@pytest.mark.parametrize("target", [None, "c0"])
def test_an_output_of_one_answer_a_row_makes_rows_of_it(target: str | None) -> None:
    assert pellucid.plan(hourly(), output="number", target=target).output["name"] == "number"
    assert pellucid.plan(read(hourly()), output="number").output["name"] == "number"
    with pytest.raises(PellucidError, match="the output 'category' cannot predict 'c0', a number"):
        pellucid.plan(hourly(), output="category", target=target)


def test_a_forecast_that_was_asked_for_stays_one() -> None:
    with pytest.raises(PellucidError, match="the output 'number' cannot predict 'c0'") as wrong:
        pellucid.plan(hourly(), horizon=5, output="number")
    assert "--horizon" in str(wrong.value.fix)
    with pytest.raises(PellucidError, match="the output 'future' cannot predict 'c0'") as wrong:
        pellucid.plan(hourly(), target="c0", output="future")
    assert "--horizon 24" in str(wrong.value.fix)
    assert pellucid.plan(hourly(), output="future").output["name"] == "future"
    with pytest.raises(UsageError):
        pellucid.plan(hourly(), output="futures")


def test_the_command_line_makes_rows_of_it_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hourly(120).write_csv("hours.csv")
    assert pellucid_command("train", "hours.csv", "--output", "number", "--budget", "2steps") == 0
    run = pellucid.load("runs/hours-dense")
    assert run.network.output.name == "number"
