"""Metrics are those of scikit-learn, to rounding; a training can be chosen and scored by any of them."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import write_table
from sklearn import metrics as sk

import pellucid
from pellucid import PellucidError
from pellucid.errors import UsageError
from pellucid.fields import Field
from pellucid.metrics.bootstrap import bootstrap_interval
from pellucid.outputs import Category, Number
from pellucid.tasks.base import measure_all

pytestmark = pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")  # they are float32's


@pytest.mark.parametrize("classes", [2, 5])
def test_metrics_of_categories(classes: int) -> None:
    rng = np.random.default_rng(classes)
    state = {"values": [f"c{i}" for i in range(classes)], "role": "target"}
    output = Category([Field("label", "category", role="target", state=state)])
    raw = torch.from_numpy(rng.normal(size=(400, classes)).round(1)).float()  # rounded, so that scores tie
    true = torch.from_numpy(rng.integers(0, classes, 400))
    found = output.task.report_content(raw, true)
    guess, chances = raw.argmax(1).numpy(), exact(raw)
    every = np.arange(classes)
    precision, recall, f1, count = sk.precision_recall_fscore_support(true, guess, labels=every, zero_division=0)
    expected = {
        "accuracy": sk.accuracy_score(true, guess),
        "balanced accuracy": sk.balanced_accuracy_score(true, guess),
        "macro F1": sk.f1_score(true, guess, average="macro"),
        "log loss": sk.log_loss(true, chances, labels=every),
    }
    expected["ROC AUC"] = sk.roc_auc_score(true, chances[:, 1] if classes == 2 else chances, multi_class="ovr")
    assert found["metrics"] == pytest.approx(expected, abs=1e-6)
    assert found["confusion"]["matrix"] == sk.confusion_matrix(true, guess, labels=every).tolist()
    rows = [(r["precision"], r["recall"], r["f1"], r["count"]) for r in found["per_class"]]
    assert np.allclose(rows, np.stack([precision, recall, f1, count], 1))


def test_figures_of_each_class_count_weights() -> None:
    rng = np.random.default_rng(3)
    raw, true = torch.from_numpy(rng.normal(size=(300, 3))).float(), torch.from_numpy(rng.integers(0, 3, 300))
    weight = rng.choice([0.0, 0.5, 3.0], 300)
    found = categories(3, "accuracy").task.report_content(raw, true, weight)
    rows = [(r["precision"], r["recall"], r["f1"]) for r in found["per_class"]]
    theirs = sk.precision_recall_fscore_support(true, raw.argmax(1), labels=[0, 1, 2], sample_weight=weight)
    assert np.allclose(rows, np.stack(theirs[:3], 1))
    assert [r["count"] for r in found["per_class"]] == np.bincount(true.numpy()).tolist(), "examples are counted"


def test_a_class_that_is_never_said_nor_there_counts_as_nothing() -> None:
    state = {"values": ["a", "b", "c"], "role": "target"}
    output = Category([Field("label", "category", role="target", state=state)])
    found = output.task.report_content(torch.tensor([[2.0, 1.0, 0.0]] * 4), torch.tensor([0, 0, 1, 1]))
    assert found["per_class"][2] == {"label": "c", "precision": 0.0, "recall": 0.0, "f1": 0.0, "count": 0}
    assert found["metrics"]["balanced accuracy"] == 0.5


def test_metrics_of_numbers() -> None:
    rng = np.random.default_rng(0)
    fields = [
        Field(name, "number", role="target", state={"mean": mean, "std": std, "role": "target"})
        for name, mean, std in (("price", 100.0, 20.0), ("weight", -3.0, 0.5))
    ]
    output = Number(fields)
    raw, true = torch.from_numpy(rng.normal(size=(300, 2))).float(), torch.from_numpy(rng.normal(size=(300, 2))).float()
    scale, shift = np.array([20.0, 0.5]), np.array([100.0, -3.0])
    guess, truth = raw.numpy() * scale + shift, true.numpy() * scale + shift
    # Of both: a report leaves out what has no common unit.
    found = measure_all(output.task, *output.task.read_answers(raw, true), None)
    assert found["R2"] == pytest.approx(sk.r2_score(truth, guess), abs=1e-6)
    assert found["mean absolute error"] == pytest.approx(sk.mean_absolute_error(truth, guess), rel=1e-5)
    assert found["root mean squared error"] == pytest.approx(sk.root_mean_squared_error(truth, guess), rel=1e-5)
    assert found["median absolute error"] == pytest.approx(sk.median_absolute_error(truth, guess), rel=1e-5)


# -- metrics that can be asked for

ANSWERS = {"accuracy": sk.accuracy_score, "balanced accuracy": sk.balanced_accuracy_score}


def categories(classes: int, metric: str | None = None) -> Category:
    values = [f"c{i}" for i in range(classes)]
    state = {"values": values, "role": "target"}
    return Category([Field("label", "category", role="target", state=state)], metric=metric)


def numbers(metric: str | None = None, targets: int = 1) -> Number:
    state = {"mean": 100.0, "std": 20.0, "role": "target"}
    return Number([Field(f"t{i}", "number", role="target", state=state) for i in range(targets)], metric=metric)


def by_scikit_learn(metric: str, true: np.ndarray, chances: np.ndarray, weight: np.ndarray | None) -> float:
    guess, classes, how = chances.argmax(1), chances.shape[1], {"sample_weight": weight}
    if metric in ANSWERS:
        return ANSWERS[metric](true, guess, **how)
    if metric == "macro F1":
        return sk.f1_score(true, guess, average="macro", **how)
    if metric == "F1 of 'c1'":
        return sk.f1_score(true, guess, labels=[1], average="macro", **how)
    if metric == "log loss":
        return sk.log_loss(true, chances, labels=np.arange(classes), **how)
    return sk.roc_auc_score(true, chances[:, 1] if classes == 2 else chances, multi_class="ovr", **how)


def exact(raw: torch.Tensor) -> np.ndarray:
    return raw.double().softmax(1).numpy()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize(
    ("asked", "metric"),
    [
        ("accuracy", "accuracy"), ("Balanced-Accuracy", "balanced accuracy"), ("f1", "macro F1"),
        ("F1:c1", "F1 of 'c1'"), ("log_loss", "log loss"), ("auc", "ROC AUC"),
    ],
)  # fmt: skip
def test_metrics_of_categories_are_scikit_learns(asked: str, metric: str, classes: int, weighted: bool) -> None:
    rng = np.random.default_rng(classes)
    true = rng.integers(0, classes, 300)
    raw = torch.from_numpy((rng.normal(size=(300, classes)) + np.eye(classes)[true]).round(1)).float()
    weight = rng.choice([0.0, 0.5, 3.0], 300) if weighted else None
    output = categories(classes, asked)
    assert output.task.metric == metric
    assert output.task.higher is (metric != "log loss")
    expected = by_scikit_learn(metric, true, exact(raw), weight)
    target = torch.from_numpy(true)
    assert output.task.measure(raw, target, weight) == pytest.approx(expected, abs=1e-6)
    score = output.task.score(raw, target, weight=weight, weights="w")
    assert score.value == pytest.approx(expected, abs=1e-6)
    assert score.low < score.value < score.high
    assert score.high - score.low < 0.5
    assert next(iter(output.task.report_content(raw, target, weight)["metrics"])) == metric
    assert output.task.report_content(raw, target, weight)["metrics"][metric] == pytest.approx(expected, abs=1e-6)
    again = Category(output.fields, **output.config()["settings"])
    assert again.task.metric == metric


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize(
    ("asked", "function"),
    [
        ("r2", sk.r2_score), ("mae", sk.mean_absolute_error), ("rmse", sk.root_mean_squared_error),
        ("medae", sk.median_absolute_error), ("mape", sk.mean_absolute_percentage_error),
    ],
)  # fmt: skip
def test_metrics_of_numbers_are_scikit_learns(asked: str, function: Any, targets: int, weighted: bool) -> None:
    rng = np.random.default_rng(targets)
    true = torch.from_numpy(rng.normal(size=(251, targets)))
    raw = true + torch.from_numpy(rng.normal(size=(251, targets))) / 2
    weight = rng.uniform(0.1, 3.0, 251) if weighted else None
    output = numbers(asked, targets)
    expected = function(true.numpy() * 20 + 100, raw.numpy() * 20 + 100, sample_weight=weight)
    assert output.task.measure(raw, true, weight) == pytest.approx(expected)
    score = output.task.score(raw, true, weight=weight)
    assert score.low < score.value < score.high
    assert output.task.is_better(0.0, 1.0) is (asked != "r2")


@pytest.mark.parametrize("metric", ["accuracy", "balanced accuracy", "f1", "f1:c0", "f1:c2", "log loss", "auc"])
def test_no_constant_class_beats_the_naive_answer(metric: str) -> None:
    true, output = np.array([0] * 10 + [1] * 30 + [2] * 20), categories(3, metric)
    target = torch.from_numpy(true)
    output.temperature.fill_(1.7)
    naive, name = output.task.naive_answer(true)
    value = output.task.measure(np.tile(naive, (60, 1)), target)
    others = [output.task.measure(5 * torch.eye(3)[i].expand(60, -1), target) for i in range(3)]
    assert all(value == other or output.task.is_better(value, other) for other in others)
    assert name == {"log loss": "always the shares of the classes", "f1:c0": "always 'c0'", "f1:c2": "always 'c2'"}.get(
        metric, "always 'c1'"
    )
    shares = np.array([1, 3, 2]) / 6
    if metric == "log loss":
        assert value == pytest.approx(-(shares * np.log(shares)).sum())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", ["r2", "mae", "rmse", "mape"])
def test_no_constant_number_beats_the_naive_answer(metric: str, weighted: bool) -> None:
    rng, output = np.random.default_rng(0), numbers(metric)
    true = rng.exponential(size=(80, 1))
    weight = rng.uniform(0.1, 3.0, 80) if weighted else None
    naive, name = output.task.naive_answer(true, weight)
    value = output.task.measure(np.tile(naive, (80, 1)), torch.from_numpy(true), weight)
    for other in np.linspace(-1, 4, 101):
        tried = output.task.measure(torch.full((80, 1), other), torch.from_numpy(true), weight)
        assert output.task.is_better(value, tried) or tried == pytest.approx(value, rel=1e-3)
    words = {"mae": "always the median, 1", "mape": "always the number that is off by the smallest share, 1"}
    assert name.startswith(words.get(metric, "always the mean, 1"))


def test_the_interval_covers_what_it_should() -> None:
    """Over 200 draws, the 95 % interval of the AUC holds the true one about 190 times."""
    rng, output = np.random.default_rng(0), categories(2, "auc")
    true_value, held = 0.7602, 0  # of two normal distributions one spread apart: Φ(1 / √2)
    for _ in range(200):
        true = rng.integers(0, 2, 60)
        score = rng.normal(size=60) + true
        low, high = bootstrap_interval(
            output.task.metric_of_weights(torch.from_numpy(np.stack([-score, score], 1)), torch.from_numpy(true)),
            np.ones(60),
            200,
        )
        held += low <= true_value <= high
    assert 175 <= held <= 199


@pytest.mark.parametrize(
    ("output", "asked", "message"),
    [
        (
            Category,
            "mae",
            "a category has no metric 'mae'\n  choose one of: accuracy, balanced accuracy, f1, log loss, auc",
        ),
        (Number, "acuracy", "a number has no metric 'acuracy'\n  choose one of: r2, mae, rmse, medae, mape"),
        (Category, "f1:caat", "Unknown class 'caat'. Did you mean 'cat'? Known: cat, dog"),
    ],
)
def test_a_metric_that_does_not_fit(output: Any, asked: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        output.task_type.metric_named(asked, ["cat", "dog"])
    assert str(error.value) == message


# -- a training by another metric


def uneven(tmp_path: Path, n: int = 240) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)).round(3)
    rows = [[a, b, "rare" if a + b > 1 else "usual", round(50 + 9 * a, 2)] for a, b in x.tolist()]
    return write_table(tmp_path / "uneven.csv", ["a", "b", "kind", "price"], rows)


@pytest.mark.parametrize(
    ("target", "asked", "name", "higher", "said"),
    [
        ("kind", "auc", "ROC AUC", True, r"ROC AUC [\d.]+ \(.*\): how often two examples .*; baseline: 0.5000."),
        ("kind", "f1:rare", "F1 of 'rare'", True, r"F1 of 'rare' .*; baseline \(always 'rare'\): 0.\d+."),
        ("kind", "log loss", "log loss", False, r"Log loss .*; baseline \(always the shares of the classes\): 0.\d+."),
        ("kind", "balanced accuracy", "balanced accuracy", True, r"Balanced .*; baseline \(always 'usual'\): 50.0%."),
        ("price", "mae", "mean absolute error", False, r"Mean absolute error [\d.]+ .*, in the unit of 'price'; "
                                                       r"baseline \(always the median, [\d.]+\): [\d.]+."),
        ("price", "rmse", "root mean squared error", False, r"Root mean squared error [\d.]+ .*; "
                                                            r"baseline \(always the mean, [\d.]+\): [\d.]+."),
        ("price", "mape", "mean absolute percentage error", False, r"Mean absolute percentage error [\d.]+% .*: .*%."),
    ],
)  # fmt: skip
def test_a_training_is_chosen_and_scored_by_the_metric(
    target: str, asked: str, name: str, higher: bool, said: str, tmp_path: Path
) -> None:
    file, other = uneven(tmp_path), "price" if target == "kind" else "kind"
    run = pellucid.train(
        file, target=target, ignore=[other], metric=asked, steps=60, lr=0.01, size=0, out=str(tmp_path)
    )
    assert run.score.metric == run.baseline.metric == run.result()["metric"] == name
    assert run.network.output.task.is_better(run.score.value, run.baseline.value)
    assert re.fullmatch(said, run.say()), run.say()
    curve = [row[name] for row in run.history]
    candidates = [run.record["chosen"][which] for which in run.record["chosen"] if which != "weights"]
    best = (max if higher else min)(candidates)
    assert run.validation == best or (name == "log loss" and run.validation < best)  # confidence is calibrated
    assert len(curve) > 2
    again = pellucid.load(run.path)
    assert again.network.output.task.metric == name
    scored = again.evaluate(file)
    assert scored.score.metric == scored.result()["metric"] == name
    assert next(iter(scored.metrics)) == name
    page = unescape((run.path / "report.html").read_text())
    assert f"Learning curve: {name} on validation" in page
    assert ("Longer is better" if higher else "Shorter is better") in page
    assert pellucid.train(like=run.path).score == run.score


def test_a_metric_is_checked_before_anything_is_trained(tmp_path: Path) -> None:
    file = uneven(tmp_path)
    with pytest.raises(UsageError, match="a category has no metric 'rmse'"):
        pellucid.train(file, target="kind", metric="rmse", out=str(tmp_path))
    with pytest.raises(UsageError, match=r"Unknown class 'raer'\. Did you mean 'rare'\?"):
        pellucid.train(file, target="kind", metric="f1:raer", out=str(tmp_path))
    a = np.random.default_rng(0).normal(size=60).tolist()
    one = {
        "a": a,
        "kind": ["x", "y"] * 20 + ["x"] * 20,
        "part": ["train"] * 40 + ["val"] * 10 + ["test"] * 10,
    }
    with pytest.raises(PellucidError) as error:
        pellucid.train(one, target="kind", split="part", metric="auc", steps=2, out=str(tmp_path))
    assert str(error.value) == (
        "ROC AUC can't be computed on validation, where all 10 targets are the same\n"
        "  choose another --metric, or give that set more data with --split"
    )
    zeros = {"a": a, "price": [float(i % 30) for i in range(60)]}
    with pytest.raises(PellucidError) as error:
        pellucid.train(zeros, target="price", metric="mape", out=str(tmp_path))
    assert str(error.value) == (
        "the mean absolute percentage error divides by the target, and 'price' is 0 in 2 examples\n"
        "  choose --metric mae"
    )
    tiny = {"a": a, "price": [1e-12 if i == 7 else 50.0 + i % 30 for i in range(60)]}  # float32 keeps nothing of it
    with pytest.raises(PellucidError, match="'price' is next to 0 in 1 examples"):
        pellucid.train(tiny, target="price", metric="mape", out=str(tmp_path))
    assert not list(tmp_path.glob("*/run.json"))


@pytest.mark.parametrize(("n", "least", "most"), [(10, 0.5, 1), (10_000, 0, 0.35)])
def test_answers_that_are_all_right_do_not_take_all_doubt(n: int, least: float, most: float) -> None:
    from pellucid.tasks.calibration import fit_temperature

    logits, true = torch.tensor([[2.0, 0.0]]).repeat(n, 1), torch.zeros(n, dtype=torch.int64)
    found = fit_temperature(lambda t: torch.nn.functional.cross_entropy(logits / t, true).item(), n)
    assert max(least, 1 / 8 - 1e-6) <= found <= most


def test_many_examples_say_how_sure_to_be() -> None:
    from pellucid.tasks.calibration import fit_temperature

    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(5000, 3)) * 2)
    true = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(
        lambda t: torch.nn.functional.cross_entropy(3 * logits / t, true).item(), 5000
    ) == pytest.approx(3, 0.1)
