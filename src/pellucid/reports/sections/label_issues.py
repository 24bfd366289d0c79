"""Label issues, labels worth checking: what the network confidently takes for something else than the data says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...draw.markup import Markup, join_markup, tag
from ...wording import percent_text, plain_text
from ..content import Content, Suspects
from .base import card, card_grid, example_figure, examples_table, html_table, is_tabular, section, table_cell

UNSURE = 0.1  # share of errors above which the network is a poor judge of labels

MOST_PAIRS, MOST_EACH = 10, 12


@section("suspects", "Label issues", place=30)
def label_issues_section(content: Content) -> Markup | None:
    """What the network confidently takes for something else than the data says, or that there is none."""
    found = content.get("suspects")
    if found is None:
        return None
    if baseline := found.get("no_better_than"):
        why = f"on validation the network is no better than the baseline beyond chance ({baseline})"
        return tag("p", f"Not checked: {why}.", class_="quiet")
    every = content.get("data", {}).get("splits", {})
    counts, looked = found.get("found", {}), found.get("looked_at", {})
    if not any(counts.values()):
        return tag("p", f"No label looks wrong among {_looked_at(looked, every)}.", class_="quiet")
    number = any(one.get("times_off") is not None for one in found.get("examples", ()))
    listed = (
        "Listed: values more than three times as far from the prediction as the end of its 90% range"
        if number
        else "Listed: labels where the network predicts another one with a probability above 50%, and the given "
        "one has at most 10%"
    )
    note = (
        f"Labels that may be wrong. Checked: {_looked_at(looked, every)}. {listed}. Each may be wrong, or its example "
    )
    note += "hard: look before changing it. Test is never checked."
    if (errs := found.get("errs", 0.0)) > UNSURE:
        wrong = percent_text(errs, 0)
        note += f" The network is wrong on {wrong} of validation, so expect many of these labels to be right."
    cards = [_pairs_table(found)] if found.get("pairs") else []
    parts = [_part_figures(content, found, part, why) for part, why in WHY.items() if counts.get(part)]
    return join_markup([tag("p", note, class_="quiet"), card_grid(*cards) if cards else None, *parts])


WHY = {
    "validation": "The network was not trained on these.",
    "train": "The network was trained on these and still disagrees. That is weaker evidence, and wrong labels that it "
    "has memorised are not listed.",
}


def _looked_at(looked: Mapping[str, int], every: Mapping[str, int]) -> str:
    """How many examples of each part; of how many, where not all of them."""
    counts = {part: f"{n:,}" + (f" of {every[part]:,}" if every.get(part, n) > n else "") for part, n in looked.items()}
    return " and ".join(f"{count} examples of {part}" for part, count in counts.items())


def _pairs_table(found: Suspects) -> Markup:
    """How often which label may be which other one."""
    pairs = list(found["pairs"])
    rows = [
        [table_cell(plain_text(a), "key"), table_cell(plain_text(b)), table_cell(f"{n:,}", "n")]
        for a, b, n in pairs[:MOST_PAIRS]
    ]
    left = sum(n for *_, n in pairs[MOST_PAIRS:])
    more = tag("p", f"and {left:,} in other pairs", class_="caption") if left else None
    return card(
        "Most frequent pairs (given → predicted)",
        [html_table(["given", "predicted", "examples"], rows, numbers=1), more],
    )


def _part_figures(content: Content, found: Suspects, part: str, why: str) -> Markup:
    some = [one for one in found.get("examples", ()) if one.get("part") == part][:MOST_EACH]
    broad = any("image_png" not in one.get("shown", {}) for one in some)
    count = found.get("found", {}).get(part, 0)
    which = f"{count:,} of {part}" + (f", the {len(some)} most confident" if count > len(some) else "")
    title = tag("p", tag("b", f"{which}. "), why, class_="quiet")
    if is_tabular(some):
        lines = [[table_cell(plain_text(one.get("given")), "true"), _suggested_cell(one)] for one in some]
        return join_markup([title, examples_table(["given", "predicted"], lines, some, content)])
    figures = [tag("figure", example_figure(one.get("shown", {})), _issue_caption(one)) for one in some]
    return join_markup([title, tag("div", figures, class_="worst broad" if broad else "worst")])


def _suggested_cell(one: Mapping[str, Any]) -> Markup:
    return table_cell(f"{plain_text(one.get('suggested'))} ({_how_far(one)})", "said")


def _how_far(one: Mapping[str, Any]) -> str:
    times, sure = one.get("times_off"), one.get("confidence")
    return (
        f"{times:.1f} times as far as the end of the 90% range" if times is not None else percent_text(sure or 0.0, 0)
    )


def _issue_caption(one: Mapping[str, Any]) -> Markup:
    given, how = one.get("given"), _how_far(one)
    where = tag("span", one["where"], class_="where") if one.get("where") else None
    said = tag("b", plain_text(one.get("suggested")), class_="said")
    label = tag("b", plain_text(given), class_="true")
    return tag("figcaption", "given ", label, tag("br"), "predicted ", said, f" ({how})", where)
