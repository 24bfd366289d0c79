"""Images that are there twice or nearly, and images unlike the others. n images; H, W, C: height, width, channels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...fields import Field, Note
from ...fields.image import are_photos
from ...fields.pixels import MODES
from ...wording import count_noun, join_words
from .across_splits import ALMOST, note_across_parts
from .base import SplitView, part_check
from .copies import COPIES, note_copies, readable_rows
from .hashes import array_hashes

pixel_hashes = array_hashes

# Differences a side of a hash: 64 along rows and 64 along columns. The former alone, with a correlation of .985, found
# 18 of CIFAR-10's pairs; both find 342 (docs/LOG.md, 2026-11-22).
HASH_SIDE = 8

# Smaller images are alike by chance.
MIN_SIDE_PIXELS = 16

# Of 128. The 8 bands of 16 bits meet for all pairs that differ in up to 7 bits, and for nearly all of these.
MOST_DIFFERENT_BITS = 12

# In a crowd of like hashes each is compared with so many, or a thousand black images would make a million pairs.
NEIGHBOURS = 4

# Correlation of nearly equal photos, and of drawings, which are alike by nature: digits of 28 × 28 pixels need .995.
CLOSE, DRAWN = 0.9, 0.995

# Of 255: a flatter image is noise, and its correlation chance.
MIN_PIXEL_SPREAD = 6.0

MOST_PAIRS = 200_000

# They say whether the images are photos.
SAMPLED_IMAGES = 512

# Of pixels, worked on at a time.
BLOCK_BYTES = 1 << 24

BITS_OF_BYTE = np.array([bin(i).count("1") for i in range(256)], np.uint8)

# Images that are odd are few: more of a sort are simply another sort.
FEW_SHARE, FEW_IMAGES = 0.05, 3

# So many make a usual one.
MIN_IMAGES = 10

# How many times the usual area; how many times as long as wide.
TIMES_LARGER, TIMES_LONGER = 16, 3

TURNED = "turned upright"


def _image_fields(parts: SplitView) -> Iterator[tuple[Field, np.ndarray]]:
    for field in parts.data.inputs:
        pixels = parts.data.stored_values(field.name).arrays.get("pixels") if field.traits.pictures else None
        if pixels is not None and len(pixels) > 1:
            yield field, pixels


def _are_equal(pixels: np.ndarray, a: int, b: int) -> bool:
    return np.array_equal(pixels[a], pixels[b])


@part_check
def same_images(parts: SplitView) -> Iterator[Note]:
    """Images that are the same pixel by pixel; worst where one is in train and its copy in another part."""
    for field, pixels in _image_fields(parts):
        yield from note_copies(parts, field, partial(_are_equal, pixels))


@part_check
def like_images(parts: SplitView) -> Iterator[Note]:
    """Images that are nearly the same: saved again, made smaller, a little brighter."""
    for field, pixels in _image_fields(parts):
        if min(pixels.shape[1:3]) < MIN_SIDE_PIXELS:
            continue
        good, column = readable_rows(parts, field), parts.data.column(field.name)
        # Of equal ones one: these were said above.
        good = np.sort(good[np.unique(parts.content_hashes[field.name][good], return_index=True)[1]])
        first, other = near_images(pixels, good)
        if len(first):
            example = f"such as {column.place(int(first[0]))}"
            count = len(np.unique(other))
            text = f"{count_noun(count, 'image is', 'images are')} nearly the same as another one, {example}"
            yield Note("info", text, column.place(int(other[0])), "all are kept", COPIES)
            yield from note_across_parts(parts, first, other, "image", ALMOST)


def near_images(pixels: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (n, H, W, C), (m,) -> pairs
    """Pairs of rows whose hashes differ by few bits and whose pixels rise and fall together.

    Hashes of which of two neighbouring areas is brighter (dHash; Krawetz, 2013), along rows and columns, compared
    where one of 8 bands agrees. Of CIFAR-10's 60,000 photos it finds 342 pairs; all we looked at were right.
    """
    sample = rows[:: max(1, len(rows) // SAMPLED_IMAGES)]
    close = CLOSE if are_photos(pixels[some] for some in _pixel_blocks(pixels, sample)) else DRAWN
    code = (
        np.concatenate([difference_hashes(pixels[some]) for some in _pixel_blocks(pixels, rows)]) if len(rows) else None
    )
    if code is None:
        return rows[:0], rows[:0]
    found = []
    for band in code.view(np.uint16).T:  # 8 × (m,)
        order = np.lexsort((code[:, 1], code[:, 0], band))
        for apart in range(1, NEIGHBOURS + 1):
            one, other = order[:-apart], order[apart:]
            same = band[one] == band[other]
            one, other = one[same], other[same]
            differ = BITS_OF_BYTE[(code[one] ^ code[other]).view(np.uint8)].sum(1)  # (pairs,)
            near = differ <= MOST_DIFFERENT_BITS
            found.append(np.sort(np.stack([one[near], other[near]], 1), 1))
    pairs = np.unique(np.concatenate(found), axis=0)[:MOST_PAIRS]
    first, other = rows[pairs[:, 0]], rows[pairs[:, 1]]
    alike = [
        _look_alike(pixels[first[some]], pixels[other[some]], close)
        for some in _pixel_blocks(pixels, np.arange(len(first)))
    ]
    keep = np.concatenate([*alike, np.zeros(0, bool)])
    return first[keep], other[keep]


def difference_hashes(images: np.ndarray) -> np.ndarray:  # (B, H, W, C) uint8 -> (B, 2) uint64
    # Green alone, which is nearly grey: no channels need be weighed.
    grey = images[..., images.shape[-1] // 2].astype(np.float32)  # (B, H, W), green is nearly grey
    along = _area_means(grey, HASH_SIDE, HASH_SIDE + 1)  # (B, 8, 9)
    down = _area_means(grey, HASH_SIDE + 1, HASH_SIDE)  # (B, 9, 8)
    bits = np.stack([along[:, :, 1:] > along[:, :, :-1], down[:, 1:] > down[:, :-1]], 1)  # (B, 2, 8, 8)
    return np.packbits(bits.reshape(len(images), 2 * HASH_SIDE * HASH_SIDE), axis=1).view(np.uint64)


def _area_means(grey: np.ndarray, height: int, width: int) -> np.ndarray:  # (B, H, W) -> (B, height, width) means
    for axis, parts in ((1, height), (2, width)):
        edges = np.arange(parts) * grey.shape[axis] // parts
        count = np.diff(edges, append=grey.shape[axis]).astype(np.float32)
        grey = np.add.reduceat(grey, edges, axis=axis) / np.expand_dims(count, -1 if axis == 1 else 0)
    return grey


def _look_alike(one: np.ndarray, other: np.ndarray, close: float) -> np.ndarray:  # 2 × (B, H, W, C) uint8 -> (B,) bool
    a, b = (v.reshape(len(v), -1).astype(np.float32) for v in (one, other))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    spread = a.std(1) * b.std(1)
    return ((a * b).mean(1) > close * spread) & (spread > MIN_PIXEL_SPREAD**2)


def _pixel_blocks(pixels: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    step = max(1, BLOCK_BYTES // max(int(np.prod(pixels.shape[1:])) * 8, 1))
    return [rows[start : start + step] for start in range(0, len(rows), step)]


@part_check
def odd_images(parts: SplitView) -> Iterator[Note]:
    """Files whose size, shape or colours are unlike those of the others."""
    for field, pixels in _image_fields(parts):
        about = parts.data.stored_values(field.name).arrays.get("about")
        good = readable_rows(parts, field)
        if about is None or len(good) < MIN_IMAGES:
            continue
        for odd, level, what, action in _explain_odd(np.asarray(about)[good].T, min(pixels.shape[1:3])):
            few = 0 < odd.sum() <= max(FEW_IMAGES, FEW_SHARE * len(good))
            if few or (odd.any() and action == TURNED):
                yield _note_unlike(parts, field, good[odd], level, what, action)


def _explain_odd(about: np.ndarray, side: int) -> Iterator[tuple[np.ndarray, str, str, str]]:  # (5, n)
    """Which are odd, how grave that is, in what, and what is done about it."""
    width, height, mode, turned, animated = about
    area, shape = width * height.astype(np.float64), np.maximum(width, height) / np.minimum(width, height)
    # The median: a few huge scans do not make the others small.
    usual, counts = float(np.median(area)), np.bincount(mode)
    size = f"than the others, which have about {usual**0.5:,.0f} pixels a side"
    colours = join_words(f"{MODES[i]} {counts[i]:,}" for i in np.argsort(-counts) if counts[i])
    yield area > TIMES_LARGER * usual, "info", f"much larger {size}", "made smaller"
    yield area * TIMES_LARGER < usual, "warning", f"much smaller {size}", f"stretched to {side} pixels a side"
    cut = "cut to the middle: the ends are not seen"
    yield (
        (shape > TIMES_LONGER) & (shape > 2 * np.median(shape)),
        "warning",
        "far longer than wide, or wider than long",
        cut,
    )
    same = "converted: alpha over white, grey and CMYK to colour"
    yield mode != counts.argmax(), "info", f"in another colour mode than most ({colours})", same
    yield animated > 0, "info", "moving pictures", "the first picture of each is taken"
    yield turned > 0, "info", "stored on their side and marked so (EXIF)", TURNED


def _note_unlike(parts: SplitView, field: Field, rows: np.ndarray, level: str, what: str, action: str) -> Note:
    column = parts.data.column(field.name)
    names = join_words([column.place(int(row)) for row in rows], 3)
    text = f"{count_noun(len(rows), 'image is', 'images are')} {what}" + (f": {names}" if len(rows) > 1 else "")
    return Note(level, text, column.place(int(rows[0])), action, "nothing, unless it is there by mistake")
