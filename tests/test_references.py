"""The classical model beside a network: the same rows, the same metric, a bounded time, paid for once."""

from __future__ import annotations

import json
import math
import time
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

import pellucid
from pellucid.data.batches.batch import encode_target
from pellucid.fields import Field
from pellucid.options import Budget
from pellucid.outputs import OUTPUTS
from pellucid.references import bag_of_words, boosting, fit, linear
from pellucid.references import base as references
from pellucid.references.base import BAG, BOOSTING, Reference, reference_for, reference_seconds
from pellucid.references.fit import fit_reference

SAID: list[str] = []


def referred(data: pellucid.Dataset, seconds: float = 60.0) -> Reference:
    found = fit_reference(data, data.fitted(0), data.split(0), seconds, SAID.append)
    assert found is not None
    return found


def score(data: pellucid.Dataset, raw: np.ndarray) -> tuple[float, float]:
    """The metric of raw answers to the test set, and the naive answer's."""
    targets = [f for f in data.fitted(0).values() if f.role == "target"]
    output, split = OUTPUTS[targets[0].kind](targets), data.split(0)
    true = torch.from_numpy(np.asarray(encode_target(data, targets)))
    naive, _ = output.task.naive_answer(true[split.train].numpy())
    return (
        output.task.measure(torch.from_numpy(np.array(raw)), true[split.test]),
        output.task.measure(np.tile(naive, (len(split.test), 1)), true[split.test]),
    )


