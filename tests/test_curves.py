"""Two classes at every threshold: equal to scikit-learn, chosen on validation, used by predict and evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_table
from sklearn import metrics as sk

import pellucid
from pellucid.cli import main
from pellucid.draw.curves import unit_curve
from pellucid.errors import PellucidError, UsageError
from pellucid.metrics import curves
from pellucid.metrics.bootstrap import bootstrap_interval
from pellucid.options import check_options
from pellucid.tasks.two_classes import threshold_table


def examples(n: int, ties: bool, weighted: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    rng = np.random.default_rng(n)
    score = rng.random(n)
    positive = rng.random(n) < score**2
    positive[:2] = True, False
    return score.round(1) if ties else score, positive, rng.random(n) + 0.1 if weighted else None


CASES = [(n, ties, weighted) for n in (2, 40, 3000) for ties in (False, True) for weighted in (False, True)]


@pytest.mark.parametrize(("n", "ties", "weighted"), CASES)
def test_curves_and_areas_are_scikit_learns(n, ties, weighted):
    score, positive, weight = examples(n, ties, weighted)
    counts = curves.Counts.of(score, positive, weight)
    false_alarms, recall, _ = sk.roc_curve(positive, score, sample_weight=weight, drop_intermediate=False)
    x, y = curves.roc_curve(counts)
    assert np.allclose(x, false_alarms)
    assert np.allclose(y, recall)
    precision, found, _ = sk.precision_recall_curve(positive, score, sample_weight=weight)
    # scikit-learn's run from the lowest threshold up, with a made-up point at the end.
    assert np.allclose(counts.precision(), precision[:-1][::-1])
    assert np.allclose(counts.recall(), found[:-1][::-1])
    area, average = curves.exact_areas(score, positive, weight)
    assert area == pytest.approx(sk.roc_auc_score(positive, score, sample_weight=weight))
    assert average == pytest.approx(sk.average_precision_score(positive, score, sample_weight=weight))
    steps = curves.precision_recall_curve(counts)
    assert np.sum(np.diff(steps[0]) * steps[1][1:]) == pytest.approx(average), "the area drawn is the area said"


def test_intervals_of_very_many_scores_are_those_of_all_of_them():
    score, positive, _ = examples(3000, False, False)
    for rough, exact in zip(
        curves.curve_judges(score, positive), (sk.roc_auc_score, sk.average_precision_score), strict=True
    ):
        assert rough(np.ones((1, 3000)))[0] == pytest.approx(exact(positive, score), abs=2e-3)
        low, high = bootstrap_interval(rough, np.ones(3000), repeats=200)
        assert low < exact(positive, score) < high < low + 0.06


def test_what_a_threshold_costs():
    score, positive = np.array([0.9, 0.8, 0.7, 0.4, 0.3, 0.1]), np.array([1, 1, 0, 1, 0, 0], bool)
    row = curves.threshold_row(score, positive, 0.7)
    assert row == {
        "threshold": 0.7, "precision": pytest.approx(2 / 3), "recall": pytest.approx(2 / 3),
        "false_alarm_share": pytest.approx(1 / 3), "false_alarms": 1, "missed": 1, "share": pytest.approx(0.5),
    }  # fmt: skip
    weighed = curves.threshold_row(score, positive, 0.7, np.array([1.0, 1, 8, 1, 1, 1]))
    assert (weighed["precision"], weighed["false_alarms"]) == (pytest.approx(0.2), 1), "shares weigh, numbers count"
    nothing = curves.threshold_row(score, positive, 0.95)
    assert np.isnan(nothing["precision"])
    assert (nothing["recall"], nothing["missed"]) == (0, 3)


def test_thresholds_serve_what_they_are_chosen_for():
    score, positive, _ = examples(3000, False, False)
    chosen = dict(curves.choose_thresholds(score, positive))
    assert list(chosen) == ["best F1", "recall of at least 90%", "precision of at least 90%"]
    f1 = {level: sk.f1_score(positive, score >= level) for level in (*np.linspace(0.05, 0.95, 91), chosen["best F1"])}
    assert max(f1, key=lambda level: f1[level]) == chosen["best F1"]
    assert sk.recall_score(positive, score >= chosen["recall of at least 90%"]) >= 0.9
    assert sk.recall_score(positive, score >= chosen["recall of at least 90%"] + 0.005) < 0.9
    assert sk.precision_score(positive, score >= chosen["precision of at least 90%"]) >= 0.9
    assert curves.choose_thresholds(score, np.ones(3000, bool)) == []


def test_the_table_marks_the_threshold_in_use():
    score, positive, _ = examples(40, False, False)
    rows = threshold_table(score, positive, [("best F1", 0.5), ("else", 0.25)], None, None)
    assert [row["threshold"] for row in rows] == [0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert [row["why"] for row in rows if row["why"]] == ["else", "the default, best F1"]
    used = threshold_table(score, positive, [], 0.33, None)
    assert [row["threshold"] for row in used if row["decides"]] == [0.33]


def test_a_curve_of_three_points_shows_them():
    drawn = unit_curve([0, 0, 1], [0, 1, 1], x_label="a", y_label="b", guide=((0, 0), (1, 1)), marks=[(0, 1, "at 0.5")])
    assert drawn.count('class="dot c1"') == 3
    assert drawn.count('class="mark"') == 1
    many = np.linspace(0, 1, 500)
    assert 'class="dot' not in unit_curve(many, many, x_label="a", y_label="b", guide=((0, 0), (1, 1)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.3, (None, 0.3)),
        ("0.3", (None, 0.3)),
        ("yes=0.25", ("yes", 0.25)),
        ({"yes": 1}, ("yes", 1.0)),
        ("a=b=0", ("a=b", 0.0)),
    ],
)
def test_thresholds_as_they_may_be_said(given, expected):
    assert check_options("predict", {"threshold": given}) == {"threshold": expected}


@pytest.mark.parametrize("given", ["", "yes", "yes=", "=0.2", 1.2, -0.1, "nan", True, {"a": 0.1, "b": 0.2}, [1, 2, 3]])
def test_thresholds_that_are_none(given):
    with pytest.raises(UsageError, match="expected a probability from 0 to 1"):
        check_options("predict", {"threshold": given})


# -- of a run


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 rows, one in six of them faulty, which x tells with much noise."""
    rng, rows = np.random.default_rng(4), list[list[object]]()
    for i in range(600):
        faulty = i % 6 == 0
        rows.append([f"{rng.normal(1.2 * faulty):.4f}", f"{rng.normal():.4f}", "faulty" if faulty else "sound"])
    return write_table(tmp_path_factory.mktemp("rare") / "rare.csv", ["x", "noise", "state"], rows)


