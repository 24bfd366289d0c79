"""Small tables: cross-validation finds how long to train."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as nnf

import pellucid
from pellucid.data.splits.stratify import stratified_folds
from pellucid.errors import Interrupted
from pellucid.estimators import PellucidClassifier
from pellucid.outputs import OUTPUTS
from pellucid.tuning import cross_validation as rehearsal
from pellucid.tuning import fold_networks as folds
from pellucid.tuning.cross_validation import MARKS, best_of, smooth_costs


def noisy(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that the first of 10 columns tells apart four times out of five."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    return x, np.where((x[:, 0] > 0) ^ (rng.random(n) < 0.2), "yes", "no")


def table(n: int = 120) -> dict[str, list]:
    x, y = noisy(n)
    return {f"c{i}": x[:, i].tolist() for i in range(10)} | {"label": y.tolist()}


def test_parts_are_disjoint_whole_and_even():
    classes = np.array([0] * 33 + [1] * 17)
    rows = np.arange(50) * 3
    parts = stratified_folds(rows, 5, seed=1, classes=classes)
    assert sorted(np.concatenate(parts).tolist()) == rows.tolist()
    assert [len(p) for p in parts] == [10] * 5
    assert all(3 <= (classes[p // 3] == 1).sum() <= 4 for p in parts)


def test_no_answer_comes_from_a_network_that_saw_the_example(monkeypatch):
    """Every network is fitted and trained on other rows than those it answers."""
    seen: list[tuple[set[int], set[int]]] = []
    usual = folds.Fold.__init__

    def watched(self, cast, rows, held, recipe, seed):
        seen.append((set(rows.tolist()), set(held.tolist())))
        usual(self, cast, rows, held, recipe, seed)

    monkeypatch.setattr(folds.Fold, "__init__", watched)
    run = PellucidClassifier(random_state=0).fit(*noisy()).run_
    assert len(seen) == 5
    assert all(not learned & held for learned, held in seen)
    assert set().union(*(held for _, held in seen)) == set(range(120))
    assert run.record["plan"]["folds"] == 5


@pytest.mark.slow
def test_noise_is_learned_for_a_short_time():
    steps = {}
    for name, flip in (("noise", 0.3), ("clean", 0.0)):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(160, 3))
        data = {f"c{i}": x[:, i] for i in range(3)} | {
            "y": ((abs(x[:, 0]) > 0.7) ^ (rng.random(160) < flip)).astype(str)
        }
        run = pellucid.train(pellucid.read(data, target="y", cache=False), save=False, folds=2, steps=280)
        steps[name] = run.record["steps"]
    assert steps["noise"] < steps["clean"]


def test_the_score_of_a_fit_on_all_rows_is_the_cross_validations():
    x, y = noisy(200)
    fitted = PellucidClassifier().fit(x, y)
    assert 0.6 < fitted.run_.score.value < 0.95, "a score on rows that were learned from would be near 1"
    assert fitted.run_.score.n == 200


@pytest.mark.slow
def test_twice_gives_the_same():
    x, y = noisy()
    first, second = (PellucidClassifier().fit(x, y).predict_proba(x) for _ in range(2))
    assert (first == second).all()


def test_numbers_too():
    x, _ = noisy(90)
    y = 3 * x[:, 0] - x[:, 1] + 10
    data = {f"c{i}": x[:, i] for i in range(10)} | {"y": y}
    run = pellucid.train(pellucid.read(data, target="y", cache=False), save=False, folds=2, steps=150)
    assert 0.5 < run.score.value < 1
    assert run.record["steps"] in {min(round(1.3 * mark), 150) for mark in MARKS}


def test_a_run_on_a_small_table_says_what_it_did_and_replays(tmp_path):
    data = pellucid.read(table(), target="label", cache=False)
    run = pellucid.train(data, folds=3, steps=100, out=str(tmp_path), name="a", reference=False)
    made = {d["name"]: d["value"] for d in run.record["decisions"]}
    assert run.record["steps"] == min(round(1.3 * made["rehearsal"]), 100)
    assert run.record["chosen"]["weights"] == "the average"
    again = pellucid.train(data, like=run.path, name="b")
    assert all(torch.equal(v, again.network.state_dict()[k]) for k, v in run.network.state_dict().items())
    assert again.validation == run.validation
    longer = pellucid.resume(run.path, more="5 steps", data=data)
    assert longer.record["steps"] == run.record["steps"] + 5


class Stop(pellucid.Listener):
    """Asks to stop, by a signal, after a step."""

    def __init__(self, step: int):
        self.step = step

    def evaluated(self, row: Mapping[str, Any]) -> None:
        if row["step"] >= self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_what_was_rehearsed_is_not_for_a_longer_training(tmp_path):
    data = pellucid.read(table(), target="label", cache=False)
    options = {"folds": 2, "steps": 60, "reference": False, "out": str(tmp_path)}
    whole, cut = (pellucid.train(data, name=name, **options) for name in ("whole", "cut"))
    assert whole.folder.exists("rehearsal.safetensors")
    pellucid.resume(whole.path, more="6 steps", data=data)
    with pytest.raises(Interrupted):
        pellucid.resume(cut.path, more="6 steps", data=data, listeners=[Stop(cut.record["steps"] + 1)])
    pellucid.resume(cut.path, data=data)
    again = pellucid.train(data, like=whole.path, name="again")
    longer = pellucid.load(whole.path)
    for other in (pellucid.load(cut.path), again):
        assert other.record["chosen"] == longer.record["chosen"]
        assert other.validation == longer.validation
        assert other.record["score"] == longer.record["score"]
    for run in (longer, pellucid.load(cut.path)):
        assert not run.folder.exists("rehearsal.safetensors")
        assert "rehearsal.safetensors" not in run.folder.names()
        assert run.damage == []


def test_it_is_planned_for_small_tables_alone():
    small = pellucid.plan(pellucid.read(table(), target="label", cache=False))
    assert small.folds == 5
    assert (small.norm, small.recipe.matrix_lr) == (False, 0.0)
    other = pellucid.plan(pellucid.read(table(), target="label", cache=False), network="transformer")
    assert other.norm is None
    assert other.recipe.matrix_lr > 0, "what was found for the dense network says nothing of others"
    large = pellucid.plan(pellucid.read(table(3000), target="label", cache=False))
    assert large.folds == 0
    asked = pellucid.plan(pellucid.read(table(), target="label", cache=False), steps=50)
    assert asked.folds == 0, "who asks for 50 steps gets 50"


def test_a_small_tables_network_is_not_normalised():
    run = PellucidClassifier(steps=1).fit(*noisy(60)).run_
    assert run.network.trunk.config()["norm"] is True, "asked-for steps are not rehearsed"
    run = pellucid.train(pellucid.read(table(60), target="label", cache=False), save=False, folds=2, steps=24)
    assert run.network.trunk.config()["norm"] is False
    assert list(run.network.trunk.stages) == ["layer1", "layer2"]


def test_one_fold_is_refused():
    with pytest.raises(pellucid.PellucidError, match="left out in turn"):
        pellucid.plan(table(), target="label", folds=1)


def test_what_a_fit_on_all_rows_says_of_itself_is_read_back(tmp_path):
    import pickle

    x, y = noisy(60)
    fitted = PellucidClassifier().fit(x, y)
    assert fitted.run_.scored_on == "cross-validation"
    assert (pickle.loads(pickle.dumps(fitted)).predict(x) == fitted.predict(x)).all()
    assert pellucid.load(fitted.run_.save(tmp_path / "kept").path).score == fitted.run_.score


def test_no_more_steps_than_were_asked_for():
    data = pellucid.read(table(), target="label", cache=False)
    run = pellucid.train(data, save=False, folds=2, steps=24)
    assert run.record["steps"] <= 24


def test_rows_of_one_group_are_not_parted_at_random():
    grouped = table() | {"patient": [f"p{i // 4}" for i in range(120)]}
    assert pellucid.plan(pellucid.read(grouped, target="label", split="group:patient", cache=False)).folds == 0


def test_errors_cost_more_than_doubts():
    run = PellucidClassifier(steps=1).fit(*noisy(40)).run_
    raw = torch.tensor([[2.0, 0.0], [0.1, 0.0], [0.0, 9.0]])
    sure, unsure, wrong = run.network.output.selection_losses(raw, torch.zeros(3)).tolist()
    assert sure < unsure < 0.1
    assert 1 < wrong < 2


@pytest.mark.parametrize("task", ["category", "number", "gaps"])
def test_together_they_are_what_each_would_be_alone(task, monkeypatch, tmp_path):
    """The same draws, the same dropout, the same steps: only sums are rounded otherwise."""
    x, y = noisy(150)
    if task == "gaps":
        x[::7, 2] = np.nan
    data = {f"c{i}": x[:, i] for i in range(10)} | {"y": 3 * x[:, 0] + x[:, 3] if task == "number" else y}
    data = pellucid.read(data, target="y", cache=False)
    found = {}
    for way, no_longer in (("together", folds.FoldsInTurn), ("apart", folds.StackedFolds)):
        monkeypatch.setattr(
            rehearsal, "can_be_together", folds.can_be_together if way == "together" else lambda f: False
        )
        with monkeypatch.context() as watched:
            watched.setattr(no_longer, "train_to", None)  # the other way would fail
            run = pellucid.train(data, out=str(tmp_path), name=way, steps=70, folds=3, reference=False)
        found[way] = rehearsal.CrossValidation.of(run.folder)
    assert found["together"].mark == found["apart"].mark
    assert torch.allclose(found["together"].raw, found["apart"].raw, atol=1e-4)


@pytest.mark.parametrize("ill", [torch.nan, torch.inf])
def test_what_is_not_finite_in_one_network_stays_out_of_all(ill, monkeypatch):
    """Together they share every step; a loss that is no number costs one of them a step, and the others nothing."""
    x, y = noisy(90)
    data = pellucid.read({f"c{i}": x[:, i] for i in range(10)} | {"y": y}, target="y", cache=False)
    real, found = folds.StackedFolds.losses, {}
    for name, sick in (("well", []), ("ill", [3, 4, 11])):

        def losses(self, rows, keys, sick=sick):
            each = real(self, rows, keys)
            return each * torch.tensor([1.0, ill, 1.0]) if self.step in sick else each

        with monkeypatch.context() as patched:
            patched.setattr(folds.StackedFolds, "losses", losses)
            patched.setattr(rehearsal.StackedFolds, "predict_left_out", keeping(found, name))
            pellucid.train(data, save=False, steps=24, folds=3)
    assert found["well"].keys() == found["ill"].keys()
    for name, values in found["ill"].items():
        assert torch.isfinite(values).all()
        assert torch.equal(values[[0, 2]], found["well"][name][[0, 2]])
    assert any(not torch.equal(values[1], found["well"][name][1]) for name, values in found["ill"].items())


def keeping(found, name):
    real = folds.StackedFolds.predict_left_out

    def answers(self):
        found[name] = {n: p.detach().clone() for n, p in self.weights.items()}
        return real(self)

    return answers


def test_networks_that_differ_in_shape_are_trained_apart(monkeypatch):
    """A value that one part alone holds is a row of the others' tables less."""
    x, y = noisy(60)
    data = {"x": x[:, 0], "kind": [["a", "b", "c"][i % 3] if i else "once" for i in range(60)], "y": y}
    monkeypatch.setattr(folds.StackedFolds, "train_to", None)
    run = pellucid.train(pellucid.read(data, target="y", cache=False), save=False, steps=24, folds=3)
    assert run.record["steps"] == 24


