"""Where in a photo a network looked: HiResCAM, on the last stage and on the finest one that passes its test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.batches.batch import Batch
from ..network import Network
from ..trunks import Features
from .attribution.badges import FEWEST_UNITS, Map, MapsOf, checked_badge
from .attribution.hiding import hidden_by_places
from .attribution.place_blocks import cells_between, fit_cells, is_photo, photo_pixels
from .attribution.places import to_squares
from .attribution.variants import Sample, own_sample, turn_back
from .base import Subject, register
from .blocks import Block, Picture
from .result import Badge, Result

# Finer stages that are tested, finest first.
MOST_FINER = 3


def suits(subject: Subject) -> str | None:
    if not photo_layers(subject.network):
        return "it needs a photo that the hidden layers read as a grid: see 'pixels'"
    return None


def photo_layers(network: Network) -> list[int]:
    """The numbers of the photos that hidden layers read as a grid."""
    return [i for i, layer in enumerate(network.layers) if is_photo(layer) and len(shape_of_layer(network, i)) == 2]


def shape_of_layer(network: Network, i: int) -> tuple[int, ...]:
    """The positions that a photo's layer makes."""
    layer: Any = network.layers[i]
    height, width, channels = layer.size
    with torch.no_grad():
        return tuple(layer(torch.zeros(1, height, width, channels)).x.shape[1:-1])


@register("where", "Where in the photo it looked", place=40, needs=("example", "answer"), suits=suits)
def where(subject: Subject) -> Result:
    """Maps over the photo at the last stage, and at the finest that passes its test."""
    sample, explained, network = own_sample(subject), subject.explained, subject.network
    blocks: list[Block] = []
    arrays: dict[str, np.ndarray] = {}
    badges, said = [], []
    layers = photo_layers(network)
    for i in layers:
        maps = stage_maps(network, sample.batch, i, sample.index)
        chosen = chosen_stages(subject, i, maps)
        about = f"'{network.layers[i].fields[0].name}': " if len(layers) > 1 else ""
        pixels = photo_pixels(network, i, sample)
        for name, badge in chosen.items():
            values = maps[name] * explained.scale
            arrays[f"{i}.{name}"] = values
            # One cell would cover the whole photo in one colour.
            if values.size == 1:
                continue
            caption = f"{about}stage {name}, {' × '.join(map(str, values.shape))} cells: {badge.level}"
            blocks.append(Picture(caption, pixels, over_photo(network, i, values)))
        name, badge = list(chosen.items())[-1]
        badges.append(badge)
        said.append(about + said_of_map(over_photo(network, i, maps[name]), name, pixels.shape[:2]))
    return Result(
        "where",
        "Where in the photo it looked",
        f"For {explained.noun}: {'; '.join(said)}.",
        min(badges, key=lambda badge: badge.level == "checked"),
        blocks,
        arrays,
        method="HiResCAM: at each position of a stage, its features times the answer's slope there, summed.",
        paper="Draelos & Carin, 2020",
        caption=f"Orange speaks for {explained.noun}, blue against it. Early stages are finer, but later ones have yet "
        "to make something of what they say.",
    )


def said_of_map(values: np.ndarray, name: str, shape: tuple[int, ...]) -> str:
    if values.size == 1:
        return f"stage {name} has a single position, so it doesn't say where"
    r, c = np.unravel_index(int(values.argmax()), values.shape)
    down = ("top", "middle", "bottom")[min(2, int(3 * (r + 0.5) / values.shape[0]))]
    along = ("left", "middle", "right")[min(2, int(3 * (c + 0.5) / values.shape[1]))]
    place = "the middle" if down == along == "middle" else f"the {down} {along}"
    share = abs(values[values > 0]).sum() / max(abs(values).sum(), 1e-12)
    return f"at stage {name} {place} speaks for it most; {100 * share:.0f}% of the map is for it"


def over_photo(network: Network, i: int, values: np.ndarray) -> np.ndarray:  # (h, w) -> (h, w) or (H, W)
    layer: Any = network.layers[i]
    cells = cells_between(shape_of_layer(network, i), values.shape)
    return fit_cells(values, tuple(a * b for a, b in zip(cells, layer.cell, strict=True)), layer.size[:2])


