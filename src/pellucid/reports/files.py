"""The files that a finished run leaves for people: report, predictions, history."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from torch import Tensor

from ..data.parallel.pairs import Pairs
from ..data.splits.grouping import score_grouping
from ..storage.names import SUSPECTS
from ..tasks.transcript import TranscriptTask
from ..tasks.written import WrittenTask
from ..training.evaluate import Answers
from ..training.schedule import with_rates
from ..tuning.selection import limit_validation
from . import label_issues
from .data_content import class_content, in_words, sample_content, shown_targets
from .forecast_content import forecast_content, forecast_rows
from .page import report_page
from .run_report import (
    BLOCK,
    chosen_thresholds,
    label_issue_content,
    network_stages,
    output_content,
    report_summary,
    worst_answers,
)
from .text_content import language_seconds, passage_rows, text_content
from .transcript_content import transcript_content
from .written_content import written_content

if TYPE_CHECKING:
    from ..data import Examples, Split
    from ..runs.run import Run
    from ..training.loader import Loader
    from .content import Suspects


def write_report(
    run: Run,
    data: Examples,
    split: Split,
    feed: Loader,
    validation: Answers,
    test: Answers,
    history: str,
    alone: Tensor | None = None,
) -> None:
    """``history.parquet``, ``predictions.parquet`` and ``report.html`` of a finished run.

    Args:
        validation, test: raw answers and targets. alone: (n, R) what the solved part says of test by itself.
    """
    evaluated, task = write_history(run, history), run.network.output.task
    goal = task.fields[0].traits
    rows_of = forecast_rows if goal.moments else passage_rows if goal.written else prediction_rows
    run.folder.write("predictions.parquet", parquet_bytes(rows_of(run, data, split.test, test)))
    looked = limit_validation(split, run.network.output)
    how = score_grouping(data, split.test, feed.score_weights(split.test))
    content = report_summary(run, data, split, evaluated) | output_content(
        task, test, chosen_thresholds(run.record), run.targets, **how
    )
    content["data"] |= {
        "class_parts": class_content(task, data, split.parts()),
        "samples": sample_content(task, data, split.train),
    }
    content["watched"] = len(looked.validation)
    content["network"] = network_stages(run.network, feed, looked.validation)
    if label_issues.can_tell(task):
        content["suspects"] = write_suspects(run, data, looked, feed, validation)
    # What is shown as a wrong label is not shown again as an error of the network.
    shown = {one["row"] for one in content.get("suspects", {}).get("examples", ())}
    if goal.moments:
        content["forecasts"] = forecast_content(run, data, split.test, test, feed, alone)
        content["facts"] = [*content["facts"], ("rhythm", content["forecasts"]["rhythm"][0])]
    elif goal.written:
        content["language"] = _language_content(run, data, split, feed, validation, test)
    elif isinstance(task, TranscriptTask):
        content["transcripts"] = transcript_content(run, data, looked.validation, validation)
    elif run.network.output.writes:
        content["written"] = _written_content(run, data, looked.validation, split.train, validation, feed)
    else:
        content["worst"] = worst_answers(run, data, looked.validation, validation, but=shown)
    run.folder.write("report.html", report_page(content).encode())


def _language_content(
    run: Run, data: Examples, split: Split, feed: Loader, validation: Answers, test: Answers
) -> dict[str, Any]:
    """What a language model writes and where a text surprised it.

    Single passages are of validation, as nobody reads test, whose score stays honest so; of it there are sums alone.
    """
    shown = "validation passages", limit_validation(split, run.network.output).validation, validation
    return text_content(run, data, split.test, test, feed, language_seconds(run.plan.budget), shown=shown)


def _written_content(
    run: Run, data: Examples, rows: np.ndarray, learned: np.ndarray, answers: Answers, feed: Loader
) -> dict[str, Any]:
    """Texts that were written on ``rows`` (n,), beside those of the most similar among the ``learned`` rows."""
    task: WrittenTask = run.network.output.task
    known = feed.target
    assert isinstance(known, Pairs)
    if known.is_wordless(learned):
        return written_content(run, data, rows, answers)

    def nearest(chosen: np.ndarray) -> list[str]:
        return task.written_texts(task.naive_answers(known, learned, rows[chosen])[0])

    return written_content(run, data, rows, answers, nearest, run.baseline.name)


def write_history(run: Run, history: str) -> list[dict[str, Any]]:
    """``history.parquet`` of a finished run; its rows, one an evaluation.

    Where there was no validation set the training rows were looked at, and their figures are called so.
    """
    rows, metric = run.folder.lines(history), run.network.output.task.watched.name
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


def prediction_rows(run: Run, data: Examples, rows: np.ndarray, answers: Answers) -> pl.DataFrame:
    """One line a test example: where it is, the truth, the prediction."""
    task, (raw, target) = run.network.output.task, answers
    frames = []
    for start in range(0, max(len(rows), 1), BLOCK):
        own = slice(start, start + BLOCK)
        decoded = [
            flatten_targets({k: v for k, v in one.items() if k != "probabilities"}) for one in task.decode(raw[own])
        ]
        written = task.fields[0].traits.prose
        truth = shown_targets(task, data, rows[own]) if written else task.decode_target(target[own])
        true = [in_words(value, "") for value in truth]
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


def write_suspects(run: Run, data: Examples, split: Split, feed: Loader, validation: Answers) -> Suspects:
    """``suspects.parquet``, without a line where the network knows too little; what the report says of it."""
    how, naive = score_grouping(data, split.validation, feed.score_weights(split.validation)), run.record["naive"]
    task, raw = run.network.output.task, np.array(naive["raw"], np.float32)
    able = label_issues.knows_more(task, validation, raw, how["weight"], how["group"])
    found = label_issues.find_label_issues(run.network, feed, split, validation) if able else []
    run.folder.write(SUSPECTS, parquet_bytes(label_issues.issues_frame(found, data)))
    return label_issue_content(run, data, split, found) if able else {"no_better_than": naive["name"]}
