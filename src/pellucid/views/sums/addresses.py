"""What people type for a hidden unit, an attention head, an output or a weight, found in a network. B batch, P places.

Units, heads and entries of weights count from 0, as in PyTorch; rows, columns and positions from 1, as people do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import PellucidError, UsageError, missing_name, near_names
from ...network import Network
from ...trunks.opened import Opened, OpenedStage
from ..anatomy import stage_address
from .arithmetic import Recording, recorded
from .products import Product

HEAD = "head"

# How people find the names that there are.
LIST_STAGES = "'pellucid inspect RUN' lists the stages"
LIST_WEIGHTS = "The page of 'pellucid inspect RUN' lists the weights of each stage"


@dataclass
class Unit:
    """One unit, found in a network that was opened on some examples.

    Attributes:
        name: its whole address. stage: the opened stage that it is in; None for one of a layer inside a stage.
        number: which. values: what the unit's values stand in, and ``flat`` (B, P) where. real: (B, P) False for
            padding; None where all are real. position: of a flat place, which one it is on the axes of positions.
        cell: of a recurrent cell, its way; head: whether it is an attention head. uses: of a layer that is used several
        times, the values of each use, side by side in ``values``. answer: of the output's, which number of the answer.
    """

    name: str
    stage: OpenedStage | None
    number: int
    values: Tensor
    flat: Tensor
    position: Callable[[int], tuple[int, ...]]
    real: Tensor | None = None
    cell: str | None = None
    head: bool = False
    uses: Sequence[Tensor] = ()
    answer: int | None = None

    def at_place(self, place: int) -> tuple[Tensor, int]:
        """The tensor, as the network made it, and the flat place in it that a place of ``values`` is."""
        for one in self.uses:
            if place < one.numel():
                return one, place
            place -= one.numel()
        return self.values, place

    def each(self) -> Tensor:  # -> (B, P)
        """The unit's value at every place; -inf for padding."""
        found = self.values.detach().flatten()[self.flat]
        return found if self.real is None else found.masked_fill(~self.real, -torch.inf)

    def highest(self, example: int = 0) -> int:
        """The flat place in ``values`` where the unit is highest."""
        return int(self.flat[example, int(self.each()[example].argmax())])


@dataclass
class Scene:
    """A network opened on a batch with all its arithmetic recorded."""

    network: Network
    opened: Opened
    recording: Recording

    @classmethod
    def of(cls, network: Network, batch: Any, *, gradients: bool = False) -> Scene:
        with torch.set_grad_enabled(gradients):
            recording, opened = recorded(network, lambda: network.open(batch))
        return cls(network, opened, recording)

    @property
    def examples(self) -> int:
        return len(self.opened.answer)

    def layers(self) -> dict[str, str]:
        """The address of every layer that made weighted sums, and the name of its weights."""
        found: dict[str, str] = {}
        for product in self.recording.products:
            address = stage_address(product.parameter)
            found.setdefault(address.removesuffix(".weight"), product.parameter)
        return found


def find_unit(scene: Scene, name: str) -> Unit:
    """The unit that a name stands for.

    Raises:
        UsageError: for a name that stands for none, with those that were probably meant.
        PellucidError: for numbers that are no weighted sums.
    """
    stem, _, last = name.rpartition(".")
    if stem == "output" or (name.startswith("output.") and _is_answer(scene.network, name.removeprefix("output."))):
        return _output_unit(scene, name.removeprefix("output."))
    head = re.fullmatch(rf"{HEAD}(\d+)", last)
    number = int(head[1]) if head else int(last) if last.isdecimal() else None
    if not stem or number is None:
        raise UsageError(missing_unit(scene, name, stem if stem and number is not None else name, number or 0))
    for full in _meant(stem, scene.opened.stages):
        return _stage_unit(scene, scene.opened[full], number, bool(head))
    for way_stem in _meant(stem.rpartition(".")[0], scene.opened.stages) or _meant(
        stem.rpartition(".")[0].rpartition(".")[0], scene.opened.stages
    ):
        stage = scene.opened[way_stem]
        for way, cell in cells_of(stage).items():
            if f"{way_stem}.{way}".endswith(f".{stem}") or f"{way_stem}.{way}" == stem:
                _check_number(f"{way_stem}.{way}", number, cell.hidden)
                return _cell_unit(scene, stage, way, number)
    layers = scene.layers()
    for full in _meant(stem, layers):
        return _layer_unit(scene, full, layers[full], number)
    raise UsageError(missing_unit(scene, name, stem, number))


def missing_unit(scene: Scene, name: str, stem: str, number: int) -> str:
    """What is said of a unit that is not there. Any stage may have that number, so near is what has a name like it."""
    known = known_stems(scene)
    near = [f"{one}.{number}" for one in near_names(stem, known)]
    hidden = [one for one in known if f"trunk.{one}" in scene.opened.stages] or known or ["layer1"]
    listing = f"{LIST_STAGES}; a unit is a stage and a number: {hidden[0]}.0"
    return missing_name("unit", name, [], listing, near)


