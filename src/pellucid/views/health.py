"""Health: a training seen from inside, and whether it went well."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..activity import activity
from ..data.batches.batch import Batch
from ..errors import PellucidError
from ..wording import count_noun
from .base import Part, Subject, register
from .blocks import Block, Curves, Table
from .result import Badge, Result
from .training.telling_part import harm_text, telling_part
from .training.verdict import SIGNS, Verdict, judge
from .training.vitals import Course, Signs, Watched, rms, stage_of, unit_shares, vital_signs, watched_kinds

# Bytes that the insides of the examples may take, and how many examples at least and at most.
MOST_BYTES, FEWEST, MOST = 50_000_000, 16, 128

BADGE = Badge(
    "suggestive",
    "The signs are exact. The verdict follows from limits that were set on trainings of one data set and tested on "
    "those of another (bench/RESULTS.md), not on this one.",
)

# What weights are called that no step has moved: of a run with a start, and of a solved part.
FROZEN, ALONE = "the frozen trunk", " alone"

# What moves weights, for people.
MOVERS = {"adam": "AdamW", "muon": "Muon", "fixed": "kernels"}


@register("verdict", "Did training go well?", place=15, needs=("training", "validation"), either=True)
def verdict(subject: Subject) -> Result:
    """The verdict on the training, in a sentence."""
    found = judge_subject(subject)
    about = "All vital signs: pellucid inspect RUN --health."
    return Result("verdict", "Did training go well?", found.sentence, BADGE, caption=about)


@register("health", "Health", place=30, needs=("training", "validation"), asked=True)
def health(subject: Subject) -> Result:
    """The vital signs of the training, the verdict they lead to, and the courses they are from."""
    course, training, validation = examine(subject)
    signs = signs_of(subject, training, validation, course)
    found = refine(subject, judge(signs, course.recipe), validation, course)
    return Result(
        "health",
        "Health",
        found.sentence,
        BADGE,
        [
            signs_table(signs),
            *loss_curves(course),
            *update_curves(subject, course),
            stages_table(subject, validation, course),
        ],
        {"signs": np.array(list(signs.values()), np.float64)},
        method="Each step's change of the weights beside the weights; hidden units on kept examples; gradients of "
        "kept training examples.",
        paper="gradient noise: McCandlish et al., 2018",
        caption="Judged by what each optimizer intends: Muon moves a matrix much further in a step than AdamW.",
    )


def judge_subject(subject: Subject) -> Verdict:
    """The verdict alone."""
    course, training, validation = examine(subject)
    signs = signs_of(subject, training, validation, course)
    return refine(subject, judge(signs, course.recipe), validation, course)


@activity("examining the training")
def signs_of(subject: Subject, training: Batch, validation: Batch, course: Course) -> Signs:
    """The vital signs of the run's training, worked out once."""
    kept = subject.facts.get("kept", subject.found)
    if "signs" not in kept:
        kept["signs"] = vital_signs(subject.network, training, validation, course)
    return kept["signs"]  # type: ignore[no-any-return]


def examine(subject: Subject) -> tuple[Course, Batch, Batch]:
    """The course of the training, and some kept examples of training and of validation."""
    training, validation = (look_at(subject, part) for part in (subject.training, subject.validation))
    return course_of(subject), training, validation


def refine(subject: Subject, found: Verdict, validation: Batch, course: Course) -> Verdict:
    """A verdict beside what else is known: which part gives the answer away, whether anything was learned."""
    record = subject.facts["record"]
    if found.word == "leak":
        return replace(found, why=f"{harm_text(telling_part(subject.network, validation, course.naive))}. {found.why}")
    chosen, learning = (record.get("chosen") or {}).get("weights", ""), record.get("learning") or {}
    if (record.get("solved") or {}).get("left_out") == 0:
        why = "No training row could be left out of it."
        return Verdict("not_used", f"The network answers with {chosen}: no trunk was trained on top of it.", why)
    if found.word != "healthy" and learning.get("few"):
        why = f"It had {count_noun(record['steps'], 'step')}; at least {learning['enough']:,} are needed."
        return Verdict("too_short", "Training was too short to judge.", why, "Give it more time.")
    if found.word != "healthy" and (chosen == FROZEN or chosen.endswith(ALONE)):
        # Its weights are those from before the first step, which signs of a training are not for.
        why = "No later weights did better on validation."
        return Verdict("not_used", f"The network answers with {chosen}: its weights from before the first step.", why)
    if found.word == "shuffled_labels" and is_ahead(subject):
        why = f"{found.why} Still, it is better than the baseline on new examples."
        return Verdict("healthy", "Training went well, but the inputs say little about the answer.", why)
    return found


def is_ahead(subject: Subject) -> bool:
    """Whether the run's score, with its interval, is better than the baseline."""
    score, baseline = (subject.facts["record"].get(name) for name in ("score", "baseline"))
    if not score or not baseline:
        return False
    ends = score.get("low"), score.get("high")
    return all(end is not None and subject.task.is_better(end, baseline["value"]) for end in ends)


