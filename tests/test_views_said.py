"""What views say of odd cases: gaps, cut and empty texts, a trunk that adds nothing, ties, names that are not there."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from subjects import subject_of
from test_views_telling import make_subject

import pellucid
from pellucid import errors, wording
from pellucid.cli import main
from pellucid.errors import PellucidError, UsageError
from pellucid.inputs.channel import level_and_spread
from pellucid.reports import inside_answers
from pellucid.run import Run
from pellucid.runs.inspection import inspect_run, make_views
from pellucid.runs.inspection import subject_of as subject_of_run
from pellucid.views import VIEWS, Subject, gaze, stands
from pellucid.views.base import left_out
from pellucid.views.reading import readings
from pellucid.wording import number_text


def quiet_trunk(run: Run) -> Run:
    """A run whose solved part answers alone, as where no later weights did better."""
    assert run.network.solved is not None
    with torch.no_grad():
        for p in run.network.output.parameters():
            p.zero_()
    return run


def sentences(results: Any) -> str:
    return " ".join(f"{r.sentence} {r.caption}" for r in results)


# -- a solved part that answers alone


@pytest.fixture(scope="module")
def convolved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, pl.DataFrame]:
    """Series that begin with random convolutions, whose trunk adds nothing."""
    lines = np.random.default_rng(0).normal(size=(120, 24)).cumsum(1)
    frame = pl.DataFrame({"line": lines.tolist(), "label": np.where(lines[:, -1] > 0, "up", "down").tolist()})
    run = pellucid.train(frame, target="label", size=0, steps=3, out=tmp_path_factory.mktemp("runs"), name="c")
    return quiet_trunk(run), frame


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A forecast by the ridge alone, with a gap in the past of the newest row."""
    folder = tmp_path_factory.mktemp("forecast")
    rng, n = np.random.default_rng(1), 400
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 1) + pl.duration(days=n - 1), eager=True)
    warm = 10 + 5 * np.sin(np.arange(n) / 3.5) + rng.normal(size=n)
    frame = pl.DataFrame({"day": days, "warm": warm})
    frame = frame.with_columns(warm=pl.when(pl.int_range(pl.len()) == n - 20).then(None).otherwise(pl.col("warm")))
    frame.write_csv(folder / "days.csv")
    run = pellucid.train(folder / "days.csv", target="warm", horizon=7, steps=3, size=0, out=folder, name="f")
    return quiet_trunk(run), folder / "days.csv"


def test_where_the_trunk_adds_nothing_it_is_said_and_nothing_of_zeros_is_shown(
    convolved: tuple[Run, pl.DataFrame],
) -> None:
    run, frame = convolved
    subject = subject_of_run(run, frame)
    said = "the trunk adds exactly nothing, and answers come from the random convolutions alone"
    found = list(make_views(subject))
    words = [r.view for r in found]
    assert {"pixels", "nearest", "why"} <= set(words)
    assert not {"shares", "units", "stands", "where"} & set(words)
    assert {one.word for one in left_out(subject) if one.reason == said} >= {"units", "stands"}
    pixels = next(r for r in found if r.view == "pixels")
    # It has no slope, so that a map of what is added would be zeros; what is lost without each part is not.
    assert not any(name.startswith("added") for name in pixels.arrays)
    assert abs(pixels.arrays["left_out.0"]).max() > 0
    assert said in pixels.sentence.lower()
    assert "is missed most" in pixels.sentence
    network = subject_of_run(run)
    assert VIEWS["weights"].missing(network) == said
    worth = VIEWS["worth"](network)
    assert len(worth.blocks) == 2
    assert "no stage makes a difference" in worth.sentence
    assert "−0" not in worth.sentence


def test_neighbours_of_a_solved_part_are_by_what_it_reads(convolved: tuple[Run, pl.DataFrame]) -> None:
    run, frame = convolved
    subject = subject_of_run(run, frame)
    likeness = VIEWS["nearest"](subject).arrays["likeness"]
    read = run.network.solved.read_vectors(subject.training.batch())
    own = run.network.solved.read_vectors(subject.example)
    spread = read.std(0, unbiased=False)
    some = spread > 1e-9
    a, b = ((v - read.mean(0))[:, some] / spread[some] for v in (read, own))
    expected = torch.nn.functional.cosine_similarity(a, b).numpy()
    np.testing.assert_allclose(likeness, expected, atol=1e-3)


