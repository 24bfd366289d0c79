"""Labels worth checking: examples whose given label the trained network confidently disagrees with.

n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from torch import Tensor

from ..tasks.base import Task, Values
from ..tasks.category import CategoryTask
from ..tasks.number import NumberTask
from ..training.evaluate import predict_raw

if TYPE_CHECKING:
    from ..data import Examples, Split
    from ..network import Network
    from ..training.loader import Loader

LEAST = 512  # training rows looked at, or as many as validation has where that is more

LIKELY, UNLIKELY = 0.5, 0.1  # the probability of what is suggested is above, and of the label given at most

# Of a class's threshold. Planted errors of digits, wine, iris, news and diamonds: 1.0 lists 710 of them among 1,176,
# 0.9 761 among 1,262, no threshold 802 among 1,337.
REACHED_SHARE = 0.9

FAR = 3.0  # halves of the 90% range

JUDGED = 5_000  # validation rows that tell whether the network is better than the naive answer

MOST = 10_000  # kept of a part


@dataclass(frozen=True)
class LabelIssue:
    """One example whose label may be wrong.

    Attributes:
        row: of the data set. part: ``"validation"``, which was not learned from, or ``"train"``, which was: the
            network could have learned that label and still disagrees, or learned a wrong one by heart.
        given, suggested: what the data says and what the network says, in the user's words or units.
        confidence: the probability that the network gives to what it suggests; None for a number.
        times_off: of a number, its distance from what the network says, in halves of the 90% range around that; None
            for a category.
    """

    row: int
    part: str
    given: Any
    suggested: Any
    confidence: float | None = None
    times_off: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def looked_at(split: Split) -> np.ndarray:
    """The training rows that are looked at too: as many as cost little."""
    most = max(LEAST, len(split.validation))
    return split.train[:: max(1, -(-len(split.train) // most))]


def can_tell(task: Task) -> bool:
    """Whether labels of this task's target can be doubted."""
    return isinstance(task, CategoryTask | NumberTask) and len(task.fields) == 1


def knows_more(
    task: Task,
    validation: tuple[Tensor, Tensor],
    naive: np.ndarray,
    weight: np.ndarray | None = None,
    group: np.ndarray | None = None,
) -> bool:
    """Whether the network answers validation better than the naive answer does, by the main metric and beyond chance.

    Beyond chance: the paired bootstrap's 95% interval of the difference is above 0. A network that guesses disagrees
    with labels at random. What is far off among numbers counts for nothing here: one wrong value can outweigh all else.

    Args:
        validation: raw answers (n, R) and targets (n, ...). naive: (R,) the naive raw answer.
        weight, group: (n,) as in ``Task.paired_difference``.
    """
    raw, target = validation
    some = np.linspace(0, len(raw) - 1, min(JUDGED, len(raw))).astype(np.int64)
    if isinstance(task, NumberTask):
        some = some[~(times_off(task, raw, target)[some] > FAR)]
    if not len(some):
        return False
    raw, target = raw[some], target[some]
    weight, group = (None if each is None else each[some] for each in (weight, group))
    return task.paired_difference(raw, np.broadcast_to(naive, raw.shape), target, weight, group)[1] > 0


def find_label_issues(
    network: Network, feed: Loader, split: Split, validation: tuple[Tensor, Tensor]
) -> list[LabelIssue]:
    """Suspects of validation, then of some training rows, the surest first, where the output ``can_tell``.

    Args:
        validation: raw answers (n, R) and targets (n, ...) of ``split.validation``; test is never looked at.
    """
    task, rows = network.output.task, looked_at(split)
    parts = (("validation", split.validation, validation), ("train", rows, predict_raw(network, feed, rows)))
    found: list[LabelIssue] = []
    least: np.ndarray | None = None  # (C,) from validation, for both parts
    for part, own, (raw, target) in parts:
        if isinstance(task, NumberTask):
            found += _far_off(task, part, own, raw, target)
            continue
        chances, given = task.probabilities(raw), np.asarray(target, np.int64)
        least = class_thresholds(chances, given) if least is None else least
        which, suggested = disagreeing_labels(chances, given, least)
        truth = task.decode_target(np.arange(chances.shape[1]))
        found += [
            LabelIssue(int(own[i]), part, truth[given[i]], truth[j], float(chances[i, j]))
            for i, j in zip(which[:MOST], suggested, strict=False)
        ]
    return found


