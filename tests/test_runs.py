"""The parts of a training between the data and a run: feed, order, answers, micro-batches, guards; and whole runs."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

import pellucid
from pellucid.data.batches.batch import encode_groups, encode_target
from pellucid.data.splits.time_spans import Moments
from pellucid.errors import PellucidError
from pellucid.fields import Ragged
from pellucid.network import Network
from pellucid.planning.decisions import Decisions
from pellucid.planning.plan import Recipe
from pellucid.storage import Folder
from pellucid.training import loop as loop_module
from pellucid.training.evaluate import predict_raw
from pellucid.training.listeners import Listener, Progress, Several
from pellucid.training.loader import Loader
from pellucid.training.loop import MOST_SKIPPED_STEPS, Loop
from pellucid.training.pacer import Pacer
from pellucid.training.sampler import Sampler
from pellucid.training.schedule import trapezoid
from pellucid.training.state import TrainState
from pellucid.trunks.layers import GroupedBatchNorm
from pellucid.tuning.selection import is_surely_better, select_weights
from pellucid.tuning.sizing import largest_within_budget, time_steps

CPU = torch.device("cpu")


def ragged(lengths: list[int]) -> Ragged:
    ends = np.cumsum(lengths)
    return Ragged(np.arange(1, ends[-1] + 1), ends)


# -- feed, order, answers


def test_a_feed_gathers_rows_and_pads_what_is_ragged() -> None:
    dense = np.arange(12.0).reshape(4, 3)
    feed = Loader({"number": dense, "text:t": ragged([2, 0, 3, 1])}, np.array([5, 6, 7, 8]), CPU)
    batch = feed.batch(torch.tensor([3, 0, 1]))
    assert torch.equal(batch.inputs["number"], torch.from_numpy(dense[[3, 0, 1]]))  # type: ignore[arg-type]
    text: Any = batch.inputs["text:t"]
    assert text.values.tolist() == [[6, 0], [1, 2], [0, 0]]
    assert text.lengths.tolist() == [1, 2, 0]
    assert batch.target is not None
    assert batch.target.tolist() == [8, 5, 6]
    assert batch.key is None
    assert [part.tolist() for part in feed.in_order(np.array([2, 0, 3]), 2)] == [[3, 0], [2]]  # by length
    alone: Any = feed.batch(torch.tensor([1])).inputs["text:t"]
    assert alone.values.tolist() == [[0]], "a batch of empty texts still has a position"
    nothing: Any = Loader({"text:t": Ragged(np.zeros(0, np.int64), np.zeros(2, np.int64))}, None, CPU)
    assert nothing.batch(torch.tensor([0, 1])).inputs["text:t"].values.tolist() == [[0], [0]]


def test_order_is_a_function_of_seed_and_step() -> None:
    feed = Loader({"number": np.zeros((50, 1)), "text:t": ragged([1 + i % 7 for i in range(50)])}, None, CPU)
    rows = np.arange(3, 47)
    one, two = Sampler(feed, rows, 8, seed=3), Sampler(feed, rows, 8, seed=3)
    assert one.steps == 5
    steps = [0, 1, 4, 5, 12, 3, 0, 14]
    there = {step: one.batch(step) for step in sorted(steps)}
    for step in steps:  # in another order, epochs back and forth
        assert torch.equal(two.batch(step).rows, there[step].rows)  # type: ignore[arg-type]
        assert torch.equal(two.batch(step).key, there[step].key)  # type: ignore[arg-type]
    other = Sampler(feed, rows, 8, seed=4)
    assert any(not torch.equal(other.batch(s).rows, there[s].rows) for s in steps)  # type: ignore[arg-type]
    epoch = [one.batch(5 + s) for s in range(5)]
    seen = torch.cat([b.rows for b in epoch])  # type: ignore[arg-type]
    assert len(set(seen.tolist())) == 40
    assert set(seen.tolist()) <= set(rows.tolist())
    keys = torch.cat([b.key for b in epoch if b.key is not None])
    assert len(set(keys.tolist())) == 40
    assert Sampler(feed, rows[:5], 8, seed=0).batch_size == 5


@pytest.fixture
def work(table: Path) -> tuple[pellucid.Dataset, Network, Loader, Sampler]:
    data = pellucid.read(table, target="label")
    net = data.network(pellucid.trunks.TRUNKS["dense"].of_size(0), seed=2)
    inputs = [f for f in net.fields if f.role != "target"]
    feed = Loader(encode_groups(data, inputs), (encode_target(data, net.output.fields[0])), CPU)
    return data, net, feed, Sampler(feed, data.split(0).train, 64, seed=0)


def test_answers_come_in_the_order_asked(work: Any, texts: Path) -> None:
    _, net, feed, _ = work
    rows = np.array([7, 3, 90, 11, 0, 55])
    raw, target = predict_raw(net, feed, rows, size=2)
    assert net.training
    net.eval()
    for i, row in enumerate(rows):
        one = feed.batch(torch.tensor([row]))
        assert torch.allclose(net(one)[0], raw[i], atol=1e-6)
        assert one.target is not None
        assert target[i] == one.target[0]
    data = pellucid.read(texts, target="verdict")
    net = data.network("transformer")
    feed = Loader(encode_groups(data, [f for f in net.fields if f.role != "target"]), None, CPU)
    raw, target = predict_raw(net, feed, rows, size=4)
    alone = torch.cat([predict_raw(net, feed, rows[i : i + 1])[0] for i in range(len(rows))])
    assert torch.allclose(raw, alone, atol=1e-5)
    assert target.numel() == 0


# -- the loop


def loop_of(work: Any, steps: int = 6, **options: Any) -> tuple[Loop, list[dict[str, Any]]]:
    data, net, _, order = work
    rows: list[dict[str, Any]] = []
    state = TrainState(net, options.pop("recipe", Recipe(batch_size=64)))
    decisions = Decisions()
    decisions.decide(0, "schedule", trapezoid(0, steps, warm=0.05, cool=0.5), "")
    pace = Pacer(state.recipe, None, every=options.pop("every", 3))
    return Loop(state, order, data.split(0).validation, decisions, pace, lambda s: None, rows.append, **options), rows


def test_few_large_examples_are_answered_at_once() -> None:
    """As many input values in a batch, however many examples they make; never none."""
    for side, expected in ((8, 512), (32, 512), (64, 128), (320, 5), (4096, 1)):
        large = np.broadcast_to(np.zeros(1, np.uint8), (3, side, side, 3))
        assert Loader({"image:file": large}, None, CPU).at_once == expected
    assert Loader({"number": np.zeros((3, 10))}, None, CPU).at_once == 512


def test_answers_are_cut_by_how_large_an_example_is(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pellucid.read(photos, cache=False)
    net = data.network("cnn")
    feed = Loader(encode_groups(data, [f for f in net.fields if f.role != "target"]), None, CPU)
    whole = predict_raw(net, feed, np.arange(20))[0]
    sizes: list[int] = []
    real = net.forward
    monkeypatch.setattr(net, "forward", lambda batch: sizes.append(len(batch.rows)) or real(batch))
    monkeypatch.setattr("pellucid.training.loader.ANSWERED_VALUES", 7 * 8 * 8 * 3)
    assert torch.allclose(predict_raw(net, feed, np.arange(20))[0], whole, atol=1e-5)
    assert sorted(sizes) == [6, 7, 7]


def test_a_loop_learns_and_writes_its_history(work: Any) -> None:
    told: list[Progress] = []

    class Ear(Listener):
        def stepped(self, progress: Progress) -> None:
            told.append(progress)

    loop, rows = loop_of(work, 61, every=10, listener=Several([Ear(), Listener()]))
    loop.run()
    assert [row["step"] for row in rows] == [10, 20, 30, 40, 50, 60, 61]
    assert rows[-1]["lr"] == 0
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert rows[-1]["accuracy"] > 0.6
    assert loop.state.best_row["accuracy"] == max(row["accuracy"] for row in rows)
    assert all(a["seconds"] <= b["seconds"] for a, b in pairwise(rows))
    assert told[-1].step == told[-1].steps == 61
    assert told[-1].phase == "cool down"
    assert told[-1].epoch == pytest.approx(61 / loop.sampler.steps)


def gradients_of(loop: Loop) -> list[Tensor]:
    loop.state.network.train()
    loop.state.optimizer.clear()
    loop.compute_gradients(loop.sampler.batch(loop.state.step))
    return [p.grad.clone() for p in loop.state.optimizer.parameters if p.grad is not None]


@pytest.mark.parametrize(
    "words", ["[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory", None]
)
def test_out_of_memory_halves_the_micro_batch_and_changes_rounding_only(
    words: str | None, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pellucid.read(photos)
    monkeypatch.setattr("pellucid.training.loop.GROUP", 32)
    monkeypatch.setattr(GroupedBatchNorm, "group", 32)
    made = []
    for _ in range(2):
        net = data.network(pellucid.trunks.TRUNKS["convolutional"].of_size(0), seed=2)
        feed = Loader(
            encode_groups(data, [f for f in net.fields if f.role != "target"]),
            (encode_target(data, net.output.fields[0])),
            CPU,
        )
        made.append((data, net, feed, Sampler(feed, data.split(0).train, 64, seed=0)))
    (whole, _), (cut, _) = loop_of(made[0]), loop_of(made[1])
    expected = gradients_of(whole)
    statistics = {k: v.clone() for k, v in whole.state.network.named_buffers()}
    real, sizes = Network.losses, list[int]()

    def full(net: Network, batch: Any) -> Tensor:
        sizes.append(len(batch))
        found = real(net, batch)  # what it changed on the way is to be undone
        if len(batch) > 32:
            raise torch.OutOfMemoryError("out of memory") if words is None else RuntimeError(words)
        return found

    monkeypatch.setattr(Network, "losses", full)
    found = gradients_of(cut)
    assert sizes == [64, 32, 32]
    assert [(d["name"], d["value"], d["step"]) for d in cut.decisions.all if d["name"] != "schedule"] == [
        ("micro batch", 32, 0)
    ]
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)
    for name, value in cut.state.network.named_buffers():
        assert torch.allclose(value, statistics[name], rtol=1e-4, atol=1e-6), name
    sizes.clear()
    gradients_of(cut)
    assert sizes == [32, 32], "it is not tried again"
    monkeypatch.setattr(Network, "losses", lambda net, batch: full(net, Batch64()))
    with pytest.raises(PellucidError, match="not enough memory for 32 examples at once"):
        gradients_of(cut)


class Batch64:
    """Larger than memory holds, however it is cut."""

    def __len__(self) -> int:
        raise torch.OutOfMemoryError("out of memory")


def test_another_error_is_not_taken_for_memory(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, _ = loop_of(work)

    def broken(*_: Any) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(Network, "losses", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        gradients_of(loop)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_losses_that_are_not_finite_never_reach_the_weights(
    poison: float, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pellucid.read(photos)
    net = data.network(pellucid.trunks.TRUNKS["convolutional"].of_size(0), seed=2)
    feed = Loader(
        encode_groups(data, [f for f in net.fields if f.role != "target"]),
        (encode_target(data, net.output.fields[0])),
        CPU,
    )
    loop, rows = loop_of((data, net, feed, Sampler(feed, data.split(0).train, 32, seed=0)), 8, every=1)
    real, weights = Network.losses, dict[int, dict[str, Tensor]]()

    def losses(own: Network, batch: Any) -> Tensor:
        step = loop.state.step
        weights[step] = {k: v.clone() for k, v in own.state_dict().items()}
        bad = step in (2, 3)
        if bad:
            for module in own.modules():
                if hasattr(module, "count") and hasattr(module, "mean") and isinstance(module.mean, Tensor):
                    module.mean.fill_(poison)  # as a forward pass over such values would
        found = real(own, batch)
        return found * poison if bad else found

    monkeypatch.setattr(Network, "losses", losses)
    loop.run()
    for a, b in ((2, 3), (3, 4)):
        assert all(torch.equal(weights[a][k], weights[b][k]) for k in weights[a])
    assert any(not torch.equal(weights[4][k], weights[5][k]) for k in weights[4])
    assert all(v.isfinite().all() for v in net.state_dict().values())
    assert loop.state.skipped == 0
    assert np.isnan(rows[2]["loss"])  # nothing was learned in that step
    assert all(np.isfinite(row["validation_loss"]) for row in rows)


def test_it_gives_up_after_twenty(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, _ = loop_of(work, 100)
    monkeypatch.setattr(Network, "losses", lambda net, batch: net(batch).sum(1) * float("nan"))
    before = {k: v.clone() for k, v in loop.state.weights.items()}
    with pytest.raises(PellucidError, match=f"was not finite for {MOST_SKIPPED_STEPS} steps in a row, up to step 19"):
        loop.run()
    assert all(torch.equal(before[k], loop.state.weights[k]) for k in before)


def test_gradients_are_clipped_where_the_recipe_says_so(work: Any) -> None:
    loop, _ = loop_of(work, recipe=Recipe(batch_size=64, clip=1e-3))
    loss = loop.compute_gradients(loop.sampler.batch(0))
    norm = loop.state.optimizer.norm()
    assert norm > 1e-2
    assert loop.keep_if_finite(loss, norm)
    loop.clip_gradient(norm)
    assert float(loop.state.optimizer.norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_best_weights_on_validation_are_taken(work: Any) -> None:
    data, net, feed, _ = work
    loop, _ = loop_of(work, 40, every=5)
    loop.run()
    state, rows = loop.state, data.split(0).validation
    good = {k: v.clone() for k, v in state.weights.items()}
    candidates = (state.average, state.best, state.weights)
    state.best_row["step"] = -1  # from another step than the last, so a candidate of its own
    for broken in ((0,), (1,), (2,), (2, 1)):
        for i, one in enumerate(candidates):
            for name, value in one.items():
                spoilt = i in broken and name.startswith("output.layer")
                value.copy_(-50 * good[name] if spoilt else good[name])
        chosen, raw, target = select_weights(state, feed, rows)
        assert chosen[chosen["weights"]] == max(v for k, v in chosen.items() if k != "weights")
        assert torch.equal(raw, predict_raw(net, feed, rows)[0])
        assert net.output.task.measure(raw, target) == chosen[chosen["weights"]]
        assert torch.equal(state.weights["output.layer.bias"], good["output.layer.bias"])
    for one in (state.average, state.best):
        one["output.layer.bias"].fill_(torch.nan)
    assert select_weights(state, feed, rows)[0]["weights"] == "the last weights"


def test_the_largest_network_that_the_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.tuning import sizing

    tried: list[Any] = []

    def make(size: int, each: float = 0) -> Any:
        """A network of 2 ** size weights, each of which wants to see an example so often."""
        output = SimpleNamespace(wanted_epochs=lambda weights, count: each * weights / count if each else None)
        return SimpleNamespace(size=size, parameter_count=2**size, output=output)

    def time(network: Any, *_: Any, **__: Any) -> sizing.Timing:
        tried.append(network.size)
        return sizing.Timing(0.001 * 2.0**network.size, 0.0001)

    monkeypatch.setattr(sizing, "time_steps", time)
    order: Any = type("Order", (), {"steps": 100})
    sizes = (1, 2, 3, 4, 5)
    expected = {1000.0: 5, 16.0 * 1.6: 4, 12.0: 3, 4.0: 1, 0.1: 1}
    for seconds, size in expected.items():
        found, timing, reason = largest_within_budget(sizes, 3, make, order, Recipe(epochs=15.0), seconds)
        assert found == size, seconds
        assert timing.step == 0.001 * 2.0**size
        assert "ms a step leave time for about" in reason
    assert len(set(tried)) == 5
    # 100 steps of 10 examples: 125 of each weight are one epoch of the smallest but two, two epochs of the next.
    recipe = Recipe(batch_size=10, epochs=15.0)
    for seconds, size in {0.8: 3, 3.2: 4, 0.2: 2}.items():
        assert largest_within_budget(sizes, 3, lambda s: make(s, 125.0), order, recipe, seconds)[0] == size


def test_timing_a_network_takes_no_longer_than_it_may(work: Any) -> None:
    _, net, _, order = work
    timing = time_steps(net, order, Recipe(batch_size=64), limit=0.0)
    assert 0 < timing.step < 5
    assert 0 < timing.answer < 5


# -- whole runs

JOBS: dict[str, dict[str, Any]] = {
    "table": {"network": "transformer", "target": "label"},
    "numbers": {"network": "mlp", "target": "price"},
    "photos": {"network": "cnn"},
    "texts": {"network": "rnn", "target": "verdict"},
}


@pytest.mark.parametrize("source", JOBS)
def test_a_run_is_scored_reopened_and_used(source: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(source)
    heard: list[str] = []

    class Ear(Listener):
        def planned(self, plan: Any) -> None:
            heard.append("planned")

        def evaluated(self, row: Any) -> None:
            heard.append("evaluated")

        def finished(self, run: Any) -> None:
            heard.append("finished")

    run = pellucid.train(path, out=tmp_path, size=0, epochs=12, listeners=[Ear()], **JOBS[source])
    assert (heard[0], heard[-1]) == ("planned", "finished")
    assert run.score.value > run.baseline.value
    assert run.score.low <= run.score.value <= run.score.high
    assert len(run.history) == heard.count("evaluated")
    assert Folder.open(run.path).verify() == []
    again = pellucid.load(run.path)
    assert again.score == run.score
    assert again.result() == run.result()
    data = pellucid.read(path, **{k: v for k, v in JOBS[source].items() if k == "target"})
    kept = pl.read_parquet(run.folder.read("predictions.parquet"))
    assert kept["row"].to_list() == data.split(0).test.tolist()
    where = [str(path / p) for p in kept["input"][:3]] if source == "photos" else path
    rows = kept["row"][:3].to_list()
    texts = [str(t) for t in pl.read_csv(path)["review"].gather(rows)] if source == "texts" else []
    predicted = again.predict(texts=texts) if texts else again.predict(where)
    if source in ("table", "numbers"):
        predicted = [predicted[row] for row in rows]
    word = "value" if source == "numbers" else "label"
    for one, true in zip(predicted, kept[word].to_list()[:3], strict=True):
        assert one[word] == (pytest.approx(true, rel=1e-4, abs=1e-4) if word == "value" else true)
    evaluation = again.evaluate(path)
    assert evaluation.score.n == len(data)
    assert evaluation.score.value > evaluation.baseline.value
    assert json.loads(json.dumps(evaluation.result()))["metric"] == run.score.metric
    report = (run.path / "report.html").read_text()
    assert "the test set was used once" in report


def test_test_rows_are_not_looked_at_before_the_end(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every answer during training is to validation rows; other test labels give the same weights."""
    asked: list[set[int]] = []
    real = predict_raw

    def noted(network: Any, feed: Any, rows: np.ndarray, **options: Any) -> Any:
        asked.append(set(rows.tolist()))
        return real(network, feed, rows, **options)

    monkeypatch.setattr(loop_module, "predict_raw", noted)
    data = pellucid.read(table, target="label")
    test = data.split(0).test
    run = pellucid.train(data, network="mlp", size=0, epochs=3, out=tmp_path, name="as-is")
    assert asked
    assert not any(rows & set(test.tolist()) for rows in asked)
    frame = pl.read_csv(table)
    flipped = [("no" if v == "yes" else "yes") if i in set(test.tolist()) else v for i, v in enumerate(frame["label"])]
    split = ["test" if i in set(test.tolist()) else "train" for i in range(len(frame))]
    both = []
    for name, labels in (("kept", frame["label"].to_list()), ("flipped", flipped)):
        own = frame.with_columns(pl.Series("label", labels), pl.Series("split", split))
        own.write_csv(tmp_path / f"{name}.csv")
        both.append(
            pellucid.train(tmp_path / f"{name}.csv", target="label", network="mlp", size=0, epochs=3, out=tmp_path)
        )
    skip = {"output.temperature"}
    one, two = ({k: v for k, v in r.network.state_dict().items() if k not in skip} for r in both)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert both[0].score.value == pytest.approx(1 - both[1].score.value)
    assert run.record["looks"] == 1


