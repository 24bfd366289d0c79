"""How good it is: what was taken for what, errors, confidence, other measures, each class by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...draw.charts import MOST_POINTS, calibration_chart, histogram, scatter_plot
from ...draw.confusion import READABLE_CLASSES, commonest_mistakes, confusion_matrix
from ...draw.markup import Markup, tag
from ...draw.ticks import finite_values
from ...wording import number_text, percent_text
from ..content import Content, PerClass
from .base import MOST_LINES, card, card_grid, facts_list, html_table, section, share_bar, table_cell


@section("quality", "How good it is", place=10)
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
    if len(labels) > READABLE_CLASSES:
        return [card("Most confused pairs (true → predicted)", shown)]
    pairs = commonest_mistakes(labels, np.asarray(matrix, int), 3)
    said = ", ".join(f"{t} taken for {p} ({n:,} times, {percent_text(s)})" for t, p, n, s in pairs)
    note = tag("p", f"Most often: {said}.", class_="caption") if pairs and len(labels) > 2 else None
    return [card("What was taken for what", [shown, note], wide=wide)]


def _is_large(labels: Sequence[str]) -> bool:
    """Whether the matrix needs the whole width."""
    return 10 < len(labels) <= READABLE_CLASSES


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
    shares = content.get("percents", ())
    texts = [(name, percent_text(v) if name in shares else number_text(v)) for name, v in found.items()]
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
    bars = [tag("td", percent_text(share), share_bar(share), class_="n") for share in shares]
    return [table_cell(c["label"], "key"), *bars, table_cell(f"{c.get('count', 0):,}", "n")]