def frame(n: int = 400, seed: int = 0) -> pl.DataFrame:
    """Numbers with gaps, a category of which some values are rare, words, and targets that follow from them."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n))
    colour = rng.choice(["red", "green", "blue", "rare"], n, p=[0.4, 0.3, 0.29, 0.01])
    word = np.where(y > 0, "splendid", "dismal")
    story = [f"a {w} film with the number {i} in it" for i, w in enumerate(word)]
    return pl.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.1, np.nan, x),
            "colour": colour,
            "story": story,
            "label": np.where(x + (colour == "red") > 0.3, "yes", "no"),
            "mood": word,
            "price": 3 * x + (colour == "blue") + 0.1 * rng.normal(size=n),
            "worth": 10 - x + 0.1 * rng.normal(size=n),
        }
    )


@pytest.mark.parametrize(
    ("target", "columns", "name", "least"),
    [
        ("label", ["x", "colour"], BOOSTING, 0.85),
        ("price", ["x", "colour"], BOOSTING, 0.75),
        (("price", "worth"), ["x", "colour"], BOOSTING, 0.7),
        ("mood", ["story"], BAG, 0.95),
        ("label", ["x", "colour", "story"], BAG, 0.75),
        ("price", ["x", "colour", "story"], BAG, 0.6),
        ("mood", ["colour", "story"], BAG, 0.95),
    ],
)
def test_it_learns_what_there_is_to_learn(target: Any, columns: list[str], name: str, least: float) -> None:
    goals = [target] if isinstance(target, str) else list(target)
    data = pellucid.read(frame().select([*columns, *goals]), target=target, cache=False)
    found = referred(data)
    assert found.name == name
    assert found.validation.dtype == found.test.dtype == np.float32
    assert (len(found.validation), len(found.test)) == (len(data.split(0).validation), len(data.split(0).test))
    reached, naive = score(data, found.test)
    assert reached > max(least, naive)


def test_it_never_sees_a_target_of_the_test_part() -> None:
    table = frame().select(["x", "colour", "label"])
    part = np.array(["train"] * 280 + ["validation"] * 60 + ["test"] * 60)
    table = table.with_columns(pl.Series("part", part))
    turned = table.with_columns(pl.when(pl.col("part") == "test").then(pl.lit("no")).otherwise("label").alias("label"))
    one, two = (pellucid.read(t, target="label", split="part", cache=False) for t in (table, turned))
    assert one.split(0).test.tolist() == list(range(340, 400))
    assert np.array_equal(referred(one).test, referred(two).test)


@pytest.mark.parametrize(
    ("columns", "target"),
    [(["x", "colour"], "label"), (["x", "colour"], "price"), (["story"], "mood"), (["x", "story"], "price")],
)
def test_rows_count_as_much_as_they_weigh(columns: list[str], target: str) -> None:
    """Half of the rows say the contrary of the others; those that weigh more are believed."""
    table = frame().select([*columns, target])
    turned = {"yes": "no", "no": "yes", "splendid": "dismal", "dismal": "splendid"}
    contrary = -pl.col(target) if target == "price" else pl.col(target).replace(turned)
    both = pl.concat([table.with_columns(w=pl.lit(9.0)), table.with_columns(contrary, w=pl.lit(0.1))])
    answers = []
    for weights in ("w", None):
        data = pellucid.read(both.drop([] if weights else ["w"]), target=target, weights=weights, cache=False)
        answers.append(referred(data).validation)
    spread = [np.abs(raw - raw.mean(0)).mean() for raw in answers]
    assert spread[0] > 2 * spread[1]


@pytest.mark.parametrize(
    ("inputs", "target", "name"),
    [
        (["number", "category"], ["category"], BOOSTING),
        (["number"], ["number", "number"], BOOSTING),
        (["text", "number"], ["category"], BAG),
        (["image"], ["category"], None),
        (["image", "text"], ["category"], None),
        (["number"], ["text"], None),
        (["number"], [], None),
    ],
)
def test_which_model_suits(inputs: list[str], target: list[str], name: str | None) -> None:
    fields = [Field(f"i{i}", kind) for i, kind in enumerate(inputs)]
    assert reference_for(fields, [Field(f"t{i}", kind, "target") for i, kind in enumerate(target)]) == name


def test_it_is_held_to_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reference_seconds(Budget("seconds", 60)) == 3
    assert reference_seconds(Budget("steps", 60)) == 10
    data = pellucid.read(frame().select(["x", "colour", "label"]), target="label", cache=False)
    SAID.clear()
    assert boosting.affordable_rows(10**6, 100, 1, 3.0) < 10**5
    monkeypatch.setattr(boosting, "affordable_rows", lambda *_: 0)
    assert fit_reference(data, data.fitted(0), data.split(0), 5.0, SAID.append) is None
    assert SAID[0] == "gradient boosting as a reference is left out: on this data it takes longer than 5 s"

    def refuse(*_: Any) -> None:
        raise ValueError("found 0 features\nand more")

    monkeypatch.setattr(fit, "fit_boosting", refuse)
    assert fit_reference(data, data.fitted(0), data.split(0), 5.0, SAID.append) is None
    assert SAID[1] == "gradient boosting as a reference is left out: found 0 features"


@pytest.mark.parametrize("columns", [["x", "colour", "label"], ["story", "price"]])
def test_what_the_clock_cut_short_says_so(columns: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    data = pellucid.read(frame().select(columns), target=columns[-1], cache=False)
    clock = count()
    monkeypatch.setattr(boosting, "FEWEST_ROWS", 100)
    monkeypatch.setattr(bag_of_words, "FEWEST_ROWS", 100)
    monkeypatch.setattr(bag_of_words, "affordable_texts", lambda d, i, split, s: split.train[:200])
    monkeypatch.setattr(boosting, "affordable_rows", lambda *_: 200)
    monkeypatch.setattr(boosting.time, "perf_counter", lambda: 3.0 * next(clock))  # 3 seconds from one look to the next
    found = fit_reference(data, data.fitted(0), data.split(0), 5.0, SAID.append)
    monkeypatch.undo()
    assert found is not None
    assert found.name.endswith(", on 200 of 320 rows, stopped by the time limit")
    assert np.isfinite(found.test).all()


@pytest.mark.parametrize(
    ("target", "columns", "least"),
    [
        ("label", ["x", "colour"], 0.85),
        ("price", ["x", "colour"], 0.75),
        (("price", "worth"), ["x", "colour"], 0.7),
        ("mood", ["story"], 0.95),
        ("label", ["x", "colour", "story"], 0.75),
        ("price", ["x", "colour", "story"], 0.6),
        ("mood", ["colour", "story"], 0.95),
    ],
)
def test_linear_models_learn_what_there_is_to_learn(target: Any, columns: list[str], least: float) -> None:
    """They stand for the others under short budgets; here they have all the time they want."""
    goals = [target] if isinstance(target, str) else list(target)
    data = pellucid.read(frame().select([*columns, *goals]), target=target, cache=False)
    fields = data.fitted(0)
    inputs, targets = ([f for f in fields.values() if f.role == role] for role in ("input", "target"))
    made = linear.fit_linear(data, inputs, targets, data.split(0), time.perf_counter() + 60)
    assert made is not None
    best, shortfall = made
    assert shortfall == []
    assert best.test.dtype == np.float32
    reached, naive = score(data, best.test)
    assert reached > max(least, naive)


@pytest.mark.parametrize("weighted", [False, True])
def test_they_are_ridge_and_logistic_regression(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    x[:, 3] = x[:, 2] + 0.1 * x[:, 3]
    weight = rng.uniform(0.2, 3, 300) if weighted else None
    goal = (x @ rng.normal(size=(4, 2)) + 5 + rng.normal(size=(300, 2))).astype(np.float32)
    theirs = Ridge(alpha=0.7).fit(x, goal, None if weight is None else weight / weight.mean())
    ours = linear.ridge_weights(x, goal, weight, 0.7)
    assert ours[:-1] == pytest.approx(theirs.coef_.T, abs=1e-4)
    assert ours[-1] == pytest.approx(theirs.intercept_, abs=1e-4)
    features = linear.SideBySide([linear.Columns(x[:, :1]), linear.Columns(x[:, 1:])])
    objective = linear.regularised_loss(features, goal, weight, False, 0.7)
    found, ended = linear.minimise(objective, np.zeros((5, 2), np.float32), math.inf)
    assert ended
    assert found == pytest.approx(ours, abs=0.02)
    label = np.digitize(x[:, 0] + x[:, 1] + rng.normal(size=300), [-0.7, 0.7])
    theirs = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(
        x, label, None if weight is None else weight / weight.mean()
    )
    objective = linear.regularised_loss(features, linear.one_hot(label, 3), weight, True, 1 / 2.0)
    found, _ = linear.minimise(objective, np.zeros((5, 3), np.float32), math.inf)
    chances = np.exp(linear.log_shares(features.times(found)))
    assert chances == pytest.approx(theirs.predict_proba(x), abs=0.01)
    # The gradient is that of the loss.
    at = rng.normal(size=(5, 3)).astype(np.float32)
    step = rng.normal(size=(5, 3)).astype(np.float32)
    near = [objective(at + np.float32(sign * 1e-2) * step)[0] for sign in (-1, 1)]
    assert (near[1] - near[0]) / 2e-2 == pytest.approx(float((objective(at)[1] * step).sum()), rel=1e-2)


def test_bags_are_tf_idf() -> None:
    """As scikit-learn's with ``sublinear_tf``, on the tokens that the network reads."""
    data = pellucid.read(frame().select(["story", "mood"]), target="mood", cache=False)
    field = data.fitted(0)["story"]
    encoded = data.encoded_values("story", field)
    rows = data.split(0).train
    bags = linear.token_maker(data, field, rows)(data.split(0).test)
    words = [[str(token) for token in encoded[int(row)]] for row in range(len(data))]
    theirs = TfidfVectorizer(analyzer=lambda row: words[row], sublinear_tf=True).fit(rows.tolist())
    dense = theirs.transform(data.split(0).test.tolist()).toarray()
    places = [int(name) for name in theirs.get_feature_names_out()]
    ours = bags.times(np.eye(bags.width, dtype=np.float32))
    known = ours[:, places]
    # Ours count tokens that training has not met in an example's length.
    assert known / np.linalg.norm(known, axis=1, keepdims=True) == pytest.approx(dense, abs=1e-5)
    assert pytest.approx(ours) == bags.back(np.eye(bags.rows, dtype=np.float32)).T


