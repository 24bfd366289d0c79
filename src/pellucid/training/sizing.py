"""How large a network the budget can train, by timing a few real steps of networks that are then thrown away."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import OutOfMemory, no_memory
from ..folder import pack
from ..network import Network
from ..planning import Recipe
from .feed import Order
from .loop import Loop, answers
from .memory import give_back
from .pace import Pace
from .schedule import Decisions
from .state import State

LACKING = (RuntimeError, MemoryError, OutOfMemory)  # the errors that may say that memory is used up
STEPS = 4  # timed, of each network that is tried
TRYING = 0.04  # of the seconds that one size may be timed for


@dataclass(frozen=True)
class Timing:
    """Seconds a training step of a network, and seconds to answer one example."""

    step: float
    answer: float


def timed(
    network: Network,
    order: Order,
    recipe: Recipe,
    limit: float = math.inf,
    then: Callable[[State], Any] = lambda state: None,
) -> Timing:
    """Time a few steps (the first is left out: it allocates) and a few answers. Changes the network.

    Args:
        limit: seconds after which no further step is begun. then: done with the training's state, at the end.
    """
    state = State(network, recipe)
    loop = Loop(state, order, order.rows[:0], Decisions(), Pace(recipe, None, 1), lambda s: None, lambda r: None)
    network.train()
    seconds: list[float] = []
    for step in range(STEPS + 1):
        if len(seconds) > 1 and sum(seconds) > limit:
            break
        start = time.perf_counter()
        state.optimizer.clear()
        loop.gradients(order.batch(step))
        state.optimizer.norm().item()
        state.optimizer.step(0.01)
        seconds.append(time.perf_counter() - start)
    some = order.rows[: min(256, len(order.rows))]
    start = time.perf_counter()
    answers(network, order.feed, some)
    then(state)
    return Timing(float(np.median(seconds[1:])), (time.perf_counter() - start) / len(some))


@contextmanager
def held(
    size: Any, make: Callable[[int], Network], order: Order, recipe: Recipe, loop: Loop | None = None
) -> Iterator[None]:
    """Where memory does not hold a training of ``size``, say which size it does hold: one that was tried.

    Args:
        loop: of the training, if it has one already; its state is let go of, so that there is room to try.
    """
    try:
        yield
    except LACKING as error:
        if not no_memory(error):
            raise
        _clear(error)
    else:
        return
    if loop is not None:
        del loop.state
    smaller = fitting(size, make, order, recipe)
    fix = (
        f"train with --size {smaller}, which it does hold" if smaller is not None else "smaller ones do not fit either"
    )
    raise OutOfMemory(f"the memory of this machine does not hold the training of a network of size {size}", fix=fix)


def fitting(size: Any, make: Callable[[int], Network], order: Order, recipe: Recipe) -> int | None:
    """The largest smaller size whose training memory does hold, found out by its first steps and a checkpoint.

    From the smallest on: tried after larger ones that did not fit, one that fits was sometimes passed over.
    """
    fits = None
    for smaller in range(size) if isinstance(size, int) else ():
        give_back()
        try:
            timed(make(smaller), order, recipe, limit=0.0, then=lambda state: pack(state.tensors(), {}))
        except LACKING as error:
            if not no_memory(error):
                raise
            _clear(error)
            break
        fits = smaller
    return fits


def _clear(error: BaseException | None) -> None:
    """Let go of all that was allocated where an error, or one that led to it, came from."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def largest(
    sizes: tuple[int, ...], usual: int, make: Callable[[int], Network], order: Order, recipe: Recipe, seconds: float
) -> tuple[int, Timing, str]:
    """The largest size that leaves time for ``recipe.epochs`` passes in ``seconds``; its timing, and why.

    Sizes about double the work, so a neighbour is only timed when it has a chance.
    """
    tried: dict[int, Timing] = {}

    def epochs(size: int) -> float:
        if size not in tried:
            try:
                tried[size] = timed(make(size), order, recipe, limit=TRYING * seconds)
            except LACKING as error:
                if size == sizes[0] or not no_memory(error):
                    raise
                tried[size] = Timing(math.inf, math.inf)  # it does not fit
        return seconds / (tried[size].step * order.steps)

    size = min(max(usual, sizes[0]), sizes[-1])
    while size > sizes[0] and epochs(size) < recipe.epochs:
        size -= 1
    if size >= usual:
        while size < sizes[-1] and epochs(size) >= 1.8 * recipe.epochs and epochs(size + 1) >= recipe.epochs:
            size += 1
    found = epochs(size)
    said = f"{found:,.0f}" if found >= 10 else f"{found:.2g}"
    return size, tried[size], f"{tried[size].step * 1e3:.3g} ms a step leave time for some {said} epochs"
