"""The largest errors: where the network errs most."""

from __future__ import annotations

from typing import Any

from ...draw.markup import Markup, join_markup, tag
from ...wording import percent_text, plain_text
from ..content import Content, Worst
from .base import example_figure, examples_table, is_tabular, on_validation, scored_on, section, table_cell

MOST_WORST = 24


@section("errors", "Largest errors", place=20)
def worst_section(content: Content) -> Markup | None:
    found = list(content.get("worst", []))[:MOST_WORST]
    if not found:
        return None
    note = f"The largest errors {_looked_on(content)}."
    if any((content.get("suspects") or {}).get("found", {}).values()):
        note += " Possible label errors are listed under label issues."
    if is_tabular(found):
        lines = [[_said_cell(w), table_cell(plain_text(w.get("true")), "true")] for w in found]
        table = examples_table(["predicted", "actual"], lines, found, content)
        return join_markup([tag("p", note, class_="quiet"), table])
    broad = any("image_png" not in w.get("shown", {}) for w in found)
    figures = [tag("figure", example_figure(w.get("shown", {})), _worst_caption(w)) for w in found]
    return join_markup(
        [tag("p", note, class_="quiet"), tag("div", figures, class_="worst broad" if broad else "worst")]
    )


def _looked_on(content: Content) -> str:
    if content.get("scored"):
        return f"among the {scored_on(content)}"
    return f"{on_validation(content)}. Test examples are not shown, so that the test score stays honest"


def _said_cell(w: Worst) -> Markup:
    return table_cell(_prediction_text(w.get("predicted")) + _how_sure(w), "said")


def _prediction_text(predicted: Any) -> str:
    """A prediction as its target is shown: of several numbers the numbers, without names and ranges."""
    if isinstance(predicted, dict) and all(isinstance(one, dict) for one in predicted.values()):
        return plain_text([one.get("value") for one in predicted.values()])
    return plain_text(predicted)


def _how_sure(w: Worst) -> str:
    return f" ({percent_text(w['probability'], 0)})" if w.get("probability") is not None else ""


def _worst_caption(w: Worst) -> Markup:
    said = tag("b", _prediction_text(w.get("predicted")), class_="said")
    true = tag("b", plain_text(w.get("true")), class_="true")
    where = tag("span", w["where"], class_="where") if w.get("where") else None
    return tag("figcaption", "predicted ", said, _how_sure(w), tag("br"), "actual ", true, where)
