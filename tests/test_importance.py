"""What each input is worth: shuffling one that decides costs, shuffling one that does not costs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_table
from PIL import Image

import pellucid
from pellucid.options import Budget
from pellucid.reports import importance
from pellucid.reports.importance import importance_seconds, input_units, measure_importance, weigh_inputs
from pellucid.training.loader import Loader


def mixed_table(folder: Path, rows: int = 400) -> Path:
    """Columns of every kind that stands in a table; ``label`` follows from x and the colour alone."""
    rng, found = np.random.default_rng(7), list[list[object]]()
    for i in range(rows):
        x, colour = rng.normal(), ["red", "green"][i % 2]
        day = f"20{rng.integers(10, 24)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}"
        tags = ";".join(tag for tag in ("a", "b", "c") if rng.random() > 0.5)
        yes = x > 0 if colour == "red" else x < 0
        found.append([f"{x:.4f}", f"{rng.normal():.4f}", colour, day, tags, "yes" if yes else "no"])
    return write_table(folder / "mixed.csv", ["x", "noise", "colour", "day", "tags", "label"], found)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    folder = tmp_path_factory.mktemp("mixed")
    data = pellucid.read(mixed_table(folder), target="label")
    return pellucid.train(data, steps=150, lr=0.01, reference=False, out=str(folder), name="mixed")


def loaded(run: pellucid.Run) -> tuple[Loader, np.ndarray]:
    data = pellucid.read(run.record["data"]["source"], target="label")
    return Loader.of(data, run.network.fields, run.network.device), data.split().validation


def test_what_decides_is_worth_most(run):
    worth = {one["input"]: one for one in run.importance}
    assert set(worth) == {"x", "noise", "colour", "day", "tags"}
    assert min(worth["x"]["value"], worth["colour"]["value"]) > 0.2
    assert max(abs(worth[name]["value"]) for name in ("noise", "day", "tags")) < 0.1
    assert [one["value"] for one in run.importance] == sorted((one["value"] for one in run.importance), reverse=True)
    assert run.result()["importance"] == run.importance
    assert pellucid.load(run.path).importance == run.importance
    page = (run.path / "report.html").read_text()
    assert "Permutation importance" in page
    assert "share their importance" in page


def test_the_places_of_all_kinds_cover_what_the_network_reads(run):
    loader, rows = loaded(run)
    import torch

    batch, found = loader.batch(torch.from_numpy(rows[:4])), dict[str, list[int]]()
    for unit in input_units(run.network):
        for key, places in unit.places.items():
            width = batch.inputs[key].shape[-1]  # type: ignore[union-attr]
            found.setdefault(key, []).extend(range(width) if places is None else places)
    assert {key: sorted(own) for key, own in found.items()} == {
        key: list(range(value.shape[-1]))
        for key, value in batch.inputs.items()  # type: ignore[union-attr]
    }


def test_it_is_the_metric_lost_when_one_column_is_shuffled(run):
    """By hand: the table with x shuffled, read anew and answered by the run."""
    loader, rows = loaded(run)
    found = measure_importance(run.network, loader, rows, 60.0, seed=3)
    assert found is not None
    assert (found.rows, found.shuffles, found.metric) == (len(rows), importance.SHUFFLES, "accuracy")
    data = pellucid.read(run.record["data"]["source"], target="label")
    table = [[data.column(n).values[int(row)] for n in ("x", "noise", "colour", "day", "tags")] for row in rows]
    true = [data.column("label").values[int(row)] for row in rows]

    def right(lines: list[list[Any]]) -> float:
        names = ("x", "noise", "colour", "day", "tags")
        said = run.predict([dict(zip(names, line, strict=True)) for line in lines])
        return float(np.mean([one["label"] == t for one, t in zip(said, true, strict=True)]))

    assert right(table) == pytest.approx(found.base)
    rng, lost = np.random.default_rng(3), []
    for _ in range(importance.SHUFFLES):
        order = rng.permutation(len(rows))
        lost.append(found.base - right([[table[j][0], *line[1:]] for j, line in zip(order, table, strict=True)]))
    own = next(one for one in found.inputs if one.input == "x")
    assert (own.value, own.spread) == (pytest.approx(np.mean(lost)), pytest.approx(np.std(lost)))


def test_equal_seeds_give_equal_worth_and_weights_stay(run):
    loader, rows = loaded(run)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    one, two, other = (measure_importance(run.network, loader, rows, 60.0, seed=seed) for seed in (1, 1, 2))
    assert one == two != other
    assert all((before[name] == value).all() for name, value in run.network.state_dict().items())
    assert not run.network.training


def test_of_too_many_columns_the_most_varied_are_told_apart(run, monkeypatch):
    loader, rows = loaded(run)
    monkeypatch.setattr(importance, "_decide_sizes", lambda *_: (128, 3, 2))
    found = measure_importance(run.network, loader, rows, 60.0)
    assert found is not None
    names = {one.input: one.columns for one in found.inputs}
    assert names.pop("3 other inputs together") == 3
    assert "colour" not in names, "of two words, it varies least"
    assert len(names) == 2


def test_without_time_nothing_is_found_and_no_more_is_taken(run):
    loader, rows = loaded(run)
    assert weigh_inputs(run.network, loader, rows, 0.0, 0) is None
    assert measure_importance(run.network, loader, rows, 1e-9) is None


@pytest.mark.parametrize(("budget", "inputs", "rows", "seconds"), [
    ("10s", 5, 100, 0.3), ("5m", 5, 100, 0.8), ("20steps", 5, 100, 0.8), ("5m", 1, 100, 0.0), ("5m", 5, 1, 0.0),
])  # fmt: skip
def test_a_small_share_of_the_budget(budget, inputs, rows, seconds):
    assert importance_seconds(Budget.parse(budget), inputs, rows) == pytest.approx(seconds)


def test_a_number_that_gets_worse_upwards_and_one_input_alone(numbers, texts, tmp_path):
    by_error = pellucid.train(numbers, target="price", steps=80, lr=0.01, metric="mae", out=str(tmp_path), name="mae")
    assert by_error.record["importance"]["metric"] == "mean absolute error"
    assert by_error.importance[0]["value"] > 0, "an error that rises is a loss"
    alone = pellucid.train(texts, steps=2, size=0, out=str(tmp_path), name="alone")
    assert alone.importance == []
    assert "Permutation importance" not in (alone.path / "report.html").read_text()


def test_a_whole_photo_and_a_whole_text_are_inputs_too(tmp_path):
    rng, rows = np.random.default_rng(1), list[list[object]]()
    for i in range(120):
        bright = i % 2 == 0
        pixels = rng.integers(0, 60, (8, 8, 3)) + 150 * bright
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{i}.png")
        words = " ".join(rng.choice(["a", "long", "quiet", "story", "of", "rain"], 8))
        rows.append([f"{i}.png", words, f"{rng.normal():.3f}", "day" if bright else "night"])
    table = write_table(tmp_path / "all.csv", ["photo", "words", "x", "when"], rows)
    data = pellucid.read(table, target="when", kinds={"words": "text", "photo": "image"})
    run = pellucid.train(data, network="cnn", steps=60, size=0, lr=0.01, out=str(tmp_path), name="all")
    assert run.importance[0]["input"] == "photo"
    assert {one["input"] for one in run.importance} == {"photo", "words", "x"}


def test_a_record_that_was_made_up_is_damage(run, tmp_path):
    from pellucid.runs.record import DONE
    from pellucid.storage.forms import FormError

    for wrong in (
        {"inputs": "x"},
        {"rows": -1},
        {"inputs": [{"input": "x", "value": "high", "spread": 0, "columns": 1}]},
    ):
        record = json.loads((run.path / "run.json").read_text())
        record["importance"] |= wrong
        with pytest.raises(FormError):
            DONE(record, "run")
