"""The contract every kind of field keeps, run over the registry, and what each kind promises beside it."""

import datetime
import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import PellucidError, UsageError
from pellucid.fields import (
    KINDS,
    Column,
    Field,
    Ragged,
    Stored,
    category,
    date,
    input_groups,
    kind_named,
    labels,
    number,
    pixels,
    recognise,
    target_guess,
    text,
)
from pellucid.fields.base import Kind, register
from pellucid.fields.recordings import to_wav

DATA = Path(__file__).parents[1].parent / "shared" / "data"
TRAIN = np.arange(0, 20, 2)  # the training rows of every example column; the odd ones are not


def quiet(note):
    pass


def wav_bytes(i, loud=3_000):
    """A recording of 100 to 480 samples at 8,000 Hz."""
    return to_wav((loud * np.sin(np.arange(100 + 20 * i) * (0.1 + 0.05 * i))).astype(np.int16), 8000)


def wav_samples(data):
    """The samples of such a recording."""
    return np.frombuffer(data[44:], "<i2")


def _examples():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 8, 6, 3)).astype(np.uint8)
    return {
        "number": ([1.5 * i for i in range(20)], [1e6] * 20),
        "category": (list("abcab" * 4), list("vwxyz" * 4)),
        "text": (
            [f"the {word} fox number {i}" for i, word in enumerate(["quick", "slow"] * 10)],
            ["new héllo 漢字 🦊"] * 20,
        ),
        "image": (images, 255 - images),
        "sound": ([wav_bytes(i) for i in range(20)], [wav_bytes(i, 30_000) for i in range(20)]),
        "labels": ([["a", "b"], ["b"], [], ["a", "c"]] * 5, [["v"], ["w", "x"]] * 10),
        "date": (
            [datetime.date(2020, 1, 1) + datetime.timedelta(days=17 * i) for i in range(20)],
            [datetime.date(2031, 5, 1 + i) for i in range(20)],
        ),
        "passage": (
            [f"the {word} fox, {'漢字 🦊 é ' * (i % 3)}שלום\n" for i, word in enumerate(["quick", "slow"] * 10)],
            ["new wörds\n"] * 20,
        ),
        "writing": ([f"the {word} fox" for word in ["quick", "slow"] * 10], ["new wörds"] * 20),
        "channel": ([0.5 * i * i for i in range(20)], [1e6] * 20),
        # Of mean 0 and deviation 1, so that they come back to the last bit.
        "series": ([[1.0, -1.0] * (2 + i % 3) for i in range(20)], [[float(i), 9.5, -3.0] for i in range(20)]),
    }


# What a layout decides of a column, where its values alone don't.
STEPS = {"horizon": 3, "season": 2, "context": 8, "calendar": 0, "rhythms": [2], "relative": False, "apart": False}
SETTINGS = {"channel": {**STEPS, "place": 0}, "passage": {"level": "characters", "context": 256}}


EXAMPLES = _examples()
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
both_roles = pytest.mark.parametrize("role", ["input", "target"])


def column_of(values, name="x"):
    return Column(name, values if isinstance(values, np.ndarray) else pl.Series(name, values))


def rows_of(encoded):
    return [np.asarray(encoded[i]).tolist() for i in range(len(encoded))]


def test_every_kind_has_an_example():
    assert EXAMPLES.keys() == KINDS.keys()


@every_kind
def test_recognises_its_own(kind):
    if kind.of_all_rows or kind.name == "writing":
        # Whether rows are moments, or passages of documents, is seen in the whole source; a text that is written is
        # what a text becomes that is predicted.
        assert kind.recognise(column_of(EXAMPLES[kind.name][0])) is None
        return
    found, guess = recognise(column_of(EXAMPLES[kind.name][0]))
    assert found is kind
    assert guess.reason
    assert guess.role == "input"
    json.dumps(dict(guess.settings), allow_nan=False)


