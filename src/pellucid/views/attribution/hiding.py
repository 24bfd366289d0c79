"""Parts of an example hidden, each filled with what it would usually be or with what another example has there.

U units of an example, S variants of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...inputs.base import repeat_value
from ..base import Part, Subject
from .places import Places, places_of
from .variants import Sample, answers, spread, take_rows, variants

# Kept examples that what is usual is the mean of, and that others are taken from.
OTHERS = 16


def references(subject: Subject, part: Part, i: int, most: int) -> Any:
    """Encoded values of one input of some kept examples; gathered once."""
    role = "training" if part is subject.training else "validation"
    key = f"references {role} {i} {most}"
    if key not in subject.found:
        subject.found[key] = part.batch(spread(len(part), most)).inputs[subject.network.input_keys()[i]]
    return subject.found[key]


def other_reference(subject: Subject, part: Part, i: int, sample: Sample) -> Any:
    """Encoded values of one input of one kept example, never the sample itself."""
    rows = part.rows[spread(len(part), OTHERS)]
    at = sample.row % len(rows)
    if sample.data is part.data and rows[at] == sample.row:
        at = (at + 1) % len(rows)
    return take_rows(references(subject, part, i, OTHERS), torch.tensor([at]))


def hidden_by_places(subject: Subject, i: int) -> Any:
    """Answers with units of one input hidden, as ``badges`` asks for them; by the mean of training, and by others."""
    network = subject.network
    layer, key = network.layers[i], network.input_keys()[i]

    @torch.no_grad()
    def answer_hidden(sample: Sample, hidden: np.ndarray, fill: str) -> np.ndarray:  # (S, U) -> (S,)
        own = sample.batch.inputs[key]
        numbers = layer.as_numbers(own)
        assert numbers is not None
        covered = places_of(network, i, sample).cover(hidden)
        filler = usual_numbers(subject, sample, i) if fill == "mean" else other_numbers(subject, sample, i)
        moved = layer.hide_places(numbers.expand(len(hidden), *numbers.shape[1:]), filler, covered)
        changed = layer.with_numbers(repeat_value(own, len(hidden)), moved)
        return answers(network, variants(sample.batch, len(hidden), {key: changed}), sample.index)

    return answer_hidden


def other_numbers(subject: Subject, sample: Sample, i: int) -> Tensor:  # -> (1, *places, C)
    """What stands at each place of another example, of validation."""
    assert subject.validation is not None
    layer, own = subject.network.layers[i], sample.batch.inputs[subject.network.input_keys()[i]]
    found = layer.as_numbers(layer.fit_places(other_reference(subject, subject.validation, i, sample), own))
    assert found is not None
    return found


@torch.no_grad()
def usual_numbers(subject: Subject, sample: Sample, i: int) -> Tensor:  # -> (C,) or (1, *places, C)
    """What stands at a place on average, of kept training examples."""
    assert subject.training is not None
    layer, own = subject.network.layers[i], sample.batch.inputs[subject.network.input_keys()[i]]
    numbers = layer.as_numbers(own)
    others = layer.as_numbers(layer.fit_places(references(subject, subject.training, i, OTHERS), own))
    assert numbers is not None
    assert others is not None
    return layer.usual_numbers(numbers, others)


@torch.no_grad()
def left_out(subject: Subject, sample: Sample, places: Places) -> np.ndarray:  # -> (U,)
    """What the answer loses when each unit is left out in turn, raw."""
    network, i = subject.network, places.layer
    layer, key = network.layers[i], network.input_keys()[i]
    if not len(places):
        return np.zeros(0)
    covered = places.cover(np.eye(len(places), dtype=bool))
    changed = layer.leave_out(sample.batch.inputs[key], usual_numbers(subject, sample, i), covered)
    whole = answers(network, variants(sample.batch, 1, {}), sample.index)[0]
    return whole - answers(network, variants(sample.batch, len(places), {key: changed}), sample.index)
