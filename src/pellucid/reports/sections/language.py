"""What a language model writes, what its trunk and what stands before are worth, and where a text surprised it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...draw.charts import line_chart
from ...draw.markup import Markup, join_markup, tag
from ...wording import number_text, percent_text, score_text
from ..content import Content
from .base import behind_table, card, card_grid, facts_list, html_table, scored_on, section, table_cell

# Loss, in nats, that is shown at full strength: of a letter that had a probability of 1 in 400, of a piece of a word
# that had one of 1 in 22,000.
FULL, FULL_OF_PIECES = 6.0, 10.0

# Shades in the key of the colours.
SHADES = 5


@section("language", "What it writes", place=13)
def language_section(content: Content) -> Markup | None:
    found = content.get("language")
    if not found:
        return None
    unit = found["unit"]
    lead = (
        f"Bold: a prompt from the {found.get('of') or scored_on(content)}; after it, what the network writes. "
        f"Temperature sets how boldly: at 0 always the likeliest {unit}, at 1 by its probabilities."
    )
    samples = [_sample_card(one) for one in found["written"]]
    return join_markup([tag("p", lead, class_="quiet"), card_grid(*samples)])


def _sample_card(one: Mapping[str, Any]) -> Markup:
    cut = None if one["whole"] else tag("p", "Cut off: time for writing ran out.", class_="caption")
    text = tag("pre", tag("b", one["prompt"]), one["added"], class_="written")
    return card(f"Temperature {one['temperature']:g}", [text, cut], wide=True)


@section("surprises", "What surprised it", place=15)
def surprises_section(content: Content) -> Markup | None:
    found = content.get("language")
    if not found:
        return None
    cards = [_added_card(content, found), _context_card(content, found), _place_card(found), _documents_card(found)]
    parts = [tag("p", f"On {scored_on(content)}. {_loss_meaning(found['unit'])}", class_="quiet"), card_grid(*cards)]
    if found["surprising"]:
        unit, full = found["unit"], FULL_OF_PIECES if found["unit"] == "token" else FULL
        text = (
            f"The most surprising of the {found.get('of') or scored_on(content)}, read with the text before them "
            f"(grey): the stronger the colour, the less a {unit} was expected. ↵ is the end of a line. Point at a "
            f"{unit} to see its probability and what was likelier."
        )
        parts += [
            tag("p", text, class_="quiet"),
            _shades_key(full),
            card_grid(*(_passage_card(one, unit, full) for one in found["surprising"])),
        ]
    return join_markup(parts)


def _loss_meaning(unit: str) -> str:
    return f"The loss is in nats a {unit}: -log of the probability given to the {unit} that came; 0.69 is 1 in 2."


def _added_card(content: Content, found: Mapping[str, Any]) -> Markup | None:
    """The solved part alone, the network, and the difference with its interval."""
    solved = content.get("solved")
    if not solved or "ahead" not in solved:
        return None
    name, ahead = solved["name"], solved["ahead"]
    facts = [
        (f"{name} alone", score_text(solved["score"]["value"])),
        ("with the trunk", score_text(content["score"]["value"])),
        ("difference", _signed_score(-ahead["value"])),
        ("95% interval", f"{_signed_score(-ahead['high'])} to {_signed_score(-ahead['low'])}"),
    ]
    note = (
        f"The network begins with {name}, which training solved outright, and the trunk learns what to add. Below zero "
        "it helped."
    )
    return card("What the trunk added", [facts_list(facts), tag("p", note, class_="caption")])


def _signed_score(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−") if value else "0"


def _context_card(content: Content, found: Mapping[str, Any]) -> Markup:
    """The loss where nothing is read before a passage, and where something is."""
    about, unit = found["context"], found["unit"]
    few = about["passages"] < content.get("score", {}).get("n", 0)
    which = f"{about['passages']:,} of the passages, spread evenly" if few else f"all {about['passages']:,} passages"
    facts = [
        ("each passage by itself", score_text(about["alone"])),
        ("with what stands before it", score_text(about["before"])),
    ]
    note = (
        f"The score reads each passage by itself, so its first {unit}s have next to nothing before them. Here a window "
        f"slides over the text, and every {unit} has {about['lead']:,} to {about['span'] - 1:,} {unit}s before it, as "
        f"when the network writes. Loss of {which}."
    )
    return card("With more context", [facts_list(facts), tag("p", note, class_="caption")])


def _place_card(found: Mapping[str, Any]) -> Markup | None:
    """Loss by how much was read before."""
    unit, by_place = found["unit"], found["by_place"]
    place, names = by_place["place"], {"network": "network", "solved": found["solved"]}
    if len(place) < 2:
        return None
    # At the end of a curve there is little room.
    curves = {names[key].split()[-1]: (place, by_place[key]) for key in names if key in by_place}
    chart = line_chart(curves, x_label=f"{unit}s read before", y_label="loss", log_x=True)
    rows = [[number_text(x), *(number_text(own[i]) for _, own in curves.values())] for i, x in enumerate(place)]
    note = "How much what stands before helps: the curve falls as long as more of it is of use."
    shown = behind_table(chart, [f"{unit}s before", *curves], rows)
    return card(f"Loss by {unit}s read before", [*shown, tag("p", note, class_="caption")])


def _documents_card(found: Mapping[str, Any]) -> Markup | None:
    if not found["documents"]:
        return None
    lines: Sequence[list[Markup]] = [
        [table_cell(name, "where"), table_cell(f"{size:,}", "n"), table_cell(f"{loss:.3f}", "n")]
        for name, size, loss in found["documents"]
    ]
    return card("Hardest documents", html_table(["document", f"{found['unit']}s", "loss"], lines, numbers=2))


def _shades_key(full: float) -> Markup:
    """What the colours mean: the probabilities that some shades stand for."""
    shades = [tag("span", " certain ", class_="token")]
    for i in range(1, SHADES):
        loss = full * i / (SHADES - 1)
        odds = number_text(float(f"{math.exp(loss):.1g}"))
        shades.append(tag("span", f" 1 in {odds} ", class_="token", style=_strength(loss, full)))
    return tag("p", "probability given: ", shades, class_="shades")


def _strength(loss: float, full: float) -> str:
    return f"--a:{100 * min(max(loss, 0.0) / full, 1.0):.0f}%"


def _passage_card(one: Mapping[str, Any], unit: str, full: float) -> Markup:
    """A passage whose tokens stand on the colour of their losses, behind the end of what stands before it."""
    pieces = [_piece(text, loss, other, full) for text, loss, other in one["pieces"]]
    before = tag("span", one["before"], class_="before") if one["before"] else None
    title = f"{one['where']}: loss {one['loss']:.3f} a {unit}"
    return card(title, tag("pre", before, pieces, class_="written"))


def _piece(text: str, loss: float, other: tuple[str, float] | None, full: float) -> Markup:
    given = f"1 in {math.exp(min(loss, 50.0)):,.0f}" if loss > 0.7 else percent_text(math.exp(-loss), 0)
    likelier = f"; {other[0]!r} had {percent_text(other[1], 0)}" if other else "; the likeliest"
    # The end of a line has no width, so that its colour would not be seen.
    lines = text.split("\n")
    shown = [lines[0], *((tag("i", "↵"), "\n", line) for line in lines[1:])]
    return tag("span", shown, class_="token", style=_strength(loss, full), title=given + likelier)
