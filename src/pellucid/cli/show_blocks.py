"""What results of looking inside are made of, in a terminal: bars, shaded cells, coloured words, small curves.

Colours say again what signs and numbers say already: where there are none, as in a pipe, nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..draw.signed import SignedScale, short_text, signed_text
from ..draw.signed_bars import largest_places
from ..draw.words import shown_words
from ..errors import visible_text
from ..views.blocks import Bars, Block, Cell, Curves, Gallery, Heat, Picture, Sum, Words
from ..wording import count_noun, number_text
from .console import eighths_bar, hanging_indent, plain_grid

# Rows that a terminal shows, of tables and of bars, and of the strongest of many; the page has all of them.
MOST_ROWS, MOST_STRONGEST = 24, 10

# Columns of a map whose cells are shown, and the characters of each, of a bar and of a curve.
MOST_COLUMNS, CELL, BAR, CURVE = 24, 3, 24, 48

# Characters of a name beside a bar.
NAME = 34

ABOVE, BELOW, AMOUNT = "dark_orange", "dodger_blue1", "cyan"

_SHADES, _HEIGHTS = " ░▒▓█", "▁▂▃▄▅▆▇█"


def show_block(block: Block, out: Console) -> None:
    """A block with its caption, as its kind is shown; as a table where it has no way of its own."""
    if block.caption:
        out.print()
        out.print(Text(block.caption, style="dim"), soft_wrap=True)
    _SHOWN.get(type(block), show_table)(block, out)


def show_table(block: Block, out: Console) -> None:
    headings, rows = block.table()
    print_rows(headings, rows[:MOST_ROWS], out)
    _say_rest(len(rows) - MOST_ROWS, out)


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[Cell | Text]], out: Console) -> None:
    """A table with numbers to the right; nothing of it is cut."""
    if not rows:
        out.print(Text("  nothing to list", style="dim"))
        return
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings))
    for i, heading in enumerate(headings):
        numeric = all(isinstance(row[i], float | int | None) for row in rows)
        drawn = bool(rows) and all(isinstance(row[i], Text) for row in rows)
        table.add_column(
            Text(visible_text(heading)), justify="right" if numeric else "left", overflow="fold", no_wrap=drawn
        )
    for row in rows:
        table.add_row(*map(_cell_text, row))
    print_wide(table, out)


def print_wide(table: Table, out: Console) -> None:
    """As wide as the terminal; elsewhere, as in a file, as wide as it is."""
    out.print()
    width = out.width
    try:
        # What a program reads line by line isn't broken in two.
        out.width = width if out.is_terminal else 10_000
        out.print(Padding.indent(table, 2))
    finally:
        out.width = width


def _cell_text(cell: Cell | Text) -> Text:
    if isinstance(cell, Text):
        return cell
    if cell is None:
        return Text("")
    return Text(
        number_text(cell, 4)
        if isinstance(cell, float)
        else f"{cell:,}"
        if isinstance(cell, int)
        else visible_text(cell)
    )


def _say_rest(left: int, out: Console) -> None:
    if left > 0:
        out.print(Text(f"  and {left:,} more", style="dim"))


# -- bars ------------------------------------------------------------------------------------------------------------


def signed_bar(value: float, low: float, high: float, width: int = BAR) -> Text:
    """A bar from zero on a scale from ``low`` (at most 0) to ``high`` (at least 0), in ``width`` characters.

    >>> signed_bar(-1.0, -1.0, 1.0, 8).plain, signed_bar(0.5, -1.0, 1.0, 8).plain
    ('████│    ', '    │██  ')
    """
    size = max(high, -low) or 1.0
    left = round(width * (-low / size) / (high / size - low / size or 1.0))
    right = width - left
    if not np.isfinite(value):
        return Text(" " * left + "│" + " " * right)
    # Divided first: of huge values the product would overflow.
    if value >= 0:
        bar = eighths_bar(value / high if high else 0.0, right)
        return Text.assemble(" " * left + "│", (bar, ABOVE), " " * (right - len(bar)))
    # Blocks are filled from their left alone, but for the half one.
    halves = round(2 * left * min(1.0, value / low))
    bar = "▐" * (halves % 2) + "█" * (halves // 2)
    return Text.assemble(" " * (left - len(bar)), (bar, BELOW), "│" + " " * right)


def _ends(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)].clip(-1e300, 1e300)
    return float(min(0.0, known.min(initial=0.0))), float(max(0.0, known.max(initial=0.0)))


def show_bars(block: Bars, out: Console) -> None:
    values = np.asarray(block.values, float)
    places = largest_places(values, MOST_ROWS)
    low, high = _ends(values)
    table = plain_grid()
    table.add_column(overflow="fold", max_width=NAME if out.is_terminal else None)
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    text = signed_text if block.signed else short_text
    for i in places:
        bar = signed_bar(values[i], low, high)
        if not block.signed:
            bar = Text(bar.plain, style=AMOUNT)
        spread = "" if block.low is None or block.high is None else f"{text(block.low[i])} to {text(block.high[i])}"
        number = visible_text(f"{text(values[i])} {block.unit}".rstrip())
        table.add_row(
            Text(visible_text(str(block.names[i]))), bar, Text(number), *([Text(spread, style="dim")] if spread else [])
        )
    if not len(places):
        out.print(Text("  nothing to list", style="dim"))
        return
    print_wide(table, out)
    _say_rest(len(values) - len(places), out)


def show_sum(block: Sum, out: Console) -> None:
    """The products with their bars; below, what they add up to and what is made of it."""
    shown = list(block.terms[:MOST_ROWS])
    hidden = list(block.terms[MOST_ROWS:])
    rows: list[tuple[str, str, str, float]] = [(n, short_text(w), short_text(x), w * x) for n, w, x in shown]
    count = block.rest[1] + len(hidden)
    if count:
        rows.append((f"{count:,} more", "", "", block.rest[0] + sum(w * x for _, w, x in hidden)))
    rows.append(("bias b", "", "", block.bias))
    low, high = _ends(np.array([row[3] for row in rows]))
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("from", overflow="fold", max_width=NAME if out.is_terminal else None)
    for heading in ("weight w", "value x", "w · x"):
        table.add_column(heading, justify="right")
    table.add_column("", no_wrap=True)
    for name, w, x, product in rows:
        table.add_row(Text(visible_text(name)), w, x, short_text(product), signed_bar(product, low, high, 16))
    for name, value in (("= sum", block.total), *((f"→ {name}", value) for name, value in block.after)):
        table.add_row(Text(visible_text(name), style="bold"), "", "", Text(short_text(value), style="bold"), "")
    print_wide(table, out)


# -- maps, words, curves ---------------------------------------------------------------------------------------------


def show_heat(block: Heat, out: Console) -> None:
    """A small map as shaded cells, below zero with a minus; of a large one the strongest cells."""
    values = np.asarray(block.values, float)
    if not values.size:
        out.print(Text("  nothing to list", style="dim"))
    elif values.shape[0] <= MOST_ROWS and values.shape[1] <= MOST_COLUMNS:
        _show_cells(block, values, out)
    else:
        names, heads = _side_names(block.row_names, values.shape[0]), _side_names(block.column_names, values.shape[1])
        _show_strongest(values, block.row_label or "row", block.column_label or "column", names, heads, out)


def _side_names(names: Sequence[str], count: int) -> list[str]:
    return [str(name) for name in names] or [str(i + 1) for i in range(count)]


def _show_cells(block: Heat, values: np.ndarray, out: Console) -> None:
    scale = SignedScale.over_values(values, block.signed)
    table = plain_grid()
    table.add_column(justify="right", overflow="fold", max_width=NAME if out.is_terminal else None)
    table.add_column(no_wrap=True)
    table.add_row(Text(block.row_label, style="dim"), Text("".join(f"{i + 1:>{CELL}}" for i in range(values.shape[1]))))
    for name, row in zip(_side_names(block.row_names, values.shape[0]), values, strict=True):
        cells = Text()
        for value in row:
            cells.append(_cell_sign(value, scale), _value_style(value, scale))
        table.add_row(Text(visible_text(name)), cells)
    print_wide(table, out)
    if len(block.column_names):
        heads = ", ".join(f"{i + 1} {name}" for i, name in enumerate(block.column_names))
        out.print(Text(f"  {block.column_label or 'columns'}: {heads}", style="dim"), soft_wrap=True)
    low = f"-█ {short_text(-scale.limit)}, " if block.signed else ""
    out.print(Text(f"  {low}blank 0, █ {signed_text(scale.limit) if block.signed else short_text(scale.limit)}",
                   style="dim"))  # fmt: skip


def _cell_sign(value: float, scale: SignedScale) -> str:
    if not np.isfinite(value):
        return f"{'?':>{CELL}}"
    shade = _SHADES[round(scale.strength(value) * (len(_SHADES) - 1))]
    sign = "-" if scale.signed and value < 0 and shade != " " else " "
    return " " * (CELL - 2) + sign + shade


def _value_style(value: float, scale: SignedScale) -> str:
    if not np.isfinite(value) or scale.strength(value) < 0.15:
        return ""
    return AMOUNT if not scale.signed else ABOVE if value > 0 else BELOW


def _show_strongest(
    values: np.ndarray, row: str, column: str, names: Sequence[str], heads: Sequence[str], out: Console
) -> None:
    places = [np.unravel_index(i, values.shape) for i in _strongest(values.ravel())]
    rows: list[list[Cell | Text]] = [[names[r], heads[c], float(values[r, c])] for r, c in places]
    size = f"{values.shape[0]:,} × {values.shape[1]:,}"
    out.print(Text(f"  the {len(rows)} strongest of {size}", style="dim"))
    print_rows((row, column, "value"), rows, out)


def _strongest(values: np.ndarray) -> np.ndarray:  # (n,) -> (at most MOST_STRONGEST,), strongest first
    size = np.where(np.isfinite(values), np.abs(values), -1.0)
    found = np.argsort(-size, kind="stable")[:MOST_STRONGEST]
    return found[size[found] >= 0]


def show_picture(block: Picture, out: Console) -> None:
    if block.values is None or not block.values.size:
        height, width = block.pixels.shape[:2]
        out.print(Text(f"  a photo of {height} × {width} pixels, on the page", style="dim"))
        return
    values = np.asarray(block.values, float)
    if max(values.shape) <= MOST_COLUMNS:
        _show_cells(Heat("", values), values, out)
    else:
        every = [str(i + 1) for i in range(max(values.shape))]
        _show_strongest(values, "row", "column", every, every, out)


def show_gallery(block: Gallery, out: Console) -> None:
    """Each example on lines of its own, what is said of it one after the other."""
    if not out.is_terminal:
        show_table(block, out)
        return
    out.print()
    lines = block.lines or [()] * len(block.titles)
    for title, own in list(zip(block.titles, lines, strict=True))[:MOST_ROWS]:
        said = " · ".join(map(visible_text, own))
        out.print(Padding(Text.assemble((visible_text(title), "bold"), f"  {said}"), (0, 0, 0, 2)))
    _say_rest(len(block.titles) - MOST_ROWS, out)


def show_words(block: Words, out: Console) -> None:
    """The text with its words in colour, and the strongest with their numbers."""
    scale = SignedScale.over_values(block.values)
    text = Text("  ")
    for piece in shown_words(block.words, block.values):
        if isinstance(piece, int):
            text.append(f"… {count_noun(piece, 'word')} …", "dim")
        else:
            word, value = piece
            style = _value_style(value, scale)
            text.append(word, f"bold {style}" if style and scale.strength(value) > 0.5 else style)
        text.append(" ")
    out.print()
    if out.is_terminal:
        out.print(hanging_indent("", text))
    else:
        out.print(text, soft_wrap=True)
    values = np.asarray(block.values, float)
    rows: list[list[Cell | Text]] = [
        [block.words[i], Text(signed_text(values[i]), style=_value_style(values[i], scale))]
        for i in _strongest(values)
        if values[i]
    ]
    print_rows(("strongest words", "value"), rows, out)


def show_curves(block: Curves, out: Console) -> None:
    """Each curve as a line of small columns with its ends in numbers; few points as a table too."""
    if not len(block.x) or not block.curves:
        out.print(Text("  nothing to list", style="dim"))
        return
    rows: list[list[Cell | Text]] = []
    for name, values in block.curves.items():
        known = np.asarray(values, float)
        rows.append([name, Text(small_curve(known), style=AMOUNT), *(float(v) for v in _ends_of(known))])
    print_rows(("curve", "", "lowest", "highest"), rows, out)
    ends = f"{number_text(float(block.x[0]), 4)} to {number_text(float(block.x[-1]), 4)}"
    said = f"  {block.y_label or 'y'} by {block.x_label or 'x'} from {ends}"
    if block.mark:
        said += f"; {block.mark[2]} at {number_text(float(block.mark[0]), 4)}"
    out.print(Text(said, style="dim"), soft_wrap=True)
    if len(block.x) <= MOST_STRONGEST:
        show_table(block, out)


def _ends_of(values: np.ndarray) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (np.nan, np.nan)


def small_curve(values: np.ndarray, width: int = CURVE) -> str:
    """A curve as columns of eight heights, at most ``width`` of them; a gap is a space.

    >>> small_curve(np.array([0.0, 1.0, 2.0, np.nan, 7.0]))
    '▁▂▃ █'
    """
    if len(values) > width:
        values = values[np.linspace(0, len(values) - 1, width).round().astype(int)]
    low, high = _ends_of(values)
    # Divided first: of huge values the difference would overflow.
    span = high / 2 - low / 2 or 1.0
    signs = []
    for value in values:
        height = (value / 2 - low / 2) / span if np.isfinite(value) else np.nan
        signs.append(_HEIGHTS[round(height * (len(_HEIGHTS) - 1))] if np.isfinite(height) else " ")
    return "".join(signs)


_SHOWN: dict[type[Block], Callable[..., None]] = {
    Bars: show_bars,
    Sum: show_sum,
    Heat: show_heat,
    Picture: show_picture,
    Gallery: show_gallery,
    Words: show_words,
    Curves: show_curves,
}
