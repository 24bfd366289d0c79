"""The verb ``inspect``: what is in a network, and how it comes by an answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..options import FORM, INSPECT
from .parse import typed_options
from .standard_input import standard_input

_TAKEN = {option.name for option in (*INSPECT, *FORM)}


def inspect(run: str, data: Any, **typed: Any) -> None:
    """Look into a network, or into how it answers one example.

    RUN is the folder of a run, or its name under ./runs. DATA is one photo, recording or text file, or a table, of
    which the first row is looked into. Each view says whether what it shows is exact, checked on this network,
    suggestive, or failed its test.
    """
    from ..runs.inspection import ASKED
    from . import console, show_run, show_views
    from . import output_file as output
    from .verbs import check_force, write_page
    from .waiting import Waiting

    options = typed_options("inspect", typed)
    force, out_path = bool(options.get("force")), options.get("out")
    check_force(force, out_path)
    inputs = [] if data is None else [data] if isinstance(data, str) else data
    page = None if out_path is None else output.check_output(out_path, run, inputs, force, output.PAGES)
    found = open_run(run)
    source = None if data is None else standard_input(data)
    asked = {name: value for name, value in options.items() if name in _TAKEN}
    with Waiting("looking inside", bool(options.get("json"))):
        results = found.inspect(source, texts=list(options.get("texts", ())), **asked)
    if "png" in options:
        show_views.write_pictures(results, Path(options["png"]))
    # A program that reads JSON finds no files that it did not ask for; one unit's page is not in the place of all.
    unasked = not options.get("json") and not any(options.get(name) for name in ASKED)
    place = write_page(results, page, force) if page is not None or unasked else None
    if options.get("json"):
        for result in results:
            console.print_json(result.to_json())
        return
    out = console.make_console(sys.stdout)
    show_views.show_results(results, out)
    show_views.show_left_out(results.left_out, out)
    show_run.show_page(place, out, "page")


def open_run(run: str) -> Any:
    """A run by its folder or name; one that has not finished as of its last checkpoint, which is said."""
    from ..runs.unfinished import is_unfinished, open_unfinished
    from .verbs import find_run, load_run

    path = find_run(run)
    if not is_unfinished(path):
        return load_run(run)
    found = open_unfinished(path)
    text = f"this training has not finished: what is shown is as of step {found.step:,}"
    click.echo(click.style("! ", fg="yellow") + text, file=sys.stderr)
    return found
