"""Whoever waits is told what is being done; a name that is taken is found before anything is read."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest

import pellucid
from pellucid import activity as activities
from pellucid.activity import Progress, activity, current_activity, current_share, seconds_left
from pellucid.cli import exit_code, waiting
from pellucid.cli.waiting import Waiting
from pellucid.training.loop import CHECKPOINT_SECONDS, FIRST_CHECKPOINT_SECONDS, next_pause
from pellucid.training.pacer import Pacer


def test_the_innermost_activity_is_the_current_one() -> None:
    seen = []

    @activity("baking")
    def bake() -> None:
        seen.append(current_activity())
        knead("dough")
        seen.append(current_activity())

    @activity(lambda what, **_: f"kneading {what}")
    def knead(what: str) -> None:
        seen.append(current_activity())
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        bake()
    assert seen == ["baking", "kneading dough"]
    assert current_activity() == "", "an error ends it, too"


def test_a_dataset_says_what_it_does(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid import activity as module

    said: list[str] = []
    kept = module._doing

    class Heard(list):
        def append(self, text: str) -> None:
            said.append(text)
            super().append(text)

    monkeypatch.setattr(module, "_doing", Heard(kept))
    data = pellucid.read(str(table), target="label", cache=str(tmp_path / "c"))
    data.check()
    assert said[:2] == ["reading the data", "finding out what the columns hold"]
    assert {f"decoding '{field.name}'" for field in data.inputs} <= set(said)
    assert list(module._doing) == []


@pytest.mark.parametrize("live", [True, False])
def test_a_line_comes_after_a_while_and_goes(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATIENCE", "SCREEN_SECONDS", "LOG_SECONDS"):
        monkeypatch.setattr(waiting, name, 0.01)
    stream = io.StringIO()
    stream.isatty = lambda: live  # type: ignore[method-assign]
    with Waiting("reading the data", stream=stream) as wait:
        while not wait.written:
            time.sleep(0.005)
    shown = stream.getvalue()
    assert "  reading the data …  0 s" in shown
    assert shown.startswith("\r\x1b[K") == live
    assert shown.endswith("\r\x1b[K" if live else "\n")
    assert wait.thread not in threading.enumerate()


def test_a_bar_says_how_long_it_will_still_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(activities.time, "monotonic", lambda: now[0])
    wait = Waiting("looking inside", quiet=True)
    assert wait.line(3) == "  looking inside …  3 s"
    with Progress(2) as outer:
        assert current_share() == 0
        assert seconds_left() is None
        assert wait.line(3) == "  looking inside …  3 s"
        now[0] += 6
        outer.advance()
        assert wait.line(6) == f"  looking inside …  {'█' * 10}{' ' * 10}  50%   6 s left"
        # A step of it, told of from inside; and one that is nobody's step, which is not told of.
        with Progress(4, within=True) as inner, Progress(9) as other:
            other.advance(8)
            inner.advance()
            assert current_share() == pytest.approx(5 / 8)
            assert seconds_left() == pytest.approx(6 * 3 / 5)
        assert current_share() == 0.5
        outer.advance(5)
        assert (current_share(), seconds_left()) == (1, 0)
    assert current_share() is None


def test_what_is_quick_or_quiet_says_nothing() -> None:
    for quiet in (False, True):
        stream = io.StringIO()
        with Waiting("reading the data", quiet, stream):
            pass
        assert stream.getvalue() == ""


# --- names that are taken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "place", "record", "said"),
    [
        ("train", "runs/x", "run.json", "there is a run here already"),
        ("train", "runs/x", "comparison.json", "there is a comparison here already"),
        ("compare", "runs/x-compare", "run.json", "there is a run here already"),
    ],
)
def test_a_taken_name_is_found_before_reading(verb, place, record, said, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path(place).mkdir(parents=True)
    (Path(place) / record).write_text("{}")
    assert exit_code([verb, "not-there.csv", "--name", "x"], 0) == 1
    assert f"{place}: {said}" in capsys.readouterr().err
    with pytest.raises(pellucid.PellucidError, match=said):
        getattr(pellucid, verb)("not-there.csv", name="x")


def test_a_folder_that_can_hold_no_run_is_found_before_reading(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(pellucid.PellucidError, match="this is not a folder"):
        pellucid.train("not-there.csv", out=str(tmp_path / "file" / "runs"))
    with pytest.raises(pellucid.PellucidError, match="there is no such file"):
        pellucid.train("not-there.csv", out=str(tmp_path / "new" / "runs"))
    assert not (tmp_path / "new").exists()


# --- time left, and early checkpoints ----------------------------------------------------------------------------


def test_no_more_time_is_left_than_the_budget_has() -> None:
    pace = Pacer(None, deadline=100.0, every=1, clock=lambda: 40.0)  # type: ignore[arg-type]
    assert pace.seconds_left() == 60.0
    pace.deadline = 30.0
    assert pace.seconds_left() == 0.0
    pace.deadline = None
    assert pace.seconds_left() == float("inf")


def test_first_checkpoints_come_early_and_later_ones_seldom() -> None:
    pauses = [FIRST_CHECKPOINT_SECONDS]
    for _ in range(6):
        pauses.append(next_pause(pauses[-1], 0.001))
    assert pauses == [2, 4, 8, 16, 20, 20, 20]
    assert next_pause(2.0, 3.0) == pytest.approx(150), "writing takes two hundredths of the time"
    assert CHECKPOINT_SECONDS == 20
