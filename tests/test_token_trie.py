"""The trie of token sequences: what it holds, how it is asked, and which files it refuses."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pellucid.ngrams.token_trie import TrieLevel, check_level, child_starts, group_keys, grow_levels, list_ranges
from pellucid.storage.forms import FormError

SIZE = 6

Pieces = list[list[int]]

some_pieces = st.lists(st.lists(st.integers(1, SIZE - 1), min_size=1, max_size=30), min_size=1, max_size=5)


def joined(pieces: Pieces) -> tuple[np.ndarray, np.ndarray]:
    tokens = np.array([token for piece in pieces for token in piece], np.int32)
    depth = np.array([i + 1 for piece in pieces for i in range(len(piece))], np.int32)
    return tokens, depth


def grams(pieces: Pieces, length: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(piece[i : i + length]) for piece in pieces for i in range(len(piece) - length + 1))


@given(some_pieces)
def test_levels_are_all_sequences_of_their_length_and_no_others(pieces: Pieces) -> None:
    tokens, depth = joined(pieces)
    above: list[tuple[int, ...]] = [(token,) for token in range(SIZE)]
    longest = max(map(len, pieces))
    levels = list(grow_levels(tokens, depth, SIZE, 5, first=1))
    assert [level.length for level in levels] == list(range(2, min(longest, 5) + 1))
    for level in levels:
        own = [(*above[key // SIZE], int(key % SIZE)) for key in level.keys.tolist()]
        assert dict(zip(own, level.counts.tolist(), strict=True)) == grams(pieces, level.length)
        assert (np.diff(level.keys) > 0).all()
        assert [above[place] for place in level.suffix] == [gram[1:] for gram in own]
        assert level.begins.tolist() == [gram[0] == 1 for gram in own]
        for place, (node, gram) in enumerate(zip(level.nodes.tolist(), windows(tokens, level.length), strict=True)):
            assert (own[node] == tuple(gram)) if depth[place] >= level.length else node == -1
        above = own


def windows(tokens: np.ndarray, length: int) -> list[list[int]]:
    return [tokens[max(i + 1 - length, 0) : i + 1].tolist() for i in range(len(tokens))]


@given(some_pieces, st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=12))
def test_sequences_are_found_and_others_are_not(pieces: Pieces, asked: list[int]) -> None:
    tokens, depth = joined(pieces)
    above, node, alive = SIZE, torch.tensor([asked[0]]), True
    for level in grow_levels(tokens, depth, SIZE, len(asked), first=1):
        own = trie_level(level.keys, above)
        there = grams(pieces, level.length)
        # All that follow what has been found so far, then the one that is asked for.
        low, high = own.child_ranges(node)
        behind = [int(key % SIZE) for key in level.keys[int(low) : int(high)]]
        context = tuple(asked[: level.length - 1])
        assert behind == (sorted(gram[-1] for gram in there if gram[:-1] == context) if alive else [])
        node = own.find(node, torch.tensor([asked[level.length - 1]]))
        alive = alive and tuple(asked[: level.length]) in there
        assert (int(node) < own.nodes) == alive
        above = own.nodes


def trie_level(keys: np.ndarray, above: int) -> TrieLevel:
    level = TrieLevel(above, len(keys), SIZE)
    level.keys.copy_(torch.from_numpy(keys))
    level.starts.copy_(torch.from_numpy(child_starts(keys, above, SIZE)))
    return level


@pytest.mark.parametrize("bound", [100, 1 << 62])
def test_keys_are_grouped_alike_however_they_are_sorted(bound: int) -> None:
    keys = np.random.default_rng(0).integers(0, 100, 500)
    unique, place, counts, index = group_keys(keys.copy(), bound)
    assert np.array_equal(unique[index], keys)
    assert np.array_equal(keys[place], unique)
    assert np.array_equal(unique, np.unique(keys))
    assert np.array_equal(counts, np.bincount(keys, minlength=100)[unique])


def test_a_large_vocabulary_has_no_collisions() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 16_384, 3000).astype(np.int32)
    depth = np.arange(1, 3001, dtype=np.int32)
    *_, last = grow_levels(tokens, depth, 16_384, 8, first=1)
    assert last.length == 8
    assert len(last.keys) == len({tuple(one) for one in windows(tokens, 8) if len(one) == 8})
    assert last.keys.max() < 3000 * 16_384


def test_nothing_is_longer_than_the_text() -> None:
    assert list(grow_levels(np.array([3], np.int32), np.array([1]), SIZE, 8, first=1)) == []
    levels = list(grow_levels(np.array([1, 3, 1, 3], np.int32), np.array([1, 2, 1, 2]), SIZE, 8, first=1))
    assert [(level.length, level.counts.tolist()) for level in levels] == [(2, [2])]


def test_ranges_are_listed_one_after_the_other() -> None:
    which, number, begin = list_ranges(torch.tensor([5, 2, 9]), torch.tensor([7, 2, 12]))
    assert which.tolist() == [0, 0, 2, 2, 2]
    assert number.tolist() == [5, 6, 9, 10, 11]
    assert begin.tolist() == [0, 2, 2]


@pytest.mark.parametrize(
    ("name", "place", "value", "what"),
    [
        ("keys", 1, 0, "keys are not sorted"),
        ("keys", 0, -5, "keys are not sorted"),
        ("keys", -1, SIZE * SIZE, "keys are not sorted"),
        ("keys", -1, 1 << 62, "keys are not sorted"),
        ("starts", 0, 1, "starts are not where"),
        ("starts", -1, 1 << 30, "starts are not where"),
        ("starts", 3, -7, "starts are not where"),
    ],
)
def test_keys_and_starts_of_no_trie_are_refused(name: str, place: int, value: int, what: str) -> None:
    tokens, depth = joined([[1, 3, 4, 3, 4, 5, 2]])
    (level,) = grow_levels(tokens, depth, SIZE, 2, first=1)
    tensors = {"keys": level.keys, "starts": child_starts(level.keys, SIZE, SIZE)}
    check_level(tensors, SIZE, SIZE, "levels.0")
    tensors[name][place] = value
    with pytest.raises(FormError, match=rf"^levels\.0\.{what}"):
        check_level(tensors, SIZE, SIZE, "levels.0")
