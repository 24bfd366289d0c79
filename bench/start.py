"""CIFAR-10: does a network that has learned eight classes learn the other two faster than a fresh one?

One run on eight classes (1,000 photos each); then, for several draws of 100 photos of each of the other two, the same
budget twice: with ``--start`` that run, and from scratch. Scored on the 2,000 official test photos of the two classes,
which no training sees. The two classes are drawn with a fixed seed.
"""

from __future__ import annotations

import math
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import arguments, cifar, last_json, report, spread

PHOTOS = 100  # of each new class
T95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}  # Student's t by the number of draws


def train(folder: Path, out: Path, name: str, budget: str, *words: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "pellucid", "train", folder, "--network", "cnn", "--budget", budget]
    command += ["--out", out, "--name", name, "--json", *words]
    if "--start" in words:
        del command[5:7]  # the network is that of the run
    return last_json(command, PELLUCID_CACHE=str(out / f"cache-{name}"))[0]


def linked(place: Path, photos: list[Path]) -> None:
    place.mkdir(parents=True)
    for photo in photos:
        os.symlink(photo.resolve(), place / photo.name)


def folders(out: Path, new: list[str], draws: int) -> tuple[Path, list[Path]]:
    """The folder of eight classes, and one of the other two for each draw."""
    whole = cifar()
    for kind in sorted((whole / "train").iterdir()):
        if kind.name not in new:
            linked(out / "eight" / kind.name, sorted(kind.iterdir())[:1000])
    found = []
    for draw in range(draws):
        for kind in new:
            some = random.Random(draw).sample(sorted((whole / "train" / kind).iterdir()), PHOTOS)
            linked(out / f"two-{draw}" / "train" / kind, some)
            linked(out / f"two-{draw}" / "test" / kind, sorted((whole / "test" / kind).iterdir()))
        found.append(out / f"two-{draw}")
    return out / "eight", found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=5, choices=T95)
    parser.add_argument("--first", default="60s", help="budget of the run on eight classes")
    parser.add_argument("--budget", default="20s", help="of each training on two classes")
    given = parser.parse_args()
    new = sorted(random.Random(0).sample([kind.name for kind in sorted((cifar() / "train").iterdir())], 2))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        eight, pairs = folders(out / "data", new, given.draws)
        first = train(eight, out, "eight", given.first)
        scratch = [train(two, out, f"scratch-{i}", given.budget) for i, two in enumerate(pairs)]
        started = [train(two, out, f"start-{i}", given.budget, "--start", out / "eight") for i, two in enumerate(pairs)]
    apart = [100 * (a["value"] - b["value"]) for a, b in zip(started, scratch, strict=True)]
    mean, reach = statistics.mean(apart), T95[given.draws] * statistics.stdev(apart) / math.sqrt(given.draws)
    rows = [
        ["from scratch", spread([100 * one["value"] for one in scratch], 2), ""],
        [
            "--start",
            spread([100 * one["value"] for one in started], 2),
            f"{mean:+.2f} ({mean - reach:+.2f} to {mean + reach:+.2f})",
        ],
    ]
    note = (
        f"New classes: {' and '.join(new)}, {PHOTOS} photos each ({given.draws} draws), {given.budget} a training; "
        f"2,000 test photos. The run on the other eight classes reached {100 * first['value']:.1f} % in {given.first}. "
        "Wanted: better, with the interval (95%, paired by draw) above 0."
    )
    report(
        "Photos: two new classes with --start",
        ("training", "accuracy, %", "paired difference, points"),
        rows,
        note,
        given.write,
    )


if __name__ == "__main__":
    main()
