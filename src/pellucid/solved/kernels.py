"""Features of series by many fixed small kernels: how often what one gives lies above a threshold, and its extremes.

MiniRocket (Dempster, Schmidt, Webb, 2021): all 84 kernels of nine taps of which three are 2 and six are -1, at many
dilations; thresholds are quantiles of what a kernel gives on training series. ROCKET (2020): the largest value too, and
here the smallest. MultiRocket (Tan et al., 2022): the same of first differences.

B batch, T values, C channels, D dilations, K kernels, M thresholds of each at a dilation.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..trunks.keyed_random import hash_keys, uniform_numbers

TAPS, HEAVY = 9, 3

# Kernels: which three of nine taps are heavy.
PLACES = tuple(itertools.combinations(range(TAPS), HEAVY))

KERNELS = len(PLACES)

# Channels that one kernel reads, at most.
MOST_CHANNELS = 9

# Pooled of each kernel at a dilation beside the share above each threshold: largest and smallest value. Chosen by
# cross-validation inside the training parts of eight problems, 4 times 5 folds: .907 with both, as with the largest
# alone; .901 with neither. By 2 times 5 folds mean place and size of what lies above, as in MultiRocket, had .895, and
# ROCKET's own kernels .893 (docs/LOG.md, 2026-11-27).
EXTREMES = 2

# Fraction of the golden ratio: its multiples fill the unit interval evenly, however many are taken.
GOLDEN = (math.sqrt(5) - 1) / 2


def dilations_for(length: int, most: int) -> list[int]:
    """At most so many dilations, with which nine taps span from nine to about ``length`` positions, evenly in ratio.

    >>> dilations_for(9, 16), dilations_for(100, 4), dilations_for(100, 16)
    ([1], [1, 2, 5, 12], [1, 2, 3, 4, 5, 6, 7, 8, 10, 12])
    """
    top = max((length - 1) / (TAPS - 1), 1.0)
    return sorted({int(top ** (i / max(most - 1, 1)) + 1e-9) for i in range(most)})


def draw_kernels(channels: int, dilations: int, seed: int) -> Tensor:  # -> (D, K, C, TAPS)
    """The kernels of each dilation: of several channels each reads some, drawn by the seed."""
    taps = torch.full((KERNELS, TAPS), -1.0)
    for i, places in enumerate(PLACES):
        taps[i, list(places)] = 2.0
    reads = torch.ones(dilations, KERNELS, channels)
    if channels > 1:
        key = seed * 0x1000193 + torch.arange(dilations * KERNELS)
        most = math.log2(min(channels, MOST_CHANNELS) + 1)
        count = (2 ** (uniform_numbers(key, 1) * most)).long().clamp(1, channels)  # (D * K,)
        order = hash_keys(key.unsqueeze(1) * 4099 + torch.arange(channels), 2).argsort(1).argsort(1)
        reads = (order < count.unsqueeze(1)).float().view(dilations, KERNELS, channels)
    return reads.unsqueeze(-1) * taps.view(1, KERNELS, 1, TAPS)


def convolve(x: Tensor, kernels: Tensor, dilation: int) -> Tensor:  # (B, C, T), (K, C, TAPS) -> (B, K, T)
    """What kernels give at each position; beyond both ends there are zeros."""
    return nnf.conv1d(x, kernels, padding=dilation * (TAPS // 2), dilation=dilation)


def draw_thresholds(
    x: Tensor, lengths: Tensor, kernels: Tensor, dilations: list[int], count: int, seed: int
) -> Tensor:  # (S, T, C), (S,), (D, K, C, TAPS) -> (D, K, count)
    """Thresholds of each kernel: quantiles of what it gives on one of S series, drawn by the seed."""
    found = []
    for i, dilation in enumerate(dilations):
        key = seed * 0x1000193 + i * KERNELS + torch.arange(KERNELS)
        chosen = (uniform_numbers(key, 3) * len(x)).long().clamp_max(len(x) - 1).to(x.device)  # (K,)
        given = convolve(x.transpose(1, 2), kernels[i], dilation)  # (S, K, T)
        own = given[chosen, torch.arange(KERNELS, device=x.device)]  # (K, T)
        real = torch.arange(own.shape[1], device=x.device) < lengths[chosen].unsqueeze(1)
        ranked = own.masked_fill(~real, math.inf).sort(1).values
        place = torch.arange(KERNELS).unsqueeze(1) * count + torch.arange(count) + 1 + i * KERNELS * count
        share = torch.remainder(place * GOLDEN, 1.0).to(x.device)  # (K, count)
        last = (lengths[chosen] - 1).clamp_min(0).unsqueeze(1)  # (K, 1)
        index = (share * (last - 1).clamp_min(0)).round().long()
        # Between two values: on one, rounding would say whether it lies above.
        found.append((ranked.gather(1, index) + ranked.gather(1, torch.minimum(index + 1, last))) / 2)
    return torch.stack(found)


def pooled_features(
    x: Tensor, lengths: Tensor, kernels: Tensor, thresholds: Tensor, dilations: list[int]
) -> Tensor:  # (B, T, C), (B,), (D, K, C, TAPS), (D, K, M) -> (B, D * K * (M + 2))
    """The features of each series; what stands beyond its length changes nothing."""
    real = (torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)).unsqueeze(1)  # (B, 1, T)
    size = lengths.clamp_min(1).to(x.dtype).view(-1, 1)
    found: list[Tensor] = []
    for i, dilation in enumerate(dilations):
        given = convolve(x.transpose(1, 2), kernels[i], dilation)  # (B, K, T)
        low = given.masked_fill(~real, math.inf).amin(-1)
        given = given.masked_fill_(~real, -math.inf)
        shares = [(given > threshold.view(-1, 1)).sum(-1, dtype=x.dtype) / size for threshold in thresholds[i].T]
        # A series without a value has no extremes.
        extremes = [one.masked_fill(~real.any(-1), 0.0) for one in (given.amax(-1), low)]
        found += [*shares, *extremes]
    return torch.cat(found, 1)


def differences(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:  # (B, T, C), (B,) -> (B, T', C), (B,)
    """First differences, one value shorter; zeros beyond. A series of one value has one difference, 0."""
    if x.shape[1] < 2:
        return torch.zeros_like(x), lengths.clamp_max(1)
    fewer = (lengths - 1).clamp_min(0)
    real = torch.arange(x.shape[1] - 1, device=x.device) < fewer.unsqueeze(1)
    return x.diff(dim=1).masked_fill(~real.unsqueeze(-1), 0.0), fewer.clamp_min(1)
