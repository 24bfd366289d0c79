"""What networks are worth on the same data, and the form of `comparison.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import PellucidError
from ..metrics.score import Score
from ..reports.comparison_report import write_comparison
from ..reports.notebook import comparison_html
from ..reports.report_file import REPORT, Report
from ..runs.record import MEASURED, damage_as_error
from ..runs.run import Run, load
from ..storage import Folder
from ..storage.folder import holds_whole
from ..storage.forms import anything, map_of, maybe, number, one_of, record, text, whole
from ..storage.names import COMPARISON
from ..wording import metric_text
from .alone import silence_trunk

# A comparison written in another format is refused rather than misread.
FORMAT, RECORD = 2, COMPARISON

MEASURES = ("value", "low", "high", "baseline", "validation")

COUNTS = ("seconds", "latency", "throughput", "steps", "parameters")

TRIED = record({"network": text(), "seed": whole(), "error": text()})

TRIAL = record(
    {
        **dict.fromkeys(("network", "run", "metric"), text()),
        **dict.fromkeys(MEASURES, number()),
        **dict.fromkeys(COUNTS, number(0)),
        "seed": whole(),
        "memory": maybe(whole()),
        "ahead": maybe(record(dict.fromkeys(("value", "low", "high"), MEASURED))),
    },
    anything,
)


def check_trial(value: Any, where: str) -> None:
    """What is written down of one training: what it gave, or why it gave nothing."""
    (TRIED if isinstance(value, dict) and "error" in value else TRIAL)(value, where)


HELD = record({"format": one_of(FORMAT), "terms": map_of(text()), "trials": map_of(check_trial)}, anything)


@dataclass(frozen=True)
class Comparison:
    """What networks are worth on the same data.

    Attributes:
        path: the folder, with a run for each training, ``comparison.json`` and ``report.html``.
        record: everything in it, as JSON.
    """

    __module__ = "pellucid"

    path: Path
    record: Mapping[str, Any]

    @property
    def ranking(self) -> list[str]:
        """Names, the best on validation first; networks that could not be trained are left out."""
        return list(self.record["ranking"])

    @property
    def networks(self) -> dict[str, dict[str, Any]]:
        """By name what ``train --json`` ends with, means over seeds, and memory (bytes) and latency (seconds)."""
        return dict(self.record["networks"])

    @property
    def baseline(self) -> Score:
        return Score(**self.record["baseline"])

    @property
    def reference(self) -> Score | None:
        found = self.record["reference"]
        return Score(**found) if found else None

    @property
    def failed(self) -> dict[str, str]:
        """Why networks could not be trained, by name."""
        return {name: one["error"] for name, one in self.networks.items() if name not in self.ranking}

    def run(self, name: str | None = None) -> Run:
        """The run of a network, of the best one when left out; of its seeds the best on validation.

        Of what networks begin with it is one of theirs in which the trunk adds nothing.
        """
        one = self.networks[name or self.ranking[0]]
        return silence_trunk(load(one["run"])) if one.get("alone") else load(one["run"])

    def say(self) -> list[str]:
        """What it means, in plain sentences."""
        return list(self.record["meaning"])

    def result(self) -> dict[str, Any]:
        """What ``compare --json`` ends with."""
        kept = ("ranking", "networks", "ties", "baseline", "reference", "meaning")
        return {"comparison": str(self.path)} | {name: self.record[name] for name in kept}

    def _repr_html_(self) -> str:
        return comparison_html(self)

    def report(self, redraw: bool = False) -> Report:
        """The report, which a notebook shows and ``.open()`` opens; drawn anew where it is missing, or asked for."""
        folder = Folder.open(self.path)
        if not redraw and holds_whole(folder, REPORT):
            return Report(self.path / REPORT)
        with folder.lock():
            write_comparison(folder, self.path.name.removesuffix("-compare"), self.record)
        return Report(self.path / REPORT, redrawn=True)

    def __repr__(self) -> str:
        rows = [
            f"{name}: {metric_text(one['metric'])} {one['value']:.4f}"
            for name, one in self.networks.items()
            if "value" in one
        ]
        return f"Comparison({str(self.path)!r}; {', '.join(rows)})"


def load_comparison(path: str | Path) -> Comparison:
    """Open a finished comparison. Raises PellucidError when the folder holds none, or it is damaged or not finished."""
    folder = Folder.open(path)
    found = folder.read_json(RECORD)
    with damage_as_error(folder.path / RECORD):
        HELD(found, "comparison")
    if "ranking" not in found:
        fix = "continue with the same command and the same --name"
        raise PellucidError("this comparison has not finished", where=str(path), fix=fix)
    return Comparison(folder.path, found)
