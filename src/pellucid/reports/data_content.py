"""What a report says of the data itself: its columns, its classes, some of its examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.batches.batch import encode_target
from ..fields import kind_named
from ..fields.labels import join_labels

if TYPE_CHECKING:
    from ..data import Examples
    from ..fields import Field
    from ..tasks.base import Task
    from .content import Data, Worst

# Examples of photos, recordings and texts that are shown.
SAMPLES = 6


def in_words(value: Any, none: str = "none") -> Any:
    """A list of labels as one text; anything else as it is."""
    return join_labels(value, none) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value


def data_content(data: Examples) -> Data:
    """What was found: in a sentence, its columns, the first rows of a table, what is odd."""
    found: Data = {
        "summary": [data.layout],
        "classes": data.reading.classes,
        "columns": [
            {"name": f.name, "kind": "" if f.role == "ignore" else f.kind, "role": f.role, "reason": f.reason}
            for f in data.fields.values()
        ],
        "notes": [str(n) for n in data.notes],
    }
    first = data.reading.first
    if not first or any(is_seen(f) for f in data.inputs):
        return found
    return found | {
        "first_rows": {"columns": list(first[0]), "rows": [[v or "" for v in row.values()] for row in first]}
    }


def is_seen(field: Field) -> bool:
    """Whether a value says more when it is shown than in a cell: a photo, a recording, a text, a whole series."""
    return not (field.traits.tabular or field.traits.moments)


def class_content(task: Task, data: Examples, parts: Mapping[str, np.ndarray]) -> dict[str, dict[str, int]]:
    """Part → how many of its examples are of each class; empty where no classes are predicted.

    Args:
        parts: rows (n,) by part; those without any are left out.
    """
    if not any(f.traits.classed for f in task.fields):
        return {}
    encoded = np.asarray(encode_target(data, task.fields))
    return {part: counts for part, rows in parts.items() if len(rows) and (counts := task.count_classes(encoded[rows]))}


def sample_content(task: Task, data: Examples, rows: np.ndarray) -> list[Worst]:
    """Some training examples that are photos, recordings, texts or series, of many classes; none of tables.

    Args:
        rows: (n,) of training.
    """
    if not len(rows) or not any(is_seen(f) for f in data.inputs):
        return []
    if task.fields[0].traits.written:
        return passage_samples(data, task.fields[0].name, rows)
    places = rows[np.linspace(0, len(rows) - 1, min(len(rows), 40 * SAMPLES)).astype(np.int64)]
    truth = shown_targets(task, data, places)
    found: list[Worst] = []
    for i in one_of_each(truth)[:SAMPLES]:
        row = int(places[i])
        found.append({"shown": shown_inputs(data, row), "true": in_words(truth[i]), "where": data.short_title(row)})
    return found


def passage_samples(data: Examples, name: str, rows: np.ndarray) -> list[Worst]:  # (n,)
    """Some passages, spread evenly, as they stand in their texts."""
    places = rows[np.unique(np.linspace(0, len(rows) - 1, SAMPLES).astype(np.int64))].tolist()
    stored, kind = data.stored_values(name), data.fields[name].traits
    return [{"shown": {"verbatim": kind.show(stored, row)}, "where": data.short_title(row)} for row in places]


def shown_targets(task: Task, data: Examples, rows: np.ndarray) -> list[Any]:  # (n,)
    """What is true of some examples; of texts that are written, these."""
    goal = task.fields[0]
    if goal.traits.axes and not goal.traits.moments:
        stored = data.stored_values(goal.name)
        return [goal.traits.show(stored, row) for row in rows.tolist()]
    return task.decode_target(np.asarray(encode_target(data, task.fields))[rows])


def one_of_each(values: Sequence[Any]) -> list[int]:
    """Places of values, each value's first before any value's second."""
    seen: dict[str, int] = {}
    turns = []
    for i, value in enumerate(values):
        seen[str(value)] = turn = seen.get(str(value), -1) + 1
        turns.append((turn, i))
    return [i for _, i in sorted(turns)]


def shown_inputs(data: Examples, row: int) -> dict[str, Any]:
    """The inputs of one example, as a page shows them."""
    values = {f.name: kind_named(f.kind).show(data.stored_values(f.name), row) for f in data.inputs}
    found: dict[str, Any] = {}
    prose = next((f for f in data.inputs if f.traits.prose), None)
    for field in data.inputs:
        value = values[field.name]
        if heard := field.traits.hear(data.stored_values(field.name), row):
            found.setdefault("sound_wav", heard)
        if field.traits.curves:
            found.setdefault("curves", {})[field.name] = field.traits.curve(data.stored_values(field.name), row)
        elif isinstance(value, bytes):
            found.setdefault("image_png", value)
        elif field is prose:
            found["text"] = value
        else:
            found.setdefault("row", {})[field.name] = value
    return found
