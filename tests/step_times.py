"""What reading a prompt and writing on costs every causal trunk, as JSON on standard output.

Run as a process of its own, where no shapes are checked. Seconds are the processor's, so that others on the machine
count little.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from pellucid.trunks import TRUNKS, Trunk

PROMPT, EARLY, LATE, STEPS = 1000, 50, 2000, 150


def seconds(run: Callable[[], Any], times: int) -> float:
    """Of the fastest of several runs."""
    found = []
    for _ in range(times):
        begin = time.thread_time()
        run()
        found.append(time.thread_time() - begin)
    return min(found)


class Attending:
    """Counts the seconds that attention itself takes, in place of torch's function."""

    def __init__(self) -> None:
        self.own, self.total = F.scaled_dot_product_attention, 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        begin = time.thread_time()
        found = self.own(*args, **kwargs)
        self.total += time.thread_time() - begin
        return found


def step_seconds(trunk: Trunk, x: torch.Tensor) -> tuple[float, float]:
    """Of one step behind few positions and of one behind many, attention left out.

    Of each the fastest of some in a row, early and late ones in turn, so that what else goes on meets both.
    """
    states = [trunk.read(x[:, :at], trunk.start(1, x))[1] for at in (EARLY, LATE)]
    found: list[list[float]] = [[], []]
    for t in range(STEPS):
        for i in range(2):
            attending = Attending()
            F.scaled_dot_product_attention = attending
            begin = time.thread_time()
            _, states[i] = trunk.step(x[:, t], states[i])
            found[i].append(time.thread_time() - begin - attending.total)
            F.scaled_dot_product_attention = attending.own
    return min(found[0]), min(found[1])


def all_steps(trunk: Trunk, x: torch.Tensor) -> None:
    state = trunk.start(1, x)
    for t in range(x.shape[1]):
        _, state = trunk.step(x[:, t], state)


def measure(name: str, size: int) -> dict[str, float]:
    trunk = TRUNKS[name].of_size(size).build(1, causal=True).eval()
    x = torch.randn(1, LATE, trunk.width)
    prompt = x[:, :PROMPT]
    early, late = step_seconds(trunk, x)
    return {
        "read": seconds(lambda: trunk.read(prompt, trunk.start(1, prompt)), 5),
        "stepped": seconds(lambda: all_steps(trunk, prompt), 2),
        "early": early,
        "late": late,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = int(sys.argv[1])
    with torch.inference_mode():
        print(json.dumps({name: measure(name, chosen) for name, trunk in TRUNKS.items() if trunk.causal}))
