"""Decides how a data set is learned: network, size, recipe, budget, each with its reason. ``training/`` obeys.

Every rule is one function that returns a ``Choice``; a rule that a trunk knows better is a hint of its ``recipe()``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.sample_weights import balanced_weights
from ..errors import UsageError, unknown_name
from ..fields import Kind
from ..fields.number import BINS
from ..inputs import INPUTS
from ..metrics.numbers import check_percentage
from ..options import Budget
from ..outputs import Output
from ..references.base import reference_for, reference_seconds
from ..solved import solved_for
from ..solved.base import part_named
from ..trunks import Custom, Need, Trunk, trunk_named
from ..wording import count_noun, join_words
from .plan import Choice, Recipe

if TYPE_CHECKING:
    from ..data import Split
    from ..dataset import Dataset

# Without a budget: validation mostly stops it long before.
USUAL_CAP = Budget("seconds", 600.0)

# Examples, repeats counted, that a training should see: small data wants more passes, not a larger network.
SEEN = 100_000

# Rows of a table up to, and from, which its training is cross-validated first.
SMALL, FEWEST = 2_000, 8

# Found by cross-validation on small tables that no bench reports, against the better of scikit-learn's logistic
# regression and MLP: see docs/LOG.md.
SMALL_RECIPE = {"dropout": 0.4, "smoothing": 0.05, "few": 64, "size": 2, "sizes": (2, 2), "bins": 2,
                "heads": 1}  # fmt: skip

# AdamW alone is as good there as Muon, in half the time; without normalisation a step too many costs less.
SMALL_DENSE = {"lr": 4e-3, "matrix_lr": 0.0, "decay": 0.1, "norm": False, "embedding": 0}

# Of the usual learning rates: weights of another run know something already and move more slowly than fresh ones. So
# started, two new classes of 100 photos each came out 2.3 points better than from scratch (bench/RESULTS.md, "Photos:
# two new classes").
GENTLY = 0.3

# The smallest and the largest size with heads, and the usual one: a step costs three to four times as much.
HEADS_SIZES, HEADS_SIZE = (0, 2), 1

# Epochs below which heads, each of which learns for itself, are not worth what they take.
HEADS_EPOCHS = 15.0

# Of a number of a dense network on a table, and the training rows for each beyond: 8 bins instead of 48 gave the nine
# tables of 4,000 to 10,000 rows that were tried +0.5 ± 0.4 points, most of it on one, and the five larger ones
# -0.3 ± 0.2 (docs/LOG.md, 2026-11-27).
FEWEST_BINS, ROWS_A_BIN = 8, 500

# What stands in a plan where a network has no solved part that it could have.
NO_PART = "none"

# -- the rules


def leading_kind(data: Dataset) -> Kind:
    """The kind that makes most of the input: a grid before a sequence before the cells of a table."""
    return max((f.traits for f in data.inputs), key=lambda kind: kind.axes, default=data.need_target().traits)


def predict_choice(data: Dataset, why: str) -> Choice:
    """What is predicted; of a single target also what was seen in it, with how to have another kind."""
    (first, *others) = data.targets
    reason = why if first.traits.several_classes or not first.reason else f"{why}: {first.reason}"
    if others:
        reason = f"{count_noun(len(data.targets), first.kind.removesuffix('s'))}, predicted together"
    return Choice("predict", ", ".join(f.name for f in data.targets), reason)


def own_trunk(trunk: Trunk, start: Mapping[str, Any] | None) -> Choice:
    return Choice("network", trunk.name, f"as in {start['run']}" if start else "custom trunk")


def own_size(network: Choice) -> Choice:
    """The size of a trunk of the user's own, or of another run's, which is as it is."""
    return Choice("size", "its own", network.reason)


def input_settings(
    kind: str, hints: Mapping[str, Any], changes: Choice | None, start: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The settings of the input layer of a ``kind``; those that shape its weights are of the run to start from."""
    planned = INPUTS[kind].plan(hints, changes.value if changes else ())
    return planned | (start.get("inputs", {}).get(kind, {}) if start else {})


def network_for(data: Dataset, examples: int, asked: str | None, output: type[Output]) -> Choice:
    """The trunk's name: as asked, else by the output, the leading kind and, of texts, by how many ``examples`` there
    are."""
    if asked is not None:
        return Choice("network", trunk_named(asked).name, "as asked")
    if (suits := output.suggest_network()) is not None:
        return Choice("network", *suits)
    return Choice("network", *INPUTS[leading_kind(data).name].suggest_network(examples))


