"""What stands under a heading is what it says: learning rates, the stages of a network, how many were counted."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from test_network import JOINS, NAMES, ROWS, batch_of, network_of
from torch import nn

import pellucid
from pellucid.cli import main
from pellucid.draw.charts import MOST_POINTS
from pellucid.fields import KINDS, Column
from pellucid.network import SIDE_BY_SIDE
from pellucid.reports import run_report as reporting
from pellucid.reports.page import report_page
from pellucid.storage import Folder
from pellucid.training.schedule import schedule_factor


def words(page: str) -> str:
    """What a page says, without its charts."""
    page = re.sub(r"<(svg|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


# -- learning rates


@pytest.fixture(scope="module")
def runs(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pellucid.Run]:
    """A run with two optimizers, and one with AdamW alone."""
    out = str(tmp_path_factory.mktemp("runs"))
    how: dict[str, Any] = {"target": "label", "steps": 40, "size": 0, "out": out}
    two = pellucid.train(table, name="two", network="mlp", lr=0.004, **how)
    one = pellucid.train(table, name="one", network="mlp", folds=3, **how)
    assert (two.plan.recipe.matrix_lr > 0, one.plan.recipe.matrix_lr) == (True, 0.0)
    return {"two": two, "one": one}


@pytest.mark.parametrize("name", ["two", "one"])
def test_the_history_has_actual_learning_rates(runs, name):
    run = runs[name]
    points = next(d["value"] for d in run.record["decisions"] if d["name"] == "schedule")
    recipe, rows = run.plan.recipe, run.history
    assert len(rows) > 5
    for row in rows:
        share = schedule_factor(points, row["step"])
        assert row["lr_factor"] == share
        assert row["lr"] == recipe.lr * share
        assert row.get("matrix_lr") == (recipe.matrix_lr * share if recipe.matrix_lr else None)
    assert max(row["lr"] for row in rows) == recipe.lr
    assert rows[-1]["lr"] == 0


def test_so_have_json_lines_and_the_chart(runs, table, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["train", str(table), "--target", "label", "--steps", "8", "--lr", "0.003", "--size", "0", "--json",
              "--out", str(tmp_path), "--name", "lines"])  # fmt: skip
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rates = [event["lr"] for event in told if event.get("event") == "evaluated"]
    assert max(rates) == 0.003
    reports = {name: words((run.path / "report.html").read_text()) for name, run in runs.items()}
    assert "Learning rate At each evaluation: AdamW's of all weights." in reports["one"]
    assert "At each evaluation: Muon's of the hidden matrices, AdamW's of all other weights." in reports["two"]


def before(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it was once written: the schedule's factor under ``lr``."""
    rest = {k: v for k, v in row.items() if k not in ("lr", "matrix_lr", "lr_factor")}
    return rest | {"lr": row["lr_factor"]}


def test_histories_of_before_are_read_under_the_names_of_now(runs, tmp_path):
    for name, run in runs.items():
        shutil.copytree(run.path, tmp_path / name)
        buffer = io.BytesIO()
        pl.DataFrame([before(row) for row in run.history]).write_parquet(buffer)
        Folder.open(tmp_path / name).write("history.parquet", buffer.getvalue())
        assert pellucid.load(tmp_path / name).history == run.history


def test_a_training_begun_before_goes_on_under_the_names_of_now(runs, tmp_path):
    shutil.copytree(runs["two"].path, tmp_path / "two")
    folder = Folder.open(tmp_path / "two")
    lines = [before(row) if row["event"] == "evaluated" else row for row in folder.lines("history.jsonl")]
    folder.truncate_lines("history.jsonl", lambda row: False)
    folder.append("history.jsonl", lines, sync=True)
    rows = pellucid.resume(tmp_path / "two", more="10steps").history
    assert rows[-1]["step"] == 50
    assert all(row["lr"] == row["lr_factor"] * 0.004 for row in rows)
    assert "Share of the full learning rate" not in (tmp_path / "two" / "report.html").read_text()


def test_a_chart_of_factors_says_that_it_is_one():
    old = [{"step": i, "lr": share} for i, share in enumerate((0.5, 1.0, 0.0))]
    new = [row | {"lr": 0.002 * row["lr"], "lr_factor": row["lr"]} for row in old]
    heads = [re.findall("<h3>(.*?)</h3>", report_page({"title": "t", "history": rows})) for rows in (old, new)]  # type: ignore[typeddict-item]
    assert heads == [["Share of the full learning rate"], ["Learning rate"]]


# -- stages


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("join", JOINS)
def test_stages_stand_in_the_order_of_the_data_and_hold_all_parameters(join, name):
    net = network_of(JOINS[join], name)
    traced = net.trace(batch_of(net, ROWS))
    assert net.training
    assert sum(one.parameters for one in traced) == net.parameter_count
    names = [one.name for one in traced]
    assert names[-1] == "output: answer (category)"
    assert traced[-1].gives == (4,)
    kinds = [kind for kind in KINDS if kind in JOINS[join]]
    assert [n for n in names if n.startswith("input: ")] == [f"input: {kind} ({kind})" for kind in kinds]
    along = [kind for kind in kinds if KINDS[kind].axes]
    copies = zip(along, net.parts.values(), strict=len(net.parts) > 0)
    own = [f"{field}: {stage}" for field, part in copies for stage in (*part.stages, "as a token")]
    assert [n for n in names if n in own] == own, "every copy of the trunk appears"
    last = list(net.trunk.stages)
    assert [n for n in names if n in last] == last
    assert (SIDE_BY_SIDE in names) == (len(JOINS[join]) > 1)
    assert not any(hasattr(m, "_forward_hooks") and m._forward_hooks for m in net.modules())


