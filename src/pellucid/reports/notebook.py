"""Runs and comparisons as a notebook shows them: score beside the baseline, curves, where the rest is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..draw.charts import Bar, bar_chart, line_chart
from ..draw.markup import Markup, tag
from ..draw.notebook import notebook_view, side_by_side, view_table
from ..wording import duration_text, metric_text, value_and_spread, with_interval

if TYPE_CHECKING:
    from ..comparison.comparison import Comparison
    from ..runs.run import Run


def run_html(run: Run) -> str:
    """A fragment of HTML for a notebook: what the score means, beside the naive answer, and how it came about."""
    facts = [
        ("network", f"{run.plan.network}, {run.parameters:,} parameters"),
        ("training", f"{run.record['steps']:,} steps in {duration_text(run.record['seconds'])}"),
        ("scored on", f"{run.score.n:,} {run.scored_on} {run.network.output.task.examples}"),
        ("folder", str(run.path) if run.folder.lasting else "in memory"),
    ]
    task = run.network.output.task
    return notebook_view(
        tag("h4", run.say()),
        tag("p", run.say_reference(), class_="quiet") if run.reference else None,
        side_by_side(_score_bars(run, task.percent), _metric_curve(run.history, task.metric, task.percent)),
        view_table(("", ""), facts, ("quiet", "")),
        tag("p", "run.report() shows everything, run.predict(…) uses it.", class_="quiet"),
    )


def _score_bars(run: Run, percent: bool) -> list[Markup]:
    """The score beside the reference and the naive answer."""
    bars = [Bar("this network", run.score.value, run.score.low, run.score.high, 1)]
    for one, colour in ((run.reference, 2), (run.baseline, 0)):
        if one:
            bars.append(Bar(one.label or "baseline", one.value, one.low, one.high, colour))
    chart = bar_chart(bars, as_percent=percent, top=1 if percent else None, width=400)
    return [tag("p", f"{metric_text(run.score.metric)} on {run.scored_on}", class_="quiet"), chart]


def _metric_curve(history: list[dict[str, Any]], metric: str, percent: bool) -> list[Markup] | None:
    """The metric on validation over the steps; None where it was measured once or never."""
    name = metric if any(metric in row for row in history) else f"training {metric}"
    points = [(row["step"], row[name]) for row in history if row.get(name) is not None and np.isfinite(row[name])]
    if len(points) < 2:
        return None
    steps, values = np.array(points, float).T
    where = "training" if name != metric else "validation"
    chart = line_chart({metric: (steps, values)}, x_label="steps", as_percent=percent)
    return [tag("p", f"{metric} on {where}", class_="quiet"), chart]


def comparison_html(found: Comparison) -> str:
    """A fragment of HTML for a notebook: networks, best first, with their scores, and what it means."""
    percent, metric = bool(found.record["percent"]), found.baseline.metric
    lead, *more = found.say() or [""]
    headings = ("network", f"{metric}: validation", "test", "parameters", "time")
    failed = [f"{name} could not be trained: {why}" for name, why in found.failed.items()]
    return notebook_view(
        tag("h4", lead),
        tag("p", " ".join(more), class_="quiet") if more else None,
        view_table(headings, _network_rows(found, percent), ("key", "n", "n", "n", "n")),
        bar_chart(_network_bars(found), as_percent=percent, top=1 if percent else None),
        [tag("p", text, class_="quiet") for text in failed],
        tag("p", f"In {found.path}. .run() is the best one, .report() shows everything.", class_="quiet"),
    )


def _network_rows(found: Comparison, percent: bool) -> list[tuple[Any, ...]]:
    """A row for each network, best first; below them the reference and the naive answer."""
    rows: list[tuple[Any, ...]] = []
    for place, name in enumerate(found.ranking):
        one = found.networks[name]
        first = tag("td", name, class_="key" if place else "target")
        scores = (
            value_and_spread(one["validation"], one["low"], one["high"], percent)[0],
            with_interval(one["value"], one["low"], one["high"], percent),
        )
        rows.append((first, *scores, f"{one['parameters']:,}", duration_text(one["seconds"])))
    for score in filter(None, (found.reference, found.baseline)):
        value = with_interval(score.value, score.low, score.high, percent)
        rows.append((tag("td", score.label, class_="quiet"), "", value, "", ""))
    return rows


def _network_bars(found: Comparison) -> list[Bar]:
    """Test scores with their intervals."""
    ranked = [(name, found.networks[name]) for name in found.ranking]
    bars = [Bar(name, one["value"], one["low"], one["high"], i % 6 + 1) for i, (name, one) in enumerate(ranked)]
    beside = filter(None, (found.reference, found.baseline))
    return bars + [Bar(score.label, score.value, score.low, score.high, 0) for score in beside]
