"""The cache finds values again, notices damage and survives company."""

import grp
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from trees import picture

import pellucid
from pellucid.data.cache import cache as caches
from pellucid.data.cache import cache_folder as cachefolder
from pellucid.data.cache.cache import Cache, MemoryCache, key_of, open_cache
from pellucid.errors import PellucidError

KEY = key_of("test", 1)
VALUES = np.arange(500_000, dtype=np.float32).reshape(-1, 5)


def build(into):
    mapped = into("mapped", VALUES.shape, np.float32)
    mapped[:] = VALUES
    return {"mapped": mapped, "small": np.array([3, 1], np.int64), "empty": into("empty", (0, 4), np.uint8)}, {"a": "ü"}


def never(into):
    raise AssertionError("built again")


@pytest.fixture
def place(tmp_path):
    Cache(tmp_path).get_or_build(KEY, build, print)
    return tmp_path / KEY[:2] / KEY


def test_found_again_without_building(place, tmp_path):
    notes = []
    found = Cache(tmp_path).get_or_build(KEY, never, notes.append)
    assert notes == []
    assert found.meta == {"a": "ü"}
    assert np.array_equal(found.arrays["mapped"], VALUES)
    assert isinstance(found.arrays["mapped"], np.memmap)
    assert not found.arrays["mapped"].flags.writeable
    assert found.arrays["empty"].shape == (0, 4)
    assert found.arrays["small"].tolist() == [3, 1]
    assert found.digest == caches.digest_arrays(found.arrays, found.meta)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert not list(tmp_path.glob("??/.*"))


def damage_shorter(place):
    (place / "mapped.npy").write_bytes((place / "mapped.npy").read_bytes()[:-100])


def damage_flipped(place):
    with (place / "mapped.npy").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\xff")


def damage_zeros(place):
    (place / "small.npy").write_bytes(bytes((place / "small.npy").stat().st_size))


def damage_gone(place):
    (place / "small.npy").unlink()


def damage_index(place):
    (place / "index.json").write_text('{"format": 1, "meta"')


def damage_shape(place):
    index = json.loads((place / "index.json").read_text())
    index["arrays"]["small"]["shape"] = [1]
    (place / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "damage", [damage_shorter, damage_flipped, damage_zeros, damage_gone, damage_index, damage_shape]
)
def test_damage_is_noticed_said_and_mended(damage, place, tmp_path):
    damage(place)
    notes = []
    found = Cache(tmp_path).get_or_build(KEY, build, notes.append)
    assert np.array_equal(found.arrays["mapped"], VALUES)
    assert len(notes) == 1
    assert notes[0].level == "warning"
    assert notes[0].text.endswith("its values are computed again")
    after = []
    Cache(tmp_path).get_or_build(KEY, never, after.append)
    assert after == []


def test_large_arrays_are_checked_by_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "FULLY_CHECKED_BYTES", 1000)
    Cache(tmp_path).get_or_build(KEY, build, print)
    Cache(tmp_path).get_or_build(KEY, never, print)
    file = tmp_path / KEY[:2] / KEY / "mapped.npy"
    file.write_bytes(file.read_bytes()[:-50] + bytes(50))
    notes = []
    Cache(tmp_path).get_or_build(KEY, build, notes.append)
    assert "has other content" in notes[0].text


