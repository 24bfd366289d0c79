"""A timeline cut down to what lies around some places. m of P places, S series, K stretches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .forecast import Forecast
from .timeline import Timeline


@dataclass(frozen=True)
class Stretches:
    """The places around some, each stretch of them from ``first`` to before ``last``.

    Attributes:
        first, last: (K,) places of the whole timeline, in order; no two stretches share one.
    """

    first: np.ndarray
    last: np.ndarray

    @classmethod
    def around(cls, line: Timeline, places: np.ndarray, about: Forecast) -> Stretches:  # (m,) -> K stretches
        """What forecasts from ``places`` on look at, within their series."""
        one = line.series_of(places)
        # One more than is looked at: where missing values are filled by the last one, that may lie before.
        low = np.maximum(line.first[one], places - max(about.context, about.season) - 1)
        order = np.argsort(low, kind="stable")
        low, high = low[order], np.minimum(line.last[one], places + about.horizon)[order]
        # Series follow one another, so stretches that overlap are of one series.
        reached = np.maximum.accumulate(high)
        starts = np.flatnonzero(np.append(True, low[1:] >= reached[:-1])) if len(low) else np.zeros(0, np.int64)
        ends = np.append(starts[1:], len(low)) - 1 if len(low) else starts
        return cls(low[starts], reached[ends])

    def __len__(self) -> int:
        """How many places they have together."""
        return int((self.last - self.first).sum())

    @property
    def places(self) -> np.ndarray:  # (P',)
        """All of their places, in order."""
        return np.concatenate([np.zeros(0, np.int64), *map(np.arange, self.first, self.last)])

    def cut(self, line: Timeline) -> Timeline:
        """A timeline of these places alone, each stretch as if it were a series; its rows are the places in order."""
        one = line.series_of(self.first)
        last = np.cumsum(self.last - self.first)
        return Timeline(
            place=np.arange(len(self)),
            first=last - (self.last - self.first),
            last=last,
            start=line.start[one],
            names=tuple(line.names[i] for i in one),
            step=line.step,
            doubles=line.doubles,
            skipped=self.first - line.first[one],
            utc=line.utc,
        )
