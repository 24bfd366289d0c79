"""How much rows and classes count."""

# ruff: noqa: E501
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import write_table
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_class_weight

import pellucid
from pellucid import PellucidError
from pellucid.data.batches.batch import Batch
from pellucid.data.sample_weights import balanced_weights, loss_weights
from pellucid.dataset import read as read_data
from pellucid.errors import UsageError
from pellucid.network import Network
from pellucid.options import check_options
from pellucid.outputs import Category, Tokens, Transcript, Written
from pellucid.training.evaluate import mean_loss, predict_raw
from pellucid.training.loader import Loader
from pellucid.training.loop import micro_batches

HOW: dict[str, Any] = {"steps": 6, "size": 0}


def rows(n: int = 200) -> list[list[Any]]:
    """Two numbers, a class and a price that follow from them, a weight that is larger for one class."""
    rng = np.random.default_rng(0)
    found = []
    for a, b in rng.normal(size=(n, 2)).round(3).tolist():
        kind = "rare" if a + b > 1 else "usual"
        found.append([a, b, kind, round(50 + 9 * a, 2), round(rng.uniform(0.5, 1.5) * (4 if kind == "rare" else 1), 2)])
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_table(tmp_path / "weighted.csv", ["a", "b", "kind", "price", "w"], rows())


def column(values: list[Any]) -> dict[str, list[Any]]:
    return {
        "a": [float(i % 7) + i / 50 for i in range(len(values))],
        "kind": ["x", "y"] * (len(values) // 2),
        "w": values,
    }


# -- what is a weight


def test_a_column_of_weights_is_no_input(file: Path) -> None:
    data = read_data(file, target="kind", weights="w", ignore=["price"])
    assert data.weight is not None
    assert data.weight.role == "weight"
    assert data.weight.reason.startswith("how much each row counts, from 0.")
    assert [f.name for f in data.inputs] == ["a", "b"]
    weights = data.row_weights()
    assert weights is not None
    assert weights.tolist() == [row[4] for row in rows()]
    assert read_data(file, target="kind").row_weights() is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0, -3.0, 4.0, -1.0, 1.0], "row 2, column 'w': a weight is negative, and 1 other\n  give every row a number of 0 or more"),
        ([1.0, float("inf"), 1.0, 1.0], "row 1, column 'w': a weight is infinite\n  give every row a number of 0 or more"),
        ([0, 0, 0, 0], "the weights 'w' are all 0\n  give every row a number of 0 or more"),
        (["heavy", "light"] * 2, "the weights 'w' are not numbers\n  give every row a number of 0 or more"),
        ([None, None], "the weights 'w' are not numbers\n  give every row a number of 0 or more"),
    ],
)  # fmt: skip
def test_what_can_be_no_weight(values: list[Any], message: str) -> None:
    with pytest.raises(PellucidError) as error:
        read_data(column(values), target="kind", weights="w")
    assert str(error.value) == message


def test_true_and_false_are_weights() -> None:
    data = read_data(column([True, True, False, True] * 10), target="kind", weights="w")
    weights = data.row_weights()
    assert weights is not None
    assert weights[:4].tolist() == [1, 1, 0, 1]


def test_weights_that_are_named_wrong() -> None:
    with pytest.raises(UsageError, match=r"Unknown column 'ww'\. Did you mean 'w'\?"):
        read_data(column([1, 2]), target="kind", weights="ww")
    with pytest.raises(UsageError, match="column 'a' can't be both target and weights"):
        read_data(column([1, 2]), target="a", weights="a")


def test_rows_without_a_weight_are_left_out_and_said() -> None:
    data = read_data(column([1.0, None, 2.0, 3.0] * 10), target="kind", weights="w")
    assert len(data.usable_rows()) == 30
    assert "10 examples without a weight are left out, this one first" in " ".join(map(str, data.notes))


