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


class ColumnContent(TypedDict):
    """A column of the data: its kind and role, and what was seen in it; of one that is left out, why."""

    name: str
    kind: str
    role: str
    reason: str


class Rows(TypedDict):
    """Some rows of a table, as they were read."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Data(TypedDict, total=False):
    summary: Sequence[str]  # plain sentences
    columns: Sequence[ColumnContent]
    first_rows: Rows
    samples: Sequence[Worst]  # some training examples with what is true of them
    classes: Mapping[str, int]  # examples of each
    class_parts: Mapping[str, Mapping[str, int]]  # part -> examples of each class in it
    splits: Mapping[str, int]  # train, validation, test
    notes: Sequence[str]  # what looked wrong


class Confusion(TypedDict):
    labels: Sequence[str]
    matrix: Sequence[Sequence[int]]  # (true, predicted)


class Residuals(TypedDict, total=False):
    true: Sequence[float]
    predicted: Sequence[float]
    unit: str
    log: bool  # show on logarithmic axes


class TargetContent(TypedDict, total=False):
    """One of several numbers that are predicted together."""

    name: str
    value: float  # the main metric of it alone, with its interval
    low: float
    high: float
    half: float  # half of the predictions are within so much of the truth, nine in ten within ``most``
    most: float
    residuals: Residuals


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


class Curve(TypedDict):
    """The points of a curve and the area under it, with its interval."""

    x: Sequence[float]
    y: Sequence[float]
    value: float
    low: float
    high: float


class Curves(TypedDict):
    """Two classes at every threshold."""

    positive: str  # the class that is looked for
    share: float  # of the examples that are of it
    roc: Curve  # x: false alarms of all negatives; y: recall
    precision_recall: Curve  # x: recall; y: precision
    thresholds: Sequence[Mapping[str, Any]]  # as ``metrics.curves.threshold_row``, with ``why`` and ``decides``


class Worst(TypedDict, total=False):
    """One of the largest errors on the validation set."""

    # Any of "image_png", "sound_wav": bytes, "text": str, "verbatim": str with
    # its line ends, "curves": {channel: values}, "row": {column: value}.
    shown: Mapping[str, Any]
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


class Worth(TypedDict):
    """What one input is worth: by how much the metric gets worse when its values are shuffled."""

    input: str
    value: float
    spread: float
    columns: int


class ImportanceContent(TypedDict):
    """``Importances.to_json()``."""

    metric: str
    base: float
    rows: int
    shuffles: int
    inputs: Sequence[Worth]


class Use(TypedDict, total=False):
    cli: Sequence[str]
    python: Sequence[str]


class Content(TypedDict, total=False):
    title: str  # the one thing every report has
    eyebrow: str  # what kind of page it is, above the title
    subtitle: str  # one plain sentence: what was learned and how well
    score: Mapping[str, Any]  # ``Score.to_json()``, on test
    scored: str  # what the score and all pictures were made on, where that is not the test set: "new examples"
    baseline: Mapping[str, Any]  # likewise; ``name`` says what it does: "always guessing the commonest"
    reference: Mapping[str, Any] | None  # likewise, of a classical model on the same split
    facts: Sequence[tuple[str, Any]]  # (label, value)
    data: Data
    plan: Sequence[tuple[str, Any, str]]  # ``Plan.lines()``
    decisions: Sequence[Mapping[str, Any]]  # a ``Choice`` made while training, and the ``step`` of it
    metric: MetricContent
    history: Sequence[Mapping[str, Any]]  # as ``Run.history``; the metric under its name, or as ``metric``
    verdict: str | None
    watched: int  # validation examples that training looked on; all when left out
    confusion: Confusion
    residuals: Residuals
    targets: Sequence[TargetContent]  # of several numbers each
    calibration: Calibration
    per_class: Sequence[PerClass]
    curves: Curves
    metrics: Mapping[str, float]
    percents: Sequence[str]  # names of those metrics that are shares, written in percent
    worst: Sequence[Worst]  # from validation, at most 24 are shown
    language: Mapping[str, Any]  # what a language model writes, and where a text surprised it: ``text_content``
    written: Mapping[str, Any]  # texts written best and worst, beside the true ones
    transcripts: Mapping[str, Any]  # recordings with the most wrong words, and the words that are confused
    solved: Mapping[str, Any] | None  # the solved part a network begins with: name, its score, and how far ahead it is
    forecasts: Mapping[str, Any]  # some forecasts beside what came, and errors by steps ahead
    importance: ImportanceContent | None
    no_reference: str  # why there is no reference
    suspects: Suspects
    network: Sequence[TracedStage]
    use: Use
    protocol: str  # how the score was kept honest
    versions: Mapping[str, str]
