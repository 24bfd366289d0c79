"""Charts as SVG text: lines, points, bars, histogram, calibration. Colours are CSS variables (``style.py``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..wording import number_text, percent_text, value_and_spread
from .markup import Markup, tag
from .svg import HEIGHT, WIDTH, Frame, Scale, draw_box, draw_label, draw_name, draw_path, draw_rule, svg_element
from .ticks import finite_values, shorten_text, text_width, tick_texts

Values = Sequence[float | None] | np.ndarray

# That ``style`` has; a seventh curve begins again.
COLOURS = 6

# Drawn in a scatter: more only make the page heavy.
MOST_POINTS = 1500

# Points of a curve up to which each has a dot.
FEW_POINTS = 12

# Pixels of a curve's name at its end.
_LONGEST_NAME = 120.0

# They are bold, and so wider than measured: of their room, what they may measure.
_BOLD = 0.9

# Strokes of a rug that are drawn.
_MOST_STROKES = 200

# Points of a line: one for each pixel of the chart, about.
MOST_STEPS = 400


def line_chart(
    series: Mapping[str, tuple[Values, Values]],
    *,
    x_label: str = "",
    y_label: str = "",
    log: bool = False,
    log_x: bool = False,
    as_percent: bool = False,
    level: tuple[str, float] | None = None,
    mark: tuple[float, float, str] | None = None,
    rug: Values = (),
    faint: Sequence[Values] = (),
) -> Markup:
    """Named curves, each ``name: (x, y)``; up to four are named at their ends, more in a legend.

    Args:
        log: a logarithmic y axis (only when every y is positive). log_x: the same of x.
        as_percent: y is a share of 1, shown in percent.
        level: name and height of a dashed line to compare with.
        mark: (x, y, text) of a point worth seeing.
        rug: x of data, each a stroke on the axis.
        faint: y of unnamed curves over the x of the first, thin behind the others.
    """
    curves = {name: thin_points(finite_values(x), finite_values(y)) for name, (x, y) in series.items()}
    behind = [thin_points(finite_values(next(iter(series.values()))[0]), finite_values(y)) for y in faint if series]
    every_y = np.concatenate([y for _, y in (*curves.values(), *behind)] + [finite_values([level[1]] if level else [])])
    direct = len(curves) <= 4
    widest = max(map(text_width, curves), default=0) / _BOLD
    right = 12 + min(_LONGEST_NAME, widest) if direct and len(curves) > 1 else 16
    frame = Frame.around(
        Scale.over_values(np.concatenate([x for x, _ in curves.values()] or [np.zeros(1)]), log_x, margin=0),
        Scale.over_values(every_y, log),
        right=right,
        x_label=x_label,
        y_label=y_label,
        percent_y=as_percent,
    )
    legend, below = ([], 0.0) if direct else _draw_legend(list(curves), frame.height + 6)
    return frame.draw(
        _draw_rug(frame, rug),
        _draw_level(frame, level) if level else [],
        [_draw_curve(frame, *xy, "line faint c0") for xy in behind],
        [_draw_curve(frame, *xy, f"line c{_colour_class(i)}") for i, xy in enumerate(curves.values())],
        [dot for i, (x, y) in enumerate(curves.values()) for dot in _point_dots(frame, x, y, i)],
        _draw_mark(frame, *mark) if mark else [],
        _end_labels(frame, curves) if direct and len(curves) > 1 else legend,
        about=f"{y_label or 'values'} of {', '.join(curves)} by {x_label or 'x'}",
        below=below,
    )


def scatter_plot(
    x: Values, y: Values, *, x_label: str = "", y_label: str = "", diagonal: bool = True, log: bool = False
) -> Markup:
    """Points; with ``diagonal`` both axes share one scale and the line x = y is drawn."""
    xs, ys = finite_values(x), finite_values(y)
    keep = np.flatnonzero(np.isfinite(xs) & np.isfinite(ys))
    shown = keep[np.linspace(0, len(keep) - 1, min(len(keep), MOST_POINTS)).astype(int)] if len(keep) else keep
    both = Scale.over_values(np.concatenate([xs[keep], ys[keep]]), log)
    x_scale, y_scale = (
        (both, both) if diagonal else (Scale.over_values(xs[keep], log), Scale.over_values(ys[keep], log))
    )
    frame = Frame.around(x_scale, y_scale, x_label=x_label, y_label=y_label, square=diagonal)
    # Fewer points are drawn darker, so that ten are seen and a thousand show where they are dense.
    opacity = float(np.clip(12 / np.sqrt(max(1, len(shown))), 0.28, 0.8))
    dots = [
        tag("circle", cx=frame.x(xs[i]), cy=frame.y(ys[i]), r=2.2, class_="dot c1", fill_opacity=opacity) for i in shown
    ]
    ends = frame.x.start, frame.y.start, frame.x.end, frame.y.end
    return frame.draw(
        dots,
        draw_rule(*ends, class_="guide") if diagonal else None,
        about=f"{len(shown)} points: {y_label} against {x_label}",
    )


class Bar(NamedTuple):
    """One bar; ``low`` and ``high`` draw a whisker, ``colour`` 0 is grey, 1 to 6 the palette."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: int = 1


