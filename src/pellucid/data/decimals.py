"""Which mark stands before the decimals of numbers that are text: by their column, else by the others. n rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import polars as pl

from ..fields import Column, Note
from ..fields.notation import COMMA, GROUP_MARKS, POINT, Marks, read_both_ways, weigh_marks
from ..fields.number import parse_numbers
from ..wording import count_noun
from .source import Contents

Say = Callable[[Note], None]

NAMES = {POINT: "point", COMMA: "comma"}


def settle_decimals(
    found: Contents, asked: str | None, say: Say, known: Mapping[str, str] | None = None
) -> dict[str, Column]:
    """The columns of a source, those of text with the mark before the decimals of their numbers.

    A column's own cells decide where they can; where all can be read both ways, so do what the user says, what a
    finished run found, and the table's other columns, in this order.

    Args:
        asked: the mark that the user says. known: by column, the mark that a finished run found.
        say: is told of every column whose numbers would be others with the other mark.
    """
    marks = {name: weigh_column(column) for name, column in found.columns.items()}
    own = {name: of.decimal if of is not None and of.numeric else "" for name, of in marks.items()}
    votes = Counter(mark for mark in own.values() if mark)
    usual = max(votes, key=lambda mark: (votes[mark], mark == POINT)) if votes else found.decimal
    columns = {}
    for name, column in found.columns.items():
        of = marks[name]
        if of is None or not of.numeric:
            columns[name] = replace(column, decimal=found.decimal) if of is None and found.decimal else column
            continue
        told = asked or ((known or {}).get(name, "") if not own[name] else "")
        mark = told or own[name] or usual or POINT
        columns[name] = replace(column, decimal=mark)
        if not told:
            for note in _explain_choice(column, of, mark, "" if own[name] else usual):
                say(note)
    return columns


def weigh_column(column: Column) -> Marks | None:
    """What the cells of a column say; None for one that is no text."""
    total: Marks | None = None
    # Nothing is read to learn the type of a column of numbers.
    if column.surely_no_text:
        return None
    for piece in column.chunks():
        series = piece.series()
        if series is None or series.dtype != pl.String:
            return None
        own = weigh_marks(series)
        # Words: no other stretch is looked at.
        if total is None and not own.numeric and len(series):
            return own
        total = own if total is None else total + own
    return total


def _explain_choice(column: Column, marks: Marks, mark: str, by_others: str) -> list[Note]:
    """What is said of a column whose numbers would be a thousand times as large, or as small, with the other mark."""
    other = COMMA if mark == POINT else POINT
    either = marks.either_point + marks.either_comma
    where = f"column '{column.name}'"
    if marks.split:
        fewest = marks.comma if mark == POINT else marks.point
        text = (
            f"{count_noun(fewest, 'number has', 'numbers have')} a decimal {NAMES[other]}, the others a {NAMES[mark]}"
        )
        return [Note("warning", text, where, "these count as missing", "write all numbers in one way")]
    if not either or marks.point or marks.comma:
        return []
    cell, row = _first_either(column)
    value, instead = (f"{parse_numbers(pl.Series([cell]), one)[0][0]:.12g}" for one in (mark, other))
    grouped = GROUP_MARKS[mark] in cell
    # As decimals, in a table whose numbers have the same mark there: as anybody would read it.
    if by_others and not grouped:
        return []
    if by_others:
        why = f"other columns have decimal {NAMES[by_others]}s"
    elif marks.decimal:
        # Grouped as in English, beside numbers that need no mark: nobody reads them otherwise.
        if grouped and mark == POINT:
            return []
        why = f"{count_noun(marks.plain, 'shorter number has', 'shorter numbers have')} none"
        if not grouped:
            why = f"{count_noun(marks.long, 'longer number has', 'longer numbers have')} none"
    else:
        why = "the table does not show which"
    how = "a thousands separator" if grouped else f"a decimal {NAMES[mark]}"
    sign = NAMES[other] if grouped else NAMES[mark]
    text = f"'{cell}' is read as {value}, its {sign} as {how}: {why}"
    fix = f"--decimal {other} reads {instead}"
    return [Note("warning", text, column.place(row), f"read as {value}", fix)]


def _first_either(column: Column) -> tuple[str, int]:
    """The first cell that can be read both ways, and its row."""
    start = 0
    for piece in column.chunks():
        series = piece.series()
        assert series is not None
        hits = read_both_ways(series)
        if hits.any():
            row = int(hits.arg_max() or 0)
            return str(series[row]).strip(), start + row
        start += len(series)
    return "", 0
