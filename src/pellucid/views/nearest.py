"""Which training examples the network finds most like this one: near by what its output layer reads.

n examples, D numbers that the output layer reads of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..activity import Progress
from ..data.batches.batch import Batch
from ..network import Network
from ..wording import number_text, plain_text
from .attribution.place_blocks import is_photo
from .attribution.variants import spread
from .base import Part, Subject, answers_alone, register
from .blocks import Block, Gallery
from .result import Badge, Result

# Examples that are shown with the same and with another answer, and lines of each.
SHOWN, MOST_LINES, MOST_LETTERS = 3, 6, 120

# Kept examples that are looked through at most.
LOOKED = 512


def suits(subject: Subject) -> str | None:
    if subject.network.output.need().every:
        return "its output layer answers at every position"
    if subject.alone and subject.example is not None and solved_vectors(subject.network, subject.example) is None:
        return subject.nothing_added
    return None


@register("nearest", "The nearest training examples", place=60, needs=("example", "answer", "training"), suits=suits)
def nearest(subject: Subject) -> Result:
    """Three kept training examples that are nearest with the same answer, and three with another."""
    part, network = subject.training, subject.network
    assert part is not None
    assert subject.example is not None
    rows = spread(len(part), LOOKED)
    vectors, raw = read_examples(network, part, rows)
    own, _ = pooled_and_answer(network, subject.example)
    likeness = cosines(vectors, own[0])
    order = np.argsort(-likeness, kind="stable")
    # The example itself may have been kept.
    if subject.data is part.data:
        order = order[part.rows[rows[order]] != int(subject.example.rows[0])]
    same = has_same_answer(subject, raw)
    groups = {"the same": order[same[order]][:SHOWN], "another": order[~same[order]][:SHOWN]}
    blocks: list[Block] = [
        gallery_of(subject, part, rows[chosen], likeness[chosen], raw[chosen], f"Nearest with {which} answer")
        for which, chosen in groups.items()
        if len(chosen)
    ]
    reader = "the solved part" if subject.alone else "the output layer"
    return Result(
        "nearest",
        "The nearest training examples",
        said_of_nearest(part, rows, groups, likeness),
        Badge("exact", "Distances between the vectors that answers are made from, of every kept training example."),
        blocks,
        {"likeness": likeness, **{f"{which} answer": part.rows[rows[chosen]] for which, chosen in groups.items()}},
        method=f"The cosine between two vectors that {reader} makes answers from, each number less its mean and in "
        "units of its spread over kept training examples.",
        paper="Nguyen et al., 2021 (near examples help people at least as much as maps)",
        caption="Answers are the network's; what is true of each is said beside it.",
    )


def said_of_nearest(part: Part, rows: np.ndarray, groups: dict[str, np.ndarray], likeness: np.ndarray) -> str:
    said = []
    for which, chosen in groups.items():
        if len(chosen):
            title, near = part.title(int(rows[chosen[0]])), number_text(float(likeness[chosen[0]]), 2)
            said.append(f"the nearest with {which} answer is {title} (likeness {near}, where 1 is the same)")
        else:
            said.append(f"no kept example has {which} answer")
    text = "; ".join(said)
    return f"Of {len(rows):,} kept training examples, {text}."


# ---------------------------------------------------------------- distances


def solved_vectors(network: Network, batch: Batch) -> Tensor | None:  # -> (B, F)
    """What the solved part reads, where it answers alone: what hidden layers find alike says nothing of its answers."""
    if network.solved is None or not answers_alone(network):
        return None
    with torch.no_grad():
        return network.solved.read_vectors(batch)


@torch.no_grad()
def pooled_and_answer(network: Network, batch: Batch) -> tuple[Tensor, Tensor]:  # -> (B, D), (B, R)
    """What the output layer reads, averaged with the mirror image's where answers are, and the raw answers."""
    if (solved := solved_vectors(network, batch)) is not None:
        return solved, network.predict(batch).float()
    both = [batch, *filter(None, [network.mirror_batch(batch)])]
    vectors = []
    for one in both:
        x = network.output_input(one).x
        # Channels that are read apart are examples of their own, and heads have a vector each.
        vectors.append(x.reshape(len(batch), -1))
    return torch.stack(vectors).mean(0), network.predict(batch).float()


