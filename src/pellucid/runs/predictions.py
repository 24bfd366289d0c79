"""Predictions: what a run answers to each example, and what tells the examples. n examples, R numbers in an answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import polars as pl

from ..draw.markup import Markup, tag
from ..errors import PellucidError, UsageError
from ..fields import Note
from ..wording import count_noun, plain_text, rounded_number

if TYPE_CHECKING:
    from ..tasks.base import Task

# What of a prediction tells the example: its position in the data, the file it comes from, and its name for people.
ROW, FILE, INPUT, ERROR = "row", "file", "input", "error"

# Names that tell programs what kind of answer a prediction is: no column of the data takes one, whatever the answer.
ANSWER_NAMES = ("label", "labels", "probability", "probabilities", "value", "low", "high")

# Put before the name of a column of the data that a prediction has a part of the same name.
GIVEN = "given_"

# Rows that are shown, on a page and as text; predictions that are made into words at a time.
SHOWN, SHOWN_COLUMNS, AT_ONCE = 10, 12, 1 << 12


class Predictions(Sequence[Mapping[str, Any]]):
    """One prediction an example, in the order of the data: a sequence of dicts, made when they are asked for.

    A dict has ``row`` (the position in the data, from 0), ``file`` where rows are files or come from several, the
    columns that go along, ``input`` (the example's name for people) and the prediction: ``label, probability,
    probabilities``; for several labels ``labels, probabilities``; for numbers ``value, low, high``, several of them
    each under its name. An example that could not be read has ``error`` instead, in its place.

    Args:
        task: makes words of answers.
        raw: (n, R) float32 answers, as the network gave them; whatever stands where there is an error.
        about: n rows with what tells the examples: ``row``, ``file``, columns of the data, ``input``.
        errors: by place in these predictions, why there is none.
        notes: what was odd about the data.
        like: the library of the data frame that was given, ``"pandas"`` or ``"polars"``.

    >>> found = run.predict("new.csv")                                                      # doctest: +SKIP
    >>> found[0]["label"], found.to_frame(), found.to_csv("predictions.csv")                # doctest: +SKIP
    """

    def __init__(
        self,
        task: Task,
        raw: np.ndarray,
        about: pl.DataFrame,
        errors: Mapping[int, str] | None = None,
        notes: Iterable[Note] = (),
        like: str = "polars",
        failing: bool = False,
    ):
        self.task, self.raw, self.about, self.like = task, raw, about, like
        self.errors, self.notes = dict(errors or {}), tuple(notes)
        # Pieces of one table have the same columns, whichever of them the errors are in.
        self.failing = failing or bool(self.errors)

    @classmethod
    def joined(cls, pieces: Sequence[Predictions], notes: Iterable[Note] = ()) -> Predictions:
        """The predictions of several pieces, one after the other."""
        first = pieces[0]
        starts = np.cumsum([0, *(len(piece) for piece in pieces)]).tolist()
        errors = {start + at: why for start, one in zip(starts, pieces, strict=False) for at, why in one.errors.items()}
        about = pl.concat([piece.about for piece in pieces])
        return cls(first.task, stack_answers([piece.raw for piece in pieces]), about, errors, notes, first.like)

    def __len__(self) -> int:
        return len(self.about)

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, at: slice) -> Predictions: ...

    def __getitem__(self, at: int | slice) -> dict[str, Any] | Predictions:
        if isinstance(at, slice):
            return self._take(np.arange(len(self))[at])
        place = range(len(self))[at]
        return next(self._dicts(place, place + 1))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), AT_ONCE):
            yield from self._dicts(start, min(start + AT_ONCE, len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Predictions | list | tuple):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    # As lists have none: they can be changed, and so can what these hold.
    __hash__ = None  # type: ignore[assignment]

    def _take(self, rows: np.ndarray) -> Predictions:
        errors = {i: self.errors[row] for i, row in enumerate(rows.tolist()) if row in self.errors}
        return Predictions(
            self.task, self.raw[rows], self.about[rows], errors, self.notes, self.like, failing=self.failing
        )

    def _dicts(self, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """The predictions from ``start`` to before ``stop``."""
        own = self.about[start:stop].iter_rows(named=True)
        for place, about, said in zip(range(start, stop), own, self.task.decode(self._raw(start, stop)), strict=True):
            yield {**about, **({ERROR: self.errors[place]} if place in self.errors else said)}

    def _raw(self, start: int, stop: int) -> np.ndarray:
        """Answers in which 0 stands for those that are not there."""
        raw = self.raw[start:stop]
        if self.errors and (gone := [place - start for place in range(start, stop) if place in self.errors]):
            raw = raw.copy()
            raw[gone] = 0
        return raw

    def __repr__(self) -> str:
        if not len(self):
            return "Predictions(none)"
        failed = f", {len(self.errors):,} of them without an answer" if self.errors else ""
        first = next((self[i] for i in range(min(len(self), SHOWN)) if i not in self.errors), None)
        said = f"; the first: {_in_brief(first, self.about.columns)}" if first else ""
        return f"Predictions({count_noun(len(self), 'row')}{failed}{said})"

    def _repr_html_(self) -> str:
        """The first rows as a table, for notebooks: every text escaped, no scripts."""
        frame = self[:SHOWN].to_frame("polars")
        names = frame.columns[:SHOWN_COLUMNS]
        head = tag("tr", [tag("th", name) for name in names])
        rows = [tag("tr", [tag("td", _cell_text(cell)) for cell in row]) for row in frame.select(names).rows()]
        more = [f"{len(self) - len(frame):,} more rows"] if len(self) > len(frame) else []
        more += [f"{frame.width - len(names):,} more columns"] if frame.width > len(names) else []
        last = f"{' and '.join(more)}: .to_frame() has all" if more else ""
        table = tag("table", tag("thead", head), tag("tbody", rows))
        return Markup(tag("div", table, tag("p", last) if last else None))

    def to_frame(self, library: str | None = None) -> Any:
        """A data frame, a row an example: the probability of the class ``cat`` is in the column ``p_cat``.

        Args:
            library: ``"pandas"`` or ``"polars"``. Left out, that of the data frame that was given, else Polars.

        Raises:
            UsageError: for another word. PellucidError: when pandas is asked for and not installed.
        """
        chosen = library or self.like
        if chosen not in ("pandas", "polars"):
            raise UsageError(f"library {chosen!r}: expected 'pandas' or 'polars'")
        frame = self._frame()
        if chosen == "polars":
            return frame
        try:
            import pandas
        except ImportError:
            raise PellucidError("pandas is not installed", fix='take .to_frame("polars"), or install pandas') from None
        return pandas.DataFrame({name: _pandas_values(frame[name]) for name in frame.columns})

    def _frame(self) -> pl.DataFrame:
        """All columns as a frame of Polars, null where there is no answer."""
        parts = [
            pl.DataFrame(
                {
                    name: pl.Series(name, values, strict=False)
                    for name, values in self.task.tabulate(
                        self._raw(start, min(start + AT_ONCE * 16, len(self)))
                    ).items()
                }
            )
            for start in range(0, len(self), AT_ONCE * 16)
        ]
        said = pl.concat(parts) if parts else pl.DataFrame()
        if self.failing:
            why = pl.Series(ERROR, [self.errors.get(place) for place in range(len(self))], pl.String)
            there = why.is_null()
            said = said.select(pl.when(there).then(pl.all())).with_columns(why)
        return pl.concat([self.about, said], how="horizontal")

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write all rows as CSV, whole or not at all, replacing what is there.

        Text that a spreadsheet would take for a formula gets a ``'`` before it; OWASP on CSV injection.

        Raises:
            PellucidError: when it can't be written.
        """
        from .prediction_file import write_file

        write_file([self], Path(os.path.expanduser(path)), replace=True, ending=".csv")


def stack_answers(parts: Sequence[np.ndarray]) -> np.ndarray:  # (n, R) each -> (n, R)
    """Raw answers one after the other; where some are wider, as what is written is, others get zeros at their end."""
    widest = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, widest - part.shape[1]))) for part in parts])


