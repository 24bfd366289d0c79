"""Solved parts: what a network begins with, kept once, never moved, and what the trunk adds to it."""

from __future__ import annotations

import hashlib
import pickle
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as TheirRidge
from torch import Tensor

import pellucid
from pellucid.data.batches.batch import Batch
from pellucid.errors import UsageError
from pellucid.fields import Field
from pellucid.outputs import Output
from pellucid.planning.plan import Plan
from pellucid.solved import SOLVED, SolvedPart
from pellucid.solved.base import Rows, register
from pellucid.solved.ridge import PENALTIES, solve_features, solve_rows
from pellucid.storage import Folder
from pellucid.storage.forms import FormError
from pellucid.training import loop as loops

FILE = "solved.safetensors"


# -- ridge


def problem(n: int = 40, features: int = 60, answers: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, features, generator=rng) * (1 + torch.arange(features)) + torch.arange(features)
    y = torch.randn(n, answers, generator=rng).double()
    weight = torch.rand(n, generator=rng).double() + 0.1
    return x, y, weight / weight.mean()


def chosen(index: int) -> Any:
    return lambda answers: index


@pytest.mark.parametrize("index", [4, 9, 14])
@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_is_that_of_scikit_learn(index: int, weighted: bool) -> None:
    x, y, weight = problem()
    weight = weight if weighted else torch.ones(len(x)).double()
    found = solve_rows(x, y, weight, chosen(index))
    mean = (x.double() * weight[:, None]).sum(0) / weight.sum()
    std = ((x.double() - mean).square() * weight[:, None]).sum(0).div(weight.sum()).sqrt()
    theirs = TheirRidge(alpha=PENALTIES[index] * x.shape[1], solver="cholesky")
    theirs.fit(((x.double() - mean) / std).numpy(), y.numpy(), sample_weight=weight.numpy())
    expected = theirs.predict(((x.double() - mean) / std).numpy())
    assert torch.allclose(x.double() @ found.coefficients + found.intercept, torch.from_numpy(expected), atol=1e-8)


@pytest.mark.parametrize("index", [6, 12])
def test_a_left_out_answer_is_that_of_a_model_without_the_row(index: int) -> None:
    """The features' scale alone is that of all rows: it says nothing of their targets."""
    x, y, weight = problem(25, 10)
    found = solve_rows(x, y, weight, chosen(index))
    mean = (x.double() * weight[:, None]).sum(0) / weight.sum()
    std = ((x.double() - mean).square() * weight[:, None]).sum(0).div(weight.sum()).sqrt()
    scaled = ((x.double() - mean) / std).numpy()
    for row in (0, 7, 24):
        rest = np.delete(np.arange(len(x)), row)
        theirs = TheirRidge(alpha=PENALTIES[index] * x.shape[1], solver="cholesky")
        theirs.fit(scaled[rest], y.numpy()[rest], sample_weight=weight.numpy()[rest])
        assert found.left_out[row].numpy() == pytest.approx(theirs.predict(scaled[[row]])[0], abs=1e-8)


def test_a_left_out_answer_does_not_see_its_own_label() -> None:
    x, y, weight = problem(30, 200)
    before = solve_rows(x, y, weight, chosen(8)).left_out
    other = y.clone()
    other[11] += 100
    after = solve_rows(x, other, weight, chosen(8)).left_out
    assert torch.allclose(before[11], after[11], atol=1e-6)
    assert not torch.allclose(before[12], after[12], atol=1e-3)


@pytest.mark.parametrize("cut", [7, 40, 200])
def test_many_rows_are_solved_as_few_are(cut: int) -> None:
    x, y, weight = problem(120, 15)
    # A feature that never varies, and one that is there twice.
    x[:, 3], x[:, 5] = 4.0, x[:, 6]
    whole = solve_rows(x, y, weight, chosen(7))

    def blocks() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        yield from zip(x.split(cut), y.split(cut), weight.split(cut), strict=True)

    shapes: list[tuple[int, ...]] = []

    def choose(answers: Any) -> int:
        shapes.append(tuple(torch.cat(list(answers), 1).shape))
        return 7

    pieces = solve_features(blocks, blocks, choose)
    assert shapes == [(len(PENALTIES), 120, 3)]
    assert torch.allclose(whole.left_out, pieces.left_out, atol=1e-6)
    ours, theirs = (x.double() @ one.coefficients + one.intercept for one in (whole, pieces))
    assert torch.allclose(ours, theirs, atol=1e-6)


# -- the contract, with a part for tables


