"""The same trainings on a GPU and on the processors beside it: steps and score in the same time.

Skipped where there is no CUDA device.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import torch
from common import arguments, cifar, data_file, last_json, report

DEVICES = ("cuda", "cpu")


def trained(device: str, words: list[Any], seconds: int, cache: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as out:
        words = [*words, "--budget", f"{seconds}s", "--no-reference", "--device", device, "--out", out, "--json"]
        result, wall = last_json([sys.executable, "-m", "pellucid", "train", *words], PELLUCID_CACHE=cache)
    return result | {"wall": wall}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--budget", type=int, default=20, help="seconds of a training")
    parser.add_argument("--only", default="", help="data and network whose name holds this")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing to measure")
        return
    photos, texts = cifar(1000), data_file("ag_news.csv")
    work: dict[str, list[Any]] = {
        "photos, cnn": [photos, "--network", "cnn"],
        "photos, transformer": [photos, "--network", "transformer"],
        "photos, cnn of size 1": [photos, "--network", "cnn", "--size", 1],
        "table, mlp": [data_file("diamonds.csv"), "--target", "price"],
        "texts, transformer": [texts, "--target", "topic", "--network", "transformer"],
        "texts, transformer of size 1": [texts, "--target", "topic", "--network", "transformer", "--size", 1],
    }
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for name, words in work.items():
            if given.only not in name:
                continue
            trained("cpu", words, 6, cache)  # the data are decoded once, before any clock counts
            found = {device: trained(device, words, given.budget, cache) for device in DEVICES}
            cells = [
                f"{one['value']:.4f}; {one['steps']:,} steps, {one['parameters']:,} parameters, {one['wall']:.1f} s"
                for one in found.values()
            ]
            rows.append([name, *cells, f"{found['cuda']['steps'] / found['cpu']['steps']:.1f}"])
            print(" | ".join(rows[-1]), flush=True)
    report(
        f"A GPU ({torch.cuda.get_device_name()})",
        ["data, network", "GPU: score; steps, parameters, seconds", "CPU", "steps, GPU to CPU"],
        rows,
        f"`--budget {given.budget}s`, one training each; sizes as planned, unless one is named.",
        given.write,
    )


if __name__ == "__main__":
    main()