def class_thresholds(chances: np.ndarray, given: np.ndarray) -> np.ndarray:  # (n, C), (n,) -> (C,)
    """For each class the mean chance of it among the examples that are called so; infinite for a class without any."""
    count = np.bincount(given, minlength=chances.shape[1])
    own = np.bincount(given, chances[np.arange(len(given)), given], minlength=chances.shape[1])
    return np.where(count > 0, own / np.maximum(count, 1), np.inf)


def disagreeing_labels(chances: np.ndarray, given: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Examples off the diagonal of the confident joint, by the margin between both labels, and what is suggested.

    Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (2021): an example counts
    for the likeliest of the classes whose threshold it reaches. We ask more: that this class be the network's own
    answer, with a probability above one half, because a rare class has a threshold of next to nothing; and that the
    label given be unlikely, since where classes overlap most of what is left is no error. In exchange nine tenths of
    the threshold are enough.

    Args:
        chances: (n, C). given: (n,) class numbers. least: (C,) the classes' thresholds.

    Returns:
        (k,) which examples and (k,) the class that each is taken for.
    """
    own, every = chances.argmax(1), np.arange(len(given))
    sure, doubted = chances[every, own], chances[every, given] <= UNLIKELY
    which = np.flatnonzero((own != given) & (sure > LIKELY) & (sure >= REACHED_SHARE * least[own]) & doubted)
    margin = sure[which] - chances[which, given[which]]
    which = which[np.argsort(-margin, kind="stable")]
    return which, own[which]


def _far_off(task: NumberTask, part: str, rows: np.ndarray, raw: Values, target: Values) -> list[LabelIssue]:
    """Examples much further off than the range that was calibrated on validation."""
    guess, true, times = task.to_units(raw)[:, 0], task.to_units(target)[:, 0], times_off(task, raw, target)
    order = np.argsort(-times, kind="stable")
    far = order[times[order] > FAR][:MOST]
    return [
        LabelIssue(int(rows[i]), part, _seven_digits(true[i]), _seven_digits(guess[i]), times_off=float(times[i]))
        for i in far
    ]


def times_off(task: NumberTask, raw: Values, target: Values) -> np.ndarray:  # (n, 1), (n, 1) -> (n,)
    """How far off each answer is, in halves of its 90% range; 0 where that has no width."""
    guess, true = (task.to_units(one)[:, 0] for one in (raw, target))
    half = task.ranges[0].half_width(guess)
    error = abs(guess - true)
    return np.divide(error, half, out=np.zeros(len(error)), where=half > 0)


def _seven_digits(value: float) -> float:
    """To seven digits, which is all that 32 bits had."""
    return float(f"{value:.7g}")


def label_pairs(found: Sequence[LabelIssue]) -> list[tuple[Any, Any, int]]:
    """How often each label is taken for which other one, the commonest first."""
    counts: dict[tuple[Any, Any], int] = {}
    for one in found:
        counts[one.given, one.suggested] = counts.get((one.given, one.suggested), 0) + 1
    return [(given, suggested, n) for (given, suggested), n in sorted(counts.items(), key=lambda c: -c[1])]


def issues_frame(found: Sequence[LabelIssue], data: Examples) -> pl.DataFrame:
    """One line a suspect: row, input (its file, place or text), part, given, suggested, confidence, times_off."""
    said = pl.Float64 if found and isinstance(found[0].given, float) else pl.String
    kinds: dict[str, Any] = {"row": pl.Int64, "input": pl.String, "part": pl.String, "given": said, "suggested": said}
    lines = [one.to_json() | {"input": data.short_title(one.row)} for one in found]
    return pl.DataFrame(lines, schema=kinds | {"confidence": pl.Float64, "times_off": pl.Float64})
