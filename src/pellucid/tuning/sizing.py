"""How large a network the budget can train, by timing a few real steps of networks that are then thrown away."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch

from ..errors import OutOfMemory, no_memory
from ..network import Network
from ..planning.decisions import Decisions
from ..planning.plan import Recipe
from ..storage import pack_tensors
from ..training.evaluate import predict_raw
from ..training.loop import Loop
from ..training.memory import give_back
from ..training.pacer import Pacer
from ..training.sampler import Sampler
from ..training.state import TrainState
from ..training.threads import threads_stall, use_threads
from ..wording import step_text

# That may say that memory is used up; ``no_memory`` tells by their words.
MEMORY_ERRORS = (RuntimeError, MemoryError, OutOfMemory)

# Of each number of threads, so that a change of the machine's load meets them all.
TURNS = 2

# That a turn takes at the least: more than another program gets a processor for at a time.
TURN_SECONDS = 0.05

# Times the best mean so far, from which a number of threads has no further step.
HOPELESS_FACTOR = 1.5

# Of the seconds left, that one size may be timed for: what is spent on sizes is not spent on learning.
TRYING_SHARE = 0.04

# Of the epochs aimed at, from which the next larger size is timed: it costs about twice as much a step.
ROOM_FACTOR = 1.8


@dataclass(frozen=True)
class Timing:
    """How fast a network is.

    Attributes:
        step: seconds that a training step takes. answer: seconds to answer one example. threads: on so many.
        others: seconds a step on other numbers of threads; infinite where those wait for each other.
    """

    step: float
    answer: float
    threads: int = 1
    others: Mapping[int, float] = field(default_factory=dict)

    def compare_threads(self) -> str:
        """The numbers of threads beside each other: ``a step takes 35 ms with 1 thread, 84 ms with 2``."""
        others = "".join(
            f", {step_text(seconds)} with {threads}" if math.isfinite(seconds) else f", {threads} wait for each other"
            for threads, seconds in self.others.items()
        )
        word = "thread" if self.threads == 1 else "threads"
        return f"a step takes {step_text(self.step)} with {self.threads} {word}{others}"


def decide_threads(timing: Timing, decisions: Decisions) -> Timing:
    """Decide on the number of threads that was fastest, where several were timed; returns ``timing``."""
    if timing.others:
        decisions.decide(0, "threads", timing.threads, timing.compare_threads())
        use_threads(timing.threads)
    return timing


def time_steps(
    network: Network,
    sampler: Sampler,
    recipe: Recipe,
    limit: float = math.inf,
    then: Callable[[TrainState], Any] = lambda state: None,
    counts: Sequence[int] = (),
) -> Timing:
    """Time a few steps (the first is left out: it allocates) and a few answers. Changes the network.

    Args:
        limit: seconds after which no further step is begun. then: done with the training's state, at the end.
        counts: numbers of threads to choose from; torch is left on the fastest. Without any, on the present one.
    """
    state = TrainState(network, recipe)
    loop = Loop(state, sampler, sampler.rows[:0], Decisions(), Pacer(recipe, None, 1), lambda s: None, lambda r: None)
    network.train()
    steps = count(0)

    def one_step() -> float:
        # At a hundredth of the learning rate, so that no step is skipped because it diverged: what is timed is thrown
        # away.
        start = time.perf_counter()
        loop.train_step(sampler.batch(next(steps)), 0.01).item()
        return time.perf_counter() - start

    # On a busy machine a step on all threads may take seconds: what allocates need not be one of them.
    use_threads(min(counts, default=None))
    first = one_step()
    for _ in range(loop.graph.steps_before_steady):
        one_step()
    means = time_thread_counts(one_step, counts or [torch.get_num_threads()], limit, first)
    best = min(means, key=lambda threads: means[threads])
    use_threads(best)
    some = sampler.rows[: min(256, len(sampler.rows))]
    start = time.perf_counter()
    predict_raw(network, sampler.loader, some)
    then(state)
    answer = (time.perf_counter() - start) / len(some)
    return Timing(means.pop(best), answer, best, means)


def time_thread_counts(
    one_step: Callable[[], float], counts: Sequence[int], limit: float, step_seconds: float = 0.0
) -> dict[int, float]:
    """The mean seconds of a step on each number of threads; infinite for one whose threads wait for each other.

    The numbers take turns, the smallest first; one that falls far behind has no further step.

    Args:
        one_step: makes a step and returns its seconds. limit: seconds in all, once each has made a step.
        step_seconds: what a step on few threads takes, about.
    """
    # Means and not medians, because it is the stalls that are looked for: a median step meets none.
    taken: dict[int, list[float]] = {threads: [] for threads in counts}

    def mean_seconds(threads: int) -> float:
        return sum(taken[threads]) / len(taken[threads])

    def is_hopeless(threads: int) -> bool:
        return bool(taken[threads]) and mean_seconds(threads) > HOPELESS_FACTOR * min(
            mean_seconds(other) for other in counts if taken[other]
        )

    def seconds_taken() -> float:
        return sum(sum(taken[threads]) for threads in tried)

    # A number whose threads stall is not even tried, since such a step may take seconds; alone, it has to be.
    taken |= {n: [math.inf] for n in counts if len(counts) > 1 and threads_stall(n, step_seconds)}
    tried = sorted(threads for threads in counts if not taken[threads])
    for _ in range(TURNS):
        for threads in tried:
            use_threads(threads)
            turn_seconds = 0.0
            while turn_seconds < TURN_SECONDS:
                if is_hopeless(threads) or (taken[threads] and seconds_taken() > limit):
                    break
                taken[threads].append(one_step())
                turn_seconds += taken[threads][-1]
    return {threads: mean_seconds(threads) for threads in counts}


@contextmanager
def explain_out_of_memory(
    size: Any, make: Callable[[int], Network], sampler: Sampler, recipe: Recipe, loop: Loop | None = None
) -> Iterator[None]:
    """A context that turns a lack of memory into an error which names the largest smaller size that fits.

    Args:
        size: of the network in training, or a word for one that has no sizes. make: gives a network of a size.
        loop: of the training, if it has one already; its state is let go of, so that there is room to try.

    Raises:
        OutOfMemory: in place of any error in the context that says that memory is used up.
    """
    try:
        yield
    except MEMORY_ERRORS as error:
        if not no_memory(error):
            raise
        _clear_frames(error)
    else:
        return
    # Outside of the handler, where Python no longer holds the error and what its frames hold.
    if loop is not None:
        del loop.state
        loop.watch = None
    smaller = largest_in_memory(size, make, sampler, recipe)
    fix = (
        f"train with --size {smaller}, which it does hold" if smaller is not None else "smaller ones do not fit either"
    )
    raise OutOfMemory(f"the memory of this machine does not hold the training of a network of size {size}", fix=fix)


def largest_in_memory(size: Any, make: Callable[[int], Network], sampler: Sampler, recipe: Recipe) -> int | None:
    """The largest smaller size whose first steps and a checkpoint fit into memory; None when none does."""
    # From the smallest on: from the largest down, one that fits was passed over in 3 of 12 trials, now in none of 20.
    # That those which do not fit leave memory in pieces is a guess (docs/LOG.md, 2026-11-23).
    fits = None
    for smaller in range(size) if isinstance(size, int) else ():
        give_back()
        try:
            time_steps(make(smaller), sampler, recipe, limit=0.0, then=lambda state: pack_tensors(state.tensors(), {}))
        except MEMORY_ERRORS as error:
            if not no_memory(error):
                raise
            _clear_frames(error)
            break
        fits = smaller
    return fits


def _clear_frames(error: BaseException | None) -> None:
    """Let go of the local variables of an error's frames, and of those of the errors that led to it."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def largest_within_budget(
    sizes: tuple[int, ...],
    usual: int,
    make: Callable[[int], Network],
    sampler: Sampler,
    recipe: Recipe,
    seconds: float,
    counts: Sequence[int] = (),
) -> tuple[int, Timing, str]:
    """The largest size that leaves time for enough passes in ``seconds``; its timing, and why, in words.

    Enough are ``recipe.epochs``, or what the output says of a network's number of weights (``Output.wanted_epochs``).

    Args:
        sizes: to choose from, rising. usual: to begin with. make: gives a network of a size.
        counts: as for ``time_steps``.
    """
    tried: dict[int, Timing] = {}
    wanted: dict[int, float] = {}

    def epochs_of_size(size: int) -> float:
        if size not in tried:
            try:
                network = make(size)
                own = network.output.wanted_epochs(network.parameter_count, sampler.steps * recipe.batch_size)
                wanted[size] = recipe.epochs if own is None else own
                tried[size] = time_steps(network, sampler, recipe, limit=TRYING_SHARE * seconds, counts=counts)
            except MEMORY_ERRORS as error:
                if size == sizes[0] or not no_memory(error):
                    raise
                # It does not fit: as good as endlessly slow.
                tried[size], wanted[size] = Timing(math.inf, math.inf), recipe.epochs
        return seconds / (tried[size].step * sampler.steps)

    def room_of_size(size: int) -> float:
        return epochs_of_size(size) / wanted[size]

    size = min(max(usual, sizes[0]), sizes[-1])
    while size > sizes[0] and room_of_size(size) < 1:
        size -= 1
    if size >= usual:
        while size < sizes[-1] and room_of_size(size) >= ROOM_FACTOR and room_of_size(size + 1) >= 1:
            size += 1
    found = epochs_of_size(size)
    if seconds <= 0:
        return size, tried[size], "the smallest: the budget was used up first"
    epochs_text = f"{found:,.0f}" if found >= 10 else f"{found:.2g}"
    return size, tried[size], f"{step_text(tried[size].step)} a step leave time for about {epochs_text} epochs"
