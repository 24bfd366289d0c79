"""What a network looks at, over many examples: which columns, where in photos, which words, how far back.

P columns, U units of an example; *places are the pixels, tokens or steps of an input.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..activity import activity
from ..wording import count_noun, join_words, number_text, percent_text
from . import evidence
from . import fields as columns
from .attribution.badges import FEW_NUMBERS
from .attribution.place_blocks import draw_named, is_photo, photo_pixels
from .attribution.places import layers_with_places, places_of
from .attribution.variants import Sample, input_numbers, kept_samples
from .base import Subject, register
from .blocks import Block, Curves, Picture, Table
from .result import Badge, Result

# Kept validation examples that are looked at, fewer of many numbers; words of each class that are listed.
LOOKED, LOOKED_LARGE, MOST_WORDS, MOST_CLASSES = 24, 8, 5, 12

# Of all that columns have of answers, from which on one is named.
LEAST_SHARE = 0.01

WORST_FIRST = ("failed", "suggestive", "checked", "exact")


def suits(subject: Subject) -> str | None:
    if columns.suits(subject) is None:
        return None
    if evidence.has_no_slope(subject) or not layers_with_places(subject.network):
        return "no part of its inputs has a slope, and there is one input alone"
    return None


@register("gaze", "What it looks at", place=18, needs=("answer", "training", "validation"), suits=suits)
@activity("looking at kept examples")
def gaze(subject: Subject) -> Result:
    """What each column, place or word has of the answers to kept validation examples, on average, without its sign."""
    network, part = subject.network, subject.validation
    assert part is not None
    samples = kept_samples(subject, part, LOOKED)
    if input_numbers(samples[0].batch) >= FEW_NUMBERS:
        samples = samples[:: max(1, len(samples) // LOOKED_LARGE)][:LOOKED_LARGE]
    blocks: list[Block] = []
    arrays: dict[str, np.ndarray] = {}
    said, badges = [], []
    placed = [] if evidence.has_no_slope(subject) else layers_with_places(network)
    if columns.suits(subject) is None:
        sizes = _column_sizes(subject, samples)
        names = [player.name for player in columns.players_of(network)]
        arrays["columns"] = sizes
        caption = "How much each column contributes to an answer, for or against, on average"
        blocks.append(draw_named(names, sizes, caption, "size"))
        order = np.argsort(-sizes, kind="stable")
        shares = sizes / max(float(sizes.sum()), 1e-12)
        most = [f"'{names[k]}' ({percent_text(shares[k], 0)})" for k in order[:3] if shares[k] >= LEAST_SHARE]
        said.append(f"of what sets answers apart, most hangs on {join_words(most, 3)}")
        # Where every column has places of its own, these say all that is said.
        if any(player.layer not in placed for player in columns.players_of(network)):
            badges.append(columns.fields_badge(subject))
    for i in placed:
        found = [(s, made) for s in samples if (made := _map_of(subject, i, s)) is not None]
        if not found:
            continue
        own, text, values = _draw_layer(subject, i, found)
        blocks += own
        said.append(text)
        arrays[f"places.{i}"] = values
    if placed:
        badges.append(evidence.tested_badge(subject))
    badge = min(badges, key=lambda one: WORST_FIRST.index(one.level))
    return Result(
        "gaze",
        "What it looks at",
        f"Over {count_noun(len(samples), 'kept validation example')}, {'; '.join(filter(None, said))}.",
        badge if badge.level != "exact" else Badge("suggestive", badge.reason, badge.figures),
        blocks,
        arrays,
        method="Of each example the parts of its own answer, by expected gradients for places and by Shapley sampling "
        "for columns; their sizes are averaged.",
        paper="Erion et al., 2021; Štrumbelj & Kononenko, 2014",
        caption="What it looks at on average: of a single example it may be something else.",
    )


def _column_sizes(subject: Subject, samples: list[Sample]) -> np.ndarray:  # -> (P,)
    make = columns.tested_maps(subject)
    found = [made.units for s in samples for made in make([subject.network], s) if made is not None]
    sizes = np.abs(found).mean(0) * abs(_scale(subject, samples[0]))
    # What is left of answers that are the same is rounding.
    return np.where(sizes < columns.ROUNDING * sizes.max(initial=0.0), 0.0, sizes)


def _scale(subject: Subject, sample: Sample) -> float:
    """Of an answer's raw number, to units."""
    import torch

    with torch.no_grad():
        raw = subject.network.predict(sample.batch)[0].numpy()
    return float(subject.task.explain(raw, subject.which).scale)


