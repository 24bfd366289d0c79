"""What one hidden unit responds to: the kept examples that drive it highest, some at random, those that drive it least.

n kept examples, D units of the trunk's last stage, R numbers in a raw answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..wording import capitalise_text, count_noun, is_or_are, join_words, number_text, percent_text
from .attribution.badges import rank_correlation
from .base import Part, Subject, register
from .blocks import Bars, Block, Gallery
from .kept_examples import answer_lines, example_lines, in_batches, pictures_of, three_ways
from .result import Badge, Result
from .telling_units import last_stage, unit_parts

# Examples that are shown of each sort, classes that are drawn, columns and words that are named.
EACH, MOST_CLASSES, MOST_NAMED = 9, 24, 3

# A chance of less than this, over all classes together, that so many of the highest are of one class.
RARE = 0.05

# Rank correlation from which on a unit is said to go with a number; examples with a word, at least.
MOVES_WITH, FEWEST_WITH_WORD = 0.3, 5


def suits(subject: Subject) -> str | None:
    if subject.nothing_added:
        return subject.nothing_added
    return None if not subject.training or stage_name(subject) else "its trunk shows no stages"


def stage_name(subject: Subject) -> str:
    """The address of the trunk's last stage; "" where it shows none."""
    part = subject.training
    assert part is not None
    names = [s.name for s in subject.network.open(part.batch([0])) if s.name.startswith("trunk.")]
    return names[-1] if names else ""


@register("stands", "What one unit responds to", place=85, needs=("answer", "training"), suits=suits, either=True)
def stands(subject: Subject) -> Result:
    """Of the unit that tells most, the kept examples that drive it highest, random ones and those that drive it least.

    It is the one that has most of the answer; of the network alone the one whose share of answers varies most.
    """
    part = subject.training
    assert part is not None
    name = stage_name(subject)
    values, parts = unit_values(subject, part, name)  # (n, D), (n, D)
    own = last_stage(subject)
    told = unit_parts(subject, own) if own is not None else parts.std(0)
    k = int(np.argmax(abs(told)))
    short = f"{name.removeprefix('trunk.')}.{k}"
    chosen = three_ways(values[:, k], EACH)
    said = [f"{short} is one number of the last hidden stage, {_why_this(subject)}.", *_say_who(subject, part, chosen)]
    goes_with = _goes_with(subject, part, values[:, k])
    said += [f"It goes with {join_words(goes_with, MOST_NAMED)}."] if goes_with else []
    if own is not None:
        here = float(own.features.x[..., k].detach().max())
        share = float((values[:, k] < here).mean())
        place = (
            f"higher than on {percent_text(share, 0)} of kept examples" if share > 0 else "lower than on any kept one"
        )
        said.append(f"Here it is {number_text(here, 3)}, {place}.")
        if here * told[k] != 0:
            way = "high" if here * told[k] > 0 else "low"
            said.append(f"{capitalise_text(way)} values of it speak for {subject.explained.noun}.")
    return Result(
        "stands",
        "What one unit responds to",
        " ".join(said),
        Badge("exact", f"Its values on {count_noun(len(part), 'kept training example')}, as the network makes them."),
        [*_class_bars(subject, part, values[:, k], short), _gallery(subject, part, values[:, k], chosen, short)],
        {"values": values[:, k], "unit": np.array(k)},
        method="The unit's highest value on each kept training example.",
        paper="Borowski et al., 2021: natural examples tell what excites a unit better than made ones",
        caption="What a unit responds to need not be what it is for. Another one: --unit " + short,
    )


def _why_this(subject: Subject) -> str:
    if subject.example is None:
        return "the one whose contribution to the answers varies most"
    return f"the one that contributes most to {subject.explained.noun}"


# ---------------------------------------------------------------- values


def unit_values(subject: Subject, part: Part, name: str) -> tuple[np.ndarray, np.ndarray]:  # -> (n, D), (n, D)
    """The highest value of each unit of a stage on each kept example, and what it has of the answer to it."""
    values, parts = [], []
    for rows in in_batches(part, 128):
        with torch.enable_grad():
            opened = subject.network.open(part.batch(rows))
            x: Tensor = opened[name].features.x  # (B, *positions, D), or (B · C, ...) of channels that are read apart
            raw = opened.answer
            index = torch.tensor([subject.task.explain(one.detach().numpy()).index for one in raw])
            total = raw[torch.arange(len(raw)), index].sum()
            slope = torch.autograd.grad(total, x, allow_unused=True)[0] if x.requires_grad else None
        each = x.detach().reshape(len(rows), -1, x.shape[-1])
        products = torch.zeros_like(each) if slope is None else (slope * x.detach()).reshape(each.shape)
        mask = opened[name].features.mask
        real = mask.reshape(len(rows), -1) if mask is not None and mask.numel() == each[..., 0].numel() else None
        shown = each if real is None else each.masked_fill(~real.unsqueeze(-1), -math.inf)
        values.append(shown.amax(1).double().numpy())
        parts.append(products.sum(1).double().numpy())
    return np.concatenate(values), np.concatenate(parts)


# ---------------------------------------------------------------- what goes with it


def true_classes(subject: Subject, part: Part) -> np.ndarray | None:  # -> (n,)
    """The class of each kept example; None where they have none, or more than one."""
    if part.loader.target is None or not subject.network.output.fields[0].traits.one_class:
        return None
    return part.loader.targets(part.rows).numpy().reshape(len(part), -1)[:, 0].astype(int)