# ---------------------------------------------------------------- which stages


def chosen_stages(subject: Subject, i: int, maps: dict[str, np.ndarray]) -> dict[str, Badge]:
    """The last stage and the finest that passes its test, with their badges; one that failed only where it is alone."""
    last = list(maps)[-1]
    finer = {values.shape: name for name, values in maps.items() if values.size > maps[last].size}
    order = sorted(finer, key=lambda shape: -shape[0] * shape[1])[:MOST_FINER]
    own = stage_badge(subject, i, last)
    for shape in order:
        badge = stage_badge(subject, i, finer[shape])
        if badge.level == "checked":
            return {**({} if own.level == "failed" else {last: own}), finer[shape]: badge}
    return {last: own}


def stage_badge(subject: Subject, i: int, name: str) -> Badge:
    said = f"At stage {name}:"
    units = hidden_by_places(subject, i)
    return checked_badge(subject, f"where {i} {name}", tested_maps(i, name), units, f"places {i}", said)


def tested_maps(i: int, name: str) -> MapsOf:
    def make_maps(networks: Sequence[Network], sample: Sample) -> list[Map | None]:
        # Maps of all stages come from one pass, and each stage has a test of its own.
        new = [network for network in networks if ("maps", i, network) not in sample.found]
        for network, maps in zip(new, each_stage_maps(new, sample.batch, i, sample.index) if new else [], strict=True):
            sample.found["maps", i, network] = maps
        return [as_map(network, sample.found["maps", i, network][name]) for network in networks]

    def as_map(network: Network, values: np.ndarray) -> Map | None:
        if values.size < FEWEST_UNITS:
            return None
        layer: Any = network.layers[i]
        height, width = layer.size[:2]
        return Map(to_squares(over_photo(network, i, values), height, width), values.ravel())

    return make_maps


# ---------------------------------------------------------------- the maps


def stage_maps(network: Network, batch: Batch, i: int, index: int) -> dict[str, np.ndarray]:  # -> (h, w) each
    """HiResCAM of one photo at every hidden stage that it passes, averaged with the mirror image's, turned back."""
    return each_stage_maps([network], batch, i, index)[0]


def each_stage_maps(networks: Sequence[Network], batch: Batch, i: int, index: int) -> list[dict[str, np.ndarray]]:
    """The same of networks that differ in what comes after their hidden layers; all else is worked out once."""
    every = one_sided_maps(networks, batch, i, index)
    mirrored = networks[0].mirror_batch(batch)
    if mirrored is None:
        return every
    others = one_sided_maps(networks, mirrored, i, index)
    return [
        {name: (values + turn_back(networks[0], batch, other[name], i)) / 2 for name, values in own.items()}
        for own, other in zip(every, others, strict=True)
    ]


def one_sided_maps(networks: Sequence[Network], batch: Batch, i: int, index: int) -> list[dict[str, np.ndarray]]:
    seen: dict[str, Features] = {}

    def note_stage(name: str) -> Any:
        def note(_: nn.Module, __: Any, result: Features) -> None:
            seen[name] = result

        return note

    # Hooks on the one forward pass, as only what the stages return is asked for.
    hooks = [m.register_forward_hook(note_stage(name)) for name, m in stages_of(networks[0], i).items()]
    try:
        read = networks[0].output_input(batch)
    finally:
        for hook in hooks:
            hook.remove()
    grids = {name: f.x for name, f in seen.items() if f.x.ndim == 4}
    found = []
    for network in networks:
        answer = network.answer(batch, read)[0, index]
        slopes = torch.autograd.grad(answer, list(grids.values()), retain_graph=network is not networks[-1])
        found.append({
            name: (x * slope).detach().double().sum(-1)[0].numpy()
            for (name, x), slope in zip(grids.items(), slopes, strict=True)
        })  # fmt: skip
    return found


def stages_of(network: Network, i: int) -> dict[str, nn.Module]:
    """The hidden stages that read one input by itself, by address."""
    if i in network.parted:
        part: Any = network.parts[str(i)]
        return {f"parts.{i}.{name}": stage for name, stage in part.stages.items()}
    return {f"trunk.{name}": stage for name, stage in network.trunk.stages.items()}
