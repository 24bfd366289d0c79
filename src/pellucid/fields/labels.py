"""Labels: any number of a few words in one cell, ``"cat; dog"``. n examples, C labels, L labels in all cells together.

A cell without a label says that there is none, which is an answer; a missing cell says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ..storage import forms
from ..wording import count_noun
from .base import Guess, Kind, register
from .category import column_words, missing_settings, natural_key, spell_as_known
from .column import Column, drop_missing, thin_series
from .encoded import Into, Ragged, Stored, allocate_in_memory
from .label_marks import (
    ALL_MARKS,
    FEW_LABELS,
    NOTHING,
    SEPARATORS,
    cut_text,
    empty_cell,
    explode_lists,
    find_separator,
    more_separators,
    possible_separators,
    say_separator,
    split_parts,
)
from .missing_words import MARKERS
from .notes import AS_MISSING, OWN_VALUE, Note, Report, report_some
from .spelling import say_differences
from .stored_rows import check_codes

# Columns of an input; its labels start behind them.
MISSING, OTHER, RESERVED = 0, 1, 2

# Labels that are told apart; of more, the commonest of the training rows: each is a column of every example.
MOST_LABELS = 1000

# Cells that are looked at to recognise them.
SAMPLED_CELLS = 20_000

YES, NO = ("1", "true", "yes", "y", "t"), ("0", "false", "no", "n", "f")


@register
class Labels(Kind):
    """Codes into a list of labels, row after row, and how many each row has; -1 where the cell is missing."""

    name = "labels"
    types = (("code", "i4"), ("count", "i4"))
    flat = "code"
    joint = True
    several_classes = True
    predictable = True
    augmentable = True
    together = True
    stratified = "rarest label"
    noun = "a set of labels"
    column_nouns = ("column of labels", "columns of labels")

    def settings(self) -> forms.Form:
        known = {"separator": forms.pattern(".{1,10}"), "brackets": forms.flag, "flag": forms.text()}
        return forms.record(known, forms.anything, optional=known)

    def state(self, role: str, settings: Mapping[str, Any]) -> forms.Form:
        values = forms.list_of(forms.text(), int(role == "target"), MOST_LABELS)
        own = {"role": forms.one_of(role), "values": values, "counts": forms.list_of(forms.whole()), "n": forms.whole()}
        return forms.record(own, forms.anything)

    def recognise(self, column: Column) -> Guess | None:
        series = column.series()
        if series is None:
            return None
        if holds_lists(series.dtype):
            return _guess_lists(split_cells(column, {}), series.null_count())
        if series.dtype != pl.String:
            return None
        some = drop_missing(column_words(Column(column.name, thin_series(series, SAMPLED_CELLS))))
        gone = missing_settings(some)
        some = some.filter(~some.is_in(gone.get("missing", ())))
        settings = find_separator(some, column.name)
        return None if settings is None else _guess_text(column, {**settings, **gone}, 0.88)

    def as_asked(self, column: Column) -> Guess:
        """Any mark that stands between words is taken for one between labels, the likeliest first."""
        if (guess := self.recognise(column)) is not None:
            return guess
        series = column.series()
        if series is None or series.dtype != pl.String:
            return Guess(1, "")
        present = drop_missing(column_words(column))
        gone = missing_settings(present)
        present = present.filter(~present.is_in(gone.get("missing", ())))
        marks = [*possible_separators(present), *more_separators(present)]
        return _guess_text(column, {**(marks[0] if marks else {"separator": NOTHING}), **gone}, 1)

    def store(
        self, column: Column, settings: Mapping[str, Any], report: Report, *, into: Into = allocate_in_memory
    ) -> Stored:
        """``{"code": (L,) int32, "count": (n,) int32}`` and, in ``meta``, the labels in natural order.

        Settings: ``separator``, ``brackets`` (lists written as text); or ``flag``, the label that a column of yes and
        no stands for.
        """
        if settings.get("flag"):
            return _stored_flag(column, str(settings["flag"]), report, into)
        lists = _label_lists(column, settings)
        table, gone = explode_lists(lists), lists.is_null().to_numpy()
        values = sorted(table["part"].unique().to_list(), key=natural_key)
        code, count = into("code", (len(table),), np.int32), into("count", (len(gone),), np.int32)
        if values:
            code[:] = table["part"].cast(pl.Enum(values)).to_physical().cast(pl.Int32).to_numpy()
        count[:] = np.where(gone, -1, np.bincount(table["row"].to_numpy(), minlength=len(gone)))
        if settings.get("separator") == NOTHING:
            text = f"no separator between labels found, so each cell is one label; separators are {ALL_MARKS}"
            report(Note("warning", text, f"column '{column.name}'", "one label a cell", "write cells as 'cat; dog'"))
        if missing := int(gone.sum()):
            text = f"{missing:,} of {len(gone):,} values are missing"
            text += f"; a cell with '{alone}' alone means no label" if (alone := empty_cell(settings)) else ""
            report(Note("info", text, f"column '{column.name}'", OWN_VALUE))
        return Stored({"code": code, "count": count}, {"values": values}, len(gone))

    def take(self, stored: Stored, rows: np.ndarray) -> Stored:
        """With the labels that are among them alone."""
        count = np.asarray(stored.arrays["count"])
        ends = np.cumsum(np.maximum(count, 0))
        whole = Ragged(np.asarray(stored.arrays["code"]), ends)
        code = np.concatenate([np.zeros(0, np.int32), *(whole[row] for row in rows.tolist())])
        used = np.unique(code)
        meta = {**stored.meta, "values": [stored.meta["values"][i] for i in used]}
        arrays = {"code": np.searchsorted(used, code).astype(np.int32), "count": count[rows]}
        return Stored(arrays, meta, len(rows))

    def row_bytes(self, stored: Stored, rows: np.ndarray) -> np.ndarray:  # (m,) -> (m,)
        return 4 + 4 * np.maximum(np.asarray(stored.arrays["count"])[rows], 0)

    def check_stored(self, stored: Stored, state: Mapping[str, Any]) -> None:
        super().check_stored(stored, state)
        forms.record({"values": forms.list_of(forms.text())}, forms.anything)(stored.meta, "meta")
        code, count = stored.arrays["code"], stored.arrays["count"]
        check_codes(code, len(stored.meta["values"]), least=0)
        if np.maximum(count, 0).sum() != len(code):
            raise forms.FormError("its labels are not as many as its cells have")

    def fit(self, stored: Stored, rows: np.ndarray, settings: Mapping[str, Any], role: str) -> dict[str, Any]:
        """The labels in the training rows, in natural order, and how often each is there among ``n`` rows."""
        values, count = stored.meta["values"], np.asarray(stored.arrays["count"])
        learned_from = np.zeros(stored.n, bool)
        learned_from[rows] = True
        counts = np.bincount(np.asarray(stored.arrays["code"])[learned_from[row_of(stored)]], minlength=len(values))
        # A flag is one label by its name, seen or not: several of them must stay as many columns.
        seen = np.flatnonzero((counts > 0) | bool(settings.get("flag")))
        seen = np.sort(seen[np.argsort(-counts[seen], kind="stable")[:MOST_LABELS]])
        return {
            "role": role,
            "values": [values[i] for i in seen],
            "counts": [int(counts[i]) for i in seen],
            "n": int((count[rows] >= 0).sum()),
        }

    def encode(self, stored: Stored, state: Mapping[str, Any]) -> np.ndarray:
        """Input: (n, 2 + C) uint8, whether the cell is missing, has a label not seen in training, has each label.

        Target: (n, C) float32, 1 for each label that is there; NaN throughout where the cell is missing.
        """
        target = state["role"] == "target"
        # (L,), -1 where not seen in training.
        place = _label_places(stored, state)[stored.arrays["code"]]
        row, missing = row_of(stored), np.asarray(stored.arrays["count"]) < 0
        out = np.zeros((stored.n, len(state["values"]) + RESERVED), np.float32 if target else np.uint8)
        out[row, np.where(place < 0, OTHER, place + RESERVED)] = 1
        out[missing, MISSING] = 1
        if not target:
            return out
        out[missing] = np.nan
        return np.ascontiguousarray(out[:, RESERVED:])

    def decode(self, encoded: np.ndarray, state: Mapping[str, Any]) -> list[list[str] | None]:
        """The labels of each example; None where missing. Labels not seen in training are not there."""
        array, values = np.asarray(encoded), state["values"]
        target = state["role"] == "target"
        gone = np.isnan(array).any(1) if target else array[:, MISSING] > 0
        there = np.nan_to_num(array if target else array[:, RESERVED:]) > 0.5  # (n, C)
        return [None if no else [values[i] for i in np.flatnonzero(row)] for no, row in zip(gone, there, strict=True)]

    def show(self, stored: Stored, row: int) -> str:
        count = np.asarray(stored.arrays["count"])
        if count[row] < 0:
            return "missing"
        start = int(np.maximum(count[:row], 0).sum())
        own = stored.arrays["code"][start : start + int(count[row])]
        return join_labels([stored.meta["values"][code] for code in own])

    def describe_reading(self, stored: Stored, row: int, state: Mapping[str, Any]) -> str:
        missing = int(stored.arrays["count"][row]) < 0
        return "'missing', which counts as a label of its own" if missing else ""

    def describe_new_values(self, stored: Stored, state: Mapping[str, Any]) -> str:
        unseen = np.flatnonzero(_label_places(stored, state) < 0)
        counts = np.bincount(np.asarray(stored.arrays["code"]), minlength=len(stored.meta["values"]))
        unseen = unseen[counts[unseen] > 0]
        if not len(unseen):
            return ""
        shown = ", ".join(f"'{stored.meta['values'][i]}'" for i in unseen[:5]) + (", …" if len(unseen) > 5 else "")
        what = "1 label is" if len(unseen) == 1 else f"{len(unseen):,} labels are"
        near = say_differences([stored.meta["values"][i] for i in unseen], state["values"])
        return f"{what} ignored, new since training: {shown}{near}"

    def count_classes(self, column: Column, settings: Mapping[str, Any]) -> dict[str, int]:
        return counts_of(column, settings)

    def find_classes(self, column: Column, settings: Mapping[str, Any], some: Sequence[str]) -> int:
        if settings.get("flag"):
            return int(column_words(column).is_in(some).arg_max() or 0)
        table = split_cells(column, settings)
        return int(table.filter(table["part"].is_in(some))["row"].min() or 0)  # type: ignore[arg-type]

    def strata(self, stored: Sequence[Stored]) -> np.ndarray:
        return rarest_label(stored)

    def describe_goal(self, columns: int, classes: int) -> str:
        return f"any of {count_noun(classes, 'label')}"


def join_labels(labels: Sequence[str], none: str = "none") -> str:
    """Labels as one text, ``none`` where there are none.

    >>> join_labels(["cat", "dog"]), join_labels([])
    ('cat; dog', 'none')
    """
    return "; ".join(labels) or none


def holds_lists(dtype: pl.DataType) -> bool:
    """Whether each value is a list of words or whole numbers."""
    if not isinstance(dtype, (pl.List, pl.Array)) or (isinstance(dtype, pl.Array) and len(dtype.shape) > 1):
        return False
    inner = dtype.inner
    return inner.is_integer() or inner in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null)


def split_cells(column: Column, settings: Mapping[str, Any]) -> pl.DataFrame:
    """One line a label: ``row`` and ``part``, without blanks and without doubles within a row.

    >>> split_cells(Column("pets", pl.Series(["cat; dog", "dog;dog", "", None])), {"separator": ";"}).rows()
    [(0, 'cat'), (0, 'dog'), (1, 'dog')]
    """
    return explode_lists(_label_lists(column, settings))


def counts_of(column: Column, settings: Mapping[str, Any]) -> dict[str, int]:
    """How many rows have each label, the commonest first."""
    if settings.get("flag"):
        return {str(settings["flag"]): int(column_words(column).str.to_lowercase().is_in(YES).sum())}
    table = (
        split_cells(column, settings)["part"]
        .value_counts(name="count")
        .sort(["count", "part"], descending=[True, False])
    )
    return dict(table.iter_rows())


def is_flag(column: Column) -> bool:
    """Whether a column says yes or no: 0 and 1, false and true, no and yes."""
    series = column.series()
    if series is None or series.dtype.is_nested():
        return False
    present = drop_missing(column_words(column, MARKERS)).str.to_lowercase().unique().to_list()
    return bool(present) and any(set(present) <= {no, yes} for no, yes in zip(NO, YES, strict=True))


def rarest_label(stored: Sequence[Stored]) -> np.ndarray:  # (n,) whole numbers
    """The rarest label of each example over all fields, one number more than there are labels where it has none."""
    # Labels of one field are counted behind those of the field before.
    offset, row, code = 0, [], []
    for one in stored:
        row.append(row_of(one))
        code.append(np.asarray(one.arrays["code"], np.int64) + offset)
        offset += len(one.meta["values"])
    rows, codes = np.concatenate(row), np.concatenate(code)
    # 0 for the rarest label; its rows are the hardest to share out, so they decide the part first.
    rank = np.argsort(np.argsort(np.bincount(codes, minlength=offset), kind="stable"))
    least = np.full(stored[0].n, offset)
    np.minimum.at(least, rows, rank[codes])
    return least


def row_of(stored: Stored) -> np.ndarray:  # (L,)
    """The row that each code belongs to."""
    return np.repeat(np.arange(stored.n), np.maximum(stored.arrays["count"], 0))


def _label_places(
    stored: Stored, state: Mapping[str, Any]
) -> np.ndarray:  # (stored labels,) -> index in the state or -1
    place = {value: i for i, value in enumerate(state["values"])}
    return np.array(
        [place.get(value, -1) for value in spell_as_known(stored.meta["values"], state["values"])], np.int64
    )


def _stored_flag(column: Column, name: str, report: Report, into: Into) -> Stored:
    """A column of yes and no as rows with one label or none."""
    text = column_words(column, MARKERS).str.to_lowercase()
    yes, no = text.is_in(YES).fill_null(False).to_numpy(), text.is_in(NO).fill_null(False).to_numpy()
    treatment = AS_MISSING, "write 0 and 1, or name the column's kind with --kind"
    strange = np.flatnonzero(~yes & ~no & text.is_not_null().to_numpy())
    notes = (
        Note(
            "warning",
            f"'{text[int(r)][:40]}' is neither 0 nor 1 and counts as missing",
            column.place(int(r)),
            *treatment,
        )
        for r in strange
    )
    report_some(report, notes, len(strange), f"cells of column '{column.name}' are neither 0 nor 1")
    count = into("count", (len(text),), np.int32)
    count[:] = np.where(yes, 1, np.where(no, 0, -1))
    return Stored({"code": into("code", (int(yes.sum()),), np.int32), "count": count}, {"values": [name]}, len(text))


def _label_lists(column: Column, settings: Mapping[str, Any]) -> pl.Series:
    """Each cell as a list of text, null where it is missing. Raises PellucidError for what holds no words."""
    series = column.series()
    if series is not None and holds_lists(series.dtype):
        return series.cast(pl.List(pl.String))
    text = column.as_type(pl.String)
    if settings.get("missing"):
        text = text.set(text.str.strip_chars().is_in(settings["missing"]), None)
    if "separator" not in settings:
        settings = next(iter(possible_separators(text.drop_nulls())), {"separator": SEPARATORS[0]})
    return cut_text(text, settings)


def _guess_text(column: Column, settings: Mapping[str, Any], confidence: float) -> Guess:
    present = column_words(column, settings.get("missing", ())).drop_nulls()
    about = _labels_summary(split_parts(present, settings), len(present))
    return Guess(confidence, f"{about}, {say_separator(settings)}", settings=settings)


def _guess_lists(table: pl.DataFrame, missing: int) -> Guess:
    part, n = table["part"], int(table["row"].n_unique())
    distinct = part.n_unique()
    if not distinct:
        return Guess(0.95, "lists without anything in them", role="ignore")
    about = "lists of " + _labels_summary(table, n)
    if distinct > FEW_LABELS and len(part) < 2 * distinct:
        return Guess(0.95, f"{about}, nearly all different", role="ignore")
    if n > 1 and not missing and table.group_by("row", maintain_order=True).agg("part")["part"].n_unique() == 1:
        return Guess(0.95, f"always {join_labels(part.unique(maintain_order=True).to_list())[:40]}", role="ignore")
    return Guess(0.95, about)


def _labels_summary(table: pl.DataFrame, n: int) -> str:
    """E.g. ``"12 labels (Drama, Comedy, …), 1.8 a row"``."""
    counts = table["part"].value_counts(name="count").sort(["count", "part"], descending=[True, False])["part"]
    shown = ", ".join([value[:24] for value in counts.head(2)] + (["…"] if len(counts) > 2 else []))
    most = f", the commonest {MOST_LABELS:,} are used" if len(counts) > MOST_LABELS else ""
    return f"{len(counts):,} labels ({shown}){most}, {len(table) / max(n, 1):.1f} a row"
