"""Where it errs: the examples with the largest errors."""

from __future__ import annotations

from ...draw.markup import Markup, join_markup, tag
from ...wording import percent_text, plain_text
from ..content import Content, Worst
from .base import example_figure, on_validation, section

MOST_WORST = 24


@section("errors", "Where it errs", place=20)
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


def _worst_caption(w: Worst) -> Markup:
    sure = f" ({percent_text(w['probability'], 0)})" if w.get("probability") is not None else ""
    said = tag("b", plain_text(w.get("predicted")), class_="said")
    true = tag("b", plain_text(w.get("true")), class_="true")
    where = tag("span", w["where"], class_="where") if w.get("where") else None
    return tag("figcaption", "said ", said, sure, tag("br"), "is ", true, where)
