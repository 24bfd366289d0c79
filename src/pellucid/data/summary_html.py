"""A dataset as a notebook shows it: columns, what will be predicted, classes, what looks wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..draw.charts import Bar, bar_chart
from ..draw.markup import tag
from ..draw.notebook import note_list, notebook_view, view_table
from ..fields.notes import join_notes
from ..wording import count_noun
from .summary import prediction_phrase, summarise_data

if TYPE_CHECKING:
    from .examples import Examples

# Of a wide table and of many classes, the first ones.
MOST_COLUMNS, MOST_CLASSES, MOST_NOTES = 20, 12, 8


def data_html(data: Examples) -> str:
    """A fragment of HTML for a notebook; everything that comes from the data is escaped."""
    found = summarise_data(data)
    rows = [
        (
            tag("td", one["name"], class_="target" if one["role"] == "target" else "key"),
            "–" if one["role"] == "ignore" else one["kind"],
            one["role"],
            one["reason"],
        )
        for one in found["fields"][:MOST_COLUMNS]
    ]
    left = len(found["fields"]) - MOST_COLUMNS
    goal = found["target"]
    predicts = (
        f"Predicts {goal['name']}, {prediction_phrase(goal)}." if goal else "Say which column to predict: target=…"
    )
    classes = list(found["classes"].items())
    bars = bar_chart([Bar(name, count) for name, count in classes[:MOST_CLASSES]]) if classes else None
    more = len(classes) - MOST_CLASSES
    return notebook_view(
        tag("h4", found["name"]),
        tag("p", found["layout"], class_="quiet"),
        view_table(("column", "kind", "role", "what is in it"), rows, ("key", "", "", "quiet")),
        tag("p", f"… and {count_noun(left, 'more column')}", class_="quiet") if left > 0 else None,
        tag("p", predicts),
        tag("p", f"Split: {found['split']['how']}.", class_="quiet"),
        bars,
        tag("p", f"… and {count_noun(more, 'more class', 'more classes')}", class_="quiet") if more > 0 else None,
        note_list([(note.level, str(note)) for note in join_notes(data.notes)], MOST_NOTES),
    )
