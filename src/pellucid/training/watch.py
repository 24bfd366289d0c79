"""What a training looks like from inside: norms of gradients, weights and steps, measured in some of its steps.

T tensors, G groups of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import no_memory

if TYPE_CHECKING:
    from ..planning.decisions import Decisions
    from .state import TrainState

# Looks in a training, about, and their share of its time at the most.
LOOKS, LOOK_SHARE = 200, 0.01

# Steps between looks where no step was timed. Beside 25 steps of the smallest network a look takes 2% of the time;
# a training that is shorter than 500 steps has 20 looks all the same, which take a few milliseconds together.
UNTIMED_EVERY, LEAST_LOOKS = 25, 20

# Of names that a look gives numbers for: a network with more tensors is looked at module by module.
MOST_NAMES = 128

# Digits that are kept: a look is for people and their thresholds.
DIGITS = 5

Row = dict[str, Any]


class Watch:
    """Looks at a training in every so-manieth step: ``before`` between gradient and step, ``after`` behind the step.

    What a look gives is a pure function of the state and the batch: a training that is stopped and resumed gives the
    same rows. It moves nothing.

    Args:
        state: of the training. decisions: say every how many steps, under "watch every"; 0 or none for never.
        write: is given each row.

    A row: ``step`` (the steps made before the one that is looked at), ``loss`` (of its batch), ``gradient`` (the length
    of the whole gradient, before it is clipped), ``lr_factor``, ``clipped`` (the share of the steps since the last row
    whose gradient was clipped), ``skipped`` (how many of those were skipped as not finite), and ``tensors``: by name
    ``gradient`` and ``weight`` (lengths), ``update`` (how far the step moved it, as a share of ``weight``: what the
    optimizer really did) and ``nonfinite`` (the share of its gradient's entries). None stands for numbers that are not
    finite, and for the share of weights that are all 0.
    """

    def __init__(self, state: TrainState, decisions: Decisions, write: Callable[[Row], None]):
        self.state, self.decisions, self.write = state, decisions, write
        own = {id(p) for p in state.optimizer.parameters}
        named = [(name, p) for name, p in state.network.named_parameters() if id(p) in own]
        self.parameters: list[Tensor] = [p for _, p in named]
        self.names, self.group = group_names([name for name, _ in named])
        self._before: list[Tensor] = []
        self._row: Row | None = None
        self._lengths: list[Tensor] = []

    def is_due(self, *, finite: bool) -> bool:
        """Whether this step is to be looked at: every so-manieth, and the first of steps that are skipped in a row."""
        every = self.decisions.at(self.state.step, "watch every", 0)
        return bool(every) and (self.state.step % every == 0 or (not finite and self.state.skipped == 1))

    @torch.no_grad()
    def before(self, loss: Tensor, norm: Tensor, factor: float, *, finite: bool) -> None:
        """Look at gradients and weights, and remember where the weights are.

        Args:
            loss: () of the batch. norm: () of the whole gradient. factor: of the full learning rates.
            finite: whether both are, so that the step will be made.
        """
        state, zero = self.state, torch.zeros((), device=self.state.network.device)
        since = max(state.since_look, 1)
        try:
            self._before = [p.detach().clone() for p in self.parameters] if finite else []
            gradients = [zero if p.grad is None else p.grad for p in self.parameters]
            self._lengths = [*torch._foreach_norm(gradients), *torch._foreach_norm(self.parameters)]
        except (RuntimeError, MemoryError) as error:
            if not no_memory(error):
                raise
            # Rows are not worth a training.
            self._before, self._lengths = [], []
            self.decisions.decide(state.step, "watch every", 0, "the memory did not hold a copy of the weights")
            return
        self._row = {
            "step": state.step,
            "loss": shorten(loss.item()),
            "gradient": shorten(norm.item()),
            "lr_factor": shorten(factor),
            "clipped": shorten(state.clipped / since),
            "skipped": state.passed_over,
        }
        state.since_look = state.clipped = state.passed_over = 0
        self._nonfinite = [0.0] * len(gradients) if finite else [_share_nonfinite(g) for g in gradients]

    @torch.no_grad()
    def after(self) -> None:
        """Look at how far the weights moved, and write the row."""
        row, self._row = self._row, None
        if row is None:
            return
        moved = torch._foreach_norm(torch._foreach_sub(self._before, self.parameters)) if self._before else []
        # One number a tensor and look, all of them at once: on a GPU this is the one wait.
        found = torch.stack([*self._lengths, *moved]).double().cpu().numpy() if self._lengths else np.zeros(0)
        self._before, self._lengths = [], []
        found = np.concatenate([found, np.zeros(3 * len(self.parameters) - len(found))])
        gradient, weight, update = (self._by_name(one) for one in found.reshape(3, -1))
        sizes = np.array([p.numel() for p in self.parameters], np.float64)
        shares = np.array(self._nonfinite) * sizes
        nonfinite = np.bincount(self.group, shares, len(self.names)) / np.bincount(self.group, sizes, len(self.names))
        # Of weights that are all 0, as some begin, no step is a share.
        ratio = np.divide(update, weight, out=np.full_like(update, np.nan), where=weight > 0)
        columns = (gradient, weight, ratio, nonfinite)
        row["tensors"] = {
            name: {"gradient": g, "weight": w, "update": u, "nonfinite": n}
            for name, g, w, u, n in zip(
                self.names, *([shorten(x) for x in one.tolist()] for one in columns), strict=True
            )
        }
        self.write(row)

    def _by_name(self, lengths: np.ndarray) -> np.ndarray:  # (T,) -> (G,)
        """The length of each group, of the lengths of its tensors."""
        return np.sqrt(np.bincount(self.group, lengths**2, len(self.names)))


def group_names(names: Sequence[str], most: int = MOST_NAMES) -> tuple[list[str], np.ndarray]:
    """Names of at most about ``most`` groups of tensors, and (T,) the group of each; as few are put together as can be.

    >>> group_names(["trunk.a.weight", "trunk.a.bias", "output.bias"], most=2)
    (['trunk.a', 'output.bias'], array([0, 0, 1]))
    """
    parts = [name.split(".") for name in names]
    depth = max((len(part) for part in parts), default=1)
    found = list(dict.fromkeys(names))
    while len(found) > most and depth > 1:
        depth -= 1
        found = list(dict.fromkeys(".".join(part[:depth]) for part in parts))
    place = {name: i for i, name in enumerate(found)}
    return found, np.array([place[".".join(part[:depth])] for part in parts], np.int64)


def shorten(value: float) -> float | None:
    """A number with ``DIGITS`` digits; None where it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _share_nonfinite(gradient: Tensor) -> float:
    """The share of its entries that are NaN or infinite."""
    return 1 - float(gradient.isfinite().float().mean())


def look_seconds(state: TrainState) -> float:
    """The seconds that a look takes, timed on this state, which stays as it is."""

    def look() -> float:
        start = time.perf_counter()
        before = [p.detach().clone() for p in parameters]
        lengths = [*torch._foreach_norm(before), *torch._foreach_norm(parameters)]
        moved = torch._foreach_norm(torch._foreach_sub(before, parameters))
        [shorten(x) for x in torch.stack([*lengths, *moved]).tolist()]
        return time.perf_counter() - start

    parameters: list[Tensor] = [*state.optimizer.parameters]
    with torch.no_grad():
        return sorted(look() for _ in range(3))[1]


def decide_looks(decisions: Decisions, step: int, steps: int, state: TrainState, step_seconds: float = 0.0) -> None:
    """Decide every how many steps a training of ``steps`` more, from ``step`` on, is looked at.

    Args:
        step_seconds: that a step takes; 0 where none was timed.
    """
    seldom = math.ceil(steps / LOOKS)
    if step_seconds:
        every = max(seldom, math.ceil(look_seconds(state) / (LOOK_SHARE * step_seconds)), 1)
        why = f"about {max(steps // every, 1):,} looks in all, at most {LOOK_SHARE:.0%} of the time"
    else:
        every = max(seldom, min(UNTIMED_EVERY, steps // LEAST_LOOKS), 1)
        why = f"about {max(steps // every, 1):,} looks in all"
    decisions.decide(step, "watch every", every, why)
