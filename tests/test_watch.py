"""What a training looks like from inside: what rows say is what happened, and looking changes nothing."""

from __future__ import annotations

import copy
import math
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import pellucid
from pellucid.errors import Interrupted, PellucidError
from pellucid.planning.decisions import Decisions
from pellucid.planning.plan import Recipe
from pellucid.runs.health import SCHEMA
from pellucid.runs.prepare import prepare
from pellucid.runs.train import Trainer
from pellucid.storage import Folder, InMemory
from pellucid.storage.names import HEALTH_LINES, HEALTH_TABLE
from pellucid.training import loop as training_loop
from pellucid.training.listeners import Listener
from pellucid.training.loop import Loop
from pellucid.training.watch import Watch, decide_looks, group_names, shorten

QUICK: dict[str, Any] = {"size": 0, "reference": False, "batch_size": 16}


def loop_of(data: Any, **options: Any) -> tuple[Loop, list[dict[str, Any]]]:
    """A loop that looks at every step, and its rows."""
    trainer = Trainer(InMemory(), prepare(data, {**QUICK, "steps": 40, **options}, Listener()), Listener())
    loop, rows = trainer.start(0.0), []
    loop.watch = Watch(
        loop.state, Decisions([{"step": 0, "name": "watch every", "value": 1, "reason": ""}]), rows.append
    )
    loop.state.network.train()
    return loop, rows


JOBS: dict[str, dict[str, Any]] = {
    "table": {"target": "label", "network": "mlp"},
    "photos": {"network": "cnn"},
    "texts": {"target": "verdict", "network": "lstm"},
    "numbers": {"target": "price", "network": "transformer"},
}


@pytest.mark.parametrize("name", JOBS)
def test_a_row_says_what_the_step_did(name: str, request: pytest.FixtureRequest) -> None:
    loop, rows = loop_of(request.getfixturevalue(name), **JOBS[name])
    state = loop.state
    for step in range(2):
        loop.train_step(loop.sampler.batch(step), 0.5)
    named = dict(state.network.named_parameters())
    # The third step by hand, on a copy of everything that it reads.
    before = {k: v.detach().clone() for k, v in named.items()}
    state.optimizer.clear()
    training_loop.seed_step(state.network.device, loop.sampler.seed, 2)
    loss = loop.compute_gradients(loop.sampler.batch(2))
    gradients = {k: torch.zeros_like(p) if p.grad is None else p.grad.clone() for k, p in named.items()}
    loop.clip_gradient(state.optimizer.norm())
    state.optimizer.step(0.5)
    after = {k: v.detach().clone() for k, v in named.items()}
    # And by the loop, from the same state.
    again, seen = loop_of(request.getfixturevalue(name), **JOBS[name])
    for step in range(3):
        again.train_step(again.sampler.batch(step), 0.5)
    assert seen[:2] == rows
    row = seen[2]
    assert row["loss"] == shorten(float(loss))
    assert row["lr_factor"] == 0.5
    whole = math.sqrt(sum(float(g.double().square().sum()) for g in gradients.values()))
    assert row["gradient"] == pytest.approx(whole, rel=1e-4)
    assert row["tensors"].keys() == named.keys()
    for key, one in row["tensors"].items():
        length, moved = float(before[key].norm()), float((after[key] - before[key]).norm())
        assert one["gradient"] == pytest.approx(float(gradients[key].norm()), rel=1e-4, abs=1e-12)
        assert one["weight"] == pytest.approx(length, rel=1e-4)
        assert one["update"] == (pytest.approx(moved / length, rel=1e-3, abs=1e-9) if length else None)
        assert one["nonfinite"] == 0.0
        assert torch.equal(dict(again.state.network.named_parameters())[key], after[key])


@pytest.mark.parametrize("name", ["table", "photos"])
def test_looking_moves_no_weight(name: str, request: pytest.FixtureRequest) -> None:
    looked, rows = loop_of(request.getfixturevalue(name), **JOBS[name])
    other, _ = loop_of(request.getfixturevalue(name), **JOBS[name])
    other.watch = None
    for step in range(8):
        for one in (looked, other):
            one.train_step(one.sampler.batch(step), 1.0)
    assert len(rows) == 8
    own, twin = looked.state.tensors(), other.state.tensors()
    assert [k for k in own if own[k].tobytes() != twin[k].tobytes()] == []


