"""What is said of a run's training as it ends: well, or what is wrong, why, and what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ..errors import PellucidError
from ..views.health import judge_subject
from .inspection import subject_of
from .run import Run


def judge_run(run: Run, history: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """The verdict on a training as the record keeps it; None where it can't be told.

    Args:
        history: lines of the run's history, which may not be a table yet.
    """
    subject = subject_of(run)
    if subject.training is None or subject.validation is None:
        return None
    rows = [row for row in history if row["event"] == "evaluated"]
    # Nothing is kept beside a run that is still being written.
    facts = {**subject.facts, "history": lambda: rows, "kept": {}}
    try:
        found = judge_subject(replace(subject, facts=facts))
    except PellucidError:
        return None
    return asdict(found)
