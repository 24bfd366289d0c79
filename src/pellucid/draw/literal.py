"""Drawings with every colour and font written out, for files that other programs open: no classes, no variables.

A drawing on a page takes its colours from the page's style by its classes; here the same rules are applied to each
element. They are few: ``.chart``, ``.chart NAME`` and ``.cN``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from .style import CHARTS, FONTS, LIGHT

SPACE = "http://www.w3.org/2000/svg"

# Properties of the style that are attributes in SVG as well.
_ATTRIBUTES = {
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linejoin",
    "stroke-linecap", "paint-order", "font-size", "font-weight", "font-family",
}  # fmt: skip

_FONT = re.compile(r"(?:(\d{3}) )?([\d.]+)px (.+)")

Rules = list[tuple[str, dict[str, str]]]

ElementTree.register_namespace("", SPACE)


def variables_of(*texts: str) -> dict[str, str]:
    """The variables that a style sets, by name.

    >>> variables_of("--ink:#111;--line:#ddd")
    {'--ink': '#111', '--line': '#ddd'}
    """
    return dict(re.findall(r"(--[\w-]+):([^;{}]+)", ";".join(text.replace("\n", "") for text in texts)))


def literal_drawing(svg: str, theme: str = LIGHT) -> ElementTree.Element:
    """A drawing as an element that needs no style. ``theme``: the variables its colours are taken from."""
    root = ElementTree.fromstring(svg)
    _write_out(root, variables_of(FONTS, theme), list(_style_rules()))
    return root


def drawing_text(root: ElementTree.Element) -> str:
    return ElementTree.tostring(root, encoding="unicode")


def _style_rules() -> Iterator[tuple[str, dict[str, str]]]:
    """What each selector sets: the name of a class or of an element."""
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", CHARTS):
        declared = dict(one.split(":", 1) for one in body.replace("\n", "").split(";") if one)
        for selector in selectors.split(","):
            yield selector.strip().removeprefix(".chart "), declared


def _write_out(element: ElementTree.Element, variables: Mapping[str, str], rules: Rules) -> None:
    """Put onto an element, and all inside it, what its classes say."""
    classes = element.attrib.pop("class", "").split()
    names = {element.tag.rpartition("}")[2], *(f".{name}" for name in classes)}
    own = dict(variables)
    found: dict[str, str] = {}
    for selector, declared in rules:
        if selector not in names or selector == ".chart":
            continue
        for name, value in declared.items():
            if name.startswith("--"):
                own[name] = _resolve(value, own)
            elif name == "font":
                found.update(_font_parts(value))
            else:
                found[name] = value
    for name, value in found.items():
        # What an element says of itself counts more.
        if name in _ATTRIBUTES and name not in element.attrib:
            element.set(name, _resolve(value, own).removesuffix("px"))
    if style := element.attrib.pop("style", ""):
        for name, value in (one.split(":", 1) for one in style.split(";") if one):
            element.set(name, value.removesuffix("px"))
    for child in element:
        _write_out(child, own, rules)


def _font_parts(value: str) -> dict[str, str]:
    weight, size, family = _FONT.fullmatch(value).groups()  # type: ignore[union-attr]
    return {"font-size": size, "font-family": family} | ({"font-weight": weight} if weight else {})


def _resolve(value: str, variables: Mapping[str, str]) -> str:
    """Variables replaced by what they stand for; several of a colour may stand behind each other."""
    while found := re.search(r"var\((--[\w-]+)\)", value):
        value = value.replace(found[0], variables[found[1]])
    return value
