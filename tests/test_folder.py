"""The run folder under faults: crashes at every system call, flipped bits, cuts, hostile names and files."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from trees import picture

from pellucid.errors import PellucidError
from pellucid.storage import Folder, pack_tensors, unpack_tensors
from pellucid.storage import atomic as disk
from pellucid.storage.atomic import Disk
from pellucid.storage.manifest import version_of


class Crash(BaseException):
    """The process dies: no ``except Exception`` gets to clean up."""


class Faulty(Disk):
    """A disk whose k-th changing call fails with ``error``; a crash loses what was not yet synced, as power loss does.

    Lost: half of every file written but not synced, and renames whose folder was not synced (``undo``).
    """

    def __init__(self, k: int | None, error: BaseException, undo: bool = False):
        self.k, self.error, self.undo = k, error, undo
        self.calls = 0
        self.unsynced: dict[int, Path] = {}
        self.renames: list[tuple[Path, bytes | None]] = []

    def _count(self) -> None:
        self.calls += 1
        if self.calls - 1 == self.k:
            if isinstance(self.error, Crash):
                self._lose()
            raise self.error

    def _lose(self) -> None:
        for path in self.unsynced.values():
            if path.exists():
                os.truncate(path, path.stat().st_size // 2)
        for path, before in reversed(self.renames if self.undo else []):
            path.unlink() if before is None else path.write_bytes(before)

    def create(self, path):
        self._count()
        file = super().create(path)
        self.unsynced[file] = path
        return file

    def extend(self, path):
        self._count()
        return super().extend(path)

    def write(self, file, data):
        if self.calls == self.k:
            super().write(file, data[: len(data) // 2])  # torn
        self._count()
        super().write(file, data)

    def sync(self, file):
        self._count()
        super().sync(file)
        self.unsynced.pop(file, None)

    def rename(self, old, new):
        self._count()
        self.renames.append((new, new.read_bytes() if new.exists() else None))
        super().rename(old, new)

    def unlink(self, path):
        self._count()
        super().unlink(path)

    def mkdir(self, path):
        self._count()
        super().mkdir(path)

    def sync_folder(self, path):
        self._count()
        super().sync_folder(path)
        self.renames = [(new, before) for new, before in self.renames if new.parent != path]


def faults(monkeypatch, make, act, check, error: BaseException, undo: bool = False) -> int:
    """Fail ``act`` at its first call, at its second, ... until it gets through; ``check`` what is left each time."""
    for k in range(200):
        folder = make(k)
        faulty = Faulty(k, error, undo)
        monkeypatch.setattr(disk, "system", faulty)
        try:
            act(folder)
            done = True
        except (Crash, PellucidError):
            done = False
        monkeypatch.setattr(disk, "system", Disk())
        check(Folder.open(folder.path), done)
        if faulty.calls <= k:
            assert done
            return k
    raise AssertionError("never got through")


def tensors(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "weight": rng.normal(size=(5, 7)).astype(np.float32),
        "turned": rng.normal(size=(3, 4)).T,
        "step": np.array(seed, np.int64),
        "pixels": rng.integers(0, 255, (2, 3, 3)).astype(np.uint8),
        "mask": np.array([True, False]),
        "empty": np.zeros((0, 4), np.float32),
        "scalar": np.float32(1.5) * np.ones((), np.float32),
    }


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and np.array_equal(a[k], b[k]) for k in a
    )


KINDS_OF_FAULT = [
    pytest.param(Crash(), False, id="killed"),
    pytest.param(Crash(), True, id="power lost"),
    pytest.param(OSError(errno.ENOSPC, "No space left on device"), False, id="disk full"),
]


# -- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "undo"), KINDS_OF_FAULT)
def test_write_leaves_old_or_new_at_every_call(tmp_path, monkeypatch, error, undo):
    def make(k):
        folder = Folder.create(tmp_path / str(k))
        folder.write("a.txt", b"old")
        folder.write("sub/b.txt", b"beside")
        return folder

    def check(folder, done):
        assert folder.verify() == []
        assert folder.read("a.txt") in ([b"new and longer"] if done else [b"old", b"new and longer"])
        assert folder.read("sub/b.txt") == b"beside"
        folder.write("a.txt", b"after")  # and it goes on working
        assert folder.read("a.txt") == b"after"
        assert folder.verify() == []

    assert faults(monkeypatch, make, lambda f: f.write("a.txt", b"new and longer"), check, error, undo) > 10


@pytest.mark.parametrize(("error", "undo"), KINDS_OF_FAULT)
def test_first_write_and_remove_at_every_call(tmp_path, monkeypatch, error, undo):
    def check_absent_or(content, done_content):
        def check(folder, done):
            assert folder.verify() == []
            try:
                found = folder.read("a.txt")
            except PellucidError:
                found = None
            assert found in ([done_content] if done else [None, content])

        return check

    def filled(k):
        folder = Folder.create(tmp_path / f"r{k}")
        folder.write("a.txt", b"here")
        return folder

    def empty(k):
        return Folder.create(tmp_path / f"w{k}")

    faults(monkeypatch, empty, lambda f: f.write("a.txt", b"here"), check_absent_or(b"here", b"here"), error, undo)
    faults(monkeypatch, filled, lambda f: f.remove("a.txt"), check_absent_or(b"here", None), error, undo)


@pytest.mark.parametrize(("error", "undo"), KINDS_OF_FAULT)
def test_checkpoint_survives_at_every_call(tmp_path, monkeypatch, error, undo):
    def make(k):
        folder = Folder.create(tmp_path / str(k))
        for step in (100, 200):
            folder.save_checkpoint(step, tensors(step), {"epoch": step / 100})
        return folder

    def check(folder, done):
        step, found, meta, note = folder.load_checkpoint()
        assert step in ([300] if done else [200, 300])
        assert note is None
        assert same(found, tensors(step))
        assert meta == {"epoch": step / 100}
        assert folder.verify() == []

    act = lambda f: f.save_checkpoint(300, tensors(300), {"epoch": 3.0})  # noqa: E731
    assert faults(monkeypatch, make, act, check, error, undo) == 6


@pytest.mark.parametrize("error", [Crash(), OSError(errno.ENOSPC, "full")])
def test_append_at_every_call(tmp_path, monkeypatch, error):
    def make(k):
        folder = Folder.create(tmp_path / str(k))
        folder.append("history.jsonl", [{"step": 1}, {"step": 2}])
        return folder

    def check(folder, done):
        assert [r["step"] for r in folder.lines("history.jsonl")] in ([[1, 2, 3]] if done else [[1, 2], [1, 2, 3]])
        folder.append("history.jsonl", [{"step": 4}])
        assert folder.lines("history.jsonl")[-1] == {"step": 4}

    faults(monkeypatch, make, lambda f: f.append("history.jsonl", [{"step": 3}], sync=True), check, error)


def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path, monkeypatch):
    folder = Folder.create(tmp_path / "run")
    folder.save_checkpoint(1, tensors(1), {})
    monkeypatch.setattr(disk, "system", Faulty(2, OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(PellucidError, match="can't write: the disk is full\n  free some space"):
        folder.save_checkpoint(2, tensors(2), {})
    assert sorted(os.listdir(tmp_path / "run/checkpoints")) == ["00000001.safetensors"]


# -- damage ----------------------------------------------------------------------------------------------------------


def test_200_flips_and_cuts_are_all_found(tmp_path):
    folder = Folder.create(tmp_path / "run")
    folder.write_json("run.json", {"plan": {"lr": 0.1, "name": "été"}, "list": [1, 2, 3]})
    folder.save_tensors("weights.safetensors", tensors(0), {"format": 1})
    folder.append("history.jsonl", [{"step": i, "loss": 1 / (i + 1)} for i in range(5)])
    folder.save_checkpoint(7, tensors(7), {"best": 0.5})
    assert folder.verify() == []
    names = ["manifest.json", "run.json", "weights.safetensors", "history.jsonl", "checkpoints/00000007.safetensors"]
    rng = random.Random(0)
    for i in range(200):
        path = folder.path / names[i % len(names)]
        good = path.read_bytes()
        spared = 1 if path.name == "history.jsonl" else 0  # without its last line end, a line counts as torn
        cut = i % 4 == 0 and not spared
        bad = good[: rng.randrange(len(good))] if cut else flipped(good, rng.randrange(8 * (len(good) - spared)))
        path.write_bytes(bad)
        problems = folder.verify()
        assert any(str(path) in p for p in problems), (path.name, i)
        path.write_bytes(good)
    assert folder.verify() == []


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << (bit % 8)
    return bytes(out)


def test_reading_a_damaged_file_says_which_and_what_to_do(tmp_path):
    folder = Folder.create(tmp_path / "run")
    folder.write("a.bin", b"12345678")
    (folder.path / "a.bin").write_bytes(b"12345679")
    with pytest.raises(PellucidError, match=r"a\.bin: it is damaged \(its checksum is wrong\)\n  copy it"):
        folder.read("a.bin")
    (folder.path / "a.bin").unlink()
    with pytest.raises(PellucidError, match=r"a\.bin: it is missing"):
        folder.read("a.bin")
    assert len(folder.verify()) == 1
    with pytest.raises(PellucidError, match=r"'b\.bin' is missing"):
        folder.read("b.bin")


def test_a_newer_format_is_not_called_damage(tmp_path):
    folder = Folder.create(tmp_path / "run")
    (folder.path / "manifest.json").write_text('{"format": 9, "files": {}}')
    with pytest.raises(PellucidError, match="format 9; this Pellucid reads up to 1\n  update Pellucid"):
        folder.names()


def test_checkpoints_keep_two_generations_and_fall_back_aloud(tmp_path):
    folder = Folder.create(tmp_path / "run")
    for step in (1, 2, 3):
        folder.save_checkpoint(step, tensors(step), {"n": step})
    kept = sorted((folder.path / "checkpoints").iterdir())
    assert [p.name for p in kept] == ["00000002.safetensors", "00000003.safetensors"]
    kept[1].write_bytes(flipped(kept[1].read_bytes(), 5000))
    step, found, meta, note = folder.load_checkpoint()
    assert (step, meta) == (2, {"n": 2})
    assert same(found, tensors(2))
    assert "00000003.safetensors: it is damaged" in note
    assert "Going on from the checkpoint of step 2" in note
    folder.save_checkpoint(2, tensors(22), {"n": 22})  # the damaged future is given up
    assert folder.load_checkpoint()[0::3] == (2, None)
    kept[0].write_bytes(b"")
    with pytest.raises(PellucidError, match="no good checkpoint"):
        folder.load_checkpoint()


def test_a_checkpoint_under_another_step_is_refused(tmp_path):
    folder = Folder.create(tmp_path / "run")
    folder.save_checkpoint(5, tensors(5), {})
    os.rename(folder.path / "checkpoints/00000005.safetensors", folder.path / "checkpoints/00000006.safetensors")
    with pytest.raises(PellucidError, match="it holds step 5, not 6"):
        folder.load_checkpoint()


def test_no_checkpoint(tmp_path):
    with pytest.raises(PellucidError, match="there is no checkpoint"):
        Folder.create(tmp_path / "run").load_checkpoint()


# -- lines -----------------------------------------------------------------------------------------------------------


def test_lines_torn_damaged_and_truncated(tmp_path):
    folder = Folder.create(tmp_path / "run")
    assert folder.lines("history.jsonl") == []
    folder.append("history.jsonl", [{"step": i, "loss": i / 3} for i in range(4)])
    path = folder.path / "history.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    again = Folder.open(folder.path)
    assert [r["step"] for r in again.lines("history.jsonl")] == [0, 1, 2]
    again.append("history.jsonl", [{"step": 3, "loss": float("nan")}])
    assert again.lines("history.jsonl")[2:] == [{"step": 2, "loss": 2 / 3}, {"step": 3, "loss": None}]
    again.truncate_lines("history.jsonl", lambda row: row["step"] < 2)
    again.append("history.jsonl", [{"step": 9}])
    assert [r["step"] for r in Folder.open(folder.path).lines("history.jsonl")] == [0, 1, 9]

    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])  # a line is gone from the middle
    with pytest.raises(PellucidError, match="line 2 is damaged or one before it is gone"):
        folder.lines("history.jsonl")


def test_lines_are_plain_json_for_others(tmp_path):
    folder = Folder.create(tmp_path / "run")
    folder.append("h.jsonl", [{"step": np.int64(3), "loss": np.float32(0.5), "lr": float("inf")}])
    row = json.loads((folder.path / "h.jsonl").read_text())
    assert row.pop("crc32")
    assert row == {"step": 3, "loss": 0.5, "lr": None}


# -- names, links, locks ---------------------------------------------------------------------------------------------

HOSTILE = ["", ".", "..", "../x", "/etc/passwd", "a/../../x", "a//b", "a/", "./a", "a\\b", "c:x", "a\0b", "a\nb"]


@pytest.mark.parametrize("name", [*HOSTILE, "manifest.json", ".lock", ".new-1-a"])
def test_names_never_leave_the_folder(tmp_path, name):
    folder = Folder.create(tmp_path / "run")
    for act in (lambda: folder.write(name, b"x"), lambda: folder.append(name, [{"a": 1}]), lambda: folder.exists(name)):
        with pytest.raises(PellucidError):
            act()
    with pytest.raises(PellucidError):
        folder.read(name)
    assert os.listdir(tmp_path) == ["run"]


def test_hostile_manifest_does_not_lead_out(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    folder = Folder.create(tmp_path / "run")
    folder._list_files({"../secret": version_of(b"secret")})
    with pytest.raises(PellucidError, match="can't be the name"):
        folder.read("../secret")
    assert len(folder.verify()) == 1


def test_links_and_pipes_are_refused(tmp_path):
    folder = Folder.create(tmp_path / "run")
    (tmp_path / "out").mkdir()
    os.symlink(tmp_path / "out", folder.path / "sub")
    os.symlink(tmp_path / "out/x", folder.path / "x")
    for name in ("sub/a", "x"):
        with pytest.raises(PellucidError, match="links are not followed"):
            folder.write(name, b"x")
    assert os.listdir(tmp_path / "out") == []
    folder.write("pipe", b"1")
    (folder.path / "pipe").unlink()
    os.mkfifo(folder.path / "pipe")
    with pytest.raises(PellucidError, match="it is not a file"):
        folder.read("pipe")


HOLD = """
import sys, time
from pellucid.storage import Folder
with Folder.open(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_trainings_are_refused_and_death_lets_go(tmp_path):
    folder = Folder.create(tmp_path / "run")
    (folder.path / ".new-99-run.json").write_bytes(b"half")
    command = [sys.executable, "-c", HOLD, str(folder.path)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(PellucidError, match=rf"another training is writing into this run \(process {other.pid}\)"):
        folder.lock().__enter__()
    other.kill()
    other.wait()
    with folder.lock():
        assert not (folder.path / ".new-99-run.json").exists()
    with folder.lock():  # and once more, in the same process
        pass


NOT_OURS = [
    ".new-idea.txt",
    ".new-2024-plan.txt",
    ".new-1-run.json.bak",
    ".new-x-run.json",
    "notes/.new-1-run.json",
    "checkpoints/.new-1-left",
]


def test_half_written_files_are_known_by_their_whole_names(tmp_path):
    folder = Folder.create(tmp_path / "run")
    (folder.path / "notes").mkdir()
    folder.save_checkpoint(3, {}, {})
    for name in NOT_OURS:
        (folder.path / name).write_text("mine")
    (folder.path / ".new-1-run.json").mkdir()
    (folder.path / ".new-2-run.json").symlink_to(tmp_path / "outside")
    before = picture(folder.path, ours=lambda path: path.name == ".lock")
    ours = [".new-1-run.jsonl", ".new-12345-weights.safetensors", "checkpoints/.new-1-00000004.safetensors"]
    for name in ours:
        (folder.path / name).write_text("half")
    (tmp_path / "link").symlink_to(folder.path)
    with Folder.open(tmp_path / "link").lock():
        assert picture(folder.path, ours=lambda path: path.name == ".lock") == before


@pytest.mark.parametrize("name", [*NOT_OURS[:4], ".lock", ".new-1-run.json", "manifest.json"])
def test_a_folder_of_somebody_else_is_no_place_for_a_run(name, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / name).write_text('{"manifest_version": 3}')
    before = picture(tmp_path)
    with pytest.raises(PellucidError) as error:
        Folder.create(tmp_path / "full")
    assert str(error.value) == (
        f"{tmp_path / 'full'}: the folder is not empty and not a run (it holds '{name}')\n"
        "  choose another folder, or empty this one"
    )
    assert picture(tmp_path) == before


@pytest.mark.parametrize("left", [{".lock": "4711\n"}, {".lock": ""}, {".new-4711-manifest.json": '{"for'}])
def test_what_is_left_of_a_run_without_files_is_no_hindrance(left, tmp_path):
    (tmp_path / "run").mkdir()
    for name, text in left.items():
        (tmp_path / "run" / name).write_text(text)
    folder = Folder.create(tmp_path / "run")
    with folder.lock():
        folder.write_json("run.json", {})
    assert sorted(os.listdir(folder.path)) == [".lock", "manifest.json", "run.json"]


def test_a_copy_of_hard_links_stays_as_it_was(tmp_path):
    """As `cp -al` and backups make them: lines are added to a file of the run's own."""
    folder = Folder.create(tmp_path / "run")
    folder.write("run.json", b"1")
    folder.append("history.jsonl", [{"step": 1}])
    shutil.copytree(folder.path, tmp_path / "copy", copy_function=os.link)
    before = picture(tmp_path / "copy")
    again = Folder.open(folder.path)
    again.append("history.jsonl", [{"step": 2}])
    again.write("run.json", b"2")
    again.truncate_lines("history.jsonl", lambda row: row["step"] == 2)
    again.append("history.jsonl", [{"step": 3}])
    assert again.lines("history.jsonl") == [{"step": 2}, {"step": 3}]
    assert again.verify() == []
    assert picture(tmp_path / "copy") == before
    assert Folder.open(tmp_path / "copy").lines("history.jsonl") == [{"step": 1}]


# -- opening ---------------------------------------------------------------------------------------------------------


def test_create_and_open(tmp_path):
    folder = Folder.create(tmp_path / "deep/er/run")
    folder.write_json("run.json", {"a": (1, 2), "p": Path("x"), "name": "\udcff é"})
    assert Folder.create(folder.path).read_json("run.json") == {"a": [1, 2], "p": "x", "name": "\udcff é"}
    assert folder.names() == ["run.json"]
    assert folder.exists("run.json")
    assert not folder.exists("other.json")
    folder.remove("run.json")
    folder.remove("run.json")
    assert folder.names() == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.doc").write_text("mine")
    with pytest.raises(PellucidError, match=r"not empty and not a run \(it holds 'thesis\.doc'\)"):
        Folder.create(tmp_path / "full")
    with pytest.raises(PellucidError, match=r"not a run: it has no manifest\.json"):
        Folder.open(tmp_path / "full")
    with pytest.raises(PellucidError, match="no such run folder"):
        Folder.open(tmp_path / "nowhere")
    with pytest.raises(PellucidError, match="not a folder"):
        Folder.open(tmp_path / "full/thesis.doc")


def test_barred_folders_are_said(tmp_path, monkeypatch):
    folder = Folder.create(tmp_path / "run")
    for code in (errno.EACCES, errno.EROFS):
        monkeypatch.setattr(disk, "system", Faulty(1, OSError(code, os.strerror(code))))
        with pytest.raises(PellucidError, match="check who may write there"):
            folder.write("a", b"1")
    monkeypatch.setattr(disk, "system", Disk())
    (tmp_path / "file").write_text("")
    with pytest.raises(PellucidError, match="can't make the run folder"):
        Folder.create(tmp_path / "file" / "run")


def test_equal_content_gives_equal_bytes(tmp_path):
    def make(name):
        folder = Folder.create(tmp_path / name)
        for one in ("b.json", "a.json"):
            folder.write_json(one, {"x": 1})
        folder.save_tensors("w.safetensors", tensors(1), {"p": 1, "q": 2, "r": 3})
        return folder.path

    one, two = make("one"), make("two")
    assert all((one / n).read_bytes() == (two / n).read_bytes() for n in ("manifest.json", "w.safetensors"))


# -- tensors ---------------------------------------------------------------------------------------------------------


def test_tensors_round_trip(tmp_path):
    folder = Folder.create(tmp_path / "run")
    folder.save_tensors("w.safetensors", tensors(3), {"deep": {"er": [1, 2.5, None]}})
    found, meta = folder.load_tensors("w.safetensors")
    assert same(found, tensors(3))
    assert meta == {"deep": {"er": [1, 2.5, None]}}
    assert all(a.flags.writeable for a in found.values())
    assert unpack_tensors(pack_tensors({}, {}), Path("x")) == ({}, {})
    assert unpack_tensors(pack_tensors({"b": np.arange(3, dtype=">i4")}, {}), Path("x"))[0]["b"].tolist() == [0, 1, 2]


def header(spec: object, payload: bytes = b"\0" * 8) -> bytes:
    text = spec if isinstance(spec, bytes) else json.dumps(spec).encode()
    return struct.pack("<Q", len(text)) + text + payload


def tensor(shape, begin=0, end=8, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 2**63) + b"{}",
        header(b"{"),
        header(b"[" * 100_000),
        header([]),
        header({"a": tensor([2**62, 2**62])}),
        header({"a": tensor([0, 2**62], 0, 0)}, b""),
        header({"a": tensor([2**40])}),
        header({"a": tensor([-2])}),
        header({"a": tensor([2]), "b": tensor([2])}),
        header({"a": tensor([2], 0, 2**60)}),
        header({"a": tensor([2], 8, 0)}),
        header({"a": tensor([4], dtype="BF16")}),
        header({"a": tensor([2], dtype="XX")}),
        header({"a": tensor([2])}),
        header({"__metadata__": {"pellucid": "[]"}, "a": tensor([2])}),
        header({"__metadata__": {"pellucid": '{"sha256": "0", "meta": 5}'}, "a": tensor([2])}),
        header({"__metadata__": {"pellucid": '{"sha256": "0", "meta": "{}"}'}, "a": tensor([2])}),
    ],
)
def test_hostile_tensor_files_are_damage_not_tracebacks(data):
    with pytest.raises(PellucidError, match="damaged"):
        unpack_tensors(data, Path("w.safetensors"))


def test_folder_needs_no_torch():
    code = "import sys, pellucid.storage, pellucid.draw; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
