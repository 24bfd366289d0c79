"""What a report is made from: plain values, everything but the title may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from ..network import TracedStage


class MetricContent(TypedDict, total=False):
    """The main metric: how to read and write its values."""

    name: str
    higher_is_better: bool
    percent: bool  # a share of 1, written in percent
    unit: str  # "$", "°C"; for errors in the target's unit


class Data(TypedDict, total=False):
    summary: Sequence[str]  # plain sentences
    classes: Mapping[str, int]  # examples of each
    splits: Mapping[str, int]  # train, validation, test
    notes: Sequence[str]  # what looked wrong


class Confusion(TypedDict):
    labels: Sequence[str]
    matrix: Sequence[Sequence[int]]  # (true, predicted)


class Residuals(TypedDict, total=False):
    true: Sequence[float]
    predicted: Sequence[float]
    unit: str
    targets: int  # predicted together; these numbers are of the first
    log: bool  # show on logarithmic axes


class Calibration(TypedDict):
    confidence: Sequence[float]
    accuracy: Sequence[float]
    count: Sequence[int]


class PerClass(TypedDict, total=False):
    label: str
    precision: float
    recall: float
    f1: float
    average_precision: float  # of labels, of which a row may have several
    count: int


class Worst(TypedDict, total=False):
    """One of the largest errors on the validation split."""

    shown: Mapping[str, Any]  # any of "image_png": bytes, "text": str, "row": {column: value}
    true: Any
    predicted: Any
    probability: float  # the network gave to what it predicted
    loss: float
    where: str  # file or row


class Suspects(TypedDict, total=False):
    looked_at: Mapping[str, int]  # examples of each part
    found: Mapping[str, int]
    no_better_than: str  # the baseline, where the network is not: then nothing was looked for
    errs: float  # share of validation that the network is wrong on
    pairs: Sequence[tuple[Any, Any, int]]  # given, suggested, how often
    examples: Sequence[Mapping[str, Any]]  # ``LabelIssue.to_json()``, with ``shown`` and ``where`` as of Worst


class Use(TypedDict, total=False):
    cli: Sequence[str]
    python: Sequence[str]


class Content(TypedDict, total=False):
    title: str  # the one thing every report has
    subtitle: str  # one plain sentence: what was learned and how well
    score: Mapping[str, Any]  # ``Score.to_json()``, on test
    baseline: Mapping[str, Any]  # likewise; ``name`` says what it does: "always guessing the commonest"
    reference: Mapping[str, Any] | None  # likewise, of a classical model on the same split
    facts: Sequence[tuple[str, Any]]  # (label, value)
    data: Data
    plan: Sequence[tuple[str, Any, str]]  # ``Plan.lines()``
    decisions: Sequence[Mapping[str, Any]]  # a ``Choice`` made while training, and the ``step`` of it
    metric: MetricContent
    history: Sequence[Mapping[str, Any]]  # as ``Run.history``; the metric under its name, or as ``metric``
    watched: int  # validation examples that training looked on; all when left out
    confusion: Confusion
    residuals: Residuals
    calibration: Calibration
    per_class: Sequence[PerClass]
    metrics: Mapping[str, float]
    percents: Sequence[str]  # names of those metrics that are shares, written in percent
    worst: Sequence[Worst]  # from validation, at most 24 are shown
    suspects: Suspects
    network: Sequence[TracedStage]
    use: Use
    protocol: str  # how the score was kept honest
    versions: Mapping[str, str]
