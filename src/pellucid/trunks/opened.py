"""A network opened: what every stage on the way of the data returned, and what went on inside.

B batch, R numbers in a raw answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from .base import Inside
from .features import Features


@dataclass(frozen=True)
class OpenedStage:
    """One stage of an opened network.

    Attributes:
        name: its address: ``inputs.0``, ``parts.0.layer1``, ``trunk.layer2``, ``pooled``, ``output``; a weight's name
            begins with it. label: for people. module: what made it; None where no weights did.
        features: what it returned. inside: what went on in it, by the names of ``glossary``.
    """

    name: str
    label: str
    module: nn.Module | None
    features: Features
    inside: Inside


@dataclass(frozen=True)
class Opened:
    """All stages that the examples of a batch passed, in the order of the data's way.

    Attributes:
        stages: by address. answer: (B, R) raw, as ``forward`` gives it in evaluation mode. solved: (B, R), what the
            solved part says of it; None where there is none.
    """

    stages: Mapping[str, OpenedStage]
    answer: Tensor
    solved: Tensor | None = None

    def __iter__(self) -> Iterator[OpenedStage]:
        return iter(self.stages.values())

    def __getitem__(self, name: str) -> OpenedStage:
        return self.stages[name]
