"""What a budget allows: steps, or seconds until the written score."""

from __future__ import annotations

from ..options import Budget
from ..training.decisions import Decisions
from ..training.pacer import WATCHING
from ..tuning.cross_validation import CrossValidation
from ..tuning.sizing import Timing

FINISH_SECONDS, FINISH_SECONDS_AN_EXAMPLE = 0.3, 0.1e-3  # for saving and the report: in all, and for each test example


def max_steps(budget: Budget, epoch_steps: int) -> int:
    """Steps that a budget in steps or epochs allows; an epoch has ``epoch_steps``."""
    return max(round(budget.amount * (epoch_steps if budget.kind == "epochs" else 1)), 1)


def seconds_allowed(budget: Budget, decisions: Decisions, step: int) -> float | None:
    """What the training may take in all, from the first word to the written score; None for any time."""
    value = decisions.at(step, "seconds", budget.amount if budget.kind == "seconds" else None)
    return None if value is None else float(value)


def finishing_seconds(test_examples: int, with_reference: bool) -> float:
    """Seconds for saving and the report, on a processor of its own."""
    return FINISH_SECONDS + FINISH_SECONDS_AN_EXAMPLE * test_examples * (1.5 if with_reference else 1)


def planned_steps(
    budget: Budget, epoch_steps: int, left: float | None, rehearsal: CrossValidation | None, timing: Timing | None
) -> tuple[int, str]:
    """How many steps the budget allows at first, and why.

    Args:
        epoch_steps: of an epoch. left: seconds for steps and for what is watched meanwhile; None without a clock.
        rehearsal: the cross-validation that found the number of steps, if there was one. timing: of a step.
    """
    most = max_steps(budget, epoch_steps)
    if rehearsal:
        if budget.kind != "seconds" and rehearsal.steps > most:
            return most, f"{budget} as asked for; cross-validation would have given {rehearsal.steps}"
        return rehearsal.steps, f"a third more than the {rehearsal.mark} found, because they cool down"
    if left is None or timing is None:
        return most, f"{budget} as asked for"
    steps = int(left * (1 - WATCHING) / timing.step)
    return max(steps, 1), f"{timing.step * 1e3:.3g} ms a step in the {left:.1f} s left"
