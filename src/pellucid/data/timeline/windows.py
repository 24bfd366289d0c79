"""Stretches of channels around a row, as inputs and as targets. n rows, P places, F channels, S series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import PellucidError
from ...fields import Field
from ...fields.channel import columns_of
from ...fields.encoded import Stored, Windows
from .calendar import calendar_features, calendar_names
from .forecast import Forecast
from .step import ROWS
from .timeline import Timeline, fill_missing

if TYPE_CHECKING:
    from ..examples import Examples

# Of the steps that are looked at, that must lie before a row for a forecast to start there, and at most so many.
HISTORY_SHARE, MOST_HISTORY = 0.25, 32


def input_windows(data: Examples, fields: Sequence[Field]) -> Windows:
    """What lies before each row: the channels, then what the calendar says; known ones also from the row on."""
    about, line = forecast_of(data)
    calendar = calendar_features(line.moments(np.arange(line.places)), about.calendar)
    values = np.concatenate([_by_place(data, fields, about.fill or None), calendar], 1)
    known = np.repeat([field.role == "known" for field in fields], [columns_of(field) for field in fields])
    ahead = np.concatenate([known, np.ones(calendar.shape[1], bool)])
    after = about.horizon if any(field.role == "known" for field in fields) else 0
    return Windows(values, *_limits(line), about.context, after, ahead)


def target_windows(data: Examples, fields: Sequence[Field]) -> Windows:
    """What is to be forecast from each row on, and behind it how much the series differs from a season before.

    That is below 0 where a series never changed in training: by nothing no error can be divided.
    """
    about, line = forecast_of(data)
    values, places = _by_place(data, fields), _limits(line)
    scale = np.stack([scales_of_rows(line, field) for field in fields], 1).astype(np.float32)
    # Where none ever changed, errors are told in units.
    scale = scale if (scale > 0).any() else abs(scale)
    return Windows(values, *places, 0, about.horizon, np.ones(len(fields), bool), scale)


def forecast_of(data: Examples) -> tuple[Forecast, Timeline]:
    """What is to be forecast, and the timeline. Raises PellucidError for data whose rows are no moments."""
    if data.reading.forecast is None or data.timeline is None:
        raise PellucidError("its rows are no moments of a series", where=data.name, fix="give --horizon")
    return data.reading.forecast, data.timeline


def calendar_of(line: Timeline) -> tuple[str, ...]:
    """What the calendar tells of the places of a timeline."""
    moments = line.moments(np.arange(line.places))
    return calendar_names(line.step, float(np.ptp(moments)) if len(moments) else 0.0)


def _by_place(data: Examples, fields: Sequence[Field], fill: str | None = None) -> np.ndarray:  # (P, F) float32
    """Encoded channels in order of time; the past may be filled, in the user's units, what is to come never."""
    line = forecast_of(data)[1]
    raw = np.stack([np.asarray(data.stored_values(f.name).arrays["value"], np.float64) for f in fields], 1)
    values = line.arrange(raw)
    # A word is none that 0 would stand for.
    filled = [fill is not None and not (fill == "zero" and columns_of(f) > 1) for f in fields]
    values[:, filled] = fill_missing(values[:, filled], line, fill)
    each = [(f, Stored({"value": own}, {}, len(own))) for f, own in zip(fields, values.T, strict=True)]
    return np.concatenate([np.asarray(f.traits.encode(s, f.state or {})).reshape(len(values), -1) for f, s in each], 1)


def _limits(line: Timeline) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # (n,) each
    """Of each row its place, and the first and last places of its series."""
    one = line.series_of(np.maximum(line.place, 0))
    return line.place, line.first[one], line.last[one]


def season_scales(line: Timeline, values: np.ndarray, rows: np.ndarray, season: int) -> dict[str, float]:
    """How much the values of each series differ from those a season before, on average, by its name; 0 for nothing.

    The denominator of the mean absolute scaled error (Hyndman and Koehler, 2006).

    Args:
        values: (n,) in the user's units. rows: (m,) those that are learned from.
    """
    learned = np.full(len(values), np.nan)
    learned[rows] = values[rows]
    placed = line.arrange(learned)
    found = {}
    for name, first, last in zip(line.names, line.first.tolist(), line.last.tolist(), strict=True):
        own = placed[first:last]
        known = own[np.isfinite(own)]
        gap = abs(own[season:] - own[:-season]) if len(own) > season else np.zeros(0)
        gap = gap[np.isfinite(gap)]
        # Of a series shorter than its season, by how much neighbours differ.
        gap = gap if len(gap) else abs(np.diff(known))
        if len(gap):
            found[name] = float(gap.mean())
    return found


