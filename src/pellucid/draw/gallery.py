"""Examples side by side: a photo where there is one, its title, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .markup import Markup, tag
from .pixels import fit_box, png_uri, shown_photo
from .svg import WIDTH, draw_label, draw_name, svg_element

# Examples that are shown, and pixels of a photo's longer side.
MOST_EXAMPLES, _PIXELS = 48, 200


def example_gallery(
    titles: Sequence[str], pixels: Sequence[np.ndarray | None], lines: Sequence[Sequence[str]] = ()
) -> Markup | None:
    """The examples as figures of a page; None where there are none. Arguments as of ``Gallery``."""
    if not len(titles):
        return None
    said = lines or [()] * len(titles)
    figures = [
        tag(
            "figure",
            None if photo is None else tag("img", src=png_uri(shown_photo(photo, _PIXELS)), alt=title),
            tag("figcaption", tag("b", title), [tag("span", line) for line in own]),
        )
        for title, photo, own in zip(titles[:MOST_EXAMPLES], pixels, said, strict=False)
    ]
    more = len(titles) - len(figures)
    rest = tag("p", f"{more:,} more are in the table.", class_="caption") if more else None
    return tag("div", tag("div", figures, class_="gallery"), rest)


# -- as a picture ----------------------------------------------------------------------------------------------------

# To a row of the picture; the width of each, the air between two.
_ACROSS, _GAP, _LINE = 4, 12.0, 15.0

_MOST_LINES = 8


def drawn_gallery(
    titles: Sequence[str], pixels: Sequence[np.ndarray | None], lines: Sequence[Sequence[str]] = ()
) -> Markup | None:
    """The same as SVG, for a file that holds one picture."""
    if not len(titles):
        return None
    said = [list(own)[:_MOST_LINES] for own in lines] or [[] for _ in titles]
    # Without photos there are lines alone, which want width.
    across = _ACROSS if any(photo is not None for photo in pixels) else 2
    width = (WIDTH - (across - 1) * _GAP) / across
    marks: list[Markup] = []
    y = 0.0
    count = min(len(titles), MOST_EXAMPLES)
    for start in range(0, count, across):
        row = range(start, min(start + across, count))
        photo_height = max((_photo_height(pixels[i], width) for i in row), default=0.0)
        for place, i in enumerate(row):
            x = place * (width + _GAP)
            marks += _draw_example(x, y, width, photo_height, titles[i], pixels[i], said[i])
        y += photo_height + (1 + max(len(said[i]) for i in row)) * _LINE + 14
    if count < len(titles):
        marks.append(draw_label(0, y + 6, f"{len(titles) - count:,} more are in the table"))
        y += 14
    return svg_element(WIDTH, y, *marks, about=f"{len(titles):,} examples")


def _photo_height(photo: np.ndarray | None, width: float) -> float:
    return 0.0 if photo is None else fit_box(photo, width)[0]


def _draw_example(
    x: float, y: float, width: float, height: float, title: str, photo: np.ndarray | None, lines: Sequence[str]
) -> list[Markup]:
    marks: list[Markup] = []
    if photo is not None:
        shown = shown_photo(photo, _PIXELS)
        high, wide = fit_box(shown, width)
        marks.append(tag("image", href=png_uri(shown), x=x, y=y, width=wide, height=high))
    base = y + height + 13
    marks.append(draw_name(x, base, title, width, class_="strong"))
    return [*marks, *(draw_name(x, base + (k + 1) * _LINE, line, width) for k, line in enumerate(lines))]
