"""One hidden unit opened: the weighted sum that it is, with its numbers, and which examples excite it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..activity import Progress
from ..data.batches.batch import Batch
from ..errors import PellucidError, UsageError
from ..wording import count_noun, number_text
from .base import Part, Subject, register
from .blocks import Block, Gallery, Sum, Table
from .kept_examples import answer_lines, example_lines, in_batches, picture_input, pictures_of, three_ways
from .result import Badge, Result
from .sums.addresses import Scene, Unit, find_unit
from .sums.cell_gates import Gate, open_cell
from .sums.head import open_head
from .sums.products import residual_of
from .sums.term_names import position_text, term_names

# Of a sum, the products that are listed.
TERMS = 12

# Kept examples in a batch.
AT_ONCE = 64

# Of what is cut out of a photo, pixels a side.
LEAST_SIDE = 5

# Of its largest part, by which a sum worked out term by term may differ from float32's.
TOLERANCE = 1e-5

PAPER = "Borowski et al., 2021: natural examples tell what excites a unit better than made ones"


@dataclass(frozen=True)
class Opening:
    """One unit opened at one place: a sentence, what is drawn, arrays, and how far its sums are off."""

    sentence: str
    blocks: list[Block]
    arrays: dict[str, np.ndarray]
    residual: float


@register("unit", "One unit opened", place=200, asked=True)
def unit(subject: Subject, name: str = "", at: str | None = None) -> Result:
    """Σ w·x + b of one unit on the example, what is made of it, and the kept examples that excite it most and least.

    Args:
        name: ``layer2.17``, ``layer1.head2``, ``output.cat``. at: the position, counted from 1: ``3`` or ``3,4``; where
            the unit is highest when left out.
    """
    if not name:
        raise UsageError("there is no unit to look at", fix="say which: --unit layer2.17")
    part = subject.training or subject.validation
    batch, title = subject.example, subject.title
    kept = None
    if batch is None:
        if not part:
            raise PellucidError("a unit needs an example to be opened on, and the run keeps none", fix="give one")
        kept = KeptUnit.of(subject, part, name)
        best = int(kept.values.argmax())
        batch, title = part.batch([best]), part.title(best)
    scene = Scene.of(subject.network, batch)
    found = find_unit(scene, name)
    place = found.highest() if at is None else place_at(scene, found, at)
    opening = open_unit(scene, found, place)
    if kept is None and part:
        kept = KeptUnit.of(subject, part, name)
    where = position_text(scene.network, found.position(place))
    on = f"On {title or 'the example'}{f', {where}' if where else ''}"
    short = found.name.removeprefix("trunk.")
    level: Any = "exact" if opening.residual <= TOLERANCE else "failed"
    reason = f"Worked out term by term, it differs from the forward pass by {opening.residual:.1e} of its largest part."
    arrays = dict(opening.arrays)
    blocks = list(opening.blocks)
    if kept is not None:
        assert part is not None
        arrays["kept"] = kept.values
        blocks.append(kept.gallery(subject, part, name))
    chosen = "the place that was asked for" if at is not None else "the place where it is highest"
    return Result(
        "unit",
        f"Unit {short}",
        f"{on}: {opening.sentence}",
        Badge(level, reason, {"relative error": opening.residual}),
        blocks,
        arrays,
        method="The forward pass itself, every product noted.",
        paper=PAPER if kept is not None else "",
        caption=f"Opened at {chosen}. w is what was learned, x what is read here." if where else "",
    )


def place_at(scene: Scene, found: Unit, at: str) -> int:
    """The flat place of a unit at a position that people typed. Raises UsageError for one that is not there."""
    asked = re.fullmatch(r"\s*\d+(\s*,\s*\d+)*\s*", at)
    places = {tuple(p + 1 for p in found.position(int(place))): int(place) for place in found.flat[0]}
    wanted = tuple(int(one) for one in at.split(",")) if asked else ()
    if wanted not in places:
        last = ",".join(map(str, max(places)))
        what = f"from {','.join('1' * len(max(places)))} to {last}" if max(places) else "no position: leave --at out"
        raise UsageError(f"'{found.name.removeprefix('trunk.')}' is at no position '{at[:40]}'", fix=f"it has {what}")
    return places[wanted]


def open_unit(scene: Scene, found: Unit, place: int) -> Opening:
    """One unit of an opened network at one place of its values."""
    if found.head:
        return Opening(*open_head(scene, found, place))
    if found.cell is not None:
        return _opening_of_cell(scene, found, place)
    value = float(found.values.detach().flatten()[place])
    opened = scene.recording.sum_behind(*found.at_place(place))
    if opened is None:
        raise PellucidError(f"'{found.name}' is made of several sums, so that no formula of one is shown")
    product = opened.product
    weights, values, sources = product.terms(opened.place)
    names, done = term_names(scene, product, sources)
    total, bias = float(product.output.detach().flatten()[opened.place]), product.bias_at(opened.place)
    after = [*opened.after, *_after_output(scene, found)]
    before = f", {' and '.join(done)} first" if done else ""
    listed = count_noun(len(names), "product")
    caption = f"What is read comes from {_origin(names)}{before}. Listed are the largest of {listed}."
    then = ", ".join(f"{word} {number_text(number)}" for word, number in opened.after)
    sentence = f"{listed} and the bias add up to {number_text(total)}" + (f"; then {then}." if then else ".")
    sentence += _largest_term(names, weights * values)
    return Opening(
        sentence,
        [sum_block(caption, names, weights, values, bias, total, after)],
        {"weights": weights, "values": values, "bias": np.array(bias), "total": np.array(total),
         "value": np.array(value)},
        residual_of(weights, values, bias, total),
    )  # fmt: skip


def _origin(names: Sequence[str]) -> str:
    """Where terms come from, without the numbers that tell them apart."""
    roots = {re.sub(r" (·|at|of) .*| \d+$", "", re.sub(r" at .*", "", name)) for name in names[:200]}
    return next(iter(roots)) if len(roots) == 1 else "what each line names"


def _largest_term(names: Sequence[str], products: np.ndarray) -> str:
    if not len(products) or not products.any():
        return ""
    largest = int(abs(products).argmax())
    return f" The largest product, {number_text(float(products[largest]))}, comes from {names[largest]}."


def _after_output(scene: Scene, found: Unit) -> list[tuple[str, float]]:
    """What is still done to an output's sum: heads joined, and what the solved part says added."""
    if found.answer is None:
        return []
    opened, index = scene.opened, found.answer
    added = []
    own = float(opened.answer[0, index])
    if scene.network.output.need().heads > 1:
        joined = own if opened.solved is None else own - float(opened.solved[0, index])
        added.append((f"joined with the other {scene.network.output.need().heads - 1} heads", joined))
    if opened.solved is not None:
        added.append(("with what the solved part says", own))
    return added


