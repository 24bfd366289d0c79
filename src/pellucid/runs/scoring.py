"""Scores the answers of a network, beside the baseline and the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..data.sample_weights import score_grouping
from ..metrics.score import SAME_SPLIT
from ..training.evaluate import Answers

if TYPE_CHECKING:
    from ..data import Dataset
    from ..outputs import Output
    from ..references.base import Reference
    from ..training.loader import Loader


def score_answers(
    output: Output,
    given: Answers,
    rows: np.ndarray,
    learned: np.ndarray,
    feed: Loader,
    data: Dataset,
    reference: Reference | None,
) -> dict[str, Any]:
    """How good the answers ``given`` to ``rows`` (n,) are, beside the naive one and a classical model's; JSON.

    The naive answer follows from the rows ``learned`` (m,) from alone.
    """
    assert feed.target is not None
    raw, target = given
    same, name = output.naive_answer(feed.target[torch.from_numpy(learned)].cpu().numpy(), feed.score_weights(learned))
    how = score_grouping(data, rows, feed.score_weights(rows))
    return {
        "score": output.score(raw, target, **how).to_json(),
        "baseline": output.score(same.to(raw.device).expand(len(raw), -1), target, name, **how).to_json(),
        "naive": {"raw": same.tolist(), "name": name},
        "reference": reference_score(reference, output, raw, target, **how),
    }


def reference_score(
    reference: Reference | None, output: Output, raw: Tensor, target: Tensor, **how: Any
) -> dict[str, Any] | None:
    """The reference, scored on the examples that the network was, and how far ahead of it the network is."""
    if reference is None:
        return None
    other = output.uncalibrate(torch.from_numpy(np.array(reference.test)).to(raw.device))
    ahead = output.paired_difference(raw, other, target, how["weight"], how["group"], how["moments"])
    return {
        "name": reference.name,
        "score": output.score(other, target, f"{reference.name}{SAME_SPLIT}", **how).to_json(),
        "seconds": reference.seconds,
        "ahead": dict(zip(("value", "low", "high"), ahead, strict=True)),
    }
