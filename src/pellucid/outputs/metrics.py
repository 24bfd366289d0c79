"""How good answers are: every metric a user can ask for, with weights, equal to scikit-learn's.

Ours rather than scikit-learn's: its import would take 2 s of every budget, and a bootstrap asks a thousand times.

n examples, S sets of weights at once, C classes, R target numbers, G groups of equal values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..draw.numbers import score_text
from ..errors import PellucidError

Judge = Callable[[np.ndarray], np.ndarray]  # weights of the examples (S, n) -> the metric under each set (S,)
AT_ONCE = 2_000_000  # weights drawn at a time by the bootstrap
MANY = 500_000  # examples
GROUPS = 50_000  # examples, or groups of them, that are drawn from


class Shown(float):
    """A number that is written as scores are, unless a format says otherwise."""

    def __format__(self, form: str) -> str:
        return super().__format__(form) if form else score_text(self)


@dataclass(frozen=True)
class Metric:
    """One way to say how good answers are.

    Attributes:
        name: as shown. words: what it may also be called; the first is shown where they are listed.
        judge: answers (n, C or R) and truth (n,) or (n, R) → the metric as a function of the examples' weights.
            Answers are probabilities of classes (of labels, beside whether each is said), or numbers in the user's
            units.
        higher: whether more is better. percent: whether it is a share, read best in percent. slow: whether it takes
            its time for every class. limits: that it can't pass.
        sentence: of a score for a person, with the numbers ``value``, ``low``, ``high`` and ``base`` (the naive
            answer's), ``naive`` (what that is), ``name`` (the metric's) and ``names`` (of the targets).
    """

    name: str
    judge: Callable[[np.ndarray, np.ndarray], Judge]
    words: tuple[str, ...] = ()
    higher: bool = True
    percent: bool = False
    slow: bool = False
    limits: tuple[float, float] = (0.0, 1.0)
    sentence: str = "{name} {value} ({low} to {high}); {naive}: {base}."


def find_metric(metrics: Mapping[str, Metric], text: str) -> Metric | None:
    """The metric of this name or other name, however it is spelt."""
    wanted = fold_name(text)
    return next((m for m in metrics.values() if wanted in map(fold_name, (m.name, *m.words))), None)


def fold_name(text: str) -> str:
    return text.strip().lower().replace("-", " ").replace("_", " ").replace("²", "2")


def bootstrap_interval(
    judge: Judge, weight: np.ndarray, repeats: int = 1000, group: np.ndarray | None = None
) -> tuple[float, float]:  # (n,) -> low, high
    """The 2.5 % and 97.5 % points of a metric over resampled examples (Efron, 1979).

    Of very many examples, groups of them are drawn together: each holds examples from all over, so that groups vary as
    single examples do; and fewer times, which takes long and matters in the fourth digit.

    Args:
        group: (n,) whose each example is: examples of one stand or fall together, so all of them are drawn at once
            (the cluster bootstrap; Field and Welsh, 2007).
    """
    n = len(weight)
    if n == 0:
        return float("nan"), float("nan")
    rng, draw = np.random.default_rng(0), drawn_units(weight, group)
    known = resample_metric(judge, n, lambda some: draw(rng, some) * weight, repeats if n <= MANY else repeats // 5)
    known = known[np.isfinite(known)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def drawn_units(
    weight: np.ndarray, group: np.ndarray | None = None
) -> Callable[[np.random.Generator, int], np.ndarray]:  # (n,), (n,)
    """What draws as many examples, or groups, as there are: S times gives how often each comes up, (S, n)."""
    n = len(weight)
    unit = np.arange(n) if group is None else np.unique(group, return_inverse=True)[1]  # (n,)
    groups = min(int(unit.max()) + 1, GROUPS)

    def draw_counts(rng: np.random.Generator, some: int) -> np.ndarray:
        drawn = rng.integers(0, groups, (some, groups)) + groups * np.arange(some)[:, None]  # faster than multinomial
        counts = np.bincount(drawn.ravel(), minlength=some * groups).reshape(some, groups)
        return counts if group is None and groups == n else counts[:, unit % groups]

    return draw_counts


def resample_metric(
    judge: Judge, n: int, draw: Callable[[int], np.ndarray], repeats: int
) -> np.ndarray:  # -> (repeats, ...)
    """A metric of ``n`` examples under weights that ``draw(S)`` makes S of, (S, n).

    NaN where a resample holds one class alone, which some metrics say nothing about.
    """
    block = int(np.clip(AT_ONCE // n, 1, 50))
    return np.concatenate([judge(draw(min(block, repeats - start))) for start in range(0, repeats, block)])


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval (1927) where all of ``n`` examples are right (``share`` 1) or none (0)."""
    reach = 1.96**2 / (n + 1.96**2)
    return (1 - reach, 1.0) if share == 1 else (0.0, reach)


