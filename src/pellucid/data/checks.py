"""What looks suspicious. Every check is vectorised and says what was found, where, and what follows from it. n rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from ..fields import Column, Field, Note, Stored
from ..fields.category import words
from ..fields.number import parse
from .sources import PARTS, counted, listed

HEAVY = 20  # the largest class is so many times the smallest: worth saying
BLOCK = 1 << 24  # bytes of pixels hashed at a time


def columns(found: Mapping[str, Column], fields: Sequence[Field]) -> list[Note]:
    """Checks on raw columns, before anything is decoded."""
    series = {f.name: s for f in fields if f.role != "ignore" and (s := found[f.name].series()) is not None}
    used = [f for f in fields if f.role in ("input", "target")]
    notes = _duplicate_rows([series[f.name] for f in used if f.name in series], found)
    for target in (f for f in fields if f.role == "target" and f.name in series):
        notes += _copies([f for f in used if f.role == "input"], target, series)
        if target.kind == "category":
            notes += _classes(target.name, words(found[target.name]), found[target.name])
    return notes


def _duplicate_rows(series: list[pl.Series], found: Mapping[str, Column]) -> list[Note]:
    if len(series) < 2:
        return []
    repeated = ~pl.DataFrame(series).select(pl.struct(pl.all()).is_first_distinct()).to_series()
    if not (count := int(repeated.sum())):
        return []
    first = found[series[0].name].place(int(repeated.arg_max() or 0)).rsplit(", column", 1)[0]
    share = f" ({count / len(repeated):.1%})" if count >= 0.001 * len(repeated) else ""
    text = f"{counted(count, 'row repeats', 'rows repeat')} an earlier one{share}, this one first"
    return [Note("warning", f"{text}; copies may fall into different parts", first)]


def _copies(inputs: Sequence[Field], target: Field, series: Mapping[str, pl.Series]) -> list[Note]:
    """Inputs that say the target in other words: equal to it, in line with it, or one value for each of its values."""
    goal = series[target.name]
    notes = []
    for field in inputs:
        if field.name in series and field.kind in ("number", "category"):
            how = _copy(series[field.name], goal, "number" in (field.kind, target.kind) and field.kind == target.kind)
            if how:
                text = f"{how} the target '{target.name}': if it is not known beforehand, leave it out with --ignore"
                notes.append(Note("warning", text, f"column '{field.name}'"))
    return notes


def _copy(one: pl.Series, goal: pl.Series, numbers: bool) -> str:
    if numbers:
        x, y = parse(one)[0].to_numpy(), parse(goal)[0].to_numpy()
        both = np.isfinite(x) & np.isfinite(y)
        x, y = x[both], y[both]
        if len(x) < 3 or x.std() == 0 or y.std() == 0:
            return ""
        if (x == y).all():
            return "equals"
        return "is in a straight line with" if abs(np.corrcoef(x, y)[0, 1]) > 1 - 1e-9 else ""
    distinct, goals = one.n_unique(), goal.n_unique()
    if distinct != goals or distinct < 2 or distinct * 2 > len(one):
        return ""
    pairs = pl.DataFrame({"a": one, "b": goal}).n_unique()
    return "has one value for each value of" if pairs == distinct else ""


def _classes(name: str, labels: pl.Series, column: Column) -> list[Note]:
    """Rare classes, uneven ones, and labels that differ by capitals or spaces alone."""
    counts = class_counts(labels)
    where = f"column '{name}'"
    notes = []
    folded: dict[str, list[str]] = {}
    for value in counts:
        folded.setdefault(" ".join(value.casefold().replace("_", " ").split()), []).append(value)
    for alike in folded.values():
        if len(alike) > 1:
            shown = listed(f"'{value}' ({counts[value]:,})" for value in alike)
            notes.append(Note("warning", f"{shown} differ by capitals or spaces alone and count as different", where))
    single = [value for value, count in counts.items() if count == 1]
    if single:
        rows = [int(r) for r in labels.is_in(single).arg_true()[:3]]
        text = f"{counted(len(single), 'class has', 'classes have')} a single example ({listed(single)})"
        notes.append(Note("warning", f"{text}, here first: it can be learned but not checked", column.place(rows[0])))
    if len(counts) > 1:
        (most, many), (least, few) = max(counts.items(), key=lambda c: c[1]), min(counts.items(), key=lambda c: c[1])
        if many >= HEAVY * few and few > 1:
            text = f"classes are uneven: '{most}' has {many:,} examples, '{least}' {few:,}"
            notes.append(Note("warning", text, where))
    return notes


def class_counts(labels: pl.Series) -> dict[str, int]:
    """How often each value is there, the commonest first."""
    table = (
        labels.drop_nulls().alias("value").value_counts(name="count").sort(["count", "value"], descending=[True, False])
    )
    return dict(zip(table["value"].to_list(), table["count"].to_list(), strict=True))


def same_images(stored: Stored, column: Column, part: np.ndarray | None) -> list[Note]:
    """Images that are the same pixel by pixel; worst where one is in train and its copy in another part.

    Args:
        part: (n,) index of ``PARTS`` as the data gives them, -1 for none; None when the data gives none.
    """
    images = next((a for a in stored.arrays.values() if a.ndim == 4 and len(a) == stored.n), None)
    if images is None or stored.n < 2:
        return []
    good = np.setdiff1d(np.arange(stored.n), stored.bad)
    key = pixel_hashes(images)[good]  # (n,)
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    firsts = order[np.searchsorted(inverse[order], np.arange(len(counts)))][inverse]  # (n,) the first of its copies
    copies = np.flatnonzero(firsts != np.arange(len(good)))
    copies = np.array([i for i in copies if (images[good[i]] == images[good[firsts[i]]]).all()], np.int64)
    if not len(copies):
        return []
    first, other = good[firsts[copies]], good[copies]
    example = f"such as {column.place(int(first[0]))}"
    text = f"{counted(len(copies), 'image is a copy', 'images are copies')} of another one, {example}"
    notes = [Note("warning", text, column.place(int(other[0])))]
    if part is not None:
        notes += _across(first, other, part, column)
    return notes


def _across(first: np.ndarray, other: np.ndarray, part: np.ndarray, column: Column) -> list[Note]:
    notes = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = ((part[first] == i) & (part[other] == j)) | ((part[first] == j) & (part[other] == i))
        if both.any():
            k = int(np.flatnonzero(both)[0])
            text = f"{counted(int(both.sum()), 'image is', 'images are')} in {PARTS[i]} and again in {PARTS[j]}"
            text += ": the score flatters" if j == 2 and i == 0 else ""
            text += f", such as {column.place(int(first[k]))}"
            notes.append(Note("warning", text, column.place(int(other[k]))))
    return notes


def pixel_hashes(images: np.ndarray) -> np.ndarray:  # (n, ...) uint8 -> (n,) uint64
    """One number an image: a sum of its bytes, eight at a time, times odd random numbers."""
    from .order import hashed

    flat = images.reshape(len(images), -1)
    width = -(-flat.shape[1] // 8) * 8
    weights = hashed(np.arange(width // 8), 0x1A6E) | np.uint64(1)
    out = np.empty(len(images), np.uint64)
    step = max(1, BLOCK // width)
    for start in range(0, len(images), step):
        block = np.asarray(flat[start : start + step])
        if width != flat.shape[1]:
            block = np.pad(block, ((0, 0), (0, width - flat.shape[1])))
        words8 = np.ascontiguousarray(block).view(np.uint64)
        words8 = words8 ^ (words8 >> np.uint64(29))
        out[start : start + step] = (words8 * weights).sum(1, dtype=np.uint64)
    return out
