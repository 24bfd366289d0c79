"""Trainings under faults: killed, on a full disk, without memory, with numbers that are none, twice, under odd clocks.

Slow, but for what takes a second. What the folder itself does under faults is in test_folder.py.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sittings import context, sitting
from test_folder import flipped
from test_resume import FAST, JOBS, KILLS, Ear, assert_same, trained
from torch import nn

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import Interrupted, PellucidError, no_memory
from pellucid.storage import Folder, unpack_tensors
from pellucid.storage import atomic as disk
from pellucid.storage.atomic import Disk
from pellucid.training import loop

slow = pytest.mark.slow


# -- killed ----------------------------------------------------------------------------------------------------------


@slow
@pytest.mark.parametrize("name", FAST)
def test_twenty_kills_change_nothing(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    job = JOBS[name] | {"size": 0, "steps": 90, "seed": 5, "batch_size": 16}
    job["data"] = str(request.getfixturevalue(job["data"]))
    assert sitting(tmp_path / "whole", job) == 0
    rng = np.random.default_rng(len(name))
    for _ in range(20):
        sort = str(rng.choice([*KILLS, "before a decision"]))
        started = (tmp_path / "killed" / "checkpoints").exists()
        most = 4 if sort == "before a decision" or not started else 9  # lines are added once or twice a step
        assert sitting(tmp_path / "killed", job, (sort, int(rng.integers(0, most)))) == -signal.SIGKILL, sort
    assert sitting(tmp_path / "killed", job) == 0
    assert_same(tmp_path / "whole", tmp_path / "killed")


# -- flipped and cut -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    return trained(table, tmp_path_factory.mktemp("finished") / "run", target="label", steps=12, size=1).path


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    path = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"REPORT_SECONDS": 0.0, "CHECKPOINT_SECONDS": 0.0, "CHECKPOINT_SHARE": 1e9}.items():
            patch.setattr(loop, name, value)
        stop = Ear(7, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted):
            trained(table, path, target="label", steps=12, size=1, listeners=[stop])
    return path


def files_of(run: Path) -> list[Path]:
    """All that a run is made of; ``.lock`` holds nothing but the number of a process."""
    found = sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    assert len(found) >= 5
    return found


def noticed(run: Path, which: str) -> str:
    """What is said of a run's damage when it is opened, empty when nothing is; ``resume`` says what ``verify`` does."""
    try:
        return " ".join(pellucid.load(run).damage if which == "finished" else Folder.open(run).verify())
    except PellucidError as error:
        return str(error)


def damages(path: Path, flips: int, rng: np.random.Generator) -> Iterator[bytes]:
    """The file with one bit flipped, so often, and cut at every 4 KiB."""
    good = path.read_bytes()
    for bit in rng.integers(0, 8 * len(good), flips):
        yield flipped(good, int(bit))
    for end in range(0, len(good), 4096):
        yield good[:end]


