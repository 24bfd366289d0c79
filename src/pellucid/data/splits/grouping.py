"""What hangs together among the rows of a part, so that an interval draws what is independent. m rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..examples import Examples
from .time_spans import Moments


def moments_of(data: Examples, rows: np.ndarray) -> Moments | None:  # (m,)
    """When each of ``rows`` is, where they are parted by time; None where not."""
    if data.reading.parting.by != "time":
        return None
    time, dates = data.row_times()
    return Moments(time[rows], data.reading.parting.column or "", dates)


def group_of(data: Examples, rows: np.ndarray) -> np.ndarray | None:  # (m,) -> (m,)
    """Whose each of ``rows`` is, as a number, where rows are parted by groups; None where not.

    None also where all are of one group: of it alone nothing can be drawn.
    """
    parting = data.reading.parting
    if parting.by != "group" or parting.column is None:
        return None
    group = np.asarray(data.stored_values(parting.column).arrays["code"])[rows]
    return group if (group != group[:1]).any() else None


def score_grouping(data: Examples, rows: np.ndarray, weight: np.ndarray | None) -> dict[str, Any]:
    """How ``rows`` (n,) count in a score: their ``weight`` (n,), and what is drawn for its interval."""
    group = group_of(data, rows)
    weights, groups = data.weight.name if data.weight else "", data.reading.parting.column or ""
    groups = groups if group is not None else ""
    moments = moments_of(data, rows)
    return {"weight": weight, "weights": weights, "group": group, "groups": groups, "moments": moments}
