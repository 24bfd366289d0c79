"""What a finished run leaves behind for people: the test predictions, the history as a table, the report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..data.batches.batch import Batch
from ..data.timeline.known_ahead import say_rows_ahead
from ..errors import shell_quote
from ..fields import Kind
from ..references.base import reference_for
from ..training.evaluate import Answers
from ..tuning.selection import limit_validation
from ..wording import count_noun, count_parts
from . import label_issues
from .data_content import data_content, in_words, shown_inputs

if TYPE_CHECKING:
    from ..data import Examples, Split
    from ..network import Network, TracedStage
    from ..runs.run import Run
    from ..tasks.base import Task
    from ..training.loader import Loader
    from .content import Content, Suspects, Use, Worst
    from .label_issues import LabelIssue

WORST = 12

BLOCK = 1 << 14  # predictions made into rows of a table at a time


def output_content(
    task: Task,
    answers: Answers,
    chosen: Sequence[tuple[str, float]] = (),
    scored: Sequence[Mapping[str, Any]] = (),
    **how: Any,
) -> Content:
    """Metrics and pictures of answers.

    Args:
        chosen: thresholds with what they were chosen for. scored: each of several targets, as it was scored.
        how: arguments of ``Task.score``; weights count in metrics.
    """
    percents = [metric.name for metric in (task.measured, *task.metrics.values()) if metric.percent]
    found = task.report_content(*answers, how.get("weight")) | task.detail_content(
        *answers, chosen, scored=scored, **how
    )
    return {**found, "percents": [*percents, *found.get("percents", ())]}  # type: ignore[typeddict-item]


def chosen_thresholds(record: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The thresholds that a run chose on validation, with what for; none in runs from before there were any."""
    return [(one["why"], float(one["value"])) for one in record.get("thresholds", ())]


def worst_answers(
    run: Run,
    data: Examples,
    rows: np.ndarray,
    answers: Answers,
    *,
    task: Task | None = None,
    but: Collection[int] = (),
) -> list[Worst]:
    """The wrong answers on ``rows`` with the largest loss, with their inputs shown.

    Args:
        task: that decodes them; the run's own when left out. but: rows that are shown elsewhere.
    """
    output, (raw, target) = run.network.output, answers
    task = task or output.task
    losses = output.losses(raw, Batch.of_targets(target))
    passed = np.isin(rows, list(but))
    order = losses.topk(min(WORST + int(passed.sum()), len(losses))).indices
    top = order[~torch.from_numpy(passed)[order]][:WORST]
    decoded, truth = task.decode(raw[top]), task.decode_target(target[top])
    return [
        {
            "shown": shown_inputs(data, int(rows[int(i)])),
            "true": in_words(true),
            "predicted": in_words(answer_text(one)),
            "probability": one.get("probability"),
            "loss": float(losses[i]),
            "where": data.short_title(int(rows[int(i)])),
        }
        for i, one, true in zip(top, decoded, truth, strict=True)
        if answer_text(one) != true
    ]


def answer_text(prediction: Mapping[str, Any]) -> Any:
    """What a prediction says, without how sure it is."""
    return next((prediction[key] for key in ("label", "labels", "value") if key in prediction), prediction)


def label_issue_content(run: Run, data: Examples, split: Split, found: Sequence[LabelIssue]) -> Suspects:
    """Examples whose labels look wrong, as a page shows them: of each part the surest."""
    parts = {part: [one for one in found if one.part == part] for part in ("validation", "train")}
    return {
        "looked_at": {"validation": len(split.validation), "train": len(label_issues.looked_at(split))},
        "found": {part: len(own) for part, own in parts.items()},
        "errs": 1 - run.validation if run.network.output.task.measured.key == "accuracy" else 0.0,
        "pairs": [pair for pair in label_issues.label_pairs(found) if not isinstance(pair[0], float)],
        "examples": [
            one.to_json() | {"shown": shown_inputs(data, one.row), "where": data.short_title(one.row)}
            for own in parts.values()
            for one in own[:WORST]
        ],
    }


