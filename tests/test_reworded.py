"""No logic hangs on a sentence: with every message reworded, all else comes out the same."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid.data.source import Contents
from pellucid.errors import PellucidError
from pellucid.fields import Field, Guess, Note
from pellucid.planning.plan import Choice
from pellucid.tasks import TASKS


def reworded(text: str) -> str:
    """Another sentence of the same length, with no word of the first."""
    return "".join(chr(ord("α") + ord(c) % 24) if c.isalpha() else c for c in text)


def reword_arguments(monkeypatch: pytest.MonkeyPatch, cls: Any, *names: str) -> None:
    """Whatever is made of ``cls`` says something else in the fields ``names``."""
    whole = cls.__init__
    places = [f.name for f in dataclasses.fields(cls)]

    def init(self: Any, *given: Any, **named: Any) -> None:
        values = {**dict(zip(places, given, strict=False)), **named}
        for name in names:
            if isinstance(values.get(name), str):
                values[name] = reworded(values[name])
        whole(self, **values)

    monkeypatch.setattr(cls, "__init__", init)


def reword_answer(whole: Callable[..., Any]) -> Callable[..., Any]:
    def naive_answer(self: Any, *given: Any) -> tuple[Any, str]:
        raw, name = whole(self, *given)
        return raw, reworded(name)

    return naive_answer


def reword_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    reword_arguments(monkeypatch, Note, "text", "fix", "cause")
    reword_arguments(monkeypatch, Guess, "reason")
    reword_arguments(monkeypatch, Field, "reason")
    reword_arguments(monkeypatch, Contents, "layout", "why")
    reword_arguments(monkeypatch, Choice, "reason")
    for task in TASKS.values():
        monkeypatch.setattr(task, "naive_answer", reword_answer(task.naive_answer))
        for metric in task.metrics.values():
            monkeypatch.setitem(vars(metric), "sentence", "{value} {low} {high} {base} {naive} {name} {names}")


def outcome(source: Any, out: Path, **options: Any) -> dict[str, Any]:
    """All that is no sentence of reading, training and predicting."""
    data = pellucid.read(source, cache=False, **options)
    data.check()
    split = data.split(0)
    run = pellucid.train(data, network="mlp", steps=30, folds=0, out=out, name="run", reference=False)
    new = data.column(data.inputs[0].name).values if not isinstance(source, Path) else source
    predicted = run.predict(str(new) if isinstance(new, Path) else source, cache=False)
    return {
        "fields": [(f.name, f.kind, f.role, dict(f.settings)) for f in data.fields.values()],
        "notes": [(note.level, note.where, note.treatment, bool(note.cause)) for note in data.notes],
        "parts": {name: rows.tolist() for name, rows in split.parts().items()},
        "problems": sorted(data.input_problems()),
        "weights": hashlib.sha256((run.path / "weights.safetensors").read_bytes()).hexdigest(),
        "plan": [(choice.name, choice.value) for choice in run.plan.choices],
        "score": (run.score.metric, run.score.value, run.score.low, run.baseline.value),
        "predicted": [{k: v for k, v in one.items() if k not in ("input", "error")} for one in predicted],
        "columns": sorted(one for one in run.record if one != "seconds"),
    }


@pytest.fixture
def odd_table(tmp_path: Path) -> Path:
    rows = [
        f"{i},{'' if i % 9 == 0 else i * 1.5},{'€' if i % 11 == 0 else ''}{i % 7},{['a', 'b', ''][i % 3]},"
        f"{'constant'},{['yes', 'no'][i % 2] if i % 13 else ''}"
        for i in range(120)
    ]
    path = tmp_path / "odd.csv"
    path.write_text("\n".join(["id,x,price,word,same,answer", *rows, rows[5], "1,2,3"]))
    return path


@pytest.fixture
def odd_photos(photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    broken = sorted(folder.glob("*/*.png"))
    broken[0].write_bytes(b"no image at all")
    broken[1].write_bytes(b"")
    broken[0].with_name("notes.txt").write_text("left out")
    return folder


@pytest.mark.parametrize("case", ["odd_table", "odd_photos", "numbers"])
def test_rewording_every_message_changes_nothing_else(
    case: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = request.getfixturevalue(case)
    options: dict[str, Any] = {"odd_table": {"target": "answer"}, "odd_photos": {}, "numbers": {"target": "price"}}[
        case
    ]
    plain = outcome(source, tmp_path / "plain", **options)
    assert plain["notes"] or case == "numbers"
    with monkeypatch.context() as patch:
        reword_everything(patch)
        assert outcome(source, tmp_path / "other", **options) == plain


def test_folders_without_classes_are_refused_whatever_they_are_called(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(min(p for p in photos.iterdir() if p.is_dir()), tmp_path / "photos" / "only")
    reword_everything(monkeypatch)
    with pytest.raises(PellucidError, match="there is only one class"):
        pellucid.read(tmp_path / "photos", cache=False)
