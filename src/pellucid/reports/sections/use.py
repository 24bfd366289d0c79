"""How to use it: what to type on the command line and in Python."""

from __future__ import annotations

from ...draw.markup import Markup, tag
from ..content import Content
from .base import card, card_grid, section


@section("use", "Use it", place=80)
def use_section(content: Content) -> Markup | None:
    found = content.get("use")
    if not found:
        return None
    ways = (("On the command line", found.get("cli")), ("From Python", found.get("python")))
    return card_grid(*(card(title, tag("pre", "\n".join(lines))) for title, lines in ways if lines))
