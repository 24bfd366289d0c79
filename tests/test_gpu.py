"""Everything that differs on a GPU: half precision, data on the device, memory that runs out, the same steps again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.errors import Interrupted

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

NETWORKS = ("mlp", "cnn", "rnn", "lstm", "mingru", "transformer")


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", ["photos", "table", "texts", "numbers"])
def test_every_network_learns_there_and_answers_the_same_on_a_cpu(
    kind: str, network: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source = request.getfixturevalue(kind)
    target = {"photos": None, "table": "label", "texts": "verdict", "numbers": "price"}[kind]
    run = pellucid.train(
        source, target=target, network=network, size=0, steps=40, folds=0, out=tmp_path, device="cuda", reference=False
    )
    assert run.network.device.type == "cuda"
    assert np.isfinite(run.score.value)
    cpu = pellucid.load(run.path, device="cpu")
    data = str(source) if kind != "photos" else [str(path) for path in sorted(Path(source).glob("*/*.png"))]
    there, here = run.predict(data), cpu.predict(data)
    if kind == "numbers":
        values = [np.array([row["value"] for row in rows]) for rows in (there, here)]
        assert np.abs(values[0] - values[1]).max() < 0.05 * np.std(values[1]) + 0.05
    else:
        same = np.mean([a["label"] == b["label"] for a, b in zip(there, here, strict=True)])
        assert same > 0.95  # bfloat16 has eight bits: who stands between two classes may fall to either


def test_photos_are_learned(photos: Path, tmp_path: Path) -> None:
    run = pellucid.train(photos, network="cnn", size=0, epochs=40, out=tmp_path, device="cuda")
    assert run.score.value > run.baseline.value


def test_a_stopped_training_goes_on(photos: Path, tmp_path: Path) -> None:
    class Stop(pellucid.Listener):
        def evaluated(self, row: Any) -> None:
            import os
            import signal

            if row["step"] > 10:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        pellucid.train(
            photos, network="cnn", size=0, steps=60, out=tmp_path, name="a", device="cuda", listeners=[Stop()]
        )
    run = pellucid.resume(tmp_path / "a")
    assert run.record["steps"] == 60
    longer = pellucid.resume(tmp_path / "a", more="10steps")
    assert longer.record["steps"] == 70


def test_a_budget_of_time_is_kept(photos: Path, tmp_path: Path) -> None:
    run = pellucid.train(photos, network="cnn", budget="6s", out=tmp_path, device="cuda")
    assert not [d for d in run.record["decisions"] if d["name"] == "threads"], "there is nothing to choose on a GPU"
    assert run.record["seconds"] < 8


def test_small_tables_are_cross_validated_there(table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, target="label", network="mlp", steps=200, folds=3, out=tmp_path, device="cuda")
    assert run.record["scored on"] == "test"
    assert any(d["name"] == "rehearsal" for d in run.record["decisions"])


def test_memory_that_runs_out_halves_the_batch(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.training.loop import Loop

    whole = Loop._run_backward

    def small_memory(self: Loop, batch: Any, size: int) -> torch.Tensor:
        if len(batch.rows) > 4:
            torch.empty(1 << 50, dtype=torch.uint8, device="cuda")  # the real error of the real allocator
        return whole(self, batch, size)

    monkeypatch.setattr(Loop, "_run_backward", small_memory)
    run = pellucid.train(photos, network="transformer", size=0, steps=4, out=tmp_path, device="cuda")
    micro = [d["value"] for d in run.record["decisions"] if d["name"] == "micro batch"]
    assert micro
    assert micro[-1] <= 4


def test_a_training_starts_from_another(photos: Path, tmp_path: Path) -> None:
    first = pellucid.train(photos, network="cnn", size=0, steps=20, out=tmp_path, name="first", device="cuda")
    run = pellucid.train(photos, start=first.path, steps=20, out=tmp_path, name="second", device="cuda")
    assert np.isfinite(run.score.value)


def test_several_are_compared_there(table: Path, tmp_path: Path) -> None:
    found = pellucid.compare(table, target="label", networks="mlp,rnn", steps=20, out=tmp_path, device="cuda")
    assert set(found.ranking) == {"mlp", "rnn"}
    assert all(one["memory"] > 0 for one in found.networks.values())


@pytest.mark.parametrize("network", ["cnn", "transformer", "mlp", "rnn"])
def test_a_recorded_step_computes_what_a_plain_one_does(network: str, photos: Path) -> None:
    from pellucid.planning.decisions import Decisions
    from pellucid.planning.plan import Recipe
    from pellucid.training.loader import Loader
    from pellucid.training.loop import Loop
    from pellucid.training.pacer import Pacer
    from pellucid.training.sampler import Sampler
    from pellucid.training.state import TrainState

    data, device = pellucid.read(photos), torch.device("cuda")
    losses = []
    for able in (True, False):
        net = data.network(network, seed=3).to(device)
        loader = Loader.of(data, net.fields, device)
        recipe = Recipe(batch_size=32)
        order = Sampler(loader, data.split().train, 32, seed=1)
        state = TrainState(net, recipe)
        loop = Loop(state, order, order.rows, Decisions(), Pacer(recipe, None, 1), lambda _: None, lambda _: None)
        loop.graph.able = able
        net.train()
        losses.append([float(loop.train_step(order.batch(step), 0.5)) for step in range(20)])
        assert (loop.graph.graph is not None) == able
    assert np.allclose(*losses, rtol=0.02, atol=0.02)


def test_a_step_that_cannot_be_recorded_is_made_all_the_same(photos: Path, tmp_path: Path) -> None:
    class Waits(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert float(x.sum()) == float(x.sum())  # a wait for the GPU, which no recording survives
            return x

    run = pellucid.train(
        photos, network=pellucid.Custom(Waits(), width=16), steps=20, out=tmp_path, device="cuda", reference=False
    )
    assert np.isfinite(run.score.value)
