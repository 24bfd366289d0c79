"""One weight opened: why it would move, how the loss depends on it, and the optimizer's step."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from ..activity import Progress
from ..data.batches.batch import Batch
from ..errors import PellucidError, UsageError
from ..network import Network
from ..wording import count_noun, number_text
from .anatomy import stage_address
from .base import Part, Subject, register
from .blocks import Block, Curves, Table
from .changes.replayed import keep_stages, replay_before
from .result import Badge, Result
from .sums.addresses import find_weight
from .sums.gradient_terms import GradientTerms, gradient_terms, largest_terms
from .sums.next_step import Step, next_step

# Kept training examples that the loss is the mean of, and terms of the gradient that are listed.
EXAMPLES, TERMS = 64, 12

# Of long sequences fewer examples, so that there are about so many positions.
POSITIONS = 8192

# Values of the weight at which the loss is worked out.
POINTS = 11

PAPER = "Rumelhart, Hinton and Williams, 1986"

# Of all that is added up, by which the sum of the terms may differ from float32's.
TOLERANCE = 1e-5


@register("weight", "One weight opened", place=210, needs=("training",), asked=True)
def weight(subject: Subject, name: str = "") -> Result:
    """∂L/∂w = Σ δ·a of one weight with its largest terms, the loss around it, and the optimizer's next step.

    Args:
        name: ``trunk.layer2.first.weight[17,3,1,1]``: a tensor and a place in it, counted from 0.
    """
    if not name:
        raise UsageError("there is no weight to look at", fix='say which: --weight "output.layer.weight[0,3]"')
    parameter, index = find_weight(subject.network, name)
    part = subject.training
    assert part is not None
    if part.loader.target is None:
        raise PellucidError("a weight needs examples whose answer is known, and the kept ones have none")
    rows = chosen_rows(part)
    batch = part.batch(rows)
    network = copy_to_learn(subject.network)
    terms = gradient_terms(network, batch, parameter, index)
    at, losses = losses_around(network, batch, parameter, index)
    step = next_step(subject, batch, parameter, index)
    value = network.get_parameter(parameter)[index].item()
    titles = [part.title(int(row)) for row in rows]
    address = f"{stage_address(parameter)}[{','.join(map(str, index))}]"
    return Result(
        "weight",
        f"Weight {address}",
        say_weight(value, terms, step),
        terms_badge(terms),
        [_terms_block(terms, titles), curve_block(value, terms, at, losses), *_step_blocks(step)],
        {
            "weight": np.array(value), "gradient": np.array(terms.slope), "terms": terms.products,
            "deltas": terms.deltas, "values": terms.values, "at": at, "losses": losses,
            "tangent": terms.loss + terms.slope * (at - value),
            "step": np.array([step.before, step.after]), "step_losses": np.array([step.loss_before, step.loss_after]),
        },
        method=method_text(len(rows)),
        paper=PAPER,
        caption="The loss says how wrong the answers are: training moves every weight against its slope, the gradient.",
    )  # fmt: skip


def terms_badge(terms: GradientTerms) -> Badge:
    """Exact where the terms add up to the gradient."""
    reason = f"The terms add up to autograd's gradient: off by {terms.residual:.1e} of all that is added up."
    return Badge("exact" if terms.residual <= TOLERANCE else "failed", reason, {"relative error": terms.residual})


def method_text(count: int) -> str:
    return f"Backpropagation on {count_noun(count, 'kept training example')}, dropout and augmentation off."


def chosen_rows(part: Part) -> np.ndarray:
    """The kept examples that the loss is the mean of: the first ``EXAMPLES``, fewer of long sequences."""
    rows = np.arange(min(EXAMPLES, len(part)))
    lengths = part.loader.lengths
    longest = 1 if lengths is None else int(lengths[part.rows[rows]].max())
    return rows[: max(8, POSITIONS // max(longest, 1))]


def copy_to_learn(network: Network) -> Network:
    """A copy in evaluation mode whose parameters all take gradients."""
    other = copy.deepcopy(network).eval()
    for p in other.parameters():
        p.requires_grad_(True)
        p.grad = None
    return other


def losses_around(
    network: Network, batch: Batch, parameter: str, index: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:  # -> (11,), (11,)
    """The loss of a batch at values of one weight around its own, which is the middle one and stays."""
    tensor = network.get_parameter(parameter)
    value = tensor[index].item()
    spread = float(tensor.detach().std()) if tensor.numel() > 1 else 0.0
    reach = max(spread, abs(value)) or 0.1
    at = value + reach * np.linspace(-1, 1, POINTS)
    stages, _ = keep_stages(network, batch)
    with torch.no_grad(), replay_before(network, stages, parameter), Progress(len(at)) as progress:
        kept, losses = tensor[index].clone(), []
        for one in at:
            tensor[index] = one
            losses.append(float(network.loss(batch)))
            progress.advance()
        tensor[index] = kept
    return at, np.array(losses)


def say_weight(value: float, terms: GradientTerms, step: Step) -> str:
    """What one weight does and why it moves, in plain sentences."""
    if terms.slope == 0:
        way = "has no effect on the loss of these examples: its gradient is 0"
    else:
        more = "rise" if terms.slope > 0 else "fall"
        way = f"has the gradient {number_text(terms.slope)}: made larger, it would make the loss {more}"
    moved = step.after - step.before
    direction = "stays where it is" if moved == 0 else f"moves by {number_text(moved)}"
    matrix = (
        f" It moves with its whole matrix of {step.together:,} weights (Muon), so no formula of it alone holds."
        if step.together
        else ""
    )
    return f"The weight is {number_text(value)} and {way}. In {step.whose}, it {direction}.{matrix}"


def _terms_block(terms: GradientTerms, titles: list[str]) -> Table:
    rows: list[list[Any]] = []
    products = terms.products
    chosen = largest_terms(terms, TERMS)
    for i in chosen:
        where = f", {terms.places[i]}" if terms.places[i] else ""
        rows.append([titles[int(terms.examples[i])] + where, float(terms.deltas[i]), float(terms.values[i]),
                     float(products[i])])  # fmt: skip
    rest = len(products) - len(chosen)
    if rest:
        rows.append([f"{rest:,} more", None, None, float(products.sum() - products[list(chosen)].sum())])
    rows.append(["sum: the gradient", None, None, float(products.sum())])
    caption = (
        "What each example adds to the gradient; the weight is part of no weighted sum, so there is no a."
        if terms.whole
        else "The gradient is a sum over examples and positions: δ says how the loss would change with the sum that "
        "the weight is part of, a is what the weight was multiplied by there."
    )
    return Table(caption, ("from", "δ", "a", "δ · a"), rows)


def curve_block(value: float, terms: GradientTerms, at: np.ndarray, losses: np.ndarray) -> Curves:
    tangent = terms.loss + terms.slope * (at - value)
    return Curves(
        "The loss of these examples if only this weight were another; the straight line has the gradient as its slope.",
        at.tolist(),
        {"loss": losses.tolist(), "tangent": tangent.tolist()},
        "the weight",
        "loss",
        mark=(value, terms.loss, "now"),
    )


def _step_blocks(step: Step) -> list[Block]:
    whose = "" if step.same else " These are not the weights that answer, which are the best or the averaged ones."
    rows: list[list[Any]] = [
        ["the weight", step.before, step.after, step.after - step.before],
        ["loss of these examples, all weights moved", step.loss_before, step.loss_after,
         step.loss_after - step.loss_before],
    ]  # fmt: skip
    blocks: list[Block] = [
        Table(f"Made on a copy: {step.whose}. Learning rate {number_text(step.rate)}.{whose}",
              ("", "before", "after", "change"), rows)
    ]  # fmt: skip
    if step.formula:
        blocks.append(
            Table("The step by AdamW's formula (Loshchilov and Hutter, 2019).", ("", "number"),
                  [list(one) for one in step.formula])
        )  # fmt: skip
    return blocks
