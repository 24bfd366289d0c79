"""A weighted sum with its numbers: a row for each product, then bias, sum and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .markup import Markup
from .signed import colour_key, draw_ends, short_text, signed_text
from .svg import WIDTH, Scale, draw_box, draw_label, draw_name, draw_rule, svg_element
from .ticks import text_width

STEP = 22

# Products that are drawn; the table has all of them.
MOST_TERMS = 30

# Right edges of the columns of numbers, where the bars are, and the room for names.
_W, _X, _PRODUCT, _BARS, _NAME = 212.0, 284.0, 358.0, (368.0, WIDTH - 4.0), 136.0


def weighted_sum(
    terms: Sequence[tuple[str, float, float]],
    rest: tuple[float, int],
    bias: float,
    total: float,
    after: Sequence[tuple[str, float]] = (),
) -> Markup:
    """Σ w·x + b as rows: name, w, x, w·x with its bar; see ``Sum`` for the arguments."""
    shown = list(terms[:MOST_TERMS])
    hidden = terms[MOST_TERMS:]
    others, count = rest[0] + sum(w * x for _, w, x in hidden), rest[1] + len(hidden)
    rows: list[tuple[str, str, str, float]] = [(n, short_text(w), short_text(x), w * x) for n, w, x in shown]
    if count:
        rows.append((f"{count:,} more", "", "", others))
    rows.append(("bias b", "", "", bias))
    size = np.array([abs(row[3]) for row in rows if np.isfinite(row[3])] or [1.0])
    scale = Scale(-(float(size.max()) or 1.0), float(size.max()) or 1.0, *_BARS)
    marks = _draw_heads()
    y = 20.0
    for row in rows:
        marks += _draw_term(row, y, scale)
        y += STEP
    marks += [draw_rule(scale(0), 20, scale(0), y, "axis"), draw_rule(0, y, _PRODUCT, y, "axis")]
    marks += _draw_line("sum", total, y, "=")
    y += STEP
    for name, value in after:
        marks += _draw_line(name, value, y, "→")
        y += STEP
    marks += [
        *draw_ends(*_BARS, 12, _end_texts(scale), zero=None),
        *colour_key(4, y + 4),
    ]
    products = ", ".join(f"{name} {short_text(product)}" for name, _, _, product in rows)
    return svg_element(WIDTH, y + 20, *marks, about=f"a weighted sum: {products}; together {short_text(total)}")


def _end_texts(scale: Scale) -> tuple[str, str]:
    """The ends of the bars; the right one alone where both have no room."""
    low, high = signed_text(scale.low), signed_text(scale.high)
    return ("" if text_width(low) + text_width(high) + 6 > _BARS[1] - _BARS[0] else low), high


def _draw_heads() -> list[Markup]:
    heads = ((_W, "weight w"), (_X, "value x"), (_PRODUCT, "w · x"))
    return [draw_label(4, 12, "from", class_="title"), *(draw_label(x, 12, text, "end", "title") for x, text in heads)]


def _draw_term(row: tuple[str, str, str, float], y: float, scale: Scale) -> list[Markup]:
    name, w, x, product = row
    base = y + 15
    known = np.isfinite(product)
    end, zero = scale(product) if known else scale(0), scale(0)
    return [
        draw_name(4, base, name, _NAME, class_="strong"),
        draw_label(_W, base, w, "end"),
        *([draw_label(_W + 9, base, "×", "middle")] if x else []),
        draw_label(_X, base, x, "end"),
        draw_label(_X + 10, base, "=" if x else "+", "middle"),
        draw_label(_PRODUCT, base, short_text(product), "end", "strong"),
        draw_box(
            min(zero, end),
            y + 5,
            abs(end - zero),
            STEP - 9,
            "above" if product > 0 else "below",
            f"{name}: {short_text(product)}",
            rx=2,
        ),
    ]


def _draw_line(name: str, value: float, y: float, sign: str) -> list[Markup]:
    return [
        draw_name(4, y + 15, name, _X - 10, class_="strong"),
        draw_label(_X + 10, y + 15, sign, "middle"),
        draw_label(_PRODUCT, y + 15, short_text(value), "end", "strong"),
    ]
