"""Columns that hold more than one sort of value: numbers with units, dates in several forms. n rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import polars as pl

from ...fields import Note
from ...fields.notation import ANY_MONEY, PERCENT
from ...fields.number import is_missing
from ...wording import join_words
from .base import ColumnView, column_check

# A number, then letters: 12 kg is one, 5'000 and 1/2 are none.
UNIT = r"^[+-]?\d[\d.,]*\s*[\p{L}°µ%²³][\p{L}°µ/%²³]{0,11}\d?$"

HALF, MOSTLY = 0.5, 0.8

# Different odd values that look like slips; more look like codes of letters and digits.
MOST_SLIPS = 10

DATES = {
    "2024-01-31": r"^\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d\d.*)?$",
    "2024/01/31": r"^\d{4}/\d{1,2}/\d{1,2}([ T]\d{1,2}:\d\d.*)?$",
    "31/01/2024 or 01/31/2024": r"^\d{1,2}/\d{1,2}/(\d{4}|\d\d)( \d{1,2}:\d\d.*)?$",
    "31.01.2024": r"^\d{1,2}\.\d{1,2}\.(\d{4}|\d\d)( \d{1,2}:\d\d.*)?$",
    "31-01-2024": r"^\d{1,2}-\d{1,2}-(\d{4}|\d\d)( \d{1,2}:\d\d.*)?$",
    "31 January 2024": r"(?i)^\d{1,2}\.?[ -](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,?[ -]\d{2,4}$",
    "January 31, 2024": r"(?i)^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2},? \d{4}$",
}

# Different values that the forms of a column are told from.
MOST_DATE_VALUES = 2_000


@column_check("with numbers and words mixed")
def numbers_and_words(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Columns of text most of whose values are numbers, with units or beside a few words."""
    if look.series.dtype != pl.String or not (look.traits.plain or look.traits.prose):
        return
    present = _present_values(look.sampled_values)
    if not len(present):
        return
    number = look.read_numbers(present).is_not_null()
    units = present.str.contains(UNIT) & ~number
    if units.sum() >= HALF * len(present):
        # Codes, as B12 or 12a, are left out as ids; amounts with one unit are left out with them.
        kinds = _unit_words(present.filter(units))
        if look.role != "id" or (units.all() and len(kinds) == 1):
            yield _note_units(look, present.filter(units), f"{units.sum():,} of {_sampled_values(look, len(present))}")
    elif look.role == "id":
        return
    elif HALF * len(present) <= number.sum() < len(present):
        odd = present.filter(~number)
        if odd.n_unique() <= MOST_SLIPS or look.traits.amount:
            first = int((look.series.str.strip_chars() == odd[0]).arg_max() or 0)
            of = f"{number.sum():,} of {_sampled_values(look, len(present))}"
            text = f"{of} are numbers, the others are not: {_quote_examples(odd)}"
            action = "the others count as missing" if look.traits.amount else f"all are read as {look.kind}"
            fix = "write only numbers, and leave other cells empty"
            yield Note("warning", text, look.cell_place(first), action, fix)


def _sampled_values(look: ColumnView, count: int) -> str:
    """So many values, or so many of a sample."""
    return f"{count:,} values" + (" checked" if look.sample_step > 1 else "")


def _note_units(look: ColumnView, values: pl.Series, of: str) -> Note:
    kinds = _unit_words(values)
    text = f"{of} are numbers with a unit ({_quote_examples(values)})"
    several = f"; the units differ: {join_words(kinds, 4)}" if len(kinds) > 1 else ""
    action = "taken for an id and left out" if look.role == "id" else f"read as {look.kind}, not as amounts"
    if look.traits.amount:
        action = "cells that are not plain numbers count as missing"
    fix = "write the unit in the column's name, and plain numbers in the column"
    return Note("warning", text + several, look.where, action, fix)


def _unit_words(values: pl.Series) -> list[str]:
    return values.str.replace(r"^[+-]?\d[\d.,]*\s*", "").unique(maintain_order=True).to_list()


@column_check("with amounts in several units")
def amounts_in_several_units(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Numbers of which some have a percent sign and some none, or that are in several currencies."""
    if look.series.dtype != pl.String or not look.traits.amount or look.role in ("ignore", "id"):
        return
    present = _present_values(look.sampled_values)
    number = look.read_numbers(present)
    # Nothing is nothing in any unit.
    present = present.filter((number.is_not_null() & (number != 0)).fill_null(False))
    percent = present.str.contains(PERCENT)
    if 0 < percent.sum() < len(present):
        of = f"{percent.sum():,} of {_sampled_values(look, len(present))}"
        text = f"{of} have a percent sign, the others none (such as '{present.filter(~percent)[0][:24]}')"
        yield Note("warning", text, look.where, "read as numbers without regard to it", "write all in one way")
    money = present.str.extract(ANY_MONEY).drop_nulls().unique(maintain_order=True).to_list()
    if len(money) > 1:
        text = f"amounts are in several currencies: {join_words(money, 4)}"
        fix = "convert them to one, or write the currency into a column of its own"
        yield Note("warning", text, look.where, "read as if they were one", fix)


def _quote_examples(values: pl.Series) -> str:
    return join_words((f"'{value[:24]}'" for value in values.unique(maintain_order=True).to_list()), 3)


@column_check("with dates in several forms")
def date_forms(look: ColumnView, _: Sequence[ColumnView]) -> Iterator[Note]:
    """Columns of text with dates in several spellings, or with day and month changed about."""
    if look.series.dtype != pl.String:
        return
    present = _present_values(look.sampled_values).unique(maintain_order=True).head(MOST_DATE_VALUES)
    # Most columns of text are no dates: the first value spares them seven patterns.
    if not len(present) or not re.match(r"\d|[A-Z][a-z]{2}", present[0]):
        return
    which = {form: present.str.contains(pattern) for form, pattern in DATES.items()}
    found = {form: int(hits.sum()) for form, hits in which.items() if hits.any()}
    if sum(found.values()) < MOSTLY * len(present):
        return
    slashes = present.str.extract_groups(r"^(\d{1,2})/(\d{1,2})/").struct.unnest()
    first, second = (slashes[:, i].cast(pl.Int64, strict=False) for i in (0, 1))
    if (first > 12).any() and (second > 12).any():
        text = "the day comes first in some dates and the month in others"
    elif len(found) > 1:
        text = f"dates are written in {len(found)} forms: {join_words(f'{form} ({n:,})' for form, n in found.items())}"
    else:
        return
    rare = min(found, key=lambda form: found[form])
    row = int((look.series.str.strip_chars() == present.filter(which[rare])[0]).arg_max() or 0)
    action = "each is read as written" if look.traits.moment else "ambiguous dates are not read"
    yield Note("warning", text, look.cell_place(row), action, "write all as 2024-01-31")


def _present_values(series: pl.Series) -> pl.Series:
    text = series.str.strip_chars()
    return text.filter(~is_missing(text))
