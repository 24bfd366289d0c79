"""Sound: recordings of words, instruments, animals, machines. n recordings, S samples of one, C bands of pitch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from ..wording import count_noun, join_words
from . import pixels
from .base import Guess, Kind, register
from .column import Column, drop_missing, thin_series
from .encoded import Into, Ragged, Stored, allocate_in_memory
from .files import NEAR, Fetch, column_files, explain_none, name_files, row_naming
from .mel import FLOOR, log_mel, mel_form, relative_level
from .notes import AS_IT_SAYS, DECODES, LEFT_OUT, Note, Report, report_some
from .recordings import (
    ABOUT,
    CANCELLED,
    CUT_OFF,
    HIGHEST_RATE,
    LOWEST_RATE,
    SCALED,
    SUFFIXES,
    Header,
    SoundForm,
    decode_files,
    read_headers,
    sound_format,
    to_wav,
)

# Samples a second that are read without being asked for: speech is understood at 8,000, and work grows with them.
MOST_CHOSEN_RATE = 16_000

# Of a recording, unless set otherwise: what comes later is not read.
MOST_SECONDS, LONGEST_SECONDS = 30.0, 600.0

# Files looked at to decide the rate.
MOST_HEADERS = 512

# Where there is no recording to look at.
FALLBACK = {"rate": MOST_CHOSEN_RATE, "seconds": MOST_SECONDS}

# Of decoded recordings: more is said before it is begun, while it can still be stopped.
LARGE_DECODED_BYTES = 1e9

# Training recordings that mean and spread are taken from, and frames of them altogether.
SAMPLED_RECORDINGS, SAMPLED_FRAMES = 2048, 400_000

# Of a page: samples that can be listened to, columns and rows of a picture, decibels below the loudest that are seen.
HEARD_SAMPLES, PICTURE_SIDE, SEEN_DECIBELS = 48_000, (128, 256), 70.0

# Files that a note names.
MOST_NAMED = 3

# Colours of a picture from quiet to loud, (red, green, blue).
COLOURS = ((8, 10, 32), (52, 24, 96), (140, 41, 110), (222, 73, 78), (252, 159, 60), (252, 250, 190))


@register
class Sound(Kind):
    """int16 samples of one channel at one rate, recordings of different lengths one after the other."""

    name = "sound"
    types = (("samples", "i2"), ("ends", "i8"), ("about", "i4"))
    flat = "samples"
    axes = 1
    family = "sound"
    along_time = True
    recorded = True
    suffixes = SUFFIXES
    file_noun = "recording"
    folder_noun = "recordings"
    smaller = "make --seconds smaller"
    try_it = "clip.wav"

    def settings(self) -> forms.Form:
        return forms.record({"rate": _RATE, "seconds": _SECONDS}, forms.anything, ("rate", "seconds"))

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        """Of the rate that the settings bring recordings to, where they say one."""
        rate = forms.one_of(settings["rate"]) if "rate" in settings else _RATE
        levels = forms.list_of(forms.number(), 1, 256)
        own = {"role": forms.one_of(role), "rate": rate, "mean": levels, "std": levels}
        own["frames"] = forms.whole(1, 1 << 20)
        return forms.all_of(forms.record(own, forms.anything), _bands_form)

    def recognise(self, column: Column) -> Guess | None:
        series = column.series()
        if series is None or not _names_or_holds(series):
            return None
        return _guess_files(*column_files(column, self.file_noun))

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"samples": (total,) int16, "ends": (n,) int64, "about": (n, 6) int32}`` (see ``recordings.ABOUT``).

        What can't be read is reported by path and listed in ``bad``.
        """
        paths, fetch = column_files(column, self.file_noun)
        if "rate" not in settings:
            settings = {**_guess_files(paths, fetch).settings, **settings}
        form = SoundForm(**{name: settings.get(name, usual) for name, usual in FALLBACK.items()})
        arrays, bad = decode_files(paths, form, into, fetch)
        place, tell = row_naming(column, paths)
        notes = (Note.left_out(tell(row, bad[row]), place(row)) for row in sorted(bad))
        report_some(report, notes, len(bad), "recordings can't be read and are left out", 20, LEFT_OUT)
        good = np.setdiff1d(np.arange(len(paths)), list(bad))
        for note in _treated(arrays["about"], good, form, place, f"column '{column.name}'"):
            report(note)
        return Stored(arrays, {"rate": form.rate, "seconds": form.seconds}, len(paths), np.array(sorted(bad), np.int64))

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        super().check_stored(stored, state)
        forms.record({"rate": forms.one_of(state["rate"]), "seconds": _SECONDS})(stored.meta, "meta")

    def entry_shapes(self, state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        return {"about": (len(ABOUT),)}

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """Mean and deviation of each band, decibels beside a recording's mean power; the frames of a long recording."""
        good = np.setdiff1d(rows, stored.bad)
        sounds, form = _ragged(stored), mel_form(stored.meta["rate"])
        lengths = np.asarray(form.frames_of(sounds.lengths[good])) if len(good) else np.ones(1, np.int64)
        step = max(1, -(-len(good) // SAMPLED_RECORDINGS), -(-int(lengths.sum()) // SAMPLED_FRAMES))
        count, total, squares = 0, np.zeros(form.bands), np.zeros(form.bands)
        for row in good[::step].tolist():
            seen = relative_level(log_mel(sounds[row], form))  # (T, C)
            count, total, squares = count + len(seen), total + seen.sum(0), squares + (seen**2).sum(0)
        mean = total / max(count, 1)
        std = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0))
        frames = int(np.ceil(np.quantile(lengths, 0.99)))
        return {
            "role": role,
            "rate": form.rate,
            "mean": mean.round(6).tolist(),
            "std": std.round(6).tolist(),
            "frames": frames,
        }

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> Ragged:
        """The stored samples themselves, int16: spectra are made where the network runs."""
        assert stored.meta["rate"] == state["rate"], "stored with other settings than it was fitted with"
        return _ragged(stored)

    def decode(self, encoded: np.ndarray | Ragged, state: Mapping[str, Any]) -> list[np.ndarray]:
        """One (S,) int16 array an example."""
        return [np.asarray(encoded[row]) for row in range(len(encoded))]

    def show(self, stored: Stored, row: int) -> bytes:
        """A PNG of the log-mel spectrum: time to the right, pitch upwards, the brighter the louder."""
        return spectrum_png(log_mel(_ragged(stored)[row], mel_form(stored.meta["rate"])))

    def hear(self, stored: Stored, row: int) -> bytes:
        """A WAV file of its beginning."""
        return to_wav(_ragged(stored)[row][:HEARD_SAMPLES], stored.meta["rate"])

    def resize(
        self, settings: Mapping[str, Any], size: tuple[int, int] | None, seconds: float | None
    ) -> Mapping[str, Any]:
        return settings if seconds is None else {**settings, "seconds": seconds}

    def note_size(self, column: Column, settings: Mapping[str, Any]) -> Note | None:
        # The mean length stands in no setting: at most so much, as longer recordings are not read to their end.
        rate, seconds = (float(settings.get(name, usual)) for name, usual in FALLBACK.items())
        if (size := len(column) * rate * min(seconds, settings.get("usual", seconds)) * 2) <= LARGE_DECODED_BYTES:
            return None
        text = f"decoded, {count_noun(len(column), self.file_noun)} take about {size / 1e9:,.1f} GB in the cache"
        return Note("warning", text, f"column '{column.name}'", DECODES, self.smaller)


_RATE = forms.whole(LOWEST_RATE, HIGHEST_RATE)

_SECONDS = forms.number(0.01, LONGEST_SECONDS)


def _bands_form(value: Any, where: str) -> None:
    bands = mel_form(value["rate"]).bands
    for name in ("mean", "std"):
        if len(value[name]) != bands:
            raise forms.FormError(f"{where}.{name} has {len(value[name])} entries for {bands} bands")


def _ragged(stored: Stored) -> Ragged:
    return Ragged(stored.arrays["samples"], stored.arrays["ends"])


def _names_or_holds(series: pl.Series) -> bool:
    """Whether values name sound files, or are the contents of such."""
    if series.dtype == pl.Binary:
        some = series.drop_nulls().head(NEAR).to_list()
        return sum(bool(sound_format(one)) for one in some) > len(some) / 2
    return series.dtype == pl.String and name_files(drop_missing(thin_series(series)), SUFFIXES)


def _guess_files(paths: list[str], fetch: Fetch | None) -> Guess:
    """Decided from the headers of some of the files."""
    sample = paths[:: max(1, len(paths) // MOST_HEADERS)]
    known = [one for one in read_headers(sample, fetch) if isinstance(one, Header) and one.frames]
    if not known:
        reason = f"{len(paths):,} names of sound files, which {explain_none(sample, fetch)}"
        return Guess(0.6, reason, role="ignore", settings=FALLBACK)
    rate, why = choose_rate(Counter(one.rate for one in known))
    seconds = np.array([one.seconds for one in known])
    checked = f" ({len(sample):,} checked)" if len(sample) < len(paths) else ""
    reason = f"{len(paths):,} recordings of {_seconds_text(float(seconds.mean()))} on average, {why}{checked}"
    usual = round(float(np.minimum(seconds, MOST_SECONDS).mean()), 3)
    return Guess(0.95, reason, settings={"rate": rate, "seconds": MOST_SECONDS, "usual": usual})


def choose_rate(rates: Mapping[int, int]) -> tuple[int, str]:
    """The rate that recordings are brought to, and why.

    >>> choose_rate({44100: 3, 8000: 1})
    (16000, '8,000 to 44,100 Hz, brought to 16,000 Hz')

    Args:
        rates: how many files have each.
    """
    commonest = max(rates, key=lambda rate: (rates[rate], rate))
    rate = min(commonest, MOST_CHOSEN_RATE)
    if list(rates) == [rate]:
        return rate, f"all of {rate:,} Hz"
    low, high = min(rates), max(rates)
    found = f"{low:,} Hz" if low == high else f"{low:,} to {high:,} Hz"
    return rate, f"{found}, brought to {rate:,} Hz"


def _seconds_text(seconds: float) -> str:
    return f"{seconds:.3g} s"


def _treated(about: np.ndarray, good: np.ndarray, form: SoundForm, place: Any, where: str) -> list[Note]:
    """What was done to recordings that are not as the others: rate, channels, length, level."""
    if not len(good):
        return []
    rate, channels, milliseconds, _, _, odd = about[good].T
    found = []
    if (other := good[rate != form.rate]).size:
        counts = Counter(rate[rate != form.rate].tolist())
        which = join_words([f"{count:,} of {one:,} Hz" for one, count in counts.most_common()], MOST_NAMED)
        text = f"{len(other):,} of {count_noun(len(good), 'recording')} resampled to {form.rate:,} Hz ({which})"
        found.append(Note("info", text, where, "resampled"))
    if (other := good[channels > 1]).size:
        text = f"{len(other):,} of {count_noun(len(good), 'recording')} of several channels made one of their mean"
        found.append(Note("info", text, where, "averaged"))
    text, fix = (
        f"longer than {form.seconds:g} s; what comes later is not read",
        "cut them up, or set --seconds",
    )
    found += _name_some(good[milliseconds > 1000 * form.seconds + 1], place, "warning", text, AS_IT_SAYS, fix)
    text, fix = "cut off: there is less than the header promises", "copy them again"
    found += _name_some(good[odd & CUT_OFF > 0], place, "warning", text, "what is there is read", fix)
    text = "without a level: numbers far beyond ±1, made smaller by their largest"
    found += _name_some(good[odd & SCALED > 0], place, "warning", text, AS_IT_SAYS, "")
    text = "of channels that cancel each other; the first channel is taken"
    found += _name_some(good[odd & CANCELLED > 0], place, "warning", text, AS_IT_SAYS, "")
    return found


def _name_some(rows: np.ndarray, place: Any, level: str, what: str, action: str, fix: str) -> list[Note]:
    """A note on some recordings, the first by name; none where there is none."""
    if not len(rows):
        return []
    names = [place(int(row)) for row in rows[: MOST_NAMED + 1]]
    others = f" (also {join_words(names[1:], MOST_NAMED - 1)})" if len(names) > 1 else ""
    is_are = "recording is" if len(rows) == 1 else "recordings are"
    return [Note(level, f"{len(rows):,} {is_are} {what}{others}", names[0], action, fix)]


def spectrum_png(decibels: np.ndarray) -> bytes:  # (T, C)
    """A picture of a log-mel spectrum, (H, W) as ``PICTURE_SIDE``."""
    from PIL import Image

    top = max(float(decibels.max()), FLOOR + SEEN_DECIBELS)
    share = np.clip((decibels.T[::-1] - (top - SEEN_DECIBELS)) / SEEN_DECIBELS, 0, 1)  # (C, T), pitch upwards
    height, width = PICTURE_SIDE
    grey = Image.fromarray((share * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    steps = np.linspace(0, 255, len(COLOURS))
    table = np.stack([np.interp(np.arange(256), steps, [c[i] for c in COLOURS]) for i in range(3)], -1)
    return pixels.to_png(table.astype(np.uint8)[np.asarray(grey)])