def test_short_budgets_have_a_linear_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(references, "time_for_library", lambda seconds: seconds > 2)
    number, text = Field("i", "number"), Field("t", "text")
    price, label = Field("p", "number", "target"), Field("l", "category", "target")
    assert reference_for([number], [price], 1.0) == "ridge regression"
    assert reference_for([number], [label], 1.0) == "logistic regression"
    assert reference_for([number, text], [label], 1.0) == "logistic regression on TF-IDF"
    assert reference_for([number], [label], 3.0) == BOOSTING
    assert reference_for([Field("i", "image")], [label], 1.0) is None
    data = pellucid.read(frame().select(["x", "colour", "label"]), target="label", cache=False)
    reasons = {c.name: c for c in pellucid.plan(data, budget="20s").choices}
    assert reasons["reference"].value == "logistic regression"
    assert "in at most 1 s; gradient boosting from about --budget 50s on" in reasons["reference"].reason
    long = {c.name: c for c in pellucid.plan(data, budget="60s").choices}["reference"]
    assert (long.value, long.reason.count("boosting")) == (BOOSTING, 0)
    monkeypatch.setattr(linear, "LOOK_SHARE", 1e9)
    found = fit_reference(data, data.fitted(0), data.split(0), 1.9, SAID.append)
    assert found is not None
    assert found.name.startswith("logistic regression")
    # It doesn't stand for what a longer budget brings.
    monkeypatch.setattr(fit, "fit_boosting", lambda *_: None)
    assert fit_reference(data, data.fitted(0), data.split(0), 60.0, SAID.append) is None
    assert fit_reference(data, data.fitted(0), data.split(0), 1.9, lambda text: pytest.fail(text)) == found


