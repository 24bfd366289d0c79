"""What predict gives back: predictions that can be joined, held as arrays, written without harm, a piece at a time."""

from __future__ import annotations

import csv
import io
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import write_table
from PIL import Image

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import UsageError
from pellucid.fields import Field
from pellucid.runs import prediction_pieces
from pellucid.runs.prediction_file import harmless, harmless_text, write_file
from pellucid.runs.prediction_pieces import PredictionPieces, usual_rows
from pellucid.runs.predictions import Predictions
from pellucid.tasks import CategoryTask, LabelsTask, NumberTask
from pellucid.tasks.base import flatten_prediction

# Classes that would end a line or a cell, steer a terminal or be run by a spreadsheet.
ODD = ["=cmd|' /C calc'!A0\nx", "no\x1b[31m\tway"]

TRAIN = {"steps": 40, "size": 0, "folds": 0, "reference": False, "network": "mlp"}


def rows_of(n: int, seed: int = 0) -> list[list[object]]:
    rng, rows = np.random.default_rng(seed), []
    for i in range(n):
        x, y = rng.normal(size=2).round(3)
        rows.append([f"C{i:04}", x, y, rng.choice(["red", "green"]), ODD[int(x + y > 0)]])
    return rows


NAMES = ["customer_id", "x", "y", "colour", "label"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    """A run on an id, two numbers and a category, whose classes have the oddest names."""
    place = tmp_path_factory.mktemp("odd")
    return pellucid.train(write_table(place / "t.csv", NAMES, rows_of(200)), out=place, **TRAIN)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write_table(tmp_path / "new.csv", NAMES, rows_of(12, seed=1))


# -- joining ---------------------------------------------------------------------------------------------------------


def test_every_prediction_has_its_row_and_its_ids(run: pellucid.Run, new: Path) -> None:
    found = run.predict(new)
    assert [one["row"] for one in found] == list(range(12))
    assert [one["customer_id"] for one in found] == [f"C{i:04}" for i in range(12)]
    assert list(found[3])[:3] == ["row", "customer_id", "input"]
    joined = pl.read_csv(new).join(found.to_frame(), on="customer_id")
    assert joined["label_right"].to_list() == [one["label"] for one in found]


def test_a_line_is_the_files_and_a_row_counts_from_0(run: pellucid.Run, new: Path) -> None:
    lines = new.read_text().splitlines(keepends=True)
    # A class of two lines stands in the first row, so that the second one begins in line 4 or 3.
    assert run.predict(new)[0]["input"] == "line 2"
    second = 4 if lines[1].count('"') % 2 else 3
    assert run.predict(new)[1]["input"] == f"line {second}"
    frame = pl.read_csv(new)
    assert [one["input"] for one in run.predict(frame)] == [f"row {i}" for i in range(12)]
    frame.write_parquet(new.with_suffix(".parquet"))
    assert run.predict(new.with_suffix(".parquet"))[11]["input"] == "row 11"
    frame.write_ndjson(new.with_suffix(".jsonl"))
    assert run.predict(new.with_suffix(".jsonl"))[11]["input"] == "line 12"


@pytest.mark.parametrize("keep", ["colour", ["colour"], ("x", "colour"), "all", ["x", "all"]])
def test_columns_of_the_input_are_kept_as_they_were_read(keep: Any, run: pellucid.Run, new: Path) -> None:
    frame, found = pl.read_csv(new), run.predict(new, keep=keep)
    assert [one["colour"] for one in found] == frame["colour"].to_list()
    if keep in (("x", "colour"), "all", ["x", "all"]):
        assert [one["x"] for one in found] == frame["x"].to_list()
    if "all" in keep:
        # The class that was given stands beside the one that is predicted.
        assert [one["given_label"] for one in found] == frame["label"].to_list()
        assert set(frame.columns) - {"label"} <= set(found[0])


def test_columns_that_are_called_like_parts_of_a_prediction(tmp_path: Path) -> None:
    names = ["row", "value", "low", "error", "x", "price"]
    rows: list[list[object]] = [[f"r{i}", f"v{i}", i % 3, f"e{i}", i / 10, i * 2.5 + i % 7] for i in range(120)]
    table = write_table(tmp_path / "t.csv", names, rows)
    one = pellucid.train(table, target="price", out=tmp_path, **TRAIN).predict(table, keep="all")[5]
    assert (one["row"], one["given_row"], one["given_value"], one["given_error"]) == (5, "r5", "v5", "e5")
    assert one["low"] < one["value"] < one["high"]
    assert one["given_low"] == 2
    assert one["price"] == rows[5][-1]


def test_ids_that_the_run_has_not_seen_go_along_and_old_runs_find_theirs(run: pellucid.Run, new: Path) -> None:
    frame = pl.read_csv(new).rename({"customer_id": "order_id"})
    assert [one["order_id"] for one in run.predict(frame)] == [f"C{i:04}" for i in range(12)]
    old = pellucid.load(run.path)
    del old.record["data"]["ids"]
    assert [one["customer_id"] for one in old.predict(new)] == [f"C{i:04}" for i in range(12)]


def test_a_column_to_keep_that_is_not_there(run: pellucid.Run, new: Path, photos: Path) -> None:
    with pytest.raises(UsageError, match=r"Unknown column to keep 'color'\. Did you mean 'colour'\?"):
        run.predict(new, keep=["color"])


def test_files_have_their_names_and_what_cant_be_read_its_place(photos: Path, tmp_path: Path) -> None:
    seen = pellucid.train(photos, out=tmp_path, steps=4, size=0)
    good = sorted(photos.rglob("*.png"))[:2]
    (tmp_path / "junk.png").write_bytes(b"junk")
    found = seen.predict([good[0], tmp_path / "junk.png", good[1], tmp_path / "gone.png"])
    assert [one["row"] for one in found] == [0, 1, 2, 3]
    assert [one["file"] for one in found] == [
        str(good[0]),
        str(tmp_path / "junk.png"),
        str(good[1]),
        str(tmp_path / "gone.png"),
    ]
    assert ["error" in one for one in found] == [False, True, False, True]
    assert found[2]["label"] == seen.predict([good[1]])[0]["label"]
    frame = found.to_frame()
    assert frame["label"].is_null().to_list() == [False, True, False, True]
    assert frame["error"].is_null().to_list() == [True, False, True, False]
    assert list(found.errors) == [1, 3]
    assert "2 of them without an answer" in repr(found)


def test_several_tables_say_which_file_a_row_is_from(run: pellucid.Run, new: Path) -> None:
    other = write_table(new.with_name("other.csv"), NAMES, rows_of(3, seed=2))
    found = run.predict([new, other])
    assert [one["file"] for one in found] == ["new.csv"] * 12 + ["other.csv"] * 3
    assert found[12]["input"].startswith("other.csv, line 2")


# -- forms -----------------------------------------------------------------------------------------------------------


def test_predictions_are_a_sequence(run: pellucid.Run, new: Path) -> None:
    found = run.predict(new)
    assert len(found) == 12
    assert found == list(found)
    assert found[-1] == found[11] == list(found)[11]
    assert found[2:5] == list(found)[2:5]
    assert found[::-1][0]["row"] == 11
    assert found != list(found)[:-1]
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(IndexError):
        found[12]


def test_a_frame_is_of_the_library_that_was_given(run: pellucid.Run, new: Path) -> None:
    frame = pl.read_csv(new)
    assert isinstance(run.predict(new).to_frame(), pl.DataFrame)
    assert isinstance(run.predict(frame).to_frame(), pl.DataFrame)
    made = run.predict(frame.to_pandas(), keep="x").to_frame()
    assert isinstance(made, pd.DataFrame)
    assert made["x"].tolist() == frame["x"].to_list()
    assert made["row"].tolist() == list(range(12))
    assert isinstance(run.predict(new).to_frame("pandas"), pd.DataFrame)
    assert isinstance(run.predict(frame.to_pandas()).to_frame("polars"), pl.DataFrame)
    with pytest.raises(UsageError, match="expected 'pandas' or 'polars'"):
        run.predict(new).to_frame("numpy")


def test_pandas_that_is_not_installed_is_said(run: pellucid.Run, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(pellucid.PellucidError, match="pandas is not installed"):
        run.predict(new).to_frame("pandas")


def tasks() -> Iterator[Any]:
    fitted = {"category": {"values": ["a", "b", "c"]}, "labels": {"values": ["a", "b", "c"]}}
    yield CategoryTask([Field("t", "category", "target", state=fitted["category"])])
    yield LabelsTask([Field("t", "labels", "target", state=fitted["labels"])])
    state = {"role": "target", "mean": 2.0, "std": 3.0}
    yield NumberTask([Field(name, "number", "target", state=state) for name in "xyz"])
    yield NumberTask([Field("x", "number", "target", state=state)])


@pytest.mark.parametrize("task", list(tasks()), ids=["category", "labels", "numbers", "number"])
def test_a_table_of_predictions_says_what_the_predictions_say(task: Any) -> None:
    width = 1 if len(task.fields) == 1 and task.kind == "number" else 3
    for name in task.learned:
        # Of numbers, mean, deviation and range are known before they are asked for.
        task.learned[name] = np.nan_to_num(task.learned[name], nan=0.5)
    raw = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    flat = [flatten_prediction(one) for one in task.decode(raw)]
    table = {name: list(values) for name, values in task.tabulate(raw).items()}
    assert table == {name: [row[name] for row in flat] for name in flat[0]}


def test_a_notebook_sees_the_first_rows_escaped_and_no_more(run: pellucid.Run) -> None:
    frame = pl.DataFrame([[f"<script>{i}</script>", i / 10, 0.5, "red"] for i in range(40)], orient="row")
    frame.columns = ["customer_id", "x", "y", "colour"]
    found = run.predict(frame)
    page = found._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;9" in page
    assert "&lt;script&gt;10" not in page
    assert "30 more rows" in page
    assert page.count("<tr>") == 11
    assert repr(found).startswith("Predictions(40 rows; the first: label ")
    assert len(repr(found)) < 120


def test_an_evaluation_reads_as_a_few_lines(run: pellucid.Run, new: Path) -> None:
    scored = run.evaluate(new)
    lines = str(scored).splitlines()
    assert lines[0].startswith("accuracy ")
    assert "12 examples" in lines[0]
    assert "always " in str(scored)
    assert any(line.split()[:2] == ["macro", "F1"] for line in lines)
    assert repr(scored).startswith("Evaluation(accuracy ")


# -- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"), ("+cmd|x", "'+cmd|x"), ("-2+3", "'-2+3"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"), ("\n=1", "'\n=1"), ("＝1+1", "'＝1+1"), ("-5", "-5"), ("+5.25", "+5.25"), ("-1e-7", "-1e-7"),
        ("-1.234,5", "-1.234,5"), ("-12 %", "-12 %"), ("-.5", "-.5"), ("-", "-"), ("+", "+"), ("a=b", "a=b"),
        ("", ""), ("'=1", "'=1"), ("-5\n=1", "'-5\n=1"), ("\x00=1", "\\u0000=1"), ("\x1b[31m", "\\u001b[31m"),
    ],
)  # fmt: skip
def test_formulas_are_made_harmless_and_numbers_stay(cell: str, written: str) -> None:
    assert harmless_text(cell) == written
    assert harmless(pl.DataFrame({"a": ["x", cell]}))["a"].to_list() == ["x", written]
    assert harmless(pl.DataFrame({cell or "a": [-1.5, 2]}))[written or "a"].to_list() == [-1.5, 2]


