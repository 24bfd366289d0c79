"""The verbs about runs that are there: ``runs`` lists them, ``report`` opens what one says of itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..errors import visible_text
from .parse import RECORD, find_run, typed_options


def runs(folder: str | None, **typed: Any) -> None:
    """List the runs in FOLDER (./runs when left out), the newest last.

    What each was trained on, its network and score, when, and whether it has finished.
    """
    from ..runs.listing import list_runs
    from . import console, show_runs

    found = list_runs(folder or "runs")
    if typed_options("runs", typed).get("json"):
        for one in found:
            console.print_json(one.to_json())
    else:
        show_runs.show_runs(found, console.make_console(sys.stdout))


def report(run: str, data: Any, **typed: Any) -> None:
    """Open the report of a run or a comparison in a browser, and print where it is.

    RUN is its folder, or its name under ./runs. A report that is missing or damaged is drawn again; DATA is needed
    for that alone, and only where it is not where the run found it.
    """
    from ..storage.names import COMPARISON

    options = typed_options("report", typed)
    place = find_run(run, (RECORD, COMPARISON), ("", "-compare"))
    found = make_report(place, data, bool(options.get("redraw")))
    if found.redrawn:
        click.echo(f"redrawn: {visible_text(str(found))}", file=sys.stderr)
    print(visible_text(str(found)), flush=True)
    if options.get("open", sys.stdout.isatty()) and not found.open() and options.get("open"):
        click.echo("there is no display to open it on", file=sys.stderr)


def make_report(place: Path, data: Any, redraw: bool) -> Any:
    """The report of a folder. Torch is loaded only where it has to be drawn."""
    from ..reports.report_file import REPORT, Report
    from ..storage import Folder
    from ..storage.folder import holds_whole
    from ..storage.names import COMPARISON

    if not redraw and holds_whole(Folder.open(place), REPORT):
        return Report(place / REPORT)
    if (place / COMPARISON).exists():
        from ..comparison.comparison import load_comparison

        return load_comparison(place).report(redraw)
    from ..runs.run import load

    return load(place).report(data, redraw=redraw)
