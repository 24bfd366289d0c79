"""The data of a run that goes on or is done again: found where it is now, and to be the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from glob import has_magic
from pathlib import Path
from typing import Any

from torch import nn

from ..dataset import Dataset, read
from ..errors import PellucidError, shell_quote
from ..fields import Field
from ..options import check_options, default_options
from ..planning.plan import Plan
from ..storage import Folder
from ..wording import join_words
from .prepare import decoded_otherwise, keep_kind
from .record import damage_as_error, read_record


def reopen_data(record: Mapping[str, Any], path: Path, data: Any, again: str) -> Dataset:
    """The data that the run at ``path`` was trained on, read again and found to be the same.

    Args:
        data: passed in again, from wherever it lies now; None for the source in the record.
        again: the command that names data that has moved, "pellucid resume runs/x NEWPATH".

    Raises:
        PellucidError: when it has changed, or is not to be had.
    """
    about = record["data"]
    if data is None and not about.get("source"):
        raise PellucidError("this run was trained on data in memory", fix="pass the same data again: data=…")
    if data is None and (gone := first_gone(about["source"])):
        raise PellucidError(
            "the data this run was trained on was not found",
            where=gone,
            fix=f"if it has moved, give its new place: {again} (in Python: data=NEWPATH)",
        )
    source = data if data is not None else about["source"]
    with damage_as_error(path / "run.json"):
        options = check_options("read", about["options"])
    found = source if isinstance(source, Dataset) else read(source, **options)
    with damage_as_error(path / "run.json"):
        fields = [Field.from_json(one) for one in record["fields"]]
    found = keep_kind(found, fields)
    if older := decoded_otherwise(found, fields):
        found = found.with_fitted(older)
    # Scales and vocabularies of a run to start from were brought along, and are not learned from this data.
    if record["plan"].get("start"):
        found = found.with_fitted({f.name: f for f in fields if f.is_input})
    if found.fingerprint() != about["fingerprint"]:
        raise PellucidError(
            "the data has changed since this training began",
            where=str(about.get("source") or "the data passed in") if data is None else "the data passed in",
            fix="restore it, or train again" if data is None else "name the data it was trained on, or train again",
        )
    return found


def first_gone(source: str | Sequence[str]) -> str | None:
    """The first of the places of a run's data at which nothing is; a pattern is no place."""
    places = [source] if isinstance(source, str) else source
    return next((one for one in places if not os.path.lexists(one) and not has_magic(one)), None)


def with_place(record: Mapping[str, Any], data: Dataset) -> dict[str, Any]:
    """A record that says where its data lies now, where that is a place."""
    place = data.recipe()["source"]
    return dict(record) if place is None else {**record, "data": {**record["data"], "source": place}}


def check_replay(options: Mapping[str, Any]) -> None:
    """Raises PellucidError for an option that a replay would ignore: all but ``name`` and ``out``."""
    usual = default_options("train")
    given = {k for k, v in options.items() if not isinstance(v, nn.Module) and v not in (None, (), {}, usual.get(k))}
    if extra := sorted(given - {"name", "out"}):
        what = f"--like repeats the run's options; {join_words(extra)} can't be changed"
        raise PellucidError(what, fix="leave --like out, or the option")


def reopen_for_replay(source: Folder, data: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], Dataset]:
    """The record of a run to be done again, and its data.

    Raises:
        PellucidError: when the run has not finished, its data has changed, or an option asks for something else.
    """
    record = read_record(source)
    if record["status"] != "done":
        raise PellucidError(
            "this training has not finished",
            where=str(source.path),
            fix=f"first: pellucid resume {shell_quote(source.path)}",
        )
    check_replay(options)
    found = reopen_data(record, source.path, data, f"pellucid train NEWPATH --like {shell_quote(source.path)}")
    return with_place(record, found) if data is not None else record, found


def recorded_plan(source: Folder, data: Any, options: Mapping[str, Any]) -> Plan:
    """The plan that a replay follows. Raises PellucidError as ``reopen_for_replay`` does."""
    record, _ = reopen_for_replay(source, data, options)
    with damage_as_error(source.path / "run.json"):
        return Plan.from_json(record["plan"])
