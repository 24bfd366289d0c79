"""Why an answer is right or wrong: what sets it apart from the right one, and the training examples of each.

n kept training examples, R numbers in a raw answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ..tasks.explained import Explained
from ..wording import capitalise_text, count_noun, number_text, percent_text
from .attribution.place_blocks import is_photo, strongest
from .attribution.places import MOST_SQUARES, layers_with_places
from .attribution.variants import spread
from .base import Part, Subject, register
from .blocks import Block
from .loss import answer_kept, answer_text, known_target, loss_of, truth_text
from .nearest import LOOKED, cosines, gallery_of, pooled_and_answer, read_examples
from .nearest import suits as lacks_neighbours
from .result import Result
from .rivals import Apart, say_strongest

# Nearest examples that are shown of each answer, and that are counted.
SHOWN, COUNTED = 3, 10

METHOD = (
    "What each part adds to the answer, and to the other; the nearest kept training examples by what answers are made "
    "from."
)


def suits(subject: Subject) -> str | None:
    return "its output layer answers at every position" if subject.network.output.need().every else None


@register("why", "Why this answer", place=12, needs=("example", "answer", "training"), suits=suits)
def why(subject: Subject) -> Result:
    """Of classes what speaks for the answer rather than for the right one, or the next; of numbers how far it is off.

    Beside it the nearest kept training examples, of classes those of either.
    """
    return _why_class(subject) if subject.network.output.fields[0].traits.one_class else _why_off(subject)


@register("mistake", "The worst mistake, and why", place=65, needs=("answer", "validation", "training"), suits=suits)
def mistake(subject: Subject) -> Result:
    """The kept validation example with the largest loss among those answered wrong, and why it was."""
    part = subject.validation
    assert part is not None
    raw, target, each = answer_kept(subject, part)
    wrong = np.array([answered_wrong(subject, r, t) for r, t in zip(raw, target, strict=True)])
    row = int(np.where(wrong, each, -np.inf).argmax()) if wrong.any() else int(each.argmax())
    one = replace(subject, example=part.batch([row]), data=part.data, title=part.title(row))
    result = why(one)
    kept = count_noun(len(part), "kept validation example")
    if wrong.any():
        are = "is" if wrong.sum() == 1 else "are"
        first = f"Of {kept} {int(wrong.sum()):,} {are} answered wrongly; the worst is {one.title}."
    else:
        right = ", none of them answered wrongly," if subject.network.output.fields[0].traits.classed else ""
        first = f"Of {kept}{right} the largest loss is that of {one.title}."
    return replace(result, view="mistake", title="The worst mistake, and why", sentence=f"{first} {result.sentence}")


def answered_wrong(subject: Subject, raw: Tensor, target: Tensor) -> bool:  # (R,), (...)
    """Whether an answer in words is another than what is right; of numbers never."""
    if not subject.network.output.fields[0].traits.classed:
        return False
    said = next(iter(subject.task.decode(raw[None].numpy())[0].values()))
    return bool(said != subject.task.decode_target(target[None].numpy())[0])


# ---------------------------------------------------------------- classes


@dataclass(frozen=True)
class Rivals:
    """Two classes: the one that is explained, and the one it is held against; that is the right one where that is
    known and another, else what comes next. ``true`` is None where it is not known."""

    given: int
    other: int
    true: int | None
    names: Sequence[str]

    @classmethod
    def of(cls, subject: Subject) -> Rivals:
        target, raw, given = known_target(subject), subject.raw.numpy(), subject.explained.index
        true = None if target is None else int(target.flatten()[0])
        true = true if true is not None and 0 <= true < len(raw) else None
        rest = [int(k) for k in np.argsort(-raw, kind="stable") if k != given]
        return cls(given, true if true not in (None, given) else rest[0], true, list(subject.task.values))  # type: ignore[arg-type]

    def say(self, subject: Subject) -> str:
        """What the network says, and whether it is right."""
        probability = subject.task.probabilities(subject.raw.numpy()[None])[0]
        top = int(np.argmax(subject.raw.numpy()))
        given, other = (f"'{self.names[k]}' ({percent_text(float(probability[k]))})" for k in (self.given, self.other))
        if self.given != top:
            return f"You asked about {given} (compared with {other}); the network says '{self.names[top]}'."
        if self.true is None:
            return f"The true answer is not known. The network says {given}; the next is {other}."
        if self.true != self.given:
            return f"The answer is wrong: the network says {given}, and {other} is right."
        return f"The answer is right: {given}; the next is {other}."


def _why_class(subject: Subject) -> Result:
    rivals = Rivals.of(subject)
    given, other = (f"'{rivals.names[k]}'" for k in (rivals.given, rivals.other))
    apart = Apart.of(subject, (rivals.given, rivals.other), (given, other))
    margin = float(subject.raw[rivals.given] - subject.raw[rivals.other])
    said = [rivals.say(subject), say_strongest(apart.ranked(), given, other)]
    blocks = apart.draw(f"What speaks for {given} rather than for {other}: orange; blue the other way")
    if (near := Neighbours.of(subject)) is not None:
        said.append(near.say_classes(rivals))
        for k in (rivals.given, rivals.other):
            blocks += near.draw(near.of_class(k), f"The nearest training examples that are '{rivals.names[k]}'")
    return Result(
        "why",
        "Why this answer",
        " ".join(filter(None, said)),
        apart.badge,
        blocks,
        {**apart.arrays, "margin": np.array(margin)},
        method=METHOD,
        caption=f"The logit of {given} is {number_text(margin, 3)} above that of {other}. Parts are beside kept "
        f"training examples: what they all have in common is in no part.{_squares_text(subject)}",
    )


def _squares_text(subject: Subject) -> str:
    photo = any(is_photo(subject.network.layers[i]) for i in layers_with_places(subject.network))
    return f" Rows and columns are of squares, at most {MOST_SQUARES} a side." if photo else ""


# ---------------------------------------------------------------- numbers, labels, forecasts


def _why_off(subject: Subject) -> Result:
    target, task = known_target(subject), subject.task
    explained: Explained = subject.explained
    if target is not None and subject.which is None:
        explained = task.explain(subject.raw.numpy(), worst_answer(subject, target))
    apart = Apart.of(subject, (explained.index,), (explained.noun,), explained.scale)
    names, values = zip(*apart.ranked(), strict=True) if apart.ranked() else ((), ())
    said = ["The true answer is not known."] if target is None else say_error(subject, target)
    said.append(f"To {explained.noun}, {strongest(names, np.array(values))}." if names else "")
    blocks = apart.draw(f"What each part adds to {explained.noun}, beside kept training examples")
    if (near := Neighbours.of(subject)) is not None:
        said.append(near.say_truth(explained))
        blocks += near.draw(near.order[: 2 * SHOWN], "The nearest training examples, with their true values")
    return Result(
        "why", "Why this answer", " ".join(filter(None, said)), apart.badge, blocks, apart.arrays, method=METHOD,
        caption=f"{capitalise_text(explained.noun)} is what is explained; --answer names another.",
    )  # fmt: skip


def worst_answer(subject: Subject, target: Tensor) -> str:
    """The name of the number of an answer that is furthest from what is right; of labels the one with most loss."""
    task, traits = subject.task, subject.network.output.fields[0].traits
    raw, true = subject.raw.numpy(), target[0].numpy().reshape(-1)
    if traits.several_classes:
        return str(task.values[int(np.argmax(np.where(true > 0.5, -raw, raw)))])
    names = [field.name for field in task.fields]
    # Behind the steps of a forecast stand the scales of its series; how far it may be off comes behind what comes.
    count = task.horizon * len(names) if traits.moments else len(names)
    off = np.abs(raw[:count] - true[:count])
    worst = int(np.nanargmax(off)) if np.isfinite(off).any() else 0
    return f"{names[worst % len(names)]},{worst // len(names) + 1}" if traits.moments else names[worst]


def say_error(subject: Subject, target: Tensor) -> list[str]:
    """What the network says, what is right, and whether that is further off than usual."""
    words = subject.task.answer_words
    answer, true = answer_text(subject, subject.raw), truth_text(subject, target[0])
    said = [f"{capitalise_text(words[0])}: {answer}; {words[1]}: {true}."]
    traits = subject.network.output.fields[0].traits
    if traits.moments or traits.several_classes:
        said.append(subject.task.open_loss(subject.raw.numpy(), target[0].numpy()).sentence)
    part = subject.validation
    if part and part.loader.target is not None:
        *_, each = answer_kept(subject, part)
        own = float(loss_of(subject, subject.raw[None], target)[0])
        share, kept = float((each < own).mean()), count_noun(len(each), "kept validation example")
        further = f"That is further off than {percent_text(share, 0)} of {kept}."
        said.append(further if share >= 0.5 else f"{percent_text(1 - share, 0)} of {kept} are further off.")
    return said


# ---------------------------------------------------------------- neighbours


@dataclass(frozen=True)
class Neighbours:
    """Kept training examples by how alike they are to the example.

    Attributes:
        subject, part: whose, and the examples. rows: (n,) of the part. likeness, raw, target: of each. order: (n',) of
            ``rows``, the nearest first, without the example itself.
    """

    subject: Subject
    part: Part
    rows: np.ndarray
    likeness: np.ndarray
    raw: np.ndarray
    target: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, subject: Subject) -> Neighbours | None:
        """None where there is nothing to go by."""
        part = subject.training
        if not part or part.loader.target is None or subject.example is None or lacks_neighbours(subject) is not None:
            return None
        rows = spread(len(part), LOOKED)
        vectors, raw = read_examples(subject.network, part, rows)
        own, _ = pooled_and_answer(subject.network, subject.example)
        likeness = cosines(vectors, own[0])
        order = np.argsort(-likeness, kind="stable")
        if subject.data is part.data:
            order = order[part.rows[rows[order]] != int(subject.example.rows[0])]
        target = part.loader.targets(part.rows[rows]).numpy()
        return cls(subject, part, rows, likeness, raw, target.reshape(len(rows), -1), order)

    def of_class(self, index: int) -> np.ndarray:
        """The nearest that are of a class, as places in ``rows``."""
        return self.order[self.target[self.order, 0] == index][:SHOWN]

    def draw(self, chosen: np.ndarray, caption: str) -> list[Block]:
        if not len(chosen):
            return []
        rows, likeness, raw = self.rows[chosen], self.likeness[chosen], self.raw[chosen]
        return [gallery_of(self.subject, self.part, rows, likeness, raw, caption)]

    def say_classes(self, rivals: Rivals) -> str:
        """How many of the nearest are of each class."""
        near = self.target[self.order[:COUNTED], 0].astype(int)
        said, none = [], []
        for k in (rivals.given, rivals.other):
            count, name = int((near == k).sum()), rivals.names[k]
            said.append(f"{count or 'none'} {'is' if count < 2 else 'are'} '{name}'")
            none += [] if (self.target[:, 0] == k).any() else [name]
        text = f"Of the {len(near)} nearest kept training examples, {' and '.join(said)}."
        return text + "".join(f" None of all that are kept is '{name}'." for name in none)

    def say_truth(self, explained: Explained) -> str:
        """The true values of the nearest, of the number that is explained."""
        chosen = self.order[:COUNTED]
        true = self.target[chosen, explained.index]
        true = true[np.isfinite(true)]
        if not len(true):
            return ""
        first = f"Of the {count_noun(len(true), 'nearest kept training example')}"
        if self.subject.network.output.fields[0].traits.several_classes:
            return f"{first}, {int((true > 0.5).sum())} have '{explained.name}'."
        low, middle, high = (number_text(float(explained.to_units(v))) for v in np.quantile(true, (0, 0.5, 1)))
        return f"{first}, the true values range from {low} to {high}, median {middle}."