def bar_chart(rows: Iterable[Bar], *, as_percent: bool = False, top: float | None = None, width: int = WIDTH) -> Markup:
    """Horizontal bars from zero, each with its name, its value and, where given, the whisker of its interval.

    Args:
        top: what the longest bar stands for, e.g. 1 for shares; the largest value when left out.
    """
    rows, step = list(rows), 26
    names = [shorten_text(r.name, width * 0.42) for r in rows]
    left = 8 + max(map(text_width, names), default=0)
    texts = [value_and_spread(r.value, r.low, r.high, as_percent)[0] for r in rows]
    right = 10 + max(map(text_width, texts), default=0)
    # Zero is always on the scale: bars that begin elsewhere make small differences look large.
    ends = finite_values([v for r in rows for v in (r.value, r.low, r.high) if v is not None] + [top or 0, 0])
    scale = Scale(min(0.0, float(np.nanmin(ends))), float(np.nanmax(ends)) or 1.0, left, width - right)
    marks = []
    for i, (row, name, text) in enumerate(zip(rows, names, texts, strict=True)):
        marks += _draw_bar(row, scale, i * step + 3, name, text)
    return svg_element(
        width,
        len(rows) * step + 2,
        *marks,
        about="bars: " + ", ".join(f"{r.name} {t}" for r, t in zip(rows, texts, strict=True)),
    )


def histogram(
    values: Values, *, x_label: str = "", y_label: str = "examples", zero: bool = False, height: int = HEIGHT
) -> Markup:
    """How often values fall where; ``zero`` marks the zero.

    The outermost half per cent on each side is counted at the edge, so that one far value does not squeeze the rest.
    """
    real = finite_values(values)
    real = real[np.isfinite(real)]
    low, high = np.quantile(real, [0.005, 0.995]) if len(real) else (0.0, 1.0)
    # What differs by rounding alone can't be cut into bins.
    size = max(abs(low), abs(high))
    low, high = (low, high) if high - low > 1e-9 * size else (low - max(0.5, 1e-6 * size), high + max(0.5, 1e-6 * size))
    bins = int(np.clip(np.sqrt(len(real)), 8, 40))
    count, edge = np.histogram(real.clip(low, high), bins, (low, high))
    y = Scale(0, float(count.max(initial=1)) * 1.06)
    frame = Frame.around(Scale(float(low), float(high)), y, x_label=x_label, y_label=y_label, height=height)
    blocks = [
        draw_box(
            frame.x(a),
            frame.y(n),
            frame.x(b) - frame.x(a) - 1,
            frame.y(0) - frame.y(n),
            "fill c1",
            f"{number_text(a)} to {number_text(b)}: {n:,}",
        )
        for n, (a, b) in zip(count.tolist(), pairwise(edge.tolist()), strict=True)
    ]
    middle = draw_rule(frame.x(0), frame.y.start, frame.x(0), frame.y.end, "guide") if zero and low < 0 < high else None
    return frame.draw(blocks, middle, about=f"histogram of {len(real):,} values of {x_label or 'x'}")


def calibration_chart(confidence: Values, accuracy: Values, count: Values) -> Markup:
    """How often predictions of each confidence were right; on the diagonal, confidence can be taken at its word.

    Args:
        confidence, accuracy: mean of each bin, shares of 1.
        count: examples in each bin; the area of its dot.
    """
    bins = [
        b
        for b in zip(finite_values(confidence), finite_values(accuracy), finite_values(count), strict=True)
        if np.isfinite(b).all() and b[2] > 0
    ]
    one = Scale(0, 1)
    frame = Frame.around(
        one, one, square=True, x_label="predicted probability", y_label="share right", percent_x=True, percent_y=True
    )
    most = max((n for _, _, n in bins), default=1)
    dots = [
        tag(
            "circle",
            tag("title", f"{n:,.0f} predictions of about {percent_text(c, 0)}: {percent_text(a)} right"),
            cx=frame.x(c),
            cy=frame.y(a),
            r=3 + 9 * float(np.sqrt(n / most)),
            class_="dot c1",
            fill_opacity=0.6,
        )
        for c, a, n in bins
    ]
    diagonal = draw_rule(frame.x(0), frame.y(0), frame.x(1), frame.y(1), "guide")
    curve = draw_path([(frame.x(c), frame.y(a)) for c, a, _ in bins], "line thin c1")
    return frame.draw(diagonal, curve, dots, about="calibration: how often predictions of each probability were right")


# -- parts -----------------------------------------------------------------------------------------------------------


def _colour_class(i: int) -> int:
    return i % COLOURS + 1


