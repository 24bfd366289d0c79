"""Whole numbers as a target: when they are classes, when an amount, and how to have the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import write_table
from PIL import Image

import pellucid
from pellucid import PellucidClassifier, PellucidRegressor
from pellucid.planning.make import make_plan
from pellucid.storage import Folder

CLASSES, AMOUNT = "category", "number"


def frame(values: list[Any], name: str = "grade") -> dict[str, Any]:
    """A column of numbers that says little, and the values."""
    rng = np.random.default_rng(0)
    return {"height": rng.normal(size=len(values)).tolist(), name: values}


def read(values: Any, **options: Any) -> pellucid.Dataset:
    return pellucid.read(frame(values), **{"target": "grade", "cache": False, **options})


def counted(**rows: int) -> list[int]:
    """So many rows of each number: ``counted(_1=5, _2=7)``."""
    return [int(name[1:]) for name, count in rows.items() for _ in range(count)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3] * 50, CLASSES),
        ([0, 1, 2] * 5, CLASSES),
        ([1, 2, 3] * 4, AMOUNT),
        (counted(_0=40, _1=40, _2=5), CLASSES),
        (counted(_0=40, _1=40, _2=4), AMOUNT),
        (counted(_0=400, _1=400, _2=4), CLASSES),  # a hundred rows a number
        (list(range(10)) * 6, CLASSES),
        (list(range(1, 11)) * 6, CLASSES),
        (list(range(11)) * 6, AMOUNT),  # ratings from 0 to 10
        (list(range(11)) * 600, AMOUNT),
        ([1, 2, 3, 4, 5] * 12, CLASSES),  # ratings from 1 to 5
        ([0, 1, 2, 3, 4, 5] * 7, CLASSES),  # children
        ([1, 2, 4] * 20, AMOUNT),
        ([1, 2, 4] * 100, CLASSES),
        ([3, 4, 5, 6, 7, 8] * 20, AMOUNT),
        ([3, 4, 5, 6, 7, 8] * 200, CLASSES),  # a hundred rows a number, as ever
        ([2018, 2019, 2020, 2021] * 200, CLASSES),
        ([-1, 0, 1] * 20, AMOUNT),
        ([-1, 0, 1] * 100, CLASSES),
        ([0, 1] * 10, CLASSES),
        ([4, 9] * 10, CLASSES),
        ([1.0, 2.0, 3.0] * 10, CLASSES),
        ([1.0, 2.0, 3.0, None] * 10, CLASSES),
        ([1.0, 2.0, 3.5] * 200, AMOUNT),
        (["1", "2", "3"] * 10, CLASSES),
        (["1.0", "2.0", "3.0"] * 10, CLASSES),
        (["1", "1.0", "2", "3"] * 10, AMOUNT),  # as words they would be four classes
        (np.array([0, 1, 2] * 10, np.uint8), CLASSES),
        (np.array([0, 1, 2] * 10, np.float32), CLASSES),
        (pl.Series([1, 2, 3] * 10, dtype=pl.Int8), CLASSES),
        (pl.Series([1, 2, 3] * 10, dtype=pl.Float32), CLASSES),
        ([True, False] * 10, CLASSES),
    ],
)  # fmt: skip
def test_what_whole_numbers_are_when_predicted(values: Any, kind: str) -> None:
    assert read(values).need_target().kind == kind


def said(data: pellucid.Dataset) -> list[str]:
    return [str(note) for note in data.notes if "whole numbers" in note.text]


@pytest.mark.parametrize(
    ("values", "reason", "note"),
    [
        (
            [1, 2, 3] * 50,
            "3 labels (1, 2, 3); --kind grade=number predicts an amount instead",
            "its 3 whole numbers (1, 2 and 3) are read as classes; --kind grade=number predicts an amount instead",
        ),
        (
            ["0", "1"] * 50,
            "2 labels (0, 1); --kind grade=number predicts an amount instead",
            "its 2 whole numbers (0 and 1) are read as classes; --kind grade=number predicts an amount instead",
        ),
        (
            [3, 4, 5, 6, 7, 8] * 20,
            "120 numbers from 3 to 8; --kind grade=category predicts classes instead",
            "its 6 whole numbers (3, 4, 5, 6, 7 and 8) are read as an amount; "
            "--kind grade=category predicts classes instead",
        ),
        (
            [1.0, 2.0, 4.0] * 20,
            "60 numbers from 1 to 4; --kind grade=category predicts classes instead",
            "its 3 whole numbers (1, 2 and 4) are read as an amount; --kind grade=category predicts classes instead",
        ),
        (
            list(range(11)) * 6,
            "66 numbers from 0 to 10; --kind grade=category predicts classes instead",
            "its 11 whole numbers (0 to 10) are read as an amount; --kind grade=category predicts classes instead",
        ),
        (
            list(range(1990, 2020)) * 4,
            "120 numbers from 1,990 to 2,019; --kind grade=category predicts classes instead",
            "its 30 whole numbers (1990 to 2019) are read as an amount; --kind grade=category predicts classes instead",
        ),
    ],
)
def test_how_to_have_the_other_is_said_everywhere(values: list[Any], reason: str, note: str) -> None:
    data = read(values)
    summary = data.summary()
    assert data.need_target().reason == reason
    assert said(data) == [f"column 'grade': {note}"]
    assert [one["reason"] for one in summary["fields"] if one["name"] == "grade"] == [reason]
    assert note in [one["text"] for one in summary["notes"]]
    assert note in " ".join(data.describe().split())
    choice = make_plan(data, data.split()).choices[0]
    assert (choice.name, choice.value) == ("predict", "grade")
    assert choice.reason == f"'grade' is a {data.need_target().kind}: {reason}"


def test_what_is_told_is_an_option_that_works() -> None:
    names = frame([1, 2, 3] * 20, "a b")
    data = pellucid.read(names, target="a b", cache=False)
    assert data.need_target().reason == "3 labels (1, 2, 3); --kind 'a b=number' predicts an amount instead"
    for kind in (CLASSES, AMOUNT):
        data = pellucid.read(names, target="a b", kinds={"a b": kind}, cache=False)
        assert data.need_target().kind == kind
        assert said(data) == [], "who said what it is is not told"


@pytest.mark.parametrize(
    "values",
    [
        [0.5, 1.5, 2.5] * 40,  # no whole numbers
        list(range(60)),  # each but once
        [i % 51 for i in range(500)],  # too many to be classes
        ["low", "high", "middle"] * 40,
    ],
)
def test_what_can_only_be_one_is_not_doubted(values: list[Any]) -> None:
    assert said(read(values)) == []


def test_inputs_stay_numbers() -> None:
    table = {**frame([1, 2, 3] * 40), "rooms": [0, 1, 2, 3] * 30}
    data = pellucid.read(table, target="grade", cache=False)
    assert data.fields["rooms"].kind == AMOUNT
    assert pellucid.read(table, target="height", cache=False).fields["grade"].kind == AMOUNT


def test_of_several_targets_whole_numbers_stay_amounts() -> None:
    table = {**frame([1, 2, 3] * 40), "children": [0, 1, 2, 3] * 30, "price": [0.5 * i for i in range(120)]}
    data = pellucid.read(table, target="children,price,grade", cache=False)
    assert [f.kind for f in data.targets] == [AMOUNT] * 3
    assert said(data) == [], "together they can't be classes"
    with pytest.raises(pellucid.PellucidError) as error:
        pellucid.read({**table, "sold": [0, 1] * 60}, target="price,sold", cache=False)
    assert str(error.value) == (
        "several targets must all be numbers, or all be 0 or 1 (yes or no); 'sold' is a category\n"
        "  name one target, or use --kind sold=number"
    )


def test_weights_do_not_change_what_a_target_is() -> None:
    table = {**frame([1, 2, 3] * 20), "w": [0.0, 1.0, 2.0] * 20}
    assert pellucid.read(table, target="grade", weights="w", cache=False).need_target().kind == CLASSES


def test_an_input_that_equals_numbered_classes_is_a_warning() -> None:
    columns = {**frame([1, 2, 3] * 9), "copy": [1, 2, 3] * 9, "double": [2.5, 5.0, 7.5] * 9}
    found = [str(note) for note in pellucid.read(columns, target="grade", cache=False).notes if note.level == "warning"]
    assert found[:2] == [
        "column 'copy': possible leakage: equals the target 'grade'; leave it out if it is not known beforehand",
        "column 'double': possible leakage: is perfectly correlated with the target 'grade'"
        "; leave it out if it is not known beforehand",
    ]


def test_numbers_beside_images() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    data = pellucid.read((pixels, np.arange(60) % 5), cache=False)
    assert data.need_target().kind == CLASSES
    assert said(data) == [
        "column 'target': its 5 whole numbers (0, 1, 2, 3 and 4) are read as classes; "
        "--kind target=number predicts an amount instead"
    ]
    assert pellucid.read((pixels, np.arange(60) % 12), cache=False).need_target().kind == AMOUNT


@pytest.mark.parametrize(("name", "values"), [("label", [7, 9, 30]), ("stars", [1, 2, 3])])
def test_numbers_in_a_table_beside_images(name: str, values: list[int], tmp_path: Path) -> None:
    for i in range(30):
        Image.new("L", (8, 8), i).save(tmp_path / f"{i}.png")
    write_table(tmp_path / "metadata.csv", ["file_name", name], [[f"{i}.png", values[i % 3]] for i in range(30)])
    data = pellucid.read(tmp_path, target=name, cache=False)
    shown = f"{values[0]}, {values[1]} and {values[2]}"
    assert data.need_target().kind == CLASSES
    assert said(data) == [
        f"column '{name}': its 3 whole numbers ({shown}) are read as classes; "
        f"--kind {name}=number predicts an amount instead"
    ]


@pytest.mark.slow
def test_estimators_know_what_they_predict() -> None:
    x = np.random.default_rng(0).normal(size=(90, 2))
    for y in (np.arange(90) % 3, (np.arange(90) % 3).astype(float), np.arange(90) % 2):
        regressor = PellucidRegressor(steps=2).fit(x, y)
        assert regressor.run_.network.output.name == "number"
        assert regressor.predict(x).dtype.kind == "f"
    for y in (np.arange(90) % 30, np.arange(90) % 6 + 3, np.arange(90) % 11):
        classifier = PellucidClassifier(steps=2).fit(x, y)
        assert classifier.run_.network.output.name == "category"
        assert set(classifier.predict(x)) <= set(y)


# -- runs of versions that took the same numbers for something else


@pytest.fixture(params=[([1, 2, 3], AMOUNT), ([3, 4, 5, 6, 7], CLASSES)], ids=["an amount", "classes"])
def older(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, pellucid.Run, str]:
    """A table, and a run that took its target for what is not recognised any more; nobody had said so."""
    numbers, kind = request.param
    rows = [[f"{i % 7 - 3}.{i % 10}", numbers[i % len(numbers)]] for i in range(120)]
    table = write_table(tmp_path / "t.csv", ["height", "grade"], rows)
    run = pellucid.train(table, target="grade", kinds={"grade": kind}, steps=4, out=str(tmp_path), name="old")
    record = json.loads((run.path / "run.json").read_text())
    record["data"]["options"]["kinds"] = {}
    folder = Folder.open(run.path)
    with folder.lock():
        folder.write_json("run.json", record)
    assert pellucid.read(table, target="grade").need_target().kind != kind
    return table, pellucid.load(run.path), kind


def test_an_older_run_goes_on_as_before(older: tuple[Path, pellucid.Run, str]) -> None:
    table, run, kind = older
    assert run.evaluate(table).score.metric == run.score.metric
    again = pellucid.train(like=run.path)
    assert again.score == run.score
    assert [one["loss"] for one in again.history] == [one["loss"] for one in run.history]
    more = pellucid.resume(run.path, more="3steps")
    assert more.record["steps"] == 7
    assert more.network.output.name == kind


def test_data_that_was_read_serves_an_older_run_too(older: tuple[Path, pellucid.Run, str]) -> None:
    table, run, kind = older
    more = pellucid.resume(run.path, more="3steps", data=pellucid.read(table, target="grade"))
    assert more.network.output.name == kind


def test_a_training_that_starts_from_an_older_run_predicts_what_it_did(older: tuple[Path, pellucid.Run, str]) -> None:
    table, run, kind = older
    options: dict[str, Any] = {"target": "grade", "start": run.path, "steps": 2, "out": str(run.path.parent)}
    assert pellucid.train(table, **options, name="a").network.output.name == kind
    other = AMOUNT if kind == CLASSES else CLASSES
    assert pellucid.train(table, **options, name="b", kinds={"grade": other}).network.output.name == other
