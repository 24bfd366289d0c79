"""Strict JSON, and how damage to any file is said.

NaN and infinities are written as ``null`` (JSON has no such numbers) and read back as None.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PellucidError, shell_quote
from .names import RECORD

# Of a record that is looked into for what to say of damage beside it.
MOST_RECORD_BYTES = 1 << 26


def to_json(obj: Any, indent: int | None = None) -> str:
    """Strict JSON: non-finite numbers become null, NumPy values their Python ones, paths text, tuples lists."""
    plain = json_value(obj)
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    # Half a surrogate pair, as in file names that are not UTF-8: written as escapes.
    except UnicodeEncodeError:
        return json.dumps(plain, allow_nan=False, indent=indent)
    return text


def json_value(obj: Any) -> Any:
    """A value of what JSON knows alone, but for dates and other objects: see ``to_json``."""
    if isinstance(obj, np.ndarray | np.generic):
        return json_value(obj.tolist())
    if isinstance(obj, float):
        return obj if np.isfinite(obj) else None
    if isinstance(obj, Mapping):
        return {str(k): json_value(v) for k, v in obj.items()}
    if isinstance(obj, list | tuple):
        return [json_value(v) for v in obj]
    return str(obj) if isinstance(obj, os.PathLike) else obj


# In one file: more take gigabytes once they are parsed.
MOST_VALUES = 8_000_000


def parse_json(data: bytes, path: Path) -> Any:
    """The value of strict JSON.

    Raises:
        PellucidError: for NaN or infinity, a key that is there twice, more than ``MOST_VALUES``, and what is no JSON.
    """
    # Commas bound the number of values, and are counted without parsing.
    try:
        if data.count(b",") > MOST_VALUES:
            raise ValueError("more values than any run has")
        return json.loads(data, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except RecursionError:
        raise damage_error("it is damaged (nested too deep)", path) from None
    except ValueError as error:
        raise damage_error(f"it is damaged (not JSON: {error})", path) from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of its pairs. Raises ValueError for a key that is there twice: readers differ in which one counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


def damage_error(what: str, path: Path) -> PellucidError:
    """The error for a file of a run that can't be used; a finished run can be done again."""
    like = f": pellucid train --like {shell_quote(path.parent)}" if _is_of_a_finished_run(path) else ""
    return PellucidError(what, where=str(path), fix=f"copy it from a backup, or train again{like}")


def _is_of_a_finished_run(path: Path) -> bool:
    """Whether the record beside a file says that its run has finished; False for a run in memory."""
    # Whatever is wrong with that record, this is only about a word of advice. A ValueError comes of a path without a
    # name, such as '.', too.
    try:
        record = path.with_name(RECORD)
        if path == record or record.is_symlink() or not record.is_file():
            return False
        with record.open("rb") as file:
            return bool(json.loads(file.read(MOST_RECORD_BYTES))["status"] == "done")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
