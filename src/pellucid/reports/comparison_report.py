"""The report of a comparison: what its page is made from, and the curves on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ..metrics.score import plain_name
from ..storage import Folder
from ..wording import metric_text
from .comparison_page import Contents, comparison_page

# -- of a comparison


def write_comparison(folder: Folder, name: str, record: Mapping[str, Any]) -> None:
    """``report.html`` of a comparison, from what is written down of it."""
    networks, parts, metric = record["networks"], record["parts"], record["baseline"]["metric"]
    others = (record["reference"], record["baseline"])
    content: Contents = {
        "title": name,
        "meaning": record["meaning"],
        "metric": metric_text(metric),
        "percent": record["percent"],
        "higher": record["higher"],
        "entries": [{"name": one} | networks[one] for one in record["ranking"]],
        "failed": {one: found["error"] for one, found in networks.items() if "error" in found},
        "beside": [one | {"name": plain_name(one["name"])} for one in others if one],
        "curves": {
            one: validation_curve(folder, one, networks[one]["seeds"], metric)
            for one in record["ranking"]
            # What was solved has no course of a training.
            if not networks[one].get("alone")
        },
        "facts": [
            ("budget of each", record["budget"]),
            ("seeds" if len(record["seeds"]) > 1 else "seed", ", ".join(map(str, record["seeds"]))),
            ("examples", " · ".join(f"{n:,} {part}" for part, n in parts.items())),
        ],
        "protocol": (
            f"Split: {record['split']}. All networks were trained on the same rows; each budget includes planning, "
            f"encoding, sizing, training and scoring. Ranked on {record['ranked on']}; test was looked at "
            "once a training and ranked none. Memory is the most that the process had resident at once, its libraries "
            "included."
        ),
        "versions": record["versions"],
        "tested": record["tested"],
    }
    folder.write("report.html", comparison_page(content).encode())


def validation_curve(
    folder: Folder, network: str, seeds: Sequence[Mapping[str, Any]], metric: str
) -> tuple[list[float], list[float]]:
    """The metric on validation over the seconds of the training, the mean over seeds at all their moments."""
    tables = [
        pl.read_parquet(Folder.open(folder.path / f"{network}-{one['seed']}").read("history.parquet"))
        for one in seeds
        if "value" in one
    ]
    lines = [(table["seconds"].to_numpy(), table[metric].to_numpy()) for table in tables]
    end = min(x[-1] for x, _ in lines)
    moments = np.unique(np.concatenate([x[x <= end] for x, _ in lines]))
    return moments.tolist(), np.mean([np.interp(moments, x, y) for x, y in lines], 0).tolist()
