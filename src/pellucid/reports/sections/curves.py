"""Two classes at every threshold: the ROC curve, the precision–recall curve, and what a threshold costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...draw.curves import unit_curve
from ...draw.markup import Markup, tag
from ...metrics.curves import sample_curve
from ...wording import percent_text, with_interval
from ..content import Content, Curve, Curves
from .base import behind_table, card, card_grid, scored_on, section, table_cell

# Where the tables behind the curves are read off.
READ_AT = tuple(i / 10 for i in range(11))


@section("curves", "ROC and precision–recall", place=12)
def curves_section(content: Content) -> Markup | None:
    found = content.get("curves")
    if not found:
        return None
    cards = card_grid(_roc_card(found), _precision_recall_card(found), _threshold_card(content, found))
    positive, share = found["positive"], percent_text(found["share"])
    lead = f"'{positive}' is the positive class: {share} of the {scored_on(content)} are. A threshold is the "
    lead += f"probability from which '{positive}' is predicted; each gives one point of a curve."
    return Markup(tag("p", lead, class_="quiet") + cards)


def _roc_card(found: Curves) -> Markup:
    curve, positive = found["roc"], found["positive"]
    chart = unit_curve(
        curve["x"],
        curve["y"],
        x_label="false positive rate",
        y_label=f"recall of '{_short(positive)}' (true positive rate)",
        guide=((0, 0), (1, 1)),
        marks=_used_marks(found, lambda row: (row["false_alarm_share"], row["recall"])),
        about=f"ROC curve of '{positive}'",
    )
    head = ["false positive rate", "recall"]
    note = (
        f"AUC {with_interval(curve['value'], curve['low'], curve['high'])}: how often an example of '{positive}' gets "
    )
    note += "a higher probability than another one. Chance: 0.5, the dashed line."
    return card("ROC curve", [*behind_table(chart, head, _curve_rows(curve)), tag("p", note, class_="caption")])


def _precision_recall_card(found: Curves) -> Markup:
    curve, positive, share = found["precision_recall"], found["positive"], found["share"]
    chart = unit_curve(
        curve["x"],
        curve["y"],
        x_label=f"recall of '{_short(positive)}'",
        y_label="precision",
        guide=((0, share), (1, share)),
        marks=_used_marks(found, lambda row: (row["recall"], row["precision"])),
        about=f"precision–recall curve of '{positive}'",
    )
    average = with_interval(curve["value"], curve["low"], curve["high"])
    note = f"Average precision {average}, the area under the curve. Chance: {share:.2g}, the dashed line."
    rows = _curve_rows(curve)
    head = ["recall", "precision"]
    return card("Precision–recall curve", [*behind_table(chart, head, rows), tag("p", note, class_="caption")])


def _short(label: str) -> str:
    return label if len(label) <= 18 else label[:17] + "…"


def _used_marks(found: Curves, place: Any) -> Sequence[tuple[float, float, str]]:
    """The point of the threshold that decides."""
    used = [row for row in found["thresholds"] if row.get("decides")]
    points = [(*place(row), f"at {row['threshold']:g}") for row in used]
    return [one for one in points if one[0] == one[0] and one[1] == one[1]]


def _curve_rows(curve: Curve) -> list[list[str]]:
    heights = sample_curve(curve["x"], curve["y"], READ_AT)
    return [[percent_text(x, 0), percent_text(y)] for x, y in zip(READ_AT, heights, strict=True)]


def _threshold_card(content: Content, found: Curves) -> Markup:
    rows = [
        [
            table_cell(f"{row['threshold']:g}", "key"),
            *(
                table_cell(text, "n")
                for text in (
                    percent_text(row["precision"]),
                    percent_text(row["recall"]),
                    f"{row['false_alarms']:,}",
                    f"{row['missed']:,}",
                    percent_text(row["share"]),
                )
            ),
            table_cell(row.get("why", ""), "why"),
        ]
        for row in found["thresholds"]
    ]
    positive = found["positive"]
    names = ["precision", "recall", "false positives", "false negatives", f"predicted '{_short(positive)}'"]
    heads = [tag("th", "threshold"), *(tag("th", name, class_="n") for name in names), tag("th", "chosen for")]
    note = f"Counted on {scored_on(content)}; thresholds with a purpose were chosen on validation. "
    note += "Precision: the share of "
    note += (
        f"predicted '{positive}' that are right. Recall: the share of actual '{positive}' that are found. Use another "
    )
    note += "threshold: pellucid predict RUN INPUT --threshold T, or run.predict(…, threshold=T)."
    body = tag("tbody", [tag("tr", row) for row in rows])
    table = tag("div", tag("table", tag("thead", tag("tr", heads)), body), class_="scroll")
    return card("Thresholds", [table, tag("p", note, class_="caption")], wide=True)
