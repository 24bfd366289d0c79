"""How letters follow each other in transcripts: what that adds to a text's score, and what a run keeps of it."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from spoken import write_clips
from test_folder import flipped
from test_resume import assert_same

import pellucid
from pellucid.errors import PellucidError
from pellucid.fields.text import END, PADDING, START
from pellucid.outputs.letter_model import MOST_KEPT, LetterModel, count_letters, join_texts
from pellucid.runs.letters import judge_weights, searching_seconds
from pellucid.storage import Folder
from pellucid.storage.names import LETTERS
from pellucid.storage.tensors import pack_tensors, unpack_tensors
from pellucid.training.loader import Loader

SIZE = 9


def model_of(texts: list[list[int]]) -> tuple[LetterModel, float]:
    """Counts of texts, of which every other one chooses the order, and the loss on these."""
    values = np.concatenate([[*text, END] for text in texts])
    ends = np.cumsum([len(text) + 1 for text in texts])
    rows = np.arange(len(texts))
    model, _, loss = count_letters(join_texts(values, ends, rows), join_texts(values, ends, rows[::2]), SIZE)
    return LetterModel(model, 0.5, loss), loss


@pytest.fixture(scope="module")
def letters() -> LetterModel:
    rng = np.random.default_rng(0)
    words = [[4, 5, 6], [5, 5, 7], [6, 4]]
    drawn = [rng.integers(0, 3, rng.integers(1, 6)) for _ in range(200)]
    return model_of([[token for i in own for token in [*words[i], 8]][:-1] for own in drawn])[0]


@pytest.mark.parametrize("text", [(), (4,), (4, 5), (4, 5, 6, 8, 5, 5, 7, 8, 6, 4), (7, 7, 7, 7, 7, 7, 7)])
def test_a_letter_adds_what_it_is_likely_after_all_of_the_text(letters: LetterModel, text: tuple[int, ...]) -> None:
    said = letters.model.read(torch.tensor([[START, *text]]), letters.model.start(1))[0][0, -1].numpy()
    wanted = 0.5 * (said + letters.bonus)
    wanted[PADDING] = 0.5 * said[END]
    short = text[len(text) - letters.context :] if len(text) > letters.context else text
    for given in (text, short):
        np.testing.assert_allclose(letters.score_next([given])[0], wanted, rtol=1e-5)


def test_texts_of_any_lengths_are_scored_together_and_again(letters: LetterModel) -> None:
    texts = [(), (4,), (4, 5), (5,), (4, 5, 6, 8, 5), (4,)]
    alone = np.stack([letters.score_next([text])[0] for text in texts])
    fresh = LetterModel(letters.model, letters.weight, letters.bonus)
    np.testing.assert_allclose(fresh.score_next(texts), alone, rtol=1e-6)
    assert len(fresh.kept) == 5
    assert fresh != LetterModel(letters.model, 1.0, letters.bonus)
    fresh.kept.update({(9, i): np.zeros(SIZE) for i in range(MOST_KEPT)})
    np.testing.assert_allclose(fresh.score_next(texts), alone, rtol=1e-6)
    assert len(fresh.kept) == 5


def test_a_letter_costs_nothing_on_average() -> None:
    rng = np.random.default_rng(1)
    texts = [rng.integers(4, 8, 10).tolist() for _ in range(400)]
    letters, loss = model_of(texts)
    assert letters.bonus == loss
    added = [letters.score_next([tuple(text[:i])])[0, text[i]] for text in texts[:50] for i in range(10)]
    assert abs(np.mean(added)) < 0.2


# -- a run


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("spoken") / "clips", 100)


def train(clips: Path, out: Path, name: str, **options: Any) -> pellucid.Run:
    options = {"network": "cnn", "steps": 60, "size": 1, "augment": "none", **options}
    return pellucid.train(clips, out=str(out), name=name, **options)


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> pellucid.Run:
    found = train(clips, tmp_path_factory.mktemp("runs"), "run")
    assert found.record["letters"]["weight"] > 0
    return found


def test_it_is_weighed_in_where_validation_has_fewer_wrong_words(run: pellucid.Run) -> None:
    facts = run.record["letters"]
    rates = facts["validation"]
    assert rates[f"{facts['weight']:g}"] == min(rates.values()) < rates["0"]
    assert facts["order"] == len(facts["sizes"]["nodes"]) + 1
    assert run.record["validation"] <= rates["0"]


def test_a_run_that_is_loaded_or_pickled_writes_the_same(run: pellucid.Run, clips: Path) -> None:
    some = [str(path) for path in sorted(clips.glob("*.wav"))[:20]]
    said = [one["value"] for one in run.predict(some)]
    for other in (pellucid.load(run.path), pickle.loads(pickle.dumps(run))):
        assert [one["value"] for one in other.predict(some)] == said
    by_sound = [one["value"] for one in run.predict(some, beam=1)]
    assert by_sound != said
    run.network.output.letters, kept = None, run.network.output.letters
    assert [one["value"] for one in run.predict(some)] == by_sound
    run.network.output.letters = kept


def test_trained_again_it_has_the_same_bytes_and_goes_on(run: pellucid.Run, clips: Path, tmp_path: Path) -> None:
    again = train(clips, tmp_path, "run")
    assert_same(run.path, again.path)
    assert (run.path / LETTERS).read_bytes() == (again.path / LETTERS).read_bytes()
    more = pellucid.resume(again.path, more="10steps")
    assert more.record["steps"] == 70
    assert Folder.open(again.path).verify() == []
    assert pellucid.load(again.path).score.value == more.score.value


def test_where_nothing_is_heard_nothing_is_weighed_in(clips: Path, tmp_path: Path) -> None:
    run = train(clips, tmp_path, "deaf", steps=1)
    assert run.record["letters"]["weight"] == 0
    assert not (run.path / LETTERS).exists()
    assert pellucid.load(run.path).score.value == run.score.value


def test_a_network_that_diverged_can_still_be_judged(run: pellucid.Run, clips: Path) -> None:
    network = copy.deepcopy(run.network)
    with torch.no_grad():
        network.output.layer.weight.fill_(torch.nan)
    data = pellucid.read(clips)
    split, loader = data.split(run.plan.split_seed), Loader.of(data, network.fields, network.device)
    job: Any = SimpleNamespace(loader=loader, looked=split, watched=split.validation, split=split)
    rates = judge_weights(job, network, network.output.letters, split.validation)
    assert set(rates.values()) == {1.0}
    assert searching_seconds(job, network) > 0


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, bytes]], None]:
    def edit(state: dict[str, bytes]) -> None:
        tensors, meta = unpack_tensors(state["letters"], Path("letters"))
        state["letters"] = pack_tensors({**tensors, name: change(tensors[name])}, meta)

    return edit


def changed_record(**values: Any) -> Callable[[dict[str, bytes]], None]:
    def edit(state: dict[str, bytes]) -> None:
        record = json.loads(state["record"])
        record["letters"].update(values)
        state["record"] = json.dumps(record).encode()

    return edit


HARM = {
    "chances above one": changed("first", lambda chances: chances * 7),
    "children elsewhere": changed("levels.0.starts", lambda starts: starts * 0 + (1 << 30)),
    "keys out of order": changed("levels.0.keys", lambda keys: keys[::-1].copy()),
    "tables of another shape": changed("first", lambda chances: chances[0]),
    "numbers that are none": changed("levels.0.discounts", lambda x: x * np.nan),
    "more nodes than there are": changed_record(sizes={"nodes": [1 << 30], "less": [0], "folds": 0}),
    "sizes of two orders": changed_record(sizes={"nodes": [5], "less": [], "folds": 0}),
    "folds without end": changed_record(sizes={"nodes": [5], "less": [0], "folds": 1 << 30}),
    "a weight without end": changed_record(weight=1e300),
    "a bonus that is text": changed_record(bonus="much"),
}


@pytest.mark.parametrize("name", HARM)
def test_a_run_that_was_made_to_harm_is_refused(name: str, run: pellucid.Run) -> None:
    state = run.__getstate__()
    HARM[name](state)
    with pytest.raises(PellucidError) as error:
        pellucid.Run.__new__(pellucid.Run).__setstate__(state)
    assert "damaged" in str(error.value) or "not this network's" in str(error.value), str(error.value)
    assert error.value.fix


def test_a_file_that_is_damaged_or_gone_is_said(clips: Path, tmp_path: Path) -> None:
    run = train(clips, tmp_path, "run")
    good = (run.path / LETTERS).read_bytes()
    for bad in (flipped(good, 8 * len(good) // 2), good[:100], b""):
        (run.path / LETTERS).write_bytes(bad)
        with pytest.raises(PellucidError, match=re.escape(LETTERS)):
            pellucid.load(run.path)
    (run.path / LETTERS).unlink()
    with pytest.raises(PellucidError, match=re.escape(LETTERS)):
        pellucid.load(run.path)