def test_what_the_clock_leaves_out_of_a_linear_one_is_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pellucid.read(frame().select(["x", "colour", "label"]), target="label", cache=False)
    clock = count()
    monkeypatch.setattr(references, "time_for_library", lambda seconds: False)
    monkeypatch.setattr(linear, "FEWEST_ROWS", 100)
    monkeypatch.setattr(linear, "LOOK_SHARE", 0.02)
    monkeypatch.setattr(linear.time, "perf_counter", lambda: float(next(clock)))
    found = fit_reference(data, data.fitted(0), data.split(0), 30.0, SAID.append)
    monkeypatch.undo()
    assert found is not None
    assert "on " in found.name
    assert "stopped by the time limit" in found.name
    assert np.isfinite(found.test).all()


def test_gaps_and_categories_of_a_table() -> None:
    values = np.array([[1.0, 0.0], [np.nan, 1.0], [3.0, np.nan], [9.0, 7.0]], np.float32)
    found = linear.table_features(values, np.array([False, True]), np.array([0, 1, 2]))
    # Standardised by the first three rows, missing; then which of the two categories that training has.
    assert found.tolist() == [[-1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 0], [7, 0, 0, 0]]


def test_a_class_that_the_chosen_rows_lack_is_possible_all_the_same() -> None:
    class Two:
        classes_ = np.array([0, 2])

        @staticmethod
        def predict_proba(x: Any) -> np.ndarray:
            return np.array([[1.0, 0.0]] * len(x))

    raw = references.answer_function(Two(), 3)(np.zeros((2, 1)))
    assert raw.shape == (2, 3)
    assert raw[0].argmax() == 0
    assert np.isfinite(raw).all()


def train(source: Any, out: Path, **options: Any) -> pellucid.Run:
    return pellucid.train(source, steps=2, size=0, out=out, network="mlp", **options)


