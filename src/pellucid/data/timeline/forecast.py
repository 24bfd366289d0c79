"""What is to be forecast: how far, from how much of the past, which columns say when, whose and what is known ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...storage import forms
from .calendar import check_calendar_name
from .step import Step
from .timeline import DOUBLES, FILLS

# A stranger's file may ask for any number.
MOST_STEPS = 1_000_000

# Seconds from 1970 to the years 1 and 9999, nearly.
FARTHEST = 2.6e11

# How times are read that may have offsets from UTC: without any as they are; as moments, which are shown in UTC; as the
# dates that the clocks of their place showed. Older runs did not write down whether there were any.
NAIVE, UTC, DAYS = "without offsets", "utc", "days"

CLOCKS = ("", NAIVE, UTC, DAYS)


@dataclass(frozen=True)
class Forecast:
    """What is to be forecast.

    Attributes:
        horizon: steps ahead. context: steps of the past that are looked at. stride: steps between two forecasts.
        season: steps after which a rhythm comes again; 1 for none.
        time: the column that says when; empty where rows follow one another. series: columns that say whose.
        known: columns that are known ahead.
        step: between two moments.
        doubles: what is done with several rows of a moment. fill: how missing values are filled; empty for not at all.
        coarser: rows were brought to a step that was asked for; origin: a moment where one begins.
        calendar: what is told of it, see ``calendar_names``.
        clock: one of ``CLOCKS``. day_time: of days the time of day that all rows had, in seconds.
        phases: of a run with a stride a moment, in seconds since 1970, at which a forecast of each series starts, by
            its name; ``""`` is that of all others. Empty without a stride or dates, and of older runs.
    """

    horizon: int
    context: int
    step: Step
    season: int = 1
    stride: int = 1
    time: str = ""
    series: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    doubles: str = "first"
    fill: str = ""
    coarser: bool = False
    origin: float = 0.0
    calendar: tuple[str, ...] = ()
    clock: str = ""
    day_time: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Forecast:
        lists = {name: tuple(data[name]) for name in ("series", "known", "calendar")}
        return cls(**{**data, **lists, "step": Step.from_json(data["step"])})

    @property
    def every(self) -> str:
        """Between two moments, in words: ``"every hour"``; nothing where there is no step."""
        return "" if self.step.unit == "row" else f"every {self.step}"

    def ahead(self) -> str:
        """How far ahead, in words.

        >>> Forecast(24, 168, Step("second", 3600.0)).ahead(), Forecast(1, 8, Step("month", 1.0)).ahead()
        ('24 hours', '1 month')
        """
        return steps_in_words(self.horizon, self.step)


def steps_in_words(steps: int, step: Step) -> str:
    """So many steps, in words.

    >>> steps_in_words(8, Step("second", 900.0)), steps_in_words(13, Step("second", 604800.0))
    ('8 steps of 15 minutes', '13 weeks')
    """
    unit = str(step) if step.unit != "row" else "step"
    plural = "" if steps == 1 else "s"
    return f"{steps:,} step{plural} of {unit}" if unit[0].isdigit() else f"{steps:,} {unit}{plural}"


# The form of a forecast in a file that may be anyone's.
FORM = forms.record(
    {
        **dict.fromkeys(("horizon", "context", "season", "stride"), forms.whole(1, MOST_STEPS)),
        "step": forms.record({"unit": forms.one_of("second", "workday", "month", "row"), "amount": forms.number(1e-9)}),
        "time": forms.text(),
        **dict.fromkeys(("series", "known"), forms.list_of(forms.text())),
        "calendar": forms.list_of(check_calendar_name, most=100),
        "doubles": forms.one_of(*DOUBLES),
        "fill": forms.one_of("", *FILLS),
        "coarser": forms.flag,
        "origin": forms.number(-FARTHEST, FARTHEST),
        "clock": forms.one_of(*CLOCKS),
        "day_time": forms.number(0, 86_400),
        "phases": forms.map_of(forms.number(-FARTHEST, FARTHEST)),
    },
    # Of older runs every step began with 1970, and new rows were counted from the first.
    optional=["origin", "clock", "day_time", "phases"],
)
