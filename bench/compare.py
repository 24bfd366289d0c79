"""``pellucid compare`` on 10,000 CIFAR-10 photos and on diamonds.csv → cut: one split, 60 s each network, three seeds.

Wanted: photos rank the cnn first, on every seed alike; on the table the mlp is not last. The clock is fair: no training
takes longer than its budget, by what it says itself.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from common import arguments, cifar, last_json, report, spread
from tables import split_file

DATA = {"photos": "CIFAR-10, 10,000 photos", "table": "diamonds.csv → cut"}


def compared(which: str, budget: str, seeds: int, networks: str) -> dict[str, Any]:
    """What ``pellucid compare --json`` ends with; nothing is cached from an earlier run."""
    source: list[Any] = [cifar(1000)] if which == "photos" else [split_file(), "--target", "cut", "--split", "split"]
    with tempfile.TemporaryDirectory() as out:
        words = [*source, "--budget", budget, "--seeds", seeds, "--networks", networks, "--out", out, "--json"]
        command = [sys.executable, "-m", "pellucid", "compare", *words]
        return last_json(command, PELLUCID_CACHE=str(Path(out) / "cache"))[0]


def row(name: str, one: dict[str, Any]) -> list[Any]:
    seeds = [seed for seed in one["seeds"] if "value" in seed]
    if not seeds:
        return [name, one["error"], *[""] * 6]
    half = (one["high"] - one["low"]) / 2
    memory = f"{one['memory'] / 1e6:,.0f}" if one["memory"] else "unknown"
    return [
        name,
        spread([seed["validation"] for seed in seeds], 4),
        f"{one['value']:.4f} ± {half:.4f}",
        f"{one['parameters']:,}",
        f"{max(seed['seconds'] for seed in seeds):.1f}",
        memory,
        f"{1e3 * one['latency']:.1f}",
        f"{one['throughput']:,.0f}",
    ]


def rankings(found: dict[str, Any]) -> list[str]:
    """The ranking that each seed alone would have given."""
    networks = {name: one["seeds"] for name, one in found["networks"].items() if "value" in one}
    seeds = range(len(next(iter(networks.values()))))

    def reached(name: str, seed: int) -> float:
        return networks[name][seed].get("validation", float("-inf"))

    return [" > ".join(sorted(networks, key=lambda name: -reached(name, seed))) for seed in seeds]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", default="mlp,cnn,rnn,transformer")
    given = parser.parse_args()
    header = ("network", "validation (seeds)", "test ± half its interval", "parameters", "longest, s", "memory, MB",
              "one example, ms", "examples a second")  # fmt: skip
    for which in given.data:
        found = compared(which, given.budget, given.seeds, given.networks)
        rows = [row(name, found["networks"][name]) for name in found["ranking"]]
        rows += [row(name, one) for name, one in found["networks"].items() if "value" not in one]
        for word in ("reference", "baseline"):
            if beside := found[word]:
                rows.append([beside["name"], "", f"{beside['value']:.4f}", *[""] * 5])
        alone = "; ".join(f"seed {seed}: {order}" for seed, order in enumerate(rankings(found)))
        said = " ".join(found["meaning"])
        note = f"`--budget {given.budget}`, {given.seeds} seed(s). {said}\n\nEach seed alone: {alone}."
        report(f"Comparison: {DATA[which]}", header, rows, note, given.write)


if __name__ == "__main__":
    main()