def sum_block(
    caption: str,
    names: Sequence[str],
    weights: np.ndarray,
    values: np.ndarray,
    bias: float,
    total: float,
    after: Sequence[tuple[str, float]] = (),
) -> Sum:
    """A weighted sum with its largest products; the others are added up."""
    products = weights * values
    order = np.argsort(-abs(products), kind="stable")
    top, rest = order[:TERMS], order[TERMS:]
    terms = [(names[i], float(weights[i]), float(values[i])) for i in top]
    return Sum(caption, terms, (float(products[rest].sum()), len(rest)), bias, total, list(after))


def _opening_of_cell(scene: Scene, found: Unit, place: int) -> Opening:
    cell = open_cell(scene, found, place)
    value = float(found.values.detach().flatten()[place])
    heard = cell.hears_state
    rows: list[list[Any]] = [
        [gate.name, gate.from_input, *([gate.factor * gate.from_state] if heard else []), gate.activation, gate.value]
        for gate in cell.gates
    ]
    headings = ("gate", "sum of the input", *(("sum of the state",) if heard else ()), "then", "value")
    states = Table(f"The new state: {cell.formula}.", ("state", "value"), [list(one) for one in cell.states])
    of = "the input and the old state" if heard else "the input"
    blocks: list[Block] = [Table(f"Every gate is one weighted sum of {of}.", headings, rows)]
    blocks += [states, *(_gate_block(gate, heard) for gate in cell.gates)]
    says = ", ".join(f"{gate.name} {number_text(gate.value)}" for gate in cell.gates)
    sentence = f"its gates are {says}; they make its state {number_text(value)}."
    arrays = {f"{gate.name}.{what}": own for gate in cell.gates for what, own in _gate_arrays(gate)}
    return Opening(sentence, blocks, arrays | {"value": np.array(value)}, cell.residual)


