"""What a report is made from: plain values, everything but the title may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class ScoreContent(TypedDict, total=False):
    """A number on the test split with its interval; for the baseline ``name`` says what it does."""

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int  # examples it was measured on
    name: str  # of a baseline: "always guessing the commonest"


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


class ChoiceContent(TypedDict, total=False):
    """One line of the plan, or with ``step`` a decision made while training."""

    step: int
    name: str
    value: Any
    reason: str


class Row(TypedDict, total=False):
    """One line of the history. The metric may also stand under its own name."""

    step: int
    epoch: float
    seconds: float
    loss: float | None
    validation_loss: float | None
    metric: float | None
    lr: float | None  # of AdamW; in a history without ``lr_factor``, that factor
    matrix_lr: float | None  # of Muon, for the hidden matrices
    lr_factor: float | None  # the schedule's share of both


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


class Doubted(TypedDict, total=False):
    """One example whose label may be wrong."""

    shown: Mapping[str, Any]  # as of Worst
    part: str
    given: Any
    suggested: Any
    confidence: float | None
    times_off: float | None  # of a number
    where: str


class Suspects(TypedDict, total=False):
    looked_at: Mapping[str, int]  # examples of each part
    found: Mapping[str, int]
    no_better_than: str  # the baseline, where the network is not: then nothing was looked for
    errs: float  # share of validation that the network is wrong on
    pairs: Sequence[tuple[Any, Any, int]]  # given, suggested, how often
    examples: Sequence[Doubted]


class Layer(TypedDict, total=False):
    """One stage that data passes."""

    name: str
    shape: str  # of what it gives for one example: "32 × 32 × 24"
    parameters: int


class NetworkContent(TypedDict, total=False):
    layers: Sequence[Layer]
    parameters: int


class Use(TypedDict, total=False):
    cli: Sequence[str]
    python: Sequence[str]


class Content(TypedDict, total=False):
    title: str  # the one thing every report has
    subtitle: str  # one plain sentence: what was learned and how well
    score: ScoreContent
    baseline: ScoreContent
    reference: ScoreContent | None  # of a classical model on the same split
    facts: Sequence[tuple[str, Any]]  # (label, value)
    data: Data
    plan: Sequence[ChoiceContent]
    decisions: Sequence[ChoiceContent]
    metric: MetricContent
    history: Sequence[Row]
    watched: int  # validation examples that training looked on; all when left out
    confusion: Confusion
    residuals: Residuals
    calibration: Calibration
    per_class: Sequence[PerClass]
    metrics: Mapping[str, float]
    worst: Sequence[Worst]  # from validation, at most 24 are shown
    suspects: Suspects
    network: NetworkContent
    use: Use
    protocol: str  # how the score was kept honest
    versions: Mapping[str, str]
