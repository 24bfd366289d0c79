"""Whole series: the kind, files and arrays of them, what input layers read, and how far a convolution sees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import pellucid
from pellucid.data.batches.batch import Padded
from pellucid.data.series.smooth import are_series
from pellucid.data.series.ts_file import read_ts
from pellucid.data.series.ucr_file import class_text, read_ucr
from pellucid.data.series.wide import series_columns
from pellucid.errors import PellucidError
from pellucid.fields import KINDS, Column, Field, Ragged, recognise
from pellucid.inputs.series import RESAMPLED, resample
from pellucid.inputs.series import Series as SeriesLayer
from pellucid.network import Network
from pellucid.trunks import Convolutional, Features, Need

SERIES = KINDS["series"]
NONE = "none of its series can be read: 'x' is not a number"
HEAD = "#a comment: with colons\n@problemName Tides\n@univariate true\n@classLabel true up down\n@data\n"


def waves(n: int = 60, length: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Slow waves and fast ones, with their names."""
    rng = np.random.default_rng(seed)
    fast = np.arange(n) % 2
    t = np.arange(length)
    x = np.sin(t[None] * (0.2 + 0.2 * fast[:, None]) + rng.uniform(0, 6, (n, 1))) + 0.1 * rng.normal(size=(n, length))
    return x, np.where(fast, "fast", "slow")


def ts_text(x: Any, y: Any, head: str = "@classLabel true fast slow") -> str:
    rows = (":".join(",".join(map(str, channel)) for channel in np.atleast_2d(one)) for one in x)
    return f"{head}\n@data\n" + "\n".join(f"{row}:{label}" for row, label in zip(rows, y, strict=True)) + "\n"


# -- the kind


def test_cells_that_are_series() -> None:
    lists = [[0.5, 1.5, 2.0], [1.0, None, 3.0], [], None, [2.0]]
    column = Column("wave", pl.Series("wave", lists, pl.List(pl.Float64)))
    kind, guess = recognise(column)
    assert (kind.name, guess.reason) == ("series", "series of 1 to 3 values")
    notes: list[Any] = []
    stored = SERIES.store(column, guess.settings, notes.append)
    assert stored.bad.tolist() == [2, 3]
    assert [note.cause for note in notes] == ["there is no number in the series"] * 2
    state = SERIES.fit(stored, np.array([0, 1, 2]), {}, "input")
    known = np.array([0.5, 1.5, 2.0, 1.0, 3.0])
    assert (state["mean"], state["std"]) == pytest.approx((known.mean(), known.std()))
    assert (state["longest"], state["shortest"], state["missing"]) == (3, 3, pytest.approx(1 / 6))
    encoded = SERIES.encode(stored, state)
    assert isinstance(encoded, Ragged)
    assert np.isnan(encoded[1]).tolist() == [False, True, False]
    assert encoded[4] == pytest.approx((2.0 - known.mean()) / known.std())
    assert SERIES.show(stored, 0) == "3 values from 0.5 to 2"
    assert SERIES.show(stored, 2) == "missing"


def test_values_are_never_clipped() -> None:
    column = Column("x", pl.Series("x", [[0.0, 1.0], [1e6, 0.5]]))
    stored = SERIES.store(column, {}, lambda note: None)
    state = SERIES.fit(stored, np.array([0]), {}, "input")
    assert SERIES.encode(stored, state)[1][0] == pytest.approx(2e6, rel=1e-3)


def test_channels_are_those_of_equal_lengths() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 9, 20)
    cells = {name: [rng.normal(size=n).tolist() for n in lengths] for name in ("left", "right")}
    table = {**cells, "slow": [rng.normal(size=5).tolist() for _ in lengths], "label": ["a", "b"] * 10}
    data = pellucid.read(pl.DataFrame(table), target="label", cache=False)
    net = data.network("cnn")
    assert sorted(tuple(f.name for f in layer.fields) for layer in net.layers) == [("left", "right"), ("slow",)]
    batch = next(data.batches("train", net, batch_size=4))
    assert net.loss(batch).isfinite()


