"""Forward and backward of one shape of batch as a CUDA graph: recorded once, then started as a whole. B batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..data.batches.batch import Batch
from ..trunks import Custom

# Steps made one operation at a time before recording: libraries choose their kernels and allocate in the first ones.
WARM_STEPS = 3


class StepGraph:
    """Computes the gradients of a step; on a GPU, after a few steps, by playing back what was recorded of one.

    A step of a small network is some 900 kernels that the GPU is done with sooner than Python can start them: of the
    22 ms of a step of the convolutional network on CIFAR-10 an H200 worked for 2 to 6. Batches with padding, and those
    for a trunk of the user's own, are computed as on a CPU.

    Args:
        network: whose gradients. compute: forward and backward, (batch, count) -> () loss.
    """

    def __init__(self, network: nn.Module, compute: Callable[[Batch, float], Tensor]):
        self.compute, self.parameters = compute, list(network.parameters())
        own = isinstance(getattr(network, "trunk", None), Custom)
        self.able = self.parameters[0].is_cuda and not own
        self.solved = getattr(network, "solved", None) is not None
        self.form: Any = None
        self.seen = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Batch, count: float) -> Tensor:  # -> () loss; gradients are in the parameters
        # A solved part that is asked in every batch looks at the rows, which a recording does not.
        asked = self.solved and batch.solved is None
        shapes = batch_shapes(batch) if self.able and not asked else None
        if shapes is None:
            return self.compute(batch, count)
        # The divisor is part of what is recorded.
        if (form := (count, *shapes)) != self.form:
            self.form, self.seen, self.graph = form, 0, None
        self.seen += 1
        if self.graph is None and (self.seen <= WARM_STEPS or not self._record(batch, count)):
            return self.compute(batch, count)
        for own, value in zip(self.given, batch_tensors(batch), strict=True):
            own.copy_(value, non_blocking=True)
        assert self.graph is not None
        self.graph.replay()
        for p, gradient in zip(self.parameters, self.gradients, strict=True):
            p.grad = gradient
        return self.loss.clone()

    @property
    def steps_before_steady(self) -> int:
        """Steps that take longer than those after them, the recording among them."""
        return WARM_STEPS + 1 if self.able else 0

    def _record(self, batch: Batch, count: float) -> bool:
        """Record the step; False where it can't be, and then no step is tried again."""
        own = clone_batch(batch)
        self.given = batch_tensors(own)
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.loss = self.compute(own, count)
        except RuntimeError:
            # An operation that waits for the GPU, or no memory for a second set of activations.
            self.able, self.given = False, []
            torch.cuda.synchronize()
            for p in self.parameters:
                p.grad = None
            return False
        self.gradients: Sequence[Tensor | None] = [p.grad for p in self.parameters]
        self.graph = graph
        return True


def batch_values(batch: Batch) -> list[Any]:
    """All that a step reads of a batch, in a fixed order."""
    return [*batch.inputs.values(), batch.target, batch.key, batch.weight, batch.solved]


def batch_tensors(batch: Batch) -> list[Tensor]:
    """Those of it that are there."""
    return [value for value in batch_values(batch) if isinstance(value, Tensor)]


def batch_shapes(batch: Batch) -> tuple[Any, ...] | None:
    """Shapes and types of all that a step reads; None for a batch with sequences, whose lengths differ."""
    values = batch_values(batch)
    if not all(value is None or isinstance(value, Tensor) for value in values):
        return None
    return (*batch.inputs, *(None if value is None else (value.shape, value.dtype) for value in values))


def clone_batch(batch: Batch) -> Batch:
    """The same batch in memory of its own; of tensors alone."""

    def clone(value: Any) -> Any:
        return None if value is None else value.clone()

    inputs = {name: clone(value) for name, value in batch.inputs.items()}
    others = {name: clone(getattr(batch, name)) for name in ("target", "key", "weight", "solved")}
    return replace(batch, inputs=inputs, **others)
