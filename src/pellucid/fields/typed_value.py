"""One value that a person typed for a column, read as its kind reads a cell."""

from __future__ import annotations

import polars as pl

from ..errors import PellucidError, UsageError, unknown_name
from .base import Field
from .column import Column
from .encoded import Encoded, missing_rows
from .notes import Note
from .number import MISSING
from .same_value import match_values


def encode_typed(field: Field, text: str | None) -> tuple[Encoded, str]:
    """The encoded value, one example, and what is odd about it; None, or a word for it, stands for a missing value.

    Args:
        field: fitted.

    Raises:
        UsageError: for a word that the column has never had, with those that were probably meant, or text that is no
            value of its kind.
        PellucidError: of kinds whose values can't be typed.
    """
    kind, state = field.traits, field.state or {}
    if kind.suffixes or kind.moments or (kind.axes and not kind.prose):
        raise PellucidError(f"'{field.name}' is {kind.noun}, which can't be typed", fix="give another example instead")
    notes: list[Note] = []
    stored = kind.store(Column(field.name, pl.Series(field.name, [text], pl.String)), field.settings, notes.append)
    named = text is not None and text.strip().lower() not in MISSING
    if named and (len(stored.bad) or (not kind.prose and missing_rows(stored).any())):
        raise UsageError(
            f"'{str(text)[:60]}' can't be read for '{field.name}', {kind.noun}",
            fix="write it as the cells of the column are written",
        )
    if kind.classed and named:
        known = list(state["values"])
        same = match_values(stored.meta["values"], known)
        for word in stored.meta["values"]:
            if word not in known and word not in same:
                raise UsageError(unknown_name(f"value of '{field.name}'", word, known))
    return kind.encode(stored, state), kind.describe_new_values(stored, state) if named else ""
