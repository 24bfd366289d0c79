"""Parts of a forecast: whole stretches of time, and of each part the rows from which all that is ahead lies in it.

n rows, P places, S series, H horizon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import PellucidError
from ...fields import Note
from ...fields.encoded import Stored
from ...wording import count_noun
from ..timeline.forecast import Forecast, steps_in_words
from ..timeline.timeline import Timeline
from ..timeline.windows import fitting_places, forecast_of, forecast_starts
from .by_column import parts_of_values
from .by_time import by_time, consecutive_parts
from .spec import PARTS, SplitSpec

if TYPE_CHECKING:
    from ..examples import Examples

# Of the time that all series take together, that each must take for one calendar to part them all.
SAME_TIME = 0.9


def part_windows(data: Examples) -> tuple[np.ndarray, np.ndarray, str]:
    """The part of each row, (n,) index of ``PARTS`` or -1, as a row and as the start of a forecast; and how.

    A forecast whose steps cross a border is in no part. What it looks back on may lie beyond one.

    Raises:
        PellucidError: when a part is shorter than the horizon.
    """
    about, line = forecast_of(data)
    given = _given_parts(data, line)
    part, how = given or part_places(line, data.reading.parting, about, data.name, known_ends(data, line))
    starts = forecast_starts(data, line, about, part)
    row_part = np.where(line.place >= 0, part[np.maximum(line.place, 0)], -1) if len(part) else line.place
    own = np.where(starts, row_part, -1)
    for i in range(len(PARTS)):
        if (row_part == i).any() and not (own == i).any():
            what, fix = _why_unfit(line, about, part, i)
            raise PellucidError(what, where=data.name, fix=fix)
    counts = ", ".join(f"{name} {count_noun(int((own == i).sum()), 'forecast')}" for i, name in enumerate(PARTS))
    return row_part, own, f"{how}; {counts}"


def note_unfit_parts(
    line: Timeline, about: Forecast, part: np.ndarray, where: str, say: Callable[[Note], None]
) -> None:  # (P,)
    """A note on each part that no forecast fits into, which training would stop at."""
    fits = fitting_places(line, about, part)
    for i in range(len(PARTS)):
        if (part == i).any() and not (fits & (part == i)).any():
            what, fix = _why_unfit(line, about, part, i)
            say(Note("warning", what, where, "training stops here", fix))


def _why_unfit(line: Timeline, about: Forecast, part: np.ndarray, i: int) -> tuple[str, str]:  # (P,), part -> text, fix
    """Why no forecast is in a part, and what can be done."""
    own, name = part == i, PARTS[i]
    length = steps_in_words(int(np.bincount(line.series_of(np.flatnonzero(own))).max()), line.step)
    if (fitting_places(line, about, part) & own).any():
        return f"no forecast of {about.ahead()} has a known value in {name}, which has {length}", "give more data"
    if about.stride > 1 and (fitting_places(line, replace(about, stride=1), part) & own).any():
        every = steps_in_words(about.stride, line.step)
        what = f"a forecast every {every}, counted from where test begins, has none in {name}, which has {length}"
        return what, "give a smaller --stride"
    what = f"no forecast of {about.ahead()} fits into {name}, which has {length}"
    return what, "give a shorter --horizon, or a longer part with --split"


def _given_parts(data: Examples, line: Timeline) -> tuple[np.ndarray, str] | None:  # -> (P,), how
    """The part of each place where a column says it; None where none does."""
    field = next((f for f in data.fields.values() if f.role == "split"), None)
    return None if field is None else given_places(line, data.stored_values(field.name), field.name)


def given_places(line: Timeline, stored: Stored, name: str) -> tuple[np.ndarray, str]:  # -> (P,), how
    """The part of each place as the words of column ``name`` say it, and how. Raises PellucidError where they don't."""
    of, how = parts_of_values(stored.meta["values"], name)
    row_part = np.append(of, -1)[stored.arrays["code"]].astype(np.float64)
    return _carry_on(line, np.nan_to_num(line.arrange(row_part), nan=-2).astype(np.int64)), how


