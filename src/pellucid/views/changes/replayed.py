"""A network run again from where something changed: what stands before it comes from a pass that was kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from ...data.batches.batch import Batch
from ...network import Network
from ...trunks import Features
from .left_out import trunk_stages

# What every stage returned, by address.
Kept = Mapping[str, Features]


def kept_modules(network: Network) -> dict[str, nn.Module]:
    """What is kept of a pass, by address, in the order of the data's way: input layers, and stages of every trunk."""
    return {f"inputs.{i}": layer for i, layer in enumerate(network.layers)} | dict(trunk_stages(network))


@torch.no_grad()
def keep_stages(network: Network, batch: Batch) -> tuple[dict[str, Features], torch.Tensor]:
    """What every stage returns on a batch, and the raw answer (B, R); ``network`` in evaluation mode."""
    kept: dict[str, Features] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: kept.__setitem__(name, out))
        for name, module in kept_modules(network).items()
    ]
    try:
        return kept, network(batch)
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def replay_before(network: Network, kept: Kept, changed: str) -> Iterator[None]:
    """While it lasts, all that a change does not reach returns what it did on the batch that it was kept of.

    Args:
        network: a copy. changed: the address of a stage, an input layer or a weight.
    """
    reached = reached_from(network, changed)
    replayed = [(module, kept[name]) for name, module in kept_modules(network).items() if name not in reached]
    for module, features in replayed:
        # The way of the module's class stays; the copy's own stands before it.
        object.__setattr__(module, "forward", lambda *_, own=features: own)
    try:
        yield
    finally:
        for module, _ in replayed:
            module.__dict__.pop("forward", None)


def reached_from(network: Network, changed: str) -> Collection[str]:
    """The addresses of the stages that read, directly or not, what is changed; that of the change among them."""
    room, _, rest = changed.replace(".stages.", ".", 1).partition(".")
    number, _, inner = rest.partition(".")
    # What writes comes after all of them, and so does what leads to it.
    if room in ("output", "decoder", "memory_links"):
        return set()
    names = list(kept_modules(network))
    last = [name for name in names if name.startswith("trunk.")]
    if room == "inputs":
        return {f"inputs.{number}", *(name for name in names if name.startswith(f"parts.{number}.")), *last}
    if room == "parts":
        own = [name for name in names if name.startswith(f"parts.{number}.")]
        return {*own[own.index(f"parts.{number}.{inner.partition('.')[0]}") :], *last}
    if room == "trunk" and f"trunk.{number}" in last:
        return set(last[last.index(f"trunk.{number}") :])
    # Between the rooms, as what joins the inputs, or outside of all stages.
    return set(last) if room in ("entry", "heads", "links") else set(names)
