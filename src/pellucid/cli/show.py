"""Datasets, plans, scores and predictions as a person reads them: calm, at most 100 columns, right at 80."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ..data.describe import prediction_phrase
from ..draw.numbers import score_text
from ..errors import shell_quote, visible_text
from ..fields.labels import join_labels

MOST_ROWS = 50  # predictions, and
MOST_FIELDS = 24  # columns of a table, shown on a terminal
LEVELS = {"info": ("·", "dim"), "warning": ("!", "yellow"), "error": ("✗", "red")}


class Calm(Console):
    """Names and texts from files are printed without what would steer the terminal."""

    def render(self, *args: Any, **kwargs: Any) -> Iterator[Segment]:
        for segment in super().render(*args, **kwargs):
            yield segment if segment.control else Segment(visible_text(segment.text), segment.style)


def make_console(stream: TextIO) -> Console:
    """As wide as the terminal, and at most 100 columns."""
    own = Calm(file=stream, highlight=False)
    own.width = min(own.width, 100) if own.is_terminal else 100
    return own


def print_block(thing: Any, out: Console, above: bool = True) -> None:
    """Print with a margin, after an empty line."""
    if above:
        out.print()
    out.print(Padding.indent(thing, 2))


def plain_grid() -> Table:
    """Columns two spaces apart, without lines."""
    return Table(box=None, show_header=False, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)


def hanging_indent(sign: Any, text: Any) -> Table:
    """A sign or a word, and a text whose further lines start under its first."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(sign, text)
    return table


# --- words -------------------------------------------------------------------------------------------------------


