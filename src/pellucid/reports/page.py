"""The report of a run: one HTML file that explains itself, opens anywhere and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..draw.charts import Bar, bar_chart
from ..draw.markup import Markup, join_markup, tag
from ..draw.page import REPORT, html_document
from ..wording import capitalise_text, count_noun, metric_text, value_and_spread
from .content import Content
from .sections import SECTIONS, Section
from .sections.base import as_percent, facts_list

# What a page says in its head that it is.
EVALUATION = "Pellucid evaluation"


def report_page(content: Content, maker: str = REPORT) -> str:
    """A whole HTML page for ``content``; what is not in it is left out of the page. ``maker``: what it says it is.

    Dark and light follow the reader's system; it prints on white. All text is escaped; there are no scripts.
    """
    ordered = sorted(SECTIONS.values(), key=lambda one: one.place)
    parts = [(one, inside) for one in ordered if (inside := one.write(content))]
    body = tag(
        "body",
        tag(
            "header",
            _page_top(content),
            _score_card(content),
            facts_list(content["facts"]) if content.get("facts") else None,
            _section_links([one for one, _ in parts]),
        ),
        tag("main", [tag("section", tag("h2", one.title), inside, id=one.word) for one, inside in parts]),
        page_foot(content.get("protocol"), content.get("versions", {})),
    )
    return html_document(content["title"], body, maker)


def _page_top(content: Content) -> list[Markup]:
    lead = content.get("subtitle")
    return [
        tag("p", content.get("eyebrow", "Pellucid report"), class_="eyebrow"),
        tag("h1", content["title"]),
        *([tag("p", lead, class_="lead")] if lead else []),
    ]


def _score_card(content: Content) -> Markup | None:
    """The score, large, beside the baseline on one axis."""
    score = content.get("score")
    if not score:
        return None
    percent = as_percent(content)
    value, interval = value_and_spread(score["value"], *_interval_of(score), percent)
    unit = content.get("metric", {}).get("unit", "")
    number = (
        [value.removesuffix("%"), tag("small", "%")] if percent else [value, tag("small", f" {unit}") if unit else None]
    )
    n = score.get("n")
    which = content.get("scored") or "test examples"
    measured = f"on {count_noun(n, which.removesuffix('s'), which)}" if n else f"on {which}"
    metric = capitalise_text(metric_text(score.get("metric", "score")))
    unit_of_loss = f", in nats a {content['language']['unit']}" if _is_loss(content) else ""
    sure = f" 95% interval {interval}{f' {unit}' if unit else ''}." if interval else ""
    sure = " One alone gives no interval." if n == 1 else sure
    return tag(
        "div",
        tag(
            "div",
            tag("div", number, class_="big"),
            tag("p", f"{metric} {measured}{unit_of_loss}.{sure}", class_="caption"),
        ),
        _beside_chart(score, content.get("baseline"), percent, content),
        class_="card score",
    )


def _interval_of(score: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The ends of a score's interval; of one example, which says nothing of how others vary, none."""
    return (None, None) if score.get("n") == 1 else (score.get("low"), score.get("high"))


def _is_loss(content: Content) -> bool:
    """Whether the score of a language model is its loss, which is in nats."""
    return bool(content.get("language")) and metric_text(content["score"].get("metric", "")) == "loss"


def _beside_chart(
    score: Mapping[str, Any], baseline: Mapping[str, Any] | None, percent: bool, content: Content
) -> Markup:
    rows = [Bar("this network", score["value"], *_interval_of(score), 1)]
    solved = (content.get("solved") or {}) if content.get("language") else {}
    beside = {**solved["score"], "name": solved["name"]} if "score" in solved else content.get("reference")
    for other, colour in ((beside, 2), (baseline, 0)):
        if other:
            # The sentence above says what the baseline is.
            name = other.get("name", "reference") if colour else "baseline"
            rows.append(Bar(name, other["value"], *_interval_of(other), colour))
    better = content.get("metric", {}).get("higher_is_better")
    note = {True: "Longer is better.", False: "Shorter is better.", None: None}[better]
    chart = bar_chart(rows, as_percent=percent, top=1 if percent else None, width=400)
    why = content.get("no_reference") if not beside else ""
    said = " ".join(filter(None, (note if baseline else None, why and f"{capitalise_text(why)}.")))
    return tag("div", chart, tag("p", said, class_="caption") if said else None)


def _section_links(shown: list[Section]) -> Markup | None:
    return tag("nav", [tag("a", one.title, href=f"#{one.word}") for one in shown]) if len(shown) > 1 else None


def page_foot(protocol: str | None, versions: Mapping[str, str]) -> Markup:
    """How it was kept honest, and what it was made with."""
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    lines = [protocol, made and f"Made with {made}."]
    return tag("footer", tag("p", join_markup(" ".join(line for line in lines if line))))
