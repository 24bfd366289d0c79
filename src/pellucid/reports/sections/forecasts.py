"""Forecasts beside what came, and how errors grow with the steps ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...draw.charts import line_chart
from ...draw.forecast import forecast_chart
from ...draw.markup import Markup, join_markup, tag
from ...wording import number_text, percent_text
from ..content import Content
from .base import behind_table, card, card_grid, scored_on, section

# Steps whose figures stand in the table behind a chart.
MOST_LINES = 24


@section("forecasts", "Forecasts", place=11)
def forecasts_section(content: Content) -> Markup | None:
    found = content.get("forecasts")
    if not found:
        return None
    share = f"{found['coverage']:.0%}"
    lead = f"Grey: the past; green: what came, of {scored_on(content)}, spread evenly over its time. Blue: what was "
    lead += f"forecast, with the interval that is to hold {share} of what comes."
    figures = [
        card(f"{one['of']}, {one['title']}", forecast_chart(
            one["past"], one["value"], one["low"], one["high"], one["true"], x_label=f"steps ({found['step']})",
            y_label=one["of"],
        ))
        for one in found["drawn"]
    ]  # fmt: skip
    return join_markup([tag("p", lead, class_="quiet"), card_grid(*_step_cards(found["steps"], share), *figures)])


def _step_cards(steps: Mapping[str, Any], share: str) -> list[Markup]:
    """Error and coverage by steps ahead."""
    own, other = steps["network"], steps["baseline"]
    ahead = np.arange(1, len(own["error"]) + 1)
    if len(ahead) < 2:
        return []
    curves = {"network": own["error"], other["name"]: other["error"]}
    if solved := steps.get("solved"):
        curves[solved["name"]] = solved["error"]
    chart = line_chart({name: (ahead, y) for name, y in curves.items()}, x_label="steps ahead", y_label="MASE")
    some = np.unique(np.linspace(0, len(ahead) - 1, min(len(ahead), MOST_LINES)).astype(int))
    rows = [[f"{ahead[i]:,}", *(number_text(y[i]) for y in curves.values())] for i in some]
    held = line_chart({"held": (ahead, own["coverage"])}, x_label="steps ahead", y_label="share held", as_percent=True,
                      level=(share, float(share.rstrip("%")) / 100))  # fmt: skip
    share_rows = [[f"{ahead[i]:,}", percent_text(own["coverage"][i])] for i in some]
    note = "Below 1 a forecast errs less than the value a season before did in training."
    return [
        card("Error by steps ahead",
             [*behind_table(chart, ["steps ahead", *curves], rows), tag("p", note, class_="caption")]),
        card(f"What the {share} intervals hold", behind_table(held, ["steps ahead", "held"], share_rows)),
    ]  # fmt: skip
