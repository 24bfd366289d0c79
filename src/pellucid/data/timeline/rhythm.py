"""The rhythm of a series: after how many steps it comes again. P places."""

from __future__ import annotations

import numpy as np

from .step import Step
from .timeline import Timeline

# Autocorrelation from which on a rhythm is one.
CLEAR = 0.3

# Periods that a rhythm is looked for over, at least; series and places that are looked at, at most.
FEWEST_PERIODS, MOST_SERIES, MOST_PLACES = 3, 20, 100_000

# Of the best autocorrelation, that a shorter rhythm must reach to be taken: multiples of a rhythm are as strong.
NEARLY = 0.9


def find_season(values: np.ndarray, line: Timeline) -> int:  # (P,) -> steps
    """After how many steps the values come again; 1 where no rhythm is clear.

    Args:
        values: NaN where missing, and where rows are not learned from.

    Of the rhythms that people live by where dates tell the step; else whatever lag is a peak of the autocorrelation.
    """
    lengths = line.lengths
    longest = np.argsort(-lengths, kind="stable")[:MOST_SERIES]
    some = [_without_end(values[line.first[s] : line.last[s]])[-MOST_PLACES:] for s in longest.tolist()]
    # Of changes first: a slow drift correlates at every lag. A rhythm of many steps, such as a year of days, is too
    # smooth to be seen in them, and is looked for in the values.
    for changes in (True, False):
        found = [one for one in (_autocorrelation(np.diff(v) if changes else v) for v in some) if len(one) > 4]
        if not found:
            continue
        size = int(np.median([len(one) for one in found]))
        correlation = np.mean([one[:size] for one in found if len(one) >= size], 0)
        if (season := _best_lag(correlation, line.step)) > 1:
            return season
    return 1


def _without_end(values: np.ndarray) -> np.ndarray:  # (T,) -> (T',)
    """The values up to the last known one: of more, longer rhythms would be looked for than they can show."""
    known = np.flatnonzero(np.isfinite(values))
    return values[: known[-1] + 1] if len(known) else values[:0]


def _best_lag(correlation: np.ndarray, step: Step) -> int:
    """The lag of the clearest rhythm, the shortest of equals; 1 where none is clear."""
    known = [lag for lag in step.rhythms() if 1 < lag < len(correlation) - 1]
    lags = np.array(known) if known else np.arange(2, len(correlation) - 1)
    if not len(lags):
        return 1
    # A rhythm stands out from the valley before it, and any lag but those of the calendar must be a peak.
    valley = np.array([correlation[1 : lag + 1].min() for lag in lags.tolist()])
    strong = (correlation[lags] >= CLEAR) & (correlation[lags] - valley >= CLEAR)
    if not known:
        strong &= (correlation[lags] >= correlation[lags - 1]) & (correlation[lags] >= correlation[lags + 1])
    if not strong.any():
        return 1
    best = correlation[lags[strong]].max()
    return int(lags[strong & (correlation[lags] >= NEARLY * best)].min())


def _autocorrelation(values: np.ndarray) -> np.ndarray:  # (T,) -> (T / FEWEST_PERIODS,)
    """The autocorrelation of a series without its straight trend, by lag."""
    known = np.isfinite(values)
    if known.sum() < 8 or np.ptp(values[known]) == 0:
        return np.zeros(0)
    time = np.arange(len(values), dtype=np.float64)
    slope, level = np.polyfit(time[known], values[known], 1)
    rest = np.where(known, values - slope * time - level, 0.0)
    size = 1 << (2 * len(rest) - 1).bit_length()
    spectrum = np.fft.rfft(rest, size)
    found = np.fft.irfft(spectrum * spectrum.conj(), size)[: len(rest)]
    # Of a lag there are fewer pairs the longer it is.
    pairs = np.fft.irfft(abs(np.fft.rfft(known.astype(float), size)) ** 2, size)[: len(rest)]
    found = found / np.maximum(pairs, 1)
    lags = max(len(rest) // FEWEST_PERIODS, 2)
    return found[:lags] / found[0] if found[0] > 0 else np.zeros(0)
