"""Files that predictions are written to: never what was predicted from, nor a run's own, nor another's unless asked."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import IO, Any

import polars as pl

from ..data.folders.listing import list_files
from ..errors import PellucidError, UsageError, unknown_name
from ..storage import is_run_folder
from .console import json_value
from .parse import find_run
from .show_predictions import flatten_prediction

WRITTEN = (".csv", ".json", ".jsonl", ".parquet")


# Of a page to open in a browser.
PAGES = (".html", ".htm")


def check_output(name: str, run: str, inputs: Sequence[str], force: bool, endings: Sequence[str] = WRITTEN) -> Path:
    """Where predictions, or a page, go, before any work is done.

    Args:
        run: the folder or the name of the run that predicts.
        inputs: what it predicts from: files, folders and patterns.
        force: a file that is there already may be replaced. endings: that a name may have.

    Raises:
        UsageError: for an ending that no writer has.
        PellucidError: where it is, or lies in, an input or a run; is a link or no file; is there and not ``force``.
    """
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() not in endings:
        raise UsageError(unknown_name("ending of --out", path.suffix or name, endings))
    if path.is_symlink():
        what = f"it is a link to '{os.readlink(path)}', and nothing is written through links"
        raise PellucidError(what, where=name, fix="name the file itself")
    if os.path.lexists(path) and not path.is_file():
        what = "it is a folder" if path.is_dir() else "it is no file but a pipe, a socket or a device"
        raise PellucidError(what, where=name, fix="name a file")
    _check_apart(path, name, find_run(run), inputs)
    if os.path.lexists(path) and not force:
        raise _there_already(name)
    return path


def _check_apart(path: Path, name: str, run: Path, inputs: Sequence[str]) -> None:
    """Raises PellucidError where a file is, or would lie in, an input or a run."""
    parent = Path(os.path.realpath(path.parent))
    # Resolved: a folder may be reached by a link, and ``..`` behind a link is another folder.
    above = [parent, *parent.parents]
    if any(is_run_folder(folder) or _are_same(folder, run) for folder in above):
        raise PellucidError("it lies in the folder of a run", where=name, fix="write it to another folder")
    for one in _named_files(inputs):
        if _are_same(path, one) or (os.path.isdir(one) and _is_read_from(one, path)):
            what = "it is one of the inputs, and predictions would take its place"
            raise PellucidError(what, where=name, fix="write to another file")
        if any(_are_same(folder, one) for folder in above):
            what = f"it lies in '{one}', which is predicted from, and would be taken for part of it from then on"
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


def _there_already(name: str | Path) -> PellucidError:
    fix = "choose another name, or have it replaced with --force"
    return PellucidError("there is a file of this name already", where=str(name), fix=fix)


def write_output(rows: Sequence[Mapping[str, Any]], path: Path, force: bool = False) -> None:
    """Predictions as CSV or Parquet (one column a class) or JSON (as ``--json`` prints them).

    The file appears whole or not at all.

    Raises:
        PellucidError: there is one by now, and not ``force``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".pellucid-{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            _write_rows(rows, path.suffix.lower(), file)
        _give_name(draft, path, force)
    finally:
        draft.unlink(missing_ok=True)


def _write_rows(rows: Sequence[Mapping[str, Any]], ending: str, file: IO[bytes]) -> None:
    if ending == ".json":
        file.write(json.dumps(json_value(list(rows)), ensure_ascii=False, indent=1, default=str).encode())
    elif ending == ".jsonl":
        file.writelines(json.dumps(json_value(row), ensure_ascii=False, default=str).encode() + b"\n" for row in rows)
    else:
        table = pl.DataFrame([flatten_prediction(row) for row in rows], infer_schema_length=None)
        table.write_csv(file) if ending == ".csv" else table.write_parquet(file)


def _give_name(draft: Path, path: Path, force: bool) -> None:
    """Give a finished file its name."""
    if force:
        if path.is_file() and not path.is_symlink():
            # Who could read the file before can read the new one.
            shutil.copymode(path, draft)
        draft.replace(path)
        return
    try:
        # Unlike a renaming, a link never replaces what has come there in the meantime.
        os.link(draft, path)
    except FileExistsError:
        raise _there_already(path) from None
    # A file system without hard links.
    except OSError:
        if os.path.lexists(path):
            raise _there_already(path) from None
        draft.rename(path)
