"""What every chart stands on: a scale from values to pixels, and a frame with axes, grid and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .markup import Markup, tag
from .ticks import finite_values, linear_ticks, log_ticks, one_line, shorten_text, text_width, tick_texts

# Pixels at which text has the page's size; charts grow and shrink with their column.
WIDTH, HEIGHT = 460, 270


@dataclass(frozen=True)
class Scale:
    """Values ``low`` to ``high`` on pixels ``start`` to ``end``, evenly or (``log``) by their logarithm."""

    low: float
    high: float
    start: float = 0
    end: float = 1
    log: bool = False

    @classmethod
    def over_values(cls, values: Sequence[float] | np.ndarray, log: bool = False, margin: float = 0.04) -> Scale:
        """The scale that shows all finite ``values`` with some air; ``log`` is kept only when all are positive."""
        real = finite_values(values)
        # Beyond, the difference of two values overflows.
        real = real[np.isfinite(real)].clip(-1e300, 1e300)
        low, high = (float(real.min()), float(real.max())) if len(real) else (0.0, 1.0)
        # The air is a share of the axis: of a logarithmic one a factor.
        if log and low > 0:
            low, high = max(low, 1e-280), min(high, 1e280)
            air = (high / low) ** margin if high > low else 1.5
            return cls(low / air, high * air, log=True)
        air = (high - low) * margin if high - low > 1e-12 * max(abs(low), abs(high)) else abs(high) / 10 or 0.5
        return cls(low - air, high + air)

    def on_pixels(self, start: float, end: float) -> Scale:
        return Scale(self.low, self.high, start, end, self.log)

    def __call__(self, value: float) -> float:
        low, high, v = map(_log_value, (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        return self.start + (v - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        return log_ticks(self.low, self.high) if self.log else linear_ticks(self.low, self.high, about)


@dataclass(frozen=True)
class Frame:
    """The plot's rectangle with its two scales, in pixels of the drawing."""

    x: Scale
    y: Scale
    x_label: str = ""
    y_label: str = ""
    percent_x: bool = False
    percent_y: bool = False
    width: int = WIDTH
    height: int = HEIGHT

    @classmethod
    def around(cls, x: Scale, y: Scale, right: float = 14, square: bool = False, **options: int | str | bool) -> Frame:
        """Margins that fit the tick labels; ``right`` is kept free for labels; ``square`` gives equal sides."""
        # Asked for its ticks first: the margin has to fit the widest of their labels.
        frame = cls(x, y, **options)  # type: ignore[arg-type]
        left = 12 + max(text_width(t) for t in tick_texts(y.ticks(), frame.percent_y))
        top, bottom = (24 if frame.y_label else 10), (40 if frame.x_label else 24)
        side = frame.width - left - right
        height = round(side + top + bottom) if square else frame.height
        return cls(x.on_pixels(left, left + side), y.on_pixels(height - bottom, top), **{**options, "height": height})  # type: ignore[arg-type]

    def axes(self) -> list[Markup]:
        return [*self._row_rules(), *self._column_rules(), *self._axis_labels()]

    def _row_rules(self) -> list[Markup]:
        ticks = self.y.ticks()
        out = []
        for tick, text in zip(ticks, tick_texts(ticks, self.percent_y), strict=True):
            y = self.y(tick)
            out += [draw_rule(self.x.start, y, self.x.end, y, "grid"), draw_label(self.x.start - 7, y + 4, text, "end")]
        return out

    def _column_rules(self) -> list[Markup]:
        ticks = self.x.ticks(max(2, int((self.x.end - self.x.start) / 75)))
        bottom = self.y.start
        out = [draw_rule(self.x.start, bottom, self.x.end, bottom, "axis")]
        for tick, text in zip(ticks, tick_texts(ticks, self.percent_x), strict=True):
            x = self.x(tick)
            out += [draw_rule(x, bottom, x, bottom + 4, "axis"), draw_label(x, bottom + 17, text, "middle")]
        return out

    def _axis_labels(self) -> list[Markup]:
        out = [draw_name(4, 12, self.y_label, self.width - 8, class_="title")] if self.y_label else []
        middle = self.width / 2 if text_width(self.x_label) > self.x.end - self.x.start else self._middle()
        return out + (
            [draw_name(middle, self.height - 5, self.x_label, self.width - 10, "middle", "title")]
            if self.x_label
            else []
        )

    def _middle(self) -> float:
        return (self.x.start + self.x.end) / 2

    def draw(self, *marks: Markup | list[Markup] | None, about: str, below: float = 0) -> Markup:
        """The whole drawing; ``below`` are pixels kept for a legend under it."""
        return svg_element(self.width, self.height + below, *self.axes(), *marks, about=about)


def _log_value(value: float) -> float:
    # NaN, which equals nothing, stays a gap.
    return math.log(max(value, 1e-300)) if value == value else value


def svg_element(
    width: float, height: float, *marks: Markup | list[Markup] | None, about: str, class_: str = "chart"
) -> Markup:
    """The outermost element; ``about`` is what a screen reader says."""
    box = f"0 0 {round(width)} {round(height)}"
    return tag(
        "svg", *marks, viewBox=box, class_=class_, role="img", aria_label=about, xmlns="http://www.w3.org/2000/svg"
    )


def draw_rule(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def draw_label(x: float, y: float, text: str, anchor: str | None = None, class_: str | None = None) -> Markup:
    return tag("text", text, x=float(x), y=float(y), text_anchor=anchor, class_=class_)


def draw_name(
    x: float, y: float, text: str, width: float, anchor: str | None = None, class_: str | None = None
) -> Markup:
    """A label that is cut to ``width`` pixels; cut, it has the whole text as its title."""
    text = one_line(text)
    short = shorten_text(text, width)
    tip = tag("title", text) if short != text else None
    return tag("text", tip, short, x=float(x), y=float(y), text_anchor=anchor, class_=class_)


def draw_box(x: float, y: float, width: float, height: float, class_: str, title: str = "", **more: object) -> Markup:
    tip = tag("title", title) if title else None
    size = {"width": max(0.0, float(width)), "height": max(0.0, float(height))}
    return tag("rect", tip, x=float(x), y=float(y), **size, class_=class_, **more)


def draw_path(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through ``points``; a point that is not finite is a gap."""
    steps, down = [], False
    for x, y in points:
        real = math.isfinite(x) and math.isfinite(y)
        if real:
            steps.append(f"{'L' if down else 'M'}{x:.1f} {y:.1f}")
        down = real
    return tag("path", d="".join(steps), class_=class_)
