"""From probabilities of tokens to texts: drawing, beam search, CTC and where to stop, beside brute force."""

import doctest
import itertools
import random
import time
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.decoding import beam, ctc, sampling, stop
from pellucid.decoding.beam import BeamSearch, best_places, length_penalty
from pellucid.decoding.ctc import collapse_path, find_best_paths, search_prefixes
from pellucid.decoding.hypothesis import NOTHING
from pellucid.decoding.sampling import choose_tokens, draw_numbers, token_probabilities
from pellucid.decoding.stop import PieceStream, byte_letters, piece_bytes
from pellucid.errors import PellucidError, UsageError

NOT_FINITE = "no next token has a probability: the network's numbers are not finite\n  train again"


@pytest.mark.parametrize("module", [beam, ctc, sampling, stop])
def test_examples_in_docstrings(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


# -- sampling

DRAWN = [491, 607, 878, 371]

LOGITS = np.log(np.array([[0.5, 0.2, 0.25, 0.05]]))


def shares(n: int = 20_000, **how: float) -> np.ndarray:
    """How often each of four tokens is drawn by as many examples."""
    drawn = choose_tokens(np.repeat(LOGITS, n, 0), np.arange(n), 3, seed=1, **how)
    return np.bincount(drawn, minlength=4) / n


def test_tokens_are_drawn_by_their_probabilities() -> None:
    # Five standard deviations of 20,000 draws.
    assert shares() == pytest.approx(np.exp(LOGITS[0]), abs=0.018)
    cold = np.exp(LOGITS[0]) ** 2
    assert shares(temperature=0.5) == pytest.approx(cold / cold.sum(), abs=0.018)
    hot = np.exp(LOGITS[0]) ** 0.5
    assert shares(temperature=2.0) == pytest.approx(hot / hot.sum(), abs=0.018)
    assert shares(temperature=0).tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("share", "kept"), [(0.3, [0]), (0.5, [0]), (0.6, [0, 2]), (0.76, [0, 1, 2]), (0.96, [0, 1, 2, 3]), (1e-9, [0])]
)
def test_top_p_keeps_the_fewest_likely_tokens_that_have_the_share(share: float, kept: list[int]) -> None:
    found = shares(2000, top_p=share)
    assert np.flatnonzero(found).tolist() == kept
    own = np.exp(LOGITS[0])[kept]
    assert found[kept] == pytest.approx(own / own.sum(), abs=0.06)


def test_what_is_drawn_is_the_same_alone_and_in_a_batch_in_any_order_at_any_step() -> None:
    rng = np.random.default_rng(0)
    logits, examples, steps = rng.normal(size=(50, 30)) * 3, rng.permutation(50), rng.integers(0, 5, 50)
    whole = choose_tokens(logits, examples, steps, seed=4, temperature=0.9, top_p=0.95)
    for i in range(50):
        alone = choose_tokens(
            logits[i : i + 1], examples[i : i + 1], int(steps[i]), seed=4, temperature=0.9, top_p=0.95
        )
        assert alone[0] == whole[i]
    assert (choose_tokens(logits, examples, steps, seed=5, temperature=0.9, top_p=0.95) != whole).any()
    assert (choose_tokens(logits, examples, steps + 1, seed=4, temperature=0.9, top_p=0.95) != whole).any()
    assert (choose_tokens(logits, examples + 1, steps, seed=4, temperature=0.9, top_p=0.95) != whole).any()


