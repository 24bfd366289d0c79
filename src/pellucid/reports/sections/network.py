"""The network: the stages that data passes."""

from __future__ import annotations

from ...draw.markup import Markup, join_markup, tag
from ..content import Content
from .base import MOST_LINES, card, card_grid, html_table, section, share_bar, table_cell


@section("network", "The network", place=70)
def network_section(content: Content) -> Markup | None:
    stages = content.get("network")
    if not stages:
        return None
    total = sum(stage.parameters for stage in stages)
    rows = [
        [
            table_cell(stage.name, "key"),
            table_cell(" × ".join(map(str, stage.gives)), "value"),
            tag("td", f"{stage.parameters:,}", share_bar(stage.parameters / max(1, total)), class_="n"),
        ]
        for stage in stages
    ]
    note = tag("p", f"{total:,} parameters: the numbers that training adjusts.", class_="quiet")
    order = "In the order of the data; the output shape is that of one example."
    inside = html_table(["layer", "output shape", "parameters"], rows, numbers=1)
    if len(rows) > MOST_LINES:
        inside = tag("details", tag("summary", f"All {len(rows)} of them"), inside)
    return join_markup([note, card_grid(card(None, [tag("p", order, class_="caption"), inside], wide=True))])
