"""Heads in runs of every sort: half precision, trunks of one's own, other runs' weights, little time, weights, text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from test_heads import JOINED, each_head, mixed_table, network_and_batch
from torch import nn

import pellucid
from pellucid.data.batches.batch import Batch
from pellucid.errors import UsageError
from pellucid.runs import network_size
from pellucid.runs.record import PLAN, check_decision
from pellucid.runs.train import Trainer
from pellucid.runs.transfer import StartingRun
from pellucid.storage import forms
from pellucid.trunks import Dense, Features
from pellucid.trunks.layers import HeadSigns
from pellucid.tuning import cross_validation
from pellucid.tuning.cross_validation import CrossValidation
from pellucid.tuning.sizing import Timing

QUICK: dict[str, Any] = {"target": "target", "reference": False}


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("heads", [1, 8])
@pytest.mark.parametrize("kind", JOINED)
def test_answers_have_full_precision_where_the_trunk_has_half(kind: str, heads: int) -> None:
    net, batch = network_and_batch(kind, heads)
    net.eval()
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            f, found = net.output_input(batch), net(batch)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, net.output(f.with_(x=f.x.float()), batch), atol=0, rtol=0)


@pytest.mark.parametrize("heads", [1, 3])
def test_answers_have_full_precision_where_the_trunk_returns_it(heads: int) -> None:
    # As on a GPU, where a normalisation that ends a trunk returns float32 under autocast.
    net, batch = network_and_batch("number", heads)
    net.eval()
    f = net.output_input(batch)
    f = f.with_(x=f.x.detach().float())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(net.answer(batch, f), net.output(f, batch).float(), atol=0.05, rtol=0.05)
        assert net.answer(batch, f).dtype == torch.float32
    with torch.no_grad():
        exact = net.output(f, batch)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net.answer(batch, f), exact)


@pytest.mark.parametrize("kind", JOINED)
def test_an_example_counts_by_its_weight_in_every_head(kind: str) -> None:
    net, batch = network_and_batch(kind, 4)
    net.train()
    plain = net.losses(batch)
    weight = torch.linspace(0, 3, len(plain))
    torch.testing.assert_close(net.losses(replace(batch, weight=weight)), plain * weight)
    # Left out, it teaches no head anything.
    net.zero_grad()
    net.losses(replace(batch, weight=torch.zeros(len(plain)))).sum().backward()
    assert not net.output.layer.weight.grad.any()
    assert not net.heads.signs.grad.any()


def test_dropout_differs_from_head_to_head() -> None:
    net, batch = network_and_batch("category", 4)
    net.train()
    with torch.no_grad():
        net.heads.signs.copy_(net.heads.signs[:1].expand(4, -1))
        net.output.layer.weight.copy_(net.output.layer.weight[:3].repeat(4, 1))
        net.output.layer.bias.zero_()
        keyed = replace(batch, key=torch.arange(len(batch.rows)) * 7919)
        raw = net(keyed)
    assert (raw[:, 0] - raw[:, 1]).abs().max() > 1e-3


# ---------------------------------------------------------------- trunks of one's own


class Mixing(nn.Module):
    """Normalises over the batch, and would mix whatever lies along an axis of positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, width), nn.BatchNorm1d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.ndim == 2, "it reads (B, width)"
        return self.norm(self.linear(x)).relu()


def test_a_trunk_of_ones_own_reads_each_head_as_an_example(tmp_path: Path) -> None:
    table = mixed_table("category")
    trunk = pellucid.Custom(Mixing(16), width=16, reads=(0,))
    run = pellucid.train(table, network=trunk, heads=4, steps=150, out=tmp_path, name="own", **QUICK)
    plan = {c.name: (c.value, c.reason) for c in run.plan.choices}
    assert plan["size"] == ("its own", "custom trunk")
    assert plan["heads"] == (4, "as asked")
    assert run.score.value > 0.5
    again = pellucid.load(run.path, trunk=pellucid.Custom(Mixing(16), width=16, reads=(0,)))
    assert list(again.predict(table.head(9))) == list(run.predict(table.head(9)))


def test_it_answers_as_networks_of_a_single_head_would() -> None:
    data = pellucid.read(mixed_table("category"), target="target")
    fields = data.fitted(0)
    inputs, target = [f for f in fields.values() if f.role == "input"], fields["target"]
    output = type(pellucid.Network(inputs, "mlp", target).output)([target], heads=3)
    net = pellucid.Network(inputs, pellucid.Custom(Mixing(12), width=12, reads=(0,)), output, seed=1)
    batch = net.to_tensors(next(iter(data.batches("train", net, batch_size=32))))
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(net(batch), JOINED["category"](each_head(net, batch)), atol=1e-5, rtol=1e-5)
        assert net.train()(batch).shape == (32, 3, 3)
    assert [(one.name, one.gives) for one in net.trace(batch)][-3:] == [
        ("3 heads", (3, 12)), ("module", (12,)), ("output: target (category)", (3,))
    ]  # fmt: skip


