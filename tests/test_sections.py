"""The sections of a report: registered in a file each, shown at their place."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from pellucid.draw.markup import Markup, tag
from pellucid.reports import page
from pellucid.reports.content import Content
from pellucid.reports.sections import base

CONTENT: Content = {"title": "t", "data": {"summary": ["300 photos."]}, "use": {"cli": ["pellucid"]}}


@pytest.fixture(autouse=True)
def sections(monkeypatch: pytest.MonkeyPatch) -> dict[str, base.Section]:
    """A copy of the registry, so that what a test registers is gone after it."""
    own = dict(base.SECTIONS)
    for module in (base, page):
        monkeypatch.setattr(module, "SECTIONS", own)
    return own


def headings(html: str) -> list[tuple[str, str]]:
    """(anchor, title) of each section, which the links at the top repeat."""
    found = re.findall(r'<section id="(\w+)"><h2>(.*?)</h2>', html)
    assert found == re.findall(r'<a href="#(\w+)">(.*?)</a>', html)
    return found


def test_the_sections_of_the_house_stand_in_this_order(sections):
    ordered = sorted(sections.values(), key=lambda one: one.place)
    assert [one.word for one in ordered] == [
        "quality", "forecasts", "curves", "language", "targets", "surprises", "importance", "errors", "transcripts",
        "written", "suspects", "data", "training", "plan", "network", "use",
    ]  # fmt: skip
    assert all(one.word == word for word, one in sections.items())
    assert all(one.place < other.place for one, other in pairwise(ordered)), "two sections stand at one place"


@pytest.mark.parametrize("place", [0, 45, 99])
def test_a_new_section_stands_at_its_place(place):
    @base.section("weather", "The <weather>", place=place)
    def weather_section(content: Content) -> Markup:
        return tag("p", f"Rain on {content['title']}.")

    expected = [("data", "The data"), ("use", "Use it")]
    expected.insert({0: 0, 45: 1, 99: 2}[place], ("weather", "The &lt;weather&gt;"))
    html = page.report_page(CONTENT)
    assert headings(html) == expected
    assert '<section id="weather"><h2>The &lt;weather&gt;</h2><p>Rain on t.</p></section>' in html


def test_one_without_anything_to_say_is_left_out():
    before = page.report_page(CONTENT)

    @base.section("weather", "The weather", place=45)
    def weather_section(content: Content) -> Markup | None:
        return None

    assert page.report_page(CONTENT) == before


def test_two_of_one_name_are_refused(sections):
    before = dict(sections)
    with pytest.raises(ValueError, match=r"^two sections are called 'data'$"):
        base.section("data", "More data", place=45)(lambda content: None)
    assert sections == before
