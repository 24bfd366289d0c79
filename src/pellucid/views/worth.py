"""What each stage and each input is worth: the validation score without it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch, Padded
from ..inputs import Input
from ..network import Network
from ..wording import capitalise_text, count_noun, join_words, metric_text, score_text
from .base import Part, Subject, register
from .blocks import Bars, Block, Table
from .changes.left_out import each_taken_out, watch_stages
from .kept_examples import in_batches
from .result import Badge, Result

# Inputs that are shuffled one by one; of more, those of one kind are shuffled together.
MOST_INPUTS = 24

# Examples in a batch. The shuffle is always the same one.
AT_ONCE, SEED = 512, 0


@dataclass(frozen=True)
class Worth:
    """What one part of a network is worth.

    Attributes:
        name: of a stage or an input. how: what was done to it. score: without it. lost, low, high: by how much
            the score is worse, and the 95% interval over examples. raw: (n, R) the answers without it.
    """

    name: str
    how: str
    score: float
    lost: float
    low: float
    high: float
    raw: np.ndarray


@register("worth", "What each stage is worth", place=20, needs=("validation",))
def worth(subject: Subject) -> Result:
    """The validation score without each stage, and with each input's values shuffled among the examples.

    A stage that gives the shape it reads is left out; another one's numbers are held at their mean over the examples.
    """
    part, network = subject.validation, copy.deepcopy(subject.network).eval()
    assert part is not None
    batches = [replace(part.batch(rows), solved=None) for rows in in_batches(part, AT_ONCE)]
    target = part.loader.targets(part.rows).numpy()
    task, weight = subject.task, part.loader.score_weights(part.rows)
    full = raw_answers(network, batches)
    score = float(task.measure(full, target, weight))

    def weigh(name: str, how: str, raw: np.ndarray) -> Worth:
        own = float(task.measure(raw, target, weight))
        lost, low, high = task.paired_difference(full, raw, target, weight)
        return Worth(name, how, own, lost, low, high, raw)

    def alike(each: Sequence[Worth]) -> list[Worth]:
        """What is worth most, and all that differs from it by no more than chance, the most first."""
        order = sorted(each, key=lambda one: -one.lost)
        return [one for one in order if task.paired_difference(one.raw, order[0].raw, target, weight)[1] <= 0]

    stages = []
    watched = watch_stages(network, batches)
    for name, traffic in () if subject.alone else each_taken_out(network, watched):
        how = "left out" if traffic.agrees else "held at its mean"
        stages.append(weigh(name.removeprefix("trunk."), how, raw_answers(network, batches)))
    inputs = [weigh(name, "shuffled", raw_answers(network, mixed)) for name, mixed in shuffled_inputs(network, part)]
    every = [*stages, *inputs]
    return Result(
        "worth",
        "What each stage is worth",
        _say(subject, score, {"stage": alike(stages), "input": alike(inputs)}, stages, len(part)),
        Badge("exact", f"Each score is that of the network without the part, on {count_noun(len(part), 'example')}.",
              {"score": score}),
        _blocks(task, every, stages, inputs),
        {"score": np.array(score), "scores": np.array([one.score for one in every]),
         "lost": np.array([one.lost for one in every])},
        method="Ablation of each stage; permutation importance of each input (Breiman, 2001).",
        paper="Veit, Wilber and Belongie, 2016",
        caption="Stages stand in for each other: what is worth nothing alone may be worth much together with another."
        if stages else "",
    )  # fmt: skip


def raw_answers(network: Network, batches: Sequence[Batch]) -> np.ndarray:  # -> (n, R)
    """Raw answers as ``predict`` gives them."""
    with torch.no_grad():
        return torch.cat([network.output.final_answers(network, batch) for batch in batches]).numpy()


def shuffled_inputs(network: Network, part: Part) -> Iterator[tuple[str, list[Batch]]]:
    """Each input's name and the kept examples with its values shuffled among them; of very many, each layer's at once.

    Channels of a series are shuffled together, as they are one example's.
    """
    mixing = np.random.default_rng(SEED).permutation(len(part))
    rows = in_batches(part, AT_ONCE)
    own = [replace(part.batch(one), solved=None) for one in rows]
    other = [part.batch(mixing[one]) for one in rows]
    count = sum(len(layer.fields) for layer in network.layers)
    for layer, key in zip(network.layers, network.input_keys(), strict=True):
        if len(layer.fields) == 1 or layer.fields[0].traits.axes or count > MOST_INPUTS:
            name = join_words((field.name for field in layer.fields), 3)
            yield (
                name,
                [_with(one, key, _other_value(layer, one, two, key)) for one, two in zip(own, other, strict=True)],
            )
            continue
        ends = np.cumsum(layer.sizes).tolist()
        for field, size, end in zip(layer.fields, layer.sizes, ends, strict=True):
            mixed = [
                _with(one, key, _columns_of(one.inputs[key], two.inputs[key], slice(end - size, end)))
                for one, two in zip(own, other, strict=True)
            ]
            yield field.name, mixed


def _other_value(layer: Input, one: Batch, two: Batch, key: str) -> Any:
    """The encoded values of other examples, on the places of ``one`` where there is an answer at each of them."""
    return layer.fit_places(two.inputs[key], one.inputs[key]) if isinstance(one.target, Padded) else two.inputs[key]


def _with(batch: Batch, key: str, value: Any) -> Batch:
    return replace(batch, inputs={**batch.inputs, key: value})


def _columns_of(one: Tensor | Padded, two: Tensor | Padded, columns: slice) -> Tensor:
    """The values of ``one`` with some columns of ``two``."""
    assert isinstance(one, Tensor)
    assert isinstance(two, Tensor)
    mixed = one.clone()
    mixed[..., columns] = two[..., columns]
    return mixed


def _say(
    subject: Subject, score: float, most: Mapping[str, Sequence[Worth]], stages: Sequence[Worth], count: int
) -> str:
    """The score, and what it hangs on most. most: of stages and of inputs those that are worth most, alike."""
    name = metric_text(subject.task.metric)
    said = [f"On {count_noun(count, 'kept validation example')} the {name} is {score_text(score)}."]
    if subject.nothing_added:
        said.append(f"{capitalise_text(subject.nothing_added)}: no stage is worth anything.")
    said += [_say_most(what, name, each) for what, each in most.items() if each]
    idle = [one.name for one in stages if one.high <= 0 and one not in most["stage"]]
    return " ".join([*said, *([f"It is no worse without {' or '.join(idle[:3])}."] if idle else [])])


def _say_most(what: str, name: str, alike: Sequence[Worth]) -> str:
    """Which stage, or which input, is worth most; those that differ from it by chance alone share the place."""
    top = alike[0]
    if not top.low > 0:
        some = f"No {what} is" if len(alike) > 1 else f"The {what} {top.name} is not"
        return f"{some} worth anything by itself beyond chance."
    if len(alike) == 1:
        return f"The {what} worth most is {top.name}: {top.how}, the {name} is {score_text(top.score)}."
    ends = list(dict.fromkeys(score_text(one.score) for one in (top, alike[-1])))
    changed = "with any one of them shuffled" if what == "input" else "without any one of them"
    return (
        f"Worth most are the {what}s {join_words((one.name for one in alike), 4)}, which don't differ beyond chance: "
        f"{changed} the {name} is {' to '.join(ends)}."
    )


def _blocks(task: Any, every: Sequence[Worth], stages: Sequence[Worth], inputs: Sequence[Worth]) -> list[Block]:
    name = metric_text(task.metric)
    blocks: list[Block] = []
    for caption, each in (
        (f"How much worse the {name} is without each stage; the line is the 95% interval over examples.", stages),
        (f"How much worse the {name} is with each input's values shuffled among the examples.", inputs),
    ):
        if each:
            blocks.append(
                Bars(caption, [one.name for one in each], [one.lost for one in each], f"{name} lost", "",
                     [one.low for one in each], [one.high for one in each])
            )  # fmt: skip
    rows: list[list[Any]] = [[one.name, one.how, one.score, one.lost, one.low, one.high] for one in every]
    blocks.append(Table("", ("without", "how", name, "lost", "low", "high"), rows))
    return blocks
