"""What every output keeps to: features → raw answers, loss, metric, naive baseline, prediction.

B batch, n examples, D width, R numbers in a raw answer.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data.splits.time_spans import Moments
from ..errors import PellucidError, UsageError, unknown_name
from ..fields import Field, kind_named
from ..metrics.base import Judge, Metric, Shown, find_metric, normalised_weights
from ..metrics.block_bootstrap import block_bootstrap, order_of
from ..metrics.bootstrap import bootstrap_interval, wilson_interval
from ..metrics.score import Score
from ..trunks import Features, Need
from ..wording import score_text

FEW = 50  # classes for which slow metrics are worked out unasked


class Output(nn.Module):
    """An output layer with everything that hangs on the kind of answer.

    Class attributes:
        name: the word the user types (``--output``); ``kind``: the field kind of its target.
        metric: the main metric; ``higher``: whether more is better; ``percent``: whether it is a share.
        metrics: those that can be asked for instead, by name. An output without any makes its own of sums over
            examples, by ``columns`` and ``combine``.
        settings: names and defaults of the choices ``plan`` may make for it, as JSON.
        positive: names of buffers that no training leaves at 0 or below.
        halved: what, of ``selection_losses``, a training of half as many steps must save: counts of few errors are
            noisy.

    Args:
        metric: another main metric than the usual one.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    metric: str
    higher: bool = True
    percent: bool = False
    metrics: ClassVar[Mapping[str, Metric]] = {}
    positive: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[Mapping[str, Any]] = {}
    halved: ClassVar[float] = 0.0

    def __init__(self, fields: Sequence[Field], *, metric: str | None = None, **settings: Any):
        super().__init__()
        assert not set(settings) - set(self.settings), f"{self.name} has no setting {set(settings)}"
        if any(f.state is None for f in fields):
            raise PellucidError(
                f"the target '{fields[0].name}' has not been fitted yet", fix="take the fields from data.fitted()"
            )
        self.fields = tuple(fields)
        self.chosen = {**self.settings, **settings}
        labels = [str(value) for f in fields for value in (f.state or {}).get("values", ())]
        self.measured = self.metric_named(metric or self.metric, labels) if self.metrics else None
        if self.measured is not None:
            self.metric, self.higher = self.measured.name, self.measured.higher
            self.percent = self.measured.percent

    @classmethod
    def metric_named(cls, text: str, labels: Sequence[str] = ()) -> Metric:
        """The metric that ``text`` means. ``labels``: of a category target.

        Raises:
            UsageError: for one that this output has not; it lists those that fit.
        """
        found = find_metric(cls.metrics, text)
        if found is None:
            known = [m.words[0] for m in cls.metrics.values()] or [cls.metric]
            raise UsageError(
                f"{kind_named(cls.kind).noun} is not measured by '{text}'", fix=f"choose of: {', '.join(known)}"
            )
        return found

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

    def selection_losses(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, R), (n, ...) -> (n,)
        """What the right length of a training is found by; the losses, unless an output knows better."""
        return self.losses(raw, target)

    def columns(self, raw: Tensor, target: Tensor) -> Tensor:  # (n, R), (n, ...) -> (n, K) float64
        """What each example contributes to the sums that the metric is made of."""
        raise NotImplementedError

    @staticmethod
    def combine(sums: np.ndarray) -> np.ndarray:  # (..., K) -> (...)
        """The metric from the sums of ``columns``."""
        raise NotImplementedError

    def to_numpy(self, raw: Tensor, target: Tensor) -> tuple[np.ndarray, np.ndarray]:  # (n, R), (n, ...)
        """Answers and truth as ``metrics`` read them: probabilities (n, C) and classes (n,), or numbers (n, R)."""
        raise NotImplementedError

    @abstractmethod
    def naive_answer(
        self, target: np.ndarray, weight: np.ndarray | None = None
    ) -> tuple[Tensor, str]:  # training targets, (n,) -> (R,) raw, what it is
        """The best answer, by the main metric, of someone who never looks at the input, and its name."""

    def calibrate(self, raw: Tensor, target: Tensor) -> None:
        """Learn on validation how sure to be; kept in buffers."""

    def uncalibrate(self, raw: Tensor) -> Tensor:  # (..., R) -> (..., R)
        """Answers of another model, changed so that calibrating them changes nothing."""
        return raw

    @abstractmethod
    def decode(self, raw: Tensor) -> list[dict[str, Any]]:  # (n, R) -> n predictions
        """Predictions in the user's units and words."""

    @abstractmethod
    def decode_target(self, target: np.ndarray) -> list[Any]:  # (n, ...) -> n values
        """Targets in the user's units and words."""

    @abstractmethod
    def report_content(
        self, raw: Tensor, target: Tensor, weight: np.ndarray | None = None
    ) -> dict[str, Any]:  # (n, R), (n, ...), (n,)
        """For the report: ``metrics`` (name → value), which count the ``weight`` of examples, and what to draw."""

    def aside_name(self, name: str) -> str:
        """What the naive answer is called at the head of a clause."""
        return name

    def say_score(self, score: Score, baseline: Score) -> str:
        """One plain sentence for a person."""
        if self.measured is None:
            return f"{score}; {baseline.name}: {score_text(baseline.value)}"
        numbers = {"value": score.value, "low": score.low, "high": score.high, "base": baseline.value}
        return self.measured.sentence.format(
            name=self.metric[:1].upper() + self.metric[1:],
            naive=self.aside_name(baseline.name),
            names=" and ".join(f"'{f.name}'" for f in self.fields),
            **{name: Shown(number) for name, number in numbers.items()},
        )

    def metric_of_weights(self, raw: Tensor, target: Tensor) -> Judge:
        """The main metric of some answers as a function of the examples' weights."""
        if self.measured is not None:
            return self.measured.judge(*self.to_numpy(raw, target))
        columns = self.columns(raw, target).cpu().numpy()
        return lambda weight: self.combine(weight @ columns)

    def measure(self, raw: Tensor, target: Tensor, weight: np.ndarray | None = None) -> float:
        """The main metric. ``weight``: (n,) how much each example counts."""
        return float(self.metric_of_weights(raw, target)(normalised_weights(weight, len(raw))[None])[0])

    def score(
        self,
        raw: Tensor,
        target: Tensor,
        name: str = "",
        weight: np.ndarray | None = None,
        weights: str = "",
        group: np.ndarray | None = None,
        groups: str = "",
        moments: Moments | None = None,
    ) -> Score:
        """The main metric with its interval: the bootstrap's; Wilson's where a share is 0 or 1 and has no spread.

        Args:
            name: of a baseline. weight: (n,) how much each example counts; ``weights``: the column that says so.
            group: (n,) whose each example is, where those of one stand or fall together; ``groups``: the column.
            moments: when each example is, where they are parted by time: blocks of time are drawn.
        """
        unit = group if moments is None else order_of(moments.value)[0]
        judge, even = self.metric_of_weights(raw, target), normalised_weights(weight, len(raw))
        value = float(judge(even[None])[0])
        about: dict[str, Any] = {} if moments is None else {"times": moments.column}
        if self.percent and self.higher and value in (0.0, 1.0):
            each = even if unit is None else np.bincount(np.unique(unit, return_inverse=True)[1], even)
            low, high = wilson_interval(
                value, each.sum() ** 2 / (each**2).sum()
            )  # as many as would say it with equal weights
        elif moments is not None and len(even):
            low, high, blocks = block_bootstrap(judge, even, moments.value, self.limits)
            about |= {"block": moments.length_in_words(blocks.block_moments), "blocks": blocks.whole_blocks}
        else:
            low, high = bootstrap_interval(judge, even, group=group)
        return Score(self.metric, value, low, high, len(raw), name, weights, groups, **about)

    def paired_difference(
        self,
        raw: Tensor,
        other: Tensor,
        target: Tensor,
        weight: np.ndarray | None = None,
        group: np.ndarray | None = None,
        moments: Moments | None = None,
    ) -> tuple[float, float, float]:
        """How much better answers are than others to the same examples: the metric's difference, low, high.

        The interval is a bootstrap's over examples that both are scored on, so that what is hard for both cancels.
        """
        one, two = (self.metric_of_weights(answers, target) for answers in (raw, other))
        sign, even = 1 if self.higher else -1, normalised_weights(weight, len(raw))

        def difference_of_weights(weight: np.ndarray) -> np.ndarray:  # (S, n) -> (S,)
            return sign * (one(weight) - two(weight))

        value = float(difference_of_weights(even[None])[0])
        if moments is not None and len(even):
            return value, *block_bootstrap(difference_of_weights, even, moments.value)[:2]
        return value, *bootstrap_interval(difference_of_weights, even, group=group)

    @property
    def limits(self) -> tuple[float, float]:
        """What the main metric can't pass."""
        return (-math.inf, math.inf) if self.measured is None else self.measured.limits

    def is_better(self, new: float, old: float) -> bool:
        return new > old if self.higher else new < old

    def config(self) -> dict[str, Any]:
        usual = type(self).metric == self.metric
        settings = self.chosen if usual else {**self.chosen, "metric": self.metric}
        return {"name": self.name, "fields": [f.name for f in self.fields], "settings": settings}


