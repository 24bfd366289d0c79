"""Where runs go, and names that are free."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import PellucidError, shell_quote
from ..planning.plan import Plan
from ..storage import Folder
from ..storage.names import COMPARISON, RECORD


def run_path(name: str, plan: Plan, options: Mapping[str, Any]) -> Path:
    """The folder for a new run: ``out/name``, or without that option the first free name of data and network.

    Args:
        name: of the data. options: ``out`` and ``name``, as asked for.
    """
    out = Path(options.get("out") or "runs")
    if options.get("name"):
        return out / str(options["name"])
    return free_path(out, f"{name}-{plan.network}")


def check_free(options: Mapping[str, Any], ending: str = "") -> None:
    """Raises PellucidError, before any work is done, where a run of the name asked for can't be written.

    Args:
        options: ``out`` and ``name``, as asked for. ending: of the folder's name; a comparison that is there goes on.
    """
    out = Path(options.get("out") or "runs")
    if not options.get("name"):
        _check_writable(out)
        return
    path = out / f"{options['name']}{ending}"
    if (path / COMPARISON).exists() and not ending:
        raise PellucidError("there is a comparison here already", where=str(path), fix="choose another --name")
    if (path / RECORD).exists():
        raise run_here_error(path, resume=not ending)
    _check_writable(path)


def run_here_error(path: Path, resume: bool = True) -> PellucidError:
    """What is said where a run lies already; ``resume``: whether to go on with it is another way out."""
    fix = f"choose another --name, or: pellucid resume {shell_quote(path)}" if resume else "choose another --name"
    return PellucidError("there is a run here already", where=str(path), fix=fix)


def _check_writable(path: Path) -> None:
    """Raises PellucidError where a folder can't be made or written to."""
    there = next((one for one in (path, *path.parents) if os.path.lexists(one)), Path("."))
    if not there.is_dir():
        raise PellucidError("this is not a folder", where=str(there), fix="write to another one with --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PellucidError("you can't write to this folder", where=str(there), fix="write to another one with --out")


def free_path(out: Path, stem: str) -> Path:
    """``out/stem``, or the first of ``out/stem-2``, ``out/stem-3``, … that is not there yet."""
    # A link that leads nowhere is no free name either.
    i = 1
    while os.path.lexists(out / (found := stem if i == 1 else f"{stem}-{i}")):
        i += 1
    return out / found


def new_folder(path: Path) -> Folder:
    """A folder for a new run. Raises PellucidError when there is a run or a comparison already."""
    folder = Folder.create(path)
    if folder.exists(COMPARISON):
        raise PellucidError("there is a comparison here already", where=str(path), fix="choose another --name")
    if folder.exists(RECORD):
        raise run_here_error(path)
    return folder
