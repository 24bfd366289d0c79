"""The page of a network looked into: complete, self-contained, written where it belongs, never over another's file."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from drawn import EVIL, shown, some_words
from test_draw import check

import pellucid
from pellucid.cli import main
from pellucid.errors import PellucidError, UsageError
from pellucid.reports import inside_page as page_room
from pellucid.run import Run
from pellucid.runs.inspection import Inspection, inspect_run


@pytest.fixture(scope="module", params=["table", "numbers", "photos", "texts"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A small run of each kind, and one example for it."""
    source = Path(request.getfixturevalue(request.param))
    target = {"target": "price"} if request.param == "numbers" else {}
    run = pellucid.train(source, budget="20steps", out=tmp_path_factory.mktemp("runs"), name=request.param, **target)
    example = next(source.rglob("*.png")) if source.is_dir() else source
    return run, example


def ids(html: str) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', html))


def targets(html: str) -> set[str]:
    return set(re.findall(r'href="#([^"]+)"', html))


def test_a_page_opens_every_stage_without_a_script(trained: tuple[Run, Path]) -> None:
    run, example = trained
    found = inspect_run(run, example)
    html = found.report(run.path.parent / "page.html").path.read_text()
    check(html)
    assert targets(html) <= ids(html)
    opened = run.network.open(_first_batch(run, example))
    boxes = re.findall(r'<a href="#(stage-\d+)"><b>', html)
    assert len(boxes) >= len(opened.stages)
    assert {f"stage-{i}" for i in range(len(boxes))} <= ids(html)
    for stage in opened:
        assert f"<code>{stage.name}</code>" in html
    # The spine's table adds up to the network.
    counts = [int(one.replace(",", "")) for one in re.findall(r"([\d,]+)</td></tr>", html.split('id="view-0"')[0])]
    assert sum(counts[-len(boxes) :]) == run.network.parameter_count
    assert len(html.encode()) < 5_000_000


def _first_batch(run: Run, example: Path):
    from pellucid.runs.inspection import subject_of

    return subject_of(run, example).example


def test_a_page_says_what_the_badges_mean_and_how_to_open_the_rest(trained: tuple[Run, Path]) -> None:
    run, _ = trained
    html = inspect_run(run).report(run.path.parent / "network.html").path.read_text()
    seen = " ".join(check(html).text)
    for word in ("exact", "checked", "suggestive", "failed"):
        assert f">{word}</span>" in html
    assert f"pellucid inspect {run.path} DATA" in seen
    assert f"{run.network.parameter_count:,} parameters" in seen


def test_pages_lie_in_the_run_which_stays_whole(trained: tuple[Run, Path]) -> None:
    run, example = trained
    first, second = inspect_run(run).report(), inspect_run(run, example).report()
    assert first.path == run.path / "inside.html"
    assert second.path.parent == run.path
    assert re.fullmatch(r"inside-[\w.+-]+\.html", second.path.name)
    assert run.folder.verify() == []
    again = pellucid.load(run.path)
    assert len(again.predict(example)) >= 1
    # Ours are written again without a question.
    assert inspect_run(run).report().path == first.path


def test_a_file_that_is_no_such_page_is_kept(table: Path, tmp_path: Path) -> None:
    run = pellucid.train(table, budget="5steps", out=tmp_path, name="r")
    (run.path / "inside.html").write_text("mine")
    with pytest.raises(PellucidError, match="this file exists and is not a page from inspect"):
        inspect_run(run).report()
    assert (run.path / "inside.html").read_text() == "mine"
    assert inspect_run(run).report(force=True).path.read_text() != "mine"
    with pytest.raises(UsageError, match="not made by"):
        Inspection([]).report()


def test_hostile_names_and_a_page_that_would_be_too_large(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pellucid.train(table, budget="5steps", out=tmp_path, name="r")
    found = inspect_run(run)
    found[:] = [shown([some_words(3000)], EVIL), shown([some_words(3000)], "second")]
    whole = found.report(tmp_path / "a.html").path.read_text()
    check(whole)
    assert "<script>alert" not in whole
    monkeypatch.setattr(page_room, "MOST_BYTES", len(whole) - 1000)
    smaller = found.report(tmp_path / "b.html").path.read_text()
    assert smaller.count("too large for this page") == 1
    assert "What the network looked at: second" in smaller


# -- from the command line -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ready(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return pellucid.train(table, budget="20steps", out=tmp_path_factory.mktemp("cli"), name="it")


def call(*words: object) -> int:
    """The command's exit status."""
    with pytest.raises(SystemExit) as raised:
        main([str(word) for word in words])
    return int(raised.value.code or 0)


def test_inspect_writes_its_page_and_says_where(ready: Run, table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("inspect", ready.path) == 0
    assert f"page      {ready.path / 'inside.html'}" in capsys.readouterr().out
    assert call("inspect", ready.path, table) == 0
    assert "inside-small.csv-line-2.html" in capsys.readouterr().out


def test_json_writes_no_page_unless_it_is_asked_for(
    ready: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (ready.path / "inside.html").unlink(missing_ok=True)
    assert call("inspect", ready.path, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0]["view"] == "anatomy"
    assert not (ready.path / "inside.html").exists()
    assert call("inspect", ready.path, "--json", "--out", tmp_path / "p.html") == 0
    assert (tmp_path / "p.html").exists()


@pytest.mark.parametrize(
    ("name", "said"), [("p.txt", "ending of --out"), ("there.html", "--force"), ("it/x.html", "inside a run's folder")]
)
def test_where_a_page_may_not_go(ready: Run, name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = ready.path.parent / name
    (ready.path.parent / "there.html").write_text("mine")
    assert call("inspect", ready.path, "--out", place) != 0
    assert said in capsys.readouterr().err
    assert (ready.path.parent / "there.html").read_text() == "mine"


def test_force_is_about_a_file(ready: Run, tmp_path: Path) -> None:
    assert call("inspect", ready.path, "--force") == 2
    (tmp_path / "mine.html").write_text("mine")
    assert call("inspect", ready.path, "--out", tmp_path / "mine.html", "--force") == 0
    assert "Pellucid inside" in (tmp_path / "mine.html").read_text()[:2000]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_run_that_can_only_be_read_is_inspected_all_the_same(
    ready: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(ready.path, tmp_path / "copy")
    (copy / "inside.html").unlink(missing_ok=True)
    copy.chmod(0o500)
    try:
        assert call("inspect", copy) == 0
    finally:
        copy.chmod(0o700)
    seen = capsys.readouterr()
    assert "no page was written" in seen.err
    assert "The network" in seen.out


def test_a_page_that_cant_be_written_is_said_and_the_rest_is_shown(
    ready: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (ready.path / "inside.html").unlink(missing_ok=True)
    (ready.path / "inside.html").mkdir()
    try:
        assert call("inspect", ready.path) == 0
    finally:
        (ready.path / "inside.html").rmdir()
    seen = capsys.readouterr()
    assert "no page was written" in seen.err
    assert "The network" in seen.out
