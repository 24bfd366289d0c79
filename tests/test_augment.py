"""Photos are changed in training only where their targets stay true: their kinds are asked, or the user says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import pellucid
from pellucid.errors import PellucidError, UsageError
from pellucid.fields import KINDS
from pellucid.inputs import INPUTS
from pellucid.options import CHANGES_KNOWN, check_options
from pellucid.planning.plan import Plan
from pellucid.storage import Folder

SIDE, ROWS = 12, 200
CLASSES = ("augmentation", "mirror, shift", "mirrored, assuming that left and right do not matter")
ASKED = ("augmentation", "mirror, shift", "as asked")


def dots() -> tuple[np.ndarray, np.ndarray]:
    """Noisy photos (n, H, W, 3) with one bright dot each, and its row and column (n, 2)."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 120, (ROWS, SIDE, SIDE, 3)).astype(np.uint8)
    place = rng.integers(0, SIDE - 1, (ROWS, 2))
    for photo, (row, column) in zip(pixels, place, strict=True):
        photo[row : row + 2, column : column + 2] = 255
    return pixels, place


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos of ``dots`` as files, in a table with one column of every kind that can be predicted."""
    root = tmp_path_factory.mktemp("album")
    pixels, place = dots()
    for i, photo in enumerate(pixels):
        Image.fromarray(photo).save(root / f"{i}.png")
    right, low = place[:, 1] >= SIDE // 2, place[:, 0] >= SIDE // 2
    columns = {
        "photo": [f"{i}.png" for i in range(ROWS)],
        "x": place[:, 1] + 0.5,
        "y": place[:, 0] + 0.5,
        "animal": np.where(low, "cat", "dog"),
        "side": np.where(right, "right", "left"),
        "digit": np.where(low, "3", "8"),
        "tags": np.where(low, "red;round", "red;square"),
        "wet": low.astype(int),
        "warm": right.astype(int),
    }
    pl.DataFrame(columns).write_csv(root / "album.csv")
    return root / "album.csv"


def changes(album: Path, target: str | tuple[str, ...], inputs: tuple[str, ...] = (), **options: Any) -> Plan:
    """The plan for the photo, and other columns beside it, and this target."""
    targets = (target,) if isinstance(target, str) else target
    columns = set(pl.read_csv(album).columns) - {"photo", *targets, *inputs}
    return pellucid.plan(album, target=target, ignore=sorted(columns), steps=10, **options)


def said(plan: Plan) -> tuple[str, str, str]:
    return next(line for line in plan.lines() if line[0] == "augmentation")


def refused(name: str) -> tuple[str, str, str]:
    why = f"'{name}' is a number, which may change with the photo; where it does not: --augment mirror,shift"
    return "augmentation", "none", why


MIRRORED = {"mirror": True, "shift": 0.125, "cover": 0.0}
SHIFTED = {"mirror": False, "shift": 0.125, "cover": 0.0}
UNCHANGED = {"mirror": False, "shift": 0.0, "cover": 0.0}


@pytest.mark.parametrize(
    ("target", "inputs", "line", "settings"),
    [
        ("x", (), refused("x"), UNCHANGED),
        (("x", "y"), (), refused("x"), UNCHANGED),
        ("y", ("animal", "wet"), refused("y"), UNCHANGED),
        ("animal", (), CLASSES, MIRRORED),
        ("animal", ("x", "digit"), CLASSES, MIRRORED),
        ("tags", (), CLASSES, MIRRORED),
        (("wet", "warm"), (), CLASSES, MIRRORED),
        (
            "side",
            (),
            ("augmentation", "shift", "not mirrored, as left and right may matter: labels such as 'left'"),
            SHIFTED,
        ),
        (
            "digit",
            (),
            ("augmentation", "shift", "not mirrored, as left and right may matter: labels such as '3'"),
            SHIFTED,
        ),
    ],
)
def test_what_is_planned_for_each_kind_of_target(album, target, inputs, line, settings):
    plan = changes(album, target, inputs)
    assert said(plan) == line
    assert plan.inputs["image"] == settings


@pytest.mark.parametrize(
    ("asked", "line", "settings"),
    [
        ("auto", refused("x"), UNCHANGED),
        ("none", ("augmentation", "none", "as asked"), UNCHANGED),
        ("shift, Mirror", ASKED, MIRRORED),
        (["shift"], ("augmentation", "shift", "as asked"), SHIFTED),
        (("cover",), ("augmentation", "cover", "as asked"), {"mirror": False, "shift": 0.0, "cover": 0.4}),
    ],
)
def test_the_user_may_know_better(album, asked, line, settings):
    plan = changes(album, "x", augment=asked)
    assert (said(plan), plan.inputs["image"]) == (line, settings)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_classes_can_be_kept_from_changes_and_signs_be_mirrored(album):
    assert changes(album, "animal", augment="none").inputs["image"] == UNCHANGED
    assert changes(album, "side", augment="mirror").inputs["image"] == {**UNCHANGED, "mirror": True}


@pytest.mark.parametrize("value", ["flip", "", [], "mirror,none", "auto,shift", "mirror;shift"])
def test_changes_that_do_not_exist(value):
    with pytest.raises(UsageError) as caught:
        check_options("train", {"augment": value})
    assert str(caught.value) == f"augment {value!r}: expected auto, none, or some of {','.join(CHANGES_KNOWN)}"


def test_changes_without_photos_are_refused_and_none_is_no_trouble(numbers):
    with pytest.raises(UsageError) as caught:
        pellucid.plan(numbers, target="price", augment="mirror,cover")
    assert (
        str(caught.value)
        == "no input is a photo or a recording, so nothing can be augmented (mirror, cover)\n  leave --augment out"
    )
    for harmless in ("none", "auto"):
        plan = pellucid.plan(numbers, target="price", augment=harmless)
        assert "augmentation" not in [name for name, _, _ in plan.lines()]


def test_every_change_is_an_input_layers_own():
    own = dict.fromkeys(name for layer in INPUTS.values() for name in layer.changes)
    assert list(own) == list(CHANGES_KNOWN)
    assert {name for layer in INPUTS.values() for name in layer.changes if name not in layer.settings} == set()


def test_a_change_of_recordings_is_none_of_photos(album):
    with pytest.raises(UsageError) as caught:
        changes(album, "animal", augment="mirror,pitch")
    assert str(caught.value) == "'pitch' is no augmentation of a photo\n  choose some of mirror,shift,cover"


def test_a_number_and_a_category_are_no_pair_of_targets(album):
    with pytest.raises(PellucidError, match=r"^several targets must all be numbers, .*; 'animal' is a category\n"):
        changes(album, ("x", "animal"))


def test_the_targets_kind_is_asked_and_not_its_name(album, monkeypatch):
    monkeypatch.setattr(type(KINDS["number"]), "augmentable", True)
    assert said(changes(album, "x")) == CLASSES
    monkeypatch.setattr(type(KINDS["category"]), "augmentable", False)
    assert said(changes(album, "animal"))[1] == "none"


def test_one_drawing_among_photos_keeps_all_from_being_mirrored(tmp_path):
    pixels, _ = dots()
    drawing = np.full((SIDE, SIDE, 3), 255, np.uint8)
    drawing[4:8, 7] = 0
    for i, photo in enumerate(pixels[:60]):
        Image.fromarray(photo).save(tmp_path / f"a{i}.png")
        Image.fromarray(drawing).save(tmp_path / f"b{i}.png")
    rows = range(60)
    columns = {"a": [f"a{i}.png" for i in rows], "b": [f"b{i}.png" for i in rows], "animal": ["cat", "dog"] * 30}
    pl.DataFrame(columns).write_csv(tmp_path / "pairs.csv")
    plan = pellucid.plan(tmp_path / "pairs.csv", target="animal", steps=10)
    assert plan.inputs["image"] == SHIFTED


# -- learned


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pellucid.Run]:
    """Runs on where the dot is from left to right, with and without mirroring."""
    pixels, place = dots()
    data = pellucid.read((pixels, place[:, 1] + 0.5), split="60,20,20")
    out = tmp_path_factory.mktemp("runs")
    how = {"steps": 120, "size": 1, "out": str(out)}
    return {name: pellucid.train(data, augment=name, name=name, **how) for name in ("auto", "mirror")}


@pytest.mark.slow
def test_a_position_is_learned_where_nothing_is_mirrored(found):
    assert found["auto"].score.value > 0.9
    assert found["mirror"].score.value < 0.5


@pytest.mark.slow
def test_answers_follow_the_choice(found):
    pixels, _ = dots()
    for name, mirrored in (("auto", False), ("mirror", True)):
        run = pellucid.load(found[name].path)
        assert run.network.layers[0].chosen["mirror"] is mirrored
        one, two = (
            np.array([row["value"] for row in run.predict(some)]) for some in (pixels[:20], pixels[:20, :, ::-1])
        )
        assert (np.abs(one - two).max() < 1e-3) == mirrored


@pytest.mark.slow
def test_a_run_from_before_is_done_again_bit_for_bit(found):
    """Before there was a choice, photos of numbers were mirrored: its record has the settings and another line."""
    path = found["mirror"].path
    record = json.loads((path / "run.json").read_text())
    record["plan"]["choices"] = [c for c in record["plan"]["choices"] if c["name"] != "augmentation"]
    record["plan"]["choices"].append({"name": "mirroring", "value": True, "reason": "assumed"})
    copy = path.parent / "before"
    pellucid.load(path).save(copy)
    Folder.open(copy).write_json("run.json", record)
    pixels, place = dots()
    again = pellucid.train((pixels, place[:, 1] + 0.5), like=copy)
    assert "augmentation" not in [name for name, _, _ in again.plan.lines()]
    assert again.plan.inputs["image"] == {**UNCHANGED, "mirror": True}
    for name, value in found["mirror"].network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value), name


def test_a_replay_takes_no_other_changes(found):
    text = "--like repeats the run's options; augment can't be changed\n  leave --like out, or the option"
    with pytest.raises(PellucidError) as caught:
        pellucid.train(like=found["auto"].path, augment="none")
    assert str(caught.value) == text


def test_starting_from_a_run_with_other_changes(found, tmp_path):
    pixels, place = dots()
    data = pellucid.read((pixels, place[:, 0] + 0.5), split="60,20,20")
    run = pellucid.train(data, start=found["mirror"].path, steps=3, out=str(tmp_path), name="second")
    assert said(run.plan) == refused("target")
    assert run.network.layers[0].chosen == UNCHANGED
    other = pellucid.plan(data, start=found["auto"].path, steps=3, augment="mirror,shift")
    assert said(other) == ASKED
