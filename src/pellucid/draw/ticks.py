"""The ticks of an axis, and texts cut to the pixels there are."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import numpy as np


def linear_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) between ``low`` and ``high``."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((power * m for m in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    # A thousand-millionth of a step: 0.3 / 0.1 is a little less than 3, and its tick would be lost.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Rounded, or a tick would be called 0.30000000000000004.
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Powers of ten between ``low`` and ``high``, with 2 and 5 times them where there is room."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [m * 10.0**p for p in powers for m in steps if low <= m * 10.0**p <= high]
        if len(ticks) <= most:
            return ticks if len(ticks) > 1 else [low, high]
    return ticks[:: math.ceil(len(ticks) / most)]


def tick_texts(ticks: Sequence[float], as_percent: bool = False) -> list[str]:
    """The ticks' texts, all with the same number of digits where they are evenly spaced."""
    values = [100 * t for t in ticks] if as_percent else list(ticks)
    unit = "%" if as_percent else ""
    # From a million on digits would not fit beside the axis.
    big = max(map(abs, values), default=0)
    if big >= 1e6 or 0 < big < 1e-3:
        return [_short_tick(v) + unit for v in values]
    return [f"{v:,.{_decimal_places(v)}f}{unit}".replace("-", "\N{MINUS SIGN}") for v in values]


def _decimal_places(value: float) -> int:
    text = f"{value:.6f}".rstrip("0")
    return len(text) - text.index(".") - 1


def _short_tick(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def finite_values(values: Sequence[float | None] | np.ndarray) -> np.ndarray:  # (n,) -> (n,) float64, None as NaN
    return np.array([np.nan if v is None else v for v in values], float)


def text_width(text: str, size: float = 11.5) -> float:
    """About how wide ``text`` is in a sans-serif of ``size`` pixels: no font is at hand to ask."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return size * (0.56 * (len(text) - wide) + wide)


def shorten_text(text: str, width: float, size: float = 11.5) -> str:
    """``text``, cut with an ellipsis so that it fits ``width`` pixels."""
    while len(text) > 1 and text_width(text, size) > width:
        text = text.removesuffix("…")[:-1] + "…"
    return text
