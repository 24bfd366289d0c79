"""Vital signs of a training, and the verdict: each against numbers made by hand, and the zoo's report."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import pellucid
from pellucid.network import Network
from pellucid.planning.plan import Recipe
from pellucid.training.loader import Loader
from pellucid.trunks import TRUNKS
from pellucid.views.training.telling_part import telling_part
from pellucid.views.training.verdict import ILLNESSES, SIGNS, judge
from pellucid.views.training.vitals import Course, Watched, gradient_noise, optimizer_kinds, saturated_share, step_signs

BENCH = Path(__file__).parent.parent / "bench"


def make_table(n: int, columns: int, telling: int, seed: int = 0) -> dict[str, Any]:
    """A table of noise but for one column, which is the answer's number."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns))
    return {f"c{i}": x[:, i] for i in range(columns)} | {"y": np.where(x[:, telling] > 0, "yes", "no")}


def linear_network(table: dict[str, Any], telling: int) -> tuple[Network, Loader, np.ndarray]:
    """A network whose answer is one column, as no training would have it more exactly."""
    data = pellucid.read(pl.DataFrame(table), target="y")
    fields = data.fitted(0)
    own = [f for f in fields.values() if f.is_input], [f for f in fields.values() if f.role == "target"]
    network = Network(own[0], TRUNKS["dense"].of_size(0), own[1], seed=0).eval()
    return network, Loader.of(data, list(fields.values()), torch.device("cpu")), data.usable_rows()


def test_saturated_units_are_those_that_hardly_leave_an_end() -> None:
    values = torch.tensor([[0.999, 0.5, -0.999], [0.999, -0.999, 0.999], [1.0, 0.999, -1.0], [1.0, 0.2, 1.0]])
    # The first stays at one end; the third jumps between both: neither has a gradient.
    assert saturated_share(values, -1.0, 1.0) == pytest.approx(2 / 3)
    assert saturated_share(values / 2, -1.0, 1.0) == 0.0


def test_the_noise_of_a_batch_is_that_of_gradients_drawn_by_hand() -> None:
    table = make_table(512, 4, 1)
    network, loader, rows = linear_network(table, 1)
    batch = loader.batch(torch.from_numpy(rows))
    parameters = [p for p in network.parameters() if p.requires_grad]
    each = []
    for row in rows:
        own = torch.autograd.grad(network.loss(loader.batch(torch.tensor([int(row)]))), parameters, allow_unused=True)
        each.append(
            torch.cat(
                [torch.zeros(p.numel()) if g is None else g.flatten() for p, g in zip(parameters, own, strict=True)]
            )
        )
    every = torch.stack(each).double()
    spread, agreed = every.var(0).sum(), every.mean(0).square().sum()
    expected = float(spread / 32 / (agreed - spread / len(rows)))
    assert gradient_noise(network, batch, 32, parts=64) == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize(("columns", "telling"), [(5, 3), (200, 131), (70, 0)])
def test_the_part_that_an_answer_hangs_on_is_found(columns: int, telling: int) -> None:
    table = make_table(256, columns, telling)
    network, loader, rows = linear_network(table, telling)
    batch = loader.batch(torch.from_numpy(rows))
    names = [f.name for f in network.layers[0].fields]
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(250):
        optimizer.zero_grad()
        network.loss(batch).backward()
        optimizer.step()
    found = telling_part(network, batch, math.log(2))
    assert found.name == f"'c{telling}'"
    assert f"c{telling}" in names
    assert found.harm > 0.5


def test_nothing_learned_hangs_on_nothing() -> None:
    network, loader, rows = linear_network(make_table(64, 3, 0), 0)
    assert telling_part(network, loader.batch(torch.from_numpy(rows)), math.log(2)).harm == 0.0


def test_a_stage_that_stands_still_and_steps_by_their_mover() -> None:
    network, _, _ = linear_network(make_table(64, 3, 0), 0)
    recipe = Recipe(matrix_lr=0.02)
    kinds = optimizer_kinds(network, recipe)
    hidden = next(name for name, kind in kinds.items() if kind == "muon")
    other = next(name for name, kind in kinds.items() if kind == "adam")
    row = {hidden: (1.0, 10.0, 0.1), other: (1.0, 10.0, 0.0)}
    course = Course([], [Watched(0, 1.0, 1.0, row)] * 4, recipe, 1.0, 64)
    signs = step_signs(network, course)
    assert signs["update_muon"] == pytest.approx(-2.0)
    assert signs["standing_stages"] == 1.0
    assert signs["gradient"] == 0.0


