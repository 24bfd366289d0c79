"""Whether a training has learned anything, said before its score; and what budget would do where it was too short."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..metrics.score import Score
from ..options import Budget
from ..outputs import Output
from ..tasks.base import Task
from ..training.evaluate import Answers, mean_loss
from ..training.loader import Loader
from ..wording import count_noun, metric_text, score_text

# Passes over the training examples after which a training is not called too short, at least and at most so many steps.
ENOUGH_EPOCHS, ENOUGH_STEPS = 5, (200, 2000)

# Fewer steps, and what was learned is next to nothing, however sure it is.
HARDLY_ANY = 20

# Validation rows that tell whether the network is ahead of the naive answer.
JUDGED = 5_000

# Of the time computed: another size may be chosen, and another machine load met.
MARGIN = 1.25

# Budgets that people give, in seconds.
ROUND_SECONDS = (5, 10, 15, 20, 30, 40, 60, 90, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 14400, 28800, 86400)


def enough_steps(epoch_steps: int) -> int:
    """Steps from which on a training can't be called too short to learn anything; an epoch has ``epoch_steps``."""
    return min(max(ENOUGH_EPOCHS * epoch_steps, ENOUGH_STEPS[0]), ENOUGH_STEPS[1])


def learning_facts(
    output: Output,
    loader: Loader,
    learned: np.ndarray,
    watched: np.ndarray,
    validation: Answers,
    history: Sequence[Mapping[str, Any]],
    *,
    steps: int,
    epoch_steps: int,
    step_seconds: float,
    ended: bool,
) -> dict[str, Any]:
    """What a run keeps to say whether it learned anything, as JSON.

    Args:
        learned: (m,) the training rows, which the naive answer follows from. watched: (n,) the validation rows.
        validation: raw answers (n, R) and targets (n, ...) of the weights that were chosen, before calibration.
        history: lines of the run's history. steps: made. epoch_steps: of an epoch. step_seconds: that one takes.
        ended: the training came to an end of its own, which more time would not move.
    """
    raw, target = validation
    weight = loader.score_weights(watched)
    assert loader.target is not None
    naive, _ = output.task.naive_answers(loader.target, learned, watched, loader.score_weights(learned))
    losses = [row["validation_loss"] for row in history if row["event"] == "evaluated"]
    own = min([mean_loss(output, raw, target, weight), *(loss for loss in losses if math.isfinite(loss))])
    other = mean_loss(output, raw.new_tensor(np.array(naive)), target, weight)
    enough = enough_steps(epoch_steps)
    ahead = None
    if few := steps < enough and not ended:
        some = np.linspace(0, len(raw) - 1, min(JUDGED, len(raw))).astype(np.int64)
        ahead = output.task.paired_difference(
            raw[some], naive[some], target[some], None if weight is None else weight[some]
        )[1]
    known = {"loss": own, "baseline_loss": other, "ahead": ahead}
    return {
        "few": few,
        "enough": enough,
        "seconds": step_seconds,
        **{name: value if value is not None and math.isfinite(value) else None for name, value in known.items()},
    }


def learned_nothing(facts: Mapping[str, Any]) -> bool:
    """Whether validation shows nothing learned: its loss was never below the naive answer's, or, after few steps, the
    metric isn't better beyond chance."""
    loss, other, ahead = (facts[name] for name in ("loss", "baseline_loss", "ahead"))
    return (loss is not None and other is not None and loss >= other) or (facts["few"] and (ahead or 0.0) <= 0)


def say_learning(
    task: Task,
    facts: Mapping[str, Any] | None,
    score: Score,
    baseline: Score,
    *,
    steps: int,
    seconds: float,
    asked: Budget,
) -> str:
    """In one or two plain sentences that a run is no better than its baseline, and what to do; empty where it is.

    Args:
        facts: of ``learning_facts``; None of runs that have none. steps: made. seconds: that the run took in all.
        asked: the budget that was given.
    """
    worse = not task.is_better(score.value, baseline.value)
    if facts is None:
        return worse_than_baseline(task, score, baseline) if worse else ""
    nothing = worse or learned_nothing(facts)
    if facts["few"] and (nothing or steps < HARDLY_ANY):
        budget = round_budget(enough_seconds(facts, steps, seconds, asked))
        too, what = "was" if steps == 1 else "were", "anything" if nothing else "much"
        return f"{count_noun(steps, 'step')} {too} too few to learn {what}; about {budget} would do: --budget {budget}"
    if not worse:
        return ""
    said = worse_than_baseline(task, score, baseline)
    if learned_nothing(facts):
        return f"{said} The inputs may say nothing about the target: check the columns; more time is unlikely to help."
    return (
        f"{said} Its validation loss is below the baseline's, so it learned something that this metric does not show."
    )


def worse_than_baseline(task: Task, score: Score, baseline: Score) -> str:
    """That a score is not better than the baseline's."""
    how = "Worse than" if score.value != baseline.value else "No better than"
    values = f"{metric_text(score.metric)} {score_text(score.value)} against {score_text(baseline.value)}"
    return f"{how} the baseline ({baseline.label}): {values}."


def enough_seconds(facts: Mapping[str, Any], steps: int, seconds: float, asked: Budget) -> float:
    """Seconds of a training with enough steps: what this one took beside its steps, and the steps."""
    beside = max(seconds - steps * facts["seconds"], 0.0)
    wanted = MARGIN * (beside + facts["enough"] * facts["seconds"])
    # A budget that was not enough is not advised again.
    return max(wanted, 1.5 * asked.amount) if asked.kind == "seconds" else wanted


def round_budget(seconds: float) -> str:
    """A budget that people give, of at least so many seconds.

    >>> round_budget(33.0), round_budget(61.0), round_budget(400.0), round_budget(4000.0)
    ('40s', '90s', '10m', '2h')
    """
    whole = next((one for one in ROUND_SECONDS if one >= seconds), 86400 * math.ceil(seconds / 86400))
    if whole < 120:
        return f"{whole}s"
    return f"{whole // 60}m" if whole < 3600 else f"{whole // 3600}h"