def test_a_ridge_alone_has_a_map_with_gaps_in_the_past(forecast: tuple[Run, Path]) -> None:
    run, source = forecast
    subject = subject_of_run(run, source)
    found = VIEWS["pixels"](subject)
    assert found.arrays["gap"].max() < 0.05
    assert abs(found.arrays["added.0"]).max() > 0
    assert "Could not be tested" not in found.badge.reason
    assert "answers come from the ridge alone" in found.sentence
    assert "1 of" in VIEWS["reading"](subject).sentence
    assert "the last known value before each" in VIEWS["reading"](subject).sentence


@pytest.mark.parametrize("constant", [False, True])
def test_slopes_of_stretches_with_gaps_and_of_constant_ones_are_numbers(
    forecast: tuple[Run, Path], constant: bool
) -> None:
    run, source = forecast
    batch = subject_of_run(run, source).example
    key = run.network.input_keys()[0]
    value = torch.as_tensor(batch.inputs[key]).clone()
    if constant:
        value[:] = 1.0
    value[0, 3] = float("nan")
    value.requires_grad_()
    read = run.network.layers[0](value).x
    assert bool(read.isfinite().all())
    assert bool(torch.autograd.grad(read.sum(), value)[0].isfinite().all())


def test_a_constant_stretch_has_the_spread_one() -> None:
    level, spread = level_and_spread(torch.full((1, 5, 1), 3.0), 5)
    assert (float(level), float(spread)) == (3.0, 1.0)
    _, spread = level_and_spread(torch.tensor([1.0, 3.0]).view(1, 2, 1), 2)
    assert float(spread) == pytest.approx(1.0)


# -- how an example is read


