"""Decides how a data set is learned: network, size, recipe, budget, each with its reason. ``training/`` obeys.

Every rule is one function that returns a ``Choice``; a rule that a trunk knows better is a hint of its ``recipe()``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .data.sources import join_words
from .data.weights import balanced_weights
from .errors import PellucidError, UsageError, unknown_name
from .fields import Field, input_groups, kind_named
from .inputs import INPUTS
from .network import Network
from .options import Budget
from .outputs import OUTPUTS, Output, output_for
from .outputs.metrics import check_percentage
from .references import reference_for, reference_seconds
from .trunks import TRUNKS, Trunk, trunk_named

if TYPE_CHECKING:
    from .data import Dataset, Split

CAP = Budget("seconds", 600.0)  # without a budget
SEEN = (
    100_000  # examples, repeats counted, that a training should see: small data wants more passes, not a larger network
)
SMALL, FEWEST = 2_000, 8  # rows of a table up to, and from, which its training is rehearsed
# Found by cross-validation on small tables that no bench reports, against the better of scikit-learn's logistic
# regression and MLP: see docs/LOG.md.
SMALL_RECIPE = {"dropout": 0.4, "smoothing": 0.05, "few": 64, "size": 2, "sizes": (2, 2), "bins": 2}
# AdamW alone is as good there as Muon, in half the time; without normalisation a step too many costs less.
SMALL_DENSE = {"lr": 4e-3, "matrix_lr": 0.0, "decay": 0.1, "norm": False, "embedding": 0}
SHIFT_SHARE, COVER_SHARE = 0.125, 0.4  # of a photo's side: how far it moves at most, and the square that is covered
GENTLY = 0.3  # of the usual learning rates, for weights that come from another run
FEW_TEXTS = 30_000  # on 6,000 news items the bag reaches .875, the transformer .85


@dataclass(frozen=True)
class Choice:
    """One thing that was decided: its name, the value, and why."""

    name: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Recipe:
    """How the weights are moved.

    Attributes:
        batch_size: examples a step.
        lr: learning rate of AdamW; ``matrix_lr``: of Muon for the hidden matrices, 0 leaves them to AdamW.
        momentum: of Muon.
        decay: decoupled weight decay of AdamW; ``matrix_decay``: of Muon.
        beta2: AdamW's memory of squared gradients.
        warm, cool: shares of the steps spent warming up and cooling down.
        clip: largest length of the gradient; 0 for no limit.
        epochs: passes over the training examples aimed at when a network's size is chosen.
    """

    batch_size: int = 128
    lr: float = 2e-3
    matrix_lr: float = 0.02
    momentum: float = 0.95
    decay: float = 0.01
    matrix_decay: float = 0.01
    beta2: float = 0.99
    warm: float = 0.05
    cool: float = 0.5
    clip: float = 0.0
    epochs: float = 15.0


@dataclass(frozen=True)
class Plan:
    """Everything that was decided before the first step.

    Attributes:
        network: the trunk's name.
        sizes: the settings of the size dial to choose from, smallest first; timed steps decide among several.
        inputs: settings of the input layers by kind. output: its name and settings.
        recipe, budget, seed: as trained with. split_seed: of the parts. device: where.
        capped: whether the budget is only an upper limit that nobody asked for.
        start: the run whose weights it begins with: ``run``, ``sha256`` of them, ``trunk`` as configured.
        usual: the size to try first. dropout, norm: of the trunk; None leaves its own.
        class_weights: how much each class counts in the loss, by label; None for all the same.
        folds: of the cross-validation that finds the number of steps; 0 for none.
        reference: whether a classical model learns beside it.
        choices: all of it for people, each with its reason.
    """

    network: str
    sizes: tuple[int, ...]
    inputs: Mapping[str, Mapping[str, Any]]
    output: Mapping[str, Any]
    recipe: Recipe
    budget: Budget
    capped: bool
    seed: int
    split_seed: int
    device: str
    usual: int = 3
    start: Mapping[str, Any] | None = None
    dropout: float | None = None
    norm: bool | None = None
    class_weights: Mapping[str, float] | None = None
    reference: bool = False
    folds: int = 0
    choices: tuple[Choice, ...] = field(default=(), compare=False)

    def lines(self) -> list[tuple[str, str, str]]:
        """(name, value, reason) for people."""
        return [(c.name, str(c.value), c.reason) for c in self.choices]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"sizes": list(self.sizes), "choices": [asdict(c) for c in self.choices]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        newer = {"split_seed": data["seed"], "reference": False, "folds": 0}
        newer |= dict.fromkeys(("start", "class_weights", "norm"))
        data = {**newer, **data}
        found = {f.name: data[f.name] for f in fields(cls)}
        return cls(
            **found
            | {
                "recipe": Recipe(**found["recipe"]),
                "budget": Budget(**found["budget"]),
                "sizes": tuple(found["sizes"]),
                "choices": tuple(Choice(**c) for c in found["choices"]),
            }
        )


def make_plan(
    data: Dataset, split: Split, trunk: Trunk | None = None, start: Mapping[str, Any] | None = None, **options: Any
) -> Plan:
    """Plan the training of ``data``.

    Args:
        data: with a target. split: its parts. trunk: a trunk of the user's own instead of a named one.
        start: as in ``Plan``.
        options: checked options of ``train``: network, budget, epochs, steps, batch_size, lr, seed, size, device,
            metric, augment.
    """
    target, inputs = data.need_target(), data.inputs
    output, why = output_for(target, inputs, options.get("output"))
    metric = metric_for(data, output, options.get("metric"))
    classes = class_weights_for(data, split, options.get("class_weights"))
    network = (
        own_trunk(trunk, start) if trunk is not None else network_for(data, len(split.train), options.get("network"))
    )
    kind = TRUNKS.get(network.value)
    hints = kind.recipe(leading_kind(data)) if kind else {}
    budget, capped = budget_for(options)
    folds = folds_for(data, split, budget, trunk, options.get("folds"))
    if folds.value and leading_kind(data) == "table":
        hints |= SMALL_RECIPE | (SMALL_DENSE if kind is TRUNKS["dense"] else {})
    hints["epochs"] = max(hints.get("epochs", Recipe.epochs), SEEN / len(split.train))
    batch = batch_size(data, len(split.train), options.get("batch_size"), hints)
    if start:  # weights that know something already move more slowly than fresh ones
        rates = {"lr": Recipe.lr, "matrix_lr": Recipe.matrix_lr}
        hints |= {name: GENTLY * hints.get(name, usual) for name, usual in rates.items()}
    rate = learning_rate(hints, options.get("lr"))
    sizes = sizes_for(hints, budget, options.get("size"), len(split.train))
    seed, own_split = int(options.get("seed") or 0), options.get("split_seed")
    split_seed = seed if own_split is None else int(own_split)
    changes = augmentation_for(data, split_seed, hints, options.get("augment"))
    known = {f.name for f in fields(Recipe)}
    recipe = replace(Recipe(**{k: v for k, v in hints.items() if k in known}), batch_size=batch.value, lr=rate.value)
    if options.get("lr") and recipe.matrix_lr:
        recipe = replace(recipe, matrix_lr=recipe.matrix_lr * rate.value / hints.get("lr", Recipe.lr))
    settings: dict[str, dict[str, Any]] = {
        "image": photo_settings(changes.value, hints) if changes else {},
        "number": {name: hints[name] for name in ("embedding", "bins") if name in hints},
        "text": {"drop": hints.get("token_drop", 0.1)},
    }
    smoothing = {"smoothing": hints.get("smoothing", 0.0)} if output.name == "category" else {}
    device = options.get("device") or best_device()
    reference = reference_choice(data, options.get("reference"), budget)
    choices = [
        predict_choice(data, why),
        Choice("network", network.value, network.reason),
        size_choice(sizes),
        batch,
        rate,
        *([replace(changes, value=", ".join(changes.value) or "none")] if changes else []),
        *([metric] if metric else []),
        *([class_weights_choice(classes, options)] if classes else []),
        budget_choice(budget, capped),
        Choice("device", device, "asked for" if options.get("device") else "the fastest there is"),
        *([folds] if folds.value else []),
        *([reference] if reference else []),
    ]
    return Plan(
        network=network.value,
        sizes=sizes.value,
        inputs={f.kind: settings.get(f.kind, {}) for f in inputs},
        output={"name": output.name, **smoothing, **({"metric": metric.value} if metric else {})},
        recipe=recipe,
        budget=budget,
        capped=capped,
        seed=seed,
        split_seed=split_seed,
        device=device,
        usual=min(int(hints.get("size", 3)), sizes.value[-1]),
        start=start,
        dropout=hints.get("dropout"),
        norm=hints.get("norm"),
        class_weights=classes,
        reference=reference is not None,
        folds=folds.value,
        choices=tuple(choices),
    )


# -- what a plan stands for


def planned_network(plan: Plan, inputs: Sequence[Field], targets: Sequence[Field], trunk: Trunk) -> Network:
    """The planned network with this trunk; the same weights for the same seed. Fields with their fitted states."""
    named = {f.name: f for f in inputs}
    layers = []
    for group in input_groups(inputs):
        kind = INPUTS[group.kind]
        planned = {k: v for k, v in plan.inputs.get(group.kind, {}).items() if k in kind.settings}
        layers.append(kind([named[name] for name in group.fields], **planned))
    return Network(layers, trunk, planned_output(plan, targets), seed=plan.seed)


def planned_output(plan: Plan, targets: Sequence[Field]) -> Output:
    """The planned output, without its layer."""
    return OUTPUTS[plan.output["name"]](targets, **{k: v for k, v in plan.output.items() if k != "name"})


def planned_trunk(plan: Plan, size: int) -> Trunk:
    """The planned trunk at a setting of the size dial."""
    trunk = trunk_named(plan.network).of_size(size)
    config = trunk.config()
    planned = {"dropout": plan.dropout, "norm": plan.norm}
    return type(trunk)(**config | {k: v for k, v in planned.items() if v is not None and k in config})


# -- the rules


def leading_kind(data: Dataset) -> str:
    """The kind that makes most of the input: image before text before the kinds of a table."""
    kinds = {f.kind for f in data.inputs}
    return next((kind for kind in ("image", "text") if kind in kinds), "table")


def predict_choice(data: Dataset, why: str) -> Choice:
    """What is predicted; of a single target also what was seen in it, with how to have another kind."""
    (first, *others) = data.targets
    reason = why if others or first.kind == "labels" or not first.reason else f"{why}: {first.reason}"
    return Choice("predict", ", ".join(f.name for f in data.targets), reason)


def own_trunk(trunk: Trunk, start: Mapping[str, Any] | None) -> Choice:
    return Choice("network", trunk.name, f"as in {start['run']}" if start else "your own trunk")


def network_for(data: Dataset, examples: int, asked: str | None) -> Choice:
    if asked is not None:
        return Choice("network", trunk_named(asked).name, "asked for")
    kind = leading_kind(data)
    if kind == "image":
        return Choice("network", "convolutional", "photos: what is near belongs together, wherever it is")
    if kind == "text" and examples < FEW_TEXTS:
        reason = f"{examples:,} texts: so few teach more as bags of tokens and pairs than in their order"
        return Choice("network", "dense", reason)
    if kind == "text":
        return Choice("network", "transformer", "text: every word can look at every other")
    return Choice("network", "dense", "a table: its columns have no order")


def metric_for(data: Dataset, output: type[Output], asked: str | None) -> Choice | None:
    """Another metric than the output's usual one. Raises UsageError for one that doesn't fit the target."""
    if asked is None:
        return None
    found = output.metric_named(asked, data.label_values())
    if found.name == "mean absolute percentage error":
        for target in data.targets:
            check_percentage(
                target.name, np.asarray(data.stored_values(target.name).arrays["value"])[data.usable_rows()]
            )
    return Choice("metric", found.name, "asked for; weights are chosen and scored by it")


def class_weights_for(
    data: Dataset, split: Split, asked: str | Mapping[str, float] | None
) -> Mapping[str, float] | None:
    """How much each class counts in the training loss. Raises UsageError where there are no such classes."""
    if asked is None:
        return None
    target, values = data.need_target(), data.label_values()
    if not values or target.kind != "category" or len(data.targets) > 1:
        raise UsageError(f"class weights need a category to predict, and '{target.name}' is a {target.kind}")
    if isinstance(asked, str):
        code = np.asarray(data.stored_values(target.name).arrays["code"])[split.train]
        counts = dict(zip(values, np.bincount(code, minlength=len(values)).tolist(), strict=True))
        return balanced_weights(counts)
    for label in asked:
        if label not in values:
            raise UsageError(unknown_name("class", label, values))
    return dict(asked)


def class_weights_choice(weights: Mapping[str, float], options: Mapping[str, Any]) -> Choice:
    even = "balanced, so that every class counts the same" if options["class_weights"] == "balanced" else "asked for"
    shown = join_words((f"{label} {weight:.4g}" for label, weight in weights.items()), 4)
    return Choice("class weights", shown, f"{even}; they count in the training loss alone")


def folds_for(data: Dataset, split: Split, budget: Budget, trunk: Trunk | None, asked: int | None) -> Choice:
    """Whether the number of steps is found by cross-validation: a validation part of a small table says too little."""
    n, by = len(split.train), data.reading.parting.by
    alike = by == "chance" and not data.reading.given  # rows of one group or time may not be parted at random
    if asked and by in ("group", "time"):
        fix = "leave --folds out"
        raise UsageError(f"--folds parts rows at random, and those of one {by} must stay together", fix=fix)
    if asked and n < FEWEST:
        raise UsageError(f"there are {n} rows to learn from, too few for --folds", fix="leave --folds out")
    if asked is not None:
        return Choice("folds", min(asked, n // 2), "asked for")
    small = leading_kind(data) == "table" and n <= SMALL and trunk is None and budget.kind == "seconds" and alike
    reason = f"{n:,} rows: cross-validation finds the number of steps"
    return Choice("folds", usual_folds(n) if small else 0, reason)


def usual_folds(rows: int) -> int:
    """Five of few rows; three where each still learns from many; none of hardly any."""
    return min(5 if rows <= 500 else 3, rows // 2) if rows >= FEWEST else 0


def batch_size(data: Dataset, examples: int, asked: int | None, hints: Mapping[str, Any]) -> Choice:
    if asked:
        return Choice("batch size", asked, "asked for")
    if "few" in hints:
        return Choice("batch size", max(8, min(hints["few"], examples // 4)), "a quarter of few rows")
    most = hints.get("batch_size") or {"image": 256, "text": 64, "table": 512}[leading_kind(data)]
    size = 16
    while size < most and size * 50 <= examples:  # about 50 steps an epoch and more
        size *= 2
    return Choice("batch size", size, f"at least some 25 steps in each pass over {examples:,} examples, at most {most}")


def learning_rate(hints: Mapping[str, Any], asked: float | None) -> Choice:
    if asked:
        return Choice("learning rate", asked, "asked for")
    matrix = hints.get("matrix_lr", Recipe.matrix_lr)
    reason = f"hidden matrices: Muon at {matrix:g}; the rest: AdamW" if matrix else "AdamW for all weights"
    return Choice("learning rate", hints.get("lr", Recipe.lr), reason)


def budget_for(options: Mapping[str, Any]) -> tuple[Budget, bool]:
    asked = Budget.of(options.get("budget"), options.get("epochs"), options.get("steps"))
    return (asked, False) if asked else (CAP, True)


def budget_choice(budget: Budget, capped: bool) -> Choice:
    if capped:
        return Choice("budget", f"at most {budget}", "no budget given: until validation stops improving")
    timed = budget.kind == "seconds"
    reason = "asked for; the cool-down starts earlier if validation stops improving" if timed else "asked for"
    return Choice("budget", str(budget), reason)


def sizes_for(hints: Mapping[str, Any], budget: Budget, asked: int | None, examples: int) -> Choice:
    """Sizes to choose from: one, unless a clock decides."""
    if asked is not None:
        return Choice("size", (asked,), "asked for")
    usual = int(hints.get("size", 3))
    low, high = hints.get("sizes", (max(usual - 2, 0), usual + round(math.log10(examples / 20_000))))
    usual = min(usual, max(low, high))
    if budget.kind != "seconds" or high <= low:
        return Choice("size", (usual,), f"the usual one for {examples:,} examples")
    reason = f"the largest that leaves time for some {hints['epochs']:.3g} epochs"
    return Choice("size", tuple(range(low, high + 1)), reason)


def size_choice(sizes: Choice) -> Choice:
    low, high = sizes.value[0], sizes.value[-1]
    return replace(sizes, value=low if low == high else f"{low} to {high}, to be timed")


GLYPHS = {"left", "right", "b", "d", "p", "q", "east", "west", "cw", "ccw", "clockwise", "counterclockwise"}


def augmentation_for(
    data: Dataset, seed: int, hints: Mapping[str, Any], asked: str | tuple[str, ...] | None
) -> Choice | None:
    """How photos change in training, some of ``PHOTO_CHANGES``; None where there are no photos.

    A change is made only where the targets stay true of the changed photo, which their kinds say.

    Raises:
        UsageError: for changes that are asked for where there is no photo.
    """
    photos = [f for f in data.inputs if f.kind == "image"]
    if isinstance(asked, tuple):
        if not photos:
            raise UsageError(f"there is no photo among the inputs to {' or '.join(asked)}", fix="leave --augment out")
        return Choice("augmentation", asked, "asked for")
    if not photos:
        return None
    if asked == "none":
        return Choice("augmentation", (), "asked for")
    fixed = [f for f in data.targets if not kind_named(f.kind).augmentable]
    if fixed:
        reason = f"'{fixed[0].name}' is {kind_named(fixed[0].kind).noun}, which may change with the photo"
        return Choice("augmentation", (), f"{reason}; where it does not: --augment mirror,shift")
    why_not = mirror_doubt(data, seed)
    names = [*([] if why_not else ["mirror"]), "shift", *(["cover"] if hints.get("cover") else [])]
    return Choice("augmentation", tuple(names), why_not or "assumed that a photo's mirror image shows the same")


def mirror_doubt(data: Dataset, seed: int) -> str:
    """Why a mirror image may not mean the same: an assumption, printed as one; empty where it is assumed to."""
    fitted = data.fitted(seed)
    if not all((fitted[f.name].state or {})["mirror"] for f in data.inputs if f.kind == "image"):
        return "not mirrored: assumed that handedness matters, no colour photos, perhaps signs or scans"
    labels = {str(v).lower() for v in data.label_values()}
    signs = {v for v in labels if v in GLYPHS or len(v) == 1 or v.isdigit()}
    return f"not mirrored: assumed that handedness matters, labels such as '{min(signs)}'" if signs else ""


def photo_settings(changes: Collection[str], hints: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an image's input layer that make these changes."""
    return {
        "mirror": "mirror" in changes,
        "shift": SHIFT_SHARE if "shift" in changes else 0.0,
        "cover": float(hints.get("cover") or COVER_SHARE) if "cover" in changes else 0.0,
    }


def reference_choice(data: Dataset, asked: bool | None, budget: Budget) -> Choice | None:
    """The classical model that the network has to beat; None where none suits or none is wanted."""
    name = None if asked is False else reference_for(data.inputs, data.targets)
    if name is None:
        return None
    return Choice(
        "reference", name, f"to compare with: learns from the same rows, in at most {reference_seconds(budget):.3g} s"
    )


def best_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(name: str) -> None:
    """Raises PellucidError when the device that was asked for is not there."""
    import torch

    if not name.startswith("cuda"):
        return
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(name.partition(":")[2] or 0) >= there:
        raise PellucidError(f"there is no '{name}' here", fix="leave --device out, or say --device cpu")
