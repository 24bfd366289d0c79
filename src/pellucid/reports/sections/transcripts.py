"""Transcripts: the recordings with the most wrong words, to be listened to, and the words that are confused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...draw.markup import Markup, join_markup, tag
from ...wording import count_noun, percent_text
from ..content import Content
from .base import card, card_grid, example_figure, html_table, on_validation, scored_on, section, table_cell

# What stands where a word has no other.
NONE = "–"


@section("transcripts", "What it hears", place=21)
def transcripts_section(content: Content) -> Markup | None:
    found = content.get("transcripts")
    if not found:
        return None
    where = f"among the {scored_on(content)}" if content.get("scored") else on_validation(content)
    honest = "" if content.get("scored") else " Test examples are not shown, so that the test score stays honest."
    cards = [_length_card(found["by_length"])] if len(found["by_length"]) > 1 else []
    cards += [_pairs_card(found["pairs"], found["errors"])] if found["pairs"] else []
    what = "Wrong words" if found["worst"] or found["pairs"] else "No wrong word"
    parts = [tag("p", f"{what} {where}.{honest} {found['letters']}".rstrip(), class_="quiet"), card_grid(*cards)]
    if found["worst"]:
        figures = [tag("figure", example_figure(one["shown"]), _words_caption(one)) for one in found["worst"]]
        parts += [tag("h3", "Most words wrong"), tag("div", figures, class_="worst broad")]
    return join_markup(parts)


def _length_card(groups: Sequence[Mapping[str, Any]]) -> Markup:
    rows = [
        [
            table_cell(_span_text(*one["words"])),
            table_cell(f"{one['count']:,}", "n"),
            table_cell(percent_text(one["wrong"]), "n"),
        ]
        for one in groups
    ]
    return card("By length", html_table(["words said", "recordings", "words wrong"], rows, numbers=2))


def _span_text(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _pairs_card(pairs: Sequence[tuple[str, str, int]], errors: int) -> Markup:
    rows = [
        [
            table_cell(true or NONE, "true" if true else None),
            table_cell(said or NONE, "said" if said else None),
            table_cell(f"{count:,}", "n"),
        ]
        for true, said, count in pairs
    ]
    shown = sum(count for *_, count in pairs)
    note = f"{shown:,} of {count_noun(errors, 'wrong word')}; {NONE} stands for a word that is left out or put in."
    table = html_table(["said", "written", "times"], rows, numbers=1)
    return card("Words that are confused", [table, tag("p", note, class_="caption")])


def _words_caption(one: Mapping[str, Any]) -> Markup:
    """What was written above what is said, the words that differ marked in both."""
    written = [tag("b", said, class_="said") if said != true else said for true, said in one["words"] if said]
    spoken = [tag("b", true, class_="true") if said != true else true for true, said in one["words"] if true]
    lines = [tag("span", "written ", _spaced(written), dir="auto"), tag("br")]
    lines += [tag("span", "said ", _spaced(spoken), dir="auto")]
    where = tag("span", f"{one['where']}: {count_noun(one['wrong'], 'word')} wrong", class_="where")
    return tag("figcaption", lines, where)


def _spaced(words: Sequence[Any]) -> list[Any]:
    """Words with blanks between."""
    return [part for word in words for part in (word, " ")][:-1] or ["nothing"]
