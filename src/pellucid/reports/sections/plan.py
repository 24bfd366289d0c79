"""The plan: what was decided before the first step, and why."""

from __future__ import annotations

from ...draw.markup import Markup
from ...wording import plain_text
from ..content import Content
from .base import card, card_grid, html_table, section, table_cell


@section("plan", "Plan", place=60)
def plan_section(content: Content) -> Markup | None:
    planned = content.get("plan")
    if not planned:
        return None
    rows = [
        [
            table_cell(name, "key"),
            table_cell(plain_text(value), "value"),
            table_cell(reason, "why"),
        ]
        for name, value, reason in planned
    ]
    return card_grid(card(None, html_table(["decision", "value", "reason"], rows, class_="reasons"), wide=True))
