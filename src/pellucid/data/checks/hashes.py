"""Equal numbers for equal values: what rows, texts and images have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import polars as pl

from ...fields import Ragged, Stored
from ...fields.column import PIECE
from ..batches.order import hash_counters

# Hashed at a time, so that images need not lie in memory a second time.
HASH_BLOCK_BYTES = 1 << 24


def find_shared(keys: np.ndarray) -> tuple[np.ndarray, int]:
    """Places in ``keys``, sorted, of those that are there more than once, and how many different keys there are."""
    ordered = np.sort(keys)
    same = ordered[1:] == ordered[:-1]
    twice = np.unique(ordered[1:][same])
    different = len(keys) - int(same.sum())
    # Of a million rows each is an array of megabytes, and the loop below makes more.
    del ordered, same
    if not len(twice):
        return np.zeros(0, np.int64), different
    found = []
    for start in range(0, len(keys), PIECE):
        block = keys[start : start + PIECE]
        place = np.searchsorted(twice, block)
        found.append(np.flatnonzero(twice[np.minimum(place, len(twice) - 1)] == block) + start)
    return np.concatenate(found), different


def value_hashes(stored: Stored) -> np.ndarray | None:  # (n,) uint64
    """One number for each value, equal for equal ones; None for a kind that is not known here."""
    arrays = stored.arrays
    if {"bytes", "ends"} <= arrays.keys():
        return text_hashes(stored)
    if {"samples", "ends"} <= arrays.keys():
        return sound_hashes(Ragged(arrays["samples"], arrays["ends"]))
    own = [arrays["pixels"]] if "pixels" in arrays else list(arrays.values())
    if any(len(array) != stored.n for array in own):
        return None
    found = [array_hashes(array) for array in own]
    return found[0] if len(found) == 1 else np.bitwise_xor.reduce([hash_counters(h, i) for i, h in enumerate(found)])


def sound_hashes(sounds: Ragged) -> np.ndarray:  # (n,) uint64
    """Equal for recordings with the same samples."""
    found = (hashlib.blake2b(np.ascontiguousarray(sounds[row]).data, digest_size=8) for row in range(len(sounds)))
    return np.array([int.from_bytes(one.digest(), "little") for one in found], np.uint64)


def array_hashes(values: np.ndarray) -> np.ndarray:  # (n, ...) -> (n,) uint64
    """One number an entry: a sum of its bytes, eight at a time, times odd random numbers."""
    flat = values.reshape(len(values), -1)
    size = flat.shape[1] * flat.itemsize
    width = -(-size // 8) * 8
    # Odd, so that multiplying loses no bit.
    weights = hash_counters(np.arange(width // 8), 0x1A6E) | np.uint64(1)
    out = np.empty(len(values), np.uint64)
    step = max(1, HASH_BLOCK_BYTES // max(width, 1))
    for start in range(0, len(values), step):
        block = np.ascontiguousarray(flat[start : start + step])
        block = block.view(np.uint8).reshape(len(block), size)
        if width != size:
            block = np.pad(block, ((0, 0), (0, width - size)))
        eights = np.ascontiguousarray(block).view(np.uint64)
        # Brings high bits down: a product keeps the low bits of a number to themselves.
        eights = eights ^ (eights >> np.uint64(29))
        out[start : start + step] = (eights * weights).sum(1, dtype=np.uint64)
    return out


# Of text, worked on at a time: cut into words it takes many times its bytes.
TEXT_BLOCK_BYTES = 1 << 23


def text_blocks(stored: Stored, rows: np.ndarray) -> Iterator[tuple[np.ndarray, pl.Series]]:
    """Rows with their texts in lower case, words apart by one space and nothing else between them."""
    ends = np.asarray(stored.arrays["ends"])
    starts = np.concatenate([[0], ends[:-1]])
    block = np.cumsum(ends[rows] - starts[rows]) // TEXT_BLOCK_BYTES
    for own in np.split(rows, np.flatnonzero(np.diff(block)) + 1) if len(rows) else []:
        texts = [stored.arrays["bytes"][starts[row] : ends[row]].tobytes().decode() for row in own]
        text = pl.Series(texts, dtype=pl.String).str.to_lowercase()
        yield own, text.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars()


def text_hashes(stored: Stored) -> np.ndarray:  # (n,) uint64
    """Equal for texts that differ by case, spaces and punctuation alone; those without a word are all different."""
    found = hash_counters(np.arange(stored.n), 0x7E87)
    for rows, text in text_blocks(stored, np.arange(stored.n)):
        has_words = (text != "").to_numpy()
        found[rows[has_words]] = text.hash().to_numpy()[has_words]
    return found
