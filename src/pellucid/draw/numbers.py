"""Numbers as people read them, and the ticks of an axis."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

PERCENT = "\N{NO-BREAK SPACE}%"


def number_text(value: float, digits: int = 4) -> str:
    """About ``digits`` significant digits, thousands grouped, tiny and huge ones with an exponent.

    >>> number_text(53940), number_text(0.98123), number_text(0.0000123), number_text(2.0)
    ('53,940', '0.9812', '1.23e-05', '2')
    """
    if not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits - 2}e}"
    after = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{after}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def score_text(value: float) -> str:
    """A score: four digits after the point, fewer where it is large.

    >>> score_text(0.98123), score_text(17.1666), score_text(1234.567)
    ('0.9812', '17.17', '1,235')
    """
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 10 else 4
    return f"{value:,.{digits}f}"


def percent_text(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}{PERCENT}" if math.isfinite(share) else "–"


def value_and_spread(value: float, low: float | None, high: float | None, as_percent: bool = False) -> tuple[str, str]:
    r"""A value and its interval with as many digits as the interval deserves; no interval, no second text.

    >>> value_and_spread(0.98123, 0.98012, 0.98218), value_and_spread(0.764, 0.755, 0.772, as_percent=True)
    (('0.9812', '0.9801–0.9822'), ('76.4\xa0%', '75.5–77.2\xa0%'))
    >>> value_and_spread(-5.3, -5.69, -4.93)
    ('-5.30', '-5.69 to -4.93')
    """
    scale, unit = (100, PERCENT) if as_percent else (1, "")
    if low is None or high is None or not math.isfinite(high - low):
        return (percent_text(value) if as_percent else number_text(value)), ""
    half = scale * (high - low) / 2
    digits = min(6, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else 4
    digits = min(digits, 2) if as_percent else digits
    digits = 1 if as_percent and half > 0.1 else digits
    until = "–" if low >= 0 else " to "  # a dash before a minus sign is not read as one
    return (
        f"{scale * value:,.{digits}f}{unit}",
        f"{scale * low:,.{digits}f}{until}{scale * high:,.{digits}f}{unit}",
    )


def with_interval(value: float, low: float | None, high: float | None, as_percent: bool = False) -> str:
    """``74.2 % (73.3–75.1 %)``; the value alone where its interval is not known."""
    text, between = value_and_spread(value, low, high, as_percent)
    return f"{text} ({between})" if between else text


def p_value(value: float) -> str:
    """
    >>> p_value(0.0312), p_value(0.0004), p_value(1.0)
    ('.031', '< .001', '1')
    """
    if value < 0.001:
        return "< .001"
    return f"{value:.3f}".lstrip("0") if value < 0.9995 else "1"


def duration_text(seconds: float) -> str:
    """
    >>> duration_text(0.42), duration_text(59), duration_text(125), duration_text(7322)
    ('0.4 s', '59 s', '2 min 5 s', '2 h 2 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s".replace(" 0 s", "")
    return f"{whole // 3600} h {whole % 3600 // 60} min".replace(" 0 min", "")


def milliseconds_text(seconds: float) -> str:
    """
    >>> milliseconds_text(0.00312), milliseconds_text(0.0312)
    ('3.1 ms', '31 ms')
    """
    return f"{1e3 * seconds:.{1 if seconds < 0.01 else 0}f} ms"


def memory_text(size: float) -> str:
    """Bytes, as memory is sold.

    >>> memory_text(512e6), memory_text(1.234e9), memory_text(23.4e9)
    ('512 MB', '1.2 GB', '23 GB')
    """
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.{1 if size < 1e10 else 0}f} GB"


def plain_text(value: Any) -> str:
    """Any value of a plan or a row as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {plain_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain_text(v) for v in value)
    return str(value)


def linear_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) between ``low`` and ``high``."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((power * m for m in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
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
    unit = PERCENT if as_percent else ""
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
