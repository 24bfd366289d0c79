"""Expected gradients: what each place of an input has added to an answer, against other examples in its stead.

R references, M nodes between each of them and the example; *places are the pixels, tokens or steps of an input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...activity import Progress
from ...data.batches.batch import Batch
from ...inputs.base import repeat_value
from ...network import Network
from ...trunks.cells import back_by_rule
from .variants import Sample, at_once, each_answers, predict_each, variants

# Nodes on the way from a reference to the example: as few as add up, doubled until they do.
FEWEST_NODES, MOST_NODES = 2, 16

# Of the difference that is explained: how far the parts may be from adding up to it.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Attribution:
    """What each place has added.

    Attributes:
        parts: (*places, C). total: the answer less the mean answer to the references, which the parts add up to.
        gap: how far they don't, as a share of ``total``; 1 where that can't be told. base: that mean answer. steps:
            gradients that were taken. told: whether the answers and slopes are numbers, which those of an example with
            next to no values need not be; else the parts are 0.
    """

    parts: Tensor
    total: float
    gap: float
    base: float
    steps: int
    told: bool = True


def expected_gradients(
    network: Network, sample: Sample, i: int, references: Any, *, nodes: int = FEWEST_NODES, most: int = MOST_NODES
) -> Attribution:
    """The mean over references of integrated gradients (Erion et al., 2021) at one input; the others stay as they are.

    Each way is summed by Gauss's nodes, and nodes are doubled until the parts add up to within ``TOLERANCE``.

    Args:
        i: the input's number. references: encoded values of other examples. nodes, most: to begin with, and to end.
    """
    return each_gradients([network], sample, i, references, nodes=nodes, most=most)[0]


def each_gradients(
    networks: Sequence[Network],
    sample: Sample,
    i: int,
    references: Any,
    *,
    nodes: int = FEWEST_NODES,
    most: int = MOST_NODES,
) -> list[Attribution]:
    """The same of networks that differ in what comes after their hidden layers; all else is worked out once."""
    layer, key = networks[0].layers[i], networks[0].input_keys()[i]
    own = sample.batch.inputs[key]
    with torch.no_grad():
        others = layer.fit_places(references, own)
        end, start = layer.as_numbers(own), layer.as_numbers(others)
    assert end is not None
    assert start is not None
    # Gaps of the example stay gaps, and gaps of others are what stands in the example.
    start = torch.where(end.isnan() | start.isnan(), end, start)
    baseline = variants(sample.batch, len(start), {key: layer.with_numbers(others, start)})
    own_batch = variants(sample.batch, 1, {key: layer.with_numbers(own, end)})
    bases, ends = (
        each_answers(networks, silence_solved(networks[0], batch), sample.index).mean(1)
        for batch in (baseline, own_batch)
    )
    found: dict[int, Attribution] = {}
    waiting, taken = list(range(len(networks))), 0
    while waiting:
        every = integrate([networks[k] for k in waiting], sample, i, start, end, nodes)
        taken += nodes * len(start)
        for k, parts in zip(waiting, every, strict=True):
            one = _attribution_of(parts, float(bases[k]), float(ends[k] - bases[k]), taken)
            if not one.told or one.gap <= TOLERANCE or nodes >= most:
                found[k] = one
        waiting = [k for k in waiting if k not in found]
        nodes *= 2
    return [found[k] for k in range(len(networks))]


def _attribution_of(parts: Tensor, base: float, total: float, taken: int) -> Attribution:
    if not (np.isfinite([base, total]).all() and bool(parts.isfinite().all())):
        return Attribution(torch.zeros_like(parts), 0.0, 1.0, 0.0, taken, told=False)
    # A difference of next to nothing has no share: rounding is measured by the answer itself.
    size = max(abs(total), 1e-3 * max(abs(base), abs(base + total)), 1e-6)
    gap = abs(float(parts.sum(dtype=torch.float64)) - total) / size
    return Attribution(parts, total, gap, base, taken)


def silence_solved(network: Network, batch: Batch) -> Batch:
    """The batch with nothing from a solved part that has no gradient: the parts can't add up to what that says."""
    if network.solved is None or network.solved.smooth:
        return batch
    return replace(batch, solved=torch.zeros(len(batch), network.solved.answers))


def integrate(
    networks: Sequence[Network], sample: Sample, i: int, start: Tensor, end: Tensor, nodes: int
) -> list[Tensor]:
    """(*places, C) of each network, the mean over references of the way times the mean gradient on it.

    Args:
        networks: that differ in what comes after their hidden layers.
    """
    layer, key = networks[0].layers[i], networks[0].input_keys()[i]
    own = sample.batch.inputs[key]
    places, shares = np.polynomial.legendre.leggauss(nodes)
    at, weight = torch.from_numpy((places + 1) / 2).float(), torch.from_numpy(shares / 2).float()
    way = (end - start).nan_to_num()  # (R, *places, C)
    axes = [1] * (way.ndim - 1)
    found = [torch.zeros_like(way[0]) for _ in networks]
    one = variants(sample.batch, 1, {})
    size = max(1, at_once(one) // nodes)
    with Progress(len(way)) as progress:
        for first in range(0, len(way), size):
            piece = slice(first, first + size)
            some = way[piece].unsqueeze(1)  # (r, 1, *places, C)
            # The gap between the place on the way and the example is what a reference moves it by.
            point = (start[piece].unsqueeze(1) + at.view(1, -1, *axes) * some).flatten(0, 1).requires_grad_()
            count = len(point)
            batch = variants(sample.batch, count, {key: layer.with_numbers(repeat_value(own, count), point)})
            with back_by_rule():
                every = predict_each(networks, silence_solved(networks[0], batch), sample.index)
            for total, answer in zip(found, every, strict=True):
                slope = torch.autograd.grad(answer.sum(), point, retain_graph=answer is not every[-1])[0]
                # A gap has no slope; anything else without one is not to be passed off as a place that adds nothing.
                slope = torch.where(point.isnan(), 0.0, slope)
                mean = (slope.unflatten(0, (-1, nodes)) * weight.view(1, -1, *axes)).sum(1)
                total += (mean * way[piece]).sum(0)
            progress.advance(len(some))
    return [total / len(way) for total in found]
