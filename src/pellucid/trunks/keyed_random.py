"""Random numbers as a function of an example's key, the same on any device."""

from __future__ import annotations

import torch
from torch import Tensor


def hash_keys(key: Tensor, salt: int) -> Tensor:  # (...) int64 -> (...) int64, in 0 .. 2**32 - 1
    """Random integers, one a key: the same key and salt give the same number, on any device, in any order.

    The finaliser of MurmurHash3 (Appleby 2011) on 32 bits, twice, so that neighbouring keys are unrelated.
    """
    # On int64 and cut to 32 bits after every product: torch computes little with unsigned integers.
    h = (key ^ (key >> 32)) & 0xFFFFFFFF
    h = (h + (salt * 0x9E3779B9 & 0xFFFFFFFF)) & 0xFFFFFFFF
    for _ in range(2):
        h = ((h ^ (h >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
        h = ((h ^ (h >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
        h = h ^ (h >> 16)
    return h


def uniform_numbers(key: Tensor, salt: int) -> Tensor:  # (...) int64 -> (...) float32 in [0, 1)
    """Uniform random numbers from ``hash_keys``; 24 bits, so every value is exact in float32."""
    return (hash_keys(key, salt) >> 8).to(torch.float32) * (1.0 / (1 << 24))
