"""Counted n-grams: equal to plain counting, blind to what is left out, the same when written, and safe to load."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from counted import KEY, START, PlainNgrams, solved_part, text_field, token_data, window_batch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import PellucidError
from pellucid.fields import Field
from pellucid.ngrams import model
from pellucid.outputs import OUTPUTS
from pellucid.runs.solved_part import check_part
from pellucid.solved import SOLVED, CountedNgrams, counted_ngrams
from pellucid.storage.forms import FormError
from pellucid.storage.tensors import pack_tensors, unpack_tensors
from pellucid.training.state import check_tensors, copy_into

SIZE = 7

Documents = list[list[int]]

some_documents = st.lists(st.lists(st.integers(2, SIZE - 2), max_size=40), min_size=1, max_size=4).filter(any)


def some_text(length: int, seed: int = 0, size: int = SIZE) -> list[int]:
    """A text in which what comes next depends on the two tokens before, mostly."""
    rng, found = random.Random(seed), [3, 4]
    for _ in range(length - 2):
        usual = 3 + (found[-1] * 5 + found[-2] * 3) % (size - 3)
        found.append(usual if rng.random() < 0.8 else rng.randrange(3, size))
    return found


def windows_of(rows: Any, which: Sequence[int]) -> list[list[int]]:
    """The tokens before each place of some rows, as a batch has them outside of training."""
    passages = rows.arrays[KEY]
    values, ends, low = (part.tolist() for part in (passages.values, passages.ends, passages.low))
    found = []
    for row in which:
        start = ends[row - 1] if row else 0
        first = START if start == low[row] else values[start - 1]
        found.append([first, *values[start : ends[row] - 1]])
    return found


def pieces_without(rows: Any, train: Sequence[int], gone: set[int]) -> list[list[int]]:
    """The pieces of the training rows' text, START before a document, cut where places are left out."""
    passages = rows.arrays[KEY]
    values, ends, low = (part.tolist() for part in (passages.values, passages.ends, passages.low))
    found: list[list[int]] = []
    after = -1
    for row in sorted(train):
        start = ends[row - 1] if row else 0
        for place in range(start, ends[row]):
            if place in gone:
                continue
            if place == low[row]:
                found.append([START])
            elif place != after:
                found.append([])
            found[-1].append(values[place])
            after = place + 1
    return found


def places_of_fold(rows: Any, own: Sequence[int]) -> set[int]:
    """All that windows of some rows may hold: each begins less than a window before its row, in its document."""
    passages = rows.arrays[KEY]
    ends, low, reach = passages.ends.tolist(), passages.low.tolist(), passages.span
    found: set[int] = set()
    for row in own:
        start = ends[row - 1] if row else 0
        stop = max(end for end, first in zip(ends, low, strict=True) if first == low[row])
        found |= set(range(max(start - reach + 1, low[row]), min(max(ends[row], start + reach), stop)))
    return found


# -- what it says


