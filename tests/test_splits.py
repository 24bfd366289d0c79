"""Splits of every honest sort: shares, columns, groups, time."""

# ruff: noqa: E501  (messages stand on one line each)

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid
from pellucid import PellucidError
from pellucid.data.splits.by_group import by_group
from pellucid.data.splits.by_time import by_time, seconds_of
from pellucid.data.splits.grouping import group_of
from pellucid.data.splits.spec import SplitSpec, parse_split
from pellucid.data.splits.time_spans import Span
from pellucid.dataset import read as read_data
from pellucid.errors import UsageError
from pellucid.fields import Column
from pellucid.metrics.base import mean_of
from pellucid.metrics.bootstrap import bootstrap_interval

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


def real(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"the shared data file {name} is not here ({SHARED})")
    return SHARED / name


def visits(n: int = 200, people: int = 20) -> dict[str, list[Any]]:
    """Rows of some patients, some of whom are ill, over 200 days."""
    rng = np.random.default_rng(0)
    who = rng.integers(0, people, n)
    days = [datetime(2020, 1, 1) + timedelta(days=i) for i in range(n)]
    return {
        "dose": rng.normal(size=n).tolist(),
        "patient": [f"p{i}" for i in who],
        "day": days,
        "ill": ["yes" if i % 4 == 0 else "no" for i in who],
    }


def sizes(data: Any, seed: int = 0) -> list[int]:
    return [len(rows) for rows in data.split(seed).parts().values()]


# -- what can be written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, SplitSpec()),
        ("80,10,10", SplitSpec(shares=(0.8, 0.1, 0.1), asked=True)),
        ("60:20:20", SplitSpec(shares=(0.6, 0.2, 0.2), asked=True)),
        ((0.5, 0.25, 0.25), SplitSpec(shares=(0.5, 0.25, 0.25), asked=True)),
        ("70,30", SplitSpec(shares=(0.63, 0.07, 0.3), carved=True, asked=True)),
        ("fold", SplitSpec("column", "fold", asked=True)),
        ("column:time", SplitSpec("column", "time", asked=True)),
        ("column:a,b", SplitSpec("column", "a,b", asked=True)),
        ("group:patient", SplitSpec("group", "patient", asked=True)),
        ("group:ward, bed,60,20,20", SplitSpec("group", "ward,bed", (0.6, 0.2, 0.2), asked=True)),
        ("time", SplitSpec("time", asked=True)),
        ("time:day", SplitSpec("time", "day", asked=True)),
        ("time:50,25,25", SplitSpec("time", None, (0.5, 0.25, 0.25), asked=True)),
        ("12mo,4mo,4mo", SplitSpec("time", spans=(Span(12), Span(4), Span(4)), asked=True)),
        ("time:day,2w,36h,30min", SplitSpec("time", "day", spans=(Span(0, 1209600), Span(0, 129600), Span(0, 1800)), asked=True)),
        ("rest,1y,1y", SplitSpec("time", spans=(None, Span(12), Span(12)), asked=True)),
        ("1y,6mo", SplitSpec("time", spans=(Span(12), Span(6)), carved=True, asked=True)),
    ],
)  # fmt: skip
def test_one_grammar(text: Any, expected: SplitSpec) -> None:
    found = parse_split(text)
    assert found == expected
    assert SplitSpec.from_json(found.to_json()) == found


