"""New rows for a run that forecasts: their step, their series, what comes before them, and steps beyond the horizon."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_forecast_columns import shops as offers
from test_forecasts import hourly, read, said

import pellucid
from pellucid.data.timeline.forecast import Forecast
from pellucid.data.timeline.step import Step
from pellucid.data.timeline.timeline import build_timeline
from pellucid.data.timeline.windows import fitting_places, phases_of
from pellucid.errors import PellucidError, UsageError
from pellucid.runs import forecast_pieces
from pellucid.runs.forecasts import RECENT
from pellucid.storage.folder import Folder
from pellucid.storage.names import SOLVED


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of hours with a column whose past alone is read."""
    path = tmp_path_factory.mktemp("load")
    return pellucid.train(
        hourly(300, 2), target="c0", horizon=6, context=24, season=24, budget="1steps", out=path / "run", solved=False
    )


def notes_of(found: Any) -> str:
    return "\n".join(str(note) for note in found.notes)


# -- steps


def test_a_step_shorter_than_the_rows_own_is_said() -> None:
    text = said(read(hourly(300), horizon=12, every="30min"))
    assert "rows come every hour, so of the steps of 30 minutes 50% have no row" in text
    assert "299 moments without a row, in 299 gaps" in text
    usual = said(read(hourly(300), horizon=4, every="2h"))
    assert "have no row" not in usual
    assert "without a row" not in usual


def test_gaps_of_rows_that_are_brought_to_a_step_are_said() -> None:
    frame = hourly(300).filter(~pl.int_range(300).is_between(100, 109))
    assert "5 moments without a row, in 1 gap" in said(read(frame, horizon=4, every="2h"))


@pytest.mark.parametrize("steps", ["1d", 2.5, 2.0, True, float("nan")])
def test_what_is_no_number_of_steps_is_an_error(load: Any, steps: Any) -> None:
    with pytest.raises(UsageError, match=re.escape(f"'{steps}' is no whole number of steps")):
        load.predict(steps=steps)


def test_any_kind_of_whole_number_is_one_of_steps(load: Any) -> None:
    assert len(load.predict(steps=np.int64(3))) == 3
    with pytest.raises(UsageError, match="0 steps can't be forecast"):
        load.predict(steps=0)


def test_columns_that_end_with_the_past_are_named_beyond_the_horizon(load: Any) -> None:
    text = notes_of(load.predict(steps=7))
    assert "of 'c1' nothing is known from there on: values beyond 6 hours count as missing" in text
    assert "nothing is known" not in notes_of(load.predict(steps=6))


# -- the step of new rows


def moments_every(step: str, n: int = 60, start: str = "2024-02-01") -> pl.DataFrame:
    begin = pl.Series([start]).str.to_datetime()[0]
    when = pl.select(pl.lit(begin).dt.offset_by(pl.format("{}" + step, pl.int_range(n)))).to_series()
    return hourly(n, 2, seed=1).with_columns(when=when)


@pytest.mark.parametrize(
    ("step", "own"), [("m", "minute"), ("h", ""), ("d", "day"), ("mo", "month"), ("w", "week"), ("y", "year")]
)
def test_rows_at_another_step_than_the_runs_are_refused(load: Any, step: str, own: str) -> None:
    frame = moments_every(step)
    if not own:
        assert len(load.predict(frame)) == 6
        return
    for use in (load.predict, load.evaluate):
        with pytest.raises(PellucidError) as error:
            use(frame)
        assert error.value.what == f"the new rows come every {own}, and this run reads a row every hour"
        assert error.value.fix == "give a row every hour, as in training"


def test_quarters_and_pairs_of_hours_are_refused_and_gaps_are_not(load: Any) -> None:
    hours, quarters = moments_every("h", 120), moments_every("m", 900).gather_every(15)
    with pytest.raises(PellucidError, match="every 15 minutes, and this run reads a row every hour"):
        load.predict(quarters)
    with pytest.raises(PellucidError, match="every 2 hours, and this run reads a row every hour"):
        load.predict(hours.gather_every(2))
    # Two thirds of the rows are gone, and still some follow one another by an hour.
    thin = hours.filter(pl.Series(np.random.default_rng(0).random(120) < 0.4))
    notes = load.predict(thin).notes
    assert "moments without a row" in notes_of(load.predict(thin))
    # No option of training is advised, which predict has not.
    assert not any("--" in note.fix for note in notes)
    assert len(load.predict(hours[[0, 2, 5]])) == 6


