"""The report of a comparison: what it means, the table, the curves of all networks on one picture, the test scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from .charts import Bar, bars, line
from .markup import Markup, tag
from .numbers import duration, memory, milliseconds, p_value, spread, with_interval
from .report import document, foot
from .sections import capital, card, cell, facts, grid, table

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


class Entry(TypedDict):
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
    entries: Sequence[Entry]  # best first
    failed: Mapping[str, str]  # name -> why it could not be trained
    beside: Sequence[Beside]  # the naive answer last
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]  # name -> seconds, metric on validation
    facts: Sequence[tuple[str, str]]
    protocol: str
    versions: Mapping[str, str]
    tested: str  # how networks were told apart; empty for one network


def comparison(content: Contents) -> str:
    """A whole HTML page; escaped, self-contained, without scripts, as the report of a run."""
    lead, *more = content["meaning"]
    head = tag(
        "header",
        tag("p", "Pellucid comparison", class_="eyebrow"),
        tag("h1", content["title"]),
        tag("p", lead, class_="lead"),
        tag("p", " ".join(more)) if more else None,
        facts(content["facts"]),
    )
    parts = (
        ("Side by side", grid(_table(content))),
        ("On the way, and at the end", grid(_curves(content), _bars(content))),
    )
    sections = [tag("section", tag("h2", title), inside) for title, inside in parts]
    return document(
        content["title"], tag("body", head, tag("main", sections), foot(content["protocol"], content["versions"]))
    )


def _table(content: Contents) -> Markup:
    """A row for each network, best on validation first; below them what could not be trained."""
    percent = content["percent"]
    rows = [
        [cell(one["name"], "key"), *(cell(text, "n") for text in _numbers(one, percent))] for one in content["entries"]
    ]
    for other in content["beside"]:
        shown = with_interval(other["value"], other["low"], other["high"], percent)
        rows.append([cell(other["name"], "why"), *[cell("", "n")] * 3, cell(shown, "n"), *[cell("", "n")] * 5])
    why = [
        tag("p", f"{name} could not be trained: {cause}", class_="caption") for name, cause in content["failed"].items()
    ]
    first = content["entries"][0]["name"]
    heads = (COLUMNS[0], f"{content['metric']}: validation", f"behind {first}", *COLUMNS[3:])
    note = tag("p", content["tested"], class_="caption") if content["tested"] else None
    return card(None, [table(heads, rows, numbers=9), note, why], wide=True)


def _numbers(one: Entry, percent: bool) -> list[str]:
    return [
        spread(one["validation"], one["low"], one["high"], percent)[0],
        *_gap(one["behind"], percent),
        with_interval(one["value"], one["low"], one["high"], percent),
        f"{one['parameters']:,}",
        duration(one["seconds"]),
        memory(one["memory"]) if one["memory"] is not None else "–",
        milliseconds(one["latency"]),
        f"{one['throughput']:,.0f}",
    ]


def _gap(gap: Gap | None, percent: bool) -> list[str]:
    """How far behind the first, with its interval, and p."""
    if gap is None:
        return ["", ""]
    return [with_interval(gap["value"], gap["low"], gap["high"], percent), p_value(gap["p"])]


def _curves(content: Contents) -> Markup | None:
    if not content["curves"]:
        return None
    base = content["beside"][-1:]
    level = (base[0]["name"], base[0]["value"]) if base else None
    chart = line(content["curves"], x_label="seconds", as_percent=content["percent"], level=level)
    return card(f"{capital(content['metric'])} on validation", chart)


def _bars(content: Contents) -> Markup:
    """Test scores with their intervals; networks in the colours of their curves."""
    colours = {name: i % 6 + 1 for i, name in enumerate(content["curves"])}
    rows = [
        Bar(one["name"], one["value"], one["low"], one["high"], colours.get(one["name"], 1))
        for one in content["entries"]
    ]
    rows += [Bar(one["name"], one["value"], one["low"], one["high"], 0) for one in content["beside"]]
    percent = content["percent"]
    note = tag("p", "Longer is better." if content["higher"] else "Shorter is better.", class_="caption")
    chart = bars(rows, as_percent=percent, top=1 if percent else None)
    return card(f"{capital(content['metric'])} on test", [chart, note])
