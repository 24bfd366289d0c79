"""Examples that a run keeps: what the network answers to them is what it answers to the data they are from."""

from __future__ import annotations

import datetime
import pickle
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from test_forecasts import hourly
from test_sound import write_tones

import pellucid
from pellucid.cli import exit_code
from pellucid.data.kept_examples import pack_examples
from pellucid.errors import PellucidError, UsageError
from pellucid.fields import KINDS, Column, kind_named
from pellucid.reports.data_content import shown_inputs
from pellucid.runs import kept_examples
from pellucid.runs.kept_examples import MOST_BYTES, spread_rows
from pellucid.storage import Folder, pack_tensors, unpack_tensors
from pellucid.storage.names import KEPT
from pellucid.training.evaluate import predict_raw
from pellucid.training.loader import Loader

QUICK: dict[str, Any] = {"steps": 4, "size": 0, "reference": False}


def mixed(n: int = 300) -> pl.DataFrame:
    rng = np.random.default_rng(4)
    day = datetime.date(2020, 1, 1)
    x = rng.normal(size=n)
    return pl.DataFrame(
        {
            "code": [f"k-{7 * i:05d}" for i in range(n)],
            "area": np.where(rng.random(n) < 0.1, np.nan, x),
            "zone": rng.choice(["north", "south", "east", ""], n),
            "built": [day + datetime.timedelta(int(k)) for k in rng.integers(0, 900, n)],
            "extras": [
                "; ".join(rng.choice(["pool", "garage", "garden"], rng.integers(0, 3), False)) for _ in range(n)
            ],
            "note": [
                " ".join(rng.choice(["bright", "small", "near", "the", "sea", "wald", "café"], 9)) for _ in range(n)
            ],
            "price": 100 + 10 * x + rng.normal(size=n),
        }
    )


def cells(n: int = 90) -> pl.DataFrame:
    """Series of different lengths with gaps, in two columns, and what they are."""
    rng, lengths = np.random.default_rng(5), np.random.default_rng(6).integers(9, 30, n)
    wave = [np.sin(np.arange(m) * (0.4 + 0.4 * (i % 2))) + 0.1 * rng.normal(size=m) for i, m in enumerate(lengths)]
    wave[3][4] = np.nan
    pulse = pl.Series([w.tolist() for w in wave], dtype=pl.List(pl.Float64))
    return pl.DataFrame({"pulse": pulse, "sort": [["slow", "fast"][i % 2] for i in range(n)]})


def series_of_two(n: int = 260) -> pl.DataFrame:
    """Two series of months with gaps, of which the past is filled, and a column that is known ahead."""
    rng, frames = np.random.default_rng(7), []
    for name, start in (("north", "1980-01"), ("south", "1991-03")):
        months = np.arange(start, np.datetime64(start, "M") + n, dtype="M8[M]")
        ends = (months + 1).astype("M8[D]") - 1
        value = 5 + np.sin(np.arange(n) * np.pi / 6) + 0.1 * rng.normal(size=n)
        value[rng.random(n) < 0.2] = np.nan
        frames.append(pl.DataFrame({"month": ends, "shop": name, "sold": value, "holiday": np.arange(n) % 5.0}))
    return pl.concat(frames).sample(fraction=1.0, shuffle=True, seed=3)


MAKE: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "a table of every kind": (lambda path: mixed(), {"target": "price"}),
    "labels": (lambda path: mixed(), {"target": "extras", "kinds": {"extras": "labels"}}),
    "several numbers": (lambda path: mixed(), {"target": ("area", "price"), "ignore": ("note",)}),
    "series in cells": (lambda path: cells(), {"target": "sort"}),
    "sounds": (lambda path: write_tones(path / "tones", each=24), {"split": "60,20,20"}),
    "a forecast": (lambda path: hourly(700, 2), {"target": "c0", "horizon": "12", "context": 48}),
    "a forecast of several series": (
        lambda path: series_of_two(),
        {"target": "sold", "horizon": "6", "context": 24, "series": ("shop",), "known": ("holiday",), "fill": "last"},
    ),
}


