"""``run.json``: what it must look like, declared once and checked before anything is made of it. Torch-free.

A run folder may come from a stranger, and whoever wrote it could also write its checksums. So nothing in the record is
believed: every value that steers something has a form, every name must be one that is known here, and the parts must
fit each other. What only the weights can settle (is the network that large?) ``run`` looks at without building it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data import Split
from ..data.timeline import forecast
from ..data.timeline.windows import forecast_of, phases_of
from ..dataset import Dataset
from ..errors import PellucidError, UsageError
from ..fields import KINDS, Field, input_groups, kind_named
from ..fields.base import ROLES
from ..options import MOST_BEAMS, MOST_HEADS
from ..planning.plan import Plan
from ..storage import Files, damage_error
from ..storage.forms import (
    FormError,
    all_of,
    anything,
    flag,
    list_of,
    map_of,
    maybe,
    number,
    one_of,
    one_or_more,
    pattern,
    record,
    text,
    whole,
)
from ..storage.names import HISTORY_LINES
from ..tasks import TASKS
from ..tasks.each_target import EACH_TARGET
from .versions import current_versions


def initial_record(data: Dataset, split: Split, plan: Plan, fields: Mapping[str, Field]) -> dict[str, Any]:
    """``run.json`` as it is before training: all that is needed to do the training again."""
    parts = {name: len(rows) for name, rows in split.parts().items()}
    about = {"fingerprint": data.fingerprint(), "examples": data.content_digest(), "split": {"how": split.how, **parts}}
    about["columns"] = data.reading.columns
    if data.reading.forecast is not None:
        ahead, line = forecast_of(data)
        phases = phases_of(line, ahead, np.concatenate(list(split.parts().values())))
        about["forecast"] = replace(ahead, phases=phases).to_json()
    about["ids"] = [f.name for f in data.fields.values() if f.role == "id"]
    return {
        "format": FORMAT,
        "status": "training",
        "live": True,
        "data": data.recipe() | about,
        "fields": [f.to_json() for f in fields.values()],
        "plan": plan.to_json(),
        "network": None,
        "decisions": [],
        "versions": current_versions(),
    }


def recorded_decisions(folder: Files, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All decisions of a run so far: those in its record, and those in its history since that was written."""
    written = [without_name(row, "event") for row in read_history(folder, HISTORY_LINES) if row["event"] == "decided"]
    return [*record["decisions"], *(one for one in written if one not in record["decisions"])]


