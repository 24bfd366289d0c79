"""A series as a small line without axes: what it looks like at a glance, beside what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..wording import number_text
from .charts import thin_points
from .markup import Markup
from .svg import Scale, draw_label, draw_path, draw_rule, svg_element
from .ticks import finite_values

WIDTH, HEIGHT, LEFT = 320, 90, 48

# Channels that are drawn over one another; the palette has six colours.
MOST_CHANNELS = 6


def series_chart(channels: Mapping[str, Sequence[float | None]]) -> Markup:
    """Channels over one another, each from its first value to its last; gaps are where values are missing.

    >>> "path" in series_chart({"pulse": [0.0, 1.0, None, 0.5]})
    True
    """
    shown = {name: finite_values(values) for name, values in list(channels.items())[:MOST_CHANNELS]}
    every = [v for values in shown.values() for v in values.tolist() if v == v]
    scale = Scale.over_values(every or [0.0]).on_pixels(HEIGHT - 6, 6)
    longest = max(max((len(values) for values in shown.values()), default=1) - 1, 1)
    paths = []
    for i, values in enumerate(shown.values()):
        x, y = thin_points(finite_values(list(range(len(values)))), values)
        points = [
            (LEFT + 2 + (WIDTH - LEFT - 6) * a / longest, scale(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)
        ]
        paths.append(draw_path(points, f"line thin c{i + 1}"))
    low, high = (number_text(end, 3) for end in (min(every, default=0.0), max(every, default=0.0)))
    frame = [
        draw_rule(LEFT, 6, LEFT, HEIGHT - 6, "guide"),
        draw_label(LEFT - 4, 12, high, "end"),
        draw_label(LEFT - 4, HEIGHT - 4, low, "end"),
    ]
    return svg_element(WIDTH, HEIGHT, *frame, *paths, about=f"{', '.join(shown)} from {low} to {high}")
