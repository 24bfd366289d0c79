"""A forecast as a chart: the past, what came, what was forecast, and the interval around it."""

from __future__ import annotations

import numpy as np

from .charts import Values
from .markup import Markup, tag
from .svg import WIDTH, Frame, Scale, draw_label, draw_path, draw_rule
from .ticks import finite_values

# Points of a line: one for each pixel of the chart, about.
MOST_STEPS = 400


def forecast_chart(
    past: Values,
    value: Values,
    low: Values,
    high: Values,
    true: Values | None = None,
    *,
    x_label: str = "",
    y_label: str = "",
    width: int = WIDTH,
) -> Markup:
    """The past up to 0 and a forecast from 1 on, in steps, with its interval as a band; missing values are gaps.

    Args:
        past: (T,). value, low, high: (H,), and ``true``, what came of it, where that is known.
    """
    before, ahead = finite_values(past), [finite_values(one) for one in (value, low, high)]
    came = finite_values(true) if true is not None else np.full(len(ahead[0]), np.nan)
    x_past, x_ahead = np.arange(1 - len(before), 1), np.arange(1, len(ahead[0]) + 1)
    frame = Frame.around(
        Scale.over_values(np.concatenate([x_past, x_ahead]), margin=0),
        Scale.over_values(np.concatenate([before, *ahead, came])),
        x_label=x_label,
        y_label=y_label,
        width=width,
        height=220,
    )
    some_past, some = _thin_places(len(x_past)), _thin_places(len(x_ahead))
    points = [(x_past[some_past], before[some_past], "line c0"), (x_ahead[some], came[some], "line c3"),
              (x_ahead[some], ahead[0][some], "line c1")]  # fmt: skip
    start = frame.x(0.5)
    return frame.draw(
        _band(frame, x_ahead[some], ahead[1][some], ahead[2][some]),
        draw_rule(start, frame.y.start, start, frame.y.end, class_="guide"),
        [draw_path([(frame.x(a), frame.y(b)) for a, b in zip(x, y, strict=True)], class_) for x, y, class_ in points],
        draw_label(start + 4, frame.y.end + 10, "forecast", class_="title"),
        about=f"a forecast of {len(x_ahead)} steps after {len(x_past)} steps of the past: {y_label}",
    )


def _thin_places(count: int) -> np.ndarray:
    """At most ``MOST_STEPS`` of so many places, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_STEPS)).astype(int)) if count else np.zeros(0, int)


def _band(frame: Frame, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> Markup:
    """The interval from ``low`` to ``high``."""
    known = np.isfinite(low) & np.isfinite(high)
    there = [(frame.x(a), frame.y(b)) for a, b in zip(x[known], high[known], strict=True)]
    back = [(frame.x(a), frame.y(b)) for a, b in zip(x[known][::-1], low[known][::-1], strict=True)]
    d = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in [*there, *back]) + "Z" if there else ""
    return tag("path", d=d, class_="fill c1", fill_opacity=0.18)
