"""What each position has of the answer: exact, where the answer is a linear map of what the trunk pools.

B batch, D width; *positions are those that the trunk returns. A mean, or the largest value, of positions is the sum of
what each has of it, and a linear map of a sum is the sum of the maps: the answer is a bias and one share a position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..network import Network, has_no_positions
from ..tasks.explained import Explained
from ..trunks import Features
from ..wording import capitalise_text, count_noun, join_words, number_text
from .attribution.place_blocks import cells_between, draw_named, draw_positions, strongest
from .attribution.places import words_of
from .attribution.variants import Sample, own_sample, turn_back
from .base import Subject, register
from .blocks import Bars, Block
from .result import Badge, Result

# Of the answer: how far rounding may leave the sum from it.
ROUNDING = 1e-5


def suits(subject: Subject) -> str | None:
    network = subject.network
    need = network.output.need()
    if subject.nothing_added:
        return subject.nothing_added
    if need.every:
        return "its output layer answers at every position"
    if network.vector or need.heads > 1:
        return "its hidden layers read the example as one vector, which has no positions: see 'fields'"
    return None


@dataclass(frozen=True)
class Shares:
    """An answer as a sum, raw.

    Attributes:
        positions: (*positions). bias: what stands without any of them. solved: what the solved part says; None without
            one. answer: as ``predict`` gives it. layer: (*positions of the only input layer), where there is one.
    """

    positions: np.ndarray
    bias: float
    solved: float | None
    answer: float
    layer: tuple[int, ...]

    @property
    def rest(self) -> float:
        """By how much the parts miss the answer."""
        return float(self.positions.sum() + self.bias + (self.solved or 0.0) - self.answer)


@register("shares", "How much each part contributes", place=30, needs=("example", "answer"), suits=suits)
def shares(subject: Subject) -> Result:
    """The answer as a bias and one share a position, which add up to it."""
    sample, explained, network = own_sample(subject), subject.explained, subject.network
    found = answer_shares(network, sample.batch, sample.index)
    values = found.positions * explained.scale
    drawn = draw_shares(network, sample, found, values, explained)
    total = float(explained.to_units(found.answer))
    constant = explained.to_units(found.bias)
    parts = {"bias": float(constant), **drawn.sums}
    if found.solved is not None:
        parts[solved_name(network)] = found.solved * explained.scale
    blocks = [*drawn.blocks, Bars("The parts that add up to it", list(parts), list(parts.values()), "share")]
    sum_text = " + ".join(f"{number_text(v, 3)} ({n})" for n, v in parts.items()).replace("+ -", "− ")
    return Result(
        "shares",
        "How much each part contributes",
        f"{capitalise_text(explained.noun)} is {number_text(total, 4)} = {sum_text}. {capitalise_text(drawn.said)}.",
        shares_badge(found, explained),
        blocks,
        {"shares": values, "bias": np.array(constant), "solved": np.array((found.solved or 0.0) * explained.scale),
         "answer": np.array(total)},
        method="The last hidden stage's features at each position, times what the output layer makes of them.",
        paper="Zhou et al., 2016 (class activation mapping)",
        caption="A position has already heard others: hidden layers before the last have mixed what stands beside it "
        f"into it. {drawn.note}".strip(),
    )  # fmt: skip


def shares_badge(found: Shares, explained: Explained) -> Badge:
    rest, size = abs(found.rest), max(1.0, abs(found.answer))
    figures = {"residual": rest * abs(explained.scale)}
    if rest <= ROUNDING * size:
        return Badge(
            "exact", f"The parts add up to the answer; the rest is {rest * abs(explained.scale):.1g}.", figures
        )
    reason = "The parts don't add up to the answer, so what comes after the hidden layers is no linear map of them"
    return Badge("failed", f"{reason}; {number_text(rest * abs(explained.scale), 3)} is missing.", figures)


# ---------------------------------------------------------------- the shares


def answer_shares(network: Network, batch: Batch, index: int) -> Shares:
    """The shares of one example, averaged with its mirror image where ``predict`` is."""
    mirrored = network.mirror_batch(batch)
    own = one_sided_shares(network, batch, index)
    if mirrored is None:
        return own
    other = one_sided_shares(network, mirrored, index)
    turned = turn_back(network, batch, other.positions) if own.layer else other.positions
    return Shares(
        (own.positions + turned) / 2,
        (own.bias + other.bias) / 2,
        None if own.solved is None or other.solved is None else (own.solved + other.solved) / 2,
        (own.answer + other.answer) / 2,
        own.layer,
    )


def one_sided_shares(network: Network, batch: Batch, index: int) -> Shares:
    with torch.no_grad():
        read = network.trunk_input(batch)
        f = network.features(batch)
        answer = float(network(batch)[0, index])
        solved = None
        if network.solved is not None:
            solved = float((network.solved(batch) if batch.solved is None else batch.solved)[0, index])
    x = f.x.detach().requires_grad_()
    raw = added_answer(network, batch, f.with_(x=x), index)
    # What a linear map of a mean, or of the largest value, makes of each position is its slope there times what stands
    # there.
    slope = torch.autograd.grad(raw, x)[0]
    with torch.no_grad():
        bias = float(added_answer(network, batch, f.with_(x=torch.zeros_like(x)), index))
    # Of channels that are read apart, each as an example of its own, all but the one that is asked about have none.
    each = (slope * x.detach()).double().sum(-1).sum(0).numpy()
    layer = tuple(read.x.shape[1:-1]) if len(network.layers) == 1 else ()
    return Shares(each, bias, solved, answer, layer)


def added_answer(network: Network, batch: Batch, f: Features, index: int) -> Tensor:  # -> ()
    """One number of what the trunk's features make, without what the solved part says."""
    pooled = f.with_(x=network.trunk.pool(f), mask=None)
    return network.output(pooled, batch)[0, index]