def test_clipped_and_skipped_steps_are_counted(table: Path) -> None:
    loop, rows = loop_of(table, target="label", network="mlp")
    loop.watch.decisions.decide(1, "watch every", 4, "")
    recipe = {f: getattr(loop.state.recipe, f) for f in loop.state.recipe.__dataclass_fields__}
    weight = next(p for name, p in loop.state.network.named_parameters() if name == "entry.weight")
    loop.state.recipe = Recipe(**{**recipe, "clip": 1e-6})
    for step in range(10):
        if step == 6:
            loop.state.recipe = Recipe(**{**recipe, "clip": 1e6})
        kept = weight.detach().clone()
        if step in (6, 7):
            with torch.no_grad():
                weight[0, 0] = math.nan
        loop.train_step(loop.sampler.batch(step), 1.0)
        if step in (6, 7):
            with torch.no_grad():
                weight.copy_(kept)
    # At 6 because it is the first that is not finite; the one after it is counted at 8.
    assert [row["step"] for row in rows] == [0, 4, 6, 8]
    # Clipped: 0 to 3; 4 and 5; neither 6 nor 7.
    assert [row["clipped"] for row in rows] == [0.0, 1.0, 1.0, 0.0]
    assert [row["skipped"] for row in rows] == [0, 0, 1, 1]
    odd = rows[2]
    assert odd["loss"] is None
    assert odd["gradient"] is None
    assert odd["tensors"]["output.layer.weight"]["nonfinite"] == 1.0
    assert odd["tensors"]["trunk.stages.layer1.norm.weight"]["update"] == 0.0
    assert all(one["nonfinite"] == 0.0 for one in rows[3]["tensors"].values())


def test_the_length_of_a_clipped_gradient_is_said_as_it_was(table: Path) -> None:
    (loop, rows), (other, others) = (loop_of(table, target="label", network="mlp") for _ in range(2))
    recipe = {f: getattr(loop.state.recipe, f) for f in loop.state.recipe.__dataclass_fields__}
    loop.state.recipe = Recipe(**{**recipe, "clip": 1e-3})
    for one in (loop, other):
        one.train_step(one.sampler.batch(0), 1.0)
    row, plain = rows[0], others[0]
    assert row["gradient"] == plain["gradient"]
    assert [t["gradient"] for t in row["tensors"].values()] == [t["gradient"] for t in plain["tensors"].values()]


def test_groups_of_names() -> None:
    names = [f"trunk.layer{i}.{part}.{kind}" for i in range(50) for part in ("a", "b") for kind in ("weight", "bias")]
    found, group = group_names(names)
    assert found == [f"trunk.layer{i}.{part}" for i in range(50) for part in ("a", "b")]
    assert group.tolist() == np.repeat(np.arange(100), 2).tolist()
    assert group_names(names[:128])[0] == names[:128]
    assert group_names(names, most=60)[0] == [f"trunk.layer{i}" for i in range(50)]
    # Lengths of a group are those of all its entries.
    watch = Watch.__new__(Watch)
    watch.names, watch.group = ["x", "y"], np.array([0, 1, 0])
    assert watch._by_name(np.array([3.0, 7.0, 4.0])).tolist() == [5.0, 7.0]


@pytest.mark.parametrize(
    ("steps", "every"), [(1, 1), (20, 1), (60, 3), (500, 25), (5000, 25), (6000, 30), (10**6, 5000)]
)
def test_without_timed_steps_it_is_a_function_of_their_number(steps: int, every: int) -> None:
    decisions = Decisions()
    decide_looks(decisions, 7, steps, None)  # type: ignore[arg-type]
    assert decisions.at(7, "watch every") == every
    assert decisions.at(6, "watch every", 0) == 0


def test_timed_steps_are_looked_at_as_seldom_as_looking_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.training.watch.look_seconds", lambda state: 0.003)
    for step_seconds, every in ((0.001, 300), (0.01, 30), (1.0, 5)):
        decisions = Decisions()
        decide_looks(decisions, 0, 1000, None, step_seconds)  # type: ignore[arg-type]
        assert decisions.at(0, "watch every") == every
        assert decisions.all[0]["reason"].endswith("looks in all, at most 1% of the time")


