"""Permutation importance: how much worse a trained network answers when the values of an input are shuffled.

Breiman, "Random Forests" (2001), section 10; Fisher, Rudin and Dominici, "All Models are Wrong, but Many are Useful"
(2019). Shuffled among validation rows, an input keeps its values and loses what they have to do with all else. Where
inputs say the same, each looks worth little, because the others still say it.

m rows, U units (an input, or several together).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..fields import Field
from ..network import Network
from ..options import Budget
from ..training.evaluate import autocast
from ..training.loader import Loader
from ..wording import count_noun

# Seconds that it may take, also of forecasts, whose answers take longest, and of a budget of time.
MOST_SECONDS, MOST_FORECAST_SECONDS, BUDGET_SHARE = 0.8, 4.0, 0.03

# Shuffles of each input; fewer where time is short.
SHUFFLES, FEWEST_SHUFFLES = 5, 3

# Rows that are answered, in powers of two, so that two trainings on one machine mostly look at as many.
ROWS = (2048, 1024, 512, 256, 128)

# Of forecasts, where answers are slow: each says many numbers.
FEW_FORECASTS = (64, 32)

# Rows that show whether answers are slow; below this share of the time for ``ROWS[-1]`` so many are timed.
PROBED, QUICK_SHARE = 16, 0.05


@dataclass(frozen=True)
class Importance:
    """What one input is worth.

    Attributes:
        input: its name, or what stands for several that were shuffled together; columns: how many they are.
        value: by how much the metric gets worse, the mean over shuffles; spread: their standard deviation.
    """

    input: str
    value: float
    spread: float
    columns: int = 1


@dataclass(frozen=True)
class Importances:
    """What all inputs are worth, the most first.

    Attributes:
        metric: by which. base: what the metric is with nothing shuffled, on the same rows. rows, shuffles: how many.
        inputs: an entry for each.
    """

    metric: str
    base: float
    rows: int
    shuffles: int
    inputs: tuple[Importance, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"inputs": [asdict(one) for one in self.inputs]}


@dataclass(frozen=True)
class Unit:
    """What is shuffled together: by key of a batch's inputs the places on their last axis, None for all of it."""

    name: str
    places: Mapping[str, Sequence[int] | None]
    columns: int = 1


def seconds_for(budget: Budget, fields: Sequence[Field], rows: int) -> float:
    """Seconds that it may take to find what each of the input ``fields`` is worth on so many validation rows."""
    most = MOST_FORECAST_SECONDS if any(field.traits.moments for field in fields) else MOST_SECONDS
    return importance_seconds(budget, count_units(fields), rows, most)


def importance_seconds(budget: Budget, inputs: int, rows: int, most: float = MOST_SECONDS) -> float:
    """Seconds that it may take within a budget; 0 where there is nothing to tell apart.

    Args:
        inputs, rows: how many inputs there are (``count_units``), and how many validation rows.
        most: seconds of any budget.
    """
    if inputs < 2 or rows < 2:
        return 0.0
    return min(most, BUDGET_SHARE * budget.amount) if budget.kind == "seconds" else most


def weigh_inputs(
    network: Network, loader: Loader, rows: np.ndarray, seconds: float, seed: int
) -> dict[str, Any] | None:
    """What ``measure_importance`` finds, as JSON; None without any seconds, or where it finds nothing."""
    found = measure_importance(network, loader, rows, seconds, seed) if seconds > 0 else None
    return None if found is None else found.to_json()


def input_units(network: Network) -> list[Unit]:
    """One unit for each input field of a network, or for the channels of a sequence together.

    Of what is forecast each channel is one, all of its stretch, and so is the calendar.
    """
    found = []
    for layer, key in zip(network.layers, network.input_keys(), strict=True):
        for name, places in layer.parts().items():
            found.append(Unit(name, {key: places}, len(layer.fields) if places is None else 1))
    return found


def count_units(fields: Sequence[Field]) -> int:
    """How many inputs there are to tell apart: the fields, and the calendar where a forecast reads it."""
    return len(fields) + any(field.traits.moments and field.settings["calendar"] for field in fields)


@torch.inference_mode()
def measure_importance(
    network: Network, loader: Loader, rows: np.ndarray, seconds: float = MOST_SECONDS, seed: int = 0
) -> Importances | None:
    """What each input is worth on ``rows`` (validation); None for fewer than two inputs, or where none can be measured.

    Args:
        rows: they are thinned, evenly, to as many as can be answered so often in the time. seconds: that it may take.
        seed: of the shuffles.
    """
    units = input_units(network)
    if len(units) < 2 or len(rows) < 2:
        return None
    training = network.training
    network.eval()
    try:
        return _measure_units(network, loader, rows, units, time.perf_counter() + seconds, seconds, seed)
    finally:
        network.train(training)