def without_name(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A mapping without one of its keys."""
    return {k: v for k, v in values.items() if k != name}


# Of a record. Files of a later one are refused, so it rises only when old readers would be wrong.
FORMAT = 1

# Bounds of what a stranger's record may ask for: far above what any training writes.
MOST_FIELDS = 200_000

MOST_LINES = 10_000_000

STEPS = whole(0, 10**12)

PATH = pattern("[^\\0]{1,10000}")


def check_field(value: Any, where: str) -> None:
    """The form of a field: its settings and state are what its kind writes."""
    FIELD(value, where)
    kind, role = kind_named(value["kind"]), value["role"]
    kind.settings()(value["settings"], f"{where}.settings")
    if value["state"] is not None:
        kind.state(role, value["settings"])(value["state"], f"{where}.state")


def check_decision(value: Any, where: str) -> None:
    """The form of a decision: its value is of the form that its name asks for."""
    DECISION(value, where)
    DECIDED.get(value["name"], anything)(value["value"], f"{where}.value")


def check_schedule(value: Any, where: str) -> None:
    """The form of a schedule: points (step, factor), in order of the steps."""
    list_of(list_of(number(-1, 1e12), 2, 2), least=2, most=10)(value, where)
    if [step for step, _ in value] != sorted(step for step, _ in value):
        raise FormError(f"{where} goes back in time")


def check_line(value: Any, where: str) -> None:
    """The form of a row of the history: a decision or an evaluation."""
    LINE(value, where)
    if value["event"] == "decided":
        check_decision({k: v for k, v in value.items() if k != "event"}, where)


LINE = record({"event": one_of("decided", "evaluated"), "step": STEPS}, anything)

FIELD = record(
    {
        "name": text(),
        "kind": one_of(*KINDS),
        "role": one_of(*ROLES),
        "reason": text(),
        "settings": map_of(anything),
        "state": maybe(map_of(anything)),
    }
)

DECISION = record({"step": STEPS, "name": text(), "value": anything, "reason": text()})

# The form of a decision's value, by its name; of any other name, anything.
DECIDED = {
    "schedule": check_schedule,
    "evaluate every": whole(1),
    "watch every": whole(),
    "micro batch": whole(1),
    "threads": whole(1, 4096),
    "heads": whole(1, MOST_HEADS),
    "beams": whole(1, MOST_BEAMS),
    "seconds": maybe(number(0)),
    "stopped improving": flag,
}

RATE, SHARE, SEED = number(0, 1e6), number(0, 1), whole(0, (1 << 63) - 1)

RECIPE = record(
    {
        "batch_size": whole(1),
        **dict.fromkeys(("lr", "matrix_lr", "decay", "matrix_decay", "clip", "epochs"), RATE),
        **dict.fromkeys(("momentum", "beta2", "warm", "cool"), SHARE),
    },
    anything,
)

TRUNK = record({"name": text()}, anything)

PLAN = record(
    {
        "network": text(),
        "sizes": list_of(whole(0, 1000), least=1),
        "inputs": map_of(map_of(anything)),
        "output": record({"name": text()}, anything),
        "recipe": RECIPE,
        "budget": record({"kind": one_of("seconds", "epochs", "steps"), "amount": number(1e-9, 1e12)}),
        "capped": flag,
        "seed": SEED,
        "device": pattern(r"cpu|cuda(:\d{1,3})?"),
        "usual": whole(0, 1000),
        "dropout": maybe(number(0, 0.999)),
        "norm": maybe(flag),
        "choices": list_of(record({"name": text(), "value": anything, "reason": text()})),
        "split_seed": SEED,
        "reference": flag,
        "solved": maybe(text(200)),
        "start": maybe(record({"run": PATH, "sha256": text(), "trunk": TRUNK}, anything)),
        "heads": whole(1, MOST_HEADS),
        "heads_sizes": list_of(whole(0, 1000)),
        "heads_epochs": number(0),
        "examples": flag,
    },
    anything,
    optional=("split_seed", "reference", "start", "norm", "solved", "heads", "heads_sizes", "heads_epochs", "examples"),
)

LAYER = record({"kind": one_of(*KINDS), "fields": list_of(text()), "settings": map_of(anything)})

NETWORK = record(
    {
        "inputs": list_of(LAYER, least=1),
        "trunk": TRUNK,
        "output": record({"name": text(), "fields": list_of(text()), "settings": map_of(anything)}),
        "solved": record({"name": text(), "settings": map_of(anything)}),
    },
    optional=("solved",),
)

DATA = record(
    {
        "source": maybe(one_or_more(PATH)),
        "options": map_of(anything),
        "fingerprint": text(),
        "columns": list_of(text()),
        "ids": list_of(text()),
        "forecast": forecast.FORM,
    },
    anything,
    optional=("columns", "ids", "forecast"),
)

# A record from the first step on, and what one has besides once its training is done.
BEGUN = record(
    {
        "format": one_of(FORMAT),
        "status": one_of("training", "done"),
        "live": flag,
        "data": DATA,
        "fields": list_of(check_field, least=1, most=MOST_FIELDS),
        "plan": PLAN,
        "network": maybe(NETWORK),
        "decisions": list_of(check_decision),
        "versions": map_of(anything),
        "kept": record({"train": whole(), "validation": whole()}),
    },
    anything,
    optional=("kept",),
)

MEASURED = maybe(number())

SCORE = record(
    {
        **dict.fromkeys(("metric", "name", "times", "block"), text()),
        **dict.fromkeys(("value", "low", "high"), MEASURED),
        **dict.fromkeys(("n", "blocks"), whole()),
    },
    anything,
    optional=("times", "block", "blocks"),
)

AHEAD = record({"value": MEASURED, "low": MEASURED, "high": MEASURED}, anything)

REFERENCE = record({"name": text(), "score": SCORE, "ahead": AHEAD, "seconds": number(0)}, anything)

THRESHOLDS = list_of(record({"why": text(), "value": SHARE}), most=100)

WORTH = record({"input": text(), "value": number(), "spread": number(0), "columns": whole(1)})

IMPORTANCE = record(
    {
        "metric": text(),
        "base": number(),
        "rows": whole(),
        "shuffles": whole(),
        "inputs": list_of(WORTH, most=MOST_FIELDS),
    }
)

LEARNING = record(
    {
        "few": flag,
        "enough": whole(1),
        "seconds": number(0),
        **dict.fromkeys(("loss", "baseline_loss", "ahead"), MEASURED),
    }
)

VERDICT = maybe(record(dict.fromkeys(("word", "what", "why", "advice"), text(2_000))))

SOLVED = record(
    {
        "name": text(200),
        "chosen": map_of(anything),
        "seconds": number(0),
        **dict.fromkeys(("validation_loss", "validation"), MEASURED),
        "score": SCORE,
        "ahead": AHEAD,
        # Training rows that could be left out of it, where that is not all of them.
        "left_out": whole(),
    },
    optional=("left_out",),
)

LETTERS = record(
    {
        "sizes": record({"nodes": list_of(whole(1)), "less": list_of(whole()), "folds": whole(0, 0)}),
        # Larger ones would make numbers that are none.
        "weight": number(0, 100),
        "bonus": number(-1_000, 1_000),
        "order": whole(1),
        "clips": whole(1),
        "validation": map_of(MEASURED),
    }
)

DONE = record(
    {
        "network": NETWORK,
        "chosen": record({"weights": text()}, anything),
        "validation": MEASURED,
        "score": SCORE,
        "baseline": SCORE,
        "naive": record({"raw": list_of(number(), least=0), "name": text()}),
        "steps": STEPS,
        "seconds": number(0),
        "looks": whole(),
        "scored on": one_of("test", "validation", "cross-validation"),
        "lines": whole(),
        "looked at": whole(),
        "reference": maybe(REFERENCE),
        "thresholds": THRESHOLDS,
        "importance": maybe(IMPORTANCE),
        "no reference": text(),
        "targets": list_of(EACH_TARGET),
        "learning": LEARNING,
        "verdict": VERDICT,
        "solved": SOLVED,
        "letters": LETTERS,
    },
    anything,
    optional=(
        "solved",
        "letters",
        "scored on",
        "reference",
        "lines",
        "looked at",
        "thresholds",
        "importance",
        "no reference",
        "targets",
        "learning",
        "verdict",
    ),
)


def check_consistency(value: Any, where: str) -> None:
    """The form of a whole record: its network reads its input fields and predicts its targets, each once."""
    fields = [Field.from_json(one) for one in value["fields"]]
    names = [f.name for f in fields]
    if len(set(names)) != len(names):
        raise FormError(f"{where}.fields has two fields of one name")
    network = value["network"]
    if network is None:
        return
    read = [(layer["kind"], tuple(layer["fields"])) for layer in network["inputs"]]
    if sorted(read) != sorted((group.kind, group.fields) for group in input_groups(fields)):
        raise FormError(f"{where}.network.inputs does not read the input fields")
    targets = [f.name for f in fields if f.role == "target"]
    if not targets or network["output"]["fields"] != targets:
        raise FormError(f"{where}.network.output does not predict the targets")
    if value.get("targets") and [one["name"] for one in value["targets"]] != targets:
        raise FormError(f"{where}.targets are not those that the network predicts")
    name = network["output"]["name"]
    if name not in TASKS:
        raise FormError(f"{where}.network.output is '{name[:80]}', which is not known")
    TASKS[name].check_calibration(value.get("calibration"), f"{where}.calibration")
    if any(f.state is None for f in fields if f.is_input or f.role == "target"):
        raise FormError(f"{where}.fields has an input or a target that has learned nothing")
    if "naive" in value:
        own = [f for f in fields if f.role == "target"]
        TASKS[name].check_kept_naive(value["naive"]["raw"], own, f"{where}.naive.raw")


def read_record(folder: Files) -> dict[str, Any]:
    """``run.json``, every value of it checked.

    Raises:
        PellucidError: when it is of another format, damaged or made up; says which value is wrong.
    """
    found, path = folder.read_json("run.json"), folder.path / "run.json"
    if isinstance(found, dict) and type(found.get("format")) is int and found["format"] > FORMAT:
        raise PellucidError(
            f"its format is {found['format']}, this Pellucid reads format {FORMAT}",
            where=str(path),
            fix="update Pellucid",
        )
    with damage_as_error(path):
        all_of(BEGUN, check_consistency)(found, "run")
        if found["status"] == "done":
            DONE(found, "run")
    return found


@contextmanager
def damage_as_error(path: Path) -> Iterator[None]:
    """A context in which any failure to make something of a file's values is the error that the file is damaged."""
    try:
        yield
    # What is complained of are not the user's own words.
    except UsageError as error:
        raise damage_error(f"it is damaged ({error.what})", path) from error
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError, RuntimeError) as error:
        why = (str(error).splitlines() or [""])[0][:200]
        raise damage_error(f"it is damaged ({why or type(error).__name__})", path) from error


def check_whole(folder: Files, name: str, lines: int) -> None:
    """Raises PellucidError when a history has fewer lines than a checkpoint or a record says were written."""
    # Its lines carry checksums of what is before them, so a history that was cut at a line's end looks whole.
    if (there := len(folder.lines(name))) < lines:
        raise damage_error(f"it has been cut: {there:,} of {lines:,} lines are there", folder.path / name)


def read_history(folder: Files, name: str) -> list[dict[str, Any]]:
    """All rows of a history, every value of them checked. Raises PellucidError that says which one is wrong."""
    rows = folder.lines(name)
    with damage_as_error(folder.path / name):
        list_of(check_line, most=MOST_LINES)(rows, "line")
    return rows
