"""Labels that the trained network doubts: found where they were spoiled, and not where all is well."""

from __future__ import annotations

import html
import io
import shutil

import numpy as np
import polars as pl
import pytest

import pellucid
from pellucid.reports.label_issues import (
    LEAST,
    LabelIssue,
    class_thresholds,
    disagreeing_labels,
    label_pairs,
    looked_at,
)
from pellucid.reports.sections.label_issues import label_issues_section
from pellucid.storage import Folder

COLUMNS = ["row", "input", "part", "given", "suggested", "confidence", "times_off"]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """A run on digits of which 5 % have another label, and which those are."""
    from sklearn.datasets import load_digits

    digits, rng = load_digits(), np.random.default_rng(0)
    flipped = rng.random(len(digits.target)) < 0.05
    label = np.where(flipped, (digits.target + rng.integers(1, 10, len(flipped))) % 10, digits.target)
    pictures = (digits.images * 15).astype(np.uint8)
    out = tmp_path_factory.mktemp("runs")
    run = pellucid.train((pictures, label.astype(str)), steps=600, network="mlp", size=1, out=str(out), name="spoiled")
    split = pellucid.read((pictures, label.astype(str))).split()
    return run, split, flipped, digits.target, label


def test_the_confident_joint_by_hand():
    chances = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.05, 0.95, 0], [0.3, 0.7, 0], [0.97, 0.03, 0], [0.5, 0.5, 0]])
    given = np.array([0, 0, 1, 1, 1, 0])
    least = class_thresholds(chances, given)
    assert least[:2] == pytest.approx([(0.9 + 0.8 + 0.5) / 3, (0.95 + 0.7 + 0.03) / 3])
    assert np.isinf(least[2]), "a class without examples is never suggested"
    which, suggested = disagreeing_labels(chances, given, least)
    assert (which.tolist(), suggested.tolist()) == ([4], [0])
    which, _ = disagreeing_labels(chances, np.array([0, 0, 1, 1, 0, 0]), least)
    assert not len(which)


def test_the_surest_come_first():
    chances = np.array([[0.92, 0.08], [0.99, 0.01], [0.95, 0.05], [0.1, 0.9]])
    which, suggested = disagreeing_labels(chances, np.array([1, 1, 1, 1]), np.array([0.5, 0.5]))
    assert which.tolist() == [1, 2, 0]
    assert suggested.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("chances", "suggested"),
    [
        # The rare class 2 reaches its threshold of next to nothing, but the network answers 1.
        ([0.08, 0.59, 0.33], None),
        ([0.02, 0.51, 0.47], None),
        ([0.05, 0.90, 0.05], 1),
        # Nine tenths of a threshold of 0.7.
        ([0.05, 0.64, 0.31], 1),
        ([0.05, 0.62, 0.33], None),
        # Of three classes the likeliest, with half or less.
        ([0.10, 0.42, 0.48], None),
        ([0.04, 0.46, 0.50], None),
        ([0.04, 0.44, 0.52], 2),
        ([0.12, 0.00, 0.88], None),
    ],
)
def test_only_the_networks_own_answer_above_one_half_is_suggested(chances, suggested):
    which, classes = disagreeing_labels(np.array([chances]), np.array([0]), np.array([0.5, 0.7, 0.01]))
    assert (which.tolist(), classes.tolist()) == (([], []) if suggested is None else ([0], [suggested]))


def test_spoiled_labels_of_validation_are_found(spoiled):
    run, split, flipped, true, label = spoiled
    found = [one for one in run.suspects if one["part"] == "validation"]
    rows = np.array([one["row"] for one in found])
    assert np.isin(rows, split.validation).all()
    precision, recall = flipped[rows].mean(), flipped[rows].sum() / flipped[split.validation].sum()
    assert precision >= 0.8, precision
    assert recall >= 0.5, recall
    right = [one["suggested"] == str(true[one["row"]]) for one in found if flipped[one["row"]]]
    assert np.mean(right) >= 0.8
    assert all(one["given"] == str(label[one["row"]]) != one["suggested"] for one in found)
    assert all(0.5 < one["confidence"] <= 1 for one in found)