def _measure_units(
    network: Network, loader: Loader, rows: np.ndarray, units: list[Unit], end: float, seconds: float, seed: int
) -> Importances | None:
    size, shuffles, most = _decide_sizes(network, loader, rows, len(units), seconds)
    if not most:
        return None
    rows = rows[np.linspace(0, len(rows) - 1, min(size, len(rows))).astype(np.int64)]
    task, weight = network.output.task, loader.score_weights(rows)
    batches = _batches_of(loader, rows)
    target = _targets(loader, batches)
    base = task.measure_watched(_answers(network, batches), target, weight)
    if not math.isfinite(base):
        return None
    if len(units) > most:
        units = _most_varied(units, batches, most)
    found: list[list[float]] = [[] for _ in units]
    rng = np.random.default_rng(seed)
    for _ in range(shuffles):
        others = _batches_of(loader, rows[rng.permutation(len(rows))])
        for unit, own in zip(units, found, strict=True):
            if time.perf_counter() > end:
                break
            mixed = [_with_others(one, other, unit) for one, other in zip(batches, others, strict=True)]
            value = task.measure_watched(_answers(network, mixed), target, weight)
            own.append((base - value) * (1 if task.watched.higher else -1))
    known = [(unit, own) for unit, own in zip(units, found, strict=True) if own and np.isfinite(own).all()]
    items = [Importance(unit.name, float(np.mean(own)), float(np.std(own)), unit.columns) for unit, own in known]
    done = min((len(own) for _, own in known), default=0)
    ranked = tuple(sorted(items, key=lambda one: -one.value))
    return Importances(task.watched.name, base, len(rows), done, ranked) if ranked else None


def _decide_sizes(
    network: Network, loader: Loader, rows: np.ndarray, units: int, seconds: float
) -> tuple[int, int, int]:
    """Rows, shuffles, and how many inputs can be measured one by one in the time; 0 of forecasts too slow for that."""
    each = _answer_seconds(network, loader, rows, PROBED)
    if each * ROWS[-1] <= QUICK_SHARE * seconds:
        each = _answer_seconds(network, loader, rows, ROWS[-1])
    for size in ROWS:
        if units * SHUFFLES * each * min(size, len(rows)) <= 0.7 * seconds:
            return size, SHUFFLES, units
    smaller = FEW_FORECASTS if loader.forecast_size else ()
    for size in (ROWS[-1], *smaller):
        most = int(0.7 * seconds / (FEWEST_SHUFFLES * each * min(size, len(rows))))
        if most >= units:
            return size, FEWEST_SHUFFLES, units
    # One place is for all others together.
    return size, FEWEST_SHUFFLES, max(0 if smaller else 1, most - 1)


def _answer_seconds(network: Network, loader: Loader, rows: np.ndarray, count: int) -> float:
    """What it takes to answer one of about so many rows at once, and to measure that; the second time, as the first is
    slower."""
    few = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)]
    batches = _batches_of(loader, few)
    _answers(network, batches)
    began = time.perf_counter()
    network.output.task.measure_watched(_answers(network, batches), _targets(loader, batches))
    return (time.perf_counter() - began) / len(few)


def _batches_of(loader: Loader, rows: np.ndarray) -> list[Batch]:
    size = loader.at_once
    parts = (rows[start : start + size] for start in range(0, len(rows), size))
    # A solved part is asked again: what it said was of inputs that were not shuffled.
    return [replace(loader.batch(torch.from_numpy(part).to(loader.home)), solved=None) for part in parts]


def _answers(network: Network, batches: Sequence[Batch]) -> Tensor:  # -> (m, R)
    with autocast(network.device):
        return torch.cat([network.output.keep(network(batch).float(), batch) for batch in batches]).cpu()


def _targets(loader: Loader, batches: Sequence[Batch]) -> Tensor:  # -> (m, ...)
    """What is kept of the targets of some batches."""
    return torch.cat([loader.kept_target(batch, torch.as_tensor(batch.rows)) for batch in batches]).cpu()


def _with_others(one: Batch, other: Batch, unit: Unit) -> Batch:
    """A batch in which the values of a unit are those of other rows."""
    inputs = dict(one.inputs)
    for key, places in unit.places.items():
        if places is None:
            inputs[key] = other.inputs[key]
            continue
        mixed = _values(one.inputs[key]).clone()
        index = torch.as_tensor(list(places), device=mixed.device)
        mixed[..., index] = _values(other.inputs[key])[..., index]
        inputs[key] = mixed
    return replace(one, inputs=inputs)


def _values(value: Any) -> Tensor:
    assert isinstance(value, Tensor), "fields side by side share one array"
    return value


def _most_varied(units: Sequence[Unit], batches: Sequence[Batch], most: int) -> list[Unit]:
    """The ``most`` inputs whose values differ most among the rows, and all others as one."""
    variety = [_entropy(unit, batches) for unit in units]
    order = np.argsort(-np.array(variety), kind="stable")
    chosen, rest = sorted(order[:most].tolist()), sorted(order[most:].tolist())
    places: dict[str, list[int] | None] = {}
    for unit in (units[i] for i in rest):
        for key, own in unit.places.items():
            places[key] = None if own is None else [*(places.get(key) or ()), *own]
    together = Unit(f"{count_noun(len(rest), 'other input')} together", places, len(rest))
    return [*(units[i] for i in chosen), together]


def _entropy(unit: Unit, batches: Sequence[Batch]) -> float:
    """How much the values of a unit differ among the rows, in bits; endless for a whole text or image."""
    ((key, places),) = unit.places.items()
    read = [batch.inputs[key] for batch in batches]
    if not all(isinstance(value, Tensor) and value.ndim <= 2 for value in read):
        return math.inf
    arrays = [_values(value).flatten(1).cpu().numpy() for value in read]
    values = np.concatenate(arrays)[:, slice(None) if places is None else list(places)]
    _, counts = np.unique(values, axis=0, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())
