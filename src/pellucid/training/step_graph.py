"""Forward and backward of one shape of batch as a CUDA graph: recorded once, then started as a whole. B batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        self.form: Any = None
        self.seen = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, batch: Batch, count: float) -> Tensor:  # -> () loss; gradients are in the parameters
        form = batch_form(batch) if self.able else None
        if form is None:
            return self.compute(batch, count)
        if form != (self.form and self.form[:-1]) or self.form[-1] != count:
            self.form, self.seen, self.graph = (*form, count), 0, None
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
        kept = {id(value): value.clone() for value in batch_tensors(batch)}
        own = replace_tensors(batch, kept)
        self.given = batch_tensors(own)
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.loss = self.compute(own, count)
        except RuntimeError:  # an operation that waits for the GPU, or no memory for a second set of activations
            self.able = False
            torch.cuda.synchronize()
            for p in self.parameters:
                p.grad = None
            return False
        self.gradients: Sequence[Tensor | None] = [p.grad for p in self.parameters]
        self.graph = graph
        return True


def batch_tensors(batch: Batch) -> list[Tensor]:
    """All that a step reads of a batch, in a fixed order."""
    values = [*batch.inputs.values(), batch.target, batch.key, batch.weight]
    return [value for value in values if isinstance(value, Tensor)]


def batch_form(batch: Batch) -> tuple[Any, ...] | None:
    """Shapes and types of all that a step reads; None for a batch with sequences, whose lengths differ."""
    values = [*batch.inputs.values(), batch.target, batch.key, batch.weight]
    if not all(value is None or isinstance(value, Tensor) for value in values):
        return None
    shapes = ((value.shape, value.dtype) if isinstance(value, Tensor) else None for value in values)
    return (*batch.inputs, *shapes)


def replace_tensors(batch: Batch, other: dict[int, Tensor]) -> Batch:
    """The batch with the tensors of ``other`` in place of its own, found by their ids."""

    def place(value: Any) -> Any:
        return other[id(value)] if isinstance(value, Tensor) else value

    inputs = {name: place(value) for name, value in batch.inputs.items()}
    return Batch(inputs, place(batch.target), batch.rows, place(batch.key), place(batch.weight))
