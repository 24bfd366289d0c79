"""Predictions a piece at a time, so that memory need not hold those of a large table. n examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ..errors import enough_memory
from ..fields import Note
from ..training.evaluate import predict_raw
from .predictions import FILE, INPUT, ROW, Predictions, free_name, table_names

if TYPE_CHECKING:
    from ..data import Examples
    from ..network import Network
    from ..tasks.base import Task
    from ..training.loader import Loader

# Examples in a piece: a multiple of every usual batch, so that it is answered as all at once would be.
PIECE_ROWS = 1 << 16

# The same where answers are written token after token, which takes long: whoever waits sees them come.
WRITTEN_ROWS = 1 << 10

# The kind of what is written.
WRITING = "writing"

# Numbers of raw answers in a piece, at most, but for the rows that it has at least.
MOST_NUMBERS, LEAST_ROWS = 1 << 24, 1 << 9


class PredictionPieces:
    """The predictions of some data, made when they are gone through: ``for piece in run.predict_pieces(data)``.

    Args:
        task: of the network, by the threshold that was asked for. loader: of the data, None where no example could be
            read; rows: (m,) that could. width: of a raw answer. like: the library of the data frame that was given.
        how: texts are written, where an answer is one and it was said.

    Attributes:
        data: what was read. errors: by row, why there is no prediction.
        advance: hears of so many more rows that were answered. piece_rows: rows of a piece.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        data: Examples,
        loader: Loader | None,
        rows: np.ndarray,
        width: int,
        like: str,
        how: Any = None,
    ):
        self.network, self.task, self.data, self.loader = network, task, data, loader
        self.width, self.like, self.how = width, like, how
        self.advance: Callable[[int], None] = lambda rows: None
        self.piece_rows = usual_rows(task, width)
        self._answered = np.zeros(len(data), bool)
        self._answered[rows] = True
        problems = data.input_problems() if len(rows) < len(data) else {}
        lost = np.flatnonzero(~self._answered).tolist()
        self.errors = {row: problems.get(row, "could not be read") for row in lost}

    def __len__(self) -> int:
        """How many examples there are in all pieces."""
        return len(self.data)

    @property
    def notes(self) -> list[Note]:
        """What was odd about the data."""
        return self.data.notes

    def __iter__(self) -> Iterator[Predictions]:
        task, n, size = self.task, len(self), self.piece_rows
        taken = table_names(task, self.width)
        for start, kept in zip(range(0, n, size), self.data.kept.pieces(size), strict=False):
            stop = min(start + size, n)
            rows = np.arange(start, stop)
            about: dict[str, Any] = {ROW: rows}
            if self.data.kept.files is not None:
                about[FILE] = self.data.kept.files(rows)
            for name, series in kept.items():
                about[free_name(name, {*taken, *about})] = series
            about[INPUT] = pl.Series(INPUT, self.data.short_titles(rows), pl.String)
            errors = {row - start: self.errors[row] for row in rows[~self._answered[start:stop]].tolist()}
            raw, frame = self._answers(rows), pl.DataFrame(about)
            self.advance(len(rows))
            yield Predictions(task, raw, frame, errors, self.notes, self.like, failing=bool(self.errors))

    def _answers(self, rows: np.ndarray) -> np.ndarray:  # (m,) -> (m, R)
        """Raw answers to some rows, NaN for those that could not be read."""
        good = self._answered[rows]
        if not good.any() or self.loader is None:
            return np.full((len(rows), self.width), np.nan, np.float32)
        fewer = "give fewer of them at a time"
        with enough_memory(f"{good.sum():,} examples at once", fewer), self.network.output.writing(self.how):
            found = predict_raw(self.network, self.loader, rows[good], size=self.loader.at_once, final=True)[0]
        # What is written differs in length.
        raw = np.full((len(rows), found.shape[1]), np.nan, np.float32)
        raw[good] = found.numpy()
        return raw


def usual_rows(task: Any, width: int) -> int:
    """Rows of a piece of answers that have ``width`` numbers each."""
    fit = max(MOST_NUMBERS // max(width, 1), LEAST_ROWS)
    return min(WRITTEN_ROWS if task.kind == WRITING else PIECE_ROWS, 1 << (fit.bit_length() - 1))
