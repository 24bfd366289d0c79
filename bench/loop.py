"""What the training loop costs beside a hand-written PyTorch loop, and how fast things start.

Both loops train copies of the same network with the same AdamW settings on the same tensors, taking turns in one
process. The hand-written one shuffles once an epoch, gathers a batch and does nothing else. Medians over all steps.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import arguments, cifar, data_file, last_json, report
from torch import Tensor, nn

from pellucid.data.batches.batch import Batch
from pellucid.planning.decisions import Decisions
from pellucid.planning.plan import Recipe
from pellucid.training.loader import Loader
from pellucid.training.loop import Loop
from pellucid.training.pacer import Pacer
from pellucid.training.sampler import Sampler
from pellucid.training.schedule import trapezoid
from pellucid.training.state import TrainState

TURNS, BATCH, RECIPE = 5, 128, Recipe(batch_size=128, lr=1e-3, matrix_lr=0.0)


class Network(nn.Module):
    """Plain layers with the face that pellucid's loop asks of a network."""

    def __init__(self, layers: nn.Module):
        super().__init__()
        self.layers, self.device = layers, torch.device("cpu")
        self.output = SimpleNamespace(
            losses=lambda raw, batch: F.cross_entropy(raw, batch.target, reduction="none"),
            count=len,
            task=SimpleNamespace(
                metric="loss",
                measure=lambda raw, target, weight=None: float(F.cross_entropy(raw, target)),
                is_better=lambda new, old: new < old,
            ),
        )

    def forward(self, batch: Batch[Tensor]) -> Tensor:  # -> (B, 10)
        return self.layers(batch.inputs["x"])

    def losses(self, batch: Batch[Tensor]) -> Tensor:  # -> (B,)
        return self.output.losses(self(batch), batch)


class Photos(nn.Module):
    """(B, 32, 32, 3) uint8 -> (B, 3, 32, 32) float."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2).float() / 128 - 1


def dense() -> tuple[nn.Module, np.ndarray]:
    """A 64–128–10 network and 50,000 examples for it."""
    x = np.random.default_rng(0).standard_normal((50_000, 64), dtype=np.float32)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), x


def convolutional() -> tuple[nn.Module, np.ndarray]:
    """Two convolutions and 4,000 photos for them."""
    x = np.random.default_rng(0).integers(0, 256, (4_000, 32, 32, 3), dtype=np.uint8)
    halves = [part for ins, outs in ((3, 8), (8, 16)) for part in (nn.Conv2d(ins, outs, 3), nn.MaxPool2d(2), nn.ReLU())]
    return nn.Sequential(Photos(), *halves, nn.Flatten(), nn.Linear(576, 10)), x


def by_hand(layers: nn.Module, x: Tensor, y: Tensor, steps: int, epochs: int) -> list[float]:
    """The loop that one would write; the time before each step and after the last."""
    optimizer = torch.optim.AdamW(layers.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    times = []
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for rows in order.split(BATCH)[:steps]:
            times.append(time.perf_counter())
            optimizer.zero_grad()
            F.cross_entropy(layers(x[rows]), y[rows]).backward()
            optimizer.step()
    return [*times, time.perf_counter()]


def by_pellucid(state: TrainState, order: Sampler, steps: int) -> list[float]:
    """The same with pellucid's loop, which asks ``stop`` before every step."""
    times: list[float] = []

    def tick() -> bool:
        times.append(time.perf_counter())
        return False

    decisions = Decisions([{"step": state.step, "name": "schedule", "reason": "",
                            "value": trapezoid(state.step, state.step + steps, warm=0.1, cool=0.5)}])  # fmt: skip
    pace = Pacer(RECIPE, None, every=1 << 60)
    Loop(state, order, order.rows[:BATCH], decisions, pace, lambda _: None, lambda _: None, stop=tick).run()
    return times  # what comes after the last step (evaluation) is left out


