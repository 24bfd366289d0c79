"""Whether a table that nobody says anything of is a dated series, and how to forecast one whose target was named."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...fields import Field, Note
from ..source import Contents, ReadOptions
from .forecast import steps_in_words
from .moments import row_moments, settle_step
from .step import ROWS
from .timeline import Timeline, build_timeline, too_empty

# Of its series, that a horizon may be which nobody asked for.
HORIZON_SHARE = 0.1

# Without a rhythm that people live by.
USUAL_HORIZON = 12

# Moments from which on a dated table is taken for a series that is to be forecast; columns, up to which.
FEWEST_MOMENTS, MOST_COLUMNS = 40, 200

# Of the moments, that may have several rows or none, for that.
ODD_SHARE = 0.05


def is_dated_series(found: Contents, fields: Sequence[Field], options: ReadOptions) -> bool:
    """Whether a table has one column of dates and else numbers, and nobody said anything that asks for rows."""
    used = [f for f in fields if f.role not in ("ignore",) or f.name not in options.ignore]
    if options.kinds or options.weights or not 1 < len(used) <= MOST_COLUMNS or not found.named:
        return False
    if options.split.by not in ("chance", "time") or found.files or any(f.role in ("split", "weight") for f in fields):
        return False
    dates = [f for f in used if f.traits.moment]
    others = [f for f in used if not f.traits.moment]
    numbers = all(found.columns[f.name].surely_no_text or f.traits.amount for f in others)
    return len(dates) == 1 and numbers and len(found) >= FEWEST_MOMENTS


def is_regular(line: Timeline) -> bool:
    """Whether nearly all moments have one row."""
    rows = int((line.place >= 0).sum())
    empty, single = float((line.row < 0).mean()), len(np.unique(line.place[line.place >= 0]))
    return line.step != ROWS and empty <= ODD_SHARE and single >= (1 - ODD_SHARE) * rows


def usual_horizon(line: Timeline, season: int) -> int:
    """Steps ahead where nobody says how many: a day of hours, a week of days, a year of months; else the season."""
    natural = line.step.rhythms()
    usual = natural[0] if natural else season if season > 1 else USUAL_HORIZON
    return max(1, min(usual, int(HORIZON_SHARE * line.lengths.max())))


def note_forecast(found: Contents, fields: Sequence[Field], options: ReadOptions, say: Callable[[Note], None]) -> None:
    """Say how to forecast instead, where rows are taken for examples because a target was named."""
    goals = [f for f in fields if f.role == "target"]
    if not options.target or not goals or not is_dated_series(found, fields, options):
        return
    if not all(f.traits.amount for f in goals):
        return
    time = next(f.name for f in fields if f.traits.moment)
    moments, dates = row_moments({time: found.columns[time].load_values()}, time)
    series = np.zeros(len(moments), np.int64)
    line = build_timeline(moments, series, ("",), settle_step(moments, series, dates))
    if too_empty(line) or not is_regular(line):
        return
    steps = usual_horizon(line, 1)
    text = f"a row every {line.step}: --horizon {steps} forecasts the next {steps_in_words(steps, line.step)}"
    say(Note("info", text, f"column '{time}'", "each row is an example of its own", f"--horizon {steps}"))