def thin_points(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most ``MOST_STEPS`` points: the lowest and highest of each stretch, so that no peak is lost."""
    if len(x) <= MOST_STEPS:
        return x, y
    keep = {0, len(x) - 1}
    for part in np.array_split(np.arange(len(x)), MOST_STEPS // 2):
        known = part[np.isfinite(y[part])]
        if len(known):
            keep |= {int(known[y[known].argmin()]), int(known[y[known].argmax()])}
    order = sorted(keep)
    return x[order], y[order]


def _point_dots(frame: Frame, x: np.ndarray, y: np.ndarray, i: int) -> list[Markup]:
    """Dots on a curve of few points, and on points without neighbours, which a line alone would not show."""
    real = np.isfinite(x) & np.isfinite(y)
    beside = np.append(real[1:], False) | np.append(False, real[:-1])
    shown = real if real.sum() <= FEW_POINTS else real & ~beside
    return [
        tag("circle", cx=frame.x(x[k]), cy=frame.y(y[k]), r=2.6, class_=f"dot c{_colour_class(i)}")
        for k in np.flatnonzero(shown)
    ]


def _end_labels(frame: Frame, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[Markup]:
    """Each curve's name where it ends, moved apart where two would touch."""
    wanted = []
    for i, (name, (x, y)) in enumerate(curves.items()):
        real = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if len(real):
            wanted.append((frame.y(y[real[-1]]), frame.x(x[real[-1]]), name, _colour_class(i)))
    heights: list[float] = []
    for height, *_ in sorted(wanted):
        heights.append(max(heights[-1] + 14 if heights else 9.0, height))
    # Pushed below the axis they would meet its numbers.
    up = max(0.0, heights[-1] - frame.y.start) if heights else 0.0
    room = _BOLD * (frame.width - frame.x.end - 6)
    return [
        draw_name(end + 6, y - up + 4, name, room, class_=f"name c{c}")
        for y, (_, end, name, c) in zip(heights, sorted(wanted), strict=True)
    ]


def _draw_curve(frame: Frame, x: np.ndarray, y: np.ndarray, class_: str) -> Markup:
    return draw_path([(frame.x(a), frame.y(b)) for a, b in zip(x, y, strict=True)], class_)


def _draw_rug(frame: Frame, rug: Values) -> list[Markup]:
    """Strokes on the axis where data lie; of many every so-manieth, in their order."""
    known = np.sort(finite_values(rug))
    known = known[(known >= frame.x.low) & (known <= frame.x.high)]
    if len(known) > _MOST_STROKES:
        known = known[np.linspace(0, len(known) - 1, _MOST_STROKES).astype(int)]
    bottom = frame.y.start
    return [draw_rule(frame.x(x), bottom - 7, frame.x(x), bottom, "rug") for x in known]


def _draw_legend(names: list[str], top: float) -> tuple[list[Markup], float]:
    """The curves' names in as many lines as they take, and how high these are."""
    out: list[Markup] = []
    x, y = 4.0, top
    for i, name in enumerate(names):
        width = min(text_width(name), WIDTH / 2 - 30)
        if x > 4 and x + 14 + width > WIDTH:
            x, y = 4.0, y + 16
        out += [draw_box(x, y, 10, 10, f"fill c{_colour_class(i)}", rx=2), draw_name(x + 14, y + 9, name, width)]
        x += 30 + width
    return out, y - top + 22


def _draw_level(frame: Frame, level: tuple[str, float]) -> list[Markup]:
    name, value = level
    y = frame.y(value)
    return [draw_rule(frame.x.start, y, frame.x.end, y, "guide"), draw_label(frame.x.end, y - 5, name, "end")]


def _draw_mark(frame: Frame, x: float, y: float, text: str) -> list[Markup]:
    px, py = frame.x(x), frame.y(y)
    late = px > (frame.x.start + frame.x.end) / 2
    below = py < frame.y.end + 30
    room = (px if late else frame.width - px) - 8
    at = px - 2 if late else px + 2
    dot = tag("circle", cx=px, cy=py, r=4.0, class_="mark")
    return [dot, draw_name(at, py + 20 if below else py - 10, text, room, "end" if late else None, "strong halo")]


def _draw_bar(row: Bar, scale: Scale, y: float, name: str, text: str) -> list[Markup]:
    """One row of bars: name, bar, whisker, value."""
    zero, end = scale(0), scale(row.value) if np.isfinite(row.value) else scale(0)
    tip = f"{row.name}: {text}" + (
        f" ({tick_texts([row.low])[0]} to {tick_texts([row.high])[0]})"
        if row.low is not None and row.high is not None
        else ""
    )
    out = [
        draw_label(scale.start - 8, y + 13, name, "end", "strong"),
        draw_box(min(zero, end), y, abs(end - zero), 18, f"fill c{row.colour}", tip, rx=3),
    ]
    right = max(end, zero)
    if row.low is not None and row.high is not None:
        low, high = scale(row.low), scale(row.high)
        out.append(draw_rule(low, y + 9, high, y + 9, "whisker"))
        out += [draw_rule(x, y + 5, x, y + 13, "whisker") for x in (low, high)] if high - low > 5 else []
        right = max(right, high)
    return [*out, draw_label(right + 7, y + 13, text, class_="strong")]