def test_training_rows_are_looked_at_too_and_test_never(spoiled):
    run, split, flipped, _, _ = spoiled
    rows = np.array([one["row"] for one in run.suspects if one["part"] == "train"])
    assert len(rows)
    assert np.isin(rows, looked_at(split)).all()
    assert flipped[rows].mean() >= 0.7
    assert not np.isin([one["row"] for one in run.suspects], split.test).any()


def test_how_many_training_rows_are_looked_at():
    class Split:
        train, validation = np.arange(10_000), np.arange(1000)

    assert 900 <= len(looked_at(Split)) <= 1000  # type: ignore[arg-type]
    Split.validation = np.arange(20)
    assert 0.9 * LEAST <= len(looked_at(Split)) <= LEAST  # type: ignore[arg-type]
    Split.train = np.arange(100)
    assert len(looked_at(Split)) == 100  # type: ignore[arg-type]


def test_they_are_in_the_report_and_in_the_folder(spoiled):
    run, *_ = spoiled
    table = pl.read_parquet(run.path / "suspects.parquet")
    assert table.columns == COLUMNS
    assert table["times_off"].to_list() == [None] * len(table)
    assert table.to_dicts() == run.suspects == pellucid.load(run.path).suspects
    report = (run.path / "report.html").read_text()
    assert "Label issues" in report
    section = report[report.index('id="suspects"') :]
    section = section[: section.index("</section>")]
    one = run.suspects[0]
    assert "Checked: 180 examples of validation and " in section
    assert f'predicted <b class="said">{one["suggested"]}</b> ({100 * one["confidence"]:.0f}%' in section
    counts = [sum(one["part"] == part for one in run.suspects) for part in ("validation", "train")]
    assert section.count("data:image/png;base64,") == sum(min(12, count) for count in counts)


def test_a_run_without_the_file_has_none(spoiled, tmp_path):
    run, *_ = spoiled
    shutil.copytree(run.path, tmp_path / "old")
    loaded = pellucid.load(tmp_path / "old")
    (tmp_path / "old" / "suspects.parquet").unlink()
    assert loaded.suspects == []


def test_clean_labels_give_none_and_the_report_says_so(tmp_path):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 0.3, (200, 2)), rng.normal(2, 0.3, (200, 2))])
    run = pellucid.train((x, ["left"] * 200 + ["right"] * 200), steps=60, size=0, out=str(tmp_path), name="clean")
    assert run.suspects == []
    assert "No label looks wrong" in (run.path / "report.html").read_text()


