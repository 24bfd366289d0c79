"""Labels and dates: what a column is taken for, round trips, scores, and whole runs with them."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from conftest import write_table
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from sklearn import metrics as sk

import pellucid
from pellucid.cli import show_data, show_predictions
from pellucid.data.batches.batch import Batch
from pellucid.fields import KINDS, Column, Field, Guess, recognise
from pellucid.fields import date as dates
from pellucid.fields import labels as several
from pellucid.metrics.labels import OF_LABELS, average_precision
from pellucid.outputs import Labels
from pellucid.tasks.labels import GRID, best_always, label_thresholds, shared_threshold, threshold_counts

DATA = Path(__file__).parents[1].parent / "shared" / "data"
LABELS, DATE = KINDS["labels"], KINDS["date"]
PETS = ["bird", "cat", "dog", "fish"]


def guessed(values: Any, name: str = "x") -> tuple[str, Guess]:
    kind, guess = recognise(column(values, name))
    return kind.name, guess


def column(values: Any, name: str = "x") -> Column:
    return Column(name, values if isinstance(values, pl.Series) else pl.Series(name, values))


def some_sets(n: int = 60, least: int = 0, seed: int = 0) -> list[list[str]]:
    rng = np.random.default_rng(seed)
    return [rng.choice(PETS, rng.integers(least, 4), replace=False).tolist() for _ in range(n)]


def written(sets: list[list[str]], separator: str) -> list[str]:
    return [separator.join(one) or separator for one in sets]


# -- what is taken for labels


@pytest.mark.parametrize("separator", [";", "; ", "|", " | ", ",", ", "])
def test_cells_of_several_words_are_labels(separator: str) -> None:
    kind, guess = guessed(written(some_sets(), separator))
    assert kind == "labels"
    assert guess.settings == {"separator": separator.strip()}
    assert guess.reason.startswith("4 labels (")
    assert f"separated by '{separator.strip()}'" in guess.reason


def test_lists_are_labels_whatever_they_come_as(tmp_path: Path) -> None:
    sets = some_sets()
    forms = [
        pl.Series(sets, dtype=pl.List(pl.String)),
        pl.Series(sets).cast(pl.List(pl.Categorical)),
        [str(one) for one in sets],
        [json.dumps(one) for one in sets],
    ]
    found = []
    for form in forms:
        kind, guess = guessed(form)
        assert kind == "labels"
        stored = LABELS.store(column(form), guess.settings, lambda note: None)
        found.append(LABELS.fit(stored, np.arange(60), guess.settings, "target"))
    assert found == [found[0]] * len(forms)
    assert found[0]["values"] == PETS
    assert guessed(pl.Series([[1, 2], [2], [], [3, 1]] * 5))[0] == "labels"
    assert guessed(pl.Series([[0.5, 2.0], [1.0, 3.0]] * 5, dtype=pl.Array(pl.Float64, 2)).arr.get(0))[0] == "number"


def test_a_table_brings_its_lists(tmp_path: Path) -> None:
    sets = some_sets(40)
    frame = pl.DataFrame({"n": np.random.default_rng(0).normal(size=40), "pets": sets})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.jsonl")
    pandas = frame.to_pandas()
    in_memory: list[Any] = [
        frame, pandas, {"n": frame["n"], "pets": sets}, {"n": frame["n"], "pets": [set(s) for s in sets]},
        {"n": frame["n"], "pets": [tuple(s) for s in sets]}, frame.to_dicts(),
    ]  # fmt: skip
    for source in [tmp_path / "t.parquet", tmp_path / "t.jsonl", *in_memory]:
        data = pellucid.read(source, target="pets")
        assert data.target is not None
        assert data.target.kind == "labels"
        assert data.reading.classes == {p: sum(p in s for s in sets) for p in data.reading.classes}
        assert len(data.usable_rows()) == 40, "an empty list is an answer"


TAKEN = {
    "texts with commas": ([f"I liked number {i}, very much, and the rest" for i in range(40)], "text"),
    "phrases with a comma": (["Good, but slow", "Bad"] * 20, "category"),
    "places": (["Paris, France", "Lyon, France", "Austin, Texas, USA", "Dallas, Texas, USA"] * 10, "category"),
    "names": ([f"Smith{i % 30}, John" for i in range(60)], "category"),
    "decimal commas": (["1,5", "2,7", "5,1", "7,2", "1,2", "2,5"] * 10, "category"),
    "one list again and again": ([["a", "b"]] * 20, "labels"),
    "colours": (["red", "green", "blue"] * 20, "category"),
    "thousands": (["1,234", "5,678", "1,678", "5,234"] * 10, "number"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_other_cells_with_separators_are_not(name: str) -> None:
    values, kind = TAKEN[name]
    found, guess = guessed(values)
    assert found == kind
    assert guess.role == ("ignore" if name == "one list again and again" else "input")


def test_lists_that_never_repeat_are_left_out() -> None:
    rng = np.random.default_rng(0)
    _, guess = guessed([rng.integers(0, 10**6, 5).tolist() for _ in range(40)])
    assert guess.role == "ignore"
    assert guess.reason.endswith("nearly all different")
    assert guessed(pl.Series([[], None, []], dtype=pl.List(pl.String)))[1].role == "ignore"


words_of_labels = st.text(
    st.characters(codec="utf-8", exclude_characters=";\"'\r\n\t "), min_size=1, max_size=6
).filter(lambda word: word.strip() == word and word.strip(" \t\r\n\"'"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.lists(words_of_labels, max_size=4, unique=True), min_size=1, max_size=20))
def test_labels_come_back(sets: list[list[str] | None]) -> None:
    forms = {
        "lists": (pl.Series("x", sets, pl.List(pl.String)), {}),
        "text": (pl.Series("x", [s if s is None else ";".join(s) for s in sets], pl.String), {"separator": ";"}),
    }
    for form, how in forms.values():
        stored = LABELS.store(Column("x", form), how, lambda note: None)
        for role in ("input", "target") if any(sets) else ("input",):  # a target needs a label
            state = json.loads(json.dumps(LABELS.fit(stored, np.arange(len(sets)), how, role)))
            decoded = LABELS.decode(np.asarray(LABELS.encode(stored, state)), state)
            assert [d and set(d) for d in decoded] == [s and set(s) for s in sets]
            assert [d is None for d in decoded] == [s is None for s in sets]
        shown = [LABELS.show(stored, row) for row in range(len(sets))]
        assert [s == "missing" for s in shown] == [s is None for s in sets]


def test_missing_none_and_unseen_labels_are_three_things() -> None:
    stored = LABELS.store(column(["a; b", "", None, ";", "b;b; c", "z"]), {"separator": ";"}, lambda note: None)
    state = LABELS.fit(stored, np.arange(5), {}, "target")
    assert (state["values"], state["counts"], state["n"]) == (["a", "b", "c"], [1, 2, 1], 4)
    encoded = np.asarray(LABELS.encode(stored, state))
    assert np.array_equal(
        encoded, [[1, 1, 0], [0, 0, 0], [np.nan] * 3, [0, 0, 0], [0, 1, 1], [0, 0, 0]], equal_nan=True
    )
    assert LABELS.describe_new_values(stored, state) == "1 label is ignored, new since training: 'z'"
    as_input = LABELS.fit(stored, np.arange(5), {}, "input")
    assert np.asarray(LABELS.encode(stored, as_input)).tolist() == [
        [0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 1, 1], [0, 1, 0, 0, 0],
    ]  # fmt: skip
    assert [LABELS.show(stored, row) for row in (0, 1, 2)] == ["a; b", "none", "missing"]


def test_of_very_many_labels_the_commonest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several, "MOST_LABELS", 2)
    stored = LABELS.store(column([["a", "c"], ["c", "b"], ["b"], ["d"]]), {}, lambda note: None)
    assert LABELS.fit(stored, np.arange(4), {}, "input")["values"] == ["b", "c"]
    assert ", the commonest 2 are used, " in guessed([["a", "c"], ["c", "b"], ["b"], ["d"]])[1].reason


def test_every_part_has_its_share_of_a_rare_label() -> None:
    tags = ["common"] * 100 + ["common; rare"] * 10
    data = pellucid.read({"n": np.random.default_rng(0).normal(size=110), "tags": tags}, target="tags")
    split = data.split(0)
    rare = np.array(["rare" in tag for tag in tags])
    assert [int(rare[rows].sum()) for rows in split.parts().values()] == [8, 1, 1]
    assert split.how.endswith("80 : 10 : 10 at random, seed 0, stratified by rarest label")
    assert data.reading.parted.endswith("drawn at random, stratified by rarest label")


# -- columns of yes and no as one answer


def flags(n: int = 120) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    sets = some_sets(n, seed=1)
    x = {f"x{i}": [(p in s) + rng.normal(0, 0.3) for s in sets] for i, p in enumerate(PETS)}
    own = {p: [int(p in s) for s in sets] for p in PETS}
    return {**x, **own, "fish": [["no", "yes"][v] for v in own["fish"]], "dog": [bool(v) for v in own["dog"]]}


def test_columns_of_yes_and_no_are_labels_of_one_answer() -> None:
    data = pellucid.read(flags(), target=PETS)
    assert {f.kind for f in data.targets} == {"labels"}
    assert "'bird, cat, dog, fish', any of 4 labels" in data.describe()
    net = data.network(trunk="mlp")
    assert net.output.task.values == PETS
    batch = next(iter(data.batches("train", net)))
    assert batch.target.shape[1] == 4  # type: ignore[union-attr]
    one = pellucid.read(flags(), target="cat")
    assert one.target is not None
    assert one.target.kind == "category", "a single one is two classes"


def test_a_flag_is_known_even_if_training_never_sees_a_yes() -> None:
    stored = LABELS.store(column(["0", "1", "0", None, "maybe"]), {"flag": "rare"}, lambda note: None)
    assert stored.arrays["count"].tolist() == [0, 1, 0, -1, -1]
    assert LABELS.fit(stored, np.array([0, 2]), {"flag": "rare"}, "target")["values"] == ["rare"]


def test_a_cell_that_is_neither_is_said() -> None:
    notes: list[Any] = []
    LABELS.store(column(["0", "1", "maybe"], "cat"), {"flag": "cat"}, notes.append)
    assert [str(note) for note in notes] == ["row 2, column 'cat': 'maybe' is neither 0 nor 1 and counts as missing"]


def test_targets_of_different_kinds_do_not_go_together() -> None:
    source = {**flags(), "size": np.random.default_rng(0).normal(size=120)}
    with pytest.raises(pellucid.PellucidError, match=r"^several targets must all be numbers, or all be 0 or 1"):
        pellucid.read(source, target="cat,size", kinds={"cat": "category"})
    numbers = pellucid.read(source, target="cat,size", kinds={"cat": "number"})
    assert {f.kind for f in numbers.targets} == {"number"}


def test_labels_of_two_columns_keep_their_columns_name() -> None:
    state = {"role": "target", "values": ["a", "b"], "counts": [1, 1], "n": 4}
    output = Labels([Field(name, "labels", "target", state=state) for name in ("one", "two")])
    assert output.task.values == ["one: a", "one: b", "two: a", "two: b"]


# -- the output


def output_of(counts: list[int], n: int) -> Labels:
    state = {"role": "target", "values": [f"l{i}" for i in range(len(counts))], "counts": counts, "n": n}
    return Labels([Field("tags", "labels", "target", state=state)])


def answers(n: int = 300, labels: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    target = rng.random((n, labels)) < np.linspace(0.6, 0.02, labels)
    raw = 1.5 * target + rng.normal(0, 1, target.shape) + np.linspace(0, -3, labels)
    return torch.from_numpy(raw.round(1)).float(), torch.from_numpy(target).float()


def test_metrics_of_labels_are_those_of_scikit_learn() -> None:
    raw, target = answers()
    output = output_of([1, 1, 1, 1], 8)
    output.calibrate(raw, target)
    found = output.task.report_content(raw, target)
    true, said = target.numpy().astype(int), (raw > output.threshold).numpy().astype(int)
    expected = {
        "micro F1": sk.f1_score(true, said, average="micro"),
        "macro F1": sk.f1_score(true, said, average="macro"),
        "mean average precision": sk.average_precision_score(true, raw.numpy(), average="macro"),
        "every label right": sk.accuracy_score(true, said),
        "labels wrong": sk.hamming_loss(true, said),
    }
    assert {k: found["metrics"][k] for k in expected} == pytest.approx(expected)
    assert output.task.measure(raw, target) == pytest.approx(expected["micro F1"])
    precision, recall, f1, count = sk.precision_recall_fscore_support(true, said, zero_division=0)
    rows = [(r["precision"], r["recall"], r["f1"], r["count"]) for r in found["per_class"]]
    assert np.allclose(rows, np.stack([precision, recall, f1, count], 1))
    each = sk.average_precision_score(true, raw.numpy(), average=None)
    assert [r["average_precision"] for r in found["per_class"]] == pytest.approx(each.tolist())
    weight = np.random.default_rng(1).choice([0.0, 0.5, 3.0], len(true))
    weighed = output.task.report_content(raw, target, weight)["per_class"]
    theirs = sk.precision_recall_fscore_support(true, said, zero_division=0, sample_weight=weight)
    assert np.allclose([(r["precision"], r["recall"], r["f1"]) for r in weighed], np.stack(theirs[:3], 1))
    each = sk.average_precision_score(true, raw.numpy(), average=None, sample_weight=weight)
    assert [r["average_precision"] for r in weighed] == pytest.approx(each.tolist())
    assert [r["count"] for r in weighed] == count.tolist()


def test_a_label_that_no_example_has() -> None:
    assert np.isnan(average_precision(np.array([1.0, 0.0]), np.array([False, False]))(np.ones((1, 2))))
    output = output_of([1, 1], 8)
    metrics = output.task.report_content(torch.tensor([[3.0, -3.0]] * 4), torch.tensor([[1.0, 0.0]] * 4))["metrics"]
    assert metrics["macro F1"] == 1.0
    assert metrics["mean average precision"] == 1.0
    nothing = torch.zeros(4, 2)
    assert output.task.measure(torch.full((4, 2), -9.0), nothing) == 1.0, "nothing to say, and nothing said"
    assert output.task.score(torch.full((4, 2), -9.0), nothing).low < 1


def test_thresholds_suit_the_score_they_are_chosen_for() -> None:
    raw, target = answers(2000)
    raw[:, 0] += 2  # one label is said too readily
    tables = threshold_counts(raw, target)
    for k in (40, 80, 100):
        said = raw > GRID[k]
        assert tables[0][:, k].tolist() == said.sum(0).tolist()
        assert tables[1][:, k].tolist() == (said & (target > 0)).sum(0).tolist()
    output = output_of([1, 1, 1, 1], 8)
    before = output.task.measure(raw, target)  # at the one threshold that suits best
    at_half = sk.f1_score(target.numpy(), (raw > 0).numpy(), average="micro")
    output.calibrate(raw, target)
    assert output.task.measure(raw, target) > before + 0.005
    assert before >= at_half
    assert output.threshold[0] > output.threshold[1:3].max()
    few = (tables[0][:, :], tables[1], np.minimum(tables[2], 9))
    assert label_thresholds(*few).tolist() == pytest.approx([shared_threshold(*few)] * 4), (
        "too few examples for one's own"
    )


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_naive_answer_is_the_best_constant_one(calibrated: bool) -> None:
    raw, target = answers(400)
    output = output_of(target.sum(0).int().tolist(), len(target))
    if calibrated:
        output.calibrate(raw, target)
    naive, name = output.task.naive_answer(target.numpy())
    scored = output.task.measure(np.tile(naive, (len(target), 1)), target)
    every = [
        sk.f1_score(target.numpy(), np.tile([bool(i >> k & 1) for k in range(4)], (400, 1)), average="micro")
        for i in range(16)
    ]
    assert scored == pytest.approx(max(every))
    assert name.startswith("always 'l0'")
    if not calibrated:
        assert torch.allclose(torch.from_numpy(naive).sigmoid(), target.mean(0), atol=0.02)


SK = {
    "micro F1": lambda true, said, p, w: sk.f1_score(true, said, average="micro", sample_weight=w),
    "macro F1": lambda true, said, p, w: sk.f1_score(true, said, average="macro", sample_weight=w),
    "mean average precision": lambda true, said, p, w: sk.average_precision_score(true, p, sample_weight=w),
    "every label right": lambda true, said, p, w: sk.accuracy_score(true, said, sample_weight=w),
    "labels wrong": lambda true, said, p, w: sk.hamming_loss(true, said, sample_weight=w),
    "log loss": lambda true, said, p, w: np.mean([sk.log_loss(true[:, i], p[:, i], sample_weight=w) for i in range(4)]),
}  # fmt: skip


@pytest.mark.parametrize("metric", OF_LABELS)
def test_every_metric_can_be_asked_for_and_weighted(metric: str) -> None:
    raw, target = answers()
    fields = output_of([int(c) for c in target.sum(0)], len(target)).fields
    output = Labels(fields, metric=metric)
    before = output.task.measure(raw, target)
    output.calibrate(raw, target)
    weight = np.random.default_rng(3).random(len(raw))
    chances, said = output.task.probabilities(raw), output.task.decide_labels(raw)
    true = target.numpy().astype(int)
    for w in (None, weight):
        assert output.task.measure(raw, target, w) == pytest.approx(SK[metric](true, said, chances, w), rel=1e-6)
    naive, name = output.task.naive_answer(target.numpy())
    constant = output.task.measure(np.tile(naive, (len(target), 1)), target)
    assert output.task.is_better(output.task.measure(raw, target), constant)
    assert name.startswith("always")
    every = [[bool(i >> k & 1) for k in range(4)] for i in range(16)]
    if metric not in ("mean average precision", "log loss"):
        scores = [SK[metric](true, np.tile(one, (len(true), 1)), chances, None) for one in every]
        best = max(scores) if output.task.higher else min(scores)
        assert constant == pytest.approx(best)
        assert not output.task.is_better(
            before, output.task.measure(raw, target) + (0.02 if output.task.higher else -0.02)
        )
    again = Labels(fields, **output.config()["settings"])
    assert again.task.metric == metric
    assert best_always(target.numpy(), target.numpy().mean(0), metric).dtype == bool


def test_a_metric_that_labels_have_not_is_refused() -> None:
    with pytest.raises(pellucid.PellucidError, match="a set of labels has no metric 'r2'"):
        Labels(output_of([1, 1], 4).fields, metric="r2")


def test_step_0_says_the_training_frequencies() -> None:
    output = output_of([300, 30, 3], 600).build(8)
    torch.nn.init.zeros_(output.layer.weight)  # type: ignore[arg-type]
    from pellucid.trunks import Features

    chances = output.task.probabilities(output(Features(torch.randn(2, 8)), Batch.of_targets(torch.zeros(2))).detach())
    assert chances[0].tolist() == pytest.approx([0.5, 0.05, 0.005], abs=2e-3)


# -- dates: what is taken for them

DAYS = [datetime.date(2019, 1, 28) + datetime.timedelta(days=11 * i) for i in range(40)]
WRITTEN = {
    "%Y-%m-%d": "", "%Y/%m/%d": "", "%d.%m.%Y": "day first", "%d/%m/%Y": "day first", "%m/%d/%Y": "month first",
    "%m/%d/%y": "month first", "%d-%b-%Y": "", "%B %d, %Y": "", "%a, %d %b %Y": "", "%Y%m%dT%H%M%S": "",
}  # fmt: skip


@pytest.mark.parametrize("form", WRITTEN)
def test_dates_are_read_however_they_are_written(form: str) -> None:
    kind, guess = guessed([day.strftime(form) for day in DAYS])
    assert kind == "date"
    assert guess.reason == "40 dates from 2019-01-28 to 2020-04-01" + (f", {WRITTEN[form]}" if WRITTEN[form] else "")
    value, _ = dates.date_seconds(column([day.strftime(form) for day in DAYS]), guess.settings)
    assert [dates.write_date(v, False) for v in value] == [day.isoformat() for day in DAYS]


moments = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2199, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)


@settings(max_examples=30, deadline=None)
@given(st.lists(moments | st.none(), min_size=1, max_size=12), st.booleans())
def test_moments_mean_the_same_in_every_form(values: list[Any], day_first: bool) -> None:
    expected = dates.date_seconds(column(pl.Series("x", values, pl.Datetime("us"))), {})[0]
    order = "%d/%m/%Y" if day_first else "%m/%d/%Y"
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S+02:00", f"{order} %I:%M:%S %p", "%d %b %Y, %H:%M:%S"):
        text = [v and v.strftime(form) for v in values]
        if not any(text):
            continue
        found, clock = dates.date_seconds(column(pl.Series("x", text, pl.String)), {"day_first": day_first})
        assert not clock
        assert np.array_equal(found, expected, equal_nan=True), form


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dates(datetime.date(1800, 1, 1), datetime.date(2200, 1, 1)) | st.none(), min_size=1, max_size=30))
def test_days_come_back(values: list[Any]) -> None:
    series = pl.Series("x", values, pl.Date)
    stored = DATE.store(Column("x", series), {}, lambda note: None)
    state = json.loads(json.dumps(DATE.fit(stored, np.arange(len(values)), {}, "input"), allow_nan=False))
    encoded = np.asarray(DATE.encode(stored, state))
    assert encoded.shape == (len(values), dates.feature_width(state))
    assert np.isfinite(encoded).all()
    assert DATE.decode(encoded, state) == values
    assert [DATE.show(stored, i) for i in range(len(values))] == [v.isoformat() if v else "missing" for v in values]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.times().map(lambda time: time.replace(microsecond=0)), min_size=2, max_size=30, unique=True))
def test_times_of_day_come_back(values: list[datetime.time]) -> None:
    for series in (pl.Series("x", values, pl.Time), pl.Series("x", [str(v) for v in values])):
        stored = DATE.store(Column("x", series), {}, lambda note: None)
        state = DATE.fit(stored, np.arange(len(values)), {}, "input")
        assert state["parts"] == ["hour"]
        assert DATE.decode(np.asarray(DATE.encode(stored, state)), state) == values


def test_the_order_of_day_and_month_is_judged_by_the_whole_column() -> None:
    assert guessed(["01/02/2020"] * 30 + ["13/02/2020"])[1].settings == {"day_first": True}
    assert guessed(["01/02/2020"] * 30 + ["02/13/2020"])[1].settings == {"day_first": False}
    in_order = [f"{day:02}/0{month}/2020" for month in (1, 2) for day in range(1, 13)]
    assert guessed(in_order)[1].settings == {"day_first": True, "unsure": True}, "so the rows are in order"
    assert guessed(["01.02.2020", "05.01.2020", "03.03.2020"])[1].settings["day_first"], "as usual with points"
    notes: list[Any] = []
    slashes = column(["03/02/2020", "01/05/2020", "02/03/2020"], "day")
    how = recognise(slashes)[1].settings
    assert how == {"day_first": False, "unsure": True}
    DATE.store(slashes, how, notes.append)
    assert str(notes[0]) == ("column 'day': dates could have the day or the month first; read with the month first")
    assert notes[0].fix == "if it is the day, write them as YYYY-MM-DD"


def test_mixed_forms_and_cells_that_are_no_dates_are_said() -> None:
    mixed = ["2020-01-05", "13/02/2020", "7 March 2020"] * 10
    kind, guess = guessed([*mixed, "soon"])
    assert kind == "date"
    assert guess.reason == (
        "30 dates from 2020-01-05 to 2020-03-07, written in 3 ways: year first, day first, "
        "day and name of the month"
    )  # fmt: skip
    notes: list[Any] = []
    DATE.store(column([*mixed, "soon", "n/a", None, "02/13/2020"], "day"), guess.settings, notes.append)
    assert [str(note) for note in notes] == [
        "row 30, column 'day': 'soon' is not a date (day first) and counts as missing",
        "row 33, column 'day': '02/13/2020' is not a date (day first) and counts as missing",
    ]


NUMBERS = {
    "timestamp": ([1.5e9, 1.6e9, 1.61e9], "date"),
    "event_ts": ([1_500_000_000_123, 1_600_000_000_000], "date"),
    "unixTime": ([1_500_000_000, 1_600_000_000], "date"),
    "price": ([1_500_000_000, 1_600_000_000], "number"),
    "epoch": ([1, 2, 3, 3], "number"),
    "date": ([20200101, 20211231], "date"),
    "update": ([20200101, 20211231], "number"),
    "day": ([20209901, 20211231], "number"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_dates_only_where_they_are_called_so(name: str) -> None:
    values, kind = NUMBERS[name]
    found, guess = guessed(values, name)
    assert found == kind
    if kind == "date":
        year = dates.write_date(float(dates.date_seconds(column(values, name), guess.settings)[0][0]), False)[:4]
        assert year in ("2017", "2020")


@pytest.mark.parametrize(
    "values",
    [["1.2.3", "4.5.16", "2.0.11"] * 3, ["12.5", "13.5"], ["2020", "2021"], ["10.0.0.1", "1.1.1.1"], ["1-2", "3-4"],
     ["Mayor", "Junior"], ["99/99/2020"] * 5, ["I came on 2020-01-05", "We left on 2020-01-06"]],
)  # fmt: skip
def test_what_is_no_date(values: list[str]) -> None:
    assert guessed(values)[0] != "date"


def test_dates_of_data_frames(tmp_path: Path) -> None:
    days = pl.Series("day", DAYS)
    frame = pl.DataFrame({"day": days, "late": days.cast(pl.Datetime("ns", "Europe/Berlin")), "n": range(40)})
    frame = frame.with_columns(n=pl.col("n") * 7 % 11)
    kinds = []
    for source in (frame, frame.to_pandas(), {name: frame[name].to_list() for name in frame.columns}):
        data = pellucid.read(source, target="n")
        kinds.append([f.kind for f in data.fields.values()])
    assert kinds == [["date", "date", "number"]] * 3
    assert guessed([None, *DAYS])[1].reason.startswith("40 dates")
    always = guessed([DAYS[0]] * 5)[1]
    assert (always.role, always.reason) == ("ignore", "always 2019-01-28, which says nothing")
    waits = pellucid.read({"wait": [datetime.timedelta(minutes=i % 7) for i in range(20)], "n": list(range(20, 40))})
    assert waits.fields["wait"].kind == "number"
    assert waits.stored_values("wait").arrays["value"][:3].tolist() == [0.0, 60.0, 120.0]


# -- dates: what the network reads


def features(values: list[Any], rows: list[int], new: list[Any]) -> tuple[dict[str, Any], np.ndarray]:
    stored = DATE.store(column(values), {}, lambda note: None)
    state = DATE.fit(stored, np.array(rows), {}, "input")
    return state, np.asarray(DATE.encode(DATE.store(column(new), {}, lambda note: None), state))


def test_cycles_close_and_only_parts_that_vary_are_read() -> None:
    state, x = features(DAYS, list(range(40)), [datetime.date(2019, 12, 31), datetime.date(2020, 1, 1), None])
    assert state["parts"] == ["year", "month", "day", "weekday"], "no hour: these are days"
    assert np.abs(x[0, 1:3] - x[1, 1:3]).max() < 0.02, "the end of a year is next to its beginning"
    assert x[2].tolist() == [0.0] * 9 + [1.0]
    sundays = [datetime.date(2020, 1, 5) + datetime.timedelta(weeks=i) for i in range(20)]
    assert "weekday" not in features(sundays, list(range(20)), sundays)[0]["parts"]
    state, x = features([datetime.datetime(2020, 5, 5, h) for h in range(24)], list(range(24)), [])
    assert state["parts"] == ["year", "hour"]
    assert dates.feature_width(state) == x.shape[1] == 6
    assert features(DAYS, [3], DAYS)[0]["parts"] == [], "one training row tells of no part"


def test_the_trend_stops_soon_after_the_training_dates() -> None:
    later = [DAYS[-1] + datetime.timedelta(days=n) for n in (0, 20, 43, 400, 40_000)]
    _, x = features(DAYS, list(range(40)), later)
    assert (np.diff(x[:3, 0]) > 0).all()
    assert x[2, 0] == x[3, 0] == x[4, 0]
    before = features(DAYS, list(range(40)), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)])[1]
    assert np.isfinite(before).all()
    assert np.abs(before).max() < 3


@pytest.mark.parametrize("name", ["day", "when"])
def test_a_date_is_not_predicted(name: str) -> None:
    with pytest.raises(pellucid.PellucidError) as error:
        pellucid.read({name: DAYS, "n": list(range(40))}, target=name)
    assert str(error.value) == (
        f"the target '{name}' is a date, and dates are not predicted\n"
        f"  --kind {name}=number predicts it as days since 1970 (for dates written YYYY-MM-DD)"
    )
    data = pellucid.read({name: DAYS, "n": list(range(40))}, target=name, kinds={name: "number"})
    assert data.stored_values(name).arrays["value"][0] == (DAYS[0] - datetime.date(1970, 1, 1)).days


def test_dates_beside_texts_are_not_taken_for_the_target(texts: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(texts).with_columns(day=pl.Series([DAYS[i % 40] for i in range(100)]))
    data = pellucid.read(frame)
    assert data.target is not None
    assert data.target.name == "verdict"


# -- whole runs


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 rows: labels that two numbers and a season tell, and labels as an input."""
    rng, rows = np.random.default_rng(5), list[list[object]]()
    for _ in range(160):
        x, y, day = rng.normal(), rng.normal(), int(rng.integers(0, 1400))
        moment = datetime.date(2019, 1, 1) + datetime.timedelta(days=day)
        found = [
            p for p, there in zip(PETS, (x > 0, y > 0, moment.month in (5, 6, 7, 8), x + y > 2), strict=True) if there
        ]
        seen = rng.choice(["near", "far", "wet"], rng.integers(1, 3), replace=False)
        rows.append([f"{x:.3f}", f"{y:.3f}", moment.strftime("%d/%m/%Y"), ", ".join(seen), "; ".join(found) or ";"])
    return write_table(tmp_path_factory.mktemp("pets") / "pets.csv", ["x", "y", "day", "seen", "tags"], rows)


