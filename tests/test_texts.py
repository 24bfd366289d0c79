"""Files of text: folders of them for each class, packed or not, and files of a text a line."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

import pellucid
from pellucid.cli import main
from pellucid.data.folders.parts import part_of_name
from pellucid.data.source import ReadOptions
from pellucid.data.tables.lines import is_table
from pellucid.data.tables.text_blocks import decode_text
from pellucid.errors import PellucidError

GOOD = ["lovely", "bright", "warm, and kind", "a joy; truly"]
BAD = ["dreadful", "dull", "cold, and rude", "a bore; truly"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def pack(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for name, data in files.items():
                out.writestr(name, data)
        return path
    with tarfile.open(path, "w:xz") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def reviews(many: int = 30, ending: str = ".txt") -> dict[str, bytes]:
    """Texts of two classes in train and test, told apart by their words."""
    found = {}
    for i in range(many):
        part = "test" if i % 5 == 0 else "train"
        for label, words in (("pos", GOOD), ("neg", BAD)):
            text = f"The film was {words[i % 4]}.\nI saw it on day {i}, {words[(i + 1) % 4]}."
            found[f"{part}/{label}/{i:03d}_{i % 10}{ending}"] = text.encode()
    return found


def said(data: pellucid.Dataset) -> str:
    return "\n".join(map(str, data.notes))


@pytest.mark.parametrize("form", ["folder", "r.zip", "r.tar.xz"])
@pytest.mark.parametrize("ending", [".txt", ""])
def test_texts_in_class_folders(form: str, ending: str, tmp_path: Path) -> None:
    files = {**reviews(ending=ending), "README": b"about these"}
    source = write(tmp_path / "r", files) if form == "folder" else pack(tmp_path / form, files)
    data = pellucid.read(source)
    assert {f.name: (f.kind, f.role) for f in data.fields.values()} == {
        "text": ("text", "input"),
        "label": ("category", "target"),
        "split": ("category", "split"),
    }
    assert data.layout == "60 texts in folders train and test, and in them a folder for each class"
    assert data.reading.classes == {"neg": 30, "pos": 30}
    assert len(data.split().test) == 12
    assert data.place(0) == f"test/neg/000_0{ending}"
    stored = data.stored_values("text")
    assert data.inputs[0].traits.show(stored, 0) == "The film was dreadful.\nI saw it on day 0, dull."


def test_what_is_odd_about_texts_is_said_and_left_out(tmp_path: Path) -> None:
    odd = {
        "train/pos/empty.txt": b"",
        "train/pos/blank.txt": b" \n\n",
        "train/neg/photo.txt": b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        "train/neg/old.txt": "war nicht schön".encode("latin-1"),
        "train/neg/wide.txt": "a whole story".encode("utf-16"),
        "train/pos/notes.pdf": b"%PDF-1.4",
        "train/urls.txt": b"http://a.b/c",
    }
    data = pellucid.read(write(tmp_path / "r", {**reviews(), **odd}))
    assert len(data) == 63
    for expected in (
        "train/pos/empty.txt: is empty; left out",
        "train/pos/blank.txt: holds only spaces; left out",
        "train/neg/photo.txt: is not text but a PNG image; left out",
        "r: 1 text is not UTF-8 and read as Western European (cp1252): train/neg/old.txt",
        "train/urls.txt: 1 text is in no class folder and left out",
        "r: 1 other file is left out (1 .pdf)",
    ):
        assert expected in said(data)
    values = data.column("text").series().to_list()
    assert "war nicht schön" in values
    assert "a whole story" in values
    assert len(data.usable_rows()) == 62


def test_texts_without_a_label_are_no_class(tmp_path: Path) -> None:
    more = {f"train/unsup/{i}.txt": b"nobody has said what this is" for i in range(7)}
    data = pellucid.read(write(tmp_path / "r", {**reviews(), **more}))
    assert data.reading.classes == {"neg": 30, "pos": 30}
    assert "r: 7 texts in 'unsup' have no label and are left out" in said(data)


def test_one_class_and_none(tmp_path: Path) -> None:
    write(tmp_path / "r", {f"pos/{i}.txt": b"good it was" for i in range(5)})
    with pytest.raises(PellucidError, match=r"^r/: there is only one class, 'pos'.*\n  put the texts of each class in"):
        pellucid.read(tmp_path / "r", target="label")


def test_folders_of_tables_are_no_texts(tmp_path: Path) -> None:
    files = {f"{part}/X_{i}.txt": b" 1.2e-1  0.5 -3\n 2.0  1.5 4\n" for part in ("a", "b") for i in range(3)}
    with pytest.raises(PellucidError):
        pellucid.read(write(tmp_path / "har", files))
    data = pellucid.read(pack(tmp_path / "t.zip", {"in/a.txt": b"x,y\n1,2\n3,4\n", "in/b.txt": b"x,y\n5,6\n7,8\n"}))
    assert list(data.fields) == ["x", "y"]


def test_a_run_on_a_text_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "r", reviews())
    run = pellucid.train(root, steps=40, out=tmp_path / "runs", reference=False)
    assert run.score.value == 1.0
    new = write(
        tmp_path / "new", {"a.txt": b"It was dull,\ncold, and rude.", "b.txt": b"\xff\xd8\xff\xe0", "c.txt": b""}
    )
    for inputs, names in ((new, ["a.txt", "b.txt", "c.txt"]), ([new / "a.txt"], [str(new / "a.txt")])):
        rows = run.predict(inputs)
        assert [row["input"] for row in rows] == names
        assert rows[0]["label"] == "neg"
    rows = run.predict(new)
    assert rows[1]["error"] == "is not text but a JPEG image"
    assert rows[2]["error"] == "is empty"
    assert run.evaluate(pack(tmp_path / "again.zip", reviews())).score.value == 1.0
    with pytest.raises(SystemExit) as end:
        main(["predict", str(run.path), str(new / "a.txt")])
    assert end.value.code in (0, None)
    assert capsys.readouterr().out.startswith(f"{new / 'a.txt'}\tneg\t")


def test_a_run_on_a_table_reads_a_text_a_line(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [
        f'"It was {words[i % 4]}, on day {i}",{label}' for i in range(40) for label, words in (("p", GOOD), ("n", BAD))
    ]
    table.write_text("\n".join(["review,label", *rows]))
    run = pellucid.train(table, steps=40, out=tmp_path / "runs", reference=False)
    lines = tmp_path / "lines.txt"
    lines.write_text("It was dull, day 3\n\nIt was lovely, really, day 4, so warm, and kind\n")
    rows = run.predict(lines)
    assert [row["label"] for row in rows] == ["n", "p"]
    assert rows[0]["input"] == "It was dull, day 3"
    # Files of a folder are a text each, whatever the run learned from.
    write(tmp_path / "f", {"1.txt": b"It was dull,\non day 3", "2.txt": b"It was lovely,\non day 4"})
    assert [row["label"] for row in run.predict(tmp_path / "f")] == ["n", "p"]


TABLES = {
    "numbers": "1.5,2,3\n4,5,6\n7,8,9\n",
    "one row of numbers": "5.1,3.5,1.4,0.2\n",
    "names and numbers": "height;width\n1;2\n3;4\n",
    "one of each": "a fine film\t1\na poor one\t0\nhm\t1\n",
    "words behind a tab": "ham\tOk, see you\nspam\tWin now\nham\tWhere are you\n",
    "few words": "red,small,yes\nblue,large,no\nred,small,no\nblue,small,yes\nred,large,no\n",
    "title above": "Survey of May\n\nx,y\n1,2\n3,4\n5,6\n",
    "blanks": "1.0 2.0 3.0\n4.0 5.0 6.0\n",
    "numbers alone": "1\n2\n3\n",
    "a short row": "1,2,3\n4,5\n6,7,8\n9,1,2\n3,4,5\n",
}

TEXTS = {
    "commas": "Well, no.\nYes, indeed, my dear.\nPerhaps.\n",
    "as many commas": "Well, no.\nYes, indeed.\nHello, you.\nSo, what?\nOh, dear.\nNo, thanks.\n",
    "numbers in them": "I have 3 cats\nYou have 4 dogs\nWe saw 12 owls\n",
    "one word": "yes\nno\nperhaps\n",
    "one line": "It cost 5 pounds, or 6.\n",
    "quotes": 'He said "no, never\nand left, at once\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_what_is_a_table(name: str) -> None:
    assert is_table(TABLES[name], ReadOptions())


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_a_text_a_line(name: str) -> None:
    assert not is_table(TEXTS[name], ReadOptions())
    assert is_table(TEXTS[name], ReadOptions(header=False))


def test_names_that_are_asked_for_make_a_table() -> None:
    sample = "what,how\nyes, well\nno, indeed, it is\n"
    assert not is_table(sample, ReadOptions())
    assert is_table(sample, ReadOptions(target="how", named=("how",)))


def test_a_file_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("review\nWell, no, then.\n\nYes, indeed.\r\nPerhaps it is so, I say\n", newline="")
    data = pellucid.read(path)
    assert data.column("review").series().to_list() == ["Well, no, then.", "Yes, indeed.", "Perhaps it is so, I say"]
    assert data.place(1) == "lines.txt, line 4"
    what = "3 lines of text without labels: there is nothing to predict; --target text learns to continue them"
    assert what in said(data)
    with pytest.raises(PellucidError, match=rf"^lines: {what}\n  to classify texts, give"):
        pellucid.train(data, steps=1)


def test_a_name_above_lines_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("review\nWell, no.\nYes, indeed, no.\n")
    assert pellucid.read(tmp_path / "a.txt").column("review").series().to_list() == ["Well, no.", "Yes, indeed, no."]


def test_a_file_of_lines_larger_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.data.tables.text_blocks.BLOCK", 1 << 10)
    lines = [f"This is line {i}, {'and so on, ' * (i % 3)}of a text" for i in range(300)]
    (tmp_path / "a.txt").write_text("\n".join(["text", *lines]))
    data = pellucid.read(tmp_path / "a.txt")
    assert data.column("text").series().to_list() == lines
    assert data.place(299) == "a.txt, line 301"


@pytest.mark.parametrize(
    ("data", "text", "guess"),
    [
        (b"\xef\xbb\xbfa\r\nb", "a\nb", ""),
        ("é".encode("utf-16"), "é", ""),
        ("ü".encode("utf-32"), "ü", ""),
        (b"\x93a\x94", "\N{LEFT DOUBLE QUOTATION MARK}a\N{RIGHT DOUBLE QUOTATION MARK}", "cp1252"),
        (b"\x81\xe9", "\x81é", "latin-1"),
        (b"a\0b", "ab", ""),
    ],
)
def test_encodings(data: bytes, text: str, guess: str) -> None:
    assert decode_text(data) == (text, guess)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train_set", "train"), ("val_set", "validation"), ("seg_test", "test"), ("01_train", "train"),
        ("02-val", "validation"), ("TestImages", "test"), ("holdout", "test"), ("hold_out", "test"), ("contest", None),
        ("training", "train"), ("train_val", None), ("latest", None), ("cat", None),
    ],
)  # fmt: skip
def test_parts_among_words(name: str, part: str | None) -> None:
    assert part_of_name(name) == part


def folders(*names: str, inner: tuple[str, ...] = ("cat", "dog")) -> dict[str, bytes]:
    texts = {"cat": b"it purrs at night", "dog": b"it barks by day", "hen": b"it lays eggs"}
    return {f"{n}/{c}/{i}.txt": texts[c] + b" %d" % i for n in names for c in inner for i in range(6)}


@pytest.mark.parametrize(
    "names",
    [
        ("train_set", "val_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("a_train", "b_test"),
        ("train", "holdout"),
    ],
)
def test_folders_that_are_parts_by_a_word_in_their_names(names: tuple[str, ...], tmp_path: Path) -> None:
    data = pellucid.read(write(tmp_path / "d", folders(*names)))
    assert data.reading.classes == {"cat": 12, "dog": 12}
    assert sum(data.reading.given.values()) == 24
    outer = [name.split("/")[0] for name in sorted(names)]
    assert f"d: the folders {' and '.join(outer)} are read as " in said(data)
    assert "because they hold the same folders (cat and dog)" in said(data)


def test_what_lies_beside_such_parts_is_no_class(tmp_path: Path) -> None:
    more = {f"seg_pred/{i}.txt": b"what may it be %d" % i for i in range(20)}
    data = pellucid.read(write(tmp_path / "d", {**folders("seg_train", "seg_test"), **more}))
    assert data.reading.classes == {"cat": 12, "dog": 12}
    assert "20 texts are in no class folder and left out" in said(data)


def test_names_alone_make_no_parts(tmp_path: Path) -> None:
    files = folders("train_station", inner=("cat",)) | folders("test_tube", inner=("dog",))
    data = pellucid.read(write(tmp_path / "d", files))
    assert data.reading.classes == {"test_tube": 6, "train_station": 6}


def test_the_same_folders_in_each_are_warned_of(tmp_path: Path) -> None:
    data = pellucid.read(write(tmp_path / "d", folders("north", "south")))
    assert data.reading.classes == {"north": 12, "south": 12}
    (note,) = [note for note in data.notes if note.level == "warning" and "same folders" in note.text]
    assert note.text == (
        "the same folders (cat and dog) are in each of north and south, which are read as the classes; "
        "if they are parts of one set, --target folder_2 takes these"
    )
    assert note.fix == "or name the outer folders train, val and test to use them as the split"
    assert pellucid.read(tmp_path / "d", target="folder_2").reading.classes == {"cat": 12, "dog": 12}