def _gate_arrays(gate: Gate) -> list[tuple[str, np.ndarray]]:
    return [("weights", gate.weights), ("values", gate.values)]


def _gate_block(gate: Gate, hears_state: bool) -> Sum:
    state = ", state are its own units before" if hears_state else ""
    times = f" The state is heard {number_text(gate.factor)} times." if gate.factor != 1 else ""
    return sum_block(
        f"{gate.name.capitalize()}: input is what is read at this step{state}.{times}",
        gate.names, gate.weights, gate.values, gate.bias, gate.total, [(gate.activation, gate.value)],
    )  # fmt: skip


# -- kept examples


@dataclass(frozen=True)
class KeptUnit:
    """A unit's highest value on every kept example, (n,) float32, and the flat position on it."""

    values: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, subject: Subject, part: Part, name: str) -> KeptUnit:
        values, places = [], []
        batches = in_batches(part, AT_ONCE)
        with Progress(len(batches)) as progress:
            for rows in batches:
                found = find_unit(Scene.of(subject.network, part.batch(rows)), name)
                best = found.each().max(1)
                values.append(best.values.numpy())
                places.append(best.indices.numpy())
                progress.advance()
        return cls(np.concatenate(values), np.concatenate(places))

    def gallery(self, subject: Subject, part: Part, name: str) -> Gallery:
        """Those with the highest values, some at random, those with the lowest; photos cut to what the unit sees."""
        chosen = three_ways(self.values)
        rows = [row for _, own in chosen for row in own]
        batch = part.batch(rows)
        pictures = pictures_of(subject.network, batch)
        boxes = seen_boxes(subject, batch, name, self.places[rows])
        titles, lines = [], []
        answers = dict(zip(rows, answer_lines(subject, part, rows), strict=True))
        for what, own in chosen:
            for row in own:
                titles.append(f"{what}: {part.title(row)}")
                value = f"value {number_text(float(self.values[row]))}"
                lines.append([value, *answers[row], *example_lines(part, row)])
        cut = [None if p is None else p[box] for p, box in zip(pictures, boxes, strict=True)]
        seen = " Photos are cut to what the unit sees of them." if any(p is not None for p in pictures) else ""
        return Gallery(
            f"Of {count_noun(len(part), 'kept example')}, those with the highest value, some at random and those with "
            f"the lowest.{seen}",
            titles, cut, lines,
        )  # fmt: skip


def seen_boxes(subject: Subject, batch: Batch, name: str, places: np.ndarray) -> list[tuple[slice, slice]]:
    """Of each photo the rows and columns that its unit's value hangs on; all of them where it is not one of photos.

    They are where the gradient is not 0.
    """
    everything = [(slice(None), slice(None))] * len(batch.rows)
    found = picture_input(subject.network)
    if found is None:
        return everything
    key, _ = found
    pixels = torch.as_tensor(batch.inputs[key]).float().requires_grad_()
    with torch.enable_grad():
        scene = Scene.of(subject.network, replace(batch, inputs={**batch.inputs, key: pixels}), gradients=True)
        unit = find_unit(scene, name)
        own = unit.flat[torch.arange(len(places)), torch.as_tensor(places)]
        total = unit.values.flatten()[own].sum()
        if not total.requires_grad:
            return everything
        (slope,) = torch.autograd.grad(total, pixels, allow_unused=True)
    return everything if slope is None else [_box_of(one) for one in slope.abs().sum(-1) > 0]


def _box_of(seen: Tensor) -> tuple[slice, slice]:  # (H, W) bool
    """The smallest box around what is seen, of ``LEAST_SIDE`` pixels a side at least."""
    if not bool(seen.any()):
        return slice(None), slice(None)
    box = []
    for axis in (1, 0):
        lines = seen.any(axis).nonzero().flatten()
        low, high, size = int(lines[0]), int(lines[-1]) + 1, seen.shape[1 - axis]
        if high - low < LEAST_SIDE:
            low = max(0, min((low + high - LEAST_SIDE) // 2, size - LEAST_SIDE))
            high = min(size, low + LEAST_SIDE)
        box.append(slice(low, high))
    return box[0], box[1]