def table_names(task: Task, width: int) -> set[str]:
    """All names that parts of a prediction and columns of its table have, where an answer has ``width`` numbers."""
    empty = np.zeros((1, width), np.float32)
    return {ROW, FILE, INPUT, ERROR, *ANSWER_NAMES, *task.decode(empty)[0], *task.tabulate(empty)}


def free_name(name: str, taken: Iterable[str]) -> str:
    """A name for a column of the data that no other part of a prediction has."""
    taken = set(taken)
    while name in taken:
        name = GIVEN + name
    return name


def _in_brief(prediction: Mapping[str, Any], about: Sequence[str]) -> str:
    """A prediction in a few words."""
    parts = [f"{k} {_cell_text(v)}" for k, v in prediction.items() if k not in about and not isinstance(v, Mapping)]
    parts = parts or [f"{k} {_cell_text(v.get('value'))}" for k, v in prediction.items() if isinstance(v, Mapping)]
    return ", ".join(parts[:4])


def _cell_text(value: Any) -> str:
    if isinstance(value, float):
        return rounded_number(value, 4)
    return "" if value is None else plain_text(value) if not isinstance(value, str) else value


def _pandas_values(series: pl.Series) -> Any:
    """The values as pandas takes them without pyarrow: numbers and times as arrays, the rest as objects."""
    plain = series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Date, pl.Datetime)
    if plain and not (series.null_count() and series.dtype.is_integer()):
        return series.to_numpy()
    values = np.empty(len(series), object)
    values[:] = series.to_list()
    return values
