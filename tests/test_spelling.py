"""How two words differ, in plain words."""

from __future__ import annotations

import pytest

import pellucid
from pellucid.fields.spelling import compare_words, explain_difference, find_nearest


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("yes.", "yes", "a full stop"),
        ("<=50K.", "<=50K", "a full stop"),
        ("yes,", "yes", "a comma"),
        ("Yes", "yes", "capitals"),
        ("yes ", "yes", "a space at the end"),
        ("new  york", "new york", "a space"),
        ("newyork", "new york", "a space"),
        ("café", "cafe", "an accent"),
        ("cafe\u0301", "cafe", "an accent"),
        ("cafe\u0301", "caf\u00e9", "how an accent is written"),
        (" yes", "yes", "a space at the beginning"),
        ("color", "colour", "one letter"),
        ("colour", "colaur", "one letter"),
        ("colour", "coluor", "two letters that changed places"),
        ("ice-cream", "icecream", "a hyphen"),
        ("ice_cream", "ice cream", "an underscore and a space"),
        ("Yes.", "yes", "capitals and a full stop"),
        ("Café!", "cafe", "capitals, an accent and an exclamation mark"),
        ("1.0", "1", "how the number is written"),
        ("a.b", "ab.", "where the punctuation is"),
        ("yes", "yes", ""),
        ("yes", "no", ""),
        ("cat", "car", ""),
        ("A", "B", ""),
        ("class 1", "class 2", ""),
        ("1", "-1", ""),
        ("10", "1.0", ""),
        ("C++", "C", ""),
        ("+", "-", ""),
        ("", "yes", ""),
    ],
)
def test_how_two_words_differ(one: str, other: str, how: str) -> None:
    assert explain_difference(one, other) == how
    assert sorted(explain_difference(other, one).split(" and ")) == sorted(how.split(" and "))


def test_the_nearest_word() -> None:
    assert find_nearest("colour.", ["colours", "colour", "red"]) == ("colour", "a full stop")
    assert find_nearest("colur", ["red", "colour"]) == ("colour", "one letter")
    assert find_nearest("blue", ["red", "colour"]) is None


@pytest.mark.parametrize(
    ("new", "known", "text"),
    [
        (["yes."], ["yes"], "'yes.' is new; known is 'yes': they differ by a full stop"),
        (
            ["no.", "yes."],
            ["no", "yes"],
            "'no.' and 'yes.' are new; known are 'no' and 'yes': "
            "'no.' and 'no', 'yes.' and 'yes' differ by a full stop",
        ),
        (
            ["maybe", "Yes"],
            ["no", "yes"],
            "'Yes' and 'maybe' are new; known are 'yes' and 'no': 'Yes' and 'yes' differ by capitals",
        ),
        (["c"], ["a", "b"], "'c' is new; known are 'a' and 'b'"),
        (["c"], [], "'c' is new; none is known"),
        (
            [f"class {i}" for i in range(9)],
            ["x" * 50],
            f"'class 0', 'class 1', 'class 2', 'class 3', 'class 4' and 4 more are new; known is '{'x' * 39}…'",
        ),
    ],
)
def test_both_sides_in_a_sentence(new: list[str], known: list[str], text: str) -> None:
    assert compare_words(new, known) == text


def test_a_full_stop_within_one_column_is_noticed() -> None:
    labels = ["yes", "yes.", "no", "no"] * 10
    data = pellucid.read({"n": [i * i % 41 for i in range(40)], "label": labels}, cache=False)
    text = "column 'label': 'yes' (10) and 'yes.' (10) differ by a full stop alone"
    assert f"{text} and count as different" in [str(note) for note in data.notes]
