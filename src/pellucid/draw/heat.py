"""A map of rows and columns: signed values, or amounts from zero on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .markup import Markup, tag
from .pixels import png_uri, resize_pixels
from .signed import LEGEND_HEIGHT, SignedScale, short_text, signed_text
from .svg import WIDTH, draw_box, draw_label, draw_name, svg_element
from .ticks import one_line, text_width

# Rows and columns that are drawn; above, neighbours are put together.
MOST_SIDE = 256

# Cells up to which each is an element of its own, with its number as a title; above they are one picture.
MOST_CELLS = 900

_NAME_ROOM, _CELL, _TALLEST = 110.0, 30.0, 420.0


def heat_map(
    values: np.ndarray,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    *,
    row_label: str = "",
    column_label: str = "",
    signed: bool = True,
) -> Markup | None:
    """Cells by row and column with a legend of their scale; None where there are none. Arguments as of ``Heat``."""
    every = np.asarray(values, float)
    if every.ndim != 2 or not every.size:
        return None
    rows_each, columns_each = (math.ceil(n / MOST_SIDE) for n in every.shape)
    shown = mean_cells(every, rows_each, columns_each)
    scale = SignedScale.over_values(shown, signed)
    names = _side_names(row_names, every.shape[0], rows_each)
    heads = _side_names(column_names, every.shape[1], columns_each)
    left = 10 + min(_NAME_ROOM, max(map(text_width, names)))
    width = min(_CELL, (WIDTH - left - 30) / shown.shape[1])
    height = min(max(width, 16.0), _TALLEST / shown.shape[0])
    head_marks, top = _draw_heads(heads, left, width)
    marks = [*_draw_labels(row_label, column_label, left + width * shown.shape[1]), *head_marks]
    marks += _draw_row_names(names, left, top, height)
    marks += _draw_cells(shown, scale, names, heads, (left, top, width, height))
    bottom = top + shown.shape[0] * height
    # The lines below need room for themselves, however small the map.
    marks += scale.legend(left, bottom + 12)
    end = bottom + 12 + LEGEND_HEIGHT
    if rows_each * columns_each > 1:
        said = f"a cell is the mean of {rows_each} × {columns_each} of {every.shape[0]:,} × {every.shape[1]:,}"
        marks.append(draw_label(4, end + 8, said))
        end += 16
    about = f"a map of {every.shape[0]} rows and {every.shape[1]} columns: {row_label} by {column_label}"
    return svg_element(WIDTH, end, *marks, about=about)


def mean_cells(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Means of neighbours, ``rows`` by ``columns`` of them; of those that are known."""
    if rows == columns == 1:
        return values
    grown = np.pad(
        values, [(0, -n % k) for n, k in zip(values.shape, (rows, columns), strict=True)], constant_values=np.nan
    )
    grouped = grown.reshape(grown.shape[0] // rows, rows, grown.shape[1] // columns, columns)
    known = np.isfinite(grouped)
    count = known.sum((1, 3))
    total = np.where(known, grouped, 0).sum((1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _side_names(names: Sequence[str], count: int, each: int) -> list[str]:
    """A name for each row or column that is drawn; of several together the first and the last."""
    every = [one_line(str(name)) for name in names] or [str(i + 1) for i in range(count)]
    if each == 1:
        return every
    return [f"{every[i]}–{every[min(i + each, count) - 1]}" for i in range(0, count, each)]


def _draw_labels(rows: str, columns: str, right: float) -> list[Markup]:
    """What the rows and the columns are: at the left, and at the right end of the map or where there is room."""
    room = WIDTH / 2 - 10
    taken = min(text_width(rows), room) + 20
    end = min(WIDTH, max(right, taken + text_width(columns)))
    marks = [draw_name(4, 12, rows, room, class_="title")] if rows else []
    return [*marks, draw_name(end, 12, columns, end - taken, "end", "title")] if columns else marks


def _draw_row_names(names: Sequence[str], left: float, top: float, height: float) -> list[Markup]:
    step = max(1, math.ceil(13 / height))
    return [
        draw_name(left - 6, top + (i + 0.5) * height + 4, names[i], left - 6, "end", "strong")
        for i in range(0, len(names), step)
    ]


def _draw_heads(heads: Sequence[str], left: float, width: float) -> tuple[list[Markup], float]:
    """The columns' names, upright where all fit and turned where not; and where the map begins."""
    step = max(1, math.ceil(16 / width))
    wanted = list(range(0, len(heads), step))
    widest = max(map(text_width, heads))
    flat = widest < width * step - 4
    above = 16.0
    if flat:
        top = above + 18
        # Beside the edges a name may be wider than its cell.
        marks = [draw_label(left + (i + 0.5) * width, top - 6, heads[i], "middle", "strong") for i in wanted]
        return marks, top
    marks, room = [], min(widest, 90.0)
    top = above + 0.87 * room + 12
    for i in wanted:
        # The last ones would leave the picture: their room ends with it.
        x = left + (i + 0.5) * width + 3
        fits = min(room, (WIDTH - x) / 0.5)
        if fits < 14 and text_width(heads[i]) > fits:
            continue
        name = draw_name(x, top - 6, heads[i], fits, class_="strong")
        marks.append(Markup(name.replace("<text ", f'<text transform="rotate(-60 {x:.1f} {top - 6:.1f})" ', 1)))
    return marks, top


def _draw_cells(
    values: np.ndarray,
    scale: SignedScale,
    names: Sequence[str],
    heads: Sequence[str],
    place: tuple[float, float, float, float],
) -> list[Markup]:
    """The cells, each with its number as a title; many as one picture, in which a row has its ends as a title."""
    left, top, width, height = place
    rows, columns = values.shape
    text = signed_text if scale.signed else short_text
    edge = draw_box(left, top, columns * width, rows * height, "edge")
    if values.size <= MOST_CELLS:
        air = 1.0 if min(width, height) > 10 else 0.0
        cells = [
            draw_box(
                left + c * width,
                top + r * height,
                width - air,
                height - air,
                scale.colour(values[r, c]),
                f"{names[r]}, {heads[c]}: {text(values[r, c])}",
                fill_opacity=scale.strength(values[r, c]) if np.isfinite(values[r, c]) else 0.35,
            )
            for r, c in np.ndindex(rows, columns)
        ]
        return [*cells, edge]
    large = resize_pixels(scale.paint(values), max(rows, round(2 * rows * height)), max(columns, 2 * WIDTH))
    picture = tag(
        "image",
        href=png_uri(large),
        x=left,
        y=top,
        width=columns * width,
        height=rows * height,
        preserveAspectRatio="none",
    )
    tips = []
    for r in range(rows):
        known = values[r][np.isfinite(values[r])]
        said = f"{text(known.min())} to {text(known.max())}" if known.size else "no value"
        tip = f"{names[r]}: {said}"
        tips.append(draw_box(left, top + r * height, columns * width, height, "clear", tip))
    return [picture, *tips, edge]
