"""A score with its interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..wording import count_noun, metric_text, score_text
from .block_bootstrap import ENOUGH_BLOCKS


@dataclass(frozen=True)
class Score:
    """How good predictions are on one split.

    Attributes:
        metric: its name; ``value``: what it is.
        low, high: the 95% interval: bootstrap, 1,000 resamples of the examples (Efron 1979) or of blocks of time,
            unless an output says otherwise.
        n: number of examples. name: of a baseline, what it does.
        weights: the column that says how much each example counts; empty where all count the same.
        groups: the column whose values are drawn for the interval, all rows of one at once; empty for single rows.
        times: the column that orders the rows, where the interval draws blocks of time; ``block``: how long one is, in
            words; ``blocks``: how many such blocks the examples are.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    name: str = ""
    weights: str = ""
    groups: str = ""
    times: str = ""
    block: str = ""
    blocks: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        weighted = f" weighted by '{self.weights}'" if self.weights else ""
        value, low, high = map(score_text, (self.value, self.low, self.high))
        between = "" if self.single else f"{low} to {high}, "
        return f"{metric_text(self.metric)} {value} ({between}{count_noun(self.n, 'example')}{weighted})"

    @property
    def single(self) -> bool:
        """Whether it is of one example, which says nothing of how others vary: there is no interval."""
        return self.n == 1

    @property
    def label(self) -> str:
        """A baseline's name at the head of a clause or in a list."""
        return plain_name(self.name)

    def say_blocks(self) -> str:
        """How the interval was drawn where rows are parted by time, and whether to trust it; empty elsewhere."""
        if not self.times:
            return ""
        if not self.block:
            return f"The errors do not vary in time, so the interval resamples each different '{self.times}' as one."
        said = (
            f"The interval resamples blocks of {self.block}, because errors near in time are alike (block bootstrap)."
        )
        return f"{said} {few_blocks(self.blocks)}".strip()


def plain_name(name: str) -> str:
    """A baseline's or reference's name alone, without what follows it in a sentence."""
    return name.removesuffix(SAME_SPLIT).strip(" ,")


def few_blocks(blocks: int) -> str:
    """That an interval over so many blocks of time can't be trusted; empty where it can."""
    if blocks >= ENOUGH_BLOCKS:
        return ""
    only = "are at most one such block" if blocks < 2 else f"are only {blocks} such blocks"
    return f"The examples {only}: the interval may still be too narrow."


# In the name of a reference's score.
SAME_SPLIT = " on the same split"
