"""Images: photos, scans, drawings. n examples; H, W, C: height, width, channels (1 grey or 3 red, green, blue)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from math import prod
from typing import Any

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..storage import forms
from ..wording import count_noun
from . import pixels
from .base import Guess, Kind, register
from .column import Column, drop_missing, thin_series
from .encoded import Into, Stored, allocate_in_memory
from .files import NEAR, Fetch, Unreadable, column_files, explain_none, name_files, row_naming
from .notes import DECODES, LEFT_OUT, Note, Report, report_some
from .pixels import LARGEST

# Sides that images of different sizes are brought to.
LADDER = (32, 48, 64, 96, 128, 192, 256)

# Images that are all alike and at most so large keep their size.
MOST_KEPT_SIDE = 96

# Of decoded images: more is said before it is begun, while it can still be stopped.
LARGE_DECODED_BYTES = 1e9

# The largest side chosen without being asked: work grows with its square.
MOST_CHOSEN_SIDE = 128

# Files looked at to decide the size.
MOST_HEADERS = 512

SETTINGS = ("height", "width", "channels", "black", "white", "draft")

SIZES = {"height": forms.whole(1, LARGEST), "width": forms.whole(1, LARGEST), "channels": forms.one_of(1, 3)}

LEVELS = {"black": forms.number(), "white": forms.number()}

# Where there is no image to look at.
FALLBACK = {"height": LADDER[0], "width": LADDER[0], "channels": 3}

# Drawings have more neighbouring pixels that are equal than this; photos of CIFAR-10 have 0.05.
EQUAL_NEIGHBOURS_SHARE = 0.25

# Training images that mean and spread are taken from, and how many of them at a time: a copy of all 4,096 was half of
# what ten times the photos added to memory (docs/LOG.md, 2026-11-22).
SAMPLED_IMAGES, IMAGES_AT_ONCE = 4096, 64


@register
class Image(Kind):
    """uint8 pixels, (n, H, W, C), all of one size."""

    name = "image"
    types = (("pixels", "u1"), ("about", "i4"))
    optional = ("about",)
    axes = 2
    family = "image"
    pictures = True
    suffixes = pixels.SUFFIXES
    file_noun = "image"
    folder_noun = "photos"
    smaller = "make --image-size smaller"
    try_it = "photo.jpg"

    def settings(self) -> forms.Form:
        return forms.record({**SIZES, **LEVELS, "draft": forms.flag}, forms.anything, SETTINGS)

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        """Of the size that the settings bring images to, where they say one."""
        sizes = {name: forms.one_of(settings[name]) if name in settings else known for name, known in SIZES.items()}
        levels = forms.list_of(forms.number(0, 1), 1, 3)
        own = {"role": forms.one_of(role), **sizes, "mean": levels, "std": levels, "mirror": forms.flag}
        return forms.all_of(forms.record(own, forms.anything), _levels_form)

    def recognise(self, column: Column) -> Guess | None:
        if isinstance(column.values, np.ndarray) and column.values.ndim >= 3:
            return _guess_array(column.values)
        series = column.series()
        if series is not None and series.dtype == pl.Binary and _hold_images(series):
            return _guess_files(*column_files(column, Image.name))
        if series is None or series.dtype != pl.String or not name_images(drop_missing(thin_series(series))):
            return None
        return _guess_files(*column_files(column, Image.name))

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"pixels": (n, H, W, C) uint8}`` and, of files, ``"about": (n, 5) int32`` (see ``pixels.ABOUT``).

        What can't be read is reported by path and listed in ``bad``.
        """
        if not {"height", "width", "channels"} <= settings.keys():
            settings = {**_declared_settings(column), **settings}
        size = pixels.Size(**{**FALLBACK, **{name: settings[name] for name in SETTINGS if name in settings}})
        out = into("pixels", (len(column), *size.shape), np.uint8)
        if isinstance(column.values, np.ndarray) and column.values.ndim > 1:
            arrays, bad = {"pixels": out}, _store_array(column, size, out, report)
        else:
            about = into("about", (len(column), len(pixels.ABOUT)), np.int32)
            arrays, bad = {"pixels": out, "about": about}, _store_files(column, size, out, about, report)
        return Stored(arrays, about_size(size), len(column), np.array(bad, np.int64))

    def entry_shapes(self, state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        return {"pixels": (state["height"], state["width"], state["channels"]), "about": (len(pixels.ABOUT),)}

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """Mean and spread of each channel (0..1), and whether a mirrored image is still such an image."""
        good = np.setdiff1d(rows, stored.bad)
        images, sample = stored.arrays["pixels"], good[:: max(1, -(-len(good) // SAMPLED_IMAGES))]
        height, width, channels = images.shape[1:]
        # Rows, so that images are read from the map a few at a time.
        pieces = [sample[start : start + IMAGES_AT_ONCE] for start in range(0, len(sample), IMAGES_AT_ONCE)]
        # Counts of levels are exact and small; sums of squares over millions of pixels would round.
        counts = np.zeros((channels, 256), np.int64)
        for block in map(images.__getitem__, pieces):  # (B, H, W, C)
            counts += [np.bincount(block[..., c].ravel(), minlength=256) for c in range(channels)]
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)  # (C, 256)
        level = np.arange(256) / 255
        mean = share @ level
        std = np.sqrt(np.maximum(share @ level**2 - mean**2, 0))
        return {
            "role": role,
            "height": height,
            "width": width,
            "channels": channels,
            "mean": mean.tolist(),
            "std": std.tolist(),
            "mirror": channels == 3 and are_photos(map(images.__getitem__, pieces)),
        }

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:
        """(n, H, W, C) uint8, the stored pixels themselves."""
        shape = (state["height"], state["width"], state["channels"])
        assert stored.arrays["pixels"].shape[1:] == shape, "stored with other settings than it was fitted with"
        return stored.arrays["pixels"]

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[np.ndarray]:
        """One (H, W, C) uint8 array an example."""
        return list(np.asarray(encoded))

    def show(self, stored: Stored, row: int) -> bytes:
        return pixels.to_png(np.asarray(stored.arrays["pixels"][row]))

    def resize(
        self, settings: Mapping[str, Any], size: tuple[int, int] | None, seconds: float | None
    ) -> Mapping[str, Any]:
        return settings if size is None else {**settings, "height": size[0], "width": size[1]}

    def note_size(self, column: Column, settings: Mapping[str, Any]) -> Note | None:
        sides = [int(settings.get(name, 0)) for name in ("height", "width", "channels")]
        if (size := len(column) * prod(sides)) <= LARGE_DECODED_BYTES:
            return None
        text = f"decoded, {count_noun(len(column), self.name)} of {sides[1]} × {sides[0]} pixels"
        text += f" take {size / 1e9:,.1f} GB in the cache"
        return Note("warning", text, f"column '{column.name}'", DECODES, self.smaller)


def about_size(size: pixels.Size) -> dict[str, Any]:
    """What is kept of a size beside the pixels: not how they came about, which the pixels themselves tell."""
    return {name: value for name, value in asdict(size).items() if name != "draft"}


def _levels_form(value: Any, where: str) -> None:
    for name in ("mean", "std"):
        if len(value[name]) != value["channels"]:
            raise forms.FormError(f"{where}.{name} has {len(value[name])} entries for {value['channels']} channels")


def _declared_settings(column: Column) -> Mapping[str, Any]:
    """Settings of a column that was declared to be images, whatever the names of the files."""
    if isinstance(column.values, np.ndarray) and column.values.ndim > 1:
        guess = _guess_array(column.values)
    else:
        guess = _guess_files(*column_files(column, Image.name))
    return guess.settings if guess else {}


def name_images(paths: Sequence[str] | pl.Series) -> bool:
    """Whether these look like names of image files."""
    return name_files(paths, pixels.SUFFIXES)


def _hold_images(contents: pl.Series) -> bool:
    """Whether these are contents of image files, by their first bytes."""
    some = contents.drop_nulls().head(NEAR).to_list()
    return sum(map(pixels.begins_as_image, some)) > len(some) / 2


def _guess_files(paths: list[str], fetch: Fetch | None) -> Guess:
    """Decided from the headers of some of the files; pixels are read only of those with more than 8 bits."""
    sample = paths[:: max(1, len(paths) // MOST_HEADERS)]
    shapes, modes, ranges = [], set(), []
    for path in sample:
        try:
            image = pixels.open_header(path, fetch)
            shapes.append(pixels.upright_shape(image))
            modes.add(image.mode)
            if image.mode in pixels.DEEP_MODES:
                ranges.append(pixels.grey_extremes(image))
        except Unreadable:
            continue
    if not shapes:
        return Guess(0.6, f"{len(paths):,} names of image files, which {explain_none(sample, fetch)}", role="ignore")
    grey = modes <= set(pixels.GREY_MODES)
    settings, why = _size_settings(shapes, 1 if grey else 3)
    why += f" ({len(sample):,} checked)" if len(sample) < len(paths) else ""
    if ranges:
        lows, highs = zip(*ranges, strict=True)
        # One range for all files: each stretched by its own, night and day would look alike.
        settings |= pixels.black_and_white(min(lows), max(highs))
    return Guess(0.95, f"{len(paths):,} {'grey' if grey else 'colour'} images, {why}", settings=settings)


def _guess_array(values: np.ndarray) -> Guess | None:
    images = _channels_last(values)
    if images is None or not len(images):
        return None
    n, height, width, channels = images.shape
    settings, why = _size_settings([(height, width)], 1 if channels <= 2 else 3)
    if images.dtype != np.uint8:
        sample = images[:: max(1, n // MOST_HEADERS)]
        finite = sample[np.isfinite(sample)]
        settings |= pixels.black_and_white(float(finite.min(initial=0)), float(finite.max(initial=0)))
    return Guess(0.95, f"{n:,} {'grey' if channels <= 2 else 'colour'} images, {why}", settings=settings)


def _channels_last(values: np.ndarray) -> np.ndarray | None:
    """(n, H, W), (n, H, W, C) or (n, C, H, W) as (n, H, W, C); None for what is no image."""
    if values.dtype.kind not in "buif" or values.ndim not in (3, 4) or 0 in values.shape[1:]:
        return None
    if values.ndim == 3:
        return values[..., None]
    if values.shape[3] <= 4:
        return values
    return np.moveaxis(values, 1, 3) if values.shape[1] <= 4 else None


def _size_settings(sizes: list[tuple[int, int]], channels: int) -> tuple[dict[str, Any], str]:
    """The size all images are brought to, and why, for images of these (height, width)."""
    least, most = np.min(sizes, axis=0), np.max(sizes, axis=0)
    if (least == most).all() and most.max() <= MOST_KEPT_SIDE:
        height, width = map(int, most)
        return _size_of(height, width, channels), f"all of {width} × {height} pixels"
    short = float(np.median(np.min(sizes, axis=1)))
    side = max([step for step in LADDER if step <= min(short, MOST_CHOSEN_SIDE)], default=LADDER[0])
    found = f"{most[1]} × {most[0]}" if (least == most).all() else f"about {short:.0f} pixels on the short side"
    return _size_of(side, side, channels), f"{found}, resized to {side} × {side}"


def _size_of(height: int, width: int, channels: int) -> dict[str, Any]:
    """Settings of new fields. Their photos are decoded whole, so that a file and its pixels in memory are the same."""
    return {"height": height, "width": width, "channels": channels, "draft": False}


def _store_files(column: Column, size: pixels.Size, out: np.ndarray, about: np.ndarray, report: Report) -> list[int]:
    paths, fetch = column_files(column, Image.name)
    bad, resized = pixels.decode_files(paths, size, out, about, fetch)
    place, tell = row_naming(column, paths)
    return _report_images([(row, tell(row, why)) for row, why in bad], resized, size, column, report, place)


def _store_array(column: Column, size: pixels.Size, out: np.ndarray, report: Report) -> list[int]:
    assert isinstance(column.values, np.ndarray)
    images = _channels_last(column.values)
    if images is None:
        raise PellucidError(
            f"an array of shape {column.values.shape} and type {column.values.dtype} holds no images",
            where=f"column '{column.name}'",
            fix="pass numbers of shape (n, height, width) or (n, height, width, channels) with 1, 3 or 4 channels",
        )
    bad, resized = [], 0
    for row, image in enumerate(images):
        try:
            out[row], changed = pixels.from_array(image, size)
            resized += changed
        except Unreadable as why:
            bad.append((row, str(why)))
    return _report_images(bad, resized, size, column, report, column.place)


def _report_images(
    bad: list[tuple[int, str]],
    resized: int,
    size: pixels.Size,
    column: Column,
    report: Report,
    place: Callable[[int], str],
) -> list[int]:
    """Say which images are left out and how many were brought to another size; returns the rows of the former."""
    notes = (Note.left_out(why, place(row)) for row, why in bad)
    report_some(report, notes, len(bad), "images can't be read and are left out", 20, LEFT_OUT)
    if resized:
        text = f"{resized:,} of {len(column):,} images resized to {size.width} × {size.height} pixels"
        report(Note("info", text, f"column '{column.name}'"))
    return [row for row, _ in bad]


def are_photos(pieces: Iterable[np.ndarray]) -> bool:  # of (B, H, W, C) uint8
    """Whether these look like photos: neighbouring pixels are seldom exactly equal, as they are in drawings, glyphs
    and screenshots, where left and right may mean something. A photo of a page can deceive it; that is why
    mirroring is printed as an assumption."""
    equal = pairs = 0
    for images in pieces:
        same = (images[:, :, 1:] == images[:, :, :-1]).all(-1)  # (B, H, W - 1)
        equal, pairs = equal + int(np.count_nonzero(same)), pairs + same.size
    return pairs > 0 and equal < EQUAL_NEIGHBOURS_SHARE * pairs
