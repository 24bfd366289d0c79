"""What looking at a training from inside costs: the same steps with and without, in turns, in one process.

Every how many steps is looked at is decided as in a training: of so many steps, and by timed steps where the budget is
a time. The network learns the same with it, to the last bit; that is looked at here too.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, data_file, report

import pellucid
from pellucid.runs.prepare import prepare
from pellucid.runs.train import Trainer
from pellucid.storage import InMemory
from pellucid.training.listeners import Listener
from pellucid.training.loop import Loop

BLOCK = 50


def make_loop(data: Any, options: dict[str, Any]) -> tuple[Trainer, Loop]:
    """A training in memory that is about to make its first step."""
    listener = Listener()
    trainer = Trainer(InMemory(), prepare(data, dict(options), listener), listener)
    loop = trainer.start(time.monotonic())
    loop.state.network.train()
    return trainer, loop


def block_seconds(trainer: Trainer, loop: Loop) -> float:
    """Processor time of some steps: what else the machine does stays out of it."""
    start = time.process_time()
    for _ in range(BLOCK):
        loop.train_step(loop.sampler.batch(loop.state.step), 1.0)
    trainer.health.write()
    return time.process_time() - start


def compare(name: str, data: Any, options: dict[str, Any], turns: int) -> list[str]:
    """One row: a step without, every how many is looked at, and with looks beside without."""
    trainer, with_looks = make_loop(data, options)
    other, without = make_loop(data, options)
    without.watch = None
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(turns + 1):
        for looks in itertools.islice(itertools.cycle((True, False)), turn % 2, turn % 2 + 2):
            seconds = block_seconds(trainer, with_looks) if looks else block_seconds(other, without)
            # The first turn warms up, and has the look at step 0.
            if turn:
                taken[looks].append(seconds)
    # NaN stands in buffers that calibration has not chosen yet.
    both = zip(with_looks.state.weights.values(), without.state.weights.values(), strict=True)
    same = all(np.array_equal(a.detach().numpy(), b.detach().numpy(), equal_nan=True) for a, b in both)
    if not same:
        sys.exit("watching changed the weights")
    every = trainer.decisions.at(0, "watch every")
    ratios = [a / b for a, b in zip(taken[True], taken[False], strict=True)]
    step = statistics.median(taken[False]) / BLOCK
    return [name, f"{1e3 * step:.2f}", str(every), f"{statistics.median(ratios):.3f}",
            f"{sum(taken[True]) / sum(taken[False]):.3f}", str(turns * BLOCK)]  # fmt: skip


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--turns", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        digits = pellucid.read(pellucid.sample("digits", Path(folder) / "digits"))
        table = pellucid.read(data_file("diamonds.csv"), target="price")
        plain: dict[str, Any] = {"steps": 5000, "reference": False, "size": 0}
        rows = [
            compare("MLP, diamonds.csv, by steps", table, {**plain, "network": "mlp"}, given.turns),
            compare("MLP, diamonds.csv, by time", table,
                    {"budget": "40s", "reference": False, "size": 0, "network": "mlp"}, given.turns),
            compare("CNN, digits, by steps", digits, {**plain, "network": "cnn"}, given.turns),
            compare("CNN, digits, by time", digits, {"budget": "40s", "reference": False, "size": 0}, given.turns),
        ]  # fmt: skip
    header = ("training", "ms a step without", "looks every", "median ratio of blocks", "ratio of sums", "steps each")
    note = f"Processor time; one thread, smallest networks, {BLOCK} steps in turn. Wanted: at most 1.02."
    report("Watching a training", header, rows, note, given.write)


if __name__ == "__main__":
    main()
