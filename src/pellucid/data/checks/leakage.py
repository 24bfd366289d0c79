"""Inputs that give the target away in other words, and inputs that repeat another. n rows, m of them sampled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from ...fields import Note
from ...fields.number import format_number
from ...wording import join_words
from .base import ColumnView, TableView, column_check, table_check

# Of the naive answer's errors, those that are left: below, one column says the target.
LEFT_ERRORS_SHARE = 0.02

# How often a value must be there on average to say anything.
TIMES_A_VALUE = 5

# With fewer, one of several columns fits by chance.
MIN_ROWS = 30

# Rows from which on a single column that says the target is no chance: petal length parts one of three irises from the
# others over 150 rows (docs/LOG.md, 2026-11-22).
SURE_ROWS = 300

# Rows in which a number that is in line with numbered classes is no chance.
MIN_LINE_ROWS = 20

# How far rounding leaves the correlation of numbers in a straight line from 1.
CORRELATION_SLACK = 1e-9

# Columns compared with each other: all pairs of them are.
MOST_COMPARED_NUMBERS = 500

# Texts searched for the names of their classes.
SEARCHED_TEXTS = 20_000


@column_check("that give the target away")
def find_leaks(look: ColumnView, targets: Sequence[ColumnView]) -> Iterator[Note]:
    """Inputs that equal the target, lie in line with it, or from which it follows."""
    if look.role != "input" or not look.traits.plain:
        return
    for target in targets:
        if target.traits.plain and len(target.sampled_values) >= 3 and (how := _explain_leak(look, target)):
            sure, text = how
            what = f"possible leakage: {text}; leave it out if it is not known beforehand"
            action = "used like any other input, so the score may be better than in use"
            fix = f"if it is known only after '{target.name}', {look.leave_out}"
            yield Note("warning" if sure else "info", what, look.where, action, fix)


def _explain_leak(one: ColumnView, target: ColumnView) -> tuple[bool, str] | None:
    """Whether that is sure, and how the target follows from a column; None when it does not."""
    name = f"the target '{target.name}'"
    number, amount = one.traits.amount, target.traits.amount
    if number and amount:
        how = _in_line(one.numbers, target.numbers)
        return (True, f"{how} {name}") if how else None
    # Classes that are numbered.
    if number and len(one.series) >= MIN_LINE_ROWS and (how := _in_line(one.numbers, target.numbers)):
        return True, f"{how} {name}"
    if number and target.traits.one_class and (cuts := _class_ranges(one, target)):
        return len(one.series) >= SURE_ROWS, f"{name} follows from it alone: {cuts}"
    if amount:
        return (True, f"{name} follows from it: each value always has the same") if _fixes_number(one, target) else None
    if _says_target(one.codes, target.codes):
        codes = [(look.codes.max() + 1) for look in (one, target)]
        text = "corresponds one to one to" if codes[0] == codes[1] else "determines"
        return one.traits.one_class or len(one.series) >= SURE_ROWS, f"{text} {name}"
    return None


def _in_line(x: np.ndarray, y: np.ndarray) -> str:  # (m,), (m,)
    """How ``x`` follows ``y``, in words that its name comes after; empty where it does not."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return ""
    if (x == y).all():
        return "equals"
    straight = abs(_correlation(x, y))
    if straight > 1 - CORRELATION_SLACK:
        return "is perfectly correlated with"
    if len(x) < MIN_ROWS or len(np.unique(x)) < MIN_ROWS:
        return ""
    together = abs(_correlation(*(np.unique(v, return_inverse=True)[1] for v in (x, y))))
    if together > 1 - CORRELATION_SLACK:
        return "is perfectly rank-correlated with"
    return "is almost perfectly correlated with" if straight > 1 - 1e-5 and together > 1 - 1e-3 else ""


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(np.stack([x, y]))[0, 1])  # type: ignore[index]


def _says_target(code: np.ndarray, goal: np.ndarray) -> bool:  # (m,), (m,)
    """Whether the value of other rows with the same code says the goal nearly always, where guessing does not."""
    m, values, goals = len(code), code.max() + 1, goal.max() + 1
    if m < MIN_ROWS and values != goals:
        return False
    pairs, count = np.unique(code * goals + goal, return_counts=True)  # (P,) sorted by code
    own = pairs // goals
    order = np.lexsort((-count, own))
    # The commonest goal of each code.
    first = np.flatnonzero(np.diff(own[order], prepend=-1))
    most = count[order][first]
    follows = np.append(count[order], 0)[first + 1]
    same = np.append(own[order], -1)[first + 1] == own[order][first]
    second = np.where(same, follows, 0)
    # Each row is judged by the others of its code: its own goal does not count, and where two goals are level the
    # others say nothing.
    right = int(most[most - 1 > second].sum())
    covered = int(np.bincount(code)[np.bincount(code) > 1].sum())
    wrong_by_chance = covered * (1 - np.bincount(goal).max() / m)
    repeats = values * (2 if values == goals else TIMES_A_VALUE) <= m
    return bool(repeats and values > 1 and covered >= m / 2 and wrong_by_chance >= 5 and
                covered - right <= LEFT_ERRORS_SHARE * wrong_by_chance)  # fmt: skip


