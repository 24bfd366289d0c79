"""Categories: one of a few words. n examples, C values seen in training."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from .base import Guess, Kind, register
from .column import Column
from .encoded import Into, Stored, allocate_in_memory
from .notes import OWN_VALUE, Note, Report
from .spelling import compare_words, say_differences

# So many different values are categories when they repeat.
FEW_VALUES = 50

# Codes of an input; its values start behind them.
MISSING, UNKNOWN, RESERVED = 0, 1, 2

# A target with more different whole numbers is an amount.
MOST_CLASSES = 10

# Of each of three and more numbered classes that count from 0 or 1 on without a hole.
MIN_CLASS_ROWS = 5

# Rows a number, on average: with so many, numbers with holes or rare ones are classes too.
MANY_CLASS_ROWS = 100


@register
class Category(Kind):
    """int32 codes into a list of values; -1 where missing."""

    name = "category"
    joint = True
    one_class = True
    predictable = True
    augmentable = True
    stratified = "every class"
    column_nouns = ("category", "categories")

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        values = forms.list_of(forms.text(), least=int(role == "target"))
        return forms.record(
            {"role": forms.one_of(role), "values": values, "counts": forms.list_of(forms.whole())}, forms.anything
        )

    def recognise(self, column: Column) -> Guess | None:
        series = column.series()
        if series is None or series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
            return None
        if series.dtype.is_numeric() and series.cast(pl.Float64, strict=False).is_finite().any():
            return None
        present = column_words(column).drop_nulls()
        n, distinct = len(present), present.n_unique()
        if not distinct:
            return Guess(0.1, "no values at all", role="ignore")
        if distinct == 1 and n == len(series) > 1:
            return Guess(0.85, f"always '{present[0][:40]}', which tells nothing", role="ignore")
        reason = f"{distinct:,} words ({_commonest_values(present)})"
        if series.dtype in (pl.Boolean, pl.Categorical, pl.Enum):
            return Guess(0.95, reason)
        return _guess_words(present, distinct, reason)

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"code": (n,) int32}`` and, in ``meta``, the values they point to, as text in natural order."""
        # Two passes: codes stand for values in natural order, which is known when all have been seen.
        n, found, missing = len(column), set[str](), 0
        for piece in column.chunks():
            text = column_words(piece)
            found.update(text.drop_nulls().unique().to_list())
            missing += text.null_count()
        values = sorted(found, key=natural_key)
        code, start = into("code", (n,), np.int32), 0
        for piece in column.chunks():
            text = column_words(piece)
            codes = text.cast(pl.Enum(values)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy() if values else -1
            code[start : start + len(text)] = codes
            start += len(text)
        if missing:
            report(Note("info", f"{missing:,} of {n:,} values are missing", f"column '{column.name}'", OWN_VALUE))
        return Stored({"code": code}, {"values": values}, n)

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """The values in the training rows, in natural order, and how often each is there."""
        values = stored.meta["values"]
        code = np.asarray(stored.arrays["code"][rows])
        counts = np.bincount(code[code >= 0], minlength=len(values))
        seen = [i for i, count in enumerate(counts) if count]
        return {"role": role, "values": [values[i] for i in seen], "counts": [int(counts[i]) for i in seen]}

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:
        """(n,) int32. Input: 0 missing, 1 not seen in training, then the values. Target: 0..C-1, else -1."""
        target = state["role"] == "target"
        missing, unseen, first = (-1, -1, 0) if target else (MISSING, UNKNOWN, RESERVED)
        place = {value: first + i for i, value in enumerate(state["values"])}
        table = np.array([place.get(value, unseen) for value in stored.meta["values"]] + [missing], np.int32)
        # -1 picks the last entry: missing.
        return table[stored.arrays["code"]]

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[str | None]:
        """The values' text; None for missing and for values not seen in training."""
        first = 0 if state["role"] == "target" else RESERVED
        return [state["values"][code - first] if code >= first else None for code in np.asarray(encoded).tolist()]

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        seen = set(state["values"])
        unseen = [value for value in stored.meta["values"] if value not in seen]
        if not unseen:
            return ""
        if state["role"] == "target":
            return compare_words(unseen, state["values"])
        shown = ", ".join(f"'{value[:40]}'" for value in unseen[:5]) + (", …" if len(unseen) > 5 else "")
        near = say_differences(unseen, state["values"])
        what = "1 word is" if len(unseen) == 1 else f"{len(unseen):,} words are"
        return f"{what} new since training, and all new words count as the same: {shown}{near}"

    def count_classes(self, column: Column, settings: Mapping[str, Any]) -> dict[str, int]:
        present = column_words(column).drop_nulls().alias("value")
        table = present.value_counts(name="count").sort(["count", "value"], descending=[True, False])
        return dict(zip(table["value"].to_list(), table["count"].to_list(), strict=True))

    def find_classes(self, column: Column, settings: Mapping[str, Any], some: Sequence[str]) -> int:
        return int(column_words(column).is_in(some).arg_max() or 0)

    def strata(self, stored: Sequence[Stored]) -> np.ndarray:
        return np.asarray(stored[0].arrays["code"])

    def show(self, stored: Stored, row: int) -> str:
        code = int(stored.arrays["code"][row])
        return stored.meta["values"][code] if code >= 0 else "missing"


def column_words(column: Column) -> pl.Series:
    """Every value as text without spaces around it, null where there is none.

    Whole numbers are written without a point, so that 3, 3.0 and "3" are one value whatever type a file gave them.

    >>> column_words(Column("mark", pl.Series([3.0, 2.5, None]))).to_list()
    ['3', '2.5', None]
    """
    pieces = [_read_words(piece) for piece in column.chunks()]
    return pieces[0] if len(pieces) == 1 else pl.concat(pieces)


def _read_words(column: Column) -> pl.Series:
    series = column.series()
    if series is not None and series.dtype.is_float():
        series = series.fill_nan(None)
        # A column with one missing value is of floats in pandas and CSV: its 3.0 is the 3 of a column without.
        whole = series.cast(pl.Int64, strict=False)
        return pl.select(
            pl.when(series == whole).then(whole.cast(pl.String)).otherwise(series.cast(pl.String))
        ).to_series()
    text = column.as_type(pl.String).str.strip_chars()
    return text.set(text == "", None)


def natural_key(value: str) -> tuple[Any, ...]:
    """Sorts as a person would: numbers by size and before words, digits inside words by size.

    >>> sorted(["b", "10", "9", "a10", "a9"], key=natural_key)
    ['9', '10', 'a9', 'a10', 'b']
    """
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", value, re.ASCII | re.IGNORECASE):
        return (0, float(value), value)
    # Words and digits take turns, so like is compared with like.
    parts = re.split(r"(\d+)", value.lower())
    return (1, [int(part) if i % 2 else part for i, part in enumerate(parts)], value)


def target_guess(column: Column, guess: Guess) -> Guess | None:
    """The guess that ``column``, recognised as numbers, holds classes when it is the target; None if it does not."""
    counts = count_whole_numbers(column)
    if not are_classes(counts):
        return None
    return Guess(guess.confidence, explain_classes(column.name, counts), settings=guess.settings)


def explain_classes(name: str, counts: Mapping[int, int]) -> str:
    """What the whole numbers of a target are when they are classes, and how to have an amount."""
    instead = shlex.join(["--kind", f"{name}=number"])
    return f"{len(counts)} labels ({', '.join(map(str, counts))}); {instead} predicts an amount instead"


def count_whole_numbers(column: Column) -> dict[int, int]:
    """How often each number is there, in order; empty where a value is no whole number, or written in two ways."""
    present = column_words(column).drop_nulls()
    if present.n_unique() > FEW_VALUES:
        return {}
    table = present.alias("value").value_counts(name="count")
    if not table["value"].str.contains(r"^[+-]?\d{1,18}(\.0*)?$").all():
        return {}
    counts = {int(value.partition(".")[0]): count for value, count in table.iter_rows()}
    return dict(sorted(counts.items())) if len(counts) == len(table) else {}


def are_classes(counts: Mapping[int, int]) -> bool:
    """Whether the whole numbers of a target, with how often each is there, are more often classes than an amount.

    Two are. So are three to ten that count from 0 or 1 on without a hole, each in at least five rows; and any three to
    ten with a hundred rows a number.
    """
    if len(counts) <= 2 or len(counts) > MOST_CLASSES:
        return len(counts) == 2
    first, last = min(counts), max(counts)
    in_a_row = last - first == len(counts) - 1
    if in_a_row and first in (0, 1) and min(counts.values()) >= MIN_CLASS_ROWS:
        return True
    return sum(counts.values()) >= MANY_CLASS_ROWS * len(counts)


def could_be_classes(counts: Mapping[int, int]) -> bool:
    """Whether the whole numbers of an amount could be classes: few, and most of them there more than once."""
    return 2 <= len(counts) <= sum(counts.values()) // 2


def _guess_words(present: pl.Series, distinct: int, reason: str) -> Guess:
    n = len(present)
    if distinct <= FEW_VALUES and n >= 2 * distinct:
        return Guess(0.8, reason)
    single = 1 - present.str.contains(r"\s").mean()  # type: ignore[operator]
    if n > 2 and distinct > 0.9 * n and single > 0.9 and distinct > 2:
        return Guess(0.4, f"{distinct:,} words, nearly all different ({_commonest_values(present)})", role="id")
    if distinct <= 0.2 * n:
        return Guess(0.7, reason)
    return Guess(0.45, reason)


def _commonest_values(present: pl.Series, most: int = 2) -> str:
    """The commonest values, e.g. ``"Ideal, Premium, …"``."""
    counts = present.alias("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    shown = [value[:24] for value in counts["value"].head(most)]
    return ", ".join(shown + (["…"] if len(counts) > most else []))
