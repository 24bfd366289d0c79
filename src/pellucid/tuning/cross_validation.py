"""How long to train on a small table, found by cross-validation.

On some hundred rows a validation part says little: of 40 looks at 15 rows the best is chance. So several networks are
trained first, each leaving out another part of the training rows, and the number of steps after which they answer
best what they left out is the number of steps of the network that is kept, which learns from all of them (Stone,
"Cross-Validatory Choice and Assessment of Statistical Predictions", 1974). Their answers, each from a network that has
not seen the example, also say how sure to be.

n examples, R numbers in a raw answer.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import encode_groups
from ..data.splits.stratify import stratified_folds
from ..errors import PellucidError
from ..fields import Field
from ..network import Network
from ..planning.build import planned_network
from ..planning.plan import Plan, Recipe
from ..storage import Files
from ..training.loader import Loader
from ..trunks import Trunk
from .fold_networks import Cast, Fold, FoldsInTurn, StackedFolds, can_be_together

if TYPE_CHECKING:
    from ..data import Examples

MARKS = tuple(round(24 * 2 ** (i / 2)) for i in range(14))  # steps after which the answers are looked at, up to 2,172

ANSWERS_FILE = "rehearsal.safetensors"

LONGER_FACTOR = 1.3  # times the steps found, for a training whose second half cools down

PATIENCE_MARKS = 3  # marks without less cost: nearly three times as many steps as were best

LEAST_GAIN = 1e-3  # of cost; one error in 1,000 examples


@dataclass(frozen=True)
class CrossValidation:
    """What the cross-validation found.

    Attributes:
        mark: the steps after which examples that were left out were answered best.
        rows: (n,) the training rows. raw: (n, R) the answer to each, from the network that left it out, after ``mark``.
    """

    mark: int
    rows: np.ndarray
    raw: Tensor

    @property
    def steps(self) -> int:
        """Of the training that it was for."""
        return round(LONGER_FACTOR * self.mark)

    def save_to(self, folder: Files) -> None:
        """Write the answers into a run, so that others can be told apart from it by the same examples."""
        folder.save_tensors(ANSWERS_FILE, {"rows": self.rows, "raw": self.raw.cpu().numpy()}, {"mark": str(self.mark)})

    @classmethod
    def of(cls, folder: Files) -> CrossValidation | None:
        """That of a finished run; None where there was none."""
        if not folder.exists(ANSWERS_FILE):
            return None
        kept, about = folder.load_tensors(ANSWERS_FILE)
        return cls(int(about["mark"]), np.array(kept["rows"]), torch.from_numpy(np.array(kept["raw"])))


def cross_validate(
    plan: Plan,
    data: Examples,
    trunk: Trunk,
    loader: Loader,
    rows: np.ndarray,
    *,
    targets: Sequence[Field],
    most: int,
    only: int | None = None,
    seconds: float | None = None,
) -> CrossValidation:
    """Rehearse a planned training of ``trunk`` on ``rows``. Scales are learned anew for every network.

    Args:
        loader: of the training itself, for the targets. targets: fields, fitted. most, only, seconds: as in
            ``train_folds``.
    """
    weight = None if loader.weight is None else loader.weight.cpu().numpy()
    classes = loader.target[rows] if isinstance(loader.target, np.ndarray) and loader.target.ndim == 1 else None

    def cast_fold(some: np.ndarray) -> tuple[Network, Loader]:
        fields = data.fitted_inputs_on(some)
        network = planned_network(plan, list(fields.values()), targets, copy.deepcopy(trunk))
        inputs = encode_groups(data, fields.values())
        return network.to(loader.device), Loader(
            inputs, loader.target, loader.device, weight=weight, sample=loader.sample
        )

    folds = stratified_folds(rows, plan.folds, plan.seed, classes)
    return train_folds(cast_fold, folds, plan.recipe, plan.seed, most=most, only=only, seconds=seconds)


def train_folds(
    cast: Cast,
    parts: Sequence[np.ndarray],
    recipe: Recipe,
    seed: int,
    *,
    most: int,
    only: int | None = None,
    seconds: float | None = None,
) -> CrossValidation:
    """Train one network for each of ``parts`` (rows), leaving it out; find the steps after which that costs least.

    Args:
        most: steps. only: the mark that was found before, to get its answers again.
        seconds: that it may take; a mark that would be reached later is not trained to.

    Raises:
        PellucidError: when the cost is never finite.
    """
    rows = np.concatenate(parts)
    folds = [Fold(cast, np.setdiff1d(rows, part), part, recipe, seed) for part in parts]
    training = StackedFolds(folds) if can_be_together(folds) else FoldsInTurn(folds)
    costs: list[float] = []
    raws: list[Tensor] = []
    marks = [only] if only else [m for m in MARKS if m <= max(most, MARKS[0])]
    began = time.perf_counter()
    for mark in marks:
        spent = time.perf_counter() - began
        if seconds is not None and costs and spent * mark / marks[len(costs) - 1] > seconds:
            break
        training.train_to(mark)
        raw, true = (torch.cat(some) for some in zip(*training.predict_left_out(), strict=True))
        each = folds[0].state.network.output.selection_losses(raw, true).double()  # (n,)
        cost = float(np.average(each, weights=folds[0].loader.score_weights(rows)))
        if not math.isfinite(cost):  # and what follows will not be
            break
        costs.append(cost)
        raws.append(raw)
        if len(costs) > PATIENCE_MARKS and min(costs[-PATIENCE_MARKS:]) > min(costs[:-PATIENCE_MARKS]) - LEAST_GAIN:
            break
    if not costs:
        raise PellucidError("the loss was never finite", fix="look for extreme numbers in the data")
    best = best_of(costs, folds[0].state.network.output.halved)
    order = np.argsort(rows, kind="stable")
    return CrossValidation(marks[best], rows[order], raws[best][torch.from_numpy(order)])


def best_of(costs: Sequence[float], halved: float = 0.0) -> int:
    """The mark with the least cost, each smoothed; one half as long must be better by ``halved``."""
    doublings = np.log2(MARKS[: len(costs)])
    return int(np.argmin(smooth_costs(costs) - halved * doublings))


def smooth_costs(costs: Sequence[float]) -> np.ndarray:  # (m,) -> (m,)
    """Each cost half, and its neighbours' a quarter each, because neighbouring marks differ mostly by chance."""
    ends = np.concatenate([costs[:1], costs, costs[-1:]])
    return ends[:-2] / 4 + ends[1:-1] / 2 + ends[2:] / 4


def out_of_fold_answers(
    cross_validation: CrossValidation | None, loader: Loader, rows: np.ndarray, raw: Tensor, true: Tensor
) -> tuple[Tensor, Tensor, np.ndarray]:
    """All answers to examples that the network which answered had not learned from.

    Args:
        rows: (n,) the validation part. raw, true: (n, R), (n, ...) answers and targets of what was chosen on.

    Returns:
        Answers, targets and rows: those of validation and then, where there was one, the rehearsal's.
    """
    if cross_validation is None:
        return raw, true, rows
    other, known = cross_validation.raw.to(raw.device), loader.targets(cross_validation.rows).to(true.device)
    raw, true = raw[: len(rows)], true[: len(rows)]  # without a validation part, what was learned from was watched
    return torch.cat([raw, other]), torch.cat([true, known]), np.concatenate([rows, cross_validation.rows])
