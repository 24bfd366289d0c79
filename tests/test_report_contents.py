"""What a report holds beside its score: columns, classes by part, samples, each target, no example twice."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import write_table

import pellucid
from pellucid.metrics.numbers import OF_NUMBERS
from pellucid.reports.data_content import one_of_each, sample_content
from pellucid.reports.page import report_page
from pellucid.reports.sections.training import training_section
from pellucid.tasks.several_targets import each_target


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("<main>")[1]).split())


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    """A table with a column that tells nothing, one of ids, and some labels that are wrong."""
    rng, rows, folder = np.random.default_rng(0), list[list[object]](), tmp_path_factory.mktemp("faulty")
    for i in range(500):
        x = rng.normal()
        label = "yes" if x + 0.4 * rng.normal() > 0 else "no"
        wrong = i % 10 == 0 and abs(x) > 0.8
        rows.append([f"id-{i:04}-{rng.integers(1e9)}", "always", f"{x:.4f}", f"{rng.normal():.3f}",
                     {"yes": "no", "no": "yes"}[label] if wrong else label])  # fmt: skip
    path = write_table(folder / "faulty.csv", ["key", "same", "x", "noise", "label"], rows)
    return pellucid.train(path, target="label", steps=200, lr=0.01, out=str(folder), name="faulty", reference=False)


def test_columns_with_their_kinds_and_why_some_are_left_out(faulty):
    page = words((faulty.path / "report.html").read_text())
    for said in ("x number input 500 numbers", "label category target 2 distinct values",
                 "same left out always &#x27;always&#x27;, which says nothing".replace("&#x27;", "'")):  # fmt: skip
        assert said in page, said
    assert "First rows" in page


def test_classes_are_counted_by_part(faulty):
    data = pellucid.read(faulty.record["data"]["source"], target="label")
    split, column = data.split(), data.column("label").values
    page = words((faulty.path / "report.html").read_text())
    for label in ("yes", "no"):
        counts = [int(sum(column[int(row)] == label for row in rows)) for rows in split.parts().values()]
        assert f"{label} {' '.join(map(str, counts))}" in page


def test_no_example_is_shown_as_an_error_and_as_a_wrong_label(faulty):
    page = (faulty.path / "report.html").read_text()
    errors, issues = (page.split(f'<section id="{word}">')[1].split("</section>")[0] for word in ("errors", "suspects"))
    places = [set(re.findall(r'<td class="where">(.*?)</td>', part)) for part in (errors, issues)]
    assert places[1], "labels were swapped, and some of them are doubted"
    assert not places[0] & places[1]
    assert "are listed under label issues" in errors


def test_why_there_is_no_reference_is_said(faulty, photos, tmp_path):
    assert "No reference model: --no-reference" in (faulty.path / "report.html").read_text()
    other = pellucid.train(photos, steps=1, size=0, out=str(tmp_path), name="photos")
    assert "No classical model suits this kind of data." in (other.path / "report.html").read_text()


def test_photos_and_texts_show_some_of_each_class(photos, texts, tmp_path):
    for source, target in ((photos, None), (texts, "verdict")):
        data = pellucid.read(source, **({"target": target} if target else {}))
        run = pellucid.train(data, steps=1, size=0, out=str(tmp_path))
        found = sample_content(run.network.output.task, data.with_fitted({f.name: f for f in run.network.fields}),
                               data.split().train)  # fmt: skip
        assert len(found) == 6
        assert len({one["true"] for one in found}) == 2
        assert all(set(one["shown"]) & {"image_png", "text"} for one in found)
        assert "Some training examples" in (run.path / "report.html").read_text()


def test_one_of_each_before_a_second_of_any():
    assert one_of_each(["a", "a", "b", "a", "c", "b"]) == [0, 2, 4, 1, 5, 3]
    assert one_of_each([["x"], [], ["x"]]) == [0, 1, 2]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    rng, folder = np.random.default_rng(3), tmp_path_factory.mktemp("pair")
    x = rng.normal(size=(400, 2))
    rows: list[list[object]] = [[f"{a:.4f}", f"{b:.4f}", f"{10 * a:.4f}", f"{b + 3 * rng.normal():.4f}"] for a, b in x]
    path = write_table(folder / "pair.csv", ["a", "b", "easy", "hard"], rows)
    return pellucid.train(path, target="easy,hard", steps=150, lr=0.01, out=str(folder), name="pair", reference=False)


def test_each_of_several_targets_has_its_score_and_pictures(pair):
    html = (pair.path / "report.html").read_text()
    page = words(html)
    assert "Each target 2 numbers are predicted together" in page
    assert html.count("<h3>Predicted and actual</h3>") == html.count("<h3>Residuals</h3>") == 2
    assert '<h3 class="target">easy</h3>' in html
    assert '<h3 class="target">hard</h3>' in html
    assert (
        pair.evaluate(pair.record["data"]["source"])
        .report(pair.path.parent / "p.html")
        .read_text()
        .count("<h3>Residuals</h3>")
        == 2
    )


def test_a_target_alone_scores_as_if_it_were_alone():
    rng = np.random.default_rng(2)
    true = rng.normal(size=(300, 3))
    guess = true + rng.normal(size=(300, 3)) * [0.1, 1, 2]
    found = each_target(OF_NUMBERS["R2"], ["a", "b", "c"], guess, true)
    for place, one in enumerate(found):
        error = guess[:, place] - true[:, place]
        assert one["value"] == pytest.approx(1 - (error**2).mean() / true[:, place].var())
        assert one["low"] < one["value"] < one["high"]
        assert one["half"] == pytest.approx(np.median(abs(error)))
        assert one["residuals"]["true"] == true[:, place].tolist()
    mean = float(OF_NUMBERS["R2"].judge(guess, true)(np.ones((1, 300)))[0])
    assert np.mean([one["value"] for one in found]) == pytest.approx(mean)


def test_very_many_targets_are_scored_and_the_first_are_drawn():
    true = np.random.default_rng(0).normal(size=(20, 40))
    found = each_target(OF_NUMBERS["mean absolute error"], [f"t{i}" for i in range(40)], true + 1, true)
    assert [one["value"] for one in found] == pytest.approx([1.0] * 40)
    assert sum("residuals" in one for one in found) == 12
    page = words(report_page({"title": "t", "targets": found}))  # type: ignore[typeddict-item]
    assert "No charts for the other 28." in page
    assert page.count("Residuals") == 12


def test_a_schedule_that_moved_often_is_said_twice():
    points = [[[0, 1.0], [100 + i, 0.0]] for i in range(9)]
    decided = [{"step": i, "name": "schedule", "value": one, "reason": "the clock"} for i, one in enumerate(points)]
    said = str(training_section({"history": [{"step": 1, "loss": 0.5}], "decisions": decided}))  # type: ignore[typeddict-item]
    assert re.findall(r"<b>schedule: (\d+) steps</b>", said) == ["100", "108"]
    assert "the clock (decided 9 times)" in said


def test_the_first_point_of_a_short_curve_is_seen():
    for rows in (1, 2, 12):
        history = [{"step": i, "loss": 1 / (i + 1)} for i in range(rows)]
        assert str(training_section({"history": history})).count('class="dot c1"') == rows
    assert 'class="dot' not in str(training_section({"history": [{"step": i, "loss": 1 / (i + 1)} for i in range(40)]}))


def test_what_a_page_shows_of_a_file_is_escaped(tmp_path: Path):
    evil, rng = "<img src=x onerror=alert(1)>", np.random.default_rng(0)
    rows: list[list[object]] = [
        [f"{rng.normal():.3f}", evil if i % 2 else "b&b", evil if i % 3 else "<b>"] for i in range(90)
    ]
    path = write_table(tmp_path / "evil.csv", [f"x{evil}", "word", "label"], rows)
    run = pellucid.train(path, target="label", steps=2, size=0, out=str(tmp_path), name="evil")
    page = run.evaluate(path).report(tmp_path / "p.html").read_text()
    for html in (page, (run.path / "report.html").read_text()):
        assert "<img" not in html
        assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_what_was_scored_of_each_target_is_not_drawn_once_more(pair, monkeypatch):
    monkeypatch.setattr("pellucid.tasks.several_targets.draw_interval", None)
    evaluation = pair.evaluate(pair.record["data"]["source"])
    page = words(evaluation.report(pair.path.parent / "q.html", force=True).read_text())
    for one in evaluation.targets:
        assert f"{one['name']} {one['scores']['R2']['value']:.3f}" in page
