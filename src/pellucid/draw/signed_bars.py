"""Named values as bars to both sides of zero, with whiskers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .markup import Markup
from .signed import colour_key, draw_ends, short_text, signed_text
from .svg import WIDTH, Scale, draw_box, draw_label, draw_name, draw_rule, svg_element
from .ticks import one_line, shorten_text, text_width

# Bars that are drawn, the largest; the table has all of them.
MOST_BARS = 40

STEP = 24


def signed_bars(
    names: Sequence[str],
    values: Sequence[float],
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    *,
    unit: str = "",
    signed: bool = True,
) -> Markup | None:
    """Bars in the order given, orange above zero and blue below; None where there are none.

    Args:
        low, high: ends of whiskers. signed: whether the sign says something; else all have one colour.
    """
    every = np.asarray(values, float)
    if not every.size:
        return None
    shown = largest_places(every, MOST_BARS)
    names = [one_line(str(names[i])) for i in shown]
    tail = f" {shorten_text(one_line(unit), 70)}" if unit else ""
    texts = [(signed_text if signed else short_text)(every[i]) + tail for i in shown]
    spans = [(float(low[i]), float(high[i])) if low is not None and high is not None else None for i in shown]
    scale = _bar_scale(every[shown], spans, names, texts)
    marks: list[Markup] = []
    for row, place in enumerate(shown):
        marks += _draw_row(scale, row * STEP, names[row], float(every[place]), spans[row], texts[row], signed)
    bottom = len(shown) * STEP + 2
    zero = draw_rule(scale(0), 0, scale(0), bottom, "axis")
    left_out = len(every) - len(shown)
    said = f"the {len(shown)} largest of {len(every):,}" if left_out else ""
    foot, height = _draw_foot(scale, bottom, signed, said)
    about = "bars: " + ", ".join(f"{n} {t}" for n, t in zip(names, texts, strict=True))
    return svg_element(WIDTH, height, *marks, zero, *foot, about=about)


def largest_places(values: np.ndarray, most: int) -> np.ndarray:  # (n,) -> (at most most,), in their order
    """Where the values farthest from zero are, what is not finite last."""
    size = np.where(np.isfinite(values), np.abs(values), -1.0)
    return np.sort(np.argsort(-size, kind="stable")[:most])


def _bar_scale(
    values: np.ndarray, spans: Sequence[tuple[float, float] | None], names: Sequence[str], texts: Sequence[str]
) -> Scale:
    """Between the names and the numbers."""
    ends = np.array([*values, *(end for span in spans if span for end in span), 0.0])
    ends = ends[np.isfinite(ends)].clip(-1e300, 1e300)
    left = 10 + min(WIDTH * 0.36, max(map(text_width, names)))
    right = WIDTH - 10 - max(map(text_width, texts))
    low, high = float(ends.min()), float(ends.max())
    return Scale(low, high if high > low else low + 1.0, left, right)


def _draw_row(
    scale: Scale, y: float, name: str, value: float, span: tuple[float, float] | None, text: str, signed: bool
) -> list[Markup]:
    known = np.isfinite(value)
    zero, end = scale(0), scale(float(np.clip(value, scale.low, scale.high))) if known else scale(0)
    tip = f"{name}: {text}"
    whiskers: list[Markup] = []
    if span and np.isfinite(span).all():
        tip += f" ({short_text(span[0])} to {short_text(span[1])})"
        low, high = (scale(float(np.clip(one, scale.low, scale.high))) for one in span)
        middle = y + STEP / 2
        whiskers = [draw_rule(low, middle, high, middle, "whisker")]
        whiskers += [draw_rule(x, middle - 4, x, middle + 4, "whisker") for x in (low, high)] if high - low > 5 else []
    colour = ("above" if value > 0 else "below") if signed else "amount"
    return [
        draw_name(scale.start - 8, y + 16, name, scale.start - 8, "end", "strong"),
        draw_box(min(zero, end), y + 4, abs(end - zero), STEP - 8, colour, tip, rx=2),
        *whiskers,
        draw_label(WIDTH, y + 16, text, "end", "strong"),
    ]


def _draw_foot(scale: Scale, y: float, signed: bool, said: str) -> tuple[list[Markup], float]:
    """The ends of the scale in numbers, what the colours say, what is left out; and where it ends."""
    text = signed_text if signed else short_text
    ends = text(scale.low) if scale.low < 0 else "", text(scale.high) if scale.high > 0 else ""
    # Of both there may be more than the room between: then the longer bars say their number themselves.
    if text_width(ends[0]) + text_width(ends[1]) + 8 > scale.end - scale.start:
        ends = ("", "")
    marks = draw_ends(scale.start, scale.end, y + 12, ends, scale(0))
    y += 20
    if signed:
        marks += colour_key(4, y)
    if said:
        marks.append(draw_label(WIDTH, y + 9, said, "end"))
    return marks, y + (16 if signed or said else 0)
