"""What results are made of: tables, bars, curves, maps, pictures, words and sums, each with the table behind it.

Signed values are drawn on one scale from blue (against) over white (nothing) to orange (for).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..draw.charts import line_chart
from ..draw.gallery import drawn_gallery, example_gallery
from ..draw.heat import heat_map
from ..draw.markup import Markup, tag
from ..draw.notebook import view_table
from ..draw.photo import photo_beside_map
from ..draw.signed_bars import signed_bars
from ..draw.weighted_sum import weighted_sum
from ..draw.words import drawn_words, flowing_words
from ..wording import number_text

Cell = str | float | int | None

# Cells of a table that a page shows, and curves that are drawn; JSON has all of them.
MOST_CELLS, MOST_CURVES = 4000, 12


class Block(ABC):
    """One thing to look at; ``caption`` says how to read it."""

    caption: str

    @abstractmethod
    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        """The headings and the rows of the table that says the same."""

    def draw(self) -> Markup | None:
        """The drawing on a page; None where the table is all there is."""
        return None

    def picture(self) -> Markup | None:
        """The drawing as SVG, for a file; None where there is none."""
        return self.draw()

    def to_json(self) -> dict[str, Any]:
        headings, rows = self.table()
        return {
            "block": type(self).__name__.lower(),
            "caption": self.caption,
            "headings": list(headings),
            "rows": [[_cell_json(cell) for cell in row] for row in rows],
        }

    def html(self) -> Markup:
        """The drawing with its caption, and the table behind it; or the table."""
        headings, rows = self.table()
        shown = rows[: max(1, MOST_CELLS // max(1, len(headings)))]
        numeric = [all(isinstance(row[i], float | int | None) for row in rows) for i in range(len(headings))]
        listed = view_table(
            headings, [[_cell_text(cell) for cell in row] for row in shown], ["n" if one else "" for one in numeric]
        )
        more = f"{len(rows) - len(shown):,} more rows are in the JSON." if len(shown) < len(rows) else None
        listed = listed if rows else tag("p", "There is nothing to list.", class_="quiet")
        table = tag("div", listed, tag("p", more, class_="caption") if more else None, class_="scroll")
        drawn = self.draw()
        about = tag("p", self.caption, class_="caption") if self.caption else None
        if drawn is None:
            return tag("div", about, table, class_="block")
        behind = tag("details", tag("summary", "as a table"), table, class_="numbers")
        return tag("div", drawn, about, behind, class_="block")


def _cell_text(cell: Cell) -> str:
    if cell is None:
        return ""
    return number_text(cell, 4) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def _cell_json(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not np.isfinite(cell) else cell


@dataclass(frozen=True)
class Table(Block):
    """Rows of text and numbers. headings: (k,); rows: each (k,)."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        return self.headings, self.rows


@dataclass(frozen=True)
class Bars(Block):
    """Named values as bars from zero, in the order given.

    Attributes:
        low, high: ends of whiskers. unit: behind each number. signed: whether what is above zero speaks for something
            and what is below against it; without, all bars have one colour.
    """

    caption: str
    names: Sequence[str]
    values: Sequence[float]
    value_label: str = "value"
    unit: str = ""
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    signed: bool = True

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        label = f"{self.value_label} ({self.unit})" if self.unit else self.value_label
        if self.low is None or self.high is None:
            return ("", label), [[n, float(v)] for n, v in zip(self.names, self.values, strict=True)]
        every = zip(self.names, self.values, self.low, self.high, strict=True)
        rows: list[list[Cell]] = [[n, float(v), float(a), float(b)] for n, v, a, b in every]
        return ("", label, "low", "high"), rows

    def draw(self) -> Markup | None:
        return signed_bars(self.names, self.values, self.low, self.high, unit=self.unit, signed=self.signed)


@dataclass(frozen=True)
class Curves(Block):
    """Curves over one axis.

    Attributes:
        x: (k,). curves: by name, (k,) each, NaN for gaps. rug: where on the axis the data lie. mark: (x, y, text) of a
            point worth seeing. log: a logarithmic y axis. faint: (k,) each, curves without a name behind the others.
    """

    caption: str
    x: Sequence[float]
    curves: Mapping[str, Sequence[float]]
    x_label: str = ""
    y_label: str = ""
    rug: Sequence[float] = ()
    mark: tuple[float, float, str] | None = None
    log: bool = False
    faint: Sequence[Sequence[float]] = ()

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        every = list(self.curves.values())
        rows = [[float(x), *(float(y[i]) for y in every)] for i, x in enumerate(self.x)]
        return (self.x_label or "x", *self.curves), rows

    def draw(self) -> Markup | None:
        if not len(self.x) or not self.curves:
            return None
        return line_chart(
            {name: (self.x, self.curves[name]) for name in list(self.curves)[:MOST_CURVES]},
            x_label=self.x_label,
            y_label=self.y_label,
            log=self.log,
            mark=self.mark,
            rug=self.rug,
            faint=self.faint,
        )