def test_odd_names_neither_run_nor_break_columns(
    run: pellucid.Run, new: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    words = ["predict", str(run.path), str(new), "--keep", "label"]
    assert exit_code([*words, "--out", str(out)], 0.0) == 0
    head, *rows = csv.reader(io.StringIO(out.read_text(), newline=""))
    assert len(rows) == 12
    assert {len(row) for row in rows} == {len(head)} == {8}
    assert not [cell for row in [head, *rows] for cell in row if cell[:1] in ("=", "+", "@")]
    assert {row[head.index("label")] for row in rows} <= {f"'{ODD[0]}", "no\\u001b[31m\tway"}
    for read in (pl.read_csv, pd.read_csv):
        assert read(out).shape == (12, 8)
    assert exit_code(words, 0.0) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert {line.count("\t") for line in lines} == {4}
    assert "\x1b" not in "".join(lines)
    # Other forms keep what was read.
    assert exit_code([*words, "--out", str(out.with_suffix(".jsonl"))], 0.0) == 0
    exact = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    assert {one["given_label"] for one in exact} == set(ODD)
    run.predict(new, keep="label").to_csv(tmp_path / "python.csv")
    assert (tmp_path / "python.csv").read_bytes() == out.read_bytes()


# -- pieces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_pieces_are_the_whole(ending: str, run: pellucid.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(100, seed=3)
    rows[70][1] = ""
    table = write_table(tmp_path / "t.csv", NAMES, rows)
    whole = run.predict(table, keep="all")
    write_file([whole], tmp_path / f"whole{ending}", replace=False)
    monkeypatch.setattr(prediction_pieces, "PIECE_ROWS", 32)
    # Columns that lie on disk come in stretches of other lengths.
    monkeypatch.setattr("pellucid.fields.column.PIECE", 21)
    monkeypatch.setattr("pellucid.data.tables.text_blocks.BLOCK", 1500)
    pieces = run.predict_pieces(table, keep="all", cache=tmp_path / "cache")
    assert [len(piece) for piece in pieces] == [32, 32, 32, 4]
    assert Predictions.joined(list(pieces)).about.equals(whole.about)
    write_file(pieces, tmp_path / f"pieces{ending}", replace=False)
    if ending == ".parquet":
        one, two = (pl.read_parquet(tmp_path / f"{name}{ending}") for name in ("whole", "pieces"))
        assert one.schema == two.schema
        assert one.select(pl.exclude("^(?s:p.*)$")).equals(two.select(pl.exclude("^(?s:p.*)$")))
        assert np.allclose(one["probability"], two["probability"], atol=1e-6)
        return
    one, two = ((tmp_path / f"{name}{ending}").read_text() for name in ("whole", "pieces"))
    assert len(one.splitlines()) == len(two.splitlines())
    if ending == ".json":
        assert [row["customer_id"] for row in json.loads(two)] == [row[0] for row in rows]
        assert json.loads(two)[70]["x"] is None


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_what_was_answered_before_a_stop_is_kept(
    ending: str, run: pellucid.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path / "t.csv", NAMES, rows_of(100, seed=3))
    monkeypatch.setattr(prediction_pieces, "PIECE_ROWS", 32)
    answers, stop_after = PredictionPieces._answers, [64]

    def answers_until(self: PredictionPieces, rows: np.ndarray) -> np.ndarray:
        if rows[0] >= stop_after[0]:
            raise KeyboardInterrupt
        return answers(self, rows)

    monkeypatch.setattr(PredictionPieces, "_answers", answers_until)
    words = ["predict", str(run.path), str(table), "--out", str(tmp_path / f"new{ending}")]
    for name in (f"new.partial{ending}", f"new.partial-2{ending}"):
        assert exit_code(words, 0.0) == 130
        assert f"stopped; the first 64 predictions are in {tmp_path / name}" in capsys.readouterr().err
        read = {".csv": pl.read_csv, ".json": pl.read_json, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}
        assert read[ending](tmp_path / name)["row"].to_list() == list(range(64))
    stop_after[0] = 0
    assert exit_code(words, 0.0) == 130
    there = {"t.csv", f"new.partial{ending}", f"new.partial-2{ending}"}
    assert {path.name for path in tmp_path.iterdir()} == there
    # On standard output too.
    stop_after[0] = 64
    capsys.readouterr()
    assert exit_code(words[:3], 0.0) == 130
    assert len(capsys.readouterr().out.splitlines()) == 64


def test_pieces_are_small_where_answers_take_long_or_are_wide() -> None:
    plain, written = SimpleNamespace(kind="category"), SimpleNamespace(kind="writing")
    assert usual_rows(plain, 3) == 65_536
    assert usual_rows(plain, 256) == 65_536
    assert usual_rows(plain, 5_000) == 2_048
    assert usual_rows(plain, 10_000_000) == 512
    assert usual_rows(written, 241) == 1_024
    assert usual_rows(written, 40_000) == 512


def test_a_terminal_waits_for_what_it_shows_alone(
    run: pellucid.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_table(tmp_path / "t.csv", NAMES, rows_of(100, seed=3))
    asked, answers = [], PredictionPieces._answers

    def counted(self: PredictionPieces, rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return answers(self, rows)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(PredictionPieces, "_answers", counted)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    assert exit_code(["predict", str(run.path), str(table)], 0.0) == 0
    assert asked == [50]
    assert "and 50 more" in shown.getvalue()


def test_the_answers_are_arrays_until_they_are_asked_for(run: pellucid.Run, new: Path) -> None:
    found = run.predict(new)
    assert (found.raw.shape, found.raw.dtype) == ((12, 2), np.float32)
    assert not [value for value in vars(found).values() if isinstance(value, list)]


# -- what may be given -----------------------------------------------------------------------------------------------


def chances(found: Predictions) -> np.ndarray:
    return np.array([one["probability"] for one in found])


def test_rows_without_names_are_taken_in_the_order_of_the_columns(run: pellucid.Run, new: Path) -> None:
    frame = pl.read_csv(new)
    expected = chances(run.predict(frame))
    inputs, all_but_target = frame.select("x", "y", "colour"), frame.select(NAMES[:-1])
    one, pandas = inputs.row(4), inputs.to_pandas()
    given: list[tuple[Any, slice]] = [
        ([list(row) for row in inputs.rows()], slice(12)), (inputs.rows(), slice(12)), (frame.rows(), slice(12)),
        (all_but_target.rows(), slice(12)), (all_but_target.to_numpy(), slice(12)), (pandas.to_numpy(), slice(12)),
        (frame.to_dicts(), slice(12)), (frame.row(4, named=True), slice(4, 5)), (pandas.iloc[4], slice(4, 5)),
        (pd.Series(list(one)), slice(4, 5)), ([[*one]], slice(4, 5)),
    ]  # fmt: skip
    for source, rows in given:
        found = run.predict(source)
        assert len(found) == len(expected[rows])
        np.testing.assert_allclose(chances(found), expected[rows], atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[5.1, 3.5]], "a row of 2 values without names was given, and the run expects 3 columns"),
        (np.zeros((4, 7)), "rows of 7 values without names were given, and the run expects 3 columns"),
        ([[1, 2, "red"], [1, 2]], "row 1: it has 2 values, and the rows before it have 3"),
    ],
)
def test_rows_of_another_width_say_what_to_give(rows: Any, said: str, run: pellucid.Run) -> None:
    with pytest.raises(pellucid.PellucidError) as error:
        run.predict(rows)
    assert said in str(error.value)
    if "columns" in said:
        assert "give each row in this order: [x, y, colour]" in str(error.value)