def metric_for(data: Dataset, output: type[Output], asked: str | None) -> Choice | None:
    """Another metric than the output's usual one. Raises UsageError for one that doesn't fit the target."""
    if asked is None:
        return None
    found = output.task_type.metric_named(asked, data.label_values())
    if found.constant == "share":
        for target in data.targets:
            check_percentage(
                target.name, np.asarray(data.stored_values(target.name).arrays["value"])[data.usable_rows()]
            )
    return Choice("metric", found.name, "as asked; used for scores and choices")


def positive_for(data: Dataset, asked: str | None) -> Choice | None:
    """Which of two classes is the positive one, where it was said. Raises UsageError where there are no such two."""
    if asked is None:
        return None
    target, values = data.need_target(), data.label_values()
    if not target.traits.one_class or len(data.targets) > 1 or len(values) != 2:
        what = f"has {len(values)} classes" if target.traits.one_class else f"is a {target.kind}"
        raise UsageError(f"a positive class needs two classes, and '{target.name}' {what}", fix="leave --positive out")
    if asked not in values:
        raise UsageError(unknown_name("class", asked, values))
    return Choice("positive class", asked, "as asked, for curves and thresholds")


def class_weights_for(
    data: Dataset, split: Split, asked: str | Mapping[str, float] | None
) -> Mapping[str, float] | None:
    """How much each class counts in the training loss. Raises UsageError where there are no such classes."""
    if asked is None:
        return None
    target, values = data.need_target(), data.label_values()
    if not values or not target.traits.one_class or len(data.targets) > 1:
        raise UsageError(f"class weights need classes to predict, and '{target.name}' is a {target.kind}")
    if isinstance(asked, str):
        # Of the training rows alone: how common a class is in validation and test is not known then.
        code = np.asarray(data.stored_values(target.name).arrays["code"])[split.train]
        counts = dict(zip(values, np.bincount(code, minlength=len(values)).tolist(), strict=True))
        return balanced_weights(counts)
    for label in asked:
        if label not in values:
            raise UsageError(unknown_name("class", label, values))
    return dict(asked)


def class_weights_choice(weights: Mapping[str, float], options: Mapping[str, Any]) -> Choice:
    even = "balanced: every class counts the same" if options["class_weights"] == "balanced" else "as asked"
    shown = join_words((f"{label} {weight:.4g}" for label, weight in weights.items()), 4)
    return Choice("class weights", shown, f"{even}; used in the training loss only")


