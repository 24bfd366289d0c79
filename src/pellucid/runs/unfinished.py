"""A training that has not finished, to be looked into as of its last checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import PellucidError
from ..network import Network
from ..planning.plan import Plan
from ..storage import Folder
from ..storage.names import HEALTH_LINES, HISTORY_LINES, RECORD
from ..training.state import TrainState, copy_into
from .load import build_network
from .record import damage_as_error, read_history, read_record
from .run import Run
from .solved_part import part_tensors


class UnfinishedRun(Run):
    """A run with the weights of its last checkpoint: it can be looked into, and has no score.

    Attributes:
        step: that the checkpoint was made after.
    """

    # Nothing but the folder, the record, the network and the plan is there yet.
    def __init__(self, folder: Folder, record: Mapping[str, Any], network: Network, step: int):
        self.folder, self.record, self.network, self.step = folder, record, network, step
        self.path = folder.path
        with damage_as_error(folder.path / RECORD):
            self.plan = Plan.from_json(record["plan"])

    def __repr__(self) -> str:
        return f"UnfinishedRun({str(self.path)!r}, {self.plan.network}, step {self.step:,})"

    @property
    def history(self) -> list[dict[str, Any]]:
        rows = read_history(self.folder, HISTORY_LINES)
        return [row for row in rows if row["event"] == "evaluated" and row["step"] <= self.step]

    @property
    def watched(self) -> list[dict[str, Any]]:
        return [row for row in self.folder.lines(HEALTH_LINES) if row["step"] < self.step]


def open_unfinished(path: str | Path, trunk: nn.Module | None = None) -> UnfinishedRun:
    """The run in a folder, as of its last checkpoint.

    Args:
        trunk: the module, if it is trained with one of your own.

    Raises:
        PellucidError: when it is no run, has no checkpoint yet, or is damaged.
    """
    folder = Folder.open(path)
    record = read_record(folder)
    step, tensors, meta, _ = folder.load_checkpoint()
    if record["network"] is None:
        raise PellucidError("its training has not begun, so there is nothing to look into", where=str(folder.path))
    network = build_network(record, folder.path, trunk)
    state = TrainState(network, Plan.from_json(record["plan"]).recipe)
    state.restore(tensors, meta, folder.path / "checkpoints")
    with torch.no_grad():
        solved = part_tensors(folder, record)
        copy_into(network.state_dict(), {name: torch.from_numpy(np.array(value)) for name, value in solved.items()})
    return UnfinishedRun(folder, record, network.eval(), step)


def is_unfinished(path: str | Path) -> bool:
    """Whether a folder holds a training that has not finished; False for what is no run, which ``load`` explains."""
    try:
        return bool(read_record(Folder.open(path))["status"] == "training")
    except PellucidError:
        return False
