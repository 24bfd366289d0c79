"""Why an answer is right or wrong, what a unit stands for, what a network looks at, and what a newcomer asks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import hypergeom
from subjects import subject_of

import pellucid
from pellucid.errors import UsageError
from pellucid.reports.inside_answers import best_answer, trust_sentence
from pellucid.run import Run
from pellucid.runs.inspection import folder_class, inspect_run
from pellucid.runs.inspection import subject_of as subject_of_run
from pellucid.views import VIEWS, Badge, Result, Subject
from pellucid.views.blocks import Bars, Gallery, Picture, Table
from pellucid.views.loss import answer_kept
from pellucid.views.stands import chance_of, stage_name, unit_values
from pellucid.views.why import answered_wrong


def flowers(seed: int = 0, rows: int = 300) -> pl.DataFrame:
    """Three classes told by two columns, some of them between two classes; one more column says nothing."""
    rng = np.random.default_rng(seed)
    kind = np.arange(rows) % 3
    a = kind + 0.45 * rng.normal(size=rows)
    b = (kind == 1) + 0.45 * rng.normal(size=rows)
    names = np.array(["one", "two", "three"])[kind]
    return pl.DataFrame({"a": a, "b": b, "noise": rng.normal(size=rows), "kind": names})


@pytest.fixture(scope="module")
def subject() -> Subject:
    data = pellucid.read(flowers(), target="kind")
    run = pellucid.train(data, network="mlp", size=0, steps=150, save=False)
    return subject_of(run.network, data, 0, (128, 96))


def of_row(subject: Subject, row: int) -> Subject:
    """One kept validation example as what is looked into, with what is right of it."""
    part = subject.validation
    return Subject(
        subject.network, part.batch([row]), part.data, part.title(row), None, subject.training, part, subject.facts
    )


def wrong_row(subject: Subject) -> int:
    raw, target, each = answer_kept(subject, subject.validation)
    wrong = [answered_wrong(subject, r, t) for r, t in zip(raw, target, strict=True)]
    assert any(wrong)
    return int(np.where(wrong, each, -np.inf).argmax())


def right_row(subject: Subject) -> int:
    raw, target, _ = answer_kept(subject, subject.validation)
    return next(i for i, (r, t) in enumerate(zip(raw, target, strict=True)) if not answered_wrong(subject, r, t))


# -- why


def test_a_wrong_answer_is_held_against_the_right_one(subject: Subject) -> None:
    one = of_row(subject, wrong_row(subject))
    found = VIEWS["why"](one)
    names = list(subject.task.values)
    true, given = names[int(one.example.target)], names[int(one.raw.argmax())]
    assert f"The answer is wrong: the network says '{given}'" in found.sentence
    assert f"'{true}' (" in found.sentence
    # The parts make the difference of the two logits beside the mean difference of kept training examples.
    with torch.no_grad():
        kept = subject.network.predict(subject.training.batch(np.linspace(0, 127, 64).round().astype(int)))
    i, j = names.index(given), names.index(true)
    usual = float((kept[:, i] - kept[:, j]).mean())
    margin = float(one.raw[i] - one.raw[j])
    assert float(found.arrays["margin"]) == pytest.approx(margin, abs=1e-6)
    assert found.arrays["columns"].sum() == pytest.approx(margin - usual, abs=1e-4)
    # And each side stands beside the other.
    table = next(b for b in found.blocks if isinstance(b, Table))
    assert list(table.headings) == ["column", f"adds to '{given}'", f"adds to '{true}'", "difference"]
    for row in table.rows:
        assert row[1] - row[2] == pytest.approx(row[3], abs=1e-6)
    galleries = [b for b in found.blocks if isinstance(b, Gallery)]
    for gallery, name in zip(galleries, (given, true), strict=True):
        assert f"'{name}'" in gallery.caption
        assert all(f"true: {name}" in lines for lines in gallery.lines)
    near = re.search(r"Of the (\d+) nearest kept training examples, (\w+) (?:is|are) '(\w+)'", found.sentence)
    assert near is not None
    assert (near[1], near[3]) == ("10", given)


def test_a_right_answer_is_held_against_the_next(subject: Subject) -> None:
    one = of_row(subject, right_row(subject))
    found = VIEWS["why"](one)
    order = one.raw.argsort(descending=True)
    first, second = (subject.task.values[int(k)] for k in order[:2])
    assert found.sentence.startswith(f"The answer is right: '{first}' (")
    assert f"the next is '{second}' (" in found.sentence


def test_an_answer_of_which_nothing_is_known_says_so(subject: Subject) -> None:
    one = of_row(subject, 0)
    batch = one.example
    bare = Subject(
        subject.network, type(batch)(batch.inputs, None, batch.rows), one.data, "", None, subject.training,
        subject.validation,
    )  # fmt: skip
    assert VIEWS["why"](bare).sentence.startswith("The true answer is not known.")


def test_the_worst_mistake_is_the_wrong_answer_with_the_largest_loss(subject: Subject) -> None:
    network = Subject(subject.network, None, training=subject.training, validation=subject.validation)
    found, row = VIEWS["mistake"](network), wrong_row(subject)
    assert f"the worst is {subject.validation.title(row)}." in found.sentence
    raw, target, _ = answer_kept(subject, subject.validation)
    count = sum(answered_wrong(subject, r, t) for r, t in zip(raw, target, strict=True))
    assert f"Of 96 kept validation examples {count} are answered wrongly" in found.sentence
    assert found.view == "mistake"
    # It is the same as that example looked into by itself.
    np.testing.assert_allclose(found.arrays["columns"], VIEWS["why"](of_row(subject, row)).arrays["columns"], atol=1e-6)


def test_of_a_number_it_says_how_far_off_and_what_the_nearest_were(numbers: Path, tmp_path: Path) -> None:
    run = pellucid.train(numbers, target="price", size=0, steps=60, out=tmp_path, name="n")
    one = subject_of_run(run, numbers)
    found = VIEWS["why"](one)
    price = pl.read_csv(numbers)["price"][0]
    assert re.search(rf"true: {price:.4g}".rstrip("0"), found.sentence)
    assert re.search(r"(further off than )?\d+% of \d+ kept validation examples( are further off)?\.", found.sentence)
    assert "the true values range from" in found.sentence
    gallery = next(b for b in found.blocks if isinstance(b, Gallery))
    assert len(gallery.titles) == 6
    assert not any(isinstance(b, Table) for b in found.blocks)


def test_photos_show_both_sides(photos: Path, tmp_path: Path) -> None:
    run = pellucid.train(photos, size=0, steps=10, out=tmp_path, name="p")
    photo = next((photos / "above").glob("*.png"))
    found = VIEWS["why"](subject_of_run(run, photo, true="below"))
    pictures = [b for b in found.blocks if isinstance(b, Picture)]
    assert len(pictures) == 3
    np.testing.assert_allclose(pictures[0].values, pictures[1].values - pictures[2].values, atol=1e-6)


# -- what is right


@pytest.mark.slow
def test_what_is_right_comes_from_the_folder_or_from_the_option(photos: Path, tmp_path: Path) -> None:
    run = pellucid.train(photos, size=0, steps=5, out=tmp_path, name="p")
    photo = next((photos / "above").glob("*.png"))
    assert folder_class(run, photo) == "above"
    subject = subject_of_run(run, photo)
    assert int(subject.facts["target"]()) == run.network.output.task.values.index("above")
    assert int(subject_of_run(run, photo, true="below").facts["target"]()) == 1
    elsewhere = tmp_path / "1.png"
    elsewhere.write_bytes(photo.read_bytes())
    assert folder_class(run, elsewhere) is None
    assert "not known" in inspect_run(run, elsewhere)["why"].sentence
    assert "known" not in inspect_run(run, elsewhere, true="below")["why"].sentence
    with pytest.raises(UsageError, match="Unknown value of 'label' 'nope'"):
        inspect_run(run, photo, true="nope")
    with pytest.raises(UsageError, match="--true needs an example"):
        inspect_run(run, true="above")
    with pytest.raises(UsageError, match="is not a value of 'label'"):
        inspect_run(run, photo, true=" ")


# -- what one unit stands for


def test_a_unit_is_shown_by_the_examples_that_drive_it(subject: Subject) -> None:
    network = Subject(subject.network, None, training=subject.training, validation=subject.validation)
    found = VIEWS["stands"](network)
    part, k = subject.training, int(found.arrays["unit"])
    with torch.no_grad():
        opened = subject.network.open(part.batch())
    own = opened[stage_name(subject)].features.x.reshape(
        len(part), -1, opened[stage_name(subject)].features.x.shape[-1]
    )
    np.testing.assert_allclose(found.arrays["values"], own[..., k].amax(1).numpy(), atol=1e-5)
    gallery = next(b for b in found.blocks if isinstance(b, Gallery))
    groups = [title.partition(":")[0] for title in gallery.titles]
    assert {g: groups.count(g) for g in groups} == {"highest": 9, "at random": 9, "lowest": 9}
    shown = np.array([float(lines[0].removeprefix("value ").replace("−", "-")) for lines in gallery.lines])
    assert shown[:9].min() >= shown[9:18].max() - 1e-2
    assert shown[18:].max() <= shown[9:18].min() + 1e-2
    assert all(any(line.startswith("answer: ") for line in lines) for lines in gallery.lines)
    assert all(any(line.startswith("true: ") for line in lines) for lines in gallery.lines)
    # Means by class are those of the classes.
    bars = next(b for b in found.blocks if isinstance(b, Bars))
    classes = part.loader.targets(part.rows).numpy()
    for name, value in zip(bars.names, bars.values, strict=True):
        own_class = classes == subject.task.values.index(name)
        assert value == pytest.approx(found.arrays["values"][own_class].mean(), abs=1e-5)


def test_of_an_example_it_is_the_unit_that_has_most_of_its_answer(subject: Subject) -> None:
    found, units = VIEWS["stands"](subject), VIEWS["units"](subject)
    assert int(found.arrays["unit"]) == int(abs(units.arrays["parts"]).argmax())
    assert re.search(
        r"Here it is .*, (higher than on \d+% of kept examples|lower than on any kept one)\.", found.sentence
    )


def test_a_planted_unit_is_said_to_go_with_its_class_and_its_column(subject: Subject) -> None:
    from pellucid.views import stands

    part, rng = subject.training, np.random.default_rng(0)
    classes = stands.true_classes(subject, part)
    values = (classes == 1) * 5.0 + rng.normal(size=len(part)) * 0.1
    chosen = stands.three_ways(values, 9)
    said = stands._say_who(subject, part, chosen)
    assert said[0] == f"9 of the 9 examples that drive it highest are '{subject.task.values[1]}' (33% of all kept are)."
    column = np.asarray(part.data.stored_values("a").arrays["value"])[part.rows]
    assert "high 'a'" in stands._goes_with(subject, part, column)[0]
    assert "low 'a'" in stands._goes_with(subject, part, -column)[0]
    # Of chance nothing is said to stand out.
    nothing = stands._say_who(subject, part, stands.three_ways(rng.normal(size=len(part)), 9))
    assert all("No class stands out" in text for text in nothing)


def test_the_chance_of_a_class_is_hypergeometric() -> None:
    for count, drawn, total, examples in ((3, 9, 20, 100), (9, 9, 50, 256), (0, 5, 10, 40)):
        expected = float(hypergeom.sf(count - 1, examples, total, drawn))
        assert chance_of(count, drawn, total, examples) == pytest.approx(expected, rel=1e-9)


def test_parts_of_many_examples_are_those_of_each(subject: Subject) -> None:
    _, parts = unit_values(subject, subject.training, stage_name(subject))
    one = Subject(
        subject.network, subject.training.batch([7]), subject.training.data, "", None, subject.training,
        subject.validation,
    )  # fmt: skip
    np.testing.assert_allclose(parts[7], VIEWS["units"](one).arrays["parts"], atol=1e-5)


def test_units_opened_by_name_show_answers_too(subject: Subject) -> None:
    network = Subject(subject.network, None, training=subject.training, validation=subject.validation)
    gallery = next(b for b in VIEWS["unit"](network, name="layer1.3").blocks if isinstance(b, Gallery))
    assert all(any(line.startswith("answer: ") for line in lines) for lines in gallery.lines)


# -- what a network looks at


def test_what_it_looks_at_is_what_decides(subject: Subject) -> None:
    network = Subject(subject.network, None, training=subject.training, validation=subject.validation)
    found = VIEWS["gaze"](network)
    names = ["a", "b", "noise"]
    sizes = dict(zip(names, found.arrays["columns"], strict=True))
    assert sizes["noise"] < 0.3 * min(sizes["a"], sizes["b"])
    assert re.search(r"most hangs on '(a|b)' \(\d+%\)", found.sentence)
    assert (found.arrays["columns"] >= 0).all()


def test_words_that_decide_are_listed_by_answer(texts: Path, tmp_path: Path) -> None:
    run = pellucid.train(texts, size=0, steps=120, out=tmp_path, name="t")
    table = next(b for b in VIEWS["gaze"](subject_of_run(run)).blocks if isinstance(b, Table))
    best: dict[str, str] = {}
    for answer, word, value in table.rows:
        assert value > 0
        best.setdefault(answer, word)
    assert best == {"good": "wonderful", "bad": "dreadful"}


# -- the page


def shown(level: str, view: str = "a") -> Result:
    return Result(view, view.upper(), f"{view} says", Badge(level, ""))  # type: ignore[arg-type]


def test_a_question_is_answered_by_what_may_be_believed() -> None:
    results = [shown("failed", "fields"), shown("checked", "pixels"), shown("suggestive", "where")]
    assert best_answer(results, ("fields", "pixels", "where")) == 1
    assert best_answer(results[:1], ("fields", "pixels")) == 0
    assert best_answer(results, ("nope",)) is None
    assert trust_sentence(results) == (
        "Of the 3 views below, 1 is tested on this network and passed, 1 is not tested on it and 1 failed its test. "
        "Don't rely on 'FIELDS'."
    )


@pytest.mark.parametrize("kind", ["photos", "table", "texts"])
def test_a_page_answers_a_newcomers_questions(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    source = request.getfixturevalue(kind)
    run: Run = pellucid.train(source, size=0, steps=40, out=tmp_path, name=kind)
    example = next(source.rglob("*.png")) if source.is_dir() else source
    for of, questions in (
        (None, ["What does it look at?", "Why are its worst answers wrong?"]),
        (example, ["What did it look at?", "Why this answer, and is it right?"]),
    ):
        html = inspect_run(run, of).report(tmp_path / "page.html", force=True).path.read_text()
        section = html.split('id="short"')[1].split("</section>")[0]
        well = "Did training go well?"
        every = [*questions, "Can I trust these pictures?", well, "What does one unit respond to?"]
        assert sorted(re.findall(r"<dt>(.*?)</dt>", section)) == sorted(every)
        answers = re.findall(r"<dd>(.*?)</dd>", section)
        assert len(answers) == 5
        assert all(len(re.sub(r"<.*?>", "", one)) > 40 for one in answers)
        assert "can't be answered" not in section
        # Every answer leads to where it is shown.
        assert section.count('href="#view-') == 4
    asked = inspect_run(run, health=True).report(tmp_path / "asked.html").path.read_text()
    assert 'id="short"' not in asked
