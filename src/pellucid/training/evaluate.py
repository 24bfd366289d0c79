"""Raw answers and losses of many examples."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..data.batches.batch import Batch
from ..errors import no_memory
from ..network import Network
from ..outputs import Output
from .loader import Loader

Answers = tuple[Tensor, Tensor]  # raw (n, R) and target (n, ...), on the CPU

ATTENTIONS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def mean_loss(output: Output, raw: Tensor, target: Tensor, weight: np.ndarray | None = None) -> float:
    """The mean loss of some examples; ``weight`` (n,) says how much each counts."""
    losses = output.losses(raw, Batch.of_targets(target))
    if weight is None:
        return float(losses.mean())
    return float(np.average(losses.double().cpu().numpy(), weights=weight))


@torch.inference_mode()
def predict_raw(
    network: Network, loader: Loader, rows: np.ndarray, *, size: int | None = None, mirrored: bool = False
) -> tuple[Tensor, Tensor]:  # -> (n, R), (n, ...)
    """Raw answers and targets of ``rows``, in their order, with dropout and augmentation off.

    Args:
        size: examples in a batch; None leaves it to the loader. mirrored: see ``Network.predict``.
    """
    training = network.training
    network.eval()
    order: list[Tensor] = []
    raw: list[Tensor] = []
    target: list[Tensor] = []
    waiting = loader.in_order(rows, size or loader.at_once)
    while waiting:
        part = waiting.pop()
        try:
            batch = loader.batch(part)
            with autocast(network.device):
                raw.append((network.predict(batch) if mirrored else network(batch)).float())
        except (RuntimeError, MemoryError) as error:
            if len(part) == 1 or not no_memory(error):
                raise
            half = len(part) // 2  # from here on; in which order does not matter
            waiting = [piece for one in (*waiting, part) for piece in one.split(half)]
            continue
        order.append(part)
        if isinstance(batch.target, Tensor):
            target.append(batch.target)
    network.train(training)
    places = torch.cat(order).cpu()
    index = places.argsort()[torch.from_numpy(np.searchsorted(np.sort(rows), rows))].to(raw[0].device)
    known = torch.cat(target)[index] if target else torch.empty(0)
    return torch.cat(raw)[index].cpu(), known.cpu()


def autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bfloat16 where a GPU makes it pay; nothing on a CPU."""
    return _half_precision() if device.type == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def _half_precision() -> Iterator[None]:
    # cuDNN's attention is left out: it compiles a plan for each new length of a batch, which takes 0.2 s every time,
    # and lengths of texts differ from step to step.
    with torch.autocast("cuda", torch.bfloat16), sdpa_kernel(ATTENTIONS):
        yield