def test_a_part_that_counts_for_nothing(tmp_path: Path) -> None:
    some = column([1.0] * 40 + [0.0] * 10 + [1.0] * 10) | {"split": ["train"] * 40 + ["val"] * 10 + ["test"] * 10}
    with pytest.raises(PellucidError) as error:
        pellucid.train(some, target="kind", weights="w", out=str(tmp_path), **HOW)
    assert str(error.value) == "all weights 'w' of the validation set are 0\n  split the rows otherwise"


# -- in the loss


def test_weights_are_1_on_average_over_training() -> None:
    sample, train = np.array([1.0, 2.0, 3.0, 8.0, np.nan]), np.array([0, 1, 2])
    assert loss_weights(None, train) is None
    found = loss_weights(sample, train)
    assert found is not None
    assert found[:4].tolist() == [0.5, 1.0, 1.5, 4.0]
    both = loss_weights(sample, train, np.array([1.0, 3.0]), np.array([0, 1, 0, 1, -1]))
    assert both is not None
    assert both[train].mean() == pytest.approx(1)
    assert both[1] / both[0] == pytest.approx(6)
    with pytest.raises(PellucidError, match="all weights of the training set are 0"):
        loss_weights(None, train, np.array([0.0, 1.0]), np.zeros(5, int))


def test_balanced_is_scikit_learns() -> None:
    labels = np.array(["a"] * 6 + ["b"] * 3 + ["c"])
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=labels)
    assert list(balanced_weights({"a": 6, "b": 3, "c": 1, "gone": 0}).values()) == pytest.approx(expected.tolist())


def test_a_weight_of_two_is_the_row_twice() -> None:
    """The gradient of a weighted batch is that of the batch with repeats; micro-batches change nothing."""
    data = pellucid.read(column([1.0] * 8), target="kind", ignore=["w"])
    network = data.network(trunk="mlp").double().eval()  # without dropout
    inputs = {"number": torch.randn(3, 1, dtype=torch.float64)}
    target, every = torch.tensor([0, 1, 1]), np.arange(3)

    def gradient(batch: Batch, size: int, micro: int) -> list[torch.Tensor]:
        network.zero_grad()
        for part in micro_batches(batch, micro):
            (network.losses(part).sum() / size).backward()
        return [p.grad.clone() for p in network.parameters() if p.grad is not None]

    weighted = Batch(inputs, target, every, weight=torch.tensor([2.0, 0.0, 1.0]))
    twice = Batch({"number": inputs["number"][[0, 0, 2]]}, target[[0, 0, 2]], every)
    for size in (3, 2, 1):
        for one, two in zip(gradient(weighted, 3, size), gradient(twice, 3, 3), strict=True):
            assert torch.allclose(one, two, atol=1e-7)


def test_batches_carry_their_weights(file: Path) -> None:
    data = pellucid.read(file, target="kind", weights="w", ignore=["price"])
    network = data.network(trunk="mlp")
    every = list(data.batches("train", network, batch_size=40))
    weight, order = torch.cat([batch.weight for batch in every]), np.concatenate([batch.rows for batch in every])
    raw = data.row_weights()
    assert raw is not None
    assert weight.numpy() == pytest.approx(raw[order] / raw[data.split().train].mean(), rel=1e-6)
    network.eval()
    assert network.loss(every[0]).item() == pytest.approx(network.losses(every[0]).mean().item())
    bare = pellucid.read(file, target="kind", ignore=["price", "w"])
    assert next(iter(bare.batches("train", network))).weight is None


def test_the_feed_gives_the_same_weights() -> None:
    weight = np.array([0.5, 1.0, 1.5], np.float32)
    inputs, target = {"number": np.zeros((3, 1), np.float32)}, np.zeros(3, np.int64)
    feed = Loader(inputs, target, torch.device("cpu"), weight=weight, sample=weight * 2)
    assert feed.batch(torch.tensor([2, 0])).weight.tolist() == [1.5, 0.5]  # type: ignore[union-attr]
    assert feed.score_weights(np.array([2, 0])).tolist() == [3.0, 1.0]  # type: ignore[union-attr]
    bare = Loader(inputs, target, torch.device("cpu"))
    assert bare.batch(torch.tensor([0])).weight is None
    assert bare.score_weights(np.array([0])) is None