@pytest.mark.parametrize("flips", [40, pytest.param(1000, marks=slow)])
@pytest.mark.parametrize("which", ["finished", "stopped"])
def test_every_flip_and_every_cut_is_said(
    which: str, flips: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(request.getfixturevalue(which), run)
    assert noticed(run, which) == ""
    rng, files, missed, tried = np.random.default_rng(0), files_of(run), [], 0
    for path in files:
        good = path.read_bytes()
        for bad in damages(path, -(-flips // len(files)), rng):
            path.write_bytes(bad)
            tried += 1
            if path.name not in noticed(run, which):
                missed.append((path.name, len(bad)))
        path.write_bytes(good)
    assert tried >= flips
    # What was seen of a training's steps is no part of what goes on: a finished run alone knows how much there was.
    missed = [m for m in missed if which != "stopped" or m[0] != "health.jsonl"]
    torn = [m for m in missed if which == "stopped" and m[0] == "history.jsonl" and m[1] < (run / m[0]).stat().st_size]
    assert [m for m in missed if m not in torn] == []
    for name, length in torn:  # to the folder alone this could be a crash; the checkpoint knows of more lines
        other = tmp_path / f"cut-{length}"
        shutil.copytree(run, other)
        (other / name).write_bytes((run / name).read_bytes()[:length])
        with pytest.raises(PellucidError, match=r"history\.jsonl: it has been cut"):
            pellucid.resume(other)
    assert noticed(run, which) == ""


def test_a_history_cut_short_is_not_gone_on_with(stopped: Path, tmp_path: Path) -> None:
    """A last line without its end is what a crash leaves; lines that a checkpoint knows of are not."""
    for lines in range(4):
        run = tmp_path / f"{lines}"
        shutil.copytree(stopped, run)
        text = (run / "history.jsonl").read_bytes().splitlines(keepends=True)
        (run / "history.jsonl").write_bytes(b"".join(text[:lines]))
        with pytest.raises(PellucidError, match=r"history.jsonl: it has been cut: (its decisions are missing|\d of)"):
            pellucid.resume(run)


def test_a_bit_in_a_checkpoint_is_said_and_the_one_before_is_taken(stopped: Path, tmp_path: Path) -> None:
    run, said = tmp_path / "run", list[str]()
    shutil.copytree(stopped, run)
    newest = max((run / "checkpoints").iterdir())
    newest.write_bytes(flipped(newest.read_bytes(), 80_000))

    class Ears(pellucid.Listener):
        def said(self, text: str) -> None:
            said.append(text)

    pellucid.resume(run, listeners=[Ears()])
    assert any("Going on from the checkpoint of step 6 instead" in text for text in said)
    assert Folder.open(run).verify() == []


def test_damage_beside_the_weights_is_said_and_the_run_is_used(
    finished: Path, tmp_path: Path, table: Path, capsys: Any
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "report.html").write_bytes(b"<p>")
    assert exit_code(["predict", str(run), str(table)], 0.0) == 0
    said = capsys.readouterr()
    assert "report.html: it is damaged (3 bytes instead of" in said.err
    assert len(said.out.splitlines()) == 120


# -- a full disk -----------------------------------------------------------------------------------------------------


FULL = "the disk is full\n  free some space on that disk; what was saved before is untouched"


class Small(Disk):
    """A disk that holds so many bytes and no more; what is written half is there by half."""

    def __init__(self, room: int):
        self.room = room

    def write(self, file: int, data: Any) -> None:
        data = b"".join(data) if isinstance(data, list) else data
        fits, self.room = data[: self.room], max(self.room - len(data), 0)
        super().write(file, fits)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")

    def unlink(self, path: Path) -> None:
        self.room += path.stat().st_size
        super().unlink(path)

    def rename(self, old: Path, new: Path) -> None:
        self.room += new.stat().st_size if new.exists() else 0
        super().rename(old, new)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every step."""
    for name, value in {"REPORT_SECONDS": 0.0, "CHECKPOINT_SECONDS": 0.0, "CHECKPOINT_SHARE": 1e9}.items():
        monkeypatch.setattr(loop, name, value)


def good_step(run: Path) -> int:
    """The step of the newest good checkpoint; -1 when there is none."""
    try:
        return Folder.open(run).load_checkpoint()[0]
    except PellucidError:
        return -1


@pytest.mark.parametrize("tries", [6, pytest.param(60, marks=slow)])
def test_a_disk_that_fills_up_loses_nothing(
    tries: int, tmp_path: Path, table: Path, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However full it is: what was good stays good, and with room again the training is the one it would have been."""
    trained(table, tmp_path / "whole", target="label", steps=6)
    took = sum(path.stat().st_size for path in (tmp_path / "whole").rglob("*"))
    for i, room in enumerate(np.linspace(1000, 1.1 * took, tries).astype(int)):
        run, before = tmp_path / f"{i}", -1
        monkeypatch.setattr(disk, "system", Small(int(room)))
        said = ""
        try:
            trained(table, run, target="label", steps=6)
        except PellucidError as error:
            said, before = str(error), good_step(run)
        assert said == "" or said.endswith(FULL)
        monkeypatch.setattr(disk, "system", Disk())
        if not (run / "run.json").exists():
            continue
        assert Folder.open(run).verify() == []
        assert good_step(run) == before or before == -1
        if Folder.open(run).read_json("run.json")["status"] != "done":
            pellucid.resume(run)
        assert_same(tmp_path / "whole", run)


def mounted(path: Path, *how: str) -> None:
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *how, "tmpfs", str(path)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk can't be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 1 MB."""
    mounted(tmp_path / "disk", "-o", "size=1m")
    yield tmp_path / "disk"
    subprocess.run(["umount", str(tmp_path / "disk")], check=False)


def command(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A verb in a process of its own."""
    code = "import sys; from pellucid.cli import main; main(sys.argv[1:])"
    run = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(run, capture_output=True, text=True, env={**os.environ, **env}, timeout=120)


@slow
def test_a_real_disk_that_is_full(small_disk: Path, table: Path) -> None:
    run = small_disk / "run"
    args = ("train", table, "--target", "label", "--size", "4", "--steps", "30", "--out", small_disk, "--name", "run")
    assert command(*args[:-1], "whole", "--out", small_disk.parent).returncode == 0
    (small_disk / "ballast").write_bytes(bytes(500_000))
    done = command(*args)
    assert done.returncode == 1, done.stderr
    assert "the disk is full\n  free some space on that disk" in done.stderr
    assert Folder.open(run).verify() == []
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert command("resume", run).returncode == 0
    assert_same(small_disk.parent / "whole", run)


@slow
def test_a_cache_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """Writing to a map of a file that the disk has no room for would end the process."""
    rng = np.random.default_rng(0)
    np.savetxt(tmp_path / "wide.csv", rng.normal(size=(30_000, 12)), "%.6f", ",", header="a,b,c,d,e,f,g,h,i,j,k,l")
    args = ("train", tmp_path / "wide.csv", "--target", "l", "--steps", "3", "--size", "0", "--out", tmp_path)
    done = command(*args, PELLUCID_CACHE=str(small_disk / "cache"))
    assert done.returncode == 0, done.stderr
    assert "the cache cannot be written (No space left on device); values stay in memory" in done.stderr


@slow
def test_places_that_may_only_be_read(tmp_path: Path, stopped: Path, finished: Path, table: Path) -> None:
    place = tmp_path / "disk"
    mounted(place)
    try:
        shutil.copytree(stopped, place / "stopped")
        shutil.copytree(finished, place / "finished")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        used = command("predict", place / "finished", table, PELLUCID_CACHE=str(place / "cache"))
        assert (used.returncode, len(used.stdout.splitlines())) == (0, 120), used.stderr
        for words in (("resume", place / "stopped"), ("train", table, "--target", "label", "--out", place / "new")):
            refused = command(*words)
            assert refused.returncode == 1, refused.stderr
            assert "read-only file system\n  check who may write there, or choose another folder" in refused.stderr
    finally:
        subprocess.run(["umount", str(place)], check=False)


def test_a_run_that_is_removed_while_it_trains(tmp_path: Path, table: Path, always: None) -> None:
    gone = Ear(3, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(PellucidError, match="no such file or directory"):
        trained(table, tmp_path / "run", target="label", steps=9, listeners=[gone])
    assert not (tmp_path / "run").exists()


# -- out of memory ---------------------------------------------------------------------------------------------------


def limited(room: int, words: list[str], out: Any) -> None:
    """A verb in a process that may take ``room`` more bytes of address space than it has, libraries and threads there.

    It has trained a small network before: what Polars and others do when they get no room for a thread, or a map of
    their own code, is not ours to mend.
    """
    import contextlib
    import io
    import resource

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        exit_code([*words[: words.index("--size")], "--size", "0", "--name", f"warm-{words[-1]}"], time.time())
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
        said.truncate(0)
        code = exit_code(words, time.time())
    out.send((code, said.getvalue()))


def under(room: int, *words: str | Path) -> tuple[int, str]:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=limited, args=(room, [str(word) for word in words], theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        process.join()
        raise AssertionError(f"it ended with {process.exitcode}") from None
    finally:
        process.join(60)


@pytest.mark.parametrize(
    ("error", "used_up"),
    [
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not execute a primitive"), True),
        (RuntimeError("could not create a memory object"), True),
        (ImportError("libtorch.so: failed to map segment from shared object"), True),
        (ImportError("libtorch.so: cannot allocate memory"), True),
        (RuntimeError("could not create a primitive descriptor for the matmul primitive. Run workload with …"), False),
        (RuntimeError("could not create a stream"), False),
        (ValueError("could not create a primitive"), False),
    ],
)
def test_what_libraries_say_when_memory_is_used_up(error: Exception, used_up: bool) -> None:
    assert no_memory(error) == used_up


@slow
@pytest.mark.parametrize(
    ("source", "network", "room"), [("table", "mlp", 500), ("photos", "cnn", 260), ("texts", "transformer", 330)]
)
def test_a_network_that_is_too_large_names_one_that_is_not(
    source: str, network: str, room: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    args = ("train", request.getfixturevalue(source), "--network", network, "--steps", "3", "--out", tmp_path)
    args += ("--target", JOBS["recurrent"]["target"]) if source == "texts" else ()
    args += ("--target", "label") if source == "table" else ()
    code, said = under(room << 20, *args, "--size", "9", "--name", "large")
    assert code == 1, said
    assert (
        "✗ the memory of this machine does not hold the training of a network of size 9\n  train with --size " in said
    )
    size = said.split("--size ")[1].split(",")[0]
    assert 1 <= int(size) < 9
    code, said = under(room << 20, *args, "--size", size, "--name", "fits")
    assert code == 0, said


def test_answers_come_in_smaller_pieces_where_memory_is_short(finished: Path, table: Path) -> None:
    run = pellucid.load(finished)
    whole = run.predict(str(table))
    real, sizes = run.network.forward, list[int]()

    def short(batch: Any) -> Any:
        sizes.append(len(batch.rows))
        if len(batch.rows) > 40:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory")
        return real(batch)

    run.network.forward = short  # type: ignore[method-assign]
    for one, other in zip(run.predict(str(table)), whole, strict=True):
        assert one["input"] == other["input"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)
    assert sizes == [120, 60, 30, 30, 30, 30]


def test_memory_that_is_used_up_while_decoding_is_said(photos: Path, table: Path, monkeypatch: Any) -> None:
    from pellucid.data.tables import readers as tables
    from pellucid.fields import pixels

    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError

    data = pellucid.read(photos, cache=False)
    monkeypatch.setattr(pixels, "open_image", full)
    with pytest.raises(PellucidError, match=r"does not hold 'photos0/'\n  read fewer rows or columns"):
        pellucid.read(photos, cache=False)
    with pytest.raises(PellucidError, match=r"does not hold the 80 values of 'image'\n  make --image-size smaller"):
        data.check()
    monkeypatch.setattr(tables, "columns_of", full)
    with pytest.raises(PellucidError, match=r"does not hold 'small.csv'\n  read fewer rows or columns"):
        pellucid.read(table, cache=False)


# -- numbers that are none -------------------------------------------------------------------------------------------


class Sick(nn.Module):
    """A layer that is ill at some of its calls: its answers, or the gradients through it, are no numbers."""

    def __init__(self, at: set[int], gradient: bool):
        super().__init__()
        self.layer, self.at, self.gradient, self.calls = nn.Linear(16, 16), at, gradient, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x).relu()
        if not self.training:
            return y
        self.calls += 1
        if self.calls in self.at and self.gradient:
            y.register_hook(lambda gradient: gradient * torch.nan)
        return y * torch.inf if self.calls in self.at and not self.gradient else y


def assert_finite(run: Path) -> None:
    """Every number in every file of tensors is one."""
    found = [*run.glob("*.safetensors"), *run.glob("checkpoints/*.safetensors")]
    assert found
    for path in found:
        known = {
            k: v for k, v in unpack_tensors(path.read_bytes(), path)[0].items() if not k.endswith("spread")
        }  # at the end
        assert [k for k, v in known.items() if v.dtype.kind == "f" and not np.isfinite(v).all()] == []


@pytest.mark.parametrize("gradient", [False, True])
def test_ill_steps_never_reach_the_weights(gradient: bool, tmp_path: Path, table: Path, always: None) -> None:
    def module(*at: int) -> pellucid.Custom:
        return pellucid.Custom(Sick(set(at), gradient), width=16, reads=(0,))

    run = trained(table, tmp_path / "some", target="label", steps=30, size=None, network=module(3, 7, 8, 9, 30))
    assert_finite(run.path)
    assert run.record["steps"] == 30
    with pytest.raises(PellucidError, match="gradient was not finite for 20 steps in a row, up to step 24"):
        trained(table, tmp_path / "all", target="label", steps=60, size=None, network=module(*range(6, 90)))
    assert_finite(tmp_path / "all")


def test_a_rate_that_blows_up_ends_with_its_cause(tmp_path: Path, table: Path, always: None) -> None:
    with pytest.raises(PellucidError, match=r"finite .*\n  train (again )?with a smaller --lr"):
        trained(table, tmp_path / "run", target="label", steps=60, lr=1e3)
    if (tmp_path / "run" / "checkpoints").exists():
        assert_finite(tmp_path / "run")


def test_numbers_that_are_none_in_the_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 4)), rng.normal(size=90)
    x[::7, 0], x[1::7, 1], x[2::9, 2], x[:, 3], y[::11] = np.nan, np.inf, -np.inf, 1e308, np.nan
    assert_finite(pellucid.train((x, y), steps=5, size=0, out=tmp_path, name="numbers").path)
    images = rng.random((60, 8, 8, 3), np.float32)
    images[3], images[4, 2, 2], images[5] = np.nan, np.inf, 1e38
    run = pellucid.train((images, np.arange(60) % 2), steps=5, size=0, out=tmp_path, name="images")
    assert_finite(run.path)


# -- two at once, signals, clocks ------------------------------------------------------------------------------------


@slow
def test_two_trainings_into_one_name(tmp_path: Path, table: Path) -> None:
    words = ["train", str(table), "--target", "label", "--steps", "300", "--out", str(tmp_path), "--name", "run"]
    code = "import sys; from pellucid.cli import main; main(sys.argv[1:])"
    both = [subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=120)[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 1]
    refused = said[0] if both[0].returncode else said[1]
    assert "there is a run here already" in refused or "another training is writing into this run" in refused
    assert pellucid.load(tmp_path / "run").record["steps"] == 300
    assert Folder.open(tmp_path / "run").verify() == []


@pytest.fixture
def hangups_come() -> Iterator[None]:
    """SIGHUP as it is usually: under ``nohup``, which it is kept from, a run does not hear it either."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups_come")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_saves(number: int, tmp_path: Path, table: Path, always: None) -> None:
    trained(table, tmp_path / "whole", target="label", steps=12)
    stop = Ear(5, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match="stopped after step 5; everything up to there is saved"):
        trained(table, tmp_path / "cut", target="label", steps=12, listeners=[stop])
    pellucid.resume(tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.usefixtures("hangups_come")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_stops_at_once(number: int, tmp_path: Path, table: Path, always: None) -> None:
    """Even so the training goes on from its last checkpoint, and is the same."""
    trained(table, tmp_path / "whole", target="label", steps=12)

    def twice() -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        trained(table, tmp_path / "cut", target="label", steps=12, listeners=[Ear(5, twice)])
    pellucid.resume(tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_is_set_changes_no_budget(jump: float, tmp_path: Path, table: Path, monkeypatch: Any) -> None:
    real, set_to = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + set_to[0])

    def leap() -> None:
        set_to[0] = jump

    run = trained(table, tmp_path / "run", target="label", budget="3s", size=None, listeners=[Ear(2, leap)])
    assert run.record["seconds"] < abs(jump) / 2
    assert run.record["steps"] > 3  # it did not end at the leap
