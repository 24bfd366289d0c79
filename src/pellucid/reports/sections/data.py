"""The data: what was found, how it was split, the classes, what is worth a look."""

from __future__ import annotations

from collections.abc import Mapping

from ...draw.charts import Bar, bar_chart
from ...draw.markup import Markup, tag
from ...wording import percent_text
from ..content import Content
from .base import card, card_grid, section

MOST_CLASSES = 14


@section("data", "The data", place=40)
def data_section(content: Content) -> Markup | None:
    about = content.get("data")
    if not about:
        return None
    notes = about.get("notes")
    cards = [
        card("What was found", tag("ul", [tag("li", s) for s in about["summary"]])) if about.get("summary") else None,
        card("How it was split", _splits_table(about["splits"])) if about.get("splits") else None,
        card("Examples of each class", _class_chart(about["classes"])) if about.get("classes") else None,
        card("Worth a look", tag("ul", [tag("li", s) for s in notes], class_="notes")) if notes else None,
    ]
    return card_grid(*cards)


def _splits_table(splits: Mapping[str, int]) -> list[Markup]:
    total = max(1, sum(splits.values()))
    parts = [tag("i", class_=f"c{i}", style=f"flex:{n}") for i, n in enumerate(splits.values(), 1)]
    names = [
        tag("span", tag("i", class_=f"key-dot c{i}"), f"{name} {n:,} ({percent_text(n / total, 0)})")
        for i, (name, n) in enumerate(splits.items(), 1)
    ]
    return [tag("div", parts, class_="shares"), tag("p", names, class_="legend")]


def _class_chart(classes: Mapping[str, int]) -> list[Markup | None]:
    ranked = sorted(classes.items(), key=lambda c: -c[1])
    shown, rest = ranked[:MOST_CLASSES], ranked[MOST_CLASSES:]
    more = f"and {len(rest)} more, down to {rest[-1][1]:,} examples of {rest[-1][0]}" if rest else None
    return [bar_chart([Bar(name, n) for name, n in shown]), tag("p", more, class_="caption") if more else None]
