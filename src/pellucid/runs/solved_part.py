"""The solved part of a run's network: solved once before the first step, kept in a file of its own, scored at the end.

n examples, R numbers in a raw answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..activity import activity
from ..data.splits.grouping import score_grouping
from ..errors import PellucidError
from ..network import SOLVED_PREFIX, Network
from ..outputs import Output
from ..planning.build import planned_output, planned_solved
from ..solved import SolvedPart
from ..storage import Files, damage_error
from ..storage.forms import FormError
from ..storage.names import SOLVED
from ..training.evaluate import Answers, mean_loss, predict_raw
from ..training.loader import Loader
from ..training.sampler import Sampler
from ..training.state import check_tensors, copy_into
from ..wording import duration_text, metric_text, percent_text, score_text

if TYPE_CHECKING:
    from ..tasks.base import Task
    from .train import Trainer

# Of the time left, that solving may take: what it does not take is the trunk's.
SOLVING_SHARE = 0.5

# Why a trunk is not trained on top of a solved part.
NOT_LEFT_OUT = "no training row can be left out of it, since their steps ahead all meet"

# Of the rows that a run learns from and is scored on, what its file says of them.
ANSWERS, ROWS = "answers", "rows"


@activity("solving the part that the network begins with")
def solve_part(job: Trainer) -> SolvedPart | None:
    """Solve the planned part on the training rows, write it down, and give its answers to the loader; None for none."""
    if job.plan.solved is None:
        return None
    began, deadline = time.monotonic(), job.clock.deadline(0)
    train, others = job.split.train, np.concatenate([job.split.validation, job.split.test])
    part = planned_solved(job.plan, job.inputs, job.targets, len(train))
    if deadline is not None:
        seconds = SOLVING_SHARE * max(deadline - began, 0.0)
        settings = part.within(job.loader, train, len(train) + len(others), seconds)
        if settings != part.chosen:
            job.decisions.decide(0, "solved part", settings, f"{part.name} in about {duration_text(seconds)}")
            part = planned_solved(job.plan, job.inputs, job.targets, len(train), settings)
    part = part.to(job.device)
    task = planned_output(job.plan, job.targets).task
    sign = -1 if task.higher else 1
    answers = part.solve(
        job.loader,
        train,
        others,
        validation=job.looked.validation,
        error=lambda raw, true: sign * task.measure(raw, true),
    )
    rows = np.concatenate([train, others])
    keep_part(job.folder, part, rows, answers)
    if answers is not None:
        give_answers(job.loader, rows, answers)
    left_out = learn_left_out(job, part)
    job.record["solved"] = {
        "name": part.name,
        "chosen": part.facts(),
        "seconds": time.monotonic() - began,
        **judge_part(job, part),
        **({} if left_out == len(train) else {"left_out": left_out}),
    }
    job.listener.said(say_solved(job, part))
    if less := say_left_out(part, left_out, len(train)):
        job.listener.said(less)
    return part


def learn_left_out(job: Trainer, part: SolvedPart) -> int:
    """Let the trunk learn from those training rows alone that were left out of the part; returns how many they are."""
    rows = part.left_out(job.split.train)
    if 0 < len(rows) < len(job.split.train):
        job.sampler = Sampler(job.loader, rows, job.plan.recipe.batch_size, job.plan.seed)
    return len(rows)


def says_all_alone(job: Trainer) -> bool:
    """Whether no training row could be left out of the solved part, so that no trunk can be trained on top of it."""
    return job.solved is not None and not len(job.solved.left_out(job.split.train))


def check_more(job: Trainer) -> None:
    """Raises PellucidError for a run that training longer would not change."""
    if says_all_alone(job):
        raise PellucidError(
            f"training longer would change nothing: {NOT_LEFT_OUT}",
            where=str(job.folder.path),
            fix="train anew, with fewer steps ahead (--horizon) or without it (--no-solved)",
        )


def say_left_out(part: SolvedPart, left_out: int, train: int) -> str:
    """That the trunk learns from fewer rows than there are, in a sentence; "" where it is all of them."""
    if not left_out:
        return f"the trunk is not trained, and the {part.name} answers alone: {NOT_LEFT_OUT}"
    if left_out == train:
        return ""
    why = f"the steps ahead of the others meet with those of too many to be left out of the {part.name}"
    return f"the trunk learns from {left_out:,} of {train:,} training rows: {why}"


def judge_part(job: Trainer, part: SolvedPart) -> dict[str, Any]:
    """The part's own loss and metric on validation, as JSON."""
    output = planned_output(job.plan, job.targets)
    raw, target = solved_answers(part, output, job.loader, job.watched)
    weight = job.loader.score_weights(job.watched)
    return {
        "validation_loss": mean_loss(output, raw, target, weight),
        "validation": output.task.measure(raw, target, weight),
    }