def answers(run: pellucid.Run, data: Any, rows: np.ndarray) -> list[torch.Tensor]:
    """Raw answers and targets, in batches of these very rows."""
    loader = Loader.of(data, run.network.fields, run.network.device)
    return [*predict_raw(run.network, loader, rows), *predict_raw(run.network, loader, rows[:3], final=True)]


def assert_kept_as_read(run: pellucid.Run, data: pellucid.Dataset) -> None:
    assert run.kept is not None
    split = data.split(run.plan.split_seed)
    for part in ("train", "validation"):
        kept = run.kept.examples(part)
        rows = kept.rows[: run.kept.counts[part]]
        assert len(set(rows.tolist())) == len(rows) == len(kept.usable_rows()) == run.record["kept"][part] > 0
        assert np.isin(rows, split[part]).all()
        here = np.arange(len(rows))
        for own, other in zip(answers(run, kept, here), answers(run, data, rows), strict=True):
            assert own.dtype == other.dtype
            assert np.array_equal(own.numpy(), other.numpy(), equal_nan=True)
        assert kept.short_titles(here) == data.short_titles(rows)
        if data.timeline is None:
            assert [shown_inputs(kept, i) for i in here[:9]] == [shown_inputs(data, int(row)) for row in rows[:9]]
        task = run.network.output.task
        if not task.constant:
            naive = [task.naive_answers(Loader.of(one, run.network.fields, run.network.device).target, at, at)[0]
                     for one, at in ((kept, here), (data, rows))]  # fmt: skip
            assert np.array_equal(*naive)


@pytest.mark.parametrize("name", MAKE)
def test_answers_are_the_same_where_the_data_is_gone(name: str, tmp_path: Path) -> None:
    make, options = MAKE[name]
    source = make(tmp_path)
    data = pellucid.read(source, cache=False, **options)
    pellucid.train(data, out=tmp_path, name="run", **QUICK)
    if isinstance(source, Path):
        shutil.rmtree(source)
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    assert_kept_as_read(pellucid.load(tmp_path / "elsewhere"), data)
    assert (tmp_path / "elsewhere" / KEPT).stat().st_size <= 8_000_000


@pytest.mark.parametrize("name", ["photos", pytest.param("texts", marks=pytest.mark.slow), "numbers"])
def test_in_memory_and_saved_it_keeps_the_same(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, photos: Path
) -> None:
    source, target = request.getfixturevalue(name), {"texts": "verdict", "numbers": "price"}.get(name)
    options = {"target": target} if target else {}
    data = pellucid.read(source, **options)
    lasting = pellucid.train(data, out=tmp_path, name="run", **QUICK)
    assert_kept_as_read(lasting, data)
    passing = pellucid.train(data, save=False, **QUICK)
    assert_kept_as_read(passing, data)
    saved = passing.save(tmp_path / "saved")
    assert saved.folder.read(KEPT) == lasting.folder.read(KEPT) == passing.folder.read(KEPT)
    again = pellucid.train(like=tmp_path / "run", out=tmp_path, name="again")
    assert again.folder.read(KEPT) == lasting.folder.read(KEPT)
    assert pickle.loads(pickle.dumps(lasting)).kept is None


@pytest.mark.slow
def test_ids_and_titles_go_along(tmp_path: Path) -> None:
    table = mixed()
    table.write_csv(tmp_path / "homes.csv")
    run = pellucid.train(
        tmp_path / "homes.csv", target="price", kinds={"code": "category"}, out=tmp_path, name="a", **QUICK
    )
    assert run.kept.examples("train").kept.columns == {}
    data = pellucid.read(tmp_path / "homes.csv", target="price")
    assert data.fields["code"].role == "id"
    run = pellucid.train(data, out=tmp_path, name="b", **QUICK)
    kept = run.kept.examples("validation")
    codes = kept.kept.columns["code"].series().to_list()
    assert codes == [table["code"][int(row)] for row in kept.rows]
    assert kept.short_title(0) == f"line {int(kept.rows[0]) + 2}"
    with pytest.raises(PellucidError, match="the run keeps examples as the network reads them"):
        kept.column("area")
    with pytest.raises(UsageError, match=r"Unknown part that is kept .test.\. Known: train, validation"):
        run.kept.examples("test")


