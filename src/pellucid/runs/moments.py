"""Moments of a training that a run keeps: its weights after 0, 1, 3, 10, 30, 100, … steps, and at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..storage import Files, damage_error, pack_tensors
from ..storage.names import MOMENTS
from ..training.state import check_tensors

if TYPE_CHECKING:
    from ..network import Network
    from ..training.state import TrainState

# Moments in all, the end among them, and the bytes that they may take.
MOST_MOMENTS, MOST_BYTES = 12, 64_000_000

# Of a file beside its weights: names, shapes, checksums.
HEAD_BYTES, NAME_BYTES = 2_000, 300

# 0, and 1 and 3 times the powers of ten.
STEPS = (0, *(factor * 10**power for power in range(13) for factor in (1, 3)))

FILE = re.compile(rf"{MOMENTS}/([0-9]{{8,15}})\.safetensors")


@dataclass(frozen=True)
class Moment:
    """The network after some steps of its training.

    Attributes:
        step: the steps made by then.
        load: reads its weights by name, all that training moves; raises PellucidError where the file is damaged.

    >>> moment = run.moments[3]                                                             # doctest: +SKIP
    >>> with use_weights(run.network.weights(), moment.load()): ...                         # doctest: +SKIP
    """

    step: int
    load: Callable[[], dict[str, Tensor]]

    def __repr__(self) -> str:
        return f"Moment(step={self.step:,})"


class MomentFiles:
    """The moments of a training that goes on: which there are is a function of its steps and of the network's size.

    They are gathered and written with each checkpoint, before it: those that are lost are come by again.

    Args:
        state: of the training; it is not held.
    """

    def __init__(self, folder: Files, state: TrainState):
        self.folder = folder
        # Numbers that calibration has yet to choose belong to no moment; whole ones are places and counts.
        self.names = [k for k, v in state.weights.items() if v.is_floating_point() and k not in state.unknown]
        size = sum(state.weights[k].nbytes + NAME_BYTES for k in self.names) + HEAD_BYTES
        found = min(MOST_MOMENTS, MOST_BYTES // size)
        # One place is the end's; the end alone is what the run has anyway.
        self.room = found - 1 if found > 1 else 0
        self._due = frozenset(STEPS) if self.room else frozenset[int]()
        self._waiting: dict[int, dict[str, np.ndarray]] = {}

    def say_room(self) -> str:
        """That there are fewer than usual, and why; empty where there are not."""
        if self.room == MOST_MOMENTS - 1:
            return ""
        over = f"would need more than {MOST_BYTES / 1e6:.0f} MB"
        if not self.room:
            return f"no snapshots of the weights are kept in the run: two {over}"
        return f"at most {self.room + 1} snapshots of the weights are kept in the run: more {over}"

    def look(self, state: TrainState) -> None:
        """Keep the weights as they are, where this is such a moment."""
        if state.step in self._due:
            self._keep(state)

    def _keep(self, state: TrainState) -> None:
        own, step = state.weights, state.step
        self._waiting[step] = {k: np.array(own[k].detach().cpu().numpy()) for k in self.names}
        kept = {*kept_steps(step, self.room), step}
        for other in self._waiting.keys() - kept:
            del self._waiting[other]

    def write(self, state: TrainState) -> None:
        """Write the moments that have been gathered, durably, and remove those in the middle that are too many."""
        if self._waiting:
            self._write({*kept_steps(state.step, self.room)})

    def end(self, state: TrainState) -> None:
        """Keep the weights at the end of the training, and write what has been gathered."""
        if self.room:
            self._keep(state)
            self._write({*kept_steps(state.step, self.room), state.step})

    def _write(self, kept: set[int]) -> None:
        made = {
            f"{MOMENTS}/{step:08d}.safetensors": pack_tensors(arrays, {"step": step})
            for step, arrays in sorted(self._waiting.items())
            if step in kept
        }
        if made:
            self.folder.write_all(made)
        self._waiting = {}
        self.drop_others(kept)

    def drop_others(self, kept: set[int]) -> None:
        """Remove all moments from the folder but these."""
        for step, name in moment_files(self.folder).items():
            if step not in kept:
                self.folder.remove(name)

    def go_back(self, state: TrainState) -> None:
        """Remove the moments that were kept after the present step, in a future that will come again or never."""
        self.drop_others({*kept_steps(state.step, self.room)})


def kept_steps(step: int, room: int) -> list[int]:
    """After which steps moments are kept, once ``step`` steps are made: of more than ``room`` the middle one goes.

    >>> kept_steps(120, 11), kept_steps(120, 3), kept_steps(40, 1)
    ([0, 1, 3, 10, 30, 100], [0, 1, 100], [0])
    """
    kept: list[int] = []
    for one in STEPS if room else ():
        if one > step:
            break
        kept.append(one)
        if len(kept) > room:
            del kept[len(kept) // 2]
    return kept


def moment_files(folder: Files) -> dict[int, str]:
    """The files of a run's moments by step, the first one first."""
    found = {int(match[1]): name for name in folder.names() if (match := FILE.fullmatch(name))}
    return dict(sorted(found.items()))


def run_moments(folder: Files, network: Network) -> list[Moment]:
    """The moments that a run has kept of its training, the first one first."""

    def moment(step: int, name: str) -> Moment:
        return Moment(step, lambda: load_moment(folder, name, step, network))

    return [moment(step, name) for step, name in moment_files(folder).items()]


def load_moment(folder: Files, name: str, step: int, network: Network) -> dict[str, Tensor]:
    """The weights of a moment by name, on the network's device.

    Raises:
        PellucidError: when the file is damaged, or not of this network.
    """
    tensors, about = folder.load_tensors(name)
    path = folder.path / name
    if about.get("step") != step:
        raise damage_error(f"it holds step {str(about.get('step'))[:80]}, not {step:,}", path)
    own: Mapping[str, Tensor] = {k: v for k, v in network.weights().items() if v.is_floating_point()}
    # What calibration chooses is not among them.
    needed = {k for k, _ in network.named_parameters()} & own.keys()
    known = {k: v for k, v in own.items() if k in tensors or k in needed}
    with torch.no_grad():
        check_tensors(known, tensors, path)
    return {k: torch.from_numpy(value).to(network.device) for k, value in tensors.items()}
