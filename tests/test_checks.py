"""What looks wrong with data: every check fires where it should, with the right row or file, and not beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import write_table
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pellucid
from pellucid.data.checks.base import COLUMN_CHECKS, PART_CHECKS, TABLE_CHECKS
from pellucid.dataset import read as read_data

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
RNG = np.random.default_rng(0)
N = 400
X = RNG.normal(size=N)
LABEL = ["a", "b"] * 10 + RNG.choice(["a", "b"], N - 20).tolist()


def notes(source, **options) -> list[str]:
    """Everything that is said of data, each with its level."""
    data = pellucid.read(source, cache=False, **options)
    return [f"{note.level}: {note}" for note in data.check()]


@pytest.mark.parametrize("column", ["units", "words"])
def test_of_long_columns_it_is_said_how_many_values_were_looked_at(column, monkeypatch):
    monkeypatch.setattr("pellucid.data.checks.base.SAMPLE", N // 2)
    values = KG if column == "units" else [f"{i % 40}" if i % 3 else "tall" for i in range(N)]
    found = [note for note in notes(plain(f=values)) if "column 'f'" in note]
    assert any(re.search(r": (200|133) of 200 values checked are numbers(,| with a unit) ", note) for note in found)


def at(value, rows, base):
    """``base`` with ``value`` in some rows."""
    made = list(base)
    for row in rows:
        made[row] = value
    return made


def plain(**columns):
    return {"x": X.round(6), **columns, "label": LABEL}


KG = [f"{50 + i % 40} kg" for i in range(N)]
WHOLE = [int(v) for v in RNG.permutation(10 * N)[:N]]
ISO = [f"20{10 + i % 9}-0{1 + i % 9}-{10 + i % 19}" for i in range(N)]
STEPS = (X.round(6) > 0.3).astype(int) + (X.round(6) > 1)
TOWNS = [f"town {i % 40}" for i in range(N)]
NEAR = sorted(X.round(6))

COLUMNS = {  # name: (fires on, the note, a quiet twin)
    "nearly constant": (
        plain(f=at("b", [7], ["a"] * N)),
        "info: column 'f': 'a' in all but 1 of 400 rows: it says almost nothing",
        plain(f=at("b", range(5), ["a"] * N)),
    ),
    "constant where it is there": (
        plain(f=at(None, range(50), [1.5] * N)),
        "info: column 'f': '1.5' in all 350 rows that have a value: it says almost nothing",
        plain(f=at(None, range(50), X)),
    ),
    "mostly missing": (
        plain(f=at(3.0, range(4), at(4.0, range(9), [None] * N))),
        "warning: column 'f': 391 of 400 values are missing (98%)",
        plain(f=at(None, range(100), X)),
    ),
    "half missing": (
        plain(f=at(None, range(240), X)),
        "info: column 'f': 240 of 400 values are missing (60%)",
        plain(f=at(None, range(190), X)),
    ),
    "a code": (
        plain(f=at(-999.0, [5, 17], X)),
        "warning: row 5, column 'f': -999 is in 2 rows and looks like a code for a missing value",
        plain(f=at(-999.0, [5, 17], 500 * X)),
    ),
    "a code above": (
        plain(f=at(99999, [3], [i % 90 for i in range(N)])),
        "warning: row 3, column 'f': 99,999 is in 1 row and looks like a code for a missing value: "
        "all others are from 0 to 89",
        plain(f=at(99998, [3], [i % 90 for i in range(N)])),
    ),
    "an id with gaps": (
        plain(f=[2 * i + i % 2 + 40 for i in range(N)]),
        "warning: column 'f': whole numbers that rise from row to row, 40 to 839, as an id does",
        plain(f=WHOLE),
    ),
    "words nearly all different": (
        plain(f=[f"street {i % 300}" for i in range(N)]),
        "info: column 'f': 300 distinct values in 400 rows, so most will not occur in new rows",
        plain(f=TOWNS),
    ),
    "spaces": (
        plain(f=at(" red", [9], ["red", "blue"] * (N // 2))),
        "info: row 9, column 'f': 1 value has spaces before or after, this one first",
        plain(f=["red", "blue"] * (N // 2)),
    ),
    "units": (
        plain(f=KG),
        "warning: column 'f': 400 of 400 values are numbers with a unit ('50 kg', '51 kg', '52 kg' and 37 more",
        plain(f=[f"{50 + i % 40}" for i in range(N)]),
    ),
    "units that differ": (
        plain(f=at("110 lb", [3, 5], KG)),
        "; the units differ: kg and lb",
        plain(f=KG),
    ),
    "numbers and words": (
        plain(f=[f"{i % 40}" if i % 3 else "tall" for i in range(N)]),
        "warning: row 0, column 'f': 266 of 400 values are numbers, the others are not: 'tall'",
        plain(f=[f"{i % 40}" if i % 3 else "n/a" for i in range(N)]),
    ),
    "date forms": (
        plain(f=at("31/01/2012", [8], ISO)),
        "warning: row 8, column 'f': dates are written in 2 forms: 2024-01-31",
        plain(f=ISO),
    ),
    "day and month": (
        plain(f=at("31/01/2012", [8], at("01/31/2012", [4], [f"0{1 + i % 9}/0{1 + i % 7}/2012" for i in range(N)]))),
        "the day comes first in some dates and the month in others",
        plain(f=at("31/01/2012", [8], [f"0{1 + i % 9}/0{1 + i % 7}/2012" for i in range(N)])),
    ),
    "capitals in an input": (
        plain(f=at("Red", range(40), ["red", "blue"] * (N // 2))),
        "differ by capitals alone and count as different",
        plain(f=at("green", range(40), ["red", "blue"] * (N // 2))),
    ),
    "an equal column": (
        plain(f=X.round(6)),
        "info: column 'f': equals the column 'x': it adds nothing",
        plain(f=at(9.0, [3], X.round(6))),
    ),
    "a column in line": (
        plain(f=X.round(6) * 1.8 + 32),
        "info: column 'f': is perfectly correlated with the column 'x': it adds nothing",
        plain(f=X**2),
    ),
    "rows in order of time": (
        plain(f=pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 2, 3), eager=True)),
        "info: column 'f': rows are in time order; with a random split",
        plain(f=pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 2, 3), eager=True).shuffle(1)),
    ),
    "rows in order of time, as text": (
        plain(f=pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 2, 3), eager=True).dt.strftime("%d.%m.%Y")),
        "info: column 'f': rows are in time order; with a random split",
        plain(f=pl.date_range(pl.date(2020, 1, 1), pl.date(2021, 2, 3), eager=True).shuffle(1).dt.strftime("%d.%m.%Y")),
    ),
    "rows that repeat": (
        plain(f=X) | {"x": at(X[0], [10], X), "f": at(X[0], [10], X)},
        "warning: row 10: 1 row repeats an earlier one (0.2%), this one first",
        plain(f=X) | {"x": at(X[1], [10], X), "f": at(X[0], [10], X)},
    ),
    "rows that repeat but for the id": (
        plain(user_id=WHOLE) | {"x": at(X[0], [10], X.round(6))},
        None,
        plain(),
    ),
    "a code of the class": (
        plain(f=[f"{label}{i % 3}" for i, label in enumerate(LABEL)]),
        "warning: column 'f': possible leakage: determines the target 'label'",
        plain(f=[f"{label if i % 9 else 'a'}{i % 3}" for i, label in enumerate(LABEL)]),
    ),
    "whether it is missing": (
        plain(f=[None if label == "a" else 1.0 + i % 5 for i, label in enumerate(LABEL)]),
        "warning: column 'f': possible leakage: determines the target 'label'",
        plain(f=[None if i % 3 else 1.0 + i % 5 for i in range(N)]),
    ),
    "cuts": (
        {"x": X.round(6), "y": RNG.normal(size=N), "label": [f"c{step}" for step in STEPS]},
        "and 'c2' above; leave it out if it is not known beforehand",
        {"x": X.round(6), "y": RNG.normal(size=N), "label": at("c2", [int(X.argmin())], [f"c{s}" for s in STEPS])},
    ),
    "a number for each word": (
        {"town": TOWNS, "x": X, "target": [float(i % 40 * 7 % 31) for i in range(N)]},
        "warning: column 'town': possible leakage: the target 'target' follows from it: each value always has the same",
        {"town": TOWNS, "x": X, "target": [float(i % 40 * 7 % 31 + i // 40) for i in range(N)]},
    ),
    "rises with": (
        {"x": np.exp(X), "target": X},
        "warning: column 'x': possible leakage: is perfectly rank-correlated with the target 'target'",
        {"x": np.exp(X) + 0.1 * RNG.normal(size=N), "target": X},
    ),
    "accents": (
        {"x": X, "label": at("Zurich", range(30), ["Zürich", "Bern"] * (N // 2))},
        "differ by an accent alone and count as different",
        {"x": X, "label": at("Basel", range(30), ["Zürich", "Bern"] * (N // 2))},
    ),
    "misspelt": (
        {"x": X, "label": at("colur", [6, 8], ["colour", "form"] * (N // 2))},
        "warning: row 6, column 'label': 'colur' (2) may be 'colour' (198) misspelt",
        {"x": X, "label": at("class 2", [6, 8, 10], ["class 1", "form"] * (N // 2))},
    ),
    "two of a class": (
        {"x": X, "label": at("c", [4, 9], LABEL)},
        "warning: row 4, column 'label': 1 class has two examples (c), here first: it can be learned but not scored",
        {"x": X, "label": at("c", range(0, N, 9), LABEL)},
    ),
    "contradictions": (
        {"x": at(X[0], [2, 4], X), "label": at("b", [2], LABEL)},
        "info: row 0: 3 rows have the same inputs as another but a different 'label': "
        "accuracy can't be above 99.75%, such as row 2",
        {"x": at(X[0], [2, 4], X), "label": LABEL},
    ),
    "contradicting amounts": (
        {"x": X[np.arange(N) // 2], "target": X},
        "rows have the same inputs as another but a different 'target': R² can't be above",
        {"x": X[np.arange(N) // 2], "target": X[np.arange(N) // 2] ** 2},
    ),
    "few to score": (
        {"x": X[:60], "label": LABEL[:60]},
        "warning: only 6 examples to test on: an accuracy of 90% would be uncertain by ±24 points",
        {"x": RNG.normal(size=1200), "label": LABEL * 3},
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_check_fires_where_it_should_and_nowhere_else(name):
    fires, expected, quiet = COLUMNS[name]
    if expected is None:
        pytest.skip("see the test of ids")
    found = notes(pl.DataFrame(fires))
    assert [note for note in found if expected in note], found
    kind = expected.split(": ")[-1]
    assert not [note for note in notes(pl.DataFrame(quiet)) if kind in note]


def test_rows_that_repeat_but_for_the_id():
    frame = plain(f=X) | {"user_id": WHOLE, "x": at(X[0], [10], X), "f": at(X[0], [10], X)}
    assert "warning: row 10: 1 row repeats an earlier one but for 'user_id' (0.2%), this one first" in "\n".join(
        notes(frame)
    )


def test_few_different_values_make_equal_rows_by_chance():
    frame = {"sex": ["m", "f"] * 200, "size": list("smlx") * 100, "label": [*"aab", *"bab"] * 66 + list("abab")}
    found = notes(frame)
    assert not [note for note in found if "warning" in note and "repeat" in note]
    assert [note for note in found if note.endswith("by chance: values repeat often")]
    assert not [note for note in found if "of train" in note]


def test_clean_tables_are_left_in_peace():
    frame = {f"n{i}": RNG.normal(size=3000) for i in range(6)}
    frame |= {"colour": RNG.choice(["red", "green", "blue"], 3000), "when": RNG.integers(0, 24, 3000)}
    assert notes(frame | {"label": RNG.choice(list("abc"), 3000)}) == []
    assert notes(frame | {"price": RNG.normal(size=3000)}, target="price") == []


def test_more_columns_than_rows():
    wide = {f"n{i}": RNG.normal(size=30) for i in range(31)}
    text = "warning: 31 input columns and only 30 rows: some will fit the target by chance"
    assert text in notes(wide | {"label": ["a", "b"] * 15})
    assert text not in notes({k: wide[k] for k in list(wide)[:29]} | {"label": ["a", "b"] * 15})


def test_many_columns_of_a_kind_are_said_together():
    frame = plain(**{f"f{i}": at("b", [i], ["a"] * N) for i in range(9)})
    found = [note for note in notes(frame) if "nothing" in note or "constant" in note]
    assert len(found) == 6
    assert found[-1] == "info: 4 more columns nearly constant: f5, f6, f7 and f8"


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_no_column_of_a_real_table_is_taken_for_a_copy(name):
    from sklearn import datasets

    found = notes(getattr(datasets, f"load_{name}")(as_frame=True).frame)
    assert not [note for note in found if "the target" in note]
    assert not [note for note in found if "follows" in note]


def test_a_separating_number_of_a_small_table_is_no_warning():
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame
    frame["target"] = (frame["target"] == 0).map({True: "setosa", False: "other"})
    found = [note for note in notes(frame) if "follows from it alone" in note]
    assert len(found) == 2
    assert all(note.startswith("info: column 'petal") for note in found)


@pytest.mark.parametrize("name", ["iris.csv", "sonar.csv", "winequality-red.csv", "diamonds.csv", "ag_news.csv"])
def test_real_files_have_few_warnings_and_those_are_true(name):
    if not (SHARED / name).exists():
        pytest.skip(f"the shared data file {name} is not here ({SHARED})")
    found = notes(SHARED / name, target="cut" if name == "diamonds.csv" else None)
    expected = {
        "iris.csv": [
            "3 rows repeat",
            "2 rows of test (13.3%) have the same",
            "only 15 examples",
        ],
        "sonar.csv": ["only 21 examples"],
        "winequality-red.csv": [
            "240 rows repeat",
            "classes are imbalanced",
            "39 rows of test (24.4%) and 39 rows of val",
        ],
        "diamonds.csv": ["146 rows repeat"],
        "ag_news.csv": [],
    }[name]
    warnings = [note for note in found if note.startswith("warning")]
    assert len(warnings) == len(expected), warnings
    for text in expected:
        assert [note for note in warnings if text in note], warnings


def test_dates_in_several_forms_are_said_though_they_are_read():
    days = [f"2020-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(200)]
    frame = {"x": X[:200], "day": at("03/02/2020", [7], days), "label": LABEL[:200]}
    found = "\n".join(notes(frame))
    assert "warning: column 'day': dates could have the day or the month first" in found
    assert "warning: row 7, column 'day': dates are written in 2 forms" in found


# what is done about it


def test_fix_says_what_training_does_and_writes_nothing(tmp_path, monkeypatch):
    import contextlib
    import io

    from pellucid.cli import exit_code

    rows = [[i, 20 + i % 30, f"{60 + i % 20} kg", "good" if i % 2 else "bad"] for i in range(60)]
    rows[4][1], rows[5][3], rows[6][3] = -999, "Bad", ""
    table = write_table(tmp_path / "people.csv", ["id", "age", "weight", "score"], rows)
    monkeypatch.chdir(tmp_path)
    said = {}
    for flag in ("--fix", "--json"):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert exit_code(["read", str(table), "--target", "score", flag], 0.0) == 0
        said[flag] = out.getvalue()
    assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]
    words = " ".join(said["--fix"].split())
    for expected in (
        "Nothing is changed.",
        "-999 is in 1 row and looks like a code for a missing value: all others are from 20 to 49 "
        "training read as a number like the others you leave the cell empty instead of -999",
        "left out as an id: whole numbers, all different, named like an id "
        "training left out you to use it: --kind id=number",
        "1 example without 'score' is left out, this one first training left out",
        "training read as category, not as amounts you write the unit in the column's name",
    ):
        assert expected in words
    found = json.loads(said["--json"])["notes"]
    assert {frozenset(note) for note in found} == {frozenset(["level", "text", "where", "action", "fix"])}
    assert all(note["action"] for note in found)
    assert all(note["fix"] for note in found if note["level"] != "info")


def test_notes_of_older_caches_are_read():
    from pellucid.fields import Note

    assert Note(level="info", text="always 3", where="column 'a'") == Note("info", "always 3", "column 'a'", "", "")


def test_clean_data_has_nothing_to_fix(tmp_path, capsys):
    from pellucid.cli import exit_code

    rows = [[f"{RNG.normal():.5f}", f"{RNG.normal():.5f}", RNG.choice(["a", "b"])] for _ in range(1200)]
    assert exit_code(["read", str(write_table(tmp_path / "t.csv", ["x", "y", "label"], rows)), "--fix"], 0.0) == 0
    assert "No problems found." in capsys.readouterr().out


# given parts


def test_copies_between_given_parts_and_what_is_unseen():
    split = ["train"] * 300 + ["test"] * 100
    towns = ["Bern", "Basel", "Genf"] * 100 + ["Bern", "Chur"] * 50
    frame = {"x": at(X[0], [350], X), "town": at("Bern", [350], towns), "split": split, "label": at("a", [350], LABEL)}
    found = "\n".join(notes(frame))
    assert (
        "warning: row 350: 1 row of test (1.0%) has the same inputs as one in train: the score may be too good" in found
    )
    assert "warning: column 'town': 50% of test has values that train never has: 'Chur'" in found
    frame |= {"x": X, "town": ["Bern", "Basel", "Genf", "Chur"] * 100}
    found = "\n".join(notes(frame))
    assert "of train" not in found
    assert "train never has" not in found


def test_drift_between_given_parts():
    split = np.array(["train"] * 300 + ["test"] * 100)
    moved = np.where(split == "test", X + 1.5, X)
    assert "column 'x': differs between train and test: median" in "\n".join(
        notes({"x": moved, "split": split, "label": LABEL})
    )
    later = np.arange(N) * 2.5 + X
    assert "column 'x': all of test is above all of train" in "\n".join(
        notes({"x": later, "split": split, "label": LABEL})
    )
    shares = {"x": X, "f": RNG.choice(["p", "q"], N, p=[0.9, 0.1]), "split": split, "label": LABEL}
    shares["f"][300:] = RNG.choice(["p", "q"], 100, p=[0.1, 0.9])
    assert "column 'f': differs between train and test: '" in "\n".join(notes(shares))
    assert "differs between" not in "\n".join(notes({"x": X, "split": split, "label": LABEL}))


# texts

WORDS = [
    "the",
    "film",
    "was",
    "long",
    "and",
    "quiet",
    "but",
    "its",
    "music",
    "made",
    "up",
    "for",
    "thin",
    "plot",
    "left",
]


def sentences(n, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 22)) + f" number {i}" for i in range(n)]


def test_texts_that_differ_by_case_or_by_a_word():
    text = sentences(200)
    text[150] = text[3].upper().replace(" ", "  ") + "!"
    text[170] = text[5].replace(" number", " the number")
    frame = {"text": text, "split": ["train"] * 120 + ["val"] * 20 + ["test"] * 60, "label": ["a", "b"] * 100}
    found = "\n".join(notes(frame))
    assert "row 150: 1 text of test (1.7%) has the same inputs as one in train" in found
    assert "warning: row 3: 2 texts have the same inputs as another but a different 'label'" in found
    assert "info: row 170: 1 text is nearly the same as another one, such as row 5" in found
    assert (
        "warning: row 170: 1 text of test (1.7%) is nearly the same as one in train: the score may be too good" in found
    )
    quiet = notes(frame | {"text": sentences(200)})
    assert not [note for note in quiet if "same" in note]


def test_texts_in_a_script_without_spaces():
    rng = np.random.default_rng(0)
    signs = [chr(0x4E00 + i) for i in range(400)]
    text = ["".join(rng.choice(signs, 30)) for _ in range(120)]
    text[70] = text[2][:15] + "好" + text[2][15:]
    found = "\n".join(notes({"text": text, "label": ["a", "b"] * 60}, kinds={"text": "text"}))
    assert "row 70: 1 text is nearly the same as another one, such as row 2" in found


def test_the_name_of_the_class_in_its_text():
    text = sentences(200)
    label = ["good", "bad"] * 100
    frame = {"text": [f"{t} {own}" for t, own in zip(text, label, strict=True)], "label": label}
    assert "column 'text': the name of the class is in 100% of the texts" in "\n".join(notes(frame))
    mixed = {"text": [f"{t} good bad" for t in text], "label": label}
    assert "name of the class" not in "\n".join(notes(mixed))


# images


def scene(seed, size=48):
    """A smooth picture with noise, unlike any other."""
    rng = np.random.default_rng(seed)
    low = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(low).astype(int) + rng.integers(-9, 9, (size, size, 3)), 0, 255).astype(np.uint8)


def album(folder, n=40):
    for i in range(n):
        place = folder / f"class {i % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(i)).save(place / f"{i:02}.png")
    return folder


def test_photos_that_are_nearly_the_same(tmp_path):
    photos = album(tmp_path / "album")
    assert not [note for note in notes(photos) if "the same" in note]
    Image.fromarray(scene(4)).save(photos / "class 0" / "saved again.jpg", quality=60)
    smaller = Image.fromarray(np.clip(scene(7) * 0.9 + 12, 0, 255).astype(np.uint8)).resize((40, 40))
    smaller.save(photos / "class 1" / "smaller.png")
    found = "\n".join(notes(photos, image_size=48))
    assert "saved again.jpg: 2 images are nearly the same as another one, such as class 0/04.png" in found


def test_the_same_photo_in_two_classes(tmp_path):
    photos = album(tmp_path / "album")
    (photos / "class 1" / "copy.png").write_bytes((photos / "class 0" / "02.png").read_bytes())
    found = "\n".join(notes(photos))
    assert "warning: class 1/copy.png: 1 image is a copy of another one, such as class 0/02.png" in found
    assert "warning: class 0/02.png: 2 images have the same inputs as another but a different 'label'" in found


def test_drawings_are_alike_by_nature(tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    large = np.stack([np.asarray(Image.fromarray((i * 15).astype(np.uint8)).resize((28, 28))) for i in digits.images])
    found = [note for note in notes((np.where(large < 90, 0, large), digits.target)) if "nearly" in note]
    assert found == []


def test_odd_images_are_named(tmp_path):
    photos = album(tmp_path / "album")
    assert not [note for note in notes(photos, image_size=48) if "image" in note and "examples" not in note]
    first = photos / "class 0"
    Image.fromarray(scene(90, 300)).save(first / "large.png")
    Image.fromarray(scene(91, 8)).save(first / "tiny.png")
    Image.fromarray(scene(92)).resize((200, 20)).save(first / "wide.png")
    Image.fromarray(scene(93)).convert("CMYK").save(first / "print.jpg")
    frames = [Image.fromarray(scene(94 + i)) for i in range(3)]
    frames[0].save(first / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(scene(97)).save(first / "turned.jpg", exif=turned)
    (first / "cut.png").write_bytes((first / "00.png").read_bytes()[:900])
    found = notes(photos, image_size=48)
    for expected in (
        "info: class 0/large.png: 1 image is much larger than the others, which have about 48 pixels a side",
        "warning: class 0/tiny.png: 1 image is much smaller than the others, which have about 48 pixels a side",
        "warning: class 0/wide.png: 1 image is far longer than wide, or wider than long",
        "info: class 0/print.jpg: 1 image is in another colour mode than most (RGB 45 and CMYK 1)",
        "info: class 0/moving.webp: 1 image is moving pictures",
        "info: class 0/turned.jpg: 1 image is stored on their side and marked so (EXIF)",
    ):
        assert expected in found, found
    assert [note for note in found if "cut.png: is damaged (image file is truncated); left out" in note]


# the machinery


def test_checks_of_parts_are_kept_in_the_cache(tmp_path, monkeypatch):
    from pellucid.data import checks

    album(tmp_path / "album")
    first = list(pellucid.read(tmp_path / "album", cache=tmp_path / "cache").check())
    monkeypatch.setattr(checks, "check_examples", None)
    assert list(pellucid.read(tmp_path / "album", cache=tmp_path / "cache").check()) == first


def test_every_warning_says_what_training_does_and_what_one_can_do():
    for name, (fires, expected, _) in COLUMNS.items():
        if expected is not None:
            for note in pellucid.read(pl.DataFrame(fires), cache=False).check():
                assert note.level != "warning" or (note.action and note.fix), f"{name}: {note}"


def test_all_checks_are_known():
    assert (len(COLUMN_CHECKS), len(TABLE_CHECKS), len(PART_CHECKS)) == (13, 4, 12)


CELLS = st.one_of(
    st.none(),
    st.text(max_size=6),
    st.sampled_from(
        ["", " ", "n/a", "12 kg", "-999", "2020-01-02", "31/01/2020", "a;b", "é", "É", "0", "1e400", "inf"]
    ),
    st.sampled_from(["colour", "colur", "Red", "red ", "99999"]),
)
VALUES = st.one_of(
    st.lists(CELLS, min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.floats()), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.integers(-(2**60), 2**60)), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=1, max_size=30),
    st.lists(st.one_of(st.none(), st.dates()), min_size=1, max_size=30),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=5), st.integers(0, 40))
def test_no_table_is_too_odd_to_be_checked(columns, n):
    frame = pl.DataFrame({f"c{i}": (own * (n // len(own) + 1))[: n + 1] for i, own in enumerate(columns)}, strict=False)
    for target in (None, "c0"):
        try:
            for note in pellucid.read(frame, target=target, cache=False).check():
                assert note.level in ("info", "warning", "error")
        except pellucid.PellucidError:
            pass


def test_labels_of_cells_that_hold_several_are_looked_at_too() -> None:
    tags = ["cat;dog", "Dog;bird", "dog ; cat", "bird;cat"] * 20 + ["cat;fish"]
    said = [
        str(note)
        for note in read_data({"x": list(range(81)), "tags": tags}, target="tags", kinds={"tags": "labels"}).notes
    ]
    assert (
        "row 80, column 'tags': 1 label has a single example (fish), here first: it can be learned but not scored"
        in said
    )
    assert "column 'tags': 'dog' (40) and 'Dog' (20) differ by capitals alone and count as different" in said


def test_columns_that_are_not_looked_at_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {f"c{i}": [float((i + 1) * r % 17) for r in range(60)] for i in range(12)} | {"label": ["a", "b"] * 30}
    few = "only the first 10 of 13 columns are checked one by one; the others are not checked"
    monkeypatch.setattr("pellucid.data.checks.base.WIDE", 10)
    assert few in [note.text for note in read_data(columns, target="label", cache=False).notes]
    monkeypatch.setattr("pellucid.data.checks.base.WIDE", 13)
    assert not [note for note in read_data(columns, target="label", cache=False).notes if " checked" in note.text]