def test_without_memory_for_it_the_training_goes_on(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, rows = loop_of(table, target="label", network="mlp")
    loop.train_step(loop.sampler.batch(0), 1.0)

    def full(*_: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "clone", full)
        assert loop.watch.is_due(finite=True)
        loop.watch.before(torch.ones(()), torch.ones(()), 1.0, finite=True)
        loop.watch.after()
    assert loop.watch.decisions.at(1, "watch every") == 0
    for step in range(1, 4):
        loop.train_step(loop.sampler.batch(step), 1.0)
    assert [row["step"] for row in rows] == [0]


# -- in runs


class Ear(Listener):
    def __init__(self, at: int = 1 << 60):
        self.rows: list[dict[str, Any]] = []
        self.at = at

    def watched(self, row: Any) -> None:
        self.rows.append(copy.deepcopy(row))

    def stepped(self, progress: Any) -> None:
        if progress.step >= self.at:
            self.at = 1 << 60
            os.kill(os.getpid(), signal.SIGINT)


def test_runs_keep_rows_wherever_they_go(table: Path, tmp_path: Path) -> None:
    ear = Ear()
    job = {**QUICK, "target": "label", "network": "mlp", "steps": 45}
    run = pellucid.train(table, out=tmp_path, name="run", listeners=[ear], **job)
    assert run.plan.choices
    assert {d["name"]: d["value"] for d in run.record["decisions"]}["watch every"] == 2
    assert [row["step"] for row in ear.rows] == list(range(0, 45, 2))
    assert run.watched == ear.rows == run.folder.lines(HEALTH_LINES)
    assert pellucid.load(tmp_path / "run").watched == ear.rows
    assert pl.read_parquet(tmp_path / "run" / HEALTH_TABLE).schema == SCHEMA
    assert pickle.loads(pickle.dumps(run)).watched == []
    passing = pellucid.train(table, save=False, **job)
    assert passing.watched == ear.rows
    assert passing.save(tmp_path / "saved").watched == ear.rows
    more = (
        pellucid.resume(tmp_path / "saved", more="5 steps")
        if Folder.open(tmp_path / "saved").has_checkpoint()
        else None
    )
    assert more is None
    again = pellucid.train(like=tmp_path / "run", out=tmp_path, name="again")
    assert again.watched == ear.rows


def test_more_steps_are_looked_at_too(table: Path, tmp_path: Path) -> None:
    pellucid.train(table, target="label", network="mlp", steps=40, out=tmp_path, name="run", **QUICK)
    first = pellucid.load(tmp_path / "run").watched
    run = pellucid.resume(tmp_path / "run", more="20 steps")
    assert [row["step"] for row in run.watched] == [*range(0, 40, 2), *range(40, 60)]
    assert run.watched[:20] == first


def test_stopped_and_resumed_it_has_the_same_rows(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_loop, "REPORT_SECONDS", 0.0)
    job = {**QUICK, "network": "cnn", "steps": 30}
    whole = pellucid.train(photos, out=tmp_path, name="whole", **job)
    with pytest.raises(Interrupted):
        pellucid.train(photos, out=tmp_path, name="cut", listeners=[Ear(13)], **job)
    ahead = Folder.open(tmp_path / "cut")
    last = ahead.lines(HEALTH_LINES)[-1]
    # As if it had been killed after it had looked further than its last checkpoint.
    ahead.append(HEALTH_LINES, [{**last, "step": 20}])
    run = pellucid.resume(tmp_path / "cut")
    assert run.folder.read(HEALTH_TABLE) == whole.folder.read(HEALTH_TABLE)
    assert run.watched == whole.watched


@pytest.mark.parametrize("harm", ["bits", "row", "deep", "empty"])
def test_damaged_rows_end_no_training(harm: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "REPORT_SECONDS", 0.0)
    job = {**QUICK, "target": "label", "network": "mlp", "steps": 30}
    with pytest.raises(Interrupted):
        pellucid.train(table, out=tmp_path, name="cut", listeners=[Ear(13)], **job)
    path = tmp_path / "cut" / HEALTH_LINES
    folder = Folder.open(tmp_path / "cut")
    if harm == "bits":
        path.write_bytes(path.read_bytes().replace(b"gradient", b"gradiemt", 1))
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        rows = folder.lines(HEALTH_LINES)
        folder.truncate_lines(HEALTH_LINES, lambda row: False)
        folder.append(HEALTH_LINES, [{"step": 1}] if harm == "row" else [{**rows[0], "tensors": {"a": [[]]}}])
    said: list[str] = []
    ear = Ear()
    ear.said = said.append  # type: ignore[method-assign]
    run = pellucid.resume(tmp_path / "cut", listeners=[ear])
    assert run.watched[0]["step"] == 13
    assert run.watched[-1]["step"] == 29
    assert any(text.startswith("health.jsonl is started again") for text in said) == (harm != "empty")


def test_a_damaged_table_is_said(table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, target="label", network="mlp", steps=3, out=tmp_path, name="run", **QUICK)
    run.folder.write(HEALTH_TABLE, b"PAR1 nothing PAR1")
    with pytest.raises(PellucidError, match="damaged"):
        _ = run.watched
    run.folder.write(HEALTH_TABLE, (tmp_path / "run" / "history.parquet").read_bytes())
    with pytest.raises(PellucidError, match="its columns are not those"):
        _ = run.watched