class Linear(SolvedPart):
    """Ridge on the numbers of a table; ``kept`` False has it asked in every batch."""

    name = "straight lines"
    settings: ClassVar[Mapping[str, Any]] = {"seed": 0}
    kept: ClassVar[bool] = True
    solved_times: ClassVar[int] = 0

    coefficients: Tensor
    intercept: Tensor

    def __init__(self, inputs: Sequence[Field], targets: Sequence[Field], **settings: Any):
        super().__init__(inputs, targets, **settings)
        self.register_buffer("coefficients", torch.zeros(len(inputs), self.answers))
        self.register_buffer("intercept", torch.zeros(self.answers))
        self.register_buffer("shift", torch.zeros(1))

    @classmethod
    def suits(cls, inputs: Sequence[Field], targets: Sequence[Field], output: type[Output]) -> str | None:
        return "numbers alone" if all(field.traits.amount for field in inputs) else None

    @classmethod
    def settings_for(cls, rows: int, seed: int) -> dict[str, Any]:
        return {"seed": seed}

    def solve(self, rows: Rows, train: np.ndarray, others: np.ndarray, **how: Any) -> Tensor | None:
        assert np.isin(how["validation"], others).all()
        true = rows.targets(how["validation"])
        ideal = torch.nn.functional.one_hot(true.long(), self.answers).float() if self.classes else true
        assert how["error"](ideal, true) < how["error"](-ideal, true), "lower is better"
        type(self).solved_times += 1
        x = torch.cat([rows.batch(torch.from_numpy(train)).inputs["number"]])
        y = rows.targets(train)
        y = torch.nn.functional.one_hot(y.long(), self.answers).double() if self.classes else y.double()
        found = solve_rows(x, y, torch.ones(len(x)).double(), chosen(6))
        scale = 5.0 if self.classes else 1.0
        self.coefficients.copy_(found.coefficients * scale)
        self.intercept.copy_(found.intercept * scale)
        self.shift.fill_(0.25)
        left_out = scale * found.left_out.float()
        rest = self.eval()(rows.batch(torch.from_numpy(others)))
        return torch.cat([left_out, rest]) if self.kept else None

    def facts(self) -> dict[str, Any]:
        return {"penalty": 1e-3}

    def check_values(self, tensors: Mapping[str, np.ndarray]) -> None:
        if not (tensors["shift"] >= 0).all():
            raise FormError("shift is below 0")

    def forward(self, batch: Batch) -> Tensor:
        raw = batch.inputs["number"] @ self.coefficients + self.intercept  # type: ignore[operator]
        # What it says while it trains can be told apart.
        return raw + self.shift * torch.arange(self.answers) if self.training and not self.kept else raw


class Killed(BaseException):
    """As if the process had ended here."""