def solved_name(network: Network) -> str:
    return network.solved.name if network.solved is not None else ""


# ---------------------------------------------------------------- the drawing


@dataclass(frozen=True)
class Drawn:
    """Shares as people read them.

    Attributes:
        blocks: what is drawn. sums: of the answer's parts, by name. said: which have most. note: what else is to be
            known.
    """

    blocks: list[Block]
    sums: dict[str, float]
    said: str
    note: str = ""


def draw_shares(network: Network, sample: Sample, found: Shares, values: np.ndarray, explained: Explained) -> Drawn:
    caption = f"Orange speaks for {explained.noun}, blue against it"
    layers, total = network.layers, float(values.sum())
    if len(layers) > 1 or has_no_positions(layers[0]):
        names = token_names(network, values.size)
        whole = join_words([f"'{layers[i].fields[0].name}'" for i in network.parted], 3)
        note = f"Of {whole} only the share of the whole is exact: see 'pixels' for what is in it." if whole else ""
        bars = draw_named(names, values.ravel(), caption, "share")
        return Drawn([bars], {f"{len(names):,} inputs": total}, strongest(names, values.ravel()), note)
    # The one cell of a grid would cover all of it in one colour.
    alone = values.ndim == 2 and values.size == 1
    cells = cells_between(found.layer, values.shape)
    blocks = [] if alone else draw_positions(network, 0, sample, values, cells, caption)
    if layers[0].fields[0].traits.prose and sample.data is not None:
        words, of = words_of(layers[0], sample.data, sample.row)
        own, of = values[: len(of)], of[: len(values)]
        each = np.bincount(of[of >= 0], own[of >= 0], minlength=len(words))
        sums = {count_noun(len(words), "word"): float(each.sum())}
        # The network reads a mark before each text.
        said = strongest(words, each) if words else "The text is empty, so that there is no word to have a share"
        return Drawn(blocks, sums | {"marks around them": total - float(each.sum())}, said)
    sums = {count_noun(values.size, "position"): total}
    if values.size == 1:
        return Drawn(blocks, sums, "There is one position, so this doesn't say where: see 'where' or 'pixels'")
    return Drawn(blocks, sums, strongest(position_names(values.shape), values.ravel()))


def position_names(shape: tuple[int, ...]) -> list[str]:
    if len(shape) == 2:
        return [f"row {r + 1}, column {c + 1}" for r in range(shape[0]) for c in range(shape[1])]
    return [f"position {k + 1}" for k in range(shape[0])]


def token_names(network: Network, count: int) -> list[str]:
    """What each token of the last trunk stands for: a field, or a whole input with positions."""
    found: list[str] = []
    for i, layer in enumerate(network.layers):
        names = [field.name for field in layer.fields]
        found += [join_words(names, 3)] if i in network.parted else names
    # A trunk of one's own may return others than it reads.
    return found if len(found) == count else position_names((count,))
