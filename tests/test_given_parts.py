"""Parts that the data gives: what is lost of them is said, and a part of which all is lost is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_table
from PIL import Image

import pellucid
from pellucid import PellucidError

YES_NO = "'no.' and 'yes.' are new; known are 'no' and 'yes': 'no.' and 'no', 'yes.' and 'yes' differ by a full stop"
SPELT = "write classes the same way in both sets, or split again: "


def rows(labels: list[Any], n: int) -> list[list[object]]:
    rng = np.random.default_rng(n)
    return [[f"{rng.normal():.4f}", labels[i % len(labels)]] for i in range(n)]


def two_files(folder: Path, train: list[Any], test: list[Any]) -> Path:
    """train.csv of 60 rows and test.csv of 20, with these labels in turn."""
    write_table(folder / "train.csv", ["x", "label"], rows(train, 60))
    write_table(folder / "test.csv", ["x", "label"], rows(test, 20))
    return folder


def column(train: list[Any], test: list[Any], name: str = "split", words: tuple[Any, Any] = ("train", "test")) -> Any:
    every = [*rows(train, 60), *rows(test, 20)]
    part = [words[0]] * 60 + [words[1]] * 20
    return {"x": [float(str(x)) for x, _ in every], "label": [label for _, label in every], name: part}


def photos(
    folder: Path, train: list[str], test: list[str], content: Callable[[int], bytes | None] | None = None
) -> Path:
    """train/CLASS/*.png, 12 of each, and test/CLASS/*.png, 6 of each, with another ``content`` where it is given."""
    for part, labels, n in (("train", train, 12), ("test", test, 6)):
        for label in labels:
            (folder / part / label).mkdir(parents=True)
            for i in range(n):
                pixels = np.random.default_rng([i, len(label), n]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
                file = folder / part / label / f"{i}.png"
                Image.fromarray(pixels).save(file)
                if part == "test" and content is not None and (other := content(i)) is not None:
                    file.write_bytes(other)
    return folder


def lost(source: Any, **options: Any) -> PellucidError:
    """The error for a part that is lost: of the split, of training, and noted where only reading is asked for."""
    data = pellucid.read(source, cache=False, **options)
    data.check()
    with pytest.raises(PellucidError) as error:
        data.split()
    with pytest.raises(PellucidError) as again:
        pellucid.train(source, steps=1, save=False, **options)
    assert str(again.value) == str(error.value)
    assert [note.text for note in data.notes if note.level == "error"][-1:] == [error.value.what]
    assert "test 2" not in data.summary()["split"]["how"]
    assert "no row of test can be used" in data.summary()["split"]["how"]
    assert "test" not in data.summary()["split"]["given"]
    return error.value


# -- all of a part


def test_files_whose_classes_are_spelt_otherwise(tmp_path: Path) -> None:
    error = lost(two_files(tmp_path, ["yes", "no"], ["yes.", "no."]))
    assert str(error) == (
        f"{tmp_path.name}: test is given, and all its 20 examples are left out: 20 of classes that are not in train; "
        f"{YES_NO}\n  {SPELT}--ignore split"
    )
    data = pellucid.read(tmp_path, ignore="split")
    assert [len(part) for part in data.split().parts().values()] == [64, 8, 8], "what the error says to do works"


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (["yes", "no"], ["Yes", "NO"], "'NO' and 'Yes' are new; known are 'no' and 'yes': "
         "'NO' and 'no', 'Yes' and 'yes' differ by capitals"),
        (["colour", "shape"], ["color"], "'color' is new; known are 'colour' and 'shape': "
         "'color' and 'colour' differ by one letter"),
        (["cafe", "bar"], ["café"], "'café' is new; known are 'cafe' and 'bar': 'café' and 'cafe' differ by an accent"),
        (["new york", "rome"], ["new  york"], "'new  york' is new; known are 'new york' and 'rome': "
         "'new  york' and 'new york' differ by a space"),
        (["a", "b"], ["c", "d"], "'c' and 'd' are new; known are 'a' and 'b'"),
        ([0, 1], [2, 3], "'2' and '3' are new; known are '0' and '1'"),
    ],
)  # fmt: skip
def test_a_column_whose_classes_are_others(train: list[Any], test: list[Any], said: str) -> None:
    error = lost(column(train, test), target="label")
    what = f"test is given, and all its 20 examples are left out: 20 of classes that are not in train; {said}"
    assert str(error) == f"data: {what}\n  {SPELT}--ignore split"


def test_a_column_that_is_asked_for(tmp_path: Path) -> None:
    error = lost(column(["yes", "no"], ["yes.", "no."], "part"), target="label", split="column:part")
    assert str(error).endswith(f"{YES_NO}\n  {SPELT}--split 80,10,10")
    error = lost(column(["yes", "no"], ["yes.", "no."], "my fold", (0, 1)), target="label", split="my fold")
    assert str(error).endswith(f"{YES_NO}\n  {SPELT}--split 80,10,10")
    error = lost(column(["yes", "no"], ["yes.", "no."]), target="label", split="column:split")
    assert str(error).endswith(f"{YES_NO}\n  {SPELT}--ignore split instead of --split")


def test_targets_that_are_missing() -> None:
    for train in (["yes", "no"], [0.5, 1.5, 2.25]):
        error = lost(column(train, [None]), target="label")
        assert str(error) == (
            "data: test is given, and all its 20 examples are left out: 20 without 'label'\n"
            "  fix these rows, or split again: --ignore split"
        )


def test_weights_that_are_missing() -> None:
    table = column(["yes", "no"], ["yes", "no"]) | {"w": [1.0] * 60 + [None] * 20}
    assert lost(table, target="label", weights="w").what == (
        "test is given, and all its 20 examples are left out: 20 without a weight"
    )


def test_several_reasons_together() -> None:
    assert lost(column(["yes", "no"], ["maybe", None]), target="label").what == (
        "test is given, and all its 20 examples are left out: 10 without 'label' and 10 of classes that are not in "
        "train; 'maybe' is new; known are 'no' and 'yes'"
    )


def test_train_and_validation_too() -> None:
    table = column(["yes", "no"], ["yes", "no"])
    for part, own in (("train", range(60)), ("validation", range(60, 70))):
        split = ["train"] * 60 + ["val"] * 10 + ["test"] * 10
        labels = [None if i in own else label for i, label in enumerate(table["label"])]
        with pytest.raises(PellucidError) as error:
            pellucid.read({"x": table["x"], "label": labels, "split": split}, target="label", cache=False).split()
        n = len(own)
        assert error.value.what == f"{part} is given, and all its {n} examples are left out: {n} without 'label'"


def test_folders_whose_classes_are_spelt_otherwise(tmp_path: Path) -> None:
    error = lost(photos(tmp_path / "ph", ["cat", "dog"], ["Cat", "Dog"]))
    assert str(error) == (
        "ph: test is given, and all its 12 examples are left out: 12 of classes that are not in train; 'Cat' and 'Dog' "
        "are new; known are 'cat' and 'dog': 'Cat' and 'cat', 'Dog' and 'dog' differ by capitals\n"
        f"  {SPELT}--ignore split"
    )


def test_images_that_can_not_be_read(tmp_path: Path) -> None:
    data = pellucid.read(photos(tmp_path / "ph", ["cat", "dog"], ["cat", "dog"], lambda i: b"no image"), cache=False)
    assert data.summary()["split"]["how"] == "given by the data: train 24 and test 12; validation taken from train"
    data.check()
    with pytest.raises(PellucidError) as error:
        data.split()
    what = "test is given, and all its 12 examples are left out: 12 that could not be read"
    assert str(error.value) == f"ph: {what}\n  fix these rows, or split again: --ignore split"
    assert what in [note.text for note in data.notes if note.level == "error"]
    how = "given by the data: train 24; validation taken from train; no row of test can be used"
    assert data.summary()["split"] == {"how": how, "given": {"train": 24}}
    assert f"Split: {how}" in data.describe()


def test_images_that_are_empty_files(tmp_path: Path) -> None:
    with pytest.raises(PellucidError) as error:
        pellucid.read(photos(tmp_path / "ph", ["cat", "dog"], ["cat", "dog"], lambda i: b""), cache=False)
    assert str(error.value) == (
        "ph: test is given, and all its 12 images are empty files\n"
        "  copy them again, or remove the folder test to have it drawn from the other images"
    )


def test_images_that_a_table_names_and_that_are_not_there(tmp_path: Path) -> None:
    for i in range(40):
        Image.new("L", (8, 8), i).save(tmp_path / f"{i}.png")
    lines: list[list[object]] = [[f"{i}.png", "ab"[i % 2], "train"] for i in range(40)]
    write_table(tmp_path / "metadata.csv", ["file_name", "label", "split"], [*lines, ["x1.png", "a", "test"]])
    with pytest.raises(PellucidError) as error:
        pellucid.read(tmp_path, cache=False)
    assert str(error.value) == (
        f"{tmp_path.name}, metadata.csv: 'test' is given as a part, and none of the images of its 1 row is there\n"
        "  copy the images to where the table says, or remove these rows to have that set drawn from others"
    )


def test_a_part_by_time() -> None:
    table = {"day": [f"2020-{1 + i // 28:02}-{1 + i % 28:02}" for i in range(80)], "x": [i * i % 37 for i in range(80)]}
    table["label"] = ["ab"[i % 2] if i < 60 else "ab"[i % 2] + "." for i in range(80)]
    data = pellucid.read(table, target="label", split="time:day,50,25,25", cache=False)
    how = "by 'day': train 2020-01-01 to 2020-02-12 (40 rows), validation 2020-02-13 to 2020-03-04 (20 rows)"
    assert data.summary()["split"]["how"] == how, "test is not said to be there"
    with pytest.raises(PellucidError) as error:
        data.split()
    assert str(error.value) == (
        "data: test is given, and all its 20 examples are left out: 20 of classes that are not in train; 'a.' "
        "and 'b.' are new; known are 'a' and 'b': 'a.' and 'a', 'b.' and 'b' differ by a full stop\n"
        f"  {SPELT}--split 80,10,10"
    )


# -- part of a part


def test_some_rows_of_a_part_are_a_warning(tmp_path: Path) -> None:
    data = pellucid.read(two_files(tmp_path, ["yes", "no"], ["yes", "no", "no", "no."]), cache=False)
    split = data.split()
    assert [len(part) for part in split.parts().values()] == [54, 6, 15]
    text = (
        "test.csv, line 5: 5 of 20 examples of test are left out, this one first: 5 of classes that are not in train; "
        "'no.' is new; known are 'no' and 'yes': 'no.' and 'no' differ by a full stop"
    )
    assert [str(note) for note in data.notes if note.level == "warning" and "of test" in note.text] == [text]
    how = "given by the data: train 60 and test 15; validation taken from train"
    assert data.summary()["split"] == {"how": how, "given": {"train": 60, "test": 15}}
    assert split.how == "given by the data; validation is 10% of train at random, seed 0"


def test_the_preview_is_what_happens() -> None:
    table = column(["yes", "no"], ["yes", None, "maybe", "no"])
    data = pellucid.read(table, target="label", cache=False)
    before = data.summary()["split"]
    data.check()
    assert data.summary()["split"] == before
    assert before["given"] == {"train": 60, "test": 10}


def test_words_of_an_input_that_differ_between_parts() -> None:
    table = column(["a", "b"], ["a", "b"])
    every = {name: values * 5 for name, values in table.items()} | {"size": (["big", "small"] * 30 + ["Big"] * 20) * 5}
    data = pellucid.read(every, target="label", cache=False)
    text = "100% of test has values that train never has: 'Big'; 'Big' and 'big' differ by capitals"
    assert f"column 'size': {text}" in [str(note) for note in data.check()]


def test_labels_that_train_never_has() -> None:
    def tags(known: list[str]) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        cells = ["; ".join(rng.choice(["cat", "dog", "bird"], 2, replace=False)) for _ in range(60)]
        return {"x": list(rng.normal(size=80)), "tags": cells + known * 20, "split": ["train"] * 60 + ["test"] * 20}

    with pytest.raises(PellucidError) as error:
        pellucid.read(tags(["cat.; dog."]), target="tags", cache=False).split()
    assert str(error.value) == (
        "data, column 'tags': no label of test is in train: 'cat.' and 'dog.' are new; known are 'cat', 'dog' "
        "and 'bird': 'cat.' and 'cat', 'dog.' and 'dog' differ by a full stop\n"
        "  write labels the same way in both sets, or split again: --ignore split"
    )
    data = pellucid.read(tags(["cat; Dog"]), target="tags", cache=False)
    assert len(data.split().test) == 20
    assert (
        "column 'tags': 1 label of test is not in train and ignored: 'Dog' is new; known are 'dog', 'bird' and "
        "'cat': 'Dog' and 'dog' differ by capitals"
    ) in [str(note) for note in data.notes]


# -- a finished run on other data


def test_classes_that_a_run_has_never_seen(tmp_path: Path) -> None:
    train = write_table(tmp_path / "a.csv", ["x", "label"], rows(["yes", "no"], 60))
    run = pellucid.train(train, steps=2, save=False)
    with pytest.raises(PellucidError) as error:
        run.evaluate(write_table(tmp_path / "b.csv", ["x", "label"], rows(["yes.", "no."], 20)))
    assert str(error.value) == (
        f"b: there is no example to score: 20 whose 'label' was not in training; {YES_NO}\n"
        "  write them as in the training"
    )
    with pytest.raises(PellucidError) as error:
        run.evaluate(write_table(tmp_path / "c.csv", ["x", "label"], rows([""], 20)))
    assert str(error.value) == (
        "c: there is no example to score: 20 without 'label'\n  fix these examples, or use others"
    )
    some = run.evaluate(write_table(tmp_path / "d.csv", ["x", "label"], rows(["yes", "no", "No"], 21)))
    assert some.score.n == 14
    said = "column 'label': 'No' is new; known are 'no' and 'yes': 'No' and 'no' differ by capitals"
    assert said in [str(note) for note in some.notes]


def test_labels_that_a_run_has_never_seen(tmp_path: Path) -> None:
    cells = ["cat; dog", "dog; bird", "bird; cat", "bird"] * 20
    table = {"x": [float(i % 7) for i in range(80)], "tags": cells}
    run = pellucid.train(pellucid.read(table, target="tags", kinds={"tags": "labels"}), steps=2, save=False)
    with pytest.raises(PellucidError) as error:
        run.evaluate({"x": [1.0, 2.0], "tags": ["Cat; Dog", "Dog; Bird"]})
    assert str(error.value).startswith(
        "data: the run has learned none of the labels of 'tags': 'Bird', 'Cat' and 'Dog' are new; known are"
    )
    some = run.evaluate({"x": [1.0, 2.0], "tags": ["cat; Dog", "dog; bird"]})
    assert ("column 'tags': 1 label is ignored, new since training: 'Dog'; 'Dog' and 'dog' differ by capitals") in [
        str(note) for note in some.notes
    ]


def test_new_words_of_an_input_are_compared() -> None:
    table = {"size": ["big", "small", "huge"] * 20, "x": [float(i) for i in range(60)], "label": ["a", "b", "b"] * 20}
    run = pellucid.train(pellucid.read(table, target="label"), steps=2, save=False)
    notes = run.predict({"size": ["Big"], "x": [1.0]}).notes
    assert (
        "1 word is new since training, in 1 value, and counts as unknown: 'Big' (1); "
        "known are 'big', 'huge' and 'small': 'Big' and 'big' differ by capitals"
    ) in [note.text for note in notes]
