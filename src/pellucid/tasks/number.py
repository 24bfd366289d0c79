"""One number or several: regression.

n examples, R target numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import UsageError, missing_name
from ..fields import Field, kind_named
from ..metrics.base import normalised_weights
from ..metrics.numbers import OF_NUMBERS, next_to_nothing, weighted_medians
from ..metrics.score import Score, plain_name
from ..storage import forms
from ..wording import join_words, number_text, rounded_number, score_text
from .base import Task, Values, measure_all
from .explained import LIST_ANSWERS, Explained, explain_number
from .opened_loss import OpenedLoss
from .ranges import COVERAGE, THIRDS, Range, check_range, coverage_by_third, fit_range
from .several_targets import each_target, residuals_of

# Of each part of the predictions, the share of ranges that hold the truth, under the name that people read.
COVERAGE_NAMES = {
    "all": f"coverage of the {COVERAGE:.0%} ranges",
    **{third: f"coverage, {third} third of predictions" for third in THIRDS},
}


class NumberTask(Task):
    """A number, with a range around it that holds ``COVERAGE`` of the truth, wider where errors are (``ranges``).

    Raw answers and targets are (n, R), standardised by the training targets' mean and spread. The usual metric is R²,
    the mean over targets; 0 is what always saying the mean gets.
    """

    kind = "number"
    metric = "R2"
    metrics = OF_NUMBERS

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        super().__init__(fields, metric)
        states = [f.state or {} for f in fields]
        self.learned = {
            "mean": np.array([s["mean"] for s in states], np.float64),
            "std": np.array([s["std"] or 1.0 for s in states], np.float64),
            # (R,) half of a range of one width, in the user's units: all that runs from before had.
            "spread": np.full(len(fields), np.nan, np.float32),
        }
        self._ranges: list[Range] | None = None

    def read_answers(self, raw: Values, target: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, R), (n, R)
        return self.to_units(raw), self.to_units(target)

    def naive_answer(
        self, target: Values, weight: np.ndarray | None = None
    ) -> tuple[np.ndarray, str]:  # (n, R) -> (R,)
        """The number that is best by the main metric: the mean for squares, the median for absolute errors.

        For errors as shares of the number, the median of examples that count 1 / their size.
        """
        true, even = self.to_units(target), normalised_weights(weight, len(target))
        name, best = "mean", np.average(true, 0, even)
        if self.measured.constant != "mean":
            shares = self.measured.constant == "share"
            counts = (
                even / np.maximum(abs(true.T), np.finfo(float).eps) if shares else np.tile(even, (true.shape[1], 1))
            )
            name = "number that is off by the smallest share" if shares else "median"
            best = np.array([weighted_medians(own, count[None])[0] for own, count in zip(true.T, counts, strict=True)])
        raw = (best - self.learned["mean"]) / self.learned["std"]
        return raw.astype(np.float32), f"always the {name}, {join_words([rounded_number(v, 4) for v in best], 4)}"

    def calibrate(self, raw: Values, target: Values) -> None:
        """Learn the range that holds ``COVERAGE`` of validation's errors, for each target."""
        guess, true = np.asarray(raw, np.float32), np.asarray(target, np.float32)
        error = abs(guess - true).astype(np.float64)  # (n, R)
        level = min(1.0, COVERAGE * (1 + 1 / max(len(error), 1)))
        self.learned["spread"] = (np.quantile(error, level, axis=0) * self.learned["std"]).astype(np.float32)
        scales = zip(self.learned["mean"].tolist(), self.learned["std"].tolist(), strict=True)
        self._ranges = [
            fit_range(guess[:, r], true[:, r], scale, self.fields[r].state or {}) for r, scale in enumerate(scales)
        ]

    @property
    def ranges(self) -> list[Range]:
        """The range of each target; of one width where nothing else was learned."""
        if self._ranges is not None:
            return self._ranges
        return [Range(np.zeros(1), np.array([half])) for half in self.learned["spread"].astype(np.float64)]

    def calibration(self) -> Any:
        return None if self._ranges is None else {"ranges": [one.to_json() for one in self._ranges]}

    @classmethod
    def check_calibration(cls, value: Any, where: str) -> None:
        forms.maybe(forms.record({"ranges": forms.list_of(check_range, least=1)}))(value, where)

    def restore_calibration(self, found: Any) -> None:
        self.check_calibration(found, "calibration")
        if found is not None and len(found["ranges"]) != len(self.fields):
            raise forms.FormError(f"calibration has {len(found['ranges'])} ranges for {len(self.fields)} targets")
        self._ranges = None if found is None else [Range.from_json(one) for one in found["ranges"]]

    large_loss = "A large loss is a number that is far off: look there for typing errors, other units and odd examples."

    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:  # (R,)
        names = [f.name for f in self.fields]
        if which is not None and which not in names:
            raise UsageError(missing_name("target", which, names, LIST_ANSWERS))
        index = 0 if which is None else names.index(which)
        return explain_number(index, names[index], self.learned["std"][index], self.learned["mean"][index])

    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (R,), (R,)
        guess, true = (np.asarray(one, np.float64).reshape(-1) for one in (raw, target))
        units = [self.to_units(one[None])[0] for one in (guess, true)]
        off, square = units[0] - units[1], (guess - true) ** 2
        rows: list[list[Any]] = [
            [field.name, float(units[0][r]), float(units[1][r]), float(off[r]), float(off[r] ** 2), float(square[r])]
            for r, field in enumerate(self.fields)
        ]
        total = float(square.mean())
        each = [f"'{f.name}' is off by {number_text(float(o))}" for f, o in zip(self.fields, off, strict=True)]
        sentence = (
            f"{join_words(each, 3)}, so the loss is {number_text(total)}: the squared error in standard deviations of "
            "the training values"
        )
        sentence += ", the mean over targets." if len(rows) > 1 else "."
        headings = ("target", "predicted", "true", "off by", "squared", "squared, in standard deviations")
        caption = "Squares count an error twice as large four times as much."
        return OpenedLoss(sentence, headings, rows, total, caption)

    def say_error(self, raw: Values, target: Values) -> str:
        off = np.abs(self.to_units(raw) - self.to_units(target)).reshape(-1, len(self.fields)).mean(0)
        each = [f"'{f.name}' is off by {number_text(float(o))}" for f, o in zip(self.fields, off, strict=True)]
        return f"{join_words(each, 3)} on average, in its own units."

    def to_units(self, raw: Values) -> np.ndarray:  # (n, R) -> (n, R)
        """Standardised numbers in the user's units, float64."""
        return np.asarray(raw, np.float64) * self.learned["std"] + self.learned["mean"]

    def decode(self, raw: Values) -> list[dict[str, Any]]:
        value = self.to_units(raw).reshape(-1, len(self.fields))  # (n, R)
        ends = [one.ends(value[:, r]) for r, one in enumerate(self.ranges)]
        each = [
            [
                {"value": v, "low": low, "high": high}
                for v, low, high in zip(value[:, r].tolist(), *(end.tolist() for end in own), strict=True)
            ]
            for r, own in enumerate(ends)
        ]
        if len(each) == 1:
            return each[0]
        return [dict(zip((f.name for f in self.fields), row, strict=True)) for row in zip(*each, strict=True)]

    def decode_target(self, target: Values) -> list[Any]:
        columns = [
            kind_named(self.kind).decode(column, f.state or {})
            for f, column in zip(self.fields, np.asarray(target).T, strict=True)
        ]
        return columns[0] if len(columns) == 1 else [list(row) for row in zip(*columns, strict=True)]

    def report_content(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> dict[str, Any]:
        guess, true = self.read_answers(raw, target)  # (n, R)
        found = measure_all(self, guess, true, weight)
        if len(self.fields) > 1:
            # Prices and ages have no unit in common: what has one is said of each target alone.
            shown = {m.name for m in self.metrics.values() if m.percent or m.key in ("r2", self.measured.key)}
            found = {name: value for name, value in found.items() if name in shown}
        # Of a true value near 0 every error is an endless share.
        if next_to_nothing(true).any():
            endless = {metric.name for metric in self.metrics.values() if metric.constant == "share"}
            found = {name: value for name, value in found.items() if name not in endless}
        coverage = self.coverage(guess, true, weight)
        # Of several targets the mean, as of all metrics.
        shares = {
            COVERAGE_NAMES[part]: float(np.mean([own[part] for own in coverage]))
            for part in COVERAGE_NAMES
            if all(part in own for own in coverage)
        }
        one = len(self.fields) == 1
        drawn = {"residuals": residuals_of(self.fields[0].name, true, guess)} if one else {}
        return {"metrics": found | shares, "percents": list(shares), **drawn}

    def detail_content(
        self, raw: Values, target: Values, chosen: Sequence[tuple[str, float]] = (), **how: Any
    ) -> dict[str, Any]:
        if len(self.fields) == 1:
            return {}
        names = [f.name for f in self.fields]
        return {"targets": each_target(self.measured, names, *self.read_answers(raw, target), **how)}

    def coverage(
        self, guess: np.ndarray, true: np.ndarray, weight: np.ndarray | None = None
    ) -> list[dict[str, float]]:  # (n, R), (n, R), (n,)
        """Of each target the share of ranges that hold the truth: of ``all`` and by thirds of the predictions."""
        held = [one.holds(guess[:, r], true[:, r]) for r, one in enumerate(self.ranges)]
        return [coverage_by_third(guess[:, r], own, weight) for r, own in enumerate(held)]

    def say_score(self, score: Score, baseline: Score) -> str:
        # "Explains -3%" says nothing: a share of the variance can't be less than nothing.
        if self.measured.key != "r2" or score.single or min(score.value, score.low) < 0:
            said = super().say_score(score, baseline)
            worse = self.measured.key == "r2" and score.value < 0
            return f"{said} Below 0: worse than always predicting the mean of these examples." if worse else said
        names = join_words([f"'{f.name}'" for f in self.fields], 4)
        mean = ", the mean of both" if len(self.fields) == 2 else ", the mean of all"
        return (
            f"R² {score_text(score.value)} ({score_text(score.low)} to {score_text(score.high)}): the share of the "
            f"variance of {names} that is explained{mean if len(self.fields) > 1 else ''}; "
            f"baseline ({plain_name(baseline.name)}): {score_text(baseline.value)}."
        )