def known_stems(scene: Scene) -> list[str]:
    """What may stand before a unit's number: stages and layers whose numbers can be opened."""
    stages = [stage.name for stage in scene.opened if cells_of(stage) or sums_of_stage(scene, stage) is not None]
    return list(dict.fromkeys(name.removeprefix("trunk.") for name in [*stages, *scene.layers()]))


def _meant(stem: str, known: Sequence[str] | Any) -> list[str]:
    """Of whole addresses the one that a stem stands for: itself, in the trunk, or the only one that ends like it."""
    for full in (stem, f"trunk.{stem}"):
        if full in known:
            return [full]
    ending = [full for full in known if stem and full.endswith(f".{stem}")]
    return ending if len(ending) == 1 else []


def cells_of(stage: OpenedStage) -> dict[str, Any]:
    cells = getattr(stage.module, "cells", None)
    return dict(cells()) if callable(cells) else {}


def _check_number(address: str, number: int, count: int, what: str = "unit") -> None:
    if number >= count:
        short = address.removeprefix("trunk.")
        raise UsageError(
            f"there is no {what} {number:,} in '{short}': it has {count:,}",
            fix=f"they count from 0: choose a number up to {count - 1:,}",
        )


def _stage_unit(scene: Scene, stage: OpenedStage, number: int, head: bool) -> Unit:
    if head:
        if "attention" not in stage.inside:
            able = [s.name.removeprefix("trunk.") for s in scene.opened if "attention" in s.inside]
            fix = f"those with heads: {', '.join(able)}" if able else "this network has no attention"
            raise UsageError(f"'{stage.name.removeprefix('trunk.')}' has no attention heads", fix=fix)
        looks = stage.inside["attention"]  # (B, n, T, T)
        _check_number(stage.name, number, looks.shape[1], "head")
        strongest = looks[:, number].amax(-1)  # (B, T)
        real = None if stage.features.mask is None else stage.features.mask.flatten(1)
        flat = torch.arange(strongest.numel()).view(strongest.shape)
        size = tuple(stage.features.x.shape[1:-1])
        name = f"{stage.name}.{HEAD}{number}"
        return Unit(name, stage, number, strongest, flat, _grid(size), real, head=True)
    if (cells := cells_of(stage)) and not sums_of_stage(scene, stage):
        total = sum(cell.hidden for cell in cells.values())
        _check_number(stage.name, number, total)
        for way, cell in cells.items():
            if number < cell.hidden:
                return _cell_unit(scene, stage, way, number)
            number -= cell.hidden
    values = sums_of_stage(scene, stage)
    if values is None:
        short = stage.name.removeprefix("trunk.")
        able = [one for one in known_stems(scene) if one != short]
        raise PellucidError(
            f"the numbers of '{short}' are no weighted sums: they are joined, pooled or scaled from what stands before",
            fix=f"choose one of: {', '.join(able[:12])}",
        )
    _check_number(stage.name, number, values.shape[-1])
    return _unit_in(scene, f"{stage.name}.{number}", stage, number, values)


def sums_of_stage(scene: Scene, stage: OpenedStage) -> Tensor | None:  # -> (B, *positions, K)
    """The values of a stage's units, each made of one weighted sum; None where there are none such."""
    path = getattr(stage.module, "unit_map", "")
    shown = [stage.inside[key] for key in (path, "activation") if key in stage.inside] if path else []
    for values in (*shown, stage.features.x):
        if values.numel() and (found := scene.recording.sum_behind(values, 0)) is not None:
            own = stage_address(found.product.parameter)
            # What a stage hands through is another's.
            if not path or own.startswith(f"{stage.name}.{path}"):
                return values
    return None