def read_examples(network: Network, part: Part, rows: np.ndarray) -> tuple[Tensor, np.ndarray]:  # -> (n, D), (n, R)
    size = min(part.loader.at_once, 128)
    pieces = [rows[start : start + size] for start in range(0, len(rows), size)]
    found = []
    with Progress(len(pieces)) as progress:
        for piece in pieces:
            found.append(pooled_and_answer(network, part.batch(piece)))
            progress.advance()
    return torch.cat([v for v, _ in found]), torch.cat([raw for _, raw in found]).numpy()


def cosines(vectors: Tensor, own: Tensor) -> np.ndarray:  # (n, D), (D,) -> (n,)
    mean, std = vectors.double().mean(0), vectors.double().std(0, unbiased=False)
    # A unit that never varies tells nothing.
    scale = torch.where(std > 1e-9, 1 / std.clamp_min(1e-9), 0.0)
    every, one = (vectors.double() - mean) * scale, (own.double() - mean) * scale
    return (every @ one / (every.norm(dim=1) * one.norm()).clamp_min(1e-12)).numpy()


def has_same_answer(subject: Subject, raw: np.ndarray) -> np.ndarray:  # (n, R) -> (n,) bool
    """Whether the network answers as it does of this example: the same words, or a number within a tenth of the spread
    of its answers."""
    index, own = subject.explained.index, subject.raw.numpy()
    kind = subject.network.output.fields[0].traits
    if kind.classed:
        says = subject.task.decode(np.concatenate([own[None], raw]))
        words = [plain_answer(one) for one in says]
        return np.array([word == words[0] for word in words[1:]])
    return np.abs(raw[:, index] - own[index]) <= 0.1 * max(float(raw[:, index].std()), 1e-12)


def plain_answer(said: dict[str, Any]) -> Any:
    """What a prediction says, without how sure it is."""
    return next(iter(said.values()))


# ---------------------------------------------------------------- the drawing


def gallery_of(
    subject: Subject, part: Part, rows: np.ndarray, likeness: np.ndarray, raw: np.ndarray, caption: str
) -> Gallery:
    says = [answer_text(plain_answer(one)) for one in subject.task.decode(raw)]
    true = true_texts(subject, part, rows)
    lines = []
    for k, row in enumerate(rows):
        about = [f"likeness {number_text(float(likeness[k]), 2)}", f"answer: {says[k]}"]
        lines.append([*about, *([f"true: {true[k]}"] if true else []), *value_lines(subject.network, part, int(row))])
    pixels = [pixels_of(subject.network, part, int(row)) for row in rows]
    return Gallery(caption, [part.title(int(row)) for row in rows], pixels, lines)


def answer_text(value: Any) -> str:
    if isinstance(value, list):
        # Of a forecast the first steps.
        more = "…" if len(value) > 4 else ""
        return ", ".join(answer_text(v) for v in value[:4]) + more or "none"
    if isinstance(value, dict):
        return answer_text(next(iter(value.values())))
    return number_text(value, 4) if isinstance(value, float) else plain_text(value)


def true_texts(subject: Subject, part: Part, rows: np.ndarray) -> list[str]:
    if part.loader.target is None:
        return []
    return [answer_text(v) for v in subject.task.decode_target(part.loader.targets(part.rows[rows]).numpy())]


def pixels_of(network: Network, part: Part, row: int) -> np.ndarray | None:
    """The photo of a kept example; None where it has none."""
    for layer, key in zip(network.layers, network.input_keys(), strict=True):
        if is_photo(layer):
            return part.batch([row]).inputs[key][0].numpy()  # type: ignore[index,no-any-return]
    return None


def value_lines(network: Network, part: Part, row: int) -> list[str]:
    """The values of an example that can be read, column by column."""
    found = []
    for field in (field for layer in network.layers for field in layer.fields):
        if field.traits.tabular or field.traits.prose:
            if field.traits.moments:
                continue
            shown = field.traits.show(part.data.stored_values(field.name), int(part.rows[row]))
            if isinstance(shown, str):
                text = shown if len(shown) <= MOST_LETTERS else f"{shown[:MOST_LETTERS]}…"
                found.append(f"{field.name}: {text}")
    more = len(found) - MOST_LINES
    return [*found[:MOST_LINES], *([f"and {more} more columns"] if more > 0 else [])]