@pytest.fixture(scope="module")
def run(rare: Path, tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    out = tmp_path_factory.mktemp("runs")
    return pellucid.train(rare, target="state", steps=120, size=0, lr=0.01, reference=False, out=str(out), name="rare")


def test_the_rarer_class_is_the_positive_one_unless_the_user_says(run, rare, tmp_path):
    task = run.network.output.task
    assert task.values[task.positive] == "faulty"
    page = (run.path / "report.html").read_text()
    assert "'faulty' is the positive class" in page
    other = pellucid.train(rare, target="state", positive="sound", steps=2, size=0, out=str(tmp_path), name="sound")
    again = pellucid.load(other.path).network.output.task
    assert again.values[again.positive] == "sound"
    assert ("positive class", "sound") in [(c.name, c.value) for c in other.plan.choices]
    assert "'sound' is the positive class" in (other.path / "report.html").read_text()


@pytest.mark.parametrize(("target", "positive", "said"), [
    ("state", "broken", "Unknown class 'broken'"),
    ("x", "faulty", "a positive class needs two classes, and 'x' is a number"),
])  # fmt: skip
def test_a_positive_class_that_is_none(rare, target, positive, said):
    with pytest.raises(UsageError, match=said):
        pellucid.plan(rare, target=target, positive=positive)


def test_predict_answers_by_the_threshold(run, rare):
    plain = run.predict(rare)
    for asked, level, label in [(0.2, 0.2, "faulty"), ("faulty=0.2", 0.2, "faulty"), ("sound=0.95", 0.95, "sound")]:
        for one, usual in zip(run.predict(rare, threshold=asked), plain, strict=True):
            assert one["probabilities"] == usual["probabilities"]
            other = "sound" if label == "faulty" else "faulty"
            assert one["label"] == (label if one["probabilities"][label] >= level else other)
            assert one["probability"] == one["probabilities"][one["label"]]
    assert run.predict(rare) == plain, "asking for a threshold once changes nothing"
    assert {one["label"] for one in run.predict(rare, threshold=0)} == {"faulty"}


def test_evaluate_scores_by_the_threshold(run, rare):
    usual, low = run.evaluate(rare), run.evaluate(rare, threshold="faulty=0.15")
    rows = run.predict(rare, threshold=0.15)
    true = [line.rsplit(",", 1)[1] for line in rare.read_text().split()[1:]]
    said = [one["label"] for one in rows]
    assert low.score.value == pytest.approx(sk.accuracy_score(true, said))
    assert low.metrics["macro F1"] == pytest.approx(sk.f1_score(true, said, average="macro"))
    assert low.metrics["balanced accuracy"] == pytest.approx(sk.balanced_accuracy_score(true, said))
    for name in ("log loss", "ROC AUC"):
        assert low.metrics[name] == usual.metrics[name], "how likely classes are does not hang on the threshold"
    assert low.baseline == usual.baseline
    assert (low.threshold, usual.threshold) == (("faulty", 0.15), None)
    assert low.result()["threshold"] == {"faulty": 0.15}
    assert "threshold" not in usual.result()


def test_no_threshold_for_what_is_no_pair(run, rare, numbers, tmp_path):
    with pytest.raises(UsageError, match="Unknown class 'maybe'"):
        run.predict(rare, threshold="maybe=0.3")
    number = pellucid.train(numbers, target="price", steps=2, size=0, out=str(tmp_path))
    with pytest.raises(UsageError, match="a threshold needs two classes"):
        number.evaluate(numbers, threshold=0.3)


def test_the_report_shows_test_at_thresholds_of_validation(run):
    chosen = run.record["thresholds"]
    assert [one["why"] for one in chosen][:2] == ["best F1", "recall of at least 90%"]
    page = (run.path / "report.html").read_text()
    assert all(f'<td class="key">{one["value"]:g}</td>' in page for one in chosen)
    for said in ("ROC curve", "Precision–recall curve", "Thresholds", "Average precision"):
        assert said in page


# -- the page of an evaluation


def test_evaluate_leaves_a_page_beside_the_run(run, rare, capsys, tmp_path):
    with pytest.raises(SystemExit) as code:
        main(["evaluate", str(run.path), str(rare)])
    assert code.value.code in (0, None)
    place = run.path.parent / "rare-on-rare.html"
    assert str(place) in capsys.readouterr().out
    page = place.read_text()
    for title in (
        "Confusion matrix",
        "Calibration",
        "ROC curve",
        "Thresholds",
        "Largest errors",
        "Columns",
    ):
        assert f"<h3>{title}</h3>" in page or f"<h2>{title}</h2>" in page, title
    assert "on 600 evaluated examples" in page
    assert "test examples" not in page
    # Its own page is written anew; a file of somebody else's is not.
    assert run.evaluate(rare).report() == place
    place.write_text("my notes")
    with pytest.raises(PellucidError, match="not an evaluation page"):
        run.evaluate(rare).report()
    assert place.read_text() == "my notes"
    place.unlink()


def test_where_the_page_goes_and_where_none_is_written(run, rare, capsys, tmp_path):
    def typed(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as code:
            main(["evaluate", str(run.path), str(rare), *words])
        return int(code.value.code or 0), capsys.readouterr().out

    before = sorted(run.path.parent.iterdir())
    lines = [json.loads(line) for line in typed("--json")[1].splitlines()]
    assert "report" not in lines[-1]
    out = tmp_path / "p.html"
    found = [json.loads(line) for line in typed("--json", "--out", str(out), "--threshold", "0.2")[1].splitlines()]
    assert found[-1]["report"] == str(out)
    assert "faulty from 0.2 on" in out.read_text()
    assert typed("--out", str(out))[0] != 0
    assert typed("--out", str(out), "--force")[0] == 0
    assert typed("--out", str(tmp_path / "p.csv"))[0] != 0
    assert typed("--out", str(run.path / "p.html"))[0] != 0
    assert sorted(run.path.parent.iterdir()) == before


def test_an_evaluation_that_was_pickled_has_no_page(run, rare):
    import pickle

    one = run.evaluate(rare)
    again: Any = pickle.loads(pickle.dumps(one))
    assert again == one
    with pytest.raises(UsageError, match="lost its examples"):
        again.report()