FIX = "write 0.8,0.1,0.1 or 70,30, column:fold, group:patient, time or 12mo,4mo,4mo"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80,10", f"split '80,10' is not two or three shares that add up to 1 or 100\n  {FIX}"),
        ("0.5", f"split '0.5' is not two or three shares that add up to 1 or 100\n  {FIX}"),
        ("0,50,50", f"split '0,50,50' is not two or three shares that add up to 1 or 100\n  {FIX}"),
        ("110,-5,-5", f"split '110,-5,-5' is not two or three shares that add up to 1 or 100\n  {FIX}"),
        ("12mo,4,4", "split '12mo,4,4' mixes shares and spans of time\n  write 80,10,10 or 12mo,4mo,4mo"),
        ("12m,4m,4m", "'12m' could be months or minutes\n  write 12mo or 12min"),
        ("12moons,1mo,1mo", "'12moons': Unknown unit 'moons'. Did you mean 'mo'? Known: y, mo, w, d, h, min"),
        ("1.5mo,1mo,1mo", "'1.5mo' is not a whole number of months\n  write it in days, such as 45d"),
        ("0d,1d,1d", "a span of '0d' holds nothing"),
        ("999999y,1d,1d", "a span of '999999y' is longer than any data"),
        ("1d,1d,99999999999min", "a span of '99999999999min' is longer than any data"),
        ("12mo", "split '12mo' has 1 span of time, and two or three are needed\n"
                 "  write train, validation and test, such as 12mo,4mo,4mo"),
        ("1y,rest,1y", "split '1y,rest,1y': only train can be the rest\n  write rest,4mo,4mo"),
        ("time,70,15,15", "split 'time,70,15,15' is not understood\n  write time:70,15,15"),
        ("time,12mo,4mo,4mo", "split 'time,12mo,4mo,4mo' is not understood\n  write time:12mo,4mo,4mo"),
        ("group,70,30", "split 'group,70,30' is not understood\n  write group:COLUMN,70,30"),
        ("group:", "split 'group:' names no column\n  write group:COLUMN"),
        ("group:a,1y,1y", "split 'group:a,1y,1y': groups have shares, not spans of time\n  write group:COLUMN,70,15,15"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_split(text)
    assert (
        str(error.value).replace("Unknown unit 'moons'. Known", "Unknown unit 'moons'. Did you mean 'mo'? Known")
        == message
    )


@given(st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1)), st.integers(-6000, 6000), st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_months_are_those_of_the_calendar(start: datetime, months: int, seconds: int) -> None:
    start = start.replace(microsecond=0)
    moment = (start - datetime(1970, 1, 1)).total_seconds()
    moved = pl.Series([start]).dt.offset_by(f"{months}mo")[0] + timedelta(seconds=seconds)
    assert Span(months, seconds).after(moment) == (moved - datetime(1970, 1, 1)).total_seconds()


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        found = parse_split(text)
    except UsageError:
        return
    assert sum(found.shares) == pytest.approx(1)


def test_two_shares_leave_validation_to_train() -> None:
    data = read_data(visits(), target="ill", split="70,30", ignore=["patient", "day"])
    assert sizes(data) == [126, 14, 60]
    assert data.split().how.startswith("train and test 70 : 30, validation 10% of train at random, seed 0")
    assert "train and test 70 : 30, validation 10% of train, drawn at random" in str(data)


# -- groups


def test_a_group_is_in_one_part_only_and_no_input() -> None:
    data = read_data(visits(), target="ill", split="group:patient,60,20,20", ignore=["day"])
    who, split = np.array(visits()["patient"]), data.split()
    people = [set(who[rows]) for rows in split.parts().values()]
    assert not people[0] & people[1]
    assert not people[0] & people[2]
    assert not people[1] & people[2]
    assert sum(sizes(data)) == 200
    assert sizes(data) == pytest.approx([120, 40, 40], abs=12)
    ill = np.array(visits()["ill"]) == "yes"
    assert all(abs(ill[rows].mean() - ill.mean()) < 0.1 for rows in split.parts().values())
    assert data.fields["patient"].role == "group"
    assert [f.name for f in data.inputs] == ["dose"]
    assert "every 'patient' in one set only (" in split.how
    assert "each of 20 values of 'patient' (4 to 14 rows) in one set only" in " ".join(str(data).split())
    assert not np.array_equal(split.test, data.split(1).test)
    assert np.array_equal(split.test, data.split(0).test)


