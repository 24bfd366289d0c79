"""Recurrent cells: their gates, and all steps of a sequence opened at once from states that are known already.

S sequences side by side, T time, K width of the state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import Inside, State
from .parallel_scan import scan

# The gates of a cell in the order of their rows in its weights, each with its activation.
GATES: dict[str, dict[str, str]] = {
    "gru": {"reset_gate": "sigmoid", "update_gate": "sigmoid", "candidate": "tanh"},
    "lstm": {"input_gate": "sigmoid", "forget_gate": "sigmoid", "candidate": "tanh", "output_gate": "sigmoid"},
    "mingru": {"candidate": "tanh", "update_gate": "sigmoid"},
}

# How they make the next state.
FORMULAS = {
    "gru": "hidden = (1 - update gate) × candidate + update gate × hidden before",
    "lstm": "cell = forget gate × cell before + input gate × candidate; hidden = output gate × tanh(cell)",
    "mingru": "hidden = (1 - update gate) × candidate + update gate × hidden before",
}

# How cells that are looked into go: opened from step to step, or by their own rule back through time.
_one_by_one: ContextVar[bool] = ContextVar("one_by_one", default=False)
_by_rule: ContextVar[bool] = ContextVar("by_rule", default=False)


def step_by_step() -> AbstractContextManager[None]:
    """While it lasts, opened cells go from step to step, so that what is changed in one reaches the next."""
    return _setting(_one_by_one)


def goes_step_by_step() -> bool:
    return _one_by_one.get()


def back_by_rule() -> AbstractContextManager[None]:
    """While it lasts, cells have their gradients by the rule of their gates, which few sequences are faster by.

    A third of autograd's time of 16 sequences, two thirds of 64. The gradients are the same but for rounding, and have
    none themselves; no training goes this way.
    """
    return _setting(_by_rule)


def goes_back_by_rule() -> bool:
    return _by_rule.get()


@contextmanager
def _setting(flag: ContextVar[bool]) -> Iterator[None]:
    token = flag.set(True)
    try:
        yield
    finally:
        flag.reset(token)


def gru_gates(from_x: Tensor, from_h: Tensor, state: State) -> tuple[State, Inside]:  # (..., 3 K) -> (..., K) each
    """A GRU's next state and its gates, from the maps of input and state: reset, update and candidate side by side."""
    (xr, xz, xn), (hr, hz, hn) = from_x.chunk(3, -1), from_h.chunk(3, -1)
    reset, update = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    candidate = torch.tanh(xn + reset * hn)
    hidden = (1 - update) * candidate + update * state[0]
    return (hidden,), {"reset_gate": reset, "update_gate": update, "candidate": candidate, "hidden": hidden}


def lstm_gates(from_x: Tensor, from_h: Tensor, state: State) -> tuple[State, Inside]:  # (S, 4 K) -> (S, K) each
    """An LSTM's next state and its gates, from the maps of input and state: input, forget, candidate, output."""
    gates = lstm_gates_alone(from_x, from_h)
    cell = gates["forget_gate"] * state[1] + gates["input_gate"] * gates["candidate"]
    hidden = gates["output_gate"] * torch.tanh(cell)
    return (hidden, cell), {**gates, "cell": cell, "hidden": hidden}


def lstm_gates_alone(from_x: Tensor, from_h: Tensor) -> Inside:  # (..., 4 K) -> (..., K) each
    i, f, g, o = (from_x + from_h).chunk(4, -1)
    return {
        "input_gate": torch.sigmoid(i), "forget_gate": torch.sigmoid(f), "candidate": torch.tanh(g),
        "output_gate": torch.sigmoid(o),
    }  # fmt: skip


def mingru_gates(from_x: Tensor, state: State) -> tuple[State, Inside]:  # (S, 2 K) -> (S, K) each
    """A minGRU's next state and its gates, from the map of the input: candidate and update side by side."""
    gates = mingru_gates_alone(from_x)
    hidden = (1 - gates["update_gate"]) * gates["candidate"] + gates["update_gate"] * state[0]
    return (hidden,), {**gates, "hidden": hidden}


def mingru_gates_alone(from_x: Tensor) -> Inside:  # (..., 2 K) -> (..., K) each
    candidate, update = from_x.chunk(2, -1)
    return {"candidate": torch.tanh(candidate), "update_gate": torch.sigmoid(update)}


# ---------------------------------------------------------------- all steps at once


def open_scan(from_x: Tensor) -> Inside:  # (S, T, 2 K) -> (S, T, K) each
    """Every gate and state of a minGRU at every step: its gates hear no state, so its scan has all gradients."""
    gates = mingru_gates_alone(from_x)
    keep = gates["update_gate"]
    return {**gates, "hidden": scan(keep, (1 - keep) * gates["candidate"], torch.zeros_like(keep[:, 0]))}


