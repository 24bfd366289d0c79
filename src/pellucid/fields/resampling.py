"""Another sample rate: a windowed sinc for each phase between two samples. S samples, K taps of one filter.

Smith, "Digital Audio Resampling" (2002): what lies between samples is the sum of sinc functions at them, cut off by a
Kaiser window; below half of the lower rate tones pass, above they are kept out, so that none comes back as another.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd

import numpy as np

# Zeros of the sinc on each side, the window's shape, and where the filter is at a half, as a share of the highest
# frequency that the lower rate holds: tones up to .85 of it keep their height to 1 in 30,000, those from 1.05 of it on
# lose 90 decibels (tests/test_recordings.py).
ZEROS, KAISER, PASS = 32, 9.0, 0.955


def resample(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:  # (S,) -> (ceil(S wanted / rate),) float32
    """Samples at another rate; beyond their ends there is silence.

    Args:
        samples: numbers, ``rate`` of them a second. wanted: samples a second.

    >>> resample(np.ones(441, np.float32), 44100, 8000).shape
    (80,)
    """
    if rate == wanted:
        return np.asarray(samples, np.float32)
    shared = gcd(rate, wanted)
    down, up = rate // shared, wanted // shared
    filters = _phase_filters(down, up)  # (up, K)
    taps = filters.shape[1]
    count = -(-len(samples) * up // down)
    # In front half a filter of silence, behind as much and what the last outputs reach further.
    padded = np.zeros(len(samples) + 2 * taps + down, np.float32)
    padded[taps // 2 - 1 : taps // 2 - 1 + len(samples)] = samples
    out = np.empty(count, np.float32)
    # Outputs of one phase lie ``up`` apart, and what they read ``down`` apart: one matrix product a phase.
    for first in range(min(up, count)):
        base, phase = divmod(first * down, up)
        own = -(-(count - first) // up)
        step = padded.itemsize * down
        windows = np.lib.stride_tricks.as_strided(padded[base:], (own, taps), (step, padded.itemsize), writeable=False)
        out[first::up] = windows @ filters[phase]
    return out


@lru_cache(maxsize=16)
def _phase_filters(down: int, up: int) -> np.ndarray:  # -> (up, K) float32
    """The filter for each phase: the weights of the K samples around a point that lies phase / up behind one."""
    # Samples of the input, as the sinc is wider where the output is slower.
    wide = max(1.0, down / up)
    half = int(np.ceil(ZEROS * wide))
    places = np.arange(-half + 1, half + 1)  # (K,)
    distance = places - (np.arange(up) / up)[:, None]  # (up, K)
    cut = PASS / wide
    inside = np.clip(1 - (distance / half) ** 2, 0, None)
    window = np.i0(KAISER * np.sqrt(inside)) / np.i0(KAISER)
    found = cut * np.sinc(cut * distance) * window
    # A level stays what it is, in every phase.
    return np.ascontiguousarray(found / found.sum(1, keepdims=True), np.float32)
