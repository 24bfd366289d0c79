"""Layouts beside plain tables: archives, tables beside photos, nested class folders, data in memory."""

from __future__ import annotations

import csv
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pellucid
from pellucid.cli.parse import example_input
from pellucid.data import archives, read_new
from pellucid.data.folders.classes import classes_of
from pellucid.dataset import read as read_data
from pellucid.errors import PellucidError
from pellucid.fields import Note

SHARED = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def picture(seed: int, above: bool = False, side: int = 8) -> bytes:
    """A small photo as PNG: noise, brighter above or below."""
    pixels = np.random.default_rng(seed).integers(0, 128, (side, side, 3))
    half = side // 2
    pixels[: half if above else None] += 100 * above
    pixels[half:] += 100 * (not above)
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def write(root: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return root


def as_csv(names: list[str], rows: list[list[object]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([names, *rows])
    return out.getvalue()


def kinds(data: pellucid.Dataset) -> dict[str, tuple[str, str]]:
    return {field.name: (field.kind, field.role) for field in data.fields.values()}


def said(data: pellucid.Dataset) -> str:
    return "\n".join(map(str, data.notes))


# archives

FILES = {"a/one.txt": b"one", "a/b/two.txt": b"two " * 5000, "three.txt": b""}


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    """A ZIP or tar by the name's ending."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(name, data)
        return path
    with tarfile.open(path, f"w:{'' if path.suffix == '.tar' else path.suffix[1:].replace('tgz', 'gz')}") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def unpack(path: Path) -> tuple[dict[str, bytes], list[str]]:
    notes: list[Note] = []
    return {member.name: member.read() for member in archives.archive_members(path, notes.append)}, list(
        map(str, notes)
    )


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.xz", "x.tar.bz2"])
def test_archives_give_their_files(name: str, tmp_path: Path) -> None:
    path = write_archive(tmp_path / name, FILES)
    assert archives.is_archive(path)
    assert unpack(path) == (FILES, [])
    lying = path.rename(tmp_path / "misnamed.zip")  # the first bytes tell, not the name
    assert unpack(lying) == (FILES, [])
    assert [member.size for member in archives.archive_members(lying, [].append)] == [3, 20000, 0]  # none of them read


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_names_that_lead_out_are_left_out(name: str, tmp_path: Path) -> None:
    odd = {"/abs.txt": b"1", "../up.txt": b"2", "a/../../up.txt": b"3", "C:/x.txt": b"4", "./ok.txt": b"5"}
    found, notes = unpack(write_archive(tmp_path / name, {**odd, ".hidden": b"6", "__MACOSX/x": b"7"}))
    assert found == {"ok.txt": b"5"}
    assert notes == [f"{name}: 4 members are left out: names that point outside the archive"]


def test_links_devices_and_sparse_files_are_left_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE):
            info = tarfile.TarInfo(f"odd-{kind!r}")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    for name in ("x.tar", "x.zip"):
        with pytest.raises(PellucidError) as error:
            unpack(tmp_path / name)
        why = "there is no file in the archive that can be read (not ordinary files (links, devices))"
        assert str(error.value) == f"{name}: {why}"


def test_a_cut_tar_gives_what_came_before(tmp_path: Path) -> None:
    files = {f"{i}.bin": os.urandom(5000) for i in range(40)}
    whole = write_archive(tmp_path / "x.tar.xz", files).read_bytes()
    (tmp_path / "cut.tar.xz").write_bytes(whole[: len(whole) // 2])
    found: dict[str, bytes] = {}
    notes: list[Note] = []
    for member in archives.archive_members(tmp_path / "cut.tar.xz", notes.append):
        if len(found) == 10:
            break
        found[member.name] = member.read()
    assert found == {name: files[name] for name in list(files)[:10]}
    names = [member.name for member in archives.archive_members(tmp_path / "cut.tar.xz", notes.append)]
    assert 10 < len(names) < 30
    why = f"is damaged or cut off after {names[-1]} (Compressed file ended before the end-of-stream marker was reached)"
    assert list(map(str, notes)) == [f"cut.tar.xz: {why}; what came before is used"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.zip", b"", "x.zip: is not a ZIP or tar archive, or is damaged (empty file)"),
        ("x.tar.gz", b"not an archive", "x.tar.gz: is not a ZIP or tar archive, or is damaged (truncated header)"),
        ("x.zip", b"PK\3\4" + bytes(100), "x.zip: is damaged or cut off (File is not a zip file)"),
        ("x.tar", bytes(10240), "x.tar: there is no file in the archive that can be read"),
    ],
)
def test_what_is_no_archive(name: str, data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PellucidError) as error:
        unpack(tmp_path / name)
    assert str(error.value).split("\n")[0] == message


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar.xz"])
def test_bombs_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE", 1 << 20)
    path = write_archive(tmp_path / name, {"a.png": bytes(1 << 16), "b.png": bytes(8 << 20)})
    with pytest.raises(PellucidError, match="like a decompression bomb") as error:
        unpack(path)
    assert error.value.fix == "unpack it by hand if you trust it, and read the folder"
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1)
    with pytest.raises(PellucidError, match=r"more than 1 files|decompression bomb"):
        list(archives.archive_members(path, [].append))


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 4000), byte=st.integers(0, 255), kind=st.sampled_from([".zip", ".tar", ".tar.gz"]))
def test_a_changed_byte_is_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, kind: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    data = bytearray(write_archive(folder / f"x{kind}", FILES).read_bytes())
    data[place % len(data)] = byte
    (folder / f"x{kind}").write_bytes(data)
    try:
        for member in archives.archive_members(folder / f"x{kind}", [].append):
            member.read()
    except PellucidError:
        pass


# which folder is the class

CASES = {
    "plain": ([f"{c}/{i}.png" for c in "ab" for i in range(9)], ["a", "b"], []),
    "wrapped": ([f"x/y/{c}/{i}.png" for c in "ab" for i in range(9)], ["a", "b"], []),
    "pieces of a class": (
        [f"negatives/negatives{k}/{i}.png" for k in range(9) for i in range(40)] + ["positives/1.png"],
        ["negatives", "positives"],
        [],
    ),
    "only pieces": ([f"negs/negs{k}/{i}.png" for k in (7, 8) for i in range(4)], ["negs7", "negs8"], []),
    "breeds": ([f"animals/{c}/{i}.png" for c in ("cat/a", "cat/b", "dog/c") for i in range(4)], ["cat", "dog"], []),
    "same places in each": ([f"{c}/{p}/1.png" for c in ("cat", "dog") for p in ("in", "out")], ["cat", "dog"], []),
    "parts": ([f"part{k}/{c}/{i}.png" for k in (1, 2) for c in ("cat", "dog") for i in range(4)], ["cat", "dog"], []),
    "parts that share nothing": (["part1/cat/1.png", "part2/dog/1.png"], ["cat", "dog"], []),
    "days": ([f"2021-0{k}-01/{c}/1.png" for k in (1, 2) for c in ("cat", "dog")], ["cat", "dog"], []),
    "digits by writer": ([f"{k}/w{w}/1.png" for k in range(10) for w in (1, 2)], list("0123456789"), []),
    "one with nearly all": (
        [f"all/{c}/{i}.png" for c in ("cat", "dog") for i in range(100)] + ["misc/1.png"],
        ["cat", "dog", None],
        [],
    ),
    "splits above": ([f"{s}/{c}/1.png" for s in ("train", "test") for c in "ab"], ["a", "b"], ["train", "test"]),
    "splits below": ([f"{c}/{s}/1.png" for c in "ab" for s in ("train", "val")], ["a", "b"], ["train", "validation"]),
    "splits, then a folder for nothing": (
        [f"d/{s}/images/{c}/1.png" for s in ("train", "test") for c in "ab"], ["a", "b"], ["train", "test"],
    ),
    "something beside the splits": (
        [f"{s}/{c}/{i}.png" for s in ("train", "test") for c in "ab" for i in range(9)] + ["cover.png"],
        ["a", "b", None],
        ["train", "test", None],
    ),
    "one class": ([f"{s}/cat/{i}.png" for s in ("train", "test") for i in range(9)], ["cat"], ["train", "test"]),
    "no folders": (["1.png", "2.png"], [None], []),
    "nothing": ([], [], []),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_class_among_nested_folders(name: str) -> None:
    paths, labels, splits = CASES[name]
    told = classes_of(paths, "d")
    assert list(dict.fromkeys(told.labels)) == labels
    assert list(dict.fromkeys(told.splits)) == splits


def test_another_level_can_be_the_class(tmp_path: Path) -> None:
    inner = ("cat/persian", "cat/tabby", "dog/poodle")
    root = write(tmp_path / "animals", {f"{c}/{i}.png": picture(i) for c in inner for i in range(4)})
    data = read_data(root)
    note = "animals: 12 images in folders inside a class belong to that class (persian, tabby and poodle; "
    assert note + "--target folder_2 takes these)" in said(data)
    assert data.reading.classes == {"cat": 8, "dog": 4}
    deeper = read_data(root, target="folder_2")
    assert deeper.reading.classes == {"persian": 4, "poodle": 4, "tabby": 4}
    assert kinds(deeper) == {"image": ("image", "input"), "folder_2": ("category", "target")}
    assert read_data(root, target="folder").reading.classes == {"cat/persian": 4, "cat/tabby": 4, "dog/poodle": 4}
    again = read_new(root, list(deeper.fields.values()), need_target=True)
    assert again.label_values() == ["persian", "poodle", "tabby"]


def test_the_choice_of_an_inner_folder_is_said(tmp_path: Path) -> None:
    root = write(tmp_path / "d", {f"part{k}/{c}/{i}.png": picture(i) for k in (1, 2) for c in "ab" for i in range(3)})
    data = read_data(root)
    why = "the folders above are numbered pieces that hold the same folders"
    assert f"d: the class is the folder at depth 2: {why} (part1 and part2; --target folder_1 takes these)" in said(
        data
    )
    assert data.reading.why == f"the images are in folders named after it, {why}"


# tables beside photos

PETS: list[list[object]] = [
    [f"photos/{i:03d}.png", i % 7, ["cat", "dog", "hen"][i % 3], "likes to run in the garden", "yes" if i % 2 else "no"]
    for i in range(40)
]
NAMES = ["file_name", "age", "species", "about", "adopted"]
PHOTOS: dict[str, bytes | str] = {f"photos/{i:03d}.png": picture(i, above=bool(i % 2)) for i in range(40)}


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write(tmp_path / "pets", {**PHOTOS, "metadata.csv": as_csv(NAMES, PETS), "README.txt": "some pets\nmine"})


def test_metadata_beside_photos(pets: Path) -> None:
    data = read_data(pets, target="adopted")
    assert kinds(data)["file_name"] == ("image", "input")
    assert kinds(data)["adopted"] == ("category", "target")
    assert data.layout == "40 images, named in metadata.csv, column 'file_name', with 4 further columns"
    assert data.stored_values("file_name").arrays["pixels"].shape == (40, 8, 8, 3)
    assert data.place(3) == "photos/003.png"
    assert data.column("age").place(3) == "metadata.csv, line 5, column 'age'"
    assert "pets: 1 other file is left out (1 .txt)" in said(data)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_other_forms_of_metadata(form: str, pets: Path) -> None:
    frame = pl.read_csv(pets / "metadata.csv")
    frame.write_ndjson(pets / "metadata.jsonl") if form == "jsonl" else frame.write_parquet(pets / "metadata.parquet")
    both = read_data(pets, target="adopted")
    assert len(both) == 40
    assert f"pets, metadata.{form}: names images too, but metadata.csv is read" in said(both)
    (pets / "metadata.csv").unlink()
    assert kinds(read_data(pets, target="adopted")) == kinds(both)


def test_rows_and_photos_without_each_other_are_said_and_left_out(pets: Path) -> None:
    rows = [*PETS[1:], ["photos/gone.png", 1, "cat", "x", "no"], ["../../etc/passwd", 1, "cat", "x", "no"], [""] * 5]
    write(pets, {"metadata.csv": as_csv(NAMES, rows), "photos/extra.png": picture(99)})
    data = read_data(pets, target="adopted")
    assert len(data) == 39
    lost = "3 rows name images that are not there ('photos/gone.png', '../../etc/passwd' and nothing)"
    assert f"metadata.csv, line 41, column 'file_name': {lost} and are left out, here first" in said(data)
    without = "2 images have no row in metadata.csv and are left out (photos/000.png and photos/extra.png)"
    assert f"pets: {without}" in said(data)


def test_a_damaged_photo_is_named_by_its_path(pets: Path) -> None:
    write(pets, {"photos/003.png": "no image"})
    data = read_data(pets, target="adopted")
    assert len(data.usable_rows()) == 39
    assert f"{pets}/photos/003.png: is not an image that can be read" in said(data)


def test_metadata_in_each_split(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {}
    for part, rows in (("train", range(30)), ("test", range(30, 40))):
        files |= {f"{part}/{i}.png": picture(i) for i in rows}
        files[f"{part}/metadata.csv"] = as_csv(["file_name", "weight"], [[f"{i}.png", i / 3] for i in rows])
    data = read_data(write(tmp_path / "p", files), target="weight")
    assert kinds(data)["split"] == ("category", "split")
    assert [len(part) for part in data.split().parts().values()] == [27, 3, 10]
    assert {data.column("weight").place(row) for row in (0, 35)} == {
        "test/metadata.csv, line 2, column 'weight'",
        "train/metadata.csv, line 27, column 'weight'",
    }


def test_photos_in_class_folders_with_metadata(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{'cat' if i % 2 else 'dog'}/{i}.png": picture(i) for i in range(20)}
    rows: list[list[object]] = [[name, i / 7] for i, name in enumerate(files)]
    data = read_data(write(tmp_path / "p", {**files, "metadata.csv": as_csv(["file_name", "weight"], rows)}))
    assert kinds(data)["label"] == ("category", "target")
    assert kinds(data)["weight"] == ("number", "input")
    assert read_data(tmp_path / "p", target="weight").target.name == "weight"


@pytest.mark.parametrize(
    "named",
    ["{i:03d}.png", "{i:03d}", "photos/{i:03d}.png", "./photos/{i:03d}.png", "photos/{i:03d}", "{i}",
     "{root}/photos/{i:03d}.png", "file://{root}/photos/{i:03d}.png",
     "/home/else/photos/{i:03d}.png", "C:\\x\\photos\\{i:03d}.png"],
)  # fmt: skip
def test_ways_to_name_an_image(named: str, tmp_path: Path) -> None:
    root = tmp_path / "my data"
    rows: list[list[object]] = [[i / 3, named.format(i=i, root=root), "yes" if i % 2 else "no"] for i in range(40)]
    write(root, {**PHOTOS, "tables/labels.csv": as_csv(["size", "which", "answer"], rows), "notes.csv": "a,b\n1,2\n"})
    data = read_data(root, target="answer")
    assert kinds(data)["which"] == ("image", "input")
    assert data.place(4) == "tables/labels.csv, line 6"
    assert (
        data.stored_values("which").arrays["pixels"][4] == np.asarray(Image.open(root / "photos" / "004.png"))
    ).all()


def test_numbers_called_label_are_classes_of_images(tmp_path: Path) -> None:
    rows: list[list[object]] = [[i, i % 10] for i in range(40)]
    root = write(tmp_path / "p", {**PHOTOS, "train.csv": as_csv(["id", "label"], rows)})
    assert kinds(read_data(root)) == {"id": ("image", "input"), "label": ("category", "target")}
    assert kinds(read_data(root, kinds={"label": "number"}))["label"] == ("number", "target")


def test_tables_that_only_seem_to_name_images(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {f"{c}/{i}.png": picture(i) for c in "ab" for i in range(10)}
    tables = {
        "counts.csv": as_csv(["count", "what"], [[1, "x"], [2, "y"]]),
        "classes.txt": "a\nb\n",
        "all.csv": as_csv(["name"], [[name] for name in files]),
        "words.csv": as_csv(["name", "other"], [["a", "b"], ["b", "c"]]),
        "broken.json": "{",
    }
    data = read_data(write(tmp_path / "p", {**files, **tables}))
    assert data.reading.classes == {"a": 10, "b": 10}
    assert "p: 5 other files are left out (3 .csv, 1 .json and 1 .txt)" in said(data)


def test_a_broken_metadata_file_is_said(pets: Path) -> None:
    write(pets, {"metadata.csv": ""})
    with pytest.raises(PellucidError, match=r"^pets/metadata.csv: the file is empty\n  fix the table$"):
        read_data(pets)
    write(pets, {"cat/1.png": picture(1), "dog/2.png": picture(2)})
    data = read_data(pets)
    assert data.target.name == "label"
    assert "metadata.csv: the file is empty; left out" in said(data)


def test_a_table_of_paths_is_read_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "my data", PHOTOS)
    urls = [f"file://{root}/photos/{i:03d}.png".replace(" ", "%20") for i in range(10)]
    for paths in (list(PHOTOS)[:10], [str(root / name) for name in list(PHOTOS)[:10]], urls):
        table = write(root, {"labels.csv": as_csv(["photo", "label"], [[p, "ab"[i % 2]] for i, p in enumerate(paths)])})
        data = read_data(table / "labels.csv")
        assert kinds(data) == {"photo": ("image", "input"), "label": ("category", "target")}
        assert len(data.usable_rows()) == 10
    elsewhere = write(
        tmp_path / "tables", {"labels.csv": (root / "labels.csv").read_text().replace(f"file://{root}/", "")}
    )
    monkeypatch.chdir(root)  # paths that start from where the user is
    assert len(read_data(str(elsewhere / "labels.csv").replace("%20", " ")).usable_rows()) == 10


def test_paths_in_several_tables_start_from_the_folder_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[f"{i}.png", i % 2] for i in range(20)]
    for folder, own in (("a", rows[:10]), ("b", rows[10:])):
        write(tmp_path / folder, {"t.csv": as_csv(["photo", "label"], own)})
        write(tmp_path / folder, {name: picture(label) for name, label in own})
    tables = [tmp_path / folder / "t.csv" for folder in "ab"]
    one = write(tmp_path / "a", {"more.csv": as_csv(["photo", "label"], rows[:10])}) / "more.csv"
    for source in (tables, str(tmp_path / "*" / "t.csv"), [tables[0], one]):
        data = read_data(source, target="label", cache=False)
        assert kinds(data)["photo"] == ("image", "input")
        assert not len(data.stored_values("photo").bad)
    write(tmp_path, {"here/x.png": picture(0), "c/t.csv": as_csv(["photo", "label"], [["here/x.png", 0]] * 10)})
    write(tmp_path, {"d/t.csv": as_csv(["photo", "label"], [["here/x.png", 1]] * 10)})
    monkeypatch.chdir(tmp_path)
    data = read_data([tmp_path / "c" / "t.csv", tmp_path / "d" / "t.csv"], target="label", cache=False)
    assert not len(data.stored_values("photo").bad), "from where the user is, when they are nowhere else"


def test_what_a_table_of_paths_cannot_reach(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["1.png", 1.5],
        ["/dev/zero", 2],
        ["../" * 20 + "etc/passwd", 3],
        ["https://x.org/1.png", 4],
    ]
    rows += [["1.png", 5], ["1.png", 6], ["1.png", 7.5]]
    root = write(tmp_path / "p", {"1.png": picture(1), "t.csv": as_csv(["photo", "y"], rows)})
    data = read_data(root / "t.csv", kinds={"photo": "image"}, target="y")
    assert data.usable_rows().tolist() == [0, 4, 5, 6]
    assert "t.csv, line 3, column 'photo': '/dev/zero' is not a file; left out" in said(data)
    assert f"t.csv, line 4, column 'photo': '{'../' * 20}etc/passwd' is not an image that can be read" in said(data)
    web = "'https://x.org/1.png' is on the web, and nothing is downloaded; left out"
    assert f"t.csv, line 5, column 'photo': {web}" in said(data)
    assert data.input_problems()[1] == "'/dev/zero' is not a file"
    write(root, {"t.csv": as_csv(["photo", "y"], [[f"https://x.org/{i}.jpg", i / 2] for i in range(20)])})
    why = "20 names of image files, which are on the web: nothing is downloaded, so fetch them and name the files"
    assert read_data(root / "t.csv", target="y").fields["photo"].reason == why


# archives of images


@pytest.mark.parametrize("name", ["pets.zip", "pets.tar", "pets.tar.xz", "pets.tgz"])
def test_an_archive_reads_as_the_folder(name: str, pets: Path, tmp_path: Path) -> None:
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in pets.rglob("*") if path.is_file()}
    path = write_archive(tmp_path / name, files)
    data, folder = read_data(path, target="adopted"), read_data(pets, target="adopted")
    assert data.layout == folder.layout.replace("metadata.csv", "pets/metadata.csv")
    assert kinds(data) == kinds(folder)
    assert data.name == "pets"
    for field in ("file_name", "age", "adopted"):
        for key, values in folder.stored_values(field).arrays.items():
            assert (data.stored_values(field).arrays[key] == values).all()
    assert data.short_title(3) == "pets/photos/003.png"


def test_class_folders_in_an_archive(tmp_path: Path) -> None:
    files = {f"{part}/{c}/{i}.png": picture(i) for part in ("train", "test") for c in "ab" for i in range(6)}
    data = read_data(write_archive(tmp_path / "x.tar.gz", {**files, "train/a/bad.png": b"x", "a.txt": b"y"}))
    assert data.reading.given == {"train": 13, "test": 12}
    assert len(data.usable_rows()) == 24
    assert "x.tar.gz/train/a/bad.png: is not an image that can be read" in said(data)
    assert "x.tar.gz: 1 other file is left out (1 .txt)" in said(data)


def test_an_archive_is_unpacked_once_and_nothing_of_it_gets_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_archive(tmp_path / "x.tar.gz", {f"{c}/{i}.png": picture(i) for c in "ab" for i in range(6)})
    read_data(path).usable_rows()
    assert not [
        p for p in Path(os.environ["PELLUCID_CACHE"]).rglob("*") if p.suffix not in ("", ".npy", ".json", ".TAG")
    ]
    monkeypatch.setattr(archives, "archive_members", lambda *_: pytest.fail("opened again"))
    monkeypatch.setattr("pellucid.data.folders.archive.archive_members", lambda *_: pytest.fail("opened again"))
    assert read_data(path, image_size=4).stored_values("image").arrays["pixels"].shape == (12, 4, 4, 3)


def test_a_cut_archive_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": picture(100 * i + ord(c), side=24) for i in range(30) for c in "ab"}
    whole = write_archive(tmp_path / "whole.tar.gz", files).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    data = read_data(tmp_path / "cut.tar.gz")
    assert 20 < len(data.usable_rows()) == len(data) < 40
    assert "cut.tar.gz: is damaged or cut off after " in said(data)


def test_an_archive_without_a_cache(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "x.zip", {f"{c}/{i}.png": picture(i) for c in "ab" for i in range(6)})
    assert len(read_data(path, cache=False).usable_rows()) == 12


@pytest.mark.slow
def test_cifar10_from_its_archive() -> None:
    if not (SHARED / "cifar10.tar.xz").exists():
        pytest.skip(f"the shared data file cifar10.tar.xz is not here ({SHARED})")
    data = read_data(SHARED / "cifar10.tar.xz")
    assert data.reading.given == {"train": 50000, "test": 10000}
    assert data.name == "cifar10"
    assert len(data.usable_rows()) == 60000


# finished runs


def test_a_run_on_photos_with_metadata(pets: Path, tmp_path: Path) -> None:
    run = pellucid.train(pets, target="adopted", steps=4, out=tmp_path / "runs", network="mlp")
    packed = {str(path.relative_to(tmp_path)): path.read_bytes() for path in pets.rglob("*") if path.is_file()}
    archive = write_archive(tmp_path / "pets.zip", packed)
    answers = [[one.get("label") for one in run.predict(s)] for s in (pets, pets / "metadata.csv", str(archive))]
    assert len(answers[0]) == 40
    assert answers[0] == answers[1] == answers[2]
    assert run.evaluate(archive).score.n == 40
    with pytest.raises(PellucidError, match="the columns 'age' and 'species' are missing"):
        run.predict(pets / "photos")
    with pytest.raises(PellucidError, match="a photo alone was given, but the run expects age") as error:
        run.predict(pets / "photos" / "001.png")
    assert "learn" not in str(error.value)
    example = example_input(str(pets), [f.kind for f in run.fields])
    assert "label" in run.predict(example)[0]
    assert example_input(str(pets), ["image"]) == str(pets / "photos" / "000.png")


def test_a_run_on_folders_reads_archives_and_metadata(photos: Path, pets: Path, tmp_path: Path) -> None:
    run = pellucid.train(photos, steps=4, out=tmp_path / "runs", network="mlp")
    archive = write_archive(tmp_path / "new.tar.gz", {f"{i}.png": picture(i) for i in range(3)})
    assert [one["input"] for one in run.predict(archive)] == ["0.png", "1.png", "2.png"]
    write(pets, {"photos/more.png": picture(77)})
    assert len(run.predict(pets)) == 41, "the table beside the photos is not asked which to predict"


# data in memory

N = 40
X = np.random.default_rng(0).normal(size=(N, 3))
Y = np.arange(N) % 2
PIXELS = np.random.default_rng(1).integers(0, 256, (N, 8, 8, 3), dtype=np.uint8)
PNGS = [picture(i) for i in range(N)]


def roles(source: object, **options: object) -> dict[str, tuple[str, str]]:
    return kinds(read_data(source, cache=False, **options))


TABLE = {f"column_{i}": ("number", "input") for i in (1, 2, 3)} | {"target": ("category", "target")}


def test_pairs_of_anything() -> None:
    from scipy import sparse

    assert roles((torch.tensor(X, requires_grad=True).bfloat16(), torch.tensor(Y).bool())) == TABLE
    assert roles((X.tolist(), Y.tolist())) == TABLE
    assert roles((sparse.csr_matrix(X), Y[:, None])) == TABLE
    assert roles((pl.DataFrame(X, schema=list("abc")).lazy(), pl.Series("answer", Y)))["answer"] == (
        "category",
        "target",
    )
    data = read_data((np.ma.array(X, mask=X > 1), Y), cache=False)
    assert np.isnan(data.stored_values("column_1").arrays["value"]).sum() == (X[:, 0] > 1).sum() > 0
    mixed = [(i * 1.5, "ab"[i % 3 > 0], None if i == 4 else i % 7) for i in range(N)]
    assert {n: k for n, (k, _) in roles((mixed, Y)).items()} == {
        "column_1": "number", "column_2": "category", "column_3": "number", "target": "category",
    }  # fmt: skip


def test_targets_of_several_columns() -> None:
    data = read_data((X, np.eye(4)[np.arange(N) % 4]), cache=False)
    assert data.reading.classes == {"0": 10, "1": 10, "2": 10, "3": 10}
    assert "column 'target': one 1 in each row of (40, 4): read as one of 4 classes" in said(data)
    flags = pd.get_dummies(pd.Series(["yes", "no"] * 20))
    assert read_data((X, flags), cache=False).reading.classes == {"no": 20, "yes": 20}
    several = np.random.default_rng(0).random((N, 4)) < 0.5
    assert roles((X, several))["target"] == ("labels", "target")
    assert roles((X, [["a", "b"], ["b", "c"]] * 20))["target"] == ("labels", "target")
    numbers = read_data((X, X[:, :2] * 2.5), cache=False)
    assert [field.name for field in numbers.targets] == ["target_1", "target_2"]
    assert numbers.reading.why == "it is y of the pair (X, y)"


@pytest.mark.parametrize("first", [False, True])
def test_images_in_arrays_and_tensors(first: bool) -> None:
    given = torch.tensor(PIXELS).permute(0, 3, 1, 2) if first else torch.tensor(PIXELS)
    data = read_data((given, Y), cache=False)
    assert (data.stored_values("image").arrays["pixels"] == PIXELS).all()
    where = "first" if first else "last"
    shape = tuple(given.shape)
    assert f"column 'image': {shape} is read as images of 8 × 8 pixels, channels {where}" in said(data)


def test_images_of_any_sort_in_columns() -> None:
    images = [Image.fromarray(pixels) for pixels in PIXELS]
    broken = Image.open(io.BytesIO(PNGS[0][:-60]))
    label = ["a", "b"] * 20
    for photos in (images, list(PIXELS), np.array(PNGS, object), pl.Series(PNGS)):
        data = read_data({"photo": photos, "label": label}, cache=False)
        assert kinds(data) == {"photo": ("image", "input"), "label": ("category", "target")}
        assert data.stored_values("photo").arrays["pixels"].shape == (N, 8, 8, 3)
    assert (
        read_data({"photo": images, "label": label}, cache=False).stored_values("photo").arrays["pixels"] == PIXELS
    ).all()
    data = read_data({"photo": [None, broken, *images[2:]], "label": label}, cache=False)
    assert data.usable_rows().tolist() == list(range(2, N))
    assert "row 0, column 'photo': there is no image; left out" in said(data)
    sizes = [pixels[: 4 + i % 5] for i, pixels in enumerate(PIXELS)]
    ragged = read_data((sizes, Y), cache=False)
    assert ragged.stored_values("image").arrays["pixels"].shape == (N, 32, 32, 3)
    assert len(ragged.usable_rows()) == N
    modes = [Image.fromarray(PIXELS[0]).convert(m) for m in ("L", "RGBA", "P", "CMYK", "LA", "1", "YCbCr", "I")] * 5
    assert len(read_data((modes, Y), cache=False).usable_rows()) == N


def test_images_as_hugging_face_keeps_them(tmp_path: Path) -> None:
    rows = [{"bytes": b"junk" if i == 3 else png, "path": "x.png"} for i, png in enumerate(PNGS)]
    frame = pl.DataFrame({"image": rows, "label": ["a", "b"] * 20})
    frame.write_parquet(tmp_path / "train.parquet")
    for source in (frame, tmp_path / "train.parquet"):
        data = read_data(source)
        assert kinds(data) == {"image": ("image", "input"), "label": ("category", "target")}
        assert data.usable_rows().tolist() == [i for i in range(N) if i != 3]
    assert "train.parquet, row 3, column 'image': is not an image that can be read" in said(data)


class Photos(torch.utils.data.Dataset):
    """A data set of a user's own, of which one item can't be read."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> tuple[object, int]:
        if i == 5:
            raise OSError("no such photo")
        return Image.fromarray(PIXELS[i]), i % 2


def test_sequences_of_input_and_target() -> None:
    data = read_data(Photos(), cache=False)
    assert kinds(data) == {"image": ("image", "input"), "target": ("category", "target")}
    assert len(data) == N - 1
    assert "item 5: OSError: no such photo; left out" in said(data)
    tensors = torch.utils.data.TensorDataset(torch.rand(N, 1, 8, 8), torch.tensor(Y))
    assert roles(tensors) == roles(torch.utils.data.Subset(tensors, range(30)))
    assert roles([(f"a text of number {i}", "ab"[i % 2]) for i in range(N)])["text"] == ("text", "input")
    assert set(roles([({"a": i / 3, "b": "xyz"[i % 3]}, "ab"[i % 2]) for i in range(N)])) == {"a", "b", "target"}
    assert roles([({"a": i / 3}) | ({"b": "x"} if i % 2 else {}) for i in range(N)], target="b")["b"][1] == "target"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (torch.utils.data.DataLoader(Photos()), "data of type DataLoader can't be read\n  pass its dataset"),
        (iter([1, 2]), "data of type list_iterator can't be read\n  pass a list of what it gives"),
        ([(1, 2, 3)] * 9, "data in memory: the items of a list are neither all (input, target) nor all dicts"),
        (({"a": [1, 2]}, [1, 2, 3]), "X has the shape (2,) and y (3,); expected as many examples in both"),
        (([], []), "X has the shape (0,) and y (0,); expected as many examples in both"),
        ((np.zeros((9, 2, 3, 4, 5)), [1] * 9), "column 'image': the shape (9, 2, 3, 4, 5) of type float64 is neither"),
        ((np.zeros((9, 3)) + 1j, [1] * 9), "column 'column_1': complex numbers can't be read"),
        ((np.zeros((9, 3)), np.zeros((9, 2, 2))), "y has the shape (9, 2, 2); expected one target each"),
        ({"a": [1, 2], "b": 3}, "data in memory: column 'b' is a single value"),
        (pl.LazyFrame({"a": [1]}).select("b"), "data in memory: can't be read (unable to find column"),
    ],
)  # fmt: skip
def test_what_is_no_data_in_memory(source: object, message: str) -> None:
    with pytest.raises(PellucidError) as error:
        read_data(source, cache=False)
    assert str(error.value).startswith(message)


def test_pandas() -> None:
    frame = pd.DataFrame(
        {
            "nullable": pd.array([1, 2, 3, None] * 10, dtype="Int64"),
            "codes": pd.Categorical([1, 2, 3, 4] * 10),
            "when": pd.date_range("2020-03-01 22:00", periods=N, tz="Europe/Berlin"),
            "flag": pd.array([True, False, None, True] * 10, dtype="boolean"),
            "mixed": [1, "x", None, 2.5] * 10,
            "took": pd.to_timedelta(np.arange(N) ** 2, "h"),
            "label": ["a", "b"] * 20,
        },
        index=[f"row {i}" for i in range(N)],
    )
    data = read_data(frame, cache=False)
    assert {name: field.kind for name, field in data.fields.items()} == {
        "nullable": "number", "codes": "category", "when": "date", "flag": "category", "mixed": "category",
        "took": "number", "label": "category",
    }  # fmt: skip
    assert data.column("nullable").series().null_count() == 10
    assert data.column("when").series()[0].hour == 22
    assert "data in memory: the index is not read; reset_index() makes it a column" in said(data)
    assert "column 'mixed': holds values of several types (float, int, str); all are read as words" in said(data)
    assert "the index" not in said(read_data(frame.reset_index(drop=True), cache=False))
    doubled = read_data(pd.DataFrame(np.c_[X, Y], columns=["x", "x", 7, "label"]), cache=False)
    assert list(doubled.fields) == ["x", "x_2", "7", "label"]
    assert "data in memory: two columns are called 'x'; the later one is called 'x_2'" in said(doubled)
    shifted = read_data((pd.DataFrame(X), pd.Series(Y, index=range(1, N + 1), name="answer")), cache=False)
    assert "data in memory: X and y have different indexes; their rows are taken in order" in said(shifted)
    assert shifted.target.name == "answer"


def test_arrow_and_records() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.Table.from_arrays([pa.array(X[:, 0]), pa.array(X[:, 1]), pa.array(["a", "b"] * 20)], ["x", "x", "label"])
    assert list(roles(table)) == ["x", "x_2", "label"]
    assert list(roles(table.select([0, 2]).to_reader())) == ["x", "label"]
    records = np.array([(i / 3, "ab"[i % 2]) for i in range(N)], [("x", ">f4"), ("label", "U3")])
    assert roles(records) == {"x": ("number", "input"), "label": ("category", "target")}
    assert list(roles((records[["x"]], Y))) == ["x", "target"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.booleans(), st.dates(), st.datetimes(),
                  st.binary(), st.decimals(), st.complex_numbers(), st.lists(st.integers()), st.tuples(st.text())),
        min_size=1, max_size=12,
    ),
)  # fmt: skip
def test_any_column_is_read_or_refused_with_a_reason(values: list[object]) -> None:
    for source in (
        {"x": values, "label": ["a", "b"] * (len(values) // 2) + ["a"] * (len(values) % 2)},
        (values, values),
    ):
        try:
            data = read_data(source, cache=False)
            assert len(data) == len(values)
            data.check()
        except PellucidError:  # anything else is a bug
            pass


def test_a_run_reads_what_is_in_memory(tmp_path: Path) -> None:
    run = pellucid.train((PIXELS, Y), steps=4, save=False, network="mlp")
    expected = [one["label"] for one in run.predict(PIXELS)]
    for new in (torch.tensor(PIXELS), torch.tensor(PIXELS).permute(0, 3, 1, 2), [Image.fromarray(p) for p in PIXELS]):
        assert [one["label"] for one in run.predict(new)] == expected
    assert run.predict(Image.fromarray(PIXELS[0]))[0]["label"] == expected[0]
    assert run.evaluate((torch.tensor(PIXELS), torch.tensor(Y))).score.n == N
    assert run.evaluate(Photos()).score.n == N - 1