def test_each_illness_is_named_by_its_own_marks_and_says_what_to_try() -> None:
    well = dict.fromkeys(SIGNS, 0.0) | {"batch": 2.0, "update_peak": -2.0, "one_field": 0.3, "train_loss": 0.2}
    assert judge(well, Recipe()).word == "healthy"
    for illness in ILLNESSES:
        for marks in illness.marks:
            signs = dict(well) | {m.sign: m.limit + (0.01 if m.above else -0.01) for m in marks}
            found = judge(signs, Recipe())
            assert found.word == illness.word
            assert found.what.endswith(".")
            assert found.why.endswith(".")
            assert found.advice.endswith(".")


def test_the_reason_is_that_of_the_mark_that_is_met() -> None:
    well = dict.fromkeys(SIGNS, 0.0) | {"batch": 2.0, "update_peak": -2.3, "train_loss": 0.9}
    broken = judge(well | {"broken": 1.0}, Recipe())
    assert broken.word == "rate_too_high"
    assert "finite" in broken.why
    assert "0.005" not in broken.why
    slow = judge(well | {"update_adam": -2.0, "update_muon": -4.0}, Recipe())
    assert slow.word == "rate_too_low"
    assert "0.0001 " in slow.why
    other = judge(well | {"update_adam": -4.0, "update_muon": math.nan}, Recipe())
    assert "0.0001 " in other.why


def test_the_only_input_gives_nothing_away() -> None:
    """All that was learned hangs on it, and that is no leak."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=256)
    network, loader, rows = linear_network({"c0": x, "y": np.where(x > 0, "yes", "no")}, 0)
    batch = loader.batch(torch.from_numpy(rows))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(100):
        optimizer.zero_grad()
        network.loss(batch).backward()
        optimizer.step()
    assert float(network.loss(batch).detach()) < 0.3 * math.log(2)
    assert telling_part(network, batch, math.log(2)).harm == 0.0


def test_what_is_called_healthy_is_what_healthy_trainings_showed() -> None:
    lines = (BENCH / "zoo.jsonl").read_text(encoding="utf-8").splitlines()
    well = [row["signs"] for row in map(json.loads, lines) if row["illness"].startswith("healthy")]
    assert len(well) == 288
    for name, sign in SIGNS.items():
        seen = [sign.number(signs[name]) for signs in well if signs[name] is not None]
        # Rounded outwards to two digits.
        assert sign.low <= min(seen) <= max(seen) <= sign.high
        assert sign.high <= 1.06 * max(seen)
        assert sign.low >= 0.94 * min(seen) or sign.low == 0


def test_signs_that_cannot_be_told_are_no_illness() -> None:
    found = judge(dict.fromkeys(SIGNS, math.nan), Recipe())
    assert found.word == "healthy"
    assert "nan" not in found.sentence


def test_the_limits_hold_on_the_data_set_that_they_were_not_set_on() -> None:
    """Recall of 90 % and at most 5 % false alarms, on the statistics that are kept."""
    ill, right, well, alarms = 0, 0, 0, 0
    words: Counter[str] = Counter()
    for line in (BENCH / "zoo.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["data"] != "breast-cancer":
            continue
        signs = {name: math.nan if value is None else value for name, value in row["signs"].items()}
        word = judge(signs, Recipe()).word
        words[row["illness"]] += 1
        if row["illness"].startswith("healthy"):
            well, alarms = well + 1, alarms + (word != "healthy")
        else:
            ill, right = ill + 1, right + (word == row["illness"])
    assert ill == well == 144
    assert set(words.values()) == {12}
    assert right / ill >= 0.9
    assert alarms / well <= 0.05


@pytest.mark.parametrize("illness", ["healthy", "frozen_stage", "dead_units", "rate_too_high", "unscaled_input"])
def test_a_training_made_ill_is_told_from_a_healthy_one(illness: str, tmp_path: Path) -> None:
    """The zoo's own training, once more: what is kept in its file is what it gives."""
    sys.path.insert(0, str(BENCH))
    try:
        import zoo
    finally:
        sys.path.remove(str(BENCH))
    signs = zoo.train(zoo.read_data("breast-cancer", tmp_path), "dense", illness, 1)
    assert judge(signs, Recipe()).word == illness