def measure_all(output: Output, answers: np.ndarray, truth: np.ndarray, weight: np.ndarray | None) -> dict[str, float]:
    """Every metric of an output, the main one first; those that say nothing about these examples are left out."""
    asked = [output.measured] if output.measured is not None else []
    cheap = [m for m in output.metrics.values() if not m.slow or answers.shape[1] <= FEW]
    every = {m.name: m for m in (*asked, *cheap)}
    even = normalised_weights(weight, len(truth))[None]
    found = {name: float(metric.judge(answers, truth)(even)[0]) for name, metric in every.items()}
    return {name: value for name, value in found.items() if np.isfinite(value)}


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
            raise UsageError(unknown_name("output", name, OUTPUTS))
        reason = OUTPUTS[name].accepts(target, inputs)
        if reason is None:
            raise PellucidError(f"the output '{name}' cannot predict '{target.name}', {kind_named(target.kind).noun}")
        return OUTPUTS[name], reason
    for output in OUTPUTS.values():
        reason = output.accepts(target, inputs)
        if reason is not None:
            return output, reason
    known = ", ".join(sorted({o.kind for o in OUTPUTS.values()}))
    raise PellucidError(
        f"there is no output for '{target.name}', {kind_named(target.kind).noun}; known targets: {known}",
        fix=f"choose another --target, or say what it is with --kind {target.name}=category",
    )


def as_array(value: Tensor) -> np.ndarray:
    return value.detach().to(torch.float64).cpu().numpy()
