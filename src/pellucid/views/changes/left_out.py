"""Stages taken out of a copy of a network: left out where what goes in fits what comes out, else held at their mean.

B batch, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...data.batches.batch import Batch
from ...network import Network
from ...trunks import Features, Stage


@dataclass
class Traffic:
    """What went through one stage.

    Attributes:
        agrees: whether what came out had the shape of what went in, always. total, count: the sum of what came out
            and of how many it is: of examples where all have the same positions, else of real positions.
    """

    agrees: bool = True
    by_position: bool = True
    sums: dict[bool, Tensor] = field(default_factory=dict)
    counts: dict[bool, float] = field(default_factory=dict)

    def note(self, given: Features, out: Features) -> None:
        self.agrees = self.agrees and given.x.shape == out.x.shape
        x = out.x.detach().double()
        if out.mask is not None:
            self.by_position = False
        if self.by_position and (True not in self.sums or self.sums[True].shape == x.shape[1:]):
            self._add(True, x.sum(0), len(x))
        else:
            self.by_position = False
        real = x.flatten(0, -2) if out.mask is None else x[out.mask]
        self._add(False, real.sum(0), len(real))

    def _add(self, key: bool, total: Tensor, count: float) -> None:
        self.sums[key] = total if key not in self.sums else self.sums[key] + total
        self.counts[key] = self.counts.get(key, 0) + count

    @property
    def mean(self) -> Tensor:  # (*positions, D) or (D,)
        """The mean of what came out: at each position where all examples have the same, else over real positions."""
        return (self.sums[self.by_position] / max(self.counts[self.by_position], 1)).float()


def trunk_stages(network: Network) -> dict[str, Stage]:
    """The stages of every trunk by address, in the order of the data's way."""
    found = {
        f"parts.{i}.{name}": stage for i in network.parted for name, stage in network.parts[str(i)].stages.items()  # type: ignore[union-attr,operator]
    }  # fmt: skip
    return found | {f"trunk.{name}": stage for name, stage in network.trunk.stages.items()}


def watch_stages(network: Network, batches: Iterable[Batch]) -> dict[str, Traffic]:
    """What goes through every stage on these examples; ``network`` is a copy, in evaluation mode."""
    found = {name: Traffic() for name in trunk_stages(network)}

    def watch(traffic: Traffic) -> Any:
        return lambda module, given, out: traffic.note(given[0], out)

    hooks = [stage.register_forward_hook(watch(found[name])) for name, stage in trunk_stages(network).items()]
    try:
        with torch.no_grad():
            for batch in batches:
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def take_out(stage: Stage, traffic: Traffic) -> None:
    """Leave a stage of a copy out, or hold it at its mean, in both ways through it; ``put_back`` undoes it."""
    mean = None if traffic.agrees else traffic.mean

    def pass_by(f: Features) -> Features:
        if mean is None:
            return f
        # Either way through a stage may go by the other.
        put_back(stage)
        out = stage.forward(f)
        replace_ways()
        return out.with_(x=mean.expand_as(out.x))

    def replace_ways() -> None:
        object.__setattr__(stage, "forward", pass_by)
        object.__setattr__(stage, "open", lambda f: (pass_by(f), {}))

    replace_ways()


def put_back(stage: Stage) -> None:
    """A stage as its class has it."""
    for name in ("forward", "open"):
        stage.__dict__.pop(name, None)


def each_taken_out(network: Network, watched: dict[str, Traffic]) -> Iterator[tuple[str, Traffic]]:
    """The network, a copy, without one stage after the other, for as long as each is looked at."""
    for name, stage in trunk_stages(network).items():
        take_out(stage, watched[name])
        try:
            yield name, watched[name]
        finally:
            put_back(stage)
