"""What a section of a report is, the list that sections are added to, and what several of them show alike."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...draw.markup import Markup, tag
from ...draw.series import series_chart
from ...wording import count_noun, plain_text
from ..content import Content

MOST_LINES, MOST_TEXT, MOST_COLUMNS = 30, 420, 10

Write = Callable[[Content], Markup | None]


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        word: its anchor. title: the heading above it, and the link to it at the top of the page.
        place: where it stands; those with lower numbers come first.
        write: its inside; None where the content has nothing for it.
    """

    word: str
    title: str
    place: int
    write: Write


SECTIONS: dict[str, Section] = {}


def section(word: str, title: str, *, place: int) -> Callable[[Write], Write]:
    """Add a section to the page: one line above its function."""

    def register(write: Write) -> Write:
        if word in SECTIONS:
            raise ValueError(f"two sections are called '{word}'")
        SECTIONS[word] = Section(word, title, place, write)
        return write

    return register


def as_percent(content: Content) -> bool:
    """Whether the main metric is a share that reads best in percent."""
    return bool(content.get("metric", {}).get("percent"))


def scored_on(content: Content) -> str:
    """What the score and the pictures were made on, in words."""
    return content.get("scored", "test examples")


def is_sampled(content: Content) -> bool:
    """Whether training looked on some of the validation examples alone."""
    every = content.get("data", {}).get("splits", {}).get("validation", 0)
    return content.get("watched", every) < every


def on_validation(content: Content) -> str:
    """What was looked on, in words."""
    if not is_sampled(content):
        return "on the validation set"
    every = content["data"]["splits"]["validation"]
    return f"on {content['watched']:,} of {every:,} validation examples, spread evenly"


def example_figure(shown: Mapping[str, Any]) -> list[Markup]:
    """The inputs of one example: photo, recording, text and columns, whichever it has."""
    parts = []
    if png := shown.get("image_png"):
        tiny = len(png) >= 24 and max(struct.unpack(">II", png[16:24])) <= 96  # the size stands in the PNG's header
        source = "data:image/png;base64," + b64encode(png).decode()
        heard = shown.get("sound_wav")
        class_ = "tiny" if tiny else "heard" if heard else None
        parts.append(tag("img", src=source, alt="log-mel spectrum" if heard else "", class_=class_))
    # The beginning of a recording, in the page itself: nothing is loaded from elsewhere.
    if wav := shown.get("sound_wav"):
        source = "data:audio/wav;base64," + b64encode(wav).decode()
        parts.append(tag("audio", src=source, controls="", preload="none"))
    if curves := shown.get("curves"):
        parts.append(series_chart(curves))
    if text := str(shown.get("text") or ""):
        cut = text if len(text) <= MOST_TEXT else text[:MOST_TEXT].rstrip() + " …"
        parts.append(tag("blockquote", cut))
    if passage := str(shown.get("verbatim") or ""):
        cut = passage if len(passage) <= MOST_TEXT else passage[:MOST_TEXT].rstrip() + " …"
        parts.append(tag("pre", cut, class_="written"))
    if row := shown.get("row"):
        parts.append(html_table([], [_value_line(name, plain_text(v)) for name, v in list(row.items())[:MOST_COLUMNS]]))
        left = len(row) - MOST_COLUMNS
        parts.append(tag("p", f"and {count_noun(left, 'more column')}", class_="more") if left > 0 else Markup())
    return parts


def is_tabular(examples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no example has anything to show but columns."""
    return all(set(one.get("shown", {})) <= {"row"} for one in examples)


def examples_table(
    head: Sequence[str], lines: Sequence[Sequence[Markup]], examples: Sequence[Mapping[str, Any]], content: Content
) -> Markup:
    """Rows of a table one below the other: what is said of each, then its columns, those that are worth most first.

    Args:
        head, lines: what is said of each example. examples: with ``shown`` and ``where``, as of ``Worst``.
    """
    names = list(dict.fromkeys(name for one in examples for name in one.get("shown", {}).get("row", {})))
    worth = {one["input"]: i for i, one in enumerate((content.get("importance") or {"inputs": []})["inputs"])}
    # Of very many columns those that the network goes by.
    names = sorted(names, key=lambda name: worth.get(name, len(worth)))
    shown, left = names[:MOST_COLUMNS], len(names) - MOST_COLUMNS
    rows = []
    for line, one in zip(lines, examples, strict=True):
        values = [plain_text(one.get("shown", {}).get("row", {}).get(name)) for name in shown]
        place = table_cell(one.get("where") or "", "where")
        rows.append([place, *line, *(table_cell(_cut_text(value)) for value in values)])
    note = tag("p", f"and {count_noun(left, 'more column')}", class_="caption") if left > 0 else None
    table = tag("div", html_table(["where", *head, *shown], rows, class_="examples"), class_="scroll")
    return card_grid(card(None, [table, note], wide=True))


def _cut_text(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _value_line(name: str, text: str) -> list[Markup]:
    return [table_cell(name), table_cell(text[:MOST_TEXT], "long" if len(text) > 40 else None)]


def card(title: str | None, inside: Any, wide: bool = False) -> Markup:
    return tag("div", tag("h3", title) if title else None, inside, class_="card wide" if wide else "card")


def card_grid(*cards: Markup | None) -> Markup:
    return tag("div", cards, class_="grid")


def facts_list(pairs: Sequence[tuple[str, Any]]) -> Markup:
    return tag(
        "dl", [tag("div", tag("dt", name), tag("dd", plain_text(value))) for name, value in pairs], class_="facts"
    )


def table_cell(text: str, class_: str | None = None) -> Markup:
    return tag("td", text, class_=class_)


def html_table(
    head: Sequence[str], rows: Sequence[Sequence[Markup]], numbers: int = 0, class_: str | None = None
) -> Markup:
    """A table; the last ``numbers`` columns are right-aligned."""
    first = len(head) - numbers
    titles = tag("thead", tag("tr", [tag("th", h, class_="n" if i >= first else None) for i, h in enumerate(head)]))
    return tag("table", titles if head else None, tag("tbody", [tag("tr", row) for row in rows]), class_=class_)


def behind_table(chart: Markup, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Markup]:
    """A chart with the numbers it shows folded behind it, for who can't see it or wants them.

    Args:
        rows: texts; all but the first of each are right-aligned.
    """
    cells = [[table_cell(text, "n" if i else "key") for i, text in enumerate(row)] for row in rows]
    table = html_table(head, cells, numbers=len(head) - 1)
    return [chart, tag("details", tag("summary", "The numbers"), table, class_="numbers")]


def share_bar(share: float) -> Markup:
    """A share of 1 as a small bar."""
    return tag("span", tag("i", style=f"width:{100 * min(1.0, max(0.0, np.nan_to_num(share))):.1f}%"), class_="part")