@pytest.fixture(scope="module")
def read_texts(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pellucid.train(
        texts, network="transformer", steps=20, size=0, out=tmp_path_factory.mktemp("texts"), name="t"
    )


def test_a_text_that_is_cut_says_how_much_was_read(read_texts: Run) -> None:
    from pellucid.fields.text import load_tokenizer

    text = " ".join(["wonderful film story"] * 60)
    state = read_texts.network.layers[0].fields[0].state
    total, most = len(load_tokenizer(state["tokenizer"]).encode(text).ids), state["longest"] - 1
    assert total > most
    subject = subject_of_run(read_texts, texts=[text])
    said = f"Of 'review' the network reads the first {most} of its {total} tokens, up to the word '"
    assert said in VIEWS["reading"](subject).sentence
    assert said in VIEWS["pixels"](subject).caption
    short = subject_of_run(read_texts, texts=["wonderful film"])
    assert VIEWS["reading"].missing(short) == "every value is read as it stands"
    assert readings(short) == []


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_text_is_said_once_and_plainly(read_texts: Run, text: str) -> None:
    found = inspect_run(read_texts, texts=[text])
    said = sentences(found)
    assert not re.search(r"\. ?\.|, \.|\s\.", said), said
    assert found["reading"].sentence == "Of 'review' the network reads no words: the text is empty."
    assert "there is no word to have a share" in found["shares"].sentence
    assert "pixels" not in [r.view for r in found]
    subject = subject_of_run(read_texts, texts=[text])
    assert VIEWS["pixels"].missing(subject) == "there is no word to explain, as the text is empty"


def test_gaps_of_a_row_are_named_with_what_stands_for_them(table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, network="mlp", size=0, steps=20, out=tmp_path, name="r")
    (tmp_path / "gap.csv").write_text("x,y,colour,label\n0.5,,,yes\n")
    subject = subject_of_run(run, tmp_path / "gap.csv")
    found = VIEWS["reading"](subject)
    rows = {row[0]: row[2] for row in found.blocks[0].rows}
    field = next(f for layer in run.network.layers for f in layer.fields if f.name == "y")
    assert rows["y"] == f"{number_text(field.state['mean'])}, the mean of training, and a mark that it is missing"
    assert rows["colour"] == "'missing', which counts as a word of its own"
    assert set(rows) == {"y", "colour"}
    assert {"y (missing)", "colour (missing)", "x"} == set(VIEWS["fields"](subject).blocks[0].names)
    # None of the rows lacked an x.
    (tmp_path / "new.csv").write_text("x,y,colour,label\n,0.1,red,yes\n")
    assert "never learned" in VIEWS["reading"](subject_of_run(run, tmp_path / "new.csv")).sentence


def test_one_value_far_outside_is_said_in_one_sentence(table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, network="mlp", size=0, steps=5, out=tmp_path, name="r")
    sentence = inspect_run(run, table, set=["x=5000"])[0].sentence
    assert re.search(
        r"\. 5,000 lies far outside the training data's range \(from .* to .*\): another unit\?$", sentence
    )


# -- losses and stages


def test_losses_of_forecasts_speak_of_steps_and_units(forecast: tuple[Run, Path]) -> None:
    run, source = forecast
    whole, one = VIEWS["losses"](subject_of_run(run)), VIEWS["loss"](subject_of_run(run, source))
    for result in (whole, one):
        said = f"{result.sentence} {result.caption} {' '.join(b.caption for b in result.blocks)}"
        assert "over its 7 steps" in said
        assert not re.search(r"class|wrong label|sure and wrong|logit|softmax", said)
    assert "in its own units" in whole.sentence
    assert list(whole.blocks[0].headings) == ["", "example", "forecast", "actual", "loss"]
    assert list(one.blocks[0].headings) == ["step", "forecast", "actual", "off by", "error expected"]
    # The mean error is that of the units of the column.
    part = subject_of_run(run).validation
    with torch.no_grad():
        raw = run.network.predict(part.batch())
    said = [one["value"] for one in run.network.output.task.decode(raw.numpy())]
    true = run.network.output.task.decode_target(part.batch().target.numpy())
    off = np.nanmean(abs(np.array(said, float) - np.array(true, float)))
    assert f"'warm' is off by {number_text(float(off))} on average" in whole.sentence
    # Not all that the loss is made of is in the table, so that nothing is claimed of their sum.
    assert "relative error" not in whole.badge.figures


def test_what_is_worth_alike_is_not_put_in_an_order() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 400))
    frame = pl.DataFrame({"a": a, "b": b, "c": c, "y": np.where(a + b > 0, "yes", "no")})
    data = pellucid.read(frame, target="y")
    run = pellucid.train(data, network="mlp", size=0, steps=200, save=False)
    found = VIEWS["worth"](subject_of(run.network, data, None))
    assert re.search(
        r"The most important inputs are (a and b|b and a) \(no significant difference between them\)", found.sentence
    )
    assert "with any one of them shuffled" in found.sentence


def test_of_a_network_that_learned_nothing_no_stage_is_worth_anything() -> None:
    sentence = VIEWS["worth"](make_subject("dense")).sentence
    assert "makes no significant difference" in sentence
    assert "most important" not in sentence


def test_weights_are_those_that_move_answers_and_the_title_counts_them() -> None:
    subject = make_subject("dense", 1)
    part = subject.training
    found = VIEWS["weights"](subject)
    titles = {1: "The most important weight", 2: "Two important weights", 3: "Three important weights"}
    assert found.title == titles[len(found.arrays["moved"])]
    assert (found.arrays["weights"] != 0).all()
    assert (found.arrays["gradients"] != 0).all()
    batch = part.batch(range(64))
    with torch.no_grad():
        before = subject.network(batch)
        for row in found.blocks[0].rows:
            name, index = re.fullmatch(r"(.+)\[(.+)\]", row[0]).groups()
            full = next(n for n, _ in subject.network.named_parameters() if n.replace(".stages.", ".", 1) == name)
            tensor, place = subject.network.get_parameter(full), tuple(map(int, index.split(",")))
            kept = tensor[place].clone()
            tensor[place] = 0.0
            moved = float((subject.network(batch) - before).abs().amax(1).mean())
            tensor[place] = kept
            assert row[2] == pytest.approx(moved, rel=1e-4)
    # With but one matrix that learns there is one weight, and the title says so.
    with torch.no_grad():
        subject.network.output.layer.weight.zero_()
        subject.network.output.layer.weight[0, 0] = 0.5
    subject.found.clear()
    alone = VIEWS["weights"](subject)
    assert len(alone.arrays["moved"]) == len(alone.blocks[0].rows)
    assert alone.title.lower().startswith(("one", "two", "three")[len(alone.arrays["moved"]) - 1])