def folds_for(
    data: Dataset, split: Split, budget: Budget, trunk: Trunk | None, asked: int | None, output: type[Output]
) -> Choice:
    """Whether the number of steps is found by cross-validation: a validation set of a small table says too little."""
    n, by = len(split.train), data.reading.parting.by
    if output.decodes:
        if asked:
            raise UsageError("--folds is for answers of one value, not for texts", fix="leave --folds out")
        return Choice("folds", 0, "texts are written")
    # Rows of one group or time may not be split at random.
    alike = by == "chance" and not data.reading.given
    if asked and (by == "order" or data.documents is not None):
        raise UsageError("--folds parts rows at random, and passages of a text stand in order", fix="leave --folds out")
    if asked and by in ("group", "time"):
        fix = "leave --folds out"
        raise UsageError(f"--folds parts rows at random, and those of one {by} must stay together", fix=fix)
    if asked and n < FEWEST:
        raise UsageError(f"there are {n} rows to learn from, too few for --folds", fix="leave --folds out")
    if asked is not None:
        return Choice("folds", min(asked, n // 2), "as asked")
    small = leading_kind(data).tabular and n <= SMALL and trunk is None and budget.kind == "seconds" and alike
    reason = f"{n:,} rows: cross-validation finds the number of steps"
    return Choice("folds", usual_folds(n) if small else 0, reason)


def usual_folds(rows: int) -> int:
    """Five of few rows; three where each still learns from many; none of hardly any."""
    return min(5 if rows <= 500 else 3, rows // 2) if rows >= FEWEST else 0


def bins_for(examples: int) -> int:
    """Bins of a number at most, so that each is learned from enough rows.

    >>> bins_for(3_000), bins_for(10_000), bins_for(1_000_000)
    (8, 20, 48)
    """
    return max(FEWEST_BINS, min(examples // ROWS_A_BIN, BINS))


def heads_for(
    trunk: Trunk | type[Trunk],
    hints: Mapping[str, Any],
    start: Mapping[str, Any] | None,
    examples: int,
    epochs: float,
    options: Mapping[str, Any],
) -> Choice:
    """How many heads share the hidden layers.

    Args:
        trunk: of the user's own or another run's, or the kind of the planned one.
        examples: to learn from. epochs: of the budget, see ``passes_of``.

    Raises:
        UsageError: for heads that are asked for of a network that reads more than a vector.
    """
    asked = options.get("heads")
    if asked is not None:
        reads = trunk.need(Need()).positions if isinstance(trunk, Trunk) else trunk.reads
        if asked > 1 and reads[0] != 0:
            own = ", or a trunk of your own that reads=(0,)" if trunk.name == Custom.name else ""
            raise UsageError(f"--heads is for dense networks, not for {trunk.name}", fix=f"use --network mlp{own}")
        return Choice("heads", asked, "as asked")
    if start:
        return Choice("heads", int(start.get("heads", 1)), f"as in {start['run']}")
    enough = examples > SMALL and epochs >= HEADS_EPOCHS
    return Choice("heads", int(hints.get("heads", 1)) if enough else 1, "answers of one network, averaged")


def passes_of(budget: Budget, batch: int, examples: int) -> float:
    """Epochs that a budget says; endless for one of time."""
    return {"epochs": budget.amount, "steps": budget.amount * batch / examples}.get(budget.kind, math.inf)


def batch_size(data: Dataset, examples: int, asked: int | None, hints: Mapping[str, Any]) -> Choice:
    """Examples a step: as asked; where hints say ``few`` a quarter; else 16, doubled while an epoch keeps 25 steps."""
    if asked:
        return Choice("batch size", asked, "as asked")
    if "few" in hints:
        return Choice("batch size", max(8, min(hints["few"], examples // 4)), "a quarter of the rows")
    most = hints.get("batch_size") or INPUTS[leading_kind(data).name].batch_size
    size = 16
    # About 50 steps an epoch and more.
    while size < most and size * 50 <= examples:
        size *= 2
    if examples < 25 * size:
        return Choice("batch size", size, f"the smallest used, for {examples:,} examples")
    return Choice("batch size", size, f"at least about 25 steps an epoch of {examples:,} examples, at most {most}")


def learning_rate(hints: Mapping[str, Any], asked: float | None) -> Choice:
    if asked:
        return Choice("learning rate", asked, "as asked")
    matrix = hints.get("matrix_lr", Recipe.matrix_lr)
    reason = f"hidden matrices: Muon at {matrix:g}; the rest: AdamW" if matrix else "AdamW for all weights"
    return Choice("learning rate", hints.get("lr", Recipe.lr), reason)


def budget_for(options: Mapping[str, Any]) -> tuple[Budget, bool]:
    """The budget that was asked for, else ``USUAL_CAP``, and whether it is that."""
    asked = Budget.of(options.get("budget"), options.get("epochs"), options.get("steps"))
    return (asked, False) if asked else (USUAL_CAP, True)


def budget_choice(budget: Budget, capped: bool) -> Choice:
    if capped:
        return Choice("budget", f"at most {budget}", "no budget given: early stopping on validation")
    timed = budget.kind == "seconds"
    reason = "as asked; cools down earlier if validation stops improving" if timed else "as asked"
    return Choice("budget", str(budget), reason)


def sizes_for(hints: Mapping[str, Any], budget: Budget, asked: int | None, examples: int, heads: int = 1) -> Choice:
    """Sizes to choose from, of a network with so many heads: one, unless a clock decides."""
    if heads > 1:
        hints = {**hints, "size": HEADS_SIZE, "sizes": HEADS_SIZES}
    if asked is not None:
        return Choice("size", (asked,), "as asked")
    usual = int(hints.get("size", 3))
    low, high = hints.get("sizes", (max(usual - 2, 0), usual + round(math.log10(examples / 20_000))))
    usual = min(usual, max(low, high))
    if budget.kind != "seconds" or high <= low:
        several = f" and {heads} heads" if heads > 1 else ""
        return Choice("size", (usual,), f"the usual size for {examples:,} examples{several}")
    enough = f"about {hints['epochs']:.3g} epochs" if "epochs" in hints else "enough tokens for its weights"
    reason = f"the largest with time for {enough}"
    return Choice("size", tuple(range(low, high + 1)), reason)


def size_choice(sizes: Choice, alone: Choice | None = None) -> Choice:
    """The size in words. ``alone``: the sizes for the case that there is no time for the planned heads."""
    low, high = sizes.value[0], sizes.value[-1]
    if low == high:
        return replace(sizes, value=low)
    but = f"; with one head {alone.value[0]} to {alone.value[-1]}" if alone and alone.value != sizes.value else ""
    return replace(sizes, value=f"{low} to {high}, to be timed", reason=sizes.reason + but)


# What is assumed of recordings.
USUAL_SOUND_CHANGES = "assuming that neither speed nor pitch decides"

# Labels of which the mirror image is another one.
GLYPHS = {"left", "right", "b", "d", "p", "q", "east", "west", "cw", "ccw", "clockwise", "counterclockwise"}


def augmentation_for(
    data: Dataset, seed: int, hints: Mapping[str, Any], asked: str | tuple[str, ...] | None
) -> Choice | None:
    """How photos and recordings change in training, some of their input layers' ``changes``; None without such.

    A change is made only where the targets stay true of what was changed, which their kinds say.

    Raises:
        UsageError: for changes that are asked for where no input knows them.
    """
    changed = [f.traits for f in data.inputs if INPUTS[f.kind].changes]
    nouns = " or a ".join(dict.fromkeys(kind.plain_noun for kind in changed))
    known = list(dict.fromkeys(name for kind in changed for name in INPUTS[kind.name].changes))
    if isinstance(asked, tuple):
        if not changed:
            raise UsageError(
                f"no input is a photo or a recording, so nothing can be augmented ({', '.join(asked)})",
                fix="leave --augment out",
            )
        if strange := [name for name in asked if name not in known]:
            raise UsageError(f"'{strange[0]}' is no augmentation of a {nouns}", fix=f"choose some of {','.join(known)}")
        return Choice("augmentation", asked, "as asked")
    if not changed:
        return None
    if asked == "none":
        return Choice("augmentation", (), "as asked")
    fixed = [f for f in data.targets if not f.traits.augmentable]
    bearable = [name for name in known if all(name in f.traits.stays_true_of for f in fixed)]
    if fixed and bearable:
        return Choice("augmentation", tuple(bearable), f"what '{fixed[0].name}' is stays the same under these")
    if fixed:
        reason = f"'{fixed[0].name}' is {fixed[0].traits.noun}, which may change with the {nouns}"
        return Choice("augmentation", (), f"{reason}; where it does not: --augment {','.join(known[:2])}")
    # Of photos the trunk has a say, and what they show; of recordings every change is made.
    photos = any(kind.pictures for kind in changed)
    why_not = mirror_doubt(data, seed) if photos else ""
    left = {"mirror"} if why_not else set()
    left |= set() if hints.get("cover") or not photos else {"cover"}
    usual = "mirrored, assuming that left and right do not matter" if photos else USUAL_SOUND_CHANGES
    return Choice("augmentation", tuple(name for name in known if name not in left), why_not or usual)


def mirror_doubt(data: Dataset, seed: int) -> str:
    """Why a mirror image may not mean the same: an assumption, printed as one; empty where it is assumed to."""
    fitted = data.fitted(seed)
    if not all((fitted[f.name].state or {})["mirror"] for f in data.inputs if f.traits.pictures):
        return "not mirrored, as left and right may matter: not colour photos"
    labels = {str(v).lower() for v in data.label_values()}
    # Letters and digits: a mirrored b is a d, a mirrored 2 is nothing.
    signs = {v for v in labels if v in GLYPHS or len(v) == 1 or v.isdigit()}
    return f"not mirrored, as left and right may matter: labels such as '{min(signs)}'" if signs else ""


def solved_choice(data: Dataset, output: type[Output], folds: int, heads: int, asked: bool | None) -> Choice | None:
    """The classical model that the network begins with; None where none suits.

    Raises:
        UsageError: where one is asked for that can't be.
    """
    found = solved_for(data.inputs, data.targets, output)
    if found is None:
        if asked:
            what = f"there is no solved part for {join_words({f.kind for f in data.inputs})}"
            raise UsageError(what, fix="leave --solved out")
        return None
    name, why = found
    if asked is None and not part_named(name).usual(data.inputs):
        return None
    if asked is False:
        return Choice("solved part", NO_PART, f"as asked; the usual one is {name}")
    if folds or heads > 1:
        option = "--folds" if folds else "--heads"
        if asked:
            raise UsageError(f"--solved and {option} can't go together", fix="leave one of them out")
        return Choice("solved part", NO_PART, f"{option} was asked for; the usual one is {name}")
    return Choice("solved part", name, why)


def reference_choice(data: Dataset, asked: bool | None, budget: Budget) -> Choice | None:
    """The classical model that the network has to beat; None where none suits or none is wanted."""
    seconds = reference_seconds(budget)
    name = None if asked is False else reference_for(data.inputs, data.targets, seconds)
    if name is None:
        return None
    reason = f"a classical model to compare with, in at most {seconds:.3g} s"
    longer = reference_for(data.inputs, data.targets)
    return Choice("reference", name, reason if name == longer else f"{reason}; {longer} from about --budget 50s on")