def report_summary(run: Run, data: Examples, split: Split, history: Sequence[Mapping[str, Any]]) -> Content:
    """Everything in the report but the pictures."""
    record, task = run.record, run.network.output.task
    seconds, steps = record["seconds"], record["steps"]
    said = run.say(), run.say_reference(), run.say_added()
    scored: Content = {"scored": f"{run.scored_on} {task.examples}"} if task.fields[0].traits.written else {}
    return {
        **scored,
        "title": data.name,
        "subtitle": " ".join(filter(None, (full_stop(run.say_warning()), *said))),
        "score": record["score"],
        "baseline": record["baseline"],
        "reference": record["reference"] and record["reference"]["score"] | {"name": record["reference"]["name"]},
        "facts": [
            ("network", run.plan.network),
            ("parameters", f"{run.parameters:,}"),
            ("training", f"{count_noun(steps, 'step')} in {seconds:,.1f} s"),
            (task.examples, " · ".join(f"{len(v):,} {k}" for k, v in split.parts().items())),
        ],
        "data": {"splits": {k: len(v) for k, v in split.parts().items()}, **data_content(data)},
        "importance": record.get("importance"),
        "solved": record.get("solved"),
        "no_reference": reason_without_reference(run, data),
        "plan": run.plan.lines(),
        "decisions": record["decisions"],
        "history": history,
        "verdict": run.verdict.sentence if run.verdict else None,
        "metric": {"name": task.metric, "higher_is_better": task.higher, "percent": task.percent},
        "use": usage_content(run, data),
        "protocol": protocol_text(run, data, split),
        "versions": record["versions"],
    }


def reason_without_reference(run: Run, data: Examples) -> str:
    """Why no classical model stands beside the score; empty where one does."""
    if run.record.get("reference"):
        return ""
    suits = reference_for(data.inputs, data.targets)
    why = "no reference model: --no-reference" if suits else "no classical model suits this kind of data"
    return run.record.get("no reference") or why


def full_stop(sentence: str) -> str:
    """A sentence with its full stop; a command at its end goes without one in a terminal, where it is copied."""
    return f"{sentence}." if sentence and not sentence.endswith(".") else sentence


def protocol_text(run: Run, data: Examples, split: Split) -> str:
    """How the score was kept honest."""
    looks, folds = run.record["looks"], run.plan.folds
    found = f"after the number of steps that {folds}-fold cross-validation found, not chosen on"
    how = found if folds else "were chosen on"
    some, every = len(limit_validation(split, run.network.output).validation), len(split.validation)
    part = "validation" if some == every else f"{some:,} of {every:,} validation examples, spread evenly"
    lines = [
        f"Split: {split.how}. Scales and vocabularies were learned from the training set alone; "
        f"{run.record['chosen']['weights']} {how} {part}; the test set was used "
        f"{'once' if looks == 1 else f'{looks} times'}."
    ]
    if data.weight is not None:
        lines.append(
            f"Sample weights: '{data.weight.name}', in the loss and in every metric. "
            "Counts and charts (confusion, calibration, errors) are not weighted."
        )
    if run.score.groups:
        lines.append(
            f"Intervals resample whole values of '{run.score.groups}', with all their rows, because those are not "
            "independent."
        )
    if run.score.times:
        lines.append(run.score.say_blocks())
    if kept := run.record.get("kept"):
        lines.append(f"{count_parts(kept)} are kept in the run.".capitalize())
    if run.plan.class_weights:
        lines.append("Class weights are used in the training loss, not in scores.")
    return " ".join(lines)


def network_stages(network: Network, feed: Loader, rows: np.ndarray) -> list[TracedStage]:
    """What data passes in the network, from the input layers to the output; an example of ``rows`` shows the shapes."""
    return network.trace(feed.batch(torch.from_numpy(rows[:1]).to(feed.home)))


def usage_content(run: Run, data: Examples) -> Use:
    first = data.inputs[0].traits
    only = first if len(data.inputs) == 1 or first.moments else Kind
    one, python = only.try_it, only.try_in_python or f'"{only.try_it}"'
    rows = say_rows_ahead(data) if run.forecasts else ""
    if rows:
        one, python = "NEW.csv", '"NEW.csv"'
    return {
        "cli": [
            f"pellucid predict {shell_quote(run.path)} {one}",
            *([f"# {one}: {rows}"] if rows else []),
            f"pellucid evaluate {shell_quote(run.path)} DATA",
            f"pellucid resume {shell_quote(run.path)} --more 5m",
        ],
        "python": ["import pellucid", f'run = pellucid.load("{run.path}")', f"run.predict({python})"],
    }
