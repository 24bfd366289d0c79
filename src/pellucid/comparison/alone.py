"""The solved part of a comparison's networks by itself, as a line of the ranking: what they are worth is beyond it.

n examples that networks are ranked on, K numbers kept of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..dataset import Dataset
from ..metrics.base import Judge
from ..runs.run import Run
from ..runs.solved_part import solved_answers
from ..training.loader import Loader

# Seconds for an answer, of a function that makes it.
Timed = Callable[[Callable[[], Any]], float]


def has_line_alone(run: Run) -> bool:
    """Whether its solved part is a line of its own: a language model's, where no classical model is beside it."""
    return run.writes and run.network.solved is not None


def trial_alone(
    run: Run, data: Dataset, rows: np.ndarray, seed: int, answer_seconds: Timed, at_once: int
) -> tuple[dict[str, Any], Judge]:  # (n,)
    """What the solved part of a run gives, as a training does, and its metric as a function of weights of ``rows``.

    Its steps are 0, its parameters the numbers of its tables, its seconds those that solving took.

    Args:
        answer_seconds: see ``Timed``. at_once: examples that are answered together.
    """
    part, output, facts = run.network.solved, run.network.output, run.record["solved"]
    assert part is not None
    loader = Loader.of(data, run.network.fields, run.network.device)
    # What a run keeps of its own rows would be gathered, and no answer be made.
    raw, true = solved_answers(part, output, loader, rows)
    score, many = facts["score"], rows[:at_once]

    def answer(some: np.ndarray) -> Tensor:
        return solved_answers(part, output, loader, some)[0]

    trial = run.result() | {
        "network": part.name,
        "seed": seed,
        "alone": True,
        **{name: score[name] for name in ("value", "low", "high")},
        "validation": float(output.task.measure(raw, true)),
        "seconds": facts["seconds"],
        "steps": 0,
        "parameters": sum(table.numel() for table in part.buffers()),
        "memory": None,
        "ahead": None,
        "latency": answer_seconds(lambda: answer(rows[:1])),
        "throughput": len(many) / answer_seconds(lambda: answer(many)),
        "verdict": None,
    }
    return {name: value for name, value in trial.items() if name != "warning"}, output.task.metric_of_weights(raw, true)


def silence_trunk(run: Run) -> Run:
    """The run with a trunk that adds nothing: it answers what its solved part says."""
    with torch.no_grad():
        for parameter in run.network.output.parameters():
            parameter.zero_()
    return run


def trained_names(ranking: Sequence[str], networks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those of a ranking that were trained, in its order: the others have no run of their own."""
    return [name for name in ranking if not networks[name].get("alone")]
