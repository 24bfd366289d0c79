"""Aligned files: which belong together, what is read of them, and what is said where they do not fit."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

import pytest

import pellucid
from pellucid.data.parallel.aligned_files import align_folder, is_language
from pellucid.errors import PellucidError

WORDS = ["a", "man", "woman", "dog", "runs", "sits", "on", "the", "street", "grass", "red", "big"]


def sentence(i: int, turned: bool = False) -> str:
    words = [WORDS[(i * k + k) % len(WORDS)] for k in range(1, 4 + i % 5)]
    return " ".join(word[::-1] for word in words) if turned else " ".join(words)


def write_pairs(folder: Path, stem: str, lines: range, one: str = "en", two: str = "de") -> list[Path]:
    """Two aligned files: sentences, and the same with every word turned round."""
    paths = [folder / f"{stem}.{one}", folder / f"{stem}.{two}"]
    for path, turned in zip(paths, (False, True), strict=True):
        path.write_text("".join(f"{sentence(i, turned)}\n" for i in lines))
    return paths


def test_two_files_named_one_by_one_are_columns_called_after_their_endings(tmp_path: Path) -> None:
    paths = write_pairs(tmp_path, "train", range(40))
    data = pellucid.read(paths, cache=False)
    assert len(data) == 40
    assert [(f.name, f.kind, f.role) for f in data.fields.values()] == [
        ("en", "text", "input"),
        ("de", "writing", "target"),
    ]
    assert data.layout == "40 lines in en and de, aligned"
    assert data.reading.why == "it is the second of en and de; --target en turns it round"
    assert data.place(12) == "train.en, line 13"
    assert data.column("de").place(12) == "train.de, line 13"
    turned = pellucid.read(paths, target="en", cache=False)
    assert turned.target.name == "en"
    assert [f.name for f in turned.inputs] == ["de"]


def test_a_folder_gives_the_parts_by_its_files_names_packed_or_not(tmp_path: Path) -> None:
    for stem, lines in (("train", range(30)), ("val", range(30, 36)), ("test_2016_flickr", range(36, 44))):
        for path in write_pairs(tmp_path, stem, lines):
            path.with_name(f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes()))
            path.unlink()
    (tmp_path / "README.md").write_text("About these files.\n")
    data = pellucid.read(tmp_path, target="de", cache=False)
    split = data.split(0)
    assert [len(split[part]) for part in ("train", "validation", "test")] == [30, 6, 8]
    assert split.how == "given by the data"
    assert data.place(int(split.test[0])) == "test_2016_flickr.de.xz, line 1"
    assert data.layout == "44 lines in de and en, aligned, in files for train, validation and test"
    assert [str(note) for note in data.notes if "not read" in note.text] == [
        f"{tmp_path.name}/: 1 other file is not read: README.md"
    ]


def test_what_languages_are() -> None:
    assert [is_language(one) for one in ("de", "en_GB", "zh-Hans", "src", "TGT", "c", "py", "xx", "")] == [
        True, True, True, True, True, False, False, False, False,
    ]  # fmt: skip


def test_sources_of_programs_are_no_languages(tmp_path: Path) -> None:
    for name in ("main.c", "main.h", "util.py", "util.js"):
        (tmp_path / name).write_text("x\n")
    assert align_folder(sorted(tmp_path.iterdir())) is None


def test_other_numbers_of_lines_are_refused_with_both_counts(tmp_path: Path) -> None:
    english, german = write_pairs(tmp_path, "train", range(20))
    german.write_text("\n".join(german.read_text().split("\n")[:-3]) + "\n")
    message = "train.en has 20 lines and train.de 18, so their lines do not belong together"
    with pytest.raises(PellucidError, match=re.escape(message)):
        pellucid.read([english, german], cache=False)


def test_a_stem_without_one_language_is_refused_by_name(tmp_path: Path) -> None:
    paths = [*write_pairs(tmp_path, "train", range(20)), write_pairs(tmp_path, "val", range(20, 25))[0]]
    with pytest.raises(PellucidError, match=r"there is no 'val.de' beside it, and the others are in en and de"):
        pellucid.read(paths, cache=False)


def test_pairs_with_an_empty_line_are_left_out_and_the_first_is_named(tmp_path: Path) -> None:
    english, german = write_pairs(tmp_path, "train", range(20))
    lines = german.read_text().split("\n")
    lines[4], lines[9] = "", "   "
    german.write_text("\n".join(lines))
    data = pellucid.read([english, german], cache=False)
    assert len(data) == 18
    assert data.place(4) == "train.en, line 6"
    assert data.place(17) == "train.en, line 20"
    assert [str(note) for note in data.notes if "empty line" in note.text] == [
        "train.de, line 5: 2 of 20 pairs have an empty line, this one first"
    ]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    english, german = write_pairs(tmp_path, "train", range(20))
    german.write_bytes(b"%PDF-1.4 and so on")
    with pytest.raises(PellucidError, match="it is not text but a PDF"):
        pellucid.read([english, german], cache=False)


def test_lines_end_at_line_ends_alone(tmp_path: Path) -> None:
    english, german = write_pairs(tmp_path, "train", range(20))
    english.write_text(english.read_text().replace(" ", "\u2028", 1).replace("\n", "\r\n"), newline="")
    data = pellucid.read([english, german], cache=False)
    assert len(data) == 20
    assert "\u2028" in str(data.fields["en"].traits.show(data.stored_values("en"), 0))
