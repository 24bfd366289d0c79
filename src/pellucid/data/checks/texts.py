"""Texts that are there twice, or nearly. n texts, w words in all of a block, S shingles (three words in a row)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from ...fields import Note, Stored
from ...fields.text import WORD
from ...wording import count_noun
from ..batches.order import hash_counters
from .across_splits import ALMOST, note_across_parts
from .base import SplitView, part_check
from .hashes import text_blocks

MOST_BYTES = 64 << 20  # of texts compared for being nearly the same; of more, some are taken

LEAST, BAND = 32, 4  # a signature of so many least shingles, compared so many at a time

SHINGLE, SHORTEST = 3, 10  # words; shorter texts are alike by chance

ALIKE = 0.7  # share of shingles that nearly equal texts have in common

MOST_PAIRS = 20_000  # that are looked at word by word


@part_check
def like_texts(parts: SplitView) -> Iterator[Note]:
    """Texts that say the same but for a few words."""
    for field in parts.data.inputs:
        if field.kind != "text":
            continue
        stored, own = parts.data.stored_values(field.name), parts.content_hashes.get(field.name)
        if own is None:
            continue
        some = parts.rows[np.unique(own[parts.rows], return_index=True)[1]]  # of equal texts one
        first, other = near_texts(stored, np.sort(some))
        if not len(first):
            continue
        text = f"{count_noun(len(np.unique(other)), 'text is', 'texts are')} nearly the same as another one"
        text += f", such as {parts.example_place(first[0])}"
        action = "all of them stay"
        yield Note(
            "info", text, parts.example_place(other[0]), action, "take copies out if they are no examples of their own"
        )
        yield from note_across_parts(parts, first, other, "text", ALMOST)


def near_texts(stored: Stored, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows whose texts share most of their shingles.

    Min-wise hashing (Broder, "On the resemblance and containment of documents", 1997); pairs that agree in a band are
    compared shingle by shingle.
    """
    size = np.diff(np.asarray(stored.arrays["ends"]), prepend=0)[rows]
    rows = rows[:: max(1, -(-int(size.sum()) // MOST_BYTES))]
    kept, bands = [], []
    for own, text in text_blocks(stored, rows):
        long, found = _signature_bands(text)
        kept.append(own[long])
        bands.append(found)
    if not kept:
        return rows[:0], rows[:0]
    at, band = np.concatenate(kept), np.concatenate(bands)  # (k,), (k, bands)
    first, other = candidate_pairs(band)
    same = np.array(
        [_shared_share(stored, int(at[i]), int(at[j])) >= ALIKE for i, j in zip(first, other, strict=True)], bool
    )
    return at[first[same]], at[other[same]]


def candidate_pairs(band: np.ndarray, most: int = MOST_PAIRS) -> tuple[np.ndarray, np.ndarray]:  # (k, bands) -> pairs
    """Pairs i < j of entries that agree in a band; in a crowd each is paired with its neighbours alone."""
    found = []
    for column in band.T:
        order = np.argsort(column, kind="stable")
        for apart in (1, 2):
            same = np.flatnonzero(column[order[apart:]] == column[order[:-apart]])
            found.append(np.stack([order[same], order[same + apart]], 1))
    pairs = np.unique(np.concatenate(found), axis=0)[:most]
    return pairs[:, 0], pairs[:, 1]


def _text_shingles(text: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """(S,) uint64 shingles of all texts, and (S,) which text each is of."""
    words = text.str.extract_all(WORD)
    length = words.list.len().to_numpy()
    flat = words.filter(pl.Series(length > 0)).explode().hash().to_numpy()  # (w,)
    of = np.repeat(np.arange(len(text)), length)
    if len(flat) < SHINGLE:
        return flat[:0], of[:0]
    a, b, c = flat[:-2], flat[1:-1], flat[2:]
    whole = of[2:] == of[:-2]
    return hash_counters(hash_counters(hash_counters(a, 1) ^ b, 2) ^ c, 3)[whole], of[:-2][whole]


def _signature_bands(text: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Which texts are long enough, (k,), and one number for each band of their signatures, (k, LEAST / BAND)."""
    shingle, of = _text_shingles(text)
    count = np.bincount(of, minlength=len(text))
    long = np.flatnonzero(count > SHORTEST - SHINGLE)
    shingle, count = shingle[np.isin(of, long)], count[long]
    starts = np.cumsum(count) - count
    bands = []
    for start in range(0, LEAST if len(long) else 0, BAND):
        band = np.zeros(len(long), np.uint64)
        for k in range(start, start + BAND):  # another order of all shingles each time
            least = np.minimum.reduceat(shingle * (hash_counters(np.array([k]), 4) | np.uint64(1)), starts)
            band = hash_counters(band ^ least, k)
        bands.append(band)
    return long, np.stack(bands, 1) if bands else np.zeros((0, LEAST // BAND), np.uint64)


def _shared_share(stored: Stored, i: int, j: int) -> float:
    """The share of shingles that two texts have in common (Jaccard)."""
    (_, text), *_ = text_blocks(stored, np.array([i, j]))
    if len(text) < 2:
        return 0.0
    shingle, of = _text_shingles(text)
    one, other = set(shingle[of == 0].tolist()), set(shingle[of == 1].tolist())
    return len(one & other) / max(len(one | other), 1)
