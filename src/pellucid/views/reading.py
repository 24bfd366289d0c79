"""What of an example the network does not read as it stands: gaps and what stands for them, texts that are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..fields import Field
from ..fields.encoded import missing_rows
from ..inputs import Input
from ..wording import end_sentence, join_words
from .base import Subject, register
from .blocks import Table
from .result import Badge, Result

# Columns that are told apart in the sentence, and letters of what one holds; the table has all columns.
MOST_NAMED, MOST_LETTERS = 4, 60


@dataclass(frozen=True)
class Reading:
    """One column that is not read as it stands.

    Attributes:
        name: of the column. holds: what stands there, for people. reads: what the network reads instead, or what is
            odd about the value. missing: whether there is no value. odd: whether it is read, and unlike training's.
    """

    name: str
    holds: str
    reads: str
    missing: bool
    odd: bool = False


def suits(subject: Subject) -> str | None:
    return None if subject.example is None or readings(subject) else "every value is read as it stands"


@register("reading", "What was missing or cut", place=5, needs=("example",), suits=suits)
def reading(subject: Subject) -> Result:
    """Columns without a value and what the network reads in its place, texts that are cut, words that it never met."""
    found = readings(subject)
    rows = [[one.name, one.holds, one.reads] for one in found]
    return Result(
        "reading",
        "What was missing or cut",
        say_readings(subject),
        Badge("exact", "It follows from how the columns are encoded."),
        [Table("", ("column", "holds", "what is read, or odd"), rows)],
        {"missing": np.array([one.missing for one in found])},
        method="The example as it was read, beside what the network gets of it.",
    )


def readings(subject: Subject) -> list[Reading]:
    """Every column of the example that is not read as it stands."""
    if "readings" not in subject.found:
        network = subject.network
        found: list[Reading] = []
        for layer, key in zip(network.layers, network.input_keys(), strict=True):
            gaps = layer.describe_gaps(subject.example.inputs[key])  # type: ignore[union-attr]
            whose = _stand_in(subject, layer)
            found += [
                Reading(name, "a stretch with gaps", f"{whose}, for {text}", False) for name, text in gaps.items()
            ]
            found += filter(None, (_reading_of(subject, field) for field in layer.fields))
        subject.found["readings"] = found
    return subject.found["readings"]  # type: ignore[no-any-return]


def _stand_in(subject: Subject, layer: Input) -> str:
    """What is read in the place of values that are missing inside of an example, by the layer and a solved part."""
    solved = subject.network.solved
    if solved is None or not solved.stand_in:
        return layer.stand_in
    return solved.stand_in if subject.alone else f"{layer.stand_in} (the {solved.name}: {solved.stand_in})"


def _reading_of(subject: Subject, field: Field) -> Reading | None:
    """One column, unless it is read as it stands, or what it holds is not known."""
    if subject.data is None or subject.example is None or field.traits.moments:
        return None
    stored, row, state = subject.data.stored_values(field.name), int(subject.example.rows[0]), field.state or {}
    reads = field.traits.describe_reading(stored, row, state)
    odd = "" if reads else field.traits.describe_new_values(field.traits.take(stored, np.array([row])), state)
    if not reads and not odd:
        return None
    missing = bool(missing_rows(stored)[row])
    shown = field.traits.show(stored, row)
    holds = "missing" if missing else "empty" if not shown.strip() else shown if isinstance(shown, str) else "a file"
    short = holds if len(holds) <= MOST_LETTERS else f"{holds[: MOST_LETTERS - 1]}…"
    return Reading(field.name, short, reads or odd, missing, bool(odd))


def say_readings(subject: Subject) -> str:
    """All of it in a few sentences: the columns that are missing together, each other one by itself."""
    found = readings(subject)
    gone, said = [one for one in found if one.missing], []
    if len(gone) > 2:
        names = join_words((f"'{one.name}'" for one in gone), MOST_NAMED)
        said.append(f"{names} are missing: the table says what the network reads in the place of each")
    else:
        said += [f"'{one.name}' is missing: the network reads {one.reads}" for one in gone]
    for one in [one for one in found if not one.missing][:MOST_NAMED]:
        said.append(f"'{one.name}': {one.reads}" if one.odd else f"Of '{one.name}' the network reads {one.reads}")
    return " ".join(map(end_sentence, said))


def missing_names(subject: Subject) -> set[str]:
    """The columns of the example that have no value."""
    return {one.name for one in readings(subject) if one.missing}