def open_steps(cell: str, from_x: Tensor, from_h: Tensor, hidden: Tensor, before: Tensor, weight: Tensor) -> Inside:
    """Every gate and state of a GRU or an LSTM at every step, (S, T, K) each, in the order that the cell runs in.

    What is returned as ``hidden`` has the gradient that going from step to step would give ``from_x`` and ``from_h``,
    though here no step is made of the one before.

    Args:
        from_x, from_h: (S, T, 3 or 4 K), the maps of the input and of the state before. hidden, before: (S, T, K), the
            states after and before each step, from a pass that nothing was noted of. weight: (3 or 4 K, K), of the
            state's map.
    """
    kept: list[Tensor] = []
    with torch.no_grad():
        if cell == "gru":
            _, inside = gru_gates(from_x, from_h, (before,))
        else:
            inside = lstm_gates_alone(from_x, from_h)
            inside["cell"], before_cell = _scan_cell(inside["forget_gate"], inside["input_gate"] * inside["candidate"])
            kept.append(before_cell)
    kept = [*(value for name, value in inside.items() if name != "hidden"), *kept]
    together: Any = _GruSteps if cell == "gru" else _LstmSteps
    return {**inside, "hidden": together.apply(from_x, from_h, hidden, before, weight.detach(), *kept)}


def _scan_cell(forget: Tensor, entering: Tensor) -> tuple[Tensor, Tensor]:  # (S, T, K) -> (S, T, K), (S, T, K)
    """An LSTM's cell after and before each step."""
    after, own = [], torch.zeros_like(entering[:, 0])
    for keep, enter in zip(forget.unbind(1), entering.unbind(1), strict=True):
        own = torch.addcmul(enter, keep, own)
        after.append(own)
    cell = torch.stack(after, 1)
    return cell, step_before(cell)


def step_before(states: Tensor) -> Tensor:  # (S, T, K) -> (S, T, K)
    """What stood there one step earlier: zeros before the first."""
    return F.pad(states[:, :-1], (0, 0, 1, 0))


class _GruSteps(torch.autograd.Function):
    """A GRU's states, already known; back through time by the rule of its gates (Werbos, 1990)."""

    @staticmethod
    def forward(ctx: Any, from_x: Tensor, from_h: Tensor, hidden: Tensor, before: Tensor, weight: Tensor,
                reset: Tensor, update: Tensor, candidate: Tensor) -> Tensor:  # fmt: skip
        ctx.save_for_backward(from_h, before, weight, reset, update, candidate)
        return hidden.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # (S, T, K) -> (S, T, 3 K) twice
        from_h, before, weight, reset, update, candidate = ctx.saved_tensors
        heard = from_h.chunk(3, -1)[2]
        # By each gate's sum, beside the slope by the state that they make.
        by_candidate = (1 - update) * (1 - candidate.square())
        by_update = (before - candidate) * update * (1 - update)
        by_reset = by_candidate * heard * reset * (1 - reset)
        by_sums = torch.stack([by_reset, by_update, by_candidate * reset], -2)  # (S, T, 3, K)
        later, whole = torch.zeros_like(slope[:, 0]), []
        for own, keep, sums in backwards(slope, update, by_sums):
            total = own + later
            whole.append(total)
            later = torch.addmm(total * keep, (total.unsqueeze(1) * sums).flatten(1), weight)
        every = torch.stack(whole[::-1], 1).unsqueeze(2)  # (S, T, 1, K)
        by_input = torch.stack([by_reset, by_update, by_candidate], -2)
        return (every * by_input).flatten(2), (every * by_sums).flatten(2), *[None] * 6


def backwards(*each: Tensor) -> Iterator[tuple[Tensor, ...]]:  # (S, T, ...) -> (S, ...)
    """What stands at each step, the last one first; time outside, so that a step's numbers lie side by side."""
    return zip(*(reversed(x.transpose(0, 1).contiguous().unbind(0)) for x in each), strict=True)


class _LstmSteps(torch.autograd.Function):
    """An LSTM's states, already known; back through time by the rule of its gates (Hochreiter, 1997)."""

    @staticmethod
    def forward(ctx: Any, from_x: Tensor, from_h: Tensor, hidden: Tensor, before: Tensor, weight: Tensor,
                enter: Tensor, forget: Tensor, candidate: Tensor, leave: Tensor, cell: Tensor,
                cell_before: Tensor) -> Tensor:  # fmt: skip
        ctx.save_for_backward(weight, enter, forget, candidate, leave, cell, cell_before)
        return hidden.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:  # (S, T, K) -> (S, T, 4 K) twice
        weight, enter, forget, candidate, leave, cell, cell_before = ctx.saved_tensors
        shown = torch.tanh(cell)
        by_cell = leave * (1 - shown.square())
        # By the sums of input, forget and candidate, beside the slope by the cell; of output, by the hidden state.
        inner = torch.stack(
            [candidate * enter * (1 - enter), cell_before * forget * (1 - forget), enter * (1 - candidate.square())], -2
        )  # (S, T, 3, K)
        outer = shown * leave * (1 - leave)
        later, later_cell, found = torch.zeros_like(slope[:, 0]), torch.zeros_like(slope[:, 0]), []
        for own, to_cell, ins, out, keep in backwards(slope, by_cell, inner, outer, forget):
            total = own + later
            total_cell = torch.addcmul(later_cell, total, to_cell)
            sums = torch.cat([(total_cell.unsqueeze(1) * ins).flatten(1), total * out], -1)  # (S, 4 K)
            found.append(sums)
            later, later_cell = sums @ weight, total_cell * keep
        every = torch.stack(found[::-1], 1)  # (S, T, 4 K)
        return every, every, *[None] * 9