def test_numbers_of_examples_and_steps_are_unrelated() -> None:
    table = np.stack([draw_numbers(np.arange(300), step, seed=0) for step in range(300)])
    assert table.min() >= 0
    assert table.max() < 1
    assert table.mean() == pytest.approx(0.5, abs=0.005)
    assert len(np.unique(table)) == table.size, "no two examples share a number, at whichever steps"
    for one, other in ((table[:-1], table[1:]), (table[:, :-1], table[:, 1:]), (table[:-1, :-1], table[1:, 1:])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_what_is_drawn_never_changes_between_versions() -> None:
    logits = np.zeros((4, 1000))
    assert choose_tokens(logits, np.arange(4), np.array([0, 1, 2, 300]), seed=7).tolist() == DRAWN


@pytest.mark.filterwarnings("error")
def test_impossible_tokens_are_never_drawn_and_extreme_numbers_do_no_harm() -> None:
    logits = np.array([[-np.inf, 0.0, -np.inf, 0.0, -np.inf]])
    drawn = {int(choose_tokens(logits, np.array([0]), step, seed=0)[0]) for step in range(100)}
    assert drawn == {1, 3}
    huge = np.array([[1e300, -1e300, 1e300 * 0.999]])
    assert choose_tokens(huge, np.array([0]), 0, seed=0, temperature=1e-300).tolist() == [0]
    assert (token_probabilities(huge, 1e-300, 0.5) == [[1, 0, 0]]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_said(bad: float) -> None:
    with pytest.raises(PellucidError) as error:
        choose_tokens(np.array([[0.0, 1.0], [0.0, bad]]), np.arange(2), 0, seed=0, temperature=0)
    assert str(error.value) == NOT_FINITE


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"temperature": -1.0}, "the temperature is -1\n  choose one from 0 (always the likeliest) on: 0.8"),
        ({"temperature": np.nan}, "the temperature is nan\n  choose one from 0 (always the likeliest) on: 0.8"),
        ({"top_p": 0.0}, "top-p is 0\n  choose a share above 0, at most 1: 0.9"),
        ({"top_p": 1.5}, "top-p is 1.5\n  choose a share above 0, at most 1: 0.9"),
    ],
)
def test_settings_that_mean_nothing_are_refused(how: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError) as error:
        choose_tokens(LOGITS, np.arange(1), 0, seed=0, **how)
    assert str(error.value) == message


# -- beam search

END = 0