def compare(name: str, make: Callable[[], tuple[nn.Module, np.ndarray]], epochs: int) -> list[str]:
    """One row: µs a step of both loops, the overhead, the longest waits between epochs."""
    layers, x = make()
    own, _ = make()
    own.load_state_dict(layers.state_dict())
    y = np.random.default_rng(1).integers(0, 10, len(x))
    feed = Loader({"x": x}, y, torch.device("cpu"))
    order = Sampler(feed, np.arange(len(x)), BATCH, seed=0)
    state, steps = TrainState(Network(own), RECIPE), order.steps  # type: ignore[arg-type]
    taken: dict[str, list[float]] = {"hand": [], "pellucid": []}
    gaps: dict[str, list[float]] = {"hand": [], "pellucid": []}
    for turn in range(TURNS + 1):
        seen = {"hand": by_hand(layers, feed.arrays["x"].values, torch.from_numpy(y), steps, epochs)}
        seen["pellucid"] = by_pellucid(state, order, steps * epochs)
        for loop, times in seen.items() if turn else ():  # the first turn warms up
            apart = np.diff(times)
            taken[loop].extend(apart)
            gaps[loop].extend(apart[steps - 1 :: steps] - np.median(apart))
    hand, ours = (1e6 * statistics.median(taken[loop]) for loop in ("hand", "pellucid"))
    between = [f"{1e3 * statistics.median(gaps[loop]):.1f}" for loop in ("hand", "pellucid")]
    over = f"{ours - hand:+.0f} µs, {ours / hand - 1:+.1%}"
    return [name, f"{hand:.0f}", f"{ours:.0f}", over, *between, f"{len(taken['pellucid']):,}"]


FIRST_STEP = """
import os, sys, time, torch
start = time.perf_counter()
import pellucid
from pellucid.training.state import TrainState
def first(state):
    print(time.perf_counter() - start, flush=True)
    os._exit(0)
TrainState.update_ema = first
pellucid.train(sys.argv[1], out=sys.argv[2], epochs=50, **({"target": sys.argv[3]} if sys.argv[3:] else {}))
"""


def first_step(*words: Any) -> list[float]:
    """Seconds from torch imported to the first step made, at a second start and those after it."""
    with tempfile.TemporaryDirectory() as folder:
        seen = []
        for start in range(1 + TURNS):
            command = [sys.executable, "-c", FIRST_STEP, words[0], f"{folder}/{start}", *words[1:]]
            seen.append(last_json(command, PELLUCID_CACHE=f"{folder}/cache")[0])
    return seen[1:]  # type: ignore[return-value]


def wall(*words: str) -> list[float]:
    """Seconds of a whole process, several times."""
    seen = []
    for _ in range(TURNS + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        seen.append(time.perf_counter() - start)
    return seen[1:]


def imported() -> list[float]:
    code = "import time; start = time.perf_counter(); import pellucid; print(time.perf_counter() - start)"
    return [last_json([sys.executable, "-c", code])[0] for _ in range(TURNS)]  # type: ignore[misc]


def timed(what: str, seconds: Sequence[float], wanted: str) -> list[str]:
    return [what, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f} to {max(seconds):.2f}", wanted]


def main() -> None:
    given = arguments(__doc__).parse_args()
    torch.set_num_threads(2)
    rows = [compare("dense 64–128–10", dense, 3), compare("two convolutions, 32×32", convolutional, 3)]
    header = ("network", "by hand, µs a step", "pellucid, µs a step", "overhead", "gap between epochs by hand, ms",
              "pellucid's gap, ms", "steps each")  # fmt: skip
    note = f"Batch {BATCH}, 2 threads. Wanted: at most 5% or 50 µs a step more, gaps of at most 20 ms."
    report("The loop", header, rows, note, given.write)
    starts = [
        timed("`import pellucid`", imported(), "≤ 0.3"),
        timed("`pellucid --help`, whole process", wall("-m", "pellucid", "--help"), "≤ 0.3"),
        timed("torch imported → first step, 10,000 photos", first_step(cifar(1000)), "≤ 1"),
        timed("torch imported → first step, diamonds.csv", first_step(data_file("diamonds.csv"), "price"), "≤ 1"),
    ]
    note = f"Median of {TURNS}; sources read before, so that they come from the cache."
    report("Starting", ("what", "seconds", "range", "wanted"), starts, note, given.write)


if __name__ == "__main__":
    main()
