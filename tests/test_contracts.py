"""What the parts promise to those that come: sequences as targets, losses that see the batch, channels of one axis."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pellucid
from pellucid.data.batches.batch import Batch, Padded, cut_rows, gather_rows
from pellucid.data.batches.encode import stack_channels
from pellucid.errors import PellucidError
from pellucid.fields import KINDS, Field, Ragged, Stored, input_groups
from pellucid.fields.number import Number as NumberKind
from pellucid.inputs import INPUTS, Input
from pellucid.network import Network
from pellucid.outputs import OUTPUTS, Number
from pellucid.planning.decisions import Decisions
from pellucid.planning.plan import Recipe
from pellucid.tasks.number import NumberTask
from pellucid.training.loader import Loader
from pellucid.training.loop import Loop, micro_batches
from pellucid.training.pacer import Pacer
from pellucid.training.sampler import Sampler
from pellucid.training.state import TrainState
from pellucid.training.step_graph import batch_shapes, batch_tensors, clone_batch
from pellucid.trunks import Features, Need

CPU = torch.device("cpu")
LENGTHS = [3, 1, 4, 2, 5, 1, 2, 6]


def ragged(lengths: Sequence[int], width: tuple[int, ...] = ()) -> Ragged:
    rng = np.random.default_rng(0)
    return Ragged(rng.standard_normal((sum(lengths), *width)).astype(np.float32), np.cumsum(lengths))


# -- the target is held like the inputs


@pytest.mark.parametrize("width", [(), (2,)])
def test_a_target_may_be_sequences_of_different_lengths(width: tuple[int, ...]) -> None:
    target, rows = ragged(LENGTHS, width), np.array([4, 0, 7])
    loader = Loader({"number": np.zeros((8, 1), np.float32)}, target, CPU)
    found = loader.batch(torch.from_numpy(rows)).target
    assert isinstance(found, Padded)
    assert found.lengths.tolist() == [5, 3, 6]
    assert found.values.shape == (3, 6, *width)
    for i, row in enumerate(rows):
        own = target[int(row)]
        assert np.array_equal(found.values[i, : len(own)], own)
        assert not found.values[i, len(own) :].any()
    by_hand = gather_rows(target, rows)
    assert isinstance(by_hand, Padded)
    assert np.array_equal(by_hand.values, found.values)
    # Of what was answered the lengths are kept.
    assert loader.targets(rows).tolist() == [[5.0], [3.0], [6.0]]
    parts = list(micro_batches(loader.batch(torch.arange(8)), 3))
    assert [len(part.rows) for part in parts] == [3, 3, 2]
    assert [part.target.lengths.tolist() for part in parts] == [LENGTHS[:3], LENGTHS[3:6], LENGTHS[6:]]
    assert cut_rows(None, slice(0, 1)) is None


# -- an output sees the batch, and says by what its losses are divided


class Steps(Number):
    """A number at every position: what a language model or a forecast asks of the loop."""

    name = "steps"

    def need(self) -> Need:
        return Need(every=True)

    def build(self, width: int) -> Steps:
        self.layer = nn.Linear(width, 1)
        return self

    def forward(self, f: Features, batch: Batch) -> Tensor:  # (B, T, D) -> (B, T)
        assert isinstance(batch.target, Padded), "teacher forcing reads what is to be said"
        before = nn.functional.pad(batch.target.values[:, :-1], (1, 0))  # (B, T)
        return self.layer(f.x).squeeze(-1) + 0.1 * before

    def losses(self, raw: Tensor, batch: Batch, f: Features | None = None) -> Tensor:  # (B, T) -> (B,)
        assert f is not None
        assert isinstance(batch.target, Padded)
        assert f.x.shape[:2] == raw.shape
        real = torch.arange(raw.shape[1]) < batch.target.lengths.unsqueeze(1)  # (B, T)
        return ((raw - batch.target.values).square() * real).sum(1)

    def count(self, batch: Batch) -> float:
        assert isinstance(batch.target, Padded)
        return float(batch.target.lengths.sum())


def text_and_steps(trunk: str) -> tuple[Network, Loader]:
    words = [" ".join(["word"] * 6)] * 8
    data = pellucid.read({"t": words, "y": np.arange(8.0)}, target="y", kinds={"t": "text"}, cache=False)
    target = Field("y", "number", "target", state={"mean": 0.0, "std": 1.0, "role": "target"})
    network = Network([data.fitted()["t"]], trunk, Steps([target]), seed=1)
    tokens = Ragged(np.ones(sum(LENGTHS), np.int64) + 1, np.cumsum(LENGTHS))
    (key,) = network.input_keys()
    return network, Loader({key: tokens}, ragged(LENGTHS), CPU)


@pytest.mark.parametrize("trunk", ["transformer", "cnn", "lstm", "mlp"])
def test_cutting_a_batch_of_sequences_changes_nothing_but_rounding(trunk: str) -> None:
    network, loader = text_and_steps(trunk)
    network.double()
    found: list[list[Tensor]] = []
    for size in (8, 3):
        state = TrainState(network, Recipe(batch_size=8))
        order = Sampler(loader, np.arange(8), 8, seed=0)
        decisions = Decisions([{"step": 0, "name": "micro batch", "value": size, "reason": ""}])
        loop = Loop(state, order, np.arange(8), decisions, Pacer(Recipe(), None, 1), lambda _: None, lambda _: None)
        network.train()
        state.optimizer.clear()
        batch = loader.batch(torch.arange(8), torch.arange(8) * 17)
        loss = loop.compute_gradients(batch)
        assert float(loss) == pytest.approx(float(network.losses(batch).sum()) / sum(LENGTHS), rel=1e-5)
        found.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert found[0]
    for whole, parts in zip(*found, strict=True):
        assert torch.allclose(whole, parts, rtol=1e-6, atol=1e-9)


def test_every_output_divides_by_its_examples(table: Path) -> None:
    data = pellucid.read(table, target="label")
    network = data.network("mlp")
    batch = next(data.batches("train", network, batch_size=16))
    assert network.output.count(batch) == 16
    assert float(network.loss(batch)) == pytest.approx(float(network.losses(batch).mean()))


# -- channels of one axis are read together, and are not taken for columns of a table


class WaveKind(NumberKind):
    """Four steps of a signal; the setting ``axis`` says which clock they follow."""

    name = "wave"
    joint = True
    axes = 1

    def axis(self, settings: Mapping[str, Any]) -> str:
        return str(settings["axis"])

    def recognise(self, column: Any) -> None:
        return None

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:  # -> (n, 4)
        return np.asarray(stored.arrays["value"], np.float32)[:, None] + np.arange(4, dtype=np.float32)


class Wave(Input):
    """(B, T, F) -> (B, T, D)."""

    kind = "wave"
    offers = (1,)

    def build(self, positions: int, need: Need) -> Wave:
        assert need.width is not None
        self.out_width = need.width
        self.layer = nn.Linear(len(self.fields), need.width)
        return self

    def forward(self, value: Tensor, key: Tensor | None = None) -> Features:
        return Features(self.layer(value), key=key)


@pytest.fixture
def waves(monkeypatch: pytest.MonkeyPatch) -> list[Field]:
    monkeypatch.setitem(KINDS, "wave", WaveKind())
    monkeypatch.setitem(INPUTS, "wave", Wave)
    axes = {"left": "a", "right": "a", "slow": "b"}
    return [Field(name, "wave", settings={"axis": axis}, state={}) for name, axis in axes.items()]


def test_channels_of_one_axis_share_an_input_layer(waves: list[Field]) -> None:
    groups = input_groups(waves)
    assert [(group.key, group.fields) for group in groups] == [("wave:a", ("left", "right")), ("wave:b", ("slow",))]
    assert [group.key for group in input_groups(waves[:2])] == ["wave:a"]


def test_a_network_reads_channels_as_a_sequence_and_numbers_as_columns(waves: list[Field]) -> None:
    target = Field("y", "number", "target", state={"mean": 0.0, "std": 1.0, "role": "target"})
    two = Network(waves[:2], "transformer", target)
    assert two.input_keys() == ["wave:a"]
    assert two.parted == [], "one input with positions goes straight into the trunk"
    batch: Batch = Batch({"wave:a": torch.randn(5, 4, 2)}, None, np.arange(5))
    assert two.trunk_input(batch).x.shape[:2] == (5, 4)
    assert two(batch).shape == (5, 1)
    three = Network(waves, "transformer", target)
    assert three.parted == [0, 1], "of several, each goes through a trunk of its own"
    assert (
        three.trunk_input(Batch({"wave:b": torch.randn(5, 4, 1), **batch.inputs}, None, np.arange(5))).x.shape[1] == 2
    )


def test_values_on_one_axis_stand_side_by_side_at_each_position() -> None:
    one, other = np.arange(6.0).reshape(2, 3), 10 + np.arange(6.0).reshape(2, 3)
    dense = stack_channels([one, other])
    assert isinstance(dense, np.ndarray)
    assert dense.shape == (2, 3, 2)
    assert dense[1, 2].tolist() == [5, 15]
    both = stack_channels([Ragged(one.ravel(), np.array([1, 6])), Ragged(other.ravel(), np.array([1, 6]))])
    assert isinstance(both, Ragged)
    assert both[1].tolist()[0] == [1, 11]
    with pytest.raises(PellucidError, match="different lengths"):
        stack_channels([Ragged(one.ravel(), np.array([1, 6])), Ragged(other.ravel(), np.array([2, 6]))])


# -- what an answer is needs no torch


@pytest.mark.parametrize("target", ["label", "price"])
def test_a_task_decodes_without_torch(target: str, table: Path, numbers: Path, tmp_path: Path) -> None:
    source = table if target == "label" else numbers
    run = pellucid.train(source, target=target, network="mlp", steps=40, folds=0, out=tmp_path, reference=False)
    raw = run.answers(str(source))[2]
    expected = [{k: v for k, v in one.items() if k not in ("input", "row")} for one in run.predict(str(source))][:20]
    np.savez(tmp_path / "raw.npz", raw=raw.numpy()[:20], **run.network.output.task.learned)
    script = f"""
