"""What the terms of a weighted sum come from, and where a value stands, in words."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ...inputs.base import shift_text
from ...network import Network
from ..anatomy import stage_address
from .addresses import Scene, sums_of_stage
from .products import Product, Source


def term_names(scene: Scene, product: Product, sources: Sequence[Source]) -> tuple[list[str], list[str]]:
    """A name for every term of a weighted sum, and what was done to the values before they were read."""
    network = scene.network
    room, _, rest = product.parameter.partition(".")
    if room == "inputs":
        layer = network.layers[int(rest.partition(".")[0])]
        return [layer.term_name(source) for source in sources], []
    if room == "entry":
        names = [name for layer in network.layers for name in layer.unit_names()]
        return [names[source[-1]] for source in sources], []
    name, done = scene.recording.source(product.x, tensor_names(scene))
    # What a layer has summed has that layer's name.
    name = stage_address(name).removesuffix(".weight").removeprefix("trunk.") or "input"
    if product.batch_axis == 1:
        return [f"{name} {k} of head {head + 1}" for head, k in sources], done
    return [feature_name(name, source) for source in sources], done


def feature_name(name: str, source: Source) -> str:
    """One number of what a stage gives and, of a convolution, how far from the middle it is read.

    >>> feature_name("layer1 output", (3,)), feature_name("layer1 output", (3, 0, -1))
    ('layer1 output 3', 'layer1 output 3 at (0, -1)')
    """
    return f"{name} {source[0]}" + (f" at {shift_text(source[1:])}" if len(source) > 1 else "")


def tensor_names(scene: Scene) -> dict[int, str]:
    """Of every tensor that the opened network shows, by its id, what one number of it is called."""
    shown: list[tuple[Tensor, str]] = []
    for stage in scene.opened:
        short = stage.name.removeprefix("trunk.")
        units = sums_of_stage(scene, stage) if stage.inside else None
        for key, value in stage.inside.items():
            shown.append((value, f"{short} unit" if value is units else f"{short} {key.replace('_', ' ')}"))
        shown.append((stage.features.x, short if short == "pooled" else f"{short} output"))
    found: dict[int, str] = {}
    for tensor, name in shown:
        found.setdefault(id(tensor), name)
        # Grids are shown with their channels last, and computed with these first.
        found.setdefault(id(scene.recording.before_turns(tensor)), name)
    return found


def position_text(network: Network, position: Sequence[int]) -> str:
    """Where on the axes of positions a value stands, counted from 1; "" where there are none."""
    if not position:
        return ""
    if network.output.need().heads > 1 and network.vector:
        return f"head {position[0] + 1}"
    if len(position) == 1:
        return f"position {position[0] + 1}"
    if len(position) == 2:
        return f"row {position[0] + 1}, column {position[1] + 1}"
    return f"place {', '.join(str(p + 1) for p in position)}"