DAYS = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 12, 31), eager=True)


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of business days: of each the square of its number in the week."""
    path = tmp_path_factory.mktemp("offices")
    return pellucid.train(daily(DAYS.filter(DAYS.dt.weekday() < 6)), horizon=5, context=10, budget="1steps",
                          out=path / "run", solved=False)  # fmt: skip


def daily(days: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"day": days, "x": days.dt.weekday().cast(pl.Float64) ** 2})


@pytest.mark.parametrize("doubles", ["first", "last"])
def test_rows_of_weekends_are_left_out_of_business_days(offices: Any, doubles: str) -> None:
    about = replace(Forecast.from_json(offices.record["data"]["forecast"]), doubles=doubles)
    assert about.step == Step("workday")
    offices.record["data"]["forecast"] = about.to_json()
    data = offices._read_new(daily(DAYS[:98]), need_target=True)
    assert "28 rows of a weekend are left out, this one first: the run reads business days" in said(data)
    assert "several rows" not in said(data)
    line = data.timeline
    assert line.arrange(np.asarray(data.stored_values("x").arrays["value"])).tolist() == [1, 4, 9, 16, 25] * 14
    assert len(offices.predict(daily(DAYS[:98]))) == 5
    assert offices.evaluate(daily(DAYS[:98])).score.n > 20


def test_weeks_and_months_are_none_of_business_days(offices: Any) -> None:
    for step, own in ((7, "week"), (1, "")):
        frame = daily(DAYS.gather_every(step))
        if not own:
            assert len(offices.predict(frame)) == 5
            continue
        with pytest.raises(PellucidError, match=f"every {own}, and this run reads a row every business day"):
            offices.predict(frame)


def test_business_days_are_days_with_gaps_for_a_run_of_days(tmp_path: Path) -> None:
    run = pellucid.train(daily(DAYS), horizon=7, budget="1steps", out=tmp_path / "run", solved=False)
    assert "moments without a row" in notes_of(run.predict(daily(DAYS.filter(DAYS.dt.weekday() < 6))))


def test_wrong_dates_are_no_reason_to_advise_an_option_that_is_not_there(load: Any) -> None:
    frame = moments_every("h", 60)
    frame = frame.with_columns(when=pl.when(pl.int_range(60) == 7).then(pl.datetime(2124, 1, 1)).otherwise("when"))
    with pytest.raises(PellucidError, match="would have none") as error:
        load.predict(frame)
    assert error.value.fix == "look for wrong dates"


def test_a_forecast_takes_no_text(load: Any) -> None:
    with pytest.raises(UsageError, match="--text is for runs that read texts; this run forecasts"):
        load.predict(texts=["what comes next?"])


# -- series


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of three shops and of one that never sold anything that is known."""
    path = tmp_path_factory.mktemp("shops")
    each = [hourly(120, seed=i).with_columns(shop=pl.lit(name)) for i, name in enumerate("abc")]
    gone = hourly(120).with_columns(pl.lit(None, pl.Float64).alias("c0"), shop=pl.lit("gone"))
    return pellucid.train(pl.concat([gone, *each]), series="shop", horizon=4, context=24, season=24, budget="1steps",
                          out=path / "run", solved=False)  # fmt: skip


def test_a_series_without_a_value_has_no_forecast(shops: Any) -> None:
    found = shops.predict()
    assert found.to_frame()["series"].to_list() == [name for name in "abc" for _ in range(4)]
    assert found.to_frame()["row"].to_list() == list(range(12))
    assert set(found.to_frame()["time"].str.slice(0, 10)) == {"2024-01-06"}
    assert "'gone' has no known value to forecast from: left out" in notes_of(found)
    assert "steps of context" not in notes_of(found)


