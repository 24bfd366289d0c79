"""The size of a run's network, and how many heads it has: what the budget allows, by timed steps."""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING

from ..network import Network
from ..planning.build import planned_network, planned_trunk
from ..trunks import Trunk
from ..tuning.sizing import Timing, decide_threads, largest_within_budget, time_steps

if TYPE_CHECKING:
    from .train import Trainer


def choose_size(job: Trainer) -> tuple[Trunk, Timing | None]:
    """The trunk at the size that the budget allows, and a timing of its steps under a budget of time."""
    deadline, recipe = job.clock.deadline(0), job.plan.recipe
    if job.own is not None:
        decide_heads(job, job.plan.heads, "as planned")
        reason = f"as in {job.plan.start['run']}" if job.plan.start else "custom trunk"
        job.decisions.decide(0, "size", "own", reason)
        if deadline is None:
            return job.own, None
        # Timing moves weights: a copy is trained, and the user's own stays as it was passed.
        thrown_away = job.make_network(copy.deepcopy(job.own)).to(job.device)
        return job.own, decide_threads(
            time_steps(thrown_away, job.sampler, recipe, counts=job.thread_counts), job.decisions
        )
    if deadline is None:
        size = (job.plan.heads_sizes or job.plan.sizes)[0]
        decide_heads(job, job.plan.heads, "as planned")
        job.decisions.decide(0, "size", size, next(c.reason for c in job.plan.choices if c.name == "size"))
        return planned_trunk(job.plan, size), None
    size, timing, reason = size_with_heads(job, deadline) or largest_of(
        job, job.plan.sizes, job.plan.usual, 1, deadline
    )
    job.decisions.decide(0, "size", size, reason)
    return planned_trunk(job.plan, size), decide_threads(timing, job.decisions)


def largest_of(
    job: Trainer, sizes: tuple[int, ...], usual: int, heads: int, deadline: float
) -> tuple[int, Timing, str]:
    """The largest of some sizes with time for what the recipe aims at, its timing, and why."""

    def make(size: int) -> Network:
        trunk = planned_trunk(job.plan, size)
        network = planned_network(job.plan, job.inputs, job.targets, trunk, heads, job.solved)
        return network.to(job.device)

    left = deadline - time.monotonic()
    return largest_within_budget(sizes, usual, make, job.sampler, job.plan.recipe, left, job.thread_counts)


def size_with_heads(job: Trainer, deadline: float) -> tuple[int, Timing, str] | None:
    """The size of a network with the planned heads; None where there are none, or no time for them."""
    sizes, heads = job.plan.heads_sizes, job.plan.heads
    if heads == 1:
        return None
    found, least = largest_of(job, sizes, sizes[len(sizes) // 2], heads, deadline), job.plan.heads_epochs
    epochs = max(deadline - time.monotonic(), 0.0) / (found[1].step * job.sampler.steps)
    if epochs < least:
        # Rounded down, or 14.97 would be no fewer than 15.
        whole = math.floor(10 * epochs) / 10
        time_left = f"time for only {whole:g} epochs, under {least:g}" if whole else "no time"
        decide_heads(job, 1, f"with {heads} there is {time_left}")
        return None
    decide_heads(job, heads, f"with them there is time for {least:g} epochs and more" if least else "as asked")
    return found


def decide_heads(job: Trainer, heads: int, reason: str) -> None:
    """Decide on the number of heads, where the plan has several."""
    if job.plan.heads > 1:
        job.decisions.decide(0, "heads", heads, reason)
