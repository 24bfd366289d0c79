"""Results of looking inside as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ..errors import PellucidError
from ..wording import number_text
from .show_blocks import show_block

STYLES = {"exact": "green", "checked": "green", "suggestive": "yellow", "failed": "red"}

# Figures of a badge that are told behind its reason.
MOST_FIGURES = 4


def show_results(results: Sequence[Any], out: Console) -> None:
    """Each result: its title with its badge, its sentence, its blocks, and why the badge is what it is."""
    for result in results:
        out.print()
        level = result.badge.level
        out.print(Text.assemble((result.title, "bold"), "  ", (f"[{level}]", STYLES[level])), soft_wrap=True)
        out.print(Text(result.sentence), soft_wrap=True)
        if result.caption:
            out.print(Text(result.caption, style="dim"), soft_wrap=True)
        for block in result.blocks:
            show_block(block, out)
        out.print()
        out.print(Text(badge_reason(result.badge), style="dim"), soft_wrap=True)


def show_left_out(missing: Sequence[Any], out: Console) -> None:
    """What is not shown for want of something, a line for each reason, with what helps."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in missing:
        reasons.setdefault((one.reason, one.remedy), []).append(one.title)
    for (reason, remedy), titles in reasons.items():
        helps = f" ({remedy})" if remedy else ""
        out.print()
        out.print(Text(f"Not shown because {reason}{helps}: {', '.join(titles)}", style="dim"), soft_wrap=True)


def badge_reason(badge: Any) -> str:
    """Why a badge is what it is, with its figures.

    >>> from pellucid.views import Badge
    >>> badge_reason(Badge("checked", "It passed.", {"rank_correlation": 0.25}))
    'checked: It passed. (rank correlation 0.25)'
    """
    figures = ", ".join(f"{name.replace('_', ' ')} {number_text(v, 3)}" for name, v in badge.figures.items())
    # Of a test there are many; its sentence has those that count, the page has all.
    shown = bool(figures) and len(badge.figures) <= MOST_FIGURES
    return f"{badge.level}: {badge.reason}" + (f" ({figures})" if shown else "")


def write_pictures(results: Sequence[Any], folder: Path) -> None:
    """A PNG of each result that draws something, named by its view."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PellucidError(f"the folder can't be made: {error.strerror}", where=str(folder)) from error
    for result in results:
        if any(block.picture() is not None for block in result.blocks):
            result.save(folder / f"{result.view}.png")
