"""A plan: everything decided before the first step, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..draw.markup import tag
from ..draw.notebook import notebook_view, view_table
from ..options import Budget

# Characters to which the values of a plan are filled up, where it is printed.
VALUE_CHARS = 28


@dataclass(frozen=True)
class Choice:
    """One thing that was decided: its name, the value, and why."""

    name: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Recipe:
    """How the weights are moved.

    Attributes:
        batch_size: examples a step.
        lr: learning rate of AdamW; ``matrix_lr``: of Muon for the hidden matrices, 0 leaves them to AdamW.
        momentum: of Muon.
        decay: decoupled weight decay of AdamW; ``matrix_decay``: of Muon.
        beta2: AdamW's memory of squared gradients.
        warm, cool: shares of the steps spent warming up and cooling down.
        clip: largest length of the gradient; 0 for no limit.
        epochs: passes over the training examples aimed at when a network's size is chosen.
    """

    batch_size: int = 128
    lr: float = 2e-3
    matrix_lr: float = 0.02
    momentum: float = 0.95
    decay: float = 0.01
    matrix_decay: float = 0.01
    beta2: float = 0.99
    warm: float = 0.05
    cool: float = 0.5
    clip: float = 0.0
    epochs: float = 15.0


@dataclass(frozen=True, repr=False)
class Plan:
    """Everything that was decided before the first step.

    Attributes:
        network: the trunk's name.
        sizes: the settings of the size dial to choose from, smallest first; timed steps decide among several.
        inputs: settings of the input layers by kind. output: its name and settings.
        recipe, budget, seed: as trained with. split_seed: of the parts. device: where.
        capped: whether the budget is only an upper limit that nobody asked for.
        start: the run whose weights it begins with: ``run``, ``sha256`` of them, ``trunk`` as configured,
            ``inputs``, by kind the settings that their weights have their shapes by, ``heads`` where it has several.
        usual: the size to try first. dropout, norm: of the trunk; None leaves its own.
        class_weights: how much each class counts in the loss, by label; None for all the same.
        folds: of the cross-validation that finds the number of steps; 0 for none.
        heads: of the network; 1 for a single one. heads_sizes: as ``sizes``, with them. heads_epochs: for fewer, by the
            clock, there are none.
        examples: whether some are kept in the run.
        reference: whether a classical model learns beside it. solved: the one that the network begins with, by name.
        choices: all of it for people, each with its reason.
    """

    __module__ = "pellucid"

    network: str
    sizes: tuple[int, ...]
    inputs: Mapping[str, Mapping[str, Any]]
    output: Mapping[str, Any]
    recipe: Recipe
    budget: Budget
    capped: bool
    seed: int
    split_seed: int
    device: str
    usual: int = 3
    start: Mapping[str, Any] | None = None
    dropout: float | None = None
    norm: bool | None = None
    class_weights: Mapping[str, float] | None = None
    reference: bool = False
    folds: int = 0
    heads: int = 1
    heads_sizes: tuple[int, ...] = ()
    heads_epochs: float = 0.0
    solved: str | None = None
    examples: bool = True
    choices: tuple[Choice, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        own = f"network={self.network!r}, sizes={self.sizes}, budget={str(self.budget)!r}"
        return f"Plan({own}, seed={self.seed}, device={self.device!r})"

    def __str__(self) -> str:
        """One line a choice: its name, the value, why."""
        lines = self.lines()
        first, second = (max((len(line[i]) for line in lines), default=0) for i in (0, 1))
        rows = (f"{name:<{first}}  {value:<{min(second, VALUE_CHARS)}}  {reason}" for name, value, reason in lines)
        return "\n".join(row.rstrip() for row in rows) or repr(self)

    def _repr_html_(self) -> str:
        rows = [(name, value, reason) for name, value, reason in self.lines()]
        return notebook_view(tag("h4", "Plan"), view_table(("", "", ""), rows, ("quiet", "key", "quiet")))

    def lines(self) -> list[tuple[str, str, str]]:
        """(name, value, reason) for people."""
        return [(c.name, str(c.value), c.reason) for c in self.choices]

    def to_json(self) -> dict[str, Any]:
        lists = {"sizes": list(self.sizes), "heads_sizes": list(self.heads_sizes)}
        return asdict(self) | lists | {"choices": [asdict(c) for c in self.choices]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        # What runs of earlier versions did not write down had these values then.
        newer = {"split_seed": data["seed"], "reference": False, "folds": 0, "heads": 1}
        newer |= {"heads_sizes": (), "heads_epochs": 0.0, "examples": True}
        newer |= dict.fromkeys(("start", "class_weights", "norm", "solved"))
        data = {**newer, **data}
        found = {f.name: data[f.name] for f in fields(cls)}
        return cls(
            **found
            | {
                "recipe": Recipe(**found["recipe"]),
                "budget": Budget(**found["budget"]),
                "sizes": tuple(found["sizes"]),
                "heads_sizes": tuple(found["heads_sizes"]),
                "choices": tuple(Choice(**c) for c in found["choices"]),
            }
        )
