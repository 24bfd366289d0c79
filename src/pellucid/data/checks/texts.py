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

# Of texts compared for being nearly the same; of more, some are taken.
MOST_TEXT_BYTES = 64 << 20

# A signature is so many least shingles, each by another order of all, compared so many at a time. One order with filled
# gaps made 20,000 false candidates of 29,000 captions in 42 s; 32 orders take 1.8 s (docs/LOG.md, 2026-11-22).
SIGNATURE_SHINGLES, BAND_SHINGLES = 32, 4

# Words in a row; shorter texts are alike by chance.
SHINGLE_WORDS, MIN_WORDS = 3, 10

# Share of shingles that nearly equal texts have in common.
ALIKE_SHARE = 0.7

# Pairs that are looked at word by word.
MOST_PAIRS = 20_000


@part_check
def like_texts(parts: SplitView) -> Iterator[Note]:
    """Texts that say the same but for a few words."""
    for field in parts.data.inputs:
        if not field.traits.prose:
            continue
        stored, own = parts.data.stored_values(field.name), parts.content_hashes.get(field.name)
        if own is None:
            continue
        # Of equal texts one: copies are said elsewhere.
        different = parts.rows[np.unique(own[parts.rows], return_index=True)[1]]
        first, other = near_texts(stored, np.sort(different))
        if not len(first):
            continue
        text = f"{count_noun(len(np.unique(other)), 'text is', 'texts are')} nearly the same as another one"
        text += f", such as {parts.example_place(first[0])}"
        action = "all are kept"
        yield Note(
            "info", text, parts.example_place(other[0]), action, "remove copies, unless they are separate examples"
        )
        yield from note_across_parts(parts, first, other, "text", ALMOST)


def near_texts(stored: Stored, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows whose texts share most of their shingles.

    Min-wise hashing (Broder, "On the resemblance and containment of documents", 1997); pairs that agree in a band are
    compared shingle by shingle.
    """
    size = np.diff(np.asarray(stored.arrays["ends"]), prepend=0)[rows]
    rows = rows[:: max(1, -(-int(size.sum()) // MOST_TEXT_BYTES))]
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
        [_shared_share(stored, int(at[i]), int(at[j])) >= ALIKE_SHARE for i, j in zip(first, other, strict=True)], bool
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
    if len(flat) < SHINGLE_WORDS:
        return flat[:0], of[:0]
    a, b, c = flat[:-2], flat[1:-1], flat[2:]
    whole = of[2:] == of[:-2]
    return hash_counters(hash_counters(hash_counters(a, 1) ^ b, 2) ^ c, 3)[whole], of[:-2][whole]


def _signature_bands(text: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Which texts are long enough, (k,), and one number for each band of their signatures, (k, bands)."""
    shingle, of = _text_shingles(text)
    count = np.bincount(of, minlength=len(text))
    long = np.flatnonzero(count > MIN_WORDS - SHINGLE_WORDS)
    shingle, count = shingle[np.isin(of, long)], count[long]
    starts = np.cumsum(count) - count
    bands = []
    for start in range(0, SIGNATURE_SHINGLES if len(long) else 0, BAND_SHINGLES):
        band = np.zeros(len(long), np.uint64)
        # Times another odd number, the shingles stand in another order.
        for k in range(start, start + BAND_SHINGLES):
            least = np.minimum.reduceat(shingle * (hash_counters(np.array([k]), 4) | np.uint64(1)), starts)
            band = hash_counters(band ^ least, k)
        bands.append(band)
    return long, np.stack(bands, 1) if bands else np.zeros((0, SIGNATURE_SHINGLES // BAND_SHINGLES), np.uint64)


def _shared_share(stored: Stored, i: int, j: int) -> float:
    """The share of shingles that two texts have in common (Jaccard)."""
    (_, text), *_ = text_blocks(stored, np.array([i, j]))
    if len(text) < 2:
        return 0.0
    shingle, of = _text_shingles(text)
    one, other = set(shingle[of == 0].tolist()), set(shingle[of == 1].tolist())
    return len(one & other) / max(len(one | other), 1)
