"""What comes next in one channel or several: forecasting.

n examples, H steps ahead, C channels, K levels of the intervals, R = 2 H C numbers in a raw answer: what comes at each
step, and the logarithm of how far it may be off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import UsageError, missing_name
from ..fields import Encoded, Field
from ..fields.encoded import Windows
from ..metrics.base import normalised_weights
from ..metrics.future import OF_FUTURES, Outcome
from ..wording import count_noun, join_words, number_text
from .base import Task, Values, measure_all
from .explained import LIST_ANSWERS, Explained, explain_number
from .opened_loss import OpenedLoss

# Shares of what comes that lie below the lines of a forecast: of 50%, 90% and 95% intervals, and where these are of a
# normal distribution.
LEVELS = (0.025, 0.05, 0.25, 0.75, 0.95, 0.975)
NORMAL = (-1.960, -1.645, -0.674, 0.674, 1.645, 1.960)

# Of ``LEVELS``, the ends of the interval that is told.
LOW, HIGH, COVERAGE = 1, 4, 0.9

# Neighbouring steps whose errors are looked at together, of the horizon, where intervals are fitted.
NEAR_SHARE = 1 / 24

# Errors that the lines of a step follow from, at least and at most about.
FEWEST_ERRORS, MOST_ERRORS = 100, 8_000

# Of how far a forecast may be off, the logarithm stays in these bounds.
SPREAD_LIMIT = 20.0


class FutureTask(Task):
    """What comes next, at each step with an interval that holds ``COVERAGE`` of it.

    Raw answers are (n, R), in units of the training values' spread. Targets are (n, H + 1, C), NaN where not known;
    behind the last step lies by how much the series differs from a season before, which errors are divided by; below
    0 of a series that never changed.
    """

    kind = "channel"
    metric = "MASE"
    metrics = OF_FUTURES
    constant = False

    def __init__(self, fields: Sequence[Field], metric: str | None = None):
        super().__init__(fields, metric)
        states = [f.state or {} for f in fields]
        self.horizon, self.season = (int(fields[0].settings[name]) for name in ("horizon", "season"))
        shape = len(LEVELS), self.horizon, len(fields)
        self.learned = {
            "mean": np.array([s["mean"] for s in states], np.float64),
            "std": np.array([s["std"] or 1.0 for s in states], np.float64),
            # (K, H, C) lines of the intervals, in how far a forecast may be off.
            "lines": np.broadcast_to(np.array(NORMAL, np.float32)[:, None, None], shape).copy(),
        }

    # -- raw answers

    def split_answer(self, raw: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, R) -> (n, H, C), (n, H, C)
        """What comes, and how far it may be off."""
        raw = np.asarray(raw, np.float32)
        shape = (len(raw), self.horizon, len(self.fields))
        half = raw.shape[1] // 2
        spread = np.exp(np.clip(raw[:, half:], -SPREAD_LIMIT, SPREAD_LIMIT))
        return raw[:, :half].reshape(shape), spread.reshape(shape)

    def split_target(self, target: Values) -> tuple[np.ndarray, np.ndarray]:  # (n, H + 1, C) -> (n, H, C), (n, C)
        """What came, and by how much the series differs from a season before; NaN for one that never changed."""
        target = np.asarray(target, np.float32)
        scale = target[:, self.horizon]
        # An error can't be divided by 0: such a series counts in no scaled error.
        return target[:, : self.horizon], np.where(scale > 0, scale, np.float32(np.nan))

    def quantiles(self, raw: Values, levels: Sequence[int] = range(len(LEVELS))) -> np.ndarray:  # -> (n, H, C, K)
        """Lines below which a share of what comes lies, for some of ``LEVELS``; they never cross."""
        point, spread = self.split_answer(raw)
        return np.stack([point + self.learned["lines"][level] * spread for level in levels], -1)

    def read_answers(self, raw: Values, target: Values) -> tuple[np.ndarray, Any]:
        """(n, H, C, 4): what comes, the ends of its interval, how far it may be off; and the ``Outcome``."""
        point, spread = self.split_answer(raw)
        values, scale = self.split_target(target)
        answers = np.concatenate([point[..., None], self.quantiles(raw, (LOW, HIGH)), spread[..., None]], -1)
        learned = self.learned
        return answers, Outcome(values, scale, learned["mean"], learned["std"], LEVELS, learned["lines"])

    # -- baseline

    def naive_answer(self, target: Values, weight: np.ndarray | None = None) -> tuple[np.ndarray, str]:
        raise NotImplementedError("what is naive depends on the past: see naive_answers")

    def naive_answers(
        self,
        target: Encoded,
        learned: np.ndarray,
        rows: np.ndarray,
        weight: np.ndarray | None = None,
        kept: Sequence[float] = (),
    ) -> tuple[np.ndarray, str]:  # -> (m, R), what it is
        """The values a season before, or the last one where there is no rhythm."""
        assert isinstance(target, Windows)
        steps = np.arange(self.horizon)
        back = self.season * (steps // self.season + 1) - steps  # (H,)
        place, low = target.places[rows], target.low[rows]
        index = place[:, None] - back + 0 * steps  # (m, H)
        found = np.where(
            (index >= low[:, None])[..., None], target.values[np.clip(index, 0, len(target.values) - 1)], np.nan
        )
        last, at = last_known(target)  # (P, C) each
        own = np.maximum(place - 1, 0)
        # Not that of the series before.
        last = np.where(at[own] >= low[:, None], last[own], 0.0)  # (m, C)
        point = np.where(np.isfinite(found), found, last[:, None])
        name = f"the value {self.season:,} steps before" if self.season > 1 else "the last value"
        point = np.nan_to_num(point).reshape(len(rows), -1).astype(np.float32)
        return np.concatenate([point, np.zeros_like(point)], 1), name

    # -- intervals

    def calibrate(self, raw: Values, target: Values) -> None:
        """Learn the lines of each step from validation's errors (split conformal prediction, Lei et al., 2018).

        What is forecast always lies within them, also where errors are biased.
        """
        point, spread = self.split_answer(raw)
        values, _ = self.split_target(target)
        error = (values - point) / spread  # (n, H, C)
        # Of few errors those of more steps together.
        near = max(1, round(self.horizon * NEAR_SHARE), -(-FEWEST_ERRORS // max(len(error), 1)))
        error = error[:: max(1, len(error) * near // MOST_ERRORS)]
        lines = np.broadcast_to(np.array(NORMAL)[:, None, None], self.learned["lines"].shape).copy()
        for c in range(error.shape[2]):
            for h in range(self.horizon):
                own = error[:, max(h - near // 2, 0) : h + near // 2 + 1, c]
                own = own[np.isfinite(own)]
                if len(own):
                    lines[:, h, c] = conformal_quantiles(own, LEVELS)
        lines = np.maximum.accumulate(lines, 0).astype(np.float32)
        # Errors that all lie on one side of 0 would put the interval beside what is forecast.
        lower = np.array(LEVELS) < 0.5
        lines[lower], lines[~lower] = np.minimum(lines[lower], 0.0), np.maximum(lines[~lower], 0.0)
        self.learned["lines"] = lines

    large_loss = (
        "A large loss is a stretch that did not go as forecast: look there for sudden changes, gaps and faulty values."
    )
    answer_words = ("forecast", "actual")

    def explain(self, raw: np.ndarray, which: str | None = None) -> Explained:  # (2 H C,)
        """Of a channel at one step ahead: ``"OT,24"``; the first channel, and the first step, where not said."""
        names = [f.name for f in self.fields]
        channel, _, step = (which or names[0]).rpartition(",")
        if not channel:
            channel, step = (names[0], step) if step.isdecimal() and step not in names else (step, "1")
        if channel not in names:
            raise UsageError(missing_name("target", channel, names, LIST_ANSWERS))
        if not step.strip().isdecimal() or not 1 <= int(step) <= self.horizon:
            raise UsageError(
                f"there is no step '{step.strip()}' ahead",
                fix=f"choose a step from 1 to {self.horizon:,}: {names[0]},1",
            )
        c, h = names.index(channel), int(step) - 1
        found = explain_number(h * len(names) + c, channel, self.learned["std"][c], self.learned["mean"][c])
        ahead = "1 step" if h == 0 else f"{h + 1:,} steps"
        return replace(found, noun=f"'{channel}' {ahead} ahead")

    def open_loss(self, raw: np.ndarray, target: np.ndarray) -> OpenedLoss:  # (2 H C,), (H + 1, C)
        guess, spread = (self.to_units(one)[0] if i == 0 else one[0] * self.learned["std"] for i, one in
                         enumerate(self.split_answer(raw[None])))  # fmt: skip
        true = self.to_units(self.split_target(target[None])[0])[0]  # (H, C)
        # Whose steps are worst is asked in standard deviations: columns have no unit in common.
        off = guess - true  # (H, C)
        known = [(h, c) for c in range(off.shape[1]) for h in range(self.horizon) if np.isfinite(true[h, c])]
        if not known:
            return OpenedLoss("None of the actual values are known.", (), [], None, "")
        rows: list[list[Any]] = [
            [f"{self.fields[c].name}, step {h + 1:,}", *(float(one[h, c]) for one in (guess, true, off, spread))]
            for h, c in known
        ]
        h, c = max(known, key=lambda place: abs(off[place]) / self.learned["std"][place[1]])
        said = self._say_off(np.abs(off), f"over its {count_noun(len({h for h, _ in known}), 'step')}")
        which = f"'{self.fields[c].name}', " if len(self.fields) > 1 else ""
        sentence = (
            f"{said}; most at {which}step {h + 1:,}, where {number_text(float(guess[h, c]))} was forecast and "
            f"{number_text(float(true[h, c]))} is the actual value."
        )
        caption = (
            "Forecast, actual value and error are in the units of the column. The loss adds up how far each step is "
            "off, in standard deviations of the training values, and how badly the expected error fits (the pinball "
            "loss)."
        )
        return OpenedLoss(sentence, ("step", "forecast", "actual", "off by", "error expected"), rows, None, caption)

    def say_error(self, raw: Values, target: Values) -> str:
        point, true = self.split_answer(raw)[0], self.split_target(target)[0]
        off = np.abs(point - true) * self.learned["std"]  # (n, H, C)
        said = self._say_off(off.reshape(-1, off.shape[2]), f"over {count_noun(self.horizon, 'step')}")
        return f"{said}, in its own units."

    def _say_off(self, off: np.ndarray, steps: str) -> str:  # (n, C), NaN where not known
        """How far forecasts are off on average, column by column."""
        known = np.isfinite(off)
        mean = np.where(known, off, 0.0).sum(0) / known.sum(0).clip(1)
        each = [f"'{f.name}' is off by {number_text(float(o))}" for f, o in zip(self.fields, mean, strict=True)]
        return f"{join_words(each, 3)} on average {steps}"

    # -- words

    def to_units(self, values: np.ndarray) -> np.ndarray:  # (n, H, C, ...) -> the same
        shape = (-1, *[1] * (values.ndim - 3))
        return values * self.learned["std"].reshape(shape) + self.learned["mean"].reshape(shape)

    def decode(self, raw: Values) -> list[dict[str, Any]]:
        """Of each channel ``value``, ``low`` and ``high`` at every step; of several each under its name."""
        point, _ = self.split_answer(raw)
        every = self.to_units(np.concatenate([point[..., None], self.quantiles(raw, (LOW, HIGH))], -1))
        found = []
        for one in every:
            each = [dict(zip(("value", "low", "high"), one[:, c].T.tolist(), strict=True)) for c in range(one.shape[1])]
            names = (f.name for f in self.fields)
            found.append(each[0] if len(each) == 1 else dict(zip(names, each, strict=True)))
        return found

    def decode_target(self, target: Values) -> list[Any]:
        values = self.to_units(self.split_target(target)[0])
        lists = values.astype(object)
        lists[~np.isfinite(values)] = None
        return [one[:, 0].tolist() if len(self.fields) == 1 else one.T.tolist() for one in lists]

    def report_content(self, raw: Values, target: Values, weight: np.ndarray | None = None) -> dict[str, Any]:
        answers, true = self.read_answers(raw, target)
        found = measure_all(self, answers, true, weight)
        if len(self.fields) > 1:
            # Degrees and prices have no unit in common.
            without = {m.name for m in self.metrics.values() if m.key in ("mae", "rmse")} - {self.metric}
            found = {name: value for name, value in found.items() if name not in without}
        held = covered(answers, true)
        name = f"coverage of the {COVERAGE:.0%} intervals"
        even = normalised_weights(weight, len(answers))
        share = float(np.nanmean(np.nanmean(np.where(np.isfinite(held), held, np.nan), (1, 2)) * even))
        return {"metrics": {**found, name: share}, "percents": [name], "steps": self.error_by_step(answers, true)}

    def error_by_step(self, answers: np.ndarray, true: Outcome) -> dict[str, Any]:
        """Of each step ahead: the mean absolute scaled error and the share of intervals that hold what came."""
        return {
            "error": mean_by_step(answers[..., 0], true),
            "coverage": np.nanmean(covered(answers, true), (0, 2)).tolist(),
        }

    def step_errors(self, raw: Values, target: Values) -> list[float]:  # (n, R), (n, H + 1, C) -> H
        """Of each step ahead the mean absolute scaled error of raw answers."""
        values, scale = self.split_target(target)
        outcome = Outcome(values, scale, self.learned["mean"], self.learned["std"])
        return mean_by_step(self.split_answer(raw)[0], outcome)


def mean_by_step(point: np.ndarray, true: Outcome) -> list[float]:  # (n, H, C) -> H
    """Of each step ahead the mean absolute scaled error; NaN where nothing is known."""
    error = abs(point - true.values) / true.scale[:, None]
    count = np.isfinite(error).sum((0, 2))
    return np.where(count, np.nansum(error, (0, 2)) / np.maximum(count, 1), np.nan).tolist()  # type: ignore[no-any-return]


def covered(answers: np.ndarray, true: Outcome) -> np.ndarray:  # (n, H, C), NaN where not known
    """Whether what came lies in its interval."""
    inside = (answers[..., 1] <= true.values) & (true.values <= answers[..., 2])
    return np.where(np.isfinite(true.values), inside, np.nan)


def conformal_quantiles(error: np.ndarray, levels: Sequence[float]) -> np.ndarray:  # (m,) -> (K,)
    """Quantiles of errors so that as many of new ones lie beyond: a little further out, as errors are few."""
    own, n = np.sort(error), len(error)
    found = []
    for level in levels:
        rank = np.ceil((n + 1) * level) if level > 0.5 else np.floor((n + 1) * level)
        found.append(own[int(np.clip(rank - 1, 0, n - 1))])
    return np.array(found)


def last_known(target: Windows) -> tuple[np.ndarray, np.ndarray]:  # -> (P, C), (P, C)
    """The last known value up to each place and where it stands; 0 and -1 before the first."""
    known = np.isfinite(target.values)
    index = np.maximum.accumulate(np.where(known, np.arange(len(known))[:, None], -1), 0)
    return np.nan_to_num(np.take_along_axis(target.values, np.maximum(index, 0), 0)), index
