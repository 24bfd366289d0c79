"""Reading what a user has: layouts, kinds, targets, splits, notes, and new data for a finished run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pellucid.data import LAYOUTS, encode_groups, encode_target, gather_batch, read_new
from pellucid.data.recognise import recognise_source
from pellucid.data.source import ReadOptions, layout
from pellucid.data.tables.header import has_header
from pellucid.dataset import read as read_data
from pellucid.errors import PellucidError, UsageError
from pellucid.fields import encoded as shortfall
from pellucid.fields import kind_named
from pellucid.samples import sample

REVIEWS = "review,label\n" + "".join(f"number {i} was so very good,a\nbad beyond all {i} words,b\n" for i in range(20))
SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def real(name):
    if not (SHARED / name).exists():
        pytest.skip(f"the shared data file {name} is not here ({SHARED})")
    return SHARED / name


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def kinds(data):
    return {f.name: (f.kind, f.role) for f in data.fields.values()}


def texts(data):
    return [str(note) for note in data.notes]


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    return sample("digits", tmp_path_factory.mktemp("samples"))


@pytest.fixture
def photos(digits, tmp_path):
    """Two classes with 20 images each."""
    for label in ("0", "1"):
        for file in sorted((digits / label).iterdir())[:20]:
            written(tmp_path / "photos" / f"class {label}" / file.name, file.read_bytes())
    return tmp_path / "photos"


# tables


def test_iris_has_no_header_and_its_last_column_is_the_target():
    data = read_data(real("iris.csv"))
    assert list(data.fields) == [f"column_{i}" for i in range(1, 6)]
    assert kinds(data)["column_1"] == ("number", "input")
    assert kinds(data)["column_5"] == ("category", "target")
    assert data.reading.classes == {"Iris-setosa": 50, "Iris-versicolor": 50, "Iris-virginica": 50}
    assert data.place(0) == "iris.csv, line 1"
    split = data.split(seed=4)
    assert [len(p) for p in split.parts().values()] == [120, 15, 15]
    assert np.bincount(data.stored_values("column_5").arrays["code"][split.test]).tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("name", "rows", "columns", "kind"),
    [("sonar.csv", 208, 61, "category"), ("winequality-red.csv", 1599, 12, "category")],
)
def test_tables_without_header(name, rows, columns, kind):
    data = read_data(real(name))
    assert (len(data), len(data.fields)) == (rows, columns)
    assert data.need_target().name == f"column_{columns}"
    assert data.target.kind == kind


def test_diamonds_need_a_target_and_the_error_lists_the_columns():
    data = read_data(real("diamonds.csv"))
    assert len(data) == 53_940
    with pytest.raises(PellucidError) as error:
        data.need_target()
    assert error.value.fix == "choose one with --target"
    for line in (
        "    price    number    53,940 numbers from 326 to 18,823",
        "    cut      category  5 distinct values",
    ):
        assert line in error.value.what
    price = read_data(real("diamonds.csv"), target="price")
    assert (price.target.name, price.target.kind, len(price.inputs)) == ("price", "number", 9)
    assert any("146 rows repeat" in text for text in texts(price))


def test_diamonds_are_read_fast():
    real("diamonds.csv")
    read_data(SHARED / "diamonds.csv", cache=False)
    start = time.process_time()
    read_data(SHARED / "diamonds.csv", cache=False)
    assert time.process_time() - start < 1.5  # about 0.3 s by the clock on two free cores


def test_news_is_two_texts_and_a_topic():
    data = read_data(real("ag_news.csv"))
    assert kinds(data) == {
        "title": ("text", "input"),
        "description": ("text", "input"),
        "topic": ("category", "target"),
    }
    assert data.reading.why == "it is the only column beside texts"


@pytest.mark.parametrize(
    ("first", "rest", "expected"),
    [
        (["5.1", "a"], [["4.9", "b"], ["4.7", "a"]], False),
        (["height", "kind"], [["4.9", "b"], ["4.7", "a"]], True),
        (["ham", "Go until jurong point, crazy.."], [["ham", "Ok lar..."], ["spam", "Free entry!"]], False),
        (["title", "topic"], [["Fears for pension after talks", "Business"], ["The race is on", "Sci"]], True),
        (["a", "b"], [["a", "c"], ["b", "b"]], False),
        (["x", "x"], [["x", "y"]], False),
        (["", "price"], [["0", "3"], ["1", "4"]], True),
    ],
)
def test_a_header_is_told_from_values(first, rest, expected):
    assert has_header([first, *rest]) is expected


def test_a_header_can_be_said(tmp_path):
    file = written(tmp_path / "t.csv", "1,2\n" + "3,4\n" * 9)
    assert (len(read_data(file)), len(read_data(file, header=True))) == (10, 9)
    assert list(read_data(file, header=True).fields) == ["1", "2"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_sniffed(delimiter, tmp_path):
    text = '"a, one",b,label\n' + '1,"x, y; z | w",p\n2,"u, v",q\n' * 5
    rows = [["a, one", "b", "label"], *[["1", "x, y; z | w", "p"], ["2", "u, v", "q"]] * 5]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    data = read_data(written(tmp_path / "t.csv", text))
    assert list(data.fields) == ["a, one", "b", "label"]
    assert data.column("b").values[0] == "x, y; z | w"


def test_decimal_commas(tmp_path):
    data = read_data(written(tmp_path / "t.csv", "wert;label\n" + "1,5;a\n2,25;b\n" * 5))
    assert data.column("wert").values[:2].to_list() == [1.5, 2.25]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_encodings(encoding, tmp_path):
    data = read_data(written(tmp_path / "t.csv", ("city,label\n" + "Köln,a\nParis,b\n" * 5).encode(encoding)))
    assert list(data.fields) == ["city", "label"]
    assert data.column("city").values[0] == "Köln"
    noted = [text for text in texts(data) if "Western European" in text]
    assert len(noted) == (encoding in ("latin-1", "cp1252"))


def test_ragged_and_blank_rows_are_said_by_the_line_of_the_file(tmp_path):
    text = 'a,b,label\n1,2,x\n3\n\n4,5,y,9,9\n"6\n7",8,x\n9,9,y\n1\n'
    data = read_data(written(tmp_path / "t.csv", text), target="label")
    assert len(data) == 6
    assert "t.csv, lines 3 and 9: 2 rows have too few values; the last count as missing" in texts(data)
    assert "t.csv, line 5: 1 row has too many; the last are cut" in texts(data)
    assert [data.place(i) for i in range(6)] == [f"t.csv, line {line}" for line in (2, 3, 5, 6, 8, 9)]
    assert data.column("label").values.to_list() == ["x", None, "y", "x", "y", None]
    assert data.usable_rows().tolist() == [0, 2, 3, 4]
    assert "t.csv, line 3: 2 examples without 'label' are left out, this one first" in texts(data)


def test_quotation_marks_that_are_no_pairs(tmp_path):
    data = read_data(
        written(tmp_path / "t.csv", 'what,label\n5" pipe,a\n"he said ""hi""\nand left",b\n' * 1 + "plain,a\n" * 6)
    )
    assert data.column("what").values[:2].to_list() == ['5" pipe', 'he said "hi"\nand left']
    never = 'what,label\n"open,a\n' + "plain,a\nother,b\n" * 300
    assert len(read_data(written(tmp_path / "u.csv", never))) == 601


def test_a_type_that_changes_far_down(tmp_path):
    data = read_data(written(tmp_path / "t.csv", "n,label\n" + "1,a\n2,b\n" * 8000 + "3.5,a\n"))
    assert data.column("n").values[-1] == 3.5
    assert kinds(data)["n"] == ("number", "input")


def test_double_and_missing_names(tmp_path):
    data = read_data(written(tmp_path / "t.csv", "a,a,,label\n" + "1,2,3,x\n2,4,5,y\n" * 4))
    assert list(data.fields) == ["a", "a_2", "column_3", "label"]
    assert "t.csv: two columns are called 'a'; the later one is called 'a_2'" in texts(data)


def test_the_same_table_in_every_form(tmp_path):
    frame = pl.DataFrame({"n": [1.5, 2.0, 3.0] * 8, "w": ["u", "v", None] * 8, "label": ["x", "y", "x"] * 8})
    frame.write_csv(tmp_path / "t.csv")
    frame.write_csv(tmp_path / "t.tsv", separator="\t")
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.jsonl")
    (tmp_path / "t.json").write_text(json.dumps(frame.to_dicts()))
    columns = frame.to_dict(as_series=False)
    forms = [tmp_path / f"t.{s}" for s in ("csv", "tsv", "parquet", "jsonl", "json")]
    forms += [str(tmp_path / "t.csv"), frame, columns, frame.to_dicts(), {k: np.array(v) for k, v in columns.items()}]
    found = [read_data(form) for form in forms]
    assert {json.dumps(kinds(data)) for data in found} == {json.dumps(kinds(found[0]))}
    assert len({data.fingerprint() for data in found}) == 1
    assert kinds(found[0])["label"] == ("category", "target")


def test_dates_nested_values_and_columns_without_sense(tmp_path):
    frame = pl.DataFrame(
        {
            "id": range(100, 130),
            "day": pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 30), eager=True),
            "nothing": [None] * 30,
            "same": ["x"] * 30,
            "nested": [{"a": 1}] * 30,
            "lists": [[1, 2]] * 30,
            "n": [i % 7 for i in range(30)],
            "target": [i * 1.7 % 5 for i in range(30)],
        }
    )
    data = read_data(frame)
    roles = {name: role for name, (_, role) in kinds(data).items()}
    left = dict.fromkeys(("nothing", "same", "lists"), "ignore")
    assert roles == {"id": "id", "day": "input", "n": "input", "target": "target"} | left
    assert any("holds Struct({'a': Int64}) and is left out" in text for text in texts(data))
    assert "column 'nothing': left out: no values at all" in texts(data)
    assert kinds(read_data(frame, target="id"))["id"] == ("number", "target")


def test_options_override_what_is_inferred():
    frame = {"zip": [10115, 80331, 20095] * 10, "n": list(range(30)), "label": [0, 1, 1] * 10}
    data = read_data(frame, target="n", kinds={"zip": "category", "label": "number"}, ignore=["label"])
    assert kinds(data)["zip"] == ("category", "input")
    assert kinds(data)["label"][1] == "ignore"
    assert data.target.name == "n"
    assert read_data(frame).target.kind == "category"
    assert read_data(frame, kinds={"label": "number"}).target.kind == "number"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "labl"}, "Unknown column 'labl'. Did you mean 'label'? Known: n, label"),
        ({"ignore": "m"}, "Unknown column 'm'. Known: n, label"),
        ({"kinds": {"N": "number"}}, "Unknown column 'N'. Did you mean 'n'? Known: n, label"),
        ({"split": "Label"}, "Unknown column 'Label'. Did you mean 'label'? Known: n, label"),
        (
            {"kinds": {"n": "nmber"}},
            "Unknown kind of field 'nmber'. Did you mean 'number'? "
            "Known: number, category, text, image, labels, date, series, sound, writing",
        ),
        ({"target": "n", "ignore": "n"}, "column 'n' can't be both target and ignored"),
    ],
)
def test_misspelt_options_suggest(options, message):
    with pytest.raises(UsageError) as error:
        read_data({"n": [1.0, 2.0], "label": ["a", "b"]}, **options)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "", "t.csv: the file is empty"),
        ("t.csv", "a,b\n", "t.csv: there is a header but no row below it"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', "t.jsonl: line 2 is not JSON (Expecting value: line 1 column 7 (char 6))"),
        ("t.parquet", "nonsense", "t.parquet: cannot be read as Parquet"),
        ("t.xlsx", "x", "t.xlsx: cannot be read as a spreadsheet (Xlsx error: Zip error: invalid Zip archive"),
        ("t.numbers", "x", "t.numbers: a spreadsheet can't be read\n  save it as CSV"),
        ("t.zip", "x", "t.zip: is not a ZIP or tar archive, or is damaged"),
        ("t.7z", "x", "t.7z: an archive can't be read\n  unpack it first"),
        (
            "t.docx",
            "x",
            "t.docx: it is one document (.docx), which can't be read\n  save them as plain text (.txt) first",
        ),
        ("t.qqq", "\0\1", "t.qqq: a file that ends in '.qqq' can't be read\n  known: folders of images"),
    ],
)
def test_files_that_cannot_be_read(name, content, message, tmp_path):
    with pytest.raises(PellucidError) as error:
        read_data(written(tmp_path / name, content))
    assert str(error.value).replace(str(tmp_path) + "/", "").startswith(message)


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    written(tmp_path / "prices.csv", "a,b\n1,2\n")
    with pytest.raises(PellucidError) as error:
        read_data(tmp_path / "price.csv")
    assert str(error.value).endswith(f"there is no such file or folder\n  Did you mean '{tmp_path}/prices.csv'?")


# in memory


def test_pairs_of_arrays():
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 4 == 0
    data = read_data((x, y))
    assert list(data.fields) == ["column_1", "column_2", "column_3", "target"]
    assert kinds(data)["target"] == ("category", "target")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    data = read_data((pixels, y))
    assert kinds(data)["image"] == ("image", "input")
    assert np.array_equal(data.stored_values("image").arrays["pixels"], pixels)
    assert kinds(read_data((np.array([f"a text of {i} words" for i in range(40)]), y)))["text"] == ("text", "input")
    with pytest.raises(PellucidError, match=r"X has the shape \(40, 3\) and y \(39,\)"):
        read_data((x, y[1:]))


def test_what_cannot_be_read_in_memory():
    with pytest.raises(PellucidError, match="columns are not equally long"):
        read_data({"a": [1, 2], "b": [1]})
    with pytest.raises(PellucidError, match="data of type int can't be read"):
        read_data(3)
    with pytest.raises(PellucidError, match="there are no rows"):
        read_data({"a": []})


# folders of images


def test_class_folders(photos):
    data = read_data(photos)
    assert kinds(data) == {"image": ("image", "input"), "label": ("category", "target")}
    assert data.reading.classes == {"class 0": 20, "class 1": 20}
    assert data.stored_values("image").arrays["pixels"].shape == (40, 8, 8, 1)
    assert data.place(0) == data.short_title(0)
    assert data.place(0).startswith("class 0/")
    assert read_data(photos, image_size=16).stored_values("image").arrays["pixels"].shape == (40, 16, 16, 1)
    said = [note for note in read_data(photos, image_size=8192).notes if "decoded, 40 images" in note.text]
    assert [str(note) for note in said] == [
        "column 'image': decoded, 40 images of 8192 × 8192 pixels take 2.7 GB in the cache"
    ]


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Train", "VALID", "Test"), ("training", "validation", "test")]
)
def test_split_folders_above_the_classes(names, photos, tmp_path):
    for i, file in enumerate(sorted(photos.glob("*/*.png"))):
        part = names[(i % 5 > 2) + (i % 5 > 3)]
        written(tmp_path / "wrapped" / "data" / part / file.parent.name / file.name, file.read_bytes())
    data = read_data(tmp_path / "wrapped")
    assert kinds(data)["split"] == ("category", "split")
    split = data.split()
    assert [len(p) for p in split.parts().values()] == [24, 8, 8]
    assert split.how == "given by the data"
    for part, word in zip(split.parts().values(), names, strict=True):
        assert all(data.place(int(row)).split("/")[1] == word for row in part)


def test_validation_is_carved_out_of_train_when_only_test_is_given(photos, tmp_path):
    for i, file in enumerate(sorted(photos.glob("*/*.png"))):
        part = "test" if i % 4 == 0 else "train"
        written(tmp_path / "given" / part / file.parent.name / file.name, file.read_bytes())
    data = read_data(tmp_path / "given")
    split = data.split(seed=2)
    assert [len(p) for p in split.parts().values()] == [27, 3, 10]
    assert split.how == "given by the data; validation is 10% of train at random, seed 2"
    assert all(data.place(int(row)).startswith("test/") for row in split.test)
    assert not np.array_equal(split.validation, data.split(seed=3).validation)


def test_everything_odd_in_a_folder_is_said(photos):
    first = sorted(photos.glob("class 0/*.png"))[0]
    written(photos / "class 1" / "copy.png", first.read_bytes())
    written(photos / "class 0" / "bad.png", "hello")
    written(photos / "class 0" / "empty.png", "")
    written(photos / "class 0" / ".hidden.png", "hello")
    written(photos / "class 0" / "notes.txt", "hello")
    written(photos / "loose.png", first.read_bytes())
    written(photos / "class 1" / "deep" / "er.png", sorted(photos.glob("class 1/*.png"))[3].read_bytes())
    os.symlink(photos, photos / "class 0" / "loop")
    os.symlink("itself.png", photos / "class 0" / "itself.png")
    data = read_data(photos)
    data.check()
    found = "\n".join(texts(data))
    for expected in (
        "class 0/empty.png: an empty file, left out",
        "photos: 1 other file is left out (1 .txt)",
        "loose.png: 1 image is in no class folder and left out",
        "class 0/loop: links to a folder that was read already; left out",
        "class 0/itself.png: cannot be opened",
        "photos: 1 image in folders inside a class belong to that class",
        "bad.png: is not an image that can be read",
        "1 example could not be read and is left out",
        "3 images are copies of another one",
    ):
        assert expected in found
    bad = next(row for row in range(len(data)) if data.place(row) == "class 0/bad.png")
    assert "is not an image" in data.input_problems()[bad]
    assert bad not in data.usable_rows()


def test_images_in_two_parts_are_found(photos, tmp_path):
    files = sorted(photos.glob("*/*.png"))
    for i, file in enumerate(files):
        written(tmp_path / "g" / ("test" if i % 4 == 0 else "train") / file.parent.name / file.name, file.read_bytes())
    written(tmp_path / "g" / "test" / files[1].parent.name / "again.png", files[1].read_bytes())
    found = "\n".join(map(str, read_data(tmp_path / "g").check()))
    assert (
        "again.png: 1 image of test (9.1%) is in train too: the score may be too good; the one in train is "
        "train/class 0/0010.png" in found
    )


def test_folders_that_cannot_be_learned_from(photos, tmp_path, monkeypatch):
    (tmp_path / "none").mkdir()
    fix = "put the images of each class in a folder of their own, named after the class: photos/cat/1.jpg"
    cases = {
        tmp_path / "none": f"{tmp_path}/none: the folder is empty\n  {fix}",
        photos / "class 0": f"class 0/: 20 images, but no folders that give their classes\n  {fix}",
    }
    (tmp_path / "single").mkdir()
    (photos / "class 1").rename(tmp_path / "single" / "class 1")
    cases[photos] = f"photos/: 20 images, but no folders that give their classes\n  {fix}"
    cases[tmp_path / "single"] = f"single/: there is only one class, 'class 1', and at least two are needed\n  {fix}"
    del cases[photos]
    for folder, message in cases.items():
        with pytest.raises(PellucidError) as error:
            read_data(folder)
        assert str(error.value) == message

    def forbidden(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(PellucidError, match=r"the folder cannot be opened \(Permission denied\)"):
        read_data(photos)


def test_a_large_folder_is_listed_fast(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(3000):
            (tmp_path / label / f"{i}.jpg").touch()
    from pellucid.data.folders.listing import list_files

    start = time.process_time()
    assert len(list_files(tmp_path).digest) == 64
    assert time.process_time() - start < 0.3  # 60,000 files: 0.4 s alone on one core


# the cache


def test_no_source_is_opened_when_nothing_has_changed(photos, tmp_path):
    table = written(tmp_path / "t.csv", REVIEWS)
    first = [read_data(photos), read_data(table)]
    for data in first:
        fields = data.fitted()
        encode_groups(data, fields.values())
        data.check()
    opened = (
        "import builtins, sys; from pathlib import Path\n"
        "from pellucid.dataset import read\n"
        "from pellucid.data import encode_groups, encode_target\n"
        "import pellucid.fields.pixels\n"
        "sources = tuple(sys.argv[1:])\n"
        "def hook(event, args): event == 'open' and str(args[0]).startswith(sources) and print(args[0])\n"
        "sys.addaudithook(hook)\n"
        "for source in sources:\n"
        "    data = read(source); fields = data.fitted(); data.check(); encode_groups(data, fields.values())\n"
        "    encode_target(data, fields[data.target.name]); print(data.fingerprint())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", opened, str(photos), str(table)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [data.fingerprint() for data in first], done.stderr
    again = [read_data(photos), read_data(table)]
    assert [data.describe() for data in again] == [data.describe() for data in (read_data(photos), read_data(table))]


def test_a_changed_source_is_read_again(tmp_path):
    file = written(tmp_path / "t.csv", "n,label\n" + "1,a\n2,b\n" * 10)
    before = read_data(file).fingerprint()
    os.utime(file, ns=(0, 0))
    assert read_data(file).fingerprint() == before
    written(file, "n,label\n" + "1,a\n3,b\n" * 10)
    assert read_data(file).fingerprint() != before


def test_notes_of_decoding_are_there_the_second_time_too(photos):
    written(photos / "class 0" / "bad.png", "hello")
    first, second = read_data(photos), read_data(photos)
    first.usable_rows()
    second.usable_rows()
    assert texts(first) == texts(second)
    assert any("bad.png" in text for text in texts(second))


def test_encoded_text_is_kept(tmp_path, monkeypatch):
    table = written(tmp_path / "t.csv", REVIEWS)
    data = read_data(table)
    fields = data.fitted()
    first = data.encoded_values("review", fields["review"])
    kind = type(kind_named("text"))
    monkeypatch.setattr(kind, "encode", lambda *_: pytest.fail("tokenised again"))
    again = read_data(table).encoded_values("review", fields["review"])
    assert np.array_equal(first.values, again.values)
    assert np.array_equal(first.ends, again.ends)


def test_reading_without_a_cache_writes_nothing(photos, monkeypatch):
    read_data(photos, cache=False).fitted()
    assert not list(Path(os.environ["PELLUCID_CACHE"]).rglob("*"))


# splits


def test_a_column_that_holds_the_split():
    frame = {"n": list(range(60)), "label": ["a", "b"] * 30, "fold": ["train"] * 40 + ["valid"] * 10 + ["test"] * 10}
    split = read_data(frame).split()
    assert split.train.tolist() == list(range(40))
    assert split.validation.tolist() == list(range(40, 50))
    renamed = {**frame, "part": frame["fold"]}
    del renamed["fold"]
    assert read_data(renamed, target="label").fields["part"].role == "input"
    assert read_data(renamed, split="part").split().test.tolist() == list(range(50, 60))


def test_classes_that_are_not_in_the_given_train_are_left_out():
    frame = {"n": list(range(40)), "label": ["a", "b"] * 19 + ["c", "a"], "split": ["train"] * 20 + ["test"] * 20}
    data = read_data(frame)
    assert 38 not in data.split().test
    text = "row 38: 1 of 20 examples of test is left out, this one first: 1 of classes that are not in train; "
    assert f"{text}'c' is new; known are 'a' and 'b'" in texts(data)


def test_shares_can_be_said():
    frame = {"n": list(range(100)), "label": ["a", "b"] * 50}
    assert [len(p) for p in read_data(frame, split="60:20:20").split().parts().values()] == [60, 20, 20]
    assert [len(p) for p in read_data(frame).split(fractions=(0.5, 0.25, 0.25)).parts().values()] == [50, 25, 25]
    with pytest.raises(UsageError, match=r"split '0\.5,0\.1,0\.1' is not two or three shares that add up to 1 or 100"):
        read_data(frame, split="0.5,0.1,0.1")


def test_too_few_rows():
    with pytest.raises(PellucidError) as error:
        read_data({"n": [1.0, 2.0, 3.0], "label": ["a", "b", "a"]}).split()
    assert str(error.value) == "there are too few examples: 3 rows that can be used, at least 5 are needed"


# what looks suspicious


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"n": [1.0, 2, 3] * 9, "target": [1.0, 2, 3] * 9}, "column 'n': possible leakage: equals the target 'target'"),
        ({"f": [i * 1.8 + 32 for i in range(30)], "target": [float(i * i % 31) * 1.8 + 32 for i in range(30)]}, None),
        (
            {"f": [i % 7 * 1.8 for i in range(30)], "target": [i % 7 * 1.5 for i in range(30)]},
            "perfectly correlated with",
        ),
        ({"code": list("xyz") * 9, "n": list(range(27)), "label": list("abc") * 9}, "corresponds one to one to"),
        ({"n": [1, 2, 3, 4] * 9, "label": ["Cat", "cat ", "dog", "dog"] * 9}, "'Cat' (9) and 'cat' (9) differ"),
        ({"n": list(range(41)), "label": ["a"] * 40 + ["b"]}, "1 class has a single example (b), here first"),
        (
            {"n": list(range(124)), "label": ["a"] * 120 + ["b"] * 4},
            "classes are imbalanced: 'a' has 120 examples, 'b' 4",
        ),
        ({"n": [1, 2, 2, 4, 1], "label": ["a", "b", "b", "a", "b"]}, "row 2: 1 row repeats an earlier one"),
    ],
)
def test_suspicious_columns_are_noted(columns, expected):
    found = texts(read_data(columns))
    if expected is None:
        assert not [text for text in found if "target" in text]
    else:
        assert [text for text in found if expected in text]


def test_checks_are_cheap():
    rng = np.random.default_rng(0)
    n = 50_000
    frame = pl.DataFrame({f"n{i}": rng.normal(size=n) for i in range(10)} | {"label": rng.choice(list("abcde"), n)})
    from pellucid.data import checks
    from pellucid.fields import Column

    fields = list(read_data(frame).fields.values())
    columns = {s.name: Column(s.name, s) for s in frame.get_columns()}
    start = time.process_time()
    assert checks.columns(columns, fields) == []
    images = rng.integers(0, 256, (20_000, 32, 32, 3), dtype=np.uint8)
    assert len(np.unique(checks.pixel_hashes(images))) == 20_000
    assert time.process_time() - start < 1


# new data for a finished run


@pytest.fixture
def trained():
    rng = np.random.default_rng(1)
    frame = {"height": rng.normal(size=60), "colour": rng.choice(["red", "blue"], 60), "label": ["a", "b"] * 30}
    data = read_data(frame)
    return list(data.fitted().values())


def test_columns_are_found_by_name_whatever_their_order(trained):
    data = read_new({"label": ["a"], "extra": [1], "Colour": ["red"], "height": [0.5]}, trained, need_target=True)
    assert list(data.fields) == ["height", "colour", "label"]
    assert "data in memory: column 'Colour' is read as 'colour'" in texts(data)
    assert "data in memory: 1 column the run does not use: extra" in texts(data)
    encoded = encode_groups(data, [f for f in trained if f.role == "input"])
    assert encoded["number"].shape == (1, 1)
    assert encode_target(data, trained[2]).tolist() == [0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"hieght": [1.0], "colour": ["red"]},
            "data in memory: the column 'height' is missing\n  Did you mean 'hieght'? Rename it to 'height'.",
        ),
        (
            {"colour": ["red"]},
            "data in memory: the column 'height' is missing\n  add it",
        ),
        (
            {"size": [1.0], "day": [2]},
            "data in memory: the columns 'height' and 'colour' are missing\n"
            "  add them; the other columns there: 'size' and 'day'",
        ),
    ],
)
def test_missing_columns_are_named(columns, message, trained):
    with pytest.raises(PellucidError) as error:
        read_new(columns, trained, need_target=False)
    assert str(error.value) == message


def test_the_target_is_needed_to_evaluate_only(trained, tmp_path):
    rows = {"height": [1.0, 2.0, 3.0], "colour": ["red", "blue", "green"]}
    assert read_new(rows, trained, need_target=False).usable_rows().tolist() == [0, 1, 2]
    with pytest.raises(PellucidError, match="the column 'label' is missing"):
        read_new(rows, trained, need_target=True)
    data = read_new({**rows, "label": ["a", None, "never seen"]}, trained, need_target=True)
    assert data.usable_rows().tolist() == [0]
    assert "row 2: 1 example whose 'label' was not in training is left out, this one first" in texts(data)


def test_columns_of_another_type_are_read_as_the_run_does(trained):
    data = read_new({"height": ["1.5", "tall"], "colour": ["red", "red"]}, trained, need_target=False)
    assert data.stored_values("height").arrays["value"][0] == 1.5
    assert any("'tall' is not a number" in text for text in texts(data))


def test_tables_without_header_are_matched_by_position(trained, tmp_path):
    two = written(tmp_path / "two.csv", "1.5,red\n2.5,blue\n")
    three = written(tmp_path / "three.csv", "1.5,red,a\n2.5,blue,b\n")
    named = written(tmp_path / "named.csv", "colour,height\nred,1.5\n")
    assert read_new(two, trained, need_target=False).stored_values("height").arrays["value"].tolist() == [1.5, 2.5]
    assert read_new(three, trained, need_target=True).label_values() == ["a", "b"]
    assert len(read_new(named, trained, need_target=False)) == 1
    one = written(tmp_path / "one.csv", "1.5\n2.5\n")
    with pytest.raises(PellucidError) as error:
        read_new(one, trained, need_target=False)
    assert str(error.value) == (
        "one.csv: the table has 1 column without names, the run was trained on 3 (2 without 'label')\n"
        "  give it the same columns, or a first line with their names: height,colour,label"
    )


def test_a_run_on_a_table_without_header_reads_one_again(tmp_path):
    lines = [f"{i % 9}.5,{i},{'ab'[i % 2]}" for i in range(60)]
    data = read_data(written(tmp_path / "t.csv", "\n".join(lines)))
    fields = list(data.fitted().values())
    assert len(read_new(written(tmp_path / "u.csv", "\n".join(lines[:7])), fields, need_target=True).usable_rows()) == 7
    bare = "\n".join(line[:-2] for line in lines[:7])
    assert len(read_new(written(tmp_path / "v.csv", bare), fields, need_target=False)) == 7


def kept_of(data):
    """What a run knows of its data: fields and columns."""
    return list(data.fitted().values()), data.reading.columns


def test_columns_without_names_stand_where_those_of_the_training_did(tmp_path):
    """Those that are not used count too: an id, a constant, a target in front."""
    lines = [f"{'ab'[i % 2]},{1000 + i},{i % 9}.5,same,{i % 7}.25" for i in range(60)]
    fields, columns = kept_of(read_data(written(tmp_path / "t.csv", "\n".join(lines)), target="column_1"))
    assert [f.name for f in fields] == ["column_1", "column_2", "column_3", "column_5"]
    new = written(tmp_path / "new.csv", "\n".join(line[2:] for line in lines[:5]))
    data = read_new(new, fields, need_target=False, columns=columns)
    assert data.stored_values("column_3").arrays["value"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert data.stored_values("column_5").arrays["value"].tolist() == [0.25, 1.25, 2.25, 3.25, 4.25]
    assert read_new(tmp_path / "t.csv", fields, need_target=True, columns=columns).label_values() == ["a", "b"]
    for width, wrong in ((6, [line + ",1" for line in lines]), (3, [line[2:].rsplit(",", 1)[0] for line in lines])):
        with pytest.raises(PellucidError) as error:
            read_new(written(tmp_path / "wrong.csv", "\n".join(wrong)), fields, need_target=False, columns=columns)
        assert str(error.value) == (
            f"wrong.csv: the table has {width} columns without names, the run was trained on 5 (4 without 'column_1')\n"
            "  give it the same columns, or a first line with their names: column_1,column_2,column_3,column_4,column_5"
        )


def test_a_table_without_header_for_a_run_on_one_with_names(tmp_path):
    lines = [f"{('red', 'blue')[i % 2]},{i % 9}.5,{'ab'[i % 2]}" for i in range(60)]
    fields, columns = kept_of(read_data(written(tmp_path / "t.csv", "\n".join(["colour,height,label", *lines]))))
    fields = sorted(
        fields, key=lambda f: f.kind, reverse=True
    )  # as a network has them: one input layer after the other
    data = read_new(written(tmp_path / "n.csv", "\n".join(lines[:4])), fields, need_target=False, columns=columns)
    assert data.stored_values("height").arrays["value"].tolist() == [0.5, 1.5, 2.5, 3.5]
    assert "n.csv: has no header; its columns are taken in the order of the training" in texts(data)


def test_what_the_files_names_tell_is_no_column_of_theirs(tmp_path):
    lines = [f"{'ab'[i % 2]},{i % 9}.5,{i % 7}.25" for i in range(60)]
    for name, own in (("train.csv", lines[:40]), ("test.csv", lines[40:])):
        written(tmp_path / "t" / name, "\n".join(own))
    fields, columns = kept_of(read_data(tmp_path / "t", target="column_1"))
    assert columns == ["column_1", "column_2", "column_3"]
    new = written(tmp_path / "new.csv", "\n".join(line[2:] for line in lines[:3]))
    data = read_new(new, fields, need_target=False, columns=columns)
    assert data.stored_values("column_2").arrays["value"].tolist() == [0.5, 1.5, 2.5]


def test_new_images(photos):
    fields = list(read_data(photos).fitted().values())
    files = sorted(photos.glob("*/*.png"))
    few = read_new(files[:3], fields, need_target=False)
    assert (len(few), few.short_title(1)) == (3, str(files[1]))
    assert few.stored_values("image").arrays["pixels"].shape == (3, 8, 8, 1)
    assert len(read_new(str(files[0]), fields, need_target=False)) == 1
    assert len(read_new([str(files[0])], fields, need_target=False)) == 1
    assert len(read_new(photos / "class 0", fields, need_target=False)) == 20
    again = read_new(photos, fields, need_target=True)
    assert np.array_equal(encode_target(again, fields[1]), np.repeat([0, 1], 20))
    with pytest.raises(PellucidError, match="no folders that give their classes"):
        read_new(photos / "class 0", fields, need_target=True)
    mixed = read_new([str(files[0]), str(photos / "nope.png"), str(photos)], fields, need_target=False)
    assert mixed.usable_rows().tolist() == [0]
    assert sorted(mixed.input_problems()) == [1, 2]
    pixels = np.zeros((2, 8, 8), np.uint8)
    assert read_new(pixels, fields, need_target=False).stored_values("image").n == 2


def test_strings_for_a_run_that_reads_columns(trained):
    with pytest.raises(PellucidError) as error:
        read_new(["a.csv", "b.csv"], trained, need_target=False)
    assert str(error.value).startswith(
        "2 strings were given, but the run expects height (number) and colour (category)"
    )


def test_new_texts():
    frame = {"review": [f"number {i} was so very good" for i in range(40)], "label": ["a", "b"] * 20}
    fields = list(read_data(frame).fitted().values())
    data = read_new(["how good", "how very bad this was"], fields, need_target=False, texts=True)
    assert [data.short_title(i) for i in range(2)] == ["how good", "how very bad this was"]
    inputs = gather_batch(encode_groups(data, fields), np.array([1, 0]))
    assert inputs["text:review"].values.shape == (2, inputs["text:review"].lengths.max())


# the house


def test_what_is_needed_to_read_the_same_again(tmp_path):
    file = written(tmp_path / "t.csv", "n,zip,label\n" + "1,10115,a\n2,80331,b\n" * 10)
    data = read_data(file, kinds={"zip": "category"}, split="0.6,0.2,0.2")
    recipe = json.loads(json.dumps(data.recipe()))
    again = read_data(recipe["source"], **recipe["options"])
    assert again.fingerprint() == data.fingerprint()
    assert np.array_equal(again.split().test, data.split().test)
    assert read_data({"n": [1, 2]}).recipe()["source"] is None
    assert data.name == "t"


def test_the_summary_is_json_and_the_print_is_readable(photos):
    data = read_data(photos)
    summary = json.loads(json.dumps(data.summary()))
    assert summary["target"] == {
        "name": "label",
        "kind": "category",
        "why": "the images are in folders named after it",
        "what": "one of 2 classes",
        "from": "image (image)",
    }
    assert summary["rows"] == 40
    lines = str(data).splitlines()
    assert lines[0] == "photos/: 40 images in a folder for each class"
    assert max(map(len, lines)) <= 110
    assert any(line.startswith("Will predict 'label', one of 2 classes, from image (image)") for line in lines)


def test_a_layout_is_added_in_one_place(monkeypatch):
    monkeypatch.setattr("pellucid.data.source.LAYOUTS", LAYOUTS)

    class Own:
        pass

    def own(source, options):
        return recognise_source({"n": [1, 2], "label": ["a", "b"]}, options) if isinstance(source, Own) else None

    layout(own)
    try:
        assert recognise_source(Own(), ReadOptions()).name == "data in memory"
        with pytest.raises(ValueError, match="two layouts are called 'own'"):
            layout(own)
    finally:
        del LAYOUTS["own"]


def test_reading_leaves_torch_unloaded(tmp_path):
    file = written(tmp_path / "t.csv", "n,label\n" + "1,a\n2,b\n" * 10)
    code = "import sys, pellucid; pellucid.read(sys.argv[1]).fitted(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_missing_values_are_known_by_what_kinds_write():
    data = read_data({"n": [1.5, None, 3.0], "w": ["a", "b", None], "label": ["x", "y", "x"]}, target="label")
    assert shortfall.missing_rows(data.stored_values("n")).tolist() == [False, True, False]
    assert shortfall.missing_rows(kind_named("category").store(data.column("w"), {}, print)).tolist() == [
        False,
        False,
        True,
    ]


def test_unchecked_data_has_no_suspicions(tmp_path: Path) -> None:
    columns = {"x": [1.0, 2.0, 1.0, 2.0] * 10, "copy": [1, 0, 1, 0] * 10, "label": ["b", "a", "b", "a"] * 10}
    checked, unchecked = (read_data(columns, cache=tmp_path, check=check) for check in (True, False))
    assert any("repeat" in str(note) for note in checked.check())
    assert unchecked.check() == []


def test_shares_of_a_split_are_checked_in_python_too() -> None:
    frame = {"x": list(range(100)), "label": ["a", "b"] * 50}
    data = read_data(frame, target="label", cache=False)
    assert [len(part) for part in data.split(fractions=(70, 20, 10)).parts().values()] == [70, 20, 10]
    assert [len(part) for part in data.split(fractions=np.array([0.5, 0.25, 0.25])).parts().values()] == [50, 25, 25]
    for wrong in ((-0.7, 0.2, 0.1), (0.7, 0.2, 0.3, 0.1)):
        with pytest.raises(PellucidError):
            data.split(fractions=wrong)
    assert read_data(pl.DataFrame({"0": [1, 2] * 20, "4": ["a", "b"] * 20}), target=4, cache=False).target.name == "4"


@pytest.mark.parametrize("options", [{"target": 1.5}, {"ignore": 5}])
def test_what_can_be_no_column_is_refused_when_reading(options: Any) -> None:
    with pytest.raises(PellucidError, match="expected a name, or several"):
        read_data({"x": [1, 2, 3], "label": ["a", "b", "a"]}, cache=False, **options)


WORDS = {
    "Japanese": "名前と住所,大阪市北区に住んでいます,東京で働いている,横浜の海が好きです",
    "Chinese": "姓名,张三住在北京市,李四在上海工作,我喜欢看书和音乐",
    "Taiwan": "姓名,張三住在臺北市,李四在高雄工作,我喜歡看書和音樂",
    "Korean": "이름,김철수는 서울에 산다,이영희는 부산에서 일한다,책을 좋아합니다",
    "Cyrillic": "имя,Иван живёт в Москве,Анна работает в Казани,люблю читать книги",
    "Greek": "όνομα,ο Γιώργος μένει στην Αθήνα,η Μαρία δουλεύει στον Βόλο,διαβάζω βιβλία",
}


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("cp932", "Japanese"), ("euc_jp", "Japanese"), ("gb18030", "Chinese"), ("big5", "Taiwan"), ("cp949", "Korean"),
     ("cp1251", "Cyrillic"), ("koi8_r", "Cyrillic"), ("cp1253", "Greek")],
)  # fmt: skip
def test_encodings_of_other_scripts(encoding, words, tmp_path):
    name, *values = WORDS[words].split(",")
    text = f"{name},label\n" + "".join(f"{value},{'ab'[i % 2]}\n" for i, value in enumerate(values * 3))
    data = read_data(written(tmp_path / "t.csv", text.encode(encoding)))
    assert list(data.fields) == [name, "label"]
    assert data.column(name).values[0] == values[0]
    assert any(text.startswith("t.csv: is not UTF-8; read as ") and encoding in text for text in texts(data))
    asked = read_data(written(tmp_path / "t.csv", text.encode(encoding)), encoding=encoding)
    assert asked.column(name).values[0] == values[0]
    assert not [text for text in texts(asked) if "UTF-8" in text]


@pytest.mark.parametrize("name", ["cp93", "base64", "", 7])
def test_an_unknown_encoding_is_refused(name):
    with pytest.raises(PellucidError, match="expected the name of an encoding"):
        read_data({"a": [1, 2]}, encoding=name, cache=False)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2024年1月2日", "2024年12月31日"], ["2024-01-02", "2024-12-31"]),
        (["令和6年1月2日", "平成元年3月4日", "昭和64年1月7日"], ["2024-01-02", "1989-03-04", "1989-01-07"]),
        (["R6.1.2", "H30/12/3"], ["2024-01-02", "2018-12-03"]),
        (["２０２４/１/２", "２０２４/１０/１２"], ["2024-01-02", "2024-10-12"]),
        (["2024년 1월 2일", "2024년 11월 3일"], ["2024-01-02", "2024-11-03"]),
        (["2024. 1. 2.", "2024. 11. 13."], ["2024-01-02", "2024-11-13"]),
        (["2. Januar 2024", "13. März 2024", "1. Dez. 2024"], ["2024-01-02", "2024-03-13", "2024-12-01"]),
        (["2 juin 2024", "3 juillet 2024", "14 août 2024"], ["2024-06-02", "2024-07-03", "2024-08-14"]),
        (["2 de enero de 2024", "3 de diciembre de 2024"], ["2024-01-02", "2024-12-03"]),
        (["Mo., 2. Mai 2024", "Di., 3. Oktober 2024"], ["2024-05-02", "2024-10-03"]),
        (["2 gennaio 2024", "3 giugno 2024"], ["2024-01-02", "2024-06-03"]),
        (["2024年1月2日 10時30分"], ["2024-01-02 10:30"]),
    ],
)
def test_dates_as_people_write_them_elsewhere(cells, expected):
    from pellucid.fields import date

    seconds, clock = date.read_dates(pl.Series(cells), day_first=True)
    assert [date.write_date(value, clock) for value in seconds] == expected