def test_the_stages_of_a_photo_and_a_text_by_hand():
    net = network_of(("image", "text"), "convolutional")
    assert [(one.name, one.gives) for one in net.trace(batch_of(net, ROWS))] == [
        ("input: text (text)", ("length", 6)),
        ("text: layer1", ("length", 24)),
        ("text: layer2", ("length", 24)),
        ("text: layer3", ("length", 24)),
        ("text: norm", ("length", 24)),
        ("text: pooled", (24,)),
        ("text: as a token", (6,)),
        ("input: image (image)", (9, 7, 6)),
        ("image: layer1", (5, 4, 12)),
        ("image: layer2", (3, 2, 24)),
        ("image: layer3", (2, 1, 24)),
        ("image: pooled", (24,)),
        ("image: as a token", (6,)),
        ("inputs side by side", (2, 6)),
        ("layer1", (2, 24)),
        ("layer2", (2, 24)),
        ("layer3", (2, 24)),
        ("norm", (2, 24)),
        ("pooled", (24,)),
        ("output: answer (category)", (4,)),
    ]


def test_weights_outside_of_stages_are_not_lost():
    net = network_of(("number",), "dense")
    net.extra = nn.Parameter(net.entry.weight.detach()[:2].clone())
    traced = net.trace(batch_of(net, ROWS))
    assert (traced[-1].name, traced[-1].parameters) == ("outside of stages", net.extra.numel())
    assert sum(one.parameters for one in traced) == net.parameter_count


def test_the_report_lists_them(runs):
    report = words((runs["two"].path / "report.html").read_text())
    total = runs["two"].parameters
    assert f"{total:,} parameters: the numbers that training adjusts. In the order of the data; " in report
    assert re.search(
        r"layer output shape parameters input: x and y \(number\) \d+ [\d,]+ input: colour \(category\) ", report
    )
    assert re.search(r" linear map to the trunk 32 [\d,]+ layer1 32 ", report)
    assert "trunk.stages" not in report


# -- how many


def test_all_errors_are_counted_and_a_picture_of_some_says_so():
    n, rng = 5394, np.random.default_rng(0)
    true = rng.normal(size=n)
    content = {"title": "t", "residuals": {"true": true.tolist(), "predicted": (true + 1).tolist(), "unit": "price"}}
    page = report_page(content)  # type: ignore[arg-type]
    said = words(page)
    assert f"Predicted and actual On the dashed line a prediction is right. {MOST_POINTS:,} of 5,394 test" in said
    assert "Median absolute error 1; 90% of predictions are off by at most 1, in the unit of 'price' (all 5,394" in said
    assert page.count("<circle") == MOST_POINTS
    few = {"title": "t", "residuals": {"true": true[:9].tolist(), "predicted": true[:9].tolist()}}
    assert "spread evenly" not in report_page(few)  # type: ignore[arg-type]


def test_the_report_is_given_all_of_them(numbers, tmp_path):
    run = pellucid.train(numbers, target="price", steps=3, size=0, out=str(tmp_path), name="few")
    import torch

    some = torch.zeros(5394, 1), torch.ones(5394, 1)
    found = reporting.output_content(run.network.output.task, some)
    assert len(found["residuals"]["true"]) == len(found["residuals"]["predicted"]) == 5394


def test_what_was_looked_on_of_very_many_validation_examples_is_said():
    parts = {"train": 900_000, "validation": 80_000, "test": 1000}
    rows = [{"step": i, "accuracy": 0.5 + i / 10} for i in range(3)]
    content: dict[str, Any] = {
        "title": "t",
        "data": {"splits": parts},
        "watched": 50_000,
        "history": rows,
        "metric": {"name": "accuracy", "higher_is_better": True},
        "worst": [{"true": "cat", "predicted": "dog"}],
        "suspects": {"looked_at": {"validation": 50_000, "train": 50_000}, "found": {}},
    }
    said = words(report_page(content))  # type: ignore[arg-type]
    assert "Measured on 50,000 of 80,000 validation examples, spread evenly." in said
    assert "The largest errors on 50,000 of 80,000 validation examples, spread evenly. Test examples" in said
    assert (
        "No label looks wrong among 50,000 of 80,000 examples of validation and 50,000 of 900,000 examples of train"
        in said
    )
    content["watched"] = 80_000
    said = words(report_page(content))  # type: ignore[arg-type]
    assert "Measured on" not in said
    assert "The largest errors on the validation set. Test examples" in said


def test_the_protocol_says_it_too(runs, table, monkeypatch):
    data = pellucid.read(table, target="label")
    split = data.split()
    told = reporting.protocol_text(runs["two"], data, split)
    assert " were chosen on validation; the test set was used once." in told
    monkeypatch.setattr("pellucid.outputs.base.Output.most_watched", 5)
    assert " were chosen on 5 of 12 validation examples, spread evenly; the test set " in reporting.protocol_text(
        runs["two"], data, split
    )


def test_sizes_of_photos_that_were_not_all_looked_at(tmp_path):
    for i in range(3):
        Image.new("RGB", (6, 5), (i, 0, 0)).save(tmp_path / f"{i}.png")

    def reason(rows: int) -> str:
        names = pl.Series("photo", [f"{i % 3}.png" for i in range(rows)])
        guess = KINDS["image"].recognise(Column("photo", names, base=tmp_path))
        assert guess is not None
        return guess.reason

    assert reason(1000) == "1,000 colour images, all of 6 × 5 pixels"
    assert reason(1030) == "1,030 colour images, all of 6 × 5 pixels (515 checked)"