def test_a_run_shows_it_beside_the_network(table: Path, tmp_path: Path) -> None:
    run = train(table, tmp_path, target="label")
    record = json.loads((run.path / "run.json").read_text())["reference"]
    assert record["name"] == "gradient boosting"
    assert record["seconds"] > 0
    assert run.reference is not None
    assert run.reference.to_json() == record["score"]
    assert run.reference.n == run.score.n
    assert run.reference.name == "gradient boosting on the same split"
    result = run.result()
    assert result["reference"]["value"] == run.reference.value
    assert record["ahead"]["value"] == pytest.approx(run.score.value - run.reference.value)
    assert record["ahead"]["low"] <= record["ahead"]["value"] <= record["ahead"]["high"]
    assert ">gradient boosting</text>" in (run.path / "report.html").read_text()
    assert ("reference", "gradient boosting") in [(name, value) for name, value, _ in run.plan.lines()]
    again = pellucid.load(run.path)
    assert again.reference == run.reference
    assert again.result() == result


def test_one_split_pays_for_it_once(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = train(table, tmp_path, target="label", seed=77)
    monkeypatch.setattr(fit, "fit_boosting", lambda *_: pytest.fail("fitted again"))
    two = train(table, tmp_path, target="label", seed=78, split_seed=77)
    assert two.record["reference"]["score"] == one.record["reference"]["score"]
    resumed = pellucid.resume(one.path, more="1 steps")
    assert resumed.reference == one.reference
    with pytest.raises(pytest.fail.Exception):
        train(table, tmp_path, target="label", seed=79)


def test_one_that_was_cut_short_does_not_stand_in_for_a_longer_one() -> None:
    data = pellucid.read(frame().select(["x", "label"]), target="label", cache=False)
    about = fit.cache_about(data, list(data.fitted(0).values()), data.split(0))
    short = Reference("short", 3.0, np.zeros((1, 2), np.float32), np.zeros((1, 2), np.float32))
    fit.cache_reference(data, about, fit.seconds_level(3.0), short)
    assert fit.cached_reference(data, about, 3.0) is not None
    assert fit.cached_reference(data, about, 2.5) is not None
    assert fit.cached_reference(data, about, 30.0) is None
    fit.cache_reference(data, about, "whole", short)
    assert fit.cached_reference(data, about, 30.0) is not None


def test_where_there_is_none(table: Path, photos: Path, tmp_path: Path) -> None:
    for run in (train(table, tmp_path, target="label", reference=False), train(photos, tmp_path)):
        assert run.reference is None
        assert run.result()["reference"] is None
        assert run.say_reference() == ""
        assert not run.plan.reference
    assert pellucid.train(table, target="label", steps=1, size=0, network="mlp", save=False).reference is None


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.03, "The network is better than boosting by 0.0200 (0.0100 to 0.0300)."),
        (-0.03, -0.01, "Boosting is better than the network by 0.0200 (0.0100 to 0.0300): use that, or train longer."),
        (
            -0.03,
            0.01,
            "No significant difference between the network and boosting: -0.0100 (95% interval -0.0300 to 0.0100).",
        ),
    ],
)
def test_which_is_better_is_said_plainly(table: Path, tmp_path: Path, low: float, high: float, said: str) -> None:
    run = train(table, tmp_path, target="label")
    own = run.record["reference"] | {"ahead": {"value": (low + high) / 2, "low": low, "high": high}}
    own["score"] = own["score"] | {"name": "boosting"}
    assert pellucid.Run(run.folder, run.record | {"reference": own}, run.network).say_reference() == said


def test_how_far_ahead_is_measured_example_by_example() -> None:
    fields = [Field("t", "number", "target", state={"mean": 0.0, "std": 1.0})]
    output, rng = OUTPUTS["number"](fields), np.random.default_rng(0)
    true = torch.from_numpy(rng.normal(size=(300, 1))).float()
    near, far = true + 0.1, true + 0.5 * torch.from_numpy(rng.normal(size=(300, 1))).float()
    assert output.task.paired_difference(near, near, true) == (0.0, 0.0, 0.0)
    value, low, high = output.task.paired_difference(near, far, true)
    assert value == pytest.approx(output.task.measure(near, true) - output.task.measure(far, true))
    assert 0 < low < value < high
    assert output.task.paired_difference(far, near, true)[0] == -value