def short_number(value: float) -> str:
    """A reading in few characters: ``0.412``, ``12.3``, ``18,823``, ``3.1e-05``."""
    size = abs(value)
    if not math.isfinite(value):
        return str(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if size >= 0.001 or size == 0 else f"{value:.1e}"


def grouped_number(number: float) -> str:
    """A whole number with its thousands set apart."""
    return f"{number:,.0f}"


def clock_duration(seconds: float) -> str:
    """``26 s``, ``4 min 12 s``, ``1 h 02 min``."""
    if not math.isfinite(seconds):
        return "unknown"
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line of standard output; NaN and infinity, which JSON has not, become null."""
    print(visible_text(json.dumps(json_value(value), ensure_ascii=False, default=str)), flush=True)


def json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    if isinstance(value, np.generic | np.ndarray):
        return json_value(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- plan --------------------------------------------------------------------------------------------------------


def show_plan(made: Any, out: Console) -> None:
    """Each decision with its reason."""
    table = plain_grid()
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", max_width=34)
    table.add_column(style="dim", overflow="fold")
    for name, value, reason in made.lines():
        table.add_row(Text(str(name)), Text(str(value)), Text(str(reason)))
    print_block(Text("Plan", style="bold"), out)
    print_block(table, out, above=False)


# --- scores ------------------------------------------------------------------------------------------------------


def score_sentence(scored: Any) -> Text:
    """The score with its interval beside the baseline, on one line."""
    score, baseline = scored.score, scored.baseline
    text = Text.assemble(f"{score.metric} ", (score_text(score.value), "bold green"))
    text.append(f" ({score_text(score.low)} to {score_text(score.high)})")
    text.append(f"; {baseline.name.strip(' ,') or 'the naive answer'}: {score_text(baseline.value)}")
    reference = getattr(scored, "reference", None)
    return text.append(f"; {reference.name}: {score_text(reference.value)}") if reference else text


def show_score(scored: Any, out: Console, examples: str) -> None:
    """What the score means in plain words, and the score; ``examples`` says what it was measured on."""
    plain = scored.say() if hasattr(scored, "say") else ""
    plain = "" if plain.lower().startswith(scored.score.metric.lower()) else plain  # the line below says the same
    if plain:
        print_block(Text(plain, style="bold"), out)
    by = getattr(scored.score, "weights", "")
    weighted = f", weighted by '{by}'" if by else ""
    groups = getattr(scored.score, "groups", "")
    drawn = f", drawn by '{groups}'" if groups else ""
    facts = score_sentence(scored).append(
        f"; 95 % interval over {grouped_number(scored.score.n)} {examples}{weighted}{drawn}"
    )
    print_block(facts, out, above=not plain)
    if blocks := getattr(scored.score, "say_blocks", str)():
        print_block(Text(blocks, style="dim"), out, above=False)
    if beside := getattr(scored, "say_reference", str)():
        print_block(Text(beside), out, above=False)


def show_label_issues(done: Any, out: Console) -> None:
    """How many labels of its data a finished run doubts."""
    if found := len(getattr(done, "suspects", ())):
        print_block(
            f"the network doubts {grouped_number(found)} of the labels it looked at: "
            "see the report, or suspects.parquet",
            out,
        )


def show_metrics(values: Mapping[str, float], out: Console) -> None:
    """The other metrics, one a line."""
    table = plain_grid()
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in values.items():
        if isinstance(value, int | float):
            table.add_row(Text(name.replace("_", " ")), short_number(value))
    if table.row_count:
        print_block(table, out)


def show_run_steps(folder: Path, example: str, out: Console) -> None:
    """Where the run is and commands that work as they stand."""
    run = shell_quote(folder)
    lines = [("run", str(folder))]
    if (folder / "report.html").exists():
        lines.append(("report", str(folder / "report.html")))
    lines += [
        ("predict", f"pellucid predict {run} {example}"),
        ("evaluate", f"pellucid evaluate {run} DATA"),
        ("go on", f"pellucid resume {run} --more 5m"),
    ]
    out.print()
    for name, value in lines:
        line = Text.assemble((f"  {name:<10}", "dim"), value)
        out.print(line, soft_wrap=True)  # never broken in two: it is there to be copied


# --- predictions -------------------------------------------------------------------------------------------------


def show_predictions(rows: Sequence[Mapping[str, Any]], out: Console) -> None:
    """A table on a terminal; elsewhere every row, tab-separated, for other programs."""
    if not out.is_terminal:
        for row in rows:
            print(visible_text("\t".join(_prediction_cells(row))))
        return
    table = plain_grid()
    table.add_column(style="dim", overflow="ellipsis", no_wrap=True, max_width=44)
    for row in rows[:MOST_ROWS]:
        table.add_row(*_style_value(row))
    print_block(table, out)
    if len(rows) > MOST_ROWS:
        out.print(f"  … and {grouped_number(len(rows) - MOST_ROWS)} more: --out predictions.csv writes all of them")


def _prediction_cells(row: Mapping[str, Any]) -> list[str]:
    """What is printed of a prediction, input first."""
    first = " ".join(str(row.get("input", "")).split())
    if "error" in row:
        return [first, f"error: {row['error']}"]
    if "label" in row:
        return [first, str(row["label"]), f"{row['probability']:.4f}"]
    if "labels" in row:
        chances = [f"{row['probabilities'][label]:.4f}" for label in row["labels"]]
        return [first, join_labels(row["labels"]), "; ".join(chances)]
    if "value" in row:
        return [first, _row_number(row)]
    return [first, *(f"{name} {_row_number(one)}" for name, one in row.items() if isinstance(one, Mapping))]


def _row_number(row: Mapping[str, Any]) -> str:
    low, high = row.get("low"), row.get("high")
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    return f"{row['value']:.6g}" + (f" ({low:.6g} to {high:.6g})" if known else "")


def _style_value(row: Mapping[str, Any]) -> list[Text]:
    first, *rest = _prediction_cells(row)
    if "error" in row:
        return [Text(first), Text(str(row["error"]), style="red")]
    if "labels" in row:
        said = [f"{label} {row['probabilities'][label]:.0%}" for label in row["labels"]]
        second = _other_chances(row["probabilities"], row["labels"])
        return [Text(first), Text("   ".join(said) or "none", style="bold"), Text(second, style="dim")]
    if "label" not in row:
        return [Text(first), *(Text(cell, style="bold") for cell in rest)]
    share = float(row["probability"])
    second = _other_chances(row.get("probabilities", {}), [row["label"]])
    chance = Text(f"{share:6.1%} {eighths_bar(share, 10)}", style="cyan")
    return [Text(first), Text(rest[0], style="bold"), chance, Text(second, style="dim")]


def _other_chances(chances: Mapping[str, float], said: Sequence[str]) -> str:
    """The two likeliest of what is not said."""
    ranked = sorted(((name, p) for name, p in chances.items() if name not in said), key=lambda pair: -pair[1])
    return "   ".join(f"{name} {p:.1%}" for name, p in ranked[:2] if p >= 0.01)


def eighths_bar(share: float, width: int) -> str:
    """A bar of eighths of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")


def flatten_prediction(row: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction as one row of a table: the probability of ``cat`` becomes the column ``p_cat``."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        inner = "p" if name == "probabilities" else name
        value = join_labels(value, "") if name == "labels" else value
        cells.update({f"{inner}_{key}": v for key, v in value.items()} if isinstance(value, Mapping) else {name: value})
    return cells


# --- datasets and samples ----------------------------------------------------------------------------------------


def show_samples(known: Mapping[str, str], out: Console) -> None:
    """The data sets that come with Pellucid."""
    table = plain_grid()
    for name, about in known.items():
        table.add_row(Text(name, style="bold"), Text(about))
    print_block(table, out)
    print_block("write one with: pellucid sample NAME", out)


def show_brief(data: Any, out: Console) -> None:
    """What was read in one line, and what looks wrong."""
    data_title(data.summary(), out)
    note_lines([note for note in data.notes if note.level != "info"], out, most=5)


def show_dataset(data: Any, out: Console) -> None:
    """What was found, what will be predicted and why, and what is worth knowing."""
    found = data.summary()
    data_title(found, out)
    field_lines(found["fields"], out)
    print_block(hanging_indent(Text("predicts", style="dim"), target_text(found)), out)
    print_block(hanging_indent(Text("split   ", style="dim"), split_text(found)), out, above=False)
    class_bars(found["classes"], out)
    note_lines(data.notes, out)


def show_findings(found: Mapping[str, Any], out: Console) -> None:
    """Everything that was found, with what training does about it and what its user can do."""
    data_title(found, out)
    if not found["notes"]:
        print_block("Nothing looks wrong: all of it is used as it is.", out)
        return
    print_block("Nothing is written. Of each finding, what training does about it, and what you can do.", out)
    for note in sorted(found["notes"], key=lambda note: -list(LEVELS).index(note["level"])):
        sign, style = LEVELS[note["level"]]
        line = Text.assemble((f"{note['where']}: " if note["where"] else "", "bold"), note["text"])
        print_block(hanging_indent(Text(sign, style=style), line), out)
        for who, what in (("training", note["action"]), ("you     ", note["fix"])):
            if what:
                print_block(hanging_indent(Text(f"  {who}", style="dim"), what), out, above=False)


def data_title(found: Mapping[str, Any], out: Console) -> None:
    print_block(Text(found["name"], style="bold"), out)
    print_block(Text(found["layout"], style="dim"), out, above=False)


def first_and_last(items: Sequence[Any], first: int, last: int) -> Iterator[Any]:
    """All of few items; of many, the first and the last, and between them the number that is left out."""
    left = len(items) - first - last
    yield from items if left < 2 else (*items[:first], left, *items[-last:])


def field_lines(found: Sequence[Mapping[str, Any]], out: Console) -> None:
    """One line a column: its name, what it was taken for, and what is in it."""
    table = plain_grid()
    table.show_header = True
    for heading, most in (("column", 28), ("kind", None), ("role", None)):
        table.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=most)
    table.add_column("what is in it", overflow="fold")
    for one in first_and_last(found, MOST_FIELDS // 2, MOST_FIELDS // 2):
        if isinstance(one, int):
            table.add_row(Text(f"… {grouped_number(one)} more", style="dim"))
            continue
        style = {"target": "bold green", "input": ""}.get(one["role"], "dim")
        kind = "-" if one["role"] == "ignore" else one["kind"]
        table.add_row(*(Text(str(cell), style=style) for cell in (one["name"], kind, one["role"], one["reason"])))
    print_block(table, out)


def target_text(found: Mapping[str, Any]) -> Text:
    """What will be predicted, and why."""
    goal = found["target"]
    if goal is None:
        return Text("which column is not obvious: say it with --target", style="yellow")
    return Text.assemble((goal["name"], "bold green"), f", {prediction_phrase(goal)}")


def class_bars(counts: Mapping[str, int], out: Console) -> None:
    """A bar for each class; of many, the commonest and the rarest."""
    if not counts:
        return
    table = plain_grid()
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=32)
    table.add_column(justify="right")
    table.add_column(style="cyan")
    for one in first_and_last(list(counts.items()), 9, 3):
        if isinstance(one, int):
            table.add_row(Text(f"… {grouped_number(one)} more", style="dim"))
        else:
            table.add_row(Text(one[0]), grouped_number(one[1]), eighths_bar(one[1] / max(counts.values()), 24))
    print_block(table, out)


def split_text(found: Mapping[str, Any]) -> Text:
    """How the parts come about."""
    return Text(found["split"]["how"])


def note_lines(found: Sequence[Any], out: Console, most: int = 12) -> None:
    """What is worth knowing, the worst first."""
    ranked = sorted(found, key=lambda note: -list(LEVELS).index(note.level))
    for i, note in enumerate(ranked[:most]):
        sign, style = LEVELS[note.level]
        line = Text.assemble((f"{note.where}: " if note.where else "", "bold"), note.text)
        print_block(hanging_indent(Text(sign, style=style), line), out, above=i == 0)
    if len(ranked) > most:
        left = len(ranked) - most
        print_block(f"… and {grouped_number(left)} more note{'s' * (left > 1)} (read --fix says all)", out, above=False)
