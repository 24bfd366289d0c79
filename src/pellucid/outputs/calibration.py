"""How sure a network may be: temperature and reliability."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

USUAL = 0.5  # standard deviation of the logarithm of a temperature before anything was seen


def fit_temperature(loss: Callable[[float], float], n: int) -> float:
    """The likeliest temperature, from a grid of 1/8 to 8 refined twice.

    Before anything is seen its logarithm is normal around 0 with ``USUAL``: twenty examples that are all answered right
    would else ask for no doubt at all, and the first error of new ones would cost without end.

    Args:
        loss: mean of ``n`` examples at a temperature.
    """

    def cost_of_log(log: float) -> float:
        return n * loss(2**log) + (log * math.log(2) / USUAL) ** 2 / 2

    middle, reach = 0.0, 3.0  # log2 of the temperature
    for _ in range(3):
        logs = torch.linspace(middle - reach, middle + reach, 25).clamp(-3, 3).tolist()
        middle, reach = logs[int(np.argmin([cost_of_log(log) for log in logs]))], reach / 8
    return 2**middle


def reliability_bins(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> dict[str, list[float]]:
    """Mean confidence, accuracy and count in equal-width bins of confidence; empty bins are left out."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    filled = [b for b in range(bins) if (place == b).any()]
    return {
        "confidence": [float(confidence[place == b].mean()) for b in filled],
        "accuracy": [float(right[place == b].mean()) for b in filled],
        "count": [int((place == b).sum()) for b in filled],
    }
