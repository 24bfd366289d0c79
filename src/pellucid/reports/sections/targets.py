"""Each of several targets by itself: its score, predicted and actual, residuals."""

from __future__ import annotations

import math

from ...draw.markup import Markup, join_markup, tag
from ...wording import metric_text, number_text, with_interval
from ..content import Content, TargetContent
from .base import as_percent, card, card_grid, html_table, scored_on, section, table_cell
from .quality import residual_cards


@section("targets", "Each target", place=14)
def targets_section(content: Content) -> Markup | None:
    found = content.get("targets")
    if not found:
        return None
    metric = content.get("metric", {}).get("name", "score")
    note = (
        f"{len(found)} numbers are predicted together; the score above is the mean of theirs, on {scored_on(content)}."
    )
    head = ["target", metric_text(metric), "median absolute error", "90% of errors below"]
    rows = [_target_row(one, as_percent(content)) for one in found]
    table = card(None, tag("div", html_table(head, rows, numbers=3), class_="scroll"), wide=True)
    drawn = [one for one in found if one.get("residuals")]
    left = len(found) - len(drawn)
    more = tag("p", f"No charts for the other {left}.", class_="quiet") if left else None
    pictures = [
        part
        for one in drawn
        for part in (tag("h3", one["name"], class_="target"), card_grid(*residual_cards(content, one["residuals"])))
    ]
    return join_markup([tag("p", note, class_="quiet"), card_grid(table), *pictures, more])


def _target_row(one: TargetContent, percent: bool) -> list[Markup]:
    score = with_interval(one["value"], one.get("low"), one.get("high"), percent)
    within = (number_text(value, 3) for value in (one.get("half", math.nan), one.get("most", math.nan)))
    return [table_cell(one["name"], "key"), table_cell(score, "n"), *(table_cell(text, "n") for text in within)]