# -- in a run


def seen(
    run: pellucid.Run, data: pellucid.Dataset, part: str
) -> tuple[Network, torch.Tensor, torch.Tensor, np.ndarray]:
    """A run's raw answers, targets and weights of one part."""
    from pellucid.data import encode_groups, encode_target

    fields = run.network.fields
    target = encode_target(data, run.network.output.fields)
    feed = Loader(encode_groups(data, [f for f in fields if f.role == "input"]), target, torch.device("cpu"))
    chosen, weights = data.split()[part], data.row_weights()
    assert weights is not None
    return run.network, *predict_raw(run.network, feed, chosen, final=True), weights[chosen]


@pytest.mark.parametrize(("target", "metric"), [("kind", None), ("kind", "auc"), ("price", None), ("price", "mae")])
def test_weights_count_in_every_score(target: str, metric: str | None, file: Path, tmp_path: Path) -> None:
    other = "price" if target == "kind" else "kind"
    data = pellucid.read(file, target=target, weights="w", ignore=[other])
    run = pellucid.train(data, metric=metric, out=str(tmp_path), **HOW)
    network, raw, true, weight = seen(run, data, "test")
    guess, truth = network.output.task.read_answers(raw, true)
    expected = {
        "accuracy": lambda: sk.accuracy_score(truth, guess.argmax(1), sample_weight=weight),
        "ROC AUC": lambda: sk.roc_auc_score(truth, guess[:, 1], sample_weight=weight),
        "R2": lambda: sk.r2_score(truth, guess, sample_weight=weight),
        "mean absolute error": lambda: sk.mean_absolute_error(truth, guess, sample_weight=weight),
    }[run.score.metric]()
    assert run.score.value == pytest.approx(expected, abs=1e-6)
    assert run.score.weights == run.baseline.weights == run.result()["weights"] == "w"
    assert f"{len(weight)} examples weighted by 'w')" in str(run.score)
    _, raw, true, weight = seen(run, data, "validation")
    assert run.validation == pytest.approx(network.output.task.measure(raw, true, weight))
    if metric is None:
        assert run.validation != pytest.approx(network.output.task.measure(raw, true))
    page = (run.path / "report.html").read_text()
    assert "Sample weights: &#x27;w&#x27;" in page.replace("'w'", "&#x27;w&#x27;").replace("&#39;", "&#x27;")
    assert "in the loss and in every metric" in page
    again = pellucid.train(like=run.path, data=data)
    assert (again.path / "weights.safetensors").read_bytes() == (run.path / "weights.safetensors").read_bytes()
    scored = run.evaluate(file, weights="w")
    bare = run.evaluate(file)
    assert scored.score.weights == scored.result()["weights"] == "w"
    assert "weights" not in bare.result()
    assert not any("the run does not use: w" in str(note) for note in scored.notes)
    assert scored.score.value != bare.score.value
    assert "the run's own score is weighted by 'w', this one is not" in [note.text for note in bare.notes]
    with pytest.raises(UsageError, match=r"Unknown column 'v'"):
        run.evaluate(file, weights="v")


def test_the_weighted_loss_is_the_weighted_mean() -> None:
    field = pellucid.fields.Field("k", "category", role="target", state={"values": ["a", "b"], "role": "target"})
    output = Category([field])
    raw, true = torch.randn(5, 2), torch.tensor([0, 1, 1, 0, 1])
    losses = output.losses(raw, Batch.of_targets(true)).numpy()
    weight = np.array([0.0, 1.0, 2.0, 0.5, 3.0])
    assert mean_loss(output, raw, true, weight) == pytest.approx(float((losses * weight).sum() / weight.sum()))
    assert mean_loss(output, raw, true) == pytest.approx(float(losses.mean()))


