"""``RunClock``: what time a run has, what must still happen after its last step, and how many steps that leaves."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from ..options import MOST, Budget
from ..planning.decisions import Decisions
from ..training.pacer import EVALUATION_SHARE
from ..training.schedule import end_of
from ..tuning.cross_validation import CrossValidation
from ..tuning.sizing import Timing
from ..wording import duration_text, step_text

# For saving and the report, on a processor of its own: in all, for each test example, for each number of a forecast.
FINISH_SECONDS, FINISH_SECONDS_AN_EXAMPLE, FINISH_SECONDS_A_NUMBER = 0.3, 0.1e-3, 0.5e-6

# A guess at what a step takes before any was made; the pacer moves the end as soon as it trains.
FIRST_STEP_SECONDS = 0.1


@dataclass
class RunClock:
    """The time that one run has, and had. Moments are those of ``time.monotonic``, durations seconds.

    Attributes:
        budget: as asked for. decisions: of the run; more time that was given later is one of them.
        started: when the run would have begun if it had never been interrupted.
        closing: the work that follows the last step, as so many evaluations of the validation examples.
        reserve: seconds that saving and the report take after that.
    """

    budget: Budget
    decisions: Decisions
    started: float
    closing: float
    reserve: float = 0.0

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    def seconds_allowed(self, step: int) -> float | None:
        """Seconds that the run may take in all, from the first word to the written score; None for any time."""
        # More time, given by ``resume --more``, is a decision: a replay knows of it too.
        asked = self.budget.amount if self.budget.kind == "seconds" else None
        value = self.decisions.at(step, "seconds", asked)
        return None if value is None else float(value)

    def deadline(self, step: int) -> float | None:
        """The moment at which the closing evaluations must be over; None without a budget of time, and in a replay."""
        seconds = self.seconds_allowed(step)
        if seconds is None or not self.decisions.live:
            return None
        return self.started + seconds - self.reserve

    def overrun(self) -> str:
        """That the run took longer than its budget of time, by more than a second or a twentieth; else empty."""
        # What was given later counts too.
        allowed, taken = self.seconds_allowed(sys.maxsize), self.elapsed()
        if allowed is None or not self.decisions.live or taken <= allowed + max(1.0, allowed / 20):
            return ""
        took = f"this took {duration_text(taken)}, more than the {duration_text(allowed)} of its budget"
        return f"{took}: reading, choosing weights and scoring always take some time"

    def seconds_left(self, step: int, evaluation_seconds: float = 0.0) -> float | None:
        """Seconds left for steps, the closing evaluations taken off; None without a budget of time."""
        deadline = self.deadline(step)
        return None if deadline is None else deadline - time.monotonic() - self.closing * evaluation_seconds

    def max_steps(self, epoch_steps: int) -> int:
        """Steps that a budget in steps or epochs allows, at least 1; an epoch has ``epoch_steps``."""
        steps = round(self.budget.amount * (epoch_steps if self.budget.kind == "epochs" else 1))
        return min(max(steps, 1), MOST["steps"])

    def first_steps(
        self,
        epoch_steps: int,
        evaluation_seconds: float,
        cross_validation: CrossValidation | None,
        timing: Timing | None,
    ) -> tuple[int, str]:
        """How many steps the first schedule has, and why, in words.

        Args:
            epoch_steps: of an epoch. evaluation_seconds: that an evaluation takes.
            cross_validation: the cross-validation that found the number of steps, if there was one. timing: of a step.
        """
        left = self.seconds_left(0, evaluation_seconds)
        if cross_validation:
            most = self.max_steps(epoch_steps)
            if self.budget.kind != "seconds" and cross_validation.steps > most:
                return most, f"{self.budget} as asked; cross-validation found {cross_validation.steps}"
            return (
                cross_validation.steps,
                f"a third more than the {cross_validation.mark} found, for the cool-down",
            )
        if left is None or timing is None:
            return self.max_steps(epoch_steps), f"{self.budget} as asked"
        if left <= 0:
            return 1, "the budget was used up before the first step"
        steps = int(left * (1 - EVALUATION_SHARE) / timing.step)
        return max(steps, 1), f"{step_text(timing.step)} a step in the {left:.1f} s left"

    def more_steps(self, more: Budget, rest: int, epoch_steps: int, step: int, used: float, evaluating: float) -> int:
        """How many further steps ``more`` allows a run that stands at ``step``.

        Args:
            rest: steps that were still to be made. used: seconds so far. evaluating: seconds that an evaluation takes.
        """
        left = self.seconds_left(step, evaluating)
        if left is None:
            steps = rest + round(more.amount * (epoch_steps if more.kind == "epochs" else 1))
            return min(steps, MOST["steps"] - step)
        return int(left / max(used / step if step else FIRST_STEP_SECONDS, 1e-6))


def finishing_seconds(
    test_examples: int, with_reference: bool, with_curves: bool = False, forecast_numbers: int = 0
) -> float:
    """Seconds that saving and the report take, on a processor of their own.

    Args:
        forecast_numbers: in all forecasts that are scored: there may be thousands in each.
        with_curves: two classes have curves beside their score, whose areas have intervals of their own.
    """
    # With a reference every interval is drawn for its answers, too.
    times = 1 + 0.5 * with_reference + 0.7 * with_curves
    own = FINISH_SECONDS + 0.2 * with_curves + FINISH_SECONDS_A_NUMBER * forecast_numbers
    return own + FINISH_SECONDS_AN_EXAMPLE * test_examples * times


def was_extended(decisions: Decisions) -> bool:
    """Whether a training was given more steps than cross-validation found, by ``resume --more``."""
    # The clock only ever moves the end of such a training nearer.
    first, *others = [one["value"] for one in decisions.all if one["name"] == "schedule"]
    return any(points[0][0] > first[0][0] or end_of(points) > end_of(first) for points in others)
