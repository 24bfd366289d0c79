"""Series: a cell that holds one whole series of numbers, such as a heartbeat. n examples, T values of one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from ..errors import PellucidError
from ..storage import forms
from ..wording import count_noun, number_text
from .base import Guess, Kind, register
from .column import Column
from .encoded import Into, Ragged, Stored, allocate_in_memory
from .notes import LEFT_OUT, Note, Report, report_some
from .number import format_number

# Values of one series that are shown on a page: one for each pixel, about.
MOST_SHOWN = 400

# Lists of whole numbers are series, and not sets of labels, when so many of them have a value twice.
REPEATS_SHARE = 0.5

# Series, spread evenly, that a column is recognised by.
SAMPLED_SERIES = 2_000


@register
class Series(Kind):
    """Numbers in their order; encoded by the training values' mean and deviation, never clipped, NaN where missing.

    Fields whose series are equally long, example by example, are channels of one input layer.
    """

    name = "series"
    types = (("values", "f8"), ("ends", "i8"))
    flat = "values"
    joint = True
    axes = 1
    family = "series"
    curves = True
    along_time = True
    noun = "a series"
    column_nouns = ("column of series", "columns of series")
    try_it = "new.ts"

    def axis(self, settings: Mapping[str, Any]) -> str:
        return str(settings.get("axis", ""))

    def settings(self) -> forms.Form:
        return forms.record({"axis": forms.text(200)}, forms.anything, optional=("axis",))

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        own = {
            "role": forms.one_of(role),
            "mean": forms.number(),
            "std": forms.number(0),
            "longest": forms.whole(1, 1 << 31),
            "shortest": forms.whole(0, 1 << 31),
            "missing": forms.number(0, 1),
        }
        return forms.record(own, forms.anything)

    def recognise(self, column: Column) -> Guess | None:
        if not holds_series(column):
            return None
        return guess_cells(column, 0.95)

    def as_asked(self, column: Column) -> Guess:
        """Raises PellucidError for a column whose cells are no lists of numbers."""
        return guess_cells(column, 1)

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"values": (total,) float64, "ends": (n,) int64}``, NaN where a value is missing.

        A cell without any known value is reported and listed in ``bad``.
        """
        cells = cells_of(column)
        lengths = cells.list.len().fill_null(0).cast(pl.Int64).to_numpy()
        ends = into("ends", (len(cells),), np.int64)
        ends[:] = np.cumsum(lengths)
        values = into("values", (int(lengths.sum()),), np.float64)
        values[:] = flat_values(cells)
        known = np.diff(np.append(0, np.cumsum(np.isfinite(values)))[np.append(0, ends)])
        bad = np.flatnonzero(known == 0)
        why = {int(row): column.faults.get(int(row), "there is no number in the series") for row in bad}
        notes = (Note.left_out(text, column.place(row)) for row, text in why.items())
        report_some(report, notes, len(why), "series can't be read and are left out", 20, LEFT_OUT)
        return Stored({"values": values, "ends": ends}, {}, len(cells), bad.astype(np.int64))

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """Mean and deviation of the training values, their share that is missing, and the lengths met."""
        values, lengths = np.asarray(stored.arrays["values"]), series_lengths(stored)
        learned_from = np.zeros(stored.n, bool)
        learned_from[rows] = True
        learned_from[stored.bad] = False
        own = values[np.repeat(learned_from, lengths)]
        known, there = own[np.isfinite(own)], lengths[learned_from]
        # Scaled first, because squares of numbers near the end of their range overflow.
        scale = float(np.abs(known).max(initial=0)) or 1.0
        return {
            "role": role,
            "mean": float((known / scale).mean() * scale) if len(known) else 0.0,
            "std": float((known / scale).std() * scale) if len(known) else 0.0,
            "longest": int(there.max(initial=1)),
            "shortest": int(there.min(initial=int(there.max(initial=1)))),
            "missing": 1 - len(known) / len(own) if len(own) else 0.0,
        }

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> Ragged:
        """Standardised float32, NaN where missing."""
        values = np.asarray(stored.arrays["values"])
        scaled = (values - state["mean"]) / (state["std"] or 1.0)
        return Ragged(scaled.astype(np.float32), np.asarray(stored.arrays["ends"]))

    def decode(self, encoded: Ragged | np.ndarray, state: Mapping[str, Any]) -> list[list[float] | None]:
        """Lists of numbers in the units of the data, NaN where one is missing; None for a series without any."""
        rows = (np.asarray(encoded[row], np.float64) for row in range(len(encoded)))
        return [(row * (state["std"] or 1.0) + state["mean"]).tolist() if len(row) else None for row in rows]

    def show(self, stored: Stored, row: int) -> str:
        values = series_at(stored, row)
        known = values[np.isfinite(values)]
        if not len(known):
            return "missing"
        low, high = format_number(float(known.min())), format_number(float(known.max()))
        return f"{count_noun(len(values), 'value')} from {low} to {high}"

    def curve(self, stored: Stored, row: int) -> list[float | None]:
        """The values of one series as a page draws them, thinned evenly where there are very many."""
        values = series_at(stored, row)
        values = values[:: max(1, len(values) // (10 * MOST_SHOWN))]
        return [float(value) if np.isfinite(value) else None for value in values]

    def describe_reading(self, stored: Stored, row: int, state: Mapping[str, Any]) -> str:
        gone = ~np.isfinite(series_at(stored, row))
        if not gone.any():
            return ""
        usual = f"the mean of training, {number_text(state['mean'])}"
        are = "which is missing" if gone.sum() == 1 else "which are missing"
        return f"{usual}, for {gone.sum():,} of its {count_noun(len(gone), 'value')}, {are}"

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        """Values that are missing, or far from those of training, where none were."""
        values = np.asarray(stored.arrays["values"])
        known = values[np.isfinite(values)]
        if len(known) < len(values) and not state["missing"]:
            return (
                f"{count_noun(len(values) - len(known), 'value')} missing, as none was in training: taken as the mean"
            )
        # Ten deviations of all values together: another unit, rather than an unusual series.
        far = int((np.abs(known - state["mean"]) > 10 * (state["std"] or 1.0)).sum()) if len(known) else 0
        if far > 0.5 * len(known) > 0:
            return "most values lie far outside the training data's range: another unit?"
        return ""


def holds_lists_of_numbers(column: Column) -> bool:
    """Whether each cell of a column is a list of numbers; by its type alone."""
    return is_list_of_numbers(column.held.dtype)


def is_list_of_numbers(dtype: Any) -> bool:
    """Whether a type of Polars is that of lists of numbers."""
    if isinstance(dtype, pl.Array):
        return len(dtype.shape) == 1 and dtype.inner.is_numeric()
    return isinstance(dtype, pl.List) and dtype.inner.is_numeric()


def holds_series(column: Column) -> bool:
    """Whether the cells are series: lists of numbers, and no sets of whole numbers."""
    if not holds_lists_of_numbers(column):
        return False
    cells = cells_of(column)
    if cells.dtype.inner.is_float():  # type: ignore[attr-defined]
        return True
    some = cells.drop_nulls().gather_every(max(1, len(cells) // SAMPLED_SERIES))
    repeats = (some.list.n_unique() < some.list.len()).mean()
    return repeats is not None and float(repeats) > REPEATS_SHARE  # type: ignore[arg-type]


def guess_cells(column: Column, confidence: float) -> Guess:
    """What holds for a column of series: how long they are, and the axis they lie on."""
    lengths = cells_of(column).list.len().fill_null(0).to_numpy()
    there = lengths[lengths > 0]
    if not len(there):
        return Guess(confidence, "no values at all", "ignore")
    low, high = int(there.min()), int(there.max())
    long = f"{high:,}" if low == high else f"{low:,} to {high:,}"
    reason = f"series of {long} values"
    # A row that could not be read is as long as any.
    alike = f"{high}" if low == high else hashlib.sha256(lengths.astype("<i8").tobytes()).hexdigest()[:12]
    return Guess(confidence, reason, settings={"axis": f"length {alike}"})


def cells_of(column: Column) -> pl.Series:
    """The cells as lists, null where there is none. Raises PellucidError for what holds none."""
    series = column.series()
    if series is not None and series.null_count() == len(series):
        return pl.Series(column.name, [None] * len(series), pl.List(pl.Float64))
    if series is None or not holds_lists_of_numbers(column):
        holds = f"values of type {series.dtype}" if series is not None else f"an array of {np.shape(column.values)}"
        raise PellucidError(
            f"the column '{column.name}' holds {holds}, which can't be read as series",
            fix="a series is a list of numbers; or give a table with one series a row, or a .ts file",
        )
    return series.arr.to_list() if isinstance(series.dtype, pl.Array) else series


def flat_values(cells: pl.Series) -> np.ndarray:  # n cells -> (total,) float64
    """All values one after the other, NaN where there is none or it is infinite."""
    flat = cells.filter((cells.list.len() > 0).fill_null(False)).list.explode().cast(pl.Float64, strict=False)
    values = flat.to_numpy().astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def series_lengths(stored: Stored) -> np.ndarray:  # (n,)
    """How many values each series has."""
    return np.diff(np.asarray(stored.arrays["ends"]), prepend=0)


def series_at(stored: Stored, row: int) -> np.ndarray:  # -> (T,)
    """The values of one series, in the units of the data."""
    return Ragged(np.asarray(stored.arrays["values"]), np.asarray(stored.arrays["ends"]))[row]