def part_places(
    line: Timeline, parting: SplitSpec, about: Forecast, where: str, ends: np.ndarray
) -> tuple[np.ndarray, str]:  # (S,) -> (P,), how
    """The part of each place by steps, by spans or shares of time, and how that came about, in words.

    Args:
        where: the source's name, for errors. ends: the place behind the last known target of each series: what is
            known ahead beyond it is in no part.

    Raises:
        PellucidError: when there are no dates for spans of time, or fewer moments than parts.
    """
    if parting.steps:
        return _last_steps(line, parting, ends)
    moments = line.moments(np.arange(line.places))
    beyond = np.arange(line.places) >= ends[line.series_of(np.arange(line.places))]
    if parting.spans and not np.isfinite(moments).all():
        raise PellucidError("spans of time need dates at a regular step", where=where, fix="write rest,24steps,24steps")
    if line.step.unit != "row" and (len(line.first) == 1 or parting.spans or _at_one_time(line, moments)):
        return by_time(np.where(beyond, np.nan, moments), parting, True, utc=line.utc)
    return _shares_of_each(line, parting, about, ends)


def known_ends(data: Examples, line: Timeline) -> np.ndarray:  # -> (S,)
    """The place behind the last known value of any target, of each series."""
    known = np.zeros(line.places, bool)
    for target in data.targets:
        known |= np.isfinite(line.arrange(np.asarray(data.stored_values(target.name).arrays["value"])))
    return ends_of(line, known)


def ends_of(line: Timeline, known: np.ndarray) -> np.ndarray:  # (P,) bool -> (S,)
    """The place behind the last one of each series that is known; its first where none is."""
    ends, places = line.first.copy(), np.flatnonzero(known)
    np.maximum.at(ends, line.series_of(places), places + 1)
    return ends


def _at_one_time(line: Timeline, moments: np.ndarray) -> bool:
    """Whether all series take about the same time, so that one calendar parts them."""
    low, high = moments[line.first], moments[line.last - 1]
    return float((high.min() - low.max()) / max(high.max() - low.min(), 1.0)) >= SAME_TIME


def _shares_of_each(
    line: Timeline, parting: SplitSpec, about: Forecast, ends: np.ndarray
) -> tuple[np.ndarray, str]:  # (S,) -> (P,), how
    """Each series gives its own last part, of at least one horizon."""
    part = np.full(line.places, -1, np.int64)
    for first, last in zip(line.first.tolist(), ends.tolist(), strict=True):
        size = last - first
        part[first:last] = 0
        if size >= 3 * about.horizon + 1:
            tail = [max(about.horizon, round(share * size)) if share > 0 else 0 for share in parting.shares[1:]]
            test = min(tail[1], size - tail[0] - 1)
            part[last - test : last] = 2
            part[last - test - tail[0] : last - test] = 1
        elif size:
            part[first:last] = consecutive_parts(np.ones(size, np.int64), (1.0, 0.0, 0.0))
    each = "each series gives its own last part, " if len(line.first) > 1 else "in order, "
    return part, f"{each}{parting.shares_text()}"


def _last_steps(line: Timeline, parting: SplitSpec, ends: np.ndarray) -> tuple[np.ndarray, str]:  # (S,) -> (P,), how
    """The last steps of each series for test, those before them for validation."""
    validation, test = parting.steps
    part = np.zeros(line.places, np.int64)
    behind = ends[line.series_of(np.arange(line.places))] - np.arange(line.places)
    part[behind <= test + validation] = 1
    part[behind <= test] = 2
    part[behind <= 0] = -1
    each = "of each series " if len(line.first) > 1 else ""
    said = f"{each}the last {steps_in_words(test, line.step)} are test, the {steps_in_words(validation, line.step)} "
    return part, f"{said}before them validation"


def _carry_on(line: Timeline, part: np.ndarray) -> np.ndarray:  # (P,) -> (P,)
    """Places without a row are in the part of the place before them."""
    known = np.where(part > -2, np.arange(len(part)), 0)
    return part[np.maximum.accumulate(known)]
