"""Results of looking inside as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..views.blocks import Block, Cell
from ..wording import number_text
from .console import print_block

STYLES = {"exact": "green", "checked": "green", "suggestive": "yellow", "failed": "red"}

# Rows of a table that a terminal shows; the page has all of them.
MOST_ROWS = 24


def show_results(results: Sequence[Any], out: Console) -> None:
    """Each result: its title with its badge, its sentence, its tables."""
    for result in results:
        out.print()
        out.print(Text.assemble((result.title, "bold"), "  ", (result.badge.level, STYLES[result.badge.level])))
        out.print(Text(result.sentence), soft_wrap=True)
        for block in result.blocks:
            show_block(block, out)


def show_block(block: Block, out: Console) -> None:
    headings, rows = block.table()
    if block.caption:
        out.print(Text(block.caption, style="dim"), soft_wrap=True)
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for i, heading in enumerate(headings):
        numeric = all(isinstance(row[i], float | int | None) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows[:MOST_ROWS]:
        table.add_row(*map(_cell_text, row))
    print_block(table, out)
    if len(rows) > MOST_ROWS:
        out.print(Text(f"  and {len(rows) - MOST_ROWS:,} more", style="dim"))


def _cell_text(cell: Cell) -> str:
    if cell is None:
        return ""
    return number_text(cell, 4) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def write_pictures(results: Sequence[Any], folder: Path) -> None:
    """A PNG of each result that draws something, named by its view."""
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        if any(block.draw() is not None for block in result.blocks):
            result.save(folder / f"{result.view}.png")