@every_kind
@both_roles
def test_way_of_a_value(kind, role):
    values = EXAMPLES[kind.name][0]
    column = column_of(values)
    allocated = {}

    def into(name, shape, dtype):
        allocated[name] = np.zeros(shape, dtype)
        return allocated[name]

    stored = kind.store(column, {}, quiet, into=into)
    assert stored.arrays.keys() == allocated.keys()
    assert all(stored.arrays[name] is array for name, array in allocated.items()), "the cache's arrays are used"
    assert stored.n == 20
    json.dumps(dict(stored.meta), allow_nan=False)

    state = kind.fit(stored, TRAIN, {}, role)
    again = json.loads(json.dumps(state, allow_nan=False))
    assert again == state, "the state survives a run folder"
    kind.settings()(SETTINGS.get(kind.name, {}), "settings")
    kind.state(role, {})(again, "state")  # and is what a record may hold
    encoded = kind.encode(stored, again)
    assert len(encoded) == 20
    assert (encoded.values if isinstance(encoded, Ragged) else encoded).dtype in (
        np.float32,
        np.int32,
        np.int16,
        np.uint8,
    )
    decoded = kind.decode(encoded, again)
    assert len(decoded) == 20
    for row in TRAIN:
        if kind.amount:
            assert decoded[row] == pytest.approx(values[row], abs=1e-4)
        else:
            expected = wav_samples(values[row]) if kind.name == "sound" else values[row]
            assert np.array_equal(decoded[row], expected)
        assert kind.show(stored, int(row))


@every_kind
@both_roles
def test_state_sees_training_rows_only(kind, role):
    values, other = EXAMPLES[kind.name]
    changed = values.copy()
    for row in np.setdiff1d(np.arange(20), TRAIN):
        changed[row] = other[row]
    one, two = (kind.store(column_of(v), {}, quiet) for v in (values, changed))
    assert kind.fit(one, TRAIN, {}, role) == kind.fit(two, TRAIN, {}, role)


@every_kind
@both_roles
def test_encoding_a_row_does_not_depend_on_the_others(kind, role):
    values = EXAMPLES[kind.name][0]
    stored = kind.store(column_of(values), {}, quiet)
    state = kind.fit(stored, TRAIN, {}, role)
    alone = kind.store(column_of(values[3:5]), {k: v for k, v in stored.meta.items() if kind.suffixes}, quiet)
    assert rows_of(kind.encode(alone, state)) == rows_of(kind.encode(stored, state))[3:5]


@every_kind
@both_roles
def test_values_never_seen_in_training(kind, role):
    values, other = EXAMPLES[kind.name]
    state = kind.fit(kind.store(column_of(values), {}, quiet), TRAIN, {}, role)
    stored = kind.store(column_of(other), {}, quiet)
    assert len(kind.decode(kind.encode(stored, state), state)) == 20


@every_kind
@both_roles
def test_no_rows_at_all(kind, role):
    empty = EXAMPLES[kind.name][0][:0]
    column = Column("x", empty if isinstance(empty, np.ndarray) else pl.Series("x", [], pl.String))
    stored = kind.store(column, {}, quiet)
    state = kind.fit(stored, np.arange(0), {}, role)
    json.dumps(state, allow_nan=False)
    assert stored.n == 0
    assert kind.decode(kind.encode(stored, state), state) == []


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if not k.suffixes], ids=lambda k: k.name)
@both_roles
def test_missing_values(kind, role):
    values = list(EXAMPLES[kind.name][0])
    values[2] = values[3] = None
    stored = kind.store(column_of(values), {}, quiet)
    state = kind.fit(stored, TRAIN, {}, role)
    decoded = kind.decode(kind.encode(stored, state), state)
    assert decoded[2] == decoded[3] == ("" if kind.name in ("text", "passage", "writing") else None)
    assert isinstance(kind.show(stored, 2), str)


@every_kind
def test_wrong_sort_of_values_is_the_users_to_mend(kind):
    nested = Column("x", pl.Series("x", [[[1, 2]], [[3]]]))
    with pytest.raises(
        PellucidError, match=r"the column 'x' holds values of type List\(List\(Int64\)\), which can't be read"
    ):
        kind.store(nested, {}, quiet)


def test_kinds_are_registered_once():
    with pytest.raises(ValueError, match="two kinds of field are called 'number'"):

        @register
        class Second(Kind):
            name = "number"

    with pytest.raises(UsageError, match=r"Unknown kind of field 'catgory'\. Did you mean 'category'\?"):
        kind_named("catgory")