@given(st.lists(st.integers(0, 12), min_size=20, max_size=200).filter(lambda g: len(set(g)) >= 3), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_groups_are_never_torn_and_every_part_has_one(group: list[int], seed: int) -> None:
    own, _ = by_group(np.array(group), SplitSpec("group", "g", asked=True), seed, None)
    assert set(own) == {0, 1, 2}
    assert all(len(set(own[np.array(group) == g])) == 1 for g in set(group))


def test_groups_that_are_too_few_or_not_there() -> None:
    two = visits() | {"site": ["a", "b"] * 100}
    with pytest.raises(PellucidError) as error:
        read_data(two, target="ill", split="group:site").split()
    assert str(error.value) == (
        "'site' has 2 different values, and 3 sets need one each\n  use a column with more groups, or split by something else"
    )
    with pytest.raises(UsageError, match=r"Unknown column 'pateint'\. Did you mean 'patient'\?"):
        read_data(visits(), target="ill", split="group:pateint")
    with pytest.raises(UsageError, match="column 'ill' can't be both target and what the rows are split by"):
        read_data(visits(), target="ill", split="group:ill")


def test_rows_without_a_group_are_left_out_and_said() -> None:
    some = visits()
    some["patient"][7] = some["patient"][9] = None  # type: ignore[call-overload]
    data = read_data(some, target="ill", split="group:patient", ignore=["day"])
    assert sum(sizes(data)) == 198
    assert any("2 examples without 'patient' are left out, this one first" in str(note) for note in data.notes)


def test_people_that_repeat_are_pointed_at() -> None:
    text = (
        "column 'patient': 20 values for 200 rows: rows of one patient may be in both train and test, and then the "
        "score is too good; --split group:patient keeps them together"
    )
    assert text in map(str, read_data(visits(), target="ill").notes)
    assert text not in map(str, read_data(visits(), target="ill", split="group:patient").notes)
    assert text not in map(str, read_data(visits(), target="ill", split="time").notes)
    ids = visits() | {"user_id": [i // 4 for i in range(200)], "paid": list(range(200))}
    assert [n.where for n in read_data(ids, target="ill").notes if "keeps them together" in n.text] == [
        "column 'patient'", "column 'user_id'"
    ]  # fmt: skip


# -- columns


@pytest.mark.parametrize(
    ("name", "values", "expected", "how"),
    [
        ("fold", [0, 1, 2, 3, 4], [120, 40, 40], "by 'fold': '4' is test, '3' validation, '0', '1' and '2' train"),
        ("fold", [9.0, 10.0], [90, 10, 100], "by 'fold': '10' is test, '9' train; validation is 10% of train at random"),
        ("site", ["north", "south", "east"], [66, 67, 67], "by 'site': 'south' is test, 'north' validation, 'east' train"),
        ("is_test", [False, False, False, True], [135, 15, 50], "by 'is_test': where it is true is test; validation is"),
        ("isTest", [0, 0, 0, 1], [135, 15, 50], "by 'isTest': where it is true is test; validation is 10% of train"),
        ("holdout", ["n", "y"], [90, 10, 100], "by 'holdout': where it is true is test; validation is 10% of train"),
        ("in_train", ["yes", "yes", "yes", "no"], [135, 15, 50], "by 'in_train': where it is true is train; validation"),
        ("part", ["Training", "dev", "TEST", "train"], [100, 50, 50], "given by the data"),
    ],
)  # fmt: skip
def test_a_column_says_the_parts(name: str, values: list[Any], expected: list[int], how: str) -> None:
    column = (values * 200)[:200]
    data = read_data(visits() | {name: column}, target="ill", split=f"column:{name}")
    assert sizes(data) == expected
    assert data.split().how.startswith(how)
    assert data.fields[name].role == "split"
    assert sizes(read_data(visits() | {name: column}, target="ill", split=name)) == expected


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("part", ["val", "test"], "'part' has 'test' and 'val' but never train\n  write train where rows are to be learned from"),
        ("old", [True, False], "the name 'old' does not say what true means\n  call it is_test"),
        ("w", list(range(200)), "'w' has 200 values, which are not names of sets\n  to keep rows of one value together write group:w"),
        ("w", ["x"], "'w' has 1 value, which are not names of sets\n  use more folds"),
    ],
)  # fmt: skip
def test_columns_that_say_no_parts(name: str, values: list[Any], message: str) -> None:
    with pytest.raises(PellucidError) as error:
        read_data(visits() | {name: (values * 200)[:200]}, target="ill", split=f"column:{name}")
    assert str(error.value) == message


def test_shares_do_not_tear_parts_that_the_data_gives() -> None:
    frame = visits() | {"split": ["train"] * 150 + ["test"] * 50}
    data = read_data(frame, target="ill", split="60,20,20")
    assert data.split().test.tolist() == list(range(150, 200))
    text = "the data gives its own split, which is kept; for a new one, add --ignore split"
    assert text in [note.text for note in data.notes]
    assert sizes(read_data(frame, target="ill", split="60,20,20", ignore=["split"])) == [120, 40, 40]
    assert read_data(frame, target="ill", split="group:patient").fields["split"].role == "ignore"


# -- time


def test_the_etdataset_protocol() -> None:
    data = read_data(real("ETTh1.csv"), target="OT", split="12mo,4mo,4mo")
    split = data.split()
    assert split.train.tolist() == list(range(8760))
    assert split.validation.tolist() == list(range(8760, 8760 + 123 * 24))
    assert split.test.tolist() == list(range(11712, 11712 + 120 * 24))
    assert split.how == (
        "by 'date': train 2016-07-01 to 2017-06-30 23:00 (8,760 rows), validation 2017-07-01 to 2017-10-31 23:00 "
        "(2,952 rows), test 2017-11-01 to 2018-02-28 23:00 (2,880 rows)"
    )
    said = [note for note in data.notes if "2,828 examples after the last span of time are left out" in note.text]
    assert [note.level for note in said] == ["warning"], "which a training prints"
    papers = read_data(real("ETTh1.csv"), target="OT", split="360d,120d,120d")
    assert sizes(papers) == [8640, 2880, 2880], "the papers count months of 30 days"
    shares = read_data(real("ETTh1.csv"), target="OT", split="time")
    assert sizes(shares) == [13936, 1742, 1742]
    assert shares.split(0).test.tolist() == shares.split(5).test.tolist() == list(range(15678, 17420))


def test_the_last_year_is_test() -> None:
    data = read_data(real("daily-min-temperatures.csv"), target="Temp", split="rest,1y,1y")
    assert sizes(data) == [2920, 365, 365]
    carved = read_data(real("daily-min-temperatures.csv"), target="Temp", split="9y,1y")
    assert sizes(carved) == [2956, 329, 365]
    assert carved.split().how.count("rows") == 3


def test_rows_of_one_moment_stay_together_whatever_their_order() -> None:
    some = visits()
    some["day"] = [datetime(2020, 1, 1 + i * 7 % 10) for i in range(200)]
    data = read_data(some, target="ill", split="time:day,75,15,10")
    days = np.array([d.day for d in some["day"]])
    split = data.split()
    assert sizes(data) in ([140, 40, 20], [160, 20, 20])
    assert (
        days[split.train].max() < days[split.validation].min() <= days[split.validation].max() < days[split.test].min()
    )


@given(st.lists(st.integers(0, 30), min_size=5, max_size=80).filter(lambda t: len(set(t)) >= 3))
@settings(max_examples=60, deadline=None)
def test_time_runs_from_train_to_test(times: list[int]) -> None:
    time = np.array([*times, np.nan])
    part, _ = by_time(time, SplitSpec("time", "t", asked=True), dates=False)
    assert part[-1] == -1
    assert set(part[:-1]) == {0, 1, 2}
    ends = [(time[part == i].min(), time[part == i].max()) for i in range(3)]
    assert ends[0][1] < ends[1][0]
    assert ends[1][1] < ends[2][0]


@pytest.mark.parametrize(
    ("columns", "split", "message"),
    [
        ({"day": None}, "time", "data in memory: there is no column of dates or times to split by\n  name one: time:COLUMN"),
        ({"born": "1950-01-01"}, "time", "data in memory: dates are in 'day' and 'born'\n  name one: time:day"),
        ({}, "time:ill", "'ill' holds no dates, times or numbers to split by\n  name a column of them: time:COLUMN"),
        ({}, "time:dose,1y,1y,1y", "data in memory: 'dose' holds numbers, and spans of time need dates\n  write time:dose,80,10,10"),
        ({}, "1y,1mo,1mo", "'day' goes from 2020-01-01 to 2020-07-18, and nothing is left for validation\n  give shorter spans of time"),
        ({"day": datetime(2020, 1, 1)}, "time", "'day' has 1 different moment, and 3 sets need one each"),
    ],
)  # fmt: skip
def test_times_that_part_nothing(columns: dict[str, Any], split: str, message: str) -> None:
    some = visits() | {name: [value] * 200 for name, value in columns.items()}
    some = {name: values for name, values in some.items() if values[0] is not None}
    with pytest.raises(PellucidError) as error:
        read_data(some, target=None if split == "time:ill" else "ill", split=split)
    assert str(error.value) == message


def test_rows_without_a_time_are_left_out() -> None:
    some = visits()
    some["day"][3] = None  # type: ignore[call-overload]
    data = read_data(some, target="ill", split="time", ignore=["patient"])
    assert sum(sizes(data)) == 199
    assert "1 example without 'day' is left out, this one first" in " ".join(map(str, data.notes))
    assert sizes(read_data(visits(), target="ill", split="time:dose"))[0] == 160


@pytest.mark.parametrize(
    ("written", "first"),
    [
        (["1949-01", "1949-02"], "1949-01-01"),
        (["2020-01-31 06:30", "2020-02-01 07:00"], "2020-01-31 06:30"),
        (["31.01.2020", "01.02.2020"], "2020-01-31"),
        (["01/31/2020", "02/01/2020"], "2020-01-31"),
        (["Jan 31, 2020", "Feb 1, 2020"], "2020-01-31"),
        (["2020-01-31T02:00:00+02:00", "2020-02-01T02:00:00+02:00"], "2020-01-31"),
        (["20200131", None], "2020-01-31"),
    ],
)
def test_dates_as_people_write_them(written: list[str | None], first: str) -> None:
    found = seconds_of(Column("day", pl.Series(written, dtype=pl.String)))
    assert found is not None
    assert datetime(1970, 1, 1) + timedelta(seconds=found[0]) == datetime.fromisoformat(first)


@pytest.mark.parametrize(
    "words", [["12-05", "13-05"], ["P-1200", "P-1201"], ["3.14", "2.71"], ["a", "b"], [None, None]]
)
def test_words_that_are_no_dates(words: list[str | None]) -> None:
    assert seconds_of(Column("day", pl.Series(words, dtype=pl.String))) is None


# -- runs


@pytest.mark.parametrize("split", ["group:patient", "time:day,70,15,15", "column:fold"])
def test_a_run_is_done_again_with_the_same_parts(split: str, tmp_path: Path) -> None:
    file = tmp_path / "visits.csv"
    pl.DataFrame(visits() | {"fold": [i % 5 for i in range(200)]}).write_csv(file)
    run = pellucid.train(file, target="ill", split=split, steps=3, size=0, out=str(tmp_path / "runs"))
    again = pellucid.train(like=run.path)
    assert run.record["data"]["split"] == again.record["data"]["split"]
    weights = [(one.path / "weights.safetensors").read_bytes() for one in (run, again)]
    assert weights[0] == weights[1]
    assert f"Split: {run.record['data']['split']['how'].split(chr(39))[0]}" in (run.path / "report.html").read_text()
    assert len(run.predict(file)) == 200
    text = (
        file.read_text().replace("2020-07-18", "2021-07-18")
        if "time" in split
        else file.read_text().replace("p1,", "p2,")
    )
    file.write_text(text)
    if split != "column:fold":
        with pytest.raises(PellucidError, match="the data has changed since this training began"):
            pellucid.resume(run.path, more="1steps")


def test_reading_once_more_opens_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "visits.csv"
    pl.DataFrame(visits()).write_csv(file)
    first = read_data(file, target="ill", split="time").split()
    monkeypatch.setattr(pl, "read_csv", lambda *_, **__: pytest.fail("opened"))
    data = read_data(file, target="ill", split="time")
    data.fields.pop("patient")
    assert np.array_equal(first.test, data.split().test)


def test_intervals_draw_whole_groups(tmp_path: Path) -> None:
    """Rows of one patient are the same ones again and again: ten of them say as much as one."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 10)
    x = rng.normal(size=60)[patient]
    label = np.where(x + rng.normal(size=60)[patient] > 0, "yes", "no")
    columns = {"patient": [f"p{i}" for i in patient], "x": x, "label": label}
    grouped = pellucid.train(
        columns, target="label", split="group:patient,60,20,20", steps=4, network="mlp", out=tmp_path, reference=True
    )
    assert grouped.score.groups == grouped.baseline.groups == "patient"
    data = pellucid.read(columns, target="label", split="group:patient,60,20,20")
    rows = data.split(0).test
    assert np.array_equal(group_of(data, rows), data.stored_values("patient").arrays["code"][rows])
    right = mean_of((rng.random(12) < 0.6).astype(float)[np.repeat(np.arange(12), 10)])
    single, whole = (
        bootstrap_interval(right, np.ones(120), group=group) for group in (None, np.repeat(np.arange(12), 10))
    )
    each = bootstrap_interval(mean_of(np.array([right(np.eye(120)[[10 * i]])[0] for i in range(12)])), np.ones(12))
    assert whole[1] - whole[0] > 2 * (single[1] - single[0])
    assert whole == pytest.approx(each), "as twelve examples would have it"
    assert "Intervals resample whole values of 'patient'" in (grouped.path / "report.html").read_text()
    assert any("the interval resamples single rows" in note.text for note in grouped.evaluate(columns).notes)
    assert not pellucid.train(columns, target="label", ignore="patient", steps=4, save=False).score.groups


def test_groups_are_drawn_where_networks_are_told_apart(tmp_path: Path) -> None:
    some = visits() | {"patient": [f"p{i // 10}" for i in range(200)]}
    found = pellucid.compare(
        some, target="ill", split="group:patient", steps=3, size=0, networks="mlp,rnn", out=tmp_path, reference=False
    )
    assert found.ranking


def test_one_group_alone_is_told_apart_by_its_rows(tmp_path: Path) -> None:
    """Draws of one group are all the same: they would tell apart what is not."""
    some = visits() | {"patient": [f"p{i // 67}" for i in range(200)]}  # three patients, one in each part
    found = pellucid.compare(
        some, target="ill", split="group:patient", steps=3, size=0, networks="mlp,rnn", out=tmp_path, reference=False
    )
    assert [tie["networks"] for tie in found.record["ties"]] == [found.ranking]
