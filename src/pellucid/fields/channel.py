"""A quantity that is measured at every step of a series: a row is a moment, and what is learned from is a stretch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from ..wording import join_words
from .base import Field, Guess, Kind, kind_named, register
from .category import column_words, natural_key
from .column import Column, drop_missing
from .encoded import Into, Stored, allocate_in_memory
from .notation import COMMA, POINT
from .notes import Report
from .number import format_number

# The axis that all channels of a table lie on.
AXIS = "time"

# A stranger's file may ask for any number.
MOST_STEPS, MOST_CALENDAR, MOST_CHANNELS = 1_000_000, 100, 200_000

# Different words of a column that is read as words.
MOST_WORDS = 30


@register
class Channel(Kind):
    """float64 values, NaN where missing; encoded by the training values' mean and spread alone, so that it goes back.

    Never clipped and never bent by quantiles, as what is forecast must be told in its own unit.

    What is known ahead may be words (the setting ``words``): a code each, encoded as a column of 0 and 1 a word.
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
        known["words"] = forms.list_of(forms.text(), most=MOST_WORDS)
        known["missing"] = forms.list_of(forms.text())
        return forms.record(known, forms.anything, optional=["decimal", "words", "missing"])

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        # How much the training values of a series differ from those a season before, by the series' name.
        scales = forms.map_of(forms.number(0))
        own = {"role": forms.one_of(role), "mean": forms.number(), "std": forms.number(0), "scales": scales}
        words = len(settings.get("words", ()))
        own |= {"words": forms.whole(words, words)} if words else {}
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

    def recognise_words(self, column: Column) -> Guess | None:
        """What holds for a column of a few words that come again; None for any other."""
        guess = kind_named("category").recognise(column)
        if guess is None or guess.role != "input":
            return None
        missing = guess.settings.get("missing", ())
        words = sorted(drop_missing(column_words(column, missing)).unique().to_list(), key=natural_key)
        return replace(guess, settings={**guess.settings, "words": words}) if 1 < len(words) <= MOST_WORDS else None

    def as_asked(self, column: Column) -> Guess:
        return self.recognise_numbers(column) or Guess(1, "")

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"value": (n,) float64}``. Cells that can't be read are reported and count as missing."""
        if words := settings.get("words"):
            return _store_words(column, words, settings.get("missing", ()), into)
        series = column.series()
        if series is not None and series.dtype == pl.Boolean:
            column = replace(column, held=series.cast(pl.Float64))
        return kind_named("number").store(column, settings, report, into=into)

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        if settings.get("words"):
            return {"role": role, "mean": 0.0, "std": 1.0, "words": len(settings["words"])}
        value = np.asarray(stored.arrays["value"][rows], np.float64)
        value = value[np.isfinite(value)]
        # Squares of 10^200 would have no end.
        largest = float(abs(value).max()) if len(value) else 0.0
        unit = largest if largest > 0 else 1.0
        mean, std = (float((value / unit).mean()) * unit, float((value / unit).std()) * unit) if len(value) else (0, 0)
        return {"role": role, "mean": float(mean), "std": float(std)}

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:
        """(n,) float32, NaN where missing; of words (n, W)."""
        value = np.asarray(stored.arrays["value"], np.float64)
        if count := state.get("words"):
            each = (value[:, None] == np.arange(count)).astype(np.float32)
            return np.where(np.isfinite(value)[:, None], each, np.float32(np.nan))
        return ((value - state["mean"]) / (state["std"] or 1.0)).astype(np.float32)

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[float | None]:
        """Numbers in the units of the data, None where missing."""
        value = np.asarray(encoded, np.float64) * (state["std"] or 1.0) + state["mean"]
        return [float(v) if math.isfinite(v) else None for v in value]

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        new = [f"'{word[:40]}'" for word in stored.meta.get("new", ())]
        what = "a word that was not" if len(new) == 1 else f"{len(new):,} words that were not"
        return f"holds {what} in training: {join_words(new, 3)}" if new else ""

    def show(self, stored: Stored, row: int) -> str:
        value = float(stored.arrays["value"][row])
        if (words := stored.meta.get("words")) and math.isfinite(value):
            return words[int(value)] if value < len(words) else "a word that was not in training"
        return format_number(value) if math.isfinite(value) else "missing"

    def describe_goal(self, columns: int, classes: int) -> str:
        return "what comes next" if columns == 1 else f"what comes next in {columns} channels"


def columns_of(field: Field) -> int:
    """Columns that a field has among the channels: one, or one a word."""
    return len(field.settings.get("words", ())) or 1


def _store_words(column: Column, words: Sequence[str], missing: Sequence[str], into: Into) -> Stored:
    """``{"value": (n,) float64}``, the place of each word in ``words``; behind the last for any other word."""
    place = {word: float(i) for i, word in enumerate(words)}
    text = column_words(column, missing)
    known = text.replace_strict(place, default=float(len(words)), return_dtype=pl.Float64)
    value = into("value", (len(column),), np.float64)
    value[:] = known.set(text.is_null(), None).to_numpy()
    new = text.filter(text.is_not_null() & (known == len(words))).unique().sort().to_list()
    return Stored({"value": value}, {"words": list(words), "new": new}, len(column))
