"""What went wrong once and must not again."""

import json
import os
import pickle
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import pellucid
from pellucid.cli import exit_code
from pellucid.cli.parse import find_run
from pellucid.errors import Interrupted
from pellucid.inputs.text import pack_left
from pellucid.planning.decisions import Decisions
from pellucid.runs.signals import stopped_by_signals


def test_strings_are_paths_and_texts_are_texts(tmp_path: Path, texts: Path) -> None:
    run = pellucid.train(texts, epochs=1, size=0, out=str(tmp_path))
    assert len(run.predict([str(texts)])) == 100
    assert run.predict(texts=["a wonderful film", "a dreadful one"])[1]["input"] == "a dreadful one"
    with pytest.raises(pellucid.PellucidError, match="there is no such file"):
        run.predict([str(tmp_path / "missing.csv")])
    with pytest.raises(pellucid.PellucidError, match="there are both files and texts"):
        run.predict([str(texts)], texts=["a film"])


def test_a_text_for_a_run_that_reads_columns_is_refused(tmp_path: Path, table: Path) -> None:
    run = pellucid.train(table, epochs=1, size=0, out=str(tmp_path))
    with pytest.raises(pellucid.PellucidError, match="a text was given, but the run expects x"):
        run.predict(texts=["hello"])


def test_a_text_is_too_long_for_a_file_and_is_refused(tmp_path: Path, table: Path) -> None:
    run, text = pellucid.train(table, steps=1, size=0, out=str(tmp_path)), "a wonderful film " * 40
    for given in (lambda: run.predict(text), lambda: run.predict([text]), lambda: pellucid.read(text)):
        with pytest.raises(pellucid.PellucidError, match=r"^(a wonderful film )+.*…: there is no such file or folder"):
            given()
    with pytest.raises(pellucid.PellucidError, match="2 strings were given, but the run expects"):
        run.predict([text, text])
    with pytest.raises(pellucid.PellucidError, match=r"\.csv: there is no such file$"):
        pellucid.read([f"{text}.csv"])
    for opened in (pellucid.load, pellucid.resume):
        with pytest.raises(pellucid.PellucidError, match="no such run folder"):
            opened(text)
    with pytest.raises(pellucid.PellucidError, match="File name too long"):
        pellucid.sample("iris", text)
    with pytest.raises(pellucid.PellucidError, match=r"Unknown run|there is no run"):
        find_run(text)


def test_another_table_without_header_is_refused(tmp_path: Path) -> None:
    lines = [f"{i % 9}.5,{i % 7}.25,{'ab'[i % 2]}" for i in range(60)]
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    few.write_text("\n".join(lines))
    many.write_text("\n".join(f"{line},1.5,2.5,3.5" for line in lines))
    run = pellucid.train(few, target="column_3", steps=2, size=0, out=tmp_path, name="run")
    for answer in (run.predict, run.evaluate):
        with pytest.raises(pellucid.PellucidError) as error:
            answer(many)
        assert str(error.value) == (
            "many.csv: the table has 6 columns without names, the run was trained on 3 (2 without 'column_3')\n"
            "  give it the same columns, or a first line with their names: column_1,column_2,column_3"
        )
    answers = run.predict(few)
    del run.record["data"]["columns"]  # as in runs of before
    run.folder.write_json("run.json", run.record)
    assert pellucid.load(run.path).predict(few) == answers


def test_each_bad_image_says_its_own_reason(tmp_path: Path, photos: Path) -> None:
    run = pellucid.train(photos, epochs=1, size=0, out=str(tmp_path / "runs"))
    (tmp_path / "text.jpg").write_text("no image")
    rows = run.predict([str(tmp_path / "text.jpg"), str(tmp_path / "gone.jpg"), str(next(photos.rglob("*.png")))])
    assert "error" not in rows[2]
    assert rows[0]["error"] != rows[1]["error"]
    assert "could not be read" not in rows[0]["error"] + rows[1]["error"]


def test_a_trunk_can_be_used_twice(tmp_path: Path, table: Path) -> None:
    trunk = pellucid.trunks.Dense(16, 1)
    first = pellucid.train(table, network=trunk, epochs=1, out=str(tmp_path))
    before = first.predict(table)
    second = pellucid.train(table, network=trunk, epochs=2, seed=1, out=str(tmp_path))
    assert second.network.trunk is not first.network.trunk
    assert first.predict(table) == before


def test_the_seed_of_the_order_moves_no_row_to_another_part(table: Path) -> None:
    data = pellucid.read(table)
    network, split = data.network(), data.split(0)
    for seed in range(3):
        rows = np.concatenate([b.rows for b in data.batches("train", network, seed=seed, batch_size=8)])
        assert set(rows.tolist()) <= set(split.train.tolist())


