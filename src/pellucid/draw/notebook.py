"""Fragments of HTML for notebooks: escaped, without scripts, in the colours of the reports, light and dark.

A notebook has a theme of its own, which need not be the system's: where Jupyter or VS Code says which, that counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from .markup import Markup, tag
from .style import CHARTS, DARK, FONTS, LIGHT, VIEWS

NAME = "pellucid-view"

TABLES = """
.NAME{font:14px/1.5 var(--sans);color:var(--ink);background:var(--card);border:1px solid var(--line);
border-radius:10px;padding:14px 18px;max-width:860px;overflow-x:auto;font-variant-numeric:tabular-nums}
.NAME h4{font:600 15px/1.4 var(--sans);margin:0 0 2px;color:var(--ink)}
.NAME p{margin:0 0 8px}.NAME p.quiet,.NAME td.quiet{color:var(--muted)}
.NAME table{border-collapse:collapse;margin:8px 0;border:0;background:none;font-size:13px}
.NAME th,.NAME td{text-align:left;padding:3px 14px 3px 0;border:0;border-bottom:1px solid var(--line);color:inherit;
vertical-align:top;background:none;max-width:420px;overflow-wrap:anywhere;white-space:normal}
.NAME tr,.NAME tr:hover{background:none}
.NAME th{font-weight:500;color:var(--muted)}.NAME td.n,.NAME th.n{text-align:right;white-space:nowrap}
.NAME td.key{font-weight:600}.NAME td.target{color:var(--accent);font-weight:600}
.NAME .side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:10px 26px}
.NAME ul{list-style:none;margin:8px 0 0;padding:0}.NAME li{margin:3px 0;padding-left:1.4em;text-indent:-1.4em}
.NAME li b{display:inline-block;width:1.4em;text-indent:0}
.NAME li.warning b{color:var(--c2)}.NAME li.error b{color:var(--c5)}.NAME li.info b{color:var(--muted)}
""".replace("NAME", NAME)

SIGNS = {"info": "·", "warning": "!", "error": "✗"}


def notebook_view(*children: Any) -> str:
    """A fragment that brings its own style, which touches nothing else in the notebook."""
    return tag("div", tag("style", Markup(STYLE)), *children, class_=NAME)


def view_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], classes: Sequence[str] = ()) -> Markup:
    """A table; ``classes`` of the cells of each column. A cell may be an element of its own."""
    styles = [*classes, *[""] * (len(headings) - len(classes))]
    head = tag(
        "tr",
        [tag("th", text, class_=style if style == "n" else None) for text, style in zip(headings, styles, strict=True)],
    )
    body = [tag("tr", [_cell(text, style) for text, style in zip(row, styles, strict=True)]) for row in rows]
    return tag("table", tag("thead", head) if any(headings) else None, tag("tbody", body))


def _cell(content: Any, style: str) -> Markup:
    if isinstance(content, Markup) and content.startswith("<td"):
        return content
    return tag("td", content, class_=style or None)


def note_list(notes: Iterable[tuple[str, str]], most: int) -> Markup | None:
    """Notes, (level, text), the worst first."""
    ranked = sorted(notes, key=lambda note: -list(SIGNS).index(note[0]) if note[0] in SIGNS else 0)
    if not ranked:
        return None
    items = [tag("li", tag("b", SIGNS.get(level, "·")), text, class_=level) for level, text in ranked[:most]]
    if len(ranked) > most:
        items.append(tag("li", tag("b", "…"), f"{len(ranked) - most:,} more", class_="info"))
    return tag("ul", items)


def side_by_side(*children: Any) -> Markup:
    return tag("div", [tag("div", one) for one in children if one is not None], class_="side")


def scope_css(css: str, scope: str) -> str:
    """Rules that hold inside an element alone: every selector is put behind ``scope``."""
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", css)
    return "".join(
        ",".join(f"{scope} {one.strip()}" for one in selectors.split(",")) + f"{{{body.strip()}}}"
        for selectors, body in rules
    )


def _themes() -> str:
    light, dark = LIGHT.replace("\n", ""), DARK.replace("\n", "")
    own = f".{NAME}"
    on_light = f'body[data-jp-theme-light="true"] {own},body.vscode-light {own}'
    on_dark = f'body[data-jp-theme-light="false"] {own},body.vscode-dark {own},html[theme="dark"] {own}'
    return (
        f"{own}{{{FONTS.replace(chr(10), '')};{light}}}@media (prefers-color-scheme:dark){{{own}{{{dark}}}}}"
        f"{on_light}{{{light}}}{on_dark}{{{dark}}}"
    )


STYLE = _themes() + TABLES.replace("\n", "") + scope_css(CHARTS + VIEWS, f".{NAME}")
