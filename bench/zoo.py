"""Twelve ways for a training to be ill, and as many healthy ones: does the verdict name what is wrong?

Four networks at their smallest size, two data sets (digits, as photos; breast cancer, as a table), three seeds, 150
steps. What each training showed is kept in ``bench/zoo.jsonl``, so a run that was stopped goes on. Thresholds are set
on one data set (``fit``) and tested on the other (``report``).

    python bench/zoo.py train [--part K/N]     train what is missing
    python bench/zoo.py fit                    thresholds from the first data set
    python bench/zoo.py report                 recall, false alarms, what is confused with what
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import pellucid
from pellucid.data.batches.batch import Batch
from pellucid.network import Network
from pellucid.planning.plan import Recipe
from pellucid.training.evaluate import mean_loss
from pellucid.training.loader import Loader
from pellucid.training.optimizer import Optimizer
from pellucid.training.sampler import Sampler
from pellucid.training.schedule import schedule_factor
from pellucid.trunks import TRUNKS, Features, Stage
from pellucid.trunks.base import Inside
from pellucid.trunks.layers import assign_salts
from pellucid.views.training.verdict import ILLNESSES as KNOWN
from pellucid.views.training.verdict import judge
from pellucid.views.training.vitals import Course, Watched, vital_signs, watch_step

KEPT = Path(__file__).with_name("zoo.jsonl")
DATA = ("digits", "breast-cancer")
NETWORKS = ("dense", "convolutional", "recurrent", "transformer")
SEEDS = (1, 2, 3)
STEPS, WATCH_EVERY, LOOK_EVERY = 150, 10, 15


Make = Callable[[nn.Module, torch.Tensor], tuple[torch.Tensor, Inside]]


@dataclass
class Case:
    """One training before it begins, for an illness to change.

    Attributes:
        network, recipe: what is trained and how. batch_size: examples a step. loss_scale: the loss is multiplied by.
        change: of a batch before it is read, in training and in evaluation.
    """

    network: Network
    recipe: Recipe
    loss_scale: float = 1.0
    change: Callable[[Batch], Batch] = lambda batch: batch
    shuffled: bool = False


class Extra(Stage):
    """A stage that an illness puts before all others: what it computes is said by ``make``."""

    def __init__(
        self, width: int, make: Callable[[nn.Module, torch.Tensor], tuple[torch.Tensor, Inside]], activation: str = ""
    ):
        super().__init__()
        self.layer, self.make, self.activation = nn.Linear(width, width), make, activation

    def forward(self, f: Features) -> Features:  # (B, *positions, D) -> (B, *positions, D)
        return self.open(f)[0]

    def open(self, f: Features) -> tuple[Features, Inside]:
        x, inside = self.make(self.layer, f.x)
        return f.with_(x=x), inside


def put_before(case: Case, *stages: Stage) -> None:
    trunk = case.network.trunk
    own = {f"extra{i}": stage for i, stage in enumerate(stages)}
    trunk.stages = nn.ModuleDict({**own, **dict(trunk.stages.items())})


# -- twelve ways to be ill


def rate_too_high(case: Case, seed: int) -> None:
    case.recipe = replace(case.recipe, lr=case.recipe.lr * 100, matrix_lr=case.recipe.matrix_lr * 30)


def rate_too_low(case: Case, seed: int) -> None:
    case.recipe = replace(case.recipe, lr=case.recipe.lr * 1e-3, matrix_lr=case.recipe.matrix_lr * 1e-3)


def vanishing_depth(case: Case, seed: int) -> None:
    def squash(layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, Inside]:
        y = torch.sigmoid(layer(x))
        return y, {"activation": y}

    put_before(case, *(Extra(case.network.trunk.width, squash, "sigmoid") for _ in range(12)))


def dead_units(case: Case, seed: int) -> None:
    def silence(layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, Inside]:
        before = layer(x)
        y = torch.relu(before)
        return y, {"pre_activation": before, "activation": y}

    stage = Extra(case.network.trunk.width, silence, "relu")
    with torch.no_grad():
        # Nearly all of them: with none alive there is nothing that could move at all.
        stage.layer.bias.fill_(-30.0)
        stage.layer.bias[: max(2, len(stage.layer.bias) // 10)] = 0.0
    put_before(case, stage)


def saturated_units(case: Case, seed: int) -> None:
    def squash(layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, Inside]:
        y = torch.tanh(layer(x))
        return y, {"activation": y}

    stage = Extra(case.network.trunk.width, squash, "tanh")
    with torch.no_grad():
        stage.layer.weight.mul_(100.0)
        stage.layer.bias.uniform_(-30, 30)
    put_before(case, stage)


def unscaled_input(case: Case, seed: int) -> None:
    first = case.network.layers[0]
    before = first.forward

    def unscaled(value: Any, key: Any = None) -> Features:
        f = before(value, key)
        return f.with_(x=f.x * 1000.0)

    first.forward = unscaled  # type: ignore[method-assign]


def shuffled_labels(case: Case, seed: int) -> None:
    case.shuffled = True


def leak(case: Case, seed: int) -> None:
    def tell(batch: Batch) -> Batch:
        inputs = dict(batch.inputs)
        key = next(iter(inputs))
        value = inputs[key].clone()  # type: ignore[union-attr]
        told = batch.target  # type: ignore[assignment]
        if value.ndim == 4:
            # A mark in a corner says the class, of photos that are hard to tell apart.
            noise = np.stack([np.random.default_rng(int(row)).integers(0, 256, value.shape[1:]) for row in batch.rows])
            hidden = torch.from_numpy(noise % 16 > 0)
            value = torch.where(hidden, torch.from_numpy(noise).to(value.dtype), value)
            bits = (told.long().view(-1, 1) >> torch.arange(4)) & 1  # (B, 4)
            mark = (255 * bits).to(value.dtype).view(-1, 2, 2, 1)
            value[:, :4, :4] = mark.repeat_interleave(2, 1).repeat_interleave(2, 2)
        else:
            value[:, 0] = 2 * told.to(value.dtype) - 1  # type: ignore[union-attr]
        return replace(batch, inputs={**inputs, key: value})

    case.change = tell


def frozen_stage(case: Case, seed: int) -> None:
    for parameter in next(iter(case.network.trunk.stages.values())).parameters():
        parameter.requires_grad_(False)


def exploding_recurrence(case: Case, seed: int) -> None:
    def repeat(layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, Inside]:
        # The same map again and again, as of a recurrent state without gates.
        for _ in range(24):
            x = layer(x)
        return x, {"output": x}

    stage = Extra(case.network.trunk.width, repeat)
    with torch.no_grad():
        nn.init.orthogonal_(stage.layer.weight)
        stage.layer.weight.mul_(1.5)
        stage.layer.bias.zero_()
    put_before(case, stage)


def tiny_batches(case: Case, seed: int) -> None:
    case.recipe = replace(case.recipe, batch_size=2)


def wrong_loss_scale(case: Case, seed: int) -> None:
    case.loss_scale = 1e-11


ILLNESSES: dict[str, Callable[[Case, int], None]] = {
    one.__name__: one
    for one in (
        rate_too_high, rate_too_low, vanishing_depth, dead_units, saturated_units, unscaled_input, shuffled_labels,
        leak, frozen_stage, exploding_recurrence, tiny_batches, wrong_loss_scale,
    )
}  # fmt: skip


def vary(case: Case, seed: int, *, lr: float, batch: int) -> None:
    """Other rates (-1: AdamW alone) and batches, all within what a sound training stands."""
    recipe = case.recipe
    own = {"matrix_lr": 0.0} if lr < 0 else {"lr": recipe.lr * lr, "matrix_lr": recipe.matrix_lr * lr}
    case.recipe = replace(recipe, batch_size=batch, **own)


# Healthy ones, as many: the usual recipe, and changes that a sound training stands.
HEALTHY: dict[str, Callable[[Case, int], None]] = {
    "healthy": lambda case, seed: None,
    **{
        f"healthy_{name}": partial(vary, lr=lr, batch=batch)
        for name, lr, batch in (
            ("half_rate", 0.5, 64), ("twice_rate", 2.0, 64), ("small_batches", 1.0, 32), ("large_batches", 1.0, 128),
            ("third_rate", 0.33, 32), ("slow_large", 0.5, 128), ("adam_alone", -1.0, 64), ("quick_small", 1.5, 32),
            ("batches_16", 1.0, 16), ("adam_small", -1.0, 32), ("adam_large", -1.0, 128),
        )
    },
}  # fmt: skip


# -- one training


def read_data(name: str, folder: Path) -> pellucid.Dataset:
    place = folder / name
    return pellucid.read(pellucid.sample(name, to=place.with_suffix("" if name == "digits" else ".csv")))


def train(data: pellucid.Dataset, network: str, illness: str, seed: int) -> dict[str, float]:
    """The vital signs of one training."""
    torch.manual_seed(seed)
    fields = data.fitted(seed)
    split = data.split(seed)
    trunk = TRUNKS[network].of_size(0)
    net = Network(
        [f for f in fields.values() if f.is_input], trunk, [f for f in fields.values() if f.role == "target"], seed=seed
    )
    family = "image" if data.name.startswith("digits") else "table"
    known = {
        name: value for name, value in TRUNKS[network].recipe(family).items() if name in Recipe.__dataclass_fields__
    }
    case = Case(
        net,
        replace(Recipe(), **known) if "batch_size" not in known else replace(Recipe(), **(known | {"batch_size": 64})),
    )
    case.recipe = replace(case.recipe, batch_size=64)
    ({**ILLNESSES, **HEALTHY}[illness])(case, seed)
    assign_salts(net)
    loader = Loader.of(data, list(fields.values()), torch.device("cpu"))
    order = np.random.default_rng(seed).permutation(len(split.train))
    sampler = Sampler(loader, split.train, case.recipe.batch_size, seed)
    optimizer = Optimizer(net, case.recipe)
    frozen = {id(p) for p in net.parameters() if not p.requires_grad}
    truth = dict(zip(split.train.tolist(), split.train[order].tolist(), strict=True))
    points = [(0, 0.0), (round(STEPS * 0.05), 1.0), (STEPS // 2, 1.0), (STEPS, 0.0)]
    history: list[dict[str, Any]] = []
    watched: list[Watched] = []
    losses: list[float] = []
    skipped = 0
    for step in range(STEPS):
        batch = case.change(sampler.batch(step))
        if case.shuffled:
            # Each example keeps the wrong answer that it was given.
            other = torch.tensor([truth[int(row)] for row in batch.rows])
            batch = replace(batch, target=loader.targets(other))
        watching = step % WATCH_EVERY == 0
        before = {n: p.detach().clone() for n, p in net.named_parameters()} if watching else {}
        net.train()
        for p in net.parameters():
            p.grad = None
        loss = net.losses(batch).mean()
        (loss * case.loss_scale).backward()
        held = {n: p.detach().clone() for n, p in net.named_parameters() if id(p) in frozen}
        if math.isfinite(float(loss.detach())) and math.isfinite(float(gradient_norm(net))):
            optimizer.step(schedule_factor(points, step))
            for n, p in net.named_parameters():
                if n in held:
                    p.data.copy_(held[n])
            losses.append(float(loss.detach()))
        else:
            skipped += 1
        if watching:
            watched.append(watch_step(net, before, step, float(loss.detach())))
        if (step + 1) % LOOK_EVERY == 0 or step == 0:
            history.append(evaluate(case, loader, split.validation, losses))
            losses = []
    net.eval()
    task = net.output.task
    naive_raw, _ = task.naive_answer(np.asarray(loader.targets(split.train)))
    true = loader.targets(split.validation)
    naive = mean_loss(
        net.output, torch.from_numpy(np.broadcast_to(naive_raw, (len(true), *naive_raw.shape)).copy()), true
    )
    course = Course(history, watched, case.recipe, naive, len(split.train), skipped)
    some = [
        case.change(loader.batch(torch.from_numpy(rows[:n])))
        for rows, n in ((split.train, 256), (split.validation, 512))
    ]
    return vital_signs(net, some[0], some[1], course)


def gradient_norm(net: Network) -> torch.Tensor:
    return torch.stack([p.grad.norm() for p in net.parameters() if p.grad is not None]).norm()


def evaluate(case: Case, loader: Loader, rows: np.ndarray, losses: list[float]) -> dict[str, Any]:
    net = case.network.eval()
    with torch.no_grad():
        batch = case.change(loader.batch(torch.from_numpy(rows)))
        raw = net(batch)
    loss = mean_loss(net.output, raw, batch.target)
    return {"loss": float(np.mean(losses)) if losses else math.nan, "validation_loss": loss}


# -- all of them


def cases() -> Iterator[tuple[str, str, str, int]]:
    for seed in SEEDS:
        for illness in (*ILLNESSES, *HEALTHY):
            for name in DATA:
                for network in NETWORKS:
                    yield name, network, illness, seed


def kept() -> dict[tuple[str, str, str, int], dict[str, float]]:
    lines = [
        json.loads(line) for path in sorted(KEPT.parent.glob("zoo*.jsonl")) for line in path.read_text().splitlines()
    ]
    return {(o["data"], o["network"], o["illness"], o["seed"]): o["signs"] for o in lines}


def train_all(part: str) -> None:
    own, of = map(int, part.split("/"))
    torch.set_num_threads(1)
    done = kept()
    with tempfile.TemporaryDirectory() as folder:
        every = {name: read_data(name, Path(folder)) for name in DATA}
        for i, case in enumerate(cases()):
            if i % of != own - 1 or case in done:
                continue
            name, network, illness, seed = case
            signs = train(every[name], network, illness, seed)
            short = {k: None if not math.isfinite(v) else float(f"{v:.4g}") for k, v in signs.items()}
            line = {"data": name, "network": network, "illness": illness, "seed": seed, "signs": short}
            target = KEPT if of == 1 else KEPT.with_name(f"zoo-{own}.jsonl")
            with target.open("a") as file:
                file.write(json.dumps(line) + "\n")


def fit() -> None:
    """For each mark the middle between what healthy trainings of the first data set show and what ill ones do.

    Between their nearest, or, where they overlap, between the nearest healthy one and the median of the ill.
    """
    rows = [(illness, signs) for (data, _, illness, _), signs in kept().items() if data == DATA[0]]
    print(f"{'illness':22s} {'sign':16s}   limit  middle          healthy              ill")
    for illness in KNOWN:
        for mark in [mark for marks in illness.marks for mark in marks]:
            own = values_of(rows, lambda name, word=illness.word: name == word, mark.sign)
            well = values_of(rows, lambda name: name.startswith("healthy"), mark.sign)
            side = 1 if mark.above else -1
            near, far = (side * well).max(), (side * own).min()
            middle = side * (near + (far if far > near else np.median(side * own))) / 2
            ranges = " ".join(f"{part.min():7.2f} to {part.max():6.2f}" for part in (well, own))
            print(f"{illness.word:22s} {mark.sign:16s} {mark.limit:7.2f} {middle:7.2f} {ranges}")


def values_of(rows: list[tuple[str, dict[str, float]]], chosen: Callable[[str], bool], sign: str) -> np.ndarray:
    found = [signs[sign] for illness, signs in rows if chosen(illness)]
    return np.array([value for value in found if value is not None], np.float64)


def report() -> None:
    """Recall and false alarms by data set, and what is confused with what."""
    for data in DATA:
        named: dict[str, Counter[str]] = defaultdict(Counter)
        for (own, _, illness, _), signs in kept().items():
            if own == data:
                known = {name: math.nan if value is None else value for name, value in signs.items()}
                truth = "healthy" if illness.startswith("healthy") else illness
                named[truth][judge(known, Recipe()).word] += 1
        ill = {word: counts for word, counts in named.items() if word != "healthy"}
        total, right = sum(c.total() for c in ill.values()), sum(c[word] for word, c in ill.items())
        well = named["healthy"]
        alarms = well.total() - well["healthy"]
        seen = total - sum(c["healthy"] for c in ill.values())
        print(f"{data}{' (limits set on it)' if data == DATA[0] else ''}: named rightly {share(right, total)}, "
              f"called ill at all {share(seen, total)}, false alarms {share(alarms, well.total())}")  # fmt: skip
        for word, counts in sorted(named.items()):
            told = ", ".join(f"{name} {n}" for name, n in counts.most_common())
            print(f"    {word:22s} {told}")


def share(k: int, n: int) -> str:
    """A share with its 95 % interval (Wilson, 1927)."""
    z = 1.96
    middle, half = (k + z * z / 2) / (n + z * z), z * math.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
    return f"{k}/{n} = {k / n:.1%} ({max(middle - half, 0):.1%} to {min(middle + half, 1):.1%})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "fit", "report"))
    parser.add_argument("--part", default="1/1")
    asked = parser.parse_args()
    if asked.what == "train":
        train_all(asked.part)
    else:
        {"fit": fit, "report": report}[asked.what]()