def test_series_without_a_value_are_left_out_of_blocks(shops: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shops.predict(steps=6).to_frame()
    monkeypatch.setattr(forecast_pieces, "BLOCK_ROWS", 1)
    again = shops.predict(steps=6).to_frame()
    assert again.drop("value", "low", "high").equals(whole.drop("value", "low", "high"))
    np.testing.assert_allclose(again["value"], whole["value"], rtol=1e-4)


def test_a_series_that_is_new_is_named(shops: Any) -> None:
    new = hourly(120, seed=1).with_columns(shop=pl.lit("new"))
    found = shops.predict(new)
    assert "series 'new' was not in training" in notes_of(found)
    assert found.to_frame()["series"].to_list() == ["new"] * 4
    both = pl.concat([new, new.with_columns(shop=pl.lit("b")), new.with_columns(shop=pl.lit("newer"))])
    assert "series 'new' and 'newer' were not in training" in notes_of(shops.evaluate(both))
    assert "in training" not in notes_of(shops.predict(new.with_columns(shop=pl.lit("b"))))
    assert "in training" not in notes_of(shops.predict())


def test_series_whose_names_join_to_the_same_stay_apart() -> None:
    pairs = (("p", "q · r"), ("p · q", "r"), ("'p", "q' · r"), ("p", "q"))
    frame = pl.concat([
        hourly(120, seed=i).with_columns(pl.col("c0") * 10**i, shop=pl.lit(a), item=pl.lit(b))
        for i, (a, b) in enumerate(pairs)
    ])  # fmt: skip
    data = read(frame, horizon=6, series=["shop", "item"])
    assert len(data.timeline.names) == len(set(data.timeline.names)) == 4
    assert {"p · 'q · r'", "'p · q' · r", "p · q"} < set(data.timeline.names)
    assert "several rows" not in said(data)
    assert len(data.fitted()["c0"].state["scales"]) == 4


# -- what comes before new rows


def later(n: int, first: int = 300) -> pl.DataFrame:
    """Rows of the data that the run of hours was trained on the first 300 of."""
    whole = hourly(300, 2)
    rest = hourly(400, 2, seed=9)
    return pl.concat([whole, rest[300:]])[first : first + n]


def test_rows_that_follow_on_are_forecast_as_with_those_before(load: Any, tmp_path: Path) -> None:
    whole, alone = load.predict(later(5, 0).vstack(later(300, 5)).vstack(later(5))), load.predict(later(5))
    assert "48 rows that the run keeps, which these follow on, are put before them" in notes_of(alone)
    assert "that the run keeps" not in notes_of(whole)
    assert "steps of context" not in notes_of(alone)
    assert [row["time"] for row in alone] == [row["time"] for row in whole]
    assert [row["value"] for row in alone] == pytest.approx([row["value"] for row in whole], rel=1e-5)
    # However they are written.
    comma = [pl.col(name).cast(pl.String).str.replace(r"\.", ",") for name in ("c0", "c1")]
    table = later(5).with_columns(pl.col("when").dt.strftime("%d.%m.%Y %H:%M"), *comma)
    table.write_csv(tmp_path / "new.csv", separator=";")
    written = load.predict(tmp_path / "new.csv")
    assert [row["time"] for row in written] == [row["time"] for row in whole]
    assert [row["value"] for row in written] == pytest.approx([row["value"] for row in whole], rel=1e-5)


def test_rows_that_follow_on_are_scored_from_the_first(load: Any) -> None:
    scored = load.evaluate(later(29))
    assert scored.score.n == 29 - 6 + 1
    longer = load._read_new(later(100, 229), need_target=True)
    rows = np.arange(71, 95)
    assert longer.usable_rows()[-24:].tolist() == rows.tolist()
    answers, true = load._answer_rows(longer, rows, with_target=True)
    data = load._read_new(later(29), need_target=True)
    mine, same = load._answer_rows(data, data.usable_rows(), with_target=True)
    np.testing.assert_allclose(mine.numpy(), answers.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(same.numpy()[:, :6], true.numpy()[:, :6])
    assert data.place(48) == "row 0"
    assert data.place(3) == "row 3 that the run keeps"


@pytest.mark.parametrize("form", ["numbers", "text", "flags"])
def test_weighted_rows_follow_on_as_others_do(load: Any, tmp_path: Path, form: str) -> None:
    new: Any = later(29).with_columns(w=(pl.int_range(29) % 3).cast(pl.Float64) / 2)
    if form == "flags":
        new = new.with_columns(pl.col("w") > 0)
    if form == "text":
        new.with_columns(pl.col("w").cast(pl.String).str.replace(r"\.", ",")).write_csv(
            tmp_path / "w.csv", separator=";"
        )
        new = tmp_path / "w.csv"
    scored = load.evaluate(new, weights="w")
    assert "48 rows that the run keeps" in notes_of(scored)
    alike = load.evaluate(later(29))
    assert scored.score.n == alike.score.n == 24
    assert scored.score.value != alike.score.value
    data = load._read_new(new, need_target=True, weights="w")
    wanted = np.arange(29) % 3 / 2
    np.testing.assert_array_equal(data.row_weights()[48:], wanted > 0 if form == "flags" else wanted)
    ones = load.evaluate(later(29).with_columns(w=pl.lit(2.0)), weights="w")
    assert ones.score.value == pytest.approx(alike.score.value)


def test_rows_that_repeat_some_of_the_last_ones_follow_on_as_well(load: Any) -> None:
    found = load.predict(later(8, 297))
    assert "45 rows that the run keeps" in notes_of(found)
    assert [row["value"] for row in found] == pytest.approx([row["value"] for row in load.predict(later(5))], rel=1e-5)


def test_rows_that_do_not_follow_on_are_said_to_lack_the_past(load: Any) -> None:
    found = load.predict(later(4, 310))
    text = "the series has only 4 of 24 steps of context: intervals are too narrow; give the 20 rows before"
    assert text in notes_of(found)
    assert "that the run keeps" not in notes_of(found)
    with pytest.raises(PellucidError) as error:
        load.evaluate(later(9, 310))
    wanted = "6 that it looks back on, better 24, and the 6 that it is scored on"
    assert error.value.what == f"no forecast can be scored: there are 9 moments, and it takes 12: {wanted}"
    assert error.value.fix == "give 3 rows more of the time before"
    assert load.evaluate(later(12, 310)).score.n == 1
    empty = later(30, 310).with_columns(pl.lit(None, pl.Float64).alias("c0"))
    with pytest.raises(PellucidError, match="no value is known where one could be"):
        load.evaluate(empty)


def test_too_few_rows_that_follow_on_are_said_to_be_too_few(load: Any) -> None:
    with pytest.raises(PellucidError) as error:
        load.evaluate(later(2))
    assert error.value.what == "no forecast can be scored: the next one of 6 hours ends 4 hours after the last row"
    assert error.value.fix == "give 4 rows more of the time after"
    assert load.evaluate(later(6)).score.n == 1


def test_each_series_is_joined_to_its_own(shops: Any) -> None:
    new = [hourly(130, seed=i).with_columns(shop=pl.lit(name))[120:] for i, name in enumerate("abc")]
    late = new[2].with_columns(pl.col("when") + pl.duration(days=2))
    whole = pl.concat([hourly(130, seed=i).with_columns(shop=pl.lit(name)) for i, name in enumerate("ab")])
    found, wanted = shops.predict(pl.concat([*new[:2], late])), shops.predict(whole)
    assert "96 rows that the run keeps" in notes_of(found)
    assert "'c' has only 10 of 24 steps" not in notes_of(found)
    values = [row["value"] for row in found if row["series"] != "c"]
    assert values == pytest.approx([row["value"] for row in wanted], rel=1e-4)


def test_business_days_follow_on_over_a_weekend(offices: Any) -> None:
    days = pl.date_range(pl.date(2025, 1, 1), pl.date(2025, 1, 3), eager=True)
    assert "rows that the run keeps" in notes_of(offices.predict(daily(days)))
    days = pl.date_range(pl.date(2025, 1, 2), pl.date(2025, 1, 3), eager=True)
    assert "rows that the run keeps" not in notes_of(offices.predict(daily(days)))


@pytest.mark.parametrize("written", [False, True])
def test_what_is_known_ahead_needs_no_column_of_the_target(tmp_path: Path, written: bool) -> None:
    whole = offers(130, ahead=7)
    some = pl.col("day") < pl.date(2024, 4, 30)
    run = pellucid.train(whole.filter(some), target="sales", series="shop", horizon=7, known="offer", budget="1steps",
                         context=28, out=tmp_path / "run", split="rest,14steps,14steps")  # fmt: skip
    new = whole.filter(~some).with_columns(pl.lit(None, pl.Float64).alias("sales"))
    given: Any = new.drop("sales")
    if written:
        given = tmp_path / "new.csv"
        new.drop("sales").write_csv(given)
    found, wanted = run.predict(given), run.predict(new)
    assert "the column 'sales' is not there and is read as empty" in notes_of(found)
    assert [dict(row) for row in found] == [dict(row) for row in wanted]
    # To be scored it must be there, and so it must where nothing of it is kept, or by its own name.
    with pytest.raises(PellucidError, match="the column 'sales' is missing"):
        run.evaluate(given)
    with pytest.raises(PellucidError, match="Did you mean 'sale'"):
        run.predict(new.rename({"sales": "sale"}))
    late = new.drop("sales").with_columns(pl.col("day") + pl.duration(days=3))
    with pytest.raises(PellucidError) as error:
        run.predict(late)
    said = "the column 'sales' is missing, and the rows do not follow on where the run's own end"
    assert error.value.what == said
    assert error.value.fix == "add it, empty where it is not known"


@pytest.mark.parametrize("written", [False, True])
def test_words_and_what_is_said_of_series_are_joined(tmp_path: Path, written: bool) -> None:
    """New rows may be a file of text, where the run kept numbers and dates."""
    whole = offers(130, ahead=7)
    some = pl.col("day") < pl.date(2024, 4, 30)
    old, new = whole.filter(some), whole.filter(~some)
    run = pellucid.train(old, target="sales", series="shop", horizon=7, known="offer", budget="1steps", context=28,
                         out=tmp_path / "run", split="rest,14steps,14steps")  # fmt: skip
    given: Any = new
    if written:
        new.write_csv(tmp_path / "new.csv")
        given = tmp_path / "new.csv"
    found, wanted = run.predict(given), run.predict(whole)
    assert "that the run keeps, which these follow on" in notes_of(found)
    assert "was not" not in notes_of(found)
    assert [row["input"] for row in found] == [row["input"] for row in wanted]
    assert [row["value"] for row in found] == pytest.approx([row["value"] for row in wanted], rel=1e-4)


# -- where forecasts of new rows start


def starts_of(run: Any, frame: pl.DataFrame) -> pl.Series:
    """When the forecasts of new rows start that are scored."""
    data = run._read_new(frame, need_target=True)
    line = data.timeline
    return pl.from_epoch(pl.Series(line.moments(line.place[data.usable_rows()])).cast(pl.Int64))


def test_forecasts_of_new_rows_start_at_the_runs_own_hour(tmp_path: Path) -> None:
    whole = hourly(600)
    run = pellucid.train(whole[:344], target="c0", horizon=24, stride=24, context=48, budget="1steps",
                         split="rest,48steps,48steps", out=tmp_path / "run", solved=False)  # fmt: skip
    assert run.record["data"]["forecast"]["phases"].keys() == {""}
    # Test begins at 8, and these rows follow on at 8; others begin at any hour.
    for first, count in ((344, 10), (340, 10), (351, 9), (380, 8)):
        starts = starts_of(run, whole[first:])
        assert set(starts.dt.hour()) == {8}, first
        assert len(starts) == count, first
    assert run.evaluate(whole[344:]).score.n == 10
    # Between two starts there are rows enough for a forecast, and none begins.
    with pytest.raises(PellucidError) as error:
        run.evaluate(whole[346:391])
    assert error.value.what == "no forecast can be scored: the next one of 24 hours ends 1 hour after the last row"
    assert run.evaluate(whole[346:392]).score.n == 1
    # An older run did not write it down: its places are counted from the first row that there is.
    del run.record["data"]["forecast"]["phases"]
    assert set(starts_of(run, whole[344:]).dt.hour()) == {(344 - 72) % 24}


def test_each_series_keeps_its_own_phase(tmp_path: Path) -> None:
    lengths = {"a": 300, "b": 300, "c": 305}
    each = {name: hourly(500, seed=i).with_columns(shop=pl.lit(name)) for i, name in enumerate("abcd")}
    run = pellucid.train(pl.concat([each[name][:n] for name, n in lengths.items()]), target="c0", series="shop",
                         horizon=12, stride=12, context=24, season=24, split="rest,24steps,24steps", budget="1steps",
                         out=tmp_path / "run", solved=False)  # fmt: skip
    assert run.record["data"]["forecast"]["phases"].keys() == {"", "c"}
    new = pl.concat([frame[lengths.get(name, 300) :] for name, frame in each.items()])
    data = run._read_new(new, need_target=True)
    line, rows = data.timeline, data.usable_rows()
    place = line.place[rows]
    hour = line.moments(place) // 3600 % 12
    of = np.array(line.names)[line.series_of(place)]
    assert {name: set(hour[of == name]) for name in "abcd"} == {"a": {0}, "b": {0}, "c": {5}, "d": {0}}


@pytest.mark.parametrize("step", [Step("month", 1), Step("workday"), Step("second", 900)], ids=str)
def test_a_phase_is_kept_at_any_step(step: Step) -> None:
    start = np.array([float(np.datetime64("2019-03-04").astype("M8[s]").astype(int))])
    about = Forecast(3, 8, step, stride=5)
    moments = step.moments(np.repeat(start, 60), np.arange(60))
    line = build_timeline(moments, np.zeros(60, np.int64), ("",), step)
    phases = phases_of(line, about, np.array([7, 12, 17]))
    assert phases == {"": moments[7]}
    for first in (0, 20, 33):
        new = build_timeline(moments[first:], np.zeros(60 - first, np.int64), ("",), step)
        fits = fitting_places(new, replace(about, phases=phases), np.zeros(new.places))
        assert set((np.flatnonzero(fits) + first) % 5) == {2}


def test_rows_without_dates_are_counted_from_the_first_new_one(tmp_path: Path) -> None:
    whole = hourly(600).drop("when")
    run = pellucid.train(whole[:345], target="c0", horizon=24, stride=24, context=48, season=24, budget="1steps",
                         out=tmp_path / "run", solved=False)  # fmt: skip
    assert run.record["data"]["forecast"]["phases"] == {}
    assert (run._read_new(whole[345:], need_target=True).usable_rows() % 24 == 0).all()


# -- run folders of strangers


@pytest.mark.parametrize("column", ["shop", "when", "c0"])
def test_last_rows_without_a_column_are_damaged(shops: Any, tmp_path: Path, column: str) -> None:
    shutil.copytree(shops.path, tmp_path / "run")
    folder, buffer = Folder.open(tmp_path / "run"), io.BytesIO()
    pl.read_parquet(io.BytesIO(folder.read(RECENT))).drop(column).write_parquet(buffer)
    folder.write(RECENT, buffer.getvalue())
    run = pellucid.load(tmp_path / "run")
    new = hourly(160)[120:].with_columns(shop=pl.lit("a"))
    for use in (run.predict, lambda: run.predict(new), lambda: run.evaluate(new)):
        with pytest.raises(PellucidError, match=re.escape(f"it is damaged (without '{column}')")):
            use()


def test_a_ridge_solved_on_other_rows_is_damaged(tmp_path: Path) -> None:
    hourly(200).write_csv(tmp_path / "t.csv")
    path = pellucid.train(tmp_path / "t.csv", target="c0", horizon=6, steps=2, size=0, out=tmp_path / "runs").path
    folder = Folder.open(path)
    tensors, about = folder.load_tensors(SOLVED)
    folder.save_tensors(SOLVED, tensors | {"fold": tensors["fold"][:5]}, about)
    record = folder.read_json("run.json")
    record["network"]["solved"]["settings"]["rows"] = 5
    folder.write_json("run.json", record)
    with pytest.raises(PellucidError, match=r"it is damaged \(ridge\.fold is of 5 rows, and the data has 200\)"):
        pellucid.resume(path, more="1steps")
