"""A text that a search found: its tokens, how likely they are, and what it was ranked by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import PellucidError


@dataclass(frozen=True)
class Hypothesis:
    """One of the texts that a search found.

    Attributes:
        tokens: what was written, without START and END.
        log_probability: the natural logarithm of how likely the network holds it.
        score: what hypotheses are ranked by: the log-probability with what was added to it, or divided by.
        ended: whether it came to its end, rather than to as many tokens as were allowed.
    """

    tokens: tuple[int, ...]
    log_probability: float
    score: float
    ended: bool = True


# In place of a text, where numbers that are not finite make none likelier than another: it is never the sure one.
NOTHING = Hypothesis((), -math.inf, -math.inf)


def not_finite_error() -> PellucidError:
    """What is raised where a network's numbers say nothing."""
    return PellucidError("no next token has a probability: the network's numbers are not finite", fix="train again")
