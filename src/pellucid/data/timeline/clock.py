"""By which clock moments are read that are written with offsets from UTC: as moments in UTC, or as days. n rows."""

from __future__ import annotations

import numpy as np

from ...errors import PellucidError
from ...fields import Column, Field, Note
from ...fields.date import DAY_SECONDS, zone_offsets
from ...fields.notes import AS_IT_SAYS
from ...wording import count_noun, join_words
from ..splits.by_time import ordering_values
from .forecast import DAYS, NAIVE, UTC, Forecast

# That a reason names.
MOST_NAMED = 4


def find_clock(column: Column) -> tuple[str, float]:
    """How the moments of a column are read, one of ``CLOCKS``, and of days at what time of the day rows are.

    Rows that all are at one time of day by their own clocks are days, months or years of the place that wrote them: in
    UTC summer and winter would make other dates of them.
    """
    offsets, _ = zone_offsets(column) or (None, 0)
    if offsets is None:
        return "", 0.0
    if not offsets:
        return NAIVE, 0.0
    local = local_moments(column)
    local = local[np.isfinite(local)]
    times = np.unique(np.mod(local, DAY_SECONDS))
    days = len(times) == 1 and len(np.unique(local)) > 1
    return (DAYS, float(times[0])) if days else (UTC, 0.0)


def local_moments(column: Column, field: Field | None = None) -> np.ndarray:  # (n,)
    """What the clocks showed, in seconds since 1970, NaN for none."""
    return ordering_values(column, field, absolute=False)[0]


def clock_in_words(column: Column, about: Forecast) -> str:
    """Which offsets there are and how they are read, to follow "every hour"; empty where there are none."""
    if about.clock not in (UTC, DAYS):
        return ""
    offsets, _ = zone_offsets(column) or ([], 0)
    noun = "offset" if len(offsets) == 1 else "offsets"
    how = "read as moments, shown in UTC" if about.clock == UTC else "always at one time of day: read as dates there"
    return f", with {noun} {join_words(offsets, MOST_NAMED)}: {how}"


def check_clock(column: Column, field: Field | None, about: Forecast, where: str) -> None:
    """Raises PellucidError for new moments with offsets for a run without, and the reverse."""
    offsets, _ = zone_offsets(column) or (None, 0)
    if offsets is None or not about.clock or (not offsets and about.clock == DAYS):
        return
    place = f"{where}, column '{column.name}'"
    shown = join_words(offsets, MOST_NAMED)
    if offsets and about.clock == NAIVE:
        what = f"the new times have offsets from UTC ({shown}), those of the training have none"
        raise PellucidError(what, where=place, fix="give times without offsets, by the clock of the training")
    if not offsets and about.clock == UTC:
        what = "the new times have no offset from UTC, those of the training have one"
        raise PellucidError(what, where=place, fix="write them with it, such as 2024-04-03T01:00+02:00")
    local = local_moments(column, field)
    if about.clock == DAYS and (np.mod(local[np.isfinite(local)], DAY_SECONDS) != about.day_time).any():
        at = str(np.datetime64(round(about.day_time), "s"))[11:16]
        what = f"the new times are not all at {at} by their own clocks, as those of the training"
        raise PellucidError(what, where=place, fix="write them with the offset of their place, or as dates alone")


def note_clock(column: Column, about: Forecast) -> list[Note]:
    """A note on moments without an offset among others that have one."""
    without = (zone_offsets(column) or ([], 0))[1]
    if about.clock != UTC or not without:
        return []
    text = f"{count_noun(without, 'time')} without an offset among others with one: taken for UTC"
    return [Note("warning", text, f"column '{column.name}'", AS_IT_SAYS, "write all times with their offset")]
