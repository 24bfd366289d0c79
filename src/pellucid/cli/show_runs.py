"""A list of runs as a person reads it: a line each, right at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import shell_quote
from ..wording import count_noun, metric_text, score_text
from .console import print_block

STYLES = {"finished": "green", "training": "cyan", "stopped": "yellow", "damaged": "red"}

DATE = "%Y-%m-%d %H:%M"


def show_runs(found: Sequence[Any], out: Console) -> None:
    """One line a run; below, what to do about those that are not finished."""
    if not found:
        print_block("no runs here yet; train one with: pellucid train DATA", out)
        return
    rows = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for heading, most in (("run", 30), ("data", 22), ("network", 13), ("score", None), ("when", None), ("", None)):
        rows.add_column(heading, no_wrap=True, overflow="ellipsis", max_width=most)
    for one in found:
        rows.add_row(
            Text(one.name, style="bold"), data_text(one), one.network, value_text(one),
            Text(datetime.fromisoformat(one.changed).strftime(DATE), style="dim"),
            Text("" if one.status == "finished" else one.status, style=STYLES[one.status]),
        )  # fmt: skip
    print_block(rows, out)
    out.print()
    for one in found:
        if one.status == "damaged":
            out.print(Text.assemble((f"  {one.name}: ", "bold"), one.problem), soft_wrap=True)
    if stopped := [one for one in found if one.status == "stopped" and one.kind == "run"]:
        last = stopped[-1]
        others = f" ({count_noun(len(stopped), 'run')} can be resumed)" if len(stopped) > 1 else ""
        out.print(Text(f"  continue: pellucid resume {shell_quote(last.path)}{others}"), soft_wrap=True)
    if done := [one for one in found if one.status == "finished"]:
        out.print(Text(f"  open:     pellucid report {shell_quote(done[-1].path)}"), soft_wrap=True)


def data_text(one: Any) -> str:
    """The name of what a run was trained on, and what it predicts."""
    if one.kind == "comparison":
        return "a comparison"
    many = one.data if isinstance(one.data, list) else [one.data] if one.data else []
    name = PurePath(many[0]).name if many else "in memory" if one.network else ""
    more = f" and {len(many) - 1} more" if len(many) > 1 else ""
    # Of photos in folders the target is theirs, and called so: it says nothing.
    return f"{name}{more}" + (f": {one.target}" if one.target else "")


def value_text(one: Any) -> str:
    return "" if one.value is None else f"{metric_text(one.metric)} {score_text(one.value)}"