def test_joint_kinds_share_an_input_layer():
    fields = [
        Field("a", "category"),
        Field("b", "text"),
        Field("c", "category"),
        Field("d", "text"),
        Field("y", "number", "target"),
    ]
    assert [(g.key, g.fields) for g in input_groups(fields)] == [
        ("category", ("a", "c")),
        ("text:b", ("b",)),
        ("text:d", ("d",)),
    ]  # fmt: skip


def test_nothing_heavy_is_loaded():
    code = (
        "import sys, pellucid.fields; print([m for m in ('torch', 'PIL', 'tokenizers', 'sklearn') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize("module", [number, category, text, pixels, labels, date])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


# Which kind a column is taken for.

WORDS = ["red", "green", "blue"]
COLUMNS = {
    "prices as text": (["$1,200", "$350", "N/A", "$7"] * 5, "number", "input"),
    "percent": (["5 %", "7.5%"] * 5, "number", "input"),
    "whole numbers": ([3, 1, 4, 1, 5, 9], "number", "input"),
    "few numbers stay numbers": ([0, 1] * 50, "number", "input"),
    "one bad cell": (["1.5", "2.5", "3.5", "4.5", "oops"], "number", "input"),
    "years": (list(range(1949, 1961)), "number", "input"),
    "counts the rows": (list(range(1, 31)), "number", "id"),
    "colours": (WORDS * 7, "category", "input"),
    "yes and no": ([True, False, None] * 4, "category", "input"),
    "codes": (["01234", "09876", "00001"] * 9, "category", "input"),
    "keys": ([f"u-{i:05d}" for i in range(40)], "category", "id"),
    "nothing": ([None, None], "category", "ignore"),
    "not a number": ([float("nan")] * 4, "category", "ignore"),
    "always the same": (["x"] * 9, "category", "ignore"),
    "constant": ([7.0] * 9, "number", "ignore"),
    "reviews": ([f"I liked part {i} of it very much" for i in range(30)], "text", "input"),
    "sentences that repeat": (["Not good at all", "Very good indeed"] * 20, "category", "input"),
    "chinese": ([f"这部电影非常好看我很喜欢{i}" for i in range(30)], "text", "input"),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_recognised(name):
    values, kind, role = COLUMNS[name]
    found, guess = recognise(column_of(values))
    assert (found.name, guess.role) == (kind, role), guess


@pytest.mark.parametrize("name", ["id", "ID", "CustomerID", "userId", "user_id", "Unnamed: 0", "", "index"])
def test_names_of_ids(name):
    assert recognise(column_of([30, 10, 20, 50], name))[1].role == "id"
    assert recognise(column_of([30, 10, 20, 50], "width"))[1].role == "input", "'width' only ends like one"
    assert recognise(column_of([30, 10, 20, 20], name))[1].role == "input", "an id does not repeat"


def test_polars_categories_are_categories():
    for dtype in (pl.Categorical, pl.Enum(WORDS)):
        kind, guess = recognise(Column("colour", pl.Series(WORDS * 3).cast(dtype)))
        assert kind.name == "category"
        assert guess.confidence == 0.95
    nested = Column("x", pl.Series([{"a": 1}, {"a": 2}]))
    with pytest.raises(PellucidError, match="no kind of field can read the column 'x'"):
        recognise(nested)


def test_labels_as_targets():
    def target(values):
        column = column_of(values, "quality")
        return target_guess(column, recognise(column)[1])

    labels = target([0, 1] * 100)
    assert labels is not None
    assert labels.reason == "2 labels (0, 1); --kind quality=number predicts an amount instead"
    assert target(["10", "9"] * 100).reason.startswith("2 labels (9, 10)")
    assert target([0.0, 1.0, 2.0, None] * 5).reason.startswith("3 labels (0, 1, 2)")
    assert target([3.0, 4.0, 5.0, None] * 300).reason.startswith("3 labels (3, 4, 5)")
    assert target([0.5, 1.5] * 100) is None, "fractions are amounts"
    assert target(list(range(8)) * 3) is None, "too few rows for so many values"
    assert target(list(range(11)) * 300) is None, "too many values"


@pytest.mark.skipif(not DATA.exists(), reason=f"the shared data is not at {DATA}")
def test_real_tables():
    diamonds = pl.read_csv(DATA / "diamonds.csv")
    kinds = {s.name: recognise(Column(s.name, s))[0].name for s in diamonds}
    assert {name for name, kind in kinds.items() if kind == "category"} == {"cut", "color", "clarity"}
    assert {name for name, kind in kinds.items() if kind == "number"} == set(diamonds.columns) - {
        "cut",
        "color",
        "clarity",
    }
    news = pl.read_csv(DATA / "ag_news.csv")
    assert [recognise(Column(s.name, s))[0].name for s in news] == ["text", "text", "category"]
    wine = pl.read_csv(DATA / "winequality-red.csv", has_header=False, infer_schema_length=None)["column_11"]
    assert target_guess(Column("quality", wine), recognise(Column("quality", wine))[1]).reason.startswith("6 labels")


# Numbers.


def test_cells_that_are_no_numbers_are_reported_by_place():
    notes = []
    cells = ["1,234.5", "$7", "-$3", "12 %", " n/a ", "None", "?", "tall", "inf", "1,5", "1e3", "+2"]
    column = Column("height", pl.Series(cells), places=lambda row: f"people.csv, line {row + 2}")
    stored = KINDS["number"].store(column, {}, notes.append)
    np.testing.assert_array_equal(
        stored.arrays["value"], [1234.5, 7, -3, 12, *[np.nan] * 6, 1000, 2]
    )  # fmt: skip
    assert [str(note) for note in notes] == [
        "people.csv, line 9: 'tall' is not a number and counts as missing",
        "people.csv, line 11: '1,5' is not a number and counts as missing",
        "people.csv, line 10: an infinite number counts as missing",
        "column 'height': thousands separators taken off 1 numbers",
        "column 'height': currency or percent signs taken off 3 numbers",
    ]
    notes.clear()
    KINDS["number"].store(Column("height", pl.Series(["?!"] * 1000)), {}, notes.append)
    assert len(notes) == 6
    assert notes[-1].text == "995 more cells of column 'height' are not numbers"


def fit_numbers(values, role="input", **settings):
    kind = KINDS["number"]
    stored = Stored({"value": np.asarray(values, np.float64)}, {}, len(values))
    state = kind.fit(stored, np.arange(len(values)), settings, role)
    return state, kind.encode(stored, state)


def test_scaling():
    random = np.random.default_rng(1)
    state, encoded = fit_numbers(random.normal(50, 10, 5000))
    assert state["scale"] == "standard"
    assert abs(encoded.mean()) < 1e-3
    assert encoded.std() == pytest.approx(1, abs=1e-3)
    state, encoded = fit_numbers(random.lognormal(0, 2, 5000))
    assert state["scale"] == "quantile"
    assert state["why"].startswith("skewed")
    assert encoded.std() == pytest.approx(1, abs=0.02)
    assert np.abs(encoded).max() <= number.LIMIT
    assert len(state["edges"]) == number.BINS + 1
    assert fit_numbers([5.0] * 10)[1].tolist() == [0.0] * 10, "a constant column"
    assert fit_numbers([5.0] * 10, "target")[1].tolist() == [0.0] * 10
    assert fit_numbers([0.1] * 10)[0]["std"] == 0
    state, encoded = fit_numbers([1, 2, 3, np.nan], "target")
    assert (state["min"], state["max"], state["integer"], state["transform"]) == (1, 3, True, "identity")
    assert state["missing"] == 0.25
    assert np.isnan(encoded[3])


finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(finite, min_size=1, max_size=60),
    st.lists(finite, min_size=2, max_size=10),
    st.sampled_from(["standard", "quantile"]),
)
def test_encoded_numbers_keep_their_order(train, new, scale):
    state, encoded = fit_numbers(train, scale=scale)
    assert np.isfinite(encoded).all()
    json.dumps(state, allow_nan=False)
    seen = KINDS["number"].encode(Stored({"value": np.sort(np.array(new + train, float))}, {}, len(new + train)), state)
    assert (np.diff(seen) >= -1e-9).all()  # a straight line between two points rounds its ends
    assert np.abs(seen).max() <= number.LIMIT


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_targets_come_back(values):
    state, encoded = fit_numbers(values, "target")
    assert KINDS["number"].decode(encoded, state) == pytest.approx(values, abs=max(1e-9, 1e-5 * np.ptp(values)))


# Categories.


def test_codes():
    kind = KINDS["category"]
    stored = kind.store(column_of(["b", "10", " 9 ", None, "", "b", "z"]), {}, quiet)
    assert stored.meta["values"] == ["9", "10", "b", "z"]
    assert stored.arrays["code"].tolist() == [2, 1, 0, -1, -1, 2, 3]
    state = kind.fit(stored, np.arange(6), {}, "input")
    assert (state["values"], state["counts"]) == (["9", "10", "b"], [1, 1, 2])
    encoded = kind.encode(stored, state)
    assert encoded.tolist() == [4, 3, 2, 0, 0, 4, 1]
    assert kind.decode(encoded, state) == ["b", "10", "9", None, None, "b", None]
    target = kind.fit(stored, np.arange(6), {}, "target")
    assert kind.encode(stored, target).tolist() == [2, 1, 0, -1, -1, 2, -1]


def test_one_value_whatever_type_a_file_gives_it():
    kind = KINDS["category"]
    state = kind.fit(kind.store(column_of([1, 2, 3]), {}, quiet), np.arange(3), {}, "target")
    for same in ([1.0, 2.0, 3.0], ["1", "2", "3"], np.array([1, 2, 3], np.uint8), np.array(["1", "2", "3"], object)):
        assert kind.encode(kind.store(column_of(same), {}, quiet), state).tolist() == [0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(max_size=8) | st.none() | st.integers().map(str) | st.sampled_from(["nan", "inf", "1e5", "²"]),
        max_size=30,
    )
)
def test_categories_come_back(values):
    kind = KINDS["category"]
    stored = kind.store(Column("x", pl.Series("x", values, pl.String)), {}, quiet)
    for role in ("input", "target"):
        state = kind.fit(stored, np.arange(len(values)), {}, role)
        shown = category.column_words(Column("x", pl.Series("x", values, pl.String))).to_list()
        assert kind.decode(kind.encode(stored, state), state) == shown


