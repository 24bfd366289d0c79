"""Which weights of a training to keep: the last, the best seen, or the average; validation decides. n examples."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from ..data import Split
from ..training.evaluate import mean_loss, predict_raw
from ..training.listeners import Listener
from ..training.loader import Loader
from ..training.state import TrainState, copy_into, use_weights

# More would be answered for longer than is trained.
MOST_VALIDATION_ROWS = 50_000


def limit_validation(split: Split) -> Split:
    """The split with at most ``MOST_VALIDATION_ROWS`` validation rows, spread evenly.

    All of them where there is no test set, because then the run is scored on them.
    """
    rows = split.validation
    if len(rows) <= MOST_VALIDATION_ROWS or not len(split.test):
        return split
    return replace(split, validation=rows[np.linspace(0, len(rows) - 1, MOST_VALIDATION_ROWS).astype(np.int64)])


def say_watched(some: int, every: int, listener: Listener) -> None:
    """Tell that choices are made on ``some`` of ``every`` validation example, where that is fewer."""
    if some < every:
        listener.said(f"choices are made on {some:,} of {every:,} validation examples, spread evenly")


def select_weights(
    state: TrainState, loader: Loader, rows: np.ndarray, *, among: Container[str] | None = None
) -> tuple[dict[str, Any], Tensor, Tensor]:
    """Give the network the weights that answer ``rows`` best: by the metric, and by the loss where that ties.

    The candidates are the last weights, their average and the best seen on the way.

    Args:
        among: names of the candidates to choose from; None for all.

    Returns:
        What was chosen with every candidate's metric; the chosen weights' raw answers (n, R); the targets (n, ...).
    """
    network, output, weight = state.network, state.network.output, loader.score_weights(rows)
    task = output.task
    # A copy, since the weights of others are tried in the same tensors.
    last = {name: value.clone() for name, value in state.weights.items()}
    candidates = {"the last weights": last, "the average": state.average}
    # The best seen at the last step are the last weights. Those of step 0 are what came from another run, its trunk
    # under a solved output layer, or a solved part to which nothing was added yet.
    if state.best_row.get("step") != state.step:
        first = "the frozen trunk" if network.solved is None else f"the {network.solved.name} alone"
        candidates["the best seen" if state.best_row.get("step") else first] = state.best
    candidates = {name: weights for name, weights in candidates.items() if among is None or name in among}
    metrics: dict[str, float] = {}
    found: dict[str, tuple[Tensor, Tensor]] = {}

    def rank_weights(name: str) -> tuple[float, float]:
        value = metrics[name] if task.higher else -metrics[name]
        loss = mean_loss(output, *found[name], weight)
        return (value, -loss) if math.isfinite(value) and math.isfinite(loss) else (-math.inf, -math.inf)

    for name, weights in candidates.items():
        with use_weights(state.weights, weights):
            found[name] = predict_raw(network, loader, rows, mirrored=True)
        metrics[name] = task.measure(*found[name], weight)
    best = max(found, key=rank_weights)
    copy_into(state.weights, candidates[best])
    return {"weights": best, **metrics}, *found[best]
