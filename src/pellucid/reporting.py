"""What a finished run leaves behind for people: the test predictions, the history as a table, the report."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor

from . import suspects
from .data.splits import group_of, moments_of
from .draw.comparison import comparison_page
from .draw.report import report_page
from .errors import shell_quote
from .fields import kind_named
from .fields.labels import join_labels
from .folder import Folder
from .run import SUSPECTS, with_rates
from .training.choosing import limit_validation

if TYPE_CHECKING:
    from .data import Dataset, Split
    from .draw.comparison import Contents
    from .draw.content import Content
    from .network import Network
    from .outputs import Output
    from .references import Reference
    from .run import Run
    from .suspects import LabelIssue
    from .training.feed import Loader

WORST = 12
BLOCK = 1 << 14  # predictions made into rows of a table at a time
SAME_SPLIT = " on the same split"  # in the name of a reference's score

Answers = tuple[Tensor, Tensor]  # raw (n, R) and target (n, ...)


def score_grouping(data: Dataset, rows: np.ndarray, weight: np.ndarray | None) -> dict[str, Any]:
    """How ``rows`` (n,) count in a score: their ``weight`` (n,), and what is drawn for its interval."""
    group = group_of(data, rows)
    weights, groups = data.weight.name if data.weight else "", data.reading.parting.column or ""
    groups = groups if group is not None else ""
    moments = moments_of(data, rows)
    return {"weight": weight, "weights": weights, "group": group, "groups": groups, "moments": moments}


def score_answers(
    output: Output,
    given: Answers,
    rows: np.ndarray,
    learned: np.ndarray,
    feed: Loader,
    data: Dataset,
    reference: Reference | None,
) -> dict[str, Any]:
    """How good the answers ``given`` to ``rows`` (n,) are, beside the naive one and a classical model's; JSON.

    The naive answer follows from the rows ``learned`` (m,) from alone.
    """
    assert feed.target is not None
    raw, target = given
    same, name = output.naive_answer(feed.target[torch.from_numpy(learned)].cpu().numpy(), feed.score_weights(learned))
    how = score_grouping(data, rows, feed.score_weights(rows))
    return {
        "score": output.score(raw, target, **how).to_json(),
        "baseline": output.score(same.to(raw.device).expand(len(raw), -1), target, name, **how).to_json(),
        "naive": {"raw": same.tolist(), "name": name},
        "reference": reference_score(reference, output, raw, target, **how),
    }


def reference_score(
    reference: Reference | None, output: Output, raw: Tensor, target: Tensor, **how: Any
) -> dict[str, Any] | None:
    """The reference, scored on the examples that the network was, and how far ahead of it the network is."""
    if reference is None:
        return None
    other = output.uncalibrate(torch.from_numpy(np.array(reference.test)).to(raw.device))
    ahead = output.paired_difference(raw, other, target, how["weight"], how["group"], how["moments"])
    return {
        "name": reference.name,
        "score": output.score(other, target, f"{reference.name}{SAME_SPLIT}", **how).to_json(),
        "seconds": reference.seconds,
        "ahead": dict(zip(("value", "low", "high"), ahead, strict=True)),
    }


def write_report(
    run: Run, data: Dataset, split: Split, feed: Loader, validation: Answers, test: Answers, history: str
) -> None:
    """``history.parquet``, ``predictions.parquet`` and ``report.html`` of a finished run."""
    evaluated = write_history(run, history)
    run.folder.write("predictions.parquet", parquet_bytes(prediction_rows(run, data, split.test, test)))
    looked = limit_validation(split)
    content = report_summary(run, data, split, evaluated) | output_content(run, test, feed.score_weights(split.test))
    content |= {"watched": len(looked.validation), "network": network_stages(run.network, feed, looked.validation)}
    content |= {"worst": worst_answers(run, data, looked.validation, validation)}
    if suspects.can_tell(run.network.output):
        content |= {"suspects": write_suspects(run, data, looked, feed, validation)}
    run.folder.write("report.html", report_page(cast("Content", content)).encode())


def write_history(run: Run, history: str) -> list[dict[str, Any]]:
    """``history.parquet`` of a finished run; its rows, one an evaluation.

    Where there was no validation part the training rows were looked at, and their figures are called so.
    """
    rows, metric = run.folder.lines(history), run.network.output.metric
    watched = run.record["data"]["split"]["validation"]
    names = {} if watched else {"validation_loss": "training_loss", metric: f"training {metric}"}
    evaluated = [
        {names.get(k, k): v for k, v in row.items() if k != "event"}
        for row in with_rates(rows, run.plan.recipe)
        if row["event"] == "evaluated"
    ]
    run.folder.write("history.parquet", parquet_bytes(pl.DataFrame(evaluated, infer_schema_length=None)))
    return evaluated


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def prediction_rows(run: Run, data: Dataset, rows: np.ndarray, answers: Answers) -> pl.DataFrame:
    """One line a test example: where it is, the truth, the prediction."""
    output, (raw, target) = run.network.output, answers
    frames = []
    for start in range(0, max(len(rows), 1), BLOCK):
        own = slice(start, start + BLOCK)
        decoded = [
            flatten_targets({k: v for k, v in one.items() if k != "probabilities"}) for one in output.decode(raw[own])
        ]
        true = [in_words(value, "") for value in output.decode_target(target[own].cpu().numpy())]
        places = {"row": rows[own], "input": [data.short_title(int(row)) for row in rows[own]], "true": true}
        frames.append(pl.concat([pl.DataFrame(places), pl.DataFrame(decoded)], how="horizontal"))
    return pl.concat(frames)


def flatten_targets(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of each target beside each other: ``price_value``, ``price_low``, …"""
    found: dict[str, Any] = {}
    for name, value in prediction.items():
        found |= (
            {f"{name}_{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: in_words(value, "")}
        )
    return found


def in_words(value: Any, none: str = "none") -> Any:
    """A list of labels as one text; anything else as it is."""
    return join_labels(value, none) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value


def output_content(run: Run, test: Answers, weight: np.ndarray | None) -> dict[str, Any]:
    """Metrics and pictures of the output, from the test split; ``weight`` (n,) counts in the metrics."""
    return (
        run.network.output.report_content(*test) if weight is None else run.network.output.report_content(*test, weight)
    )


def worst_answers(run: Run, data: Dataset, rows: np.ndarray, answers: Answers) -> list[dict[str, Any]]:
    """The wrong answers on ``rows`` with the largest loss, with their inputs shown."""
    output, (raw, target) = run.network.output, answers
    losses = output.losses(raw, target)
    top = losses.topk(min(WORST, len(losses))).indices
    decoded, truth = output.decode(raw[top]), output.decode_target(target[top].cpu().numpy())
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


def write_suspects(run: Run, data: Dataset, split: Split, feed: Loader, validation: Answers) -> dict[str, Any]:
    """``suspects.parquet``, without a line where the network knows too little; what the report says of it."""
    how, naive = score_grouping(data, split.validation, feed.score_weights(split.validation)), run.record["naive"]
    output, raw = run.network.output, torch.tensor(naive["raw"])
    able = suspects.knows_more(output, validation, raw, how["weight"], how["group"])
    found = suspects.find_label_issues(run.network, feed, split, validation) if able else []
    run.folder.write(SUSPECTS, parquet_bytes(suspects.issues_frame(found, data)))
    return label_issue_content(run, data, split, found) if able else {"no_better_than": naive["name"]}


def label_issue_content(run: Run, data: Dataset, split: Split, found: Sequence[LabelIssue]) -> dict[str, Any]:
    """Examples whose labels look wrong, as a page shows them: of each part the surest."""
    parts = {part: [one for one in found if one.part == part] for part in ("validation", "train")}
    return {
        "looked_at": {"validation": len(split.validation), "train": len(suspects.looked_at(split))},
        "found": {part: len(own) for part, own in parts.items()},
        "errs": 1 - run.validation if run.network.output.metric == "accuracy" else 0.0,
        "pairs": [pair for pair in suspects.label_pairs(found) if not isinstance(pair[0], float)],
        "examples": [
            one.to_json() | {"shown": shown_inputs(data, one.row), "where": data.short_title(one.row)}
            for own in parts.values()
            for one in own[:WORST]
        ],
    }


def shown_inputs(data: Dataset, row: int) -> dict[str, Any]:
    """The inputs of one example, as a page shows them."""
    values = {f.name: kind_named(f.kind).show(data.stored_values(f.name), row) for f in data.inputs}
    found: dict[str, Any] = {}
    for field in data.inputs:
        value = values[field.name]
        if isinstance(value, bytes):
            found.setdefault("image_png", value)
        elif field.kind == "text" and "text" not in found:
            found["text"] = value
        else:
            found.setdefault("row", {})[field.name] = value
    return found


def report_summary(run: Run, data: Dataset, split: Split, history: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Everything in the report but the pictures."""
    record, output = run.record, run.network.output
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
        "plan": [{"name": n, "value": v, "reason": r} for n, v, r in run.plan.lines()],
        "decisions": record["decisions"],
        "history": list(history),
        "metric": {"name": output.metric, "higher_is_better": output.higher, "percent": output.percent},
        "use": usage_content(run, data),
        "protocol": protocol_text(run, data, split),
        "versions": record["versions"],
    }


def protocol_text(run: Run, data: Dataset, split: Split) -> str:
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


def network_stages(network: Network, feed: Loader, rows: np.ndarray) -> dict[str, Any]:
    """What data passes in the network, from the input layers to the output; an example of ``rows`` shows the shapes."""
    passed = network.trace(feed.batch(torch.from_numpy(rows[:1]).to(feed.home)))
    layers = [
        {"name": one.name, "shape": " × ".join(map(str, one.gives)), "parameters": one.parameters} for one in passed
    ]
    return {"layers": layers, "parameters": network.parameter_count}


def usage_content(run: Run, data: Dataset) -> dict[str, list[str]]:
    kinds = [f.kind for f in data.inputs]
    one = "photo.jpg" if kinds == ["image"] else '--text "…"' if kinds == ["text"] else "new.csv"
    python = 'texts=["…"]' if kinds == ["text"] else f'"{one}"'
    return {
        "cli": [
            f"pellucid predict {shell_quote(run.path)} {one}",
            f"pellucid evaluate {shell_quote(run.path)} DATA",
            f"pellucid resume {shell_quote(run.path)} --more 5m",
        ],
        "python": ["import pellucid", f'run = pellucid.load("{run.path}")', f"run.predict({python})"],
    }


# -- of a comparison


def write_comparison(folder: Folder, name: str, record: Mapping[str, Any]) -> None:
    """``report.html`` of a comparison, from what is written down of it."""
    networks, parts, metric = record["networks"], record["parts"], record["baseline"]["metric"]
    others = (record["reference"], record["baseline"])
    content = {
        "title": name,
        "meaning": record["meaning"],
        "metric": metric,
        "percent": record["percent"],
        "higher": record["higher"],
        "entries": [{"name": one} | networks[one] for one in record["ranking"]],
        "failed": {one: found["error"] for one, found in networks.items() if "error" in found},
        "beside": [one | {"name": one["name"].removesuffix(SAME_SPLIT)} for one in others if one],
        "curves": {one: validation_curve(folder, one, networks[one]["seeds"], metric) for one in record["ranking"]},
        "facts": [
            ("budget of each", record["budget"]),
            ("seeds" if len(record["seeds"]) > 1 else "seed", ", ".join(map(str, record["seeds"]))),
            ("examples", " · ".join(f"{n:,} {part}" for part, n in parts.items())),
        ],
        "protocol": (
            f"Parts: {record['split']}. All networks learned from the same rows; each budget counts planning, "
            f"encoding, sizing, training and scoring. Ranked on {record['ranked on']}; test was looked at "
            "once a training and ranked none. Memory is the most that the process had resident at once, its libraries "
            "included."
        ),
        "versions": record["versions"],
        "tested": record["tested"],
    }
    folder.write("report.html", comparison_page(cast("Contents", content)).encode())


def validation_curve(
    folder: Folder, network: str, seeds: Sequence[Mapping[str, Any]], metric: str
) -> tuple[list[float], list[float]]:
    """The metric on validation over the seconds of the training, the mean over seeds at all their moments."""
    tables = [
        pl.read_parquet(Folder.open(folder.path / f"{network}-{one['seed']}").read("history.parquet"))
        for one in seeds
        if "value" in one
    ]
    lines = [(table["seconds"].to_numpy(), table[metric].to_numpy()) for table in tables]
    end = min(x[-1] for x, _ in lines)
    moments = np.unique(np.concatenate([x[x <= end] for x, _ in lines]))
    return moments.tolist(), np.mean([np.interp(moments, x, y) for x, y in lines], 0).tolist()
