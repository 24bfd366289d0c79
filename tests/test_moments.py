"""Moments of a training that its run keeps: which, their bytes, and what files made to harm them do."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.errors import Interrupted, PellucidError
from pellucid.runs import moments
from pellucid.runs.moments import STEPS, kept_steps
from pellucid.storage import Folder
from pellucid.training import loop as training_loop
from pellucid.training.evaluate import predict_raw
from pellucid.training.listeners import Listener
from pellucid.training.loader import Loader
from pellucid.training.loop import Loop
from pellucid.training.state import use_weights

JOBS: dict[str, dict[str, Any]] = {
    "table": {"target": "label", "network": "mlp"},
    "photos": {"network": "cnn"},
    "texts": {"target": "verdict", "network": "gru"},
    "numbers": {"target": "price", "network": "transformer"},
}

QUICK: dict[str, Any] = {"size": 0, "reference": False, "batch_size": 16}


def files_of(run: pellucid.Run) -> dict[str, bytes]:
    return {name: run.folder.read(name) for name in run.folder.names() if name.startswith("moments/")}


class Stop(Listener):
    """Interrupts a training after some step, and hears what is said."""

    def __init__(self, at: int = 1 << 60):
        self.at, self.heard = at, list[str]()

    def said(self, text: str) -> None:
        self.heard.append(text)

    def stepped(self, progress: Any) -> None:
        if progress.step >= self.at:
            self.at = 1 << 60
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", JOBS)
def test_they_are_the_weights_after_so_many_steps(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, dict[str, np.ndarray]] = {}
    step = Loop.train_step

    def noted(loop: Loop, *args: Any) -> Any:
        seen.setdefault(loop.state.step, {k: v.detach().numpy().copy() for k, v in loop.state.weights.items()})
        loss = step(loop, *args)
        seen[loop.state.step] = {k: v.detach().numpy().copy() for k, v in loop.state.weights.items()}
        return loss

    monkeypatch.setattr(Loop, "train_step", noted)
    source = request.getfixturevalue(name)
    run = pellucid.train(source, out=tmp_path, name="run", steps=12, **QUICK, **JOBS[name])
    monkeypatch.undo()
    loaded = pellucid.load(tmp_path / "run")
    assert [one.step for one in loaded.moments] == [0, 1, 3, 10, 12]
    named = dict(loaded.network.named_parameters())
    for one in loaded.moments:
        weights = one.load()
        assert named.keys() <= weights.keys()
        assert [k for k, v in weights.items() if v.numpy().tobytes() != seen[one.step][k].tobytes()] == []
    assert repr(loaded.moments[0]) == "Moment(step=0)"
    # What the network answered then is to be had, and what it answers now is the same afterwards.
    data = pellucid.read(source, **({"target": JOBS[name]["target"]} if "target" in JOBS[name] else {}))
    loader, rows = Loader.of(data, run.network.fields, run.network.device), data.split(0).validation[:4]
    now = predict_raw(loaded.network, loader, rows)[0]
    with use_weights(loaded.network.weights(), loaded.moments[0].load()):
        then = predict_raw(loaded.network, loader, rows)[0]
    assert not torch.equal(now, then)
    assert torch.equal(now, predict_raw(loaded.network, loader, rows)[0])


def test_which_are_kept() -> None:
    assert STEPS[:9] == (0, 1, 3, 10, 30, 100, 300, 1000, 3000)
    assert kept_steps(0, 11) == [0]
    assert kept_steps(2999, 11) == [0, 1, 3, 10, 30, 100, 300, 1000]
    assert kept_steps(30_000, 11) == [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000]
    # The first ones and the last ones stay.
    assert kept_steps(100_000, 11) == [0, 1, 3, 10, 30, 100, 1000, 3000, 10_000, 30_000, 100_000]
    assert kept_steps(10**12, 1) == [0]
    assert kept_steps(500, 0) == []
    for room in range(1, 12):
        for step in range(0, 4000, 7):
            kept = kept_steps(step, room)
            assert len(kept) == min(room, sum(one <= step for one in STEPS))
            assert kept[0] == 0
            # Once gone, one does not come back: what is kept later was kept before.
            assert {one for one in kept_steps(step + 7, room) if one <= step} <= set(kept)


@pytest.mark.slow
def test_large_networks_keep_fewer(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = {**QUICK, **JOBS["table"], "steps": 40, "out": tmp_path}
    run = pellucid.train(table, name="all", **job)
    assert [one.step for one in run.moments] == [0, 1, 3, 10, 30, 40]
    size = max(map(len, files_of(run).values()))
    for room, kept, said in (
        (4.5, [0, 1, 30, 40], "at most 4 snapshots of the weights are kept in the run: more would need more than"),
        (2.5, [0, 40], "at most 2 snapshots"),
        (1.5, [], "no snapshots of the weights are kept in the run: two would need more than"),
    ):
        monkeypatch.setattr(moments, "MOST_BYTES", int(room * (size + 1500)))
        ear = Stop()
        few = pellucid.train(table, name=f"few{room}", listeners=[ear], **job)
        assert [one.step for one in few.moments] == kept
        assert sum(map(len, files_of(few).values())) <= moments.MOST_BYTES
        assert any(said in text for text in ear.heard)
        assert few.folder.read("weights.safetensors") == run.folder.read("weights.safetensors")
        assert all(files_of(run)[name] == content for name, content in files_of(few).items())


def test_they_go_where_the_run_goes(table: Path, tmp_path: Path) -> None:
    job = {**QUICK, **JOBS["table"], "steps": 11}
    run = pellucid.train(table, out=tmp_path, name="run", **job)
    assert list(files_of(run)) == [f"moments/{step:08d}.safetensors" for step in (0, 1, 3, 10, 11)]
    assert files_of(pellucid.train(like=run.path, out=tmp_path, name="again")) == files_of(run)
    passing = pellucid.train(table, save=False, **job)
    assert files_of(passing) == files_of(run)
    saved = passing.save(tmp_path / "saved")
    assert files_of(saved) == files_of(run)
    assert torch.equal(saved.moments[2].load()["entry.weight"], run.moments[2].load()["entry.weight"])
    assert pickle.loads(pickle.dumps(run)).moments == []


@pytest.mark.parametrize("at", [2, 10, 13])
def test_stopped_and_resumed_they_have_the_same_bytes(
    at: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_loop, "REPORT_SECONDS", 0.0)
    job = {**QUICK, **JOBS["photos"], "steps": 31}
    whole = pellucid.train(photos, out=tmp_path, name="whole", **job)
    with pytest.raises(Interrupted):
        pellucid.train(photos, out=tmp_path, name="cut", listeners=[Stop(at)], **job)
    folder = Folder.open(tmp_path / "cut")
    assert "moments/00000001.safetensors" in folder.names()
    # As if it had been killed after it had come further than its last checkpoint.
    folder.write("moments/00000030.safetensors", b"of a future that will not come")
    (tmp_path / "cut" / "moments" / ".fresh").mkdir(exist_ok=True)
    run = pellucid.resume(tmp_path / "cut")
    assert files_of(run) == files_of(whole)


def test_an_end_that_was_none_goes_with_more_steps(table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, out=tmp_path, name="run", steps=11, **QUICK, **JOBS["table"])
    before = files_of(run)
    more = pellucid.resume(tmp_path / "run", more="20 steps")
    assert [one.step for one in more.moments] == [0, 1, 3, 10, 30, 31]
    kept = files_of(more)
    assert all(kept[name] == content for name, content in before.items() if "00000011" not in name)
    assert not (tmp_path / "run" / "moments" / "00000011.safetensors").exists()


HARMS: dict[str, Callable[[dict[str, np.ndarray], dict[str, Any]], Any]] = {
    "another step": lambda a, m: m.update(step=4),
    "no step": lambda a, m: m.clear(),
    "a weight less": lambda a, m: a.pop("entry.weight"),
    "a weight more": lambda a, m: a.update({"os.system": np.zeros(3, np.float32)}),
    "another shape": lambda a, m: a.update({"entry.weight": a["entry.weight"][:1]}),
    "another type": lambda a, m: a.update({"entry.weight": a["entry.weight"].astype(np.float64)}),
    "no number": lambda a, m: a["entry.weight"].fill(np.nan),
}


@pytest.mark.parametrize("name", HARMS)
def test_files_made_to_harm_are_refused(name: str, table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, out=tmp_path, name="run", steps=2, **QUICK, **JOBS["table"])
    file = "moments/00000001.safetensors"
    arrays, about = run.folder.load_tensors(file)
    HARMS[name](arrays, about)
    run.folder.save_tensors(file, arrays, about)
    run.folder.write("moments/all.safetensors", b"not one of them")
    found = pellucid.load(tmp_path / "run").moments
    assert [one.step for one in found] == [0, 1, 2]
    with pytest.raises(PellucidError) as error:
        found[1].load()
    assert error.value.where == str(tmp_path / "run" / file)
    assert found[0].load().keys() == found[2].load().keys()


def test_flipped_bits_are_said(table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, out=tmp_path, name="run", steps=2, **QUICK, **JOBS["table"])
    path = tmp_path / "run" / "moments" / "00000001.safetensors"
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)
    run = pellucid.load(tmp_path / "run")
    assert [one for one in run.damage if "00000001" in one]
    with pytest.raises(PellucidError, match="its checksum is wrong"):
        run.moments[1].load()
    assert run.moments[0].load()
