"""The report of a comparison: what it means, the table, the curves of all networks on one picture, the test scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from ..draw.charts import Bar, bar_chart, line_chart
from ..draw.markup import Markup, tag
from ..draw.page import html_document
from ..wording import (
    capitalise_text,
    duration_text,
    memory_text,
    metric_text,
    milliseconds_text,
    p_value,
    value_and_spread,
    with_interval,
)
from .page import page_foot
from .sections.base import card, card_grid, facts_list, html_table, table_cell

COLUMNS = (
    "network",
    "validation",
    "behind",
    "p",
    "test",
    "parameters",
    "training",
    "memory",
    "one example",
    "examples/s",
)


class Gap(TypedDict):
    """How far a network is behind the first on validation, and the adjusted p-value of that."""

    value: float
    low: float
    high: float
    p: float


class RankedNetwork(TypedDict):
    """One network: means over its seeds; times in seconds, memory in bytes, None where it is not known."""

    name: str
    validation: float
    behind: Gap | None  # None for the first
    value: float  # on test, with its interval
    low: float
    high: float
    parameters: int
    seconds: float
    memory: int | None
    latency: float
    throughput: float


class Beside(TypedDict):
    """The naive answer or the reference, on test."""

    name: str
    value: float
    low: float
    high: float


class Contents(TypedDict):
    """What the page is made from."""

    title: str
    meaning: Sequence[str]  # plain sentences, the first of which leads
    metric: str
    percent: bool  # whether it is a share of 1
    higher: bool  # whether more of it is better
    entries: Sequence[RankedNetwork]  # best first
    failed: Mapping[str, str]  # name -> why it could not be trained
    beside: Sequence[Beside]  # the naive answer last
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]  # name -> seconds, metric on validation
    facts: Sequence[tuple[str, str]]
    protocol: str
    versions: Mapping[str, str]
    tested: str  # how networks were told apart; empty for one network


def comparison_page(content: Contents) -> str:
    """A whole HTML page; escaped, self-contained, without scripts, as the report of a run."""
    lead, *more = content["meaning"]
    head = tag(
        "header",
        tag("p", "Pellucid comparison", class_="eyebrow"),
        tag("h1", content["title"]),
        tag("p", lead, class_="lead"),
        tag("p", " ".join(more)) if more else None,
        facts_list(content["facts"]),
    )
    parts = (
        ("Results", card_grid(_ranking_table(content))),
        ("Learning curves and final scores", card_grid(_curves_card(content), _score_bars(content))),
    )
    sections = [tag("section", tag("h2", title), inside) for title, inside in parts]
    return html_document(
        content["title"], tag("body", head, tag("main", sections), page_foot(content["protocol"], content["versions"]))
    )


def _ranking_table(content: Contents) -> Markup:
    """A row for each network, best on validation first; below them what could not be trained."""
    percent = content["percent"]
    rows = [
        [table_cell(one["name"], "key"), *(table_cell(text, "n") for text in _number_cells(one, percent))]
        for one in content["entries"]
    ]
    for other in content["beside"]:
        shown = with_interval(other["value"], other["low"], other["high"], percent)
        rows.append(
            [
                table_cell(other["name"], "why"),
                *[table_cell("", "n")] * 3,
                table_cell(shown, "n"),
                *[table_cell("", "n")] * 5,
            ]
        )
    why = [
        tag("p", f"{name} could not be trained: {cause}", class_="caption") for name, cause in content["failed"].items()
    ]
    first = content["entries"][0]["name"]
    heads = (COLUMNS[0], f"{metric_text(content['metric'])}: validation", f"behind {first}", *COLUMNS[3:])
    note = tag("p", content["tested"], class_="caption") if content["tested"] else None
    return card(None, [html_table(heads, rows, numbers=9), note, why], wide=True)


def _number_cells(one: RankedNetwork, percent: bool) -> list[str]:
    return [
        value_and_spread(one["validation"], one["low"], one["high"], percent)[0],
        *_gap_cells(one["behind"], percent),
        with_interval(one["value"], one["low"], one["high"], percent),
        f"{one['parameters']:,}",
        duration_text(one["seconds"]),
        memory_text(one["memory"]) if one["memory"] is not None else "–",
        milliseconds_text(one["latency"]),
        f"{one['throughput']:,.0f}",
    ]


def _gap_cells(gap: Gap | None, percent: bool) -> list[str]:
    """How far behind the first, with its interval, and p."""
    if gap is None:
        return ["", ""]
    return [with_interval(gap["value"], gap["low"], gap["high"], percent), p_value(gap["p"])]


def _curves_card(content: Contents) -> Markup | None:
    if not content["curves"]:
        return None
    base = content["beside"][-1:]
    level = (base[0]["name"], base[0]["value"]) if base else None
    chart = line_chart(content["curves"], x_label="seconds", as_percent=content["percent"], level=level)
    return card(f"{capitalise_text(content['metric'])} on validation", chart)


def _score_bars(content: Contents) -> Markup:
    """Test scores with their intervals; networks in the colours of their curves."""
    colours = {name: i % 6 + 1 for i, name in enumerate(content["curves"])}
    rows = [
        Bar(one["name"], one["value"], one["low"], one["high"], colours.get(one["name"], 0))
        for one in content["entries"]
    ]
    rows += [Bar(one["name"], one["value"], one["low"], one["high"], 0) for one in content["beside"]]
    percent = content["percent"]
    note = tag("p", "Longer is better." if content["higher"] else "Shorter is better.", class_="caption")
    chart = bar_chart(rows, as_percent=percent, top=1 if percent else None)
    return card(f"{capitalise_text(content['metric'])} on test", [chart, note])