@torch.inference_mode()
def solved_answers(part: SolvedPart, output: Output, loader: Loader, rows: np.ndarray) -> Answers:
    """What is kept of a part's answers to some rows, and their targets, on the CPU."""
    target = loader.targets(rows).cpu()
    if loader.solved is not None:
        return loader.solved[torch.from_numpy(rows).to(loader.home)].cpu(), target
    training, size = part.training, loader.at_once
    part.eval()
    parts = [torch.from_numpy(rows[start : start + size]).to(loader.home) for start in range(0, len(rows), size)]
    batches = (loader.batch(one) for one in parts)
    found = torch.cat([output.keep(part(batch).float(), batch).cpu() for batch in batches])
    part.train(training)
    return found, target


def answer_test(network: Network, loader: Loader, rows: np.ndarray) -> tuple[Answers, Tensor | None]:
    """Answers to test's ``rows`` (n,) and their targets, and what the solved part says by itself; None without one."""
    beside = network.solved is not None
    raw, true = predict_raw(network, loader, rows, final=True, beside=beside)
    own, alone = raw.chunk(2, 1) if beside else (raw, None)
    return (own, true), alone


@torch.inference_mode()
def left_out_answers(network: Network, loader: Loader, rows: np.ndarray) -> Answers:
    """The network's raw answers to training rows, each with its solved part as it is without that row; and targets."""
    assert network.solved is not None
    training, size = network.training, loader.at_once
    network.eval()
    network.solved.train()
    parts = [torch.from_numpy(rows[start : start + size]).to(loader.home) for start in range(0, len(rows), size)]
    batches = (loader.batch(one) for one in parts)
    found = torch.cat([network.output.keep(network(batch).float(), batch).cpu() for batch in batches])
    network.train(training)
    return found, loader.targets(rows).cpu()


def say_solved(job: Trainer, part: SolvedPart) -> str:
    """What the part is worth by itself, in a sentence."""
    facts, task = job.record["solved"], planned_output(job.plan, job.targets).task
    took = duration_text(facts["seconds"])
    return f"{part.name}: validation {metric_text(task.metric)} {score_text(facts['validation'])}, solved in {took}"


def keep_part(folder: Files, part: SolvedPart, rows: np.ndarray, answers: Tensor | None) -> None:
    """Write a solved part's tensors into a file of their own, and what it says of the run's rows where that is kept."""
    tensors = {name: value.cpu().contiguous().numpy() for name, value in part.state_dict().items()}
    kept = {} if answers is None else {ANSWERS: answers.contiguous().numpy(), ROWS: rows}
    folder.save_tensors(SOLVED, {**tensors, **kept}, {"name": part.name})


def restore_part(job: Trainer, network: Network) -> None:
    """Give a network its solved part back, and the loader the answers, from the run's file."""
    if network.solved is None:
        return
    tensors = read_part(job.folder)
    rows, answers = tensors.pop(ROWS, None), tensors.pop(ANSWERS, None)
    check_tensors(network.solved.state_dict(), tensors, job.folder.path / SOLVED)
    check_part(network.solved, tensors, job.folder.path)
    copy_into(network.solved.state_dict(), {name: torch.from_numpy(value) for name, value in tensors.items()})
    try:
        network.solved.check_rows(job.loader.count)
    except FormError as error:
        raise damage_error(f"it is damaged ({error})", job.folder.path / SOLVED) from None
    learn_left_out(job, network.solved)
    if rows is None or answers is None:
        return
    wanted = np.concatenate([job.split.train, job.split.validation, job.split.test])
    if not np.array_equal(rows, wanted) or answers.shape != (len(rows), network.solved.answers):
        raise damage_error("it is damaged: its answers are not those to this data", job.folder.path / SOLVED)
    give_answers(job.loader, rows, torch.from_numpy(answers))