def test_examples_of_heads_have_keys_of_their_own() -> None:
    signs = HeadSigns(5, 3)
    x, key = torch.randn(4, 5), torch.arange(4)
    f = signs.as_examples(Features(signs(x), key=key))
    assert f.x.shape == (12, 5)
    torch.testing.assert_close(f.x[1 * 3 + 2], x[1] * signs.signs[2])
    assert len(set(f.key.tolist())) == 12
    assert torch.equal(signs.as_examples(Features(signs(x[1:]), key=key[1:])).key, f.key[3:])
    assert signs.as_examples(Features(signs(x))).key is None


def test_one_that_reads_positions_is_told_before_anything_is_written(tmp_path: Path) -> None:
    trunk = pellucid.Custom(nn.Linear(8, 8), width=8)
    with pytest.raises(UsageError, match="--heads is for dense networks, not for custom") as error:
        pellucid.train(mixed_table("number"), network=trunk, heads=4, steps=5, out=tmp_path, **QUICK)
    assert "reads=(0,)" in error.value.fix
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- from another run


@pytest.mark.slow
@pytest.mark.parametrize("heads", [None, 1, 4])
def test_a_larger_tables_weights_start_a_smaller_ones(heads: int | None, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(12_000, 2))
    large = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "target": np.sin(2 * x[:, 0]) * x[:, 1]})
    first = pellucid.train(large, steps=30, heads=8, out=tmp_path, name="large", **QUICK)
    small = large.head(3000)
    options: dict[str, Any] = {"steps": 10, "start": first.path, **({"heads": heads} if heads else {})}
    alone = pellucid.plan(small, heads=8, steps=10, **QUICK)
    assert alone.inputs["number"]["bins"] != first.plan.inputs["number"]["bins"]
    plan = pellucid.plan(small, **options, **QUICK)
    assert plan.inputs["number"] == {"embedding": 8, **first.plan.inputs["number"]}
    assert {c.name: c.value for c in plan.choices}["size"] == "its own"
    run = pellucid.train(small, out=tmp_path, name="small", **options, **QUICK)
    assert run.record["network"]["output"]["settings"].get("heads", 1) == (heads or 8)
    fresh = run.network
    with torch.no_grad():
        for p in fresh.parameters():
            p.zero_()
    _, left = StartingRun.of(first.path).copy_weights(fresh)
    assert left == {None: [], 1: [], 4: ["heads.signs"]}[heads]


def test_a_cross_validated_tables_weights_start_one_that_is_not(tmp_path: Path) -> None:
    table = mixed_table("category").head(300)
    first = pellucid.train(table, steps=20, folds=3, out=tmp_path, name="small", **QUICK)
    plan = pellucid.plan(table, steps=10, start=first.path, **QUICK)
    assert plan.inputs["number"] == {"embedding": 0, "bins": 2}
    other = mixed_table("number").head(500)
    run = pellucid.train(other, steps=10, start=first.path, out=tmp_path, name="other", **QUICK)
    assert StartingRun.of(first.path).copy_weights(run.network)[1] == []


# ---------------------------------------------------------------- what is said


def test_sizes_are_said_as_they_are_with_heads() -> None:
    table = mixed_table("category")

    def size(**options: Any) -> tuple[Any, str]:
        return next((c.value, c.reason) for c in pellucid.plan(table, **QUICK, **options).choices if c.name == "size")

    assert size(epochs=20) == (1, "the usual size for 2,080 examples and 8 heads")
    assert size(epochs=20, heads=1) == (3, "the usual size for 2,080 examples")
    assert size(epochs=20, heads=4, size=5) == (5, "as asked")
    value, reason = size(budget="60s")
    assert value == "0 to 2, to be timed"
    assert reason.endswith("; with one head 2 to 3")
    # What is asked for is had, so nothing is said of one head.
    assert size(budget="60s", heads=8)[1] == reason.removesuffix("; with one head 2 to 3")


