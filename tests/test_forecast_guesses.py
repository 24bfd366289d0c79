"""What a forecast guesses where nobody said: what is known ahead, and which numbers are none to forecast."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from test_forecasts import hourly, read, said

import pellucid
from pellucid.data.timeline.step import find_break
from pellucid.data.timeline.uninformative import rises_evenly
from pellucid.data.timeline.windows import season_scales, target_windows
from pellucid.errors import PellucidError, UsageError
from pellucid.metrics.future import OF_FUTURES, Outcome
from pellucid.training.loader import Loader


def roles(data: Any) -> dict[str, str]:
    return {field.name: field.role for field in data.fields.values()}


def windy(known: int, n: int = 300) -> pl.DataFrame:
    """Hours whose wind tells the value, which is known of the first ``known`` of them."""
    wind = np.random.default_rng(1).normal(size=n)
    frame = hourly(n).with_columns(wind=pl.Series(wind), c0=pl.col("c0") + 3 * pl.Series(wind))
    return frame.with_columns(c0=pl.when(pl.int_range(n) < known).then("c0"))


# -- known ahead


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_value_that_is_missing_at_the_end_makes_nothing_known_ahead(newest_first: bool) -> None:
    frame = windy(299)
    data = read(frame.reverse() if newest_first else frame, target="c0", horizon=6)
    assert roles(data)["wind"] == "input"
    text = "column 'wind': goes on 1 hour after the last value of the target, and a forecast needs 6 hours"
    (note,) = (note for note in data.notes if text in str(note))
    assert note.level == "warning"
    assert "its past alone is read" in note.treatment
    assert note.fix == "--known wind if it is"


def test_a_run_on_such_a_table_forecasts_what_follows() -> None:
    """Read as known ahead, the wind made the score ten times better, and no forecast could be given."""
    run = pellucid.train(read(windy(299), target="c0", horizon=6), steps=1, size=0, save=False, progress=False)
    assert run.score.value > 0.7
    assert len(run.predict()) == 6


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("known", "role"), [(294, "known"), (295, "input"), (300, "input")])
def test_known_ahead_is_what_goes_on_for_a_horizon(newest_first: bool, known: int, role: str) -> None:
    frame = windy(known)
    data = read(frame.reverse() if newest_first else frame, target="c0", horizon=6)
    assert roles(data)["wind"] == role
    assert ("goes on" in said(data)) == (known < 300)


def test_a_guess_is_told_as_one() -> None:
    data = read(windy(276), target="c0", horizon=6)
    assert "known ahead, as it goes on 24 hours after the last value of the target" in data.fields["wind"].reason
    (note,) = (note for note in data.notes if "so it is taken for known ahead" in str(note))
    assert note.treatment == "predict needs it for every step ahead"
    assert "--ignore wind leaves it out" in note.fix
    assert data.reading.why == "as you asked; what is known ahead is a guess"
    assert read(windy(276), target="c0", horizon=6, known="wind").reading.why == "as you asked"
    assert "wind" not in data.reading.forecast.series
    assert roles(read(windy(276), target="c0", horizon=6, ignore=["wind"]))["wind"] == "ignore"


def test_a_target_that_begins_later_makes_nothing_known_ahead() -> None:
    frame = windy(300).with_columns(c0=pl.when(pl.int_range(300) >= 40).then("c0"))
    assert roles(read(frame.reverse(), target="c0", horizon=6))["wind"] == "input"


@pytest.mark.parametrize(
    ("ends", "role", "text"),
    [
        ((280, 280), "known", "goes on 20 hours after"),
        ((280, 290), "known", "goes on 10 to 20 hours after"),
        ((280, 0), "known", "goes on 20 hours after"),
        ((280, 298), "input", "goes on 2 to 20 hours after the last value of the target, and a forecast needs 6 hours "
         "in every series"),
        ((280, 300), "input", "goes on 20 hours after the last value of the target in 1 of 2 series"),
    ],
)  # fmt: skip
def test_of_many_series_it_goes_on_in_each(ends: tuple[int, int], role: str, text: str) -> None:
    """A series without any value of the target says nothing about it."""
    frame = pl.concat([windy(end).with_columns(shop=pl.lit(s)) for s, end in zip("ab", ends, strict=True)])
    for each in (frame, frame.reverse(), frame.sample(fraction=1.0, shuffle=True, seed=0)):
        data = read(each, target="c0", horizon=6, series="shop")
        assert roles(data)["wind"] == role
        assert text in said(data)


def test_words_that_go_on_for_less_than_a_horizon_are_left_out() -> None:
    offer = pl.Series("offer", ["none", "big", "small"] * 100)
    data = read(windy(298).with_columns(offer), target="c0", horizon=6)
    assert roles(data)["offer"] == "ignore"
    assert "left out, as words are read ahead only" in said(data)


# -- what is not forecast


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (pl.int_range(300).alias("row"), "named like an id"),
        (pl.int_range(300).alias("count"), "counts the rows from 0"),
        ((pl.int_range(300) * 0.25 + 7).alias("elapsed"), "only counts the rows"),
        ((900 - 3 * pl.int_range(300)).alias("left"), "only counts the rows"),
        (pl.lit(0.0).alias("zero"), "always 0, which says nothing"),
        (pl.when(pl.int_range(300) > 9).then(4).alias("four"), "always 4, which says nothing"),
        (pl.col("when").dt.hour().alias("h"), "the hour of 'when', which the calendar tells anyway"),
        ((pl.col("when").dt.weekday() - 1).alias("w"), "the weekday of 'when', which the calendar tells anyway"),
        (pl.col("when").dt.ordinal_day().alias("d"), "which the calendar tells anyway"),
    ],
)
def test_what_tells_nothing_is_not_forecast_unasked(column: pl.Expr, why: str) -> None:
    frame = hourly(300).with_columns(column)
    (name,) = set(frame.columns) - {"when", "c0"}
    for each in (frame, frame.reverse()):
        data = read(each, horizon=6)
        assert [field.name for field in data.targets] == ["c0"]
        assert "not forecast unless it is named as a target" in data.fields[name].reason
        assert f"column '{name}': left out" in said(data)
        assert data.reading.forecast.season == 24
    assert why in read(frame, horizon=6).fields[name].reason
    assert [field.name for field in read(frame, horizon=6, target=["c0", name]).targets] == ["c0", name]


def test_years_are_not_forecast_with_or_without_dates() -> None:
    months = [datetime.date(2015 + i // 12, 1 + i % 12, 1) for i in range(60)]
    frame = pl.DataFrame({"month": months, "year": [m.year for m in months], "sold": np.sin(np.arange(60))})
    data = read(frame, horizon=3)
    assert data.fields["year"].reason.startswith("the year of 'month', which the calendar tells anyway")
    plain = read(frame.drop("month"), horizon=3)
    assert plain.fields["year"].reason.startswith("years, which only count on")
    assert [f.name for f in (*data.targets, *plain.targets)] == ["sold", "sold"]


def test_a_number_that_counts_within_each_series_is_not_forecast() -> None:
    frame = pl.concat([hourly(90 + i).with_columns(shop=pl.lit(s), day=pl.int_range(90 + i) + 5 * i)
                       for i, s in enumerate("abc")])  # fmt: skip
    for each in (frame, frame.sample(fraction=1.0, shuffle=True, seed=0)):
        assert roles(read(each, horizon=6, series="shop"))["day"] == "ignore"
    assert not rises_evenly(np.array([0, 1, 2, 4, *range(5, 20)]), np.arange(19), np.zeros(19))
    assert not rises_evenly(np.arange(19) + 1e-4 * (np.arange(19) % 2), np.arange(19), np.zeros(19))


def test_beside_a_named_target_they_are_no_inputs() -> None:
    frame = hourly(300).with_columns(row=pl.int_range(300), zero=pl.lit(0), h=pl.col("when").dt.hour())
    assert roles(read(frame, horizon=6, target="c0")) == {
        "when": "time", "c0": "target", "row": "ignore", "zero": "ignore", "h": "input",
    }  # fmt: skip
    assert roles(read(frame, horizon=6, target="c0", known="row"))["row"] == "known"


def test_a_table_of_nothing_else_is_said_or_no_forecast() -> None:
    frame = hourly(300).select("when", pl.lit(5).alias("five"))
    assert read(frame).reading.forecast is None
    with pytest.raises(PellucidError, match=r"no column of numbers to forecast: 'five' is left out \(always 5"):
        read(frame, horizon=3)


# -- scales


def test_a_constant_channel_that_was_asked_for_is_in_no_scaled_error() -> None:
    """The baseline's MASE is that of the other channel alone, where it was half of it."""
    frame = hourly(300).with_columns(zero=pl.lit(0.0))
    scores = []
    for goals in (["c0"], ["c0", "zero"], ["zero", "c0"]):
        data = read(frame, horizon=6, target=goals)
        assert data.reading.forecast.season == 24
        run = pellucid.train(data, steps=1, size=0, save=False, progress=False)
        scores.append(run.baseline.value)
    assert scores == pytest.approx([scores[0]] * 3)