# Text.


def fit_text(values, **how):
    kind = KINDS["text"]
    stored = kind.store(Column("x", pl.Series("x", values, pl.String)), {}, quiet)
    return stored, kind.fit(stored, np.arange(len(values)), how, "input")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=10))
def test_texts_come_back(values):
    kind = KINDS["text"]
    _, state = fit_text(["some words to learn from"] * 3, longest=500)
    stored = kind.store(Column("x", pl.Series("x", values, pl.String)), {}, quiet)
    encoded = kind.encode(stored, state)
    assert kind.decode(encoded, state) == values
    assert encoded.lengths.min() >= 1
    assert encoded.values.max() < state["size"]


def test_tokens():
    kind = KINDS["text"]
    values = ["to be or not to be, that is the question"] * 99 + ["to be " * 300]
    stored, state = fit_text(values)
    encoded = kind.encode(stored, state)
    assert (encoded.values[encoded.starts] == text.START).all()
    assert encoded.lengths.max() == state["longest"]
    assert state["cut"] == 0.01
    padded = np.full((1, 50), text.PADDING)
    padded[0, : encoded.lengths[0]] = encoded[0]
    assert kind.decode(padded, state) == values[:1]
    assert fit_text(values)[1] == state, "the same texts give the same tokenizer"
    _, small = fit_text(values, lower=True, longest=4, vocabulary=300)
    assert small["size"] <= 300
    shout, _ = fit_text(["TO BE"])
    assert kind.decode(kind.encode(shout, small), small) == ["to be"]
    assert kind.encode(stored, small).lengths.max() == 4


def test_no_text_can_forge_a_special_token():
    stored, state = fit_text(["<pad> <s> [CLS] </s> <|endoftext|>"] * 5)
    tokens = KINDS["text"].encode(stored, state)[0]
    assert tokens[0] == text.START
    assert (tokens[1:] >= text.RESERVED).all()


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"model": {"type": "WordLevel"}}', '{"model": {"type": "BPE"}}'])
def test_a_damaged_tokenizer_is_said(damaged):
    stored, state = fit_text(["a b c"])
    with pytest.raises(PellucidError, match="the tokenizer can't be read"):
        KINDS["text"].encode(stored, {**state, "tokenizer": damaged})