@pytest.mark.parametrize(
    ("seconds", "asked", "heads", "reason"),
    [
        (-3.0, None, 1, "with 8 there is no time"),
        (0.004, None, 1, "with 8 there is no time"),
        (1.4999, None, 1, "with 8 there is time for only 14.9 epochs, under 15"),
        (9.0, None, 8, "with them there is time for 15 epochs and more"),
        (-3.0, 8, 8, "as asked"),
        (9.0, 2, 2, "as asked"),
    ],
)
def test_heads_are_decided_by_the_time_there_is(
    seconds: float, asked: int | None, heads: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.runs.network_size.time.monotonic", lambda: 100.0)
    decided: list[Any] = []
    trainer = Trainer.__new__(Trainer)
    trainer.plan = pellucid.plan(mixed_table("number"), budget="60s", **QUICK, **({"heads": asked} if asked else {}))
    trainer.sampler = type("Sampler", (), {"steps": 10})()
    trainer.decisions = type("Decisions", (), {"decide": lambda self, *one: decided.append(one)})()
    monkeypatch.setattr(network_size, "largest_of", lambda *_: (0, Timing(0.01, 0.001), "timed"))
    found = network_size.size_with_heads(trainer, 100.0 + seconds)
    assert decided == [(0, "heads", heads, reason)]
    assert (found is None) == (heads == 1)


def test_a_cross_validation_has_as_many_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def planned(plan: Any, inputs: Any, targets: Any, trunk: Any, heads: int) -> Any:
        made.append(heads)
        return original(plan, inputs, targets, trunk, heads)

    original = cross_validation.planned_network
    monkeypatch.setattr(cross_validation, "planned_network", planned)
    table = mixed_table("category").head(400)
    run = pellucid.train(table, steps=30, folds=3, heads=4, out=tmp_path, name="folds", **QUICK)
    assert made == [4, 4, 4]
    known = CrossValidation.of(run.folder)
    assert known.raw.shape == (320, 3), "answers of all heads, joined"
    torch.testing.assert_close(known.raw.exp().sum(1), torch.ones(320))


def test_a_record_with_impossible_heads_is_refused() -> None:
    decision = {"step": 0, "name": "heads", "value": 4, "reason": ""}
    plan = pellucid.plan(mixed_table("number"), budget="60s", **QUICK).to_json()
    for value in (0, 65, "4", None, 2.5):
        with pytest.raises(forms.FormError):
            check_decision(decision | {"value": value}, "decision")
        with pytest.raises(forms.FormError):
            PLAN(plan | {"heads": value}, "plan")
    check_decision(decision, "decision")
    PLAN(plan, "plan")
    PLAN({k: v for k, v in plan.items() if not k.startswith("heads")}, "plan")
    for name, value in (("heads_sizes", ["a"]), ("heads_epochs", "15")):
        with pytest.raises(forms.FormError):
            PLAN(plan | {name: value}, "plan")


# ---------------------------------------------------------------- several inputs


def test_text_beside_numbers_has_heads_where_they_are_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    good, n = rng.random(400) < 0.5, rng.normal(size=400)
    words = ["fine lovely bright evening with friends", "dull broken grey thing that never works at all"]
    said = [f"{words[int(g)]} number {rng.integers(1000)} and more of it" for g in good]
    table = pl.DataFrame({"said": said, "n": n, "target": np.where(good ^ (n > 1.5), "no", "yes")})
    run = pellucid.train(
        table, network="mlp", heads=3, steps=60, kinds={"said": "text"}, out=tmp_path, name="text", **QUICK
    )
    assert {layer["kind"] for layer in run.record["network"]["inputs"]} == {"text", "number"}
    assert isinstance(run.network.heads, HeadSigns)
    assert run.score.value > 0.8
    assert len(run.predict(table.head(5))) == 5


def test_losses_of_kept_answers_are_those_of_the_joined_ones() -> None:
    net, batch = network_and_batch("category", 4)
    with torch.no_grad():
        raw = net.eval()(batch)
    kept = net.output.losses(raw, Batch.of_targets(batch.target))
    torch.testing.assert_close(kept, -raw[torch.arange(len(raw)), batch.target.long()])
    assert isinstance(net.trunk, Dense)


@pytest.mark.parametrize(("before", "after"), [(4, 4), (4, 1), (1, 4), (2, 4)])
def test_rows_of_the_output_come_along_where_there_are_as_many_heads(before: int, after: int) -> None:
    (old, _), (new, _) = network_and_batch("category", before), network_and_batch("category", after)
    record = {"network": old.config(), "fields": [f.to_json() for f in old.fields]}
    tensors = {name: value.numpy() for name, value in old.state_dict().items()}
    with torch.no_grad():
        new.output.layer.weight.zero_()
    StartingRun(Path("run"), record, tensors, "").copy_weights(new)
    copied = old.output.layer.weight if before == after else torch.zeros_like(new.output.layer.weight)
    assert torch.equal(new.output.layer.weight, copied)


def test_each_head_of_labels_starts_at_their_frequencies() -> None:
    data = pellucid.read(mixed_table("labels"), target="target")
    target = data.fitted(0)["target"]
    one, three = (type(network_and_batch("labels", 1)[0].output)([target], heads=n).build(8) for n in (1, 3))
    assert one.layer.bias.unique().numel() > 1
    torch.testing.assert_close(three.layer.bias.view(3, -1), one.layer.bias.expand(3, -1))