def test_no_examples_keeps_none(tmp_path: Path, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", str(table), "--target", "label", "--steps", "3", "--out", str(tmp_path), "--name"]
    assert exit_code([*command, "with"], started=time.time()) == 0
    told = "96 training and 12 validation examples are kept in the run, for inspect; --no-examples keeps none"
    assert told in " ".join(capsys.readouterr().err.split())
    assert exit_code([*command, "without", "--no-examples"], started=time.time()) == 0
    assert "examples are kept" not in capsys.readouterr().err
    run = pellucid.load(tmp_path / "without")
    assert run.kept is None
    assert not (tmp_path / "without" / KEPT).exists()
    assert ("examples", "none", "not kept in the run, as asked") in run.plan.lines()
    assert not pellucid.train(like=tmp_path / "without", out=tmp_path, name="again").folder.exists(KEPT)
    assert pellucid.train(table, target="label", save=False, examples=False, **QUICK).kept is None
    report = (tmp_path / "with" / "report.html").read_text()
    assert "96 training and 12 validation examples are kept in the run." in report


def test_stopped_while_they_are_kept_they_are_kept_on_resume(tmp_path: Path, table: Path) -> None:
    class Stop(pellucid.Listener):
        def said(self, text: str) -> None:
            if "are kept in the run" in text:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pellucid.train(table, target="label", out=tmp_path, name="run", listeners=[Stop()], **QUICK)
    assert (tmp_path / "run" / KEPT).exists()
    run = pellucid.resume(tmp_path / "run")
    assert run.kept.counts == run.record["kept"] == {"train": 96, "validation": 12}


# -- which


def test_classes_take_turns_and_numbers_are_spread_by_rank() -> None:
    rng = np.random.default_rng(8)
    n = 3000
    frame = pl.DataFrame(
        {"x": rng.normal(size=n), "y": rng.lognormal(0, 3, n), "c": rng.choice(["a", "b", "c"], n, p=[0.9, 0.08, 0.02])}
    )
    for target, check in (("c", None), ("y", 16)):
        data = pellucid.read(frame, target=target, cache=False, check=False)
        rows = data.split(0).train
        found = spread_rows(data, data.targets, rows, seed=3)
        assert np.array_equal(np.sort(found), rows)
        assert np.array_equal(found, spread_rows(data, data.targets, rows, seed=3))
        assert not np.array_equal(found[:50], spread_rows(data, data.targets, rows, seed=4)[:50])
        if check is None:
            classes = frame["c"].to_numpy()
            assert Counter(classes[found[:90]]) == {"a": 30, "b": 30, "c": 30}
        else:
            groups = np.argsort(np.argsort(frame["y"].to_numpy()[rows])) * check // len(rows)
            group = dict(zip(rows.tolist(), groups.tolist(), strict=True))
            assert Counter(group[row] for row in found[:32].tolist()) == dict.fromkeys(range(check), 2)


def test_fewer_are_kept_where_they_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    photos = rng.integers(0, 255, (400, 96, 96, 3), np.uint8)
    data = pellucid.read(
        {"photo": photos, "label": [["dark", "light"][i % 2] for i in range(400)]},
        target="label",
        cache=False,
        check=False,
        split="25,50,25",
    )
    heard: list[str] = []

    class Ear(pellucid.Listener):
        def said(self, text: str) -> None:
            heard.append(text)

    run = pellucid.train(
        data, out=tmp_path, name="run", steps=1, size=0, batch_size=4, network="mlp", listeners=[Ear()]
    )
    kept = run.kept.counts
    # Of both parts the same share of 256 and 512.
    assert kept["validation"] in (2 * kept["train"], 2 * kept["train"] - 1)
    assert 0.9 * MOST_BYTES < (tmp_path / "run" / KEPT).stat().st_size <= MOST_BYTES
    said = f"{kept['train']} training and {kept['validation']} validation examples are kept in the run, for inspect"
    assert f"{said} (more would need over 8 MB); --no-examples keeps none" in heard
    assert_kept_as_read(run, data)
    monkeypatch.setattr(kept_examples, "MOST_BYTES", 20_000)
    bare = pellucid.train(
        data, out=tmp_path, name="bare", steps=1, size=0, batch_size=4, network="mlp", listeners=[Ear()]
    )
    assert bare.kept is None
    assert "no examples are kept in the run: two would need more than 0 MB" in heard


# -- the parts they are made of


def columns() -> dict[str, tuple[Column, dict[str, Any]]]:
    frame = mixed(60)
    photo = np.random.default_rng(1).integers(0, 255, (60, 8, 8, 3), np.uint8)
    return {
        "number": (Column("area", frame["area"]), {}),
        "channel": (Column("price", frame["price"]), {}),
        "category": (Column("zone", frame["zone"]), {}),
        "date": (Column("built", frame["built"]), {}),
        "labels": (Column("extras", frame["extras"]), {"separator": ";"}),
        "text": (Column("note", frame["note"]), {}),
        "passage": (Column("note", frame["note"]), {"level": "bpe", "context": 8}),
        "writing": (Column("note", frame["note"]), {"level": "bpe"}),
        "series": (Column("pulse", cells(60)["pulse"]), {}),
        "image": (Column("photo", photo), {}),
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sound"])
def test_some_rows_encode_as_among_all(kind: str) -> None:
    column, settings = columns()[kind]
    one = kind_named(kind)
    stored = one.store(column, settings, lambda note: None)
    state = one.fit(stored, np.arange(40), settings, "input")
    one.check_stored(stored, state)
    rows = np.array([41, 3, 17, 59, 0])
    some = one.take(stored, rows)
    one.check_stored(some, state)
    whole, own = one.encode(stored, state), one.encode(some, state)
    assert len(own) == len(rows)
    for i, row in enumerate(rows.tolist()):
        assert np.array_equal(np.asarray(own[i]), np.asarray(whole[row]), equal_nan=kind != "text")
        assert one.show(some, i) == one.show(stored, row)
    sizes = one.row_bytes(stored, rows)
    assert sizes.sum() == sum(array.nbytes for array in some.arrays.values())
    assert len(one.take(stored, np.zeros(0, np.int64)).bad) == 0


# -- files that were made to harm


def harmed(arrays: dict[str, np.ndarray], about: dict[str, Any], change: Callable[..., Any], column: str) -> None:
    look = about["kept"]["columns"][column]
    bundle = arrays["bundle"].copy()
    change(arrays, about, look, bundle)
    arrays.setdefault("bundle", bundle)
    if arrays["bundle"].shape == bundle.shape:
        arrays["bundle"] = bundle


def put(look: dict[str, Any], bundle: np.ndarray, name: str, value: int) -> None:
    """Write the first entry of an array in the bundle."""
    dtype, _, start = look["arrays"][name]
    size = np.dtype(dtype).itemsize
    bundle[start : start + size].view(dtype)[0] = value


HARMS: dict[str, tuple[str, Callable[..., Any]]] = {
    "a code beyond its values": ("zone", lambda a, m, look, b: put(look, b, "code", 77)),
    "a code below none": ("zone", lambda a, m, look, b: put(look, b, "code", -2)),
    "words that are lists": ("zone", lambda a, m, look, b: look["meta"]["meta"].update(values=[[], []])),
    "ends that go back": ("note", lambda a, m, look, b: put(look, b, "ends", 1 << 40)),
    "a text that is none": ("note", lambda a, m, look, b: put(look, b, "bytes", 255)),
    "more labels than there are": ("extras", lambda a, m, look, b: put(look, b, "count", 1 << 30)),
    "a label beyond its words": ("extras", lambda a, m, look, b: put(look, b, "code", -1)),
    "an array of objects": ("area", lambda a, m, look, b: look["arrays"]["value"].__setitem__(0, "|O")),
    "an array of another type": ("area", lambda a, m, look, b: look["arrays"]["value"].__setitem__(0, "<i8")),
    "an array behind the end": ("area", lambda a, m, look, b: look["arrays"]["value"].__setitem__(2, 1 << 50)),
    "10^9 entries": ("area", lambda a, m, look, b: look["arrays"]["value"].__setitem__(1, [1 << 30])),
    "an endless shape": ("area", lambda a, m, look, b: look["arrays"]["value"].__setitem__(1, [1 << 32, 1 << 32])),
    "no number": ("area", lambda a, m, look, b: look["arrays"].pop("value")),
    "an array more": ("area", lambda a, m, look, b: look["arrays"].update(more=look["arrays"]["value"])),
    "another number of rows": ("area", lambda a, m, look, b: look["meta"].update(n=3)),
    "less than no rows": ("area", lambda a, m, look, b: look["meta"].update(n=-1)),
    "a clock that is code": ("built", lambda a, m, look, b: look["meta"]["meta"].update(clock="eval")),
    "a column more": ("area", lambda a, m, look, b: m["kept"]["columns"].update(other=look)),
    "no columns": ("area", lambda a, m, look, b: m["kept"].update(columns={})),
    "no places": ("area", lambda a, m, look, b: m["kept"].update(places=[])),
    "places that are numbers": ("area", lambda a, m, look, b: m["kept"].update(places=[1] * len(m["kept"]["places"]))),
    "another part's count": ("area", lambda a, m, look, b: m["counts"].update(train=-5)),
    "no counts": ("area", lambda a, m, look, b: m.pop("counts")),
    "moments of a series": ("area", lambda a, m, look, b: m["kept"].update(lines=["a"])),
    "no rows": ("area", lambda a, m, look, b: a.pop("rows")),
    "rows in a square": ("area", lambda a, m, look, b: a.update(rows=np.zeros((2, 2), np.int64))),
    "a bundle of another type": ("area", lambda a, m, look, b: a.update(bundle=np.zeros(9, np.float32))),
    "no bundle": ("area", lambda a, m, look, b: (a.pop("bundle"), a.update(bundle=np.zeros(0, np.uint8)))),
}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    return pellucid.train(mixed(120), target="price", out=tmp_path_factory.mktemp("homes"), name="run", **QUICK)


@pytest.mark.parametrize("name", HARMS)
def test_a_file_made_to_harm_is_refused(name: str, homes: pellucid.Run, tmp_path: Path) -> None:
    shutil.copytree(homes.path, tmp_path / "run")
    folder = Folder.open(tmp_path / "run")
    arrays, about = folder.load_tensors(KEPT)
    column, change = HARMS[name]
    harmed(arrays, about, change, column)
    folder.save_tensors(KEPT, arrays, about)
    run = pellucid.load(tmp_path / "run")
    with pytest.raises(PellucidError, match=r"damaged") as error:
        run.kept.examples("train")
    assert error.value.where == str(tmp_path / "run" / KEPT)
    assert error.value.fix.startswith("copy it from a backup, or train again")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("place", lambda a: np.zeros_like(a)),
        ("lengths", lambda a: a + 1),
        ("lengths", lambda a: -a),
        ("start", lambda a: np.full_like(a, np.nan)),
        ("skipped", lambda a: a - (1 << 41)),
        ("skipped", lambda a: a[:0]),
    ],
)
def test_moments_made_to_harm_are_refused(name: str, value: Callable[..., Any], tmp_path: Path) -> None:
    data = pellucid.read(hourly(300), target="c0", horizon="6", context=24, cache=False)
    run = pellucid.train(data, out=tmp_path, name="run", **QUICK)
    arrays, about = run.folder.load_tensors(KEPT)
    run.folder.save_tensors(KEPT, arrays | {name: value(arrays[name])}, about)
    with pytest.raises(PellucidError, match="damaged"):
        run.kept.examples("train")


def test_flipped_bits_are_said(homes: pellucid.Run, tmp_path: Path) -> None:
    shutil.copytree(homes.path, tmp_path / "run")
    path = tmp_path / "run" / KEPT
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    run = pellucid.load(tmp_path / "run")
    assert [one for one in run.damage if KEPT in one]
    with pytest.raises(PellucidError, match="its checksum is wrong"):
        _ = run.kept
    assert run.predict(mixed(5))[0]["value"]


def test_equal_examples_pack_to_equal_bytes() -> None:
    data = pellucid.read(mixed(80), target="price", cache=False)
    fields = list(data.fitted().values())
    rows = data.split(0).train[:20]
    once, twice = (pack_tensors(*pack_examples(data, fields, rows)) for _ in range(2))
    assert once == twice
    assert unpack_tensors(once, Path("x"))[1]["name"] == data.reading.name