def test_trainings_that_cannot_begin_say_why(table: Path, tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="there is no data to train on"):
        pellucid.train(out=tmp_path)
    with pytest.raises(PellucidError, match="a Linear has no known width"):
        pellucid.train(table, target="label", network=torch.nn.Linear(3, 3), out=tmp_path)
    with pytest.raises(PellucidError, match="there are no test examples to score them on"):
        pellucid.train(table, target="label", split="0.9,0.1,0", out=tmp_path)
    pellucid.train(table, target="label", network="mlp", size=0, steps=2, out=tmp_path, name="one")
    with pytest.raises(PellucidError, match="there is a run here already") as told:
        pellucid.train(table, target="label", network="mlp", size=0, steps=2, out=tmp_path, name="one")
    assert f"pellucid resume {tmp_path / 'one'}" in str(told.value.fix)
    again = pellucid.train(table, target="label", network="mlp", size=0, steps=2, out=tmp_path / "more")
    third = pellucid.train(table, target="label", network="mlp", size=0, steps=2, out=tmp_path / "more")
    assert (again.path.name, third.path.name) == ("small-dense", "small-dense-2")


def test_data_in_memory_is_asked_for_again(tmp_path: Path, table: Path) -> None:
    frame = pl.read_csv(table)
    run = pellucid.train(frame, target="label", network="mlp", size=0, steps=3, out=tmp_path, name="run")
    with pytest.raises(PellucidError, match="this run was trained on data in memory"):
        pellucid.resume(run.path, more="2steps")
    longer = pellucid.resume(run.path, more="2steps", data=frame)
    assert longer.record["steps"] == 5
    with pytest.raises(PellucidError, match="the data has changed since this training began"):
        pellucid.resume(run.path, more="2steps", data=frame.head(100))


