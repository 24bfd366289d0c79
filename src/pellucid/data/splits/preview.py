"""Previews a split, in words, before any value is decoded, for ``pellucid read``. n rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Column, Field, Note
from ...fields.category import column_words, natural_key
from ...wording import count_noun
from ..source import Contents
from .by_column import parts_of_values, parts_of_words
from .by_order import by_order
from .by_time import by_time, ordering_values, time_column
from .spec import SplitSpec
from .unusable import count_parts, find_lost, say_parts

# With fewer values a column is rather a property of rows than whom they are of.
FEWEST_ENTITIES = 5

ENTITIES = (
    "patient", "subject", "person", "user", "customer", "client", "speaker", "participant", "session", "household",
    "donor", "student", "author", "writer", "driver", "device", "sensor", "machine", "site", "hospital", "case",
)  # fmt: skip

ID_WORDS = ("id", "no", "nr", "code", "number", "key")  # words of a column's name that say it numbers something


def preview_split(
    found: Contents, fields: Sequence[Field], asked: SplitSpec, where: str, even: str, say: Callable[[Note], None]
) -> tuple[SplitSpec, dict[str, int], str]:
    """How rows will be split, as far as that is known before they are decoded.

    Args:
        asked: what the user asked for. where: the source's name. even: what every part has the same share of, in words.
        say: takes what there is to warn of.

    Returns:
        The split asked for, with its column found; the rows of each part, where the data gives them; a sentence.

    Raises:
        PellucidError: when the data can't be parted as asked.
    """
    if asked.by == "group":
        return asked, {}, _preview_groups(found, asked)
    if asked.by == "order":
        return asked, {}, _preview_order(found, asked)
    if asked.by == "time":
        asked = replace(asked, column=time_column(found.columns, asked, where))
        return _preview_by_time(found, fields, asked)
    field = next((f for f in fields if f.role == "split"), None)
    if field is not None:
        part, how = _preview_by_column(found.columns[field.name], asked)
        if (part == 0).any():
            left = count_parts(np.where(find_lost(found, fields, part), -1, part))
            if asked.by == "chance" and asked.asked:
                text = f"the data gives its own split, which is kept; for a new one, add --ignore {field.name}"
                say(Note("warning", text, f"column '{field.name}'"))
            return asked, left, say_parts(how, count_parts(part), left)
        say(Note("warning", "the given split has no training set and is not used"))
    for note in entity_columns(found, fields):
        say(note)
    return asked, {}, f"{asked.shares_text()}, drawn at random" + (f", stratified by {even}" if even else "")


def _preview_by_time(
    found: Contents, fields: Sequence[Field], asked: SplitSpec
) -> tuple[SplitSpec, dict[str, int], str]:
    """``preview_split`` for parts in order of time."""
    time, dates = ordering_values(found.columns[str(asked.column)])
    # Parted twice: which rows are lost follows from the parts they are in, and what is said counts the others alone.
    every, _ = by_time(time, asked, dates)
    lost = find_lost(found, fields, every)
    own, how = by_time(time, asked, dates, ~lost)
    left = int((own < 0).sum())
    sentence = how + (f"; {count_noun(left, 'row')} in none of them" if left else "")
    return asked, count_parts(np.where(lost, -1, own)), sentence


def _preview_by_column(column: Column, asked: SplitSpec) -> tuple[np.ndarray, str]:  # -> (n,) part, -1 for none; how
    text = column_words(column)
    values = sorted(text.drop_nulls().unique().to_list(), key=natural_key)
    of, how = (
        parts_of_values(values, column.name) if asked.by == "column" else (parts_of_words(values), "given by the data")
    )
    place = {value: int(part) for value, part in zip(values, of, strict=True)}
    return np.array([place.get(word, -1) for word in text.to_list()], np.int64), how


def _preview_order(found: Contents, asked: SplitSpec) -> str:
    """How passages of few documents are parted; of too few, training says so."""
    names, passages = found.columns[found.document].series(), found.columns[str(found.target)].chunks()
    size = np.concatenate([own.as_type(pl.String).str.len_chars().to_numpy() for own in passages])
    assert names is not None
    try:
        return by_order(size, names.rle_id().to_numpy().astype(np.int64), asked)[1]
    except PellucidError:
        return asked.shares_text()


def _preview_groups(found: Contents, asked: SplitSpec) -> str:
    """How many groups there are and how large, in a sentence. Raises PellucidError for a column without values."""
    column = found.columns[str(asked.column)]
    text = column_words(column).drop_nulls()
    counts = text.alias("value").value_counts(name="count")["count"] if len(text) else text
    if not len(counts):
        raise PellucidError(f"column '{column.name}' has no values to keep together")
    low, high = int(counts.min()), int(counts.max())  # type: ignore[arg-type]
    noun = "passage" if column.name == found.document else "row"
    rows = count_noun(low, noun) if low == high else f"{low:,} to {high:,} {noun}s"
    if column.name == found.document:
        return f"{asked.shares_text()}, each of {count_noun(len(counts), 'document')} ({rows}) in one set only"
    values = count_noun(len(counts), "value")
    return f"{asked.shares_text()}, each of {values} of '{column.name}' ({rows}) in one set only"


def entity_columns(found: Contents, fields: Sequence[Field]) -> list[Note]:
    """Notes on columns that say whom rows are of (``user_id``), several rows each: random parts would share people."""
    notes = []
    for field in fields:
        name = _entity_noun(field)
        if name is None:
            continue
        text = column_words(found.columns[field.name])
        present, distinct = text.count(), text.drop_nulls().n_unique()
        # At least two rows each on average: else there is hardly anything to keep together.
        if FEWEST_ENTITIES <= distinct <= present / 2:
            text_of_note = (
                f"{distinct:,} values for {present:,} rows: rows of one {name} may be in both train and test, and"
            )
            text_of_note += f" then the score is too good; --split group:{field.name} keeps them together"
            notes.append(Note("info", text_of_note, f"column '{field.name}'"))
    return notes


def _entity_noun(field: Field) -> str | None:
    """What a column's values are named after, e.g. ``"user"`` for ``user_id``; None where they are no entities."""
    if field.role not in ("input", "id", "ignore") or not (field.traits.plain or field.traits.prose):
        return None
    parts = field.name.replace("-", "_").replace(" ", "_").replace(".", "_").lower().strip("_").split("_")
    own = [part for part in parts if part not in ID_WORDS]
    # One noun alone (user_id, patient no): a name of several says a property of whom, as in user_age.
    if len(own) == 1 and (own[0] in ENTITIES or (len(parts) > 1 and parts[-1] == "id")):
        return own[0]
    whole = parts[-1].removesuffix("id")
    return whole if len(parts) == 1 and whole in ENTITIES else None