def _class_ranges(one: ColumnView, target: ColumnView) -> str:
    """Which ranges of a number hold which class, in words; empty when the ranges overlap."""
    x, present = one.numbers, target.sampled_values.is_not_null().to_numpy() & np.isfinite(one.numbers)
    x, code = x[present], target.codes[present]
    kept, code = np.unique(code, return_inverse=True)
    if len(x) < MIN_ROWS or not 2 <= len(kept) <= 10 or np.bincount(code).min() < 10:
        return ""
    order = np.lexsort((code, x))
    x, code = x[order], code[order]
    edges = np.flatnonzero(np.diff(code)) + 1
    if len(edges) != len(kept) - 1 or (x[edges] == x[edges - 1]).any():
        return ""
    names = target.labels.gather_every(target.sample_step)
    shown = [str(names.filter(pl.Series(target.codes == kept[code[at]]))[0]) for at in (0, *edges)]
    middles = [format_number(float(x[at - 1] + x[at]) / 2, one.name) for at in edges]
    parts = [f"'{label}' below {cut}" for label, cut in zip(shown, middles, strict=False)]
    return join_words([*parts, f"'{shown[-1]}' above"], 10)


def _fixes_number(one: ColumnView, target: ColumnView) -> bool:
    """Whether a number is the same wherever a column has the same value."""
    y = target.numbers
    some = np.isfinite(y)
    code, y = np.unique(one.codes[some], return_inverse=True)[1], y[some]
    if len(y) < MIN_ROWS or (code.max() + 1) * TIMES_A_VALUE > len(y) or y.std() == 0:
        return False
    count = np.bincount(code)
    mean = np.bincount(code, y) / count
    return bool(np.square(y - mean[code]).mean() < 1e-6 * y.var() and (count[code] > 1).mean() > 0.5)


@column_check("that name the class")
def named_in_text(look: ColumnView, targets: Sequence[ColumnView]) -> Iterator[Note]:
    """Texts in which the name of their class stands, and of no other."""
    if not look.traits.prose:
        return
    for target in targets:
        if (
            not target.traits.one_class
            or not 2 <= len(target.value_counts) <= 50
            or min(map(len, target.value_counts)) < 3
        ):
            continue
        step = max(1, len(look.series) // SEARCHED_TEXTS)
        text, label = (s.gather_every(step).str.to_lowercase() for s in (look.series.cast(pl.String), target.labels))
        hits = {c: text.str.contains(c.lower(), literal=True).fill_null(False) for c in target.value_counts}
        own = sum(int((hits[c] & (label == c.lower())).sum()) for c in hits)
        others = sum(int((hits[c] & (label != c.lower())).sum()) for c in hits)
        if len(text) >= MIN_ROWS and own >= 0.98 * len(text) and others <= LEFT_ERRORS_SHARE * len(text):
            what = f"the name of the class is in {own / len(text):.0%} of the texts, and hardly ever another one"
            action = "used as it is: the network may only learn the name"
            yield Note("warning", what, look.where, action, "remove it from the text")


@table_check
def equal_inputs(table: TableView) -> Iterator[Note]:
    """Inputs that are equal, and numbers in a straight line with one another."""
    first: dict[bytes, str] = {}
    numbers: dict[str, np.ndarray] = {}
    for look in table.column_views("input"):
        if look.traits.suffixes:
            continue
        other = first.setdefault(_values_digest(look), look.name)
        if other != look.name:
            yield _note_equal(look, f"equals the column '{other}'")
        elif look.traits.amount and len(numbers) < MOST_COMPARED_NUMBERS:
            numbers[look.name] = look.read_numbers(
                look.series.gather_every(max(1, len(look.series) // 2000))
            ).to_numpy()
    for name, other in _straight_lines(numbers):
        field = next(f for f in table.used_fields if f.name == name)
        yield _note_equal(ColumnView(field, table.columns[name]), f"is perfectly correlated with the column '{other}'")


def _note_equal(look: ColumnView, text: str) -> Note:
    return Note("info", f"{text}: it adds nothing", look.where, "both are read", look.leave_out)


def _values_digest(look: ColumnView) -> bytes:
    """A digest that is equal for columns of equal values, whatever their type: numbers as numbers, words as words."""
    values = look.read_numbers(look.series) if look.traits.amount else look.series
    return hashlib.blake2b(values.hash().to_numpy().tobytes() + look.kind.encode(), digest_size=16).digest()


def _straight_lines(numbers: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Pairs of columns whose correlation is 1."""
    x = np.array(list(numbers.values()), np.float64)
    if len(numbers) < 2 or x.shape[1] < MIN_ROWS:
        return
    x[~np.isfinite(x)] = np.nan
    gone = np.isnan(x)
    x = np.where(gone, 0, x - np.nanmean(np.where(gone.all(1, keepdims=True), 0, x), 1, keepdims=True))
    # So that squares of huge numbers stay finite.
    x /= np.maximum(np.abs(x).max(1, keepdims=True), np.finfo(np.float64).tiny)
    size = np.sqrt(np.square(x).sum(1, keepdims=True))
    x /= np.where(size > 0, size, np.inf)
    names = list(numbers)
    for i, j in zip(*np.nonzero(np.tril(np.abs(x @ x.T) > 1 - CORRELATION_SLACK, -1)), strict=True):
        if (gone[i] == gone[j]).all():
            yield names[i], names[j]
