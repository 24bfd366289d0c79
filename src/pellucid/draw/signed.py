"""The scale of signed values: from blue (below zero) over the ground itself (zero) to orange (above).

Blue and orange are told apart by those who see no red or no green. Zero is white on a light page and the card's own
ground on a dark one, as a colour is the more opaque the farther a value is from zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..wording import number_text
from .markup import Markup
from .svg import draw_box, draw_label
from .ticks import text_width

Colour = tuple[int, int, int]

# Seen on white and on the dark ground alike.
ABOVE: Colour = (224, 122, 40)
BELOW: Colour = (63, 127, 214)
# Of values that have no sign.
AMOUNT: Colour = (20, 140, 126)
MISSING: Colour = (128, 132, 140)

# Pixels that a legend takes, and how many steps it is drawn in.
LEGEND_HEIGHT, LEGEND_WIDTH, _STEPS = 30, 142, 34


@dataclass(frozen=True)
class SignedScale:
    """From ``-limit`` over 0 to ``limit``; without ``signed`` from 0 to ``limit``.

    Attributes:
        missing: whether some values are not finite, which the legend then explains.
    """

    limit: float
    signed: bool = True
    missing: bool = False

    @classmethod
    def over_values(cls, values: Sequence[float] | np.ndarray, signed: bool = True) -> SignedScale:
        """The scale whose end is the value farthest from zero."""
        every = np.asarray(values, float)
        real = np.abs(every[np.isfinite(every)])
        limit = float(real.max()) if real.size and real.max() > 0 else 1.0
        return cls(limit, signed, bool((~np.isfinite(every)).any()))

    def strength(self, value: float) -> float:
        """How far from zero, as a share of the scale; 0 for what is not finite."""
        share = abs(value) / self.limit if self.signed else value / self.limit
        return float(min(max(share, 0.0), 1.0)) if np.isfinite(value) else 0.0

    def colour(self, value: float) -> str:
        """The class of a value's colour."""
        if not np.isfinite(value):
            return "missing"
        return ("above" if value > 0 else "below") if self.signed else "amount"

    def paint(self, values: np.ndarray) -> np.ndarray:  # (h, w) -> (h, w, 4) uint8
        """A map's pixels: the colour by the sign, as opaque as it is far from zero."""
        known = np.isfinite(values)
        # Divided first: of huge values the product would overflow.
        share = np.where(known, values, 0.0) / self.limit
        found = np.empty((*values.shape, 4), np.uint8)
        found[..., :3] = np.where((share > 0)[..., None], ABOVE, BELOW) if self.signed else AMOUNT
        found[..., 3] = np.round(255 * np.clip(np.abs(share) if self.signed else share, 0, 1))
        found[~known] = (*MISSING, 90)
        return found

    def _end_texts(self) -> tuple[str, str]:
        return (signed_text(-self.limit), signed_text(self.limit)) if self.signed else ("0", short_text(self.limit))

    def legend(self, x: float, y: float, ground: str = "") -> list[Markup]:
        """The scale as a strip with its ends and zero in numbers; ``LEGEND_HEIGHT`` high.

        Args:
            ground: put behind the classes of its colours, for those that text stands on.
        """
        step = LEGEND_WIDTH / _STEPS
        low = -1.0 if self.signed else 0.0
        shares = low + (1 - low) * (np.arange(_STEPS) + 0.5) / _STEPS
        strip = [
            draw_box(
                x + i * step,
                y,
                # Without a seam between two steps.
                step + 0.2,
                10,
                f"{self.colour(share)}{ground}",
                fill_opacity=float(abs(share)),
            )
            for i, share in enumerate(shares)
        ]
        right = x + LEGEND_WIDTH
        edge = draw_box(x, y, LEGEND_WIDTH, 10, "edge")
        ends = draw_ends(x, right, y + 23, self._end_texts(), zero=x + LEGEND_WIDTH / 2 if self.signed else None)
        if self.missing:
            ends += [
                draw_box(right + 12, y, 10, 10, "missing", fill_opacity=0.35),
                draw_label(right + 26, y + 9, "no value"),
            ]
        return [*strip, edge, *ends]


def draw_ends(left: float, right: float, y: float, texts: tuple[str, str], zero: float | None) -> list[Markup]:
    """The ends of a scale in numbers, and its zero where there is room between them; an empty text is left out."""
    low, high = texts
    marks = [draw_label(left, y, low)] if low else []
    marks += [draw_label(right, y, high, "end")] if high else []
    taken = (left + text_width(low) + 8 if low else -np.inf, right - text_width(high) - 8 if high else np.inf)
    if zero is not None and taken[0] < zero - 4 and zero + 4 < taken[1]:
        marks.append(draw_label(zero, y, "0", "middle"))
    return marks


def short_text(value: float) -> str:
    """A number in three digits and at most nine signs, with a minus that is one."""
    if not np.isfinite(value):
        return "–"
    # Without the sign that a product with zero may have.
    text = f"{value:.1e}" if abs(value) >= 1e6 else number_text(value + 0.0, 3)
    return text.replace("-", "\N{MINUS SIGN}")


def signed_text(value: float) -> str:
    """The same with its sign."""
    return f"+{short_text(value)}" if 0 < value < np.inf else short_text(value)


def colour_key(x: float, y: float) -> list[Markup]:
    """What the two colours say, where lengths say the rest."""
    low, high = "below zero", "above zero"
    second = x + 14 + text_width(low) + 16
    return [
        draw_box(x, y, 9, 9, "below", rx=2),
        draw_label(x + 14, y + 9, low),
        draw_box(second, y, 9, 9, "above", rx=2),
        draw_label(second + 14, y + 9, high),
    ]