def test_numbers_far_off_are_found(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    y = 3 * x[:, 0] + x[:, 1] + rng.normal(size=600) / 10
    data = {"a": x[:, 0], "b": x[:, 1], "y": y}
    split = pellucid.read(data, target="y").split()
    wrong = np.array([split.validation[7], split.train[0], split.test[3]])
    data["y"] = np.where(np.isin(np.arange(600), wrong), y + 40, y)
    run = pellucid.train(data, target="y", steps=200, size=0, network="mlp", out=str(tmp_path), name="far")
    found = {one["row"]: one for one in run.suspects}
    assert next(iter(found)) == wrong[0], "the furthest of validation comes first"
    assert next(row for row, one in found.items() if one["part"] == "train") == wrong[1]
    assert int(wrong[2]) not in found, "test is not looked at"
    assert len(found) < 8
    one = found[int(wrong[0])]
    assert one["given"] == pytest.approx(data["y"][wrong[0]], rel=1e-6)
    assert abs(one["suggested"] - y[wrong[0]]) < 8
    assert one["confidence"] is None
    error = abs(one["given"] - one["suggested"])
    half = run.network.output.task.ranges[0].half_width(np.array([one["suggested"]]))
    assert one["times_off"] == pytest.approx(error / half[0], rel=1e-5)
    assert one["times_off"] > 3
    assert (
        f"({one['times_off']:.1f} times as far as the end of the 90% range)" in (run.path / "report.html").read_text()
    )


@pytest.mark.parametrize("wrong_by", [4e3, -1e6])
def test_one_value_that_outweighs_all_others_is_found(tmp_path, wrong_by):
    """By R2 over all of validation, such a value alone makes the network no better than the mean."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 2))
    y = 3 * x[:, 0] + x[:, 1] + rng.normal(size=500) / 10
    row = pellucid.read({"a": x[:, 0], "b": x[:, 1], "y": y}, target="y").split().validation[3]
    y[row] += wrong_by
    data = {"a": x[:, 0], "b": x[:, 1], "y": y}
    run = pellucid.train(data, target="y", steps=150, size=0, network="mlp", out=str(tmp_path), name="one")
    assert run.suspects[0]["row"] == row


SHARES = {"words": [0.4, 0.3, 0.3], "rare words": [0.85, 0.1, 0.05]}


@pytest.mark.parametrize("kind", ["words", "rare words", "numbers"])
def test_a_network_that_guesses_doubts_nothing_and_the_report_says_so(tmp_path, kind):
    rng = np.random.default_rng(3)
    target = rng.normal(size=400) ** 3 if kind == "numbers" else rng.choice(["cat", "dog", "cow"], 400, p=SHARES[kind])
    run = pellucid.train((rng.normal(size=(400, 4)), target), steps=200, network="mlp", out=str(tmp_path), name="guess")
    assert run.suspects == []
    assert pl.read_parquet(run.path / "suspects.parquet").columns == COLUMNS
    why = f"on validation the network is no better than the baseline beyond chance ({run.baseline.name})"
    said = f"Not checked: {why}."
    report = html.unescape((run.path / "report.html").read_text())
    assert said in report
    assert "No label looks wrong" not in report


@pytest.mark.parametrize(
    ("given", "expected"),
    [("cat", {"confidence": 0.9, "times_off": None}), (2.5, {"confidence": None, "times_off": 18.0})],
)
def test_files_of_before_are_read_under_the_names_of_now(spoiled, tmp_path, given, expected):
    run, *_ = spoiled
    before = {"row": 7, "input": "row 7", "part": "train", "given": given, "suggested": given}
    before["confidence"] = 0.9 if given == "cat" else 18.0
    shutil.copytree(run.path, tmp_path / "old")
    buffer = io.BytesIO()
    pl.DataFrame([before]).write_parquet(buffer)
    Folder.open(tmp_path / "old").write("suspects.parquet", buffer.getvalue())
    assert pellucid.load(tmp_path / "old").suspects == [before | expected]


def test_several_targets_have_no_section(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    data = {"a": x[:, 0], "b": x[:, 1], "u": x.sum(1), "v": x[:, 0]}
    run = pellucid.train(data, target=("u", "v"), steps=10, size=0, network="mlp", out=str(tmp_path), name="two")
    assert run.suspects == []
    assert 'id="suspects"' not in (run.path / "report.html").read_text()


def test_pairs_and_a_poor_judge():
    found = [LabelIssue(i, "validation", "cat", "dog" if i else "cow", 0.9) for i in range(3)]
    assert label_pairs(found) == [("cat", "dog", 2), ("cat", "cow", 1)]
    content = {
        "title": "t",
        "suspects": {
            "looked_at": {"validation": 10, "train": 20},
            "found": {"validation": 3, "train": 0},
            "errs": 0.3,
            "pairs": [("<b>", "dog", 3)],
            "examples": [one.to_json() | {"shown": {"text": "<script>"}, "where": "row 1"} for one in found],
        },
    }
    page = str(label_issues_section(content))  # type: ignore[arg-type]
    assert "The network is wrong on 30% of validation, so expect many of these labels to be right." in page
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
