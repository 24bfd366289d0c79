"""Curves on the unit square: what is gained for what is given up, at every threshold."""

from __future__ import annotations

from collections.abc import Sequence

from .charts import FEW_POINTS
from .markup import Markup, tag
from .svg import Frame, Scale, draw_label, draw_path, draw_rule

# Beside a mark, for its label: pixels.
ROOM = 10


def unit_curve(
    x: Sequence[float],
    y: Sequence[float],
    *,
    x_label: str,
    y_label: str,
    guide: tuple[tuple[float, float], tuple[float, float]],
    marks: Sequence[tuple[float, float, str]] = (),
    about: str = "",
) -> Markup:
    """A curve of shares against shares, both axes from 0 to 100%.

    Args:
        guide: both ends of a dashed line: what chance gets. marks: (x, y, text) of points worth seeing.
    """
    one = Scale(0, 1)
    frame = Frame.around(one, one, square=True, x_label=x_label, y_label=y_label, percent_x=True, percent_y=True)
    points = [(frame.x(a), frame.y(b)) for a, b in zip(x, y, strict=True)]
    # A curve of few points is seen as points too: its first may lie on an axis.
    dots = [tag("circle", cx=a, cy=b, r=2.6, class_="dot c1") for a, b in points] if len(points) <= FEW_POINTS else []
    (x1, y1), (x2, y2) = guide
    return frame.draw(
        draw_rule(frame.x(x1), frame.y(y1), frame.x(x2), frame.y(y2), "guide"),
        draw_path(points, "line c1"),
        dots,
        [one for mark in marks for one in _draw_mark(frame, *mark)],
        about=about or f"{y_label} against {x_label}",
    )


def _draw_mark(frame: Frame, x: float, y: float, text: str) -> list[Markup]:
    """A ring on a point, named towards the middle of the square, where there is room."""
    px, py = frame.x(x), frame.y(y)
    late, high = x > 0.5, y > 0.5
    anchor = "end" if late else None
    place = px + (-ROOM if late else ROOM), py + (ROOM + 8 if high else -ROOM)
    return [tag("circle", cx=px, cy=py, r=4.0, class_="mark"), draw_label(*place, text, anchor, "strong")]