@given(some_documents, st.integers(2, 5), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_it_is_plain_counting(documents: Documents, most: int, draw: random.Random) -> None:
    rows = token_data(documents, 8)
    every = range(len(rows.arrays[KEY].ends))
    train = [row for row in every if draw.random() < 0.8] or [0]
    part = solved_part(rows, train, [], SIZE, most=most)
    plain = PlainNgrams(pieces_without(rows, train, set()), part.order, SIZE)
    windows = [[draw.randrange(0, SIZE) for _ in range(draw.randrange(1, 12))] for _ in range(4)]
    windows += [window for window in windows_of(rows, every) if window]
    said = part(window_batch(windows))
    assert said.dtype == torch.float32
    assert said.exp().sum(-1) == pytest.approx(1, abs=1e-6)
    for window, own in zip(windows, said, strict=True):
        assert own[: len(window)].numpy() == pytest.approx(plain.log_chances(window), abs=2e-6)


@given(some_documents, st.integers(2, 5), st.integers(1, 4), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_a_row_in_training_is_answered_without_its_own_text(
    documents: Documents, most: int, folds: int, draw: random.Random
) -> None:
    """As by plain counting of what is left when all that a window of the row's fold may hold is taken away."""
    rows = token_data(documents, 6)
    every = range(len(rows.arrays[KEY].ends))
    train = [row for row in every if draw.random() < 0.8] or [0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counted_ngrams, "FOLDS", folds)
        part = solved_part(rows, train, [], SIZE, most=most).train()
    assert [row for row in every if part.fold[row]] == train
    window = [draw.randrange(1, SIZE) for _ in range(10)]
    said = part(window_batch([window] * len(every), list(every)))
    assert said.exp().sum(-1) == pytest.approx(1, abs=1e-6)
    for row in every:
        own = [other for other in train if part.fold[other] == part.fold[row]] if row in train else []
        plain = PlainNgrams(pieces_without(rows, train, places_of_fold(rows, own)), part.order, SIZE)
        assert said[row].numpy() == pytest.approx(plain.log_chances(window), abs=2e-6)


def test_rows_shorter_than_a_window_are_left_out_as_far_as_windows_reach() -> None:
    rows = token_data([some_text(60), some_text(21, 1)], 3)
    rows.arrays[KEY].span = 8
    train = list(range(len(rows.arrays[KEY].ends)))
    part = solved_part(rows, train, [], SIZE, most=4).train()
    assert int(part.fold.max()) == 8
    window = some_text(12, 5)
    said = part(window_batch([window] * len(train), train))
    for row in train:
        own = [other for other in train if part.fold[other] == part.fold[row]]
        plain = PlainNgrams(pieces_without(rows, train, places_of_fold(rows, own)), part.order, SIZE)
        assert said[row].numpy() == pytest.approx(plain.log_chances(window), abs=2e-6)


def test_what_a_fold_holds_does_not_change_its_own_answers() -> None:
    text = some_text(400)
    rows = token_data([text], 10)
    train = list(range(40))
    part = solved_part(rows, train, [], SIZE, most=5)
    own = [row for row in train if int(part.fold[row]) == 3]
    assert own == list(range(own[0], own[0] + len(own)))
    other = text.copy()
    # The fold's rows and as much before them as windows reach: a window has ten tokens.
    other[own[0] * 10 - 9 : own[-1] * 10 + 10] = some_text(len(own) * 10 + 9, 77)
    changed = solved_part(token_data([other], 10), train, [], SIZE, most=5)
    batch = window_batch([some_text(30, 5)] * 40, train)
    before, after = part.train()(batch), changed.train()(batch)
    assert torch.equal(before[own], after[own])
    rest = [row for row in train if row not in own]
    assert (before[rest] - after[rest]).abs().amax((1, 2)).min() > 1e-3, "all others see the change"
    assert not torch.equal(part.eval()(batch), changed.eval()(batch))
    # One token further it is another fold's.
    other[own[0] * 10 - 10] = 3 + (other[own[0] * 10 - 10] - 2) % (SIZE - 3)
    more = solved_part(token_data([other], 10), train, [], SIZE, most=5).train()(batch)
    assert not torch.equal(more[own], after[own])


def test_outside_of_training_all_rows_see_all_counts() -> None:
    rows = token_data([some_text(300)], 10)
    part = solved_part(rows, range(20), [], SIZE, most=4)
    batch = window_batch([some_text(30, 5)] * 30, list(range(30)))
    plain = part(batch)
    assert torch.equal(plain, plain[:1].expand_as(plain))
    learning = part.train()(batch)
    assert torch.equal(learning[20:], plain[20:]), "rows that nothing was learned from"
    assert (learning[:20] - plain[:20]).abs().amax((1, 2)).min() > 1e-4


def test_documents_are_never_joined() -> None:
    part = solved_part(token_data([[3, 3, 3], [4, 4, 4]], 8), [0, 1], [], SIZE, most=3)
    levels = part.ngrams
    pairs = [divmod(key, SIZE) for key in levels[0].keys.tolist()]
    assert pairs == [(START, 3), (START, 4), (3, 3), (4, 4)]
    assert [pairs[node] + (token,) for node, token in (divmod(key, SIZE) for key in levels[1].keys.tolist())] == [
        (START, 3, 3),
        (START, 4, 4),
        (3, 3, 3),
        (4, 4, 4),
    ]


def test_rows_with_a_gap_between_them_are_not_joined_either() -> None:
    rows = token_data([[3] * 4 + [4] * 4 + [5] * 4], 4)
    pairs = [divmod(key, SIZE) for key in solved_part(rows, [0, 2], [], SIZE, most=2).ngrams[0].keys.tolist()]
    assert pairs == [(START, 3), (3, 3), (5, 5)]


# -- small and odd texts


@pytest.mark.parametrize("documents", [[[3]], [[3, 4]], [[], [3, 4, 3], []], [[], [5]]])
def test_texts_shorter_than_the_order(documents: Documents) -> None:
    rows = token_data(documents, 8)
    every = range(len(documents))
    part = solved_part(rows, every, every, SIZE)
    assert part.order <= 1 + max(map(len, documents))
    plain = PlainNgrams([[START, *document] for document in documents], part.order, SIZE)
    window = [START, 3, 4, 3, 6]
    said = part(window_batch([window]))
    assert said[0].numpy() == pytest.approx(plain.log_chances(window), abs=2e-6)
    # With everything left out all tokens are as likely.
    learning = part.train()(window_batch([window] * len(documents), list(every)))
    alone = [row for row in every if len(documents) == 1]
    assert learning[alone].exp().numpy() == pytest.approx(1 / SIZE)
    assert learning.isfinite().all()


def test_a_single_token_in_the_middle_of_a_document() -> None:
    part = solved_part(token_data([[3, 4, 5]], 1), [1], [], SIZE)
    assert part.order == 1
    assert part.ngrams == []
    said = part(window_batch([[START, 3], [6]]))
    assert said.exp().sum(-1) == pytest.approx(1, abs=1e-6)
    assert (said.argmax(-1) == 4).all()
    last, state = part.step(torch.tensor([3]), part.start(1))
    assert torch.equal(last, said[:1, 1])
    assert state.tolist() == [[0]]


def test_tokens_that_were_never_seen_have_a_chance() -> None:
    part = solved_part(token_data([some_text(300, size=5)], 10), range(30), [], 5000, most=4)
    said = part(window_batch([[4999, 3, 4999, 4], [START, 3, 4, 3]]))
    assert said.isfinite().all()
    assert said.double().exp().sum(-1) == pytest.approx(1, abs=1e-6)
    assert said.amin() < -10
    unseen = said[:, :, 5:]
    assert (unseen == unseen[:, :, :1]).all()


def test_one_token_again_and_again() -> None:
    part = solved_part(token_data([[3] * 200_000], 1000), range(200), range(200), SIZE)
    said = part(window_batch([[3] * 20]))
    assert said.isfinite().all()
    assert said.exp().sum(-1) == pytest.approx(1, abs=1e-6)
    assert said[0, -1, 3] > -1e-4


# -- the order


def test_the_order_is_chosen_on_validation() -> None:
    rows = token_data([some_text(4000)], 50)
    part = solved_part(rows, range(70), range(70, 80), SIZE)
    facts = part.facts()
    losses = {int(order): loss for order, loss in facts["losses"].items()}
    assert facts["order"] == part.order == 3, "what comes next depends on two tokens"
    assert set(losses) == set(range(2, 9))
    assert losses[3] == min(losses.values())
    assert facts["tokens"] == 3500
    assert facts["folds"] == 8
    # What it says of the same rows, by what it answers.
    for order in (2, 3, 5):
        own = solved_part(rows, range(70), [], SIZE, most=order)
        windows = windows_of(rows, range(70, 80))
        said = own(window_batch(windows))
        true = rows.arrays[KEY].values[3500:].view(10, 50).long()
        assert float(-said.gather(2, true.unsqueeze(2)).mean()) == pytest.approx(losses[order], abs=1e-6)


def test_without_validation_the_order_is_the_usual_one() -> None:
    rows = token_data([some_text(4000)], 50)
    assert solved_part(rows, range(80), [], SIZE).order == 6
    assert solved_part(rows, range(80), [], SIZE, most=4).order == 4


def test_little_time_makes_a_low_order_and_little_room_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = token_data([some_text(4000)], 50)
    part = solved_part(rows, range(70), range(70, 80), SIZE)
    train = np.arange(70)
    assert part.within(rows, train, 80, 1e9)["most"] == 8
    assert part.within(rows, train, 80, 0.0)["most"] == 2
    monkeypatch.setattr(counted_ngrams, "MOST_BYTES", 12_000)
    small = solved_part(rows, range(70), [], SIZE)
    monkeypatch.undo()
    larger = solved_part(rows, range(70), [], SIZE, most=small.order + 1)
    assert level_bytes(small) <= 12_000 < level_bytes(larger)


def level_bytes(part: CountedNgrams) -> int:
    tensors = part.levels.state_dict()
    return sum(value.nbytes for name, value in tensors.items() if not name.endswith("discounts"))


# -- one token after the other


@pytest.mark.parametrize("most", [1, 2, 3, 6])
def test_a_step_is_a_place_of_forward(most: int) -> None:
    part = solved_part(token_data([some_text(2000)], 50), range(40), [], SIZE, most=most)
    windows = [[START, *some_text(30, seed)] for seed in range(3)] + [[6, 5, 6, 3] * 7 + [0, 0, 0]]
    batch = window_batch(windows)
    whole = part(batch)
    tokens = batch.inputs[KEY].values  # type: ignore[union-attr]
    state = part.start(4)
    for t in range(tokens.shape[1]):
        said, state = part.step(tokens[:, t], state)
        assert torch.equal(said, whole[:, t])
    cut, state = part.read(tokens[:, :11], part.start(4))
    rest, state = part.read(tokens[:, 11:], state)
    assert torch.equal(torch.cat([cut, rest], 1), whole)
    assert torch.equal(state, part.read(tokens, part.start(4))[1])


def test_many_places_are_answered_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    part = solved_part(token_data([some_text(2000)], 50), range(40), [], SIZE, most=5).train()
    batch = window_batch([[START, *some_text(49, seed)] for seed in range(12)], list(range(12)))
    whole = part(batch)
    monkeypatch.setattr(model, "PLACES_AT_ONCE", 37)
    assert torch.equal(part(batch), whole)


# -- files


def file_tensors(part: CountedNgrams) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in part.state_dict().items()}


def test_saved_and_loaded_it_answers_the_same_from_the_same_bytes(tmp_path: Path) -> None:
    rows = token_data([some_text(2000)], 50)
    part = solved_part(rows, range(30), range(30, 40), SIZE)
    packed = pack_tensors(file_tensors(part), {"name": part.name})
    assert packed == pack_tensors(file_tensors(solved_part(rows, range(30), range(30, 40), SIZE)), {"name": part.name})
    field = text_field(SIZE)
    again = CountedNgrams([field], [field], **part.config()["settings"])
    tensors, _ = unpack_tensors(packed, tmp_path)
    check_tensors(again.state_dict(), tensors, tmp_path)
    check_part(again, tensors, tmp_path)
    copy_into(again.state_dict(), {name: torch.from_numpy(value) for name, value in tensors.items()})
    batch = window_batch([some_text(40, 5)] * 40, list(range(40)))
    for one, other in ((again.train(), part.train()), (again.eval(), part.eval())):
        assert torch.equal(one(batch), other(batch))
    assert pack_tensors(file_tensors(again), {"name": again.name}) == packed


HARM: list[tuple[str, Any, float, str]] = [
    ("levels.0.keys", 0, -1, "levels.0.keys are not sorted"),
    ("levels.1.keys", 1, 0, "levels.1.keys are not sorted"),
    ("levels.1.keys", -1, 1 << 60, "levels.1.keys are not sorted"),
    ("levels.1.starts", 2, 1 << 30, "levels.1.starts are not where"),
    ("levels.1.starts", -1, -1, "levels.1.starts are not where"),
    ("levels.0.counts", (0, 3), -2, "levels.0.counts are below 0"),
    ("levels.1.counts", (0, 3), -(1 << 31), "levels.1.counts are below 0"),
    ("levels.1.less_keys", 0, -1, "levels.1.less_keys are not sorted"),
    ("levels.1.less_keys", -1, (1 << 31) - 1, "levels.1.less_keys are not sorted"),
    ("levels.1.less_keys", 3, 0, "levels.1.less_keys are not sorted"),
    ("levels.1.less_keys", 0, 0, "levels.1.less is more than there is"),
    ("levels.1.less", 0, 1 << 20, "levels.1.less is more than there is"),
    ("levels.0.less", 0, 0, "levels.0.less is more than there is"),
    ("levels.0.less", 0, -4, "levels.0.less is more than there is"),
    ("levels.0.discounts", (0, 0), 0.5, "levels.0.discounts are not"),
    ("levels.0.discounts", (1, 2), 0, "levels.0.discounts are not"),
    ("levels.0.discounts", (1, 2), 2.5, "levels.0.discounts are not"),
    ("levels.0.discounts", (1, 2), float("nan"), "levels.0.discounts are not"),
    ("first", (0, 2), 0, "first holds no probabilities"),
    ("first", (0, 2), float("nan"), "first holds no probabilities"),
    ("first", (1, 2), 0.9, "first holds no probabilities"),
    ("fold", 0, 9, "fold holds other numbers"),
    ("fold", 0, -1, "fold holds other numbers"),
]


@pytest.mark.parametrize(("name", "place", "value", "what"), HARM)
def test_tables_that_no_counting_gives_are_refused(
    name: str, place: Any, value: float, what: str, tmp_path: Path
) -> None:
    rows = token_data([some_text(2000)], 50)
    part = solved_part(rows, range(40), [], SIZE, most=3)
    tensors = file_tensors(part)
    check_part(part, tensors, tmp_path)
    tensors[name][place] = value
    with pytest.raises(PellucidError, match=rf"it is damaged \({what}") as error:
        check_part(part, tensors, tmp_path)
    assert str(tmp_path / "solved.safetensors") in str(error.value)


@given(st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_a_table_that_is_not_refused_answers(draw: random.Random) -> None:
    """Any numbers in any places: they are refused, or what is said is finite and nothing is read elsewhere."""
    rows = token_data([some_text(200)], 20)
    part = solved_part(rows, range(10), [], SIZE, most=4)
    tensors = file_tensors(part)
    for _ in range(draw.randrange(1, 4)):
        harmed = tensors[draw.choice([name for name in tensors if tensors[name].size])].reshape(-1)
        place = draw.randrange(len(harmed))
        harmed[place] = draw.choice([0, 1, 2, harmed[place] + harmed.dtype.type(1), 100])
    try:
        part.check_values(tensors)
    except FormError:
        return
    copy_into(part.state_dict(), {name: torch.from_numpy(value) for name, value in tensors.items()})
    said = part.train()(window_batch([some_text(30, 5)] * 10, list(range(10))))
    assert said.isfinite().all()
    assert (said < 1e-3).all()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"most": 9}, "most is 9"),
        ({"most": 0}, "most is 0"),
        ({"folds": 101}, "folds is 101"),
        ({"rows": -1}, "rows is -1"),
        ({"rows": 1.5}, "rows is 1.5"),
        ({"nodes": [0], "less": [0]}, r"nodes\[0\] is 0"),
        ({"nodes": [5], "less": [-1]}, r"less\[0\] is -1"),
        ({"nodes": [5], "less": []}, "nodes and counted n-grams.less are not of one order"),
        ({"nodes": "5", "less": [1]}, "nodes is '5', not a list"),
        ({"nodes": [1 << 31], "less": [1]}, r"nodes\[0\] is 2147483648"),
        ({"nodes": [5] * 8, "less": [5] * 8}, "nodes has 8 entries"),
        ({"nodes": [1 << 30, 1], "less": [1, 1], "folds": 8}, "nodes are more than can be counted"),
    ],
)
def test_sizes_that_no_counting_gives_are_refused(settings: dict[str, Any], what: str) -> None:
    field = text_field(SIZE)
    with torch.device("meta"), pytest.raises(FormError, match=rf"^counted n-grams\.{what}"):
        CountedNgrams([field], [field], **settings)


