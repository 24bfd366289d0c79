"""Forecasts of many steps and of many series: in pieces, with progress, the same as at once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from rich.progress import Progress
from test_forecasts import hourly

import pellucid
from pellucid.cli.show_predictions import AnswerBar
from pellucid.runs import forecast_pieces
from pellucid.runs.predictions import Predictions


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("one")
    return pellucid.train(hourly(200, 2), horizon=6, context=24, budget="2steps", out=path / "run")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """400 series of 60 hours each, which go up by 1 from one to the next."""
    frame = hourly(60)
    each = [frame.with_columns(pl.col("c0") + s, shop=pl.lit(f"s{s:03d}")) for s in range(400)]
    path = tmp_path_factory.mktemp("many")
    return pellucid.train(pl.concat(each), series="shop", horizon=5, context=24, budget="2steps", out=path / "run")


def test_400_series_in_one_call(many: Any) -> None:
    found = many.predict()
    assert len(found) == 400 * 5
    frame = found.to_frame()
    assert frame["series"].to_list() == [f"s{s:03d}" for s in range(400) for _ in range(5)]
    assert frame["step"].to_list() == [1, 2, 3, 4, 5] * 400
    assert frame["row"].to_list() == list(range(2000))
    mean = frame.group_by("series", maintain_order=True).agg(pl.col("value").mean())["value"].to_numpy()
    np.testing.assert_allclose(mean, 10 + np.arange(400), atol=1.5)


@pytest.mark.parametrize(("which", "steps"), [("one", 20), ("one", 6), ("one", 3), ("many", 12)])
@pytest.mark.parametrize(("block", "piece"), [(1 << 22, 7), (100, 64), (1, 1 << 16)])
def test_pieces_together_are_the_whole(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, which: str, steps: int, block: int, piece: int
) -> None:
    run = request.getfixturevalue(which)
    whole = run.predict(steps=steps).to_frame()
    monkeypatch.setattr(forecast_pieces, "BLOCK_ROWS", block)
    monkeypatch.setattr(forecast_pieces, "PIECE_ROWS", piece)
    pieces = run.predict_pieces([], steps=steps)
    heard: list[int] = []
    pieces.advance = heard.append
    found = list(pieces)
    assert max(len(part) for part in found) <= piece
    assert sum(heard) == len(pieces) == len(whole)
    again = Predictions.joined(found).to_frame()
    numbers = ["value", "low", "high"]
    assert again.drop(numbers).equals(whole.drop(numbers))
    # A batch of another size rounds otherwise.
    np.testing.assert_allclose(again.select(numbers).to_numpy(), whole.select(numbers).to_numpy(), rtol=1e-4)
    if which == "one":
        # Gone through a second time they are the same: nothing of the first is left in the data.
        assert Predictions.joined(list(pieces)).to_frame().equals(again)


def test_the_first_piece_of_a_long_forecast_waits_for_no_other(one: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_pieces, "PIECE_ROWS", 24)
    pieces = one.predict_pieces([], steps=1000)
    heard: list[int] = []
    pieces.advance = heard.append
    assert len(next(iter(pieces))) == 24
    assert sum(heard) == 24
    assert len(pieces) == 2000


def test_a_bar_on_a_terminal_moves_with_every_round(one: Any) -> None:
    bar = Progress(console=Console(file=io.StringIO(), force_terminal=True), auto_refresh=False)
    progress = AnswerBar(bar)
    progress.reading()
    assert bar.tasks[0].total is None
    steps: list[float] = []
    pieces = one.predict_pieces([], steps=60)
    answered = progress.each(pieces)
    advance = bar.advance
    bar.advance = lambda task, rows: (advance(task, rows), steps.append(bar.tasks[0].completed))  # type: ignore[assignment]
    assert sum(len(piece) for piece in answered) == bar.tasks[0].total == 120
    # 6 steps of 2 channels a round.
    assert steps == [12.0 * (i + 1) for i in range(10)]
    assert "120 rows" in bar.tasks[0].description


def test_a_long_forecast_is_written_whole(one: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_pieces, "PIECE_ROWS", 50)
    from test_cli import pellucid_command

    assert pellucid_command("predict", str(one.path), "--steps", "333", "--out", str(tmp_path / "next.csv")) == 0
    table = pl.read_csv(tmp_path / "next.csv")
    assert len(table) == 666
    assert table["step"].to_list() == [step for step in range(1, 334) for _ in range(2)]
    assert np.isfinite(table["value"].to_numpy()).all()