def test_neighbouring_marks_are_taken_together():
    assert smooth_costs([4.0, 0.0, 8.0]).tolist() == [3.0, 3.0, 6.0]
    assert smooth_costs([5.0]).tolist() == [5.0]


def test_a_handful_of_rows_is_trained_without():
    few = pellucid.read(table(10), target="label", split="50,20,30", cache=False)
    assert pellucid.plan(few).folds == 0
    with pytest.raises(pellucid.PellucidError, match="too few for --folds"):
        pellucid.plan(few, folds=3)


def test_folds_do_not_part_a_group():
    grouped = pellucid.read(
        table() | {"patient": [f"p{i // 4}" for i in range(120)]}, target="label", split="group:patient", cache=False
    )
    with pytest.raises(pellucid.PellucidError, match="those of one group must stay together"):
        pellucid.plan(grouped, folds=3)
    assert pellucid.plan(grouped, folds=0).folds == 0


def test_photos_keep_their_recipe(photos):
    data = pellucid.read(photos, cache=False)
    usual, folded = pellucid.plan(data), pellucid.plan(data, folds=2)
    assert folded.folds == 2
    assert (folded.sizes, folded.dropout) == (usual.sizes, usual.dropout)


def test_of_two_marks_that_cost_the_same_the_later_is_taken():
    assert best_of([0.5] * 6, 0.01) == 5
    assert best_of([0.5, 0.3, 0.1, 0.1, 0.1, 0.3, 0.5], 0.01) == 3
    assert best_of([0.1, 0.1, 0.2, 0.3, 0.4], 0.01) == 0
    assert best_of([0.1, 0.1, 0.1015]) == 0
    assert best_of([0.1, 0.1, 0.1015], 0.01) == 2