# -- files


def test_a_file_of_series_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.ts").write_text(HEAD + "1,2,?:up\n\n3,4,5,6: down \n7:?\n")
    data = pellucid.read(tmp_path / "t.ts", cache=False)
    assert data.layout == "3 series"
    assert [f.kind for f in data.fields.values()] == ["series", "category"]
    stored = data.stored_values("series")
    assert np.array_equal(np.asarray(stored.arrays["values"]), [1, 2, np.nan, 3, 4, 5, 6, 7], equal_nan=True)
    assert stored.arrays["ends"].tolist() == [3, 7, 8]
    assert data.place(1) == "t.ts, line 8"
    assert len(data.usable_rows()) == 2, "the class of the last is not known"


def test_times_may_stand_beside_values() -> None:
    text = "@timeStamps true\n@classLabel true a b\n@data\n"
    text += "(0,1.5),(1,2):(0,?),(9,4):a\n(2020-01-01 10:00,3),(x,4):(1,1):b\n"
    file = read_ts(Path("t.ts"), "t.ts", text.encode())
    assert [[channel.tolist() for channel in row] for row in file.rows[1:]] == [[[3.0, 4.0], [1.0]]]
    assert file.rows[0][0].tolist() == [1.5, 2.0]
    assert np.isnan(file.rows[0][1][0])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1,x,3:up", "'x' is not a number"),
        (":up", "the series is empty"),
        ("1,2:3,4:up", "has 2 dimensions, and 1 are declared"),
        ("up", "there is nothing before what is true of it"),
    ],
)
def test_a_bad_line_is_left_out_and_said(tmp_path: Path, line: str, why: str) -> None:
    good = "".join(f"{i},2,3:{'up' if i % 2 else 'down'}\n" for i in range(20))
    (tmp_path / "t.ts").write_text(HEAD + good + line + "\n")
    data = pellucid.read(tmp_path / "t.ts", cache=False)
    assert len(data.usable_rows()) == 20
    assert f"t.ts, line 26: {why}; left out" in [str(note) for note in data.notes]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("t.ts", "{i},2,3,4:{c}\n", "1,2,3,4\n"), ("t.ts", "{i},2,3,4:{c}\n", "1,x,3,4:left\n"),
     ("t_TRAIN.tsv", "{c}\t{i}\t2\t3\n", "left\t1\tx\t3\n")],
)  # fmt: skip
def test_what_stands_in_a_bad_line_is_no_class(tmp_path: Path, name: str, good: str, bad: str) -> None:
    lines = [good.format(i=i, c="up" if i % 2 else "down") for i in range(30)]
    (tmp_path / name).write_text((HEAD if name == "t.ts" else "") + "".join([*lines[:25], bad, *lines[25:]]))
    data = pellucid.read(tmp_path / name, cache=False)
    assert len(data.usable_rows()) == 30
    assert data.fitted()["class"].state["values"] == ["down", "up"]
    assert any("left out" in str(note) for note in data.notes)
    assert "one of 2 classes" in str(data)


def test_lengths_that_are_declared_must_hold(tmp_path: Path) -> None:
    head = HEAD.replace("@data", "@equalLength true\n@seriesLength 3\n@data")
    (tmp_path / "t.ts").write_text(head + "1,2,3:up\n1,2:down\n4,5,6:left\n" * 4)
    data = pellucid.read(tmp_path / "t.ts", cache=False)
    data.usable_rows()
    said = [str(note) for note in data.notes]
    assert "t.ts, line 9: has 2 values, and @seriesLength says 3; left out" in said
    assert "t.ts, line 10: 'left' is none of the classes that are declared (up and down); counts as missing" in said


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("@classLabel true\n@data\n1:2\n", "no classes are named", "t.ts, line 1"),
        ("@univariate maybe\n@data\n", "'maybe' is neither true nor false", "t.ts, line 1"),
        ("@dimensions two\n@data\n", "'two' is not a whole number", "t.ts, line 1"),
        ("@problemName x\n1,2,3:a\n@data\n", "there is a line of data before @data", "t.ts, line 2"),
        ("@problemName x\n", "there is no line @data", "t.ts"),
        ("@data\n\n", "there are no series below @data", "t.ts"),
        (
            "@classLabel true a b\n@data\nx:a\ny:b\n",
            NONE,
            "t.ts, line 3",
        ),
    ],
)
def test_a_file_that_can_not_be_read_says_where(tmp_path: Path, text: str, what: str, where: str) -> None:
    (tmp_path / "t.ts").write_text(text)
    with pytest.raises(PellucidError) as error:
        pellucid.read(tmp_path / "t.ts", cache=False)
    assert error.value.what == what
    assert error.value.where == where


