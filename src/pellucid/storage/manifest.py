"""The list of a run's files: size and SHA-256 of every version of a file that is good now."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .atomic import is_file
from .strict_json import to_json

FORMAT, MANIFEST = 1, "manifest.json"

# One of which says what a folder is about.
RECORDS = ("run.json", "comparison.json")

# {"sha256", "size"} of one version of a file.
Version = dict[str, Any]


def is_run_folder(path: Path) -> bool:
    """Whether a folder is a run's or a comparison's, finished or not."""
    return is_file(path / MANIFEST) and any(is_file(path / name) for name in RECORDS)


def version_of(data: bytes) -> Version:
    """The SHA-256 and the size of a file's content."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def accepted_versions(entry: Version) -> list[Version | None]:
    """The versions of a file that are good now: more than one only while it is being replaced; None for no file."""
    return [{"sha256": entry["sha256"], "size": entry["size"]}, *entry.get("or", [])]


def is_entry(entry: Any) -> bool:
    """Whether a manifest's value has the form this file writes, and nothing else in it."""
    if not isinstance(entry, dict) or not isinstance(earlier := entry.get("or", []), list):
        return False
    own = {key: value for key, value in entry.items() if key != "or"}
    return _is_version(own) and all(v is None or _is_version(v) for v in earlier)


def _is_version(v: Any) -> bool:
    return (
        isinstance(v, dict) and v.keys() == {"sha256", "size"} and type(v["sha256"]) is str and type(v["size"]) is int
    )


def render_manifest(files: Mapping[str, Version]) -> bytes:
    """The manifest's bytes, its own checksum included; equal files give equal bytes, in whatever order."""
    body = {"format": FORMAT, "files": dict(sorted(files.items()))}
    seal = hashlib.sha256(to_json(body).encode()).hexdigest()
    return (to_json({**body, "sha256": seal}, indent=1) + "\n").encode()
