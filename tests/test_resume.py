"""A training that is stopped anywhere, in any way, and resumed is the training that would have been: bit for bit."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sittings import sitting
from test_folder import Crash, Faulty
from torch import nn

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import Interrupted, PellucidError
from pellucid.runs.train import Trainer
from pellucid.storage import Folder
from pellucid.storage import atomic as disk
from pellucid.storage.names import HEALTH_LINES, HEALTH_TABLE, MOMENTS
from pellucid.storage.names import HISTORY_LINES as HISTORY
from pellucid.training import loop
from pellucid.training import pacer as pace
from pellucid.training.listeners import Listener, Progress

CLOCKS = ("seconds", "evaluating")


def left_behind(path: Path) -> dict[str, Any]:
    """Everything in a finished run that must be the same, clocks left out."""
    folder = Folder.open(path)
    step, tensors, meta, note = folder.load_checkpoint()
    rows = [{k: v for k, v in row.items() if k not in CLOCKS} for row in folder.lines(HISTORY)]
    record = folder.read_json("run.json")
    assert note is None
    return {
        "weights": folder.read("weights.safetensors"),
        "step": step,
        "tensors": {k: (v.dtype.str, v.shape, v.tobytes()) for k, v in tensors.items()},
        "meta": {k: v for k, v in meta.items() if k not in (*CLOCKS, "lines")}
        | {"best_row": without_clocks(meta["best_row"])},
        "rows": [row for row in rows if row["event"] == "evaluated"],
        "looks": folder.lines(HEALTH_LINES),
        "health": folder.read(HEALTH_TABLE),
        "moments": {name: folder.read(name) for name in folder.names() if name.startswith(MOMENTS)},
        "decisions": [d for d in record["decisions"] if d["name"] != "size"],
        "score": record["score"],
        "validation": record["validation"],
    }


def without_clocks(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in CLOCKS}


def assert_same(path: Path, other: Path) -> None:
    one, two = left_behind(path), left_behind(other)
    assert one["tensors"].keys() == two["tensors"].keys()
    assert [k for k in one["tensors"] if one["tensors"][k] != two["tensors"][k]] == []
    for name in one:
        assert one[name] == two[name], name


class Ear(Listener):
    """Does something after a step, or counts the steps."""

    def __init__(self, at: int, act: Any):
        self.at, self.act = at, act

    def stepped(self, progress: Progress) -> None:
        if progress.step >= self.at:
            self.at = 1 << 60
            self.act()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listeners are told of every step, and a checkpoint follows each."""
    monkeypatch.setattr(loop, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)