def test_programs_and_video_are_no_series(tmp_path: Path) -> None:
    (tmp_path / "app.ts").write_text("@Component({})\nexport class App {}\n" * 9)
    assert pellucid.read(tmp_path / "app.ts", cache=False).fields["text"].kind == "passage"
    (tmp_path / "film.ts").write_bytes(bytes([0x47, 0x00, 0x11]) * 400)
    with pytest.raises(PellucidError, match=r"^film\.ts: is not text but binary data"):
        pellucid.read(tmp_path / "film.ts", cache=False)


pieces = st.sampled_from([*"1,:?\n@()a# \x00é", "2.5", "data", "@data\n", "nan"])


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces, max_size=40).map("".join), st.booleans(), st.booleans())
def test_no_file_of_series_ends_in_a_traceback(text: str, stamped: bool, head: bool) -> None:
    start = f"@timeStamps {'true' if stamped else 'false'}\n@classLabel true a 1\n@data\n" if head else ""
    try:
        file = read_ts(Path("t.ts"), "t.ts", (start + text).encode())
    except PellucidError:
        return
    assert len(file.rows) == len(file.answers) == len(file.lines)
    assert all((row is None) == (i in file.faults) for i, row in enumerate(file.rows))


def test_ucr_files_have_the_class_first() -> None:
    file = read_ucr("x_TRAIN.tsv", b"1.0000e+00\t1\t2\tNaN\n-1\t4\tNaN\t6\ncat\t7\toops\t9\n2\tNaN\tNaN\tNaN\n")
    assert file.answers == ["1", "-1", "cat", "2"]
    assert file.rows[0][0].tolist() == [1, 2], "filled up at the end"
    assert np.isnan(file.rows[1][0]).tolist() == [False, True, False]
    assert file.faults == {2: "'oops' is not a number", 3: "the series is empty"}
    assert class_text("3.5") == "3.5"


@pytest.mark.parametrize("ending", ["ts", "tsv", "txt"])
def test_parts_that_lie_beside_one_another_are_read_together(tmp_path: Path, ending: str) -> None:
    for part, seed in (("TRAIN", 0), ("TEST", 1)):
        x, y = waves(30, seed=seed)
        cells = "\n".join("\t".join([label, *map(str, row)]) for row, label in zip(x, y, strict=True))
        (tmp_path / f"Waves_{part}.{ending}").write_text(ts_text(x, y) if ending == "ts" else cells)
    train, test = (tmp_path / f"Waves_{part}.{ending}" for part in ("TRAIN", "TEST"))
    for source in (train, [train, test], [test, train], test):
        data = pellucid.read(source, cache=False)
        split = data.split(0)
        assert {k: len(v) for k, v in split.parts().items()} == {"train": 27, "validation": 3, "test": 30}
        assert all(data.place(int(row)).startswith(f"Waves_TEST.{ending}, line") for row in split.test)
    said = [str(note) for note in pellucid.read(train, cache=False).notes]
    assert f"Waves_TRAIN.{ending}: 'Waves_TEST.{ending}' lies beside it and is read as its test part" in said


