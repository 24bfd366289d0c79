"""Log-mel spectra: how loud each of some bands of pitch is, frame by frame. S samples, T frames, W samples of a frame,
N of its spectrum, F frequencies, C bands.

Bands are as wide as the ear tells them apart (Stevens, Volkmann, Newman 1937, in the form of O'Shaughnessy 1987).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

# Seconds of a frame, and between the beginnings of two.
FRAME_SECONDS, HOP_SECONDS = 0.025, 0.010

# Bands, of recordings that hold less than this rate and of others.
FEW_BANDS, BANDS, FAST_RATE = 40, 64, 12_000

# Frames of a position, where something is said of each: 50 positions a second. Letters are spoken up to 25 a second,
# and with as many positions they lie without a gap (docs/LOG.md, 2026-11-28).
FRAMES_A_POSITION = 2

# The lowest frequency that counts, Hz: below it is rumble.
LOWEST = 20.0

# Decibels: nothing is taken for more quiet, as the steps of 16 bits lie about there.
FLOOR = -100.0

# Decibels below a recording's mean power: what is more quiet is silence, however quiet it was where that was recorded.
DEPTH = 45.0

# Of frames, worked on at a time.
FRAMES_AT_ONCE = 4096


@dataclass(frozen=True)
class MelForm:
    """How frames are cut and bands laid at one rate.

    Attributes:
        rate: samples a second.
    """

    rate: int

    @property
    def frame(self) -> int:  # W
        return max(2, round(self.rate * FRAME_SECONDS))

    @property
    def hop(self) -> int:
        return max(1, round(self.rate * HOP_SECONDS))

    @property
    def bands(self) -> int:  # C
        return FEW_BANDS if self.rate < FAST_RATE else BANDS

    @cached_property
    def spectrum(self) -> int:  # N
        """A power of two, so large that every band has a frequency of its own."""
        size = 1 << (self.frame - 1).bit_length()
        while (triangles(self.rate, size, self.bands).sum(0) <= 0).any():
            size *= 2
        return size

    @cached_property
    def window(self) -> np.ndarray:  # (W,) float32
        """Hann, scaled so that the loudest tone there can be has a power of 1, 0 decibels."""
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.frame) / self.frame)
        return (2 * hann / hann.sum()).astype(np.float32)

    @cached_property
    def filters(self) -> np.ndarray:  # (F, C) float32
        return triangles(self.rate, self.spectrum, self.bands).astype(np.float32)

    @property
    def centres(self) -> np.ndarray:  # (C,) Hz
        return band_edges(self.rate, self.bands)[1:-1]

    def frames_of(self, samples: int | np.ndarray) -> int | np.ndarray:
        """How many frames so many samples make: those that lie wholly inside, and one of fewer samples than that."""
        return np.maximum(1 + (samples - self.frame) // self.hop, 1)

    def positions_of(self, samples: int | np.ndarray) -> int | np.ndarray:
        """How many positions so many samples make, where something is said of each."""
        return -(-self.frames_of(samples) // FRAMES_A_POSITION)


@lru_cache(maxsize=16)
def mel_form(rate: int) -> MelForm:
    """The form for a rate, its matrices made once."""
    return MelForm(rate)


def to_mel(frequency: np.ndarray | float) -> np.ndarray:  # Hz -> mel
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)


def from_mel(mel: np.ndarray | float) -> np.ndarray:  # mel -> Hz
    return 700 * (10 ** (np.asarray(mel) / 2595) - 1)


def band_edges(rate: int, bands: int) -> np.ndarray:  # (C + 2,) Hz
    """Where bands begin and end: band c rises from edge c to c + 1 and falls to c + 2."""
    return from_mel(np.linspace(to_mel(min(LOWEST, rate / 8)), to_mel(rate / 2), bands + 2))


def triangles(rate: int, size: int, bands: int) -> np.ndarray:  # (F, C)
    """The weight of each frequency of a spectrum of ``size`` samples in each band."""
    frequency = np.arange(size // 2 + 1) * rate / size  # (F,)
    edges = band_edges(rate, bands)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]  # (C,)
    rising = (frequency[:, None] - low) / (middle - low)
    falling = (high - frequency[:, None]) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


def log_mel(samples: np.ndarray, form: MelForm) -> np.ndarray:  # (S,) int16 -> (T, C) float32, decibels
    """The spectrum of one recording: of each frame, the power in each band."""
    count = int(form.frames_of(len(samples)))
    padded = np.zeros(form.frame + (count - 1) * form.hop, np.float32)
    used = samples[: len(padded)]
    padded[: len(used)] = used * np.float32(1 / 32768)
    frames = np.lib.stride_tricks.sliding_window_view(padded, form.frame)[:: form.hop]  # (T, W)
    out = np.empty((count, form.bands), np.float32)
    for start in range(0, count, FRAMES_AT_ONCE):
        part = slice(start, start + FRAMES_AT_ONCE)
        spectrum = np.fft.rfft(frames[part] * form.window, form.spectrum)
        power = (spectrum.real**2 + spectrum.imag**2) @ form.filters
        out[part] = 10 * np.log10(np.maximum(power, 10 ** (FLOOR / 10)))
    return out


def relative_level(level: np.ndarray) -> np.ndarray:  # (T, C) -> (T, C), decibels
    """A spectrum beside the mean power of all its frames and bands, down to ``DEPTH`` below it."""
    # The mean of decibels would say more of how long the silence around a word is than of how loud the word is.
    mean = 10 * np.log10(np.mean(10 ** (level.astype(np.float64) / 10)))
    return np.maximum(level - mean, -DEPTH)
