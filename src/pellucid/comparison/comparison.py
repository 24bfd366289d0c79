"""What networks are worth on the same data, and the form of `comparison.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..metrics.score import Score
from ..runs.record import MEASURED
from ..runs.run import Run, load
from ..storage.forms import anything, map_of, maybe, number, one_of, record, text, whole

# A comparison written in another format is refused rather than misread.
FORMAT, RECORD = 2, "comparison.json"

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
        """The run of a network, of the best one when left out; of its seeds the best on validation."""
        return load(self.networks[name or self.ranking[0]]["run"])

    def say(self) -> list[str]:
        """What it means, in plain sentences."""
        return list(self.record["meaning"])

    def result(self) -> dict[str, Any]:
        """What ``compare --json`` ends with."""
        kept = ("ranking", "networks", "ties", "baseline", "reference", "meaning")
        return {"comparison": str(self.path)} | {name: self.record[name] for name in kept}

    def __repr__(self) -> str:
        rows = [f"{name}: {one['metric']} {one['value']:.4f}" for name, one in self.networks.items() if "value" in one]
        return f"Comparison({str(self.path)!r}; {', '.join(rows)})"
