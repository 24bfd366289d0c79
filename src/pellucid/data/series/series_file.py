"""What a file of whole series holds, whatever its form. n series, C channels, T values of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import polars as pl

from ...errors import PellucidError
from ...fields import Column, Note
from ...wording import count_noun
from ..tables.table import Places, places_in_file, row_runs, stack_places

# The columns that series make: one channel, or several; what is predicted of each; its part.
SERIES, CHANNEL, CLASS, NUMBER, SPLIT = "series", "channel", "class", "target", "split"

# The kind of the columns of channels.
SERIES_KIND = "series"

# What a row holds: for each channel its values.
Channels = list[np.ndarray]


@dataclass
class SeriesFile:
    """Series read from one file, line by line.

    Attributes:
        where: how messages call the file.
        rows: the channels of each series, None for a line that can't be read.
        answers: what is true of each, as written; None where that is not known.
        lines: the line of each row, counted from 1. faults: by row, why it can't be read.
        goal: the column of the answers: ``CLASS``, ``NUMBER``, or empty where the file has none.
        notes: what was odd.
    """

    where: str
    goal: str = CLASS
    rows: list[Channels | None] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def add(self, line: int, channels: Channels | None, answer: str | None, fault: str = "") -> None:
        """Add a row; ``fault`` says why it can't be read."""
        if fault:
            self.faults[len(self.rows)] = fault
        self.rows.append(None if fault else channels)
        self.answers.append(answer)
        self.lines.append(line)

    @property
    def channels(self) -> int:
        """How many channels the series have; 0 where none can be read."""
        return next((len(row) for row in self.rows if row is not None), 0)

    @property
    def places(self) -> Places:
        return places_in_file(self.where, [row_runs(np.array(self.lines, np.int64))])


def channel_names(count: int) -> list[str]:
    """The names of the columns of so many channels.

    >>> channel_names(1), channel_names(2)
    (['series'], ['channel_1', 'channel_2'])
    """
    return [SERIES] if count == 1 else [f"{CHANNEL}_{i + 1}" for i in range(count)]


def columns_of_files(files: Sequence[SeriesFile]) -> tuple[dict[str, Column], Places]:
    """The columns of some files, those of one behind those of the other, and where their rows come from.

    Raises:
        PellucidError: where the files have different numbers of channels, or not one series can be read.
    """
    counts = {one.where: one.channels for one in files if one.channels}
    if not counts:
        first = files[0]
        why = next(iter(first.faults.values()), "it holds no series")
        at = f", line {first.lines[0]:,}" if first.lines else ""
        raise PellucidError(f"none of its series can be read: {why}", where=f"{first.where}{at}")
    if len(set(counts.values())) > 1:
        said = " and ".join(f"{count_noun(count, 'channel')} in {name}" for name, count in counts.items())
        raise PellucidError(f"the files don't belong together: {said}", fix="give files of one problem")
    places = stack_places([one.places for one in files], [len(one.rows) for one in files])
    faults: dict[int, str] = {}
    for one, start in zip(files, np.cumsum([0, *(len(one.rows) for one in files)]).tolist(), strict=False):
        faults |= {row + start: why for row, why in one.faults.items()}
    rows = [row for one in files for row in one.rows]
    columns = {}
    for i, name in enumerate(channel_names(next(iter(counts.values())))):
        cells = list_series(name, [None if row is None else row[i] for row in rows])
        columns[name] = Column(name, cells, places=partial(_row_place, places), row_places=places, faults=faults)
    # What is said of a series that can't be read is no class: of a line cut short it is a part of its values.
    answers = [None if i in one.faults else answer for one in files for i, answer in enumerate(one.answers)]
    if goal := files[0].goal:
        held = pl.Series(goal, answers, pl.String)
        columns[goal] = Column(goal, held, places=partial(places.cell_place, goal), row_places=places)
    return columns, places


def _row_place(places: Places, row: int) -> str:
    return places(row)


def list_series(name: str, cells: Sequence[np.ndarray | None]) -> pl.Series:
    """Series as a column of lists, null where there is none."""
    lengths = np.array([0 if cell is None else len(cell) for cell in cells], np.int64)
    flat = np.concatenate([np.zeros(0), *(cell for cell in cells if cell is not None)])
    row = np.repeat(np.arange(len(cells)), lengths)
    frame = pl.DataFrame({"row": row, "value": flat.astype(np.float64)})
    found = frame.group_by("row", maintain_order=True).agg("value")
    every = pl.DataFrame({"row": np.arange(len(cells))}).join(found, on="row", how="left", maintain_order="left")
    return every["value"].alias(name)


def check_channels(file: SeriesFile, declared: int | None = None) -> SeriesFile:
    """The file with rows of another number of channels than most, or than was declared, as ones that can't be read."""
    counts: dict[int, int] = {}
    for row in file.rows:
        if row is not None:
            counts[len(row)] = counts.get(len(row), 0) + 1
    usual = declared or max(counts, key=lambda count: counts[count], default=0)
    for i, row in enumerate(file.rows):
        if row is not None and len(row) != usual:
            expected = f"{usual:,} are declared" if declared else f"the others have {usual:,}"
            file.faults[i] = f"has {count_noun(len(row), 'dimension')}, and {expected}"
            file.rows[i] = None
    return file
