"""What looks odd about the moments of rows: order, doubles, gaps, changes of the clock. n rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...fields import Note
from ...fields.notes import AS_IT_SAYS, AS_MISSING, LEFT_OUT
from ...wording import count_noun, join_words
from ..splits.by_time import moment_text
from ..splits.time_spans import length_in_words
from .forecast import Forecast, steps_in_words
from .moments import settle_step
from .step import ROWS, Step, find_break, off_days
from .timeline import Timeline

# That are named, of each sort.
MOST_NAMED = 3

# Weekdays and months in which clocks are put forward or back; Sunday is 6.
CHANGE_MONTHS, SUNDAY = (3, 4, 10, 11), 6

HOUR = 3600.0

# Rows in a row at one step, from which on it is no gap.
LEAST_RUN = 10

# Times a step, from which on rows are farther apart than it: months are not all equally long.
FINER = 1.2


def note_moments(
    time: np.ndarray, series: np.ndarray, dates: bool, line: Timeline, about: Forecast, place: Callable[[int], str]
) -> Iterator[Note]:
    """Notes on moments, with what will be done.

    Args:
        time: (n,) when each row is, NaN where that is not known. series: (n,) whose, -1 for nobody's.
        dates: ``time`` is seconds since 1970. place: where a row comes from, in words.
    """
    yield from _lost_rows(time, series, about, place)
    yield from _weekend_rows(time, series, about, place)
    yield from _unsorted(time, series, place)
    if about.coarser:
        yield Note("info", f"rows of {_article(about)} are brought to their mean", "", AS_IT_SAYS)
        yield from _finer_than_rows(time, series, line)
        yield from _gaps(line, about, time, place)
        return
    yield from _doubles(line, about, dates, time, place)
    if dates and line.step == ROWS:
        yield _no_step(time, series, place)
    elif line.step != ROWS:
        yield from _two_steps(line, place)
        yield from _gaps(line, about, time, place)


def _article(about: Forecast) -> str:
    return f"each {about.step}"


def _lost_rows(time: np.ndarray, series: np.ndarray, about: Forecast, place: Callable[[int], str]) -> Iterator[Note]:
    for gone, what in ((~np.isfinite(time), f"a moment in '{about.time}'"), (series < 0, "a name of their series")):
        if rows := np.flatnonzero(gone).tolist():
            text = f"{count_noun(len(rows), 'row')} without {what} {'is' if len(rows) == 1 else 'are'} left out"
            yield Note("warning", f"{text}, this one first", place(rows[0]), LEFT_OUT)


def _weekend_rows(time: np.ndarray, series: np.ndarray, about: Forecast, place: Callable[[int], str]) -> Iterator[Note]:
    """A note on rows of weekends for a run of business days."""
    if rows := np.flatnonzero(off_days(time, about.step) & (series >= 0)).tolist():
        text = f"{count_noun(len(rows), 'row')} of a weekend {'is' if len(rows) == 1 else 'are'} left out"
        yield Note("warning", f"{text}, this one first: the run reads business days", place(rows[0]), LEFT_OUT)


def _unsorted(time: np.ndarray, series: np.ndarray, place: Callable[[int], str]) -> Iterator[Note]:
    """A note where rows are not in the order of their moments."""
    order = np.argsort(series, kind="stable")
    own = order[np.isfinite(time[order])]
    back = np.flatnonzero((np.diff(time[own]) < 0) & (np.diff(series[own]) == 0))
    if len(back):
        text = f"{count_noun(len(back), 'row')} earlier than the row before, this one first: rows are put in order"
        yield Note("info", text, place(int(own[back + 1].min())), AS_IT_SAYS)


def _doubles(
    line: Timeline, about: Forecast, dates: bool, time: np.ndarray, place: Callable[[int], str]
) -> Iterator[Note]:
    """A note on moments with several rows."""
    known = np.flatnonzero(line.place >= 0)
    count = np.bincount(line.place[known], minlength=line.places)
    several = np.flatnonzero(count > 1)
    if not len(several):
        return
    rows = known[np.argsort(line.place[known], kind="stable")]
    shown = [
        f"{moment_text(float(time[own[0]]), dates, utc=line.utc)} ({join_words(place(int(row)) for row in own[:2])})"
        for one in several[:MOST_NAMED].tolist()
        if len(own := rows[line.place[rows] == one])
    ]
    what = {"first": "the first of each is used", "last": "the last of each is used", "mean": "their mean is used"}
    text = f"{count_noun(len(several), 'moment')} with several rows: {join_words(shown)}; {what[about.doubles]}"
    hours = line.step.unit == "second" and line.step.amount <= HOUR
    change = _clock_changes(line.moments(several)) if dates and hours and not line.utc else 0
    if change:
        text += f"; {count_noun(change, 'moment')} where clocks are put back"
    other = "" if about.doubles != "first" else "--doubles mean takes their mean, --series COLUMN parts several series"
    yield Note("warning", text, "", what[about.doubles], other)


def _no_step(time: np.ndarray, series: np.ndarray, place: Callable[[int], str]) -> Note:
    """A note that rows follow one another at no step."""
    order = np.lexsort((time, series))
    gap = np.diff(time[order])[np.diff(series[order]) == 0]
    gap = gap[np.isfinite(gap) & (gap > 0)]
    low, high = (length_in_words(float(end)) for end in (gap.min(), gap.max())) if len(gap) else ("none", "none")
    row = find_break(time, series)
    first = f", first broken at {place(row)}" if row >= 0 else ""
    text = f"rows follow one another at no regular step ({low} to {high}{first}): forecasts count rows"
    return Note("warning", text, "", AS_IT_SAYS, "--every 1d, for example, brings them to one")


def _two_steps(line: Timeline, place: Callable[[int], str]) -> Iterator[Note]:
    """A note where rows come at one step for a while, and then at another."""
    for first, last in zip(line.first.tolist(), line.last.tolist(), strict=True):
        there = first + np.flatnonzero(line.row[first:last] >= 0)
        steps = np.diff(there)
        change = np.flatnonzero(steps != steps[0]) if len(steps) else steps
        if not len(change) or not LEAST_RUN <= change[0] <= len(steps) - LEAST_RUN:
            continue
        before, after = (int(one) for one in (steps[0], steps[change[0]]))
        if (steps[change[0] : change[0] + LEAST_RUN] == after).all():
            here = place(int(line.row[there[change[0] + 1]]))
            apart, now = (steps_in_words(one, line.step) for one in (before, after))
            text = f"rows are {apart} apart up to here, and {now} from here on"
            yield Note("warning", text, here, AS_IT_SAYS, "--every 1d, for example, brings all to one step")
            return


def _finer_than_rows(time: np.ndarray, series: np.ndarray, line: Timeline) -> Iterator[Note]:
    """A note where rows are brought to a step that is shorter than their own."""
    own = settle_step(time, series, True)
    if own != ROWS and own.seconds > line.step.seconds * FINER:
        empty = float((line.row < 0).mean())
        text = f"rows come every {own}, so of the steps of {_one(line.step)} {empty:.0%} have no row"
        yield Note("warning", text, "", AS_IT_SAYS, f"give --every a step of {_one(own)} or longer, or leave it out")


def _one(step: Step) -> str:
    """A step with its amount: "1 hour", "30 minutes"."""
    return str(step) if str(step)[0].isdigit() else f"1 {step}"


def _gaps(line: Timeline, about: Forecast, time: np.ndarray, place: Callable[[int], str]) -> Iterator[Note]:
    """A note on moments without a row."""
    empty = line.row < 0
    if not empty.any():
        return
    starts = np.flatnonzero(empty & ~np.r_[False, empty[:-1]])
    ends = np.flatnonzero(empty & ~np.r_[empty[1:], False]) + 1
    length = ends - starts
    longest = np.argsort(-length, kind="stable")[:MOST_NAMED]
    shown = [
        f"{steps_in_words(int(length[i]), line.step)} after {place(int(line.row[starts[i] - 1]))}" for i in longest
    ]
    fill = {"": "they stay empty", "last": "they are filled by the last value", "zero": "they are filled with 0"}[
        about.fill
    ]
    found = f"{count_noun(int(length.sum()), 'moment')} without a row, in {count_noun(len(starts), 'gap')}"
    text = f"{found} (the longest: {join_words(shown)}); {fill}"
    if line.step.unit == "second" and line.step.amount <= HOUR and not line.utc:
        change = _clock_changes(line.moments(starts[length == round(HOUR / line.step.amount)]))
        text += f"; {count_noun(change, 'gap')} where clocks are put forward" if change else ""
    yield Note("info", text, "", AS_MISSING if not about.fill else fill, "" if about.fill else "--fill last fills them")


def _clock_changes(moments: np.ndarray) -> int:
    """How many moments lie in the early hours of a Sunday of March, April, October or November."""
    date = np.floor(moments / 86400).astype(np.int64).astype("M8[D]")
    month = date.astype("M8[M]").astype(np.int64) % 12 + 1
    sunday = (date.astype(np.int64) + 3) % 7 == SUNDAY
    return int((sunday & np.isin(month, CHANGE_MONTHS) & (moments % 86400 <= 4 * HOUR)).sum())
