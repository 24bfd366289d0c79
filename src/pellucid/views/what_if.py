"""What if: the answer before and after a change to the example or to the network."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..errors import PellucidError, UsageError, missing_name
from ..network import Network
from ..wording import end_sentence, join_words, number_text, percent_text
from .base import Subject, register
from .blocks import Bars, Block, Table
from .changes.changed_examples import Changed, split_value
from .changes.left_out import Traffic, take_out, trunk_stages, watch_stages
from .changes.silenced import silent_answer
from .kept_examples import in_batches
from .result import Badge, Result
from .sums.addresses import LIST_STAGES, find_weight

# Of what is answered, the values that are listed.
MOST_ANSWERS = 8

# Kept examples on which is seen whether a stage gives the shape that it reads.
SEEN = 8

Words = str | Sequence[str]


@register("what-if", "What if", place=220, needs=("example", "answer"), asked=True)
def what_if(
    subject: Subject, without: Words = (), move: str | None = None, mask: Words = (), values: Words = ()
) -> Result:
    """The answer with all of some changes at once, beside the answer without them. The network stays as it is.

    Args:
        without: stages, units and heads: ``layer3``, ``layer2.17``, ``layer1.head0``. move: "right,down" of the photo,
            pixels. mask: words, columns, or "row,column" of an 8 × 8 grid over the photo. values: ``area=90`` or
            ``output.layer.weight[0,3]=0.5``.
    """
    without, mask, values = (_several(one) for one in (without, mask, values))
    if not (without or move or mask or values):
        raise UsageError("there is nothing to change", fix="say what: --without layer3, --mask WORD, --set area=90")
    network, changed = copy.deepcopy(subject.network), Changed.of(subject)
    for text in values:
        _set_value(network, changed, text)
    for what in mask:
        changed.mask(what)
    if move:
        changed.move(move)
    units = _leave_out(subject, network, changed, without)
    before, after = subject.raw, _answer(network, changed.batch, units)
    return _result(subject, changed, before, after)


def _several(words: Words) -> list[str]:
    return [words] if isinstance(words, str) else list(words)


def _set_value(network: Network, changed: Changed, text: str) -> None:
    name, value = split_value(text, list(changed.fields()))
    if name not in changed.fields() and "[" in name:
        full, index = find_weight(network, name)
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise UsageError(f"'{value[:40]}' is no number that a weight can be")
        with torch.no_grad():
            old = network.get_parameter(full)[index].item()
            network.get_parameter(full)[index] = number
        changed.done.append(f"{name} set from {number_text(old)} to {number_text(number)}")
        return
    changed.set_value(name, value)
    changed.done.append(f"'{name}' set to {value or 'nothing'}")


def _leave_out(subject: Subject, network: Network, changed: Changed, without: Sequence[str]) -> list[str]:
    """Take stages out of the copy; the names that are left are of units."""
    stages, units = trunk_stages(network), []
    watched: dict[str, Traffic] | None = None
    for name in without:
        full = next((one for one in (name, f"trunk.{name}") if one in stages), None)
        if full is None:
            if "." not in name:
                fixed = name in ("entry", "heads", "pooled", "output", "links")
                what = "stage that can be left out" if fixed else "stage"
                raise UsageError(missing_name(what, name, _short(stages), f"{LIST_STAGES}."))
            units.append(name)
            changed.done.append(f"{name} set to 0")
            continue
        watched = watched or _watched(subject)
        traffic = watched[full]
        if not traffic.agrees and not (subject.validation or subject.training):
            raise PellucidError(
                f"'{name}' can't be left out: it changes the shape of what goes through, and the run keeps no examples"
                " whose mean could stand in for it"
            )
        take_out(stages[full], traffic)
        changed.done.append(f"{name} left out" if traffic.agrees else f"{name} held at its mean over kept examples")
    return units


def _short(names: Mapping[str, Any]) -> list[str]:
    return [name.removeprefix("trunk.") for name in names]


def _watched(subject: Subject) -> dict[str, Traffic]:
    """What goes through each stage: on kept examples, if there are any, and on few where no mean is asked for."""
    part, network = subject.validation or subject.training, copy.deepcopy(subject.network)
    assert subject.example is not None
    some = [subject.example, *([part.batch(range(min(SEEN, len(part))))] if part else [])]
    found = watch_stages(network, some)
    if part is None or all(traffic.agrees for traffic in found.values()):
        return found
    return watch_stages(network, (part.batch(rows) for rows in in_batches(part)))


def _answer(network: Network, batch: Batch, units: Sequence[str]) -> Tensor:  # -> (R,)
    """The raw answer, as ``predict`` gives it."""
    with torch.no_grad():
        if not units:
            return network.predict(batch)[0].float()
        mirrored = network.mirror_batch(batch)
        both = [silent_answer(network, one, units) for one in (batch, *([] if mirrored is None else [mirrored]))]
        return torch.stack(both).mean(0)[0].float()


def _result(subject: Subject, changed: Changed, before: Tensor, after: Tensor) -> Result:
    task, explained = subject.task, subject.explained
    old, new = (answer_values(subject, raw) for raw in (before, after))
    shares = all(one.share for one in old.values())
    order = sorted(old, key=lambda name: -max(old[name].value, new[name].value)) if shares else list(old)
    names = order[:MOST_ANSWERS]
    rows: list[list[Any]] = [[name, old[name].text, new[name].text, new[name].change_from(old[name])] for name in names]
    blocks: list[Block] = [
        Table("", ("answer", "before", "after", "change"), rows),
        Bars("Before and after the change.", [f"{name}, {when}" for name in names for when in ("before", "after")],
             [float(one[name].value * (100 if shares else 1)) for name in names for one in (old, new)],
             "probability" if shares else "answer", "%" if shares else ""),
    ]  # fmt: skip
    what = join_words(changed.done, 4)
    moved = float(after[explained.index] - before[explained.index])
    sentence = f"With {what}: {say_answers(task, before, after, old, new)}"
    odd = "".join(f" {end_sentence(one)}" for one in changed.odd)
    return Result(
        "what-if",
        "What if",
        sentence + odd,
        Badge("exact", "Both answers are the network's own.", {"change": moved}),
        blocks,
        {"before": before.numpy(), "after": after.numpy()},
        method="The network asked twice, as it is and changed." if len(changed.done) < 2 else
        "The network asked twice, as it is and with all changes together.",
        caption="It says what this network would answer, not what would happen in the world.",
    )  # fmt: skip


class AnswerValue:
    """One number of an answer as people read it; low and high: its range, where there is one."""

    def __init__(self, value: float, low: float | None = None, high: float | None = None, share: bool = False):
        self.value, self.low, self.high, self.share = value, low, high, share

    def change_from(self, old: AnswerValue) -> str:
        change = self.value - old.value
        return f"{100 * change:+.1f} points" if self.share else number_text(change)

    @property
    def text(self) -> str:
        if self.share:
            return percent_text(self.value)
        both = self.low is not None and self.high is not None and math.isfinite(self.high - self.low)
        between = f" ({number_text(self.low or 0.0)} to {number_text(self.high or 0.0)})" if both else ""
        return number_text(self.value) + between


def answer_values(subject: Subject, raw: Tensor) -> dict[str, AnswerValue]:
    """What a raw answer (R,) says: each probability, or each number with its range."""
    said = subject.task.decode(raw[None].numpy())[0]
    if "probabilities" in said:
        return {name: AnswerValue(float(p), share=True) for name, p in said["probabilities"].items()}
    names = [one.name for one in subject.network.output.fields]
    each = {names[0]: said} if len(names) == 1 else said
    if all(np.isscalar(one["value"]) for one in each.values()):
        return {name: AnswerValue(one["value"], one["low"], one["high"]) for name, one in each.items()}
    # Of a forecast the step that is explained.
    explained = subject.explained
    return {explained.noun.strip("'"): AnswerValue(float(explained.to_units(float(raw[explained.index]))))}


def say_answers(
    task: Any, before: Tensor, after: Tensor, old: Mapping[str, AnswerValue], new: Mapping[str, AnswerValue]
) -> str:
    """Both answers in a sentence."""
    if not all(one.share for one in old.values()):
        each = [f"{name} goes from {number_text(old[name].value)} to {number_text(new[name].value)}" for name in old]
        return f"{join_words(each, 3)}."
    said = [task.decode(raw[None].numpy())[0] for raw in (before, after)]
    if "label" not in said[0]:
        first, second = (", ".join(one["labels"]) or "no label" for one in said)
        return f"the labels stay {first}." if first == second else f"the labels go from {first} to {second}."
    first, second = said[0]["label"], said[1]["label"]
    if first == second:
        return f"the answer stays '{first}', from {old[first].text} to {new[first].text}."
    return f"the answer goes from '{first}' ({old[first].text}) to '{second}' ({new[second].text})."
