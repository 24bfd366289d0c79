"""What a language model writes, and where a text surprised it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...draw.charts import line_chart
from ...draw.markup import Markup, join_markup, tag
from ...wording import number_text
from ..content import Content
from .base import behind_table, card, card_grid, html_table, scored_on, section, table_cell

# Loss, in nats, that is shown at full strength: of a token that had a chance of one in 400.
FULL = 6.0


@section("language", "What it writes", place=11)
def language_section(content: Content) -> Markup | None:
    found = content.get("language")
    if not found:
        return None
    unit = found["unit"]
    lead = (
        f"What it writes after the beginning of a passage of {scored_on(content)}. The temperature says how bold it "
        f"is: at 0 it would write the likeliest {unit} each time, at 1 each {unit} as often as it holds it likely."
    )
    samples = [_sample_card(one) for one in found["written"]]
    parts = [tag("p", lead, class_="quiet"), card_grid(*samples), card_grid(*_loss_cards(found))]
    if found["surprising"]:
        text = f"Most surprising passages of {scored_on(content)}: the darker a {unit}, the less it was expected."
        parts += [tag("p", text, class_="quiet"), card_grid(*(_passage_card(one) for one in found["surprising"]))]
    return join_markup(parts)


def _sample_card(one: Mapping[str, Any]) -> Markup:
    prompt = tag("b", one["prompt"])
    return card(f"Temperature {one['temperature']:g}", tag("pre", prompt, one["text"], class_="written"), wide=True)


def _loss_cards(found: Mapping[str, Any]) -> list[Markup]:
    """Loss by place, and by document."""
    place, loss = found["by_place"]["place"], found["by_place"]["loss"]
    cards = []
    if len(place) > 1:
        chart = line_chart({"loss": (place, loss)}, x_label=f"{found['unit']}s read before", y_label="loss")
        rows = [[number_text(x), number_text(y)] for x, y in zip(place, loss, strict=True)]
        note = "How much what stands before helps: the loss falls while more of it is of use."
        table = behind_table(chart, [f"{found['unit']}s before", "loss"], rows)
        cards.append(card(f"Loss by {found['unit']}s read before", [*table, tag("p", note, class_="caption")]))
    if found["documents"]:
        lines: Sequence[list[Markup]] = [
            [table_cell(name, "where"), table_cell(f"{size:,}", "n"), table_cell(number_text(loss), "n")]
            for name, size, loss in found["documents"]
        ]
        cards.append(card("Hardest documents", html_table(["document", f"{found['unit']}s", "loss"], lines, numbers=2)))
    return cards


def _passage_card(one: Mapping[str, Any]) -> Markup:
    """A passage whose tokens stand on the colour of their losses."""
    pieces = [
        tag("span", token, class_="token", style=f"--a:{100 * min(loss / FULL, 1.0):.0f}%", title=f"loss {loss:.2f}")
        for token, loss in zip(one["tokens"], one["losses"], strict=True)
    ]
    title = f"{one['where']}: loss {number_text(one['loss'])}"
    return card(title, tag("pre", pieces, class_="written"), wide=True)
