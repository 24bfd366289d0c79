"""Several heads in one network: as many answers from shared hidden layers; B examples, H heads, R numbers, D width."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from test_resume import Ear, always, assert_same  # noqa: F401

import pellucid
from pellucid import PellucidClassifier
from pellucid.errors import Interrupted, PellucidError, UsageError
from pellucid.fields import input_groups
from pellucid.inputs import INPUTS
from pellucid.network import Network
from pellucid.outputs import OUTPUTS
from pellucid.planning.rules import SMALL_RECIPE, heads_for
from pellucid.runs.load import load_network
from pellucid.runs.record import read_record
from pellucid.runs.transfer import StartingRun
from pellucid.storage import Folder
from pellucid.training.loop import micro_batches
from pellucid.trunks import Dense, Features, trunk_named

N = 2600


def mixed_table(kind: str) -> pl.DataFrame:
    """Numbers, a word and a target of some kind that depends on both."""
    rng = np.random.default_rng(7)
    a, b, word = rng.normal(size=N), rng.exponential(size=N), rng.choice(["low", "mid", "high"], N)
    signal_ = a * (word == "mid") + np.sin(3 * b) + 0.3 * rng.normal(size=N)
    target: list[Any] = signal_.tolist()
    if kind == "category":
        target = np.array(["no", "maybe", "yes"])[np.digitize(signal_, [0, 0.8])].tolist()
    if kind == "labels":
        target = ["; ".join([*(["up"] if s > 0 else []), *(["far"] if abs(s) > 0.8 else [])]) or ";" for s in signal_]
    return pl.DataFrame({"a": a, "b": b, "word": word.tolist(), "target": target})


def network_and_batch(kind: str, heads: int, size: int = 48) -> tuple[Network, Any]:
    data = pellucid.read(mixed_table(kind), target="target")
    fields = data.fitted(0)
    inputs, targets = ([f for f in fields.values() if f.role == role] for role in ("input", "target"))
    layers = [INPUTS[g.kind]([fields[name] for name in g.fields]) for g in input_groups(inputs)]
    settings = {"heads": heads} if heads > 1 else {}
    net = Network(layers, Dense(24, depth=2), OUTPUTS[kind](targets, **settings), seed=3)
    # Trained a little, or every answer would be the first one.
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for p in net.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    batch = net.to_tensors(next(iter(data.batches("train", net, batch_size=size))))
    return net, batch


def each_head(net: Network, batch: Any) -> list[torch.Tensor]:
    """Each head's raw answers by a network of its own: the same layers on the vector times this head's signs."""
    found = []
    read = [layer(batch.inputs[k], batch.key).x for layer, k in zip(net.layers, net.input_keys(), strict=True)]
    vector = net.entry(torch.cat(read, -1))
    for h, signs in enumerate(net.heads.signs):
        f = net.trunk(Features(vector * signs))
        answers = net.output.answers
        rows = slice(h * answers, (h + 1) * answers)
        found.append(f.x @ net.output.layer.weight[rows].T + net.output.layer.bias[rows])
    return found


JOINED = {
    "category": lambda raw: torch.stack([one.softmax(-1) for one in raw]).mean(0).log(),
    "labels": lambda raw: torch.stack([one.sigmoid() for one in raw]).mean(0).logit(),
    "number": lambda raw: torch.stack(raw).mean(0),
}


@pytest.mark.parametrize("kind", JOINED)
@pytest.mark.parametrize("heads", [2, 8])
def test_the_answer_is_the_mean_of_what_networks_with_the_same_layers_say(kind: str, heads: int) -> None:
    net, batch = network_and_batch(kind, heads)
    with torch.no_grad():
        apart = each_head(net.eval(), batch)
        assert max((one - other).abs().max() for one in apart for other in apart) > 0.05, "the heads differ"
        torch.testing.assert_close(net(batch), JOINED[kind](apart), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", JOINED)
def test_each_head_learns_by_its_own_loss(kind: str) -> None:
    net, batch = network_and_batch(kind, 4)
    for m in net.modules():
        if hasattr(m, "p"):
            m.p = 0.0
    apart = each_head(net.train(), batch)
    losses = net.losses(batch)
    torch.testing.assert_close(losses, torch.stack([net.output.losses(one, batch) for one in apart]).mean(0))
    if kind != "number":
        together = net.output.losses(JOINED[kind](apart), batch)
        assert not torch.allclose(losses, together, atol=1e-3), "and not by the loss of their mean"
    # A head's map has gradients of its own head's loss alone.
    net.zero_grad()
    losses.sum().backward()
    own = net.output.layer.weight.grad.clone()
    net.zero_grad()
    (net.output.losses(each_head(net, batch)[2], batch).sum() / 4).backward()
    rows = slice(2 * net.output.answers, 3 * net.output.answers)
    torch.testing.assert_close(net.output.layer.weight.grad[rows], own[rows])
    assert not net.output.layer.weight.grad[: 2 * net.output.answers].any()


def test_micro_batches_change_rounding_alone() -> None:
    net, batch = network_and_batch("category", 8)
    net.train()
    batch = replace(batch, key=torch.arange(len(batch.rows)) * 7919)
    net.losses(batch).sum().backward()
    whole = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    for part in micro_batches(batch, 7):
        net.losses(part).sum().backward()
    for name, p in net.named_parameters():
        torch.testing.assert_close(p.grad, whole[name], atol=2e-4, rtol=1e-3, msg=name)


def test_a_single_head_is_the_network_it_was() -> None:
    net, _ = network_and_batch("category", 1)
    assert not any("heads" in name for name in net.state_dict())
    assert "heads" not in net.config()["output"]["settings"]
    assert net.output.layer.weight.shape == (3, 24)


def test_heads_need_a_vector() -> None:
    data = pellucid.read(mixed_table("category"), target="target")
    with pytest.raises(UsageError, match="--heads is for dense networks, not for transformer"):
        pellucid.plan(data, network="transformer", heads=4)
    assert pellucid.plan(data, network="transformer", heads=1).heads == 1
    fields = data.fitted(0)
    inputs, targets = ([f for f in fields.values() if f.role == role] for role in ("input", "target"))
    with pytest.raises(PellucidError, match="4 heads need hidden layers that read one vector"):
        Network(inputs, "transformer", OUTPUTS["category"](targets, heads=4))
    for heads in (0, 65, 10**9):
        with pytest.raises(UsageError, match=f"there can't be {heads} heads"):
            OUTPUTS["category"](targets, heads=heads)


@pytest.mark.parametrize(
    ("examples", "folds", "epochs", "network", "wanted"),
    [(2001, 0, 15.0, "dense", 8), (2000, 0, 99.0, "dense", 1), (9000, 3, 99.0, "dense", 1), (9000, 0, 14.9, "dense", 1),
     (9000, 0, float("inf"), "dense", 8), (9000, 0, 99.0, "transformer", 1)],
)  # fmt: skip
def test_when_there_are_heads(examples: int, folds: int, epochs: float, network: str, wanted: int) -> None:
    trunk = trunk_named(network)
    hints = trunk.recipe("table") | (SMALL_RECIPE if folds else {})
    assert heads_for(trunk, hints, None, examples, epochs, {}).value == wanted


def test_a_planned_network_with_heads_has_fewer_weights_than_the_usual_one() -> None:
    plan = pellucid.plan(mixed_table("category"), target="target", budget="60s")
    assert (plan.heads, plan.heads_sizes) == (8, (0, 1, 2))
    assert plan.sizes[-1] >= 3
    assert plan.inputs["number"]["bins"] == 8, "each bin is learned from enough rows"
    assert "bins" not in pellucid.plan(mixed_table("category"), target="target", network="transformer").inputs["number"]
    most = sum(p.numel() for p in Dense.of_size(plan.heads_sizes[-1]).build(1).parameters()) + 8 * 64
    assert most < sum(p.numel() for p in Dense.of_size(plan.usual).build(0).parameters())


@pytest.mark.slow
def test_too_little_time_leaves_one_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.planning.make.HEADS_EPOCHS", 1e9)
    options = {"target": "target", "reference": False, "out": tmp_path}
    run = pellucid.train(mixed_table("number"), budget="4s", **options)
    decided = {one["name"]: one for one in run.record["decisions"]}
    assert decided["heads"]["value"] == 1
    assert decided["heads"]["reason"].startswith("with 8 there is time for only")
    assert run.record["network"]["output"]["settings"].get("heads", 1) == 1
    # What is asked for is done.
    asked = pellucid.train(mixed_table("number"), budget="4s", heads=3, **options)
    assert asked.record["network"]["output"]["settings"]["heads"] == 3


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "category" else pytest.mark.slow) for kind in JOINED]
)
def test_a_run_with_heads_does_all_that_a_run_does(kind: str, tmp_path: Path) -> None:
    table = mixed_table(kind)
    options: dict[str, Any] = {"target": "target", "reference": False, "out": tmp_path}
    run = pellucid.train(table, steps=300, heads=8, name="one", **options)
    settings = run.record["network"]["output"]["settings"]
    assert settings["heads"] == 8
    assert "8 heads" in (run.path / "report.html").read_text()
    # It has learned something, loads again, and answers one by one as together.
    assert run.score.value > (0.5 if kind == "category" else 0.3)
    again = pellucid.load(run.path)
    new = table.drop("target").head(40)
    together = run.predict(new)
    assert list(again.predict(new)) == list(together)
    network = load_network(Folder.open(run.path), read_record(Folder.open(run.path)))
    assert network.heads.signs.shape[0] == 8
    # Replayed, the bytes are the same.
    replay = pellucid.train(table, like=run.path, out=tmp_path, name="again")
    assert (
        replay.path.joinpath("weights.safetensors").read_bytes()
        == run.path.joinpath("weights.safetensors").read_bytes()
    )
    # Longer.
    more = pellucid.resume(run.path, more="60steps", data=table)
    assert more.record["network"]["output"]["settings"]["heads"] == 8


@pytest.mark.slow
def test_killed_and_resumed_it_is_the_same_to_the_last_bit(tmp_path: Path, always: None) -> None:  # noqa: F811
    table = tmp_path / "t.csv"
    mixed_table("category").write_csv(table)
    options = {"target": "target", "reference": False, "out": tmp_path, "steps": 300, "heads": 5}
    whole = pellucid.train(table, name="whole", **options)
    ear = Ear(150, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        pellucid.train(table, name="cut", listeners=[ear], **options)
    cut = pellucid.resume(tmp_path / "cut")
    assert cut.record["network"]["output"]["settings"]["heads"] == 5
    assert_same(whole.path, cut.path)


@pytest.mark.slow
def test_it_starts_another_run_class_by_class(tmp_path: Path) -> None:
    table, options = mixed_table("category"), {"reference": False, "out": tmp_path, "steps": 120}
    run = pellucid.train(table, target="target", heads=8, name="first", **options)
    # Other rows, one class more, in another order.
    rng = np.random.default_rng(1)
    other = table.sample(2400, shuffle=True, seed=5).with_columns(
        target=pl.when(pl.lit(rng.random(2400) < 0.2)).then(pl.lit("alas")).otherwise("target")
    )
    second = pellucid.train(other, target="target", start=run.path, name="second", **options)
    assert second.record["network"]["output"]["settings"]["heads"] == 8
    # Copied head by head.
    start = StartingRun.of(run.path)
    before = load_network(Folder.open(run.path), read_record(Folder.open(run.path)))
    after = load_network(Folder.open(second.path), read_record(Folder.open(second.path)))
    fresh = Network.from_config(after.config(), [*after.fields], seed=9)
    start.copy_weights(fresh)
    old, new = before.output.layer.weight.view(8, 3, -1), fresh.output.layer.weight.view(8, 4, -1)
    places = {value: i for i, value in enumerate(before.output.task.values)}
    for i, value in enumerate(fresh.output.task.values):
        if value in places:
            assert torch.equal(new[:, i], old[:, places[value]]), value
    assert torch.equal(fresh.heads.signs, before.heads.signs)


@pytest.mark.slow
def test_estimators_have_heads_as_any_training() -> None:
    table = mixed_table("category")
    x, y = table.drop("target"), table["target"].to_list()
    fitted = PellucidClassifier(epochs=15).fit(x, y)
    assert fitted.run_.record["network"]["output"]["settings"]["heads"] == 8
    chance = fitted.predict_proba(x)
    assert chance.shape == (N, 3)
    np.testing.assert_allclose(chance.sum(1), 1, atol=1e-5)
    assert fitted.score(x, y) > 0.5