class Texts:
    """A made network: what comes next depends on all tokens before, of each example in its own way."""

    def __init__(self, size: int, seed: int, longest: int, beams: int, penalty: float):
        self.size, self.seed = size, seed
        self.search = BeamSearch(self.step, self.select, END, longest, beams, penalty)

    def chances(self, tokens: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng([self.seed, *tokens])
        return np.log(rng.dirichlet(np.ones(self.size)))

    def step(self, last: np.ndarray, state: list[tuple[int, ...]]) -> tuple[np.ndarray, list[tuple[int, ...]]]:
        after = [(*own, int(token)) for own, token in zip(state, last, strict=True)]
        return np.stack([self.chances(own) for own in after]), after

    def select(self, state: list[tuple[int, ...]], rows: np.ndarray) -> list[tuple[int, ...]]:
        return [state[row] for row in rows]

    def every(self, first: int) -> dict[tuple[int, ...], tuple[float, float]]:
        """All texts, each with its log-probability and score: those that end, and those as long as is allowed."""
        found, longest = {}, self.search.longest
        for length in range(1, longest + 1):
            for text in itertools.product(range(1, self.size), repeat=length - 1):
                ways = [(END,)] if length < longest else [(token,) for token in range(self.size)]
                for way in ways:
                    whole = (first, *text, *way)
                    total = sum(self.chances(whole[:i])[whole[i]] for i in range(1, len(whole)))
                    found[(*text, *(way if way != (END,) else ()))] = (
                        total,
                        total / length_penalty(length, self.search.penalty),
                    )
        return found


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_beam_wide_enough_finds_the_best_of_all_texts(size: int, penalty: float) -> None:
    texts = Texts(size, seed=size, longest=4, beams=size**4, penalty=penalty)
    first = np.array([5, 6, 7])
    for most in (1, 3, size**4):
        found = texts.search.search([(), (), ()], first, most)
        for start, own in zip(first, found, strict=True):
            every = texts.every(int(start))
            best = sorted(every, key=lambda text: -every[text][1])[:most]
            assert [one.tokens for one in own] == best
            for one in own:
                assert (one.log_probability, one.score) == pytest.approx(every[one.tokens])
                assert one.ended == (len(one.tokens) < 4)
            if most == size**4:
                assert len(own) == len(every) > 10 or size == 2


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_a_beam_of_one_is_greedy(penalty: float) -> None:
    ended = 0
    for seed in range(40):
        texts = Texts(4, seed, longest=6, beams=1, penalty=penalty)
        greedy: tuple[int, ...] = (9,)
        total = 0.0
        while len(greedy) <= 6 and greedy[-1] != END:
            chances = texts.chances(greedy)
            greedy, total = (*greedy, int(chances.argmax())), total + chances.max()
        [[found]] = texts.search.search([()], np.array([9]))
        assert found.tokens == tuple(token for token in greedy[1:] if token != END)
        assert found.log_probability == pytest.approx(total)
        assert found.ended == (greedy[-1] == END)
        ended += found.ended
    assert 5 < ended < 40, "some end, some are cut off"


def test_a_wider_beam_finds_likelier_texts_and_examples_do_not_meddle() -> None:
    first = np.arange(20)
    totals = []
    for beams in (1, 2, 4, 8):
        texts = Texts(5, seed=3, longest=8, beams=beams, penalty=0.0)
        together = texts.search.search([()] * 20, first, beams)
        for i in range(20):
            assert texts.search.search([()], first[i : i + 1], beams)[0] == together[i]
            assert len({one.tokens for one in together[i]}) == len(together[i])
        totals.append(np.mean([own[0].log_probability for own in together]))
    assert totals[0] < totals[1] <= totals[2] <= totals[3]


def test_a_length_penalty_prefers_longer_texts() -> None:
    found = [Texts(4, 3, 8, 6, penalty).search.search([()] * 30, np.arange(30)) for penalty in (0.0, 2.0)]
    lengths = [np.mean([len(own[0].tokens) for own in every]) for every in found]
    assert lengths[0] + 0.3 < lengths[1]


def test_as_many_texts_are_followed_after_one_has_ended() -> None:
    chances = np.log([[0.4, 0.35, 0.25], [0.3, 0.35, 0.35], [0.99, 0.005, 0.005]])
    search = BeamSearch(lambda last, state: (chances[last], state), lambda state, rows: state, END, 4, 2, penalty=0)
    [found] = search.search(None, np.array([0]), most=2)
    assert [one.tokens for one in found] == [(), (2,)]


def test_where_nothing_can_come_next_there_is_no_text() -> None:
    def step(last: np.ndarray, state: None) -> tuple[np.ndarray, None]:
        return np.full((len(last), 3), -np.inf), None

    search = BeamSearch(step, lambda state, rows: None, END, 5)
    with pytest.raises(PellucidError) as error:
        search.search(None, np.array([1, 1]))
    assert str(error.value) == NOT_FINITE
    assert search.search(None, np.array([1, 1]), strict=False) == [[NOTHING], [NOTHING]]
    assert search.search(None, np.zeros(0, np.int64)) == []


@pytest.mark.parametrize("broken", [np.nan, -np.inf])
def test_of_numbers_that_are_not_finite_no_text_is_found_and_others_are_as_before(broken: float) -> None:
    rng = np.random.default_rng(4)
    chances, lengths = np.log(rng.dirichlet(np.ones(5), (3, 6))), np.full(3, 6)
    chances[1, 2] = broken
    for find in (find_best_paths, search_prefixes):
        with pytest.raises(PellucidError) as error:
            find(chances, lengths)
        assert str(error.value) == NOT_FINITE
        found = find(chances, lengths, strict=False)
        assert found[1] == (NOTHING if find is find_best_paths else [NOTHING])
        assert [found[0], found[2]] == find(chances[[0, 2]], lengths[[0, 2]])

    def step(last: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return chances[which, 2], which

    search = BeamSearch(step, lambda which, rows: which[rows], END, 4, 2)
    every = search.search(np.array([0, 1, 2]), np.array([9, 9, 9]), strict=False)
    assert [own == [NOTHING] for own in every] == [False, True, False]


def test_a_search_stops_when_nothing_can_get_better() -> None:
    steps = []

    def step(last: np.ndarray, state: None) -> tuple[np.ndarray, None]:
        steps.append(len(last))
        return np.log(np.tile([0.9, 0.06, 0.04], (len(last), 1))), None

    [[best]] = BeamSearch(step, lambda state, rows: None, END, 50, penalty=0.0).search(None, np.array([1]))
    assert best.tokens == ()
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"beams": 0}, "0 beams find nothing\n  choose at least 1 beam"),
        ({"longest": 0}, "a text of at most 0 tokens is none\n  allow at least 1 token"),
        ({"penalty": -0.5}, "the length penalty is -0.5\n  choose one from 0 (none) on: 0.6"),
    ],
)
def test_searches_that_find_nothing_are_refused(how: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError) as error:
        BeamSearch(lambda last, state: (last, state), lambda state, rows: state, **{"end": 0, "longest": 5, **how})
    assert str(error.value) == message


def test_the_best_places_are_in_order_and_ties_go_by_place() -> None:
    values = np.array([[1.0, 3, 3, 0, 2], [5, 5, 5, 5, 5]])
    place, own = best_places(values, 3)
    assert place[0].tolist() == [1, 2, 4]
    assert own.tolist() == [[3, 3, 2], [5, 5, 5]]
    assert best_places(values, 9)[0].tolist() == [[1, 2, 4, 0, 3], [0, 1, 2, 3, 4]]


