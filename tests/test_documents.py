"""Texts and source code that are to be continued: what is one, what is left out, how it becomes passages and parts."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pellucid
from pellucid.data.documents.class_folders import find_class_folders
from pellucid.data.documents.content import look_through, text_opener
from pellucid.data.documents.ignore_rules import IgnoreRules
from pellucid.data.documents.listing import list_packed
from pellucid.data.documents.passages import choose_level, cut_passages
from pellucid.data.read_new import read_new
from pellucid.data.splits.by_order import by_order
from pellucid.data.splits.spec import parse_split
from pellucid.errors import PellucidError, UsageError
from pellucid.fields import KINDS

SHAKESPEARE = Path(__file__).parents[1].parent / "shared" / "data" / "tinyshakespeare.txt"

WORDS = [
    "it",
    "was",
    "the",
    "best",
    "of",
    "times,",
    "worst",
    "age;",
    "wisdom",
    "and",
    "so",
    "they",
    "said.",
    "Dear",
    "no",
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def prose(lines: int = 40, start: int = 0) -> str:
    """Lines of 4 to 15 words, each another one for each number."""
    found = []
    for i in range(start, start + lines):
        draw = random.Random(i)
        found.append(" ".join(draw.choices(WORDS, k=draw.randint(4, 15))) + f" {i}\n")
    return "".join(found)


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def said(data: Any) -> str:
    return "\n".join(map(str, data.notes))


def texts_of(data: Any) -> dict[str, str]:
    """Each document, put together from its rows."""
    found: dict[str, str] = {}
    rows = zip(data.column("document").series().to_list(), data.column("text").series().to_list(), strict=True)
    for name, passage in rows:
        found[name] = found.get(name, "") + passage
    return found


def places_of(data: Any) -> set[str]:
    return set(texts_of(data))


# -- one text


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason=f"the shared data is not at {SHAKESPEARE}")
def test_a_real_text() -> None:
    data = pellucid.read(SHAKESPEARE)
    whole = SHAKESPEARE.read_text()
    assert data.layout == "a text of 1,115,394 characters, 65 different, in 4,358 passages"
    assert texts_of(data) == {"tinyshakespeare.txt": whole}
    fields = {f.name: (f.kind, f.role, f.is_input) for f in data.fields.values()}
    assert fields == {"text": ("passage", "target", True), "document": ("category", "group", False)}
    assert data.reading.document == "document"
    assert data.reading.why == "a text: what comes next is learned"
    assert data.reading.parting.by == "order"
    assert data.fields["text"].settings == {"level": "characters", "context": 256}
    assert "a character, of which there are only 65 different ones" in data.fields["text"].reason
    assert data.place(40) == "tinyshakespeare.txt, character 10,240"
    assert data.documents is not None
    assert data.documents.tolist() == [0] * 4358
    assert data.documents.dtype == np.int64
    split = data.split()
    assert [len(split[part]) for part in ("train", "validation", "test")] == [3486, 435, 437]
    assert np.array_equal(np.concatenate([split.train, split.validation, split.test]), np.arange(4358))
    assert split.how == data.reading.parted
    assert split.how == (
        "in order: train the first 892,416, validation the next 111,360 and test the last 111,618 of 1,115,394 "
        "characters"
    )
    state = data.fitted()["text"].state
    assert state is not None
    assert (len(state["vocabulary"]), state["size"]) == (65, 69)
    encoded = data.encoded_values("text", data.fitted()["text"])
    assert "".join(KINDS["passage"].decode(encoded, state)) == whole  # type: ignore[arg-type]
    assert data.check() == []


def test_a_text_is_read_as_it_stands(tmp_path: Path) -> None:
    text = "  First, a line\n\n\tand another one.  \n" * 30 + "no end"
    data = pellucid.read(write(tmp_path, {"a.txt": text}) / "a.txt")
    assert texts_of(data) == {"a.txt": text}
    assert data.summary()["target"]["from"] == "up to 55 characters before it"
    assert data.summary()["target"]["what"] == "what comes next"


def test_a_line_of_a_million_characters(tmp_path: Path) -> None:
    text = "to be or not to be " * 60_000
    data = pellucid.read(write(tmp_path, {"a.txt": text}) / "a.txt")
    assert texts_of(data) == {"a.txt": text}
    assert len(data) == -(-len(text) // 256)


@pytest.mark.parametrize("name", ["a.md", "a.py", "a.rst", "a.tex", "README", "notes.log", "a.txt", "a.ts"])
def test_what_is_a_text_by_its_name_or_its_content(name: str, tmp_path: Path) -> None:
    data = pellucid.read(write(tmp_path, {name: prose()}) / name)
    assert texts_of(data) == {name: prose()}


def test_a_compressed_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(prose().encode()))
    assert texts_of(pellucid.read(tmp_path / "a.txt.gz")) == {"a.txt.gz": prose()}


def test_an_open_text(tmp_path: Path) -> None:
    with open(write(tmp_path, {"a.txt": prose()}) / "a.txt") as file:
        data = pellucid.read(file)
    assert texts_of(data) == {"a.txt": prose()}
    assert data.place(1) == f"a.txt, character {len(prose()) // 20}"


TABLES = {
    "numbers": "1.5 2 3\n4 5 6\n7 8 9\n" * 20,
    "commas": "a,b\n" + "1,2\n3,4\n" * 30,
    "labels": "ham\tOk, see you\nspam\tWin now\nham\tWhere are you\n" * 20,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_text_file_that_is_a_table_stays_one(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, {"a.txt": TABLES[name]}) / "a.txt"
    assert pellucid.read(path).reading.document == ""
    asked = pellucid.read(path, target="text")
    assert asked.reading.document == "document"
    assert texts_of(asked) == {"a.txt": TABLES[name]}


def test_a_column_called_text_is_no_document(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.txt": "text\tlabel\n" + "so it is\ta\nno\tb\n" * 20}) / "a.txt"
    assert list(pellucid.read(path).fields) == ["text", "label"]
    # Of a table's column each text is one to be written.
    assert pellucid.read(path, target="text", kinds={"text": "text"}).need_target().kind == "writing"


ODD = {
    "a byte order mark": (b"\xef\xbb\xbf" + prose().encode(), prose(), ""),
    "line ends": (
        prose().replace("\n", "\r\n").encode(),
        prose(),
        r"a.md: lines of a.md end with \r\n or \r, which is read as \n",
    ),
    "old line ends": (prose().replace("\n", "\r").encode(), prose(), "which is read as"),
    "UTF-16": (prose().encode("utf-16"), prose(), ""),
    "UTF-32": (prose().encode("utf-32"), prose(), ""),
    "zero bytes": ((prose() + "\0\0").encode(), prose(), "a.md: 2 zero bytes in it, removed"),
    "Western European": (
        (prose() + "café, déjà vu\n").encode("latin-1"),
        prose() + "café, déjà vu\n",
        "a.md: 1 text is not UTF-8 and read as Western European (cp1252): a.md",
    ),
    "Cyrillic": (
        ("Все счастливые семьи похожи друг на друга.\n" * 30).encode("cp1251"),
        "Все счастливые семьи похожи друг на друга.\n" * 30,
        "read as Cyrillic (cp1251)",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_texts_that_are_written_otherwise(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.data.documents.content.PIECE", 1 << 12)
    content, expected, note = ODD[name]
    data = pellucid.read(write(tmp_path, {"a.md": content}) / "a.md")
    assert texts_of(data) == {"a.md": expected}
    assert (note in said(data)) if note else said(data) == ""


def test_an_encoding_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.md": (prose() + "Ünïcode\n").encode("cp1250", "replace")}) / "a.md"
    assert texts_of(pellucid.read(path, encoding="cp1250"))["a.md"].startswith(prose())
    path = write(tmp_path, {"b.md": prose() + "é" * 9}) / "b.md"
    assert "characters are invalid in their encoding and read as" in said(pellucid.read(path, encoding="ascii"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.md", b"", "a.md: is empty\n  give a file of text"),
        ("a.md", b" \n\t \n", "a.md: holds only spaces\n  give a file of text"),
        ("a.md", b"\0\x01\x02" * 500, "a.md: is not text but binary data (it is full of zero bytes)\n"),
        ("a.py", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "a.py: is not text but a PNG image\n  give a file of text"),
        ("a.md", b"x", "a.md: 1 character is too few to learn from\n  give 200 or more"),
        ("a.txt", b"x", "a.txt: 1 character is too few to learn from\n  give 200 or more"),
        ("a.txt", b"", "a.txt: the file is empty"),
        ("a.txt", b" \n ", "a.txt: the file is empty"),
        ("a.html", b"<html>" + b"<p>hello</p>" * 50, "a.html: it is one web page (.html), which can't be read\n"),
    ],
)
def test_what_is_no_text_is_said_in_a_line(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(PellucidError) as caught:
        pellucid.read(write(tmp_path, {name: content}) / name)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(message)


# -- level and context


@pytest.mark.parametrize(
    ("about", "level"),
    [
        ((None, False, 4_000_000, 256), "characters"),
        ((None, False, 4_000_001, 65), "bpe"),
        ((None, False, 100_000, 257), "bpe"),
        ((None, True, 100, 65), "bytes"),
        (("bpe", True, 100, 65), "bpe"),
    ],
)
def test_which_level_is_chosen(about: tuple[Any, ...], level: str) -> None:
    assert choose_level(*about)[0] == level


@pytest.mark.parametrize("level", ["characters", "bytes", "bpe"])
def test_a_level_that_is_asked_for(level: str, tmp_path: Path) -> None:
    path = write(tmp_path, {"a.txt": prose(200)}) / "a.txt"
    data = pellucid.read(path, level=level, context=32)
    assert data.fields["text"].settings == {"level": level, "context": 32}
    assert "as asked" in data.fields["text"].reason
    most = max(map(len, data.column("text").series()))
    assert most == 32 if level != "bpe" else 96 <= most <= 128
    assert texts_of(data) == {"a.txt": prose(200)}
    state = data.fitted()["text"].state
    assert state is not None
    assert state["level"] == level
    assert data.recipe()["options"]["level"] == level
    again = pellucid.read(path, level=level, context=64)
    assert len(again) < len(data)
    assert again.documents is not None
    assert len(again.documents) == len(again), "what is cached of other passages is not taken for these"
    assert len(again.stored_values("document").arrays["code"]) == len(again)


def test_what_is_said_of_texts_alone_and_of_others_alone(tmp_path: Path) -> None:
    table = write(tmp_path, {"t.csv": "a,b\n" + "1,2\n3,4\n" * 20}) / "t.csv"
    with pytest.raises(UsageError, match=r"^'t.csv' is no text to be continued, of which --level could say"):
        pellucid.read(table, level="bytes")
    with pytest.raises(UsageError, match=r"^level 'words': expected characters, bytes or bpe"):
        pellucid.read(table, level="words")
    text = write(tmp_path, {"a.txt": prose()}) / "a.txt"
    for option in ({"horizon": 3}, {"season": 7}, {"horizon": "0"}):
        with pytest.raises(UsageError, match=r"^'a.txt' is a text, which has no moments to forecast"):
            pellucid.read(text, **option)
    with pytest.raises(UsageError, match=r"^a column is not made a passage by itself"):
        pellucid.read(table, kinds={"a": "passage"})


def test_passages_are_cut_where_words_begin() -> None:
    text = prose(50)
    for size, at_words in ((100, True), (37, False), (10, True), (1, False)):
        cut = list(cut_passages([text], size, at_words))
        assert "".join(cut) == text
        assert max(map(len, cut)) <= size
        pieces = [text[i : i + 7] for i in range(0, len(text), 7)]
        assert list(cut_passages(pieces, size, at_words)) == cut, "how it was read does not matter"
    assert {one[0] for one in list(cut_passages([text], 100, True))[1:]} <= {" ", "\n"}
    assert list(cut_passages(["x" * 25], 10, True)) == ["x" * 10, "x" * 10, "x" * 5]
    assert list(cut_passages([], 10, True)) == []


# -- folders


def test_notes_in_folders(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        f"{folder}{i}.md": prose(20, 100 * i) for folder in ("", "work/") for i in range(7)
    }
    files |= {"work/deep/er/x.txt": prose(20, 5000), "chapter10.md": prose(20, 7000), "chapter9.md": prose(20, 6000)}
    data = pellucid.read(write(tmp_path / "notes", files))
    assert texts_of(data) == {
        name: text for name, text in files.items() if not name.startswith("work/") or "deep" in name
    }
    assert "7 documents are copies of another and left out (work/0.md of 0.md, work/1.md of 1.md" in said(data)
    order = list(dict.fromkeys(data.column("document").series().to_list()))
    assert order.index("chapter9.md") + 1 == order.index("chapter10.md")
    assert data.documents is not None
    assert len(set(data.documents.tolist())) == 10
    assert data.layout.startswith("10 documents (9 Markdown and 1 plain text) of ")
    assert data.target is not None
    assert data.target.name == "text"


def source_tree() -> dict[str, str | bytes]:
    code = {f"src/pkg{i % 3}/m{i}.py": f"def f{i}(x):\n    return x + {i}\n" * 20 for i in range(12)}
    code |= {f"native/n{i}.c": f"int f{i}(int x) {{ return x * {i}; }}\n" * 20 for i in range(4)}
    code |= {"README.md": prose(), "Makefile": "all:\n\tcc native/*.c\n" * 9, "web/index.html": "<html><p>hi</p>" * 9}
    return code


def test_a_source_tree(tmp_path: Path) -> None:
    left: dict[str, str | bytes] = {
        ".git/config": "[core]", ".env": "x", "node_modules/a/index.js": prose(), "src/__pycache__/a.py": prose(),
        "env/pyvenv.cfg": "", "env/lib/x.py": prose(), "package-lock.json": "{}", "poetry.lock": prose(),
        "web/app.min.js": prose(), "web/packed.js": "var a=" + "1+" * 5000 + "1;\n",
        "web/made.py": "# Code generated by protoc. DO NOT EDIT.\n" + prose(), "src/pkg0/__init__.py": "",
        "src/blank.py": "\n\n", "src/odd.py": b"\0\1" * 600, "logo.png": b"\x89PNG", "build/x.py": prose(),
        "src/scratch.txt": prose(), ".gitignore": "build/\nscratch*\n", "src/pkg1/.gitignore": "m1.py\n",
    }  # fmt: skip
    data = pellucid.read(write(tmp_path / "tree", {**source_tree(), **left}))
    kept = {name: text for name, text in source_tree().items() if name != "src/pkg1/m1.py"}
    assert texts_of(data) == kept
    assert data.fields["text"].settings == {"level": "bytes", "context": 256}
    assert "a token is a byte, because source code may contain any character" in data.fields["text"].reason
    assert data.layout.startswith("18 documents (11 Python, 4 C, 1 build rules, 1 Markdown and 1 other) of ")
    for expected in (
        "tree: 4 hidden files and folders are left out (.env, .git, .gitignore and 1 more)",
        "tree: 3 folders of installed or compiled code are left out (env, node_modules and src/__pycache__)",
        "tree: 3 files and folders that .gitignore names are left out (build, src/pkg1/m1.py and src/scratch.txt)",
        "tree: 4 files made by programs are left out (poetry.lock, web/app.min.js, web/made.py and 1 more)",
        "tree: 2 empty documents are left out (src/blank.py and src/pkg0/__init__.py)",
        "src/odd.py: is not text but binary data (it is full of zero bytes); left out",
        "tree: 2 other files are left out (1 .png and 1 .json)",
    ):
        assert expected in said(data), said(data)


def pack(place: Path, files: dict[str, str]) -> Path:
    if place.suffix == ".zip":
        with zipfile.ZipFile(place, "w") as out:
            for name, text in files.items():
                out.writestr(name, text)
        return place
    with tarfile.open(place, "w:xz") as out:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            out.addfile(info, io.BytesIO(text.encode()))
    return place


@pytest.mark.parametrize("form", ["t.zip", "t.tar.xz"])
def test_a_packed_source_tree(form: str, tmp_path: Path) -> None:
    files = {**source_tree(), "node_modules/a/index.js": prose(), "a.min.js": prose()}
    data = pellucid.read(pack(tmp_path / form, files))
    assert texts_of(data) == source_tree()
    assert "node_modules" in said(data)
    assert data.place(0).endswith(", character 0")


@pytest.mark.parametrize("form", ["t.zip", "t.tar.xz"])
@pytest.mark.parametrize("above", ["", "repo/"])
def test_gitignore_holds_in_an_archive_too(above: str, form: str, tmp_path: Path) -> None:
    # That of a folder which is left out says nothing, nor does that of a hidden one.
    files = source_tree() | {
        "build/x.py": prose(), "build/deep/y.py": prose(), "scratch.py": prose(), "native/scratch_2.c": prose(),
        "build/.gitignore": "!x.py\n", ".hidden/.gitignore": "*\n", "src/pkg1/.gitignore": "m1.py\n",
        ".gitignore": "build/\nscratch*\n",
    }  # fmt: skip
    files = {f"{above}{name}": text for name, text in files.items()}
    data = pellucid.read(pack(tmp_path / form, files))
    assert texts_of(data) == texts_of(pellucid.read(write(tmp_path / "folder", files)))
    assert texts_of(data) == {f"{above}{k}": v for k, v in source_tree().items() if k != "src/pkg1/m1.py"}
    assert "4 files and folders that .gitignore names are left out" in said(data)
    assert f"{above}build, {above}native/scratch_2.c" in said(data)


def test_patterns_of_an_archive_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.data.folders.archive.MOST_RULE_BYTES", 5)
    monkeypatch.setattr("pellucid.data.folders.archive.MOST_BYTES_OF_ALL", 8)
    files = {"a/.gitignore": "x.py\n*\n", "b/.gitignore": "x.py\n", "c/.gitignore": "x.py\n"}
    files |= {f"{folder}/{name}.py": f"{folder}{name} {prose()}" for folder in "abc" for name in ("x", "y")}
    found = texts_of(pellucid.read(pack(tmp_path / "t.zip", files)))
    assert sorted(found) == ["a/y.py", "b/y.py", "c/x.py", "c/y.py"]
    # What no file system could hold is matched with no pattern.
    names = ["/".join(["d"] * 30_000), "n" * 60_000 + ".py", "a.py"]
    listed = list_packed(tmp_path, names, {".gitignore": "*a*b*c*d*e\n" * 1_000 + "*.py\n"})
    assert (set(listed.files), listed.ignored) == ({*names[:2]}, ["a.py"])


def test_several_texts_given_one_by_one(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": prose(), "b/a.txt": prose(20, 900), "c.md": prose(20, 500)})
    data = pellucid.read([str(tmp_path / name) for name in ("a.txt", "b/a.txt", "c.md")])
    assert list(texts_of(data).values()) == [prose(), prose(20, 900), prose(20, 500)]
    assert len(places_of(data)) == 3
    assert data.layout.startswith("3 documents of ")


CLASSES = {f"{label}/{i}.txt": f"{label}: {prose(3, 10 * i)}" for label in ("good", "bad", "odd") for i in range(6)}


def test_class_folders_are_classes_unless_asked_otherwise(tmp_path: Path) -> None:
    root = write(tmp_path / "r", dict(CLASSES))
    data = pellucid.read(root)
    assert data.reading.document == ""
    assert data.reading.classes == {"bad": 6, "good": 6, "odd": 6}
    assert "the texts are in folders named after it; --target text learns to continue them instead" in data.reading.why
    asked = pellucid.read(root, target="text")
    assert texts_of(asked) == CLASSES
    assert "r: its folders (bad, good and odd) are not read as classes: as you asked" in said(asked)
    loose = write(tmp_path / "s", {**CLASSES, **{f"{i}.txt": prose(20, 50 * i) for i in range(5)}})
    data = pellucid.read(loose)
    assert len(places_of(data)) == 23
    assert "s: its folders (bad, good and odd) are not read as classes: texts lie outside of them, too" in said(data)
    (note,) = [note for note in data.notes if "not read as classes" in note.text]
    assert note.fix == "--target label takes them for classes"
    assert pellucid.read(loose, target="label").reading.classes == {"bad": 6, "good": 6, "odd": 6}


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (["a/1.txt", "a/2.txt", "b/1.txt", "b/2.txt"], ""),
        (["train/a/1.txt", "train/a/2.txt", "test/b/1.txt", "test/b/2.txt"], ""),
        (["all/a/1.txt", "all/a/2.txt", "all/b/1.txt", "all/b/2.txt", "all/unsup/9.txt"], ""),
        (["a/1", "a/2", "b/1", "b/2"], ""),
        (["a.txt", "b.txt"], "there are none"),
        (["a/1.txt", "a/2.txt"], "there is only one, 'a'"),
        (["a/1.txt", "b/1.txt", "c/1.txt", "c/2.txt"], "most of them hold a single text"),
        (["ch1/1.txt", "ch1/2.txt", "ch2/1.txt", "ch2/2.txt"], "they are parts of one work (ch1 and ch2)"),
        (["2021/1.txt", "2021/2.txt", "2022/1.txt", "2022/2.txt"], "they are parts of one work (2021 and 2022)"),
        (["x.txt", "y.txt", "a/1.txt", "a/2.txt", "b/1.txt", "b/2.txt"], "texts lie outside of them, too"),
        ([], "there are none"),
    ],
)
def test_when_folders_of_texts_are_classes(paths: list[str], why: str) -> None:
    assert find_class_folders(paths).why == why


def test_folders_of_other_things_stay_what_they_are(tmp_path: Path, photos: Path) -> None:
    assert pellucid.read(photos).reading.document == ""
    numbers = write(tmp_path / "har", {f"{p}/X{i}.txt": " 1.2 0.5\n 2.0 4\n" * 9 for p in ("a", "b") for i in range(3)})
    with pytest.raises(PellucidError):
        pellucid.read(numbers)
    table = write(tmp_path / "t", {"a.csv": "x,y\n" + "1,2\n3,4\n" * 9, "README.md": prose(), "load.py": prose()})
    assert list(pellucid.read(table).fields) == ["x", "y"]
    assert len(places_of(pellucid.read(table, target="text"))) == 1, "the two texts are copies"


def test_pictures_among_notes_and_notes_among_pictures(tmp_path: Path, photos: Path) -> None:
    pictures = [path.read_bytes() for path in sorted(photos.rglob("*.png"))[:6]]
    notes: dict[str, str | bytes] = {f"{i}.md": prose(20, 100 * i) for i in range(12)}
    root = write(tmp_path / "n", {**notes, **{f"img/{i}.png": one for i, one in enumerate(pictures)}})
    data = pellucid.read(root)
    assert len(places_of(data)) == 12
    assert "n: 6 other files are left out (6 .png)" in said(data)
    write(root, {f"img/more{i}.png": one for i, one in enumerate(pictures)})
    with pytest.raises(PellucidError, match=r"only one class, 'img'"):
        pellucid.read(root)
    assert len(places_of(pellucid.read(root, target="text"))) == 12


def test_a_packed_text_without_an_ending(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "text8.zip", "w") as out:
        out.writestr("text8", prose())
    assert texts_of(pellucid.read(tmp_path / "text8.zip")) == {"text8": prose()}


def test_a_folder_without_text(tmp_path: Path) -> None:
    write(tmp_path / "r", {"a.md": "", "b.md": b"\0\1" * 600, "c.md": "\n"})
    with pytest.raises(PellucidError, match=r"^r: none of its 3 texts can be read\n  check that they are text files"):
        pellucid.read(tmp_path / "r")
    write(tmp_path / "s", {"a.md": "x", "b.md": "y"})
    with pytest.raises(PellucidError, match=r"^s: 2 characters are too few to learn from"):
        pellucid.read(tmp_path / "s")


# -- what .gitignore leaves out


RULES = [
    ("*.log", "a/b.log", True), ("*.log", "a/b.logs", False), ("/a.txt", "a.txt", True), ("/a.txt", "b/a.txt", False),
    ("a/b", "a/b", True), ("a/b", "x/a/b", False), ("**/b", "x/a/b", True), ("a/**", "a/x/y", True),
    ("a/**", "a", False), ("a/**/b", "a/b", True), ("a/**/b", "a/x/y/b", True), ("# no", "# no", False),
    ("\\#yes", "#yes", True), ("x ", "x", True), ("x\\ ", "x ", True), ("[a-c]?", "b1", True), ("[!a-c]", "b", False),
    ("[", "[", True), ("a[]]", "a]", True), ("", "", False), ("/", "a", False), ("b*r", "bar", True),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "out"), RULES)
def test_patterns_of_gitignore(rule: str, path: str, out: bool) -> None:
    rules = IgnoreRules()
    rules.add("", rule + "\n")
    assert rules.leaves_out(path, False) == out


def test_later_and_nearer_patterns_decide() -> None:
    rules = IgnoreRules()
    rules.add("", "*.txt\n!keep.txt\nonly/\n")
    rules.add("a", "keep.txt\n!b.txt\n")
    found = {path: rules.leaves_out(path, False) for path in ("x.txt", "keep.txt", "a/keep.txt", "a/b.txt", "only")}
    assert found == {"x.txt": True, "keep.txt": False, "a/keep.txt": True, "a/b.txt": False, "only": False}
    assert rules.leaves_out("only", True)


def test_no_pattern_takes_long() -> None:
    rules = IgnoreRules()
    rules.add("", "*a" * 100 + "b\n" + "**/" * 200 + "x\n" + "y" * 10**6)
    assert not rules.leaves_out("/".join(["a" * 200] * 50), False)


NAMES = ["a", "b", "ab", "a.log", "b.txt", "build", "x[1]", "c d", "#h", "!z", "a-b"]
PIECES = ["a", "b", "*", "?", "**", "[ab]", "[!a]", "*.log", "build", "a*", "\\#h", "\\!z", "x\\[1\\]", "c d", "a**b",
          "[a-c]*", "[]-a]*", "*b*"]  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
@pytest.mark.parametrize("seed", range(8))
def test_patterns_mean_what_they_mean_to_git(seed: int, tmp_path: Path) -> None:
    draw, rules = random.Random(seed), IgnoreRules()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for path in sorted({"/".join(draw.choices(NAMES, k=draw.randint(1, 4))) for _ in range(25)}, key=len):
        full = tmp_path / path
        if not any(above.is_file() for above in full.parents) and not full.exists():
            full.parent.mkdir(parents=True, exist_ok=True)
            full.touch()
    inner = sorted(one.name for one in tmp_path.iterdir() if one.is_dir() and one.name != ".git")
    for folder in ("", *inner[:1]):
        bare = ["/".join(draw.choices(PIECES, k=draw.randint(1, 3))) for _ in range(4)]
        ends = [(draw.choice(["", "", "!"]), draw.choice(["", "", "/"]), draw.choice(["", "/"])) for _ in bare]
        text = "\n".join(back + start + one + end for one, (back, start, end) in zip(bare, ends, strict=True))
        (tmp_path / folder / ".gitignore").write_text(text + "\n")
        rules.add(folder, text)
    asked = ["git", "-C", str(tmp_path), "ls-files", "-o", "--exclude-standard", "-z"]
    theirs = {
        one for one in subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\0") if one
    }
    ours, stack = set(), [""]
    while stack:
        folder = stack.pop()
        for entry in (tmp_path / folder).iterdir():
            path = f"{folder}/{entry.name}".lstrip("/")
            if entry.name != ".git" and not rules.leaves_out(path, entry.is_dir()):
                ours.add(path) if entry.is_file() else stack.append(path)
    assert ours == theirs
    assert ours


# -- parts


def test_many_documents_stay_whole(tmp_path: Path) -> None:
    data = pellucid.read(write(tmp_path / "n", {f"{i}.md": prose(20 + i, 100 * i) for i in range(20)}))
    assert (data.reading.parting.by, data.reading.parting.column) == ("group", "document")
    assert "each of 20 documents (" in data.reading.parted
    split, documents = data.split(), data.documents
    assert documents is not None
    own = [set(documents[split[part]].tolist()) for part in ("train", "validation", "test")]
    assert sum(map(len, own)) == 20
    assert len(set.union(*own)) == 20
    assert len(own[0]) == 16
    assert len(data.split(1).test) != 0
    assert set(documents[data.split(1).test].tolist()) != own[2]


def test_few_documents_give_their_own_last_parts(tmp_path: Path) -> None:
    files = {"a.txt": prose(200), "b.txt": prose(200, 500), "short.txt": prose(10, 900)}
    data = pellucid.read(write(tmp_path / "n", files), split="70,20,10")
    split, documents = data.split(), data.documents
    assert documents is not None
    assert split.how.startswith("of each of 2 documents in order: train the first ")
    assert split.how.endswith(" characters; 1 short document in train")
    for document in (0, 1):
        rows = np.flatnonzero(documents == document)
        parts = [np.intersect1d(split[part], rows) for part in ("train", "validation", "test")]
        assert np.array_equal(np.concatenate(parts), rows)
        assert [round(len(part) / len(rows), 1) for part in parts] == [0.7, 0.2, 0.1]
    assert set(np.flatnonzero(documents == 2)) <= set(split.train)


def test_one_large_document_among_many_is_parted_itself(tmp_path: Path) -> None:
    files = {f"{i}.md": prose(5, 100 * i) for i in range(12)} | {"book.md": prose(900, 5000)}
    data = pellucid.read(write(tmp_path / "n", files))
    assert data.reading.parting.by == "order"
    assert data.split().how.endswith("12 short documents in train")


def test_passages_in_order_by_hand() -> None:
    size, document = np.full(50, 10), np.repeat([4, 7], 25)
    part, how = by_order(size, document, parse_split("60,20,20"))
    assert part.tolist() == ([0] * 15 + [1] * 5 + [2] * 5) * 2
    assert how == (
        "of each of 2 documents in order: train the first 300, validation the next 100 and test the last 100 of 500 "
        "characters"
    )
    part, _ = by_order(size[:10], np.arange(10), parse_split("60,20,20"))
    assert part.tolist() == [0] * 6 + [1, 1, 2, 2]
    with pytest.raises(PellucidError, match=r"^there are 2 passages, and 3 sets need one each"):
        by_order(size[:2], np.zeros(2), parse_split(None))


@pytest.mark.parametrize("form", ["folders", "names"])
def test_parts_that_are_given(form: str, tmp_path: Path) -> None:
    shape = "{part}/{i}.txt" if form == "folders" else "corpus.{part}{i}.txt"
    files = {shape.format(part=part, i=i): prose(30, 1000 * i + 100 * n)
             for n, part in enumerate(("train", "val", "test")) for i in range(3)}  # fmt: skip
    data = pellucid.read(write(tmp_path / "n", files))
    assert data.fields["split"].role == "split"
    split = data.split()
    assert "given by the data" in split.how
    for part, word in (("train", "train"), ("validation", "val"), ("test", "test")):
        assert {word in data.place(int(row)) for row in split[part]} == {True}
    other = pellucid.read(tmp_path / "n", split="60,20,20", ignore=["split"])
    assert other.reading.parting.by == "order"
    assert len(other.split().test) > 0


def test_a_part_that_is_missing_is_the_last_of_train(tmp_path: Path) -> None:
    files = {"train/a.txt": prose(200), "test/b.txt": prose(50, 900)}
    data = pellucid.read(write(tmp_path / "n", files))
    split = data.split()
    assert split.how.endswith("validation is 10% of train, its last part")
    rows = np.flatnonzero(data.documents == data.documents[split.train[0]])  # type: ignore[index]
    assert np.array_equal(np.concatenate([split.train, split.validation]), rows)
    many = {f"train/{i}.txt": prose(20, 100 * i) for i in range(15)} | {"test/b.txt": prose(50, 9000)}
    split = (data := pellucid.read(write(tmp_path / "m", many))).split()
    assert split.how.endswith("validation is 10% of train, whole documents, seed 0")
    assert data.documents is not None
    assert not set(data.documents[split.validation]) & set(data.documents[split.train])


def test_copies_across_parts_stay_in_train(tmp_path: Path) -> None:
    files = {"test/a.txt": prose(), "train/z.txt": prose(), "train/y.txt": prose(60, 400), "test/b.txt": prose(30, 900)}
    data = pellucid.read(write(tmp_path / "n", files))
    assert places_of(data) == {"train/z.txt", "train/y.txt", "test/b.txt"}
    (note,) = [note for note in data.notes if "copy" in note.text]
    assert note.level == "warning"
    assert note.text == (
        "1 document is a copy of another and left out (test/a.txt of train/z.txt); 1 of them in another set than the "
        "one that stays"
    )


def test_what_texts_can_not_be_parted_by(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.txt": prose(200)}) / "a.txt"
    with pytest.raises(UsageError) as caught:
        pellucid.read(path, split="random")
    assert str(caught.value) == (
        "passages of one text are not drawn at random: each would lie between two that are learned from, and the score "
        "would be too good\n  write 80,10,10, group:document or order:80,10,10"
    )
    with pytest.raises(UsageError, match="passages of a text have no times to be split by"):
        pellucid.read(path, split="time")
    with pytest.raises(UsageError, match="fold"):
        pellucid.read(path, split="column:fold")
    with pytest.raises(PellucidError, match="'document' has 1 different value, and 3 sets need one each"):
        pellucid.read(path, split="group:document").split()
    many = write(tmp_path / "n", {f"{i}.md": prose(20, 100 * i) for i in range(12)})
    assert pellucid.read(many, split="random").reading.parting.by == "group"
    order = pellucid.read(many, split="order:60,20,20")
    assert (order.reading.parting.by, order.reading.parting.shares) == ("order", (0.6, 0.2, 0.2))
    assert len(order.split().test) > 0


# -- new data for a run


def test_new_texts_are_cut_as_those_of_the_run(tmp_path: Path) -> None:
    path = write(tmp_path, {"a.txt": prose(200)}) / "a.txt"
    data = pellucid.read(path, context=32)
    fields = list(data.fitted().values())
    assert [f.name for f in fields] == ["text"]
    other = write(tmp_path / "new", {"b.txt": prose(3) + "漢\n", "c.md": prose(9), "d.md": prose(9)})
    for source, names in (
        (other / "b.txt", ["b.txt"]),
        (str(other), ["b.txt", "c.md", "d.md"]),
        ([str(other / "c.md")], ["c.md"]),
        ([other / "b.txt", other / "c.md"], ["b.txt", "c.md"]),
        (io.StringIO(prose(3)), ["data in memory"]),
    ):
        new = read_new(source, fields, True)
        assert sorted(places_of(new)) == names
        assert new.reading.document == "document"
        assert new.documents is not None
        assert len(set(new.documents.tolist())) == len(names)
        assert max(map(len, new.column("text").series())) == 32
        assert {f.name: f.role for f in new.fields.values()} == {"text": "target", "document": "group"}
        assert len(new.usable_rows()) == len(new)
    new = read_new(other / "b.txt", fields, True)
    new.usable_rows()
    assert "holds a character that was not in training, 1 time in all: '漢'" in said(new)
    assert new.place(1) == "b.txt, character 32"
    given = read_new(["ROMEO: so it is", "no"], fields, False, texts=True)
    assert texts_of(given) == {"text 1": "ROMEO: so it is", "text 2": "no"}
    table = write(tmp_path, {"t.txt": "1,2\n3,4\n" * 9}) / "t.txt"
    assert texts_of(read_new(table, fields, True)) == {"t.txt": "1,2\n3,4\n" * 9}


@pytest.mark.parametrize("source", ["nothing.txt", {"a": [1]}, b"bytes"])
def test_new_data_that_is_no_text(source: Any, tmp_path: Path) -> None:
    fields = list(pellucid.read(write(tmp_path, {"a.txt": prose(200)}) / "a.txt").fitted().values())
    with pytest.raises(PellucidError):
        read_new(source, fields, True)
    (tmp_path / "e.txt").touch()
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    for name in ("e.txt", "p.png"):
        with pytest.raises(PellucidError):
            read_new(tmp_path / name, fields, True)
    with pytest.raises(UsageError, match="passages of a text have no column of weights"):
        read_new(tmp_path / "a.txt", fields, True, weights="w")


# -- whatever lies there


BITS = [
    b"a, ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xfe",
    b"\xef\xbb\xbf",
    "é漢🦊".encode(),
    b"\xe6",
    b"\xed\xa0\x80",
]
BITS += [b"<html>", b"\t", b"1,2\n", b"word " * 60, b"\x1b", b"PK\3\4"]
PIECES_OF_FILES = st.lists(st.sampled_from(BITS), max_size=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=PIECES_OF_FILES.map(b"".join), piece=st.sampled_from([1, 2, 3, 7, 4096]))
def test_any_bytes_are_a_text_or_an_error(content: bytes, piece: int, tmp_path: Path) -> None:
    path = write(tmp_path, {"a.md": content}) / "a.md"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pellucid.data.documents.content.PIECE", piece)
        try:
            data = pellucid.read(path, cache=False)
        except PellucidError as error:
            message = str(error)
            assert message.startswith("a.md: ")
            return
        found = texts_of(data)["a.md"]
    assert "\r" not in found
    assert "\0" not in found
    try:
        plain = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    except UnicodeDecodeError:
        return
    if not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert found == plain


def test_odd_things_in_a_folder_are_said(tmp_path: Path) -> None:
    root = write(tmp_path / "n", {f"{i}.md": prose(20, 100 * i) for i in range(4)})
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "nowhere.md").symlink_to(root / "gone.md")
    os.mkfifo(root / "pipe.md")
    Path(os.fsdecode(os.fsencode(root) + b"/b\xff.md")).write_text(prose())
    (root / ".gitignore").symlink_to("/dev/zero")
    data = pellucid.read(root)
    assert len(places_of(data)) == 4
    for expected in (
        "loop: links to a folder that was read already; left out",
        "nowhere.md: cannot be opened (No such file or directory); left out",
        "pipe.md: cannot be opened (it is not a file but a pipe, a socket or a device); left out",
        "b\\udcff.md: its name is not UTF-8; left out",
    ):
        assert expected in said(data)


# -- from the second start on


def test_a_second_reading_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "n", {f"{i}.md": prose(20, 100 * i) for i in range(12)})
    first = pellucid.read(root)
    about = first.fingerprint(), first.split().test.tolist(), first.place(5), said(first)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a document was opened again")

    monkeypatch.setattr("pellucid.data.documents.load.look_through", refuse)
    again = pellucid.read(root)
    assert (again.fingerprint(), again.split().test.tolist(), again.place(5), said(again)) == about
    (root / "3.md").write_text(prose(30, 9000))
    with pytest.raises(AssertionError, match="opened again"):
        pellucid.read(root)


def test_texts_larger_than_what_memory_holds_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.data.documents.passages.CHARACTERS_AT_ONCE", 5_000)
    monkeypatch.setattr("pellucid.data.documents.content.PIECE", 1 << 10)
    files = {f"{i}.md": prose(40, 100 * i) + "é漢🦊\n" for i in range(12)}
    data = pellucid.read(write(tmp_path / "n", dict(files)), level="characters")
    assert texts_of(data) == {name: files[name] for name in texts_of(data)}
    assert len(places_of(data)) == 12
    assert data.place(len(data) - 1).startswith("11.md, character ")
    shown = [data.place(row) for row in range(len(data))]
    starts = [int(place.rsplit(" ", 1)[1].replace(",", "")) for place in shown]
    lengths = list(map(len, data.column("text").series()))
    for row in range(1, len(data)):
        assert starts[row] in (0, starts[row - 1] + lengths[row - 1])


def test_what_a_text_is_like() -> None:
    document = look_through("a", partial(text_opener, "aé\nb" * 3))
    assert (document.characters, document.size, document.different.tolist()) == (12, 15, [10, 97, 98, 233])
    assert look_through("b", partial(text_opener, "aé\r\nb" * 3)).digest == document.digest, (
        "line ends make no other text"
    )
    assert not document.packed
    assert look_through("c", partial(text_opener, "x" * 6_000 + "\n" * 100)).packed
    assert look_through("d", partial(text_opener, "/* @generated */\nint x;\n" * 3)).packed


def test_a_folder_is_called_by_its_whole_name(tmp_path: Path) -> None:
    root = write(tmp_path / "python-3.11", {f"{i}.py": f"def f{i}():\n    return {i}\n" * 40 for i in range(20)})
    assert pellucid.read(str(root), cache=False).name == "python-3.11"
