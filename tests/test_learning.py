"""A run that is no better than its baseline says so first, and what budget would do where it was too short."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import write_table

import pellucid
from pellucid import PellucidError
from pellucid.cli import main
from pellucid.options import Budget
from pellucid.runs.learning import enough_seconds, enough_steps, learned_nothing, round_budget
from pellucid.storage import Folder

FEW = {"few": True, "enough": 200, "seconds": 0.01, "loss": 0.5, "baseline_loss": 0.7, "ahead": 0.1}


def table(tmp_path: Path, target: str, signal: bool = True, n: int = 600) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2))
    y = x[:, 0] - x[:, 1] if signal else rng.normal(size=n)
    last = np.where(y > 0.6, "yes", "no").tolist() if target == "label" else (3 * y).round(3).tolist()
    return write_table(
        tmp_path / f"{target}.csv", ["a", "b", target], [[*a, b] for a, b in zip(x.tolist(), last, strict=True)]
    )


def train(file: Path, tmp_path: Path, name: str, **options: Any) -> pellucid.Run:
    return pellucid.train(file, target=file.stem, network="mlp", size=0, out=str(tmp_path), name=name, **options)


def run_command(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code


@pytest.mark.parametrize("target", ["label", "price"])
def test_too_few_steps_are_said_with_a_budget_that_does(target: str, tmp_path: Path) -> None:
    file = table(tmp_path, target)
    run = train(file, tmp_path, "few", steps=2)
    said = re.fullmatch(
        r"2 steps were too few to learn (anything|much); about (\w+) would do: --budget (\w+)", run.say_warning()
    )
    assert said, run.say_warning()
    assert said[2] == said[3]
    # In steps rather than by the clock, so that a busy machine changes nothing.
    longer = train(file, tmp_path, "longer", steps=run.record["learning"]["enough"])
    assert longer.say_warning() == ""
    assert longer.network.output.task.is_better(longer.score.value, longer.baseline.value)
    assert "warning" not in longer.result()
    page = (run.path / "report.html").read_text()
    assert page.index("too few to learn") < page.index("95% interval")
    assert "too few" not in (longer.path / "report.html").read_text()


def test_the_terminal_says_it_before_the_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = table(tmp_path, "label")
    words = [
        "train",
        str(file),
        "--target",
        "label",
        "--steps",
        "1",
        "--size",
        "0",
        "--network",
        "mlp",
        "--out",
        str(tmp_path),
    ]
    run_command([*words, "--name", "shown"])
    out = capsys.readouterr().out
    assert out.index("1 step was too few to learn") < out.index("Accuracy")
    run_command([*words, "--name", "quiet", "--quiet"])
    said = capsys.readouterr()
    assert "too few" in said.err
    assert len(said.out.strip().splitlines()) == 1
    run_command([*words, "--name", "json", "--json"])
    assert "too few" in json.loads(capsys.readouterr().out.strip().splitlines()[-1])["warning"]


@pytest.mark.parametrize("target", ["label", "price"])
def test_nothing_to_learn_is_no_matter_of_time(target: str, tmp_path: Path) -> None:
    """Inputs that are noise: a long training is no better than the baseline, and no budget is advised."""
    run = train(table(tmp_path, target, signal=False), tmp_path, "noise", steps=700, lr=0.02)
    assert not run.record["learning"]["few"]
    if run.network.output.task.is_better(run.score.value, run.baseline.value):
        pytest.fail(f"the example is to be one that can't be learned: {run.score}")
    said = run.say_warning()
    assert re.match(r"(Worse|No better) than the baseline \(always .*\): (accuracy|R²) ", said), said
    assert "--budget" not in said
    assert said.count(".") >= 2
    evaluated = run.evaluate(table(tmp_path, target))
    assert evaluated.say_warning() == evaluated.result().get("warning", "")


def test_evaluate_says_it_of_other_data(tmp_path: Path) -> None:
    run = train(table(tmp_path, "price"), tmp_path, "good", steps=400)
    turned = pl.read_csv(tmp_path / "price.csv").with_columns(price=-pl.col("price"))
    assert run.evaluate(tmp_path / "price.csv").say_warning() == ""
    evaluation = run.evaluate(turned)
    assert evaluation.say_warning().startswith("Worse than the baseline (always the mean, ")
    assert "Worse than the baseline (always the mean, " in evaluation.report(tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("changed", "nothing"),
    [
        ({}, False),
        ({"loss": 0.7}, True),
        ({"loss": 0.9}, True),
        ({"ahead": 0.0}, True),
        ({"ahead": None}, True),
        ({"ahead": 0.0, "few": False}, False),
        ({"loss": None}, False),
    ],
)
def test_what_counts_as_nothing(changed: dict[str, Any], nothing: bool) -> None:
    assert learned_nothing(FEW | changed) is nothing


def test_enough_is_five_passes_within_bounds() -> None:
    assert [enough_steps(n) for n in (1, 40, 41, 300, 400, 401, 9000)] == [200, 200, 205, 1500, 2000, 2000, 2000]


def test_the_budget_follows_from_what_a_step_took() -> None:
    # 3 steps of 0.01 s and 4 s beside them: 1.25 (4 + 2) s.
    assert enough_seconds(FEW, 3, 4.03, Budget("steps", 3)) == pytest.approx(7.5)
    assert enough_seconds(FEW, 3, 4.03, Budget("seconds", 4)) == pytest.approx(7.5)
    assert enough_seconds(FEW, 3, 4.03, Budget("seconds", 6)) == pytest.approx(9.0)
    assert [round_budget(s) for s in (0.1, 40, 41, 119, 121, 3601, 90000)] == [
        "5s",
        "40s",
        "60s",
        "2m",
        "3m",
        "2h",
        "48h",
    ]
    for said in map(round_budget, (0.1, 40, 91, 700, 4000, 1e6)):
        assert Budget.parse(said).kind == "seconds"


@pytest.mark.parametrize(
    "value", [{}, {"few": 1}, FEW | {"enough": 0}, FEW | {"seconds": -1.0}, FEW | {"loss": "x"}, 3]
)
def test_other_values_in_a_record_are_damage(tmp_path: Path, value: Any) -> None:
    run = train(table(tmp_path, "label"), tmp_path, "good", steps=3)
    folder = Folder.open(run.path)
    record = folder.read_json("run.json")
    folder.write_json("run.json", record | {"learning": value})
    with pytest.raises(PellucidError, match=r"is damaged .*learning"):
        pellucid.load(run.path)
    del record["learning"]
    folder.write_json("run.json", record)
    old = pellucid.load(run.path)
    assert old.say_warning() == "" or old.say_warning().startswith(("Worse than", "No better than"))
