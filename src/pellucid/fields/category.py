"""Categories: one of a few words. n examples, C values seen in training."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from ..wording import count_noun, join_words
from .base import Guess, Kind, register
from .column import PIECE, Column, drop_missing
from .encoded import Into, Stored, allocate_in_memory
from .missing_words import MARKERS, are_numbers, find_markers
from .notes import AS_VALUE, OWN_VALUE, Note, Report
from .same_value import match_values, unify_truths
from .spelling import compare_words, say_known
from .stored_rows import check_codes

# So many different values are categories when they repeat.
FEW_VALUES = 50

# With a smaller share of values it is said how many are missing.
MOSTLY_MISSING = 0.5

# The reason of a column without any.
NO_VALUES = "no values at all"

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
    types = (("code", "i4"),)
    joint = True
    one_class = True
    predictable = True
    augmentable = True
    stratified = "class"
    column_nouns = ("category", "categories")

    def settings(self) -> forms.Form:
        return forms.record({"missing": forms.list_of(forms.text())}, forms.anything, optional=["missing"])

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        values = forms.list_of(forms.text(), least=int(role == "target"))
        return forms.record(
            {"role": forms.one_of(role), "values": values, "counts": forms.list_of(forms.whole())}, forms.anything
        )

    def recognise(self, column: Column) -> Guess | None:
        series = column.series()
        if series is None or series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
            return None
        if series.dtype.is_numeric() and np.isfinite(series.cast(pl.Float64, strict=False).to_numpy()).any():
            return None
        present = drop_missing(column_words(column))
        if settings := missing_settings(present):
            present = present.filter(~present.is_in(settings["missing"]))
        n, distinct = len(present), present.n_unique()
        if not distinct:
            return Guess(0.95 if settings else 0.1, NO_VALUES, role="ignore", settings=settings)
        if distinct == 1 and n == len(series) > 1:
            return Guess(0.85, f"always '{present[0][:40]}', which says nothing", role="ignore")
        reason = f"{count_noun(distinct, 'distinct value')} ({_commonest_values(present)})"
        if n < MOSTLY_MISSING * len(series):
            reason += f", {len(series) - n:,} of {len(series):,} values missing"
        if series.dtype in (pl.Boolean, pl.Categorical, pl.Enum):
            return Guess(0.95, reason)
        return replace(_guess_words(present, distinct, reason), settings=settings)

    def as_asked(self, column: Column) -> Guess:
        """Every word is a value where a user or a layout says that there are categories; beside numbers none is."""
        guess = super().as_asked(column)
        if "missing" in guess.settings and not are_numbers(drop_missing(column_words(column)).unique().to_list()):
            return replace(guess, settings={k: v for k, v in guess.settings.items() if k != "missing"})
        return guess

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"code": (n,) int32}`` and, in ``meta``, the values they point to, as text in natural order.

        Settings: ``missing``, the words that stand for no value.
        """
        # Two passes: codes stand for values in natural order, which is known when all have been seen.
        n, counts = len(column), Counter[str | None]()
        # A short column is read once, and of a long one no more than a stretch is held.
        short = [_read_words(piece) for piece in column.chunks()] if n <= PIECE else None
        for text in short or map(_read_words, column.chunks()):
            words_here = text.alias("value").value_counts(name="count")
            counts.update(dict(words_here.iter_rows()))
        spelling = unify_truths(counts.keys() - {None})  # type: ignore[arg-type]
        gone = [word for word in settings.get("missing", ()) if word in counts]
        found = {spelling.get(word, word) for word in counts if word is not None}
        values = sorted(found - set(gone), key=natural_key)
        place = {value: code for code, value in enumerate(values)}
        # Words that stand for no value, or for another's spelling, are behind the values.
        words = [*values, *(word for word in counts if word is not None and word not in place)]
        table = np.array([*(place.get(spelling.get(word, word), -1) for word in words), -1], np.int32)
        code, start = into("code", (n,), np.int32), 0
        for text in short or map(_read_words, column.chunks()):
            own = text.cast(pl.Enum(words)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy() if words else [-1]
            code[start : start + len(text)] = table[own]
            start += len(text)
        _report_missing(column, counts, gone, report)
        return Stored({"code": code}, {"values": values}, n)

    def take(self, stored: Stored, rows: np.ndarray) -> Stored:
        """With the values that are among them alone: of a column of many words a few rows have few."""
        code = np.asarray(stored.arrays["code"])[rows]
        used = np.unique(code[code >= 0])
        own = np.where(code >= 0, np.searchsorted(used, code), -1).astype(np.int32)
        return Stored({"code": own}, {**stored.meta, "values": [stored.meta["values"][i] for i in used]}, len(rows))

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        super().check_stored(stored, state)
        forms.record({"values": forms.list_of(forms.text())}, forms.anything)(stored.meta, "meta")
        check_codes(stored.arrays["code"], len(stored.meta["values"]))

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
        values = spell_as_known(stored.meta["values"], state["values"])
        table = np.array([place.get(value, unseen) for value in values] + [missing], np.int32)
        # -1 picks the last entry: missing.
        return table[stored.arrays["code"]]

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[str | None]:
        """The values' text; None for missing and for values not seen in training."""
        first = 0 if state["role"] == "target" else RESERVED
        return [state["values"][code - first] if code >= first else None for code in np.asarray(encoded).tolist()]

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        values, known = stored.meta["values"], state["values"]
        same = match_values(values, known)
        taken = say_taken(same)
        place = set(known) | same.keys()
        counts = np.bincount(np.asarray(stored.arrays["code"]) + 1, minlength=len(values) + 1)[1:]
        unseen = {value: int(counts[i]) for i, value in enumerate(values) if value not in place}
        if not unseen:
            return taken
        if state["role"] == "target":
            return "; ".join([*([taken] if taken else []), compare_words(list(unseen), known)])
        words = sorted(unseen, key=lambda value: -unseen[value])
        shown = join_words(f"'{value[:40]}' ({unseen[value]:,})" for value in words)
        what = "1 word is" if len(words) == 1 else f"{len(words):,} words are"
        rows = count_noun(sum(unseen.values()), "value")
        text = (
            f"{what} new since training, in {rows}, and {'counts' if len(words) == 1 else 'count'} as unknown: {shown}"
        )
        text += f"; {say_known(words, known)}"
        return f"{text}; {taken}" if taken else text

    def describe_reading(self, stored: Stored, row: int, state: Mapping[str, Any]) -> str:
        missing = int(stored.arrays["code"][row]) < 0
        return "'missing', which counts as a word of its own" if missing else ""

    def count_classes(self, column: Column, settings: Mapping[str, Any]) -> dict[str, int]:
        present = column_words(column, settings.get("missing", ())).drop_nulls().alias("value")
        table = present.value_counts(name="count").sort(["count", "value"], descending=[True, False])
        return dict(zip(table["value"].to_list(), table["count"].to_list(), strict=True))

    def find_classes(self, column: Column, settings: Mapping[str, Any], some: Sequence[str]) -> int:
        return int(column_words(column).is_in(some).arg_max() or 0)

    def strata(self, stored: Sequence[Stored]) -> np.ndarray:
        return np.asarray(stored[0].arrays["code"])

    def show(self, stored: Stored, row: int) -> str:
        code = int(stored.arrays["code"][row])
        return stored.meta["values"][code] if code >= 0 else "missing"


def column_words(column: Column, missing: Sequence[str] = ()) -> pl.Series:
    """Every value as text without spaces around it, null where there is none.

    Whole numbers are written without a point, so that 3, 3.0 and "3" are one value whatever type a file gave them; true
    and false, of which several files may give several spellings, in one of these.

    Args:
        missing: words that stand for no value.

    >>> column_words(Column("mark", pl.Series([3.0, 2.5, None]))).to_list()
    ['3', '2.5', None]
    """
    pieces = [_read_words(piece) for piece in column.chunks()]
    text = pieces[0] if len(pieces) == 1 else pl.concat(pieces)
    if missing:
        text = text.set(text.is_in(missing), None)
    # "false" is the longest of what may have to be unified.
    if column_is_short(text, 5) and (spelling := unify_truths(drop_missing(text).unique().to_list())):
        text = text.replace(spelling)
    return text


def column_is_short(text: pl.Series, letters: int) -> bool:
    """Whether the first value and all others have at most so many letters."""
    first = drop_missing(text).head(1)
    return len(first) > 0 and len(first[0]) <= letters and int(text.str.len_bytes().max() or 0) <= letters  # type: ignore[arg-type]


def missing_settings(present: pl.Series) -> dict[str, Any]:
    """The setting ``missing`` for words of which some stand for no value; empty where none does."""
    # Most columns have no such word, and are looked at no further.
    if not present.is_in(MARKERS).any():
        return {}
    markers = find_markers(present.unique().to_list())
    return {"missing": markers} if markers else {}


def spell_as_known(new: Sequence[str], known: Sequence[str]) -> list[str]:
    """New values, each as a known one is written that it is another spelling of."""
    same = match_values(new, known)
    return [same.get(value, value) for value in new]


def say_taken(same: Mapping[str, str]) -> str:
    """Which values are taken for others, where that is more than capitals; empty where none are."""
    odd = [f"'{new[:40]}' as '{known[:40]}'" for new, known in same.items() if new.lower() != known.lower()]
    return f"read {join_words(odd, 3)}" if odd else ""


def _report_missing(column: Column, counts: Mapping[str | None, int], gone: Sequence[str], report: Report) -> None:
    """Note how many values are missing and by which words, and which such words are values here."""
    where, n, empty = f"column '{column.name}'", len(column), counts.get(None, 0)
    if missing := empty + sum(counts[word] for word in gone):
        text, fix = f"{missing:,} of {n:,} values are missing", ""
        if gone:
            said = [*(f"{counts[word]:,} say '{word}'" for word in gone), *([f"{empty:,} are empty"] if empty else [])]
            text += f": {join_words(said)}"
            fix = f"if these words are values, add {shlex.join(['--kind', f'{column.name}=category'])}"
        report(Note("info", text, where, OWN_VALUE, fix))
    kept = [f"'{word}' ({counts[word]:,})" for word in MARKERS if word in counts and word not in gone]
    if kept:
        text = f"{join_words(kept)} {'is read as a value' if len(kept) == 1 else 'are read as values'}, not as missing"
        report(Note("info", text, where, AS_VALUE, "leave a cell empty where there is no value"))


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
    settings = {**guess.settings, **missing_settings(drop_missing(column_words(column)))}
    return Guess(guess.confidence, explain_classes(column.name, counts), settings=settings)


def explain_classes(name: str, counts: Mapping[int, int]) -> str:
    """What the whole numbers of a target are when they are classes, and how to have an amount."""
    instead = shlex.join(["--kind", f"{name}=number"])
    return f"{len(counts)} labels ({', '.join(map(str, counts))}); {instead} predicts an amount instead"


def count_whole_numbers(column: Column) -> dict[int, int]:
    """How often each number is there, in order; empty where a value is no whole number, or written in two ways."""
    present = drop_missing(column_words(column, MARKERS))
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
        return Guess(
            0.4, f"{distinct:,} distinct values, nearly all different ({_commonest_values(present)})", role="id"
        )
    if distinct <= 0.2 * n:
        return Guess(0.7, reason)
    return Guess(0.45, reason)


def _commonest_values(present: pl.Series, most: int = 2) -> str:
    """The commonest values, e.g. ``"Ideal, Premium, …"``."""
    counts = present.alias("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    shown = [value[:24] for value in counts["value"].head(most)]
    return ", ".join(shown + (["…"] if len(counts) > most else []))
