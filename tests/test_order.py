"""The order of examples is a pure function, and parts are fair."""

import time

import numpy as np
import pytest

from pellucid.data.batches.batch import pad_sequences
from pellucid.data.batches.order import example_keys, hash_counters, in_order, random_permutation, shuffled_batches
from pellucid.data.splits.stratify import stratified_split
from pellucid.fields import Ragged

ORDER = [4, 7, 1, 5, 3, 0, 6, 2]
HASHES = [12888727951749679019, 16613338946343043936]


def test_a_permutation_is_one_and_depends_on_seed_and_epoch_alone():
    first = random_permutation(1000, seed=3, epoch=5)
    assert sorted(first) == list(range(1000))
    assert (first == random_permutation(1000, seed=3, epoch=5)).all()
    for other in (random_permutation(1000, seed=4, epoch=5), random_permutation(1000, seed=3, epoch=6)):
        assert (first == other).mean() < 0.02


def test_the_order_never_changes_between_versions():
    assert random_permutation(8, seed=0, epoch=0).tolist() == ORDER
    assert hash_counters(np.arange(2), 1, 2).tolist() == HASHES


def test_positions_are_uniform():
    where = np.stack([random_permutation(10, seed=s, epoch=0) for s in range(4000)])
    counts = np.stack([np.bincount(where[:, i], minlength=10) for i in range(10)])
    assert abs(counts - 400).max() < 100  # 5 standard deviations of 19


@pytest.mark.parametrize("lengths", [None, "lengths"])
def test_every_row_once_and_the_rest_differs_by_epoch(lengths):
    rows = np.arange(5, 108)  # 103
    lengths = lengths and np.arange(200) % 17 + 1
    seen = [shuffled_batches(rows, seed=1, epoch=e, batch_size=10, lengths=lengths) for e in range(3)]
    assert [len(one) for one in seen] == [10, 10, 10]
    assert all(len(b) == 10 for one in seen for b in one)
    left_out = [set(rows) - set(np.concatenate(one)) for one in seen]
    assert all(len(left) == 3 for left in left_out)
    assert left_out[0] != left_out[1] != left_out[2]
    every = shuffled_batches(rows, seed=1, epoch=0, batch_size=10, lengths=lengths, whole=False)
    assert sorted(np.concatenate(every)) == list(rows)


def test_the_only_batch_is_never_left_out():
    (only,) = shuffled_batches(np.arange(7), seed=0, epoch=0, batch_size=64)
    assert sorted(only) == list(range(7))


def test_batches_of_like_length_are_padded_little():
    lengths = (hash_counters(np.arange(20_000), 9) % np.uint64(500)).astype(np.int64) + 1
    shares = []
    for given in (None, lengths):
        found = shuffled_batches(np.arange(20_000), seed=0, epoch=0, batch_size=64, lengths=given)
        shares.append(1 - sum(lengths[b].sum() for b in found) / sum(64 * lengths[b].max() for b in found))
    assert shares[0] > 0.4
    assert shares[1] < 0.04  # 32 steps of length
    firsts = [lengths[b].mean() for b in found]
    assert abs(np.corrcoef(firsts, np.arange(len(firsts)))[0, 1]) < 0.2  # batches themselves are shuffled


def test_evaluation_sees_every_row_once():
    lengths = np.array([3, 1, 2, 9, 4])
    assert np.concatenate(in_order([4, 2, 0], 2)).tolist() == [4, 2, 0]
    assert np.concatenate(in_order([4, 2, 0], 2, lengths)).tolist() == [2, 0, 4]


def test_an_epoch_is_ordered_fast():
    rows = np.arange(50_000)
    lengths = rows % 300
    times = []
    for _ in range(5):
        start = time.process_time()
        shuffled_batches(rows, seed=0, epoch=1, batch_size=64, lengths=lengths)
        times.append(time.process_time() - start)
    assert min(times) < 0.04  # about 10 ms alone on one core


def test_keys_are_one_an_example_and_epoch():
    found = example_keys(np.arange(1000), seed=0, epoch=0)
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert len(set(found)) == 1000
    assert not set(found) & set(example_keys(np.arange(1000), seed=0, epoch=1))


def test_parts_are_stratified_and_their_sizes_right():
    classes = np.repeat([0, 1, 2, 3], [700, 203, 61, 36])
    rows = np.arange(1000) * 2
    parts = stratified_split(rows, (0.8, 0.1, 0.1), 0, classes)
    assert [len(p) for p in parts] == [800, 100, 100]
    assert sorted(np.concatenate(parts)) == list(rows)
    for part, share in zip(parts, (0.8, 0.1, 0.1), strict=True):
        assert (part[1:] > part[:-1]).all()
        counts = np.bincount(classes[part // 2], minlength=4)
        assert (abs(counts - share * np.array([700, 203, 61, 36])) <= 1.5).all()
    assert not np.array_equal(parts[2], stratified_split(rows, (0.8, 0.1, 0.1), 1, classes)[2])


def test_small_classes_are_in_every_part_where_that_is_possible():
    classes = np.repeat([0, 1, 2, 3], [100, 3, 2, 1])
    parts = stratified_split(np.arange(106), (0.8, 0.1, 0.1), 0, classes)
    found = [np.bincount(classes[p], minlength=4) for p in parts]
    assert [f[1] for f in found] == [1, 1, 1]
    assert [f[2] for f in found] == [2, 0, 0]
    assert [f[3] for f in found] == [1, 0, 0]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 99])
@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.1), (0.9, 0.1), (1.0, 0.0, 0.0), (0.1, 0.45, 0.45)])
def test_nothing_is_lost_or_doubled(n, fractions):
    for classes in (None, np.arange(n) % 3, np.arange(n)):
        parts = stratified_split(np.arange(n), fractions, 7, classes)
        assert sorted(np.concatenate(parts)) == list(range(n))
        assert all(not len(p) for p, f in zip(parts, fractions, strict=True) if f == 0)
        assert len(parts[0])


def test_sequences_are_padded_with_zeros():
    ragged = Ragged(np.array([5, 6, 7, 8, 9]), np.array([2, 2, 5]))
    found = pad_sequences(ragged, np.array([2, 0, 1]))
    assert found.values.tolist() == [[7, 8, 9], [5, 6, 0], [0, 0, 0]]
    assert found.lengths.tolist() == [3, 2, 0]