def test_scales_of_what_never_changed_are_below_0_and_errors_leave_it_out() -> None:
    flat = hourly(120).with_columns(shop=pl.lit("flat"), c0=pl.lit(3.0))
    frame = pl.concat([hourly(120, seed=1).with_columns(shop=pl.lit("a")), flat])
    data = read(frame, horizon=3, series="shop")
    fields = data.fitted()
    assert fields["c0"].state["scales"]["flat"] == 0
    scale = target_windows(data, [fields["c0"]]).scale
    assert scale is not None
    assert (scale[:120] > 0).all()
    assert scale[120:] == pytest.approx(-scale[:120])
    rows = np.array([60, 180])
    target = Loader.of(data, list(fields.values()), torch.device("cpu")).batch(torch.from_numpy(rows)).target
    task = data.network(trunk="mlp").output.task
    raw = torch.zeros(2, 6)
    answers, true = task.read_answers(raw, target)
    assert isinstance(true, Outcome)
    value = OF_FUTURES["MASE"].judge(answers, true)(np.ones((1, 2)))[0]
    alone = abs(answers[0, :, 0, 0] - true.values[0, :, 0]) / true.scale[0, 0]
    assert value == pytest.approx(alone.mean())
    # Where nothing ever changed, errors are told in units.
    only = read(flat, horizon=3, target="c0", series="shop")
    assert (target_windows(only, [only.fitted()["c0"]]).scale == 1).all()


