"""The loss opened: from an answer to the number that training makes small; the best and the worst of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.batches.batch import Batch
from ..wording import count_noun, number_text, percent_text
from .base import REMEDIES, Part, Subject, register
from .blocks import Block, Gallery, Table
from .kept_examples import in_batches, pictures_of
from .result import Badge, Result

# Examples that are shown of each sort, and lines of a table that opens one loss.
BEST, WORST, LINES = 3, 9, 24

# Of the loss, by which its numbers may differ from float32's.
TOLERANCE = 1e-4

# Why a loss can't be told, and what helps.
NOT_KNOWN = "the true answer of this example is not known"
REMEDIES[NOT_KNOWN] = "give it with --true, or give a table with the target's column"

METHOD = "The loss of evaluation, worked out from the raw answer."


def known_target(subject: Subject) -> Tensor | None:
    """What was right of the example, (1, ...); None where that is not known."""
    assert subject.example is not None
    target = subject.example.target
    if target is None and "target" in subject.facts:
        target = subject.facts["target"]()
    return target if isinstance(target, Tensor) else None


def _is_known(subject: Subject) -> str | None:
    if subject.example is None:
        return None
    return NOT_KNOWN if known_target(subject) is None else None


@register("loss", "The loss of this example", place=150, needs=("example", "answer"), suits=_is_known)
def loss(subject: Subject) -> Result:
    """How the example's loss comes about: logits, softmax, -log p; of numbers the squared error in their units."""
    target = known_target(subject)
    assert target is not None
    block, sentence, figures = open_example(subject, subject.raw, target)
    return Result(
        "loss", "The loss of this example", sentence, badge_of(figures), [block],
        {"loss": np.array(figures["loss"]), "raw": subject.raw.numpy()}, method=METHOD,
    )  # fmt: skip


@register("losses", "The best and the worst answers", place=60, needs=("validation",))
def losses(subject: Subject) -> Result:
    """The loss of every kept validation example: the best and the worst of them, and the worst one opened."""
    part = subject.validation
    assert part is not None
    raw, target, each = answer_kept(subject, part)
    order = np.argsort(each, kind="stable")
    worst, best = order[::-1][:WORST].tolist(), order[: min(BEST, max(0, len(each) - WORST))].tolist()
    mean, tenth = float(each.mean()), max(1, len(each) // 10)
    share = float(each[order[-tenth:]].sum() / each.sum()) if each.sum() > 0 else 0.0
    block, opened, figures = open_example(subject, raw[worst[0]], target[worst[0] : worst[0] + 1])
    kept, error = count_noun(len(part), "kept validation example"), subject.task.say_error(raw, target)
    said = f"Of {kept} {error} The mean loss is" if error else f"The mean loss of {kept} is"
    sentence = (
        f"{said} {number_text(mean)}; the worst tenth account for {percent_text(share, 0)} of it. The worst, "
        f"{part.title(worst[0])}: {opened}"
    )
    chosen = [("worst", worst), ("best", best)]
    rows = [(what, row) for what, own in chosen for row in own]
    listed: list[list[Any]] = [
        [what, part.title(row), answer_text(subject, raw[row]), truth_text(subject, target[row]), float(each[row])]
        for what, row in rows
    ]
    words = subject.task.answer_words
    blocks: list[Block] = [Table("", ("", "example", *words, "loss"), listed)]
    pictures = pictures_of(subject.network, part.batch([row for _, row in rows]))
    if any(one is not None for one in pictures):
        lines = [[f"{words[0]} {line[2]}", f"{words[1]} {line[3]}", f"loss {number_text(line[4])}"] for line in listed]
        blocks.append(Gallery("", [f"{line[0]}: {line[1]}" for line in listed], pictures, lines))
    return Result(
        "losses", "The best and the worst answers", sentence, badge_of(figures), [*blocks, block],
        {"losses": each}, method=METHOD,
        caption=subject.task.large_loss,
    )  # fmt: skip


def badge_of(figures: dict[str, float]) -> Badge:
    off = figures.get("relative error")
    if off is None:
        return Badge("exact", "The loss is the network's own; the table has the numbers that it is made of.", figures)
    reason = f"Worked out from the numbers in the table, the loss differs from the network's by {off:.1e} of it."
    return Badge("exact" if off <= TOLERANCE else "failed", reason, figures)


def open_example(subject: Subject, raw: Tensor, target: Tensor) -> tuple[Table, str, dict[str, float]]:
    """One loss as a table and a sentence, and how far it is from the network's. raw: (R,); target: (1, ...)."""
    opened = subject.task.open_loss(raw.numpy(), target[0].numpy())
    own = float(loss_of(subject, raw[None], target)[0])
    off = {} if opened.total is None else {"relative error": abs(opened.total - own) / max(abs(own), 1e-6)}
    more = len(opened.rows) - LINES
    caption = f"{opened.caption} {more:,} more are not listed." if more > 0 else opened.caption
    return Table(caption, opened.headings, opened.rows[:LINES]), opened.sentence, {"loss": own, **off}


def loss_of(subject: Subject, raw: Tensor, target: Tensor) -> Tensor:  # (n, R), (n, ...) -> (n,)
    """The network's own loss of raw answers, without weights of examples."""
    batch: Batch = Batch.of_targets(target)
    with torch.no_grad():
        return subject.network.output.losses(raw, batch)


def answer_kept(subject: Subject, part: Part) -> tuple[Tensor, Tensor, np.ndarray]:  # (n, R), (n, ...), (n,)
    """Raw answers to kept examples, as ``predict`` gives them, what was right, and the loss of each."""
    network = subject.network
    with torch.no_grad():
        # Of answers to every token of a text the sums alone, as nothing more would fit.
        raw = [network.output.final_answers(network, part.batch(rows)) for rows in in_batches(part, 512)]
    answers, known = torch.cat(raw), part.loader.targets(part.rows)
    # A text's is that of a token: else the longest texts would be the worst.
    counts = network.output.counts(Batch.of_targets(known)).numpy()
    return answers, known, loss_of(subject, answers, known).double().numpy() / np.maximum(counts, 1)


def answer_text(subject: Subject, raw: Tensor) -> str:
    """What a raw answer (R,) says, in a few words."""
    said = subject.task.decode(raw[None].numpy())[0]
    if "label" in said:
        return f"{said['label']} ({percent_text(said['probability'])})"
    if (labels := said.get("labels")) is not None:
        return ", ".join(labels) or "no label"
    if "right" in said:
        return f"{count_noun(said['right'], 'token')} right"
    values = [said] if "value" in said else list(said.values())
    return ", ".join(_number(one["value"]) for one in values)


def truth_text(subject: Subject, target: Tensor) -> str:
    """What was right, in a few words."""
    true = subject.task.decode_target(target[None].numpy())[0]
    if not isinstance(true, list):
        return _number(true)
    # Of a forecast it is the steps of one column, or a list of them for each.
    steps = subject.network.output.fields[0].traits.moments and not any(isinstance(one, list) for one in true)
    return _number(true) if steps else ", ".join(map(_number, true)) or "none"


def _number(value: Any) -> str:
    """One value; of a column's steps the first and the last."""
    if isinstance(value, list):
        ends = [_number(one) for one in (value[:1] + value[1:][-1:])]
        return " … ".join(ends)
    if value is None:
        return "missing"
    return number_text(float(value)) if isinstance(value, int | float) else str(value)
