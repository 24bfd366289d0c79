"""A training that begins with the weights of an earlier run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import PellucidError, UsageError


def shapes(classes: tuple[str, ...], n: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Grey images (n, 16, 16) of bars and boxes in noise, and their names."""
    rng = np.random.default_rng(seed)
    draw = {
        "row": lambda i, at: i.__setitem__((slice(at, at + 2), slice(2, 14)), 200),
        "column": lambda i, at: i.__setitem__((slice(2, 14), slice(at, at + 2)), 200),
        "box": lambda i, at: i.__setitem__((slice(at, at + 6), slice(at, at + 6)), 200),
        "cross": lambda i, at: (i.__setitem__((at, slice(2, 14)), 200), i.__setitem__((slice(2, 14), at), 200)),
    }
    images = rng.integers(0, 120, (n, 16, 16)).astype(np.uint8)
    labels = [classes[i % len(classes)] for i in range(n)]
    for image, label in zip(images, labels, strict=True):
        draw[label](image, int(rng.integers(3, 9)))
    return images, labels


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    out = tmp_path_factory.mktemp("runs")
    data = pellucid.read(shapes(("row", "column", "box"), 240, 0), cache=False)
    return pellucid.train(data, network="cnn", size=0, steps=60, out=str(out), name="first")


def second(first: pellucid.Run, name: str, classes: tuple[str, ...] = ("column", "cross"), **options):
    data = pellucid.read(shapes(classes, 60, 1), cache=False)
    return data, pellucid.train(data, start=first.path, out=str(first.path.parent), name=name, **options)


def test_new_classes_start_from_what_was_learned(first):
    _, run = second(first, "transferred", steps=6)
    assert run.plan.network == "convolutional"
    assert run.network.output.task.values == ["column", "cross"]
    history = run.history
    assert history[0]["step"] == 0, "what came along is looked at before the first step"
    assert history[0]["accuracy"] > 0.7, "a solved output layer on the frozen trunk tells them apart"
    before, after = (f.state["mean"] for f in (first.fields[0], run.fields[0]))
    assert before == after, "scales come along and are not fitted again"


def test_the_network_begins_with_the_runs_weights(first):
    from pellucid.runs.transfer import StartingRun

    start = StartingRun.of(first.path)
    data = start.adopt_fields(pellucid.read(shapes(("column", "cross"), 60, 1), cache=False))
    network = data.network(start.fresh_trunk())
    count, fresh = start.copy_weights(network)
    theirs = first.network.state_dict()
    for name, value in network.state_dict().items():
        if name.startswith("trunk."):
            assert torch.equal(value, theirs[name])
    row = {v: i for i, v in enumerate(first.network.output.task.values)}["column"]
    assert torch.equal(network.output.layer.weight[0], first.network.output.layer.weight[row]), "known classes too"
    assert not fresh
    assert 0 < count <= network.parameter_count


def test_a_trunk_that_validation_likes_frozen_stays_so(first):
    """Steps that wreck everything: what is kept is what came along, with its output layer solved."""
    _, run = second(first, "wrecked", steps=10, lr=30.0)
    assert run.record["chosen"]["weights"] == "the frozen trunk"
    theirs = first.network.state_dict()
    held = [n for n, _ in run.network.named_parameters() if n.startswith("trunk.")]
    assert held
    assert all(torch.equal(run.network.state_dict()[name], theirs[name]) for name in held)


def test_replay_and_resume_need_no_second_thought(first):
    data, run = second(first, "once", steps=8)
    again = pellucid.train(data, like=run.path, name="once-again")
    assert all(torch.equal(v, again.network.state_dict()[k]) for k, v in run.network.state_dict().items())
    longer = pellucid.resume(run.path, more="4 steps", data=data)
    assert longer.record["steps"] == 12


class StopsBeforeTheFirstStep(pellucid.Listener):
    def decided(self, decision):
        if decision["name"] == "schedule":
            raise KeyboardInterrupt


def test_stopped_before_its_first_step_it_starts_from_the_run_again(first):
    data, out = pellucid.read(shapes(("column", "cross"), 60, 1), cache=False), str(first.path.parent)
    options = {"start": first.path, "out": out, "steps": 8}
    with pytest.raises(KeyboardInterrupt):
        pellucid.train(data, name="cut", listeners=(StopsBeforeTheFirstStep(),), **options)
    resumed = pellucid.resume(first.path.parent / "cut", data=data)
    whole = pellucid.train(data, name="whole", **options)
    assert all(torch.equal(v, whole.network.state_dict()[k]) for k, v in resumed.network.state_dict().items())
    assert [row["step"] for row in resumed.history].count(0) == 1


@pytest.mark.slow
def test_text_brings_its_vocabulary(tmp_path):
    words = {"good": "fine great lovely", "bad": "awful poor broken", "odd": "strange weird curious"}

    def table(classes, n):
        rng = np.random.default_rng(len(classes))
        kinds = [classes[i % len(classes)] for i in range(n)]
        return {"text": [" ".join(rng.choice(words[k].split(), 6)) for k in kinds], "label": kinds}

    read = {"kinds": {"text": "text"}, "target": "label", "cache": False}
    base = pellucid.train(
        pellucid.read(table(("good", "bad", "odd"), 90), **read), steps=30, network="mlp", out=str(tmp_path), name="a"
    )
    run = pellucid.train(
        pellucid.read(table(("good", "odd"), 40), **read), start=base.path, steps=5, out=str(tmp_path), name="b"
    )
    assert run.fields[0].state["tokenizer"] == base.fields[0].state["tokenizer"]
    assert run.history[0]["accuracy"] == 1.0


def test_what_cannot_start_says_why(first, tmp_path, capsys):
    images = pellucid.read(shapes(("column", "cross"), 40, 1), cache=False)
    with pytest.raises(UsageError, match="the network and its size come from"):
        pellucid.train(images, start=first.path, network="rnn", out=str(tmp_path))
    with pytest.raises(UsageError, match="the network and its size come from"):
        pellucid.train(images, start=first.path, size=2, out=str(tmp_path))
    table = pellucid.read({"a": list(range(40)), "label": ["x", "y"] * 20}, cache=False)
    with pytest.raises(PellucidError, match="no learned weights fit"):
        pellucid.train(table, start=first.path, out=str(tmp_path))
    assert exit_code(["train", "nowhere.csv", "--start", str(tmp_path / "none")], 0.0) in (1, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_a_start_that_changed_is_told(first, tmp_path):
    _, run = second(first, "kept", steps=4)
    record = json.loads((run.path / "run.json").read_text())
    record["plan"]["start"]["sha256"] = "0" * 64
    from pellucid.runs.transfer import StartingRun

    with pytest.raises(PellucidError, match="has changed"):
        StartingRun.of(Path(record["plan"]["start"]["run"]), record["plan"]["start"]["sha256"])


def test_the_same_data_keeps_the_runs_parts(first):
    """What the run learned from must not come up in the test set of the next."""
    data = pellucid.read(shapes(("row", "column", "box"), 240, 0), cache=False)
    run = pellucid.train(data, start=first.path, seed=5, steps=2, out=str(first.path.parent), name="same")
    assert run.plan.split_seed == first.plan.split_seed
    assert (data.split(run.plan.split_seed).test == data.split(first.plan.split_seed).test).all()
