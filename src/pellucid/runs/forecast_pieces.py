"""A forecast a piece at a time: what comes next, each horizon from the answers before it.

S series, s of them in a block, H steps that are answered at once, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from ..data.timeline.timeline import Timeline
from ..errors import enough_memory
from ..fields import Note
from ..reports.forecast_content import CHANNEL, SERIES, moment_words
from ..solved.linear_forecast import KEY
from ..tasks.future import HIGH, LOW, FutureTask
from ..training.arrays import IndexedRows, WindowRows
from ..training.evaluate import autocast
from ..training.loader import Loader
from ..training.threads import restore_threads, use_threads
from .predictions import INPUT, ROW, Predictions

if TYPE_CHECKING:
    from ..data import Examples
    from .run import Run

# Series up to which one thread answers them.
FEW_SERIES = 16

# Rows of series that are answered side by side, and of a piece of predictions.
BLOCK_ROWS, PIECE_ROWS = 1 << 22, 1 << 16


class StepAnswers:
    """Makes words of a step's answer: (n, 3) what comes and the ends of its interval, in the user's units."""

    def decode(self, raw: np.ndarray) -> list[dict[str, Any]]:  # (n, 3) -> n answers
        return [dict(zip(("value", "low", "high"), row, strict=True)) for row in np.asarray(raw, float).tolist()]

    def tabulate(self, raw: np.ndarray) -> dict[str, np.ndarray]:  # (n, 3) -> three columns
        return dict(zip(("value", "low", "high"), np.asarray(raw, float).T, strict=True))


class ForecastPieces:
    """A forecast as ``PredictionPieces`` are: made when it is gone through, with notes; nothing in it fails.

    Args:
        data: what it follows, with room for it (``extend``). some: (s,) the series that have a forecast.
        steps: ahead. like: the library that was given.

    Attributes:
        advance: hears of so many more rows that were answered.
    """

    def __init__(
        self, run: Run, data: Examples, line: Timeline, some: np.ndarray, steps: int, like: str, notes: Sequence[Note]
    ):
        self.run, self.data, self.line, self.some, self.steps, self.like = run, data, line, some, steps, like
        self.task: FutureTask = run.network.output.task
        self.notes, self.errors = list(notes), dict[int, str]()
        self.advance: Callable[[int], None] = lambda rows: None

    def __len__(self) -> int:
        return len(self.some) * self.steps * len(self.task.fields)

    def __iter__(self) -> Iterator[Predictions]:
        with enough_memory("the forecast", "forecast fewer steps at once"):
            loader = self._loader()
            each = self.steps * len(self.task.fields)
            several = max(1, min(BLOCK_ROWS // each, len(self.some)))
            for first in range(0, len(self.some), several):
                block = self.some[first : first + several]
                done = 0
                for raw in self._stretches(loader, block):
                    start = first * each + done
                    done += raw.shape[0] * raw.shape[1] * raw.shape[2]
                    yield from self._as_predictions(raw.reshape(-1, 3), start)

    def _stretches(self, loader: Loader, block: np.ndarray) -> Iterator[np.ndarray]:
        """Answers (s, k, C, 3) to the series of a block: all steps, or of one series stretches of them."""
        found: list[np.ndarray] = []
        left, channels = self.steps, len(self.task.fields)
        for raw in self._rounds(loader, block):
            found.append(raw[:, :left])
            left -= found[-1].shape[1]
            self.advance(len(block) * found[-1].shape[1] * channels)
            enough = len(block) == 1 and sum(one.shape[1] for one in found) * channels >= PIECE_ROWS
            if enough or left <= 0:
                yield np.concatenate(found, 1)
                found = []

    def _loader(self) -> Loader:
        """All rows, and behind them one a series where its forecast starts, to be moved on and written into."""
        loader = Loader.of(self.data, self.run.fields, self.run.network.device)
        _extend_static(loader, self.line, len(self.data))
        windows = loader.arrays[KEY]
        assert isinstance(windows, WindowRows)
        windows.values, windows.places = windows.values.clone(), windows.places.clone()
        return loader

    def _rounds(self, loader: Loader, block: np.ndarray) -> Iterator[np.ndarray]:  # (s,) -> (s, H, C, 3) each
        """Answers of one horizon after the other, each from the answers before it."""
        network, task, windows = self.run.network, self.task, loader.arrays[KEY]
        assert isinstance(windows, WindowRows)
        rows = torch.from_numpy(len(self.data) + block).to(loader.home)
        columns = [int(f.settings["place"]) for f in task.fields]
        for _ in range(-(-self.steps // task.horizon)):
            found = []
            for part in rows.split(loader.at_once):
                with torch.inference_mode(), autocast(network.device), restore_threads():
                    # Several would wait for one another longer than they work.
                    use_threads(1 if len(part) <= FEW_SERIES else None)
                    found.append(network(loader.batch(part)).float().cpu())
            raw = torch.cat(found)
            point, _ = task.split_answer(raw)
            every = np.concatenate([point[..., None], task.quantiles(raw, (LOW, HIGH))], -1)
            yield task.to_units(every).astype(np.float32)
            places = windows.places[rows].unsqueeze(1) + torch.arange(task.horizon, device=loader.home)  # (s, H)
            values = torch.from_numpy(point).to(loader.home).flatten(0, 1)
            for i, column in enumerate(columns):
                windows.values[places.flatten(), column] = values[:, i]
            windows.places[rows] += task.horizon

    def _as_predictions(self, raw: np.ndarray, start: int) -> Iterator[Predictions]:  # (m, 3)
        """Answers as one row a series, step and channel, of which the first is the row ``start`` of the forecast."""
        for begin in range(0, len(raw), PIECE_ROWS):
            own = raw[begin : begin + PIECE_ROWS]
            frame = self._frame(start + begin + np.arange(len(own)))
            yield Predictions(StepAnswers(), own, frame, {}, self.notes, self.like)  # type: ignore[arg-type]

    def _frame(self, row: np.ndarray) -> pl.DataFrame:  # (m,)
        """What tells these rows: series, time, step and channel."""
        channels = len(self.task.fields)
        which, rest = np.divmod(row, self.steps * channels)
        series = self.some[which]
        step, channel = np.divmod(rest, channels)
        about: dict[str, Any] = {ROW: row}
        # A single one has a name too, by which its rows are joined to others.
        if any(self.line.names):
            about[SERIES] = np.array(self.line.names)[series]
        about["time"] = moment_words(self.line, self.line.place[len(self.data) + series] + step, step)
        about["step"] = step + 1
        if channels > 1:
            about[CHANNEL] = np.array([f.name for f in self.task.fields])[channel]
        frame = pl.DataFrame({name: pl.Series(name, values) for name, values in about.items()})
        shown = [name for name in (SERIES, "time", CHANNEL) if name in frame.columns]
        title = pl.concat_str([pl.col(name).cast(pl.String) for name in shown], separator=", ").alias(INPUT)
        # Right behind the row's number, so that a screen shows the title and none of the columns it is made of.
        return frame.select(ROW, title, pl.exclude(ROW))


def _extend_static(loader: Loader, line: Timeline, rows: int) -> None:
    """Give the places where forecasts start what is said of their series: by its last row before."""
    place = line.place[:rows]
    one = line.series_of(np.maximum(place, 0))
    before = np.flatnonzero((place >= 0) & (place < line.place[rows:][one]))
    last = np.zeros(len(line.names), np.int64)
    # Written in the order of time, so that the latest stays.
    before = before[np.argsort(place[before], kind="stable")]
    last[one[before]] = before
    index = torch.from_numpy(np.concatenate([np.arange(rows), last])).to(loader.home)
    for key, array in loader.arrays.items():
        if not isinstance(array, WindowRows):
            loader.arrays[key] = IndexedRows(array, index)
