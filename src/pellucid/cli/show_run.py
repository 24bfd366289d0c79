"""How a plan, a finished run and its score are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ..errors import shell_quote
from ..wording import metric_text, number_text, score_text, with_interval
from .console import grouped_number, plain_grid, print_block, short_number

# --- plan --------------------------------------------------------------------------------------------------------


# What is said of a plan first, in five lines: what is learned by what, for how long, and what stands beside it.
FIRST = (
    "predict",
    "network",
    "size",
    "budget",
    "start",
    "augmentation",
    "folds",
    "reference",
    "metric",
    "learning rate",
)

MOST_LINES = 5


def show_plan(made: Any, out: Console, whole: bool = True) -> None:
    """Each decision with its reason; not ``whole``: the five that matter most."""
    lines = made.lines()
    if not whole:
        known = [name for name in FIRST if name in {line[0] for line in lines}]
        others = [line[0] for line in lines if line[0] not in known]
        kept = {*[*known, *others][:MOST_LINES]}
        lines = [line for line in lines if line[0] in kept]
    table = plain_grid()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", max_width=34)
    table.add_column(style="dim", overflow="fold")
    for name, value, reason in lines:
        table.add_row(Text(str(name)), Text(str(value)), Text(str(reason)))
    print_block(Text("Plan", style="bold"), out)
    print_block(table, out, above=False)
    if left := len(made.lines()) - len(lines):
        print_block(Text(f"{left} more with --verbose, and in the report", style="dim"), out, above=False)


# --- scores ------------------------------------------------------------------------------------------------------


def score_sentence(scored: Any) -> Text:
    """The score with its interval beside the baseline, on one line."""
    score, baseline = scored.score, scored.baseline
    text = Text.assemble(f"{metric_text(score.metric)} ", (score_text(score.value), "bold green"))
    if not getattr(score, "single", False):
        text.append(f" ({score_text(score.low)} to {score_text(score.high)})")
    text.append(f"; baseline ({baseline.label or 'constant'}): {score_text(baseline.value)}")
    reference = getattr(scored, "reference", None)
    return text.append(f"; {reference.label}: {score_text(reference.value)}") if reference else text


def show_verdict(done: Any, out: Console) -> None:
    """What is wrong with a training, where something is; the report says that it is well."""
    found = getattr(done, "verdict", None)
    # Of a network that is no better than the baseline, or was trained too shortly, that is said already.
    if found is None or not found.advice or found.word == "too_short" or done.say_warning():
        return
    print_block(Text(found.sentence, style="yellow"), out)


def show_score(scored: Any, out: Console, examples: str) -> None:
    """The score once, as a sentence; ``examples``: what it was measured on."""
    if warning := getattr(scored, "say_warning", str)():
        print_block(Text(warning, style="bold yellow"), out)
    plain = scored.say() if hasattr(scored, "say") else ""
    if plain:
        print_block(Text(plain, style="bold"), out)
    level = getattr(scored, "threshold", None)
    cut = f", '{level[0]}' at threshold {level[1]:g}" if level else ""
    by = getattr(scored.score, "weights", "")
    weighted = f", weighted by '{by}'" if by else ""
    groups = getattr(scored.score, "groups", "")
    drawn = f", resampled by '{groups}'" if groups else ""
    # The sentence has the numbers; without one the line of facts says them.
    reference = getattr(scored, "reference", None)
    beside = f"; {reference.label}: {score_text(reference.value)}" if reference and plain else ""
    facts = Text("", style="dim") if plain else score_sentence(scored).append("; ")
    n, one = scored.score.n, examples.removesuffix("s")
    over = f"1 {one}, which gives no interval" if n == 1 else f"95% interval over {grouped_number(n)} {examples}"
    facts.append(f"{over}{weighted}{drawn}{cut}{beside}")
    print_block(facts, out, above=not plain)
    show_targets(getattr(scored, "targets", ()), out)
    if blocks := getattr(scored.score, "say_blocks", str)():
        print_block(Text(blocks, style="dim"), out, above=False)
    for sentence in (getattr(scored, name, str)() for name in ("say_reference", "say_added")):
        if sentence:
            print_block(Text(sentence), out, above=False)


def show_targets(targets: Sequence[Mapping[str, Any]], out: Console) -> None:
    """Of several number targets each: its metrics with intervals, beside what a constant gets."""
    if not targets:
        return
    metrics = list(targets[0]["scores"])
    table = plain_grid()
    for heading in ("target", *(word for name in metrics for word in (metric_text(name), "baseline"))):
        table.add_column(heading, style="dim" if heading == "baseline" else "", overflow="fold")
    table.show_header, table.header_style = True, "dim"
    for one in targets:
        scores = [one["scores"][name] for name in metrics]
        cells = [(with_interval(s["value"], s["low"], s["high"]), number_text(s["baseline"], 3)) for s in scores]
        table.add_row(Text(str(one["name"])), *(Text(cell) for pair in cells for cell in pair))
    print_block(table, out)


def show_label_issues(done: Any, out: Console) -> None:
    """How many labels of its data a finished run doubts."""
    if found := len(getattr(done, "suspects", ())):
        print_block(
            f"label issues: {grouped_number(found)} labels may be wrong; see the report, or suspects.parquet",
            out,
        )


def show_metrics(values: Mapping[str, float], out: Console) -> None:
    """The other metrics, one a line."""
    table = plain_grid()
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in values.items():
        if isinstance(value, int | float):
            table.add_row(Text(metric_text(name.replace("_", " "))), short_number(value))
    if table.row_count:
        print_block(table, out)


def show_page(path: Path | None, out: Console, name: str = "report") -> None:
    """Where a page is that can be opened in a browser."""
    if path is not None:
        out.print()
        # Never broken in two: it is there to be copied.
        out.print(Text.assemble((f"  {name:<10}", "dim"), str(path)), soft_wrap=True)


def show_run_steps(folder: Path, example: str, rows: str, out: Console) -> None:
    """Where the run is and commands that work as they stand; ``rows`` says what an example has to hold that is not."""
    run = shell_quote(folder)
    lines = [("run", str(folder))]
    if (folder / "report.html").exists():
        lines.append(("report", str(folder / "report.html")))
    lines += [
        ("predict", f"pellucid predict {run} {example}"),
        *([("", f"{example}: {rows}")] if rows else []),
        ("evaluate", f"pellucid evaluate {run} DATA"),
        ("continue", f"pellucid resume {run} --more 5m"),
    ]
    out.print()
    for name, value in lines:
        line = Text.assemble((f"  {name:<10}", "dim"), value)
        # Never broken in two: it is there to be copied.
        out.print(line, soft_wrap=True)


# --- datasets and samples ----------------------------------------------------------------------------------------


def show_samples(known: Mapping[str, str], out: Console) -> None:
    """The data sets that come with Pellucid."""
    table = plain_grid()
    for name, about in known.items():
        table.add_row(Text(name, style="bold"), Text(about))
    print_block(table, out)
    print_block("write one with: pellucid sample NAME", out)
