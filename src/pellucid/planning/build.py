"""The network, trunk and output that a plan describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..fields import Field, input_groups
from ..inputs import INPUTS
from ..network import Network
from ..outputs import OUTPUTS, Output
from ..solved.base import SolvedPart, part_named
from ..trunks import Trunk, trunk_named
from .plan import Plan


def planned_network(
    plan: Plan,
    inputs: Sequence[Field],
    targets: Sequence[Field],
    trunk: Trunk,
    heads: int = 1,
    solved: SolvedPart | None = None,
) -> Network:
    """The planned network with this trunk; the same weights for the same seed. Fields with their fitted states."""
    named = {f.name: f for f in inputs}
    layers = []
    for group in input_groups(inputs):
        kind = INPUTS[group.kind]
        planned = {k: v for k, v in plan.inputs.get(group.kind, {}).items() if k in kind.settings}
        layers.append(kind([named[name] for name in group.fields], **planned))
    return Network(layers, trunk, planned_output(plan, targets, heads), seed=plan.seed, solved=solved)


def planned_solved(
    plan: Plan,
    inputs: Sequence[Field],
    targets: Sequence[Field],
    rows: int,
    settings: Mapping[str, Any] | None = None,
) -> SolvedPart:
    """The planned solved part, which is still to be solved on so many ``rows``; with other ``settings`` than usual."""
    kind = part_named(str(plan.solved))
    return kind(inputs, targets, **(settings or kind.settings_for(rows, plan.seed)))


def planned_output(plan: Plan, targets: Sequence[Field], heads: int = 1) -> Output:
    """The planned output, without its layer."""
    settings = {k: v for k, v in plan.output.items() if k != "name"} | ({"heads": heads} if heads > 1 else {})
    return OUTPUTS[plan.output["name"]](targets, **settings)


def planned_trunk(plan: Plan, size: int) -> Trunk:
    """The planned trunk at a setting of the size dial."""
    trunk = trunk_named(plan.network).of_size(size)
    config = trunk.config()
    # Only what the trunk has a setting for: not every trunk has a norm that can be left out.
    planned = {"dropout": plan.dropout, "norm": plan.norm}
    return type(trunk)(**config | {k: v for k, v in planned.items() if v is not None and k in config})
