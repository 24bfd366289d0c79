"""HTML and SVG from Python, escaped by construction: what is not ``Markup`` is text, and text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Any

VOID = {"meta", "img", "br", "hr", "col"}

# What no HTML or XML file may hold.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already and is put into a page as it is."""

    __slots__ = ()


# ``name`` is positional alone: an attribute may be called so.
def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """One element. ``class_`` is ``class``, other underscores are hyphens; attributes that are None are left out.

    >>> tag("p", "1 < 2", tag("b", "!"), class_="note")
    '<p class="note">1 &lt; 2<b>!</b></p>'
    """
    own = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{own}>" if name in VOID else f"<{name}{own}>{join_markup(children)}</{name}>")


def join_markup(children: Iterable[Any]) -> Markup:
    """Children one after the other: markup as it is, text escaped, None left out, lists flattened."""
    return Markup("".join(_child_markup(child) for child in children))


def clean_text(text: str) -> str:
    """Text without the characters that no page may hold."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


def _child_markup(child: Any) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, list | tuple):
        return join_markup(child)
    return escape(clean_text(str(child)), quote=False)


def _attribute_text(value: Any) -> str:
    if isinstance(value, float):
        # Hundredths of a pixel are not seen, and a page has thousands of coordinates.
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(clean_text(str(value)))
