"""The order of examples is a function: of the seed, the epoch, the rows, their lengths and the batch size.

No generator and no state to save: any number of workers sees the same order, and a resumed training goes on in it.

n examples, B batch size.
"""

from __future__ import annotations

import numpy as np

# Batches that are sorted by length together: padding stays small, the order stays random.
WINDOW_BATCHES = 32

# Salts: one stream of random numbers each, so that no two decisions about an example go together.
_ORDER, _BATCHES, SPLIT_SALT, _KEYS, KEPT_SALT, TOKEN_SALT = 1, 2, 3, 4, 5, 6

_ALL = (1 << 64) - 1

# Counters hashed at a time: their arrays stay in the processor's cache.
_COUNTERS_AT_ONCE = 1 << 16


def _mix_bits(x: np.ndarray) -> np.ndarray:  # (n,) uint64 -> (n,) uint64
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so distinct counters never collide."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_counters(counters: np.ndarray, *keys: int) -> np.ndarray:  # (n,) integers -> (n,) uint64
    """Counter-based random integers: the same counter and keys always give the same number."""
    state = np.zeros(1, np.uint64)
    for key in keys:
        state = _mix_bits(state + np.uint64((key + 0x9E3779B97F4A7C15) & _ALL))
    found = np.empty(len(counters), np.uint64)
    for start in range(0, len(counters), _COUNTERS_AT_ONCE):
        # Times the golden ratio, as SplitMix64 does: neighbouring counters begin far apart.
        block = counters[start : start + _COUNTERS_AT_ONCE].astype(np.uint64)
        found[start : start + _COUNTERS_AT_ONCE] = _mix_bits(block * np.uint64(0x9E3779B97F4A7C15) + state)
    return found


def random_permutation(n: int, seed: int, epoch: int, salt: int = _ORDER) -> np.ndarray:  # (n,) int64
    """A random order of 0 .. n - 1, the same for the same seed and epoch.

    >>> random_permutation(5, seed=0, epoch=0).tolist() == random_permutation(5, seed=0, epoch=0).tolist()
    True
    """
    draw = np.empty(n, np.uint64)
    for start in range(0, n, _COUNTERS_AT_ONCE):
        draw[start : start + _COUNTERS_AT_ONCE] = hash_counters(
            np.arange(start, min(start + _COUNTERS_AT_ONCE, n)), seed, epoch, salt
        )
    # The mix is a bijection, so no two draws are equal, and it does not matter how a sort breaks ties.
    return np.argsort(draw)


def example_keys(rows: np.ndarray, seed: int, epoch: int) -> np.ndarray:  # (B,) -> (B,) int64, not negative
    """One random key an example and epoch, for its augmentation and dropout."""
    # 63 bits: torch has no unsigned integers of 64.
    return (hash_counters(rows, seed, epoch, _KEYS) >> np.uint64(1)).astype(np.int64)


def shuffled_batches(
    rows: np.ndarray,
    *,
    seed: int,
    epoch: int,
    batch_size: int,
    lengths: np.ndarray | None = None,
    whole: bool = True,
) -> list[np.ndarray]:
    """The shuffled batches of one epoch.

    Args:
        rows: (n,) rows of the dataset to train on.
        lengths: (rows of the dataset,) how long every example is, indexed by row; examples of like length share a
            batch, so that little is padded.
        whole: leave out what does not fill the last batch (other examples every epoch), unless it is the only one.

    Returns:
        Batches of rows, (B,) each.
    """
    rows = np.asarray(rows, np.int64)
    order = rows[random_permutation(len(rows), seed, epoch)]
    if whole and len(rows) >= batch_size:
        order = order[: len(rows) // batch_size * batch_size]
    if lengths is None:
        return _cut_batches(order, batch_size)
    # Sorted within a window only: over the whole epoch, every batch would hold the same examples each time.
    window = WINDOW_BATCHES * batch_size
    spans = [order[start : start + window] for start in range(0, len(order), window)]
    found = [
        batch for span in spans for batch in _cut_batches(span[np.argsort(lengths[span], kind="stable")], batch_size)
    ]
    return [found[i] for i in random_permutation(len(found), seed, epoch, _BATCHES)]


def in_order(rows: np.ndarray, batch_size: int, lengths: np.ndarray | None = None) -> list[np.ndarray]:
    """Batches for evaluation: every row once, in order (by length, where ``lengths`` indexed by row are given)."""
    rows = np.asarray(rows, np.int64)
    return _cut_batches(rows if lengths is None else rows[np.argsort(lengths[rows], kind="stable")], batch_size)


def _cut_batches(rows: np.ndarray, batch_size: int) -> list[np.ndarray]:
    return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
