"""Whether rows are the moments of series that are to be forecast, and how: asked for, or seen in the columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import PellucidError, UsageError, unknown_name
from ...fields import Column, Field, Note, kind_named
from ...fields.channel import columns_of
from ...fields.notes import AS_IT_SAYS
from ...wording import count_noun, join_words
from ..source import Contents, ForecastOptions, ReadOptions
from ..splits.by_time import seconds_of
from ..splits.by_window import ends_of, note_unfit_parts
from ..splits.time_spans import Span, is_span
from .clock import find_clock, local_moments, note_clock
from .columns import Say, channel_values, fields_of_series, leave_out_past_words
from .dated import is_dated_series, is_regular, usual_horizon
from .findings import note_moments
from .forecast import UTC, Forecast, steps_in_words
from .known_ahead import guess_known_ahead, known_places
from .learned_places import LearnedPlaces
from .moments import row_moments, row_series, settle_step, timeline_of
from .rhythm import find_season
from .step import ROWS, Step
from .timeline import Timeline
from .uninformative import RowTimes
from .windows import calendar_of

# Steps of the past that a forecast looks at, at most unless told otherwise; a longer season is looked at as well.
CONTEXT = 512

# Of the rows, from which on doubles mean several series and not mistakes.
MANY_DOUBLES = 0.05


@dataclass(frozen=True)
class Recognised:
    """A forecast, the fields of all columns for it, and why.

    Attributes:
        many: how many series there are. parted: how they are parted, in words.
    """

    forecast: Forecast
    fields: list[Field]
    why: str
    many: int = 1
    parted: str = ""


def recognise_forecast(
    found: Contents, fields: Sequence[Field] | None, options: ReadOptions, where: str, say: Say
) -> Recognised | None:
    """What is to be forecast, where that was asked for or the table is a dated series; else None.

    Args:
        fields: as a table's, when nothing was asked for; None when a forecast was.

    Raises:
        PellucidError: when a forecast is asked for and can't be made; it says what is in its way.
    """
    if fields is not None and (options.target or not is_dated_series(found, fields, options)):
        return None
    columns = {name: column.load_values() for name, column in found.columns.items()}
    time = _time_column(columns, options, where)
    clock, day_time = find_clock(columns[time]) if time else ("", 0.0)
    moments, dates = row_moments(columns, time, clock=clock)
    options = _without_time_known(options, time, say)
    asked = options.forecast
    ids = asked.series or _series_columns(columns, moments, time, options, say)
    _check_names(columns, options, ids)
    series, _ = row_series(columns, ids)
    step = Step.of_span(Span.parse(asked.every)) if asked.every else settle_step(moments, series, dates)
    if asked.every and not dates:
        raise UsageError("--every needs a column of dates", fix="name it with --time, or leave --every out")
    doubles = asked.doubles or ("mean" if asked.every else "first")
    origin = step.origin(float(np.nanmin(moments))) if asked.every and np.isfinite(moments).any() else 0.0
    about = Forecast(1, 1, step, time=time, series=tuple(ids), doubles=doubles, fill=asked.fill or "",
                     coarser=bool(asked.every), origin=origin, clock=clock, day_time=day_time)  # fmt: skip
    line = timeline_of(columns, about)
    if fields is not None and not is_regular(line):
        return None
    times = RowTimes(moments, series, dates, line, time)
    try:
        made, why = fields_of_series(columns, options, about, times)
    except PellucidError:
        if fields is None:
            raise
        # Nobody asked for a forecast, and there is nothing that one would be of.
        return None
    known = known_places(columns, made, line, say)
    learned = LearnedPlaces(line, options.split, columns, ends_of(line, known.targets), where)
    about = replace(about, stride=asked.stride or 1)
    season, horizon = _season_and_horizon(columns, made, times, learned, asked, about)
    _check_longest(asked.season, "season", line, where)
    _check_longest(asked.context, "context", line, where)
    about = replace(about, horizon=horizon, season=season)
    about = replace(about, context=asked.context or _context(line, about))
    if options.target and not asked.known:
        made = guess_known_ahead(made, known.tails(line), about, say)
        why += "; what is known ahead is a guess" if any(f.role == "known" for f in made) else ""
    made = leave_out_past_words(made, options, say)
    about = replace(about, calendar=calendar_of(line), known=tuple(f.name for f in made if f.role == "known"))
    for note in _note_clock(columns, about, series):
        say(note)
    for note in note_moments(moments, series, dates, line, about, next(iter(columns.values())).row_place):
        say(note)
    if fields is not None:
        text = f"dated and regular, so what comes next is forecast: the next {about.ahead()}"
        say(Note("info", text, where, "forecasts", "--horizon N for another; --output number makes a table of it"))
    made = _with_settings(made, about, line)
    part, parted = learned.parts(about)
    if part is not None:
        note_unfit_parts(line, about, part, where, say)
    _say_short(line, about, say)
    return Recognised(about, made, why, len(line.names), parted)


def _without_time_known(options: ReadOptions, time: str, say: Say) -> ReadOptions:
    """The options without the column that says when among those known ahead; a note where it was."""
    asked = options.forecast
    if not time or time not in asked.known:
        return options
    text = "says when, and the calendar is always known ahead: --known need not name it"
    say(Note("info", text, f"column '{time}'", AS_IT_SAYS))
    return replace(options, forecast=replace(asked, known=tuple(name for name in asked.known if name != time)))


def _check_names(columns: Mapping[str, Column], options: ReadOptions, ids: Sequence[str]) -> None:
    """Raises UsageError for columns that are not there, and for a target that is known ahead."""
    asked = options.forecast
    goals = (options.target,) if isinstance(options.target, str) else options.target or ()
    both = [name for name in asked.known if name in goals]
    if both:
        raise UsageError(f"column '{both[0]}' can't be both target and known ahead")
    for name in (*ids, *asked.known):
        if name not in columns:
            raise UsageError(unknown_name("column", name, columns))


def _season_and_horizon(
    columns: Mapping[str, Column],
    fields: Sequence[Field],
    times: RowTimes,
    learned: LearnedPlaces,
    asked: ForecastOptions,
    about: Forecast,
) -> tuple[int, int]:
    """The rhythm and how far ahead is forecast, neither from values of validation or test.

    A horizon that follows from the rhythm may move where train ends: then what lies before both ends is looked at.
    """
    line, own = times.line, np.zeros(0)
    for field in (f for f in fields if f.role == "target"):
        values = channel_values(columns, field, lambda note: None)
        own = own if len(own) else line.arrange(values)
        # Numbers that never change, or only count on, have no rhythm.
        if np.isfinite(values).any() and not times.why_not_forecast(field.name, values):
            own = line.arrange(values)
            break
    horizon = _horizon(asked.horizon, 1, line, learned.where)
    seen = learned.places(replace(about, horizon=horizon))
    while True:
        season = asked.season or find_season(np.where(seen, own, np.nan), line)
        horizon = _horizon(asked.horizon, season, line, learned.where)
        train = learned.places(replace(about, horizon=horizon, season=season))
        if not (seen & ~train).any():
            return season, horizon
        seen &= train


def _note_clock(columns: Mapping[str, Column], about: Forecast, series: np.ndarray) -> Iterator[Note]:  # (n,)
    """Notes on offsets from UTC that some rows have not, or that take the regular step away."""
    if about.clock != UTC:
        return
    yield from note_clock(columns[about.time], about)
    own = settle_step(local_moments(columns[about.time]), series, True)
    if about.step == ROWS != own:
        text = f"by their own clocks rows come every {own}: in UTC these are no regular steps"
        yield Note("warning", text, f"column '{about.time}'", AS_IT_SAYS, "give local times without offsets")


def _with_settings(fields: Sequence[Field], about: Forecast, line: Timeline) -> list[Field]:
    """Channels that know what is forecast: layers are built by it."""
    channels = [f for f in fields if f.traits.moments]
    shared: dict[str, Any] = {"horizon": about.horizon, "season": about.season, "context": about.context}
    shared |= {"calendar": len(about.calendar), "relative": len(line.names) > 1}
    shared["rhythms"] = sorted({lag for lag in (about.season, *about.step.rhythms()) if 1 < lag <= about.context})
    # Read apart where nothing else is told of any of them.
    shared["apart"] = len(channels) > 1 and all(f.role == "target" for f in fields if f.is_input)
    ends = np.cumsum([columns_of(f) for f in channels]).tolist()
    places = {f.name: end - columns_of(f) for f, end in zip(channels, ends, strict=True)}
    return [
        f.with_(settings={**f.settings, **shared, "place": places[f.name]}) if f.traits.moments else f for f in fields
    ]


def _say_short(line: Timeline, about: Forecast, say: Say) -> None:
    """A note on series that are too short to be scored."""
    if short := int((line.lengths < 3 * about.horizon + 1).sum()):
        verb, whose = ("has", "it") if short == 1 else ("have", "them")
        what = f"{short:,} of {len(line.names):,} series {verb} less"
        if len(line.names) == 1:
            what, whose = f"there are {steps_in_words(int(line.lengths[0]), line.step)}, less", "them"
        what = (
            f"{what} than three horizons of {about.ahead()}: what is left of {whose} for each set is little or nothing"
        )
        say(Note("warning", what, "", "kept for training"))


def _time_column(columns: Mapping[str, Column], options: ReadOptions, where: str) -> str:
    """The column that says when; empty where none does, so that rows follow one another as they are."""
    named = options.forecast.time or (options.split.column if options.split.by == "time" else None)
    if named is not None:
        if named not in columns:
            raise UsageError(unknown_name("column", named, columns))
        return named
    given = {*options.ignore, *options.forecast.series}
    found = [name for name, column in columns.items() if name not in given and _holds_dates(column)]
    # Of several dates those that were called known ahead are not the ones that say when.
    found = [name for name in found if name not in options.forecast.known] or found
    if len(found) > 1:
        shown = join_words(f"'{one}'" for one in found)
        raise PellucidError(f"dates are in {shown}", where=where, fix=f"name one: --time {found[0]}")
    return found[0] if found else ""


def _holds_dates(column: Column) -> bool:
    guess = kind_named("date").recognise(column)
    return guess is not None and seconds_of(column) is not None


def _series_columns(
    columns: Mapping[str, Column], moments: np.ndarray, time: str, options: ReadOptions, say: Say
) -> tuple[str, ...]:
    """The one column of words by which several rows of a moment are told apart; none where moments differ."""
    known = np.isfinite(moments)
    if not time or len(np.unique(moments[known])) >= (1 - MANY_DOUBLES) * known.sum():
        return ()
    for name, column in columns.items():
        if name in (time, *options.ignore, *options.forecast.known):
            continue
        series, names = row_series({name: column}, [name])
        if len(names) < 2 or len(names) > known.sum() / 2:
            continue
        pairs = np.stack([series[known].astype(np.float64), moments[known]], 1)
        if len(np.unique(pairs, axis=0)) >= (1 - MANY_DOUBLES) * known.sum():
            text = f"tells {count_noun(len(names), 'series', 'series')} apart, each with a row at a moment"
            say(Note("info", text, f"column '{name}'", "read as the series' name", "--series names others"))
            return (name,)
    if options.forecast.doubles or options.forecast.every:
        return ()
    raise PellucidError(
        "most moments have several rows, and no one column tells them apart",
        fix="name the columns that do: --series shop,item; or --doubles mean",
    )


def _horizon(asked: str | int | None, season: int, line: Timeline, where: str) -> int:
    """Steps ahead: as asked, in steps or as a span of time; else the rhythm's."""
    longest = int(line.lengths.max())
    if asked is None:
        return usual_horizon(line, season)
    text = str(asked)
    steps = _steps_of(text, line.step)
    if steps + 2 > longest:
        raise PellucidError(
            f"a horizon of {steps_in_words(steps, line.step)} is longer than the data: the longest series has "
            f"{steps_in_words(longest, line.step)}",
            where=where,
            fix="give a shorter --horizon",
        )
    return steps


