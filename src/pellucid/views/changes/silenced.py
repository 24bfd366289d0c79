"""Units set to 0 while a network computes, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...data.batches.batch import Batch
from ...errors import UsageError
from ...network import Network
from ...trunks.cells import step_by_step
from ..sums.addresses import Scene, Unit, cells_of, find_unit
from ..sums.arithmetic import Made, Recording


class Silenced(Recording):
    """A recording that sets some values to 0 as they are made, so that all that follows is made of these.

    Args:
        places: by the number of what is made, the flat places in it.
    """

    def __init__(self, network: nn.Module, places: Mapping[int, Tensor]):
        super().__init__(network)
        self.places = places

    def changed(self, made: Made, result: Tensor) -> Tensor:
        own = self.places.get(self.count)
        if own is None:
            return result
        gone = torch.zeros(result.numel(), dtype=torch.bool)
        gone[own] = True
        return result.masked_fill(gone.view(result.shape), 0.0)


def silent_answer(network: Network, batch: Batch, names: Sequence[str]) -> Tensor:  # -> (B, R)
    """The raw answers with some units at 0.

    Args:
        network: a copy: recurrent units are silenced in its weights. names: of units and heads.

    Raises:
        UsageError: for a name that is not there, or an answer's own unit.
    """
    scene = Scene.of(network, batch)
    units = [find_unit(scene, name) for name in names]
    for unit in units:
        if unit.answer is not None:
            raise UsageError(
                f"'{unit.name}' is an answer, which can't be left out", fix="leave out what stands before it"
            )
    if not any(_is_in_cell(scene, unit) for unit in units):
        return _answer_without(scene, batch, units)
    # What a cell's own maps give at one step reaches the next, which cells opened all at once would not hear of.
    with step_by_step():
        scene = Scene.of(network, batch)
        return _answer_without(scene, batch, [find_unit(scene, name) for name in names])


def _is_in_cell(scene: Scene, unit: Unit) -> bool:
    """Whether a unit is one of a layer inside a recurrent stage."""
    return unit.stage is None and any(
        unit.name.startswith(f"{stage.name}.") for stage in scene.opened if cells_of(stage)
    )


def _answer_without(scene: Scene, batch: Batch, units: Sequence[Unit]) -> Tensor:  # -> (B, R)
    network = scene.network
    rest: list[Unit] = []
    for unit in units:
        if unit.cell is not None and unit.stage is not None:
            cells_of(unit.stage)[unit.cell].silence_unit(unit.number)
        else:
            rest.append(unit)
    places: dict[int, list[Tensor]] = {}
    for unit in rest:
        for number, own in _made_where(scene, unit):
            places.setdefault(number, []).append(own)
    with torch.no_grad(), Silenced(network, {number: torch.cat(own) for number, own in places.items()}):
        return network.open(batch).answer


def _made_where(scene: Scene, unit: Unit) -> list[tuple[int, Tensor]]:
    """The numbers of what a unit's values were made as, and the flat places in it."""
    recording: Any = scene.recording
    if unit.head:
        assert unit.stage is not None
        mixed = unit.stage.inside["mixed"]
        index = torch.arange(mixed.numel()).view(mixed.shape)[:, unit.number].flatten()
        tensors = [(mixed, index)]
    else:
        start, tensors = 0, []
        for values in unit.uses or [unit.values]:
            own = unit.flat.flatten() - start
            tensors.append((values, own[(own >= 0) & (own < values.numel())]))
            start += values.numel()
    found = []
    for values, index in tensors:
        origin, moved = recording.origin(values)
        found.append((recording.numbers[id(origin)], moved.flatten()[index]))
    return found