def course_of(subject: Subject) -> Course:
    """What is known of the run's training beside its network."""
    facts = subject.facts
    rows = [row for row in facts["history"]() if row.get("validation_loss") is not None]
    if not rows:
        raise PellucidError("health can't be assessed: the run has no history with a validation loss")
    history = [
        {
            name: row["step"] if name == "step" else number_or_nan(row[name])
            for name in ("step", "loss", "validation_loss")
        }
        for row in rows
    ]
    # Of a run that has not ended: the first validation loss, before the network knew anything.
    known = (facts["record"].get("learning") or {}).get("baseline_loss")
    naive = history[0]["validation_loss"] if known is None else float(known)
    watched = facts["watched"]()
    assert subject.training is not None
    return Course(
        history,
        [watched_step(row) for row in watched],
        facts["plan"].recipe,
        naive,
        len(subject.training),
        sum(row["skipped"] for row in watched),
    )


def watched_step(row: Mapping[str, Any]) -> Watched:
    """A step as the run keeps it: of the weights' move, the share of their length."""
    tensors = {
        name: (number_or_nan(own["gradient"]), own["weight"] or 0.0, (own["update"] or 0.0) * (own["weight"] or 0.0))
        for name, own in row["tensors"].items()
    }
    return Watched(row["step"], number_or_nan(row["loss"]), number_or_nan(row["gradient"]), tensors)


def number_or_nan(value: Any) -> float:
    return math.nan if value is None else float(value)


def look_at(subject: Subject, part: Part | None) -> Batch:
    """The first kept examples, so many as can be opened at once; they are spread over the answers."""
    assert part is not None
    with torch.no_grad():
        opened = subject.network.open(part.batch([0]))
    size = sum(
        value.numel() * value.element_size() for stage in opened for value in (stage.features.x, *stage.inside.values())
    )
    return part.batch(range(min(len(part), max(FEWEST, min(MOST, MOST_BYTES // max(size, 1))))))


# -- what is shown


def signs_table(signs: Signs) -> Block:
    rows = [
        [
            about.title,
            about.shown(signs[name]),
            about.usual,
            "" if about.is_usual(signs[name]) else "outside",
            about.meaning,
        ]
        for name, about in SIGNS.items()
        if math.isfinite(signs.get(name, math.nan))
    ]
    caption = (
        "Vital signs, beside what 288 small healthy trainings showed. One outside that range is not ill by itself: "
        "larger networks and other data differ."
    )
    return Table(caption, ("sign", "here", "healthy", "", "meaning"), rows)


def loss_curves(course: Course) -> list[Block]:
    rows = course.history
    x = [float(row["step"]) for row in rows]
    curves = {
        "training": [row["loss"] for row in rows],
        "validation": [row["validation_loss"] for row in rows],
        "baseline": [course.naive] * len(rows),
    }
    every = np.array([v for own in curves.values() for v in own if math.isfinite(v)])
    seen = np.nan_to_num(curves["validation"], nan=math.inf)
    if not np.isfinite(seen).any():
        return []
    best = int(seen.argmin())
    log = bool(every.min() > 0 and every.max() / every.min() > 20)
    mark = (x[best], curves["validation"][best], "lowest on validation")
    return [Curves("Loss, beside the baseline's.", x, curves, "step", "loss", mark=mark, log=log)]


def update_curves(subject: Subject, course: Course) -> list[Block]:
    """How far each step moved the weights, by what moves them: the median of their tensors."""
    kinds = watched_kinds(subject.network, course)
    curves: dict[str, list[float]] = {}
    for kind, title in MOVERS.items():
        own = [n for n, k in kinds.items() if k == kind]
        shares = [
            [row.tensors[n][2] / row.tensors[n][1] for n in own if n in row.tensors and row.tensors[n][1] > 0]
            for row in course.watched
        ]
        if any(shares):
            curves[title] = [float(np.median(each)) if each else math.nan for each in shares]
    if not curves:
        return []
    x = [float(row.step) for row in course.watched]
    caption = (
        "How far one step moves a weight matrix, as a share of its own length (median): by AdamW, by Muon, and "
        "by Muon where kernels keep their length."
    )
    return [Curves(caption, x, curves, "step", "share of its length", log=True)]


def stages_table(subject: Subject, validation: Batch, course: Course) -> Block:
    """Of each stage how large what it returns is, its dead and saturated units, and how far its weights moved."""
    with torch.no_grad():
        opened = subject.network.open(validation)
    shares = unit_shares(opened)
    moved = steps_by_stage(course)
    rows: list[list[Any]] = []
    for stage in opened:
        dead, full = shares.get(stage.name, (None, None))
        rows.append([stage.name, stage.label, float(rms(stage.features)), dead, full, moved.get(stage.name)])
    headings = ("address", "stage", "size", "dead units", "saturated units", "moved in a step")
    return Table(
        "Size: root mean square of what the stage returns. Dead: share of units that no example activates; saturated: "
        "nearly always at an end of their range. Moved: by a step, as a share of the weights' length (median).",
        headings,
        rows,
    )


def steps_by_stage(course: Course) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row in course.watched:
        for name, (_, weight, update) in row.tensors.items():
            if weight > 0:
                found.setdefault(stage_of(name).replace(".stages.", ".", 1), []).append(update / weight)
    return {name: float(np.median(each)) for name, each in found.items()}
