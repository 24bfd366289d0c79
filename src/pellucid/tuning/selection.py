"""Which weights of a training to keep: the last, the best seen, or the average; validation decides. n examples."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Split
from ..data.batches.batch import Batch
from ..data.splits.time_spans import Moments
from ..metrics.base import normalised_weights
from ..metrics.block_bootstrap import NORMAL_95, block_bootstrap
from ..metrics.bootstrap import bootstrap_interval
from ..network import Network
from ..outputs import Output
from ..training.evaluate import Answers, mean_loss, predict_raw
from ..training.listeners import Listener
from ..training.loader import Loader
from ..training.state import TrainState, copy_into, use_weights

# Of the difference in loss to a solved part alone, from which on the trunk is kept.
STANDARD_ERRORS = 1.0


def limit_validation(split: Split, output: Output) -> Split:
    """The split with at most ``output.most_watched`` validation rows, spread evenly.

    All of them where there is no test set, because then the run is scored on them.
    """
    rows, most = split.validation, output.most_watched
    if len(rows) <= most or not len(split.test):
        return split
    return replace(split, validation=rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)])


def say_watched(some: int, every: int, listener: Listener) -> None:
    """Tell that choices are made on ``some`` of ``every`` validation example, where that is fewer."""
    if some < every:
        listener.said(f"choices are made on {some:,} of {every:,} validation examples, spread evenly")


def select_weights(
    state: TrainState,
    loader: Loader,
    rows: np.ndarray,
    *,
    among: Container[str] | None = None,
    group: np.ndarray | None = None,
    moments: Moments | None = None,
) -> tuple[dict[str, Any], Tensor, Tensor]:
    """Give the network the weights that answer ``rows`` best: by the metric, and by the loss where that ties.

    The candidates are the last weights, their average and the best seen on the way; a solved part alone too, which is
    chosen unless another is surely better.

    Args:
        among: names of the candidates to choose from; None for all.
        group, moments: of ``rows``, as for ``Task.score``: which of them are alike.

    Returns:
        What was chosen with every candidate's metric; the chosen weights' raw answers (n, R); the targets (n, ...).
    """
    network, output, weight = state.network, state.network.output, loader.score_weights(rows)
    task = output.task
    # A copy, since the weights of others are tried in the same tensors.
    last = {name: value.clone() for name, value in state.weights.items()}
    candidates = {"the last weights": last, "the average": state.average}
    # The best seen at the last step are the last weights. Those of step 0 are what came from another run: its trunk,
    # under a solved output layer.
    if state.best_row.get("step") != state.step:
        candidates["the best seen" if state.best_row.get("step") else "the frozen trunk"] = state.best
    alone = name_alone(network)
    if alone:
        candidates[alone] = without_trunk(network, last)
    candidates = {name: weights for name, weights in candidates.items() if among is None or name in among}
    metrics: dict[str, float] = {}
    found: dict[str, tuple[Tensor, Tensor]] = {}

    def rank_weights(name: str) -> tuple[float, float]:
        value = metrics[name] if task.watched.higher else -metrics[name]
        loss = mean_loss(output, *found[name], weight)
        return (value, -loss) if math.isfinite(value) and math.isfinite(loss) else (-math.inf, -math.inf)

    for name, weights in candidates.items():
        with use_weights(state.weights, weights):
            # What is written takes long: of the chosen weights alone, below.
            found[name] = predict_raw(network, loader, rows, final=not output.writes)
        metrics[name] = task.measure_watched(*found[name], weight)
    best = max(found, key=rank_weights)
    # What is simpler stays unless validation is sure of more: of four rows any is the best by chance.
    if alone and best != alone and not is_surely_better(output, found[best], found[alone], group, moments):
        best = alone
    copy_into(state.weights, candidates[best])
    if output.writes:
        found[best] = predict_raw(network, loader, rows, final=True)
    return {"weights": best, **metrics}, *found[best]


def name_alone(network: Network) -> str:
    """What a network's solved part alone is called among the candidates; "" without one."""
    return "" if network.solved is None else f"the {network.solved.name} alone"


def without_trunk(network: Network, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with an output layer of zeros: the network then says what its solved part says, and nothing more."""
    zeroed = {f"output.{name}" for name, _ in network.output.named_parameters()}
    return {name: torch.zeros_like(value) if name in zeroed else value for name, value in weights.items()}


def is_surely_better(
    output: Output, one: Answers, other: Answers, group: np.ndarray | None = None, moments: Moments | None = None
) -> bool:
    """Whether the mean loss of ``one`` is lower by more than a standard error, example by example.

    The rule of Breiman et al., "Classification and Regression Trees", 1984: of models within one error the simplest.
    Forecasts that overlap are alike, and so are examples of a group: blocks of time and whole groups are resampled.
    """
    gains = [output.losses(raw, Batch.of_targets(target)).double() for raw, target in (other, one)]
    gain = (gains[0] - gains[1]).cpu().numpy()
    if len(gain) < 2:
        return False
    if group is None and moments is None:
        return float(gain.mean()) > STANDARD_ERRORS * float(gain.std(ddof=1)) / len(gain) ** 0.5

    def mean_gain(weight: np.ndarray) -> np.ndarray:  # (S, n) -> (S,)
        return (weight @ gain) / weight.sum(1)  # type: ignore[no-any-return]

    even = normalised_weights(None, len(gain))
    if moments is None:
        low, high = bootstrap_interval(mean_gain, even, group=group)
    else:
        low, high, _ = block_bootstrap(mean_gain, even, moments.value)
    return float(gain.mean()) > STANDARD_ERRORS * (high - low) / (2 * NORMAL_95)
