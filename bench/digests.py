"""SHA-256 of what trainings leave behind, so that a change that should change no number can show that it does not.

Ten trainings by steps on one thread: photos, tables large and small, text, photo + table + text, labels, numbers, a
training that starts from another, one that is stopped, killed and resumed, a comparison, and a scikit-learn estimator.
Of each: weights, history, predictions and run.json, without what a clock or a path says; and without the classical
reference, whose size depends on the clock.

    python bench/digests.py --keep before.json     # at the old commit
    python bench/digests.py --check before.json    # at the new one: says what differs, exit code 1
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLOCK = {
    "seconds",
    "latency",
    "throughput",
    "memory",
    "versions",
    "manifest",
    "lines",
    "pellucid",
    "meaning",
}  # the meaning says how fast one answers
COLOURS, WORDS = ("red", "green", "blue"), ("film", "plot", "actor", "music", "scene", "ending", "slow", "bright")


def write_csv(path: Path, names: list[str], rows: list[list[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def table(path: Path, rows: int, seed: int) -> Path:
    """Numbers with gaps, a category and a date; a class, a price and tags that follow from them."""
    rng = np.random.default_rng(seed)
    lines: list[list[Any]] = []
    for i in range(rows):
        x, y, colour = rng.normal(), rng.lognormal(), rng.integers(3)
        tags = [t for t, on in (("warm", x > 0), ("large", y > 1), ("red", colour == 0)) if on]
        day = f"20{20 + i % 5}-{1 + i % 12:02d}-{1 + i % 28:02d}"
        right = "yes" if x + (colour == 1) > 0.3 else "no"
        gap = rng.random() < 0.1
        cells = [f"{x:.4f}", "" if gap else f"{y:.3f}", COLOURS[colour], day, right]
        lines.append([*cells, f"{100 + 20 * x * y + 5 * colour:.2f}", ";".join(tags)])
    return write_csv(path, ["x", "y", "colour", "day", "label", "price", "tags"], lines)


def texts(path: Path, rows: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    said = [[" ".join(rng.choice(WORDS, rng.integers(4, 20))), i % 2] for i in range(rows)]
    lines = [[f"{text} {['dreadful', 'wonderful'][good]}", ["bad", "good"][good]] for text, good in said]
    return write_csv(path, ["review", "verdict"], lines)


def photo(path: Path, rng: np.random.Generator, bright: int) -> None:
    pixels = rng.integers(0, 128, (16, 16, 3))
    pixels[4 * bright : 4 * bright + 4] += 110
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def photos(root: Path, classes: range, each: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    for i in classes:
        for j in range(each):
            photo(root / f"band{i}" / f"{j}.png", rng, i)
    return root


def described_photos(root: Path, rows: int, seed: int) -> Path:
    """Photos with a metadata.csv beside them: a number, a text and the class."""
    rng = np.random.default_rng(seed)
    lines: list[list[Any]] = []
    for i in range(rows):
        band = i % 3
        photo(root / "images" / f"{i}.png", rng, band)
        note = " ".join(rng.choice(WORDS, 6)) + (" wonderful" if band else " dreadful")
        lines.append([f"images/{i}.png", f"{band + rng.normal():.3f}", note, ["low", "mid", "top"][band]])
    write_csv(root / "metadata.csv", ["file_name", "weight", "note", "label"], lines)
    return root


def without_clock(value: Any, root: str) -> Any:
    """The same JSON without clock readings, versions and the folder that it happened in."""
    if isinstance(value, dict):
        return {k: without_clock(v, root) for k, v in sorted(value.items()) if k not in CLOCK}
    if isinstance(value, list):
        return [without_clock(v, root) for v in value]
    return value.replace(root, "ROOT") if isinstance(value, str) else value


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def digests_of_run(folder: Path, root: str) -> dict[str, str]:
    import polars as pl

    found = {"weights": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()}
    for name in ("history", "predictions"):
        frame = pl.read_parquet(folder / f"{name}.parquet")
        kept = frame.select([c for c in frame.columns if c not in CLOCK])
        found[name] = digest(without_clock(kept.to_dicts(), root))
    found["run.json"] = digest(without_clock(json.loads((folder / "run.json").read_text()), root))
    return found


STOPS = """
import os, signal, sys
import torch
torch.set_num_threads(1)
import pellucid
from pellucid.errors import Interrupted

class Stop(pellucid.Listener):
    seen = 0
    def evaluated(self, row):
        self.seen += 1
        if self.seen == 3:
            os.kill(os.getpid(), signal.{signal})

