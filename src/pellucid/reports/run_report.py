"""What a finished run leaves behind for people: the test predictions, the history as a table, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..data.batches.batch import Batch
from ..errors import shell_quote
from ..fields import Kind, kind_named
from ..fields.labels import join_labels
from ..training.evaluate import Answers
from ..tuning.selection import limit_validation
from . import label_issues

if TYPE_CHECKING:
    from ..data import Examples, Split
    from ..network import Network, TracedStage
    from ..runs.run import Run
    from ..training.loader import Loader
    from .content import Content, Suspects, Use, Worst
    from .label_issues import LabelIssue

WORST = 12

BLOCK = 1 << 14  # predictions made into rows of a table at a time


def in_words(value: Any, none: str = "none") -> Any:
    """A list of labels as one text; anything else as it is."""
    return join_labels(value, none) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value


def output_content(run: Run, test: Answers, weight: np.ndarray | None) -> Content:
    """Metrics and pictures of the output, from the test split; ``weight`` (n,) counts in the metrics."""
    task = run.network.output.task
    percents = [metric.name for metric in (task.measured, *task.metrics.values()) if metric.percent]
    return {**task.report_content(*test, weight), "percents": percents}  # type: ignore[typeddict-item]


def worst_answers(run: Run, data: Examples, rows: np.ndarray, answers: Answers) -> list[Worst]:
    """The wrong answers on ``rows`` with the largest loss, with their inputs shown."""
    output, (raw, target) = run.network.output, answers
    losses = output.losses(raw, Batch.of_targets(target))
    top = losses.topk(min(WORST, len(losses))).indices
    decoded, truth = output.task.decode(raw[top]), output.task.decode_target(target[top])
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


def shown_inputs(data: Examples, row: int) -> dict[str, Any]:
    """The inputs of one example, as a page shows them."""
    values = {f.name: kind_named(f.kind).show(data.stored_values(f.name), row) for f in data.inputs}
    found: dict[str, Any] = {}
    prose = next((f for f in data.inputs if f.traits.prose), None)
    for field in data.inputs:
        value = values[field.name]
        if isinstance(value, bytes):
            found.setdefault("image_png", value)
        elif field is prose:
            found["text"] = value
        else:
            found.setdefault("row", {})[field.name] = value
    return found


def report_summary(run: Run, data: Examples, split: Split, history: Sequence[Mapping[str, Any]]) -> Content:
    """Everything in the report but the pictures."""
    record, task = run.record, run.network.output.task
    seconds, steps = record["seconds"], record["steps"]
    return {
        "title": data.name,
        "subtitle": f"{run.say()} {run.say_reference()}".strip(),
        "score": record["score"],
        "baseline": record["baseline"],
        "reference": record["reference"] and record["reference"]["score"] | {"name": record["reference"]["name"]},
        "facts": [
            ("network", run.plan.network),
            ("parameters", f"{run.parameters:,}"),
            ("training", f"{steps:,} steps in {seconds:,.1f} s"),
            ("examples", " · ".join(f"{len(v):,} {k}" for k, v in split.parts().items())),
        ],
        "data": {
            "summary": [data.layout],
            "classes": data.reading.classes,
            "splits": {k: len(v) for k, v in split.parts().items()},
            "notes": [str(n) for n in data.notes],
        },
        "plan": run.plan.lines(),
        "decisions": record["decisions"],
        "history": history,
        "metric": {"name": task.metric, "higher_is_better": task.higher, "percent": task.percent},
        "use": usage_content(run, data),
        "protocol": protocol_text(run, data, split),
        "versions": record["versions"],
    }


def protocol_text(run: Run, data: Examples, split: Split) -> str:
    """How the score was kept honest."""
    looks, folds = run.record["looks"], run.plan.folds
    found = f"after as many steps as {folds}-fold cross-validation found was taken, not chosen on"
    how = found if folds else "were chosen on"
    some, every = len(limit_validation(split).validation), len(split.validation)
    part = "validation" if some == every else f"{some:,} of {every:,} validation examples, spread evenly"
    lines = [
        f"Parts: {split.how}. Scales and vocabularies were learned from the training part alone; "
        f"{run.record['chosen']['weights']} {how} {part}; test was looked at "
        f"{'once' if looks == 1 else f'{looks} times'}."
    ]
    if data.weight is not None:
        lines.append(
            f"Each example counts as '{data.weight.name}' says, in the loss and in every score and measure, those of "
            "each class too. Numbers of examples and the pictures (confusion, calibration, errors) count all alike."
        )
    if run.score.groups:
        lines.append(
            f"Intervals draw whole values of '{run.score.groups}', with all their rows, because rows of one stand or "
            "fall together."
        )
    if run.score.times:
        lines.append(run.score.say_blocks())
    if run.plan.class_weights:
        lines.append("Classes have weights in the training loss, and none in scores.")
    return " ".join(lines)


def network_stages(network: Network, feed: Loader, rows: np.ndarray) -> list[TracedStage]:
    """What data passes in the network, from the input layers to the output; an example of ``rows`` shows the shapes."""
    return network.trace(feed.batch(torch.from_numpy(rows[:1]).to(feed.home)))


def usage_content(run: Run, data: Examples) -> Use:
    only = data.inputs[0].traits if len(data.inputs) == 1 else Kind
    one, python = only.try_it, only.try_in_python or f'"{only.try_it}"'
    return {
        "cli": [
            f"pellucid predict {shell_quote(run.path)} {one}",
            f"pellucid evaluate {shell_quote(run.path)} DATA",
            f"pellucid resume {shell_quote(run.path)} --more 5m",
        ],
        "python": ["import pellucid", f'run = pellucid.load("{run.path}")', f"run.predict({python})"],
    }
