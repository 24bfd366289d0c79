"""A comparison as a person reads it: a table that fits 80 columns, what it means, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..comparison.alone import trained_names
from ..errors import shell_quote
from ..wording import memory_text, metric_text, milliseconds_text, value_and_spread, with_interval
from .console import clock_duration, grouped_number, print_block

LEVEL_WITH_FIRST = "~"

HEADINGS = ("", "validation", "test", "parameters", "time", "memory", "one")


def trial_outcome(trial: Mapping[str, Any]) -> str:
    """What one training gave, on a line."""
    if "error" in trial:
        return f"could not be trained: {trial['error']}"
    parts = [
        f"validation {metric_text(trial['metric'])} {trial['validation']:.4f}",
        f"{trial['steps']:,} steps",
        f"in {clock_duration(trial['seconds'])}",
    ]
    return "   ".join(parts)


def show_ranking(found: Any, out: Console) -> None:
    """Networks, best on validation first; below them the reference, the naive answer and what could not be trained."""
    networks, ranking = found.networks, found.ranking
    metric, percent = metric_text(found.baseline.metric), found.record["percent"]
    # One blank between columns, not two as elsewhere: seven of them have to fit 80.
    rows = Table(box=None, header_style="dim", padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS:
        rows.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    level = {tie["networks"][1] for tie in found.record["ties"]}
    for place, name in enumerate(ranking):
        word = f"{name} {LEVEL_WITH_FIRST}" if name in level else name
        rows.add_row(Text(word, style="bold green" if place == 0 else "bold"), *_network_cells(networks[name], percent))
    beside = [("reference", found.reference), ("baseline", found.baseline)]
    for word, score in beside:
        if score:
            rows.add_row(Text(word, style="dim"), "", with_interval(score.value, score.low, score.high, percent))
    of = f"{metric}, mean of {len(found.record['seeds'])} seeds" if len(found.record["seeds"]) > 1 else metric
    print_block(
        Text.assemble((found.path.name, "bold"), (f"   {of}; ranked on {found.record['ranked on']}", "dim")), out
    )
    print_block(rows, out)
    legend = "one: time to answer one example"
    legend += f"; {LEVEL_WITH_FIRST} not significantly different from {ranking[0]}" if level else ""
    named = [f"{word}: {score.label}" for word, score in beside if score]
    for line in (*named, legend):
        print_block(Text(line, style="dim"), out, above=line == (*named, legend)[0])


def _network_cells(one: Mapping[str, Any], percent: bool) -> list[str]:
    return [
        value_and_spread(one["validation"], one["low"], one["high"], percent)[0],
        with_interval(one["value"], one["low"], one["high"], percent),
        _compact_number(one["parameters"]),
        f"{one['seconds']:.0f} s",
        memory_text(one["memory"]) if one["memory"] is not None else "-",
        milliseconds_text(one["latency"]),
    ]


def _compact_number(number: float) -> str:
    """``123,456``, ``1.23 M``."""
    return grouped_number(number) if number < 1e6 else f"{number / 1e6:.3g} M"


def show_meaning(found: Any, out: Console) -> None:
    """What the comparison means, as one paragraph."""
    print_block(Text(" ".join(found.say())), out)


def best_run(found: Any) -> str:
    """Where the best network of a comparison is."""
    return str(found.networks[trained_names(found.ranking, found.networks)[0]]["run"])


def show_comparison_steps(found: Any, example: str, rows: str, out: Console) -> None:
    """Where it is, and how to use the best network; ``rows`` says what the example has to hold."""
    run = shell_quote(best_run(found))
    lines = [
        ("report", str(found.path / "report.html")),
        ("best", run),
        ("predict", f"pellucid predict {run} {example}"),
        *([("", f"{example}: {rows}")] if rows else []),
    ]
    out.print()
    for name, value in lines:
        out.print(Text.assemble((f"  {name:<10}", "dim"), value), soft_wrap=True)
