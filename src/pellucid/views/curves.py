"""The answer as each column of a row is moved over the values that it has in kept examples.

S values that a column is swept over, n kept rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..data import Examples
from ..inputs.base import repeat_value
from ..network import has_no_positions
from ..wording import number_text
from .attribution.hiding import references
from .attribution.variants import Sample, answers, own_sample, take_rows, variants
from .base import Part, Subject, register
from .blocks import Bars, Block, Curves
from .result import Badge, Result

# Columns that are drawn, values of each, other rows whose curves stand beside, and values that are marked as data.
MOST_COLUMNS, STEPS, OTHER_ROWS, RUG = 30, 16, 20, 100

# Kept rows whose values a column is swept over.
KEPT = 256


def suits(subject: Subject) -> str | None:
    if any(has_no_positions(layer) for layer in subject.network.layers):
        return None
    return "it needs a table: the example has no columns"


@register(
    "curves",
    "The answer as each column moves",
    place=70,
    needs=("example", "answer", "training"),
    suits=suits,
    asked=True,
)
def curves(subject: Subject) -> Result:
    """One curve a column, the most important first: by how far the answer moves over its values."""
    sample, explained = own_sample(subject), subject.explained
    assert subject.training is not None
    found = [
        sweep_column(subject, subject.training, sample, i, k)
        for i, layer in enumerate(subject.network.layers)
        if has_no_positions(layer)
        for k in range(len(layer.fields))
    ]
    found = [one for one in found if len(one["answer"]) > 1]
    spans = np.array([float(np.ptp(one["answer"])) * abs(explained.scale) for one in found])
    names = [one["name"] for one in found]
    order = np.argsort(-spans, kind="stable")[:MOST_COLUMNS]
    blocks = [draw_column(subject, found[k], other_curves(subject, subject.training, sample, found[k])) for k in order]
    arrays: dict[str, np.ndarray] = {"spans": spans}
    for k in order:
        arrays[f"answer.{names[k]}"] = np.asarray(explained.to_units(found[k]["answer"]))
    if not found:
        said = "no column has two different values among kept examples"
    else:
        far = f"it moves by {number_text(float(spans[order[0]]), 3)} over its values"
        said = f"'{names[order[0]]}' moves it most: {far}"
    return Result(
        "curves",
        "The answer as each column moves",
        f"Of {len(found):,} columns, with all others as they are in this row, {said}. The answer is {explained.noun}.",
        Badge("exact", "Forward passes with one value changed; what they say of values far from the data is a guess."),
        blocks,
        arrays,
        method="The row again and again with another value in one column; of other kept rows the same, thin.",
        paper="Goldstein et al., 2015 (individual conditional expectation)",
        caption="The mark is this row; ticks on the axis are kept training rows, and where there are none the network "
        "has seen nothing.",
    )


@torch.no_grad()
def sweep_column(subject: Subject, part: Part, sample: Sample, i: int, k: int) -> dict[str, Any]:
    """The answers to the example over the values that one column has in kept rows, and what that takes."""
    network = subject.network
    layer, key = network.layers[i], network.input_keys()[i]
    kept = references(subject, part, i, KEPT)
    rows = part.rows[np.linspace(0, len(part) - 1, len(kept)).round().astype(int)]
    values, text = raw_values(part.data, layer.fields[k].name, layer.fields[k], rows)
    chosen = chosen_rows(values, text)
    mask = torch.zeros(len(chosen), len(layer.swapped), dtype=torch.bool)
    mask[:, k] = True
    other = take_rows(kept, torch.from_numpy(chosen))

    moved = layer.swap_fields(repeat_value(sample.batch.inputs[key], len(chosen)), other, mask)
    answer = answers(network, variants(sample.batch, len(chosen), {key: moved}), sample.index)
    own = None
    if sample.data is not None:
        raw, _ = raw_values(sample.data, layer.fields[k].name, layer.fields[k], np.array([sample.row]))
        own = raw[0]
    about = {"name": layer.fields[k].name, "x": values[chosen], "words": text, "own": own, "rug": values}
    return {**about, "answer": answer, "layer": i, "other": other, "mask": mask}


@torch.no_grad()
def other_curves(subject: Subject, part: Part, sample: Sample, one: dict[str, Any]) -> np.ndarray:  # -> (n, S)
    """The same of some other kept rows; none of columns of words, which have no line."""
    steps = len(one["mask"])
    if one["words"]:
        return np.zeros((0, steps))
    network, i = subject.network, one["layer"]
    rows = np.linspace(0, len(part) - 1, min(OTHER_ROWS, len(part))).round().astype(int)
    every = torch.arange(len(rows)).repeat_interleave(steps)
    inputs = {key: take_rows(value, every) for key, value in part.batch(rows).inputs.items()}
    key = network.input_keys()[i]
    other = take_rows(one["other"], torch.arange(steps).repeat(len(rows)))
    inputs[key] = network.layers[i].swap_fields(inputs[key], other, one["mask"].repeat(len(rows), 1))
    return answers(network, variants(sample.batch, len(every), inputs), sample.index).reshape(-1, steps)


def raw_values(data: Examples, name: str, field: Any, rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """The values of a column as people read them, numbers where they are some; and whether they are words."""
    stored = data.stored_values(name)
    if field.traits.amount:
        return np.asarray(stored.arrays["value"][rows], np.float64), False
    return np.array([str(field.traits.show(stored, int(row))) for row in rows], object), True


def chosen_rows(values: np.ndarray, text: bool) -> np.ndarray:
    """Which rows' values to sweep over: quantiles of numbers, one of each word, the commonest first."""
    if text:
        _, first, count = np.unique(values.astype(str), return_index=True, return_counts=True)
        return first[np.argsort(-count, kind="stable")][:STEPS]
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return known
    order = known[np.argsort(values[known], kind="stable")]
    picked = order[np.linspace(0, len(order) - 1, min(STEPS, len(order))).round().astype(int)]
    # Equal values once.
    return picked[np.unique(values[picked], return_index=True)[1]]


def draw_column(subject: Subject, one: dict[str, Any], others: np.ndarray) -> Block:
    explained = subject.explained
    answer = np.asarray(explained.to_units(one["answer"]))
    if one["words"]:
        own = f"; this row: {one['own']}" if one["own"] is not None else ""
        return Bars(f"{one['name']}{own}", [str(x) for x in one["x"]], answer.tolist(), explained.noun)
    each = {"this row": answer.tolist()}
    each |= {f"other row {n + 1}": np.asarray(explained.to_units(b)).tolist() for n, b in enumerate(others)}
    mark = None
    if one["own"] is not None and np.isfinite(one["own"]):
        mark = (float(one["own"]), float(explained.to_units(float(subject.raw[explained.index]))), "this row")
    rug = one["rug"][np.isfinite(one["rug"])][:RUG].tolist()
    return Curves(one["name"], one["x"].tolist(), each, one["name"], explained.noun, rug, mark)
