"""Passages: characters, bytes or pieces of a BPE as tokens, back to the text, and states that were made to harm."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import UsageError
from pellucid.fields import KINDS, Column, Field, Ragged, Stored, input_groups, kind_named
from pellucid.fields.passage import LEVELS, count_characters
from pellucid.fields.text import RESERVED
from pellucid.storage.forms import FormError

PASSAGE: Any = KINDS["passage"]

# Right to left, signs that combine, signs of four bytes, a family of five code points, line ends, a zero.
HARD = ["שלום עולם\n", "e\u0301té a\u0308\u0323 ", "漢字かな", "👩\u200d👩\u200d👧 🦊", "a\r\nb\tc\0d"]
HARD += ["مرحبا، كيف الحال؟", " \n \n"]

every_level = pytest.mark.parametrize("level", LEVELS)


def stored_of(passages: list[str]) -> Stored:
    return PASSAGE.store(Column("text", pl.Series("text", passages, pl.String)), {}, lambda note: None)


def fit(passages: list[str], level: str, context: int = 256, rows: Any = None) -> tuple[Stored, dict[str, Any]]:
    stored = stored_of(passages)
    rows = np.arange(len(passages)) if rows is None else np.asarray(rows)
    state = PASSAGE.fit(stored, rows, {"level": level, "context": context}, "target")
    return stored, json.loads(json.dumps(state, allow_nan=False))


@every_level
def test_every_character_comes_back(level: str) -> None:
    stored, state = fit(HARD * 3, level)
    encoded = PASSAGE.encode(stored, state)
    assert PASSAGE.decode(encoded, state) == HARD * 3
    assert encoded.values.dtype == np.int32
    assert encoded.values.min() >= RESERVED, "no text can forge padding, a start or an end"
    assert encoded.values.max() < state["size"]
    PASSAGE.state("target", {"level": level})(state, "state")
    PASSAGE.check_stored(stored, state)


@every_level
@settings(max_examples=30, deadline=None)
@given(passages=st.lists(st.text(max_size=40), min_size=1, max_size=10))
def test_any_text_comes_back(level: str, passages: list[str]) -> None:
    stored, state = fit(passages, level)
    encoded = PASSAGE.encode(stored, state)
    assert PASSAGE.decode(encoded, state) == passages
    padded = np.zeros((len(passages), int(encoded.lengths.max(initial=0)) + 2), np.int32)
    for row in range(len(passages)):
        padded[row, : encoded.lengths[row]] = encoded[row]
    assert PASSAGE.decode(padded, state) == passages
    assert count_characters(stored).tolist() == list(map(len, passages))
    tokens, size = PASSAGE.sizes(encoded, stored).T
    assert tokens.tolist() == encoded.lengths.tolist()
    assert size.tolist() == [len(one.encode()) for one in passages]


def test_characters_are_those_of_training_in_their_order() -> None:
    stored, state = fit(["banana", "cab", "xyz é"], "characters", context=7, rows=[0, 1])
    assert state == {"role": "target", "level": "characters", "vocabulary": "abcn", "size": RESERVED + 5, "context": 7}
    encoded = PASSAGE.encode(stored, state)
    assert encoded[0].tolist() == [RESERVED + "abcn".index(one) for one in "banana"]
    assert encoded[2].tolist() == [RESERVED + 4] * 5
    assert PASSAGE.decode(encoded, state)[2] == "\ufffd" * 5
    assert PASSAGE.describe_new_values(stored, state) == (
        "holds 5 characters that were not in training, 5 times in all: ' ', 'x', 'y' and 2 more"
    )
    assert PASSAGE.describe_new_values(stored_of(["a" * 9 + "éé"]), state) == (
        "holds a character that was not in training, 2 times in all: 'é'"
    )
    assert PASSAGE.describe_new_values(stored_of(["cab"]), state) == ""


def test_bytes_are_all_known() -> None:
    stored, state = fit(["aé", "b"], "bytes", rows=[1])
    assert state == {"role": "target", "level": "bytes", "size": RESERVED + 256, "context": 256}
    assert PASSAGE.encode(stored, state)[0].tolist() == [RESERVED + one for one in "aé".encode()]
    assert PASSAGE.describe_new_values(stored_of(["漢"]), state) == ""
    half = Ragged(np.array([RESERVED + 0xE6, RESERVED + ord("a")]), np.array([2]))
    assert PASSAGE.decode(half, state) == ["\ufffda"], "a network may write what is no character"


def test_a_tokenizer_is_that_of_the_training_passages() -> None:
    words = ["the cat sat on the mat and the dog sat on the log\n"] * 40
    one = fit([*words, "zebra zebra zebra " * 50], "bpe", rows=range(40))[1]
    other = fit([*words, "quagga quagga " * 50], "bpe", rows=range(40))[1]
    assert one == other
    assert one["size"] > RESERVED + 256
    stored, _ = fit(words, "bpe")
    assert PASSAGE.encode(stored, one).lengths[0] < len(words[0]) / 2


def test_a_window_holds_nearly_every_passage() -> None:
    assert fit(["漢" * 100] * 50, "bytes", context=100)[1]["context"] == 300
    assert fit(["漢" * 100] * 50, "characters", context=100)[1]["context"] == 100
    assert fit(["a" * 10] * 50, "bytes", context=100)[1]["context"] == 100
    outlier = ["ab" * 50] * 500 + ["".join(map(chr, range(300, 400)))]
    assert fit(outlier, "bpe", context=25)[1]["context"] < 100, "one odd passage does not make all windows long"


def test_passages_are_encoded_alike_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.fields.passage.PASSAGES_AT_ONCE", 3)
    for level in LEVELS:
        stored, state = fit(HARD * 2, level)
        whole = PASSAGE.encode(stored, state)
        rows = np.array([9, 0, 3])
        some = PASSAGE.take(stored, rows)
        own = PASSAGE.encode(some, state)
        assert [own[i].tolist() for i in range(3)] == [whole[row].tolist() for row in rows]
        assert count_characters(stored).tolist() == [len(one) for one in HARD * 2]


def test_a_target_whose_past_is_read_is_an_input_too() -> None:
    field = Field("text", "passage", "target")
    assert field.is_input
    assert not Field("text", "text", "target").is_input
    assert [group.key for group in input_groups([field])] == ["passage:text"]
    assert PASSAGE.written
    with pytest.raises(UsageError, match=r"Unknown kind of field 'pasage'") as caught:
        kind_named("pasage")
    assert "passage" not in str(caught.value).split("Known")[-1]


def characters(**changes: Any) -> dict[str, Any]:
    state = {"role": "target", "level": "characters", "vocabulary": "abc", "size": RESERVED + 4, "context": 8}
    return {name: value for name, value in {**state, **changes}.items() if value is not None}


HOSTILE: dict[str, tuple[str, dict[str, Any], str]] = {
    "a character twice": ("characters", characters(vocabulary="aab"), "not each of its characters once"),
    "another order": ("characters", characters(vocabulary="acb"), "in their order"),
    "half of a pair": ("characters", characters(vocabulary="ab\ud800"), "holds what is no character"),
    "a size that lies": ("characters", characters(size=10**6), "size is 1000000, but there are 3 characters"),
    "a size without end": ("characters", characters(size=1 << 40), "size is 1099511627776, not a whole number"),
    "10^6 characters": ("characters", characters(vocabulary="a" * 10**6), "more than 65,536"),
    "a list": ("characters", characters(vocabulary=["a", "b", "c"]), "is list, not a text"),
    "nothing": ("characters", characters(vocabulary=None), "has no 'vocabulary'"),
    "another level": ("bytes", characters(), "level is 'characters', not one of bytes"),
    "another role": ("characters", characters(role="input"), "not one of target"),
    "a window without end": ("characters", characters(context=1 << 50), "not a whole number"),
    "no window": ("characters", characters(context=0), "not a whole number from 1"),
    "an entry more": ("characters", characters(code="import os"), "has an entry 'code'"),
    "bytes of another size": (
        "bytes",
        {"role": "target", "level": "bytes", "size": 300, "context": 8},
        "size is 300, not one of 259",
    ),
    "a tokenizer of another sort": (
        "bpe",
        {"role": "target", "level": "bpe", "tokenizer": '{"model": {"type": "WordLevel"}}', "size": 300, "context": 8},
        "the tokenizer can't be read",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_states_that_were_made_to_harm_are_refused(name: str) -> None:
    level, state, expected = HOSTILE[name]
    with pytest.raises(FormError) as caught:
        PASSAGE.state("target", {"level": level, "context": 8})(state, "state")
    assert expected in str(caught.value)


def test_a_tokenizer_of_another_size_is_refused() -> None:
    _, state = fit(["abc abc abc"] * 9, "bpe")
    form = PASSAGE.state("target", {"level": "bpe", "context": 256})
    form(state, "state")
    with pytest.raises(FormError, match="but its tokenizer has"):
        form({**state, "size": state["size"] + 1}, "state")


@pytest.mark.parametrize("bad", [{}, {"level": "words", "context": 8}, {"level": "bytes", "context": "8"}])
def test_settings_that_are_none_are_refused(bad: dict[str, Any]) -> None:
    PASSAGE.settings()({"level": "bytes", "context": 8}, "settings")
    with pytest.raises(FormError):
        PASSAGE.settings()(bad, "settings")


def test_kept_passages_that_were_made_to_harm_are_refused() -> None:
    stored, state = fit(["aé", "b"], "bytes")
    for harm in ({"ends": np.array([2, 4])}, {"bytes": np.frombuffer(b"\xff\xfe\xfdb", np.uint8)}):
        with pytest.raises(FormError):
            PASSAGE.check_stored(Stored({**stored.arrays, **harm}, {}, 2), state)
