"""Texts that were written: the worst and the best beside the true ones, and how good they are by their length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...draw.markup import Markup, join_markup, tag
from ...wording import count_noun, number_text, percent_text
from ..content import Content
from .base import card, card_grid, example_figure, html_table, on_validation, scored_on, section, table_cell


@section("written", "What it writes", place=22)
def written_section(content: Content) -> Markup | None:
    found = content.get("written")
    if not found:
        return None
    where = f"among the {scored_on(content)}" if content.get("scored") else on_validation(content)
    beside = f" and {found['beside']}" if found["beside"] else ""
    lead = f"Texts written {where}, beside the true ones{beside}. Similarity is chrF2 (0 to 100)."
    parts = [tag("p", lead, class_="quiet")]
    if len(found["by_length"]) > 1:
        parts.append(card_grid(_length_card(found["by_length"])))
    for name, title in (("worst", "Least similar"), ("best", "Most similar")):
        if found[name]:
            parts += [tag("h3", title), card_grid(*(_text_card(one) for one in found[name]))]
    return join_markup(parts)


def _length_card(groups: list[Mapping[str, Any]]) -> Markup:
    rows = [
        [
            table_cell(f"{one['tokens'][0]:,} to {one['tokens'][1]:,}"),
            table_cell(f"{one['count']:,}", "n"),
            table_cell(number_text(one["alike"]), "n"),
            table_cell(percent_text(one["right"]), "n"),
        ]
        for one in groups
    ]
    return card("By length", html_table(["tokens of the true text", "texts", "similarity", "right"], rows, numbers=3))


def _text_card(one: Mapping[str, Any]) -> Markup:
    """One text, with what it was written from."""
    lines = (("written", one["written"], "said"), ("true", one["true"], "true"), ("nearest", one["nearest"], "quiet"))
    rows = [[table_cell(name, "key"), table_cell(text, class_)] for name, text, class_ in lines if text is not None]
    about = f"similarity {number_text(one['alike'])}, tokens {percent_text(one['confidence'], 0)} likely on average"
    about += f", cut off at {count_noun(one['cut_off'], 'token')}" if one["cut_off"] else ""
    note = tag("p", f"{one['where']}: {about}", class_="caption")
    return card(None, [*example_figure(one["shown"]), html_table([], rows), note], wide=True)
