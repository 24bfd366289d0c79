"""Texts that a network wrote, as a page shows them: worst and best, beside the true ones and the nearest known one.

n examples, m of them that are shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metrics.written import chrf_of_sums
from ..tasks.written import CHRF, EXACT, WrittenTask
from ..training.evaluate import Answers
from .data_content import shown_inputs, shown_targets

if TYPE_CHECKING:
    from ..data import Examples
    from ..runs.run import Run

# Texts that are shown of each sort, and groups that all are put in by their length.
SHOWN, GROUPS = 8, 5

# Takes places of examples, (m,), and gives the texts that the baseline says of them.
Nearest = Callable[[np.ndarray], list[str]]


def written_content(
    run: Run, data: Examples, rows: np.ndarray, answers: Answers, nearest: Nearest | None = None, name: str = ""
) -> dict[str, Any]:
    """The texts that are the least and the most like the true ones.

    Args:
        rows: (n,) of the examples. answers: raw answers (n, R), written, and targets (n, 1) of these rows.
        nearest: the texts that belong to the most similar examples, by places in ``rows``; None where inputs have no
            words. name: what they are.
    """
    task: WrittenTask = run.network.output.task
    raw, size = (np.asarray(one, np.float64) for one in answers)
    alike, length = chrf_of_sums(raw[:, CHRF]), size[:, 0]
    loss = raw[:, 0] / np.maximum(length, 1)
    # Of those that are equally alike the ones that the network held for less likely, or for more.
    worst = np.lexsort((-loss, alike))[:SHOWN]
    worst = worst[raw[worst, EXACT.start] < 1]
    # A text of a few tokens is easily right.
    best = np.lexsort((loss, -alike, length < np.median(length)))
    best = best[~np.isin(best, worst)][:SHOWN]

    def show(chosen: np.ndarray) -> list[dict[str, Any]]:
        said, true = task.decode(raw[chosen]), shown_targets(task, data, rows[chosen])
        near = [None] * len(chosen) if nearest is None else nearest(chosen)
        return [
            {
                "shown": shown_inputs(data, int(rows[i])),
                "written": one["value"],
                "true": text,
                "nearest": other,
                "confidence": one["confidence"],
                "cut_off": one["cut_off"],
                "alike": float(alike[i]),
                "where": data.short_title(int(rows[i])),
            }
            for i, one, text, other in zip(chosen.tolist(), said, true, near, strict=True)
        ]

    by_length = length_groups(alike, raw[:, EXACT.start], length)
    beside = name if nearest is not None else ""
    right = float(raw[:, EXACT].mean())
    return {"right": right, "worst": show(worst), "best": show(best), "by_length": by_length, "beside": beside}


def length_groups(alike: np.ndarray, right: np.ndarray, length: np.ndarray) -> list[dict[str, Any]]:  # (n,) each
    """How good texts are by how many tokens the true ones have: ``tokens``, ``count``, ``alike`` and ``right``."""
    edges = np.unique(np.quantile(length, np.linspace(0, 1, GROUPS + 1)).astype(int))
    group = np.searchsorted(edges[1:-1], length, "right")
    return [
        {
            "tokens": (int(length[own].min()), int(length[own].max())),
            "count": int(own.sum()),
            "alike": float(alike[own].mean()),
            "right": float(right[own].mean()),
        }
        for own in (group == i for i in range(len(edges)))
        if own.any()
    ]
