"""The data: what was found, its columns, how it was split, the classes, some examples, what is worth a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...draw.charts import Bar, bar_chart
from ...draw.markup import Markup, join_markup, tag
from ...wording import percent_text, plain_text
from ..content import ColumnContent, Content, Data, Rows, Worst
from .base import MOST_LINES, card, card_grid, example_figure, html_table, section, table_cell

# Drawn as bars, and counted by part without being asked for.
MOST_CLASSES, FEW_CLASSES = 14, 6


@section("data", "The data", place=40)
def data_section(content: Content) -> Markup | None:
    about = content.get("data")
    if not about:
        return None
    notes = about.get("notes")
    cards = [
        card("Summary", tag("ul", [tag("li", s) for s in about["summary"]])) if about.get("summary") else None,
        card("Split", _splits_table(about["splits"])) if about.get("splits") else None,
        _classes_card(about),
        card("Notes", tag("ul", [tag("li", s) for s in notes], class_="notes")) if notes else None,
        _columns_card(about["columns"]) if about.get("columns") else None,
        _rows_card(about["first_rows"]) if about.get("first_rows") else None,
    ]
    samples = _sample_figures(about["samples"]) if about.get("samples") else None
    return join_markup([card_grid(*cards), samples])


def _splits_table(splits: Mapping[str, int]) -> list[Markup]:
    total = max(1, sum(splits.values()))
    parts = [tag("i", class_=f"c{i}", style=f"flex:{n}") for i, n in enumerate(splits.values(), 1)]
    names = [
        tag("span", tag("i", class_=f"key-dot c{i}"), f"{name} {n:,} ({percent_text(n / total, 0)})")
        for i, (name, n) in enumerate(splits.items(), 1)
    ]
    return [tag("div", parts, class_="shares"), tag("p", names, class_="legend")]


def _classes_card(about: Data) -> Markup | None:
    """How many examples each class has: as bars, and by part."""
    parts = about.get("class_parts") or {}
    counts = about.get("classes") or _sum_parts(parts)
    if not counts:
        return None
    ranked = sorted(counts.items(), key=lambda c: -c[1])
    shown, rest = ranked[:MOST_CLASSES], ranked[MOST_CLASSES:]
    chart = bar_chart([Bar(name, n) for name, n in shown])
    if not parts:
        more = f"and {len(rest)} more, down to {rest[-1][1]:,} examples of {rest[-1][0]}" if rest else None
        return card("Class balance", [chart, tag("p", more, class_="caption") if more else None])
    rows = [
        [table_cell(name, "key"), *(table_cell(f"{own.get(name, 0):,}", "n") for own in parts.values())]
        for name, _ in ranked
    ]
    table = tag("div", html_table(["class", *parts], rows, numbers=len(parts)), class_="scroll")
    if len(ranked) > FEW_CLASSES:
        table = tag("details", tag("summary", f"All {len(ranked)} of them, by part"), table, class_="numbers")
    return card("Class balance", [chart, table])


def _sum_parts(parts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for own in parts.values():
        for name, n in own.items():
            found[name] = found.get(name, 0) + n
    return found


def _columns_card(columns: Sequence[ColumnContent]) -> Markup:
    """Every column: what it was taken for, what for, and what is in it or why it is left out."""
    rows = [
        [
            table_cell(one["name"], "key"),
            table_cell(one["kind"]),
            table_cell("left out" if one["role"] == "ignore" else one["role"]),
            table_cell(one["reason"], "why"),
        ]
        for one in columns
    ]
    head = ["column", "kind", "role", "what is in it, or why it is left out"]
    table = tag("div", html_table(head, rows[:MOST_LINES]), class_="scroll")
    if rest := rows[MOST_LINES:]:
        more = tag("details", tag("summary", f"{len(rest):,} more"), html_table(head, rest), class_="numbers")
        return card("Columns", [table, more], wide=True)
    return card("Columns", table, wide=True)


def _rows_card(found: Rows) -> Markup:
    rows = [[table_cell(text) for text in row] for row in found["rows"]]
    table = tag("div", html_table(found["columns"], rows, class_="examples"), class_="scroll")
    note = tag("p", "Values as they were read.", class_="caption")
    return card("First rows", [table, note], wide=True)


def _sample_figures(samples: Sequence[Worst]) -> Markup:
    broad = any("image_png" not in one.get("shown", {}) for one in samples)
    figures = [tag("figure", example_figure(one.get("shown", {})), _sample_caption(one)) for one in samples]
    what = "passages" if all("verbatim" in one.get("shown", {}) for one in samples) else "examples"
    title = tag("p", f"Some training {what}:", class_="quiet")
    return join_markup([title, tag("div", figures, class_="worst broad" if broad else "worst")])


def _sample_caption(one: Worst) -> Markup:
    where = tag("span", one["where"], class_="where") if one.get("where") else None
    # Of a passage what is to be predicted is shown already.
    true = tag("b", plain_text(one["true"]), class_="true") if "true" in one else None
    return tag("figcaption", true, where)
