"""Runs are listed, and their reports opened and drawn again, without loading or changing more than that takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid
from pellucid.cli import exit_code
from pellucid.reports import report_file
from pellucid.storage import Folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, table: Path) -> pellucid.Run:
    folder = tmp_path_factory.mktemp("listed")
    mine = shutil.copy(table, folder / "mine.csv")
    return pellucid.train(str(mine), target="label", steps=5, out=str(folder / "runs"), name="one")


def test_a_report_that_is_gone_is_drawn_again(run: pellucid.Run) -> None:
    names = ("report.html", "predictions.parquet", "history.parquet")

    def content() -> dict[str, bytes]:
        # The first report was drawn before the run's clock had stopped.
        return {name: re.sub(rb"steps in [\d.,]+ s", b"", (run.path / name).read_bytes()) for name in names}

    before = content()
    first = run.report()
    assert (Path(first), first.redrawn) == (run.path / "report.html", False)
    (run.path / "report.html").unlink()
    assert run.report().redrawn
    assert content() == before
    (run.path / "report.html").write_text("cut off")
    assert run.report().redrawn
    assert content() == before
    assert Folder.open(run.path).verify() == []
    assert run.report(redraw=True).redrawn
    assert content() == before


def test_a_report_needs_the_data_only_to_be_drawn(run: pellucid.Run, tmp_path: Path) -> None:
    moved = shutil.copytree(run.path, tmp_path / "r")
    source = Path(run.record["data"]["source"])
    elsewhere = source.rename(tmp_path / "mine.csv")
    try:
        again = pellucid.load(moved)
        assert not again.report().redrawn
        (moved / "report.html").unlink()
        with pytest.raises(pellucid.PellucidError, match="the data this run was trained on was not found"):
            again.report()
        assert again.report(str(elsewhere)).redrawn
    finally:
        elsewhere.rename(source)


def test_a_run_in_memory_has_none(table: Path) -> None:
    kept = pellucid.train(str(table), target="label", steps=2, save=False)
    with pytest.raises(pellucid.PellucidError, match="this run is in memory and has no report"):
        kept.report()


def test_a_notebook_shows_a_report_in_a_frame(run: pellucid.Run) -> None:
    shown = run.report()._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert 'sandbox=""' in shown
    assert shown.count("<") == 2, "all of the page is escaped inside the attribute"


@pytest.mark.parametrize(
    ("platform", "environment", "there"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "1.2.3.4"}, False),
        ("win32", {}, True),
    ],
)
def test_where_a_browser_can_be_expected(platform: str, environment: dict, there: bool, monkeypatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert report_file.has_display() == there


def test_the_verb_opens_it_and_prints_where_it_is(run: pellucid.Run, monkeypatch, capsys) -> None:
    opened: list[str] = []
    monkeypatch.setattr(report_file.webbrowser, "open", lambda url: opened.append(url) or True)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.chdir(run.path.parents[1])
    assert exit_code(["report", "one"], 0) == 0
    assert exit_code(["report", "one", "--no-open"], 0) == 0
    assert opened == [], "nobody sits at a terminal, and then nobody asked for it"
    assert exit_code(["report", "one", "--open"], 0) == 0
    assert opened == [(run.path / "report.html").as_uri()]
    assert capsys.readouterr().out == "runs/one/report.html\n" * 3
    assert exit_code(["report", "one2"], 0) == 1
    assert "Unknown run 'one2'. Did you mean 'one'?" in capsys.readouterr().err


def test_stopped_and_damaged_runs_and_other_folders(run: pellucid.Run, tmp_path: Path, monkeypatch, capsys) -> None:
    root = tmp_path / "runs"
    for name in ("good", "cut", "made up", "begun"):
        shutil.copytree(run.path, root / name)
    (root / "notes").mkdir()
    (root / "cut" / "run.json").write_text("{}")
    Folder.open(root / "made up").write_json("run.json", {"status": "done", "score": "[bold]high[/bold]"})
    record = Folder.open(root / "begun").read_json("run.json") | {"status": "training"}
    Folder.open(root / "begun").write_json("run.json", record)
    found = {one.name: one for one in pellucid.list_runs(root)}
    assert {name: one.status for name, one in found.items()} == {
        "good": "finished", "cut": "damaged", "made up": "damaged", "begun": "stopped"
    }  # fmt: skip
    assert (found["good"].value, found["good"].target) == (run.score.value, "label")
    assert found["begun"].value is None
    assert "bytes instead of" in found["cut"].problem
    with Folder.open(root / "begun").lock():
        assert {one.name: one.status for one in pellucid.list_runs(root)}["begun"] == "training"
    assert [one.name for one in pellucid.list_runs(root / "good")] == ["good"]
    monkeypatch.chdir(tmp_path)
    assert exit_code(["runs"], 0) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines()[:-1])) <= 100
    assert "continue: pellucid resume runs/begun" in shown
    assert "mine.csv: label" in shown
    with pytest.raises(pellucid.PellucidError, match="there is no such folder"):
        pellucid.list_runs(tmp_path / "none")


def test_a_list_loads_no_torch(run: pellucid.Run) -> None:
    code = "import sys; from pellucid.cli import exit_code; exit_code(['runs'], 0); print('torch' in sys.modules)"
    place = run.path.parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=place, env=os.environ, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    assert "one" in done.stdout
