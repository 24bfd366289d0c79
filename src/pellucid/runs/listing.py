"""What runs and comparisons a folder holds, each in a line. Torch-free, so that a list is there at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import PellucidError
from ..storage import Folder
from ..storage.forms import (
    FormError,
    anything,
    list_of,
    map_of,
    maybe,
    number,
    one_of,
    one_or_more,
    record,
    text,
    whole,
)
from ..storage.lock import is_locked
from ..storage.names import COMPARISON, RECORD

MEASURED = maybe(number())

SCORE = record({"metric": text(), **dict.fromkeys(("value", "low", "high"), MEASURED)}, anything)

# What is shown of a run; all of it is checked where a run is loaded.
RUN = record(
    {
        "status": one_of("training", "done"),
        "data": record({"source": maybe(one_or_more(text()))}, anything),
        "fields": list_of(record({"name": text(), "role": text()}, anything)),
        "plan": record({"network": text()}, anything),
        "score": SCORE,
        "baseline": SCORE,
        "steps": whole(),
        "seconds": number(0),
    },
    anything,
    optional=("score", "baseline", "steps", "seconds"),
)

TRIED = record(
    {"value": MEASURED, "low": MEASURED, "high": MEASURED, "run": text()},
    anything,
    optional=("value", "low", "high", "run"),
)

COMPARED = record(
    {"ranking": list_of(text()), "networks": map_of(TRIED), "baseline": SCORE, "trials": map_of(map_of(anything))},
    anything,
    optional=("ranking", "networks", "baseline"),
)


@dataclass(frozen=True)
class Listed:
    """A run or a comparison in a line.

    Attributes:
        name, path: of its folder. kind: ``"run"`` or ``"comparison"``.
        status: ``"finished"``, ``"training"`` (now), ``"stopped"`` (``resume`` goes on) or ``"damaged"``.
        changed: when its record was last written, ISO 8601 with the time zone of this machine.
        data: the source, or several; None for data in memory. target: what is predicted.
        network: the trunk; of a comparison the best one, as the score is.
        metric, value, low, high, baseline: the score, its interval, the naive answer's; None before the end.
        steps, seconds: made and spent. problem: what is wrong with a damaged one.
    """

    name: str
    path: str
    kind: str
    status: str
    changed: str
    data: str | list[str] | None = None
    target: str = ""
    network: str = ""
    metric: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    steps: int | None = None
    seconds: float | None = None
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def list_runs(folder: str | Path = "runs") -> list[Listed]:
    """The runs and comparisons in a folder, the newest last; a run itself is listed alone.

    Raises:
        PellucidError: when there is no such folder.

    Example:
        >>> [run.name for run in pellucid.list_runs("runs")]                            # doctest: +SKIP
        ['digits-convolutional']
    """
    root = Path(folder)
    if not root.is_dir():
        what = "this is not a folder" if os.path.lexists(root) else "there is no such folder"
        raise PellucidError(what, where=str(folder), fix="train a first run with: pellucid train DATA")
    own = [root] if _record_of(root) else [one for one in root.iterdir() if one.is_dir() and _record_of(one)]
    return sorted(map(_list_one, own), key=lambda one: (one.changed, one.name))


def _record_of(path: Path) -> str | None:
    """The file that says what a folder holds; None where it is neither a run nor a comparison."""
    return next((name for name in (RECORD, COMPARISON) if (path / name).is_file()), None)


def _list_one(path: Path) -> Listed:
    name = _record_of(path) or RECORD
    kind = "run" if name == RECORD else "comparison"
    changed = datetime.fromtimestamp((path / name).stat().st_mtime, timezone.utc).astimezone()
    about: dict[str, Any] = {"name": path.resolve().name, "path": str(path), "kind": kind}
    about["changed"] = changed.isoformat(timespec="seconds")
    try:
        found = Folder.open(path).read_json(name)
        (RUN if kind == "run" else COMPARED)(found, kind)
        about |= _run_content(found) if kind == "run" else _comparison_content(found)
    except FormError as error:
        return Listed(**about, status="damaged", problem=f"it is damaged ({error})")
    except (PellucidError, OSError) as error:
        return Listed(**about, status="damaged", problem=getattr(error, "what", str(error)))
    if about["status"] != "finished":
        about["status"] = "training" if is_locked(path) else "stopped"
    return Listed(**about)


def _run_content(found: Mapping[str, Any]) -> dict[str, Any]:
    done = found["status"] == "done" and "score" in found
    targets = [one["name"] for one in found["fields"] if one["role"] == "target"]
    about = {"data": found["data"]["source"], "target": ", ".join(targets), "network": found["plan"]["network"]}
    about["status"] = "finished" if done else "stopped"
    if done:
        score = found["score"]
        about |= {key: score[key] for key in ("metric", "value", "low", "high")}
        about |= {"baseline": found.get("baseline", {}).get("value"), "steps": found.get("steps")}
        about["seconds"] = found.get("seconds")
    return about


def _comparison_content(found: Mapping[str, Any]) -> dict[str, Any]:
    if not found.get("ranking"):
        return {"status": "stopped", "network": ", ".join(sorted({key.rpartition("-")[0] for key in found["trials"]}))}
    best = found["ranking"][0]
    one, baseline = found.get("networks", {}).get(best, {}), found.get("baseline", {})
    about = {key: one.get(key) for key in ("value", "low", "high", "steps", "seconds")}
    return about | {
        "status": "finished", "network": best, "metric": baseline.get("metric"), "baseline": baseline.get("value"),
    }  # fmt: skip
