"""What a forecast reads beside numbers: what is said of a whole series, and words that are known ahead."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from test_forecasts import read, said

import pellucid
from pellucid.errors import PellucidError, UsageError
from pellucid.training.arrays import WindowRows
from pellucid.training.loader import Loader


def shops(days: int = 120, ahead: int = 0) -> pl.DataFrame:
    """Four shops by the day: their kind and size, an offer that is known ahead, weather that is not, and sales."""
    rng, rows = np.random.default_rng(3), []
    for s in range(4):
        for day in range(days + ahead):
            offer = ["none", "small", "big"][int(rng.integers(3))]
            sold = 10 * (1 + s % 2) + 5 * np.sin(2 * np.pi * day / 7) + {"none": 0, "small": 4, "big": 9}[offer]
            known = day < days
            rows.append({
                "day": datetime.date(2024, 1, 1) + datetime.timedelta(day), "shop": f"s{s}",
                "kind": ["city", "village"][s % 2] if known else None, "size": 100 + 10 * s,
                "offer": offer, "weather": ["mild", "cold"][day % 2] if known else None,
                "sales": sold + 0.1 * rng.normal() if known else None,
            })  # fmt: skip
    return pl.DataFrame(rows)


def roles(data: Any) -> dict[str, tuple[str, str]]:
    return {f.name: (f.kind, f.role) for f in data.fields.values()}


def test_what_is_said_of_a_series_and_in_words_is_read() -> None:
    data = read(shops(), target="sales", series="shop", horizon=7, known="offer")
    found = roles(data)
    assert found["kind"] == ("category", "input")
    assert found["size"] == ("number", "input")
    assert found["offer"] == ("channel", "known")
    assert found["sales"] == ("channel", "target")
    assert found["weather"][1] == "ignore"
    assert "the same all along a series" in data.fields["kind"].reason
    assert "words that are not known ahead" in said(data)
    assert "kind and size of each series and offer, known ahead" in " ".join(str(data).split())


def test_without_a_target_what_never_changes_is_not_forecast() -> None:
    data = read(shops().select("day", "shop", "size", "sales"), series="shop", horizon=7)
    assert [f.name for f in data.targets] == ["sales"]
    assert roles(data)["size"] == ("number", "input")


def test_of_one_series_nothing_is_static_and_a_constant_says_nothing() -> None:
    one = shops().filter(pl.col("shop") == "s0").drop("shop", "offer")
    found = roles(read(one, target="sales", horizon=7))
    assert found["kind"][1] == found["weather"][1] == "ignore"


def test_words_that_go_on_where_the_target_ends_are_known_ahead() -> None:
    one = shops(ahead=10).filter(pl.col("shop") == "s0").select("day", "offer", "weather", "sales")
    data = read(one, target="sales", horizon=7)
    assert roles(data)["offer"] == ("channel", "known")
    assert roles(data)["weather"][1] == "ignore"


@pytest.mark.parametrize("missing", [None, "n/a"])
def test_words_are_a_column_each(missing: str | None) -> None:
    frame = shops(60).filter(pl.col("shop") == "s0").select("day", "offer", "sales")
    frame = frame.with_columns(offer=pl.Series([missing, *frame["offer"][1:]]))
    data = read(frame, target="sales", horizon=3, known="offer", context=4)
    fitted = data.fitted()
    windows = Loader.of(data, [fitted["offer"], fitted["sales"]], torch.device("cpu")).arrays["channel:time"]
    assert isinstance(windows, WindowRows)
    words = fitted["offer"].settings["words"]
    assert words == ["big", "none", "small"]
    assert int(fitted["sales"].settings["place"]) == len(words)
    wanted = (frame["offer"].to_numpy()[:, None] == np.array(words)).astype(float)
    np.testing.assert_array_equal(windows.values[1:, :3].numpy(), wanted[1:])
    assert windows.values[0, :3].isnan().all()
    # Known from the row on, and the target is not.
    row = windows.gather(torch.tensor([20]))[0]
    np.testing.assert_array_equal(row[4:, :3].numpy(), wanted[20:23])
    assert row[4:, 3].isnan().all()


@pytest.fixture(scope="module")
def shop_run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("shops")
    return pellucid.train(shops(ahead=14), target="sales", series="shop", horizon=7, known="offer",
                          budget="3steps", out=path / "run", split="rest,14steps,14steps")  # fmt: skip


def test_words_known_ahead_lower_the_error(shop_run: Any) -> None:
    # Noise is all that is left, where the offer is worth 4 or 9.
    found = shop_run.predict([], steps=7)
    wanted = {"none": 0.0, "small": 4.0, "big": 9.0}
    frame = shops(ahead=14).filter(pl.col("sales").is_null()).group_by("shop", maintain_order=True).head(7)
    day = (frame["day"] - pl.Series([datetime.date(2024, 1, 1)])).dt.total_days().to_numpy()
    level = np.where(frame["shop"].is_in(["s1", "s3"]), 20.0, 10.0)
    true = level + 5 * np.sin(2 * np.pi * day / 7) + np.array([wanted[one] for one in frame["offer"]])
    assert np.abs(np.array([one["value"] for one in found]) - true).mean() < 0.5


def test_a_forecast_says_of_each_series_what_its_last_rows_did(shop_run: Any) -> None:
    """Rows ahead need not repeat it, whatever order rows come in."""
    frame = shops(ahead=14)
    usual = [one["value"] for one in shop_run.predict(frame, steps=10)]
    mixed = frame.sample(fraction=1.0, shuffle=True, seed=1)
    np.testing.assert_allclose([one["value"] for one in shop_run.predict(mixed, steps=10)], usual, rtol=1e-5)
    full = frame.with_columns(pl.col("kind").forward_fill())
    np.testing.assert_allclose([one["value"] for one in shop_run.predict(full, steps=10)], usual, rtol=1e-5)


def test_words_that_are_new_are_said(shop_run: Any) -> None:
    frame = shops(ahead=14).with_columns(pl.col("offer").replace({"big": "huge"}))
    found = shop_run.predict(frame, steps=7)
    assert "'huge'" in "\n".join(str(note) for note in found.notes)


def test_words_that_stop_too_soon_are_asked_for(shop_run: Any) -> None:
    with pytest.raises(PellucidError, match="'offer' of 's0' must be known 7 days ahead, but is known for only 0 days"):
        shop_run.predict(shops(), steps=7)


def test_a_stranger_may_not_change_the_number_of_words(shop_run: Any) -> None:
    field = next(f for f in shop_run.fields if f.name == "offer")
    form = field.traits.state("known", field.settings)
    form(dict(field.state), "state")
    with pytest.raises(ValueError, match="words"):
        form({**field.state, "words": 4}, "state")


def test_several_columns_are_named_with_commas_between() -> None:
    frame = shops().with_columns(
        town=pl.lit("here"), wind=pl.Series(np.random.default_rng(0).normal(size=len(shops())))
    )
    data = read(frame, target="sales", series="shop,town", horizon=7, known="offer, wind")
    found = {field.name: field.role for field in data.fields.values()}
    assert [found[name] for name in ("shop", "town", "offer", "wind")] == ["series id", "series id", "known", "known"]
    # A name that has a comma itself stays one.
    whole = read(shops().rename({"offer": "offer,size"}), target="sales", series="shop", horizon=7, known="offer,size")
    assert whole.fields["offer,size"].role == "known"
    with pytest.raises(UsageError, match="Unknown column 'oofer'"):
        read(frame, target="sales", series="shop", horizon=7, known="oofer,wind")