@pytest.mark.parametrize(("target", "heads"), [("tags", None), ("word", None), ("number", None), ("word", 4)])
def test_a_run_is_opened_without_torchs_compiler(target: str, heads: int | None, tmp_path: Path) -> None:
    """It takes two seconds to load, and more than one process would."""
    columns = {
        "number": [float(i % 17) for i in range(60)],
        "word": ["a", "b", "c"] * 20,
        "tags": ["x|y", "y", "z|x"] * 20,
        "other": [float(i % 5) for i in range(60)],
    }
    several = {} if heads is None else {"heads": heads, "network": "mlp"}
    run = pellucid.train(pl.DataFrame(columns), target=target, out=tmp_path, steps=2, **several)
    code = f"import sys, pellucid; pellucid.load({str(run.path)!r}); print('torch._dynamo' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_what_is_alike_makes_a_gain_less_sure() -> None:
    """Gains that hold for a stretch of time, or for a group, are as many as there are stretches or groups."""
    output: Any = SimpleNamespace(losses=lambda raw, batch: raw[:, 0])
    each = np.random.default_rng(0).permutation(np.linspace(-1.5, 1.7, 12))
    gain, true = torch.tensor(np.repeat(each, 40)).view(-1, 1), torch.zeros(480, 1)
    one, other = (torch.zeros(480, 1), true), (gain, true)
    group, time = np.repeat(np.arange(12), 40), Moments(np.arange(480.0), "time", False)
    assert is_surely_better(output, one, other)
    assert not is_surely_better(output, other, one)
    assert not is_surely_better(output, one, other, group=group)
    assert not is_surely_better(output, one, other, moments=time)
    # A gain that is much larger than it varies is sure either way.
    sure = (gain + 3, true)
    assert is_surely_better(output, one, sure, group=group)
    assert is_surely_better(output, one, sure, moments=time)
