"""The cache finds values again, notices damage and survives company."""

import json
import os
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest

from pellucid.data import cache as caches
from pellucid.data.cache import Cache, Memory, key_of, opened
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
    Cache(tmp_path).made(KEY, build, print)
    return tmp_path / KEY[:2] / KEY


def test_found_again_without_building(place, tmp_path):
    notes = []
    found = Cache(tmp_path).made(KEY, never, notes.append)
    assert notes == []
    assert found.meta == {"a": "ü"}
    assert np.array_equal(found.arrays["mapped"], VALUES)
    assert isinstance(found.arrays["mapped"], np.memmap)
    assert not found.arrays["mapped"].flags.writeable
    assert found.arrays["empty"].shape == (0, 4)
    assert found.arrays["small"].tolist() == [3, 1]
    assert found.digest == caches.digest_of(found.arrays, found.meta)
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
    found = Cache(tmp_path).made(KEY, build, notes.append)
    assert np.array_equal(found.arrays["mapped"], VALUES)
    assert len(notes) == 1
    assert notes[0].level == "warning"
    assert notes[0].text.endswith("its values are worked out again")
    after = []
    Cache(tmp_path).made(KEY, never, after.append)
    assert after == []


def test_large_arrays_are_checked_by_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "CHECKED", 1000)
    Cache(tmp_path).made(KEY, build, print)
    Cache(tmp_path).made(KEY, never, print)
    file = tmp_path / KEY[:2] / KEY / "mapped.npy"
    file.write_bytes(file.read_bytes()[:-50] + bytes(50))
    notes = []
    Cache(tmp_path).made(KEY, build, notes.append)
    assert "has other content" in notes[0].text


def test_a_failed_build_leaves_nothing(tmp_path):
    def fails(into):
        into("x", (1000,), np.float64)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        Cache(tmp_path).made(KEY, fails, print)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_two_processes_that_write_the_same_entry(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path; import test_cache as t\n"
        "for i in range(40):\n"
        "    e = t.Cache(Path(sys.argv[1])).made(t.key_of(i), t.build, print)\n"
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

    monkeypatch.setattr(caches, "_write", full)
    notes = []
    found = Cache(tmp_path).made(KEY, build, notes.append)
    assert np.array_equal(found.arrays["mapped"], VALUES)
    assert notes[0].text == "the cache cannot be written (No space left on device); values stay in memory"


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "here"))
    assert str(opened(None, print)) == str(tmp_path / "here")
    assert stat.S_IMODE((tmp_path / "here").stat().st_mode) == 0o700
    monkeypatch.delenv("PELLUCID_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(opened(None, print)) == str(tmp_path / ".cache" / "pellucid")
    assert type(opened(False, print)) is Memory
    (tmp_path / "file").touch()
    notes = []
    assert type(opened(tmp_path / "file" / "in", notes.append)) is Memory
    assert notes[0].text.startswith("no cache can be kept")


def test_abandoned_drafts_are_swept(tmp_path):
    draft = tmp_path / "ab" / ".abcd-1-2"
    draft.mkdir(parents=True)
    opened(tmp_path, print)
    assert draft.exists()
    os.utime(draft, (1, 1))
    opened(tmp_path, print)
    assert not draft.exists()


def test_a_disk_without_room_is_said_before_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    made = opened(tmp_path, print)
    with pytest.raises(PellucidError, match=r"the values take 3.0 GB in the cache, and 0.0 GB are free"):
        made.made("ab" * 32, lambda into: ({"pixels": into("pixels", (1000, 1000, 1000, 3), np.uint8)}, {}), print)
    assert not list(tmp_path.glob("??/*"))
