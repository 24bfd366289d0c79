"""Data given again: open files, frames that differ only in what was left out, runs whose data has moved."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import PellucidError

ROWS = "".join(f"{i % 7},{i % 5},{'yes' if i % 2 else 'no'}\n" for i in range(60))
TEXT = "width,height,label\n" + ROWS


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path_factory.mktemp("cache")))


def said(data: pellucid.Dataset) -> str:
    return "\n".join(map(str, data.notes))


def parquet() -> io.BytesIO:
    out = io.BytesIO()
    pl.read_csv(io.StringIO(TEXT)).write_parquet(out)
    out.seek(0)
    return out


def sheet() -> io.BytesIO:
    out = io.BytesIO()
    pd.read_csv(io.StringIO(TEXT)).to_excel(out, index=False)
    out.seek(0)
    return out


OPEN: dict[str, Any] = {
    "text": lambda path: path.open(),
    "bytes": lambda path: path.open("rb"),
    "StringIO": lambda path: io.StringIO(TEXT),
    "BytesIO": lambda path: io.BytesIO(TEXT.encode("utf-16")),
    "Parquet": lambda path: parquet(),
    "JSON lines": lambda path: io.StringIO(pl.read_csv(io.StringIO(TEXT)).write_ndjson()),
    "a stream": lambda path: io.BufferedReader(Stream(TEXT.encode())),
}


class Stream(io.RawIOBase):
    """Can be read once and not gone back in."""

    def __init__(self, data: bytes):
        self.inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.inner.readinto(buffer)


@pytest.mark.parametrize("form", OPEN)
@pytest.mark.parametrize("cache", [None, False])
def test_open_files_are_read(form: str, cache: bool | None, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TEXT)
    data = pellucid.read(OPEN[form](path), cache=cache)
    assert list(data.fields) == ["width", "height", "label"]
    assert data.column("width").series().to_list() == [i % 7 for i in range(60)]
    name = "t.csv" if form in ("text", "bytes") else "data in memory"
    assert data.place(4).startswith((f"{name}, line ", f"{name}, row "))
    assert data.recipe()["source"] is None
    assert data.fingerprint() == pellucid.read(path).fingerprint()


def test_a_spreadsheet_in_memory_is_read() -> None:
    pytest.importorskip("openpyxl")
    assert list(pellucid.read(sheet()).fields) == ["width", "height", "label"]


def test_what_is_left_of_a_file_is_read(tmp_path: Path) -> None:
    file = io.StringIO("made in May\n" + TEXT)
    file.readline()
    assert list(pellucid.read(file).fields) == ["width", "height", "label"]


def test_open_files_that_can_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TEXT)
    done = path.open()
    done.close()
    with pytest.raises(PellucidError, match=r"^t.csv: it can't be read .*\n  open it for reading, or pass its path$"):
        pellucid.read(done)
    with path.open("a") as only_written, pytest.raises(PellucidError, match="it can't be read"):
        pellucid.read(only_written)
    file = io.StringIO(TEXT)
    file.read()
    with pytest.raises(PellucidError, match=r"nothing is left to read in it\n  pass it from its beginning: seek\(0\)"):
        pellucid.read(file)
    path.write_bytes(b"\xff\xfe\x00")
    with path.open(encoding="utf-8") as file, pytest.raises(PellucidError, match="open it with mode 'rb'"):
        pellucid.read(file)
    with pytest.raises(PellucidError, match=r"pass them as a file: io.BytesIO\(data\)"):
        pellucid.read(TEXT.encode())


def test_a_run_takes_open_files(tmp_path: Path) -> None:
    run = pellucid.train(io.StringIO(TEXT), steps=3, size=0, folds=0, reference=False, out=tmp_path)
    assert len(run.predict(io.StringIO(TEXT))) == 60
    assert run.evaluate(io.BytesIO(TEXT.encode())).score.n == 60


def test_what_is_said_of_a_frame_is_not_said_of_another() -> None:
    frame = pd.DataFrame({"a": range(30), "label": ["x", "y"] * 15})
    odd = frame.assign(x=[Fraction(i, 7) for i in range(30)])
    for first, second in ((frame, odd), (odd, frame), (frame, odd)):
        assert [("'x'" in said(pellucid.read(one))) for one in (first, second)] == [
            one is odd for one in (first, second)
        ]
    indexed = frame.set_index(pd.Index([f"r{i}" for i in range(30)]))
    assert "the index is not read" in said(pellucid.read(indexed))
    assert "the index is not read" not in said(pellucid.read(frame))


@pytest.fixture
def moved(tmp_path: Path) -> tuple[pellucid.Run, Path, Path]:
    """A run, where its data was and where it is now."""
    old, new = tmp_path / "old.csv", tmp_path / "my new" / "data.csv"
    old.write_text(TEXT)
    run = pellucid.train(old, steps=2, size=0, folds=0, reference=False, seed=7, out=tmp_path / "runs", name="one")
    new.parent.mkdir()
    old.rename(new)
    return run, old, new


def test_the_error_for_data_that_moved_names_the_way(moved: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run, old, _ = moved
    with pytest.raises(PellucidError) as error:
        pellucid.resume(run.path, more="1steps")
    assert str(error.value) == (
        f"{old}: the data this run was trained on was not found\n"
        f"  if it has moved, give its new place: pellucid resume {run.path} NEWPATH (in Python: data=NEWPATH)"
    )
    with pytest.raises(PellucidError, match=rf"pellucid train NEWPATH --like {run.path}"):
        pellucid.train(like=run.path)


def test_a_run_goes_on_where_its_data_is_now(moved: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run, _, new = moved
    assert exit_code(["resume", str(run.path), str(new), "--more", "1steps", "--quiet"], 0.0) == 0
    record = pellucid.load(run.path).record
    assert (record["steps"], record["data"]["source"]) == (3, str(new))
    # And knows it from then on.
    assert pellucid.resume(run.path, more="1steps").record["steps"] == 4


def test_a_replay_finds_its_data_where_it_is_now(moved: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run, _, new = moved
    place = run.path.parent
    assert exit_code(["train", str(new), "--like", str(run.path), "--name", "two", "--quiet"], 0.0) == 0
    weights = [(place / name / "weights.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    new.write_text(TEXT.replace("3,", "4,", 1))
    with pytest.raises(PellucidError, match="the data has changed since this training began"):
        pellucid.train(new, like=run.path)


def test_a_plan_like_a_run_is_that_of_the_run(moved: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run, _, new = moved
    assert pellucid.plan(new, like=run.path).to_json() == run.plan.to_json()
    assert exit_code(["train", str(new), "--like", str(run.path), "--plan-only", "--json"], 0.0) == 0
    assert '"seed": 7' in capsys.readouterr().out
    new.rename(run.record["data"]["source"])
    assert pellucid.plan(like=run.path).to_json() == run.plan.to_json()
    with pytest.raises(PellucidError, match="--like repeats the run's options"):
        pellucid.plan(like=run.path, network="cnn")


def test_times_that_come_again_from_file_to_file_are_said(tmp_path: Path) -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 29)]
    for name in ("north", "south"):
        rows = "".join(f"{day},{i},{i % 3}\n" for i, day in enumerate(days))
        (tmp_path / f"{name}.csv").write_text("day,x,label\n" + rows)
    text = "the times of 'day' come again from file to file, as in several series under one another"
    assert text in said(pellucid.read(str(tmp_path / "*.csv"), target="x"))
    later = "".join(f"2024-02-{i:02d},{i},{i % 3}\n" for i in range(1, 29))
    (tmp_path / "south.csv").write_text("day,x,label\n" + later)
    assert text not in said(pellucid.read(str(tmp_path / "*.csv"), target="x"))
    # Several rows a day are no series.
    for name in ("north", "south"):
        rows = "".join(f"{day},{i},{i % 3}\n" for i, day in enumerate(days * 2))
        (tmp_path / f"{name}.csv").write_text("day,x,label\n" + rows)
    assert text not in said(pellucid.read(str(tmp_path / "*.csv"), target="x"))