def _check_longest(steps: int | None, what: str, line: Timeline, where: str) -> None:
    """Raises PellucidError for a season or a context of which no series has two."""
    longest = int(line.lengths.max())
    if steps is not None and 2 * steps > longest:
        raise PellucidError(
            f"a {what} of {steps:,} steps is more than half of the longest series, which has {longest:,}",
            where=where,
            fix=f"give a shorter --{what}",
        )


def _steps_of(text: str, step: Step) -> int:
    """Steps of a horizon that is a number or a span of time. Raises UsageError where that is no number of steps."""
    if not is_span(text):
        try:
            steps = int(text)
        except ValueError:
            steps = 0
        if steps < 1:
            raise UsageError(f"horizon '{text}' is no number of steps", fix="write --horizon 24, or 1d")
        return steps
    span = Step.of_span(Span.parse(text))
    if span.unit != step.unit:
        same = "there is no regular step" if step == ROWS else f"the step is a {step}"
        raise UsageError(f"horizon '{text}' is no number of steps, as {same}", fix="give a number of steps")
    count = span.amount / step.amount
    if count < 1 or count != int(count):
        raise UsageError(f"horizon '{text}' is no whole number of steps of a {step}", fix="give a number of steps")
    return int(count)


def _context(line: Timeline, about: Forecast) -> int:
    """Steps of the past that a forecast looks at: of short series half, so that there are several forecasts."""
    half = int(np.median(line.lengths)) // 2
    wanted = max(CONTEXT, 2 * about.season if about.season <= CONTEXT else 0)
    return max(2, min(wanted, max(half, about.season)))
