"""What each input is worth: how much worse the answers get when its values are shuffled."""

from __future__ import annotations

from ...draw.charts import Bar, bar_chart
from ...draw.markup import Markup, join_markup, tag
from ...wording import count_noun, metric_text, number_text, percent_text
from ..content import Content, Worth
from .base import as_percent, behind_table, card, card_grid, section

MOST_BARS = 25

CAVEAT = (
    "Columns with the same information share their importance: each alone looks unimportant. "
    "This shows what the network uses, not what causes what."
)


@section("importance", "Permutation importance", place=16)
def importance_section(content: Content) -> Markup | None:
    found = content.get("importance")
    if not found or not found["inputs"]:
        return None
    percent, inputs = as_percent(content), found["inputs"]
    metric, base = metric_text(found["metric"]), found["base"]
    was = percent_text(base) if percent else number_text(base)
    unit = " (in percentage points)" if percent else ""
    lead = f"How much the {metric}{unit} gets worse when a column's values are shuffled among "
    lead += f"{found['rows']:,} validation examples ({was} with none shuffled): the mean of "
    lead += f"{count_noun(found['shuffles'], 'shuffle')}, with the standard deviation as a line. {CAVEAT}"
    if content.get("forecasts"):
        lead += (
            " A column's values are all that a forecast reads of it: its past and, where it is known ahead, what comes."
        )
    bars = [Bar(one["input"], one["value"], *_ends(one)) for one in inputs[:MOST_BARS]]
    rows = [[one["input"], _text(one["value"], percent), f"± {_text(one['spread'], percent)}"] for one in inputs]
    chart = bar_chart(bars, as_percent=percent)
    left = len(inputs) - MOST_BARS
    notes = [f"The {left:,} less important columns are in the table."] if left > 0 else []
    notes += [_together_text(one) for one in inputs if one["columns"] > 1]
    note = tag("p", " ".join(notes), class_="caption") if notes else None
    table = behind_table(chart, ["input", f"loss in {metric}", "spread"], rows)
    return join_markup([tag("p", lead, class_="quiet"), card_grid(card(None, [*table, note]))])


def _ends(one: Worth) -> tuple[float, float]:
    return one["value"] - one["spread"], one["value"] + one["spread"]


def _text(value: float, percent: bool) -> str:
    return percent_text(value, 2) if percent else number_text(value, 3)


def _together_text(one: Worth) -> str:
    return f"There was no time to shuffle each by itself: the {one['columns']:,} that vary least are shuffled together."
