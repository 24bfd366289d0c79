"""A quantity that is measured at every step of a series: a row is a moment, and what is learned from is a stretch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from .base import Guess, Kind, kind_named, register
from .column import Column
from .encoded import Into, Stored, allocate_in_memory
from .notation import COMMA, POINT
from .notes import Report
from .number import format_number

# The axis that all channels of a table lie on.
AXIS = "time"

# A stranger's file may ask for any number.
MOST_STEPS, MOST_CALENDAR, MOST_CHANNELS = 1_000_000, 100, 200_000


@register
class Channel(Kind):
    """float64 values, NaN where missing; encoded by the training values' mean and spread alone, so that it goes back.

    Never clipped and never bent by quantiles, as what is forecast must be told in its own unit.
    """

    name = "channel"
    types = (("value", "f8"),)
    joint = True
    axes = 1
    family = "series"
    amount = True
    predictable = True
    together = True
    moments = True
    try_it = "--out next.csv"
    try_in_python = "steps=10"

    def axis(self, settings: Mapping[str, Any]) -> str:
        return AXIS

    def settings(self) -> forms.Form:
        steps = forms.whole(1, MOST_STEPS)
        known = {"decimal": forms.one_of(POINT, COMMA), "horizon": steps, "season": steps, "context": steps}
        known |= {"calendar": forms.whole(0, MOST_CALENDAR), "place": forms.whole(0, MOST_CHANNELS)}
        known["rhythms"] = forms.list_of(steps, most=MOST_CALENDAR)
        known |= dict.fromkeys(("relative", "apart"), forms.flag)
        return forms.record(known, forms.anything, optional=["decimal"])

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        # How much the training values of a series differ from those a season before, by the series' name.
        scales = forms.map_of(forms.number(0))
        own = {"role": forms.one_of(role), "mean": forms.number(), "std": forms.number(0), "scales": scales}
        return forms.record(own, forms.anything, optional=["scales"])

    def recognise(self, column: Column) -> Guess | None:
        """Never by itself: whether rows are moments is seen in the whole table."""
        return None

    def recognise_numbers(self, column: Column) -> Guess | None:
        """What holds for a column of numbers, or of yes and no; None for any other."""
        series = column.series()
        if series is not None and series.dtype == pl.Boolean:
            return Guess(1, "yes or no, as 1 and 0")
        return kind_named("number").recognise(column)

    def as_asked(self, column: Column) -> Guess:
        return self.recognise_numbers(column) or Guess(1, "")

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"value": (n,) float64}``. Cells that can't be read are reported and count as missing."""
        series = column.series()
        if series is not None and series.dtype == pl.Boolean:
            column = replace(column, held=series.cast(pl.Float64))
        return kind_named("number").store(column, settings, report, into=into)

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        value = np.asarray(stored.arrays["value"][rows], np.float64)
        value = value[np.isfinite(value)]
        # Squares of 10^200 would have no end.
        largest = float(abs(value).max()) if len(value) else 0.0
        unit = largest if largest > 0 else 1.0
        mean, std = (float((value / unit).mean()) * unit, float((value / unit).std()) * unit) if len(value) else (0, 0)
        return {"role": role, "mean": float(mean), "std": float(std)}

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:
        """(n,) float32, NaN where missing."""
        value = np.asarray(stored.arrays["value"], np.float64)
        return ((value - state["mean"]) / (state["std"] or 1.0)).astype(np.float32)

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[float | None]:
        """Numbers in the units of the data, None where missing."""
        value = np.asarray(encoded, np.float64) * (state["std"] or 1.0) + state["mean"]
        return [float(v) if math.isfinite(v) else None for v in value]

    def show(self, stored: Stored, row: int) -> str:
        value = float(stored.arrays["value"][row])
        return format_number(value) if math.isfinite(value) else "missing"

    def describe_goal(self, columns: int, classes: int) -> str:
        return "what comes next" if columns == 1 else f"what comes next in {columns} channels"
