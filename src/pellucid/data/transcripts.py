"""Texts of what is said in recordings, as targets: what they are written from, and which recordings are too short.

n recordings, C characters of all their texts together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..fields import Field, Note, Stored
from ..fields.mel import mel_form
from ..fields.notes import LEFT_OUT
from ..fields.passage import CHARACTERS
from ..fields.text import text_at
from ..wording import join_words

if TYPE_CHECKING:
    from .examples import Examples

# What keeps an example out, in words that follow "3 examples".
TOO_SHORT = (
    "whose text has more letters than can be heard in its time (50 a second), and is probably that of another "
    "recording,"
)

# Columns that a note names.
MOST_NAMED = 3


def writes_of_recording(target: Field, inputs: Sequence[Field]) -> bool:
    """Whether a target is a text, and a recording is among what it is predicted from."""
    return target.traits.prose and target.traits.predictable and any(f.traits.recorded for f in inputs)


def settle_transcript(fields: Mapping[str, Field], say: Callable[[Note], None]) -> dict[str, Field]:
    """The fields by name, where a transcript is the target: it is written in letters, and from the recording alone."""
    targets, inputs = ([f for f in fields.values() if f.role == role] for role in ("target", "input"))
    if len(targets) != 1 or not writes_of_recording(targets[0], inputs):
        return dict(fields)
    target = targets[0]
    words = f"{target.reason.partition(', written')[0]}, written in {CHARACTERS}"
    found = {target.name: target.with_(settings={**target.settings, "level": CHARACTERS}, reason=words)}
    others = [f for f in inputs if not f.traits.recorded]
    for field in others:
        found[field.name] = field.with_(role="ignore", reason=f"'{target.name}' is written from the recording alone")
    if others:
        columns = f"{'column' if len(others) == 1 else 'columns'} {join_words((f.name for f in others), MOST_NAMED)}"
        text = f"{columns} left out: '{target.name}' is written from the recording alone"
        say(Note("info", text, f"column '{target.name}'", LEFT_OUT))
    return {**fields, **found}


def find_too_short(data: Examples) -> np.ndarray | None:  # (n,) bool
    """Which recordings have fewer positions than their text takes; None where no transcript is the target.

    A text takes a position for each letter, and one more between two equal ones, as else they would be heard as one.
    """
    if data.target is None or not writes_of_recording(data.target, data.inputs):
        return None
    sound = next(f for f in data.inputs if f.traits.recorded)
    heard, said = data.stored_values(sound.name), data.stored_values(data.target.name)
    samples = np.diff(np.asarray(heard.arrays["ends"]), prepend=0)
    places = np.asarray(mel_form(int(heard.meta["rate"])).positions_of(samples))
    short = count_places(said) > places
    short[heard.bad] = False
    return short


def count_places(stored: Stored) -> np.ndarray:  # (n,)
    """The positions that each text takes, at the least: "see" takes four, of which the third says nothing new."""
    found = np.zeros(stored.n, np.int64)
    for row in range(stored.n):
        codes = np.frombuffer(text_at(stored, row).encode("utf-32-le"), "<u4")
        found[row] = len(codes) + int((codes[1:] == codes[:-1]).sum())
    return found
