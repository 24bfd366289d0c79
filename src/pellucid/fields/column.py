"""Raw values of a column as the user has them, in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from ..errors import PellucidError

# Rows of a column that are worked on at a time: 2 MB of float64.
PIECE = 1 << 18


@dataclass(frozen=True)
class LazyValues:
    """Values that lie on disk: read when they are asked for, a stretch at a time, and not kept.

    Attributes:
        rows: how many there are. pieces: reads them anew, in order; every piece has the same type. dtype: this type,
            so that nothing is read to learn it.
    """

    rows: int
    pieces: Callable[[], Iterable[pl.Series]]
    dtype: pl.DataType

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True)
class Column:
    """Raw values of one field as the user has them.

    Attributes:
        name: the column's name.
        held: a polars Series (numbers, strings, dates; paths for images) or, for values given in memory, an array
            whose first axis is the example (images: (n, H, W) or (n, H, W, C), uint8 or float in 0..1); ``LazyValues``
            for a column of a table that is not held in memory.
        base: the folder that relative paths in ``values`` start from.
        places: where each value comes from, ``places(row) -> "train.csv, line 12, column 'price'"``, for messages.
        fetch: the content of the file that a value names, where files are not on the disk but in an archive or in
            memory; raises ``files.Unreadable``.
        marked: whether the digest of the source tells when files that values name have changed.
        row_places: where each row comes from, where that is more than the place of one value.
        decimal: the mark before the decimals of numbers that are text.
        faults: rows whose value could not be read, and why.
    """

    name: str
    held: pl.Series | np.ndarray | LazyValues
    base: Path | None = None
    places: Callable[[int], str] | None = None
    fetch: Callable[[str], bytes] | None = None
    marked: bool = False
    row_places: Callable[[int], str] | None = None
    decimal: str = "."
    faults: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.held)

    @property
    def values(self) -> pl.Series | np.ndarray:
        """All values. Those that lie on disk are read anew each time: hold what this returns, or go by ``chunks``."""
        if isinstance(self.held, LazyValues):
            return pl.concat(list(self.held.pieces()), rechunk=False).alias(self.name)
        return self.held

    def load_values(self) -> Column:
        """The same column with its values in memory, for who looks at them more than once."""
        if not isinstance(self.held, LazyValues):
            return self
        return replace(self, held=self.values)

    @property
    def surely_no_text(self) -> bool:
        """Whether the type alone says that no value is a string; values on disk are not read for it."""
        return isinstance(self.held, pl.Series | LazyValues) and self.held.dtype != pl.String

    def series(self) -> pl.Series | None:
        """The values as a polars Series, (n,); None for arrays with more than one axis."""
        values = self.values
        if isinstance(values, pl.Series):
            return values
        if values.ndim != 1:
            return None
        plain = values.tolist() if values.dtype.kind in "OUS" else values
        return pl.Series(self.name, plain, strict=False)

    def chunks(self) -> Iterator[Column]:
        """The column a stretch of rows at a time, so that what is made of a long one is never made at once."""
        # The pieces of a wide table have few rows each.
        if isinstance(self.held, LazyValues) and len(self.held) > PIECE:
            stretches = self.held.pieces()
        elif (series := self.series()) is not None:
            stretches = cut_series(series)
        # An array with several axes is of no use in pieces.
        else:
            yield self
            return
        for stretch in stretches:
            # Rows of a stretch count from its own start, so places would name the wrong ones.
            yield replace(self, held=stretch, places=None, row_places=None, faults={})

    def as_type(self, dtype: type[pl.DataType]) -> pl.Series:
        """The values as a Series of ``dtype``, null where one can't be. Raises PellucidError when none can."""
        series = self.series()
        try:
            assert series is not None
            return series.cast(dtype, strict=False)
        except (AssertionError, pl.exceptions.PolarsError):
            holds = f"values of type {series.dtype}" if series is not None else f"an array of {np.shape(self.values)}"
            raise PellucidError(
                f"the column '{self.name}' holds {holds}, which can't be read as {dtype.__name__.lower()}",
                fix=f"name another kind with --kind {self.name}=KIND or leave it out with --ignore {self.name}",
            ) from None

    def place(self, row: int) -> str:
        """Where a value comes from."""
        return self.places(row) if self.places else f"row {row:,}, column '{self.name}'"

    def row_place(self, row: int) -> str:
        """Where the row of a value comes from."""
        places = self.row_places or self.places
        return places(row) if places else f"row {row:,}"


def cut_series(series: pl.Series) -> Iterator[pl.Series]:
    """A series in stretches of at most ``PIECE`` rows; an empty one as it is."""
    for start in range(0, max(len(series), 1), PIECE):
        yield series.slice(start, PIECE)


def drop_missing(series: pl.Series) -> pl.Series:
    """The values that are there."""
    # An expression of Polars costs a tenth of a millisecond, and there may be 10,000 columns with no gap.
    return series.drop_nulls() if series.null_count() else series


def thin_series(series: pl.Series, most: int = 100_000) -> pl.Series:
    """At most about so many of the values, spread evenly."""
    step = len(series) // most
    return series.gather_every(step) if step > 1 else series