import json, sys
sys.modules["torch"] = None
import numpy as np
from pellucid.fields import Field
from pellucid.tasks import TASKS
kept = np.load({str(tmp_path / "raw.npz")!r})
record = json.load(open({str(run.path / "run.json")!r}))
fields = [Field.from_json(one) for one in record["fields"] if one["role"] == "target"]
task = TASKS[record["network"]["output"]["name"]](fields)
task.learned = {{name: kept[name] for name in task.learned}}
task.restore_calibration(record["calibration"])
print(json.dumps(task.decode(kept["raw"])))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected


def test_every_output_has_a_task_of_the_same_name() -> None:
    from pellucid.tasks import TASKS

    assert {name: output.task_type for name, output in OUTPUTS.items()} == TASKS
    assert TASKS["number"] is NumberTask


# -- what is played back on a GPU is the whole batch, and only of one shape


def test_a_batch_is_cloned_whole_and_known_by_its_shapes() -> None:
    batch: Batch = Batch({"x": torch.ones(2, 3)}, torch.tensor([0, 1]), np.arange(2), torch.arange(2))
    twin = clone_batch(batch)
    assert batch_shapes(twin) == batch_shapes(batch)
    pairs = list(zip(batch_tensors(batch), batch_tensors(twin), strict=True))
    assert len(pairs) == 3
    for one, other in pairs:
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()
    longer = Batch({"x": torch.ones(3, 3)}, torch.tensor([0, 1, 1]), np.arange(3), torch.arange(3))
    assert batch_shapes(longer) != batch_shapes(batch)
    padded: Batch = Batch({"t": Padded(torch.ones(2, 3), torch.tensor([3, 1]))}, None, np.arange(2))
    assert batch_shapes(padded) is None