def test_a_constant_stretch_counts_in_the_scale_as_it_is() -> None:
    data = read(hourly(60), horizon=3)
    values = np.concatenate([np.zeros(30), np.arange(30.0)])
    found = season_scales(data.timeline, values, np.arange(60), 1)
    assert found == {"": pytest.approx(29 / 59)}


# -- what is said


def test_the_time_column_is_known_ahead_anyway() -> None:
    data = read(hourly(300), target="c0", horizon=6, known="when")
    assert roles(data) == {"when": "time", "c0": "target"}
    assert data.timeline.step.amount == 3600
    assert "column 'when': says when, and the calendar is always known ahead" in said(data)
    two = hourly(300).with_columns(due=pl.col("when"))
    assert "dates beside those that say when" in read(two, target="c0", horizon=6, known="due").fields["due"].reason


@pytest.mark.parametrize("value", [pl.lit(None, pl.Float64), pl.lit(None, pl.Boolean), pl.lit(float("nan")),
                                   pl.lit(""), pl.lit(None)])  # fmt: skip
def test_a_column_without_a_value_is_said_to_have_none(value: pl.Expr) -> None:
    frame = hourly(300).with_columns(value.alias("gone"))
    assert read(frame, horizon=6).fields["gone"].reason == "it has no value"
    with pytest.raises(PellucidError, match="'gone' can't be forecast: it has no value"):
        read(frame, horizon=6, target="gone")


@pytest.mark.parametrize("form", ["{0}-Q{1}", "Q{1} {0}", "{0}Q{1}", "{0}-W{1:02}"])
def test_quarters_in_words_are_text(form: str) -> None:
    words = [form.format(2001 + i // 4, 1 + i % 4) for i in range(80)]
    data = read(pl.DataFrame({"q": words, "x": np.sin(np.arange(80))}), horizon=4)
    assert f"column 'q': left out: text such as '{words[0]}' is not read as dates" in said(data)


def test_a_stride_that_is_too_long_is_the_cause() -> None:
    data = read(hourly(300), horizon=4, stride=500)
    text = "a forecast every 500 hours, counted from where test begins, has none in train, which has 240 hours"
    assert text in said(data)
    with pytest.raises(PellucidError, match=text) as wrong:
        data.split()
    assert wrong.value.fix == "give a smaller --stride"


def test_parts_that_no_forecast_fits_into_are_said_before_training() -> None:
    data = read(hourly(130), horizon=24)
    for name in ("validation", "test"):
        assert f"no forecast of 24 hours fits into {name}, which has 13 hours" in said(data)
    assert "fits into" not in said(read(hourly(130), horizon=13))


def test_numbers_without_end_are_told_with_their_row(tmp_path: Path) -> None:
    frame = hourly(300).with_columns(c0=pl.when(pl.int_range(300) == 100).then(float("inf")).otherwise("c0"))
    frame.write_csv(tmp_path / "t.csv")
    data = pellucid.read(tmp_path / "t.csv", horizon=4, cache=False)
    assert "line 102, column 'c0': an infinite number counts as missing" in said(data)
    before = len(data.notes)
    data.fitted()
    assert len(data.notes) == before


@pytest.mark.parametrize(("year", "newest_first"), [(2204, False), (1904, False), (1904, True)])
def test_a_wrong_date_is_named_by_its_row(year: int, newest_first: bool) -> None:
    moments = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=i) for i in range(300)]
    moments[150] = datetime.datetime(year, 1, 1)
    frame = pl.DataFrame({"when": moments, "x": np.sin(np.arange(300))})
    with pytest.raises(PellucidError, match=f"the step breaks first at {year}-01-01") as wrong:
        read(frame.reverse() if newest_first else frame, horizon=4)
    assert wrong.value.where == ("row 149" if newest_first else "row 150")


