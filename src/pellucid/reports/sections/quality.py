"""Evaluation: confusion matrix, residuals, calibration, other metrics, precision and recall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...draw.charts import MOST_POINTS, calibration_chart, histogram, scatter_plot
from ...draw.confusion import READABLE_CLASSES, commonest_mistakes, confusion_matrix
from ...draw.markup import Markup, join_markup, tag
from ...draw.ticks import finite_values
from ...wording import count_noun, metric_text, number_text, percent_text
from ..content import Content, PerClass, Residuals
from .base import (
    MOST_LINES,
    behind_table,
    card,
    card_grid,
    facts_list,
    html_table,
    scored_on,
    section,
    share_bar,
    table_cell,
)


@section("quality", "Evaluation", place=10)
def quality_section(content: Content) -> Markup | None:
    cards = [
        *_confusion_card(content),
        *_residuals_card(content),
        _calibration_card(content),
        _metrics_card(content),
        _per_class(content),
    ]
    if not any(cards):
        return None
    return join_markup([tag("p", f"On {scored_on(content)}.", class_="quiet"), card_grid(*cards)])


def _confusion_card(content: Content) -> list[Markup | None]:
    found = content.get("confusion")
    if not found:
        return []
    labels, matrix = [str(n) for n in found["labels"]], found["matrix"]
    shown, wide = confusion_matrix(labels, matrix), _is_large(labels)
    if len(labels) > READABLE_CLASSES:
        return [card("Confusion matrix: most confused pairs (actual → predicted)", shown)]
    pairs = commonest_mistakes(labels, np.asarray(matrix, int), 3)
    said = ", ".join(f"{t} predicted as {p} ({count_noun(n, 'time')}, {percent_text(s)})" for t, p, n, s in pairs)
    often = f" Most frequent errors: {said}." if pairs and len(labels) > 2 else ""
    note = tag("p", f"One row for each actual class, one column for each predicted class.{often}", class_="caption")
    return [card("Confusion matrix", [shown, note], wide=wide)]


def _is_large(labels: Sequence[str]) -> bool:
    """Whether the matrix needs the whole width."""
    return 10 < len(labels) <= READABLE_CLASSES


def _residuals_card(content: Content) -> list[Markup | None]:
    found = content.get("residuals")
    return residual_cards(content, found) if found else []


def residual_cards(content: Content, found: Residuals) -> list[Markup | None]:
    """Predicted against actual, and the histogram of the errors, of one target."""
    unit = f" ({found['unit']})" if found.get("unit") else ""
    true, predicted = finite_values(found["true"]), finite_values(found["predicted"])
    log = found.get("log", False)
    wrong = predicted - true
    known = int(np.isfinite(wrong).sum())
    some = f" {MOST_POINTS:,} of {known:,} {scored_on(content)}, spread evenly." if known > MOST_POINTS else ""
    note = f"On the dashed line a prediction is right.{some}"
    return [
        card(
            "Predicted and actual",
            [
                scatter_plot(true, predicted, x_label=f"actual{unit}", y_label=f"predicted{unit}", log=log),
                tag("p", note, class_="caption"),
            ],
        ),
        card(
            "Residuals",
            [
                histogram(wrong, x_label=f"predicted minus actual{unit}", zero=True, height=390),
                _usual_error(wrong, found.get("unit", ""), scored_on(content)),
            ],
        ),
    ]


def _usual_error(wrong: np.ndarray, unit: str, examples: str) -> Markup | None:
    size = np.abs(wrong[np.isfinite(wrong)])
    if not len(size):
        return None
    half, most = (number_text(float(q), 3) for q in np.quantile(size, [0.5, 0.9]))
    said = f"Median absolute error {half}; 90% of predictions are off by at most {most}"
    said += f", in the unit of '{unit}'" if unit else ""
    return tag("p", f"{said} (all {len(size):,} {examples}).", class_="caption")


def _calibration_card(content: Content) -> Markup | None:
    found = content.get("calibration")
    if not found:
        return None
    note = "Are the probabilities reliable? On the dashed line, predictions of 80% are right 80% of the time. "
    note += "Larger dots: more predictions."
    chart = calibration_chart(found["confidence"], found["accuracy"], found["count"])
    rows = [
        [percent_text(c), percent_text(a), f"{n:,}"]
        for c, a, n in zip(found["confidence"], found["accuracy"], found["count"], strict=True)
    ]
    shown = behind_table(chart, ["predicted probability", "share right", "predictions"], rows)
    return card("Calibration", [*shown, tag("p", f"{note}", class_="caption")])


def _metrics_card(content: Content) -> Markup | None:
    found = content.get("metrics")
    if not found:
        return None
    shares = content.get("percents", ())
    texts = [(metric_text(name), percent_text(v) if name in shares else number_text(v)) for name, v in found.items()]
    labels = content.get("confusion", {}).get("labels", [])
    alone = not content.get("confusion") and not content.get("residuals")  # beside the calibration there is room
    return card(f"Metrics, on {scored_on(content)}", facts_list(texts), wide=not _is_large(labels) and not alone)


def _per_class(content: Content) -> Markup | None:
    found = content.get("per_class")
    if not found:
        return None
    ranked = sorted(found, key=lambda c: c.get("f1", 0))
    shown = ranked[:MOST_LINES]
    several = any("average_precision" in c for c in found)  # a row may have more than one of them
    one = "label" if several else "class"
    title = f"Precision and recall of each {one}, weakest first"
    title += f" ({len(shown)} of {len(ranked)})" if len(ranked) > len(shown) else ""
    head = [one, "precision", "recall", "F1"]
    head += ["average precision"] if several else []
    note = f"Precision: the share of predictions of a {one} that are right. "
    note += "Recall: the share of its examples that are found."
    table = html_table([*head, "examples"], [_class_row(c) for c in shown], numbers=len(head))
    return card(title, [tag("div", table, class_="scroll"), tag("p", note, class_="caption")], wide=True)


def _class_row(c: PerClass) -> list[Markup]:
    shares = [c.get("precision", np.nan), c.get("recall", np.nan), c.get("f1", np.nan)]
    shares += [c["average_precision"]] if "average_precision" in c else []
    bars = [tag("td", percent_text(share), share_bar(share), class_="n") for share in shares]
    return [table_cell(c["label"], "key"), *bars, table_cell(f"{c.get('count', 0):,}", "n")]
