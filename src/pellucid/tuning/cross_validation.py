"""How long to train on a small table, found by cross-validation.

On some hundred rows a validation set says little: of 40 looks at 15 rows the best is chance. So several networks are
trained first, each leaving out another part of the training rows, and the number of steps after which they answer
best what they left out is the number of steps of the network that is kept, which learns from all of them (Stone,
"Cross-Validatory Choice and Assessment of Statistical Predictions", 1974). Their answers, each from a network that has
not seen the example, also say how sure to be.

n examples, R numbers in a raw answer, m marks.
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

# Numbers of steps after which the answers are looked at, up to 2,172. The best number lay between 48 and 1,100, by
# table; with more marks, up to 4,344, a fit took 28 s on 215 rows of 100 columns (docs/LOG.md, 2026-11-22 and -23).
MARKS = tuple(round(24 * 2 ** (i / 2)) for i in range(14))

ANSWERS_FILE = "rehearsal.safetensors"

# Times the steps found: the networks of the folds learn at a steady rate, the kept one cools down in its second half.
LONGER_FACTOR = 1.3

# In a row, without less cost, after which no further one is trained to: nearly three times as many steps as were best.
PATIENCE_MARKS = 3

# By which a mark must cost less to count as better: one error in 1,000 examples.
LEAST_GAIN = 1e-3


@dataclass(frozen=True)
class CrossValidation:
    """What the cross-validation found.

    Attributes:
        mark: the number of steps after which left-out examples were answered best.
        rows: (n,) the training rows. raw: (n, R) the answer to each, from the network that left it out, after ``mark``.
    """

    mark: int
    rows: np.ndarray
    raw: Tensor

    @property
    def steps(self) -> int:
        """How many steps the training on all rows shall have."""
        return round(LONGER_FACTOR * self.mark)

    def save_to(self, folder: Files) -> None:
        """Write the answers into a run: a comparison of networks is made on the same examples."""
        folder.save_tensors(ANSWERS_FILE, {"rows": self.rows, "raw": self.raw.cpu().numpy()}, {"mark": str(self.mark)})

    @classmethod
    def of(cls, folder: Files) -> CrossValidation | None:
        """The cross-validation that was saved in a run; None where there was none."""
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
    heads: int,
    most: int,
    only: int | None = None,
    seconds: float | None = None,
) -> CrossValidation:
    """Find the number of steps for a planned training of ``trunk`` on ``rows`` (n,), by ``plan.folds`` folds of them.

    Args:
        loader: of the training itself, for the targets. targets: fields, fitted. heads: as the training has.
            most, only, seconds: as in ``train_folds``.
    """
    weight = None if loader.weight is None else loader.weight.cpu().numpy()
    classes = loader.target[rows] if isinstance(loader.target, np.ndarray) and loader.target.ndim == 1 else None

    def cast_fold(some: np.ndarray) -> tuple[Network, Loader]:
        # Scales are learned anew from each fold's rows: those of all rows would tell it of what it leaves out.
        fields = data.fitted_inputs_on(some)
        network = planned_network(plan, list(fields.values()), targets, copy.deepcopy(trunk), heads)
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
    """Train one network for each of ``parts`` on the rows of all others; find the mark where left-out rows cost least.

    Args:
        cast: makes a fold's network and its data. parts: sorted row numbers, one array a fold.
        most: the largest number of steps. only: the mark that was found before, to get its answers again.
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
        # The time to the next mark grows with its steps. The first mark is always trained to: without it nothing is
        # known.
        spent = time.perf_counter() - began
        if seconds is not None and costs and spent * mark / marks[len(costs) - 1] > seconds:
            break
        training.train_to(mark)
        raw, true = (torch.cat(some) for some in zip(*training.predict_left_out(), strict=True))
        output = folds[0].state.network.output
        calibrated = output.calibrated_losses(raw, true)
        each = (output.selection_losses(raw, true) if calibrated is None else calibrated).double()  # (n,)
        cost = float(np.average(each, weights=folds[0].loader.score_weights(rows)))
        # What follows will not be finite either; the marks before it stand.
        if not math.isfinite(cost):
            break
        costs.append(cost)
        raws.append(raw)
        if len(costs) > PATIENCE_MARKS and min(costs[-PATIENCE_MARKS:]) > min(costs[:-PATIENCE_MARKS]) - LEAST_GAIN:
            break
    if not costs:
        raise PellucidError("the loss was never finite", fix="look for extreme numbers in the data")
    # The price of half as many steps is one of errors; losses are not as noisy.
    best = best_of(costs, output.halved if calibrated is None else 0.0)
    order = np.argsort(rows, kind="stable")
    return CrossValidation(marks[best], rows[order], raws[best][torch.from_numpy(order)])


def best_of(costs: Sequence[float], halved: float = 0.0) -> int:
    """The index of the mark with the least smoothed cost (m,), where half as many steps must save ``halved`` of it.

    Of two lengths that cost nearly the same, the longer: on 22 tables a price of 0.01 for half the steps gave +1.4
    points on the mean and -0.4 on the worst table, against +1.1 and -3.0 without (docs/LOG.md, 2026-11-23).
    """
    doublings = np.log2(MARKS[: len(costs)])
    return int(np.argmin(smooth_costs(costs) - halved * doublings))


def smooth_costs(costs: Sequence[float]) -> np.ndarray:  # (m,) -> (m,)
    """Each cost half, and its neighbours' a quarter each, because neighbouring marks differ mostly by chance."""
    ends = np.concatenate([costs[:1], costs, costs[-1:]])
    return ends[:-2] / 4 + ends[1:-1] / 2 + ends[2:] / 4


def out_of_fold_answers(
    cross_validation: CrossValidation | None, loader: Loader, rows: np.ndarray, raw: Tensor, true: Tensor
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Raw answers to examples that the network which gave them had not learned from, with targets and rows.

    On them the confidence is calibrated, because a small table's validation set says too little.

    Args:
        rows: (n,) the validation set. raw, true: (n, R), (n, ...) answers and targets of what was chosen on.

    Returns:
        Answers, targets and rows: those of validation, then those of the cross-validation where there was one.
    """
    if cross_validation is None:
        return raw, true, rows
    other, known = cross_validation.raw.to(raw.device), loader.targets(cross_validation.rows).to(true.device)
    # Without a validation set the training rows were watched instead: of those nothing is taken.
    raw, true = raw[: len(rows)], true[: len(rows)]
    return torch.cat([raw, other]), torch.cat([true, known]), np.concatenate([rows, cross_validation.rows])
