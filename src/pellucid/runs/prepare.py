"""``prepare``: turns what the user passed into a ``Job``, checked: what is trained, on what and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from ..data import Split
from ..data.parallel.pairs import Pairs
from ..data.sample_weights import check_parts, loss_weights
from ..dataset import Dataset, read, read_again
from ..errors import PellucidError, UsageError
from ..fields import Encoded, Field, kind_named
from ..fields.category import count_whole_numbers
from ..network import trunk_from
from ..options import FORECAST, READ, check_options
from ..outputs import OUTPUTS
from ..planning.make import make_plan
from ..planning.plan import Plan
from ..tasks.base import Task
from ..training.listeners import Listener, Remark
from ..training.loader import Loader
from ..trunks import Custom, Trunk, trunk_named
from ..wording import join_words, metric_text
from .transfer import StartingRun


@dataclass(frozen=True)
class Job:
    """What a training works on, once everything that was passed has been checked.

    Attributes:
        data, split: examples, and which of them are learned from, chosen on, scored on.
        plan: how it is trained. trunk: the hidden layers, where they are the user's own or another run's.
        options: what concerns none of these: the run's name and folder.
    """

    data: Dataset
    split: Split
    plan: Plan
    trunk: Trunk | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def prepare(data: Any, options: Mapping[str, Any], listener: Listener | None = None, *, tested: bool = True) -> Job:
    """Read the data, check the options, part the rows, plan.

    Args:
        data, options: as for ``train``. listener: hears what looks wrong in the data; without one it is not looked for.
        tested: a test set is needed.

    Raises:
        PellucidError: for whatever the user can mend.
    """
    found, rest = read_if_needed(data, options)
    found, trunk, start = resolve_start(found, rest)
    split = checked_split(found, rest, tested=tested)
    if listener is not None:
        for note in found.check(split):
            if note.level != "info":
                listener.said(Remark(str(note), note.level))
    return Job(found, split, make_plan(found, split, trunk, start, **rest), trunk, rest)


def read_if_needed(data: Any, options: Mapping[str, Any]) -> tuple[Dataset, dict[str, Any]]:
    """The data, read unless it was already, and the options that are not about reading, checked.

    Raises:
        UsageError: for options about reading beside data that has been read.
    """
    checked = check_options("train", {k: v for k, v in options.items() if v is not None})
    reading = {o.name for o in READ}
    rest = {k: v for k, v in checked.items() if k not in reading}
    if isinstance(data, Dataset):
        if late := sorted(reading & set(checked)):
            raise UsageError(
                f"{join_words(late)} must be given to pellucid.read(): this data has already been read",
                fix=f"leave {join_words(late)} out here",
            )
        return as_output_asks(data, rest.get("output")), rest
    if data is None:
        raise PellucidError("there is no data to train on", fix="name a folder or a table")
    found = as_output_asks(read(data, **{k: v for k, v in checked.items() if k in reading}), rest.get("output"))
    return found if rest.get("start") is None else keep_kind(found, StartingRun.of(rest["start"]).fields), rest


def as_output_asks(data: Dataset, output: str | None) -> Dataset:
    """The data, read again as rows where they were taken for a series and the output asked for answers a row each."""
    own = data.target
    asked = {o.name for o in FORECAST} & set(data.options)
    if output not in OUTPUTS or own is None or data.reading.forecast is None or asked:
        return data
    if OUTPUTS[output].accepts(own, data.inputs) is not None:
        return data
    return read_again(data, horizon="0")


def keep_kind(data: Dataset, fields: Sequence[Field]) -> Dataset:
    """The data, read again if need be, with a target of whole numbers taken for what it was in an earlier run.

    Args:
        fields: of that run.
    """
    # Whether whole numbers are classes or an amount is a guess when nobody says it, and later versions guess otherwise.
    before = {f.name: f.kind for f in fields if f.role == "target"}
    own, asked = data.target, data.options.get("kinds") or {}
    if own is None or own.name in asked or before.get(own.name, own.kind) == own.kind:
        return data
    if not (own.traits.plain and kind_named(before[own.name]).plain):
        return data
    if not count_whole_numbers(data.column(own.name)):
        return data
    kinds = {**asked, own.name: before[own.name]}
    return read_again(data, kinds=kinds)


def decoded_otherwise(data: Dataset, fields: Sequence[Field]) -> dict[str, Field]:
    """By name, fields of a run from an older version, which decoded large photos otherwise, not fitted yet."""
    here = data.fields
    return {
        f.name: f.with_(state=None)
        for f in fields
        if f.traits.pictures and f.name in here and "draft" in here[f.name].settings and "draft" not in f.settings
    }


def checked_split(data: Dataset, options: Mapping[str, Any], *, tested: bool = True) -> Split:
    """The data's split, checked to have something in every part, and classes to tell apart in train.

    Args:
        options: seeds and ``folds``. tested: False where there need be no test set, nor validation where
            ``folds`` of a cross-validation stand for it.

    Raises:
        PellucidError: when a part is empty, or all training examples are of one class.
    """
    target = data.need_target()
    own = options.get("split_seed")
    split = data.split(int(own if own is not None else options.get("seed") or 0))
    for part, what in (("validation", "choose the weights on"), ("test", "score them on")):
        spared = not tested and (part == "test" or options.get("folds"))
        if not len(split[part]) and not spared:
            raise PellucidError(
                f"there are no {part} examples to {what}",
                where=data.name,
                fix="give shares such as --split 0.8,0.1,0.1",
            )
    if tested and target.traits.one_class:
        stored = data.stored_values(target.name)
        classes = np.unique(stored.arrays["code"][split.train])
        if len(classes) < 2:
            only = stored.meta["values"][classes[0]]
            raise PellucidError(f"all {len(split.train):,} training examples are '{only}'", where=data.name)
    return split


def pop_custom_trunk(options: dict[str, Any]) -> Trunk | None:
    """The trunk that the user passed as ``network``, taken out of the options; None for the name of one.

    Raises:
        PellucidError: for a module that is not wrapped in ``Custom``.
    """
    network = options.get("network")
    if isinstance(network, Trunk):
        return options.pop("network")
    if isinstance(network, nn.Module):
        raise PellucidError(
            f"a {type(network).__name__} has no known width", fix="wrap it: pellucid.Custom(module, width=…)"
        )
    return None


def resolve_start(data: Dataset, options: dict[str, Any]) -> tuple[Dataset, Trunk | None, dict[str, Any] | None]:
    """What ``network`` and ``start`` bring along, taken out of the options.

    Returns:
        The data, with the fitted fields of the run to start from; the trunk, where it is the user's own or that run's;
        that run, as the plan keeps it. None for what there is not.

    Raises:
        UsageError: for a network or a size beside the one the run has.
    """
    own, run = pop_custom_trunk(options), options.pop("start", None)
    if run is None:
        return data, own, None
    start = StartingRun.of(run)
    trunk = start.fresh_trunk(own)
    asked = options.pop("network", None)
    if (asked is not None and trunk_named(asked).name != trunk.name) or options.get("size") is not None:
        raise UsageError(
            f"the network and its size come from {run}: {trunk.name}", fix="leave --network and --size out"
        )
    brought = start.adopt_fields(start.read_alike(data))
    # On the same data the split of then: what the run learned from must not come up in test.
    if brought.fingerprint() == start.record["data"]["fingerprint"] and options.get("split_seed") is None:
        options["split_seed"] = start.record["plan"]["split_seed"]
    about = {"run": str(start.path), "sha256": start.checksum, "trunk": start.trunk_config}
    about["inputs"] = start.input_settings
    # Only where there are several, so that plans of earlier versions stay what they were.
    return brought, trunk, about | ({"heads": start.heads} if start.heads > 1 else {})


def trunk_for_record(record: Mapping[str, Any], trunk: Trunk | None) -> Trunk | None:
    """The trunk of a run that has its user's own, passed again, or that of another run; None for a planned one.

    Raises:
        PellucidError: when the user's own is not passed.
    """
    if record["plan"]["network"] != Custom.name:
        start = record["plan"].get("start")
        return trunk_from(start["trunk"], None) if start else None
    if trunk is None:
        raise PellucidError(
            "this run was trained with a custom trunk, and a run folder never holds code",
            fix="pass it again: pellucid.resume(run, trunk=…) or pellucid.train(like=run, network=…)",
        )
    return trunk


def check_in_memory(options: Mapping[str, Any], like: Any) -> None:
    """Raises UsageError for options that only a run folder can have (``name``, ``out``, ``like``)."""
    given = {name: options.get(name) for name in ("name", "out")} | {"like": like}
    if extra := sorted(name for name, value in given.items() if value is not None):
        raise UsageError(f"{' and '.join(extra)} needs a run folder, and this run has none", fix="leave out save=False")


def example_weights(
    data: Dataset, split: Split, plan: Plan, target: Encoded, labels: Sequence[str]
) -> dict[str, np.ndarray | None]:
    """How much each example counts, (n,) each or None: ``weight`` in the loss, ``sample`` in scores.

    Args:
        target: (n, ...) encoded; of a category with these ``labels``.
    """
    # Weights of rows say what the data stands for, so they count in scores too; those of classes say what to learn
    # harder.
    sample, by_class = data.row_weights(), None
    if sample is not None and data.weight is not None:
        check_parts(sample, split.parts(), data.weight.name)
    if plan.class_weights is not None:
        by_class = np.array([plan.class_weights.get(label, 1.0) for label in labels])
    code, lengths = (target, None) if isinstance(target, np.ndarray) else (None, getattr(target, "lengths", None))
    return {"weight": loss_weights(sample, split.train, by_class, code, lengths), "sample": sample}


def check_metric(task: Task, loader: Loader, split: Split) -> None:
    """Raises PellucidError when the metric says nothing about a part, such as one with a single class."""
    # Of texts there is always something to be counted.
    for part in ("validation", "test") if not isinstance(loader.target, Pairs) else ():
        true = loader.targets(split[part]).cpu().numpy()
        if not len(true):
            continue
        assert loader.target is not None
        naive, _ = task.naive_answers(loader.target, split[part], split[part])
        if not math.isfinite(task.measure(naive, true)):
            raise PellucidError(
                f"{metric_text(task.metric)} can't be computed on {part}, where all {len(true):,} targets are the same",
                fix="choose another --metric, or give that set more data with --split",
            )