JOBS: dict[str, dict[str, Any]] = {
    "dense": {"data": "table", "network": "mlp", "target": "label"},
    "convolutional": {"data": "photos", "network": "cnn"},
    "recurrent": {"data": "texts", "network": "rnn", "target": "verdict"},
    "lstm": {"data": "texts", "network": "lstm", "target": "verdict"},
    "transformer": {"data": "photos", "network": "transformer"},
    "transformer on texts": {"data": "texts", "network": "transformer", "target": "verdict"},
    "recurrent on photos": {"data": "photos", "network": "rnn"},
    "regression": {"data": "numbers", "network": "mlp", "target": "price"},
}
FAST = ("dense", "transformer")
KILLS = ("between the optimizers", "before a checkpoint", "before a file is renamed")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in FAST else pytest.mark.slow) for n in JOBS])
def test_three_kills_change_nothing(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    job = JOBS[name] | {"size": 0, "steps": 30, "seed": 5, "batch_size": 16}
    job["data"] = str(request.getfixturevalue(job["data"]))
    assert sitting(tmp_path / "whole", job) == 0
    rng = np.random.default_rng(len(name))
    for sort in rng.permutation(KILLS):
        first = 4 if sort == "before a file is renamed" else 0  # manifest and run.json are renamed before a training
        killed = sitting(tmp_path / "killed", job, (sort, first + int(rng.integers(1, 5))))
        assert killed == -signal.SIGKILL, sort
    assert sitting(tmp_path / "killed", job) == 0
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_killed_before_its_first_decision(tmp_path: Path, table: Path) -> None:
    job = JOBS["dense"] | {"data": str(table), "size": 0, "steps": 8}
    assert sitting(tmp_path / "whole", job) == 0
    for number in (0, 1, 2):
        assert sitting(tmp_path / "killed", job, ("before a decision", number)) == -signal.SIGKILL
        assert (tmp_path / "killed" / "run.json").exists()
    assert sitting(tmp_path / "killed", job) == 0
    assert_same(tmp_path / "whole", tmp_path / "killed")


def trained(source: Path, path: Path, **options: Any) -> pellucid.Run:
    usual = {"network": "mlp", "size": 0, "seed": 3, "batch_size": 16}
    return pellucid.train(source, out=path.parent, name=path.name, **usual | options)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_say_how_to_go_on(number: int, tmp_path: Path, table: Path, always: None) -> None:
    trained(table, tmp_path / "whole", target="label", steps=20)
    ear = Ear(7, lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="stopped after step 7; everything up to there is saved") as stopped:
        trained(table, tmp_path / "cut", target="label", steps=20, listeners=[ear])
    assert stopped.value.fix == f"continue with: pellucid resume {tmp_path / 'cut'}"
    assert signal.getsignal(number) is before
    with pytest.raises(PellucidError, match="this training has not finished"):
        pellucid.load(tmp_path / "cut")
    pellucid.resume(tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


FAULTS = [
    pytest.param(Crash(), False, id="killed"),
    pytest.param(Crash(), True, id="power lost", marks=pytest.mark.slow),
    pytest.param(OSError(errno.ENOSPC, "No space left on device"), False, id="disk full", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("error", "undo"), FAULTS)
def test_faults_at_every_call_of_a_save(
    error: BaseException, undo: bool, tmp_path: Path, table: Path, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(table, tmp_path / "whole", target="label", steps=6)
    save, k = Trainer.save_checkpoint, 0

    def failing(making: Trainer, state: Any) -> None:
        """The fourth save, when two generations are there and the older goes, meets the fault."""
        if state.step == 4:
            monkeypatch.setattr(disk, "system", faulty)
        save(making, state)
        monkeypatch.setattr(disk, "system", disk.Disk())

    while True:
        faulty = Faulty(k, error, undo)
        monkeypatch.setattr(Trainer, "save_checkpoint", failing)
        path = tmp_path / f"fault{k}"
        try:
            trained(table, path, target="label", steps=6)
        except (Crash, PellucidError):
            monkeypatch.setattr(disk, "system", disk.Disk())
            monkeypatch.setattr(Trainer, "save_checkpoint", save)
            pellucid.resume(path)
        assert_same(tmp_path / "whole", path)
        if faulty.calls <= k:
            break
        k += 1
    assert k >= 7  # create, write, sync, rename, ... all met one


@pytest.mark.slow
@pytest.mark.parametrize(("error", "undo"), FAULTS)
def test_faults_anywhere_in_a_training(
    error: BaseException,
    undo: bool,
    tmp_path: Path,
    table: Path,
    always: None,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Every third call of a whole training; the three sorts of fault start one call apart."""
    trained(table, tmp_path / "whole", target="label", steps=3)
    for k in range(["killed", "power lost", "disk full"].index(request.node.callspec.id), 1000, 3):
        faulty = Faulty(k, error, undo)
        monkeypatch.setattr(disk, "system", faulty)
        path = tmp_path / f"fault{k}"
        try:
            trained(table, path, target="label", steps=3)
        except (Crash, PellucidError):
            monkeypatch.setattr(disk, "system", disk.Disk())
            if (path / "run.json").exists():
                if Folder.open(path).read_json("run.json")["status"] != "done":
                    pellucid.resume(path)
            else:  # nothing was begun: the same command again does it
                trained(table, path, target="label", steps=3)
        monkeypatch.setattr(disk, "system", disk.Disk())
        assert_same(tmp_path / "whole", path)
        if faulty.calls <= k:
            break
    assert k > 60


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, texts: Path) -> None:
    for name in ("one", "two"):
        trained(texts, tmp_path / name, target="verdict", network="transformer", epochs=2)
    assert_same(tmp_path / "one", tmp_path / "two")
    trained(texts, tmp_path / "other", target="verdict", network="transformer", epochs=2, seed=4)
    assert left_behind(tmp_path / "other")["weights"] != left_behind(tmp_path / "one")["weights"]


def test_replay_of_a_time_budget_never_asks_the_clock(
    tmp_path: Path, table: Path, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = Ear(9, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        trained(table, tmp_path / "timed", target="label", budget="5s", size=None, folds=0, listeners=[cut])
    run = pellucid.resume(tmp_path / "timed")  # the replay follows the decisions of both sittings
    assert run.record["decisions"][-1]["step"] > 9

    def asked(*_: Any) -> float:
        raise AssertionError("a replay asked the clock")

    for reads_the_clock in ("_recent_speed", "_slowness"):
        monkeypatch.setattr(pace.Pacer, reads_the_clock, asked)
    with pytest.raises(AssertionError, match="a replay asked the clock"):  # as a training of its own does
        trained(table, tmp_path / "live", target="label", budget="3s", size=None, folds=0)
    cut = Ear(12, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        pellucid.train(like=run.path, name="again", listeners=[cut])
    again = pellucid.resume(tmp_path / "again")
    assert_same(run.path, again.path)
    assert again.record["looks"] == 1
    assert Path(again.record["like"]) == run.path


def test_the_reports_of_a_replay_and_of_more_say_what_is_odd_too(tmp_path: Path) -> None:
    path = tmp_path / "doubles.csv"
    path.write_text("x,y,label\n" + "".join(f"{i % 30},{i % 30 % 7},{'ab'[i % 2]}\n" for i in range(60)))
    run = pellucid.train(path, target="label", steps=2, network="mlp", out=tmp_path / "runs")
    odd = "have the same inputs as one in train"
    assert odd in (run.path / "report.html").read_text()
    assert odd in (pellucid.train(like=run.path).path / "report.html").read_text()
    assert odd in (pellucid.resume(run.path, more="2 steps").path / "report.html").read_text()


def test_a_replay_takes_no_options_and_no_other_data(tmp_path: Path, table: Path) -> None:
    run = trained(table, tmp_path / "run", target="label", steps=3)
    with pytest.raises(PellucidError, match="--like repeats the run's options; lr and network can't be changed"):
        pellucid.train(like=run.path, network="cnn", lr=0.1)
    shorter = tmp_path / "shorter.csv"
    shorter.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(PellucidError, match="the data has changed since this training began"):
        pellucid.train(shorter, like=run.path)
    again = pellucid.train(table, like=run.path)
    assert again.path == tmp_path / "run-again"
    assert_same(run.path, again.path)


@pytest.mark.parametrize("more", ["2epochs", "7steps", "1.5s"])
def test_more_on_a_finished_run(more: str, tmp_path: Path, table: Path) -> None:
    run = trained(table, tmp_path / "run", target="label", epochs=2)
    with pytest.raises(PellucidError, match="this training is finished"):
        pellucid.resume(run.path)
    steps, history = run.record["steps"], run.history
    longer = pellucid.resume(run.path, more=more)
    assert longer.record["looks"] == 2
    assert "the test set was used 2 times" in (run.path / "report.html").read_text()
    assert longer.history[: len(history)] == history
    assert longer.record["steps"] > steps
    if more == "2epochs":
        assert longer.record["steps"] == 2 * steps
        assert longer.history[-1]["step"] == 2 * steps
    if more == "7steps":
        assert longer.record["steps"] == steps + 7
    assert longer.record["seconds"] > run.record["seconds"] - 0.5
    again = pellucid.train(like=run.path, name="again")
    assert left_behind(again.path)["weights"] == left_behind(run.path)["weights"]


@pytest.mark.slow
def test_more_is_cut_and_resumed(tmp_path: Path, table: Path, always: None) -> None:
    for name in ("whole", "cut"):
        trained(table, tmp_path / name, target="label", steps=6)
    pellucid.resume(tmp_path / "whole", more="10steps")
    with pytest.raises(Interrupted):
        pellucid.resume(
            tmp_path / "cut", more="10steps", listeners=[Ear(11, lambda: os.kill(os.getpid(), signal.SIGINT))]
        )
    pellucid.resume(tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")


def test_time_spent_counts_over_sittings(tmp_path: Path, table: Path, always: None) -> None:
    """What is left of a budget of time is what earlier sittings did not spend, whatever lies between them."""
    with pytest.raises(Interrupted):
        trained(
            table, tmp_path / "cut", target="label", budget="400s", folds=0,
            listeners=[Ear(5, lambda: os.kill(os.getpid(), signal.SIGINT))],
        )  # fmt: skip
    folder = Folder.open(tmp_path / "cut")
    step, tensors, meta, _ = folder.load_checkpoint()
    folder.save_checkpoint(step, tensors, meta | {"seconds": 399.0})
    run = pellucid.resume(tmp_path / "cut")
    assert 399 < run.record["seconds"] < 410
    assert run.history[-1]["seconds"] > 399


class Noisy(nn.Module):
    """A module of a user's own, with dropout that draws from torch's generator and running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(24, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def own_trunk() -> pellucid.Custom:
    torch.manual_seed(0)
    return pellucid.Custom(Noisy(), width=24, reads=(0,))


def test_a_trunk_of_ones_own(tmp_path: Path, table: Path, always: None) -> None:
    torch.manual_seed(11)
    whole = trained(table, tmp_path / "whole", target="label", network=own_trunk(), size=None, steps=12)
    ear = Ear(5, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        trained(table, tmp_path / "cut", target="label", network=own_trunk(), size=None, steps=12, listeners=[ear])
    with pytest.raises(PellucidError, match="trained with a custom trunk"):
        pellucid.resume(tmp_path / "cut")
    pellucid.resume(tmp_path / "cut", trunk=own_trunk())
    assert_same(tmp_path / "whole", tmp_path / "cut")
    pellucid.train(like=whole.path, name="again", network=own_trunk())
    assert_same(tmp_path / "whole", tmp_path / "again")
    with pytest.raises(PellucidError, match="a run folder never holds code"):
        pellucid.load(whole.path)
    loaded = pellucid.load(whole.path, trunk=own_trunk())
    assert loaded.evaluate(table).score.value == pytest.approx(
        pellucid.load(whole.path, trunk=Noisy()).evaluate(table).score.value
    )


def test_training_leaves_the_users_generator_alone(tmp_path: Path, table: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    trained(table, tmp_path / "run", target="label", steps=2)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("learnable", [False, True])
def test_weights_that_more_training_did_not_better_are_said_to_be_kept(
    tmp_path: Path, learnable: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 6))
    label = (x[:, 0] * x[:, 1] > 0) if learnable else rng.integers(0, 2, 600)
    columns = {f"x{i}": x[:, i] for i in range(6)} | {"y": np.where(label, "yes", "no")}
    pl.DataFrame(columns).write_csv(tmp_path / "t.csv")
    steps = "4steps" if learnable else "400steps"
    run = pellucid.train(tmp_path / "t.csv", target="y", network="mlp", budget=steps, out=tmp_path / "run")
    before = (run.path / "weights.safetensors").read_bytes()
    assert exit_code(["resume", str(run.path), "--more", "200steps"], started=time.time()) == 0
    shown = "".join(capsys.readouterr())
    same = (run.path / "weights.safetensors").read_bytes() == before
    assert same != learnable
    assert ("the weights from before this training were kept" in " ".join(shown.split())) == same
