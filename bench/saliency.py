"""Saliency on CIFAR-10: which maps of a trained convolutional network hold up, and what our badge says of each.

Every map is put to the test behind the badges, on kept validation photos. Guided backpropagation, and maps that only
read the photo, are here to fail; they are no views.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import arguments, cifar, last_json, report
from torch import Tensor

import pellucid as package
from pellucid.network import Network
from pellucid.runs.inspection import subject_of
from pellucid.views import evidence, where
from pellucid.views.attribution import badges
from pellucid.views.attribution.badges import FILLS, Map, MapsOf, Tested
from pellucid.views.attribution.gradients import integrate
from pellucid.views.attribution.hiding import hidden_by_places
from pellucid.views.attribution.places import places_of
from pellucid.views.attribution.variants import Sample, variants
from pellucid.views.base import Subject

# What each map must be called: None where nothing is claimed.
WANTED = {
    "expected gradients (ours)": "checked",
    "HiResCAM, finest stage that passes (ours)": "checked",
    "guided backpropagation": "failed",
    "blurred brightness, no network": "failed",
    "random": "failed",
}


def train(folder: Path, seconds: int, seed: int, out: Path) -> Any:
    words = (folder, "--network", "cnn", "--budget", f"{seconds}s", "--seed", seed, "--out", out, "--json")
    last_json([sys.executable, "-m", "pellucid", "train", *words])
    return package.load(next(out.iterdir()))


# ---------------------------------------------------------------- the maps


def slope(network: Network, sample: Sample) -> tuple[Tensor, Tensor]:  # -> (H, W, C) each
    """The photo, and the slope of the answer at it."""
    layer, key = network.layers[0], network.input_keys()[0]
    own = sample.batch.inputs[key]
    point = layer.as_numbers(own).detach().clone().requires_grad_()
    answer = network.predict(variants(sample.batch, 1, {key: layer.with_numbers(own, point)}))[0, sample.index]
    return point.detach()[0], torch.autograd.grad(answer, point)[0][0]


def gradient(network: Network, sample: Sample) -> np.ndarray:  # -> (H, W), as all maps here
    return slope(network, sample)[1].abs().sum(-1).numpy()


def gradient_times_input(network: Network, sample: Sample) -> np.ndarray:
    photo, found = slope(network, sample)
    # The network reads pixels less what is usual; times black's distance it would be of brightness.
    return (found * (photo - photo.mean((0, 1)))).sum(-1).numpy()


@contextmanager
def guided() -> Iterator[None]:
    """Rectifiers that pass back only what speaks for the answer (Springenberg 2014)."""

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.clamp_min(0)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g.clamp_min(0) * (ctx.saved_tensors[0] > 0)

    kept = F.relu, torch.relu, torch.Tensor.relu

    def rectify(x: Tensor, inplace: bool = False) -> Tensor:
        return Guided.apply(x)

    F.relu, torch.relu, torch.Tensor.relu = rectify, rectify, rectify  # type: ignore[assignment]
    try:
        yield
    finally:
        F.relu, torch.relu, torch.Tensor.relu = kept  # type: ignore[method-assign]


def guided_backpropagation(network: Network, sample: Sample) -> np.ndarray:
    with guided():
        return gradient(network, sample)


def blur(photo: Tensor, size: int = 7) -> Tensor:  # (1, H, W, C) -> the same
    one = F.pad(photo.permute(0, 3, 1, 2), [size // 2] * 4, mode="reflect")
    return F.avg_pool2d(one, size, 1).permute(0, 2, 3, 1)


def blurred_brightness(network: Network, sample: Sample) -> np.ndarray:
    photo = network.layers[0].as_numbers(sample.batch.inputs[network.input_keys()[0]])
    return blur(photo)[0].mean(-1).numpy()


def blurred_baseline(network: Network, sample: Sample) -> np.ndarray:
    """Integrated gradients from the blurred photo: an edge detector."""
    photo = network.layers[0].as_numbers(sample.batch.inputs[network.input_keys()[0]])
    return integrate([network], sample, 0, blur(photo), photo, 16)[0].sum(-1).numpy()


def random(network: Network, sample: Sample) -> np.ndarray:
    # Of another network another map.
    ends = next(network.parameters()), next(network.output.parameters())
    seeds = [zlib.crc32(end.detach().cpu().numpy().tobytes()) for end in ends]
    return np.random.default_rng([sample.row, *seeds]).normal(size=network.layers[0].size[:2])


def maps_of(make: Callable[[Network, Sample], np.ndarray]) -> MapsOf:
    def made(network: Network, sample: Sample) -> Map:
        values = np.asarray(make(network, sample), np.float64)
        return Map(places_of(network, 0, sample).sums(values), values.ravel())

    return lambda networks, sample: [made(network, sample) for network in networks]


OTHERS = {
    "gradient magnitude": gradient,
    "gradient × input": gradient_times_input,
    "integrated gradients, blurred baseline": blurred_baseline,
    "guided backpropagation": guided_backpropagation,
    "blurred brightness, no network": blurred_brightness,
    "random": random,
}


# ---------------------------------------------------------------- the table


def tests_of(subject: Subject) -> dict[str, tuple[Tested, float]]:
    """What the test behind the badge finds of each map, and the seconds it took."""
    hidden = hidden_by_places(subject, 0)

    def test(make: MapsOf) -> tuple[Tested, float]:
        began = time.perf_counter()
        return badges.test_map(subject, make, hidden, "places 0"), time.perf_counter() - began

    found = {"expected gradients (ours)": test(evidence.tested_maps(subject, 0))}
    sample = badges.tested_samples(subject, subject.validation)[0]  # type: ignore[arg-type]
    stages = where.stage_maps(subject.network, sample.batch, 0, sample.index)
    order = sorted(stages, key=lambda name: -stages[name].size)
    for name in order:
        own = test(where.tested_maps(0, name))
        found[f"HiResCAM, {stages[name].shape[0]} × {stages[name].shape[1]} cells"] = own
        if own[0][0] == "checked":
            found.setdefault("HiResCAM, finest stage that passes (ours)", own)
    return found | {name: test(maps_of(make)) for name, make in OTHERS.items()}


def row(name: str, runs: list[tuple[Tested, float]]) -> list[str]:
    def each(key: str) -> str:
        return " / ".join(f"{figures[key]:+.2f}" if key in figures else "" for (_, _, figures), _ in runs)

    verdicts = [level for (level, _, _), _ in runs]
    wanted = WANTED.get(name, "")
    held = "" if not wanted else ": holds" if all(v == wanted for v in verdicts) else ": not so"
    keys = [f"hiding, {fill} fill: gain" for fill in FILLS]
    keys += [f"rank correlation, {what}" for what in ("its last layer shuffled", "all layers shuffled")]
    seconds = " / ".join(f"{s:.1f}" for _, s in runs)
    return [name, *map(each, keys), " / ".join(verdicts), wanted + held, seconds]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=75, help="of each training")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--runs", type=Path, nargs="*", help="trained before, instead of training")
    given = parser.parse_args()
    found: dict[str, list[tuple[Tested, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as out:
        for seed in range(given.seeds):
            if given.runs:
                run = package.load(given.runs[seed])
            else:
                run = train(cifar(400), given.seconds, seed, Path(out) / str(seed))
            # Each map is tested anew, whatever the run has kept.
            subject = replace(subject_of(run), facts={})
            for name, tested in tests_of(subject).items():
                found[name].append(tested)
    header = (
        "map",
        "gain, mean fill",
        "gain, swap fill",
        "last layer shuffled",
        "all shuffled",
        "verdict",
        "wanted",
        "s",
    )
    note = (
        f"{given.seeds} seed(s), 4,000 training photos, {given.seconds} s a training, {badges.TESTED} photos a map. "
        "Gain: by how much more than at random the answer falls when what a map puts first is hidden, in spreads of "
        "the answer. Shuffled: likeness to the same map of the network with shuffled weights. Of two networks, in turn."
    )
    report("Saliency: CIFAR-10", header, [row(n, r) for n, r in found.items()], note, given.write)


if __name__ == "__main__":
    main()