@pytest.fixture(scope="module")
def run(pets: Path, tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    return pellucid.train(
        pets, target="tags", steps=120, size=0, out=str(tmp_path_factory.mktemp("runs")), name="first"
    )


def test_a_run_of_labels_is_learned_and_said(run: pellucid.Run, pets: Path) -> None:
    assert {f.name: f.kind for f in run.network.fields} == {
        "x": "number", "y": "number", "day": "date", "seen": "labels", "tags": "labels",
    }  # fmt: skip
    assert run.score.metric == "micro F1"
    assert run.score.value > run.baseline.value + 0.1
    assert run.say().startswith("Micro F1 ")
    assert run.network.output.threshold.isfinite().all()
    again = pellucid.load(run.path)
    predicted = again.predict(pets)
    assert predicted == run.predict(pets)
    first = predicted[0]
    assert set(first) == {"row", "input", "labels", "probabilities"}
    assert set(first["probabilities"]) == set(PETS)
    kept = pl.read_parquet(run.folder.read("predictions.parquet"))
    assert kept.columns == ["row", "input", "true", "labels"]
    assert kept["labels"].to_list() == ["; ".join(predicted[row]["labels"]) for row in kept["row"]]
    evaluation = again.evaluate(pets)
    assert evaluation.score.n == 160
    assert set(evaluation.metrics) >= {"micro F1", "macro F1", "mean average precision", "every label right"}


def test_the_report_shows_label_by_label(run: pellucid.Run) -> None:
    page = run.folder.read("report.html").decode()
    assert "Precision and recall of each label, weakest first" in page
    assert "average precision" in page
    assert "['" not in page, "lists are written as words"
    assert "Largest errors" in page


@pytest.mark.parametrize("network", ["cnn", "rnn", "transformer"])
def test_labels_and_dates_go_with_every_trunk(network: str, pets: Path, tmp_path: Path) -> None:
    run = pellucid.train(pets, target="tags", steps=3, size=0, network=network, out=str(tmp_path))
    assert len(pellucid.load(run.path).predict(pets)) == 160


def test_resumed_and_replayed_it_is_the_same_training(run: pellucid.Run, pets: Path, tmp_path: Path) -> None:
    again = pellucid.train(like=run.path, out=str(tmp_path))
    assert again.folder.read("weights.safetensors") == run.folder.read("weights.safetensors")
    one = pellucid.train(pets, target="tags", steps=6, size=0, out=str(tmp_path), name="one")
    assert pellucid.resume(one.path, more="6steps").record["steps"] == 12


def test_labels_never_seen_are_said_and_passed_over(run: pellucid.Run, pets: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(pets).head(20)
    frame = frame.with_columns(tags=pl.when(pl.int_range(20) < 3).then(pl.col("tags") + "; newt").otherwise("tags"))
    frame = frame.with_columns(tags=pl.when(pl.int_range(20) == 5).then(None).otherwise("tags"))
    evaluation = run.evaluate(frame)
    assert evaluation.score.n == 19
    notes = [str(note) for note in evaluation.notes]
    assert "column 'tags': 1 label is ignored, new since training: 'newt'" in notes
    assert any("1 example without 'tags' is left out" in note for note in notes)


def test_a_single_new_row_is_read_as_the_run_was(run: pellucid.Run, tmp_path: Path) -> None:
    """03/04/2019 alone tells nothing; the run knows that its dates have the day first."""
    row = {"x": 0.1, "y": 0.2, "seen": "near, wet"}
    same = [{"day": "03/04/2019"}, {"day": datetime.date(2019, 4, 3)}, {"day": "2019-04-03"}]
    chances = [run.predict([row | day])[0]["probabilities"] for day in same]
    assert chances == [chances[0]] * 3
    assert run.predict([row | {"day": "2019-03-04"}])[0]["probabilities"] != chances[0]
    listed = run.predict({**{k: [v] for k, v in row.items()}, "seen": [["wet", "near"]], "day": ["03/04/2019"]})
    assert listed[0]["probabilities"] == chances[0]
    unknown = run.predict([row | {"day": None, "seen": "never met"}])[0]
    assert "error" not in unknown


def test_labels_on_the_command_line(
    run: pellucid.Run, pets: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = run.predict(pets)
    none = {"input": "row 9", "labels": [], "probabilities": dict.fromkeys(PETS, 0.125)}
    two = {
        "input": "row 8",
        "labels": ["cat", "dog"],
        "probabilities": {"bird": 0.1, "cat": 0.7, "dog": 0.25, "fish": 0},
    }
    show_predictions.print_rows([two, none])
    assert capsys.readouterr().out == "row 8\tcat; dog\t0.7000; 0.2500\nrow 9\tnone\t\n"
    show_predictions.show_predictions([two, none], Console(force_terminal=True, width=100, color_system=None))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("  ") and " ".join(line.split()) for line in shown if line.strip()] == [
        "row 8 cat 70% dog 25% bird 10.0%", "row 9 none bird 12.5% cat 12.5%",
    ]  # fmt: skip
    rows.to_csv(tmp_path / "out.csv")
    written = pl.read_csv(tmp_path / "out.csv")
    assert written.columns == ["row", "input", "labels", *(f"p_{p}" for p in PETS)]
    found = show_data.target_text(pellucid.read(pets, target="tags").summary())
    assert found.plain == "tags, any of 4 labels, from 2 numbers, 1 date and 1 column of labels: as you asked"


def test_columns_of_yes_and_no_are_trained_and_evaluated(tmp_path: Path) -> None:
    source = flags(160)
    run = pellucid.train(source, target=PETS, steps=60, size=0, out=str(tmp_path))
    assert run.score.value > run.baseline.value + 0.1
    inputs = {name: values[:3] for name, values in source.items() if name.startswith("x")}
    assert set(run.predict(inputs)[0]["probabilities"]) == set(PETS)
    assert run.evaluate(source).score.n == 160
    with pytest.raises(pellucid.PellucidError, match="the column 'cat' is missing"):
        run.evaluate({name: values for name, values in source.items() if name != "cat"})


@pytest.mark.skipif(not DATA.exists(), reason=f"the shared data is not at {DATA}")
def test_the_season_is_learned_from_the_date_alone(tmp_path: Path) -> None:
    """Melbourne's daily minimum temperatures; the mean of each month alone explains about half."""
    run = pellucid.train(
        DATA / "daily-min-temperatures.csv", target="Temp", steps=300, out=str(tmp_path), network="mlp"
    )
    assert [f.kind for f in run.fields] == ["date"]
    assert run.score.value > 0.4


# -- whatever comes


pieces = st.sampled_from([*"0123456789/-.:;,| T+apmZ[]'\"", "2020", "Jan", "+02:00", "²", "١٢", "\x00", "cat"])
cells = st.lists(st.none() | st.text(max_size=12) | st.lists(pieces, max_size=9).map("".join), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(cells, st.sampled_from(["x", "timestamp", "date"]))
def test_no_text_is_too_strange(values: list[str | None], name: str) -> None:
    anything = Column(name, pl.Series(name, values, pl.String))
    for kind in (LABELS, DATE):
        guess = kind.recognise(anything)
        how = guess.settings if guess else {}
        stored = kind.store(anything, how, lambda note: None)
        for role in ("input", "target"):
            state = json.loads(json.dumps(kind.fit(stored, np.arange(len(values)), how, role), allow_nan=False))
            kind.decode(np.asarray(kind.encode(stored, state)), state)
        assert all(kind.show(stored, row) for row in range(len(values)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6),
    st.sampled_from(["timestamp", "date"]),
)
def test_no_number_is_too_large_for_a_date(values: list[int | None], name: str) -> None:
    column = Column(name, pl.Series(name, values, pl.Int64))
    for unit in (None, "s", "ns", "YYYYMMDD"):
        stored = DATE.store(column, {"unit": unit} if unit else {}, lambda note: None)
        state = DATE.fit(stored, np.arange(len(values)), {}, "input")
        assert np.isfinite(np.asarray(DATE.encode(stored, json.loads(json.dumps(state, allow_nan=False))))).all()
        assert all(DATE.show(stored, row) for row in range(len(values)))


def test_numbers_that_training_has_not_seen_the_like_of_are_said() -> None:
    table = {"cm": [150, 160, 175, 190] * 20, "w": [60, 71, 72, 85, 90] * 16, "label": ["a", "b"] * 40}
    run = pellucid.train(pellucid.read(table, target="label", cache=False), steps=2, save=False)
    metres = {"cm": [1.7, 1.8, 1.65], "w": [70, None, 80]}
    assert [str(note) for note in run.predict(metres).notes] == [
        "column 'cm': 3 of 3 lie far outside the training data's range (from 150 to 190): another unit?",
        "column 'w': 1 number is missing, as none was in training: a typical value is used instead",
    ]
    assert run.predict({"cm": [220.0, 120.0, 900.0, 171.0], "w": [70, 71, 72, 73]}).notes == ()
    holes = table | {"w": [None] * 20 + table["w"][20:]}
    scored = run.evaluate(holes)
    assert "column 'w': 20 numbers are missing, as none was in training" in " ".join(map(str, scored.notes))
    gaps = pellucid.train(pellucid.read(holes, target="label", cache=False), steps=2, save=False)
    assert gaps.predict({"cm": [170.0], "w": [None]}).notes == ()


def test_the_commonest_set_of_labels_counts_weights() -> None:
    target = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], float)
    weight = np.array([10, 10, 0.1, 0.1, 0.1])
    assert best_always(target, target.mean(0), "accuracy").tolist() == [False, True]
    assert best_always(target, target.mean(0), "accuracy", weight).tolist() == [True, False]


@pytest.mark.parametrize(
    ("cells", "none"),
    [("{}|{}", "|"), ("{};{}", ";"), ("['{}', '{}']", "[]"), ("#{} #{}", "#"), ("{} {}", "")],
)
def test_the_cell_that_means_no_label_is_the_columns_own(cells, none):
    pairs = [("cat", "dog"), ("dog", "owl"), ("owl", "cat"), ("cat", "fox"), ("fox", "dog")]
    tags = [None, *[cells.format(*pairs[i % 5]) for i in range(59)]]

    def read(tags):
        return pellucid.read({"x": list(range(60)), "tags": tags}, target="tags", kinds={"tags": "labels"}, cache=False)

    data = read(tags)
    data.stored_values("tags")
    said = [note.text for note in data.notes if "1 of 60 values are missing" in note.text]
    assert said == ["1 of 60 values are missing" + (f"; a cell with '{none}' alone means no label" if none else "")]
    if none:
        again = read([none, *tags[1:]])
        stored = again.stored_values("tags")
        assert stored.arrays["count"][0] == 0
        assert stored.meta["values"] == ["cat", "dog", "fox", "owl"]
