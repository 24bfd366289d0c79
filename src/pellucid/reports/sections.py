"""The sections of a report, each a function of the content that returns its inside, or nothing."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..draw.charts import MOST_POINTS, Bar, bar_chart, calibration_chart, histogram, line_chart, scatter_plot
from ..draw.confusion import READABLE, commonest_mistakes, confusion_matrix
from ..draw.markup import Markup, join_markup, tag
from ..draw.ticks import finite_values
from ..wording import duration_text, number_text, percent_text, plain_text
from .content import ChoiceContent, Content, PerClass, Row, Worst

MOST_WORST, MOST_CLASSES, MOST_LINES, MOST_TEXT, MOST_COLUMNS = 24, 14, 30, 420, 10


def as_percent(content: Content) -> bool:
    """Whether the main metric is a share that reads best in percent."""
    return bool(content.get("metric", {}).get("percent"))


# -- the data --------------------------------------------------------------------------------------------------------


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


# -- the plan --------------------------------------------------------------------------------------------------------


def plan_section(content: Content) -> Markup | None:
    planned = content.get("plan")
    if not planned:
        return None
    rows = [
        [
            table_cell(c["name"], "key"),
            table_cell(plain_text(c["value"]), "value"),
            table_cell(c.get("reason", ""), "why"),
        ]
        for c in planned
    ]
    return card_grid(card(None, html_table(["what", "chosen", "why"], rows, class_="reasons"), wide=True))


# -- training --------------------------------------------------------------------------------------------------------


def training_section(content: Content) -> Markup | None:
    history = content.get("history")
    if not history:
        return None
    epochs = max((r.get("epoch") or 0 for r in history), default=0) >= 2
    by, x = ("epochs", _history_column(history, "epoch")) if epochs else ("steps", _history_column(history, "step"))
    seconds = history[-1].get("seconds")
    took = f"{history[-1].get('step', 0):,} steps in {duration_text(seconds)}." if seconds else None
    cards = [
        _loss_chart(history, x, by),
        _metric_chart(content, history, x, by),
        _rate_chart(history, x, by),
        _decisions_table(content),
    ]
    return join_markup([tag("p", took, class_="quiet") if took else None, card_grid(*cards)])


def _loss_chart(history: Sequence[Row], x: np.ndarray, by: str) -> Markup | None:
    curves = {"training": _history_column(history, "loss"), "validation": _history_column(history, "validation_loss")}
    shown = {name: (x, y) for name, y in curves.items() if np.isfinite(y).any()}
    if not shown:
        return None
    real = np.concatenate([y[np.isfinite(y)] for _, y in shown.values()])
    log = bool(real.min() > 0 and real.max() / real.min() > 20)
    return card("Loss", line_chart(shown, x_label=by, log=log))


def _metric_chart(content: Content, history: Sequence[Row], x: np.ndarray, by: str) -> Markup | None:
    metric = content.get("metric", {})
    name = metric.get("name") or content.get("score", {}).get("metric", "score")
    y = _history_column(history, "metric", name)
    if not np.isfinite(y).any():
        return None
    up = metric.get("higher_is_better", True)
    best = int(np.nanargmax(y) if up else np.nanargmin(y))
    text = percent_text(y[best]) if as_percent(content) else number_text(y[best])
    baseline = content.get("baseline")
    level = ("baseline", baseline["value"]) if baseline else None
    chart = line_chart(
        {name: (x, y)}, x_label=by, as_percent=as_percent(content), level=level, mark=(x[best], y[best], f"best {text}")
    )
    note = tag("p", f"Measured {on_validation(content)}.", class_="caption") if _is_sampled(content) else None
    return card(f"{capitalise_text(name)} on validation", [chart, note])


def _is_sampled(content: Content) -> bool:
    """Whether training looked on some of the validation examples alone."""
    every = content.get("data", {}).get("splits", {}).get("validation", 0)
    return content.get("watched", every) < every


def on_validation(content: Content) -> str:
    """What was looked on, in words."""
    if not _is_sampled(content):
        return "on the validation split"
    every = content["data"]["splits"]["validation"]
    return f"on {content['watched']:,} of {every:,} validation examples, spread evenly"


def _rate_chart(history: Sequence[Row], x: np.ndarray, by: str) -> Markup | None:
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
        tag("li", tag("b", f"{c['name']}: {_decision_text(c)}"), tag("span", f"{_since_step(c)}{c.get('reason', '')}"))
        for c in found
    ]
    return card("Decided on the way", tag("ul", lines, class_="decisions"))


def _decision_text(choice: ChoiceContent) -> str:
    """A schedule by its end: its corners are a table for programs."""
    value = choice["value"]
    if choice["name"] == "schedule" and isinstance(value, list) and value:
        return f"{value[-1][0]:,.0f} steps"
    return plain_text(value)


def _since_step(choice: ChoiceContent) -> str:
    return f"from step {choice['step']:,}: " if choice.get("step") else ""


def _history_column(history: Sequence[Row], *names: str) -> np.ndarray:  # (rows,), NaN where there is no value
    def row_value(row: Mapping[str, Any]) -> float | None:
        return next((row[name] for name in names if row.get(name) is not None), None)

    return finite_values([row_value(row) for row in history])


# -- how good --------------------------------------------------------------------------------------------------------


def quality_section(content: Content) -> Markup | None:
    cards = [
        *_confusion_card(content),
        *_residuals_card(content),
        _calibration_card(content),
        _metrics_card(content),
        _per_class(content),
    ]
    return card_grid(*cards) if any(cards) else None


def _confusion_card(content: Content) -> list[Markup | None]:
    found = content.get("confusion")
    if not found:
        return []
    labels, matrix = [str(n) for n in found["labels"]], found["matrix"]
    shown, wide = confusion_matrix(labels, matrix), _is_large(labels)
    if len(labels) > READABLE:
        return [card("Most confused pairs (true → predicted)", shown)]
    pairs = commonest_mistakes(labels, np.asarray(matrix, int), 3)
    said = ", ".join(f"{t} taken for {p} ({n:,} times, {percent_text(s)})" for t, p, n, s in pairs)
    note = tag("p", f"Most often: {said}.", class_="caption") if pairs and len(labels) > 2 else None
    return [card("What was taken for what", [shown, note], wide=wide)]


def _is_large(labels: Sequence[str]) -> bool:
    """Whether the matrix needs the whole width."""
    return 10 < len(labels) <= READABLE


def _residuals_card(content: Content) -> list[Markup | None]:
    found = content.get("residuals")
    if not found:
        return []
    unit = f" ({found['unit']})" if found.get("unit") else ""
    true, predicted = finite_values(found["true"]), finite_values(found["predicted"])
    log = found.get("log", False)
    wrong = predicted - true
    known = int(np.isfinite(wrong).sum())
    some = f"{MOST_POINTS:,} of {known:,} test examples, spread evenly." if known > MOST_POINTS else ""
    goals = found.get("targets", 1)
    first = f"Of '{found.get('unit')}' alone, the first of {goals} targets." if goals > 1 else ""
    note = " ".join(filter(None, (first, some)))
    return [
        card(
            "Predicted against true",
            [
                scatter_plot(true, predicted, x_label=f"true{unit}", y_label=f"predicted{unit}", log=log),
                tag("p", note, class_="caption") if note else None,
            ],
        ),
        card(
            "Errors",
            [
                histogram(wrong, x_label=f"predicted minus true{unit}", zero=True, height=390),
                _usual_error(wrong, found.get("unit", ""), first),
            ],
        ),
    ]


def _usual_error(wrong: np.ndarray, unit: str, first: str) -> Markup | None:
    size = np.abs(wrong[np.isfinite(wrong)])
    if not len(size):
        return None
    half, most = (number_text(float(q), 3) + (f" {unit}" if unit else "") for q in np.quantile(size, [0.5, 0.9]))
    said = f"Half of the predictions are within {half} of the truth, nine in ten within {most}"
    return tag("p", " ".join(filter(None, (first, f"{said} (all {len(size):,} test examples)."))), class_="caption")


def _calibration_card(content: Content) -> Markup | None:
    found = content.get("calibration")
    if not found:
        return None
    note = "On the dashed line, a prediction that says 80 % is right 80 % of the time. Larger dots: more predictions."
    chart = calibration_chart(found["confidence"], found["accuracy"], found["count"])
    return card("Can its confidence be trusted?", [chart, tag("p", note, class_="caption")])


def _metrics_card(content: Content) -> Markup | None:
    found = content.get("metrics")
    if not found:
        return None
    texts = [(name, percent_text(v) if "accuracy" in name else number_text(v)) for name, v in found.items()]
    labels = content.get("confusion", {}).get("labels", [])
    alone = not content.get("confusion") and not content.get("residuals")  # beside the calibration there is room
    return card("Other measures, on test", facts_list(texts), wide=not _is_large(labels) and not alone)


def _per_class(content: Content) -> Markup | None:
    found = content.get("per_class")
    if not found:
        return None
    ranked = sorted(found, key=lambda c: c.get("f1", 0))
    shown = ranked[:MOST_LINES]
    several = any("average_precision" in c for c in found)  # a row may have more than one of them
    title = f"{'Label by label' if several else 'Class by class'}, weakest first"
    title += f" ({len(shown)} of {len(ranked)})" if len(ranked) > len(shown) else ""
    head = ["label" if several else "class", "right when said", "found", "F1"]
    head += ["average precision"] if several else []
    return card(title, html_table([*head, "examples"], [_class_row(c) for c in shown], numbers=len(head)), wide=True)


def _class_row(c: PerClass) -> list[Markup]:
    shares = [c.get("precision", np.nan), c.get("recall", np.nan), c.get("f1", np.nan)]
    shares += [c["average_precision"]] if "average_precision" in c else []
    bars = [tag("td", percent_text(share), _share_bar(share), class_="n") for share in shares]
    return [table_cell(c["label"], "key"), *bars, table_cell(f"{c.get('count', 0):,}", "n")]


# -- where it errs ---------------------------------------------------------------------------------------------------


def worst_section(content: Content) -> Markup | None:
    found = list(content.get("worst", []))[:MOST_WORST]
    if not found:
        return None
    note = f"The largest errors {on_validation(content)}. "
    note += "The test split is not shown, so that looking here spoils no score."
    broad = any("image_png" not in w.get("shown", {}) for w in found)
    figures = [tag("figure", example_figure(w.get("shown", {})), _worst_caption(w)) for w in found]
    return join_markup(
        [tag("p", note, class_="quiet"), tag("div", figures, class_="worst broad" if broad else "worst")]
    )


def example_figure(shown: Mapping[str, Any]) -> list[Markup]:
    """The inputs of one example: photo, text and columns, whichever it has."""
    parts = []
    if png := shown.get("image_png"):
        tiny = len(png) >= 24 and max(struct.unpack(">II", png[16:24])) <= 96  # the size stands in the PNG's header
        source = "data:image/png;base64," + b64encode(png).decode()
        parts.append(tag("img", src=source, alt="", class_="tiny" if tiny else None))
    if text := str(shown.get("text") or ""):
        cut = text if len(text) <= MOST_TEXT else text[:MOST_TEXT].rstrip() + " …"
        parts.append(tag("blockquote", cut))
    if row := shown.get("row"):
        parts.append(html_table([], [_value_line(name, plain_text(v)) for name, v in list(row.items())[:MOST_COLUMNS]]))
        left = len(row) - MOST_COLUMNS
        parts.append(tag("p", f"and {left} more columns", class_="more") if left > 0 else Markup())
    return parts


def _value_line(name: str, text: str) -> list[Markup]:
    return [table_cell(name), table_cell(text[:MOST_TEXT], "long" if len(text) > 40 else None)]


def _worst_caption(w: Worst) -> Markup:
    sure = f" ({percent_text(w['probability'], 0)})" if w.get("probability") is not None else ""
    said = tag("b", plain_text(w.get("predicted")), class_="said")
    true = tag("b", plain_text(w.get("true")), class_="true")
    where = tag("span", w["where"], class_="where") if w.get("where") else None
    return tag("figcaption", "said ", said, sure, tag("br"), "is ", true, where)


# -- inside, and what to do with it ----------------------------------------------------------------------------------


def network_section(content: Content) -> Markup | None:
    found = content.get("network")
    if not found:
        return None
    layers = found.get("layers", [])
    total = found.get("parameters") or sum(layer.get("parameters", 0) for layer in layers)
    rows = [
        [
            table_cell(layer["name"], "key"),
            table_cell(layer.get("shape", ""), "value"),
            tag(
                "td",
                f"{layer.get('parameters', 0):,}",
                _share_bar(layer.get("parameters", 0) / max(1, total)),
                class_="n",
            ),
        ]
        for layer in layers
    ]
    note = tag("p", f"{total:,} parameters: the numbers that training moved.", class_="quiet")
    order = "In the order in which data passes them; what a stage gives is the shape of one example's."
    inside = html_table(["stage", "gives", "parameters"], rows, numbers=1)
    if len(rows) > MOST_LINES:
        inside = tag("details", tag("summary", f"All {len(rows)} of them"), inside)
    return join_markup(
        [note, card_grid(card(None, [tag("p", order, class_="caption"), inside], wide=True)) if rows else None]
    )


def use_section(content: Content) -> Markup | None:
    found = content.get("use")
    if not found:
        return None
    ways = (("On the command line", found.get("cli")), ("From Python", found.get("python")))
    return card_grid(*(card(title, tag("pre", "\n".join(lines))) for title, lines in ways if lines))


# -- parts -----------------------------------------------------------------------------------------------------------


def card(title: str | None, inside: Any, wide: bool = False) -> Markup:
    return tag("div", tag("h3", title) if title else None, inside, class_="card wide" if wide else "card")


def card_grid(*cards: Markup | None) -> Markup:
    return tag("div", cards, class_="grid")


def capitalise_text(text: str) -> str:
    return text[:1].upper() + text[1:]


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


def _share_bar(share: float) -> Markup:
    """A share of 1 as a small bar."""
    return tag("span", tag("i", style=f"width:{100 * min(1.0, max(0.0, np.nan_to_num(share))):.1f}%"), class_="part")


Section = tuple[str, str, Callable[[Content], Markup | None]]

SECTIONS: tuple[Section, ...] = (
    ("quality", "How good it is", quality_section),
    ("errors", "Where it errs", worst_section),
    ("data", "The data", data_section),
    ("training", "Training", training_section),
    ("plan", "The plan, and why", plan_section),
    ("network", "The network", network_section),
    ("use", "Use it", use_section),
)
