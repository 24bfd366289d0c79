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
        if size <= abs(value) < 1e12:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def finite_values(values: Sequence[float | None] | np.ndarray) -> np.ndarray:  # (n,) -> (n,) float64, None as NaN
    return np.array([np.nan if v is None else v for v in values], float)


# Advance widths of the signs from space to ~ in hundredths of the size, as DejaVu Sans has them: wider than most, so
# that what fits by these fits in other fonts.
_WIDTHS = (
    *(32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34),
    *(84, 84, 84, 56, 102, 68, 69, 72, 77, 67, 61, 78, 75, 30, 50, 67, 56, 86, 75, 79, 67, 79, 72, 67, 61, 73, 68, 99),
    *(69, 67, 69, 39, 34, 39, 84, 56, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52),
    *(39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84),
)


# Signs that turn the direction of all that follows, the page's own words too.
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def text_width(text: str, size: float = 11.5) -> float:
    """About how wide ``text`` is in a sans-serif of ``size`` pixels: no font is at hand to ask."""
    return size * sum(map(_sign_width, text)) / 100


def _sign_width(sign: str) -> int:
    code = ord(sign)
    if 32 <= code < 127:
        return _WIDTHS[code - 32]
    # Emoji are drawn wider than they count.
    if code >= 0x1F000:
        return 135
    if unicodedata.east_asian_width(sign) in "WF":
        return 100
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    # What stands for a sign that is none is drawn wide.
    if sign in "…\ufffd":
        return 105
    return 84 if sign.isupper() or unicodedata.category(sign) == "Sm" else 66


def one_line(text: str) -> str:
    """A text from outside on one line, without signs that would turn the direction of what follows.

    What no font draws becomes what pages show in its place, so that it is as wide as it is measured.
    """
    line = " ".join("".join(sign for sign in text if sign not in _TURNING).split())
    return "".join("\ufffd" if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in line)


def shorten_text(text: str, width: float, size: float = 11.5) -> str:
    """``text``, cut with an ellipsis so that it fits ``width`` pixels."""
    if text_width(text, size) <= width:
        return text
    room, kept = 100 * width / size - _sign_width("…"), 0
    for sign in text:
        room -= _sign_width(sign)
        if room < 0:
            break
        kept += 1
    return (text[:kept].rstrip() or text[:1]) + "…"
