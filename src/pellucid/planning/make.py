"""Plans the training of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ..fields import Kind
from ..outputs import output_for
from ..trunks import TRUNKS, Trunk, trunk_named
from .device import best_device
from .plan import Choice, Plan, Recipe
from .rules import (
    GENTLY,
    HEADS_EPOCHS,
    NO_PART,
    SEEN,
    SMALL_DENSE,
    SMALL_RECIPE,
    augmentation_for,
    batch_size,
    bins_for,
    budget_choice,
    budget_for,
    class_weights_choice,
    class_weights_for,
    folds_for,
    heads_for,
    input_settings,
    leading_kind,
    learning_rate,
    metric_for,
    network_for,
    own_size,
    own_trunk,
    passes_of,
    positive_for,
    predict_choice,
    reference_choice,
    size_choice,
    sizes_for,
    solved_choice,
)

if TYPE_CHECKING:
    from ..data import Split
    from ..dataset import Dataset


def make_plan(
    data: Dataset, split: Split, trunk: Trunk | None = None, start: Mapping[str, Any] | None = None, **options: Any
) -> Plan:
    """Plan the training of ``data``.

    Args:
        data: with a target. split: its parts. trunk: a trunk of the user's own instead of a named one.
        start: as in ``Plan``.
        options: checked options of ``train``.
    """
    target, inputs = data.need_target(), data.inputs
    output, why = output_for(target, inputs, options.get("output"))
    metric = metric_for(data, output, options.get("metric"))
    positive = positive_for(data, options.get("positive"))
    classes = class_weights_for(data, split, options.get("class_weights"))
    network = own_trunk(trunk, start) if trunk else network_for(data, len(split.train), options.get("network"), output)
    kind = TRUNKS.get(network.value)
    budget, capped = budget_for(options)
    folds = folds_for(data, split, budget, trunk, options.get("folds"), output)
    goal = output.family_of(target)
    hints = hints_for(kind, leading_kind(data), folds.value, len(split.train), goal, started=bool(start))
    batch = batch_size(data, len(split.train), options.get("batch_size"), hints)
    sizes = sizes_for(hints, budget, options.get("size"), len(split.train))
    passes = passes_of(budget, batch.value, len(split.train))
    heads = heads_for(trunk or trunk_named(network.value), hints, start, len(split.train), passes, options)
    heads_sizes = sizes_for(hints, budget, options.get("size"), len(split.train), heads.value)
    seed, split_seed = seeds_of(options)
    changes = augmentation_for(data, split_seed, hints, options.get("augment"))
    rate = learning_rate(hints, options.get("lr"))
    recipe = recipe_of(hints, batch.value, rate.value)
    device = options.get("device") or best_device()
    reference = reference_choice(data, options.get("reference"), budget)
    solved = solved_choice(data, output, folds.value, heads.value, options.get("solved"))
    choices = [
        predict_choice(data, why),
        Choice("network", network.value, network.reason),
        # One that is asked for is had, whatever time there is.
        size_choice(heads_sizes, None if options.get("heads") else sizes) if trunk is None else own_size(network),
        *([heads] if heads.value > 1 or options.get("heads") else []),
        batch,
        rate,
        *([replace(changes, value=", ".join(changes.value) or "none")] if changes else []),
        *([metric] if metric else []),
        *([positive] if positive else []),
        *([class_weights_choice(classes, options)] if classes else []),
        budget_choice(budget, capped),
        Choice("device", device, "as asked" if options.get("device") else "the fastest available"),
        *([folds] if folds.value else []),
        *([reference] if reference else []),
        *([solved] if solved else []),
        *([Choice("examples", "none", "not kept in the run, as asked")] if options.get("examples") is False else []),
    ]
    return Plan(
        network=network.value,
        sizes=sizes.value,
        inputs={f.kind: input_settings(f.kind, hints, changes, start) for f in inputs},
        output={"name": output.name, **output.plan(hints), **values_of(metric=metric, sought=positive)},
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
        solved=solved.value if solved and solved.value != NO_PART else None,
        folds=folds.value,
        heads=heads.value,
        heads_sizes=heads_sizes.value if heads.value > 1 else (),
        heads_epochs=0.0 if options.get("heads") else HEADS_EPOCHS,
        examples=options.get("examples") is not False,
        choices=tuple(choices),
    )


def hints_for(
    kind: type[Trunk] | None, leading: Kind, folds: int, examples: int, family: str = "", *, started: bool
) -> dict[str, Any]:
    """What is known of training a trunk of this kind on such data, see ``Trunk.recipe``.

    Args:
        kind: None for a trunk of the user's own. leading: what makes most of the input. family: of what the output
            decides the recipe by; empty where the input does. started: from another run.
    """
    hints = kind.recipe(family or leading.family) if kind else {}
    dense = kind is TRUNKS["dense"]
    if folds and leading.tabular:
        hints |= SMALL_RECIPE | (SMALL_DENSE if dense else {})
    elif leading.tabular and dense:
        hints["bins"] = bins_for(examples)
    # A passage has hundreds of answers to learn from.
    if not leading.written:
        hints["epochs"] = max(hints.get("epochs", Recipe.epochs), hints.get("seen", SEEN) / examples)
    if started:
        rates = {"lr": Recipe.lr, "matrix_lr": Recipe.matrix_lr}
        hints |= {name: GENTLY * hints.get(name, usual) for name, usual in rates.items()}
    return hints


def seeds_of(options: Mapping[str, Any]) -> tuple[int, int]:
    """The seed of a training and that of its split, which is the same unless it is asked for."""
    seed, own = int(options.get("seed") or 0), options.get("split_seed")
    return seed, seed if own is None else int(own)


def recipe_of(hints: Mapping[str, Any], batch: int, rate: float) -> Recipe:
    """The recipe that hints make; another learning rate than theirs changes both in the same way."""
    known = {f.name for f in fields(Recipe)}
    recipe = replace(Recipe(**{k: v for k, v in hints.items() if k in known}), batch_size=batch)
    return replace(recipe, lr=rate, matrix_lr=recipe.matrix_lr * (rate / recipe.lr))


def values_of(**choices: Choice | None) -> dict[str, Any]:
    """The values of those choices that were made, by name."""
    return {name: choice.value for name, choice in choices.items() if choice}
