"""Where predictions may be written to: never what was predicted from, nor a run's own, nor another's unless asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

from ..data.folders.listing import list_files
from ..errors import PellucidError, UsageError, unknown_name
from ..runs.prediction_file import WRITERS, there_already
from ..storage import is_run_folder
from .parse import find_run

# Of a page to open in a browser.
PAGES = (".html", ".htm")

WRITTEN = tuple(WRITERS)


def check_output(name: str, run: str, inputs: Sequence[str], force: bool, endings: Sequence[str] = WRITTEN) -> Path:
    """Where predictions, or a page, go, before any work is done.

    Args:
        run: the folder or the name of the run that predicts.
        inputs: what it predicts from: files, folders and patterns.
        force: a file that is there already may be replaced. endings: that a name may have.

    Raises:
        UsageError: for an ending that no writer has.
        PellucidError: where it is, or lies in, an input or a run; is a link or no file; is there and not ``force``; or
            can't be written where it would lie.
    """
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() not in endings:
        raise UsageError(unknown_name("ending of --out", path.suffix or name, endings))
    if path.is_symlink():
        what = f"it is a link to '{os.readlink(path)}', and nothing is written through links"
        raise PellucidError(what, where=name, fix="name the file itself")
    if os.path.lexists(path) and not path.is_file():
        what = "it is a folder" if path.is_dir() else "it is not a file but a pipe, a socket or a device"
        raise PellucidError(what, where=name, fix="name a file")
    _check_folder(path, name)
    _check_apart(path, name, find_run(run), inputs)
    if os.path.lexists(path) and not force:
        raise there_already(name)
    return path


def _check_folder(path: Path, name: str) -> None:
    """Raises PellucidError where there is no folder for a file, none can be made, or others may not write there."""
    above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    if not above.is_dir():
        raise PellucidError(f"'{above}' is not a folder", where=name, fix="name a file in a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        what = f"nothing can be written to the folder '{above}'"
        raise PellucidError(what, where=name, fix="check who may write there, or choose another folder")


def _check_apart(path: Path, name: str, run: Path, inputs: Sequence[str]) -> None:
    """Raises PellucidError where a file is, or would lie in, an input or a run."""
    parent = Path(os.path.realpath(path.parent))
    # Resolved: a folder may be reached by a link, and ``..`` behind a link is another folder.
    above = [parent, *parent.parents]
    if any(is_run_folder(folder) or _are_same(folder, run) for folder in above):
        raise PellucidError("it is inside a run's folder", where=name, fix="write it to another folder")
    for one in _named_files(inputs):
        if _are_same(path, one) or (os.path.isdir(one) and _is_read_from(one, path)):
            what = "it is one of the inputs, and would be overwritten"
            raise PellucidError(what, where=name, fix="write to another file")
        if any(_are_same(folder, one) for folder in above):
            what = f"it is in '{one}', which is predicted from, and would be read as an input next time"
            raise PellucidError(what, where=name, fix="write it to another folder")


def _named_files(inputs: Sequence[str]) -> Iterator[str]:
    """The files and folders that words of the command line stand for."""
    for word in inputs:
        one = os.path.expanduser(word)
        yield from [one] if os.path.lexists(one) else glob(one, recursive=True)


def _is_read_from(folder: str, path: Path) -> bool:
    """Whether a file is one of those that are read of a folder, which may be through a link."""
    return path.exists() and any(
        _are_same(path, os.path.join(folder, name)) for name in list_files(Path(folder)).tables
    )


def _are_same(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to the same file or folder, by whatever names."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False