def _say_who(subject: Subject, part: Part, chosen: Sequence[tuple[str, Sequence[int]]]) -> list[str]:
    """Which class most of those with the highest values are of, where that is no chance, and most of the lowest."""
    classes = true_classes(subject, part)
    if classes is None:
        return []
    said = []
    for what, rows in chosen:
        if what == "at random":
            continue
        own = classes[np.asarray(rows, int)]
        common = int(np.bincount(own[own >= 0], minlength=1).argmax())
        count, total = int((own == common).sum()), int((classes == common).sum())
        several = len(np.unique(classes))
        drives = f"drive it {what}"
        if chance_of(count, len(own), total, len(classes)) * several < RARE:
            name = subject.task.values[common]
            share = percent_text(total / len(classes), 0)
            which = f"{count} of the {len(own)} examples that {drives}"
            said.append(f"{which} {is_or_are(count)} '{name}' ({share} of all kept are).")
        else:
            said.append(f"No class stands out among the {len(own)} examples that {drives}.")
    return said


def chance_of(count: int, drawn: int, total: int, examples: int) -> float:
    """The chance that of so many drawn at least ``count`` are among ``total`` of all ``examples`` (hypergeometric).

    >>> round(chance_of(2, 2, 2, 4), 4)
    0.1667
    """
    ways = math.comb(examples, drawn)
    return sum(math.comb(total, k) * math.comb(examples - total, drawn - k) for k in range(count, drawn + 1)) / ways


def _goes_with(subject: Subject, part: Part, values: np.ndarray) -> list[str]:
    """Columns and words that rise or fall with a unit, in words, the strongest first."""
    found: list[tuple[float, str]] = []
    for one in part.data.inputs:
        stored = part.data.stored_values(one.name)
        if one.traits.amount and not one.traits.moments:
            column = np.asarray(stored.arrays["value"][part.rows], np.float64)
            found += _going(one.name, column, values, ("high", "low"))
        elif one.traits.prose:
            texts = [str(one.traits.show(stored, int(row))) for row in part.rows]
            found += _words_with(texts, values)
    raw = subject.network.output.fields[0].traits
    if raw.amount and not raw.moments and part.loader.target is not None:
        target = part.loader.targets(part.rows).numpy().reshape(len(part), -1)[:, 0]
        found += _going(subject.network.output.fields[0].name, target, values, ("high", "low"))
    return [text for _, text in sorted(found, key=lambda one: -one[0])[:MOST_NAMED]]


def _going(name: str, column: np.ndarray, values: np.ndarray, words: tuple[str, str]) -> list[tuple[float, str]]:
    """Whether a unit rises or falls with a column, by rank correlation over the rows that have a value."""
    known = np.isfinite(column)
    if known.sum() < FEWEST_WITH_WORD or not np.ptp(column[known]) or not np.ptp(values[known]):
        return []
    likeness = rank_correlation(column[known], values[known])
    if abs(likeness) < MOVES_WITH:
        return []
    return [(abs(likeness), f"{words[0 if likeness > 0 else 1]} '{name}' (rank correlation {likeness:.2f})")]


def _words_with(texts: Sequence[str], values: np.ndarray) -> list[tuple[float, str]]:
    """Words with which a unit is higher than without them, by how far in standard errors."""
    held: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for word in set(text.lower().split()):
            held.setdefault(word.strip(".,;:!?()\"'"), []).append(row)
    found = []
    spread = float(values.std()) or 1.0
    for word, rows in held.items():
        if len(rows) < FEWEST_WITH_WORD or len(word) < 3:
            continue
        higher = (float(values[rows].mean()) - float(values.mean())) / spread * len(rows) ** 0.5
        # Of so many words some stand far out by chance.
        if higher > math.sqrt(2 * math.log(max(len(held), 2))):
            found.append((higher / 10, f"the word '{word}'"))
    return found


# ---------------------------------------------------------------- the drawing


def _class_bars(subject: Subject, part: Part, values: np.ndarray, short: str) -> list[Block]:
    """The unit's mean value on the examples of each class."""
    classes = true_classes(subject, part)
    if classes is None:
        return []
    means = [
        (float(values[classes == k].mean()), str(subject.task.values[k])) for k in np.unique(classes[classes >= 0])
    ]
    means = sorted(means, reverse=True)[:MOST_CLASSES]
    caption = f"The mean of {short} over the kept examples of each class"
    return [Bars(caption, [name for _, name in means], [mean for mean, _ in means], "mean", signed=False)]


def _gallery(
    subject: Subject, part: Part, values: np.ndarray, chosen: Sequence[tuple[str, Sequence[int]]], short: str
) -> Gallery:
    rows = [row for _, own in chosen for row in own]
    titles = [f"{what}: {part.title(row)}" for what, own in chosen for row in own]
    answers = answer_lines(subject, part, rows)
    lines = [
        [f"value {number_text(float(values[row]), 3)}", *said, *example_lines(part, row)]
        for row, said in zip(rows, answers, strict=True)
    ]
    pixels = pictures_of(subject.network, part.batch(rows))
    return Gallery(
        f"Kept examples with the highest values of {short}, some at random, and the lowest", titles, pixels, lines
    )