def text_field(kind: str) -> pellucid.fields.Field:
    state = {"role": "target", "level": "characters", "vocabulary": " ab", "size": 7, "longest": 20, "context": 20}
    return pellucid.fields.Field("t", kind, role="target", settings={"level": "characters"}, state=state)


@pytest.mark.parametrize(
    ("output", "kind", "more"), [(Written, "writing", 0), (Transcript, "writing", 1), (Tokens, "passage", 0)]
)
def test_a_weighted_loss_of_texts_is_that_of_a_token(output: Any, kind: str, more: int) -> None:
    """Two texts of 10 and 5 tokens, whose losses are 20 and 40 in all; the end of what is heard is not one of them."""
    own, raw = output([text_field(kind)]), torch.tensor([[20.0, 0.0], [40.0, 0.0]])
    lengths = torch.tensor([[10.0 + more, 9.0], [5.0 + more, 9.0]])
    assert mean_loss(own, raw, lengths) == pytest.approx(60 / 15)
    assert mean_loss(own, raw, lengths, np.ones(2)) == pytest.approx(60 / 15)
    assert mean_loss(own, raw, lengths, np.array([3.0, 1.0])) == pytest.approx((3 * 20 + 40) / (3 * 10 + 5))
    assert own.counts(Batch.of_targets(lengths)).tolist() == [10, 5]


def test_the_training_loss_of_texts_is_weighted_as_that_of_validation(tmp_path: Path) -> None:
    """One batch of all training rows: with weights that go with the length, too."""
    words = ["red", "blue", "big", "dog", "cat", "bird"]
    texts = [" ".join(words[(i * k) % 6] for k in range(1, 2 + i % 5)) for i in range(60)]
    table = write_table(tmp_path / "t.csv", ["said", "turned", "w"], [[one, one[::-1], len(one)] for one in texts])
    data = pellucid.read(table, target="turned", kinds={"turned": "writing"}, weights="w", cache=False)
    network = data.network("rnn").eval()
    train = data.split(0).train
    (batch,) = data.batches("train", network, seed=0, epoch=0, batch_size=len(train))
    loader = Loader.of(data, list(data.fitted(0).values()), torch.device("cpu"))
    raw, target = predict_raw(network, loader, train)
    learned, weight = float(network.loss(batch).detach()), data.row_weights()
    assert weight is not None
    assert mean_loss(network.output, raw, target, weight[train]) == pytest.approx(learned, rel=1e-5)
    assert mean_loss(network.output, raw, target) != pytest.approx(learned, rel=1e-4)


def test_even_weights_change_nothing_but_rounding(tmp_path: Path) -> None:
    """Weights of 5 are weights of 1: the same steps to the last bit, because 5 / 5 is 1."""
    even = [[*row[:4], 5] for row in rows()]
    file = write_table(tmp_path / "even.csv", ["a", "b", "kind", "price", "w"], even)
    bare = pellucid.train(file, target="price", ignore=["w", "kind"], out=str(tmp_path), **HOW)
    run = pellucid.train(file, target="price", ignore=["kind"], weights="w", out=str(tmp_path), **HOW)
    assert (bare.path / "weights.safetensors").read_bytes() == (run.path / "weights.safetensors").read_bytes()
    assert run.score.value == pytest.approx(bare.score.value)
    assert (run.score.low, run.score.high) == pytest.approx((bare.score.low, bare.score.high))


# -- classes


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("balanced", "balanced"),
        ("cat=2,dog=1", {"cat": 2.0, "dog": 1.0}),
        ("a=b=0.5", {"a=b": 0.5}),
        ({"cat": 3, 7: 1}, {"cat": 3.0, "7": 1.0}),
    ],
)
def test_class_weights_as_people_write_them(given: Any, expected: Any) -> None:
    assert check_options("train", {"class_weights": given}) == {"class_weights": expected}


