"""Words as values: one value in many spellings, words that say nothing, labels between marks, signs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import pellucid
from pellucid.data.read import read_data
from pellucid.fields.label_marks import find_separator
from pellucid.fields.missing_words import find_markers
from pellucid.fields.same_value import match_values, unify_truths
from pellucid.fields.spelling import explain_difference

N = 60

WIDTH = [float(i % 11) for i in range(N)]

SMOKER = [i % 2 == 0 for i in range(N)]


# -- one value, whatever gave it


@pytest.mark.parametrize(
    ("new", "known", "found"),
    [
        (["True", "FALSE"], ["false", "true"], {"True": "true", "FALSE": "false"}),
        (["1", "0.0"], ["False", "True"], {"1": "True", "0.0": "False"}),
        (["true", "f"], ["0", "1"], {"true": "1", "f": "0"}),
        (["TRUE", "1"], ["True", "False", "unknown"], {"TRUE": "True"}),
        (["1.0", "2.50"], ["1", "2.5"], {"1.0": "1", "2.50": "2.5"}),
        (["7"], ["007"], {"7": "007"}),
        (["7"], ["007", "07"], {}),
        (["12345678901234567891"], ["12345678901234567890"], {}),
        (["2024-01-31 00:00:00.000000"], ["2024-01-31"], {"2024-01-31 00:00:00.000000": "2024-01-31"}),
        (["2024-1-5", "2024-13-01"], ["2024-01-05"], {"2024-1-5": "2024-01-05"}),
        (["Yes", "red", "nan", "inf"], ["yes", "Red", "f", "m"], {}),
        (["t"], ["f", "m"], {}),
        (["1"], ["true"], {}),
    ],
)
def test_which_new_values_are_known_ones(new: list[str], known: list[str], found: dict[str, str]) -> None:
    assert match_values(new, known) == found


def test_truths_of_several_files_become_one_spelling(tmp_path: Path) -> None:
    assert unify_truths(["TRUE", "true", "False"]) == {"true": "TRUE"}
    frame = pl.DataFrame({"w": WIDTH, "y": ["True", "False"] * 20 + ["true", "false"] * 10})
    data = pellucid.read(frame, target="y", cache=False)
    assert data.stored_values("y").meta["values"] == ["False", "True"]
    assert data.summary()["classes"] == {"False": 30, "True": 30}


def sources(folder: Path, smoker: list[Any], label: list[Any]) -> dict[str, Any]:
    """The same rows in files and frames that spell a truth value each in its own way."""
    frame = pl.DataFrame({"width": WIDTH, "smoker": smoker, "label": label})
    words = frame.with_columns(pl.col("smoker").cast(pl.String), pl.col("label").cast(pl.String))
    words.with_columns(pl.col("smoker").str.to_titlecase()).write_csv(folder / "title.csv")
    words.with_columns(pl.col("smoker").str.to_uppercase()).write_csv(folder / "upper.tsv", separator="\t")
    frame.write_parquet(folder / "typed.parquet")
    frame.write_ndjson(folder / "typed.jsonl")
    found = {name: folder / name for name in ("title.csv", "upper.tsv", "typed.parquet", "typed.jsonl")}
    objects = pd.DataFrame({"width": WIDTH, "smoker": pd.Series(smoker, dtype=object), "label": label})
    return found | {
        "polars": frame,
        "pandas": pd.DataFrame({"width": WIDTH, "smoker": smoker, "label": label}),
        "objects": objects,
        "text": objects.assign(smoker=[str(one) for one in smoker]),
        "letters": objects.assign(smoker=["t" if one else "f" for one in smoker]),
        "numbers": objects.assign(smoker=[float(one) for one in smoker]),
    }


@pytest.mark.parametrize("learned", ["title.csv", "typed.parquet", "text"])
def test_a_truth_value_is_one_from_any_source_to_any_other(learned: str, tmp_path: Path) -> None:
    every = sources(tmp_path, SMOKER, ["a" if one else "b" for one in SMOKER])
    data = pellucid.read(every[learned], target="label", kinds={"smoker": "category"}, cache=False)
    run = pellucid.train(data, steps=8, save=False)
    expected = {str(one["label"]) for one in run.predict(every[learned])}
    assert expected == {"a", "b"}
    for name, source in every.items():
        assert [one["label"] for one in run.predict(source)] == [one["label"] for one in run.predict(every[learned])]
        assert run.evaluate(source).score.value == run.evaluate(every[learned]).score.value, name


def test_truth_values_as_a_target_are_known_again(tmp_path: Path) -> None:
    every = sources(tmp_path, SMOKER, ["a" if one else "b" for one in SMOKER])
    run = pellucid.train(pellucid.read(every["text"], target="smoker", cache=False), steps=8, save=False)
    assert {one["label"] for one in run.predict(every["polars"])} == {"True", "False"}
    for name, source in every.items():
        assert run.evaluate(source).score.n == N, name


def test_numbers_as_words_are_known_again() -> None:
    price = [1.5, 2.0, 0.25] * 20
    frame = {"width": WIDTH, "price": price, "label": ["a", "b", "c"] * 20}
    run = pellucid.train(
        pellucid.read(frame, target="label", kinds={"price": "category"}, cache=False), steps=4, save=False
    )
    text = frame | {"price": ["1.50", "2.0", ".25"] * 20}
    assert [one["label"] for one in run.predict(text)] == [one["label"] for one in run.predict(frame)]
    said = [str(note) for note in run.predict(text).notes]
    assert any("read '.25' as '0.25'" in note for note in said), said


# -- words that say nothing


@pytest.mark.parametrize(
    ("values", "markers"),
    [
        (["yes", "no", "NA"], ["NA"]),
        (["DE", "FR", "US", "NA"], []),
        (["EMEA", "APAC", "NA"], []),
        (["de", "fr", "us", "na", "NULL"], ["NULL"]),
        (["Grvl", "Pave", "NA", "None"], ["NA"]),
        (["+", "-"], []),
        (["cat", "dog", "-", "?"], ["-", "?"]),
        (["!", ".", "?"], []),
        (["NA", "null"], ["NA", "null"]),
        (["1", "2", "n/a"], ["n/a"]),
        (["None", "Na", "Nan"], []),
        ([], []),
    ],
)
def test_which_words_stand_for_no_value(values: list[str], markers: list[str]) -> None:
    assert find_markers(values) == markers


def test_missing_words_of_inputs_and_target_are_said_with_their_count() -> None:
    label = ["yes", "no", "yes", "no", "NA", "no"] * 10
    data = pellucid.read({"w": WIDTH, "land": ["DE", "FR", "US", "NA"] * 15, "label": label}, cache=False)
    data.check()
    assert data.summary()["classes"] == {"no": 30, "yes": 20}
    notes = [str(note) for note in data.notes]
    assert "column 'label': 10 of 60 values are missing: 10 say 'NA'" in notes
    assert "column 'land': 'NA' (15) is read as a value, not as missing" in notes
    assert any(note.startswith("row 4") and "10 examples without 'label' are left out" in note for note in notes), notes


def test_a_kind_that_is_asked_for_keeps_its_words_but_among_numbers() -> None:
    label = ["yes", "no", "NA"] * 20
    kept = pellucid.read({"w": WIDTH, "label": label}, kinds={"label": "category"}, cache=False)
    assert kept.summary()["classes"] == {"NA": 20, "no": 20, "yes": 20}
    kept.check()
    assert "column 'label': 'NA' (20) is read as a value, not as missing" in [str(note) for note in kept.notes]
    numbered = {"w": WIDTH, "class": ["1", "2", "NA"] * 20}
    for options in ({}, {"kinds": {"class": "category"}}):
        data = pellucid.read(numbered, target="class", cache=False, **options)
        assert data.summary()["classes"] == {"1": 20, "2": 20}


def test_columns_without_values_are_said_to_be_that() -> None:
    data = read_data(
        {"w": WIDTH, "n": ["null"] * N, "few": ["x", "y"] + ["?"] * (N - 2), "y": ["a", "b"] * 30}, cache=False
    )
    assert (data.fields["n"].role, data.fields["n"].reason) == ("ignore", "no values at all")
    assert "58 of 60 values missing" in data.fields["few"].reason


def test_none_is_a_value() -> None:
    data = read_data({"w": WIDTH, "veneer": ["None", "Brick", "None"] * 20, "y": ["a", "b"] * 30}, cache=False)
    assert data.stored_values("veneer").meta["values"] == ["Brick", "None"]
    assert not [note for note in data.notes if "missing" in note.text]


# -- labels between marks

WORDS = ["clear", "haze", "primary", "road", "water", "agriculture", "cloudy"]


def tags(join: Callable[[list[str]], str], n: int = 150) -> list[str]:
    draw = np.random.default_rng(3)
    return [join([WORDS[i] for i in draw.permutation(7)[: draw.integers(1, 5)]]) for _ in range(n)]


@pytest.mark.parametrize(
    ("join", "separator"),
    [
        (" ".join, " "),
        ("/".join, "/"),
        ("; ".join, ";"),
        (" + ".join, "+"),
        (lambda own: " ".join(f"#{one}" for one in own), "#"),
        (lambda own: "".join(f"#{one}" for one in own), "#"),
    ],
)
def test_labels_between_marks_are_recognised(join: Callable[[list[str]], str], separator: str) -> None:
    data = read_data({"width": list(range(150)), "tags": tags(join)}, target="tags", cache=False)
    field = data.fields["tags"]
    assert (field.kind, field.settings["separator"]) == ("labels", separator)
    assert field.reason.startswith("7 labels")
    assert set(data.reading.classes) == set(WORDS)


@pytest.mark.parametrize(
    "cells",
    [
        ["very good", "good", "bad", "very bad"] * 40,
        ["light red", "dark red", "light blue", "dark blue"] * 40,
        ["Anna Berg", "Anna Maier", "Karl Berg", "Karl Maier"] * 40,
        ["km/h", "m/s"] * 80,
        ["C", "C++", "C#"] * 50,
        [f"the cat sat on mat {i % 30}" for i in range(150)],
    ],
)
def test_phrases_are_no_labels(cells: list[str]) -> None:
    assert find_separator(pl.Series(cells), "colour") is None


def test_labels_that_are_asked_for_take_any_mark_or_say_which_there_are() -> None:
    two = read_data({"w": [1, 2, 3, 4], "t": ["a b", "b c", "a", "c"]}, target="t", kinds={"t": "labels"}, cache=False)
    assert two.fields["t"].reason == "as asked; 3 labels (a, b, …), 1.5 a row, separated by spaces"
    none = pellucid.read({"w": [1, 2, 3, 4], "t": ["a", "b", "a", "c"]}, target="t", kinds={"t": "labels"}, cache=False)
    none.check()
    text = "column 't': no separator between labels found, so each cell is one label; "
    text += "separators are ; | , # / + & • · and spaces"
    assert text in [str(note) for note in none.notes]


# -- spellings


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("A", "A-", ""),
        ("A+", "A-", ""),
        ("C", "C#", ""),
        ("-0,2", "0,2", ""),
        ("1,5", "15", ""),
        ("50-60", "5060", ""),
        ("12:30", "1230", ""),
        ("ice-cream", "ice cream", "a hyphen and a space"),
        ("yes\u200b", "yes", "an invisible character"),
        ("\ufeffYes", "yes", "capitals and an invisible character"),
        ("new\u00a0york", "new york", "the kind of space"),
        ("“yes”", "yes", "a quotation mark"),
        ("ﬁne", "fine", "how a letter is written"),
    ],
)
def test_signs_that_say_something_and_signs_that_do_not(one: str, other: str, how: str) -> None:
    assert explain_difference(one, other) == how


@pytest.mark.parametrize(
    "values",
    [["A", "A-", "A+"], ["C", "C++", "C#"], ["-0,2 m", "0,2 m", "1 m"], ["1-2", "12", "1 2"], ["<5", ">5", "5"]],
)
def test_grades_and_signs_are_no_spellings_of_one_another(values: list[str]) -> None:
    data = read_data({"w": WIDTH, "g": [*values] * 20, "y": ["a", "b"] * 30}, kinds={"g": "category"}, cache=False)
    assert not [note for note in data.notes if "differ by" in note.text]


def test_new_words_of_an_input_are_named_beside_the_known_ones_with_their_counts() -> None:
    frame = {"w": WIDTH, "colour": ["red", "green", "blue"] * 20, "label": ["a", "b", "b"] * 20}
    run = pellucid.train(pellucid.read(frame, target="label", cache=False), steps=2, save=False)
    said = [note.text for note in run.predict({"w": [1.0] * 4, "colour": ["red.", "teal", "teal", "blue"]}).notes]
    assert (
        "2 words are new since training, in 3 values, and count as unknown: 'teal' (2) and 'red.' (1); "
        "known are 'red', 'blue' and 'green': 'red.' and 'red' differ by a full stop"
    ) in said


# -- years


def test_years_have_no_marks_between_thousands() -> None:
    years = [2010 + i % 5 for i in range(N)]
    data = read_data({"Year Built": years, "price": years, "yearly": years}, cache=False)
    assert [data.fields[name].reason for name in data.fields] == [
        "60 numbers from 2010 to 2014",
        "60 numbers from 2,010 to 2,014",
        "60 numbers from 2,010 to 2,014",
    ]
    assert (
        read_data({"year": [1, 2000] * 30, "y": [1, 2] * 30}, cache=False).fields["year"].reason.endswith("1 to 2000")
    )
    parted = read_data({"year": sorted(years), "w": WIDTH, "y": ["a", "b"] * 30}, split="time:year", cache=False)
    assert "train 2010 to 2012 (36 rows)" in parted.reading.parted


def test_a_kind_without_a_column_is_said_as_it_was_typed() -> None:
    with pytest.raises(pellucid.PellucidError) as error:
        pellucid.read({"cut": [1, 2, 1]}, kinds=("cut",))
    assert str(error.value) == "kinds 'cut': expected COLUMN=KIND, such as zip=category"