def test_a_failed_build_leaves_nothing(tmp_path):
    def fails(into):
        into("x", (1000,), np.float64)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        Cache(tmp_path).get_or_build(KEY, fails, print)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_two_processes_that_write_the_same_entry(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; import test_cache as t\n"
        "for i in range(40):\n"
        "    e = t.Cache(Path(sys.argv[1])).get_or_build(t.key_of(i), t.build, print)\n"
        "    assert (e.arrays['mapped'] == t.VALUES).all()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), os.path.dirname(__file__)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [one.communicate(timeout=60)[0] for one in running] == ["", ""]
    assert [one.returncode for one in running] == [0, 0]
    assert len(list(tmp_path.glob("??/*/index.json"))) == 40
    assert not list(tmp_path.glob("??/.*"))


def test_a_cache_that_cannot_be_written_falls_back_to_memory(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caches, "_write_draft", full)
    notes = []
    found = Cache(tmp_path).get_or_build(KEY, build, notes.append)
    assert np.array_equal(found.arrays["mapped"], VALUES)
    assert notes[0].text == "the cache cannot be written (No space left on device); values stay in memory"


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "here"))
    assert str(open_cache(None, print)) == str(tmp_path / "here")
    assert stat.S_IMODE((tmp_path / "here").stat().st_mode) == 0o700
    monkeypatch.delenv("PELLUCID_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(open_cache(None, print)) == str(tmp_path / ".cache" / "pellucid")
    assert type(open_cache(False, print)) is MemoryCache
    (tmp_path / "file").touch()
    notes = []
    assert type(open_cache(tmp_path / "file" / "in", notes.append)) is MemoryCache
    assert notes[0].text.startswith("no cache can be kept")


DRAFT = f".{KEY[:16]}-4711-0123abcd"
PIECES = "4711-0123456789ab"
LONG_AGO = (1, 1)


def make_old(*paths):
    for path in paths:
        os.utime(path, LONG_AGO, follow_symlinks=False)


@pytest.mark.parametrize("draft", [DRAFT, DRAFT + "-old"])
def test_abandoned_drafts_are_swept(draft, tmp_path):
    open_cache(tmp_path, print)
    left = tmp_path / KEY[:2] / draft
    left.mkdir(parents=True)
    (left / "mapped.npy").write_bytes(b"half")
    open_cache(tmp_path, print)
    assert left.exists()
    make_old(left)
    open_cache(tmp_path, print)
    assert not left.exists()


def test_abandoned_pieces_of_large_tables_are_swept(tmp_path):
    open_cache(tmp_path, print)
    left = tmp_path / "spool" / PIECES
    left.mkdir(parents=True)
    (left / "1.arrow").write_bytes(b"half")
    yesterday = time.time() - 2 * 24 * 3600
    os.utime(left, (yesterday, yesterday))
    open_cache(tmp_path, print)
    assert left.exists()
    make_old(left)
    open_cache(tmp_path, print)
    assert not left.exists()


def folder_of_projects(place):
    (place / "ml" / ".git").mkdir(parents=True)
    (place / "ml" / ".git" / "HEAD").write_text("ref: refs/heads/main")
    make_old(place / "ml" / ".git")


def folder_of_git_objects(place):
    (place / "ab" / ("c" * 38)).mkdir(parents=True)
    (place / "ab" / ".hidden").mkdir()
    (place / "spool" / "mail").mkdir(parents=True)
    make_old(place / "ab" / ".hidden", place / "spool" / "mail")


def folder_with_names_of_our_form(place):
    (place / KEY[:2] / DRAFT).mkdir(parents=True)
    (place / KEY[:2] / DRAFT / "x.npy").write_text("mine")
    (place / "spool" / PIECES).mkdir(parents=True)
    (place / "notes.txt").write_text("mine")
    make_old(place / KEY[:2] / DRAFT, place / "spool" / PIECES)


def folder_with_an_empty_one(place):
    (place / "ab").mkdir()


def folder_marked_by_another(place):
    (place / "CACHEDIR.TAG").write_bytes(cachefolder.SIGNATURE + b"\n# This file was made by cargo.\n")
    (place / KEY[:2] / DRAFT).mkdir(parents=True)
    make_old(place / KEY[:2] / DRAFT)


def folder_marked_by_a_link(place):
    tag = place.parent / "tag"
    tag.write_bytes(cachefolder.SIGNATURE + b"\n" + cachefolder.OWNER_LINE + b"\n")
    (place / "CACHEDIR.TAG").symlink_to(tag)
    (place / KEY[:2] / DRAFT).mkdir(parents=True)
    make_old(place / KEY[:2] / DRAFT)


def folder_of_nothing_but_a_draft(place):
    (place / KEY[:2] / DRAFT).mkdir(parents=True)
    (place / "spool").mkdir()
    make_old(place / KEY[:2] / DRAFT)


FOREIGN = [
    folder_of_projects, folder_of_nothing_but_a_draft, folder_of_git_objects, folder_with_names_of_our_form,
    folder_with_an_empty_one, folder_marked_by_another, folder_marked_by_a_link,
]  # fmt: skip


@pytest.mark.parametrize("fill", FOREIGN)
def test_a_folder_that_holds_other_things_is_left_as_it_is(fill, tmp_path):
    place = tmp_path / "h"
    place.mkdir()
    fill(place)
    before, notes = picture(place), []
    cache = open_cache(place, notes.append)
    cache.get_or_build(KEY, build, notes.append)
    assert str(cache) == str(place / "pellucid-cache")
    assert str(open_cache(place, notes.append)) == str(place / "pellucid-cache")
    assert str(open_cache(cache.folder, notes.append)) == str(cache.folder)
    assert notes == []
    assert picture(place, ours=lambda path: path.name == "pellucid-cache") == before
    assert cachefolder.is_marked(place / "pellucid-cache")


def test_names_of_our_form_that_are_not_ours_stay(tmp_path):
    """In a marked cache, too: links, files, and folders that hold anything else."""
    cache, outside = tmp_path / "h", tmp_path / "outside"
    open_cache(cache, print)
    (outside / DRAFT).mkdir(parents=True)
    (outside / DRAFT / "x.npy").write_text("mine")
    (outside / PIECES).mkdir()
    (outside / PIECES / "1.csv").write_text("mine")
    shelf = cache / "ab"
    shelf.mkdir()
    (shelf / DRAFT).symlink_to(outside / DRAFT)
    (shelf / (DRAFT[:-1] + "e")).write_text("a file")
    inner = shelf / (DRAFT[:-1] + "f")
    (inner / "folder").mkdir(parents=True)
    linked = shelf / (DRAFT[:-1] + "0")
    linked.mkdir()
    (linked / "x.npy").symlink_to(outside / DRAFT / "x.npy")
    text = shelf / (DRAFT[:-1] + "1")
    text.mkdir()
    (text / "notes.txt").write_text("mine")
    others = [shelf / name for name in (".git", ".abcd-1-2", DRAFT.upper(), DRAFT + "-older")]
    for path in others:
        path.mkdir()
    (cache / "cd").symlink_to(outside)
    (cache / "spool").symlink_to(outside)
    make_old(outside / DRAFT, outside / PIECES, inner, linked, text, *others)
    make_old(shelf / DRAFT, shelf / (DRAFT[:-1] + "e"), cache / "cd", cache / "spool")
    before = picture(tmp_path)
    open_cache(cache, print)
    assert picture(tmp_path) == before


def test_a_folder_without_our_marker_is_not_swept(tmp_path):
    (tmp_path / "ab" / DRAFT).mkdir(parents=True)
    (tmp_path / "spool" / PIECES).mkdir(parents=True)
    make_old(tmp_path / "ab" / DRAFT, tmp_path / "spool" / PIECES)
    before = picture(tmp_path)
    cachefolder.sweep_cache(tmp_path)
    assert picture(tmp_path) == before
    cachefolder._put_marker(tmp_path)
    cachefolder.sweep_cache(tmp_path)
    assert list(tmp_path.glob("*/*")) == []


def test_entries_of_a_version_without_marker_are_found(place, tmp_path):
    (tmp_path / "spool").mkdir()
    (tmp_path / "ab" / DRAFT).mkdir(parents=True)
    make_old(tmp_path / "ab" / DRAFT)
    assert not cachefolder.is_marked(tmp_path)
    assert str(open_cache(tmp_path, print)) == str(tmp_path)
    open_cache(tmp_path, print).get_or_build(KEY, never, print)
    lines = (tmp_path / "CACHEDIR.TAG").read_text().splitlines()
    assert lines[0] == "Signature: 8a477f597d28d172789f06886806bc55"
    assert "Pellucid" in lines[1]
    assert not (tmp_path / "ab" / DRAFT).exists()


@pytest.mark.parametrize(
    ("where", "why"), [("shelf", f"'{KEY[:2]}' is a link"), ("entry", "Not a directory")], ids=["shelf", "entry"]
)
def test_nothing_is_written_or_read_through_a_link(where, why, tmp_path):
    cache, outside = tmp_path / "h", tmp_path / "outside"
    open_cache(cache, print)
    Cache(outside).get_or_build(KEY, lambda into: ({"small": np.zeros(3)}, {"whose": "theirs"}), print)
    link = cache / KEY[:2] if where == "shelf" else cache / KEY[:2] / KEY
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside / link.relative_to(cache))
    before, notes = picture(tmp_path), []
    assert open_cache(cache, print).get_or_build(KEY, build, notes.append).meta == {"a": "ü"}
    assert [note.text for note in notes] == [f"the cache cannot be written ({why}); values stay in memory"]
    assert picture(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_another_user_is_no_cache(tmp_path):
    (tmp_path / "h").mkdir()
    os.chown(tmp_path / "h", 12345, -1)
    notes = []
    assert type(open_cache(tmp_path / "h", notes.append)) is MemoryCache
    assert [str(note) for note in notes] == [
        f"{tmp_path / 'h'}: this folder belongs to another user, so no cache is kept and values stay in memory "
        "(set PELLUCID_CACHE to a folder of your own)"
    ]


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
@pytest.mark.parametrize("full", [False, True])
def test_a_folder_that_others_can_write_to_is_no_cache(mode, full, tmp_path):
    place = tmp_path / "my h"
    place.mkdir()
    if full:
        folder_of_projects(place)
    place.chmod(mode)
    before, notes = picture(tmp_path), []
    cache = open_cache(place, notes.append)
    if full and mode == 0o1777:  # where nobody can rename what is ours
        assert str(cache) == str(place / "pellucid-cache")
        return
    assert type(cache) is MemoryCache
    assert [str(note) for note in notes] == [
        f"{place}: other users can write to this folder, so no cache is kept and values stay in memory "
        f"(chmod go-w '{place}', or set PELLUCID_CACHE to a folder of your own)"
    ]
    assert picture(tmp_path) == before


def test_a_group_that_only_the_user_is_in_are_no_others(tmp_path, monkeypatch):
    place = tmp_path / "h"
    place.mkdir(0o775)
    place.chmod(0o775)
    user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(place.stat().st_gid)
    for name, members, kept in [
        (user.pw_name, [], True),
        (user.pw_name, [user.pw_name], True),
        (user.pw_name, [user.pw_name, "eve"], False),
        ("staff", [], False),
    ]:
        one = grp.struct_group((name, "x", group.gr_gid, members))
        monkeypatch.setattr(grp, "getgrgid", lambda gid, one=one: one)
        assert isinstance(open_cache(place, [].append), Cache) is kept


def test_a_subfolder_that_is_not_ours_is_no_cache(tmp_path):
    (tmp_path / "pellucid-cache").mkdir()
    (tmp_path / "pellucid-cache" / "thesis.tex").write_text("mine")
    before, notes = picture(tmp_path), []
    assert type(open_cache(tmp_path, notes.append)) is MemoryCache
    assert [str(note) for note in notes] == [
        f"{tmp_path / 'pellucid-cache'}: this folder holds files that are not Pellucid's, so no cache is kept and "
        "values stay in memory (set PELLUCID_CACHE to another folder)"
    ]
    assert picture(tmp_path) == before


def test_a_link_as_subfolder_is_no_cache(tmp_path):
    (tmp_path / "h").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "h" / "pellucid-cache").symlink_to(tmp_path / "elsewhere")
    before, notes = picture(tmp_path), []
    assert type(open_cache(tmp_path / "h", notes.append)) is MemoryCache
    link = tmp_path / "h" / "pellucid-cache"
    assert [note.text for note in notes] == [
        f"no cache can be kept ([Errno 20] 'pellucid-cache' is a link: '{link}'); values stay in memory"
    ]
    assert picture(tmp_path) == before


