"""Training: loss, metric and learning rates on the way, and what was decided there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...draw.charts import line_chart
from ...draw.markup import Markup, join_markup, tag
from ...draw.ticks import finite_values
from ...wording import decision_name, duration_text, metric_text, number_text, percent_text, plain_text
from ..content import Content
from .base import as_percent, behind_table, card, card_grid, is_sampled, on_validation, section

# Of the numbers behind a curve.
MOST_ROWS = 12


@section("training", "Training", place=50)
def training_section(content: Content) -> Markup | None:
    history = content.get("history")
    if not history:
        return None
    epochs = max((r.get("epoch") or 0 for r in history), default=0) >= 2
    by, x = ("epochs", _history_column(history, "epoch")) if epochs else ("steps", _history_column(history, "step"))
    seconds = history[-1].get("seconds")
    took = f"{history[-1].get('step', 0):,} steps in {duration_text(seconds)}." if seconds else None
    cards = [
        _loss_chart(content, history, x, by),
        _metric_chart(content, history, x, by),
        _rate_chart(history, x, by),
        _decisions_table(content),
    ]
    said = [tag("p", verdict) if (verdict := content.get("verdict")) else None]
    return join_markup([*said, tag("p", took, class_="quiet") if took else None, card_grid(*cards)])


def _loss_chart(content: Content, history: Sequence[Mapping[str, Any]], x: np.ndarray, by: str) -> Markup | None:
    curves = {"training": _history_column(history, "loss"), "validation": _history_column(history, "validation_loss")}
    shown = {name: (x, y) for name, y in curves.items() if np.isfinite(y).any()}
    if not shown:
        return None
    real = np.concatenate([y[np.isfinite(y)] for _, y in shown.values()])
    log = bool(real.min() > 0 and real.max() / real.min() > 20)
    solved = (content.get("solved") or {}) if content.get("language") else {}
    level = (solved["name"], solved["validation_loss"]) if solved else None
    chart = line_chart(shown, x_label=by, log=log, level=level)
    note = tag("p", "Loss: what training minimises. Nothing is learned from validation examples.", class_="caption")
    return card("Learning curve: loss", [*behind_table(chart, *_curve_table(by, x, shown)), note])


def _metric_chart(content: Content, history: Sequence[Mapping[str, Any]], x: np.ndarray, by: str) -> Markup | None:
    metric = content.get("metric", {})
    name = metric.get("name") or content.get("score", {}).get("metric", "score")
    y = _history_column(history, "metric", name)
    # Of a language model it is the loss itself, which has been drawn.
    drawn = bool(content.get("language")) and np.allclose(
        y, _history_column(history, "validation_loss"), equal_nan=True
    )
    if drawn or not np.isfinite(y).any():
        return None
    up = metric.get("higher_is_better", True)
    best = int(np.nanargmax(y) if up else np.nanargmin(y))
    text = percent_text(y[best]) if as_percent(content) else number_text(y[best])
    baseline = content.get("baseline")
    level = ("baseline", baseline["value"]) if baseline else None
    curve, mark = {metric_text(name): (x, y)}, (x[best], y[best], f"best {text}")
    chart = line_chart(curve, x_label=by, as_percent=as_percent(content), level=level, mark=mark)
    note = tag("p", f"Measured {on_validation(content)}.", class_="caption") if is_sampled(content) else None
    shown = behind_table(chart, *_curve_table(by, x, curve))
    return card(f"Learning curve: {metric_text(name)} on validation", [*shown, note])


def _curve_table(
    by: str, x: np.ndarray, shown: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> tuple[list[str], list[list[str]]]:
    """The head and some rows, spread evenly, of the numbers behind curves."""
    some = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_ROWS)).astype(int))
    rows = [[number_text(x[i], 4), *(number_text(y[i]) for _, y in shown.values())] for i in some]
    return [by, *shown], rows


def _rate_chart(history: Sequence[Mapping[str, Any]], x: np.ndarray, by: str) -> Markup | None:
    """The learning rates; a history from before they were written has the schedule's factor in their place."""
    rates = {"AdamW": _history_column(history, "lr"), "Muon": _history_column(history, "matrix_lr")}
    shown = {name: (x, y) for name, y in rates.items() if np.isfinite(y).sum() > 1}
    if not shown:
        return None
    if not np.isfinite(_history_column(history, "lr_factor")).any():
        return card("Share of the full learning rate", line_chart({"share": shown["AdamW"]}, x_label=by))
    whose = "AdamW's of all weights"
    if "Muon" in shown:
        whose = "Muon's of the hidden matrices, AdamW's of all other weights"
    note = tag("p", f"At each evaluation: {whose}.", class_="caption")
    return card("Learning rate", [line_chart(shown, x_label=by), note])


def _decisions_table(content: Content) -> Markup | None:
    """What depended on the clock or on memory, and from which step it held."""
    found = content.get("decisions")
    if not found:
        return None
    lines = [
        tag(
            "li",
            tag("b", f"{decision_name(c['name'])}: {_decision_text(c)}"),
            tag("span", f"{_since_step(c)}{c.get('reason', '')}"),
        )
        for c in _without_between(found)
    ]
    return card("Decisions during training", tag("ul", lines, class_="decisions"))


def _without_between(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of a thing that was decided again and again the first and the last decision, which says how often."""
    places: dict[str, list[int]] = {}
    for i, one in enumerate(found):
        places.setdefault(one["name"], []).append(i)
    left = {i for own in places.values() for i in own[1:-1]}
    often = {own[-1]: len(own) for own in places.values() if len(own) > 2}
    return [
        {**one, "reason": f"{one.get('reason', '')} (decided {often[i]} times)"} if i in often else one
        for i, one in enumerate(found)
        if i not in left
    ]


def _decision_text(choice: Mapping[str, Any]) -> str:
    """A schedule by its end: its corners are a table for programs."""
    value = choice["value"]
    if choice["name"] == "schedule" and isinstance(value, list) and value:
        return f"{value[-1][0]:,.0f} steps"
    return plain_text(value)


def _since_step(choice: Mapping[str, Any]) -> str:
    return f"from step {choice['step']:,}: " if choice.get("step") else ""


def _history_column(
    history: Sequence[Mapping[str, Any]], *names: str
) -> np.ndarray:  # (rows,), NaN where there is no value
    def row_value(row: Mapping[str, Any]) -> float | None:
        return next((row[name] for name in names if row.get(name) is not None), None)

    return finite_values([row_value(row) for row in history])
