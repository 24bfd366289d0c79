"""What every task keeps to: raw answers → metric, baseline, calibration, prediction. NumPy alone.

An output layer is the head of a network, with weights; its task is the rest of what an answer is, and needs no torch.
Raw answers and targets may be whatever NumPy reads as an array.

n examples, R numbers in a raw answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..data.splits.time_spans import Moments
from ..errors import UsageError
from ..fields import Encoded, Field, kind_named
from ..fields.labels import join_labels
from ..metrics.base import Judge, Metric, Shown, find_metric, normalised_weights
from ..metrics.block_bootstrap import Blocks, block_bootstrap, order_of
from ..metrics.bootstrap import bootstrap_interval, wilson_interval
from ..metrics.score import Score, plain_name
from ..storage import forms
from ..wording import metric_text
from .explained import Explained
from .opened_loss import OpenedLoss

# Raw answers or targets: whatever NumPy reads as an array, a tensor on the CPU too.
Values = Any

# Up to which slow metrics are worked out unasked.
FEW_CLASSES = 50

# In the sentences of metrics; one example has no interval.
BETWEEN = " ({low} to {high})"


class Task(ABC):
    """A kind of answer: how good it is, how sure to be of it, what it says in the user's words.

    Class attributes:
        kind: the field kind of its target.
        metric: the main metric, one of ``metrics``, which can be asked for by name; ``higher``: whether more is better;
            ``percent``: whether it is a share.
        constant: whether the naive answer is one and the same to every example.
        large_loss: what a large loss of one example means, and what to look for there, in a sentence. answer_words:
            what is called the answer, and what was right.
        explains: whether a number of an answer can be explained, see ``explain``.
        examples: what examples are called where they are counted.

    Attributes:
        learned: by name, what is learned beside the weights: scales, and how sure to be. Saved with the weights, as
            buffers of the output layer.

    Args:
        fields: the targets, fitted. metric: another main metric than the usual one.
    """

    kind: ClassVar[str]
    metric: str
    higher: bool = True
    percent: bool = False
    constant: ClassVar[bool] = True
    large_loss: ClassVar[str] = "A large loss is an answer that was far from right: look there for odd examples."
    answer_words: ClassVar[tuple[str, str]] = ("answer", "true")
    explains: ClassVar[bool] = True
    examples: ClassVar[str] = "examples"
    metrics: ClassVar[Mapping[str, Metric]] = {}

    learned: dict[str, np.ndarray]

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        self.fields = tuple(fields)
        labels = [str(value) for f in fields for value in (f.state or {}).get("values", ())]
        self.measured = self.metric_named(metric or self.metric, labels)
        self.metric, self.higher, self.percent = self.measured.name, self.measured.higher, self.measured.percent

    @property
    def goal(self) -> str:
        """What is predicted, in a sentence: one of 3 classes."""
        return self.fields[0].traits.describe_goal(len(self.fields), len(getattr(self, "values", ())))

    @classmethod
    def metric_named(cls, text: str, labels: Sequence[str] = ()) -> Metric:
        """The metric that a user's ``text`` means. ``labels``: of a category target, each of which has an F1.

        Raises:
            UsageError: for one that this task has not; it lists those that fit.
        """
        found = find_metric(cls.metrics, text)
        if found is None:
            known = [m.words[0] for m in cls.metrics.values()]
            raise UsageError(
                f"{kind_named(cls.kind).noun} has no metric '{text}'", fix=f"choose one of: {', '.join(known)}"
            )
        return found

    @abstractmethod
    def read_answers(self, raw: Values, target: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, R), (n, ...)
        """Answers and truth as ``metrics`` read them: probabilities (n, C) and classes (n,), or numbers (n, R)."""

    @abstractmethod
    def naive_answer(
        self, target: Values, weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, str]:  # training targets, (n,) -> (R,) raw, what it is
        """The constant raw answer (R,) that is best by the main metric on the training targets, and its name.

        Args:
            target: encoded, of training. weight: (n,) how much each example counts.
        """

    def naive_answers(
        self,
        target: Encoded,
        learned: np.ndarray,
        rows: np.ndarray,
        weight: np.ndarray | None = None,
        kept: Sequence[float] = (),
    ) -> tuple[np.ndarray, str]:  # (m,), (k,), (m,) -> (k, R), what it is
        """What whoever looks at nothing, or at the past alone, says of ``rows``; and what that is.

        Args:
            target: encoded, of all examples. learned: those of training. weight: (m,) how much each of them counts.
            kept: of ``keep_naive``, where the examples are other than those that were learned from.
        """
        same, name = self.naive_answer(np.asarray(target)[learned], weight)
        return np.broadcast_to(same, (len(rows), *same.shape)), name

    def keep_naive(self, naive: np.ndarray, target: Encoded, learned: np.ndarray) -> list[float]:  # (k, R), (m,)
        """What a run keeps of what was learned for the naive answer: here the answer itself, where it is one.

        Args:
            naive: as ``naive_answers`` gives it. target, learned: as there.
        """
        return naive[0].tolist() if self.constant else []

    @classmethod
    def check_kept_naive(cls, raw: Sequence[float], fields: Sequence[Field], where: str) -> None:
        """The form of what ``keep_naive`` returns, numbers, in a file that may be anyone's; raises FormError.

        Args:
            fields: the targets, fitted.
        """
        # How many numbers a constant answer has, the network says.
        if cls.constant and not raw:
            raise forms.FormError(f"{where} is no answer")

    @abstractmethod
    def calibrate(self, raw: Values, target: Values) -> None:
        """Learn from raw answers (n, R) and targets (n, ...) of validation how sure to be; kept in ``learned``."""

    def uncalibrate(self, raw: Values) -> np.ndarray:  # (..., R) -> (..., R)
        """The inverse of calibration: answers of another model that mean the same after it as they do now."""
        return raw

    def calibration(self) -> Any:
        """What calibration found beside the arrays of ``learned``, as JSON for the run's record; here nothing."""
        return None

    @classmethod
    def check_calibration(cls, value: Any, where: str) -> None:
        """The form of what ``calibration`` returns, in a file that may be anyone's; raises FormError."""
        forms.one_of(None)(value, where)

    def restore_calibration(self, found: Any) -> None:
        """Take back what ``calibration`` returned; None, as in runs from before there was any, leaves ``learned``.

        Raises:
            FormError: for anything else.
        """
        self.check_calibration(found, "calibration")

    @abstractmethod
    def decode(self, raw: Values) -> list[dict[str, Any]]:  # (n, R) -> n predictions
        """One prediction an example, as JSON, in the user's units and words."""

    def tabulate(self, raw: Values) -> dict[str, list[Any] | np.ndarray]:  # (n, R) -> n values a column
        """The same as ``decode``, as columns of a table: the probability of ``cat`` is in the column ``p_cat``."""
        rows = [flatten_prediction(one) for one in self.decode(raw)]
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}

    @abstractmethod
    def decode_target(self, target: Values) -> list[Any]:  # (n, ...) -> n values
        """Targets in the user's units and words."""

    @abstractmethod
    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:  # (R,)
        """The number of a raw answer that is explained.

        Args:
            which: a class, a label or a target column, and of a forecast also a step: ``"OT,24"``; None for what the
                answer says.

        Raises:
            UsageError: for one that is not there; it suggests those that are.
        """

    @abstractmethod
    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (R,), (...)
        """How the loss of one raw answer comes about, as it is worked out on validation, before calibration."""

    def say_error(self, raw: Values, target: Values) -> str:  # (n, R), (n, ...)
        """How far answers are from what was right, in the user's units, a sentence; "" where that has no units."""
        return ""

    def count_classes(self, target: Values) -> dict[str, int]:  # (n, ...)
        """How many examples are of each class or have each label; empty for answers that are no classes."""
        return {}

    @abstractmethod
    def report_content(
        self, raw: Values, target: Values, weight: np.ndarray | None = None
    ) -> dict[str, Any]:  # (n, R), (n, ...), (n,)
        """For the report: ``metrics`` (name → value), which count the ``weight`` of examples, and what to draw."""

    def say_score(self, score: Score, baseline: Score) -> str:
        """One plain sentence for a person."""
        numbers = {"value": score.value, "low": score.low, "high": score.high, "base": baseline.value}
        sentence = self.measured.sentence
        return (sentence.replace(BETWEEN, "") if score.single else sentence).format(
            name=metric_text(self.metric[:1].upper() + self.metric[1:]),
            naive=plain_name(baseline.name),
            names=" and ".join(f"'{f.name}'" for f in self.fields),
            **{name: Shown(number) for name, number in numbers.items()},
        )

    @property
    def watched(self) -> Metric:
        """The metric that weights are chosen by: the main one, unless answers are written at the end alone."""
        return self.measured

    @property
    def width(self) -> int | None:
        """R, how many numbers a raw answer has; None where the naive one says it."""
        return None

    def metric_of_weights(self, raw: Values, target: Values, metric: Metric | None = None) -> Judge:
        """A function of weights (S, n) that gives a metric, the main one, of these answers under each, (S,)."""
        # The bootstrap, sample weights and metrics by rank then need nothing of their own.
        answers, truth = self.read_answers(raw, target)
        metric = metric or self.measured
        return metric.judge(self.judged_answers(metric, answers), truth)

    def judged_answers(self, metric: Metric, answers: np.ndarray) -> np.ndarray:  # (n, ...) -> (n, ...)
        """The answers of ``read_answers`` as one metric is to read them."""
        return answers

    def with_threshold(self, asked: Any) -> Task:
        """A copy that answers by another threshold. Raises UsageError where there is none to set."""
        raise UsageError(
            f"a threshold needs two classes, and '{self.fields[0].name}' is {kind_named(self.kind).noun}",
            fix="leave --threshold out",
        )

    def choose_thresholds(
        self, raw: Values, target: Values, weight: np.ndarray | None = None
    ) -> list[tuple[str, float]]:  # (n, R), (n, ...), (n,)
        """Thresholds that serve a purpose best on these answers: (why, threshold); none where none can be set."""
        return []

    def detail_content(
        self, raw: Values, target: Values, chosen: Sequence[tuple[str, float]] = (), **how: Any
    ) -> dict[str, Any]:  # (n, R), (n, ...)
        """For the report: what has intervals of its own, such as curves over all thresholds or each of several targets.

        Args:
            chosen: thresholds with what they are for. how: weight, group and moments, as for ``score``;
                ``scored``, what is known of each of several targets (``each_target.score_each_target``).
        """
        return {}

    def measure(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> float:
        """The main metric. ``weight``: (n,) how much each example counts."""
        return float(self.metric_of_weights(raw, target)(normalised_weights(weight, len(raw))[None])[0])

    def measure_watched(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> float:
        """The metric that is watched while training; arguments as of ``measure``."""
        judge = self.metric_of_weights(raw, target, self.watched)
        return float(judge(normalised_weights(weight, len(raw))[None])[0])

    def score(
        self,
        raw: Values,
        target: Values,
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
            # Kish's effective number: of so many examples with equal weights one would know as much.
            low, high = wilson_interval(value, each.sum() ** 2 / (each**2).sum())
        else:
            low, high, blocks = draw_interval(judge, even, group, moments, self.limits)
            if blocks is not None and moments is not None:
                about |= {"block": moments.length_in_words(blocks.block_moments), "blocks": blocks.whole_blocks}
        return Score(self.metric, value, low, high, len(raw), name, weights, groups, **about)

    def paired_difference(
        self,
        raw: Values,
        other: Values,
        target: Values,
        weight: np.ndarray | None = None,
        group: np.ndarray | None = None,
        moments: Moments | None = None,
    ) -> tuple[float, float, float]:
        """How much better ``raw`` (n, R) is than ``other`` on the same examples: difference of the metric, low, high.

        Args:
            weight, group, moments: as for ``score``.
        """
        # One bootstrap for both, so that what is hard for both cancels: two intervals that overlap call networks equal
        # that the same examples tell apart.
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
        """The lowest and the highest value that the main metric can have."""
        return self.measured.limits

    def is_better(self, new: float, old: float) -> bool:
        """Whether a value of the main metric is better than another."""
        return new > old if self.higher else new < old


def flatten_prediction(row: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction as one row of a table: the probability of ``cat`` becomes the column ``p_cat``.

    >>> flatten_prediction({"label": "cat", "probabilities": {"cat": 0.9, "dog": 0.1}})
    {'label': 'cat', 'p_cat': 0.9, 'p_dog': 0.1}
    """
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            inner = "p" if name == "probabilities" else name
            cells |= {f"{inner}_{key}": each for key, each in value.items()}
        else:
            cells[name] = join_labels(value, "") if isinstance(value, list) else value
    return cells


def measure_all(task: Task, answers: np.ndarray, truth: np.ndarray, weight: np.ndarray | None) -> dict[str, float]:
    """The value of every metric of a task by name, the main one first; those that are not finite are left out.

    Args:
        answers, truth: as ``Task.read_answers`` gives them. weight: (n,) how much each example counts.
    """
    cheap = [m for m in task.metrics.values() if not m.slow or answers.shape[1] <= FEW_CLASSES]
    every = {m.name: m for m in (task.measured, *cheap)}
    even = normalised_weights(weight, len(truth))[None]
    found = {
        name: float(metric.judge(task.judged_answers(metric, answers), truth)(even)[0])
        for name, metric in every.items()
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def draw_interval(
    judge: Judge,
    even: np.ndarray,
    group: np.ndarray | None = None,
    moments: Moments | None = None,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, float, Blocks | None]:
    """A metric's 95% interval, and the blocks of time where such were drawn.

    Args:
        even: (n,) weights with a mean of 1. group, moments: as for ``Task.score``. limits: that the metric can't pass.
    """
    if moments is not None and len(even):
        return block_bootstrap(judge, even, moments.value, limits)
    return (*bootstrap_interval(judge, even, group=group), None)
