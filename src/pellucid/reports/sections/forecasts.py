"""Forecasts beside what came, and how errors grow with the steps ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...draw.charts import line_chart
from ...draw.forecast import forecast_chart
from ...draw.markup import Markup, join_markup, tag
from ...wording import count_noun, number_text, percent_text
from ..content import Content
from .base import behind_table, card, card_grid, html_table, scored_on, section, table_cell

# Steps whose figures stand in the table behind a chart.
MOST_LINES = 24


@section("forecasts", "Forecasts", place=11)
def forecasts_section(content: Content) -> Markup | None:
    found = content.get("forecasts")
    if not found:
        return None
    share = f"{found['coverage']:.0%}"
    lead = f"Grey: the past; green: actual values of the {scored_on(content)}, spread evenly over its time. Blue: the "
    lead += f"forecast, with the interval meant to hold {share} of them."
    figures = [_figure(one, found["step"]) for one in found["drawn"]]
    # Reports of older runs tell of no rhythm.
    lead += f" {found['rhythm'][1]}" if found.get("rhythm") else ""
    steps = _step_cards(found["steps"], share)
    # Cards stand in twos, and wide ones follow.
    beside = len(steps) % 2
    cards = [
        *steps,
        *figures[:beside],
        *_score_cards(found, share),
        *_moment_cards(found, share),
        *figures[beside:],
    ]
    return join_markup([tag("p", lead, class_="quiet"), card_grid(*cards)])


def _figure(one: Mapping[str, Any], step: str, title: str = "") -> Markup:
    """One forecast, drawn."""
    chart = forecast_chart(
        one["past"], one["value"], one["low"], one["high"], one["true"], x_label=f"steps ({step})", y_label=one["of"]
    )
    return card(title + f"{one['of']}, {one['title']}", chart)


def _score_cards(found: Mapping[str, Any], share: str) -> list[Markup]:
    """Scores of each channel and of each series, where there are several."""
    # Reports of older runs tell none.
    scores, cards = found.get("scores") or {}, []
    for key, one in (("channels", "channel"), ("series", "series")):
        if not (part := scores.get(key)):
            continue
        told, held = part["told"], f"{share} intervals hold"
        every = (("mae", "MAE"), ("mse", "MSE, standardised"), ("mase", "MASE"), ("coverage", held))
        columns = [(by, title) for by, title in every if any(line[by] is not None for line in told)]
        rows = [[table_cell(line["name"]), *(table_cell(_score_text(by, line[by]), "n") for by, _ in columns)]
                for line in told]  # fmt: skip
        note = "MAE is in the units of each channel." if key == "channels" else ""
        if left := part["left"]:
            note += f" The worst and the best by MASE; {left:,} between them are left out."
        # Reports of older runs don't count those.
        if without := part.get("without", 0):
            have = count_noun(without, f"more {one} has", f"more {key} have")
            note += f" {have} no MASE (constant in training, or no value to score) and are not listed."
        table = html_table([one, *(title for _, title in columns)], rows, numbers=len(columns))
        notes = [tag("p", note.strip(), class_="caption")] if note else []
        cards.append(card(f"Scores by {one}", [tag("div", table, class_="scroll"), *notes], wide=True))
    return cards


def _score_text(by: str, value: float | None) -> str:
    if value is None:
        return "–"
    return percent_text(value) if by == "coverage" else number_text(value)


def _moment_cards(found: Mapping[str, Any], share: str) -> list[Markup]:
    """The moments of the largest errors with a picture of the worst, and those farthest outside their intervals."""
    # Reports of older runs tell none.
    notable, several = found.get("notable") or {}, found.get("channels", 1) > 1
    cards = []
    if worst := notable.get("worst"):
        note = "Error relative to how much the series differs from one season earlier; one line per forecast."
        cards.append(
            card(
                "Largest errors", [_moments_table(worst, "error", several), tag("p", note, class_="caption")], wide=True
            )
        )
    if surprising := notable.get("surprising"):
        note = f"Actual values outside the {share} interval, in widths of it."
        table = _moments_table(surprising, "outside by", several)
        cards.append(card("Most surprising", [table, tag("p", note, class_="caption")], wide=True))
    return [*cards, *(_figure(one, found["step"], "The largest error: ") for one in found.get("worst_drawn", ()))]


def _moments_table(moments: Sequence[Mapping[str, Any]], by: str, channels: bool) -> Markup:
    """A line a moment, with its series and its channel where there are several."""
    keys = [("whose", "series")] if any(one["whose"] for one in moments) else []
    keys += [("of", "channel")] if channels else []
    rows = []
    for one in moments:
        figures = [number_text(one["value"]), f"{number_text(one['low'])} to {number_text(one['high'])}",
                   number_text(one["true"]), number_text(one["by"])]  # fmt: skip
        cells = [table_cell(one[key]) for key, _ in keys] + [table_cell(f"{one['when']}, {_steps_ahead(one['step'])}")]
        rows.append([*cells, *(table_cell(text, "n") for text in figures)])
    head = [*(title for _, title in keys), "time", "predicted", "interval", "actual", by]
    return tag("div", html_table(head, rows, numbers=4), class_="scroll")


def _steps_ahead(step: int) -> str:
    return f"{count_noun(step, 'step')} ahead"


def _step_cards(steps: Mapping[str, Any], share: str) -> list[Markup]:
    """Error and coverage by steps ahead."""
    own, other = steps["network"], steps["baseline"]
    ahead = np.arange(1, len(own["error"]) + 1)
    if len(ahead) < 2:
        return []
    curves = {"network": own["error"], "baseline": other["error"]}
    solved = steps.get("solved")
    if solved:
        curves[solved["name"]] = solved["error"]
    chart = line_chart({name: (ahead, y) for name, y in curves.items()}, x_label="steps ahead", y_label="MASE")
    some = np.unique(np.linspace(0, len(ahead) - 1, min(len(ahead), MOST_LINES)).astype(int))
    rows = [[f"{ahead[i]:,}", *(number_text(y[i]) for y in curves.values())] for i in some]
    held = line_chart({"held": (ahead, own["coverage"])}, x_label="steps ahead", y_label="share held", as_percent=True,
                      level=(share, float(share.rstrip("%")) / 100))  # fmt: skip
    share_rows = [[f"{ahead[i]:,}", percent_text(own["coverage"][i])] for i in some]
    note = (
        f"The baseline is {other['name']}. Below 1 a forecast errs less than the value a season before did in training."
    )
    return [
        card("Error by steps ahead",
             [*behind_table(chart, ["steps ahead", *curves], rows), tag("p", note, class_="caption")]),
        *([_gain_card(ahead, own["error"], solved, some)] if solved else []),
        card(f"What the {share} intervals hold", behind_table(held, ["steps ahead", "held"], share_rows)),
    ]  # fmt: skip


def _gain_card(ahead: np.ndarray, own: Sequence[float], solved: Mapping[str, Any], some: np.ndarray) -> Markup:
    """By how much the trunk lowers the error of the solved part, by steps ahead."""
    gain = np.array(solved["error"], np.float64) - np.array(own, np.float64)
    chart = line_chart({"gain": (ahead, gain)}, x_label="steps ahead", y_label="MASE", level=("no gain", 0.0))
    rows = [[f"{ahead[i]:,}", number_text(gain[i])] for i in some]
    note = f"The error of the {solved['name']} less the network's: above 0 the trunk adds something."
    table = behind_table(chart, ["steps ahead", "gain"], rows)
    return card("What the trunk adds by steps ahead", [*table, tag("p", note, class_="caption")])
