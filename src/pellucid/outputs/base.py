"""What every output keeps to: features → raw answers, loss, metric, naive baseline, prediction.

B batch, n examples, D width, R numbers in a raw answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import PellucidError, UsageError, unknown
from ..fields import Field
from ..trunks import Features, Need


@dataclass(frozen=True)
class Score:
    """How good predictions are on one split.

    Attributes:
        metric: its name; ``value``: what it is.
        low, high: the 95 % interval: bootstrap, 1,000 resamples of the examples (Efron 1979), unless an output
            says otherwise.
        n: number of examples.
        name: of a baseline, what it does.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.4f} ({self.low:.4f} to {self.high:.4f}, {self.n:,} examples)"


class Output(nn.Module):
    """An output layer with everything that hangs on the kind of answer.

    Class attributes:
        name: the word the user types (``--output``); ``kind``: the field kind of its target.
        metric: the main metric; ``higher``: whether more is better.
        settings: names and defaults of the choices ``plan`` may make for it, as JSON.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    metric: ClassVar[str]
    higher: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, fields: Sequence[Field], **settings: Any):
        super().__init__()
        assert not set(settings) - set(self.settings), f"{self.name} has no setting {set(settings)}"
        if any(f.state is None for f in fields):
            raise PellucidError(
                f"the target '{fields[0].name}' has not been fitted yet", fix="take the fields from data.fitted()"
            )
        self.fields = tuple(fields)
        self.chosen = {**self.settings, **settings}

    @classmethod
    def accepts(cls, target: Field, inputs: Sequence[Field]) -> str | None:
        """Why this output suits the pair, or None when it does not."""
        return f"'{target.name}' is a {cls.kind}" if target.kind == cls.kind else None

    def need(self) -> Need:
        """What it asks of the trunk."""
        return Need()

    @abstractmethod
    def build(self, width: int) -> Output:
        """Make the output layer for features of ``width``."""

    @abstractmethod
    def forward(self, f: Features) -> Tensor:  # (B, D), or (B, *positions, D) if it needs every one -> (B, R)
        """Raw answers: logits, or standardised numbers."""

    @abstractmethod
    def losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (B, R), (B,) or (B, R) -> (B,)
        """The loss of each example; the caller divides by the size of the whole batch."""

    @abstractmethod
    def columns(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, R), (n, ...) -> (n, K) float64
        """What each example contributes to the sums that the metric is made of."""

    @staticmethod
    @abstractmethod
    def combine(sums: np.ndarray) -> np.ndarray:  # (..., K) -> (...)
        """The metric from the sums of ``columns``."""

    @abstractmethod
    def naive(self, target: np.ndarray) -> tuple[Tensor, str]:  # training targets -> (R,) raw, what it is
        """The answer of someone who never looks at the input, and its name."""

    def calibrate(self, raw: Tensor, target: Tensor) -> None:
        """Learn on validation how sure to be; kept in buffers."""

    @abstractmethod
    def decode(self, raw: Tensor) -> list[dict[str, Any]]:  # (n, R) -> n predictions
        """Predictions in the user's units and words."""

    @abstractmethod
    def truth(self, target: np.ndarray) -> list[Any]:  # (n, ...) -> n values
        """Targets in the user's units and words."""

    @abstractmethod
    def details(self, raw: Tensor, target: Tensor) -> dict[str, Any]:
        """For the report: ``metrics`` (name → value) and what to draw."""

    def say(self, score: Score, baseline: Score) -> str:
        """One plain sentence for a person."""
        return f"{score}; {baseline.name}: {baseline.value:.4f}"

    def measure(self, raw: Tensor, target: Tensor) -> float:
        """The main metric."""
        return float(self.combine(self.columns(raw, target).sum(0).cpu().numpy()))

    def score(self, raw: Tensor, target: Tensor, name: str = "") -> Score:
        """The main metric with its bootstrap interval."""
        columns = self.columns(raw, target).cpu().numpy()
        low, high = self.interval(columns)
        return Score(self.metric, float(self.combine(columns.sum(0))), low, high, len(columns), name)

    def interval(self, columns: np.ndarray) -> tuple[float, float]:  # (n, K) -> low, high
        return bootstrap(columns, self.combine)

    def ahead(self, raw: Tensor, other: Tensor, target: Tensor) -> tuple[float, float, float]:
        """How much better answers are than others to the same examples: the metric's difference, low, high.

        The interval is a bootstrap's over examples that both are scored on, so that what is hard for both cancels.
        """
        pair = [self.columns(one, target).cpu().numpy() for one in (raw, other)]
        width, sign = pair[0].shape[1], 1 if self.higher else -1

        def apart(sums: np.ndarray) -> np.ndarray:  # (..., 2 K) -> (...)
            return sign * (self.combine(sums[..., :width]) - self.combine(sums[..., width:]))

        both = np.concatenate(pair, 1)  # (n, 2 K)
        return float(apart(both.sum(0))), *bootstrap(both, apart)

    def better(self, new: float, old: float) -> bool:
        return new > old if self.higher else new < old

    def config(self) -> dict[str, Any]:
        return {"name": self.name, "fields": [f.name for f in self.fields], "settings": self.chosen}


def bootstrap(columns: np.ndarray, combine: Any, repeats: int = 1000) -> tuple[float, float]:
    """The 2.5 % and 97.5 % points of a metric over resampled examples; ``columns`` is (n, K)."""
    if len(columns) == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    n = len(columns)
    draws = []
    for _ in range(0, repeats, 50):
        drawn = rng.integers(0, n, (50, n)) + n * np.arange(50)[:, None]  # counted 3 times as fast as multinomial does
        counts = np.bincount(drawn.ravel(), minlength=50 * n).reshape(50, n)
        draws.append(combine(counts.astype(np.float64) @ columns))
    values = np.concatenate(draws)
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


OUTPUTS: dict[str, type[Output]] = {}


def register(output: type[Output]) -> type[Output]:
    """Add an output to the house: one line above its class."""
    if output.name in OUTPUTS:
        raise ValueError(f"two outputs are called '{output.name}'")
    OUTPUTS[output.name] = output
    return output


def output_for(target: Field, inputs: Sequence[Field], name: str | None = None) -> tuple[type[Output], str]:
    """The output that suits a target and its inputs, and why.

    Raises:
        UsageError: for a name that is not known.
        PellucidError: when none suits, or the named one does not.
    """
    if name is not None:
        if name not in OUTPUTS:
            raise UsageError(unknown("output", name, OUTPUTS))
        reason = OUTPUTS[name].accepts(target, inputs)
        if reason is None:
            raise PellucidError(f"the output '{name}' cannot predict '{target.name}', a {target.kind}")
        return OUTPUTS[name], reason
    for output in OUTPUTS.values():
        reason = output.accepts(target, inputs)
        if reason is not None:
            return output, reason
    known = ", ".join(sorted({o.kind for o in OUTPUTS.values()}))
    raise PellucidError(
        f"there is no output for '{target.name}', a {target.kind}; known targets: {known}",
        fix=f"choose another --target, or say what it is with --kind {target.name}=category",
    )


def as_array(value: Tensor) -> np.ndarray:
    return value.detach().to(torch.float64).cpu().numpy()
