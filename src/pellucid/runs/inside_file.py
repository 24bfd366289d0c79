"""The page of a run that was looked into, as a file beside the run's others."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PellucidError, UsageError, shell_quote
from ..reports.inside_page import INSIDE, InsideContent, inside_page
from ..storage.atomic import replace_file
from ..views.base import LeftOut, Subject
from ..views.result import Result

if TYPE_CHECKING:
    from .run import Run

# Of the network alone; the page of an example is called after it.
NETWORK_PAGE = "inside.html"

# Bytes at the beginning of a file in which a page of ours says that it is one, and characters of an example's name.
HEAD, MOST_NAME = 2000, 60


def write_inside(
    run: Run,
    subject: Subject,
    results: Sequence[Result],
    source: str,
    name: str,
    options: Mapping[str, str],
    missing: Sequence[LeftOut] = (),
    path: Any = None,
    *,
    force: bool = False,
) -> Path:
    """Write the page; see ``Inspection.report``.

    Args:
        source: the example as commands take it; "" for the network alone. name: what people call it. options:
            see ``InsideContent``. missing: views that are left out.
    """
    place = _default_path(run, name) if path is None else Path(os.path.expanduser(path))
    if os.path.lexists(place) and not force and not is_inside(place):
        raise PellucidError(
            "this file exists and is not a page from inspect",
            where=str(place),
            fix="choose another name",
        )
    row = None if subject.example is None else int(subject.example.rows[0])
    html = inside_page(
        InsideContent(subject, results, str(run.path), source, name, row, options, run.record["versions"], missing)
    )
    place.parent.mkdir(parents=True, exist_ok=True)
    replace_file(place, html.encode())
    return place


def _default_path(run: Run, name: str) -> Path:
    if not run.folder.lasting:
        raise UsageError("this run is in memory and has no folder for the page", fix="give a path: report(path)")
    if not name:
        return run.path / NETWORK_PAGE
    plain = re.sub(r"[^\w.+-]+", "-", name)[:MOST_NAME].strip("-.") or "example"
    return run.path / f"inside-{plain}.html"


def is_inside(path: Path) -> bool:
    """Whether a file is a page that ``inspect`` wrote; it may be replaced."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return f'content="{INSIDE}"'.encode() in file.read(HEAD)


def source_words(source: Any, texts: Sequence[str]) -> str:
    """An example as a command names it: its file, the text, or that it was given otherwise."""
    if len(texts):
        return f"--text {shell_quote(texts[0])}"
    if source is None:
        return ""
    return shell_quote(source) if isinstance(source, str | os.PathLike) else "DATA"


def example_name(subject: Subject, source: Any) -> str:
    """What people call the example: a row of a table with the table's name; "" for the network alone."""
    if subject.example is None:
        return ""
    file = Path(source).name if isinstance(source, str | os.PathLike) else ""
    known = not file or file in subject.title
    return (subject.title if known else f"{file}, {subject.title}") or file or "this example"
