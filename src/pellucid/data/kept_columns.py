"""Columns of new data that go along with its predictions, so that these can be joined to it. n rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
import polars as pl

from ..errors import PellucidError, UsageError, unknown_name
from ..fields import Column, kind_named, recognise
from .source import Contents, separate_names

# Asks for all columns there are.
ALL = "all"


@dataclass(frozen=True)
class KeptColumns:
    """What goes along with predictions.

    Attributes:
        columns: by name, values as they were read: ids first, then what was asked for.
        files: the file that each of some rows comes from, (m,) -> m names; None where all come from one table.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    files: Callable[[np.ndarray], list[str]] | None = None

    def pieces(self, size: int) -> Iterator[dict[str, pl.Series]]:
        """The columns, ``size`` rows at a time; without end where there are none."""
        if not self.columns:
            return repeat({})
        streams = [_even_pieces(column, size) for column in self.columns.values()]
        return (dict(zip(self.columns, own, strict=True)) for own in zip(*streams, strict=True))


def keep_columns(
    found: Contents, keep: str | Sequence[str], ids: Sequence[str] | None, known: Collection[str]
) -> KeptColumns:
    """The columns of new data that its predictions are to carry.

    Args:
        keep: a column that was asked for, or several, or ``"all"``.
        ids: columns that were ids in training; None where the run did not write them down.
        known: all columns that the run knows. What is new to it may be an id too.

    Raises:
        UsageError: for a column that is not there.
        PellucidError: for a column of images in memory, which no table holds.
    """
    asked = separate_names([keep] if isinstance(keep, str) else keep, found.columns)
    everything = ALL in asked
    for name in asked:
        if name not in found.columns and not everything:
            raise UsageError(unknown_name("column to keep", name, found.columns))
    told = [name for name in ids or () if name in found.columns]
    told += [name for name, one in found.columns.items() if name not in known and _is_id(one, found.kinds)]
    chosen = {name: found.columns[name] for name in dict.fromkeys([*told, *(found.columns if everything else asked)])}
    for name in [name for name, one in chosen.items() if not _fits_a_table(one)]:
        if not everything:
            what = f"column '{name}' holds images, which can't be kept beside predictions"
            raise PellucidError(what, fix="keep a column of numbers or words")
        del chosen[name]
    return KeptColumns(chosen, _files_of(found))


def _fits_a_table(column: Column) -> bool:
    first = next(column.chunks()).held
    return (isinstance(first, pl.Series) and first.dtype != pl.Binary) or getattr(first, "ndim", 1) == 1


def _is_id(column: Column, kinds: Mapping[str, str]) -> bool:
    """Whether a column that the run does not know is an id by its name and values."""
    if column.name in kinds or not _fits_a_table(column):
        return False
    try:
        return recognise(column)[1].role == "id"
    except PellucidError:
        return False


def _files_of(found: Contents) -> Callable[[np.ndarray], list[str]] | None:
    """Which file each row comes from, where rows are files or come from several."""
    places = found.places
    if places is not None:
        several = len(places.files) > 1
        return (lambda rows: [places.files[i] for i in places.locate(rows)[0].tolist()]) if several else None
    for name, column in found.columns.items():
        place = column.places
        # Of photos that lie in files of a folder or an archive, the place is the file's path there.
        if place is not None and name in found.kinds and kind_named(found.kinds[name]).suffixes:
            return lambda rows: [place(int(row)) for row in rows]
    return None


def _even_pieces(column: Column, size: int) -> Iterator[pl.Series]:
    """The values of a column, ``size`` rows at a time, however long the stretches are in which they lie on disk."""
    waiting: pl.Series | None = None
    for chunk in column.chunks():
        series = chunk.series()
        assert series is not None
        waiting = series if waiting is None else pl.concat([waiting, series])
        while len(waiting) >= size:
            yield waiting.head(size)
            waiting = waiting.slice(size)
    if waiting is not None and len(waiting):
        yield waiting
