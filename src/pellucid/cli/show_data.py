"""Datasets as a person reads them: calm, at most 100 columns, right at 80."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ..data.summary import prediction_phrase
from ..fields.notes import join_notes
from .console import eighths_bar, grouped_number, hanging_indent, plain_grid, print_block

# Columns of a table, shown on a terminal: with what is said of the data they fill a screen.
MOST_FIELDS = 24

# Characters of a cell among the first rows.
MOST_CELL = 24

LEVELS = {"info": ("·", "dim"), "warning": ("!", "yellow"), "error": ("✗", "red")}


def show_brief(data: Any, out: Console) -> None:
    """What was read in one line, and what looks wrong."""
    data_title(data.summary(), out)
    note_lines([note for note in data.notes if note.level != "info"], out, most=5)


def show_dataset(data: Any, out: Console) -> None:
    """What was found, what will be predicted and why, and what is worth knowing."""
    found = data.summary()
    data_title(found, out)
    field_lines(found["fields"], out)
    first_rows(found, out)
    print_block(hanging_indent(Text("target  ", style="dim"), target_text(found)), out)
    print_block(hanging_indent(Text("split   ", style="dim"), split_text(found)), out, above=False)
    class_bars(found["classes"], out)
    note_lines(data.notes, out)


def show_findings(found: Mapping[str, Any], out: Console) -> None:
    """Everything that was found, with what training does about it and what its user can do."""
    data_title(found, out)
    if not found["notes"]:
        print_block("No problems found.", out)
        return
    print_block("For each finding: what training does, and what you can do. Nothing is changed.", out)
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
    # "1 more" would take the line that the one itself needs.
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
        kind, role = ("-", "left out") if one["role"] == "ignore" else (one["kind"], one["role"])
        table.add_row(*(Text(str(cell), style=style) for cell in (one["name"], kind, role, one["reason"])))
    print_block(table, out)


def first_rows(found: Mapping[str, Any], out: Console) -> None:
    """The first rows, as read, as many columns as fit; the target is among them."""
    rows = found["first_rows"]
    if not rows or len(rows[0]) < 2:
        return
    goals = {field["name"] for field in found["fields"] if field["role"] == "target"}
    room, names = out.width - 4, []
    # The targets first, so that they have their place; then in the order of the table.
    for name in sorted(rows[0], key=lambda name: name not in goals):
        width = min(max(len(text) for text in (name, *(row[name] or "" for row in rows))), MOST_CELL) + 2
        if room < width and name not in goals:
            break
        room -= width
        names.append(name)
    names = [name for name in rows[0] if name in names]
    table = plain_grid()
    table.show_header = True
    for name in names:
        table.add_column(Text(name), no_wrap=True, overflow="ellipsis", max_width=MOST_CELL)
    for row in rows:
        table.add_row(*(Text(row[name] or "", style="green" if name in goals else "") for name in names))
    left = len(found["fields"]) - len(names)
    more = f", {grouped_number(left)} more column{'s' * (left > 1)}" if left else ""
    print_block(Text(f"first rows, as read{more}", style="dim"), out)
    print_block(table, out, above=False)


def target_text(found: Mapping[str, Any]) -> Text:
    """What will be predicted, and why."""
    goal = found["target"]
    if goal is None:
        return Text("not clear; choose one with --target", style="yellow")
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
    ranked = sorted(join_notes(found), key=lambda note: -list(LEVELS).index(note.level))
    for i, note in enumerate(ranked[:most]):
        sign, style = LEVELS[note.level]
        line = Text.assemble((f"{note.where}: " if note.where else "", "bold"), note.text)
        print_block(hanging_indent(Text(sign, style=style), line), out, above=i == 0)
    if len(ranked) > most:
        left = len(ranked) - most
        print_block(
            f"… and {grouped_number(left)} more note{'s' * (left > 1)} (pellucid read --fix lists all)",
            out,
            above=False,
        )
