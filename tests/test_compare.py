"""One split for several seeds; the reference beside a network; networks compared."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from rich.console import Console

import pellucid
from pellucid import Comparison, Listener, cli
from pellucid.cli import show_comparison as table_shown
from pellucid.comparison import compare as comparing
from pellucid.comparison import ranking
from pellucid.comparison.verdict import explain_comparison
from pellucid.data import examples as dataset
from pellucid.data.splits.time_spans import Moments
from pellucid.errors import Interrupted, PellucidError, UsageError
from pellucid.metrics.base import Judge, mean_of
from pellucid.planning.plan import Plan
from pellucid.references import fit
from pellucid.storage import Folder
from pellucid.training.memory import Peak, give_back


def test_several_seeds_share_one_split(table: Path, tmp_path: Path) -> None:
    shared = {"target": "label", "steps": 2, "network": "mlp", "out": tmp_path}
    one, two = (pellucid.train(table, seed=seed, split_seed=5, **shared) for seed in (1, 2))
    rows = [pl.read_parquet(run.path / "predictions.parquet")["row"].to_list() for run in (one, two)]
    assert rows[0] == rows[1] == pellucid.read(table, target="label").split(5).test.tolist()
    assert [(run.plan.seed, run.plan.split_seed) for run in (one, two)] == [(1, 5), (2, 5)]
    other = pellucid.train(table, seed=1, **shared)
    assert other.plan.split_seed == 1
    again = pellucid.resume(one.path, more="1 steps")
    assert pl.read_parquet(again.path / "predictions.parquet")["row"].to_list() == rows[0]
    before = {k: v for k, v in one.plan.to_json().items() if k != "split_seed"}
    assert Plan.from_json(before).split_seed == 1, "a run from before has one seed for both"


# -- comparisons

TINY: dict[str, Any] = {"target": "label", "steps": 3, "size": 0}
NAMES = ["mlp", "cnn", "rnn", "transformer"]


class Ear(Listener):
    def __init__(self) -> None:
        self.order: list[tuple[Any, ...]] = []
        self.trials: list[Mapping[str, Any]] = []
        self.texts: list[str] = []

    def began(self, *about: Any) -> None:
        self.order.append(about)

    def ended(self, trial: Mapping[str, Any]) -> None:
        self.trials.append(trial)

    def said(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture(scope="module")
def compared(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Ear]:
    ear = Ear()
    out = tmp_path_factory.mktemp("compared")
    return pellucid.compare(table, networks="mlp,rnn", seeds=2, out=out, listeners=[ear], **TINY), ear


@pytest.mark.slow
def test_each_network_is_trained_with_each_seed_on_one_split(compared: tuple[Comparison, Ear]) -> None:
    found, ear = compared
    assert ear.order == [("mlp", 0, 1, 4), ("rnn", 0, 2, 4), ("mlp", 1, 3, 4), ("rnn", 1, 4, 4)]
    assert found.path.name == "small-compare"
    runs = {key: pellucid.load(found.path / key) for key in ("mlp-0", "rnn-0", "mlp-1", "rnn-1")}
    rows = [pl.read_parquet(run.path / "predictions.parquet")["row"].to_list() for run in runs.values()]
    assert all(row == rows[0] for row in rows)
    assert {(run.plan.seed, run.plan.split_seed) for run in runs.values()} == {(0, 0), (1, 0)}
    assert all(run.record["looks"] == 1 for run in runs.values())
    assert len(set(ear.texts)) == len(ear.texts), "what is true of the data is said once"


def test_what_a_comparison_ends_with(compared: tuple[Comparison, Ear]) -> None:
    found, ear = compared
    result = json.loads(json.dumps(found.result()))
    assert sorted(result["ranking"]) == ["mlp", "rnn"]
    assert set(result["networks"]) == {"mlp", "rnn"}
    for name, one in result["networks"].items():
        runs = [pellucid.load(found.path / f"{name}-{seed}") for seed in (0, 1)]
        assert set(runs[0].result()) < set(one)
        assert one["value"] == pytest.approx(np.mean([run.score.value for run in runs]))
        assert one["validation"] == pytest.approx(np.mean([run.validation for run in runs]))
        assert one["steps"] == 3
        assert one["latency"] > 0
        assert one["throughput"] > 1 / one["latency"]
        assert [seed["seed"] for seed in one["seeds"]] == [0, 1]
        assert found.run(name).validation == max(run.validation for run in runs)
        if sys.platform.startswith("linux"):
            assert 50e6 < one["memory"] < 20e9
    order = [result["networks"][name]["validation"] for name in result["ranking"]]
    assert order == sorted(order, reverse=True)
    assert found.run().path == Path(result["networks"][result["ranking"][0]]["run"])
    assert found.baseline.name == "always 'yes'" or found.baseline.name == "always 'no'"
    assert found.reference is not None
    assert found.reference.name == "gradient boosting on the same split"
    assert len(ear.trials) == 4
    assert found.failed == {}
    assert "mlp: accuracy 0." in repr(found)
    assert Folder.open(found.path).verify() == []


def test_the_report_shows_all_networks_on_one_picture(compared: tuple[Comparison, Ear]) -> None:
    page = (compared[0].path / "report.html").read_text()
    assert page.count("<svg") == 2
    assert "validation of mlp" not in page
    for words in (*compared[0].say()[:1], "gradient boosting", "examples/s", "Ranked on validation"):
        assert escape(words, quote=False) in page
    assert "<script" not in page


@pytest.mark.parametrize("source", ["photos", *(pytest.param(s, marks=pytest.mark.slow) for s in ("texts", "numbers"))])
def test_every_kind_of_data_can_be_compared(source: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(source)
    target = {"texts": "verdict", "numbers": "price"}.get(source)
    found = pellucid.compare(data, target=target, steps=2, size=0, out=tmp_path, name=source)
    assert sorted(found.ranking) == sorted(NAMES)
    assert (found.reference is None) == (source == "photos")
    assert found.path == tmp_path / f"{source}-compare"


def test_nothing_is_decoded_or_referred_to_on_a_network_s_clock(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[str] = []

    class Clock(Listener):
        def began(self, network: str, *_: Any) -> None:
            running.append(network)

    def guarded(act: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            assert not running, f"on the clock of {running}"
            return act(*given, **named)

        return call

    for holder, name in ((dataset, "_decode_column"), (fit, "fit_boosting")):
        monkeypatch.setattr(holder, name, guarded(getattr(holder, name)))
    data = pellucid.read(table, target="label", cache=False)
    found = pellucid.compare(data, networks=["mlp"], steps=2, size=0, seed=4, out=tmp_path, listeners=[Clock()])
    assert running == ["mlp"]
    assert found.reference is not None


def test_names_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^Unknown network 'cnnn'\. Did you mean 'cnn'\?"):
        pellucid.compare(tmp_path / "nowhere.csv", networks="mlp,cnnn")
    with pytest.raises(UsageError) as caught:
        pellucid.compare(tmp_path / "nowhere.csv", networks=["mlp", "cnn", "dense"])
    assert str(caught.value) == "networks ['mlp', 'cnn', 'dense']: 'mlp' and 'dense' are the same network"
    with pytest.raises(UsageError, match="networks '': expected names such as mlp,cnn"):
        pellucid.compare(tmp_path / "nowhere.csv", networks="")
    with pytest.raises(UsageError, match="Unknown option of compare 'like'"):
        pellucid.compare(tmp_path / "nowhere.csv", like="runs/a")


def test_what_cannot_begin_leaves_no_folder(table: Path, tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match="this machine has no 'cuda:99'"):
        pellucid.compare(table, out=tmp_path, device="cuda:99", **TINY)
    with pytest.raises(PellucidError, match="target: not clear"):
        pellucid.compare({"a": [1.5, 2.5, 3.1] * 9, "b": [2.5, 1.5, 2.2] * 9}, out=tmp_path, steps=1)
    assert not any(tmp_path.iterdir())


def failing(causes: dict[str, Exception]) -> Any:
    def train(data: Any, **options: Any) -> pellucid.Run:
        if options["network"] in causes:
            raise causes[options["network"]]
        return pellucid.train(data, **options)

    return train


@pytest.mark.slow
def test_a_network_that_cannot_be_trained_ends_nothing(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    causes = {
        "rnn": PellucidError("it reads positions", fix="take mlp"),
        "transformer": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried …"),
    }
    monkeypatch.setattr(comparing, "train", failing(causes))
    options = {"networks": "rnn,mlp,transformer", "out": tmp_path, "name": "a", **TINY}
    found = pellucid.compare(table, **options)
    assert found.ranking == ["mlp"]
    assert found.failed == {
        "rnn": "it reads positions; take mlp",
        "transformer": "not enough memory",
    }
    assert "rnn could not be trained: it reads positions; take mlp." in found.say()
    assert "rnn could not be trained" in (found.path / "report.html").read_text()
    again = Ear()
    monkeypatch.setattr(comparing, "train", pellucid.train)
    assert sorted(pellucid.compare(table, listeners=[again], **options).ranking) == ["mlp", "rnn", "transformer"]
    assert [network for network, *_ in again.order] == ["rnn", "transformer"]


def test_no_network_at_all(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "train", failing({"mlp": PellucidError("no")}))
    with pytest.raises(PellucidError) as caught:
        pellucid.compare(table, networks="mlp", out=tmp_path, name="a", **TINY)
    assert str(caught.value) == f"{tmp_path / 'a-compare'}: no network could be trained: no"
    monkeypatch.setattr(comparing, "train", failing({"mlp": RuntimeError("a bug")}))
    with pytest.raises(RuntimeError, match="a bug"):
        pellucid.compare(table, networks="mlp", out=tmp_path, name="b", **TINY)


class Stop(Ear):
    """Asks to stop in the second training, by a signal."""

    def evaluated(self, row: Mapping[str, Any]) -> None:
        if len(self.order) == 2:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_stopped_and_gone_on_with_it_is_the_comparison_that_would_have_been(table: Path, tmp_path: Path) -> None:
    options = {"networks": "mlp,rnn", "target": "label", "steps": 8, "size": 0}
    whole = pellucid.compare(table, out=tmp_path, name="whole", **options)
    with pytest.raises(Interrupted) as caught:
        pellucid.compare(table, out=tmp_path, name="cut", listeners=[Stop()], **options)
    where = tmp_path / "cut-compare"
    assert str(caught.value) == (
        f"{where}: stopped; 1 of 2 trainings are finished and kept\n  continue with the same command and --name cut"
    )
    assert not (where / "report.html").exists()
    ear = Ear()
    found = pellucid.compare(table, out=tmp_path, name="cut", listeners=[ear], **options)
    assert [network for network, *_ in ear.order] == ["rnn"]
    for name in ("mlp", "rnn"):
        one, other = found.networks[name], whole.networks[name]
        assert (one["value"], one["validation"], one["steps"]) == (other["value"], other["validation"], 8)
    more = pellucid.compare(table, out=tmp_path, name="cut", listeners=[ear := Ear()], **options | {"seeds": 2})
    assert [about[:2] for about in ear.order] == [("mlp", 1), ("rnn", 1)]
    assert len(more.networks["mlp"]["seeds"]) == 2


def test_a_run_that_was_finished_but_not_noted_is_not_trained_again(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pellucid.compare(table, networks="mlp", out=tmp_path, name="a", **TINY)
    folder = Folder.open(found.path)
    folder.write_json("comparison.json", {**found.record, "trials": {}})
    monkeypatch.setattr(comparing, "train", failing({"mlp": PellucidError("trained again")}))
    again = pellucid.compare(table, networks="mlp", out=tmp_path, name="a", **TINY)
    assert again.networks["mlp"]["value"] == found.networks["mlp"]["value"]


def test_a_comparison_of_something_else_is_not_gone_on_with(table: Path, tmp_path: Path) -> None:
    pellucid.compare(table, networks="mlp", out=tmp_path, name="a", **TINY)
    with pytest.raises(PellucidError) as caught:
        pellucid.compare(table, networks="mlp", out=tmp_path, name="a", **TINY | {"steps": 4, "size": 1})
    assert str(caught.value) == (
        f"{tmp_path / 'a-compare'}: this comparison was started with another size and steps\n  choose another --name"
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"trials": {"mlp-0": {"network": "mlp", "seed": 0}}}, "comparison.trials.mlp-0"),
        ({"trials": [1]}, "comparison.trials"),
        ({"format": 1}, "comparison.format"),
        ({"terms": {"steps": 3}}, "comparison.terms.steps"),
    ],
)
def test_a_comparison_that_was_made_up_is_refused(
    compared: tuple[Comparison, Ear], table: Path, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    folder = Folder.create(tmp_path / "a-compare")
    folder.write_json("comparison.json", {**compared[0].record, **changes})
    with pytest.raises(PellucidError, match=f"comparison.json: it is damaged .*{why}"):
        pellucid.compare(table, networks="mlp", out=tmp_path, name="a", **TINY)


# -- ranking


def test_ranking_never_looks_at_test() -> None:
    networks = {
        "a": {"value": 0.9, "validation": 0.6},
        "b": {"value": 0.1, "validation": 0.7},
        "c": {"error": "no", "seeds": []},
    }
    assert ranking.rank_networks(networks, higher=True) == ["b", "a"]
    assert ranking.rank_networks(networks, higher=False) == ["a", "b"]


EVEN = np.ones(500)


def right(share: float, seed: int = 0) -> Judge:
    """The accuracy of someone who is right in this share of cases."""
    return mean_of((np.random.default_rng(seed).random(len(EVEN)) < share).astype(float))


def standing(judges: Mapping[str, Any], higher: bool = True, **about: Any) -> dict[str, dict[str, float]]:
    """How far each is behind the first; the ranking is that of the judges."""
    seeds = {name: one if isinstance(one, list) else [one] for name, one in judges.items()}
    weight = about.pop("weight", EVEN)
    values = {name: float(np.mean([j(weight[None])[0] for j in own])) for name, own in seeds.items()}
    order = sorted(seeds, key=lambda name: values[name], reverse=higher)
    return ranking.behind_first(order, ranking.Judgement(seeds, higher, weight, **about))


def level(behind: Mapping[str, Any]) -> list[str]:
    return [tie["networks"][1] for tie in ranking.tied_networks("first", behind)]


def test_networks_are_told_apart_where_validation_can() -> None:
    good, fair, bad = right(0.8), right(0.76, seed=1), right(0.6, seed=2)
    found = standing({"good": good, "fair": fair, "bad": bad})
    assert level(found) == ["fair"]
    assert found["bad"]["value"] == pytest.approx(float(good(EVEN[None])[0] - bad(EVEN[None])[0]))
    assert 0 < found["bad"]["low"] < found["bad"]["value"] < found["bad"]["high"]
    assert found["bad"]["p"] < 0.01 < 0.05 < found["fair"]["p"]
    less = standing({"good": good, "bad": bad}, higher=False)
    assert less["good"]["value"] == found["bad"]["value"]
    steady, unsteady = [right(0.85, seed=3), right(0.85, seed=4)], [right(0.7, seed=3), right(1.0, seed=4)]
    one, two = (standing({"a": own, "b": [bad, bad]})["b"] for own in (steady, unsteady))
    assert two["high"] - two["low"] > 2 * (one["high"] - one["low"]), "a seed that is far better says little"


def test_seeds_vary_as_much_as_their_mean_does() -> None:
    """The spread of a mean of three numbers is that of a sample of three: divided by two, not by three."""
    seeds = [mean_of(np.full(500, value)) for value in (0.1, 0.2, 0.6)]
    drawn = ranking.Judgement({"a": seeds}, True, EVEN).resamples(10_000)["a"]
    assert drawn.mean() == pytest.approx(0.3, abs=0.01)
    assert drawn.std() == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1) / np.sqrt(3), rel=0.02)


def test_a_copy_is_never_told_apart() -> None:
    found = standing({"a": right(0.7), "b": right(0.7), "c": right(0.2, seed=1)})
    assert found["b"] == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    assert level(found) == ["b"]
    assert level(standing({"only": right(0.7)})) == []


def planted(rng: np.random.Generator, shares: list[float], n: int, shared: float = 0.8) -> dict[str, Judge]:
    """Networks right in these ``shares`` of ``n`` cases; ``shared`` of what makes a case hard is so for all."""
    own = rng.normal(size=(len(shares), n)) * np.sqrt(1 - shared) + rng.normal(size=n) * np.sqrt(shared)
    bounds = [np.quantile(one, share) for one, share in zip(own, shares, strict=True)]  # these shares to the last one
    return {
        f"n{i}": mean_of((one < bound).astype(float)) for i, (one, bound) in enumerate(zip(own, bounds, strict=True))
    }


def test_neighbours_make_no_chain() -> None:
    """Each is near the next one, and the last far from the first: what a table of 5,400 rows was seen to give."""
    weight = np.ones(540)
    judges = planted(np.random.default_rng(0), [0.906, 0.891, 0.876, 0.85], 540)
    near = [
        standing({x: judges[x], y: judges[y]}, weight=weight) for x, y in (("n0", "n1"), ("n1", "n2"), ("n2", "n3"))
    ]
    assert [level(one) for one in near] == [["n1"], ["n2"], ["n3"]]
    assert "n3" not in level(standing(judges, weight=weight))


def normals(rng: np.random.Generator, networks: int, n: int) -> dict[str, Judge]:
    return {f"n{i}": mean_of(one) for i, one in enumerate(rng.normal(size=(networks, n)))}


@pytest.mark.parametrize(("networks", "higher"), [(4, True), (3, False)])
def test_equal_networks_are_seldom_told_apart(networks: int, higher: bool) -> None:
    """The first is the best by chance; in at most 5 % of cases one or more of the others is said to be behind."""
    rng, wrong, times, weight = np.random.default_rng(2), 0, 300, np.ones(100)
    for _ in range(times):
        wrong += len(level(standing(normals(rng, networks, 100), higher, weight=weight))) < networks - 1
    assert wrong <= 0.05 * times + 2 * np.sqrt(0.05 * 0.95 * times)


def test_a_difference_of_four_points_is_found() -> None:
    """On 1,000 examples, of which networks find much the same ones hard."""
    found = standing(planted(np.random.default_rng(3), [0.90, 0.86, 0.86, 0.86], 1000), weight=np.ones(1000))
    assert level(found) == []
    assert {round(one["value"], 3) for one in found.values()} == {0.04}


def test_steps_of_the_test_are_shaffers() -> None:
    assert sorted(ranking.equal_pairs(4), reverse=True) == [6, 3, 2, 1, 0]
    assert sorted(ranking.equal_pairs(5), reverse=True) == [10, 6, 4, 3, 2, 1, 0]
    pairs = [("a", "d"), ("a", "c"), ("b", "d"), ("a", "b"), ("c", "d"), ("b", "c")]
    chances = dict(zip(pairs, (0.001, 0.015, 0.012, 0.2, 0.3, 0.9), strict=True))
    assert ranking.stepped_down(chances, 4) == pytest.approx(
        dict(zip(pairs, (0.006, 0.045, 0.036, 0.6, 0.6, 0.9), strict=True))
    )
    assert ranking.stepped_down({("a", "b"): 0.04}, 2) == {("a", "b"): 0.04}


def test_errors_near_in_time_tell_less() -> None:
    """Twenty examples of each day that all say the same are as one; rows may be in any order."""
    rng = np.random.default_rng(0)
    day, order = np.repeat(np.arange(50), 20), rng.permutation(1000)
    error = rng.normal(size=(2, 50))
    error += [[0.0], [0.25]] - error.mean(1, keepdims=True)
    judges = {name: mean_of(one[day][order]) for name, one in zip("ab", error, strict=True)}
    moments = Moments(day[order].astype(float), "day", dates=False)
    alike, apart = (standing(judges, higher=False, weight=np.ones(1000), moments=own) for own in (moments, None))
    assert level(alike) == ["b"]
    assert level(apart) == []
    wide, narrow = (one["b"]["high"] - one["b"]["low"] for one in (alike, apart))
    assert wide > 3 * narrow
    judged = ranking.Judgement({name: [one] for name, one in judges.items()}, False, np.ones(1000), None, moments)
    assert judged.say_how() == (
        "Each network was tested against the first by a paired bootstrap over blocks of time (3 different values of "
        "'day' each); p is adjusted for the number of comparisons (Holm, Shaffer), and below 0.05 a network is "
        "significantly behind. The others were not tested against each other."
    )


@pytest.mark.parametrize("metric", ["log loss", "f1"])
def test_any_metric_ranks(metric: str, table: Path, tmp_path: Path) -> None:
    found = pellucid.compare(table, networks="mlp,rnn", metric=metric, out=tmp_path, **TINY)
    order = [found.networks[name]["validation"] for name in found.ranking]
    assert order == sorted(order, reverse=metric == "f1")
    assert found.networks["mlp"]["metric"] == found.baseline.metric
    assert ("Shorter" in (found.path / "report.html").read_text()) == (metric == "log loss")


@pytest.mark.slow
def test_small_tables_are_told_apart_by_the_examples_they_are_ranked_on(table: Path, tmp_path: Path) -> None:
    found = pellucid.compare(table, target="label", networks="mlp,rnn", steps=24, size=0, folds=2, out=tmp_path)
    split = pellucid.read(table, target="label").split(0)
    judged = [Folder.open(found.path).load_tensors(f"{name}-0.safetensors")[0] for name in ("mlp", "rnn")]
    for name, kept in zip(("mlp", "rnn"), judged, strict=True):
        assert sorted(kept["rows"]) == sorted([*split.validation, *split.train])
        right = (kept["raw"].argmax(1) == kept["true"]).mean()
        assert found.networks[name]["validation"] == pytest.approx(right)
    assert "on validation and cross-validation" in found.say()[0]
    page = (found.path / "report.html").read_text()
    assert "Ranked on validation and cross-validation" in page
    assert "<dt>seed</dt>" in page


def record(**changes: Any) -> dict[str, Any]:
    own = {"metric": "accuracy", "value": 0.75, "low": 0.7, "high": 0.8, "latency": 0.004}
    ahead = {"value": 0.1, "low": 0.05, "high": 0.15}
    return {
        "ranking": ["cnn", "rnn"],
        "networks": {"cnn": own | {"ahead": ahead}, "rnn": own | {"ahead": ahead, "latency": 0.001}},
        "ties": [],
        "seeds": [0],
        "ranked on": "validation",
        "baseline": own | {"name": "always 'a'", "value": 0.1},
        "reference": own | {"name": "boosting"},
        "percent": True,
        **changes,
    }


def test_what_it_means_in_plain_words() -> None:
    lead = (
        "cnn is best on validation, significantly ahead of the other: accuracy on test 75.0% (70.0–80.0%); "
        "baseline (always 'a'): 10.0%."
    )
    plain = explain_comparison(record())
    assert plain == [lead, "Boosting: 75.0% (70.0–80.0%) on test, worse than cnn."]
    tie = {"networks": ["cnn", "rnn"]}
    said = explain_comparison(record(ties=[tie], reference=None, seeds=[0, 1]))
    assert said == [
        "cnn is first on validation (the mean of 2 seeds): accuracy on test 75.0% (70.0–80.0%); baseline "
        "(always 'a'): 10.0%.",
        "rnn is not significantly different from cnn on validation.",
        "Of the two rnn predicts fastest: 1.0 ms an example.",
    ]
    many = record(ties=[tie, {"networks": ["cnn", "mlp"]}], reference=None)
    many |= {"ranking": ["cnn", "rnn", "mlp", "gru"], "ranked on": "validation and cross-validation"}
    many["networks"] |= {"mlp": many["networks"]["cnn"], "gru": many["networks"]["cnn"]}
    assert explain_comparison(many)[1:] == [
        "rnn and mlp are not significantly different from cnn on validation and cross-validation.",
        "gru is significantly behind cnn.",
        "Of cnn and those level with it rnn predicts fastest: 1.0 ms an example.",
    ]
    assert "significantly ahead of each of the others:" in explain_comparison(many | {"ties": []})[0]
    assert explain_comparison(record(ranking=["cnn"], reference=None))[0].startswith("cnn: accuracy on test 75.0")
    behind = record()
    for name in ("cnn", "rnn"):
        behind["networks"][name]["ahead"] = {"value": -0.1, "low": -0.2, "high": -0.05}
    assert explain_comparison(behind)[-1].endswith(", better than any network here.")
    behind["networks"]["rnn"]["ahead"] = {"value": 0.0, "low": -0.2, "high": 0.05}
    assert explain_comparison(behind)[-1].endswith(", better than cnn.")
    behind["networks"]["cnn"]["ahead"] = {"value": 0.0, "low": -0.2, "high": 0.05}
    assert explain_comparison(behind)[-1].endswith(", not significantly different from cnn.")


def test_a_peak_forgets_what_was_before_it() -> None:
    if not (first := Peak(torch.device("cpu"))).known:
        pytest.skip("this system does not tell the peak of its memory")
    large = np.ones(20_000_000)  # 160 MB
    high = first.bytes()
    del large
    give_back()
    after = Peak(torch.device("cpu")).bytes()
    assert high is not None
    assert after is not None
    assert high - after > 100e6


# -- the command line


def test_on_the_command_line(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "compare",
        table,
        "--target",
        "label",
        "--steps",
        2,
        "--size",
        0,
        "--networks",
        "mlp,rnn",
        "--out",
        tmp_path,
    ]
    code = cli.exit_code([*map(str, words), "--json"], time.time())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert [line["event"] for line in lines[:-1] if line["event"] in ("began", "ended")] == ["began", "ended"] * 2
    assert {"ranking", "networks"} < set(lines[-1])
    assert cli.exit_code([*map(str, words), "--quiet"], time.time()) == 0
    assert sorted(capsys.readouterr().out.split()) == ["mlp", "rnn"]
    assert cli.exit_code([*map(str, words)], time.time()) == 0
    shown = capsys.readouterr()
    assert "pellucid predict" in shown.out
    assert "mlp  seed 0, 1 of 2" in shown.err
    assert "validation accuracy" in shown.err


def test_the_table_fits_80_columns(compared: tuple[Comparison, Ear]) -> None:
    found, _ = compared
    grown = {
        name: one | {"parameters": 123_456_789, "seconds": 3600.0, "memory": 12_300_000_000, "throughput": 1_234_567.0}
        for name, one in found.networks.items()
    }
    grown = {"transformer": grown["mlp"], "rnn": grown["rnn"] | {"memory": None}}
    wide = Comparison(found.path, {**found.record, "networks": grown, "ranking": list(grown)})
    out = Console(file=io.StringIO(), width=80)
    table_shown.show_ranking(wide, out)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    for word in ("transformer", "123 M", "3600 s", "12 GB", "reference", "baseline"):
        assert word in text


@pytest.mark.parametrize(
    ("value", "low", "high", "percent", "shown"),
    [
        (1.0, 0.796, 1.0, True, "100.0% (79.6–100.0%)"),
        (0.0123, 0.0, 0.0481, True, "1.2% (0.0–4.8%)"),
        (0.512, -0.0432, 0.7981, False, "0.51 (-0.04 to 0.80)"),
        (0.5, None, None, True, "50.0%"),
    ],
)
def test_an_interval_never_leaves_what_can_be(
    compared: tuple[Comparison, Ear], value: float, low: float | None, high: float | None, percent: bool, shown: str
) -> None:
    found, _ = compared
    own = {"value": value, "low": low, "high": high}
    networks = {name: one | own for name, one in found.networks.items()}
    some = Comparison(found.path, {**found.record, "networks": networks, "percent": percent})
    out = Console(file=io.StringIO(), width=80)
    table_shown.show_ranking(some, out)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert text.count(shown) >= 2
    assert "±" not in text
    assert max(map(len, text.splitlines())) <= 80
