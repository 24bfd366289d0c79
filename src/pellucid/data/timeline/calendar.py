"""What the calendar says of a moment, which is known ahead: hour, weekday, time of year. P places."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...storage import forms
from .step import DAY, Step, weekday_numbers

YEAR = 365.2425 * DAY

# Of the day and of the year: a wave and its overtone tell morning from evening and spring from autumn.
HARMONICS = (1, 2)

# Of data, from which on the time of year is told: of one year a model would learn by heart what each month was like.
LEAST_YEARS = 3


def calendar_names(step: Step, span: float) -> tuple[str, ...]:
    """What is told of moments at this step over so many seconds: only what differs from one to the next."""
    if step.unit == "row":
        return ()
    seconds = {"second": step.amount, "workday": DAY, "month": 30 * DAY * step.amount}[step.unit]
    known = (("day", DAY, 2 * DAY), ("year", YEAR, LEAST_YEARS * YEAR))
    waves = [name for name, size, long in known if seconds <= size / 4 and span >= long]
    weekdays = [f"weekday {i}" for i in range(7)] if seconds <= DAY and DAY % seconds == 0 and span >= 14 * DAY else []
    return (*(f"{part} of {wave}, {k}" for wave in waves for k in HARMONICS for part in ("sine", "cosine")), *weekdays)


def check_calendar_name(value: Any, where: str) -> None:
    """The form of one of ``calendar_names`` in a file that may be anyone's; raises FormError."""
    forms.pattern(r"weekday [0-6]|(sine|cosine) of (day|year), [12]")(value, where)


def calendar_features(moments: np.ndarray, names: tuple[str, ...]) -> np.ndarray:  # (P,) -> (P, k) float32
    """What the calendar says, each of the ``names`` a column, between -1 and 1."""
    found = np.empty((len(moments), len(names)), np.float32)
    # Column by column: of a million moments a column of doubles is as large as two of what is kept.
    for column, name in enumerate(names):
        if name.startswith("weekday"):
            found[:, column] = (weekday_numbers(moments) == int(name.split()[1])) - 1 / 7
            continue
        part, wave, count = name.replace(",", "").split(" of ")[0], *name.split(" of ")[1].split(", ")
        angle = 2 * np.pi * int(count) * (moments % YEAR / YEAR if wave == "year" else moments % DAY / DAY)
        found[:, column] = np.sin(angle) if part == "sine" else np.cos(angle)
    return found
