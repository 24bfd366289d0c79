"""Numbers: measurements, counts, prices. n examples; missing values are NaN everywhere."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from ..wording import count_noun, number_text, rounded_number
from .base import Guess, Kind, register
from .column import Column, cut_series, drop_missing, thin_series
from .encoded import Into, Stored, allocate_in_memory
from .notation import BOUND, COMMA, POINT, has_digit, read_degrees, read_durations, read_marked, take_signs
from .notes import AS_MISSING, TAKEN_OFF, Note, Report, report_some
from .years import is_year

# Compared in lower case, without spaces around. The last ones are what spreadsheets and databases write.
MISSING = ("", ":", "na", "n/a", "null", "?", "-", "nan", "none", "n.a.", "--", "---", "–", "—", ".", "..", "...",
           "k.a.", "k. a.", "s/o",
           "<na>", "nat", "(null)", "\\n",
           "#n/a", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!")  # fmt: skip

# 007, 01234: a code, not a number; read as one, its zeros would be lost.
CODE_TEXT = r"^0\d+$"

# What is taken off <0.5; and the share of a column's numbers above which these are classes: <30 and >30.
BOUNDS, MOST_BOUNDS = "signs of a bound (<, >)", 0.5

# What is taken off 47°22'N and 8.5° W.
DEGREES = "degrees and points of the compass (south and west are below 0)"

# What is taken off 26:05:10 and 75:30.
DURATIONS = "colons of durations (h:mm:ss or m:ss, read as seconds)"

ID_NAMES = ("", "index", "idx", "no", "nr", "row", "rowid", "number", "unnamed: 0")

# Dates as numbers are days since 1970.
DAY_MICROSECONDS = 86_400e6

BINS = 48

# Rows that scales are learned from: with a million, levels are known to 0.0005.
FITTED_ROWS = 1 << 20

# Cells of a column that are looked at before all of them are, and the share of numbers below which it holds none.
FIRST_CELLS, HARDLY = 4_000, 0.5

# Odd cells named one by one.
MOST_SAID = 5

# Of the curve from values to a normal distribution.
CURVE_POINTS = 256

# Encoded inputs stay within this many standard deviations: one cell with a slipped decimal point would else drown a
# batch.
LIMIT = 10.0

# Bins or points that a state read from a file may have.
MOST_POINTS = 1 << 16

SCALES = ("standard", "quantile")

# Of new numbers: where more lie outside by more than the range of those learned from, it looks like another unit.
# Single outliers are what inputs are clipped for (docs/LOG.md, 2026-11-23).
FAR_SHARE = 0.5

# Above either, values are scaled by quantiles; a normal distribution has 0 and 3.4.
MOST_SKEW, MOST_TAIL = 1.0, 6.0


@register
class Number(Kind):
    """float64 values, NaN where missing; encoded to about mean 0 and standard deviation 1."""

    name = "number"
    types = (("value", "f8"),)
    joint = True
    amount = True
    predictable = True
    together = True

    def settings(self) -> forms.Form:
        known = {"scale": forms.maybe(forms.one_of(*SCALES)), "decimal": forms.one_of(POINT, COMMA)}
        return forms.record(known, forms.anything, optional=list(known))

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        own = {
            "role": forms.one_of(role),
            "mean": forms.number(),
            "std": forms.number(0),
            "missing": forms.number(0, 1),
        }
        if role == "target":
            own |= {"min": forms.number(), "max": forms.number(), "integer": forms.flag, "transform": forms.text()}
        else:
            own |= {
                "edges": forms.rising(forms.number(), most=MOST_POINTS),
                "scale": forms.one_of(*SCALES),
                "quantiles": forms.maybe(_curve_form),
            }
        return forms.all_of(forms.record(own, forms.anything), _scale_form)

    def recognise(self, column: Column) -> Guess | None:
        series = column.series()
        if series is None or not (series.dtype.is_numeric() or series.dtype == pl.String):
            return None
        mark = column.decimal
        if series.dtype == pl.String and (not has_digit(series) or _hardly_numbers(series, mark)):
            return None
        settings = {"decimal": mark} if mark != POINT else {}
        parsed = [parse_numbers(stretch, mark) for stretch in cut_series(series)]
        pieces = [drop_missing(one) for one, _ in parsed]
        value = pieces[0] if len(pieces) == 1 else pl.concat(pieces)
        finite = np.isfinite(value.to_numpy())
        value = value if finite.all() else value.filter(finite)
        if not len(value) or sum(taken.get(BOUNDS, 0) for _, taken in parsed) > MOST_BOUNDS * len(value):
            return None
        low, high = (format_number(float(end), column.name) for end in (value.min(), value.max()))  # type: ignore[arg-type]
        reason = f"{count_noun(len(value), 'number')} from {low} to {high}"
        confidence = 0.9 if series.dtype.is_numeric() else _number_confidence(series, len(value))
        if confidence == 0:
            return None
        if why := _like_an_id(column.name, value, len(series)):
            return Guess(confidence, why, "id", settings)
        if len(series) > 1 and value.min() == value.max() and len(value) == len(series):
            return Guess(confidence, f"always {low}, which says nothing", "ignore", settings)
        return Guess(
            confidence,
            reason + (", with decimal commas" if settings and _has_commas(series) else ""),
            settings=settings,
        )

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"value": (n,) float64}``. Cells that can't be read are reported and count as missing."""
        value = into("value", (len(column),), np.float64)
        unread, infinite, taken_off, start = _OddCells(), _OddCells(), Counter[str](), 0
        for piece in column.chunks():
            series = _as_numbers(piece)
            parsed, marks = parse_numbers(series, settings.get("decimal", POINT))
            # Null becomes NaN.
            own = parsed.to_numpy()
            if series.dtype == pl.String:
                text = series.str.strip_chars()
                odd = np.flatnonzero(np.isnan(own) & ~is_missing(text).to_numpy())
                unread.add_cells(odd + start, [f"'{text[int(r)][:40]}'" for r in odd[:MOST_SAID]])
            without_end = np.isinf(own)
            if without_end.any():
                infinite.add_cells(np.flatnonzero(without_end) + start, ["an infinite number"] * MOST_SAID)
            value[start : start + len(own)] = np.where(without_end, math.nan, own)
            taken_off.update(marks)
            start += len(own)
        unread.report_cells(
            column, report, "is not a number and counts as missing", "cells of column '{}' are not numbers"
        )
        infinite.report_cells(column, report, "counts as missing", "infinite numbers in column '{}'")
        for what, count in taken_off.items():
            report(Note("info", f"{what} taken off {count:,} numbers", f"column '{column.name}'", TAKEN_OFF))
        return Stored({"value": value}, {}, len(column))

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """Mean and spread; for inputs also how to scale, and quantiles in the units of the data.

        Of more than ``FITTED_ROWS`` rows so many, spread evenly, are looked at for an input.
        """
        # Of a target all rows count: the naive answer and R² are made of its mean.
        rows = rows[:: max(1, len(rows) // FITTED_ROWS)] if role != "target" else rows
        every = np.asarray(stored.arrays["value"][rows], np.float64)
        value = every[np.isfinite(every)]
        state: dict[str, Any] = {"role": role, "mean": 0.0, "std": 0.0, "missing": _share_missing(every, value)}
        if len(value):
            state["mean"], state["std"] = _mean_and_spread(value)
        if role == "target":
            low, high = (float(value.min()), float(value.max())) if len(value) else (0.0, 0.0)
            whole = bool(np.all(value == np.round(value)))
            return state | {"min": low, "max": high, "integer": whole, "transform": "identity"}
        edges = bin_edges(value)
        scale, why = _choose_scale(value) if settings.get("scale") is None else (settings["scale"], "as set")
        state |= {"edges": edges.tolist(), "scale": scale, "why": why}
        state |= {"median": float(np.median(value))} if len(value) else {}
        return state | {"quantiles": _normal_curve(value) if scale == "quantile" else None}

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:
        """(n,) float32, NaN where missing. Inputs are kept within ±10, rising with the value."""
        value = np.asarray(stored.arrays["value"], np.float64)
        if state.get("scale") == "quantile":
            scaled = _follow_lines(value, state["quantiles"]["value"], state["quantiles"]["normal"])
        elif state["std"] > 0:
            scaled = (value - state["mean"]) / state["std"]
        else:
            scaled = np.where(np.isfinite(value), 0.0, math.nan)
        if state["role"] != "target":
            scaled = np.clip(scaled, -LIMIT, LIMIT)
        return scaled.astype(np.float32)

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[float | None]:
        """Numbers in the units of the data, None where missing."""
        scaled = np.asarray(encoded, np.float64)
        if state.get("scale") == "quantile":
            value = _follow_lines(scaled, state["quantiles"]["normal"], state["quantiles"]["value"])
        else:
            value = scaled * state["std"] + state["mean"]
        return [float(v) if math.isfinite(v) else None for v in value]

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        value = np.asarray(stored.arrays["value"], np.float64)
        present, findings = value[np.isfinite(value)], []
        if state["role"] == "target" or not state["edges"]:
            return ""
        if len(present) < len(value) and not state["missing"]:
            gone = "1 number is" if len(value) - len(present) == 1 else f"{len(value) - len(present):,} numbers are"
            findings.append(f"{gone} missing, as none was in training: a typical value is used instead")
        low, high = state["edges"][0], state["edges"][-1]
        reach = high - low
        far = int(((present < low - reach) | (present > high + reach)).sum())
        if far > FAR_SHARE * len(present):
            seen = f"from {format_number(low)} to {format_number(high)}"
            which = f"{far:,} of {len(present):,} lie" if len(present) > 1 else f"{format_number(present[0])} lies"
            findings.append(f"{which} far outside the training data's range ({seen}): another unit?")
        return "; ".join(findings)

    def describe_reading(self, stored: Stored, row: int, state: Mapping[str, Any]) -> str:
        if math.isfinite(float(stored.arrays["value"][row])):
            return ""
        usual = self.decode(np.zeros(1), state)[0] or 0.0
        what = "the median" if state.get("scale") == "quantile" else "the mean"
        learned = (
            ", and a mark that it is missing"
            if state["missing"]
            else " (no training row had a gap here, so what the network makes of one was never learned)"
        )
        return f"{number_text(usual)}, {what} of training{learned}"

    def show(self, stored: Stored, row: int) -> str:
        value = float(stored.arrays["value"][row])
        return format_number(value) if math.isfinite(value) else "missing"


def bin_edges(value: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The edges of bins with evenly many of the values (n,), at most ``bins`` + 1, strictly rising.

    A value that is there often would be several edges, bins of no width: it counts as one bin's worth at most.

    >>> bin_edges(np.array([0.0] * 90 + [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), 4).tolist()
    [0.0, 0.25, 3.5, 6.75, 10.0]
    """
    if not len(value):
        return value
    distinct, count = np.unique(value, return_counts=True)
    if len(distinct) <= bins + 1:
        return distinct
    kept = np.minimum(count, one_bins_worth(count, bins))
    # Where nothing repeats that often, plain quantiles.
    some = value if kept.sum() == len(value) else np.repeat(distinct, kept)
    return np.unique(np.quantile(some, np.linspace(0, 1, bins + 1)))


def one_bins_worth(count: np.ndarray, bins: int) -> int:
    """How often a value may count, so that all of ``count`` (more values than ``bins``) fill so many bins of as much.

    >>> one_bins_worth(np.array([90, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), 4)
    4
    """
    # Capped from the commonest on: k of them leave the rest to fill the other bins.
    falling = np.sort(count)[::-1]
    rest = count.sum() - np.concatenate([[0], np.cumsum(falling[: bins - 1])])  # (bins,)
    worth = rest / (bins - np.arange(len(rest)))
    # The last of these always is enough: what is left for one bin is no less than the commonest of it.
    return math.ceil(worth[int(np.argmax(falling[: len(worth)] <= worth))])


def parse_numbers(series: pl.Series, decimal: str = POINT) -> tuple[pl.Series, dict[str, int]]:
    """Numbers (float64, null where there is none) and what was taken off how many of them.

    Args:
        decimal: the mark before the decimals, "." or ",". A number that has the other one there is not read.

    >>> parse_numbers(pl.Series(["1,200", "$5", "(3.5)", "tall"]))[0].to_list()
    [1200.0, 5.0, -3.5, None]
    >>> parse_numbers(pl.Series(["1.200", "12,5 %", "3.5"]), ",")[0].to_list()
    [1200.0, 12.5, None]
    """
    if series.dtype != pl.String:
        return _without_nan(series.cast(pl.Float64, strict=False)), {}
    text = series.str.strip_chars()
    text = text.set(is_missing(text), None)
    # Numbers as programs write them need no second look, and words without a digit are none.
    usual = (text if decimal == POINT else text.str.head(0)).cast(pl.Float64, strict=False)
    rest = (usual.is_null() & text.str.contains(r"\d")).fill_null(False)
    if not rest.any():
        return usual.fill_nan(None), {}
    strange = text.filter(rest)
    bare, money, boxed = take_signs(strange, decimal)
    value, grouped = read_marked(bare, decimal)
    bound = strange.str.contains(BOUND)
    # Most columns name no point of the compass, and no time.
    none = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(bare))
    degrees = read_degrees(strange) if strange.str.contains("[NSEW]").any() else none
    durations = read_durations(strange) if strange.str.contains(":", literal=True).any() else none
    value = value.fill_null(degrees).fill_null(durations)
    taken = {
        BOUNDS: bound & value.is_not_null(),
        DEGREES: degrees.is_not_null(),
        DURATIONS: durations.is_not_null(),
        "thousands separators": grouped,
        "currency or percent signs": money & value.is_not_null(),
        "brackets, which mean minus,": boxed & value.is_not_null(),
    }
    counts = {what: count for what, where in taken.items() if (count := int(where.sum() or 0))}
    return usual.scatter(rest.arg_true(), value).fill_nan(None), counts


def _without_nan(value: pl.Series) -> pl.Series:
    """Float values with null in place of NaN."""
    # Asked of NumPy: an expression of Polars costs a tenth of a millisecond, and there may be 10,000 columns.
    return value.fill_nan(None) if np.isnan(value.to_numpy()).sum() > value.null_count() else value


def is_missing(text: pl.Series) -> pl.Series:  # (n,) -> (n,) bool
    """Where a cell is empty or one of the words that stand for an empty one."""
    found = [one.is_null() | one.str.to_lowercase().is_in(MISSING) for one in cut_series(text)]
    return found[0] if len(found) == 1 else pl.concat(found)


def first_word(series: pl.Series, decimal: str = POINT) -> str | None:
    """The first cell that is there and no number; None where all are numbers or missing."""
    if series.dtype != pl.String:
        return None
    text = series.str.strip_chars()
    odd = text.filter(parse_numbers(series, decimal)[0].is_null() & ~is_missing(text))
    return odd[0] if len(odd) else None


def format_number(value: float, name: str = "") -> str:
    """A number, of the column ``name``, as a person writes it.

    >>> format_number(18823.5), format_number(0.25), format_number(2010.0, "model year"), format_number(1649921.98)
    ('18,823.5', '0.25', '2010', '1,649,922')
    """
    if is_year(name, value):
        return str(int(value))
    if value == round(value, 0) and abs(value) < 1e15:
        return f"{int(value):,}"
    return rounded_number(value, 6)


def _hardly_numbers(series: pl.Series, mark: str) -> bool:
    """Whether too few of some cells are numbers for all of them to be nearly all: words, which cost most to parse."""
    some = thin_series(series, FIRST_CELLS)
    text = some.filter(~is_missing(some.str.strip_chars()))
    return len(text) > 1 and parse_numbers(text, mark)[0].count() < HARDLY * len(text)


def _has_commas(series: pl.Series) -> bool:
    return series.dtype == pl.String and bool(series.str.contains(",", literal=True).any())


def _number_confidence(series: pl.Series, numbers: int) -> float:
    """How sure it is that text holds numbers: nearly all of it must, and codes with leading zeros don't count."""
    count, codes = 0, False
    for text in (stretch.str.strip_chars() for stretch in cut_series(series)):
        present = text.filter(~is_missing(text))
        count += len(present)
        codes = codes or bool(present.str.contains(CODE_TEXT).any())
    if numbers < 0.8 * count:
        return 0.0
    if codes:
        return 0.3
    return 0.9 if numbers == count else 0.6


def _like_an_id(name: str, value: pl.Series, n: int) -> str:
    """Why the numbers only count the rows; empty when they mean something."""
    if n < 3 or len(value) != n or (value.to_numpy() % 1).any() or value.n_unique() != n:
        return ""
    # As in userId, Customer ID, id_2.
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)]
    if name.lower() in ID_NAMES or "id" in (words[:1] + words[-1:]):
        return "whole numbers, all different, named like an id"
    if n >= 10 and value[0] in (0, 1) and (value.diff().drop_nulls() == 1).all():
        return f"counts the rows from {format_number(value[0])}"
    return ""


def _as_numbers(column: Column) -> pl.Series:
    """The values as numbers or text; dates are days since 1970."""
    series = column.series()
    if series is not None and series.dtype in (pl.Date, pl.Datetime):
        return series.cast(pl.Datetime("us")).dt.epoch("us") / DAY_MICROSECONDS
    return series if series is not None and series.dtype == pl.String else column.as_type(pl.Float64)


class _OddCells:
    """Cells that say no number: how many, and the first few of them."""

    def __init__(self) -> None:
        self.count, self.first = 0, list[tuple[int, str]]()

    def add_cells(self, rows: np.ndarray, shown: list[str]) -> None:
        self.count += len(rows)
        self.first += zip(rows[: MOST_SAID - len(self.first)].tolist(), shown, strict=False)

    def report_cells(self, column: Column, report: Report, what: str, more: str) -> None:
        notes = (Note("warning", f"{shown} {what}", column.place(row), AS_MISSING) for row, shown in self.first)
        report_some(report, notes, self.count, more.format(column.name), MOST_SAID)


def _share_missing(every: np.ndarray, value: np.ndarray) -> float:
    return 1 - len(value) / len(every) if len(every) else 0.0


def _mean_and_spread(value: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; the latter 0 when what there is comes from rounding alone (a constant column)."""
    size = float(np.abs(value).max())
    if size == 0:
        return 0.0, 0.0
    # So that squares of huge numbers stay finite.
    unit = value / size
    mean, std = float(unit.mean()), float(unit.std())
    return mean * size, std * size if std > 1e-12 else 0.0


def _choose_scale(value: np.ndarray) -> tuple[str, str]:
    """How to scale an input, and why: few values and even spreads keep their distances, long tails don't."""
    if len(np.unique(value)) <= 10:
        return "standard", "few different values"
    # Cubes of huge numbers overflow.
    value = value / np.abs(value).max()
    mean, std = _mean_and_spread(value)
    skew = float(np.mean(((value - mean) / std) ** 3)) if std > 0 else 0.0
    low, lower, upper, high = np.quantile(value, (0.01, 0.25, 0.75, 0.99))
    tail = (high - low) / (upper - lower) if upper > lower else math.inf
    if abs(skew) > MOST_SKEW:
        return "quantile", f"skewed ({skew:.1f})"
    if tail > MOST_TAIL:
        return "quantile", "long tails"
    return "standard", f"even spread (skew {skew:.1f})"


def _normal_curve(value: np.ndarray) -> dict[str, list[float]]:
    """Points from values to a normal distribution, both rising; equal values share the middle of their levels."""
    inner = (np.arange(CURVE_POINTS) + 0.5) / CURVE_POINTS
    # The level of the least value among so many: 0 itself would be at minus infinity.
    end = min(0.5 / len(value), inner[0] / 2)
    points, inverse = np.unique(np.quantile(value, [0.0, *inner, 1.0]), return_inverse=True)
    normal = np.array([NormalDist().inv_cdf(level) for level in (end, *inner, 1 - end)])
    middle = np.bincount(inverse, normal) / np.bincount(inverse)
    return {"value": points.tolist(), "normal": middle.round(5).tolist()}


def _scale_form(value: Any, where: str) -> None:
    if value.get("scale") == "quantile" and value["quantiles"] is None:
        raise forms.FormError(f"{where} is scaled by quantiles and has none")


def _curve_form(value: Any, where: str) -> None:
    """The form of what ``_normal_curve`` returns."""
    points = forms.rising(forms.number(), least=1, most=MOST_POINTS)
    forms.record({"value": points, "normal": points})(value, where)
    if len(value["value"]) != len(value["normal"]):
        raise forms.FormError(f"{where} has {len(value['value'])} values for {len(value['normal'])} levels")


def _follow_lines(x: np.ndarray, xs: list[float], ys: list[float]) -> np.ndarray:
    """Straight lines through the points (xs rising); beyond the ends the mean slope goes on, so order is kept."""
    if len(xs) < 2:
        return np.where(np.isnan(x), math.nan, ys[0] if ys else 0.0)
    # Two points may lie so near that the slope overflows, and infinity times 0 is no number.
    slope = min((ys[-1] - ys[0]) / (xs[-1] - xs[0]), 1e300)
    beyond = np.minimum(x - xs[0], 0) + np.maximum(x - xs[-1], 0)
    return np.interp(x, xs, ys) + slope * beyond