def read_part(folder: Files) -> dict[str, np.ndarray]:
    """The tensors of a run's solved part with its rows and answers. Raises PellucidError when they are damaged."""
    tensors = folder.load_tensors(SOLVED)[0]
    if (ANSWERS in tensors) != (ROWS in tensors):
        raise damage_error("it is damaged: its answers and their rows do not belong together", folder.path / SOLVED)
    if not np.isfinite(tensors.get(ANSWERS, np.zeros(0))).all():
        raise damage_error("it is damaged: its answers are not finite", folder.path / SOLVED)
    return tensors


def check_part(part: SolvedPart, tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Raises PellucidError for values of its tensors, as they are named in its file, that no solving gives.

    Args:
        path: the run's folder, for the error.
    """
    try:
        part.check_values(tensors)
    except FormError as error:
        raise damage_error(f"it is damaged ({error})", path / SOLVED) from None


def part_tensors(folder: Files, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The tensors of a finished run's solved part by their names in its network; none where it has no such part."""
    if "solved" not in (record["network"] or {}):
        return {}
    return {SOLVED_PREFIX + name: value for name, value in read_part(folder).items() if name not in (ANSWERS, ROWS)}


def restore_answers(loader: Loader, folder: Files) -> None:
    """Give a loader the answers that a run's file keeps; nothing where it keeps none."""
    kept = read_part(folder)
    if ANSWERS in kept:
        give_answers(loader, kept[ROWS], torch.from_numpy(kept[ANSWERS]))


def give_answers(loader: Loader, rows: np.ndarray, answers: Tensor) -> None:
    """Let a loader's batches say what a solved part answers to ``rows`` (m,), in ``answers`` (m, R)."""
    every = torch.zeros(loader.count, answers.shape[1])
    every[torch.from_numpy(rows)] = answers
    loader.solved = every.to(loader.home)


def added_facts(
    job: Trainer, task: Task, rows: np.ndarray, seen: Answers, alone: Tensor | None = None
) -> dict[str, Any] | None:
    """What a record keeps of a solved part at the end: its score on the network's examples, and what the trunk added.

    Args:
        task: calibrated. rows: (n,) that were scored. seen: the network's raw answers to them, and their targets.
        alone: (n, R) the part's own, where they are known.
    """
    if job.solved is None:
        return None
    how = score_grouping(job.data, rows, job.loader.score_weights(rows))
    # Its answers are taken at their word, and the score calibrates whatever it is given.
    if alone is None:
        alone = solved_answers(job.solved, planned_output(job.plan, job.targets), job.loader, rows)[0]
    own = task.uncalibrate(alone.numpy())
    ahead = task.paired_difference(seen[0], own, seen[1], how["weight"], how["group"], how["moments"])
    return job.record["solved"] | {
        "score": task.score(own, seen[1], job.solved.name, **how).to_json(),
        "ahead": dict(zip(("value", "low", "high"), ahead, strict=True)),
    }


def say_added(facts: Mapping[str, Any] | None, task: Task) -> str:
    """What the trunk added to a solved part, in one plain sentence; empty where there was none.

    Args:
        facts: of ``added_facts``. task: of its metric; of a share points are told.
    """
    if not facts or "ahead" not in facts:
        return ""
    ahead, name, percent = facts["ahead"], facts["name"], task.percent
    value, low, high = (ahead[key] if ahead[key] is not None else float("nan") for key in ("value", "low", "high"))

    def amount(number: float) -> str:
        return f"{100 * number:.2g}" if percent else score_text(number)

    if facts.get("left_out") == 0:
        return f"The trunk was not trained, and the {name} answers alone: {NOT_LEFT_OUT}."
    if value == low == high == 0:
        return "The trunk changed nothing."
    unit = " points" if percent else ""
    span = f"({amount(low)} to {amount(high)})"
    if not task.higher:
        own = percent_text(facts["score"]["value"]) if percent else score_text(facts["score"]["value"])
        what = f"the {metric_text(task.metric)} of the {name}, {own},"
        if low > 0:
            return f"The trunk lowered {what} by {amount(value)}{unit} {span}."
        if high < 0:
            return f"The trunk raised {what} by {amount(-value)}{unit} ({amount(-high)} to {amount(-low)})."
        return f"The trunk did not lower {what} significantly: change {amount(value)}{unit} {span}."
    if low > 0:
        return f"The trunk added {amount(value)}{unit} to the {name} {span}."
    if high < 0:
        return f"The trunk made the {name} worse by {amount(-value)}{unit} ({amount(-high)} to {amount(-low)})."
    return f"The trunk made no significant difference to the {name}: {amount(value)}{unit} {span}."
