"""The network of a run folder, checked, and the state of its training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import PellucidError, shell_quote
from ..fields import Field
from ..machine import total_memory
from ..network import SOLVED_PREFIX, Network
from ..planning.device import best_device, check_device
from ..storage import WEIGHTS, Files, Folder, damage_error
from ..storage.names import HEALTH_LINES, HISTORY_LINES, RECORD
from ..training.listeners import Listener
from ..training.state import TrainState, check_tensors, copy_into
from .letters import restore_letters
from .record import check_whole, damage_as_error
from .solved_part import check_part, part_tensors


def load_network(
    folder: Files, record: Mapping[str, Any], trunk: nn.Module | None = None, device: str | None = None
) -> Network:
    """The network of a finished run with its weights, in evaluation mode.

    Args:
        trunk: the module, for a run with a trunk of its user's own. device: ``cpu`` or ``cuda``; None for the best.

    Raises:
        PellucidError: when the run has not finished, or its record or weights are damaged.
    """
    if record["status"] != "done":
        where = str(folder.path)
        raise PellucidError(
            "this training has not finished", where=where, fix=f"continue with: pellucid resume {shell_quote(where)}"
        )
    device = device or best_device()
    check_device(device)
    tensors = folder.load_tensors(WEIGHTS)[0] | part_tensors(folder, record)
    network = build_network(record, folder.path, trunk, tensors).to(device)
    load_weights(network, tensors, folder.path)
    restore_letters(network, folder, record)
    return network.eval()


def build_network(
    record: Mapping[str, Any],
    path: Path,
    trunk: nn.Module | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
) -> Network:
    """The network that a record describes, with its first weights.

    Args:
        path: the run's folder. tensors: weights by name that it shall have, to be checked; they are not copied.

    Raises:
        PellucidError: when it can't be built, is too large for this machine, or ``tensors`` are not its weights.
    """

    def build_module() -> Network:
        fields = [Field.from_json(one) for one in record["fields"]]
        return Network.from_config(record["network"], fields, trunk=trunk, seed=record["plan"]["seed"])

    with damage_as_error(path / "run.json"):
        # First without memory (torch's device "meta"): a stranger's record may ask for more than there is.
        with torch.device("meta"), NoValues(), warnings.catch_warnings():
            # torch warns of tensors without entries, as a hostile record may ask for.
            warnings.simplefilter("ignore")
            outline = build_module()
        if tensors is not None:
            check_tensors(outline.state_dict(), tensors, path / WEIGHTS)
        check_network_room(outline)
        return build_module()


# Names of torch's functions that give as many numbers as the largest tensor they are given.
AS_LARGE = {
    "normal_", "mul", "div", "add", "sub", "log", "logit", "__mul__", "__rmul__", "__truediv__", "__rdiv__",
    "__rtruediv__", "__add__", "__radd__", "__sub__", "__rsub__",
}  # fmt: skip


class NoValues(TorchFunctionMode):
    """A mode in which first weights are not worked out: on the device "meta" torch would load its compiler for it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func.__name__ not in AS_LARGE:
            return func(*args, **named)
        given = [value for value in (*args, *named.values()) if isinstance(value, torch.Tensor)]
        return max(given, key=torch.Tensor.numel)


def check_network_room(network: nn.Module) -> None:
    """Raises PellucidError when a network's weights alone are more than this machine's memory."""
    size = sum(value.nbytes for value in network.state_dict().values())
    if size > total_memory():
        raise PellucidError(
            f"the network has {size / 1e9:,.0f} GB of weights, this machine {total_memory() / 1e9:,.0f} GB of memory",
            fix="use it on a larger machine, or train with a smaller --size",
        )


def load_weights(network: Network, tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Copy saved weights into a network. Raises PellucidError when they are another network's, or not finite."""
    state, folder, path = network.state_dict(), path, path / WEIGHTS
    check_tensors(state, tensors, path)
    if network.solved is not None:
        check_part(network.solved, {k.removeprefix(SOLVED_PREFIX): v for k, v in tensors.items()}, folder)
    for name in network.output.positive:
        if not (tensors[f"output.{name}"] > 0).all():
            raise damage_error(f"it is damaged: output.{name} is not above 0", path)
    # Whole numbers of input layers are places in tables, which follow from the fields: others would lead out of them.
    for name, own in state.items():
        if name.startswith("inputs.") and not own.is_floating_point() and (own.cpu().numpy() != tensors[name]).any():
            raise damage_error(f"it is damaged: {name} does not fit the fields", path)
    with torch.no_grad():
        copy_into(state, {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})


def load_checkpoint_into(state: TrainState, folder: Files, listener: Listener) -> None:
    """Restore the newest good checkpoint; damaged ones of later steps are removed.

    Raises:
        PellucidError: when none is good, or the history has fewer lines than the checkpoint says.
    """
    # Left there, damaged ones would count as newer than those that are made from here.
    step, tensors, meta, note = folder.load_checkpoint()
    if note:
        listener.said(note)
        folder.drop_checkpoints(after=step)
    check_whole(folder, HISTORY_LINES, meta.get("lines", 0))
    state.restore(tensors, meta, folder.path / "checkpoints")


def damage_sentences(folder: Folder, record: Mapping[str, Any]) -> list[str]:
    """What is missing or damaged in a run beside the two files it is loaded from, in a sentence each."""
    try:
        check_whole(folder, HISTORY_LINES, record.get("lines", 0))
        check_whole(folder, HEALTH_LINES, record.get("looked at", 0))
    except PellucidError as error:
        return sorted({str(error), *folder.verify((RECORD, WEIGHTS))})
    return folder.verify((RECORD, WEIGHTS))
