"""Which field spoke for the answer: each swapped with kept training examples, as Shapley shares it out.

P players: columns, and photos, texts, series as wholes; R references, examples that stand in the example's stead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..inputs.base import example_count, repeat_value, usual_value
from ..network import Network
from ..tasks.explained import Explained
from ..wording import capitalise_text, end_sentence, number_text
from .attribution.badges import FEW_NUMBERS, Map, MapsOf, checked_badge
from .attribution.hiding import OTHERS, other_reference, references
from .attribution.place_blocks import strongest
from .attribution.variants import Sample, each_answers, input_numbers, own_sample, take_rows, variants
from .base import Part, Subject, register
from .blocks import Bars
from .reading import missing_names
from .result import Badge, Result

# Forward passes, and input numbers that pass, at most; references at least and at most.
MOST_PASSES, MOST_NUMBERS, LEAST, MOST = 6000, 4_000_000, 4, 64

# Of the largest share, below which one is rounding.
ROUNDING = 1e-6

# References of the test's maps, of them where examples have many numbers, and bars that are drawn.
TEST_REFERENCES, DEAR_REFERENCES, MOST_BARS = 4, 2, 40


def suits(subject: Subject) -> str | None:
    if len(players_of(subject.network)) > 1:
        return None
    return "the example has one field alone: see 'pixels'"


@dataclass(frozen=True)
class Player:
    """One of what is swapped: the number of its input layer, its place there, its name."""

    layer: int
    place: int
    name: str


def players_of(network: Network) -> list[Player]:
    return [Player(i, k, name) for i, layer in enumerate(network.layers) for k, name in enumerate(layer.swapped)]


@register("fields", "Which field spoke for it", place=45, needs=("example", "answer", "training"), suits=suits)
def fields(subject: Subject) -> Result:
    """What each field adds to the answer beside the mean answer to training examples; they add up to it."""
    sample, explained, network = own_sample(subject), subject.explained, subject.network
    assert subject.training is not None
    players = players_of(network)
    found = swap_fields(network, sample, players, every_reference(subject, subject.training, MOST), MOST)
    values, errors = found.shares * explained.scale, found.errors * abs(explained.scale)
    # What is left of answers that are the same is rounding, of float32.
    rounding = abs(values) < ROUNDING * abs(values).max(initial=0.0)
    values, errors = (np.where(rounding, 0.0, one) for one in (values, errors))
    gone = missing_names(subject)
    names = [f"{player.name} (missing)" if player.name in gone else player.name for player in players]
    base, answer = (float(explained.to_units(v)) for v in (found.base, found.base + found.shares.sum()))
    alone = f"{end_sentence(subject.nothing_added)} " if subject.nothing_added else ""
    return Result(
        "fields",
        "Which field spoke for it",
        f"{alone}{capitalise_text(explained.noun)} is {number_text(answer, 4)}; for kept training examples it "
        f"is {number_text(base, 4)} on average. Of the difference, {strongest(names, values)}.",
        fields_badge(subject),
        [field_bars(names, values, errors, explained)],
        {"shares": values, "errors": errors, "base": np.array(base), "answer": np.array(answer)},
        method="Shapley sampling: fields of the example take the place of a training example's one after the other, in "
        "random orders and the same backwards; each gets the mean of what the answer moves by.",
        paper="Štrumbelj & Kononenko, 2014",
        caption=f"Beside {found.references} kept training examples; whiskers are 95% intervals. The shares and the "
        "mean add up to the answer.",
    )


def field_bars(names: list[str], values: np.ndarray, errors: np.ndarray, explained: Explained) -> Bars:
    order = np.argsort(-abs(values), kind="stable")[:MOST_BARS]
    low, high = (values - 1.96 * errors)[order], (values + 1.96 * errors)[order]
    caption = f"What each field adds to {explained.noun}: above zero for it, below against"
    return Bars(caption, [names[k] for k in order], values[order].tolist(), "adds", "", low.tolist(), high.tolist())


def fields_badge(subject: Subject) -> Badge:
    return checked_badge(subject, "fields", tested_maps(subject), hidden_by_fields(subject), "fields")


# ---------------------------------------------------------------- the shares


@dataclass(frozen=True)
class FieldShares:
    """Raw: what each field adds (P,), the standard errors (P,), the mean answer to the references, and how many."""

    shares: np.ndarray
    errors: np.ndarray
    base: float
    references: int


def every_reference(subject: Subject, part: Part, most: int) -> dict[str, Any]:
    """Encoded values of all inputs of some kept examples."""
    return {key: references(subject, part, i, most) for i, key in enumerate(subject.network.input_keys())}


def swap_fields(
    network: Network, sample: Sample, players: list[Player], others: Mapping[str, Any], most: int
) -> FieldShares:
    """The share of each field: complete, as each reference is walked from to the example in whole steps.

    Args:
        others: encoded values of at least so many references as are taken, at most ``most``.
    """
    return each_swap([network], sample, players, others, most)[0]


def each_swap(
    networks: Sequence[Network], sample: Sample, players: list[Player], others: Mapping[str, Any], most: int
) -> list[FieldShares]:
    """The same of networks that differ in what comes after their hidden layers; all else is worked out once."""
    there = example_count(next(iter(others.values())))
    passes = min(MOST_PASSES, MOST_NUMBERS // max(input_numbers(sample.batch), 1))
    count = max(min(LEAST, most, there), min(most, there, passes // (2 * (len(players) + 1))))
    chosen = np.linspace(0, there - 1, count).round().astype(np.int64)
    rng, steps = np.random.default_rng(0), np.arange(len(players) + 1)[:, None]
    orders = [order for _ in range(count) for order in both_ways(rng.permutation(len(players)))]
    # Before step k of an order its first k fields are the example's own, the others the reference's.
    swapped = np.concatenate([np.argsort(order)[None] >= steps for order in orders])  # (2 R (P + 1), P)
    every = swapped_answers(networks, sample, players, others, np.repeat(chosen, 2 * len(steps)), swapped)
    return [_shares_of(said.reshape(count, 2, len(steps)), np.array(orders)) for said in every]


def _shares_of(walks: np.ndarray, orders: np.ndarray) -> FieldShares:  # (R, 2, P + 1), (2 R, P)
    count, _, steps = walks.shape
    moved = np.zeros((count, 2, steps - 1))
    np.put_along_axis(moved, orders.reshape(moved.shape), np.diff(walks, axis=2), 2)
    moved, starts = moved.mean(1), walks[:, :, 0].mean(1)
    errors = moved.std(0, ddof=1) / count**0.5 if count > 1 else np.zeros(steps - 1)
    return FieldShares(moved.mean(0), errors, float(starts.mean()), count)


def both_ways(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return order, order[::-1]


@torch.no_grad()
def swapped_answers(
    networks: Sequence[Network],
    sample: Sample,
    players: list[Player],
    others: Mapping[str, Any],
    rows: np.ndarray,
    swapped: np.ndarray,
) -> np.ndarray:  # (S,), (S, P) bool -> (N, S)
    """Answers to the example, each time with some fields of one of the others."""
    changed, network = {}, networks[0]
    mask, taken = torch.from_numpy(np.ascontiguousarray(swapped)), torch.from_numpy(rows)
    for i, key in enumerate(network.input_keys()):
        own = mask[:, [k for k, player in enumerate(players) if player.layer == i]]
        value = repeat_value(sample.batch.inputs[key], len(mask))
        changed[key] = network.layers[i].swap_fields(value, take_rows(others[key], taken), own)
    return each_answers(networks, variants(sample.batch, len(mask), changed), sample.index)


# ---------------------------------------------------------------- the test


def tested_maps(subject: Subject) -> MapsOf:
    def make_maps(networks: Sequence[Network], sample: Sample) -> list[Map]:
        assert subject.training is not None
        others = every_reference(subject, subject.training, MOST)
        most = TEST_REFERENCES if input_numbers(sample.batch) < FEW_NUMBERS else DEAR_REFERENCES
        every = each_swap(networks, sample, players_of(networks[0]), others, most)
        return [Map(found.shares, found.shares, signed=True) for found in every]

    return make_maps


def hidden_by_fields(subject: Subject) -> Any:
    """Answers with some fields hidden: by what is usual in training, or by one validation example's."""
    network = subject.network
    players, keys = players_of(network), network.input_keys()

    def answer_hidden(sample: Sample, hidden: np.ndarray, fill: str) -> np.ndarray:  # (S, P) -> (S,)
        assert subject.training is not None
        assert subject.validation is not None
        filler: dict[str, Any] = {}
        for i, key in enumerate(keys):
            if fill == "mean":
                filler[key] = usual_value(references(subject, subject.training, i, OTHERS))
            else:
                filler[key] = other_reference(subject, subject.validation, i, sample)
        return swapped_answers([network], sample, players, filler, np.zeros(len(hidden), np.int64), hidden)[0]  # type: ignore[no-any-return]

    return answer_hidden