def _map_of(subject: Subject, i: int, sample: Sample) -> np.ndarray | None:  # -> (*places)
    (made,) = evidence.tested_places(subject, i)([subject.network], sample)
    return None if made is None or not made.size else made


def _draw_layer(
    subject: Subject, i: int, found: list[tuple[Sample, np.ndarray]]
) -> tuple[list[Block], str, np.ndarray]:
    """What is drawn of one input, what is said of it, and the mean sizes."""
    network, layer = subject.network, subject.network.layers[i]
    about = f" in '{layer.fields[0].name}'" if len(network.layers) > 1 else ""
    if layer.fields[0].traits.prose:
        return _words(subject, i, found, about)
    shapes = {made.shape for _, made in found}
    if len(shapes) > 1:
        longest = max(made.shape[0] for _, made in found)
        grown = [np.interp(np.linspace(0, 1, longest), np.linspace(0, 1, len(m)), np.abs(m)) for _, m in found]
        sizes = np.mean(grown, 0)
    else:
        sizes = np.mean([np.abs(made) for _, made in found], 0)
    if is_photo(layer):
        pixels = np.mean([photo_pixels(network, i, s) for s, _ in found], 0).round().astype(np.uint8)
        return [Picture(f"How much each pixel{about} contributes to an answer, over the mean photo", pixels, sizes)], (
            f"half of what is seen{about} lies in {percent_text(half_share(sizes), 0)} of the photo, most in "
            f"{_where(sizes)}"
        ), sizes  # fmt: skip
    axis, label = layer.place_axis(sizes.shape[0], False)
    values = sizes if sizes.ndim == 1 else sizes.reshape(len(sizes), -1).sum(1)
    curve = Curves(f"How much each step{about} contributes to an answer", axis.tolist(), {"": values.tolist()}, label)
    top = float(axis[int(values.argmax())])
    half = percent_text(half_share(values), 0)
    said = f"most hangs on what stands at {number_text(top, 3)} ({label}){about}, half on {half} of all"
    return [curve], said, values


def half_share(sizes: np.ndarray) -> float:
    """The smallest share of places that has half of all.

    >>> half_share(np.array([6.0, 2.0, 2.0, 2.0]))
    0.25
    """
    falling = np.cumsum(np.sort(sizes.ravel())[::-1])
    return float((np.searchsorted(falling, falling[-1] / 2) + 1) / sizes.size) if falling[-1] > 0 else 1.0


def _where(sizes: np.ndarray) -> str:  # (H, W)
    thirds = [np.array_split(row, 3, axis=1) for row in np.array_split(sizes, 3, axis=0)]
    mean = np.array([[one.mean() if one.size else 0.0 for one in row] for row in thirds])
    r, c = np.unravel_index(int(mean.argmax()), mean.shape)
    down, along = ("top", "middle", "bottom")[r], ("left", "middle", "right")[c]
    return "the middle" if down == along == "middle" else f"the {down} {along}"


def _words(
    subject: Subject, i: int, found: list[tuple[Sample, np.ndarray]], about: str
) -> tuple[list[Block], str, np.ndarray]:
    """The words that add most to the answers, by answer."""
    each: dict[int, dict[str, float]] = {}
    for sample, made in found:
        places = places_of(subject.network, i, sample)
        for name, value in zip(places.names, places.sums(made), strict=True):
            word = name.lower().strip(".,;:!?()\"'")
            own = each.setdefault(sample.index, {})
            own[word] = own.get(word, 0.0) + float(value) / len(found)
    names = list(getattr(subject.task, "values", ())) or [field.name for field in subject.task.fields]
    rows: list[list[Any]] = []
    said = []
    for index in sorted(each)[:MOST_CLASSES]:
        top = sorted(each[index].items(), key=lambda one: -one[1])[:MOST_WORDS]
        name = str(names[index]) if index < len(names) else str(index)
        rows += [[name, word, value] for word, value in top if value > 0]
        most = [f"'{word}'" for word, value in top[:2] if value > 0]
        said += [f"for '{name}' {join_words(most, 2)}"] if most else []
    caption = f"The words{about} that add most to each answer, their sums over the examples"
    values = np.array([row[2] for row in rows])
    spoke = f"most spoke{about} {'; '.join(said[:4])}" if said else ""
    return [Table(caption, ("answer", "word", "adds"), rows)], spoke, values
