"""Recordings that are there twice, and recordings unlike the others or without use. n recordings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ...fields import Field, Note, Ragged
from ...wording import count_noun, join_words
from .base import SplitView, part_check
from .copies import note_copies, readable_rows

# Of 32,767, the loudest there can be: what stays below has 60 decibels less, and there is nothing to hear.
SILENT_PEAK = 33

# Clipped samples among a million: a few at one peak do no harm.
MANY_CLIPPED = 1_000

# Times as long as usual, or as short.
TIMES_LONGER = 8

# Of a sort that is odd because it is rare.
FEW_SHARE, FEW_RECORDINGS, MIN_RECORDINGS = 0.05, 3, 10

MOST_NAMED = 3


def _sound_fields(parts: SplitView) -> Iterator[tuple[Field, Ragged]]:
    for field in parts.data.inputs:
        arrays = parts.data.stored_values(field.name).arrays
        if "samples" in arrays and len(arrays["ends"]) > 1:
            yield field, Ragged(arrays["samples"], arrays["ends"])


def _are_equal(sounds: Ragged, a: int, b: int) -> bool:
    return np.array_equal(sounds[a], sounds[b])


@part_check
def same_sounds(parts: SplitView) -> Iterator[Note]:
    """Recordings that are the same sample by sample."""
    for field, sounds in _sound_fields(parts):
        yield from note_copies(parts, field, partial(_are_equal, sounds))


@part_check
def odd_sounds(parts: SplitView) -> Iterator[Note]:
    """Recordings that are silent, clipped, or far longer or shorter than the others."""
    for field, _ in _sound_fields(parts):
        good = readable_rows(parts, field)
        if not len(good):
            continue
        _, _, milliseconds, peak, clipped, _ = np.asarray(parts.data.stored_values(field.name).arrays["about"])[good].T
        what = "silent: 60 decibels and more below the loudest there can be"
        fix = "remove them, unless silence is what they are to teach"
        yield from _note_some(parts, field, good[peak < SILENT_PEAK], "warning", what, fix)
        what = f"clipped: recorded too loud, more than {MANY_CLIPPED / 1e6:.1%} of their samples are cut off"
        fix = "record them again at a lower level, if that can be done"
        yield from _note_some(parts, field, good[clipped > MANY_CLIPPED], "warning", what, fix)
        if len(good) < MIN_RECORDINGS:
            continue
        usual, few = float(np.median(milliseconds)), max(FEW_RECORDINGS, FEW_SHARE * len(good))
        than = f"than the others, which last about {usual / 1000:.3g} s"
        for odd, how in (
            (milliseconds > TIMES_LONGER * usual, "longer"),
            (milliseconds * TIMES_LONGER < usual, "shorter"),
        ):
            if 0 < odd.sum() <= few:
                fix = "nothing, unless it is there by mistake"
                yield from _note_some(parts, field, good[odd], "info", f"much {how} {than}", fix)


def _note_some(parts: SplitView, field: Field, rows: np.ndarray, level: str, what: str, fix: str) -> Iterator[Note]:
    if not len(rows):
        return
    column = parts.data.column(field.name)
    names = join_words([column.place(int(row)) for row in rows], MOST_NAMED)
    text = f"{count_noun(len(rows), 'recording is', 'recordings are')} {what}" + (f": {names}" if len(rows) > 1 else "")
    yield Note(level, text, column.place(int(rows[0])), "all are kept", fix)
