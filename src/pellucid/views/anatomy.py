"""The network: its stages in the order of the data's way, their shapes and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from ..trunks.opened import Opened
from ..wording import count_noun
from .base import Subject, register
from .blocks import Table
from .result import Badge, Result

# What of a weight's name is its stage's: ``inputs.0``, ``parts.0.layer1``, ``trunk.layer1``, ``output``.
_OWNERS = re.compile(r"inputs\.[^.]+|links\.[^.]+|parts\.[^.]+\.[^.]+|trunk\.[^.]+|[^.]+")


@register("anatomy", "The network", place=10)
def anatomy(subject: Subject) -> Result:
    """Every stage with its address, shape and parameters; they add up to the network's."""
    network = subject.network
    opened = subject.opened[0] if subject.example is not None else sample_opened(subject)
    counts = stage_parameters(network, list(opened.stages) if opened else stages_with_weights(network))
    rows: list[list[str | float | int | None]] = []
    for name, count in counts.items():
        stage = opened.stages.get(name) if opened else None
        shape = " × ".join(map(str, stage.features.x.shape[1:])) if stage else ""
        rows.append([name, stage.label if stage else "", shape, count])
    total = network.parameter_count
    sentence = (
        f"{count_noun(len(rows), 'stage')}, {count_noun(total, 'parameter')}: "
        f"{', '.join(field.name for field in network.fields if field.is_input)[:200]} → {network.trunk.name} → "
        f"{', '.join(field.name for field in network.output.fields)[:200]}."
    )
    badge = Badge("exact", "The shapes are those of a forward pass; parameters add up to all there are.")
    return Result(
        "anatomy",
        "The network",
        sentence,
        badge,
        [Table("", ("address", "stage", "gives", "parameters"), rows)],
        {"parameters": np.array(list(counts.values()))},
        method="One example's forward pass, every stage noted.",
    )


def sample_opened(subject: Subject) -> Opened | None:
    """The network opened on a kept example; None where the run keeps none."""
    for part in (subject.validation, subject.training):
        if part:
            return subject.network.open(part.batch([0]))
    return None


def stage_parameters(network: object, stages: list[str]) -> Mapping[str, int]:
    """Parameters by stage, in the order of ``stages``; those of no stage are under the part of the network they are in.

    They add up to the network's own count.
    """
    found = dict.fromkeys(stages, 0)
    for name, parameter in network.named_parameters():  # type: ignore[attr-defined]
        address = stage_address(name)
        own = next((stage for stage in stages if address == stage or address.startswith(f"{stage}.")), None)
        key = own or address.partition(".")[0]
        found[key] = found.get(key, 0) + parameter.numel()
    return found


def stages_with_weights(network: object) -> list[str]:
    """The addresses of the stages that have weights, where no example was there to pass them."""
    every = dict.fromkeys(stage_address(name) for name, _ in network.named_parameters())  # type: ignore[attr-defined]
    found = {_OWNERS.match(address)[0]: None for address in every}  # type: ignore[index]
    order = ("inputs", "parts", "links", "entry", "heads", "trunk", "output")
    # What has no place of its own comes last.
    known = {name: place for place, name in enumerate(order)}
    return sorted(found, key=lambda one: known.get(one.partition(".")[0], len(known)))


def stage_address(name: str) -> str:
    """A weight's name as views write it: ``trunk.stages.layer1.into.weight`` is ``trunk.layer1.into.weight``.

    >>> stage_address("trunk.stages.layer1.into.weight")
    'trunk.layer1.into.weight'
    """
    return name.replace(".stages.", ".", 1)
