"""A file that changes at the same size and time is seen; what merely comes to another place, or again, is the same."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import pellucid
from pellucid.cli import exit_code
from pellucid.data import read_new
from pellucid.dataset import read as read_data
from pellucid.errors import PellucidError

HEAD = "x,y,label\n"
ROWS = [f"{i % 7},{(i * 5) % 11},{'ab'[i % 2]}\n" for i in range(60)]
LONG_AGO = 10**18  # nanoseconds


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def table(which: int) -> bytes:
    """A table of always as many bytes."""
    return (HEAD + "".join(ROWS[:-1]) + f"{which},0,a\n").encode()


def bitmap(which: int) -> bytes:
    """A picture of always as many bytes."""
    out = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 40 + which, np.uint8)).save(out, "BMP")
    return out.getvalue()


def put(file: Path, content: bytes) -> None:
    """Write a file in place, which always gets the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, ns=(LONG_AGO, LONG_AGO))


def put_anew(file: Path, content: bytes) -> None:
    """The same by another file that takes its place, as most programs save."""
    put(file.with_name("draft"), content)
    file.with_name("draft").replace(file)


def as_table(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    put(place / "t.csv", table(which))
    return place / "t.csv"


def as_packed_table(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    put(place / "t.csv.gz", gzip.compress(table(which), 0, mtime=0))
    return place / "t.csv.gz"


def as_tables(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    put(place / "a.csv", table(0))
    put(place / "b.csv", table(which))
    return [place / "a.csv", place / "b.csv"]


def as_folder(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    for i in range(20):
        put(place / "photos" / "ab"[i % 2] / f"{i}.bmp", bitmap(which if i == 0 else i))
    return place / "photos"


def as_described_folder(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    as_folder(place, 0, put)
    rows = [f"{'ab'[i % 2]}/{i}.bmp,{which if i == 0 else i % 3}" for i in range(20)]
    put(place / "photos" / "metadata.csv", ("file_name,mark\n" + "\n".join(rows)).encode())
    return place / "photos"


def as_archive(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(20):
            info = zipfile.ZipInfo(f"{'ab'[i % 2]}/{i}.bmp")
            archive.writestr(info, bitmap(which if i == 0 else i))
    put(place / "photos.zip", out.getvalue())
    return place / "photos.zip"


def as_table_of_images(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    as_folder(place, which, put)
    rows = "".join(f"photos/{'ab'[i % 2]}/{i}.bmp,{'ab'[i % 2]}\n" for i in range(20))
    if not (place / "list.csv").exists():
        put(place / "list.csv", ("image,label\n" + rows).encode())
    return place / "list.csv"


def as_frame_of_images(place: Path, which: int, put: Callable[[Path, bytes], None]) -> Any:
    as_folder(place, which, put)
    names = [str(place / "photos" / "ab"[i % 2] / f"{i}.bmp") for i in range(20)]
    return pl.DataFrame({"image": names, "label": list("ab" * 10)})


SOURCES = [
    as_table, as_packed_table, as_tables, as_folder, as_described_folder, as_archive, as_table_of_images,
    as_frame_of_images,
]  # fmt: skip


@pytest.mark.parametrize("write", [put, put_anew])
@pytest.mark.parametrize("make", SOURCES)
def test_a_change_at_the_same_size_and_time_is_seen(make: Any, write: Any, tmp_path: Path) -> None:
    first = read_data(make(tmp_path, 1, write)).fingerprint()
    about = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()}
    other = read_data(make(tmp_path, 2, write)).fingerprint()
    assert other != first
    assert other == read_data(make(tmp_path, 2, write), cache=False).fingerprint()
    now = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file()}
    assert now == about, "the change could be told by size or time"
    assert read_data(make(tmp_path, 1, write)).fingerprint() == first


def test_images_that_a_table_names_may_come_change_and_go(tmp_path: Path) -> None:
    source = as_table_of_images(tmp_path, 1, put)
    shutil.move(tmp_path / "photos" / "b", tmp_path / "away")
    assert len(read_data(source).usable_rows()) == 10
    shutil.move(tmp_path / "away", tmp_path / "photos" / "b")
    assert len(read_data(source).usable_rows()) == 20
    for path in tmp_path.glob("photos/*/*"):
        Image.fromarray(np.zeros((16, 12, 3), np.uint8)).save(path)
    settings = read_data(source).fields["image"].settings
    assert (settings["height"], settings["width"]) == (16, 12)


def touch(file: Path) -> None:
    os.utime(file)


def change_its_rights(file: Path) -> None:
    file.chmod(0o600)


def link_it_hard(file: Path) -> None:
    os.link(file, file.with_name(f"other-{file.name}.bak"))


def copy_it_back(file: Path) -> None:
    shutil.copy2(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


def check_it_out_anew(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)


def move_it_behind_a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


NO_CHANGES = [touch, change_its_rights, link_it_hard, copy_it_back, check_it_out_anew, move_it_behind_a_link]


@pytest.mark.parametrize("happens", NO_CHANGES)
@pytest.mark.parametrize("make", [as_table, as_folder, as_table_of_images])
def test_data_are_the_same_whatever_happens_to_a_file_but_a_change(make: Any, happens: Any, tmp_path: Path) -> None:
    source = make(tmp_path, 1, put)
    before = read_data(source).fingerprint()
    happens(source if source.is_file() else source / "a" / "0.bmp")
    assert read_data(source).fingerprint() == before


def test_a_training_goes_on_whatever_happens_to_its_file_but_a_change(tmp_path: Path) -> None:
    source = as_table(tmp_path, 1, put)
    run = pellucid.train(source, steps=2, size=0, folds=0, reference=False, out=tmp_path / "runs", name="one")
    for happens in NO_CHANGES:
        happens(source)
    assert pellucid.resume(run.path, more="1steps").record["steps"] == 3
    assert pellucid.train(like=run.path, name="again").record["data"] == run.record["data"]
    shutil.move(tmp_path / "elsewhere", tmp_path / "moved.csv")
    assert pellucid.resume(run.path, more="1steps", data=tmp_path / "moved.csv").record["steps"] == 4


def test_resume_and_evaluate_see_a_change_at_the_same_size_and_time(tmp_path: Path, capsys: Any) -> None:
    source = as_table(tmp_path, 1, put)
    run = pellucid.train(source, steps=2, size=0, folds=0, reference=False, out=tmp_path / "runs", name="one")
    before = pellucid.load(run.path).evaluate(source)
    same, rows = len(source.read_bytes()), [line[:-2] + "ab"[line[-2] == "a"] + "\n" for line in ROWS]
    put(source, (HEAD + "".join(rows[:-1]) + "1,0,b\n").encode())
    assert len(source.read_bytes()) == same
    after = pellucid.load(run.path).evaluate(source)
    assert after.score.value == pytest.approx(1 - before.score.value)
    with pytest.raises(PellucidError) as error:
        pellucid.resume(run.path, more="1steps")
    assert str(error.value) == (
        f"{source}: the data has changed since this training began\n  restore it, or train again"
    )
    capsys.readouterr()
    assert exit_code(["resume", str(run.path), "--more", "1steps", "--quiet"], 0.0) == 1


def test_single_images_are_looked_at_again(tmp_path: Path) -> None:
    fields = list(read_data(as_folder(tmp_path, 1, put)).fitted().values())
    file, seen = tmp_path / "one.bmp", []
    for which in (1, 2):
        put(file, bitmap(which))
        seen.append(int(read_new(file, fields, need_target=False).stored_values("image").arrays["pixels"].max()))
    assert seen == [41, 42]


def test_named_files_are_not_looked_for_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second start no source is opened, also where a table names images."""
    source = as_table_of_images(tmp_path, 1, put)
    read_data(source).check()
    monkeypatch.setattr("pellucid.data.tables.readers.read_table", None)
    read_data(source).check()
