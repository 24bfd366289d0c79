"""Which columns are known ahead, where nobody said: those that go on for a horizon after the target, in every series.

P places, S series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...fields import Column, Field, Note
from ...wording import join_words
from ..splits.by_window import ends_of, known_ends
from .columns import PAST_READ, Say, channel_values
from .forecast import Forecast, steps_in_words
from .timeline import Timeline
from .windows import forecast_of

if TYPE_CHECKING:
    from ..examples import Examples

# Columns that a sentence names.
MOST_NAMED = 5


def guess_known_ahead(
    fields: Sequence[Field], tails: Mapping[str, np.ndarray], about: Forecast, say: Say
) -> list[Field]:
    """The fields, those known ahead that go on for at least one horizon after the target in every series.

    A column that goes on for less is not: its last value may only be there earlier than the target's, and to read it
    ahead would tell what comes. That is said.

    Args:
        tails: of each input by name how many steps its last value lies after the target's, of each series that has a
            value of the target, as ``steps_after`` gives them.
    """
    made = []
    for field in fields:
        steps = tails.get(field.name, np.zeros(0, np.int64)) if field.role == "input" else np.zeros(0, np.int64)
        if not len(steps) or steps.max() <= 0:
            made.append(field)
            continue
        least, where = int(steps.min()), f"column '{field.name}'"
        if least >= about.horizon:
            after = f"goes on {_span_text(steps, about)} after the last value of the target"
            say(Note("info", f"{after}, so it is taken for known ahead", where, "predict needs it for every step ahead",
                     f"--known NAMES says which columns are; --ignore {field.name} leaves it out"))  # fmt: skip
            field = field.with_(role="known", reason=field.reason.replace(PAST_READ, f"known ahead, as it {after}"))
        else:
            say(_short_tail(field, steps, about))
        made.append(field)
    return made


def steps_after(ends: np.ndarray, goals: np.ndarray, first: np.ndarray) -> np.ndarray:  # (S,) each -> (k,)
    """How many steps a column goes on after the target, of each of the k series that have a value of the target.

    Args:
        ends, goals: the place behind the last value of the column and of the target. first: where each series begins.
    """
    return np.maximum(ends - goals, 0)[goals > first]


def _short_tail(field: Field, steps: np.ndarray, about: Forecast) -> Note:
    """That a column goes on after the target, but not for a horizon in every series."""
    some = int((steps > 0).sum())
    whose = f" in {some:,} of {len(steps):,} series" if some < len(steps) else ""
    text = f"goes on {_span_text(steps[steps > 0], about)} after the last value of the target{whose}"
    text += f", and a forecast needs {about.ahead()}" + (" in every series" if len(steps) > 1 else "")
    text += ": it is not taken for known ahead"
    does = "left out, as words are read ahead only" if "words" in field.settings else "its past alone is read"
    return Note("warning", f"{text}, {does}", f"column '{field.name}'", does, f"--known {field.name} if it is")


def _span_text(steps: np.ndarray, about: Forecast) -> str:
    """How many steps, in words: the same of all series, or from the least to the most."""
    low, high = int(steps.min()), int(steps.max())
    text = steps_in_words(high, about.step)
    return text if low == high else f"{low:,} to {text}"


@dataclass(frozen=True)
class KnownPlaces:
    """Where values are known.

    Attributes:
        targets: (P,) whether that of any target is. ends: of each input by name, (S,) the place behind its last one.
    """

    targets: np.ndarray
    ends: Mapping[str, np.ndarray]

    def tails(self, line: Timeline) -> dict[str, np.ndarray]:  # (k,) each
        """Of each input how many steps it goes on after the targets, as ``guess_known_ahead`` takes them."""
        goals = ends_of(line, self.targets)
        return {name: steps_after(ends, goals, line.first) for name, ends in self.ends.items()}


def known_places(columns: Mapping[str, Column], fields: Sequence[Field], line: Timeline, say: Say) -> KnownPlaces:
    """Where the values of all channels are known; what can't be read of them is said."""
    targets, ends = np.zeros(line.places, bool), {}
    for field in (f for f in fields if f.traits.moments):
        known = np.isfinite(line.arrange(channel_values(columns, field, say)))
        if field.role == "target":
            targets |= known
        else:
            ends[field.name] = ends_of(line, known)
    return KnownPlaces(targets, ends)


def say_rows_ahead(data: Examples) -> str:
    """What new rows must hold to be forecast; empty where what is known ahead goes on for a horizon as it is."""
    about, line = forecast_of(data)
    ends = known_ends(data, line)
    some = ends > line.first
    at = ends[some][:, None] + np.arange(about.horizon)  # (s, H)
    there = at < line.last[some][:, None]
    stopped = []
    for name in about.known:
        values = line.arrange(np.asarray(data.stored_values(name).arrays["value"]))
        if not (there & np.isfinite(values[np.minimum(at, line.places - 1)])).all():
            stopped.append(f"'{name}'")
    if not stopped:
        return ""
    whose = " of each series" if len(line.names) > 1 else ""
    goals = join_words([f"'{target.name}'" for target in data.targets], MOST_NAMED)
    return (
        f"the rows that come next{whose}, with {join_words(stopped, MOST_NAMED)} for {about.ahead()} and {goals} empty"
    )