def test_the_folder_itself_may_be_named_by_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "h").symlink_to(tmp_path / "disk")
    assert str(open_cache(tmp_path / "h", print)) == str(tmp_path / "disk")
    assert cachefolder.is_marked(tmp_path / "disk")


def test_processes_that_begin_a_cache_together_agree_where_it_is(tmp_path):
    code = (
        "import sys, time; from pellucid.data.cache.cache import open_cache\n"
        "from pathlib import Path\n"
        "for i in range(60):\n"
        "    while time.time() < float(sys.argv[2]) + i / 50: pass\n"
        "    assert str(open_cache(Path(sys.argv[1]) / str(i), print)) == str(Path(sys.argv[1]) / str(i))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(time.time() + 2)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [one.communicate(timeout=60)[0] for one in running] == ["", ""]
    assert [one.returncode for one in running] == [0, 0]
    assert [sorted(os.listdir(tmp_path / str(i))) for i in range(60)] == [["CACHEDIR.TAG"]] * 60


def test_a_disk_without_room_is_said_before_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    made = open_cache(tmp_path, print)
    with pytest.raises(PellucidError, match=r"the values take 3.0 GB in the cache, and 0.0 GB are free"):
        made.get_or_build(
            "ab" * 32, lambda into: ({"pixels": into("pixels", (1000, 1000, 1000, 3), np.uint8)}, {}), print
        )
    assert not list(tmp_path.glob("??/*"))


def test_the_code_of_a_kind_is_also_that_of_the_files_it_stands_on(tmp_path: Path) -> None:
    """What a change of ``mel.py`` or ``pixels.py`` makes otherwise is decoded and fitted anew."""
    shutil.copytree(Path(pellucid.__file__).parent, tmp_path / "pellucid")
    code = "from pellucid.data.cache.cache import code_of; print(*map(code_of, ('sound', 'image', 'number')))"

    def codes() -> list[str]:
        own = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=own
        ).stdout.split()

    before = codes()
    changed = []
    for file in ("mel.py", "pixels.py", "resampling.py", "number.py"):
        with (tmp_path / "pellucid" / "fields" / file).open("a") as out:
            out.write("# changed\n")
        after = codes()
        changed.append([one != other for one, other in zip(before, after, strict=True)])
        before = after
    assert changed == [[True, False, False], [True, True, False], [True, False, False], [False, False, True]]