def mean_of(each: np.ndarray) -> Judge:  # (n,) or (n, R)
    """The weighted mean of a number an example; of several, the mean of their means."""
    each = each if each.ndim == 1 else each.mean(1)
    return lambda weight: (weight @ each) / weight.sum(1)


def summed_by(place: np.ndarray, groups: int) -> Judge:  # (n,) of 0 .. groups - 1; weights (S, n) -> (S, groups)
    """The sum of weights in each group."""
    order = np.argsort(place, kind="stable")
    present, starts = np.unique(place[order], return_index=True)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(weight), groups))
        sums[:, present] = np.add.reduceat(weight[:, order], starts, axis=1)
        return sums

    return of_weights


def mean_where(values: np.ndarray, known: np.ndarray) -> np.ndarray:  # (S, C), (S, C) -> (S,)
    """The mean over what is known, NaN where nothing is."""
    count = known.sum(1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(1) / np.maximum(count, 1), np.nan)


# -- of classes


def accuracy(chances: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of((chances.argmax(1) == true).astype(float))


def balanced_accuracy(chances: np.ndarray, true: np.ndarray) -> Judge:
    """The mean, over classes that are there, of the share of each that is found."""
    right, of = (chances.argmax(1) == true).astype(float), summed_by(true, chances.shape[1])

    def of_weights(weight: np.ndarray) -> np.ndarray:
        count = of(weight)
        return mean_where(of(weight * right) / np.where(count > 0, count, 1), count > 0)

    return of_weights


def _class_f1(chances: np.ndarray, true: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """F1 of each class, (S, C), and where it means something: the class is there or was said."""
    guess, classes = chances.argmax(1), chances.shape[1]
    right, there, said = (guess == true).astype(float), summed_by(true, classes), summed_by(guess, classes)

    def of_weights(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        either = there(weight) + said(weight)
        return 2 * there(weight * right) / np.where(either > 0, either, 1), either > 0

    return of_weights


def macro_f1(chances: np.ndarray, true: np.ndarray) -> Judge:
    """The mean F1 over classes that are there or were said."""
    each = _class_f1(chances, true)
    return lambda weight: mean_where(*each(weight))


def f1_of(place: int, label: str) -> Metric:
    """F1 of one class: the harmonic mean of how much of it is found and how often it is rightly said."""

    def of_one(chances: np.ndarray, true: np.ndarray) -> Judge:
        each = _class_f1(chances, true)
        return lambda weight: np.where(each(weight)[1][:, place], each(weight)[0][:, place], np.nan)

    return Metric(f"F1 of '{label}'", of_one)


def log_loss(chances: np.ndarray, true: np.ndarray) -> Judge:
    """The mean of -log of the probability given to the truth."""
    return mean_of(-np.log(np.maximum(chances[np.arange(len(true)), true], np.finfo(float).eps)))


def roc_auc(chances: np.ndarray, true: np.ndarray) -> Judge:
    """How often a positive example scores above a negative one, ties counted half: the area under the ROC curve.

    Of two classes the second is the positive one (which is which changes nothing); of more, the mean of each class
    against the rest, over classes that are there. NaN where there is one class alone.
    """
    sides = [1] if chances.shape[1] == 2 else range(chances.shape[1])

    def of_weights(weight: np.ndarray) -> np.ndarray:
        each = np.stack([_ranked_right(chances[:, c], true == c)(weight) for c in sides], 1)  # (S, C)
        return mean_where(each, np.isfinite(each))

    return of_weights


def _ranked_right(score: np.ndarray, positive: np.ndarray) -> Judge:
    values, place = np.unique(score, return_inverse=True)
    at, plus = summed_by(place, len(values)), positive.astype(float)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        yes, no = at(weight * plus), at(weight * (1 - plus))  # (S, G) rising scores
        pairs = yes.sum(1) * no.sum(1)
        above = (yes * (no.cumsum(1) - no / 2)).sum(1)
        return np.where(pairs > 0, above / np.where(pairs > 0, pairs, 1), np.nan)

    return of_weights


# -- of labels: answers are the probability of each beside whether it is said, (n, 2 C); the truth is (n, C)


def micro_f1(answers: np.ndarray, true: np.ndarray) -> Judge:
    """F1 over all labels together: 2 rightly said / (said + there); 1 where there was nothing and nothing was said."""
    said = _decided_labels(answers)
    columns = np.stack([(said & true).sum(1), said.sum(1) + true.sum(1)], 1).astype(float)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        right, either = (weight @ columns).T
        return np.where(either > 0, 2 * right / np.where(either > 0, either, 1), 1.0)

    return of_weights


def macro_f1_of_labels(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The mean F1 over labels that are there or were said."""
    said = _decided_labels(answers)
    right, both = (said & true).astype(float), said.astype(float) + true

    def judge(weight: np.ndarray) -> np.ndarray:
        either = weight @ both  # (S, C)
        return mean_where(2 * (weight @ right) / np.where(either > 0, either, 1), either > 0)

    return judge


def mean_average_precision(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The mean average precision over labels that are there."""
    each = [average_precision(answers[:, c], true[:, c]) for c in range(true.shape[1])]

    def of_weights(weight: np.ndarray) -> np.ndarray:
        found = np.stack([one(weight) for one in each], 1)  # (S, C)
        return mean_where(found, np.isfinite(found))

    return of_weights


def average_precision(score: np.ndarray, positive: np.ndarray) -> Judge:  # (n,), (n,)
    """The mean, over positive examples, of the precision among those that score as high; NaN where there is none."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # of each run of equal scores
    right = positive[order].astype(float)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        own = weight[:, order]
        hits, ranked = (own * right).cumsum(1)[:, last], own.cumsum(1)[:, last]  # (S, G)
        gained = np.diff(hits, prepend=0.0, axis=1) * hits / np.where(ranked > 0, ranked, 1)
        total = hits[:, -1]
        return np.where(total > 0, gained.sum(1) / np.where(total > 0, total, 1), np.nan)

    return of_weights


def every_label_right(answers: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of((_decided_labels(answers) == true).all(1).astype(float))


def labels_wrong(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The share of all decisions that are wrong (Hamming loss)."""
    return mean_of((_decided_labels(answers) != true).astype(float))


def log_loss_of_labels(answers: np.ndarray, true: np.ndarray) -> Judge:
    """The mean, over all decisions, of -log of the probability given to the truth."""
    chances = answers[:, : true.shape[1]]
    return mean_of(-np.log(np.maximum(np.where(true, chances, 1 - chances), np.finfo(float).eps)))


def _decided_labels(answers: np.ndarray) -> np.ndarray:  # (n, 2 C) -> (n, C) bool
    return answers[:, answers.shape[1] // 2 :] > 0.5


# -- of numbers


def r2(guess: np.ndarray, true: np.ndarray) -> Judge:  # (n, R), (n, R)
    """1 - squared error over the spread of the truth, the mean over targets."""
    middle = true.mean(0)  # taken off for precision, it changes nothing
    columns = np.concatenate([(guess - true) ** 2, true - middle, (true - middle) ** 2], 1)

    def of_weights(weight: np.ndarray) -> np.ndarray:
        error, total, square = np.split(weight @ columns, 3, axis=-1)
        spread = square - total**2 / weight.sum(1, keepdims=True)
        varies = spread > 1e-12 * square
        flat = np.where(error > 0, 0.0, 1.0)  # as scikit-learn has it where the truth is always the same
        return np.where(varies, 1 - error / np.where(varies, spread, 1), flat).mean(-1)

    return of_weights


def mean_absolute_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of(abs(guess - true))


def root_mean_squared_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    error = (guess - true) ** 2
    return lambda weight: np.sqrt((weight @ error) / weight.sum(1, keepdims=True)).mean(1)


def median_absolute_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    error = abs(guess - true)
    return lambda weight: np.stack([weighted_medians(error[:, r], weight) for r in range(error.shape[1])], 1).mean(1)


def mean_absolute_percentage_error(guess: np.ndarray, true: np.ndarray) -> Judge:
    return mean_of(abs(guess - true) / np.maximum(abs(true), np.finfo(float).eps))


def weighted_medians(values: np.ndarray, weight: np.ndarray) -> np.ndarray:  # (n,), (S, n) -> (S,)
    """Weighted medians; between two values where half of the weight lies on each side."""
    order = np.argsort(values, kind="stable")
    ordered, ends = values[order], weight[:, order].cumsum(1)  # (n,), (S, n)
    half = ends[:, -1:] / 2
    near = 1e-12 * ends[:, -1:]  # sums of weights are not exact
    low, high = (ends >= half - near).argmax(1), (ends > half + near).argmax(1)
    return (ordered[low] + ordered[high]) / 2


def check_percentage(name: str, true: np.ndarray) -> None:
    """Raises PellucidError where the mean absolute percentage error would divide by 0.

    Args:
        true: (n,) float64, as the user has it.
    """
    if zeros := int(next_to_nothing(true).sum()):
        near = "" if (true == 0).any() else "next to "
        raise PellucidError(
            f"the mean absolute percentage error divides by the target, and '{name}' is {near}0 in {zeros:,} examples",
            fix="choose --metric mae",
        )


def next_to_nothing(true: np.ndarray) -> np.ndarray:  # (n,) or (n, R) -> bool
    """Where a number is 0, or so small that float32, in which it is taken from the mean, keeps nothing of it."""
    return (true == 0) | (abs(true) < 1e-6 * abs(true - true.mean(0)))


UNBOUNDED = (0.0, math.inf)  # limits of an error
OFF = "Off by {value} on average ({low} to {high}), in the unit of {names}; {naive} would be off by {base}."
OF_CLASSES = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, ("accuracy", "acc"), percent=True,
               sentence="Right {value:.1%} of the time ({low:.1%} to {high:.1%}); {naive} would be right {base:.1%}."),
        Metric("balanced accuracy", balanced_accuracy, ("balanced accuracy", "bacc"), percent=True,
               sentence="Finds {value:.1%} of a class on average ({low:.1%} to {high:.1%}); {naive} would find "
                        "{base:.1%}."),
        Metric("macro F1", macro_f1, ("f1", "f1 macro")),
        Metric("log loss", log_loss, ("log loss", "logloss", "cross entropy"), higher=False, limits=UNBOUNDED),
        Metric("ROC AUC", roc_auc, ("auc", "roc"), slow=True,
               sentence="Puts two examples of different classes in the right order {value:.1%} of the time "
                        "({low:.1%} to {high:.1%}); by chance it would be {base:.1%}."),
    )
}  # fmt: skip
AGREE = (
    "The labels it says and those that are there agree to {value:.1%} ({low:.1%} to {high:.1%}); {naive} would agree "
    "to {base:.1%}."
)
OF_LABELS = {
    metric.name: metric
    for metric in (
        Metric("micro F1", micro_f1, ("f1", "f1 micro"), percent=True, sentence=AGREE),
        Metric("macro F1", macro_f1_of_labels, ("macro f1", "f1 macro"), percent=True,
               sentence=AGREE.replace("agree to {value", "agree, label by label, to {value")),
        Metric("mean average precision", mean_average_precision, ("map", "average precision")),
        Metric("every label right", every_label_right, ("accuracy", "exact match", "subset accuracy"), percent=True,
               sentence="Has every label right {value:.1%} of the time ({low:.1%} to {high:.1%}); {naive} would have "
                        "{base:.1%}."),
        Metric("labels wrong", labels_wrong, ("hamming", "hamming loss"), higher=False, percent=True,
               sentence="Of all labels, {value:.1%} are wrongly said or left out ({low:.1%} to {high:.1%}); of "
                        "{naive} it would be {base:.1%}."),
        Metric("log loss", log_loss_of_labels, ("log loss", "logloss", "cross entropy"), higher=False,
               limits=UNBOUNDED),
    )
}  # fmt: skip
OF_NUMBERS = {
    metric.name: metric
    for metric in (
        Metric("R2", r2, ("r2", "r squared"), limits=(-math.inf, 1.0)),
        Metric("mean absolute error", mean_absolute_error, ("mae",), higher=False, limits=UNBOUNDED, sentence=OFF),
        Metric("root mean squared error", root_mean_squared_error, ("rmse",), higher=False, limits=UNBOUNDED,
               sentence=OFF.replace("on average", "by the root of the mean square")),
        Metric("median absolute error", median_absolute_error, ("medae",), higher=False, limits=UNBOUNDED,
               sentence=OFF.replace("Off by {value} on average", "Half of the answers are off by at most {value}")),
        Metric("mean absolute percentage error", mean_absolute_percentage_error, ("mape",), higher=False, percent=True,
               limits=UNBOUNDED,
               sentence="Off by {value:.1%} on average ({low:.1%} to {high:.1%}); {naive} would be off by {base:.1%}."),
    )
}  # fmt: skip