def test_of_many_equal_places_the_first_are_best() -> None:
    assert best_places(np.zeros((1, 1000)), 3)[0].tolist() == [[0, 1, 2]]
    rng = np.random.default_rng(5)
    for many in (1000, 4096):
        values = rng.integers(0, 40, (6, many)).astype(float)
        values[0], values[1, :-2], values[2, ::3] = -np.inf, -np.inf, np.nan
        known = np.where(np.isnan(values), -np.inf, values)
        for most in (1, 8, 130):
            place, own = best_places(values, most)
            assert np.array_equal(place, np.argsort(-known, axis=1, kind="stable")[:, :most])
            assert np.array_equal(own, np.take_along_axis(known, place, 1))


# -- CTC


def every_text(chances: np.ndarray, blank: int) -> dict[tuple[int, ...], float]:  # (T, V)
    """All texts, each with the probability of all its paths together."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(chances.shape[1]), repeat=len(chances)):
        text = tuple(token for token, _ in itertools.groupby(path) if token != blank)
        own = float(np.exp(sum(chances[t, token] for t, token in enumerate(path))))
        found[text] = found.get(text, 0.0) + own
    return {text: chance for text, chance in found.items() if chance > 0}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("context", [None, 1])
@pytest.mark.parametrize("added", [False, True])
def test_a_prefix_beam_wide_enough_finds_all_texts(added: bool, context: int | None) -> None:
    rng = np.random.default_rng(0)
    for trial in range(12):
        examples, frames, size = 3, int(rng.integers(1, 6)), int(rng.integers(2, 4))
        blank = trial % size
        chances, lengths = rng.dirichlet(np.ones(size), (examples, frames)), rng.integers(0, frames + 1, examples)
        chances[0, 0, trial % 2] = 0
        with np.errstate(divide="ignore"):
            chances = np.log(chances)
        table = rng.normal(size=(size, size))
        table[0, 1] = -np.inf

        def add(texts: list[tuple[int, ...]], table: np.ndarray = table, blank: int = blank) -> np.ndarray:
            return np.array([table[text[-1] if text else blank] for text in texts])

        found = search_prefixes(
            chances, lengths, blank=blank, beams=300, most=300, add=add if added else None, context=context,
            strict=not added,
        )  # fmt: skip
        # What is added may rule out every text of an example.
        found = [[one for one in own if one is not NOTHING] for own in found]
        for i in range(examples):
            every = every_text(chances[i, : lengths[i]], blank)
            more = dict.fromkeys(every, 0.0)
            if added:
                for text in every:
                    more[text] = sum(table[a, b] for a, b in zip((blank, *text), (*text, blank), strict=True))
            scores = {text: np.log(chance) + more[text] for text, chance in every.items() if more[text] > -np.inf}
            best = sorted(scores, key=lambda text: -scores[text])
            assert [one.tokens for one in found[i]] == best
            assert [one.score for one in found[i]] == pytest.approx([scores[text] for text in best])
            assert [one.log_probability for one in found[i]] == pytest.approx([np.log(every[text]) for text in best])


def test_greedy_ctc_follows_the_best_path() -> None:
    rng = np.random.default_rng(1)
    chances, lengths = np.log(rng.dirichlet(np.ones(4), (6, 9))), np.array([9, 0, 3, 9, 8, 1])
    for i, one in enumerate(find_best_paths(chances, lengths, blank=2)):
        path = chances[i, : lengths[i]].argmax(1)
        assert one.tokens == tuple(token for token, _ in itertools.groupby(path.tolist()) if token != 2)
        assert one.log_probability == pytest.approx(chances[i, : lengths[i]].max(1).sum())
    assert collapse_path([], 0) == ()
    assert collapse_path([3, 3, 0, 3], 0) == (3, 3)


def test_a_narrow_prefix_beam_is_as_good_as_greedy_and_examples_do_not_meddle() -> None:
    rng = np.random.default_rng(2)
    chances, lengths = np.log(rng.dirichlet(np.ones(6) * 0.4, (12, 30))), rng.integers(5, 31, 12)
    greedy, found = find_best_paths(chances, lengths), search_prefixes(chances, lengths, beams=8, most=3)
    better = 0
    for i in range(12):
        own = search_prefixes(chances[i : i + 1, : lengths[i]], lengths[i : i + 1], beams=8, most=3)[0]
        assert [one.tokens for one in own] == [one.tokens for one in found[i]]
        assert own[0].score >= own[1].score >= own[2].score
        better += own[0].tokens != greedy[i].tokens
    assert better >= 3


def test_what_is_added_can_turn_a_text() -> None:
    # "a" and "b" sound the same; after "a", a second "a" is what the counts know.
    chances = np.log(np.array([[[0.02, 0.96, 0.02], [0.98, 0.01, 0.01], [0.1, 0.44, 0.46]]]))
    assert search_prefixes(chances, np.array([3]))[0][0].tokens == (1, 2)

    def add(texts: list[tuple[int, ...]]) -> np.ndarray:
        return np.log(np.array([[0.3, 0.6, 0.1] if text[-1:] == (1,) else [0.3, 0.35, 0.35] for text in texts]))

    assert search_prefixes(chances, np.array([3]), add=add)[0][0].tokens == (1, 1)


def test_no_examples_and_no_frames_are_no_trouble() -> None:
    assert search_prefixes(np.zeros((0, 5, 3)), np.zeros(0, np.int64)) == []
    [[one]] = search_prefixes(np.zeros((1, 0, 3)), np.zeros(1, np.int64))
    assert (one.tokens, one.log_probability) == ((), 0.0)
    with pytest.raises(UsageError) as error:
        search_prefixes(np.zeros((1, 0, 3)), np.zeros(1, np.int64), beams=0)
    assert str(error.value) == "0 beams find nothing\n  choose at least 1 beam"


def test_a_batch_of_recordings_is_decoded_fast() -> None:
    chances = np.log(np.random.default_rng(3).dirichlet(np.ones(32) * 0.1, (8, 300)))
    start = time.process_time()
    search_prefixes(chances, np.full(8, 300))
    assert time.process_time() - start < 3


# -- where to stop

LETTERS = "aé漢😀\n"


@given(
    st.text(LETTERS, max_size=30),
    st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=3),
    st.randoms(use_true_random=False),
)
def test_pieces_give_the_same_text_however_it_is_cut(text: str, stops: list[str], random: random.Random) -> None:
    ends = [(at + len(one), at) for one in stops if (at := text.find(one)) >= 0]
    expected = text[: min(ends)[1]] if ends else text
    stream, shown, raw = PieceStream(stops), "", text.encode()
    while raw and not stream.stopped:
        size = random.randint(1, 5)
        shown += stream.push(raw[:size])
        raw = raw[size:]
        assert expected.startswith(shown), "nothing is shown that has to be taken back"
    assert stream.stopped == bool(ends)
    assert shown + stream.finish() == expected
    assert stream.finish() == ""


@pytest.mark.parametrize("pieces", [["xabc"], ["x", "a", "b", "c"], ["xab", "c"]])
def test_of_stop_texts_within_each_other_the_first_that_is_complete_counts(pieces: list[str]) -> None:
    stream = PieceStream(["abc", "b"])
    assert "".join(map(stream.push, pieces)) == "xa"
    assert stream.met == "b"


def test_letters_come_as_soon_as_they_are_whole() -> None:
    stream = PieceStream(["END"])
    pieces = [bytes([byte]) for byte in "é😀EN".encode()]
    assert [stream.push(piece) for piece in pieces] == ["", "é", "", "", "", "😀", "", ""]
    assert stream.push("T.") == "ENT."
    assert stream.met == ""
    assert [stream.push("so E"), stream.push("ND more"), stream.push("more"), stream.finish()] == ["so ", "", "", ""]
    assert stream.met == "END"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    stream = PieceStream()
    assert stream.push(b"a\xffb\xc3") == "a\ufffdb"
    assert stream.push(b"(") == "\ufffd("
    assert stream.push(b"\xf0\x9f") == ""
    assert stream.finish() == "\ufffd"


def test_an_empty_stop_text_is_refused() -> None:
    with pytest.raises(UsageError) as error:
        PieceStream(["a", ""])
    assert str(error.value) == "a stop text is empty\n  leave it out, or write the text to stop at"


def test_pieces_of_a_byte_level_bpe_are_its_bytes() -> None:
    from tokenizers import pre_tokenizers

    assert set(byte_letters()) == set(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_letters().values()) == list(range(256))
    for text in ("hello wörld\n", "漢字 😀", "\x00\x7f\xad"):
        split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
        assert b"".join(piece_bytes(piece) for piece, _ in split) == text.encode()
    assert piece_bytes("漢").decode() == "漢", "what is no piece of it stands as it is"
