"""Samples: data in the layout a person would have it in, from an installed package or made by rule."""

import os
import wave

import numpy as np
import pytest
from trees import picture

from pellucid.dataset import read as read_data
from pellucid.errors import PellucidError, UsageError
from pellucid.fields.mel import log_mel, mel_form
from pellucid.samples import SAMPLES, same_content, sample


@pytest.mark.parametrize(
    ("name", "rows", "target", "classes", "inputs"),
    [
        ("wine", 178, "category", 3, 13),
        ("iris", 150, "category", 3, 4),
        ("breast-cancer", 569, "category", 2, 30),
        ("diabetes", 442, "number", 0, 10),
        ("digits", 1797, "category", 10, 1),
        ("tones", 240, "category", 4, 1),
    ],
)
def test_every_sample_is_ready_to_train_on(name, rows, target, classes, inputs, tmp_path):
    data = read_data(sample(name, tmp_path), cache=tmp_path / "cache")
    assert len(data) == rows
    assert data.need_target().kind == target
    assert len(data.reading.classes) == classes
    assert len(data.inputs) == inputs
    assert len(data.split().train) == pytest.approx(0.8 * rows, abs=2)


def test_every_sample_is_tested_and_described():
    assert set(SAMPLES) == {"wine", "iris", "breast-cancer", "diabetes", "digits", "tones"}
    assert all(len(one.about) > 20 for one in SAMPLES.values())


def test_digits_are_pngs_in_class_folders(tmp_path):
    place = sample("digits", tmp_path / "numbers")
    assert place == tmp_path / "numbers"
    assert sorted(p.name for p in place.iterdir()) == [str(i) for i in range(10)]
    assert len(list(place.glob("*/*.png"))) == 1797


def test_what_goes_wrong_is_said(tmp_path):
    with pytest.raises(UsageError) as error:
        sample("wien", tmp_path)
    known = "digits, tones, wine, iris, breast-cancer, diabetes"
    assert str(error.value) == f"Unknown sample 'wien'. Did you mean 'wine'? Known: {known}"
    (tmp_path / "iris.csv").write_text("my own\n")
    with pytest.raises(PellucidError, match="something of this name already"):
        sample("iris", tmp_path)
    assert (tmp_path / "iris.csv").read_text() == "my own\n"
    (tmp_path / "file").touch()
    with pytest.raises(PellucidError, match="cannot be written"):
        sample("iris", tmp_path / "file" / "iris.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "iris.csv"]


@pytest.mark.parametrize("name", ["iris", "digits"])
def test_a_sample_that_is_there_is_taken_again_if_it_is_whole(name, tmp_path):
    place = sample(name, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in place.rglob("*.png")}
    assert sample(name, tmp_path) == place
    assert times == {path: path.stat().st_mtime_ns for path in place.rglob("*.png")}
    one = place if place.is_file() else next(place.glob("*/*.png"))
    one.write_bytes(one.read_bytes()[:-1])
    with pytest.raises(PellucidError, match="something of this name already"):
        sample(name, tmp_path)


@pytest.mark.parametrize("name", ["iris", "digits"])
def test_nothing_but_the_sample_is_written(name, tmp_path):
    """Neither through a link of its name, nor into what lies beside it under the name of a draft."""
    file = SAMPLES[name].file
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.txt").write_text("mine")
    (tmp_path / f".{file}-{os.getpid()}").symlink_to(tmp_path / "outside")
    before = picture(tmp_path)
    assert sample(name, tmp_path) == tmp_path / file
    assert picture(tmp_path, ours=lambda path: path == tmp_path / file) == before
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / file).symlink_to(tmp_path / "nowhere")
    before = picture(tmp_path)
    with pytest.raises(PellucidError) as error:
        sample(name, tmp_path / "linked")
    place = tmp_path / "linked" / file
    assert str(error.value) == f"{place}: there is something of this name already\n  move it, or use --to"
    assert picture(tmp_path) == before


def test_tones_are_the_same_each_time_and_what_they_are_called(tmp_path):
    one, two = sample("tones", tmp_path / "one"), sample("tones", tmp_path / "two")
    assert same_content(one, two)
    form = mel_form(8000)
    for label, rises in (("rising", 1), ("falling", -1), ("steady", 0)):
        with wave.open(str(one / label / "007.wav")) as file:
            samples = np.frombuffer(file.readframes(4000), "<i2")
        peaks = form.centres[log_mel(samples, form).argmax(1)]
        assert np.sign(round((peaks[-5:].mean() / peaks[:5].mean() - 1) * 5)) == rises
