"""What each stage and each input is worth: the validation score without it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..activity import Progress, activity
from ..data.batches.batch import Batch, Padded
from ..inputs import Input
from ..network import Network
from ..wording import capitalise_text, count_noun, join_words, metric_text, score_text
from .base import Part, Subject, register
from .blocks import Bars, Block, Table
from .changes.left_out import Traffic, each_taken_out, watch_stages
from .changes.replayed import keep_stages, replay_before
from .kept_examples import in_batches
from .result import Badge, Result

# Of how worth is measured: what other rules found is not read.
WORTH_RULES = 2

# Inputs that are shuffled one by one; of more, those of one kind are shuffled together.
MOST_INPUTS = 24

# Examples in a batch, of which every stage's values are kept for a while, and those on which shapes are seen. The
# shuffle is always the same one.
AT_ONCE, WATCHED, SEED = 128, 8, 0

# What is done to inputs.
SHUFFLED = "shuffled"


@dataclass(frozen=True)
class Worth:
    """What one part of a network is worth.

    Attributes:
        name: of a stage or an input. how: what was done to it. score: without it. lost, low, high: by how much
            the score is worse, and the 95% interval over examples. alike: whether it is worth most of all stages, or
            of all inputs, or differs from that one by no more than chance.
    """

    name: str
    how: str
    score: float
    lost: float
    low: float
    high: float
    alike: bool


@register("worth", "What each stage is worth", place=20, needs=("validation",))
def worth(subject: Subject) -> Result:
    """The validation score without each stage, and with each input's values shuffled among the examples.

    A stage that gives the shape it reads is left out; another one's numbers are held at their mean over the examples.
    """
    part = subject.validation
    assert part is not None
    kept = subject.facts.get("kept", subject.found)
    if "worth" not in kept:
        kept["worth"] = measure_worth(subject)
    task, score = subject.task, kept["worth"]["score"]
    all_worth = [Worth(**one) for one in kept["worth"]["parts"]]
    stages, inputs = ([one for one in all_worth if (one.how == SHUFFLED) == own] for own in (False, True))
    most = {what: most_worth(each) for what, each in (("stage", stages), ("input", inputs))}
    every = [*stages, *inputs]
    return Result(
        "worth",
        "What each stage is worth",
        _say(subject, score, most, stages, len(part)),
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


@activity("leaving out one part after the other")
def measure_worth(subject: Subject) -> dict[str, Any]:
    """The score of the whole network, and of each part what ``Worth`` says, as JSON."""
    part, network = subject.validation, copy.deepcopy(subject.network).eval()
    assert part is not None
    rows = in_batches(part, AT_ONCE)
    # Where the trunk adds nothing no stage makes a difference.
    watched = {} if subject.alone else watch_where_needed(network, part, rows)
    pieces = []
    with Progress(len(rows)) as progress:
        for own in rows:
            # Of each batch the same parts in the same order.
            pieces.append(list(answers_without(network, part, own, watched)))
            progress.advance()
    target = part.loader.targets(part.rows).numpy()
    task, weight = subject.task, part.loader.score_weights(part.rows)
    (_, _, full), *raws = [
        (*each[0][:2], torch.cat([raw for _, _, raw in each]).numpy()) for each in zip(*pieces, strict=True)
    ]
    parts: list[dict[str, Any]] = []
    for name, how, raw in raws:
        lost, low, high = map(float, task.paired_difference(full, raw, target, weight))
        own_score = float(task.measure(raw, target, weight))
        parts.append({"name": name, "how": how, "score": own_score, "lost": lost, "low": low, "high": high})
    for shuffled in (False, True):
        each = [(one, raw) for one, (_, how, raw) in zip(parts, raws, strict=True) if (how == SHUFFLED) == shuffled]
        _, top = max(each, key=lambda pair: pair[0]["lost"], default=(None, None))
        for one, raw in each:
            one["alike"] = bool(task.paired_difference(raw, top, target, weight)[1] <= 0)
    return {"score": float(task.measure(full, target, weight)), "parts": parts}


def watch_where_needed(network: Network, part: Part, rows: Sequence[np.ndarray]) -> dict[str, Traffic]:
    """What goes through each stage: on some examples, and on all where a stage is to be held at its mean."""
    found = watch_stages(network, [part.batch(rows[0][:WATCHED])])
    if all(traffic.agrees for traffic in found.values()):
        return found
    return watch_stages(network, (part.batch(own) for own in rows))


def answers_without(
    network: Network, part: Part, rows: np.ndarray, watched: dict[str, Traffic]
) -> Iterator[tuple[str, str, Tensor]]:
    """What is kept of some examples' answers (B, R), as they are predicted, of the whole network and without each part.

    Before each stand the name of the part and what was done to it.

    Args:
        watched: what goes through each stage; empty where none is to be left out.
    """
    batch = replace(part.batch(rows), solved=None)
    answers = RewrittenAnswers(network, batch) if network.decoder is not None else ReplayedAnswers(network, batch)
    yield "", "", answers.answer_whole()
    for name, traffic in each_taken_out(network, watched) if watched else ():
        how = "left out" if traffic.agrees else "held at its mean"
        yield name.removeprefix("trunk."), how, answers.answer_without(name)
    for name, i, mixed in shuffled_inputs(network, part, batch, rows):
        yield name, SHUFFLED, answers.answer_shuffled(i, mixed)


class RewrittenAnswers:
    """Answers of a network that writes texts: token by token, and anew from the start after every change."""

    def __init__(self, network: Network, batch: Batch):
        self.network, self.batch = network, batch

    def answer_whole(self) -> Tensor:  # -> (B, R)
        return self.network.output.final_answers(self.network, self.batch)

    def answer_without(self, name: str) -> Tensor:  # -> (B, R)
        """Once the stage has been left out."""
        return self.answer_whole()

    def answer_shuffled(self, i: int, mixed: Batch) -> Tensor:  # -> (B, R)
        """Of examples with other values of input ``i``."""
        return self.network.output.final_answers(self.network, mixed)


class ReplayedAnswers:
    """Answers of any other network: what comes before a change is worked out once."""

    def __init__(self, network: Network, batch: Batch):
        self.network, self.batch = network, batch
        self.both = sides_of(network, batch)
        self.kept = [keep_stages(network, side) for side in self.both]

    def answer_whole(self) -> Tensor:  # -> (B, R)
        return self._mean_of([raw for _, raw in self.kept])

    def answer_without(self, name: str) -> Tensor:  # -> (B, R)
        """Once the stage has been left out."""
        return self._answer(self._solved_sides, name)

    def answer_shuffled(self, i: int, mixed: Batch) -> Tensor:  # -> (B, R)
        """Of examples with other values of input ``i``."""
        return self._answer(sides_of(self.network, mixed), f"inputs.{i}")

    @cached_property
    def _solved_sides(self) -> list[Batch]:
        """The same examples with what the solved part says of them: no stage changes that."""
        if self.network.solved is None:
            return self.both
        with torch.no_grad():
            return [replace(side, solved=self.network.solved_answer(side)) for side in self.both]

    def _answer(self, sides: Sequence[Batch], changed: str) -> Tensor:  # -> (B, R)
        said = []
        for side, (stages, _) in zip(sides, self.kept, strict=True):
            with torch.no_grad(), replay_before(self.network, stages, changed):
                said.append(self.network(side))
        return self._mean_of(said)

    def _mean_of(self, sides: Sequence[Tensor]) -> Tensor:  # -> (B, R)
        raw = sides[0] if len(sides) == 1 else (sides[0] + sides[1]) / 2
        return self.network.output.keep(raw.float(), self.batch)


def sides_of(network: Network, batch: Batch) -> list[Batch]:
    """The examples and, where ``predict`` averages with it, their mirror image."""
    mirrored = network.mirror_batch(batch)
    return [batch, *([] if mirrored is None else [mirrored])]


def shuffled_inputs(network: Network, part: Part, own: Batch, rows: np.ndarray) -> Iterator[tuple[str, int, Batch]]:
    """Each input's name, its layer's number and examples with its values shuffled among all; of very many, each layer's
    at once.

    Channels of a series are shuffled together, as they are one example's.
    """
    mixing = np.random.default_rng(SEED).permutation(len(part))
    other = part.batch(mixing[rows])
    count = sum(len(layer.fields) for layer in network.layers)
    for i, (layer, key) in enumerate(zip(network.layers, network.input_keys(), strict=True)):
        one, two = own.inputs[key], other.inputs[key]
        if len(layer.fields) == 1 or layer.fields[0].traits.axes or count > MOST_INPUTS:
            name = join_words((field.name for field in layer.fields), 3)
            yield name, i, _with(own, key, _other_value(layer, own, other, key))
            continue
        ends = np.cumsum(layer.sizes).tolist()
        for field, size, end in zip(layer.fields, layer.sizes, ends, strict=True):
            yield field.name, i, _with(own, key, _columns_of(one, two, slice(end - size, end)))


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


def most_worth(each: Sequence[Worth]) -> list[Worth]:
    """What is worth most, and all that differs from it by no more than chance, the most first."""
    return sorted((one for one in each if one.alike), key=lambda one: -one.lost)


def _say(
    subject: Subject, score: float, most: Mapping[str, Sequence[Worth]], stages: Sequence[Worth], count: int
) -> str:
    """The score, and what it hangs on most. most: of stages and of inputs those that are worth most, alike."""
    name = metric_text(subject.task.metric)
    said = [f"On {count_noun(count, 'kept validation example')} the {name} is {score_text(score)}."]
    if subject.nothing_added:
        said.append(f"{capitalise_text(subject.nothing_added)}: no stage makes a difference.")
    said += [_say_most(what, name, each) for what, each in most.items() if each]
    idle = [one.name for one in stages if one.high <= 0 and one not in most["stage"]]
    return " ".join([*said, *([f"It is no worse without {' or '.join(idle[:3])}."] if idle else [])])


def _say_most(what: str, name: str, alike: Sequence[Worth]) -> str:
    """Which stage, or which input, is worth most; those that differ from it by chance alone share the place."""
    top = alike[0]
    if not top.low > 0:
        done = "Shuffling" if what == "input" else "Leaving out"
        one = f"any single {what}" if len(alike) > 1 else top.name
        return f"{done} {one} makes no significant difference."
    if len(alike) == 1:
        return f"The most important {what} is {top.name}: {top.how}, the {name} is {score_text(top.score)}."
    ends = list(dict.fromkeys(score_text(one.score) for one in (top, alike[-1])))
    changed = "with any one of them shuffled" if what == "input" else "without any one of them"
    return (
        f"The most important {what}s are {join_words((one.name for one in alike), 4)} (no significant difference "
        f"between them): {changed}, the {name} is {' to '.join(ends)}."
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