@pytest.mark.parametrize("given", ["even", "cat=", "cat=-1", "cat=nan", "=2", "", {"cat": "x"}, 3])
def test_class_weights_that_are_none(given: Any) -> None:
    with pytest.raises(UsageError, match=r"^class weights .*: expected balanced, or LABEL=WEIGHT, such as cat=2,dog=1"):
        check_options("train", {"class_weights": given})


def test_class_weights_need_their_classes(file: Path) -> None:
    with pytest.raises(UsageError, match=r"Unknown class 'raer'\. Did you mean 'rare'\? Known: rare, usual"):
        pellucid.plan(file, target="kind", class_weights="raer=2")
    with pytest.raises(UsageError, match="class weights need classes to predict, and 'price' is a number"):
        pellucid.plan(file, target="price", class_weights="balanced")


@pytest.mark.slow
def test_class_weights_move_the_answers_and_not_the_scores(file: Path, tmp_path: Path) -> None:
    how = {"target": "kind", "ignore": ["price", "w"], "steps": 40, "size": 0, "lr": 0.005, "out": str(tmp_path)}
    bare = pellucid.train(file, **how)
    run = pellucid.train(file, class_weights="balanced", **how)
    counts = np.bincount([row[2] == "usual" for row in rows()])
    assert run.plan.class_weights is not None
    assert run.plan.class_weights["rare"] == pytest.approx(200 / 2 / counts[0], rel=0.05)
    assert (
        "class weights",
        "balanced: every class counts the same; used in the training loss only",
    ) in [(name, reason) for name, _, reason in run.plan.lines()]
    said = [np.mean([one["probabilities"]["rare"] for one in r.predict(file)]) for r in (bare, run)]
    assert said[1] > said[0] + 0.03
    heavy = pellucid.train(file, class_weights={"rare": 50}, **how)
    # Which of its weights are kept is chosen on unweighted validation rows, so that the heaviest need not move furthest.
    assert np.mean([one["probabilities"]["rare"] for one in heavy.predict(file)]) > said[0] + 0.03
    assert heavy.baseline == bare.baseline
    assert "Class weights are used in the training loss, not in scores." in (heavy.path / "report.html").read_text()
    again = pellucid.train(like=run.path)
    assert again.plan == run.plan
    assert (again.path / "weights.safetensors").read_bytes() == (run.path / "weights.safetensors").read_bytes()


def test_rows_and_classes_multiply(file: Path, tmp_path: Path) -> None:
    """Two per class and half a row is one."""
    some = [[*row[:4], 0.5 if row[2] == "rare" else 1] for row in rows()]
    file = write_table(tmp_path / "both.csv", ["a", "b", "kind", "price", "w"], some)
    how = {"target": "kind", "out": str(tmp_path), **HOW}
    both = pellucid.train(file, weights="w", ignore=["price"], class_weights="rare=2,usual=1", **how)
    none = pellucid.train(file, ignore=["price", "w"], **how)
    rows_of = [[row[name] for row in run.history] for run in (both, none) for name in ("loss",)]
    assert rows_of[0] == pytest.approx(rows_of[1])


@pytest.mark.slow
def test_the_probe_of_a_frozen_trunk_counts_weights(tmp_path: Path) -> None:
    """Rows of one answer and of the other that look alike: which is right is what the weights say."""
    first = pellucid.train({"x": [0.0, 1.0] * 40, "label": ["a", "b"] * 40}, out=str(tmp_path), steps=2, network="mlp")
    x, label = [float(i // 2 % 2) for i in range(120)], ["a", "b"] * 60
    solved = {}
    for heavy in ("a", "b"):
        w = [9.0 if one == heavy else 1.0 for one in label]
        data = pellucid.read({"x": x, "label": label, "w": w}, weights="w", target="label")
        run = pellucid.train(data, start=first.path, out=str(tmp_path), name=heavy, steps=2, lr=1e-9)
        solved[heavy] = {one["label"] for one in run.predict({"x": x[:4]})}
    assert solved == {"a": {"a"}, "b": {"b"}}