@dataclass(frozen=True)
class Heat(Block):
    """A signed map, or one of shares.

    Attributes:
        values: (R, C). row_names, column_names: of its rows and columns; numbers where empty. signed: whether 0 is the
            middle of the scale; else it is its low end.
    """

    caption: str
    values: np.ndarray
    row_names: Sequence[str] = ()
    column_names: Sequence[str] = ()
    row_label: str = ""
    column_label: str = ""
    signed: bool = True

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        names = list(self.row_names) or [str(i + 1) for i in range(self.values.shape[0])]
        columns = list(self.column_names) or [str(i + 1) for i in range(self.values.shape[1])]
        rows: list[list[Cell]] = [[name, *map(float, row)] for name, row in zip(names, self.values, strict=True)]
        return (self.row_label, *columns), rows

    def draw(self) -> Markup | None:
        return heat_map(
            self.values,
            self.row_names,
            self.column_names,
            row_label=self.row_label,
            column_label=self.column_label,
            signed=self.signed,
        )


@dataclass(frozen=True)
class Picture(Block):
    """A photo, and over it a signed map of any grain that covers it.

    Attributes:
        pixels: (H, W, C) uint8, one or three channels. values: (h, w); None for the photo alone.
    """

    caption: str
    pixels: np.ndarray
    values: np.ndarray | None = None

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        if self.values is None:
            return ("height", "width"), [[int(self.pixels.shape[0]), int(self.pixels.shape[1])]]
        order = np.argsort(-abs(self.values), axis=None, kind="stable")[:20]
        at = zip(*np.unravel_index(order, self.values.shape), strict=True)
        return ("row", "column", "value"), [[int(r) + 1, int(c) + 1, float(self.values[r, c])] for r, c in at]

    def draw(self) -> Markup | None:
        return photo_beside_map(self.pixels, self.values)


@dataclass(frozen=True)
class Gallery(Block):
    """Examples side by side.

    Attributes:
        titles: of each. pixels: (H, W, C) uint8 of each, or None where it is no photo. lines: of each, what is said.
    """

    caption: str
    titles: Sequence[str]
    pixels: Sequence[np.ndarray | None]
    lines: Sequence[Sequence[str]] = field(default_factory=tuple)

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        most = max((len(own) for own in self.lines), default=0)
        lines = self.lines or [()] * len(self.titles)
        rows = [[t, *own, *[""] * (most - len(own))] for t, own in zip(self.titles, lines, strict=True)]
        return ("example", *[""] * most), rows

    def draw(self) -> Markup | None:
        return example_gallery(self.titles, self.pixels, self.lines)

    def picture(self) -> Markup | None:
        return drawn_gallery(self.titles, self.pixels, self.lines)


@dataclass(frozen=True)
class Words(Block):
    """Words in their order, each on its signed value."""

    caption: str
    words: Sequence[str]
    values: Sequence[float]

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        return ("word", "value"), [[w, float(v)] for w, v in zip(self.words, self.values, strict=True)]

    def draw(self) -> Markup | None:
        return flowing_words(self.words, self.values)

    def picture(self) -> Markup | None:
        return drawn_words(self.words, self.values)


@dataclass(frozen=True)
class Sum(Block):
    """A weighted sum with its numbers: Σ w·x + b, then what is made of it.

    Attributes:
        terms: (name, weight, value) of the largest products. rest: the sum of all other products, and how many.
        bias: b. total: the sum. after: (what is made of it, the result), in order.
    """

    caption: str
    terms: Sequence[tuple[str, float, float]]
    rest: tuple[float, int]
    bias: float
    total: float
    after: Sequence[tuple[str, float]] = ()

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
        rows: list[list[Cell]] = [[n, float(w), float(x), float(w * x)] for n, w, x in self.terms]
        if self.rest[1]:
            rows.append([f"{self.rest[1]:,} more", None, None, float(self.rest[0])])
        rows += [["bias", None, None, float(self.bias)], ["sum", None, None, float(self.total)]]
        rows += [[name, None, None, float(value)] for name, value in self.after]
        return ("from", "weight w", "value x", "w · x"), rows

    def draw(self) -> Markup | None:
        return weighted_sum(self.terms, self.rest, self.bias, self.total, self.after)