def _unit_in(scene: Scene, name: str, stage: OpenedStage, number: int, values: Tensor, **more: Any) -> Unit:
    """The unit ``number`` on the last axis of ``values`` (B, *positions, K)."""
    places = torch.arange(values.numel()).view(values.shape)[..., number]
    flat = places.reshape(scene.examples, -1)
    size, units = tuple(values.shape[1:-1]), values.shape[-1]
    mask = stage.features.mask
    real = mask.reshape(scene.examples, -1) if mask is not None and tuple(mask.shape[1:]) == size else None
    per_example = int(np.prod(size, dtype=int))

    def position(place: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(place // units % max(per_example, 1), size))) if size else ()

    return Unit(name, stage, number, values, flat, position, real, **more)


def _grid(size: tuple[int, ...]) -> Callable[[int], tuple[int, ...]]:
    count = int(np.prod(size, dtype=int))
    return lambda place: tuple(map(int, np.unravel_index(place % count, size)))


def _cell_unit(scene: Scene, stage: OpenedStage, way: str, number: int) -> Unit:
    values = stage.inside[f"{way}.hidden"]
    return _unit_in(scene, f"{stage.name}.{way}.{number}", stage, number, values, cell=way)


def _layer_unit(scene: Scene, address: str, parameter: str, number: int) -> Unit:
    """A unit of any layer inside a stage: where it was used several times, of all of them together."""
    products = [p for p in scene.recording.products if p.parameter == parameter]
    _check_number(address, number, products[0].units)
    ends = [_places_of(scene, product, number) for product in products]
    # A layer that is used at every step stands for one long axis.
    values = torch.cat([end.reshape(-1) for end, _, _ in ends]) if len(ends) > 1 else ends[0][0]
    starts = np.cumsum([0, *(end.numel() for end, _, _ in ends)])
    flat = torch.cat([own + int(start) for (_, own, _), start in zip(ends, starts, strict=False)], 1)

    def position(place: int) -> tuple[int, ...]:
        which = int(np.searchsorted(starts, place, side="right")) - 1
        own = products[which].position_at(int(ends[which][2].flatten()[place - int(starts[which])]))
        # A line may be convolved as a grid one row high.
        if len(own) > _axes_at(scene, address):
            own = tuple(v for v, size in zip(own, _sizes(products[which]), strict=True) if size > 1)
        return own if len(products) == 1 else (which, *own)

    uses = [end for end, _, _ in ends] if len(ends) > 1 else []
    return Unit(f"{address}.{number}", None, number, values, flat, position, uses=uses)


def _axes_at(scene: Scene, address: str) -> int:
    """Axes of positions of what the stage around a layer returns; many where it is in none."""
    around = [stage for name, stage in scene.opened.stages.items() if address.startswith(f"{name}.")]
    return around[-1].features.x.ndim - 2 if around else 9


def _sizes(product: Product) -> tuple[int, ...]:
    shape = list(product.output.shape)
    gone = {axis % len(shape) for axis in (product.unit_axis, product.batch_axis)}
    return tuple(size for i, size in enumerate(shape) if i not in gone)


def _places_of(scene: Scene, product: Product, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """What is made of a product's sums, where in it a unit stands (B, P), and which sum each value is of."""
    end, at = scene.recording.result_of(product)
    where = np.unravel_index(at.flatten().numpy(), tuple(product.output.shape))
    own = np.flatnonzero(where[product.unit_axis] == number)
    order = np.argsort(where[product.batch_axis][own], kind="stable")
    return end, torch.from_numpy(own[order]).view(scene.examples, -1), at


def _is_answer(network: Network, word: str) -> bool:
    try:
        network.output.task.explain(np.zeros(_answers(network), np.float32), word)
    except UsageError:
        return False
    return True


def _answers(network: Network) -> int:
    count = getattr(network.output, "answers", None)
    return int(count if count is not None else network.output.layer.out_features)  # type: ignore[arg-type,union-attr]


def _output_unit(scene: Scene, word: str) -> Unit:
    """The unit of the output layer that makes one answer."""
    network = scene.network
    explained = network.output.task.explain(scene.opened.answer[0].detach().numpy(), word)
    layer = next(p for p in reversed(scene.recording.products) if p.parameter.startswith("output."))
    number = network.output.unit_of(explained.index)
    end, flat, at = _places_of(scene, layer, number)

    def position(place: int) -> tuple[int, ...]:
        return layer.position_at(int(at.flatten()[place]))

    return Unit(f"output.{explained.name}", None, number, end, flat, position, answer=explained.index)


# -- weights


def find_weight(network: nn.Module, name: str) -> tuple[str, tuple[int, ...]]:
    """The name of a parameter and the place in it that ``trunk.layer2.first.weight[17,3,1,1]`` stands for.

    Raises:
        UsageError: for a name or a place that is not there.
    """
    found = re.fullmatch(r"(.+?)\s*\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]", name.strip())
    own = {stage_address(full): full for full, _ in network.named_parameters()}
    stem = found[1] if found else name.split("[")[0].strip()
    known = {**own, **{full: full for full in own.values()}}
    meant = _meant(stem, list(known))
    if not meant:
        address = max(own, key=lambda one: network.get_parameter(own[one]).ndim > 1)
        listing = f"{LIST_WEIGHTS}: {address}[{','.join('0' * network.get_parameter(own[address]).ndim)}]"
        raise UsageError(missing_name("weight", name, list(own), listing, near_names(stem, own)))
    full = known[meant[0]]
    shape = tuple(network.get_parameter(full).shape)
    if found is None:
        first = f"{stem}[{','.join('0' * len(shape))}]"
        raise UsageError(f"'{name}' names no single weight", fix=f"say which, counted from 0: {first}")
    index = tuple(int(one) for one in found[2].split(","))
    if len(index) != len(shape) or any(i >= size for i, size in zip(index, shape, strict=True)):
        last = ",".join(str(one - 1) for one in shape)
        raise UsageError(
            f"'{stem}' is {' × '.join(map(str, shape))}, so there is no {list(index)} in it",
            fix=f"places count from 0, up to {stem}[{last}]",
        )
    return full, index