# -- names that are not there


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight": "nope"}, "Unknown weight 'nope'. The page of 'pellucid inspect RUN' lists the weights"),
        ({"weight": "output.layer.weigth[0,0]"}, "Did you mean 'output.layer.weight'"),
        ({"unit": "nope.3"}, "Unknown unit 'nope.3'. 'pellucid inspect RUN' lists the stages; a unit is a stage and a"),
        ({"unit": "layr1.3"}, "Did you mean 'layer1.3'"),
        ({"answer": "zzz"}, "Unknown class 'zzz'. Known: no, yes"),
        ({"answer": "yess"}, "Unknown class 'yess'. Did you mean 'yes'?"),
        ({"without": ["nope"]}, "Unknown stage 'nope'. Known: layer1"),
        ({"without": ["layer7"]}, "Did you mean 'layer"),
        ({"without": ["nope.3"]}, "Unknown unit 'nope.3'. 'pellucid inspect RUN' lists the stages"),
    ],
)
def test_names_that_are_not_there_are_told_on_one_line(
    of_table: tuple[Run, Path], options: dict[str, Any], said: str
) -> None:
    run, source = of_table
    with pytest.raises(UsageError) as raised:
        list(inspect_run(run, source, **options))
    text = str(raised.value)
    assert said in text
    assert "\n" not in text
    # What can't be opened is not offered.
    assert "pooled" not in text


@pytest.fixture(scope="module")
def of_table(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    return pellucid.train(table, network="mlp", steps=30, size=0, out=tmp_path_factory.mktemp("r"), name="r"), table


# -- what is missing


def test_what_no_examples_leaves_out_is_said_with_how_to_have_it(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pellucid.train(photos, steps=5, size=0, examples=False, out=tmp_path, name="r")
    for source, titles in (
        (None, ["What each stage is worth", "The best and the worst answers", "One weight opened (--weight)"]),
        (next(photos.rglob("*.png")), ["The nearest training examples", "Which pixels, words or steps spoke for it"]),
    ):
        found = inspect_run(run, source)
        page = found.report(tmp_path / "page.html", force=True).path.read_text()
        section = page.split('id="missing"')[1].split("</section>")[0]
        assert "it was trained with --no-examples. Train again without --no-examples." in section
        for title in titles:
            assert title in section
        # What would not fit anyway is not missed.
        assert "Which field spoke for it" not in section
    with pytest.raises(SystemExit):
        main(["inspect", str(run.path)])
    out = capsys.readouterr().out
    assert "Not shown because the run keeps no examples: it was trained with --no-examples (train again without" in out
    assert "What one unit responds to" in out
    with pytest.raises(PellucidError, match="keeps no training examples"):
        inspect_run(run, weight="output.layer.weight[0,0]")


def test_of_a_run_with_examples_nothing_is_missing(of_table: tuple[Run, Path]) -> None:
    run, source = of_table
    assert inspect_run(run).left_out == []
    assert 'id="missing"' not in inspect_run(run, source).report(run.path.parent / "p.html").path.read_text()
    # But what is right of a row without its answer.
    (run.path.parent / "bare.csv").write_text("x,y,colour\n0.5,0.1,red\n")
    missing = inspect_run(run, run.path.parent / "bare.csv").left_out
    assert [(one.title, one.reason) for one in missing] == [
        ("The loss of this example", "the true answer of this example is not known")
    ]
    assert "--true" in missing[0].remedy


def test_facts_without_examples_say_why() -> None:
    subject = Subject(make_subject("dense").network)
    assert {one.reason for one in left_out(subject)} >= {"the run keeps no validation examples"}


@pytest.mark.parametrize("module", [errors, wording, gaze, inside_answers, stands])
def test_the_examples_in_it_run(module: Any) -> None:
    tried = doctest.testmod(module)
    assert tried.failed == 0
    assert tried.attempted
