"""The confusion matrix: actual against predicted classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..wording import percent_text
from .charts import Bar, bar_chart
from .markup import Markup, tag
from .svg import WIDTH, draw_box, draw_label, svg_element
from .ticks import shorten_text, text_width

# Classes up to which every cell is shown.
READABLE_CLASSES = 20

# Most confused pairs shown above that.
PAIRS = 15


def confusion_matrix(labels: Sequence[str], matrix: Sequence[Sequence[int]] | np.ndarray) -> Markup:
    """Counts by true class (rows) and predicted class (columns), right ones in one colour, wrong ones in another.

    Above ``READABLE_CLASSES`` classes only the most confused pairs are drawn, as bars.

    Args:
        labels: k names.
        matrix: (k, k) counts.
    """
    counts = np.asarray(matrix, int).reshape(len(labels), len(labels))
    return _draw_grid(labels, counts) if len(labels) <= READABLE_CLASSES else _mistake_bars(labels, counts)


def commonest_mistakes(
    labels: Sequence[str], counts: np.ndarray, most: int = PAIRS
) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: (true, predicted, count, share of the true class)."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    # A class that no example is of has nothing to share out.
    total = counts.sum(1).clip(1)
    return [(labels[t], labels[p], int(wrong[t, p]), wrong[t, p] / total[t]) for t, p in pairs if wrong[t, p]]


def _mistake_bars(labels: Sequence[str], counts: np.ndarray) -> Markup:
    rows = [
        Bar(f"{shorten_text(true, 84)} → {shorten_text(said, 84)}", n, colour=2)
        for true, said, n, _ in commonest_mistakes(labels, counts)
    ]
    return bar_chart(rows) if rows else tag("p", "No mistakes.")


def _draw_grid(labels: Sequence[str], counts: np.ndarray) -> Markup:
    k = len(labels)
    left = 30 + min(120.0, max((text_width(n) for n in labels), default=0))
    cell = float(np.clip((WIDTH - left - 10) / max(k, 1), 33 if k > 8 else 36, 76))
    names = [shorten_text(n, 120) for n in labels]
    # All upright or all turned: a mixture is hard to read.
    flat = all(text_width(n) < cell - 4 for n in names)
    top = 40.0 if flat else 28 + 0.72 * max(text_width(n) for n in names) + 8
    total = counts.sum(1)
    marks = [draw_label(left, 12, "predicted", class_="title"), draw_label(left - 8, top - 8, "actual", "end", "title")]
    for i, name in enumerate(names):
        marks += [
            draw_label(left - 8, top + (i + 0.5) * cell + 4, name, "end", "strong"),
            _draw_head(left + (i + 0.5) * cell, top - 8, name, flat),
        ]
    for t, p in np.ndindex(k, k):
        share = counts[t, p] / max(1, total[t])
        tip = f"{labels[t]}, predicted as {labels[p]}: {counts[t, p]:,} of {total[t]:,} ({percent_text(share)})"
        marks += _draw_cell(left + p * cell, top + t * cell, cell, int(counts[t, p]), share, t == p, tip)
    overhang = 0 if flat else 0.72 * text_width(names[-1]) - cell / 2
    width = max(left + k * cell + max(4, overhang), 200)
    about = f"confusion matrix of {k} classes; {int(np.trace(counts)):,} of {int(counts.sum()):,} right"
    return svg_element(
        width, top + k * cell + 4, *marks, about=about, class_="chart matrix" + (" large" if k > 10 else "")
    )


def _draw_head(x: float, y: float, name: str, flat: bool) -> Markup:
    if flat:
        return draw_label(x, y, name, "middle", "strong")
    return tag("text", name, x=x, y=y, class_="strong", transform=f"rotate(-45 {x:.1f} {y:.1f})")


def _draw_cell(x: float, y: float, cell: float, count: int, share: float, right: bool, tip: str) -> list[Markup]:
    """One cell: the darker the larger its share of the row; wrong ones by the root, so that a few per cent show."""
    depth = share if right else float(np.sqrt(share))
    shade = draw_box(
        x + 1, y + 1, cell - 2, cell - 2, f"fill c{1 if right else 2}", tip, rx=3, fill_opacity=0.06 + 0.9 * depth
    )
    text = f"{count:,}" if count < 100_000 else f"{count / 1000:,.0f}k"
    style = "count over" if depth > (0.6 if right else 0.85) else "count" if count else "count none"
    size = float(min(11.5, (cell - 4) / max(1, len(text)) / 0.66))
    number = tag(
        "text",
        text,
        x=x + cell / 2,
        y=y + cell / 2 + 4,
        text_anchor="middle",
        class_=style,
        style=f"font-size:{size:.1f}px",
    )
    return [shade, number]