def rare_output(share: float, n: int = 400) -> tuple[Any, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(5)
    label = np.where(np.arange(n) < share * n, "sick", "well")
    data = pellucid.read(pl.DataFrame({"x": rng.normal(size=n), "y": label.tolist()}), target="y")
    output = OUTPUTS["category"]([data.fitted(0)["y"]])
    true = torch.from_numpy((label == "well").astype(np.int64))
    raw = torch.from_numpy(rng.normal(size=(n, 2))).float() * 6 + torch.nn.functional.one_hot(true, 2) * 9
    return output, raw, true


@pytest.mark.parametrize(("share", "rare"), [(0.04, True), (0.097, True), (0.1, False), (0.5, False)])
def test_where_a_class_is_rare_calibrated_losses_decide(share: float, rare: bool) -> None:
    output, raw, true = rare_output(share)
    found = output.calibrated_losses(raw, true)
    assert (found is not None) == rare
    if found is not None:
        # No temperature does better but for the prior, which 400 examples outweigh; none at all does worse.
        best = min(float(nnf.cross_entropy(raw.double() / t, true)) for t in np.exp(np.linspace(-2, 2, 200)))
        assert best - 1e-9 <= float(found.mean()) <= best + 0.002
        assert float(found.mean()) < float(nnf.cross_entropy(raw.double(), true)) - 0.01


def test_a_longer_training_that_is_only_surer_of_its_errors_does_not_cost_more_where_a_class_is_rare() -> None:
    output, raw, true = rare_output(0.05)
    one, other = (output.calibrated_losses(raw * factor, true) for factor in (1.0, 1.7))
    assert float(one.mean()) == pytest.approx(float(other.mean()), abs=2e-3)


@pytest.mark.parametrize(("counts", "rare"), [([98] * 9 + [97], False), ([100] * 9 + [40], True), ([60, 30, 9], True)])
def test_a_class_among_many_is_not_rare_for_that(counts: list[int], rare: bool) -> None:
    label = [f"class {i}" for i, count in enumerate(counts) for _ in range(count)]
    table = pl.DataFrame({"x": np.random.default_rng(0).normal(size=len(label)), "y": label})
    output = OUTPUTS["category"]([pellucid.read(table, target="y").fitted(0)["y"]])
    true = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
    found = output.calibrated_losses(torch.randn(len(label), len(counts)), true)
    assert (found is not None) == rare


def test_a_number_has_no_calibrated_losses() -> None:
    data = pellucid.read(pl.DataFrame({"x": [1.0, 2, 3, 4] * 10, "y": [1.5, 2.5, 0.5, 9.5] * 10}), target="y")
    output = OUTPUTS["number"]([data.fitted(0)["y"]])
    assert output.calibrated_losses(torch.zeros(4, 1), torch.zeros(4, 1)) is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_rare_classs_loss_is_not_finite_where_an_answer_is_not(value: float) -> None:
    table = pl.DataFrame({"x": np.random.default_rng(1).normal(size=200), "y": ["no"] * 195 + ["yes"] * 5})
    target = pellucid.read(table, target="y").fitted(0)["y"]
    output = OUTPUTS["category"]([target])
    raw, true = torch.zeros(100, 2), torch.zeros(100)
    true[:3] = 1
    assert output.calibrated_losses(raw, true).isfinite().all()
    raw[40, 1] = value
    # Not None: the search ends, and how its marks are judged stays what it was.
    assert output.calibrated_losses(raw, true).isnan().all()
