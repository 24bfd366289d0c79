"""Broken data: a cause in one line and the right exit code, or a repair that is said; no traceback, no silence."""

from __future__ import annotations

import json
import re
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broken import CASES, GOOD, LABEL, Case, photos

import pellucid
from pellucid.cli import exit_code
from pellucid.errors import PellucidError

SECONDS = 30  # for one verb
HERE = [name for name, case in CASES.items() if not case.new]
LATER = [name for name, case in CASES.items() if case.new]


class Hangs(BaseException):
    """A verb that does not end."""


def hang(*_: Any) -> None:
    raise Hangs


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(SECONDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Shell:
    """Types commands; what they said is in ``out`` and ``err``."""

    def __init__(self, capsys: pytest.CaptureFixture[str]):
        self.capsys = capsys
        self.out = self.err = ""

    def type(self, *words: str | Path) -> int:
        code = exit_code([str(word) for word in words], 0.0)
        self.out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.err, self.err
        assert code in (0, 1, 2), self.err
        return code

    def refused(self, case: Case, *words: str | Path) -> None:
        """A cause in the first line, perhaps what to do in the next, and nothing to read on standard output."""
        assert self.type(*words) == case.code, self.err or self.out
        cause = self.err[self.err.index("✗") :] if "✗" in self.err else self.err
        assert re.search(case.says, cause), self.err
        assert all(c.isprintable() or c == "\n" for c in self.err), ascii(self.err)
        first, *rest = cause.removeprefix("Usage:").splitlines()
        assert len(first) > 8
        assert len(rest) < 5, self.err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert all(case.says or case.new for case in CASES.values()), "a case that expects nothing"


def said_of(shell: Shell) -> str:
    """What ``read --json`` found, as one text."""
    found = json.loads(shell.out.splitlines()[-1])
    notes = [f"{note['where']}: {note['text']}" for note in found["notes"]]
    return " ".join([found["layout"], str(found["fields"]), str(found["classes"]), *notes])


@pytest.mark.parametrize("name", HERE)
def test_broken_data_is_refused_or_its_repair_is_said(name: str, tmp_path: Path, shell: Shell) -> None:
    case = CASES[name]
    source = case.make(tmp_path)
    train = ("train", source, *case.options, "--steps", "2", "--size", "0", "--out", tmp_path, "--quiet")
    if case.fails == "read":
        shell.refused(case, "read", source, *case.options)
        return
    if case.fails == "train":
        shell.refused(case, *train)
        return
    assert shell.type("read", source, *case.options, "--json") == 0, shell.err
    assert re.search(case.says, said_of(shell)), said_of(shell)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in HERE if not CASES[name].fails])
def test_repaired_data_goes_all_the_way(name: str, tmp_path: Path, shell: Shell) -> None:
    case = CASES[name]
    source = case.make(tmp_path)
    assert shell.type("read", source, *case.options) == 0, shell.err
    how = ("--steps", "2", "--size", "0", "--out", tmp_path, "--name", "run", "--quiet")
    assert shell.type("train", source, *case.options, *how) == 0, shell.err
    code = shell.type("predict", tmp_path / "run", source)
    assert code == 0 or "inputs could not be predicted" in shell.err
    assert len(shell.out.splitlines()) >= 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run on the good table, and one on photos."""
    root = tmp_path_factory.mktemp("runs")
    (root / "data.csv").write_text(GOOD)
    for source in (root / "data.csv", photos(root)):
        pellucid.train(source, steps=2, size=0, out=root / "runs", name=source.name)
    return {name: root / "runs" / name for name in ("data.csv", "photos")}


@pytest.mark.parametrize("name", LATER)
def test_new_data_that_is_not_as_it_was(name: str, runs: dict[str, Path], tmp_path: Path, shell: Shell) -> None:
    case = CASES[name]
    assert case.new is not None
    run, new = runs["data.csv" if case.options == LABEL else "photos"], case.new(tmp_path)
    if case.fails:
        shell.refused(case, "predict", run, new)
        return
    assert shell.type("predict", run, new) == 0, shell.err
    assert len(shell.out.splitlines()) == 60
    assert re.search(case.says, " ".join(shell.err.split())), shell.err  # lines are broken at 100 columns
    assert bool(case.says) == bool(shell.err), shell.err


def test_a_file_that_goes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size was asked for, and then it is gone; or it is another one."""
    from pellucid.data.tables import text_blocks as blocks

    source = tmp_path / "data.csv"
    real = blocks.encoding_of

    def gone(path: Path) -> tuple[str, str]:
        found = real(path)
        source.unlink()
        return found

    source.write_text(GOOD)
    monkeypatch.setattr(blocks, "encoding_of", gone)
    assert exit_code(["read", str(source)], 0.0) == 1


def test_photos_that_go_while_they_are_read(tmp_path: Path) -> None:
    data = pellucid.read(photos(tmp_path))
    for path in list(tmp_path.glob("photos/a/1*.png")):
        path.unlink()
    said = [str(note) for note in data.check()]
    assert any("10.png: does not exist; left out" in note for note in said), said
    assert len(data.usable_rows()) == 29


def test_a_folder_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may open everything, so the refusal is made here."""
    import os

    root, real = photos(tmp_path), os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(
        PellucidError, match=r"photos/a: the folder cannot be opened \(Permission denied\)\n  give your"
    ):
        pellucid.read(root)