def scales_of_rows(line: Timeline, field: Field) -> np.ndarray:  # (n,)
    """Of each row's series how much it differs from a season before, in standardised units.

    Of a series that was not learned from, what is usual; of one that never changed that as well, below 0.
    """
    state = field.state or {}
    scales, unit = state.get("scales", {}), state["std"] or 1.0
    changed = [scale for scale in scales.values() if scale > 0]
    usual = float(np.median(changed)) if changed else unit
    each = np.array([scales.get(name, usual) or -usual for name in line.names] or [usual]) / unit
    return each[line.series_of(np.maximum(line.place, 0))]


def forecast_starts(data: Examples, line: Timeline, about: Forecast, part: np.ndarray) -> np.ndarray:  # (P,) -> (n,)
    """Which rows a forecast can start at: enough past, all of its steps in one part, and one of them known."""
    place = np.maximum(line.place, 0)
    end = np.minimum(place + about.horizon, line.places)
    # Several rows of one moment are one example.
    fits = (line.place >= 0) & fitting_places(line, about, part)[place] & (line.row[place] == np.arange(len(place)))
    known = np.zeros(line.places + 1, np.int64)
    for target in data.targets:
        there = np.isfinite(line.arrange(np.asarray(data.stored_values(target.name).arrays["value"])))
        known[1:] += np.cumsum(there)
    return fits & (known[end] > known[place])


def fitting_places(line: Timeline, about: Forecast, part: np.ndarray) -> np.ndarray:  # (P,) -> (P,) bool
    """Which places have enough past and all steps of a forecast in one part."""
    place = np.arange(line.places)
    one = line.series_of(place)
    end = place + about.horizon
    fits = end <= line.last[one]
    # Whole stretches: between two places of one part there may be another's.
    changes = np.cumsum(np.diff(part, prepend=part[:1]) != 0)
    fits &= changes[place] == changes[np.minimum(end, line.places) - 1]
    fits &= place - line.first[one] >= least_history(about)
    if about.stride > 1:
        fits &= (place - _places_counted_from(line, about, part)[one]) % about.stride == 0
    return fits


def next_starts(line: Timeline, about: Forecast, low: np.ndarray) -> np.ndarray:  # (S,) -> (S,)
    """The first place of each series, from ``low`` on, that a forecast of new rows starts at, if they go on so far."""
    low = np.maximum(low, line.first + least_history(about))
    return low + (_places_counted_from(line, about, np.zeros(line.places)) - low) % about.stride


def _places_counted_from(line: Timeline, about: Forecast, part: np.ndarray) -> np.ndarray:  # (P,) -> (S,)
    """Where each series' strides are counted from: where test begins, so that its first forecast starts there.

    Of new rows as the run did.
    """
    border = _first_of_part(line, part, 2 if (part == 2).any() else 0)
    return _places_of_phases(line, about, border) if about.phases else border


def phases_of(line: Timeline, about: Forecast, rows: np.ndarray) -> dict[str, float]:  # (m,)
    """A moment at which a forecast of each series starts, as ``Forecast.phases``.

    Only series that count otherwise than most are named.

    Args:
        rows: from which forecasts start, of all parts.
    """
    if about.stride == 1 or line.step == ROWS or not len(rows):
        return {}
    one, first = np.unique(line.series_of(line.place[rows]), return_index=True)
    moments = line.moments(line.place[rows[first]])  # (s,)
    off = line.step.places(moments, np.full(len(moments), moments[0])) % about.stride
    usual = np.bincount(off).argmax()
    named = {line.names[i]: float(own) for i, own in zip(one[off != usual], moments[off != usual], strict=True)}
    return {"": float(moments[off == usual][0]), **named}


def _places_of_phases(line: Timeline, about: Forecast, others: np.ndarray) -> np.ndarray:  # (S,), (S,) -> (S,)
    """The place of the run's phase in each series, which may lie before its first; ``others`` of one without."""
    phase = np.array([about.phases.get(name, about.phases.get("", np.nan)) for name in line.names])
    there = np.flatnonzero(np.isfinite(phase) & np.isfinite(line.start) & (line.step != ROWS))
    found = others.copy()
    skipped = 0 if line.skipped is None else line.skipped[there]
    found[there] = line.first[there] + line.step.places(phase[there], line.start[there]) - skipped
    return found


def least_history(about: Forecast) -> int:
    """Steps of the past that a forecast needs."""
    return max(1, min(int(HISTORY_SHARE * about.context), MOST_HISTORY))


def _first_of_part(line: Timeline, part: np.ndarray, which: int) -> np.ndarray:  # (S,)
    """The first place of a part in each series; of one without it the series' end."""
    found = line.last.copy()
    own = np.flatnonzero(part == which)
    np.minimum.at(found, line.series_of(own), own)
    return found
