"""A page that stands alone: its style inside, nothing loaded, no scripts."""

from __future__ import annotations

from .markup import Markup, tag
from .style import CHARTS, PAGE, VARIABLES, VIEWS

# The browser itself refuses all else.
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"

# What a page says in its head that it is.
REPORT, VIEW = "Pellucid report", "Pellucid view"


def html_document(title: str, body: Markup, maker: str = REPORT, style: str = "") -> str:
    """A whole page, with its style inside. ``maker``: what it says it is; ``style``: beside the one all pages have."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="generator", content=maker),
        tag("title", title),
        tag("style", Markup(VARIABLES + CHARTS + PAGE + style)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def standalone_page(title: str, body: Markup) -> str:
    """A page of one result of looking inside."""
    return html_document(title, tag("body", tag("main", tag("section", body))), VIEW, VIEWS)
