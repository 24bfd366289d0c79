"""Which rows of a part depend on each other, by group or in time, so that an interval draws what does not. m rows.

With ten equal rows a group, intervals that drew single rows were a third as wide as they should be (docs/LOG.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..examples import Examples
from .time_spans import Moments


def moments_of(data: Examples, rows: np.ndarray) -> Moments | None:  # (m,)
    """The moments of ``rows`` (m,), where the data is split by time; None where not."""
    if data.reading.parting.by != "time":
        return None
    time, dates = data.row_times()
    return Moments(time[rows], data.reading.parting.column or "", dates)


def group_of(data: Examples, rows: np.ndarray) -> np.ndarray | None:  # (m,) -> (m,)
    """The group of each of ``rows``, as a number, where the data is split by group; None where not, or of one alone."""
    parting = data.reading.parting
    if parting.by != "group" or parting.column is None:
        return None
    # Of a single group nothing can be drawn.
    group = np.asarray(data.stored_values(parting.column).arrays["code"])[rows]
    return group if (group != group[:1]).any() else None


def score_grouping(data: Examples, rows: np.ndarray, weight: np.ndarray | None) -> dict[str, Any]:
    """Arguments of ``Task.score`` for ``rows`` (m,): their ``weight`` (m,), groups or moments, and the columns."""
    group = group_of(data, rows)
    weights, groups = data.weight.name if data.weight else "", data.reading.parting.column or ""
    groups = groups if group is not None else ""
    moments = moments_of(data, rows)
    return {"weight": weight, "weights": weights, "group": group, "groups": groups, "moments": moments}