@contextmanager
def killed_after(step: int) -> Iterator[None]:
    """A context in which a training ends without warning once so many steps were made; a checkpoint after each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "REPORT_SECONDS", 0.0)
        patch.setattr(loops, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(loops, "CHECKPOINT_SHARE", 1e9)
        real = loops.Loop.train_step

        def step_or_end(self: Any, *arguments: Any) -> Any:
            if self.state.step == step and self.state.best_row:
                raise Killed
            return real(self, *arguments)

        patch.setattr(loops.Loop, "train_step", step_or_end)
        yield


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> type[Linear]:
    monkeypatch.setitem(SOLVED, "straight lines", Linear)
    monkeypatch.setattr(Linear, "solved_times", 0)
    return Linear


def rows_of_two(n: int = 400, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    on = x @ [1.0, -1.0, 0.5, 0.0] + np.sin(3 * x[:, 3]) + 0.3 * rng.normal(size=n)
    return {**{f"x{i}": x[:, i] for i in range(4)}, "y": np.where(on > 0, "up", "down"), "z": on}


def trained(tmp_path: Path, name: str = "one", target: str = "y", **options: Any) -> pellucid.Run:
    other = {"y": "z", "z": "y"}[target]
    given = {"steps": 40, "size": 0, "network": "mlp", "out": str(tmp_path), "name": name, **options}
    return pellucid.train(rows_of_two(), target=target, ignore=[other], **given)


def file_digests(run: pellucid.Run) -> list[str]:
    return [hashlib.sha256((run.path / name).read_bytes()).hexdigest() for name in ("weights.safetensors", FILE)]


@pytest.mark.parametrize("target", ["y", "z"])
def test_step_0_is_the_solved_part(lines: type[Linear], tmp_path: Path, target: str) -> None:
    run = trained(tmp_path, target=target)
    assert run.plan.solved == "straight lines"
    assert lines.solved_times == 1
    first, kept = run.history[0], run.record["solved"]
    assert first["step"] == 0
    assert first["validation_loss"] == pytest.approx(kept["validation_loss"], rel=1e-5)
    assert first[run.score.metric] == pytest.approx(kept["validation"], rel=1e-5)
    assert kept["score"]["value"] > 0.5
    assert run.say_added().startswith("The trunk ")


def test_training_rows_see_it_left_out_and_others_as_it_answers(lines: type[Linear], tmp_path: Path) -> None:
    run = trained(tmp_path)
    kept = run.folder.load_tensors(FILE)[0]
    data = pellucid.read(rows_of_two(), target="y", ignore=["z"])
    split = data.split(0)
    wanted = np.concatenate([split.train, split.validation, split.test])
    assert np.array_equal(kept["rows"], wanted)
    plain = {name: value for name, value in kept.items() if name not in ("rows", "answers")}
    assert set(plain) == {"coefficients", "intercept", "shift"}
    encoded = np.stack([np.asarray(data.encoded_values(f.name, f)) for f in run.fields], 1)
    said = encoded @ plain["coefficients"] + plain["intercept"]
    n = len(split.train)
    assert np.allclose(kept["answers"][n:], said[wanted[n:]], atol=1e-5)
    assert not np.allclose(kept["answers"][:n], said[wanted[:n]], atol=1e-5), "left out, they differ"
    assert np.allclose(kept["answers"][:n], said[wanted[:n]], atol=0.5)


def test_it_is_kept_once(lines: type[Linear], tmp_path: Path) -> None:
    run = trained(tmp_path)
    assert not any(name.startswith("solved.") for name in run.folder.load_tensors("weights.safetensors")[0])
    _, tensors, _, _ = run.folder.load_checkpoint()
    assert not any("solved" in name for name in tensors)
    assert not any(name.startswith("solved") for name, _ in run.network.named_parameters())
    assert "added: straight lines, solved" in [stage.name for stage in network_stages(run)]


def network_stages(run: pellucid.Run) -> list[Any]:
    data = pellucid.read(rows_of_two(), target="y", ignore=["z"])
    return run.network.trace(next(data.batches("train", run.network)))


def test_a_loaded_run_answers_as_the_one_that_was_trained(lines: type[Linear], tmp_path: Path) -> None:
    run = trained(tmp_path)
    new = {name: values[:50] for name, values in rows_of_two(seed=9).items() if name.startswith("x")}
    there = [one["probabilities"]["up"] for one in run.predict(new)]
    again = pellucid.load(run.path)
    assert again.damage == []
    assert [one["probabilities"]["up"] for one in again.predict(new)] == there
    assert again.say_added() == run.say_added() != ""
    copied = pickle.loads(pickle.dumps(run))
    assert [one["probabilities"]["up"] for one in copied.predict(new)] == pytest.approx(there)
    moved = run.save(tmp_path / "moved")
    assert [one["probabilities"]["up"] for one in moved.predict(new)] == there
    plain = pellucid.train(rows_of_two(), target="y", ignore=["z"], steps=10, size=0, network="mlp", save=False)
    assert plain.say_added()
    assert len(plain.predict(new)) == 50


def test_killed_and_resumed_is_the_same_to_the_last_bit(lines: type[Linear], tmp_path: Path) -> None:
    whole = trained(tmp_path, "whole")
    data = pellucid.read(rows_of_two(), target="y", ignore=["z"])
    for step in (0, 17):
        with pytest.raises(Killed), killed_after(step):
            trained(tmp_path, f"cut{step}")
        lines.solved_times = 0
        resumed = pellucid.resume(tmp_path / f"cut{step}", data=data)
        assert file_digests(resumed) == file_digests(whole)
        assert lines.solved_times == 0, "it is read back rather than solved again"
        assert resumed.record["solved"]["ahead"] == whole.record["solved"]["ahead"]


def test_a_replay_is_the_same_to_the_last_bit(lines: type[Linear], tmp_path: Path) -> None:
    run = trained(tmp_path)
    data = pellucid.read(rows_of_two(), target="y", ignore=["z"])
    again = pellucid.train(data, like=run.path, out=str(tmp_path), name="again")
    assert file_digests(again) == file_digests(run)
    longer = pellucid.resume(again.path, more="20steps", data=data)
    assert longer.record["steps"] == 60


@pytest.mark.slow
def test_a_run_can_start_from_one_with_a_solved_part(lines: type[Linear], tmp_path: Path) -> None:
    run = trained(tmp_path)
    other = rows_of_two(seed=3)
    started = pellucid.train(other, target="y", ignore=["z"], start=run.path, steps=10, out=str(tmp_path), name="b")
    assert lines.solved_times == 2, "it is solved anew on the new data"
    assert started.score.value > 0.7
    without = pellucid.train(
        other, target="y", ignore=["z"], start=run.path, steps=10, out=str(tmp_path), name="c", solved=False
    )
    assert without.network.solved is None


def test_the_trunk_is_kept_only_where_validation_is_sure_of_it(lines: type[Linear], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    table = {**{f"x{i}": x[:, i] for i in range(3)}, "z": x[:, 0] + 0.5 * rng.normal(size=300)}
    straight = pellucid.train(table, target="z", steps=60, network="mlp", size=0, out=str(tmp_path), name="straight")
    assert straight.record["chosen"]["weights"] == "the straight lines alone"
    assert straight.record["solved"]["ahead"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert straight.say_added() == "The trunk changed nothing."
    bent = {**table, "z": 3 * np.abs(x[:, 0]) + x[:, 1] + 0.1 * rng.normal(size=300)}
    more = pellucid.train(bent, target="z", steps=400, network="mlp", size=1, out=str(tmp_path), name="bent")
    assert more.record["chosen"]["weights"] != "the straight lines alone"
    assert more.record["solved"]["ahead"]["low"] > 0.1
    assert more.say_added().startswith("The trunk added 0.")


def test_no_solved_trains_the_trunk_alone(lines: type[Linear], tmp_path: Path) -> None:
    run = trained(tmp_path, solved=False)
    assert run.plan.solved is None
    assert run.network.solved is None
    assert run.history[0]["step"] > 0
    assert "solved" not in run.record
    assert not (run.path / FILE).exists()
    assert run.say_added() == ""
    assert ("solved part", "none", "as asked; the usual one is straight lines") in run.plan.lines()


def test_a_plan_from_before_has_none(tmp_path: Path) -> None:
    run = trained(tmp_path)
    old = {name: value for name, value in run.plan.to_json().items() if name != "solved"}
    assert Plan.from_json(old).solved is None
    assert "solved" not in run.record["network"]


def test_one_that_keeps_no_answers_is_asked_in_every_batch(
    lines: type[Linear], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "kept", False)
    asked: list[tuple[bool, int]] = []
    forward = lines.forward

    def noted(self: Linear, batch: Batch) -> Tensor:
        asked.append((self.training, len(batch.rows)))
        return forward(self, batch)

    monkeypatch.setattr(lines, "forward", noted)
    run = trained(tmp_path)
    assert {training for training, _ in asked} == {True, False}
    assert set(run.folder.load_tensors(FILE)[0]) == {"coefficients", "intercept", "shift"}
    assert run.history[0]["validation_loss"] == pytest.approx(run.record["solved"]["validation_loss"], rel=1e-5)
    data = pellucid.read(rows_of_two(), target="y", ignore=["z"])
    again = pellucid.train(data, like=run.path, out=str(tmp_path), name="again")
    assert file_digests(again) == file_digests(run)


def test_options_that_do_not_go_together(lines: type[Linear], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--solved and --heads can't go together"):
        trained(tmp_path, solved=True, heads=4)
    with pytest.raises(UsageError, match="--solved and --folds can't go together"):
        trained(tmp_path, solved=True, folds=3)
    assert trained(tmp_path, heads=4).network.solved is None


def test_asked_for_where_none_suits() -> None:
    with pytest.raises(UsageError, match="there is no solved part for"):
        pellucid.plan({"t": ["a b", "c d"] * 20, "y": ["a", "b"] * 20}, target="y", solved=True)


@pytest.mark.parametrize("harm", ["missing", "cut", "other shape", "not finite", "no rows", "another name"])
def test_a_damaged_file_is_said(lines: type[Linear], tmp_path: Path, harm: str) -> None:
    run = trained(tmp_path)
    tensors, meta = run.folder.load_tensors(FILE)
    path = run.path / FILE
    if harm == "missing":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        if harm == "other shape":
            tensors["intercept"] = np.zeros(7, np.float32)
        elif harm == "not finite":
            tensors["coefficients"] = np.full_like(tensors["coefficients"], np.nan)
        elif harm == "no rows":
            del tensors["rows"]
        else:
            tensors["more"] = tensors.pop("intercept")
        run.folder.save_tensors(FILE, tensors, meta)
    with pytest.raises(pellucid.PellucidError, match=r"missing|damaged|not this network's"):
        pellucid.load(run.path)
    shutil.rmtree(run.path)


def test_values_that_no_solving_gives_are_refused(lines: type[Linear], tmp_path: Path) -> None:
    trained(tmp_path)
    data = pellucid.read(rows_of_two(), target="y", ignore=["z"])
    with pytest.raises(Killed), killed_after(17):
        trained(tmp_path, "cut")
    for name, open_run in (("one", pellucid.load), ("cut", lambda path: pellucid.resume(path, data=data))):
        folder = Folder(tmp_path / name)
        tensors, meta = folder.load_tensors(FILE)
        folder.save_tensors(FILE, {**tensors, "shift": -tensors["shift"]}, meta)
        with pytest.raises(pellucid.PellucidError, match=r"it is damaged \(shift is below 0\)") as error:
            open_run(folder.path)
        assert FILE in str(error.value)


def test_two_parts_of_one_name_are_refused(lines: type[Linear]) -> None:
    with pytest.raises(ValueError, match="two solved parts are called"):
        register(Linear)
