"""Which places of a timeline are of train, before anything is chosen by values. P places, S series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...errors import PellucidError
from ...fields import Column, kind_named
from ..splits.by_window import given_places, part_places
from ..splits.spec import SplitSpec
from .forecast import Forecast
from .timeline import Timeline


@dataclass(frozen=True)
class LearnedPlaces:
    """How the places of a table will be parted, which is asked while it is read.

    Attributes:
        columns: of the table, by name. ends: (S,) the place behind the last known target of each series.
        where: the source's name.
    """

    line: Timeline
    parting: SplitSpec
    columns: Mapping[str, Column]
    ends: np.ndarray
    where: str

    def places(self, about: Forecast) -> np.ndarray:  # (P,) bool
        """Which places are of train; of parts that can't be, of which training says so, the first share of them."""
        part = self.parts(about)[0]
        if part is not None:
            return part == 0
        line, share = self.line, min(self.parting.shares[0], 0.5)
        one = line.series_of(np.arange(line.places))
        return np.arange(line.places) < line.first[one] + share * (self.ends - line.first)[one]

    def parts(self, about: Forecast) -> tuple[np.ndarray | None, str]:  # (P,), how
        """The part of each place, None where they can't be made, and in words how series are parted."""
        try:
            if self.parting.by == "column":
                column = self.columns[self.parting.column or ""]
                stored = kind_named("category").store(column, {}, lambda note: None)
                part, _ = given_places(self.line, stored, column.name)
                return part, f"as '{column.name}' says"
            parting = replace(self.parting, by="time", column=about.time or None)
            return part_places(self.line, parting, about, self.where, self.ends)
        except (PellucidError, KeyError):
            by = self.parting.by == "column"
            return None, f"as '{self.parting.column}' says" if by else self.parting.shares_text()