try:
    {call}
except Interrupted:
    sys.exit(3)
"""


def stopped(call: str, with_signal: str) -> None:
    """Make a training end in the middle, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", STOPS.format(call=call, signal=with_signal)], capture_output=True)
    assert done.returncode in (3, -signal.SIGKILL), done.stderr.decode()


def trainings(root: Path) -> dict[str, Callable[[], dict[str, str]]]:
    import pellucid

    out = root / "runs"

    def run(name: str, data: Any, **options: Any) -> dict[str, str]:
        made = pellucid.train(data, name=name, out=out, seed=3, reference=False, **options)
        return digests_of_run(made.path, str(root))

    def resumed() -> dict[str, str]:
        call = (
            f"pellucid.train({str(big)!r}, target='price', network='mlp', size=1, steps=60, seed=3, reference=False, "
        )
        stopped(call + f"out={str(out)!r}, name='resumed', listeners=[Stop()])", "SIGINT")
        stopped(f"pellucid.resume({str(out / 'resumed')!r}, listeners=[Stop()])", "SIGKILL")
        return digests_of_run(pellucid.resume(out / "resumed").path, str(root))

    def compared() -> dict[str, str]:
        found = pellucid.compare(small, target="label", ignore=["price", "tags"], steps=20, networks="mlp,rnn",
                                 seeds=2, name="both", reference=False, out=out)  # fmt: skip
        kept = json.loads((found.path / "comparison.json").read_text())
        trials = {
            f"{n}-{s}": digests_of_run(found.path / f"{n}-{s}", str(root)) for n in ("mlp", "rnn") for s in (0, 1)
        }
        return {"comparison.json": digest(without_clock(kept, str(root))), "runs": digest(trials)}

    def estimated() -> dict[str, str]:
        rng = np.random.default_rng(5)
        x = rng.normal(size=(200, 6))
        model = pellucid.PellucidClassifier(steps=60, random_state=3).fit(x, x[:, 0] > x[:, 1])
        return {"probabilities": hashlib.sha256(model.predict_proba(x).tobytes()).hexdigest()}

    big, small = table(root / "big.csv", 3000, 1), table(root / "small.csv", 150, 2)
    bands, others = photos(root / "bands", range(3), 40, 3), photos(root / "others", range(2, 4), 40, 4)
    reviews, mixed = texts(root / "reviews.csv", 300, 5), described_photos(root / "mixed", 150, 6)
    label = {"target": "label", "ignore": ["price", "tags"]}
    return {
        "photos": lambda: run("photos", bands, network="cnn", size=0, steps=40),
        "table": lambda: run("table", big, **label, steps=60),
        "table, rnn": lambda: run("table-rnn", big, **label, network="rnn", size=0, steps=20),
        "small table with folds": lambda: run("small", small, **label, steps=300),
        "numbers": lambda: run("numbers", big, target="price", size=1, steps=60),
        "labels": lambda: run("labels", big, target="tags", ignore=["price", "label"], steps=60),
        "text": lambda: run("text", reviews, network="transformer", size=0, steps=30),
        "photo + table + text": lambda: run("mixed", mixed, network="transformer", size=0, steps=20),
        "start": lambda: run("started", others, start=out / "photos", steps=20),
        "stopped, killed, resumed": resumed,
        "comparison": compared,
        "estimator": estimated,
    }


def measure(only: str | None) -> dict[str, dict[str, str]]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        os.environ["PELLUCID_CACHE"] = str(root / "cache")
        for name, act in trainings(root).items():
            if only is None or only in name or name == "photos":
                found[name] = act()
                print(f"{name}: {' '.join(f'{k} {v[:10]}' for k, v in found[name].items())}", flush=True)
    return found


def differences(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> list[str]:
    """What is not as before, each as ``training: part``; trainings that were not made again are left out."""
    return [
        f"{name}: {part}"
        for name, parts in after.items()
        for part in sorted(parts.keys() | before.get(name, {}).keys())
        if parts.get(part) != before.get(name, {}).get(part)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="write the digests here")
    parser.add_argument("--check", type=Path, help="compare with digests that were kept")
    parser.add_argument("--only", help="trainings whose name holds this")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    found = measure(given.only)
    if given.keep:
        given.keep.write_text(json.dumps(found, indent=1) + "\n")
    if given.check:
        different = differences(json.loads(given.check.read_text()), found)
        print("\n".join(["differs:", *different]) if different else f"all as in {given.check}")
        sys.exit(bool(different))


if __name__ == "__main__":
    main()
