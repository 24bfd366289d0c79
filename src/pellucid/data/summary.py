"""A dataset in words: what was found, what will be predicted and why, what looks wrong."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..fields import Field, Note, kind_named
from ..fields.notes import join_notes
from ..fields.passage import BPE
from ..wording import count_noun, join_words
from .splits.split import given_parts
from .splits.unusable import count_parts, say_parts
from .timeline.forecast import Forecast, steps_in_words

if TYPE_CHECKING:
    from .examples import Examples

SIGNS = {"info": "·", "warning": "!", "error": "✗"}

MENDS = {"error": "fix it, or remove it", "warning": "fix it where it comes from", "info": ""}

# Columns and notes listed one by one: in full, and where a dataset is printed.
MOST_LISTED, SHORT = 40, 16

# Characters of a line: as printed in a notebook or a terminal that is not too small.
LINE_CHARS = 110

# Characters of the longest bar.
BAR_CHARS = 24


def summarise_data(data: Examples) -> dict[str, Any]:
    """What was found, as plain JSON."""
    reading, target = data.reading, data.target
    how, given = describe_parts(data)
    return {
        "name": data.name,
        "source": str(data.source) if isinstance(data.source, str) or hasattr(data.source, "__fspath__") else data.name,
        "layout": data.layout,
        "rows": len(data),
        "fields": [{k: v for k, v in f.to_json().items() if k != "state"} for f in data.fields.values()],
        "target": None if target is None else _summarise_target(data, target),
        "classes": reading.classes,
        "split": {
            "how": how,
            **({"given": given} if reading.given else {"fractions": list(reading.parting.shares)}),
        },
        "first_rows": reading.first,
        "notes": [_note_content(note) for note in data.notes],
        "cache": str(data.cache),
    }


def _note_content(note: Note) -> dict[str, str]:
    """A note for programs; every one says what training does about it and what the user can do."""
    about = {name: value for name, value in asdict(note).items() if name != "cause"}
    return about | {"action": note.treatment, "fix": note.fix or MENDS[note.level]}


def describe_parts(data: Examples) -> tuple[str, dict[str, int]]:
    """How rows come into parts, in words, and the rows of each given part: those in use, once that is known."""
    reading, left = data.reading, data.given_left
    if left is None or (parts := given_parts(data)) is None:
        return reading.parted, reading.given
    part, how = parts
    return (how if reading.parting.by == "time" else say_parts(how, count_parts(part), left)), left


def _summarise_target(data: Examples, target: Field) -> dict[str, str]:
    """What will be predicted, from what, and why: for every place that says it."""
    goals = ", ".join(f.name for f in data.targets)
    about = {"name": goals, "kind": target.kind, "why": data.reading.why}
    if (ahead := data.reading.forecast) is not None:
        return about | _summarise_forecast(ahead, data)
    if target.traits.written:
        return about | {"what": _target_phrase(data, target), "from": _tokens_before(target)}
    return about | {"what": _target_phrase(data, target), "from": _inputs_phrase(data.inputs)}


def _summarise_forecast(ahead: Forecast, data: Examples) -> dict[str, str]:
    """How far is forecast, and from what."""
    past = steps_in_words(ahead.context, ahead.step)
    others = [f.name for f in data.inputs if f.role == "input" and f.traits.moments]
    static = [f.name for f in data.inputs if not f.traits.moments]
    besides = [f"the past of {join_words(others, 4)}"] if others else []
    besides += [f"{join_words(static, 4)} of each series"] if static else []
    besides += [f"{join_words(ahead.known, 4)}, known ahead"] if ahead.known else []
    known = f"; besides {join_words(besides)}" if besides else ""
    return {"what": f"the next {ahead.ahead()}", "from": f"the {past} before{known}"}


def _tokens_before(target: Field) -> str:
    """What a text is continued from."""
    level, context = target.settings["level"], int(target.settings["context"])
    return f"up to {context:,} {'pieces of words' if level == BPE else level} before it"


def prediction_phrase(about: Mapping[str, str]) -> str:
    """What a target of ``summarise_data`` is, what it is predicted from, and why it is that one."""
    base = f", from {about['from']}" if about["from"] else ", but there is nothing to predict it from"
    return f"{about['what']}{base}: {about['why']}"


def _target_phrase(data: Examples, target: Field) -> str:
    return target.traits.describe_goal(len(data.targets), len(data.reading.classes))


def _inputs_phrase(inputs: Sequence[Field]) -> str:
    if len(inputs) <= 3:
        return join_words(f"{f.name} ({f.kind})" for f in inputs)
    kinds = Counter(f.kind for f in inputs)
    return join_words(count_noun(n, *kind_named(kind).column_nouns) for kind, n in kinds.items())


def describe_lines(data: Examples, most: int = MOST_LISTED) -> list[str]:
    """What was found, in lines for reading: the data, its columns, the target and its classes, the split, the notes.

    Args:
        most: columns and notes that are listed one by one.
    """
    return [
        f"{data.reading.name}: {data.layout}",
        "",
        *_field_lines(data, most),
        "",
        *_prediction_lines(data),
        *_split_lines(data),
        *_note_lines(data, most if most > SHORT else SHORT // 2),
    ]


def _field_lines(data: Examples, most: int) -> list[str]:
    fields = list(data.fields.values())
    rows = [("column", "kind", "role", "what is in it")]
    rows += [(f.name, "-" if f.role == "ignore" else f.kind, f.role, f.reason) for f in _shown_fields(fields, most)]
    widths = [min(max(len(row[i]) for row in rows), 32) for i in range(3)]
    out = ["  " + "  ".join([*(_fit_width(c, w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
    if len(fields) > most:
        left = sorted({f.kind for f in fields[most // 2 : -most // 2]})
        out.insert(most // 2 + 1, f"  … {count_noun(len(fields) - most, 'more column')} ({join_words(left)})")
    return [_cut_line(line) for line in out]


def _shown_fields(fields: list[Any], most: int) -> list[Any]:
    return fields if len(fields) <= most else fields[: most // 2] + fields[-most // 2 :]


def _prediction_lines(data: Examples) -> list[str]:
    """What will be predicted, from what, and why."""
    if data.target is None:
        return ["Target: not clear; choose one with --target", ""]
    about = _summarise_target(data, data.target)
    said = f"Will predict '{about['name']}', {prediction_phrase(about)}"
    return [*textwrap.wrap(said, LINE_CHARS), *_class_lines(data.reading.classes), ""]


def _class_lines(classes: dict[str, int]) -> list[str]:
    """A bar for each class; of many, the commonest and the rarest."""
    if not classes:
        return []
    items = list(classes.items())
    # Of many classes the eight commonest and the three rarest: those that training has most and least of.
    shown = items if len(items) <= 12 else items[:8] + items[-3:]
    most, width = max(classes.values()), min(max(len(name) for name, _ in shown), 32)
    digits = len(f"{most:,}")
    out = [
        f"  {_fit_width(name, width)}  {count:>{digits},}  {'█' * max(1, round(BAR_CHARS * count / most))}"
        for name, count in shown
    ]
    if len(shown) < len(items):
        out.insert(8, f"  … {count_noun(len(items) - len(shown), 'more class', 'more classes')}")
    return out


def _split_lines(data: Examples) -> list[str]:
    return textwrap.wrap(f"Split: {describe_parts(data)[0]}", LINE_CHARS, subsequent_indent="  ")


def _note_lines(data: Examples, most: int) -> list[str]:
    order = {"error": 0, "warning": 1, "info": 2}
    notes = sorted(join_notes(data.notes), key=lambda note: order.get(note.level, 3))
    if not notes:
        return []
    out = ["", "Notes"]
    for note in notes[:most]:
        out += textwrap.wrap(f"  {SIGNS.get(note.level, '·')} {note}", LINE_CHARS, subsequent_indent="    ")
    left = len(notes) - most
    return out + ([f"  … {count_noun(left, 'more note')}: .describe() lists {MOST_LISTED}"] if left > 0 else [])


def _fit_width(text: str, width: int) -> str:
    return (text if len(text) <= width else text[: width - 1] + "…").ljust(width)


def _cut_line(line: str) -> str:
    return line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 1] + "…"