def test_a_run_of_series_from_file_to_answer(tmp_path: Path) -> None:
    x, y = waves(120)
    (tmp_path / "waves.ts").write_text(ts_text(x, y))
    run = pellucid.train(tmp_path / "waves.ts", steps=30, size=0, out=str(tmp_path))
    assert run.score.value > 0.9
    assert run.plan.solved == "random convolutions"
    new, true = waves(20, seed=5)
    (tmp_path / "new.ts").write_text("@univariate true\n@data\n" + "\n".join(",".join(map(str, row)) for row in new))
    from_file = [row["label"] for row in run.predict(tmp_path / "new.ts")]
    assert np.mean(np.array(from_file) == true) > 0.9
    assert [row["label"] for row in run.predict(new)] == from_file
    assert run.predict(new[0])[0]["label"] == from_file[0]
    assert run.predict([new[0], new[1][:25]])[0]["label"] == from_file[0]
    page = (run.path / "report.html").read_text()
    assert "random convolutions" in page
    figures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    assert any('aria-label="series from ' in figure or "series from " in figure for figure in figures), "drawn as lines"


# -- arrays and wide tables


def test_arrays_are_read_as_what_they_look_like() -> None:
    x, y = waves()
    data = pellucid.read((x, y), cache=False)
    assert [f.kind for f in data.inputs] == ["series"]
    assert "neighbouring values are alike" in " ".join(map(str, data.notes))
    columns = pellucid.read((x, y), kinds={"column_1": "number"}, cache=False)
    assert {f.kind for f in columns.inputs} == {"number"}
    both = np.stack([x, -x], 1)
    assert [f.name for f in pellucid.read((both, y), cache=False).inputs] == ["channel_1", "channel_2"]
    rng = np.random.default_rng(0)
    assert {f.kind for f in pellucid.read((rng.normal(size=(60, 30)), y), cache=False).inputs} == {"number"}
    pictures = rng.integers(0, 255, (60, 20, 20)).astype(np.uint8)
    assert [f.kind for f in pellucid.read((pictures, y), cache=False).inputs] == ["image"]
    unlike = [row[: 20 + i % 7] for i, row in enumerate(x)]
    assert [f.reason for f in pellucid.read((unlike, y), cache=False).inputs] == ["series of 20 to 26 values"]


def test_tables_of_scikit_learn_are_no_series() -> None:
    from sklearn import datasets

    for name in ("iris", "wine", "breast_cancer", "digits", "diabetes"):
        x = getattr(datasets, f"load_{name}")().data
        assert not are_series(x), name


def test_a_table_with_a_series_a_row(tmp_path: Path) -> None:
    x, y = waves()
    frame = pl.DataFrame({f"t{i}": x[:, i] for i in range(40)} | {"kind": y, "weight": np.arange(60) % 7})
    frame.write_csv(tmp_path / "wide.csv")
    data = pellucid.read(tmp_path / "wide.csv", target="kind", cache=False)
    assert [(f.name, f.kind) for f in data.inputs] == [("series", "series"), ("weight", "number")]
    assert "the 40 columns 't0' to 't39' are read as one series" in " ".join(map(str, data.notes))
    apart = pellucid.read(tmp_path / "wide.csv", target="kind", kinds={"t0": "number"}, cache=False)
    assert len(apart.inputs) == 41
    run = pellucid.train(data, steps=5, size=0, save=False)
    assert len(run.predict(frame.head(7))) == 7
    noise = pl.DataFrame(np.random.default_rng(0).normal(size=(60, 30)), [str(i) for i in range(30)])
    assert len(pellucid.read(noise.with_columns(y=pl.Series(y)), target="y", cache=False).inputs) == 30


def test_names_that_follow_one_another() -> None:
    assert series_columns([f"2020-{m:02}" for m in range(1, 13)] * 1) == []
    months = [f"20{y}-{m:02}" for y in (19, 20) for m in range(1, 13)]
    assert series_columns(["id", *months, "class"]) == months
    hours = [f"{h}:{m:02}" for h in range(24) for m in (0, 30)]
    assert series_columns(hours) == hours
    assert series_columns([f"pixel{i}" for i in range(784)]) == []
    assert series_columns([str(i) for i in range(10)] + [str(i) for i in range(20, 37)]) == [
        str(i) for i in range(20, 37)
    ]