def test_options_of_reading_come_too_late_for_data_that_was_read(table: Path) -> None:
    message = r"^target must be given to pellucid\.read\(\): this data has already been read"
    with pytest.raises(pellucid.PellucidError, match=message):
        pellucid.plan(pellucid.read(table), target="x")


def test_predictions_of_several_targets_are_written(tmp_path: Path, numbers: Path) -> None:
    import polars as pl

    run = pellucid.train(numbers, target="price,y", epochs=1, size=0, out=str(tmp_path))
    columns = pl.read_parquet(run.path / "predictions.parquet").columns
    assert {"price_value", "price_low", "price_high", "y_value"} <= set(columns)


def test_decisions_for_lost_steps_are_forgotten() -> None:
    decisions = Decisions([{"step": s, "name": "schedule", "value": s, "reason": ""} for s in (0, 20, 50)])
    decisions.forget_after(30)
    assert decisions.at(60, "schedule") == 20
    assert [d["step"] for d in decisions.all] == [0, 20]


def test_more_comes_on_top_of_what_was_left(tmp_path: Path, table: Path) -> None:
    stopped: list[int] = []

    class Stop(pellucid.Listener):
        def evaluated(self, row):
            if not stopped:
                stopped.append(row["step"])
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        pellucid.train(table, steps=40, size=0, name="cut", out=str(tmp_path), listeners=(Stop(),))
    assert pellucid.resume(tmp_path / "cut", more="10steps").record["steps"] == 50


def test_kept_tokens_move_together() -> None:
    tokens = torch.tensor([[5, 6, 7, 8], [1, 2, 3, 0]])
    mask = torch.tensor([[True, False, True, False], [False, True, True, False]])
    moved, kept = pack_left(tokens, mask)
    assert moved[0, :2].tolist() == [5, 7]
    assert moved[1, :2].tolist() == [2, 3]
    assert kept.tolist() == [[True, True, False, False]] * 2


def test_evaluating_nothing_is_an_error(tmp_path: Path, table: Path) -> None:
    run = pellucid.train(table, epochs=1, size=0, out=str(tmp_path))
    empty = tmp_path / "other.csv"
    empty.write_text("x,y,colour,label\n1,2,red,never\n2,3,blue,seen\n")
    with pytest.raises(pellucid.PellucidError, match="there is no example to score"):
        run.evaluate(empty)
    json.dumps(run.evaluate(table).result())


def test_every_saved_copy_is_whole(tmp_path: Path, table: Path) -> None:
    run = pellucid.train(table, save=False, steps=12, size=0)
    kept = run.save(tmp_path / "kept")
    pickle.loads(pickle.dumps(run)).save(tmp_path / "pickled")
    kept.save(tmp_path / "copy")
    for name in ("kept", "pickled", "copy"):
        assert pellucid.load(tmp_path / name).damage == [], name
    assert len(pellucid.load(tmp_path / "copy").history) > 0


def test_nohup_stays_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_renamed_columns_are_not_taken_by_their_places(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{h:.2f},{w:.2f},{'tall' if h > w else 'wide'}" for h, w in rng.normal(size=(60, 2))]
    (tmp_path / "t.csv").write_text("height,width,kind\n" + "\n".join(rows))
    run = pellucid.train(tmp_path / "t.csv", target="kind", steps=5, size=0, out=tmp_path / "runs")
    (tmp_path / "other.csv").write_text("breite,hoehe\n1.5,2.5\n2.5,1.0\n")
    with pytest.raises(pellucid.PellucidError, match="height"):
        run.predict(tmp_path / "other.csv")
    (tmp_path / "bare.csv").write_text("1.5,2.5\n2.5,1.0\n")
    assert len(run.predict(tmp_path / "bare.csv")) == 2


def test_a_tilde_that_is_nobodys_home_is_a_name():
    with pytest.raises(pellucid.PellucidError):
        pellucid.read("~nobody-of-that-name/x.csv")


@pytest.mark.parametrize("verb", ["train", "compare"])
def test_what_reading_notes_is_not_noted_again(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{i / 7:.3f},{i * i % 31 / 3:.3f},{'yes' if i % 2 else 'no'}" for i in range(60)]
    (tmp_path / "copies.csv").write_text("\n".join(["a,b,label", *lines, *lines[:3]]))
    words = [
        verb,
        str(tmp_path / "copies.csv"),
        "--target",
        "label",
        "--steps",
        "2",
        "--size",
        "0",
        "--out",
        str(tmp_path),
    ]
    words += ["--networks", "mlp"] if verb == "compare" else []
    assert exit_code(words, time.time()) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("3 rows repeat an earlier one") == 1
    assert "examples to test on: an accuracy of 90% would be uncertain" in said, "what training alone can say is said"
    assert exit_code([*words, "--json", "--name", "other"], time.time()) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any("3 rows repeat an earlier one" in note["text"] for note in events[0]["data"]["notes"])
    assert not any("3 rows repeat an earlier one" in event.get("text", "") for event in events[1:])
