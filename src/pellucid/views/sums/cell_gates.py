"""A recurrent unit opened at one step: every gate a weighted sum, and the state that they make.

T steps, K width of the state, D of what is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .addresses import Scene, Unit, cells_of
from .products import Product, residual_of


@dataclass(frozen=True)
class Gate:
    """One gate at one step: σ(input · weights + factor × (state · weights)).

    Attributes:
        name, activation: of it. value: what the forward pass has. from_input, from_state: both sums, biases in; 0 of a
            cell whose gates hear no state.
        factor: what the sum of the state is multiplied by. weights, values: (D + K,) of all terms. names: of them.
        bias: of both. residual: how far the terms are from the sums that the forward pass has.
    """

    name: str
    activation: str
    value: float
    from_input: float
    from_state: float
    factor: float
    weights: np.ndarray
    values: np.ndarray
    names: list[str]
    bias: float
    residual: float

    @property
    def total(self) -> float:
        return self.from_input + self.factor * self.from_state


@dataclass(frozen=True)
class OpenedCell:
    """A unit's gates at one step, the states that they are made with (name, value), and how far that is off.

    Attributes:
        formula: how they make the new state, in words. hears_state: whether the gates are made of the old one too.
    """

    gates: list[Gate]
    states: list[tuple[str, float]]
    formula: str
    residual: float
    hears_state: bool = True


def open_cell(scene: Scene, unit: Unit, place: int) -> OpenedCell:
    """The gates of a recurrent unit where ``place`` of its values stands."""
    assert unit.stage is not None
    assert unit.cell is not None
    cell, inside = cells_of(unit.stage)[unit.cell], unit.stage.inside
    at = tuple(map(int, np.unravel_index(place, tuple(unit.values.shape))))  # (example, *positions, unit)
    index = np.arange(unit.values.numel()).reshape(unit.values.shape)
    before = _step_before(cell, at, unit.values.shape, unit.stage.features.mask)

    def shown(name: str, where: tuple[int, ...] | None = at) -> float:
        return 0.0 if where is None else float(inside[f"{unit.cell}.{name}"].detach().flatten()[int(index[where])])

    sums = _sums_of_step(scene, cell, at, unit.values.shape)
    rows = cell.gate_rows(unit.number)
    gates = []
    for name, row in rows.items():
        factor = shown(cell.state_factor(name)) if cell.state_factor(name) else 1.0
        gates.append(_open_gate(name, cell.activation_of(name), shown(name), row, factor, sums))
    by_name = {gate.name: gate.value for gate in gates}
    states = {name: (shown(name, before), shown(name)) for name in cell.state_names()}
    made = cell.next_state(by_name, {name: old for name, (old, _) in states.items()})
    off = [abs(made[name] - new) / max(1.0, abs(new)) for name, (_, new) in states.items()]
    off += [abs(_apply(g.activation, g.total) - g.value) for g in gates] + [g.residual for g in gates]
    listed = [(f"{name} {when}", value) for name, both in states.items() for when, value in
              zip(("before this step", "after it"), both, strict=True)]  # fmt: skip
    return OpenedCell(gates, listed, cell.formula, max(off), "state" in cell.maps())


def _apply(activation: str, value: float) -> float:
    return float(getattr(torch, activation)(torch.tensor(value, dtype=torch.float64)))


def _step_before(cell: Any, at: tuple[int, ...], shape: torch.Size, mask: Tensor | None) -> tuple[int, ...] | None:
    """Where the state before this step stands; None where it is the first."""
    axis = 1 + cell.along
    back = at[axis] + (1 if cell.backward_ else -1)
    found = (*at[:axis], back, *at[axis + 1 :])
    return found if 0 <= back < _steps(at, axis, mask, shape[axis]) else None


def _steps(at: tuple[int, ...], axis: int, mask: Tensor | None, otherwise: int) -> int:
    """How many real positions the line that a place is on has."""
    if mask is None:
        return otherwise
    line: list[int | slice] = list(at[:-1])
    line[axis] = slice(None)
    return int(mask[tuple(line)].sum())


def _sums_of_step(scene: Scene, cell: Any, at: tuple[int, ...], shape: torch.Size) -> list[tuple[Product, int]]:
    """The cell's products, of input and state, and the row of each that is this step's."""
    axis = 1 + cell.along
    names = {id(p): name for name, p in scene.network.named_parameters()}
    lines = [size for i, size in enumerate(shape[:-1]) if i != axis]
    line = int(np.ravel_multi_index([p for i, p in enumerate(at[:-1]) if i != axis], lines))
    row = line * shape[axis] + at[axis]
    found = []
    for weight in cell.maps().values():
        product = next(p for p in scene.recording.products if p.parameter == names[id(weight)])
        found.append((product, row))
    return found


def _open_gate(
    name: str, activation: str, value: float, row: int, factor: float, sums: list[tuple[Product, int]]
) -> Gate:
    totals, weights, values, names, bias, residual = [], [], [], [], 0.0, 0.0
    for (product, at), what, scale in zip(sums, ("input", "state"), (1.0, factor), strict=False):
        place = at * product.units + row
        w, x, sources = product.terms(place)
        total, own = float(product.output.detach().flatten()[place]), product.bias_at(place)
        residual = max(residual, residual_of(w, x, own, total))
        totals.append(total)
        weights.append(w)
        # What the state says is weighed by the reset gate in some cells.
        values.append(x * scale)
        bias += scale * own
        names += [f"{what} {source[0]}" for source in sources]
    return Gate(
        name.replace("_", " "), activation, value, totals[0], sum(totals[1:]), factor, np.concatenate(weights),
        np.concatenate(values), names, bias, residual,
    )  # fmt: skip