def test_one_number_of_a_run_that_reads_one(tmp_path: Path) -> None:
    run = pellucid.train(
        {"size": np.arange(100) / 10, "price": np.arange(100) * 2.5}, target="price", out=tmp_path, **TRAIN
    )
    expected = [one["value"] for one in run.predict({"size": [1.0, 7.5]})]
    for given in ([1.0, 7.5], np.array([1.0, 7.5]), [[1.0], [7.5]], pd.Series([1.0, 7.5]), pl.Series("a", [1.0, 7.5])):
        assert [one["value"] for one in run.predict(given)] == pytest.approx(expected, abs=1e-4)


def smooth_photo(rng: np.random.Generator, side: int, red: bool) -> Image.Image:
    pixels = rng.integers(0, 200, (9, 12, 3), np.uint8)
    pixels[..., 0 if red else 2] += 40
    return Image.fromarray(pixels).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)


def test_a_photo_is_the_same_as_a_file_an_image_and_an_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for i in range(40):
        folder = tmp_path / "photos" / ("red" if i % 2 else "blue")
        folder.mkdir(parents=True, exist_ok=True)
        smooth_photo(rng, 96, bool(i % 2)).save(folder / f"{i}.jpg")
    run = pellucid.train(tmp_path / "photos", out=tmp_path, steps=6, size=0, image_size=32)
    large = smooth_photo(rng, 1200, red=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = large.resize((300, 200)).convert("P")
    clear.info["transparency"] = 3
    ways: dict[str, Any] = {"large.jpg": large, "small.png": large.resize((40, 30)), "grey.png": large.convert("L")}
    for name, image in ways.items():
        image.save(tmp_path / name)
    large.save(tmp_path / "turned.jpg", exif=exif)
    large.convert("CMYK").save(tmp_path / "cmyk.jpg")
    clear.save(tmp_path / "palette.png", transparency=3)
    for name in (*ways, "turned.jpg", "cmyk.jpg", "palette.png"):
        path = tmp_path / name
        opened = Image.open(path)
        expected = run.predict([path])[0]["probabilities"]
        assert run.predict(opened)[0]["probabilities"] == expected, name
        opened.load()
        assert run.predict([opened])[0]["probabilities"] == expected, name
        if name in ways:
            assert run.predict(np.asarray(opened))[0]["probabilities"] == expected, name
            assert run.predict([np.asarray(opened)])[0]["probabilities"] == expected, name


def test_runs_from_before_decode_large_photos_as_they_did() -> None:
    from pellucid.fields import pixels

    out = io.BytesIO()
    smooth_photo(np.random.default_rng(5), 1200, red=False).save(out, "JPEG")
    old, new = (
        pixels.decode_image(pixels.open_image(out.getvalue()), pixels.Size(32, 32, 3, draft=draft))[0]
        for draft in (True, False)
    )
    assert not (old == new).all()
    assert abs(old.astype(int) - new).max() < 12


def test_a_run_from_before_is_repeated_with_the_pixels_of_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    for i in range(24):
        folder = tmp_path / "photos" / ("red" if i % 2 else "blue")
        folder.mkdir(parents=True, exist_ok=True)
        smooth_photo(rng, 400, bool(i % 2)).save(folder / f"{i}.jpg")
    how: dict[str, Any] = {"image_size": 32, "steps": 3, "size": 0, "out": tmp_path / "runs"}
    with monkeypatch.context() as then:
        before = lambda height, width, channels: {"height": height, "width": width, "channels": channels}  # noqa: E731
        then.setattr("pellucid.fields.image._size_of", before)
        old = pellucid.train(
            pellucid.read(tmp_path / "photos", image_size=32, cache=tmp_path / "then"), **how | {"image_size": None}
        )
    assert "draft" not in old.fields[0].settings
    again = pellucid.train(like=old.path, out=tmp_path / "again")
    weights = [(run.path / "weights.safetensors").read_bytes() for run in (old, again)]
    assert weights[0] == weights[1]
    now = pellucid.train(tmp_path / "photos", **how)
    assert now.fields[0].settings["draft"] is False
    assert (now.path / "weights.safetensors").read_bytes() != weights[0]


# -- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_table_on_standard_input(run: pellucid.Run, new: Path, tmp_path: Path) -> None:
    frame, command = pl.read_csv(new), [sys.executable, "-m", "pellucid"]
    packed = io.BytesIO()
    frame.write_parquet(packed)
    expected = None
    for data in (new.read_bytes(), packed.getvalue(), frame.write_ndjson().encode()):
        words = [*command, "predict", str(run.path), "-", "--json", "--keep", "x"]
        done = subprocess.run(words, input=data, capture_output=True, check=True)
        found = [json.loads(line) for line in done.stdout.decode().splitlines()]
        assert [one["x"] for one in found] == frame["x"].to_list()
        said = [one["label"] for one in found]
        expected = expected or said
        assert said == expected
    read = subprocess.run([*command, "read", "-"], input=new.read_bytes(), capture_output=True, check=True)
    assert "a table of 12 rows and 5 columns" in read.stdout.decode()
    none = subprocess.run([*command, "read", "-"], input=b"", capture_output=True, check=False)
    assert none.returncode == 1
    assert "nothing came on standard input" in none.stderr.decode()
    two = subprocess.run(
        [*command, "predict", str(run.path), "-", str(new)], input=b"", capture_output=True, check=False
    )
    assert two.returncode == 2


def test_a_bar_on_standard_error_leaves_standard_output_alone(
    run: pellucid.Run, new: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    assert exit_code(["predict", str(run.path), str(new)], 0.0) == 0
    assert "predicting 12 rows" in shown.getvalue()
    assert capsys.readouterr().out.startswith("line 2\tC0000\t")
    assert "line 2" not in shown.getvalue()


@pytest.mark.parametrize("out", ["there.csv", "new.csv", "new.csv/x.csv", "x.txt", "run/x.csv"])
def test_a_forbidden_file_is_said_before_anything_is_read(
    out: str, run: pellucid.Run, new: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(new.parent)
    (new.parent / "there.csv").write_text("mine\n")
    (new.parent / "run").symlink_to(run.path)
    monkeypatch.setattr(pellucid, "load", lambda *_: pytest.fail("the run was loaded"))
    assert exit_code(["predict", "run", "new.csv", "--out", out], 0.0) in (1, 2)
    assert capsys.readouterr().err.startswith("✗ ")
    assert (new.parent / "there.csv").read_text() == "mine\n"