@pytest.mark.parametrize("size", [0, 1 << 21])
def test_a_vocabulary_that_none_has_is_refused(size: int) -> None:
    field = text_field(size)
    with pytest.raises(FormError, match=r"^counted n-grams\.size is"):
        CountedNgrams([field], [field])


# -- what it suits


def test_it_suits_texts_that_are_gone_on_with() -> None:
    output = OUTPUTS["category"]
    text = Field("text", "passage", "target", state={"size": SIZE})
    assert CountedNgrams.suits([text], [text], output)
    assert SOLVED["counted n-grams"] is CountedNgrams
    title, label = Field("title", "text"), Field("label", "category", "target")
    assert CountedNgrams.suits([title], [label], output) is None
    assert CountedNgrams.suits([text, title], [text], output) is None
    assert CountedNgrams.suits([text], [text, label], output) is None
    # A text for a text is translated, not gone on with.
    assert CountedNgrams.suits([title], [Field("other", "text", "target")], output) is None


def test_its_settings_are_those_of_what_was_solved() -> None:
    part = solved_part(token_data([some_text(2000)], 50), range(30), range(30, 40), SIZE)
    own = part.config()["settings"]
    assert own["rows"] == 40
    assert own["folds"] == 8
    assert own["nodes"] == [level.nodes for level in part.ngrams]
    assert own["less"] == [len(level.less) for level in part.ngrams]
    assert part.answers == SIZE
    assert not list(part.parameters())


def test_orders_are_told_apart_and_the_highest_is_what_it_says() -> None:
    part = solved_part(token_data([some_text(2000)], 50), range(40), [], SIZE, most=5).train()
    # Seven tokens in a text of 2,000: the order that foretells them is high enough to have others below it.
    batch = window_batch([[START, *some_text(49, seed)] for seed in range(4)], list(range(4)))
    several = part.several(batch)
    assert several.shape == (4, 50, part.answer_count, SIZE)
    assert part.answer_count == (part.order + 1) // 2 >= 2
    assert torch.equal(part.last(several), part(batch))
    torch.testing.assert_close(several.exp().sum(-1), torch.ones(4, 50, part.answer_count))
    # The order below the highest by two says what a model says that was made of that order.
    tokens = batch.inputs[KEY].values
    assert torch.equal(part.read(tokens, part.start(4))[0], part.read_orders(tokens, part.start(4))[0][:, :, -1])
    lower = several[:, :, -2]
    assert not torch.allclose(lower, several[:, :, -1], atol=0.01)
