"""What the decoder of a network looks at: every position of every input, one after the other.

B batch, M positions that are read, F fields without positions, W width of what a trunk returns.

One input with positions is read by the trunk, and its positions are what is looked at. Of several, or beside the
columns of a table, each goes through its own copy of the trunk, and the trunk reads a token of each and the columns:
the positions of all of these are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from .data.batches.batch import Batch
from .trunks import Features, Trunk

if TYPE_CHECKING:
    from .network import Network


def memory_links(parts: Sequence[tuple[str, Trunk]], width: int) -> nn.ModuleDict:
    """Linear maps of those copies of a trunk that return another width than the trunk itself, by their names."""
    return nn.ModuleDict({name: nn.Linear(p.out_width, width) for name, p in parts if p.out_width != width})


def read_memory(network: Network, batch: Batch) -> Features:  # -> (B, M, W)
    """What the decoder of ``network`` looks at."""
    keys = zip(network.layers, network.input_keys(), strict=True)
    read = [layer(batch.inputs[key], batch.key) for layer, key in keys]
    if len(read) == 1:
        return join_positions([network.trunk(read[0])])
    tokens, seen = [], []
    for i, f in enumerate(read):
        if i not in network.parted:
            tokens.append(f.x)
            continue
        own = network.parts[str(i)](f)  # type: ignore[operator]
        tokens.append(network.part_token(i, own))
        seen.append(network.memory_part(i, own))
    together = network.trunk(Features(torch.cat(tokens, 1), key=batch.key))  # (B, F, W)
    return join_positions([*seen, together])


def join_positions(parts: Sequence[Features]) -> Features:  # (B, *positions, W) each -> (B, M, W)
    """Positions of several sequences and grids in one sequence; where some are no real ones, a mask says so."""
    flat = [(f.x.flatten(1, -2), None if f.mask is None else f.mask.flatten(1)) for f in parts]
    x = torch.cat([own for own, _ in flat], 1)
    key = parts[0].key
    if all(mask is None for _, mask in flat):
        return Features(x, None, key)
    masks = [torch.ones(own.shape[:2], dtype=torch.bool, device=x.device) if m is None else m for own, m in flat]
    return Features(x, torch.cat(masks, 1), key)
