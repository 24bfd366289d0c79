"""Kept examples beside a result: their pictures, and what else is said of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..data.batches.batch import Batch
from ..fields import Field
from ..network import Network
from .base import Part, Subject
from .nearest import answer_text, plain_answer, true_texts

# Of what an example holds, fields that are said, and characters of each.
MOST_FIELDS, MOST_CHARS = 3, 60


def picture_input(network: Network) -> tuple[str, Field] | None:
    """The key and the field of the first input that is pixels; None where there is none."""
    for layer, key in zip(network.layers, network.input_keys(), strict=True):
        if layer.fields[0].traits.pictures:
            return key, layer.fields[0]
    return None


def pictures_of(network: Network, batch: Batch) -> list[np.ndarray | None]:
    """The photo of each example, (H, W, C) uint8; None of each where the network reads no photos."""
    found = picture_input(network)
    if found is None:
        return [None] * len(batch.rows)
    key, field = found
    return list(field.traits.decode(np.asarray(batch.inputs[key]), field.state or {}))


def example_lines(part: Part, row: int) -> list[str]:
    """What an example holds beside pictures, a few fields of it; ``row`` counts in ``part.rows``."""
    lines: list[str] = []
    for field in part.data.inputs:
        if field.traits.pictures or len(lines) == MOST_FIELDS:
            continue
        shown = field.traits.show(part.data.stored_values(field.name), int(part.rows[row]))
        if isinstance(shown, str):
            text = shown if len(shown) <= MOST_CHARS else shown[: MOST_CHARS - 1] + "…"
            lines.append(text if field.traits.prose else f"{field.name}: {text}")
    return lines


def answer_lines(subject: Subject, part: Part, rows: Sequence[int]) -> list[list[str]]:
    """Of some kept examples the network's answer and what was right; ``rows`` count in ``part.rows``."""
    if not len(rows):
        return []
    with torch.no_grad():
        raw = subject.network.output.final_answers(subject.network, part.batch(rows))
    says = [answer_text(plain_answer(one)) for one in subject.task.decode(raw.numpy())]
    true, (answer, right) = true_texts(subject, part, np.asarray(rows, int)), subject.task.answer_words
    return [[f"{answer}: {said}", *([f"{right}: {true[k]}"] if true else [])] for k, said in enumerate(says)]


def in_batches(part: Part, most: int = 256) -> list[np.ndarray]:
    """All rows of a part, counted in ``part.rows``, in batches that memory holds."""
    size = max(1, min(part.loader.at_once, most))
    return [np.arange(start, min(start + size, len(part))) for start in range(0, len(part), size)]


def three_ways(values: np.ndarray, each: int = 9) -> list[tuple[str, Sequence[int]]]:
    """Rows with the highest values, some at random and those with the lowest (Borowski 2021), none of them twice.

    >>> three_ways(np.array([3.0, 1.0, 2.0]), each=1)
    [('highest', [0]), ('at random', [2]), ('lowest', [1])]
    """
    each = min(each, max(1, len(values) // 3))
    order = np.argsort(-values, kind="stable")
    high, low, rest = order[:each], order[max(each, len(order) - each) :][::-1], order[each : len(order) - each]
    some = np.random.default_rng(0).permutation(rest)[:each]
    found = [("highest", high.tolist()), ("at random", some.tolist()), ("lowest", low.tolist())]
    return [(what, rows) for what, rows in found if rows]