def test_a_step_that_is_too_fine_breaks_at_no_row() -> None:
    with pytest.raises(PellucidError, match="moments would have none\n") as wrong:
        read(hourly(60), horizon=4, every="1s")
    assert wrong.value.where in (None, "")


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(37, "first broken at row 200"), (120, "row 200: rows are 1 hour apart up to here, and 2 hours from here on")],
)
def test_where_the_step_changes_is_said(minutes: int, text: str) -> None:
    start = datetime.datetime(2024, 1, 1)
    first = [start + datetime.timedelta(hours=i) for i in range(200)]
    second = [first[-1] + datetime.timedelta(minutes=minutes * (i + 1)) for i in range(100)]
    frame = pl.DataFrame({"when": first + second, "x": np.sin(np.arange(300))})
    assert text in said(read(frame, horizon=4))
    assert "apart up to here" not in said(read(hourly(300)[[*range(100), *range(103, 300)]], horizon=4))


def test_months_break_their_step_where_one_is_left_out() -> None:
    days = np.arange("2020-01", "2023-01", dtype="M8[M]").astype("M8[D]").astype("M8[s]").astype(float)
    assert find_break(days, np.zeros(36, np.int64)) == -1
    days[20] += 9 * 86400
    assert find_break(days, np.zeros(36, np.int64)) == 20
    assert find_break(np.full(5, np.nan), np.zeros(5, np.int64)) == -1


def test_whole_series_a_row_are_no_moments(tmp_path: Path) -> None:
    lines = ["@problemName x", "@timeStamps false", "@univariate true", "@classLabel true a b", "@data"]
    lines += [f"{i},{i + 1},{i + 2},{i % 3}:{'ab'[i % 2]}" for i in range(20)]
    (tmp_path / "x_TRAIN.ts").write_text("\n".join(lines))
    steps = {f"t{i}": np.sin(i / 5 + np.arange(30)) for i in range(20)}
    wide = pl.DataFrame({"who": [f"p{i}" for i in range(30)], "label": ["x", "y"] * 15, **steps})
    for source in (tmp_path / "x_TRAIN.ts", wide):
        with pytest.raises(PellucidError, match="each row is a whole series here") as wrong:
            pellucid.read(source, horizon=2, cache=False)
        assert "--series" in str(wrong.value.fix)


def test_several_columns_may_be_named_in_one_text() -> None:
    frame = windy(300).with_columns(pl.col("wind").reverse().alias("load"), pl.lit(1.5).alias("a,b"))
    data = read(frame, target="c0", horizon=6, known="wind, load", ignore=["a,b"])
    assert [roles(data)[name] for name in ("wind", "load", "a,b")] == ["known", "known", "ignore"]
    with pytest.raises(UsageError, match="'gust'"):
        read(frame, target="c0", horizon=6, known="wind,gust")
    shops = pl.concat([windy(200).with_columns(shop=pl.lit(a), item=pl.lit(b)) for a in "pq" for b in "rs"])
    data = read(shops, target="c0", horizon=6, series="shop,item")
    assert data.timeline is not None
    assert len(data.timeline.names) == 4


def test_series_that_are_too_short_to_be_scored_are_said() -> None:
    one = said(read(hourly(100), horizon=40))
    assert "there are 100 hours, less than three horizons of 40 hours: what is left of them for each set is" in one
    each = [hourly(n, seed=n).with_columns(shop=pl.lit(f"s{n}")) for n in (300, 301, 50)]
    many = said(read(pl.concat(each), horizon=40, series="shop"))
    assert "1 of 3 series has less than three horizons of 40 hours: what is left of it for each set is little" in many
    each[1] = each[1][:60]
    many = said(read(pl.concat(each), horizon=40, series="shop"))
    assert "2 of 3 series have less than three horizons of 40 hours: what is left of them" in many
