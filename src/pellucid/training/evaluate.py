"""Raw answers and losses of many examples. n examples, R numbers in a raw answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
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

# Raw answers (n, R) and targets (n, ...), both on the CPU.
Answers = tuple[Tensor, Tensor]

# cuDNN's is left out: it compiles a plan for every new length of a batch, 0.2 s each, and texts differ from step to
# step. On an H100 a transformer made 1 step in 15 s with it and 183 without (docs/LOG.md, 2026-11-27).
ATTENTIONS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]


def mean_loss(output: Output, raw: Tensor, target: Tensor, weight: np.ndarray | None = None) -> float:
    """The mean loss of raw answers (n, R) to targets (n, ...); ``weight`` (n,) says how much each example counts."""
    batch: Batch = Batch.of_targets(target)
    losses = output.losses(raw, batch)
    if weight is None:
        return float(losses.sum() / output.count(batch))
    # Losses may be sums, as of the tokens of a text: what they are divided by is weighted as well.
    sums, counts = (x.double().cpu().numpy() for x in (losses, output.counts(batch)))
    return float((weight * sums).sum() / (weight * counts).sum())


@torch.inference_mode()
def predict_raw(
    network: Network,
    loader: Loader,
    rows: np.ndarray,
    *,
    size: int | None = None,
    final: bool = False,
    beside: bool = False,
) -> tuple[Tensor, Tensor]:  # -> (n, R), (n, ...)
    """Raw answers and targets of ``rows``, in their order, with dropout and augmentation off.

    Where memory lacks, what is left is answered in batches half as large.

    Args:
        size: examples in a batch; None leaves it to the loader. final: as they are predicted, see
            ``Output.final_answers``. beside: what is kept of the solved part's own answers stands behind the network's,
            (n, 2 R), which is cheaper than to ask it once more.

    Raises:
        RuntimeError, MemoryError: when memory does not hold a single example.
    """
    training = network.training
    network.eval()
    order: list[Tensor] = []
    raw: list[Tensor] = []
    target: list[Tensor] = []
    waiting = loader.in_order(rows, size or (loader.at_once if final else loader.read_at_once))
    while waiting:
        part = waiting.pop()
        try:
            batch = loader.batch(part)
            with autocast(network.device):
                raw.append(answer_batch(network, batch, final, beside))
        except (RuntimeError, MemoryError) as error:
            if len(part) == 1 or not no_memory(error):
                raise
            # All that waits is halved, not this batch alone: the next would lack memory too. In which order batches are
            # answered does not matter, since rows are sorted back below.
            half = len(part) // 2
            waiting = [smaller for one in (*waiting, part) for smaller in one.split(half)]
            continue
        order.append(part)
        known = loader.kept_target(batch, part)
        if isinstance(known, Tensor):
            target.append(known)
    network.train(training)
    # Batches are sorted by length, so that little is padded: put back into the order that was asked for.
    places = torch.cat(order).cpu()
    index = places.argsort()[torch.from_numpy(np.searchsorted(np.sort(rows), rows))].to(raw[0].device)
    true = stack_rows(target)[index] if target else torch.empty(0)
    return stack_rows(raw)[index].cpu(), true.cpu()


def answer_batch(network: Network, batch: Batch, final: bool, beside: bool) -> Tensor:  # -> (B, R) or (B, 2 R)
    """What is kept of a network's answers to a batch; see ``predict_raw``."""
    output, part = network.output, network.solved
    if not beside or part is None:
        return output.final_answers(network, batch) if final else output.keep(network(batch).float(), batch)
    solved = network.solved_answer(batch)
    found = answer_batch(network, replace(batch, solved=solved), final, beside=False)
    return torch.cat([found, output.keep(part.last(solved).float(), batch)], 1)


def stack_rows(parts: Sequence[Tensor]) -> Tensor:  # (n, ...) each -> (n, ...)
    """What batches gave, one after the other; of texts, which differ in length, shorter ones get zeros at their end."""
    if parts[0].ndim != 2:
        return torch.cat(list(parts))
    widest = max(part.shape[1] for part in parts)
    return torch.cat([torch.nn.functional.pad(part, (0, widest - part.shape[1])) for part in parts])


def autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """bfloat16 on a GPU, where it pays; nothing on a CPU: there a convolution takes 1.5 to 1.8 times float32's time."""
    return _half_precision() if device.type == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def _half_precision() -> Iterator[None]:
    with torch.autocast("cuda", torch.bfloat16), sdpa_kernel(ATTENTIONS):
        yield
