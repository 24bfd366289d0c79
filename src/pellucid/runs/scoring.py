"""Scores the answers of a network, beside the baseline and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ..data.batches.batch import encode_target
from ..data.splits.grouping import score_grouping
from ..metrics.score import SAME_SPLIT
from ..storage import damage_error
from ..tasks.each_target import METRICS, constants_of, score_each_target
from ..tasks.number import NumberTask
from ..training.evaluate import Answers

if TYPE_CHECKING:
    from ..data import Examples
    from ..data.splits.time_spans import Moments
    from ..references.base import Reference
    from ..tasks.base import Task
    from ..training.loader import Loader
    from .run import Run


def score_answers(
    task: Task,
    given: Answers,
    rows: np.ndarray,
    learned: np.ndarray,
    loader: Loader,
    data: Examples,
    reference: Reference | None,
) -> dict[str, Any]:
    """The scores of raw answers, of the naive answer and of the classical model on the same examples, as JSON.

    Args:
        given: raw answers and targets of ``rows`` (n,). learned: (m,) the training rows, which the naive answer
            follows from.
    """
    raw, target = given
    assert loader.target is not None
    naive, name = task.naive_answers(loader.target, learned, rows, loader.score_weights(learned))
    how = score_grouping(data, rows, loader.score_weights(rows))
    drawn = {name: how[name] for name in ("weight", "group", "moments")}
    return {
        "score": task.score(raw, target, **how).to_json(),
        "baseline": task.score(naive, target, name, **how).to_json(),
        # What depends on the past is no one answer: it is found again in new data.
        "naive": {"raw": task.keep_naive(naive, loader.target, learned), "name": name},
        "reference": reference_score(reference, task, raw, target, **how),
        "targets": each_target(
            task, given, loader.targets(learned).cpu().numpy(), loader.score_weights(learned), drawn
        ),
    }


def naive_on_new(run: Run, loader: Loader, rows: np.ndarray, raw: Tensor) -> tuple[np.ndarray, str]:  # -> (n, R)
    """What the baseline of a run says of ``rows`` (n,) of other data than the run's own, and what that is.

    Raises:
        PellucidError: for a damaged record.
    """
    output, about = run.network.output, run.record["naive"]
    if output.task.constant:
        naive = np.array(about["raw"], np.float32)
        if naive.shape != raw.shape[1:]:
            raise damage_error("it is damaged (naive.raw is no answer of this network)", run.path / "run.json")
        return np.broadcast_to(naive, raw.shape), about["name"]
    assert loader.target is not None
    if not output.writes:
        return output.task.naive_answers(loader.target, rows, rows, kept=about["raw"])[0], about["name"]
    # Of the examples that were learned from some are kept; without any each is set beside the others of this data.
    kept = None if run.kept is None else run.kept.examples("train")
    known = encode_target(kept, output.fields) if kept is not None and len(kept) else ()
    return output.task.naive_answers(loader.target, rows, rows, kept=known)


def each_target(
    task: Task, given: Answers, learned: np.ndarray, learned_weight: np.ndarray | None, drawn: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The scores of each of several number targets, as JSON; none for anything else.

    Args:
        given: raw answers and targets (n, R). learned: (m, R) the training targets, with their weights (m,).
        drawn: how intervals are drawn: weight, group and moments, as for ``Task.score``.
    """
    if not isinstance(task, NumberTask) or len(task.fields) < 2:
        return []
    return score_each_target(task, *given, constants_of(task, learned, learned_weight), **drawn)


def new_targets(
    task: Task,
    record: Mapping[str, Any],
    given: Answers,
    naive: np.ndarray,
    weight: np.ndarray | None,
    moments: Moments | None,
) -> list[dict[str, Any]]:
    """Of data that a run did not learn from each of several number targets, beside constants of training.

    Args:
        record: the run's. given: raw answers and targets (n, R). naive: (R,) the constant answer. weight: (n,).
    """
    if not isinstance(task, NumberTask):
        return []
    known = record.get("targets")
    # Runs from before targets were scored one by one have no constant but the naive answer.
    constants = dict.fromkeys(METRICS, task.to_units(naive))
    if known:
        constants = {name: np.array([one["scores"][name]["constant"] for one in known]) for name in METRICS}
    return score_each_target(task, *given, constants, weight, moments=moments)


def reference_score(
    reference: Reference | None, task: Task, raw: Tensor, target: Tensor, **how: Any
) -> dict[str, Any] | None:
    """The reference's score on the network's examples, and how far ahead the network is, as JSON; None without one."""
    if reference is None:
        return None
    # Its answers are calibrated already, and the score calibrates whatever it is given.
    other = task.uncalibrate(np.array(reference.test))
    ahead = task.paired_difference(raw, other, target, how["weight"], how["group"], how["moments"])
    return {
        "name": reference.name,
        "score": task.score(other, target, f"{reference.name}{SAME_SPLIT}", **how).to_json(),
        "seconds": reference.seconds,
        "ahead": dict(zip(("value", "low", "high"), ahead, strict=True)),
    }