# -- what a network reads


def layer_of(longest: int, missing: float = 0.0, channels: int = 2) -> SeriesLayer:
    state = {"role": "input", "mean": 0.0, "std": 1.0, "longest": longest, "shortest": 1, "missing": missing}
    return SeriesLayer([Field(f"c{i}", "series", state=state, settings={"axis": "a"}) for i in range(channels)])


def padded(lengths: list[int], channels: int = 2, more: int = 0) -> Padded[Tensor]:
    rng = torch.Generator().manual_seed(0)
    values = torch.zeros(len(lengths), max(lengths) + more, channels)
    for i, length in enumerate(lengths):
        values[i, :length] = torch.randn(length, channels, generator=rng)
    return Padded(values, torch.tensor(lengths))


@pytest.mark.parametrize("longest", [7, 64, 200, 1000])
def test_patches_honour_what_a_trunk_is_meant_for(longest: int) -> None:
    need = Need(positions=(1,), width=8, longest=64)
    layer = layer_of(longest).build(1, need)
    f = layer(padded([longest, 3]))
    assert f.x.shape[1] <= 64
    assert f.x.shape[1] == layer.reach(1, need)
    assert f.mask is not None
    assert f.mask.sum(1).tolist() == [f.x.shape[1], -(-3 // layer.patch)]


def test_missing_values_are_the_mean_and_said() -> None:
    value = padded([5, 3])
    value.values[0, 2, 1] = torch.nan
    x, lengths = layer_of(5, missing=0.1).frames(value)
    assert x.shape == (2, 5, 4)
    assert x[0, 2].tolist() == [float(value.values[0, 2, 0]), 0, 0, 1]
    assert not x[1, 3:].any()
    assert lengths.tolist() == [5, 3]
    assert layer_of(5).frames(value)[0].shape == (2, 5, 2)


def test_resampling_draws_a_line_between_neighbours() -> None:
    x = torch.tensor([[0.0, 1, 2, 3, 99], [5, 7, 99, 99, 99], [4, 99, 99, 99, 99]]).unsqueeze(-1)
    found = resample(x, torch.tensor([4, 2, 1]), 7).squeeze(-1)
    assert torch.allclose(found[0], torch.linspace(0, 3, 7))
    assert torch.allclose(found[1], torch.linspace(5, 7, 7))
    assert torch.equal(found[2], torch.full((7,), 4.0))
    assert layer_of(9).build(0, Need(width=8))(padded([9, 4])).x.shape == (2, 8)
    assert RESAMPLED == 64


@pytest.mark.parametrize(("least", "stages"), [(0, 3), (85, 3), (86, 4), (512, 5)])
def test_a_convolution_sees_as_far_as_it_must(least: int, stages: int) -> None:
    trunk = Convolutional(4)
    trunk.least = least
    trunk.build(1)
    assert len(trunk.stages) == stages + 1
    for stage in list(trunk.stages.values())[:-1]:
        torch.nn.init.normal_(stage.out.weight)
    x = torch.randn(1, 801, 4, requires_grad=True)
    (trunk(Features(x)).x[0, 400] @ torch.randn(16)).backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(1).nonzero().flatten()
    assert int(seen[-1] - seen[0]) + 1 >= max(least, 85)


def test_the_trunk_of_a_long_series_is_deeper_and_comes_back(tmp_path: Path) -> None:
    x, y = waves(40, 300)
    data = pellucid.read((x, y), cache=False)
    network = data.network("cnn")
    assert len(network.trunk.stages) == 4 + 1
    again = Network.from_config(network.config(), network.fields)
    again.load_state_dict(network.state_dict())
    short = pellucid.read(waves(40, 60), cache=False).network("cnn")
    assert len(short.trunk.stages) == 3 + 1
