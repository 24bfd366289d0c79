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
    assert data.reading.why == "it is the second of en and de; --target en for the other direction"
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
    with pytest.raises(PellucidError, match=r"'val.de' is missing; the other files come in en and de"):
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
        "train.de, line 5: 2 of 20 pairs have an empty line, first here"
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


# -- folders of source code


def write_code(folder: Path, count: int = 12) -> None:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"module_{i}.py").write_text("".join(f"value_{i}_{k} = {k} * {i}\n" for k in range(40)))


@pytest.mark.parametrize("lines", [(2, 3), (3, 3)])
@pytest.mark.parametrize("target", [None, "text"])
def test_a_folder_of_code_is_no_corpus(lines: tuple[int, int], target: str | None, tmp_path: Path) -> None:
    write_code(tmp_path / "code")
    for ending, count in zip(("cs", "pl"), lines, strict=True):
        (tmp_path / "code" / f"run.{ending}").write_text(f"print '{ending}';\n" * count)
    data = pellucid.read(tmp_path / "code", target=target, cache=False)
    assert data.target.kind == "passage"
    assert data.layout.startswith("14 documents")


def test_compiled_libraries_are_no_corpus(tmp_path: Path) -> None:
    write_code(tmp_path, 3)
    (tmp_path / "libfoo.la").write_text("# a library\n" * 4)
    (tmp_path / "libfoo.so").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(400))
    assert align_folder(sorted(tmp_path.iterdir())) is None
    # Beside what is aligned they are not missed in it.
    write_pairs(tmp_path, "train", range(20))
    write_pairs(tmp_path, "val", range(20, 26))
    found = align_folder(sorted(tmp_path.iterdir()))
    assert found is not None
    assert (found.languages, [one.stem for one in found.sets]) == (("de", "en"), ["train", "val"])


def test_a_pair_among_many_other_texts_is_no_corpus(tmp_path: Path) -> None:
    write_pairs(tmp_path, "messages", range(20))
    write_code(tmp_path, 2)
    (tmp_path / "README.md").write_text("About.\n")
    (tmp_path / "LICENSE").write_text("Do what you like.\n")
    assert align_folder(sorted(tmp_path.iterdir())) is not None
    write_code(tmp_path, 3)
    assert align_folder(sorted(tmp_path.iterdir())) is None


def test_texts_are_read_one_after_the_other_where_that_is_asked_for(tmp_path: Path) -> None:
    paths = write_pairs(tmp_path, "train", range(60))
    assert pellucid.read(paths, target="text", cache=False).target.kind == "passage"


@pytest.mark.parametrize(
    ("one", "two", "stem", "aligned"),
    [
        ("en", "cs", "news", True),  # Czech, or C#
        ("en", "sv", "news", True),  # Swedish, or SystemVerilog
        ("cs", "pl", "train", False),
    ],
)
def test_languages_that_programs_end_in_too(one: str, two: str, stem: str, aligned: bool, tmp_path: Path) -> None:
    paths = write_pairs(tmp_path, stem, range(20), one, two)
    assert (align_folder(paths) is not None) == aligned
    assert pellucid.read(paths, cache=False).layout == f"20 lines in {one} and {two}, aligned"
    paths[1].write_text("one\n")
    assert align_folder(paths) is None


def test_a_set_that_is_named_is_an_error_where_its_lines_do_not_fit(tmp_path: Path) -> None:
    write_pairs(tmp_path, "train", range(20), "en", "cs")[1].write_text("one\n")
    with pytest.raises(PellucidError, match=r"train.cs has 1 line and train.en 20, so their lines do not belong"):
        pellucid.read(tmp_path, cache=False)


# -- parts by the names of files


@pytest.mark.parametrize("name", ["tst2013", "newstest2014", "eval", "test_2016_flickr"])
def test_a_given_test_set_stays_one(name: str, tmp_path: Path) -> None:
    write_pairs(tmp_path, "train", range(30))
    write_pairs(tmp_path, name, range(30, 40))
    data = pellucid.read(tmp_path, cache=False)
    split = data.split(0)
    assert split.how.startswith("given by the data")
    assert sorted({data.place(int(row)).split(",")[0] for row in split.test}) == [f"{name}.de"]
    assert len(split.test) == 10
    assert not [note for note in data.notes if "names no part" in note.text]


def test_what_names_no_part_is_learned_from_and_said(tmp_path: Path) -> None:
    for stem, lines in (("train", range(30)), ("val", range(30, 36)), ("test", range(36, 44))):
        write_pairs(tmp_path, stem, lines)
    write_pairs(tmp_path, "europarl-v7", range(44, 60))
    data = pellucid.read(tmp_path, cache=False)
    split = data.split(0)
    assert [len(split[part]) for part in ("train", "validation", "test")] == [46, 6, 8]
    assert [str(note) for note in data.notes if note.level == "warning" and "part" in note.text] == [
        f"{tmp_path.name}/: europarl-v7 names no part and is learned from, beside what is named train, validation and "
        "test"
    ]


def test_where_no_part_is_named_all_is_parted_by_chance(tmp_path: Path) -> None:
    write_pairs(tmp_path, "train", range(30))
    write_pairs(tmp_path, "europarl-v7", range(30, 60))
    data = pellucid.read(tmp_path, cache=False)
    assert "split" not in data.fields
    assert not [note for note in data.notes if "part" in note.text]


def test_empty_files_are_said_to_be_empty(tmp_path: Path) -> None:
    for name in ("z.en", "z.de"):
        (tmp_path / name).write_text("")
    with pytest.raises(PellucidError, match="the files are empty") as caught:
        pellucid.read([tmp_path / "z.en", tmp_path / "z.de"], cache=False)
    assert caught.value.fix == "give files with a text in each line"
    for name, text in (("y.en", "a\n\n"), ("y.de", "\nb\n")):
        (tmp_path / name).write_text(text)
    with pytest.raises(PellucidError, match="no line has text in every language"):
        pellucid.read([tmp_path / "y.en", tmp_path / "y.de"], cache=False)


def test_aligned_files_are_called_after_what_they_have_in_common(tmp_path: Path) -> None:
    one, other = write_pairs(tmp_path, "news", range(12)), write_pairs(tmp_path, "talks.part", range(12))
    assert pellucid.read(one, cache=False).name == "news"
    assert pellucid.read(list(other), cache=False).name == "talks.part"
    assert pellucid.read([*one, *other], cache=False).name == "news-talks.part"
